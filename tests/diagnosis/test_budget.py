"""When a diagnosis is told to conclude, and when it has to stop."""

import pytest

from codetracer_core.diagnosis.budget import SHORTEST_ANSWER, Budget, LimitReached
from codetracer_core.diagnosis_models import CallUsage, DiagnosisSettings
from codetracer_core.llm import Price

PRICE = Price(prompt=10.0, completion=30.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def call(cost: float | None = 0.0, tokens: int = 0) -> CallUsage:
    return CallUsage(calls=1, prompt_tokens=tokens, cost_usd=cost)


def test_money_is_near_at_four_fifths_and_reached_when_the_next_prompt_would_cost_more() -> None:
    budget = Budget(DiagnosisSettings(cost_limit_usd=1.0), PRICE)
    budget.add(call(0.79))
    assert budget.near(0) == ""
    budget.add(call(0.01))
    assert budget.near(0) == "1.00 USD"
    budget.check(20_000)  # 0.20 USD at 10 USD per million
    with pytest.raises(LimitReached, match=r"1\.00 USD"):
        budget.check(20_001)


def test_it_is_time_to_conclude_when_less_than_two_more_calls_fit() -> None:
    budget = Budget(DiagnosisSettings(cost_limit_usd=1.0), PRICE)
    budget.add(call(0.5))
    assert budget.near(25_000) == ""
    assert budget.near(25_001) == "1.00 USD"


def test_an_unknown_price_keeps_the_other_limits() -> None:
    budget = Budget(DiagnosisSettings(cost_limit_usd=0.01, token_limit=1_000, max_turns=9), None)
    budget.add(call(None, tokens=799))
    assert budget.near(0) == ""
    budget.add(call(None, tokens=1))
    assert budget.near(0) == "1,000 tokens"
    with pytest.raises(LimitReached, match="tokens"):
        budget.check(201)


def test_turns_are_counted_by_sample() -> None:
    budget = Budget(DiagnosisSettings(max_turns=3, samples=2), PRICE)
    for _ in range(3):
        budget.check(0)
        budget.add(call())
    with pytest.raises(LimitReached, match="3 model calls"):
        budget.check(0)
    budget.begin_sample(1)
    budget.check(0)


def test_each_sample_gets_an_equal_share_of_what_is_left() -> None:
    clock = Clock()
    budget = Budget(DiagnosisSettings(samples=2, cost_limit_usd=1.0, max_seconds=100), PRICE, clock=clock)
    budget.add(call(0.5))
    with pytest.raises(LimitReached):
        budget.check(1)
    clock.now = 40
    budget.begin_sample(1)
    budget.check(50_000)
    clock.now = 100
    budget.check(0)
    clock.now = 100.1
    with pytest.raises(LimitReached, match="100 seconds"):
        budget.check(0)


def test_nothing_is_left_when_an_earlier_sample_used_it_all() -> None:
    budget = Budget(DiagnosisSettings(samples=2, cost_limit_usd=1.0), PRICE)
    budget.add(call(1.2))
    budget.begin_sample(1)
    assert budget.near(0)
    with pytest.raises(LimitReached):
        budget.check(0)


def test_an_answer_may_not_cost_more_than_is_left_but_always_has_room_to_conclude() -> None:
    budget = Budget(DiagnosisSettings(cost_limit_usd=1.0), PRICE)
    assert budget.answer_tokens(10_000, 16_000) == 16_000
    budget.add(call(0.7))
    assert budget.answer_tokens(10_000, 16_000) == 6_666, "0.20 USD at 30 USD per million"
    budget.add(call(0.25))
    assert budget.answer_tokens(10_000, 16_000) == SHORTEST_ANSWER
    assert budget.answer_tokens(10_000, 500) == 500
    limited = Budget(DiagnosisSettings(token_limit=30_000, samples=2), None)
    assert limited.answer_tokens(10_000, 16_000) == 5_000
    assert Budget(DiagnosisSettings(), None).answer_tokens(10**9, 16_000) == 16_000


def test_it_is_late_when_the_time_of_all_samples_is_over() -> None:
    clock = Clock()
    budget = Budget(DiagnosisSettings(samples=2, max_seconds=100), PRICE, clock=clock)
    clock.now = 100
    assert not budget.is_late
    clock.now = 100.1
    assert budget.is_late
