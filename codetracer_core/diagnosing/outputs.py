"""Files of a diagnosis for other programs."""

from collections.abc import Iterable
from pathlib import Path

from codetracer_core.diagnosis.profiles import as_profile
from codetracer_core.diagnosis_models import Diagnosis, Profile
from codetracer_core.durable import sync_folder, write_durably
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Trajectory


def write_outputs(
    diagnosis: Diagnosis,
    trajectory: Trajectory,
    profiles: Iterable[Profile],
    folder: Path,
    *,
    evidence: Path | str | None = None,
) -> list[Path]:
    """Write the diagnosis in these profiles into a folder (made if need be), each file as a whole or not at all.

    ``evidence`` is where the run lies. Raises CodeTracerError if the folder is, or lies in, the run's own, which is
    never written to; for a diagnosis that failed (an empty file would say that nothing was wrong); and if a file
    cannot be written.
    """
    if diagnosis.status == "failed":
        raise CodeTracerError(
            f"the diagnosis of {diagnosis.run_id!r} failed, there is nothing to write ({diagnosis.status_reason})"
        )
    refuse_evidence(folder, evidence)
    files = [as_profile(diagnosis, trajectory, profile) for profile in dict.fromkeys(profiles)]
    if not files:
        return []
    make_folder(folder)
    for name, text in files:
        _write(folder / name, text)
    sync_folder(folder)
    return [folder / name for name, _ in files]


def _write(path: Path, text: str) -> None:
    packed = text.encode(errors="replace")
    write_durably(path, lambda file: file.write(packed))


def refuse_evidence(folder: Path, evidence: Path | str | None) -> None:
    """Raises CodeTracerError if the folder is, or lies in, the folder of the run at ``evidence``."""
    if not evidence:
        return
    run = Path(str(evidence).partition("#")[0]).expanduser().resolve()
    wanted = folder.expanduser().resolve()
    if wanted in (run, run.parent) if run.is_file() else run.is_dir() and wanted.is_relative_to(run):
        raise CodeTracerError(
            "the run's own files lie here, nothing is written among them",
            path=folder,
            remedy="Name another output folder.",
        )


def make_folder(folder: Path) -> None:
    """Raises CodeTracerError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodeTracerError(f"this folder cannot be made ({error.strerror or error})", path=folder) from error
