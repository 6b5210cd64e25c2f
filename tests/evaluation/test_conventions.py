"""Every convention against scikit-learn, the edge cases of their definitions, and properties that each must have."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.evaluation import CONVENTIONS, Evaluation, Missing, Prediction, System, Truth, evaluate
from tests.evaluation.made import drawn, expected, system, truth

NEAR = pytest.approx


def f1(found: Evaluation, name: str, convention: str) -> float | None:
    return found.entry(name).scores[convention].f1.value


@pytest.mark.parametrize("missing", ["miss", "excluded"])
@pytest.mark.parametrize("seed", range(4))
def test_every_convention_agrees_with_scikit_learn(seed: int, missing: Missing) -> None:
    rows, systems = drawn(seed)
    found = evaluate(rows, systems, missing=missing)
    for one in systems:
        wanted = expected(rows, one, missing)
        assert wanted.keys() == CONVENTIONS.keys()
        for name, numbers in wanted.items():
            score = found.entry(one.name).scores[name]
            for part, number in numbers.items():
                estimate = getattr(score, part)
                assert estimate is not None
                assert estimate.value == NEAR(number, abs=1e-12), (name, part)
                assert estimate.low <= estimate.high


def test_a_small_example_by_hand() -> None:
    rows = [
        truth("a", 10, [3, 4], solved=False),
        truth("b", 5, [5], solved=True),
        truth("c", 8, solved=True),
        truth("d", 8, solved=False),
    ]
    found = evaluate(rows, [system("s", {"a": [4, 9], "b": [], "c": [1, 2], "d": []})])
    scores = found.entry("s").scores
    # a: P 1/2, R 1/2, F1 1/2; b: nothing said, all 0; c: accused for nothing; d: rightly silent
    assert scores["positive_only"].f1.value == NEAR((1 / 2 + 0) / 2)
    assert scores["all_row_f1"].f1.value == NEAR((1 / 2 + 0 + 0 + 0) / 4)
    assert scores["all_row_f1_empty_one"].f1.value == NEAR((1 / 2 + 0 + 0 + 1) / 4)
    assert scores["paper_like"].f1.value == NEAR(1 / 4)
    assert scores["micro_all"].f1.value == NEAR(2 * 1 / (4 + 3))
    assert scores["micro_positive"].f1.value == NEAR(2 * 1 / (2 + 3))
    assert scores["scored"].f1.value == NEAR(2 * 1 / (4 + 3))
    assert (scores["scored"].matched, scores["scored"].predicted, scores["scored"].expected) == (1, 4, 3)
    assert scores["class_macro"].f1.value == NEAR((2 / 7 + 2 * 25 / (2 * 25 + 5)) / 2)
    assert [(one.why, one.runs) for one in scores["scored"].left_out] == [
        ("no incorrect step, and not known to be solved", 1)
    ]
    assert [(one.why, one.runs) for one in scores["positive_only"].left_out] == [("no incorrect step", 2)]


def test_what_is_odd_in_an_answer_is_put_right_and_counted() -> None:
    said = Prediction("a", incorrect=(3, 3, 0, 11, -1, 4), unuseful=(4, 4, 99))
    found = evaluate(
        [truth("a", 10, [3, 4, 12], unuseful=frozenset({4}))],
        [System("s", ({"a": said, "elsewhere": said},))],
    )
    entry = found.entry("s")
    assert (entry.seen.matched.item(), entry.seen.predicted.item(), entry.seen.expected.item()) == (2, 2, 2)
    odd = entry.seen.oddities
    assert (odd.repeated, odd.outside, odd.in_both, odd.unknown_runs) == (2, 4, 1, 1)
    assert found.rows.dropped_labels == 1


def test_a_failed_answer_is_not_an_empty_one() -> None:
    rows = [truth("a", 5), truth("b", 5, [1])]
    silent = evaluate(rows, [system("s", {"a": [], "b": [1]})])
    failed = evaluate(rows, [system("s", {"a": None, "b": [1]})])
    assert (f1(silent, "s", "all_row_f1_empty_one"), f1(failed, "s", "all_row_f1_empty_one")) == (1.0, 0.5)
    assert f1(silent, "s", "all_row_f1") == f1(failed, "s", "all_row_f1") == 0.5
    score = failed.entry("s").scores["all_row_f1"]
    assert (score.observations, score.failed, score.missing) == (2, 1, 0)
    (everything, *_) = failed.entry("s").clean
    assert (everything.runs, everything.answered, everything.failed) == (1, 0, 1)
    assert everything.share_accused.value is None
    assert everything.share_accused.why == "no run without incorrect steps was answered"


def test_a_missing_answer_is_a_miss_or_left_out_and_both_numbers_of_runs_are_told() -> None:
    rows = [truth("a", 5, [2]), truth("b", 5, [1])]
    said = system("s", {"b": [1]})
    miss, excluded = (evaluate(rows, [said], missing=missing) for missing in ("miss", "excluded"))
    for found, value, observations, missing, left_out in ((miss, 0.5, 2, 1, 0), (excluded, 1.0, 1, 0, 1)):
        score = found.entry("s").scores["positive_only"]
        assert (score.f1.value, score.observations, score.missing) == (value, observations, missing)
        assert [one.runs for one in score.left_out if one.why == "no answer"] == [left_out] * bool(left_out)


def test_repetitions_that_happen_to_be_there_leave_none_missing() -> None:
    rows = [truth("a", 5, [2]), truth("b", 5, [1]), truth("c", 5, [1])]
    ragged = replace(system("s", {"a": [2], "b": [1]}, {"a": [2]}), is_ragged=True)
    score = evaluate(rows, [ragged]).entry("s").scores["positive_only"]
    # a twice, b once; c was never asked about and is missed in both
    assert (score.observations, score.missing) == (5, 2)
    strict = evaluate(rows, [replace(ragged, is_ragged=False)]).entry("s").scores["positive_only"]
    assert (strict.observations, strict.missing) == (6, 3)


def test_misaligned_runs_are_in_no_number() -> None:
    rows, systems = drawn(3, runs=20)
    wrong = [replace(row, traj_id=f"{row.traj_id}-wrong", misaligned="6 steps, not 7") for row in rows]
    ours, theirs = evaluate(rows, systems), evaluate([*rows, *wrong], systems)
    for name in CONVENTIONS:
        assert f1(ours, "system-0", name) == f1(theirs, "system-0", name)
    assert len(theirs.rows.misaligned) == 20
    assert theirs.entry("system-0").scores["all_row_f1"].left_out[0].runs == 20


def test_one_name_stands_for_one_thing() -> None:
    rows = [truth("a", 5, [2])]
    for systems in ([system("s", {}), system("s", {})], [system("last_step", {})]):
        with pytest.raises(ValueError, match="same name"):
            evaluate(rows, systems)
    with pytest.raises(ValueError, match="same traj_id"):
        evaluate([*rows, *rows], [])


@pytest.mark.parametrize(
    "rows", [[], [truth("a", 0)], [truth("a", 3)], [truth("a", 3, [1], misaligned="by far")]], ids=str
)
def test_nothing_to_judge_by_is_undefined_and_says_why(rows: list[Truth]) -> None:
    found = evaluate(rows, [system("s", {"a": []})])
    for name, why in (
        ("positive_only", "no run has an incorrect step"),
        ("paper_like", "no run has an incorrect step"),
        ("micro_positive", "no step is incorrect, and none was said to be"),
    ):
        for entry in found.entries:
            score = entry.scores[name].f1
            assert (score.value, score.why) == (None, why)


# --- properties ---------------------------------------------------------------------------------------------

runs = st.integers(1, 12).flatmap(
    lambda length: st.tuples(
        st.just(length),
        st.frozensets(st.integers(1, length), max_size=4),
        st.lists(st.integers(-1, length + 2), max_size=6),
        st.sampled_from([True, False, None]),
    )
)
cases = st.lists(runs, min_size=1, max_size=14)


def judged(
    case: list[tuple[int, frozenset[int], list[int], bool | None]], order: list[int] | None = None
) -> Evaluation:
    rows = [truth(f"r{at}", one[0], sorted(one[1]), solved=one[3], task=f"t{at % 11}") for at, one in enumerate(case)]
    said = system("s", {f"r{at}": one[2] for at, one in enumerate(case)})
    return evaluate([rows[at] for at in order] if order else rows, [said])


@given(cases)
@settings(max_examples=30, deadline=None)
def test_a_perfect_answer_has_one_wherever_there_is_a_value(case: list) -> None:
    rows = [truth(f"r{at}", one[0], sorted(one[1]), solved=one[3]) for at, one in enumerate(case)]
    perfect = system("s", {f"r{at}": sorted(one[1]) for at, one in enumerate(case)})
    found = evaluate(rows, [perfect])
    for name, score in found.entry("s").scores.items():
        if name == "all_row_f1":  # its ceiling is the share of runs with errors
            assert score.f1.value == NEAR(float(np.mean([bool(one[1]) for one in case])))
        elif score.f1.value is not None:
            assert score.f1.value == NEAR(1.0)


@given(cases, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_runs_does_not_matter(case: list, random: object) -> None:
    order = list(range(len(case)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = judged(case), judged(case, order)
    for entry in first.entries:
        for name, score in entry.scores.items():
            other = second.entry(entry.name).scores[name].f1.value
            assert score.f1.value == (None if other is None else NEAR(other))


@given(cases)
@settings(max_examples=30, deadline=None)
def test_naming_a_step_twice_or_one_that_is_not_there_changes_nothing(case: list) -> None:
    noisy = [(length, gold, [*said, *said, 0, length + 7], solved) for length, gold, said, solved in case]
    for name, score in judged(case).entry("s").scores.items():
        assert judged(noisy).entry("s").scores[name].f1 == score.f1


@given(cases)
@settings(max_examples=30, deadline=None)
def test_values_are_shares_or_undefined_and_never_nan(case: list) -> None:
    for entry in judged(case).entries:
        for score in entry.scores.values():
            for number in (score.f1, score.precision, score.recall):
                if number is not None and number.value is not None:
                    assert 0 <= number.value <= 1 + 1e-12
                    assert (number.low is None) == bool(number.why_no_interval)
                elif number is not None:
                    assert number.why
