"""Reading a reference back: the text that it points at, taken from the raw files again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from codetracer_core.models import SourceRef
from codetracer_core.parsers._artifacts import Artifacts, at_pointer, decode_json, plain_text, strip_ansi
from codetracer_core.parsers._cast import read_cast


def resolve(root: Path, ref: SourceRef, *, ceiling: Path | None = None) -> str:
    """The text that a reference points at, read from the files again.

    Raises UnreadableFile for a file that cannot be read or lies outside ``ceiling`` (None: anywhere), and LookupError,
    TypeError or ValueError where the files have nothing at its pointer (any more)."""
    folder = Artifacts(root, ceiling=ceiling)
    pointer = ref.pointer or ""
    if ref.kind == "json":
        return plain_text(at_pointer(folder.read_json(ref.path).value, pointer))
    if ref.kind == "cast":
        begun = [
            item.value for item in read_cast(folder, ref.path).objects if ref.line_start <= item.line <= ref.line_end
        ]
        if pointer.startswith("/*"):
            return _joined(begun, pointer.removeprefix("/*"))
        return plain_text(at_pointer(begun, pointer))
    lines = folder.read_text(ref.path, errors="replace").split("\n")[ref.line_start - 1 : ref.line_end]
    if ref.kind == "text":
        return strip_ansi("\n".join(lines))
    if len(lines) == 1:
        return plain_text(at_pointer(decode_json(lines[0].encode(), folder.shown(ref.path)), pointer))
    return _joined((decode_json(line.encode(), folder.shown(ref.path)) for line in lines if line.strip()), pointer)


def _joined(records: Iterable[Any], pointer: str) -> str:
    """The texts at ``pointer`` in those of the records that have it; raises KeyError if none has it."""
    texts = []
    for record in records:
        try:
            texts.append(plain_text(at_pointer(record, pointer)))
        except (LookupError, TypeError, ValueError):
            continue
    if not texts:
        raise KeyError(pointer)
    return "\n".join(texts)
