"""Figures on outcomes: who solves what, with how many steps, at what cost."""

from typing import Any

import numpy as np
import pandas as pd

from codetracer_core.analytics.figure import (
    FigureData,
    Group,
    as_columns,
    cluster_sums,
    grouped,
    interval_note,
    keep_known_outcomes,
    left_out,
    nothing,
    places,
    share,
)
from codetracer_core.analytics.frames import Frames
from codetracer_core.intervals import Array, difference, estimate, quotient, ratio, resampled
from codetracer_core.words import number_of

_NO_OUTCOME = "Of none of these runs it is known whether it solved its task."
_MOST_BUDGETS = 40
_MOST_CURVES = 6


def solved_by_category(frames: Frames, by: Group) -> FigureData:
    """Share of runs that solved their task, by task category and group.

    Columns: group, category, runs, solved, value (solved / runs), low, high, clusters, why. A pair without a run has no
    row. Runs without a known category are a category of their own.
    """
    known, out = keep_known_outcomes(frames)
    if not len(known.runs):
        return nothing(_NO_OUTCOME, out)
    groups = grouped(known.runs, by, most=8)
    categories = grouped(known.runs, "category", most=30)
    solved = (known.runs["outcome"] == "solved").to_numpy()
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, in_group in groups:
        for category, in_category in categories:
            here = in_category & in_group
            if not here.any():
                continue
            found = share(solved[here], np.ones(here.sum()), known.clusters[here], "no run")
            behind += [(len(rows), run_id, np.nan) for run_id in known.runs["run_id"][here]]
            rows.append(
                {"group": group, "category": category, "runs": int(here.sum()), "solved": int(solved[here].sum())}
                | as_columns(found)
            )
    notes = [f"{number_of(len(known.runs), 'run')} with a known outcome.", *out, *groups.notes, *categories.notes]
    return FigureData(pd.DataFrame(rows), (*notes, interval_note(known)), places(behind), by=by)


def solved_rate(frames: Frames, by: Group) -> FigureData:
    """Share of runs that solved their task, by group, the highest first.

    Columns: group, runs, solved, value (solved / runs), low, high, clusters, why.
    """
    known, out = keep_known_outcomes(frames)
    if not len(known.runs):
        return nothing(_NO_OUTCOME, out)
    groups = grouped(known.runs, by, most=24)
    solved = (known.runs["outcome"] == "solved").to_numpy()
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, here in sorted(groups, key=lambda one: (-solved[one[1]].mean(), -one[1].sum())):
        found = share(solved[here], np.ones(here.sum()), known.clusters[here], "no run")
        behind += [(len(rows), run_id, np.nan) for run_id in known.runs["run_id"][here]]
        rows.append({"group": group, "runs": int(here.sum()), "solved": int(solved[here].sum())} | as_columns(found))
    notes = [f"{number_of(len(known.runs), 'run')} with a known outcome.", *out, *groups.notes]
    return FigureData(pd.DataFrame(rows), (*notes, interval_note(known)), places(behind), by=by)


def solved_by_budget(frames: Frames, by: Group) -> FigureData:
    """Share of runs that had solved their task within so many steps.

    Columns: group, at (the limit, in steps), runs, solved (within the limit), value (solved / runs), low, high,
    clusters, why. The runs behind a row are those that the limit before would have cut off.
    """
    known, out = keep_known_outcomes(frames)
    if not len(known.runs):
        return nothing(_NO_OUTCOME, out)
    groups = grouped(known.runs, by, most=_MOST_CURVES)
    solved = (known.runs["outcome"] == "solved").to_numpy()
    length = known.runs["step_count"].to_numpy()
    limits = _spread(np.unique(length[solved]))
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, here in groups:
        within = [solved[here] & (length[here] <= limit) for limit in limits]
        sums = cluster_sums([np.ones(here.sum()), *within], known.clusters[here])
        draws = resampled(sums) if len(sums) else None
        before = 0.0
        for number, limit in enumerate(limits, start=1):
            found = quotient(sums, number, 0, why="no run", draws=draws)
            newly = here & solved & (length > before) & (length <= limit)
            behind += [(len(rows), run_id, np.nan) for run_id in known.runs["run_id"][newly]]
            count = {"runs": int(here.sum()), "solved": int(within[number - 1].sum())}
            rows.append({"group": group, "at": int(limit), **count} | as_columns(found))
            before = limit
    if not rows:
        return nothing("None of these runs solved its task.", out)
    notes = [
        f"{number_of(len(known.runs), 'run')} with a known outcome.",
        *out,
        *groups.notes,
        "The curve tells what a lower limit would have cut off. What the others would have done with more steps, "
        "nobody knows.",
        interval_note(known),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by)


def _spread(values: Array) -> Array:
    """At most ``_MOST_BUDGETS`` of the values, first and last among them."""
    if len(values) <= _MOST_BUDGETS:
        return values
    return np.asarray(values[np.unique(np.linspace(0, len(values) - 1, _MOST_BUDGETS).round().astype(int))])


MEASURES = {"cost_usd": "cost, US dollars", "tokens": "tokens, prompt and completion", "step_count": "steps"}


def cost(frames: Frames, by: Group) -> FigureData:
    """What runs used, by outcome: a row for each run and measure of which it is known.

    Columns: run_id, outcome, measure (a key of ``MEASURES``), value.
    """
    runs = frames.runs
    if not len(runs):
        return nothing("There are no runs.")
    amounts = runs.assign(tokens=runs["prompt_tokens"] + runs["completion_tokens"])
    parts = [
        pd.DataFrame({"run_id": runs["run_id"], "outcome": runs["outcome"].astype(str), "measure": measure})
        .assign(value=amounts[measure])
        .dropna(subset=["value"])
        for measure in MEASURES
    ]
    rows = pd.concat(parts, ignore_index=True)
    known = {measure: int((rows["measure"] == measure).sum()) for measure in MEASURES}
    notes = [
        f"{number_of(len(runs), 'run')}; known: cost of {known['cost_usd']:,}, tokens of {known['tokens']:,}. The "
        "others are left out of that panel.",
        *(["On these axes 0 stands at the left edge."] if (rows["value"] <= 0).any() else []),
        "Prompt tokens include those that were read from a cache. Boxes: median and quartiles; whiskers: 1.5 times "
        "the distance of the quartiles.",
    ]
    behind = [(at, run_id, np.nan) for at, run_id in enumerate(rows["run_id"])]
    return FigureData(rows, tuple(notes), places(behind))


NO_REPLAY = "No run has been replayed yet: there are no pairs of a run before and after its diagnosis to compare."


def replay(frames: Frames, by: Group) -> FigureData:
    """pass@1 before and after replay: the share of runs that solved their task at the one attempt, by group.

    Of ``Frames.replays``, those whose outcomes are not both known are left out. Columns: group,
    when ("before", "after", "difference": after minus before, paired), runs, value, low, high, clusters, why.
    """
    pairs = frames.replays
    if not pairs:
        return nothing(NO_REPLAY)
    at = {run_id: number for number, run_id in enumerate(frames.runs["run_id"])}
    outcome = frames.runs["outcome"].astype(str).to_numpy()
    here = [(at[old], at[new], matched) for old, new, matched in pairs if old in at and new in at]
    known = [one for one in here if "unknown" not in (outcome[one[0]], outcome[one[1]])]
    out = left_out(
        [
            (len(pairs) - len(here), "which, or whose replay, are not among these runs"),
            (len(here) - len(known), "where it is not known whether run and replay solved the task"),
        ]
    )
    if not known:
        return nothing("Of no run and its replay both outcomes are known.", out)
    old, new, matched = (np.array(side) for side in zip(*known, strict=True))
    groups = grouped(frames.runs.iloc[old], by, most=8)  # of the originals, a row per pair
    solved = (outcome == "solved").astype(float)
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, mine in groups:
        clusters = frames.clusters[old[mine]]
        ones = np.ones(mine.sum())
        sums = {
            when: cluster_sums([solved[side[mine]], ones], clusters) for when, side in (("before", old), ("after", new))
        }

        def rate(sums: Any) -> Any:
            return ratio(sums[..., 0], sums[..., 1])

        estimates = {when: estimate(rate, of, why="no run") for when, of in sums.items()}
        estimates["difference"] = difference(rate, sums["after"], sums["before"], why="no run")
        for when, found in estimates.items():
            side = old if when == "before" else new
            behind += [(len(rows), run_id, np.nan) for run_id in frames.runs["run_id"].to_numpy()[side[mine]]]
            rows.append({"group": group, "when": when, "runs": int(mine.sum())} | as_columns(found))
    notes = [
        f"{number_of(len(known), 'pair')} of a run and its replay.",
        f"In {int(matched.sum()):,} of them the model was allowed as many steps as the original took from there. "
        "Of several replays of a run by one model the first whose outcome is known counts.",
        *out,
        *groups.notes,
        interval_note(frames),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by)
