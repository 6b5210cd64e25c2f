"""Steps while they are put together, what their records became, and their numbers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from codetracer_core.errors import MalformedRun
from codetracer_core.extractors.nodes import Node, ref_of, text_of
from codetracer_core.extractors.records import Record
from codetracer_core.extractors.schema_takes import Take
from codetracer_core.extractors.taking import take, take_text
from codetracer_core.models import SourceRef, Step, ToolCall
from codetracer_core.words import listed

NO_RULE = "no rule fits"
ORPHAN = "it answers no step that is here"
Became = Literal["step", "observation", "fact", "skipped"]
Group = tuple[str, str]


@dataclass
class Draft:
    """A step while it is being put together. ``record`` and ``item`` place it among the others."""

    record: Record
    item: int
    action: str
    action_ref: SourceRef | None
    tool: ToolCall | None = None
    keys: dict[str, str] = field(default_factory=dict)
    group: Group | None = None
    number: int | None = None
    native_ids: tuple[str, ...] = ()
    is_message: bool = False
    executed: bool = True
    exit_code: int | None = None
    timestamp: datetime | None = None
    thoughts: list[tuple[str, SourceRef | None, Node]] = field(default_factory=list)
    observations: list[tuple[str, SourceRef | None, Node]] = field(default_factory=list)
    answered: bool = False
    step_id: int = 0

    @property
    def place(self) -> tuple[int, int]:
        return self.record.index, self.item


@dataclass(frozen=True)
class Event:
    """What one record, or one item of it, became; ``draft`` is the step that it is or belongs to."""

    record: Record
    pointer_of: Node
    became: Became
    draft: Draft | None
    why: str


def quote(rule: Take, node: Node, record: Record) -> tuple[str | None, SourceRef | None, Node]:
    text, found = take_text(rule, node, record.context)
    return text, ref_of(found) if text is not None else None, found


def add_text(to: list[tuple[str, SourceRef | None, Node]], text: str | None, ref: SourceRef | None, node: Node) -> None:
    if text is not None and text.strip():
        to.append((text, ref, node))


def keys_in(rules: dict[str, Take], node: Node, record: Record) -> dict[str, str]:
    found = {name: key_text(take(rule, node, record.context), record) for name, rule in rules.items()}
    return {name: key for name, key in found.items() if key is not None}


def key_text(node: Node, record: Record) -> str | None:
    return text_of(node, record.context.budget)


def number_steps(drafts: list[Draft]) -> None:
    """Number the steps from 1, by the numbers that their files give them if there are any."""
    own = [draft.number for draft in drafts]
    known = [number for number in own if number is not None]
    if known:
        if len(known) < len(drafts) or sorted(known) not in (
            list(range(first, first + len(drafts))) for first in (0, 1)
        ):
            raise MalformedRun(
                f"step numbers are not consecutive ({listed(own)})",
                path=drafts[0].record.context.budget.file or None,
                remedy="Labels refer to these numbers, so they are not repaired; get a complete copy, or let the spec "
                "count the steps (without 'number').",
            )
        drafts.sort(key=lambda draft: draft.number or 0)
    for step_id, draft in enumerate(drafts, start=1):
        draft.step_id = step_id
        if draft.number is not None and draft.number != step_id and str(draft.number) not in draft.native_ids:
            draft.native_ids = (str(draft.number), *draft.native_ids)


def steps_of(drafts: Iterable[Draft]) -> tuple[Step, ...]:
    """The numbered drafts as steps, with their parallel groups."""
    drafts = list(drafts)
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for draft in drafts:
        if draft.group is not None:
            groups[draft.group].append(draft.step_id)
    steps = []
    for draft in drafts:
        members = groups[draft.group] if draft.group is not None else []
        thought, thought_ref = _together(draft.thoughts, "\n\n")
        observation, observation_ref = _together(draft.observations, "\n")
        steps.append(
            Step(
                step_id=draft.step_id,
                native_ids=draft.native_ids,
                action=draft.action,
                tool=draft.tool,
                observation=observation,
                thought=thought,
                parallel_group=members[0] if len(members) > 1 else None,
                is_message=draft.is_message,
                executed=draft.executed,
                exit_code=draft.exit_code,
                timestamp=draft.timestamp,
                action_ref=draft.action_ref,
                observation_ref=observation_ref,
                thought_ref=thought_ref,
            )
        )
    return tuple(steps)


def _together(quotes: list[tuple[str, SourceRef | None, Any]], between: str) -> tuple[str | None, SourceRef | None]:
    if not quotes:
        return None, None
    if len(quotes) == 1:
        return quotes[0][0], quotes[0][1]
    return between.join(text for text, _, _ in quotes), ref_of(*(node for _, _, node in quotes))
