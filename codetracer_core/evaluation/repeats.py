"""The same question asked again: how far the numbers spread, and how far a system agrees with itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, stdev

import numpy as np

from codetracer_core.evaluation.conventions import CONVENTIONS, score
from codetracer_core.evaluation.counting import ANSWERED
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.intervals import Array, Estimate, estimate, quotient, ratio, resampled, summed


@dataclass(frozen=True)
class Spread:
    """The F1 of each repetition under one convention."""

    values: tuple[float | None, ...]
    """None: undefined."""
    mean: float | None
    """Of those that are defined."""
    sd: float | None
    """Sample standard deviation (n − 1); None with fewer than two values."""


@dataclass(frozen=True)
class Repeats:
    """A system beside itself. Only runs that were answered more than once count."""

    repetitions: int
    spread: Mapping[str, Spread]
    """By convention."""
    runs: int
    """Answered at least twice."""
    pairs: int
    """Pairs of answers on one run."""
    silent_pairs: int
    """Pairs of which neither accuses a step; they have no Jaccard index."""
    jaccard: Estimate
    """Steps that both accuse as a share of those that either does: mean over pairs."""
    kappa: Estimate
    """Cohen's kappa of both answers over all steps of all pairs (Cohen, Educ Psychol Meas 20, 1960)."""
    in_all: Estimate
    """Of the steps that any answer on a run accuses, the share that every one does."""


def repeats(evaluation: Evaluation, name: str) -> Repeats | None:
    """None: there are no repetitions. Raises KeyError if there is no such entry."""
    entry, rows = evaluation.entry(name), evaluation.rows
    seen = entry.seen
    if entry.repetitions < 2 or seen.accused is None:
        return None
    answers: dict[int, list[frozenset[int]]] = {}
    for at in np.flatnonzero(seen.status == ANSWERED):
        answers.setdefault(int(seen.run[at]), []).append(seen.accused[at])
    answers = {run: said for run, said in answers.items() if len(said) > 1}
    table = np.array([_counts(said, int(rows.lengths[run])) for run, said in answers.items()]).reshape(-1, len(_COUNTS))
    present, numbers = np.unique(rows.clusters[list(answers)].astype(np.int64), return_inverse=True)
    sums = summed(table, numbers, len(present))
    draws = resampled(sums, evaluation.seed) if len(sums) else None
    none = "no run was answered twice with a step accused"
    return Repeats(
        repetitions=entry.repetitions,
        spread=_spreads(evaluation, name),
        runs=len(answers),
        pairs=int(table[:, 0].sum()),
        silent_pairs=int(table[:, 0].sum() - table[:, 2].sum()),
        jaccard=quotient(sums, 1, 2, why=none, seed=evaluation.seed, draws=draws),
        kappa=estimate(_kappa, sums, why="every answer says the same of every step", seed=evaluation.seed, draws=draws),
        in_all=quotient(sums, 7, 8, why=none, seed=evaluation.seed, draws=draws),
    )


_COUNTS = ("pairs", "jaccard", "not silent", "both", "only first", "only second", "neither", "in all", "in any")


def _counts(said: Sequence[frozenset[int]], length: int) -> list[float]:
    """``_COUNTS`` of one run."""
    counts = np.zeros(len(_COUNTS))
    for first, second in combinations(said, 2):
        both, either = len(first & second), len(first | second)
        jaccard = both / either if either else 0.0
        only = (len(first) - both, len(second) - both)
        counts[:7] += (1, jaccard, either > 0, both, *only, length - either)
    counts[7:] = len(frozenset.intersection(*said)), len(frozenset.union(*said))
    return counts.tolist()


def _kappa(sums: Array) -> Array:
    both, first, second, neither = (sums[..., column] for column in range(3, 7))
    total = both + first + second + neither
    agreed = ratio(both + neither, total)
    expected = ratio((both + first) * (both + second) + (neither + first) * (neither + second), total**2)
    return ratio(agreed - expected, 1 - expected)


def _spreads(evaluation: Evaluation, name: str) -> dict[str, Spread]:
    entry = evaluation.entry(name)
    values: dict[str, list[float | None]] = {convention: [] for convention in CONVENTIONS}
    for number in range(entry.repetitions):
        part = entry.seen.where(entry.seen.repetition == number)
        for convention, found in score(evaluation.rows, part, seed=evaluation.seed).items():
            values[convention].append(found.f1.value)
    return {convention: _spread(found) for convention, found in values.items()}


def _spread(values: Sequence[float | None]) -> Spread:
    defined = [value for value in values if value is not None]
    return Spread(tuple(values), mean(defined) if defined else None, stdev(defined) if len(defined) > 1 else None)
