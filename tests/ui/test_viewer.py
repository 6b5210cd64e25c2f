"""What the step viewer asks of Python: outline, step text, finding, labels. Real runs, a real store."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.models import (
    Branch,
    LabelEvent,
    Outcome,
    SourceRef,
    Stage,
    Step,
    TestResult,
    ToolCall,
    Trajectory,
    hash_of_quote,
)
from codetracer_core.people import LONGEST_NAME
from codetracer_core.store import Store
from codetracer_core.tree import build_tree
from codetracer_core.ui.viewer import _MOST_OPS, said_by, take_labels
from codetracer_core.viewer_data import (
    FIELD_CHARACTERS,
    MOST_HITS,
    MOST_TESTS,
    WINDOW_CHARACTERS,
    about,
    find_steps,
    outline,
    step_texts,
    whole_step,
)
from tests.store.factory import decide, make_run, make_step


def run_of(*steps: Step, **header: Any) -> Trajectory:
    return make_run(steps=steps, **header).trajectory


# --- outline --------------------------------------------------------------------------------------------------


def test_the_outline_has_one_entry_per_step_in_every_column() -> None:
    trajectory = run_of(
        make_step(1, exit_code=None),
        make_step(2, parallel_group=2),
        make_step(3, parallel_group=2, exit_code=1),
        make_step(4, branch="helper"),
        Step(step_id=5, action="I am done.", is_message=True),
        branches=(Branch(branch_id="helper", name="Helper", parent_step_id=3),),
    )
    columns = outline(trajectory, build_tree(trajectory))
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(columns, 5)
    assert columns["kind"] == "eecem"
    assert columns["state"] == [0, 0, 1, 1, 1]
    assert columns["group"] == [0, 2, 2, 0, 0]
    assert columns["branch"] == [-1, -1, -1, 0, -1]
    assert columns["exit"] == [None, 0, 1, 0, None]
    assert columns["label"][2] == "sed -i s/3/x/ app.py"


def test_a_run_without_steps_has_an_empty_outline() -> None:
    empty = run_of()
    assert all(len(column) == 0 for column in outline(empty, build_tree(empty)).values())


# --- the task and how it ended --------------------------------------------------------------------------------


def test_the_task_and_the_tests_that_did_not_pass_go_to_the_viewer() -> None:
    tests = [TestResult(name=f"test_{n}", status="passed" if n < 3 else "failed") for n in range(1, 20)]
    source = SourceRef(path="result.json", line_start=3, line_end=3)
    trajectory = run_of(
        task_text="x" * (FIELD_CHARACTERS + 5),
        outcome=Outcome(solved=False, reason="reward 0.0", source=source),
        exit_status="Submitted",
        tests=tuple(tests),
        notes=("2 replies were refused for the format.",),
    )
    told = about(trajectory)
    assert told["task"] == {"text": "x" * FIELD_CHARACTERS, "length": FIELD_CHARACTERS + 5, "cut": True}
    assert (told["reason"], told["source"], told["ending"]) == ("reward 0.0", "result.json, line 3", "Submitted")
    assert (told["tests"], told["passed"]) == (19, 2)
    assert told["notes"] == ["2 replies were refused for the format."]
    assert told["left"] == [(f"test_{n}", "failed") for n in range(3, 3 + MOST_TESTS)]
    whole = about(trajectory, whole=True)
    assert not whole["task"]["cut"]
    assert len(whole["left"]) == 17


def test_what_the_files_do_not_say_of_the_task_is_not_made_up() -> None:
    told = about(run_of(task_text=None, outcome=Outcome(reason="no result file")))
    assert told == {
        "task": None,
        "reason": "no result file",
        "source": "",
        "ending": "",
        "tests": 0,
        "passed": 0,
        "left": [],
        "notes": [],
    }


# --- text of steps --------------------------------------------------------------------------------------------


def test_texts_come_in_the_order_asked_for_and_unknown_numbers_are_passed_over() -> None:
    texts = step_texts(run_of(make_step(1), make_step(2), make_step(3)), [3, 0, -1, 1, 4, 99])
    assert list(texts) == ["3", "1"]
    assert texts["3"]["action"] == {"text": "sed -i s/3/x/ app.py", "length": 20, "cut": False}
    assert texts["3"]["version"] == "window"


def test_missing_and_empty_observations_differ() -> None:
    texts = step_texts(run_of(make_step(1, observation=None), make_step(2, observation="")), [1, 2])
    assert texts["1"]["observation"] is None
    assert texts["2"]["observation"] == {"text": "", "length": 0, "cut": False}


def test_an_answer_stops_at_its_budget_but_always_holds_the_first_step() -> None:
    third = WINDOW_CHARACTERS // 12 - 1  # four steps fit
    assert third <= FIELD_CHARACTERS
    run = run_of(
        *(Step(step_id=n, action="a" * third, observation="o" * third, thought="t" * third) for n in range(1, 10))
    )
    assert list(step_texts(run, [5, 2, 1, 3, 4, 6])) == ["5", "2", "1", "3"]
    huge = Step(step_id=1, action="a" * FIELD_CHARACTERS, observation="o" * FIELD_CHARACTERS)
    assert list(step_texts(run_of(huge), [1])) == ["1"]


def test_long_fields_are_cut_in_windows_and_whole_on_demand() -> None:
    run = run_of(make_step(1, observation="ä" * (FIELD_CHARACTERS + 1), thought="ü" * FIELD_CHARACTERS))
    window = step_texts(run, [1])["1"]
    assert window["observation"] == {
        "text": "ä" * FIELD_CHARACTERS,
        "length": FIELD_CHARACTERS + 1,
        "cut": True,
    }
    assert not window["thought"]["cut"]
    whole = whole_step(run, 1)["1"]
    assert whole["version"] == "whole"
    assert whole["observation"]["length"] == len(whole["observation"]["text"]) == FIELD_CHARACTERS + 1
    assert not whole["observation"]["cut"]


@pytest.mark.parametrize("number", [0, -1, 2, 10**30])
def test_there_is_no_whole_step_beyond_the_run(number: int) -> None:
    assert whole_step(run_of(make_step(1)), number) == {}


def test_arguments_are_shown_one_by_one_only_where_the_action_is_not_one_of_them() -> None:
    command = make_step(1)
    edit = ToolCall(name="edit", arguments={"path": "a.py", "old_str": "b", "lines": [1, 2], "deep": {"ключ": None}})
    structured = make_step(2, action=edit.text(), tool=edit)
    raw = make_step(3, action="not json", tool=ToolCall(name="edit", arguments="not json"))
    bare = make_step(4, tool=None)
    texts = step_texts(run_of(command, structured, raw, bare), [1, 2, 3, 4])
    assert [texts[str(n)]["arguments"] is None for n in (1, 2, 3, 4)] == [True, False, True, True]
    arguments = {argument["name"]: argument["text"] for argument in texts["2"]["arguments"]}
    assert arguments == {"path": "a.py", "old_str": "b", "lines": "[1, 2]", "deep": '{"ключ": null}'}


def test_the_language_follows_the_tool_and_messages_have_none() -> None:
    python = make_step(2, tool=ToolCall(name="execute_ipython_cell", arguments={"code": "1"}), action="1")
    texts = step_texts(run_of(make_step(1), python, Step(step_id=3, action="Done.", is_message=True)), [1, 2, 3])
    assert [texts[str(n)]["language"] for n in (1, 2, 3)] == ["bash", "python", None]


def test_metadata_names_the_source_of_each_text() -> None:
    facts = dict(step_texts(run_of(make_step(1)), [1])["1"]["facts"])
    assert facts == {
        "Native ids": "event-1",
        "Tool call id": "call_1",
        "Time": "2026-03-01 12:00:01+00:00",
        "Source of the action": "run.json, line 1, /0",
    }


# --- find -----------------------------------------------------------------------------------------------------


def test_find_counts_in_action_observation_and_thought_whatever_the_case() -> None:
    run = run_of(
        make_step(1, action="grep STRASSE", observation="Straße", thought=None, tool=None),
        make_step(2, observation="nothing here", thought="the strasse, the Strasse"),
        make_step(3, observation=None, thought=None),
    )
    assert find_steps(run, "sTrasse") == [{"step": 1, "count": 2}, {"step": 2, "count": 2}]


def test_find_reads_what_is_seen_not_the_colours() -> None:
    run = run_of(make_step(1, observation="\x1b[31mFAI\x1b[0mLED 31m"))
    assert find_steps(run, "failed") == [{"step": 1, "count": 1}]
    assert find_steps(run, "[31m") == []


@pytest.mark.parametrize("query", [".*", "(", "\\", "{run_id}", "%s", "<script>"])
def test_find_takes_the_query_as_text(query: str) -> None:
    run = run_of(make_step(1, observation=f"a {query} b"), make_step(2, observation="aaa"))
    assert find_steps(run, query) == [{"step": 1, "count": 1}]


def test_find_answers_nothing_to_nothing_and_stops_at_its_limit() -> None:
    run = run_of(*(Step(step_id=n, action="same") for n in range(1, MOST_HITS + 10)))
    assert find_steps(run, "") == []
    assert find_steps(run, "same") == [{"step": n, "count": 1} for n in range(1, MOST_HITS + 1)]


# --- labels ---------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    runs = [make_run("run-1", 5), make_run("run-2", 3)]
    with Store.open(tmp_path / "workspace") as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        yield store


def op(sequence: Any, step: int | None = 1, value: Any = "incorrect", **fields: Any) -> dict[str, Any]:
    given = {"run": "run-1", "annotator": "Ana", "field": "verdict", "at": "2026-03-01T12:00:00.000Z"}
    return {"sequence": sequence, "step": step, "value": value, **given, **fields}


def batch(*ops: Any, client: str = "tab-1") -> dict[str, Any]:
    return {"client": client, "ops": list(ops)}


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else []


def stage(start: int, end: int, *, number: int = 1, name: str = "") -> dict[str, Any]:
    return {"stage_id": number, "start_step_id": start, "end_step_id": end, "name": name}


def in_force(store: Store, run: str = "run-1", annotator: str = "Ana") -> dict[int, str]:
    return dict(said_by(store, run, annotator).verdicts)


def test_a_batch_sent_again_and_again_is_stored_once(store: Store) -> None:
    sent = batch(op(1, 1), op(2, 2, "unuseful"), op(3, 1, "correct"))
    for _ in range(3):
        assert take_labels(store, [sent]) == ({"tab-1": 3}, [])
    assert take_labels(store, [batch(op(3, 1, "correct"), op(4, 3, None))]) == ({"tab-1": 4}, [])
    assert in_force(store) == {1: "correct", 2: "unuseful"}
    assert [event.sequence for event in store.label_history("run-1")] == [1, 2, 3, 4]


def test_a_verdict_is_taken_back_by_none(store: Store) -> None:
    take_labels(store, [batch(op(1, 1), op(2, 1, None))])
    assert in_force(store) == {}


def test_several_clients_in_one_message_are_settled_each(store: Store) -> None:
    settled = take_labels(store, [batch(op(7, 1), client="old tab"), batch(op(1, 2), op(2, 3), client="new tab")])
    assert settled == ({"old tab": 7, "new tab": 2}, [])
    assert set(in_force(store)) == {1, 2, 3}


def test_labels_of_another_run_and_person_find_their_way(store: Store) -> None:
    take_labels(store, [batch(op(1, 2, run="run-2"), op(2, 2, "correct", annotator="Ben"))])
    assert in_force(store) == {}
    assert in_force(store, "run-2") == {2: "incorrect"}
    assert in_force(store, annotator="Ben") == {2: "correct"}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (op(2, run="no such run"), "there is no run 'no such run'"),
        (op(2, step=6), "run 'run-1' has 5 steps, there is no step 6"),
        (op(2, step=0), "label 2: not understood"),
        (op(2, step=None), "a verdict needs a step"),
        (op(2, value="wrong"), "'wrong' is no verdict"),
        (op(2, field="stage_reasons"), "label 2: not understood"),
        (op(2, field="stages", step=None, value="all"), "its value is no list of stages"),
        (op(2, field="stages", step=None, value=[stage(1, 3), stage(3, 5, number=2)]), "stage 2 begins at step 3"),
        (op(2, field="shown", step=None, value="ground_truth"), "label 2: not understood"),
        (op(2, field="onset", step=None, value=6), "a failure onset is a step from 1 to 5"),
        (op(2, field="details", value={"reason": 5}), "its details cannot be stored (reason"),
        (op(2, field="details", value={"mood": "bad"}), "its details cannot be stored (mood"),
        (op(2, field="onset", step=3, value=3), "a failure onset is a mark of the whole run"),
        (op(2, None, True, field="chain"), "an error chain is marked step by step"),
        (op(2, value=1, field="chain"), "a mark is set (true) or taken back (null), not '1'"),
        (op(2, value="yes", field="flag"), "a mark is set (true) or taken back (null), not 'yes'"),
        (op(2, None, "have tested", field="omission"), "an omission needs the step after which"),
        (op(2, value=" \n", field="omission"), "it holds no text"),
        (op(2, value=["x"], field="omission"), "it holds no text"),
        (op(2, value="x" * 10_001, field="omission"), "its text has 10,001 characters, 10,000 are the most"),
        (op(2, 1, "a note", field="note"), "a note is on the whole run"),
        (op(2, None, "", field="note"), "it holds no text"),
        (op(2, 1, "no_error", field="run_verdict"), "this is a verdict on the whole run"),
        (op(2, None, "incorrect", field="run_verdict"), "'incorrect' is no verdict on a run (no_error, has_error"),
        (op(2, 1, ["loop"], field="tags"), "tags are of the whole run"),
        (op(2, None, "loop", field="tags"), "tags are a list of texts"),
        (op(2, None, ["loop", " "], field="tags"), "tags are a list of texts"),
        (op(2, None, ["loop", ["loop"]], field="tags"), "tags are a list of texts"),
        (op(2, None, [], field="tags"), "a run has 1 to 20 tags"),
        (op(2, None, [str(n) for n in range(21)], field="tags"), "a run has 1 to 20 tags"),
        (op(2, None, ["loop", "loop"], field="tags"), "each of them once"),
        (op(2, None, ["x" * 61], field="tags"), "a tag has at most 60 characters"),
        (op(2, value={"nested": []}), "is no verdict"),
        (op(2, at="yesterday"), "label 2: not understood"),
        (op(2, at=None), "label 2: not understood"),
        (op(2, at="0001-01-01T00:00:00+23:00"), "label 2: not understood"),
        (op(2, annotator=" "), "label 2: not understood"),
        ({"sequence": 2}, "label 2: not understood"),
        ({"step": 1}, "label None: not understood"),
        (op("second"), "label second: not understood"),
        ("nonsense", "not understood"),
    ],
)
def test_what_cannot_be_stored_is_told_and_does_not_hold_up_the_rest(store: Store, bad: Any, said: str) -> None:
    acknowledged, refused = take_labels(store, [batch(op(1, 1), bad, op(3, 3))])
    assert acknowledged == {"tab-1": 3}
    assert len(refused) == 1
    assert said in refused[0]
    assert in_force(store) == {1: "incorrect", 3: "incorrect"}


def test_a_label_that_is_refused_alone_is_settled_too(store: Store) -> None:
    acknowledged, refused = take_labels(store, [batch(op(9, step=99))])
    assert acknowledged == {"tab-1": 9}
    assert len(refused) == 1


@pytest.mark.parametrize("name", ["x" * 500, "x" * (LONGEST_NAME - 1) + "  and more", "  Ana  "])
def test_names_are_stored_as_the_session_knows_them(store: Store, name: str) -> None:
    take_labels(store, [batch(op(1, annotator=name))])
    stored = store.labels("run-1", source="human")[0].annotator
    assert stored == name.strip()[:LONGEST_NAME].strip()


def test_the_time_of_the_act_is_kept_in_utc(store: Store) -> None:
    take_labels(store, [batch(op(1, at="2026-03-01T14:00:00+02:00"))])
    event = store.labels("run-1", source="human")[0]
    assert event.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert event.arrived_at - datetime.now(UTC) < timedelta(minutes=1)


@pytest.mark.parametrize("bad", [5, None, "tab", [], {}, {"client": 7, "ops": [op(1)]}, {"ops": [op(1)]}])
def test_what_is_no_batch_is_passed_over_in_words(store: Store, bad: Any) -> None:
    acknowledged, refused = take_labels(store, [bad, batch(op(1))])
    assert acknowledged == {"tab-1": 1}
    assert refused == ["labels of a browser that does not say which it is"]


@pytest.mark.parametrize("ops", [5, None, "ops", {"sequence": 1}])
def test_a_batch_without_a_list_of_labels_settles_nothing(store: Store, ops: Any) -> None:
    assert take_labels(store, [{"client": "tab-1", "ops": ops}]) == ({"tab-1": 0}, [])


@pytest.mark.parametrize(
    "odd",
    [
        op(2, run="\ud800"),
        op(2, annotator="\ud800"),
        op(2, annotator=["Ana"]),
        op(2, field="note", step=None, value="\ud800"),
        op(2, field="note", step=None, value={"\ud800": 1}),
        op(2, value=deep(400)),
        op(2, field="details", value={"quotes": 5}),
        op(2, field="details", value={"quotes": [5]}),
        op(2, field="details", value={"quotes": [{"step_id": 1}]}),
        op(2, field="details", value={"quotes": deep(5)}),
        op(2, value=10**400),
        op(2, step=10**400),
        op(2, step=[1]),
        op(2, step=1.5),
        op(2, at=5),
        op(2, at="9999-12-31T23:59:59-14:00"),
        op(2, field=["verdict"]),
        op(2, field={"verdict": 1}),
        op(2, field="basis"),
        op(2, source="ground_truth", pass_number=7, exposure="none", value="wrong"),
    ],
)
def test_forged_labels_are_refused_in_words_and_hold_up_nothing(store: Store, odd: Any) -> None:
    acknowledged, refused = take_labels(store, [batch(op(1), odd, op(3, 2))])
    assert acknowledged == {"tab-1": 3}
    assert len(refused) == 1
    json.dumps(refused).encode()
    assert in_force(store) == {1: "incorrect", 2: "incorrect"}


def test_source_pass_and_exposure_are_not_the_browser_s_to_say(store: Store) -> None:
    take_labels(store, [batch(op(1, source="adjudicated", pass_number=7, exposure="peers"))])
    (label,) = store.label_history("run-1")
    assert (label.source, label.pass_number, label.exposure) == ("human", 1, "none")


def test_more_labels_than_are_taken_at_once_are_settled_in_turns(store: Store) -> None:
    sent = [op(n, 1, "correct" if n % 2 else None) for n in range(1, _MOST_OPS + 3)]
    assert take_labels(store, [batch(*sent)]) == ({"tab-1": _MOST_OPS}, [])
    assert take_labels(store, [batch(*sent[_MOST_OPS:])]) == ({"tab-1": _MOST_OPS + 2}, [])


def test_an_empty_message_asks_nothing_of_the_store(store: Store) -> None:
    before = store.revision()
    assert take_labels(store, []) == ({}, [])
    assert take_labels(store, [batch()]) == ({"tab-1": 0}, [])
    assert store.revision() == before


def test_an_onset_is_one_mark_of_the_run(store: Store) -> None:
    take_labels(store, [batch(op(1, None, 2, field="onset"), op(2, None, 4, field="onset"))])
    assert said_by(store, "run-1", "Ana").of_run == {"onset": 4}
    assert said_by(store, "run-1", "Ben").of_run == {}
    take_labels(store, [batch(op(3, None, None, field="onset"))])
    assert said_by(store, "run-1", "Ana").of_run == {}


QUOTE = {"step_id": 2, "field": "action", "start": 4, "end": 10, "text": "file_2"}


def test_quotes_are_stored_as_the_run_has_them(store: Store) -> None:
    lie = QUOTE | {"text": "file_9"}
    sent = batch(
        op(1, 1, {"reason": "x", "quotes": [QUOTE]}, field="details"),
        op(2, 2, {"reason": "y", "quotes": [lie]}, field="details"),
        op(3, 3, {"quotes": [lie]}, field="details"),
        op(4, 4, {"quotes": [QUOTE] * 21}, field="details"),
        op(5, 5, {"quotes": 5}, field="details"),
        op(6, 5, {"quotes": [QUOTE]}, field="details", run="no such run"),
    )
    acknowledged, refused = take_labels(store, [sent])
    assert acknowledged == {"tab-1": 6}
    assert ["file_9" in reason for reason in refused] == [True, True, False, False, False]
    assert "not understood" in refused[2]
    assert "no run 'no such run'" in refused[4] + refused[3]
    whole = QUOTE | {"sha256": hash_of_quote("file_2")}
    assert said_by(store, "run-1", "Ana").details == {1: {"reason": "x", "quotes": [whole]}, 2: {"reason": "y"}}


def test_a_quote_whose_evidence_changed_is_kept_by_who_took_it(store: Store) -> None:
    take_labels(store, [batch(op(1, 1, {"quotes": [QUOTE]}, field="details"))])
    stored = said_by(store, "run-1", "Ana").details[1]["quotes"]
    run = make_run("run-1", [make_step(n, action=f"less file_{n}.py") for n in range(1, 6)])
    store.add_runs([run], decisions=[decide(run)])
    changed = {"reason": "said later", "quotes": stored}
    assert take_labels(store, [batch(op(2, 1, changed, field="details"))])[1] == []
    assert said_by(store, "run-1", "Ana").details == {1: changed}
    refused = take_labels(store, [batch(op(1, 1, changed, field="details", annotator="Ben"), client="tab-2")])[1]
    assert "does not stand in the action of step 2" in refused[0]
    assert said_by(store, "run-1", "Ben").details == {1: {"reason": "said later"}}


def test_a_label_carries_what_its_author_had_been_shown(store: Store) -> None:
    take_labels(store, [batch(op(1, 1))])
    shown = LabelEvent(
        run_id="run-1",
        field="shown",
        value="ground_truth",
        annotator="Ana",
        client="viewer",
        sequence=1,
        occurred_at=datetime(2026, 3, 1, 13, tzinfo=UTC),
    )
    store.add_label_events([shown])
    take_labels(store, [batch(op(2, 2), op(3, 1, annotator="Ben"), op(4, 1, run="run-2"))])
    said = {(event.run_id, event.annotator, event.step_id): event.exposure for event in store.labels()}
    assert said["run-1", "Ana", 1] == "none"
    assert said["run-1", "Ana", 2] == "ground_truth"
    assert said["run-1", "Ben", 1] == "none"
    assert said["run-2", "Ana", 1] == "none"


def test_details_stand_beside_the_verdict(store: Store) -> None:
    why = {"reason": "the header may hold a date", "deviation_type": "wrong_target", "confidence": "high"}
    take_labels(store, [batch(op(1, 2), op(2, 2, why, field="details"))])
    own = said_by(store, "run-1", "Ana")
    assert own.verdicts == {2: "incorrect"}
    assert own.as_json() == {"ofSteps": {"verdict": {"2": "incorrect"}, "details": {"2": why}}, "ofRun": {}}


def test_marks_of_steps_and_of_the_run_come_back_by_field(store: Store) -> None:
    left_out = "have run <b>the tests</b>"
    of_steps = [("chain", True), ("flag", True), ("omission", left_out)]
    of_run = [("flag", True), ("run_verdict", "has_error"), ("note", "odd\nrun"), ("tags", ["loop", "=1+1"])]
    ops = [op(n, 3, value, field=field) for n, (field, value) in enumerate(of_steps, start=1)]
    ops += [op(n, None, value, field=field) for n, (field, value) in enumerate(of_run, start=4)]
    assert take_labels(store, [batch(*ops)]) == ({"tab-1": 7}, [])
    assert said_by(store, "run-1", "Ana").as_json() == {
        "ofSteps": {field: {"3": value} for field, value in of_steps},
        "ofRun": dict(of_run),
    }
    taken_back = [op(n, None, None, field=field) for n, (field, _) in enumerate(of_run, start=8)]
    take_labels(store, [batch(*taken_back, op(12, 3, None, field="chain"))])
    assert said_by(store, "run-1", "Ana").as_json() == {
        "ofSteps": {"flag": {"3": True}, "omission": {"3": left_out}},
        "ofRun": {},
    }


def test_stages_of_one_s_own_are_one_label_and_may_be_none_at_all(store: Store) -> None:
    two = [stage(1, 2, name="look"), stage(4, 5, number=2)]
    take_labels(store, [batch(op(1, None, [stage(1, 5)], field="stages"), op(2, None, two, field="stages"))])
    own = said_by(store, "run-1", "Ana")
    assert own.as_json()["ofRun"] == {"stages": two}
    assert own.stages == tuple(Stage.model_validate(one) for one in two)
    assert said_by(store, "run-1", "Ben").stages is None
    take_labels(store, [batch(op(3, None, [], field="stages"))])
    assert said_by(store, "run-1", "Ana").stages == ()
    take_labels(store, [batch(op(4, None, None, field="stages"))])
    assert said_by(store, "run-1", "Ana").stages is None


def test_stages_from_a_file_that_left_out_their_names_are_complete(store: Store) -> None:
    bare = [{"stage_id": 1, "start_step_id": 1, "end_step_id": 2}]
    take_labels(store, [batch(op(1, None, bare, field="stages"))])
    assert said_by(store, "run-1", "Ana").as_json()["ofRun"] == {"stages": [stage(1, 2)]}


def test_what_is_not_shown_stays_on_the_server(store: Store) -> None:
    common = {"run_id": "run-1", "annotator": "Ana", "client": "other", "occurred_at": datetime(2026, 3, 1, tzinfo=UTC)}
    reasons = [{"stage_id": 1, "reasoning": "because"}]
    store.add_label_events(
        [
            LabelEvent(field="shown", value="ground_truth", sequence=1, **common),
            LabelEvent(field="stage_reasons", value=reasons, sequence=2, **common),
        ]
    )
    assert said_by(store, "run-1", "Ana").as_json() == {"ofSteps": {}, "ofRun": {}}
