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

Fields = dict[str, Any]
HEADER: Fields = {"sessionId": "s", "projectHash": "h", "startTime": "2026-01-02T03:04:05Z"}
SESSION = "session-2026-01-02T03-04-abcd"


def tool(call_id: str, name: str = "run_shell_command", response: Fields | None = None, **args: Any) -> Fields:
    made: Fields = {"id": call_id, "name": name, "args": args or {"command": "ls"}, "status": "success"}
    if response is not None:
        made["result"] = [{"functionResponse": {"id": call_id, "name": name, "response": response}}]
    return made


def gemini(content: Any = "", *calls: Fields, thoughts: list[Fields] | None = None, **more: Any) -> Fields:
    return {"type": "gemini", "content": content, "toolCalls": list(calls), "thoughts": thoughts or [], **more}


@pytest.fixture
def chat(tmp_path: Path) -> Callable[..., Trajectory]:
    def reading(*messages: Fields) -> Trajectory:
        (tmp_path / f"{SESSION}.json").write_text(json.dumps({**HEADER, "messages": messages}, indent=1))
        return read_run(locate(tmp_path)).trajectory

    return reading


@pytest.fixture
def history(tmp_path: Path) -> Callable[..., Trajectory]:
    def reading(*entries: tuple[str, list[Fields]]) -> Trajectory:
        listed = [{"role": role, "parts": parts} for role, parts in entries]
        (tmp_path / "saved.json").write_text(json.dumps(listed))
        return read_run(locate(tmp_path)).trajectory

    return reading


@pytest.mark.parametrize(
    ("sample", "view", "steps", "groups"),
    [("gemini-cli/chats", "chat", 6, [1]), ("gemini-cli/saved", "API history", 7, [1])],
)
def test_samples(sample: str, view: str, steps: int, groups: list[int]) -> None:
    trajectory = read_run(locate(SAMPLE_DATA / sample)).trajectory
    assert (trajectory.format, trajectory.view, trajectory.step_count) == ("gemini-cli", view, steps)
    assert sorted({step.parallel_group for step in trajectory.steps if step.parallel_group}) == groups


def test_a_message_is_a_reply(chat: Callable[..., Trajectory], tmp_path: Path) -> None:
    trajectory = chat(
        {"type": "user", "content": [{"text": "Fix it."}], "timestamp": "2026-01-02T03:04:05Z"},
        gemini(
            "I look.",
            tool("a", response={"output": "x\nExit Code: 2\nSignal: (none)"}),
            tool("b", "read_file", {"error": "no such file"}, path="p"),
            thoughts=[{"subject": "Look", "description": "At it."}],
            model="gemini-3-flash",
            tokens={"input": 10, "output": 2, "cached": 4, "thoughts": 3, "tool": 1, "total": 16},
        ),
        gemini("", {**tool("c", response={"error": "[Operation Cancelled]"}), "status": "cancelled"}),
        gemini("", tool("d")),
        gemini("Done."),
        gemini(""),
        {"type": "error", "content": "quota"},
    )
    first, second, denied, open_call, last = trajectory.steps
    assert (first.thought, first.exit_code) == ("Look\nAt it.\n\nI look.", 2)
    assert (first.parallel_group, second.parallel_group, denied.parallel_group) == (1, 1, None)
    assert (second.observation, second.exit_code, second.thought) == ("no such file", None, None)
    assert (denied.executed, open_call.observation) == (False, None)
    assert (last.action, last.is_message) == ("Done.", True)
    assert (trajectory.task_text, trajectory.model) == ("Fix it.", "gemini-3-flash")
    usage = trajectory.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (11, 5, 4)
    assert trajectory.notes == (
        "Tool calls without a recorded response: 1.",
        "Replies with neither text nor a tool call, which are no steps: 1.",
        "Error messages of the program, not shown: 1.",
    )
    assert first.thought_ref is not None
    assert "I look." in resolve(tmp_path, first.thought_ref)


def test_results_of_other_shapes(chat: Callable[..., Trajectory]) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    both = [{"functionResponse": {"response": {"output": text}}} for text in ("one", "two")]
    trajectory = chat(
        gemini("", {**tool("a"), "result": "text"}),
        gemini("", {**tool("b"), "result": [*both, picture]}),
        gemini("", {**tool("c"), "result": [{"functionResponse": {"response": {"value": 1}}}]}),
    )
    assert [step.observation for step in trajectory.steps] == ["text", "one\ntwo", '{"value": 1}']


def test_a_chat_in_json_lines_with_updates(tmp_path: Path) -> None:
    records: list[Fields] = [
        HEADER,
        {"type": "user", "id": "u", "content": "Fix it."},
        {"type": "gemini", "id": "g", "content": "I look.", "thoughts": [{"subject": "S", "description": "D"}]},
        {"type": "message_update", "id": "g", "toolCalls": [tool("a", response={"output": "x"})]},
        {"$set": {"summary": "y"}},
        {"$rewindTo": "g"},
        {"type": "gemini", "id": "g2", "content": "Done."},
    ]
    text = "\n".join(json.dumps(record) for record in records)
    (tmp_path / f"{SESSION}.jsonl").write_text(text + '\n{"type": "gem')
    trajectory = read_run(locate(tmp_path)).trajectory
    assert [(step.action, step.observation, step.thought) for step in trajectory.steps] == [
        ("ls", "x", "S\nD\n\nI look."),
        ("Done.", None, None),
    ]
    refs = [trajectory.steps[0].action_ref, trajectory.steps[0].observation_ref]
    assert [(ref.line_start, resolve(tmp_path, ref)) for ref in refs if ref] == [(4, "ls"), (4, "x")]
    assert "Times the user took the conversation back; the steps are kept: 1." in trajectory.notes
    assert any("Lines that cannot be read, skipped: 1" in note for note in trajectory.notes)


def spoken(name: str, call_id: str | None = None, **args: Any) -> Fields:
    return {"functionCall": {"name": name, "args": args, **({"id": call_id} if call_id else {})}}


def answered(name: str, call_id: str | None = None, **response: Any) -> Fields:
    return {"functionResponse": {"name": name, "response": response, **({"id": call_id} if call_id else {})}}


def test_a_history_pairs_by_id_or_by_name(history: Callable[..., Trajectory], tmp_path: Path) -> None:
    trajectory = history(
        ("user", [{"text": "<session_context>\n</session_context>"}]),
        ("user", [{"text": "<state_snapshot>x</state_snapshot>"}]),
        ("model", [{"text": "Got it. Thanks for the additional context!"}]),
        ("model", [{"text": "Hm.", "thought": True}]),
        ("model", [{"text": "I look."}, spoken("f", "2", q="a"), spoken("f", "1", q="b")]),
        ("user", [answered("f", "1", output="one"), answered("f", "2", output="two"), answered("g", output="?")]),
        ("model", [spoken("f", q="c"), spoken("h", q="d")]),
        ("user", [answered("h", error="no"), answered("f", output="three")]),
        ("user", [{"text": "Fix it."}]),
        ("model", [{"text": "Done."}]),
        ("model", [{"text": " and out."}]),
    )
    assert [(step.action, step.observation) for step in trajectory.steps] == [
        ('{"q": "a"}', "two"),
        ('{"q": "b"}', "one"),
        ('{"q": "c"}', "three"),
        ('{"q": "d"}', "no"),
        ("Done.\n\n and out.", None),
    ]
    assert [step.parallel_group for step in trajectory.steps] == [1, 1, 3, 3, None]
    assert trajectory.steps[0].thought == "Hm.\n\nI look."
    assert trajectory.task_text == "Fix it."
    assert trajectory.notes == (
        "Summaries of earlier conversation that stand in place of the steps they tell of: 1.",
        "Replies that the program itself put into the conversation, which are no steps: 1.",
        "Responses that belong to no open call, not shown: 1.",
    )


def test_a_checkpoint_wraps_its_history(tmp_path: Path) -> None:
    entries = [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Ho"}]}]
    (tmp_path / "checkpoint-x.json").write_text(json.dumps({"history": entries, "authType": "x"}))
    trajectory = read_run(locate(tmp_path)).trajectory
    assert [step.action for step in trajectory.steps] == ["Ho"]
    ref = trajectory.steps[0].action_ref
    assert ref is not None
    assert ref.pointer == "/history/1/parts/0/text"


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        (f"{SESSION}.json", "", UnreadableFile, "0 bytes"),
        (f"{SESSION}.json", LFS_MARK.decode(), UnreadableFile, "git lfs pull"),
        (f"{SESSION}.json", json.dumps({**HEADER, "messages": []})[:-3], UnreadableFile, "no valid JSON"),
        (f"{SESSION}.json", json.dumps({**HEADER, "messages": {}}), MalformedRun, "list of messages"),
        ("gemini-cli.trajectory.json", "[]", MalformedRun, "list of messages"),
        ("gemini-cli.trajectory.jsonl", '{"type": "gemini"}\n', MalformedRun, "no session header"),
        ("saved.json", '[{"role": "user", "parts": [{"text": "x', UnreadableFile, "no valid JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, text: str, error: type[CodeTracerError], words: str
) -> None:
    folder = tmp_path / "chats"
    folder.mkdir()
    (folder / name).write_text(text)
    with pytest.raises(error, match=words) as caught:
        read_run(locate(folder))
    assert caught.value.path.endswith(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("session-notes.json", "{}"),
        (f"{SESSION}.json", LFS_MARK.decode()),  # not in a folder named chats: anybody's file
        ("messages.json", '[{"role": "user", "content": "x"}]'),
        ("x.json", '{"sessionId": "s", "messages": []}'),
    ],
)
def test_other_files_are_not_claimed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnknownFormat):
        locate(tmp_path, format="gemini-cli")


def test_a_harbor_trial_is_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "task__Ab3dE5f"
    (folder / "agent").mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"trial_name": folder.name, "task_name": "task"}))
    lines = [HEADER, {"id": "g", **gemini("Done.")}]
    (folder / "agent" / "gemini-cli.trajectory.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (location,) = discover(tmp_path).locations
    trajectory = read_run(location).trajectory
    assert (location.claim.unit, trajectory.task, trajectory.step_count) == (".", "task", 1)


def test_the_real_history_has_as_many_steps_as_its_raw_entries_tell(real: Path) -> None:
    path = next((real / "trajectories/gemini-cli").rglob("trajectory.json"))
    entries = json.loads(path.read_text())
    calls = sum("functionCall" in part for entry in entries for part in entry["parts"])
    talks = sum(
        entry["role"] == "model"
        and not any("functionCall" in part for part in entry["parts"])
        and any("text" in part and not part.get("thought") for part in entry["parts"])
        and not entry["parts"][0].get("text", "").startswith("Got it. Thanks for the additional context!")
        for entry in entries
    )
    trajectory = read_run(locate(path)).trajectory
    assert trajectory.step_count == calls + talks
    assert sum(step.is_message for step in trajectory.steps) == talks
