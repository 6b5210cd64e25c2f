"""Manifests and predictions that people load to evaluate, kept in the workspace under names: plain files, no database.

``evaluations/manifest/<name>/`` and ``evaluations/predictions/<name>/`` hold copies called ``1.jsonl``, ``2.jsonl`` …
(a folder of ``codetracer_labels.json`` is a folder ``1``) and ``kept.json``, which says what they were called and who
loaded them. What is kept is never changed: another content needs another name, or the old one removed.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

from codetracer_core.durable import PART, sync_folder, write_durably
from codetracer_core.errors import CodeTracerError
from codetracer_core.stage_labels import LABELS_FILE
from codetracer_core.store import Workspace

FileKind = Literal["manifest", "predictions"]
SUFFIXES: dict[FileKind, tuple[str, ...]] = {"manifest": (".jsonl", ".parquet"), "predictions": (".jsonl",)}
MOST_BYTES = 512 << 20
"""Of all files of one name together."""
MOST_FILES = 50_000
"""In a folder of predictions."""
MOST_REPETITIONS = 50
MOST_KEPT = 200
"""Names of one kind."""
_FACTS = "kept.json"
_BATCH = "batch.jsonl"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Kept:
    """What was loaded under one name."""

    kind: FileKind
    name: str
    paths: tuple[Path, ...]
    """One manifest; of predictions a file or folder per repetition, in the order in which they were given."""
    titles: tuple[str, ...]
    """What each path was called where it came from: text of others, never a path."""
    kept_by: str
    kept_at: datetime
    """UTC."""
    bytes: int
    digest: str
    """sha256 (hex) of names and contents: equal means equal numbers."""


def check_name(name: str) -> str:
    """The name, if it can be one: raises CodeTracerError otherwise."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,79}", name) or name.endswith((" ", ".")):
        raise CodeTracerError(
            f"{name[:100]!r} cannot be the name of what is kept",
            remedy="Take letters, digits, blanks, '.', '_', '+' and '-', at most 80, a letter or digit first.",
        )
    return name


def keep_files(
    workspace: Workspace, kind: FileKind, name: str, paths: Sequence[Path], *, titles: Sequence[str], by: str
) -> Kept:
    """Copy files into the workspace under a name: one manifest, or predictions with a path for each repetition.

    Of a folder with predictions only ``<traj_id>/codetracer_labels.json`` and ``batch.jsonl`` are taken. Raises
    CodeTracerError if the name is no name or taken, a file of another kind, too large or not there.
    """
    home = _home(workspace, kind)
    place = home / check_name(name)
    if place.exists():
        raise CodeTracerError(f"{name!r} is kept already", remedy="Choose another name, or remove that one first.")
    if len(kept_files(workspace, kind)) >= MOST_KEPT:
        raise CodeTracerError(f"{MOST_KEPT} are kept already", remedy="Remove one that is not needed.")
    most = 1 if kind == "manifest" else MOST_REPETITIONS
    if not 1 <= len(paths) <= most:
        raise CodeTracerError(f"{len(paths)} files for {name!r}, not 1 to {most}")
    part = home / f"{uuid4().hex}{PART}"
    try:
        part.mkdir(parents=True)
        size, digest = _copy_all(kind, paths, part)
        facts = {
            "titles": [_plain(title) for title in titles],
            "kept_by": by,
            "kept_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "bytes": size,
            "digest": digest,
        }
        write_durably(part / _FACTS, lambda file: file.write(json.dumps(facts).encode()))
        part.rename(place)
        sync_folder(home)
    except OSError as error:
        raise CodeTracerError(f"{name!r} cannot be kept ({error.strerror or error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return kept_file(workspace, kind, name)


def kept_files(workspace: Workspace, kind: FileKind) -> list[Kept]:
    """All that is kept of a kind, by name; what is no longer whole is left out."""
    home = _home(workspace, kind)
    names = sorted(path.name for path in home.iterdir() if path.suffix != PART) if home.is_dir() else []
    return [found for name in names if (found := _read(workspace, kind, name)) is not None]


def kept_file(workspace: Workspace, kind: FileKind, name: str) -> Kept:
    """What is kept under this name. Raises CodeTracerError if nothing is."""
    found = _read(workspace, kind, check_name(name))
    if found is None:
        raise CodeTracerError(f"nothing is kept under the name {name!r}", remedy="Somebody may have removed it.")
    return found


def remove_files(workspace: Workspace, kind: FileKind, name: str) -> None:
    """Delete the copies. Raises CodeTracerError if there are none, or they cannot be deleted."""
    home = _home(workspace, kind)
    place, part = home / check_name(name), home / f"{uuid4().hex}{PART}"
    try:
        place.rename(part)  # first out of sight, so that nobody reads half of it
        shutil.rmtree(part)
    except OSError as error:
        raise CodeTracerError(f"{name!r} cannot be removed ({error.strerror or error})") from error


def _home(workspace: Workspace, kind: FileKind) -> Path:
    assert kind in get_args(FileKind)
    return workspace.evaluations / kind


def _read(workspace: Workspace, kind: FileKind, name: str) -> Kept | None:
    place = _home(workspace, kind) / name
    try:
        facts = json.loads((place / _FACTS).read_text(encoding="utf-8"))
        titles = tuple(map(str, facts["titles"]))
        paths = {path.stem: path for path in place.iterdir() if path.name != _FACTS}
        return Kept(
            kind,
            name,
            tuple(paths[str(number)] for number in range(1, len(titles) + 1)),
            titles,
            str(facts["kept_by"]),
            datetime.fromisoformat(facts["kept_at"]),
            int(facts["bytes"]),
            str(facts["digest"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # somebody deleted parts of it by hand: nothing that could be evaluated


def _copy_all(kind: FileKind, paths: Sequence[Path], target: Path) -> tuple[int, str]:
    """Copy the files; returns their bytes, and a digest over names and contents."""
    hashed, size = hashlib.sha256(kind.encode()), 0
    for number, path in enumerate(paths, start=1):
        for source, name in _wanted(kind, path, number):
            hashed.update(name.encode() + b"\0")
            size = _copy(source, target / name, hashed, size)
            hashed.update(b"\0")
    return size, hashed.hexdigest()


def _wanted(kind: FileKind, path: Path, number: int) -> Iterator[tuple[Path, str]]:
    """(file, its name below the target) for all that is copied of a path."""
    if path.is_dir() and kind == "predictions":
        found = sorted(path.glob(f"*/{LABELS_FILE}"))
        state = path / _BATCH
        if not found and not state.is_file():
            raise CodeTracerError(f"no <traj_id>/{LABELS_FILE} lies in this folder", path=path)
        if len(found) > MOST_FILES:
            raise CodeTracerError(f"more than {MOST_FILES:,} files", path=path)
        for file in [*found, *([state] if state.is_file() else [])]:
            yield file, f"{number}/{file.relative_to(path).as_posix()}"
        return
    suffixes = SUFFIXES[kind]
    if path.suffix not in suffixes or not path.is_file():
        words = f"no {' or '.join(suffixes)} file" + (" nor a folder" if kind == "predictions" else "")
        raise CodeTracerError(words if path.exists() else "there is nothing here", path=path)
    yield path, f"{number}{path.suffix}"


def _copy(source: Path, target: Path, hashed: "hashlib._Hash", size: int) -> int:
    """Copy one file; returns ``size`` with its bytes added."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, target.open("xb") as copy:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                raise CodeTracerError(f"more than {MOST_BYTES >> 20:,} MB together", path=source)
            hashed.update(piece)
            copy.write(piece)
    return size


def _plain(title: str) -> str:
    return "".join(character for character in title if character.isprintable())[-200:]
