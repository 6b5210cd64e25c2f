"""What commands of a replay must not read: it may hold the answer that the run came to."""

from pathlib import Path

from codetracer_core.models import RunRecord
from codetracer_core.store.workspace import Workspace


def to_hide(workspace: Workspace, record: RunRecord) -> tuple[Path, ...]:
    """The workspace, and what the run was imported from: its folder; or its file with those that are called like it;
    or the archive that holds it. What is not on this machine (any more) is left out."""
    within = record.origin.rpartition("#")[0]  # one of several runs in a file
    return (workspace.folder, *(_imported_from(Path(record.origin)) or _imported_from(Path(within))))


def _imported_from(origin: Path) -> tuple[Path, ...]:
    if not origin.is_absolute():
        return ()
    # A member of an archive is named below it.
    there = next((path for path in (origin, *origin.parents) if path.exists()), origin)
    if there.is_dir():
        return (there,) if there == origin else ()
    name = _name(there)
    if _name(there.parent) == name:
        return (there.parent,)
    return tuple(sorted(path for path in there.parent.iterdir() if _name(path) == name))


def _name(path: Path) -> str:
    """Before the first dot: results and patches lie beside a trajectory under its name."""
    return path.name.partition(".")[0]
