"""What of an import is new: which run a record is, and whether it says anything that is not stored yet."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from codetracer_core.models import RunRecord
from codetracer_core.store.results import Decisions, RunStatus
from codetracer_core.store.rows import benchmark_name, identity
from codetracer_core.store.workspace import Workspace


@dataclass(frozen=True)
class Known:
    """A stored run, as far as a record is compared with it."""

    content_id: str | None
    traj_id: str | None
    identity: tuple[str, str, int | None, str | None]
    intact: bool
    """Its file is there, with the size that it had."""


def known_runs(
    cursor: duckdb.DuckDBPyConnection, workspace: Workspace, records: Sequence[RunRecord]
) -> dict[str, Known]:
    """What is stored under the ids of the records, and of the same evidence under other ids."""
    columns = "evidence_hash, decisions_hash, declared_step_count, benchmark"
    rows = cursor.execute(
        f"SELECT run_id, content_id, traj_id, file, file_bytes, {columns} FROM run "
        "WHERE run_id IN (SELECT unnest(?)) OR content_id IN (SELECT unnest(?))",
        [[record.run_id for record in records], [record.content_id for record in records]],
    ).fetchall()
    known = {}
    for run_id, content_id, traj_id, file, size, *identified in rows:
        path = workspace.trajectories / file
        intact = path.exists() and path.stat().st_size == size
        known[run_id] = Known(content_id, traj_id, tuple(identified), intact)
    return known


def compare(
    records: Sequence[RunRecord], decisions: Sequence[Decisions], known: Mapping[str, Known]
) -> tuple[list[RunStatus], list[str], dict[str, tuple[RunRecord, Decisions]]]:
    """The status of each record, the id of its run here, and per run what is to be written; see ``Store.add_runs``."""
    known = dict(known)
    statuses: list[RunStatus] = []
    run_ids: list[str] = []
    changed: dict[str, tuple[RunRecord, Decisions]] = {}
    for record, decided in zip(records, decisions, strict=True):
        run_id = _id_here(record, known)
        before = known.get(run_id)
        run_ids.append(run_id)
        record = record.model_copy(update={"run_id": run_id})
        if before is not None:
            if before.intact and _lacks_its_row(record, before):
                statuses.append("unchanged")
                continue
            record = _completed(record, before)
            if before.intact and identity(record, decided) == before.identity:
                statuses.append("unchanged")
                continue
        statuses.append("added" if before is None else "replaced")
        known[run_id] = Known(record.content_id, benchmark_name(record), identity(record, decided), intact=True)
        changed[run_id] = (record, decided)
    return statuses, run_ids, changed


def _id_here(record: RunRecord, known: Mapping[str, Known]) -> str:
    """The record's own id, or the one under which its evidence is known already."""
    if record.run_id in known or record.content_id is None:
        return record.run_id
    same = (run_id for run_id, run in known.items() if run.content_id == record.content_id)
    name = benchmark_name(record)
    return next((run_id for run_id in same if name is None or known[run_id].traj_id in (None, name)), record.run_id)


def _lacks_its_row(record: RunRecord, before: Known) -> bool:
    """Does a known run come again, only without the benchmark row that helped to read it?"""
    same = record.content_id is not None and record.content_id == before.content_id
    return same and benchmark_name(record) is None and before.traj_id is not None


def _completed(record: RunRecord, before: Known) -> RunRecord:
    """The record with what is known of its benchmark row, where it comes without."""
    _, _, declared, benchmark = before.identity
    if record.declared_step_count is None:
        record = record.model_copy(update={"declared_step_count": declared})
    if record.benchmark is None and benchmark is not None:
        record = record.model_copy(update={"benchmark": json.loads(benchmark)})
    return record
