"""Onsets: which step counts, the detection table, distances, chance, and their intervals drawn one by one."""

import numpy as np
import pytest

from codetracer_core.agreement import agreement
from codetracer_core.agreement.onset import OnsetAgreement, onsets
from codetracer_core.intervals import REPLICATES, SEED
from codetracer_core.ratings import Ratings
from tests.agreement.rated import drawn_ratings, rated


def of_two(ratings: Ratings) -> OnsetAgreement:
    return agreement(ratings).onset


def test_the_marked_onset_comes_before_the_first_incorrect_step() -> None:
    ratings = rated({"a": ["ccicci", "cccc", "ci-"], "b": ["cc?uci", "ccui", "ci"]}, onsets={(0, 0): 2, (1, 0): 4})
    assert onsets(ratings.counted(), ratings).tolist() == [[2, 6], [4, 4], [-1, 2]]
    found = agreement(ratings)
    conflicts = [(of.run_id, of.rater, of.marked, of.first_incorrect) for of in found.onset_conflicts]
    assert conflicts == [("run 0", 0, 2, 3), ("run 1", 0, 4, 0)]
    assert found.onset.distances == ((0, 1), (4, 1))


def test_detection_first_then_distances() -> None:
    said = {"a": ["ccic", "icccccc", "ccc", "ccc", "i", "cci-"], "b": ["cccc", "cccicci", "cci", "ccc", "i", "cci"]}
    found = of_two(rated(said))
    assert (found.runs, found.both, found.only_first, found.only_second, found.neither) == (5, 2, 1, 1, 1)
    assert found.distances == ((0, 1), (3, 1))
    assert [(of.k, of.share.value) for of in found.within] == [(0, 0.5), (1, 0.5), (3, 1), (5, 1)]
    assert (found.median_distance.value, found.median_absolute.value) == (1.5, 1.5)
    assert found.mean_relative.value == pytest.approx(3 / 7 / 2)


def test_chance_and_rules_are_of_each_without_a_reference_and_of_the_reference_with_one() -> None:
    runs = {"a": ["icccccc", "i"], "b": ["cccicci", "i"]}
    peers, judged = of_two(rated(runs)), of_two(rated({"model:m": runs["b"], "ground_truth:g": runs["a"]}))
    # within 1 of step 1 of 7: 2 steps; of step 4: 3 steps; of step 1 of 1: 1 step
    assert peers.within[1].chance.value == pytest.approx((2.5 / 7 + 1) / 2)
    assert judged.within[1].chance.value == pytest.approx((2 / 7 + 1) / 2)
    assert judged.median_distance.value == peers.median_distance.value == 1.5  # the model's minus the truth's
    # the last of 7 is within 3 of step 4, not of step 1; the last of 1 is step 1
    assert (peers.within[2].last_step.value, judged.within[2].last_step.value) == (0.75, 0.5)
    # the last but one of 7 is within 3 of step 4, not of step 1; one step has none
    assert (peers.within[2].last_but_one.value, judged.within[2].last_but_one.value) == (0.25, 0)


def test_without_a_run_that_both_see_failing_there_is_no_distance() -> None:
    found = of_two(rated({"a": ["cc", "ci"], "b": ["ci", "cc"]}))
    assert found.distances == ()
    for of in (found.median_distance, found.median_absolute, found.mean_relative, found.within[0].chance):
        assert (of.value, of.why) == (None, "in no run both have an onset (n = 2 runs)")


@pytest.mark.parametrize("raters", [2, 3])
def test_intervals_are_those_of_clusters_drawn_one_by_one(raters: int) -> None:
    ratings = drawn_ratings(7, raters=raters, runs=60)
    found = of_two(ratings)
    steps = onsets(ratings.counted(), ratings)
    pairs = [(one, other) for one in range(raters) for other in range(one + 1, raters)]
    apart: dict[int, list[int]] = {int(cluster): [] for cluster in ratings.clusters}
    for run, cluster in enumerate(ratings.clusters.tolist()):
        for one, other in pairs:
            if steps[run, one] > 0 and steps[run, other] > 0:
                apart[cluster].append(int(steps[run, other] - steps[run, one]))
    drawn = np.random.default_rng(SEED).integers(0, len(apart), (REPLICATES, len(apart)))
    of_draws = [np.array([distance for cluster in row for distance in apart[cluster]]) for row in drawn.tolist()]
    everything = np.array([distance for of in apart.values() for distance in of])
    close, ends = found.within[2].share, [0.025, 0.975]
    assert close.value == pytest.approx((abs(everything) <= 3).mean())
    assert (close.low, close.high) == pytest.approx(np.quantile([(abs(of) <= 3).mean() for of in of_draws], ends))
    middle = found.median_absolute
    assert middle.value == np.median(abs(everything))
    assert (middle.low, middle.high) == pytest.approx(np.quantile([np.median(abs(of)) for of in of_draws], ends))
    assert middle.clusters == sum(bool(of) for of in apart.values())
    signed = found.median_distance
    if raters == 2:
        assert signed.value == np.median(everything)
        assert (signed.low, signed.high) == pytest.approx(np.quantile([np.median(of) for of in of_draws], ends))
    else:
        assert (signed.value, signed.why) == (None, "a signed distance is of two raters")
