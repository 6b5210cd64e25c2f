"""Replays under way on this server, one or a batch. What happens in them stands in their records, which outlive it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import NotFound
from codetracer_core.replay.recording import ReplayEvent, Started, read_started
from codetracer_core.replaying import BatchedReplay
from codetracer_core.ui.jobs import Job, jobs
from codetracer_core.words import outcome_alone


@dataclass(kw_only=True)
class ReplayJob(Job):
    """One replay of one run."""

    ordered: Started
    """As it was ordered: its record is there once it has begun."""

    @property
    def replay_id(self) -> str:
        return self.ordered.replay_id

    def as_it_stands(self) -> Started:
        """What there is to say before there is a record, or without one."""
        if self.ended_at is None:
            return self.ordered
        status = "cancelled" if self.is_cancelled() and not self.problem else "failed"
        return self.ordered.model_copy(update={"status": status, "reason": self.problem, "ended_at": self.ended_at})


@dataclass
class RunOfBatch:
    """How far a batch is with one run."""

    run_id: str
    task: str
    state: str = "waiting"
    """*waiting*, *running*, or what became of it: the status of its ``BatchedReplay``."""
    words: str = ""
    """What is done now; once it is over the outcome, and why it is as it is."""
    replay_id: str = ""
    """Once it is over."""
    usage: CallUsage = field(default_factory=lambda: CallUsage(calls=0))

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")


@dataclass(kw_only=True)
class ReplayBatchJob(Job):
    """One order for many runs, one after the other."""

    made_with: str
    """Where, and who goes on, in words."""
    runs: Mapping[str, RunOfBatch]
    """By run id, in their order."""

    def hear(self, run_id: str, event: ReplayEvent) -> None:
        """Take note of what a run's replay tells."""
        run = self.runs[run_id]
        run.state = "running"
        run.usage = event.usage or run.usage
        if event.replayed is not None:
            run.words = f"step {event.replayed.step_id} was run again"
        elif event.step is not None:
            run.words = f"the model took step {event.step.step_id}"
        elif event.kind == "phase":
            run.words = event.text

    def keep(self, row: BatchedReplay) -> None:
        """What became of a run."""
        run = self.runs[row.run_id]
        outcome = outcome_alone(row.solved) if row.replay_id else ""
        before = "was replayed so before" if row.was_done else ""
        run.words = " · ".join(filter(None, (outcome, before, row.reason)))
        run.replay_id, run.usage, run.state = (
            row.replay_id,
            CallUsage(calls=0) if row.was_done else row.usage,
            row.status,
        )

    def settle(self) -> None:
        for run in self.runs.values():
            if not run.is_over:
                run.words = self.problem or "the batch was cancelled"
                run.state = "cancelled" if self.is_cancelled() else "failed"


def job_of(replay_id: str) -> ReplayJob | None:
    """The job that makes a replay; None: it was started elsewhere, or long ago."""
    return next((job for job in jobs().all(ReplayJob) if job.replay_id == replay_id), None)


def replay_named(replays: Path, replay_id: str) -> Started:
    """A replay by its record, or by its job where it has none (yet). Raises NotFound, CodeTracerError."""
    job = job_of(replay_id)
    try:
        return read_started(replays / Path(replay_id).name)
    except NotFound:
        if job is None:
            raise
        return job.as_it_stands()
