"""Reading runs: which formats there are, which one a folder holds, and the run as a ``Trajectory``.

``claims_in(folder)`` says what lies in one folder, ``discovery`` walks a whole tree of them, ``read_run`` reads
one. Parsers never import each other; what they share is in the modules that begin with an underscore.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from codetracer_core.errors import AmbiguousFormat, CodeTracerError, UnknownFormat
from codetracer_core.models import Trajectory
from codetracer_core.parsers import (
    _trial,
    atif,
    claude_code,
    codex,
    gemini,
    mini_swe_agent,
    normalised,
    openhands_completions,
    openhands_events,
    openhands_sdk,
    replay,
    swe_agent,
    terminus2,
)
from codetracer_core.parsers._artifacts import Artifacts, strip_ansi
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._resolve import resolve

__all__ = [
    "PARSERS",
    "Artifacts",
    "Claim",
    "Format",
    "ReadRun",
    "RunLocation",
    "claims_in",
    "read_run",
    "resolve",
    "strip_ansi",
]

PARSERS: tuple[Format, ...] = (
    atif.FORMAT,
    claude_code.FORMAT,
    codex.FORMAT,
    gemini.FORMAT,
    mini_swe_agent.FORMAT,
    swe_agent.FORMAT,
    terminus2.FORMAT,
    normalised.FORMAT,
    openhands_events.FORMAT,
    openhands_sdk.FORMAT,
    openhands_completions.FORMAT,
    replay.FORMAT,
)

# Two formats may claim one folder only if they are two records of the same run that its harness writes side by side:
# Harbor converts what an agent wrote into ATIF and keeps both.
VIEWS_OF_ONE_RUN: tuple[frozenset[str], ...] = tuple(
    frozenset({"atif", own})
    for own in ("claude-code", "codex", "gemini-cli", "mini-swe-agent", "openhands", "terminus2")
)


@dataclass(frozen=True)
class RunLocation:
    """Where one run lies and which parser reads it."""

    folder: Path
    parser: Format
    claim: Claim
    other_views: tuple[tuple[Format, Claim], ...] = ()
    ceiling: Path | None = None

    @property
    def format(self) -> str:
        return self.parser.name

    @property
    def path(self) -> str:
        """The run's path for people: its folder, or its file, with ``#`` and the record for one of several."""
        path = str(self.folder if self.claim.unit == "." else self.folder / self.claim.unit)
        return f"{path}#{self.claim.member}" if self.claim.member else path


def parser_named(name: str, formats: Sequence[Format] = PARSERS) -> Format:
    for parser in formats:
        if parser.name == name:
            return parser
    names = ", ".join(parser.name for parser in formats)
    raise UnknownFormat(f"there is no format {name!r}", remedy=f"Formats: {names}.")


def claims_in(
    folder: Path, *, format: str | None = None, ceiling: Path | None = None, formats: Sequence[Format] = PARSERS
) -> list[RunLocation]:
    """All runs that lie directly in ``folder`` (as a whole, or as single files), in order of their names.

    ``format`` asks one parser only, of those in ``formats``. Formats that were taught are asked if no other recognises
    anything. Raises AmbiguousFormat if two parsers claim the same run and are not two
    records of it (``VIEWS_OF_ONE_RUN``).
    """
    artifacts = Artifacts(folder, ceiling=ceiling)
    parsers = (parser_named(format, formats),) if format else formats
    found: dict[tuple[str, str], list[tuple[Format, Claim]]] = {}
    for parser in sorted(parsers, key=lambda parser: parser.is_taught):
        if parser.is_taught and any(not known.is_taught for known, _ in chain(*found.values())):
            break
        for claim in parser.recognise(artifacts):
            found.setdefault((claim.unit, claim.member or ""), []).append((parser, claim))
    locations = []
    for (unit, _), candidates in sorted(found.items()):
        names = [parser.name for parser, _ in candidates]
        records = {claim.files[0] for _, claim in candidates}
        if len(names) > 1 and (frozenset(names) not in VIEWS_OF_ONE_RUN or len(records) < len(names)):
            raise AmbiguousFormat(
                f"several parsers recognise this run: {', '.join(names)}",
                path=folder / unit,
                remedy=f"Name one with --format, e.g. --format {names[0]}.",
            )
        (parser, claim), *others = candidates
        locations.append(RunLocation(folder, parser, claim, tuple(others), ceiling))
    return locations


@dataclass(frozen=True)
class ReadRun:
    """A run as read, the hash of everything that was read for it, and of each file (``Artifacts.digests``)."""

    trajectory: Trajectory
    evidence_hash: str
    digests: dict[str, str]


def read_run(location: RunLocation, *, declared_step_count: int | None = None) -> ReadRun:
    """Read one run. Raises a ``CodeTracerError`` if its files cannot be read as what they claim to be.

    Where a harness left two records of the run, both are read: the richer one is used (more tool calls, then more
    observations, then more steps; on a tie the one in order of time, then the first). Facts that it lacks, such as
    the task's text, are taken from the other, and the trajectory's notes say how they differ. If only one of them
    can be read, that one is used and the notes say why the other was not.
    """
    artifacts = Artifacts(location.folder, ceiling=location.ceiling)
    readings: list[Trajectory] = []
    failures: list[CodeTracerError] = []
    for parser, claim in ((location.parser, location.claim), *location.other_views):
        try:
            readings.append(parser.parse(artifacts, claim, declared_step_count))
        except CodeTracerError as error:
            failures.append(error)
    if not readings:
        raise failures[0]
    best = max(readings, key=_richness)
    notes = [f"Another record of this run could not be read: {error}" for error in failures]
    notes += [_difference(best, other) for other in readings if other is not best]
    trajectory = best.model_copy(update={"notes": best.notes + tuple(notes)})
    for other in readings:
        trajectory = _trial.completed(trajectory, other)
    return ReadRun(_trial.add_context(trajectory, artifacts), artifacts.evidence_hash(), artifacts.digests)


def _richness(reading: Trajectory) -> tuple[int, int, int, bool]:
    """Tool calls, observations, steps, and whether the steps are in order of time.

    Steps that are mere messages count last: a record that splits replies has more of them without telling more.
    """
    calls = sum(not step.is_message for step in reading.steps)
    observations = sum(step.observation is not None for step in reading.steps)
    times = [step.timestamp for step in reading.steps if step.timestamp is not None and step.branch is None]
    return calls, observations, reading.step_count, all(before <= after for before, after in pairwise(times))


def _difference(used: Trajectory, other: Trajectory) -> str:
    """How two records of one run differ, by steps and by tool calls.

    Ids of calls can repeat within a run, so they are counted per call and told per distinct id as well.
    """
    told = []
    for reading in (used, other):
        calls, observations, steps, _ = _richness(reading)
        told.append(f"{reading.format} ({reading.view}) {steps} steps, {calls} tool calls, {observations} observations")
    ids, other_ids = (
        Counter(step.tool.call_id for step in reading.steps if step.tool is not None and step.tool.call_id)
        for reading in (used, other)
    )
    missing, extra = (ids - other_ids).total(), (other_ids - ids).total()
    if not missing and not extra:
        verdict = "agree on every tool call" if ids else "cannot be compared by tool calls"
    else:
        distinct = "agree on" if ids.keys() == other_ids.keys() else "differ in"
        verdict = (
            f"differ by tool calls ({missing} only in the first, {extra} only in the second; "
            f"they {distinct} the set of call ids)"
        )
    return f"Two records of this run, used {told[0]}, the other {told[1]}: they {verdict}."
