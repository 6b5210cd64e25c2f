"""Values that know where they stand, so that what a spec takes from a file keeps a real reference to it."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetracer_core.errors import MalformedRun
from codetracer_core.extractors.limits import Budget
from codetracer_core.models import SourceRef
from codetracer_core.parsers._artifacts import Pointer, plain_text


class Document(Protocol):
    """Something that is read as a whole: a JSON file, a line of one, a stretch of text."""

    def ref(self, *pointer: str | int) -> SourceRef: ...


@dataclass(frozen=True)
class TextFile:
    """A text file that knows on which line each of its characters stands."""

    path: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, position = [0], self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    def line_of(self, offset: int) -> int:
        return bisect_right(self._line_starts, offset)


@dataclass(frozen=True)
class Stretch:
    """Part of a text file. Whatever stands in it, the reference is to its lines."""

    file: TextFile
    start: int
    end: int

    def ref(self, *pointer: str | int) -> SourceRef:
        """The lines from its first visible character to its last one; of a whole file all lines."""
        if self.start == 0 and self.end == len(self.file.text):
            return SourceRef(path=self.file.path, line_start=1, line_end=self.file.line_of(self.end), kind="text")
        inner = self.file.text[self.start : self.end]
        first = self.start + (len(inner) - len(inner.lstrip()) if inner.strip() else 0)
        last = max(first, self.end - (len(inner) - len(inner.rstrip())) - 1) if inner.strip() else first
        return SourceRef(
            path=self.file.path, line_start=self.file.line_of(first), line_end=self.file.line_of(last), kind="text"
        )


@dataclass(frozen=True, slots=True)
class Within:
    """JSON or a piece of text that stands inside a string of another document: the reference is to that string."""

    document: Document
    pointer: Pointer

    def ref(self, *pointer: str | int) -> SourceRef:
        return self.document.ref(*self.pointer)


@dataclass(frozen=True, slots=True)
class Node:
    """A value, and the place where it stands: none for what was computed or is a constant.

    ``parts`` are the nodes of a list or mapping that was put together from several places."""

    value: Any
    document: Document | None = None
    pointer: Pointer = ()
    parts: "tuple[Node, ...] | dict[str, Node] | None" = None

    def child(self, name: str) -> "Node":
        if isinstance(self.parts, dict):
            return self.parts.get(name, NOTHING)
        if not isinstance(self.value, dict) or name not in self.value:
            return NOTHING
        return Node(self.value[name], self.document, (*self.pointer, name))

    def items(self) -> "Sequence[Node]":
        """The items of a list; none if it is no list."""
        if isinstance(self.parts, tuple):
            return self.parts
        if not isinstance(self.value, list):
            return ()
        return [Node(item, self.document, (*self.pointer, index)) for index, item in enumerate(self.value)]

    def item(self, index: int) -> "Node":
        if not isinstance(self.value, list) or not -len(self.value) <= index < len(self.value):
            return NOTHING
        if isinstance(self.parts, tuple):
            return self.parts[index]
        at = index % len(self.value)
        return Node(self.value[at], self.document, (*self.pointer, at))

    def cut(self, start: int, end: int) -> "Node":
        """A piece of a text; both offsets are in characters, ``end`` is exclusive."""
        document = self.document
        if isinstance(document, Stretch) and document.end - document.start == len(self.value):
            document = Stretch(document.file, document.start + start, document.start + end)
        return Node(self.value[start:end], document, self.pointer, self.parts)

    def inside(self, value: Any) -> "Node":
        """What was read out of this text."""
        return Node(value, Within(self.document, self.pointer) if self.document is not None else None)

    @property
    def is_there(self) -> bool:
        return self.value is not None


NOTHING = Node(None)


def list_of(nodes: Iterable[Node]) -> Node:
    parts = tuple(nodes)
    return Node([part.value for part in parts], parts=parts)


def mapping_of(nodes: dict[str, Node]) -> Node:
    return Node({name: node.value for name, node in nodes.items()}, parts=nodes)


def is_true(value: Any) -> bool:
    """As JMESPath has it: everything but null, false and what is empty."""
    return value is not None and value is not False and value not in ("", [], {})


def is_blank(node: Node) -> bool:
    """Nothing, or a text without a visible character."""
    return node.value is None or (isinstance(node.value, str) and not node.value.strip()) or node.value in ([], {})


def weigh(value: Any, budget: Budget) -> None:
    """Refuse a value whose text would be larger or deeper than the limits, before the text is made."""
    if isinstance(value, str):
        budget.spend(len(value) // 100)
        return
    waiting = [(value, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > budget.limits.nesting:
            raise MalformedRun(
                f"a value is nested more than {budget.limits.nesting} levels deep",
                path=budget.file,
                remedy="Take what is meant in it by a longer path.",
            )
        budget.spend()
        if isinstance(found, dict):
            waiting.extend((one, depth + 1) for one in found.values())
        elif isinstance(found, list):
            waiting.extend((one, depth + 1) for one in found)
        elif isinstance(found, str):
            budget.spend(len(found) // 100)


def text_of(node: Node, budget: Budget) -> str | None:
    """The text of a value as readers of runs see it (``plain_text``); None if there is no value."""
    if node.value is None:
        return None
    weigh(node.value, budget)
    text = json.dumps(node.value) if isinstance(node.value, bool) else plain_text(node.value)
    budget.count("text", len(text))
    return text


def places(node: Node) -> list[tuple[Document, Pointer]]:
    """Where a value stands: more than one place if it was put together."""
    if node.parts is not None:
        inner = node.parts.values() if isinstance(node.parts, dict) else node.parts
        return [place for part in inner for place in places(part)]
    return [(node.document, node.pointer)] if node.document is not None else []


def ref_of(*nodes: Node) -> SourceRef | None:
    """The smallest reference that holds all these values; None if they stand in no file, or in several."""
    found = [place for node in nodes for place in places(node)]
    if not found:
        return None
    document = found[0][0]
    if all(other is document for other, _ in found):
        return document.ref(*_shared([pointer for _, pointer in found]))
    refs = [other.ref(*pointer) for other, pointer in found]
    if len({(ref.path, ref.kind) for ref in refs}) > 1:
        return None
    shared = _shared([tuple((ref.pointer or "").split("/")[1:]) for ref in refs])
    update: dict[str, Any] = {
        "line_start": min(ref.line_start for ref in refs),
        "line_end": max(ref.line_end for ref in refs),
    }
    if refs[0].kind != "text":
        update["pointer"] = "".join(f"/{token}" for token in shared)
    return refs[0].model_copy(update=update)


def _shared(pointers: Sequence[Pointer]) -> Pointer:
    first = pointers[0]
    size = next(
        (at for at in range(len(first)) if any(one[at : at + 1] != first[at : at + 1] for one in pointers)), None
    )
    return first[:size] if size is not None else first
