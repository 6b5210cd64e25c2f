"""What reading a run with a spec may cost, and the account that is kept of it."""

from dataclasses import dataclass, field
from time import monotonic

from codetracer_core.errors import SpecError

LARGEST_SPEC = 100_000
"""Characters of a spec's text."""
LONGEST_EXPRESSION = 2_000
"""Characters of one path or pattern."""
DEEPEST_EXPRESSION = 40
"""Levels of a path's syntax tree."""


@dataclass(frozen=True)
class SpecLimits:
    """Upper bounds for one run, inclusive. What needs more raises SpecError."""

    files: int = 20_000
    read_bytes: int = 1 << 27
    values: int = 5_000_000
    """Values in JSON, estimated before it is decoded: brackets and commas; and cells of tables."""
    records: int = 300_000
    """Records, and matches that a pattern of 'every' finds in them."""
    steps: int = 20_000
    operations: int = 30_000_000
    """Values that paths look at, and characters (in hundreds) that patterns search and texts are made of."""
    text: int = 1 << 28
    """Characters of all texts that are made for steps and facts."""
    nesting: int = 100
    """Levels of a JSON value that becomes a text."""
    seconds: float = 60.0
    """For what no count foresees; generous, so that a slow machine gives the same steps as a fast one."""


@dataclass
class Budget:
    """What one run has used so far. ``file`` is the one that is being read, for the words of the error."""

    limits: SpecLimits
    file: str = ""
    used: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operations = 0
        self._ends = monotonic() + self.limits.seconds
        self._look = 0

    def spend(self, operations: int = 1) -> None:
        self.operations += operations
        if self.operations > self.limits.operations:
            self._refuse(f"more than {self.limits.operations:,} operations", "operations")
        if self.operations >= self._look:
            self._look = self.operations + 20_000
            self.check_time()

    def check_time(self) -> None:
        if monotonic() > self._ends:
            self._refuse(f"more than {self.limits.seconds:g} seconds", "seconds")

    def count(self, what: str, number: int = 1) -> None:
        """Take ``number`` from the limit called ``what`` ("files", "read_bytes", "values", "records" …)."""
        total = self.used[what] = self.used.get(what, 0) + number
        most = int(getattr(self.limits, what))
        if total > most:
            self._refuse(f"more than {most:,} {_WORDS[what]}", what)

    def _refuse(self, reason: str, limit: str) -> None:
        raise SpecError(
            f"reading this run takes {reason} (limit {limit!r})", path=self.file or None, remedy=_REMEDIES[limit]
        )


_WORDS = {
    "files": "files",
    "read_bytes": "bytes of files",
    "values": "values in JSON or tables",
    "records": "records",
    "steps": "steps",
    "text": "characters of text in its steps",
}
_REMEDIES = {
    "files": "Narrow the globs, or read one run at a time.",
    "read_bytes": "Narrow the globs: name only the files that hold records.",
    "values": "Narrow the globs: name only the files that hold records.",
    "records": "Let a record be a larger unit, or read one run at a time.",
    "steps": "Check that a rule takes only what is an action.",
    "operations": "Simplify the paths: fewer projections and lists, more of the way given by name.",
    "seconds": "Simplify the patterns and paths, or read one run at a time.",
    "text": "Take the fields that are meant, not whole records.",
}
