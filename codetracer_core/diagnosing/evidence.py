"""What a diagnosis may see of a run: what its files hold, nothing that a benchmark or a person says of its steps."""

from dataclasses import dataclass
from pathlib import Path

from codetracer_core.benchmark import MANIFEST_SAYS
from codetracer_core.diagnosis.reading import RunFolder
from codetracer_core.discovery import locate
from codetracer_core.formats import formats_of
from codetracer_core.importing.reading import names_of
from codetracer_core.models import Outcome, RunRecord, Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.store.files import storable


def evidence_of(record: RunRecord) -> Trajectory:
    """The run as a diagnosis may see it.

    Without notes: they tell what is odd about ground truth and manifest. With the outcome if the run's own files tell
    it (that a run is solved is no label), but not if only the benchmark knows. The manifest row, declared step count,
    origin and collection are no part of a trajectory.
    """
    outcome = record.trajectory.outcome
    seen = Outcome() if outcome.reason.startswith(MANIFEST_SAYS) else outcome
    return record.trajectory.model_copy(update={"notes": (), "outcome": seen})


@dataclass(frozen=True)
class FolderRun:
    """A run read from its files, which need not have been imported."""

    run_id: str
    """As the import would call it."""
    trajectory: Trajectory
    artifacts: RunFolder
    path: Path
    """Its folder or file."""


def folder_run(path: Path, *, workspace: Path, format: str | None = None) -> FolderRun:
    """The run at a path, read with the formats that the workspace knows, as a diagnosis may see it.

    Raises what ``discovery.locate`` and the parsers raise."""
    location = locate(path.expanduser(), format=format, formats=formats_of(workspace))
    read = read_run(location)
    run_id, _ = names_of(location, read)
    record = RunRecord(
        run_id=run_id, trajectory=read.trajectory, origin=location.path, evidence_hash=read.evidence_hash
    )
    artifacts = RunFolder(location.folder, location.ceiling)
    unit = location.folder if location.claim.unit == "." else location.folder / location.claim.unit
    return FolderRun(run_id, evidence_of(storable(record)), artifacts, unit)
