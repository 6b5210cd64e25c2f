"""Where a replay runs: behind one small interface, throw-away, limited, and gone when it is over.

``start`` makes an environment, ``why_not`` says whether it could, ``sweep`` removes what dead replays left.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from codetracer_core.errors import EnvironmentBroken, NotAllowed
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.environments.shells import ShellKind
from codetracer_core.replay.models import ContainerPlace, GitPlace, Limits, LocalPlace, Place, PluginPlace

WARNING = (
    "The commands of the run, and those of the model that goes on from there, will run on this machine with your "
    "rights, in a throw-away copy. Nobody has checked them. Where this system allows it, they have no network, see no "
    "other process and cannot write outside the copy, but they can read most files that you can read. Use a container "
    "for runs that you do not trust."
)
"""What somebody agrees to who lets commands run on this machine (``allowed`` of a place)."""


def start(
    place: Place,
    limits: Limits,
    *,
    shell: ShellKind,
    scratch: Path,
    replay_id: str,
    hide: tuple[Path, ...] = (),
    original: str = "",
    cancelled: Callable[[], bool] = lambda: False,
) -> Environment:
    """Make the environment; ``stop`` it, whatever happens (it is a context manager, too).

    ``scratch``: a folder of ours, in which everything of this replay lies under ``replay_id``. ``hide``: what commands
    on this machine must not read: the workspace, and what the run was imported from. ``original``: where the run
    worked, if that is known; commands in a container begin there if its place names no folder and there is such a one.
    Raises NotAllowed if nobody allowed commands on this machine, EnvironmentBroken if it cannot be had, and Cancelled;
    then nothing of it is left."""
    if problem := why_not(place.kind):
        raise EnvironmentBroken(problem)
    if isinstance(place, LocalPlace | GitPlace) and not place.allowed:
        raise NotAllowed("nobody has allowed commands on this machine", remedy=WARNING)
    match place:
        case LocalPlace():
            from codetracer_core.replay.environments.local import start_local

            return start_local(
                place, limits, shell=shell, scratch=scratch, replay_id=replay_id, hide=hide, cancelled=cancelled
            )
        case GitPlace():
            from codetracer_core.replay.environments.git import start_git

            return start_git(
                place, limits, shell=shell, scratch=scratch, replay_id=replay_id, hide=hide, cancelled=cancelled
            )
        case ContainerPlace():
            from codetracer_core.replay.environments.container import start_container

            return start_container(
                place,
                limits,
                shell=shell,
                scratch=scratch,
                replay_id=replay_id,
                original=original,
                cancelled=cancelled,
            )
        case PluginPlace():
            return _of_plugin(place, limits, shell=shell, scratch=scratch, replay_id=replay_id)


def why_not(kind: str) -> str:
    """Why an environment of this kind ("local", "git", "container", "plugin") cannot be used here; empty: it can."""
    if sys.platform == "win32":
        return "replays need Linux or macOS"
    if kind == "git" and not shutil.which("git"):
        return "git is not installed"
    if kind == "container":
        from codetracer_core.replay.environments.engines import find_engine

        try:
            find_engine("")
        except EnvironmentBroken as problem:
            return str(problem)
    if kind not in ("local", "git", "container", "plugin"):
        return f"there is no environment {kind!r}"
    return ""


def sweep(scratch: Path) -> list[str]:
    """Remove what replays left whose process is gone, and say so in a sentence each; those that run are left alone."""
    from codetracer_core.replay.environments import leases

    return leases.sweep(scratch)


def _of_plugin(place: PluginPlace, limits: Limits, *, shell: ShellKind, scratch: Path, replay_id: str) -> Environment:
    from codetracer_core import plugins

    known = plugins.environments()
    if place.name not in known:
        names = ", ".join(sorted(known)) or "none is installed"
        raise EnvironmentBroken(f"there is no environment {place.name!r} of another package", remedy=f"Known: {names}.")
    made = known[place.name](place.options, limits, scratch, replay_id, shell)
    if not isinstance(made, Environment):
        raise EnvironmentBroken(f"what {place.name!r} makes is no environment but {type(made).__name__}")
    return made
