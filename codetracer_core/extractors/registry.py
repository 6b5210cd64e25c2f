"""The extractors of a workspace: specs in files, a folder per name with a file per version, and how well they fit.

    extractors/relay/v1.yaml   the spec            extractors/relay/active.json   which version reads runs
    extractors/relay/v1.json   its ``Facts``       extractors/relay/fits.jsonl    what it made of each imported run

Several processes may save at once: a version is taken by creating its file of facts. A file that cannot be read is told
and hides nothing else.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from pydantic import Field, ValidationError

from codetracer_core.durable import PART, sync_folder, write_durably
from codetracer_core.errors import CodeTracerError, NotFound, SpecError
from codetracer_core.extractors.checks import Judged, judge
from codetracer_core.extractors.engine import Extraction
from codetracer_core.extractors.fits import Fit, fit_of, worst_of
from codetracer_core.extractors.layout import fingerprint, folder_of, layout_of, look_alikes
from codetracer_core.extractors.spec import ExtractorSpec, read_spec, spec_text
from codetracer_core.extractors.trying import Tried, try_spec
from codetracer_core.models import Frozen
from codetracer_core.parsers import PARSERS

FOLDER = "extractors"
"""In a workspace."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SPEC = re.compile(r"v(\d{1,6})\.yaml")
_TAKEN = re.compile(r"v(\d{1,6})\.(?:yaml|json)")
_ACTIVE, FITS = "active.json", "fits.jsonl"


class CheckFact(Frozen):
    """What a check said when the version was accepted."""

    name: str
    passed: bool | None
    words: str


class Facts(Frozen):
    """What is known of a version besides its text."""

    made_at: datetime
    made_by: str
    """A person or a model, or whose file it was imported from."""
    origin: str = ""
    """The folder with which it was accepted, for people."""
    checks: tuple[CheckFact, ...] = ()
    score: float | None = Field(default=None, ge=0.0, le=1.0)
    fit: Fit | None = None
    """What may be expected of a run; None: it was accepted without one."""
    fit_of_import: bool = False
    """It was accepted without one, and this is what its first import told."""
    fingerprint: str = ""
    """Of the folder's layout (``layout.fingerprint``)."""
    files: tuple[str, ...] = ()
    """How the files there are called, with what varies left open."""


@dataclass(frozen=True)
class Version:
    """One version of an extractor."""

    spec: ExtractorSpec
    facts: Facts

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def number(self) -> int:
        return self.spec.version


@dataclass(frozen=True)
class Extractor:
    """All versions of one name, oldest first."""

    name: str
    versions: tuple[Version, ...]
    active: int | None
    """The version that reads runs; None: it is switched off."""
    problems: tuple[str, ...] = ()
    """Files of it that cannot be read, in words."""

    @property
    def current(self) -> Version | None:
        """The active version, if it can be read."""
        return next((version for version in self.versions if version.number == self.active), None)


def registered(workspace: Path) -> tuple[Extractor, ...]:
    """All extractors of the workspace by name, those of which nothing can be read included (their problems say why)."""
    home = workspace / FOLDER
    if not home.is_dir():
        return ()
    try:
        names = sorted(path.name for path in home.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
    except OSError as error:
        raise CodeTracerError(f"the extractors cannot be listed ({error.strerror or error})", path=home) from error
    return tuple(_extractor(home / name) for name in names)


def strays(workspace: Path) -> tuple[str, ...]:
    """Names in the folder of extractors that are none, such as of a spec that was put there by hand; sorted."""
    home = workspace / FOLDER
    try:
        found = sorted(path.name for path in home.iterdir() if not path.name.startswith("."))
    except OSError:  # none were made yet; what cannot be listed is told by ``registered``
        return ()
    return tuple(name for name in found if not ((home / name).is_dir() and _NAME.fullmatch(name)))


def extractor_named(workspace: Path, name: str) -> Extractor:
    """Raises NotFound."""
    home = workspace / FOLDER / name
    if not _NAME.fullmatch(name) or not home.is_dir():
        known = ", ".join(extractor.name for extractor in registered(workspace)) or "none yet"
        raise NotFound(f"there is no extractor {name!r}", remedy=f"There are: {known}.")
    return _extractor(home)


def version_of(workspace: Path, name: str, number: int | None = None) -> Version:
    """A version of an extractor: the active one, else the latest, if no number is given. Raises NotFound."""
    extractor = extractor_named(workspace, name)
    if number is not None:
        found = next((version for version in extractor.versions if version.number == number), None)
    else:
        found = extractor.current or (extractor.versions[-1] if extractor.versions else None)
    if found is None:
        listed = ", ".join(f"v{version.number}" for version in extractor.versions) or "none that can be read"
        why = f" {extractor.problems[0]}" if extractor.problems else ""
        raise NotFound(f"there is no such version of the extractor {name!r}", remedy=f"There are: {listed}.{why}")
    return found


def save(
    workspace: Path,
    spec: ExtractorSpec,
    *,
    made_by: str,
    judged: Judged | None = None,
    folder: Path | None = None,
    facts: Facts | None = None,
) -> Version:
    """Keep the spec as the next version of its name, which becomes the active one; durable when this returns.

    What it makes of ``folder`` (and of folders beside it that look alike) is kept as what may be expected of it;
    ``judged`` is what the person saw who accepted it, by default what is found there now. Raises SpecError for the
    name of a built-in format.
    """
    if problem := name_problem(spec.name):
        raise SpecError(problem, remedy="Rename it.")
    facts = facts or _facts(spec, made_by, judged, folder)
    home = workspace / FOLDER / spec.name
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodeTracerError(f"this folder cannot be made ({error.strerror or error})", path=home) from error
    number, facts_path = _take_number(home)
    version = Version(spec.model_copy(update={"version": number}), facts)
    _write(facts_path, facts.model_dump_json(indent=1))
    _write(home / f"v{number}.yaml", spec_text(version.spec))
    _write(home / _ACTIVE, json.dumps({"version": number}))
    sync_folder(home)
    return version


def _write(path: Path, text: str) -> None:
    write_durably(path, lambda file: file.write(text.encode()))


def _take_number(home: Path) -> tuple[int, Path]:
    """The next free number; whoever creates the file of facts has it."""
    while True:
        taken = [int(found[1]) for path in home.iterdir() if (found := _TAKEN.fullmatch(path.name))]
        number = max(taken, default=0) + 1
        place = home / f"v{number}.json"
        try:
            place.open("xb").close()
        except FileExistsError:
            continue
        except OSError as error:
            raise CodeTracerError(f"this file cannot be written ({error.strerror or error})", path=place) from error
        return number, place


def _facts(spec: ExtractorSpec, made_by: str, judged: Judged | None, folder: Path | None) -> Facts:
    if folder is None:
        tried, layout = None, None
    else:
        layout = folder_of(folder)
        tried = try_spec(spec, [folder, *look_alikes(layout)])
        judged = judged or tried.judged
    return Facts(
        made_at=datetime.now(UTC),
        made_by=made_by,
        origin=str(folder.absolute()) if folder else "",
        checks=tuple(CheckFact(name=one.name, passed=one.passed, words=one.words) for one in judged.checks)
        if judged
        else (),
        score=judged.score if judged else None,
        fit=worst_of(fit_of(one) for one in _expected(tried, folder)) if tried and folder else None,
        fingerprint=fingerprint(layout) if layout else "",
        files=layout_of(layout).patterns[:40] if layout else (),
    )


def _expected(tried: Tried, folder: Path) -> list[Extraction]:
    """The runs that tell how others are to be read: those of the folder, and of its neighbours those that pass. A
    neighbour of an older version that is read badly is not what was accepted."""
    place = folder.resolve()
    read = [(Path(one.path).resolve(), one.extraction) for one in tried.readings if one.extraction is not None]
    return [one for path, one in read if path.is_relative_to(place) or judge([one]).passed]


def expect(workspace: Path, version: Version, fit: Fit) -> None:
    """Keep what the first import told of a version that was accepted without any run."""
    facts = version.facts.model_copy(update={"fit": fit, "fit_of_import": True})
    home = workspace / FOLDER / version.name
    _write(home / f"v{version.number}.json", facts.model_dump_json(indent=1))
    sync_folder(home)


def switched(workspace: Path, name: str, version: int | None) -> Extractor:
    """Make another version the active one, or (None) switch the extractor off: it then reads nothing, and runs that it
    has read stay. Raises NotFound."""
    extractor = extractor_named(workspace, name)
    if version is not None:
        version_of(workspace, name, version)
    home = workspace / FOLDER / extractor.name
    _write(home / _ACTIVE, json.dumps({"version": version}))
    sync_folder(home)
    return _extractor(home)


def removed(workspace: Path, name: str) -> None:
    """Forget an extractor with all its versions and its log; runs that it has read stay. Raises NotFound."""
    home = workspace / FOLDER / extractor_named(workspace, name).name
    gone = home.with_name(f".{name}.{uuid4().hex}{PART}")
    home.rename(gone)
    shutil.rmtree(gone)


def name_problem(name: str) -> str:
    """Why a spec may not be called so, in words; "" if it may."""
    if name in {parser.name for parser in PARSERS}:
        return f"{name!r} is the name of a built-in format"
    return ""


def active_versions(workspace: Path) -> tuple[Version, ...]:
    """What reads runs now, by name. Cheap: files are only read again if one of them has changed."""
    home = workspace / FOLDER
    return _active(home, tuple(_stamps(home)))


def _stamps(home: Path) -> Iterator[tuple[str, int, int]]:
    try:
        with os.scandir(home) as scanned:
            folders = sorted(entry.path for entry in scanned if entry.is_dir() and _NAME.fullmatch(entry.name))
        for folder in folders:
            with os.scandir(folder) as scanned:
                files = [entry for entry in scanned if entry.name != FITS and not entry.name.endswith(PART)]
                for entry in sorted(files, key=lambda entry: entry.name):
                    status = entry.stat()
                    yield entry.path, status.st_mtime_ns, status.st_size
    except OSError:  # none were made yet, or one is being removed
        return


@lru_cache(maxsize=16)
def _active(home: Path, _stamps: tuple[tuple[str, int, int], ...]) -> tuple[Version, ...]:
    found = (extractor.current for extractor in registered(home.parent))
    return tuple(version for version in found if version is not None)


def _extractor(home: Path) -> Extractor:
    versions: list[Version] = []
    problems: list[str] = []
    numbers = sorted(int(found[1]) for path in home.iterdir() if (found := _SPEC.fullmatch(path.name)))
    for number in numbers:
        try:
            versions.append(_version(home, number))
        except CodeTracerError as error:
            problems.append(str(error))
    active, problem = _active_number(home, max(numbers, default=None))
    return Extractor(home.name, tuple(versions), active, (*problems, *([problem] if problem else [])))


def _active_number(home: Path, latest: int | None) -> tuple[int | None, str]:
    place = home / _ACTIVE
    try:
        number = json.loads(place.read_text(encoding="utf-8"))["version"]
        if not isinstance(number, int | None):
            raise TypeError("no number")  # noqa: TRY301 - told with the others
    except FileNotFoundError:
        return latest, ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"{place}: cannot be read ({error}). Choose the version that reads runs once more."
    return number, ""


def _version(home: Path, number: int) -> Version:
    place = home / f"v{number}.yaml"
    spec = read_spec(_text_of(place), path=str(place))
    if (spec.name, spec.version) != (home.name, number):
        words = f"it calls itself {spec.name!r}, version {spec.version}"
        raise SpecError(words, path=place, remedy="Import it as a file instead of putting it there.")
    if problem := name_problem(spec.name):
        raise SpecError(problem, path=place, remedy="Rename it.")
    beside = home / f"v{number}.json"
    try:
        facts = Facts.model_validate_json(_text_of(beside))
    except ValidationError as error:
        raise SpecError("what is known of this version cannot be read", path=beside, remedy="Save it again.") from error
    return Version(spec, facts)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read ({error})", path=path, remedy="Save it again, or remove it.") from error
