"""Where a run first went off track, according to two raters: detection first, then distances.

The onset of a rater is the step that they marked as such, or else the first step that they call incorrect. Only runs
count that both finished.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from codetracer_core.agreement.measures import estimated
from codetracer_core.agreement.who import Compared
from codetracer_core.intervals import Array, Estimate, ratio, resampled, summed
from codetracer_core.ratings import INCORRECT, Ratings

TOLERANCES = (0, 1, 3, 5)
"""Steps that two onsets may be apart to count as the same; 0: exactly the same step."""
NOT_FINISHED = -1


@dataclass(frozen=True)
class Within:
    """How often two onsets are at most ``k`` steps apart, and how often that would happen without reading the run.

    Shares of the runs in which both raters have an onset. The last three put a guess in place of the second rater
    (without a reference: of each, averaged).
    """

    k: int
    share: Estimate
    chance: Estimate
    """A step drawn at random: the mean of (steps within k of the reference) / (steps of the run)."""
    last_step: Estimate
    last_but_one: Estimate
    """A run of one step has none: there this rule is wrong."""


@dataclass(frozen=True)
class OnsetAgreement:
    """Two raters, or several pairs of raters together."""

    runs: int
    """Finished by both; with several pairs each counts anew."""
    both: int
    """Both have an onset: only of these are there distances."""
    only_first: int
    only_second: int
    neither: int
    within: tuple[Within, ...]
    """By ``TOLERANCES``."""
    median_distance: Estimate
    """Of the second's onset minus the first's, in steps; of several pairs undefined."""
    median_absolute: Estimate
    """In steps."""
    mean_relative: Estimate
    """Mean of the absolute distance over the number of steps of the run, from 0 to below 1."""
    distances: tuple[tuple[int, int], ...]
    """(second minus first, number of runs), ascending."""


@dataclass(frozen=True)
class OnsetConflict:
    """A rater marked one step as the onset, and the first one that they call incorrect is another."""

    run_id: str
    rater: int
    marked: int
    first_incorrect: int
    """0: they call none incorrect."""


def first_incorrect(codes: Array, ratings: Ratings) -> Array:
    """The first step that each rater calls incorrect, shape (runs, raters); 0: none."""
    found = np.zeros((len(ratings.run_ids), len(ratings.raters)), dtype=np.int64)
    rows, raters = np.nonzero(codes == INCORRECT)
    latest_first = slice(None, None, -1)  # of several assignments the last one stays
    found[ratings.run_of[rows][latest_first], raters[latest_first]] = ratings.step_ids[rows][latest_first]
    return found


def onsets(codes: Array, ratings: Ratings) -> Array:
    """The onset of each rater in each run, shape (runs, raters); 0: none, ``NOT_FINISHED``: they did not finish it."""
    found = np.where(ratings.onsets > 0, ratings.onsets, first_incorrect(codes, ratings))
    return np.where(ratings.finished, found, NOT_FINISHED)


def onset_conflicts(codes: Array, ratings: Ratings) -> tuple[OnsetConflict, ...]:
    """Where the marked onset is not the first incorrect step, in the order of runs and raters."""
    first = first_incorrect(codes, ratings)
    runs, raters = np.nonzero((ratings.onsets > 0) & (ratings.onsets != first) & ratings.finished)
    return tuple(
        OnsetConflict(ratings.run_ids[run], int(rater), int(ratings.onsets[run, rater]), int(first[run, rater]))
        for run, rater in zip(runs, raters, strict=True)
    )


def onset_agreement(found: Array, ratings: Ratings, pairs: Sequence[Compared], seed: int) -> OnsetAgreement:
    """Of these pairs together; ``found``: ``onsets(…)``."""
    runs, first, second, has_reference = _compared_runs(found, pairs)
    count = int(ratings.clusters.max(initial=-1)) + 1
    clusters = ratings.clusters[runs]
    detection = [
        int(((first > 0) == ours).astype(int) @ ((second > 0) == theirs).astype(int))
        for ours, theirs in ((True, True), (True, False), (False, True), (False, False))
    ]
    both = (first > 0) & (second > 0)
    runs, first, second, has_reference, clusters = (x[both] for x in (runs, first, second, has_reference, clusters))
    lengths, distance = ratings.lengths[runs], second - first
    columns = [np.ones(len(runs)), np.abs(distance) / lengths]
    columns += [np.abs(distance) <= k for k in TOLERANCES]
    for rule in (_by_chance, _last_step, _last_but_one):
        for k in TOLERANCES:
            of_first = rule(first, lengths, k)
            columns.append(np.where(has_reference, of_first, (of_first + rule(second, lengths, k)) / 2))
    sums = summed(np.column_stack(columns).astype(float), clusters, count)
    draws = resampled(sums, seed) if count else sums
    why = "undefined: in no run both have an onset" if not len(runs) else "undefined"
    why = f"{why} (n = {detection[0]:,} of {sum(detection):,} runs)"

    def share(column: int) -> Estimate:
        return estimated(lambda of: ratio(of[..., column], of[..., 0]), sums, draws, why)

    values, at = np.unique(distance, return_inverse=True)
    histogram = np.zeros((count, len(values)))
    np.add.at(histogram, (clusters, at), 1)
    drawn = resampled(histogram, seed) if len(values) else histogram
    absolute, folded = np.unique(np.abs(values), return_inverse=True)
    fold = (folded[:, None] == np.arange(len(absolute))).astype(float)
    signed = Estimate(None, why="undefined: a signed distance is of two raters", why_no_interval="there is no value")
    if len(pairs) == 1:
        signed = estimated(_median_of(values), histogram, drawn, why)
    ks = len(TOLERANCES)
    return OnsetAgreement(
        runs=sum(detection),
        both=detection[0],
        only_first=detection[1],
        only_second=detection[2],
        neither=detection[3],
        within=tuple(Within(k, *(share(2 + part * ks + at) for part in range(4))) for at, k in enumerate(TOLERANCES)),
        median_distance=signed,
        median_absolute=estimated(_median_of(absolute), histogram @ fold, drawn @ fold, why),
        mean_relative=share(1),
        distances=tuple((int(value), int(n)) for value, n in zip(values, histogram.sum(axis=0), strict=True)),
    )


def _compared_runs(found: Array, pairs: Sequence[Compared]) -> tuple[Array, Array, Array, Array]:
    """Runs that both finished, the onset of the first and of the second, and whether the first is a reference."""
    parts: list[tuple[Array, Array, Array, Array]] = []
    for pair in pairs:
        first, second = found[:, pair.first], found[:, pair.second]
        runs = np.flatnonzero((first != NOT_FINISHED) & (second != NOT_FINISHED))
        parts.append((runs, first[runs], second[runs], np.full(len(runs), pair.has_reference)))
    none = np.zeros(0, dtype=np.int64)
    parts = parts or [(none, none, none, none.astype(bool))]
    runs, firsts, seconds, references = (np.concatenate([part[at] for part in parts]) for at in range(4))
    return runs, firsts, seconds, references


def _by_chance(reference: Array, lengths: Array, k: int) -> Array:
    return np.asarray((np.minimum(lengths, reference + k) - np.maximum(1, reference - k) + 1) / lengths)


def _last_step(reference: Array, lengths: Array, k: int) -> Array:
    return np.asarray(lengths - reference <= k, dtype=float)


def _last_but_one(reference: Array, lengths: Array, k: int) -> Array:
    return np.asarray((np.abs(lengths - 1 - reference) <= k) & (lengths > 1), dtype=float)


def _median_of(values: Array) -> Callable[[Array], Array]:
    """The median of values, given how often each occurs, shape (…, values); values ascending."""

    def median(counts: Array) -> Array:
        upto = np.cumsum(counts, axis=-1)
        if not upto.shape[-1]:
            return np.full(counts.shape[:-1], np.nan)
        total = upto[..., -1:]
        lower = (upto > (total - 1) // 2).argmax(axis=-1)
        upper = (upto > total // 2).argmax(axis=-1)
        return np.where(total[..., 0] > 0, (values[lower] + values[upper]) / 2, np.nan)

    return median
