"""Diagnosing runs: the verbs that the command line and the dashboard share.

    diagnose_run(store, store, run_id, model=open_model("openai/gpt-5"))      # stored with transcript, labels, insights
    diagnose_folder(folder_run(path, workspace=here), model=model).diagnosis  # a run from its files: nothing is stored
    batch(store, store, run_ids, model=model, parallel=4, output=folder)      # many, resumed where it was stopped
    write_outputs(diagnosis, trajectory, ["tracebench"], folder)              # files for other programs

Without a model the built-in offline rules diagnose.
"""

from codetracer_core.diagnosing.batches import BatchReport, batch
from codetracer_core.diagnosing.evidence import FolderRun, evidence_of, folder_run
from codetracer_core.diagnosing.outputs import write_outputs
from codetracer_core.diagnosing.running import diagnose_folder, diagnose_run
from codetracer_core.diagnosing.state import DONE, STATE_FILE, BatchRow

__all__ = [
    "DONE",
    "STATE_FILE",
    "BatchReport",
    "BatchRow",
    "FolderRun",
    "batch",
    "diagnose_folder",
    "diagnose_run",
    "evidence_of",
    "folder_run",
    "write_outputs",
]
