"""What a diagnosis tells while it is being made."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from codetracer_core.diagnosis_models import CallUsage

ProgressKind = Literal["phase", "call", "thought", "read", "repair", "compacted", "warning", "finished"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened. ``text`` is for people: words of ours, or of the model ("thought"): hostile as ever."""

    at: datetime
    sample: int
    """Which repetition, 1-based."""
    kind: ProgressKind
    text: str
    steps: tuple[int, ...] = ()
    """The steps that were read."""
    usage: CallUsage = field(default_factory=CallUsage)
    """Of all samples so far."""
