"""Borders between stages, against NLTK (given the places between steps) and a general matching of graphs."""

from itertools import pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.metrics.segmentation import pk, windowdiff

from codetracer_core.agreement import agreement
from codetracer_core.agreement.stages import StageAgreement, borders_of, matched_borders, window_errors
from codetracer_core.models import Stage
from codetracer_core.ratings import Ratings
from tests.agreement.rated import rated

MASSES = st.lists(st.integers(1, 6), min_size=1, max_size=8)


def with_stages(*pairs: tuple[list[int], list[int]], second: str = "b") -> Ratings:
    words = ["c" * sum(masses) for masses, _ in pairs]
    masses = {(run, rater): drawn for run, pair in enumerate(pairs) for rater, drawn in enumerate(pair)}
    return rated({"a": words, second: words}, masses=masses)


def of_two(*pairs: tuple[list[int], list[int]], second: str = "b") -> StageAgreement:
    return agreement(with_stages(*pairs, second=second)).stages


def places(masses: list[int]) -> str:
    """The n − 1 places between steps, as NLTK takes a segmentation."""
    return "1".join("0" * (size - 1) for size in masses)


def same_length(one: list[int], other: list[int]) -> tuple[list[int], list[int]]:
    shorter = sum(one) - sum(other)
    return (one, [*other, shorter]) if shorter > 0 else ([*one, -shorter], other) if shorter else (one, other)


def test_the_frozen_convention() -> None:
    """[4, 4, 4] against [5, 3, 4]: 0.2000 as in segeval; NLTK says 0.1818 if it is given 12 characters, not 11."""
    assert of_two(([4, 4, 4], [5, 3, 4])).window_diff.value == pytest.approx(0.2, abs=1e-15)
    assert windowdiff("000100010000", "000010010000", 2) == pytest.approx(0.1818, abs=5e-5)
    assert windowdiff(places([4, 4, 4]), places([5, 3, 4]), 2) == pytest.approx(0.2, abs=1e-15)


@given(MASSES, MASSES)
def test_window_diff_and_pk_are_those_of_nltk(one: list[int], other: list[int]) -> None:
    one, other = same_length(one, other)
    ratings = with_stages((one, other))
    found = window_errors(*borders_of(ratings), ratings)[0]
    k, steps = max(2, round(sum(one) / len(one) / 2)), sum(one)
    if steps <= k:
        assert np.isnan(found).all()
    else:
        ours, theirs = places(one), places(other)
        assert found[0] == pytest.approx(windowdiff(ours, theirs, k), abs=1e-12)
        assert found[1] == pytest.approx(pk(ours, theirs, k), abs=1e-12)


def test_each_is_the_reference_once_unless_one_is_one() -> None:
    one, other = [6, 6], [2, 2, 2, 2, 4]
    ours, theirs = places(one), places(other)
    forth, back = windowdiff(ours, theirs, 3), windowdiff(theirs, ours, 2)
    assert of_two((one, other)).window_diff.value == pytest.approx((forth + back) / 2)
    assert of_two((one, other), second="ground_truth:g").window_diff.value == pytest.approx(back)


def test_one_stage_on_both_sides_is_perfect_and_has_no_borders() -> None:
    found = of_two(([9], [9]))
    assert (found.window_diff.value, found.pk.value, found.runs_with_borders) == (0, 0, 0)
    assert found.borders[0].f1.why == "nobody drew a border (n = 1 runs with stages of both)"


def test_too_short_runs_and_runs_without_stages_are_told() -> None:
    found = of_two(([1], [1]), ([2], [1, 1]))
    assert (found.runs, found.runs_with_windows, found.runs_with_borders) == (2, 0, 1)
    assert found.window_diff.why == "no run is longer than the window (n = 2 runs with stages of both)"
    none = agreement(rated({"a": ["ccc"], "b": ["ccc"]})).stages
    assert none.pk.why == "in no run both drew stages (n = 0 runs with stages of both)"
    assert none.mean_stages_first.value is None


def test_borders_match_one_to_one_within_a_tolerance() -> None:
    found = of_two(([4, 4, 4], [5, 2, 5]))  # after 4 and 8; after 5 and 7
    assert [(of.tolerance, of.f1.value) for of in found.borders] == [(0, 0), (1, 1), (2, 1)]
    found = of_two(([3, 1, 8], [3, 9]))  # after 3 and 4; after 3
    assert [of.f1.value for of in found.borders] == pytest.approx([2 / 3] * 3)
    assert (found.mean_stages_first.value, found.mean_stages_second.value) == (3, 2)


def test_the_mean_is_over_runs_and_borders_stay_in_their_run() -> None:
    found = of_two(([4, 4, 4], [5, 3, 4]), ([4, 4, 4], [4, 4, 4]), ([3, 1], [4]), ([1, 3], [4]))
    assert [of.f1.value for of in found.borders] == pytest.approx([(0.5 + 1) / 4, 2 / 4, 2 / 4])
    assert found.window_diff.value == pytest.approx(
        np.mean([0.2, 0, *(windowdiff(places(masses), places([4]), 2) for masses in ([3, 1], [1, 3]))])
    )


def test_steps_that_no_stage_covers_are_a_segment() -> None:
    ratings = rated({"a": ["c" * 10]})
    ratings = Ratings(
        **{name: getattr(ratings, name) for name in ("run_ids", "tasks", "lengths", "raters", "codes", "finished")},
        onsets=ratings.onsets,
        run_verdicts=ratings.run_verdicts,
        seconds=ratings.seconds,
        stages={(0, 0): (Stage(stage_id=1, start_step_id=3, end_step_id=5),)},
    )
    assert np.flatnonzero(borders_of(ratings)[0].after).tolist() == [1, 4]  # after steps 2 and 5


@given(MASSES, MASSES, st.integers(0, 2))
def test_as_many_borders_are_matched_as_can_be(one: list[int], other: list[int], tolerance: int) -> None:
    one, other = same_length(one, other)
    ratings = with_stages((one, other), (one, other))
    first, second = borders_of(ratings)
    graph = networkx.Graph()
    ours, theirs = (np.cumsum(masses)[:-1].tolist() for masses in (one, other))
    graph.add_edges_from(
        (("first", here), ("second", there)) for here in ours for there in theirs if abs(here - there) <= tolerance
    )
    found = matched_borders(first, second, first.drawn, ratings, tolerance)
    assert len(found) == 2 * len(networkx.max_weight_matching(graph, maxcardinality=True))
    assert all(before < after for before, after in pairwise(found.tolist()))
