"""Runs commands for whoever is at the other end of a socket, one at a time, and knows which processes come of them.

A message is four bytes that say how long it is, and JSON. ``{"do": "run", "argv", "cwd", "env", "stay", "input"}``
comes with the descriptor that the command writes to (and, with ``input``, one that it reads from) and is answered with
``{"ended": exit code, "left": processes that go on, "why"}``; ``{"do": "end", "gently"}`` ends the one that runs;
``{"do": "close"}`` is the last one.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codetracer_core.replay.keeping import isolation, processes

_GRACE = 0.5
"""Seconds in which a shell that is ended gently may write down where it stands."""
_LOOK = 0.05
"""Seconds between two counts of processes, while a command runs."""


@dataclass(frozen=True)
class World:
    """Where commands run, and what binds them."""

    alone: bool = False
    """All processes that can be seen belong to the replay, and this is the first of them."""
    trusted: bool = False
    """Commands are ours (copying, cloning, the engine): nothing is limited."""
    processes: int = 0
    """More are counted and ended; 0: something else limits their number."""
    tasks: int = 0
    """What RLIMIT_NPROC of a command is set to, if anything; the superuser is not bound by it."""
    memory_bytes: int = 0
    """Of one process; 0: something else limits the memory."""
    file_bytes: int = 0
    joins: tuple[int, ...] = ()
    """Descriptors of ``cgroup.procs``."""


@dataclass
class _Running:
    pid: int
    before: set[int]
    """Processes that were there before, which are nobody else's business."""
    stay: bool
    exit_code: int | None = None
    why: str = ""
    gently_until: float | None = None


def serve(link: socket.socket, world: World) -> None:
    """Until the other end closes it, says that it is over, or this process is told to go."""
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    running: _Running | None = None
    background = False
    groups: set[int] = set()
    if world.processes:
        isolation.go_first()

    def others() -> set[int]:
        return _others(world, groups)

    both: list[socket.socket | int] = [link, wake]
    while not told:
        ready, _, _ = select.select(both, [], [], _LOOK if running or (background and world.processes) else None)
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        ended = processes.reap()
        if link in ready:
            request, descriptors = receive(link)
            if request is None or request["do"] == "close":
                break
            if request["do"] == "run":
                running = _start(request, descriptors, world, others())
                groups.add(running.pid)
            elif running is not None:
                _end(running, world, others, gently=request["gently"])
        if world.processes and (running or background) and len(others()) > world.processes:
            # What multiplies may come from an earlier command, too: nobody is spared.
            _sweep(world, others)
            if running is not None:
                running.why = f"ended: there were more than {world.processes:,} processes, with those in the background"
        if running is None:
            background = background and bool(others())
            continue
        if running.pid in ended:
            running.exit_code = ended[running.pid]
        if running.gently_until is not None and (running.exit_code is not None or _over(running.gently_until)):
            _sweep(world, others, running.before)
            running.gently_until = None
        if running.exit_code is not None:
            if not running.stay:
                _sweep(world, others, running.before)
            left = len(others())
            send(link, {"ended": running.exit_code, "left": left, "why": running.why})
            running, background = None, left > 0
    if running is not None or not world.trusted:
        _sweep(world, others, running.before if running is not None and world.trusted else frozenset())
    processes.reap()
    signal.set_wakeup_fd(-1)


def send(link: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    body = json.dumps(message).encode()
    head = struct.pack(">I", len(body))
    if descriptors:
        socket.send_fds(link, [head], list(descriptors))
    else:
        link.sendall(head)
    link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message, and the descriptors that came with it; None: the other end is closed."""
    try:
        head, descriptors, _, _ = socket.recv_fds(link, 4, 4)
        while 0 < len(head) < 4:
            head += (more := link.recv(4 - len(head)))
            if not more:
                return None, descriptors
        if not head:
            return None, descriptors
        (length,) = struct.unpack(">I", head)
        body = bytearray()
        while len(body) < length:
            if not (more := link.recv(min(length - len(body), 1 << 16))):
                return None, descriptors
            body += more
    except ConnectionError:
        return None, []
    message: dict[str, Any] = json.loads(body)
    return message, descriptors


def _others(world: World, groups: set[int]) -> set[int]:
    if world.alone:
        return set(processes.parents()) - {os.getpid()}
    return processes.descendants(os.getpid(), () if processes.HAS_PROC else groups)


def _end(running: _Running, world: World, others: Callable[[], set[int]], *, gently: bool) -> None:
    if not gently:
        _sweep(world, others, running.before)
        return
    # The shell first: it takes note, and acts on it as soon as what it waits for has ended.
    for pid in (running.pid, *sorted(others() - running.before - {running.pid})):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
    running.gently_until = time.monotonic() + _GRACE


def _sweep(world: World, others: Callable[[], set[int]], spared: frozenset[int] | set[int] = frozenset()) -> None:
    """End every process but those that were there before."""
    if world.alone and not others() & spared:
        # Nobody but us stays, so one call reaches all of them, however fast they fork.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    processes.end_all(lambda: others() - spared, spared=spared)


def _over(moment: float) -> bool:
    return time.monotonic() > moment


def _start(request: dict[str, Any], descriptors: list[int], world: World, before: set[int]) -> _Running:
    output, source = descriptors[0], descriptors[1] if request["input"] else os.open(os.devnull, os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                with contextlib.suppress(OSError):
                    signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.dup2(source, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            if not world.trusted:
                _limit(world)
            os.closerange(3, 1024)
            os.chdir(request["cwd"])
            os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - that is what it is for
        except OSError as error:
            os.write(2, f"cannot start {request['argv'][0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)
    os.close(source)
    os.close(output)
    return _Running(pid=pid, before=before, stay=request["stay"])


def _limit(world: World) -> None:
    for descriptor in world.joins:
        os.write(descriptor, b"0")
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, world.file_bytes)]
    if world.memory_bytes:
        # Not RLIMIT_AS: many a runtime reserves addresses far beyond the memory that it uses.
        limits.append((resource.RLIMIT_DATA, world.memory_bytes))
    if world.tasks:
        limits.append((resource.RLIMIT_NPROC, world.tasks))
    if world.processes:
        # Whoever counts them has to come to it, whatever they do.
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    for which, most in limits:
        _, hard = resource.getrlimit(which)
        if most and hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(which, (most, most))
    isolation.give_up_rights()
