"""What the steps of a run do, as far as steps are compared by it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from codetracer_core.actions import Decision, Purpose
from codetracer_core.models import Kind, Step, Trajectory

MOST_WORDS = 300
"""Words of a command, from its beginning, that are compared."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a step does, as far as steps are compared by it."""

    step_id: int
    kind: Kind
    purpose: str
    """As ``actions.Purpose``, but "look" for reading and searching alike."""
    command: str
    """The action without what makes no difference (``_command``)."""
    words: frozenset[str]
    paths: frozenset[tuple[str, ...]]
    """Files, folders or packages that it names, each as its parts; an absolute path begins with "/"."""

    @property
    def changes(self) -> bool:
        return self.kind == "change"


_CD = re.compile(r"\A\s*cd\s+(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|'\"]+)\s*(?:&&|;)\s*(?=\S)")
_QUOTED_WORD = re.compile(r"""(?<![\w\\])(['"])([\w./@:+=-]+)\1(?!\w)""")
_WORD = re.compile(r"\w+")
_OPENS = re.compile(r"\A(?:open|create)\s")
"""The editor of SWE-agent: later edits name no file, they are of the one that was opened last."""


def deeds(trajectory: Trajectory, decisions: Sequence[Decision]) -> tuple[Deed, ...]:
    """What the steps of a run do, in order. ``decisions`` are one per step; ValueError if they are not."""
    found = []
    opened: frozenset[tuple[str, ...]] = frozenset()
    for step, decision in zip(trajectory.steps, decisions, strict=True):
        command = _command(step)
        paths = frozenset(filter(None, map(_path, decision.targets)))
        if _OPENS.match(step.action) or (step.tool is not None and step.tool.name in ("open", "create")):
            opened = paths or opened
        elif decision.purpose == "edit" and not paths:
            paths = opened
        words = frozenset(_WORD.findall(command)[:MOST_WORDS])
        found.append(Deed(step.step_id, decision.kind, _purpose(decision.purpose), command, words, paths))
    return tuple(found)


def _purpose(purpose: Purpose) -> str:
    return "look" if purpose in ("read", "search") else purpose


def _command(step: Step) -> str:
    """The action without what makes no difference to what it does."""
    if step.tool is not None and isinstance(step.tool.arguments, dict) and step.action.startswith("{"):
        return f"{step.tool.name} {json.dumps(step.tool.arguments, sort_keys=True, ensure_ascii=False)}"
    text = _CD.sub("", step.action, count=1).strip()
    if "\n" in text:
        return "\n".join(line.rstrip() for line in text.splitlines())
    return " ".join(_QUOTED_WORD.sub(r"\2", text).split())


def _path(target: str) -> tuple[str, ...]:
    """A path as its parts, ``.`` and ``..`` resolved as far as they can be; empty for ``.`` and the like."""
    parts: list[str] = ["/"] if target.startswith("/") else []
    for part in target.strip("\"'").split("/"):
        if part == ".." and parts and parts[-1] not in ("/", ".."):
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts) if parts != ["/"] else ()


def same_path(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths, as parts, may be of the same file, by the rule that ``pairs`` tells."""
    if one == other:
        return True
    common = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right or left == "/":
            break
        common += 1
    shorter, longer = sorted((one, other), key=len)
    if shorter[0] != "/" and common == len(shorter):
        return True
    absolute = one[0] == other[0] == "/"
    return absolute and common >= 2 and len(longer) - 1 - common <= 2
