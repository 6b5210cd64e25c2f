"""Any number of runs beside each other, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetracer_core.alignment.deeds import Deed
from codetracer_core.alignment.pairs import Pair, Strength, pairs


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an alignment: at most one step of each run."""

    steps: tuple[int | None, ...]
    """Step numbers by run; None: it has no step here."""
    reasons: tuple[str, ...]
    """By run, why its step stands beside that of the row's first run (the reference, where it has a step here); "" for
    that one itself, and where there is no step."""
    strengths: tuple[Strength, ...]
    """The same, as a strength; "none" where the reason is ""."""

    def strength(self, run: int, other: int) -> Strength:
        """How two runs agree here, judged by the weaker of their reasons; "none" if one of them has no step."""
        if self.steps[run] is None or self.steps[other] is None:
            return "none"
        told = [self.strengths[one] for one in (run, other) if self.strengths[one] != "none"]
        return max(told, key=("same", "alike", "weak").index) if told else "none"


def align(runs: Sequence[Sequence[Deed]], reference: int = 0) -> list[Row]:
    """The runs beside each other: every step in one row, each run in its own order.

    Each run is aligned with the reference (a star alignment); what several others do between the same two steps of the
    reference is aligned among themselves, one run after the other (progressively). Raises IndexError if there is no
    such run.
    """
    centre = runs[reference]
    on = [_alone(len(runs), reference, at) for at in range(len(centre))]
    between: list[list[_Line]] = [[] for _ in range(len(centre) + 1)]
    for run in range(len(runs)):
        if run == reference:
            continue
        start, gap = 0, 0
        for pair in pairs(centre, runs[run]):
            _merge(between, gap, pair.left, runs, run, range(start, pair.right))
            on[pair.left].put(run, pair.right, pair)
            start, gap = pair.right + 1, pair.left + 1
        _merge(between, gap, len(centre), runs, run, range(start, len(runs[run])))
    lines = [line for at, own in enumerate([*on, None]) for line in [*between[at], *([own] if own else [])]]
    return [line.as_row(runs) for line in lines]


class _Line:
    """A row in the making; places are 0-based."""

    def __init__(self, count: int) -> None:
        self.places: list[int | None] = [None] * count
        self.pairs: list[Pair | None] = [None] * count

    def put(self, run: int, place: int, pair: Pair | None = None) -> None:
        self.places[run], self.pairs[run] = place, pair

    def first(self) -> int:
        """The run that the others are compared with."""
        return next(run for run, place in enumerate(self.places) if place is not None and self.pairs[run] is None)

    def as_row(self, runs: Sequence[Sequence[Deed]]) -> Row:
        return Row(
            tuple(None if place is None else runs[run][place].step_id for run, place in enumerate(self.places)),
            tuple(pair.reason if pair else "" for pair in self.pairs),
            tuple(pair.strength if pair else "none" for pair in self.pairs),
        )


def _alone(count: int, run: int, place: int) -> _Line:
    line = _Line(count)
    line.put(run, place)
    return line


def _merge(
    between: list[list[_Line]], first: int, last: int, runs: Sequence[Sequence[Deed]], run: int, places: range
) -> None:
    """Put steps of a run where the reference has no partner for them: into its gaps ``first`` to ``last``, of which
    those that hold steps of other runs are looked through for partners; what has none goes into gap ``first``."""
    if not places:
        return
    known = [(gap, line) for gap in range(first, last + 1) for line in between[gap]]
    deeds_there = []
    for _, line in known:
        base = line.first()
        place = line.places[base]
        assert place is not None
        deeds_there.append(runs[base][place])
    found = {pair.right: pair for pair in pairs(deeds_there, [runs[run][place] for place in places])}
    gap, at = first, 0
    for offset, place in enumerate(places):
        pair = found.get(offset)
        if pair is None:
            between[gap].insert(at, _alone(len(runs), run, place))
        else:
            gap, line = known[pair.left]
            line.put(run, place, pair)
            at = between[gap].index(line)
        at += 1
