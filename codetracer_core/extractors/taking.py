"""What a spec takes from a record: a path, an operation, or a pipeline of them."""

import json
from datetime import datetime
from html import unescape
from textwrap import dedent
from typing import Any

from codetracer_core.extractors.nodes import NOTHING, Node, is_blank, list_of, mapping_of, text_of, weigh
from codetracer_core.extractors.paths import Context, find
from codetracer_core.extractors.patterns import compiled, found_in, names_of, spans_of
from codetracer_core.extractors.schema import ToolRule
from codetracer_core.extractors.schema_takes import Operation
from codetracer_core.models import ToolCall
from codetracer_core.parsers._artifacts import without_lone_surrogates
from codetracer_core.parsers._fields import call_arguments, number_field, spoken_argument
from codetracer_core.parsers._time import moment


def take(rule: Any, node: Node, context: Context) -> Node:
    """What ``rule`` (a ``schema.Take``) finds, seen from ``node``."""
    if isinstance(rule, str):
        return find(rule, node, context)
    if isinstance(rule, Operation):
        return _operate(rule, node, context)
    for stage in rule:
        node = take(stage, node, context)
    return node


def take_text(rule: Any, node: Node, context: Context) -> tuple[str | None, Node]:
    """The text that is found, and the node for its reference."""
    found = take(rule, node, context)
    return text_of(found, context.budget), found


def take_word(rule: Any, node: Node, context: Context) -> str | None:
    """A text with visible characters; None if there is none."""
    text = take_text(rule, node, context)[0]
    return text if text is not None and text.strip() else None


def take_words(rules: tuple[Any, ...], node: Node, context: Context) -> tuple[str, ...]:
    """The texts that are found, each once."""
    return tuple(dict.fromkeys(word for rule in rules if (word := take_word(rule, node, context)) is not None))


def _operate(rule: Operation, node: Node, context: Context) -> Node:
    if rule.text is not None:
        return Node(rule.text)
    if rule.first is not None:
        blank = NOTHING
        for one in rule.first:
            found = take(one, node, context)
            if not is_blank(found):
                return found
            blank = blank if blank.is_there else found
        return blank
    if rule.join is not None:
        return _joined([take(one, node, context) for one in rule.join], rule.between, context)
    text = text_of(node, context.budget)
    if text is None:
        return NOTHING
    if isinstance(node.value, str):
        written = node
    else:
        inner = node.parts.values() if isinstance(node.parts, dict) else node.parts
        written = Node(text, node.document, node.pointer, tuple(inner) if inner is not None else None)
    if rule.json_:
        return _decoded(written, context)
    if rule.match is not None:
        return _matched(rule, rule.match, written, context)
    if rule.every is not None:
        return _every(rule.every, written, context)
    if rule.outside is not None:
        return _around(rule.outside, rule.between, written, context)
    if rule.table is not None:
        if text not in rule.table:
            return NOTHING
        return Node(rule.table[text], written.document, written.pointer, written.parts)
    if rule.dedent or rule.html:
        return Node(dedent(text) if rule.dedent else unescape(text), written.document, written.pointer, written.parts)
    return _stripped(written)


def _joined(nodes: list[Node], between: str, context: Context) -> Node:
    kept = [(text, node) for node in nodes if (text := text_of(node, context.budget)) is not None and text.strip()]
    if len(kept) == 1:
        return kept[0][1]
    if not kept:
        return NOTHING
    return Node(between.join(text for text, _ in kept), parts=tuple(node for _, node in kept))


def _decoded(node: Node, context: Context) -> Node:
    context.budget.count("values", sum(node.value.count(mark) for mark in "{[,"))
    try:
        return node.inside(without_lone_surrogates(json.loads(node.value, strict=False)))
    except (ValueError, RecursionError):
        return NOTHING


def _matched(rule: Operation, pattern: str, node: Node, context: Context) -> Node:
    group = names_of(pattern)[rule.group] if rule.group is not None else min(1, compiled(pattern).groups)
    last = NOTHING
    every = []
    for match in found_in(pattern, node.value, context.budget):
        if match.start(group) < 0:
            continue
        piece = node.cut(*match.span(group))
        if rule.take == "first":
            return piece
        last = piece
        if rule.take == "all":
            every.append(_stripped(piece))
    return _joined(every, rule.between, context) if rule.take == "all" else last


def _every(pattern: str, node: Node, context: Context) -> Node:
    names = names_of(pattern)
    found = []
    for match in found_in(pattern, node.value, context.budget):
        context.budget.count("records")
        found.append(mapping_of({name: node.cut(*span) for name, span in spans_of(match, names).items()}))
    return list_of(found)


def _around(pattern: str, between: str, node: Node, context: Context) -> Node:
    pieces, done = [], 0
    for match in found_in(pattern, node.value, context.budget):
        pieces.append(_stripped(node.cut(done, match.start())))
        done = match.end()
    return _joined([*pieces, _stripped(node.cut(done, len(node.value)))], between, context)


def _stripped(node: Node) -> Node:
    text: str = node.value
    start = len(text) - len(text.lstrip())
    return node.cut(start, max(start, len(text.rstrip())))


def take_tool(rule: ToolRule, node: Node, context: Context) -> tuple[ToolCall | None, Node]:
    """The call of a tool (none without a name), and its text as it stands in the arguments, if one of both is there."""
    name = take_word(rule.name, node, context)
    written = take(rule.arguments, node, context) if rule.arguments is not None else NOTHING
    if name is None and not written.is_there:
        return None, NOTHING
    weigh(written.value, context.budget)
    tool = ToolCall(
        name=name or "",
        arguments=call_arguments(written.value),
        call_id=take_word(rule.call_id, node, context) if rule.call_id is not None else None,
    )
    text = tool.text()
    context.budget.count("text", len(text))
    spoken = spoken_argument(tool) if isinstance(written.value, dict) else None
    place = written.child(spoken) if spoken is not None else written if written.is_there else node
    return tool if name is not None else None, Node(
        text, place.document, place.pointer, place.parts if place.document is None else None
    )


def number_of(value: Any) -> float | None:
    """A finite number, or the text of one; None for anything else, and for what no database can hold."""
    if isinstance(value, str) and len(value) < 40:
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    number = number_field(value)
    return number if number is not None and abs(number) < 1e18 else None


def take_count(rule: Any, node: Node, context: Context) -> int | None:
    """A whole number."""
    return count_of(take(rule, node, context).value)


def count_of(value: Any) -> int | None:
    """A whole number, or the text of one."""
    number = number_of(value)
    return int(number) if number is not None and number == int(number) else None


def take_time(rule: Any, node: Node, context: Context) -> datetime | None:
    """A point in time (``when``)."""
    return when(take(rule, node, context).value)


def when(value: Any) -> datetime | None:
    """ISO 8601, or a number (or the text of one) of seconds, milli-, micro- or nanoseconds since 1970: which of them
    is told apart by its size (seconds until the year 5138)."""
    if isinstance(value, str):
        value = value.strip()[:64]
        if (found := moment(value)) is not None:
            return found
        try:
            value = float(value)
        except ValueError:
            return None
    if number_field(value) is None or value != value:
        return None
    for most, unit in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)):
        if abs(value) < most:
            return moment(value / unit)
    return None


def where_it_stands(text: str, found: Node, places: list[Node]) -> Node:
    """The first of the places whose text this is, else the last that is there, else where it was found."""
    flat = [one for place in places for one in (place.items() if place.parts is not None else [place])]
    return next((one for one in flat if one.value == text), flat[-1] if flat else found)
