"""The shapes of JSON: which keys, what kinds of values, with an example of each; never more than a screenful."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from codetracer_core.errors import SpecError, UnreadableFile
from codetracer_core.extractors.limits import Budget, SpecLimits
from codetracer_core.extractors.nodes import TextFile
from codetracer_core.extractors.rows import TABLES, delimiter_of, rows_in
from codetracer_core.extractors.schema_sources import Source
from codetracer_core.parsers._artifacts import Artifacts, decode_json, lost_content

Kind = Literal["json", "jsonl", "table", "text", "binary", "empty"]
LARGEST = 4_000_000
"""Bytes of a JSON file that is looked into as a whole; of JSON lines, as many bytes from the beginning."""
MOST_RECORDS = 500
_MOST_KEYS, _DEEPEST, _LONGEST_EXAMPLE = 40, 6, 60
_TELLING_KEYS = ("type", "event", "kind", "role", "action", "source", "name")
"""Keys that usually say what kind of record it is, most telling first."""


def kind_of(artifacts: Artifacts, path: str) -> Kind:
    """What a file is, by its beginning."""
    head = artifacts.head(path)
    if not head:
        return "empty"
    if lost_content(head) or b"\0" in head:
        return "binary"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start not in (b"{", b"["):
        return "table" if path.lower().endswith(TABLES) else "text"
    lines = [line for line in head.split(b"\n") if line.strip()]
    if len(lines) > 1 and _is_json(lines[0]):
        return "jsonl"
    return "json" if artifacts.size(path) > len(head) or _is_json(head) else "text"


def _is_json(data: bytes) -> bool:
    try:
        decode_json(data, "")
    except UnreadableFile:
        return False
    return True


def records_of(artifacts: Artifacts, path: str) -> list[tuple[int, Any]]:
    """The first records of a JSON-lines file with their lines; what is no JSON is passed over."""
    records: list[tuple[int, Any]] = []
    for number, line in enumerate(artifacts.head(path, LARGEST).split(b"\n"), 1):
        if len(records) == MOST_RECORDS:
            break
        if line.strip():
            try:
                records.append((number, decode_json(line, path)))
            except UnreadableFile:
                continue
    return records


def table_of(artifacts: Artifacts, path: str) -> tuple[str, list[tuple[int, Any]]]:
    """What stands between the cells of a table, and its first rows with their lines, as the language reads them by
    default; a quote that never closes ends them."""
    file = TextFile(path, artifacts.head(path, LARGEST).decode("utf-8-sig", "replace"))
    rows = rows_in(file, Source(kind="table"), Budget(SpecLimits(), path), [])
    found: list[tuple[int, Any]] = []
    with suppress(UnreadableFile, SpecError):
        found += ((line, row.value) for row, line in islice(rows, MOST_RECORDS))
    return delimiter_of(path, file.text), found


def top_keys(artifacts: Artifacts, path: str) -> list[str]:
    """The keys at the top of a JSON file, or of the records of a JSON-lines file or a table, sorted; none for anything
    else."""
    try:
        kind = kind_of(artifacts, path)
        if kind == "table":
            return sorted({key for _, row in table_of(artifacts, path)[1] for key in row})
        if kind == "json" and artifacts.size(path) <= LARGEST:
            value = artifacts.read_json(path).value
            values = value if isinstance(value, list) else [value]
        else:
            values = [value for _, value in records_of(artifacts, path)] if kind == "jsonl" else []
    except UnreadableFile:
        return []
    return sorted({key for value in values[:MOST_RECORDS] if isinstance(value, dict) for key in value})


def shape_text(values: Sequence[Any], *, what: str = "") -> str:
    """The shapes of values that are alike, or of several kinds of records by the key that tells the kind."""
    key = _telling_key(values) if len(values) > 1 else None
    if key is None:
        shape = _Shape()
        for value in values:
            shape.add(value, 0)
        return shape.text()
    kinds: dict[str, _Shape] = {}
    counts: dict[str, int] = {}
    for value in values:
        name = json.dumps(value.get(key), ensure_ascii=False)
        counts[name] = counts.get(name, 0) + 1
        kinds.setdefault(name, _Shape()).add(value, 0)
    return "\n".join(f"{counts[name]} × {key} = {name}: {shape.text()}" for name, shape in kinds.items())


def _telling_key(values: Sequence[Any]) -> str | None:
    records = [value for value in values if isinstance(value, dict)]
    if len(records) < len(values):
        return None
    for key in _TELLING_KEYS:
        told = [record.get(key) for record in records]
        texts = {one for one in told if isinstance(one, str)}
        if sum(isinstance(one, str) for one in told) >= 0.8 * len(told) and 2 <= len(texts) <= 20:
            return key
    return None


@dataclass
class _Shape:
    """All that was seen at one place of JSON."""

    seen: int = 0
    scalars: dict[str, str] = field(default_factory=dict)
    """Kind of value to an example."""
    keys: "dict[str, _Shape]" = field(default_factory=dict)
    objects: int = 0
    items: "_Shape | None" = None
    longest_list: int = 0
    more_keys: bool = False

    def add(self, value: Any, depth: int) -> None:
        self.seen += 1
        if isinstance(value, dict):
            self.objects += 1
            if depth >= _DEEPEST:
                self.more_keys = self.more_keys or bool(value)
                return
            for key, inner in value.items():
                if key not in self.keys and len(self.keys) >= _MOST_KEYS:
                    self.more_keys = True
                    continue
                self.keys.setdefault(key, _Shape()).add(inner, depth + 1)
        elif isinstance(value, list):
            self.items = self.items or _Shape()
            self.longest_list = max(self.longest_list, len(value))
            for inner in value[:20] if depth < _DEEPEST else []:
                self.items.add(inner, depth + 1)
        else:
            name, example = _scalar(value)
            if len(self.scalars.get(name, "")) < len(example) and len(example) <= _LONGEST_EXAMPLE + 2:
                self.scalars[name] = example
            self.scalars.setdefault(name, "")

    def text(self, indent: int = 0) -> str:
        told = [f"{name} ({example})" if example else name for name, example in self.scalars.items()]
        if self.objects:
            told.append(self._object(indent))
        if self.items is not None:
            inside = self.items.text(indent) if self.items.seen else "nothing"
            told.append(f"list of up to {self.longest_list} × {inside}")
        return " or ".join(told) or "nothing"

    def _object(self, indent: int) -> str:
        if not self.keys:
            return "{…}" if self.more_keys else "{}"
        pad = " " * (indent + 2)
        lines = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}{'' if inner.seen >= self.objects else '?'}: "
            f"{inner.text(indent + 2)}"
            for key, inner in self.keys.items()
        ]
        more = [f"{pad}… more keys"] if self.more_keys else []
        return "{\n" + "\n".join([*lines, *more]) + "\n" + " " * indent + "}"


def _scalar(value: Any) -> tuple[str, str]:
    if value is None:
        return "null", ""
    if isinstance(value, bool):
        return "true/false", ""
    if isinstance(value, str):
        if len(value) > _LONGEST_EXAMPLE:
            return "text", ""
        return "text", json.dumps(value, ensure_ascii=False)
    return "number", json.dumps(value)


def reduced(value: Any, *, longest: int = 300, most: int = 3, depth: int = 8) -> Any:
    """``value`` with long texts cut and long lists shortened, for showing. What was left out is told in its place."""
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]} … (+{len(value) - longest:,} characters)"
    if isinstance(value, list):
        if depth == 0:
            return f"… ({len(value)} items)"
        shown = [reduced(item, longest=longest, most=most, depth=depth - 1) for item in value[:most]]
        return [*shown, f"… and {len(value) - most} more items"] if len(value) > most else shown
    if isinstance(value, dict):
        if depth == 0:
            return f"… ({len(value)} keys)"
        return dict(_reduced_items(value, longest, most, depth))
    return value


def _reduced_items(value: dict[str, Any], longest: int, most: int, depth: int) -> Iterator[tuple[str, Any]]:
    for number, (key, inner) in enumerate(value.items()):
        if number == _MOST_KEYS:
            yield "…", f"{len(value) - _MOST_KEYS} more keys"
            return
        yield key[:_LONGEST_EXAMPLE], reduced(inner, longest=longest, most=most, depth=depth - 1)
