"""Steps while they are put together, what their records became, and their numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

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


@dataclass(frozen=True)
class Quote:
    """A text that was found, where it stands (None: in no file, or in several), and what keeps it from the one before
    it in its step."""

    text: str
    ref: SourceRef | None
    node: Node
    between: str


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
    thoughts: list[Quote] = field(default_factory=list)
    observations: list[Quote] = field(default_factory=list)
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


BETWEEN_THOUGHTS, BETWEEN_OBSERVATIONS = "\n\n", "\n"


def quote(rule: Take, node: Node, record: Record, between: str) -> Quote | None:
    """The text that ``rule`` takes; None if there is none."""
    text, found = take_text(rule, node, record.context)
    return Quote(text, ref_of(found), found, between) if text is not None else None


def add_thought(draft: Draft, rule: Take, node: Node, record: Record) -> None:
    """Add a thought that has anything to read."""
    found = quote(rule, node, record, BETWEEN_THOUGHTS)
    if found is not None and found.text.strip():
        draft.thoughts.append(found)


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
        thought, thought_ref = together(draft.thoughts)
        observation, observation_ref = together(draft.observations)
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


def together(quotes: Sequence[Quote]) -> tuple[str | None, SourceRef | None]:
    """The quotes as one text, and the smallest reference that holds them; None for none."""
    if not quotes:
        return None, None
    if len(quotes) == 1:
        return quotes[0].text, quotes[0].ref
    text = quotes[0].text + "".join(one.between + one.text for one in quotes[1:])
    return text, ref_of(*(one.node for one in quotes))
