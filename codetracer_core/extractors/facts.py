"""What a spec's records say of the whole run."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codetracer_core.extractors.nodes import Node, ref_of, text_of
from codetracer_core.extractors.paths import holds
from codetracer_core.extractors.records import Record
from codetracer_core.extractors.schema import ExtractorSpec, Fact
from codetracer_core.extractors.taking import count_of, number_of, take, when
from codetracer_core.models import Outcome, SourceRef, Usage
from codetracer_core.parsers._fields import number_field
from codetracer_core.words import OUTCOME_WORDS

Told = tuple[Any, Node, Record]
"""A value, where it stands, and in which record."""


@dataclass(frozen=True)
class Facts:
    """``fields`` of a ``Trajectory`` besides its steps; ``used``: which facts were read there, by index of record;
    ``step_count``: what the files say of it."""

    fields: dict[str, Any]
    used: dict[int, str]
    step_count: int | None


def facts_of(spec: ExtractorSpec, records: Sequence[Record]) -> Facts:
    found: dict[str, Told] = {}
    name: str
    for name, facts in spec.facts.items():
        told = next((one for fact in facts if (one := _tell(fact, _KINDS[name], records)) is not None), None)
        if told is not None:
            found[name] = told
    used: dict[int, str] = {}
    for name, (_, node, record) in found.items():
        if ref_of(node) is not None:
            used[record.index] = f"{used[record.index]}, {name}" if record.index in used else name
    fields: dict[str, Any] = {name: found[name][0] for name in _PLAIN if name in found}
    if "task_text" in found:
        fields["task_ref"] = ref_of(found["task_text"][1])
    if "solved" in found:
        solved, node, _ = found["solved"]
        fields["outcome"] = _outcome(solved, ref_of(node))
    fields["usage"] = Usage(**{name: found[name][0] for name in _USAGE if name in found})
    return Facts(fields, used, found["step_count"][0] if "step_count" in found else None)


_PLAIN = (
    *("agent", "agent_version", "model", "task", "trial", "task_text", "exit_status"),
    *("started_at", "ended_at"),
)
_USAGE = ("cost_usd", "prompt_tokens", "completion_tokens", "cached_tokens")


def _outcome(solved: bool, source: SourceRef | None) -> Outcome:
    if source is None:
        return Outcome(reason="the spec says it, and no file: not taken")
    where = f"{source.path}, {source.pointer}" if source.pointer else f"{source.path}, line {source.line_start}"
    return Outcome(solved=solved, reason=f"{where}: {OUTCOME_WORDS[solved]}", source=source)


def _word(node: Node, record: Record) -> str | None:
    text = text_of(node, record.context.budget)
    return text if text is not None and text.strip() else None


_KINDS: dict[str, Callable[[Node, Record], Any]] = {
    **dict.fromkeys(("agent", "agent_version", "model", "task", "trial", "task_text", "exit_status"), _word),
    **dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "cached_tokens", "step_count"), lambda node, record: count_of(node.value)
    ),
    **dict.fromkeys(("started_at", "ended_at"), lambda node, record: when(node.value)),
    "cost_usd": lambda node, record: number_of(node.value),
    "solved": lambda node, record: node.value if isinstance(node.value, bool) else None,
}


def _tell(fact: Fact, read: Callable[[Node, Record], Any], records: Sequence[Record]) -> Told | None:
    told: list[Told] = []
    for record in records:
        if fact.sources and record.source not in fact.sources:
            continue
        if fact.when is not None and not holds(fact.when, record.node, record.context):
            continue
        node = take(fact.value, record.node, record.context)
        value = read(node, record) if node.is_there else None
        if value is None:
            continue
        told.append((value, node, record))
        if fact.pick == "first":
            break
    if not told:
        return None
    return _picked(fact.pick, told)


def _picked(pick: str, told: list[Told]) -> Told | None:
    if pick == "sum" and number_field(told[0][0]) is not None:
        total = number_of(sum(value for value, _, _ in told))
        return (total, told[0][1], told[0][2]) if total is not None else None
    if pick in ("max", "min"):
        choose = max if pick == "max" else min
        return choose(told, key=lambda one: one[0])
    if pick == "most":
        often = Counter(value for value, _, _ in told).most_common(1)[0][0]
        return next(one for one in told if one[0] == often)
    return told[-1] if pick in ("last", "sum") else told[0]
