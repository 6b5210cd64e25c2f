"""The steps behind the numbers: what a system missed, and what it accused wrongly."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from codetracer_core.evaluation.counting import ANSWERED
from codetracer_core.evaluation.summary import Evaluation


@dataclass(frozen=True)
class Finding:
    """A step on which a system and the ground truth differ."""

    traj_id: str
    run_id: str
    """Its id in the workspace; empty: it is not there."""
    step_id: int
    step_count: int
    repetitions: int
    """In how many of the answers they differ …"""
    of: int
    """… and how many answers there are. 0: every one failed or is missing."""
    nearest: int | None
    """The nearest step that the other side names, in any of the answers; None: it names none."""
    unuseful: bool
    """The other side calls the step unuseful (a system: in any of the answers)."""
    excerpt: str = ""
    """Text of the step, where the manifest has it: text of a run, never markup."""

    @property
    def distance(self) -> int | None:
        """Signed, in steps, from the nearest step of the other side to this one."""
        return None if self.nearest is None else self.step_id - self.nearest


Excerpts = Mapping[tuple[str, int], str]


def misses(evaluation: Evaluation, name: str, excerpts: Excerpts | None = None) -> tuple[Finding, ...]:
    """Incorrect steps that a system did not name in at least one answer, or did not answer at all on.

    By how many answers miss them, most first, then in the order of the rows. ``nearest`` is the nearest accused step.
    Raises KeyError if there is no such system, ValueError for a rule that draws at random.
    """
    found = []
    for at, (answers, unuseful) in _answers(evaluation, name).items():
        run = evaluation.rows.truth[at]
        named = Counter(step for accused in answers for step in accused)
        for step in sorted(evaluation.rows.gold[at]):
            if answers and named[step] == len(answers):
                continue
            found.append(
                Finding(
                    traj_id=run.traj_id,
                    run_id=run.run_id,
                    step_id=step,
                    step_count=run.step_count,
                    repetitions=len(answers) - named[step],
                    of=len(answers),
                    nearest=_nearest(step, named),
                    unuseful=step in unuseful,
                    excerpt=(excerpts or {}).get((run.traj_id, step), ""),
                )
            )
    return tuple(sorted(found, key=lambda one: -one.repetitions))


def false_accusations(evaluation: Evaluation, name: str, excerpts: Excerpts | None = None) -> tuple[Finding, ...]:
    """Steps that a system said to be incorrect in at least one answer, and that are not.

    By how many answers say so, most first, then in the order of the rows. ``nearest`` is the nearest incorrect step.
    Raises as ``misses`` does.
    """
    found = []
    for at, (answers, _) in _answers(evaluation, name).items():
        run, gold = evaluation.rows.truth[at], evaluation.rows.gold[at]
        named = Counter(step for accused in answers for step in accused)
        found += [
            Finding(
                traj_id=run.traj_id,
                run_id=run.run_id,
                step_id=step,
                step_count=run.step_count,
                repetitions=named[step],
                of=len(answers),
                nearest=_nearest(step, gold),
                unuseful=step in run.unuseful,
                excerpt=(excerpts or {}).get((run.traj_id, step), ""),
            )
            for step in sorted(named.keys() - gold)
        ]
    return tuple(sorted(found, key=lambda one: -one.repetitions))


def _answers(evaluation: Evaluation, name: str) -> dict[int, tuple[list[frozenset[int]], set[int]]]:
    """By run: the accused steps of each answer, and the steps that any of them calls unuseful."""
    seen = evaluation.entry(name).seen
    if seen.accused is None:
        raise ValueError(f"{name} names no steps of its own")
    found: dict[int, tuple[list[frozenset[int]], set[int]]] = {int(at): ([], set()) for at in seen.runs}
    for at in np.flatnonzero(seen.status == ANSWERED):
        accused, unuseful = found[int(seen.run[at])]
        accused.append(seen.accused[at])
        answer = seen.answers[at] if seen.answers is not None else None
        unuseful.update(answer.unuseful if answer else ())
    return found


def _nearest(step: int, others: Collection[int]) -> int | None:
    """Of two that are as near, the earlier one."""
    return min(others, key=lambda other: (abs(other - step), other), default=None)
