"""Estimates and their intervals: against a bootstrap written out, and where there can be none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from codetracer_core.intervals import (
    REPLICATES,
    SEED,
    Array,
    Estimate,
    as_plain,
    cluster_numbers,
    difference,
    estimate,
    ratio,
    resampled,
    summed,
)


def share(sums: Array) -> Array:
    return ratio(sums[..., 0], sums[..., 1])


def made_up(clusters: int) -> Array:
    drawn = np.random.default_rng(3)
    of = drawn.integers(1, 20, clusters)
    return np.column_stack([drawn.binomial(of, 0.3), of]).astype(float)


def test_an_interval_is_the_one_of_clusters_drawn_one_by_one() -> None:
    sums = made_up(40)
    drawn = np.random.default_rng(SEED).integers(0, 40, size=(REPLICATES, 40))
    values = [sums[row, 0].sum() / sums[row, 1].sum() for row in drawn]
    found = estimate(share, sums, why="there are no steps")
    assert found.value == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum(), abs=1e-15)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)
    assert (found.clusters, found.undefined_replicates, found.is_rough) == (40, 0, False)


def test_draws_can_be_shared_and_another_seed_draws_others() -> None:
    sums = made_up(25)
    alone = estimate(share, sums, why="")
    assert estimate(share, sums, why="", draws=resampled(sums)) == alone
    assert estimate(share, sums, why="", seed=1) != alone
    assert alone.is_rough


@pytest.mark.parametrize("width", [1, 2, 32, 33, 100])
@pytest.mark.parametrize("told", [0, 1, 12, 40])
def test_draws_are_the_same_of_narrow_and_wide_sums_and_where_few_clusters_have_any(width: int, told: int) -> None:
    sums = np.random.default_rng(4).integers(0, 9, (40, width))
    sums[told:] = 0
    drawn = np.random.default_rng(SEED).integers(0, 40, size=(REPLICATES, 40))
    assert np.array_equal(resampled(sums), np.stack([sums[row].sum(axis=0) for row in drawn]).astype(float))


@pytest.mark.parametrize(("clusters", "there_is_one"), [(9, False), (10, True)])
def test_few_clusters_have_no_interval(clusters: int, there_is_one: bool) -> None:
    found = estimate(share, made_up(clusters), why="")
    assert found.value is not None
    assert (found.low is not None) is there_is_one
    assert bool(found.why_no_interval) is not there_is_one


def test_clusters_that_say_nothing_do_not_make_an_interval() -> None:
    sums = np.concatenate([made_up(9), np.zeros((30, 2))])
    assert estimate(share, sums, why="").low is not None
    found = estimate(share, sums, why="", of=lambda sums: sums[..., 1])
    assert (found.low, found.clusters, found.why_no_interval) == (None, 9, "9 clusters: an interval needs at least 10")


def test_undefined_is_said_and_is_no_number() -> None:
    found = estimate(share, np.zeros((12, 2)), why="nobody labelled a step")
    assert (found.value, found.low, found.high, found.why) == (None, None, None, "nobody labelled a step")


def test_undefined_replicates_are_left_out_and_counted() -> None:
    sums = np.zeros((10, 2))
    sums[0] = 1, 2
    found = estimate(share, sums, why="")
    drawn = np.random.default_rng(SEED).integers(0, 10, size=(REPLICATES, 10))
    assert found.undefined_replicates == int((drawn != 0).all(axis=1).sum()) > 0
    assert (found.low, found.high) == (0.5, 0.5)


def test_a_difference_is_paired() -> None:
    sums = made_up(30)
    same = difference(share, sums, sums, why="")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    more = sums + np.array([1, 0])
    found = difference(share, more, sums, why="")
    assert found.low is not None
    assert found.high is not None
    apart = estimate(share, more, why=""), estimate(share, sums, why="", seed=1)
    assert all(one.low is not None and one.high is not None for one in apart)
    assert found.high - found.low < max((one.high or 0) - (one.low or 0) for one in apart)
    with pytest.raises(ValueError, match="same clusters"):
        difference(share, sums, sums[:-1], why="")


def test_clusters_are_summed_and_nameless_ones_stay_apart() -> None:
    assert cluster_numbers(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]
    rows = np.array([[1, 2], [3, 4], [5, 6]])
    assert summed(rows, np.array([1, 0, 1]), 3).tolist() == [[3, 4], [6, 8], [0, 0]]


class _Row(NamedTuple):
    name: str
    share: Estimate


@dataclass(frozen=True)
class _Result:
    rows: tuple[_Row, ...]
    counts: Mapping[int, Any]


def test_results_as_json_holds_them() -> None:
    defined = Estimate(0.5, low=0.25, high=0.75, clusters=12, undefined_replicates=3)
    few = Estimate(0.5, clusters=2, why_no_interval="2 clusters: too few")
    undefined = Estimate(None, why="everyone used one label", clusters=4)
    result = _Result(
        (_Row("a", defined), _Row("b", few), _Row("c", undefined)), {1: np.int64(7), 2: np.array([[True, False]])}
    )
    assert json.loads(json.dumps(as_plain(result), allow_nan=False)) == {
        "rows": [
            {
                "name": "a",
                "share": {"value": 0.5, "low": 0.25, "high": 0.75, "clusters": 12, "undefined_replicates": 3},
            },
            {
                "name": "b",
                "share": {
                    "value": 0.5,
                    "low": None,
                    "high": None,
                    "why_no_interval": "2 clusters: too few",
                    "clusters": 2,
                    "undefined_replicates": 0,
                },
            },
            {"name": "c", "share": {"value": None, "why": "everyone used one label", "clusters": 4}},
        ],
        "counts": {"1": 7, "2": [[True, False]]},
    }
    with pytest.raises(ValueError, match="nan is no number"):
        as_plain({"share": float("nan")})
