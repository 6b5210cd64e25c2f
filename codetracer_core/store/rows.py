"""Writing rows: runs, facts about steps, label events. Callers hold the lock and the transaction."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import hashlib
import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import uuid4

import duckdb
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from codetracer_core.models import (
    MOST_WORKED,
    Basis,
    GroundTruth,
    Kind,
    LabelDetails,
    LabelEvent,
    RunRecord,
    RunVerdict,
    Stage,
    StageReason,
    Step,
    Verdict,
)
from codetracer_core.store.database import last_arrival, last_import, registered
from codetracer_core.store.files import TEXTS, clean, file_name, is_text, to_json
from codetracer_core.store.results import Decisions, Refused

NO_JUDGEMENT = ("shown", "worked", "reply")
"""Fields of acts that are no judgement: neither do they begin a revision, nor does it begin with a copy of them."""
_LONGEST_TEXT = 10_000
_LONGEST_STAGE_NAME = 120
_MOST_TAGS, _LONGEST_TAG = 20, 60
_OF_A_STEP = {
    "verdict": "a verdict needs a step",
    "details": "details belong to the verdict of a step",
    "chain": "an error chain is marked step by step",
    "omission": "an omission needs the step after which something was left out",
    "basis": "a basis belongs to the adjudicated verdict of a step",
    "reply": "a reply belongs to the step whose outcome it is about",
}
_OF_THE_RUN = {
    "onset": "a failure onset is a mark of the whole run: its value is the step",
    "run_verdict": "this is a verdict on the whole run, it has no step",
    "note": "a note is on the whole run, it has no step",
    "tags": "tags are of the whole run, they have no step",
    "worked": "time on task belongs to the whole run",
    "stages": "stages are of the whole run, they have no step",
}
_STAGES = TypeAdapter(tuple[Stage, ...])
_REASONS = TypeAdapter(tuple[StageReason, ...])

_RUN_SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("run_id", "content_id", "traj_id", "evidence_hash", "decisions_hash", "file")
        ),
        *((name, pa.string()) for name in ("collection", "origin", "format", "view", "agent", "agent_version")),
        *((name, pa.string()) for name in ("model", "task", "trial", "task_text", "exit_status", "difficulty")),
        *((name, pa.string()) for name in ("category", "benchmark", "header")),
        *((name, pa.int64()) for name in ("changed", "file_bytes", "step_count", "declared_step_count")),
        *((name, pa.int64()) for name in ("prompt_tokens", "completion_tokens", "cached_tokens")),
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
    common = {"changed": last_import(cursor) + 1, "imported_at": _utc(datetime.now(UTC))}
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
        "solved": trajectory.outcome.solved,
        "step_count": trajectory.step_count,
        "declared_step_count": declared_step_count,
        "started_at": _utc(trajectory.started_at),
        "ended_at": _utc(trajectory.ended_at),
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
        "timestamp": _utc(step.timestamp),
        **{f"{name}_size": _size(getattr(step, name)) for name in TEXTS},
    }


def _size(text: str | None) -> int | None:
    return None if text is None else len(text)


def put_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[LabelEvent]) -> list[Refused]:
    """Append the events that can be stored and are not stored yet; return those that cannot."""
    if not events:
        return []
    last = last_arrival(cursor)
    arrived_at = _utc(datetime.now(UTC))
    refused: list[Refused] = []
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for event, reason in zip(events, reasons_against(cursor, events), strict=True):
        if reason:
            refused.append(Refused(event, reason))
        elif (event.client, event.sequence) not in rows:
            rows[event.client, event.sequence] = event.model_dump() | {
                "arrival": last + len(rows) + 1,
                "arrived_at": arrived_at,
                "occurred_at": _utc(event.occurred_at),
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
        _why_not(event, step_counts.get(event.run_id))
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


def _why_not(event: LabelEvent, step_count: int | None) -> str:
    if not all(is_text(text) for text in (event.run_id, event.field, event.annotator, event.client)):
        return "it holds text that is not valid Unicode"
    if step_count is None:
        return f"there is no run {event.run_id!r}"
    if event.step_id is not None and event.step_id > step_count:
        return f"run {event.run_id!r} has {step_count} steps, there is no step {event.step_id}"
    if event.sequence >= 2**63 or event.pass_number >= 2**31 or _utc(event.occurred_at) is None:
        return "it holds a number or a time that is out of range"
    if event.value is None:
        return ""
    try:
        written = json.dumps(event.value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"its value is not JSON ({error})"
    if event.field in _VALUES and not is_text(written):
        return "it holds text that is not valid Unicode"
    if event.step_id is None and event.field in _OF_A_STEP:
        return _OF_A_STEP[event.field]
    if event.step_id is not None and event.field in _OF_THE_RUN:
        return _OF_THE_RUN[event.field]
    drawn = event.field == "stages" and event.source in ("human", "adjudicated")
    why_no = _why_not_drawn if drawn else _VALUES.get(event.field)
    return why_no(event.value, step_count) if why_no else ""


def in_short(value: object) -> str:
    """A value that is refused, as it is told: at most 40 characters of it, however deep it is."""
    return repr((value if isinstance(value, str) else reprlib.repr(value))[:40])


def _why_no_word(words: Sequence[str], named: str) -> Callable[[Any, int], str]:
    def why_no(value: Any, _: int) -> str:
        return "" if value in words else f"{in_short(value)} is no {named} ({', '.join(words)})"

    return why_no


def _why_no_details(value: Any, _: int) -> str:
    try:
        LabelDetails.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        return f"its details cannot be stored ({'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']})"
    return ""


def _why_no_basis(value: Any, _: int) -> str:
    try:
        Basis.model_validate(value)
    except ValidationError as error:
        return f"the basis of a verdict cannot be stored ({error.errors()[0]['msg']})"
    return ""


def _why_no_onset(value: Any, step_count: int) -> str:
    if type(value) is not int or not 1 <= value <= step_count:
        return f"a failure onset is a step from 1 to {step_count}, not {in_short(value)}"
    return ""


def _why_no_mark(value: Any, _: int) -> str:
    return "" if value is True else f"a mark is set (true) or taken back (null), not {in_short(value)}"


def _why_no_text(value: Any, _: int) -> str:
    if not isinstance(value, str) or not value.strip():
        return "it holds no text"
    if len(value) > _LONGEST_TEXT:
        return f"its text has {len(value):,} characters, {_LONGEST_TEXT:,} are the most"
    return ""


def _why_no_tags(value: Any, _: int) -> str:
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag.strip() for tag in value):
        return "tags are a list of texts"
    if not 1 <= len(value) <= _MOST_TAGS or len(set(value)) < len(value):
        return f"a run has 1 to {_MOST_TAGS} tags, each of them once"
    if any(len(tag) > _LONGEST_TAG for tag in value):
        return f"a tag has at most {_LONGEST_TAG} characters"
    return ""


def _why_no_work(value: Any, _: int) -> str:
    if type(value) is not int or not 1 <= value <= MOST_WORKED:
        return f"time on task is told in whole seconds from 1 to {MOST_WORKED}, not {in_short(value)}"
    return ""


def _why_no_stages(value: Any, step_count: int) -> str:
    try:
        stages = _STAGES.validate_python(value)
    except ValidationError as error:
        return f"its value is no list of stages ({error.errors()[0]['msg']})"
    for stage in stages:
        if not stage.start_step_id <= stage.end_step_id <= step_count:
            covered = f"steps {stage.start_step_id} to {stage.end_step_id}"
            return f"stage {stage.stage_id} covers {covered} of a run with {step_count} steps"
    return ""


def _why_not_drawn(value: Any, step_count: int) -> str:
    """Stages that people draw follow one another, numbered from 1; they need not cover every step."""
    try:
        stages = _STAGES.validate_json(json.dumps(value), strict=True)  # "2" and true are no steps
    except ValidationError as error:
        return f"its value is no list of stages ({error.errors()[0]['msg']})"
    ended = 0
    for number, stage in enumerate(stages, start=1):
        if stage.stage_id != number:
            return f"stage {stage.stage_id} is number {number} of its list"
        if stage.start_step_id <= ended:
            return f"stage {number} begins at step {stage.start_step_id}, before the one before it has ended"
        if len(stage.name) > _LONGEST_STAGE_NAME:
            return f"the name of stage {number} has more than {_LONGEST_STAGE_NAME} characters"
        ended = stage.end_step_id
    return _why_no_stages(value, step_count)


def _why_no_reasons(value: Any, _: int) -> str:
    try:
        _REASONS.validate_python(value)
    except ValidationError as error:
        return f"its value is no list of reasons by stage ({error.errors()[0]['msg']})"
    return ""


_VALUES: Mapping[str, Callable[[Any, int], str]] = {
    "verdict": _why_no_word(get_args(Verdict), "verdict"),
    "details": _why_no_details,
    "basis": _why_no_basis,
    "onset": _why_no_onset,
    "chain": _why_no_mark,
    "omission": _why_no_text,
    "reply": _why_no_text,
    "flag": _why_no_mark,
    "run_verdict": _why_no_word(get_args(RunVerdict), "verdict on a run"),
    "note": _why_no_text,
    "tags": _why_no_tags,
    "stages": _why_no_stages,
    "stage_reasons": _why_no_reasons,
    "worked": _why_no_work,
}
"""By field: why a value cannot be stored in a run of so many steps; empty if it can. Other fields hold any JSON."""


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


def _utc(moment: datetime | None) -> datetime | None:
    """As the TIMESTAMP columns hold it. A time without offset is taken as UTC; one beyond the calendar is None."""
    if moment is None or moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return None
