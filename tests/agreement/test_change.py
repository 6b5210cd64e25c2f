"""What revised labels change: the difference of the two agreements, with a paired interval."""

import dataclasses

import numpy as np
import pytest

from codetracer_core.agreement import agreement, change
from codetracer_core.ratings import INCORRECT, MISSING, Ratings
from tests.agreement.rated import drawn_ratings, rated


def revised(ratings: Ratings) -> Ratings:
    """The second person has taken over half of what the first one calls incorrect."""
    codes = ratings.codes.copy()
    taken = (codes[:, 0] == INCORRECT) & (np.random.default_rng(0).random(len(codes)) < 0.5)
    codes[taken, 1] = INCORRECT
    return dataclasses.replace(ratings, codes=codes)


@pytest.mark.parametrize("raters", [(0, 1), (0, 1, 2)])
def test_the_change_is_the_difference_of_the_two(raters: tuple[int, ...]) -> None:
    blind = drawn_ratings(5, raters=len(raters))
    before, after = agreement(blind).headline, agreement(revised(blind)).headline
    found = change(blind, revised(blind), raters)
    for measure in ("raw", "alpha", "ac1", "kappa") if len(raters) == 2 else ("raw", "alpha", "ac1"):
        one, other = getattr(before, measure), getattr(after, measure)
        assert getattr(found, measure).value == pytest.approx(other.value - one.value, abs=1e-12)
    assert found.psa.value == pytest.approx((after.psa.value or 0) - (before.psa.value or 0), abs=1e-12)
    assert found.prevalence[1].value == pytest.approx(after.prevalence[1].value - before.prevalence[1].value, abs=1e-12)
    assert (found.kappa.value is None) == (len(raters) > 2)
    assert found.psa.low is not None
    assert found.psa.low > 0
    assert found.question == "incorrect against the rest: after minus before"


def test_only_runs_that_both_hold_are_compared_and_nothing_changed_is_nothing() -> None:
    ratings = drawn_ratings(6, raters=2)
    some = ratings.of_runs([5, 3, *range(10, 30)])
    found = change(ratings, some, (0, 1))
    assert found == change(some.of_runs([1, 0, *range(2, 22)]), some, (0, 1))
    assert (found.alpha.value, found.alpha.low, found.alpha.high, found.psa.value) == (0, 0, 0, 0)
    assert found.units == agreement(some).headline.units


def test_what_one_reading_leaves_undefined_has_no_change() -> None:
    ratings = rated({"a": ["ci"], "b": ["ci"]})
    nobody = dataclasses.replace(ratings, codes=np.full_like(ratings.codes, MISSING))
    assert change(ratings, nobody, (0, 1)).psa.why == "one reading or both leave it undefined"
    assert change(ratings.of_runs([]), nobody, (0, 1)).raw.value is None
    with pytest.raises(ValueError, match="same raters"):
        change(ratings, rated({"a": ["ci"]}), (0,))
