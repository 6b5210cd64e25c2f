"""Diagnoses of stored runs, made by hand: their quotes stand in the run."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

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
from codetracer_core.models import EvidenceQuote, Stage, Trajectory
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.store.factory import NOON, decide, make_run

RUN = "run-1"


def quote(trajectory: Trajectory, step_id: int, text: str, field: Any = "observation") -> Citation:
    """A citation of words that stand in the step."""
    stored: str = getattr(trajectory.steps[step_id - 1], field) or ""
    return Citation(step_id=step_id, text=text, quote=EvidenceQuote.of(step_id, field, stored.index(text), text))


def invented(step_id: int, text: str) -> Citation:
    """A citation of words that the run does not hold."""
    return Citation(step_id=step_id, text=text)


def finding(step_id: int, citations: Sequence[Citation], **fields: Any) -> StepFinding:
    given: dict[str, Any] = {"verdict": "incorrect", "reasoning": f"reason of step {step_id}"}
    return StepFinding(step_id=step_id, citations=tuple(citations), **(given | fields))


def make_diagnosis(trajectory: Trajectory, run_id: str, **fields: Any) -> Diagnosis:
    """A diagnosis of a run with at least 4 steps.

    Steps 2 and 4 are labelled, step 3 rests on invented words; ``fields`` override.
    """
    second = quote(trajectory, 2, trajectory.steps[1].action[:24], "action")
    last = trajectory.step_count
    given: dict[str, Any] = {
        "diagnosis_id": uuid4().hex,
        "run_id": run_id,
        "model": "openai/scripted",
        "settings": DiagnosisSettings(samples=3),
        "prompt_versions": {"agent.md": "0123456789ab"},
        "status": "complete",
        "conclusion": "error_found",
        "summary": "The agent edited the wrong file and never noticed.",
        "case_for_clean_run": "Every command ran, and the last one succeeded.",
        "onset": (
            OnsetCandidate(step_id=2, reasoning="The first wrong turn.", citations=(second,), support=0.8),
            OnsetCandidate(step_id=4, reasoning="Or only here.", support=0.2),
        ),
        "findings": (
            finding(
                2,
                [second],
                deviation_type="wrong_target",
                impact_severity="critical",
                correct_alternative="Edit the parser.",
                confidence="high",
            ),
            finding(3, [invented(3, "words that nobody said")], support=1 / 3),
            finding(
                4, [quote(trajectory, 4, trajectory.steps[3].action[:6], "action")], verdict="unuseful", support=2 / 3
            ),
        ),
        "error_chain": (
            ChainLink(step_id=2, what="The wrong file was edited.", citations=(second,)),
            ChainLink(step_id=3, what="The tests were read as passing.", follows_from=(2,)),
            ChainLink(step_id=4, what="The run ended in the belief that all was done.", follows_from=(2, 3)),
        ),
        "decision_points": (
            DecisionPoint(step_id=2, decision="edited app.py", should_have="edit parser.py", citations=(second,)),
        ),
        "correct_strategy": "Find out which file defines the parser before any edit.",
        "stages": (
            Stage(stage_id=1, start_step_id=1, end_step_id=2, name="look around"),
            Stage(stage_id=2, start_step_id=3, end_step_id=last, name="edit"),
        ),
        "read_steps": (1, 2, 3, 4),
        "samples_finished": 3,
        "evidence": EvidenceCheck(quotes=5, unsupported=1, asked_again=1),
        "usage": {
            "investigate": CallUsage(calls=7, prompt_tokens=52_000, completion_tokens=1_900, cost_usd=0.031),
            "conclude": CallUsage(calls=3, prompt_tokens=31_000, completion_tokens=2_400, cost_usd=0.022),
        },
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=74),
    }
    return Diagnosis(**(given | fields))


def transcript_of(diagnosis: Diagnosis, entries: int = 3) -> list[dict[str, Any]]:
    """What could have been said while it was made."""
    return [
        {"sample": 1, "phase": "investigate", "kind": "message", "role": "assistant", "text": f"entry {number}"}
        for number in range(1, entries + 1)
    ]


def a_diagnosis(**fields: Any) -> Diagnosis:
    """Of the first run of ``make_place``."""
    return make_diagnosis(make_run(RUN, 5).trajectory, RUN, **fields)


def make_place(place: Path) -> Path:
    """A workspace with two runs and people; dan labels the first run blind."""
    place.mkdir()
    (place / "people.toml").write_text(
        '[people]\ncora = ["adjudicator"]\ndan = ["adjudicator", "annotator"]\neve = ["lead"]\nrita = ["reader"]\n'
    )
    with Store.open(place) as opened:
        runs = [make_run(run_id, 5) for run_id in (RUN, "run-2")]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        opened.create_project(Project(project_id="pilot", annotators=("dan",), created_at=NOON), [RUN])
    return place
