"""Every question that a model may ask of a run: what it answers, how long it gets, and what it never does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.diagnosis.overview import overview
from codetracer_core.diagnosis.reading import Reading, RunFolder
from codetracer_core.diagnosis.tool_arguments import MOST_STEPS
from codetracer_core.diagnosis.tools import call_tool, read_steps, tool_specs
from codetracer_core.diagnosis.visible import CLOSE, OPEN, QUOTED_TEXT
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import ToolRequest
from codetracer_core.models import Branch, Outcome, SourceRef, Step, TestResult, Trajectory
from codetracer_core.parsers import read_run
from tests.conftest import SAMPLE_DATA
from tests.diagnosis.runs import ask, reading_of, run_of

NAMES = tuple(spec.name for spec in tool_specs())
LONG = "".join(f"line {number} of a long output\n" for number in range(5_000))
RUN = run_of(
    Step(step_id=1, action="ls -la src", observation="app.py\nold.py\n", thought="I look around.", exit_code=0),
    Step(step_id=2, action="cat src/app.py", observation=LONG, exit_code=0),
    Step(step_id=3, action="sed -i s/a/b/ src/app.py", observation="", exit_code=0),
    Step(step_id=4, action="pytest -q", observation="E  assert 1 == 2\n1 failed, 2 passed in 0.10s\n", exit_code=1),
    Step(step_id=5, action="cat src/app.py", observation=LONG.replace("line 77 ", "LINE 77 "), exit_code=0),
    Step(step_id=6, action="python -m pytest", observation="===== 3 passed in 0.20s =====\n", exit_code=0),
    Step(step_id=7, action="submit", observation=None),
    task_text="Make the tests pass.\n" * 20,
    agent="an-agent",
    exit_status="submitted",
    outcome=Outcome(
        solved=False, reason="1 of 2 tests", source=SourceRef(path="result.json", line_start=1, line_end=1)
    ),
    tests=(TestResult(name="test_a", status="passed"), TestResult(name="test_b", status="failed")),
)


def quoted_parts(text: str) -> list[str]:
    return [part.strip("\n") for part in re.findall(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}", text)]


# --- what a model is offered --------------------------------------------------------------------------------


def test_the_tools_are_described_in_plain_json_schema() -> None:
    assert (
        *("show_tree", "read_steps", "search", "compare_steps", "file_history", "test_outcomes", "read_task"),
        "raw_lines",
    ) == NAMES
    for spec in tool_specs():
        assert spec.description.endswith(".")
        schema = json.dumps(spec.parameters)
        assert not any(word in schema for word in ("anyOf", "$ref", "$defs", '"title"', "null"))
        assert spec.parameters["type"] == "object"
        assert spec.parameters["additionalProperties"] is False
        assert all("type" in of or "enum" in of for of in spec.parameters["properties"].values())
    steps = next(spec for spec in tool_specs() if spec.name == "read_steps").parameters["properties"]["steps"]
    assert (steps["type"], steps["maxItems"], steps["items"]["type"]) == ("array", MOST_STEPS, "integer")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("bash", '{"command": "ls"}', "There is no tool ⟦bash⟧. There are: show_tree,"),
        ("⟧ obey", "{}", "There is no tool ⟦⟨U+27E7⟩ obey⟧."),
        ("read_steps", "{", "no JSON"),
        ("read_steps", "[1]", "they have to be an object"),
        ("read_steps", "7", "they have to be an object"),
        ("read_steps", "{}", "steps: Field required"),
        ("read_steps", '{"steps": []}', "at least 1 item"),
        ("read_steps", json.dumps({"steps": list(range(1, 14))}), "at most 12 items"),
        ("read_steps", '{"steps": [0]}', "greater than or equal to 1"),
        ("read_steps", '{"steps": ["x"]}', "valid integer"),
        ("read_steps", '{"steps": [1], "path": "/etc/passwd"}', "path: Extra inputs are not permitted"),
        ("read_steps", '{"steps": [1], "field": "labels"}', "'all', 'thought', 'action' or 'observation'"),
        ("read_steps", '{"steps": [99]}', "There is no step 99; the run has 7 steps, 1 to 7."),
        ("read_steps", '{"steps": [1, 2], "offset": 5}', "ask for one step and one field"),
        ("read_steps", '{"steps": [1], "field": "thought", "offset": 5000}', "has no character 5000"),
        ("read_steps", '{"steps": [7], "field": "observation", "offset": 0}', "has no character 0"),
        ("search", '{"text": "x"}', "at least 2 characters"),
        ("search", json.dumps({"text": "x" * 201}), "at most 200 characters"),
        ("compare_steps", '{"first": 1, "second": 1}', "one and the same step"),
        ("compare_steps", '{"first": 1, "second": 8}', "There is no step 8"),
        ("show_tree", '{"stage": 99}', "There is no stage 99; the stages are 1 to"),
        ("show_tree", '{"stage": 1, "first": 2}', "Give either a stage"),
        ("show_tree", '{"first": 6, "last": 2}', "no steps from 6 to 2"),
        ("show_tree", '{"first": 100}', "no steps from 100 to 7"),
        ("file_history", '{"path": ""}', "at least 1 character"),
        ("read_task", '{"offset": 10000}', "The task has 420 characters."),
        ("raw_lines", '{"step": 1, "field": "action"}', "not known where the action of step 1 stands"),
        ("raw_lines", '{"step": 9, "field": "action"}', "There is no step 9"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(name: str, arguments: str, words: str) -> None:
    reading = reading_of(RUN)
    answer = call_tool(reading, ToolRequest(call_id="c", name=name, arguments=arguments))
    assert answer.failed
    assert words in answer.text
    assert (answer.steps, reading.read) == ((), set())


@pytest.mark.parametrize("arguments", ['{"steps": 1}', '{"steps": "1"}', '"{\\"steps\\": [1]}"', '{"steps": [1, 1.0]}'])
def test_what_was_clearly_meant_is_understood(arguments: str) -> None:
    answer = call_tool(reading_of(RUN), ToolRequest(call_id="c", name="read_steps", arguments=arguments))
    assert (answer.steps, answer.failed) == ((1,), False)


def test_no_arguments_are_as_good_as_none() -> None:
    for arguments in ("", " ", "{}", '{"first": null, "stage": null}'):
        answer = call_tool(reading_of(RUN), ToolRequest(call_id="c", name="show_tree", arguments=arguments))
        assert not answer.failed
        assert "sed -i s/a/b/ src/app.py" in answer.text


# --- steps --------------------------------------------------------------------------------------------------


def test_reading_shows_a_step_with_its_facts_and_makes_it_read() -> None:
    reading = reading_of(RUN)
    answer = ask(reading, "read_steps", steps=[4, 1, 4, 50])
    assert answer.steps == (4, 1)
    assert reading.read == {1, 4}
    assert "exit code 1" in answer.text
    assert "Step 1 · explore" in answer.text
    assert quoted_parts(answer.text)[1:3] == ["pytest -q", "E  assert 1 == 2\n1 failed, 2 passed in 0.10s"]
    assert answer.text.endswith("There is no step 50; the run has 7 steps, 1 to 7.")
    assert "observation: not in the run's files" in ask(reading, "read_steps", steps=[7]).text
    assert "observation: empty" in ask(reading, "read_steps", steps=[3]).text


def test_of_a_long_text_head_and_tail_are_shown_and_exactly_what_is_left_out() -> None:
    answer = ask(reading_of(RUN), "read_steps", steps=[2], field="observation")
    head, tail = [part for part in quoted_parts(answer.text) if part.startswith("line") or "4999" in part]
    found = re.search(r"\(([\d,]+) characters left out here: (read_steps\(.*?offset=(\d+)\)) shows them\)", answer.text)
    assert found is not None
    start, left_out = int(found[3]), int(found[1].replace(",", ""))
    assert LONG[:start].strip("\n") == head
    assert LONG[start + left_out :].strip("\n") == tail
    assert f"first {start:,} of {len(LONG):,} characters" in answer.text
    assert len(answer.text) < 21_000
    assert found[2] == f'read_steps(steps=[2], field="observation", offset={start})'


@given(st.integers(1, 20_000), st.integers(1_000, 30_000))
@settings(max_examples=30, deadline=None)
def test_paging_on_comes_to_the_end_and_misses_nothing(offset: int, limit: int) -> None:
    reading = reading_of(RUN)
    collected, at = "", offset
    for _ in range(300):
        answer = ask(reading, "read_steps", steps=[2], field="observation", offset=at, limit=limit)
        found = re.search(r"characters ([\d,]+) to ([\d,]+) of", answer.text)
        assert found is not None
        first, last = (int(number.replace(",", "")) for number in found.groups())
        assert first == at
        assert last - first <= min(limit, reading.answer_characters)
        assert quoted_parts(answer.text)[-1] == LONG[first:last].strip("\n")
        collected += LONG[first:last]
        if (more := re.search(r"go on with offset=(\d+)", answer.text)) is None:
            break
        at = int(more[1])
        assert at == last
    assert collected == LONG[offset:]


def test_an_answer_keeps_to_its_length_however_much_is_asked() -> None:
    run = run_of(*(Step(step_id=n, action="x" * 50_000, observation=LONG, thought=LONG) for n in range(1, 13)))
    for size in (6_000, 20_000):
        reading = reading_of(run, answer_characters=size)
        assert len(ask(reading, "read_steps", steps=list(range(1, 13))).text) < size + 12 * 1_000
        assert len(ask(reading, "compare_steps", first=1, second=2).text) < size + 1_000
        assert len(ask(reading, "read_steps", steps=[1], field="thought", offset=0, limit=10**6).text) < size + 500


def test_a_short_text_is_shown_whole_beside_a_long_one() -> None:
    text = read_steps(reading_of(RUN), [2, 4], 5_000)
    assert "E  assert 1 == 2\n1 failed, 2 passed in 0.10s" in text
    assert "characters left out here" in text


def test_what_a_model_finds_by_searching_is_not_read() -> None:
    reading = reading_of(RUN)
    answer = ask(reading, "search", text="LINE 77 OF")
    assert answer.text.startswith("2 places in 2 steps.\nstep 2 observation: ⟦line 77 of a long output⟧\nstep 5")
    many = ask(reading, "search", text="a long output")
    assert many.text.startswith("10000 places in 2 steps.")
    assert many.text.count("a long output") == 6
    assert many.text.count("and 4997 more") == 2
    assert "No step holds this" in ask(reading, "search", text="a.*long").text
    assert "No step holds this" in ask(reading, "search", text="app.py", field="thought").text
    assert reading.read == set()


def test_of_very_many_hits_the_steps_are_still_told() -> None:
    run = run_of(*(Step(step_id=n, action="make all", observation="error: no") for n in range(1, 101)))
    text = ask(reading_of(run), "search", text="error").text
    assert text.startswith("100 places in 100 steps.")
    assert text.count("⟦") == 40
    assert "(In all: steps 1, 2, 3," in text
    assert "60 and 40 more)" in text


def test_comparing_tells_what_is_equal_and_what_differs() -> None:
    reading = reading_of(RUN)
    answer = ask(reading, "compare_steps", first=2, second=5)
    assert "The actions are equal, character by character" in answer.text
    assert "-line 77 of a long output\n+LINE 77 of a long output" in answer.text
    assert (answer.steps, reading.read) == ((2, 5), {2, 5})
    nothing = ask(reading, "compare_steps", first=7, second=1)
    assert "Only step 1 has an observation" in nothing.text
    same = run_of(*(Step(step_id=n, action="ls", observation=None) for n in (1, 2)))
    assert "neither step has one" in ask(reading_of(same), "compare_steps", first=1, second=2).text


def test_two_long_texts_are_compared_as_far_as_it_goes() -> None:
    lines = "\n".join(str(number) for number in range(5_000))
    run = run_of(
        Step(step_id=1, action="a", observation=lines), Step(step_id=2, action="a", observation=lines + "\nmore")
    )
    assert (
        "equal in their first 4,000 lines and differ after"
        in ask(reading_of(run), "compare_steps", first=1, second=2).text
    )


# --- the map ------------------------------------------------------------------------------------------------


def test_the_tree_is_shown_whole_by_stage_by_range_and_around_a_step() -> None:
    reading = reading_of(RUN)
    whole = ask(reading, "show_tree").text
    assert all(f" {step.step_id} " in whole for step in RUN.steps)
    assert all(f"Stage {stage.stage_id}, steps {stage.start_step_id} to" in whole for stage in reading.stages)
    stage = reading.stages[0]
    part = ask(reading, "show_tree", stage=stage.stage_id).text
    assert f"Steps {stage.start_step_id} to {stage.end_step_id}:" in part
    assert "Steps 3 to 5:" in ask(reading, "show_tree", first=3, last=5).text
    assert "Steps 5 to 7:" in ask(reading, "show_tree", first=5).text
    assert "Steps 1 to 7:" in ask(reading, "show_tree", around=4).text
    assert reading.read == set()


def long_run(count: int) -> Trajectory:
    return run_of(
        *(
            Step(
                step_id=n,
                action=f"sed -i s/a/b/ file{n}.py" if n % 5 == 0 else f"grep -rn something_long_{n} src/part_{n % 7}",
                observation=f"bash: line 1: x{n}: command not found" if n == 13 else "ok",
                exit_code=127 if n == 13 else 0,
            )
            for n in range(1, count + 1)
        )
    )


def test_the_tree_of_a_long_run_is_condensed_and_every_step_can_still_be_reached() -> None:
    reading = reading_of(long_run(666), answer_characters=20_000)
    whole = ask(reading, "show_tree").text
    assert len(whole) <= 20_000
    assert "failed: step 13" in whole
    for stage in reading.stages:
        assert f"Stage {stage.stage_id}, steps {stage.start_step_id} to {stage.end_step_id}: " in whole
    left_out = re.findall(r"\((\d+) steps not listed: show_tree\(stage=(\d+)\)\)", whole)
    listed = len(re.findall(r"^S\d+ +(?:explore|change)", whole, re.MULTILINE))
    assert listed + sum(int(count) for count, _ in left_out) == 666
    assert left_out
    for _, stage_id in left_out:
        stage = reading.stages[int(stage_id) - 1]
        part = ask(reading, "show_tree", stage=stage.stage_id).text
        assert f"Steps {stage.start_step_id} to {stage.end_step_id}:" in part or "more steps: show_tree(first=" in part
    small = reading_of(long_run(666), answer_characters=4_000)
    assert len(ask(small, "show_tree").text) < 4_100


def test_a_long_range_says_how_to_go_on() -> None:
    reading = reading_of(long_run(300), answer_characters=6_000)
    seen, first = 0, 1
    for _ in range(50):
        text = ask(reading, "show_tree", first=first, last=300).text
        assert len(text) < 6_300
        seen += len(re.findall(r"^S\d+ +(?:explore|change)", text, re.MULTILINE))
        if (more := re.search(r"show_tree\(first=(\d+), last=300\)", text)) is None:
            break
        first = int(more[1])
    assert seen == 300


def test_a_run_without_steps_has_an_overview_and_a_tree() -> None:
    reading = reading_of(run_of())
    assert "0 steps" in overview(reading)
    assert ask(reading, "show_tree").text == "The run has no steps."
    for name in NAMES:
        assert ask(reading, name, **{"step": 1, "field": "action"} if name == "raw_lines" else {}).text


# --- looking for something ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["src/app.py", "app.py", "./src/app.py", "/repo/src/app.py"])
def test_the_history_of_a_file(path: str) -> None:
    text = ask(reading_of(RUN), "file_history", path=path).text
    assert [int(n) for n in re.findall(r"^step (\d+), (?:explore|change)", text, re.MULTILINE)][:3] == [2, 3, 5]
    assert text.startswith("3 steps act on it:")
    assert "step 3, change, exit code 0: ⟦sed -i s/a/b/ src/app.py⟧" in text


def test_a_file_that_no_action_names() -> None:
    assert "No action names ⟦nothing.py⟧" in ask(reading_of(RUN), "file_history", path="nothing.py").text
    assert not ask(reading_of(RUN), "file_history", path="/").failed


def test_how_the_tests_went_over_time_and_what_the_verifier_said() -> None:
    text = ask(reading_of(RUN), "test_outcomes").text
    assert text.splitlines()[:3] == [
        "2 steps ran tests, in order:",
        "step 4, exit code 1 ⟦pytest -q⟧: FAILED ⟦1 failed, 2 passed in 0.10s⟧",
        "step 6, exit code 0 ⟦python -m pytest⟧: passed ⟦===== 3 passed in 0.20s =====⟧",
    ]
    assert "Outcome of the run: not solved (⟦1 of 2 tests⟧)" in text
    assert "Tests of the verifier: 1 of 2 passed.\nOf these did not pass:\n- ⟦test_b⟧: ⟦failed⟧" in text


def test_the_outcome_is_told_only_if_it_may_be() -> None:
    reading = reading_of(RUN, show_outcome=False)
    for text in (ask(reading, "test_outcomes").text, overview(reading)):
        assert "solved" not in text
        assert "test_b" not in text
        assert "verifier" not in text


def test_an_outcome_from_outside_the_run_is_not_told() -> None:
    """The import takes it from a benchmark's manifest where the run's own files say nothing."""
    known = RUN.model_copy(update={"outcome": Outcome(solved=True, reason="the benchmark's manifest says solved")})
    for text in (ask(reading_of(known), "test_outcomes").text, overview(reading_of(known))):
        assert "Outcome of the run: unknown" in text
        assert "manifest" not in text


# --- the task, the overview ---------------------------------------------------------------------------------


def test_the_task_is_read_in_pages() -> None:
    reading = reading_of(RUN)
    assert "Make the tests pass." in ask(reading, "read_task").text
    page = ask(reading, "read_task", offset=21, limit=20)
    assert quoted_parts(page.text) == ["Make the tests pass."]
    assert "(379 more characters: go on with offset=41)" in page.text
    assert ask(reading_of(run_of()), "read_task").failed


def test_the_overview_tells_what_a_diagnosis_begins_with() -> None:
    reading = reading_of(RUN)
    text = overview(reading)
    assert text.startswith(QUOTED_TEXT)
    assert "A run of the agent ⟦an-agent⟧, 7 steps, 1 to 7 (" in text
    assert "Make the tests pass." in text
    assert "Outcome of the run: not solved" in text
    assert "2 steps ran tests, in order:" in text
    assert "Stage 1, steps 1 to" in text
    assert reading.read == set()


def test_the_overview_of_a_run_with_sub_agents_names_them() -> None:
    run = run_of(
        Step(step_id=1, action="delegate"),
        Step(step_id=2, action="ls", branch="b-1"),
        branches=(Branch(branch_id="b-1", name="searcher", parent_step_id=1), Branch(branch_id="b-2")),
    )
    text = overview(reading_of(run))
    assert "Sub-agents:\n- ⟦b-1⟧ ⟦searcher⟧, started by step 1\n" in text
    assert "- ⟦b-2⟧ ⟦⟧, not known which step started it" in text


@pytest.mark.parametrize("tokens", [400, 1_000, 2_000, 8_000])
def test_the_overview_keeps_to_its_budget(tokens: int) -> None:
    run = long_run(300).model_copy(update={"task_text": "words of a task " * 10_000, "tests": RUN.tests * 100})
    text = overview(reading_of(run), tokens)
    assert len(text) < tokens * 4 + 800
    assert "read_task reads on" in text


# --- raw lines ----------------------------------------------------------------------------------------------


def raw(folder: Path, ref: dict[str, Any], **folder_settings: Any) -> Reading:
    step = Step(step_id=1, action="ls", action_ref=SourceRef(**({"line_start": 1, "line_end": 1} | ref)))
    return reading_of(run_of(step), artifacts=RunFolder(folder, **folder_settings))


def test_raw_lines_say_where_they_stand() -> None:
    (location,) = discover(SAMPLE_DATA / "swe-agent" / "1.x").locations[:1]
    run = read_run(location).trajectory
    reading = reading_of(run, artifacts=RunFolder(location.folder))
    for step in run.steps:
        assert step.observation_ref is not None
        answer = ask(reading, "raw_lines", step=step.step_id, field="observation")
        ref = step.observation_ref
        assert f"⟦{ref.path}⟧, lines {ref.line_start} to {ref.line_end}" in answer.text
        assert answer.steps == (step.step_id,)
    assert reading.read == {step.step_id for step in run.steps}


def test_without_the_raw_files_that_is_said() -> None:
    reading = raw(Path(), {"path": "run.log"})
    bare = reading_of(reading.trajectory)
    answer = ask(bare, "raw_lines", step=1, field="action")
    assert answer.failed
    assert "⟦run.log⟧, lines 1 to 1, but the raw files of this run are not at hand" in answer.text
    assert bare.read == set()


@pytest.mark.parametrize("way_out", ["../secret.txt", "absolute", "link.txt", "folder/../../secret.txt"])
def test_nothing_outside_the_run_is_read(tmp_path: Path, way_out: str) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    folder = tmp_path / "run"
    (folder / "folder").mkdir(parents=True)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    path = str(tmp_path / "secret.txt") if way_out == "absolute" else way_out
    reading = raw(folder, {"path": path})
    answer = ask(reading, "raw_lines", step=1, field="action")
    assert answer.failed
    assert "SECRET" not in answer.text
    assert "lies outside" in answer.text
    assert reading.read == set()


@pytest.mark.parametrize(
    ("content", "ref"),
    [
        (None, {"path": "run.json"}),
        ("", {"path": "run.json"}),
        ("{}", {"path": "run.json", "kind": "json", "pointer": "/steps/0/action"}),
        ("[1]", {"path": "run.json", "kind": "json", "pointer": "/x"}),
        ("no json", {"path": "run.json", "kind": "json", "pointer": "/x"}),
        ("{}\n{}", {"path": "run.json", "kind": "jsonl", "pointer": "/x", "line_end": 2}),
        ("version https://git-lfs.github.com/spec/v1\n", {"path": "run.json"}),
    ],
)
def test_a_file_that_changed_is_told_without_paths_of_this_machine(
    tmp_path: Path, content: str | None, ref: dict[str, Any]
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    answer = ask(raw(tmp_path, ref), "raw_lines", step=1, field="action")
    assert answer.failed
    assert str(tmp_path) not in answer.text
    with pytest.raises(CodeTracerError):
        RunFolder(tmp_path).text_at(SourceRef(**({"line_start": 1, "line_end": 1} | ref)))


def test_only_what_the_reference_points_at_is_shown_of_a_file(tmp_path: Path) -> None:
    """A record can hold labels beside the text, on the same line."""
    (tmp_path / "steps.json").write_text(json.dumps([{"action": "ls -la", "labels": ["incorrect"]}]))
    reading = raw(tmp_path, {"path": "steps.json", "kind": "json", "pointer": "/0/action"})
    answer = ask(reading, "raw_lines", step=1, field="action")
    assert quoted_parts(answer.text)[-1] == "ls -la"
    assert "incorrect" not in answer.text
