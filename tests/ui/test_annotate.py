"""The annotate page: who gets a queue, who is refused, and what the server makes of what a browser asks for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.ui.annotate import carry_out, next_open, own_runs, projects_for
from tests.conftest import REPOSITORY
from tests.store.factory import decide, make_label, make_run
from tests.ui.test_pages import sent, texts

RUNS = ["run-1", "run-2", "run-3"]


def make_project(**settings: Any) -> Project:
    return Project(**{"project_id": "pilot", "created_at": datetime.now(UTC)} | settings)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(folder))
    st.cache_resource.clear()
    with Store.open(folder) as store:
        runs = [make_run(run_id, 4) for run_id in RUNS]
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(make_project(guidelines="# Look", verdicts=("incorrect", "unuseful")), RUNS)
    yield folder
    st.cache_resource.clear()


@pytest.fixture
def store(workspace: Path) -> Iterator[Store]:
    with Store.open(workspace) as opened:
        yield opened


def annotate(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "annotate.py"))
    app.session_state["annotator"] = name
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def test_a_queue_begins_with_a_run_taken_by_itself(workspace: Path) -> None:
    app = annotate("Ann")
    assert not app.exception
    queue = sent(app)["queue_pipe"]
    assert (queue["run"], [run["state"] for run in queue["runs"]]) == ("run-1", ["assigned"])
    assert queue["guidelines"] == [["h1", "Look"]]
    assert sent(app)["viewer"]["isBlind"]
    assert sent(app)["outbox_pipe"]["notOffered"] == ["correct", "uncertain"]


def test_without_the_role_the_page_refuses_even_without_the_frame(workspace: Path) -> None:
    (workspace / "people.toml").write_text('[people]\nCora = ["adjudicator"]\nAnn = ["annotator"]\n')
    app = annotate("Cora")
    assert len(app.exception) == 1
    assert {"viewer", "queue_pipe"}.isdisjoint(sent(app))
    assert sent(annotate("Ann"))["queue_pipe"]["run"] == "run-1"


def test_a_run_that_is_not_mine_is_not_opened(workspace: Path) -> None:
    app = annotate("Ann", project="pilot", traj="run-3")
    queue = sent(app)["queue_pipe"]
    assert (queue["run"], queue["words"]) == ("run-1", "run-3 is not in your queue of pilot")


def test_projects_of_others_give_nothing(workspace: Path) -> None:
    with Store.open(workspace) as store:
        store.change_project(make_project(annotators=("Bob",)))
        assert projects_for(store, "Ann") == []
        assert [project.project_id for project in projects_for(store, "Bob")] == ["pilot"]
    assert "There is no project with runs for you." in texts(annotate("Ann"))


def test_an_empty_queue_says_why(workspace: Path) -> None:
    with Store.open(workspace) as store:
        store.change_project(make_project(annotators_per_run=1))
        for _ in RUNS:
            store.claim_next("pilot", "Bob")
    assert "Your queue is empty" in texts(annotate("Ann"))


def test_who_takes_another_name_gets_a_queue_of_their_own(workspace: Path) -> None:
    app = annotate("Ann")
    with Store.open_for_reading(workspace) as reader:
        assert [one.run_id for one in reader.assignments(annotator="Ann")] == ["run-1"]
    app.session_state["annotator"] = "Bob"
    app.session_state["desk"] = replace(app.session_state["desk"], run_id="run-3")
    queue = sent(app.run())["queue_pipe"]
    assert (queue["run"], [run["run"] for run in queue["runs"]]) == ("run-1", ["run-1"])


def act(kind: str, target: str = "run-1", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "target": target, **more}


def test_acts_are_carried_out_or_refused_in_words(store: Store) -> None:
    project = store.project("pilot")
    assert next_open(store, project, "Ann") == "run-1"
    assert carry_out(store, project, "Ann", act("open", "run-2")) == (None, "run-2 is not in your queue of pilot")
    assert carry_out(store, project, "Ann", act("submit", rest=True)) == (
        None,
        "not done: the project 'pilot' does not offer the verdict correct (incorrect, unuseful)",
    )
    assert "skipping a run needs a reason" in carry_out(store, project, "Ann", act("skip", reason=" "))[1]
    for odd in (act("dance"), {}, act("submit", "\ud800"), act("skip", reason="\ud800"), act(["open"])):  # type: ignore[arg-type]
        assert carry_out(store, project, "Ann", odd) == (None, "not understood")
    assert carry_out(store, project, "Ann", act("submit")) == ("run-2", "the run before was submitted")
    opened, words = carry_out(store, project, "Ann", act("submit"))
    assert opened is None
    assert "It may have been submitted in another window." in words
    assert carry_out(store, project, "Ann", act("skip", "run-2", reason="odd"))[0] == "run-3"
    assert carry_out(store, project, "Ann", act("submit", "run-3")) == (
        None,
        "submitted; nothing is left for you in pilot",
    )
    assert [one.state for one in own_runs(store, "pilot", "Ann")] == ["submitted", "skipped", "submitted"]


def test_verdicts_that_the_project_does_not_offer_are_refused_by_the_store(store: Store) -> None:
    store.claim_next("pilot", "Ann")
    stored = store.add_human_labels(
        [
            make_label(1, "correct", annotator="Ann"),
            make_label(2, "incorrect", annotator="Ann"),
            make_label(3, None, annotator="Ann"),
            make_label(4, "correct", annotator="Ann", run_id="run-2"),
        ]
    )
    assert [refused.reason for refused in stored.refused] == ["'correct' is no verdict here (incorrect, unuseful)"]
    assert [(label.run_id, label.value) for label in store.labels(annotator="Ann")] == [("run-2", "correct")]
