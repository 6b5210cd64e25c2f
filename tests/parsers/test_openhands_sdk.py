"""OpenHands SDK conversations: calls and messages are steps, answers find their call."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from tests.conftest import SAMPLE_DATA

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 12\n"
Event = dict[str, Any]


def event(number: int, kind: str, source: str = "agent", **fields: Any) -> Event:
    return {"id": f"e{number}", "timestamp": "2026-02-01T08:00:00.5", "source": source, **fields, "kind": kind}


def said(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def user(number: int, text: str) -> Event:
    message = {"role": "user", "content": said(text), "thinking_blocks": []}
    return event(number, "MessageEvent", "user", llm_message=message)


def reply(number: int, text: str, **message: Any) -> Event:
    content = {"role": "assistant", "content": said(text), **message}
    return event(number, "MessageEvent", llm_message=content, llm_response_id=f"r{number}")


def call(number: int, command: str, response: str, call_id: str = "c", thought: str = "", **fields: Any) -> Event:
    arguments = json.dumps({"command": command, "security_risk": "LOW", "summary": "Do"})
    return event(
        number,
        "ActionEvent",
        **{
            "thought": said(thought) if thought else [],
            "action": {"command": command, "is_input": False, "kind": "TerminalAction"},
            "tool_name": "terminal",
            "tool_call_id": call_id,
            "tool_call": {"id": call_id, "name": "terminal", "arguments": arguments},
            "llm_response_id": response,
            **fields,
        },
    )


def answer(number: int, action: int, text: str = "ok", call_id: str = "c", **observation: Any) -> Event:
    seen = {"content": said(text), "is_error": False, **observation, "kind": "TerminalObservation"}
    ids = {"tool_name": "terminal", "tool_call_id": call_id, "action_id": f"e{action}"}
    return event(number, "ObservationEvent", "environment", observation=seen, **ids)


RUN = [user(0, "Do it."), call(1, "ls", "r1", thought="Look."), answer(2, 1), reply(3, "Done.")]


def write(folder: Path, events: list[Any], state: Any = None) -> Path:
    (folder / "events").mkdir(parents=True)
    for number, value in enumerate(events):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        (folder / "events" / f"event-{number:05d}-0000aaaa-{number}.json").write_bytes(content)
    if state is not None:
        (folder / "base_state.json").write_text(json.dumps(state))
    return folder


def read(path: Path) -> Trajectory:
    return read_run(locate(path)).trajectory


def test_sample() -> None:
    trajectory = read(SAMPLE_DATA / "openhands-sdk")
    assert (trajectory.format, trajectory.view, trajectory.step_count) == ("openhands-sdk", "events", 7)
    assert [step.parallel_group for step in trajectory.steps] == [1, 1, None, None, None, None, None]
    assert [step.executed for step in trajectory.steps] == [True, True, True, True, False, True, True]
    assert (trajectory.model, trajectory.exit_status) == ("litellm_proxy/claude-sonnet-4-5", "finished")
    assert trajectory.usage.cost_usd == pytest.approx(0.0583)
    assert trajectory.outcome.solved is None
    assert trajectory.steps[6].tool is not None
    assert trajectory.steps[6].tool.name == "finish"


def test_calls_and_messages_are_steps(tmp_path: Path) -> None:
    folder = write(tmp_path / "conversation", RUN)
    trajectory = read(folder)
    look, done = trajectory.steps
    assert (look.action, look.thought, look.observation) == ("ls", "Look.", "ok")
    assert look.native_ids == ("e1", "c")
    assert look.action_ref is not None
    assert (look.action_ref.pointer, resolve(folder, look.action_ref)) == ("/action/command", "ls")
    assert (done.action, done.is_message, done.observation) == ("Done.", True, None)
    assert trajectory.task_text == "Do it."


def test_reasoning_goes_before_what_was_said(tmp_path: Path) -> None:
    events = [call(0, "ls", "r1", thought="Say.", reasoning_content="Think."), answer(1, 0)]
    events += [
        call(2, "ls", "r2", reasoning_content="Think."),
        answer(3, 2),
        reply(4, "Bye.", reasoning_content="Over."),
    ]
    assert [step.thought for step in read(write(tmp_path / "c", events)).steps] == ["Think.\n\nSay.", "Think.", "Over."]


def test_answers_find_their_call_though_call_ids_repeat(tmp_path: Path) -> None:
    error = event(9, "AgentErrorEvent", error="no such tool", tool_name="terminal", tool_call_id="c")
    rejected = event(10, "UserRejectObservation", "user", rejection_reason="No.", action_id="e4", tool_call_id="c")
    events = [call(0, "a", "r1"), call(1, "b", "r1"), answer(2, 1, "B"), answer(3, 0, "A")]
    events += [call(4, "c", "r2"), call(5, "d", "r3", action=None), error, rejected]
    steps = read(write(tmp_path / "c", events)).steps
    assert [step.observation for step in steps] == ["A", "B", "No.", "no such tool"]
    assert [step.parallel_group for step in steps] == [1, 1, None, None]
    assert [step.executed for step in steps] == [True, True, False, False]


@pytest.mark.parametrize(
    ("observation", "code", "shown"),
    [
        ({"exit_code": 3, "metadata": {"exit_code": 3, "suffix": "\n[exit code 3]"}}, 3, "out"),
        ({"exit_code": -1, "metadata": {"exit_code": -1, "suffix": "\n[no new output]"}}, None, "out\n[no new output]"),
        ({}, None, "out"),
        ({"content": None, "output": "old"}, None, "old"),
    ],
)
def test_exit_codes(tmp_path: Path, observation: dict[str, Any], code: int | None, shown: str) -> None:
    folder = write(tmp_path / "c", [call(0, "make", "r1"), answer(1, 0, "out", **observation)])
    (step,) = read(folder).steps
    assert (step.exit_code, step.observation) == (code, shown)


def test_pictures_are_told_by_their_size(tmp_path: Path) -> None:
    picture = {"type": "image", "image_urls": ["data:image/png;base64," + "A" * 5000]}
    events = [call(0, "shot", "r1"), answer(1, 0, content=[*said("page"), picture])]
    (step,) = read(write(tmp_path / "c", events)).steps
    assert step.observation == "page\n[image/png: 5,000 characters of base64]"


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    events = [call(0, "ls", "r1"), call(0, "ls", "r1"), answer(2, 7), event(3, "Condensation", "environment")]
    events += [event(4, "ACPToolCallEvent")]
    folder = write(tmp_path / "c", events)
    (folder / "events" / "event-00001-0000aaaa-1.json").rename(folder / "events" / "event-00009-0000aaaa-1.json")
    assert read(folder).notes == (
        "Event files are missing: 1–1, 5–8.",
        "1 event stored again under an id that was read before; the first copy is used.",
        "1 observation of no stored action (first: event e2).",
        "1 call without an observation (first: step 1).",
        "The agent's view of its history was condensed (1 time); the events hold all.",
        "Events of kinds that are not read: 1 ACPToolCallEvent.",
    )


STATE = {"id": "x", "agent": {"llm": {"model": "m"}, "kind": "Agent"}, "execution_status": "idle", "stats": {}}


def test_a_conversation_that_never_started_has_no_steps(tmp_path: Path) -> None:
    trajectory = read(write(tmp_path / "c", [], STATE))
    assert (trajectory.step_count, trajectory.model) == (0, "m")
    assert "never started" in trajectory.notes[0]


def test_a_state_without_its_events_is_no_empty_run(tmp_path: Path) -> None:
    (run,) = discover(write(tmp_path / "c", [], STATE | {"execution_status": "finished"})).locations
    with pytest.raises(MalformedRun, match="Copy the folder 'events'"):
        read_run(run)


@pytest.mark.parametrize("name", ["events.jsonl", "recorded.jsonl"])
def test_events_one_per_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("".join(json.dumps(value) + "\n" for value in RUN) + '{"id": "cut o')
    trajectory = read(tmp_path / name)
    assert (trajectory.view, trajectory.step_count) == ("events.jsonl", 2)
    assert any("line 5: skipped" in note for note in trajectory.notes)


def test_a_damaged_line_in_the_middle_fails_the_run(tmp_path: Path) -> None:
    lines = [json.dumps(value) for value in RUN]
    lines[1] = lines[1][:50]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    (run,) = discover(tmp_path).locations
    with pytest.raises(UnreadableFile, match="line 2"):
        read_run(run)


def test_rows_of_an_evaluation(tmp_path: Path) -> None:
    rows = [
        {"instance_id": "a", "attempt": 1, "test_result": {"git_patch": ""}, "history": RUN, "error": None},
        {"instance_id": "b", "attempt": 1, "test_result": {}, "history": RUN[:1], "error": "timed out", "metadata": {}},
    ]
    (tmp_path / "output.jsonl").write_text("".join(json.dumps(value) + "\n" for value in rows))
    found = [read_run(run).trajectory for run in discover(tmp_path).locations]
    assert [(run.format, run.task, run.step_count, run.exit_status) for run in found] == [
        ("openhands-sdk", "a", 2, None),
        ("openhands-sdk", "b", 0, "timed out"),
    ]


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (json.dumps(RUN[1]).encode()[:80], UnreadableFile, "no valid JSON"),
        (LFS, UnreadableFile, "git-LFS pointer"),
        (b"", UnreadableFile, "empty"),
        (json.dumps(RUN[1]).encode("utf-16"), UnreadableFile, "not UTF-8"),
    ],
    ids=["truncated", "LFS pointer", "zero bytes", "wrong encoding"],
)
def test_a_damaged_event_fails_the_run(
    tmp_path: Path, content: bytes, error: type[CodeTracerError], reason: str
) -> None:
    (run,) = discover(write(tmp_path / "c", [RUN[0], content, *RUN[2:]])).locations
    with pytest.raises(error, match=reason) as raised:
        read_run(run)
    assert "event-00001" in raised.value.path


def test_known_names_with_unknown_content_fail(tmp_path: Path) -> None:
    (run,) = discover(write(tmp_path / "c", [{"what": "?"}, [1]])).locations
    with pytest.raises(MalformedRun, match="no record that says of what kind it is"):
        read_run(run)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events/event-1.json", {"kind": "MessageEvent"}),
        ("base_state.json", {"id": 4, "state": "on"}),
        ("log.jsonl", {"id": "x", "type": "event", "source": "agent"}),
    ],
)
def test_look_alikes_are_not_claimed(tmp_path: Path, name: str, content: Any) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UnknownFormat):
        locate(tmp_path)


# Real runs -----------------------------------------------------------------------------------------------------------


def counted(events: list[Event]) -> int:
    """The contract's count, written down a second time."""
    calls = sum(value["kind"] == "ActionEvent" for value in events)
    return calls + sum(
        value["kind"] == "MessageEvent"
        and value["source"] == "agent"
        and any(part.get("text", "").strip() for part in value["llm_message"]["content"])
        for value in events
    )


def test_real_conversations(real: Path) -> None:
    folder = real / "trajectories/openhands/OpenHands+OpenHands-CLI/tests/trajectories"
    conversations = sorted(folder.iterdir())
    assert len(conversations) == 5
    for conversation in conversations:
        events = [json.loads(file.read_text()) for file in conversation.glob("event-*.json")]
        trajectory = read(conversation)
        assert trajectory.step_count == counted(events) > 0
        calls = [step for step in trajectory.steps if not step.is_message]
        assert all(step.observation is not None for step in calls)


def test_real_event_lines(real: Path) -> None:
    file = (
        real / "trajectories/openhands/OpenHands+software-agent-sdk/tests/sdk/conversation/goal/fixtures/events.jsonl"
    )
    events = [json.loads(line) for line in file.read_text().splitlines()]
    trajectory = read(file)
    assert trajectory.step_count == counted(events) == 2
    assert any("1 observation of no stored action" in note for note in trajectory.notes)


def test_real_state_of_a_conversation_that_never_started(real: Path) -> None:
    fixtures = real / "trajectories/openhands/OpenHands+software-agent-sdk/tests/fixtures/conversations"
    trajectory = read(fixtures / "v1_11_5_cli_default")
    assert (trajectory.step_count, trajectory.exit_status) == (0, "idle")
