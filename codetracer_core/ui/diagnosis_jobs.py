"""Diagnoses under way: threads of the server, seen from every session, gone with the server.

A job diagnoses one run or many. What is finished is in the store; a job only tells how far it is. Nothing here draws:
threads of jobs know no session.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import streamlit as st

from codetracer_core.diagnosis.progress import Progress
from codetracer_core.diagnosis_models import CallUsage, Diagnosis, DiagnosisStatus
from codetracer_core.errors import CodeTracerError, NotFound

AT_ONCE = 4
"""Jobs that run at the same time; more wait for their turn."""
MOST_TOLD = 200
"""Of what happened in one run, how much is remembered."""
MOST_ENDED = 30
"""Jobs that are over and still listed."""
_SECONDS_TO_END = 20.0
"""How long the end of the server waits for jobs to keep what they have."""

State = Literal["waiting", "running"] | DiagnosisStatus


@dataclass
class RunOfJob:
    """How far a job is with one run."""

    run_id: str
    task: str
    state: State = "waiting"
    words: str = ""
    """Why it is as it is, if there is something to say."""
    diagnosis_id: str = ""
    """Once it is stored."""
    usage: CallUsage = field(default_factory=CallUsage)
    told: deque[Progress] = field(default_factory=lambda: deque(maxlen=MOST_TOLD))

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")


@dataclass
class Job:
    """One order: these runs, by this model. Written by its own threads, read by every session."""

    made_with: str
    """Model, strategy, samples, in words."""
    who: str
    runs: Mapping[str, RunOfJob]
    """By run id, in their order."""
    job_id: str = field(default_factory=lambda: uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    problem: str = ""
    """Why the whole job ended early, in words."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def is_cancelled(self) -> bool:
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop; what it has until then is kept."""
        self._stop.set()

    def hear(self, run_id: str, progress: Progress) -> None:
        """Take note of what a run's diagnosis tells."""
        run = self.runs[run_id]
        if not run.is_over:
            run.state = "running"
            run.usage = progress.usage
        if progress.kind != "call":  # the calls so far are told by the usage
            run.told.append(progress)

    def keep(self, diagnosis: Diagnosis) -> None:
        """A diagnosis is made, and stored if it says anything."""
        self.end(diagnosis.run_id, diagnosis.status, diagnosis.status_reason, diagnosis.total_usage)
        if diagnosis.status != "failed":
            self.runs[diagnosis.run_id].diagnosis_id = diagnosis.diagnosis_id

    def end(self, run_id: str, state: State, words: str = "", usage: CallUsage | None = None) -> None:
        """What became of a run, and why."""
        run = self.runs[run_id]
        run.usage, run.words, run.state = usage or run.usage, words, state


class Jobs:
    """All jobs of this server."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="codetracer-diagnosis")
        self._futures: list[Future[None]] = []

    def start(self, job: Job, work: Callable[[Job], None]) -> None:
        """Have a thread do the work of a job, which it may end early by raising CodeTracerError."""
        with self._lock:
            ended = [one for one in self._jobs if one.ended_at is not None]
            for old in ended[: max(0, len(ended) - MOST_ENDED + 1)]:
                self._jobs.remove(old)
            self._jobs.append(job)
            self._futures = [one for one in self._futures if not one.done()]
            self._futures.append(self._pool.submit(_do, job, work))

    def all(self) -> list[Job]:
        """The newest first."""
        with self._lock:
            return self._jobs[::-1]

    def job(self, job_id: str) -> Job:
        """One of them. Raises NotFound."""
        for one in self.all():
            if one.job_id == job_id:
                return one
        raise NotFound("this job is not known to the server (any more)")

    def end(self) -> None:
        """Cancel all, and wait a while until they have kept what they have."""
        for one in self.all():
            one.cancel()
        wait_for(self._futures, timeout=_SECONDS_TO_END)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _do(job: Job, work: Callable[[Job], None]) -> None:
    try:
        work(job)
    except CodeTracerError as error:
        job.problem = str(error)
    except BaseException:
        # A mistake of ours: its text may hold anything, and the page tells it to everybody.
        job.problem = "an internal error ended it; the server's log tells more"
        traceback.print_exc()
        raise
    finally:
        for run in job.runs.values():
            if not run.is_over:
                words = job.problem or ("cancelled before it began" if job.is_cancelled() else "not reached")
                job.end(run.run_id, "cancelled" if job.is_cancelled() else "failed", words)
        job.ended_at = datetime.now(UTC)


@st.cache_resource(show_spinner=False, on_release=Jobs.end)
def jobs() -> Jobs:
    """The jobs of this server."""
    return Jobs()


def end_jobs() -> None:
    """The server ends: cancel what runs, so that what it has is kept."""
    jobs.clear()
