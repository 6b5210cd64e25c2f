"""Where two raters put the borders between stages: WindowDiff, Pk, and F1 of the borders themselves.

A border after step i lies where a stage ends at i or the next begins at i + 1 (1 ≤ i < n); steps that no stage covers
are so a segment of their own. WindowDiff (Pevzner & Hearst, "A Critique and Improvement of an Evaluation Metric for
Text Segmentation", Comput Linguist 28, 2002) and Pk (Beeferman, Berger & Lafferty, "Statistical Models for Text
Segmentation", Mach Learn 34, 1999) are taken over the n − k windows between step i and step i + k, where k is half the
mean length of a segment of the reference, rounded (half to even), at least 2. That is the convention of segeval 2; for
NLTK it means to give it the n − 1 places between steps, not n characters. Both are errors: 0 is perfect. Undefined
where n ≤ k.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codetracer_core.agreement.measures import Drawn
from codetracer_core.agreement.who import Compared
from codetracer_core.intervals import Array, Estimate, ratio, summed
from codetracer_core.ratings import Ratings

TOLERANCES = (0, 1, 2)
"""How many steps a border may be off and count as the same."""
SHORTEST_WINDOW = 2
WIDTH = 7 + len(TOLERANCES)
"""Columns of ``stage_sums``."""


@dataclass(frozen=True)
class BorderF1:
    tolerance: int
    f1: Estimate


@dataclass(frozen=True)
class StageAgreement:
    """Of two raters, or several pairs of raters together: means over runs in which both drew stages.

    Without a reference each is it once, and the two values of a run are averaged.
    """

    runs: int
    """Finished by both, with stages of both; with several pairs each counts anew."""
    runs_with_windows: int
    """Of those, long enough for WindowDiff and Pk."""
    runs_with_borders: int
    """Of those, with a border of either rater: the others have no F1."""
    window_diff: Estimate
    pk: Estimate
    borders: tuple[BorderF1, ...]
    """By ``TOLERANCES``; borders are matched one to one, as many as can be."""
    mean_stages_first: Estimate
    """How many segments the first rater makes of a run, on average."""
    mean_stages_second: Estimate


@dataclass(frozen=True)
class Borders:
    """What one rater drew."""

    drawn: Array
    """bool, shape (runs,): they drew stages, and finished the run."""
    after: Array
    """bool, shape (steps,): there is a border after this step."""
    upto: Array
    """Borders before each row, shape (steps + 1,)."""
    segments: Array
    """Number of segments per run, shape (runs,)."""
    rows: Array
    """Rows at which a window of theirs begins, they being the reference, shape (windows,)."""
    windows: Array
    """k of each of those, shape (windows,)."""


def borders_of(ratings: Ratings) -> tuple[Borders, ...]:
    """Of each rater."""
    steps, runs = len(ratings.run_of), len(ratings.run_ids)
    drawn = np.zeros((runs, len(ratings.raters)), dtype=bool)
    after = np.zeros((steps, len(ratings.raters)), dtype=bool)
    for (run, rater), stages in ratings.stages.items():
        if not (stages and ratings.finished[run, rater]):
            continue
        drawn[run, rater] = True
        start, length = int(ratings.starts[run]), int(ratings.lengths[run])
        for stage in stages:
            for border in (stage.start_step_id - 1, stage.end_step_id):
                if 1 <= border < length:
                    after[start + border - 1, rater] = True
    return tuple(_borders(drawn[:, rater], after[:, rater], ratings) for rater in range(len(ratings.raters)))


def _borders(drawn: Array, after: Array, ratings: Ratings) -> Borders:
    upto = np.concatenate([[0], np.cumsum(after)])
    segments = np.bincount(ratings.run_of[after], minlength=len(drawn)) + 1
    window = np.maximum(SHORTEST_WINDOW, np.rint(ratings.lengths / segments / 2)).astype(np.int64)
    rows = np.flatnonzero(drawn[ratings.run_of] & (ratings.step_ids <= (ratings.lengths - window)[ratings.run_of]))
    return Borders(drawn, after, upto, segments, rows, window[ratings.run_of[rows]])


def stage_sums(found: Sequence[Borders], ratings: Ratings, pair: Compared) -> Array:
    """What the stages of these two raters add up to, shape (clusters, ``WIDTH``); ``found``: ``borders_of(…)``."""
    first, second = found[pair.first], found[pair.second]
    runs = first.drawn & second.drawn
    if not runs.any():
        return np.zeros((ratings.cluster_count, WIDTH))
    errors = window_errors(first, second, ratings)
    if not pair.has_reference:
        errors = (errors + window_errors(second, first, ratings)) / 2
    long_enough = runs & ~np.isnan(errors).any(axis=1)
    borders = np.where(runs, first.segments + second.segments - 2, 0)
    columns: list[Array] = [runs, runs * first.segments, runs * second.segments, long_enough]
    columns += [*np.where(long_enough[:, None], errors, 0).T, borders > 0]
    for tolerance in TOLERANCES:
        rows = matched_borders(first, second, runs, ratings, tolerance)
        columns.append(2 * np.bincount(ratings.run_of[rows], minlength=len(runs)) / np.maximum(borders, 1))
    return summed(np.column_stack(columns).astype(float), ratings.clusters, ratings.cluster_count)


def stage_agreement(stages: Drawn) -> StageAgreement:
    """Of the sums of two raters, or of several pairs of raters together."""
    total = [round(float(n)) for n in stages.sums.sum(axis=0)]

    def mean(column: int, of: int, why: str) -> Estimate:
        why = why if total[0] else "in no run both drew stages"
        return stages.share(column, of, f"{why} (n = {total[0]:,} runs with stages of both)")

    short, none = "no run is longer than the window", "nobody drew a border"
    return StageAgreement(
        runs=total[0],
        runs_with_windows=total[3],
        runs_with_borders=total[6],
        window_diff=mean(4, 3, short),
        pk=mean(5, 3, short),
        borders=tuple(BorderF1(tolerance, mean(7 + at, 6, none)) for at, tolerance in enumerate(TOLERANCES)),
        mean_stages_first=mean(1, 0, none),
        mean_stages_second=mean(2, 0, none),
    )


def window_errors(reference: Borders, other: Borders, ratings: Ratings) -> Array:
    """WindowDiff and Pk of each run, shape (runs, 2); NaN where no window fits or the reference drew nothing."""
    ends = reference.rows + reference.windows
    expected = reference.upto[ends] - reference.upto[reference.rows]
    given = other.upto[ends] - other.upto[reference.rows]
    runs = ratings.run_of[reference.rows]
    windows = np.bincount(runs, minlength=len(ratings.run_ids))
    wrong = [np.bincount(runs, off, len(windows)) for off in (expected != given, (expected > 0) != (given > 0))]
    return ratio(np.column_stack(wrong), np.column_stack([windows, windows]))


def matched_borders(first: Borders, second: Borders, runs: Array, ratings: Ratings, tolerance: int) -> Array:
    """Rows of the first's borders that have one of the second within so many steps; each border is taken once.

    ``runs``: bool, shape (runs,): only in these. As many as can be: from left to right, each takes the first that is
    left for it.
    """
    ours, theirs = (np.flatnonzero(of.after & runs[ratings.run_of]) for of in (first, second))
    if not tolerance:
        return np.intersect1d(ours, theirs, assume_unique=True)
    apart = (tolerance + 1) * ratings.run_of  # so that no border reaches into the next run
    left, right = ours + apart[ours], np.append(theirs + apart[theirs], np.iinfo(np.int64).max)
    wanted = np.searchsorted(right, left - tolerance)
    while True:  # each asks for the first one not refused to it; the leftmost who asks gets it (Gale & Shapley 1962)
        asking = np.flatnonzero(right[wanted] <= left + tolerance)
        given = np.full(len(right), len(left))
        np.minimum.at(given, wanted[asking], asking)
        refused = asking[given[wanted[asking]] != asking]
        if not len(refused):
            return np.asarray(ours[asking])
        wanted[refused] += 1
