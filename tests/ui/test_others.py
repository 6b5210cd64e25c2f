"""Whose voices stand beside a step of a run: everybody whose labels a number of the agreement page can rest on."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.ui.others import truth_voices, voices_of
from tests.store.factory import decide, make_diagnosis, make_label, make_run

_SEQUENCE = count(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        runs = [make_run("run-1"), make_run("benchmarked", record={"benchmark": {"difficulty": "easy"}})]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        yield opened


def project(store: Store, **settings: Any) -> None:
    store.create_project(Project(project_id="pilot", created_at=datetime.now(UTC), **settings), ["run-1"])


def says(store: Store, who: str, verdicts: Mapping[int, str | None]) -> None:
    events = [
        make_label(next(_SEQUENCE), verdict, run_id="run-1", step_id=step, annotator=who)
        for step, verdict in verdicts.items()
    ]
    assert store.add_human_labels(events).refused == ()


def told(store: Store, step: int, *, all_raters: bool = False) -> list[tuple[str, str, str | None]]:
    voices = voices_of(store, "run-1", "lea", all_raters=all_raters)
    return [(voice.who, voice.annotator, voice.verdict(step)) for voice in voices]


def test_who_labels_outside_of_all_projects_has_a_voice_and_who_has_not_submitted_none(store: Store) -> None:
    says(store, "free", {2: "incorrect"})
    project(store, annotators_per_run=2, annotators=("ann", "early"))
    says(store, "early", {2: "correct"})
    assert store.claim_next("pilot", "ann") is not None
    says(store, "ann", {2: "unuseful"})
    assert told(store, 2) == [("A", "free", "incorrect")]
    store.submit("pilot", "run-1", "ann")
    assert {annotator: verdict for _, annotator, verdict in told(store, 2)} == {"free": "incorrect", "ann": "unuseful"}
    compared = {annotator for _, annotator, _ in told(store, 2, all_raters=True)}
    assert compared == {rater.name for rater in store.ratings().raters} == {"free", "ann", "early"}


def test_earlier_passes_stand_beside_the_last_one_where_labels_are_compared(store: Store) -> None:
    project(store, repeat_share=1.0, repeat_after_hours=0.0)
    for verdict in ("incorrect", "unuseful"):
        claimed = store.claim_next("pilot", "ann")
        assert claimed is not None
        says(store, "ann", {2: verdict})
        store.submit("pilot", "run-1", "ann")
    assert told(store, 2) == [("A", "ann", "unuseful")]
    assert told(store, 2, all_raters=True) == [("pass 1 of A", "ann", "incorrect"), ("A", "ann", "unuseful")]


def test_a_model_says_what_it_said_last(store: Store) -> None:
    trajectory = store.load_run("run-1").trajectory
    evidence = trajectory.steps[2].action
    assert evidence.startswith("sed -i s/3")
    store.add_diagnosis(make_diagnosis(finding=3), [])
    store.add_diagnosis(make_diagnosis(finding=2), [])
    ((name, _, verdict),) = told(store, 2)
    assert (name, verdict) == ("openai/some (agent)", "incorrect")
    assert told(store, 3)[0][2] is None


def test_ground_truth_without_a_label_is_a_voice_only_where_there_is_ground_truth(store: Store) -> None:
    assert truth_voices(store, "run-1") == []
    (silent,) = truth_voices(store, "benchmarked")
    assert (silent.who, silent.source, silent.of_steps) == ("ground truth", "ground_truth", {})
    said = make_label(
        1, "incorrect", run_id="benchmarked", step_id=2, annotator="CodeTraceBench", source="ground_truth"
    )
    assert store.add_label_events([said]).refused == ()
    (voice,) = truth_voices(store, "benchmarked")
    assert (voice.who, voice.verdict(2)) == ("ground truth", "incorrect")
