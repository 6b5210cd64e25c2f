"""Models with ground truth: a leaderboard beside baselines, and what is behind each number."""

import streamlit as st

from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.evaluation_data import check_readable, diagnoses_to_judge, stored_authors
from codetracer_core.ui.evaluation_loading import loading_panel
from codetracer_core.ui.evaluation_page import show_evaluation
from codetracer_core.ui.evaluation_sources import choose_sources
from codetracer_core.ui.identity import EXPORTERS, may, person, require
from codetracer_core.ui.workspace import open_store

require(*EXPORTERS)
if not person():
    ask_name("Who is reading? What is shown here of single runs counts as seen when they are labelled.")
store = open_store()
diagnoses = diagnoses_to_judge(store)
sources = choose_sources(store, stored_authors(diagnoses))
if may("lead"):
    loading = st.expander("Load a manifest or predictions", key="loading", on_change="rerun")
    if loading.open:
        with loading:
            loading_panel(store, check_readable)
show_evaluation(store, sources, diagnoses)
