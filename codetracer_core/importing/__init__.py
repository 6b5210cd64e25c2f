"""Runs come in: find them (``plan``), read them (``reading``), store them, and tell of each one (``report``).

Everything that can go wrong with one run ends as an item of the ``ImportReport``; the other runs go on.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from codetracer_core.benchmark import ANNOTATOR, ground_truth_events
from codetracer_core.errors import CodeTracerError, NotFound, StoreLocked
from codetracer_core.importing.plan import Place, Progress, plan_import
from codetracer_core.importing.reading import Read, read_task
from codetracer_core.importing.report import REPORT_IT, ImportItem, ImportReport, Status, unexpected
from codetracer_core.models import LabelEvent
from codetracer_core.store import Inbox, Reader, RunStatus, Store

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
    place = Place(format, collection or ("uploads" if uploads else ""), uploads, "upload" if uploads else "")
    plan = plan_import([Path(path) for path in paths], Path(manifest) if manifest else None, place, progress)
    items: list[ImportItem] = []
    first_path: dict[str, str] = {}
    batch: list[tuple[int, Read]] = []
    characters = 0
    importing = _Import(store)
    for done, (task, reads) in enumerate(zip(plan.tasks, map(read_task, plan.tasks), strict=True), start=1):
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

    def store_batch(self, batch: Sequence[Read]) -> list[ImportItem]:
        """Store runs and their ground truth; returns each run's item with what became of it."""
        try:
            return self._store(batch)
        except CodeTracerError:  # the workspace is the trouble, not a run
            raise
        except Exception as error:  # noqa: BLE001 - a run that the store cannot take never stops the others
            if len(batch) > 1:
                return [item for read in batch for item in self.store_batch([read])]
            item = batch[0].item
            return [replace(item, status="failed", run_id=None, reason=unexpected(error), remedy=REPORT_IT)]

    def _store(self, batch: Sequence[Read]) -> list[ImportItem]:
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
