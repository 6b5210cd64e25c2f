"""What people, models and the benchmark said, as arrays: whose labels count, from which pass. A real database."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codetracer_core.errors import NotFound
from codetracer_core.models import GroundTruth, Stage
from codetracer_core.projects import Project
from codetracer_core.ratings import CORRECT, INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Rater, Ratings
from codetracer_core.store import Store
from tests.store.factory import NOON, decide, make_diagnosis, make_label, make_run

RUNS = ["run-1", "run-2", "run-3"]
NOTHING = [MISSING] * 5


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Runs of five steps; run-2 and run-3 are of one task."""
    with Store.open(tmp_path / "workspace") as opened:
        runs = [make_run(run_id, 5, task=task) for run_id, task in zip(RUNS, ("a", "b", "b"), strict=True)]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        yield opened


def project(store: Store, name: str = "pilot", runs: list[str] = RUNS, **settings: Any) -> None:
    store.create_project(Project(project_id=name, created_at=datetime.now(UTC), **settings), runs)


_SEQUENCE = iter(range(1, 100_000))


def says(store: Store, who: str, run_id: str, verdicts: Mapping[int, Any], **of_run: Any) -> None:
    """Labels as the viewer sends them: the store finds their pass."""
    acts = [(step, "verdict", word) for step, word in verdicts.items()]
    acts += [(None, field, value) for field, value in of_run.items()]
    events = [
        make_label(next(_SEQUENCE), value, run_id=run_id, step_id=step, field=field, annotator=who)
        for step, field, value in acts
    ]
    assert store.add_human_labels(events).refused == ()


def judges(store: Store, who: str, run_id: str, verdicts: Mapping[int, Any], **of_run: Any) -> None:
    """The same, of the run that they take next, and submitted."""
    claimed = store.claim_next("pilot", who)
    assert claimed is not None
    assert claimed.run_id == run_id
    says(store, who, run_id, verdicts, **of_run)
    store.submit("pilot", run_id, who)


def of(found: Ratings, run_id: str, rater: Rater) -> list[int]:
    at, column = found.run_ids.index(run_id), found.raters.index(rater)
    return [int(code) for code in found.codes[found.run_of == at, column]]


def value(found: Ratings, array: Any, run_id: str, rater: Rater) -> Any:
    return array[found.run_ids.index(run_id), found.raters.index(rater)].item()


ANN, BOB = Rater("human", "ann"), Rater("human", "bob")


def test_submitted_labels_of_a_project(store: Store) -> None:
    project(store)
    said = {1: "correct", 2: "incorrect", 4: "uncertain"}
    judges(store, "ann", "run-1", said, onset=2, run_verdict="has_error", worked=40)
    judges(store, "bob", "run-1", {2: "unuseful"}, run_verdict="uncertain")
    judges(store, "ann", "run-2", {})
    found = store.ratings(project_id="pilot")
    assert found.run_ids == tuple(RUNS)
    assert found.tasks == ("a", "b", "b")
    assert found.lengths.tolist() == [5, 5, 5]
    assert found.raters == (ANN, BOB)
    assert of(found, "run-1", ANN) == [CORRECT, INCORRECT, MISSING, UNCERTAIN, MISSING]
    assert of(found, "run-1", BOB) == [MISSING, UNUSEFUL, MISSING, MISSING, MISSING]
    assert of(found, "run-2", ANN) == of(found, "run-3", ANN) == NOTHING
    assert found.finished.tolist() == [[True, True], [True, False], [False, False]]
    assert found.onsets.tolist() == [[2, 0], [0, 0], [0, 0]]
    assert found.run_verdicts.tolist() == [[1, UNCERTAIN], [MISSING, MISSING], [MISSING, MISSING]]
    assert value(found, found.seconds, "run-1", ANN) == 40
    assert np.isnan(found.seconds).sum() == 5


def test_what_is_taken_back_or_not_submitted_is_no_label(store: Store) -> None:
    project(store)
    store.claim_next("pilot", "ann")
    says(store, "ann", "run-1", {1: "incorrect", 2: "incorrect"}, onset=1)
    for project_id in ("pilot", None):
        assert store.ratings(project_id=project_id).raters == ()
    says(store, "ann", "run-1", {1: None}, onset=None)
    store.submit("pilot", "run-1", "ann")
    found = store.ratings()
    assert of(found, "run-1", ANN) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]
    assert value(found, found.onsets, "run-1", ANN) == 0


def test_a_skipped_run_counts_for_nothing(store: Store) -> None:
    project(store)
    store.claim_next("pilot", "ann")
    says(store, "ann", "run-1", {1: "incorrect"})
    store.skip("pilot", "run-1", "ann", reason="it cannot be read")
    assert store.ratings().raters == store.ratings(project_id="pilot").raters == ()


def test_revised_labels_are_those_that_they_stand_by_since(store: Store) -> None:
    project(store)
    judges(store, "ann", "run-1", {1: "correct", 2: "incorrect"}, onset=2, worked=30)
    judges(store, "bob", "run-1", {2: "incorrect"})
    says(store, "ann", "run-1", {2: None, 3: "incorrect"}, onset=3, worked=12)
    says(store, "bob", "run-1", {}, shown="peers")
    blind, revised = store.ratings(project_id="pilot"), store.ratings(project_id="pilot", reading="revised")
    assert blind.raters == revised.raters == (ANN, BOB)
    assert of(blind, "run-1", ANN) == [CORRECT, INCORRECT, MISSING, MISSING, MISSING]
    assert of(revised, "run-1", ANN) == [CORRECT, MISSING, INCORRECT, MISSING, MISSING]
    assert of(blind, "run-1", BOB) == of(revised, "run-1", BOB) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]
    assert (value(blind, blind.onsets, "run-1", ANN), value(revised, revised.onsets, "run-1", ANN)) == (2, 3)
    assert (value(blind, blind.seconds, "run-1", ANN), value(revised, revised.seconds, "run-1", ANN)) == (30, 42)
    assert revised.finished.tolist() == [[True, True], [False, False], [False, False]]


def test_a_revision_that_takes_everything_back_says_nothing(store: Store) -> None:
    project(store)
    judges(store, "ann", "run-1", {2: "incorrect"})
    says(store, "ann", "run-1", {2: None})
    found = store.ratings(project_id="pilot", reading="revised")
    assert of(found, "run-1", ANN) == NOTHING
    assert value(found, found.finished, "run-1", ANN) is True


def test_repetitions_are_raters_of_their_own(store: Store) -> None:
    project(store, repeat_share=1.0, repeat_after_hours=0, annotators_per_run=1)
    judges(store, "ann", "run-1", {1: "incorrect"})
    judges(store, "ann", "run-1", {2: "incorrect"}, worked=7)
    judges(store, "ann", "run-2", {5: "unuseful"})
    found = store.ratings(project_id="pilot", reading="repeats")
    first, second = Rater("human", "ann", 1), Rater("human", "ann", 2)
    assert found.raters == (first, second)
    assert of(found, "run-1", first) == [INCORRECT, MISSING, MISSING, MISSING, MISSING]
    assert of(found, "run-1", second) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]
    assert found.finished.tolist() == [[True, True], [False, False], [False, False]]
    assert value(found, found.seconds, "run-1", second) == 7
    last = store.ratings(project_id="pilot")
    assert of(last, "run-1", ANN) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]
    assert of(last, "run-2", ANN) == [MISSING, MISSING, MISSING, MISSING, UNUSEFUL]


def test_without_a_project_everything_that_was_submitted_and_what_was_never_assigned(store: Store) -> None:
    says(store, "bob", "run-3", {1: "incorrect"})
    project(store, runs=["run-1"])
    judges(store, "ann", "run-1", {1: "incorrect"})
    project(store, "other", ["run-2"])
    store.claim_next("other", "bob")
    says(store, "bob", "run-2", {1: "incorrect"})
    found = store.ratings()
    assert found.run_ids == tuple(RUNS)
    assert of(found, "run-3", BOB) == [INCORRECT, MISSING, MISSING, MISSING, MISSING]
    assert of(found, "run-2", BOB) == NOTHING
    assert found.finished.tolist() == [[True, False], [False, False], [False, False]]
    of_other = store.ratings(project_id="other")
    assert (of_other.run_ids, of_other.raters) == (("run-2",), ())


def test_the_last_submitted_pass_is_that_of_the_project(store: Store) -> None:
    for name in ("pilot", "other"):
        project(store, name, ["run-1"])
        store.claim_next(name, "ann")
        says(store, "ann", "run-1", {1: "incorrect"} if name == "pilot" else {2: "unuseful"})
        store.submit(name, "run-1", "ann")
    first, second = ([INCORRECT, *NOTHING[1:]], [MISSING, UNUSEFUL, *NOTHING[2:]])
    assert of(store.ratings(project_id="pilot"), "run-1", ANN) == first
    assert of(store.ratings(project_id="other"), "run-1", ANN) == second
    assert of(store.ratings(), "run-1", ANN) == second


def test_which_runs(store: Store) -> None:
    project(store, runs=["run-3", "run-1"])
    assert store.ratings(project_id="pilot").run_ids == ("run-3", "run-1")
    assert store.ratings(["run-1", "run-2", "run-3", "run-1"], project_id="pilot").run_ids == ("run-1", "run-3")
    assert store.ratings(["run-2", "run-1", "gone"]).run_ids == ("run-2", "run-1")
    assert store.ratings(blind={"run-2"}).run_ids == ("run-1", "run-3")
    assert store.ratings([]).codes.shape == (0, 0)
    with pytest.raises(NotFound, match="no project 'gone'"):
        store.ratings(project_id="gone")


def test_models_count_with_their_latest_pass(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(finding=3), [])
    store.add_diagnosis(make_diagnosis(finding=1, onset=(), findings=make_diagnosis(finding=1).findings), [])
    store.add_diagnosis(make_diagnosis(run_id="run-2", status="failed", onset=(), findings=(), error_chain=()), [])
    clean = make_diagnosis(run_id="run-3", conclusion="no_error_found", onset=(), findings=(), error_chain=())
    store.add_diagnosis(clean, [])
    imported = [make_label(next(_SEQUENCE), run_id="run-2", step_id=2, source="model", annotator="imported")]
    store.add_label_events(imported)
    found = store.ratings(sources=("model",))
    some, imported_one = Rater("model", clean.author), Rater("model", "imported")
    assert set(found.raters) == {some, imported_one}
    assert of(found, "run-1", some) == [INCORRECT, MISSING, MISSING, MISSING, MISSING]
    assert of(found, "run-2", imported_one) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]
    done = {rater: found.finished[:, column].tolist() for column, rater in enumerate(found.raters)}
    assert done == {some: [True, False, True], imported_one: [False, True, False]}
    assert store.ratings().raters == ()


def test_ground_truth_is_there_with_a_row_and_silent_on_misaligned_runs(store: Store) -> None:
    rows = [
        make_run(f"row-{n}", 5, record={"benchmark": {"traj_id": f"row-{n}"}, "declared_step_count": count})
        for n, count in enumerate((5, 5, 4), start=1)
    ]
    drawn = Stage(stage_id=1, start_step_id=1, end_step_id=3)
    truth = [
        GroundTruth(annotator="a benchmark", said_at=NOON, verdicts={2: "incorrect", 3: "unuseful"}, stages=(drawn,)),
        GroundTruth(annotator="a benchmark", said_at=NOON),
        GroundTruth(annotator="a benchmark", said_at=NOON, verdicts={2: "incorrect"}),
    ]
    store.add_runs(rows, decisions=[decide(run) for run in rows], ground_truth=truth)
    store.add_label_events([make_label(next(_SEQUENCE), run_id="run-1", step_id=1, source="ground_truth")])
    found = store.ratings(sources=["human", "ground_truth"])
    told = Rater("ground_truth", "ground truth")
    assert found.raters == (told,)
    done = dict(zip(found.run_ids, found.finished[:, 0].tolist(), strict=True))
    assert {run_id for run_id, is_done in done.items() if is_done} == {"row-1", "row-2", "run-1"}
    assert len(done) == 6
    assert of(found, "row-1", told) == [MISSING, INCORRECT, UNUSEFUL, MISSING, MISSING]
    assert of(found, "row-2", told) == of(found, "row-3", told) == NOTHING
    assert found.stages == {(0, 0): (drawn,)}


def test_adjudicated_labels_count_where_the_run_is_decided(store: Store) -> None:
    project(store, runs=["run-1", "run-2"])
    for run_id, who, word in (
        *(("run-1", "cora", "incorrect"), ("run-1", "dan", "unuseful"), ("run-2", "cora", "incorrect")),
        ("run-3", "from a file", "incorrect"),
    ):
        acts = [make_label(next(_SEQUENCE), word, run_id=run_id, step_id=3, source="adjudicated", annotator=who)]
        store.add_label_events(acts)
    store.decide("pilot", "run-1", "cora")
    found = store.ratings(sources=("adjudicated",))
    told = Rater("adjudicated", "adjudicated")
    assert found.raters == (told,)
    assert of(found, "run-1", told) == [MISSING, MISSING, UNUSEFUL, MISSING, MISSING], "dan was the last to speak"
    assert of(found, "run-2", told) == NOTHING, "a draft is no decision"
    assert of(found, "run-3", told) == [MISSING, MISSING, INCORRECT, MISSING, MISSING]
    assert found.finished[:, 0].tolist() == [True, False, False]


def test_stages_that_people_drew(store: Store) -> None:
    project(store)
    drawn = [
        {"stage_id": 1, "start_step_id": 1, "end_step_id": 2, "name": "reads"},
        {"stage_id": 2, "start_step_id": 3, "end_step_id": 5, "name": ""},
    ]
    judges(store, "ann", "run-1", {}, stages=drawn)
    assert store.ratings(project_id="pilot").stages == {(0, 0): tuple(Stage(**stage) for stage in drawn)}


def test_a_label_beyond_the_last_step_is_left_out(store: Store) -> None:
    drawn = [{"stage_id": 1, "start_step_id": 1, "end_step_id": 5, "name": ""}]
    says(store, "ann", "run-1", {2: "incorrect", 5: "incorrect"}, onset=5, stages=drawn, run_verdict="has_error")
    assert store.ratings(["run-1"]).onsets.tolist() == [[5]]
    shorter = make_run("run-1", 3)
    store.add_runs([shorter], decisions=[decide(shorter)])
    found = store.ratings(["run-1"])
    assert of(found, "run-1", ANN) == [MISSING, INCORRECT, MISSING]
    assert (found.onsets.tolist(), found.run_verdicts.tolist(), found.stages) == ([[0]], [[1]], {})


def test_a_snapshot_can_be_asked_as_well(store: Store) -> None:
    project(store)
    judges(store, "ann", "run-1", {2: "incorrect"})
    store.write_snapshot()
    folder = store.workspace.folder
    with Store.open_for_reading(folder) as reader:
        assert of(reader.ratings(project_id="pilot"), "run-1", ANN) == [MISSING, INCORRECT, MISSING, MISSING, MISSING]


def test_what_ratings_rest_on_tells_when_they_may_have_changed(store: Store) -> None:
    project(store)
    judges(store, "ann", "run-1", {2: "incorrect"})
    store.claim_next("pilot", "ann")
    states = [store.ratings_state()]
    says(store, "ann", "run-2", {1: "incorrect"})
    says(store, "ann", "run-1", {}, shown="peers")
    assert store.ratings_state() == states[0], "neither counts"
    store.submit("pilot", "run-2", "ann")
    states.append(store.ratings_state())
    says(store, "ann", "run-1", {2: "unuseful"})
    states.append(store.ratings_state())
    says(store, "bob", "run-3", {2: "unuseful"})
    states.append(store.ratings_state())
    store.decide("pilot", "run-1", "cora")
    states.append(store.ratings_state())
    assert len(set(states)) == 5
