"""What rules skip, told by rule: how much text that is, how many of the records look like steps, and samples."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetracer_core.errors import MalformedRun
from codetracer_core.extractors.coverage import Aside, Uncovered
from codetracer_core.extractors.drafts import NO_RULE, Event
from codetracer_core.extractors.nodes import Node
from codetracer_core.extractors.records import Record
from codetracer_core.extractors.schema import ExtractorSpec, StepRule
from codetracer_core.extractors.taking import take, take_text, take_tool
from codetracer_core.parsers._notes import counted

SAMPLES = 3
_KINDS = ("type", "kind", "event", "ev", "what", "role", "source", "author", "sender", "speaker", "who")
"""Fields that tell what kind of record it is: one of another kind than any step's is no lost step."""
_SPEAKERS = ("role", "source", "author", "sender", "speaker", "type", "kind")
_OTHERS = frozenset({"system", "user", "human", "developer"})


@dataclass(frozen=True)
class Skipped:
    """What is skipped for one reason. Texts count by characters of distinct lines that no step holds."""

    why: str
    """The rule and its reason."""
    records: int
    characters: int
    among: int
    """Of these characters, those after the first step in its file."""
    alike: int
    """Records from which a rule for steps could take an action, that stand among the steps and are of their kind."""
    samples: tuple[Uncovered, ...]
    """The first of those that look like steps, then those with the longest text; none of those whose text is held."""

    @property
    def words(self) -> str:
        """As a clause: "rule 'noise': …: 3 records, 120 characters, 1 looks like a step"."""
        told = f"{self.why}: {counted(self.records, 'record')}, {counted(self.characters, 'character')} in no step"
        alike = counted(self.alike, "record looks like a step", "records look like steps")
        return f"{told}, {alike}" if self.alike else told


def is_others(value: Any) -> bool:
    """Does a record say, by the common words for who speaks, or for a demonstration, that it is not the agent's?"""
    if not isinstance(value, dict):
        return False
    message = value.get("message")
    for said in (value, message if isinstance(message, dict) else {}):
        if said.get("is_demo") is True:
            return True
        if any(isinstance(who := said.get(name), str) and who.lower() in _OTHERS for name in _SPEAKERS):
            return True
    return False


def skipped_by_rules(spec: ExtractorSpec, events: Sequence[Event], asides: Mapping[int, Aside]) -> tuple[Skipped, ...]:
    """The reasons, those with most records that look like steps first, then by text. ``asides``: by the index of a
    record, the text that is left out with it."""
    steps = [event.record for event in events if event.became == "step" and event.draft is not None]
    used = {event.record.index for event in events if event.became in ("step", "observation")}
    kinds = _kinds(steps)
    firsts = {record.source: record.index for record in reversed(steps)}
    by_reason: defaultdict[str, dict[int, Event]] = defaultdict(dict)
    for event in events:
        if event.became == "skipped" and event.why != NO_RULE and event.record.index not in used:
            by_reason[event.why].setdefault(event.record.index, event)
    skip_rules = {f"rule {rule.name!r}: {rule.skip}" for rule in spec.rules if rule.skip is not None}
    found: list[Skipped] = []
    for why, told in by_reason.items():
        alike = {
            index
            for index, event in told.items()
            if why in skip_rules and index > firsts.get(event.record.source, index) and _is_alike(spec, event, kinds)
        }
        texts = [asides[index] for index in told if index in asides]
        others = sorted(told.keys() - alike, key=lambda index: (-_size(asides.get(index)), index))
        order = [*sorted(alike), *(index for index in others if index in asides)]
        found.append(
            Skipped(
                why,
                len(told),
                sum(text.characters for text in texts),
                sum(text.among for text in texts),
                len(alike),
                tuple(_sample(told[index], asides.get(index)) for index in order[:SAMPLES]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.alike, -one.among, -one.characters)))


def _size(aside: Aside | None) -> int:
    return aside.characters if aside is not None else 0


def _sample(event: Event, aside: Aside | None) -> Uncovered:
    ref = event.record.ref
    text = aside.text if aside is not None else ""
    return Uncovered(ref.path, ref.line_start, ref.line_end, text)


def _kinds(steps: Sequence[Record]) -> dict[tuple[str, str], set[str]]:
    """By source and field what the records of steps say they are."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for record in steps:
        for name, said in _said(record.node):
            found[record.source, name].add(said)
    return found


def _said(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node.value, dict):
        for name in _KINDS:
            if isinstance(said := node.value.get(name), str) and len(said) <= 60:
                yield name, said


def _is_alike(spec: ExtractorSpec, event: Event, kinds: Mapping[tuple[str, str], set[str]]) -> bool:
    record = event.record
    if is_others(record.node.value):
        return False
    if any(said not in kinds.get((record.source, name), ()) for name, said in _said(record.node)):
        return False
    rules = (rule.step for rule in spec.rules if not rule.sources or record.source in rule.sources)
    try:
        return any(rule is not None and _has_action(rule, record) for rule in rules)
    except MalformedRun:  # a value that is nested too deeply to be an action
        return False


def _has_action(rule: StepRule, record: Record) -> bool:
    context = record.context
    items = [record.node] if rule.each is None else list(take(rule.each, record.node, context).items())
    for item in items:
        if rule.action is not None:
            text = take_text(rule.action, item, context)[0]
        else:
            assert rule.tool is not None
            text = take_tool(rule.tool, item, context)[1].value
        if text is not None and text.strip():
            return True
    return False
