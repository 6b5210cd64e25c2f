"""Diagnosing stored runs: what a model gets to see, what is stored, what a second try pays, batches."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.diagnosing import (
    STATE_FILE,
    BatchReport,
    BatchRow,
    batch,
    diagnose_folder,
    diagnose_run,
    evidence_of,
    folder_run,
    write_outputs,
)
from codetracer_core.diagnosing.journals import KEPT_FOR, journal
from codetracer_core.diagnosis import Progress
from codetracer_core.diagnosis_models import HEURISTIC, DiagnosisSettings
from codetracer_core.errors import CodeTracerError, ModelError, NotFound
from codetracer_core.label_files import Unsaid, read_labels
from codetracer_core.llm import Message, Price, Reply, ScriptedModel, ToolSpec, calling, open_model
from codetracer_core.models import GroundTruth, Outcome, SourceRef, Stage
from codetracer_core.store import Inbox, Store, Workspace
from tests import diagnosing_children as children
from tests.conftest import SAMPLE_DATA
from tests.model_server import Asked, Behaviour, Call, Hang, ModelServer, Say
from tests.store.factory import NOON, decide, make_diagnosis, make_insight, make_label, make_run
from tests.store.test_processes import child

LESSON = "It edits a file before it has looked at what that file holds."
MARKER = "PLANTED"
ANSWER: dict[str, Any] = {
    "case_for_clean_run": "Each command was plausible.",
    "conclusion": "error_found",
    "summary": "It edited blindly.",
    "onset": [{"step_id": 3, "evidence": [{"step_id": 3, "quote": "sed -i s/3/x/"}]}],
    "findings": [
        {
            "step_id": 3,
            "verdict": "incorrect",
            "reasoning": "It never looked.",
            "evidence": [{"step_id": 3, "quote": "sed -i s/3/x/"}],
        }
    ],
    "insights": [LESSON, "At step 3 it edits app.py."],
}
CALLS_PER_RUN = 3


def next_reply(messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
    """Reads, reads on, hands in: by how far the conversation has come."""
    said = sum(message.role == "assistant" for message in messages)
    if said < CALLS_PER_RUN - 1:
        return calling(("read_steps", {"steps": [said + 1]}))
    return calling(("submit_diagnosis", ANSWER))


def model(answer: Callable[..., Reply] = next_reply, **fields: Any) -> ScriptedModel:
    return ScriptedModel(answer, **({"price": Price(prompt=20.0, completion=20.0)} | fields))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        records = [make_run(f"run-{n}", text=f"of {n}") for n in range(1, 5)]
        opened.add_runs(records, decisions=[decide(record) for record in records])
        yield opened


RUNS = [f"run-{n}" for n in range(1, 5)]


def words_of(asked: ScriptedModel) -> str:
    return json.dumps([message.model_dump() for messages in asked.asked for message in messages])


# --- what it sees -------------------------------------------------------------------------------------------


def test_nothing_that_is_said_of_a_run_reaches_a_prompt(store: Store) -> None:
    record = make_run(
        "secret",
        record={
            "benchmark": {
                "traj_id": "secret",
                "annotation_relpath": f"{MARKER}/annotation.json",
                "incorrect_stages": [{"stage_id": 1, "steps": [{"step_id": 3, "labels": [MARKER]}]}],
                "stages": [{"stage_id": 1, "start_step_id": 1, "end_step_id": 5, "name": MARKER}],
            },
            "declared_step_count": 5,
            "origin": f"{MARKER}/runs",
            "collection": MARKER,
        },
        notes=(f"Ground truth labels step 3 ({MARKER}).", f"The manifest {MARKER} says otherwise."),
        outcome=Outcome(
            solved=True,
            reason=f"the benchmark's manifest ({MARKER}.jsonl) says solved; the run's own files: {MARKER}",
            source=SourceRef(path=f"../{MARKER}/annotation.json", line_start=1, line_end=1, kind="json"),
        ),
    )
    truth = GroundTruth(
        annotator=MARKER,
        said_at=NOON,
        verdicts={3: "incorrect"},
        stages=(Stage(stage_id=1, start_step_id=1, end_step_id=5, name=MARKER),),
    )
    store.add_runs([record], decisions=[decide(record)], ground_truth=[truth])
    store.add_label_events(
        [
            make_label(1, run_id="secret", step_id=3, annotator=MARKER),
            make_label(2, {"reason": MARKER}, run_id="secret", step_id=3, field="details", annotator=MARKER),
            make_label(3, MARKER, run_id="secret", step_id=None, field="note", annotator=MARKER),
            make_label(4, "incorrect", run_id="secret", step_id=2, source="model", annotator=MARKER),
        ]
    )
    store.add_diagnosis(make_diagnosis(run_id="secret", summary=MARKER, model=MARKER), [{"text": MARKER}])
    asked = model()
    done = diagnose_run(store, store, "secret", model=asked)
    assert done.status == "complete"
    assert MARKER not in words_of(asked)
    assert MARKER not in json.dumps(store.transcript(done.diagnosis_id))
    assert MARKER not in done.model_dump_json()
    assert MARKER not in evidence_of(store.load_run("secret")).model_dump_json()


def test_the_runs_own_words_on_its_outcome_stay() -> None:
    source = SourceRef(path="report.json", line_start=1, line_end=1, kind="json")
    record = make_run(outcome=Outcome(solved=False, reason="2 of 3 tests failed", source=source))
    assert evidence_of(record).outcome == record.trajectory.outcome
    assert evidence_of(record).steps == record.trajectory.steps


# --- one run ------------------------------------------------------------------------------------------------


def test_a_stored_run_is_diagnosed_and_everything_is_kept(store: Store) -> None:
    told: list[Progress] = []
    done = diagnose_run(store, store, "run-1", model=model(), on_progress=told.append)
    assert store.diagnosis(done.diagnosis_id) == done
    assert [row.diagnosis_id for row in store.diagnoses(["run-1"])] == [done.diagnosis_id]
    assert {entry["sample"] for entry in store.transcript(done.diagnosis_id)} == {1}
    assert store.step_labels("run-1")[3].model[0].verdict == "incorrect"
    assert [(one.text, one.agent, one.diagnosis_id) for one in store.insights()] == [
        (LESSON, "SWE-agent", done.diagnosis_id)
    ]
    assert told[-1].kind == "finished"
    assert list(store.workspace.journals.iterdir()) == []


def test_what_was_learned_goes_into_the_next_diagnosis_of_such_an_agent(store: Store) -> None:
    diagnose_run(store, store, "run-1", model=model())
    (insight,) = store.insights()
    asked = model()
    assert diagnose_run(store, store, "run-2", model=asked).insights == (insight.insight_id,)
    assert LESSON in words_of(asked)
    assert store.insights() == [insight], "the same again is not kept twice"
    for without in (
        {"settings": DiagnosisSettings(use_memory=False)},
        {"memory_characters": 10},
    ):
        asked = model()
        assert diagnose_run(store, store, "run-2", model=asked, **without).insights == ()  # type: ignore[arg-type]
        assert LESSON not in words_of(asked)
    store.change_insight(insight.insight_id, person="ana", enabled=False)
    assert diagnose_run(store, store, "run-2", model=model()).insights == ()
    assert len(store.insights()) == 1


def test_without_a_model_the_offline_rules_diagnose(store: Store) -> None:
    done = diagnose_run(store, store, "run-1")
    assert (done.model, store.diagnoses()[0].author) == (HEURISTIC, HEURISTIC)
    assert store.diagnoses()[0].cost_usd == 0.0
    assert not store.workspace.journals.exists() or not list(store.workspace.journals.iterdir())


def test_a_repetition_is_asked_anew(store: Store) -> None:
    first, second = model(), model()
    one = diagnose_run(store, store, "run-1", model=first)
    other = diagnose_run(store, store, "run-1", model=second, settings=DiagnosisSettings(use_memory=False))
    assert len(first.asked) == len(second.asked) == CALLS_PER_RUN
    assert one.diagnosis_id != other.diagnosis_id
    assert [row.pass_number for row in store.diagnoses()] == [2, 1]


def breaking_after(calls: int, error: BaseException) -> Callable[..., Reply]:
    def answer(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        if sum(message.role == "assistant" for message in messages) >= calls:
            raise error
        return next_reply(messages, tools)

    return answer


def test_after_a_broken_connection_no_call_is_paid_twice(store: Store) -> None:
    broken = diagnose_run(store, store, "run-1", model=model(breaking_after(2, ModelError("the provider is gone"))))
    assert (broken.status, broken.total_usage.calls) == ("failed", 2)
    asked = model()
    done = diagnose_run(store, store, "run-1", model=asked)
    assert (done.status, len(asked.asked), done.total_usage.calls) == ("complete", 1, CALLS_PER_RUN)
    assert done.diagnosis_id != broken.diagnosis_id
    assert [row.status for row in store.diagnoses()] == ["complete", "failed"]
    assert list(store.workspace.journals.iterdir()) == []


def test_an_answer_that_cannot_be_used_is_no_broken_connection(store: Store) -> None:
    talking = model(lambda *_: Reply(text="hm"), price=Price(prompt=1.0, completion=1.0))  # far from the cost limit
    assert diagnose_run(store, store, "run-1", model=talking).status == "failed"
    asked = model()
    assert diagnose_run(store, store, "run-1", model=asked).status == "complete"
    assert len(asked.asked) == CALLS_PER_RUN


def test_what_failed_before_anything_was_said_is_not_stored(store: Store) -> None:
    dead = model(breaking_after(0, ModelError("no such model", remedy="Check its name.")))
    done = diagnose_run(store, store, "run-1", model=dead)
    assert (done.status, "no such model" in done.status_reason) == ("failed", True)
    assert store.diagnoses() == []
    assert list(store.workspace.journals.iterdir()) == []


def test_cancelled_it_keeps_what_there_is_and_goes_on_later(store: Store) -> None:
    stop = threading.Event()

    def answer(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        reply = next_reply(messages, tools)
        if len(messages) >= 4:
            stop.set()
        return reply

    cancelled = diagnose_run(store, store, "run-1", model=model(answer), cancelled=stop.is_set)
    assert cancelled.status == "cancelled"
    assert store.diagnosis(cancelled.diagnosis_id) == cancelled
    paid = cancelled.total_usage.calls
    assert 0 < paid < CALLS_PER_RUN
    asked = model()
    done = diagnose_run(store, store, "run-1", model=asked)
    assert (done.status, len(asked.asked)) == ("complete", CALLS_PER_RUN - paid)


def test_it_goes_on_with_the_memory_with_which_it_began(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        diagnose_run(store, store, "run-1", model=model(breaking_after(2, KeyboardInterrupt())))
    store.add_insights([make_insight()])
    asked = model()
    assert diagnose_run(store, store, "run-1", model=asked).insights == ()
    assert len(asked.asked) == 1


def test_other_evidence_settings_or_models_are_other_questions(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        diagnose_run(store, store, "run-1", model=model(breaking_after(2, KeyboardInterrupt())))
    for run_id, fields, settings in (
        ("run-1", {"name": "other"}, DiagnosisSettings()),
        ("run-1", {}, DiagnosisSettings(temperature=0.5)),
        ("run-2", {}, DiagnosisSettings()),
    ):
        asked = model(**fields)
        diagnose_run(store, store, run_id, model=asked, settings=settings)
        assert len(asked.asked) == CALLS_PER_RUN


def test_two_who_ask_the_same_at_once_do_not_meet(tmp_path: Path) -> None:
    insights = [make_insight()]
    with journal(tmp_path, "key", insights, lambda _: False) as first:
        with journal(tmp_path, "key", [], lambda _: False) as second:
            assert (first.folder.name, second.folder.name) == ("key", "key-2")
            assert first.request.diagnosis_id != second.request.diagnosis_id
            second.delete()
        assert not second.folder.exists()
    with journal(tmp_path, "key", [], lambda _: False) as again:
        assert again.request == first.request
    with journal(tmp_path, "key", [], first.request.diagnosis_id.__eq__) as new:
        assert new.request.diagnosis_id != first.request.diagnosis_id
        assert new.request.insights == ()
        (new.folder / "request.json").write_text("{")
    with journal(tmp_path, "key", insights, lambda _: False) as mended:
        assert mended.request.insights == tuple(insights)


def test_a_journal_that_was_left_behind_is_taken_up_whatever_its_number(tmp_path: Path) -> None:
    with journal(tmp_path, "key", [], lambda _: False) as first:
        with journal(tmp_path, "key", [], lambda _: False) as second:
            pass
        first.delete()
    with journal(tmp_path, "key", [], lambda _: False) as again:
        assert again.request == second.request


def test_one_journal_is_held_by_one_at_a_time_and_never_deleted_under_its_holder(tmp_path: Path) -> None:
    """Eight threads take journals of one question up and finish with them, as fast as they can."""

    def ask(_: int) -> int:
        lost = 0
        for _ in range(40):
            with journal(tmp_path, "key", [], lambda _: False) as held:
                reply = held.folder / "sample-1.jsonl"
                lost += reply.exists()
                reply.write_text("paid")
                lost += not (reply.exists() and (held.folder / "request.json").exists())
                held.delete()
        return lost

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(8))) == 0
    assert list(tmp_path.iterdir()) == []


def test_journals_that_nobody_took_up_are_deleted(tmp_path: Path) -> None:
    for key in ("old", "young"):
        with journal(tmp_path, key, [], lambda _: False):
            pass
    long_ago = time.time() - KEPT_FOR - 60
    os.utime(tmp_path / "old", (long_ago, long_ago))
    with journal(tmp_path, "new", [], lambda _: False):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "young"]


def test_an_unknown_run_is_told(store: Store) -> None:
    with pytest.raises(NotFound, match="no run 'nowhere'"):
        diagnose_run(store, store, "nowhere")


def test_who_meets_the_lock_leaves_the_diagnosis_in_the_inbox(store: Store) -> None:
    box = Inbox(store.workspace)
    asked = model()
    done = diagnose_run(store, box, "run-1", model=asked)
    assert store.diagnoses() == []
    again = diagnose_run(store, box, "run-1", model=asked)
    assert (again.diagnosis_id, len(asked.asked)) == (done.diagnosis_id, CALLS_PER_RUN), "its owner did not look yet"
    store.take_inbox()
    assert [row.diagnosis_id for row in store.diagnoses()] == [done.diagnosis_id]
    assert [one.text for one in store.insights()] == [LESSON]


def test_a_workspace_may_be_opened_for_the_moment_of_storing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
    with Store.open_for_reading(tmp_path) as reader:
        done = diagnose_run(reader, tmp_path, "run-1", model=model())
        with Store.open(tmp_path) as store:
            assert store.diagnosis(done.diagnosis_id) == done
            assert len(store.insights()) == 1


# --- a run from its files -----------------------------------------------------------------------------------


def test_a_folder_is_diagnosed_without_touching_it() -> None:
    path = SAMPLE_DATA / "swe-agent"
    found = next(path.rglob("*.traj"))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    run = folder_run(found, workspace=found.parent / "no-workspace")
    assert run.trajectory.steps
    asked = model(lambda *_: calling(("submit_diagnosis", {**ANSWER, "findings": [], "onset": []})))
    made = diagnose_folder(run, model=asked, insights=[make_insight(agent=run.trajectory.agent)])
    assert made.diagnosis.run_id == run.run_id
    assert made.transcript
    assert make_insight().text in words_of(asked)
    assert diagnose_folder(run).diagnosis.model == HEURISTIC
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_files_are_written_and_can_be_read_back(store: Store, tmp_path: Path) -> None:
    done = diagnose_run(store, store, "run-1", model=model())
    trajectory = evidence_of(store.load_run("run-1"))
    folder = tmp_path / "out" / "run-1"
    paths = write_outputs(done, trajectory, ["tracebench", "detailed", "rl_feedback", "tracebench"], folder)
    assert [path.name for path in paths] == [
        "codetracer_labels.json",
        "codetracer_analysis.json",
        "codetracer_rl_feedback.json",
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    file = read_labels(paths[0], Unsaid(annotator="some model"), read_at=NOON)
    said = {(label.event.step_id, label.event.value) for label in file.labels if label.event.field == "verdict"}
    assert said == {(3, "incorrect")}


@pytest.mark.parametrize("inside", [".", "out", "out/deeper"])
def test_nothing_is_written_among_the_evidence(tmp_path: Path, inside: str) -> None:
    evidence = tmp_path / "run"
    evidence.mkdir()
    trajectory = evidence_of(make_run())
    with pytest.raises(CodeTracerError, match="nothing is written among them"):
        write_outputs(make_diagnosis(), trajectory, ["detailed"], evidence / inside, evidence=evidence)
    assert list(evidence.iterdir()) == []
    file = tmp_path / "x.traj"
    file.touch()
    with pytest.raises(CodeTracerError, match="nothing is written among them"):
        write_outputs(make_diagnosis(), trajectory, ["detailed"], tmp_path, evidence=f"{file}#3")
    assert write_outputs(make_diagnosis(), trajectory, ["detailed"], tmp_path / inside / "beside", evidence=file)


def test_a_failed_diagnosis_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CodeTracerError, match="failed, there is nothing to write"):
        write_outputs(make_diagnosis(status="failed"), make_run().trajectory, ["detailed"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- many runs ----------------------------------------------------------------------------------------------


def rows_in(output: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (output / STATE_FILE).read_text().splitlines()]
    assert len({row["run_id"] for row in rows}) == len(rows)
    return {row["run_id"]: row for row in rows}


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_batch_diagnoses_each_run_once(store: Store, tmp_path: Path, parallel: int) -> None:
    asked, told = model(), []
    output = tmp_path / "out"
    report = batch(
        store,
        store,
        [*RUNS, "run-1"],
        model=asked,
        parallel=parallel,
        output=output,
        profiles=["tracebench"],
        on_item=told.append,
    )
    assert [row.run_id for row in report.rows] == RUNS
    assert report.counts == {"complete": 4}
    assert sorted(row.run_id for row in told) == RUNS
    assert len(asked.asked) == 4 * CALLS_PER_RUN == report.usage.calls
    assert LESSON not in words_of(asked), "the memory is that of the beginning"
    assert [one.text for one in report.learned.admitted] == [LESSON]
    assert {row.run_id for row in store.diagnoses()} == set(RUNS)
    assert {path.parent.name for path in output.rglob("codetracer_labels.json")} == set(RUNS)
    assert {name: row["status"] for name, row in rows_in(output).items()} == dict.fromkeys(RUNS, "complete")
    assert list(rows_in(output)) == RUNS
    assert list(store.workspace.journals.iterdir()) == []


def test_threads_may_open_the_workspace_each_for_its_moment(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        records = [make_run(f"run-{n}", text=f"of {n}") for n in range(12)]
        store.add_runs(records, decisions=[decide(record) for record in records])
    with Store.open_for_reading(tmp_path) as reader:
        run_ids = [run.run_id for run in reader.runs()]
        assert batch(reader, tmp_path, run_ids, model=model(), parallel=6).counts == {"complete": 12}
    with Store.open_for_reading(tmp_path) as reader:
        assert len(reader.diagnoses()) == 12
        assert len(reader.insights()) == 1
        assert batch(reader, tmp_path, run_ids, model=model()).counts == {"done before": 12}


def test_what_is_done_is_not_done_again(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = batch(store, store, RUNS[:2], model=model(), settings=DiagnosisSettings(use_memory=False))
    asked = model()

    def resumed(**more: Any) -> BatchReport:
        settings = DiagnosisSettings(use_memory=False)
        return batch(store, store, RUNS, model=asked, settings=settings, output=output, profiles=["detailed"], **more)

    report = resumed()
    assert report.counts == {"done before": 2, "complete": 2}
    assert len(asked.asked) == 2 * CALLS_PER_RUN == report.usage.calls
    assert [row.diagnosis_id for row in report.rows[:2]] == [row.diagnosis_id for row in first.rows]
    assert len(list(output.rglob("codetracer_analysis.json"))) == 4, "also of what was done before"
    assert resumed().counts == {"done before": 4}
    assert [row["was_done"] for row in rows_in(output).values()] == [True, True, False, False]
    assert resumed(again=True).counts == {"complete": 4}
    assert len(store.diagnoses()) == 8


def test_the_state_file_knows_what_waits_in_the_inbox(store: Store, tmp_path: Path) -> None:
    box, asked = Inbox(store.workspace), model()
    for counts in ({"complete": 4}, {"done before": 4}):
        report = batch(store, box, RUNS, model=asked, output=tmp_path / "out", profiles=["tracebench"])
        assert report.counts == counts
    assert len(asked.asked) == 4 * CALLS_PER_RUN
    assert store.diagnoses() == []


def test_one_bad_run_is_a_row_and_the_others_are_done(store: Store, tmp_path: Path) -> None:
    file = next(store.workspace.trajectories.glob("*.parquet"))
    file.write_bytes(b"broken")
    report = batch(store, store, [*RUNS, "nowhere"], output=tmp_path / "out", parallel=2)
    assert report.counts == {"complete": 3, "failed": 2}
    failed = {row.run_id: row.reason for row in report.rows if row.status == "failed"}
    assert "there is no run 'nowhere'" in failed.pop("nowhere")
    assert "cannot be read" in next(iter(failed.values()))
    assert rows_in(tmp_path / "out")["nowhere"]["status"] == "failed"


def test_runs_that_failed_are_tried_again(store: Store) -> None:
    dead = model(breaking_after(1, ModelError("the provider is gone")))
    report = batch(store, store, RUNS, model=dead)
    assert report.counts == {"failed": 4}
    assert "the provider is gone" in report.rows[0].reason
    asked = model()
    assert batch(store, store, RUNS, model=asked).counts == {"complete": 4}
    assert len(asked.asked) == 4 * (CALLS_PER_RUN - 1), "the first call of each is in its journal"


def test_the_limit_of_total_cost_holds_over_a_resumed_batch(store: Store, tmp_path: Path) -> None:
    one = batch(store, store, RUNS[:1], model=model(), again=True, settings=DiagnosisSettings(cost_limit_usd=99.0))
    cost = one.usage.cost_usd
    assert cost
    asked = model(name="other")

    def limited(limit: float) -> BatchReport:
        settings = DiagnosisSettings(cost_limit_usd=99.0)
        return batch(
            store,
            store,
            RUNS,
            model=asked,
            settings=settings,
            total_cost_limit=limit,
            output=tmp_path / "out",
            profiles=["tracebench"],
        )

    report = limited(cost * 1.4)
    assert [row.status for row in report.rows] == ["complete", "cancelled", "not started", "not started"]
    words = f"the limit of {cost * 1.4:.2f} USD for the whole batch was reached"
    assert report.rows[1].reason == report.rows[2].reason == words
    paid = len(asked.asked)
    assert limited(cost * 1.4).counts == {"done before": 1, "not started": 3}
    assert len(asked.asked) == paid
    assert limited(cost * 99).counts == {"done before": 1, "complete": 3}
    assert len(asked.asked) == 4 * CALLS_PER_RUN, "nothing was paid twice"


def test_the_limit_of_total_cost_counts_every_try(store: Store, tmp_path: Path) -> None:
    """What fails is asked and paid for anew by each call; the limit sees all of it."""
    talking = model(lambda *_: Reply(text="hm"), price=Price(prompt=1.0, completion=1.0))
    paid = 0.0
    for _ in range(3):
        report = batch(store, store, RUNS[:1], model=talking, output=tmp_path / "out", total_cost_limit=1.0)
        assert report.counts == {"failed": 1}
        paid += report.usage.cost_usd or 0.0
    assert rows_in(tmp_path / "out")["run-1"]["paid_usd"] == pytest.approx(paid)
    report = batch(store, store, RUNS, model=talking, output=tmp_path / "out", total_cost_limit=paid)
    assert report.counts == {"not started": 4}


def test_what_was_cut_off_goes_on_although_the_state_file_knows_it(store: Store, tmp_path: Path) -> None:
    settings = DiagnosisSettings(samples=2, cost_limit_usd=99.0, use_memory=False)
    calls = iter(range(99))

    def answer(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        if next(calls) > CALLS_PER_RUN:  # in the second call of the second sample
            raise ModelError("the provider is gone")
        return next_reply(messages, tools)

    first = batch(store, store, RUNS[:1], model=model(answer), settings=settings, output=tmp_path / "out")
    assert (first.rows[0].status, first.rows[0].goes_on) == ("partial", True)
    asked = model()
    report = batch(store, store, RUNS[:1], model=asked, settings=settings, output=tmp_path / "out")
    assert report.counts == {"complete": 1}
    assert len(asked.asked) == CALLS_PER_RUN - 1
    assert report.rows[0].paid_usd == pytest.approx(report.usage.cost_usd), "each call is counted once"


def test_a_limit_that_cannot_be_kept_is_told(store: Store) -> None:
    report = batch(store, store, RUNS[:1], model=model(price=None), total_cost_limit=0.01)
    assert "could not be kept" in report.notes[0]
    assert report.usage.cost_usd is None
    assert batch(store, store, RUNS[:1], model=model(), total_cost_limit=99.0).notes == ()


def test_a_batch_is_cancelled_with_what_it_has(store: Store, tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[BatchRow] = []

    def on_item(row: BatchRow) -> None:
        seen.append(row)
        stop.set()

    report = batch(store, store, RUNS, model=model(), output=tmp_path / "out", on_item=on_item, cancelled=stop.is_set)
    assert report.counts == {"complete": 1, "not started": 3}
    assert {row.reason for row in report.rows[1:]} == {"the batch was cancelled"}
    assert batch(store, store, RUNS, model=model(), output=tmp_path / "out").counts["done before"] == 1


def test_a_callers_mistake_stops_the_batch_and_loses_nothing(store: Store, tmp_path: Path) -> None:
    def on_item(_: BatchRow) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        batch(store, store, RUNS, model=model(), output=tmp_path / "out", on_item=on_item)
    assert rows_in(tmp_path / "out")["run-1"]["status"] == "complete"
    assert len(store.diagnoses()) == 1
    assert len(store.insights()) == 1


def test_a_damaged_state_file_is_told_and_half_a_line_is_dropped(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out"
    batch(store, store, RUNS, model=model(), output=output)
    state = output / STATE_FILE
    whole = state.read_bytes()
    state.write_bytes(whole + b'{"run_id": "run-9", "sta')
    assert batch(store, store, RUNS, model=model(), output=output).counts == {"done before": 4}
    assert state.read_bytes() == whole
    state.write_bytes(b"{}\n" + whole)
    with pytest.raises(CodeTracerError, match="line 1: this is no row of a batch"):
        batch(store, store, RUNS, output=output)


def test_the_runs_of_a_benchmark_have_its_names(store: Store, tmp_path: Path) -> None:
    named = make_run("run-9", record={"benchmark": {"traj_id": "../bench/9"}})
    store.add_runs([named], decisions=[decide(named)])
    report = batch(store, store, ["run-9"], output=tmp_path / "out", profiles=["tracebench"])
    (row,) = report.rows
    assert row.traj_id == "../bench/9"
    assert row.folder is not None
    assert row.folder.startswith("run-"), "a name that is no plain one never becomes a path"
    assert (tmp_path / "out" / row.folder / "codetracer_labels.json").exists()


# --- killed, against a real server --------------------------------------------------------------------------


class Counting:
    """Answers each conversation as ``next_reply`` would; from ``hold_from`` answers on it falls silent."""

    def __init__(self, hold_from: int) -> None:
        self.hold_from: int | None = hold_from
        self.answered: list[str] = []
        self.held = 0
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Behaviour:
        with self._lock:
            if self.hold_from is not None and len(self.answered) >= self.hold_from:
                self.held += 1
                return Hang()
            self.answered.append(asked.text)
        said = sum(message["role"] == "assistant" for message in asked.messages)
        if said < CALLS_PER_RUN - 1:
            return Say(calls=(Call("read_steps", {"steps": [said + 1]}),))
        return Say(calls=(Call("submit_diagnosis", ANSWER),))


def test_a_killed_batch_resumes_and_pays_no_call_twice(tmp_path: Path) -> None:
    workspace, output = tmp_path / "workspace", tmp_path / "out"
    run_ids = [f"run-{n}" for n in range(8)]
    with Store.open(workspace) as store:
        records = [make_run(run_id, text=f"of {run_id}") for run_id in run_ids]
        store.add_runs(records, decisions=[decide(record) for record in records])
    script = Counting(hold_from=4)
    with ModelServer(script) as server:
        for hold_from in (4, 11):  # killed twice, each time with two calls under way
            script.hold_from, script.held = hold_from, 0
            with child(children.diagnose_all, workspace, output, server.url) as (process, _):
                deadline = time.monotonic() + 60
                while script.held < 2:
                    assert time.monotonic() < deadline, "the child is stuck"
                    assert process.is_alive()
                    time.sleep(0.02)
                process.kill()
                process.join()
        script.hold_from = None
        with Store.open(workspace) as store:
            finished = len(store.diagnoses())
            asked = open_model("scripted", api_base=server.url, price=Price(prompt=1.0, completion=1.0))
            report = batch(store, store, run_ids, model=asked, parallel=2, output=output, profiles=["tracebench"])
            assert 0 < finished < 8
            assert report.counts == {"done before": finished, "complete": 8 - finished}
            assert len(script.answered) == len(set(script.answered)) == 8 * CALLS_PER_RUN
            rows = store.diagnoses()
            assert {(row.run_id, row.status, row.calls) for row in rows} == {
                (run_id, "complete", CALLS_PER_RUN) for run_id in run_ids
            }
            assert len(rows) == 8
            assert [one.text for one in store.insights()] == [LESSON], "what those taught that were killed is not lost"
    assert {path.parent.name for path in output.rglob("codetracer_labels.json")} == set(run_ids)
    assert list(Workspace(workspace).journals.iterdir()) == []
    assert {name: row["usage"]["calls"] for name, row in rows_in(output).items()} == dict.fromkeys(run_ids, 3)
