"""Ranges of steps that two raters label alike: maximal runs of one label, matched one to one by how far they overlap.

A matched pair's IoU is the steps that both ranges hold over the steps that either holds. Only runs count that both
raters finished.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codetracer_core.agreement.measures import Drawn
from codetracer_core.agreement.who import Compared
from codetracer_core.intervals import Array, Estimate, ratio, summed
from codetracer_core.ratings import CATEGORIES, Ratings

ENOUGH = 0.5
"""IoU from which on a range counts as found."""
WIDTH = 6
"""Columns of ``range_sums``."""


@dataclass(frozen=True)
class RangeAgreement:
    """Of two raters, or several pairs of raters together, on ranges of one label."""

    label: str
    runs: int
    """Finished by both; with several pairs each counts anew."""
    first: int
    """Ranges of the first rater."""
    second: int
    overlapping: int
    """Matched ranges, however little they overlap."""
    matched: int
    """Of those, with IoU ≥ ``ENOUGH``."""
    precision: Estimate
    """Matched over the second's ranges; of several pairs undefined, as recall is."""
    recall: Estimate
    """Matched over the first's ranges."""
    f1: Estimate
    mean_iou: Estimate
    """Over the overlapping ones."""


@dataclass(frozen=True)
class Ranges:
    """The ranges of one label of one rater, over all runs."""

    number: Array
    """Number of the range of each step, shape (steps,); -1: in none."""
    sizes: Array
    """Steps of each range, shape (ranges,)."""
    runs: Array
    """Index of the run of each range, shape (ranges,)."""
    starts: Array
    """Row of the first step of each range, shape (ranges,)."""


def ranges_of(codes: Array, ratings: Ratings, label: int) -> tuple[Ranges, ...]:
    """Of each rater, in the runs that they finished."""
    finished = ratings.finished[ratings.run_of]
    return tuple(
        _ranges((codes[:, rater] == label) & finished[:, rater], ratings.run_of) for rater in range(len(ratings.raters))
    )


def _ranges(inside: Array, run_of: Array) -> Ranges:
    before = np.concatenate([[False], inside[:-1] & (run_of[1:] == run_of[:-1])]) if len(inside) else inside
    starts = np.flatnonzero(inside & ~before)
    number = np.where(inside, np.searchsorted(starts, np.arange(len(inside)), side="right") - 1, -1)
    return Ranges(number, np.bincount(number[inside], minlength=len(starts)), run_of[starts], starts)


def matched_ranges(first: Ranges, second: Ranges) -> tuple[Array, Array, Array]:
    """The one-to-one match of largest total IoU: ranges of the first, of the second, IoU; in the order of steps."""
    rows = np.flatnonzero((first.number >= 0) & (second.number >= 0))
    pairs = np.column_stack([first.number[rows], second.number[rows]])
    new = np.concatenate([[True], (pairs[1:] != pairs[:-1]).any(axis=1)]) if len(rows) else np.zeros(0, dtype=bool)
    ours, theirs = pairs[new].T
    shared = np.bincount(np.cumsum(new) - 1, minlength=len(ours)) if len(rows) else np.zeros(0)
    iou = shared / (first.sizes[ours] + second.sizes[theirs] - shared)
    linked = (ours[1:] == ours[:-1]) | (theirs[1:] == theirs[:-1])  # to the overlap before
    in_chain = np.append(False, linked) | np.append(linked, False)
    chained = np.flatnonzero(in_chain[: len(ours)])
    chosen = ~in_chain[: len(ours)]
    chosen[chained[best_chain(ours[chained].tolist(), theirs[chained].tolist(), iou[chained].tolist())]] = True
    return ours[chosen], theirs[chosen], iou[chosen]


def best_chain(first: Sequence[int], second: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Which overlaps to take so that no range is taken twice and the sum of weights is largest.

    Overlap ``i`` is of the ranges ``first[i]`` and ``second[i]``, in the order of steps. Ranges of one rater never
    overlap each other, so the overlaps with one range stand next to each other, and those that exclude overlap ``i``
    end right before it: a chain, solved exactly as weighted interval scheduling is (Kleinberg & Tardos, "Algorithm
    Design", 2006, sect. 6.1). On ties the earlier overlap.
    """
    best = [0.0]
    free = []  # how many overlaps come before all those that exclude this one
    of_first = of_second = 0
    for at, weight in enumerate(weights):
        if at and first[at] != first[at - 1]:
            of_first = at
        if at and second[at] != second[at - 1]:
            of_second = at
        free.append(min(of_first, of_second))
        best.append(max(best[at], best[free[at]] + weight))
    chosen, at = [], len(weights)
    while at:
        if best[at] > best[at - 1]:
            chosen.append(at - 1)
            at = free[at - 1]
        else:
            at -= 1
    return chosen[::-1]


def range_sums(first: Ranges, second: Ranges, ratings: Ratings, pair: Compared) -> Array:
    """What these two raters' ranges add up to, shape (clusters, ``WIDTH``)."""
    finished = ratings.finished[:, pair.first] & ratings.finished[:, pair.second]
    ours, _, iou = matched_ranges(first, second)
    runs, size = first.runs[ours], len(finished)
    of_runs = [
        finished,
        np.bincount(first.runs, minlength=size) * finished,
        np.bincount(second.runs, minlength=size) * finished,
        np.bincount(runs, minlength=size),
        np.bincount(runs[iou >= ENOUGH], minlength=size),
        np.bincount(runs, iou, minlength=size),
    ]
    return summed(np.column_stack(of_runs).astype(float), ratings.clusters, ratings.cluster_count)


def range_agreement(ranges: Drawn, label: int, *, of_two: bool) -> RangeAgreement:
    """Of the sums of two raters, or of several pairs of raters together."""
    finished, of_first, of_second, overlapping, matched = (round(float(n)) for n in ranges.sums.sum(axis=0)[:5])

    def share(over: int, under: tuple[int, ...], times: int, why: str) -> Estimate:
        def denominator(of: Array) -> Array:
            return np.asarray(of[..., list(under)].sum(axis=-1))

        def statistic(of: Array) -> Array:
            return ratio(times * of[..., over], denominator(of))

        return ranges.estimate(statistic, denominator, f"{why} (n = {finished:,} runs)")

    name = CATEGORIES[label]
    directed = Estimate.undefined("of several pairs of raters neither is the reference")
    return RangeAgreement(
        name,
        finished,
        of_first,
        of_second,
        overlapping,
        matched,
        precision=share(4, (2,), 1, f"the second rater has no {name} range") if of_two else directed,
        recall=share(4, (1,), 1, f"the first rater has no {name} range") if of_two else directed,
        f1=share(4, (1, 2), 2, f"nobody has any {name} range"),
        mean_iou=share(5, (3,), 1, f"no two {name} ranges overlap"),
    )
