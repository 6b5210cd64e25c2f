"""The compare page: what is aligned and told of runs and diagnoses, and for whom labels leave the server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.alignment import Share
from codetracer_core.diagnosis_models import HEURISTIC
from codetracer_core.models import Outcome, Step
from codetracer_core.projects import Project
from codetracer_core.store import RunSummary, Store
from codetracer_core.tree import build_tree
from codetracer_core.ui.compare_choice import suggested
from codetracer_core.ui.compare_diagnoses import agreement_between, comparison_data, who_says
from codetracer_core.ui.comparing import share_words, start_place, texts, verdict_words
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, decide, make_label, make_run
from tests.ui.diagnoses import RUN, a_diagnosis, finding, make_diagnosis, quote
from tests.ui.test_diagnosing import transcript_of
from tests.ui.test_pages import sent
from tests.ui.test_pages import texts as words_on

OTHER, LONE = "run-2", "run-3"
ACTIONS = {
    RUN: ("ls", "cat app.py", "sed -i s/a/b/ app.py", "pytest -q", "submit"),
    OTHER: ("ls", "sed -i s/x/y/ app.py", "pytest -q", "rm -r build", "submit"),
}


def steps(*actions: str) -> list[Step]:
    return [Step(step_id=n, action=action, observation=f"saw {n}") for n, action in enumerate(actions, start=1)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two runs of one task, one of another. dan labels the first one blind, and ben labelled it, whom nobody
    asked to: what he says is told to others, what dan says is not yet."""
    place = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(place))
    place.mkdir()
    (place / "people.toml").write_text(
        '[people]\ncora = ["adjudicator"]\ndan = ["adjudicator", "annotator"]\nben = ["annotator"]\n'
    )
    runs = [
        make_run(RUN, steps(*ACTIONS[RUN]), task="fix-it", outcome=Outcome(solved=True, reason="passed")),
        make_run(OTHER, steps(*ACTIONS[OTHER]), task="fix-it", model="another-model"),
        make_run(LONE, 3, task=None),
    ]
    labels = [
        make_label(n, verdict, run_id=run_id, step_id=step, source=source, annotator=who, client=f"planted-{n}")
        for n, (run_id, step, verdict, source, who) in enumerate(
            [
                (RUN, 3, "incorrect", "ground_truth", "CodeTraceBench"),
                (OTHER, 2, "incorrect", "ground_truth", "CodeTraceBench"),
                (OTHER, 4, "unuseful", "model", "a-model (agent)"),
                (RUN, 2, "unuseful", "human", "dan"),
                (RUN, 4, "incorrect", "human", "ben"),
            ],
            start=1,
        )
    ]
    with Store.open(place) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(Project(project_id="pilot", annotators=("dan",), created_at=NOON), [RUN])
        assert store.add_label_events(labels).refused == ()
    st.cache_resource.clear()
    yield place
    st.cache_resource.clear()


def page(name: str = "", *, wants_labels: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "compare.py"))
    if name:
        app.session_state["annotator"] = name
    if wants_labels:
        app.session_state["compare_labels"] = wants_labels
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


BOTH = f"{RUN},{OTHER}"


def shown_to(place: Path, name: str) -> set[tuple[str, str]]:
    st.cache_resource.clear()
    with Store.open_for_reading(place) as reader:
        acts = [act for run_id in (RUN, OTHER) for act in reader.label_history(run_id)]
    return {(act.run_id, str(act.value)) for act in acts if act.field == "shown" and act.annotator == name}


# --- runs -----------------------------------------------------------------------------------------------------


def test_two_runs_stand_side_by_side(workspace: Path) -> None:
    app = page(runs=BOTH, step="B2")
    assert not app.exception
    told = sent(app)["comparison"]
    assert told["rows"] == [[1, 1], [2, None], [3, 2], [4, 3], [None, 4], [5, 5]]
    assert told["reasons"][2] == ["", "edits the same file"]
    assert told["strengths"] == ["ns", "nn", "na", "ns", "nn", "ns"]
    assert [told["partings"][0][name] for name in ("row", "meets")] == [2, [3, 5]]
    assert "4 alike" not in told["shares"][0]["words"]
    assert "80% of their steps in common: 3 by the same command, 1 alike" in told["shares"][0]["words"]
    assert told["start"] == {"column": 1, "step": 2}
    assert [run["outcome"] for run in told["runs"]] == ["solved", "not solved"]
    assert told["facts"][0] == "Steps"
    assert [run["facts"][0] for run in told["runs"]] == ["5", "5"]
    assert told["note"] == ""


def test_nothing_that_others_say_leaves_the_server_unasked(workspace: Path) -> None:
    told = sent(page("cora", runs=BOTH))["comparison"]
    assert told["hasLabels"]
    assert [run["marks"] for run in told["runs"]] == [{}, {}]
    assert "a-model (agent)" not in json.dumps(told)
    assert shown_to(workspace, "cora") == set()


def test_labels_that_are_asked_for_are_on_record(workspace: Path) -> None:
    told = sent(page("cora", wants_labels=BOTH, runs=BOTH))["comparison"]
    first, second = told["runs"]
    truth = {"who": "ground truth", "source": "ground_truth", "verdict": "incorrect"}
    assert first["marks"] == {"3": [truth], "4": [{"who": "A", "source": "human", "verdict": "incorrect"}]}
    assert second["marks"]["2"] == [truth]
    assert second["marks"]["4"] == [{"who": "a-model (agent)", "source": "model", "verdict": "unuseful"}]
    assert second["facts"][-1] == "a-model (agent): 1 unuseful; ground truth: 1 incorrect"
    seen = {(RUN, "peers"), (RUN, "ground_truth"), (OTHER, "ground_truth"), (OTHER, "model")}
    assert shown_to(workspace, "cora") == seen


def test_of_a_run_that_somebody_labels_blind_only_their_own_labels_are_sent(workspace: Path) -> None:
    told = sent(page("dan", wants_labels=BOTH, runs=BOTH))["comparison"]
    first, second = told["runs"]
    assert (first["isBlind"], second["isBlind"]) == (True, False)
    assert first["own"] == {"2": [{"who": "you", "source": "human", "verdict": "unuseful"}]}
    assert first["marks"] == {}
    assert set(second["marks"]) == {"2", "4"}
    assert shown_to(workspace, "dan") == {(OTHER, "ground_truth"), (OTHER, "model")}


def test_labels_are_shown_to_a_name_only(workspace: Path) -> None:
    app = page(wants_labels=BOTH, runs=BOTH)
    assert "Who is reading?" in words_on(app)
    assert "comparison" not in sent(app)


@pytest.mark.parametrize(
    "query",
    [
        {"runs": f"{RUN},no-such-run"},
        {"runs": "no-such-run"},
        {"runs": "a,b,c,d,e"},
        {"diagnoses": f"{'f' * 32},../../etc/passwd"},
        {"traj": "no-such-run"},
    ],
)
def test_what_is_not_there_is_refused(workspace: Path, query: dict[str, str]) -> None:
    """In words by the frame around all pages, which this runner leaves out."""
    app = page("cora", **query)
    assert len(app.exception) == 1
    assert set(sent(app)) <= {"page_style"}


def test_runs_of_unknown_or_different_tasks_are_said_to_be(workspace: Path) -> None:
    assert "not of one task" in sent(page(runs=f"{RUN},{LONE}"))["comparison"]["note"]


@pytest.mark.parametrize(
    ("asked", "column", "step"), [("", 0, 0), ("12", 0, 12), ("C7", 2, 7), ("<b>", 0, 0), ("A-1", 0, 0)]
)
def test_an_address_names_a_step_of_a_run(asked: str, column: int, step: int) -> None:
    assert start_place(asked) == {"column": column, "step": step}


def test_texts_are_sent_for_the_steps_asked_for_and_for_no_others() -> None:
    trajectories = [make_run(run_id, 4).trajectory for run_id in (RUN, OTHER)]
    found = texts({"steps": [[0, 1], [1, 4], [2, 1], [-1, 1], [0, 99], "x", [0]]}, trajectories)
    assert set(found) == {"0:1", "1:4"}
    assert found["1:4"]["action"]["text"] == trajectories[1].steps[3].action
    assert texts({"full": [1, 2]}, trajectories)["1:2"]["version"] == "whole"
    assert texts({"full": [5, 2], "steps": 7}, trajectories) == {}


def test_words_for_what_is_common_and_for_verdicts() -> None:
    assert share_words(Share(0, 0, 0, (0, 0)), 1) == "nothing to compare: neither run has a step"
    assert share_words(Share(1, 1, 1, (2, 1)), 2).endswith("1 only of the same kind · only A 2, only C 1")
    marks = [
        [{"who": "you", "verdict": "incorrect"}],
        [{"who": "you", "verdict": "incorrect"}, {"who": "B", "onset": 1}],
    ]
    assert verdict_words(marks) == "you: 2 incorrect"
    assert verdict_words([]) == "none shown"


# --- choosing -------------------------------------------------------------------------------------------------


def test_tasks_with_several_runs_come_first(workspace: Path) -> None:
    table = sent(page())["tasks"]
    assert [row["cells"]["task"]["text"] for row in table["rows"]] == ["fix-it"]
    assert table["rows"][0]["cells"]["task"]["href"] == "compare?task=fix-it"
    counts = {name: table["rows"][0]["cells"][name]["text"] for name in ("runs", "solved", "failed")}
    assert counts == {"runs": "2", "solved": "1", "failed": "1"}


def test_one_run_leads_to_the_others_of_its_task(workspace: Path) -> None:
    choice = sent(page(runs=RUN))["runs_of_task"]
    assert choice["chosen"] == [RUN]
    assert [row["id"] for row in choice["rows"]] == [OTHER, RUN]
    assert [pair["ids"] for pair in choice["suggested"]] == [[RUN, OTHER]]
    assert {row["id"]: (row["outcome"], row["cells"][1]) for row in choice["rows"]} == {
        RUN: ("solved", "solved"),
        OTHER: ("failed", "not solved"),
    }
    assert "name no task" in words_on(page(runs=LONE))


def test_more_than_fit_side_by_side_can_be_chosen_from(workspace: Path) -> None:
    with Store.open(workspace) as store:
        more = [make_run(f"more-{n}", 3, task="fix-it") for n in range(3)]
        store.add_runs(more, decisions=[decide(run) for run in more])
    st.cache_resource.clear()
    app = page(runs=",".join([RUN, OTHER, *(run.run_id for run in more)]))
    assert [one.value for one in app.warning] == ["5 runs do not fit side by side. Choose at most 4."]
    assert len(sent(app)["runs_of_task"]["chosen"]) == 5


def summaries(place: Path) -> dict[str, RunSummary]:
    st.cache_resource.clear()
    with Store.open_for_reading(place) as reader:
        return {run.run_id: run for run in reader.runs()}


def test_solved_against_failed_is_suggested_first_of_one_model(workspace: Path) -> None:
    run = summaries(workspace)[RUN]
    solved = run._replace(run_id="s", outcome="solved", model="m")
    same = run._replace(run_id="f1", outcome="failed", model="m")
    other = run._replace(run_id="f2", outcome="failed", model="n")
    told = [(one.run_id, two.run_id) for one, two in suggested([other, solved, same])]
    assert told == [("s", "f1"), ("s", "f2")]
    unknown = [one._replace(outcome="unknown") for one in (solved, same, other)]
    assert [(one.run_id, two.run_id) for one, two in suggested(unknown)] == [("s", "f2"), ("f1", "f2")]


# --- diagnoses ------------------------------------------------------------------------------------------------


def two_diagnoses() -> tuple[Any, Any]:
    trajectory = make_run(RUN, 5).trajectory
    one = a_diagnosis()
    other = a_diagnosis(
        onset=one.onset[1:],
        findings=(finding(2, [quote(trajectory, 2, trajectory.steps[1].action[:6], "action")], verdict="unuseful"),),
    )
    return one, other


def test_findings_of_two_diagnoses_stand_beside_each_other_by_step() -> None:
    one, other = two_diagnoses()
    told = comparison_data([one, other], build_tree(make_run(RUN, 5).trajectory))
    assert [(line["step"], line["who"]) for line in told["steps"]] == [
        (2, "both, with different verdicts"),
        (3, "no label"),
        (4, "only A"),
    ]
    assert [cell and cell["verdict"] for cell in told["steps"][0]["cells"]] == ["incorrect", "unuseful"]
    assert told["steps"][1]["cells"][0]["isLabel"] is False
    assert told["steps"][2]["cells"][1] is None
    assert [len(column["onset"]) for column in told["columns"]] == [2, 1]


def test_how_far_two_diagnoses_agree() -> None:
    one, other = two_diagnoses()
    assert agreement_between(one, one) == "self-agreement: same on 2 of 2 labelled steps · same onset"
    # the second one's only candidate has no evidence of its own, and its step is no finding: it is no onset
    assert agreement_between(one, other) == "self-agreement: same on 0 of 2 labelled steps · only one names an onset"
    clean = a_diagnosis(model=HEURISTIC, conclusion="no_error_found", findings=(), onset=())
    assert agreement_between(clean, clean.model_copy()) == "self-agreement: neither labels a step"
    assert agreement_between(one, clean).endswith("only one names an onset · different conclusions")


def test_who_says_what_of_a_step_in_words() -> None:
    label = {"verdict": "incorrect", "isLabel": True}
    assert who_says([label, label]) == "both"
    assert who_says([label, label, label]) == "all"
    assert who_says([label, None, label]) == "only A and C"
    assert who_says([{**label, "isLabel": False}, None]) == "no label"


def test_diagnoses_are_told_to_a_name_and_to_nobody_who_labels_the_run_blind(workspace: Path) -> None:
    with Store.open(workspace) as store:
        trajectory = store.load_run(OTHER).trajectory
        given: dict[str, Any] = {"error_chain": (), "decision_points": (), "onset": (), "summary": "planted-summary"}
        found = [
            make_diagnosis(trajectory, run_id, findings=(finding(2, [quote(trajectory, 2, "saw")]),), **given)
            for run_id in (OTHER, OTHER, RUN)
        ]
        for one in found:
            store.add_diagnosis(one, transcript_of(one))
    ids = [one.diagnosis_id for one in found]
    st.cache_resource.clear()
    nobody = page(diagnoses=",".join(ids[:2]))
    assert "Who is reading?" in words_on(nobody)
    assert "planted-summary" not in json.dumps(sent(nobody))
    app = page("cora", diagnoses=",".join(ids[:2]))
    assert not app.exception
    assert [column["summary"] for column in sent(app)["diagnosis_comparison"]["columns"]] == ["planted-summary"] * 2
    choice = sent(page("cora", traj=OTHER))["diagnoses_of"]
    assert {row["id"] for row in choice["rows"]} == set(ids[:2])
    assert choice["suggested"][0]["words"] == "openai/scripted (agent), twice"
    blind = page("dan", diagnoses=f"{ids[0]},{ids[2]}")
    assert len(blind.exception) == 1
    assert "planted-summary" not in json.dumps(sent(blind))
    assert len(page("dan", traj=RUN).exception) == 1
    of_two_runs = page("cora", diagnoses=f"{ids[0]},{ids[2]}")
    assert len(of_two_runs.exception) == 1
    assert "diagnosis_comparison" not in sent(of_two_runs)
    assert (OTHER, "model") in shown_to(workspace, "cora")
    assert not {act for act in shown_to(workspace, "dan") if act[0] == RUN}
