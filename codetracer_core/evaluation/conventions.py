"""The ways in which "the F1" of a system is computed, each under its own name. None of them is right for all questions.

Per run, as CodeTraceBench's README has it (NJU-LINK/CodeTracer 2d302191): with P the steps said to be incorrect and G
those that are, precision |P∩G|/|P|, recall |P∩G|/|G| and F1 their harmonic mean, each 0 where it has no value. The
README does not say how runs are averaged, nor what becomes of runs without incorrect steps; hence the names below.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple, get_args

import numpy as np

from codetracer_core.evaluation.counting import COLUMNS, FAILED, MISSING, Observations, by_cluster
from codetracer_core.evaluation.rows import Rows
from codetracer_core.intervals import (
    FEWEST_CLUSTERS,
    SEED,
    Array,
    Estimate,
    Statistic,
    estimate,
    ratio,
    resampled,
)

Scope = Literal["all", "positive", "scored"]
"""Which rows count: all, those with an incorrect step, or these and the solved ones without."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

_N, _P, _R, _F, _F_ONE, _MATCHED, _PREDICTED, _EXPECTED, _STEPS = range(len(COLUMNS))


class Measure(NamedTuple):
    """A number of a convention."""

    statistic: Statistic
    """Of sums of ``COLUMNS``."""
    of: Statistic
    """What its denominator counts, of the same sums: tasks with none of it say nothing."""
    why: str
    """What to say where it is undefined."""


@dataclass(frozen=True)
class Convention:
    """One way to come from observations to numbers."""

    name: str
    title: str
    definition: str
    """One sentence."""
    scope: Scope
    failed: str
    """What failed and missing answers count as, in a sentence."""
    f1: Measure
    precision: Measure | None = None
    """None: it has none."""
    recall: Measure | None = None
    is_micro: bool = False
    """It counts steps of all runs as one heap: matched, predicted and expected steps are what it comes from."""


def _quotient(numerator: int, denominator: int, why: str) -> Measure:
    of = itemgetter((..., denominator))
    return Measure(lambda sums: ratio(sums[..., numerator], of(sums)), of, why)


def _mean(column: int, why: str) -> Measure:
    return _quotient(column, _N, why)


def _named_or_expected(sums: Array) -> Array:
    return np.asarray(sums[..., _PREDICTED] + sums[..., _EXPECTED])


def _micro_f1(sums: Array) -> Array:
    return ratio(2 * sums[..., _MATCHED], _named_or_expected(sums))


def _harmonic_of_means(sums: Array) -> Array:
    """0 where both means are 0, as the README has it of one run."""
    precision, recall = sums[..., _P], sums[..., _R]
    both = precision + recall
    mean = ratio(2 * precision * recall, both * sums[..., _N])
    return np.where((both == 0) & (sums[..., _N] > 0), 0.0, mean)


def _class_macro(sums: Array) -> Array:
    matched, predicted, expected = sums[..., _MATCHED], sums[..., _PREDICTED], sums[..., _EXPECTED]
    others = 2 * sums[..., _STEPS] - predicted - expected
    of_correct = ratio(others - predicted - expected + 2 * matched, others)
    return (_micro_f1(sums) + of_correct) / 2


_NOTHING = "A failed or missing answer predicts nothing and stays in."
_MISS = "A failed or missing answer finds nothing: its incorrect steps are missed."
_NO_RUN = "no run counts"
_NO_ERRORS = "no run has an incorrect step"
_MEANS = _mean(_P, _NO_ERRORS), _mean(_R, _NO_ERRORS)
_MICRO = (
    Measure(_micro_f1, _named_or_expected, "no step is incorrect, and none was said to be"),
    _quotient(_MATCHED, _PREDICTED, "no step was said to be incorrect"),
    _quotient(_MATCHED, _EXPECTED, "no step is incorrect"),
)

CONVENTIONS: Mapping[str, Convention] = {
    one.name: one
    for one in (
        Convention(
            "positive_only",
            "Mean over runs with errors",
            "The mean of the F1 of each run, over runs with at least one incorrect step.",
            "positive",
            f"{_NOTHING} Its F1 is 0.",
            _mean(_F, _NO_ERRORS),
            *_MEANS,
        ),
        Convention(
            "all_row_f1",
            "Mean over all runs (published)",
            "The mean of the F1 of each run, over all runs; a run without incorrect steps counts 0 whatever is said.",
            "all",
            f"{_NOTHING} Its F1 is 0.",
            _mean(_F, _NO_RUN),
        ),
        Convention(
            "all_row_f1_empty_one",
            "Mean over all runs, silence on clean runs counts 1",
            "The mean of the F1 of each run, over all runs; a run without incorrect steps counts 1 if nothing is said.",
            "all",
            "A failed or missing answer counts 0, on clean runs too: it does not say that nothing is wrong.",
            _mean(_F_ONE, _NO_RUN),
        ),
        Convention(
            "paper_like",
            "F1 of mean precision and mean recall",
            "The harmonic mean of mean precision and mean recall over runs with at least one incorrect step; for steps "
            "drawn at random that of both expectations, which is a little more than its own.",
            "positive",
            f"{_NOTHING} Its precision and recall are 0.",
            Measure(_harmonic_of_means, itemgetter((..., _N)), _NO_ERRORS),
            *_MEANS,
        ),
        Convention(
            "micro_all",
            "All steps of all runs together",
            "Precision, recall and F1 of the steps of all runs as one heap; accusations on clean runs lower precision.",
            "all",
            _MISS,
            *_MICRO,
            is_micro=True,
        ),
        Convention(
            "micro_positive",
            "All steps of runs with errors together",
            "Precision, recall and F1 of the steps of all runs with at least one incorrect step as one heap.",
            "positive",
            _MISS,
            *_MICRO,
            is_micro=True,
        ),
        Convention(
            "class_macro",
            "Mean of the F1 of both classes",
            "The mean of two F1, of incorrect steps and of all others, over the steps of all runs as one heap.",
            "all",
            f"{_MISS} All its steps count as not accused.",
            Measure(_class_macro, _named_or_expected, "steps of one of both classes are neither there nor named"),
        ),
        Convention(
            "scored",
            "All steps of runs with errors and of clean solved runs",
            "Precision, recall and F1 of the steps of runs with an incorrect step and of solved runs without one.",
            "scored",
            _MISS,
            *_MICRO,
            is_micro=True,
        ),
    )
}
DEFAULT = "positive_only"
MISALIGNED = "misaligned: their steps are not those that the ground truth counts"


@dataclass(frozen=True)
class LeftOut:
    """What a number leaves out, and why."""

    why: str
    runs: int


@dataclass(frozen=True)
class Score:
    """What a system comes to under one convention."""

    convention: str
    f1: Estimate
    precision: Estimate | None
    """None: the convention has none."""
    recall: Estimate | None
    observations: int
    """Runs × repetitions that count."""
    runs: int
    clusters: int
    """Of these runs; each estimate tells how many of them say anything on it."""
    failed: int
    """Observations among them whose answer failed …"""
    missing: int
    """… or is not there."""
    matched: float
    """Incorrect steps that were said to be; a fraction for steps drawn at random. These three over all observations."""
    predicted: float
    expected: float
    left_out: tuple[LeftOut, ...] = ()


def score(
    rows: Rows,
    seen: Observations,
    conventions: Collection[str] = tuple(CONVENTIONS),
    *,
    seed: int = SEED,
    among: Array | None = None,
) -> dict[str, Score]:
    """What was observed, under each of these conventions; ``among``: only of some runs, a mask of shape (runs,).

    Raises KeyError for an unknown convention.
    """
    scopes = dict.fromkeys(CONVENTIONS[name].scope for name in conventions)
    chosen = np.ones(len(rows.truth), dtype=bool) if among is None else among
    return {name: found for scope in scopes for name, found in _of(rows, seen, scope, chosen, seed, conventions)}


def in_scope(rows: Rows, scope: Scope) -> Array:
    """Which rows count, a mask of shape (runs,)."""
    if scope == "all":
        return np.ones(len(rows.truth), dtype=bool)
    positive = rows.expected > 0
    return positive if scope == "positive" else positive | (rows.solved == 1)


def _of(
    rows: Rows, seen: Observations, scope: Scope, among: Array, seed: int, conventions: Collection[str]
) -> list[tuple[str, Score]]:
    observed = np.zeros(len(rows.truth), dtype=bool)
    observed[seen.run] = True
    wanted = in_scope(rows, scope) & among
    kept = wanted & observed
    chosen = kept[seen.run]
    sums = by_cluster(rows, seen, chosen, seen.columns)
    draws = resampled(sums, seed) if len(sums) >= FEWEST_CLUSTERS else None
    left_out = _left_out(rows, scope, among, wanted, observed)

    def number(measure: Measure) -> Estimate:
        return estimate(measure.statistic, sums, why=measure.why, seed=seed, draws=draws, of=measure.of)

    found = []
    for name, convention in CONVENTIONS.items():
        if convention.scope != scope or name not in conventions:
            continue
        matched, predicted, expected = (
            float(part[chosen].sum()) for part in (seen.matched, seen.predicted, seen.expected)
        )
        found.append(
            (
                name,
                Score(
                    convention=name,
                    f1=number(convention.f1),
                    precision=number(convention.precision) if convention.precision else None,
                    recall=number(convention.recall) if convention.recall else None,
                    observations=int(chosen.sum()),
                    runs=int(kept.sum()),
                    clusters=len(sums),
                    failed=int((seen.status[chosen] == FAILED).sum()),
                    missing=int((seen.status[chosen] == MISSING).sum()),
                    matched=matched,
                    predicted=predicted,
                    expected=expected,
                    left_out=left_out,
                ),
            )
        )
    return found


def _left_out(rows: Rows, scope: Scope, among: Array, wanted: Array, observed: Array) -> tuple[LeftOut, ...]:
    clean = "no incorrect step" if scope == "positive" else "no incorrect step, and not known to be solved"
    counts = {
        MISALIGNED: len(rows.misaligned) if among.all() else 0,
        clean: int((among & ~wanted).sum()),
        "no answer": int((wanted & ~observed).sum()),
    }
    return tuple(LeftOut(why, runs) for why, runs in counts.items() if runs)
