"""Every page, drawn by Streamlit's own test runner on a real workspace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.models import Branch, Stage, Step
from codetracer_core.store import Store
from codetracer_core.ui.import_jobs import ImportJob
from codetracer_core.ui.jobs import jobs
from tests.conftest import REPOSITORY
from tests.store.factory import decide, make_label, make_run, make_step

RUN = "seeded-run"
EMPTY = "run-without-steps"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workspace of the next app: as in a server that has just been started."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(folder))
    st.cache_resource.clear()
    yield folder
    st.cache_resource.clear()


@pytest.fixture
def seeded(workspace: Path) -> Path:
    steps = [make_step(1), make_step(2, branch="sub"), make_step(3), Step(step_id=4, action="Done.", is_message=True)]
    runs = [
        make_run(
            RUN,
            steps,
            branches=(Branch(branch_id="sub", name="Sub"),),
            notes=(
                "The last line was cut.",
                "Ground truth names step 2 as both incorrect and unuseful; taken as incorrect.",
            ),
            record={"declared_step_count": 9, "benchmark": {"difficulty": "easy"}},
        ),
        make_run(EMPTY, 0),
    ]
    truth = make_label(1, "unuseful", run_id=RUN, step_id=2, source="ground_truth", annotator="CodeTraceBench")
    mine = make_label(2, "incorrect", run_id=RUN, step_id=3, annotator="Ana")
    stages = [Stage(stage_id=1, start_step_id=1, end_step_id=4, name="planted-stage").model_dump()]
    told = truth.model_copy(update={"step_id": None, "field": "stages", "value": stages, "sequence": 3})
    with Store.open(workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        assert store.add_label_events([truth, mine, told]).refused == ()
    return workspace


def library() -> AppTest:
    return AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60).run()


def trajectory_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "trajectory.py"))
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def sent(app: AppTest) -> dict[str, Any]:
    """What our own components were given, by key."""
    components = [element for element in app.main if element.type == "bidi_component"]
    return {
        element.proto.id.rpartition("-")[2]: json.loads(element.proto.json)
        for element in components
        if element.proto.WhichOneof("data")
    }


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.info, *app.error, *app.text])


def test_the_library_of_an_empty_workspace_shows_the_samples(workspace: Path) -> None:
    app = library()
    assert not app.exception
    runs = sent(app)["runs"]
    assert len(runs["rows"]) == len(runs["runs"]) > 20
    collection = [column["name"] for column in runs["columns"]].index("collection")
    assert {row[collection] for row in runs["rows"]} == {"sample_data"}
    assert [expander.label for expander in app.expander] == ["Import and export"]
    assert texts(app) == ""


def test_the_library_lists_what_the_workspace_holds(seeded: Path) -> None:
    app = library()
    assert not app.exception
    runs = sent(app)["runs"]
    assert sorted(runs["runs"]) == [EMPTY, RUN]
    assert runs["hits"] is None


def import_pressed(app: AppTest) -> None:
    """Press, and see what came of it: on a busy machine it is over later than the page waits for it."""
    app.button[0].click().run()
    assert not app.exception
    for job in jobs().all(ImportJob):
        assert job.over.wait(60)
    app.run()
    assert not app.exception


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("{folder}/fine", ["1 imported · 0 skipped · 0 misaligned · 0 failed"]),
        ("{folder}/nothing", ["0 imported · 0 skipped · 0 misaligned · 1 failed"]),
        ("  ", []),
    ],
)
def test_importing_says_what_became_of_each_run(seeded: Path, tmp_path: Path, path: str, said: list[str]) -> None:
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "steps.json").write_text('[{"step_id": 1, "action": "ls", "observation": "a"}]')
    app = library()
    app.text_input[0].set_value(path.format(folder=tmp_path))
    import_pressed(app)
    assert [text.value for text in app.text] == said


def test_uploads_that_have_not_arrived_are_told(seeded: Path) -> None:
    app = library()
    next(button for button in app.button if button.label == "Import uploads").click().run()
    assert not app.exception
    assert [one.value for one in app.warning] == [
        "No file has arrived yet. Choose one, and press again when it is listed."
    ]


def test_importing_with_an_unreadable_manifest_says_so(seeded: Path, tmp_path: Path) -> None:
    app = library()
    app.text_input[0].set_value(str(tmp_path))
    app.text_input[1].set_value(str(tmp_path / "no-such-manifest.jsonl"))
    import_pressed(app)
    assert "Nothing was imported." in texts(app)
    assert "no-such-manifest.jsonl" in texts(app)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, ["No run is open. Choose one in the library."]),
        ({"traj": "no-such-run"}, ["This run cannot be opened.", "no-such-run"]),
        ({"traj": "../../etc/passwd"}, ["This run cannot be opened."]),
        ({"traj": "<script>alert(1)</script>"}, ["This run cannot be opened.", "<script>alert(1)</script>"]),
    ],
)
def test_the_trajectory_page_without_a_run_leads_to_the_library(
    seeded: Path, query: dict[str, str], said: list[str]
) -> None:
    app = trajectory_page(**query)
    assert not app.exception
    for words in said:
        assert words in texts(app)
    assert "viewer" not in sent(app)
    assert [element.proto.label for element in app.get("page_link")] == ["Open the library"]


def test_the_trajectory_page_sends_the_run_but_not_its_ground_truth(seeded: Path) -> None:
    app = trajectory_page(traj=RUN, step="3")
    assert not app.exception
    assert [tab.label for tab in app.tabs] == ["Steps", "Overview"]
    data = sent(app)
    viewer = data["viewer"]
    assert viewer["run"] == RUN
    assert viewer["start"] == 3
    assert viewer["outline"]["kind"] == "eecm"
    assert viewer["branches"] == ["Sub"]
    assert viewer["title"]["misaligned"] == "misaligned: 4 steps here, 9 in the manifest"
    assert (viewer["hasTruth"], viewer["truthShown"], viewer["truth"]) == (True, False, {})
    assert viewer["stagesFrom"].startswith("split offline: ")
    assert "planted-stage" not in json.dumps(data)
    assert "CodeTraceBench" not in json.dumps(data)
    assert "unuseful" not in json.dumps(data)
    assert (data["outbox_pipe"]["ofSteps"], data["outbox_pipe"]["ofRun"]) == ({}, {}), (
        "nobody has said who is in front of the screen"
    )


@pytest.mark.parametrize("step", ["0", "-1", "abc", "", "1.5", "²", "9" * 25, "9" * 5000])
def test_a_step_that_is_none_does_not_keep_the_run_shut(seeded: Path, step: str) -> None:
    app = trajectory_page(traj=RUN, step=step)
    assert not app.exception
    assert sent(app)["viewer"]["start"] is None  # the browser begins where the run was left


def test_a_run_without_steps_can_be_opened(seeded: Path) -> None:
    app = trajectory_page(traj=EMPTY)
    assert not app.exception
    assert sent(app)["viewer"]["outline"]["label"] == []


@pytest.mark.parametrize("run_id", [RUN, EMPTY])
def test_the_overview_of_a_run_is_drawn_in_every_colour_and_size(seeded: Path, run_id: str) -> None:
    app = trajectory_page(traj=run_id)
    app.session_state["view"] = "Overview"
    app.run()
    assert not app.exception
    facts = dict(sent(app)["facts"])
    assert facts["Outcome"] == "not solved"
    assert facts["Stages from"].startswith("split offline: ")
    assert "planted-stage" not in json.dumps(sent(app))
    if run_id == RUN:
        assert facts["Note"] == "The last line was cut."
    for control in [*app.button_group]:
        for option in control.options:
            control.set_value(option).run()
            assert not app.exception


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage"])
def test_a_run_whose_text_is_damaged_says_which_file_and_what_to_do(seeded: Path, damage: str) -> None:
    files = list((seeded / "trajectories").glob("*.parquet"))
    assert len(files) == 2
    for file in files:
        data = file.read_bytes()
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "garbage": data[::-1]}[damage])
    app = trajectory_page(traj=RUN)
    assert not app.exception
    assert "This run cannot be opened." in texts(app)
    assert ".parquet" in texts(app)
    assert "Import the run again." in texts(app)
    assert not library().exception
