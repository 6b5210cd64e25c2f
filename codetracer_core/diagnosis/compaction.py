"""Making room in a conversation, without ever stalling: summary first, else the oldest turns go. Pure functions.

A *turn* is one reply of the model with the answers to the calls that it made: they only make sense together. What
stands before the first turn is the *head* (rules, and the overview of the run), which always stays, and, once room was
made, a *memo*: what is known of the turns that are gone.
"""

from collections.abc import Sequence

from codetracer_core.diagnosis.visible import closed
from codetracer_core.llm import Message

HEAD = 2
"""Messages of the head."""
DROPPED = 0.4
"""Share of the turns that a sliding window drops at once."""
SHORTEST = 600
"""Characters that a shortened answer of a tool keeps."""


def turns_of(messages: Sequence[Message]) -> list[list[Message]]:
    """The model's replies, each with what follows it until the next one."""
    turns: list[list[Message]] = []
    for message in messages[HEAD:]:
        if message.role == "assistant":
            turns.append([])
        if turns:
            turns[-1].append(message)
    return turns


def last_turn_only(messages: Sequence[Message], memo: str) -> list[Message]:
    """The head, a memo on all turns but the last, and the last one."""
    return _together(messages, memo, turns_of(messages)[-1:])


def without_oldest(messages: Sequence[Message], memo: str) -> list[Message]:
    """The head, a memo, and the later turns: the oldest ``DROPPED`` of them are gone, at least one, never the last."""
    turns = turns_of(messages)
    dropped = min(max(1, round(DROPPED * len(turns))), max(0, len(turns) - 1))
    return _together(messages, memo, turns[dropped:])


def _together(messages: Sequence[Message], memo: str, turns: Sequence[Sequence[Message]]) -> list[Message]:
    return [*messages[:HEAD], Message(role="user", text=memo), *(message for turn in turns for message in turn)]


def shortened(messages: Sequence[Message], characters: int) -> list[Message]:
    """The same with every answer of a tool cut to this many characters, which it says."""
    notice = "\n[cut here: the window is full; read less at once]"
    return [
        message.model_copy(update={"text": closed(message.text[:characters]) + notice})
        if message.role == "tool" and len(message.text) > characters + len(notice)
        else message
        for message in messages
    ]
