"""What the server stores of an adjudicator's acts, and whom it refuses. A real store, a real file of roles."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.adjudication import blind_passes, people, voice_id
from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.ui.adjudicating import begin, take_adjudicated
from tests.store.factory import decide, make_label, make_run

SAID = {"ann": {1: "correct", 2: "incorrect"}, "bob": {1: "correct", 2: "unuseful"}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Two people have submitted run-1 of the project; run-2 is free."""
    place = tmp_path / "workspace"
    place.mkdir()
    (place / "people.toml").write_text(
        '[people]\ncora = ["adjudicator"]\ndan = ["adjudicator", "annotator"]\neve = ["lead", "annotator"]\n'
    )
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(place))
    with Store.open(place) as opened:
        runs = [make_run(run_id, 4) for run_id in ("run-1", "run-2")]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        opened.create_project(
            Project(project_id="pilot", annotators=("ann", "bob", "dan"), created_at=datetime.now(UTC)),
            ["run-1", "run-2"],
        )
        for who, verdicts in SAID.items():
            opened.claim_next("pilot", who)
            events = [
                make_label(step, value, step_id=step, annotator=who, client=who) for step, value in verdicts.items()
            ]
            assert opened.add_human_labels(events).refused == ()
            opened.submit("pilot", "run-1", who)
        yield opened


def send(store: Store, *ops: dict[str, Any]) -> list[str]:
    """What is refused of these acts, in words."""
    full = [
        {"run": "run-1", "project": "pilot", "step": 2, "field": "verdict", "value": "incorrect", "annotator": "cora"}
        | {"sequence": at, "at": "2026-03-01T12:00:00.000Z"}
        | op
        for at, op in enumerate(ops, start=1)
    ]
    acknowledged, refused = take_adjudicated(store, [{"client": "browser", "ops": full}])
    assert acknowledged == {"browser": len(ops)}, "what is refused is settled, too"
    return refused


def adjudicated(store: Store) -> dict[tuple[int | None, str], Any]:
    return {(one.step_id, one.field): one.value for one in store.labels("run-1", source="adjudicated")}


def test_a_taken_position_is_stored_with_the_name_that_the_browser_does_not_know(store: Store) -> None:
    taken = {"field": "basis", "value": {"taken": voice_id("run-1", "ann")}}
    assert send(store, {}, taken, {"field": "worked", "step": None, "value": 30}) == []
    assert adjudicated(store) == {
        (2, "verdict"): "incorrect",
        (2, "basis"): {"taken": "ann", "positions": {"ann": "incorrect", "bob": "unuseful"}},
    }
    assert {one.annotator for one in store.labels("run-1", source="adjudicated")} == {"cora"}


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ({"annotator": "eve"}, "does not have the role adjudicator"),
        ({"annotator": "dan", "run": "run-2"}, "labels this run blind"),
        ({"run": "run-2"}, "fewer than two people"),
        ({"run": "elsewhere"}, "holds no run 'elsewhere'"),
        ({"project": "another"}, "there is no project 'another'"),
        ({"field": "basis", "value": {"taken": "0" * 12}}, "one of those whose positions are told"),
        ({"field": "shown", "value": "none"}, "not understood"),
        ({"annotator": " "}, "not understood"),
        ({"step": 9}, "there is no step 9"),
    ],
)
def test_whoever_may_not_is_refused_in_words(store: Store, op: dict[str, Any], reason: str) -> None:
    (words,) = send(store, op)
    assert reason in words
    assert adjudicated(store) == {}


def test_what_is_agreed_is_stored_once_and_never_over_a_decision(store: Store) -> None:
    passes = blind_passes(store.assignments("pilot"))["run-1"]
    voices = people("run-1", store.submitted_labels("pilot", run_id="run-1"), passes)
    for _ in range(2):
        begin(store, "run-1", "cora", voices)
    assert adjudicated(store) == {
        (1, "verdict"): "correct",
        (1, "basis"): {"taken": "agreed", "positions": {"ann": "correct", "bob": "correct"}},
    }
    assert len([act for act in store.label_history("run-1") if act.source == "adjudicated"]) == 2
    assert send(store, {"step": 1, "value": None}, {"step": 1, "field": "basis", "value": None}) == []
    begin(store, "run-1", "cora", voices)
    assert adjudicated(store) == {}, "taken back is taken back"
