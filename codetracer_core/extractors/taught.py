"""The active extractors of a workspace as formats, and how well each run was read with them."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.errors import MalformedRun
from codetracer_core.extractors.engine import as_format, extract
from codetracer_core.extractors.fit_log import FitEntry
from codetracer_core.extractors.fits import Fit, drift, fit_of
from codetracer_core.extractors.registry import Version, active_versions
from codetracer_core.models import Trajectory
from codetracer_core.parsers import Artifacts, Claim, Format

OnFit = Callable[[str, FitEntry], None]
"""Hears the name of the extractor, and how well it fitted, after each run that was read with one."""


def taught_formats(workspace: Path, on_fit: OnFit = lambda _name, _entry: None) -> tuple[Format, ...]:
    """The formats that this workspace was taught, by name. Cheap enough to be asked for at every import and opening."""
    return tuple(_format(version, on_fit) for version in active_versions(workspace))


def remedy(name: str, folder: str) -> str:
    """What to do about an extractor that does not fit (any more)."""
    return f"Repair it: codetracer extractors repair {name} {shlex.quote(folder)}"


def _format(version: Version, on_fit: OnFit) -> Format:
    spec, accepted = version.spec, version.facts.fit

    def parse(artifacts: Artifacts, claim: Claim, _declared: int | None) -> Trajectory:
        folder = str(artifacts.root)
        path = folder if claim.unit == "." else str(artifacts.root / claim.unit)
        try:
            extraction = extract(spec, artifacts, claim)
        except MalformedRun as error:  # there are files of this format, and not a record in them
            on_fit(spec.name, _entry(version, path, Fit(steps=0), (error.reason,)))
            raise MalformedRun(
                error.reason, path=error.path, place=error.place, remedy=remedy(spec.name, folder)
            ) from error
        fit = fit_of(extraction)
        changed = drift(accepted, fit)
        on_fit(spec.name, _entry(version, path, fit, changed))
        if fit.is_empty:
            raise MalformedRun(
                f"the extractor {spec.name!r} (version {spec.version}) makes no step of it, though it is full of text",
                path=path,
                remedy=remedy(spec.name, folder),
            )
        trajectory = extraction.trajectory
        if changed:
            note = f"{drift_words(spec.name, spec.version, changed)}. {remedy(spec.name, folder)}"
            trajectory = trajectory.model_copy(update={"notes": (*trajectory.notes, note)})
        return trajectory

    return replace(as_format(spec), parse=parse)


def _entry(version: Version, path: str, fit: Fit, changed: tuple[str, ...]) -> FitEntry:
    return FitEntry(at=datetime.now(UTC), version=version.number, path=path, fit=fit, drift=changed)


def drift_words(name: str, version: int, changed: tuple[str, ...]) -> str:
    return f"the extractor {name!r} (version {version}) fits worse than before: {'; '.join(changed)}"
