"""The analytics page by Streamlit's own test runner, and what it makes of what a browser says."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from codetracer_core.analytics import FIGURES
from codetracer_core.models import GroundTruth
from codetracer_core.store import Store
from codetracer_core.ui.analytics import rows_selected
from codetracer_core.ui.workspace import open_store
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, decide, make_label, make_run
from tests.ui.test_pages import sent, texts, workspace  # noqa: F401 - a fixture


def page(figure: str = "", who: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=120)
    app.session_state["annotator"] = who
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    if figure:
        app.query_params["figure"] = figure
    app.switch_page(str(REPOSITORY / "pages" / "analytics.py"))
    return app.run()


@pytest.fixture
def seeded(workspace: Path) -> Path:  # noqa: F811 - the fixture
    runs = [make_run("one", 4), make_run("two", 7)]
    with Store.open(workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        labels = [make_label(n, run_id=run.run_id, annotator=f"peer-{n}") for n, run in enumerate(runs, start=1)]
        assert store.add_label_events(labels).refused == ()
    return workspace


@pytest.mark.parametrize("figure", [figure.name for figure in FIGURES])
def test_every_figure_is_there_or_says_why_not(seeded: Path, figure: str) -> None:
    app = page(figure)
    assert not app.exception
    assert app.radio[0].value == figure
    assert app.query_params["figure"] == figure
    charts = [element for element in app.main if element.type == "plotly_chart"]
    reasons = [info.value for info in app.info]
    assert bool(charts) != bool(reasons) or any(button.label == "Show it" for button in app.button)


def test_filters_that_no_run_passes_are_the_reason(seeded: Path) -> None:
    app = page("cost", analytics_text="no such run")
    assert [info.value for info in app.info] == ["No run passes these filters."]


def test_outcomes_are_filtered_by_in_the_words_of_the_pages_and_kept_in_the_address_as_data_has_them(
    seeded: Path,
) -> None:
    app = page("cost", analytics_outcomes="failed")
    (outcomes,) = [box for box in app.multiselect if box.label == "Outcome"]
    assert (outcomes.options, outcomes.value) == (["solved", "not solved", "unknown"], ["failed"])
    outcomes.set_value(["solved", "failed"]).run()
    assert app.query_params["analytics_outcomes"] == ["solved", "failed"]
    outcomes.set_value([]).run()
    assert "analytics_outcomes" not in app.query_params


def test_the_labels_of_anybody_can_be_chosen(seeded: Path) -> None:
    app = page("step_budget")
    (choice,) = [box for box in app.selectbox if box.label == "Labels"]
    assert choice.options == ["ground truth (0 runs)", "labels of peer-1 (1 run)", "labels of peer-2 (1 run)"]
    choice.set_value(choice.value.__class__("human", "peer-2")).run()
    assert not app.exception


def test_who_only_labels_is_not_told_who_else_does(seeded: Path) -> None:
    (seeded / "people.toml").write_text('[people]\npeer-1 = ["annotator"]\nlea = ["lead"]\n')
    offered = {}
    for who in ("peer-1", "lea"):
        app = page("step_budget", who)
        (choice,) = [box for box in app.selectbox if box.label == "Labels"]
        offered[who] = choice.options
    assert offered["peer-1"] == ["ground truth (0 runs)", "labels of peer-1 (1 run)"]
    assert "labels of peer-2 (1 run)" in offered["lea"]


def test_a_figure_of_one_run_is_a_label_of_it(seeded: Path) -> None:
    with Store.open(seeded) as store:
        truth = GroundTruth(annotator="bench", said_at=NOON, verdicts={2: "incorrect"})
        runs = [make_run(f"more-{n}", 4, record={"benchmark": {"difficulty": "easy"}}) for n in range(3)]
        store.add_runs(runs, decisions=[decide(run) for run in runs], ground_truth=[truth] * 3)
    many = page("error_position", "lea")
    assert [element.type for element in many.main if element.type == "plotly_chart"]
    assert "analytics_runs" not in sent(many), "which runs hold errors is no number"
    assert "3 runs. Click marks" in texts(many)
    one = page("error_position", "lea", analytics_text="task of more-1")
    assert "It goes on record that you have seen those of 1 run;" in texts(one)
    assert not [element.type for element in one.main if element.type == "plotly_chart"]
    assert open_store().shown_to("lea") == set()
    next(button for button in one.button if button.label == "Show it").click().run()
    assert not one.exception
    assert [element.type for element in one.main if element.type == "plotly_chart"]
    assert open_store().shown_to("lea") == {("more-1", "ground_truth")}


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        ([{"customdata": 2}, {"customdata": [0]}, {"customdata": 2}], [0, 2]),
        ([{"customdata": 3}, {"customdata": -1}, {"customdata": True}, {"customdata": "1"}], []),
        ([{}, {"customdata": []}, {"customdata": None}, {"customdata": [[1]]}], []),
    ],
)
def test_whatever_is_no_row_is_not_selected(points: list[Any], rows: list[int]) -> None:
    assert rows_selected({"selection": {"points": points}}, 3) == rows
    assert rows_selected({}, 3) == []
