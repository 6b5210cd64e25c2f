"""Imports of this server, one after the other, and those of the servers before it, each with what became of it.

``imports/<job id>.json`` in the workspace is written when an import begins, and again when it is over: so a report is
found again after the server was started anew, and of one that was killed it is told.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import streamlit as st
from pydantic import BaseModel, ConfigDict, ValidationError
from streamlit.runtime.uploaded_file_manager import UploadedFile

from codetracer_core.config import load_config
from codetracer_core.durable import write_durably
from codetracer_core.errors import CodeTracerError
from codetracer_core.importing import ImportReport, import_runs
from codetracer_core.store import Workspace
from codetracer_core.ui import identity
from codetracer_core.ui.jobs import Job, jobs
from codetracer_core.ui.uploads import kept
from codetracer_core.ui.workspace import open_store
from codetracer_core.words import number_of

MOST_KEPT = 20
"""Imports of a workspace that are kept; the oldest make room."""
WAS_KILLED = "The server ended while it was under way. Import it again: what is there already is not stored twice."
Begun = Callable[..., ImportReport]
"""``import_runs`` as this server calls it; what is to be read is still to say."""
_log = logging.getLogger(__name__)


class _Kept(BaseModel):
    """An import as its file tells it."""

    model_config = ConfigDict(frozen=True)

    who: str
    what: str
    started_at: datetime
    ended_at: datetime | None
    progress: tuple[int, int]
    problem: str
    report: ImportReport | None


@dataclass(kw_only=True)
class ImportJob(Job):
    """One order: the runs at or below some paths, or in files that a browser has sent."""

    lane: ClassVar[str] = "imports"
    what: str
    """What is imported, in words."""
    folder: Path | None = None
    """Where it is kept; None: nowhere."""
    progress: tuple[int, int] = (0, 0)
    """Runs and archives that were read, and of how many; folders that were looked through, and 0, before that."""
    report: ImportReport | None = None
    """Once it is over, unless it ended early."""

    def hear(self, done: int, total: int, path: str) -> None:
        """Take note of how far it is."""
        self.progress = done, total

    def settle(self) -> None:
        self.keep(datetime.now(UTC))

    def keep(self, ended_at: datetime | None) -> None:
        """Write down how it stands. Where that cannot be written, this server tells it all the same."""
        if self.folder is None:
            return
        told = _Kept(
            who=self.who,
            what=self.what,
            started_at=self.started_at,
            ended_at=ended_at,
            progress=self.progress,
            problem=self.problem,
            report=self.report,
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_durably(self.folder / f"{self.job_id}.json", lambda file: file.write(told.model_dump_json().encode()))
        except (OSError, CodeTracerError) as error:
            _log.warning("What became of an import cannot be kept: %s", error)


def imports(workspace: Workspace) -> list[ImportJob]:
    """Those of this server and those that were kept before it began, the newest first."""
    live = jobs().all(ImportJob)
    known = {job.job_id for job in live}
    return live + [job for job in _earlier(workspace.imports) if job.job_id not in known]


@st.cache_resource(max_entries=4, show_spinner=False)
def _earlier(folder: Path) -> list[ImportJob]:
    """Those that are kept, the newest first; read before this server writes any. A file that is not whole is no
    import."""
    found = []
    for path in folder.glob("*.json"):
        try:
            told = _Kept.model_validate_json(path.read_bytes())
            ended_at = told.ended_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, ValidationError) as error:
            _log.warning("What became of an import cannot be read: %s: %s", path, error)
            continue
        job = ImportJob(
            job_id=path.stem,
            who=told.who,
            what=told.what,
            started_at=told.started_at,
            ended_at=ended_at,
            has_begun=True,
            progress=told.progress,
            problem=told.problem if told.ended_at else WAS_KILLED,
            report=told.report,
        )
        job.over.set()
        found.append(job)
    return sorted(found, key=lambda job: job.started_at, reverse=True)


def import_paths(paths: Sequence[Path], manifest: Path | None = None) -> ImportJob:
    """Begin to import what lies on this machine. Raises NotAllowed."""

    def read(begun: Begun) -> ImportReport:
        return begun(paths, manifest=manifest)

    return _start(", ".join(map(str, paths)) + (f" with {manifest}" if manifest else ""), read)


def import_uploads(files: Sequence[UploadedFile]) -> ImportJob:
    """Begin to import what a browser has sent. Raises NotAllowed."""

    def read(begun: Begun) -> ImportReport:
        with tempfile.TemporaryDirectory(prefix="codetracer-upload-") as folder:
            uploads = Path(folder)
            return begun([kept(uploads, i, file) for i, file in enumerate(files)], uploads=uploads)

    return _start(files[0].name if len(files) == 1 else number_of(len(files), "upload"), read)


def _start(what: str, read: Callable[[Begun], ImportReport]) -> ImportJob:
    identity.require("lead")  # a path is read with the rights of the server
    store = open_store()
    imports(store.workspace)  # those of the servers before this one are read first

    def work(job: ImportJob) -> None:
        depth = load_config(None, store.workspace.folder).config.discovery.max_depth
        begun = partial(import_runs, store=store, max_depth=depth, progress=job.hear, cancelled=job.is_cancelled)
        job.report = read(begun)

    job = ImportJob(who=identity.person(), what=what, folder=store.workspace.imports)
    job.keep(None)
    jobs().start(job, work)
    by_age = sorted(store.workspace.imports.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for old in by_age[:-MOST_KEPT]:
        old.unlink(missing_ok=True)
    return job
