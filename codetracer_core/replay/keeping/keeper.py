"""The keeper itself: starts the process in which commands run, serves what is ours, and clears up at the end.

Order of things: the first message on ``control`` says what to make (``Wanted``); the answer on ``inside`` says what
could be made; then commands of the replay come over ``inside``, our own (copying, cloning, the engine) over
``control``. When ``control`` closes, everything goes.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from codetracer_core.replay.keeping import cgroups, isolation, processes
from codetracer_core.replay.keeping.serving import World, receive, send, serve

_READY = b"1"
_ROOM = 4
"""RLIMIT_NPROC counts what else this user runs, now and later, and every thread: so many times the limit are let be,
which holds back what multiplies; the exact number is counted."""


def main() -> None:
    control, inside = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    isolation.adopt_orphans()
    wanted, _ = receive(control)
    if wanted is None:
        return
    groups = cgroups.Groups()
    if wanted["inside"]:
        if isolation.ON_LINUX:
            groups = cgroups.make(wanted["id"], processes=wanted["processes"], memory_bytes=wanted["memory_bytes"])
        for way in (*(isolation.ways() if isolation.ON_LINUX else ()), None):
            if _fork_inside(control, inside, wanted, groups, way):
                break
    inside.close()
    serve(control, World(trusted=True))
    left = clear(wanted, groups.folders)
    with contextlib.suppress(OSError):
        send(control, {"left": left})


def clear(wanted: dict[str, Any], groups: tuple[Path, ...]) -> list[str]:
    """End and remove all of it; returns in words what would not go, in which case the lease stays, too."""
    # The engine first: what watches over a container may be a descendant, and has to outlive it.
    left = []
    for argv in wanted["farewell"]:
        try:
            done = subprocess.run(  # noqa: S603
                argv, env=wanted["engine_env"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
            )
            problem = done.stderr.decode("utf-8", "replace").strip() if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem and "no such" not in problem.lower() and "no container with name" not in problem.lower():
            left.append(f"{' '.join(argv)}: {problem}")
    left += [f"process {pid}" for pid in processes.end_all(lambda: processes.descendants(os.getpid()))]
    left += [f"control group {folder}" for folder in cgroups.remove(groups)]
    try:
        processes.remove_tree(Path(wanted["root"]))
    except OSError as error:
        left.append(f"folder {wanted['root']} ({error.strerror})")
    if not left:
        Path(wanted["lease"]).unlink(missing_ok=True)
    return left


def _fork_inside(
    control: socket.socket,
    inside: socket.socket,
    wanted: dict[str, Any],
    groups: cgroups.Groups,
    way: isolation.Way | None,
) -> bool:
    """Start the process in which commands run, isolated in some way or not; False: this system does not let it be."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        with os.fdopen(ready, "rb", buffering=0) as answer:
            return answer.read(1) == _READY
    status = 1
    try:
        os.close(ready)
        control.close()
        isolation.die_with_parent()
        before = processes.tasks_of_user()
        # Opened before the rest of the machine becomes read-only.
        joins = tuple(os.open(folder / "cgroup.procs", os.O_WRONLY) for folder in groups.folders)
        made = {"isolated": way is not None, "no_network": False, "read_only": False}
        if way is not None:
            made["no_network"], made["read_only"] = isolation.isolate(
                way,
                network=wanted["network"],
                hide=wanted["hide"],
                own=[(source, target) for source, target in wanted["own"]],
                keep_open=(tell, inside.fileno()),
            )
        else:
            isolation.adopt_orphans()
        os.write(tell, _READY)
        os.close(tell)
        number = 0 if groups.processes else wanted["processes"]
        tasks = before + _ROOM * number if number and os.geteuid() != 0 else 0
        send(inside, {**made, "processes": groups.processes, "tasks": tasks > 0, "memory": groups.memory})
        memory = 0 if groups.memory else wanted["memory_bytes"]
        serve(inside, World(way is not None, False, number, tasks, memory, wanted["file_bytes"], joins))
        status = 0
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(status)
