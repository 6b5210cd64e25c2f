"""Cross-run memory: what was learned about one kind of agent, and the rules by which it stays small and general.

Pure. A diagnosis never sees ground truth, so nothing that it hands in can come from there. What is checked here: an
insight speaks of the agent and not of one task, it is new, and the insights of an agent stay within their limit.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from codetracer_core.diagnosis_models import LONGEST_INSIGHT, Insight
from codetracer_core.models import Trajectory

MOST_CHARACTERS = 50_000
"""Text of all insights in force of one agent type, enabled or not."""
SAME_FROM = 0.85
"""Two insights are the same from this share of common characters on (``difflib`` ratio of their normalised texts)."""

_SHORTEST = 20
_STEP_NUMBER = re.compile(r"\bsteps?[ #_]*\d|\bstep_?ids?\b|#\d+\b", re.IGNORECASE)
# Absolute or home paths, paths of three parts or more, and file names with an ending ("e.g" is none).
_PATH = re.compile(r"(?<![\w.])~?/[\w.@+-]+[\w.@+/-]*|[\w.@+-]+/[\w.@+-]+/[\w.@+/-]+|[\w./@+-]*\w\w\.[A-Za-z]\w{0,4}\b")
_EVERYWHERE = ("/dev/null", "/bin/sh", "/bin/bash", "/tmp")  # noqa: S108 - words, no file is opened
_NAME = re.compile(r"[A-Za-z_][\w.-]{11,}")


class Admission(NamedTuple):
    """What became of new insights of one agent type."""

    admitted: tuple[Insight, ...]
    dropped: tuple[Insight, ...]
    """Known ones that made room: written by models, the switched-off first, then the oldest."""
    refused: tuple[tuple[str, str], ...]
    """Text and reason, in words."""


def why_not_general(text: str, trajectory: Trajectory) -> str:
    """Why this text says something of one task or run only, in words; empty if it could be true of any."""
    if _STEP_NUMBER.search(text):
        return "it speaks of steps by number"
    spoken = _flat(text)
    for name in (trajectory.task, trajectory.trial):
        if name and len(name) > 4 and f" {_flat(name)} " in f" {spoken} ":
            return "it names the task"
    known = _text_of(trajectory)
    tools = {step.tool.name for step in trajectory.steps if step.tool}
    for found in _PATH.finditer(text):
        path = found.group().rstrip("./")
        if path not in _EVERYWHERE and path.casefold() in known:
            return f"it names a file of the run ({path[:60]!r})"
    for found in _NAME.finditer(text):
        name = found.group().rstrip(".-")
        if _is_written_like_a_name(name) and name not in tools and name.casefold() in known:
            return f"it names something of the run ({name[:60]!r})"
    return ""


def admit(candidates: Sequence[Insight], known: Sequence[Insight], *, limit: int = MOST_CHARACTERS) -> Admission:
    """Which of these insights are kept beside those that are known, all of one agent type.

    What says the same as a known one is refused, whether that is enabled or not: what a person switched off is not
    learned again. Where there is no room, insights of models make room for newer ones; those of persons never do.
    """
    held = list(known)
    admitted: list[Insight] = []
    dropped: list[Insight] = []
    refused: list[tuple[str, str]] = []
    for one in candidates:
        reason = why_not_kept(one.text, held)
        room = None if reason else _room_for(one, held, limit)
        if room is None:
            refused.append((one.text, reason or f"its agent's insights fill {limit:,} characters already"))
            continue
        held = [other for other in held if other not in room] + [one]
        dropped += [other for other in room if other not in admitted]
        admitted = [other for other in admitted if other not in room] + [one]
    return Admission(tuple(admitted), tuple(dropped), tuple(refused))


def why_not_kept(text: str, others: Sequence[Insight]) -> str:
    """Why a text is no insight beside these others, in words; empty if it is one."""
    if not _SHORTEST <= len(text.strip()) <= LONGEST_INSIGHT:
        return f"an insight has {_SHORTEST} to {LONGEST_INSIGHT:,} characters"
    flat = _flat(text)
    for other in others:
        if _is_same(flat, _flat(other.text)):
            return f"it says the same as {other.text[:80]!r}"
    return ""


def chosen(insights: Sequence[Insight], agent: str | None, *, limit: int) -> list[Insight]:
    """The enabled insights on this agent type that go into a prompt of so many characters: those of persons first,
    then the newest; told in the order in which they were learned."""
    about = [one for one in insights if one.enabled and one.agent == agent]
    taken: list[Insight] = []
    left = limit
    for one in sorted(sorted(about, key=_age, reverse=True), key=lambda one: not one.by_person):
        if len(one.text) <= left:
            taken.append(one)
            left -= len(one.text)
    return sorted(taken, key=_age)


def _age(insight: Insight) -> tuple[object, str]:
    return insight.created_at, insight.insight_id


def _room_for(new: Insight, held: Sequence[Insight], limit: int) -> list[Insight] | None:
    """The insights that make room for a new one; None if there is no room."""
    too_much = sum(len(one.text) for one in held) + len(new.text) - limit
    gone: list[Insight] = []
    for one in sorted((one for one in held if not one.by_person), key=lambda one: (one.enabled, *_age(one))):
        if too_much <= 0:
            break
        gone.append(one)
        too_much -= len(one.text)
    return gone if too_much <= 0 else None


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return (
        matcher.real_quick_ratio() >= SAME_FROM
        and matcher.quick_ratio() >= SAME_FROM
        and (matcher.ratio() >= SAME_FROM)
    )


def _flat(text: str) -> str:
    """Words only, in small letters."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _is_written_like_a_name(word: str) -> bool:
    """Whether it is written as identifiers are: with a dot, an underscore, a digit or a capital inside."""
    return bool(re.search(r"[._\d]|[a-z][A-Z]", word))


def _text_of(trajectory: Trajectory) -> str:
    texts = (text for step in trajectory.steps for text in (step.action, step.observation, step.thought) if text)
    return "\n".join((trajectory.task_text or "", *texts)).casefold()
