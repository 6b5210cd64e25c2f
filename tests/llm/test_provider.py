"""A model behind a real HTTP server that does everything wrong that providers do."""

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, ConfigError, ContextOverflow, ModelError
from codetracer_core.llm import Message, Mode, Price, ToolSpec, open_model, provider
from tests import model_server as served
from tests.conftest import REPOSITORY
from tests.llm.conftest import Start, model_at
from tests.model_server import Behaviour, Drop, Fail, Garbage, Hang, Say

HELLO = (Message(role="system", text="You read runs."), Message(role="user", text="Hello"))
READ = ToolSpec(
    name="read_steps",
    description="Reads steps.",
    parameters={"type": "object", "properties": {"steps": {"type": "array", "items": {"type": "integer"}}}},
)
SUBMIT = ToolSpec(name="submit", description="Hands in.", parameters={"type": "object", "properties": {}})


def test_an_answer_streams_in_with_its_tokens(model_server: Start) -> None:
    server = model_server([Say("Nothing went wrong in this run.", usage=(1000, 8), cached_tokens=600)])
    heard: list[str] = []
    model = open_model("scripted", api_base=server.url, price=Price(prompt=2.0, completion=10.0, cached=1.0))
    reply = model.complete(HELLO, max_tokens=50, temperature=0.3, on_text=heard.append)
    assert reply.text == "Nothing went wrong in this run."
    assert "".join(heard) == reply.text
    assert len([piece for piece in heard if piece]) == 3
    usage = reply.usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (1, 1000, 8, 600)
    assert usage.cost_usd == pytest.approx((400 * 2.0 + 600 * 1.0 + 8 * 10.0) / 1e6)
    assert not usage.estimated
    assert not reply.is_cut
    asked = server.requests[0].body
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("scripted", 50, 0.3)
    assert asked["messages"] == [
        {"role": "system", "content": "You read runs."},
        {"role": "user", "content": "Hello"},
    ]


def test_tokens_that_the_server_does_not_tell_are_counted(model_server: Start) -> None:
    server = model_server([Say("x" * 300, usage=None)])
    model = model_at(server)
    usage = model.complete(HELLO).usage
    assert usage.estimated
    assert (usage.prompt_tokens, usage.completion_tokens) == (model.count_tokens(HELLO), 100)
    assert usage.cost_usd is None


@pytest.mark.parametrize("told", [(-1_000_000, 5), (1_000, -5)])
def test_tokens_that_cannot_be_make_no_call_cheaper(model_server: Start, told: tuple[int, int]) -> None:
    server = model_server([Say("x" * 300, usage=told)])
    usage = open_model("m", api_base=server.url, price=Price(prompt=1.0, completion=1.0)).complete(HELLO).usage
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0
    assert usage.cost_usd is not None
    assert usage.cost_usd > 0


def test_no_more_tokens_come_from_the_cache_than_there_are(model_server: Start) -> None:
    server = model_server([Say("x", usage=(100, 5), cached_tokens=1_000)])
    model = open_model("m", api_base=server.url, price=Price(prompt=1.0, completion=1.0, cached=0.0))
    usage = model.complete(HELLO).usage
    assert usage.cached_tokens == 100
    assert usage.cost_usd == pytest.approx(5e-6)


def test_a_model_that_the_price_list_knows_without_a_price_is_not_free() -> None:
    name = "bedrock/us-east-1/1-month-commitment/anthropic.claude-v2:1"
    model = open_model(name)
    assert model.price is None
    litellm = provider._litellm()
    assert model._cost(litellm, CallUsage(calls=1, prompt_tokens=1_000, completion_tokens=10)) is None


def test_an_answer_that_became_too_long_is_marked(model_server: Start) -> None:
    server = model_server([Say("and then", finish="length")])
    assert model_at(server).complete(HELLO).is_cut


def test_halves_of_characters_do_not_stop_a_call(model_server: Start) -> None:
    server = model_server([Say("fine")])
    assert model_at(server).complete([Message(role="user", text="a\ud800b")]).text == "fine"
    assert server.requests[0].messages[0]["content"] == "a\ufffdb"


# --- tools, in every mode


@pytest.mark.parametrize(
    ("refuses", "mode", "expected"),
    [
        ([], "auto", "tools"),
        (["tool_choice"], "auto", "tools"),
        (["tools"], "auto", "schema"),
        (["tools", "response_format"], "auto", "text"),
        ([], "schema", "schema"),
        ([], "text", "text"),
        (["stream_options"], "auto", "tools"),
        (["stream"], "auto", "tools"),
        (["temperature", "max_tokens"], "tools", "tools"),
        (["tools", "response_format", "stream", "temperature"], "auto", "text"),
    ],
)
def test_whoever_asks_gets_calls(model_server: Start, refuses: list[served.Feature], mode: Mode, expected: str) -> None:
    both = Say("I look.", calls=(served.Call("read_steps", {"steps": [1]}), served.Call("read_steps", {"steps": [2]})))
    server = model_server([both, served.calling("submit"), Say("done")], refuses=refuses)
    model = model_at(server, mode=mode)
    first = model.complete(HELLO, tools=[READ, SUBMIT], temperature=0.5, max_tokens=100)
    assert first.text == "I look."
    assert [(call.name, json.loads(call.arguments)) for call in first.tool_requests] == [
        ("read_steps", {"steps": [1]}),
        ("read_steps", {"steps": [2]}),
    ]
    conversation = [
        *HELLO,
        Message(role="assistant", text=first.text, tool_requests=first.tool_requests),
        *(Message(role="tool", call_id=call.call_id, text=f"<{call.call_id}>") for call in first.tool_requests),
    ]
    before = len(server.requests)
    second = model.complete(conversation, tools=[READ, SUBMIT], must_call="submit", temperature=0.5)
    assert [call.name for call in second.tool_requests] == ["submit"]
    assert len({call.call_id for call in (*first.tool_requests, *second.tool_requests)}) == 3
    assert len(server.requests) == before + 1 + ("tool_choice" in refuses), "what was refused is remembered"
    asked = server.requests[-1]
    assert ("tools" in asked.body, "response_format" in asked.body) == (expected == "tools", expected == "schema")
    assert all(call.call_id in asked.text for call in first.tool_requests), "the answers went along"
    if expected == "tools" and "tool_choice" in refuses:
        assert asked.tools == ["submit"]
    elif expected == "tools":
        assert asked.body["tool_choice"]["function"]["name"] == "submit"
    elif expected == "schema":
        schema = asked.body["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["calls"]["items"]["properties"]["tool"]["enum"] == ["submit"]
    roles = [message["role"] for message in asked.messages]
    if expected == "tools":
        assert roles == ["system", "user", "assistant", "tool", "tool"]
    else:
        assert roles == ["system", "user", "assistant", "user"]
        assert "Reads steps." in asked.messages[0]["content"]
    assert model.complete([*conversation, Message(role="user", text="Bye")]).text == "done", "without tools: prose"


def test_a_fixed_mode_does_not_give_way(model_server: Start) -> None:
    server = model_server([], refuses=["tools"])
    with pytest.raises(ModelError, match=r"'tools' is not supported.*Set the mode to auto"):
        model_at(server, mode="tools").complete(HELLO, tools=[READ])


@pytest.mark.parametrize(
    "fault",
    [
        Fail(400, "registry.ollama.ai/library/x does not support tools"),
        Fail(500, "tools param requires --jinja flag", kind="server_error"),
        Fail(404, "No endpoints found that support tool use."),
        Fail(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    ],
)
def test_refusals_as_servers_word_them(model_server: Start, fault: Fail) -> None:
    server = model_server([fault, served.calling("read_steps", steps=[7])])
    assert model_at(server).complete(HELLO, tools=[READ]).tool_requests[0].name == "read_steps"
    assert "response_format" in server.requests[1].body


def test_prose_although_a_tool_was_demanded_is_handed_on(model_server: Start) -> None:
    server = model_server([Say("I would rather not.")] * 2)
    for mode in ("tools", "text"):
        reply = model_at(server, mode=mode).complete(HELLO, tools=[SUBMIT], must_call="submit")
        assert (reply.text, reply.tool_requests) == ("I would rather not.", ())


def test_a_server_that_passes_over_tools_in_silence_is_found_out(model_server: Start) -> None:
    prose, call = Say("Let us see."), served.calling("submit")
    server = model_server([prose, call, prose, prose, call, call, prose, call])
    forms = [["tools", "schema"], ["tools", "tools", "schema"], ["tools", "tools", "tools"]]
    for number, expected in enumerate(forms):
        model = model_at(server)
        for _ in expected:
            model.complete(HELLO, tools=[SUBMIT], must_call=None if number else "submit")
        asked = server.requests[-len(expected) :]
        assert ["tools" if request.tools else "schema" for request in asked] == expected


def test_a_call_written_as_text_although_native_calls_were_offered(model_server: Start) -> None:
    written = 'I read.\n```json\n{"name": "read_steps", "arguments": {"steps": [4]}}\n```'
    server = model_server([Say(written), Say('The run wrote {"name": "rm", "arguments": {}}.')])
    reply = model_at(server).complete(HELLO, tools=[READ])
    assert reply.text == "I read."
    assert json.loads(reply.tool_requests[0].arguments) == {"steps": [4]}
    assert model_at(server).complete(HELLO, tools=[READ]).tool_requests == ()


def test_calls_with_one_id_or_none_get_ids_of_their_own(model_server: Start) -> None:
    twice = Say(calls=(served.Call("read_steps", {}, ""), served.Call("read_steps", {}, "")))
    reply = model_at(model_server([twice], refuses=["stream"])).complete(HELLO, tools=[READ])
    assert [call.call_id for call in reply.tool_requests] == ["call_2_1", "call_2_2"]


# --- faults


@pytest.mark.parametrize(
    "faults",
    [
        [served.rate_limited()],
        [served.rate_limited(0.05), served.rate_limited("Fri, 01 Jan 2021 00:00:00 GMT")],
        [Fail(500), Fail(503), Fail(502), Fail(408)],
        [Drop(), Drop()],
        [Garbage(), Garbage()],
        [Garbage("<html>Bad gateway</html>", "text/html")],
        [Garbage("data: {broken\n\n", "text/event-stream")],
        [Garbage('data: {"error": {"message": "Overloaded", "code": 529}}\n\n', "text/event-stream")],
        [Say("never whole" * 5, cut_after=3)],
        [Say("never whole" * 5, cut_after=3, cut_cleanly=True)],
        [Say(calls=(served.Call("read_steps", {"steps": [1, 2, 3]}),), cut_after=2)],
    ],
)
def test_temporary_faults_are_tried_again(model_server: Start, faults: Sequence[Behaviour]) -> None:
    server = model_server([*faults, Say("at last")])
    assert model_at(server).complete(HELLO, tools=[READ]).text == "at last"
    assert len(server.requests) == len(faults) + 1


def test_an_answer_that_broke_off_is_counted_too_for_it_is_billed(model_server: Start) -> None:
    server = model_server([Fail(500), Say("never whole" * 5, cut_after=3), Say("at last", usage=(100, 2))])
    model = open_model("m", api_base=server.url, price=Price(prompt=1.0, completion=1.0), pause=0.01)
    usage = model.complete(HELLO).usage
    assert (usage.calls, usage.estimated) == (2, True), "what failed before an answer began costs nothing"
    assert usage.prompt_tokens == 100 + model.count_tokens(HELLO)
    assert usage.completion_tokens > 2
    assert usage.cost_usd == pytest.approx((usage.prompt_tokens + usage.completion_tokens) / 1e6)


@pytest.mark.parametrize("silent", [Hang(), Say("never whole", hang_after=1), Say("late", wait=30.0)])
def test_silence_is_a_temporary_fault(model_server: Start, silent: Behaviour) -> None:
    first = iter([silent])
    server = model_server(lambda _: next(first, Say("at last")))
    assert model_at(server, timeout=1.0).complete(HELLO).text == "at last"
    with pytest.raises(ModelError, match=r"after 2 tries: silent for 0\.3 seconds"):
        model_at(model_server([silent, silent]), timeout=0.3, retries=1).complete(HELLO)


def test_a_slow_answer_is_no_silence(model_server: Start) -> None:
    slow = Say("This takes more time than the timeout, but no gap in it does." * 4, pace=0.1)
    server = model_server([slow])
    assert model_at(server, timeout=2.0, retries=0).complete(HELLO).text == slow.text


def test_retries_end(model_server: Start) -> None:
    server = model_server([Fail(500, "out of order")] * 3)
    with pytest.raises(ModelError, match=r"gave no answer after 3 tries: out of order$"):
        model_at(server, retries=2).complete(HELLO)
    assert len(server.requests) == 3


def test_retry_after_is_honoured(model_server: Start) -> None:
    server = model_server([served.rate_limited(0.6), Say("at last")])
    began = time.monotonic()
    assert model_at(server).complete(HELLO).text == "at last"
    assert time.monotonic() - began >= 0.6


def test_an_hour_is_not_waited_for(model_server: Start) -> None:
    server = model_server([served.rate_limited(3600)])
    with pytest.raises(ModelError, match="It asks to wait 3600 seconds"):
        model_at(server).complete(HELLO)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fail(400, "no such thing"), "no such thing"),
        (Fail(401, "Incorrect API key provided"), "Incorrect API key provided. Give a key: in CODETRACER_API_KEY"),
        (Fail(403, "not for you"), "not for you. The key may not use this model"),
        (served.UNKNOWN_MODEL, "does not exist. Check the name of the model"),
        (served.NO_CREDIT, "The account has no credit left"),
        (served.CONTENT_FILTER, "content filter refuses the text"),
        (Say("I will not", finish="content_filter"), "its content filter stopped the answer"),
    ],
)
def test_final_faults_are_told_at_once(model_server: Start, fault: Behaviour, words: str) -> None:
    server = model_server([fault])
    with pytest.raises(ModelError, match=words) as caught:
        model_at(server).complete(HELLO)
    assert not isinstance(caught.value, ContextOverflow)
    assert "litellm" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        served.OVERFLOW_OPENAI,
        served.OVERFLOW_LLAMA_CPP,
        Fail(400, "prompt is too long: 210000 tokens > 200000 maximum", kind="invalid_request_error"),
        Fail(413, "Your messages exceed the context limit"),
        Fail(429, "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 50000"),
    ],
)
def test_a_conversation_that_is_too_long(model_server: Start, fault: Fail) -> None:
    server = model_server([fault])
    with pytest.raises(ContextOverflow, match="too long for scripted"):
        model_at(server).complete(HELLO)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there(model_server: Start) -> None:
    server = model_server([])
    server.close()
    with pytest.raises(ModelError, match=r"Connection error\. Is the server running\?"):
        model_at(server, retries=1).complete(HELLO)


# --- cancel


@pytest.mark.parametrize(
    "behaviour",
    [Hang(), Say("a long answer" * 500, pace=0.05), served.rate_limited(60), Say("part", hang_after=1)],
    ids=["silent", "streaming", "waiting", "hanging"],
)
def test_cancel_is_heard_whatever_the_server_does(model_server: Start, behaviour: Behaviour) -> None:
    server = model_server([behaviour])
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        model_at(server, timeout=60).complete(HELLO, cancelled=stop.is_set)
    assert time.monotonic() - began < 50, "less than the minute that the server would have taken"
    timer.join()


def test_nothing_is_asked_once_it_is_cancelled(model_server: Start) -> None:
    server = model_server([Say("x")])
    with pytest.raises(Cancelled):
        model_at(server).complete(HELLO, cancelled=lambda: True)
    assert server.requests == []


# --- names, prices, windows


def test_nobody_but_the_server_is_contacted(model_server: Start) -> None:
    """No price list, no tokenizer (litellm would fetch one for this name), no telemetry."""
    server = model_server([Say("x", usage=None)])
    program = """
import sys
contacted = set()
def listen(event, args):
    if event == "socket.connect":
        contacted.add(str(args[1][0]))
    elif event == "socket.getaddrinfo":
        contacted.add(str(args[0]))
sys.addaudithook(listen)
from codetracer_core.llm import Message, open_model
open_model("meta-llama/Llama-3.1-8B", api_base=sys.argv[1]).complete([Message(role="user", text="Hello")])
print(*contacted)
"""
    command = [sys.executable, "-c", program, server.url]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.stderr) == ("127.0.0.1\n", "")


def test_garbage_is_collected_after_a_model_was_opened(model_server: Start) -> None:
    model_at(model_server([Say("x")]))
    assert gc.isenabled()


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", ""])
def test_a_name_that_means_nothing(name: str) -> None:
    with pytest.raises(ModelError, match=r"does not say whose model it is.*provider/model"):
        open_model(name)


@pytest.mark.parametrize(
    ("api_base", "words"),
    [
        ("localhost:8000", "no address of a server"),
        ("http://me:pass-word@localhost/v1", "holds a password"),
        ("https://localhost/v1?key=pass-word", "holds a password or parameters"),
    ],
)
def test_an_address_that_cannot_be_used(api_base: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        open_model("m", api_base=api_base)
    assert "pass-word" not in str(caught.value)


def test_names_of_models_at_a_server_of_ones_own(model_server: Start) -> None:
    server = model_server(lambda _: Say("yes"))
    for name in ("qwen", "meta-llama/Llama-3.1-8B", "openai/gpt-x"):
        assert open_model(name, api_base=server.url).complete(HELLO).text == "yes"
    assert [asked.body["model"] for asked in server.requests] == ["qwen", "meta-llama/Llama-3.1-8B", "gpt-x"]
    assert {asked.key for asked in server.requests} == {"none"}


def test_what_is_known_of_a_model() -> None:
    known = open_model("openai/gpt-4o")
    assert (known.name, known.context_tokens) == ("openai/gpt-4o", 128_000)
    assert known.price == Price(prompt=2.5, completion=10.0, cached=1.25)
    unknown = open_model("openai/nobody-knows-it")
    assert (unknown.context_tokens, unknown.price) == (32_768, None)
    given = open_model("openai/gpt-4o", price=Price(prompt=1.0, completion=1.0), context_tokens=9_000)
    assert (given.context_tokens, given.price) == (9_000, Price(prompt=1.0, completion=1.0))


def test_no_longer_answer_is_asked_for_than_the_model_can_give(model_server: Start) -> None:
    server = model_server([Say("x"), Say("x")])
    for name in ("openai/gpt-4o", "openai/nobody-knows-it"):
        open_model(name, api_base=server.url).complete(HELLO, max_tokens=50_000)
    assert [asked.body["max_tokens"] for asked in server.requests] == [16_384, 50_000]


def test_a_known_price_is_charged_and_a_cached_token_is_cheaper(model_server: Start) -> None:
    server = model_server([Say("x", usage=(1000, 100), cached_tokens=400)])
    usage = open_model("openai/gpt-4o", api_base=server.url).complete(HELLO).usage
    assert usage.cost_usd == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10.0) / 1e6)
