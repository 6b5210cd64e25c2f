"""One task of the plan becomes records that the store takes in, or an item that says why not."""

import hashlib
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codetracer_core.actions import classify
from codetracer_core.archives import safe_extract
from codetracer_core.benchmark import MANIFEST_SAYS, STAGES_NOTE, BenchmarkRow, ground_truth_verdicts
from codetracer_core.extractors.fit_log import FitEntry
from codetracer_core.extractors.taught import drift_words, remedy
from codetracer_core.importing.plan import Task, plan_import, run_of_row
from codetracer_core.importing.report import ImportItem
from codetracer_core.models import Kind, Outcome, RunRecord, Trajectory
from codetracer_core.parsers import ReadRun, RunLocation, read_run
from codetracer_core.stages import validate_stages
from codetracer_core.words import OUTCOME_WORDS, number_of

READER_VERSION = 1
"""Raised whenever a parser reads the same files differently, so that the next import replaces what is stored."""


@dataclass(frozen=True)
class Read:
    """What came out of a task for one run: at least what to report, at best what the store takes in."""

    item: ImportItem
    record: RunRecord | None = None
    decisions: tuple[tuple[Kind, str], ...] = ()
    row: BenchmarkRow | None = None
    fit: tuple[str, FitEntry] | None = None
    """Of a run in a taught format: the extractor's name, and how well it fitted."""
    is_cut_off: bool = False
    """Of an archive: the import was cancelled before all of it was read."""

    @property
    def characters(self) -> int:
        steps = self.record.trajectory.steps if self.record else ()
        return sum(len(step.action) + len(step.observation or "") for step in steps)


def read_task(task: Task) -> list[Read]:
    task.place.heard.clear()
    try:
        if isinstance(task.source, Path):
            return _read_archive(task, task.source)
        return [_read_one(task, task.source)]
    except Exception as error:  # noqa: BLE001 - one bad run never stops the others; it becomes a failed item
        return [_failed(task, error)]


def _failed(task: Task, error: Exception) -> Read:
    item = task.failed(error)
    if not task.place.heard:
        return Read(item)
    name, entry = task.place.heard[-1]
    item = replace(item, format=name, to_do="" if task.place.shown_as else "repair")
    return Read(item, fit=(name, entry))


def _read_archive(task: Task, archive: Path) -> list[Read]:
    with tempfile.TemporaryDirectory(prefix="codetracer-") as temporary:
        folder = Path(temporary).resolve() / _slug(archive.name.partition(".")[0])
        safe_extract(archive, folder)
        place = replace(task.place, ceiling=folder, shown_as=task.path)
        if task.row is not None:
            source = run_of_row(folder, task.row, place)
            return [_read_one(replace(task, source=source, place=place), source)]
        plan = plan_import([folder], None, place, None)
        inner: list[Read] = []
        for done, inside in enumerate(plan.tasks):
            if place.cancelled():
                reason = f"cancelled: {done:,} of {number_of(len(plan.tasks), 'run')} in it were read"
                return [*inner, _cut_off(task, reason)]
            inner += read_task(inside)
        if not plan.tasks and place.cancelled():
            return [_cut_off(task, "cancelled while runs were looked for in it")]
        return inner + [Read(item) for item in plan.items]


def _cut_off(task: Task, reason: str) -> Read:
    return Read(ImportItem(task.path, "skipped", reason, "Import it again for the others."), is_cut_off=True)


def _read_one(task: Task, location: RunLocation) -> Read:
    row = task.row
    declared = row.step_count if row else None
    task.place.heard.clear()
    read = read_run(location, declared_step_count=declared)
    fit = task.place.heard[-1] if task.place.heard else None
    trajectory = read.trajectory
    evidence = f"{READER_VERSION} {read.evidence_hash}"
    if location.parser.is_taught:
        evidence += f" {trajectory.format} {trajectory.view}"
    if row is not None:
        trajectory = _with_row(trajectory, row, task.manifest)
        evidence += row.content_hash()
    if task.place.shown_as:
        trajectory = trajectory.model_copy(update={"notes": tuple(map(task.place.shown, trajectory.notes))})
    run_id, content_id = names_of(location, read)
    record = RunRecord(
        run_id=row.traj_id if row else run_id,
        content_id=content_id,
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
    if fit is not None and fit[1].drift:
        item = _with_drift(item, *fit, location, task)
    decisions = tuple((decision.kind, decision.reason) for decision in map(classify, trajectory.steps))
    return Read(item, record, decisions, row, fit)


def _with_drift(item: ImportItem, name: str, entry: FitEntry, location: RunLocation, task: Task) -> ImportItem:
    """The item of a run that came in, but was read clearly worse than those with which its extractor was accepted."""
    words = drift_words(name, entry.version, entry.drift)
    return replace(
        item,
        reason="; ".join(part for part in (item.reason, words) if part),
        remedy=task.place.shown(remedy(name, str(location.folder))),
        to_do="" if task.place.shown_as else "repair",
    )


def _with_row(trajectory: Trajectory, row: BenchmarkRow, manifest: str) -> Trajectory:
    """The trajectory with what only the manifest knows, and notes on where the two disagree."""
    notes = list(trajectory.notes) + ground_truth_verdicts(row)[1]
    if row.stages:
        notes += [f"{STAGES_NOTE}{problem}" for problem in validate_stages(row.stages, row.step_count)]
    known = {"agent": row.agent, "model": row.model, "task": row.task_name, "trial": row.trial_name}
    updates: dict[str, Any] = {
        name: value for name, value in known.items() if value is not None and getattr(trajectory, name) is None
    }
    solved = trajectory.outcome.solved
    if solved is None and row.solved is not None:
        said = OUTCOME_WORDS[row.solved]
        reason = f"{MANIFEST_SAYS} ({manifest}) says {said}; the run's own files: {trajectory.outcome.reason}"
        updates["outcome"] = Outcome(solved=row.solved, reason=reason)
    elif solved is not None and row.solved is not None and solved != row.solved:
        notes.append(f"The run's own files say solved = {solved}, the manifest {row.solved}; the files count.")
    return trajectory.model_copy(update={**updates, "notes": tuple(notes)})


def names_of(location: RunLocation, read: ReadRun) -> tuple[str, str]:
    """A run's id and its ``content_id``, which depends on contents only.

    The id is the task (or file or folder name) and ten hex digits over the files that hold the run. Of a file with a
    run per line only the run's own line counts, so that lines added later change no ids.
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
    run_id = f"{_slug(trajectory.task or unit.name.split('.')[0])}-{digest.hexdigest()[:10]}"
    digest.update(f"\0{trajectory.task or ''}".encode())
    return run_id, digest.hexdigest()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:60].strip("-._") or "run"
