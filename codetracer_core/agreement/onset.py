"""Where a run first went off track, according to two raters: detection first, then distances.

The onset of a rater is the step that they marked as such, or else the first step that they call incorrect. Only runs
count that both finished.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from codetracer_core.agreement.measures import Drawn
from codetracer_core.agreement.who import Compared
from codetracer_core.intervals import Array, Estimate, summed
from codetracer_core.ratings import INCORRECT, Ratings

TOLERANCES = (0, 1, 3, 5)
"""Steps that two onsets may be apart to count as the same; 0: exactly the same step."""
NOT_FINISHED = -1
WIDTH = 4 + 1 + 4 * len(TOLERANCES)
"""Columns of ``OnsetSums.shares``."""


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
    none = np.iinfo(np.int64).max
    found = np.full((len(ratings.run_ids), len(ratings.raters)), none)
    rows, raters = np.nonzero(codes == INCORRECT)
    np.minimum.at(found, (ratings.run_of[rows], raters), ratings.step_ids[rows])
    return np.where(found == none, 0, found)


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


class OnsetSums(NamedTuple):
    """What two raters' runs add up to, per cluster."""

    shares: Array
    """Shape (clusters, ``WIDTH``): the detection table, then of the runs in which both have an onset."""
    distances: Array
    """The distances that occur (second minus first), ascending, shape (distances,)."""
    histogram: Array
    """How often each does, shape (clusters, distances)."""


def onset_sums(found: Array, ratings: Ratings, pair: Compared) -> OnsetSums:
    """Of two raters; ``found``: ``onsets(…)``."""
    first, second = found[:, pair.first], found[:, pair.second]
    runs = np.flatnonzero((first != NOT_FINISHED) & (second != NOT_FINISHED))
    first, second, lengths, clusters = (of[runs] for of in (first, second, ratings.lengths, ratings.clusters))
    count, both, distance = ratings.cluster_count, (first > 0) & (second > 0), second - first
    columns = [both, (first > 0) & ~both, (second > 0) & ~both, (first == 0) & (second == 0)]
    columns += [np.abs(distance) / np.maximum(lengths, 1) * both]
    columns += [(np.abs(distance) <= k) & both for k in TOLERANCES]
    for rule in (_by_chance, _last_step, _last_but_one):
        for k in TOLERANCES:
            of_first = rule(first, lengths, k)
            columns.append((of_first if pair.has_reference else (of_first + rule(second, lengths, k)) / 2) * both)
    distances, at = np.unique(distance[both], return_inverse=True)
    histogram = np.zeros((count, len(distances)))
    np.add.at(histogram, (clusters[both], at), 1)
    return OnsetSums(summed(np.column_stack(columns).astype(float), clusters, count), distances, histogram)


def pooled_histogram(distances: Sequence[Array], histograms: Sequence[Drawn]) -> tuple[Array, Drawn]:
    """Several histograms as one, with the distances that occur in any."""
    values = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *distances]))
    lengths = (len(histograms[0].sums), len(histograms[0].draws)) if histograms else (0, 0)
    sums, draws = (np.zeros((length, len(values))) for length in lengths)
    for distance, histogram in zip(distances, histograms, strict=True):
        at = np.searchsorted(values, distance)
        sums[:, at] += histogram.sums
        draws[:, at] += histogram.draws
    return values, Drawn(sums, draws)


def onset_agreement(shares: Drawn, distances: Array, histogram: Drawn, *, of_two: bool) -> OnsetAgreement:
    """Of the sums of two raters, or of several pairs of raters together."""
    both, only_first, only_second, neither = (round(float(runs)) for runs in shares.sums[:, :4].sum(axis=0))
    runs = both + only_first + only_second + neither
    why = f"in no run both have an onset (n = {runs:,} runs)"

    def share(column: int) -> Estimate:
        return shares.share(4 + column, 0, why)

    absolute = np.unique(np.abs(distances))

    def folded(counts: Array) -> Array:
        found = np.zeros((*counts.shape[:-1], len(absolute)))
        for side in (distances < 0, distances >= 0):  # each absolute distance is at most once on either side
            found[..., np.searchsorted(absolute, np.abs(distances[side]))] += counts[..., side]
        return found

    signed = Estimate.undefined("a signed distance is of two raters")
    return OnsetAgreement(
        runs,
        both,
        only_first,
        only_second,
        neither,
        within=tuple(
            Within(k, *(share(1 + rule * len(TOLERANCES) + at) for rule in range(4))) for at, k in enumerate(TOLERANCES)
        ),
        median_distance=histogram.estimate(_median_of(distances), _all, why) if of_two else signed,
        median_absolute=histogram.mapped(folded).estimate(_median_of(absolute), _all, why),
        mean_relative=share(0),
        distances=tuple(zip(distances.tolist(), histogram.sums.sum(axis=0).astype(int).tolist(), strict=True)),
    )


def _all(counts: Array) -> Array:
    return np.asarray(counts.sum(axis=-1))


def _by_chance(reference: Array, lengths: Array, k: int) -> Array:
    return np.asarray((np.minimum(lengths, reference + k) - np.maximum(1, reference - k) + 1) / np.maximum(lengths, 1))


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
