"""Made-up runs and labels for the tests of the store."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from codetracer_core.diagnosis_models import (
    CallUsage,
    ChainLink,
    Citation,
    Diagnosis,
    DiagnosisSettings,
    Insight,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.models import (
    EvidenceQuote,
    Kind,
    LabelEvent,
    Outcome,
    RunRecord,
    SourceRef,
    Step,
    ToolCall,
    Trajectory,
    Usage,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_step(step_id: int, text: str = "", **fields: Any) -> Step:
    """Every third step is an edit, every fourth has no observation."""
    command = f"sed -i s/{step_id}/x/ app.py" if step_id % 3 == 0 else f"cat file_{step_id}.py"
    given: dict[str, Any] = {
        "native_ids": (f"event-{step_id}",),
        "action": command,
        "tool": ToolCall(name="bash", arguments={"command": command, "timeout": 30}, call_id=f"call_{step_id}"),
        "observation": None if step_id % 4 == 0 else f"output of step {step_id} {text}",
        "thought": f"I should look at step {step_id}",
        "exit_code": 0,
        "timestamp": NOON + timedelta(seconds=step_id),
        "action_ref": SourceRef(path="run.json", line_start=step_id, line_end=step_id, kind="json", pointer="/0"),
    }
    return Step(step_id=step_id, **(given | fields))


def make_run(
    run_id: str = "run-1",
    steps: int | Sequence[Step] = 5,
    *,
    text: str = "",
    record: dict[str, Any] | None = None,
    **header: Any,
) -> RunRecord:
    """A run; ``header`` overrides fields of the trajectory, ``record`` fields of the record."""
    taken = tuple(make_step(n, text) for n in range(1, steps + 1)) if isinstance(steps, int) else tuple(steps)
    given: dict[str, Any] = {
        "format": "swe-agent",
        "view": "run.traj",
        "agent": "SWE-agent",
        "model": "some-model",
        "task": f"task of {run_id}",
        "task_text": "Fix the parser.",
        "outcome": Outcome(solved=False, reason="2 of 3 tests failed"),
        "usage": Usage(cost_usd=0.25, prompt_tokens=1000, completion_tokens=50),
        "started_at": NOON,
        "steps": taken,
    }
    trajectory = Trajectory(**(given | header))
    digest = hashlib.sha256(f"{run_id}{[step.model_dump() for step in taken]}".encode(errors="replace")).hexdigest()
    known: dict[str, Any] = {"run_id": run_id, "origin": f"runs/{run_id}", "evidence_hash": digest}
    return RunRecord(trajectory=trajectory, **(known | (record or {})))


def decide(record: RunRecord) -> list[tuple[Kind, str]]:
    return [
        ("change", "edits app.py") if step.action.startswith("sed") else ("explore", "reads only")
        for step in record.trajectory.steps
    ]


def make_label(sequence: int, value: Any = "incorrect", **fields: Any) -> LabelEvent:
    given: dict[str, Any] = {
        "run_id": "run-1",
        "step_id": 1,
        "value": value,
        "annotator": "ana",
        "client": "browser",
        "sequence": sequence,
        "occurred_at": NOON,
    }
    return LabelEvent(**(given | fields))


def make_diagnosis(*, finding: int = 3, **fields: Any) -> Diagnosis:
    """One supported finding, one without evidence, an onset, and a chain to step 5 with a link that nothing shows."""
    words = f"sed -i s/{finding}" if finding % 3 == 0 else f"cat file_{finding}"
    quote = EvidenceQuote.of(finding, "action", 0, words)
    cited = (Citation(step_id=finding, text=words, quote=quote),)
    given: dict[str, Any] = {
        "diagnosis_id": uuid4().hex,
        "run_id": "run-1",
        "model": "openai/some",
        "settings": DiagnosisSettings(),
        "status": "complete",
        "conclusion": "error_found",
        "summary": "It went wrong.",
        "onset": (OnsetCandidate(step_id=finding), OnsetCandidate(step_id=2, support=0.5)),
        "findings": (
            StepFinding(
                step_id=finding,
                verdict="incorrect",
                reasoning="It edits the wrong file.",
                citations=cited,
            ),
            StepFinding(step_id=4, verdict="unuseful", reasoning="Nothing shows it."),
        ),
        "error_chain": (
            ChainLink(step_id=finding, what="wrong"),
            ChainLink(step_id=4, what="so they say"),
            ChainLink(step_id=5, what="worse", citations=cited),
        ),
        "samples_finished": 1,
        "usage": {
            "investigate": CallUsage(calls=4, prompt_tokens=1000, completion_tokens=50, cost_usd=0.02),
            "conclude": CallUsage(calls=1, prompt_tokens=200, completion_tokens=10, cost_usd=0.01),
        },
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=90),
    }
    return Diagnosis(**(given | fields))


def make_insight(**fields: Any) -> Insight:
    given: dict[str, Any] = {
        "insight_id": uuid4().hex if fields else "1" * 32,
        "agent": "SWE-agent",
        "text": "It repeats a failing command without reading what it printed.",
        "run_id": "run-1",
        "diagnosis_id": "2" * 32,
        "author": "openai/some",
        "created_at": NOON,
    }
    return Insight(**(given | fields))
