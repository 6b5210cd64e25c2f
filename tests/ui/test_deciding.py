"""What a person decides on labels of a diagnosis, and whom the server refuses. A real store, a real file of roles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.adjudication import voice_id
from codetracer_core.diagnosis_models import Diagnosis
from codetracer_core.store import Store
from codetracer_core.ui.deciding import take_decisions
from tests.store.factory import make_label
from tests.ui.diagnoses import RUN, a_diagnosis, make_place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path / "workspace"))
    return make_place(tmp_path / "workspace")


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with Store.open(place) as opened:
        yield opened


def send(store: Store, diagnosis: Diagnosis, *ops: dict[str, Any], client: str = "browser") -> list[str]:
    """What is refused of these acts, in words."""
    common = {"run": RUN, "diagnosis": diagnosis.diagnosis_id, "step": 2, "field": "verdict", "annotator": "cora"}
    numbered = [common | {"sequence": at, "at": "2026-03-01T12:00:00.000Z"} | op for at, op in enumerate(ops, start=1)]
    acknowledged, refused = take_decisions(store, [{"client": client, "ops": numbered}])
    assert acknowledged == {client: len(ops)}, "what is refused is settled, too"
    return refused


def adjudicated(store: Store) -> dict[tuple[int | None, str], Any]:
    return {(one.step_id, one.field): one.value for one in store.labels(RUN, source="adjudicated")}


def test_an_accepted_label_rests_on_the_model_and_takes_its_reasons_along(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    accepted = [
        {"value": "incorrect"},
        {"field": "details", "value": {"as": "model"}},
        {"field": "basis", "value": {"taken": "model"}},
        {"step": None, "field": "onset", "value": 2},
        {"step": None, "field": "run_verdict", "value": "has_error"},
    ]
    assert send(store, diagnosis, *accepted) == []
    said = adjudicated(store)
    author = "openai/scripted (agent)"
    assert said[2, "basis"] == {"taken": author, "positions": {author: "incorrect"}}
    assert said[2, "verdict"] == "incorrect"
    assert said[2, "details"]["reason"] == "reason of step 2"
    assert said[2, "details"]["quotes"][0]["text"] == "cat file_2.py"
    assert (said[None, "onset"], said[None, "run_verdict"]) == (2, "has_error")


def test_another_verdict_is_new_and_tells_what_the_model_had_said(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    before = {"taken": "ann", "positions": {"ann": "correct", "bob": "unuseful"}}
    store.add_label_events([make_label(1, before, step_id=2, field="basis", source="adjudicated", client="before")])
    rejected = [{"value": "correct"}, {"field": "basis", "value": {"taken": "new"}}]
    assert send(store, diagnosis, *rejected) == []
    assert adjudicated(store)[2, "basis"] == {
        "taken": "new",
        "positions": {"ann": "correct", "bob": "unuseful", "openai/scripted (agent)": "incorrect"},
    }
    assert send(store, diagnosis, {"field": "basis", "value": {"taken": voice_id(RUN, "ann")}}, client="undo") == []
    assert adjudicated(store)[2, "basis"]["taken"] == "ann", "the browser does not know the name"
    assert send(store, diagnosis, {"value": None}, {"field": "basis", "value": None}, client="back") == []
    assert adjudicated(store) == {}


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ({"annotator": "eve"}, "does not have the role adjudicator"),
        ({"annotator": "dan"}, "labels this run blind"),
        ({"annotator": " "}, "not understood"),
        ({"diagnosis": "0" * 32}, "there is no diagnosis"),
        ({"run": "run-2"}, "of another run"),
        ({"step": 3}, "no label on step 3"),
        ({"step": 5}, "no label on step 5"),
        ({"field": "chain", "value": True}, "only verdicts"),
        ({"field": "flag", "value": True}, "only verdicts"),
        ({"field": "note", "step": None, "value": "a note"}, "only verdicts"),
        ({"field": "worked", "step": None, "value": 5}, "only verdicts"),
        ({"field": "basis", "value": {"taken": "f" * 12}}, "one of those whose positions are told"),
        ({"field": "basis", "value": "model"}, "not understood"),
        ({"field": "shown", "step": None, "value": "none"}, "not understood"),
        ({"value": "wrong"}, "is no verdict"),
    ],
)
def test_whoever_may_not_decide_is_refused_in_words(store: Store, op: dict[str, Any], reason: str) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    (words,) = send(store, diagnosis, {"value": "incorrect"} | op)
    assert reason in words
    assert adjudicated(store) == {}


def test_a_decision_says_that_its_author_had_seen_what_the_model_says(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    seen = make_label(1, "model", field="shown", step_id=None, annotator="cora", client="page")
    store.add_label_events([seen])
    assert send(store, diagnosis, {"value": "incorrect"}) == []
    assert {one.exposure for one in store.labels(RUN, source="adjudicated")} == {"model"}
