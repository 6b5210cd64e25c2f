"""What a diagnosis will need is told beforehand, and holds."""

import pytest

from codetracer_core.diagnosis import diagnose, estimate
from codetracer_core.diagnosis_models import STRATEGIES, DiagnosisSettings, Insight, Strategy
from codetracer_core.llm import Price, ScriptedModel, calling
from tests.diagnosis.made_up import bash_run, broken_run, long_run

PRICE = Price(prompt=2.0, completion=10.0)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("steps", [3, 60])
def test_a_reader_between_frugal_and_curious_stays_within_the_estimate(strategy: Strategy, steps: int) -> None:
    run, settings = long_run(steps, 400), DiagnosisSettings(strategy=strategy)
    clean = {"case_for_clean_run": "All is well. " * 25, "conclusion": "no_error_found", "summary": "It worked. " * 25}

    def reader(messages: object, tools: object) -> object:
        names = {tool.name for tool in tools}  # type: ignore[attr-defined]
        if "judge_part" in names:
            return calling(("judge_part", {"thought": "Nothing so far. " * 20}))
        if "choose_half" in names:
            return calling(("choose_half", {"half": "second", "reasoning": "The first half is sound."}))
        if "read_steps" in names and steps > 20 and len(messages) < 5:  # type: ignore[arg-type]
            return calling(("read_steps", {"steps": [58, 59, 60]}))
        return calling(("submit_diagnosis", clean))

    guess = estimate(run, settings, price=PRICE, context_tokens=32_000)
    model = ScriptedModel(reader, context_tokens=32_000, price=PRICE)  # type: ignore[arg-type]
    used = diagnose(run, run_id="r", model=model, settings=settings).diagnosis.total_usage
    assert guess.calls[0] <= used.calls <= guess.calls[1]
    assert guess.prompt_tokens[0] <= used.prompt_tokens <= guess.prompt_tokens[1]
    assert guess.completion_tokens[0] <= used.completion_tokens <= guess.completion_tokens[1]
    assert guess.cost_usd is not None
    assert used.cost_usd is not None
    assert guess.cost_usd[0] <= used.cost_usd <= guess.cost_usd[1]
    assert guess.notes == ()


def test_samples_multiply_and_the_cost_limit_bounds() -> None:
    run = broken_run()
    one = estimate(run, DiagnosisSettings(), price=PRICE, context_tokens=32_000)
    three = estimate(run, DiagnosisSettings(samples=3), price=PRICE, context_tokens=32_000)
    assert three.calls == (3 * one.calls[0], 3 * one.calls[1])
    tight = estimate(run, DiagnosisSettings(cost_limit_usd=0.01), price=PRICE, context_tokens=32_000)
    assert tight.cost_usd is not None
    assert tight.cost_usd[1] == 0.01
    assert "may reach the cost limit of 0.01 USD" in tight.notes[0]


def test_memory_is_counted() -> None:
    insight = Insight(
        insight_id="i", agent="a", text="Look at the tests first. " * 30, author="m", created_at="2026-01-01T00:00:00Z"
    )
    without = estimate(broken_run(), DiagnosisSettings(), price=PRICE, context_tokens=32_000)
    with_memory = estimate(broken_run(), DiagnosisSettings(), price=PRICE, context_tokens=32_000, insights=[insight])
    assert with_memory.prompt_tokens[0] > without.prompt_tokens[0] + 100


def test_what_is_not_known_is_said() -> None:
    guess = estimate(bash_run(), DiagnosisSettings(), price=None, context_tokens=32_000)
    assert guess.cost_usd is None
    assert guess.calls == (0, 0)
    assert "not known" in guess.notes[0]
    assert "no steps" in guess.notes[1]


def test_limits_that_will_cut_it_short_are_told_before() -> None:
    settings = DiagnosisSettings(strategy="step_by_step", token_limit=50_000)
    told = estimate(long_run(300, 3_000), settings, price=None, context_tokens=32_000).notes
    assert [note for note in told if "the limit of 30 model calls" in note and "were not read" in note]
    assert "It may reach the limit of 50,000 tokens, and then be partial." in told
