"""The steps behind a number: every cell of a page leads to the steps that it counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from codetracer_core.agreement.coefficients import category_counts
from codetracer_core.agreement.disagreement import differing_steps, said_codes
from codetracer_core.agreement.onset import first_incorrect, onsets
from codetracer_core.agreement.ranges import ENOUGH, matched_ranges, ranges_of
from codetracer_core.agreement.stages import borders_of, matched_borders
from codetracer_core.agreement.who import all_pairs
from codetracer_core.intervals import Array
from codetracer_core.ratings import CATEGORIES, INCORRECT, MISSING, Ratings, Unlabelled


@dataclass(frozen=True)
class Said:
    """Steps of which each of these raters said one of these codes: a cell of a pair's table, a label of a rater."""

    by: tuple[tuple[int, tuple[int, ...]], ...]
    """(rater, codes): indices into ``CATEGORIES``, ``MISSING`` or ``UNCERTAIN``."""


@dataclass(frozen=True)
class Differ:
    """Steps on which these raters differ."""

    raters: tuple[int, ...]
    run_id: str | None = None
    """Only of this run."""


@dataclass(frozen=True)
class Voted:
    """Steps with so many ratings of these raters, so many of them ``code``: what ``Votes`` counts."""

    raters: tuple[int, ...]
    ratings: int
    positive: int
    code: int = INCORRECT


@dataclass(frozen=True)
class Together:
    """Steps with two ratings of these raters of which one is the first code and the other the second: what
    ``LabelAgreement.with_others`` counts pairs of."""

    raters: tuple[int, ...]
    one: int
    other: int


@dataclass(frozen=True)
class Split:
    """Steps that some of these raters give this code and others another one: what ``Pairings.one`` counts pairs of."""

    raters: tuple[int, ...]
    code: int


@dataclass(frozen=True)
class Detected:
    """Runs that both finished by who has an onset: its step, the first rater's before the second's; without one,
    step 1."""

    first: int
    second: int
    first_has: bool
    second_has: bool


@dataclass(frozen=True)
class OnsetsApart:
    """Both onsets, of runs in which the second's minus the first's lies within these bounds, both inclusive."""

    first: int
    second: int
    low: int
    high: int


@dataclass(frozen=True)
class RunSaid:
    """Runs by what each of the two said of the whole run (1 an error, 0 none): the first incorrect step of the first
    rater, else of the second, else step 1. Of "has incorrect" only of runs that they finished."""

    first: int
    second: int
    first_code: int
    second_code: int
    of: Literal["has incorrect", "run verdict"] = "has incorrect"


@dataclass(frozen=True)
class RangesOf:
    """The first step of each range of a label of which this holds, in runs that both finished."""

    first: int
    second: int
    which: Literal["matched", "overlapping", "first unmatched", "second unmatched"]
    """ "matched" with enough IoU, "overlapping" matched with less; of both the first rater's range."""
    code: int = INCORRECT


@dataclass(frozen=True)
class BordersOf:
    """The steps before borders between stages of which this holds, in runs in which both drew stages."""

    first: int
    second: int
    which: Literal["both", "only first", "only second"]
    """Of "both" where the first rater puts it."""
    tolerance: int = 0


OfTwo = Detected | OnsetsApart | RunSaid | RangesOf | BordersOf


@dataclass(frozen=True)
class AnyPair:
    """What any of these holds of any two of these raters, who take the places of ``first`` and ``second``. A number
    over several pairs counts a step once for each pair; here it stands once."""

    raters: tuple[int, ...]
    of: tuple[OfTwo, ...]
    """One, or one and the same the other way round."""


Selection = Said | Differ | Voted | Together | Split | OfTwo | AnyPair


def steps_behind(
    ratings: Ratings, selection: Selection, *, unlabelled: Unlabelled = "correct"
) -> list[tuple[str, int]]:
    """(run, step) of everything that a number counts, in the order of runs and steps."""
    codes = said_codes(ratings, unlabelled)
    match selection:
        case Said(by):
            inside = np.ones(len(codes), dtype=bool)
            for rater, wanted in by:
                inside &= np.isin(codes[:, rater], wanted)
        case Differ(raters, run_id):
            inside = differing_steps(codes[:, raters])
            if run_id is not None:
                inside &= np.asarray([known == run_id for known in ratings.run_ids], dtype=bool)[ratings.run_of]
        case Voted(raters, of, positive, code):
            counts = category_counts(codes[:, raters], len(CATEGORIES))
            inside = (counts.sum(axis=1) == of) & (counts[:, code] == positive)
        case Together(raters, one, other):
            counts = category_counts(codes[:, raters], len(CATEGORIES))
            inside = counts[:, one] >= 2 if one == other else (counts[:, one] > 0) & (counts[:, other] > 0)
        case Split(raters, code):
            counts = category_counts(codes[:, raters], len(CATEGORIES))
            inside = (counts[:, code] > 0) & (counts[:, code] < counts.sum(axis=1))
        case AnyPair(raters, of_two):
            both = [(pair.first, pair.second) for pair in all_pairs(ratings.raters, raters)]
            parts = [replace(one, first=first, second=second) for first, second in both for one in of_two]
            steps = {step for part in parts for step in steps_behind(ratings, part, unlabelled=unlabelled)}
            place = {run_id: at for at, run_id in enumerate(ratings.run_ids)}
            return sorted(steps, key=lambda step: (place[step[0]], step[1]))
        case Detected(first, second, first_has, second_has):
            found = onsets(codes, ratings)[:, [first, second]]
            runs = (found >= 0).all(axis=1) & ((found > 0) == (first_has, second_has)).all(axis=1)
            return _one_step_of(runs, found, ratings)
        case OnsetsApart(first, second, low, high):
            found = onsets(codes, ratings)[:, [first, second]]
            distance = found[:, 1] - found[:, 0]
            runs = np.flatnonzero((found > 0).all(axis=1) & (distance >= low) & (distance <= high))
            inside = np.zeros(len(codes), dtype=bool)
            inside[(ratings.starts[runs, None] + found[runs] - 1).ravel()] = True
        case RunSaid(first, second, first_code, second_code, of_what):
            incorrect = first_incorrect(codes, ratings)
            verdicts = ratings.run_verdicts
            if of_what == "has incorrect":
                verdicts = np.where(ratings.finished, incorrect > 0, MISSING)
            runs = (verdicts[:, first] == first_code) & (verdicts[:, second] == second_code)
            return _one_step_of(runs, incorrect[:, [first, second]], ratings)
        case RangesOf():
            inside = _starts_of_ranges(codes, ratings, selection)
        case BordersOf():
            inside = _borders(ratings, selection)
    return _as_steps(np.flatnonzero(inside), ratings)


def _as_steps(rows: Array, ratings: Ratings) -> list[tuple[str, int]]:
    pairs = zip(ratings.run_of[rows].tolist(), ratings.step_ids[rows].tolist(), strict=True)
    return [(ratings.run_ids[run], step) for run, step in pairs]


def _one_step_of(runs: Array, steps: Array, ratings: Ratings) -> list[tuple[str, int]]:
    """One step of each of these runs, of two (0: none): the first that there is, or step 1."""
    step = np.where(steps[:, 0] > 0, steps[:, 0], np.where(steps[:, 1] > 0, steps[:, 1], 1))
    return [(ratings.run_ids[run], int(step[run])) for run in np.flatnonzero(runs & (ratings.lengths > 0))]


def _starts_of_ranges(codes: Array, ratings: Ratings, selection: RangesOf) -> Array:
    found = ranges_of(codes, ratings, selection.code)
    first, second = found[selection.first], found[selection.second]
    ours, theirs, iou = matched_ranges(first, second)
    finished = ratings.finished[:, selection.first] & ratings.finished[:, selection.second]
    match selection.which:
        case "matched":
            rows = first.starts[ours[iou >= ENOUGH]]
        case "overlapping":
            rows = first.starts[ours[iou < ENOUGH]]
        case "first unmatched":
            rows = _without(first.starts, ours)
        case "second unmatched":
            rows = _without(second.starts, theirs)
    inside = np.zeros(len(codes), dtype=bool)
    inside[rows] = finished[ratings.run_of[rows]]
    return inside


def _without(starts: Array, taken: Sequence[int] | Array) -> Array:
    left = np.ones(len(starts), dtype=bool)
    left[taken] = False
    return np.asarray(starts[left])


def _borders(ratings: Ratings, selection: BordersOf) -> Array:
    found = borders_of(ratings)
    first, second = found[selection.first], found[selection.second]
    runs = first.drawn & second.drawn
    if selection.which == "only second":
        first, second = second, first
    matched = matched_borders(first, second, runs, ratings, selection.tolerance)
    inside = np.zeros(len(ratings.run_of), dtype=bool)
    if selection.which == "both":
        inside[matched] = True
    else:
        inside = first.after & runs[ratings.run_of]
        inside[matched] = False
    return inside
