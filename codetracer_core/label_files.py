"""Labels in the files of other programs and other workspaces, read as label events.

Four kinds of files are told apart by what is in them: *events* (``export --to jsonl`` or ``parquet``), a *table* (CSV),
*stage labels* (``codetracer_labels.json``: the incorrect and unuseful steps of one run by stage) and a *manifest* of
CodeTraceBench. The events keep the file's own name for a run (``run_id`` or ``traj_id``); nothing here knows a store.
"""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from codetracer_core.benchmark import ErrorStage, generated_at, read_manifest, records, validation_in_words, verdicts_of
from codetracer_core.errors import CodeTracerError
from codetracer_core.export import plain_cell
from codetracer_core.models import LabelEvent, LabelSource
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.stage_labels import LABELS_FILE

FileKind = Literal["events", "table", "stage labels", "manifest"]

COLUMNS = ("run_id", "step_id", "verdict", "source", "annotator", "pass_number", "exposure", "occurred_at")
"""What a column of a table can mean; columns of other names are left alone."""

_ADDED_BY_THE_STORE = frozenset({"arrival", "arrived_at"})


@dataclass(frozen=True)
class LabelInFile:
    """One label as a file says it, and where it says so."""

    path: Path
    place: str
    event: LabelEvent
    """``run_id`` is the file's name for the run."""


@dataclass(frozen=True)
class LabelFile:
    """What a file says: its labels in order, an error for each bad row, and in words what else there is to know."""

    kind: FileKind
    labels: tuple[LabelInFile, ...]
    problems: tuple[CodeTracerError, ...] = ()
    notes: tuple[str, ...] = ()
    declared_step_counts: Mapping[str, int] | None = None
    """A manifest's number of steps, by its name for the run."""


@dataclass(frozen=True)
class Unsaid:
    """What holds where the file says nothing itself."""

    annotator: str | None = None
    source: LabelSource | None = None
    """None: human."""
    run: str | None = None
    columns: Mapping[str, str] | None = None
    """Of a table: the file's column by the meaning that it has (one of ``COLUMNS``); "" means none has it. A column
    that is called like a meaning needs no mention."""


ALL_SAID = Unsaid()


@dataclass(frozen=True)
class Asked:
    """What kind of file this is, and what is to be asked before it is read."""

    kind: FileKind
    names: tuple[str, ...] = ()
    """Of a table: its columns."""
    first_rows: tuple[tuple[str, ...], ...] = ()
    """Of a table: what stands first under them."""
    whose: bool = False
    """It may not say who labelled, nor whether that was a person."""
    which_run: bool = False
    """It names no run; the name of its folder stands in, if that is the run's."""


def look_at(path: Path, *, rows: int = 5) -> Asked:
    """What there is to ask about a file, or a folder, with labels. Raises as ``read_labels`` does."""
    kind = _kind_of(path)
    if kind != "table":
        return Asked(kind, whose=kind != "events", which_run=kind == "stage labels" and path.is_file())
    _, names, table = _open_table(path)
    first_rows = itertools.islice((tuple(row) for _, row in table if row), rows)
    return Asked(kind, tuple(names), tuple(first_rows), whose=True, which_run=True)


def read_labels(path: Path, unsaid: Unsaid, *, read_at: datetime) -> LabelFile:
    """Read a file with labels; a folder stands for the ``codetracer_labels.json`` in it and in its sub-folders.

    ``read_at`` (UTC) stands in where a file does not say when somebody acted. Labels without client and sequence of
    their own get them from the content of the file and what is given with it: reading the same file again gives the
    same acts. Raises CodeTracerError if the file is of none of the kinds, or does not say whose labels these are.
    """
    kind = _kind_of(path)
    if kind == "table":
        return _table(path, unsaid, read_at)
    if unsaid.columns:
        raise CodeTracerError("only the columns of a .csv file can be mapped", path=path)
    if kind == "stage labels":
        return _folder(path, unsaid, read_at) if path.is_dir() else _stage_labels(path, unsaid, read_at)
    if unsaid.run is not None:
        raise CodeTracerError("the rows of this file name their runs themselves", path=path, remedy="Omit --run.")
    return _manifest(path, unsaid, read_at) if kind == "manifest" else _events(path, unsaid)


def _kind_of(path: Path) -> FileKind:
    if path.is_dir() or path.suffix == ".json":
        return "stage labels"
    if path.suffix == ".csv":
        return "table"
    if path.suffix in (".jsonl", ".parquet"):
        first = next((record for _, record in records(path) if isinstance(record, dict)), {})
        return "manifest" if "traj_id" in first else "events"
    raise CodeTracerError("no file with labels", path=path, remedy="Give a .jsonl, .parquet, .csv or .json file.")


# --- the four kinds -----------------------------------------------------------------------------------------


def _events(path: Path, unsaid: Unsaid) -> LabelFile:
    if unsaid.annotator or unsaid.source:
        remedy = "Omit --annotator and --source."
        raise CodeTracerError("the events of this file say themselves who labelled", path=path, remedy=remedy)
    collected = _Collected(path)
    for place, record in records(path):
        if isinstance(record, str):
            collected.refuse(place, record)
            continue
        fields = {name: value for name, value in record.items() if name not in _ADDED_BY_THE_STORE}
        if path.suffix == ".parquet" and isinstance(fields.get("value"), str):
            try:
                fields["value"] = json.loads(fields["value"])
            except ValueError as error:
                collected.refuse(place, f"its value is no JSON ({error})")
                continue
        collected.add(place, fields)
    return collected.file("events")


def _table(path: Path, unsaid: Unsaid, read_at: datetime) -> LabelFile:
    data, names, table = _open_table(path)
    column_of = _mapped(path, names, unsaid)
    client = _client(data, unsaid, unsaid.run)
    collected = _Collected(path)
    empty = 0
    number = 0
    for line, row in table:
        if not row:
            continue
        number += 1
        place = f"line {line}"
        if len(row) != len(names):
            collected.refuse(place, f"{len(row)} cells under {len(names)} columns")
            continue
        cells = {meaning: plain_cell(row[at].strip()) for meaning, at in column_of.items()}
        if not cells["verdict"]:
            empty += 1
            continue
        said = {meaning: cell for meaning, cell in cells.items() if cell and meaning != "verdict"}
        moment = _moment(said.get("occurred_at"), read_at)
        if moment is None:
            collected.refuse(place, f"{said['occurred_at'][:40]!r} is no date and time in ISO 8601")
            continue
        fields = {
            "run_id": unsaid.run,
            "annotator": unsaid.annotator,
            "source": unsaid.source or "human",
            **said,
            "value": _verdict(cells["verdict"]),
            "client": client,
            "sequence": number,
            "occurred_at": moment,
        }
        missing = [name for name in ("run_id", "step_id", "annotator") if not fields.get(name)]
        if missing:
            collected.refuse(place, f"{' and '.join(missing)} is empty")
            continue
        collected.add(place, fields)
    skipped = [f"{empty} rows without a verdict say nothing and were skipped"] if empty else []
    return collected.file("table", skipped)


def _open_table(path: Path) -> tuple[bytes, list[str], Iterator[tuple[int, list[str]]]]:
    """The file's bytes, the names of its columns, and the rows below them, each with the number of its last line."""
    data, text = _text(path)
    rows = _rows(path, text)
    _, names = next(rows, (1, []))
    return data, [name.strip() for name in names], rows


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    header = text.split("\n", 1)[0]
    table = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        for row in table:
            yield table.line_num, row
    except csv.Error as error:
        raise CodeTracerError(f"no readable CSV ({error})", path=path, place=f"line {table.line_num}") from error


def _mapped(path: Path, names: list[str], unsaid: Unsaid) -> dict[str, int]:
    """The place of the column for each meaning that the table has."""
    mapping = dict(unsaid.columns or {})
    for meaning, name in mapping.items():
        if meaning not in COLUMNS:
            raise CodeTracerError(f"no column can mean {meaning!r}", path=path, remedy=f"Known: {', '.join(COLUMNS)}.")
        if name and name not in names:
            raise CodeTracerError(f"there is no column {name!r}", path=path, remedy=f"There are: {', '.join(names)}.")
    column_of = {
        meaning: names.index(mapping.get(meaning, meaning))
        for meaning in COLUMNS
        if mapping.get(meaning, meaning) in names
    }
    missing = [name for name in ("run_id", "step_id", "verdict") if name not in column_of]
    if unsaid.run is not None:
        if "run_id" in column_of:
            raise CodeTracerError("the rows of this file name their runs themselves", path=path, remedy="Omit --run.")
        missing.remove("run_id")
    if missing:
        raise CodeTracerError(
            f"no column {' or '.join(missing)} among {', '.join(names)}",
            path=path,
            place="line 1",
            remedy=f"Say which it is: --map {','.join(f'{name}=COLUMN' for name in missing)}.",
        )
    if "annotator" not in column_of:
        _named(path, unsaid)
    return column_of


def _verdict(cell: str) -> str | None:
    word = cell.lower()
    return None if word == "unlabelled" else word


def _stage_labels(path: Path, unsaid: Unsaid, read_at: datetime) -> LabelFile:
    annotator = _named(path, unsaid)
    data, text = _text(path)
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodeTracerError(f"no valid JSON ({error})", path=path) from error
    if not isinstance(listed, list):
        remedy = f"Give a {LABELS_FILE}: one object per stage."
        raise CodeTracerError("no list of stages with labels", path=path, remedy=remedy)
    run = unsaid.run or path.absolute().parent.name
    collected = _Collected(path)
    stages: list[LabelledStage] = []
    unknown: set[str] = set()
    for number, item in enumerate(listed, start=1):
        try:
            stages.append(LabelledStage.model_validate(item))
        except ValidationError as error:
            collected.refuse(f"item {number}", validation_in_words(error))
            continue
        unknown |= item.keys() - LabelledStage.model_fields.keys()
    reasons = [{"stage_id": stage.stage_id, "reasoning": stage.reasoning} for stage in stages if stage.reasoning]
    notes = [f"not read, for want of a place to keep it: {', '.join(sorted(unknown))}"] if unknown else []
    acts = _Acts(collected, _client(data, unsaid, run), run, annotator, unsaid.source, read_at)
    if reasons:
        acts.add(None, "stage_reasons", reasons, f"{len(reasons)} stages")
    notes += acts.add_verdicts(stages)
    return collected.file("stage labels", notes)


class LabelledStage(ErrorStage):
    """One item of ``codetracer_labels.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reasoning: str | None = None


def _folder(path: Path, unsaid: Unsaid, read_at: datetime) -> LabelFile:
    files = [file for file in (path / LABELS_FILE, *sorted(path.glob(f"*/{LABELS_FILE}"))) if file.is_file()]
    if not files:
        raise CodeTracerError(f"no {LABELS_FILE} in this folder or the folders in it", path=path)
    if unsaid.run is not None and len(files) > 1:
        raise CodeTracerError(f"{len(files)} files cannot all be of one run", path=path, remedy="Omit --run.")
    read: list[LabelFile] = []
    problems: list[CodeTracerError] = []
    _named(path, unsaid)
    for file in files:
        try:
            read.append(_stage_labels(file, unsaid, read_at))
        except CodeTracerError as error:
            problems.append(error)
    return LabelFile(
        "stage labels",
        tuple(label for one in read for label in one.labels),
        (*problems, *(problem for one in read for problem in one.problems)),
        tuple(dict.fromkeys(note for one in read for note in one.notes)),
    )


def _manifest(path: Path, unsaid: Unsaid, read_at: datetime) -> LabelFile:
    annotator = _named(path, unsaid)
    manifest = read_manifest(path)
    collected = _Collected(path)
    collected.problems += manifest.problems
    notes: list[str] = []
    data = Artifacts(path.parent).read_bytes(path.name)
    for row in manifest.rows:
        client = _client(data, unsaid, row.traj_id)
        said_at = generated_at(row) or read_at
        acts = _Acts(collected, client, row.traj_id, annotator, unsaid.source, said_at, f"row {row.traj_id}, ")
        notes += acts.add_verdicts(row.incorrect_stages)
        if row.stages:
            acts.add(None, "stages", [stage.model_dump() for stage in row.stages], "stages")
    counts = {row.traj_id: row.step_count for row in manifest.rows}
    return collected.file("manifest", notes, counts)


# --- what they share ----------------------------------------------------------------------------------------


class _Collected:
    """The labels and bad rows of one file, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.labels: list[LabelInFile] = []
        self.problems: list[CodeTracerError] = []

    def add(self, place: str, fields: Mapping[str, Any]) -> None:
        try:
            event = LabelEvent.model_validate(fields)
        except ValidationError as error:
            self.refuse(place, validation_in_words(error))
            return
        if event.occurred_at.tzinfo is None:
            event = event.model_copy(update={"occurred_at": event.occurred_at.replace(tzinfo=UTC)})
        self.labels.append(LabelInFile(self.path, place, event))

    def refuse(self, place: str, reason: str) -> None:
        self.problems.append(CodeTracerError(reason, path=self.path, place=place))

    def file(
        self, kind: FileKind, notes: Iterable[str] = (), declared_step_counts: Mapping[str, int] | None = None
    ) -> LabelFile:
        return LabelFile(kind, tuple(self.labels), tuple(self.problems), tuple(notes), declared_step_counts)


@dataclass
class _Acts:
    """The acts of one annotator on one run, numbered as they are added."""

    collected: _Collected
    client: str
    run: str
    annotator: str
    source: LabelSource | None
    occurred_at: datetime
    where: str = ""
    count: int = 0

    def add(self, step_id: int | None, field: str, value: Any, place: str) -> None:
        self.count += 1
        fields = {
            "run_id": self.run,
            "step_id": step_id,
            "field": field,
            "value": value,
            "source": self.source or "human",
            "annotator": self.annotator,
            "client": self.client,
            "sequence": self.count,
            "occurred_at": self.occurred_at,
        }
        self.collected.add(self.where + place, fields)

    def add_verdicts(self, stages: Iterable[ErrorStage]) -> list[str]:
        """The verdicts of a run; returns in words what is odd about them."""
        verdicts, both = verdicts_of(stages)
        for step_id, verdict in sorted(verdicts.items()):
            self.add(step_id, "verdict", verdict, f"step {step_id}")
        steps = ", ".join(map(str, sorted(both)))
        return [f"run {self.run!r}: both incorrect and unuseful, taken as incorrect: steps {steps}"] if both else []


def _named(path: Path, unsaid: Unsaid) -> str:
    if not unsaid.annotator:
        remedy = "Say so with --annotator."
        raise CodeTracerError("the file does not say whose labels these are", path=path, remedy=remedy)
    return unsaid.annotator


def _client(data: bytes, unsaid: Unsaid, run: str | None) -> str:
    """A name for the acts in a file that are not named there: the same for the same file, given in the same way."""
    given = [unsaid.annotator, unsaid.source or "human", run, sorted((unsaid.columns or {}).items())]
    digest = hashlib.sha256(json.dumps(given).encode())
    digest.update(data)
    return f"file-{digest.hexdigest()[:40]}"


def _text(path: Path) -> tuple[bytes, str]:
    data = Artifacts(path.parent).read_bytes(path.name)
    try:
        return data, data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodeTracerError(f"not UTF-8 ({error.reason} at byte {error.start})", path=path) from error


def _moment(cell: str | None, otherwise: datetime) -> datetime | None:
    if cell is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
