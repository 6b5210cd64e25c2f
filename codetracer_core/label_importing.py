"""Labels from files: what of a file is new here, what is refused and why, and what would be doubtful."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.export import folder_name
from codetracer_core.label_files import ALL_SAID, FileKind, LabelFile, LabelInFile, Unsaid, read_labels
from codetracer_core.models import LabelEvent
from codetracer_core.quotes import adrift
from codetracer_core.store import Inbox, Reader, Store
from codetracer_core.store.rows import NO_JUDGEMENT


@dataclass(frozen=True)
class LabelReport:
    """What became of a file with labels, or would become of it."""

    kind: FileKind
    labels: tuple[LabelEvent, ...]
    """New here: stored, or on a dry run as they would be."""
    known: int
    """Acts that were stored here before."""
    refused: tuple[CodeTracerError, ...]
    """One for each bad row: where it stands, and why it stays out."""
    notes: tuple[str, ...] = ()
    waits: str = ""
    """Not empty: the labels wait in the inbox; words on who takes them in."""

    @property
    def counts(self) -> dict[str, int]:
        return {"new": len(self.labels), "known": self.known, "refused": len(self.refused)}

    def rows(self, shown: int) -> list[dict[str, Any]]:
        """The first ``shown`` labels as rows of a table for people."""
        return [
            {
                "run_id": label.run_id,
                "step": label.step_id,
                "field": label.field,
                "value": "taken back" if label.value is None else label.value,
                "source": label.source,
                "annotator": label.annotator,
                "pass": label.pass_number,
                "occurred_at": f"{label.occurred_at:%Y-%m-%d %H:%M:%S}",
            }
            for label in self.labels[:shown]
        ]

    def as_json(self, shown: int) -> dict[str, Any]:
        """The report as plain values, with the first ``shown`` labels."""
        return {
            "kind": self.kind,
            "counts": self.counts,
            "labels": [label.model_dump(mode="json") for label in self.labels[:shown]],
            "refused": [{"path": e.path, "place": e.place, "reason": e.reason} for e in self.refused],
            "notes": list(self.notes),
            "waits": self.waits,
        }


def import_labels(
    path: Path,
    reader: Reader,
    writer: Store | Inbox | None,
    unsaid: Unsaid = ALL_SAID,
    *,
    hidden: Collection[str] = (),
) -> LabelReport:
    """Take in the labels of a file (see ``label_files``), those that are stored already excepted.

    ``reader`` tells what is there, ``writer`` takes what is new; the owner of a workspace gives its store as both.
    Without a writer it is a dry run: nothing is written. Rows that cannot be stored are reported, the rest goes in. A
    label that its annotator has replaced here since stays replaced: the file's is refused. Of labels of the runs in
    ``hidden`` the report does not tell whether such a thing is here: all of them are among the new ones. Raises
    CodeTracerError if the file as a whole cannot be read.
    """
    file = read_labels(path, unsaid, read_at=datetime.now(UTC))
    here, problems, absent = _at_home(reader, file)
    untold = [label for label in here if label.event.run_id in hidden]
    new, known, replaced = _new_here(reader, [label for label in here if label.event.run_id not in hidden])
    silently, _, _ = _new_here(reader, untold)
    notes = (*file.notes, *absent, *_misaligned(reader, file, here), *_misquoted(reader, new))
    if untold:
        words = f"{len(untold):,} labels are of runs that you label blind: whether they are new here is not told"
        notes = (*notes, words)
    problems += replaced
    waits = ""
    if (new or silently) and writer is not None:
        stored = writer.add_label_events([label.event for label in (*new, *silently)])
        waits = writer.owner if isinstance(writer, Inbox) else ""
        refused = {_act(one.event): one.reason for one in stored.refused}
        problems += [
            CodeTracerError(refused[_act(label.event)], path=label.path, place=label.place)
            for label in new
            if _act(label.event) in refused
        ]
        new = [label for label in new if _act(label.event) not in refused]
    labels = tuple(label.event for label in (*new, *untold))
    return LabelReport(file.kind, labels, known, (*file.problems, *problems), notes, waits)


def _at_home(reader: Reader, file: LabelFile) -> tuple[list[LabelInFile], list[CodeTracerError], list[str]]:
    """The labels with the ids that their runs have here, without those that cannot be stored; these as errors; and
    words on runs that are not here."""
    ids: dict[str, str] = {}
    names = dict.fromkeys(label.event.run_id for label in file.labels)
    for name in names:
        with contextlib.suppress(NotFound):
            ids[name] = reader.find_run(name)
    if file.kind == "stage labels":  # their run is known by its folder, whose name may stand for the id
        ids = {folder_name(run.run_id): run.run_id for run in reader.runs()} | ids
    found = [
        replace(label, event=label.event.model_copy(update={"run_id": ids.get(label.event.run_id, label.event.run_id)}))
        for label in file.labels
    ]
    reasons = reader.reasons_against([label.event for label in found])
    problems = [
        CodeTracerError(reason, path=label.path, place=label.place)
        for label, reason in zip(found, reasons, strict=True)
        if reason
    ]
    good = [label for label, reason in zip(found, reasons, strict=True) if not reason]
    absent = [name for name in names if name not in ids]
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    words = f"{len(absent)} of {len(names)} runs are not in this workspace, import them first: "
    return good, problems, [words + ", ".join(map(repr, absent[:3])) + more] if absent else []


def _new_here(reader: Reader, labels: Sequence[LabelInFile]) -> tuple[list[LabelInFile], int, list[CodeTracerError]]:
    """What of these is not stored yet; how many are; and errors for those that their annotator has replaced since."""
    acts = [act for run_id in dict.fromkeys(s.event.run_id for s in labels) for act in reader.label_history(run_id)]
    stored = {_act(act) for act in acts}
    in_force = {_slot(act): act for act in acts}
    place_of = {_act(label.event): place for place, label in enumerate(labels)}
    fresh = {_act(label.event): label for label in labels if _act(label.event) not in stored}
    last_said = {_slot(label.event): label.event for label in fresh.values()}
    new = []
    replaced = []
    for act, label in fresh.items():
        # What was shown and how long was worked adds up: nothing newer stands in its place.
        other = None if label.event.field in NO_JUDGEMENT else in_force.get(_slot(label.event))
        if other is None:
            stays = False
        elif _act(other) in place_of:  # this file tells which came last
            stays = place_of[_act(other)] > place_of[act]
        else:
            stays = other.occurred_at > last_said[_slot(label.event)].occurred_at
        if other is not None and stays:
            reason = f"{other.annotator!r} has said something newer here ({other.occurred_at:%Y-%m-%d %H:%M} UTC)"
            replaced.append(CodeTracerError(reason, path=label.path, place=label.place))
        else:
            new.append(label)
    return new, len(labels) - len(fresh), replaced


def _act(event: LabelEvent) -> tuple[str, int]:
    return event.client, event.sequence


def _slot(event: LabelEvent) -> tuple[Any, ...]:
    """Of the events that agree in this, the latest is in force; what is summed (time on task) replaces nothing."""
    if event.field == "worked":
        return _act(event)
    whose = "" if event.source == "adjudicated" else event.annotator  # adjudicators speak with one voice
    return event.run_id, event.step_id, event.field, event.source, whose, event.pass_number


def _misaligned(reader: Reader, file: LabelFile, labels: Sequence[LabelInFile]) -> list[str]:
    """Words on runs whose steps were counted otherwise by those who labelled them."""
    declared = file.declared_step_counts or {}
    runs = reader.runs(ids=list({label.event.run_id for label in labels})) if declared else []
    counts = ((run, declared.get(run.traj_id or "", declared.get(run.run_id))) for run in runs)
    return [
        f"run {run.run_id!r} is misaligned: {count} steps in the file, {run.step_count} here; its labels may sit on "
        "other steps"
        for run, count in counts
        if count not in (None, run.step_count)
    ]


def _misquoted(reader: Reader, labels: Sequence[LabelInFile]) -> list[str]:
    """Words on runs that do not say what these labels quote of them."""
    details: dict[str, list[Mapping[str, Any]]] = {}
    for event in (label.event for label in labels if label.event.field == "details" and label.event.value):
        if event.value.get("quotes"):
            details.setdefault(event.run_id, []).append(event.value)
    counts = {run_id: len(adrift(said, reader.load_run(run_id).trajectory)) for run_id, said in details.items()}
    return [
        f"run {run_id!r} does not say {count} of what is quoted of it; these quotes are kept, and shown as such"
        for run_id, count in counts.items()
        if count
    ]
