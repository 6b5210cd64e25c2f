"""Per step: how often incorrect steps are accused, how often others are not, and where in the run."""

from dataclasses import dataclass

import numpy as np

from codetracer_core.evaluation.counting import ANSWERED, by_cluster
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.intervals import Array, Estimate, Statistic, estimate, ratio, resampled

SMALLEST_YOUDEN = 0.05
"""With TPR + TNR − 1 nearer to 0 than this the answers say next to nothing of the steps."""
PARTS = 10
"""Into how many parts a run is cut to tell where in it something is."""


@dataclass(frozen=True)
class StepRates:
    """Answers on steps, of answered runs only."""

    tpr: Estimate
    """Share of incorrect steps that are accused."""
    tnr: Estimate
    """Share of other steps that are not accused."""
    prevalence: Estimate
    """Share of steps that are incorrect."""
    accused: Estimate
    """Share of steps that are accused."""
    corrected: Estimate
    """Rogan–Gladen (Rogan & Gladen, Am J Epidemiol 107, 1978): (accused + TNR − 1) / (TPR + TNR − 1), within 0..1. On
    the rows from which both rates come it is their prevalence again; see ``corrected_prevalence`` for other rows."""
    answered: int
    """Observations."""
    steps: int


def step_rates(evaluation: Evaluation, name: str) -> StepRates:
    """Raises KeyError if there is no such entry."""
    rows, seen = evaluation.rows, evaluation.entry(name).seen
    answered = seen.status == ANSWERED
    table = np.stack([seen.matched, seen.predicted, seen.expected, seen.steps], axis=1)
    sums = by_cluster(rows, seen, answered, table)
    draws = resampled(sums, evaluation.seed) if len(sums) else None

    def number(statistic: Statistic, of: Statistic, why: str) -> Estimate:
        return estimate(statistic, sums, why=why, seed=evaluation.seed, draws=draws, of=of)

    return StepRates(
        tpr=number(_tpr, _incorrect, "no answered run has an incorrect step"),
        tnr=number(_tnr, _others, "all steps of answered runs are incorrect, or there are none"),
        prevalence=number(_prevalence, _steps, _NO_STEPS),
        accused=number(_accused, _steps, _NO_STEPS),
        corrected=number(
            lambda sums: _rogan_gladen(_accused(sums), _tpr(sums), _tnr(sums)),
            _incorrect,
            "TPR and TNR add up to about 1: the answers say next to nothing of the steps",
        ),
        answered=int(answered.sum()),
        steps=int(seen.steps[answered].sum()),
    )


def corrected_prevalence(accused: float, tpr: float, tnr: float) -> float | None:
    """Share of incorrect steps in rows without ground truth, from the share that is accused there; None: TPR and TNR
    add up to about 1, and nothing can be said. Supposes that both rates hold there, too."""
    value = float(_rogan_gladen(np.array(accused), np.array(tpr), np.array(tnr)))
    return None if np.isnan(value) else value


_NO_STEPS = "no run was answered"


def _incorrect(sums: Array) -> Array:
    return np.asarray(sums[..., 2])


def _steps(sums: Array) -> Array:
    return np.asarray(sums[..., 3])


def _others(sums: Array) -> Array:
    return _steps(sums) - _incorrect(sums)


def _tpr(sums: Array) -> Array:
    return ratio(sums[..., 0], _incorrect(sums))


def _tnr(sums: Array) -> Array:
    return ratio(_others(sums) - sums[..., 1] + sums[..., 0], _others(sums))


def _prevalence(sums: Array) -> Array:
    return ratio(_incorrect(sums), _steps(sums))


def _accused(sums: Array) -> Array:
    return ratio(sums[..., 1], _steps(sums))


def _rogan_gladen(accused: Array, tpr: Array, tnr: Array) -> Array:
    youden = tpr + tnr - 1
    value = ratio(accused + tnr - 1, np.where(np.abs(youden) < SMALLEST_YOUDEN, 0.0, youden))
    return np.asarray(np.clip(value, 0.0, 1.0))


@dataclass(frozen=True)
class Position:
    """One part of all answered runs: the steps from ``start`` (exclusive) to ``end`` (inclusive) of their length."""

    start: float
    end: float
    steps: int
    found: int
    """Incorrect and accused."""
    missed: int
    """Incorrect and not accused."""
    accused: int
    """Accused and not incorrect."""


def positions(evaluation: Evaluation, name: str) -> tuple[Position, ...]:
    """Where in the run an entry finds, misses and accuses: ``PARTS`` parts, counts over all answered observations.

    Step s of n lies in part ceil(10·s/n). Raises KeyError if there is no such entry, ValueError for random steps.
    """
    rows, seen = evaluation.rows, evaluation.entry(name).seen
    if seen.accused is None:
        raise ValueError(f"{name} names no steps of its own")
    counts = np.zeros((PARTS, 4), dtype=np.int64)
    for at in np.flatnonzero(seen.status == ANSWERED):
        run = int(seen.run[at])
        gold, accused, length = rows.gold[run], seen.accused[at], int(rows.lengths[run])
        counts[:, 0] += np.bincount(_part(np.arange(1, length + 1), length), minlength=PARTS)
        for column, steps in enumerate((gold & accused, gold - accused, accused - gold), start=1):
            counts[:, column] += np.bincount(_part(np.array(sorted(steps), dtype=np.int64), length), minlength=PARTS)
    return tuple(
        Position(part / PARTS, (part + 1) / PARTS, *(int(count) for count in row)) for part, row in enumerate(counts)
    )


def _part(steps: Array, length: int) -> Array:
    return np.asarray((steps * PARTS - 1) // max(length, 1))
