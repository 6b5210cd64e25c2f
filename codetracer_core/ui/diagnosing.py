"""The diagnose page: what is under way and what came of it. Orders, and how a diagnosis was made, stand elsewhere.

Whoever stands blind to a run is told nothing of its diagnoses, also not that there are any; whoever sees one is on
record before it leaves the server.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from codetracer_core.adjudication import voice_id
from codetracer_core.diagnosis_models import Diagnosis
from codetracer_core.errors import NotAllowed, NotFound
from codetracer_core.projects import Standing
from codetracer_core.store import DiagnosisSummary, RunSummary, Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.deciding import DECISIONS, why_not_decide
from codetracer_core.ui.diagnosis_jobs import DiagnosisJob, RunOfJob
from codetracer_core.ui.diagnosis_order import ORDERERS
from codetracer_core.ui.diagnosis_report import (
    agreement_words,
    cost_words,
    duration_words,
    headline,
    made_by,
    report_data,
)
from codetracer_core.ui.job_list import Entry, by_whom, job_entry, job_list, job_row, with_last
from codetracer_core.ui.jobs import jobs
from codetracer_core.ui.viewer import note_exposure, outbox_pipe
from codetracer_core.words import outcome_alone
from codetracer_core.workflow import RunView

MOST_TOLD = 80
"""Entries of a job's log that are shown."""
MOST_OVER = 3
"""Jobs that are over and still shown."""
MOST_RECENT = 50
"""Diagnoses in the list of all runs."""


# --- who sees what --------------------------------------------------------------------------------------------


def opened_run(store: Store) -> RunSummary | None:
    """The run in the address; None if there is none.

    Raises NotFound, and NotAllowed for somebody who stands blind to the run.
    """
    name = st.query_params.get("traj")
    if not name:
        return None
    run_id = store.find_run(name)
    _seeing(store, run_id)
    (run,) = store.runs(ids=[run_id])
    return run


def _seeing(store: Store, run_id: str) -> Standing:
    """How this person stands to a run. Raises NotAllowed if they stand blind to it."""
    who = identity.person()
    standing = identity.standing_of(store, run_id, who)
    if standing.is_blind:
        raise NotAllowed(f"{who} labels this run blind, or may get it to label", remedy="Submit it first.")
    return standing


def on_record(store: Store, run_id: str) -> None:
    """Note that this person sees what models say of a run, and what others decided on it. Raises NotAllowed."""
    who, standing = identity.person(), _seeing(store, run_id)
    note_exposure(store, run_id, who, standing, "model")
    if any(one.annotator != who for one in store.labels(run_id, source="adjudicated")):
        note_exposure(store, run_id, who, standing, "peers")


def jobs_of(run_id: str) -> list[DiagnosisJob]:
    """Jobs that are at this run; without any the last one, if it ended without a diagnosis of it."""
    found = [job for job in jobs().all(DiagnosisJob) if run_id in job.runs]
    running = [job for job in found if not job.runs[run_id].is_over]
    return running or [job for job in found[:1] if not job.runs[run_id].diagnosis_id]


def title(run: RunSummary) -> None:
    """Which run it is about, and the way to its steps."""
    told = (run.agent, run.model, outcome_alone(run.outcome), f"{run.step_count:,} steps")
    with st.container(horizontal=True, vertical_alignment="center"):
        components.heading()(key="heading", data=[run.task or run.run_id, " · ".join(part for part in told if part)])
        st.page_link(shell.pages()["trajectory"], label="Open the run", query_params={"traj": run.run_id})


# --- under way ------------------------------------------------------------------------------------------------


def jobs_panel(store: Store, run_id: str | None = None) -> None:
    """Jobs on one run with what they read and think, or all jobs with how far they are; followed while any runs."""

    def entries() -> list[Entry]:
        found = _jobs_to_see(store, run_id)
        if found and run_id is not None:
            on_record(store, run_id)
        blind = identity.blind_runs(store) if run_id is None else set()
        return [job_data(job, blind, run_id) for job in found]

    job_list("jobs", entries, go_to)


def _jobs_to_see(store: Store, run_id: str | None) -> list[DiagnosisJob]:
    """Jobs with a run to which this person does not stand blind: all that run, and the last that are over and tell more
    than the list of diagnoses does."""
    if run_id is not None:
        return jobs_of(run_id)
    blind = identity.blind_runs(store)
    seen = [job for job in jobs().all(DiagnosisJob) if not blind.issuperset(job.runs)]
    over = [
        job
        for job in seen
        if job.ended_at is not None and (len(job.runs) > 1 or not all(run.diagnosis_id for run in job.runs.values()))
    ]
    return with_last([job for job in seen if job.ended_at is None or job in over], MOST_OVER)


def _runs(job: DiagnosisJob, run_id: str | None) -> bool:
    """Whether it is still at this run, or (None) at any."""
    return job.ended_at is None if run_id is None else not job.runs[run_id].is_over


def go_to(opened: Mapping[str, Any]) -> None:
    """Where a link in the browser leads: a step of a run, a replay from a step, or the diagnoses of a run."""
    run_id, step, replay = str(opened.get("run", "")), opened.get("step"), opened.get("replay")
    if replay is not None:
        query = {"traj": run_id, "step": str(replay)}
        st.switch_page(shell.pages()["replay"], query_params=query | _named(opened, "diagnosis"))
    if step is not None:
        query = {"traj": run_id, "step": str(step)}
        st.switch_page(shell.pages()["trajectory"], query_params=query | _named(opened, "quote"))
    st.switch_page(shell.pages()["diagnose"], query_params={"traj": run_id} | _named(opened, "diagnosis"))


def _named(opened: Mapping[str, Any], name: str) -> dict[str, str]:
    return {name: str(opened[name])} if opened.get(name) else {}


def job_data(job: DiagnosisJob, blind: set[str], run_id: str | None) -> Entry:
    """A job as the list tells it: nothing of runs in ``blind``, and a log only of the run that is open."""
    runs = [run for run in job.runs.values() if run.run_id not in blind and run_id in (None, run.run_id)]
    over = sum(run.is_over for run in runs)
    alone = job.runs[run_id] if run_id is not None else None
    several = len(runs) > 1
    return job_entry(
        job,
        job.made_with,
        [
            *([alone.state, alone.words] if alone else []),
            by_whom(job),
            f"{over} of {len(runs)} runs" if several else "",
        ],
        usage=[run.usage for run in runs],
        share=over / len(runs) if len(job.runs) > 1 and alone is None else None,
        rows=[] if alone else [_row(run, has_usage=several) for run in runs],
        hidden=len(job.runs) - len(runs) if alone is None else 0,
        log_of=run_id or "",
        log=_log(alone) if alone else (),
        is_over=not _runs(job, run_id),
    )


def _row(run: RunOfJob, *, has_usage: bool) -> dict[str, str]:
    used = run.usage if has_usage else None
    return job_row(run.run_id, run.task, run.state, run.words, usage=used, opens=run.diagnosis_id)


def _log(run: RunOfJob) -> list[dict[str, Any]]:
    """What was read, thought and met. Each sample has a line where it begins and one where it ends."""
    told = list(run.told)[-MOST_TOLD:]  # a copy: the thread that makes the diagnosis goes on writing
    several = len({progress.sample for progress in told}) > 1
    return [
        {
            "at": f"{progress.at:%H:%M:%S}",
            "kind": progress.kind,
            "said": f"sample {progress.sample}: {progress.words}"
            if several and progress.kind == "finished"
            else progress.words[:1_000],
            "steps": list(progress.steps[:12]),
        }
        for progress in told
    ]


# --- what came of it ------------------------------------------------------------------------------------------


def chosen_diagnosis(store: Store, run_id: str, found: Sequence[DiagnosisSummary]) -> Diagnosis | None:
    """The diagnosis in the address, else the newest one; None if there is none. Raises NotFound."""
    wanted = st.query_params.get("diagnosis")
    if not found or (wanted and wanted not in {one.diagnosis_id for one in found}):
        if wanted:
            raise NotFound("this run has no such diagnosis", remedy="The page of the run lists those that it has.")
        return None
    return store.diagnosis(wanted or found[0].diagnosis_id)


def history(store: Store, found: Sequence[DiagnosisSummary], shown: str) -> None:
    """The diagnoses of one run, the newest first, each with how far it agrees with the one before; one is opened."""
    on_record(store, found[0].run_id)
    whole = [store.diagnosis(one.diagnosis_id) for one in found[:MOST_RECENT]]
    before: list[Diagnosis | None] = [*whole[1:], None]
    rows = [
        {
            "id": summary.diagnosis_id,
            "status": summary.status,
            "cells": [
                f"{summary.finished_at:%Y-%m-%d %H:%M}",
                made_by(diagnosis),
                summary.status + (" · evidence has changed since" if summary.outdated else ""),
                headline(diagnosis),
                f"{summary.incorrect} incorrect, {summary.unuseful} unuseful",
                agreement_words(diagnosis, older) if older else "",
                cost_words(diagnosis.total_usage).removeprefix("cost ") if diagnosis.total_usage.calls else "free",
            ],
        }
        for summary, diagnosis, older in zip(found[:MOST_RECENT], whole, before, strict=True)
    ]
    columns = ["When, UTC", "Made with", "Status", "Says", "Labels", "Against the one before", "Cost"]
    result = components.diagnoses()(
        key="history", data={"columns": columns, "rows": rows, "current": shown}, on_open_change=components.nothing
    )
    asked = {"traj": found[0].run_id}
    st.page_link(shell.pages()["compare"], label="Compare diagnoses side by side", query_params=asked)
    if result.open:
        st.query_params["diagnosis"] = str(result.open)
        st.rerun()


def nothing_yet(run_id: str) -> None:
    """What to do about a run without a diagnosis."""
    if not jobs_of(run_id):
        st.info("This run has not been diagnosed yet. The heuristic needs no key and takes seconds.")


def recent(store: Store) -> None:
    """The last diagnoses of all runs: that they are there and what they cost, not what they say."""
    found = store.diagnoses(blind=identity.blind_runs(store))[:MOST_RECENT]
    if not found:
        st.info("No run has been diagnosed yet. Open one from the table, or diagnose many at once.")
        return
    st.text("Recent diagnoses")
    tasks = {run.run_id: run.task or run.run_id for run in store.runs(ids=list({one.run_id for one in found}))}
    rows = [
        {
            "id": one.diagnosis_id,
            "status": one.status,
            "cells": [
                tasks[one.run_id],
                one.author,
                one.status,
                f"{one.finished_at:%Y-%m-%d %H:%M}",
                duration_words(one.duration_seconds),
                "free" if not one.calls else "unknown" if one.cost_usd is None else f"${one.cost_usd:,.3f}",
            ],
        }
        for one in found
    ]
    columns = ["Task", "Made with", "Status", "When, UTC", "Took", "Cost"]
    result = components.diagnoses()(
        key="recent", data={"columns": columns, "rows": rows, "current": ""}, on_open_change=components.nothing
    )
    for one in found:
        if one.diagnosis_id == result.open:
            go_to({"run": one.run_id, "diagnosis": one.diagnosis_id})


def report(store: Store, run: RunView, diagnosis: Diagnosis) -> None:
    """The diagnosis as a report; links open steps, labels in it are accepted, corrected or rejected."""
    who, run_id = identity.person(), diagnosis.run_id
    on_record(store, run_id)
    result = components.diagnosis()(
        key="diagnosis",
        data={
            **report_data(diagnosis, run.tree),
            "who": who,
            "voice": voice_id(run_id, diagnosis.author),
            "namedByLogin": identity.has_login(),
            "mayNot": why_not_decide(),
            "mayReplay": identity.may(*ORDERERS),
        },
        on_open_change=components.nothing,
    )
    outbox_pipe(run_id, store, who, run.trajectory, DECISIONS)
    if isinstance(result.open, Mapping):
        go_to({"run": run_id, "diagnosis": diagnosis.diagnosis_id, **result.open})
