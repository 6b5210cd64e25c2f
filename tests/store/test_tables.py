"""Frames of runs, steps and the labels of one source, from a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.analytics import Frames, Labels
from codetracer_core.models import GroundTruth, Outcome, Stage, Usage
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.store.factory import NOON, decide, make_diagnosis, make_label, make_run

ANA = Labels("human", "ana")
TRUTH = GroundTruth(
    annotator="CodeTraceBench",
    said_at=NOON,
    verdicts={2: "incorrect", 4: "unuseful"},
    stages=(Stage(stage_id=1, start_step_id=1, end_step_id=4),),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    row = {"traj_id": "x", "category": "games", "difficulty": "hard"}
    runs = [
        make_run("run-1", 4, record={"benchmark": row, "declared_step_count": 4}, outcome=Outcome(solved=True)),
        make_run("run-2", 4, model=None, task=None, usage=Usage(), outcome=Outcome()),
        make_run("run-3", 4, record={"benchmark": row, "declared_step_count": 9}),
        make_run("run-4", 4, record={"benchmark": row, "declared_step_count": 4}),
        make_run("run-5", 0),
    ]
    truth = [TRUTH, None, TRUTH, GroundTruth(annotator="CodeTraceBench", said_at=NOON), None]
    with Store.open(tmp_path / "workspace") as opened:
        opened.add_runs(runs, decisions=[decide(run) for run in runs], ground_truth=truth)
        yield opened


def say(store: Store, sequence: int, value: Any, **fields: Any) -> None:
    event = make_label(sequence, value, **{"client": f"test {fields.get('annotator')}"} | fields)
    assert store.add_label_events([event]).refused == ()


def verdicts(frames: Frames, run_id: str) -> list[str]:
    number = frames.runs.index[frames.runs["run_id"] == run_id][0]
    return frames.steps.loc[frames.steps["run"] == number, "verdict"].astype(str).tolist()


def labelled(frames: Frames) -> dict[str, str]:
    return dict(zip(frames.runs["run_id"], frames.runs["labelled"].astype(str), strict=True))


def test_runs_and_steps_as_they_were_imported(store: Store) -> None:
    frames = store.frames(Labels())
    runs = frames.runs.set_index("run_id")
    assert list(runs.index) == [f"run-{n}" for n in range(1, 6)]
    assert runs["outcome"].tolist() == ["solved", "unknown", "failed", "failed", "failed"]
    assert runs["category"].tolist()[0] == "games"
    assert runs.loc["run-2", ["model", "task", "cost_usd", "category"]].isna().all()
    assert runs.loc["run-1", ["step_count", "cost_usd", "prompt_tokens"]].tolist() == [4, 0.25, 1000]
    assert frames.steps["run"].tolist() == [run for run in range(4) for _ in range(4)]
    assert frames.steps["step_id"].tolist() == [1, 2, 3, 4] * 4
    assert frames.steps["kind"].astype(str).tolist() == ["explore", "explore", "change", "explore"] * 4


def test_ground_truth_is_complete_where_there_is_a_row_and_none_where_it_is_misaligned(store: Store) -> None:
    frames = store.frames(Labels())
    assert labelled(frames) == {
        "run-1": "finished",
        "run-2": "no",
        "run-3": "misaligned",
        "run-4": "finished",
        "run-5": "no",
    }
    assert verdicts(frames, "run-1") == ["unlabelled", "incorrect", "unlabelled", "unuseful"]
    assert verdicts(frames, "run-3") == ["unlabelled"] * 4
    assert verdicts(frames, "run-4") == ["unlabelled"] * 4


def test_runs_can_be_named_and_those_that_one_is_blind_to_are_not_there(store: Store) -> None:
    frames = store.frames(Labels(), run_ids=["run-4", "run-1", "run-2", "no-such-run"], blind={"run-1"})
    assert frames.runs["run_id"].tolist() == ["run-2", "run-4"]
    assert len(frames.steps) == 8
    assert store.frames(Labels(), run_ids=[]).steps.empty
    assert store.label_sources() == {Labels(): 3}
    assert store.label_sources(blind={"run-1", "run-3"}) == {Labels(): 1}


def test_a_persons_labels_are_complete_when_they_are_submitted(store: Store) -> None:
    store.create_project(Project(project_id="pilot", created_at=datetime.now(UTC)), ["run-1", "run-2"])
    for number, run_id in enumerate(("run-1", "run-2"), start=1):
        given = store.claim_next("pilot", "ana")
        assert given is not None
        say(store, number, "incorrect", run_id=run_id, step_id=3)
    say(store, 3, 3, run_id="run-1", step_id=None, field="onset")
    say(store, 4, "unuseful", run_id="run-1", step_id=1, annotator="bob")
    assert labelled(store.frames(ANA))["run-1"] == "begun"
    store.submit("pilot", "run-1", "ana")
    frames = store.frames(ANA)
    assert (labelled(frames)["run-1"], labelled(frames)["run-2"]) == ("finished", "begun")
    assert verdicts(frames, "run-1")[:3] == ["unlabelled", "unlabelled", "incorrect"]
    assert frames.runs["onset"].tolist()[0] == 3
    # a revision takes the place of what was submitted; it is a pass of its own
    say(store, 5, "correct", run_id="run-1", step_id=3, pass_number=2)
    say(store, 6, "incorrect", run_id="run-1", step_id=2, pass_number=2)
    frames = store.frames(ANA)
    assert labelled(frames)["run-1"] == "finished"
    assert verdicts(frames, "run-1") == ["unlabelled", "incorrect", "correct", "unlabelled"]
    assert store.label_sources()[ANA] == 2


def test_of_a_model_the_last_diagnosis_counts_even_if_it_finds_nothing(store: Store) -> None:
    author = Labels("model", make_diagnosis().author)
    store.add_diagnosis(make_diagnosis(onset=(), error_chain=()), [])
    assert verdicts(store.frames(author), "run-1") == ["unlabelled", "unlabelled", "incorrect", "unlabelled"]
    store.add_diagnosis(make_diagnosis(onset=(), error_chain=(), findings=(), conclusion="no_error_found"), [])
    frames = store.frames(author)
    assert labelled(frames)["run-1"] == "finished"
    assert verdicts(frames, "run-1") == ["unlabelled"] * 4
    assert labelled(frames)["run-2"] == "no"


def test_labels_of_a_model_from_a_file_are_not_known_to_be_complete(store: Store) -> None:
    say(store, 1, "incorrect", run_id="run-2", step_id=1, source="model", annotator="some-model")
    frames = store.frames(Labels("model", "some-model"))
    assert labelled(frames)["run-2"] == "begun"
    assert verdicts(frames, "run-2")[0] == "incorrect"


def test_adjudicators_speak_with_one_voice(store: Store) -> None:
    say(store, 1, "incorrect", source="adjudicated", annotator="ada")
    say(store, 1, "correct", source="adjudicated", annotator="ben")
    frames = store.frames(Labels("adjudicated"))
    assert verdicts(frames, "run-1")[0] == "correct"
    assert labelled(frames)["run-1"] == "begun"


def test_what_is_taken_back_is_no_label(store: Store) -> None:
    say(store, 1, "incorrect")
    say(store, 2, None)
    assert labelled(store.frames(ANA))["run-1"] == "no"
