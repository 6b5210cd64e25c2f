"""What lies in a folder whose format nobody knows: its files, folded by how they are called, and a fingerprint of them.

Nothing here follows a link or leaves the folder, and everything is bounded: a folder may hold a million files.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from codetracer_core.errors import UnreadableFile
from codetracer_core.extractors.patterns import natural
from codetracer_core.extractors.shapes import kind_of, top_keys
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.words import number_of

MOST_FILES = 5_000
"""Files that are looked at; of a folder with more, those that come first."""
DEEPEST = 10
MOST_KINDS = 40
"""Kinds of files that are listed or shown."""
LONGEST_NAME = 120
NOT_OF_A_RUN = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", "site-packages"})
_VARIES = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?<![0-9A-Za-z])(?P<hex>(?=[a-f]*\d)[0-9a-f]{8,})(?![0-9A-Za-z])|(?P<number>\d+)",
    re.IGNORECASE,
)
_CONTROLS = re.compile("[^\n\t\x20-\x7e\xa1-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class File:
    """One file: its path below the folder, with ``/``, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class FileKind:
    """Files that are called alike ("turn-{n}/request.json"), in natural order."""

    pattern: str
    files: tuple[File, ...]

    @property
    def words(self) -> str:
        """One line of a listing."""
        first, last = self.files[0], self.files[-1]
        if len(self.files) == 1:
            return f"{named(first.path)}  {first.size:,} bytes"
        small, large = min(file.size for file in self.files), max(file.size for file in self.files)
        sizes = f"{small:,} bytes each" if small == large else f"{small:,}–{large:,} bytes"
        return f"{named(first.path)} … {named(last.path)}  {len(self.files):,} files like that, {sizes}"


@dataclass(frozen=True)
class Layout:
    """The files below a folder. ``alike``: folders directly in it that are left out, because what is in them is laid
    out as in another one of its folders (left out: the one that stands for it)."""

    folder: Path
    files: tuple[File, ...]
    has_more: bool
    links: int
    alike: tuple[tuple[str, str], ...]

    @cached_property
    def kinds(self) -> tuple[FileKind, ...]:
        return kinds_of(self.files)

    @property
    def patterns(self) -> tuple[str, ...]:
        return tuple(kind.pattern for kind in self.kinds)

    def listing(self, characters: int = 6_000) -> str:
        """The files as lines of text, at most about so many characters."""
        lines = [kind.words for kind in self.kinds[:MOST_KINDS]]
        if len(self.kinds) > MOST_KINDS:
            lines.append(f"… and {number_of(len(self.kinds) - MOST_KINDS, 'more kind')} of files")
        by_folder: dict[str, list[str]] = {}
        for left_out, shown in self.alike:
            by_folder.setdefault(shown, []).append(left_out)
        for shown, others in by_folder.items():
            some = ", ".join(f"{named(name)}/" for name in others[:5]) + (" …" if len(others) > 5 else "")
            lines.append(f"{number_of(len(others), 'more folder')} laid out like {named(shown)}/: {some}")
        if self.links:
            lines.append(f"{number_of(self.links, 'link')}, not followed")
        if self.has_more:
            lines.append(f"(only the first {MOST_FILES:,} files were looked at)")
        return cut("\n".join(lines) or "(no files)", characters)


def layout_of(folder: Path) -> Layout:
    """What lies below ``folder``. Raises UnreadableFile if it cannot be listed at all."""
    walk = _Walk(folder)
    files = sorted(walk.files(), key=lambda file: natural(file.path))
    kept, alike = _without_alike(files)
    return Layout(folder, tuple(kept), walk.has_more, walk.links, alike)


def folder_of(path: Path) -> Path:
    """The folder in which to look: the path itself, or that of a file which is a run."""
    return path if path.is_dir() else path.parent


def kinds_of(files: Sequence[File]) -> tuple[FileKind, ...]:
    """The files by how they are called, kinds in natural order of their first file."""
    kinds: dict[str, list[File]] = {}
    for file in files:
        kinds.setdefault(pattern_of(file.path), []).append(file)
    by_ending: dict[str, list[str]] = {}
    for pattern, members in kinds.items():
        if len(members) == 1:
            by_ending.setdefault(_named_freely(pattern), []).append(pattern)
    folded = {pattern: ending for ending, names in by_ending.items() if len(names) > 3 for pattern in names}
    merged: dict[str, list[File]] = {}
    for pattern, members in kinds.items():
        merged.setdefault(folded.get(pattern, pattern), []).extend(members)
    return tuple(FileKind(pattern, tuple(members)) for pattern, members in merged.items())


def fingerprint(folder: Path) -> str:
    """16 hex digits that tell a layout: how files are called, and which keys stand at the top of JSON ones.

    Two runs of one tool have the same unless one of them has kinds of files that the other has not."""
    layout = layout_of(folder)
    artifacts = Artifacts(folder, ceiling=folder)
    told = [f"{kind.pattern} {' '.join(top_keys(artifacts, kind.files[0].path))}" for kind in layout.kinds[:MOST_KINDS]]
    return hashlib.sha256("\n".join(sorted(told)).encode()).hexdigest()[:16]


def look_alikes(folder: Path, *, most: int = 3) -> list[Path]:
    """Folders beside this one that are laid out like it, at most so many, in natural order."""
    here = set(layout_of(folder).patterns)
    found: list[Path] = []
    try:
        names = sorted((entry.name for entry in os.scandir(folder.resolve().parent)), key=natural)
    except OSError:  # nothing beside it can be looked at
        return found
    for name in names[:200]:
        beside = folder.resolve().parent / name
        if len(found) == most:
            break
        if beside == folder.resolve() or beside.is_symlink() or not beside.is_dir() or name in NOT_OF_A_RUN:
            continue
        try:
            if _are_alike(here, set(layout_of(beside).patterns)):
                found.append(beside)
        except UnreadableFile:
            continue
    return found


def look(folder: Path, path: str, from_line: int = 1, lines: int = 80, *, characters: int = 6_000) -> str:
    """Lines of one file in the folder, numbered from 1, for somebody who asked to see them; long ones are cut.

    Raises UnreadableFile for what is not there, lies outside, is a link or is no text."""
    if not _is_file_inside(folder, path):
        raise UnreadableFile("there is no such file in the folder", path=named(path), remedy="Take a path as listed.")
    artifacts = Artifacts(folder, ceiling=folder)
    if kind_of(artifacts, path) == "binary":
        raise UnreadableFile("no text", path=named(path), remedy="Look at another file.")
    text = artifacts.read_text(path, errors="replace").split("\n")
    first = max(1, from_line)
    shown = text[first - 1 : first - 1 + min(max(1, lines), 400)]
    if not shown:
        return f"{named(path)} has only {number_of(len(text), 'line')}"
    last = first + len(shown) - 1
    return cut(f"{named(path)}, lines {first}–{last} of {len(text)}:\n{numbered(shown, first)}", characters)


def _is_file_inside(folder: Path, path: str) -> bool:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or "\0" in path:
        return False
    place = folder.joinpath(*relative.parts)
    try:
        return place.is_file() and place.resolve().is_relative_to(folder.resolve())
    except OSError:  # a name that is too long, a link that leads to itself
        return False


def numbered(lines: Sequence[str], first: int, *, longest: int = 1_000) -> str:
    """Lines with their numbers, each cut to ``longest`` characters."""
    return "\n".join(f"{number}| {cut(line, longest)}" for number, line in enumerate(lines, first))


def cut(text: str, characters: int) -> str:
    """``text``, or its beginning and how much is left out; what steers a terminal or hides is written as its code."""
    more = len(text) - characters
    text = _CONTROLS.sub(lambda found: repr(found.group())[1:-1], text[:characters])
    return f"{text} … (+{more:,} characters)" if more > 0 else text


def named(path: str) -> str:
    """A path of a run as it is shown: on one line, without anything that steers, not too long."""
    return cut(path.replace("\n", "\\n").replace("\t", "\\t"), LONGEST_NAME)


def pattern_of(path: str) -> str:
    """A path with everything that counts or identifies replaced: "turn-{n}/request.json"."""
    return _VARIES.sub(lambda found: "{n}" if found["number"] else "{id}", path)


def _named_freely(pattern: str) -> str:
    """A pattern with the name of the file left open, but for its endings: "logs/{name}.tern.log"."""
    folder, slash, name = pattern.rpartition("/")
    endings = re.search(r"(?:\.[A-Za-z]\w{0,9}){1,3}$", name)
    return f"{folder}{slash}{{name}}{endings.group() if endings else ''}"


def _are_alike(one: set[str], other: set[str]) -> bool:
    return bool(one) and len(one & other) >= 0.6 * len(one | other)


def _without_alike(files: Sequence[File]) -> tuple[list[File], tuple[tuple[str, str], ...]]:
    """Files without those of folders that look like an earlier one, unless their names say that they belong together
    ("turn-1", "turn-2"): those are folded by their names anyway."""
    inside: dict[str, set[str]] = {}
    for file in files:
        top, _, rest = file.path.partition("/")
        if rest and "{" not in pattern_of(top):
            inside.setdefault(top, set()).add(pattern_of(rest))
    alike: dict[str, str] = {}
    kept: list[str] = []
    for name, patterns in inside.items():
        like = next((known for known in kept if _are_alike(inside[known], patterns)), None)
        if like is None:
            kept.append(name)
        else:
            alike[name] = like
    return [file for file in files if file.path.partition("/")[0] not in alike], tuple(alike.items())


@dataclass
class _Walk:
    folder: Path
    links: int = 0
    has_more: bool = False
    seen: int = 0

    def files(self) -> Iterator[File]:
        try:
            yield from self._below("", 0)
        except OSError as error:
            raise UnreadableFile(
                error.strerror or str(error), path=self.folder, remedy="Check that it is a folder that you may read."
            ) from error

    def _below(self, prefix: str, depth: int) -> Iterator[File]:
        with os.scandir(self.folder / prefix) as scanned:
            entries = sorted(scanned, key=lambda entry: natural(entry.name))
        for entry in entries:
            if self.seen >= MOST_FILES:
                self.has_more = True
                return
            if entry.is_symlink():
                self.links += 1
            elif entry.is_file():
                self.seen += 1
                yield File(f"{prefix}{entry.name}", entry.stat().st_size)
            elif entry.is_dir() and entry.name not in NOT_OF_A_RUN and depth < DEEPEST:
                try:
                    yield from self._below(f"{prefix}{entry.name}/", depth + 1)
                except OSError:  # one folder that may not be read hides only itself
                    continue
