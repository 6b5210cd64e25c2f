"""``kill -9`` at any moment loses nothing that was acknowledged, and leaves a workspace that opens."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from codetracer_core.projects import Project
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


def test_killed_while_working_on_a_project(tmp_path: Path) -> None:
    run_ids = [f"run-{n}" for n in range(300)]
    with Store.open(tmp_path) as store:
        records = [make_run(run_id, 3) for run_id in run_ids]
        store.add_runs(records, decisions=[decide(record) for record in records])
        project = Project(project_id="pilot", annotators_per_run=2, created_at=datetime.now(UTC))
        store.create_project(project, run_ids)
    moments = random.Random(23)
    claimed: set[tuple[str, str]] = set()
    labelled: set[tuple[str, str]] = set()
    submitted: set[tuple[str, str]] = set()
    acts = {"claim": claimed, "label": labelled, "submit": submitted}
    for number in range(12):
        who = ("ann", "bob", "cy")[number % 3]
        for what, run_id, _ in kill_in_the_midst(children.work_until_killed, tmp_path, who, moments):
            if what in acts:
                acts[what].add((run_id, who))
    assert len(submitted) > 12
    with Store.open(tmp_path) as store:
        rows = store.assignments("pilot")
        stored = {(label.run_id, label.annotator) for label in store.labels(source="human")}
    pairs = [(one.run_id, one.annotator) for one in rows]
    assert len(set(pairs)) == len(pairs), "to nobody twice"
    assert claimed <= set(pairs)
    assert labelled <= stored
    assert submitted <= {(one.run_id, one.annotator) for one in rows if one.state == "submitted"}
    assert max(Counter(run_id for run_id, _ in pairs).values()) <= 2


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
