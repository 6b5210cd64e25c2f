"""What is behind a leaderboard: runs without errors, slices, places in the run, onsets, repetitions."""

import streamlit as st

from codetracer_core.evaluation import Evaluation
from codetracer_core.ui.evaluation import entry_title
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell, number, show_table


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
                "outcome": Cell("solved or not" if group.outcome == "all" else _OUTCOMES[group.outcome]),
                "runs": Cell(f"{group.runs:,}", value=group.runs),
                "answered": Cell(
                    f"{group.answered:,}" + (f", {group.failed:,} failed" if group.failed else ""),
                    value=group.answered,
                ),
                "accused": Cell(_whole(group.accused), value=group.accused),
                "share": estimate_cell(group.share_accused),
                "per_run": estimate_cell(group.per_run),
            },
            tone="baseline" if entry.kind == "baseline" else "",
        )
        for entry in evaluation.entries
        for group in entry.clean
    ]
    st.caption(
        "Where nothing is wrong, precision and recall say nothing: every accusation is false. These runs are left out "
        "of most conventions, so that a system may accuse all of them and still lead."
    )
    show_table("clean_runs", columns, rows)


_OUTCOMES = {"solved": "solved", "failed": "not solved", "unknown": "of unknown outcome"}


def _whole(count: float) -> str:
    return number(count, digits=0 if count == int(count) else 1)
