"""Ranges of equal labels, matched one to one: by hand, and against a general matching of graphs."""

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.agreement import agreement
from codetracer_core.agreement.ranges import RangeAgreement, matched_ranges, ranges_of
from codetracer_core.ratings import INCORRECT
from tests.agreement.rated import rated

WORDS = st.text("ciu", min_size=1, max_size=14)


def of_incorrect(first: list[str], second: list[str]) -> RangeAgreement:
    return agreement(rated({"a": first, "b": second})).ranges[0]


def test_ranges_end_with_the_label_and_with_the_run() -> None:
    [found] = ranges_of((of := rated({"a": ["iicii", "iuu", "c", "ii-"]})).counted(), of, INCORRECT)
    assert found.number.tolist() == [0, 0, -1, 1, 1, 2, -1, -1, -1, -1, -1]
    assert (found.sizes.tolist(), found.runs.tolist(), found.starts.tolist()) == ([2, 2, 1], [0, 0, 1], [0, 3, 5])


def test_precision_recall_and_iou() -> None:
    found = of_incorrect(["iiiicccii", "ccc"], ["ciiiccccc", "icc"])  # 3 of 4 shared; one each left over
    assert (found.runs, found.first, found.second, found.overlapping, found.matched) == (2, 2, 2, 1, 1)
    assert (found.precision.value, found.recall.value, found.f1.value) == (0.5, 0.5, 0.5)
    assert found.mean_iou.value == 0.75


def test_half_is_enough_and_less_is_not() -> None:
    assert of_incorrect(["iicc"], ["iccc"]).matched == 1
    assert of_incorrect(["iiic"], ["iccc"]).matched == 0
    assert of_incorrect(["iiic"], ["iccc"]).overlapping == 1


def test_a_range_is_matched_once_with_the_one_that_makes_most_of_all() -> None:
    # the long range overlaps three; the middle one most, which leaves the outer two without a match
    found = of_incorrect(["iiiiiiiii"], ["iiciiicii"])
    assert (found.overlapping, found.mean_iou.value) == (1, pytest.approx(3 / 9))


def test_nothing_to_match_says_so() -> None:
    found = of_incorrect(["cc"], ["ic"])
    assert found.recall.why == "the first rater has no incorrect range (n = 1 runs)"
    assert (found.precision.value, found.f1.value) == (0, 0)
    assert found.mean_iou.why == "no two incorrect ranges overlap (n = 1 runs)"
    assert of_incorrect(["cc"], ["cc"]).f1.why == "nobody has any incorrect range (n = 1 runs)"


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_the_match_is_the_best_there_is(words: list[tuple[str, str]]) -> None:
    both = [(one[: len(other)], other[: len(one)]) for one, other in words]
    ratings = rated({"a": [one for one, _ in both], "b": [other for _, other in both]})
    first, second = ranges_of(ratings.counted(), ratings, INCORRECT)
    ours, theirs, iou = matched_ranges(first, second)
    graph = networkx.Graph()
    for one in range(len(first.sizes)):
        for other in range(len(second.sizes)):
            shared = int(((first.number == one) & (second.number == other)).sum())
            if shared:
                weight = shared / (first.sizes[one] + second.sizes[other] - shared)
                graph.add_edge(("first", one), ("second", other), weight=weight)
    best = sum(graph.edges[edge]["weight"] for edge in networkx.max_weight_matching(graph))
    assert iou.sum() == pytest.approx(best, abs=1e-9)
    assert len(np.unique(ours)) == len(np.unique(theirs)) == len(iou)
