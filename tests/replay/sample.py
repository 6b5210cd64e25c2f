"""The sample run that can be replayed, and models that go on with it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from codetracer_core.discovery import locate
from codetracer_core.llm.scripted import ScriptedModel, calling
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.replay.models import Budget, LocalPlace, ReplayOrder
from tests.conftest import SAMPLE_DATA

SAMPLE = SAMPLE_DATA / "replayable" / "mini-swe-agent"
ONSET = 6
TESTS = "python3 -m unittest -q"
FIX = "sed -i 's/weight < limit/weight <= limit/' parcels/quote.py"


def sample_run() -> Trajectory:
    return read_run(locate(SAMPLE / "trajs" / "parcels__parcels-31")).trajectory


def project(folder: Path) -> Path:
    """The folder on which the run worked."""
    shutil.copytree(SAMPLE_DATA / "replayable" / "project", folder)
    return folder


def repository(folder: Path) -> Path:
    """The same as a git repository with one commit."""
    project(folder)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    return folder


def order(folder: Path, **more: Any) -> ReplayOrder:
    """In a copy of the folder, from the onset, decided by the project's tests."""
    usual: dict[str, Any] = {
        "place": LocalPlace(folder=str(folder), allowed=True),
        "step_id": ONSET,
        "budget": Budget(max_steps=5, matched=True),
        "test_command": TESTS,
    }
    return ReplayOrder(**(usual | more))


def fixer() -> ScriptedModel:
    """Mends the comparison, runs the tests, and is done."""
    return ScriptedModel(
        [
            calling(("run", {"command": FIX}), text="The comparison is wrong."),
            calling(("run", {"command": TESTS})),
            calling(("finish", {"summary": "Fixed, all tests pass."})),
        ]
    )
