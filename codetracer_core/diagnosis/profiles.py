"""A diagnosis as a file for other programs, in one of three shapes; each file is checked against its run first.

``tracebench`` → ``codetracer_labels.json``: per stage the incorrect and unuseful steps, with reasons.
``detailed`` → ``codetracer_analysis.json``: summary, error chain, decision points, corrective strategy, stage labels.
``rl_feedback`` → ``codetracer_rl_feedback.json``: every step with a verdict and a reward.

Only findings whose evidence the run holds are in them (``Diagnosis.accepted``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from codetracer_core.diagnosis_models import Diagnosis, Profile, StepFinding, by_stage
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import DeviationType, ImpactSeverity, Stage, Trajectory
from codetracer_core.quotes import holds
from codetracer_core.stage_labels import LABELS_FILE, as_json_file, stage_labels
from codetracer_core.stages import offline_stages, validate_stages

FILE_NAMES: dict[Profile, str] = {
    "tracebench": LABELS_FILE,
    "detailed": "codetracer_analysis.json",
    "rl_feedback": "codetracer_rl_feedback.json",
}

CORRECT_REWARD = 1.0
REWARDS: dict[tuple[str, str], float] = {
    ("incorrect", "critical"): -1.0,
    ("incorrect", "moderate"): -0.7,
    ("incorrect", "none"): -0.7,
    ("incorrect", "minor"): -0.4,
    ("unuseful", "critical"): -0.3,
    ("unuseful", "moderate"): -0.2,
    ("unuseful", "none"): -0.2,
    ("unuseful", "minor"): -0.1,
}
"""``reward_signal`` of a labelled step by verdict and severity ("none": not told, as good as moderate). A step that was
read and that nothing was found against gets ``CORRECT_REWARD``, an unlabelled one 0. A redundant look costs less than
the smallest wrong change, and every reward lies in [-1, 1]."""


def as_profile(diagnosis: Diagnosis, trajectory: Trajectory, profile: Profile) -> tuple[str, str]:
    """File name and JSON text.

    Raises CodeTracerError for a failed diagnosis, which says nothing (an empty file would read as "no error"), and for
    one that does not fit the run.
    """
    if diagnosis.status == "failed":
        raise CodeTracerError(
            f"diagnosis {diagnosis.diagnosis_id} failed and says nothing of its run", remedy="Diagnose the run again."
        )
    stages = diagnosis.stages or offline_stages(trajectory).stages
    if profile == "tracebench":
        payload: Any = _by_stage(diagnosis, stages)
    elif profile == "detailed":
        payload = _detailed(diagnosis, stages)
    else:
        payload = [_feedback(diagnosis, step.step_id) for step in trajectory.steps]
    problems = list(_unfounded(diagnosis, trajectory))
    problems += validate_profile(profile, payload, trajectory.step_count, stages)
    if problems:
        raise CodeTracerError(
            f"diagnosis {diagnosis.diagnosis_id} does not fit the run as {profile}: {' '.join(problems[:3])}",
            remedy="The run was read anew since: diagnose it again.",
        )
    return FILE_NAMES[profile], as_json_file(payload)


def _unfounded(diagnosis: Diagnosis, trajectory: Trajectory) -> Iterator[str]:
    """What the run as it is read now does not bear out."""
    named = {one.step_id for one in diagnosis.accepted} | {link.step_id for link in diagnosis.error_chain}
    named |= {point.step_id for point in diagnosis.decision_points}
    for step_id in sorted(step_id for step_id in named if step_id > trajectory.step_count):
        yield f"There is no step {step_id}."
    for one in diagnosis.accepted:
        if not any(holds(citation.quote, trajectory) for citation in one.citations if citation.quote):
            yield f"The run does not say any more what is quoted for step {one.step_id}."


# --- the shapes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stage:
    stage_id: int
    incorrect_step_ids: Sequence[int]
    unuseful_step_ids: Sequence[int]


def _by_stage(diagnosis: Diagnosis, stages: Iterable[Stage]) -> list[dict[str, Any]]:
    labelled: list[_Stage] = []
    reasons: dict[int, str] = {}
    for stage, found in by_stage(diagnosis.accepted, stages):
        if stage:
            labelled.append(_Stage(stage.stage_id, _ids(found, "incorrect"), _ids(found, "unuseful")))
            reasons[stage.stage_id] = " ".join(f"Step {one.step_id}: {one.reasoning.strip()}" for one in found)
    return stage_labels(labelled, reasons)


def _ids(found: Iterable[StepFinding], verdict: str) -> list[int]:
    return sorted(one.step_id for one in found if one.verdict == verdict)


def _detailed(diagnosis: Diagnosis, stages: Iterable[Stage]) -> dict[str, Any]:
    return {
        "root_cause_chain": [f"Step {link.step_id}: {link.what}" for link in diagnosis.error_chain],
        "critical_decision_points": [
            {"step_id": point.step_id, "decision": point.decision, "should_have": point.should_have}
            for point in diagnosis.decision_points
        ],
        "correct_strategy": diagnosis.correct_strategy,
        "stage_labels": _by_stage(diagnosis, stages),
        "summary": diagnosis.summary,
    }


def _feedback(diagnosis: Diagnosis, step_id: int) -> dict[str, Any]:
    finding = next((one for one in diagnosis.accepted if one.step_id == step_id), None)
    if finding is None:
        verdict, reasoning = _without_finding(diagnosis, step_id)
        reward = CORRECT_REWARD if verdict == "correct" else 0.0
        told = ("none", "", "none")
    else:
        verdict, reasoning = finding.verdict, finding.reasoning
        severity = finding.impact_severity or "none"
        reward = REWARDS[verdict, severity]
        told = (finding.deviation_type or "none", finding.correct_alternative, severity)
    return {
        "step_id": step_id,
        "verdict": verdict,
        "deviation_type": told[0],
        "correct_alternative": told[1],
        "impact_severity": told[2],
        "reasoning": reasoning,
        "reward_signal": reward,
    }


def _without_finding(diagnosis: Diagnosis, step_id: int) -> tuple[str, str]:
    """ "correct" only for a step that was read, by a diagnosis that came to its end and did not accuse it at all."""
    accused = next((one for one in diagnosis.findings if one.step_id == step_id), None)
    if accused is not None and not accused.is_supported:
        return "unlabelled", f"It was called {accused.verdict}, but the run holds none of the evidence given."
    if accused is not None:
        return "unlabelled", f"It was called {accused.verdict} by {accused.support:.0%} of the samples, no majority."
    if step_id not in diagnosis.read_steps:
        return "unlabelled", "It was never read."
    if diagnosis.status != "complete":
        return "unlabelled", f"It was read, but the diagnosis is {diagnosis.status}: nothing is known of the rest."
    return "correct", "It was read, and nothing was found against it."


# --- the check ----------------------------------------------------------------------------------------------


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _StageLabels(_Shape):
    stage_id: int
    incorrect_step_ids: list[int]
    unuseful_step_ids: list[int]
    reasoning: str


class _Decision(_Shape):
    step_id: int
    decision: str
    should_have: str


class _Analysis(_Shape):
    root_cause_chain: list[str]
    critical_decision_points: list[_Decision]
    correct_strategy: str
    stage_labels: list[_StageLabels]
    summary: str


class _StepFeedback(_Shape):
    step_id: int
    verdict: Literal["correct", "incorrect", "unuseful", "unlabelled"]
    deviation_type: DeviationType | Literal["none"]
    correct_alternative: str
    impact_severity: ImpactSeverity | Literal["none"]
    reasoning: str
    reward_signal: float = Field(ge=-1.0, le=1.0)


_LABELS = TypeAdapter(list[_StageLabels])
_FEEDBACK = TypeAdapter(list[_StepFeedback])


def validate_profile(profile: Profile, payload: Any, step_count: int, stages: Sequence[Stage]) -> list[str]:
    """What is wrong with the content of a profile's file for a run of ``step_count`` steps, in sentences; none: it has
    its shape, its steps and stages exist, and the stages cover the run."""
    problems = validate_stages(stages, step_count)
    try:
        if profile == "tracebench":
            return [*problems, *_wrong_labels(_LABELS.validate_python(payload), stages)]
        if profile == "rl_feedback":
            return [*problems, *_wrong_feedback(_FEEDBACK.validate_python(payload), step_count)]
        analysis = _Analysis.model_validate(payload)
    except ValidationError as error:
        return [*problems, *(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}." for item in error.errors())]
    wrong = _wrong_labels(analysis.stage_labels, stages)
    unknown = (one.step_id for one in analysis.critical_decision_points if not 1 <= one.step_id <= step_count)
    return [*problems, *wrong, *(f"There is no step {step_id} for a decision point." for step_id in unknown)]


def _wrong_labels(labels: Iterable[_StageLabels], stages: Iterable[Stage]) -> Iterator[str]:
    ranges = {stage.stage_id: range(stage.start_step_id, stage.end_step_id + 1) for stage in stages}
    seen: set[int] = set()
    for one in labels:
        if one.stage_id in seen:
            yield f"Stage {one.stage_id} stands twice."
        seen.add(one.stage_id)
        if one.stage_id not in ranges:
            yield f"Stage {one.stage_id} is none of the run."
            continue
        for step_id in (*one.incorrect_step_ids, *one.unuseful_step_ids):
            if step_id not in ranges[one.stage_id]:
                yield f"Step {step_id} is not in stage {one.stage_id}."
        for step_id in set(one.incorrect_step_ids) & set(one.unuseful_step_ids):
            yield f"Step {step_id} is both incorrect and unuseful."


def _wrong_feedback(feedback: Sequence[_StepFeedback], step_count: int) -> Iterator[str]:
    if [one.step_id for one in feedback] != list(range(1, step_count + 1)):
        yield f"The steps are not 1 to {step_count}, each once and in order."
    for one in feedback:
        accused = one.verdict in ("incorrect", "unuseful")
        if not accused and (one.deviation_type, one.impact_severity) != ("none", "none"):
            yield f"Step {one.step_id} is {one.verdict}, yet has a deviation or a severity."
        if (one.reward_signal < 0) != accused:
            yield f"Step {one.step_id} is {one.verdict}, and its reward is {one.reward_signal:g}."
