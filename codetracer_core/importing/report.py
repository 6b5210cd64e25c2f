"""The report of an import: what became of every run, and of every place that should hold one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from codetracer_core.words import listed

Status = Literal["imported", "skipped", "misaligned", "failed"]
ToDo = Literal["", "describe", "repair"]
"""What a person can do about it with extractors: *describe* a format that nobody knows, *repair* the extractor that
read it (the item's ``format``) and does not fit any more."""
REPORT_IT = "This is a fault of CodeTracer; please report it."


@dataclass(frozen=True)
class ImportItem:
    """What became of one run, or of one place that should hold one."""

    path: str
    status: Status
    reason: str = ""
    remedy: str = ""
    run_id: str | None = None
    format: str | None = None
    view: str | None = None
    step_count: int | None = None
    declared_step_count: int | None = None
    to_do: ToDo = ""


@dataclass(frozen=True)
class ImportReport:
    """All items of one import. A *misaligned* run is imported, too; its step numbers do not fit the manifest."""

    items: tuple[ImportItem, ...]
    stopped: str = ""
    """Not empty: the import was cancelled before its end; words on how far it came, and where it stopped."""
    passed_over: tuple[str, ...] = ()
    """Folders beside runs that came in, with files that no format recognises: they may be runs of another format."""

    @property
    def counts(self) -> dict[Status, int]:
        counted = Counter(item.status for item in self.items)
        return {status: counted[status] for status in ("imported", "skipped", "misaligned", "failed")}

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": self.counts,
            "stopped": self.stopped,
            "passed_over": list(self.passed_over),
            "items": [asdict(item) for item in self.items],
        }


def passed_over_words(folders: Sequence[str]) -> str:
    """What is said of the folders that were passed over; no full stop."""
    return f"passed over, no format recognises what is there: {listed(folders, 5)}"


def unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {error}"
