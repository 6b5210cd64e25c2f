"""Cells and scales of the tables of numbers, the addresses of steps, and the lists of steps that are kept."""

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from codetracer_core.intervals import Array, Estimate, estimate, ratio
from codetracer_core.step_list_files import StepList
from codetracer_core.ui.links import step_address
from codetracer_core.ui.step_lists import MOST_STEPS, KeptLists
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell, number, sent_column, sent_rows


def share(sums: Array) -> Array:
    return ratio(sums[..., 0], sums[..., 1])


def test_an_estimate_is_written_with_its_interval() -> None:
    cell = estimate_cell(Estimate(0.4249, low=0.311, high=0.554, clusters=120))
    assert cell == Cell("0.42 [0.31, 0.55]", value=0.4249, low=0.311, high=0.554)


def test_percent_and_digits() -> None:
    found = Estimate(0.4249, low=-0.311, high=0.554, clusters=120)
    assert estimate_cell(found, percent=True).text == "42.5 % [−31.1, 55.4]"
    assert estimate_cell(found, digits=4).text == "0.4249 [−0.3110, 0.5540]"


def test_undefined_is_a_word_with_its_sentence_and_has_no_point() -> None:
    undefined = estimate(share, np.zeros((12, 2)), why="nobody was asked (n = 0)")
    cell = estimate_cell(undefined)
    assert (cell.text, cell.note, cell.value) == ("undefined", "Undefined: nobody was asked (n = 0)", None)


def test_why_there_is_no_interval_and_why_one_is_rough_are_told() -> None:
    few = estimate_cell(estimate(share, np.tile([1.0, 2.0], (9, 1)), why=""))
    assert (few.text, few.low) == ("0.50", None)
    assert few.note == "No interval: 9 clusters: an interval needs at least 10."
    rough = estimate_cell(estimate(share, np.tile([1.0, 2.0], (10, 1)), why=""))
    assert rough.text == "0.50 [0.50, 0.50] ≈"
    assert rough.is_rough
    assert rough.note == "A rough interval: of 10 clusters only, it may be too narrow."


def test_replicates_without_a_value_are_told() -> None:
    cell = estimate_cell(Estimate(0.5, low=0.1, high=0.9, clusters=40, undefined_replicates=1200))
    assert cell.note == "Undefined in 1,200 replicates, which are left out of the interval."


@pytest.mark.parametrize(
    ("value", "text"), [(-0.004, "0.00"), (0.0, "0.00"), (-0.006, "−0.01"), (12345.678, "12,345.68")]
)
def test_numbers_have_a_true_minus_sign_and_no_negative_zero(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([(0.42, 0.31, 0.55)], (0.0, 0.55)),
        ([(0.42, 0.31, 0.57), (0.9, None, None)], (0.0, 0.9)),
        ([(-0.31, -0.5, -0.1), (0.12, -0.02, 0.25)], (-0.5, 0.25)),
        ([(0.0, 0.0, 0.0)], (0.0, 1.0)),
        ([], (0.0, 1.0)),
    ],
)
def test_one_scale_holds_all_whiskers_of_a_column(
    values: list[tuple[float, float | None, float | None]], scale: tuple[float, float]
) -> None:
    rows = [
        Row(str(at), {"x": Cell("", value=value, low=low, high=high)}) for at, (value, low, high) in enumerate(values)
    ]
    sent = sent_column(Column("x", "X", "interval"), rows)
    assert (sent["low"], sent["high"]) == pytest.approx(scale)
    assert sent["reference"] == 0.0


def test_a_reference_outside_the_scale_is_not_drawn() -> None:
    assert sent_column(Column("x", "X", "interval", scale=(0.5, 1.0)), [])["reference"] is None
    assert sent_column(Column("x", "X", "interval", scale=(0.0, 1.0), reference=0.5), [])["reference"] == 0.5


def test_only_what_a_cell_says_is_sent() -> None:
    sent = sent_rows([Row("a", {"x": Cell("1", value=0.0, pick="here")}, tone="baseline")])
    assert sent == [{"id": "a", "tone": "baseline", "cells": {"x": {"text": "1", "value": 0.0, "pick": "here"}}}]


def test_an_address_holds_any_name_and_stays_on_the_page_it_names() -> None:
    run = "a/b?c&show=all#x://%2e%2e é"
    parts = urlsplit(step_address(run, 12, show_labels=True, list_id="f00"))
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "trajectory", "")
    assert parse_qs(parts.query) == {"traj": [run], "step": ["12"], "show": ["labels"], "list": ["f00"]}
    assert step_address("r") == "trajectory?traj=r"


def test_old_lists_make_room_and_the_last_one_stays_however_long() -> None:
    def some(title: str, count: int) -> StepList:
        return StepList(title, tuple(("run", step) for step in range(count)), ".")

    kept = KeptLists()
    half = MOST_STEPS // 2
    kept.add("first", some("first", half))
    kept.add("second", some("second", half))
    assert kept.get("first") is not None  # which is now the one used last
    kept.add("third", some("third", half))
    assert kept.get("second") is None
    assert kept.get("first") is not None
    kept.add("huge", some("huge", MOST_STEPS + 1))
    assert list(kept.lists) == ["huge"]
