"""Diagnoses in the store: rows, labels as a pass of their own, transcripts, insights."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from codetracer_core.diagnosis_models import (
    HEURISTIC,
    CallUsage,
    ChainLink,
    Citation,
    DecisionPoint,
    DiagnosisSettings,
    EvidenceCheck,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.errors import CodeTracerError, NotFound, UnreadableFile
from codetracer_core.models import EvidenceQuote, Stage
from codetracer_core.store import Diagnosed, Inbox, Store, Workspace
from codetracer_core.store.diagnoses import transcript_name
from codetracer_core.store.inbox import open_parcel
from tests.store import children
from tests.store.factory import NOON, decide, make_insight, make_label, make_run
from tests.store.factory import make_diagnosis as diagnosed
from tests.store.test_kill import kill_in_the_midst
from tests.store.test_processes import child

TRANSCRIPT = [{"sample": 1, "phase": "investigate", "kind": "call", "text": "…\ud800"}, {"n": 2}]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path) as opened:
        record = make_run()
        opened.add_runs([record], decisions=[decide(record)])
        yield opened


def test_a_diagnosis_comes_back_whole_with_its_transcript(store: Store) -> None:
    given = diagnosed()
    added = store.add_diagnosis(given, TRANSCRIPT, request="abc")
    assert added == Diagnosed("added", 1)
    assert store.diagnosis(given.diagnosis_id) == given
    assert store.transcript(given.diagnosis_id) == TRANSCRIPT
    (row,) = store.diagnoses()
    assert row._asdict() == {
        "diagnosis_id": given.diagnosis_id,
        "run_id": "run-1",
        "model": "openai/some",
        "strategy": "agent",
        "author": "openai/some (agent)",
        "pass_number": 1,
        "status": "complete",
        "status_reason": "",
        "conclusion": "error_found",
        "onset": 3,
        "incorrect": 1,
        "unuseful": 0,
        "unsupported": 1,
        "samples_finished": 1,
        "calls": 5,
        "prompt_tokens": 1200,
        "completion_tokens": 60,
        "cached_tokens": 0,
        "cost_usd": pytest.approx(0.03),
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=90),
        "request": "abc",
        "outdated": False,
    }
    assert row.duration_seconds == 90


def test_its_labels_stand_beside_those_of_people(store: Store) -> None:
    given = diagnosed()
    store.add_diagnosis(given, TRANSCRIPT)
    said = {(event.step_id, event.field): event for event in store.labels("run-1", source="model")}
    assert {key: event.value for key, event in said.items() if key[1] != "details"} == {
        (None, "onset"): 3,
        (None, "run_verdict"): "has_error",
        (3, "verdict"): "incorrect",
        (3, "chain"): True,
        (5, "chain"): True,
    }
    (details,) = [event.value for key, event in said.items() if key[1] == "details"]
    assert details["reason"] == "It edits the wrong file."
    assert [quote["text"] for quote in details["quotes"]] == ["sed -i s/3"]
    assert {event.annotator for event in said.values()} == {"openai/some (agent)"}
    assert store.runs()[0].model_labels == 1


def test_a_repetition_is_a_pass_of_its_own_and_the_same_one_changes_nothing(store: Store) -> None:
    first, second, other = diagnosed(), diagnosed(finding=5), diagnosed(model=HEURISTIC)
    assert store.add_diagnosis(first, []).pass_number == 1
    assert store.add_diagnosis(second, []).pass_number == 2
    assert store.add_diagnosis(first, [{"other": "transcript"}]) == Diagnosed("unchanged", 1)
    assert store.transcript(first.diagnosis_id) == []
    assert store.add_diagnosis(other, []).pass_number == 1
    marks = store.step_labels("run-1")
    assert [(mark.annotator, mark.pass_number) for mark in marks[3].model] == [
        (HEURISTIC, 1),
        ("openai/some (agent)", 1),
    ]
    assert [mark.pass_number for mark in marks[5].model] == [2]
    assert [row.diagnosis_id for row in store.diagnoses(authors=["openai/some (agent)"])] == [
        second.diagnosis_id,
        first.diagnosis_id,
    ]


def test_predictions_imported_under_the_same_name_are_not_overwritten(store: Store) -> None:
    store.add_label_events([make_label(1, source="model", annotator="openai/some (agent)", step_id=3)])
    assert store.add_diagnosis(diagnosed(), []).pass_number == 2


def test_what_failed_has_no_labels_and_what_was_stopped_judges_no_run(store: Store) -> None:
    failed = diagnosed(status="failed", status_reason="the server is gone")
    assert store.add_diagnosis(failed, []) == Diagnosed("added", None)
    assert store.labels("run-1") == []
    store.add_diagnosis(diagnosed(status="cancelled"), [])
    fields = {event.field for event in store.labels("run-1")}
    assert "verdict" in fields
    assert "run_verdict" not in fields
    assert [(row.status, row.pass_number) for row in store.diagnoses()] == [("cancelled", 1), ("failed", None)]


def test_diagnoses_of_runs_to_which_one_stands_blind_are_left_out(store: Store) -> None:
    record = make_run("run-2")
    store.add_runs([record], decisions=[decide(record)])
    for run_id in ("run-1", "run-2"):
        store.add_diagnosis(diagnosed(run_id=run_id), [])
    assert [row.run_id for row in store.diagnoses(blind={"run-1"})] == ["run-2"]
    assert [row.run_id for row in store.diagnoses(["run-1"])] == ["run-1"]
    assert store.diagnoses(["run-1"], blind={"run-1"}) == []
    assert store.diagnoses([]) == []


def test_unknown_runs_and_steps_are_refused_and_leave_nothing(store: Store) -> None:
    with pytest.raises(NotFound, match="no run 'elsewhere'"):
        store.add_diagnosis(diagnosed(run_id="elsewhere"), TRANSCRIPT)
    for changed in (
        {"finding": 6},
        {"stages": (Stage(stage_id=1, start_step_id=1, end_step_id=6),)},
        {"read_steps": (1, 6)},
        {"decision_points": (DecisionPoint(step_id=6, decision="a", should_have="b"),)},
    ):
        with pytest.raises(NotFound, match="has 5 steps here, the diagnosis speaks of step 6"):
            store.add_diagnosis(diagnosed(**changed), TRANSCRIPT)
    assert store.diagnoses() == []
    assert not store.workspace.diagnoses.exists()


@pytest.mark.parametrize("name", ["../../x", "", "A" * 32, "0" * 31, "0" * 32 + "/x", f"{'0' * 32}\n"])
def test_an_id_that_is_no_uuid_becomes_no_file_name(store: Store, name: str) -> None:
    with pytest.raises(CodeTracerError, match="is no id of a diagnosis"):
        store.add_diagnosis(diagnosed(diagnosis_id=name), [])
    with pytest.raises(NotFound):
        store.transcript(name)


def test_nothing_that_a_model_says_makes_a_diagnosis_unstorable(store: Store) -> None:
    text = "\ud800 \x00 <b>{x}</b> " + "x" * 30_000
    quote = EvidenceQuote.of(3, "action", 0, "sed ")
    citations = (*(Citation(step_id=3, text=text, quote=quote) for _ in range(30)), Citation(step_id=3, text=text))
    given = diagnosed(
        model="a/\udfff",
        status_reason=text,
        summary=text,
        case_for_clean_run=text,
        correct_strategy=text,
        onset=(OnsetCandidate(step_id=2, reasoning=text),),
        findings=(
            StepFinding(step_id=3, verdict="incorrect", reasoning=text, correct_alternative=text, citations=citations),
            StepFinding(step_id=4, verdict="unuseful", reasoning=text),
        ),
        error_chain=(ChainLink(step_id=3, what=text), ChainLink(step_id=3, what=text)),
        decision_points=(DecisionPoint(step_id=2, decision=text, should_have=text),),
        evidence=EvidenceCheck(quotes=10**30),
        usage={text: CallUsage(calls=10**30, prompt_tokens=10**30, cost_usd=float("inf"))},
    )
    added = store.add_diagnosis(given, [{"kind": text, text: [float("nan"), 10**40]}])
    assert added == Diagnosed("added", 1)
    (row,) = store.diagnoses()
    assert (row.model, row.cost_usd, row.calls) == ("a/�", None, 2**63 - 1)
    back = store.diagnosis(given.diagnosis_id)
    assert back.summary == text.replace("\ud800", "�")
    assert len(back.findings[0].citations) == 31
    (details,) = [event.value for event in store.labels("run-1") if event.field == "details"]
    assert len(details["reason"]) == 10_000
    assert len(details["quotes"]) == 20
    (entry,) = store.transcript(given.diagnosis_id)
    assert entry["kind"] == text


def test_other_evidence_makes_a_diagnosis_outdated(store: Store) -> None:
    store.add_diagnosis(diagnosed(), [])
    longer = make_run(steps=7)
    store.add_runs([longer], decisions=[decide(longer)])
    assert [row.outdated for row in store.diagnoses()] == [True]
    store.add_diagnosis(diagnosed(finding=7), [], evidence_hash=longer.evidence_hash)
    store.add_diagnosis(diagnosed(finding=3), [], evidence_hash="that of the run as it was read then")
    assert [row.outdated for row in store.diagnoses()] == [True, False, True]


def test_a_snapshot_knows_new_diagnoses_and_insights(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
        store.write_snapshot()
        given = diagnosed(status="failed")  # without labels, so that nothing else tells of it
        store.add_diagnosis(given, TRANSCRIPT)
        assert store.write_snapshot()
        store.add_insights([make_insight()])
        assert store.write_snapshot()
        store.change_insight(make_insight().insight_id, person="ana", enabled=False)
        assert store.write_snapshot()
        assert not store.write_snapshot()
    with Store.open_for_reading(tmp_path) as reader:
        assert reader.diagnosis(given.diagnosis_id) == given
        assert reader.transcript(given.diagnosis_id) == TRANSCRIPT
        assert [(one.author, one.enabled) for one in reader.insights()] == [("ana", False)]


def test_a_damaged_transcript_is_told(store: Store) -> None:
    given = diagnosed()
    store.add_diagnosis(given, TRANSCRIPT)
    path = store.workspace.diagnoses / transcript_name(given.diagnosis_id)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFile, match="transcript cannot be read"):
        store.transcript(given.diagnosis_id)
    path.unlink()
    with pytest.raises(NotFound, match="no transcript"):
        store.transcript(given.diagnosis_id)


def test_a_diagnosis_of_another_version_is_told(tmp_path: Path) -> None:
    given = diagnosed()
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
        store.add_diagnosis(given, [])
    with duckdb.connect(str(Workspace(tmp_path).database)) as connection:
        content = json.dumps(json.loads(given.model_dump_json()) | {"colour": "red"})
        connection.execute("UPDATE diagnosis SET content = ?", [content])
    with Store.open(tmp_path) as store, pytest.raises(UnreadableFile, match="another version"):
        store.diagnosis(given.diagnosis_id)


def test_opening_deletes_transcripts_without_a_diagnosis(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
        given = diagnosed()
        store.add_diagnosis(given, [])
        journal = store.workspace.journals / "key" / "sample-1.jsonl"
        journal.parent.mkdir(parents=True)
        journal.touch()
        for name in (transcript_name(uuid4().hex), "x.part"):
            (store.workspace.diagnoses / name).touch()
    with Store.open(tmp_path):
        left = {path.name for path in store.workspace.diagnoses.iterdir()}
    assert left == {transcript_name(given.diagnosis_id), "journals"}
    assert journal.exists()


def test_who_meets_the_lock_leaves_diagnoses_and_insights_for_the_owner(tmp_path: Path) -> None:
    with Store.open(tmp_path, purpose="dashboard") as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
        with child(children.leave_diagnoses, tmp_path) as (_, heard):
            assert heard.poll(30)
            good, bad, insight, added = heard.recv()
        assert added == Diagnosed("queued")
        assert store.diagnoses() == []
        taken = store.take_inbox()
        assert [bool(one.error) for one in taken] == [False, True, False, False]
        assert "speaks of step 99" in taken[1].error
        assert [row.diagnosis_id for row in store.diagnoses()] == [good.diagnosis_id]
        assert store.diagnosis(good.diagnosis_id) == good
        assert store.transcript(good.diagnosis_id) == [{"kind": "call"}]
        assert store.insights() == [insight]
        (parcel,) = store.workspace.refused.glob("*.zst")
        packed = open_parcel(parcel).diagnosed
        assert packed is not None
        assert packed.diagnosis == bad, "nothing that was paid for is lost"


def test_killed_while_diagnoses_are_stored(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
    moments = random.Random(24)
    said: set[str] = set()
    for number in range(8):
        acts = kill_in_the_midst(children.diagnose_until_killed, tmp_path, f"model-{number}", moments)
        said |= {name for what, name, _ in acts if what == "diagnosis"}
    with Store.open(tmp_path) as store:
        rows = store.diagnoses()
        assert said <= {row.diagnosis_id for row in rows}
        for row in rows:
            assert store.transcript(row.diagnosis_id) == [{"text": "x" * 5000}] * 20
            labels = store.labels("run-1", source="model", annotator=row.author, pass_number=row.pass_number)
            assert {event.client for event in labels} == {f"diagnosis-{row.diagnosis_id}"}
            assert len(labels) == 6
        assert len({(row.author, row.pass_number) for row in rows}) == len(rows)
        assert len(list(store.workspace.diagnoses.glob("*.zst"))) == len(rows)
    assert len(said) > 8


def test_insights_are_kept_by_the_rules_of_memory(store: Store) -> None:
    first = make_insight()
    learned = store.add_insights([first, make_insight(text=first.text.upper()), make_insight(agent="other")])
    assert [one.agent for one in learned.admitted] == ["SWE-agent", "other"]
    assert len(learned.refused) == 1
    assert store.add_insights([first]).admitted == ()
    assert store.insights("SWE-agent") == [first]
    assert [one.agent for one in store.insights(enabled=True)] == ["SWE-agent", "other"]
    assert store.insights(enabled=False) == []


def test_a_person_changes_an_insight(store: Store) -> None:
    first = make_insight()
    other = make_insight(text="It declares victory before any test has been run at all.")
    store.add_insights([first, other])
    changed = store.change_insight(first.insight_id, person="ana", text=" It edits files it has never read before. ")
    assert (changed.author, changed.by_person, changed.enabled) == ("ana", True, True)
    assert changed.run_id == first.run_id, "where it comes from stays"
    assert store.change_insight(other.insight_id, person="bob", enabled=False).text == other.text
    assert [one.insight_id for one in store.insights(enabled=True)] == [first.insight_id]
    assert store.insights(ids=[first.insight_id]) == [changed]
    with pytest.raises(CodeTracerError, match="says the same as"):
        store.change_insight(first.insight_id, person="ana", text=other.text)
    with pytest.raises(CodeTracerError, match="20 to 1,000 characters"):
        store.change_insight(first.insight_id, person="ana", text="short")
    with pytest.raises(NotFound, match="no insight"):
        store.change_insight("unknown", person="ana", enabled=True)


def test_old_insights_of_models_make_room_and_can_still_be_looked_up(store: Store) -> None:
    rng = random.Random(1)
    # Few letters in common: what texts share is soon told then.
    alphabets = [[chr(0x4E00 + 20 * n + at) for at in range(20)] for n in range(60)]
    many = [
        make_insight(
            text=" ".join("".join(rng.choices(letters, k=7)) for _ in range(120))[:1000],
            created_at=NOON + timedelta(minutes=n),
        )
        for n, letters in enumerate(alphabets)
    ]
    learned = store.add_insights(many)
    held = store.insights("SWE-agent")
    assert sum(len(one.text) for one in held) <= 50_000
    assert held[-1] == many[-1]
    assert learned.admitted == tuple(held)
    more = [make_insight(text=one.text[::-1], created_at=NOON + timedelta(days=1)) for one in many[:20]]
    learned = store.add_insights(more)
    assert learned.dropped
    assert learned.dropped == tuple(held[: len(learned.dropped)]), "the oldest"
    assert store.insights(ids=[held[0].insight_id]) == [held[0]]
    assert held[0] not in store.insights()


def test_the_inbox_takes_what_the_store_takes(tmp_path: Path) -> None:
    box = Inbox(Workspace(tmp_path))
    with pytest.raises(CodeTracerError, match="no id of a diagnosis"):
        box.add_diagnosis(diagnosed(diagnosis_id="x"), [])
    given = diagnosed(summary="\ud800")
    box.add_diagnosis(given, TRANSCRIPT, evidence_hash="h", request="r")
    box.add_insights([])
    with Store.open(tmp_path) as store:
        assert store.diagnoses() == []
    (reason,) = Workspace(tmp_path).refused.glob("*.reason.txt")
    assert "there is no run 'run-1'" in reason.read_text()


def test_settings_survive(store: Store) -> None:
    given = diagnosed(settings=DiagnosisSettings(strategy="binary_search", samples=3, temperature=0.5))
    store.add_diagnosis(given, [])
    assert store.diagnosis(given.diagnosis_id).settings == given.settings
    assert store.diagnoses()[0].strategy == "binary_search"
