"""The container environment: a container of its own, by docker or podman, that reaches nothing of this machine."""

import json
import re
import resource
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Self

from codetracer_core.errors import CodeTracerError, EnvironmentBroken, NotFound
from codetracer_core.replay.environments import leases
from codetracer_core.replay.environments.compose import CutDown, cut_down
from codetracer_core.replay.environments.engines import (
    LABEL,
    ask,
    container_name,
    engine_variables,
    farewells,
    find_engine,
)
from codetracer_core.replay.environments.files import MOST_BYTES
from codetracer_core.replay.environments.keeper import Command, Keeper, Wanted
from codetracer_core.replay.environments.shells import LONGEST_ARGUMENT, ShellKind, wrapped
from codetracer_core.replay.models import ContainerPlace, Limits, Ran
from codetracer_core.words import number_of

_STATE = "/var/tmp/.codetracer-replay"  # noqa: S108 - inside the container
_IDLE = "while :; do sleep 3600 & wait $!; done"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*")
_START_SECONDS = 120.0
_BUILD_SECONDS = 1_800.0
_FILE_SECONDS = 60.0
_OPEN_FILES = 4_096
_PROCESSES_OF_A_USER = 32_768
"""On the whole machine, so it is no limit of the container (that is --pids-limit), only one that can be set."""
_MAY_BE_GONE = (1, 125, 126, 127, 137, 255)
"""What the engines end with if there is no such container, and commands for reasons of their own."""
_ENGINE_SAYS = re.compile(r"(?:Error: )?(?:OCI runtime|runc|crun)[^\n]*\n?")
"""All that is printed if a command could not be started: its shell is there, so what it runs is not to blame."""
_SILENT = "the container does not say why"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")


def start_container(
    place: ContainerPlace,
    limits: Limits,
    *,
    shell: ShellKind,
    scratch: Path,
    replay_id: str,
    original: str = "",
    cancelled: Callable[[], bool] = lambda: False,
) -> "ContainerEnvironment":
    """Start the container. Its working folder is the one that the place names, else ``original``, if there is such a
    folder in it, else the image's own. Raises EnvironmentBroken if no engine answers, the image is not on this machine
    (nothing is downloaded), the compose file asks for what is not given, or there is no shell in it."""
    if bool(place.image) == bool(place.compose_file):
        raise EnvironmentBroken("a container is made from an image or from a compose file: name one of them")
    if place.folder and not PurePosixPath(place.folder).is_absolute():
        raise EnvironmentBroken("the working folder in a container is an absolute path", path=place.folder)
    engine = find_engine(place.engine)
    compose = None
    if place.compose_file:
        if problem := ask([engine, "compose", "version"])[1]:
            raise EnvironmentBroken(f"{engine} has no compose here: {problem}", remedy="Name an image instead.")
        compose = cut_down(Path(place.compose_file), place.service, limits, replay_id)
    elif not _IMAGE.fullmatch(place.image):
        raise EnvironmentBroken(f"{place.image!r} is no name of an image")
    elif ask([engine, "image", "inspect", "--format", "{{.Id}}", place.image])[1]:
        raise EnvironmentBroken(
            f"{engine} has no image {place.image} on this machine",
            remedy=f"Nothing is downloaded by itself: {engine} pull {place.image}",
        )
    environment = ContainerEnvironment(
        engine, limits, shell=shell, scratch=scratch, replay_id=replay_id, compose=compose
    )
    try:
        environment.begin(place, cancelled, original)
    except BaseException:
        environment.stop()
        raise
    return environment


class ContainerEnvironment:
    """Commands run by the engine in a container that is removed when it is stopped."""

    folder: str
    facts: tuple[str, ...]

    def __init__(
        self,
        engine: str,
        limits: Limits,
        *,
        shell: ShellKind,
        scratch: Path,
        replay_id: str,
        compose: CutDown | None,
    ) -> None:
        """Takes the lease and starts the keeper, which will remove the container; ``begin`` makes it."""
        self._engine, self._limits, self._shell, self._compose = engine, limits, shell, compose
        self._id, self._name = replay_id, container_name(replay_id)
        self._spent = 0.0
        self._bash = False
        lease, self._root = leases.take(scratch.resolve(), replay_id, engine=engine, compose=compose is not None)
        try:
            farewell = farewells(engine, replay_id, compose=compose is not None)
            self._keeper = Keeper(Wanted(lease=lease, root=self._root, inside=False, farewell=farewell), limits)
        except BaseException:
            leases.clear(lease)
            raise
        self.folder = ""  # as the image says
        self.facts = ()

    def begin(self, place: ContainerPlace, cancelled: Callable[[], bool], original: str = "") -> None:
        """Make the container and find out what is in it."""
        if self._compose is None:
            argv = [self._engine, "run", "--detach", *self._options(), place.image, "-c", _IDLE]
            self._ours(argv, "the container could not be started", _START_SECONDS, cancelled)
        else:
            file = self._root / "compose.json"
            file.write_text(json.dumps(self._compose.content), encoding="utf-8")
            project = [self._engine, "compose", "--project-name", self._name, "--file", str(file)]
            up = [*project, "--env-file", "/dev/null", "up", "--detach", "--no-color"]
            self._ours(up, "the services could not be started", _BUILD_SECONDS, cancelled)
            found = self._ours(
                [*project, "ps", "--quiet", self._compose.service], "no container was made", _START_SECONDS
            )
            self._name = found.split()[-1] if found.split() else self._name
        self._bash = self._exec(["sh", "-c", "command -v bash"]).exit_code == 0
        made = self._exec(["sh", "-c", f"mkdir -p {_STATE} && pwd"])
        if made.exit_code != 0:
            raise EnvironmentBroken(f"there is no shell that works in the container: {made.output.strip()[-500:]}")
        self.folder = place.folder or made.output.strip().splitlines()[-1]
        if place.folder and not self._has_folder(place.folder):
            raise EnvironmentBroken("there is no such folder in the container", path=place.folder)
        self.facts = self._facts(place)
        if not place.folder and original.startswith("/") and self._has_folder(original):
            self.folder = original
            self.facts += ("commands begin in the folder in which the run worked",)

    def _has_folder(self, path: str) -> bool:
        return self._exec(["sh", "-c", 'cd -- "$1"', "sh", path]).exit_code == 0

    def run(self, command: str, *, timeout: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        left = self._limits.total_seconds - self._spent
        if left <= 0:
            return Ran(output="", timed_out=True)
        if "\0" in command:
            raise CodeTracerError("a command holds no null character")
        file = ""
        if len(command.encode("utf-8", "surrogatepass")) > LONGEST_ARGUMENT:
            file = f"{_STATE}/command"
            self.write_file(file, command.encode("utf-8", "surrogatepass"))
        shell = "bash" if self._bash else "sh"
        argv = wrapped(command, shell=shell, kind=self._shell, state=f"{_STATE}/shell", file=file)
        if self._shell == "fresh":
            # What the command leaves in the background ends with it; neither the first process nor this shell does.
            script = 'exec 2>&1; "$@"; code=$?; kill -9 -1 2>/dev/null; exit $code'
        else:
            script = 'exec "$@" 2>&1'
        seconds = min(timeout if timeout is not None else self._limits.command_seconds, left)
        ran = self._exec(
            (shell, "-c", script, shell, *argv),
            seconds=seconds,
            output=self._limits.output_bytes,
            cancelled=cancelled,
            ender=self._end_all,
        )
        self._spent += ran.seconds
        if ran.exit_code in _MAY_BE_GONE:
            if not self._is_there():
                raise EnvironmentBroken(f"the container is gone: {ran.output.strip()[-300:]}")
            if problem := self._not_begun(ran.output):
                # The code is the engine's: of the command, which never began, it says nothing.
                return ran.model_copy(update={"output": f"[{problem}]\n", "exit_code": None})
        return ran

    def _exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = _START_SECONDS,
        output: int = 100_000,
        cancelled: Callable[[], bool] = lambda: False,
        ender: Callable[[bool], None] | None = None,
    ) -> Ran:
        options = [*(["--interactive"] if stdin else []), *(["--workdir", self.folder] if self.folder else [])]
        whole = [self._engine, "exec", *options, self._name, *argv]
        order = Command(
            whole,
            "/",
            engine_variables(),
            stay=True,
            stdin=stdin,
            seconds=seconds,
            output_bytes=output,
            gently=self._shell == "session",
            ender=ender,
        )
        return self._keeper.run_ours(order, cancelled)

    def _ours(
        self, argv: list[str], problem: str, seconds: float, cancelled: Callable[[], bool] = lambda: False
    ) -> str:
        ran = self._keeper.run_ours(Command(argv, "/", engine_variables(), stay=True, seconds=seconds), cancelled)
        if ran.exit_code != 0:
            why = ran.output.strip()[-2_000:] if not ran.timed_out else f"not within {number_of(seconds, 'second')}"
            raise EnvironmentBroken(f"{problem}: {why}")
        return ran.output

    def _end_all(self, gently: bool) -> None:
        """End what runs in the container but its first process; a shell gets a moment to write down where it stands."""
        script = ("kill -TERM -1; sleep 0.3 2>/dev/null || sleep 1; " if gently else "") + "kill -9 -1; :"
        if ask([self._engine, "exec", self._name, "sh", "-c", script])[1]:
            # No room for one more process: the container begins anew, with its files as they are.
            ask([self._engine, "restart", "--time", "0", self._name])

    def _is_there(self) -> bool:
        return ask([self._engine, "inspect", "--format", "{{.State.Running}}", self._name])[0] == "true"

    def _not_begun(self, output: str) -> str:
        """Why the engine could not start a command, if it is that what it says; mostly there is no room."""
        if not _ENGINE_SAYS.fullmatch(output):
            return ""
        room = f"at most {self._limits.processes:,} processes and {self._limits.memory_mb:,} MB"
        return f"the command could not be started in the container, in which there is room for {room}: {output.strip()}"

    def _absolute(self, path: str) -> str:
        if "\0" in path:
            raise CodeTracerError("a path holds no null character", path=path.replace("\0", "?"))
        return str(PurePosixPath(self.folder, path))

    def _options(self) -> list[str]:
        limits = self._limits
        return [
            *("--name", self._name, "--label", f"{LABEL}={self._id}", "--pull", "never", "--entrypoint", "sh"),
            *("--stop-signal", "SIGKILL"),
            *(() if limits.network else ("--network", "none")),
            *("--pids-limit", str(limits.processes), "--memory", f"{limits.memory_mb}m"),
            *_ulimit("nofile", resource.RLIMIT_NOFILE, _OPEN_FILES),
            *_ulimit("nproc", resource.RLIMIT_NPROC, _PROCESSES_OF_A_USER),
            *("--ulimit", "core=0:0"),
            *("--ulimit", f"fsize={limits.file_mb << 20}:{limits.file_mb << 20}"),
            *("--cap-drop", "ALL", *(f"--cap-add={name}" for name in _CAPABILITIES)),
            *("--security-opt", "no-new-privileges"),
            *("--env", f"{leases.MARKER}={self._id}", "--env", "TERM=dumb"),
            # The engines would hand our proxies over, in which there may be a password.
            *(word for name in _PROXIES for word in ("--env", f"{name}=", "--env", f"{name.lower()}=")),
        ]

    def _facts(self, place: ContainerPlace) -> tuple[str, ...]:
        limits = self._limits
        what = f"image {place.image}" if place.image else f"service {self._compose.service if self._compose else ''}"
        return (
            f"commands run in a container of their own ({self._engine}, {what}), which sees no folder of this machine",
            "network on, as asked for" if limits.network else "network off",
            f"at most {limits.processes:,} processes, memory limited to {limits.memory_mb:,} MB",
            f"files of at most {limits.file_mb:,} MB; how much is written in all is not limited",
            *(() if self._bash else ("no bash in it: sh is used, and a session carries exported variables only",)),
            *(self._compose.left_out if self._compose else ()),
        )

    def read_file(self, path: str) -> bytes:
        where = self._absolute(path)
        # Not one process more than this shell: there may be room for no other.
        script = f'[ -e "$1" ] || exit 44; [ -f "$1" ] || exit 45; exec head -c {MOST_BYTES + 1} "$1"'
        # The engine's own words would stand between the bytes, so they go elsewhere.
        said = self._root / "said"
        quiet = ["sh", "-c", 'exec "$@" 2>"$0"', str(said)]
        argv = [*quiet, self._engine, "exec", self._name, "sh", "-c", script, "sh", where]
        most = 2 * MOST_BYTES + 2
        order = Command(argv, "/", engine_variables(), stay=True, seconds=_FILE_SECONDS, output_bytes=most)
        code, content = self._keeper.read_ours(order)
        if code == 44:
            raise NotFound("there is no such file", path=path)
        if code == 45:
            raise CodeTracerError("this is no file", path=path)
        if code != 0:
            why = said.read_text("utf-8", "replace") if said.exists() else ""
            raise CodeTracerError(f"cannot be read: {self._not_begun(why) or why.strip()[-300:] or _SILENT}", path=path)
        if len(content) > MOST_BYTES:
            raise CodeTracerError(f"the file is larger than {MOST_BYTES >> 20} MB", path=path)
        return content

    def write_file(self, path: str, content: bytes) -> None:
        where = self._absolute(path)
        prepare = '[ ! -d "$1" ] || exit 45; above=${1%/*}/; [ -d "$above" ] || mkdir -p "$above" && '
        argv = ["sh", "-c", prepare + 'exec cat > "$1"', "sh", where]
        ran = self._exec(argv, stdin=content, seconds=_FILE_SECONDS)
        if ran.exit_code == 0:
            return
        # Asked again, since podman loses what is said by somebody who does not read all that is sent.
        again = self._exec(["sh", "-c", prepare + ': >> "$1"', "sh", where])
        if again.exit_code == 45:
            raise CodeTracerError("cannot be written: this is a folder", path=path)
        why = ran.output or again.output
        raise CodeTracerError(f"cannot be written: {self._not_begun(why) or why.strip()[-300:] or _SILENT}", path=path)

    def stop(self) -> None:
        self._keeper.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _ulimit(name: str, which: int, most: int) -> tuple[str, ...]:
    """No more than we have ourselves: an engine that may not raise limits refuses to start with its own default."""
    own = resource.getrlimit(which)[1]
    most = most if own == resource.RLIM_INFINITY else min(most, own)
    return "--ulimit", f"{name}={most}:{most}"
