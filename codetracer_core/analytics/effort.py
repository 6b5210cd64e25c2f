"""Figures on effort: what steps are spent on, and in which order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from codetracer_core.analytics.errors import TENTHS, tenths
from codetracer_core.analytics.figure import (
    FigureData,
    Group,
    as_columns,
    counts_per_run,
    grouped,
    interval_note,
    is_spoken_of,
    keep_labelled,
    left_out,
    nothing,
    places,
    run_places,
    share,
    with_note,
    without_labels,
)
from codetracer_core.analytics.frames import KINDS, OUTCOMES, VERDICTS, Frames, names_in
from codetracer_core.words import number_of

MOST_STRIPS = 120
"""So many runs can be told apart in one figure."""


def step_budget(frames: Frames, by: Group) -> FigureData:
    """Steps per run by verdict and by kind, for each group and outcome.

    Columns: group, outcome, split ("verdict" or "kind"), what (a verdict or a kind), runs, steps, value (steps per
    run), low, high, clusters, why. By verdict only runs count that have labels of the source.
    """
    if not len(frames.steps):
        return nothing("There are no steps.")
    spoken = is_spoken_of(frames)
    groups = grouped(frames.runs, by, most=8, foremost=spoken)
    run = frames.steps["run"].to_numpy()
    outcome = names_in(frames.runs, "outcome").to_numpy()
    ids = frames.runs["run_id"].to_numpy()
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for split, parts, counted in (("verdict", VERDICTS, spoken), ("kind", KINDS, np.ones(len(spoken), dtype=bool))):
        values = frames.steps[split].astype(str).to_numpy()
        per_run = {part: counts_per_run(frames, values == part) for part in parts}
        for group, in_group in groups:
            for ending in OUTCOMES:
                here = in_group & counted & (outcome == ending)
                for part in parts if here.any() else ():
                    of = per_run[part][here]
                    found = share(of, np.ones(here.sum()), frames.clusters[here], "no run")
                    behind += [(len(rows), str(ids[at]), np.nan) for at in np.flatnonzero(here & (per_run[part] > 0))]
                    rows.append(
                        {"group": group, "outcome": ending, "split": split, "what": part}
                        | {"runs": int(here.sum()), "steps": int(of.sum())}
                        | as_columns(found)
                    )
    silent = int((spoken[run] & (frames.steps["verdict"] == "unlabelled").to_numpy()).sum())
    words = frames.labels.in_words
    notes = [
        f"By kind: {number_of(len(frames.runs), 'run')}, {number_of(len(run), 'step')}. By verdict: "
        f"{number_of(int(spoken.sum()), 'run')} with {words}.",
        *without_labels(frames, "by verdict, "),
        *groups.notes,
    ]
    if silent:
        notes.append(
            f"{number_of(silent, 'step')} of labelled runs have no verdict and stand apart, as unlabelled; who counts "
            "whatever is not labelled wrong as useful adds them to correct."
        )
    return FigureData(pd.DataFrame(rows), (*notes, interval_note(frames)), places(behind), by=by)


def _ratios(frames: Frames) -> tuple[Frames, pd.DataFrame, list[str]]:
    """The runs with a ratio, a row for each, and in sentences what is left out. Columns: run_id, steps, incorrect,
    unuseful, uncertain, value."""
    told, out = keep_labelled(frames)
    verdict = told.steps["verdict"].astype(str).to_numpy()
    counts = {word: counts_per_run(told, verdict == word) for word in ("incorrect", "unuseful", "uncertain")}
    steps = counts_per_run(told, np.ones(len(verdict), dtype=bool))
    judged = steps - counts["uncertain"]
    usable = judged > 0
    out += left_out([(int((~usable).sum()), "without a step that is judged")])
    kept = told.of_runs(usable)
    table = pd.DataFrame({"run_id": told.runs["run_id"], "steps": steps} | counts)[usable].reset_index(drop=True)
    wrong = table["incorrect"] + table["unuseful"]
    return kept, table.assign(value=1 - wrong / (table["steps"] - table["uncertain"])), out


def _ratio_notes(kept: Frames, out: list[str]) -> list[str]:
    return [
        f"{number_of(len(kept.runs), 'run')} with complete {kept.labels.in_words}.",
        *out,
        "Effective: neither incorrect nor unuseful, as the paper counts; steps without a verdict in a completely "
        "labelled run are effective, uncertain ones count on neither side.",
    ]


def effective_ratio(frames: Frames, by: Group) -> FigureData:
    """How many runs of a group have which effective-action ratio, in tenths.

    Columns: group, first and last (of the ratio; the last tenth includes 1), runs (in it), of (runs of the group),
    value (runs / of), low, high, clusters, why.
    """
    kept, table, out = _ratios(frames)
    if not len(table):
        return nothing(f"None of these runs has complete {frames.labels.in_words}.", out)
    groups = grouped(kept.runs, by, most=8)
    # rounded: 1 - 3/10 is a little more than 0.7, and 0.7 is where the next tenth begins
    tenth = np.clip(np.floor(np.round(table["value"].to_numpy() * TENTHS, 9)).astype(int), 0, TENTHS - 1)
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, here in groups:
        for number in range(TENTHS):
            mine = here & (tenth == number)
            found = share(mine[here], np.ones(here.sum()), kept.clusters[here], "no run")
            behind += [(len(rows), run_id, np.nan) for run_id in kept.runs["run_id"][mine]]
            rows.append(
                {"group": group, "first": number / TENTHS, "last": (number + 1) / TENTHS}
                | {"runs": int(mine.sum()), "of": int(here.sum())}
                | as_columns(found)
            )
    notes = [*_ratio_notes(kept, out), *groups.notes, interval_note(kept)]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by)


def effective_runs(frames: Frames, by: Group) -> FigureData:
    """The effective-action ratio of every run.

    Columns: run_id, group, outcome, steps, incorrect, unuseful, uncertain, value (the ratio).
    """
    kept, table, out = _ratios(frames)
    if not len(table):
        return nothing(f"None of these runs has complete {frames.labels.in_words}.", out)
    groups = grouped(kept.runs, by, most=8)
    rows = table.assign(
        group=[groups.names[number] for number in groups.of_run], outcome=names_in(kept.runs, "outcome").to_numpy()
    )
    order = ["run_id", "group", "outcome", "steps", "incorrect", "unuseful", "uncertain", "value"]
    behind = [(at, run_id, np.nan) for at, run_id in enumerate(rows["run_id"])]
    notes = [*_ratio_notes(kept, out), *groups.notes]
    return FigureData(rows[order], tuple(notes), places(behind), by=by, tells_runs=True)


def kinds_by_position(frames: Frames, by: Group) -> FigureData:
    """Share of steps that change the state, by where in the run they stand, in tenths of its length.

    Columns: group, runs (of the group), tenth (0 to 9), at (its middle, percent of the run), steps (changes in it), of
    (steps in it), value (steps / of), low, high, clusters, why.
    """
    if not len(frames.steps):
        return nothing("There are no steps.")
    groups = grouped(frames.runs, by, most=6)
    run, tenth = frames.steps["run"].to_numpy(), tenths(frames)
    changes = (frames.steps["kind"] == "change").to_numpy()
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []
    for group, here in groups:
        for number in range(TENTHS):
            within = here[run] & (tenth == number)
            counted, of = counts_per_run(frames, within & changes), counts_per_run(frames, within)
            found = share(counted[here], of[here], frames.clusters[here], "no step")
            first = frames.steps[within & changes].groupby("run")["step_id"].min()
            behind += run_places(frames, first, len(rows))
            count = {"steps": int(counted[here].sum()), "of": int(of[here].sum())}
            where = {"group": group, "runs": int(here.sum()), "tenth": number, "at": 10 * number + 5}
            rows.append(where | count | as_columns(found))
    notes = [
        f"{number_of(len(frames.runs), 'run')}, {number_of(len(run), 'step')}.",
        *groups.notes,
        "A run with fewer than ten steps has none in some tenths.",
        interval_note(frames),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by)


def transitions(frames: Frames, by: Group) -> FigureData:
    """What kind of step follows which.

    Columns: group, before, after (kinds), steps (pairs of consecutive steps), of (pairs that begin with ``before``),
    value (steps / of), low, high, clusters, why.
    """
    steps = frames.steps
    run, kind = steps["run"].to_numpy(), steps["kind"].astype(str).to_numpy()
    follows = run[1:] == run[:-1]
    if not follows.any():
        return nothing("No run has two steps.")
    pair_run, first, then = run[:-1][follows], kind[:-1][follows], kind[1:][follows]
    step_id = steps["step_id"].to_numpy()[:-1][follows]
    groups = grouped(frames.runs, by, most=3)
    rows: list[dict[str, Any]] = []
    behind: list[tuple[int, str, float]] = []

    def per_run(mine: Any) -> Any:
        return np.bincount(pair_run[mine], minlength=len(frames.runs)).astype(float)

    for group, here in groups:
        for before in KINDS:
            of = per_run(first == before)[here]
            for after in KINDS if of.sum() else ():
                mine = (first == before) & (then == after) & here[pair_run]
                found = share(per_run(mine)[here], of, frames.clusters[here], f"no step after {before}")
                where = pd.Series(step_id[mine]).groupby(pair_run[mine]).min()
                behind += run_places(frames, where, len(rows))
                count = {"steps": int(mine.sum()), "of": int(of.sum())}
                rows.append({"group": group, "before": before, "after": after, **count} | as_columns(found))
    pairs = int(follows.sum())
    notes = [
        f"{number_of(pairs, 'pair')} of consecutive steps in {number_of(len(frames.runs), 'run')}.",
        *groups.notes,
        "Shares of one row add up to 100 %.",
        interval_note(frames),
    ]
    return FigureData(pd.DataFrame(rows), tuple(notes), places(behind), by=by)


def strips_by_kind(frames: Frames, by: Group) -> FigureData:
    """Runs, a row each, as a strip of their steps; see ``_strips``. What is drawn is the kind of a step."""
    return _strips(frames, "kind")


def strips_by_verdict(frames: Frames, by: Group) -> FigureData:
    """As ``strips_by_kind``, of the runs that have labels of the source, with the verdicts of steps."""
    spoken, out = is_spoken_of(frames), without_labels(frames)
    if not spoken.any():
        return nothing(f"None of these runs has {frames.labels.in_words}.", out)
    return replace(with_note(_strips(frames.of_runs(spoken), "verdict"), *out), tells_runs=True)


def _strips(frames: Frames, shown: str) -> FigureData:
    """Columns: run (its place from the top, from 0), run_id, task, agent, model, outcome, step_id, kind, verdict, shown
    (the value of the column that is drawn). By outcome, the longest first; of many runs some that are spread evenly
    over this order."""
    have = frames.of_runs((frames.runs["step_count"] > 0).to_numpy())
    if not len(have.steps):
        return nothing("There are no steps.")
    runs = have.runs.assign(place=[OUTCOMES.index(outcome) for outcome in have.runs["outcome"].astype(str)])
    order = runs.sort_values(["place", "step_count", "run_id"], ascending=[True, False, True]).index.to_numpy()
    if len(order) > MOST_STRIPS:
        order = order[np.unique(np.linspace(0, len(order) - 1, MOST_STRIPS).round().astype(int))]
    top = np.full(len(runs), -1)
    top[order] = np.arange(len(order))
    steps = have.steps.assign(at=top[have.steps["run"].to_numpy()])
    steps = steps[(steps["at"] >= 0).to_numpy()].sort_values(["at", "step_id"]).reset_index(drop=True)
    of_run = {name: names_in(runs, name).to_numpy() for name in ("run_id", "task", "agent", "model", "outcome")}
    number = steps["run"].to_numpy()
    rows = pd.DataFrame(
        {"run": steps["at"]}
        | {name: values[number] for name, values in of_run.items()}
        | {name: steps[name].astype(steps[name].dtype if name == "step_id" else str) for name in ("step_id", "kind")}
        | {"verdict": steps["verdict"].astype(str) if shown == "verdict" else ""}
        | {"shown": steps[shown].astype(str)}
    )
    firsts = rows.drop_duplicates("run")
    behind = [(int(at), str(run_id), np.nan) for at, run_id in zip(firsts.index, firsts["run_id"], strict=True)]
    notes = [f"{number_of(len(order), 'run')}, {number_of(len(rows), 'step')}."]
    if len(order) < len(runs):
        notes = [f"{notes[0][:-1]}, of {number_of(len(runs), 'run')}: spread evenly over outcomes and lengths."]
    notes += left_out([(len(frames.runs) - len(runs), "without a step")])
    return FigureData(rows, tuple(notes), places(behind))
