"""Roles on every page, and the settings page, drawn by Streamlit's own test runner on a real workspace."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.people import PEOPLE_FILE, read_people
from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.ui import shell
from codetracer_core.ui.identity import has_login
from codetracer_core.ui.workspace import open_store
from tests.conftest import REPOSITORY
from tests.store.factory import decide, make_run

PEOPLE = """
[people]
lea = ["lead"]
ann = ["annotator"]
ada = ["adjudicator"]
rita = ["reader"]
"""
RUNS = ["run-1", "run-2", "run-3"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(folder))
    st.cache_resource.clear()
    has_login.cache_clear()
    runs = [make_run(run_id, 4, record={"collection": f"set {run_id[-1]}"}) for run_id in RUNS]
    with Store.open(folder) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(Project(project_id="pilot", created_at=datetime.now(UTC)), RUNS[:2])
    yield folder
    st.cache_resource.clear()


@pytest.fixture
def named(workspace: Path) -> Path:
    (workspace / PEOPLE_FILE).write_text(PEOPLE)
    return workspace


def open_page(name: str, who: str = "", **query: str) -> AppTest:
    # As the server runs it: beside app.py lie the pages, and Streamlit's runner would skip the frame for them.
    app = AppTest.from_file(shell.__file__, default_timeout=60)
    app.session_state["annotator"] = who or " "  # the runner makes up a cookie for nobody
    if name != "library":
        app.run().switch_page(str(REPOSITORY / "pages" / f"{name}.py"))
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.info, *app.success, *app.error, *app.text])


def field(fields: Sequence[Any], label: str) -> Any:
    """The first of the fields with this label."""
    return next(one for one in fields if one.label == label)


def component(app: AppTest, key: str) -> Any:
    return next(one for one in app.main if one.type == "bidi_component" and one.proto.id.endswith(f"-{key}"))


FRAME = {"page_style", "name_cookie"}
"""What is on every page: the style sheet, and the name that the person gave."""


def components_of(app: AppTest) -> set[str]:
    return {element.proto.id.rpartition("-")[2] for element in app.main if element.type == "bidi_component"}


# --- roles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["", "bob"])
@pytest.mark.parametrize(("page", "query"), [("library", {}), ("trajectory", {"traj": "run-1"})])
def test_without_a_role_a_page_says_so_and_sends_nothing(
    named: Path, who: str, page: str, query: dict[str, str]
) -> None:
    app = open_page(page, who, **query)
    assert f"which {who or 'Somebody without a name'} does not have" in texts(app)
    assert components_of(app) <= FRAME
    assert [link.proto.label for link in app.get("page_link")] == ["Who you are here"]


@pytest.mark.parametrize("who", ["lea", "ann", "ada", "rita"])
def test_with_any_role_one_reads(named: Path, who: str) -> None:
    assert "runs" in components_of(open_page("library", who))
    assert "viewer" in components_of(open_page("trajectory", who, traj="run-1"))


@pytest.mark.parametrize(
    ("who", "may_import", "may_export"),
    [("lea", True, True), ("ann", False, False), ("ada", False, True), ("rita", False, True)],
)
def test_only_those_who_may_get_the_means_to_import_and_export(
    named: Path, who: str, may_import: bool, may_export: bool
) -> None:
    library = open_page("library", who)
    offered = [one.label for one in library.tabs]
    assert ("Import runs" in offered, "Import labels" in offered, "Export labels" in offered) == (
        may_import,
        may_import,
        may_export,
    )
    run = open_page("trajectory", who, traj="run-1")
    run.session_state["view"] = "Overview"
    run.run()
    assert ("This run as one HTML file" in [one.proto.label for one in run.get("download_button")]) == may_export


def test_a_lead_who_lost_the_role_meanwhile_imports_nothing(named: Path, tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text('[{"step_id": 1, "action": "ls", "observation": "a"}]')
    app = open_page("library", "lea")
    app.text_input[0].set_value(str(tmp_path / "steps.json"))
    (named / PEOPLE_FILE).write_text(PEOPLE.replace('lea = ["lead"]', 'lea = ["reader"]'))
    app.button[0].click().run()
    assert not app.exception
    assert len(open_store().runs()) == len(RUNS)


def test_a_file_of_people_that_cannot_be_understood_lets_nobody_in(workspace: Path) -> None:
    (workspace / PEOPLE_FILE).write_text("[people")
    app = open_page("library", "lea")
    assert "no valid TOML" in texts(app)
    assert components_of(app) <= FRAME


@pytest.mark.parametrize("who", ["ann", "ada", "rita", "bob", ""])
def test_settings_tell_everybody_who_they_are_and_no_more(named: Path, who: str) -> None:
    app = open_page("settings", who)
    said = texts(app)
    assert {"ann": "Your roles: annotator", "ada": "Your roles: adjudicator", "rita": "Your roles: reader"}.get(
        who, "You have no role here yet"
    ) in said
    assert [one.label for one in app.button] == ["Use this name"]
    assert str(named) not in str(app.main)


def test_one_says_who_one_is(named: Path) -> None:
    app = open_page("settings")
    app.text_input[0].set_value("  rita ")
    app.button[0].click().run()
    assert "Your roles: reader" in texts(app)


# --- people ---------------------------------------------------------------------------------------------------


def people_page(who: str) -> AppTest:
    app = open_page("settings", who)
    app.segmented_control(key="settings_part").set_value("People").run()
    assert not app.exception
    return app


def save(app: AppTest, label: str = "Save") -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_a_lead_gives_and_takes_roles(named: Path) -> None:
    app = people_page("lea")
    field(app.text_input, "Name").set_value("bob")
    field(app.pills, "Roles").set_value(["annotator", "reader"])
    assert "The people are saved." in texts(save(app))
    assert read_people(named).roles_of("bob") == {"annotator", "reader"}
    app.selectbox(key="person").set_value("ann").run()
    field(app.pills, "Roles").set_value(["adjudicator"])
    save(app)
    assert read_people(named).roles_of("ann") == {"adjudicator"}
    app.selectbox(key="person").set_value("rita").run()
    save(app, "Remove")
    assert read_people(named).roles_of("rita") == frozenset()


@pytest.mark.parametrize("act", ["Save", "Remove"])
def test_the_lead_cannot_lock_themselves_out(named: Path, act: str) -> None:
    app = people_page("lea")
    app.selectbox(key="person").set_value("lea").run()
    field(app.pills, "Roles").set_value(["annotator"])
    assert "would not be a lead any more" in texts(save(app, act))
    assert read_people(named).roles_of("lea") == {"lead"}


def test_the_first_person_who_is_named_is_joined_by_the_lead_who_does_it(workspace: Path) -> None:
    app = people_page("lea")
    assert "Everybody may do everything here" in texts(app)
    field(app.text_input, "Name").set_value("ann")
    field(app.pills, "Roles").set_value(["annotator"])
    assert app.pills[1].value == ["lead", "annotator", "adjudicator", "reader"]
    save(app)
    assert field(app.text_input, "Name").value == ""
    assert [one.value for one in app.pills] == [[], []], "what is stored, not what was chosen before"
    people = read_people(workspace)
    assert people.people == {"lea": {"lead", "annotator", "adjudicator", "reader"}, "ann": {"annotator"}}
    assert people.others == frozenset()


def test_without_a_name_nobody_is_named(workspace: Path) -> None:
    app = people_page("")
    field(app.text_input, "Name").set_value("ann")
    assert "somebody without a name" in texts(save(app))
    assert not (workspace / PEOPLE_FILE).exists()


def test_a_lead_who_lost_the_role_meanwhile_changes_nothing(named: Path) -> None:
    app = people_page("lea")
    field(app.text_input, "Name").set_value("bob")
    field(app.pills, "Roles").set_value(["lead"])
    (named / PEOPLE_FILE).write_text(PEOPLE.replace('lea = ["lead"]', 'lea = ["reader"]'))
    save(app)
    assert read_people(named).roles_of("bob") == frozenset()


# --- projects -------------------------------------------------------------------------------------------------


def project_page(chosen: str) -> AppTest:
    app = open_page("settings", "lea")
    app.selectbox(key="project").set_value(chosen).run()
    assert not app.exception
    return app


def test_a_project_is_made_of_the_runs_that_match(named: Path) -> None:
    app = project_page("a new project")
    assert "3 of 3 runs match" in texts(app)
    app.multiselect(key="new_Collection").set_value(["set 1", "set 3"]).run()
    assert "2 of 3 runs match" in texts(app)
    app.text_input(key="new_name").set_value("second")
    app.text_input(key="new_title").set_value("A second one")
    field(app.number_input, "Annotators per run").set_value(3)
    field(app.multiselect, "Annotators (none: everybody with the role)").set_value(["ann"])
    save(app, "Create the project with 2 runs")
    assert "The project is made." in texts(app)
    assert app.selectbox(key="project").value == "second"
    made = open_store().project("second")
    assert (made.title, made.annotators_per_run, made.annotators) == ("A second one", 3, ("ann",))
    assert made.created_by == "lea"
    assert open_store().project_runs("second") == ["run-1", "run-3"]


@pytest.mark.parametrize(("name", "said"), [("", "letters, digits"), ("pilot", "already"), ("a/b", "letters, digits")])
def test_a_project_that_cannot_be_made_is_told(named: Path, name: str, said: str) -> None:
    app = project_page("a new project")
    app.text_input(key="new_name").set_value(name)
    save(app, "Create the project with 3 runs")
    assert "Nothing was changed." in texts(app)
    assert said in texts(app)
    assert [one.project_id for one in open_store().projects()] == ["pilot"]


def test_settings_and_guidelines_of_a_project_are_changed(named: Path) -> None:
    app = project_page("pilot")
    field(app.selectbox, "Order").set_value("shuffled")
    field(app.number_input, "Runs that come back to the same person, %").set_value(20.0)
    field(app.pills, "Verdicts offered").set_value(["correct", "incorrect"])
    field(app.checkbox, "Open: gives out runs").set_value(False)
    save(app, "Save the settings")
    changed = open_store().project("pilot")
    assert (changed.order, changed.repeat_share, changed.is_open) == ("shuffled", 0.2, False)
    assert changed.verdicts == ("correct", "incorrect")
    app.text_area[0].set_value("# Read the tests first").run()
    assert json.loads(component(app, "guidelines_preview").proto.json) == [["h1", "Read the tests first"]]
    save(app, "Save the guidelines")
    assert open_store().project("pilot").guidelines == "# Read the tests first"
    assert open_store().project("pilot").order == "shuffled"


def test_runs_are_added_shared_out_and_taken_back(named: Path) -> None:
    app = project_page("pilot")
    save(app, "Add 1 run")
    assert open_store().project_runs("pilot") == RUNS
    field(app.number_input, "At most so many runs each (0: all)").set_value(2)
    save(app, "Share out")
    assert [(one.annotator, one.run_id) for one in open_store().assignments("pilot")] == [
        ("ann", "run-1"),
        ("ann", "run-2"),
    ]
    save(app, "Take back")
    assert [one.state for one in open_store().assignments("pilot")] == ["expired", "assigned"]


def test_a_lead_who_lost_the_role_meanwhile_changes_no_project(named: Path) -> None:
    app = project_page("pilot")
    field(app.checkbox, "Open: gives out runs").set_value(False)
    (named / PEOPLE_FILE).write_text(PEOPLE.replace('lea = ["lead"]', 'lea = ["annotator"]'))
    save(app, "Save the settings")
    assert open_store().project("pilot").is_open
