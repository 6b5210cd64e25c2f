"""Running a spec: from files to a ``Trajectory`` with real references, and to what became of each record.

Deterministic: the same files, spec and limits give the same result. Nothing but files below the run's folder is read,
nothing is executed, and what needs more than the limits is refused (SpecError).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codetracer_core.errors import MalformedRun, SpecError
from codetracer_core.extractors.coverage import Coverage, Uncovered, coverage_of
from codetracer_core.extractors.drafting import Drafting
from codetracer_core.extractors.drafts import NO_RULE, ORPHAN, Became, Draft, Event, steps_of
from codetracer_core.extractors.facts import facts_of
from codetracer_core.extractors.limits import Budget, SpecLimits
from codetracer_core.extractors.nodes import Node
from codetracer_core.extractors.patterns import below, found_in
from codetracer_core.extractors.records import Reading, Record
from codetracer_core.extractors.schema import ExtractorSpec
from codetracer_core.extractors.schema_sources import Find, Marker
from codetracer_core.extractors.skipping import Skipped, is_others, skipped_by_rules
from codetracer_core.models import SourceRef, Trajectory
from codetracer_core.parsers._artifacts import Artifacts, lost_content
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted
from codetracer_core.words import listed

__all__ = ["Extraction", "Fate", "SpecLimits", "Uncovered", "as_format", "extract", "recognise"]

LIMITS = SpecLimits()
_LOOKING = SpecLimits(operations=200_000, seconds=10.0)
"""For recognising, which is asked of every folder below an import root."""


LEFT_OUT = "stands in one list with records, and no source takes it"


@dataclass(frozen=True)
class Fate:
    """What became of one record, or of one of the items in it. ``line`` is 1-based; ``pointer`` is a JSON pointer, ""
    where there is none; ``step_id`` is the step that it is, or belongs to."""

    path: str
    line: int
    pointer: str
    became: Became
    step_id: int | None
    why: str

    @property
    def words(self) -> str:
        """As a clause: "became step 12", "observation of step 12", "skipped: …"."""
        if self.became == "step":
            told = f"became step {self.step_id}" if self.why.count(":") == 0 else f"belongs to step {self.step_id}"
            return f"{told} ({self.why})"
        if self.became == "observation":
            return f"observation of step {self.step_id} ({self.why})"
        return f"read for {self.why}" if self.became == "fact" else f"skipped: {self.why}"


@dataclass(frozen=True)
class Extraction:
    """One run as a spec reads it, and the account of it."""

    spec: ExtractorSpec
    folder: Path
    """To which the paths are relative."""
    trajectory: Trajectory
    fates: tuple[Fate, ...]
    """In the order of the records; then what no source takes."""
    uncovered: tuple[Uncovered, ...]
    """The agent's text that no step holds, in the order of the records (``coverage.MOST_UNCOVERED`` at most)."""
    coverage: float | None
    """Share of the agent's text, by characters of distinct lines, that steps hold; None if there is no such text."""
    text_characters: int
    """Of the agent's text …"""
    skipped_characters: int
    """… and of text that rules skip and no step holds …"""
    skipped_among: int
    """… of which this stands among the steps, after the first one in its file."""
    skipped: tuple[Skipped, ...]
    """The same by rule and reason, with samples; those with records that look like steps first."""
    step_records: int
    """Records that became steps."""
    passed_by: tuple[str, ...]
    """Files of the run that were not read although, but for numbers, they are called like one that was; none
    that is empty."""
    records: int
    unmatched: int
    """Records that no rule fits, and what no source takes though it stands beside records."""
    orphans: int
    """Answers to no step."""
    further: int
    """Answers to steps that had one."""
    others_words: int
    """Steps whose record is the prompt, or a user's: see ``_is_others``."""
    silent: int
    """Records that a rule fits, and that do not hold what it takes."""
    declared: int | None
    """How many steps the files say there are."""
    own_numbers: bool
    """The files number the steps."""


@dataclass(frozen=True)
class _Read:
    trajectory: Trajectory
    records: Sequence[Record]
    drafts: Sequence[Draft]
    drafting: Drafting
    events: Sequence[Event]
    reading: Reading
    unmatched: int
    orphans: int
    step_count: int | None


def extract(spec: ExtractorSpec, artifacts: Artifacts, claim: Claim, *, limits: SpecLimits = LIMITS) -> Extraction:
    """Read one run and tell what became of each record.

    Raises UnreadableFile, MalformedRun, or SpecError for what needs more than ``limits``."""
    read = _read(spec, artifacts, claim, limits)
    covered: Coverage = coverage_of(spec, read.records, read.events, read.trajectory, read.reading)
    left_out = read.reading.left_out
    return Extraction(
        spec=spec,
        folder=artifacts.root,
        trajectory=read.trajectory,
        fates=(
            *(_fate(event) for event in read.events),
            *(_fate(Event(record, record.node, "skipped", None, LEFT_OUT)) for record in left_out),
        ),
        uncovered=covered.uncovered,
        coverage=covered.share,
        text_characters=covered.total,
        skipped_characters=covered.skipped,
        skipped_among=covered.among,
        skipped=skipped_by_rules(spec, read.events, covered.asides),
        step_records=len({draft.record.index for draft in read.drafts}),
        passed_by=_passed_by(artifacts, claim, read.reading.budget),
        records=len(read.records) + len(left_out),
        unmatched=read.unmatched + len(left_out),
        orphans=read.orphans,
        further=read.drafting.further,
        others_words=sum(_is_others(draft, read.trajectory.task_ref) for draft in read.drafts),
        silent=read.drafting.silent,
        declared=read.step_count,
        own_numbers=any(draft.number is not None for draft in read.drafts),
    )


def _read(spec: ExtractorSpec, artifacts: Artifacts, claim: Claim, limits: SpecLimits) -> _Read:
    budget = Budget(limits)
    reading = Reading(spec, artifacts, claim, budget)
    records = reading.records()
    budget.file = artifacts.shown(claim.files[0])
    if not records:
        raise MalformedRun(
            f"the extractor {spec.name!r} finds no record here",
            path=budget.file,
            remedy="The files are of another version, or cut off. Look at them beside the spec (codetracer extractors "
            "test).",
        )
    drafting = Drafting(spec.rules)
    for record in records:
        drafting.add(record)
    drafts = drafting.finish()
    facts = facts_of(spec, records)
    events = _with_facts(drafting.events, records, facts.used)
    unmatched = sum(event.why == NO_RULE for event in events)
    orphans = sum(event.why.endswith(ORPHAN) for event in events)
    trajectory = Trajectory(
        format=spec.name,
        view=view_of(spec),
        steps=steps_of(drafts),
        notes=tuple(_notes(reading, drafting, drafts, len(records), unmatched, orphans)),
        **facts.fields,
    )
    return _Read(trajectory, records, drafts, drafting, events, reading, unmatched, orphans, facts.step_count)


def _is_others(draft: Draft, task: SourceRef | None) -> bool:
    """Is a step not the agent's? So say the common words of its record for who speaks, a demonstration (is_demo), or
    its place: within the text of the task."""
    if is_others(draft.record.node.value):
        return True
    ref = draft.action_ref
    if ref is None or task is None or (ref.path, ref.kind) != (task.path, task.kind):
        return False
    if ref.kind == "text":
        return task.line_start <= ref.line_start and ref.line_end <= task.line_end
    return (ref.line_start, ref.pointer) == (task.line_start, task.pointer)


def view_of(spec: ExtractorSpec) -> str:
    return f"v{spec.version}"


def _passed_by(artifacts: Artifacts, claim: Claim, budget: Budget) -> tuple[str, ...]:
    if claim.unit != ".":  # the other files are other runs
        return ()
    read = {path.partition("#")[0] for path in artifacts.digests}
    alike = {_without_numbers(path) for path in read}
    files = below(artifacts.root, ("**/*",), budget)
    others = (path for path in files if path not in read and _without_numbers(path) in alike)
    return tuple(path for path in others if artifacts.size(path))


def _without_numbers(path: str) -> str:
    return re.sub(r"\d+", "0", path)


def _with_facts(events: Sequence[Event], records: Sequence[Record], used: dict[int, str]) -> list[Event]:
    """The events in the order of their records. A record that is nothing else and tells a fact is there for that."""
    kept = [event for event in events if event.record.index not in used or not event.why.endswith((NO_RULE, ORPHAN))]
    known = {event.record.index for event in kept}
    kept += [
        Event(records[index], records[index].node, "fact", None, names)
        for index, names in used.items()
        if index not in known
    ]
    return sorted(kept, key=lambda event: event.record.index)


def _fate(event: Event) -> Fate:
    node: Node = event.pointer_of
    ref = node.document.ref(*node.pointer) if node.document is not None else event.record.ref
    step_id = event.draft.step_id if event.draft is not None else None
    return Fate(ref.path, ref.line_start, ref.pointer or "", event.became, step_id, event.why)


def _notes(
    reading: Reading, drafting: Drafting, drafts: Sequence[Draft], records: int, unmatched: int, orphans: int
) -> list[str]:
    notes = list(reading.notes[:5])
    if len(reading.notes) > 5:
        notes.append(f"{len(reading.notes) - 5} more places could not be read.")
    if reading.repeated:
        notes.append(f"{counted(reading.repeated, 'record')} stored again: the first copy is used.")
    if not drafts:
        notes.append(f"None of {counted(records, 'record')} became a step.")
    if drafts and drafts[0].number == 0:
        notes.append("The steps are numbered from 0 in the files: step k here is step k - 1 there.")
    if unmatched:
        notes.append(f"{counted(unmatched, 'record fits', 'records fit')} no rule and were passed over.")
    if reading.left_out:
        notes.append(f"{counted(len(reading.left_out), 'item')} beside the records that no source takes.")
    if drafting.silent:
        notes.append(f"{counted(drafting.silent, 'record')} without what the rule for it takes: passed over.")
    if orphans:
        notes.append(f"{counted(orphans, 'observation')} of no step: not shown.")
    if drafting.further:
        notes.append(f"{counted(drafting.further, 'further observation')} of steps that had one: not shown.")
    silent = [draft.step_id for draft in drafts if not draft.answered and not draft.is_message]
    if silent:
        steps = counted(len(silent), "step has", "steps have")
        notes.append(f"{steps} no observation ({listed(silent)}).")
    return notes


# Recognising


def recognise(spec: ExtractorSpec, artifacts: Artifacts) -> list[Claim]:
    """A claim for each run of this format directly in the folder; never raises for strange content."""
    try:
        return _claims(spec, artifacts, Budget(_LOOKING))
    except (SpecError, OSError):  # a folder too large to look through is none of its runs
        return []


def _claims(spec: ExtractorSpec, artifacts: Artifacts, budget: Budget) -> list[Claim]:
    looked, root = spec.find, artifacts.root
    files = below(root, looked.files, budget)
    if not files:
        return []
    if any(below(root, (pattern,), budget) for pattern in looked.forbid):
        return []
    if not all(below(root, (pattern,), budget) for pattern in looked.require):
        return []
    if looked.run == "file":
        return [
            Claim(unit=name, files=(name,), view=view_of(spec))
            for name in files
            if _is_marked(looked, artifacts, name, budget)
        ]
    if not _is_marked(looked, artifacts, files[0], budget):
        return []
    covers = tuple(dict.fromkeys(path.partition("/")[0] for path in files if "/" in path))
    return [Claim(unit=".", files=tuple(files), view=view_of(spec), covers=covers)]


def _is_marked(looked: Find, artifacts: Artifacts, main: str, budget: Budget) -> bool:
    return all(_holds(marker, artifacts, main, budget) for marker in looked.markers)


def _holds(marker: Marker, artifacts: Artifacts, main: str, budget: Budget) -> bool:
    """Does a file begin with this? Of a file whose content is lost its name must decide."""
    path = main
    if marker.file is not None:
        found = below(artifacts.root, (marker.file,), budget)
        if not found:
            return False
        path = found[0]
    head = artifacts.head(path, marker.within)
    if lost_content(head):
        return True
    text = head.decode("utf-8", errors="replace")
    if marker.text is not None:
        return marker.text in text
    assert marker.pattern is not None
    return next(found_in(marker.pattern, text, budget), None) is not None


def as_format(spec: ExtractorSpec) -> Format:
    """The spec as a format of its workspace: asked only where no built-in one recognises anything."""
    return Format(
        name=spec.name,
        title=f"{spec.title} (taught, version {spec.version})",
        recognise=partial(recognise, spec),
        parse=partial(_parse, spec),
        is_taught=True,
    )


def _parse(spec: ExtractorSpec, artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    """A run; one of which nothing is understood is an error, not a run of no steps."""
    read = _read(spec, artifacts, claim, LIMITS)
    unmatched, records = read.unmatched, len(read.records)
    if not read.drafts and (unmatched or read.drafting.silent):
        raise MalformedRun(
            f"the extractor {spec.name!r} makes no step of {counted(records, 'record')} ({unmatched:,} fit no rule)",
            path=artifacts.shown(claim.files[0]),
            remedy="The files are of another version than the spec: repair it (codetracer extractors test).",
        )
    return read.trajectory
