"""What there is to import: the runs below the given paths, each with its manifest row if it has one."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from codetracer_core.archives import is_archive
from codetracer_core.benchmark import BenchmarkRow, Manifest, find_artifacts, is_manifest, read_manifest
from codetracer_core.discovery import MAX_DEPTH, SKIPPED_FOLDERS, discover
from codetracer_core.errors import AmbiguousFormat, CodeTracerError, UnknownFormat
from codetracer_core.extractors.fit_log import FitEntry
from codetracer_core.importing.report import REPORT_IT, ImportItem, unexpected
from codetracer_core.parsers import PARSERS, Format, RunLocation

_MANIFEST_DEPTH = 2

Progress = Callable[[int, int, str], None]
"""Hears (done, total, path). While folders are still being looked through, total is 0 and done counts them;
path is empty before the first is read."""


@dataclass(frozen=True)
class Place:
    """Where evidence is read, and the rules for it."""

    format: str | None
    collection: str
    ceiling: Path | None = None
    shown_as: str = ""
    """The archive that was unpacked into ``ceiling``: paths are shown as if they lay in it."""
    max_depth: int = MAX_DEPTH
    formats: Sequence[Format] = PARSERS
    heard: list[tuple[str, FitEntry]] = field(default_factory=list, compare=False)
    """What ``formats`` told of how well they fitted: of taught ones, the name and the entry for its log."""
    cancelled: Callable[[], bool] = field(default=lambda: False, compare=False)
    """Asked before each folder that is looked through and each run that is read."""

    def named(self, path: Path) -> "Place":
        """This place with a collection: if it has none, the name of the folder, manifest or archive."""
        if self.collection:
            return self
        path = path.resolve()
        if path.is_file() and not is_archive(path) and not is_manifest(path):
            path = path.parent
        return replace(self, collection=path.stem.removesuffix(".tar") if path.is_file() else path.name)

    def shown(self, text: str) -> str:
        return text.replace(str(self.ceiling), self.shown_as) if self.shown_as else text


@dataclass(frozen=True)
class Task:
    """One thing to read: a run, or an archive with all that is in it."""

    source: RunLocation | Path
    place: Place
    row: BenchmarkRow | None = None
    manifest: str = ""

    @property
    def path(self) -> str:
        return self.place.shown(str(self.source) if isinstance(self.source, Path) else self.source.path)

    def failed(self, error: Exception) -> ImportItem:
        declared = self.row.step_count if self.row else None
        return replace(failed_item(self.path, error, self.place), declared_step_count=declared)


@dataclass(frozen=True)
class Plan:
    tasks: list[Task] = field(default_factory=list)
    items: list[ImportItem] = field(default_factory=list)
    joined: set[Path] = field(default_factory=set)
    """Resolved places of runs that belong to a manifest row."""
    rows: dict[str, str] = field(default_factory=dict)
    """Rows that have their run: the manifest by ``traj_id``."""
    passed_over: list[str] = field(default_factory=list)
    """Folders beside runs, with files that no format recognises."""

    def has_joined(self, place: Path) -> bool:
        if not self.joined:
            return False
        place = place.resolve()
        return place in self.joined or any(parent in self.joined for parent in place.parents)


def failed_item(path: str, error: Exception, place: Place) -> ImportItem:
    if isinstance(error, CodeTracerError):
        where = ", ".join(part for part in (error.path if error.path != path else "", error.place) if part)
        reason = f"{where}: {error.reason}" if where and place.shown(where) != path else error.reason
        return ImportItem(path, "failed", place.shown(reason), place.shown(error.remedy))
    return ImportItem(path, "failed", place.shown(unexpected(error)), REPORT_IT)


def plan_import(paths: Sequence[Path], manifest: Path | None, place: Place, progress: Progress | None) -> Plan:
    """What to read, in path order, and what can be told without reading. Once cancelled it is not whole."""
    plan = Plan()
    paths = list({path.resolve(): path for path in paths}.values())
    listed = [path for path in paths if path.is_file() and is_manifest(path)]
    given = [path for path in paths if path not in listed]
    if manifest is not None:
        _plan_rows(read_manifest(manifest), [*given, manifest.parent], place.named(manifest), plan)
    for file in listed:
        _plan_found_manifest(file, [*given, file.parent], place.named(file), plan)
    for path in given:
        named = place.named(path)
        try:
            manifests = list(_manifests_below(path)) if manifest is None and path.is_dir() else []
            for file in manifests:
                _plan_found_manifest(file, [path], named, plan)
            if not _plan_path(path, manifest is not None, named, plan, progress) and not manifests:
                item = failed_item(place.shown(str(path)), _nothing(path), place)
                plan.items.append(item if place.shown_as else replace(item, to_do="describe"))
        except Exception as error:  # noqa: BLE001 - one bad path never stops the others; it becomes a failed item
            plan.items.append(failed_item(place.shown(str(path)), error, place))
    return plan


def _plan_found_manifest(file: Path, roots: Sequence[Path], place: Place, plan: Plan) -> None:
    try:
        _plan_rows(read_manifest(file), roots, place, plan)
    except CodeTracerError as error:
        plan.items.append(failed_item(place.shown(str(file)), error, place))


def _manifests_below(folder: Path, depth: int = 0) -> Iterator[Path]:
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError:  # discovery meets it, too, and tells
        return
    yield from (Path(entry.path) for entry in entries if "manifest" in entry.name and is_manifest(Path(entry.path)))
    if depth < _MANIFEST_DEPTH:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED_FOLDERS:
                yield from _manifests_below(Path(entry.path), depth + 1)


def _plan_rows(manifest: Manifest, roots: Sequence[Path], place: Place, plan: Plan) -> None:
    """Join each row of a manifest to its run."""
    shown = place.shown(str(manifest.path))
    for problem in manifest.problems:
        plan.items.append(ImportItem(f"{shown}, {problem.place}", "failed", problem.reason, problem.remedy))
    artifacts = _artifacts_of(manifest, roots)
    for row in manifest.rows:
        if place.cancelled():
            return
        path = artifacts.get(row.traj_id)
        if row.traj_id in plan.rows:
            reason = f"a row of {plan.rows[row.traj_id]}, too"
            plan.items.append(ImportItem(f"{shown}#{row.traj_id}", "skipped", reason))
        elif path is None:
            plan.items.append(_without_artifact(row, shown))
        else:
            plan.rows[row.traj_id] = shown
            plan.joined.add(path.resolve())
            try:
                source = path if path.is_file() and is_archive(path) else run_of_row(path, row, place)
                plan.tasks.append(Task(source, place, row, manifest.path.name))
            except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed item
                item = failed_item(place.shown(str(path)), error, place)
                plan.items.append(replace(item, declared_step_count=row.step_count))


def _artifacts_of(manifest: Manifest, roots: Sequence[Path]) -> dict[str, Path]:
    """The first root that has a row's artifact counts; a root is walked only if rows are still without one."""
    found: dict[str, Path] = {}
    for root in roots:
        missing = [row for row in manifest.rows if row.traj_id not in found]
        if missing:
            found |= find_artifacts(missing, [root])
    return found


def _without_artifact(row: BenchmarkRow, manifest: str) -> ImportItem:
    if row.artifact_path is None:
        reason = "no artifact in the benchmark"
        remedy = "The manifest names none, so there are no steps to read."
    else:
        reason = "no artifact here: neither an archive nor a folder of this name"
        remedy = "A manifest holds no steps: download the artifacts too, and import their folder with this manifest."
    return ImportItem(f"{manifest}#{row.traj_id}", "skipped", reason, remedy, declared_step_count=row.step_count)


def run_of_row(path: Path, row: BenchmarkRow, place: Place) -> RunLocation:
    """The one run in a row's artifact; if there are several, the one that lies under the row's trial name."""
    found = discover(path, format=place.format, ceiling=place.ceiling, formats=place.formats)
    runs = found.locations
    if len(runs) > 1 and row.trial_name:
        runs = [run for run in runs if row.trial_name in Path(run.path).relative_to(path).parts] or runs
    if len(runs) == 1:
        return runs[0]
    if runs:
        listed = ", ".join(Path(run.path).name for run in runs[:5])
        raise AmbiguousFormat(f"{len(runs)} runs lie in the artifact of {row.traj_id}: {listed}", path=path)
    if found.problems:
        raise found.problems[0]
    raise _nothing(path, f" in the artifact of {row.traj_id}")


def _nothing(path: Path, where: str = "") -> UnknownFormat:
    remedy = (
        f"'codetracer doctor' lists what can be read. If runs of another format lie here, have it described once: "
        f"codetracer extractors new {shlex.quote(str(path))} --model NAME (or on the Extractors page)."
    )
    return UnknownFormat(f"no run that any parser recognises{where}", path=path, remedy=remedy)


def _plan_path(path: Path, has_manifest: bool, place: Place, plan: Plan, progress: Progress | None) -> bool:
    """The runs at a path that no manifest row has taken, and the archives that lie directly in it; False: nothing."""
    if path.is_file() and is_archive(path):
        if path.resolve() not in plan.joined:
            plan.tasks.append(Task(path, place))
        return True
    visited = (lambda count: progress(count, 0, str(path))) if progress else None
    found = discover(
        path,
        format=place.format,
        ceiling=place.ceiling,
        max_depth=place.max_depth,
        visited=visited,
        formats=place.formats,
        cancelled=place.cancelled,
    )
    runs = [run for run in found.locations if not plan.has_joined(run.folder / run.claim.unit)]
    plan.tasks.extend(Task(run, place) for run in runs)
    problems = [error for error in found.problems if not (error.path and plan.has_joined(Path(error.path)))]
    plan.items.extend(failed_item(place.shown(error.path or str(path)), error, place) for error in problems)
    if found.locations:
        plan.passed_over.extend(str(folder) for folder in found.passed_over if not plan.has_joined(folder))
    archives: list[Path] = []
    if path.is_dir() and not any(run.folder == path for run in found.locations):
        # Archives deeper down, or beside a run's files, may be what an agent made.
        archives = [file for file in sorted(path.iterdir()) if is_archive(file) and file.is_file()]
        archives = [file for file in archives if not plan.has_joined(file)]
    if archives and has_manifest:
        reason = f"{len(archives)} archives here that the manifest does not name"
        remedy = "Import them without the manifest, if they are wanted."
        plan.items.append(ImportItem(place.shown(str(path)), "skipped", reason, remedy))
    else:
        plan.tasks.extend(Task(file, place) for file in archives)
    return bool(found.locations or problems or archives or plan.joined)
