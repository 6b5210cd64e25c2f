"""Which processes there are, which belong together, and how all of them are ended; folders that are removed whole."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

_PROC = Path("/proc")
HAS_PROC = (_PROC / "self" / "stat").exists()


def started(pid: int) -> str:
    """When a process began, in a form that only serves to be compared: a pid is used again, a pid with its beginning is
    not. Empty: there is no such process (a zombie is none)."""
    if not HAS_PROC:
        return _from_ps(pid)
    try:
        fields = _stat(pid)
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def is_alive(pid: int, began: str) -> bool:
    return bool(began) and started(pid) == began


def parents() -> dict[int, tuple[int, int]]:
    """Of every process that can be seen, its parent and its group; zombies are left out."""
    if not HAS_PROC:
        return _parents_from_ps()
    found = {}
    for entry in _numbers():
        with contextlib.suppress(OSError, IndexError):
            state, parent, group, *_ = _stat(entry)
            if state != "Z":
                found[entry] = (int(parent), int(group))
    return found


def descendants(pid: int, groups: Collection[int] = ()) -> set[int]:
    """Children and their children of a process, and whoever is in one of the process groups."""
    table = parents()
    children: dict[int, list[int]] = {}
    for child, (parent, _) in table.items():
        children.setdefault(parent, []).append(child)
    found = {one for one, (_, group) in table.items() if group in groups and one != pid}
    waiting = [pid, *found]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found - {os.getpid()}


def end_all(list_them: Callable[[], set[int]], *, spared: Collection[int] = (), seconds: float = 10.0) -> set[int]:
    """Kill what ``list_them`` lists until it lists nothing, and return what would not go within the time.

    By whole process groups first: such a signal reaches every member at one moment, so that nothing forks away from it,
    however fast. What has made a group of its own since comes with the next look. All are stopped before the first is
    killed, so that nobody starts again whom they saw dying. Groups of ``spared`` and our own are left alone."""
    over = time.monotonic() + seconds
    while them := list_them():
        table = parents()
        kept = {0, 1, os.getpgrp(), *(table[pid][1] for pid in spared if pid in table)}
        groups = {table[pid][1] for pid in them if pid in table} - kept
        for way in (signal.SIGSTOP, signal.SIGKILL):
            for group in groups:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, way)
            for pid in them:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, way)
        if time.monotonic() > over:
            return them
        time.sleep(0.002)
    return set()


def tasks_of_user() -> int:
    """How many tasks (processes with their threads) of this user there are, which is what RLIMIT_NPROC counts."""
    if not HAS_PROC:
        return len(parents())
    number = 0
    for pid in _numbers():
        with contextlib.suppress(OSError, IndexError, ValueError):
            if (_PROC / str(pid)).stat().st_uid == os.getuid():
                number += int(_stat(pid)[17])
    return number


def reap() -> dict[int, int]:
    """Take in whoever has ended among one's own children: pid → exit code, negative for a signal."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def marked(variable: str) -> set[int]:
    """Processes that were started with this ``NAME=value`` among their variables, as far as one may look."""
    found = set()
    if HAS_PROC:
        wanted = variable.encode()
        for pid in _numbers() - {os.getpid()}:
            with contextlib.suppress(OSError):
                if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0") and started(pid):
                    found.add(pid)
    return found


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever rights its folders have. Raises OSError if something stays."""

    def make_room(_: Callable[..., object], path: str, why: object) -> None:
        if isinstance(why, tuple) and isinstance(why[1], FileNotFoundError):
            return
        for each in (Path(path).parent, Path(path)):
            if not each.is_symlink() and each.is_relative_to(folder) and each.is_dir():
                each.chmod(stat.S_IRWXU)
        if Path(path).is_symlink() or not Path(path).is_dir():
            Path(path).unlink(missing_ok=True)

    for _ in range(3):
        if not os.path.lexists(folder):
            return
        with contextlib.suppress(OSError):
            shutil.rmtree(folder, onerror=make_room)
    if os.path.lexists(folder):
        shutil.rmtree(folder)


def _numbers() -> set[int]:
    return {int(name) for name in os.listdir(_PROC) if name.isdigit()}  # noqa: PTH208 - names are enough, and faster


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may itself hold blanks and brackets."""
    return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _from_ps(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout.strip()


def _parents_from_ps() -> dict[int, tuple[int, int]]:
    shown = subprocess.run(["ps", "-axo", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=False)  # noqa: S607
    rows = (line.split() for line in shown.stdout.splitlines())
    return {int(row[0]): (int(row[1]), int(row[2])) for row in rows if len(row) >= 4 and not row[3].startswith("Z")}


if sys.platform == "win32":
    raise ImportError("replays need Linux or macOS")
