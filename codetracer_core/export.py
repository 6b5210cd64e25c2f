"""Runs and labels as files for other programs. Pure: text in, text out."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from codetracer_core.models import LabelEvent, Stage, Step, Trajectory

LABEL_COLUMNS = (
    *("run_id", "agent", "model", "task", "step_id", "verdict", "source", "annotator", "pass_number"),
    *("exposure", "occurred_at"),
)


def normalised_files(trajectory: Trajectory, tree: str, stages: Sequence[Stage]) -> dict[str, str]:
    """The run as CodeTracer's normalised files, text by file name; importing them again gives the same steps."""
    ranges = [stage.model_dump(exclude=set() if stage.name else {"name"}) for stage in stages]
    return {
        "steps.json": _indented([_step(step) for step in trajectory.steps]),
        "task.md": f"{trajectory.task_text or ''}\n",
        "tree.md": tree if tree.endswith("\n") else f"{tree}\n",
        "stage_ranges.json": _indented(ranges),
    }


def folder_name(run_id: str) -> str:
    """A name for the run's folder: its id, or a digest of it where the id is no plain name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", run_id):
        return run_id
    return f"run-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


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


def verdicts_as_csv(
    labels: Iterable[LabelEvent], facts: Mapping[str, tuple[str | None, str | None, str | None]]
) -> str:
    """One line per verdict; ``facts`` gives each run's agent, model and task.

    Cells that a spreadsheet would run as a formula begin with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    for event in labels:
        cells = (event.run_id, *facts[event.run_id], event.step_id, event.value, event.source, event.annotator)
        moment = event.occurred_at.isoformat()
        writer.writerow([_inert(cell) for cell in (*cells, event.pass_number, event.exposure, moment)])
    return text.getvalue()


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
