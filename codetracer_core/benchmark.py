"""CodeTraceBench in and out: manifest rows, their ground truth, where their artifacts lie.

The manifest (dataset card of CodeTraceBench) holds one row per run: who ran what, how many steps its
annotators counted, the stages, and per stage the step ids that are *incorrect* or *unuseful*. Step ids are
1-based. It stores these positives only, so a step without a label is unlabelled, not correct.
"""

import ast
import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from codetracer_core.archives import ARCHIVE_SUFFIXES
from codetracer_core.discovery import MAX_DEPTH, SKIPPED_FOLDERS
from codetracer_core.errors import CodeTracerError, ManifestError
from codetracer_core.models import GroundTruth, RunRecord, Stage, Verdict
from codetracer_core.parsers._artifacts import Artifacts

ANNOTATOR = "CodeTraceBench"
MOST_STEPS = 1_000_000
"""Of a run in a row: a larger number is a mistake, and whatever counts by it would fill the memory."""
_EXCERPTS = "step_excerpts"
"""Among a row's facts: ``action_ref``, ``observation_ref`` by step, as the row has them of the steps that it labels."""
_LABEL_COLUMNS = frozenset({"stages", "stage_count", "incorrect_stages", "incorrect_error_stage_count", _EXCERPTS})


# --- rows ---------------------------------------------------------------------------------------------------


class ErrorStage(BaseModel):
    """The labels of one stage. ``steps`` repeats them with excerpts from the raw files, as the benchmark has it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    stage_id: int
    incorrect_step_ids: tuple[int, ...] = ()
    unuseful_step_ids: tuple[int, ...] = ()
    steps: tuple[dict[str, Any], ...] = ()


class BenchmarkRow(BaseModel):
    """One row of the manifest, columns in the benchmark's own order; columns that it has beyond these are kept.

    ``stages``, ``incorrect_stages`` and ``tags`` may come as lists, as JSON text or as Python-literal text.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    traj_id: str = Field(min_length=1)
    agent: str | None = None
    model: str | None = None
    task_name: str | None = None
    task_slug: str | None = None
    difficulty: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    solved: bool | None = None
    step_count: int = Field(ge=0, le=MOST_STEPS)
    stages: tuple[Stage, ...] = ()
    stage_count: int | None = None
    incorrect_error_stage_count: int | None = None
    trial_name: str | None = None
    source_relpath: str | None = None
    annotation_relpath: str | None = None
    incorrect_stages: tuple[ErrorStage, ...] = ()
    generated_at: str | None = None
    artifact_path: str | None = None

    @field_validator("tags", "stages", "incorrect_stages", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if value is None:
            return ()
        if isinstance(value, str):
            return _literal(value)
        return value

    @field_validator("generated_at", mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else value

    def facts(self) -> dict[str, Any]:
        """The row without its labels and stages, which go in as label events; with the excerpts of its steps."""
        facts = {name: value for name, value in to_row(self).items() if name not in _LABEL_COLUMNS}
        excerpts = {
            str(step["step_id"]): {name: value for name, value in step.items() if name not in ("step_id", "labels")}
            for stage in self.incorrect_stages
            for step in stage.steps
            if type(step.get("step_id")) is int
        }
        return facts | ({_EXCERPTS: excerpts} if excerpts else {})

    def content_hash(self) -> str:
        """sha256 (hex) over the whole row, labels included: equal means nothing to import again."""
        return hashlib.sha256(json.dumps(to_row(self), sort_keys=True).encode()).hexdigest()


def _literal(text: str) -> Any:
    if not text.strip():
        return ()
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError("neither a list nor JSON or Python-literal text of one") from error


@dataclass(frozen=True)
class Manifest:
    """A manifest as read: its good rows, and an error for each bad one (the rest is unharmed)."""

    path: Path
    rows: tuple[BenchmarkRow, ...]
    problems: tuple[ManifestError, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from ``.jsonl`` or ``.parquet``.

    A row that cannot be understood, or repeats the ``traj_id`` of an earlier one, becomes a problem with its line
    or row number. Raises ManifestError if the file is neither kind, or has no readable row at all.
    """
    rows: dict[str, BenchmarkRow] = {}
    problems: list[ManifestError] = []
    for place, record in records(path):
        if isinstance(record, str):
            problems.append(ManifestError(record, path=path, place=place))
            continue
        try:
            row = BenchmarkRow.model_validate(record)
        except ValidationError as error:
            reason = validation_in_words(error)
            problems.append(ManifestError(reason, path=path, place=place, remedy="The row is left out."))
            continue
        if row.traj_id in rows:
            reason = f"a second row for {row.traj_id}"
            problems.append(ManifestError(reason, path=path, place=place, remedy="The first one counts."))
            continue
        rows[row.traj_id] = row
    if not rows:
        first = f" ({problems[0].place}: {problems[0].reason})" if problems else ""
        raise ManifestError(f"no row that can be read{first}", path=path, remedy="Is this a CodeTraceBench manifest?")
    return Manifest(path, tuple(rows.values()), tuple(problems))


def is_manifest(path: Path) -> bool:
    """Does the file look like a manifest: ``*manifest*.jsonl`` or ``.parquet`` whose first row has a ``traj_id``?"""
    if "manifest" not in path.name or path.suffix not in (".jsonl", ".parquet") or not path.is_file():
        return False
    try:
        _, record = next(records(path), ("", ""))
    except CodeTracerError:
        return False
    return isinstance(record, dict) and "traj_id" in record


def records(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, record) for every row of a ``.jsonl`` or ``.parquet`` file; in place of a record that cannot be decoded,
    the reason as text. Raises ManifestError for a file of another kind, UnreadableFile for one that is no evidence.
    """
    if path.suffix == ".parquet":
        yield from _parquet_records(path)
    elif path.suffix == ".jsonl":
        yield from _jsonl_records(path)
    else:
        raise ManifestError("neither .jsonl nor .parquet", path=path, remedy="Give bench_manifest.*.jsonl or .parquet.")


def _jsonl_records(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    data = Artifacts(path.parent).read_bytes(path.name)
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield f"line {number}", f"no valid JSON ({error})"
            continue
        except RecursionError:
            yield f"line {number}", "JSON that is nested too deeply"
            continue
        yield f"line {number}", record if isinstance(record, dict) else "no JSON object"


def _parquet_records(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    import pyarrow.parquet as pq  # only this kind of manifest needs it

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise ManifestError(
            f"no readable parquet file ({first_line})", path=path, remedy="Download the file again."
        ) from error


def validation_in_words(error: ValidationError) -> str:
    """The first three things that are wrong, each with its field."""
    parts = [f"{'.'.join(str(key) for key in item['loc']) or 'row'}: {item['msg']}" for item in error.errors()]
    return "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more" if len(parts) > 3 else "")


def to_row(row: BenchmarkRow) -> dict[str, Any]:
    """The row as the plain dictionary that a manifest line holds (``read_manifest`` reads it back as equal)."""
    plain = row.model_dump(mode="json")
    plain["stages"] = [
        {key: value for key, value in stage.items() if key != "name" or value} for stage in plain["stages"]
    ]
    return plain


# --- ground truth -------------------------------------------------------------------------------------------


def ground_truth_verdicts(row: BenchmarkRow) -> tuple[dict[int, Verdict], list[str]]:
    """The verdict of every labelled step (in order of ``step_id``), and what is odd about the labels, in words.

    A step named as both incorrect and unuseful is incorrect. A label outside 1..``step_count`` names no step
    that the annotators counted: it is told, and no verdict comes from it.
    """
    said, both = verdicts_of(row.incorrect_stages)
    verdicts = {step_id: verdict for step_id, verdict in sorted(said.items()) if 1 <= step_id <= row.step_count}
    outside = said.keys() - verdicts.keys()
    both &= verdicts.keys()
    oddities = []
    if both:
        oddities.append(f"Ground truth names {_steps(both)} as both incorrect and unuseful; taken as incorrect.")
    if outside:
        oddities.append(f"Ground truth labels {_steps(outside)}, outside 1..{row.step_count}; not stored.")
    return verdicts, oddities


STAGES_NOTE = "Stages in the manifest: "


MANIFEST_SAYS = "the benchmark's manifest"
"""How the reason of an outcome begins that only a manifest knows."""


def tells_of_truth(note: str) -> bool:
    """Whether a note on a trajectory says what is odd about its ground truth, and so something of it."""
    return note.startswith(("Ground truth ", STAGES_NOTE))


def verdicts_of(stages: Iterable[ErrorStage]) -> tuple[dict[int, Verdict], set[int]]:
    """The verdict of every step that is named, whatever its number, and the steps that are named as both.

    A step named as both incorrect and unuseful is incorrect.
    """
    incorrect: set[int] = set()
    unuseful: set[int] = set()
    for stage in stages:
        incorrect.update(stage.incorrect_step_ids)
        unuseful.update(stage.unuseful_step_ids)
    verdicts: dict[int, Verdict] = dict.fromkeys(unuseful, "unuseful")
    verdicts |= dict.fromkeys(incorrect, "incorrect")
    return verdicts, incorrect & unuseful


def _steps(step_ids: Iterable[int]) -> str:
    listed = sorted(step_ids)
    return f"step{'s' if len(listed) > 1 else ''} {', '.join(str(step_id) for step_id in listed)}"


def ground_truth(row: BenchmarkRow, *, read_at: datetime) -> GroundTruth:
    """The row's labels and stages as the store takes them in; see ``ground_truth_verdicts``.

    ``read_at`` (UTC) stands in where the row does not say when it was generated.
    """
    verdicts, _ = ground_truth_verdicts(row)
    return GroundTruth(annotator=ANNOTATOR, said_at=generated_at(row) or read_at, verdicts=verdicts, stages=row.stages)


def generated_at(row: BenchmarkRow) -> datetime | None:
    """When the row was made, UTC; None if it does not say so in ISO 8601."""
    try:
        moment = datetime.fromisoformat(row.generated_at or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def wave_of(facts: Mapping[str, Any]) -> str:
    """The wave of the annotation that a row belongs to, by the folders that it names; empty: they do not tell.

    The benchmark was labelled in waves by different rules; ``annotation_relpath`` begins with the wave's folder, such
    as ``merged_cleaned_step25`` or ``agent_failure_analysis/step_annotations_all``.
    """
    for name in ("annotation_relpath", "source_relpath", "artifact_path"):
        for part in PurePosixPath(str(facts.get(name) or "")).parts:
            if part.startswith(("merged_cleaned_step", "step_annotations")):
                return part
    return ""


def without_excerpts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of its run, without the excerpts, which tell which steps it labels."""
    return {name: value for name, value in facts.items() if name != _EXCERPTS}


def row_of(record: RunRecord, verdicts: Mapping[int, str], stages: Sequence[Stage]) -> BenchmarkRow:
    """A run with labels as a manifest row: the columns that it came with, or what the run tells of itself.

    So with the excerpts of a step: those that its row came with, else what the run's own files hold.
    """
    run = record.trajectory
    known: Mapping[str, Any] = record.benchmark or {
        "traj_id": record.run_id,
        "agent": run.agent,
        "model": run.model,
        "task_name": run.task,
        "solved": run.outcome.solved,
        "step_count": run.step_count,
        "trial_name": run.trial,
    }
    excerpts = {
        step.step_id: {
            "action_ref": step.action_ref and step.action_ref.excerpt(step.action),
            "observation_ref": step.observation_ref and step.observation_ref.excerpt(step.observation),
        }
        for step in run.steps
    }
    for step_id, excerpt in known.get(_EXCERPTS, {}).items():
        excerpts[int(step_id)] = excerpts.get(int(step_id), {}) | excerpt
    labelled = error_stages(verdicts, stages, excerpts)
    return BenchmarkRow.model_validate(
        {
            **without_excerpts(known),
            "stages": [stage.model_dump() for stage in stages],
            "stage_count": len(stages),
            "incorrect_stages": [stage.model_dump() for stage in labelled],
            "incorrect_error_stage_count": len(labelled),
        }
    )


def error_stages(
    verdicts: Mapping[int, str], stages: Sequence[Stage], excerpts: Mapping[int, Mapping[str, Any]]
) -> tuple[ErrorStage, ...]:
    """Labels in the benchmark's shape: the incorrect and unuseful steps by stage, stages without any left out.

    ``excerpts`` gives each labelled step its ``action_ref`` and ``observation_ref``. Steps outside every stage
    go under stage 0, which the benchmark does not have, rather than getting lost.
    """
    grouped: dict[int, list[int]] = {}
    for step_id in sorted(step_id for step_id, verdict in verdicts.items() if verdict in ("incorrect", "unuseful")):
        home = next((s.stage_id for s in stages if s.start_step_id <= step_id <= s.end_step_id), 0)
        grouped.setdefault(home, []).append(step_id)
    return tuple(
        ErrorStage(
            stage_id=stage_id,
            incorrect_step_ids=tuple(s for s in step_ids if verdicts[s] == "incorrect"),
            unuseful_step_ids=tuple(s for s in step_ids if verdicts[s] == "unuseful"),
            steps=tuple({"step_id": s, "labels": [verdicts[s]], **excerpts.get(s, {})} for s in step_ids),
        )
        for stage_id, step_ids in sorted(grouped.items())
    )


# --- artifacts ----------------------------------------------------------------------------------------------


def find_artifacts(rows: Iterable[BenchmarkRow], roots: Iterable[Path]) -> dict[str, Path]:
    """Where the artifact of each row lies below the roots: ``traj_id`` → extracted folder, file or archive.

    Best first: a folder ``<traj_id>``; an archive at ``artifact_path`` or named ``<traj_id>.tar.zst`` (``.tar.gz``,
    ``.tar``, ``.zip``); a path that ends in ``source_relpath``, unless several rows share that. The roots are
    walked once and names compared; nothing in a row is ever used as a path.
    """
    names: dict[str, list[tuple[int, str, str]]] = {}
    sources: dict[str, list[str]] = {}

    def want(rank: int, tail: str, traj_id: str) -> None:
        parts = PurePosixPath(tail).parts
        if parts and ".." not in parts:
            names.setdefault(parts[-1], []).append((rank, "/".join(parts).lstrip("/"), traj_id))

    for row in rows:
        want(0, row.traj_id, row.traj_id)
        if row.artifact_path:
            want(1, row.artifact_path, row.traj_id)
        for suffix in ARCHIVE_SUFFIXES:
            want(2, row.traj_id + suffix, row.traj_id)
        if row.source_relpath:
            sources.setdefault(row.source_relpath, []).append(row.traj_id)
    for relpath, traj_ids in sources.items():
        if len(traj_ids) == 1:
            want(3, relpath, traj_ids[0])

    found: dict[str, tuple[int, Path]] = {}
    for path in _walk(roots, names):
        for rank, tail, traj_id in names.get(path.name, ()):
            if f"/{path.as_posix()}".endswith(f"/{tail}") and rank < found.get(traj_id, (9, path))[0]:
                found[traj_id] = (rank, path)
    return {traj_id: path for traj_id, (_, path) in found.items()}


def _walk(roots: Iterable[Path], wanted: Mapping[str, Sequence[tuple[int, str, str]]]) -> Iterator[Path]:
    """All files and folders below the roots; what lies in a folder that is itself an artifact is not looked at."""
    places = {root.resolve(): root for root in roots}
    for place, root in places.items():
        if any(other in place.parents for other in places):
            continue
        if not root.is_dir():
            yield root
            continue
        yield root
        for folder, folders, files in os.walk(root):
            here = Path(folder)
            depth = len(here.relative_to(root).parts)
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS) if depth < MAX_DEPTH else []
            for name in (*folders, *sorted(files)):
                yield here / name
            folders[:] = [name for name in folders if not any(rank == 0 for rank, _, _ in wanted.get(name, ()))]
