"""Imports under way on this server, one after the other. What is imported is in the store; a job has the report."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from streamlit.runtime.uploaded_file_manager import UploadedFile

from codetracer_core.config import load_config
from codetracer_core.importing import ImportReport, import_runs
from codetracer_core.ui import identity
from codetracer_core.ui.jobs import Job, jobs
from codetracer_core.ui.uploads import kept
from codetracer_core.ui.workspace import open_store
from codetracer_core.words import number_of

Begun = Callable[..., ImportReport]
"""``import_runs`` as this server calls it; what is to be read is still to say."""


@dataclass(kw_only=True)
class ImportJob(Job):
    """One order: the runs at or below some paths, or in files that a browser has sent."""

    lane: ClassVar[str] = "imports"
    what: str
    """What is imported, in words."""
    progress: tuple[int, int] = (0, 0)
    """Runs and archives that were read, and of how many; folders that were looked through, and 0, before that."""
    report: ImportReport | None = None
    """Once it is over, unless it ended early."""

    def hear(self, done: int, total: int, path: str) -> None:
        """Take note of how far it is."""
        self.progress = done, total


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

    def work(job: ImportJob) -> None:
        depth = load_config(None, store.workspace.folder).config.discovery.max_depth
        begun = partial(import_runs, store=store, max_depth=depth, progress=job.hear, cancelled=job.is_cancelled)
        job.report = read(begun)

    job = ImportJob(who=identity.person(), what=what)
    jobs().start(job, work)
    return job
