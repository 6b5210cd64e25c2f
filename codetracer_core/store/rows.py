"""Writing rows: runs, facts about steps, label events. Callers hold the lock and the transaction."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa

from codetracer_core.models import GroundTruth, Kind, LabelEvent, RunRecord, Step
from codetracer_core.store.database import last_arrival, last_import, registered
from codetracer_core.store.files import TEXTS, clean, file_name, is_text, to_json
from codetracer_core.store.results import Decisions, Refused
from codetracer_core.store.values import as_stored, why_not

NO_JUDGEMENT = ("shown", "worked", "reply")
"""Fields of acts that are no judgement: neither do they begin a revision, nor does it begin with a copy of them."""

_RUN_SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("run_id", "content_id", "traj_id", "evidence_hash", "decisions_hash", "file")
        ),
        *((name, pa.string()) for name in ("collection", "origin", "format", "view", "agent", "agent_version")),
        *((name, pa.string()) for name in ("model", "task", "trial", "task_text", "exit_status", "difficulty")),
        *((name, pa.string()) for name in ("category", "benchmark", "header", "replay_of")),
        *((name, pa.int64()) for name in ("changed", "file_bytes", "step_count", "declared_step_count")),
        *((name, pa.int64()) for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "replay_step")),
        *((name, pa.timestamp("us")) for name in ("imported_at", "started_at", "ended_at")),
        ("solved", pa.bool_()),
        ("cost_usd", pa.float64()),
    ]
)
_STEP_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "kind", "reason", "tool", "branch")),
        *((name, pa.int32()) for name in ("step_id", "parallel_group")),
        *((name, pa.int64()) for name in ("exit_code", "action_size", "observation_size", "thought_size")),
        *((name, pa.bool_()) for name in ("is_message", "executed")),
        ("timestamp", pa.timestamp("us")),
    ]
)
_EVENT_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "field", "value", "source", "annotator", "exposure", "client")),
        *((name, pa.int64()) for name in ("arrival", "step_id", "pass_number", "sequence")),
        *((name, pa.timestamp("us")) for name in ("arrived_at", "occurred_at")),
    ]
)


def put_runs(
    cursor: duckdb.DuckDBPyConnection, runs: Sequence[tuple[RunRecord, Decisions]], sizes: Sequence[int]
) -> None:
    """Write runs and the facts about their steps, in place of what was there."""
    common = {"changed": last_import(cursor) + 1, "imported_at": as_stored(datetime.now(UTC))}
    rows = [_run_row(*run, size) | common for run, size in zip(runs, sizes, strict=True)]
    ids = [run["run_id"] for run in rows]
    cursor.execute("DELETE FROM step WHERE run_id IN (SELECT unnest(?))", [ids])
    with registered(cursor, pa.Table.from_pylist(rows, schema=_RUN_SCHEMA)) as arriving:
        kept = ", ".join(f"coalesce(run.{name}, {arriving}.{name}) AS {name}" for name in ("collection", "origin"))
        cursor.execute(
            f"INSERT OR REPLACE INTO run BY NAME "
            f"SELECT {arriving}.* REPLACE ({kept}) FROM {arriving} LEFT JOIN run USING (run_id)"
        )
    facts = [
        _step_row(record.run_id, step, *decided)
        for record, decisions in runs
        for step, decided in zip(record.trajectory.steps, decisions, strict=True)
    ]
    with registered(cursor, pa.Table.from_pylist(facts, schema=_STEP_SCHEMA)) as arriving:
        cursor.execute(f"INSERT INTO step BY NAME SELECT * FROM {arriving}")


def _run_row(record: RunRecord, decisions: Decisions, file_bytes: int) -> dict[str, Any]:
    trajectory, usage = record.trajectory, record.trajectory.usage
    evidence_hash, decisions_hash, declared_step_count, benchmark = identity(record, decisions)
    facets = record.benchmark or {}
    return {
        "run_id": record.run_id,
        "content_id": record.content_id,
        "traj_id": benchmark_name(record),
        "evidence_hash": evidence_hash,
        "decisions_hash": decisions_hash,
        "file": file_name(record.run_id, record.evidence_hash),
        "file_bytes": file_bytes,
        "collection": record.collection,
        "origin": record.origin,
        **{name: getattr(trajectory, name) for name in _RUN_SCHEMA.names if name in type(trajectory).model_fields},
        **{name: getattr(usage, name) for name in type(usage).model_fields},
        "replay_of": trajectory.replay_of and trajectory.replay_of.run_id,
        "replay_step": trajectory.replay_of and trajectory.replay_of.step_id,
        "solved": trajectory.outcome.solved,
        "step_count": trajectory.step_count,
        "declared_step_count": declared_step_count,
        "started_at": as_stored(trajectory.started_at),
        "ended_at": as_stored(trajectory.ended_at),
        **{name: facets[name] if isinstance(facets.get(name), str) else None for name in ("difficulty", "category")},
        "benchmark": benchmark,
        "header": to_json(trajectory.model_dump(exclude={"steps", "task_text"})),
    }


def _step_row(run_id: str, step: Step, kind: Kind, reason: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "step_id": step.step_id,
        "kind": kind,
        "reason": clean(reason),
        "tool": step.tool and step.tool.name,
        "parallel_group": step.parallel_group,
        "branch": step.branch,
        "is_message": step.is_message,
        "executed": step.executed,
        "exit_code": step.exit_code,
        "timestamp": as_stored(step.timestamp),
        **{f"{name}_size": _size(getattr(step, name)) for name in TEXTS},
    }


def _size(text: str | None) -> int | None:
    return None if text is None else len(text)


def put_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[LabelEvent]) -> list[Refused]:
    """Append the events that can be stored and are not stored yet; return those that cannot."""
    if not events:
        return []
    last = last_arrival(cursor)
    arrived_at = as_stored(datetime.now(UTC))
    refused: list[Refused] = []
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for event, reason in zip(events, reasons_against(cursor, events), strict=True):
        if reason:
            refused.append(Refused(event, reason))
        elif (event.client, event.sequence) not in rows:
            rows[event.client, event.sequence] = event.model_dump() | {
                "arrival": last + len(rows) + 1,
                "arrived_at": arrived_at,
                "occurred_at": as_stored(event.occurred_at),
                "value": None if event.value is None else json.dumps(event.value),
            }
    if rows:
        columns = ", ".join(_EVENT_SCHEMA.names)
        with registered(cursor, pa.Table.from_pylist(list(rows.values()), schema=_EVENT_SCHEMA)) as arriving:
            cursor.execute(
                f"INSERT INTO label_event ({columns}) SELECT {columns} FROM {arriving} ORDER BY arrival "
                "ON CONFLICT DO NOTHING"
            )
    return refused


def reasons_against(cursor: duckdb.DuckDBPyConnection, events: Sequence[LabelEvent]) -> list[str]:
    """For each event why it cannot be stored, in words; empty if it can."""
    run_ids = list({event.run_id for event in events if is_text(event.run_id)})
    found = cursor.execute("SELECT run_id, step_count FROM run WHERE run_id IN (SELECT unnest(?))", [run_ids])
    step_counts = dict(found.fetchall())
    too_late = _too_late(cursor, events, run_ids)
    return [
        why_not(event, step_counts.get(event.run_id))
        or (f"{event.annotator!r} has submitted this pass, it stays as it is" if _act(event) in too_late else "")
        for event in events
    ]


def _too_late(
    cursor: duckdb.DuckDBPyConnection, events: Sequence[LabelEvent], run_ids: Sequence[str]
) -> set[tuple[str, int]]:
    """The acts among these that would change a pass after its submission (those that are stored change nothing)."""
    rows = cursor.execute(
        "SELECT run_id, annotator, pass_number FROM assignment "
        "WHERE submitted_at IS NOT NULL AND run_id IN (SELECT unnest(?))",
        [run_ids],
    )
    submitted = set(rows.fetchall())
    late = {
        _act(event)
        for event in events
        if event.source == "human"
        and event.field not in NO_JUDGEMENT
        and (event.run_id, event.annotator, event.pass_number) in submitted
    }
    if late:
        clients = [client for client, _ in late]
        known = "SELECT client, sequence FROM label_event WHERE client IN (SELECT unnest(?))"
        late -= set(cursor.execute(known, [clients]).fetchall())
    return late


def _act(event: LabelEvent) -> tuple[str, int]:
    return event.client, event.sequence


def put_ground_truth(cursor: duckdb.DuckDBPyConnection, said: Mapping[str, GroundTruth]) -> list[Refused]:
    """Make this, by run, all that is in force of its annotator: say what is new, take back what is no longer said."""
    before: dict[tuple[str, str], dict[tuple[int | None, str], Any]] = {}
    found = cursor.execute(
        "SELECT run_id, annotator, step_id, field, value FROM label "
        "WHERE source = 'ground_truth' AND pass_number = 1 AND run_id IN (SELECT unnest(?))",
        [list(said)],
    )
    for run_id, annotator, step_id, field, value in found.fetchall():
        before.setdefault((run_id, annotator), {})[step_id, field] = json.loads(value)
    events: list[LabelEvent] = []
    client = f"import-{uuid4()}"
    for run_id, truth in said.items():
        now: dict[tuple[int | None, str], Any] = {(step, "verdict"): word for step, word in truth.verdicts.items()}
        if truth.stages:
            now[None, "stages"] = [stage.model_dump() for stage in truth.stages]
        then = before.get((run_id, truth.annotator), {})
        changes = {key: value for key, value in now.items() if then.get(key) != value}
        changes |= dict.fromkeys(then.keys() - now.keys())
        for (step_id, field), value in sorted(changes.items(), key=lambda change: (change[0][0] or 0, change[0][1])):
            events.append(
                LabelEvent(
                    run_id=run_id,
                    step_id=step_id,
                    field=field,
                    value=value,
                    source="ground_truth",
                    annotator=truth.annotator,
                    client=client,
                    sequence=len(events) + 1,
                    occurred_at=truth.said_at,
                )
            )
    return put_events(cursor, events)


def identity(record: RunRecord, decisions: Decisions) -> tuple[str, str, int | None, str | None]:
    """What must be equal for a run to be unchanged, as the columns of ``run`` hold it."""
    decided = hashlib.sha256(to_json([[kind, reason] for kind, reason in decisions]).encode()).hexdigest()
    return (record.evidence_hash, decided, record.declared_step_count, _benchmark(record))


def benchmark_name(record: RunRecord) -> str | None:
    """What the benchmark calls the run; None if it has no row of it."""
    name = (record.benchmark or {}).get("traj_id")
    return name if isinstance(name, str) else None


def _benchmark(record: RunRecord) -> str | None:
    return None if record.benchmark is None else to_json(dict(record.benchmark))
