"""The records of a run: where a spec says that they stand, in their order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from codetracer_core.errors import UnreadableFile
from codetracer_core.extractors.cutting import objects_in, segments_in
from codetracer_core.extractors.limits import Budget
from codetracer_core.extractors.nodes import Node, Stretch, TextFile, mapping_of, ref_of, weigh
from codetracer_core.extractors.paths import Context, find
from codetracer_core.extractors.patterns import below
from codetracer_core.extractors.rows import rows_in
from codetracer_core.extractors.schema import ExtractorSpec
from codetracer_core.extractors.schema_sources import Part, Source
from codetracer_core.models import SourceRef
from codetracer_core.parsers._artifacts import (
    Artifacts,
    JsonFile,
    JsonLine,
    Pointer,
    strip_ansi,
)
from codetracer_core.parsers._fields import number_field
from codetracer_core.parsers._format import Claim


@dataclass(frozen=True)
class Record:
    """One record, and what paths can see from it."""

    index: int
    """0-based, over all sources."""
    source: str
    node: Node
    context: Context

    @property
    def ref(self) -> SourceRef:
        """Where it stands as a whole."""
        node, place = self.node, self.context.place or {}
        if node.document is not None:
            return node.document.ref(*node.pointer)
        if (whole := ref_of(node)) is not None:
            return whole
        parts = node.parts.values() if isinstance(node.parts, dict) else ()  # that stand in several files
        written = next((part.document.ref() for part in parts if part.document is not None), None)
        line = place.get("line") or 1
        return written or SourceRef(path=place.get("file") or "", line_start=line, line_end=line)


_Place = tuple[str, int | None, Pointer]


@dataclass
class _Taken:
    """A list in a document, and which of its items are records."""

    source: str
    whole: Node
    root: Node
    place: dict[str, Any]
    indices: set[str | int] = field(default_factory=set)


@dataclass
class Reading:
    """The files of one run as a spec reads them. ``notes`` tells what was passed over."""

    spec: ExtractorSpec
    artifacts: Artifacts
    claim: Claim
    budget: Budget
    notes: list[str] = field(default_factory=list)
    characters: int = 0
    repeated: int = 0
    left_out: list[Record] = field(default_factory=list)
    """Items that stand in one list with records, and that no source takes."""

    def __post_init__(self) -> None:
        self._json: dict[str, JsonFile] = {}
        self._counted: set[str] = set()
        self._lists: dict[_Place, _Taken] = {}

    def records(self) -> list[Record]:
        """Source by source, in the order in which the spec names them. Raises UnreadableFile and SpecError."""
        found: list[Record] = []
        for source in self.spec.sources:
            if any(record.source in source.unless for record in found):
                continue
            seen: set[str] = set()
            number = 0
            for node, root, place in self._of(source):
                self.budget.count("records")
                self.budget.spend()
                place = {**place, "number": number + 1, "source": source.name}
                context = Context(self.budget, node, root, place)
                if source.once is not None:
                    key = find(source.once, node, context).value
                    if key is not None:
                        weigh(key, self.budget)
                        if (mark := json.dumps(key, sort_keys=True)) in seen:
                            self.repeated += 1
                            continue
                        seen.add(mark)
                number += 1
                found.append(Record(len(found), source.name, node, context))
        self.left_out = list(self._left_out(len(found)))
        self._json.clear()
        return found

    def _left_out(self, index: int) -> Iterator[Record]:
        """They follow the records, whose number is ``index``."""
        for taken in self._lists.values():
            for at, item in enumerate(taken.whole.items()):
                if at not in taken.indices and isinstance(item.value, dict | list | str):
                    self.budget.count("records")
                    yield Record(index, taken.source, item, Context(self.budget, item, taken.root, taken.place))
                    index += 1

    def _of(self, source: Source) -> Iterator[tuple[Node, Node, dict[str, Any]]]:
        """Each record with the document it stands in, and its place."""
        if source.kind == "folder_per_step":
            for folder in below(self.artifacts.root, source.files, self.budget, folders=True):
                node = self._folder(folder, source)
                if node.value:
                    yield node, node, {"file": folder, **_names(folder, self.artifacts.root.name)}
            return
        for path, node, root, line in self._documents(source):
            for one in self._below(source, node, root, path):
                place = {"file": path, "line": line, **_names(path, self.artifacts.root.name)}
                if source.at is not None and one.pointer and one.document is root.document:
                    self._take(source, one, root, place)
                if line is None and isinstance(one.document, Stretch):
                    place["line"] = one.document.ref().line_start
                yield one, root, place

    def _take(self, source: Source, one: Node, root: Node, place: dict[str, Any]) -> None:
        """Keep in mind that a record was taken out of a list."""
        *above, index = one.pointer
        key = (place["file"], place["line"], tuple(above))
        if key not in self._lists:
            whole = root
            for part in above:
                whole = whole.child(part) if isinstance(part, str) else whole.item(part)
            self._lists[key] = _Taken(source.name, whole, root, {**place, "number": None, "source": source.name})
        self._lists[key].indices.add(index)

    def _below(self, source: Source, node: Node, root: Node, path: str) -> Iterator[Node]:
        context = Context(self.budget, node, root, {"file": path, "source": source.name})
        found = find(source.at, node, context) if source.at is not None else node
        if isinstance(found.value, list):
            yield from found.items()
        elif found.is_there:
            yield found

    def _documents(self, source: Source) -> Iterator[tuple[str, Node, Node, int | None]]:
        """Each document with its file, and its line where a file holds several."""
        paths = self._paths(source)
        if source.fullest is not None:
            paths = self._fullest(paths, source.fullest)
        for path in paths:
            self.budget.file = self.artifacts.shown(path)
            self.budget.check_time()
            if source.kind == "json":
                node = Node(self._read_json(path).value, self._json[path])
                yield path, node, node, None
            elif source.kind == "jsonl":
                for line in self._lines(path, source):
                    node = Node(line.value, line)
                    yield path, node, node, line.line
            elif source.kind == "table":
                for node, line_of_row in rows_in(self._read_text(path), source, self.budget, self.notes):
                    yield path, node, node, line_of_row
            else:
                file = self._read_text(path)
                cut = segments_in if source.kind == "text" else objects_in
                for node in cut(file, source, self.budget):
                    line_number = file.line_of(node.document.start) if isinstance(node.document, Stretch) else None
                    yield path, node, node, line_number

    def _paths(self, source: Source) -> list[str]:
        if source.files:
            return below(self.artifacts.root, source.files, self.budget)
        return [self.claim.unit] if self.claim.unit != "." else list(self.claim.files)

    def _fullest(self, paths: list[str], measure: str) -> list[str]:
        best: tuple[float, str] | None = None
        for path in paths:
            self.budget.file = self.artifacts.shown(path)
            node = Node(self._read_json(path).value, self._json[path])
            found = find(measure, node, Context(self.budget, node, node, {"file": path})).value
            size = float(len(found)) if isinstance(found, list | str | dict) else number_field(found) or 0.0
            if best is None or size > best[0]:
                best = (size, path)
        if best is not None and len(paths) > 1:
            self.notes.append(f"Read from {best[1]}, the fullest of {len(paths)} files.")
        return [best[1]] if best is not None else []

    def _folder(self, folder: str, source: Source) -> Node:
        parts: dict[str, Node] = {}
        for name, part in source.parts.items():
            inside = below(self.artifacts.root / folder, (part.file,), self.budget)
            if not inside:
                continue
            path = f"{folder}/{inside[0]}"
            self.budget.file = self.artifacts.shown(path)
            if not self.artifacts.size(path):
                self._count(path)
                parts[name] = Node("")
            else:
                parts[name] = self._part(path, part)
        return mapping_of(parts)

    def _part(self, path: str, part: Part) -> Node:
        if part.kind != "text":
            try:
                return Node(self._read_json(path).value, self._json[path])
            except UnreadableFile:
                if part.kind == "json":
                    raise
        file = self._read_text(path)
        return Node(file.text, Stretch(file, 0, len(file.text)))

    def _count(self, path: str) -> None:
        if path not in self._counted:
            self._counted.add(path)
            size = self.artifacts.size(path) if self.artifacts.has(path) else 0
            self.budget.count("files")
            self.budget.count("read_bytes", size)
            self.characters += size

    def _read_json(self, path: str) -> JsonFile:
        if path not in self._json:
            self._count(path)
            file = self.artifacts.read_json(path)
            self._count_values(file.data)
            self._json[path] = file
        return self._json[path]

    def _lines(self, path: str, source: Source) -> Iterator[JsonLine]:
        self._count(path)
        self._count_values(self.artifacts.read_bytes(path))
        problems: list[str] = []
        for line in self.artifacts.read_jsonl(path, problems):
            if problems and source.damaged == "last":
                place, _, reason = problems[0].removeprefix(f"{path}, ").partition(": skipped, ")
                raise UnreadableFile(
                    reason,
                    path=self.artifacts.shown(path),
                    place=place,
                    remedy="Get a complete copy, or let the spec pass over such lines (damaged: skip).",
                )
            yield line
        self.notes += problems

    def _count_values(self, data: bytes) -> None:
        self.budget.count("values", sum(map(data.count, (b"{", b"[", b","))))

    def _read_text(self, path: str) -> TextFile:
        self._count(path)
        text = self.artifacts.read_text(path, errors="replace")
        if "\x1b" in text:  # line by line, so that lines keep their numbers
            text = "\n".join(map(strip_ansi, text.split("\n")))
        return TextFile(path, text)


def _names(path: str, root: str) -> dict[str, str]:
    pure = PurePosixPath(path)
    return {"name": pure.stem, "folder": pure.parent.name or root}
