"""Many runs are replayed, one after the other, each from its own step; resumed where it was stopped."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from codetracer_core.diagnosing.running import Writer
from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import Model
from codetracer_core.models import Frozen, RunRecord
from codetracer_core.replay.making import plan_of
from codetracer_core.replay.models import ReplayOrder, ReplayStatus
from codetracer_core.replay.plan import checkpoint
from codetracer_core.replay.recording import ReplayEvent
from codetracer_core.replay.words import plan_words
from codetracer_core.replaying.choosing import Choice, advisor, choose_step
from codetracer_core.replaying.listing import Listed, listed_replays
from codetracer_core.replaying.running import replay_run, request_key
from codetracer_core.store import Reader

DONE: tuple[ReplayStatus, ...] = ("finished", "limit", "diverged")
"""What is not replayed again by the same order."""

OrderFor = Callable[[RunRecord, Choice], ReplayOrder]
"""Makes the order of one run. May raise CodeTracerError: then the run is skipped, with that reason."""


class BatchedReplay(Frozen):
    """What became of one run of a batch."""

    run_id: str
    status: ReplayStatus | Literal["skipped", "not started"]
    reason: str = ""
    step_id: int | None = None
    origin: str = ""
    """Where the step comes from."""
    solved: bool | None = None
    """The replay's outcome."""
    replay_id: str = ""
    new_run_id: str = ""
    was_done: bool = False
    """The same order had been carried out before; nothing was run this time."""
    usage: CallUsage = CallUsage()


class ForeseenReplay(Frozen):
    """What a batch would do with one run, before anything runs."""

    run_id: str
    step_id: int | None = None
    """None: nobody says where it went wrong."""
    origin: str = ""
    """Where the step comes from."""
    plan: str = ""
    """What would be done for the steps before, in words."""
    refused: str = ""
    """Why it would be skipped; empty: it would not."""
    was_done: bool = False
    """The same order has been carried out before, and would not be again."""


@dataclass(frozen=True)
class ReplayBatch:
    """What became of all of them, in the order in which they were named."""

    rows: tuple[BatchedReplay, ...]

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.rows:
            word = "done before" if row.was_done else row.status
            counts[word] = counts.get(word, 0) + 1
        return counts

    @property
    def usage(self) -> CallUsage:
        """Of the replays that were made this time."""
        return sum((row.usage for row in self.rows if not row.was_done), CallUsage())


def replay_all(
    reader: Reader,
    writer: Writer,
    run_ids: Sequence[str],
    order_for: OrderFor,
    model: Model | None = None,
    *,
    who: str | None = None,
    annotator: str = "",
    again: bool = False,
    total_cost_limit: float | None = None,
    on_item: Callable[[BatchedReplay], None] = lambda _: None,
    on_event: Callable[[str, ReplayEvent], None] = lambda _, __: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ReplayBatch:
    """Replay stored runs, each from the step that ``choose_step`` finds (``who``, ``annotator``).

    A run of which nobody says where it went wrong, or that cannot be replayed so, is skipped with the reason; one that
    fails stops no other. What the same order came to before is not done again, unless ``again``. Once
    ``total_cost_limit`` (US dollars) is spent no replay begins. ``on_event`` gets the run's id with each event.
    """
    earlier = {} if again else _done(reader)
    rows: list[BatchedReplay] = []
    spent = 0.0
    for run_id in dict.fromkeys(run_ids):
        if cancelled():
            row = BatchedReplay(run_id=run_id, status="not started", reason="the batch was cancelled")
        elif total_cost_limit is not None and spent >= total_cost_limit:
            limit = f"the limit of {total_cost_limit:.2f} USD for the whole batch was reached"
            row = BatchedReplay(run_id=run_id, status="not started", reason=limit)
        else:
            try:
                row = _one(reader, writer, run_id, order_for, model, who, annotator, earlier, on_event, cancelled)
            except CodeTracerError as error:
                row = BatchedReplay(run_id=run_id, status="skipped", reason=str(error))
            except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed row
                row = BatchedReplay(run_id=run_id, status="failed", reason=f"{type(error).__name__}: {error}")
        spent += row.usage.cost_usd or 0.0
        rows.append(row)
        on_item(row)
    return ReplayBatch(tuple(rows))


def foresee_all(
    reader: Reader,
    run_ids: Sequence[str],
    order_for: OrderFor,
    model: Model | None = None,
    *,
    who: str | None = None,
    annotator: str = "",
    again: bool = False,
) -> list[ForeseenReplay]:
    """What ``replay_all`` would do with each run, as far as that can be known without running or asking anything: not
    whether there is such an image or folder."""
    earlier = {} if again else _done(reader)
    return [_foreseen(reader, one, order_for, model, who, annotator, earlier) for one in dict.fromkeys(run_ids)]


def _foreseen(
    reader: Reader,
    run_id: str,
    order_for: OrderFor,
    model: Model | None,
    who: str | None,
    annotator: str,
    earlier: Collection[str],
) -> ForeseenReplay:
    told = ForeseenReplay(run_id=run_id)
    try:
        choice = choose_step(reader, run_id, who, annotator=annotator)
        told = told.model_copy(update={"step_id": choice.step_id, "origin": choice.origin})
        record = reader.load_run(run_id)
        told = told.model_copy(update={"plan": plan_words(checkpoint(record.trajectory, choice.step_id))})
        order, _, key = _ordered(reader, record, choice, order_for, model)
        if key in earlier:
            return told.model_copy(update={"was_done": True})
        plan_of(record.trajectory, order, model)
    except CodeTracerError as error:
        return told.model_copy(update={"refused": str(error)})
    except Exception as error:  # noqa: BLE001 - as in replay_all: one bad run never hides the others
        return told.model_copy(update={"refused": f"{type(error).__name__}: {error}"})
    return told


def _ordered(
    reader: Reader, record: RunRecord, choice: Choice, order_for: OrderFor, model: Model | None
) -> tuple[ReplayOrder, str, str]:
    """The order for a run, the diagnosis whose advice goes with it ("": none), and what names that order."""
    order = order_for(record, choice)
    advising = advisor(reader, record.run_id, choice.diagnosis_id) if order.agent and order.advice else None
    diagnosis_id = advising.diagnosis_id if advising else ""
    return order, diagnosis_id, request_key(record, order, model, diagnosis_id)


def _one(
    reader: Reader,
    writer: Writer,
    run_id: str,
    order_for: OrderFor,
    model: Model | None,
    who: str | None,
    annotator: str,
    earlier: dict[str, Listed],
    on_event: Callable[[str, ReplayEvent], None],
    cancelled: Callable[[], bool],
) -> BatchedReplay:
    choice = choose_step(reader, run_id, who, annotator=annotator)
    record = reader.load_run(run_id)
    order, diagnosis_id, key = _ordered(reader, record, choice, order_for, model)
    named = BatchedReplay(run_id=run_id, status="not started", step_id=choice.step_id, origin=choice.origin)
    if key in earlier:
        started = earlier[key].started
        outcome = next(
            (one.outcome for one in reader.replays([run_id]) if one.replay_id == started.replay_id), "unknown"
        )
        return named.model_copy(
            update={
                "status": started.status,
                "reason": started.reason,
                "solved": {"solved": True, "failed": False}.get(outcome),
                "replay_id": started.replay_id,
                "new_run_id": started.new_run_id,
                "was_done": True,
            }
        )
    result, new_run_id = replay_run(
        reader,
        writer,
        run_id,
        order,
        model,
        diagnosis_id=diagnosis_id or None,
        origin=choice.origin,
        on_event=lambda event: on_event(run_id, event),
        cancelled=cancelled,
    )
    return named.model_copy(
        update={
            "status": result.status,
            "reason": result.status_reason,
            "solved": result.outcome.solved,
            "replay_id": result.replay_id,
            "new_run_id": new_run_id,
            "usage": result.usage,
        }
    )


def _done(reader: Reader) -> dict[str, Listed]:
    """Replays by what was ordered."""
    found = listed_replays(reader.workspace)
    return {one.started.request: one for one in found if one.started.status in DONE and one.started.request}
