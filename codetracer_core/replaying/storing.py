"""What comes of a replay is imported as a run like any other."""

from pathlib import Path

from codetracer_core.diagnosing.running import Writer, open_writer
from codetracer_core.errors import CodeTracerError
from codetracer_core.importing import import_runs
from codetracer_core.parsers.replay import STEPS_JSONL
from codetracer_core.replay.recording import RUN_FOLDER, put_started, read_started

COLLECTION = "replays"
"""In which replays are stored."""


def import_replay(writer: Writer, folder: Path) -> str:
    """Import the record of a replay that has ended; the id of the run, "" if it recorded no step.

    Raises CodeTracerError if it cannot be imported."""
    if not (folder / RUN_FOLDER / STEPS_JSONL).exists():
        return ""
    with open_writer(writer) as store:
        report = import_runs([folder / RUN_FOLDER], store=store, format="replay", collection=COLLECTION)
    new_run_id = next((item.run_id for item in report.items if item.run_id is not None), None)
    if new_run_id is None:
        reason = report.items[0].reason if report.items else "nothing was found"
        raise CodeTracerError(f"the record of this replay cannot be imported ({reason})", path=folder)
    put_started(folder, read_started(folder).model_copy(update={"new_run_id": new_run_id}))
    return new_run_id
