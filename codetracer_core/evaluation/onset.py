"""The failure onset: is it found, how near, and how far up in a ranked answer.

The onset of a run is the one that was marked, else the first incorrect step. A system's answer is its ranked list of
candidates, else (one candidate) the first step that it says to be incorrect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from codetracer_core.evaluation.counting import ANSWERED, FAILED, MISSING, Observations, by_cluster
from codetracer_core.evaluation.rows import Rows
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.evaluation.tolerance import chance
from codetracer_core.intervals import Array, Estimate, quotient, resampled

WITHIN = (0, 1, 3, 5)
"""Distances in steps up to which an answer counts as right; 0: exact."""


@dataclass(frozen=True)
class Near:
    """Answers within so many steps of the onset."""

    within: int
    of_all: Estimate
    """Share of runs with an onset on which the first candidate is so near (no answer is none that is near): top-1."""
    of_both: Estimate
    """The same, of those for which there is a candidate."""
    top_3: Estimate
    """Share of runs with an onset on which one of the first three candidates is so near."""
    mrr: Estimate
    """Mean of 1/rank of the first candidate that is so near, 0 if none is."""
    by_chance: Estimate
    """What one step drawn evenly from each run would reach: mean share of steps that are so near."""


@dataclass(frozen=True)
class OnsetScores:
    """Counts are observations (runs × repetitions)."""

    both: int
    """There is an onset, and a candidate."""
    missed: int
    """There is an onset, and no candidate."""
    invented: int
    """There is a candidate, and no onset."""
    neither: int
    failed: int
    missing: int
    ranked: int
    """Answers with a ranked list; in the others the first accused step stands for it."""
    near: Mapping[int, Near]
    """By distance, see ``WITHIN``."""
    median_distance: float | None
    """In steps, over ``both``, of the first candidate; None: there is none."""
    median_signed: float | None
    """Likewise; positive: the candidate comes too late."""
    median_relative: float | None
    """Likewise, of the distance as a share of the run's steps."""


def onset_scores(evaluation: Evaluation, name: str) -> OnsetScores:
    """Raises KeyError if there is no such entry, ValueError for rules that draw at random."""
    rows, seen = evaluation.rows, evaluation.entry(name).seen
    if seen.accused is None:
        raise ValueError(f"{name} names no steps of its own")
    onsets = np.array([_onset(rows, at) for at in range(len(rows.truth))], dtype=np.int64)
    answers = [_candidates(seen, at, int(rows.lengths[seen.run[at]])) for at in range(len(seen))]
    first = np.array([said[0] if said else 0 for said in answers], dtype=np.int64)
    true = onsets[seen.run]
    has, says = true > 0, first > 0
    signed = (first - true)[has & says]
    some = len(signed) > 0
    return OnsetScores(
        both=int((has & says).sum()),
        missed=int((has & ~says).sum()),
        invented=int((~has & says).sum()),
        neither=int((~has & ~says).sum()),
        failed=int((seen.status == FAILED).sum()),
        missing=int((seen.status == MISSING).sum()),
        ranked=sum(bool(answer and answer.onsets) for answer in seen.answers or ()),
        near={within: _near(evaluation, seen, true, answers, within) for within in WITHIN},
        median_distance=float(median(np.abs(signed).tolist())) if some else None,
        median_signed=float(median(signed.tolist())) if some else None,
        median_relative=float(median((np.abs(signed) / seen.steps[has & says]).tolist())) if some else None,
    )


def _onset(rows: Rows, at: int) -> int:
    """0: the run has none."""
    marked = rows.truth[at].onset
    return marked if marked is not None and 1 <= marked <= rows.lengths[at] else min(rows.gold[at], default=0)


def _candidates(seen: Observations, at: int, length: int) -> tuple[int, ...]:
    """Best first, without those that the run does not have."""
    assert seen.accused is not None
    answer = seen.answers[at] if seen.answers is not None else None
    if seen.status[at] == ANSWERED and answer is not None and answer.onsets:
        return tuple(dict.fromkeys(step for step in answer.onsets if 1 <= step <= length))
    return tuple(sorted(seen.accused[at])[:1])


def _near(evaluation: Evaluation, seen: Observations, true: Array, answers: list[tuple[int, ...]], within: int) -> Near:
    has = true > 0
    ranks = np.array(
        [
            next((rank for rank, step in enumerate(said, start=1) if abs(step - onset) <= within), np.inf)
            for said, onset in zip(answers, true.tolist(), strict=True)
        ]
    )
    by_chance = np.array(
        [
            chance((onset,), int(length), within) if onset else 0.0
            for onset, length in zip(true.tolist(), seen.steps, strict=True)
        ]
    )
    says = np.array([bool(said) for said in answers])
    table = np.stack([ranks == 1, ranks <= 3, 1 / ranks, by_chance, says, np.ones(len(seen))], axis=1)
    sums = by_cluster(evaluation.rows, seen, has, table)
    draws = resampled(sums, evaluation.seed) if len(sums) else None

    def number(column: int, of: int = 5, why: str = "no run has an onset") -> Estimate:
        return quotient(sums, column, of, why=why, seed=evaluation.seed, draws=draws)

    return Near(
        within=within,
        of_all=number(0),
        of_both=number(0, 4, "no run has both an onset and a candidate"),
        top_3=number(1),
        mrr=number(2),
        by_chance=number(3),
    )
