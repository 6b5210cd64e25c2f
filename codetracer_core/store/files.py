"""The text of a run's steps: one parquet file per run, one row per step with every field of ``Step``."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import PydanticSerializationError

from codetracer_core.durable import write_durably
from codetracer_core.errors import UnreadableFile
from codetracer_core.models import RunRecord, Step

TEXTS = ("action", "observation", "thought")

_JSON_COLUMNS = ("tool", "action_ref", "observation_ref", "thought_ref")
_SCHEMA = pa.schema(
    [
        ("step_id", pa.int32()),
        ("native_ids", pa.list_(pa.string())),
        *((name, pa.string()) for name in TEXTS),
        ("parallel_group", pa.int32()),
        ("branch", pa.string()),
        ("is_message", pa.bool_()),
        ("executed", pa.bool_()),
        ("exit_code", pa.int64()),
        ("timestamp", pa.string()),  # ISO 8601 as it was read: with its own offset, or without one
        *((name, pa.string()) for name in _JSON_COLUMNS),
    ]
)


def file_name(run_id: str, evidence_hash: str) -> str:
    """A name that owes nothing to the run but its hash. Other evidence of the same run is another file."""
    return hashlib.sha256(f"{run_id}\0{evidence_hash}".encode()).hexdigest()[:40] + ".parquet"


def write_steps(path: Path, steps: Sequence[Step]) -> int:
    """Write the steps (zstd) so that the file is there as a whole or not at all; return its size in bytes."""
    get: dict[str, Callable[[Step], Any]] = {
        "native_ids": lambda step: list(step.native_ids),
        "timestamp": lambda step: step.timestamp and step.timestamp.isoformat(),
        **{name: _as_json(name) for name in _JSON_COLUMNS},
    }
    columns = [
        pa.array(
            [get[name](step) if name in get else getattr(step, name) for step in steps], type=_SCHEMA.field(name).type
        )
        for name in _SCHEMA.names
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    return write_durably(
        path,
        lambda file: pq.write_table(
            table, file, compression="zstd", compression_level=3, use_dictionary=False, write_statistics=False
        ),
    )


def read_steps(path: Path) -> list[dict[str, Any]]:
    """The steps as dictionaries that ``Step`` validates. Raises UnreadableFile (also if the file is gone)."""
    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(
            f"the stored text of this run cannot be read ({error})", path=path, remedy="Import the run again."
        ) from error
    for row in rows:
        for name in _JSON_COLUMNS:
            if row[name] is not None:
                row[name] = json.loads(row[name])
    return rows


def to_json(value: Any) -> str:
    """JSON that survives any text: what is not ASCII is escaped, so broken Unicode stays what it was."""
    return json.dumps(value, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot store a {type(value).__name__}")


def _as_json(name: str) -> Callable[[Step], str | None]:
    def column(step: Step) -> str | None:
        value = getattr(step, name)
        return None if value is None else to_json(value.model_dump())

    return column


def storable(record: RunRecord) -> RunRecord:
    """The record itself; or, if it holds what no column can, a copy without that and notes that say so.

    Not storable are halves of surrogate pairs (JSON may spell them, Unicode text cannot hold them): each becomes
    U+FFFD. And exit codes and token counts beyond 64 bits: they become unknown.
    """
    if not is_text(record.run_id):
        raise ValueError(f"the run id {record.run_id!r} is not valid Unicode")
    notes: list[str] = []
    trajectory = record.trajectory
    steps = list(trajectory.steps)
    for index, step in enumerate(steps):
        if step.exit_code is not None and not _fits(step.exit_code):
            notes.append(f"Step {step.step_id}: an exit code of more than 64 bits was left out.")
            steps[index] = step.model_copy(update={"exit_code": None})
    usage = trajectory.usage
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
        count = getattr(usage, name)
        if count is not None and not _fits(count):
            notes.append(f"A number of {name} of more than 64 bits was left out.")
            usage = usage.model_copy(update={name: None})
    try:
        record.model_dump_json()
    except PydanticSerializationError:
        cleaned = [Step.model_validate(clean(step.model_dump())) for step in steps]
        changed = [str(new.step_id) for old, new in zip(steps, cleaned, strict=True) if old != new]
        where = f" in step {', '.join(changed)}" if changed else ""
        notes.append(f"Text that is not valid Unicode{where}: the characters in question became U+FFFD.")
        steps = cleaned
        record = RunRecord.model_validate(
            clean(record.model_dump(exclude={"trajectory"}))
            | {"trajectory": clean(trajectory.model_dump(exclude={"steps"}))}
        )
        trajectory = record.trajectory
    if not notes:
        return record
    update = {"steps": tuple(steps), "usage": usage, "notes": (*trajectory.notes, *notes)}
    return record.model_copy(update={"trajectory": trajectory.model_copy(update=update)})


def _fits(number: int) -> bool:
    return -(2**63) <= number < 2**63


def clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
