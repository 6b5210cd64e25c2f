"""Predictions from files: what a system said of runs, in one file or folder for each repetition.

Two shapes: JSON lines, one answer each, and a folder of ``<traj_id>/codetracer_labels.json`` as ``codetracer-batch``
writes it, whose ``batch.jsonl`` tells which runs failed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from codetracer_core.benchmark import records, validation_in_words
from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation import Prediction, Status
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.stage_labels import LABELS_FILE

BATCH_FILE = "batch.jsonl"
"""In a folder of predictions: what became of each run (``diagnosing.state`` writes it)."""

MOST_REPETITIONS = 50
"""In one file: comparing each with each takes the square of it."""
_STATUS: dict[str, Status] = {
    **dict.fromkeys(("ok", "complete", "partial"), get_args(Status)[0]),
    **dict.fromkeys(("failed", "cancelled", "not started", "error", "timeout"), get_args(Status)[1]),
}


@dataclass(frozen=True)
class PredictionFile:
    """The good answers of one file or folder, and an error for each bad one (the rest is unharmed)."""

    path: Path
    repetitions: tuple[Mapping[str, Prediction], ...]
    """Answers by the file's name for the run. Nearly always one; a file may hold several, by its own ``repetition``."""
    problems: tuple[CodeTracerError, ...] = ()


class _Labels(BaseModel):
    """The labels of one stage. Systems that know no stages give ``stage_id`` null, or a word."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage_id: Any = None
    incorrect_step_ids: tuple[int, ...] = ()
    unuseful_step_ids: tuple[int, ...] = ()

    @field_validator("incorrect_step_ids", "unuseful_step_ids", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return () if value is None else value


class _Line(BaseModel):
    """One answer. ``onsets`` is a ranked list of steps, where a system gives one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    traj_id: str = Field(min_length=1)
    repetition: int = 0
    status: str = "ok"
    error: str | None = None
    labels: tuple[_Labels, ...] = ()
    onsets: tuple[int, ...] = ()

    @field_validator("labels", "onsets", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("status")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _STATUS:
            raise ValueError(f"one of {', '.join(_STATUS)} is expected")
        return value


def read_predictions(path: Path) -> PredictionFile:
    """Read a ``.jsonl`` file, or a folder with ``<traj_id>/codetracer_labels.json``.

    An answer that cannot be understood, or the second one on a run, becomes a problem with its file and line. Raises
    CodeTracerError if the path holds neither shape, or no answer that can be read.
    """
    if path.is_dir():
        read = _folder(path)
    elif path.suffix == ".jsonl":
        read = _lines(path)
    else:
        remedy = f"Give a .jsonl file, or a folder of <traj_id>/{LABELS_FILE}."
        raise CodeTracerError("no predictions" if path.exists() else "there is nothing here", path=path, remedy=remedy)
    if not any(read.repetitions):
        first = f" ({read.problems[0].place}: {read.problems[0].reason})" if read.problems else ""
        raise CodeTracerError(
            f"no answer that can be read{first}", path=path, remedy="Each line is an object with traj_id and labels."
        )
    return read


def _lines(path: Path) -> PredictionFile:
    found: dict[int, dict[str, Prediction]] = {}
    problems: list[CodeTracerError] = []
    for place, record in records(path):
        if isinstance(record, str):
            problems.append(CodeTracerError(record, path=path, place=place))
            continue
        try:
            line = _Line.model_validate(record)
        except ValidationError as error:
            problems.append(CodeTracerError(validation_in_words(error), path=path, place=place))
            continue
        if line.repetition not in found and len(found) >= MOST_REPETITIONS:
            reason = f"repetition {line.repetition}, and {MOST_REPETITIONS} others came before it"
            problems.append(CodeTracerError(reason, path=path, place=place, remedy="The first ones count."))
            continue
        said = found.setdefault(line.repetition, {})
        if line.traj_id in said:
            reason = f"a second answer on {line.traj_id} in repetition {line.repetition}"
            problems.append(CodeTracerError(reason, path=path, place=place, remedy="The first one counts."))
            continue
        said[line.traj_id] = _prediction(
            line.traj_id, line.repetition, line.status, line.error, line.labels, line.onsets
        )
    return PredictionFile(path, tuple(found[number] for number in sorted(found)), tuple(problems))


def _prediction(
    traj_id: str,
    repetition: int,
    status: str,
    error: str | None,
    labels: tuple[_Labels, ...],
    onsets: tuple[int, ...] = (),
) -> Prediction:
    return Prediction(
        traj_id=traj_id,
        repetition=repetition,
        status=_STATUS[status],
        error=error or "",
        incorrect=tuple(step for one in labels for step in one.incorrect_step_ids),
        unuseful=tuple(step for one in labels for step in one.unuseful_step_ids),
        onsets=onsets,
        stage_ids=tuple(one.stage_id for one in labels if type(one.stage_id) is int and one.incorrect_step_ids),
    )


def _folder(path: Path) -> PredictionFile:
    problems: list[CodeTracerError] = []
    said: dict[str, Prediction] = {}
    files = {file.parent.name: file for file in sorted(path.glob(f"*/{LABELS_FILE}"))}
    names: dict[str, str] = {}
    for row in _batch_rows(path, problems):
        if _STATUS[row.status] == "failed":
            said[row.name] = _prediction(row.name, 0, row.status, row.reason or row.status, ())
        elif row.folder:
            names[row.folder] = row.name
            if row.folder not in files:
                reason = f"no {LABELS_FILE} for {row.name}, which was diagnosed"
                problems.append(CodeTracerError(reason, path=path, remedy="The run counts as not answered."))
    for folder, file in files.items():
        name = names.get(folder, folder)
        labels = _labels_in(file, problems) if name not in said else None
        if labels is not None:
            said[name] = _prediction(name, 0, "ok", None, labels)
    return PredictionFile(path, (said,), tuple(problems))


class _BatchRow(BaseModel):
    """What is needed of a row of ``batch.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str = Field(min_length=1)
    traj_id: str | None = None
    folder: str | None = None
    status: str
    reason: str = ""

    @field_validator("status")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _STATUS:
            raise ValueError(f"one of {', '.join(_STATUS)} is expected")
        return value

    @property
    def name(self) -> str:
        return self.traj_id or self.run_id


def _batch_rows(folder: Path, problems: list[CodeTracerError]) -> Iterator[_BatchRow]:
    """The last row of each run."""
    path = folder / BATCH_FILE
    rows: dict[str, _BatchRow] = {}
    for place, record in records(path) if path.is_file() else ():
        if isinstance(record, str):
            problems.append(CodeTracerError(record, path=path, place=place))
            continue
        try:
            row = _BatchRow.model_validate(record)
        except ValidationError as error:
            problems.append(CodeTracerError(validation_in_words(error), path=path, place=place))
            continue
        rows[row.run_id] = row
    yield from rows.values()


def _labels_in(path: Path, problems: list[CodeTracerError]) -> tuple[_Labels, ...] | None:
    """The stages of one file; None: it cannot be read. A bad item is a problem, the others count."""
    try:
        items = json.loads(Artifacts(path.parent).read_bytes(path.name))
    except CodeTracerError as error:
        problems.append(error)
        return None
    except (ValueError, RecursionError) as error:
        problems.append(CodeTracerError(f"no valid JSON ({error})", path=path))
        return None
    if not isinstance(items, list):
        problems.append(CodeTracerError("no list of stages with labels", path=path))
        return None
    labels = []
    for number, item in enumerate(items, start=1):
        try:
            labels.append(_Labels.model_validate(item))
        except ValidationError as error:
            problems.append(CodeTracerError(validation_in_words(error), path=path, place=f"item {number}"))
    return tuple(labels)
