"""The verbs on extractors that need the workspace's runs: accept one and import what it reads; which runs it read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codetracer_core.extractors.checks import Judged
from codetracer_core.extractors.fit_log import FitEntry, fits_of
from codetracer_core.extractors.registry import Extractor, Version, registered, save
from codetracer_core.extractors.spec import ExtractorSpec
from codetracer_core.importing import ImportReport, Progress, import_runs
from codetracer_core.store import Inbox, Reader, Store
from codetracer_core.store.results import RunSummary
from codetracer_core.store.workspace import workspace_at


@dataclass(frozen=True)
class Taught:
    """A spec that was accepted, and what came in with it."""

    version: Version
    report: ImportReport


@dataclass(frozen=True)
class Used:
    """An extractor with the runs that it has read, and what is known of how it fits them."""

    extractor: Extractor
    runs: tuple[RunSummary, ...]
    fits: tuple[FitEntry, ...]

    @property
    def drifted(self) -> tuple[FitEntry, ...]:
        """Runs that the active version reads clearly worse than when it was accepted, newest first."""
        entries = [entry for entry in reversed(self.fits) if entry.version == self.extractor.active]
        return tuple(entry for entry in entries if entry.drift or entry.fit.is_empty)

    def runs_of(self, version: int) -> tuple[RunSummary, ...]:
        return tuple(run for run in self.runs if run.view == view_of(version))


def view_of(version: int) -> str:
    """The view under which a run stands that was read by this version."""
    return f"v{version}"


def used(reader: Reader | None, workspace: Path) -> tuple[Used, ...]:
    """Every extractor of the workspace by name, with the imported runs that it has read and its log of fits.

    ``reader``: None if nothing was imported yet."""
    extractors = registered(workspace)
    runs: dict[str, list[RunSummary]] = {}
    for run in reader.runs(formats=[extractor.name for extractor in extractors]) if reader and extractors else []:
        runs.setdefault(run.format, []).append(run)
    return tuple(Used(one, tuple(runs.get(one.name, ())), fits_of(workspace, one.name)) for one in extractors)


def used_in(workspace: Path) -> tuple[Used, ...]:
    """``used``, whoever has the workspace open."""
    if not workspace_at(workspace).database.exists():
        return used(None, workspace)
    with Store.open_for_reading(workspace) as reader:
        return used(reader, workspace)


def teach(
    store: Store | Inbox,
    spec: ExtractorSpec,
    *,
    made_by: str,
    folder: Path | None,
    judged: Judged | None = None,
    import_from: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> Taught:
    """Accept the spec as the next version of its name, with what it makes of ``folder`` (None: it was tried on none),
    and import the runs there, or in ``import_from`` (an empty list imports nothing).

    Raises SpecError for the name of a built-in format."""
    version = save(store.workspace.folder, spec, made_by=made_by, judged=judged, folder=folder)
    paths = list(import_from) if import_from is not None else [folder] if folder is not None else []
    report = import_runs(paths, store=store, format=spec.name, progress=progress) if paths else ImportReport(())
    return Taught(version, report)
