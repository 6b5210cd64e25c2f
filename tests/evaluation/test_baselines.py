"""Rules and random steps: their expectation against all draws there are."""

from itertools import combinations

import numpy as np
import pytest

from codetracer_core.evaluation import CONVENTIONS, evaluate
from tests.evaluation.made import drawn, system, truth

NEAR = pytest.approx


def test_rules_name_the_steps_that_they_say() -> None:
    found = evaluate([truth("a", 7), truth("b", 1), truth("c", 0), truth("d", 2)], [])
    assert {entry.name: [sorted(steps) for steps in entry.seen.accused or ()] for entry in found.baselines} == {
        "last_step": [[7], [1], [], [2]],
        "last_but_one": [[6], [], [], [1]],
        "second_half": [[4, 5, 6, 7], [1], [], [2]],
        "all_steps": [[1, 2, 3, 4, 5, 6, 7], [1], [], [1, 2]],
        "step_2": [[2], [], [], [2]],
        "random_step": [],
    }


@pytest.mark.parametrize("convention", [name for name in CONVENTIONS if name != "paper_like"])
def test_random_steps_have_the_mean_of_all_draws(convention: str) -> None:
    """Every way of drawing one step, or as many as the system names, from each of two runs, and the mean over them."""
    rows = [truth("a", 5, [2, 3], solved=False), truth("b", 4, solved=True)]
    said = {"a": [1, 3], "b": [2]}
    found = evaluate(rows, [system("s", said)])

    def mean(sizes: dict[str, int]) -> float:
        draws = [
            {"a": list(first), "b": list(second)}
            for first in combinations(range(1, 6), sizes["a"])
            for second in combinations(range(1, 5), sizes["b"])
        ]
        values = [evaluate(rows, [system("d", draw)]).entry("d").scores[convention].f1.value for draw in draws]
        return float(np.mean([value for value in values if value is not None]))

    one, as_many = (found.entry(name).scores[convention].f1.value for name in ("random_step", "random_steps_of:s"))
    assert one == NEAR(mean({"a": 1, "b": 1}))
    assert as_many == NEAR(mean({"a": 2, "b": 1}))


def test_paper_like_random_steps_have_at_least_the_mean_of_all_draws_and_say_that_they_are_no_mean() -> None:
    rows = [truth("a", 4, [2, 3]), truth("c", 5, [5])]
    draws = [{"a": [one], "c": [other]} for one in range(1, 5) for other in range(1, 6)]
    values = [evaluate(rows, [system("d", draw)]).entry("d").scores["paper_like"].f1.value for draw in draws]
    found = evaluate(rows, []).entry("random_step").scores["paper_like"].f1.value
    precision, recall = (1 / 2 + 1 / 5) / 2, (1 / 4 + 1 / 5) / 2  # expected, mean over both runs
    assert found == NEAR(2 * precision * recall / (precision + recall))
    assert found > np.mean([value for value in values if value is not None])
    assert "drawn at random" in CONVENTIONS["paper_like"].definition


def test_random_steps_have_the_mean_precision_and_recall_of_all_draws() -> None:
    found = evaluate([truth("a", 5, [2, 3])], [system("s", {"a": [1, 3, 4]})])
    score = found.entry("random_steps_of:s").scores["positive_only"]
    draws = list(combinations(range(1, 6), 3))
    hits = [len({2, 3} & set(draw)) for draw in draws]
    assert score.precision is not None
    assert score.recall is not None
    assert score.precision.value == NEAR(np.mean(hits) / 3)
    assert score.recall.value == NEAR(np.mean(hits) / 2)


def test_a_system_that_says_nothing_has_a_random_twin_that_says_nothing() -> None:
    found = evaluate([truth("a", 5), truth("b", 5)], [system("s", {"a": [], "b": None})])
    twin = found.entry("random_steps_of:s").scores["all_row_f1_empty_one"]
    assert twin.f1.value == found.entry("s").scores["all_row_f1_empty_one"].f1.value == 0.5


def test_baselines_stand_on_the_same_rows_as_the_systems() -> None:
    rows, systems = drawn(1)
    found = evaluate(rows, systems)
    for convention in CONVENTIONS:
        counted = {(entry.scores[convention].runs, entry.scores[convention].clusters) for entry in found.entries}
        assert len(counted) == 1
    assert [entry.name for entry in found.systems] == ["system-0", "system-1"]
    assert {entry.of for entry in found.baselines} == {"", "system-0", "system-1"}


def test_rules_that_were_run_like_a_system_are_a_baseline() -> None:
    found = evaluate([truth("a", 5, [2])], [system("heuristic", {"a": [2]}, is_baseline=True), system("s", {"a": [1]})])
    assert [entry.name for entry in found.systems] == ["s"]
    assert [entry.name for entry in found.given] == ["s", "heuristic"]
    assert found.ranked("positive_only")[0].name == "heuristic"
