"""Runs on which people differ, the most valuable first; one of them side by side, to be decided."""

import streamlit as st

from codetracer_core.ui import adjudicating
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.identity import person, require
from codetracer_core.ui.workspace import open_store

require("adjudicator")
if not person():
    ask_name()
store = open_store()
project = adjudicating.choose_project(store)
if project is None:
    st.info("There is no project yet, so there is nothing to adjudicate.")
    st.stop()
run = adjudicating.opened_run(store, project)
if run:
    adjudicating.show_run(store, project, run)
else:
    adjudicating.show_cases(store, project)
