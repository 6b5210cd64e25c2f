"""An OpenAI-compatible model server on loopback that says what a script tells it to, faults included.

    with ModelServer([calling("read_steps", steps=[1, 2]), Fail(500), Say("Nothing went wrong.")]) as server:
        model = open_model("openai/scripted", api_base=server.url)

A script is a sequence (one entry per request; after its end every request is refused with 400) or a function of the
request, which several threads may call at once. A ``Say`` with calls is sent as native tool calls where the request
offers tools, and as JSON text where it does not: one script serves a model in every mode.
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

PIECE = 12
"""Characters of an answer that are streamed at once."""
Feature = Literal["tools", "tool_choice", "response_format", "stream", "stream_options", "temperature", "max_tokens"]


@dataclass(frozen=True)
class Call:
    name: str
    arguments: Mapping[str, Any] | str
    """Text is sent as it is: for arguments that are no JSON."""
    call_id: str | None = None


@dataclass(frozen=True)
class Say:
    """An answer. Seconds to ``wait`` before it and before each piece of a stream (``pace``).

    ``usage`` = (prompt, completion) tokens, None: not told. ``cut_after`` that many pieces of a stream the
    connection breaks, or, ``cut_cleanly``, the stream just ends; ``hang_after`` that many it falls silent.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: tuple[int, int] | None = (100, 20)
    cached_tokens: int = 0
    finish: str = ""
    """finish_reason; empty: "stop", or "tool_calls" with calls."""
    reasoning: str = ""
    wait: float = 0.0
    pace: float = 0.0
    cut_after: int | None = None
    cut_cleanly: bool = False
    hang_after: int | None = None


@dataclass(frozen=True)
class Fail:
    """An error. ``echo_key``: its message tells the key that the client sent."""

    status: int
    message: str = "something went wrong"
    code: str | None = None
    kind: str = "error"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    echo_key: bool = False


@dataclass(frozen=True)
class Hang:
    """Takes the request and never answers."""


@dataclass(frozen=True)
class Drop:
    """Takes the request and closes the connection."""


@dataclass(frozen=True)
class Garbage:
    """Says 200 and sends something that is not what it promised: broken JSON, a page …"""

    body: str = '{"choices": [{"message": {"con'
    content_type: str = "application/json"


Behaviour = Say | Fail | Hang | Drop | Garbage
Script = Sequence[Behaviour] | Callable[["Asked"], Behaviour]


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    key: str
    """The bearer token."""
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The whole body as JSON text: for tests of what must not be in it."""
        return json.dumps(self.body, ensure_ascii=False)

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        return list(self.body["messages"])

    @property
    def tools(self) -> list[str]:
        """Names of the tools that it offers natively."""
        return [tool["function"]["name"] for tool in self.body.get("tools", ())]


def calling(name: str, /, **arguments: Any) -> Say:
    """An answer that calls one tool."""
    return Say(calls=(Call(name, arguments),))


def rate_limited(retry_after: float | str | None = None) -> Fail:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Fail(429, "Rate limit reached for requests", "rate_limit_exceeded", "requests", headers)


OVERFLOW_OPENAI = Fail(
    400,
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. "
    "Please reduce the length of the messages.",
    "context_length_exceeded",
    "invalid_request_error",
)
OVERFLOW_LLAMA_CPP = Fail(
    400,
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    None,
    "exceed_context_size_error",
)
CONTENT_FILTER = Fail(
    400,
    "The response was filtered due to the prompt triggering the content management policy.",
    "content_filter",
    "invalid_request_error",
)
UNKNOWN_MODEL = Fail(404, "The model `scripted` does not exist", "model_not_found", "invalid_request_error")
NO_CREDIT = Fail(429, "You exceeded your current quota, please check your plan", "insufficient_quota")


class ModelServer:
    """Runs while its ``with`` block does. ``requests`` holds what came in, refused requests too.

    ``refuses``: features that it answers with 400, without the script moving on. ``key``: the only one that it takes
    (None: all, and none).
    """

    def __init__(self, script: Script, *, refuses: Sequence[Feature] = (), key: str | None = None) -> None:
        self.requests: list[Asked] = []
        self.refuses = tuple(refuses)
        self.key = key
        self.stopping = threading.Event()
        self._answer = script if callable(script) else _in_turn(script)
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"model": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def behaviour(self, asked: Asked) -> Behaviour:
        """What to do about a request: the rules of every provider first, then the script."""
        with self._lock:
            self.requests.append(asked)
        if asked.path != "/v1/chat/completions":
            return Fail(404, f"no such path: {asked.path}")
        if self.key is not None and asked.key != self.key:
            return Fail(401, "Incorrect API key provided: ", "invalid_api_key", echo_key=True)
        for feature in self.refuses:
            if asked.body.get(feature) not in (None, False):
                return Fail(400, f"{feature!r} is not supported by this model", "unsupported_parameter")
        if fault := _fault_of_the_conversation(asked.messages):
            return Fail(400, fault, None, "invalid_request_error")
        return self._answer(asked)


def _in_turn(script: Sequence[Behaviour]) -> Callable[[Asked], Behaviour]:
    entries, lock = iter(script), threading.Lock()

    def answer(_asked: Asked) -> Behaviour:
        with lock:
            return next(entries, Fail(400, "the script has ended"))

    return answer


def _fault_of_the_conversation(messages: Sequence[Mapping[str, Any]]) -> str:
    """As OpenAI checks it: every tool call is answered by the messages that follow it."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            return "An assistant message with 'tool_calls' must be followed by tool messages"
        else:
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
    return "An assistant message with 'tool_calls' must be followed by tool messages" if open_calls else ""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for the threads, so that none outlives its test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet about clients that have gone, as they do when a call is cancelled."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    model: ModelServer

    def do_GET(self) -> None:
        self.send_json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(self.path, self.headers.get("Authorization", "").removeprefix("Bearer "), body)
        behaviour = self.model.behaviour(asked)
        if isinstance(behaviour, Say | Fail):
            self.model.stopping.wait(behaviour.wait)
        with suppress(ConnectionError):
            self.perform(behaviour, asked)
        self.close_connection = True

    def perform(self, behaviour: Behaviour, asked: Asked) -> None:
        match behaviour:
            case Say():
                answer = _with_ids(behaviour, asked) if "tools" in asked.body else _as_text(behaviour)
                if asked.body.get("stream"):
                    self.stream(answer, asked)
                else:
                    self.send_json(200, _completion(answer))
            case Fail():
                message = behaviour.message + (f" (your key: {asked.key})" if behaviour.echo_key else "")
                error = {"message": message, "type": behaviour.kind, "param": None, "code": behaviour.code}
                self.send_json(behaviour.status, {"error": error}, behaviour.headers)
            case Garbage():
                self.send_body(200, behaviour.body, behaviour.content_type)
            case Hang():
                self.model.stopping.wait()
            case Drop():
                pass

    def stream(self, answer: Say, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        tells_usage = bool((asked.body.get("stream_options") or {}).get("include_usage"))
        for number, event in enumerate(_events(answer, tells_usage)):
            if number == answer.hang_after:
                self.model.stopping.wait()
            if number == answer.cut_after:
                if answer.cut_cleanly:
                    self.wfile.write(b"0\r\n\r\n")
                return
            if self.model.stopping.wait(answer.pace):
                return
            self.write_chunk(f"data: {json.dumps(event)}\n\n")
        self.write_chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def write_chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def send_json(self, status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.send_body(status, json.dumps(content), "application/json", headers)

    def send_body(self, status: int, text: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _as_text(answer: Say) -> Say:
    """The same answer by a model that was not offered tools: its calls are JSON."""
    if not answer.calls:
        return answer
    calls = [{"tool": call.name, "arguments": call.arguments} for call in answer.calls]
    return replace(answer, text=answer.text + json.dumps({"calls": calls}), calls=())


def _with_ids(answer: Say, asked: Asked) -> Say:
    """The same answer with ids for its calls that no earlier call of this conversation has."""
    names = (f"call_{len(asked.messages)}_{number}" for number in itertools.count(1))
    return replace(answer, calls=tuple(replace(call, call_id=call.call_id or next(names)) for call in answer.calls))


def _tool_calls(answer: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": call.call_id,
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
            },
        }
        for call in answer.calls
    ]


def _usage(answer: Say) -> dict[str, Any] | None:
    if answer.usage is None:
        return None
    prompt, completion = answer.usage
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


def _finish(answer: Say) -> str:
    return answer.finish or ("tool_calls" if answer.calls else "stop")


def _completion(answer: Say) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = _tool_calls(answer)
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
    shown = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice]}
    return shown if answer.usage is None else {**shown, "usage": _usage(answer)}


def _events(answer: Say, tells_usage: bool) -> Iterator[dict[str, Any]]:
    """The pieces of a streamed answer: role, reasoning, text, calls, finish reason, usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _pieces(answer.reasoning)]
    deltas += [{"content": piece} for piece in _pieces(answer.text)]
    for index, call in enumerate(_tool_calls(answer)):
        function = call["function"]
        deltas.append({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _pieces(function["arguments"])
        ]
    shown = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    for delta in deltas:
        yield {**shown, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**shown, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(answer)}]}
    if tells_usage and answer.usage is not None:
        yield {**shown, "choices": [], "usage": _usage(answer)}


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
