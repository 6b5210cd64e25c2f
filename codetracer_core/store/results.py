"""What the store answers: small immutable records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from codetracer_core.diagnosis_models import Conclusion, DiagnosisStatus, Insight, Strategy
from codetracer_core.models import GroundTruth, Kind, LabelEvent, LabelSource, RunRecord, Verdict

Decisions = Sequence[tuple[Kind, str]]
"""Kind and reason of every step of one run, in step order."""

RunStatus = Literal["added", "replaced", "unchanged", "queued"]
OutcomeWord = Literal["solved", "failed", "unknown"]


@dataclass(frozen=True)
class Refused:
    """A label event that was not stored, and why, in words for the person who acted."""

    event: LabelEvent
    reason: str


@dataclass(frozen=True)
class Stored:
    """The answer to label events, given after they are durable."""

    acknowledged: Mapping[str, int] = field(default_factory=dict)
    """Highest sequence per client that was dealt with: stored (now or before) or refused below."""
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class Added:
    """The answer to runs: status and run id per record, in order, and the ground truth that was refused."""

    statuses: tuple[RunStatus, ...]
    run_ids: tuple[str, ...]
    """Under which id each record went in: not its own if its evidence was known under another one."""
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class TakenIn:
    """One parcel of the inbox: what became of it. ``error`` is set if the whole parcel was refused."""

    parcel: str
    statuses: tuple[RunStatus, ...] = ()
    refused: tuple[Refused, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Diagnosed:
    """The answer to a diagnosis."""

    status: Literal["added", "unchanged", "queued"]
    pass_number: int | None = None
    """The pass under which its labels stand; None: it has none, or the owner of the workspace will number it."""
    refused: tuple[Refused, ...] = ()
    """Labels that were not stored. What the diagnosis says is stored whole."""


@dataclass(frozen=True)
class Learned:
    """The answer to insights."""

    admitted: tuple[Insight, ...] = ()
    dropped: tuple[Insight, ...] = ()
    """Older ones of models that made room."""
    refused: tuple[tuple[str, str], ...] = ()
    """Text and reason."""

    def __add__(self, other: "Learned") -> "Learned":
        return Learned(self.admitted + other.admitted, self.dropped + other.dropped, self.refused + other.refused)


class DiagnosisSummary(NamedTuple):
    """One diagnosis in a list. Times are UTC."""

    diagnosis_id: str
    run_id: str
    model: str
    strategy: Strategy
    author: str
    """The annotator of its labels."""
    pass_number: int | None
    """None: it failed, so it has no labels."""
    status: DiagnosisStatus
    status_reason: str
    conclusion: Conclusion
    onset: int | None
    """The likeliest step."""
    incorrect: int
    """In steps; labels only, as ``unuseful``."""
    unuseful: int
    unsupported: int
    """Findings that are no labels: the run does not hold their quotes, or most samples do not have them."""
    samples_finished: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: float | None
    started_at: datetime
    finished_at: datetime
    request: str
    """Equal for the same question about the same evidence; empty: not known."""
    outdated: bool
    """The run has been imported again with other evidence since."""

    @property
    def duration_seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


class StoredEvent(LabelEvent):
    """A label event as it lies in the store. Times are UTC."""

    arrival: int
    """Its place in the order of arrival."""
    arrived_at: datetime


class Mark(NamedTuple):
    """One verdict in force on a step."""

    annotator: str
    pass_number: int
    verdict: Verdict


class Labeller(NamedTuple):
    """Somebody (or a model, or a benchmark) with labels in force on a run."""

    run_id: str
    source: LabelSource
    annotator: str


class StepLabels(NamedTuple):
    """All verdicts in force on one step, by source; within a source by annotator, then pass."""

    human: tuple[Mark, ...] = ()
    model: tuple[Mark, ...] = ()
    ground_truth: tuple[Mark, ...] = ()
    adjudicated: tuple[Mark, ...] = ()


class Replay(NamedTuple):
    """A stored run that is the replay of another one. Times are UTC."""

    run_id: str
    original: str
    """It need not be there (any more)."""
    step_id: int
    """The first step that is not of the original."""
    replay_id: str
    diagnosis_id: str
    """Whose advice was given; empty: none."""
    matched: bool | None
    """See ``ReplayOf.matched``; None: no model went on."""
    model: str | None
    outcome: OutcomeWord
    status: str | None
    step_count: int
    cost_usd: float | None
    started_at: datetime | None
    original_outcome: OutcomeWord | None
    """None: the original is not there."""


class StepFacts(NamedTuple):
    """What is known of a step without reading its text. Sizes are in characters, None: no such text."""

    run_id: str
    step_id: int
    kind: Kind
    reason: str
    tool: str | None
    parallel_group: int | None
    branch: str | None
    is_message: bool
    executed: bool
    exit_code: int | None
    timestamp: datetime | None
    """UTC, without offset; a time that the files give without one is taken as UTC."""
    action_size: int
    observation_size: int | None
    thought_size: int | None


class RunSummary(NamedTuple):
    """One run in a list. ``pandas.DataFrame(summaries)`` makes the table.

    Labels are counted in steps: ``human_labels`` is the number of steps with a verdict in force from a person,
    ``correct`` … ``uncertain`` say which (a step on which people differ counts under each). Times are UTC. What others
    say is None where it is hidden (``blinded``).
    """

    run_id: str
    agent: str | None
    agent_version: str | None
    model: str | None
    task: str | None
    trial: str | None
    format: str
    view: str
    outcome: OutcomeWord
    exit_status: str | None
    step_count: int
    declared_step_count: int | None
    misaligned: bool
    cost_usd: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    started_at: datetime | None
    ended_at: datetime | None
    difficulty: str | None
    category: str | None
    collection: str
    origin: str
    imported_at: datetime
    traj_id: str | None
    """The benchmark's name for the run; None: it has no row of it."""
    has_ground_truth: bool | None
    """The benchmark says something of this run: stages or labels (a clean run has stages only)."""
    human_labels: int
    model_labels: int | None
    ground_truth_labels: int | None
    adjudicated_labels: int | None
    correct: int
    incorrect: int
    unuseful: int
    uncertain: int
    ground_truth_incorrect: int | None
    ground_truth_unuseful: int | None
    stray_labels: int | None
    """Labelled steps beyond the last one: the evidence was replaced by a shorter reading."""
    replay_of: str | None = None
    """The run that it is a replay of (which need not be there); None: an original run."""
    replay_step: int | None = None
    """The first step that is not of the original."""

    def blinded(self) -> "RunSummary":
        """As somebody sees it who stands blind to the run: what others say of it is None."""
        return self._replace(
            has_ground_truth=None,
            model_labels=None,
            ground_truth_labels=None,
            adjudicated_labels=None,
            ground_truth_incorrect=None,
            ground_truth_unuseful=None,
            stray_labels=None,
        )


def acknowledge(events: Iterable[LabelEvent]) -> dict[str, int]:
    """The highest sequence per client."""
    highest: dict[str, int] = {}
    for event in events:
        highest[event.client] = max(event.sequence, highest.get(event.client, 0))
    return highest


def check_arguments(
    records: Sequence[RunRecord], decisions: Sequence[Decisions], ground_truth: Sequence[GroundTruth | None]
) -> None:
    if ground_truth and len(ground_truth) != len(records):
        raise ValueError("ground_truth must hold one entry per record, or none at all")
    if [len(one) for one in decisions] != [record.trajectory.step_count for record in records]:
        raise ValueError("decisions must hold one (kind, reason) per step of each record")
