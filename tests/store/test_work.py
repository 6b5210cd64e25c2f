"""Projects, claims, submission and passes in a real database."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.store.work import claim_next
from tests.store.factory import decide, make_label, make_run

RUNS = [f"run-{n}" for n in range(1, 13)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        runs = [make_run(run_id, 4) for run_id in RUNS]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        yield opened


def project(**settings: Any) -> Project:
    return Project(**{"project_id": "pilot", "created_at": datetime.now(UTC)} | settings)


def label(store: Store, annotator: str, sequence: int, *, run_id: str = "run-1", **fields: Any) -> None:
    event = make_label(sequence, run_id=run_id, annotator=annotator, client=f"{annotator} {run_id}", **fields)
    assert store.add_human_labels([event]).refused == ()


def verdicts(store: Store, annotator: str, pass_number: int, run_id: str = "run-1") -> dict[int | None, Any]:
    found = store.labels(run_id, source="human", annotator=annotator, pass_number=pass_number)
    return {one.step_id: one.value for one in found if one.field == "verdict"}


def later(store: Store, project_id: str, annotator: str, hours: float) -> str | None:
    """What somebody who comes so many hours later would get."""
    with store._transaction() as cursor:
        found = claim_next(cursor, project_id, annotator, now=datetime.now(UTC) + timedelta(hours=hours))
    return found and found.run_id


def test_runs_are_handed_out_in_order_and_to_nobody_twice(store: Store) -> None:
    store.create_project(project(annotators_per_run=1), RUNS[:3])
    assert [store.claim_next("pilot", who).run_id for who in ("ann", "bob", "ann")] == RUNS[:3]  # type: ignore[union-attr]
    assert store.claim_next("pilot", "bob") is None


def test_how_many_runs_are_left_follows_what_others_take(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, annotators=("ann", "bob")), RUNS[:3])
    assert [store.left_for("pilot", who) for who in ("ann", "bob", "eve")] == [3, 3, 0]
    store.claim_next("pilot", "ann")
    assert [store.left_for("pilot", who) for who in ("ann", "bob")] == [2, 2]
    label(store, "bob", 1, run_id="run-2", step_id=None, field="shown", value="ground_truth")
    assert [store.left_for("pilot", who) for who in ("ann", "bob")] == [2, 1]
    store.change_project(store.project("pilot").model_copy(update={"is_open": False}))
    assert store.left_for("pilot", "ann") == 0
    with pytest.raises(NotFound):
        store.left_for("nothing", "ann")


def test_many_at_once_get_each_run_as_often_as_wanted(store: Store) -> None:
    store.create_project(project(annotators_per_run=3, order="shuffled"), RUNS)
    people = [f"person {n}" for n in range(8)]

    def work(who: str) -> None:
        while (got := store.claim_next("pilot", who)) is not None:
            store.submit("pilot", got.run_id, who)

    threads = [threading.Thread(target=work, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = Counter((one.run_id, one.annotator) for one in store.assignments("pilot"))
    assert set(pairs.values()) == {1}
    assert Counter(run_id for run_id, _ in pairs) == dict.fromkeys(RUNS, 3)


def test_many_at_once_lose_no_label(store: Store) -> None:
    store.create_project(project(annotators_per_run=2), RUNS[:6])
    people = [f"person {n}" for n in range(8)]

    def work(who: str) -> list[tuple[str, str, int]]:
        said = []
        while (got := store.claim_next("pilot", who)) is not None:
            for step in range(1, 5):
                label(store, who, step, run_id=got.run_id, step_id=step)
                said.append((got.run_id, who, step))
            store.submit("pilot", got.run_id, who)
        return said

    with ThreadPoolExecutor(8) as threads:
        said = [act for acts in threads.map(work, people) for act in acts]
    labels = store.labels(source="human")
    assert sorted((one.run_id, one.annotator, one.step_id) for one in labels) == sorted(said)
    assert {(one.pass_number, one.exposure) for one in labels} == {(1, "none")}
    assert len(said) == 6 * 2 * 4
    assert [one.labelled for one in store.assignments("pilot")] == [4] * 12


def test_an_expired_claim_goes_to_somebody_else_and_can_be_taken_up_again(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, claim_hours=2), RUNS[:1])
    store.claim_next("pilot", "ann")
    assert later(store, "pilot", "bob", 1.9) is None
    assert later(store, "pilot", "ann", 2.1) == "run-1"
    assert later(store, "pilot", "bob", 4.2) == "run-1"
    label(store, "ann", 1)
    assert store.submit("pilot", "run-1", "ann")[0].annotator == "ann", "what was labelled is never turned away"


def test_a_late_label_does_not_revive_a_claim_whose_place_is_taken(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, claim_hours=2), RUNS[:1])
    store.claim_next("pilot", "ann")
    assert later(store, "pilot", "bob", 2.1) == "run-1"
    label(store, "ann", 1)
    assert [(one.annotator, one.state) for one in store.assignments("pilot")] == [
        ("ann", "expired"),
        ("bob", "assigned"),
    ]
    assert verdicts(store, "ann", 1) == {1: "incorrect"}, "it is stored all the same"


def test_what_is_taken_back_is_free_again(store: Store) -> None:
    store.create_project(project(annotators_per_run=1), RUNS[:1])
    store.claim_next("pilot", "ann")
    store.release("pilot", "run-1", "ann")
    assert [one.state for one in store.assignments("pilot")] == ["expired"]
    assert store.claim_next("pilot", "bob") is not None
    store.release("pilot", "run-1", "bob")
    again = store.claim_next("pilot", "ann")
    assert again is not None
    assert (again.run_id, again.pass_number, again.state) == ("run-1", 1, "assigned")
    with pytest.raises(NotFound):
        store.release("pilot", "run-2", "ann")


def test_runs_are_shared_out_ahead_of_time(store: Store) -> None:
    store.create_project(project(annotators_per_run=2), RUNS)
    first = store.assign("pilot", ["ann", "bob", "cy"], each=4)
    assert Counter(one.annotator for one in first) == {"ann": 4, "bob": 4, "cy": 4}
    assert store.assign("pilot", ["ann", "bob", "cy"], each=4) == [], "nothing new the second time"
    store.skip("pilot", first[0].run_id, "ann", reason="no")
    assert [one.annotator for one in store.assign("pilot", ["ann", "bob", "cy"], each=4)] == ["ann"]
    store.assign("pilot", ["ann", "bob", "cy"])
    held = [one for one in store.assignments("pilot") if one.state != "skipped"]
    assert Counter(one.run_id for one in held) == dict.fromkeys(RUNS, 2)
    assert Counter(one.annotator for one in held) == {"ann": 8, "bob": 8, "cy": 8}
    assert store.claim_next("pilot", "ann") is None
    assert store.claim_next("pilot", "dee") is None


def test_only_who_takes_part_gets_runs(store: Store) -> None:
    store.create_project(project(annotators=("ann", "bob")), RUNS[:1])
    with pytest.raises(CodeTracerError, match="'cy' does not take part"):
        store.claim_next("pilot", "cy")
    with pytest.raises(CodeTracerError, match="'cy' does not take part"):
        store.assign("pilot", ["ann", "cy"])
    with pytest.raises(CodeTracerError, match="people with a name"):
        store.claim_next("pilot", " ")
    assert store.assignments("pilot") == []


def test_an_act_keeps_a_claim_alive(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, claim_hours=2), RUNS[:1])
    before = store.claim_next("pilot", "ann")
    label(store, "ann", 1)
    (after,) = store.assignments("pilot")
    assert before is not None
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert (before.state, after.state) == ("assigned", "in_progress")
    assert after.expires_at > before.expires_at


def test_a_skipped_run_goes_to_somebody_else_and_not_back(store: Store) -> None:
    store.create_project(project(annotators_per_run=1), RUNS[:1])
    store.claim_next("pilot", "ann")
    with pytest.raises(CodeTracerError, match="needs a reason"):
        store.skip("pilot", "run-1", "ann", reason=" ")
    store.skip("pilot", "run-1", "ann", reason="the task is in a language I cannot read")
    assert store.claim_next("pilot", "ann") is None
    assert store.claim_next("pilot", "bob") is not None
    skipped, _ = store.assignments("pilot")
    assert (skipped.state, skipped.skip_reason) == ("skipped", "the task is in a language I cannot read")
    with pytest.raises(NotFound):
        store.submit("pilot", "run-1", "ann")


def test_whoever_saw_labels_of_a_run_does_not_get_it(store: Store) -> None:
    store.create_project(project(), RUNS[:2])
    label(store, "ann", 1, step_id=None, field="shown", value="ground_truth")
    assert store.claim_next("pilot", "ann").run_id == "run-2"  # type: ignore[union-attr]


def test_submitting_can_declare_the_rest_correct(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1, step_id=2)
    assignment, declared = store.submit("pilot", "run-1", "ann", rest_is_correct=True)
    assert (assignment.labelled, declared) == (1, 3)
    assert verdicts(store, "ann", 1) == {1: "correct", 2: "incorrect", 3: "correct", 4: "correct"}
    assert [one.state for one in store.assignments("pilot")] == ["submitted"]
    with pytest.raises(NotFound, match="another window"):
        store.submit("pilot", "run-1", "ann")


def test_the_rest_is_not_correct_where_the_project_has_no_such_verdict(store: Store) -> None:
    store.create_project(project(verdicts=("incorrect", "unuseful")), RUNS[:1])
    store.claim_next("pilot", "ann")
    with pytest.raises(CodeTracerError, match="does not offer the verdict correct"):
        store.submit("pilot", "run-1", "ann", rest_is_correct=True)
    (one,) = store.assignments("pilot")
    assert (one.state, verdicts(store, "ann", 1)) == ("assigned", {})
    store.submit("pilot", "run-1", "ann")


def test_time_on_task_alone_begins_nothing_and_revises_nothing(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1, field="worked", step_id=None, value=60)
    (one,) = store.assignments("pilot")
    assert (one.state, one.last_act_at, one.seconds) == ("assigned", None, 60)
    assert one.expires_at is not None
    assert one.expires_at > one.assigned_at + timedelta(hours=72), "who reads keeps the run"
    label(store, "ann", 2)
    assert store.assignments("pilot")[0].state == "in_progress"
    store.submit("pilot", "run-1", "ann")
    label(store, "ann", 3, field="worked", step_id=None, value=60)
    (one,) = store.assignments("pilot")
    assert (one.state, one.seconds) == ("submitted", 60)
    assert store.standing("run-1", "ann").shown_pass == 1


def test_what_is_revised_lies_beside_what_was_said_blind(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1, step_id=2)
    label(store, "ann", 2, step_id=3, value="unuseful")
    store.submit("pilot", "run-1", "ann")
    assert store.standing("run-1", "ann")[:2] == (1, 2)
    label(store, "ann", 3, step_id=None, field="shown", value="peers")
    label(store, "ann", 2, step_id=3, value="unuseful")  # an old one, sent again
    assert store.standing("run-1", "ann")[:2] == (1, 2), "no revision has begun"
    label(store, "ann", 4, step_id=2, value=None)
    label(store, "ann", 5, step_id=1, value="correct")
    assert verdicts(store, "ann", 1) == {2: "incorrect", 3: "unuseful"}
    assert verdicts(store, "ann", 2) == {1: "correct", 3: "unuseful"}
    assert store.standing("run-1", "ann")[:2] == (2, 2)
    revised = store.labels("run-1", annotator="ann", pass_number=2)
    assert {one.step_id: one.exposure for one in revised if one.step_id} == {3: "none", 1: "peers"}


def test_a_file_cannot_change_what_was_submitted(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1, step_id=2)
    store.submit("pilot", "run-1", "ann")
    known = make_label(1, run_id="run-1", annotator="ann", client="ann run-1", step_id=2)
    late = make_label(1, "correct", run_id="run-1", annotator="ann", client="file", step_id=2)
    stored = store.add_label_events([known, late])
    assert [(one.event, one.reason) for one in stored.refused] == [
        (late, "'ann' has submitted this pass, it stays as it is")
    ]
    assert verdicts(store, "ann", 1) == {2: "incorrect"}
    assert store.add_label_events([late.model_copy(update={"pass_number": 2, "sequence": 2})]).refused == ()


def test_a_run_comes_back_blind_as_a_pass_of_its_own(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, repeat_share=1.0, repeat_after_hours=1), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1)
    store.submit("pilot", "run-1", "ann")
    assert store.standing("run-1", "ann").is_blind, "it will come back"
    assert store.claim_next("pilot", "ann") is None, "not yet"
    assert later(store, "pilot", "ann", 1.1) == "run-1"
    again = store.assignments("pilot")[-1]
    assert again.pass_number == 3
    label(store, "ann", 2, value="correct")
    assert (verdicts(store, "ann", 1), verdicts(store, "ann", 3)) == ({1: "incorrect"}, {1: "correct"})
    store.submit("pilot", "run-1", "ann")
    assert not store.standing("run-1", "ann").is_blind
    assert later(store, "pilot", "ann", 9) is None


def test_an_expired_repetition_can_be_taken_again(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, repeat_share=1.0, repeat_after_hours=0, claim_hours=2), RUNS[:1])
    store.claim_next("pilot", "ann")
    store.submit("pilot", "run-1", "ann")
    store.claim_next("pilot", "ann")
    assert [one.pass_number for one in store.assignments()] == [1, 3]
    assert later(store, "pilot", "ann", 1.9) is None
    assert later(store, "pilot", "ann", 2.1) == "run-1"
    assert [one.pass_number for one in store.assignments()] == [1, 3]


def test_a_repetition_that_was_skipped_leaves_the_first_judgement_as_it_was(store: Store) -> None:
    store.create_project(project(annotators_per_run=1, repeat_share=1.0, repeat_after_hours=0), RUNS[:1])
    store.claim_next("pilot", "ann")
    label(store, "ann", 1, step_id=1)
    store.submit("pilot", "run-1", "ann")
    store.claim_next("pilot", "ann")
    label(store, "ann", 2, step_id=2)
    store.skip("pilot", "run-1", "ann", reason="I know it by heart")
    standing = store.standing("run-1", "ann")
    assert (standing.shown_pass, standing.next_pass, standing.is_blind) == (1, 2, False)
    label(store, "ann", 3, step_id=3)
    assert verdicts(store, "ann", 1) == {1: "incorrect"}
    assert verdicts(store, "ann", 2) == {1: "incorrect", 3: "incorrect"}


def test_who_labelled_before_the_project_gets_repetitions_all_the_same(store: Store) -> None:
    label(store, "ann", 1)
    store.create_project(project(annotators_per_run=1, repeat_share=1.0, repeat_after_hours=1), RUNS[:1])
    store.claim_next("pilot", "ann")
    store.submit("pilot", "run-1", "ann")
    assert [one.pass_number for one in store.assignments()] == [3]
    assert store.standing("run-1", "ann").is_blind, "it will come back"
    assert later(store, "pilot", "ann", 1.1) == "run-1"


def test_blind_from_the_beginning_until_submission(store: Store) -> None:
    assert not store.standing("run-1", "ann").is_blind, "no project, no secret"
    store.create_project(project(annotators_per_run=1), RUNS[:1])
    assert store.standing("run-1", "ann").is_blind
    assert store.standing("run-1", "").is_blind
    assert not store.standing("run-1", "lea", labels=False).is_blind
    store.claim_next("pilot", "ann")
    assert store.standing("run-1", "ann", labels=False).is_blind, "assigned is assigned"
    store.submit("pilot", "run-1", "ann")
    assert not store.standing("run-1", "ann").is_blind
    assert not store.standing("run-1", "bob").is_blind, "nobody else can get it"
    store.change_project(project(annotators_per_run=2))
    assert store.standing("run-1", "bob").is_blind
    store.change_project(project(annotators_per_run=2, annotators=("ann", "cy")))
    assert not store.standing("run-1", "bob").is_blind
    store.change_project(project(annotators_per_run=2, is_open=False))
    assert not store.standing("run-1", "cy").is_blind


def test_disagreement_first(store: Store) -> None:
    for who, value in (("ann", "incorrect"), ("bob", "correct")):
        label(store, who, 1, run_id="run-3", value=value)
    store.create_project(project(order="disagreement_first"), RUNS[:3])
    assert store.claim_next("pilot", "cy").run_id == "run-3"  # type: ignore[union-attr]


def test_model_uncertainty_first(store: Store) -> None:
    unsure = make_label(1, {"confidence": "low"}, field="details", run_id="run-2", source="model", annotator="m")
    assert store.add_label_events([unsure]).refused == ()
    store.create_project(project(order="uncertain_first"), RUNS[:3])
    assert store.claim_next("pilot", "cy").run_id == "run-2"  # type: ignore[union-attr]


def test_an_adjudicated_run_is_another_state_than_a_submitted_one(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    store.submit("pilot", "run-1", "ann")
    store.decide("pilot", "run-1", "cora")
    assert [one.state for one in store.assignments("pilot")] == ["adjudicated"]
    with pytest.raises(NotFound):
        store.decide("pilot", "run-2", "cora")


def test_projects_outlive_the_process_and_reach_the_snapshot(store: Store) -> None:
    store.create_project(project(guidelines="# Look at the tests first"), RUNS[:2])
    with pytest.raises(CodeTracerError, match="there is a project 'pilot' already"):
        store.create_project(project(), RUNS[:2])
    with pytest.raises(NotFound, match="run-99"):
        store.add_project_runs("pilot", ["run-99"])
    assert store.add_project_runs("pilot", RUNS[:3]) == 1
    assert store.write_snapshot()
    assert not store.write_snapshot()
    store.claim_next("pilot", "ann")
    assert store.write_snapshot(), "a claim alone is a change"
    with Store.open_for_reading(store.workspace.folder) as reader:
        assert reader.project("pilot").guidelines == "# Look at the tests first"
        assert reader.project_runs("pilot") == RUNS[:3]
        assert [one.annotator for one in reader.assignments("pilot")] == ["ann"]


def test_what_was_said_of_submitted_runs(store: Store) -> None:
    store.create_project(project(), RUNS[:2])
    for who in ("ann", "bob"):
        store.claim_next("pilot", who)
        label(store, who, 1, step_id=2)
    store.submit("pilot", "run-1", "ann")
    label(store, "ann", 2, step_id=2, value="unuseful")
    label(store, "dan", 1, step_id=3)
    found = [(one.annotator, one.pass_number, one.value) for one in store.submitted_labels("pilot")]
    assert found == [("ann", 1, "incorrect"), ("ann", 2, "unuseful")], "not what is unfinished, nor out of the project"
    assert store.submitted_labels("pilot", run_id="run-2") == []


def test_of_adjudicated_labels_the_latest_is_in_force_whoever_gave_it(store: Store) -> None:
    def adjudicate(who: str, sequence: int, value: str | None, step: int) -> None:
        event = make_label(sequence, value, step_id=step, source="adjudicated", annotator=who, client=who)
        assert store.add_label_events([event]).refused == ()

    adjudicate("cora", 1, "incorrect", 1)
    adjudicate("cora", 2, "incorrect", 2)
    adjudicate("dora", 1, "correct", 1)
    adjudicate("dora", 2, None, 2)
    found = store.labels("run-1", source="adjudicated")
    assert [(one.step_id, one.value, one.annotator) for one in found] == [(1, "correct", "dora")]
    assert [mark.verdict for mark in store.step_labels("run-1")[1].adjudicated] == ["correct"]
    assert [run.adjudicated_labels for run in store.runs(ids=["run-1"])] == [1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"taken": "ann", "positions": {"ann": "correct", "bob": None}}, ""),
        ({"taken": "new", "positions": {}}, ""),
        ({"taken": "eve", "positions": {"ann": "correct"}}, "one of those whose positions"),
        ({"taken": "agreed", "positions": {"ann": "wrong"}}, "Input should be"),
        ("agreed", "cannot be stored"),
    ],
)
def test_what_a_verdict_rests_on_is_told_in_full_or_refused(store: Store, value: Any, reason: str) -> None:
    event = make_label(1, value, field="basis", source="adjudicated", annotator="cora")
    refused = [one.reason for one in store.add_label_events([event]).refused]
    assert refused == [] if not reason else reason in refused[0]


def test_what_is_submitted_or_decided_changes_the_state_though_no_label_came(store: Store) -> None:
    store.create_project(project(), RUNS[:1])
    store.claim_next("pilot", "ann")
    revision, states = store.revision(), [store.state()]
    store.submit("pilot", "run-1", "ann")
    assert store.submissions() == {"pilot": 1}
    states.append(store.state())
    store.decide("pilot", "run-1", "cora")
    states.append(store.state())
    assert store.revision() == revision
    assert len(set(states)) == 3
