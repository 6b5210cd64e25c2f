"""The compare page before anything is compared: tasks with several runs, runs of one task, diagnoses of one run."""

from collections.abc import Sequence
from itertools import combinations
from urllib.parse import urlencode

import streamlit as st

from codetracer_core.store import RunSummary, Store
from codetracer_core.ui import components, shell
from codetracer_core.ui.comparing import MOST_RUNS
from codetracer_core.ui.diagnosing import on_record
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.words import OUTCOME_WORDS, outcome_alone

MOST_SUGGESTED = 6


def tasks(store: Store) -> None:
    """The tasks with several runs, those with most runs first; each leads to its runs."""
    by_task: dict[str, list[RunSummary]] = {}
    for run in store.runs():
        if run.task:
            by_task.setdefault(run.task, []).append(run)
    several = {task: runs for task, runs in by_task.items() if len(runs) > 1}
    if not several:
        st.info("No task has several runs here. Import runs of one task by different models or agents to compare them.")
        st.page_link(shell.pages()["library"], label="Open the library")
        return
    columns = [
        Column("task", "Task"),
        Column("runs", "Runs", "number"),
        Column("solved", "Solved", "number"),
        Column("failed", "Not solved", "number"),
        Column("agents", "Agents"),
        Column("models", "Models"),
    ]
    show_table(
        "tasks",
        columns,
        [_task_row(task, runs) for task, runs in sorted(several.items(), key=lambda item: (-len(item[1]), item[0]))],
        caption="Tasks with several runs. Open one to choose which of its runs stand side by side.",
    )


def _task_row(task: str, runs: Sequence[RunSummary]) -> Row:
    outcomes = [run.outcome for run in runs]
    counts = {"runs": len(runs), "solved": outcomes.count("solved"), "failed": outcomes.count("failed")}
    return Row(
        task,
        {
            "task": Cell(task, href=f"compare?{urlencode({'task': task})}"),
            **{name: Cell(f"{count:,}", value=count) for name, count in counts.items()},
            "agents": Cell(", ".join(sorted({run.agent for run in runs if run.agent}))),
            "models": Cell(", ".join(sorted({run.model for run in runs if run.model}))),
        },
    )


def runs_of_task(store: Store, task: str, chosen: Sequence[str]) -> None:
    """Choose runs of one task, or a suggested pair; without a task that of the first chosen run. Raises NotFound."""
    chosen = [store.find_run(one) for one in chosen]
    if not task:
        (run,) = store.runs(ids=chosen[:1])
        task = run.task or ""
        if not task:
            st.info("The files of this run name no task, so there is nothing to tell which other runs are of the same.")
            st.page_link(shell.pages()["trajectory"], label="Back to the run", query_params={"traj": run.run_id})
            return
    runs = store.runs(tasks=[task])
    components.heading()(key="heading", data=[task, f"{len(runs)} runs of this task"])
    st.page_link(shell.pages()["compare"], label="All tasks")
    if len(runs) < 2:
        st.info("This task has no two runs here.")
        return
    rows = [
        {
            "id": run.run_id,
            "outcome": run.outcome,
            "cells": [
                " · ".join(part for part in (run.agent, run.model) if part) or run.run_id,
                OUTCOME_WORDS[run.outcome],
                f"{run.step_count:,}",
                "unknown" if run.cost_usd is None else f"${run.cost_usd:,.3f}",
                run.trial or "",
                run.run_id,
            ],
        }
        for run in runs
    ]
    result = components.compare_choice()(
        key="runs_of_task",
        data={
            "what": "runs",
            "columns": ["Agent and model", "Outcome", "Steps", "Cost", "Trial", "Run"],
            "rows": rows,
            "suggested": [
                {"words": _pair_words(one, other), "ids": [one.run_id, other.run_id]} for one, other in suggested(runs)
            ],
            "chosen": [one for one in chosen if any(run.run_id == one for run in runs)],
            "most": MOST_RUNS,
        },
        on_compare_change=components.nothing,
    )
    _follow(result.compare, "runs")


def suggested(runs: Sequence[RunSummary]) -> list[tuple[RunSummary, RunSummary]]:
    """Pairs worth looking at: solved against failed, first those of one model and agent; without any such pair those
    of different models or agents. At most ``MOST_SUGGESTED``."""
    pairs = [(one, other) for one in runs for other in runs if (one.outcome, other.outcome) == ("solved", "failed")]
    if not pairs:
        pairs = [pair for pair in combinations(runs, 2) if _made_by(pair[0]) != _made_by(pair[1])]
    unlike = {pair: sum(a != b for a, b in zip(_made_by(pair[0]), _made_by(pair[1]), strict=True)) for pair in pairs}
    return sorted(pairs, key=unlike.__getitem__)[:MOST_SUGGESTED]


def _made_by(run: RunSummary) -> tuple[str | None, str | None]:
    return run.agent, run.model


def _pair_words(one: RunSummary, other: RunSummary) -> str:
    return "  against  ".join(
        f"{run.model or run.agent or run.run_id}, {outcome_alone(run.outcome)}, {run.step_count} steps"
        for run in (one, other)
    )


def diagnoses_of(store: Store, name: str, chosen: Sequence[str]) -> None:
    """Choose diagnoses of one run, or two by the same model; without a run of that of the first chosen diagnosis.
    Raises NotFound, NotAllowed."""
    run_id = store.find_run(name) if name else store.diagnosis(chosen[0]).run_id
    on_record(store, run_id)
    (run,) = store.runs(ids=[run_id])
    found = store.diagnoses([run_id])
    components.heading()(key="heading", data=[run.task or run_id, "diagnoses of this run"])
    if len(found) < 2:
        st.info("This run has no two diagnoses. Diagnose it again, or with another model.")
        st.page_link(shell.pages()["diagnose"], label="Diagnose", query_params={"traj": run_id})
        return
    pairs = sorted(combinations(found, 2), key=lambda pair: pair[0].author != pair[1].author)
    result = components.compare_choice()(
        key="diagnoses_of",
        data={
            "what": "diagnoses",
            "columns": ["When, UTC", "Made with", "Status", "Cost"],
            "rows": [
                {
                    "id": one.diagnosis_id,
                    "cells": [
                        f"{one.finished_at:%Y-%m-%d %H:%M}",
                        one.author,
                        one.status,
                        "free" if not one.calls else "unknown" if one.cost_usd is None else f"${one.cost_usd:,.3f}",
                    ],
                }
                for one in found
            ],
            "suggested": [
                {
                    "words": f"{one.author}, twice"
                    if one.author == other.author
                    else f"{one.author}  against  {other.author}",
                    "ids": [one.diagnosis_id, other.diagnosis_id],
                }
                for one, other in pairs[:MOST_SUGGESTED]
            ],
            "chosen": [one.diagnosis_id for one in found if one.diagnosis_id in chosen],
            "most": MOST_RUNS,
        },
        on_compare_change=components.nothing,
    )
    _follow(result.compare, "diagnoses")


def _follow(chosen: object, name: str) -> None:
    """To the comparison of what was chosen; the server decides there what may be seen of it."""
    if isinstance(chosen, list) and len(chosen) > 1:
        st.switch_page(shell.pages()["compare"], query_params={name: ",".join(map(str, chosen))})
