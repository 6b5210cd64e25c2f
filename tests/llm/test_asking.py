"""One structured answer: validated, sent back with what is wrong, at most so many times."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from codetracer_core.errors import ModelError
from codetracer_core.llm import Message, Mode, Reply, ScriptedModel, UnusableAnswer, ask, calling, read_answer
from tests.llm.conftest import Start, model_at
from tests.model_server import Call, Say
from tests.model_server import calling as serving

HELLO = (Message(role="user", text="What went wrong?"),)


class Label(BaseModel):
    step_id: int = Field(ge=1)
    verdict: Literal["incorrect", "unuseful"]


class Labels(BaseModel):
    """Labels of steps.

    More on them."""

    labels: list[Label]


GOOD = {"labels": [{"step_id": 3, "verdict": "incorrect"}]}
BAD = {"labels": [{"step_id": 0, "verdict": "wrong"}]}


def test_a_valid_answer_is_taken() -> None:
    answered = ask(ScriptedModel([calling(("answer", GOOD))]), HELLO, Labels)
    assert answered.value.labels[0].step_id == 3
    assert answered.usage.calls == 1
    assert [message.role for message in answered.messages] == ["user", "assistant"]


def test_a_malformed_answer_goes_back_with_the_exact_problems() -> None:
    model = ScriptedModel([calling(("answer", BAD)), Reply(text="Sorry!"), calling(("answer", GOOD))])
    answered = ask(model, HELLO, Labels)
    assert answered.value.labels[0].verdict == "incorrect"
    assert answered.usage.calls == 3
    assert answered.usage.prompt_tokens > 0
    sent_back = model.asked[1][-1]
    assert (sent_back.role, sent_back.call_id) == ("tool", "call_1")
    assert "- labels.0.step_id: Input should be greater than or equal to 1 (given: 0)" in sent_back.text
    assert "- labels.0.verdict: Input should be 'incorrect' or 'unuseful' (given: 'wrong')" in sent_back.text
    assert model.asked[2][-1].role == "user"
    assert "It does not call the tool 'answer'" in model.asked[2][-1].text


def test_every_call_of_a_wrong_answer_is_answered() -> None:
    model = ScriptedModel([calling(("other", {}), ("answer", BAD)), calling(("answer", GOOD))])
    assert ask(model, HELLO, Labels).usage.calls == 2


def test_repairs_are_counted_and_paid() -> None:
    model = ScriptedModel([calling(("answer", BAD))] * 9)
    with pytest.raises(UnusableAnswer, match=r"labels\.0\.verdict") as caught:
        ask(model, HELLO, Labels, repairs=2)
    assert len(caught.value.replies) == len(model.asked) == 3
    with pytest.raises(UnusableAnswer):
        ask(model, HELLO, Labels, repairs=0)
    assert len(model.asked) == 4


def test_a_cut_answer_is_asked_for_shorter() -> None:
    half = calling(("answer", GOOD))
    request = half.tool_requests[0].model_copy(update={"arguments": '{"labels": [{"st'})
    model = ScriptedModel([Reply(tool_requests=(request,), is_cut=True), calling(("answer", GOOD))])
    ask(model, HELLO, Labels)
    assert "cut off: be much shorter" in model.asked[1][-1].text


def test_many_problems_are_told_in_part() -> None:
    with pytest.raises(UnusableAnswer) as caught:
        read_answer(json.dumps({"labels": [{}] * 100}), Labels)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "and 180 more"
    with pytest.raises(ModelError, match="no JSON"):
        read_answer("{", Labels)


@pytest.mark.parametrize("mode", ["tools", "schema", "text"])
def test_through_a_real_server_in_every_mode(model_server: Start, mode: Mode) -> None:
    script = [Say(calls=(Call("answer", '{"labels": ['),)), serving("answer", **BAD), serving("answer", **GOOD)]
    server = model_server(script)
    model = model_at(server, mode=mode)
    answered = ask(model, HELLO, Labels, temperature=0.0)
    assert answered.value.labels[0].step_id == 3
    assert answered.usage.calls == 3
    assert answered.usage.prompt_tokens == 300
    assert "labels.0.verdict" in server.requests[2].text
