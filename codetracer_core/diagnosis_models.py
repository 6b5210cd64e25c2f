"""What a diagnosis says of a run, what each sentence rests on, and how it was made. Frozen pydantic models.

A diagnosis is a statement by a model (or by offline rules), never the truth. ``None`` means "not known", as everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, Self, get_args

from pydantic import Field

from codetracer_core.models import (
    Confidence,
    DeviationType,
    EvidenceQuote,
    Frozen,
    ImpactSeverity,
    LabelDetails,
    LabelEvent,
    RunVerdict,
    Stage,
)

Strategy = Literal["agent", "all_at_once", "step_by_step", "binary_search"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Profile = Literal["tracebench", "detailed", "rl_feedback"]
"""In which shape a diagnosis is written for other programs."""
PROFILES: tuple[Profile, ...] = get_args(Profile)
DiagnosisStatus = Literal["complete", "partial", "cancelled", "failed"]
"""*partial*: a limit was reached first; what had been found until then is kept. *failed*: nothing was found out."""
Conclusion = Literal["error_found", "no_error_found", "undecided"]
FoundVerdict = Literal["incorrect", "unuseful"]
HEURISTIC = "heuristic"
"""Name of the built-in offline rules where a model's name stands: they are no language model."""
NO_STEPS = "the run has no steps: there is nothing to diagnose"
"""Why a diagnosis of such a run failed, whoever made it: that nothing was found wrong would say too much."""

DIAGNOSIS_CLIENT = "diagnosis-"
"""How the client of labels begins that a diagnosis made; its id follows."""

MAJORITY = 0.5
"""More than this share of the samples must say it before a finding counts as a label."""


def author_of(model: str, strategy: Strategy) -> str:
    """Under which name labels stand: the model and, where there is a choice, the strategy."""
    return model if model == HEURISTIC else f"{model} ({strategy})"


class Citation(Frozen):
    """A step that speaks for a statement, and words of it."""

    step_id: int = Field(ge=1)
    text: str
    """The words as the model gave them; empty: it cites the step as a whole."""
    quote: EvidenceQuote | None = None
    """Where the run says so; None: it was not found there (*unsupported*)."""


class StepFinding(Frozen):
    """One labelled step, and why."""

    step_id: int = Field(ge=1)
    verdict: FoundVerdict
    reasoning: str
    deviation_type: DeviationType | None = None
    impact_severity: ImpactSeverity | None = None
    correct_alternative: str = ""
    confidence: Confidence | None = None
    citations: tuple[Citation, ...] = ()
    support: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the finished samples that label this step so."""

    @property
    def is_supported(self) -> bool:
        """Whether the run holds at least one of the quotes."""
        return any(citation.quote for citation in self.citations)

    @property
    def details(self) -> LabelDetails:
        """What goes with the verdict when it becomes a label."""
        return LabelDetails(
            reason=self.reasoning[:10_000],
            deviation_type=self.deviation_type,
            impact_severity=self.impact_severity,
            correct_alternative=self.correct_alternative[:10_000],
            confidence=self.confidence,
            quotes=tuple(citation.quote for citation in self.citations if citation.quote)[:20],
        )


class OnsetCandidate(Frozen):
    """A step at which the run may first have gone off track."""

    step_id: int = Field(ge=1)
    reasoning: str = ""
    citations: tuple[Citation, ...] = ()
    support: float = Field(default=1.0, gt=0.0, le=1.0)
    """Mean over the finished samples of 1/rank: 1 where it is named first, 1/2 second, 0 not at all."""

    @property
    def is_supported(self) -> bool:
        """Whether the run holds at least one of the quotes."""
        return any(citation.quote for citation in self.citations)


class ChainLink(Frozen):
    """One step of the error chain: what went wrong there, and from which earlier links it followed."""

    step_id: int = Field(ge=1)
    what: str
    follows_from: tuple[int, ...] = ()
    """Step ids of other links, all smaller than its own."""
    citations: tuple[Citation, ...] = ()

    @property
    def is_supported(self) -> bool:
        """Whether the run holds at least one of the quotes."""
        return any(citation.quote for citation in self.citations)


class DecisionPoint(Frozen):
    """A step at which another decision would have changed the run."""

    step_id: int = Field(ge=1)
    decision: str
    should_have: str
    citations: tuple[Citation, ...] = ()


class CallUsage(Frozen):
    """Calls to a model and what they used. Prompt tokens include cached ones."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    """None: at least one call has a price that is not known."""
    estimated: bool = False
    """At least one call did not report its tokens; they were counted here."""

    def __add__(self, other: "CallUsage") -> Self:
        costs = (self.cost_usd, other.cost_usd)
        return type(self)(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            estimated=self.estimated or other.estimated,
        )


class EvidenceCheck(Frozen):
    """What the check of the evidence came to, over all samples."""

    quotes: int = 0
    """Quotes that were looked up in their steps …"""
    unsupported: int = 0
    """… and not found there."""
    unread: int = 0
    """Labels that were not accepted because their step had never been read."""
    unknown_steps: int = 0
    """Statements on steps that the run does not have."""
    asked_again: int = 0
    """How often an answer was sent back with what is wrong with it."""


class DiagnosisSettings(Frozen):
    """How a diagnosis is made."""

    strategy: Strategy = "agent"
    samples: int = Field(default=1, ge=1, le=20)
    """Independent repetitions that are merged into one diagnosis."""
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    """None: the model's own default."""
    cost_limit_usd: float = Field(default=3.0, gt=0.0, allow_inf_nan=False)
    """Over all samples of one run. Cannot be kept where the price of the model is not known."""
    token_limit: int | None = Field(default=None, ge=1_000)
    """Prompt and completion tokens over all samples of one run."""
    max_turns: int = Field(default=30, ge=1)
    """Model calls per sample."""
    max_seconds: float = Field(default=1_800.0, gt=0.0, allow_inf_nan=False)
    """Wall time of the whole diagnosis."""
    context_tokens: int | None = Field(default=None, ge=4_000)
    """Window to stay within; None: the model's own."""
    repairs: int = Field(default=2, ge=0, le=10)
    """How often an answer that is malformed, or whose evidence does not hold, is sent back."""
    use_memory: bool = True
    """Insights of earlier diagnoses go into the prompt, and new ones are kept."""
    show_outcome: bool = True
    """Tell the model what the run's own result files say of its outcome and tests."""


LONGEST_INSIGHT = 1_000
"""Characters."""


class Insight(Frozen):
    """Something learned while diagnosing runs of one kind of agent, true beyond the task at hand."""

    insight_id: str
    agent: str
    """Agent type that it is about."""
    text: str = Field(min_length=1, max_length=LONGEST_INSIGHT)
    run_id: str = ""
    """The run during whose diagnosis it was gathered; empty: written by a person."""
    diagnosis_id: str = ""
    author: str
    """The model that gave it, or the person who wrote or last edited it."""
    created_at: datetime
    enabled: bool = True
    by_person: bool = False
    """Written, edited or switched by a person: it never makes room for others."""


class Diagnosis(Frozen):
    """One diagnosis of one run: what it says, and everything needed to judge how it was made."""

    diagnosis_id: str
    run_id: str
    model: str
    """As it was asked for ("openai/gpt-5"), or ``HEURISTIC``."""
    settings: DiagnosisSettings
    prompt_versions: Mapping[str, str] = Field(default_factory=dict)
    """Prompt file → version (first 12 hex digits of its sha256). The offline rules count as one, "rules"."""
    insights: tuple[str, ...] = ()
    """Ids of the insights that were in the prompt."""
    status: DiagnosisStatus
    status_reason: str = ""
    """Why it is not complete, in words."""
    conclusion: Conclusion
    summary: str = ""
    case_for_clean_run: str = ""
    """The argument that nothing went wrong, made before anything was accused."""
    onset: tuple[OnsetCandidate, ...] = ()
    """Best first; empty: none named."""
    findings: tuple[StepFinding, ...] = ()
    """By step; unsupported ones too: see ``StepFinding.is_supported``."""
    error_chain: tuple[ChainLink, ...] = ()
    """From the onset to the failure."""
    decision_points: tuple[DecisionPoint, ...] = ()
    correct_strategy: str = ""
    stages: tuple[Stage, ...] = ()
    """The offline split that the diagnosis speaks of; never annotated stages."""
    read_steps: tuple[int, ...] = ()
    """Steps whose text was read in at least one sample."""
    samples_finished: int = 0
    evidence: EvidenceCheck = EvidenceCheck()
    usage: Mapping[str, CallUsage] = Field(default_factory=dict)
    """By phase ("investigate", "conclude", "repair", "compact" …)."""
    started_at: datetime
    finished_at: datetime

    @property
    def total_usage(self) -> CallUsage:
        return sum(self.usage.values(), CallUsage())

    @property
    def duration_seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def author(self) -> str:
        """Under which name its labels stand."""
        return author_of(self.model, self.settings.strategy)

    @property
    def run_verdict(self) -> RunVerdict | None:
        """Its conclusion as a verdict on the run; None: it was stopped, or failed, and says nothing of the whole."""
        words: Mapping[Conclusion, RunVerdict] = {
            "error_found": "has_error",
            "no_error_found": "no_error",
            "undecided": "uncertain",
        }
        return words[self.conclusion] if self.status == "complete" else None

    @property
    def samples_merged(self) -> int | None:
        """How many samples its statements were merged from: those that finished; None: none did, although several were
        to be made, and it is not known how many had said anything."""
        return self.samples_finished or (1 if self.settings.samples == 1 else None)

    @property
    def accepted(self) -> tuple[StepFinding, ...]:
        """The findings that count as labels: those whose evidence the run holds, and that most samples have."""
        return tuple(finding for finding in self.findings if finding.is_supported and finding.support > MAJORITY)

    @property
    def accepted_onset(self) -> OnsetCandidate | None:
        """The candidate that counts as the label: the best one that has evidence; None unless an error was found."""
        return next(iter(self.accepted_onsets), None)

    @property
    def accepted_onsets(self) -> tuple[OnsetCandidate, ...]:
        """The candidates that have evidence, best first; none unless an error was found."""
        candidates = self.onset if self.conclusion == "error_found" else ()
        return tuple(candidate for candidate in candidates if self._is_founded(candidate))

    @property
    def accepted_chain(self) -> tuple[ChainLink, ...]:
        """The links that count as labels: those that have evidence; none unless an error was found."""
        links = self.error_chain if self.conclusion == "error_found" else ()
        return tuple(link for link in links if self._is_founded(link))

    def _is_founded(self, said: OnsetCandidate | ChainLink) -> bool:
        """Whether the run holds words for it: its own, or those for which its step counts as incorrect."""
        accused = {finding.step_id for finding in self.accepted if finding.verdict == "incorrect"}
        return said.is_supported or said.step_id in accused


def by_stage(
    findings: Iterable[StepFinding], stages: Iterable[Stage]
) -> Iterator[tuple[Stage | None, list[StepFinding]]]:
    """The findings of each stage that has any, in the order of the stages; last those outside of all (None)."""
    left = list(findings)
    for stage in stages:
        inside = [one for one in left if stage.start_step_id <= one.step_id <= stage.end_step_id]
        left = [one for one in left if one not in inside]
        if inside:
            yield stage, inside
    if left:
        yield None, left


def as_label_events(diagnosis: Diagnosis, pass_number: int) -> list[LabelEvent]:
    """The labels of a diagnosis, to be stored beside those of people; what has no evidence is none.

    A repetition by the same author is a pass of its own, so that none overwrites another. A failed diagnosis says
    nothing, and one that was stopped says nothing of the whole run.
    """
    if diagnosis.status == "failed":
        return []
    said: list[tuple[int | None, str, object]] = []
    for finding in diagnosis.accepted:
        details = finding.details.model_dump()
        said += [(finding.step_id, "verdict", finding.verdict), (finding.step_id, "details", details)]
    said += [(step_id, "chain", True) for step_id in sorted({link.step_id for link in diagnosis.accepted_chain})]
    if diagnosis.accepted_onset:
        said.append((None, "onset", diagnosis.accepted_onset.step_id))
    if diagnosis.run_verdict:
        said.append((None, "run_verdict", diagnosis.run_verdict))
    return [
        LabelEvent(
            run_id=diagnosis.run_id,
            step_id=step_id,
            field=field,
            value=value,
            source="model",
            annotator=diagnosis.author,
            pass_number=pass_number,
            client=DIAGNOSIS_CLIENT + diagnosis.diagnosis_id,
            sequence=number,
            occurred_at=diagnosis.finished_at,
        )
        for number, (step_id, field, value) in enumerate(said, start=1)
    ]
