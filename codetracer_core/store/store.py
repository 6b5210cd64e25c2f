"""The live store: one process owns the workspace, writes to it, and keeps a snapshot for the others.

DuckDB lets one process write and, while it does, no other process in. So one process owns the database (``Store``),
others read the snapshot that it keeps (``Reader``) and leave what they have to say in its inbox (``Inbox``).
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from codetracer_core.diagnosis_models import Diagnosis, Insight
from codetracer_core.durable import PART, sync_folder
from codetracer_core.errors import CodeTracerError, NotFound, StoreLocked, UnreadableFile
from codetracer_core.models import GroundTruth, LabelEvent, RunRecord
from codetracer_core.projects import Assignment, Project, Standing
from codetracer_core.store import diagnoses, inbox, work
from codetracer_core.store.comparing import compare, known_runs
from codetracer_core.store.database import (
    WRITING,
    attach_snapshot,
    connect_to,
    in_words,
    snapshot_state,
    state_of,
    transaction,
)
from codetracer_core.store.files import file_name, is_text, names_in, storable, write_steps
from codetracer_core.store.inbox import Inbox
from codetracer_core.store.reader import Reader
from codetracer_core.store.results import (
    Added,
    Decisions,
    Diagnosed,
    Learned,
    Refused,
    Stored,
    TakenIn,
    acknowledge,
    check_arguments,
)
from codetracer_core.store.rows import NO_JUDGEMENT, put_events, put_ground_truth, put_runs
from codetracer_core.store.schema import migrate
from codetracer_core.store.values import in_short
from codetracer_core.store.workspace import Workspace, announce, workspace_at

_IMPORTING = threading.RLock()
"""One import, snapshot or clean-up of files at a time; taken before ``WRITING``: labels never wait for files."""

_FILE_THREADS = 4
_log = logging.getLogger(__name__)


class Store(Reader):
    """The live store: everything that ``Reader`` can, and the verbs that write. Open it with ``Store.open``."""

    def __init__(self, workspace: Workspace, connection: duckdb.DuckDBPyConnection, *, announced: bool) -> None:
        super().__init__(workspace, connection, as_of=None)
        self._announced = announced
        self._snapshot_state = snapshot_state(workspace)

    @classmethod
    def open(cls, workspace: Path | str, *, purpose: str = "", wait: float = 2.0) -> "Store":
        """Own the workspace (made if need be): migrate, take in the inbox, bring the snapshot up to date, clean up.

        ``purpose`` tells other processes who has it ("dashboard at http://localhost:8501"). A process that gave none
        only passes through: ``wait`` seconds are granted to it before StoreLocked is raised. Raises UnreadableFile for
        a damaged database, CodeTracerError for one from a newer version.
        """
        place = workspace_at(workspace)
        if not place.writable:
            raise CodeTracerError(
                "this workspace may only be read by you",
                path=place.folder,
                remedy="Ask its owner for permission to write, or name another one with --workspace.",
            )
        try:
            place.trajectories.mkdir(parents=True, exist_ok=True)
            place.inbox.mkdir(exist_ok=True)
        except OSError as error:
            raise CodeTracerError(
                f"this folder cannot be used as a workspace ({error.strerror})",
                path=place.folder,
                remedy="Name another one with --workspace or CODETRACER_WORKSPACE.",
            ) from error
        connection = connect_to(place, wait)
        try:
            with in_words(place.database), WRITING:
                migrate(connection, path=place.folder)
            if purpose:
                announce(place, purpose)
            store = cls(place, connection, announced=bool(purpose))
            try:
                store.take_inbox()
            except (CodeTracerError, OSError) as error:  # no reason to keep the workspace shut; it is tried again
                _log.warning("The inbox could not be taken in: %s", error)
            store.write_snapshot()
            store._clean_up()
        except BaseException:
            connection.close()
            raise
        return store

    @staticmethod
    def open_for_reading(workspace: Path | str) -> Reader:
        """Read the workspace without standing in anybody's way.

        A free database is opened for a moment to bring the snapshot up to date; while another process has it, or where
        this one may not write, the snapshot is as old as ``Reader.as_of`` says. Only the snapshot stays open.
        Raises NotFound if there is no workspace, StoreLocked if its owner has not written a snapshot yet.
        """
        place = workspace_at(workspace)
        if not place.database.exists():
            raise NotFound("there is no workspace here yet", path=place.folder, remedy="Import some runs first.")
        as_of = None
        try:
            if place.writable or not place.snapshot.exists():
                Store.open(place.folder, wait=0.0 if place.snapshot.exists() else 2.0).close()
                as_of = datetime.now(UTC)
        except StoreLocked:
            if not place.snapshot.exists():
                raise
        with in_words(place.snapshot):
            as_of = as_of or datetime.fromtimestamp(place.snapshot.stat().st_mtime, UTC)
            return Reader(place, attach_snapshot(place), as_of=as_of)

    def close(self) -> None:
        """Bring the snapshot up to date and give the database free."""
        try:
            self.write_snapshot()
        finally:
            if self._announced:
                self.workspace.owner.unlink(missing_ok=True)
            super().close()

    def add_runs(
        self,
        records: Sequence[RunRecord],
        *,
        decisions: Sequence[Decisions],
        ground_truth: Sequence[GroundTruth | None] = (),
    ) -> Added:
        """Take in runs with the kind and reason of each step, and what a benchmark says of them, in one transaction.

        ``decisions`` holds one sequence per record with one (kind, reason) per step; ``ground_truth``, if given, one
        entry per record. One run has one id: a record whose ``content_id`` is known under another id goes in under
        that, with its ground truth, unless both have rows of a benchmark that call them differently. So labels and
        links stay good whether a manifest comes first, later or not at all. The status of a record is

        * "added": the run was not known;
        * "replaced": it was, with other evidence, decisions, benchmark row or declared step count (or its file was
          damaged). Its labels stay. A benchmark row or declared count that is not known this time (None) stays too;
        * "unchanged": nothing to do. Also a known run that comes again without its benchmark row: how it was read
          with the row stays. Collection and origin stay those of the first import.

        Text that no column can hold is replaced and the trajectory's notes say so. Ground truth is complete: what its
        annotator said of a run before and does not say now is taken back; only differences become label events.
        """
        check_arguments(records, decisions, ground_truth)
        with _IMPORTING:
            given = [storable(record) for record in records]
            with self._cursor() as cursor:
                known = known_runs(cursor, self.workspace, given)
            statuses, run_ids, changed = compare(given, decisions, known)
            sizes = self._write_files([record for record, _ in changed.values()])
            said = {run_id: truth for run_id, truth in zip(run_ids, ground_truth, strict=False) if truth is not None}
            with self._transaction() as cursor:
                if changed:
                    put_runs(cursor, list(changed.values()), sizes)
                refused = put_ground_truth(cursor, said) if said else []
        return Added(tuple(statuses), tuple(run_ids), tuple(refused))

    def add_label_events(self, events: Sequence[LabelEvent]) -> Stored:
        """Store acts of labelling; when this returns they are on disk.

        An event whose (client, sequence) is already stored changes nothing, even if its content differs: the first
        stays. Events that cannot be stored (unknown run or step, a verdict that is none) come back as ``refused``,
        the others are stored. Among labels of one (run, step, field, source, annotator, pass) the last to arrive is
        in force; within one call that is the order given.
        """
        if not events:
            return Stored()
        with self._transaction() as cursor:
            refused = put_events(cursor, events)
        return Stored(acknowledge(events), tuple(refused))

    def add_human_labels(self, events: Sequence[LabelEvent], *, labels: bool = True) -> Stored:
        """Store what people say while they label: as ``add_label_events``, but the store decides on pass and exposure.

        The first label after a submission begins the revised pass with a copy of the blind one. Verdicts that the
        project of an assigned run does not offer are refused. ``labels``: these people have the role of an annotator.
        """
        with self._transaction() as cursor:
            now = datetime.now(UTC)
            decided: list[LabelEvent] = []
            refused: list[Refused] = []
            standings: dict[tuple[str, str], Standing] = {}
            for event in events:
                if not all(map(is_text, (event.run_id, event.annotator, event.client))):
                    decided.append(event)  # refused below, in words: the database takes no such text
                    continue
                key = (event.run_id, event.annotator)
                if key not in standings:
                    standings[key] = work.standing_of(cursor, *key, labels=labels, now=now)
                standing = standings[key]
                if event.field == "verdict" and event.value is not None and event.value not in standing.verdicts:
                    offered = ", ".join(standing.verdicts)
                    refused.append(Refused(event, f"{in_short(event.value)} is no verdict here ({offered})"))
                    continue
                begins = standing.next_pass != standing.shown_pass and event.field not in NO_JUDGEMENT
                if begins and not work.is_stored(cursor, event):
                    put_events(cursor, work.revision_of(cursor, *key, blind_pass=standing.shown_pass))
                    standings[key] = standing._replace(shown_pass=standing.next_pass)
                given = {"pass_number": standing.next_pass, "exposure": standing.exposure}
                decided.append(event.model_copy(update=given))
            refused += put_events(cursor, decided)
        return Stored(acknowledge(events), tuple(refused))

    def create_project(self, project: Project, run_ids: Sequence[str]) -> int:
        """Make a project of these runs; returns how many. Raises CodeTracerError if its name is taken, NotFound for an
        unknown run."""
        with self._transaction() as cursor:
            work.put_project(cursor, project, is_new=True)
            return work.add_project_runs(cursor, project.project_id, run_ids)

    def change_project(self, project: Project) -> None:
        """Replace the settings of a project. Raises NotFound."""
        with self._transaction() as cursor:
            work.put_project(cursor, project, is_new=False)

    def add_project_runs(self, project_id: str, run_ids: Sequence[str]) -> int:
        """Append runs to a project; returns how many were new. Raises NotFound."""
        with self._transaction() as cursor:
            return work.add_project_runs(cursor, project_id, run_ids)

    def claim_next(self, project_id: str, annotator: str) -> Assignment | None:
        """Give this person their next run (see ``projects.next_run``); None if there is none for them.

        Safe with many at once: one lock decides. Raises NotFound, CodeTracerError for a closed project or somebody who
        does not take part."""
        with self._transaction() as cursor:
            return work.claim_next(cursor, project_id, annotator, now=datetime.now(UTC))

    def assign(self, project_id: str, annotators: Sequence[str], *, each: int | None = None) -> list[Assignment]:
        """Share the runs of a project out ahead of time (see ``projects.distribute``), up to ``each`` per person.

        Returns what is new; doing it again only fills gaps. Raises as ``claim_next`` does."""
        with self._transaction() as cursor:
            return work.assign(cursor, project_id, annotators, each=each, now=datetime.now(UTC))

    def release(self, project_id: str, run_id: str, annotator: str) -> None:
        """Take a run that was not submitted back from somebody; their labels stay, and they may get it again.

        Raises NotFound if they do not have it."""
        with self._transaction() as cursor:
            now = datetime.now(UTC)
            work.release(cursor, work.open_assignment(cursor, project_id, run_id, annotator, now=now), now=now)

    def submit(
        self, project_id: str, run_id: str, annotator: str, *, rest_is_correct: bool = False
    ) -> tuple[Assignment, int]:
        """Hand a run in; with ``rest_is_correct`` its unlabelled steps get the verdict *correct* first.

        Returns the assignment as it was, and how many steps were declared correct. Raises NotFound if it was not
        theirs to submit, CodeTracerError if the rest is to be *correct* and the project does not offer that verdict."""
        with self._transaction() as cursor:
            now = datetime.now(UTC)
            project = work.project_in(cursor, project_id)
            if rest_is_correct and "correct" not in project.verdicts:
                offered = ", ".join(project.verdicts)
                raise CodeTracerError(f"the project {project_id!r} does not offer the verdict correct ({offered})")
            assignment = work.open_assignment(cursor, project_id, run_id, annotator, now=now)
            rest: list[LabelEvent] = []
            if rest_is_correct:
                exposure = work.standing_of(cursor, run_id, annotator, labels=True, now=now).exposure
                rest = work.rest_is_correct(cursor, assignment, exposure, now=now)
                put_events(cursor, rest)
            work.end_assignment(cursor, assignment, now=now)
        return assignment, len(rest)

    def skip(self, project_id: str, run_id: str, annotator: str, *, reason: str) -> None:
        """Give a run back for good; somebody else gets it. Raises NotFound, CodeTracerError without a reason."""
        if not reason.strip():
            raise CodeTracerError("skipping a run needs a reason")
        with self._transaction() as cursor:
            now = datetime.now(UTC)
            assignment = work.open_assignment(cursor, project_id, run_id, annotator, now=now)
            work.end_assignment(cursor, assignment, now=now, skip_reason=reason.strip()[:2000])

    def decide(self, project_id: str, run_id: str, adjudicator: str) -> None:
        """Put on record that the adjudication of a run is finished. Raises NotFound."""
        with self._transaction() as cursor:
            work.put_adjudication(cursor, project_id, run_id, adjudicator, now=datetime.now(UTC))

    def add_diagnosis(
        self,
        diagnosis: Diagnosis,
        transcript: Sequence[Mapping[str, Any]],
        *,
        evidence_hash: str | None = None,
        request: str = "",
    ) -> Diagnosed:
        """Store a diagnosis with its transcript and its labels; when this returns they are on disk.

        Its labels are a pass of their own of its author. One that is stored already ("unchanged") stays as it is.
        ``evidence_hash`` is that of the run as it was diagnosed (None: as it is here), ``request`` names the question
        (see ``DiagnosisSummary.request``). Raises NotFound for an unknown run or one that has fewer steps here,
        CodeTracerError for an id that is no UUID.
        """
        diagnosis = diagnoses.storable(diagnosis)
        diagnoses.transcript_name(diagnosis.diagnosis_id)
        with _IMPORTING:
            with self._cursor() as cursor:
                known = diagnoses.known_pass(cursor, diagnosis.diagnosis_id)
                if known is not None:
                    return Diagnosed("unchanged", *known)
                here = diagnoses.check_steps(cursor, diagnosis)
            diagnoses.write_transcript(self.workspace.diagnoses, diagnosis.diagnosis_id, transcript)
            with self._transaction() as cursor:
                return diagnoses.put_diagnosis(cursor, diagnosis, evidence_hash or here, request)

    def add_insights(self, insights: Sequence[Insight]) -> Learned:
        """Keep what is new of these and has room (see ``memory.admit``). One that was ever stored changes nothing."""
        with self._transaction() as cursor:
            return diagnoses.put_insights(cursor, insights)

    def change_insight(
        self, insight_id: str, *, person: str, text: str | None = None, enabled: bool | None = None
    ) -> Insight:
        """Reword an insight, or switch it on or off; it is this person's from now on. None: as it was.

        Raises NotFound, CodeTracerError for a text that is too short or long, or says the same as another."""
        with self._transaction() as cursor:
            return diagnoses.change_insight(cursor, insight_id, person, text, enabled)

    def take_inbox(self) -> list[TakenIn]:
        """Carry out what other processes left in the inbox, oldest first; a damaged parcel moves to inbox/refused."""
        with _IMPORTING:
            return [self._take_in(path) for path in inbox.waiting(self.workspace)]

    def write_snapshot(self) -> bool:
        """Bring the snapshot up to date; False if it was. Labels do not wait for it, imports do."""
        with _IMPORTING, self._cursor() as cursor:
            state = state_of(cursor)
            if state == self._snapshot_state and self.workspace.snapshot.exists():
                return False
            part = self.workspace.snapshot.with_name(self.workspace.snapshot.name + PART)
            for leftover in (part, part.with_name(part.name + ".wal")):
                leftover.unlink(missing_ok=True)
            cursor.execute("ATTACH ? AS snapshot", [str(part)])
            try:
                with transaction(cursor):
                    state = state_of(cursor)
                    cursor.execute("COPY FROM DATABASE codetracer TO snapshot")
            finally:
                cursor.execute("DETACH snapshot")
            part.replace(self.workspace.snapshot)
            sync_folder(self.workspace.folder)
            self._snapshot_state = state
        return True

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with WRITING, self._cursor() as cursor, transaction(cursor):
            yield cursor

    def _write_files(self, records: Sequence[RunRecord]) -> list[int]:
        """Step text goes to disk before any row names it: a run in the database always has its file."""

        def write(record: RunRecord) -> int:
            path = self.workspace.trajectories / file_name(record.run_id, record.evidence_hash)
            return write_steps(path, record.trajectory.steps)

        with ThreadPoolExecutor(_FILE_THREADS) as threads:
            sizes = list(threads.map(write, records))
        sync_folder(self.workspace.trajectories)
        return sizes

    def _take_in(self, path: Path) -> TakenIn:
        try:
            parcel = inbox.open_parcel(path)
            added = self.add_runs(parcel.runs, decisions=parcel.decisions, ground_truth=parcel.ground_truth)
            refused = added.refused + self.add_label_events(parcel.events).refused
            refused += self.add_human_labels(parcel.said).refused
            if parcel.diagnosed:
                one = parcel.diagnosed
                refused += self.add_diagnosis(
                    one.diagnosis, one.transcript, evidence_hash=one.evidence_hash, request=one.request
                ).refused
            self.add_insights(parcel.insights)
        except (UnreadableFile, NotFound, ValueError) as error:
            inbox.refuse(self.workspace, path, str(error))
            return TakenIn(path.name, error=str(error))
        if refused:
            inbox.keep_refused(self.workspace, path, refused)
        path.unlink(missing_ok=True)
        return TakenIn(path.name, added.statuses, refused)

    def _clean_up(self) -> None:
        """Delete what an import that was killed left behind, and files of evidence that was replaced."""
        with _IMPORTING:
            with self._cursor() as cursor:
                wanted = {name for (name,) in cursor.execute("SELECT file FROM run").fetchall()}
                known = cursor.execute("SELECT diagnosis_id FROM diagnosis").fetchall()
            for name in names_in(self.workspace.trajectories):
                if name not in wanted and name.endswith((".parquet", PART)):
                    (self.workspace.trajectories / name).unlink(missing_ok=True)
            transcripts = {diagnoses.transcript_name(diagnosis_id) for (diagnosis_id,) in known}
            for path in self.workspace.diagnoses.glob("*"):
                if path.name not in transcripts and (diagnoses.is_transcript(path.name) or path.suffix == PART):
                    path.unlink(missing_ok=True)
            for part in self.workspace.folder.glob(f"*{PART}*"):
                part.unlink(missing_ok=True)
            inbox.sweep(self.workspace)


def open_for_writing(workspace: Path | str, *, purpose: str = "") -> Store | Inbox:
    """The store if it is free, else its inbox: both take runs and label events. Raises as ``Store.open`` does."""
    try:
        return Store.open(workspace, purpose=purpose)
    except StoreLocked as error:
        return Inbox(workspace_at(workspace), owner=error.reason)


def keep(store: Store, stop: threading.Event, *, interval: float = 1.0) -> None:
    """The owner's chores until ``stop`` is set: take in the inbox, keep the snapshot fresh. Run it in a daemon thread.

    Looks every ``interval`` seconds. Where the copy is slow it is made less often, so that it takes at most about a
    twentieth of one core. Trouble (a full disk, say) is logged and tried again.
    """
    not_before = 0.0
    while not stop.wait(interval):
        try:
            store.take_inbox()
            started = time.monotonic()
            if started >= not_before and store.write_snapshot():
                not_before = time.monotonic() + 20 * (time.monotonic() - started)
        except (CodeTracerError, OSError) as error:
            _log.warning("The workspace could not be kept up to date: %s", error)
