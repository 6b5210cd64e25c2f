"""The diagnose page: what of a diagnosis leaves the server and for whom, who may order one, what jobs tell."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.diagnosis import Progress
from codetracer_core.diagnosis_models import HEURISTIC, CallUsage, DiagnosisSettings
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.store import Store
from codetracer_core.ui.diagnosing import job_data
from codetracer_core.ui.diagnosis_batch import without_diagnosed
from codetracer_core.ui.diagnosis_jobs import DiagnosisJob, RunOfJob
from codetracer_core.ui.diagnosis_order import Order
from codetracer_core.ui.jobs import Jobs, jobs
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, make_run
from tests.ui.diagnoses import RUN, a_diagnosis, make_diagnosis, make_place, transcript_of
from tests.ui.test_pages import sent, texts


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path / "workspace"))
    return make_place(tmp_path / "workspace")


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with Store.open(place) as opened:
        yield opened


# --- jobs -----------------------------------------------------------------------------------------------------


def a_job(*run_ids: str) -> DiagnosisJob:
    runs = {run_id: RunOfJob(run_id, f"task of {run_id}") for run_id in run_ids}
    return DiagnosisJob(made_with="openai/scripted · agent", who="cora", runs=runs)


def told_now(text: str = "read", **fields: Any) -> Progress:
    given: dict[str, Any] = {"at": NOON, "sample": 1, "kind": "read", "text": text, "usage": CallUsage(calls=2)}
    return Progress(**(given | fields))


def done(job: DiagnosisJob, work: Any) -> Jobs:
    jobs = Jobs()
    jobs.start(job, work)
    while job.ended_at is None:
        time.sleep(0.001)
    jobs.end()
    return jobs


def test_a_job_tells_how_far_it_is_and_what_came_of_it() -> None:
    diagnosis = a_diagnosis()
    job = a_job(RUN)
    heard: list[str] = []

    def work(job: DiagnosisJob) -> None:
        job.hear(RUN, told_now())
        heard.append(job.runs[RUN].state)
        job.keep(diagnosis)

    jobs = done(job, work)
    assert jobs.job(job.job_id) is job
    run = job.runs[RUN]
    assert heard == ["running"]
    assert (run.state, run.diagnosis_id, run.usage) == ("complete", diagnosis.diagnosis_id, diagnosis.total_usage)
    assert job.ended_at is not None
    with pytest.raises(NotFound):
        jobs.job("another")


def test_a_log_tells_what_is_done_without_the_names_of_tools() -> None:
    job = a_job(RUN)
    for progress in (
        told_now("sample 1 of 2: agent", kind="phase"),
        told_now("investigate", kind="call"),
        told_now("read_steps", steps=(1, 2)),
        told_now("complete", kind="finished"),
        told_now("read_steps", kind="thought", sample=2),
    ):
        job.hear(RUN, progress)
    told = job_data(job, set(), RUN)
    assert [(one["kind"], one["said"], one["steps"]) for one in told["log"]] == [
        ("phase", "sample 1 of 2: agent", []),
        ("read", "reads steps", [1, 2]),
        ("finished", "sample 1: complete", []),
        ("thought", "read_steps", []),
    ]


def test_a_cancelled_job_ends_and_what_it_did_not_reach_is_said_to_be_so() -> None:
    job = a_job(RUN, "run-2")
    began = threading.Event()

    def work(job: DiagnosisJob) -> None:
        job.runs[RUN].state = "running"
        began.set()
        while not job.is_cancelled():
            time.sleep(0.001)
        job.end(RUN, "cancelled", "cancelled", CallUsage(calls=3))

    jobs = Jobs()
    jobs.start(job, work)
    assert began.wait(60)
    job.cancel()
    jobs.end()
    assert [(run.state, run.words) for run in job.runs.values()] == [
        ("cancelled", "cancelled"),
        ("cancelled", "cancelled before it began"),
    ]


def test_a_job_that_cannot_begin_says_why() -> None:
    def work(_: DiagnosisJob) -> None:
        raise CodeTracerError("nobody knows this model", remedy="Name another one.")

    job = a_job(RUN)
    done(job, work)
    assert (job.runs[RUN].state, job.runs[RUN].words) == ("failed", "nobody knows this model. Name another one.")


def test_a_mistake_of_ours_is_not_told_to_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: DiagnosisJob) -> None:
        raise ValueError("a-secret-of-the-server")

    job = a_job(RUN)
    done(job, work)
    assert job.runs[RUN].state == "failed"
    assert "a-secret" not in job.runs[RUN].words + job.problem
    assert "a-secret" in capsys.readouterr().err


def test_what_is_remembered_of_a_job_is_limited() -> None:
    job = a_job(RUN)
    for number in range(500):
        job.hear(RUN, told_now(str(number)))
    assert len(job.runs[RUN].told) == 200
    jobs = Jobs()
    for _ in range(40):
        job = a_job(RUN)
        jobs.start(job, lambda job: None)
        while job.ended_at is None:
            time.sleep(0.001)
    assert len(jobs.all(DiagnosisJob)) == 30
    assert jobs.all(DiagnosisJob)[0] is job
    jobs.end()


def test_a_job_tells_nothing_of_runs_that_somebody_labels_blind() -> None:
    job = a_job(RUN, "run-2")
    job.hear(RUN, told_now("planted thought", kind="thought", usage=CallUsage(calls=7, cost_usd=1.25)))
    told = job_data(job, {RUN}, None)
    assert [run["run"] for run in told["runs"]] == ["run-2"]
    assert told["hidden"] == "1 more that you label blind"
    assert (told["usage"], told["log"]) == ("", [])
    assert "planted" not in json.dumps(told)
    alone = job_data(job, set(), RUN)
    assert [entry["said"] for entry in alone["log"]] == ["planted thought"]
    assert alone["usage"] == "$1.25 · 7 calls · 0 tokens"


# --- the page -------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(place: Path) -> Iterator[Path]:
    """The workspace with a diagnosis of each run, as a server that has just been started finds it."""
    with Store.open(place) as opened:
        diagnosis = a_diagnosis(summary="planted-summary")
        opened.add_diagnosis(diagnosis, transcript_of(diagnosis, 25))
        opened.add_diagnosis(make_diagnosis(opened.load_run("run-2").trajectory, "run-2", model=HEURISTIC), ())
    st.cache_resource.clear()
    st.cache_data.clear()
    yield place
    st.cache_resource.clear()


def page(name: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "diagnose.py"))
    if name:
        app.session_state["annotator"] = name
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def shown_to(place: Path, name: str) -> list[str]:
    """What it is on record that somebody was shown of the first run."""
    with Store.open_for_reading(place) as reader:
        history = reader.label_history(RUN)
    return [str(act.value) for act in history if act.field == "shown" and act.annotator == name]


def test_the_page_asks_who_is_reading_before_it_shows_anything(workspace: Path) -> None:
    app = page(traj=RUN)
    assert not app.exception
    assert "Who is reading?" in texts(app)
    assert "planted-summary" not in json.dumps(sent(app))


def test_a_report_is_on_record_before_it_leaves_the_server(workspace: Path) -> None:
    app = page("cora", traj=RUN)
    assert not app.exception
    told = sent(app)
    assert told["diagnosis"]["summary"] == "planted-summary"
    assert told["diagnosis"]["mayNot"] == ""
    assert told["heading"] == ["task of run-1", "SWE-agent · some-model · not solved · 5 steps"]
    st.cache_resource.clear()
    assert shown_to(workspace, "cora") == ["model"]


def test_whoever_labels_the_run_blind_is_refused_and_told_nothing(workspace: Path) -> None:
    app = page("dan", traj=RUN)
    assert len(app.exception) == 1
    assert "planted-summary" not in json.dumps(sent(app))
    overview = page("dan")
    told = sent(overview)
    assert [row["cells"][0] for row in told["recent"]["rows"]] == ["task of run-2"]
    assert told["runs"]["runs"] == ["run-2"]
    st.cache_resource.clear()
    assert shown_to(workspace, "dan") == []


def test_the_list_of_all_diagnoses_tells_that_they_are_there_not_what_they_say(workspace: Path) -> None:
    app = page("cora")
    assert not app.exception
    rows = sent(app)["recent"]["rows"]
    assert {(row["cells"][0], row["cells"][1]) for row in rows} == {
        ("task of run-1", "openai/scripted (agent)"),
        ("task of run-2", HEURISTIC),
    }
    assert "off track" not in json.dumps(sent(app))
    assert "incorrect" not in json.dumps(rows)


def test_a_reader_reads_and_can_neither_order_nor_decide(workspace: Path) -> None:
    app = page("rita", traj="run-2")
    assert not app.exception
    assert "role of an adjudicator" in sent(app)["diagnosis"]["mayNot"]
    assert not [expander for expander in app.expander if expander.label == "New diagnosis"]
    assert not [expander for expander in page("rita").expander if expander.label == "Diagnose many runs"]


@pytest.mark.parametrize(
    "query",
    [{"traj": "no-such-run"}, {"traj": RUN, "diagnosis": "f" * 32}, {"traj": RUN, "diagnosis": "../../etc/passwd"}],
)
def test_what_is_not_there_is_refused(workspace: Path, query: dict[str, str]) -> None:
    """In words by the frame around all pages, which this runner leaves out."""
    app = page("cora", **query)
    assert len(app.exception) == 1
    assert "diagnosis" not in sent(app)


def test_the_transcript_comes_page_by_page_once_it_is_asked_for(workspace: Path) -> None:
    app = page("cora", traj=RUN)
    assert "transcript" not in sent(app)
    app.session_state["made"] = True
    app.run()
    assert not app.exception
    assert [entry["text"] for entry in sent(app)["transcript"]["entries"]] == [f"entry {n}" for n in range(1, 21)]
    app.number_input[0].set_value(2).run()
    assert [entry["text"] for entry in sent(app)["transcript"]["entries"]] == [f"entry {n}" for n in range(21, 26)]
    assert ["agent.md", "version 0123456789ab"] in sent(app)["prompts"]
    assert ["Cost limit", "$3.00"] in sent(app)["settings"]
    assert ["Use memory", "yes"] in sent(app)["settings"]


def test_the_heuristic_is_ordered_with_one_press(workspace: Path) -> None:
    app = page("eve", traj="run-2")
    app.session_state["new_diagnosis"] = True
    app.run()
    assert [box.value for box in app.selectbox] == [HEURISTIC]
    assert [button.label for button in app.button] == ["Diagnose"]
    app.button[0].click().run()
    assert not app.exception
    deadline = time.monotonic() + 60
    while any(job.ended_at is None for job in jobs().all(DiagnosisJob)) and time.monotonic() < deadline:
        time.sleep(0.02)  # clearing all caches at once may close the store first, under the job's hands
    st.cache_resource.clear()
    with Store.open_for_reading(workspace) as reader:
        assert [one.model for one in reader.diagnoses(["run-2"])] == [HEURISTIC, HEURISTIC]


@pytest.mark.parametrize("typed", ["heur", "Heuristic"])
def test_the_beginning_of_heuristic_is_no_model_of_a_server(workspace: Path, typed: str) -> None:
    app = page("eve", traj="run-2")
    app.session_state["new_diagnosis"] = True
    app.session_state["diagnose_model"] = typed
    app.run()
    assert not app.exception
    assert "nothing leaves this machine" in app.caption[0].value
    assert [button.label for button in app.button] == ["Diagnose"]


def test_an_adjudicator_cannot_send_the_server_s_key_elsewhere(workspace: Path) -> None:
    lead, adjudicator = (page(name, traj="run-2") for name in ("eve", "cora"))
    for app in (lead, adjudicator):
        app.session_state["new_diagnosis"] = True
        app.session_state["diagnose_model"] = "openai/some-model"
        app.run()
        assert not app.exception
    assert [field.label for field in lead.text_input] == ["API base"]
    assert [field.label for field in adjudicator.text_input] == []


def test_a_model_that_nobody_knows_cannot_be_started(workspace: Path) -> None:
    app = page("eve", traj="run-2")
    app.session_state["new_diagnosis"] = True
    app.session_state["diagnose_model"] = "no-such-provider-or-model"
    app.run()
    assert not app.exception
    assert "no-such-provider-or-model" in texts(app)
    assert [button.label for button in app.button] == []


def test_what_a_model_has_diagnosed_completely_is_left_out_of_a_batch(store: Store) -> None:
    complete, stopped = a_diagnosis(), make_diagnosis(make_run("run-2", 5).trajectory, "run-2", status="partial")
    for one in (complete, stopped):
        store.add_diagnosis(one, ())
    order = Order("openai/scripted", None, DiagnosisSettings(samples=3))
    assert [run.run_id for run in without_diagnosed(store, order, store.runs())] == ["run-2"]
    assert len(without_diagnosed(store, Order(HEURISTIC, None, DiagnosisSettings()), store.runs())) == 2


def test_a_batch_is_made_of_the_runs_that_pass_the_filters(workspace: Path) -> None:
    app = page("eve")
    app.session_state["batch"] = True
    app.session_state["runs"] = {"deep": "", "passing": ["run-2"]}
    app.run()
    assert not app.exception
    assert "0 runs of the table" in texts(app)  # the heuristic has diagnosed it
    app.toggle[0].set_value(False).run()
    assert [button.label for button in app.button] == ["Diagnose 1 run"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("observation:0-6", "output"),
        ("action:0-3", "cat"),
        ("observation:0-0", None),
        ("observation:5-99999", None),
        ("title:0-3", None),
        ("observation:-1-3", None),
        ("observation:0-3:4", None),
        ("", None),
    ],
)
def test_an_address_can_name_a_place_in_a_step(workspace: Path, asked: str, found: str | None) -> None:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "trajectory.py"))
    for key, value in {"traj": "run-2", "step": "2", "quote": asked}.items():
        app.query_params[key] = value
    told = sent(app.run())["viewer"]["quote"]
    assert (told and told["text"]) == found
