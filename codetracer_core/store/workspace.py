"""The workspace: one folder that holds everything CodeTracer knows, and who has it open."""

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from codetracer_core.durable import write_durably


@dataclass(frozen=True)
class Workspace:
    """Where things lie in a workspace folder. The folder need not exist yet."""

    folder: Path

    @property
    def database(self) -> Path:
        """The live database.

        Never ``open()`` this file from Python in the process that owns it: closing any handle to a file drops all
        POSIX locks that the process holds on it, DuckDB's among them, and a second process could then write to it.
        """
        return self.folder / "codetracer.duckdb"

    @property
    def snapshot(self) -> Path:
        """A consistent copy of the database, for other processes to read."""
        return self.folder / "snapshot.duckdb"

    @property
    def trajectories(self) -> Path:
        """One parquet file of step text per run; the names are hashes."""
        return self.folder / "trajectories"

    @property
    def inbox(self) -> Path:
        """Parcels from processes that could not open the database."""
        return self.folder / "inbox"

    @property
    def refused(self) -> Path:
        """What the owner could not take in from the inbox, each with its reason beside it."""
        return self.inbox / "refused"

    @property
    def diagnoses(self) -> Path:
        """Transcripts, one file per diagnosis; made with the first one."""
        return self.folder / "diagnoses"

    @property
    def journals(self) -> Path:
        """What models replied in diagnoses that are not finished, so that nothing is paid for twice."""
        return self.diagnoses / "journals"

    @property
    def evaluations(self) -> Path:
        """Manifests and predictions that people loaded (``evaluation_files``); made with the first one."""
        return self.folder / "evaluations"

    @property
    def lists(self) -> Path:
        """Lists of steps that people walk in the viewer (``step_list_files``); made with the first one."""
        return self.folder / "lists"

    @property
    def imports(self) -> Path:
        """What became of the last imports that were begun in the dashboard (``ui.import_jobs``); made with one."""
        return self.folder / "imports"

    @property
    def extractors(self) -> Path:
        """Extractor specs, a folder per name with a file per version; made with the first one."""
        return self.folder / "extractors"

    @property
    def replays(self) -> Path:
        """A folder per replay: its log while it goes on, and the run that came of it; made with the first one."""
        return self.folder / "replays"

    @property
    def sessions(self) -> Path:
        """Where interactive sessions were left, a file per run and person; made with the first one."""
        return self.folder / "sessions"

    @property
    def writable(self) -> bool:
        """Could this process write to what is there?"""
        there = [
            path
            for path in (self.folder, self.database, self.trajectories, self.inbox, self.diagnoses)
            if path.exists()
        ]
        return all(os.access(path, os.W_OK) for path in there)

    @property
    def owner(self) -> Path:
        """Says in words who has the workspace open. Only a hint: the lock on the database decides."""
        return self.folder / "owner.json"


def workspace_at(folder: Path | str) -> Workspace:
    """The workspace in ``folder``. Links are followed: one process must know one database by one name only."""
    return Workspace(Path(folder).expanduser().resolve())


def default_workspace() -> Path:
    """The folder named by ``CODETRACER_WORKSPACE``, else one in the user's data directory."""
    named = os.environ.get("CODETRACER_WORKSPACE")
    return Path(named).expanduser() if named else platformdirs.user_data_path("codetracer", appauthor=False)


@dataclass(frozen=True)
class Owner:
    """A process that has the workspace open."""

    pid: int | None
    purpose: str = ""
    """What it told of itself, e.g. "dashboard at http://localhost:8501"; empty: it only passes through."""
    since: str = ""

    def __str__(self) -> str:
        process = f"process {self.pid}" if self.pid is not None else "another process"
        if not self.purpose:
            return process
        return f"{self.purpose} ({process}{f', since {self.since}' if self.since else ''})"


def announce(workspace: Workspace, purpose: str) -> None:
    """Leave word of who this is, for processes that meet the lock."""
    owner = {"pid": os.getpid(), "purpose": purpose, "since": datetime.now(UTC).isoformat(timespec="seconds")}
    write_durably(workspace.owner, lambda file: file.write(json.dumps(owner).encode()))


def owner_in(workspace: Workspace, lock_error: str) -> Owner:
    """Who holds the lock: the process that DuckDB's message names, in its own words if it left some."""
    found = re.search(r"\(PID (\d+)\)", lock_error)
    pid = int(found.group(1)) if found else None
    try:
        said = json.loads(workspace.owner.read_text(encoding="utf-8"))
        owner = Owner(int(said["pid"]), str(said["purpose"]), str(said["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Owner(pid)  # a hint that cannot be read is no hint
    return owner if pid in (None, owner.pid) else Owner(pid)
