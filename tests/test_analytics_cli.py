"""``codetracer analytics`` as a user calls it."""

import csv
import io
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from codetracer_core.analytics import FIGURES, GROUPS
from codetracer_core.cli.analytics import Group
from tests.small_runs import manifest_row, write_manifest, write_run
from tests.test_figures import needs_chromium


@pytest.fixture
def told(codetracer: Any, tmp_path: Path) -> Any:
    """The command, on three runs of a benchmark, one of them solved."""
    rows = [manifest_row(f"run-{n}", solved=n == 0, model=("one", "two")[n % 2], task_name=f"t{n}") for n in range(3)]
    for row in rows:
        write_run(tmp_path / "runs" / row["traj_id"] / "run.traj")
    manifest = write_manifest(tmp_path / "manifest.jsonl", rows)
    assert codetracer("import", tmp_path / "runs", "--manifest", manifest, "--json").json["counts"]["imported"] == 3
    return codetracer


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_figure_is_listed_with_its_question(codetracer: Any) -> None:
    for told in (codetracer("analytics", "--list"), codetracer("analytics")):
        assert told.code == 0
        assert [line.split()[0] for line in told.out.splitlines()] == [figure.name for figure in FIGURES]
        assert all(figure.question in told.out for figure in FIGURES)


def test_numbers_go_to_the_screen_and_what_they_rest_on_beside_them(told: Any) -> None:
    said = told("analytics", "step_budget", "--model", "one", "--by", "all")
    found = {(row["split"], row["what"]): row["steps"] for row in table(said.out) if row["outcome"] == "solved"}
    assert (found["verdict", "incorrect"], found["verdict", "unuseful"], found["verdict", "unlabelled"]) == (
        "1",
        "1",
        "4",
    )
    assert "By kind: 2 runs, 12 steps. By verdict: 2 runs with ground truth." in said.err
    assert "8 steps of labelled runs have no verdict and stand apart, as unlabelled" in said.err


@pytest.mark.parametrize(
    ("filters", "runs"),
    [
        ((), 3),
        (("--outcome", "failed"), 2),
        (("--model", "one", "--model", "two"), 3),
        (("--category", "debugging", "--difficulty", "easy"), 3),
        (("--text", "RUN-2"), 1),
    ],
)
def test_filters(told: Any, filters: tuple[str, ...], runs: int) -> None:
    said = told("analytics", "solved_rate", "--by", "all", *filters)
    assert sum(int(row["runs"]) for row in table(said.out)) == runs


@needs_chromium
def test_files(told: Any, tmp_path: Path) -> None:
    for ending in ("html", "svg", "csv"):
        out = tmp_path / "new" / f"figure.{ending}"
        said = told("analytics", "solved_by_category", "--out", out, "--dark")
        assert (said.code, said.out) == (0, "")
        assert "solved" in out.read_text()


def test_labels_of_a_model(told: Any) -> None:
    run_ids = [row["run_id"] for row in told("list", "--json").json]
    assert told("batch", *run_ids, "--model", "heuristic").code == 0
    said = told("analytics", "effective_runs", "--labels", "model:heuristic")
    assert len(table(said.out)) == 3
    assert "3 runs with complete labels of the model heuristic." in said.err
    unknown = told("analytics", "effective_runs", "--labels", "human:Ana")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("there are no labels of Ana. There are ground_truth, model:heuristic.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pie",), "there is no figure 'pie'. There are solved_rate"),
        (("cost", "--by", "model"), "cost cannot tell runs apart by 'model'. It is drawn in one way."),
        (("cost", "--model", "one", "--model", "tow"), "no run has the model 'tow'. There are one, two."),
        (("cost", "--outcome", "won"), "no run has the outcome 'won'. There are failed, solved."),
        (("cost", "--model", "two", "--outcome", "solved"), "no run passes these filters together."),
        (("cost", "--labels", "peers"), "'peers' names no labels. Labels are ground_truth"),
        (("cost", "--out", "figure.pdf"), "figure.pdf: figures are not written as .pdf. Endings are .html"),
        (("cost", "--out", "figure"), "figure: figures are not written as files without an ending."),
    ],
)
def test_what_cannot_be_is_told(told: Any, words: tuple[str, ...], said: str) -> None:
    answer = told("analytics", *words)
    assert answer.code == 1
    assert answer.err.startswith(said)
    assert answer.out == ""


def test_the_options_know_every_group() -> None:
    assert get_args(Group) == GROUPS


def test_csv_holds_no_number_that_is_none(told: Any) -> None:
    for figure in FIGURES:
        said = told("analytics", figure.name)
        assert said.code == 0
        assert "nan" not in json.dumps(table(said.out)).lower()
