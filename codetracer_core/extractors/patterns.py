"""Regular expressions and globs of specs: linear in time, and never out of the folder."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import re2

from codetracer_core.extractors.limits import LONGEST_EXPRESSION, Budget

Span = tuple[int, int]
LARGEST_PROGRAM = 2_000
HEAVIEST_SEARCH = 3_000_000_000
"""Characters of a text times size of the compiled pattern: about what a search may cost. Nearly all take a nanosecond
for a character; the worst, which keep RE2 from its fast way, twenty for each of these: a minute."""
DEEPEST_WALK = 8
"""How many levels ``**`` goes down."""
_MEMORY = 1 << 21


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The pattern as google-re2 reads it: ``^`` and ``$`` match at lines, ``.`` also matches a newline after
    ``(?s)``. Raises ValueError in words for what is no pattern, or one that is too large."""
    if len(pattern) > LONGEST_EXPRESSION:
        raise ValueError(f"a pattern has at most {LONGEST_EXPRESSION:,} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        found = re2.compile("(?m)" + pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(_why(pattern, error)) from error
    if found.programsize > LARGEST_PROGRAM:
        raise ValueError(
            f"the pattern is too large ({found.programsize:,} instructions). Repeat less ({{n}}, {{n,m}})."
        )
    return found


def _why(pattern: str, error: Exception) -> str:
    words = error.args[0] if error.args else error
    reason = (words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))[:200]
    if re.search(r"\(\?<?[=!]", pattern):
        return (
            "patterns have no look-ahead or look-behind, (?= (?! (?<= (?<!: they can take for ever. Match what "
            "surrounds the text too, and take the part that is meant with a (?P<name>group)"
        )
    if re.search(r"\\[1-9]|\(\?P=", pattern):
        return "patterns cannot refer back to a group (\\1): that can take for ever. Write what stands there"
    if "size" in reason or "too large" in reason:
        return f"the pattern is too large ({reason}). Repeat less ({{n}}, {{n,m}})"
    return f"no regular expression that RE2 understands ({reason})"


def names_of(pattern: str) -> dict[str, int]:
    """The named groups of a pattern in their order, and their numbers (re2 finds groups by number only)."""
    index: dict[str, int] = compiled(pattern).groupindex
    return dict(sorted(index.items(), key=lambda item: item[1]))


def spans_of(match: Any, names: dict[str, int]) -> dict[str, Span]:
    """Where the named groups stand that took part in a match."""
    return {name: match.span(number) for name, number in names.items() if match.start(number) >= 0}


def found_in(pattern: str, text: str, budget: Budget) -> Iterator[Any]:
    """Each match, from left to right. Raises SpecError if the search would cost too much."""
    expression = compiled(pattern)
    cost = len(text) * expression.programsize
    if cost > HEAVIEST_SEARCH:
        budget.spend(budget.limits.operations)
    budget.spend(1 + len(text) // 100 + cost // 10_000)
    for match in expression.finditer(text):
        budget.spend()
        budget.check_time()
        yield match


def glob_problem(pattern: str) -> str:
    """Why this is no glob below a folder, in words; "" if it is one."""
    parts = pattern.split("/")
    if not pattern or len(pattern) > 500:
        return "a glob has 1 to 500 characters"
    if pattern.startswith(("/", "~")) or "\\" in pattern or ":" in parts[0] or "\0" in pattern:
        return "a glob is relative to the folder of the run, with /"
    if ".." in parts or "." in parts or "" in parts:
        return "a glob does not leave the folder of the run: no '..', '.' or empty part"
    if parts.count("**") > 1 or parts[-1] == "**" or any("**" in part and part != "**" for part in parts):
        return "** stands alone between two /, once, and not at the end"
    if re.search(r"[{}]", re.sub(r"\{[^{}/]*\}", "", pattern)):
        return "the braces {a,b} do not close, are nested or hold a /"
    try:
        for part in parts:
            _part(part)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(maxsize=512)
def _part(part: str) -> Any:
    """One part of a glob: * ? [abc] [!abc] {a,b}."""
    out, inside, position = [], False, 0
    while position < len(part):
        letter = part[position]
        closing = part.find("]", position + 2) if letter == "[" else -1
        if letter == "*":
            out.append("[^/]*")
        elif letter == "?":
            out.append("[^/]")
        elif closing > 0:
            negated = part[position + 1] == "!"
            letters = (
                part[position + 1 + negated : closing].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            )
            out.append(f"[{'^' if negated else ''}{letters}]")
            position = closing
        elif letter in "{}":
            inside = letter == "{"
            out.append("(?:" if inside else ")")
        elif letter == "," and inside:
            out.append("|")
        else:
            out.append(re2.escape(letter))
        position += 1
    return compiled(r"\A(?:" + "".join(out) + r")\z")


def _matches(part: str, name: str) -> bool:
    try:
        return part == name or _part(part).match(name) is not None
    except UnicodeEncodeError:  # a name that is no UTF-8 cannot be named
        return False


def _is_plain(part: str) -> bool:
    return not any(letter in part for letter in "*?[{")


def natural(path: str) -> tuple[Any, ...]:
    """Sort key under which step_2 comes before step_10, folder by folder."""
    return tuple(
        tuple((0, int(piece), piece) if piece.isdecimal() and len(piece) < 19 else (1, 0, piece) for piece in pieces)
        for pieces in (re.split(r"(\d+)", part) for part in path.split("/"))
    )


def below(root: Path, patterns: Iterable[str], budget: Budget, *, folders: bool = False) -> list[str]:
    """Relative paths of the files (or folders) below ``root`` that match one of the globs, each once, in natural
    order. Links that lead out of ``root`` are not there."""
    ceiling = root.resolve()
    found = {path for pattern in patterns for path in _walk(root, ceiling, (), pattern.split("/"), budget, folders)}
    return sorted(found, key=natural)


def _walk(
    root: Path, ceiling: Path, at: tuple[str, ...], parts: list[str], budget: Budget, folders: bool
) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _walk(root, ceiling, at, rest, budget, folders)
        if len(at) < DEEPEST_WALK:
            for name, is_folder in _entries(root, ceiling, at, budget):
                if is_folder and not root.joinpath(*at, name).is_symlink():  # it may lead to a folder above
                    yield from _walk(root, ceiling, (*at, name), parts, budget, folders)
        return
    if rest and _is_plain(part):
        budget.spend()
        if _is_folder(root.joinpath(*at, part)) and _is_inside(root.joinpath(*at, part), ceiling):
            yield from _walk(root, ceiling, (*at, part), rest, budget, folders)
        return
    for name, is_folder in _entries(root, ceiling, at, budget):
        if not _matches(part, name):
            continue
        if rest and is_folder:
            yield from _walk(root, ceiling, (*at, name), rest, budget, folders)
        elif not rest and is_folder == folders:
            yield "/".join((*at, name))


def _entries(root: Path, ceiling: Path, at: tuple[str, ...], budget: Budget) -> list[tuple[str, bool]]:
    """Names in a folder, and whether each is a folder; pipes, sockets and devices are not there."""
    kept = []
    try:
        with os.scandir(root.joinpath(*at)) as entries:
            for entry in entries:
                budget.spend(2)
                try:
                    is_folder, is_file = entry.is_dir(), entry.is_file()
                    if entry.is_symlink() and not _is_inside(Path(entry.path), ceiling):
                        continue
                except OSError:  # a link that leads to itself
                    continue
                if is_folder or is_file:
                    kept.append((entry.name, is_folder))
    except OSError:
        return []
    return kept


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for one
        return False


def _is_inside(path: Path, ceiling: Path) -> bool:
    try:
        return path.resolve().is_relative_to(ceiling)
    except OSError:
        return False
