"""One run has one id, and its ground truth is what its manifest row says now."""

from typing import Any

import pytest

from codetracer_core.errors import NotFound
from codetracer_core.models import GroundTruth, RunRecord, Stage, Verdict
from codetracer_core.store import Added, Inbox, Store
from tests.store.factory import NOON, decide, make_label, make_run


def put(store: Store, *records: RunRecord, truth: GroundTruth | None = None) -> Added:
    decisions = [decide(record) for record in records]
    return store.add_runs(records, decisions=decisions, ground_truth=[truth] * len(records))


def said(verdicts: dict[int, Verdict], stages: int = 0) -> GroundTruth:
    cut = (Stage(stage_id=1, start_step_id=1, end_step_id=stages),) if stages else ()
    return GroundTruth(annotator="a benchmark", said_at=NOON, verdicts=verdicts, stages=cut)


def truth_of(store: Store, run_id: str) -> dict[int, list[str]]:
    marks = {step: [mark.verdict for mark in labels.ground_truth] for step, labels in store.step_labels(run_id).items()}
    return {step: verdicts for step, verdicts in marks.items() if verdicts}


def named(run_id: str, content_id: str | None = "same evidence", *, row: str = "", **record: Any) -> RunRecord:
    """A reading of the same five steps; ``row`` is the benchmark's name for them, if it comes with a manifest row."""
    known = {"benchmark": {"traj_id": row}, "declared_step_count": 5} if row else {}
    return make_run("run", record={"run_id": run_id, "content_id": content_id, **known, **record})


def test_the_row_is_all_that_is_in_force(store: Store) -> None:
    put(store, make_run(), truth=said({2: "unuseful", 3: "incorrect"}, stages=4))
    assert truth_of(store, "run-1") == {2: ["unuseful"], 3: ["incorrect"]}
    put(store, make_run(), truth=said({2: "incorrect", 4: "incorrect"}))
    assert truth_of(store, "run-1") == {2: ["incorrect"], 4: ["incorrect"]}
    assert store.stages("run-1") is None
    changes = [(event.step_id, event.value) for event in store.label_history("run-1")[3:]]
    assert changes == [(None, None), (2, "incorrect"), (3, None), (4, "incorrect")]
    put(store, make_run(), truth=said({2: "unuseful", 3: "incorrect"}, stages=4))
    assert truth_of(store, "run-1") == {2: ["unuseful"], 3: ["incorrect"]}
    stages = store.stages("run-1")
    assert stages is not None
    assert stages[0].end_step_id == 4


def test_saying_the_same_again_adds_no_event(store: Store) -> None:
    for _ in range(2):
        put(store, make_run(), truth=said({2: "unuseful"}, stages=5))
        assert len(store.label_history("run-1")) == 2


def test_no_row_and_other_annotators_take_nothing_back(store: Store) -> None:
    put(store, make_run(), truth=said({2: "unuseful"}))
    store.add_label_events([make_label(1, step_id=2), make_label(2, step_id=3, source="ground_truth")])
    put(store, make_run())
    put(store, make_run(), truth=said({}))
    assert truth_of(store, "run-1") == {3: ["incorrect"]}
    assert [mark.annotator for mark in store.step_labels("run-1")[2].human] == ["ana"]


def test_what_fits_no_step_is_refused_and_the_rest_is_stored(store: Store) -> None:
    added = put(store, make_run(steps=3), truth=said({2: "incorrect", 9: "incorrect"}))
    assert [one.reason for one in added.refused] == ["run 'run-1' has 3 steps, there is no step 9"]
    assert truth_of(store, "run-1") == {2: ["incorrect"]}


def test_a_row_that_comes_later_joins_the_run_that_is_there(store: Store) -> None:
    put(store, named("own"))
    store.add_label_events([make_label(1, run_id="own", step_id=2)])
    added = put(store, named("bench-1", row="bench-1", evidence_hash="with the row"), truth=said({3: "incorrect"}))
    assert (added.statuses, added.run_ids) == (("replaced",), ("own",))
    (summary,) = store.runs()
    assert (summary.run_id, summary.traj_id, summary.human_labels) == ("own", "bench-1", 1)
    assert (summary.ground_truth_labels, summary.declared_step_count) == (1, 5)
    assert store.find_run("bench-1") == store.find_run("own") == "own"
    again = put(store, named("bench-1", row="bench-1", evidence_hash="with the row"), truth=said({3: "incorrect"}))
    assert (again.statuses, again.run_ids) == (("unchanged",), ("own",))
    corrected = put(store, named("bench-1", row="bench-1", evidence_hash="other row"), truth=said({4: "incorrect"}))
    assert (corrected.statuses, corrected.run_ids) == (("replaced",), ("own",))
    assert truth_of(store, "own") == {4: ["incorrect"]}


@pytest.mark.parametrize("first", ["own", "bench-1"])
def test_the_same_run_without_its_row_changes_nothing(store: Store, first: str) -> None:
    if first == "own":
        put(store, named("own"))
    put(store, named("bench-1", row="bench-1", evidence_hash="with the row"), truth=said({3: "incorrect"}))
    revision = store.revision()
    added = put(store, named("own", evidence_hash="without the row"))
    assert (added.statuses, added.run_ids) == (("unchanged",), (first,))
    assert store.revision() == revision
    assert store.load_run(first).declared_step_count == 5


def test_two_rows_over_the_same_evidence_are_two_runs(store: Store) -> None:
    put(store, named("own"))
    first = put(store, named("bench-1", row="bench-1"), truth=said({1: "incorrect"}))
    second = put(store, named("bench-2", row="bench-2"), truth=said({2: "incorrect"}))
    assert first.run_ids + second.run_ids == ("own", "bench-2")
    assert (truth_of(store, "own"), truth_of(store, "bench-2")) == ({1: ["incorrect"]}, {2: ["incorrect"]})


def test_both_in_one_batch(store: Store) -> None:
    added = put(store, named("own"), named("bench-1", row="bench-1"), named("other", "other evidence"))
    assert (added.statuses, added.run_ids) == (("added", "replaced", "added"), ("own", "own", "other"))
    assert {run.run_id: run.traj_id for run in store.runs()} == {"own": "bench-1", "other": None}


def test_runs_whose_evidence_has_no_name_are_never_joined(store: Store) -> None:
    added = put(store, named("one", None), named("two", None), named("three", None, row="three"))
    assert added.run_ids == ("one", "two", "three")


def test_the_owner_joins_what_waited_in_the_inbox(store: Store) -> None:
    """Both parcels were left before the owner had seen either: only it can tell that they are one run."""
    box = Inbox(store.workspace)
    plain, with_row = named("own"), named("bench-1", row="bench-1")
    box.add_runs([plain], decisions=[decide(plain)])
    box.add_runs([with_row], decisions=[decide(with_row)], ground_truth=[said({3: "incorrect"})])
    store.take_inbox()
    assert [run.run_id for run in store.runs()] == ["own"]
    assert truth_of(store, "own") == {3: ["incorrect"]}


def test_an_unknown_name(store: Store) -> None:
    with pytest.raises(NotFound, match="no run 'nobody'"):
        store.find_run("nobody")
