"""The replay page: what will run, what a replay tells, who may order one where, and who sees which."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import config as streamlit_config
from streamlit.testing.v1 import AppTest

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.models import Outcome, ReplayOf
from codetracer_core.replay.models import (
    Budget,
    Checkpoint,
    FileEdit,
    LocalPlace,
    PlannedStep,
    Ran,
    ReplayedStep,
    ReplayOrder,
    ReplayResult,
)
from codetracer_core.replay.recording import (
    RecordedStep,
    ReplayEvent,
    Started,
    TestRun,
    read_events,
    read_result,
    read_started,
    recording,
)
from codetracer_core.replay.words import plan_words
from codetracer_core.replaying import BatchedReplay
from codetracer_core.store import Store
from codetracer_core.ui.replay_batch import batch_data
from codetracer_core.ui.replay_jobs import ReplayBatchJob, RunOfBatch
from codetracer_core.ui.replay_plan import plan_data
from codetracer_core.ui.replay_report import Shown, replay_data
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, make_label, make_run
from tests.ui.diagnoses import RUN, a_diagnosis, make_place
from tests.ui.test_pages import sent, texts

HOSTILE = "<img src=x onerror=alert(1)> **bold** {0}"
ORDER = ReplayOrder(
    place=LocalPlace(folder="/srv/project", allowed=True),
    step_id=4,
    budget=Budget(max_steps=2, matched=True),
    test_command="make test",
)


# --- what will run --------------------------------------------------------------------------------------------


def a_plan() -> Checkpoint:
    edit = FileEdit(path="app.py", kind="replace", old="a - b", text="a + b", all=True)
    return Checkpoint(
        step_id=4,
        folder="/testbed",
        files=("app.py",),
        steps=(
            PlannedStep(step_id=1, deed="command", command=HOSTILE, expected="long\n" * 1_000, expected_exit=0),
            PlannedStep(step_id=2, deed="edit", command="edit app.py", edits=(edit,), files=("app.py",)),
            PlannedStep(step_id=3, deed="not_replayable", command="browse()", why="nobody knows this tool"),
        ),
    )


def test_a_plan_is_told_in_one_line_and_step_by_step() -> None:
    told = plan_data(a_plan(), RUN)
    assert plan_words(a_plan()) == told["words"] == "1 command, 1 edit, 1 cannot be replayed"
    first, second, third = told["steps"]
    assert (first["text"], first["exit"]) == (HOSTILE, 0)
    assert first["expected"].endswith("more characters")
    (edit,) = second["edits"]
    assert (edit["what"], edit["path"], edit["where"]) == ("replace in", "app.py", ", everywhere")
    assert (edit["old"], edit["new"]) == ("a - b", "a + b")
    assert third["why"] == "nobody knows this tool"
    assert "expected" not in third


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (FileEdit(path="a", kind="insert", text="x", after_line=3), ("insert into", " behind line 3")),
        (FileEdit(path="a", kind="insert", text="x", after_line=None), ("insert into", " at its end")),
        (FileEdit(path="a", kind="lines", text="x", after_line=1, through_line=4), ("replace lines of", ", 2–4")),
        (FileEdit(path="a", kind="move", text="b/c"), ("move", " to b/c")),
        (FileEdit(path="a", kind="delete"), ("delete", "")),
    ],
)
def test_an_edit_is_told_by_its_meaning(edit: FileEdit, told: tuple[str, str]) -> None:
    step = PlannedStep(step_id=1, deed="edit", edits=(edit,))
    (shown,) = plan_data(Checkpoint(step_id=2, steps=(step,)), RUN)["steps"][0]["edits"]
    assert (shown["what"], shown["where"]) == told


def test_a_replay_from_the_first_step_has_nothing_to_run_again() -> None:
    assert plan_words(Checkpoint(step_id=1)) == "nothing: the replay begins with the task"


# --- what a replay tells --------------------------------------------------------------------------------------


def recorded(replays: Path, replay_id: str, run_id: str = RUN, *, diagnosis_id: str = "") -> Path:
    """A replay that is over, as its record tells of it: one earlier step the same, one other, one failed."""
    started = Started(
        replay_id=replay_id,
        run_id=run_id,
        order=ORDER,
        model="openai/planted-model",
        diagnosis_id=diagnosis_id,
        started_at=NOON,
    )
    told = [("same", 1.0, ""), ("differs", 0.5, "line 1 differs"), ("failed", 0.2, "exit code 2, recorded was 0")]
    with recording(replays / replay_id, started) as record:
        for step_id, (met, similarity, why) in enumerate(told, start=1):
            ran = Ran(output=f"planted output {step_id}", exit_code=2 if met == "failed" else 0, seconds=0.5)
            step: dict[str, Any] = {"met": met, "similarity": similarity, "why": why, "ran": ran, "at": NOON}
            record.tell("replayed", replayed=ReplayedStep(step_id=step_id, deed="command", command="ls", **step))
        record.put_tests(
            TestRun(when="before", command="make test", passed=False, reason="exit code 1", ran=Ran(output="1 failed"))
        )
        step_made = RecordedStep(
            step_id=4,
            by="model",
            action="sed -i s/-/+/ app.py",
            thought=HOSTILE,
            observation="x" * 5_000,
            exit_code=0,
            at=NOON,
        )
        record.put(step_made)
        used = CallUsage(calls=2, prompt_tokens=900, completion_tokens=100, cost_usd=0.5)
        record.tell("step", step=step_made, usage=used)
        record.put_tests(
            TestRun(when="after", command="make test", passed=True, reason="exit code 0", ran=Ran(output="1 passed"))
        )
        result = ReplayResult(
            replay_id=replay_id,
            replay_of=ReplayOf(run_id=run_id, step_id=4, replay_id=replay_id),
            order=ORDER,
            status="finished",
            model="openai/planted-model",
            agent_steps=1,
            outcome=Outcome(solved=True, reason="the test command ended with exit code 0"),
            tests_before=False,
            usage=used,
            facts=("network off",),
            started_at=NOON,
            ended_at=NOON + timedelta(seconds=9),
        )
        record.finish(result, make_run(RUN, 5).trajectory, "done")
    return replays / replay_id


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    folder = recorded(tmp_path / "replays", "a" * 32)
    events, _ = read_events(folder)
    return Shown(read_started(folder), events, read_result(folder), a_plan(), make_run(RUN, 5).trajectory)


def test_a_replay_tells_what_it_met_and_what_decided_its_outcome(shown: Shown) -> None:
    told = replay_data(shown, is_over=True, seconds=9)
    cards = {card["name"]: (card["value"], card["tone"]) for card in told["cards"]}
    assert cards["Outcome"] == ("solved", "good")
    assert cards["Tests"][0] == "failed → passed"
    assert cards["Steps of the model"][0] == "1 of 2"
    assert cards["Cost"][0] == "$0.500 of $3.00"
    assert told["facts"] == ["network off"]
    assert [row["met"] for row in told["earlier"]] == ["same", "differs", "failed"]
    assert told["meter"]["share"] == pytest.approx(2 / 3)
    assert told["meter"]["isOver"] is True
    assert "2 of 3 compared steps differ or failed" in told["meter"]["words"]
    assert (told["status"], told["links"], told["mayCancel"]) == ("finished", [], False)
    assert "with" in told["words"]
    assert "advice" in told["words"]  # who went on, and whether a diagnosis helped


def test_outputs_travel_when_they_are_opened_and_not_before(shown: Shown) -> None:
    told = json.dumps(replay_data(shown, is_over=True, seconds=9))
    assert "planted output 2" not in told
    assert "x" * 1_000 not in told
    opened = replay_data(shown, is_over=True, seconds=9, opened=["e2", "m4", "tafter", "no-such-row"])["texts"]
    assert [(text["name"], text["text"]) for text in opened["e2"]] == [("This time", "planted output 2")]
    assert opened["m4"][1]["text"] == "x" * 5_000
    assert opened["tafter"][1]["text"] == "1 passed"
    assert opened["no-such-row"] == []


def test_what_differs_lies_beside_its_record(shown: Shown) -> None:
    planned = PlannedStep(step_id=2, deed="command", command="cd /testbed && ls", expected="app.py", expected_exit=0)
    beside = replace(shown, plan=Checkpoint(step_id=4, steps=(planned,)))
    told = replay_data(beside, is_over=True, seconds=9, opened=["e2"])
    assert told["earlier"][1]["text"] == "cd /testbed && ls"
    assert [(text["name"], text["compare"]) for text in told["texts"]["e2"]] == [
        ("Recorded", True),
        ("This time", True),
    ]


def test_a_replay_that_was_killed_is_not_told_to_be_running(shown: Shown) -> None:
    killed = Shown(shown.started.model_copy(update={"status": "running"}), shown.events)
    assert replay_data(killed, is_over=True, seconds=9)["status"].startswith("ended with CodeTracer")
    assert replay_data(killed, is_over=False, seconds=9)["tone"] == "running"


# --- the page -------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with a diagnosis of the first run, which dan labels blind, and a replay of it."""
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path / "workspace"))
    place = make_place(tmp_path / "workspace")
    with Store.open(place) as opened:
        opened.add_diagnosis(a_diagnosis(), ())
        recorded(opened.workspace.replays, "b" * 32)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield place
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "replay.py"))
    app.session_state["annotator"] = name
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def order(name: str, **query: str) -> AppTest:
    """The page with the fields of a new replay."""
    app = page(name, traj=RUN, **query)
    app.session_state[f"new_replay {RUN}"] = True
    return app.run()


def shown_to(place: Path, name: str) -> list[str]:
    st.cache_resource.clear()
    with Store.open_for_reading(place) as reader:
        history = reader.label_history(RUN)
    return sorted(str(act.value) for act in history if act.field == "shown" and act.annotator == name)


def words(app: AppTest) -> str:
    """What the fields of a new replay say."""
    told = sent(app)
    return texts(app) + "\n".join(str(told[key]) for key in told if key.startswith("replay_"))


def test_the_onset_is_suggested_with_who_says_so_and_that_is_on_record(place: Path) -> None:
    app = order("cora")
    assert not app.exception
    assert app.number_input[0].value == 2
    assert "the diagnosis by openai/scripted" in words(app)
    assert sent(app)["replay_plan"]["words"] == "1 command"
    assert sent(app)["replay"]["status"] == "finished"
    (start,) = [button for button in app.button if button.label == "Replay"]
    assert start.disabled
    assert shown_to(place, "cora") == ["model"]


def test_an_address_names_the_step_and_only_diagnoses_of_this_run_give_advice(place: Path) -> None:
    assert order("cora", step="4").number_input[0].value == 4
    assert len(order("cora", diagnosis="f" * 32).exception) == 1


def test_whoever_labels_the_run_blind_sees_nothing_of_others_and_chooses_the_step(place: Path) -> None:
    app = order("dan")
    assert not app.exception
    assert app.number_input[0].value is None
    everything = json.dumps(sent(app)) + texts(app)
    for planted in ("scripted", "planted", "b" * 32, "wrong turn"):
        assert planted not in everything
    (advice,) = [toggle for toggle in app.toggle if toggle.label == "Give it the diagnosis"]
    assert advice.disabled
    assert not advice.value
    assert "you label this run blind" in words(app)
    refused = page("dan", replay="b" * 32)
    assert len(refused.exception) == 1
    assert "replay" not in sent(refused)
    assert "replays" not in sent(page("dan"))
    assert shown_to(place, "dan") == []


def test_a_reader_sees_replays_and_orders_none(place: Path) -> None:
    app = page("rita", traj=RUN)
    assert sent(app)["replay"]["title"] == "Replay from step 4"
    assert not [expander for expander in app.expander if expander.label == "New replay"]


def test_the_list_of_all_replays_opens_one(place: Path) -> None:
    (row,) = sent(page("cora"))["replays"]["rows"]
    assert row["cells"][1:3] == ["task of run-1", "4"]
    assert row["cells"][6:8] == ["solved", "failed"]
    assert row["cells"][4] == "openai/planted-model, without advice"  # it was wanted, but no diagnosis gave any
    recorded(place / "replays", "c" * 32, diagnosis_id="d" * 32)
    told = {row["id"]: row["cells"][4] for row in sent(page("cora"))["replays"]["rows"]}
    assert told["c" * 32] == "openai/planted-model, with advice"


@pytest.mark.parametrize(
    ("settings", "address", "people", "why"),
    [
        ("", "127.0.0.1", False, ""),
        ("", "0.0.0.0", False, "runs no commands on its own machine"),
        ("", "", False, "runs no commands on its own machine"),
        ("", "127.0.0.1", True, "runs no commands on its own machine"),
        ("replay:\n  allow_local: true\n", "0.0.0.0", True, ""),
    ],
    ids=["own dashboard", "whole network", "nobody said where", "a team", "allowed by the settings"],
)
def test_commands_on_this_machine_take_a_lead_and_leave(
    place: Path, settings: str, address: str, people: bool, why: str
) -> None:
    (place / "codetracer.yaml").write_text(settings)
    if not people:
        (place / "people.toml").unlink()
    before = streamlit_config.get_option("server.address")
    streamlit_config.set_option("server.address", address or None)
    try:
        app = order("eve")
        app.segmented_control[0].set_value("local").run()
        assert not app.exception
        told = words(app)
    finally:
        streamlit_config.set_option("server.address", before)
    assert ("not for you here" in told) == bool(why)
    assert why in told
    assert "Commands of this run may run on this machine" in [box.label for box in app.checkbox]


def test_what_was_filled_in_stands_there_again_after_a_replay_but_not_that_commands_may_run_here(place: Path) -> None:
    (place / "codetracer.yaml").write_text("replay:\n  allow_local: true\n")

    def fields() -> dict[str, object]:
        shown = [*app.number_input, *app.segmented_control, *app.text_input, *app.toggle, *app.selectbox]
        return {one.label: one.value for one in shown}

    app = order("eve")
    app.number_input[0].set_value(4)
    app.segmented_control[0].set_value("local").run()
    for label, words in (("Folder", "some/project"), ("Test command", "pytest -q")):
        next(one for one in app.text_input if one.label == label).set_value(words)
    app.toggle[0].set_value(False)
    app.checkbox[0].check().run()
    filled, ticked = fields(), app.checkbox[0].value
    for is_open in (False, True):  # as it is closed when a replay begins
        app.session_state[f"new_replay {RUN}"] = is_open
        app.run()
    assert (filled["Folder"], filled["Test command"], filled["From step"]) == ("some/project", "pytest -q", 4)
    assert fields() == filled
    assert (ticked, app.checkbox[0].value) == (True, False)


def test_the_tests_that_lie_in_a_tasks_folder_are_offered(place: Path, tmp_path: Path) -> None:
    (place / "codetracer.yaml").write_text("replay:\n  allow_local: true\n")
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "run-tests.sh").write_text("exit 0\n")
    for name, offered in (("eve", ["Use bash run-tests.sh"]), ("cora", [])):  # cora may run nothing there
        app = order(name)
        app.segmented_control[0].set_value("local").run()
        next(field for field in app.text_input if field.label == "Folder").set_value(str(tmp_path / "task")).run()
        found = [button for button in app.button if button.label.startswith("Use ")]
        assert [button.label for button in found] == offered
        for button in found:
            button.click().run()
            assert next(field for field in app.text_input if field.label == "Test command").value == "bash run-tests.sh"
            assert not [button for button in app.button if button.label.startswith("Use ")]


def test_an_adjudicator_has_no_commands_run_on_this_machine_whatever_the_browser_sends(place: Path) -> None:
    (place / "codetracer.yaml").write_text("replay:\n  allow_local: true\n")

    def script() -> None:
        import streamlit

        from codetracer_core.errors import NotAllowed
        from codetracer_core.replay.models import ContainerPlace, GitPlace, LocalPlace
        from codetracer_core.ui.replay_access import require_may_replay

        for one in (
            LocalPlace(folder="/", allowed=True),
            GitPlace(repository="/", allowed=True),
            ContainerPlace(compose_file="/compose.yaml"),
            ContainerPlace(image="python"),
        ):
            try:
                require_may_replay(one)
                streamlit.text(f"{one.kind}: yes")
            except NotAllowed as error:
                streamlit.text(f"{one.kind}: {error}")

    def told(name: str) -> list[str]:
        app = AppTest.from_function(script)
        app.session_state["annotator"] = name
        return [text.value.partition(". ")[0] for text in app.run().text]

    lead_only = "commands on the machine of this server take the role lead"
    assert told("cora") == [f"local: {lead_only}", f"git: {lead_only}", f"container: {lead_only}", "container: yes"]
    assert told("eve") == ["local: yes", "git: yes", "container: yes", "container: yes"]
    assert all("lead or adjudicator" in line for line in told("rita"))


def test_advice_is_refused_to_whoever_labels_blind_whatever_the_browser_sends(place: Path) -> None:
    def script() -> None:
        import streamlit

        from codetracer_core.errors import NotAllowed
        from codetracer_core.replay.models import ContainerPlace, ReplayOrder
        from codetracer_core.ui.replay_order import Wanted
        from codetracer_core.ui.replay_start import start
        from codetracer_core.ui.workspace import open_store

        order = ReplayOrder(place=ContainerPlace(image="python"), step_id=2, advice=True)
        try:
            start(open_store(), "run-1", Wanted(order=order, model="openai/some"))
        except NotAllowed as error:
            streamlit.text(str(error))

    app = AppTest.from_function(script)
    app.session_state["annotator"] = "dan"
    assert "shows what a diagnosis says" in app.run().text[0].value


# --- many runs ------------------------------------------------------------------------------------------------


def a_batch() -> ReplayBatchJob:
    runs = {run_id: RunOfBatch(run_id, f"task of {run_id}") for run_id in (RUN, "run-2")}
    return ReplayBatchJob(who="cora", made_with="container python", runs=runs)


def test_a_batch_tells_how_far_each_run_is_and_what_came_of_it() -> None:
    job = a_batch()
    job.hear(RUN, ReplayEvent(at=NOON, kind="phase", text="running the tests"))
    first, second = batch_data(job, set())["runs"]
    assert (first["state"], first["words"]) == ("running", "running the tests")
    assert (second["state"], second["words"]) == ("waiting", "")
    job.keep(BatchedReplay(run_id=RUN, status="limit", reason="out of steps", solved=False, replay_id="b" * 32))
    job.keep(BatchedReplay(run_id="run-2", status="skipped", reason="nobody has said it"))
    told = batch_data(job, set())
    first, second = told["runs"]
    assert (first["state"], first["words"], first["diagnosis"]) == ("limit", "not solved · out of steps", "b" * 32)
    assert (second["state"], second["words"], second["diagnosis"]) == ("skipped", "nobody has said it", "")
    assert told["share"] == 1.0
    assert "2 of 2 runs" in told["words"]


def test_a_batch_tells_nothing_of_runs_that_somebody_labels_blind_and_a_cancelled_one_says_so() -> None:
    job = a_batch()
    job.keep(BatchedReplay(run_id=RUN, status="finished", reason="planted", solved=True, replay_id="b" * 32))
    job.cancel()
    job.settle()
    told = batch_data(job, {RUN})
    assert [(run["run"], run["state"]) for run in told["runs"]] == [("run-2", "cancelled")]
    assert told["hidden"] == "1 more that you label blind"
    assert "planted" not in json.dumps(told)
    assert "b" * 32 not in json.dumps(told)


def many(app: AppTest) -> AppTest:
    app.session_state["replay_batch"] = True
    return app.run()


def test_many_runs_are_replayed_from_their_onsets_and_whoever_has_none_is_left_out(place: Path) -> None:
    app = many(page("cora"))
    assert not app.exception
    assert "run left out" in texts(app) or "runs left out" in texts(app)
    (start,) = [button for button in app.button if button.label == "Replay 1 run"]
    assert start.disabled  # no image is named yet
    assert "Name the image of the container." in texts(app)
    assert not [expander for expander in page("rita").expander if expander.label == "Replay many runs"]
    blind = many(page("dan"))
    assert [button.label for button in blind.button if button.label.startswith("Replay ")] == ["Replay 0 runs"]


def test_a_batch_is_seen_before_it_is_ordered_and_begins_at_the_onsets_of_whoever_is_asked_for(place: Path) -> None:
    with Store.open(place) as opened:
        said = make_label(1, 4, run_id="run-2", field="onset", step_id=None, source="ground_truth", annotator="bench")
        assert opened.add_label_events([said]).refused == ()
    app = many(page("cora"))
    (whose,) = [box for box in app.selectbox if box.label == "Failure onset"]
    assert whose.options == [
        "as adjudicated, else as diagnosed, else your own",
        "only from ground truth",
        "only from labels of the model openai/scripted (agent)",
    ]

    def look(app: AppTest) -> dict[str, Any]:
        (preview,) = [button for button in app.button if button.label == "Preview"]
        (row,) = sent(preview.click().run())["replay_foreseen"]["rows"]
        assert not app.exception
        return {"run": row["id"]} | {name: cell["text"] for name, cell in row["cells"].items() if "text" in cell}

    (image,) = [field for field in app.text_input if field.label == "Image"]
    found = look(image.set_value("python:3.12").run())
    assert (found["run"], found["step"], found["then"], found["plan"]) == (RUN, "2", "replayed", "1 command")
    assert "1 run would be replayed. Nothing has run yet. No model is chosen" in texts(app)
    whose.set_value("ground_truth").run()
    assert "replay_foreseen" not in sent(app)  # it was of another order
    assert "this source names no failure onset" in texts(app)
    assert [button.label for button in app.button if button.label.startswith("Replay ")] == ["Replay 1 run"]
    found = look(app)
    assert (found["run"], found["step"], found["then"], found["plan"]) == ("run-2", "4", "replayed", "3 commands")
    assert found["origin"] == "the failure onset in the ground truth"
    st.cache_resource.clear()
    with Store.open_for_reading(place) as reader:
        assert reader.shown_to("cora") == {(RUN, "model"), ("run-2", "ground_truth")}


def test_whose_onset_is_known_by_now_counts(place: Path) -> None:
    assert "Replay 1 run" in [button.label for button in many(page("cora")).button]
    with Store.open(place) as opened:
        said = make_label(1, 4, run_id="run-2", field="onset", step_id=None, source="adjudicated", annotator="eve")
        assert opened.add_label_events([said]).refused == ()
    st.cache_resource.clear()  # and not what was looked up
    assert "Replay 2 runs" in [button.label for button in many(page("cora")).button]


def test_a_batch_takes_no_run_that_its_orderer_labels_blind(place: Path) -> None:
    def script() -> None:
        import streamlit

        from codetracer_core.replay.models import ContainerPlace, ReplayOrder
        from codetracer_core.ui.replay_batch import Many, start_many
        from codetracer_core.ui.workspace import open_store

        store = open_store()
        order = ReplayOrder(place=ContainerPlace(image="python"), step_id=1, agent=False, advice=False)
        job = start_many(store, Many(pattern=order), store.runs())
        streamlit.text(",".join(job.runs))

    app = AppTest.from_function(script)
    app.session_state["annotator"] = "dan"
    assert RUN not in app.run().text[0].value.split(",")
