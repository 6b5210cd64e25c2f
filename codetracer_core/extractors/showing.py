"""A folder put into words for a model that has never seen its format: listing, shapes of JSON, samples; bounded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codetracer_core.errors import UnreadableFile
from codetracer_core.extractors.layout import FileKind, Layout, cut, layout_of, named, numbered
from codetracer_core.extractors.shapes import LARGEST, kind_of, records_of, reduced, shape_text, table_of
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.words import number_of

CHARACTERS = 36_000
"""How much is shown of a folder, unless a model's window is too small for it."""
SHORTEST_SAMPLE = 400


def shown(folder: Path, characters: int = CHARACTERS) -> str:
    """What a model is told of a folder: its files, the shapes of the JSON in them, and parts of one or two of each
    kind. About ``characters`` long at most. Raises UnreadableFile if it cannot be listed at all."""
    layout = layout_of(folder)
    listing = layout.listing(characters // 5)
    parts = [f"# Files in {named(folder.name or '.')}/ ({number_of(len(layout.files), 'file')})\n{listing}"]
    artifacts = Artifacts(folder, ceiling=folder)
    left = characters - len(parts[0])
    kinds = layout.kinds
    for number, kind in enumerate(kinds):
        share = left // (len(kinds) - number)
        if share < SHORTEST_SAMPLE:
            parts.append(f"({number_of(len(kinds) - number, 'more kind')} of files: ask to look at one.)")
            break
        part = cut("\n".join(_kind(artifacts, layout, kind, share)), share)
        left -= len(part)
        parts.append(part)
    return "\n\n".join(parts)


def _kind(artifacts: Artifacts, layout: Layout, kind: FileKind, characters: int) -> Iterator[str]:
    path = kind.files[0].path
    more = f" (and {number_of(len(kind.files) - 1, 'file')} like it)" if len(kind.files) > 1 else ""
    try:
        match kind_of(artifacts, path):
            case "empty":
                yield f"# {named(path)}{more}: 0 bytes"
            case "binary":
                yield f"# {named(path)}{more}: no text"
            case "json" if kind.files[0].size <= LARGEST:
                yield f"# {named(path)}{more}: JSON"
                yield from _json(artifacts, kind, characters)
            case "jsonl":
                yield f"# {named(path)}{more}: JSON lines"
                yield from _jsonl(artifacts, path, characters)
            case "table":
                yield f"# {named(path)}{more}: a table (records of kind 'table')"
                yield from _table(artifacts, path, characters)
            case _:
                yield f"# {named(path)}{more}: text"
                yield from _text(artifacts, kind, characters)
    except UnreadableFile as error:
        yield f"# {named(path)}{more}: cannot be read ({error.reason})"


def _json(artifacts: Artifacts, kind: FileKind, characters: int) -> Iterator[str]:
    some = [kind.files[0], *kind.files[1 :: max(1, len(kind.files) // 8)]][:10]
    values = [artifacts.read_json(file.path).value for file in some if file.size <= LARGEST]
    listed = values[0] if len(values) == 1 and isinstance(values[0], list) and values[0] else None
    if listed is not None:
        yield f"A list of {number_of(len(listed), 'item')}, by kind:"
    yield cut(shape_text(listed or values), characters // 2)
    yield "Its values, shortened:"
    yield cut(json.dumps(reduced(values[0]), ensure_ascii=False, indent=1), characters // 3)


def _table(artifacts: Artifacts, path: str, characters: int) -> Iterator[str]:
    between, rows = table_of(artifacts, path)
    yield f"Cells stand between {between!r}. The first {number_of(len(rows), 'row')}, each with its line, by columns:"
    yield cut(shape_text([value for _, value in rows]), characters // 2)
    yield from _some(rows, characters // 2)


def _jsonl(artifacts: Artifacts, path: str, characters: int) -> Iterator[str]:
    records = records_of(artifacts, path)
    yield f"The kinds of the first {number_of(len(records), 'record')}:"
    yield cut(shape_text([value for _, value in records]), characters // 2)
    yield from _some(records, characters // 2)


def _some(records: list[tuple[int, Any]], characters: int) -> Iterator[str]:
    """Some records with their lines."""
    yield "Some records, shortened:"
    middle = len(records) // 2
    some = [*records[:4], *[record for record in records[middle : middle + 4] if record not in records[:4]]]
    share = max(200, characters // max(1, len(some)))
    for line, value in some:
        yield f"{line}| {cut(json.dumps(reduced(value), ensure_ascii=False), share)}"


def _text(artifacts: Artifacts, kind: FileKind, characters: int) -> Iterator[str]:
    first = artifacts.head(kind.files[0].path, LARGEST).decode("utf-8", "replace").split("\n")
    yield cut(numbered(first[:80], 1, longest=400), characters // 2)
    if len(first) > 160:
        middle = len(first) // 2
        yield "…"
        yield cut(numbered(first[middle : middle + 40], middle + 1, longest=400), characters // 3)
    if len(first) > 80:
        yield "… and its end:"
        yield cut(numbered(first[-12:], len(first) - 11, longest=400), characters // 6)
    elif len(kind.files) > 2:
        other = kind.files[len(kind.files) // 2].path
        text = artifacts.head(other, LARGEST).decode("utf-8", "replace").split("\n")
        yield f"and {named(other)}:"
        yield cut(numbered(text[:40], 1, longest=400), characters // 3)
