"""The only place that opens a run's files: reading, refusing, and saying where a text stands.

``Artifacts`` looks at one folder; everything is addressed by paths relative to it, with ``/``. Nothing is
ever written. What was read is hashed along the way, so that an import can tell whether the evidence changed.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from codetracer_core.errors import UnreadableFile
from codetracer_core.models import SourceRef

T = TypeVar("T")
Pointer = tuple[str | int, ...]

LARGEST_FILE = 1 << 30
HEAD = 4096
"""Bytes at the beginning of a file that recognising looks at."""
LFS_MARK = b"version https://git-lfs.github.com/spec/"
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, or JSON nested deeper than can be read."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|[PX^_][^\x1b]*\x1b\\"  # device control and other strings
    r"|[()*+][A-Za-z0-9]"  # character sets
    r"|[@-Z\\-_=>78])"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def strip_ansi(text: str) -> str:
    """``text`` without terminal escape sequences (colours, cursor moves, titles)."""
    return ANSI.sub("", text)


def plain_text(value: Any) -> str:
    """The text of a message content: a string as it is, a list of parts joined by newlines, else its JSON.

    Of a picture that stands in it as base64 only the kind and the size are told, of one beside the run its path."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(plain_text(part) for part in value)
    if isinstance(value, dict):
        for key in ("text", "thinking"):
            if isinstance(value.get(key), str):
                return str(value[key])
        source = value.get("source")
        if isinstance(source, dict) and source.get("type") == "base64" and isinstance(source.get("data"), str):
            return f"[{source.get('media_type') or value.get('type')}: {len(source['data']):,} characters of base64]"
        if isinstance(source, dict) and isinstance(source.get("path"), str):
            return f"[{source.get('media_type') or value.get('type')}: {source['path']}]"
        if value.get("type") in ("image", "image_url"):
            return _pictures(value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _pictures(part: dict[str, Any]) -> str:
    """OpenAI's picture part (``image_url: {url}``) or OpenHands' (``image_urls: [url]``)."""
    image = part.get("image_url")
    urls = part.get("image_urls") or [image.get("url") if isinstance(image, dict) else image]
    shown = []
    for url in urls if isinstance(urls, list) else [urls]:
        kind, marker, data = str(url).partition(";base64,")
        shown.append(f"[{kind.removeprefix('data:')}: {len(data):,} characters of base64]" if marker else f"[{url}]")
    return "\n".join(shown)


def pointer_text(pointer: Pointer) -> str:
    """RFC 6901 text of a pointer given as a tuple of keys and indexes."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in pointer)


def at_pointer(value: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer; raises KeyError or IndexError where there is none."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def lost_content(head: bytes) -> bool:
    """Is this the start of a file whose name must decide what it is: zero bytes, a git-LFS pointer, UTF-16?"""
    return not head or head.startswith((LFS_MARK, *_UTF16))


def decode_json(data: bytes, path: str, place: str = "") -> Any:
    """JSON to Python. What msgspec refuses but Python's own writer produces (NaN, lone surrogates) is accepted.

    Raises UnreadableFile with the line in ``path``, or at ``place`` if that is named already."""
    try:
        return msgspec.json.decode(data)
    except NO_JSON as first:
        text = _utf8(data, path, place)  # bytes would be taken for UTF-16 where they look like it
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise UnreadableFile(
                f"no valid JSON ({error.msg}; {first})",
                path=path,
                place=place or f"line {error.lineno}",
                remedy="The file is damaged or cut off; get a complete copy.",
            ) from error
        except (RecursionError, ValueError) as error:  # ValueError: Python reads no number of thousands of digits
            why = "nested too deeply" if isinstance(error, RecursionError) else "a number with too many digits"
            raise UnreadableFile(
                f"no JSON that can be read ({why})", path=path, place=place, remedy="Get a fresh copy."
            ) from error
        return without_lone_surrogates(value)


def _utf8(data: bytes, path: str, place: str = "") -> str:
    if not data.startswith(_UTF16):
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            place = place or f"line {line}"
    raise UnreadableFile("not UTF-8 text", path=path, place=place, remedy="Convert the file to UTF-8.")


def without_lone_surrogates(value: Any) -> Any:
    """``value`` with every half of a surrogate pair replaced: no text that is stored or shown may hold one."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_lone_surrogates(key): without_lone_surrogates(item) for key, item in value.items()}
    return value


@dataclass
class JsonFile:
    """A JSON file in memory that knows on which lines each of its values stands."""

    path: str
    data: bytes
    shown_path: str = ""
    """The path for error messages."""
    _children: dict[Pointer, dict[str, msgspec.Raw] | list[msgspec.Raw]] = field(default_factory=dict, repr=False)

    @cached_property
    def value(self) -> Any:
        return decode_json(self.data, self.shown_path)

    def decode(self, as_type: type[T]) -> T:
        """The file as a msgspec type: fields that the type does not name are skipped without being built."""
        try:
            return msgspec.json.decode(self.data, type=as_type)
        except msgspec.ValidationError as error:
            raise UnreadableFile(
                f"unexpected content ({error})", path=self.shown_path, remedy="This layout never looks like that."
            ) from error
        except NO_JSON:
            return JsonFile(self.path, msgspec.json.encode(self.value), self.shown_path).decode(as_type)

    @cached_property
    def _line_starts(self) -> np.ndarray:
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) == 10)

    def ref(self, *pointer: str | int) -> SourceRef:
        """Reference to the value at ``pointer``: the lines on which it begins and ends.

        Exact, because msgspec's raw values are views into the file. A file that msgspec cannot read (see
        ``decode_json``) gets the whole file as its range; the pointer is exact all the same.
        """
        lines = len(self._line_starts)
        last = max(1, lines + (not self.data.endswith(b"\n")))
        first = 1
        if last > 1:
            try:
                start, end = self._span(pointer)
            except NO_JSON:
                pass
            else:
                first = int(np.searchsorted(self._line_starts, start)) + 1
                last = int(np.searchsorted(self._line_starts, max(start, end - 1))) + 1
        return SourceRef(path=self.path, line_start=first, line_end=last, kind="json", pointer=pointer_text(pointer))

    def _span(self, pointer: Pointer) -> tuple[int, int]:
        if not pointer:
            return 0, len(self.data)
        siblings = self._container(pointer[:-1])
        raw = siblings[pointer[-1]]  # type: ignore[index]
        start = pa.py_buffer(raw).address - pa.py_buffer(self.data).address
        return start, start + len(memoryview(raw))

    def _container(self, pointer: Pointer) -> dict[str, msgspec.Raw] | list[msgspec.Raw]:
        known = self._children.get(pointer)
        if known is None:
            raw = self._container(pointer[:-1])[pointer[-1]] if pointer else self.data  # type: ignore[index]
            first = bytes(memoryview(raw)[:64]).lstrip()[:1]
            if first == b"[":
                known = msgspec.json.decode(raw, type=list[msgspec.Raw])
            else:
                known = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            self._children[pointer] = known
        return known


@dataclass(frozen=True)
class JsonLine:
    """One record of a JSON-lines file."""

    path: str
    line: int
    value: Any

    def ref(self, *pointer: str | int) -> SourceRef:
        return SourceRef(
            path=self.path, line_start=self.line, line_end=self.line, kind="jsonl", pointer=pointer_text(pointer)
        )


class Artifacts:
    """One folder of evidence.

    ``ceiling``: the highest folder that may be read for siblings such as a result file (``../report.json``);
    None sets no limit, an uploaded archive's folder must be its own ceiling.
    """

    def __init__(self, root: Path, *, ceiling: Path | None = None) -> None:
        self.root = root
        self.ceiling = ceiling.resolve() if ceiling is not None else None
        self._hashes: dict[str, str] = {}
        self._heads: dict[str, bytes] = {}

    @cached_property
    def _entries(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        files: list[str] = []
        folders: list[str] = []
        with os.scandir(self.root) as entries:
            for entry in entries:
                try:
                    is_folder, is_file = entry.is_dir(), entry.is_file()
                except OSError:  # a link that leads to itself
                    is_folder = is_file = False
                if is_folder:
                    folders.append(entry.name)
                elif is_file or entry.is_symlink():
                    files.append(entry.name)
        return tuple(sorted(files)), tuple(sorted(folders))

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files directly in the folder, sorted. A link that leads nowhere is a file that cannot be read;
        pipes, sockets and devices are no files."""
        return self._entries[0]

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders directly in the folder, sorted."""
        return self._entries[1]

    def has(self, path: str) -> bool:
        """Is there a file at this relative path (that may be read)?"""
        return self._allowed(path) and (self.root / path).is_file()

    def has_folder(self, path: str) -> bool:
        return self._allowed(path) and (self.root / path).is_dir()

    def glob(self, pattern: str) -> list[str]:
        """Relative paths of the files that match, sorted as text. Patterns must be shallow (no ``**``)."""
        found = (match.relative_to(self.root).as_posix() for match in self.root.glob(pattern) if match.is_file())
        return sorted(found)

    def size(self, path: str) -> int:
        return (self.root / path).stat().st_size

    def head(self, path: str, size: int = HEAD) -> bytes:
        """The first bytes of a file, b"" if there is none that can be read; for recognising, not for evidence.

        Heads of the usual size are kept: every parser looks at the same ones."""
        known = self._heads.get(path)
        if known is None or size > HEAD:
            if not self.has(path):
                return b""
            try:
                with (self.root / path).open("rb") as file:
                    known = file.read(max(size, HEAD))
            except OSError:  # its reader will say why
                known = b""
            if size <= HEAD:
                self._heads[path] = known
        return known[:size]

    def is_lfs_pointer(self, path: str) -> bool:
        return self.head(path, len(LFS_MARK)) == LFS_MARK

    def shown(self, path: str) -> str:
        """The path as error messages show it."""
        return str(self.root / path)

    def read_bytes(self, path: str) -> bytes:
        """The whole file; raises UnreadableFile for what cannot be evidence."""
        if not self._allowed(path):
            raise UnreadableFile(
                "lies outside the imported folder", path=self.shown(path), remedy="Import the folder that holds both."
            )
        try:
            size = self.size(path)
            if size > LARGEST_FILE:
                raise UnreadableFile(
                    f"{size:,} bytes are more than {LARGEST_FILE:,}", path=self.shown(path), remedy="Split it by runs."
                )
            data = (self.root / path).read_bytes()
        except OSError as error:
            raise UnreadableFile(
                error.strerror or str(error), path=self.shown(path), remedy="Check that the file is there and readable."
            ) from error
        self._refuse_no_evidence(path, data)
        self._hashes[path] = hashlib.sha256(data).hexdigest()
        return data

    def _refuse_no_evidence(self, path: str, start: bytes) -> None:
        if not start:
            raise UnreadableFile("the file is empty (0 bytes)", path=self.shown(path), remedy="Copy the run again.")
        if start.startswith(LFS_MARK):
            raise UnreadableFile(
                "a git-LFS pointer, not the file itself", path=self.shown(path), remedy="Run 'git lfs pull' and retry."
            )

    def read_text(self, path: str, *, errors: str = "strict") -> str:
        """UTF-8 text. ``errors="replace"`` is for terminal output, which can hold any byte (but is never UTF-16)."""
        data = self.read_bytes(path)
        if errors == "strict" or data.startswith(_UTF16):
            return _utf8(data, self.shown(path))
        return data.decode("utf-8", errors=errors)

    def read_json(self, path: str) -> JsonFile:
        """A JSON file; decoding happens at first use of ``value``, ``decode`` or ``ref``."""
        return JsonFile(path=path, data=self.read_bytes(path), shown_path=self.shown(path))

    def read_jsonl(self, path: str, problems: list[str]) -> Iterator[JsonLine]:
        """The records of a JSON-lines file. Blank lines are passed over; a line that is no JSON is skipped and
        told in ``problems`` (the last line of a killed run is often cut off). Raises UnreadableFile if no line at
        all can be read, and for text in another encoding than UTF-8, which concerns the whole file."""
        lines = [(number, line) for number, line in enumerate(self.read_bytes(path).split(b"\n"), 1) if line.strip()]
        good = 0
        first_error: UnreadableFile | None = None
        for number, line in lines:
            try:
                value = decode_json(line, self.shown(path), f"line {number}")
            except UnreadableFile as error:
                if number < lines[-1][0]:  # the last one can be cut off within a letter
                    _utf8(line, self.shown(path), f"line {number}")
                first_error = first_error or error
                problems.append(f"{path}, line {number}: skipped, {error.reason}")
                continue
            good += 1
            yield JsonLine(path=path, line=number, value=value)
        if not good and first_error is not None:
            raise first_error

    def read_line(self, path: str, number: int) -> JsonLine:
        """One record of a JSON-lines file that holds a run per line: nothing but that line is decoded and hashed.

        Raises UnreadableFile if the line is no JSON or if there is no such line."""
        if not self._allowed(path):
            raise UnreadableFile(
                "lies outside the imported folder", path=self.shown(path), remedy="Import the folder that holds both."
            )
        self._refuse_no_evidence(path, self.head(path, len(LFS_MARK)))
        file = self.root / path
        status = file.stat()
        ends = _line_ends(file, status.st_size, status.st_mtime_ns)
        if not 1 <= number <= len(ends) + 1:
            raise UnreadableFile(
                f"there is no line {number}", path=self.shown(path), remedy="The file was changed: import it again."
            )
        with file.open("rb") as lines:
            lines.seek(int(ends[number - 2]) + 1 if number > 1 else 0)
            data = lines.readline(LARGEST_FILE)
        self._hashes[f"{path}#L{number}"] = hashlib.sha256(data).hexdigest()
        return JsonLine(path=path, line=number, value=decode_json(data, self.shown(path), f"line {number}"))

    @property
    def digests(self) -> dict[str, str]:
        """sha256 (hex) of each file read so far by its path; of single lines by ``path#L<line>``."""
        return dict(self._hashes)

    def evidence_hash(self) -> str:
        """sha256 over the paths and contents of all files read so far through this object."""
        lines = "\n".join(f"{path} {digest}" for path, digest in sorted(self._hashes.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def _allowed(self, path: str) -> bool:
        if self.ceiling is None:
            return True
        return (self.root / path).resolve().is_relative_to(self.ceiling)


@lru_cache(maxsize=4)
def _line_ends(file: Path, size: int, modified: int) -> np.ndarray:
    """Offsets of a file's newlines. Kept, because a file with a run per line is asked once per run; ``size`` and
    ``modified`` are in the key, so that a changed file is read again."""
    ends: list[np.ndarray] = []
    offset = 0
    with file.open("rb") as data:
        while chunk := data.read(1 << 22):
            ends.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == 10) + offset)
            offset += len(chunk)
    return np.concatenate(ends) if ends else np.empty(0, np.int64)
