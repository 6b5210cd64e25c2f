"""All replays of a workspace: those that are stored as runs, those that go on, and those that came to nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from codetracer_core.errors import CodeTracerError
from codetracer_core.replay.recording import ORDER_JSON, Started, is_running, read_started
from codetracer_core.store.workspace import Workspace


@dataclass(frozen=True)
class Listed:
    """A replay by its order."""

    folder: Path
    started: Started

    @property
    def goes_on(self) -> bool:
        """It is running now, in this process or another one."""
        return self.started.status == "running" and is_running(self.folder)


def listed_replays(
    workspace: Workspace, run_ids: Sequence[str] | None = None, *, blind: Collection[str] = ()
) -> list[Listed]:
    """Replays of these runs (None: of all), the newest first; those of runs in ``blind`` are left out. An order that
    cannot be read is passed over."""
    found = []
    for path in workspace.replays.glob(f"*/{ORDER_JSON}"):
        try:
            started = read_started(path.parent)
        except CodeTracerError:
            continue
        if (run_ids is None or started.run_id in run_ids) and started.run_id not in blind:
            found.append(Listed(path.parent, started))
    return sorted(found, key=lambda one: one.started.started_at, reverse=True)
