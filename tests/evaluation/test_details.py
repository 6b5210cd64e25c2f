"""What stands behind a score: near hits, onset, repetitions, stages, rates, positions, the steps, and the warnings."""

from itertools import combinations
from statistics import stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from codetracer_core.evaluation import (
    DEFAULT,
    Prediction,
    System,
    against_baselines,
    compare_systems,
    corrected_prevalence,
    evaluate,
    false_accusations,
    misses,
    onset_scores,
    positions,
    repeats,
    stage_scores,
    step_rates,
    tolerant,
    warnings,
)
from codetracer_core.evaluation.counting import ANSWERED
from codetracer_core.evaluation.tolerance import distances
from codetracer_core.models import Stage
from tests.evaluation.made import drawn, system, truth

NEAR = pytest.approx


# --- near hits


def test_an_incorrect_step_is_matched_once_and_by_the_nearest() -> None:
    assert distances([5], [4, 6], 2) == [1]
    assert distances([4, 5], [5], 2) == [0]
    assert distances([1, 10], [3, 9], 1) == [1]
    assert distances([1, 10], [3, 9], 2) == [1, 2]
    assert distances([], [1], 3) == distances([1], [], 3) == []


steps = st.frozensets(st.integers(1, 15), max_size=5)


@given(steps, steps)
@settings(max_examples=200, deadline=None)
def test_more_tolerance_never_finds_less(gold: frozenset[int], accused: frozenset[int]) -> None:
    assert distances(gold, accused, 0) == [0] * len(gold & accused)
    for within in range(4):
        assert [one for one in distances(gold, accused, within + 1) if one <= within] == distances(
            gold, accused, within
        )
    assert len(distances(gold, accused, 15)) == min(len(gold), len(accused))


def test_no_tolerance_is_the_score_itself_and_the_chance_of_a_random_step_is_exact() -> None:
    rows, systems = drawn(4)
    found = evaluate(rows, systems)
    exact = tolerant(found, "system-0", [0])[0]
    assert {name: score.f1 for name, score in exact.items()} == {
        name: score.f1 for name, score in found.entry("system-0").scores.items()
    }
    one = evaluate([truth("a", 10, [1, 4])], [])
    draws = [distances([1, 4], [step], 1) for step in range(1, 11)]
    assert tolerant(one, "random_step", [1])[1]["positive_only"].f1.value == NEAR(
        np.mean([2 * len(draw) / 3 for draw in draws])
    )
    assert tolerant(found, "random_steps_of:system-0") == {}


# --- onset


def test_onset_is_found_near_and_ranked() -> None:
    rows = [
        truth("a", 20, [5, 9]),
        truth("b", 10, [3]),
        truth("c", 10, [4], onset=2),
        truth("d", 10),
        truth("e", 8, [8]),
    ]
    answers = {
        "a": Prediction("a", incorrect=(9, 5), onsets=(9, 5, 99)),
        "b": Prediction("b", incorrect=(4, 8)),
        "c": Prediction("c", onsets=(2,)),
        "d": Prediction("d", incorrect=(1,)),
        "e": Prediction("e", status="failed", onsets=(8,)),
    }
    scores = onset_scores(evaluate(rows, [System("s", (answers,))]), "s")
    assert (scores.both, scores.missed, scores.invented, scores.neither, scores.failed) == (3, 1, 1, 0, 1)
    assert scores.ranked == 2 + 1
    exact, near, far = scores.near[0], scores.near[1], scores.near[5]
    assert (exact.of_all.value, exact.of_both.value) == (NEAR(1 / 4), NEAR(1 / 3))
    assert (exact.mrr.value, exact.top_3.value) == (NEAR((1 / 2 + 0 + 1 + 0) / 4), NEAR(2 / 4))
    assert (near.of_all.value, near.mrr.value) == (NEAR(2 / 4), NEAR((1 / 2 + 1 + 1) / 4))
    assert far.of_both.value == 1.0
    assert exact.by_chance.value == NEAR((1 / 20 + 1 / 10 + 1 / 10 + 1 / 8) / 4)
    assert near.by_chance.value == NEAR((3 / 20 + 3 / 10 + 3 / 10 + 2 / 8) / 4)
    assert (scores.median_distance, scores.median_signed) == (1, 1)
    assert scores.median_relative == NEAR(1 / 10)


def test_no_onset_is_no_number() -> None:
    found = evaluate([truth("a", 5)], [system("s", {"a": []})])
    scores = onset_scores(found, "s")
    assert (scores.neither, scores.median_distance) == (1, None)
    assert scores.near[0].of_all.why == "no run has an onset"
    with pytest.raises(ValueError, match="no steps of its own"):
        onset_scores(found, "random_step")


# --- repetitions


def test_repetitions_against_each_other() -> None:
    rows = [truth("a", 6, [1]), truth("b", 4, [2]), truth("c", 5), truth("d", 5, [5])]
    said: list[dict[str, list[int] | None]] = [
        {"a": [1, 2], "b": [2], "c": [], "d": [1]},
        {"a": [1], "b": [2, 3], "c": [], "d": None},
        {"a": [1, 4], "b": [2], "c": [], "d": [1]},
    ]
    found = evaluate(rows, [system("s", *said)])
    own = repeats(found, "s")
    assert own is not None
    pairs = [
        (rows[at].step_count, set(one[name] or ()), set(other[name] or ()))
        for at, name in enumerate("abcd")
        for one, other in combinations(said, 2)
        if one[name] is not None and other[name] is not None
    ]
    assert (own.repetitions, own.runs, own.pairs, own.silent_pairs) == (3, 4, len(pairs), 3)
    jaccard = [len(one & other) / len(one | other) for _, one, other in pairs if one | other]
    assert own.jaccard.value == NEAR(np.mean(jaccard))
    first = np.concatenate([np.isin(range(1, length + 1), list(one)) for length, one, _ in pairs])
    second = np.concatenate([np.isin(range(1, length + 1), list(other)) for length, _, other in pairs])
    assert own.kappa.value == NEAR(cohen_kappa_score(first, second))
    assert own.in_all.value == NEAR((1 + 1 + 1) / (3 + 2 + 1))
    values = own.spread["all_row_f1"].values
    assert values[0] == NEAR((2 / 3 + 1 + 0 + 0) / 4)
    assert own.spread["all_row_f1"].sd == NEAR(stdev(value for value in values if value is not None))


def test_one_answer_has_nothing_to_agree_with() -> None:
    rows = [truth("a", 5, [1])]
    found = evaluate(rows, [system("once", {"a": [1]}), system("twice", {"a": [1]}, {"a": None})])
    assert repeats(found, "once") is None
    own = repeats(found, "twice")
    assert own is not None
    assert (own.runs, own.jaccard.value) == (0, None)
    assert own.jaccard.why == "no run was answered twice with a step accused"


# --- rates, positions, stages


def test_rates_are_those_of_the_confusion_matrix_of_answered_runs() -> None:
    rows, systems = drawn(9)
    found = evaluate(rows, systems)
    seen, rates = found.entry("system-0").seen, step_rates(found, "system-0")
    gold, said = [], []
    for at in np.flatnonzero(seen.status == ANSWERED):
        row = found.rows.truth[int(seen.run[at])]
        listed = range(1, row.step_count + 1)
        gold.append(np.isin(listed, list(row.incorrect)))
        said.append(np.isin(listed, list((seen.accused or ())[at])))
    (tn, fp), (fn, tp) = confusion_matrix(np.concatenate(gold), np.concatenate(said))
    assert rates.tpr.value == NEAR(tp / (tp + fn))
    assert rates.tnr.value == NEAR(tn / (tn + fp))
    assert rates.accused.value == NEAR((tp + fp) / rates.steps)
    assert rates.corrected.value == NEAR(rates.prevalence.value)


def test_tasks_that_say_nothing_on_a_number_do_not_make_its_interval() -> None:
    """Nine tasks have an incorrect step, fifteen answers name one, all thirty runs have steps."""
    rows = [truth(f"r{at}", 6, [2] if at < 9 else []) for at in range(30)]
    answers = system("s", {row.traj_id: [3] if at < 15 else [] for at, row in enumerate(rows)})
    found = evaluate(rows, [answers])
    score, rates = found.entry("s").scores["micro_all"], step_rates(found, "s")
    assert score.precision is not None
    assert score.recall is not None
    told = (score.f1, score.precision, score.recall, rates.tpr, rates.tnr, rates.corrected)
    assert [one.clusters for one in told] == [15, 15, 9, 9, 30, 9]
    assert [one.low is not None for one in told] == [True, True, False, False, True, False]
    assert score.clusters == 30
    beside = compare_systems(found, "s", "all_steps").differences["micro_all"]
    assert beside.recall is not None
    assert (beside.f1.clusters, beside.recall.clusters, beside.recall.low) == (30, 9, None)


def test_a_prevalence_is_corrected_where_the_answers_say_something() -> None:
    # 1,000 steps, 100 of them incorrect, TPR 0.8, TNR 0.9: 80 + 90 are accused
    assert corrected_prevalence(0.17, 0.8, 0.9) == NEAR(0.1)
    assert corrected_prevalence(0.05, 0.8, 0.9) == 0.0
    assert corrected_prevalence(0.99, 0.8, 0.9) == 1.0
    assert corrected_prevalence(0.17, 0.3, 0.7) is None


def test_steps_stand_where_they_lie_in_the_run() -> None:
    rows = [truth("a", 10, [1, 10]), truth("b", 3, [2])]
    found = evaluate(rows, [system("s", {"a": [1, 2], "b": [3]})])
    parts = positions(found, "s")
    assert [part.steps for part in parts] == [1, 1, 1, 2, 1, 1, 2, 1, 1, 2]
    assert [part.found for part in parts] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert [part.missed for part in parts] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert [part.accused for part in parts] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_stages_are_blamed_by_their_steps_and_by_their_names() -> None:
    stages = (Stage(stage_id=1, start_step_id=1, end_step_id=3), Stage(stage_id=2, start_step_id=4, end_step_id=9))
    rows = [truth("a", 9, [4, 5], stages=stages), truth("b", 9, [1])]
    said = Prediction("a", incorrect=(1, 9), stage_ids=(2, 2, 7))
    scores = stage_scores(evaluate(rows, [System("s", ({"a": said, "b": Prediction("b")},))]), "s")
    assert scores.runs == 1
    by_steps, by_name = scores.by_steps["positive_only"], (scores.by_name or {})["positive_only"]
    assert by_steps.precision is not None
    assert (by_steps.precision.value, by_steps.f1.value) == (1 / 2, NEAR(2 / 3))
    assert by_name.f1.value == 1.0
    unnamed = stage_scores(evaluate(rows, [system("s", {"a": [4]})]), "s")
    assert (unnamed.by_name, unnamed.by_steps["positive_only"].f1.value) == (None, 1.0)


# --- the steps


def test_misses_and_false_accusations_are_listed_with_what_is_nearest() -> None:
    rows = [truth("a", 9, [3, 7], unuseful=frozenset({5}), run_id="id-a"), truth("b", 9, [2])]
    systems = System(
        "s",
        (
            {"a": Prediction("a", incorrect=(3, 5), unuseful=(7,)), "b": Prediction("b", status="failed")},
            {"a": Prediction("a", incorrect=(8,)), "b": Prediction("b", status="failed")},
        ),
    )
    found = evaluate(rows, [systems])
    excerpts = {("a", 7): "what step 7 shows"}
    missed = [
        (one.traj_id, one.step_id, one.repetitions, one.of, one.nearest, one.unuseful, one.excerpt)
        for one in misses(found, "s", excerpts)
    ]
    assert missed == [
        ("a", 7, 2, 2, 8, True, "what step 7 shows"),
        ("a", 3, 1, 2, 3, False, ""),
        ("b", 2, 0, 0, None, False, ""),
    ]
    accused = [
        (one.run_id, one.step_id, one.repetitions, one.nearest, one.distance, one.unuseful)
        for one in false_accusations(found, "s")
    ]
    assert accused == [("id-a", 5, 1, 3, 2, True), ("id-a", 8, 1, 7, 1, False)]
    with pytest.raises(ValueError, match="no steps of its own"):
        misses(found, "random_step")


# --- warnings


def test_it_is_said_where_the_numbers_mislead() -> None:
    rows = [truth(f"r{at}", 10, [9], wave="merged_cleaned_step25", task="t") for at in range(4)]
    rows += [truth("clean", 5), truth("odd", 3, [1, 9]), truth("bad", 3, misaligned="3 steps, not 4")]
    said = {"r0": [9, 99], "r1": [1], "odd": None}
    found = evaluate(rows, [system("s", said)])
    texts = {"r0": [*"abcdefghii"], "r1": [*"abcdefghij"], "r2": ["too few"]}
    told = {caveat.code: caveat.text for caveat in warnings(found, "all_row_f1", texts=texts)}
    assert told["constant_rule"].startswith("s (0.167) does not beat the last step but one (0.667)")
    assert told["baseline"].startswith("No system beats every baseline")
    assert told["last_but_one"].startswith("In 4 of 4 runs with errors of the wave merged_cleaned_step25")
    assert told["misaligned"] == "Misaligned and left out of everything: bad."
    assert told["clean_rows"].startswith("1 of 6 runs have no incorrect step: nobody can get more than 0.833")
    assert told["clusters"] == "There are no intervals: the runs that count belong to 3 tasks."
    assert told["no_answer"] == "s: 1 of 6 answers failed, 3 are missing."
    assert told["same_text"].startswith("1 of 2 incorrect steps look like the step before or after them")
    texts_of_oddities = [one.text for one in warnings(found) if one.code == "oddities"]
    assert any("1 step numbers that the run does not have" in text for text in texts_of_oddities)
    assert any("1 labels of the ground truth" in text for text in texts_of_oddities)


def test_a_lead_that_may_be_luck_is_said_to_be_one() -> None:
    rows = [truth(f"r{at}", 10, [9] if at < 20 else [4], task=f"t{at}") for at in range(40)]
    said = {row.traj_id: [4 if at == 0 else 9] if at < 20 else [1 if at > 21 else 4] for at, row in enumerate(rows)}
    found = evaluate(rows, [system("s", said)])  # 21 of 40 right, the last but one of each run 20 of 40
    (against,) = [one for one in against_baselines(found, "s", DEFAULT) if one.baseline.name == "last_but_one"]
    assert against.difference.value == pytest.approx(1 / 40)
    assert against.difference.low is not None
    assert against.difference.low < 0
    (told,) = [one.text for one in warnings(found) if one.code == "hardly"]
    assert told.startswith("s (0.525) is ahead of the last step but one (by +0.025, −0.")
    assert told.endswith("but not clearly.")


def test_where_nothing_misleads_nothing_is_said() -> None:
    rows = [truth(f"r{at}", 10, [4], task=f"t{at}") for at in range(40)]
    found = evaluate(rows, [system("s", {row.traj_id: [4] for row in rows})])
    assert warnings(found) == ()
