"""Labels in and out on the library page, by Streamlit's own test runner on a real workspace."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.benchmark import read_manifest, to_row
from codetracer_core.errors import CodeTracerError
from codetracer_core.label_files import COLUMNS, Asked, Unsaid, look_at
from codetracer_core.label_importing import import_labels
from codetracer_core.models import Stage
from codetracer_core.projects import Project
from codetracer_core.store import Labeller, Store
from codetracer_core.ui.exporting import LabelsOut, exposures, labels_out
from codetracer_core.ui.label_importing import _SYNONYMS, _TITLES, first_rows, guessed_columns
from tests.conftest import REPOSITORY
from tests.small_runs import manifest_row
from tests.store.factory import NOON, decide, make_label, make_run

RUN, OTHER = "run-1", "run-2"
ACTS = [
    make_label(1, "incorrect", step_id=3, annotator="ana"),
    make_label(2, "unuseful", step_id=2, annotator="ana"),
    make_label(3, "unuseful", step_id=2, annotator="ben"),
    make_label(4, "incorrect", step_id=1, annotator="ana", run_id=OTHER),
    make_label(5, "incorrect", step_id=3, annotator="CodeTraceBench", source="ground_truth"),
    make_label(6, "incorrect", step_id=4, annotator="a-model", source="model", run_id=OTHER),
    make_label(7, "ground_truth", step_id=None, field="shown", annotator="cem"),
]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two runs of five steps, in the workspace of the next app: as in a server that has just been started."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(folder))
    st.cache_resource.clear()
    with Store.open(folder) as store:
        runs = [make_run(RUN), make_run(OTHER, text="other")]
        store.add_runs(runs, decisions=[decide(run) for run in runs])
    yield folder
    st.cache_resource.clear()


@pytest.fixture
def labelled(workspace: Path) -> Path:
    with Store.open(workspace) as store:
        assert not store.add_label_events(ACTS).refused
    return workspace


def library(tab: str, person: str = "ana") -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.session_state["annotator"] = person
    app.session_state["library_tab"] = tab
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def given(app: AppTest, name: str, content: str | bytes) -> AppTest:
    """The page with this file uploaded for the labels in it."""
    data = content if isinstance(content, bytes) else content.encode()
    app.file_uploader[1].upload(name, data)
    return checked(app.run())


def named(elements: Any, label: str) -> Any:
    return next(element for element in elements if element.label == label)


def texts(app: AppTest) -> list[str]:
    return [str(element.value) for element in [*app.info, *app.error, *app.text]]


def pressed(app: AppTest, words: str) -> AppTest:
    return checked(next(button for button in app.button if button.label.startswith(words)).click().run())


def verdicts(workspace: Path, annotator: str, source: Any = "human") -> dict[tuple[str, int | None], Any]:
    with Store.open_for_reading(workspace) as reader:
        labels = reader.labels(source=source, annotator=annotator)
    return {(label.run_id, label.step_id): label.value for label in labels if label.field == "verdict"}


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("lead", ["Import runs", "Import labels", "Export labels"]),
        ("reader", ["Export labels"]),
        ("annotator", []),
    ],
)
def test_panels_are_offered_by_role(workspace: Path, role: str, offered: list[str]) -> None:
    (workspace / "people.toml").write_text(f'others = ["{role}"]')
    assert [tab.label for tab in library("Export labels").tabs] == offered


# --- in -------------------------------------------------------------------------------------------------------


def test_a_table_with_other_names_is_mapped_previewed_and_imported(workspace: Path) -> None:
    sheet = "traj;Step no;says;who\nrun-1;1;incorrect;=x()\nrun-1;9;incorrect;ana\nnowhere;1;correct;ana\n"
    app = given(library("Import labels"), "sheet.csv", sheet)
    assert [named(app.selectbox, title).value for title in ("Run", "Step", "Annotator")] == ["traj", "Step no", "who"]
    assert app.info[0].value == "Still to say: verdict."
    assert app.dataframe[0].value.columns.tolist() == ["traj", "Step no", "says", "who"]
    app = checked(named(app.selectbox, "Verdict").set_value("says").run())
    assert "table: 1 new · 0 known · 2 refused" in texts(app)
    assert "1 of 2 runs are not in this workspace, import them first: 'nowhere'" in texts(app)
    assert app.dataframe[1].value.iloc[0].to_dict() | {"occurred_at": ""} == {
        "run_id": "run-1",
        "step": "1",
        "field": "verdict",
        "value": "incorrect",
        "source": "human",
        "annotator": "=x()",
        "pass": "1",
        "occurred_at": "",
    }
    assert app.dataframe[2].value.values.tolist() == [
        ["line 3", "run 'run-1' has 5 steps, there is no step 9"],
        ["line 4", "there is no run 'nowhere'"],
    ]
    assert verdicts(workspace, "=x()") == {}
    app = pressed(app, "Import 1 label")
    assert "Imported." in texts(app)
    assert [button.label for button in app.button if "label" in button.label] == []
    assert [button.proto.label for button in app.get("download_button")] == ["Report as JSON"]
    st.cache_resource.clear()
    assert verdicts(workspace, "=x()") == {("run-1", 1): "incorrect"}


def test_what_a_file_does_not_say_is_asked(workspace: Path) -> None:
    stages = [{"stage_id": 1, "incorrect_step_ids": [3], "unuseful_step_ids": [], "reasoning": "why"}]
    app = given(library("Import labels"), "codetracer_labels.json", json.dumps(stages))
    checked(named(app.text_input, "Whose labels?").set_value("").run())
    assert app.info[0].value == "Still to say: run, annotator."
    named(app.text_input, "Which run?").set_value(" run-1 ")
    named(app.text_input, "Whose labels?").set_value("a-model")
    named(app.selectbox, "Who made them?").set_value("model")
    app = pressed(checked(app.run()), "Import 2 labels")
    assert "stage labels: 2 new · 0 known · 0 refused" in texts(app)
    st.cache_resource.clear()
    assert verdicts(workspace, "a-model", "model") == {("run-1", 3): "incorrect"}


def test_the_name_of_who_sits_here_is_offered(workspace: Path) -> None:
    app = given(library("Import labels"), "rows.jsonl", json.dumps(manifest_row("run-1", step_count=5)))
    assert named(app.text_input, "Whose labels?").value == "ana"
    assert [text for text in texts(app) if text.startswith("manifest: ")] == ["manifest: 2 new · 0 known · 1 refused"]


def test_events_say_everything_themselves(labelled: Path) -> None:
    with Store.open_for_reading(labelled) as reader:
        events = labels_out(reader, "parquet", [RUN, OTHER], None, None).data
    app = given(library("Import labels"), "events.parquet", events)
    assert f"events: 0 new · {len(ACTS)} known · 0 refused" in texts(app)
    assert next(button for button in app.button if button.label == "Import 0 labels").disabled


def test_a_path_is_looked_at_when_asked(workspace: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    app = library("Import labels")
    for content, said in {
        "run_id,step_id,verdict\nrun-1,1,correct\n": "table: 1 new · 0 known · 0 refused",
        "run_id,step_id,verdict\nrun-1,1,correct\nrun-1,2,correct\n": "table: 2 new · 0 known · 0 refused",
    }.items():
        path.write_text(content)
        named(app.text_input, "File on this machine, or a folder of codetracer_labels.json").set_value(str(path))
        app = pressed(app, "Look at it")
        assert said in texts(app)


def test_what_is_no_file_with_labels_is_told_without_its_temporary_place(workspace: Path) -> None:
    app = given(library("Import labels"), "x.json", "{")
    assert "Still to say: run." in texts(app)
    named(app.text_input, "Which run?").set_value("run-1")
    app = checked(app.run())
    assert app.error[0].value == "This file cannot be read as labels."
    (words,) = [text for text in texts(app) if text.startswith("x.json: ")]
    assert "no valid JSON" in words
    assert "/" not in words


def test_a_lead_who_labels_blind_is_not_told_what_others_said_there(labelled: Path) -> None:
    """A file of guesses about ben: of the run that ana labels blind its preview is as if ben had said nothing."""
    with Store.open(labelled) as store:
        store.create_project(Project(project_id="pilot", created_at=NOON), [RUN])
    rows = "".join(f"{RUN},{step},correct,2020-01-01T00:00:00Z\n" for step in range(1, 6))
    table = f"run_id,step_id,verdict,occurred_at\n{rows}"
    for person, words in (("ana", "5 new · 0 known · 0 refused"), ("zoe", "4 new · 0 known · 1 refused")):
        (labelled / "people.toml").write_text('[people]\nana = ["lead", "annotator"]\nzoe = ["lead"]\n')
        app = guesses_about_ben(library("Import labels", person=person), table)
        assert [text for text in texts(app) if words in text], texts(app)
        st.cache_resource.clear()
    pressed(guesses_about_ben(library("Import labels"), table), "Import 5 labels")
    st.cache_resource.clear()
    found = verdicts(labelled, "ben")
    assert {step: found[RUN, step] for step in range(1, 6)} == {
        1: "correct",
        2: "unuseful",
        3: "correct",
        4: "correct",
        5: "correct",
    }


def guesses_about_ben(app: AppTest, table: str) -> AppTest:
    app = given(app, "guesses.csv", table)
    named(app.text_input, "Whose labels?").set_value("ben")
    return checked(app.run())


# --- out ------------------------------------------------------------------------------------------------------


def out_of(app: AppTest) -> LabelsOut:
    made: LabelsOut = app.session_state["labels_out"][1]
    assert [button.proto.label for button in app.get("download_button")][-1].startswith(f"Download {made.name}")
    return made


def test_own_labels_are_offered_first(labelled: Path, tmp_path: Path) -> None:
    app = library("Export labels")
    assert [box.value for box in app.selectbox] == ["codetracebench", "human", "ana"]
    assert "Runs with such labels: 2 of all 2." in texts(app)
    out = out_of(pressed(app, "Write the file"))
    assert out.name == "manifest.jsonl"
    rows = [json.loads(line) for line in out.data.splitlines()]
    assert {row["traj_id"]: row["incorrect_error_stage_count"] > 0 for row in rows} == {RUN: True, OTHER: True}
    (tmp_path / "out.jsonl").write_bytes(out.data)
    assert [to_row(row) for row in read_manifest(tmp_path / "out.jsonl").rows] == rows
    st.cache_resource.clear()
    with Store.open(labelled) as store:
        assert not [act for act in store.label_history(RUN) if act.field == "shown" and act.annotator == "ana"]


@pytest.mark.parametrize(
    ("target", "source", "annotator", "name", "shown"),
    [
        ("csv", "human", "", "verdicts.csv", {(RUN, "peers")}),
        ("jsonl", "", "", "events.jsonl", {(RUN, "peers"), (RUN, "ground_truth"), (OTHER, "model")}),
        ("parquet", "model", "a-model", "events.parquet", {(OTHER, "model")}),
        ("labels", "human", "ana", "codetracer_labels.zip", set()),
        ("labels", "ground_truth", "", "codetracer_labels.json", {(RUN, "ground_truth")}),
    ],
)
def test_every_form_with_what_it_shows_on_record(
    labelled: Path, target: str, source: str, annotator: str, name: str, shown: set[tuple[str, str]]
) -> None:
    app = library("Export labels")
    checked(named(app.selectbox, "Write").set_value(target).run())
    checked(named(app.selectbox, "Labels by").set_value(source).run())
    checked(named(app.selectbox, "Annotator").set_value(annotator).run())
    for _ in range(2):
        out = out_of(pressed(app, "Write the file"))
        assert out.name == name
        assert out.data
    st.cache_resource.clear()
    with Store.open(labelled) as store:
        acts = [act for run in store.runs() for act in store.label_history(run.run_id) if act.annotator == "ana"]
    assert {(act.run_id, act.value) for act in acts if act.field == "shown"} == shown


def plant_stages(workspace: Path, *, project: bool) -> None:
    """Stages of the ground truth on RUN; with a project, ana stands blind to the run."""
    stages = [Stage(stage_id=1, start_step_id=1, end_step_id=3, name="planted").model_dump()]
    told = make_label(
        1, stages, step_id=None, field="stages", annotator="CodeTraceBench", source="ground_truth", client="planted"
    )
    with Store.open(workspace) as store:
        assert store.add_label_events([told]).refused == ()
        if project:
            store.create_project(Project(project_id="pilot", created_at=NOON), [RUN])


def test_own_labels_of_a_blind_run_are_written_without_the_benchmark_s_stages(labelled: Path) -> None:
    plant_stages(labelled, project=True)
    out = out_of(pressed(library("Export labels"), "Write the file"))
    rows = {row["traj_id"]: row for row in map(json.loads, out.data.splitlines())}
    assert rows[RUN]["incorrect_stages"]
    assert b"planted" not in out.data
    st.cache_resource.clear()
    with Store.open(labelled) as store:
        assert store.standing(RUN, "ana").shown == frozenset()


def test_the_benchmark_s_stages_in_a_file_of_own_labels_are_on_record(labelled: Path) -> None:
    plant_stages(labelled, project=False)
    out = out_of(pressed(library("Export labels"), "Write the file"))
    assert b"planted" in out.data
    st.cache_resource.clear()
    with Store.open(labelled) as store:
        assert store.standing(RUN, "ana").shown == {"ground_truth"}


def test_a_file_written_for_one_person_is_not_handed_to_another(labelled: Path) -> None:
    app = library("Export labels")
    checked(named(app.selectbox, "Write").set_value("jsonl").run())
    checked(named(app.selectbox, "Labels by").set_value("").run())
    checked(named(app.selectbox, "Annotator").set_value("").run())
    out_of(pressed(app, "Write the file"))
    app.session_state["annotator"] = "zoe"
    checked(app.run())
    checked(named(app.selectbox, "Annotator").set_value("").run())
    assert "labels_out" in app.session_state
    assert not app.get("download_button")


def test_a_zip_of_stage_labels_comes_back(labelled: Path) -> None:
    with Store.open_for_reading(labelled) as reader:
        out = labels_out(reader, "labels", [RUN, OTHER], "human", "ana")
    assert zipfile.ZipFile(io.BytesIO(out.data)).namelist() == [f"{run}/codetracer_labels.json" for run in (RUN, OTHER)]
    app = given(library("Import labels", person="eve"), out.name, out.data)
    pressed(app, "Import 3 labels")
    st.cache_resource.clear()
    assert verdicts(labelled, "eve") == verdicts(labelled, "ana")


def test_only_runs_that_pass_the_filters(labelled: Path) -> None:
    app = library("Export labels")
    app.session_state["runs"] = {"deep": "", "passing": [OTHER, "no such run"]}
    app = checked(app.run())
    assert "Runs with such labels: 1 of the 2 that pass the filters below." in texts(app)
    out = out_of(pressed(app, "Write the file"))
    assert [json.loads(line)["traj_id"] for line in out.data.splitlines()] == [OTHER]


def test_of_a_run_that_is_labelled_blind_only_own_labels_go_out(labelled: Path) -> None:
    with Store.open(labelled) as store:
        store.create_project(Project(project_id="p", created_at=NOON), [RUN])
        assert store.blind_runs("ana") == {RUN}
        assert store.blind_runs("ana", labels=False) == set()
    app = library("Export labels")
    assert named(app.selectbox, "Annotator").options == ["ana"]
    rows = out_of(pressed(app, "Write the file")).data.splitlines()
    assert {json.loads(row)["traj_id"] for row in rows} == {RUN, OTHER}
    checked(named(app.selectbox, "Write").set_value("jsonl").run())
    checked(named(app.selectbox, "Labels by").set_value("").run())
    assert set(named(app.selectbox, "Annotator").options) == {"all", "ana", "a-model"}
    checked(named(app.selectbox, "Annotator").set_value("").run())
    events = [json.loads(line) for line in out_of(pressed(app, "Write the file")).data.splitlines()]
    assert {event["run_id"] for event in events} == {OTHER}


# --- what they are made of --------------------------------------------------------------------------------------


def test_every_meaning_has_a_title_and_is_guessed_by_its_own_name() -> None:
    assert tuple(_TITLES) == tuple(_SYNONYMS) == COLUMNS
    assert guessed_columns(COLUMNS) == {name: name for name in COLUMNS}


@pytest.mark.parametrize(
    ("names", "guessed"),
    [
        (["Traj ID", "Step #", "LABEL"], {"run_id": "Traj ID", "step_id": "Step #", "verdict": "LABEL"}),
        (["run", "run_id"], {"run_id": "run_id"}),
        (["user", "who"], {"annotator": "who"}),
        (["", "?", "ラベル"], {}),
        (["date", "date"], {"occurred_at": "date"}),
        ([], {}),
    ],
)
def test_columns_are_guessed_from_telling_names(names: list[str], guessed: dict[str, str]) -> None:
    assert guessed_columns(names) == guessed


def test_first_rows_stand_as_they_do_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,a\n1,2,3\n\n4\n5,6,7,8\n" + "9,9,9\n" * 9)
    asked = look_at(path)
    assert asked == Asked(
        "table",
        ("a", "b", "a"),
        (("1", "2", "3"), ("4",), ("5", "6", "7", "8"), ("9", "9", "9"), ("9", "9", "9")),
        whose=True,
        which_run=True,
    )
    table = first_rows(asked)
    assert table.columns.tolist() == ["a", "b", "a (3)"]
    assert table.values.tolist()[:3] == [["1", "2", "3"], ["4", "", ""], ["5", "6", "7"]]


def test_a_column_can_be_left_unread(labelled: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("run_id,step_id,verdict,annotator\nelsewhere,1,correct,zoe\n")
    with Store.open(labelled) as store:
        report = import_labels(path, store, store, Unsaid("eve", None, RUN, {"run_id": "", "annotator": ""}))
    assert [(label.run_id, label.annotator) for label in report.labels] == [(RUN, "eve")]


def test_what_was_shown_and_worked_adds_up(labelled: Path, tmp_path: Path) -> None:
    """An older exposure than the latest one is no label that somebody has replaced."""
    older = make_label(8, "peers", step_id=None, field="shown", annotator="cem")
    older = older.model_copy(update={"occurred_at": NOON - timedelta(days=1)})
    path = tmp_path / "events.jsonl"
    path.write_text(older.model_dump_json())
    with Store.open(labelled) as store:
        assert import_labels(path, store, store).counts == {"new": 1, "known": 0, "refused": 0}


def test_own_labels_are_no_exposure() -> None:
    labellers = [Labeller(RUN, "human", "ana"), Labeller(OTHER, "human", "ben"), Labeller(OTHER, "model", "ana")]
    assert exposures(labellers, "ana") == {(OTHER, "peers"), (OTHER, "model")}


def test_who_has_labels_is_asked_of_the_store(labelled: Path) -> None:
    with Store.open(labelled) as store:
        assert store.labellers() == [
            (RUN, "ground_truth", "CodeTraceBench"),
            (RUN, "human", "ana"),
            (RUN, "human", "ben"),
            (OTHER, "human", "ana"),
            (OTHER, "model", "a-model"),
        ]
        with pytest.raises(CodeTracerError, match="have no adjudicated labels"):
            labels_out(store, "codetracebench", [RUN, OTHER], "adjudicated", None)
