"""One stored run is replayed, and what comes of it is imported as a run of its own."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from codetracer_core.diagnosing.evidence import evidence_of
from codetracer_core.diagnosing.running import Writer, open_writer
from codetracer_core.llm import Model
from codetracer_core.models import RunRecord
from codetracer_core.replay.advice import advice_of
from codetracer_core.replay.making import make_replay, ready
from codetracer_core.replay.models import ReplayOrder, ReplayResult
from codetracer_core.replay.opening import prompts_version
from codetracer_core.replay.recording import ReplayEvent, Started
from codetracer_core.replaying.choosing import advisor
from codetracer_core.replaying.hiding import to_hide
from codetracer_core.replaying.storing import import_replay
from codetracer_core.replaying.sweeping import scratch_of, sweep
from codetracer_core.store import Reader
from codetracer_core.store.files import to_json


def replay_run(
    reader: Reader,
    writer: Writer,
    run_id: str,
    order: ReplayOrder,
    model: Model | None = None,
    *,
    diagnosis_id: str | None = None,
    origin: str = "",
    replay_id: str | None = None,
    on_event: Callable[[ReplayEvent], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[ReplayResult, str]:
    """Replay a stored run and import what comes of it; returns the result and the id of the new run, "" if it took not
    one step.

    If the order wants advice it is that of ``diagnosis_id``, else of the run's latest diagnosis with something to say;
    of none, if there is none, which ``ReplayOf.diagnosis_id`` tells. ``origin`` says where the step comes from.
    ``replay_id`` (else a new one) names the folder in ``Workspace.replays`` with log and record. Raises NotFound for an
    unknown run, and CodeTracerError before anything begins for an order that cannot be carried out (``ready``).
    """
    record = reader.load_run(run_id)
    trajectory = evidence_of(record)
    ready(trajectory, order, model)
    diagnosis = advisor(reader, run_id, diagnosis_id) if order.agent and order.advice else None
    advice = advice_of(diagnosis, order.step_id) if diagnosis is not None else ""
    name = replay_id or uuid4().hex
    folder = reader.workspace.replays / name
    with open_writer(writer) as store:
        sweep(store)
    started = Started(
        replay_id=name,
        run_id=run_id,
        order=order,
        diagnosis_id=diagnosis.diagnosis_id if diagnosis is not None and advice else "",
        origin=origin,
        request=request_key(record, order, model, diagnosis.diagnosis_id if diagnosis is not None else ""),
        started_at=datetime.now(UTC),
    )
    result = make_replay(
        trajectory,
        run_id,
        order,
        model,
        folder=folder,
        scratch=scratch_of(reader.workspace),
        hide=to_hide(reader.workspace, record),
        started=started,
        advice=advice,
        on_event=on_event,
        cancelled=cancelled,
    )
    return result, import_replay(writer, folder)


def request_key(record: RunRecord, order: ReplayOrder, model: Model | None, diagnosis_id: str) -> str:
    """Names an order: this evidence, replayed so, by this model with this advice and these prompts (hex)."""
    asked: list[Any] = [record.run_id, record.evidence_hash, order.model_dump(mode="json")]
    if order.agent and model is not None:
        asked += [model.name, diagnosis_id, prompts_version()]
    return hashlib.sha256(to_json(asked).encode(errors="replace")).hexdigest()[:40]
