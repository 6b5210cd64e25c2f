"""CodeTracer is ended from outside while a replay starts, copies, clones or runs: nothing of it stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codetracer_core.replay.environments import sweep
from tests.conftest import REPOSITORY
from tests.replay.environments.conftest import left_behind, needs_git, repository, snapshot

_CHILD = """
import sys
from pathlib import Path
from codetracer_core.replay.environments import git, local, start
from codetracer_core.replay.models import GitPlace, Limits, LocalPlace
kind, source, scratch, name = sys.argv[1:]
print("begin", flush=True)
place = LocalPlace(folder=source, allowed=True) if kind == "local" else GitPlace(repository=source, allowed=True)
with start(place, Limits(), shell="session", scratch=Path(scratch), replay_id=name) as environment:
    environment.run("(sleep 1234 & disown); setsid sleep 1234 & cd /; nohup sleep 1234 &")
    print("running", flush=True)
    environment.run("sleep 1234")
"""
"""Everything is imported before it begins: while Python imports, it can lose an interrupt ("Exception ignored in …
_get_module_lock"), one in some hundred. The commands take interrupts down in a list, and lose none."""


@needs_git
@pytest.mark.parametrize("kind", ["local", "git"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after", ["begin", "a moment", "running"])
def test_ended_from_outside(tmp_path: Path, kind: str, number: signal.Signals, after: str) -> None:
    source, scratch, name = tmp_path / "source", tmp_path / "scratch", f"ended-{os.getpid()}"
    repository(source)
    before = snapshot(source)
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, kind, str(source), str(scratch), name],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == ("running" if after == "running" else "begin"):
                break
        time.sleep(0.06 if after == "a moment" else 0.0)
        child.send_signal(number)
        child.wait(timeout=60)
    sweep(scratch)
    assert left_behind(scratch, name) == []
    assert snapshot(source) == before
