"""Long work for people: threads of the server, seen from every session, gone with the server.

What such work makes is kept where it belongs; a job only tells how far it is. Nothing here draws: threads of jobs know
no session.
"""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, TypeVar
from uuid import uuid4

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotAllowed, NotFound
from codetracer_core.ui import identity

_AT_ONCE = {"models": 4, "imports": 1}
"""Jobs of each lane that run at the same time; more wait for their turn, but never for those of another lane."""
MOST_ENDED = 30
"""Jobs of one kind that are over and still listed."""
_SECONDS_TO_END = 20.0
"""How long the end of the server waits for jobs to keep what they have."""


@dataclass(kw_only=True)
class Job:
    """One order: its threads write it, every session reads it. What it is about is told by its kind, a subclass."""

    lane: ClassVar[str] = "models"
    """Which jobs it waits for."""
    who: str
    """Who ordered it."""
    job_id: str = field(default_factory=lambda: uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    has_begun: bool = False
    """Else it waits for its turn."""
    ended_at: datetime | None = None
    problem: str = ""
    """Why the whole job ended early, in words."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set last of all: whoever waits for it finds everything in its place."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def is_cancelled(self) -> bool:
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop; what it has until then is kept."""
        self._stop.set()

    @property
    def seconds(self) -> float:
        """That it has taken, so far or in all."""
        return ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()

    def settle(self) -> None:
        """Its work is over, whatever ended it: say so of every part that is not."""


J = TypeVar("J", bound=Job)


class Jobs:
    """All jobs of this server."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self._pools = {
            lane: ThreadPoolExecutor(at_once, thread_name_prefix=f"codetracer-{lane}")
            for lane, at_once in _AT_ONCE.items()
        }
        self._futures: list[Future[None]] = []

    def start(self, job: J, work: Callable[[J], None]) -> None:
        """Have a thread do the work of a job, which it may end early by raising CodeTracerError."""
        with self._lock:
            ended = [one for one in self._jobs if one.ended_at is not None and type(one) is type(job)]
            for old in ended[: max(0, len(ended) - MOST_ENDED + 1)]:
                self._jobs.remove(old)
            self._jobs.append(job)
            self._futures = [one for one in self._futures if not one.done()]
            self._futures.append(self._pools[job.lane].submit(_do, job, work))

    def all(self, kind: type[J]) -> list[J]:
        """Those of this kind, the newest first."""
        with self._lock:
            return [job for job in self._jobs[::-1] if isinstance(job, kind)]

    def job(self, job_id: str) -> Job:
        """One of them. Raises NotFound."""
        for one in self.all(Job):
            if one.job_id == job_id:
                return one
        raise NotFound("this job is not known to the server (any more)")

    def end(self) -> None:
        """Cancel all, and wait a while until they have kept what they have."""
        for one in self.all(Job):
            one.cancel()
        wait_for(self._futures, timeout=_SECONDS_TO_END)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _do(job: J, work: Callable[[J], None]) -> None:
    job.has_begun = True
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
        job.settle()
        job.ended_at = datetime.now(UTC)
        job.over.set()


@st.cache_resource(show_spinner=False, on_release=Jobs.end)
def jobs() -> Jobs:
    """The jobs of this server."""
    return Jobs()


def end_jobs() -> None:
    """The server ends: cancel what runs, so that what it has is kept."""
    jobs.clear()


def cancel(job_id: str) -> None:
    """Stop a job, for whoever started it and for leads. Raises NotFound, NotAllowed."""
    job = jobs().job(job_id)
    if not may_cancel(job):
        raise NotAllowed("a job is cancelled by who started it, or by a lead")
    job.cancel()


def may_cancel(job: Job) -> bool:
    return identity.person() == job.who or identity.may("lead")
