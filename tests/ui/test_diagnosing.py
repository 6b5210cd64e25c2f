"""The diagnose page: what of a diagnosis leaves the server, what is decided on it, who may order one, jobs."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.adjudication import voice_id
from codetracer_core.diagnosis import Progress
from codetracer_core.diagnosis_models import HEURISTIC, CallUsage, Diagnosis, DiagnosisSettings, EvidenceCheck
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.tree import build_tree
from codetracer_core.ui.deciding import take_decisions
from codetracer_core.ui.diagnosing import job_data, transcript_entry
from codetracer_core.ui.diagnosis_batch import without_diagnosed
from codetracer_core.ui.diagnosis_jobs import Job, Jobs, RunOfJob
from codetracer_core.ui.diagnosis_order import Order
from codetracer_core.ui.diagnosis_report import (
    agreement_words,
    duration_words,
    evidence_words,
    facts,
    headline,
    made_by,
    money,
    report_data,
    tokens_words,
)
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, decide, make_label, make_run
from tests.ui.diagnoses import finding, make_diagnosis, quote, transcript_of
from tests.ui.test_pages import sent, texts

RUN = "run-1"


# --- the report -----------------------------------------------------------------------------------------------


def a_diagnosis(**fields: Any) -> Diagnosis:
    return make_diagnosis(make_run(RUN, 5).trajectory, RUN, **fields)


def a_report(diagnosis: Diagnosis) -> dict[str, Any]:
    return report_data(diagnosis, build_tree(make_run(RUN, 5).trajectory))


def test_a_report_tells_labels_by_stage_and_keeps_apart_what_is_none() -> None:
    told = a_report(a_diagnosis())
    assert [(stage["title"], stage["range"]) for stage in told["stages"]] == [
        ("Stage 1: look around", "steps 1–2"),
        ("Stage 2: edit", "steps 3–5"),
    ]
    assert [[one["step"] for one in stage["findings"]] for stage in told["stages"]] == [[2], [4]]
    (first,), _ = (stage["findings"] for stage in told["stages"])
    assert (first["verdict"], first["instead"]) == ("incorrect", "Edit the parser.")
    assert first["chips"] == ["wrong target", "critical", "high confidence"]
    assert first["citations"] == [
        {"step": 2, "text": "cat file_2.py", "field": "action", "quote": "action:0-13"},
    ]
    (lost,) = told["unsupported"]
    assert lost["step"] == 3
    assert lost["citations"] == [{"step": 3, "text": "words that nobody said", "field": "", "quote": ""}]
    assert told["strip"] == {
        "count": 5,
        "stages": [[1, 2, "look around"], [3, 5, "edit"]],
        "read": [(1, 4)],
        "verdicts": {"2": "incorrect", "4": "unuseful"},
        "onset": 2,
    }
    assert told["chain"][2]["from"] == [2, 3]
    assert told["steps"]["2"] == "cat file_2.py"
    json.dumps(told)


def test_what_only_a_minority_of_the_samples_says_is_no_label() -> None:
    trajectory = make_run(RUN, 5).trajectory
    once = finding(2, [quote(trajectory, 2, "cat", "action")], support=1 / 3)
    told = a_report(a_diagnosis(findings=(once,)))
    assert ([one["step"] for one in told["doubted"]], told["unsupported"], told["stages"]) == ([2], [], [])
    assert told["strip"]["verdicts"] == {}


def test_a_label_outside_of_all_stages_is_not_lost() -> None:
    told = a_report(a_diagnosis(stages=()))
    assert [(stage["title"], len(stage["findings"])) for stage in told["stages"]] == [("", 2)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Error found: off track at step 2"),
        ({"onset": ()}, "Error found"),
        ({"conclusion": "no_error_found"}, "No error found"),
        ({"conclusion": "undecided"}, "Undecided"),
        ({"status": "failed", "conclusion": "undecided"}, "The diagnosis failed"),
    ],
)
def test_the_headline_says_what_it_comes_to(fields: dict[str, Any], said: str) -> None:
    assert headline(a_diagnosis(**fields)) == said


def test_a_diagnosis_that_was_stopped_is_no_verdict_on_the_run() -> None:
    assert a_report(a_diagnosis())["runVerdict"] == "has_error"
    assert a_report(a_diagnosis(status="partial", status_reason="the cost limit was reached"))["runVerdict"] == ""


def test_cost_that_is_not_known_is_said_to_be_so() -> None:
    unknown = a_diagnosis(usage={"investigate": CallUsage(calls=1, prompt_tokens=999, cost_usd=None)})
    assert dict(facts(unknown))["Cost"] == "cost unknown"
    assert dict(facts(a_diagnosis()))["Cost"] == "$0.053"
    assert "Cost" not in dict(facts(a_diagnosis(model=HEURISTIC)))


def test_figures_in_words() -> None:
    assert [money(usd) for usd in (0, 0.00042, 0.0312, 3, 1234.5)] == [
        "$0.00",
        "$0.0004",
        "$0.031",
        "$3.00",
        "$1,234.50",
    ]
    counts = (0, 999, 1_000, 83_000, 166_049, 999_600, 10_400_000)
    assert [tokens_words(count) for count in counts] == ["0", "999", "1.0k", "83.0k", "166k", "1.0M", "10.4M"]
    assert [duration_words(seconds) for seconds in (0.2, 74, 300, 9_000)] == [
        "under a second",
        "74 s",
        "5 min",
        "2.5 h",
    ]
    assert made_by(a_diagnosis()) == "openai/scripted · strategy agent · 3 samples"
    assert made_by(a_diagnosis(samples_finished=1)) == "openai/scripted · strategy agent · 1 of 3 samples"
    assert evidence_words(EvidenceCheck()) == "No quote was given"
    assert evidence_words(EvidenceCheck(quotes=1)) == "1 quote looked up in the run, all found"
    assert evidence_words(EvidenceCheck(quotes=5, unsupported=2, unread=1, unknown_steps=3, asked_again=2)) == (
        "5 quotes looked up in the run, 3 found · 1 label refused: the step was never read · "
        "3 statements on steps that the run does not have · asked again 2 times"
    )


def test_agreement_counts_the_steps_that_either_diagnosis_labels() -> None:
    trajectory = make_run(RUN, 5).trajectory
    other = a_diagnosis(findings=(finding(2, [quote(trajectory, 2, "cat", "action")]),))
    assert agreement_words(a_diagnosis(), other) == "same on 1 of 2 labelled steps"
    assert agreement_words(a_diagnosis(findings=()), a_diagnosis(findings=())) == ""


@pytest.mark.parametrize(
    ("asked_for", "finished", "samples"), [(1, 1, 1), (1, 0, 1), (3, 3, 3), (3, 1, 1), (3, 0, None)]
)
def test_an_onset_has_a_rank_and_the_number_of_samples_behind_it(
    asked_for: int, finished: int, samples: int | None
) -> None:
    told = a_report(a_diagnosis(settings=DiagnosisSettings(samples=asked_for), samples_finished=finished))
    assert told["samples"] == samples
    assert [one["place"] for one in told["onset"]] == ["named first", "named second"]


def test_an_entry_of_a_transcript_is_told_as_text() -> None:
    asked = {
        "sample": 2,
        "phase": "",
        "kind": "message",
        "at": "2026-03-01T12:00:07+00:00",
        "role": "assistant",
        "text": "Let me see.",
        "tool_requests": [{"call_id": "c", "name": "read_steps", "arguments": '{"steps": [1]}'}],
    }
    assert transcript_entry(asked, 7) == {
        "title": "7. model",
        "facts": "sample 2 · 12:00:07",
        "text": 'Let me see.\n\nread_steps {\n "steps": [\n  1\n ]\n}',
    }
    used = {"sample": 1, "phase": "investigate", "kind": "usage", **CallUsage(calls=1, prompt_tokens=50).model_dump()}
    assert transcript_entry(used, 1)["facts"] == "sample 1 · $0.00 · 1 call · 50 tokens"
    long = transcript_entry({"kind": "message", "role": "tool", "text": "x" * 30_000}, 1)["text"]
    assert long.endswith("… 10,000 more characters")


# --- deciding -------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two runs and people; dan labels the first run blind."""
    place = tmp_path / "workspace"
    place.mkdir()
    (place / "people.toml").write_text(
        '[people]\ncora = ["adjudicator"]\ndan = ["adjudicator", "annotator"]\neve = ["lead"]\nrita = ["reader"]\n'
    )
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(place))
    with Store.open(place) as opened:
        runs = [make_run(run_id, 5) for run_id in (RUN, "run-2")]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        opened.create_project(Project(project_id="pilot", annotators=("dan",), created_at=datetime.now(UTC)), [RUN])
    return place


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with Store.open(place) as opened:
        yield opened


def send(store: Store, diagnosis: Diagnosis, *ops: dict[str, Any], client: str = "browser") -> list[str]:
    """What is refused of these acts, in words."""
    common = {"run": RUN, "diagnosis": diagnosis.diagnosis_id, "step": 2, "field": "verdict", "annotator": "cora"}
    numbered = [common | {"sequence": at, "at": "2026-03-01T12:00:00.000Z"} | op for at, op in enumerate(ops, start=1)]
    acknowledged, refused = take_decisions(store, [{"client": client, "ops": numbered}])
    assert acknowledged == {client: len(ops)}, "what is refused is settled, too"
    return refused


def adjudicated(store: Store) -> dict[tuple[int | None, str], Any]:
    return {(one.step_id, one.field): one.value for one in store.labels(RUN, source="adjudicated")}


def test_an_accepted_label_rests_on_the_model_and_takes_its_reasons_along(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    accepted = [
        {"value": "incorrect"},
        {"field": "details", "value": {"as": "model"}},
        {"field": "basis", "value": {"taken": "model"}},
        {"step": None, "field": "onset", "value": 2},
        {"step": None, "field": "run_verdict", "value": "has_error"},
    ]
    assert send(store, diagnosis, *accepted) == []
    said = adjudicated(store)
    author = "openai/scripted (agent)"
    assert said[2, "basis"] == {"taken": author, "positions": {author: "incorrect"}}
    assert said[2, "verdict"] == "incorrect"
    assert said[2, "details"]["reason"] == "reason of step 2"
    assert said[2, "details"]["quotes"][0]["text"] == "cat file_2.py"
    assert (said[None, "onset"], said[None, "run_verdict"]) == (2, "has_error")


def test_another_verdict_is_new_and_tells_what_the_model_had_said(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    before = {"taken": "ann", "positions": {"ann": "correct", "bob": "unuseful"}}
    store.add_label_events([make_label(1, before, step_id=2, field="basis", source="adjudicated", client="before")])
    rejected = [{"value": "correct"}, {"field": "basis", "value": {"taken": "new"}}]
    assert send(store, diagnosis, *rejected) == []
    assert adjudicated(store)[2, "basis"] == {
        "taken": "new",
        "positions": {"ann": "correct", "bob": "unuseful", "openai/scripted (agent)": "incorrect"},
    }
    assert send(store, diagnosis, {"field": "basis", "value": {"taken": voice_id(RUN, "ann")}}, client="undo") == []
    assert adjudicated(store)[2, "basis"]["taken"] == "ann", "the browser does not know the name"
    assert send(store, diagnosis, {"value": None}, {"field": "basis", "value": None}, client="back") == []
    assert adjudicated(store) == {}


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ({"annotator": "eve"}, "does not have the role adjudicator"),
        ({"annotator": "dan"}, "labels this run blind"),
        ({"annotator": " "}, "not understood"),
        ({"diagnosis": "0" * 32}, "there is no diagnosis"),
        ({"run": "run-2"}, "of another run"),
        ({"step": 3}, "no label on step 3"),
        ({"step": 5}, "no label on step 5"),
        ({"field": "chain", "value": True}, "only verdicts"),
        ({"field": "flag", "value": True}, "only verdicts"),
        ({"field": "note", "step": None, "value": "a note"}, "only verdicts"),
        ({"field": "worked", "step": None, "value": 5}, "only verdicts"),
        ({"field": "basis", "value": {"taken": "f" * 12}}, "one of those whose positions are told"),
        ({"field": "basis", "value": "model"}, "not understood"),
        ({"field": "shown", "step": None, "value": "none"}, "not understood"),
        ({"value": "wrong"}, "is no verdict"),
    ],
)
def test_whoever_may_not_decide_is_refused_in_words(store: Store, op: dict[str, Any], reason: str) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    (words,) = send(store, diagnosis, {"value": "incorrect"} | op)
    assert reason in words
    assert adjudicated(store) == {}


def test_a_decision_says_that_its_author_had_seen_what_the_model_says(store: Store) -> None:
    diagnosis = a_diagnosis()
    store.add_diagnosis(diagnosis, ())
    seen = make_label(1, "model", field="shown", step_id=None, annotator="cora", client="page")
    store.add_label_events([seen])
    assert send(store, diagnosis, {"value": "incorrect"}) == []
    assert {one.exposure for one in store.labels(RUN, source="adjudicated")} == {"model"}


# --- jobs -----------------------------------------------------------------------------------------------------


def a_job(*run_ids: str) -> Job:
    return Job("openai/scripted · agent", "cora", {run_id: RunOfJob(run_id, f"task of {run_id}") for run_id in run_ids})


def told_now(text: str = "read", **fields: Any) -> Progress:
    given: dict[str, Any] = {"at": NOON, "sample": 1, "kind": "read", "text": text, "usage": CallUsage(calls=2)}
    return Progress(**(given | fields))


def done(job: Job, work: Any) -> Jobs:
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

    def work(job: Job) -> None:
        job.hear(RUN, told_now())
        heard.append(job.runs[RUN].state)
        job.keep(diagnosis)

    jobs = done(job, work)
    run = jobs.job(job.job_id).runs[RUN]
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

    def work(job: Job) -> None:
        job.runs[RUN].state = "running"
        began.set()
        while not job.is_cancelled():
            time.sleep(0.001)
        job.end(RUN, "cancelled", "cancelled", CallUsage(calls=3))

    jobs = Jobs()
    jobs.start(job, work)
    assert began.wait(10)
    job.cancel()
    jobs.end()
    assert [(run.state, run.words) for run in job.runs.values()] == [
        ("cancelled", "cancelled"),
        ("cancelled", "cancelled before it began"),
    ]


def test_a_job_that_cannot_begin_says_why() -> None:
    def work(_: Job) -> None:
        raise CodeTracerError("nobody knows this model", remedy="Name another one.")

    job = a_job(RUN)
    done(job, work)
    assert (job.runs[RUN].state, job.runs[RUN].words) == ("failed", "nobody knows this model. Name another one.")


def test_a_mistake_of_ours_is_not_told_to_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Job) -> None:
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
    assert len(jobs.all()) == 30
    assert jobs.all()[0] is job
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


def test_the_heuristic_is_ordered_with_one_press(workspace: Path) -> None:
    app = page("eve", traj="run-2")
    app.session_state["new_diagnosis"] = True
    app.run()
    assert [box.value for box in app.selectbox] == [HEURISTIC]
    assert [button.label for button in app.button] == ["Diagnose"]
    app.button[0].click().run()
    assert not app.exception
    st.cache_resource.clear()  # the end of the server waits for its jobs
    with Store.open_for_reading(workspace) as reader:
        assert [one.model for one in reader.diagnoses(["run-2"])] == [HEURISTIC, HEURISTIC]


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
