"""OpenHands completion logs: the fullest log is the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run
from tests.conftest import SAMPLE_DATA

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 12\n"
Message = dict[str, Any]

USER: Message = {"role": "user", "content": "Do it."}


def asks(*calls: tuple[str, str, dict[str, Any]], text: Any = "", **more: Any) -> Message:
    """An assistant message with calls as (id, function, arguments)."""
    written = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for call_id, name, arguments in calls
    ]
    return {"role": "assistant", "content": text, "tool_calls": written, **more}


def bash(call_id: str, command: str, **more: Any) -> Message:
    return asks((call_id, "execute_bash", {"command": command}), **more)


def result(call_id: str, text: str = "ok") -> Message:
    return {
        "role": "tool",
        "tool_call_id": call_id,
        "content": [{"type": "text", "text": text}],
        "name": "execute_bash",
    }


def log(messages: list[Message], answer: Message | None = None, **more: Any) -> dict[str, Any]:
    response = {"model": "m", "choices": [{"message": answer or {"role": "assistant", "content": "."}}]}
    return {"messages": messages, "response": response, "timestamp": 1769425200.5, "cost": 0.5, **more}


def write(folder: Path, logs: list[Any], first: float = 1769425200.25) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(logs):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        (folder / f"some-model-{first + 9 * number:.7f}.json").write_bytes(content)
    return folder


def read(path: Path) -> Trajectory:
    return read_run(locate(path)).trajectory


ONE = [USER, bash("c1", "ls"), result("c1")]
TWO = [*ONE, bash("c2", "pwd"), result("c2")]


def test_sample() -> None:
    trajectory = read(SAMPLE_DATA / "openhands" / "completion-logs")
    assert (trajectory.format, trajectory.view) == ("openhands-completions", "completion logs")
    assert (trajectory.step_count, trajectory.outcome.solved) == (7, True)
    assert [step.parallel_group for step in trajectory.steps] == [None, 2, 2, None, None, None, None]
    assert [step.exit_code for step in trajectory.steps] == [None, 0, 0, None, 1, None, 0]
    assert all(step.timestamp is not None for step in trajectory.steps)
    assert trajectory.task == "example__wavekit-214"
    assert trajectory.usage.cost_usd == pytest.approx(0.0728)


def test_the_fullest_log_is_the_run_and_the_earliest_of_equals(tmp_path: Path) -> None:
    anew = [USER, bash("x1", "make"), result("x1"), bash("x2", "make test"), result("x2")]
    trajectory = read(write(tmp_path / "run", [log([USER]), log(ONE), log(TWO), log(anew), log([USER])]))
    assert [step.action for step in trajectory.steps] == ["ls", "pwd"]
    assert [step.observation for step in trajectory.steps] == ["ok", "ok"]
    assert trajectory.notes == (
        "Read from some-model-1769425218.2500000.json, the fullest of 5 logs.",
        "The history was condensed or begun anew (1 time): calls that only other logs hold are no steps.",
    )


def test_logs_are_ordered_by_time_not_by_name(tmp_path: Path) -> None:
    write(tmp_path / "run", [log(ONE)], first=1769425300.5)
    (tmp_path / "run" / "a-model-1769425400.5.json").write_text(json.dumps(log([USER, bash("c9", "id"), result("c9")])))
    assert [step.action for step in read(tmp_path / "run").steps] == ["ls"]


def test_finish_is_no_step(tmp_path: Path) -> None:
    finish = asks(("f", "finish", {"message": "Done."}), text="Done.")
    trajectory = read(write(tmp_path / "run", [log([*ONE, finish, result("f", "finished")])]))
    assert [step.action for step in trajectory.steps] == ["ls"]
    assert trajectory.notes == ("Read from some-model-1769425200.2500000.json, the fullest of 1 logs.",)


def test_results_find_their_call_though_ids_repeat(tmp_path: Path) -> None:
    both = asks(("c", "execute_bash", {"command": "a"}), ("c", "execute_bash", {"command": "b"}), text="Two.")
    messages = [USER, both, result("c", "A"), result("c", "B"), bash("c", "d"), bash("c", "e"), result("c", "E")]
    trajectory = read(write(tmp_path / "run", [log([*messages, result("z")])]))
    assert [step.observation for step in trajectory.steps] == ["A", "B", None, "E"]
    assert [step.parallel_group for step in trajectory.steps] == [1, 1, None, None]
    assert [step.thought for step in trajectory.steps] == ["Two.", None, None, None]
    assert "Calls without a result: step 3." in trajectory.notes
    assert "1 result of no call in the conversation: not shown." in trajectory.notes


def test_texts_of_a_call(tmp_path: Path) -> None:
    odd = bash("c4", "")
    odd["tool_calls"][0]["function"]["arguments"] = "{not json"
    messages = [USER, bash("c1", "", reasoning_content="Wait for it."), result("c1")]
    messages += [asks(("c2", "think", {"thought": "Hm."}), text=[{"type": "text", "text": "So."}]), result("c2")]
    messages += [asks(("c3", "task_tracker", {"command": "view", "task_list": []})), result("c3"), odd, result("c4")]
    steps = read(write(tmp_path / "run", [log(messages)])).steps
    assert [step.action for step in steps] == ['""', "Hm.", '{"command": "view", "task_list": []}', "{not json"]
    assert [step.thought for step in steps] == ["Wait for it.", "So.", None, None]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\n[The command completed with exit code 2.]\n[Current working directory: /a]", 2),
        (
            "[The command completed with exit code 0.]\n[The command completed with exit code 130. CTRL+C was sent.]",
            130,
        ),
        ("a\n[The command has no new output after 10 seconds.]", None),
    ],
)
def test_exit_codes(tmp_path: Path, text: str, code: int | None) -> None:
    (step,) = read(write(tmp_path / "run", [log([USER, bash("c1", "make"), result("c1", text)])])).steps
    assert (step.exit_code, step.observation) == (code, text)


def test_a_last_reply_that_no_log_answers_is_no_step(tmp_path: Path) -> None:
    trajectory = read(write(tmp_path / "run", [log([USER], bash("c1", "ls")), log(ONE, bash("c2", "pwd"))]))
    assert trajectory.step_count == 1
    assert trajectory.notes[-1] == "The last reply asks for execute_bash; no log shows that it was run: no step."


@pytest.mark.parametrize("key", ["raw_messages", "fncall_messages"])
def test_calls_written_as_text_are_read_from_the_record_beside_them(tmp_path: Path, key: str) -> None:
    text = "I look.\n\n<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>"
    messages = [USER, {"role": "assistant", "content": text}, {"role": "user", "content": "EXECUTION RESULT of …"}]
    trajectory = read(write(tmp_path / "run", [log([USER], **{key: [USER]}), log(messages, **{key: ONE})]))
    assert trajectory.view == f"completion logs ({key})"
    assert [step.action for step in trajectory.steps] == ["ls"]
    assert trajectory.steps[0].action_ref is not None
    assert (trajectory.steps[0].action_ref.pointer or "").startswith(f"/{key}/1/tool_calls/0")


def test_calls_written_as_text_only_cannot_be_numbered(tmp_path: Path) -> None:
    text = "<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>"
    (run,) = discover(write(tmp_path / "run", [log([USER, {"role": "assistant", "content": text}])])).locations
    with pytest.raises(MalformedRun, match="/messages/1: the calls are written as text"):
        read_run(run)


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (json.dumps(log(TWO)).encode()[:200], UnreadableFile, "no valid JSON"),
        (LFS, UnreadableFile, "git-LFS pointer"),
        (b"", UnreadableFile, "empty"),
        (json.dumps(log(TWO)).encode("utf-16"), UnreadableFile, "not UTF-8"),
        (b'{"messages": {"role": "user"}, "response": {}}', UnreadableFile, "unexpected content"),
        (b'{"response": {}}', UnreadableFile, "unexpected content"),
    ],
    ids=["truncated", "LFS pointer", "zero bytes", "wrong encoding", "other messages", "no messages"],
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_damaged_log_fails_the_run(
    tmp_path: Path, position: int, content: bytes, error: type[CodeTracerError], reason: str
) -> None:
    logs: list[Any] = [log(ONE), log(TWO)]
    logs.insert(position, content)
    (run,) = discover(write(tmp_path / "run", logs)).locations
    with pytest.raises(error, match=reason) as raised:
        read_run(run)
    assert raised.value.path == str(tmp_path / "run" / f"some-model-{1769425200.25 + 9 * position:.7f}.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat-1769425200.json", {"messages": [USER]}),  # a date in the name, not a log's time
        ("export-1769425200.25.json", {"rows": [1]}),
        ("fncall-llm-message.json", [USER]),
    ],
)
def test_look_alikes_are_not_claimed(tmp_path: Path, name: str, content: Any) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UnknownFormat):
        locate(tmp_path)


# Real runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "key", "steps"), [("llm-logs", "messages", 5), ("nonfncall-llm-logs", "raw_messages", 3)]
)
def test_real_logs(real: Path, folder: str, key: str, steps: int) -> None:
    data = real / "trajectories/openhands/OpenHands+software-agent-sdk/tests/fixtures/llm_data"
    logs = [json.loads(file.read_text()) for file in (data / folder).glob("*.json")]
    calls = [
        [
            call["function"]["name"]
            for message in content[key]
            if message["role"] == "assistant"
            for call in message.get("tool_calls") or []
            if call["function"]["name"] != "finish"
        ]
        for content in logs
    ]
    trajectory = read(data / folder)
    assert [step.tool.name for step in trajectory.steps if step.tool] == max(calls, key=len)
    assert trajectory.step_count == steps
    assert trajectory.usage.cost_usd == pytest.approx(sum(content["cost"] for content in logs))
    assert all(step.observation for step in trajectory.steps)


def test_real_message_dumps_are_no_runs(real: Path) -> None:
    data = real / "trajectories/openhands/OpenHands+software-agent-sdk/tests/fixtures/llm_data"
    with pytest.raises(UnknownFormat, match="no run that any parser recognises"):
        locate(data / "fncall-llm-message.json")
