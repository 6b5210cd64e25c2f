"""The scripted model keeps the promises of a real one; the model server speaks like a provider."""

import json
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from codetracer_core.errors import Cancelled, ContextOverflow, ModelError
from codetracer_core.llm import Message, Model, Price, Reply, ScriptedModel, ToolSpec, calling
from tests import model_server as served
from tests.model_server import ModelServer

HELLO = (Message(role="user", text="Hello"),)


def test_a_scripted_model_is_a_model_and_says_its_lines() -> None:
    overloaded = ModelError("overloaded")
    model: Model = ScriptedModel([Reply(text="one"), overloaded, calling(("read_steps", {"steps": [1]}))])
    heard: list[str] = []
    assert model.complete(HELLO, on_text=heard.append).text == "one"
    with pytest.raises(ModelError, match="overloaded"):
        model.complete(HELLO)
    assert json.loads(model.complete(HELLO).tool_requests[0].arguments) == {"steps": [1]}
    with pytest.raises(ModelError, match="script of this model has ended"):
        model.complete(HELLO)
    assert heard == ["one"]


def test_it_answers_with_a_function() -> None:
    def echo(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        return Reply(text=f"{messages[-1].text}, {len(tools)} tools")

    assert ScriptedModel(echo).complete(HELLO).text == "Hello, 0 tools"


def test_it_counts_and_charges() -> None:
    model = ScriptedModel([Reply(text="a" * 300)] * 2, price=Price(prompt=1.0, completion=10.0))
    usage = model.complete([Message(role="user", text="b" * 3000)]).usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (1, 1008, 100, True)
    assert usage.cost_usd == pytest.approx((1008 + 1000) / 1e6)
    assert ScriptedModel([Reply(text="a")], price=None).complete(HELLO).usage.cost_usd is None


def test_it_refuses_what_a_provider_refuses() -> None:
    model = ScriptedModel([Reply(text="fits")], context_tokens=1_000)
    with pytest.raises(ContextOverflow):
        model.complete([Message(role="user", text="x" * 10_000)])
    request = calling(("read_steps", {})).tool_requests
    asked = Message(role="assistant", tool_requests=request)
    with pytest.raises(ModelError, match="have not been answered"):
        model.complete([*HELLO, asked])
    with pytest.raises(ModelError, match="before the calls"):
        model.complete([*HELLO, asked, *HELLO])
    with pytest.raises(ModelError, match="which the message before did not make"):
        model.complete([*HELLO, Message(role="tool", call_id="call_1", text="?")])
    with pytest.raises(Cancelled):
        model.complete(HELLO, cancelled=lambda: True)
    answered = [*HELLO, asked, Message(role="tool", call_id="call_1", text="step 1"), *HELLO]
    assert model.complete(answered).text == "fits"
    assert model.asked == [tuple(answered)]


def post(server: ModelServer, body: dict[str, Any]) -> tuple[int, str]:
    request = urllib.request.Request(f"{server.url}/chat/completions", json.dumps(body).encode())
    request.add_header("Authorization", "Bearer key-of-the-test")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_server_answers_in_every_way(model_server: Callable[..., ModelServer]) -> None:
    call = served.calling("read_steps", steps=[3])
    server = model_server([call, call, served.Say("streamed words", cached_tokens=7), served.Fail(500, echo_key=True)])
    hello = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    tools = [{"type": "function", "function": {"name": "read_steps"}}]
    message = json.loads(post(server, {**hello, "tools": tools})[1])["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"steps": [3]}
    message = json.loads(post(server, hello)[1])["choices"][0]["message"]
    assert json.loads(message["content"]) == {"calls": [{"tool": "read_steps", "arguments": {"steps": [3]}}]}
    events = post(server, {**hello, "stream": True, "stream_options": {"include_usage": True}})[1]
    assert events.endswith("data: [DONE]\n\n")
    assert '"content": "streamed wor"' in events
    assert '"cached_tokens": 7' in events
    status, text = post(server, hello)
    assert status == 500
    assert "key-of-the-test" in text
    assert post(server, hello) == (400, post(server, hello)[1])
    assert [asked.tools for asked in server.requests[:2]] == [["read_steps"], []]
    assert server.requests[0].key == "key-of-the-test"


def test_the_server_refuses_features_and_broken_conversations(model_server: Callable[..., ModelServer]) -> None:
    server = model_server([served.Say("fine")], refuses=["tools"])
    hello = {"role": "user", "content": "hi"}
    assert post(server, {"messages": [hello], "tools": [{"function": {"name": "x"}}]})[0] == 400
    calls = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "x", "arguments": "{}"}}]}
    assert post(server, {"messages": [hello, calls, hello]})[0] == 400
    answer = {"role": "tool", "tool_call_id": "a", "content": "x"}
    assert post(server, {"messages": [hello, calls, answer]})[0] == 200
    assert len(server.requests) == 3
