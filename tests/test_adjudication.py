"""Whose word is whose on a run: letters, passes, what is sent to the browser."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.adjudication import (
    Difference,
    Voice,
    agreed,
    cases,
    difference,
    others,
    people,
    positions,
    voice_id,
)
from codetracer_core.models import Basis, LabelEvent
from codetracer_core.projects import Assignment, State
from tests.store.factory import NOON, make_label


def say(annotator: str, value: Any, *, step: int | None = 1, field: str = "verdict", **fields: Any) -> LabelEvent:
    return make_label(1, value, annotator=annotator, step_id=step, field=field, **fields)


def test_a_person_is_a_letter_and_their_name_is_told_only_if_it_is_asked_for() -> None:
    labels = [
        say("ann", "incorrect"),
        say("ann", {"reason": "wrong file"}, field="details"),
        say("bob", "correct"),
        say("bob", 4, step=None, field="onset"),
        say("eve", "unuseful"),
    ]
    voices = people("run-1", labels, {"ann": 1, "bob": 1})
    letter = {voice.annotator: voice.who for voice in voices}
    sent = positions(voices)
    assert [voice["who"] for voice in sent["voices"]] == ["A", "B"]
    assert {said["who"]: said["verdict"] for said in sent["positions"]["1"]} == {
        letter["ann"]: "incorrect",
        letter["bob"]: "correct",
    }
    assert {of["who"]: of.get("onset") for of in sent["runPositions"]} == {letter["ann"]: None, letter["bob"]: 4}
    assert not any(name in json.dumps(sent) for name in ("ann", "bob", "eve"))
    named = {voice["who"]: voice["name"] for voice in positions(voices, names=True)["voices"]}
    assert named == {letter["ann"]: "ann", letter["bob"]: "bob"}


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=30))
def test_letters_are_all_different_and_do_not_follow_the_order_of_arrival(names: set[str]) -> None:
    one = people("run-1", [], dict.fromkeys(sorted(names), 1))
    other = people("run-1", [], dict.fromkeys(sorted(names, reverse=True), 1))
    assert one == other
    assert len({voice.who for voice in one}) == len(names)
    assert {voice.voice_id for voice in one} == {voice_id("run-1", name) for name in names}


def test_the_order_of_letters_is_of_the_run_not_of_the_name() -> None:
    first = {people(f"run-{n}", [], {"ann": 1, "bob": 1})[0].annotator for n in range(20)}
    assert first == {"ann", "bob"}


def test_what_was_said_blind_stands_and_what_was_revised_is_told_beside_it() -> None:
    labels = [
        say("ann", "incorrect", step=1),
        say("ann", "correct", step=2),
        say("ann", "unuseful", step=3),
        say("ann", "incorrect", step=1, pass_number=2),
        say("ann", "uncertain", step=2, pass_number=2),
        say("ann", "I still think so", step=1, field="reply", pass_number=2),
    ]
    (voice,) = people("run-1", labels, {"ann": 1})
    assert voice.of_steps == {
        1: {"verdict": "incorrect", "reply": "I still think so"},
        2: {"verdict": "correct", "revised": "uncertain"},
        3: {"verdict": "unuseful", "revised": None},
    }


def test_a_reply_alone_revises_nothing() -> None:
    labels = [say("ann", "incorrect"), say("ann", "yes, but", field="reply", pass_number=2)]
    (voice,) = people("run-1", labels, {"ann": 1})
    assert voice.of_steps == {1: {"verdict": "incorrect", "reply": "yes, but"}}


def test_a_repetition_is_a_position_of_its_own() -> None:
    labels = [say("ann", "incorrect"), say("ann", "unuseful", pass_number=3)]
    (voice,) = people("run-1", labels, {"ann": 3})
    assert (voice.verdict(1), voice.verdict(2)) == ("unuseful", None)


def test_models_speak_under_their_own_names_and_adjudication_with_one_voice() -> None:
    basis = {"taken": "bob", "positions": {"bob": "correct", "ann": None}}
    labels = [
        say("m-1", "incorrect", source="model"),
        say("m-2", "correct", source="model"),
        say("cora", "correct", source="adjudicated"),
        say("cora", basis, field="basis", source="adjudicated"),
        say("dora", "unuseful", step=2, source="adjudicated"),
        say("dora", {"taken": "new", "positions": {}}, step=2, field="basis", source="adjudicated"),
    ]
    assert [voice.who for voice in others("run-1", labels, "model")] == ["m-1", "m-2"]
    voices = [*people("run-1", [], {"bob": 1, "ann": 1}), *others("run-1", labels, "adjudicated")]
    letter = next(voice.who for voice in voices if voice.annotator == "bob")
    sent = positions(voices)
    assert sent["positions"]["1"] == [
        {"who": "adjudicated", "source": "adjudicated", "verdict": "correct", "basis": letter}
    ]
    assert sent["positions"]["2"][0]["basis"] == "new"
    assert not any(name in json.dumps(sent) for name in ("ann", "bob", "cora", "dora"))


def test_the_error_chain_is_an_answer_on_the_whole_run() -> None:
    labels = [say("ann", True, step=step, field="chain") for step in (9, 4, 5)]
    (voice,) = people("run-1", labels, {"ann": 1})
    assert positions([voice])["runPositions"] == [{"who": "A", "source": "human", "chain": [4, 5, 9]}]


# --- where they differ, what they agree on ----------------------------------------------------------------------------

VERDICTS = st.sampled_from(["correct", "incorrect", "unuseful", "uncertain", None])
NAMES = ["ann", "bob", "cy"]


@st.composite
def matrices(draw: st.DrawFn) -> list[list[str | None]]:
    """Verdicts by person, then by step."""
    steps = draw(st.integers(0, 8))
    return draw(st.lists(st.lists(VERDICTS, min_size=steps, max_size=steps), min_size=1, max_size=3))


def voices_of(matrix: list[list[str | None]]) -> list[Voice]:
    labels = [
        say(name, verdict, step=step)
        for name, verdicts in zip(NAMES, matrix, strict=False)
        for step, verdict in enumerate(verdicts, start=1)
        if verdict is not None
    ]
    return people("run-1", labels, dict.fromkeys(NAMES[: len(matrix)], 1))


@given(matrices())
def test_each_step_is_agreed_on_or_differs_or_was_left_by_all(matrix: list[list[str | None]]) -> None:
    voices = voices_of(matrix)
    columns = dict(enumerate(zip(*matrix, strict=True), start=1))
    found = difference(voices)
    assert found.steps == tuple(step for step, verdicts in columns.items() if len(set(verdicts)) > 1)
    same = {step: verdicts[0] for step, verdicts in columns.items() if len(set(verdicts)) == 1 and verdicts[0]}
    prefilled = {step: value for step, field, value in agreed(voices) if field == "verdict"}
    assert prefilled == (same if len(matrix) > 1 else {})


@given(matrices())
def test_the_score_is_what_its_description_says(matrix: list[list[str | None]]) -> None:
    expected = 0
    for verdicts in map(set, zip(*matrix, strict=True)):
        if len(verdicts) > 1:
            expected += 10 if "incorrect" in verdicts else 3 if len(verdicts - {None}) > 1 else 1
    assert difference(voices_of(matrix)).score == expected


@given(matrices())
def test_what_is_agreed_can_be_stored_and_tells_what_it_rests_on(matrix: list[list[str | None]]) -> None:
    for step, field, value in agreed(voices_of(matrix)):
        if field == "basis":
            assert step is not None
            assert Basis.model_validate(value).taken == "agreed"
            assert set(value["positions"].values()) == {matrix[0][step - 1]}


def test_questions_on_the_whole_run() -> None:
    stages = [{"stage_id": 1, "start_step_id": 1, "end_step_id": 3, "name": "look"}]
    labels = [
        *(say(name, 3, step=None, field="onset") for name in ("ann", "bob")),
        say("ann", "has_error", step=None, field="run_verdict"),
        *(say(name, stages, step=None, field="stages") for name in ("ann", "bob")),
        *(say(name, True, step=step, field="chain") for name, step in (("ann", 4), ("ann", 5), ("bob", 4))),
    ]
    voices = people("run-1", labels, {"ann": 1, "bob": 1})
    assert difference(voices).of_run == ("chain",), "a verdict that only one gives contradicts nobody"
    assert agreed(voices) == [(4, "chain", True), (None, "onset", 3), (None, "stages", stages)]
    alone = people("run-1", labels[:1], {"ann": 1, "bob": 1})
    assert difference(alone) == Difference(of_run=("onset",))
    assert difference(alone).score == 20, "an onset against none is a difference"


def test_the_most_valuable_run_comes_first() -> None:
    def submitted(run_id: str, annotator: str, state: State = "submitted") -> Assignment:
        return Assignment("pilot", run_id, annotator, 1, state, NOON, None, None, NOON, "", 5, 0, 0, 0)

    labels = [
        say("ann", "correct", run_id="run-1"),
        say("ann", "incorrect", run_id="run-2"),
        say("bob", "correct", run_id="run-2"),
        say("ann", "unuseful", run_id="run-4"),
    ]
    assignments = [
        *(submitted(run_id, name) for run_id in ("run-1", "run-2") for name in ("ann", "bob")),
        submitted("run-4", "ann"),
        submitted("run-3", "bob", "in_progress"),
        *(submitted("run-5", name, "adjudicated") for name in ("ann", "bob")),
    ]
    found = cases([f"run-{n}" for n in range(1, 6)], assignments, labels)
    assert [(case.run_id, case.difference.score, case.submitted) for case in found] == [
        ("run-2", 10, 2),
        ("run-1", 1, 2),
        ("run-3", 0, 0),
        ("run-4", 0, 1),
        ("run-5", 0, 2),
    ]
    assert [case.waits for case in found] == [False, False, True, True, False]
    assert [case.run_id for case in found if case.decided] == ["run-5"]


def test_a_model_that_diagnosed_a_run_twice_says_what_it_said_last() -> None:
    first = [make_label(1, "incorrect", step_id=1), make_label(2, "incorrect", step_id=2)]
    again = [make_label(3, "unuseful", step_id=2, pass_number=2), make_label(4, 3, step_id=None, field="onset")]
    by_model = {"source": "model", "annotator": "a-model (agent)"}
    said = [label.model_copy(update=by_model) for label in first]
    said += [label.model_copy(update=by_model | {"pass_number": 2}) for label in again]
    (voice,) = others("run-1", said, "model")
    assert voice.of_steps == {2: {"verdict": "unuseful"}}
    assert voice.of_run == {"onset": 3}
