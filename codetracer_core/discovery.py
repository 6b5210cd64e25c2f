"""Finding run folders and run files below any root."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codetracer_core.errors import AmbiguousFormat, CodeTracerError, NotFound, UnknownFormat, UnreadableFile
from codetracer_core.parsers import PARSERS, Format, RunLocation, claims_in
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.parsers._trial import why_unread

MAX_DEPTH = 10
DESCRIBE_IT = "Another one can be described once, and is known from then on: codetracer extractors new FOLDER."
LEVELS_ABOVE = 5
"""How many folders above a path may be the run that it belongs to (``sessions/sessions/<id>/events/3.json``)."""
RECORDS = frozenset({".json", ".jsonl", ".ndjson", ".log", ".txt", ".traj", ".csv", ".tsv", ".xml", ".yaml", ".yml"})
"""How files end that may be records of an agent."""
SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", "site-packages"}
    | {".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".cache", ".idea", ".vscode"}
)


@dataclass
class Discovery:
    """What lies below a root: runs to read, and places that look like runs but cannot be read as one."""

    locations: list[RunLocation] = field(default_factory=list)
    problems: list[CodeTracerError] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    """Folders below the root, each as a whole, that hold files of ``RECORDS`` and no run that any format recognises."""


def discover(
    root: Path,
    *,
    format: str | None = None,
    ceiling: Path | None = None,
    max_depth: int = MAX_DEPTH,
    visited: Callable[[int], None] | None = None,
    formats: Sequence[Format] = PARSERS,
    cancelled: Callable[[], bool] = lambda: False,
) -> Discovery:
    """All runs at or below ``root`` (a folder, or one file), in path order.

    Folders that hold no runs (version control, caches, virtual environments), links to folders and anything
    more than ``max_depth`` levels down are passed over. A file of a run is that run: its trial folder, where it lies
    in one. Where there is nothing but a run around ``root``, that is told as a problem. ``visited`` hears the number
    of folders looked at so far. Once ``cancelled`` no further folder is looked at: what was found until then is
    returned.
    """
    if not _can_see(root):
        raise NotFound("there is nothing here", path=root, remedy="Check the path.")
    found = Discovery()
    asked = _Asked(format, ceiling, formats)
    if root.is_file():
        found.locations = _runs_of_file(root, asked)
    else:
        _Walk(found, asked, max_depth, visited, cancelled).folder(root, 0)
    if not found.locations and not found.problems and (around := _run_around(root, asked)):
        found.problems.append(
            UnknownFormat("no run, but a part of one", path=root, remedy=f"Name the run itself: {around.path}")
        )
    return found


def locate(path: Path, *, format: str | None = None, formats: Sequence[Format] = PARSERS) -> RunLocation:
    """The one run at ``path``; raises AmbiguousFormat if several lie there, UnknownFormat if none does.

    ``path`` may end in ``#member`` to name one of several runs in a file, as ``RunLocation.path`` writes it.
    """
    member = None
    if not _can_see(path) and "#" in path.name:
        name, _, member = path.name.rpartition("#")
        path = path.with_name(name)
    found = discover(path, format=format, formats=formats)
    runs = [run for run in found.locations if member is None or run.claim.member == member]
    if len(runs) == 1:
        return runs[0]
    if runs:
        around = _run_around(path, _Asked(format, None, formats))
        listed = "\n".join(f"  {run.path}" for run in ([around] if around else []) + runs[:20])
        more = f"\n  … and {len(runs) - 20} more" if len(runs) > 20 else ""
        raise AmbiguousFormat(f"{len(runs)} runs lie here", path=path, remedy=f"Name one of them:\n{listed}{more}")
    if found.problems:
        raise found.problems[0]
    known = "; ".join(parser.title for parser in formats)
    raise UnknownFormat("no run that any parser recognises", path=path, remedy=f"Known layouts: {known}. {DESCRIBE_IT}")


def _can_see(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UnreadableFile:
    return UnreadableFile(error.strerror or str(error), path=path, remedy="Check that you may read it.")


@dataclass(frozen=True)
class _Asked:
    """Which formats are asked, and outside of which folder nothing is read."""

    format: str | None
    ceiling: Path | None
    formats: Sequence[Format]

    def claims_in(self, folder: Path) -> list[RunLocation]:
        return claims_in(folder, format=self.format, ceiling=self.ceiling, formats=self.formats)


def _runs_of_file(file: Path, asked: _Asked) -> list[RunLocation]:
    """Runs whose evidence is ``file``: of the outermost folder that is such a run, else in the file's own folder."""
    runs = [run for run in asked.claims_in(file.parent) if _is_evidence(run, file)]
    for claims in _claims_above(file.parent, asked):
        runs = [run for run in claims if run.claim.unit == "." and _is_evidence(run, file)] or runs
    return runs


def _is_evidence(run: RunLocation, file: Path) -> bool:
    relative = file.relative_to(run.folder).as_posix()
    claims = (run.claim, *(claim for _, claim in run.other_views))
    return any(relative == claim.unit or relative in claim.files for claim in claims)


def _run_around(path: Path, asked: _Asked) -> RunLocation | None:
    """The outermost run folder above ``path``."""
    around = [runs[0] for runs in _claims_above(path, asked) if runs and runs[0].claim.unit == "."]
    return around[-1] if around else None


def _claims_above(path: Path, asked: _Asked) -> Iterator[list[RunLocation]]:
    """What lies in each folder above ``path``, inside out; a folder that cannot be read or understood holds nothing."""
    for folder in path.absolute().parents[:LEVELS_ABOVE]:
        if asked.ceiling is not None and not folder.resolve().is_relative_to(asked.ceiling.resolve()):
            return
        try:
            yield asked.claims_in(folder)
        except (CodeTracerError, OSError):
            yield []


@dataclass
class _Walk:
    found: Discovery
    asked: _Asked
    max_depth: int
    visited: Callable[[int], None] | None
    cancelled: Callable[[], bool]
    covered: set[Path] = field(default_factory=set)
    seen: int = 0

    def folder(self, folder: Path, depth: int, *, in_run: bool = False) -> None:
        """Look at a folder and what lies below it. ``in_run``: it belongs to a run that was found above."""
        if self.cancelled():
            return
        self.seen += 1
        if self.visited is not None:
            self.visited(self.seen)
        try:
            runs = self.asked.claims_in(folder)
            artifacts = Artifacts(folder, ceiling=self.asked.ceiling)
            subfolders = artifacts.folders
        except CodeTracerError as error:
            self.found.problems.append(error)
            return
        except OSError as error:
            self.found.problems.append(_unreadable(folder, error))
            return
        runs = [run for run in runs if not self._is_covered(run)]
        for run in runs:
            for claim in (run.claim, *(claim for _, claim in run.other_views)):
                self.covered.update(folder / name for name in (*claim.files, *claim.covers))
        position, problems, over = len(self.found.locations), len(self.found.problems), len(self.found.passed_over)
        self.found.locations.extend(runs)
        if depth < self.max_depth:
            for name in subfolders:
                path = folder / name
                if name not in SKIPPED_FOLDERS and path not in self.covered and not path.is_symlink():
                    self.folder(path, depth + 1, in_run=in_run or any(run.claim.unit == "." for run in runs))
        if (len(self.found.locations), len(self.found.problems)) != (position, problems):
            return
        if (reason := why_unread(artifacts)) is not None:
            self.found.problems.append(UnknownFormat(reason, path=folder))
        elif len(self.found.passed_over) > over or (not in_run and _may_be_records(artifacts.files)):
            self.found.passed_over[over:] = [folder] if depth else []

    def _is_covered(self, run: RunLocation) -> bool:
        return all(run.folder / name in self.covered for name in run.claim.files)


def _may_be_records(files: Collection[str]) -> bool:
    """Whether these files of one folder may be those of a run; reports of an evaluation are read with its runs."""
    return "report.json" not in files and any(Path(name).suffix.lower() in RECORDS for name in files)
