"""Whose word is whose on a run: letters, passes, what is sent to the browser."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.adjudication import others, people, positions, voice_id
from codetracer_core.models import LabelEvent
from tests.store.factory import make_label


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
