"""What must hold for any ratings."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.agreement import agreement, disagreements, why_they_differ
from codetracer_core.agreement.coefficients import (
    category_counts,
    gwets_ac1,
    krippendorffs_alpha,
    raw_agreement,
    specific_agreement,
    unit_sums,
)
from codetracer_core.intervals import Estimate
from codetracer_core.ratings import Ratings
from tests.agreement.rated import drawn_ratings, rated

CODES = st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=4), min_size=1, max_size=20).map(np.array)
STATISTICS = (
    raw_agreement,
    krippendorffs_alpha,
    gwets_ac1,
    lambda sums: specific_agreement(sums, 0) + specific_agreement(sums, 1) + specific_agreement(sums, 2),
)


def values(codes: Any) -> list[float]:
    sums = unit_sums(category_counts(codes, 3)).sum(axis=0)
    return [float(statistic(sums)) for statistic in STATISTICS]


@given(CODES, st.permutations(range(4)), st.permutations(range(3)), st.randoms())
def test_who_rates_and_how_labels_are_called_and_in_which_order_is_all_one(
    codes: Any, raters: list[int], labels: list[int], random: Any
) -> None:
    renamed = np.where(codes < 0, -1, np.array(labels)[codes])[:, raters]
    order = list(range(len(codes)))
    random.shuffle(order)
    np.testing.assert_allclose(values(renamed[order]), values(codes), rtol=0, atol=1e-12)


@given(CODES, st.lists(st.integers(0, 2), max_size=8))
def test_units_with_one_rating_change_nothing_in_alpha_and_specific_agreement(codes: Any, single: list[int]) -> None:
    more = np.vstack([codes, *([one, -1, -1, -1] for one in single)])
    before, after = values(codes), values(more)
    np.testing.assert_allclose([after[at] for at in (0, 1, 3)], [before[at] for at in (0, 1, 3)], rtol=0, atol=1e-12)


@given(st.lists(st.integers(0, 2), min_size=3, max_size=20), st.integers(2, 5))
def test_perfect_agreement_is_one(said: list[int], raters: int) -> None:
    raw, alpha, ac1, _ = values(np.array([said] * raters).T)
    assert (raw, ac1) == (1, 1)
    assert alpha == 1 if len(set(said)) > 1 else math.isnan(alpha)


@st.composite
def any_ratings(draw: st.DrawFn) -> Ratings:
    raters = draw(st.integers(0, 4))
    lengths = draw(st.lists(st.integers(0, 6), max_size=12))
    words = [
        [draw(st.text("ciu.?", min_size=n, max_size=n)) + "-" * draw(st.booleans()) for n in lengths]
        for _ in range(raters)
    ]
    names = draw(
        st.permutations(["a#1", "a#2", "b", "model:m", "ground_truth:g", "adjudicated:d", "c"]).map(
            lambda of: of[:raters]
        )
    )
    ratings = rated(dict(zip(names, words, strict=True)))
    if not raters:
        return ratings
    shape = (len(lengths), raters)
    onsets = [[draw(st.integers(0, n)) for _ in range(raters)] for n in lengths]
    return dataclasses.replace(ratings, onsets=np.array(onsets, dtype=np.int64).reshape(shape))


def numbers(of: Any) -> Iterator[Any]:
    """Every estimate and plain number in a result."""
    if isinstance(of, Estimate):
        yield of
    elif dataclasses.is_dataclass(of):
        for field in dataclasses.fields(of):
            yield from numbers(getattr(of, field.name))
    elif isinstance(of, (tuple, list)):
        for part in of:
            yield from numbers(part)
    elif isinstance(of, float):
        yield of


@settings(max_examples=60, deadline=None)
@given(any_ratings())
def test_whatever_there_is_to_compare_each_number_is_one_or_says_why_not(ratings: Ratings) -> None:
    for unlabelled in ("correct", "missing"):
        found = agreement(ratings, unlabelled=unlabelled)  # warnings are errors here
        for number in numbers(found):
            if not isinstance(number, Estimate):
                assert not math.isnan(number)
            elif number.value is None:
                assert number.why
                assert number.why_no_interval
            else:
                assert not math.isnan(number.value)
                assert not number.why
                assert (number.low is None) == bool(number.why_no_interval)
        assert why_they_differ(found.headline)
        for one in disagreements(ratings, unlabelled=unlabelled):
            assert len(one.said) == len(found.over)


@pytest.mark.parametrize("seed", range(4))
def test_two_people_may_change_places(seed: int) -> None:
    ratings = drawn_ratings(seed, raters=2)
    turned = dataclasses.replace(
        ratings,
        raters=ratings.raters[::-1],
        **{
            name: getattr(ratings, name)[:, ::-1] for name in ("codes", "finished", "onsets", "run_verdicts", "seconds")
        },
        stages={(run, 1 - rater): drawn for (run, rater), drawn in ratings.stages.items()},
    )
    one, other = agreement(ratings), agreement(turned)
    for name in ("headline", "unuseful", "classes", "has_incorrect", "run_verdicts"):
        ours, theirs = getattr(one, name), getattr(other, name)
        for measure in ("raw", "alpha", "kappa", "ac1", "specific", "prevalence"):
            close(getattr(ours, measure), getattr(theirs, measure))
        assert np.array_equal(np.array(ours.table).T, theirs.table)
    close(one.onset.within, other.onset.within)
    close(
        (one.onset.median_absolute, one.onset.mean_relative), (other.onset.median_absolute, other.onset.mean_relative)
    )
    assert one.onset.median_distance.value == -(other.onset.median_distance.value or 0)
    close((one.ranges[0].f1, one.ranges[0].mean_iou), (other.ranges[0].f1, other.ranges[0].mean_iou))
    assert (one.ranges[0].precision, one.ranges[0].recall) == (other.ranges[0].recall, other.ranges[0].precision)
    close(
        (one.stages.window_diff, one.stages.pk, one.stages.borders),
        (other.stages.window_diff, other.stages.pk, other.stages.borders),
    )
    close(one.nothing_found, other.nothing_found)


def close(ours: Any, theirs: Any) -> None:
    for one, other in zip(numbers(ours), numbers(theirs), strict=True):
        if isinstance(one, Estimate):
            assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)
            assert (one.why, one.why_no_interval, one.clusters) == (other.why, other.why_no_interval, other.clusters)


@pytest.mark.parametrize("seed", range(4))
def test_a_person_who_agrees_with_themselves_agrees_perfectly(seed: int) -> None:
    ratings = drawn_ratings(seed, raters=1, missing=0)
    twice = dataclasses.replace(
        ratings,
        raters=tuple(rater._replace(pass_number=number) for rater in ratings.raters for number in (1, 3)),
        **{
            name: np.repeat(getattr(ratings, name), 2, axis=1)
            for name in ("codes", "finished", "onsets", "run_verdicts", "seconds")
        },
        stages={(run, rater): drawn for (run, _), drawn in ratings.stages.items() for rater in (0, 1)},
    )
    [pair] = agreement(twice).repeats
    for measures in (pair.incorrect, pair.classes, pair.has_incorrect, pair.run_verdicts):
        assert (measures.raw.value, measures.alpha.value, measures.kappa.value, measures.ac1.value) == (1, 1, 1, 1)
    assert [of.share.value for of in pair.onset.within] == [1, 1, 1, 1]
    assert (pair.onset.median_distance.value, pair.onset.mean_relative.value) == (0, 0)
    assert (pair.ranges[0].f1.value, pair.ranges[0].mean_iou.value) == (1, 1)
    assert (pair.stages.window_diff.value, pair.stages.pk.value) == (0, 0)
    assert [of.f1.value for of in pair.stages.borders] == pytest.approx([1, 1, 1])
