"""The list of disagreements: what is on it, in which order, and what is said of it."""

import numpy as np
import pytest

from codetracer_core.agreement import disagreements
from codetracer_core.agreement.disagreement import differing_steps, said_codes
from codetracer_core.ratings import CATEGORIES
from tests.agreement.rated import drawn_ratings, rated

Row = tuple[str, int, str]


def listed(said: dict[str, list[str]], **more: object) -> list[Row]:
    return [(of.run_id, of.step_id, of.kind) for of in disagreements(rated(said, **more))]  # type: ignore[arg-type]


def test_most_instructive_first() -> None:
    said = {
        "a": ["cuccc", "cciccccccci", "ciccciu", "iccc", "ccic"],
        "b": ["ccccc", "ccciccccccc", "cicccui", "ccci", "cccc"],
    }
    assert listed(said) == [
        ("run 4", 3, "run"),
        ("run 1", 3, "near onset"),
        ("run 1", 4, "near onset"),
        ("run 3", 1, "near onset"),
        ("run 3", 4, "near onset"),
        ("run 1", 11, "incorrect"),
        ("run 2", 6, "which"),
        ("run 2", 7, "which"),
        ("run 0", 2, "unuseful"),
    ]


def test_only_the_first_incorrect_step_stands_for_a_run_in_which_another_finds_none() -> None:
    assert listed({"a": ["ciccciic"], "b": ["cccccccc"]}) == [
        ("run 0", 2, "run"),
        ("run 0", 6, "incorrect"),
        ("run 0", 7, "incorrect"),
    ]
    # who did not finish the run may still find one
    assert listed({"a": ["ci"], "b": ["cc-"]}) == [("run 0", 2, "onset")]


def test_onsets_far_apart_and_onsets_marked_elsewhere() -> None:
    assert listed({"a": ["iccccccc"], "b": ["ccccccci"]}) == [("run 0", 1, "onset"), ("run 0", 8, "onset")]
    # the verdicts are equal, the marked onsets are not
    assert listed({"a": ["cici"], "b": ["cici"]}, onsets={(0, 0): 4}) == [
        ("run 0", 2, "near onset"),
        ("run 0", 4, "near onset"),
    ]


def test_an_even_split_comes_before_one_against_many() -> None:
    said = {"a": ["iici"], "b": ["iici"], "c": ["icci"], "d": ["cici"]}
    found = disagreements(rated(said, onsets={(0, rater): 4 for rater in range(4)}))
    assert [(of.step_id, of.alone) for of in found] == [(1, 3), (2, 2)]
    assert found[0].why == "incorrect against correct; one against 3"
    assert found[0].said == ("incorrect", "incorrect", "incorrect", "correct")
    even = {"a": ["iici"], "b": ["iici"], "c": ["icci"], "d": ["ccci"]}
    split = disagreements(rated(even, onsets={(0, rater): 4 for rater in range(4)}))
    assert [(of.step_id, of.alone) for of in split] == [(2, None), (1, 3)]


def test_uncertain_and_unlabelled_are_told_and_are_no_disagreement() -> None:
    ratings = rated({"a": ["ci?"], "b": ["c.c"], "c": ["..c-"]})
    [found] = disagreements(ratings)
    assert (found.step_id, found.said, found.alone) == (2, ("incorrect", "correct", "unlabelled"), None)
    assert disagreements(ratings, unlabelled="missing") == []


def test_raters_can_be_chosen() -> None:
    ratings = rated({"a": ["ci"], "b": ["ci"], "model:m": ["cc"]})
    assert disagreements(ratings) == []
    [found] = disagreements(ratings, raters=[2, 0])
    assert (found.step_id, found.said) == (2, ("correct", "incorrect"))
    assert disagreements(ratings, raters=[]) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_step_on_which_verdicts_differ_is_there_once(seed: int) -> None:
    ratings = drawn_ratings(seed, raters=4)
    found = disagreements(ratings)
    places = [(of.run_id, of.step_id) for of in found]
    assert len(places) == len(set(places))
    codes = said_codes(ratings)
    expected = {
        (ratings.run_ids[ratings.run_of[row]], int(ratings.step_ids[row]))
        for row in range(len(codes))
        if len({code for code in codes[row].tolist() if code >= 0}) > 1
    }
    differ = {place for place, of in zip(places, found, strict=True) if len(set(of.said) & set(CATEGORIES)) > 1}
    assert differ == expected
    assert all(of.kind == "near onset" for place, of in zip(places, found, strict=True) if place not in differ)
    assert differing_steps(codes).sum() == len(expected)
    assert not differing_steps(np.zeros((3, 0), dtype=int)).any()
