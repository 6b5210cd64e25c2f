"""Leases: what a replay is about to make, written down first, so that it can be removed after the worst of ends.

``SCRATCH/REPLAY_ID.lease.json`` names the process that started it and its keeper, each with its beginning, and the
container that belongs to it; everything else follows from the id. Gone with the last of it.
"""

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from codetracer_core.errors import CodeTracerError, EnvironmentBroken
from codetracer_core.replay.environments.engines import remove_container
from codetracer_core.replay.keeping import cgroups, processes

MARKER = "CODETRACER_REPLAY"
"""The variable that every replayed command has, with the id of its replay."""
_SUFFIX = ".lease.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_KEEPER_SECONDS = 90.0


def take(scratch: Path, replay_id: str, *, engine: str = "", compose: bool = False) -> tuple[Path, Path]:
    """A lease, and the empty folder that it is for. Raises CodeTracerError for an id that is in use or is none."""
    if not _ID.fullmatch(replay_id):
        raise CodeTracerError(f"{replay_id!r} is no id of a replay: letters, digits, - and _ only")
    lease, root = scratch / f"{replay_id}{_SUFFIX}", scratch / replay_id
    holder = {"pid": os.getpid(), "started": processes.started(os.getpid()), "engine": engine, "compose": compose}
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        new = lease.with_name(f"{lease.name}.{os.getpid()}")
        new.write_text(json.dumps(holder), encoding="utf-8")
        try:
            os.link(new, lease)  # whole or not there, and never over another one
        finally:
            new.unlink()
        root.mkdir(mode=0o700)
    except FileExistsError as error:
        if root.exists() and not lease.exists():
            lease.unlink(missing_ok=True)
        raise CodeTracerError("a replay with this id runs already, or left something", path=root) from error
    except OSError as error:
        raise EnvironmentBroken(f"cannot write here ({error.strerror})", path=scratch) from error
    return lease, root


def add_keeper(lease: Path, pid: int, began: str) -> None:
    held = json.loads(lease.read_text(encoding="utf-8"))
    new = lease.with_name(f"{lease.name}.{os.getpid()}")
    new.write_text(json.dumps(held | {"keeper": pid, "keeper_started": began}), encoding="utf-8")
    new.replace(lease)


def clear(lease: Path) -> list[str]:
    """End and remove what a lease stands for, whoever holds it; returns in words what would not go."""
    replay_id = lease.name.removesuffix(_SUFFIX)
    root = lease.with_name(replay_id)
    if not lease.exists() and not root.exists():
        return []
    held = _read(lease)
    _end_keeper(held)
    left = [
        f"process {pid}" for pid in processes.end_all(lambda: processes.marked(f"{MARKER}={replay_id}"), seconds=5.0)
    ]
    if held.get("engine") in ("docker", "podman"):
        left += remove_container(held["engine"], replay_id, compose=bool(held.get("compose")))
    left += [f"control group {folder}" for folder in cgroups.remove(cgroups.of(replay_id))]
    try:
        processes.remove_tree(root)
    except OSError as error:
        left.append(f"folder {root} ({error.strerror})")
    if not left:
        lease.unlink(missing_ok=True)
    return left


def sweep(scratch: Path) -> list[str]:
    """Remove what replays left whose process is gone; returns a sentence for each. Those that run are left alone."""
    told = []
    for unfinished in scratch.glob(f"*{_SUFFIX}.*"):
        if not processes.started(int(unfinished.suffix[1:])):
            unfinished.unlink(missing_ok=True)
    for lease in sorted(scratch.glob(f"*{_SUFFIX}")) if scratch.is_dir() else ():
        held = _read(lease)
        if processes.is_alive(int(held.get("pid", 0)), str(held.get("started", ""))):
            continue
        name = lease.name.removesuffix(_SUFFIX)
        problems = clear(lease)
        told.append(
            f"Replay {name} had been ended from outside, and this could not be removed: {'; '.join(problems)}."
            if problems
            else f"Replay {name} had been ended from outside; what it left has been removed."
        )
    return told


def _read(lease: Path) -> dict[str, Any]:
    """A lease that was being written when its process died says nothing; its folder goes all the same."""
    try:
        held = json.loads(lease.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _end_keeper(held: dict[str, Any]) -> None:
    """The keeper clears up itself when it is told to go; one that does not is killed."""
    pid, began = int(held.get("keeper", 0)), str(held.get("keeper_started", ""))
    over = time.monotonic() + _KEEPER_SECONDS
    with suppress(ProcessLookupError, PermissionError):
        if processes.is_alive(pid, began):
            os.kill(pid, signal.SIGTERM)
        while processes.is_alive(pid, began):
            if time.monotonic() > over:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
