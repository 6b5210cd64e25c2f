"""Runs and labels as files for other programs. Pure: what goes in comes out as text or bytes, nothing is written."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from codetracer_core.models import LabelEvent, Stage, Step, Trajectory
from codetracer_core.stage_labels import as_json_file

if TYPE_CHECKING:  # it takes a while to load, and most of this module does without it
    import pandas as pd

LABEL_COLUMNS = (
    *("run_id", "agent", "model", "task", "step_id", "verdict", "source", "annotator", "pass_number"),
    *("exposure", "occurred_at"),
)

_EVENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "field", "value", "source", "annotator", "exposure", "client")),
        *((name, pa.int64()) for name in ("step_id", "pass_number", "sequence", "arrival")),
        *((name, pa.timestamp("us", tz="UTC")) for name in ("occurred_at", "arrived_at")),
    ]
)


def normalised_files(trajectory: Trajectory, tree: str, stages: Sequence[Stage]) -> dict[str, str]:
    """The run as CodeTracer's normalised files, text by file name; importing them again gives the same steps."""
    ranges = [stage.model_dump(exclude=set() if stage.name else {"name"}) for stage in stages]
    return {
        "steps.json": as_json_file([_step(step) for step in trajectory.steps]),
        "task.md": f"{trajectory.task_text or ''}\n",
        "tree.md": tree if tree.endswith("\n") else f"{tree}\n",
        "stage_ranges.json": as_json_file(ranges),
    }


def folder_name(run_id: str) -> str:
    """A name for the run's folder: its id, or a digest of it where the id is no plain name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", run_id):
        return run_id
    return f"run-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def _step(step: Step) -> dict[str, Any]:
    return {
        "step_id": step.step_id,
        "action": step.action,
        "observation": step.observation,
        "thinking": step.thought,
        "parallel_group": step.parallel_group,
        "tool_type": step.tool.name if step.tool else None,
        "action_ref": step.action_ref and step.action_ref.excerpt(step.action),
        "observation_ref": step.observation_ref and step.observation_ref.excerpt(step.observation),
    }


def events_as_jsonl(events: Iterable[LabelEvent]) -> str:
    """One label event a line, as stored."""
    return "".join(f"{event.model_dump_json()}\n" for event in events)


def events_as_parquet(events: Iterable[LabelEvent]) -> bytes:
    """One label event a row, as stored; ``value`` is JSON text (null: a label taken back)."""
    rows = [
        event.model_dump() | {"value": None if event.value is None else json.dumps(event.value)} for event in events
    ]
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_EVENTS), data, compression="zstd")
    return data.getvalue()


def verdicts_as_csv(
    labels: Iterable[LabelEvent], facts: Mapping[str, tuple[str | None, str | None, str | None]]
) -> str:
    """One line per verdict; ``facts`` gives each run's agent, model and task.

    Cells that a spreadsheet would run as a formula begin with an apostrophe; ``plain_cell`` takes it away again.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    for event in labels:
        cells = (event.run_id, *facts[event.run_id], event.step_id, event.value, event.source, event.annotator)
        moment = event.occurred_at.isoformat()
        writer.writerow([_inert(cell) for cell in (*cells, event.pass_number, event.exposure, moment)])
    return text.getvalue()


def rows_as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows that have the same names, as a table; None is an empty cell, no rows an empty text.

    Cells are made harmless as in ``verdicts_as_csv``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([list(rows[0])] if rows else [])
    writer.writerows([_inert(cell) for cell in row.values()] for row in rows)
    return text.getvalue()


def frame_as_csv(frame: "pd.DataFrame") -> str:
    """A frame as a table, with numbers that can be read back exactly; what is missing is an empty cell.

    Cells are made harmless as in ``verdicts_as_csv``.
    """
    words = frame.select_dtypes(exclude="number").columns
    return frame.assign(**{name: frame[name].map(_inert) for name in words}).to_csv(index=False, lineterminator="\n")


_MARKED = ("=", "+", "-", "@", "\t", "\r", "'")


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_MARKED) else cell


def plain_cell(cell: str) -> str:
    """A cell of a CSV file without the apostrophe that keeps it from being run as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_MARKED) else cell
