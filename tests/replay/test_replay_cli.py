"""``codetracer replay`` in processes of its own, with a model server on loopback and real repositories; and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.importing import import_runs
from codetracer_core.replay.recording import read_started
from codetracer_core.replaying import scratch_of, sweep
from codetracer_core.store import Store
from codetracer_core.store.workspace import workspace_at
from tests.conftest import REPOSITORY
from tests.model_server import Asked, ModelServer, Say, calling
from tests.replay.sample import FIX, ONSET, SAMPLE, TESTS, project, repository


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "ws") as store:
        import_runs([SAMPLE], store=store)
    return tmp_path / "ws"


@pytest.fixture
def run_id(workspace: Path) -> str:
    with Store.open_for_reading(workspace) as reader:
        return reader.runs()[0].run_id


def command(workspace: Path, *words: str, server: ModelServer | None = None) -> list[str]:
    model = ["--model", "openai/scripted", "--api-base", server.url] if server is not None else []
    return [sys.executable, "-m", "codetracer_core", "replay", *words, *model, "--workspace", str(workspace)]


def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tmp").mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path / "tmp"), "CODETRACER_API_KEY": "key-of-ours"}


def replayed(tmp_path: Path, workspace: Path, *words: str, server: ModelServer | None = None) -> Any:
    return subprocess.run(
        command(workspace, *words, server=server),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def mends() -> list[Say]:
    return [
        calling("run", command=f"{FIX}; env"),
        calling("run", command=TESTS),
        calling("finish", summary="Fixed."),
    ]


def test_in_a_clone_a_model_mends_the_run_and_the_tests_decide(
    tmp_path: Path, workspace: Path, run_id: str, model_server: Callable[..., ModelServer]
) -> None:
    repo = repository(tmp_path / "repo")
    before = sorted(path.relative_to(repo) for path in repo.rglob("*"))
    server = model_server(mends())
    where = ("--step", str(ONSET), "--env", "git", "--repo", str(repo), "--test", TESTS)

    refused = replayed(tmp_path, workspace, run_id, *where, server=server)
    assert refused.returncode == 1
    assert "--allow-local" in refused.stderr
    assert server.requests == []

    done = replayed(tmp_path, workspace, run_id, *where, "--allow-local", "--json", server=server)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["result"]["outcome"]["solved"] is True
    assert told["result"]["order"]["budget"] == {
        "max_steps": 5,
        "cost_limit_usd": 3.0,
        "token_limit": None,
        "matched": True,
    }
    assert "warning: " in done.stderr
    assert "same" in done.stderr
    assert sorted(path.relative_to(repo) for path in repo.rglob("*")) == before
    with Store.open_for_reading(workspace) as reader:
        new = reader.load_run(told["new_run_id"])
        assert (reader.runs(ids=[new.run_id])[0].outcome, new.trajectory.step_count) == ("solved", 8)
    stored = b"".join(path.read_bytes() for path in (workspace / "replays").rglob("*") if path.is_file())
    assert b"key-of-ours" not in stored
    assert "key-of-ours" not in done.stdout + done.stderr


def test_a_dry_run_shows_every_step_and_runs_nothing(tmp_path: Path, workspace: Path, run_id: str) -> None:
    marker = tmp_path / "marker"
    words = (run_id, "--step", "11", "--env", "local", "--folder", str(tmp_path), "--test", f"touch {marker}")
    done = replayed(tmp_path, workspace, *words, "--no-agent", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "8 runs" in done.stdout or "9 runs" in done.stdout
    assert "sed -i" in done.stdout
    assert "refused" in done.stdout  # nobody allowed commands on this machine
    assert not marker.exists()
    assert not (workspace / "replays").exists()


# --- stopped -----------------------------------------------------------------------------------------------------


def alive_with(marker: str) -> list[int]:
    """Processes whose environment names this replay."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def waiting_model(reached: list[int]) -> Callable[[Asked], Say]:
    """Runs something that goes on in the background for long, then something that takes long."""

    def answer(asked: Asked) -> Say:
        reached.append(len(asked.messages))
        return calling("run", command="(sleep 300 & disown); sleep 200")

    return answer


@pytest.fixture
def started(
    tmp_path: Path, workspace: Path, run_id: str, model_server: Callable[..., ModelServer]
) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a replay, and gives it back when it has come to something."""
    folder = project(tmp_path / "project")
    children: list[subprocess.Popen[str]] = []

    def start(until: str) -> subprocess.Popen[str]:
        words = (
            run_id,
            "--step",
            str(ONSET),
            "--env",
            "local",
            "--folder",
            str(folder),
            "--allow-local",
            "--test",
            TESTS,
        )
        child = subprocess.Popen(
            command(workspace, *words, server=model_server(waiting_model([]))),
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stderr is not None
        for line in child.stderr:
            if until in line:
                return child
        raise AssertionError(f"it never came to {until!r}: {child.returncode}")

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


def everything_is_gone(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (folder,) = (workspace / "replays").iterdir()
    end = time.monotonic() + 60  # for the system to reap what was killed
    while alive_with(folder.name) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive_with(folder.name) == []
    assert list(scratch_of(workspace_at(workspace)).iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("until", "number"),
    [
        ("goes on at step 6", signal.SIGINT),
        ("running 5 earlier steps", signal.SIGTERM),
        ("goes on at step 6", signal.SIGKILL),
    ],
)
def test_stopped_anywhere_it_leaves_nothing_behind(
    tmp_path: Path,
    workspace: Path,
    run_id: str,
    started: Callable[[str], subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    until: str,
    number: signal.Signals,
) -> None:
    child = started(until)
    child.send_signal(number)
    child.communicate(timeout=120)
    (folder,) = (workspace / "replays").iterdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with Store.open(workspace) as store:
        if number == signal.SIGKILL:
            assert child.returncode == -signal.SIGKILL
            sweep(store)
            assert read_started(folder).status == "failed"
            assert [run.run_id for run in store.runs()] == [run_id]  # nothing half of a run
        else:
            assert child.returncode == 128 + number
            assert read_started(folder).status == "cancelled"
            assert len(store.runs()) <= 2
    everything_is_gone(tmp_path, workspace, monkeypatch)


GIVEN_UP = """
import _imp, atexit, sys, threading, time
from codetracer_core.cli import main

class Client:
    def __del__(self):
        import never_imported

threading.client = Client()
ends, holds = threading.Event(), threading.Event()

def call():
    ends.wait()
    _imp.acquire_lock()
    holds.set()
    time.sleep(600)

threading.Thread(target=call, name="model call", daemon=True).start()
atexit.register(lambda: (ends.set(), holds.wait()))
sys.argv = ["codetracer", "--version"]
main()
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="takes the lock of CPython's imports")
def test_a_call_that_was_given_up_inside_an_import_keeps_no_command_from_ending(tmp_path: Path) -> None:
    words = [sys.executable, "-c", GIVEN_UP]
    done = subprocess.run(words, env=environment(tmp_path), capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("codetracer ")
