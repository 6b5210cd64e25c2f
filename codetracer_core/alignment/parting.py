"""What an alignment comes to: where two runs part and meet again, and how much they have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from codetracer_core.alignment.deeds import Deed
from codetracer_core.alignment.rows import Row
from codetracer_core.models import Stage


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the states of two runs begin to differ, as far as actions tell; all are 0-based rows of the alignment."""

    row: int
    """The first row with a change that the two do not make by the same command."""
    why: str
    common: int | None
    """The last common step: the last row before it in which both do the same or alike; None: there is none."""
    alone: int | None
    """The first row from there on with a change that only one of them makes; None: there is none."""
    meets: tuple[int, ...]
    """Where they meet again: of each block of rows after ``row`` in which both do the same or alike, the first. Their
    states may differ all the same."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of two runs is common, in steps."""

    same: int
    """Pairs of steps by strength: the same command …"""
    alike: int
    """… the same file, or nearly the same command …"""
    weak: int
    """… only the same kind of step. These do not count as common."""
    only: tuple[int, int]
    """Steps of each run that have no partner in the other one."""

    @property
    def value(self) -> float | None:
        """Steps with a partner that does the same or alike, of all steps of both, 0 to 1; None: neither has steps."""
        total = 2 * (self.same + self.alike + self.weak) + sum(self.only)
        return 2 * (self.same + self.alike) / total if total else None


@dataclass(frozen=True, slots=True)
class StageShare:
    """What of one run's stage the other run did, too."""

    stage: Stage
    steps: int
    shared: int
    """Of them with a partner that does the same or alike."""


def parting(rows: Sequence[Row], runs: Sequence[Sequence[Deed]], one: int, other: int) -> Parting | None:
    """Where the states of two of the aligned runs begin to differ; None: one makes no change that the other does not.

    They are taken to be in the same state as long as every change so far was made by both, by the same command. What
    only one of them explored makes no difference. That is what the actions tell: the same command may have another
    effect (the clock, the network, what ran before), and different commands the same one.
    """
    changes = [_changes(row, runs, one, other) for row in rows]
    strengths = [row.strength(one, other) for row in rows]
    apart = [at for at, who in enumerate(changes) if who and strengths[at] != "same"]
    if not apart:
        return None
    row = apart[0]
    common = [strength in ("same", "alike") for strength in strengths]
    taking_part = [at for at, line in enumerate(rows) if (line.steps[one], line.steps[other]) != (None, None)]
    meets = tuple(
        at for before, at in pairwise(taking_part) if at > row and common[at] and (before == row or not common[before])
    )
    return Parting(
        row,
        _why(rows[row], changes[row], one, other),
        max((at for at in range(row) if common[at]), default=None),
        next((at for at in apart if len(changes[at]) == 1 and strengths[at] == "none"), None),
        meets,
    )


def _changes(row: Row, runs: Sequence[Sequence[Deed]], one: int, other: int) -> list[int]:
    """Which of the two runs change the state in this row."""
    steps = [(run, row.steps[run]) for run in (one, other)]
    return [run for run, step in steps if step is not None and runs[run][step - 1].changes]


def _why(row: Row, who: Sequence[int], one: int, other: int) -> str:
    told = next((row.reasons[run] for run in (other, one) if row.reasons[run]), "")
    if len(who) == 1:
        return f"only {letter(who[0])} makes this change"
    return f"both change the state, by other commands ({told})"


def letter(run: int) -> str:
    """The name of a run by its place: A, B …"""
    return chr(ord("A") + run)


def share(rows: Iterable[Row], one: int, other: int) -> Share:
    """How much two of the aligned runs have in common."""
    here = [row for row in rows if row.steps[one] is not None or row.steps[other] is not None]
    strengths = [row.strength(one, other) for row in here]
    ours, theirs = (
        sum(row.steps[run] is not None and told == "none" for row, told in zip(here, strengths, strict=True))
        for run in (one, other)
    )
    return Share(strengths.count("same"), strengths.count("alike"), strengths.count("weak"), (ours, theirs))


def by_stage(rows: Sequence[Row], run: int, other: int, stages: Sequence[Stage]) -> list[StageShare]:
    """How much of each stage of a run the other one did, too."""
    common = {row.steps[run] for row in rows if row.strength(run, other) in ("same", "alike")}
    told = []
    for stage in stages:
        steps = range(stage.start_step_id, stage.end_step_id + 1)
        told.append(StageShare(stage, len(steps), sum(step in common for step in steps)))
    return told
