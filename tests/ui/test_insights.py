"""The memory panel of the settings page: what was learned of an agent, for leads."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.diagnosis_models import Insight
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, decide, make_run
from tests.ui.test_pages import texts

AGENT = "SWE-agent"
LEARNED = Insight(
    insight_id="0" * 32,
    agent=AGENT,
    text="It submits **without** looking at the last test run.",
    run_id="run-1",
    author="openai/a-model",
    created_at=NOON,
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One insight from run-1, which leo labels blind."""
    place = tmp_path / "workspace"
    place.mkdir()
    (place / "people.toml").write_text('[people]\nlea = ["lead"]\nleo = ["lead", "annotator"]\nann = ["annotator"]\n')
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(place))
    with Store.open(place) as store:
        runs = [make_run("run-1"), make_run("run-2", agent="another")]
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        assert store.add_insights([LEARNED]).admitted == (LEARNED,)
        store.create_project(Project(project_id="pilot", annotators=("leo",), created_at=NOON), ["run-1"])
    st.cache_resource.clear()
    yield place
    st.cache_resource.clear()


def memory_of(name: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "settings.py"))
    app.session_state["annotator"] = name
    app.session_state["settings_part"] = "Memory"
    return app.run()


def stored(place: Path) -> list[Insight]:
    st.cache_resource.clear()
    with Store.open_for_reading(place) as reader:
        return reader.insights()


def test_an_insight_is_shown_as_text_with_its_origin(workspace: Path) -> None:
    app = memory_of("lea")
    assert not app.exception
    assert [box.value for box in app.selectbox] == [AGENT]
    assert LEARNED.text in [text.value for text in app.text]
    assert "by openai/a-model, 2026-03-01, from run-1" in texts(app)
    assert "1 of 1 switched on" in texts(app)


def test_an_insight_is_switched_off_and_is_the_person_s_from_then_on(workspace: Path) -> None:
    app = memory_of("lea")
    app.toggle[0].set_value(False).run()
    assert not app.exception
    assert "The insight is switched off." in [one.value for one in app.success]
    assert [(one.enabled, one.author, one.by_person) for one in stored(workspace)] == [(False, "lea", True)]


def test_an_insight_is_reworded(workspace: Path) -> None:
    app = memory_of("lea")
    app.text_area[0].set_value("It submits although the last test run failed.")
    next(button for button in app.button if button.label == "Save").click().run()
    assert not app.exception
    assert [one.text for one in stored(workspace)] == ["It submits although the last test run failed."]


def test_a_new_insight_is_kept_once(workspace: Path) -> None:
    app = memory_of("lea")
    for said in ("It edits files that it has not read.", "It edits files that it has not read!", "Too short"):
        app.text_area[len(app.text_area) - 1].set_value(said)
        next(button for button in app.button if button.label == "Add").click().run()
        assert not app.exception
    assert "this insight is not kept: an insight has 20" in texts(app)
    found = stored(workspace)
    assert [(one.text, one.author, one.by_person) for one in found] == [
        (LEARNED.text, "openai/a-model", False),
        ("It edits files that it has not read.", "lea", True),
    ]


def test_what_a_run_taught_is_not_shown_to_who_labels_it_blind(workspace: Path) -> None:
    app = memory_of("leo")
    assert not app.exception
    assert LEARNED.text not in texts(app)
    assert "0 of 0 switched on" in texts(app)
    assert "run-1" not in json.dumps(texts(app))


def test_the_memory_is_for_leads(workspace: Path) -> None:
    assert LEARNED.text not in texts(memory_of("ann"))
