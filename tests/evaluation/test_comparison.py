"""Two systems on the same rows, systems beside baselines, and parts of the rows."""

import numpy as np
import pytest

from codetracer_core.evaluation import (
    CONVENTIONS,
    DIMENSIONS,
    against_baselines,
    compare_systems,
    dimension_words,
    evaluate,
    slices,
)
from codetracer_core.evaluation.slices import band_of
from tests.evaluation.made import drawn, system, truth

NEAR = pytest.approx


def test_a_difference_is_that_of_the_two_numbers_and_turns_its_sign_around() -> None:
    rows, systems = drawn(7)
    found = evaluate(rows, systems)
    there, back = (compare_systems(found, *pair) for pair in (("system-0", "system-1"), ("system-1", "system-0")))
    for name in CONVENTIONS:
        ours, theirs = (found.entry(f"system-{number}").scores[name].f1.value for number in (0, 1))
        assert ours is not None
        assert theirs is not None
        forth, turned = there.differences[name].f1, back.differences[name].f1
        assert forth.value == NEAR(ours - theirs)
        assert turned.value == NEAR(-forth.value)
        assert turned.low is not None
        assert forth.high is not None
        assert turned.low == NEAR(-forth.high)


def test_a_paired_interval_is_that_of_a_bootstrap_written_out() -> None:
    rows, systems = drawn(11)
    found = evaluate(rows, systems)
    ours, theirs = (found.entry(f"system-{number}").seen for number in (0, 1))
    tasks = [found.rows.truth[int(at)].task for at in ours.run]
    names = sorted(set(tasks), key=[run.task for run in found.rows.truth].index)
    rng = np.random.default_rng(found.seed)
    differences = []
    for _ in range(2_000):
        counts = np.bincount(rng.integers(0, len(names), size=len(names)), minlength=len(names))
        weights = np.array([counts[names.index(task)] for task in tasks])
        differences.append(np.average(ours.f1, weights=weights) - np.average(theirs.f1, weights=weights))
    interval = compare_systems(found, "system-0", "system-1").differences["all_row_f1"].f1
    assert (interval.low, interval.high) == NEAR(tuple(np.quantile(differences, [0.025, 0.975])), abs=1e-9)


def test_a_system_does_not_differ_from_itself() -> None:
    rows, (first, _) = drawn(5)
    twin = type(first)("twin", first.repetitions)
    found = evaluate(rows, [first, twin])
    compared = compare_systems(found, first.name, "twin")
    assert {(one.f1.value, one.f1.low, one.f1.high) for one in compared.differences.values()} == {(0.0, 0.0, 0.0)}
    assert compared.by_run == ()


def test_only_rows_that_both_were_asked_about_count() -> None:
    rows = [truth("a", 5, [1]), truth("b", 5, [2]), truth("c", 5, [3])]
    systems = [system("s", {"a": [1], "b": [1]}), system("t", {"b": [2], "c": [3]})]
    compared = compare_systems(evaluate(rows, systems, missing="excluded"), "s", "t")
    assert (compared.runs, compared.left_out) == (1, 2)
    assert compared.differences["positive_only"].f1.value == -1.0
    assert [(one.traj_id, one.difference) for one in compared.by_run] == [("b", -1.0)]
    assert compare_systems(evaluate(rows, systems), "s", "t").runs == 3


def test_runs_that_differ_most_come_first() -> None:
    rows = [truth("a", 5, [1]), truth("b", 5, [2, 3]), truth("c", 5)]
    systems = [system("s", {"a": [1], "b": [2], "c": [1, 2]}), system("t", {"a": [2], "b": [2, 3], "c": []})]
    by_run = compare_systems(evaluate(rows, systems), "s", "t").by_run
    assert [(one.traj_id, one.difference, one.ours_predicted) for one in by_run] == [
        ("a", 1.0, 1.0),
        ("b", NEAR(2 / 3 - 1), 1.0),
        ("c", 0.0, 2.0),
    ]


def test_it_is_told_which_baselines_are_beaten() -> None:
    rows = [truth(f"r{at}", 10, [9], task=f"t{at}") for at in range(12)]
    found = evaluate(rows, [system("late", {row.traj_id: [9] for row in rows}), system("early", {"r0": [1]})])
    beaten = {
        one.baseline.name: (one.is_beaten, one.is_beaten_clearly)
        for one in against_baselines(found, "late", "positive_only")
    }
    assert beaten.pop("last_but_one") == (False, False)
    assert set(beaten.values()) == {(True, True)}
    assert "random_steps_of:late" in beaten
    assert "random_steps_of:early" not in beaten
    assert {one.is_beaten for one in against_baselines(found, "early", "positive_only")} == {False}


def test_parts_of_the_rows_add_up_to_all_of_them() -> None:
    rows, systems = drawn(2)
    found = evaluate(rows, systems)
    for by in (["solved"], ["length"], ["solved", "length"], ["task"]):
        parts = slices(found, by, convention="all_row_f1")
        assert sum(part.runs for part in parts) == len(rows)
        whole = found.entry("system-0").scores["all_row_f1"]
        scores = [part.scores["system-0"] for part in parts]
        assert sum((one.f1.value or 0) * one.observations for one in scores) == NEAR(
            (whole.f1.value or 0) * whole.observations
        )
        assert sum(one.failed for one in scores) == whole.failed


def test_slices_come_in_their_own_order_and_unknown_last() -> None:
    rows = [
        truth("a", 12, [1], difficulty="hard", wave="second"),
        truth("b", 10, difficulty="easy"),
        truth("c", 200, difficulty=None),
        truth("d", 100, difficulty="medium"),
    ]
    found = evaluate(rows, [])

    def values(by: str) -> list[str]:
        return [part.values[0] for part in slices(found, [by])]

    assert values("difficulty") == ["easy", "medium", "hard", "not known"]
    assert values("length") == ["up to 10", "11–20", "51–100", "101 and more"]
    assert values("wave") == ["second", "not known"]
    assert values("agent") == ["not known"]
    assert (dimension_words("solved", "failed"), dimension_words("task", "failed")) == ("not solved", "failed")
    assert dimension_words("solved", "not known") == "not known"
    assert set(DIMENSIONS) >= {"agent", "model", "category", "difficulty", "length", "solved", "wave"}
    assert [band_of(count) for count in (0, 10, 11, 100, 101)] == [
        *("up to 10", "up to 10", "11–20", "51–100", "101 and more"),
    ]


def test_a_part_without_errors_is_undefined() -> None:
    found = evaluate([truth("a", 5, [1], agent="x"), truth("b", 5, agent="y")], [system("s", {"a": [1]})])
    one, other = (part.scores["s"].f1 for part in slices(found, ["agent"]))
    assert one.value == 1.0
    assert (other.value, other.why) == (
        None,
        "no run has an incorrect step",
    )
