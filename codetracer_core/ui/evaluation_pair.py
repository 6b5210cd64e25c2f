"""Two systems on the same runs: the difference under every convention, and the runs on which they differ most."""

from collections.abc import Sequence

import streamlit as st

from codetracer_core.evaluation import CONVENTIONS, Comparison, Evaluation, compare_systems
from codetracer_core.intervals import Estimate
from codetracer_core.store import Store
from codetracer_core.ui.evaluation import entry_title, score_cell
from codetracer_core.ui.evaluation_data import Asked, computed
from codetracer_core.ui.evaluation_lists import run_title, seen_of, walked
from codetracer_core.ui.identity import person
from codetracer_core.ui.links import step_address
from codetracer_core.ui.tables import Cell, Column, Row, number, show_table
from codetracer_core.ui.viewer import note_exposures
from codetracer_core.words import number_of

MOST_RUNS = 50
"""Runs on which two systems differ that are listed: they count as shown to whoever reads the list."""


def two_systems(store: Store, asked: Asked, evaluation: Evaluation, convention: str) -> None:
    """Choose two, baselines among them; then their differences and the runs behind these."""
    titles = {entry_title(entry): entry for entry in evaluation.ranked(convention)}
    first = [title for title, entry in titles.items() if entry.kind == "system"]
    default = [*first, *(title for title in titles if title not in first)]
    left, right = st.columns(2)
    ours = left.selectbox("First", default, key="first", bind="query-params")
    theirs = right.selectbox("Second", default, index=min(1, len(default) - 1), key="second", bind="query-params")
    if ours == theirs:
        st.info("Choose two different ones.")
        return
    one, other = titles[ours], titles[theirs]
    found = computed(asked, compare_systems, one.name, other.name)
    st.text(in_words(ours, theirs, found.differences[convention].f1))
    st.caption(
        "Differences are first minus second, on the same runs: both are drawn together in each sample, so that what "
        "makes a run hard for both cancels out."
        + (
            f" {number_of(found.left_out, 'run')} that only one of them was asked about: left out."
            * bool(found.left_out)
        )
    )
    show_table("differences", _COLUMNS, _rows(found))
    st.caption("Many conventions are many chances to differ by luck: decide beforehand by which one you judge.")
    _runs(store, evaluation, found, (ours, theirs))


_COLUMNS = [
    Column("convention", "Convention"),
    Column("f1", "Difference of F1", "interval", reference=0.0),
    Column("precision", "Of precision", "number"),
    Column("recall", "Of recall", "number"),
    Column("runs", "Runs", "number", help="Runs that count under the convention and that both were asked about."),
]


def in_words(ours: str, theirs: str, difference: Estimate) -> str:
    """Which one is better, and whether the interval allows to say so."""
    if difference.value is None:
        return f"{ours} and {theirs} cannot be compared: {difference.why}."
    if difference.low is None or difference.high is None:
        return f"Whether {ours} or {theirs} is better cannot be told: {difference.why_no_interval}."
    if difference.low <= 0 <= difference.high:
        return f"These runs do not tell {ours} and {theirs} apart: the interval of their difference holds 0."
    better, worse = (ours, theirs) if difference.value > 0 else (theirs, ours)
    return f"{better} is better than {worse} on these runs: the interval of their difference does not hold 0."


def _rows(found: Comparison) -> list[Row]:
    rows = []
    for name, difference in found.differences.items():
        cells = {
            "convention": Cell(CONVENTIONS[name].title, note=CONVENTIONS[name].definition),
            "f1": score_cell(difference.f1),
            "runs": Cell(f"{difference.runs:,}", value=difference.runs),
        }
        for part, estimate in (("precision", difference.precision), ("recall", difference.recall)):
            cells[part] = Cell("none", note="This convention has none.", tone="weak")
            if estimate is not None:
                cells[part] = score_cell(estimate)
        rows.append(Row(name, cells))
    return rows


def _runs(store: Store, evaluation: Evaluation, found: Comparison, titles: Sequence[str]) -> None:
    """Single runs: what is shown of them goes on record."""
    if not found.by_run:
        st.caption("They do not differ on any run.")
        return
    shown = found.by_run[:MOST_RUNS]
    judged = [evaluation.entry(name) for name in (found.ours, found.theirs)]
    note_exposures(store, person(), seen_of([one.run_id for one in shown], judged))
    list_id = walked(f"Where {titles[0]} and {titles[1]} differ", [(one.run_id, None) for one in found.by_run])
    columns = [
        Column("run", "Run"),
        Column("expected", "Incorrect steps", "number"),
        *(
            Column(f"{part}{at}", f"{word}, {('first', 'second')[at]}", "number")
            for at in (0, 1)
            for part, word in (("f1", "F1"), ("named", "Named"))
        ),
        Column("difference", "Difference of F1", "number"),
    ]
    rows = [
        Row(
            one.traj_id,
            {
                "run": Cell(
                    run_title(evaluation, one.traj_id),
                    href=step_address(one.run_id, show_labels=True, list_id=list_id) if one.run_id else "",
                ),
                "expected": Cell(f"{one.expected:,}", value=one.expected),
                "f10": _mean(one.ours, 3),
                "named0": _mean(one.ours_predicted, 1),
                "f11": _mean(one.theirs, 3),
                "named1": _mean(one.theirs_predicted, 1),
                "difference": Cell(number(one.difference, digits=3), value=one.difference),
            },
        )
        for one in shown
    ]
    st.caption(
        f"{_how_many(len(shown), len(found.by_run))}, most apart first. F1 and the number of steps that "
        "are said to be incorrect, in the mean over repetitions; of a run without incorrect steps the F1 is 0."
    )
    show_table("differing_runs", columns, rows, height=480)


def _how_many(shown: int, runs: int) -> str:
    differ = f"They differ on {number_of(runs, 'run')}"
    return differ if shown == runs else f"{differ}; the first {shown} are here"


def _mean(value: float, digits: int) -> Cell:
    return Cell(number(value, digits=digits), value=value)
