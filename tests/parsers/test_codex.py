import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK
from tests.conftest import SAMPLE_DATA

Record = dict[str, Any]
NAME = "rollout-2026-01-02T03-04-05-0000.jsonl"
META: Record = {"type": "session_meta", "payload": {"id": "s", "cli_version": "0.50.0"}}
TOKENS: Record = {"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": {}}}}


def item(**payload: Any) -> Record:
    return {"timestamp": "2026-01-02T03:04:05Z", "type": "response_item", "payload": payload}


def said(text: str, role: str = "assistant") -> Record:
    return item(type="message", role=role, content=[{"type": "output_text", "text": text}])


def thinks(*texts: str) -> Record:
    return item(type="reasoning", summary=[{"type": "summary_text", "text": text} for text in texts])


def call(call_id: str, script: str = "ls") -> Record:
    arguments = json.dumps({"command": ["bash", "-lc", script], "workdir": "/x"})
    return item(type="function_call", name="shell", arguments=arguments, call_id=call_id)


def output(call_id: str, text: Any = "ok") -> Record:
    return item(type="function_call_output", call_id=call_id, output=text)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Trajectory]:
    def reading(*records: Record) -> Trajectory:
        (tmp_path / NAME).write_text("".join(json.dumps(record) + "\n" for record in records))
        return read_run(locate(tmp_path)).trajectory

    return reading


@pytest.mark.parametrize(
    ("sample", "steps", "groups", "codes"),
    [
        ("codex/sessions/2026", 7, [1], [0, 0, 0, 0, 1, 0, None]),
        ("codex/sessions/2025", 4, [], [0, 0, 126, None]),
    ],
)
def test_samples(sample: str, steps: int, groups: list[int], codes: list[int | None]) -> None:
    trajectory = read_run(locate(SAMPLE_DATA / sample)).trajectory
    assert (trajectory.format, trajectory.agent, trajectory.step_count) == ("codex", "codex", steps)
    assert sorted({step.parallel_group for step in trajectory.steps if step.parallel_group}) == groups
    assert [step.exit_code for step in trajectory.steps] == codes
    assert trajectory.task_text is not None
    assert not trajectory.task_text.startswith("<environment_context>")


@pytest.mark.parametrize(
    ("records", "groups"),
    [
        ([call("a"), call("b"), output("a"), output("b"), call("c")], [1, 1, None]),
        ([call("a"), output("a"), call("b"), output("b")], [None, None]),
        # With token counts the reply is what stands between two of them, in either order of writing.
        ([call("a"), call("b"), TOKENS, output("a"), output("b"), call("c"), TOKENS], [1, 1, None]),
        ([TOKENS, call("a"), output("a"), call("b"), output("b"), TOKENS, call("c"), output("c")], [1, 1, None]),
        ([call("a"), TOKENS, call("b"), TOKENS], [None, None]),
        ([call("a"), output("a"), thinks("so"), call("b"), TOKENS], [None, None]),
        ([call("a"), said("stop", role="user"), call("b"), TOKENS], [None, None]),
    ],
)
def test_what_one_reply_is(read: Callable[..., Trajectory], records: list[Record], groups: list[int | None]) -> None:
    assert [step.parallel_group for step in read(META, *records).steps] == groups


def test_reasoning_and_text_are_the_thought_of_the_first_call(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    trajectory = read(
        META,
        {"type": "turn_context", "payload": {"model": "gpt-5-codex"}},
        said("<environment_context>\n</environment_context>", role="user"),
        said("Fix it.", role="user"),
        thinks("One.", "Two."),
        said("I look."),
        call("a", "echo 'é\n\"q\"'"),
        call("b"),
        output("a", json.dumps({"output": "\x1b[31mé\x1b[0m\n", "metadata": {"exit_code": 3}})),
        output("b", "Exit code: 2\nWall time: 1 seconds\nOutput:\nx"),
        thinks("Fine."),
        said("Done."),
        thinks("Nothing more."),
    )
    first, second, last = trajectory.steps
    assert trajectory.task_text == "Fix it."
    assert (trajectory.model, trajectory.agent_version) == ("gpt-5-codex", "0.50.0")
    assert first.thought == "One.\nTwo.\n\nI look."
    assert (first.action, first.observation, first.exit_code) == ("echo 'é\n\"q\"'", "\x1b[31mé\x1b[0m\n", 3)
    assert (second.thought, second.exit_code) == (None, 2)
    assert (last.action, last.thought, last.is_message) == ("Done.", "Fine.\n\nNothing more.", True)
    assert first.thought_ref is not None
    assert "I look." in resolve(tmp_path, first.thought_ref)


@pytest.mark.parametrize(
    ("payload", "name", "action"),
    [
        ({"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch"}, "apply_patch", "*** Begin"),
        ({"type": "function_call", "name": "exec_command", "arguments": '{"cmd": "ls", "tty": true}'}, "exec_", "ls"),
        ({"type": "function_call", "name": "update_plan", "arguments": '{"plan": []}'}, "update_plan", '{"plan": []}'),
        ({"type": "function_call", "name": "shell", "arguments": '{"command": ["ls'}, "shell", '{"command": ["ls'),
        ({"type": "local_shell_call", "action": {"type": "exec", "command": ["sh", "-c", "id"]}}, "local_shell", "id"),
        ({"type": "web_search_call", "action": {"type": "search", "query": "q"}}, "web_search", '{"type": "search"'),
        ({"type": "tool_search_call", "arguments": {"query": "q"}}, "tool_search", '{"query": "q"}'),
    ],
)
def test_kinds_of_calls(
    read: Callable[..., Trajectory], tmp_path: Path, payload: Record, name: str, action: str
) -> None:
    (step,) = read(META, item(call_id="a", **payload)).steps
    assert step.tool is not None
    assert step.tool.name.startswith(name)
    assert step.action.startswith(action)
    assert step.action_ref is not None
    assert resolve(tmp_path, step.action_ref)


@pytest.mark.parametrize(
    ("given", "observation", "exit_code", "executed"),
    [
        ("plain", "plain", None, True),
        ('{"output": "x", "metadata": {"exit_code": 1, "duration_seconds": 0.1}}', "x", 1, True),
        ('{"other": 1}', '{"other": 1}', None, True),
        ("Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 9\nOutput:\nx", None, 9, True),
        ("x\nExit code: 5", "x\nExit code: 5", None, True),
        ([{"type": "input_text", "text": "part"}], "part", None, True),
        ("exec command rejected by user", "exec command rejected by user", None, False),
    ],
)
def test_outputs(
    read: Callable[..., Trajectory], given: Any, observation: str | None, exit_code: int | None, executed: bool
) -> None:
    (step,) = read(META, call("a"), output("a", given)).steps
    assert step.observation == (observation if observation is not None else given)
    assert (step.exit_code, step.executed) == (exit_code, executed)


def test_repeated_ids_are_paired_in_order_and_oddities_are_told(read: Callable[..., Trajectory]) -> None:
    trajectory = read(
        META,
        META,
        call("a", "first"),
        output("a", "1"),
        call("a", "second"),
        output("a", "2"),
        output("zzz", "?"),
        call("b"),
        {"type": "compacted", "payload": {"message": "summary"}},
        {"type": "event_msg", "payload": {"type": "turn_aborted", "reason": "interrupted"}},
        {"type": "world_state", "payload": {}},
    )
    assert [(step.action, step.observation) for step in trajectory.steps] == [
        ("first", "1"),
        ("second", "2"),
        ("ls", None),
    ]
    assert trajectory.exit_status == "turn_aborted (interrupted)"
    assert trajectory.notes == (
        "Tool calls without a recorded output: 1.",
        "Outputs that belong to no open call, not shown: 1.",
        "Times the conversation was replaced by a summary to make room: 1.",
        "The session was resumed or forked: it has 2 headers; all of it is one run.",
        "Records of other kinds, not shown: 1 world_state.",
    )


def test_the_cut_off_last_line_of_a_killed_run_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("\n".join([json.dumps(META), json.dumps(call("a")), json.dumps(call("b"))[:40]]))
    trajectory = read_run(locate(tmp_path)).trajectory
    assert trajectory.step_count == 1
    assert any("Lines that cannot be read, skipped: 1" in note for note in trajectory.notes)


def test_a_session_without_a_reply_is_a_run_of_no_steps(read: Callable[..., Trajectory]) -> None:
    trajectory = read(META, said("Fix it.", role="user"))
    assert trajectory.step_count == 0
    assert trajectory.notes == ("The agent never started: there is no reply of the model.",)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", UnreadableFile, "0 bytes"),
        (LFS_MARK.decode() + "v1\n", UnreadableFile, "git lfs pull"),
        ('{"type": "session', UnreadableFile, "no valid JSON"),
        ('{"some": "thing"}\n', MalformedRun, "no record of a Codex rollout"),
        ("[1]\n", MalformedRun, "no record of a Codex rollout"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, text: str, error: type[CodeTracerError], words: str
) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(error, match=words) as caught:
        read_run(locate(tmp_path))
    assert caught.value.path.endswith(NAME)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps(META), encoding="utf-16")
    with pytest.raises(UnreadableFile):
        read_run(locate(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "claimed"),
    [
        ("any.jsonl", json.dumps(META) + "\n", True),
        ("any.jsonl", '{"id": "x", "timestamp": "t"}\n{"record_type": "state"}\n', True),
        ("any.jsonl", '{"type": "user", "message": {}}\n', False),
        ("rollout-plan.jsonl", '{"type": "user"}\n', False),
        (NAME, "", True),
    ],
)
def test_recognising(tmp_path: Path, name: str, text: str, claimed: bool) -> None:
    (tmp_path / name).write_text(text)
    if claimed:
        assert locate(tmp_path).format == "codex"
    else:
        with pytest.raises(UnknownFormat):
            locate(tmp_path, format="codex")


def trial(root: Path, *rollouts: str) -> Path:
    folder = root / "task__Ab3dE5f"
    sessions = folder / "agent" / "sessions" / "2026" / "01" / "02"
    sessions.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"trial_name": folder.name, "task_name": "task"}))
    for name in rollouts:
        (sessions / name).write_text(json.dumps(META) + "\n" + json.dumps(call("a")) + "\n")
    return folder


def test_a_harbor_trial_with_one_rollout_is_the_run(tmp_path: Path) -> None:
    folder = trial(tmp_path, NAME)
    (location,) = discover(tmp_path).locations
    assert (location.folder, location.claim.unit) == (folder, ".")
    assert read_run(location).trajectory.trial == folder.name


def test_several_rollouts_of_a_trial_are_runs_of_their_own(tmp_path: Path) -> None:
    folder = trial(tmp_path, NAME, NAME.replace("0000", "0001"))
    found = discover(tmp_path)
    assert [run.path for run in found.locations] == [f"{folder}#{NAME}", f"{folder}#{NAME.replace('0000', '0001')}"]
    assert locate(Path(found.locations[1].path)).claim == found.locations[1].claim


def test_a_rollout_beside_its_atif_file_is_another_record_of_the_run(tmp_path: Path) -> None:
    folder = trial(tmp_path, NAME)
    atif = {
        "schema_version": "ATIF-v1.7",
        "agent": {"name": "codex", "version": "0.50.0"},
        "steps": [{"source": "user", "message": "Fix it."}, {"source": "agent", "message": "Fixed."}],
    }
    (folder / "agent" / "trajectory.json").write_text(json.dumps(atif))
    (location,) = discover(tmp_path).locations
    trajectory = read_run(location).trajectory
    assert (trajectory.format, trajectory.task_text) == ("codex", "Fix it.")
    assert any(
        "used codex (rollout) 1 steps, 1 tool calls, 0 observations, the other atif" in note
        and "differ by tool calls (1 only in the first, 0 only in the second" in note
        for note in trajectory.notes
    )
