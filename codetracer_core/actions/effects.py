"""What part of an action does to the state of the environment, and how several parts make one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Purpose = Literal[
    "submit",
    "edit",
    "install",
    "version control",
    "build",
    "run",
    "delegate",
    "network",
    "test",
    "output",
    "search",
    "read",
    "plan",
    "message",
    "wait",
    "shell",
]
"""What an action is for, strongest first: where one action has several purposes, the first of them names it.

``output`` is a redirect of what another program prints; ``shell`` is what concerns the shell alone (``cd``,
variables, ``echo``); ``plan`` is the agent's own notes; ``delegate`` hands work to a sub-agent.
"""

_RANK: dict[str, int] = {name: rank for rank, name in enumerate(get_args(Purpose))}


@dataclass(frozen=True, slots=True)
class Effect:
    """``change`` says whether state changes; ``reason`` is a fragment for people, plain text on one line.

    ``targets`` are the files and folders that are named, as they were written and as far as they can be told.
    """

    change: bool
    reason: str
    purpose: Purpose
    targets: tuple[str, ...] = ()


def explores(reason: str, purpose: Purpose = "read", targets: Iterable[str] = ()) -> Effect:
    return Effect(False, reason, purpose, tuple(targets))


def changes(reason: str, purpose: Purpose = "run", targets: Iterable[str] = ()) -> Effect:
    return Effect(True, reason, purpose, tuple(targets))


_JOINERS = "\u200c\u200d"
"""They cannot be seen, and stay: emoji and whole scripts need them."""
READS_ONLY = explores("reads only")
CHECKS = "runs a check that only reads"


def shown(text: str, limit: int = 60) -> str:
    """``text`` of a run as harmless text on one line, at most ``limit`` characters.

    White space becomes single spaces. What cannot be seen, or changes the direction of the text, is made visible:
    control characters as their pictures (␛), others by number (⟨U+202E⟩).
    """
    text = " ".join(text[: 4 * limit + 200].split())
    if not text.isprintable():
        text = "".join(one if one.isprintable() or one in _JOINERS else _visible(one) for one in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def combined(effects: Iterable[Effect]) -> Effect:
    """One effect for several that happen in one action: a change anywhere is a change."""
    parts = list(dict.fromkeys(effects))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return explores("nothing runs", "wait")
    purpose = min((part.purpose for part in parts), key=_RANK.__getitem__)
    changing = [part for part in parts if part.change]
    telling = changing or [part for part in parts if part.purpose == purpose]
    reasons = list(dict.fromkeys(part.reason for part in telling))
    if changing:
        reason = "; ".join(reasons[:2]) + (f"; and {len(reasons) - 2} more" if len(reasons) > 2 else "")
    else:
        reason = reasons[0] if len(reasons) == 1 else _summary(reasons, purpose)
    named = [part for part in parts if part.purpose == purpose] + telling
    targets = dict.fromkeys(path for part in named for path in part.targets)
    return Effect(bool(changing), reason, purpose, tuple(targets))


def _summary(reasons: list[str], purpose: Purpose) -> str:
    """One reason for several parts that explore: the one that says more than that it reads, if only one does."""
    if purpose not in ("read", "search"):
        return reasons[0]
    telling = [reason for reason in reasons if reason not in ("reads only", "searches only")]
    return telling[0] if len(telling) == 1 else "reads only"
