"""Lists of steps to be read one after the other, kept in the workspace: a link to a step of one outlives the server.

``lists/<name>.json.gz`` for each list. Its name is a hash of what it holds: a list is written once and never changed.
"""

import gzip
import hashlib
import json
import os
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from codetracer_core.durable import PART, write_durably
from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Workspace

MOST_BYTES = 64 << 20
MOST_LISTS = 2_000
"""Of all lists together; those that nobody used for longest make room."""
_ENDING = ".json.gz"

Entry = tuple[str, int | None]
"""Run and 1-based step; None: the run as a whole."""


class StepList(NamedTuple):
    """Steps that somebody wants to read one after the other."""

    title: str
    steps: tuple[Entry, ...]
    back: str
    """Address of the page that made it, relative."""
    names_people: bool = False
    """Made for somebody who may know who labelled what: title and address may tell it."""


def name_of(made: StepList) -> str:
    """16 hexadecimal digits; the same for the same list."""
    return _hash(_written(made))


def write_list(workspace: Workspace, made: StepList) -> None:
    """Keep a list under its name, and let go of what was used longest ago. Raises CodeTracerError if it cannot be."""
    content = _written(made)
    path = _path(workspace, _hash(content))
    try:
        if path.exists():
            os.utime(path)
            return
        workspace.lists.mkdir(parents=True, exist_ok=True)
        write_durably(path, lambda file: file.write(gzip.compress(content, 3, mtime=0)))
        _make_room(workspace.lists, path)
    except OSError as error:
        raise CodeTracerError(f"this list cannot be kept ({error.strerror or error})", path=workspace.lists) from error


def read_list(workspace: Workspace, name: str) -> StepList | None:
    """The list of this name, which anybody may have made up; None: it is not kept, or no longer whole."""
    if not re.fullmatch(r"[0-9a-f]{16}", name):
        return None
    try:
        content = gzip.decompress(_path(workspace, name).read_bytes())
        if _hash(content) != name:
            return None
        title, steps, back, names_people = json.loads(content)
        return StepList(title, tuple((run_id, step) for run_id, step in steps), back, names_people)
    except (OSError, EOFError, zlib.error, ValueError):
        return None


def _written(made: StepList) -> bytes:
    return json.dumps(made).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.lists / f"{name}{_ENDING}"


def _make_room(folder: Path, newest: Path) -> None:
    """What somebody else took away meanwhile takes no room."""
    found = []
    for path in folder.iterdir():
        if path.suffix == PART or path == newest:
            continue
        try:
            told = path.stat()
        except FileNotFoundError:
            continue
        found.append((told.st_mtime_ns, told.st_size, path))
    room, places = MOST_BYTES - newest.stat().st_size, MOST_LISTS - 1
    for _, size, path in sorted(found, reverse=True):
        room, places = room - size, places - 1
        if room < 0 or places < 0:
            path.unlink(missing_ok=True)
