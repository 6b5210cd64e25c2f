"""What a model is asked to hand in: the JSON schema it sees, and the check that its answer has that shape.

Unknown fields are passed over: a model that says more than it was asked for has not failed.
"""

from pydantic import BaseModel, ConfigDict, Field

from codetracer_core.diagnosis_models import Conclusion, FoundVerdict
from codetracer_core.models import Confidence, DeviationType, ImpactSeverity

QUOTES = "Quotes that show it; needed unless a finding on this step has them."
LESSONS = "At most three lessons on how this kind of agent fails, true for any task. No names from this run."


class Answer(BaseModel):
    """Base of what models send."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Evidence(Answer):
    step_id: int = Field(description="The step that the quote stands in.")
    quote: str = Field(description="Words copied character by character from that step, short (5 to 200 characters).")


class OnsetAnswer(Answer):
    step_id: int
    reasoning: str = ""
    evidence: list[Evidence] = Field(default_factory=list, description=QUOTES)


class FindingAnswer(Answer):
    step_id: int
    verdict: FoundVerdict
    reasoning: str = Field(description="Why, in one to three sentences, from what the agent could know at that time.")
    evidence: list[Evidence] = Field(description="At least one quote that shows it.")
    deviation_type: DeviationType | None = None
    impact_severity: ImpactSeverity | None = None
    correct_alternative: str = ""
    confidence: Confidence | None = None


class LinkAnswer(Answer):
    step_id: int
    what: str
    follows_from: list[int] = Field(default_factory=list, description="Step ids of earlier links that led to this.")
    evidence: list[Evidence] = Field(default_factory=list, description=QUOTES)


class DecisionAnswer(Answer):
    step_id: int
    decision: str = Field(description="What the agent did.")
    should_have: str = Field(description="What it should have done instead.")
    evidence: list[Evidence] = Field(default_factory=list)


class Submission(Answer):
    """The diagnosis as a model hands it in. The case for a clean run comes first: it is to be argued first."""

    case_for_clean_run: str = Field(description="The strongest honest argument that no step was wrong or redundant.")
    conclusion: Conclusion
    summary: str = Field(description="What happened, in two to five sentences.")
    onset: list[OnsetAnswer] = Field(
        default_factory=list, description="Steps where the run may first have gone off track, most likely first."
    )
    findings: list[FindingAnswer] = Field(
        default_factory=list, description="Incorrect and unuseful steps only. Empty if there are none."
    )
    error_chain: list[LinkAnswer] = Field(
        default_factory=list, description="From the onset to the failure, in the order of the run."
    )
    decision_points: list[DecisionAnswer] = Field(default_factory=list)
    correct_strategy: str = ""
    insights: list[str] = Field(default_factory=list, description=LESSONS)
