"""Extractor specs that models are writing, and folders that they look for: what is under way, and how it is begun."""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.config import load_config
from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.extractors.candidates import candidate_folders
from codetracer_core.extractors.generator import Progress, Proposed, propose, repair
from codetracer_core.extractors.registry import Version
from codetracer_core.llm import Model
from codetracer_core.store import default_workspace
from codetracer_core.ui import identity
from codetracer_core.ui.diagnosis_order import opened_model
from codetracer_core.ui.jobs import Job, jobs

MOST_TOLD = 200


@dataclass(frozen=True)
class Told:
    """One line of a job's log."""

    at: datetime
    kind: str
    words: str


@dataclass(frozen=True)
class Asking:
    """Which model is asked, and how often and how dearly at most."""

    model: str
    api_base: str | None
    attempts: int = 4
    ceiling: float | None = None
    """In US dollars; None: no limit."""


@dataclass(kw_only=True)
class TeachingJob(Job):
    """One order: describe the format of a folder, repair a spec on it, or find the folders of runs below it."""

    folder: Path
    model: str
    repairs: str = ""
    """The name of the extractor that is repaired."""
    finds: bool = False
    """Run folders are looked for; no spec is written."""
    proposed: Proposed | None = None
    candidates: tuple[tuple[Path, str], ...] = ()
    """Folders that were found, each with why."""
    usage: CallUsage = field(default_factory=CallUsage)
    told: deque[Told] = field(default_factory=lambda: deque(maxlen=MOST_TOLD))

    def tell(self, words: str, kind: str = "note") -> None:
        self.told.append(Told(datetime.now(UTC), kind, words))

    def hear(self, progress: Progress) -> None:
        """Take note of what is told while a spec is written."""
        self.usage = progress.usage
        match progress.kind:
            case "shown":
                self.tell(f"is shown {progress.text}")
            case "looked":
                self.tell(f"looks at {progress.text}")
            case "judged":
                self.tell(f"proposal {progress.attempt}: {progress.text}", "phase")
            case "ended":
                self.tell(progress.text, "finished")
            case "asked" | "proposed":  # the calls so far are told by the usage, a proposal by how it was judged
                pass

    def settle(self) -> None:
        if self.problem:
            self.tell(self.problem, "warning")


def propose_for(folder: Path, asking: Asking, taken: Collection[str]) -> TeachingJob:
    """Have a model describe the format of the runs at or below a folder, under a name that is not ``taken``. Raises
    NotAllowed."""

    def work(job: TeachingJob, model: Model) -> None:
        job.proposed = propose(
            folder,
            model,
            attempts=asking.attempts,
            ceiling=asking.ceiling,
            taken=taken,
            on_progress=job.hear,
            cancelled=job.is_cancelled,
        )

    return _start(TeachingJob(who=_lead(), folder=folder, model=asking.model), asking, work)


def repair_on(version: Version, folder: Path, asking: Asking) -> TeachingJob:
    """Have a model change an extractor so that it fits a folder (again), and what it used to fit. Raises NotAllowed."""

    def work(job: TeachingJob, model: Model) -> None:
        job.proposed = repair(
            version.spec,
            folder,
            model,
            attempts=asking.attempts,
            ceiling=asking.ceiling,
            also=[Path(version.facts.origin)] if version.facts.origin else (),
            accepted=version.facts.fit,
            on_progress=job.hear,
            cancelled=job.is_cancelled,
        )

    job = TeachingJob(who=_lead(), folder=folder, model=asking.model, repairs=version.name)
    return _start(job, asking, work)


def look_for_runs(root: Path, asking: Asking) -> TeachingJob:
    """Have a model name the folders below ``root`` that look like runs. Raises NotAllowed."""

    def work(job: TeachingJob, model: Model) -> None:
        found = candidate_folders(root, model, ceiling=asking.ceiling, cancelled=job.is_cancelled)
        job.candidates, job.usage, job.problem = found.folders, found.usage, found.problem
        for refused in found.refused:
            job.tell(f"refused: {refused}", "warning")

    return _start(TeachingJob(who=_lead(), folder=root, model=asking.model, finds=True), asking, work)


def _lead() -> str:
    identity.require("lead")  # a folder is read with the rights of the server
    return identity.person()


def _start(job: TeachingJob, asking: Asking, work: Callable[[TeachingJob, Model], None]) -> TeachingJob:
    config = load_config(None, default_workspace()).config

    def do(job: TeachingJob) -> None:
        model = opened_model(asking.model, asking.api_base, config)
        if model is None:
            raise CodeTracerError("the offline rules cannot write a spec", remedy="Choose a language model.")
        if not job.folder.exists():
            raise NotFound("there is nothing here", path=job.folder, remedy="Check the path.")
        work(job, model)

    jobs().start(job, do)
    return job
