"""Replies of mini-SWE-agent whose action is a bash block in their text, and what answers them: files and screens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codetracer_core.parsers._notes import counted
from codetracer_core.words import listed

NAME = "mini-swe-agent"
AGENT = "mini-SWE-agent"

# Version 1 in ``bash``; version 2 without tool calls in ``mswea_bash_command``.
_FENCE = re.compile(r"```(?:bash|mswea_bash_command)\s*\n")
_RETURNCODE = re.compile(r"\s*(?:<exception>.*?</exception>\s*)?<returncode>(-?\d+)</returncode>", re.DOTALL)
# What a person who watches the agent (version 1) answers for a command that may not run.
_REJECTED = re.compile(r"\s*Commands? not executed\b")


@dataclass(frozen=True)
class _Block:
    """A bash block in a reply: the span of its command, and of the block with its fences."""

    start: int
    end: int
    outer_start: int
    outer_end: int


def _bash_blocks(text: str) -> tuple[list[_Block], _Block | None]:
    """The closed bash blocks as the agent finds them, and one that is opened and never closed."""
    blocks: list[_Block] = []
    position = 0
    while (opened := _FENCE.search(text, position)) is not None:
        close = text.find("\n```", opened.end())
        if close < 0:
            return blocks, _Block(opened.end(), len(text), opened.start(), len(text))
        blocks.append(_Block(opened.end(), close, opened.start(), close + len("\n```")))
        position = blocks[-1].outer_end
    return blocks, None


def _outside(text: str, blocks: Sequence[_Block]) -> str:
    """What a reply says around its blocks."""
    ends = [0, *(block.outer_end for block in blocks)]
    starts = [*(block.outer_start for block in blocks), len(text)]
    pieces = (text[start:end].strip() for start, end in zip(ends, starts, strict=True))
    return "\n\n".join(piece for piece in pieces if piece)


@dataclass(frozen=True)
class Reply:
    """A reply of version 1 in which the agent wrote at least one bash block."""

    action: str
    thought: str
    well_formed: bool
    span: tuple[int, int]

    def was_executed(self, answer: str | None) -> bool:
        """The answer tells; without one, a reply of the right form was."""
        return exit_code(answer) is not None or (self.well_formed and not _REJECTED.match(answer or ""))


def read_reply(text: str) -> Reply | None:
    """The action in a reply; None if the reply only talks. A block that never closes counts only if it is alone."""
    closed, unclosed = _bash_blocks(text)
    blocks = closed or ([unclosed] if unclosed else [])
    if not blocks:
        return None
    return Reply(
        action="\n\n".join(text[block.start : block.end].strip() for block in blocks),
        thought=_outside(text, blocks),
        well_formed=len(closed) == 1,
        span=(blocks[0].start, blocks[-1].end),
    )


def exit_code(observation: str | None) -> int | None:
    """The return code that the agent writes at the start of an observation."""
    found = _RETURNCODE.match(observation) if observation else None
    return int(found[1]) if found else None


def prose_note(unit: str, places: Sequence[int]) -> str:
    replies = counted(len(places), "reply without an action is no step", "replies without an action are no steps")
    return f"{replies} (at {unit} {listed(places)})."


def refused_note(number: int) -> str:
    replies = counted(number, "reply was", "replies were")
    return f"{replies} refused; the steps are marked as not executed."
