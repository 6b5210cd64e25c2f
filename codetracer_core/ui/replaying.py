"""The replay page: a replay under way or over, the list of all, and who sees which. Orders stand elsewhere.

Where a replay began is what somebody said of the run, mostly its diagnosis: whoever stands blind to a run sees only
replays that they ordered themselves, and whoever sees others' is on record before they leave the server.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import Trajectory
from codetracer_core.replay.models import Checkpoint, ReplayResult
from codetracer_core.replay.plan import checkpoint
from codetracer_core.replay.recording import ReplayEvent, Started, is_running, read_events, read_result
from codetracer_core.replay.words import PASSED_WORDS, place_words
from codetracer_core.replaying import before_and_after, listed_replays
from codetracer_core.store import RunSummary, Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.diagnosing import on_record
from codetracer_core.ui.diagnosis_report import cost_words
from codetracer_core.ui.jobs import cancel, jobs, may_cancel
from codetracer_core.ui.replay_jobs import ReplayJob, job_of, replay_named
from codetracer_core.ui.replay_report import Shown, replay_data, who_goes_on
from codetracer_core.ui.workspace import open_run
from codetracer_core.words import OUTCOME_WORDS, minus, number_of

MOST_LISTED = 200


def opened_run(store: Store) -> RunSummary | None:
    """The run in the address, or of the replay in it; None if there is neither. Raises NotFound."""
    name = st.query_params.get("traj")
    if not name and (replay_id := st.query_params.get("replay")):
        name = _known(store, replay_id).run_id
    if not name:
        return None
    (run,) = store.runs(ids=[store.find_run(name)], blind=identity.blind_runs(store))
    return run


def _known(store: Store, replay_id: str) -> Started:
    """A replay of this workspace that this person may see. Raises NotFound."""
    for one in seen(store):
        if one.replay_id == replay_id:
            return one
    raise NotFound("there is no such replay here", remedy="The page of the run lists those that it has.")


def seen(store: Store, run_id: str | None = None) -> list[Started]:
    """The replays that this person may see, of a run or of all runs, the newest first."""
    blind, who = identity.blind_runs(store), identity.person()
    own = {job.replay_id: job for job in jobs().all(ReplayJob) if job.who == who}
    known = {one.started.replay_id: one.started for one in listed_replays(store.workspace)}
    unrecorded = {job.replay_id: job.as_it_stands() for job in jobs().all(ReplayJob) if job.replay_id not in known}
    return [
        one
        for one in sorted({**known, **unrecorded}.values(), key=lambda one: one.started_at, reverse=True)
        if run_id in (None, one.run_id) and (one.run_id not in blind or one.replay_id in own)
    ]


def chosen(store: Store, run_id: str) -> Started | None:
    """The replay in the address, else the newest of the run; None if there is none. Raises NotFound."""
    if replay_id := st.query_params.get("replay"):
        return _known(store, replay_id)
    found = seen(store, run_id)
    return found[0] if found else None


# --- one replay -----------------------------------------------------------------------------------------------


class _Log:
    """What is known of the events of one replay. Read by every session, each from where the last one stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._events, self._offset, self._lock = folder, list[ReplayEvent](), 0, Lock()

    def read_on(self) -> Sequence[ReplayEvent]:
        with self._lock:
            found, self._offset = read_events(self._folder, self._offset)
            self._events += found
            return tuple(self._events)


@st.cache_resource(max_entries=16, show_spinner=False)
def _log(folder: Path) -> _Log:
    return _Log(folder)


def replay_panel(store: Store, started: Started) -> None:
    """One replay with its log, followed while it goes on."""
    if started.run_id not in identity.blind_runs(store):
        on_record(store, started.run_id)
    _draw(store, started.replay_id, goes_on(store, started))


def goes_on(store: Store, started: Started) -> bool:
    """It runs, here or in another process, or what came of it is being stored."""
    job = job_of(started.replay_id)
    if job is not None:
        return job.ended_at is None
    return started.status == "running" and is_running(store.workspace.replays / started.replay_id)


@st.fragment
def _draw(store: Store, replay_id: str, was_running: bool) -> None:
    shown = _shown(store, replay_id)
    if was_running and not goes_on(store, shown.started):
        st.rerun()  # the list around this tells what came of it
    job = job_of(replay_id)
    state = st.session_state.get("replay") or {}
    opened = state.get("opened")
    ended = shown.started.ended_at or datetime.now(UTC)
    result = components.replay()(
        key="replay",
        data=replay_data(
            shown,
            is_over=not goes_on(store, shown.started),
            seconds=(ended - shown.started.started_at).total_seconds(),
            who=job.who if job else "",
            opened=[str(key) for key in opened[:8]] if isinstance(opened, list) else (),
            may_cancel=job is not None and may_cancel(job),
            is_stopping=job is not None and job.is_cancelled(),
        ),
        default={"tick": 0, "opened": [], "cancel": None},
        on_tick_change=components.nothing,
        on_opened_change=components.nothing,
        on_cancel_change=components.nothing,
        on_open_change=components.nothing,
    )
    if result.cancel == replay_id and job is not None and may_cancel(job) and not job.is_cancelled():
        cancel(job.job_id)
        st.rerun(scope="fragment")
    if isinstance(result.open, Mapping):
        go_to(result.open)


def _shown(store: Store, replay_id: str) -> Shown:
    folder = store.workspace.replays / replay_id
    started = replay_named(store.workspace.replays, replay_id)
    original = _original(store, started.run_id)
    plan = None
    if original is not None:
        _, imports = store.revision()
        plan = planned(started.run_id, imports, min(started.order.step_id, original.step_count + 1))
    return Shown(started, _log(folder).read_on(), _result(folder, started.ended_at), plan, original)


def _original(store: Store, run_id: str) -> Trajectory | None:
    """None: the workspace does not have it (any more)."""
    try:
        return open_run(run_id).trajectory
    except NotFound:
        return None


@st.cache_resource(max_entries=32, show_spinner=False)
def planned(run_id: str, imports: int, step_id: int) -> Checkpoint:
    """What a replay of a run from this step will run; ``imports`` as of ``Store.revision``."""
    return checkpoint(open_run(run_id).trajectory, step_id)


@st.cache_resource(max_entries=2 * MOST_LISTED, show_spinner=False)
def _result(folder: Path, ended_at: datetime | None) -> ReplayResult | None:
    """None: it goes on, or it ended before it came to any."""
    if ended_at is None:
        return None
    try:
        return read_result(folder)
    except CodeTracerError:
        return None


def go_to(opened: Mapping[str, Any]) -> None:
    """Where a link in the browser leads."""
    page = shell.pages().get(str(opened.get("page", "")))
    if page is not None:
        st.switch_page(page, query_params={str(name): str(value) for name, value in opened.items() if name != "page"})


# --- lists ----------------------------------------------------------------------------------------------------


def history(store: Store, run_id: str, current: str) -> None:
    """The replays of one run, the newest first; one is opened."""
    found = seen(store, run_id)
    if len(found) < 2:
        return
    st.text("Replays of this run")
    _list(store, found, current, tasks=None)


def recent(store: Store) -> None:
    """The replays of all runs."""
    found = seen(store)
    if not found:
        st.info("No run has been replayed yet. Open one from the table, or begin at the onset in its diagnosis.")
        return
    st.text("Replays of all runs")
    tasks = {run.run_id: run.task or run.run_id for run in store.runs(ids=list({one.run_id for one in found}))}
    _list(store, found, "", tasks=tasks)


def solved_before_and_after(store: Store) -> None:
    """pass@1 of the runs that were replayed, and of their replays."""
    if pass_at_1(store, None, title="pass@1 of all replays"):
        st.page_link(shell.pages()["analytics"], label="As a figure", query_params={"figure": "replay"})


def pass_at_1(store: Store, run_ids: Sequence[str] | None, *, title: str) -> bool:
    """pass@1 of these runs (None: of all) and of their replays, if there are pairs of which both outcomes are known."""
    found = before_and_after(store, run_ids, blind=identity.blind_runs(store))
    if not found.pairs or found.before is None or found.after is None or found.difference is None:
        return False
    interval = f" [{found.low:+.1%}, {found.high:+.1%}]" if found.low is not None and found.high is not None else ""
    why = f"no interval: {found.why}" if found.why and not interval else "95 % interval"
    told = [
        ("Solved before", f"{found.before:.1%} of {number_of(found.pairs, 'pair')} of a run and its replay"),
        ("Solved by the replay", f"{found.after:.1%}, the first of each model whose outcome is known"),
        ("Difference", f"{minus(f'{found.difference:+.1%}{interval}')} ({why})"),
        ("Budget", f"as many steps as the original had in {found.matched:,} of {number_of(found.pairs, 'pair')}"),
    ]
    if found.left_out:
        told.append(("Left out", f"{number_of(found.left_out, 'pair')}: not both outcomes are known"))
    st.text(title)
    components.facts()(key="before_and_after_all" if run_ids is None else "before_and_after_batch", data=told)
    return True


def _list(store: Store, found: Sequence[Started], current: str, *, tasks: Mapping[str, str] | None) -> None:
    """Results are told of runs only to which this person does not stand blind: ``seen`` has left out the others."""
    listed = found[:MOST_LISTED]
    if len(found) > len(listed):
        st.text(f"The newest {len(listed):,} of {len(found):,}.")
    rows = []
    for one in listed:
        result = _result(store.workspace.replays / one.replay_id, one.ended_at)
        tests = "" if result is None or result.tests_before is None else PASSED_WORDS[result.tests_before]
        rows.append(
            {
                "id": one.replay_id,
                "status": one.status,
                "cells": [
                    f"{one.started_at:%Y-%m-%d %H:%M}",
                    *([] if tasks is None else [tasks.get(one.run_id, one.run_id)]),
                    f"{one.order.step_id:,}",
                    place_words(one.order.place),
                    who_goes_on(one),
                    one.status if one.status != "running" or goes_on(store, one) else "ended early",
                    OUTCOME_WORDS[result.outcome.solved] if result else "",
                    tests,
                    "" if result is None else cost_words(result.usage) if result.usage.calls else "free",
                ],
            }
        )
    columns = ["When, UTC", *([] if tasks is None else ["Task"]), "From step", "Environment", "Who goes on"]
    columns += ["Status", "Outcome", "Tests at the checkpoint", "Cost"]
    pressed = components.diagnoses()(
        key="replays", data={"columns": columns, "rows": rows, "current": current}, on_open_change=components.nothing
    )
    opened = next((one for one in listed if one.replay_id == pressed.open), None)
    if opened is not None:
        st.switch_page(shell.pages()["replay"], query_params={"traj": opened.run_id, "replay": opened.replay_id})
