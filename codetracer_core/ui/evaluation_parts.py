"""What is behind a leaderboard: runs without errors, slices, onsets and near hits, repetitions."""

from collections.abc import Sequence
from functools import partial
from math import ceil

import streamlit as st

from codetracer_core.evaluation import (
    DIMENSIONS,
    NOT_KNOWN,
    TOLERANCES,
    Convention,
    Entry,
    Evaluation,
    OnsetScores,
    Slice,
    dimension_words,
    onset_scores,
    repeats,
    slices,
    stage_scores,
    tolerant,
)
from codetracer_core.export import rows_as_csv
from codetracer_core.ui.evaluation import DIGITS, answers_cell, count_cell, entry_title, score_cell, tone_of
from codetracer_core.ui.evaluation_data import Asked, computed
from codetracer_core.ui.evaluation_downloads import score_columns
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell, matrix, number, show_table

# --- runs without an incorrect step ---------------------------------------------------------------------------


def clean_runs(evaluation: Evaluation) -> None:
    """Runs without an incorrect step: who accuses them, and of how much."""
    columns = [
        Column("name", "System or baseline"),
        Column("outcome", "Runs that are"),
        Column("runs", "Runs", "number"),
        Column("answered", "Answers", "number", help="Runs × repetitions with an answer; a failed one accuses nobody."),
        Column("accused", "Accused", "number", help="Answers that name at least one step as incorrect."),
        Column("share", "Share accused", "interval", scale=(0.0, 1.0)),
        Column("per_run", "Accusations per answer", "number"),
    ]
    rows = [
        Row(
            f"{entry.name} {group.outcome}",
            {
                "name": Cell(entry_title(entry)),
                "outcome": Cell(group.in_words),
                "runs": count_cell(group.runs),
                "answered": Cell(
                    f"{group.answered:,}" + (f", {group.failed:,} failed" if group.failed else ""),
                    value=group.answered,
                ),
                "accused": Cell(_whole(group.accused), value=group.accused),
                "share": estimate_cell(group.share_accused),
                "per_run": estimate_cell(group.per_run),
            },
            tone=tone_of(entry),
        )
        for entry in evaluation.entries
        for group in entry.clean
    ]
    st.caption(
        "Where nothing is wrong, precision and recall say nothing: every accusation is false. Most conventions leave "
        "these runs out, so that a system may accuse all of them and still lead."
    )
    show_table("clean_runs", columns, rows)


def _whole(count: float) -> str:
    return number(count, digits=0 if count == int(count) else 1)


# --- slices ---------------------------------------------------------------------------------------------------


def sliced(asked: Asked, evaluation: Evaluation, convention: Convention) -> None:
    """The same numbers for parts of the runs; two ways of cutting at once make a grid for one system."""
    left, right = st.columns(2)
    by = left.multiselect(
        "Runs by",
        [*DIMENSIONS],
        default=[_telling(evaluation)],
        max_selections=2,
        key="by",
        bind="query-params",
        placeholder="One, or two at once",
    )
    ranked = sorted(evaluation.ranked(convention.name), key=lambda entry: not entry.was_given)
    titles = {entry_title(entry): entry for entry in ranked}
    found: Sequence[Slice] = ()
    if not by:
        st.info("Choose by what the runs are told apart.")
    elif len(by) == 1:
        given = [title for title, entry in titles.items() if entry.was_given]
        rules = [title for title in titles if title not in given]
        shown = right.multiselect("Systems and baselines", [*titles], default=[*given, *rules[:1]], key="sliced")
        names = tuple(titles[title].name for title in shown)
        if names:
            found = computed(asked, slices, tuple(by), convention=convention.name, names=names)
            _one_way(found, [titles[title] for title in shown], by[0])
    else:
        title = right.selectbox("System or baseline", [*titles], key="sliced_one")
        found = computed(asked, slices, tuple(by), convention=convention.name, names=(titles[title].name,))
        across = [one.values[0] for one in computed(asked, slices, (by[1],), names=())]
        _two_ways(found, across, titles[title], (by[0], by[1]), convention)
    st.caption("Many slices are many chances to differ by luck: look at the intervals, and at how few runs there are.")
    if found:
        st.download_button("Slices as CSV", partial(slices_csv, by, found), "slices.csv", "text/csv", on_click="ignore")


def slices_csv(by: Sequence[str], found: Sequence[Slice]) -> str:
    """One row for each slice and entry, as ``leaderboard_csv`` has them."""
    return rows_as_csv(
        [
            {**dict(zip(by, one.values, strict=True)), "runs_in_slice": one.runs, "with_errors": one.runs_with_errors}
            | {"name": name, "convention": score.convention, **score_columns(score)}
            for one in found
            for name, score in one.scores.items()
        ]
    )


def _telling(evaluation: Evaluation) -> str:
    """The first dimension by which these runs differ."""
    truth = evaluation.rows.truth
    return next((name for name, value in DIMENSIONS.items() if len({value(run) for run in truth}) > 1), "agent")


def _one_way(found: Sequence[Slice], entries: Sequence[Entry], by: str) -> None:
    ends = [score.f1.high or score.f1.value or 0.0 for one in found for score in one.scores.values()]
    scale = (0.0, max(0.1, ceil(max(ends, default=1.0) * 10) / 10))  # one for all columns: they are compared
    columns = [
        Column("value", by.capitalize()),
        Column("runs", "Runs", "number"),
        Column("errors", "With errors", "number", help="Runs with at least one incorrect step."),
        *(Column(entry.name, entry_title(entry), "interval", scale=scale) for entry in entries),
    ]
    rows = [
        Row(
            "/".join(one.values),
            {
                "value": Cell(dimension_words(by, one.values[0]), tone="weak" if one.values[0] == NOT_KNOWN else ""),
                "runs": count_cell(one.runs),
                "errors": count_cell(one.runs_with_errors),
                **{name: score_cell(score.f1) for name, score in one.scores.items()},
            },
        )
        for one in found
    ]
    show_table("slices", columns, rows)


def _two_ways(
    found: Sequence[Slice], across: Sequence[str], entry: Entry, by: tuple[str, str], convention: Convention
) -> None:
    firsts = list(dict.fromkeys(one.values[0] for one in found))
    at = {one.values: one for one in found}
    cells = [[_grid_cell(at.get((first, second)), entry.name) for second in across] for first in firsts]
    matrix(
        "slices_grid",
        [dimension_words(by[0], value) for value in firsts],
        [dimension_words(by[1], value) for value in across],
        cells,
        rows_are=by[0],
        columns_are=by[1],
        caption=f"F1 of {entry_title(entry)} under “{convention.title}”, with the number of answers that count.",
    )


def _grid_cell(one: Slice | None, name: str) -> Cell:
    if one is None:
        return Cell("–", note="There is no such run.", tone="weak")
    score = one.scores[name]
    cell = score_cell(score.f1)
    if cell.value is None:
        return Cell(cell.text, note=cell.note, tone="weak")
    return Cell(
        f"{number(cell.value, digits=DIGITS)} · n {score.observations:,}",
        note=f"{cell.text}. {cell.note}",
        value=cell.value,
    )


# --- onset, near hits, stages ---------------------------------------------------------------------------------


def onsets(asked: Asked, evaluation: Evaluation) -> None:
    """Is the first wrong step found, and how near."""
    st.caption(
        "The onset of a run is the step that was marked as such, else its first incorrect step. A system's answer is "
        "its ranked list of candidates; where it gives none, the first step that it names stands for it."
    )
    found = {entry: computed(asked, onset_scores, entry.name) for entry in _named(evaluation)}
    show_table("onset_found", _DETECTION, [_detection_row(entry, scores) for entry, scores in found.items()])
    within = st.segmented_control(
        "Right if within so many steps",
        [0, 1, 3, 5],
        format_func=lambda steps: "exact" if steps == 0 else f"±{steps}",
        default=0,
        required=True,
        key="within",
        bind="query-params",
    )
    show_table("onset_near", _NEAR, [_near_row(entry, scores, within or 0) for entry, scores in found.items()])
    st.caption(
        "“By chance” is what one step drawn evenly from each run would reach: short runs make near hits easy. Shares "
        "are of the runs with an onset (× repetitions); an answer that failed is none that is near."
    )


def _named(evaluation: Evaluation) -> list[Entry]:
    """Those that name steps of their own."""
    return [entry for entry in evaluation.entries if entry.seen.accused is not None]


_DETECTION = [
    Column("name", "System or baseline"),
    Column("both", "Both", "number", help="There is an onset and an answer."),
    Column("missed", "Only onset", "number", help="There is an onset, and no answer."),
    Column("invented", "Only answer", "number", help="There is an answer, and no onset."),
    Column("neither", "Neither", "number"),
    Column("ranked", "Ranked", "number", help="Answers with a ranked list of candidates."),
    Column("distance", "Median off", "number", help="Distance in steps where there are both; a median, no interval."),
    Column("signed", "Signed", "number", help="Its median in steps; positive: the answer comes too late."),
    Column("relative", "Of length", "number", help="Median of the distance as a share of the run's steps."),
]
_NEAR = [
    Column("name", "System or baseline"),
    Column("of_all", "First candidate is right", "interval", scale=(0.0, 1.0)),
    Column("by_chance", "By chance", "number"),
    Column("of_both", "If answered", "number"),
    Column("top_3", "In first three", "number"),
    Column(
        "mrr", "Mean 1/rank", "number", help="MRR: 1 over the rank of the first candidate that is right, 0 if none is."
    ),
]


def _detection_row(entry: Entry, scores: OnsetScores) -> Row:
    cells = {name: count_cell(getattr(scores, name)) for name in ("both", "missed", "invented", "neither", "ranked")}
    medians = {"distance": scores.median_distance, "signed": scores.median_signed}
    cells |= {name: _median(value) for name, value in medians.items()}
    cells["relative"] = _median(scores.median_relative, percent=True)
    return Row(entry.name, {"name": Cell(entry_title(entry)), **cells}, tone=tone_of(entry))


def _median(value: float | None, *, percent: bool = False) -> Cell:
    if value is None:
        return Cell("undefined", note="Undefined: no run has both an onset and an answer.", tone="weak")
    return Cell(f"{number(value, percent=percent, digits=1)}{' %' * percent}", value=value)


def _near_row(entry: Entry, scores: OnsetScores, within: int) -> Row:
    near = scores.near[within]
    parts = {name: getattr(near, name) for name in ("of_all", "by_chance", "of_both", "top_3", "mrr")}
    return Row(
        entry.name,
        {"name": Cell(entry_title(entry)), **{name: score_cell(part) for name, part in parts.items()}},
        tone=tone_of(entry),
    )


def near_hits(asked: Asked, evaluation: Evaluation, convention: Convention) -> None:
    """The F1 where a named step counts if an incorrect one is near; and the same for stages."""
    st.caption(
        f"F1 under “{convention.title}” where a named step within k steps of an incorrect one counts as found; each is "
        "matched once at most, nearest pairs first. Baselines gain from it, too: compare with them, not with “exact”."
    )
    columns = [
        Column("name", "System or baseline"),
        *(Column(f"k{steps}", "exact" if steps == 0 else f"within {steps}", "number") for steps in TOLERANCES),
    ]
    rows = []
    for entry in evaluation.ranked(convention.name):
        scores = computed(asked, tolerant, entry.name, TOLERANCES, (convention.name,))
        if scores:
            cells = {f"k{steps}": score_cell(found[convention.name].f1) for steps, found in scores.items()}
            rows.append(Row(entry.name, {"name": Cell(entry_title(entry)), **cells}, tone=tone_of(entry)))
    show_table("near_hits", columns, rows)
    if st.toggle("Stages in place of steps", key="staged"):
        _stages(asked, evaluation, convention)


def _stages(asked: Asked, evaluation: Evaluation, convention: Convention) -> None:
    st.caption(
        "A stage of the ground truth is incorrect if it holds an incorrect step, and blamed if one of its steps is "
        "named, or by the number that the answer gives: that means something only for a system that was shown these "
        "stages."
    )
    entries = [entry for entry in evaluation.ranked(convention.name) if entry.seen.accused is not None]
    show_table("stages", _STAGES, [_stage_row(asked, entry, convention) for entry in entries])


_STAGES = [
    Column("name", "System or baseline"),
    Column("by_steps", "F1, blamed by a step", "interval", scale=(0.0, 1.0)),
    Column("by_name", "F1, blamed by number", "interval", scale=(0.0, 1.0)),
    Column("answers", "Answers", "number"),
]


def _stage_row(asked: Asked, entry: Entry, convention: Convention) -> Row:
    found = computed(asked, stage_scores, entry.name)
    score = found.by_steps[convention.name]
    by_name = Cell("none", note="No answer gives the number of a stage.", tone="weak")
    if found.by_name is not None:
        by_name = score_cell(found.by_name[convention.name].f1)
    cells = {"by_steps": score_cell(score.f1), "by_name": by_name, "answers": answers_cell(score)}
    return Row(entry.name, {"name": Cell(entry_title(entry)), **cells}, tone=tone_of(entry))


# --- repetitions ----------------------------------------------------------------------------------------------


def repetitions(asked: Asked, evaluation: Evaluation, convention: Convention) -> None:
    """How far a system's numbers spread when it is asked again, and how far it agrees with itself."""
    rows = []
    for entry in evaluation.given:
        found = computed(asked, repeats, entry.name)
        if found is None:
            continue
        spread = found.spread[convention.name]
        cells = {
            "repetitions": count_cell(found.repetitions),
            "each": Cell(" · ".join(_score(value) for value in spread.values)),
            "mean": _mean_and_sd(spread.mean, spread.sd),
            "runs": count_cell(found.runs),
            "in_all": score_cell(found.in_all),
            "jaccard": score_cell(found.jaccard),
            "kappa": score_cell(found.kappa),
            "silent": Cell(f"{found.silent_pairs:,} of {found.pairs:,}", value=found.silent_pairs),
        }
        rows.append(Row(entry.name, {"name": Cell(entry.title), **cells}))
    if not rows:
        st.info("No system was asked more than once. Load each repetition as a file of one system.")
        return
    show_table("repetitions", _REPEATS, rows)
    st.caption(
        "A system whose own answers hardly agree cannot agree with the ground truth but by luck. Only runs that were "
        "answered at least twice count here."
    )


_REPEATS = [
    Column("name", "System"),
    Column("repetitions", "Times", "number"),
    Column("each", "F1 of each"),
    Column("mean", "Mean ± sd", "number", help="Sample standard deviation, n − 1."),
    Column("runs", "Runs", "number", help="Runs that were answered at least twice."),
    Column(
        "in_all",
        "Named every time",
        "number",
        help="Of the steps that any answer on a run names, the share that all do.",
    ),
    Column(
        "jaccard",
        "Jaccard",
        "number",
        help="Steps that both name as a share of those that either does; mean over pairs.",
    ),
    Column("kappa", "Kappa", "number", help="Cohen's kappa of two answers over all steps, pairs pooled."),
    Column(
        "silent", "Both silent", "number", help="Pairs of answers of which neither names a step: they have no Jaccard."
    ),
]


def _score(value: float | None) -> str:
    return "undefined" if value is None else number(value, digits=DIGITS)


def _mean_and_sd(mean: float | None, sd: float | None) -> Cell:
    if mean is None:
        return Cell("undefined", note="Undefined: no repetition has a value.", tone="weak")
    if sd is None:
        return Cell(_score(mean), note="No spread: it takes two repetitions with a value.", value=mean)
    return Cell(f"{_score(mean)} ± {_score(sd)}", value=mean)
