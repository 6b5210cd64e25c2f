"""A spec tried on folders: which runs it finds there, what it makes of them, and how good that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.extractors.checks import Judged, judge
from codetracer_core.extractors.engine import Extraction, as_format, extract
from codetracer_core.extractors.limits import SpecLimits
from codetracer_core.extractors.spec import ExtractorSpec
from codetracer_core.parsers import Artifacts, RunLocation

MOST_RUNS = 6
"""Runs that a spec is tried on, spread over all that it finds."""


@dataclass(frozen=True)
class Reading:
    """One run as the spec reads it; None and the ``problem`` in words if it does not."""

    path: str
    folder: Path
    extraction: Extraction | None
    problem: str = ""


@dataclass(frozen=True)
class Tried:
    """What a spec makes of some folders. ``found``: runs that it recognises there, of which ``readings`` are some."""

    readings: tuple[Reading, ...]
    found: int
    judged: Judged | None
    """None: it read no run at all."""
    missed: tuple[Path, ...]
    """Folders in which it recognises nothing."""
    problems: tuple[str, ...]

    @property
    def score(self) -> float:
        """0 … 1: that of the checks, times the share of runs and folders that could be read."""
        if self.judged is None:
            return 0.0
        return self.judged.score * len(self.extractions) / (len(self.readings) + len(self.missed))

    @property
    def is_good(self) -> bool:
        """There is a run in every folder, each could be read, and no check says no."""
        everything = not self.missed and len(self.extractions) == len(self.readings)
        return self.judged is not None and everything and self.judged.passed

    @property
    def extractions(self) -> list[Extraction]:
        return [reading.extraction for reading in self.readings if reading.extraction is not None]


def try_spec(
    spec: ExtractorSpec, folders: Sequence[Path], *, most: int = MOST_RUNS, limits: SpecLimits | None = None
) -> Tried:
    """Read runs at or below ``folders`` with the spec: ``most`` of them, spread over all. Never raises for what a spec
    or a folder is like: that is told in ``problems``."""
    limits = limits or SpecLimits()
    locations: list[RunLocation] = []
    problems: list[str] = []
    missed: list[Path] = []
    for folder in folders:
        try:
            found = discover(folder, formats=(as_format(spec),))
        except CodeTracerError as error:
            problems.append(str(error))
            missed.append(folder)
            continue
        locations += found.locations
        problems += [str(problem) for problem in found.problems]
        if not found.locations:
            missed.append(folder)
            problems.append(f"{folder}: the spec recognises no run here, or below")
    readings = [_read(spec, location, limits) for location in _spread(locations, most)]
    problems += [reading.problem for reading in readings if reading.problem]
    extractions = [reading.extraction for reading in readings if reading.extraction is not None]
    judged = judge(extractions) if extractions else None
    return Tried(tuple(readings), len(locations), judged, tuple(missed), tuple(problems))


def _read(spec: ExtractorSpec, location: RunLocation, limits: SpecLimits) -> Reading:
    artifacts = Artifacts(location.folder, ceiling=location.folder)
    try:
        extraction = extract(spec, artifacts, location.claim, limits=limits)
    except CodeTracerError as error:
        return Reading(location.path, location.folder, None, str(error))
    return Reading(location.path, location.folder, extraction)


def _spread(locations: Sequence[RunLocation], most: int) -> list[RunLocation]:
    """The first one, and others at even distances."""
    if len(locations) <= most:
        return list(locations)
    return [locations[number * len(locations) // most] for number in range(most)]
