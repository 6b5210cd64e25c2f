"""Diagnoses: where a model, or offline rules, say that a run went wrong; start, watch and read them."""

from codetracer_core.ui import diagnosing
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.diagnosis_batch import many_runs
from codetracer_core.ui.diagnosis_making import how_it_was_made
from codetracer_core.ui.diagnosis_order import ORDERERS, new_diagnosis
from codetracer_core.ui.identity import may, person
from codetracer_core.ui.workspace import open_run, open_store

if not person():
    ask_name("Who is reading? What a model says of a run is shown to a name: it counts as seen when they label.")
store = open_store()
run = diagnosing.opened_run(store)
if run is None:
    diagnosing.jobs_panel(store)
    diagnosing.recent(store)
    many_runs(store)
else:
    view = open_run(run.run_id)
    diagnosing.title(run)
    diagnosing.jobs_panel(store, run.run_id)
    found = store.diagnoses([run.run_id])  # after the jobs: one that is over for them is in the store
    diagnosis = diagnosing.chosen_diagnosis(store, run.run_id, found)
    if may(*ORDERERS):
        new_diagnosis(store, run, view.trajectory, is_first=not found)
    if len(found) > 1:
        diagnosing.history(store, found, diagnosis.diagnosis_id if diagnosis else "")
    if diagnosis is None:
        diagnosing.nothing_yet(run.run_id)
    else:
        diagnosing.report(store, view, diagnosis)
        how_it_was_made(store, diagnosis)
