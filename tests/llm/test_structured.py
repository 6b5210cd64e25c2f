"""Structured answers: asked for by a tool, validated, and what is wrong with one told in full."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from codetracer_core.errors import ModelError
from codetracer_core.llm import Message, Mode, UnusableAnswer, as_tool, read_answer
from tests.llm.conftest import Start, model_at
from tests.model_server import Call, Say
from tests.model_server import calling as serving


class Label(BaseModel):
    step_id: int = Field(ge=1)
    verdict: Literal["incorrect", "unuseful"]


class Labels(BaseModel):
    labels: list[Label]


GOOD = {"labels": [{"step_id": 3, "verdict": "incorrect"}]}
BAD = {"labels": [{"step_id": 0, "verdict": "wrong"}]}


def problems_of(arguments: str) -> tuple[str, ...]:
    with pytest.raises(UnusableAnswer) as caught:
        read_answer(arguments, Labels)
    return caught.value.problems


def test_problems_are_told_with_their_place_and_what_stands_there() -> None:
    assert read_answer(json.dumps(GOOD), Labels).labels[0].step_id == 3
    assert problems_of(json.dumps(BAD)) == (
        "labels.0.step_id: Input should be greater than or equal to 1 (given: 0)",
        "labels.0.verdict: Input should be 'incorrect' or 'unuseful' (given: 'wrong')",
    )
    assert "no JSON" in problems_of("{")[0]
    assert issubclass(UnusableAnswer, ModelError)


def test_many_problems_are_told_in_part() -> None:
    told = problems_of(json.dumps({"labels": [{}] * 100}))
    assert len(told) == 21
    assert told[-1] == "and 180 more"


@pytest.mark.parametrize("mode", ["tools", "schema", "text"])
def test_through_a_real_server_in_every_mode(model_server: Start, mode: Mode) -> None:
    tool = as_tool(Labels, "answer", "Say which steps are wrong.")
    server = model_server([Say(calls=(Call("answer", '{"labels": ['),)), serving("answer", **GOOD)])
    model = model_at(server, mode=mode)
    replies = [
        model.complete([Message(role="user", text="What?")], tools=(tool,), must_call="answer", temperature=0.0)
        for _ in range(2)
    ]
    given = [request.arguments for reply in replies for request in reply.tool_requests]
    assert read_answer(given[-1], Labels).labels[0].verdict == "incorrect"
    assert "Say which steps are wrong." in server.requests[0].text
