"""What a diagnosis tells while it is being made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from codetracer_core.diagnosis_models import CallUsage

ProgressKind = Literal["phase", "call", "thought", "read", "repair", "compacted", "warning", "finished"]


_DOING: Mapping[str, str] = {
    "show_tree": "looks at the tree",
    "read_steps": "reads steps",
    "search": "searches the text",
    "compare_steps": "compares steps",
    "file_history": "follows a file",
    "test_outcomes": "looks at how the tests went",
    "read_task": "reads the task",
    "raw_lines": "reads the raw file",
    "judge_part": "has read a part",
    "choose_half": "has chosen a half",
}


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

    @property
    def words(self) -> str:
        """What happens, for people: ``text``, but what a tool is for instead of its name."""
        return _DOING.get(self.text, self.text) if self.kind == "read" else self.text
