"""What replays that were killed left behind: processes, containers, copies, and orders that still say *running*."""

import hashlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.errors import CodeTracerError
from codetracer_core.parsers.replay import REPLAY_JSON
from codetracer_core.replay.environments import sweep as sweep_environments
from codetracer_core.replay.recording import ORDER_JSON, RUN_FOLDER, is_running, put_started, read_started
from codetracer_core.replaying.storing import import_replay
from codetracer_core.store import Inbox, Store
from codetracer_core.store.workspace import Workspace

WAS_ENDED = "CodeTracer was ended while it went on"


def scratch_of(workspace: Workspace) -> Path:
    """Where the environments of this workspace's replays live: outside of it, so that no replayed command meets labels
    by chance, and the same for all its processes. Made, and only for this user, if it is not there."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    name = hashlib.sha256(str(workspace.folder).encode(errors="replace")).hexdigest()[:12]
    above = Path(tempfile.gettempdir()) / f"codetracer-{user}"
    for folder in (above, above / name):
        folder.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
            raise CodeTracerError("this folder belongs to another user", path=folder, remedy="Name another in TMPDIR.")
    return above / name


def sweep(writer: Store | Inbox) -> list[str]:
    """Clean up after replays whose process is gone; what was done, in words. Those that go on are left alone.

    An order that still says *running* becomes *failed*; a record that was complete, but not imported yet, is imported;
    of one that was not complete nothing is.
    """
    workspace = writer.workspace
    told = sweep_environments(scratch_of(workspace))
    for path in sorted(workspace.replays.glob(f"*/{ORDER_JSON}")):
        folder = path.parent
        try:
            started = read_started(folder)
            if is_running(folder):
                continue
            if started.status == "running":
                update = {"status": "failed", "reason": WAS_ENDED, "ended_at": datetime.now(UTC)}
                put_started(folder, started.model_copy(update=update))
                told.append(f"replay {started.replay_id}: {WAS_ENDED}")
            elif (
                not started.new_run_id
                and (folder / RUN_FOLDER / REPLAY_JSON).exists()
                and import_replay(writer, folder)
            ):
                told.append(f"replay {started.replay_id}: imported, as it was complete")
        except CodeTracerError as error:
            told.append(str(error))
    return told
