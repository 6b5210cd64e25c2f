"""An environment on this machine: a folder of its own, and commands that the keeper runs in it."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Self

from codetracer_core.errors import CodeTracerError, EnvironmentBroken
from codetracer_core.replay.environments import leases
from codetracer_core.replay.environments.files import read_inside, write_inside
from codetracer_core.replay.environments.keeper import Command, Keeper, Wanted
from codetracer_core.replay.environments.room import Written
from codetracer_core.replay.environments.shells import LONGEST_ARGUMENT, ShellKind, wrapped
from codetracer_core.replay.keeping.isolation import SECRETS
from codetracer_core.replay.models import Limits, Ran
from codetracer_core.words import number_of

_ROOM = "Allow more (replay.disk_mb in the settings), or look at what writes so much."
_OVER = Ran(output="", timed_out=True)
_SOCKETS = ("docker.sock", "containerd", "podman", "user", "dbus", "systemd/private", "snapd.socket")
"""Under /run: doors through which a command could have something done for it outside."""


class MachineEnvironment:
    """Commands run as descendants of a keeper, in a copy that goes when it is stopped."""

    folder: str
    facts: tuple[str, ...]

    def __init__(
        self,
        limits: Limits,
        *,
        shell: ShellKind,
        scratch: Path,
        replay_id: str,
        at: Path | None = None,
        hide: tuple[Path, ...] = (),
    ) -> None:
        """Takes the lease and starts the keeper; the folder is still empty. ``at``: where it is to stand for the
        commands, if this system can do that."""
        lease, self._root = leases.take(scratch.resolve(), replay_id)
        self._limits, self._shell = limits, shell
        self._spent = 0.0
        self._files = 0
        self._written = Written(self._root, limits.disk_mb << 20)
        parts = {name: self._root / name for name in ("folder", "home", "tmp", "state")}
        try:
            for part in parts.values():
                part.mkdir()
            (parts["home"] / ".gitconfig").write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
            at = (at or parts["folder"]).resolve()
            records = [path.resolve() for path in hide]
            needed = [path for path in records if _is_needed(path, scratch)]
            wanted = Wanted(
                lease=lease,
                root=self._root,
                network=limits.network,
                hide=(*_to_hide(network=limits.network), *(path for path in records if path not in needed)),
                own=(
                    (parts["tmp"], "/tmp"),  # noqa: S108 - that of the commands, which is this one
                    (parts["tmp"], "/var/tmp"),  # noqa: S108
                    *((part, str(part)) for part in parts.values()),
                    (parts["folder"], str(at)),
                ),
            )
            self._keeper = Keeper(wanted, limits)
        except BaseException:
            leases.clear(lease)
            raise
        made = self._keeper.made
        self.folder = str(at if made.isolated else parts["folder"])
        self._tmp = "/tmp" if made.isolated else str(parts["tmp"])  # noqa: S108
        self._bash = shutil.which("bash") is not None
        self._about = (*_facts(self._keeper, limits), *_facts_on_records(records, needed, isolated=made.isolated))
        self.facts = self._about
        self._env = {
            "PATH": os.pathsep.join(
                part for part in os.environ.get("PATH", "").split(os.pathsep) if part.startswith("/")
            )
            or os.defpath,
            "HOME": str(parts["home"]),
            "TMPDIR": self._tmp,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            leases.MARKER: replay_id,
        }

    @property
    def copy(self) -> Path:
        """Where the folder really lies."""
        return self._root / "folder"

    def make(self, argv: list[str], *, seconds: float, cancelled: Callable[[], bool], what: str, **env: str) -> str:
        """Run a command of ours that fills the folder; returns what it printed. Raises EnvironmentBroken."""
        command = Command(argv, str(self._root), {"PATH": os.environ.get("PATH", os.defpath), **env}, seconds=seconds)
        ran = self._keeper.run_ours(command, cancelled)
        if ran.timed_out:
            raise EnvironmentBroken(f"{what} takes longer than {number_of(seconds, 'second')}")
        if ran.exit_code != 0:
            raise EnvironmentBroken(f"{what} failed: {ran.output.strip()[-2_000:]}")
        return ran.output

    def filled(self) -> None:
        """What was to be copied is there: what comes now counts as written by commands."""
        self._written.begin()

    def tell(self, fact: str) -> None:
        """One more thing that is true of it."""
        self._about = (*self._about, fact)
        self.facts = (*self.facts, fact)

    def run(self, command: str, *, timeout: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        left = self._limits.total_seconds - self._spent
        if left <= 0:
            return _OVER
        session = self._shell == "session"
        if "\0" in command:
            raise CodeTracerError("a command holds no null character")
        order = Command(
            argv=self._argv(command),
            cwd=self.folder,
            env=self._env,
            stay=session,
            seconds=min(timeout if timeout is not None else self._limits.command_seconds, left),
            output_bytes=self._limits.output_bytes,
            gently=session,
            too_much=self._written.is_too_much,
        )
        ran = self._keeper.run_inside(order, cancelled)
        self._spent += ran.seconds
        if self._written.is_too_much():
            raise EnvironmentBroken(f"the commands have written more than {self._limits.disk_mb:,} MB", remedy=_ROOM)
        going_on = (f"{number_of(order.left, 'process').replace('processs', 'processes')} in the background",)
        self.facts = self._about + (going_on if order.left else ())
        return ran

    def read_file(self, path: str) -> bytes:
        return read_inside(*self._inside(path))

    def write_file(self, path: str, content: bytes) -> None:
        write_inside(*self._inside(path), content)

    def stop(self) -> None:
        self._keeper.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _inside(self, path: str) -> tuple[Path, str]:
        """The real folder for a path as the commands see it, and the path in there."""
        pure = PurePosixPath(path)
        for seen, real in ((self.folder, self.copy), (self._tmp, self._root / "tmp")):
            if pure.is_absolute() and pure.is_relative_to(seen):
                return real, str(pure.relative_to(seen))
        return self.copy, path

    def _argv(self, command: str) -> list[str]:
        file = ""
        if len(command.encode("utf-8", "surrogatepass")) > LONGEST_ARGUMENT:
            self._files += 1
            file = str(self._root / "state" / f"command-{self._files}.sh")
            Path(file).write_text(command, encoding="utf-8", errors="surrogatepass")
        state = str(self._root / "state" / "shell")
        return list(wrapped(command, shell="bash" if self._bash else "sh", kind=self._shell, state=state, file=file))


def _to_hide(*, network: bool) -> tuple[Path, ...]:
    home = Path.home()
    run = tuple(Path("/run", name) for name in _SOCKETS) if network else (Path("/run"),)
    return tuple(path for path in (*(home / name for name in SECRETS), *run) if path.exists() and not path.is_symlink())


def _is_needed(path: Path, scratch: Path) -> bool:
    """Whether what commands cannot do without lies in it."""
    places = (scratch, Path.home(), Path(sys.prefix), Path(sys.base_prefix), Path("/usr/bin"), Path("/bin"))
    return any(place.resolve().is_relative_to(path) for place in places)


def _facts_on_records(records: Sequence[Path], needed: Sequence[Path], *, isolated: bool) -> tuple[str, ...]:
    if not records:
        return ()
    if not isolated:
        return ("the records of this and other runs CAN be read: this system does not let them be hidden",)
    told = tuple(f"records of runs in {path} CAN be read: what commands need lies there, too" for path in needed)
    return told or ("the records of runs are hidden: the workspace, and what this one was imported from",)


def _facts(keeper: Keeper, limits: Limits) -> tuple[str, ...]:
    made = keeper.made
    network = (
        "network on, as asked for"
        if limits.network
        else "network off"
        if made.no_network
        else "network ON: this system does not let it be switched off"
    )
    processes = f"at most {number_of(limits.processes, 'process').removesuffix('s') + 'es'}"
    memory = f"memory limited to {limits.memory_mb:,} MB"
    return (
        "commands run on this machine, with the rights of whoever started the replay",
        network,
        "the rest of this machine is read-only, usual places of keys are hidden, /tmp is private; the rest can be read"
        if made.read_only
        else "commands can READ AND WRITE whatever you can: this system does not let the rest be made read-only",
        "other processes are not seen"
        if made.isolated
        else "other processes, and the variables they were started with, can be seen",
        f"{processes}, by a control group"
        if made.processes
        else f"{processes}, counted: where there are more, all are ended; a limit for this user holds back the rest"
        if made.tasks
        else f"{processes}, only counted: more are ended at once, but NOTHING holds them back before",
        f"{memory} together" if made.memory else f"{memory} for each process",
        f"files of at most {limits.file_mb:,} MB, {limits.disk_mb:,} MB in all, looked at while commands run",
    )
