"""Figures on errors: where in a run they stand, when the first one comes, when it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from codetracer_core.analytics.figure import (
    FigureData,
    Group,
    as_columns,
    cluster_sums,
    counts_per_run,
    grouped,
    interval_note,
    keep_labelled,
    left_out,
    nothing,
    places,
    run_places,
    share,
)
from codetracer_core.analytics.frames import Frames
from codetracer_core.intervals import Array, estimate, ratio, resampled
from codetracer_core.words import number_of

TENTHS = 10
RANGES: tuple[tuple[int, float], ...] = ((1, 5), (6, 10), (11, 20), (21, 40), (41, 80), (81, np.inf))
"""Step ranges, both ends inclusive."""
_MOST_TIMES = 60
_MOST_CURVES = 6
_NO_ERRORS = "No step of these runs is labelled incorrect."


def range_name(first: int, last: float) -> str:
    return f"{first}–{int(last)}" if np.isfinite(last) else f"{first} and later"


def error_position(frames: Frames, by: Group) -> FigureData:
    """Incorrect steps by where in the run they stand, in tenths of its length.

    Columns: group, tenth (0 to 9), first and last (percent of the run), steps (incorrect ones in it), of (incorrect
    ones of the group), value (steps / of), low, high, clusters, why.
    """
    told, out = keep_labelled(frames)
    wrong = (told.steps["verdict"] == "incorrect").to_numpy()
    if not wrong.any():
        return nothing(_NO_ERRORS if len(told.runs) else _nobody(frames), out)
    run = told.steps["run"].to_numpy()
    tenth = tenths(told)
    groups = grouped(told.runs, by, most=4)
    all_of = counts_per_run(told, wrong)
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, here in groups:
        for number in range(TENTHS):
            mine = wrong & (tenth == number) & here[run]
            counted = counts_per_run(told, mine)[here]
            found = share(counted, all_of[here], told.clusters[here], "no incorrect step")
            behind += _places(told, mine, len(rows))
            rows.append(
                {
                    "group": group,
                    "tenth": number,
                    "first": 10 * number,
                    "last": 10 * (number + 1),
                    "steps": int(mine.sum()),
                    "of": int(all_of[here].sum()),
                }
                | as_columns(found)
            )
    notes = [
        f"{number_of(int(wrong.sum()), 'incorrect step')} in {number_of(int((all_of > 0).sum()), 'run')} of "
        f"{number_of(len(told.runs), 'run')} with {told.labels.in_words}.",
        *out,
        *groups.notes,
        "If the place did not matter, each tenth of a run would hold 10 % of them (the line).",
        interval_note(told),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by, tells_steps=True)


def tenths(frames: Frames) -> Array:
    """In which tenth of its run (0 to 9) the middle of each step lies, shape (steps,)."""
    length = frames.runs["step_count"].to_numpy()[frames.steps["run"].to_numpy()]
    within = (frames.steps["step_id"].to_numpy() - 0.5) / length
    return np.asarray(np.clip((within * TENTHS).astype(int), 0, TENTHS - 1))


def error_ranges(frames: Frames, by: Group) -> FigureData:
    """Share of the incorrect steps of a group that stand in a range of steps.

    Columns: group, range, first and last (steps, inclusive; last missing: to the end), steps (incorrect in it), of
    (incorrect of the group), all_steps (of any verdict in the range), value (steps / of), low, high, clusters, why.
    """
    told, out = keep_labelled(frames)
    wrong = (told.steps["verdict"] == "incorrect").to_numpy()
    if not wrong.any():
        return nothing(_NO_ERRORS if len(told.runs) else _nobody(frames), out)
    step_id, run = told.steps["step_id"].to_numpy(), told.steps["run"].to_numpy()
    groups = grouped(told.runs, by)
    all_of = counts_per_run(told, wrong)
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    without = [group for group, here in groups if not all_of[here].sum()]
    for group, here in groups:
        if group in without:
            continue
        for first, last in RANGES:
            within = (step_id >= first) & (step_id <= last) & here[run]
            mine = within & wrong
            found = share(counts_per_run(told, mine)[here], all_of[here], told.clusters[here], "no incorrect step")
            behind += _places(told, mine, len(rows))
            rows.append(
                {
                    "group": group,
                    "range": range_name(first, last),
                    "first": first,
                    "last": last if np.isfinite(last) else np.nan,
                    "steps": int(mine.sum()),
                    "of": int(all_of[here].sum()),
                    "all_steps": int(within.sum()),
                }
                | as_columns(found)
            )
    notes = [
        f"{number_of(int(wrong.sum()), 'incorrect step')} in {number_of(len(told.runs), 'run')} with "
        f"{told.labels.in_words}.",
        *out,
        *groups.notes,
        *([f"Without an incorrect step, and so without a row: {number_of(len(without), 'group')}."] if without else []),
        "Shares of one row add up to 100 %. Short runs have no late steps: see how many steps there are in a range.",
        interval_note(told),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by, tells_steps=True)


def onsets(frames: Frames) -> Array:
    """Failure onset of each run, shape (runs,): as it was marked, else the first incorrect step; NaN: none."""
    wrong = frames.steps[(frames.steps["verdict"] == "incorrect").to_numpy()]
    first = wrong.groupby("run")["step_id"].min()
    found = np.full(len(frames.runs), np.nan)
    found[first.index.to_numpy(dtype=np.int64)] = first.to_numpy(dtype=float)
    marked = frames.runs["onset"].to_numpy(dtype=float)
    return np.where(np.isnan(marked), found, marked)


def error_free(frames: Frames, by: Group) -> FigureData:
    """Share of runs that are still without an error after so many steps.

    The Kaplan–Meier estimate (Kaplan & Meier, "Nonparametric estimation from incomplete observations", JASA 53, 1958):
    a run that ended without an error says nothing of later steps. Columns: group, runs (of the group), at (steps),
    at_risk (runs that reach this step and had no error before), errors (runs with the onset since the row before),
    value, low, high, clusters, why.
    """
    told, out = keep_labelled(frames)
    if not len(told.runs):
        return nothing(_nobody(frames), out)
    onset = onsets(told)
    length = told.runs["step_count"].to_numpy()
    event = ~np.isnan(onset)
    if not event.any():
        return nothing("None of these runs has a failure onset.", out)
    groups = grouped(told.runs, by, most=_MOST_CURVES)
    rows, behind = _survival(told, groups, np.where(event, onset, length), event, lambda run: float(onset[run]))
    notes = [
        f"{number_of(len(told.runs), 'run')} with {told.labels.in_words}, {int(event.sum()):,} of them with a failure "
        "onset (as it was marked, else the first incorrect step).",
        *out,
        *groups.notes,
        *_differing(told),
        "Kaplan–Meier: a run counts as long as it lasts.",
        interval_note(told),
    ]
    return FigureData(rows, tuple(notes), places(behind), by=by, tells_steps=True)


def _differing(frames: Frames) -> list[str]:
    """A sentence on marked onsets that are not the first incorrect step."""
    first = onsets(Frames(frames.runs.assign(onset=np.nan), frames.steps, frames.labels))
    marked = frames.runs["onset"].to_numpy(dtype=float)
    differ = int((~np.isnan(marked) & ~np.isnan(first) & (marked != first)).sum())
    if not differ:
        return []
    return [f"In {number_of(differ, 'run')} the marked onset is not the first incorrect step: the mark counts."]


def onset_to_failure(frames: Frames, by: Group) -> FigureData:
    """Share of runs in which no command has failed yet, so many steps after the failure onset.

    A command fails with an exit code other than 0. Kaplan–Meier as ``error_free``; columns likewise, ``at`` counted
    from the onset (0: the step of the onset itself).
    """
    told, out = keep_labelled(frames)
    if not len(told.runs):
        return nothing(_nobody(frames), out)
    onset = onsets(told)
    run, step_id = told.steps["run"].to_numpy(), told.steps["step_id"].to_numpy()
    code = told.steps["exit_code"].to_numpy()
    after = step_id >= np.nan_to_num(onset, nan=np.inf)[run]
    codes_known = counts_per_run(told, after & ~np.isnan(code)) > 0
    usable = ~np.isnan(onset) & codes_known
    out += left_out(
        [
            (int(np.isnan(onset).sum()), "without a failure onset"),
            (int((~np.isnan(onset) & ~codes_known).sum()), "whose exit codes after the onset are not known"),
        ]
    )
    if not usable.any():
        return nothing("There is no run with a failure onset and known exit codes after it.", out)
    failing = told.steps[after & ~np.isnan(code) & (code != 0)]
    first = np.full(len(told.runs), np.nan)
    found = failing.groupby("run")["step_id"].min()
    first[found.index.to_numpy(dtype=np.int64)] = found.to_numpy(dtype=float)
    kept = told.of_runs(usable)
    onset, first = onset[usable], first[usable]
    event = ~np.isnan(first)
    last = kept.runs["step_count"].to_numpy() - onset
    groups = grouped(kept.runs, by, most=_MOST_CURVES)
    rows, behind = _survival(kept, groups, np.where(event, first - onset, last), event, lambda run: float(first[run]))
    notes = [
        f"{number_of(len(kept.runs), 'run')} with a failure onset by {kept.labels.in_words} and exit codes after it; "
        f"in {int(event.sum()):,} of them a command failed at the onset or later.",
        *out,
        *groups.notes,
        "Kaplan–Meier: a run counts as long as it lasts. A failed command is a sign, no proof: it may have another "
        "cause.",
        interval_note(kept),
    ]
    return FigureData(rows, tuple(notes), places(behind), by=by, tells_steps=True)


def _survival(
    frames: Frames, groups: Any, time: Array, event: Array, step_of: Callable[[int], float]
) -> tuple[pd.DataFrame, list[tuple[int, str, float]]]:
    """Kaplan–Meier curves by group with intervals, and the runs with an event in each row.

    ``time``: of the event or of the run's end, shape (runs,); ``event``: which of the two.
    """
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    ids = frames.runs["run_id"].to_numpy()
    for group, here in groups:
        times = np.unique(time[here & event]).astype(float)
        ends = np.array(sorted({*times, float(time[here].max())}))
        if len(ends) > _MOST_TIMES:
            ends = ends[np.unique(np.linspace(0, len(ends) - 1, _MOST_TIMES).round().astype(int))]
        at_risk = [(time[here] >= moment) for moment in times]
        died = [event[here] & (time[here] == moment) for moment in times]
        sums = cluster_sums([np.ones(here.sum()), *at_risk, *died], frames.clusters[here])
        draws = resampled(sums)
        before = -1.0
        for moment in ends:
            counted = int(np.searchsorted(times, moment, side="right"))
            found = estimate(_kaplan_meier(counted, len(times)), sums, why="no run", draws=draws)
            newly = here & event & (time > before) & (time <= moment)
            behind += [(len(rows), str(ids[run]), step_of(int(run))) for run in np.flatnonzero(newly)]
            rows.append(
                {
                    "group": group,
                    "runs": int(here.sum()),
                    "at": int(moment),
                    "at_risk": int((time[here] >= moment).sum()),
                    "errors": int(newly.sum()),
                }
                | as_columns(found)
            )
            before = moment
    return pd.DataFrame(rows), behind


def _kaplan_meier(counted: int, times: int) -> Callable[[Array], Array]:
    """The estimate after the first ``counted`` of ``times`` moments, of sums of runs, of those at risk at each moment,
    and of those with the event then."""

    def statistic(sums: Array) -> Array:
        hazard = ratio(sums[..., 1 + times : 1 + times + counted], sums[..., 1 : 1 + counted])
        survived = np.prod(1 - np.nan_to_num(hazard), axis=-1)  # nobody at risk: nothing is learned
        return np.where(sums[..., 0] > 0, survived, np.nan)

    return statistic


def _places(frames: Frames, steps: Array, row: int) -> list[tuple[int, str, float]]:
    """The first of these steps (a truth value each) of every run, as places behind a row."""
    return run_places(frames, frames.steps[steps].groupby("run")["step_id"].min(), row)


def _nobody(frames: Frames) -> str:
    return f"None of these runs has complete {frames.labels.in_words}."
