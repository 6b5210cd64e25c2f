"""Journals of diagnoses that are not finished, so that nothing is paid for twice; and what they taught, until it is
kept.

One folder per question that is being asked, named by its key. It holds the diagnosis's id, the insights with which it
began, and what the model replied, sample by sample. Whoever asks the same question again after a kill, a cancel or a
broken connection takes the folder up; two who ask at the same time have a folder each.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from codetracer_core.diagnosis_models import Insight
from codetracer_core.durable import hold, sync_folder, write_durably
from codetracer_core.llm import Model, recorded
from codetracer_core.models import Frozen

KEPT_FOR = 30 * 86_400.0
"""Seconds after which a journal that nobody took up is deleted."""

_LOCK, _REQUEST, _TAUGHT = "lock", "request.json", ".insights.json"
_INSIGHTS = TypeAdapter(tuple[Insight, ...])


class Request(Frozen):
    """Under which id, and with which memory, a diagnosis began."""

    diagnosis_id: str
    insights: tuple[Insight, ...]


@dataclass(frozen=True)
class Journal:
    """The journal of one diagnosis. Only its holder writes to it."""

    folder: Path
    request: Request

    def wrap(self, model: Model, sample: int) -> Model:
        """The model with a journal of this sample."""
        return recorded(model, self.folder / f"sample-{sample}.jsonl")

    def delete(self) -> None:
        """Forget the replies: what they were asked for is stored."""
        _empty(self.folder)

    def keep_for_another(self) -> None:
        """Keep the replies for a diagnosis with an id of its own: this one is stored as far as it came."""
        _write(self.folder, self.request.model_copy(update={"diagnosis_id": uuid4().hex}))


@contextmanager
def journal(root: Path, key: str, insights: Sequence[Insight], is_stored: Callable[[str], bool]) -> Iterator[Journal]:
    """Hold the journal for a question: the one of an earlier try if there is one, else a new one.

    ``insights`` is the memory with which a new one begins. ``is_stored`` tells whether there is a diagnosis with this
    id: a journal whose diagnosis was stored before its holder died is of no more use.
    """
    root.mkdir(parents=True, exist_ok=True)
    _delete_old(root)
    folder, lock = next(_free(root, key))
    try:
        request = _read(folder)
        if request is None or is_stored(request.diagnosis_id):
            _empty(folder)
            request = Request(diagnosis_id=uuid4().hex, insights=tuple(insights))
            _write(folder, request)
        yield Journal(folder, request)
    finally:
        _let_go(folder, lock, delete=not (folder / _REQUEST).exists())


def _free(root: Path, key: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Folders for this question that nobody holds: first those that were left behind."""
    left_behind = sorted(path.parent for path in root.glob(f"{key}*/{_REQUEST}"))
    new = (root / (key if number == 1 else f"{key}-{number}") for number in count(1))
    for folder in chain(left_behind, new):
        if lock := _lock(folder):
            yield folder, lock


def _let_go(folder: Path, lock: BinaryIO, *, delete: bool) -> None:
    """Give the folder free, or delete it: while it is still held, for the next holder may come at once."""
    if delete:
        _empty(folder)
    if delete and sys.platform != "win32":  # Windows deletes no file that is open
        shutil.rmtree(folder, ignore_errors=True)
    lock.close()
    if delete and sys.platform == "win32":
        shutil.rmtree(folder, ignore_errors=True)


def put_taught(root: Path, diagnosis_id: str, insights: Sequence[Insight]) -> None:
    """Write down what a diagnosis taught, until ``taught`` is asked for it."""
    if insights:
        root.mkdir(parents=True, exist_ok=True)
        written = _INSIGHTS.dump_json(tuple(insights))
        write_durably(root / f"{diagnosis_id}{_TAUGHT}", lambda file: file.write(written))
        sync_folder(root)


@contextmanager
def taught(root: Path) -> Iterator[tuple[Insight, ...]]:
    """All that was taught and not kept yet, by run; it is forgotten when the block ends without an error."""
    paths = sorted(root.glob(f"*{_TAUGHT}"))
    found: list[Insight] = []
    for path in paths:
        with suppress(FileNotFoundError, ValidationError):  # another was faster, or a file of another version
            found += _INSIGHTS.validate_json(path.read_bytes())
    yield tuple(sorted(found, key=lambda one: (one.run_id, one.created_at, one.text)))
    for path in paths:
        path.unlink(missing_ok=True)


def _read(folder: Path) -> Request | None:
    try:
        return Request.model_validate_json((folder / _REQUEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write(folder: Path, request: Request) -> None:
    written = json.dumps(request.model_dump(mode="json")).encode()
    write_durably(folder / _REQUEST, lambda file: file.write(written))
    sync_folder(folder)


def _empty(folder: Path) -> None:
    (folder / _REQUEST).unlink(missing_ok=True)  # first: without it the rest counts for nothing
    for path in folder.iterdir():
        if path.name != _LOCK:
            path.unlink(missing_ok=True)


def _delete_old(root: Path) -> None:
    for folder in root.iterdir():
        try:
            is_old = folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_FOR
        except FileNotFoundError:  # another has just finished with it
            continue
        if is_old and (lock := _lock(folder)):
            _let_go(folder, lock, delete=True)


def _lock(folder: Path) -> BinaryIO | None:
    """Hold the folder until the file is closed, or this process ends; None: somebody else has it."""
    path = folder / _LOCK
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
        try:
            file = path.open("ab")
        except FileNotFoundError:  # its last holder has just deleted the folder
            continue
        try:
            hold(file)
        except OSError:
            file.close()
            return None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()
