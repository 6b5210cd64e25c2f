"""The tables, as an ordered list of migrations. The only place that creates or alters one."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

from collections.abc import Callable
from pathlib import Path

import duckdb

from codetracer_core.errors import CodeTracerError
from codetracer_core.store.database import transaction

Migration = Callable[[duckdb.DuckDBPyConnection], object]


def runs_and_steps(db: duckdb.DuckDBPyConnection) -> None:
    """Runs and facts about their steps. The text of steps is in parquet files (``run.file``)."""
    db.execute("""
        CREATE TABLE run (
            run_id VARCHAR PRIMARY KEY,
            changed BIGINT NOT NULL,            -- number of the import that last changed this row
            evidence_hash VARCHAR NOT NULL,
            decisions_hash VARCHAR NOT NULL,
            file VARCHAR NOT NULL,              -- name in the trajectories folder
            file_bytes BIGINT NOT NULL,
            imported_at TIMESTAMP NOT NULL,     -- all timestamps are UTC
            collection VARCHAR NOT NULL,
            origin VARCHAR NOT NULL,
            format VARCHAR NOT NULL,
            view VARCHAR NOT NULL,
            agent VARCHAR,
            agent_version VARCHAR,
            model VARCHAR,
            task VARCHAR,
            trial VARCHAR,
            task_text VARCHAR,
            solved BOOLEAN,
            exit_status VARCHAR,
            step_count INTEGER NOT NULL,
            declared_step_count BIGINT,
            cost_usd DOUBLE,
            prompt_tokens BIGINT,
            completion_tokens BIGINT,
            cached_tokens BIGINT,
            started_at TIMESTAMP,
            ended_at TIMESTAMP,
            difficulty VARCHAR,
            category VARCHAR,
            benchmark VARCHAR,                  -- JSON: the manifest row
            header VARCHAR NOT NULL             -- JSON: the trajectory without its steps and task text
        )""")
    # No index on step: one made loading slower, and nothing looks up single steps.
    db.execute("""
        CREATE TABLE step (
            run_id VARCHAR NOT NULL,
            step_id INTEGER NOT NULL,
            kind VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            tool VARCHAR,
            parallel_group INTEGER,
            branch VARCHAR,
            is_message BOOLEAN NOT NULL,
            executed BOOLEAN NOT NULL,
            exit_code BIGINT,
            timestamp TIMESTAMP,
            action_size BIGINT NOT NULL,        -- sizes are in characters
            observation_size BIGINT,
            thought_size BIGINT
        )""")


def label_events(db: duckdb.DuckDBPyConnection) -> None:
    """Acts of labelling: only ever added. ``arrival`` numbers them in the order in which they were stored."""
    db.execute("""
        CREATE TABLE label_event (
            arrival BIGINT NOT NULL,
            arrived_at TIMESTAMP NOT NULL,
            run_id VARCHAR NOT NULL,
            step_id INTEGER,
            field VARCHAR NOT NULL,
            value VARCHAR,                      -- JSON; NULL takes the label back
            source VARCHAR NOT NULL,
            annotator VARCHAR NOT NULL,
            pass_number INTEGER NOT NULL,
            exposure VARCHAR NOT NULL,
            client VARCHAR NOT NULL,
            sequence BIGINT NOT NULL,
            occurred_at TIMESTAMP NOT NULL,
            UNIQUE (client, sequence)
        )""")


def label_views(db: duckdb.DuckDBPyConnection) -> None:
    """``label``: what is in force. ``step_labels``: all sources of verdicts on one step side by side."""
    db.execute("""
        CREATE VIEW label AS
        SELECT * FROM (
            SELECT * FROM label_event
            QUALIFY row_number() OVER (
                PARTITION BY run_id, step_id, field, source, annotator, pass_number ORDER BY arrival DESC) = 1)
        WHERE value IS NOT NULL""")
    lists = ", ".join(
        "coalesce(list({'annotator': annotator, 'pass_number': pass_number, 'verdict': trim(value, '\"')}"
        f" ORDER BY annotator, pass_number) FILTER (source = '{source}'), []) AS {source}"
        for source in ("human", "model", "ground_truth", "adjudicated")
    )
    db.execute(f"""
        CREATE VIEW step_labels AS
        SELECT run_id, step_id, {lists}
        FROM label WHERE field = 'verdict' GROUP BY run_id, step_id""")


def names_of_runs(db: duckdb.DuckDBPyConnection) -> None:
    """What else a run is known by: its evidence, and the benchmark's name for it (until now its id)."""
    db.execute("ALTER TABLE run ADD COLUMN content_id VARCHAR")
    db.execute("ALTER TABLE run ADD COLUMN traj_id VARCHAR")
    db.execute("UPDATE run SET traj_id = run_id WHERE benchmark IS NOT NULL")


def projects(db: duckdb.DuckDBPyConnection) -> None:
    """Who labels what. ``change`` grows with every write to any of these tables; nothing is ever deleted.

    No keys: DuckDB refuses some updates of rows that have one. The store's lock keeps rows single.
    """
    db.execute("CREATE TABLE project (change BIGINT NOT NULL, project_id VARCHAR NOT NULL, settings VARCHAR NOT NULL)")
    db.execute("""
        CREATE TABLE project_run (
            change BIGINT NOT NULL, project_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, position INTEGER NOT NULL)""")
    db.execute("""
        CREATE TABLE assignment (
            change BIGINT NOT NULL,
            project_id VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            annotator VARCHAR NOT NULL,
            pass_number INTEGER NOT NULL,
            assigned_at TIMESTAMP NOT NULL,
            submitted_at TIMESTAMP,
            skipped_at TIMESTAMP,
            skip_reason VARCHAR
        )""")
    db.execute("""
        CREATE TABLE adjudication (
            change BIGINT NOT NULL,
            project_id VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            adjudicator VARCHAR NOT NULL,
            decided_at TIMESTAMP NOT NULL
        )""")


def work_is_no_label(db: duckdb.DuckDBPyConnection) -> None:
    """Time on task stands among the events and is summed there; it is nothing that could be in force."""
    db.execute("""
        CREATE OR REPLACE VIEW label AS
        SELECT * FROM (
            SELECT * FROM label_event WHERE field <> 'worked'
            QUALIFY row_number() OVER (
                PARTITION BY run_id, step_id, field, source, annotator, pass_number ORDER BY arrival DESC) = 1)
        WHERE value IS NOT NULL""")


def released_claims(db: duckdb.DuckDBPyConnection) -> None:
    """A claim that was given to somebody else, or taken back, does not come to life again by a late label."""
    db.execute("ALTER TABLE assignment ADD COLUMN released_at TIMESTAMP")


def adjudication_is_one_voice(db: duckdb.DuckDBPyConnection) -> None:
    """Of adjudicated labels the latest is in force, whoever gave it: a run has one adjudicated label per step."""
    db.execute("""
        CREATE OR REPLACE VIEW label AS
        SELECT * FROM (
            SELECT * FROM label_event WHERE field <> 'worked'
            QUALIFY row_number() OVER (
                PARTITION BY run_id, step_id, field, source, CASE source WHEN 'adjudicated' THEN '' ELSE annotator END,
                    pass_number
                ORDER BY arrival DESC) = 1)
        WHERE value IS NOT NULL""")


def diagnoses_and_insights(db: duckdb.DuckDBPyConnection) -> None:
    """What models say of runs (their labels are label events), and what they learned of agents. No row is deleted."""
    db.execute("""
        CREATE TABLE diagnosis (
            change BIGINT NOT NULL,             -- one series of numbers with projects and assignments
            diagnosis_id VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            evidence_hash VARCHAR NOT NULL,     -- of the run as it was diagnosed
            request VARCHAR NOT NULL,           -- equal for the same question about the same evidence; '' unknown
            model VARCHAR NOT NULL,
            strategy VARCHAR NOT NULL,
            author VARCHAR NOT NULL,            -- the annotator of its labels
            pass_number INTEGER,                -- NULL: it failed, so it has no labels
            status VARCHAR NOT NULL,
            status_reason VARCHAR NOT NULL,
            conclusion VARCHAR NOT NULL,
            onset INTEGER,
            incorrect INTEGER NOT NULL,         -- steps
            unuseful INTEGER NOT NULL,
            unsupported INTEGER NOT NULL,       -- findings that are no labels
            samples_finished BIGINT NOT NULL,
            calls BIGINT NOT NULL,
            prompt_tokens BIGINT NOT NULL,
            completion_tokens BIGINT NOT NULL,
            cached_tokens BIGINT NOT NULL,
            cost_usd DOUBLE,                    -- NULL: not known
            started_at TIMESTAMP NOT NULL,
            finished_at TIMESTAMP NOT NULL,
            content VARCHAR NOT NULL            -- JSON: the whole Diagnosis
        )""")
    db.execute("""
        CREATE TABLE insight (
            change BIGINT NOT NULL,
            insight_id VARCHAR NOT NULL,
            agent VARCHAR NOT NULL,
            text VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            diagnosis_id VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            created_at TIMESTAMP NOT NULL,
            enabled BOOLEAN NOT NULL,
            by_person BOOLEAN NOT NULL,
            dropped_at TIMESTAMP                -- it made room for others; diagnoses still name it
        )""")


def replays(db: duckdb.DuckDBPyConnection) -> None:
    """Which run a run is the replay of, and from which step on it is another one; NULL: it is no replay."""
    db.execute("ALTER TABLE run ADD COLUMN replay_of VARCHAR")
    db.execute("ALTER TABLE run ADD COLUMN replay_step INTEGER")


MIGRATIONS: tuple[Migration, ...] = (
    *(runs_and_steps, label_events, label_views, names_of_runs),
    *(projects, work_is_no_label, released_claims, adjudication_is_one_voice),
    *(diagnoses_and_insights, replays),
)
"""In the order in which they are applied. Append only; the function's name is its name in the database."""


def migrate(
    connection: duckdb.DuckDBPyConnection, migrations: tuple[Migration, ...] = MIGRATIONS, *, path: Path | None = None
) -> None:
    """Bring a database, new or old, up to date; each step in one transaction. ``path`` is where it lies, for people.

    Raises CodeTracerError if the database was made by a newer CodeTracer.
    """
    db = connection.cursor()
    db.execute("CREATE TABLE IF NOT EXISTS migration (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP NOT NULL)")
    applied = {name for (name,) in db.execute("SELECT name FROM migration").fetchall()}
    names = [migration.__name__ for migration in migrations]
    unknown = sorted(applied.difference(names))
    if unknown:
        raise CodeTracerError(
            f"this workspace was written by a newer CodeTracer (it knows {', '.join(unknown)})",
            path=path,
            remedy="Update CodeTracer, or use another workspace.",
        )
    for name, migration in zip(names, migrations, strict=True):
        if name in applied:
            continue
        with transaction(db):
            migration(db)
            db.execute("INSERT INTO migration VALUES (?, now() AT TIME ZONE 'UTC')", [name])
