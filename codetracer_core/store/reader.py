"""Reading: everything that a workspace can be asked."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import duckdb
from pydantic import TypeAdapter, ValidationError

from codetracer_core.benchmark import without_excerpts
from codetracer_core.diagnosis_models import Diagnosis, Insight
from codetracer_core.errors import NotFound, UnreadableFile
from codetracer_core.models import Exposure, LabelEvent, LabelSource, RunRecord, Stage, Verdict
from codetracer_core.projects import Assignment, Project, Standing
from codetracer_core.ratings import Ratings
from codetracer_core.store import diagnoses, rating, work
from codetracer_core.store.database import in_words, state_of
from codetracer_core.store.files import TEXTS, names_in, read_steps
from codetracer_core.store.replays import replays_in
from codetracer_core.store.results import (
    DiagnosisSummary,
    Labeller,
    Mark,
    OutcomeWord,
    Replay,
    RunSummary,
    StepFacts,
    StepLabels,
    StoredEvent,
)
from codetracer_core.store.rows import NO_JUDGEMENT, reasons_against
from codetracer_core.store.workspace import Workspace

if TYPE_CHECKING:  # pandas is loaded when frames are asked for, not with the store
    from codetracer_core.analytics.frames import Frames, Labels

_STAGES = TypeAdapter(tuple[Stage, ...])

# What a step must have for a count of ``RunSummary`` to count it.
_COUNTS = {
    **{f"{source}_labels": f"source = '{source}'" for source in get_args(LabelSource)},
    **{verdict: f"source = 'human' AND word = '{verdict}'" for verdict in get_args(Verdict)},
    **{
        f"ground_truth_{verdict}": f"source = 'ground_truth' AND word = '{verdict}'"
        for verdict in ("incorrect", "unuseful")
    },
    "stray_labels": "step_id > step_count",
}
_RUNS = f"""
    WITH marked AS (
        SELECT run_id, step_id, step_count, source, field, trim(value, '"') AS word
        FROM label JOIN run USING (run_id)
        WHERE source <> 'human' OR $annotator::VARCHAR IS NULL OR annotator = $annotator::VARCHAR),
    labelled_step AS (
        SELECT run_id, bool_or(source = 'ground_truth') AS has_ground_truth,
            {", ".join(f"bool_or(field = 'verdict' AND {test}) AS {name}" for name, test in _COUNTS.items())}
        FROM marked GROUP BY run_id, step_id),
    labelled_run AS (
        SELECT run_id, bool_or(has_ground_truth) AS has_ground_truth,
            {", ".join(f"count(*) FILTER ({name}) AS {name}" for name in _COUNTS)}
        FROM labelled_step GROUP BY run_id),
    listed AS (
        SELECT run.*, CASE WHEN solved THEN 'solved' WHEN NOT solved THEN 'failed' ELSE 'unknown' END AS outcome,
            coalesce(declared_step_count <> step_count, false) AS misaligned,
            coalesce(has_ground_truth, false) AS has_ground_truth,
            {", ".join(f"coalesce({name}, 0) AS {name}" for name in _COUNTS)}
        FROM run LEFT JOIN labelled_run USING (run_id))
    SELECT {", ".join(RunSummary._fields)} FROM listed"""
_RUN_ORDER = "ORDER BY collection, task NULLS LAST, agent NULLS LAST, model NULLS LAST, run_id"


class Reader:
    """The verbs that read. Many threads may use one reader."""

    as_of: datetime | None
    """When the snapshot that is read here was taken (UTC); None: this is the live store."""

    def __init__(self, workspace: Workspace, connection: duckdb.DuckDBPyConnection, *, as_of: datetime | None) -> None:
        self.workspace = workspace
        self.as_of = as_of
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def revision(self) -> tuple[int, int]:
        """Two numbers (of label events, of imports) that grow when such a thing is stored: keys for caches."""
        with self._cursor() as cursor:
            return state_of(cursor)[:2]

    def state(self) -> tuple[int, ...]:
        """Numbers that differ whenever anything that is stored does: what ``revision`` tells, and submissions,
        adjudications, projects and diagnoses, too."""
        with self._cursor() as cursor:
            return state_of(cursor)

    def runs(
        self,
        *,
        ids: Sequence[str] | None = None,
        agents: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        collections: Sequence[str] | None = None,
        formats: Sequence[str] | None = None,
        outcomes: Sequence[OutcomeWord] | None = None,
        misaligned: bool | None = None,
        has_ground_truth: bool | None = None,
        text: str = "",
        annotator: str | None = None,
        blind: Collection[str] = (),
    ) -> list[RunSummary]:
        """Runs that pass every filter, by collection, task, agent, model and run id; None asks for nothing.

        ``text`` is looked for in run id, task, trial and task text (literally, whatever the case). With
        ``annotator`` only this person's labels count as human ones, so that nobody sees what others chose. Of runs
        in ``blind`` nothing is told of ground truth, models and adjudication: they pass no filter on it either; their
        replays, which begin where somebody saw the failure onset, are left out.
        """
        listed = {
            "run_id": ids,
            "agent": agents,
            "model": models,
            "task": tasks,
            "collection": collections,
            "format": formats,
            "outcome": outcomes,
        }
        conditions = [
            f"{column} IN (SELECT unnest(${column}))" for column, wanted in listed.items() if wanted is not None
        ]
        values: dict[str, Any] = {column: list(wanted) for column, wanted in listed.items() if wanted is not None}
        for column, wanted in {"misaligned": misaligned, "has_ground_truth": has_ground_truth}.items():
            if wanted is not None:
                conditions.append(f"{column} = ${column}")
                values[column] = wanted
        if text:
            conditions.append("contains(lower(concat_ws(chr(10), run_id, task, trial, task_text)), lower($text))")
            values["text"] = text
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._cursor() as cursor:
            rows = cursor.execute(f"{_RUNS} {where} {_RUN_ORDER}", {"annotator": annotator, **values}).fetchall()
        found = [RunSummary._make(row) for row in rows]
        if has_ground_truth is not None:
            found = [run for run in found if run.run_id not in blind]
        found = [run for run in found if run.replay_of not in blind]
        return [run.blinded() if run.run_id in blind else run for run in found]

    def replays(self, originals: Sequence[str] | None = None, *, blind: Collection[str] = ()) -> list[Replay]:
        """Runs that are replays of these (None: of any), the oldest first. To whoever stands blind to an original its
        replays are not told."""
        with self._cursor() as cursor:
            return replays_in(cursor, originals, blind)

    def find_run(self, name: str) -> str:
        """The id of the run that is called so, here or by the benchmark (``traj_id``). Raises NotFound."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT run_id FROM run WHERE $name IN (run_id, traj_id) ORDER BY run_id <> $name", {"name": name}
            ).fetchall()
        if not rows:
            raise _no_run(name)
        return str(rows[0][0])

    def load_run(self, run_id: str) -> RunRecord:
        """The run with all its text. Raises NotFound, or UnreadableFile if its file is damaged or gone."""
        row = self._run_row(run_id)
        try:
            steps = read_steps(self.workspace.trajectories / row["file"])
        except UnreadableFile:
            newer = self._run_row(run_id)  # it may have been replaced between the two reads
            if newer["file"] == row["file"]:
                raise
            row = newer
            steps = read_steps(self.workspace.trajectories / row["file"])
        benchmark = row["benchmark"]
        try:
            return RunRecord.model_validate(
                {
                    "run_id": run_id,
                    "trajectory": {**json.loads(row["header"]), "task_text": row["task_text"], "steps": steps},
                    "origin": row["origin"],
                    "collection": row["collection"],
                    "content_id": row["content_id"],
                    "evidence_hash": row["evidence_hash"],
                    "declared_step_count": row["declared_step_count"],
                    "benchmark": None if benchmark is None else json.loads(benchmark),
                }
            )
        except ValidationError as error:
            raise UnreadableFile(
                f"this run was stored by another version ({error.errors()[0]['msg']})",
                path=self.workspace.trajectories / row["file"],
                remedy="Import the run again.",
            ) from error

    def steps(self, run_id: str | None = None) -> list[StepFacts]:
        """Facts about the steps of one run, or of all runs, in step order. Raises NotFound for an unknown run."""
        where, values = "", []
        if run_id is not None:
            self._run_row(run_id)
            where, values = "WHERE run_id = ?", [run_id]
        columns = ", ".join(StepFacts._fields)
        with self._cursor() as cursor:
            rows = cursor.execute(f"SELECT {columns} FROM step {where} ORDER BY run_id, step_id", values).fetchall()
        return [StepFacts._make(row) for row in rows]

    def frames(
        self, labels: "Labels", *, run_ids: Sequence[str] | None = None, blind: Collection[str] = ()
    ) -> "Frames":
        """Runs by id with all their steps and the labels of one source, for figures over many runs.

        None asks for every run; those in ``blind`` are left out.
        """
        from codetracer_core.store import tables

        with self._cursor() as cursor:
            return tables.frames_in(cursor, labels, run_ids=run_ids, blind=blind)

    def label_sources(self, blind: Collection[str] = ()) -> "dict[Labels, int]":
        """Whose labels there are, and of how many runs; those in ``blind`` are not counted."""
        from codetracer_core.store import tables

        with self._cursor() as cursor:
            return tables.sources_in(cursor, blind)

    def search_text(self, query: str) -> dict[str, int]:
        """Number of steps per run whose action, observation or thought holds ``query`` (literally, whatever the case).

        Runs without a hit are left out; an empty query finds nothing.
        """
        if not query:
            return {}
        with self._cursor() as cursor:
            run_of = dict(cursor.execute("SELECT file, run_id FROM run WHERE step_count > 0").fetchall())
            present = run_of.keys() & set(names_in(self.workspace.trajectories))
            if not present:
                return {}
            matches = " OR ".join(f"contains(lower({name}), lower($query))" for name in TEXTS)
            rows = cursor.execute(
                f"SELECT filename, count(*) FROM read_parquet($files, filename = true, hive_partitioning = false) "
                f"WHERE {matches} GROUP BY filename",
                {"files": [str(self.workspace.trajectories / name) for name in sorted(present)], "query": query},
            ).fetchall()
        return {run_of[Path(path).name]: hits for path, hits in rows}

    def labels(
        self,
        run_id: str | None = None,
        *,
        source: LabelSource | None = None,
        annotator: str | None = None,
        pass_number: int | None = None,
    ) -> list[StoredEvent]:
        """Labels in force, of one run or of all, by run and step; whole-run labels (``step_id`` None) come first."""
        events = self._events("label", run_id, source, annotator, "run_id, step_id NULLS FIRST, arrival")
        return [event for event in events if pass_number is None or event.pass_number == pass_number]

    def submitted_labels(self, project_id: str, *, run_id: str | None = None) -> list[StoredEvent]:
        """What people say of the runs of a project that they submitted: labels in force of their last submitted blind
        pass and of its revision, by run, step and arrival."""
        columns = ", ".join(StoredEvent.model_fields)
        with self._cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {columns} FROM label JOIN ("
                "SELECT run_id, annotator, max(pass_number) AS blind FROM assignment "
                "WHERE project_id = $project_id AND submitted_at IS NOT NULL GROUP BY ALL) USING (run_id, annotator) "
                "WHERE source = 'human' AND pass_number IN (blind, blind + 1) "
                "AND ($run_id::VARCHAR IS NULL OR run_id = $run_id::VARCHAR) "
                "ORDER BY run_id, step_id NULLS FIRST, arrival",
                {"project_id": project_id, "run_id": run_id},
            ).fetchall()
        return [_event(dict(zip(StoredEvent.model_fields, row, strict=True))) for row in rows]

    def ratings(
        self,
        run_ids: Sequence[str] | None = None,
        *,
        project_id: str | None = None,
        reading: rating.Reading = "blind",
        sources: Sequence[LabelSource] = ("human",),
        blind: Collection[str] = (),
    ) -> Ratings:
        """What these sources say of runs, as arrays: of a project's (in its order) or of all, and of them only those
        in ``run_ids`` (in this order) if that is given; never of those in ``blind``. Raises NotFound for a project
        that is not there.

        People count with what they submitted (in the project, or in any), see ``rating.Reading``; without a project
        also with labels on runs that were never assigned to them, which are not finished. What is assigned and not
        submitted never counts. Models count with their latest pass, finished unless every diagnosis failed; the
        ground truth is finished where the run came with a row of the benchmark, and says nothing of misaligned runs;
        adjudicated labels count where the run is decided, or in no project.
        """
        with self._cursor() as cursor:
            return rating.ratings_in(
                cursor, run_ids, project_id=project_id, reading=reading, sources=sources, blind=blind
            )

    def ratings_state(self) -> tuple[int, ...]:
        """Numbers that differ whenever ``ratings`` may: a key for caches that outlives what people label meanwhile in
        passes that they have not submitted, and what they are shown."""
        with self._cursor() as cursor:
            return rating.ratings_state(cursor)

    def labellers(self) -> list[Labeller]:
        """Who has labels in force on which run, by run, source and name."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT DISTINCT run_id, source, annotator FROM label "
                "WHERE field NOT IN (SELECT unnest(?)) ORDER BY run_id, source, annotator",
                [NO_JUDGEMENT],
            ).fetchall()
        return [Labeller._make(row) for row in rows]

    def label_history(self, run_id: str, step_id: int | None = None) -> list[StoredEvent]:
        """Every act of labelling on a run, or on one step of it, in order of arrival; nothing is ever left out."""
        events = self._events("label_event", run_id, None, None, "arrival")
        return [event for event in events if step_id is None or event.step_id == step_id]

    def time_on_task(self, run_id: str, annotator: str, pass_number: int | None = None) -> int:
        """Seconds that a person worked on a run, in one pass or in all. See ``frontend/worked.js`` for what counts.

        Raises NotFound for an unknown run; 0 for somebody who did not work on it.
        """
        self._run_row(run_id)
        with self._cursor() as cursor:
            ((seconds,),) = cursor.execute(
                "SELECT coalesce(sum(CAST(value AS BIGINT)), 0) FROM label_event WHERE field = 'worked' "
                "AND source = 'human' AND run_id = $run AND annotator = $annotator "
                "AND pass_number = coalesce($pass_number, pass_number)",
                {"run": run_id, "annotator": annotator, "pass_number": pass_number},
            ).fetchall()
        return int(seconds)

    def reasons_against(self, events: Sequence[LabelEvent]) -> list[str]:
        """For each event why ``Store.add_label_events`` would refuse it, in words; empty if it would not."""
        with self._cursor() as cursor:
            return reasons_against(cursor, events)

    def step_labels(self, run_id: str) -> dict[int, StepLabels]:
        """Verdicts in force per step, all sources side by side; unlabelled steps are left out."""
        self._run_row(run_id)
        with self._cursor() as cursor:
            rows = cursor.execute(
                f"SELECT step_id, {', '.join(StepLabels._fields)} FROM step_labels WHERE run_id = ? ORDER BY step_id",
                [run_id],
            ).fetchall()
        return {
            step_id: StepLabels._make(tuple(Mark(**mark) for mark in marks) for marks in sources)
            for step_id, *sources in rows
        }

    def stages(self, run_id: str, *, source: LabelSource = "ground_truth") -> tuple[Stage, ...] | None:
        """The stages in force for a run from this source (the latest, if several say so); None if there are none."""
        said = [event for event in self.labels(run_id, source=source) if event.field == "stages"]
        return _STAGES.validate_python(max(said, key=lambda event: event.arrival).value) if said else None

    def projects(self) -> list[Project]:
        """All projects, by name."""
        with self._cursor() as cursor:
            return work.projects_in(cursor)

    def project(self, project_id: str) -> Project:
        """One project. Raises NotFound."""
        with self._cursor() as cursor:
            return work.project_in(cursor, project_id)

    def project_runs(self, project_id: str) -> list[str]:
        """Ids of the runs of a project, in its order. Raises NotFound."""
        with self._cursor() as cursor:
            return work.runs_of_project(cursor, project_id)

    def assignments(
        self, project_id: str | None = None, *, run_id: str | None = None, annotator: str | None = None
    ) -> list[Assignment]:
        """Who works on what, in the order in which it was assigned; None asks for nothing."""
        with self._cursor() as cursor:
            projects = [one for one in work.projects_in(cursor) if project_id in (None, one.project_id)]
            return work.assignments_in(cursor, projects, now=datetime.now(UTC), run_id=run_id, annotator=annotator)

    def left_for(self, project_id: str, annotator: str) -> int:
        """How many more runs of the project this person could get now, besides those they have. Raises NotFound."""
        with self._cursor() as cursor:
            return work.left_for(cursor, project_id, annotator, now=datetime.now(UTC))

    def submissions(self) -> dict[str, int]:
        """By project, how often a run of it was submitted; those with none are left out."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT project_id, count(*) FROM assignment WHERE submitted_at IS NOT NULL GROUP BY project_id"
            )
            return dict(rows.fetchall())

    def standing(self, run_id: str, annotator: str, *, labels: bool = True) -> Standing:
        """How a person stands to a run: which pass, what they were shown, whether they must stay blind.

        ``labels``: they have the role of an annotator. Nobody ("") stands like somebody without any labels.
        """
        with self._cursor() as cursor:
            return work.standing_of(cursor, run_id, annotator, labels=labels, now=datetime.now(UTC))

    def blind_runs(self, annotator: str, *, labels: bool = True) -> set[str]:
        """The runs to which this person stands blind (see ``standing``)."""
        with self._cursor() as cursor:
            return work.blind_runs(cursor, annotator, labels=labels, now=datetime.now(UTC))

    def shown_to(self, annotator: str) -> set[tuple[str, Exposure]]:
        """(run, what) for all labels of others that this person has ever been shown."""
        with self._cursor() as cursor:
            return work.shown_to(cursor, annotator)

    def diagnoses(
        self,
        run_ids: Sequence[str] | None = None,
        authors: Sequence[str] | None = None,
        *,
        blind: Collection[str] = (),
    ) -> list[DiagnosisSummary]:
        """Diagnoses, the newest first; None asks for nothing. Those of runs in ``blind`` are left out."""
        with self._cursor() as cursor:
            return diagnoses.summaries(cursor, run_ids=run_ids, authors=authors, blind=blind)

    def diagnosis(self, diagnosis_id: str) -> Diagnosis:
        """One diagnosis, whole. Raises NotFound."""
        with self._cursor() as cursor:
            return diagnoses.diagnosis_in(cursor, diagnosis_id)

    def whole_diagnoses(self, diagnosis_ids: Sequence[str]) -> dict[str, Diagnosis]:
        """Diagnoses, whole, by id; ids that are not there are left out. Raises UnreadableFile for one of another
        version."""
        with self._cursor() as cursor:
            return diagnoses.whole(cursor, diagnosis_ids)

    def benchmark_rows(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the benchmark's row says of these runs, without labels and excerpts; runs without a row are left out."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT run_id, benchmark FROM run WHERE benchmark IS NOT NULL AND run_id IN (SELECT unnest(?))",
                [list(run_ids)],
            ).fetchall()
        return {run_id: without_excerpts(json.loads(facts)) for run_id, facts in rows}

    def transcript(self, diagnosis_id: str) -> list[dict[str, Any]]:
        """What was said while it was made: one entry per model call or answer of a tool, in order.

        Raises NotFound, UnreadableFile if its file is damaged."""
        self.diagnosis(diagnosis_id)
        return diagnoses.read_transcript(self.workspace.diagnoses, diagnosis_id)

    def insights(
        self, agent: str | None = None, *, enabled: bool | None = None, ids: Sequence[str] | None = None
    ) -> list[Insight]:
        """What was learned about agents, by agent and age; None asks for nothing. With ``ids`` also those that have
        made room for others since."""
        with self._cursor() as cursor:
            return diagnoses.insights_in(cursor, agent, enabled, ids)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with in_words(self.workspace.database), closing(self._connection.cursor()) as cursor:
            if self.as_of is not None:
                cursor.execute("USE snapshot")  # a cursor does not inherit it
            yield cursor

    def _run_row(self, run_id: str) -> dict[str, Any]:
        columns = [
            *("file", "header", "task_text", "origin", "collection"),
            *("content_id", "evidence_hash", "benchmark", "declared_step_count"),
        ]
        with self._cursor() as cursor:
            rows = cursor.execute(f"SELECT {', '.join(columns)} FROM run WHERE run_id = ?", [run_id]).fetchall()
        if not rows:
            raise _no_run(run_id)
        return dict(zip(columns, rows[0], strict=True))

    def _events(
        self, table: str, run_id: str | None, source: LabelSource | None, annotator: str | None, order: str
    ) -> list[StoredEvent]:
        wanted = {"run_id": run_id, "source": source, "annotator": annotator}
        values = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ${column}" for column in values) or "true"
        columns = tuple(StoredEvent.model_fields)
        with self._cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {', '.join(columns)} FROM {table} WHERE {where} ORDER BY {order}", values
            ).fetchall()
        if run_id is not None and not rows:
            self._run_row(run_id)  # nothing is said of a run that is there; of one that is not, that
        return [_event(dict(zip(columns, row, strict=True))) for row in rows]


def _event(row: dict[str, Any]) -> StoredEvent:
    for name in ("occurred_at", "arrived_at"):
        row[name] = row[name].replace(tzinfo=UTC)
    row["value"] = None if row["value"] is None else json.loads(row["value"])
    return StoredEvent.model_validate(row)


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r} in this workspace", remedy="The list of runs shows what there is.")
