"""What comes back from a provider, in the shape in which litellm gives it, as one answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.llm.faults import Fault
from codetracer_core.llm.keys import without_keys
from codetracer_core.llm.protocol import ToolRequest

CUT = Fault("temporary", "the answer broke off")
NOT_STREAMED = Fault("refused", "it does not stream", feature="stream")
FILTERED = Fault("final", "its content filter stopped the answer", "Try another model.")


@dataclass(frozen=True)
class Answer:
    """``usage`` is None where the provider does not tell it."""

    text: str
    calls: tuple[ToolRequest, ...]
    finish: str
    usage: CallUsage | None

    def with_cost(self, cost_usd: float | None) -> "Answer":
        return replace(self, usage=self.usage and self.usage.model_copy(update={"cost_usd": cost_usd}))


@dataclass
class _Call:
    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass
class _LiveText:
    """Text that is shown while it arrives: what may be the beginning of a key waits until it is none."""

    keys: Sequence[str]
    show: Callable[[str], None]
    waiting: str = ""

    def add(self, piece: str) -> None:
        text = without_keys(self.waiting + piece, self.keys)
        kept = max((_overlap(text, key) for key in self.keys), default=0)
        self.waiting = text[len(text) - kept :]
        self.show(text[: len(text) - kept])

    def end(self) -> None:
        self.show(self.waiting)


def read_stream(
    stream: Any, keys: Sequence[str], show: Callable[[str], None], is_gone: Callable[[], bool]
) -> Answer | Fault:
    """A streamed answer to its end. ``show`` gets each piece of text, and "" for pieces that hold none.

    The connection is closed as soon as nobody waits any more. A stream that ends without a reason has been cut off:
    litellm would call it finished.
    """
    live, texts, calls, at = _LiveText(keys, show), list[str](), list[_Call](), dict[int, _Call]()
    usage = None
    for chunk in stream:
        if is_gone():
            _close(stream)
            return CUT
        usage = getattr(chunk, "usage", None) or usage
        delta = chunk.choices[0].delta if chunk.choices else None
        piece = (delta and delta.content) or ""
        texts.append(piece)
        live.add(piece)
        for part in (delta and delta.tool_calls) or ():
            _add(part, calls, at)
    live.end()
    finish = stream.received_finish_reason
    if finish is None:
        return CUT if stream.chunks or not _is_json(stream) else NOT_STREAMED
    was_told = any(getattr(chunk, "usage", None) for chunk in stream.chunks)
    return _answer("".join(texts), calls, finish, usage if was_told else None, keys)


def read_whole(response: Any, keys: Sequence[str]) -> Answer | Fault:
    """An answer that came in one piece."""
    choice = response.choices[0]
    calls = [
        _Call(part.id or "", part.function.name or "", [part.function.arguments or ""])
        for part in choice.message.tool_calls or ()
    ]
    usage = getattr(response, "usage", None)
    return _answer(choice.message.content or "", calls, choice.finish_reason or "stop", usage, keys)


def _add(part: Any, calls: list[_Call], at: dict[int, _Call]) -> None:
    """A piece of a call. Some servers number all calls of an answer 0: another id is another call."""
    call = at.get(part.index)
    if call is None or (part.id and call.call_id and part.id != call.call_id):
        call = at[part.index] = _Call()
        calls.append(call)
    call.call_id = call.call_id or part.id or ""
    call.name = call.name or part.function.name or ""
    call.arguments.append(part.function.arguments or "")


def _answer(text: str, calls: Sequence[_Call], finish: str, usage: Any, keys: Sequence[str]) -> Answer | Fault:
    if finish == "content_filter":
        return FILTERED
    requests = tuple(
        ToolRequest(call_id=call.call_id, name=call.name, arguments=without_keys("".join(call.arguments), keys))
        for call in calls
    )
    return Answer(without_keys(text, keys), requests, finish, _as_usage(usage))


def _as_usage(usage: Any) -> CallUsage | None:
    """None: not told, or not in numbers that can be. The cost comes later."""
    if usage is None or not usage.prompt_tokens or min(usage.prompt_tokens, usage.completion_tokens or 0) < 0:
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    cached = (details and details.cached_tokens) or 0
    return CallUsage(
        calls=1,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens or 0,
        cached_tokens=min(max(cached, 0), usage.prompt_tokens),
    )


def _is_json(stream: Any) -> bool:
    """Whether the server sent a whole answer where a stream was asked for, of which nothing was understood."""
    headers = stream._hidden_params.get("additional_headers") or {}
    return "json" in str(headers.get("llm_provider-content-type"))


def _close(stream: Any) -> None:
    close = getattr(stream.completion_stream, "close", None)
    if close:
        close()


def _overlap(text: str, key: str) -> int:
    """How many characters at the end of the text are the beginning of the key."""
    longest = min(len(text), len(key) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(key[:length])), 0)
