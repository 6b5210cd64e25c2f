"""What a diagnosis will about need: calls, tokens, cost. Rehearsed on the run itself, before any call is paid.

Two scripted readers go through the very same strategy: a frugal one, who looks at little and hands in a clean run, and
a curious one, who reads all that seems to matter, accuses, and is sent back as often as the settings allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codetracer_core.diagnosis.handing_in import CHOOSE_HALF, JUDGE_PART, SUBMIT
from codetracer_core.diagnosis.making import diagnose
from codetracer_core.diagnosis.strategies import SHORT
from codetracer_core.diagnosis_models import Diagnosis, DiagnosisSettings, Insight
from codetracer_core.llm import Message, Price, Reply, ScriptedModel, ToolSpec, calling
from codetracer_core.models import Trajectory
from codetracer_core.tree import build_tree

Range = tuple[int, int]
AT_ONCE = 12
"""Steps that a reader asks for in one turn."""
CURIOUS_TURNS = 8
"""Turns of reading before the diagnosis is handed in; the frugal reader takes one, none if all steps are shown."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """From the least that is likely to what is seldom exceeded, both inclusive; over all samples."""

    calls: Range
    prompt_tokens: Range
    completion_tokens: Range
    cost_usd: tuple[float, float] | None
    """None: the price of the model is not known."""
    notes: tuple[str, ...] = ()
    """What a person should know before starting, in sentences."""


def estimate(
    trajectory: Trajectory,
    settings: DiagnosisSettings,
    *,
    price: Price | None,
    context_tokens: int,
    insights: Sequence[Insight] = (),
) -> Estimate:
    """An estimate for one run. A real model decides for itself how much it reads; what it thinks before it answers,
    some models bill as completion tokens on top."""
    notes = []
    if price is None:
        notes.append("The price of this model is not known: the cost limit cannot be kept, the others are.")
    if not trajectory.steps:
        notes.append("The run has no steps: there is nothing to diagnose.")
    frugal, curious = (
        _rehearsed(_Reader(trajectory, is_curious=curious), trajectory, settings, price, context_tokens, insights)
        for curious in (False, True)
    )
    low, high = frugal.total_usage, curious.total_usage
    for rehearsed in (frugal, curious):
        if rehearsed.status == "partial":
            notes.append(f"It may be partial: {rehearsed.status_reason}.")
            break
    samples = settings.samples
    if settings.token_limit and samples * (high.prompt_tokens + high.completion_tokens) > settings.token_limit:
        notes.append(f"It may reach the limit of {settings.token_limit:,} tokens, and then be partial.")
    cost = None
    if price is not None and low.cost_usd is not None and high.cost_usd is not None:
        limit = settings.cost_limit_usd
        cost = (min(samples * low.cost_usd, limit), min(samples * high.cost_usd, limit))
        if samples * high.cost_usd > limit:
            notes.append(f"It may reach the cost limit of {limit:.2f} USD, and then be partial.")
    return Estimate(
        calls=(samples * low.calls, samples * high.calls),
        prompt_tokens=(samples * low.prompt_tokens, samples * high.prompt_tokens),
        completion_tokens=(samples * low.completion_tokens, samples * high.completion_tokens),
        cost_usd=cost,
        notes=tuple(notes),
    )


def together(estimates: Sequence[Estimate], share: float = 1.0) -> Estimate:
    """The estimate for many runs, from those of some that are this ``share`` of them."""

    def total(name: str) -> Range:
        low, high = (sum(getattr(one, name)[end] for one in estimates) / share for end in (0, 1))
        return round(low), round(high)

    costs = [one.cost_usd for one in estimates if one.cost_usd is not None]
    cost = (sum(low for low, _ in costs) / share, sum(high for _, high in costs) / share)
    return Estimate(
        calls=total("calls"),
        prompt_tokens=total("prompt_tokens"),
        completion_tokens=total("completion_tokens"),
        cost_usd=cost if len(costs) == len(estimates) else None,
        notes=tuple(dict.fromkeys(note for one in estimates for note in one.notes)),
    )


def _rehearsed(
    reader: "_Reader",
    trajectory: Trajectory,
    settings: DiagnosisSettings,
    price: Price | None,
    context_tokens: int,
    insights: Sequence[Insight],
) -> Diagnosis:
    one = settings.model_copy(update={"samples": 1, "cost_limit_usd": 1e9, "token_limit": None})
    model = ScriptedModel(reader, context_tokens=context_tokens, price=price)
    return diagnose(trajectory, run_id="", model=model, settings=one, insights=insights).diagnosis


class _Reader:
    """Answers as a model would that reads so much: see the module."""

    def __init__(self, trajectory: Trajectory, *, is_curious: bool) -> None:
        self.is_curious = is_curious
        rows = build_tree(trajectory).rows
        telling = [
            row.step_id
            for row, step in zip(rows, trajectory.steps, strict=True)
            if row.kind == "change" or step.exit_code
        ]
        self.unread = telling[::-1]
        self.turns = CURIOUS_TURNS if is_curious else int(trajectory.step_count > SHORT)

    def __call__(self, _: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        names = {tool.name for tool in tools}
        if not names:
            return Reply(text=_words(300))
        if JUDGE_PART.name in names:
            return calling((JUDGE_PART.name, {"thought": _words(600 if self.is_curious else 30)}))
        if CHOOSE_HALF.name in names:
            half = (
                {"half": "second", "reasoning": _words(100)}
                if self.is_curious
                else {"half": "neither", "reasoning": ""}
            )
            return calling((CHOOSE_HALF.name, half))
        if "read_steps" in names and self.unread and self.turns:
            wanted, self.unread = self.unread[:AT_ONCE], self.unread[AT_ONCE:]
            self.turns -= 1
            return calling(("read_steps", {"steps": wanted}), text=_words(50) if self.is_curious else "")
        return calling((SUBMIT.name, self._answer()))

    def _answer(self) -> dict[str, Any]:
        if not self.is_curious:
            return {"case_for_clean_run": _words(20), "conclusion": "no_error_found", "summary": _words(20)}
        # Evidence that does not hold, so that it is sent back as often as may be.
        finding = {
            "step_id": 1,
            "verdict": "incorrect",
            "reasoning": _words(60),
            "evidence": [{"step_id": 1, "quote": _words(20)}],
        }
        return {
            "case_for_clean_run": _words(100),
            "conclusion": "error_found",
            "summary": _words(100),
            "findings": [finding] * 6,
            "correct_strategy": _words(150),
        }


def _words(count: int) -> str:
    return "evidence " * count
