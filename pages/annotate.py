"""My queue: the runs that a project gives me, one after the other, to label and to submit."""

import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.ui.annotate import ask_name, choose_project, desk, projects_for, queue_pipe
from codetracer_core.ui.identity import person
from codetracer_core.ui.others import beside
from codetracer_core.ui.viewer import start_step, step_viewer
from codetracer_core.ui.workspace import open_run, open_store

if not person():
    ask_name()
store, who = open_store(), person()
projects = projects_for(store, who)
if not projects:
    st.info("There is no project with runs for you.")
    st.text("The lead of this workspace makes projects and says who takes part in them.")
    st.stop()

named = st.query_params.get("project", "")
project = choose_project(projects, named)
wanted = st.query_params.get("traj", "") if named in ("", project.project_id) else ""
at = desk(store, project, who, wanted)
if at.run_id is None:
    st.info("Your queue is empty: there is no run for you here now.")
    reason = "others have all of its runs, or you know their labels" if project.is_open else "it is closed"
    st.text(f"Project {project.project_id}: {reason}.")
    st.stop()
try:
    run = open_run(at.run_id)
except CodeTracerError as error:
    st.error("This run cannot be opened.")
    st.text(str(error))
    st.stop()

step_viewer(
    run,
    store=store,
    annotator=who,
    start=start_step() if at.run_id == wanted else None,
    beside=beside(store, at.run_id, who),
)
queue_pipe(store, at, who)
