"""Steps at which raters differ, most instructive first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from codetracer_core.agreement.coefficients import category_counts
from codetracer_core.agreement.onset import onsets
from codetracer_core.agreement.who import headline_raters
from codetracer_core.intervals import Array
from codetracer_core.ratings import CATEGORIES, CORRECT, INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Ratings, Unlabelled

NEAR = 5
"""Steps that two onsets may be apart to be a near miss."""

Kind = Literal["run", "near onset", "onset", "incorrect", "which", "unuseful"]
_KINDS: tuple[Kind, ...] = ("run", "near onset", "onset", "incorrect", "which", "unuseful")
_WHY: dict[Kind, str] = {
    "run": "one finds an error in this run, another finds none",
    "near onset": f"their onsets are near each other, not more than {NEAR} steps apart, and not the same",
    "onset": "incorrect against correct, and here one of them sees the run go off track",
    "incorrect": "incorrect against correct",
    "which": "incorrect against unuseful",
    "unuseful": "unuseful against correct",
}


@dataclass(frozen=True)
class Disagreement:
    """One step that raters see differently."""

    run_id: str
    step_id: int
    said: tuple[str, ...]
    """By rater, in the order that was asked for: one of ``CATEGORIES``, "uncertain" or "unlabelled"."""
    kind: Kind
    why: str
    """What is to be learnt from it, in words that name nobody."""
    alone: int | None
    """Index into ``Ratings.raters`` of the one whom at least two others, agreeing with each other, contradict."""


def said_codes(ratings: Ratings, unlabelled: Unlabelled = "correct") -> Array:
    """Codes as statistics take them, shape (steps, raters), but ``UNCERTAIN`` is told apart from ``MISSING``."""
    return np.where(ratings.codes == UNCERTAIN, UNCERTAIN, ratings.counted(unlabelled))


def differing_steps(codes: Array) -> Array:
    """bool, shape (steps,): at least two different verdicts. ``codes``: (steps, raters), negative where missing."""
    highest = codes.max(axis=1, initial=MISSING)
    lowest = np.where(codes < 0, len(CATEGORIES), codes).min(axis=1, initial=len(CATEGORIES))
    return np.asarray(lowest < highest)


def disagreements(
    ratings: Ratings, *, unlabelled: Unlabelled = "correct", raters: Sequence[int] | None = None
) -> list[Disagreement]:
    """Where these raters (indices; by default those of the headline) differ, most instructive first:

    1. "run": one finds an error in the run, another who finished it none; the first incorrect step stands for the run;
    2. "near onset": two put the onset at most ``NEAR`` steps apart, and not at the same step; each of those onsets,
       also where the verdicts are equal;
    3. "onset": incorrect against correct at somebody's onset;
    4. "incorrect": incorrect against correct;
    5. "which": incorrect against unuseful;
    6. "unuseful": unuseful against correct.

    A step is listed once, as the first that it is. Within a kind the more evenly split steps come first (two against
    two before three against one), then the order of runs and steps.
    """
    chosen = list(headline_raters(ratings.raters)[0] if raters is None else raters)
    all_said = said_codes(ratings, unlabelled)
    said = all_said[:, chosen]
    counts = category_counts(said, len(CATEGORIES))
    found = onsets(all_said, ratings)[:, chosen]
    differing = differing_steps(said)
    apart = (counts[:, INCORRECT] > 0) & (counts[:, CORRECT] > 0)
    at_onset = _rows_of(found, ratings)
    kinds = (
        _first_of_run(said, ratings, found) & differing,
        _rows_of(np.where(_is_near(found), found, 0), ratings),
        apart & at_onset,
        apart,
        (counts[:, INCORRECT] > 0) & (counts[:, UNUSEFUL] > 0),
        differing,
    )
    kind = np.select(kinds, range(len(kinds)), len(kinds))
    rows = np.flatnonzero(kind < len(kinds))
    most, of_all = counts.max(axis=1), counts.sum(axis=1)
    minority = (of_all - most)[rows] / np.maximum(of_all[rows], 1)
    rows = rows[np.lexsort((rows, -minority, kind[rows]))]
    alone = _alone(said, counts, chosen)
    names = dict(enumerate(CATEGORIES)) | {UNCERTAIN: "uncertain", MISSING: "unlabelled"}
    return [
        Disagreement(
            ratings.run_ids[run],
            step,
            tuple(names[code] for code in codes),
            _KINDS[what],
            _WHY[_KINDS[what]] + (f"; one against {against}" if by >= 0 else ""),
            by if by >= 0 else None,
        )
        for run, step, codes, what, against, by in zip(
            ratings.run_of[rows].tolist(),
            ratings.step_ids[rows].tolist(),
            said[rows].tolist(),
            kind[rows].tolist(),
            most[rows].tolist(),
            alone[rows].tolist(),
            strict=True,
        )
    ]


def _rows_of(steps: Array, ratings: Ratings) -> Array:
    """bool, shape (steps,): the rows of these step numbers, shape (runs, raters); 0 or less: none."""
    inside = np.zeros(len(ratings.run_of), dtype=bool)
    runs, raters = np.nonzero((steps > 0) & (steps <= ratings.lengths[:, None]))
    inside[ratings.starts[runs] + steps[runs, raters] - 1] = True
    return inside


def _first_of_run(said: Array, ratings: Ratings, found: Array) -> Array:
    """bool, shape (steps,): the first incorrect step of a run in which another one, who finished it, has none."""
    inside = np.zeros(len(said), dtype=bool)
    rows, by = np.nonzero(said == INCORRECT)
    has = np.zeros(found.shape, dtype=bool)
    has[ratings.run_of[rows], by] = True
    finished = found >= 0
    split = np.asarray((has & finished).any(axis=1) & (~has & finished).any(axis=1))
    runs, first = np.unique(ratings.run_of[rows], return_index=True)  # rows ascend, so these are the first ones
    inside[rows[first[split[runs]]]] = True
    return inside


def _is_near(found: Array) -> Array:
    """bool, shape (runs, raters): another rater's onset is near, and not the same."""
    near = np.zeros(found.shape, dtype=bool)
    for one in range(found.shape[1]):
        distance = np.abs(found - found[:, [one]])
        near[:, one] = ((distance > 0) & (distance <= NEAR) & (found > 0)).any(axis=1) & (found[:, one] > 0)
    return near


def _alone(said: Array, counts: Array, chosen: Sequence[int]) -> Array:
    """Index of the one rater who contradicts at least two that agree, shape (steps,); -1: nobody."""
    of_all, most = counts.sum(axis=1), counts.max(axis=1, initial=0)
    against = (most >= 2) & (of_all - most == 1)
    lonely = (counts == 1).argmax(axis=1)
    if not chosen:
        return np.full(len(said), -1)
    return np.where(against, np.asarray(chosen)[(said == lonely[:, None]).argmax(axis=1)], -1)
