"""What a session leaves for the next one: a small file per run and person in the workspace."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from codetracer_core.diagnosis.asking import Exchange
from codetracer_core.durable import write_durably
from codetracer_core.errors import UnreadableFile
from codetracer_core.models import Frozen

Walk = Literal["all", "changes", "failed", "labelled", "unlabelled", "found", "hits"]
"""Which steps "next" and "previous" stop at: *found* are those that the latest diagnosis labels, *hits* those that hold
the text that was searched."""
MOST_EXCHANGES = 50


class Kept(Frozen):
    """Where a session was left."""

    run_id: str
    annotator: str
    step_id: int = Field(ge=1)
    walk: Walk = "all"
    searched: str = ""
    conversation: tuple[Exchange, ...] = ()
    saved_at: datetime


def kept_file(folder: Path, run_id: str, annotator: str) -> Path:
    name = hashlib.sha256(f"{run_id}\0{annotator}".encode()).hexdigest()[:32]
    return folder / f"{name}.json"


def load(folder: Path, run_id: str, annotator: str) -> Kept | None:
    """None: there was no session. Raises UnreadableFile if what it left cannot be read."""
    path = kept_file(folder, run_id, annotator)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableFile(error.strerror or str(error), path=path) from error
    try:
        return Kept.model_validate_json(text)
    except ValidationError as error:
        raise UnreadableFile("what the last session left is damaged", path=path, remedy="It begins anew.") from error


def save(folder: Path, kept: Kept) -> None:
    """Raises CodeTracerError if it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    text = kept.model_dump_json().encode()
    write_durably(kept_file(folder, kept.run_id, kept.annotator), lambda file: file.write(text))
