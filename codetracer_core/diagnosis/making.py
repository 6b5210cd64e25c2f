"""Making a diagnosis: sample by sample, each in a conversation of its own, then all of them together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from codetracer_core.diagnosis.budget import Budget, LimitReached
from codetracer_core.diagnosis.handing_in import salvage
from codetracer_core.diagnosis.merging import Sample, counted_together, merged
from codetracer_core.diagnosis.progress import Progress
from codetracer_core.diagnosis.prompts import versions
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN, Artifacts, Reading
from codetracer_core.diagnosis.strategies import STRATEGIES
from codetracer_core.diagnosis.talk import Talk
from codetracer_core.diagnosis_models import (
    LONGEST_INSIGHT,
    NO_STEPS,
    CallUsage,
    Diagnosis,
    DiagnosisSettings,
    DiagnosisStatus,
    Insight,
)
from codetracer_core.errors import Cancelled, ModelError
from codetracer_core.llm import Model
from codetracer_core.models import Trajectory
from codetracer_core.stages import offline_stages
from codetracer_core.tree import build_tree

MOST_INSIGHTS = 3
"""How many insights one sample may add."""
LONGEST_ANSWER = 20_000
"""Characters of a tool's answer, but never more than a sixth of the window."""


@dataclass(frozen=True, slots=True)
class Made:
    """A diagnosis, how it came about, and what was learned for later ones."""

    diagnosis: Diagnosis
    transcript: tuple[Mapping[str, Any], ...]
    """All messages, replies and their tokens in their order, as JSON values."""
    insights: tuple[Insight, ...] = ()
    """As the model gave them: not yet looked at."""
    lost_model: bool = False
    """The model could not be reached at least once: asked another time, it may say more."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a sample ended."""

    status: DiagnosisStatus
    reason: str
    talk: Talk
    sample: Sample | None


def diagnose(
    trajectory: Trajectory,
    *,
    run_id: str,
    model: Model,
    settings: DiagnosisSettings,
    insights: Sequence[Insight] = (),
    artifacts: Artifacts | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    diagnosis_id: str | None = None,
    wrap: Callable[[Model, int], Model] = lambda model, _: model,
) -> Made:
    """Have a model diagnose a run; never raises for what the model or its provider does: the diagnosis says it.

    ``insights`` of earlier diagnoses go into the prompt as they are. ``artifacts`` gives the raw lines that steps refer
    to. ``wrap`` may put something around the model of each sample (1-based), a journal for instance. When ``cancelled``
    turns true it stops within a second or two and keeps what there is.
    """
    started = datetime.now(UTC)
    tree = build_tree(trajectory)
    stages = offline_stages(trajectory, tree).stages
    budget = Budget(settings, model.price)
    transcript: list[Mapping[str, Any]] = []
    ended: list[_Ended] = []
    for number in range(1, settings.samples + 1) if trajectory.steps else ():
        budget.begin_sample(settings.samples - number + 1)
        window = min(model.context_tokens, settings.context_tokens or model.context_tokens)
        reading = Reading(
            trajectory,
            tree,
            stages,
            artifacts=artifacts,
            show_outcome=settings.show_outcome,
            answer_characters=min(LONGEST_ANSWER, window * CHARACTERS_PER_TOKEN // 6),
        )
        talk = Talk(
            model=wrap(model, number),
            settings=settings,
            budget=budget,
            reading=reading,
            sample=number,
            on_progress=on_progress,
            cancelled=cancelled,
            write=transcript.append,
            window=window,
        )
        ended.append(_one_sample(talk, _lessons(insights)))
        if ended[-1].status in ("cancelled", "failed"):
            break  # the next sample would meet the same
    status, reason = _status(ended, settings.samples)
    finished = [one.sample for one in ended if one.sample and one.status == "complete"]
    samples = finished or [one.sample for one in ended if one.sample]
    diagnosis = Diagnosis(
        diagnosis_id=diagnosis_id or uuid4().hex,
        run_id=run_id,
        model=model.name,
        settings=settings,
        prompt_versions=versions(settings.strategy),
        insights=tuple(insight.insight_id for insight in insights),
        status=status,
        status_reason=reason,
        stages=stages,
        read_steps=tuple(sorted({step for one in ended for step in one.talk.reading.read})),
        samples_finished=len(finished),
        evidence=counted_together(samples, sum(one.talk.sent_back for one in ended)),
        usage=_usage(ended),
        started_at=started,
        finished_at=datetime.now(UTC),
        **(merged(samples) if samples else {"conclusion": "undecided"}),
    )
    lost_model = any(one.talk.lost_model for one in ended)
    return Made(diagnosis, tuple(transcript), _insights(diagnosis, trajectory, ended), lost_model)


def _one_sample(talk: Talk, lessons: str) -> _Ended:
    talk.tell("phase", f"sample {talk.sample} of {talk.settings.samples}: {talk.settings.strategy.replace('_', ' ')}")
    status: DiagnosisStatus = "complete"
    try:
        STRATEGIES[talk.settings.strategy](talk, lessons)
        status, reason = ("partial", talk.cut_short) if talk.cut_short else ("complete", talk.early)
    except LimitReached as error:
        status, reason = "partial", error.reason
    except Cancelled:
        status, reason = "cancelled", ""
    except ModelError as error:
        status, reason = "failed", str(error)
    kept = salvage(talk)
    talk.tell("finished", f"{status}: {reason}" if reason else status)
    return _Ended(status, reason, talk, Sample(*kept) if kept else None)


def _status(ended: Sequence[_Ended], wanted: int) -> tuple[DiagnosisStatus, str]:
    """Of the whole diagnosis, with the reason."""
    if not ended:
        return "failed", NO_STEPS
    complete = sum(one.status == "complete" for one in ended)
    last = ended[-1]
    reason = next((one.reason for one in reversed(ended) if one.reason), "")
    if complete == wanted:
        return "complete", reason
    if wanted > 1:
        reason = ": ".join(filter(None, (f"{complete} of {wanted} samples finished", reason)))
    if last.status == "failed":
        return ("partial" if any(one.sample for one in ended) else "failed"), reason
    return ("cancelled" if last.status == "cancelled" else "partial"), reason


def _usage(ended: Sequence[_Ended]) -> dict[str, CallUsage]:
    usage: dict[str, CallUsage] = {}
    for one in ended:
        for phase, used in one.talk.usage.items():
            usage[phase] = usage.get(phase, CallUsage()) + used
    return usage


def _lessons(insights: Sequence[Insight]) -> str:
    if not insights:
        return ""
    listed = "\n".join(f"- {' '.join(insight.text.split())}" for insight in insights)
    return f"From earlier diagnoses of this kind of agent; they are hints for where to look, no evidence:\n{listed}"


def _insights(diagnosis: Diagnosis, trajectory: Trajectory, ended: Sequence[_Ended]) -> tuple[Insight, ...]:
    """The first ``MOST_INSIGHTS`` lessons of each sample: those noted on the way, then those handed in."""
    texts: list[str] = []
    for one in ended if diagnosis.settings.use_memory else ():
        given = [*one.talk.notebook.insights, *(one.sample.submission.insights if one.sample else ())]
        texts += [text.strip()[:LONGEST_INSIGHT] for text in given if text.strip()][:MOST_INSIGHTS]
    return tuple(
        Insight(
            insight_id=uuid4().hex,
            agent=trajectory.agent or "",
            text=text,
            run_id=diagnosis.run_id,
            diagnosis_id=diagnosis.diagnosis_id,
            author=diagnosis.model,
            created_at=diagnosis.finished_at,
        )
        for text in dict.fromkeys(texts)
    )
