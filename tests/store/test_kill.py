"""``kill -9`` at any moment loses nothing that was acknowledged, and leaves a workspace that opens."""

import random
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from codetracer_core.store import Store
from tests.store import children
from tests.store.factory import decide, make_run
from tests.store.test_processes import child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")

ROUNDS = 25


def everything(heard: Connection) -> list[tuple[str, str, int]]:
    """All that the child said before it died; a last word cut off by the kill was not said."""
    said = []
    try:
        while heard.poll(0):
            said.append(heard.recv())
    except (EOFError, OSError):  # the end, or the end in the middle of a word
        pass
    return said


def kill_in_the_midst(
    work: Callable[..., None], workspace: Path, client: str, moments: random.Random
) -> list[tuple[str, str, int]]:
    """Let a child work until it has said a few things, and kill it a moment later; all that it said."""
    with child(work, workspace, client) as (process, heard):
        said = []
        for _ in range(moments.randrange(1, 25)):
            assert heard.poll(30), "the child is stuck"
            said.append(heard.recv())
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        process.join()
        return said + everything(heard)


def check(workspace: Path, labels: set[tuple[str, int]], runs: set[str]) -> None:
    with Store.open(workspace) as store:
        stored = {
            (event.client, event.sequence) for summary in store.runs() for event in store.label_history(summary.run_id)
        }
        assert labels <= stored
        listed = {summary.run_id for summary in store.runs()}
        assert runs <= listed
        for run_id in listed - {"run-1"}:
            assert store.load_run(run_id) == make_run(run_id, 2, text="x" * 5000)
            assert len(store.steps(run_id)) == 2
        assert len(list(store.workspace.trajectories.iterdir())) == len(listed)


def test_killed_while_writing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
    moments = random.Random(20)
    labels: set[tuple[str, int]] = set()
    runs: set[str] = set()
    for number in range(ROUNDS):
        said = kill_in_the_midst(children.write_until_killed, tmp_path, f"client{number}", moments)
        labels |= {(client, n) for what, client, n in said if what == "label"}
        runs |= {run_id for what, run_id, _ in said if what == "run"}
        if number % 3 == 2:  # in between, the next child alone replays what is there
            check(tmp_path, labels, runs)
    check(tmp_path, labels, runs)
    assert len(labels) > ROUNDS
    assert runs


def test_killed_while_leaving_parcels(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
    moments = random.Random(21)
    said = []
    for number in range(10):
        said += kill_in_the_midst(children.leave_until_killed, tmp_path, f"client{number}", moments)
    labels = {(client, n) for what, client, n in said if what == "label"}
    runs = {run_id for what, run_id, _ in said if what == "run"}
    assert len(labels) > 10
    check(tmp_path, labels, runs)
    assert not list(store.workspace.inbox.glob("*.zst"))
    assert not store.workspace.refused.exists()


def test_killed_while_opening(tmp_path: Path) -> None:
    """Also the very first moments of a workspace, migrations included."""
    moments = random.Random(22)
    for number in range(15):
        workspace = tmp_path / str(number)
        with child(children.hold, workspace, "", 30.0) as (process, _):
            time.sleep(moments.uniform(0, 0.08))
            process.kill()
        with Store.open(workspace) as store:
            assert store.runs() == []
        assert not list(workspace.glob("*.part*"))
