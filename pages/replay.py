"""Replays: the steps before one are run again, a model goes on from there, and tests say what came of it."""

import streamlit as st

from codetracer_core.ui import replaying
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.diagnosing import title
from codetracer_core.ui.diagnosis_order import ORDERERS
from codetracer_core.ui.identity import may, person
from codetracer_core.ui.replay_batch import many_runs
from codetracer_core.ui.replay_start import new_replay
from codetracer_core.ui.workspace import open_run, open_store

if not person():
    ask_name("Who is reading? Replays rest on what a model says of a run: that counts as seen when they label it.")
store = open_store()
run = replaying.opened_run(store)
if run is None:
    replaying.solved_before_and_after(store)
    replaying.recent(store)
    many_runs(store)
    st.stop()
view = open_run(run.run_id)
title(run)
shown = replaying.chosen(store, run.run_id)
if may(*ORDERERS):
    new_replay(store, view, is_first=shown is None)
elif shown is None:
    st.info("This run has not been replayed. A lead or an adjudicator may have it replayed.")
if shown is not None:
    replaying.history(store, run.run_id, shown.replay_id)
    replaying.replay_panel(store, shown)
