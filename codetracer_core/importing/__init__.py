"""Runs come in: find them (``plan``), read them (``reading``), store them, and tell of each one (``report``).

Everything that can go wrong with one run ends as an item of the ``ImportReport``; the other runs go on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.benchmark import ground_truth
from codetracer_core.discovery import MAX_DEPTH
from codetracer_core.errors import CodeTracerError
from codetracer_core.extractors.fit_log import FitEntry, log_fits
from codetracer_core.formats import formats_of
from codetracer_core.importing.plan import Place, Plan, Progress, plan_import
from codetracer_core.importing.reading import Read, read_task
from codetracer_core.importing.report import REPORT_IT, ImportItem, ImportReport, Status, unexpected
from codetracer_core.store import Inbox, RunStatus, Store

__all__ = ["ImportItem", "ImportReport", "Progress", "Status", "import_runs"]

BATCH = 100
_BATCH_CHARACTERS = 100_000_000


def import_runs(
    paths: Iterable[Path | str],
    *,
    store: Store | Inbox,
    manifest: Path | str | None = None,
    format: str | None = None,
    collection: str | None = None,
    uploads: Path | None = None,
    max_depth: int | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Import every run at or below ``paths`` (folders, files, archives); what cannot be imported is in the report.

    With a CodeTraceBench ``manifest`` (or one that lies in an imported folder: ``*manifest*.jsonl`` or ``.parquet``)
    each row joins its run, found below the paths or beside the manifest; the run gets the row's ``traj_id``, and
    ground truth and stages go in as labels. A run that is there already keeps its id and the labels of people, and
    the row joins it. ``format`` asks one parser only. ``collection`` names the import, else
    it is the name of each path, or of the manifest. Raises ManifestError (or UnreadableFile) if the ``manifest`` that
    was named cannot be read at all. ``uploads`` is the temporary folder in which uploaded paths lie:
    nothing outside it is read, and paths are shown without it. Runs are looked for ``max_depth`` folders down.

    Runs go to the store a hundred at a time; those of a killed import are there. The same run in two places is
    imported once. Importing again changes nothing; where evidence, manifest row or reader changed, the run is
    replaced and keeps its labels. Once ``cancelled`` no further run is read; those that were read are stored, and the
    report says where it stopped.
    """
    heard: list[tuple[str, FitEntry]] = []
    place = Place(
        format,
        collection or ("uploads" if uploads else ""),
        uploads,
        "upload" if uploads else "",
        MAX_DEPTH if max_depth is None else max_depth,
        formats_of(store.workspace.folder, lambda name, entry: heard.append((name, entry))),
        heard,
        cancelled,
    )
    plan = plan_import([Path(path) for path in paths], Path(manifest) if manifest else None, place, progress)
    if cancelled():
        return ImportReport((), "Cancelled while runs were looked for: nothing was imported.")
    if progress is not None and plan.tasks:
        progress(0, len(plan.tasks), "")
    items: list[ImportItem] = []
    first_path: dict[str | None, str] = {}
    batch: list[tuple[int, Read]] = []
    fits: list[tuple[int, tuple[str, FitEntry]]] = []
    characters, stopped = 0, ""
    read_at = datetime.now(UTC)

    def keep() -> None:
        if batch:
            stored = _store(store, [read for _, read in batch], read_at)
            for (index, _), item in zip(batch, stored, strict=True):
                items[index] = item
        _log_fits(store.workspace.folder, fits, items)
        batch.clear()
        fits.clear()

    for done, task in enumerate(plan.tasks, start=1):
        if cancelled():
            stopped = _where_it_stopped(plan, done - 1)
            break
        for read in read_task(task):
            item = read.item
            if read.record is not None:
                # Two rows of a manifest are two runs, whatever lies there; else the evidence tells runs apart.
                name = read.record.run_id if read.row else read.record.content_id
                if name in first_path:
                    item = replace(item, status="skipped", reason=f"the same run as {first_path[name]}")
                else:
                    first_path |= dict.fromkeys((read.record.run_id, read.record.content_id), item.path)
                    batch.append((len(items), read))
                    characters += read.characters
            if read.fit is not None:
                fits.append((len(items), read.fit))
            if read.is_cut_off:
                stopped = f"{item.path}: {item.reason}."
            items.append(item)
        if batch and (len(batch) >= BATCH or characters >= _BATCH_CHARACTERS or done == len(plan.tasks)):
            keep()
            characters = 0
        if progress is not None:
            progress(done, len(plan.tasks), task.path)
    keep()
    return ImportReport(tuple(items + plan.items), stopped, tuple(plan.passed_over))


def _where_it_stopped(plan: Plan, done: int) -> str:
    what = "runs and archives" if any(isinstance(task.source, Path) for task in plan.tasks) else "runs"
    first = plan.tasks[done].path
    return f"Cancelled: {done:,} of {len(plan.tasks):,} {what} were read. The first that was not is {first}"


def _log_fits(workspace: Path, fits: Sequence[tuple[int, tuple[str, FitEntry]]], items: Sequence[ImportItem]) -> None:
    """Keep how well extractors fitted, of runs that are new or could not be read: asking again tells nothing new."""
    log_fits(
        workspace,
        [
            (name, entry.model_copy(update={"path": items[index].path, "run_id": items[index].run_id}))
            for index, (name, entry) in fits
            if items[index].status != "skipped"
        ],
    )


def _store(store: Store | Inbox, batch: Sequence[Read], read_at: datetime) -> list[ImportItem]:
    """Store runs and their ground truth; returns each run's item with what became of it."""
    records = [read.record for read in batch if read.record is not None]
    truth = [None if read.row is None else ground_truth(read.row, read_at=read_at) for read in batch]
    try:
        added = store.add_runs(records, decisions=[read.decisions for read in batch], ground_truth=truth)
    except CodeTracerError:  # the workspace is the trouble, not a run
        raise
    except Exception as error:  # noqa: BLE001 - a run that the store cannot take never stops the others
        if len(batch) > 1:
            return [item for read in batch for item in _store(store, [read], read_at)]
        item = batch[0].item
        return [replace(item, status="failed", run_id=None, reason=unexpected(error), remedy=REPORT_IT)]
    refused: dict[str, list[str]] = {}
    for one in added.refused:
        refused.setdefault(one.event.run_id, []).append(one.reason)
    waits = f"waits in the inbox, because {store.owner}" if isinstance(store, Inbox) else ""
    return [
        _told(replace(read.item, run_id=run_id), status, refused.get(run_id, []), waits)
        for read, run_id, status in zip(batch, added.run_ids, added.statuses, strict=True)
    ]


def _told(item: ImportItem, status: RunStatus, refused: Sequence[str], waits: str) -> ImportItem:
    said = [item.reason, waits]
    if status == "unchanged":
        item = replace(item, status="skipped", remedy="")
        said = ["already imported, unchanged"]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        said.append(f"ground truth that could not be stored: {refused[0]}{more}")
    return replace(item, reason="; ".join(part for part in said if part))
