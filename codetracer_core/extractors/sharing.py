"""An extractor as one file for other people: its spec, with where it comes from and how it fitted told above it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Literal

from pydantic import ValidationError

from codetracer_core.extractors.fits import Fit
from codetracer_core.extractors.layout import cut
from codetracer_core.extractors.registry import Facts, Version, registered, save
from codetracer_core.extractors.spec import ExtractorSpec, read_spec, spec_text

_FIT = re.compile(r"^# fit: (\{.*\})$", re.MULTILINE)
Became = Literal["new", "next version", "unchanged"]


@dataclass(frozen=True)
class Imported:
    """What became of a file: *unchanged* if a version with the same content is there already."""

    version: Version
    became: Became


def export_text(version: Version) -> str:
    """The spec as YAML. The lines above it are comments, but for people: made when and by whom, what the checks said,
    and what may be expected of a run."""
    facts = version.facts
    lines = [
        f"CodeTracer extractor {version.name!r}, version {version.number}: {version.spec.title}",
        f"made {facts.made_at:%Y-%m-%d} by {facts.made_by}"
        + (f" for {PurePath(facts.origin).name}" if facts.origin else ""),
    ]
    verdicts = {True: "passed", False: "not passed", None: "not known"}
    lines += [f"check {check.name}: {verdicts[check.passed]} ({check.words})" for check in facts.checks]
    lines += [f"fit: {facts.fit.model_dump_json()}"] if facts.fit else []
    lines.append("Import it: codetracer extractors import FILE")
    return "".join(f"# {_one_line(line)}\n" for line in lines) + "\n" + spec_text(version.spec)


def import_text(workspace: Path, text: str, *, made_by: str, path: str = "") -> Imported:
    """Take in a shared spec: as it is if its name is new, as the next version if what is there says something else.

    Nothing is overwritten. Raises SpecError for what is no spec, or carries the name of a built-in format."""
    spec = read_spec(text, path=path)
    known = next((one for one in registered(workspace) if one.name == spec.name), None)
    if known is not None:
        same = next((one for one in known.versions if _content(one.spec) == _content(spec)), None)
        if same is not None:
            return Imported(same, "unchanged")
    facts = Facts(made_at=datetime.now(UTC), made_by=made_by, origin=PurePath(path).name, fit=_fit_in(text))
    version = save(workspace, spec, made_by=made_by, facts=facts)
    return Imported(version, "new" if known is None else "next version")


def _content(spec: ExtractorSpec) -> ExtractorSpec:
    return spec.model_copy(update={"version": 1})


def _fit_in(text: str) -> Fit | None:
    found = _FIT.search(text)
    if found is None:
        return None
    try:
        return Fit.model_validate_json(found[1])
    except ValidationError:  # it is only a comment
        return None


def _one_line(text: str) -> str:
    return " ".join(cut(text, 2_000).split())
