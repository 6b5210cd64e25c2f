"""SWE-agent: every entry is a step; ids come from the history; demonstrations are read from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts
from codetracer_core.parsers.swe_agent import FORMAT
from tests.conftest import SAMPLE_DATA

SAMPLES = SAMPLE_DATA / "swe-agent"
POINTER = LFS_MARK + b"v1\noid sha256:0\nsize 9\n"
Fields = dict[str, Any]


def entry(action: str, observation: str | None = "out", thought: str = "hm", **more: Any) -> Fields:
    return {"action": action, "observation": observation, "response": thought, "thought": thought, "state": {}, **more}


def told(action: str, call_id: str = "t1", name: str = "bash", arguments: str = '{"command": "ls"}') -> Fields:
    calls = [{"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}]
    return {"role": "assistant", "content": "hm", "thought": "hm", "action": action, "tool_calls": calls}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Trajectory]:
    def reading(**run: Any) -> Trajectory:
        (tmp_path / "x__y-1.traj").write_text(json.dumps(run, indent=1))
        return read_run(locate(tmp_path)).trajectory

    return reading


def test_every_entry_is_a_step(read: Callable[..., Trajectory]) -> None:
    blank = entry("", "Exited (autosubmitted)", "", response="Exit due to cost limit")
    run = read(trajectory=[entry("ls\n"), entry("", "", ""), blank], history=[], info={"exit_status": "exit_cost"})
    assert [step.action for step in run.steps] == ["ls\n", "", ""]
    assert [step.executed for step in run.steps] == [True, False, False]
    assert [step.thought for step in run.steps] == ["hm", None, "Exit due to cost limit"]
    assert [step.observation for step in run.steps] == ["out", "", "Exited (autosubmitted)"]
    assert run.notes == ("2 steps have no action, so nothing was run.",)
    assert (run.task, run.exit_status, run.outcome.solved) == ("x__y-1", "exit_cost", None)


def test_an_observation_that_is_missing_is_not_an_empty_one(read: Callable[..., Trajectory]) -> None:
    run = read(trajectory=[entry("a", None), entry("b", "")], info={})
    assert [step.observation for step in run.steps] == [None, ""]
    assert [step.observation_ref is None for step in run.steps] == [True, False]


def test_calls_come_from_the_history_where_it_tells_the_same_action(read: Callable[..., Trajectory]) -> None:
    demo = {**told("ls", "demo"), "is_demo": True}
    run = read(
        trajectory=[entry("ls"), entry("not told"), entry("submit")],
        history=[{"role": "user", "content": "T"}, demo, told("ls", "t1"), told("submit", "t2", "submit", "{}")],
    )
    assert [step.tool.call_id if step.tool else None for step in run.steps] == ["t1", None, "t2"]
    assert [step.native_ids for step in run.steps] == [("t1",), (), ("t2",)]
    assert run.steps[0].tool is not None
    assert run.steps[0].tool.arguments == {"command": "ls"}


def test_arguments_that_are_no_json_stay_text(read: Callable[..., Trajectory]) -> None:
    run = read(trajectory=[entry("ls")], history=[told("ls", arguments='{"command": "l')])
    assert run.steps[0].tool is not None
    assert run.steps[0].tool.arguments == '{"command": "l'


def test_thinking_is_the_thought_of_an_agent_that_says_nothing(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    thinking = {**told("ls"), "thinking_blocks": [{"type": "thinking", "thinking": "Where is it?"}]}
    step = read(trajectory=[entry("ls", thought="")], history=[thinking]).steps[0]
    assert step.thought == "Where is it?"
    assert step.thought_ref is not None
    assert resolve(tmp_path, step.thought_ref) == "Where is it?"


@pytest.mark.parametrize(
    "config",
    [{"agent": {"model": {"name": "m-1"}}}, json.dumps({"agent": {"model": {"name": "m-1"}}})],
    ids=["object", "text"],
)
def test_the_model_of_1x(read: Callable[..., Trajectory], config: Any) -> None:
    assert read(trajectory=[entry("ls")], replay_config=config).model == "m-1"


@pytest.mark.parametrize("config", [None, "{cut", [], {"agent": None}])
def test_a_strange_configuration_is_no_obstacle(read: Callable[..., Trajectory], config: Any) -> None:
    run = read(trajectory=[entry("ls")], replay_config=config)
    assert (run.model, run.step_count) == (None, 1)


def test_what_the_model_was_shown_is_passed_over(read: Callable[..., Trajectory]) -> None:
    shown = [{"role": "user", "content": "x" * 9}]
    run = read(trajectory=[entry("a", messages=shown), entry("b", query=shown)])
    assert run.step_count == 2


def test_the_task_is_the_first_message_that_is_no_demonstration(read: Callable[..., Trajectory]) -> None:
    history = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "DEMONSTRATION", "is_demo": True},
        {"role": "user", "content": [{"type": "text", "text": "The task."}]},
    ]
    run = read(trajectory=[entry("a")], history=history)
    assert run.task_text == "The task."
    assert run.task_ref is not None
    assert run.task_ref.pointer == "/history/2/content"


def test_a_demonstration_is_read_from_its_history(read: Callable[..., Trajectory]) -> None:
    run = read(
        history=[
            {"role": "system", "content": "S"},
            {"role": "user", "content": "T"},
            told("ls", "t1"),
            {"role": "tool", "content": "a.py", "tool_call_ids": ["t1"]},
            {"role": "assistant", "content": "I only talk."},
            told("submit", "t2", "submit", "{}"),
        ]
    )
    assert [(step.action, step.observation) for step in run.steps] == [("ls", "a.py"), ("submit", None)]
    assert run.notes == (
        "The file holds a history and no trajectory (a demonstration): its 2 steps are the agent's messages with an "
        "action.",
    )


def test_an_excerpt_says_so(read: Callable[..., Trajectory]) -> None:
    run = read(instance_id="x", trajectory=[entry("ls")])
    assert run.step_count == 1
    assert "excerpt" in run.notes[0]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b'{"trajectory": [{"action": "l', UnreadableFile, "no valid JSON"),
        (b"", UnreadableFile, "empty"),
        (POINTER, UnreadableFile, "git-LFS pointer"),
        (b'{"environment": "main", "info": {}}', MalformedRun, "neither a trajectory nor a history"),
        (b'{"trajectory": [1]}', UnreadableFile, "unexpected content"),
        (b'{"trajectory": "ls"}', UnreadableFile, "unexpected content"),
        (b'{"trajectory": [{"action": "\xe9"}]}', UnreadableFile, "not UTF-8"),
        ('{"trajectory": []}'.encode("utf-16"), UnreadableFile, "not UTF-8"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: bytes, error: type[CodeTracerError], words: str) -> None:
    file = tmp_path / "b.traj"
    file.write_bytes(content)
    with pytest.raises(error, match=words) as raised:
        read_run(locate(tmp_path))
    assert raised.value.path == str(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("md.traj", b"- of UlmASE-Trajectory\x00\x01"),
        ("other.traj", b'{"frames": [1, 2]}'),
        ("a.traj.json", b'{"trajectory": []}'),
        ("notes.traj", b"trajectory: see below"),
    ],
)
def test_files_of_other_programs_are_left_alone(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert FORMAT.recognise(Artifacts(tmp_path)) == []


def test_samples() -> None:
    old = read_run(locate(SAMPLES / "0.x")).trajectory
    new = read_run(locate(SAMPLES / "1.x")).trajectory
    assert (old.step_count, old.model, old.outcome.solved) == (9, "tiny-coder-1", None)
    assert (new.step_count, new.model, new.outcome.solved) == (7, "example/open-coder-2", False)
    assert new.agent_version == "1.1.0"
    assert [step.executed for step in new.steps] == [True] * 6 + [False]
    assert [step.tool.name if step.tool else None for step in new.steps][:2] == ["str_replace_editor", "bash"]
    assert len(new.steps[1].observation or "") > 25_000


def test_real_runs_have_a_step_per_entry(real: Path) -> None:
    locations = discover(real / "trajectories" / "swe-agent").locations
    assert len(locations) == len(list((real / "trajectories" / "swe-agent").rglob("*.traj")))
    for location in locations:
        content = json.loads(Path(location.path).read_text())
        run = read_run(location).trajectory
        if "trajectory" in content:
            assert [step.action for step in run.steps] == [step["action"] for step in content["trajectory"]]
            assert [step.observation for step in run.steps] == [step["observation"] for step in content["trajectory"]]
        else:
            assert location.path.endswith("function_calling_simple.traj")
            assert run.step_count == sum(message["role"] == "assistant" for message in content["history"]) == 5
            assert "demonstration" in run.notes[0]
