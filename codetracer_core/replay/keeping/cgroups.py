"""Control groups of Linux: the only limits on processes and memory that bind everybody, the superuser too."""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

PREFIX = "codetracer-replay-"


class Groups(NamedTuple):
    """What could be made; empty where this system has none, or lets us have none."""

    folders: tuple[Path, ...] = ()
    processes: bool = False
    memory: bool = False


def make(name: str, *, processes: int, memory_bytes: int) -> Groups:
    """Groups for one replay, limited; a process joins by writing "0" into their ``cgroup.procs``."""
    made: list[Path] = []
    limited: set[str] = set()
    for parent, controllers in _places():
        wanted = [one for one in controllers if one not in limited]
        folder = parent / f"{PREFIX}{name}"
        if not wanted:
            continue
        try:
            folder.mkdir()
        except OSError:
            continue
        done = [one for one in wanted if _limit(folder, one, processes, memory_bytes)]
        if done and _can_join(folder):
            made.append(folder)
            limited.update(done)
        else:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return Groups(tuple(made), "pids" in limited, "memory" in limited)


def of(name: str) -> list[Path]:
    """The groups of a replay that still exist."""
    return [folder for parent, _ in _places() if (folder := parent / f"{PREFIX}{name}").is_dir()]


def remove(folders: tuple[Path, ...] | list[Path], *, seconds: float = 2.0) -> list[Path]:
    """Remove groups in which nothing runs any more; returns those that stay."""
    over = time.monotonic() + seconds
    left = [folder for folder in folders if folder.is_dir()]
    while left:
        for folder in left:
            with contextlib.suppress(OSError):
                folder.rmdir()
        left = [folder for folder in left if folder.is_dir()]
        if time.monotonic() > over:
            break
        if left:
            time.sleep(0.01)
    return left


def _places() -> list[tuple[Path, tuple[str, ...]]]:
    """Folders in which a group may be made, with those of our two controllers that it would have."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    places: list[tuple[Path, tuple[str, ...]]] = []
    for _, at, kind, options, *_ in mounts:
        if kind == "cgroup":
            found = tuple(one for one in ("pids", "memory") if one in options.split(","))
            if found:
                places.append((Path(at), found))
        elif kind == "cgroup2":
            here = next((line[3:] for line in own if line.startswith("0::")), "/").lstrip("/")
            for parent in [Path(at, here), *Path(at, here).parents]:
                if parent.is_relative_to(at) and (parent / "cgroup.subtree_control").is_file():
                    on = (parent / "cgroup.subtree_control").read_text().split()
                    if found := tuple(one for one in ("pids", "memory") if one in on):
                        places.append((parent, found))
    return places


def _limit(folder: Path, controller: str, processes: int, memory_bytes: int) -> bool:
    v2 = (folder / "cgroup.controllers").exists()
    names = {"pids": "pids.max", "memory": "memory.max" if v2 else "memory.limit_in_bytes"}
    try:
        (folder / names[controller]).write_text(str(processes if controller == "pids" else memory_bytes))
    except OSError:
        return False
    return True


def _can_join(folder: Path) -> bool:
    """Whether a process of ours may move there, tried with one that ends at once."""
    pid = os.fork()
    if pid == 0:
        try:
            (folder / "cgroup.procs").write_text("0")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
