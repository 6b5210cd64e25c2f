"""Truth and systems from a manifest, from files and from a real workspace."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.evaluating import (
    StepTexts,
    systems_from_files,
    systems_from_store,
    truth_from_manifest,
    truth_from_store,
)
from codetracer_core.evaluation import Prediction, evaluate, warnings
from codetracer_core.models import GroundTruth, Stage
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.small_runs import manifest_row, write_manifest
from tests.store.factory import NOON, decide, make_diagnosis, make_label, make_run, make_step

STAGES = (Stage(stage_id=1, start_step_id=1, end_step_id=5),)
AUTHOR = "openai/some (agent)"


def row(traj_id: str, **facts: Any) -> dict[str, Any]:
    return {"traj_id": traj_id, "difficulty": "hard", "category": "games", **facts}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Five runs of five steps: two with errors, a clean one, a misaligned one, one without ground truth."""
    wave = "merged_cleaned_step25/somewhere"
    records = [
        make_run("run-1", 5, task="a", record={"benchmark": row("bench-1", annotation_relpath=wave)}),
        make_run("run-2", 5, task="a", record={"benchmark": row("bench-2")}),
        make_run("run-3", 5, task="b", record={"benchmark": row("bench-3")}),
        make_run("run-4", 5, record={"benchmark": row("bench-4"), "declared_step_count": 6}),
        make_run("run-5", 5),
    ]
    said = [
        GroundTruth(annotator="B", said_at=NOON, verdicts={3: "incorrect", 4: "unuseful"}, stages=STAGES),
        GroundTruth(annotator="B", said_at=NOON, verdicts={2: "incorrect"}),
        GroundTruth(annotator="B", said_at=NOON, stages=STAGES),
        GroundTruth(annotator="B", said_at=NOON, verdicts={1: "incorrect"}),
        None,
    ]
    with Store.open(tmp_path / "workspace") as opened:
        opened.add_runs(records, decisions=[decide(record) for record in records], ground_truth=said)
        yield opened


# --- truth


def test_truth_of_a_manifest(tmp_path: Path) -> None:
    excerpt = {"step_id": 3, "labels": ["incorrect"], "action_ref": {"content": "rm -rf"}, "observation_ref": None}
    stage = {"stage_id": 2, "incorrect_step_ids": [3, 9], "unuseful_step_ids": [4, 3], "steps": [excerpt]}
    path = write_manifest(
        tmp_path / "manifest.jsonl",
        [
            manifest_row("a", incorrect_stages=[stage], annotation_relpath="merged_cleaned_step20_three_waves/x"),
            manifest_row(
                "b", incorrect_stages=str([stage]), solved=None, annotation_relpath="deep/step_annotations_all/y"
            ),
            manifest_row("c", step_count=-1),
        ],
    )
    read = truth_from_manifest(path)
    one, other = read.truth
    assert (one.incorrect, one.unuseful, one.step_count, one.solved) == ({3, 9}, {3, 4}, 6, True)
    assert (one.task, one.agent, one.category, len(one.stages)) == ("fix-it", "SWE-agent", "debugging", 2)
    assert (one.wave, other.wave) == ("merged_cleaned_step20_three_waves", "step_annotations_all")
    assert (other.solved, other.incorrect, one.run_id) == (None, one.incorrect, "")
    assert read.excerpts == {("a", 3): "rm -rf", ("b", 3): "rm -rf"}
    assert [problem.place for problem in read.problems] == ["line 3"]


def test_a_workspace_tells_which_runs_of_a_manifest_are_misaligned_or_blind(store: Store, tmp_path: Path) -> None:
    rows = [manifest_row("bench-1", step_count=5), manifest_row("bench-2"), manifest_row("bench-3", step_count=5)]
    path = write_manifest(tmp_path / "manifest.jsonl", [*rows, manifest_row("elsewhere")])
    read = truth_from_manifest(path, store, blind={"run-3"})
    assert [(run.traj_id, run.run_id, bool(run.misaligned)) for run in read.truth] == [
        ("bench-1", "run-1", False),
        ("bench-2", "run-2", True),
        ("elsewhere", "", False),
    ]
    assert read.notes == ("1 run is left out: you label it blind",)


def test_a_row_that_several_runs_go_by_is_left_out_for_whoever_labels_one_of_them_blind(
    store: Store, tmp_path: Path
) -> None:
    for number, name in enumerate(("a-copy", "z-copy"), start=1):
        run = make_run(name, 5 + number, record={"benchmark": row("bench-3")})
        store.add_runs([run], decisions=[decide(run)])
    path = write_manifest(tmp_path / "manifest.jsonl", [manifest_row("bench-3", step_count=5), manifest_row("other")])
    for blind in ("run-3", "a-copy", "z-copy"):
        assert [run.traj_id for run in truth_from_manifest(path, store, blind={blind}).truth] == ["other"]


def test_a_row_of_more_steps_than_a_run_can_have_is_left_out(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "manifest.jsonl", [manifest_row("a", step_count=10**9), manifest_row("b")])
    read = truth_from_manifest(path)
    assert [run.traj_id for run in read.truth] == ["b"]
    assert "step_count" in read.problems[0].reason


def test_truth_of_a_workspace(store: Store) -> None:
    runs = {run.traj_id: run for run in truth_from_store(store).truth}
    assert runs.keys() == {"bench-1", "bench-2", "bench-3", "bench-4"}
    one = runs["bench-1"]
    assert (one.incorrect, one.unuseful, one.stages, one.run_id) == ({3}, {4}, STAGES, "run-1")
    assert (one.task, one.difficulty, one.category, one.solved) == ("a", "hard", "games", False)
    assert (one.wave, runs["bench-2"].wave) == ("merged_cleaned_step25", "")
    assert runs["bench-3"].incorrect == set()
    assert runs["bench-4"].misaligned == "the ground truth counts 6 steps, the run has 5"
    assert {run.traj_id for run in evaluate(list(runs.values()), []).rows.truth} == {"bench-1", "bench-2", "bench-3"}


def test_blind_runs_are_in_no_truth_and_no_system(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(run_id="run-1"), [])
    store.add_diagnosis(make_diagnosis(run_id="run-2"), [])
    read = truth_from_store(store, blind={"run-1", "run-4"})
    assert {run.traj_id for run in read.truth} == {"bench-2", "bench-3"}
    assert read.notes == ("2 runs are left out: you label them blind",)
    (said,) = systems_from_store(store, truth_from_store(store).truth, blind={"run-1"}).systems[0].repetitions
    assert said.keys() == {"bench-2"}


def test_runs_that_were_diagnosed_and_have_no_ground_truth_are_counted(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(run_id="run-1"), [])
    store.add_diagnosis(make_diagnosis(run_id="run-5"), [])
    truth = truth_from_store(store).truth
    read = systems_from_store(store, truth)
    assert [system.name for system in read.systems] == [AUTHOR]
    assert read.notes == (f"{AUTHOR}: 1 of the 2 runs that it diagnosed have no such ground truth here",)
    assert systems_from_store(store, truth, blind={"run-5"}).notes == (), "what is blind is not even counted"
    nothing = systems_from_store(store, [run for run in truth if run.run_id != "run-1"], [AUTHOR])
    assert nothing.systems == ()
    (note,) = nothing.notes
    assert note.startswith(f"{AUTHOR}: 2 of the 2 runs")
    assert note.endswith("so there is nothing of it to judge")


def test_adjudicated_labels_of_decided_runs_may_be_the_truth(store: Store) -> None:
    store.create_project(Project(project_id="pilot", created_at=NOON), ["run-3", "run-5"])
    acts = [(3, "verdict", "incorrect"), (4, "verdict", "uncertain"), (None, "onset", 2)]
    store.add_label_events(
        [
            make_label(at, value, run_id="run-5", step_id=step, field=field, source="adjudicated", annotator="zoe")
            for at, (step, field, value) in enumerate(acts, start=1)
        ]
    )
    assert truth_from_store(store, source="adjudicated").truth == (), "a draft is no decision"
    store.decide("pilot", "run-5", "zoe")
    read = truth_from_store(store, source="adjudicated")
    (run,) = read.truth
    assert (run.traj_id, run.incorrect, run.onset) == ("run-5", {3}, 2)
    assert read.notes == ("1 step labelled uncertain: not counted as incorrect",)


def test_a_name_that_two_runs_share_is_nobodys(store: Store) -> None:
    twin = make_run("run-9", 5, text="other", record={"benchmark": row("bench-1")})
    store.add_runs([twin], decisions=[decide(twin)], ground_truth=[GroundTruth(annotator="B", said_at=NOON)])
    assert {"run-1", "run-9"} <= {run.traj_id for run in truth_from_store(store).truth}


# --- systems


def test_stored_diagnoses_are_repetitions_and_failed_ones_count(store: Store) -> None:
    later = NOON + timedelta(hours=1)
    for diagnosis, request in [
        (make_diagnosis(run_id="run-1"), "q"),
        (make_diagnosis(run_id="run-1", finding=2, finished_at=later), "q"),
        (make_diagnosis(run_id="run-2", status="failed", status_reason="no answer"), "q2"),
        (make_diagnosis(run_id="run-3", status="failed", findings=(), onset=()), "q3"),
        (make_diagnosis(run_id="run-3", findings=(), onset=(), conclusion="no_error_found", finished_at=later), "q3"),
        (make_diagnosis(run_id="run-5"), "q5"),
    ]:
        store.add_diagnosis(diagnosis, [], request=request)
    store.add_diagnosis(make_diagnosis(run_id="run-1", model="heuristic"), [])
    read = systems_from_store(store, truth_from_store(store).truth)
    rules, model = read.systems
    assert (rules.name, rules.is_baseline) == ("heuristic", True)
    assert (model.name, model.is_baseline, model.is_ragged) == (AUTHOR, False, True)
    assert model.repetitions == (
        {
            "bench-1": Prediction("bench-1", 0, incorrect=(3,), onsets=(3,)),
            "bench-2": Prediction("bench-2", 0, "failed", "no answer"),
            "bench-3": Prediction("bench-3", 0),
        },
        {"bench-1": Prediction("bench-1", 1, incorrect=(2,), onsets=(2, 2))},
    )
    assert read.notes == (
        f"{AUTHOR}: 1 of the 4 runs that it diagnosed have no such ground truth here",
        "1 left out: failed, and the same question was answered later",
    )
    score = evaluate(truth_from_store(store).truth, read.systems).entry(AUTHOR).scores["positive_only"]
    assert (score.observations, score.failed, score.missing) == (3, 1, 0)
    assert score.f1.value == pytest.approx(1 / 3)


def test_only_the_authors_that_were_asked_for(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(run_id="run-1"), [])
    store.add_diagnosis(make_diagnosis(run_id="run-1", model="heuristic"), [])
    read = systems_from_store(store, truth_from_store(store).truth, [AUTHOR])
    assert [system.name for system in read.systems] == [AUTHOR]


def test_diagnoses_of_other_evidence_are_left_out(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(run_id="run-1"), [], evidence_hash="0" * 64)
    read = systems_from_store(store, truth_from_store(store).truth)
    assert read.systems == ()
    assert read.notes == ("1 left out: diagnoses of other evidence than the run now has",)


def test_labels_of_a_model_from_a_file_are_a_system_too(store: Store) -> None:
    store.add_diagnosis(make_diagnosis(run_id="run-1"), [])
    said = [(1, "incorrect", 1), (2, "unuseful", 1), (5, "incorrect", 2)]
    store.add_label_events(
        [
            make_label(
                at, verdict, step_id=step, pass_number=number, source="model", annotator="theirs", client="file-1"
            )
            for at, (step, verdict, number) in enumerate(said, start=1)
        ]
    )
    _, theirs = systems_from_store(store, truth_from_store(store).truth).systems
    assert (theirs.name, theirs.repetitions) == (
        "theirs",
        (
            {"bench-1": Prediction("bench-1", 0, incorrect=(1,), unuseful=(2,))},
            {"bench-1": Prediction("bench-1", 1, incorrect=(5,))},
        ),
    )


def test_a_file_may_name_runs_as_the_workspace_does(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"traj_id": name, "labels": []}) + "\n" for name in ("run-1", "bench-2")))
    (system,) = systems_from_files({"s": [path, path]}, truth_from_store(store).truth).systems
    assert [said.keys() for said in system.repetitions] == [{"bench-1", "bench-2"}] * 2


def test_steps_without_their_thoughts(store: Store) -> None:
    steps = [make_step(number, action="ls", observation="app.py") for number in (1, 2)]
    store.add_runs(
        [run := make_run("run-6", steps, record={"benchmark": row("bench-6")})],
        decisions=[decide(run)],
        ground_truth=[GroundTruth(annotator="B", said_at=NOON, verdicts={2: "incorrect"})],
    )
    texts = StepTexts(store, truth_from_store(store).truth)
    assert texts.keys() == {"bench-1", "bench-2", "bench-6"}
    assert texts["bench-6"] == ["ls\0app.py"] * 2
    found = evaluate(truth_from_store(store).truth, [])
    told = [caveat.text for caveat in warnings(found, texts=texts) if caveat.code == "same_text"]
    assert told == ["1 of 3 incorrect steps look like the step before or after them, but for the agent's thought."]
