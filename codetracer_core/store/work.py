"""Projects, assignments, adjudications as rows. Callers hold the lock and the transaction; rules: ``projects``."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import duckdb

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import Exposure, LabelEvent
from codetracer_core.projects import (
    Assignment,
    Project,
    Standing,
    blinds,
    distribute,
    free_for,
    next_blind_pass,
    next_run,
    offered_verdicts,
    passes,
    places_left,
    state_of,
    takes_part,
)
from codetracer_core.store.database import last_change
from codetracer_core.store.rows import NO_JUDGEMENT
from codetracer_core.store.values import as_stored

_SCORES = {
    "disagreement_first": """
        SELECT run_id, count(*) FROM (
            SELECT run_id, step_id FROM label WHERE field = 'verdict' AND source IN ('human', 'model')
            GROUP BY ALL HAVING count(DISTINCT value) > 1) GROUP BY run_id""",
    # Details are stored as json.dumps writes them.
    "uncertain_first": """
        SELECT run_id, count(DISTINCT step_id) FROM label
        WHERE source = 'model' AND (field = 'verdict' AND value = '"uncertain"'
            OR field = 'details' AND contains(value, '"confidence": "low"'))
        GROUP BY run_id""",
}
_EXPOSURES: tuple[Exposure, ...] = ("ground_truth", "peers", "model", "none")
"""The strongest first."""


def projects_in(cursor: duckdb.DuckDBPyConnection) -> list[Project]:
    rows = cursor.execute("SELECT settings FROM project ORDER BY project_id").fetchall()
    return [Project.model_validate_json(settings) for (settings,) in rows]


def project_in(cursor: duckdb.DuckDBPyConnection, project_id: str) -> Project:
    rows = cursor.execute("SELECT settings FROM project WHERE project_id = ?", [project_id]).fetchall()
    if not rows:
        raise NotFound(f"there is no project {project_id!r} in this workspace")
    return Project.model_validate_json(rows[0][0])


def runs_of_project(cursor: duckdb.DuckDBPyConnection, project_id: str) -> list[str]:
    project_in(cursor, project_id)
    rows = cursor.execute("SELECT run_id FROM project_run WHERE project_id = ? ORDER BY position", [project_id])
    return [run_id for (run_id,) in rows.fetchall()]


def put_project(cursor: duckdb.DuckDBPyConnection, project: Project, *, is_new: bool) -> None:
    """Write a project's settings. Raises CodeTracerError if a new one's name is taken, NotFound for an unknown one."""
    known = cursor.execute("SELECT count(*) FROM project WHERE project_id = ?", [project.project_id]).fetchall()[0][0]
    row = [last_change(cursor) + 1, project.model_dump_json(), project.project_id]
    if is_new and known:
        raise CodeTracerError(f"there is a project {project.project_id!r} already", remedy="Choose another name.")
    if is_new:
        cursor.execute("INSERT INTO project (change, settings, project_id) VALUES (?, ?, ?)", row)
    else:
        project_in(cursor, project.project_id)
        cursor.execute("UPDATE project SET change = ?, settings = ? WHERE project_id = ?", row)


def add_project_runs(cursor: duckdb.DuckDBPyConnection, project_id: str, run_ids: Sequence[str]) -> int:
    """Append runs that the project does not hold yet; returns how many. Raises NotFound for an unknown run."""
    there = runs_of_project(cursor, project_id)
    known = {run_id for (run_id,) in cursor.execute("SELECT run_id FROM run").fetchall()}
    for run_id in run_ids:
        if run_id not in known:
            raise NotFound(f"there is no run {run_id!r} in this workspace")
    change = last_change(cursor) + 1
    held = set(there)
    new = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in held]
    cursor.execute(
        "INSERT INTO project_run SELECT ?, ?, unnest(?), unnest(range(?, ?))",
        [change, project_id, new, len(there), len(there) + len(new)],
    )
    return len(new)


def assignments_in(
    cursor: duckdb.DuckDBPyConnection,
    projects: Iterable[Project],
    *,
    now: datetime,
    run_id: str | None = None,
    annotator: str | None = None,
    counted: bool = True,
) -> list[Assignment]:
    """Assignments of these projects with their state at ``now``, in the order in which they were given.

    Without ``counted`` labelled and flagged steps are not counted (0), which spares a look at every label.
    """
    hours = {project.project_id: project.claim_hours for project in projects}
    if not hours:
        return []
    asked = {"run_id": run_id, "annotator": annotator}
    values = {name: value for name, value in asked.items() if value is not None}
    of_these = " AND ".join(f"{column} = ${column}" for column in values) or "true"
    mark, labelled, flagged = "", "0", "0"
    if counted:
        labelled, flagged = "coalesce(labelled, 0)", "coalesce(flagged, 0)"
        mark = f"""
        LEFT JOIN (
            SELECT run_id, annotator, pass_number,
                count(DISTINCT step_id) FILTER (field = 'verdict') AS labelled,
                count(*) FILTER (field = 'flag') AS flagged
            FROM label WHERE source = 'human' AND {of_these} GROUP BY ALL)
        USING (run_id, annotator, pass_number)"""
    rows = cursor.execute(
        f"""
        WITH act AS (
            SELECT run_id, annotator, pass_number, max(arrived_at) AS last_sign_at,
                max(arrived_at) FILTER (field NOT IN {NO_JUDGEMENT}) AS last_act_at,
                sum(CASE WHEN field = 'worked' THEN CAST(value AS BIGINT) END) AS seconds
            FROM label_event WHERE source = 'human' AND field <> 'shown' AND {of_these} GROUP BY ALL),
        decided AS (SELECT project_id, run_id, max(decided_at) AS decided_at FROM adjudication GROUP BY ALL)
        SELECT project_id, run_id, annotator, pass_number, assigned_at, last_sign_at, last_act_at, submitted_at,
            skipped_at, decided_at, released_at, coalesce(skip_reason, ''), step_count, {labelled},
            {flagged}, coalesce(seconds, 0), coalesce(task, run_id)
        FROM (SELECT * FROM assignment WHERE list_contains($projects, project_id) AND {of_these})
        JOIN run USING (run_id)
        LEFT JOIN act USING (run_id, annotator, pass_number) {mark}
        LEFT JOIN decided USING (project_id, run_id)
        ORDER BY assigned_at, project_id, run_id, annotator, pass_number""",
        values | {"projects": list(hours)},
    ).fetchall()
    return [_assignment(row, hours[row[0]], now) for row in rows]


def _assignment(row: Sequence[Any], claim_hours: float, now: datetime) -> Assignment:
    project_id, run_id, annotator, pass_number, *times, skip_reason, step_count, labelled, flagged, seconds, task = row
    assigned_at, last_sign_at, last_act_at, submitted_at, skipped_at, decided_at, released_at = (
        None if moment is None else moment.replace(tzinfo=UTC) for moment in times
    )
    assert assigned_at is not None
    expires_at = None
    if claim_hours and submitted_at is None and skipped_at is None:
        expires_at = max(assigned_at, last_sign_at or assigned_at) + timedelta(hours=claim_hours)
    state = state_of(
        now=now,
        expires_at=expires_at,
        last_act_at=last_act_at,
        submitted_at=submitted_at,
        skipped_at=skipped_at,
        decided_at=decided_at,
        released_at=released_at,
    )
    return Assignment(
        project_id,
        run_id,
        annotator,
        pass_number,
        state,
        assigned_at,
        last_act_at,
        expires_at,
        submitted_at,
        skip_reason,
        step_count,
        labelled,
        flagged,
        int(seconds),
        task,
    )


def claim_next(
    cursor: duckdb.DuckDBPyConnection, project_id: str, annotator: str, *, now: datetime
) -> Assignment | None:
    """Give this person their next run of the project; None if there is none for them."""
    project = _project_that_gives(cursor, project_id, [annotator])
    assignments = assignments_in(cursor, [project], now=now, counted=False)
    found = next_run(
        project,
        runs_of_project(cursor, project_id),
        assignments,
        annotator,
        exposed=_runs_shown_to(cursor, annotator),
        scores=_scores(cursor, project),
        now=now,
    )
    if found is None:
        return None
    (given,) = _give(cursor, project, assignments, [(annotator, found[0])], now=now)
    return given


def left_for(cursor: duckdb.DuckDBPyConnection, project_id: str, annotator: str, *, now: datetime) -> int:
    """How many new runs of the project this person could get now; 0 if it is closed or they take no part."""
    project = project_in(cursor, project_id)
    if not project.is_open or not takes_part(project, annotator):
        return 0
    assignments = assignments_in(cursor, [project], now=now, counted=False)
    exposed = _runs_shown_to(cursor, annotator)
    return len(free_for(project, runs_of_project(cursor, project_id), assignments, annotator, exposed=exposed))


def assign(
    cursor: duckdb.DuckDBPyConnection,
    project_id: str,
    annotators: Sequence[str],
    *,
    each: int | None,
    now: datetime,
) -> list[Assignment]:
    """Share out all that these people can get, see ``projects.distribute``; returns what is new."""
    project = _project_that_gives(cursor, project_id, annotators)
    assignments = assignments_in(cursor, [project], now=now, counted=False)
    pairs = distribute(
        project,
        runs_of_project(cursor, project_id),
        assignments,
        list(dict.fromkeys(annotators)),
        exposed={who: _runs_shown_to(cursor, who) for who in annotators},
        scores=_scores(cursor, project),
        each=each,
    )
    return _give(cursor, project, assignments, pairs, now=now)


def _project_that_gives(cursor: duckdb.DuckDBPyConnection, project_id: str, annotators: Sequence[str]) -> Project:
    """The project. Raises CodeTracerError if it is closed or one of these people does not take part."""
    project = project_in(cursor, project_id)
    if not project.is_open:
        raise CodeTracerError(f"the project {project_id!r} is closed", remedy="Its lead can open it again.")
    for annotator in annotators:
        if not annotator.strip():
            raise CodeTracerError("runs are given to people with a name")
        if not takes_part(project, annotator):
            raise CodeTracerError(
                f"{annotator!r} does not take part in the project {project_id!r}",
                remedy=f"Its annotators are {', '.join(project.annotators)}; its lead can change that.",
            )
    return project


def _scores(cursor: duckdb.DuckDBPyConnection, project: Project) -> dict[str, int]:
    return dict(cursor.execute(_SCORES[project.order]).fetchall()) if project.order in _SCORES else {}


def _give(
    cursor: duckdb.DuckDBPyConnection,
    project: Project,
    assignments: Sequence[Assignment],
    pairs: Sequence[tuple[str, str]],
    *,
    now: datetime,
) -> list[Assignment]:
    """Write that each (annotator, run) is assigned from now on: anew, or again if their claim had expired.

    Where a run has no place left by this, what others let expire of it is released: a late label of theirs would else
    bring their claim back to life.
    """
    if not pairs:
        return []
    change = last_change(cursor) + 1
    expired = {(one.annotator, one.run_id): one for one in assignments if one.state == "expired"}
    last_passes = {who: _last_passes(cursor, who) for who in {annotator for annotator, _ in pairs}}
    pass_of: dict[tuple[str, str], int] = {}
    new: list[tuple[str, str, int, datetime | None]] = []
    for at, (annotator, run_id) in enumerate(pairs):
        moment = as_stored(now + timedelta(microseconds=at))  # so that their order can be told
        again = expired.pop((annotator, run_id), None)
        if again:
            pass_of[annotator, run_id] = again.pass_number
            cursor.execute(
                f"UPDATE assignment SET change = $change, assigned_at = $moment, released_at = NULL WHERE {_IT}",
                _named(again) | {"change": change, "moment": moment},
            )
        else:
            pass_of[annotator, run_id] = next_blind_pass(last_passes[annotator].get(run_id, 0))
            new.append((run_id, annotator, pass_of[annotator, run_id], moment))
    columns = [list(column) for column in zip(*new, strict=True)] or [[], [], [], []]
    cursor.execute(
        "INSERT INTO assignment (change, project_id, run_id, annotator, pass_number, assigned_at) "
        "SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::INTEGER[]), unnest(?::TIMESTAMP[])",
        [change, project.project_id, *columns],
    )
    runs = {run_id for _, run_id in pairs}
    only = pairs[0][1] if len(runs) == 1 else None
    now_there = assignments_in(cursor, [project], now=now, run_id=only)
    places = places_left(project, runs, now_there)
    submitted = {(one.annotator, one.run_id) for one in now_there if one.submitted_at is not None}
    for (annotator, run_id), one in expired.items():
        if places.get(run_id, 1) <= 0 and (annotator, run_id) not in submitted:
            _release(cursor, one, change, now)
    return [one for one in now_there if pass_of.get((one.annotator, one.run_id)) == one.pass_number]


_IT = "project_id = $project_id AND run_id = $run_id AND annotator = $annotator AND pass_number = $pass_number"


def _named(assignment: Assignment) -> dict[str, Any]:
    """What tells an assignment from every other one, as the parameters of ``_IT``."""
    return {name: getattr(assignment, name) for name in ("project_id", "run_id", "annotator", "pass_number")}


def release(cursor: duckdb.DuckDBPyConnection, assignment: Assignment, *, now: datetime) -> None:
    """Take it back: its run is free for somebody else, or for its owner to take again."""
    _release(cursor, assignment, last_change(cursor) + 1, now)


def _release(cursor: duckdb.DuckDBPyConnection, assignment: Assignment, change: int, now: datetime) -> None:
    cursor.execute(
        f"UPDATE assignment SET change = $change, released_at = $now WHERE {_IT}",
        _named(assignment) | {"change": change, "now": as_stored(now)},
    )


def open_assignment(
    cursor: duckdb.DuckDBPyConnection, project_id: str, run_id: str, annotator: str, *, now: datetime
) -> Assignment:
    """The assignment that this person has not submitted or skipped, expired or not. Raises NotFound."""
    project = project_in(cursor, project_id)
    own = assignments_in(cursor, [project], now=now, run_id=run_id, annotator=annotator)
    for one in own:
        if one.submitted_at is None and one.state != "skipped":
            return one
    raise NotFound(
        f"run {run_id!r} of project {project_id!r} is not on {annotator!r}'s list of runs to be submitted",
        remedy="It may have been submitted in another window.",
    )


def end_assignment(
    cursor: duckdb.DuckDBPyConnection, assignment: Assignment, *, now: datetime, skip_reason: str | None = None
) -> None:
    """Submit it, or with a reason skip it."""
    done = "submitted_at = $now" if skip_reason is None else "skipped_at = $now, skip_reason = $reason"
    values = _named(assignment) | {"change": last_change(cursor) + 1, "now": as_stored(now)}
    cursor.execute(
        f"UPDATE assignment SET change = $change, {done} WHERE {_IT}",
        values if skip_reason is None else values | {"reason": skip_reason},
    )


def rest_is_correct(
    cursor: duckdb.DuckDBPyConnection, assignment: Assignment, exposure: Exposure, *, now: datetime
) -> list[LabelEvent]:
    """A verdict *correct* for every step that the pass leaves unlabelled, as label events."""
    unlabelled = cursor.execute(
        "SELECT step_id FROM step WHERE run_id = $run_id AND step_id NOT IN (SELECT step_id FROM label "
        "WHERE run_id = $run_id AND source = 'human' AND annotator = $annotator AND pass_number = $pass_number "
        "AND field = 'verdict' AND step_id IS NOT NULL) ORDER BY step_id",
        {name: getattr(assignment, name) for name in ("run_id", "annotator", "pass_number")},
    ).fetchall()
    client = f"rest-is-correct-{uuid4()}"
    return [
        LabelEvent(
            run_id=assignment.run_id,
            step_id=step_id,
            value="correct",
            annotator=assignment.annotator,
            pass_number=assignment.pass_number,
            exposure=exposure,
            client=client,
            sequence=at,
            occurred_at=now,
        )
        for at, (step_id,) in enumerate(unlabelled, start=1)
    ]


def put_adjudication(
    cursor: duckdb.DuckDBPyConnection, project_id: str, run_id: str, adjudicator: str, *, now: datetime
) -> None:
    """Put on record that a run of the project is decided. Raises NotFound if the project does not hold it."""
    if run_id not in runs_of_project(cursor, project_id):
        raise NotFound(f"project {project_id!r} holds no run {run_id!r}")
    row = [last_change(cursor) + 1, project_id, run_id, adjudicator, as_stored(now)]
    cursor.execute("INSERT INTO adjudication VALUES (?, ?, ?, ?, ?)", row)


def standing_of(
    cursor: duckdb.DuckDBPyConnection, run_id: str, annotator: str, *, labels: bool, now: datetime
) -> Standing:
    """How this person (``labels``: has the role of an annotator) stands to the run."""
    found = cursor.execute(
        "SELECT settings FROM project JOIN project_run USING (project_id) WHERE run_id = ?", [run_id]
    )
    holding = {one.project_id: one for one in (Project.model_validate_json(text) for (text,) in found.fetchall())}
    assignments = assignments_in(cursor, holding.values(), now=now, run_id=run_id, counted=False)
    of_project: dict[str, list[Assignment]] = {project_id: [] for project_id in holding}
    for one in assignments:
        of_project[one.project_id].append(one)
    is_blind = any(
        blinds(project, of_project[project_id], run_id, annotator, labels=labels)
        for project_id, project in holding.items()
    )
    own = [one for one in assignments if one.annotator == annotator and one.state != "skipped"]
    labelled_passes, shown = _acts_of(cursor, run_id, annotator)
    shown_pass, next_pass = passes(own, labelled_passes)
    exposure: Exposure = next((one for one in _EXPOSURES if one in shown), "none")
    verdicts = offered_verdicts(holding[one.project_id] for one in own)
    return Standing(shown_pass, next_pass, exposure, is_blind, shown, verdicts)


def _acts_of(cursor: duckdb.DuckDBPyConnection, run_id: str, annotator: str) -> tuple[set[int], frozenset[str]]:
    """The passes in which this person has labelled the run, and what they were shown of it."""
    rows = cursor.execute(
        "SELECT DISTINCT pass_number, CASE field WHEN 'shown' THEN value END FROM label_event "
        "WHERE run_id = $run_id AND annotator = $annotator "
        f"AND (source = 'human' AND field NOT IN {NO_JUDGEMENT} OR field = 'shown' AND value IS NOT NULL)",
        {"run_id": run_id, "annotator": annotator},
    ).fetchall()
    labelled = {pass_number for pass_number, shown in rows if shown is None}
    return labelled, frozenset(str(json.loads(shown)) for _, shown in rows if shown is not None)


def blind_runs(cursor: duckdb.DuckDBPyConnection, annotator: str, *, labels: bool, now: datetime) -> set[str]:
    """The runs to which this person stands blind."""
    found: set[str] = set()
    for project in projects_in(cursor):
        if not project.is_open:
            continue
        of_run: dict[str, list[Assignment]] = {}
        for one in assignments_in(cursor, [project], now=now, counted=False):
            of_run.setdefault(one.run_id, []).append(one)
        found |= {
            run_id
            for run_id in runs_of_project(cursor, project.project_id)
            if blinds(project, of_run.get(run_id, ()), run_id, annotator, labels=labels)
        }
    return found


def is_stored(cursor: duckdb.DuckDBPyConnection, event: LabelEvent) -> bool:
    known = "SELECT count(*) FROM label_event WHERE client = ? AND sequence = ?"
    return bool(cursor.execute(known, [event.client, event.sequence]).fetchall()[0][0])


def revision_of(cursor: duckdb.DuckDBPyConnection, run_id: str, annotator: str, *, blind_pass: int) -> list[LabelEvent]:
    """The labels in force of the blind pass as the beginning of the pass after it."""
    rows = cursor.execute(
        "SELECT step_id, field, value, exposure, occurred_at FROM label WHERE run_id = $run_id AND source = 'human' "
        "AND annotator = $annotator AND pass_number = $blind_pass ORDER BY arrival",
        {"run_id": run_id, "annotator": annotator, "blind_pass": blind_pass},
    ).fetchall()
    client = f"revision-{uuid4()}"
    return [
        LabelEvent(
            run_id=run_id,
            step_id=step_id,
            field=field,
            value=json.loads(value),
            annotator=annotator,
            pass_number=blind_pass + 1,
            exposure=exposure,
            client=client,
            sequence=at,
            occurred_at=occurred_at.replace(tzinfo=UTC),
        )
        for at, (step_id, field, value, exposure, occurred_at) in enumerate(rows, start=1)
        if field not in NO_JUDGEMENT
    ]


def shown_to(cursor: duckdb.DuckDBPyConnection, annotator: str) -> set[tuple[str, Exposure]]:
    """(run, what) for all labels that this person has ever been shown."""
    rows = cursor.execute(
        "SELECT DISTINCT run_id, value FROM label_event WHERE field = 'shown' AND value IS NOT NULL AND annotator = ?",
        [annotator],
    ).fetchall()
    return {(run_id, json.loads(what)) for run_id, what in rows}


def _runs_shown_to(cursor: duckdb.DuckDBPyConnection, annotator: str) -> set[str]:
    return {run_id for run_id, _ in shown_to(cursor, annotator)}


def _last_passes(cursor: duckdb.DuckDBPyConnection, annotator: str) -> dict[str, int]:
    """By run the last pass of this person's labels or assignments."""
    rows = cursor.execute(
        "SELECT run_id, max(pass_number) FROM ("
        "SELECT run_id, pass_number FROM label_event "
        f"WHERE annotator = $annotator AND source = 'human' AND field NOT IN {NO_JUDGEMENT} "
        "UNION ALL SELECT run_id, pass_number FROM assignment WHERE annotator = $annotator) GROUP BY ALL",
        {"annotator": annotator},
    ).fetchall()
    return dict(rows)
