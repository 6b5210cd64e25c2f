"""What further records tell of a step that another record made: which step each is about, and what it lacked."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codetracer_core.extractors.drafts import BETWEEN_OBSERVATIONS, Draft, add_thought, key_text, quote
from codetracer_core.extractors.nodes import Node
from codetracer_core.extractors.records import Record
from codetracer_core.extractors.schema import DetailRule
from codetracer_core.extractors.taking import take, take_count, take_time, take_tool, take_words


@dataclass(frozen=True)
class Detail:
    """A record, or an item of one, and the key of the step that it is about."""

    record: Record
    item: Node
    key: str


def details_in(record: Record, rule: DetailRule) -> list[Detail]:
    """The items of the record that name a step."""
    items = [record.node] if rule.each is None else take(rule.each, record.node, record.context).items()
    told = [(item, key_text(take(rule.same, item, record.context), record)) for item in items]
    return [Detail(record, item, key) for item, key in told if key is not None]


def add_details(
    rule: DetailRule, details: Sequence[Detail], drafts: Sequence[Draft]
) -> Iterator[tuple[Detail, Draft | None]]:
    """Fill what the steps lack; each detail with the step that it is about (None: about none, or about several)."""
    pairs = _in_order(details, drafts, rule.of) if rule.pair == "in_order" else _by_key(details, drafts, rule.of)
    for detail, draft in pairs:
        if draft is not None:
            _complete(draft, rule, detail)
        yield detail, draft


def _in_order(details: Sequence[Detail], drafts: Sequence[Draft], of: str) -> Iterator[tuple[Detail, Draft | None]]:
    """Each detail with the next step that it equals; the first that equals none holds up those after it."""
    left = iter(drafts)
    for detail in details:
        yield detail, next((draft for draft in left if draft.keys.get(of) == detail.key), None)


def _by_key(details: Sequence[Detail], drafts: Sequence[Draft], of: str) -> Iterator[tuple[Detail, Draft | None]]:
    steps = Counter(draft.keys[of] for draft in drafts if of in draft.keys)
    told = Counter(detail.key for detail in details)
    named = {draft.keys[of]: draft for draft in drafts if of in draft.keys}
    for detail in details:
        yield detail, named.get(detail.key) if told[detail.key] == 1 == steps[detail.key] else None


def _complete(draft: Draft, rule: DetailRule, detail: Detail) -> None:
    record, node, context = detail.record, detail.item, detail.record.context
    if rule.tool is not None and draft.tool is None:
        draft.tool = take_tool(rule.tool, node, context)[0]
    if rule.thought is not None and not draft.thoughts:
        add_thought(draft, rule.thought, node, record)
    if rule.observation is not None and not draft.observations:
        found = quote(rule.observation, node, record, BETWEEN_OBSERVATIONS)
        draft.observations += [found] if found is not None else []
    if rule.exit_code is not None and draft.exit_code is None:
        draft.exit_code = take_count(rule.exit_code, node, context)
    if rule.timestamp is not None and draft.timestamp is None:
        draft.timestamp = take_time(rule.timestamp, node, context)
    draft.native_ids = tuple(dict.fromkeys((*draft.native_ids, *take_words(rule.native_ids, node, context))))
