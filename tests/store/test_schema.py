"""Old workspaces are brought up to date, newer ones are refused, and a migration that fails leaves nothing behind."""

from pathlib import Path

import duckdb
import pytest

from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Store, Workspace
from codetracer_core.store.schema import MIGRATIONS, migrate
from tests.store.factory import decide, make_label, make_run


def applied(database: Path) -> list[str]:
    with duckdb.connect(str(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM migration ORDER BY applied_at").fetchall()]


def test_a_new_database_has_every_migration_once(tmp_path: Path) -> None:
    for _ in range(2):
        Store.open(tmp_path).close()
        assert applied(Workspace(tmp_path).database) == [migration.__name__ for migration in MIGRATIONS]
        assert applied(Workspace(tmp_path).snapshot) == [migration.__name__ for migration in MIGRATIONS]


@pytest.mark.parametrize("known", range(len(MIGRATIONS)))
def test_an_older_database_is_brought_up_to_date(tmp_path: Path, known: int) -> None:
    with duckdb.connect(str(Workspace(tmp_path).database)) as connection:
        migrate(connection, MIGRATIONS[:known])
        if known:
            connection.execute(
                "INSERT INTO run (run_id, changed, evidence_hash, decisions_hash, file, file_bytes, imported_at, "
                "collection, origin, format, view, step_count, header) VALUES "
                "('old', 1, '', '', 'x.parquet', 0, TIMESTAMP '2026-01-01', '', '', 'atif', '', 2, '{}')"
            )
        if known > 1:
            connection.execute(
                "INSERT INTO label_event VALUES (1, TIMESTAMP '2026-01-02', 'old', 2, 'verdict', '\"incorrect\"', "
                "'human', 'ana', 1, 'none', 'browser', 7, TIMESTAMP '2026-01-02')"
            )
    with Store.open(tmp_path) as store:
        assert [summary.run_id for summary in store.runs()] == ["old"] * bool(known)
        said = [(one.step_id, one.value, one.annotator) for one in store.labels()]
        assert said == [(2, "incorrect", "ana")] * (known > 1)
        record = make_run()
        store.add_runs([record], decisions=[decide(record)])
        store.add_label_events([make_label(1)])
        assert store.load_run("run-1") == record
        assert len(store.labels("run-1")) == 1
    assert len(applied(Workspace(tmp_path).database)) == len(MIGRATIONS)


def test_a_snapshot_of_an_older_schema_is_replaced(tmp_path: Path) -> None:
    with duckdb.connect(str(Workspace(tmp_path).database)) as connection:
        migrate(connection, MIGRATIONS[:2])
    with duckdb.connect(str(Workspace(tmp_path).snapshot)) as connection:
        migrate(connection, MIGRATIONS[:2])
    with Store.open_for_reading(tmp_path) as reader:
        assert reader.runs() == []


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(str(Workspace(tmp_path).database)) as connection:
        connection.execute("INSERT INTO migration VALUES ('colours_of_labels', TIMESTAMP '2030-01-01')")
    with pytest.raises(CodeTracerError, match=r"newer CodeTracer \(it knows colours_of_labels\).*Update CodeTracer"):
        Store.open(tmp_path)
    assert "colours_of_labels" in applied(Workspace(tmp_path).database)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def half_done(db: duckdb.DuckDBPyConnection) -> None:
        db.execute("CREATE TABLE half (x INTEGER)")
        db.execute("CREATE TABLE run (x INTEGER)")

    database = tmp_path / "x.duckdb"
    with duckdb.connect(str(database)) as connection:
        migrate(connection, MIGRATIONS[:1])
        with pytest.raises(duckdb.CatalogException):
            migrate(connection, (MIGRATIONS[0], half_done))
    assert applied(database) == [MIGRATIONS[0].__name__]
    with duckdb.connect(str(database)) as connection:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert tables == {"migration", "run", "step"}
