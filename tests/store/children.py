"""What other processes do in the tests of the store; each function runs in a process of its own."""

import itertools
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Inbox, Store, open_for_writing
from codetracer_core.store.workspace import Workspace
from tests.store.factory import decide, make_diagnosis, make_insight, make_label, make_run


def hold(workspace: Path, purpose: str, seconds: float, told: Connection) -> None:
    """Own the workspace for a while; says its process id as soon as it does."""
    with Store.open(workspace, purpose=purpose):
        told.send(os.getpid())
        time.sleep(seconds)


def read_and_leave(workspace: Path, told: Connection) -> None:
    """Meet the lock: read the snapshot, leave a run and a label."""
    with Store.open_for_reading(workspace) as reader:
        told.send(([summary.run_id for summary in reader.runs()], reader.as_of, reader.load_run("run-1")))
        told.send((reader.search_text("step 1"), len(reader.labels("run-1"))))
    record = make_run("run-2")
    with open_for_writing(workspace) as store:
        assert isinstance(store, Inbox)
        added = store.add_runs([record], decisions=[decide(record)])
        stored = store.add_label_events(
            [
                make_label(1, client="child", run_id="run-2"),
                make_label(2, client="child"),
                make_label(3, client="child", step_id=99),
            ]
        )
        told.send((store.owner, added, stored))


def read_only(workspace: Path, told: Connection) -> None:
    """Read and try to write as somebody who may not write."""
    if os.geteuid() == 0:
        os.setuid(65534)  # nobody; the superuser may write anywhere
    with Store.open_for_reading(workspace) as reader:
        told.send(([summary.run_id for summary in reader.runs()], len(reader.labels("run-1"))))
    for attempt in (Store.open, open_for_writing):
        try:
            attempt(workspace)
        except CodeTracerError as error:
            told.send(str(error))


def write_until_killed(workspace: Path, client: str, told: Connection) -> None:
    """Store labels, runs and snapshots without end; says each one after it was acknowledged."""
    with Store.open(workspace) as store:
        told.send(("open", client, 0))
        for n in itertools.count(1):
            if n % 4 == 0:
                record = make_run(f"{client}-{n}", 2, text="x" * 5000)
                store.add_runs([record], decisions=[decide(record)])
                told.send(("run", record.run_id, 0))
            if n % 9 == 0:
                store.write_snapshot()
            store.add_label_events([make_label(n, client=client, step_id=n % 5 + 1, annotator=client)])
            told.send(("label", client, n))


def leave_until_killed(workspace: Path, client: str, told: Connection) -> None:
    """The same through the inbox."""
    box = Inbox(Workspace(workspace))
    for n in itertools.count(1):
        record = make_run(f"{client}-{n}", 2, text="x" * 5000)
        box.add_runs([record], decisions=[decide(record)])
        told.send(("run", record.run_id, 0))
        box.add_label_events([make_label(n, client=client, run_id=record.run_id)])
        told.send(("label", client, n))


def work_until_killed(workspace: Path, who: str, told: Connection) -> None:
    """Take runs of the project, label and submit them without end; says each act after it was acknowledged."""
    with Store.open(workspace) as store:
        told.send(("open", who, 0))
        for n in itertools.count(1):
            mine = [one for one in store.assignments("pilot", annotator=who) if one.submitted_at is None]
            got = mine[0] if mine else store.claim_next("pilot", who)
            if got is None:
                told.send(("nothing", who, n))
                continue
            told.send(("claim", got.run_id, got.pass_number))
            label = make_label(1, client=f"{who} {got.run_id}", run_id=got.run_id, annotator=who)
            store.add_human_labels([label])
            told.send(("label", got.run_id, 1))
            store.submit("pilot", got.run_id, who, rest_is_correct=n % 2 == 0)
            told.send(("submit", got.run_id, got.pass_number))


def leave_diagnoses(workspace: Path, told: Connection) -> None:
    """Leave a diagnosis, one of steps that the run does not have, and an insight."""
    good, bad, insight = make_diagnosis(), make_diagnosis(read_steps=(99,)), make_insight()
    with open_for_writing(workspace) as store:
        assert isinstance(store, Inbox)
        added = store.add_diagnosis(good, [{"kind": "call"}])
        store.add_diagnosis(bad, [])
        store.add_insights([insight])
        store.add_diagnosis(good, [{"kind": "call"}])
        told.send((good, bad, insight, added))


def diagnose_until_killed(workspace: Path, model: str, told: Connection) -> None:
    """Store diagnoses without end; says each one after it was acknowledged."""
    with Store.open(workspace) as store:
        told.send(("open", model, 0))
        for n in itertools.count(1):
            diagnosis = make_diagnosis(model=model)
            store.add_diagnosis(diagnosis, [{"text": "x" * 5000}] * 20)
            told.send(("diagnosis", diagnosis.diagnosis_id, n))
