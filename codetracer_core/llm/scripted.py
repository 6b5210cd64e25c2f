"""A model that says what a script tells it to: for tests and demos, without a provider, a key or a network."""

import json
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

from codetracer_core.errors import Cancelled, CodeTracerError, ContextOverflow, ModelError
from codetracer_core.llm.protocol import Message, Price, Reply, ToolRequest, ToolSpec
from codetracer_core.llm.tokens import count_text, count_tokens

Script = Sequence[Reply | CodeTracerError] | Callable[[Sequence[Message], Sequence[ToolSpec]], Reply]


class ScriptedModel:
    """Says its replies one after the other, or what a function of (messages, tools) returns.

    An error among the replies is raised in its turn. Like a real model it refuses a conversation that is longer than
    its window (ContextOverflow; the script does not move on) and one in which a call has no answer (ModelError).
    Tokens are counted where a reply does not tell them, and cost what ``price`` says (None: not known).
    ``asked`` holds the messages of each call. Several threads may ask at once.
    """

    def __init__(
        self,
        replies: Script,
        *,
        name: str = "scripted",
        context_tokens: int = 128_000,
        price: Price | None = Price(prompt=0.0, completion=0.0),  # noqa: B008  frozen
    ) -> None:
        self.name = name
        self.context_tokens = context_tokens
        self.price = price
        self.asked: list[tuple[Message, ...]] = []
        self._answer = replies if callable(replies) else _in_turn(iter(replies))
        self._lock = Lock()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        must_call: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        if cancelled():
            raise Cancelled("The call was cancelled")
        if fault := unanswered(messages):
            raise ModelError(fault)
        prompt_tokens = self.count_tokens(messages, tools)
        if prompt_tokens > self.context_tokens:
            raise ContextOverflow(f"{prompt_tokens} tokens do not fit into a window of {self.context_tokens}")
        with self._lock:
            self.asked.append(tuple(messages))
            reply = self._answer(messages, tools)
        if on_text and reply.text:
            on_text(reply.text)
        if reply.usage.prompt_tokens or reply.usage.completion_tokens:
            return reply
        said = count_text(reply.text) + sum(count_text(call.arguments) for call in reply.tool_requests)
        counted = {"prompt_tokens": prompt_tokens, "completion_tokens": said, "estimated": True}
        cost = self.price.cost(prompt_tokens, said) if self.price else None
        return reply.model_copy(update={"usage": reply.usage.model_copy(update={**counted, "cost_usd": cost})})

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        return count_tokens(messages, tools)


def calling(*calls: tuple[str, dict[str, Any]], text: str = "") -> Reply:
    """A reply that calls these tools: (name, arguments) of each."""
    return Reply(
        text=text,
        tool_requests=tuple(
            ToolRequest(call_id=f"call_{number}", name=name, arguments=json.dumps(arguments))
            for number, (name, arguments) in enumerate(calls, start=1)
        ),
    )


def unanswered(messages: Sequence[Message]) -> str:
    """What is wrong with the calls and their answers in this conversation, in words; empty: nothing.

    The rule of the providers: the messages after one that calls tools answer each of its calls, once.
    """
    open_calls: set[str] = set()
    for number, message in enumerate(messages, start=1):
        if message.role == "tool":
            if message.call_id not in open_calls:
                return f"Message {number} answers the call {message.call_id!r}, which the message before did not make"
            open_calls.remove(message.call_id)
        elif open_calls:
            return f"Message {number} comes before the calls {sorted(open_calls)} have been answered"
        if message.role == "assistant":
            open_calls = {call.call_id for call in message.tool_requests}
    return f"The calls {sorted(open_calls)} have not been answered" if open_calls else ""


def _in_turn(replies: Iterator[Reply | CodeTracerError]) -> Callable[[Sequence[Message], Sequence[ToolSpec]], Reply]:
    def answer(_messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        reply = next(replies, None)
        if reply is None:
            raise ModelError("The script of this model has ended")
        if isinstance(reply, CodeTracerError):
            raise reply
        return reply

    return answer
