"""The few verbs that the command line and the dashboard share: import runs, open one, import the samples.

Everything that can go wrong with one run ends as an item of the ``ImportReport``; the other runs go on.
"""

import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from codetracer_core.actions import classify
from codetracer_core.benchmark import (
    ANNOTATOR,
    BenchmarkRow,
    Manifest,
    find_artifacts,
    ground_truth_events,
    ground_truth_verdicts,
    is_archive,
    is_manifest,
    read_manifest,
    row_of,
    safe_extract,
    to_row,
)
from codetracer_core.discovery import SKIPPED_FOLDERS, discover, locate
from codetracer_core.errors import AmbiguousFormat, CodeTracerError, NotFound, StoreLocked, UnknownFormat
from codetracer_core.export import events_as_jsonl, normalised_files, verdicts_as_csv
from codetracer_core.models import Kind, LabelEvent, LabelSource, Outcome, RunRecord, Stage, Trajectory, Verdict
from codetracer_core.parsers import ReadRun, RunLocation, read_run
from codetracer_core.stages import offline_stages, validate_stages
from codetracer_core.store import Inbox, Reader, RunStatus, Store, open_for_writing
from codetracer_core.tree import TraceTree, build_tree, render_text

READER_VERSION = 1
"""Raised whenever a parser reads the same files differently, so that the next import replaces what is stored."""

BATCH = 100
_BATCH_CHARACTERS = 100_000_000
_MANIFEST_DEPTH = 2

Status = Literal["imported", "skipped", "misaligned", "failed"]
Progress = Callable[[int, int, str], None]
"""Hears (done, total, path). While folders are still being looked through, total is 0 and done counts them."""


# --- the report ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImportItem:
    """What became of one run, or of one place that should hold one."""

    path: str
    status: Status
    reason: str = ""
    remedy: str = ""
    run_id: str | None = None
    format: str | None = None
    view: str | None = None
    step_count: int | None = None
    declared_step_count: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """All items of one import. A *misaligned* run is imported, too; its step numbers do not fit the manifest."""

    items: tuple[ImportItem, ...]

    @property
    def counts(self) -> dict[Status, int]:
        counted = Counter(item.status for item in self.items)
        return {status: counted[status] for status in ("imported", "skipped", "misaligned", "failed")}

    def as_json(self) -> dict[str, Any]:
        return {"counts": self.counts, "items": [asdict(item) for item in self.items]}


# --- planning -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where evidence is read, and the rules for it."""

    format: str | None
    collection: str
    ceiling: Path | None = None
    shown_as: str = ""
    """The archive that was unpacked into ``ceiling``: paths are shown as if they lay in it."""

    def named(self, path: Path) -> "_Place":
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
class _Task:
    """One thing to read: a run, or an archive with all that is in it."""

    source: RunLocation | Path
    place: _Place
    row: BenchmarkRow | None = None
    manifest: str = ""

    @property
    def path(self) -> str:
        return self.place.shown(str(self.source) if isinstance(self.source, Path) else self.source.path)

    def failed(self, error: Exception) -> ImportItem:
        declared = self.row.step_count if self.row else None
        return replace(_failed(self.path, error, self.place), declared_step_count=declared)


@dataclass(frozen=True)
class _Plan:
    tasks: list[_Task] = field(default_factory=list)
    items: list[ImportItem] = field(default_factory=list)
    joined: set[Path] = field(default_factory=set)
    """Resolved places of runs that belong to a manifest row."""
    rows: dict[str, str] = field(default_factory=dict)
    """Rows that have their run: the manifest by ``traj_id``."""

    def has_joined(self, place: Path) -> bool:
        if not self.joined:
            return False
        place = place.resolve()
        return place in self.joined or any(parent in self.joined for parent in place.parents)


def _failed(path: str, error: Exception, place: _Place) -> ImportItem:
    if isinstance(error, CodeTracerError):
        where = ", ".join(part for part in (error.path if error.path != path else "", error.place) if part)
        reason = f"{where}: {error.reason}" if where and place.shown(where) != path else error.reason
        return ImportItem(path, "failed", place.shown(reason), place.shown(error.remedy))
    return ImportItem(path, "failed", place.shown(_unexpected(error)), _REPORT_IT)


def _unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {error}"


_REPORT_IT = "This is a fault of CodeTracer; please report it."


def _plan(paths: Sequence[Path], manifest: Path | None, place: _Place, progress: Progress | None) -> _Plan:
    """What to read, in path order, and what can be told without reading."""
    plan = _Plan()
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
            if manifest is None and path.is_dir():
                for file in _manifests_below(path):
                    _plan_found_manifest(file, [path], named, plan)
            _plan_path(path, manifest is not None, named, plan, progress)
        except Exception as error:  # noqa: BLE001 - one bad path never stops the others; it becomes a failed item
            plan.items.append(_failed(place.shown(str(path)), error, place))
    return plan


def _plan_found_manifest(file: Path, roots: Sequence[Path], place: _Place, plan: _Plan) -> None:
    try:
        _plan_rows(read_manifest(file), roots, place, plan)
    except CodeTracerError as error:
        plan.items.append(_failed(place.shown(str(file)), error, place))


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


def _plan_rows(manifest: Manifest, roots: Sequence[Path], place: _Place, plan: _Plan) -> None:
    """Join each row of a manifest to its run."""
    shown = place.shown(str(manifest.path))
    for problem in manifest.problems:
        plan.items.append(ImportItem(f"{shown}, {problem.place}", "failed", problem.reason, problem.remedy))
    artifacts = _artifacts_of(manifest, roots)
    for row in manifest.rows:
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
                source = path if path.is_file() and is_archive(path) else _run_of_row(path, row, place)
                plan.tasks.append(_Task(source, place, row, manifest.path.name))
            except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed item
                item = _failed(place.shown(str(path)), error, place)
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
        reason, remedy = "no artifact in the benchmark", ""
    else:
        reason = f"no artifact here: neither {row.traj_id}.tar.zst nor an extracted folder"
        remedy = "Give the folder that holds the artifacts after the manifest."
    return ImportItem(f"{manifest}#{row.traj_id}", "skipped", reason, remedy, declared_step_count=row.step_count)


def _run_of_row(path: Path, row: BenchmarkRow, place: _Place) -> RunLocation:
    """The one run in a row's artifact; if there are several, the one that lies under the row's trial name."""
    found = discover(path, format=place.format, ceiling=place.ceiling)
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
    raise UnknownFormat(f"no run that any parser recognises in the artifact of {row.traj_id}", path=path)


def _plan_path(path: Path, has_manifest: bool, place: _Place, plan: _Plan, progress: Progress | None) -> None:
    """The runs at a path that no manifest row has taken, and the archives that lie directly in it."""
    if path.is_file() and is_archive(path):
        if path.resolve() not in plan.joined:
            plan.tasks.append(_Task(path, place))
        return
    visited = (lambda count: progress(count, 0, str(path))) if progress else None
    found = discover(path, format=place.format, ceiling=place.ceiling, visited=visited)
    runs = [run for run in found.locations if not plan.has_joined(run.folder / run.claim.unit)]
    plan.tasks.extend(_Task(run, place) for run in runs)
    problems = [error for error in found.problems if not (error.path and plan.has_joined(Path(error.path)))]
    plan.items.extend(_failed(place.shown(error.path or str(path)), error, place) for error in problems)
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
        plan.tasks.extend(_Task(file, place) for file in archives)
    if not (found.locations or problems or archives or plan.joined):
        raise UnknownFormat("no run that any parser recognises", path=path, remedy="'codetracer doctor' lists formats.")


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    """What came out of a task for one run: at least what to report, at best what the store takes in."""

    item: ImportItem
    record: RunRecord | None = None
    decisions: tuple[tuple[Kind, str], ...] = ()
    row: BenchmarkRow | None = None

    @property
    def characters(self) -> int:
        steps = self.record.trajectory.steps if self.record else ()
        return sum(len(step.action) + len(step.observation or "") for step in steps)


def _read_task(task: _Task) -> list[_Read]:
    try:
        if isinstance(task.source, Path):
            return _read_archive(task, task.source)
        return [_read_one(task, task.source)]
    except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed item
        return [_Read(task.failed(error))]


def _read_archive(task: _Task, archive: Path) -> list[_Read]:
    with tempfile.TemporaryDirectory(prefix="codetracer-") as temporary:
        folder = Path(temporary).resolve() / "unpacked"
        safe_extract(archive, folder)
        place = replace(task.place, ceiling=folder, shown_as=task.path)
        if task.row is not None:
            source = _run_of_row(folder, task.row, place)
            return [_read_one(replace(task, source=source, place=place), source)]
        plan = _plan([folder], None, place, None)
        inner = [read for inside in plan.tasks for read in _read_task(inside)]
        return inner + [_Read(item) for item in plan.items]


def _read_one(task: _Task, location: RunLocation) -> _Read:
    row = task.row
    declared = row.step_count if row else None
    read = read_run(location, declared_step_count=declared)
    trajectory = read.trajectory
    evidence = f"{READER_VERSION} {read.evidence_hash}"
    if row is not None:
        trajectory = _with_row(trajectory, row, task.manifest)
        evidence += row.content_hash()
    if task.place.shown_as:
        trajectory = trajectory.model_copy(update={"notes": tuple(map(task.place.shown, trajectory.notes))})
    record = RunRecord(
        run_id=row.traj_id if row else run_id_of(location, read),
        trajectory=trajectory,
        origin=task.path,
        collection=task.place.collection,
        evidence_hash=hashlib.sha256(evidence.encode()).hexdigest(),
        declared_step_count=declared,
        benchmark=row.facts() if row else None,
    )
    item = ImportItem(
        path=task.path,
        status="misaligned" if record.misaligned else "imported",
        run_id=record.run_id,
        format=trajectory.format,
        view=trajectory.view,
        step_count=trajectory.step_count,
        declared_step_count=declared,
    )
    if record.misaligned:
        reason = f"{trajectory.step_count} steps here, {declared} in the manifest: labels may sit on the wrong steps"
        item = replace(item, reason=reason, remedy="The run can be read; it is left out of scores.")
    elif row is not None:
        item = replace(item, reason=" ".join(ground_truth_verdicts(row)[1]))
    decisions = tuple((decision.kind, decision.reason) for decision in map(classify, trajectory.steps))
    return _Read(item, record, decisions, row)


def _with_row(trajectory: Trajectory, row: BenchmarkRow, manifest: str) -> Trajectory:
    """The trajectory with what only the manifest knows, and notes on where the two disagree."""
    notes = list(trajectory.notes) + ground_truth_verdicts(row)[1]
    if row.stages:
        notes += [f"Stages in the manifest: {problem}" for problem in validate_stages(row.stages, row.step_count)]
    known = {"agent": row.agent, "model": row.model, "task": row.task_name, "trial": row.trial_name}
    updates: dict[str, Any] = {
        name: value for name, value in known.items() if value is not None and getattr(trajectory, name) is None
    }
    solved = trajectory.outcome.solved
    if solved is None and row.solved is not None:
        said = "solved" if row.solved else "not solved"
        reason = f"the benchmark's manifest ({manifest}) says {said}; the run's own files: {trajectory.outcome.reason}"
        updates["outcome"] = Outcome(solved=row.solved, reason=reason)
    elif solved is not None and row.solved is not None and solved != row.solved:
        notes.append(f"The run's own files say solved = {solved}, the manifest {row.solved}; the files count.")
    return trajectory.model_copy(update={**updates, "notes": tuple(notes)})


def run_id_of(location: RunLocation, read: ReadRun) -> str:
    """A run's id: its task (or file or folder name), and ten hex digits over the evidence that identifies it.

    The digits depend on contents only, so the same run has the same id wherever it lies. Of a file with a run per
    line only the run's own line counts, so that lines added later change no ids.
    """
    trajectory = read.trajectory
    digest = hashlib.sha256()
    for claim in (location.claim, *(claim for _, claim in location.other_views)):
        known = [
            read.digests.get(f"{name}#{claim.member}") or f"{read.digests[name]}#{claim.member or ''}"
            for name in claim.files
            if name in read.digests or f"{name}#{claim.member}" in read.digests
        ]
        if known:
            digest.update("\n".join(known).encode())
            break
    digest.update(f"\0{trajectory.trial or ''}".encode())
    unit = location.folder.resolve() if location.claim.unit == "." else Path(location.claim.unit)
    return f"{_slug(trajectory.task or unit.name.split('.')[0])}-{digest.hexdigest()[:10]}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:60].strip("-._") or "run"


# --- importing ----------------------------------------------------------------------------------------------


def import_runs(
    paths: Iterable[Path | str],
    *,
    store: Store | Inbox,
    manifest: Path | str | None = None,
    format: str | None = None,
    collection: str | None = None,
    uploads: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import every run at or below ``paths`` (folders, files, archives); what cannot be imported is in the report.

    With a CodeTraceBench ``manifest`` (or one that lies in an imported folder: ``*manifest*.jsonl`` or ``.parquet``)
    each row joins its run, found below the paths or beside the manifest; the run gets the row's ``traj_id``, and
    ground truth and stages go in as labels. ``format`` asks one parser only. ``collection`` names the import, else
    it is the name of each path, or of the manifest. Raises ManifestError (or UnreadableFile) if the ``manifest`` that
    was named cannot be read at all. ``uploads`` is the temporary folder in which uploaded paths lie:
    nothing outside it is read, and paths are shown without it.

    Runs go to the store a hundred at a time; those of a killed import are there. The same run in two places is
    imported once. Importing again changes nothing; where evidence, manifest row or reader changed, the run is
    replaced and keeps its labels.
    """
    place = _Place(format, collection or ("uploads" if uploads else ""), uploads, "upload" if uploads else "")
    plan = _plan([Path(path) for path in paths], Path(manifest) if manifest else None, place, progress)
    items: list[ImportItem] = []
    first_path: dict[str, str] = {}
    batch: list[tuple[int, _Read]] = []
    characters = 0
    importing = _Import(store)
    for done, (task, reads) in enumerate(zip(plan.tasks, map(_read_task, plan.tasks), strict=True), start=1):
        for read in reads:
            item = read.item
            if read.record is not None and read.record.run_id in first_path:
                item = replace(item, status="skipped", reason=f"the same run as {first_path[read.record.run_id]}")
            elif read.record is not None:
                first_path[read.record.run_id] = item.path
                batch.append((len(items), read))
                characters += read.characters
            items.append(item)
        if batch and (len(batch) >= BATCH or characters >= _BATCH_CHARACTERS or done == len(plan.tasks)):
            stored = importing.store_batch([read for _, read in batch])
            for (index, _), item in zip(batch, stored, strict=True):
                items[index] = item
            batch, characters = [], 0
        if progress is not None:
            progress(done, len(plan.tasks), task.path)
    return ImportReport(tuple(items + plan.items))


@dataclass
class _Import:
    """The store's side of one import."""

    store: Store | Inbox
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def store_batch(self, batch: Sequence[_Read]) -> list[ImportItem]:
        """Store runs and their ground truth; returns each run's item with what became of it."""
        try:
            return self._store(batch)
        except CodeTracerError:  # the workspace is the trouble, not a run
            raise
        except Exception as error:  # noqa: BLE001 - a run that the store cannot take never stops the others
            if len(batch) > 1:
                return [item for read in batch for item in self.store_batch([read])]
            item = batch[0].item
            return [replace(item, status="failed", run_id=None, reason=_unexpected(error), remedy=_REPORT_IT)]

    def _store(self, batch: Sequence[_Read]) -> list[ImportItem]:
        records = [read.record for read in batch if read.record is not None]
        events: list[LabelEvent] = []
        for row in (read.row for read in batch if read.row is not None):
            before = self._ground_truth.get(row.traj_id)
            events += ground_truth_events(row, row.traj_id, read_at=self.now, in_force=before)
        added = self.store.add_runs(records, decisions=[read.decisions for read in batch], events=events)
        refused: dict[str, list[str]] = {}
        for one in added.refused:
            refused.setdefault(one.event.run_id, []).append(one.reason)
        labelled = {event.run_id for event in events}
        return [
            self._told(read.item, status, refused.get(record.run_id, []), record.run_id in labelled)
            for read, record, status in zip(batch, records, added.statuses, strict=True)
        ]

    def _told(self, item: ImportItem, status: RunStatus, refused: list[str], labelled: bool) -> ImportItem:
        said = [item.reason] if item.reason else []
        if refused:
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            said.append(f"ground truth that could not be stored: {refused[0]}{more}")
        elif status == "unchanged" and labelled:
            said.insert(0, "already imported, with other ground truth")
        if status == "unchanged" and (refused or not labelled):
            item = replace(item, status="skipped")
            said.insert(0, "already imported, unchanged")
        if status == "queued" and isinstance(self.store, Inbox):
            said.append(f"waits in the inbox, because {self.store.owner}")
        return replace(item, reason="; ".join(said))

    @cached_property
    def _ground_truth(self) -> dict[str, dict[tuple[int | None, str], Any]]:
        """The benchmark's labels in force before this import, by run."""
        try:
            reader = Store.open_for_reading(self.store.workspace.folder) if isinstance(self.store, Inbox) else None
        except (NotFound, StoreLocked):  # nothing to compare with
            return {}
        with reader if reader is not None else nullcontext(self.store) as source:
            assert isinstance(source, Reader)
            said: dict[str, dict[tuple[int | None, str], Any]] = {}
            for event in source.labels(source="ground_truth", annotator=ANNOTATOR):
                said.setdefault(event.run_id, {})[event.step_id, event.field] = event.value
            return said


# --- opening and labelling ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunView:
    """One run with what is derived from it, read from its files or from the workspace."""

    trajectory: Trajectory
    tree: TraceTree
    stages: tuple[Stage, ...]
    stage_rule: str
    """Where the stages come from: the benchmark, or the rule of the offline split."""
    path: str
    run_id: str | None = None
    """None: read from its files, which need not have been imported."""
    declared_step_count: int | None = None

    @property
    def tree_text(self) -> str:
        return render_text(self.tree)


def open_run(run: str, workspace: Path, *, format: str | None = None) -> RunView:
    """The run at a path, read from its files without touching any workspace; else the imported run of that id.

    Raises NotFound if there is neither.
    """
    path = Path(run).expanduser()
    if path.exists() or ("#" in path.name and path.with_name(path.name.rpartition("#")[0]).exists()):
        location = locate(path, format=format)
        trajectory = read_run(location).trajectory
        tree = build_tree(trajectory)
        stages, rule = stages_of(trajectory, tree)
        return RunView(trajectory, tree, stages, rule, location.path)
    try:
        with Store.open_for_reading(workspace) as reader:
            return _stored_run(reader, run)
    except NotFound as error:
        remedy = "Give the path of a run, or the id of an imported one ('codetracer list')."
        raise NotFound(f"neither a path nor an imported run: {run!r}", remedy=remedy) from error


def _stored_run(reader: Reader, run_id: str) -> RunView:
    record = reader.load_run(run_id)
    tree = build_tree(record.trajectory)
    stages, rule = stages_of(record.trajectory, tree, reader.stages(run_id))
    return RunView(record.trajectory, tree, stages, rule, record.origin, run_id, record.declared_step_count)


def stages_of(
    trajectory: Trajectory, tree: TraceTree, annotated: tuple[Stage, ...] | None = None
) -> tuple[tuple[Stage, ...], str]:
    """The stages to show, and where they come from: those of the benchmark if there are any, else an offline split."""
    if annotated is not None:
        return annotated, "the benchmark"
    split = offline_stages(trajectory, tree)
    return split.stages, f"split offline: {split.rule}"


def label_step(run_id: str, step_id: int, verdict: Verdict | None, *, annotator: str, workspace: Path) -> str:
    """Store one verdict of a person (None takes it back); durable when this returns.

    Returns "" or, if another process has the workspace open, words on who takes the label in. Raises NotFound for
    an unknown run or step.
    """
    event = LabelEvent(
        run_id=run_id,
        step_id=step_id,
        value=verdict,
        annotator=annotator,
        client=f"command-line-{uuid4()}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    with Store.open_for_reading(workspace) as reader:
        known = reader.runs(ids=[run_id])
    if not known:
        raise NotFound(f"there is no run {run_id!r} in this workspace", remedy="'codetracer list' shows its runs.")
    if step_id > known[0].step_count:
        raise NotFound(f"run {run_id!r} has {known[0].step_count} steps, there is no step {step_id}")
    with open_for_writing(workspace) as store:
        stored = store.add_label_events([event])
        if stored.refused:
            raise CodeTracerError(stored.refused[0].reason)
        return f"it waits in the inbox, because {store.owner}" if isinstance(store, Inbox) else ""


# --- exporting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """The text of an export, and in words what is not in it."""

    text: str
    left_out: tuple[str, ...] = ()


def export_steps(run: str | None, folder: Path, workspace: Path) -> Iterator[Path]:
    """Write normalised files for one run (a path or an id) into ``folder``, or for all into a sub-folder each.

    Yields each folder when it is written.
    """
    if run is not None:
        yield _write_normalised(open_run(run, workspace), folder)
        return
    with Store.open_for_reading(workspace) as reader:
        for summary in reader.runs():
            view = _stored_run(reader, summary.run_id)
            yield _write_normalised(view, folder / _folder_name(summary.run_id))


def _write_normalised(view: RunView, folder: Path) -> Path:
    files = normalised_files(view.trajectory, view.tree_text, view.stages)
    for name, text in files.items():
        write_text(folder / name, text)
    return folder


def _folder_name(run_id: str) -> str:
    """A run's id as the name of a folder; ids that are no plain names get a digest instead of what is not."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", run_id):
        return run_id
    return f"{_slug(run_id)}-{hashlib.sha256(run_id.encode()).hexdigest()[:10]}"


def write_text(path: Path, text: str) -> None:
    """Write a file, with the folders above it; raises CodeTracerError in words if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CodeTracerError(f"cannot be written ({error.strerror})", path=path) from error


def export_labels(
    form: Literal["codetracebench", "jsonl", "csv"],
    run_id: str | None,
    workspace: Path,
    *,
    source: LabelSource | None = None,
    annotator: str | None = None,
) -> Exported:
    """Labels of one run, or of all, as text.

    "jsonl": every act of labelling, in order of arrival within a run. "csv": the verdicts in force. "codetracebench":
    manifest rows with the labels of one source (ground truth if none is named) and, for people, one annotator.
    The benchmark's form holds incorrect and unuseful steps only; runs without labels of the source are left out.
    Raises NotFound if the one run is not there or has no such labels.
    """
    with Store.open_for_reading(workspace) as reader:
        runs = reader.runs(ids=None if run_id is None else [run_id])
        if run_id is not None and not runs:
            raise NotFound(f"there is no run {run_id!r} in this workspace", remedy="'codetracer list' shows its runs.")
        if form == "csv":
            labels = reader.labels(run_id, source=source, annotator=annotator)
            facts = {run.run_id: (run.agent, run.model, run.task) for run in runs}
            return Exported(verdicts_as_csv((event for event in labels if event.field == "verdict"), facts))
        if form == "jsonl":
            history = (event for run in runs for event in reader.label_history(run.run_id))
            return Exported(
                events_as_jsonl(
                    event
                    for event in history
                    if source in (None, event.source) and annotator in (None, event.annotator)
                )
            )
        exported = _export_rows(reader, [run.run_id for run in runs], source or "ground_truth", annotator)
        if run_id is not None and not exported.text:
            raise NotFound(f"run {run_id!r} has no {source or 'ground_truth'} labels", remedy="Name another --source.")
        return exported


def _export_rows(reader: Reader, run_ids: Sequence[str], source: LabelSource, annotator: str | None) -> Exported:
    lines = []
    without = []
    for run_id in run_ids:
        labels = reader.labels(run_id, source=source, annotator=annotator)
        if not labels:
            without.append(run_id)
            continue
        annotators = sorted({event.annotator for event in labels})
        if len(annotators) > 1:
            raise CodeTracerError(
                f"run {run_id!r} has {source} labels of several annotators: {', '.join(annotators)}",
                remedy="Name one with --annotator.",
            )
        record = reader.load_run(run_id)
        latest = {event.step_id: str(event.value) for event in sorted(labels, key=_pass) if event.field == "verdict"}
        verdicts = {step_id: verdict for step_id, verdict in latest.items() if step_id is not None}
        stages, _ = stages_of(
            record.trajectory,
            build_tree(record.trajectory),
            reader.stages(run_id, source=source) or reader.stages(run_id),
        )
        lines.append(json.dumps(to_row(row_of(record, verdicts, stages)), ensure_ascii=False) + "\n")
    left_out = [f"left out, without {source} labels: {', '.join(without)}"] if without else []
    return Exported("".join(lines), tuple(left_out))


def _pass(event: LabelEvent) -> int:
    return event.pass_number


# --- samples and the dashboard's files ----------------------------------------------------------------------


def dashboard_root() -> Path:
    """The folder with ``app.py``, ``pages`` and ``sample_data``: inside the wheel, or the checkout."""
    package = Path(__file__).parent
    for root in (package / "dashboard", package.parent):
        if (root / "app.py").is_file():
            return root
    raise NotFound("the dashboard's files are missing", path=package / "dashboard", remedy="Install CodeTracer again.")


def sample_data_root() -> Path:
    """The folder with the sample runs. Raises NotFound if it is missing."""
    root = dashboard_root() / "sample_data"
    if not root.is_dir():
        raise NotFound("the sample runs are missing", path=root, remedy="Install CodeTracer again.")
    return root


def import_samples_if_empty(store: Store) -> ImportReport | None:
    """Give an empty workspace the sample runs; None if it holds runs already."""
    if store.runs():
        return None
    return import_runs([sample_data_root()], store=store, collection="sample_data")
