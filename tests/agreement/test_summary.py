"""The whole of an agreement: over whom, what is left out, intervals, runs, and what is said where there is nothing."""

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from codetracer_core.agreement import agreement, why_they_differ
from codetracer_core.intervals import REPLICATES, SEED
from codetracer_core.ratings import INCORRECT
from tests.agreement.rated import drawn_ratings, rated


def test_every_pair_is_as_scikit_learn_sees_it() -> None:
    ratings = drawn_ratings(1, raters=4)
    codes, found = ratings.counted(), agreement(ratings)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair in found.pairs:
        both = codes[:, [pair.first, pair.second]]
        both = both[(both >= 0).all(axis=1)]
        assert (pair.classes.units, pair.classes.kappa.value) == (
            len(both),
            pytest.approx(cohen_kappa_score(*both.T), abs=1e-12),
        )
        binary = both == INCORRECT
        assert pair.incorrect.kappa.value == pytest.approx(cohen_kappa_score(*binary.T), abs=1e-12)
        assert pair.incorrect.psa.value == pytest.approx(f1_score(*binary.T), abs=1e-12)
        assert pair.incorrect.table is not None
        assert np.array(pair.classes.table)[1, :].sum() == binary[:, 0].sum()
        assert np.array(pair.incorrect.table)[1, 1] == binary.all(axis=1).sum()


def test_the_interval_of_alpha_is_that_of_tasks_drawn_one_by_one() -> None:
    ratings = drawn_ratings(2, raters=3, runs=24, longest=12)
    codes = ratings.counted()
    steps_of = [np.flatnonzero(ratings.clusters[ratings.run_of] == at) for at in range(ratings.cluster_count)]
    drawn = np.random.default_rng(SEED).integers(0, len(steps_of), (REPLICATES, len(steps_of)))

    def alpha(rows: np.ndarray) -> float:
        data = np.where(codes[rows] < 0, np.nan, (codes[rows] == INCORRECT).astype(float)).T
        return float(krippendorff.alpha(data, level_of_measurement="nominal"))

    found = agreement(ratings)
    assert found.clustered_by == "task"
    assert found.headline.alpha.value == pytest.approx(alpha(np.arange(len(codes))), abs=1e-12)
    ends = np.quantile([alpha(np.concatenate([steps_of[at] for at in row])) for row in drawn], [0.025, 0.975])
    assert (found.headline.alpha.low, found.headline.alpha.high) == pytest.approx(tuple(ends), abs=1e-12)


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    ratings = drawn_ratings(3)
    assert agreement(ratings) == agreement(ratings)
    assert agreement(ratings, seed=1).headline.alpha != agreement(ratings).headline.alpha
    assert agreement(ratings, seed=1).headline.alpha.value == agreement(ratings).headline.alpha.value


def test_the_headline_is_over_people_when_there_are_two() -> None:
    runs = ["ci", "cc"]
    found = agreement(rated({"ground_truth:g": runs, "a": runs, "model:m": runs, "b": ["cc", "cc"]}))
    assert (found.over, found.headline.raters) == ((1, 3), 2)
    assert found.over_words == "over the 2 people; 2 other raters (models, ground truth, adjudicated) only in pairs"
    assert len(found.pairs) == 6
    assert found.headline == next(pair.incorrect for pair in found.pairs if (pair.first, pair.second) == (1, 3))
    found = agreement(rated({"ground_truth:g": runs, "a": runs, "model:m": runs}))
    assert (found.over, found.over_words) == ((0, 1, 2), "over all raters: there are no two people among them")
    assert found.headline.kappa.why == "Cohen's kappa is of two raters, here are 3: see each pair"


def test_a_reference_comes_first_in_its_pair() -> None:
    runs = ["ci"]
    found = agreement(rated({"a": runs, "adjudicated:x": runs, "ground_truth:g": runs, "model:m": runs}))
    pairs = {(pair.first, pair.second): pair.has_reference for pair in found.pairs}
    assert pairs == {(1, 0): True, (2, 0): True, (0, 3): False, (2, 1): True, (1, 3): True, (2, 3): True}


def test_passes_of_one_person_are_repeats_and_count_once_in_the_headline() -> None:
    found = agreement(rated({"a#3": ["ci"], "a#1": ["cc"], "b#1": ["ci"]}))
    assert (found.over, [(of.first, of.second) for of in found.repeats]) == ((1, 2), [(0, 1)])
    assert found.over_words == "over the 2 people, each with the first of their passes that is here"
    assert found.repeats[0].incorrect.pairings is not None
    assert found.repeats[0].incorrect.pairings.one == 1


def test_what_is_left_out_and_how_many_ratings_steps_have() -> None:
    said = {"a": ["ciu?", "cc", "cc", "i"], "b": ["c?u?", "c.-", "cc-", "c"], "c": ["cccc-", "..-", "cc-", "c"]}
    found = agreement(rated(said))
    # run 0: 3, 2, 3, 1 ratings; run 1: 2, 1; run 2: 3, 3; run 3: 3
    assert found.steps_by_ratings == (0, 2, 2, 5)
    assert [(of.runs, of.steps) for of in found.left_out] == [(1, 1), (1, 1)]
    assert found.left_out[0].why == "fewer than two of the raters finished the run"
    assert (found.runs, found.steps, found.headline.runs, found.headline.units) == (4, 9, 4, 7)
    votes = [(of.ratings, of.positive, of.units) for of in found.votes]
    assert votes == [(2, 0, 1), (2, 1, 1), (3, 0, 4), (3, 1, 1)]


def test_unlabelled_steps_count_as_correct_or_not_at_all() -> None:
    ratings = rated({"a": ["..i.", "cc"], "b": ["..ic", "cc-"]})
    assert agreement(ratings).headline.units == 6
    assert agreement(ratings, unlabelled="missing").headline.units == 3


def test_labels_and_runs() -> None:
    found = agreement(rated({"a": ["ciuc", "ccc", "ci"], "b": ["cicu", "ccc", "cc"], "c": ["cicc", "ccc", "cc-"]}))
    assert [of.category for of in found.labels] == ["correct", "incorrect", "unuseful"]
    correct, incorrect, unuseful = found.labels
    assert incorrect.with_others == (2, 3, 0)
    assert (correct.with_others, unuseful.with_others) == ((18, 2, 4), (4, 0, 0))
    assert incorrect.specific.value == pytest.approx(2 * 3 / (2 * 3 + 2))
    assert [of.run_id for of in found.by_run] == ["run 2", "run 0", "run 1"]
    worst, first, nothing = found.by_run
    assert (worst.incorrect, worst.onsets, worst.psa.value) == ((1, 0, None), (2, 0, None), 0)
    assert (first.pairings.both, first.pairings.one, first.pairings.neither) == (3, 0, 9)
    assert (nothing.nothing_found, nothing.psa.why) == (True, "nobody calls a step incorrect")
    assert (found.nothing_found.value, found.nothing_found.clusters) == (pytest.approx(1 / 3), 3)


def test_runs_are_judged_by_their_steps_and_by_what_was_said_of_them() -> None:
    verdicts = {(0, 0): 1, (0, 1): 1, (1, 0): 0, (1, 1): 1, (2, 0): -2, (2, 1): 1}
    said = {"a": ["ci", "cc", "cc", "ci"], "b": ["ic", "cc", "ci", "ci-"]}
    found = agreement(rated(said, verdicts=verdicts))
    assert found.has_incorrect.table == ((1, 1), (0, 1))
    assert found.run_verdicts.table == ((0, 1), (0, 1))
    assert (found.has_incorrect.unit, found.has_incorrect.raw.value) == ("run", pytest.approx(2 / 3))


def test_unuseful_steps_are_counted_but_not_corrected_for_chance_in_few_runs() -> None:
    found = agreement(rated({"a": ["cu"] * 299, "b": ["cu"] * 299})).unuseful
    assert (found.alpha.value, found.kappa.value, found.ac1.value) == (None, None, None)
    assert found.alpha.why.startswith("299 runs with two raters are too few to correct for chance")
    assert (found.psa.value, found.table) == (1, ((299, 0), (0, 299)))
    assert agreement(rated({"a": ["cu"] * 300, "b": ["cu"] * 300})).unuseful.alpha.value == 1


def test_one_label_only_is_undefined_and_says_so() -> None:
    found = agreement(rated({"a": ["cc"] * 12, "b": ["c."] * 12})).headline
    why = "everyone used one label, “rest” (n = 24 steps)"
    assert (found.alpha.value, found.alpha.why, found.kappa.why) == (None, why, why)
    assert found.psa.why == "nobody used “incorrect” (n = 24 steps)"
    assert (found.raw.value, found.nsa.value) == (1, 1)
    assert why_they_differ(found) == (
        f"Alpha and kappa are undefined: {why}. Raw agreement (100.0 %) and AC1 (1.000) then say no more than that."
    )


def test_why_they_differ_has_the_very_numbers() -> None:
    words = ["c" * 944 + "c" * 16 + "i" * 16 + "i" * 24, "c" * 944 + "i" * 16 + "c" * 16 + "i" * 24]
    said = why_they_differ(agreement(rated({"a": [words[0]], "b": [words[1]]})).headline)
    assert said.startswith("4.0 % of the labels are “incorrect”: two raters who label at random at this rate would")
    for number in ("agree on 92.3 % of the steps", "is 96.8 %", "alpha (0.584) and kappa (0.583)", "AC1 (0.965)"):
        assert number in said
    assert "takes only 7.7 % for chance" in said
    assert "in 60.0 % (PSA)" in said
    assert "what is “rest”" in said
    assert "different rates" not in said
    apart = agreement(rated({"a": ["ccccii" + "c" * 94], "b": ["iiiiii" + "c" * 60 + "i" * 34]})).headline
    assert "because the two use the label at different rates" in why_they_differ(apart)
    often = agreement(rated({"a": ["i" * 90 + "ccccciiiii"], "b": ["i" * 90 + "iiiiiccccc"]})).headline
    assert "what is “incorrect”" in why_they_differ(often)
    never = agreement(rated({"a": ["ic" + "c" * 98], "b": ["ci" + "c" * 98]})).headline
    assert "alpha (−0.005) and kappa (−0.010)" in why_they_differ(never)
    balanced = agreement(rated({"a": ["ci" * 20], "b": ["ci" * 20]})).headline
    assert why_they_differ(balanced) == (
        "They say the same here: 50.0 % of the labels are “incorrect”, and alpha (1.000), kappa (1.000) and AC1"
        " (1.000) are at most 0.05 apart."
    )
    nobody = agreement(rated({"a": ["ci"], "b": ["ci-"]}, verdicts={}), unlabelled="missing").run_verdicts
    assert why_they_differ(nobody) == "There is nothing to compare: no run has labels of two raters."


def test_few_clusters_have_no_interval_and_those_that_say_nothing_are_not_counted() -> None:
    said = {"a": ["ci"] * 9 + ["ci-"] * 30, "b": ["cc"] * 9 + [".." + "-"] * 30}
    found = agreement(rated(said))
    assert (found.clusters, found.headline.raw.clusters) == (39, 9)
    assert found.headline.raw.why_no_interval == "9 clusters: an interval needs at least 10"
    assert found.by_rater[0].incorrect.clusters == 39
    third = agreement(rated(said | {"c": ["..-"] * 39})).headline
    assert [of.clusters for of in (third.alpha, third.ac1, third.raw, third.psa, third.nsa)] == [9] * 5
    many = agreement(rated({"a": ["ci"] * 3 + ["cc"] * 30, "b": ["ci"] * 3 + ["cc"] * 30})).headline
    assert (many.raw.clusters, many.psa.clusters, many.psa.low) == (33, 3, None)
    assert found.by_rater[0].incorrect.low is not None


def test_nobody_and_nothing() -> None:
    for said in ({}, {"a": []}, {"a": ["ci"]}, {"a": ["??"], "b": ["??"]}):
        found = agreement(rated(said))  # type: ignore[arg-type]
        assert found.headline.units == 0
        assert found.headline.alpha.why == "no step has labels of two raters"
        assert found.onset.median_absolute.value is None
