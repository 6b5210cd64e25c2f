"""Our end of the keeper: starts it, has it run commands with limits on time and output, and has it clear up.

Whoever drops it, by an error or by dying, closes the socket, and that alone makes the keeper end and remove all."""

import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from codetracer_core.errors import Cancelled, CodeTracerError, EnvironmentBroken
from codetracer_core.replay.environments import leases
from codetracer_core.replay.environments.engines import engine_variables
from codetracer_core.replay.keeping.processes import started
from codetracer_core.replay.keeping.serving import receive, send
from codetracer_core.replay.models import Limits, Ran

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from codetracer_core.replay.keeping.keeper import main; main()"
)
_PACKAGES = Path(__file__).resolve().parents[3]
_START_SECONDS = 30.0
_STOP_SECONDS = 90.0
_ENDER_SECONDS = 10.0
_LOOK = 0.1
"""Seconds between two looks at whether somebody wants to stop."""


@dataclass(frozen=True)
class Wanted:
    """What a keeper is told to make and, at the end, to remove."""

    lease: Path
    root: Path
    """The folder in which everything of this replay lies; it exists, and goes at the end."""
    inside: bool = True
    """Commands run on this machine, as descendants of the keeper."""
    network: bool = False
    hide: tuple[Path, ...] = ()
    own: tuple[tuple[Path, str], ...] = ()
    """Folders that may be written, with the path at which each stands for the commands, where that can be done."""
    farewell: tuple[tuple[str, ...], ...] = ()
    """Command lines of the container engine that remove what it made."""


@dataclass(frozen=True)
class Made:
    """What this system let the keeper make."""

    isolated: bool = False
    no_network: bool = False
    read_only: bool = False
    processes: bool = False
    """By a control group, which binds everybody."""
    tasks: bool = False
    """By a limit for the user, who is not the superuser; the exact number is counted."""
    memory: bool = False


@dataclass
class Command:
    """What is run: an argument vector, in a folder, with these variables and no others."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    stay: bool = False
    """What it leaves in the background goes on."""
    stdin: bytes = b""
    seconds: float = 60.0
    output_bytes: int = 1_000_000
    gently: bool = False
    """A shell that is over its time gets a moment to write down where it stands."""
    too_much: Callable[[], bool] = lambda: False
    """Whether it is to be ended for what it has written; asked while it runs."""
    ender: Callable[[bool], None] | None = None
    """Ends what the command started elsewhere, where the keeper does not reach; told whether gently."""
    left: int = field(default=0, init=False)
    """Processes that go on when it has ended."""


class Keeper:
    """One running keeper."""

    def __init__(self, wanted: Wanted, limits: Limits) -> None:
        self._wanted = wanted
        self._stopped = False
        self._terminal: tuple[int, int] | None = None
        self._control, theirs = socket.socketpair()
        self._inside, theirs_inside = socket.socketpair()
        with theirs, theirs_inside:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own module
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _BOOT,
                    str(_PACKAGES),
                    str(theirs.fileno()),
                    str(theirs_inside.fileno()),
                ],
                pass_fds=(theirs.fileno(), theirs_inside.fileno()),
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            leases.add_keeper(wanted.lease, self._process.pid, started(self._process.pid))
            self._say(self._control, _told(wanted, limits))
            self.made = self._answered() if wanted.inside else Made()
        except BaseException:
            with suppress(CodeTracerError):
                self.stop()
            raise

    def run_inside(self, command: Command, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        """Run a command of the replay. Raises Cancelled and EnvironmentBroken."""
        return self._run(self._inside, command, cancelled)[0]

    def run_ours(self, command: Command, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        """Run a command of our own, without limits but those on time and output."""
        return self._run(self._control, command, cancelled)[0]

    def read_ours(self, command: Command) -> tuple[int | None, bytes]:
        """Exit code (None: it was stopped) and what a command of our own printed, byte by byte."""
        ran, kept = self._run(self._control, command, lambda: False)
        return ran.exit_code, kept.content()

    def stop(self) -> None:
        """Have everything ended and removed. Raises CodeTracerError naming what is left."""
        if self._stopped:
            return
        self._stopped = True
        left: Any = None
        with suppress(EnvironmentBroken, OSError):
            self._inside.close()
            self._say(self._control, {"do": "close"})
            self._control.settimeout(_STOP_SECONDS)
            left, _ = receive(self._control)
        self._control.close()
        for end in self._terminal or ():
            os.close(end)
        try:
            self._process.wait(timeout=_STOP_SECONDS if left is None else 10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Whatever the keeper said: what still exists is removed from here, and told if it stays.
        if problems := leases.clear(self._wanted.lease):
            raise CodeTracerError(
                f"something of the replay is left: {'; '.join(problems)}",
                remedy="It is tried again when the next replay starts.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _lasting_pipe(self) -> tuple[int, int]:
        """Where the commands of a session write. What goes on in the background keeps it, as it would keep a terminal:
        what it says later stands in the output of the command that runs then."""
        self._terminal = self._terminal or os.pipe()
        return self._terminal

    def _answered(self) -> Made:
        self._inside.settimeout(_START_SECONDS)
        try:
            answer, _ = receive(self._inside)
        except TimeoutError:
            answer = None
        if answer is None:
            raise EnvironmentBroken("the process that keeps the replay did not start")
        self._inside.settimeout(None)
        return Made(**answer)

    def _say(self, link: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        try:
            send(link, message, descriptors)
        except OSError as error:
            raise EnvironmentBroken("the process that keeps the replay is gone") from error

    def _run(self, link: socket.socket, command: Command, cancelled: Callable[[], bool]) -> tuple[Ran, "_Kept"]:
        if self._stopped:
            raise EnvironmentBroken("the environment has been stopped")
        begun = time.monotonic()
        keeps_pipe = command.stay and link is self._inside
        output, theirs = self._lasting_pipe() if keeps_pipe else os.pipe()
        source, feed = os.pipe() if command.stdin else (-1, -1)
        kept = _Kept(command.output_bytes)
        try:
            request = {
                "do": "run",
                "argv": list(command.argv),
                "cwd": command.cwd,
                "env": dict(command.env),
                "stay": command.stay,
                "input": bool(command.stdin),
            }
            try:
                self._say(link, request, (theirs, source) if command.stdin else (theirs,))
            finally:
                if not keeps_pipe:
                    os.close(theirs)
                if source >= 0:
                    os.close(source)
            os.set_blocking(output, False)
            answer, stopped = self._follow(link, output, feed, command, kept, begun, cancelled)
            feed = -1
            _drain(output, kept)
        finally:
            if not keeps_pipe:
                os.close(output)
            if feed >= 0:
                with suppress(OSError):
                    os.close(feed)
        if stopped == "cancelled":
            raise Cancelled("stopped by request")
        command.left = answer["left"]
        if answer["why"]:
            kept.add(f"\n[{answer['why']}]\n".encode())
        ran = Ran(
            output=kept.text(),
            exit_code=None if stopped or answer["why"] else _as_shells_say(answer["ended"]),
            timed_out=stopped == "time",
            left_out_bytes=kept.left_out,
            seconds=time.monotonic() - begun,
        )
        return ran, kept

    def _follow(
        self,
        link: socket.socket,
        output: int,
        feed: int,
        command: Command,
        kept: "_Kept",
        begun: float,
        cancelled: Callable[[], bool],
    ) -> tuple[dict[str, Any], str]:
        """Read and feed until the keeper says that the command has ended; its answer, and what made us end it."""
        stopped = ""
        forced = False
        ended_at = 0.0
        waiting = memoryview(command.stdin)
        reading: list[socket.socket | int] = [link, output]
        try:
            if feed >= 0:
                os.set_blocking(feed, False)
            while True:
                ready, room, _ = select.select(reading, [feed] if feed >= 0 else [], [], _LOOK)
                if output in ready and not _read(output, kept):
                    reading.remove(output)
                if room:
                    try:
                        waiting = waiting[os.write(feed, waiting[: 1 << 16]) :]
                    except BrokenPipeError:
                        waiting = waiting[:0]
                    if not waiting:
                        os.close(feed)
                        feed = -1
                if link in ready:
                    answer, _ = receive(link)
                    if answer is None:
                        raise EnvironmentBroken("the process in which the commands run is gone")
                    return answer, stopped
                if not stopped:
                    stopped = "cancelled" if cancelled() else "" if _since(begun) < command.seconds else "time"
                    stopped = stopped or ("room" if command.too_much() else "")
                    if stopped:
                        ended_at = time.monotonic()
                        gently = command.gently and stopped == "time"
                        if command.ender is not None:
                            command.ender(gently)
                        else:
                            self._say(link, {"do": "end", "gently": gently})
                elif command.ender is not None and not forced and _since(ended_at) > _ENDER_SECONDS:
                    forced = True
                    self._say(link, {"do": "end", "gently": False})
                elif _since(ended_at) > _START_SECONDS:
                    raise EnvironmentBroken("a command could not be ended")
        finally:
            if feed >= 0:
                os.close(feed)


class _Kept:
    """The beginning and the end of an output, as much as is kept of it."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.left_out = 0

    def add(self, piece: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if not piece:
            return
        self._tail.append(piece)
        self._tail_bytes += len(piece)
        while self._tail_bytes > self._half:
            first = self._tail.popleft()
            over = min(self._tail_bytes - self._half, len(first))
            self._tail_bytes -= over
            self.left_out += over
            if over < len(first):
                self._tail.appendleft(first[over:])

    def content(self) -> bytes:
        return bytes(self._head) + b"".join(self._tail)

    def text(self) -> str:
        if not self.left_out:
            return self.content().decode("utf-8", "replace")
        tail = b"".join(self._tail)
        mark = f"\n[{self.left_out:,} bytes left out]\n"
        return self._head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")


def _read(output: int, kept: _Kept) -> bool:
    """Take in what is there; False: nobody can write to it any more."""
    try:
        piece = os.read(output, 1 << 16)
    except BlockingIOError:
        return True
    kept.add(piece)
    return bool(piece)


def _drain(output: int, kept: _Kept) -> None:
    """What the command has written before it ended; whoever still holds the pipe is not waited for."""
    while select.select([output], [], [], 0)[0] and _read(output, kept):
        if kept.left_out > 1 << 26:
            return


def _told(wanted: Wanted, limits: Limits) -> dict[str, Any]:
    return {
        "id": wanted.root.name,
        "lease": str(wanted.lease),
        "root": str(wanted.root),
        "inside": wanted.inside,
        "network": wanted.network,
        "hide": [str(path) for path in wanted.hide],
        "own": [[str(source), target] for source, target in wanted.own],
        "farewell": [list(argv) for argv in wanted.farewell],
        "engine_env": engine_variables(),
        "processes": limits.processes,
        "memory_bytes": limits.memory_mb << 20,
        "file_bytes": limits.file_mb << 20,
    }


def _as_shells_say(code: int) -> int:
    return code if code >= 0 else 128 - code


def _since(moment: float) -> float:
    return time.monotonic() - moment
