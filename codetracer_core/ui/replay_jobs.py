"""Replays under way on this server. What happens in them stands in their records, which outlive it."""

from dataclasses import dataclass
from pathlib import Path

from codetracer_core.errors import NotFound
from codetracer_core.replay.recording import Started, read_started
from codetracer_core.ui.jobs import Job, jobs


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
