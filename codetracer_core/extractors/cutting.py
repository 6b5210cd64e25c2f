"""Records cut out of a text: segments of it, and the JSON objects that stand in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from codetracer_core.extractors.limits import Budget
from codetracer_core.extractors.nodes import Node, Stretch, TextFile, mapping_of
from codetracer_core.extractors.patterns import found_in, names_of, spans_of
from codetracer_core.extractors.schema_sources import Source
from codetracer_core.parsers._artifacts import JsonLine, without_lone_surrogates


def _stretch(file: TextFile, start: int, end: int) -> Node:
    return Node(file.text[start:end], Stretch(file, start, end))


def _segment(file: TextFile, start: int, end: int, fields: dict[str, Node]) -> Node:
    """A record of text: mapping of its fields, and ``text``, all of it."""
    whole = _stretch(file, start, end)
    made = mapping_of({**fields, "text": whole})
    return Node(made.value, whole.document, parts=made.parts)


def _groups(file: TextFile, match: Any, names: dict[str, int]) -> dict[str, Node]:
    return {name: _stretch(file, *span) for name, span in spans_of(match, names).items()}


def _rest(file: TextFile, start: int, end: int) -> Iterator[Node]:
    """What stands between records, as a record with the field ``rest``."""
    if file.text[start:end].strip():
        rest = _stretch(file, start, end)
        yield Node({"rest": rest.value}, rest.document, parts={"rest": rest})


def segments_in(file: TextFile, source: Source, budget: Budget) -> Iterator[Node]:
    """What ``begin`` or ``pattern`` cuts, and what stands between; without them the whole text."""
    size = len(file.text)
    if source.pattern is not None:
        names, done = names_of(source.pattern), 0
        for match in found_in(source.pattern, file.text, budget):
            if match.end() == match.start():
                continue
            yield from _rest(file, done, match.start())
            yield _segment(file, match.start(), match.end(), _groups(file, match, names))
            done = match.end()
        yield from _rest(file, done, size)
        return
    if source.begin is None:
        yield _segment(file, 0, size, {})
        return
    names = names_of(source.begin)
    before: Any = None
    for match in found_in(source.begin, file.text, budget):
        if match.end() == match.start():
            continue
        if before is None:
            yield from _rest(file, 0, match.start())
        else:
            yield _begun(file, before, match.start(), names)
        before = match
    if before is None:
        yield from _rest(file, 0, size)
    else:
        yield _begun(file, before, size, names)


def _begun(file: TextFile, match: Any, end: int, names: dict[str, int]) -> Node:
    fields = {"head": _stretch(file, match.start(), match.end()), "body": _stretch(file, match.end(), end)}
    return _segment(file, match.start(), end, {**fields, **_groups(file, match, names)})


_OPENS = re.compile(r"\{\s*[\"}]")
"""An object of JSON and no brace of a program: a failed try costs much more."""


def objects_in(file: TextFile, source: Source, budget: Budget) -> Iterator[Node]:
    """The JSON objects of a text. One that fills its line is a line of JSON, with exact references."""
    decoder = json.JSONDecoder(strict=False)
    done = 0
    for start in _starts(file.text, source, budget):
        if start < done:
            continue
        budget.check_time()
        if file.text[start : start + 1] == "{" and not _OPENS.match(file.text, start):
            continue
        try:
            value, end = decoder.raw_decode(file.text, start)
        except json.JSONDecodeError as error:  # (which counts the lines before it)
            reached = len(file.text) if error.msg.startswith("Unterminated") else error.pos
            budget.spend(1 + (reached - start) // 100 + error.pos // 10_000)
            continue
        except (RecursionError, ValueError):
            budget.spend(1 + (len(file.text) - start) // 100)
            continue
        budget.spend(1 + (end - start) // 100)
        budget.count("values", sum(file.text.count(mark, start, end) for mark in "{[,"))
        if not isinstance(value, dict | list):
            continue
        done = end
        yield _object(file, start, end, without_lone_surrogates(value))


def _starts(text: str, source: Source, budget: Budget) -> Iterator[int]:
    if source.begin is not None:
        for match in found_in(source.begin, text, budget):
            rest = text[match.end() : match.end() + 1000]
            yield match.end() + len(rest) - len(rest.lstrip())
        return
    start = text.find("{")
    while start >= 0:
        yield start
        start = text.find("{", start + 1)


def _object(file: TextFile, start: int, end: int, value: Any) -> Node:
    opened = file.text.rfind("\n", 0, start) + 1
    closed = file.text.find("\n", end)
    around = file.text[opened:start] + file.text[end : closed if closed >= 0 else len(file.text)]
    if not around.strip() and "\n" not in file.text[start:end]:
        return Node(value, JsonLine(file.path, file.line_of(start), value))
    return Node(value, Stretch(file, start, end))
