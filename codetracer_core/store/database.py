"""Connecting to DuckDB, its lock, its errors in words, its transactions."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from codetracer_core.durable import PART
from codetracer_core.errors import CodeTracerError, StoreLocked, UnreadableFile
from codetracer_core.store.workspace import Owner, Workspace, owner_in, workspace_at

WRITING = threading.RLock()
"""One writer at a time in this process, for one transaction: concurrent writers to one key lose rows."""

# Nothing is fetched from anywhere, and no Python variable is taken for a table.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


def connect_to(place: Workspace, wait: float) -> duckdb.DuckDBPyConnection:
    """Connect for writing. Raises StoreLocked or UnreadableFile; see ``Store.open``."""
    deadline = time.monotonic() + wait
    with WRITING, in_words(place.database):
        if not place.database.exists():
            _create(place)
    while True:
        try:
            return duckdb.connect(str(place.database), config=_CONFIG)
        except duckdb.Error as error:
            if not _is_lock(error):
                raise _damaged(place, error) from error
            owner = owner_in(place, str(error))
            if owner.purpose or time.monotonic() >= deadline:
                raise StoreLocked(
                    f"{owner} has this workspace open",
                    path=place.folder,
                    remedy="Do this there, or close it and try again, or name another workspace with --workspace.",
                ) from error
        time.sleep(0.02)


def attach_snapshot(place: Workspace) -> duckdb.DuckDBPyConnection:
    """A connection that has the snapshot attached, as ``snapshot``.

    Connecting to the file itself would, in a process that still has an older snapshot open, silently give that one.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("ATTACH ? AS snapshot (READ_ONLY)", [str(place.snapshot)])
    return connection


def lock_holder(workspace: Path | str) -> Owner | None:
    """Which other process has the workspace open now; None: nobody, or there is no workspace."""
    place = workspace_at(workspace)
    if not place.database.exists():
        return None
    try:
        duckdb.connect(str(place.database), read_only=True, config=_CONFIG).close()
    except duckdb.ConnectionException:
        return None  # it is open in this very process
    except duckdb.IOException as error:
        return owner_in(place, str(error)) if _is_lock(error) else None
    return None


def _create(place: Workspace) -> None:
    """Start a database: from the snapshot if the database was lost, else an empty one.

    It appears under its name as a whole, because DuckDB cannot open a file whose making was cut short.
    """
    part = place.database.with_name(f"{place.database.name}.{os.getpid()}{PART}")
    part.unlink(missing_ok=True)
    if place.snapshot.exists():
        shutil.copyfile(place.snapshot, part)
    else:
        duckdb.connect(str(part), config=_CONFIG).close()
    with suppress(OSError):  # another process was faster, or there are no hard links here: DuckDB will make the file
        os.link(part, place.database)
    part.unlink(missing_ok=True)


def _is_lock(error: duckdb.Error) -> bool:
    text = str(error)
    return isinstance(error, duckdb.IOException) and ("Could not set lock" in text or "already open in" in text)


def _damaged(place: Workspace, error: duckdb.Error) -> UnreadableFile:
    return UnreadableFile(
        f"the database cannot be opened ({error})",
        path=place.database,
        remedy="If it is damaged, move it (and its .wal file) away and start again: CodeTracer then goes on from "
        f"{place.snapshot.name}, its last copy."
        if place.snapshot.exists()
        else "If it is damaged, move it away and start again.",
    )


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what the database says into an error that the rest of the code can catch."""
    try:
        yield
    except duckdb.Error as error:
        raise CodeTracerError(f"the database refused: {error}", path=path) from error


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    cursor.begin()
    try:
        yield
    except BaseException:
        cursor.rollback()
        raise
    cursor.commit()


@contextmanager
def registered(cursor: duckdb.DuckDBPyConnection, table: pa.Table) -> Iterator[str]:
    """Make an Arrow table visible to SQL under the name that is yielded."""
    cursor.register("arriving", table)
    try:
        yield "arriving"
    finally:
        cursor.unregister("arriving")


def state_of(cursor: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int]:
    """Numbers of label events, imports, other changes, migrations: they differ whenever what is stored does."""
    migrations = one_number(cursor, "SELECT count(*) FROM migration")
    return (last_arrival(cursor), last_import(cursor), last_change(cursor), migrations)


def last_arrival(cursor: duckdb.DuckDBPyConnection) -> int:
    return one_number(cursor, "SELECT coalesce(max(arrival), 0) FROM label_event")


def last_import(cursor: duckdb.DuckDBPyConnection) -> int:
    return one_number(cursor, "SELECT coalesce(max(changed), 0) FROM run")


def last_change(cursor: duckdb.DuckDBPyConnection) -> int:
    tables = ("project", "project_run", "assignment", "adjudication", "diagnosis", "insight")
    changes = " UNION ALL ".join(f"SELECT max(change) AS change FROM {table}" for table in tables)  # noqa: S608
    return one_number(cursor, f"SELECT coalesce(max(change), 0) FROM ({changes})")  # noqa: S608


def one_number(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    ((number,),) = cursor.execute(query).fetchall()  # fetchone would leave the cursor busy with an open result
    return int(number)


def snapshot_state(workspace: Workspace) -> tuple[int, int, int, int] | None:
    """The state of the snapshot on disk; None if there is none that can be read."""
    if not workspace.snapshot.exists():
        return None
    try:
        with closing(attach_snapshot(workspace)) as connection:
            connection.execute("USE snapshot")
            return state_of(connection)
    except duckdb.Error:
        return None  # from an older version, or damaged: a new one is written
