"""What is told of each rater alone."""

import pytest

from codetracer_core.agreement import agreement
from tests.agreement.rated import rated


def test_rates_and_what_does_not_count() -> None:
    said = {"a": ["ciu?.", "cc-", ".."], "adjudicated:decided": ["ciccc", "..-", "ci"]}
    first, decided = agreement(rated(said, seconds={(0, 0): 60, (2, 0): 8})).by_rater
    assert (first.runs, first.unfinished_runs, first.steps, first.uncertain, first.unlabelled) == (2, 1, 8, 1, 3)
    assert (first.incorrect.value, first.unuseful.value) == (1 / 8, 1 / 8)
    assert (first.seconds_per_step.value, first.timed_runs) == ((12 + 4) / 2, 2)
    assert first.seconds_per_step.why_no_interval == "a median of runs is shown without an interval"
    # of 6 shared steps: one both, one only decided
    assert first.psa_with_adjudicated.value == pytest.approx(2 / 3)
    assert first.kappa_with_adjudicated.value == pytest.approx((5 / 6 - 22 / 36) / (1 - 22 / 36))
    assert decided.psa_with_adjudicated.why == "these are the adjudicated labels themselves"
    assert (decided.runs, decided.unfinished_runs, decided.seconds_per_step.why) == (
        2,
        0,
        "no time on task is known",
    )


def test_without_adjudicated_labels_or_any_there_is_nothing_to_compare_with() -> None:
    alone, idle = agreement(rated({"a": ["ci"], "b": ["..-"]})).by_rater
    assert alone.psa_with_adjudicated.why == "there are no adjudicated labels"
    assert (idle.runs, idle.unfinished_runs, idle.steps) == (0, 0, 0)
    assert idle.incorrect.why == "they gave no step a verdict"
