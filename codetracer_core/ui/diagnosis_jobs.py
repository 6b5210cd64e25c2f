"""Diagnoses under way. A job diagnoses one run or many; what is finished is in the store."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from codetracer_core.diagnosis.progress import Progress
from codetracer_core.diagnosis_models import CallUsage, Diagnosis, DiagnosisStatus
from codetracer_core.ui.jobs import Job

MOST_TOLD = 200
"""Of what happened in one run, how much is remembered."""

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


@dataclass(kw_only=True)
class DiagnosisJob(Job):
    """One order: these runs, by this model."""

    made_with: str
    """Model, strategy, samples, in words."""
    runs: Mapping[str, RunOfJob]
    """By run id, in their order."""

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

    def settle(self) -> None:
        for run in self.runs.values():
            if not run.is_over:
                words = self.problem or ("cancelled before it began" if self.is_cancelled() else "not reached")
                self.end(run.run_id, "cancelled" if self.is_cancelled() else "failed", words)
