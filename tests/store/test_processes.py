"""Several processes and one workspace: the lock in words, snapshots to read, the inbox to write."""

import json
import multiprocessing
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import CodeTracerError, NotFound, StoreLocked
from codetracer_core.models import GroundTruth
from codetracer_core.store import Inbox, Store, Workspace, keep, lock_holder, open_for_writing
from tests.store import children
from tests.store.factory import NOON, decide, make_label, make_run

# One server process imports everything once and forks each child: a child is there within a few milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.store.children", "pandas"])


@contextmanager
def child(work: Callable[..., None], *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    heard, told = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=work, args=(*arguments, told), daemon=True)
    process.start()
    told.close()
    try:
        yield process, heard
    finally:
        process.kill()
        process.join()
        heard.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def seed(store: Store) -> None:
    record = make_run()
    store.add_runs([record], decisions=[decide(record)])
    store.add_label_events([make_label(1)])


def test_who_meets_the_lock_reads_the_snapshot_and_writes_to_the_inbox(workspace: Path) -> None:
    with Store.open(workspace, purpose="dashboard at http://localhost:8501") as store:
        seed(store)
        store.write_snapshot()
        store.add_label_events([make_label(2, step_id=2)])
        with child(children.read_and_leave, workspace) as (process, heard):
            run_ids, as_of, record = heard.recv()
            assert run_ids == ["run-1"]
            assert as_of <= datetime.now(UTC)
            assert record == make_run()
            assert heard.recv() == ({"run-1": 1}, 1)
            owner, added, stored = heard.recv()
            process.join(60)
        assert "dashboard at http://localhost:8501 (process" in owner
        assert added.statuses == ("queued",)
        assert stored.acknowledged == {"child": 3}

        runs, labels = store.take_inbox()
        assert (runs.statuses, runs.refused) == (("added",), ())
        (refused,) = labels.refused
        assert (refused.event.step_id, "no step 99" in refused.reason) == (99, True)
        assert store.load_run("run-2") == make_run("run-2")
        assert len(store.labels("run-2")) == 1
        assert {event.sequence for event in store.label_history("run-1") if event.client == "child"} == {2}
        assert store.take_inbox() == []
        (kept,) = store.workspace.refused.iterdir()
        assert json.loads(kept.read_text())[0]["event"]["step_id"] == 99


def test_the_lock_is_told_in_words(workspace: Path) -> None:
    with child(children.hold, workspace, "codetracer import", 30.0) as (_, heard):
        pid = heard.recv()
        started = time.monotonic()
        with pytest.raises(StoreLocked) as told:
            Store.open(workspace, wait=30)
        assert time.monotonic() - started < 10
        assert re.search(rf"codetracer import \(process {pid}, since 20.*\) has this workspace open", str(told.value))
        assert "--workspace" in told.value.remedy
        holder = lock_holder(workspace)
        assert holder is not None
        assert (holder.pid, holder.purpose) == (pid, "codetracer import")
        with open_for_writing(workspace) as box:
            assert isinstance(box, Inbox)
    # It was killed: what it said of itself is still there, but nobody holds the lock.
    assert Workspace(workspace).owner.exists()
    assert lock_holder(workspace) is None
    with Store.open(workspace, purpose="me"):
        assert lock_holder(workspace) is None
    assert not Workspace(workspace).owner.exists()
    assert lock_holder(workspace / "nowhere") is None


def test_one_that_only_passes_through_is_waited_for(workspace: Path) -> None:
    with child(children.hold, workspace, "", 0.3) as (_, heard):
        pid = heard.recv()
        with pytest.raises(StoreLocked, match=f"process {pid} has this workspace open"):
            Store.open(workspace, wait=0)
        with Store.open(workspace, wait=30) as store:
            assert store.runs() == []


def test_the_lock_outlives_everything_the_owner_does(workspace: Path) -> None:
    """Closing any handle to the database file in the owning process would drop the lock on it."""
    with Store.open(workspace) as store:
        seed(store)
        store.write_snapshot()
        store.search_text("step")
        store.take_inbox()
        with Store.open(workspace) as second:
            assert second.load_run("run-1") == store.load_run("run-1")
        with Store.open_for_reading(workspace) as reader:
            assert reader.load_run("run-1") == make_run()
        assert lock_holder(workspace) is None
        with child(children.read_and_leave, workspace) as (_, heard):
            for _ in range(3):
                heard.recv()
        assert store.runs(ids=["run-1"])[0].human_labels == 1


def test_reading_a_free_workspace_leaves_it_free(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
    with Inbox(store.workspace) as box:
        box.add_label_events([make_label(1, client="cli", step_id=3)])
    with Store.open_for_reading(workspace) as reader:
        assert [label.step_id for label in reader.labels("run-1")] == [1, 3]
        with child(children.hold, workspace, "", 30.0) as (_, heard):
            heard.recv()
            with Store.open_for_reading(workspace) as second:
                assert second.as_of is not None
                assert reader.as_of is not None
                assert second.runs() == reader.runs()


def test_who_may_not_write_may_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a test's own folder is closed to other users
        Path(folder).chmod(0o755)
        place = Path(folder) / "workspace"
        with Store.open(place) as store:
            seed(store)
        for path in (place, *place.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with child(children.read_only, place) as (_, heard):
            assert heard.recv() == (["run-1"], 1)
            assert [heard.recv() for _ in range(2)] == [
                f"{place.resolve()}: this workspace may only be read by you. "
                "Ask its owner for permission to write, or name another one with --workspace."
            ] * 2
        for path in (place, *place.rglob("*")):
            path.chmod(0o755)


def test_a_reader_keeps_its_snapshot_and_a_new_one_sees_the_new(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
        with Store.open_for_reading(workspace) as before:
            store.add_label_events([make_label(2, step_id=2)])
            assert store.write_snapshot()
            assert not store.write_snapshot()
            with Store.open_for_reading(workspace) as after:
                assert [len(reader.labels("run-1")) for reader in (before, after)] == [1, 2]
        assert not hasattr(before, "add_runs")


def test_there_is_nothing_to_read(workspace: Path) -> None:
    with pytest.raises(NotFound, match="no workspace here yet"):
        Store.open_for_reading(workspace)
    assert not workspace.exists()


def test_a_snapshot_that_was_cut_short_is_no_snapshot(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
    place = store.workspace
    place.snapshot.write_bytes(place.snapshot.read_bytes()[:5000])
    place.snapshot.with_name("snapshot.duckdb.part").write_bytes(b"rest of a killed attempt")
    with Store.open_for_reading(workspace) as reader:
        assert len(reader.labels("run-1")) == 1
    assert not list(workspace.glob("*.part*"))


def test_a_damaged_database_is_named(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
    whole = store.workspace.database.read_bytes()
    for damaged in (whole[:6000], b"", b"not a database at all " * 500):
        store.workspace.database.write_bytes(damaged)
        with pytest.raises(CodeTracerError, match=r"codetracer\.duckdb: .*move it.*goes on from snapshot\.duckdb"):
            Store.open(workspace)
    store.workspace.database.unlink()
    with Store.open(workspace) as store:
        assert store.load_run("run-1") == make_run()


def test_a_damaged_parcel_is_moved_aside_with_its_reason(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
        box = Inbox(store.workspace)
        box.add_label_events([make_label(5, client="a")])
        box.add_label_events([make_label(6, client="a", step_id=2)])
        first, second = sorted(store.workspace.inbox.glob("*.zst"))
        first.write_bytes(first.read_bytes()[:-9])
        (store.workspace.inbox / "0-other.json.zst").write_bytes(b"not a parcel")
        (store.workspace.inbox / "0-more.json.zst.77.part").write_bytes(b"being written")
        taken = store.take_inbox()
        assert [(one.parcel, bool(one.error)) for one in taken] == [
            ("0-other.json.zst", True),
            (first.name, True),
            (second.name, False),
        ]
        assert {event.sequence for event in store.label_history("run-1") if event.client == "a"} == {6}
        for name in ("0-other.json.zst", first.name):
            assert (store.workspace.refused / name).exists()
            assert "cannot be read" in (store.workspace.refused / f"{name}.reason.txt").read_text()
        assert (store.workspace.inbox / "0-more.json.zst.77.part").exists()


def test_an_inbox_in_trouble_does_not_keep_the_workspace_shut(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.open(workspace) as store:
        seed(store)
    Inbox(store.workspace).add_label_events([make_label(4, step_id=99)])
    store.workspace.refused.write_text("a file where the folder should be")
    with Store.open(workspace) as store:
        assert "inbox could not be taken in" in caplog.text
        assert len(list(store.workspace.inbox.glob("*.zst"))) == 1
        store.workspace.refused.unlink()
        assert len(store.take_inbox()) == 1


def test_a_parcel_taken_in_twice_changes_nothing(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
        other = make_run("run-2", text="\ud800", record={"benchmark": {"tags": ["a"]}})
        box = Inbox(store.workspace)
        truth = GroundTruth(annotator="a benchmark", said_at=NOON, verdicts={2: "incorrect"})
        box.add_runs([other], decisions=[decide(other)], ground_truth=[truth])
        (parcel,) = store.workspace.inbox.glob("*.zst")
        content = parcel.read_bytes()
        assert [one.statuses for one in store.take_inbox()] == [("added",)]
        revision = store.revision()
        parcel.write_bytes(content)
        assert [one.statuses for one in store.take_inbox()] == [("unchanged",)]
        assert store.revision() == revision
        with pytest.raises(ValueError, match="per step"):
            box.add_runs([other], decisions=[[]])
        with pytest.raises(ValueError, match="per record"):
            box.add_runs([other], decisions=[decide(other)], ground_truth=[None, None])


def test_the_keeper_takes_in_the_inbox_and_keeps_the_snapshot(workspace: Path) -> None:
    with Store.open(workspace) as store:
        seed(store)
        stop = threading.Event()
        thread = threading.Thread(target=keep, args=(store, stop), kwargs={"interval": 0.02}, daemon=True)
        thread.start()
        Inbox(store.workspace).add_label_events([make_label(1, client="cli", step_id=4)])
        deadline = time.monotonic() + 60
        seen = 0
        while seen < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
            with Store.open_for_reading(workspace) as reader:
                seen = len(reader.labels("run-1"))
        stop.set()
        thread.join(60)
        assert seen == 2
        assert not thread.is_alive()


def test_the_keeper_outlives_trouble(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store.open(workspace)
    store.close()
    stop = threading.Event()
    thread = threading.Thread(target=keep, args=(store, stop), kwargs={"interval": 0.01}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while len(caplog.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    thread.join(60)
    assert "could not be kept up to date" in caplog.text
