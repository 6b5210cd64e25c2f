"""One run: its trace tree, stage bands and steps to read and label; its shape and facts in the overview."""

import time
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.standalone import standalone_page
from codetracer_core.store import Store
from codetracer_core.ui import components, shell, step_lists
from codetracer_core.ui.diagnosis_order import ORDERERS
from codetracer_core.ui.identity import EXPORTERS, blind_runs, may, person, standing_of
from codetracer_core.ui.others import beside
from codetracer_core.ui.overview import results_of_tests, run_facts, tree_figure
from codetracer_core.ui.viewer import said_by, shown_truth, start_quote, start_step, step_viewer
from codetracer_core.ui.workspace import open_run, open_store
from codetracer_core.viewer_data import Said
from codetracer_core.words import number_of
from codetracer_core.workflow import RunView


def jump_to_clicked_point() -> None:
    """A click on a point of the overview shows that step. Clicking it again deselects it: that changes nothing."""
    points = st.session_state["overview"]["selection"]["points"]
    if points and points[0].get("customdata") is not None:
        st.session_state["goto"] = {"step": int(points[0]["customdata"]), "nonce": time.time_ns() // 1_000_000}
        st.session_state["view"] = "Steps"


def overview(run: RunView, truth: Mapping[int, str]) -> None:
    trajectory = run.trajectory
    own = said_by(open_store(), run.run_id, person())
    stages_from = run.stages_from if own.stages is None else "your own"
    picture, facts = st.columns([2, 1])
    with picture:
        choices = ["kind", "verdict", "stage", *(["ground truth"] if truth else [])]
        with st.container(horizontal=True):
            colour_by = st.segmented_control("Colour by", choices, default="kind", required=True)
            size_by = st.segmented_control("Size by", ["text", "time"], default="text", required=True)
        figure = tree_figure(
            trajectory,
            run.tree,
            stages=run.stages if own.stages is None else own.stages,
            verdicts=own.verdicts,
            truth=truth,
            colour_by=colour_by or "kind",
            size_by=size_by or "text",
        )
        st.plotly_chart(figure, key="overview", on_select=jump_to_clicked_point, selection_mode="points")
        st.caption(
            "Each column is a state node with what was explored in that state below it. Click a step to read it."
        )
    with facts:
        notes = [("Note", note) for note in trajectory.notes]
        components.facts()(key="facts", data=[*run_facts(trajectory), ("Stages from", stages_from), *notes])
        with st.expander("Task text"):
            st.text(trajectory.task_text or "The run's files hold no task text.")
        if trajectory.tests:
            tests = pd.DataFrame(results_of_tests(trajectory), columns=["Result", "Test"])
            st.dataframe(tests, hide_index=True, column_config={"Result": st.column_config.Column(width="small")})
        if may(*EXPORTERS):
            st.download_button(
                "This run as one HTML file",
                lambda: one_page(run, own, truth),
                file_name=f"{run.run_id}.html",
                mime="text/html",
                on_click="ignore",
            )
        if others := other_runs(run):
            words = "the other run" if others == 1 else f"{others:,} other runs"
            st.page_link(
                shell.pages()["compare"], label=f"Compare with {words} of this task", query_params={"runs": run.run_id}
            )


def run_links(store: Store, run: RunView) -> None:
    """What else there is of the run, for somebody who may know: its diagnoses, its replays, what it is a replay of."""
    if standing_of(store, run.run_id, person()).is_blind:
        return
    original = run.trajectory.replay_of
    replays = len(store.replays([run.run_id], blind=blind_runs(store)))
    offered = shell.pages()
    with st.container(key="run_links", horizontal=True):
        if original is not None:
            st.page_link(offered["trajectory"], label="Original", query_params={"traj": original.run_id})
            both = {"runs": f"{original.run_id},{run.run_id}"}
            st.page_link(offered["compare"], label=f"Replay from step {original.step_id}", query_params=both)
        st.page_link(offered["diagnose"], label="Diagnose", query_params={"traj": run.run_id})
        if replays or may(*ORDERERS):
            label = number_of(replays, "replay") if replays else "Replay"
            st.page_link(offered["replay"], label=label, query_params={"traj": run.run_id})


def other_runs(run: RunView) -> int:
    """How many other runs of the task there are."""
    task = run.trajectory.task
    return len(open_store().runs(tasks=[task])) - 1 if task else 0


def one_page(run: RunView, own: Said, truth: Mapping[int, str]) -> str:
    """What this person sees of the run, to send to a colleague: opens offline, for reading."""
    return standalone_page(
        run.trajectory,
        run.tree,
        run.stages,
        stages_from=run.stages_from,
        name=run.run_id,
        declared_step_count=run.declared_step_count,
        said=own,
        truth=truth or None,
    )


step_lists.answer_request(open_store())
name = st.query_params.get("traj", "")
if not name:
    st.info("No run is open. Choose one in the library.")
    st.page_link(shell.pages()["library"], label="Open the library")
    st.stop()
try:
    run = open_run(name)
except CodeTracerError as error:
    st.error("This run cannot be opened.")
    st.text(str(error))
    st.page_link(shell.pages()["library"], label="Open the library")
    st.stop()

run_links(open_store(), run)
steps_tab, overview_tab = st.tabs(["Steps", "Overview"], key="view", on_change="rerun")
with steps_tab:
    step_viewer(
        run,
        store=open_store(),
        annotator=person(),
        start=start_step(),
        quote=start_quote(run.trajectory),
        goto=st.session_state.get("goto"),
        beside=beside(open_store(), run.run_id, person()),
        walk=step_lists.place_in_list(open_store(), run.run_id),
        may_replay=may(*ORDERERS),
    )
if overview_tab.open:
    with overview_tab:
        overview(run, shown_truth(open_store(), run.run_id, person()) or {})
