"""Diagnoses and insights as rows, transcripts as files. Callers hold the lock and the transaction."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import zstandard
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from codetracer_core.diagnosis_models import (
    Diagnosis,
    Insight,
    as_label_events,
)
from codetracer_core.durable import sync_folder, write_durably
from codetracer_core.errors import CodeTracerError, NotFound, UnreadableFile
from codetracer_core.memory import admit, why_not_kept
from codetracer_core.store.database import last_change
from codetracer_core.store.files import clean, to_json
from codetracer_core.store.results import Diagnosed, DiagnosisSummary, Learned, Refused
from codetracer_core.store.rows import put_events
from codetracer_core.store.values import as_stored

_ENDING = ".jsonl.zst"
_LARGEST = 2**63 - 1
_INSIGHT = ", ".join(name for name in Insight.model_fields)


def transcript_name(diagnosis_id: str) -> str:
    """The file name of its transcript. Raises CodeTracerError for an id that is no plain hexadecimal one."""
    if not re.fullmatch(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", diagnosis_id):
        raise CodeTracerError(f"{diagnosis_id[:60]!r} is no id of a diagnosis", remedy="It is a UUID in small letters.")
    return diagnosis_id + _ENDING


def is_transcript(name: str) -> bool:
    return name.endswith(_ENDING)


def write_transcript(folder: Path, diagnosis_id: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write what was said, one entry per line, so that it is there as a whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(to_json(dict(entry)) + "\n" for entry in entries).encode()
    packed = zstandard.compress(lines)
    write_durably(folder / transcript_name(diagnosis_id), lambda file: file.write(packed))
    sync_folder(folder)


def read_transcript(folder: Path, diagnosis_id: str) -> list[dict[str, Any]]:
    """The entries in order. Raises NotFound, UnreadableFile."""
    path = folder / transcript_name(diagnosis_id)
    try:
        lines = zstandard.decompress(path.read_bytes()).splitlines()
        return [json.loads(line) for line in lines]
    except FileNotFoundError as error:
        raise NotFound(f"there is no transcript of the diagnosis {diagnosis_id}", path=path) from error
    except (OSError, zstandard.ZstdError, ValueError) as error:
        raise UnreadableFile(f"this transcript cannot be read ({error})", path=path) from error


def storable(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis itself; or, if it holds halves of surrogate pairs, a copy with U+FFFD in their place."""
    try:
        diagnosis.model_dump_json()
    except PydanticSerializationError:
        return Diagnosis.model_validate(clean(diagnosis.model_dump()))
    return diagnosis


def known_pass(cursor: duckdb.DuckDBPyConnection, diagnosis_id: str) -> tuple[int | None] | None:
    """Pass number of a stored diagnosis, in a tuple; None: it is not stored."""
    found = "SELECT pass_number FROM diagnosis WHERE diagnosis_id = ?"
    rows: list[tuple[int | None]] = cursor.execute(found, [diagnosis_id]).fetchall()
    return rows[0] if rows else None


def check_steps(cursor: duckdb.DuckDBPyConnection, diagnosis: Diagnosis) -> str:
    """That the run is there with every step that the diagnosis speaks of; returns the hash of its evidence.

    Raises NotFound."""
    found = "SELECT step_count, evidence_hash FROM run WHERE run_id = ?"
    rows = cursor.execute(found, [diagnosis.run_id]).fetchall()
    if not rows:
        raise NotFound(
            f"there is no run {diagnosis.run_id!r} in this workspace",
            remedy="It may have been diagnosed in another workspace, or before it was imported.",
        )
    ((step_count, evidence_hash),) = rows
    last = max(_steps_of(diagnosis), default=0)
    if last > step_count:
        raise NotFound(
            f"run {diagnosis.run_id!r} has {step_count} steps here, the diagnosis speaks of step {last}",
            remedy="The run was imported again with other evidence: diagnose it again.",
        )
    return str(evidence_hash)


def _steps_of(diagnosis: Diagnosis) -> Iterable[int]:
    for statements in (diagnosis.onset, diagnosis.findings, diagnosis.error_chain, diagnosis.decision_points):
        for statement in statements:
            yield statement.step_id
            yield from (citation.step_id for citation in statement.citations)
    yield from (stage.end_step_id for stage in diagnosis.stages)
    yield from diagnosis.read_steps


def put_diagnosis(
    cursor: duckdb.DuckDBPyConnection, diagnosis: Diagnosis, evidence_hash: str, request: str
) -> Diagnosed:
    """Write a diagnosis that is not stored yet, and its labels as a pass of their own."""
    pass_number = None if diagnosis.status == "failed" else _next_pass(cursor, diagnosis)
    events = as_label_events(diagnosis, pass_number) if pass_number is not None else []
    refused: list[Refused] = put_events(cursor, events)
    used = diagnosis.total_usage
    verdicts = [finding.verdict for finding in diagnosis.accepted]
    row = {
        "change": last_change(cursor) + 1,
        "diagnosis_id": diagnosis.diagnosis_id,
        "run_id": diagnosis.run_id,
        "evidence_hash": evidence_hash,
        "request": request,
        "model": diagnosis.model,
        "strategy": diagnosis.settings.strategy,
        "author": diagnosis.author,
        "pass_number": pass_number,
        "status": diagnosis.status,
        "status_reason": diagnosis.status_reason,
        "conclusion": diagnosis.conclusion,
        "onset": diagnosis.accepted_onset.step_id if diagnosis.accepted_onset else None,
        "incorrect": verdicts.count("incorrect"),
        "unuseful": verdicts.count("unuseful"),
        "unsupported": len(diagnosis.findings) - len(verdicts),
        "samples_finished": min(diagnosis.samples_finished, _LARGEST),
        "calls": min(used.calls, _LARGEST),
        "prompt_tokens": min(used.prompt_tokens, _LARGEST),
        "completion_tokens": min(used.completion_tokens, _LARGEST),
        "cached_tokens": min(used.cached_tokens, _LARGEST),
        "cost_usd": used.cost_usd if used.cost_usd is not None and math.isfinite(used.cost_usd) else None,
        "started_at": as_stored(diagnosis.started_at),
        "finished_at": as_stored(diagnosis.finished_at),
        "content": to_json(diagnosis.model_dump(mode="json")),
    }
    places = ", ".join(f"${name}" for name in row)
    cursor.execute(f"INSERT INTO diagnosis ({', '.join(row)}) VALUES ({places})", row)
    return Diagnosed("added", pass_number, tuple(refused))


def _next_pass(cursor: duckdb.DuckDBPyConnection, diagnosis: Diagnosis) -> int:
    ((highest,),) = cursor.execute(
        "SELECT coalesce(max(pass_number), 0) FROM ("
        "SELECT pass_number FROM diagnosis WHERE run_id = $run AND author = $author UNION ALL "
        "SELECT pass_number FROM label_event WHERE run_id = $run AND annotator = $author AND source = 'model')",
        {"run": diagnosis.run_id, "author": diagnosis.author},
    ).fetchall()
    return int(highest) + 1


def summaries(
    cursor: duckdb.DuckDBPyConnection,
    *,
    run_ids: Sequence[str] | None,
    authors: Sequence[str] | None,
    blind: Collection[str],
) -> list[DiagnosisSummary]:
    listed = {"run_id": run_ids, "author": authors}
    values = {column: list(wanted) for column, wanted in listed.items() if wanted is not None}
    where = " AND ".join(f"{column} IN (SELECT unnest(${column}))" for column in values) or "true"
    rows = cursor.execute(
        f"SELECT {', '.join(DiagnosisSummary._fields)} FROM ("
        "SELECT diagnosis.*, diagnosis.evidence_hash <> run.evidence_hash AS outdated "
        f"FROM diagnosis JOIN run USING (run_id)) WHERE {where} ORDER BY finished_at DESC, change DESC",
        values,
    ).fetchall()
    return [found for found in map(_summary, rows) if found.run_id not in blind]


def _summary(row: Sequence[Any]) -> DiagnosisSummary:
    found = DiagnosisSummary._make(row)
    return found._replace(
        started_at=found.started_at.replace(tzinfo=UTC), finished_at=found.finished_at.replace(tzinfo=UTC)
    )


def diagnosis_in(cursor: duckdb.DuckDBPyConnection, diagnosis_id: str) -> Diagnosis:
    """Raises NotFound, or UnreadableFile for one of another version."""
    found = whole(cursor, [diagnosis_id])
    if not found:
        raise NotFound(f"there is no diagnosis {diagnosis_id!r} in this workspace")
    return found[diagnosis_id]


def whole(cursor: duckdb.DuckDBPyConnection, diagnosis_ids: Sequence[str]) -> dict[str, Diagnosis]:
    """Diagnoses by id, those that are there. Raises UnreadableFile for one of another version."""
    rows = cursor.execute(
        "SELECT diagnosis_id, content FROM diagnosis WHERE diagnosis_id IN (SELECT unnest(?))", [list(diagnosis_ids)]
    ).fetchall()
    return {diagnosis_id: _parsed(diagnosis_id, content) for diagnosis_id, content in rows}


def _parsed(diagnosis_id: str, content: str) -> Diagnosis:
    try:
        return Diagnosis.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableFile(
            f"the diagnosis {diagnosis_id} was stored by another version ({error.errors()[0]['msg']})"
        ) from error


def insights_in(
    cursor: duckdb.DuckDBPyConnection,
    agent: str | None = None,
    enabled: bool | None = None,
    ids: Sequence[str] | None = None,
) -> list[Insight]:
    """Insights in force, by agent and age; ``ids`` finds also those that made room for others."""
    conditions = ["insight_id IN (SELECT unnest($ids))" if ids is not None else "dropped_at IS NULL"]
    values: dict[str, Any] = {} if ids is None else {"ids": list(ids)}
    for column, wanted in {"agent": agent, "enabled": enabled}.items():
        if wanted is not None:
            conditions.append(f"{column} = ${column}")
            values[column] = wanted
    rows = cursor.execute(
        f"SELECT {_INSIGHT} FROM insight WHERE {' AND '.join(conditions)} ORDER BY agent, created_at, insight_id",
        values,
    ).fetchall()
    return [_insight(row) for row in rows]


def _insight(row: Sequence[Any]) -> Insight:
    given = dict(zip(Insight.model_fields, row, strict=True))
    return Insight.model_validate(given | {"created_at": given["created_at"].replace(tzinfo=UTC)})


def put_insights(cursor: duckdb.DuckDBPyConnection, insights: Sequence[Insight]) -> Learned:
    """Keep what ``memory.admit`` admits beside what is known; one that was ever stored changes nothing."""
    given = [Insight.model_validate(clean(one.model_dump())) for one in insights]
    stored = {one.insight_id for one in insights_in(cursor, ids=[one.insight_id for one in given])}
    new = list({one.insight_id: one for one in given if one.insight_id not in stored}.values())
    change = last_change(cursor) + 1
    learned = Learned()
    for agent in dict.fromkeys(one.agent for one in new):
        about = [one for one in new if one.agent == agent]
        admission = admit(about, insights_in(cursor, agent))
        learned += Learned(admission.admitted, admission.dropped, admission.refused)
        for one in admission.admitted:
            row = one.model_dump() | {"created_at": as_stored(one.created_at), "change": change}
            places = ", ".join(f"${name}" for name in row)
            cursor.execute(f"INSERT INTO insight ({', '.join(row)}) VALUES ({places})", row)
        cursor.execute(
            "UPDATE insight SET dropped_at = $now, change = $change WHERE insight_id IN (SELECT unnest($ids))",
            {
                "now": as_stored(datetime.now(UTC)),
                "change": change,
                "ids": [one.insight_id for one in admission.dropped],
            },
        )
    return learned


def change_insight(
    cursor: duckdb.DuckDBPyConnection, insight_id: str, person: str, text: str | None, enabled: bool | None
) -> Insight:
    """Raises NotFound, CodeTracerError for a text that is no insight."""
    found = insights_in(cursor, ids=[insight_id])
    if not found:
        raise NotFound(f"there is no insight {insight_id!r} in this workspace")
    before = found[0]
    if text is not None and text != before.text:
        text = clean(text).strip()
        others = [one for one in insights_in(cursor, before.agent) if one.insight_id != insight_id]
        if reason := why_not_kept(text, others):
            raise CodeTracerError(reason)
    after = before.model_copy(
        update={
            "text": before.text if text is None else text,
            "enabled": before.enabled if enabled is None else enabled,
            "author": person,
            "by_person": True,
        }
    )
    cursor.execute(
        "UPDATE insight SET change = $change, text = $text, enabled = $enabled, author = $author, by_person = true, "
        "dropped_at = NULL WHERE insight_id = $insight_id",
        {"change": last_change(cursor) + 1, **after.model_dump(include={"insight_id", "text", "enabled", "author"})},
    )
    return after
