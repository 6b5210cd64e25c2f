"""A journal of what a model said, so that a diagnosis that was killed goes on without paying twice."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codetracer_core.errors import Cancelled, CodeTracerError
from codetracer_core.llm.protocol import Message, Model, Price, Reply, ToolSpec


def recorded(model: Model, journal: Path) -> Model:
    """The same model with a journal: each reply is on disk before anybody sees it.

    Asked again in the same order with the same requests, it says what the journal holds (``Reply.replayed``), without
    asking the model. For a request that differs the model is asked; what followed in the journal is forgotten as soon
    as it replies, and still counts if it does not (a conversation that was too long is refused again, for nothing).
    A last line that was only half written is dropped. One call at a time; one process at a time.
    Raises CodeTracerError if the journal cannot be read or written.
    """
    return _Recorded(model, journal)


@dataclass(frozen=True)
class _Entry:
    request: str
    reply: Reply
    start: int
    """Where its line begins in the file, in bytes."""


class _Recorded:
    def __init__(self, model: Model, journal: Path) -> None:
        self._model = model
        self._journal = journal
        self._entries, self._size = _read(journal)
        self._next = 0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    @property
    def price(self) -> Price | None:
        return self._model.price

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
        settings = {"must_call": must_call, "max_tokens": max_tokens, "temperature": temperature}
        request = _digest(self.name, messages, tools, settings)
        end = self._size
        if self._next < len(self._entries):
            entry = self._entries[self._next]
            if entry.request == request:
                self._next += 1
                if on_text and entry.reply.text:
                    on_text(entry.reply.text)
                return entry.reply.model_copy(update={"replayed": True})
            end = entry.start
        reply = self._model.complete(
            messages,
            tools=tools,
            must_call=must_call,
            max_tokens=max_tokens,
            temperature=temperature,
            cancelled=cancelled,
            on_text=on_text,
        )
        self._append(_Entry(request, reply, end))
        return reply

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        return self._model.count_tokens(messages, tools)

    def _append(self, entry: _Entry) -> None:
        content = {"request": entry.request, "reply": entry.reply.model_dump(exclude={"replayed"})}
        line = json.dumps(content).encode() + b"\n"
        try:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            with self._journal.open("ab") as file:
                file.truncate(entry.start)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CodeTracerError(
                f"The answer of the model cannot be kept: {error.strerror}", path=self._journal
            ) from error
        self._entries[self._next :] = [entry]
        self._next, self._size = len(self._entries), entry.start + len(line)


def _read(journal: Path) -> tuple[list[_Entry], int]:
    """The entries up to the first line that is not whole, and where in the file they end."""
    try:
        content = journal.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise CodeTracerError(f"The journal cannot be read: {error.strerror}", path=journal) from error
    entries: list[_Entry] = []
    start = 0
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            entry = json.loads(line)
            entries.append(_Entry(entry["request"], Reply.model_validate(entry["reply"]), start))
        except (ValueError, KeyError, TypeError):
            break
        start += len(line)
    return entries, start


def _digest(
    name: str, messages: Sequence[Message], tools: Sequence[ToolSpec], settings: dict[str, str | float | None]
) -> str:
    """Of everything that the answer depends on."""
    whole = {
        "model": name,
        "messages": [message.model_dump() for message in messages],
        "tools": [tool.model_dump() for tool in tools],
        **settings,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
