"""Claude Code: replies, parallel calls, repeated ids, sub-agents, and the three wrappings they come in."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, UnreadableFile
from codetracer_core.models import Step, Trajectory
from codetracer_core.parsers import claude_code, read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts, strip_ansi
from tests.conftest import SAMPLE_DATA
from tests.parsers.test_cast import recording

SAMPLES = SAMPLE_DATA / "claude-code"
SESSION = "0f6a3f52-9c1f-4a79-8f6e-2d1b8f0f7a11"
LFS_POINTER = LFS_MARK + b"v1\noid sha256:00\nsize 12\n"
Record = dict[str, Any]


def text(said: str) -> Record:
    return {"type": "text", "text": said}


def thinking(said: str) -> Record:
    return {"type": "thinking", "thinking": said}


def bash(call_id: str, command: str, **more: Any) -> Record:
    return {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": command, **more}}


def call(call_id: str, name: str, **arguments: Any) -> Record:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def reply(message_id: str | None, *blocks: Record, **envelope: Any) -> list[Record]:
    """The lines of one reply: one per block, as Claude Code writes them."""
    message = {"role": "assistant", "model": "m", **({"id": message_id} if message_id else {})}
    return [stream({"type": "assistant", "message": {**message, "content": [block]}, **envelope}) for block in blocks]


def result(call_id: str, content: Any = "done", **more: Any) -> Record:
    envelope = {key: more.pop(key) for key in ("parent_tool_use_id", "toolUseResult") if key in more}
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}
    return stream({"type": "user", "message": {"role": "user", "content": [block]}, **envelope})


def user(said: Any, **envelope: Any) -> Record:
    return stream({"type": "user", "message": {"role": "user", "content": said}, **envelope})


def stream(record: Record) -> Record:
    """A record in the envelope of a stream; ``type`` stands first, as Claude Code writes it."""
    return {**record, "parent_tool_use_id": record.get("parent_tool_use_id"), "session_id": SESSION}


INIT = {"type": "system", "subtype": "init", "session_id": SESSION, "model": "m", "claude_code_version": "2.1.89"}
RESULT = {"type": "result", "subtype": "success", "is_error": False, "session_id": SESSION, "total_cost_usd": 0}


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read(path: Path) -> Trajectory:
    return read_run(locate(path)).trajectory


def read_stream(folder: Path, *records: Any) -> Trajectory:
    (folder / "claude-code.txt").write_text(lines(INIT, *records, RESULT))
    return read(folder)


def outline(trajectory: Trajectory) -> list[tuple[str, str | None, int | None]]:
    return [(step.action, step.observation, step.parallel_group) for step in trajectory.steps]


class Session:
    """Lines of a session file, chained by uuid as Claude Code chains them."""

    def __init__(self, session_id: str = SESSION, **envelope: Any) -> None:
        self.session_id = session_id
        self.envelope = envelope
        self.records: list[Record] = []
        self.last: str | None = None

    def add(self, kind: str, message: Record, **more: Any) -> str:
        uuid = f"{self.session_id[:4]}-{self.envelope.get('agentId', '')}-{len(self.records)}"
        record = {
            "parentUuid": self.last,
            "isSidechain": False,
            "cwd": "/w",
            "sessionId": self.session_id,
            "version": "2.0.28",
            "type": kind,
            "message": message,
            "uuid": uuid,
            "timestamp": f"2026-02-01T10:00:{len(self.records):02}.000Z",
            **self.envelope,
            **more,
        }
        self.records.append(record)
        self.last = uuid
        return uuid

    def user(self, content: Any, **more: Any) -> str:
        return self.add("user", {"role": "user", "content": content}, **more)

    def reply(self, message_id: str, *blocks: Record, **more: Any) -> None:
        for block in blocks:
            self.add("assistant", {"role": "assistant", "id": message_id, "model": "m", "content": [block]}, **more)

    def result(self, call_id: str, content: Any = "done", **more: Any) -> None:
        self.user([{"type": "tool_result", "tool_use_id": call_id, "content": content}], **more)

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(*self.records))
        return path


# Replies


def test_blocks_of_one_message_id_are_one_reply(tmp_path: Path) -> None:
    run = read_stream(
        tmp_path,
        *reply("m1", thinking("first thing"), text("I look."), bash("a", "ls", description="List"), bash("b", "pwd")),
        result("a", "x.py"),
        result("b", "/app"),
        *reply("m2", bash("c", "cat x.py")),
        result("c", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
        *reply("m3", thinking("all good"), text("Done.")),
    )
    assert outline(run) == [
        ("ls", "x.py", 1),
        ("pwd", "/app", 1),
        ("cat x.py", "one\ntwo", None),
        ("Done.", None, None),
    ]
    assert [step.thought for step in run.steps] == ["first thing\n\nI look.", None, None, "all good"]
    assert [step.is_message for step in run.steps] == [False, False, False, True]
    assert run.steps[0].native_ids == ("a", "m1")
    first = run.steps[0].tool
    assert first is not None
    assert (first.name, first.call_id) == ("Bash", "a")
    assert first.arguments == {"command": "ls", "description": "List"}
    thought = run.steps[0].thought_ref
    assert thought is not None
    assert (thought.line_start, thought.line_end) == (2, 3)
    assert resolve(tmp_path, thought) == "first thing\nI look."


def test_a_result_may_come_before_the_next_block_of_the_reply(tmp_path: Path) -> None:
    run = read_stream(
        tmp_path,
        *reply("m1", bash("a", "make")),
        result("a"),
        *reply("m1", bash("b", "make test")),
        result("b"),
    )
    assert outline(run) == [("make", "done", 1), ("make test", "done", 1)]


def test_a_message_of_several_texts_is_one_step(tmp_path: Path) -> None:
    run = read_stream(tmp_path, *reply("m1", text("One."), text("  \n"), text('Two: "\\n".')))
    (step,) = run.steps
    assert step.action == 'One.\n\nTwo: "\\n".'
    assert step.action_ref is not None
    assert resolve(tmp_path, step.action_ref).split() == ["One.", "Two:", '"\\n".']


def test_replies_without_text_and_call_are_no_steps(tmp_path: Path) -> None:
    run = read_stream(tmp_path, *reply("m1", thinking("hm")), *reply("m2", text(" ")), *reply("m3", bash("a", "ls")))
    assert [step.action for step in run.steps] == ["ls"]
    assert "Replies with neither text nor a call, no steps: 2." in run.notes


def test_lines_without_a_message_id_are_not_joined(tmp_path: Path) -> None:
    run = read_stream(tmp_path, *reply(None, bash("a", "ls"), bash("b", "pwd")), result("a"), result("b"))
    assert outline(run) == [("ls", "done", None), ("pwd", "done", None)]
    assert "Lines of replies without a message id, each read as a reply of its own: 2." in run.notes


def test_a_message_id_that_comes_back_later_is_another_reply(tmp_path: Path) -> None:
    run = read_stream(
        tmp_path,
        *[*reply("m1", bash("a", "ls")), result("a")],
        *[*reply("m2", bash("b", "pwd")), result("b")],
        *[*reply("m1", bash("c", "id")), result("c")],
    )
    assert [group for _, _, group in outline(run)] == [None, None, None]
    assert "Replies with the message id of an earlier one that others followed, read apart: 1." in run.notes


@pytest.mark.parametrize(
    ("block", "action", "pointer"),
    [
        (bash("a", "ls -l", timeout=5), "ls -l", "/message/content/0/input/command"),
        (call("a", "Read", file_path="/a"), '{"file_path": "/a"}', "/message/content/0"),
        (call("a", "Note", text="x", thinking="y"), '{"text": "x", "thinking": "y"}', "/message/content/0"),
        ({"type": "tool_use", "id": "a", "name": "", "input": {}}, "{}", "/message/content/0"),
        ({"type": "tool_use", "id": "a", "name": "Blob", "input": "{cut"}, "{cut", "/message/content/0"),
        ({"type": "tool_use", "id": "a", "name": "Blob", "input": [1]}, "[1]", "/message/content/0"),
        ({"type": "server_tool_use", "id": "a", "name": "web_search", "input": {"query": "q"}}, '{"query": "q"}', None),
    ],
)
def test_actions_of_tools(tmp_path: Path, block: Record, action: str, pointer: str | None) -> None:
    (step,) = read_stream(tmp_path, *reply("m1", block)).steps
    assert step.action == action
    assert step.action_ref is not None
    assert pointer is None or step.action_ref.pointer == pointer
    assert action in resolve(tmp_path, step.action_ref)


@pytest.mark.parametrize(
    ("name", "answer", "exit_code"),
    [
        ("Bash", result("a", "Exit code 127\nbash: foo: not found", is_error=True), 127),
        ("Bash", result("a", "Exit code 1", is_error=True), 1),
        ("Bash", result("a", "Exit code 1\nis what the manual says"), None),
        ("Bash", result("a", "<tool_use_error>No such tool</tool_use_error>", is_error=True), None),
        ("Bash", result("a", "fine", is_error=False), None),
        ("Read", result("a", "Exit code 3", is_error=True), None),
    ],
)
def test_exit_codes_are_what_the_tool_says(tmp_path: Path, name: str, answer: Record, exit_code: int | None) -> None:
    (step,) = read_stream(tmp_path, *reply("m1", call("a", name)), answer).steps
    assert step.exit_code == exit_code


@pytest.mark.parametrize(
    ("answer", "executed"),
    [
        (
            result("b", "Claude requested permissions to write to /a, but you haven't.", is_error=True),
            False,
        ),
        (result("b", "The user doesn't want to proceed with this tool use. It was rejected.", is_error=True), False),
        (result("b", "Permission to use Bash with command rm has been denied.", is_error=True), False),
        (result("b", "<tool_use_error>InputValidationError: Bash failed</tool_use_error>", is_error=True), False),
        (result("b", "<tool_use_error>Error: No such tool available: X</tool_use_error>", is_error=True), False),
        (result("b", "<tool_use_error>File has not been read yet.</tool_use_error>", is_error=True), True),
        (result("b", "Exit code 1\nfailed", is_error=True), True),
        (result("b", "Claude requested permissions to write"), True),
    ],
    ids=lambda value: str(value["message"]["content"][0]["content"])[:40] if isinstance(value, dict) else None,
)
def test_calls_that_were_refused_are_not_executed(tmp_path: Path, answer: Record, executed: bool) -> None:
    assert [s.executed for s in read_stream(tmp_path, *reply("m1", bash("b", "ls")), answer).steps] == [executed]


def test_the_placeholder_for_no_text_is_no_text(tmp_path: Path) -> None:
    run = read_stream(tmp_path, *reply("m1", text("(no content)"), bash("b", "ls")), *reply("m2", text("(no content)")))
    assert [(step.action, step.thought) for step in run.steps] == [("ls", None)]
    assert "Replies with neither text nor a call, no steps: 1." in run.notes


def test_observations_are_not_changed(tmp_path: Path) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR" * 100}}
    run = read_stream(
        tmp_path,
        *reply("m1", bash("a", "1"), bash("b", "2"), bash("c", "3"), bash("d", "4")),
        result("a", "\x1b[31mred\x1b[0m\r\n"),
        result("b", ""),
        result("c", [picture]),
        result("d", None),
    )
    assert [step.observation for step in run.steps] == [
        "\x1b[31mred\x1b[0m\r\n",
        "",
        "[image/png: 500 characters of base64]",
        "",
    ]


# Ids that repeat


def cases_of_pairing() -> list[Any]:
    again = [*reply("m1", bash("f:0", "find /")), *reply("m2", text("I look."), bash("f:0", "ls")), result("f:0", "x")]
    later = [*reply("m1", bash("f:0", "ls")), result("f:0", "x"), *reply("m2", bash("f:0", "pwd")), result("f:0", "/")]
    twins = [*reply("m1", bash("f", "one"), bash("f", "two")), result("f", "1"), result("f", "2")]
    swapped = [*reply("m1", bash("a", "one"), bash("b", "two")), result("b", "2"), result("a", "1")]
    cut = [*reply("m1", bash("a", "one"), bash("b", "two")), result("a", "1")]
    resumed = [*reply("m1", bash("a", "one")), user("go on"), *reply("m2", bash("b", "two")), result("b", "2")]
    half = [*reply("m1", bash("a", "one"), bash("b", "two")), result("b", "2"), *reply("m2", text("Done."))]
    return [
        pytest.param(again, [("find /", None, False), ("ls", "x", True)], id="the request was repeated"),
        pytest.param(later, [("ls", "x", True), ("pwd", "/", True)], id="the id is used again later"),
        pytest.param(twins, [("one", "1", True), ("two", "2", True)], id="one reply uses the id twice"),
        pytest.param(swapped, [("one", "1", True), ("two", "2", True)], id="results in another order"),
        pytest.param(cut, [("one", "1", True), ("two", None, True)], id="cut off while running"),
        pytest.param(resumed, [("one", None, True), ("two", "2", True)], id="a person came in between"),
        pytest.param(half, [("one", None, True), ("two", "2", True), ("Done.", None, True)], id="one answer lost"),
    ]


@pytest.mark.parametrize(("records", "expected"), cases_of_pairing())
def test_results_are_paired_by_reply_and_order(
    tmp_path: Path, records: list[Record], expected: list[tuple[str, str | None, bool]]
) -> None:
    run = read_stream(tmp_path, *records)
    assert [(step.action, step.observation, step.executed) for step in run.steps] == expected


def test_repeated_requests_and_ids_are_told(tmp_path: Path) -> None:
    run = read_stream(
        tmp_path,
        *reply("m1", bash("f:0", "find /"), bash("f:1", "pwd")),
        *reply("m2", bash("f:0", "ls")),
        result("f:0"),
    )
    assert (
        "Calls whose reply was replaced by the next one before a result came (the request was repeated), "
        "marked as not executed: 2."
    ) in run.notes
    assert "Tool-call ids that name several calls (results are paired by reply and order): 1." in run.notes


# Sub-agents


def test_sub_agents_of_a_stream_are_branches_in_stream_order(tmp_path: Path) -> None:
    inner: dict[str, Any] = {"parent_tool_use_id": "t"}
    run = read_stream(
        tmp_path,
        *reply("m1", text("Delegate."), call("t", "Task", description="Look around", prompt="Look.")),
        user([text("Look.")], **inner),
        *reply("s1", bash("a", "ls"), bash("b", "pwd"), **inner),
        result("a", "x", **inner),
        result("b", "/", **inner),
        *reply("s2", text("There is x."), **inner),
        result("t", "There is x."),
        *reply("m2", text("Done.")),
    )
    assert [(step.branch, step.parallel_group, step.is_message) for step in run.steps] == [
        (None, None, False),
        ("t", 2, False),
        ("t", 2, False),
        ("t", None, True),
        (None, None, True),
    ]
    assert run.steps[0].observation == "There is x."
    (branch,) = run.branches
    assert (branch.branch_id, branch.name, branch.parent_step_id) == ("t", "Look around", 1)
    assert run.task_text is None


def test_two_calls_of_one_id_start_two_branches(tmp_path: Path) -> None:
    records: list[Record] = []
    for number in (1, 2):
        records += reply(f"m{number}", call("f:0", "Task", description=f"part {number}"))
        records += reply(f"s{number}", bash("a", "ls"), parent_tool_use_id="f:0")
        records += [result("a", parent_tool_use_id="f:0"), result("f:0", "report")]
    run = read_stream(tmp_path, *records)
    assert [step.branch for step in run.steps] == [None, "f:0", None, "f:0#2"]
    assert [(branch.name, branch.parent_step_id) for branch in run.branches] == [("part 1", 1), ("part 2", 3)]
    assert all(step.observation for step in run.steps)


def test_a_sub_agent_whose_call_is_missing_stays_a_branch(tmp_path: Path) -> None:
    run = read_stream(tmp_path, *reply("s1", bash("a", "ls"), parent_tool_use_id="gone"))
    assert [(branch.branch_id, branch.parent_step_id) for branch in run.branches] == [("gone", None)]


def session_with_task(prompt: str = "Count the tests.") -> Session:
    session = Session()
    session.user("Fix it.")
    session.reply("m1", call("t1", "Task", description="Count", prompt=prompt), call("t2", "Task", prompt="Other."))
    return session


def sidechain(prompt: str, **envelope: Any) -> Session:
    chain = Session(isSidechain=True, **envelope)
    chain.user(prompt)
    chain.reply("s-" + prompt, bash("a", f"echo {prompt}"))
    chain.result("a")
    return chain


def test_sidechains_inside_the_session_hang_below_the_call_with_their_prompt(tmp_path: Path) -> None:
    session = session_with_task()
    for number, prompt in enumerate(("Other.", "Count the tests.")):
        chain = sidechain(prompt)
        for record in chain.records:
            renamed = {key: f"{number}{record[key]}" if record[key] else None for key in ("uuid", "parentUuid")}
            session.records.append({**record, **renamed})
    session.result("t1", "3")
    session.result("t2", "4")
    run = read(session.write(tmp_path / f"{SESSION}.jsonl"))
    assert [step.branch is not None for step in run.steps] == [False, False, True, True]
    assert [(branch.name, branch.parent_step_id) for branch in run.branches] == [("Other.", 2), ("Count", 1)]
    assert run.task_text == "Fix it."


@pytest.mark.parametrize(
    "place",
    ["agent-a1.jsonl", f"{SESSION}/subagents/agent-a1.jsonl", f"{SESSION}/subagents/workflows/wf_1/agent-a1.jsonl"],
)
@pytest.mark.parametrize("linked", [True, False], ids=["by agent id", "by prompt"])
def test_files_of_sub_agents_belong_to_their_session(tmp_path: Path, place: str, linked: bool) -> None:
    session = session_with_task()
    session.result("t1", "3", **({"toolUseResult": {"agentId": "a1"}} if linked else {}))
    session.reply("m2", text("Fixed."))
    session.write(tmp_path / f"{SESSION}.jsonl")
    chain = sidechain("Warmed up." if linked else "Count the tests.", agentId="a1")
    chain.records[-1]["timestamp"] = "2027-01-01T00:00:00Z"
    chain.write(tmp_path / place)
    found = discover(tmp_path).locations
    assert [location.path for location in found] == [str(tmp_path / f"{SESSION}.jsonl")]
    run = read_run(found[0]).trajectory
    assert [step.branch for step in run.steps] == [None, None, None, "a1"]
    assert [(branch.branch_id, branch.parent_step_id) for branch in run.branches] == [("a1", 1)]
    assert run.ended_at == datetime(2026, 2, 1, 10, 0, 4, tzinfo=UTC)
    last = run.steps[-1]
    assert last.action_ref is not None
    assert last.action_ref.path == place
    assert resolve(tmp_path, last.action_ref) == last.action


def test_a_sub_agent_without_its_session_is_a_run(tmp_path: Path) -> None:
    sidechain("Look.", agentId="a1").write(tmp_path / "agent-a1.jsonl")
    run = read(tmp_path)
    assert [(step.action, step.branch) for step in run.steps] == [("echo Look.", None)]
    assert run.task_text == "Look."
    assert run.branches == ()


def test_a_broken_file_of_a_sub_agent_is_told_and_the_session_read(tmp_path: Path) -> None:
    session_with_task().write(tmp_path / f"{SESSION}.jsonl")
    folder = tmp_path / SESSION / "subagents"
    folder.mkdir(parents=True)
    (folder / "agent-a1.jsonl").write_bytes(LFS_POINTER)
    run = read(tmp_path / f"{SESSION}.jsonl")
    assert run.step_count == 2
    assert any("agent-a1.jsonl" in note and "git-LFS" in note for note in run.notes)


# Facts of the run


def test_facts_of_a_session(tmp_path: Path) -> None:
    session = Session()
    session.user("<command-name>/clear</command-name>")
    session.user("Injected by a hook.", isMeta=True)
    session.user([text("Make it faster.")])
    session.reply("m1", bash("a", "ls"))
    session.records[-1]["message"] |= {"usage": {"input_tokens": 3, "cache_read_input_tokens": 10, "output_tokens": 1}}
    session.result("a")
    session.reply("m2", text("Done."))
    session.records[-1]["message"] |= {"usage": {"input_tokens": 4}, "stop_reason": "end_turn"}
    run = read(session.write(tmp_path / "x.jsonl"))
    assert (run.format, run.view) == ("claude-code", "session")
    assert (run.agent, run.agent_version, run.model) == ("claude-code", "2.0.28", "m")
    assert run.task_text == "Make it faster."
    assert run.task_ref is not None
    assert resolve(tmp_path, run.task_ref) == run.task_text
    assert run.started_at == datetime(2026, 2, 1, 10, 0, 0, tzinfo=UTC)
    assert run.ended_at == datetime(2026, 2, 1, 10, 0, 5, tzinfo=UTC)
    assert [step.timestamp and step.timestamp.second for step in run.steps] == [3, 5]
    assert (run.usage.prompt_tokens, run.usage.cached_tokens) == (17, 10)
    assert run.usage.completion_tokens is None, "the first reply was not recorded to its end"
    assert run.exit_status is None
    assert run.outcome.solved is None


def test_a_slash_command_is_the_task_if_there_is_nothing_else(tmp_path: Path) -> None:
    session = Session()
    session.user("<command-name>/init</command-name>")
    session.user("Please analyse this code base.", isMeta=True)
    session.reply("m1", text("Done."))
    session.user("Thanks.")
    assert read(session.write(tmp_path / "x.jsonl")).task_text == "<command-name>/init</command-name>"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([{}], (None, None, None, None)),
        ([{"usage": {"input_tokens": 0, "output_tokens": 0}, "modelUsage": {}}], (None, None, None, None)),
        (
            [{"total_cost_usd": 0.5, "usage": {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 3}}],
            (0.5, 9, 3, 2),
        ),
        (
            [
                {"total_cost_usd": 0.2, "modelUsage": {"m": {"inputTokens": 5}}},
                {
                    "total_cost_usd": 0.3,
                    "usage": {"input_tokens": 1},
                    "modelUsage": {
                        "m": {"inputTokens": 10, "cacheReadInputTokens": 4, "outputTokens": 2},
                        "n": {"inputTokens": 1, "cacheCreationInputTokens": 1},
                        "bad": None,
                    },
                },
            ],
            (0.3, 16, 2, 4),
        ),
        ([{"total_cost_usd": "much", "usage": [1], "modelUsage": "x"}], (None, None, None, None)),
    ],
    ids=["no figures", "zeros of a proxy", "usage", "the last sum holds", "nonsense"],
)
def test_usage_is_what_the_result_line_says(tmp_path: Path, results: list[Record], expected: tuple[Any, ...]) -> None:
    records = [{**RESULT, **found} for found in results]
    (tmp_path / "claude-code.txt").write_text(lines(INIT, *reply("m1", text("x")), *records))
    usage = read(tmp_path).usage
    assert (usage.cost_usd, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == expected


def test_a_resumed_stream_is_one_run(tmp_path: Path) -> None:
    first = [*reply("m1", bash("a", "sleep 900 &")), result("a"), *reply("m2", bash("f", "cat log"))]
    again = [*reply("m3", bash("b", "cat log")), result("b")]
    path = tmp_path / "claude-code.txt"
    path.write_text(lines(INIT, *first, RESULT, INIT, *again, {**RESULT, "subtype": "error_max_turns"}))
    run = read(tmp_path)
    assert [step.action for step in run.steps] == ["sleep 900 &", "cat log", "cat log"]
    assert all(step.executed for step in run.steps), "the call that the end of the first part cut off may have run"
    assert run.exit_status == "error_max_turns"
    assert "The session was started 2 times (resumed); all of it is one run." in run.notes


@pytest.mark.parametrize(
    ("records", "note"),
    [
        (["a text", 42, [1], None], "Lines with JSON that is no object, skipped: 4."),
        (
            [user(None), user({"a": 1}), stream({"type": "assistant", "message": "x"})],
            "without usable content, skipped: 3",
        ),
        ([user("a", uuid="u"), user("a", uuid="u")], "(same uuid and content), read once: 1."),
        ([user("a", uuid="u"), user("b", uuid="u")], "differ from it, both read: 1."),
        ([result("nobody")], "Results for a call that is not in the files, skipped: 1."),
        ([*reply("m1", bash("a", "ls")), result("a"), result("a")], "that has one already, skipped: 1."),
        ([*reply("m1", bash("a", "ls"))], "Calls without a result in the files: 1."),
        (
            [{"type": "summary", "summary": "x", "leafUuid": "y"}],
            "Summary lines (they name other sessions), passed over: 1.",
        ),
        ([{"type": "system", "subtype": "compact_boundary"}], "Times that the conversation was condensed: 1."),
        ([{"type": "system", "subtype": "api_retry"}], "Requests repeated after errors of the model's service: 1."),
        ([{"type": "novelty"}, {"silly": 1}], "Records of other kinds, passed over: 1 novelty, 1 without a type."),
        ([*reply("m1", {"type": "redacted_thinking"})], "Blocks of other kinds, passed over: 1 redacted_thinking."),
        ([user(["plain"])], "Blocks of other kinds, passed over: 1 without a type."),
        ([{**RESULT, "permission_denials": [{}, {}]}], "Calls denied for lack of permission: 2."),
        ([user("a", uuid="1"), user("b", uuid="2")], "Messages of the user in this run (the first is the task): 2."),
    ],
)
def test_everything_odd_is_told(tmp_path: Path, records: list[Any], note: str) -> None:
    run = read_stream(tmp_path, *records)
    assert any(note in found for found in run.notes), run.notes


def test_messages_of_the_program_itself_are_no_steps(tmp_path: Path) -> None:
    (failed,) = reply("m1", text("API Error: 500"))
    failed["message"]["model"] = "<synthetic>"
    path = tmp_path / "claude-code.txt"
    path.write_text(lines(INIT, failed, {**RESULT, "is_error": True, "result": "API Error: 500"}))
    run = read(tmp_path)
    assert run.steps == ()
    assert "Messages that Claude Code wrote in place of the model, no steps: 1: API Error: 500" in run.notes
    assert "The result line calls the end of the run an error: API Error: 500" in run.notes


def test_a_conversation_that_was_taken_back_is_read_whole(tmp_path: Path) -> None:
    session = Session()
    start = session.user("Fix it.")
    session.reply("m1", bash("a", "rm x"))
    session.result("a")
    session.last = start
    session.reply("m2", bash("b", "mv x y"))
    session.result("b")
    run = read(session.write(tmp_path / "x.jsonl"))
    assert [step.action for step in run.steps] == ["rm x", "mv x y"]
    assert any("taken back" in note and note.endswith(": 1.") for note in run.notes)


def test_parallel_calls_are_no_forks(tmp_path: Path) -> None:
    session = Session()
    session.user("Fix it.")
    session.reply("m1", bash("a", "1"), bash("b", "2"))
    first, second = session.records[1]["uuid"], session.records[2]["uuid"]
    session.result("a", parentUuid=first)
    session.result("b", parentUuid=second)
    session.reply("m2", text("Done."))
    assert not any("taken back" in note for note in read(session.write(tmp_path / "x.jsonl")).notes)


def test_several_sessions_in_one_file_are_one_run(tmp_path: Path) -> None:
    first, second = Session(), Session("1b6a3f52-9c1f-4a79-8f6e-2d1b8f0f7a11")
    for session in (first, second):
        session.user("Go on.")
        session.reply("same id", bash("a", "ls"))
        session.result("a")
    first.records += second.records
    run = read(first.write(tmp_path / "x.jsonl"))
    assert run.step_count == 2
    assert "Sessions in this file, read as one run: 2." in run.notes


# Finding and refusing


TRIAL_COMMANDS = "['claude --verbose --output-format stream-json -p \\'Do it.\\'', 'Enter']\n"


def write_cast_trial(folder: Path, cast: str | bytes, commands: str | None = TRIAL_COMMANDS) -> Path:
    (folder / "sessions").mkdir(parents=True)
    (folder / "sessions/agent.cast").write_bytes(cast.encode() if isinstance(cast, str) else cast)
    (folder / "sessions/agent.log").write_bytes(LFS_POINTER)
    if commands is not None:
        (folder / "commands.txt").write_text(commands)
    return folder


def printed(*records: Record) -> list[str]:
    return [json.dumps(record, separators=(",", ":")) + "\r\n" for record in records]


def test_a_recorded_terminal_holds_the_transcript(tmp_path: Path) -> None:
    records = [*reply("m1", thinking("so"), text("I look."), bash("a", "ls")), result("a", "\x1b[1mx\x1b[0m"), RESULT]
    cast = recording("$ claude\r\n", *printed(INIT, *records))
    run = read(write_cast_trial(tmp_path / "trial", cast))
    (step,) = run.steps
    assert (run.view, step.observation, run.exit_status) == ("agent.cast", "\x1b[1mx\x1b[0m", "success")
    assert step.timestamp == datetime.fromtimestamp(1_750_000_005, UTC)
    assert step.thought_ref is not None
    assert (step.thought_ref.line_start, step.thought_ref.line_end, step.thought_ref.pointer) == (
        4,
        5,
        "/*/message/content",
    )
    assert resolve(tmp_path / "trial", step.thought_ref) == "so\nI look."
    assert [location.claim.unit for location in discover(tmp_path).locations] == ["."]


def test_a_killed_recording_says_so(tmp_path: Path) -> None:
    whole, cut = printed(INIT, *reply("m1", bash("a", "ls"))), printed(result("a"))[0][:60]
    run = read(write_cast_trial(tmp_path, recording(*whole, cut)))
    assert [step.observation for step in run.steps] == [None]
    assert "The stream ends without a result line: the run was cut off." in run.notes
    assert "sessions/agent.cast: 1 printed objects are cut off or no JSON (first: line 4)." in run.notes


def test_an_agent_that_never_started_is_a_run_of_no_steps(tmp_path: Path) -> None:
    said = "\x1b[1G\x1b[0K⠼bash: claude: command not found\r\n"
    run = read(write_cast_trial(tmp_path / "cast", recording("$ claude\r\n", said)))
    assert run.steps == ()
    (note,) = run.notes
    assert note.startswith("The agent never started: ")
    assert note.endswith("(the terminal says: bash: claude: command not found).")
    (tmp_path / "harbor/agent").mkdir(parents=True)
    (tmp_path / "harbor/agent/claude-code.txt").write_text("bash: claude: command not found\n")
    run = read(tmp_path / "harbor")
    assert run.steps == ()
    assert any("never started" in note and "command not found" in note for note in run.notes)


def test_a_trial_without_a_list_of_commands_is_known_by_its_recording(tmp_path: Path) -> None:
    cast = recording(*printed(INIT, *reply("m1", text("Done."))))
    assert read(write_cast_trial(tmp_path / "trial", cast, commands=None)).step_count == 1
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/any.cast").write_text(cast)
    assert read(tmp_path / "bare/any.cast").step_count == 1


def test_the_agent_folder_of_a_harbor_trial_is_no_run_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/claude-code.txt").write_text(lines(INIT, *reply("m1", text("Done.")), RESULT))
    session = Session()
    session.user("Do it.")
    session.write(tmp_path / f"agent/sessions/projects/-app/{SESSION}.jsonl")
    assert [(location.claim.unit, location.claim.files) for location in discover(tmp_path).locations] == [
        (".", ("agent/claude-code.txt",))
    ]


@pytest.mark.parametrize("kind", ["session", "stream"])
def test_a_first_line_longer_than_any_head_is_recognised(tmp_path: Path, kind: str) -> None:
    session = Session()
    session.user("long " * 40_000)
    session.reply("m1", text("Done."))
    records = (
        session.records if kind == "session" else [{**INIT, "tools": ["x" * 200_000]}, *reply("m1", text("Done."))]
    )
    (tmp_path / "x.jsonl").write_text(lines(*records))
    assert read(tmp_path).view == ("session" if kind == "session" else "stream-json")


def test_bookkeeping_may_come_before_the_conversation(tmp_path: Path) -> None:
    session = Session()
    session.user("Go.")
    session.reply("m1", text("Done."))
    before = [{"type": "file-history-snapshot", "messageId": "x", "snapshot": "y" * 9_000}] * 3
    (tmp_path / "x.jsonl").write_text(lines({"type": "summary", "summary": "s"}, *before, *session.records))
    assert read(tmp_path).step_count == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "rollout-2026-01-01T00-00-00-x.jsonl",
            lines({"timestamp": "t", "type": "session_meta", "payload": {"id": "x"}}),
        ),
        ("output.jsonl", lines({"instance_id": "x", "history": [], "metadata": {}})),
        ("data.jsonl", lines({"type": "user", "text": "hello"}, {"sessionId": "x", "type": "user"})),
        ("quoted.jsonl", lines({"note": lines(INIT), "type": "user"})),
        ("numbers.jsonl", "1\n2\n[3]\n"),
        ("summaries.jsonl", lines({"type": "summary", "summary": "s", "leafUuid": "l"})),
        ("0f6a3f52-9c1f-4a79-8f6e-2d1b8f0f7a11.jsonl", ""),
        ("binary.jsonl", "\x00\x01"),
        ("other.cast", recording("$ make\r\n", '{"type":"system"}\r\n')),
        ("notes.txt", lines(INIT)),
    ],
)
def test_what_is_not_of_this_format_is_left_alone(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert claude_code.recognise(Artifacts(tmp_path)) == []


@pytest.mark.parametrize(
    "commands", ["['openhands.core.main -t x', 'Enter']\n", "['mini -t \\'use claude\\'', 'Enter']\n"]
)
def test_trials_of_other_agents_are_left_alone(tmp_path: Path, commands: str) -> None:
    write_cast_trial(tmp_path, recording("$ \r\n", *printed({"type": "module"})), commands)
    assert claude_code.recognise(Artifacts(tmp_path)) == []
    assert claude_code.recognise(Artifacts(tmp_path / "sessions")) == []


def harbor(folder: Path) -> Path:
    return folder / "agent/claude-code.txt"


def project(folder: Path) -> Path:
    return folder / f"projects/-app/{SESSION}.jsonl"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 bytes"),
        (LFS_POINTER, "git-LFS"),
        (lines(INIT).encode()[:90], "no valid JSON"),
        (lines(INIT).encode("utf-16"), "not UTF-8"),
        (b"\xff\xfe\xfd\n", "not UTF-8"),
    ],
    ids=["empty", "lfs", "cut", "utf-16", "binary"],
)
@pytest.mark.parametrize("place", [lambda folder: folder / "claude-code.txt", harbor], ids=["file", "harbor"])
def test_an_unreadable_stream_is_an_error_with_the_path(
    tmp_path: Path, place: Callable[[Path], Path], data: bytes, says: str
) -> None:
    path = place(tmp_path)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=says) as caught:
        read(tmp_path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(("data", "says"), [(b"", "0 bytes"), (LFS_POINTER, "git-LFS")])
def test_a_damaged_session_is_known_by_its_place(tmp_path: Path, data: bytes, says: str) -> None:
    path = project(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=says):
        read(tmp_path)


@pytest.mark.parametrize("data", [b"", LFS_POINTER, b'{"version": 2', b"{}\n", recording().encode("utf-16")])
def test_an_unreadable_recording_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CodeTracerError) as caught:
        read(write_cast_trial(tmp_path, data))
    assert caught.value.path == str(tmp_path / "sessions/agent.cast")


def test_a_cut_off_end_costs_the_last_line_only(tmp_path: Path) -> None:
    whole = lines(INIT, *reply("m1", bash("a", "ls")), result("a"))
    (tmp_path / "claude-code.txt").write_text(whole + '{"type":"assistant","message":{"id"')
    run = read(tmp_path)
    assert outline(run) == [("ls", "done", None)]
    assert any("no valid JSON" in note and "line 4" in note for note in run.notes)


# Samples and real runs


def by_name(folder: str) -> Trajectory:
    return read(SAMPLES / folder)


def test_sample_session() -> None:
    run = by_name("projects")
    assert [step.parallel_group for step in run.steps] == [1, 1, None, None, 5, 5, *[None] * 5, 12, 12, None]
    assert [step.step_id for step in run.steps if step.branch] == [4, 5, 6, 7]
    assert [branch.parent_step_id for branch in run.branches] == [3]
    assert [step.exit_code for step in run.steps if step.exit_code is not None] == [1, 1]
    assert run.outcome.solved is None


def test_sample_harbor_trial_has_two_records_that_differ() -> None:
    location = locate(SAMPLES / "harbor")
    assert {location.format, *(parser.name for parser, _ in location.other_views)} == {"atif", "claude-code"}
    run = read_run(location).trajectory
    assert (run.format, run.step_count, run.outcome.solved) == ("claude-code", 10, True)
    assert [step.step_id for step in run.steps if not step.executed] == [1, 8]


def test_sample_terminal_recordings() -> None:
    run = by_name("terminal-bench/rotate-backups")
    assert (run.view, run.step_count, run.outcome.solved) == ("agent.cast", 8, False)
    assert run.steps[0].parallel_group == 1
    assert "\x1b[01;31m" in (run.steps[0].observation or "")
    spread = [
        step
        for step in run.steps
        if step.observation_ref and step.observation_ref.line_end > step.observation_ref.line_start
    ]
    assert spread, "a long object reaches the terminal in several events"
    never = by_name("terminal-bench/merge-calendars")
    assert (never.step_count, never.outcome.solved) == (0, False)
    assert "never started" in never.notes[0]


def calls_in(records: list[Record]) -> list[tuple[str, str, str]]:
    """Every tool call as (message id, call id, arguments), counted without the parser."""
    return [
        (record["message"]["id"], block["id"], json.dumps(block["input"]))
        for record in records
        if record["type"] == "assistant"
        for block in record["message"]["content"]
        if block["type"] == "tool_use"
    ]


def messages_in(records: list[Record]) -> int:
    """Replies with text and without a call, counted without the parser."""
    kinds: dict[str, set[str]] = {}
    for record in records:
        if record["type"] == "assistant":
            for block in record["message"]["content"]:
                if block["type"] != "text" or block["text"].strip():
                    kinds.setdefault(record["message"]["id"], set()).add(block["type"])
    return sum("text" in found and "tool_use" not in found for found in kinds.values())


def json_lines(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def calls_of(steps: tuple[Step, ...]) -> list[tuple[str, str, str]]:
    return [
        (step.native_ids[-1], step.tool.call_id or "", json.dumps(step.tool.arguments)) for step in steps if step.tool
    ]


def test_real_harbor_streams(real: Path) -> None:
    trials = sorted((real / "trajectories/harbor-trials").glob("*/*/agent/claude-code.txt"))
    assert len(trials) == 11
    for path in trials:
        folder = path.parents[1]
        (claim,) = claude_code.recognise(Artifacts(folder))
        run = claude_code.parse(Artifacts(folder), claim, None)
        records = json_lines(path)
        assert calls_of(run.steps) == calls_in(records), folder.name
        assert sum(step.is_message for step in run.steps) == messages_in(records), folder.name
        results = sum(
            b["type"] == "tool_result" for r in records if r["type"] == "user" for b in r["message"]["content"]
        )
        assert sum(step.observation is not None for step in run.steps) == results, folder.name
        told = json.loads((folder / "result.json").read_text())["agent_result"]
        if told["n_input_tokens"] is not None:
            assert run.usage.prompt_tokens == told["n_input_tokens"], folder.name
            assert run.usage.completion_tokens == told["n_output_tokens"], folder.name
            assert run.usage.cached_tokens == told["n_cache_tokens"], folder.name


def test_real_harbor_records_differ_by_calls_that_share_an_id(real: Path) -> None:
    """Both records name the same ids; the converter lost the calls whose id came twice."""
    lost = {}
    for path in sorted((real / "trajectories/harbor-trials").glob("*/*/agent/trajectory.json")):
        steps = json.loads(path.read_text())["steps"]
        kept = [made["tool_call_id"] for step in steps for made in step.get("tool_calls") or []]
        written = [call_id for _, call_id, _ in calls_in(json_lines(path.with_name("claude-code.txt")))]
        assert set(kept) == set(written), path
        assert len(kept) == len(set(kept)), path
        lost[path.parts[-3].split("__")[0]] = len(written) - len(kept)
        run = read(path.parents[1])
        calls = sum(step.tool is not None for step in run.steps)
        assert calls == len(written), "nothing is lost when both records are there"
    assert lost == {
        "code-from-image": 1,
        "configure-git-webserver": 1,
        "kv-store-grpc": 2,
        "polyglot-c-py": 0,
        "prove-plus-comm": 1,
        "pypi-server": 0,
        "query-optimize": 8,
        "regex-log": 1,
        "sqlite-db-truncate": 0,
    }


def test_real_recordings(real: Path) -> None:
    trials = sorted((real / "trajectories/terminal-bench-trials/claude_code").glob("*/*/*/sessions/agent.cast"))
    assert len(trials) == 6
    counted = {}
    for path in trials:
        events = [json.loads(line) for line in path.read_text().splitlines()[1:]]
        shown = strip_ansi("".join(text for _, kind, text in events if kind == "o")).replace("\r", "")
        records = [json.loads(line) for line in shown.split("\n") if line.startswith('{"type":"')]
        run = read(path.parents[1])
        assert calls_of(run.steps) == calls_in(records), path
        assert run.step_count == len(calls_in(records)) + messages_in(records), path
        assert (run.format, run.view) == ("claude-code", "agent.cast")
        counted[f"{path.parts[-5].removeprefix('claude_code_')}/{path.parts[-4]}"] = run.step_count
    assert counted == {
        "c4/extract-safely": 0,
        "c4/hello-world": 2,
        "c4/password-recovery": 59,
        "coder/vim-terminal-task": 5,
        "gpt5/vim-terminal-task": 10,
        "v3/blind-maze-explorer-5x5": 1,
    }


def test_real_sessions(real: Path) -> None:
    folder = next((real / "trajectories/claude-code").glob("d-kimuson*/*/projects/*"))
    found = discover(folder).locations
    assert [Path(location.path).stem[:8] for location in found] == ["1af7fc5e", "5c0375b4", "fe5e1c67"]
    for location in found:
        run = read_run(location).trajectory
        records = [record for name in location.claim.files for record in json_lines(folder / name)]
        assert calls_of(run.steps) == calls_in(records)
        assert run.step_count == len(calls_in(records)) + messages_in(records)
        roots = [r for r in records if r.get("isSidechain") and r["parentUuid"] is None]
        assert len(run.branches) == len(roots)
    linked = [branch.parent_step_id for branch in run.branches]
    assert linked == [6, 4, 5, 91, 92]
    for branch in run.branches:
        parent = run.steps[(branch.parent_step_id or 0) - 1]
        assert parent.tool is not None
        assert parent.tool.name == "Task"


def test_real_made_up_edge_cases(real: Path) -> None:
    path = next((real / "trajectories/claude-code").glob("daaain*/test/test_data/edge_cases.jsonl"))
    run = read(path)
    assert [step.tool.name if step.tool else None for step in run.steps] == [
        None,
        "FailingTool",
        "MultiEdit",
        "TodoWrite",
    ]
    assert any(re.fullmatch(r"Lines with JSON that is no object, skipped: 3\.", note) for note in run.notes)
