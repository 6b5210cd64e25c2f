"""Many runs: in threads, with a limit for all, resumed where it was stopped."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from codetracer_core.diagnosing.evidence import evidence_of
from codetracer_core.diagnosing.outputs import write_outputs
from codetracer_core.diagnosing.running import Writer, carry_out, learn, open_writer, request_key
from codetracer_core.diagnosing.state import DONE, BatchRow, State
from codetracer_core.diagnosis import Progress
from codetracer_core.diagnosis_models import CallUsage, Diagnosis, DiagnosisSettings, Insight, Profile
from codetracer_core.errors import CodeTracerError
from codetracer_core.export import folder_name
from codetracer_core.llm import Model
from codetracer_core.memory import MOST_CHARACTERS, chosen
from codetracer_core.models import RunRecord
from codetracer_core.store import DiagnosisSummary, Learned, Reader
from codetracer_core.store.rows import benchmark_name


@dataclass(frozen=True)
class BatchReport:
    """What became of all of them, in the order in which they were named."""

    rows: tuple[BatchRow, ...]
    learned: Learned = field(default_factory=Learned)
    notes: tuple[str, ...] = ()
    """What a person should know of the batch as a whole, in sentences."""

    @property
    def usage(self) -> CallUsage:
        """Of the runs that were diagnosed this time, replies from journals included."""
        return sum((row.usage for row in self.rows if not row.was_done), CallUsage())

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status; "done before" stands for those that were."""
        counts: dict[str, int] = {}
        for row in self.rows:
            word = "done before" if row.was_done else row.status
            counts[word] = counts.get(word, 0) + 1
        return counts


def batch(
    reader: Reader,
    writer: Writer,
    run_ids: Sequence[str],
    *,
    model: Model | None = None,
    settings: DiagnosisSettings | None = None,
    memory_characters: int = MOST_CHARACTERS,
    parallel: int = 1,
    total_cost_limit: float | None = None,
    again: bool = False,
    output: Path | None = None,
    profiles: Sequence[Profile] = (),
    on_item: Callable[[BatchRow], None] = lambda _: None,
    on_progress: Callable[[str, Progress], None] = lambda _, __: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> BatchReport:
    """Diagnose stored runs, ``parallel`` at a time; each is stored as soon as it is finished.

    * Resume: a run whose evidence this model diagnosed with these settings and prompts, completely or as far as its
      limits went, is not diagnosed again, unless ``again``. One that was killed, cancelled or cut off goes on where it
      was left, and no call is paid for twice.
    * The memory is that of the beginning for all runs, so that no result depends on their order; what they teach is
      kept at the end.
    * ``total_cost_limit`` (US dollars) covers all runs of this call and, with ``output``, those that its state file
      tells of. Once it is reached no run begins, and those that run are stopped as by ``cancelled``: a batch that is
      resumed with a higher limit finishes them.
    * With ``output`` each run has a folder of its ``profiles`` there, and ``STATE_FILE`` a row per run.
    * A run that cannot be diagnosed is a row ("failed") with the reason.

    ``on_item`` and ``on_progress`` (with the run's id) are called from the threads, ``on_item`` one at a time.
    """
    settings = settings or DiagnosisSettings()
    state = State(output, anew=again)
    known = [] if again else reader.diagnoses(run_ids)
    with ExitStack() as opened:
        if model is None:  # the rules take no time: the workspace is opened once for all of them
            writer = opened.enter_context(open_writer(writer))
        work = _Batch(
            reader=reader,
            writer=writer,
            model=model,
            settings=settings,
            memory=reader.insights(enabled=True) if settings.use_memory and model is not None else [],
            memory_characters=memory_characters,
            output=output,
            profiles=profiles,
            done={one.request: one for one in reversed(known) if one.request and one.status in DONE},
            state=state,
            spending=_Spending(total_cost_limit, state.paid),
            on_item=on_item,
            on_progress=on_progress,
            cancelled=cancelled,
        )
        try:
            rows = work.all_runs(list(dict.fromkeys(run_ids)), parallel)
        finally:
            learned = learn(reader, writer)
    return BatchReport(rows, learned, tuple(work.notes()))


@dataclass(frozen=True)
class _Batch:
    """What the threads of a batch share."""

    reader: Reader
    writer: Writer
    model: Model | None
    settings: DiagnosisSettings
    memory: Sequence[Insight]
    memory_characters: int
    output: Path | None
    profiles: Sequence[Profile]
    done: Mapping[str, DiagnosisSummary]
    """By request."""
    state: State
    spending: "_Spending"
    on_item: Callable[[BatchRow], None]
    on_progress: Callable[[str, Progress], None]
    cancelled: Callable[[], bool]
    stopped: threading.Event = field(default_factory=threading.Event)
    telling: threading.Lock = field(default_factory=threading.Lock)

    def all_runs(self, run_ids: Sequence[str], parallel: int) -> tuple[BatchRow, ...]:
        try:
            with ThreadPoolExecutor(max(1, parallel)) as threads:
                try:
                    return tuple(threads.map(self._one_run, run_ids))
                except BaseException:  # Ctrl-C, say: what runs is stopped and kept
                    self.stopped.set()
                    raise
        finally:
            self.state.tidy(run_ids)

    def _one_run(self, run_id: str) -> BatchRow:
        began = time.monotonic()
        row = BatchRow(run_id=run_id, status="not started", reason="the batch was cancelled")
        if not self._is_cancelled():
            try:
                row = self._diagnosed(run_id)
            except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed row
                reason = str(error) if isinstance(error, CodeTracerError) else f"{type(error).__name__}: {error}"
                row = BatchRow(run_id=run_id, status="failed", reason=reason)
        if not row.was_done:
            row = row.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
        row = row.model_copy(update={"paid_usd": self.spending.of(run_id)})
        with self.telling:
            self.state.put(row)
            try:
                self.on_item(row)
            except BaseException:
                self.stopped.set()
                raise
        return row

    def why_stop(self) -> str:
        """Why no run is to begin, and those that run are to end, in words; empty: there is no reason."""
        return "the batch was cancelled" if self._is_cancelled() else self.spending.why_stop()

    def _is_cancelled(self) -> bool:
        return self.stopped.is_set() or self.cancelled()

    def notes(self) -> Iterable[str]:
        if self.spending.limit is not None and self.spending.is_unknown:
            yield "The price of the model is not known: the limit of total cost could not be kept."

    def _diagnosed(self, run_id: str) -> BatchRow:
        record = self.reader.load_run(run_id)
        key = request_key(record, self.model, self.settings)
        named = BatchRow(run_id=run_id, traj_id=benchmark_name(record), status="not started", request=key)
        if key in self.done:
            return self._done_before(named, record, self.done[key].diagnosis_id)
        if before := self.state.done(run_id, key):
            return before.model_copy(update={"was_done": True})
        if reason := self.why_stop():
            return named.model_copy(update={"reason": reason})

        self.spending.begin(run_id, self.state.in_journal(run_id, key))

        def tell(progress: Progress) -> None:
            self.spending.tell(run_id, progress.usage)
            self.on_progress(run_id, progress)

        diagnosis, goes_on = carry_out(
            self.reader,
            self.writer,
            record,
            self.model,
            self.settings,
            chosen(self.memory, record.trajectory.agent, limit=self.memory_characters),
            on_progress=tell,
            cancelled=lambda: bool(self.why_stop()),
        )
        self.spending.tell(run_id, diagnosis.total_usage)
        row = _told(named, diagnosis).model_copy(update={"goes_on": goes_on})
        if diagnosis.status == "cancelled":
            row = row.model_copy(update={"reason": self.why_stop() or diagnosis.status_reason})
        return self._written(row, record, diagnosis) if diagnosis.status in DONE else row

    def _done_before(self, named: BatchRow, record: RunRecord, diagnosis_id: str) -> BatchRow:
        diagnosis = self.reader.diagnosis(diagnosis_id)
        return self._written(_told(named, diagnosis).model_copy(update={"was_done": True}), record, diagnosis)

    def _written(self, row: BatchRow, record: RunRecord, diagnosis: Diagnosis) -> BatchRow:
        if self.output is None:
            return row
        name = folder_name(row.traj_id or row.run_id)
        write_outputs(diagnosis, evidence_of(record), self.profiles, self.output / name, evidence=record.origin)
        return row.model_copy(update={"folder": name})


def _told(row: BatchRow, diagnosis: Diagnosis) -> BatchRow:
    return row.model_copy(
        update={
            "status": diagnosis.status,
            "reason": diagnosis.status_reason,
            "conclusion": diagnosis.conclusion,
            "diagnosis_id": diagnosis.diagnosis_id,
            "usage": diagnosis.total_usage,
        }
    )


class _Spending:
    """What a batch paid so far, in US dollars, over all tries."""

    def __init__(self, limit: float | None, before: Mapping[str, float]) -> None:
        self.limit = limit
        self.is_unknown = False
        self._before = dict(before)
        self._in_journal: dict[str, float] = {}
        self._now: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, run_id: str, in_journal: float) -> None:
        """A try of this run begins; replies for so much are in its journal, and were counted when they were paid."""
        with self._lock:
            self._in_journal[run_id] = in_journal

    def tell(self, run_id: str, usage: CallUsage) -> None:
        """What this try used so far."""
        with self._lock:
            if usage.cost_usd is None:
                self.is_unknown = True
            else:
                self._now[run_id] = max(0.0, usage.cost_usd - self._in_journal[run_id])

    def of(self, run_id: str) -> float:
        with self._lock:
            return self._before.get(run_id, 0.0) + self._now.get(run_id, 0.0)

    def why_stop(self) -> str:
        with self._lock:
            spent = sum(self._before.values()) + sum(self._now.values())
        if self.limit is None or spent < self.limit:
            return ""
        return f"the limit of {self.limit:.2f} USD for the whole batch was reached"
