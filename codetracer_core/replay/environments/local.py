"""The local environment: a throw-away copy of a folder of this machine."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.environments.machine import MachineEnvironment
from codetracer_core.replay.environments.shells import ShellKind
from codetracer_core.replay.models import Limits, LocalPlace

MOST_BYTES = 8 << 30
MOST_FILES = 500_000
_COPY_SECONDS = 600.0


def start_local(
    place: LocalPlace,
    limits: Limits,
    *,
    shell: ShellKind,
    scratch: Path,
    replay_id: str,
    hide: tuple[Path, ...] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> MachineEnvironment:
    """Copy the folder, with its rights, links (as links) and ``.git``. Raises EnvironmentBroken if it is not there, is
    larger than 8 GB or 500,000 files, holds devices, or the copy would lie in itself."""
    folder = Path(place.folder).expanduser()
    if not place.folder or not folder.is_dir():
        raise EnvironmentBroken("there is no such folder to copy", path=place.folder or None)
    folder = folder.resolve()
    if scratch.resolve().is_relative_to(folder):
        raise EnvironmentBroken(
            "the folder to copy holds the workspace, in which the copy would be made",
            path=folder,
            remedy="Copy a folder that does not hold the workspace, or put the workspace elsewhere.",
        )
    _measure(folder)
    environment = MachineEnvironment(limits, shell=shell, scratch=scratch, replay_id=replay_id, at=folder, hide=hide)
    try:
        reflink = ["--reflink=auto"] if sys.platform == "linux" else []
        argv = ["cp", "-a", *reflink, f"{folder}/.", str(environment.copy)]
        environment.make(argv, seconds=_COPY_SECONDS, cancelled=cancelled, what=f"copying {folder}")
    except BaseException:
        environment.stop()
        raise
    environment.filled()
    if any(path.resolve().is_relative_to(folder) for path in hide):
        environment.tell("the folder that was copied holds what the run was imported from: the copy CAN be read")
    return environment


def _measure(folder: Path) -> None:
    size = files = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    files += 1
                    size += about.st_size if stat.S_ISREG(about.st_mode) else 0
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append(entry.path)
                    if stat.S_ISBLK(about.st_mode) or stat.S_ISCHR(about.st_mode):
                        raise EnvironmentBroken("this is a device, and is not copied", path=entry.path)
        except OSError as error:
            raise EnvironmentBroken(f"cannot be read ({error.strerror})", path=error.filename) from error
        if size > MOST_BYTES or files > MOST_FILES:
            raise EnvironmentBroken(
                f"the folder is too large to copy (more than {MOST_BYTES >> 30} GB or {MOST_FILES:,} files)",
                path=folder,
                remedy="Name a smaller folder, or use the git or container environment.",
            )
