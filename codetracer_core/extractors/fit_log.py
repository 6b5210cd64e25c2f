"""How well extractors fitted the runs that were imported: a log for each, and what may be expected after the first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from codetracer_core.extractors.fits import Fit, worst_of
from codetracer_core.extractors.registry import FITS, FOLDER, expect, extractor_named
from codetracer_core.models import Frozen

MOST_FITS = 1_000
"""Lines of a log that are looked at, the newest ones."""


class FitEntry(Frozen):
    """A line of the log: what a version made of one imported run."""

    at: datetime
    version: int
    path: str
    run_id: str | None = None
    fit: Fit
    drift: tuple[str, ...] = ()


def log_fits(workspace: Path, entries: Sequence[tuple[str, FitEntry]]) -> None:
    """Append to the logs of these extractors, by name. A name that is gone meanwhile is passed over.

    Of an active version that was accepted without any run, as one from somebody's file, these are the first: how well
    it fits them is what may be expected of others."""
    by_name: defaultdict[str, list[FitEntry]] = defaultdict(list)
    for name, entry in entries:
        by_name[name].append(entry)
    for name, told in by_name.items():
        if (workspace / FOLDER / name).is_dir():
            _take_as_expected(workspace, name, told)
    for name, entry in entries:
        home = workspace / FOLDER / name
        if home.is_dir():
            with (home / FITS).open("ab+") as log:
                log.seek(max(0, log.tell() - 1))
                is_cut = log.read(1) not in (b"", b"\n")  # by a crash
                log.write(b"\n" * is_cut + entry.model_dump_json().encode() + b"\n")


def fits_of(workspace: Path, name: str) -> tuple[FitEntry, ...]:
    """What the extractor made of the runs that were imported, oldest first; lines that cannot be read are left out."""
    place = workspace / FOLDER / name / FITS
    if not place.is_file():
        return ()
    found: list[FitEntry] = []
    for line in place.read_bytes().splitlines()[-MOST_FITS:]:
        try:
            found.append(FitEntry.model_validate_json(line))
        except ValidationError:  # cut off by a crash
            continue
    return tuple(found)


def _take_as_expected(workspace: Path, name: str, entries: Sequence[FitEntry]) -> None:
    version = extractor_named(workspace, name).current
    if version is None or version.facts.fit is not None:
        return
    fit = worst_of(entry.fit for entry in entries if entry.version == version.number and entry.fit.steps)
    if fit is not None:
        expect(workspace, version, fit)
