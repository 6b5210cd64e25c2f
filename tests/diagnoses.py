"""Diagnoses made by hand, for the tests that show, store or write one."""

from datetime import UTC, datetime
from typing import Any

from codetracer_core.diagnosis_models import (
    CallUsage,
    ChainLink,
    Citation,
    DecisionPoint,
    Diagnosis,
    DiagnosisSettings,
    EvidenceCheck,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.models import EvidenceQuote, Stage


def citation(step_id: int, text: str, *, held: bool = True) -> Citation:
    """Words of an observation, which the run holds or not."""
    quote = EvidenceQuote.of(step_id, "observation", 0, text) if held else None
    return Citation(step_id=step_id, text=text, quote=quote)


def diagnosis(**fields: Any) -> Diagnosis:
    """Of a run of six steps in two stages: step 3 is incorrect, step 4 unuseful, step 5 is accused without evidence."""
    plain: dict[str, Any] = {
        "diagnosis_id": "0123456789abcdef0123456789abcdef",
        "run_id": "run-1",
        "model": "openai/a-model",
        "settings": DiagnosisSettings(samples=3),
        "prompt_versions": {"agent.md": "0123456789ab"},
        "status": "complete",
        "conclusion": "error_found",
        "summary": "The agent edited the wrong file.",
        "case_for_clean_run": "The tests were run.",
        "onset": (
            OnsetCandidate(step_id=3, reasoning="The wrong file.", citations=(citation(3, "saw 3"),), support=0.75),
            OnsetCandidate(step_id=5, support=0.25),
        ),
        "findings": (
            StepFinding(
                step_id=3,
                verdict="incorrect",
                reasoning="It replaced every letter a.",
                deviation_type="wrong_target",
                impact_severity="critical",
                confidence="high",
                correct_alternative="Edit the function only.",
                citations=(citation(3, "saw 3"), citation(2, "nobody said so", held=False)),
                support=2 / 3,
            ),
            StepFinding(step_id=4, verdict="unuseful", reasoning="Read again.", citations=(citation(4, "saw 4"),)),
            StepFinding(
                step_id=5, verdict="incorrect", reasoning="Made up.", citations=(citation(5, "invented", held=False),)
            ),
        ),
        "error_chain": (
            ChainLink(step_id=3, what="All letters were replaced.", citations=(citation(3, "saw 3"),)),
            ChainLink(step_id=5, what="The tests broke.", follows_from=(3,)),
        ),
        "decision_points": (DecisionPoint(step_id=3, decision="used sed", should_have="used an editor"),),
        "correct_strategy": "Read the test first.",
        "stages": (
            Stage(stage_id=1, start_step_id=1, end_step_id=2, name="look"),
            Stage(stage_id=2, start_step_id=3, end_step_id=6, name="edit"),
        ),
        "read_steps": (1, 3, 4, 5),
        "samples_finished": 3,
        "evidence": EvidenceCheck(quotes=5, unsupported=2, asked_again=1),
        "usage": {
            "investigate": CallUsage(calls=6, prompt_tokens=11_000, completion_tokens=900, cost_usd=0.05),
            "conclude": CallUsage(calls=3, prompt_tokens=1_345, completion_tokens=100, cost_usd=0.01),
        },
        "started_at": datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC),
        "finished_at": datetime(2026, 11, 20, 10, 0, 12, 500_000, tzinfo=UTC),
    }
    return Diagnosis(**(plain | fields))
