"""What a spec makes of a folder, as ``frontend/extractor.js`` shows it: checks, steps, records, raw lines.

Nothing here draws. Texts are those of runs and specs: they reach the page as data only, cut to what can be looked at.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError, NotFound, UnknownFormat
from codetracer_core.extractors.checks import Judged, judge
from codetracer_core.extractors.engine import Extraction, SpecLimits, as_format, extract
from codetracer_core.extractors.spec import ExtractorSpec, read_spec
from codetracer_core.models import SourceRef, Step, Trajectory
from codetracer_core.parsers import Artifacts, RunLocation
from codetracer_core.words import OUTCOME_WORDS

LIMITS = SpecLimits(read_bytes=1 << 26, records=100_000, operations=10_000_000, seconds=10.0)
"""Of a preview: somebody waits for it."""
MOST_RUNS = 200
MOST_STEPS = 300
MOST_FATES = 1_500
MOST_UNCOVERED = 60
MOST_FILES = 400
LONGEST_TEXT = 700
"""Characters of one text of a step."""
LONGEST_LINE = 1_500
WINDOW = 400
"""Lines of a raw file that are sent at once."""
LARGEST_RAW = 1 << 26
"""Bytes of a raw file that is shown."""


@dataclass(frozen=True)
class Reading:
    """What a spec makes of one run below a folder."""

    spec: ExtractorSpec
    locations: tuple[RunLocation, ...]
    """All runs that it recognises there."""
    run: int
    """Which of them was read."""
    extraction: Extraction
    judged: Judged
    read: frozenset[str]
    """The files that were read, relative to the run's folder."""

    @property
    def location(self) -> RunLocation:
        return self.locations[self.run]


@dataclass(frozen=True)
class Unread:
    """The spec recognises runs below a folder, and the one that was asked for cannot be read: its files, or the spec
    for them, may be to blame."""

    locations: tuple[RunLocation, ...]
    run: int
    problem: CodeTracerError

    @property
    def location(self) -> RunLocation:
        return self.locations[self.run]

    @property
    def place(self) -> tuple[str, int]:
        """The file that is to blame, relative to the run's folder ("": not known), and the line in it."""
        line = _line_of(self.problem) or 1
        with suppress(ValueError):
            return Path(self.problem.path or "").relative_to(self.location.folder).as_posix(), line
        return "", 1


def read_folder(text: str, folder: Path, run: int = 0, *, limits: SpecLimits = LIMITS) -> Reading | Unread:
    """Read one run below the folder (the first one for a number that there is none of).

    Raises SpecError for what is no spec, and UnknownFormat if the spec recognises nothing there."""
    spec = read_spec(text)
    locations = runs_of(spec, folder)
    run = run if 0 <= run < len(locations) else 0
    artifacts = Artifacts(locations[run].folder, ceiling=locations[run].folder)
    try:
        extraction = extract(spec, artifacts, locations[run].claim, limits=limits)
    except CodeTracerError as error:
        return Unread(locations, run, error)
    read = frozenset(path.partition("#")[0] for path in artifacts.digests)
    return Reading(spec, locations, run, extraction, judge([extraction]), read)


def runs_of(spec: ExtractorSpec, folder: Path) -> tuple[RunLocation, ...]:
    """The runs that a spec recognises at or below a folder. Raises UnknownFormat if there are none."""
    found = discover(folder, formats=(as_format(spec),))
    if not found.locations:
        if found.problems:
            raise found.problems[0]
        raise UnknownFormat(
            "this spec recognises no run here", path=folder, remedy="Check which files and markers it asks for."
        )
    return tuple(found.locations[:MOST_RUNS])


def problem_data(error: CodeTracerError) -> dict[str, Any]:
    """What is wrong with a spec, in words, and its line that is to blame (0: none)."""
    return {"words": str(error), "line": _line_of(error), "isOfRun": False}


def unread_data(unread: Unread) -> dict[str, Any]:
    """What is wrong with a run, and the file and line that are to blame: no line of the spec is."""
    return {"words": str(unread.problem), "line": 0, "isOfRun": True, "place": unread.place}


def _line_of(error: CodeTracerError) -> int:
    line = re.search(r"\bline (\d+)", error.place)
    return int(line[1]) if line else 0


def summary_words(reading: Reading) -> str:
    """A reading in one line."""
    checks = [check.passed for check in reading.judged.checks if check.passed is not None]
    failed = [check.name for check in reading.judged.checks if check.passed is False]
    told = [
        f"{reading.extraction.trajectory.step_count:,} steps",
        f"{share_words(reading.extraction.coverage)} covered" if reading.extraction.coverage is not None else "",
        f"{sum(checks)} of {len(checks)} checks" + (f", not: {', '.join(failed)}" if failed else ""),
        f"{len(reading.locations):,} runs here" if len(reading.locations) > 1 else "",
    ]
    return " · ".join(part for part in told if part)


def share_words(share: float) -> str:
    """A share of 0 … 1 in per cent, rounded down: 100 % is all of it."""
    return f"{int(share * 1000) / 10:g} %"


def preview_data(reading: Reading) -> dict[str, Any]:
    """Everything that is shown of a reading but the raw file."""
    extraction, trajectory = reading.extraction, reading.extraction.trajectory
    return {
        "checks": [
            {"name": check.name, "passed": check.passed, "words": check.words} for check in reading.judged.checks
        ],
        "scoreWords": f"Score {reading.judged.score:.2f} of 1",
        "stepCount": trajectory.step_count,
        "steps": [_step(step) for step in trajectory.steps[:MOST_STEPS]],
        "fateCount": len(extraction.fates),
        "fates": [
            {"path": fate.path, "line": fate.line, "became": fate.became, "step": fate.step_id, "why": fate.why}
            for fate in extraction.fates[:MOST_FATES]
        ],
        "coverage": None if extraction.coverage is None else share_words(extraction.coverage),
        "uncoveredCount": len(extraction.uncovered),
        "uncovered": [
            {"path": part.path, "first": part.line_start, "last": part.line_end, "text": part.text[:LONGEST_TEXT]}
            for part in extraction.uncovered[:MOST_UNCOVERED]
        ],
        "skipped": [
            {
                "words": skipped.words,
                "isAlike": skipped.alike > 0,
                "samples": [
                    {"path": sample.path, "first": sample.line_start, "text": sample.text[:LONGEST_TEXT]}
                    for sample in skipped.samples
                ],
            }
            for skipped in extraction.skipped[:MOST_UNCOVERED]
        ],
        "facts": _facts(trajectory),
        "notes": list(trajectory.notes),
    }


def _step(step: Step) -> dict[str, Any]:
    tags = [
        "message" if step.is_message else "",
        f"parallel, of {step.parallel_group}" if step.parallel_group is not None else "",
        "" if step.executed else "not executed",
        f"exit {step.exit_code}" if step.exit_code is not None else "",
        f"branch {step.branch}" if step.branch else "",
        step.timestamp.strftime("%H:%M:%S") if step.timestamp else "",
    ]
    parts = {"thought": step.thought, "action": step.action, "observation": step.observation}
    refs = {"thought": step.thought_ref, "action": step.action_ref, "observation": step.observation_ref}
    return {
        "id": step.step_id,
        "tool": step.tool.name if step.tool else "",
        "tags": [tag for tag in tags if tag],
        **{name: _cut(text, refs[name]) for name, text in parts.items() if text is not None},
    }


def _cut(text: str, ref: SourceRef | None) -> dict[str, Any]:
    place = None if ref is None else [ref.path, ref.line_start, ref.line_end]
    return {"text": text[:LONGEST_TEXT], "hidden": max(0, len(text) - LONGEST_TEXT), "place": place}


def _facts(trajectory: Trajectory) -> list[tuple[str, str]]:
    usage = trajectory.usage
    facts: list[tuple[str, object]] = [
        ("Format", f"{trajectory.format} {trajectory.view}"),
        ("Agent", " ".join(part for part in (trajectory.agent, trajectory.agent_version) if part)),
        ("Model", trajectory.model),
        ("Task", trajectory.task),
        ("Task text", (trajectory.task_text or "")[:LONGEST_TEXT]),
        ("Outcome", f"{OUTCOME_WORDS[trajectory.outcome.solved]} ({trajectory.outcome.reason})"),
        ("Exit status", trajectory.exit_status),
        ("Started", trajectory.started_at),
        ("Ended", trajectory.ended_at),
        ("Cost, USD", usage.cost_usd),
        ("Prompt tokens", usage.prompt_tokens),
        ("Completion tokens", usage.completion_tokens),
        ("Tests", ", ".join(f"{test.name} {test.status}" for test in trajectory.tests[:20])),
    ]
    return [(name, "unknown" if value in (None, "") else str(value)) for name, value in facts]


# --- the raw files --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawFiles:
    """The files that may be looked at, relative to a folder; those that were read first."""

    folder: Path
    paths: tuple[str, ...]
    read: frozenset[str] = frozenset()

    def data(self) -> list[dict[str, str]]:
        return [
            {"path": path, "words": "" if path in self.read or not self.read else "not read"} for path in self.paths
        ]


def raw_files(folder: Path, reading: Reading | Unread | None) -> RawFiles:
    """Files of the run that was read, or could not be, else (nothing was) of the folder or file that was named."""
    if isinstance(reading, Unread):
        location = reading.location
        others = _listed(location.folder) if location.claim.unit == "." else []
        return RawFiles(location.folder, tuple(dict.fromkeys((*location.claim.files, *others)))[:MOST_FILES])
    if reading is None:
        if folder.is_file():
            return RawFiles(folder.parent, (folder.name,))
        return RawFiles(folder, tuple(_listed(folder)))
    location = reading.location
    named = [*location.claim.files, *(fate.path for fate in reading.extraction.fates)]
    others = _listed(location.folder) if location.claim.unit == "." else []
    used = [*named, *sorted(reading.read, key=natural)]
    return RawFiles(location.folder, tuple(dict.fromkeys((*used, *others)))[:MOST_FILES], frozenset(used))


def _listed(folder: Path) -> list[str]:
    """Files below a folder, in natural order; links are not followed."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders.sort(key=natural)
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in sorted(files, key=natural)]
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that puts ``step_2`` before ``step_10``."""
    parts = re.split(r"([0-9]+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def raw_data(files: RawFiles, reading: Reading | None, path: str, line: int) -> dict[str, Any] | None:
    """Lines of one of these files around a line, and what became of each; None if there is no file at all.

    Raises NotFound for any other file.
    """
    if not files.paths:
        return None
    path = path or files.paths[0]
    if path not in files.paths:
        raise NotFound("this is not a file of the run", path=path)
    lines, total, problem = _lines(files.folder, path, line)
    first = max(1, min(line - WINDOW // 4, total - WINDOW + 1))
    spans, fates = (_spans(reading, path), _fates(reading, path)) if reading else ([], [])
    last = first + len(lines) - 1
    return {
        "path": path,
        "from": first,
        "total": total,
        "lines": [{"text": text[:LONGEST_LINE], "hidden": max(0, len(text) - LONGEST_LINE)} for text in lines],
        "spans": [span for span in spans if span["first"] <= last and span["last"] >= first],
        "fates": [fate for fate in fates if first <= fate["line"] <= last],
        "problem": problem,
    }


def _lines(folder: Path, path: str, line: int) -> tuple[list[str], int, str]:
    """A window of lines around a line, how many lines the file has, and why there are none."""
    artifacts = Artifacts(folder, ceiling=folder)
    try:
        if artifacts.has(path) and artifacts.size(path) > LARGEST_RAW:
            return [], 0, f"{artifacts.size(path):,} bytes are too many to be shown here."
        lines = [line.rstrip("\r") for line in artifacts.read_text(path, errors="replace").split("\n")]
    except CodeTracerError as error:
        return [], 0, str(error)
    if lines and not lines[-1]:
        lines.pop()
    first = max(1, min(line - WINDOW // 4, len(lines) - WINDOW + 1))
    return lines[first - 1 : first - 1 + WINDOW], len(lines), ""


def refs_of(step: Step) -> dict[str, SourceRef]:
    refs = {"thought": step.thought_ref, "action": step.action_ref, "observation": step.observation_ref}
    return {part: ref for part, ref in refs.items() if ref is not None}


def _spans(reading: Reading, path: str) -> list[dict[str, Any]]:
    """Which lines hold which part of which step."""
    return [
        {"first": ref.line_start, "last": ref.line_end, "step": step.step_id, "part": part}
        for step in reading.extraction.trajectory.steps
        for part, ref in refs_of(step).items()
        if ref.path == path
    ]


def _fates(reading: Reading, path: str) -> list[dict[str, Any]]:
    return [
        {"line": fate.line, "became": fate.became, "step": fate.step_id, "why": fate.why}
        for fate in reading.extraction.fates
        if fate.path == path
    ]


def run_names(locations: Sequence[RunLocation], folder: Path) -> list[str]:
    """The runs by their paths below the folder that was named."""
    root = str(folder.parent if folder.is_file() else folder).rstrip("/") + "/"
    return [location.path.removeprefix(root) for location in locations]
