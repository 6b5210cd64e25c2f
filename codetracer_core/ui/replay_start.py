"""A new replay: where it may begin for the person who asks, the order, and the start as a job of this server."""

from datetime import UTC, datetime
from uuid import uuid4

import streamlit as st

from codetracer_core.config import load_config
from codetracer_core.errors import CodeTracerError, NotAllowed, NotFound
from codetracer_core.replay.recording import Started
from codetracer_core.replaying import advisor, choose_step, replay_run
from codetracer_core.store import Store, default_workspace
from codetracer_core.ui import identity
from codetracer_core.ui.diagnosing import on_record
from codetracer_core.ui.diagnosis_order import opened_model
from codetracer_core.ui.diagnosis_report import made_by
from codetracer_core.ui.jobs import jobs
from codetracer_core.ui.replay_access import require_may_replay
from codetracer_core.ui.replay_jobs import ReplayJob
from codetracer_core.ui.replay_order import Suggestion, Wanted, order_form
from codetracer_core.ui.viewer import start_step
from codetracer_core.workflow import RunView


def new_replay(store: Store, view: RunView, *, is_first: bool) -> None:
    """Fields, preview and button for one run; open where somebody asks for a step, or there is no replay yet."""
    assert view.run_id is not None, "it lies in the store"
    asks, key = start_step() is not None and not st.query_params.get("replay"), f"new_replay {view.run_id}"
    if st.session_state.pop("replay_started", False):
        st.session_state[key] = is_first = asks = False
    opened = st.expander("New replay", expanded=is_first or asks, key=key, on_change="rerun")
    if not opened.open:
        return
    with opened:
        wanted = order_form(store, view, suggestion(store, view))
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.button(
                "Replay", type="primary", key="replay_start", disabled=wanted.order is None or bool(wanted.missing)
            )
            st.text(wanted.missing[0] if wanted.missing else "The original stays as it is; a new run comes of it.")
        if pressed and wanted.order is not None:
            job = start(store, view.run_id, wanted)
            st.query_params.from_dict({"traj": view.run_id, "replay": job.replay_id})
            st.session_state["replay_started"] = True
            st.rerun()


def suggestion(store: Store, view: RunView) -> Suggestion:
    """Where a replay may begin, and whose advice can be given. Whoever stands blind to the run gets nothing of others.

    What others say is on record as shown before it is returned. Raises NotFound for a diagnosis that is not this run's.
    """
    run_id, who, asked = str(view.run_id), identity.person(), start_step()
    if asked is not None and asked > view.trajectory.step_count + 1:
        asked = None
    if identity.standing_of(store, run_id, who).is_blind:
        own = _chosen(store, run_id, f"human:{who}")
        advice_words = "No diagnosis can be given: you label this run blind."
        return Suggestion(asked, "as asked for", "", advice_words) if asked else Suggestion(*own, "", advice_words)
    diagnosis_id = st.query_params.get("diagnosis", "")
    _require_of_run(store, run_id, diagnosis_id)
    step, words = _chosen(store, run_id, None, diagnosis_id)
    found = advisor(store, run_id, diagnosis_id or None)
    if found is not None or step is not None:
        on_record(store, run_id)
    if asked is not None and asked != step:
        step, words = asked, "as asked for"
    if found is None:
        return Suggestion(step, words, "", "There is no diagnosis of this run to give.")
    when = f"{found.finished_at:%Y-%m-%d %H:%M}"
    return Suggestion(step, words, found.diagnosis_id, f"The diagnosis by {made_by(found)}, {when}.")


def _chosen(store: Store, run_id: str, voice: str | None, diagnosis_id: str = "") -> tuple[int | None, str]:
    """The step that somebody names as the failure onset, and who; None if nobody does."""
    try:
        found = choose_step(store, run_id, voice, diagnosis_id=diagnosis_id, annotator=identity.person())
    except NotFound:
        return None, ""
    return found.step_id, f"Suggested: {found.origin}."


def _require_of_run(store: Store, run_id: str, diagnosis_id: str) -> None:
    if diagnosis_id and diagnosis_id not in {one.diagnosis_id for one in store.diagnoses([run_id])}:
        raise NotFound("this run has no such diagnosis", remedy="The page of the run lists those that it has.")


def start(store: Store, run_id: str, wanted: Wanted) -> ReplayJob:
    """Begin a replay. Raises NotAllowed, NotFound, and CodeTracerError for an order that is not complete."""
    order = wanted.order
    if order is None or wanted.missing:
        raise CodeTracerError(" ".join(wanted.missing) or "the order is not complete")
    require_may_replay(order.place)
    who = identity.person()
    if order.advice and identity.standing_of(store, run_id, who).is_blind:
        raise NotAllowed(f"{who} labels this run blind: a replay with advice shows what a diagnosis says")
    _require_of_run(store, run_id, wanted.diagnosis_id)
    config = load_config(None, default_workspace()).config
    ordered = Started(
        replay_id=uuid4().hex,
        run_id=run_id,
        order=order,
        model=wanted.model or None,
        diagnosis_id=wanted.diagnosis_id,
        origin=wanted.origin,
        started_at=datetime.now(UTC),
    )
    job = ReplayJob(who=who, ordered=ordered)

    def work(job: ReplayJob) -> None:
        replay_run(
            store,
            store,
            run_id,
            order,
            opened_model(wanted.model, wanted.api_base, config) if order.agent else None,
            diagnosis_id=wanted.diagnosis_id or None,
            origin=wanted.origin,
            replay_id=ordered.replay_id,
            cancelled=job.is_cancelled,
        )

    jobs().start(job, work)
    return job
