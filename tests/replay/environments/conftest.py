import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.replay.environments import start
from codetracer_core.replay.keeping import cgroups, processes
from codetracer_core.replay.models import Limits, LocalPlace, Place


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    (folder / "tool.sh").write_text("#!/bin/sh\necho tool\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "inside").symlink_to("a.txt")
    return folder


@pytest.fixture
def begin(scratch: Path, project: Path) -> Iterator[Callable[..., Any]]:
    """Starts environments, by default a copy of the project with fresh shells; all are stopped at the end."""
    with ExitStack() as running:

        def begun(
            place: Place | None = None, *, shell: Any = "fresh", replay_id: str = "", hide: Any = (), **limits: Any
        ) -> Any:
            place = place or LocalPlace(folder=str(project), allowed=True)
            name = replay_id or f"test-{os.getpid()}-{len(list(scratch.glob('*.lease.json')))}"
            environment = start(place, Limits(**limits), shell=shell, scratch=scratch, replay_id=name, hide=hide)
            running.callback(environment.stop)
            return environment

        yield begun


def left_behind(scratch: Path, replay_id: str) -> list[str]:
    """Everything that a replay could leave on this machine, but containers."""
    return [
        *(f"process {pid}" for pid in processes.marked(f"CODETRACER_REPLAY={replay_id}")),
        *(str(path) for path in (scratch.iterdir() if scratch.is_dir() else ())),
        *(str(path) for path in cgroups.of(replay_id)),
    ]


def repository(folder: Path) -> list[str]:
    """A repository with two commits, whose hashes are returned."""
    folder.mkdir()

    def git(*words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    commits = []
    for number in ("one", "two"):
        (folder / "a.txt").write_text(f"{number}\n")
        git("add", ".")
        git("commit", "--quiet", "--message", number)
        commits.append(git("rev-parse", "HEAD"))
    return commits


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a folder with its rights, time and content."""
    return {
        str(path.relative_to(folder)): (about.st_mode, about.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if (about := path.lstat())
    }


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
