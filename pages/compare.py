"""Runs of one task side by side, aligned by what they do; diagnoses of one run side by side."""

import streamlit as st

from codetracer_core.ui import compare_choice
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.compare_diagnoses import asked_diagnoses, compare_diagnoses
from codetracer_core.ui.comparing import asked_runs, compare_runs, fit
from codetracer_core.ui.identity import person
from codetracer_core.ui.workspace import open_store

store = open_store()
runs, diagnoses = asked_runs(), asked_diagnoses()
task, run = st.query_params.get("task", ""), st.query_params.get("traj", "")
if (diagnoses or run) and not person():
    ask_name("Who is reading? What a model says of a run is shown to a name: it counts as seen when they label.")
if fit(runs, "runs"):
    compare_runs(store, runs)
elif fit(diagnoses, "diagnoses"):
    compare_diagnoses(store, diagnoses)
elif run or diagnoses:
    compare_choice.diagnoses_of(store, run, diagnoses)
elif task or runs:
    compare_choice.runs_of_task(store, task, runs)
else:
    compare_choice.tasks(store)
