"""The diagnose page: what is under way, what came of it, and how it was made. Orders have a module of their own.

Whoever stands blind to a run is told nothing of its diagnoses, also not that there are any; whoever sees one is on
record before it leaves the server.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from codetracer_core.adjudication import voice_id
from codetracer_core.diagnosis_models import CallUsage, Diagnosis
from codetracer_core.errors import CodeTracerError, NotAllowed, NotFound
from codetracer_core.store import DiagnosisSummary, RunSummary, Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.deciding import DECISIONS, why_not_decide
from codetracer_core.ui.diagnosis_jobs import Job, RunOfJob, jobs
from codetracer_core.ui.diagnosis_report import (
    agreement_words,
    cost_words,
    duration_words,
    headline,
    made_by,
    report_data,
    usage_words,
)
from codetracer_core.ui.viewer import note_exposure, outbox_pipe
from codetracer_core.workflow import RunView

MOST_TOLD = 80
"""Entries of a job's log that are shown."""
MOST_RECENT = 50
"""Diagnoses in the list of all runs."""
ENTRIES = 20
"""Of a transcript on one page of it."""
LONGEST_ENTRY = 20_000
"""Characters of one entry of a transcript; its end is left out beyond that, and said so."""


# --- who sees what --------------------------------------------------------------------------------------------


def opened_run(store: Store) -> RunSummary | None:
    """The run in the address; None if there is none. That they see what models say is on record from now on.

    Raises NotFound, and NotAllowed for somebody who stands blind to the run.
    """
    name = st.query_params.get("traj")
    if not name:
        return None
    run_id, who = store.find_run(name), identity.person()
    standing = identity.standing_of(store, run_id, who)
    if standing.is_blind:
        raise NotAllowed(f"{who} labels this run blind, or may get it to label", remedy="Submit it first.")
    (run,) = store.runs(ids=[run_id])
    if store.diagnoses([run_id]) or jobs_of(run_id):
        note_exposure(store, run_id, who, standing, "model")
        said_by_others = (one for one in store.labels(run_id, source="adjudicated") if one.annotator != who)
        if any(said_by_others):
            note_exposure(store, run_id, who, standing, "peers")
    return run


def jobs_of(run_id: str) -> list[Job]:
    """Jobs that are at this run; without any the last one, if it ended without a diagnosis of it."""
    found = [job for job in jobs().all() if run_id in job.runs]
    running = [job for job in found if not job.runs[run_id].is_over]
    return running or [job for job in found[:1] if not job.runs[run_id].diagnosis_id]


def title(run: RunSummary) -> None:
    """Which run it is about, and the way to its steps."""
    outcome = {"solved": "solved", "failed": "not solved"}.get(run.outcome, "outcome unknown")
    told = (run.agent, run.model, outcome, f"{run.step_count:,} steps")
    with st.container(horizontal=True, vertical_alignment="center"):
        components.heading()(key="heading", data=[run.task or run.run_id, " · ".join(part for part in told if part)])
        st.page_link(shell.pages()["trajectory"], label="Open the run", query_params={"traj": run.run_id})


# --- under way ------------------------------------------------------------------------------------------------


def jobs_panel(store: Store, run_id: str | None = None) -> None:
    """Jobs on one run with what they read and think, or all jobs with how far they are; followed while any runs.

    The browser asks how far they are, not a timer of Streamlit's: see ``frontend/jobs.js``.
    """
    _draw_jobs(store, run_id, [job.job_id for job in _jobs_to_see(store, run_id) if _runs(job, run_id)])


def _jobs_to_see(store: Store, run_id: str | None) -> list[Job]:
    """Jobs with a run to which this person does not stand blind."""
    if run_id is not None:
        return jobs_of(run_id)
    blind = identity.blind_runs(store)
    return [job for job in jobs().all() if not blind.issuperset(job.runs)]


def _runs(job: Job, run_id: str | None) -> bool:
    """Whether it is still at this run, or (None) at any."""
    return job.ended_at is None if run_id is None else not job.runs[run_id].is_over


@st.fragment
def _draw_jobs(store: Store, run_id: str | None, running: Sequence[str]) -> None:
    found = _jobs_to_see(store, run_id)
    still = {job.job_id for job in found if _runs(job, run_id)}
    if not still.issuperset(running):
        st.rerun()  # a diagnosis has arrived: the page around this shows it
    if not found:
        return
    blind = identity.blind_runs(store) if run_id is None else set()
    result = components.jobs()(
        key="jobs",
        data={"jobs": [job_data(job, blind, run_id) for job in found]},
        default={"tick": 0},
        on_tick_change=_nothing,
        on_cancel_change=_nothing,
        on_open_change=_nothing,
    )
    if result.cancel:
        cancel(str(result.cancel))
        st.rerun(scope="fragment")
    if isinstance(result.open, Mapping):
        _go_to(result.open)


def _go_to(opened: Mapping[str, Any]) -> None:
    """Where a link in the browser leads: a step of a run, or the diagnoses of one."""
    run_id, step = str(opened.get("run", "")), opened.get("step")
    if step is not None:
        query = {"traj": run_id, "step": str(step)}
        st.switch_page(shell.pages()["trajectory"], query_params=query | _named(opened, "quote"))
    st.switch_page(shell.pages()["diagnose"], query_params={"traj": run_id} | _named(opened, "diagnosis"))


def _named(opened: Mapping[str, Any], name: str) -> dict[str, str]:
    return {name: str(opened[name])} if opened.get(name) else {}


def cancel(job_id: str) -> None:
    """Stop a job, for whoever started it and for leads. Raises NotFound, NotAllowed."""
    job = jobs().job(job_id)
    if not _may_cancel(job):
        raise NotAllowed("a job is cancelled by who started it, or by a lead")
    job.cancel()


def _may_cancel(job: Job) -> bool:
    return identity.person() == job.who or identity.may("lead")


def job_data(job: Job, blind: set[str], run_id: str | None) -> dict[str, Any]:
    """A job as ``frontend/jobs.js`` shows it: nothing of runs in ``blind``, and a log only of the run that is open."""
    runs = [run for run in job.runs.values() if run.run_id not in blind and run_id in (None, run.run_id)]
    over = sum(run.is_over for run in runs)
    now = job.ended_at or datetime.now(job.started_at.tzinfo)
    words = f"by {job.who} · {duration_words((now - job.started_at).total_seconds())}"
    if len(runs) > 1:
        words += f" · {over} of {len(runs)} runs"
    hidden = len(job.runs) - len(runs) if run_id is None else 0
    used = [run.usage for run in runs]
    total = sum(used[1:], start=used[0])
    alone = job.runs[run_id] if run_id is not None else None
    if alone is not None:
        words = " · ".join(part for part in (alone.state, alone.words, words) if part)
    return {
        "id": job.job_id,
        "madeWith": job.made_with,
        "words": words,
        "usage": usage_words(total) if total.calls else "",
        "isOver": not _runs(job, run_id),
        "isStopping": job.is_cancelled(),
        "isBatch": len(job.runs) > 1 and run_id is None,
        "mayCancel": _runs(job, run_id) and _may_cancel(job),
        "share": over / len(runs),
        "runs": [] if alone else [_run_data(run) for run in runs],
        "hidden": f"{hidden} more that you label blind" if hidden else "",
        "logOf": run_id or "",
        "log": _log(alone) if alone else [],
    }


def _run_data(run: RunOfJob) -> dict[str, str]:
    return {
        "run": run.run_id,
        "task": run.task,
        "state": run.state,
        "words": run.words,
        "usage": usage_words(run.usage) if run.usage.calls else "",
        "diagnosis": run.diagnosis_id,
    }


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
                cost_words(diagnosis.total_usage) if diagnosis.total_usage.calls else "free",
            ],
        }
        for summary, diagnosis, older in zip(found[:MOST_RECENT], whole, before, strict=True)
    ]
    columns = ["When, UTC", "Made with", "Status", "Says", "Labels", "Against the one before", "Cost"]
    result = components.diagnoses()(
        key="history", data={"columns": columns, "rows": rows, "current": shown}, on_open_change=_nothing
    )
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
        key="recent", data={"columns": columns, "rows": rows, "current": ""}, on_open_change=_nothing
    )
    for one in found:
        if one.diagnosis_id == result.open:
            _go_to({"run": one.run_id, "diagnosis": one.diagnosis_id})


def report(store: Store, run: RunView, diagnosis: Diagnosis) -> None:
    """The diagnosis as a report; links open steps, labels in it are accepted, corrected or rejected."""
    who, run_id = identity.person(), diagnosis.run_id
    result = components.diagnosis()(
        key="diagnosis",
        data={
            **report_data(diagnosis, run.tree),
            "who": who,
            "voice": voice_id(run_id, diagnosis.author),
            "namedByLogin": identity.has_login(),
            "mayNot": why_not_decide(),
        },
        on_open_change=_nothing,
    )
    outbox_pipe(run_id, store, who, run.trajectory, DECISIONS)
    if isinstance(result.open, Mapping):
        _go_to({"run": run_id, **result.open})


def how_it_was_made(store: Store, diagnosis: Diagnosis) -> None:
    """Settings, prompts, insights and the transcript, once somebody opens this."""
    made = st.expander("How it was made", key="made", on_change="rerun")
    if not made.open:
        return
    with made:
        settings, others = st.columns(2, gap="large")
        with settings:
            components.facts()(key="settings", data=_settings_told(diagnosis))
        with others:
            prompts = [(name, f"version {version}") for name, version in sorted(diagnosis.prompt_versions.items())]
            components.facts()(key="prompts", data=prompts or [("Prompts", "none: no language model was asked")])
        insights = store.insights(ids=diagnosis.insights) if diagnosis.insights else []
        if insights:
            st.text(f"From memory, {len(insights)} insights were in the prompt:")
            components.facts()(key="insights", data=[(one.author, one.text) for one in insights])
        _transcript(store, diagnosis.diagnosis_id)


def _settings_told(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    told = [
        (name.replace("_", " ").capitalize(), "not set" if value is None else str(value).replace("_", " "))
        for name, value in diagnosis.settings.model_dump(mode="json").items()
    ]
    return [*told, *((f"Phase {phase!r}", usage_words(used)) for phase, used in diagnosis.usage.items())]


def _transcript(store: Store, diagnosis_id: str) -> None:
    try:
        entries = store.transcript(diagnosis_id)
    except CodeTracerError as error:
        st.text(f"The transcript cannot be shown: {error}")
        return
    if not entries:
        st.text("There is no transcript: no language model was asked.")
        return
    pages = -(-len(entries) // ENTRIES)
    page = 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if pages > 1:
            page = st.number_input("Page of the transcript", 1, pages, key=f"transcript {diagnosis_id}", width=160)
        first = (page - 1) * ENTRIES
        last = min(len(entries), first + ENTRIES)
        st.text(f"Entries {first + 1} to {last} of {len(entries)}", width="content")
    told = [transcript_entry(entry, number) for number, entry in enumerate(entries[first:last], start=first + 1)]
    components.transcript()(key="transcript", data={"entries": told})


def transcript_entry(entry: Mapping[str, Any], number: int) -> dict[str, str]:
    """One entry as ``frontend/transcript.js`` shows it."""
    kind, role = str(entry.get("kind", "")), str(entry.get("role", ""))
    facts = [f"sample {entry['sample']}"] if entry.get("sample") else []
    facts += [str(entry["at"])[11:19]] if entry.get("at") else []
    parts = [str(entry["text"])] if entry.get("text") else []
    if kind == "usage":
        facts.append(usage_words(CallUsage.model_validate({n: entry[n] for n in CallUsage.model_fields if n in entry})))
    else:
        parts += [
            f"{request.get('name')} {_indented(str(request.get('arguments', '')))}"
            for request in entry.get("tool_requests", ())
        ]
        more = {name: value for name, value in entry.items() if name not in _KNOWN_OF_ENTRIES}
        parts += [json.dumps(more, ensure_ascii=False, indent=1)] if more else []
    text = "\n\n".join(parts)
    if len(text) > LONGEST_ENTRY:
        text = f"{text[:LONGEST_ENTRY]}\n… {len(text) - LONGEST_ENTRY:,} more characters"
    words = _ROLES.get(role, role) if kind == "message" else kind
    title = " · ".join(part for part in (words, str(entry.get("phase", ""))) if part)
    return {"title": f"{number}. {title}", "facts": " · ".join(facts), "text": text}


_KNOWN_OF_ENTRIES = ("sample", "phase", "kind", "role", "text", "at", "tool_requests", "call_id")
_ROLES = {"system": "rules", "user": "prompt", "assistant": "model", "tool": "answer of a tool"}


def _indented(arguments: str) -> str:
    """Arguments of a tool, one to a line if they are JSON."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False, indent=1)
    except ValueError:
        return arguments


def _nothing() -> None:
    """What was pressed is read when the page re-runs; Streamlit only wants to see a callback."""
