"""One run: load it, diagnose what may be seen of it, store what came out."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetracer_core.diagnosing.evidence import FolderRun, evidence_of
from codetracer_core.diagnosing.journals import journal, put_taught, taught
from codetracer_core.diagnosis import Made, Progress, diagnose
from codetracer_core.diagnosis.heuristic import diagnose_offline, rules_version
from codetracer_core.diagnosis.prompts import versions
from codetracer_core.diagnosis_models import HEURISTIC, Diagnosis, DiagnosisSettings, Insight
from codetracer_core.llm import Model
from codetracer_core.memory import MOST_CHARACTERS, chosen, why_not_general
from codetracer_core.models import RunRecord
from codetracer_core.store import Diagnosed, Inbox, Learned, Reader, Store, open_for_writing
from codetracer_core.store.files import to_json

Writer = Store | Inbox | Path
"""What takes a diagnosis in: a store, its inbox, or the folder of a workspace that is opened only for the moment."""

_OPENING = threading.Lock()
"""A process cannot open one database twice, not even to learn that another has it."""
_log = logging.getLogger(__name__)


def diagnose_run(
    reader: Reader,
    writer: Writer,
    run_id: str,
    *,
    model: Model | None = None,
    settings: DiagnosisSettings | None = None,
    memory_characters: int = MOST_CHARACTERS,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Diagnosis:
    """Diagnose a stored run, and store the diagnosis with transcript, labels and what it taught.

    Without a model the offline rules do it. What earlier diagnoses taught of this kind of agent goes in, at most
    ``memory_characters`` of it. Each reply of the model is on disk before it is used: after a kill, a cancel or a
    broken connection the same question goes on where it was left and pays for no call twice. A diagnosis that failed
    before the model said anything is returned, not stored. Raises NotFound for an unknown run.
    """
    settings = settings or DiagnosisSettings()
    record = reader.load_run(run_id)
    memory = _memory(reader.insights(enabled=True), record, settings, memory_characters)
    diagnosis, _ = carry_out(
        reader, writer, record, model, settings, memory, on_progress=on_progress, cancelled=cancelled
    )
    learn(reader, writer)
    return diagnosis


def diagnose_folder(
    run: FolderRun,
    *,
    model: Model | None = None,
    settings: DiagnosisSettings | None = None,
    insights: Sequence[Insight] = (),
    memory_characters: int = MOST_CHARACTERS,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Made:
    """Diagnose a run from its files, raw lines included; nothing is stored. ``insights``: all that are known."""
    if model is None:
        return Made(diagnose_offline(run.trajectory, run_id=run.run_id), ())
    settings = settings or DiagnosisSettings()
    return diagnose(
        run.trajectory,
        run_id=run.run_id,
        model=model,
        settings=settings,
        insights=chosen(insights, run.trajectory.agent, limit=memory_characters) if settings.use_memory else (),
        artifacts=run.artifacts,
        on_progress=on_progress,
        cancelled=cancelled,
    )


def request_key(record: RunRecord, model: Model | None, settings: DiagnosisSettings) -> str:
    """Names a question: this evidence, this model, these settings and prompts, or these rules (hex)."""
    asked: list[Any] = [record.run_id, record.evidence_hash]
    if model is None:
        asked += [HEURISTIC, rules_version()]
    else:
        asked += [model.name, settings.model_dump(mode="json"), versions(settings.strategy)]
    return hashlib.sha256(to_json(asked).encode(errors="replace")).hexdigest()[:40]


def carry_out(
    reader: Reader,
    writer: Writer,
    record: RunRecord,
    model: Model | None,
    settings: DiagnosisSettings,
    memory: Sequence[Insight],
    *,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> tuple[Diagnosis, bool]:
    """Diagnose and store one run; what it taught waits beside the journals for ``learn``.

    The second value tells whether its replies wait there too: it was cancelled or cut off, and goes on when it is asked
    for again.
    """
    trajectory = evidence_of(record)
    key = request_key(record, model, settings)
    if model is None:
        made = Made(diagnose_offline(trajectory, run_id=record.run_id), ())
        _store(writer, record, made, key)
        return made.diagnosis, False

    def is_stored(diagnosis_id: str) -> bool:
        return diagnosis_id in {one.diagnosis_id for one in reader.diagnoses([record.run_id])}

    journals = reader.workspace.journals
    with journal(journals, key, memory, is_stored) as kept:
        made = diagnose(
            trajectory,
            run_id=record.run_id,
            model=model,
            settings=settings,
            insights=kept.request.insights,
            on_progress=on_progress,
            cancelled=cancelled,
            diagnosis_id=kept.request.diagnosis_id,
            wrap=kept.wrap,
        )
        diagnosis = made.diagnosis
        if diagnosis.status == "failed" and not diagnosis.total_usage.calls:
            kept.delete()
            return diagnosis, False  # nothing was said, nothing was paid
        broken = diagnosis.status == "cancelled" or (made.lost_model and diagnosis.status != "complete")
        general = [one for one in made.insights if not why_not_general(one.text, trajectory)]
        put_taught(journals, diagnosis.diagnosis_id, general if not broken else [])
        added = _store(writer, record, made, "" if broken else key)
        if broken:
            kept.keep_for_another()
        elif added.status != "queued":  # what only waits to be taken in is not seen by the next who asks
            kept.delete()
        return diagnosis, broken


def learn(reader: Reader, writer: Writer) -> Learned:
    """Keep what diagnoses taught since the last time, as far as it is new and has room."""
    with taught(reader.workspace.journals) as insights:
        if not insights:
            return Learned()
        with open_writer(writer) as store:
            return store.add_insights(insights)


@contextmanager
def open_writer(writer: Writer) -> Iterator[Store | Inbox]:
    if isinstance(writer, Path):
        with _OPENING, open_for_writing(writer) as opened:
            yield opened
    else:
        yield writer


def _memory(insights: Sequence[Insight], record: RunRecord, settings: DiagnosisSettings, limit: int) -> list[Insight]:
    return chosen(insights, record.trajectory.agent, limit=limit) if settings.use_memory else []


def _store(writer: Writer, record: RunRecord, made: Made, key: str) -> Diagnosed:
    with open_writer(writer) as store:
        added = store.add_diagnosis(made.diagnosis, made.transcript, evidence_hash=record.evidence_hash, request=key)
    for one in added.refused:
        _log.warning("A label of diagnosis %s was refused: %s", made.diagnosis.diagnosis_id, one.reason)
    return added
