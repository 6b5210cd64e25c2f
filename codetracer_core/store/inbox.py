"""The inbox: what other processes leave for the one that owns the database."""

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import zstandard
from pydantic import ValidationError

from codetracer_core.diagnosis_models import Diagnosis, Insight
from codetracer_core.durable import PART, sync_folder, write_durably
from codetracer_core.errors import UnreadableFile
from codetracer_core.models import Frozen, GroundTruth, Kind, LabelEvent, RunRecord
from codetracer_core.store.diagnoses import storable, transcript_name
from codetracer_core.store.files import to_json
from codetracer_core.store.results import (
    Added,
    Decisions,
    Diagnosed,
    Learned,
    Refused,
    Stored,
    acknowledge,
    check_arguments,
)
from codetracer_core.store.workspace import Workspace

_DAY = 86_400.0


class DiagnosisParcel(Frozen):
    """A diagnosis with its transcript; see ``Store.add_diagnosis``."""

    diagnosis: Diagnosis
    transcript: tuple[dict[str, Any], ...]
    evidence_hash: str | None = None
    request: str = ""


class Parcel(Frozen):
    """One call to the inbox, complete in itself."""

    runs: tuple[RunRecord, ...] = ()
    decisions: tuple[tuple[tuple[Kind, str], ...], ...] = ()
    ground_truth: tuple[GroundTruth | None, ...] = ()
    events: tuple[LabelEvent, ...] = ()
    said: tuple[LabelEvent, ...] = ()
    """What people say while they label: the store decides on pass and exposure."""
    diagnosed: DiagnosisParcel | None = None
    insights: tuple[Insight, ...] = ()


@dataclass(frozen=True)
class Inbox:
    """Stands in for a ``Store`` that another process has open: same verbs, the owner carries them out soon.

    What it has accepted is safely on disk; taking it in twice changes nothing.
    """

    workspace: Workspace
    owner: str = ""
    """Why the inbox stands in, for people: "… has this workspace open"."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to do: a parcel is complete when the verb that left it returns."""

    def add_runs(
        self,
        records: Sequence[RunRecord],
        *,
        decisions: Sequence[Decisions],
        ground_truth: Sequence[GroundTruth | None] = (),
    ) -> Added:
        """Leave runs for the owner. Every status is "queued"; see ``Store.add_runs``."""
        check_arguments(records, decisions, ground_truth)
        self._leave(
            Parcel(
                runs=tuple(records),
                decisions=tuple(tuple((kind, reason) for kind, reason in one) for one in decisions),
                ground_truth=tuple(ground_truth),
            )
        )
        return Added(tuple("queued" for _ in records), tuple(record.run_id for record in records))

    def add_label_events(self, events: Sequence[LabelEvent]) -> Stored:
        """Leave label events for the owner; see ``Store.add_label_events``.

        Acknowledged means: on disk. Whether run and step exist is only known when the owner takes them in; what it
        refuses then lies in ``inbox/refused`` with its reason.
        """
        if events:
            self._leave(Parcel(events=tuple(events)))
        return Stored(acknowledge(events))

    def add_human_labels(self, events: Sequence[LabelEvent]) -> Stored:
        """The same for what people say while they label; see ``Store.add_human_labels``."""
        if events:
            self._leave(Parcel(said=tuple(events)))
        return Stored(acknowledge(events))

    def add_diagnosis(
        self,
        diagnosis: Diagnosis,
        transcript: Sequence[Mapping[str, Any]],
        *,
        evidence_hash: str | None = None,
        request: str = "",
    ) -> Diagnosed:
        """Leave a diagnosis for the owner; see ``Store.add_diagnosis``. Whether its run is there is only known then."""
        transcript_name(diagnosis.diagnosis_id)
        entries = tuple(dict(entry) for entry in transcript)
        self._leave(
            Parcel(
                diagnosed=DiagnosisParcel(
                    diagnosis=storable(diagnosis), transcript=entries, evidence_hash=evidence_hash, request=request
                )
            )
        )
        return Diagnosed("queued")

    def add_insights(self, insights: Sequence[Insight]) -> Learned:
        """Leave insights for the owner, who decides which of them are kept; see ``Store.add_insights``."""
        if insights:
            self._leave(Parcel(insights=tuple(insights)))
        return Learned()

    def _leave(self, parcel: Parcel) -> None:
        self.workspace.inbox.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.json.zst"
        packed = zstandard.compress(to_json(parcel.model_dump()).encode())
        write_durably(self.workspace.inbox / name, lambda file: file.write(packed))
        sync_folder(self.workspace.inbox)


def waiting(workspace: Workspace) -> list[Path]:
    """Parcels that nobody took in yet, oldest first."""
    return sorted(workspace.inbox.glob("*.json.zst"))


def open_parcel(path: Path) -> Parcel:
    """Raises UnreadableFile if the parcel is damaged or of a kind that this version does not know."""
    try:
        return Parcel.model_validate(json.loads(zstandard.decompress(path.read_bytes())))
    except (zstandard.ZstdError, ValueError, ValidationError, RecursionError) as error:
        raise UnreadableFile(f"this parcel cannot be read ({error})", path=path) from error


def refuse(workspace: Workspace, path: Path, reason: str) -> None:
    """Move a parcel aside, its reason beside it."""
    workspace.refused.mkdir(exist_ok=True)
    write_durably(workspace.refused / f"{path.name}.reason.txt", lambda file: file.write(f"{reason}\n".encode()))
    path.replace(workspace.refused / path.name)
    sync_folder(workspace.refused)


def keep_refused(workspace: Workspace, path: Path, refused: Sequence[Refused]) -> None:
    """Write down the events of an otherwise accepted parcel that were refused, with reasons."""
    workspace.refused.mkdir(exist_ok=True)
    listed = to_json([{"reason": one.reason, "event": one.event.model_dump()} for one in refused])
    write_durably(workspace.refused / f"{path.name}.events.json", lambda file: file.write(listed.encode()))
    sync_folder(workspace.refused)


def sweep(workspace: Workspace) -> None:
    """Delete half-written parcels that their writers abandoned more than a day ago."""
    for part in workspace.inbox.glob(f"*{PART}"):
        if time.time() - part.stat().st_mtime > _DAY:
            part.unlink(missing_ok=True)
