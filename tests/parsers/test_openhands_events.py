"""OpenHands 0.x: which events are steps, in each form in which a session is kept."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import Discovery, discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import Artifacts
from tests.conftest import SAMPLE_DATA

SAMPLES = SAMPLE_DATA / "openhands"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 12\n"
Event = dict[str, Any]


def action(number: int, kind: str, source: str = "agent", **args: Any) -> Event:
    time = f"2026-01-05T10:00:{number % 60:02d}"
    return {"id": number, "timestamp": time, "source": source, "message": "", "action": kind, "args": args}


def answer(number: int, cause: int, kind: str = "run", content: str = "ok", **extras: Any) -> Event:
    time = f"2026-01-05T10:00:{number % 60:02d}"
    seen = {"id": number, "timestamp": time, "source": "agent", "message": "", "cause": cause, "observation": kind}
    return {**seen, "content": content, "extras": extras}


def called(
    event: Event, response: str, calls: list[tuple[str, str, dict[str, Any]]], index: int, **message: Any
) -> Event:
    """``event`` with the model's reply that asked for it; ``calls`` are (id, function, arguments)."""
    written = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for call_id, name, arguments in calls
    ]
    reply = {"id": response, "model": "some-model", "choices": [{"message": {**message, "tool_calls": written}}]}
    metadata = {"function_name": calls[index][1], "tool_call_id": calls[index][0], "model_response": reply}
    return {**event, "tool_call_metadata": {**metadata, "total_calls_in_response": len(calls)}}


TASK = action(0, "message", "user", content="Do it.")
SESSION = [
    action(0, "system", content="You are …", openhands_version="0.59.0"),
    action(1, "message", "user", content="Do it."),
    action(2, "recall", "user", query="Do it."),
    answer(3, 2, "recall", "Added workspace context"),
    action(4, "run", command="ls", thought="Look."),
    answer(5, 4, content="a.py", metadata={"exit_code": 0}),
    action(6, "run", command="pytest"),
    action(7, "finish", final_thought="Done."),
]


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def write_events(folder: Path, events: list[Event]) -> Path:
    for event in events:
        write(folder / "events" / f"{event['id']}.json", event)
    return folder


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
    return path


def row(instance: str, history: Any, **more: Any) -> dict[str, Any]:
    return {"instance_id": instance, "test_result": {"git_patch": ""}, "history": history, "error": None, **more}


def read(path: Path, declared: int | None = None) -> Trajectory:
    return read_run(locate(path), declared_step_count=declared).trajectory


def actions(trajectory: Trajectory) -> list[str]:
    return [step.action for step in trajectory.steps]


def paths(found: Discovery) -> list[str]:
    return [f"{location.format}:{location.path.rsplit('/', 1)[-1]}" for location in found.locations]


# Samples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "view", "steps", "solved"),
    [
        ("event-export", "event export", 6, None),
        ("terminal-bench", "events", 10, False),
        ("event-cache", "event cache", 11, None),
        ("evaluation/output.jsonl#L1", "output row", 6, True),
        ("evaluation/output.jsonl#L2", "output row", 7, False),
        ("resolver/output.jsonl#L1", "resolver row", 4, True),
        ("resolver/output.jsonl#L2", "resolver row", 2, False),
        ("pairs", "output row (pairs)", 3, None),
    ],
)
def test_samples(place: str, view: str, steps: int, solved: bool | None) -> None:
    trajectory = read(SAMPLES / place)
    assert (trajectory.format, trajectory.view) == ("openhands", view)
    assert (trajectory.step_count, trajectory.outcome.solved) == (steps, solved)
    assert trajectory.agent == "OpenHands"
    assert trajectory.task_text


def test_trial_step_by_step() -> None:
    trajectory = read(SAMPLES / "terminal-bench")
    steps = trajectory.steps
    assert [step.parallel_group for step in steps[:4]] == [None, 2, 2, None]
    assert [step.thought is None for step in steps[1:3]] == [False, True]
    assert steps[0].tool is not None
    assert steps[0].tool.name == "recall"
    assert steps[5].action == '""'  # a bare Enter
    assert steps[5].tool is not None
    assert steps[5].tool.arguments["command"] == ""  # type: ignore[index]
    assert (steps[4].exit_code, steps[6].exit_code) == (None, 0)
    assert "no new output after 10 seconds" in (steps[4].observation or "")
    assert steps[8].action.startswith("from collections import Counter\n")
    assert trajectory.agent_version == "0.59.0"
    assert trajectory.model == "gpt-5-2025-08-07"
    assert trajectory.exit_status == "finished"
    assert [test.status for test in trajectory.tests] == ["passed", "passed", "failed"]


# Which events are steps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "view", "expected"),
    [
        (None, "events", ["recall", "run"]),
        (2, "events", ["recall", "run"]),
        (3, "events (agent actions)", ["run", "run", "finish"]),
        (7, "events", ["recall", "run"]),  # neither reading fits: the first stays
    ],
)
def test_two_published_readings(tmp_path: Path, declared: int | None, view: str, expected: list[str]) -> None:
    trajectory = read(write_events(tmp_path / "sid", SESSION), declared)
    assert trajectory.view == view
    assert [step.tool.name for step in trajectory.steps if step.tool] == expected


def test_events_that_are_no_steps_are_told(tmp_path: Path) -> None:
    trajectory = read(write_events(tmp_path / "sid", SESSION))
    assert "Actions that are no steps: 1 finish, 1 message, 1 system." in trajectory.notes
    assert "Actions without an observation are no steps: 1 run (first: event 6)." in trajectory.notes


def test_the_null_observation_is_none(tmp_path: Path) -> None:
    events = [TASK, answer(1, 0, "null", ""), action(2, "change_agent_state", "environment", agent_state="init")]
    events += [answer(3, 2, "null", ""), action(4, "run", command="ls"), answer(5, 4)]
    assert actions(read(write(tmp_path / "export.json", events))) == ["ls"]


def test_a_record_that_is_no_event_is_told(tmp_path: Path) -> None:
    folder = write_events(tmp_path / "sid", SESSION)
    (folder / "events" / "99.json").write_text("{}")
    trajectory = read(folder)
    assert "1 record is neither an action nor an observation: not read." in trajectory.notes
    assert trajectory.step_count == read(write_events(tmp_path / "whole", SESSION)).step_count


def test_observations_without_an_action_are_told(tmp_path: Path) -> None:
    lost = {key: value for key, value in answer(3, 0, "error", "bad call").items() if key != "cause"}
    events = [TASK, action(1, "run", command="ls"), answer(2, 1), lost, answer(4, 1, content="again")]
    trajectory = read(write(tmp_path / "export.json", events))
    assert [step.observation for step in trajectory.steps] == ["ok"]
    assert "Observations that answer no stored action: 1 error (first: event 3)." in trajectory.notes
    assert "1 further observation of actions that already had one: not shown." in trajectory.notes


@pytest.mark.parametrize(
    ("extras", "code", "shown"),
    [
        ({"metadata": {"exit_code": 2, "prefix": "", "suffix": "\n[exit code 2]"}}, 2, "out"),
        ({"exit_code": 0, "command_id": -1}, 0, "out"),
        (
            {"metadata": {"exit_code": -1, "prefix": "[Below]\n", "suffix": "\n[no output]"}},
            None,
            "[Below]\nout\n[no output]",
        ),
        ({}, None, "out"),
    ],
)
def test_exit_codes(tmp_path: Path, extras: dict[str, Any], code: int | None, shown: str) -> None:
    events = [TASK, action(1, "run", command="make"), answer(2, 1, content="out", **extras)]
    folder = write_events(tmp_path / "sid", events)
    (step,) = read(folder).steps
    assert (step.exit_code, step.observation) == (code, shown)
    assert step.observation_ref is not None
    assert "out" in resolve(folder, step.observation_ref)


def test_a_rejected_action_was_not_executed(tmp_path: Path) -> None:
    events = [TASK, action(1, "run", command="rm -rf /"), answer(2, 1, "user_rejected", "No!")]
    (step,) = read(write_events(tmp_path / "sid", events)).steps
    assert (step.executed, step.observation) == (False, "No!")


# Replies -------------------------------------------------------------------------------------------------------------


def test_calls_of_one_reply_share_a_group_and_its_first_step_has_the_thought(tmp_path: Path) -> None:
    first = [("c1", "execute_bash", {"command": "ls"}), ("c2", "str_replace_editor", {"command": "view", "path": "/a"})]
    alone = [("c1", "execute_bash", {"command": "pwd"})]
    events = [
        TASK,
        called(
            action(1, "run", command="ls", thought="Both."), "r1", first, 0, content="Both.", reasoning_content="Why."
        ),
        called(action(2, "read", path="/a"), "r1", first, 1, content="Both.", reasoning_content="Why."),
        answer(3, 1),
        answer(4, 2, "read"),
        called(action(5, "run", command="pwd", thought="Alone."), "r2", alone, 0, content="Alone."),
        answer(6, 5),
    ]
    steps = read(write_events(tmp_path / "sid", events)).steps
    assert [step.parallel_group for step in steps] == [1, 1, None]
    assert [step.thought for step in steps] == ["Why.\n\nBoth.", None, "Alone."]
    assert [step.native_ids for step in steps] == [("1", "c1"), ("2", "c2"), ("5", "c1")]
    assert [step.tool.name for step in steps if step.tool] == ["execute_bash", "str_replace_editor", "execute_bash"]
    assert steps[1].action == '{"command": "view", "path": "/a"}'


def test_a_server_that_gives_every_reply_the_same_id_makes_no_endless_group(tmp_path: Path) -> None:
    calls = [("x", "execute_bash", {"command": "ls"}), ("x", "execute_bash", {"command": "pwd"})]
    events = [TASK]
    for number in range(1, 9, 2):
        command = calls[(number // 2) % 2][2]["command"]
        events.append(called(action(number, "run", command=command), "same", calls, (number // 2) % 2))
        events.append(answer(number + 1, number))
    steps = read(write_events(tmp_path / "sid", events)).steps
    assert [step.parallel_group for step in steps] == [1, 1, 3, 3]


# Forms of a session --------------------------------------------------------------------------------------------------


def test_cache_pages_repeat_events(tmp_path: Path) -> None:
    pages = tmp_path / "sid" / "event_cache"
    write(pages / "4-8.json", SESSION[4:])
    write(pages / "0-5.json", SESSION[:5])
    trajectory = read(tmp_path / "sid")
    assert (trajectory.view, trajectory.step_count) == ("event cache", 2)
    assert "1 event stored again under an id that was read before; the first copy is used." in trajectory.notes


def test_single_events_are_used_before_cache_pages(tmp_path: Path) -> None:
    folder = write_events(tmp_path / "sid", SESSION)
    write(folder / "event_cache" / "0-25.json", SESSION[:6])
    assert read(folder).view == "events"


def test_events_sort_by_number_not_by_name(tmp_path: Path) -> None:
    events = [TASK]
    for number in range(1, 24, 2):
        events += [action(number, "run", command=f"echo {number}"), answer(number + 1, number)]
    assert actions(read(write_events(tmp_path / "sid", events))) == [f"echo {number}" for number in range(1, 24, 2)]


def test_the_order_of_an_export_is_that_of_its_ids(tmp_path: Path) -> None:
    events = [action(3, "run", command="second"), answer(4, 3), action(1, "run", command="first"), answer(2, 1)]
    assert actions(read(write(tmp_path / "export.json", events))) == ["first", "second"]


def test_missing_event_files_are_told(tmp_path: Path) -> None:
    folder = write_events(tmp_path / "sid", SESSION)
    (folder / "events" / "3.json").unlink()
    trajectory = read(folder)
    assert trajectory.step_count == 1
    assert "Event files are missing: 3–3." in trajectory.notes


@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "from the web interface"])
def test_an_export_is_a_run_of_its_own(tmp_path: Path, wrapped: bool) -> None:
    file = write(tmp_path / "run.json", {"trajectory": SESSION} if wrapped else SESSION)
    trajectory = read(file)
    assert (trajectory.view, trajectory.step_count) == ("event export", 2)
    assert trajectory.steps[1].action_ref is not None
    assert resolve(tmp_path, trajectory.steps[1].action_ref) == "ls"


def trial(root: Path, **parts: Any) -> Path:
    for name, value in {"results.json": {"task_id": "t", "is_resolved": False}, **parts}.items():
        write(root / name, value)
    return root


def test_a_trial_is_the_run_and_its_export_comes_first(tmp_path: Path) -> None:
    root = trial(tmp_path / "trial", **{"sessions/sid.json": SESSION[:6], "sessions/agent.cast": b"{}"})
    write_events(root / "sessions" / "sessions" / "sid", SESSION)
    found = discover(tmp_path)
    assert paths(found) == ["openhands:trial"]
    trajectory = read(root)
    assert (trajectory.view, trajectory.task, trajectory.outcome.solved) == ("event export", "t", False)
    assert "The event export is used: 6 events; 8 lie in the folder of single events." in trajectory.notes


@pytest.mark.parametrize("store", ["sessions/sessions", "agent-logs/sessions", "sessions", "agent/sessions"])
def test_file_stores_in_a_trial(tmp_path: Path, store: str) -> None:
    write_events(trial(tmp_path / "trial") / store / "sid", SESSION)
    assert paths(discover(tmp_path)) == ["openhands:trial"]


def test_a_damaged_export_gives_way_to_the_events(tmp_path: Path) -> None:
    root = trial(tmp_path / "trial", **{"sessions/sid.json": LFS})
    write_events(root / "sessions" / "sessions" / "sid", SESSION)
    trajectory = read(root)
    assert trajectory.view == "events"
    assert any("git-LFS pointer" in note and "sid.json" in note for note in trajectory.notes)


def test_two_sessions_of_a_trial_are_two_runs(tmp_path: Path) -> None:
    root = trial(tmp_path / "trial")
    write_events(root / "sessions" / "sessions" / "first", SESSION)
    write_events(root / "sessions" / "sessions" / "second", SESSION[:4])
    assert paths(discover(root)) == ["openhands:trial#first", "openhands:trial#second"]
    assert [read_run(run).trajectory.step_count for run in discover(root).locations] == [2, 1]


@pytest.mark.parametrize("store", ["sessions", "users/7/conversations"])
def test_a_file_store_without_a_harness_holds_a_run_per_session(tmp_path: Path, store: str) -> None:
    write_events(tmp_path / store / "one", SESSION)
    write_events(tmp_path / store / "two", SESSION)
    assert paths(discover(tmp_path)) == ["openhands:one", "openhands:two"]


def test_harbor_keeps_a_converted_record_beside_the_events(tmp_path: Path) -> None:
    atif_steps = [
        {"step_id": 1, "source": "user", "message": "Do it."},
        {"step_id": 2, "source": "agent", "message": "", "tool_calls": [
            {"tool_call_id": "c", "function_name": "execute_bash", "arguments": {"command": "ls"}}
        ]},
    ]  # fmt: skip
    agent = {"name": "openhands", "version": "0.59.0"}
    root = tmp_path / "trial__abc"
    write(root / "result.json", {"trial_name": "trial__abc", "task_name": "t"})
    write(root / "agent/trajectory.json", {"schema_version": "ATIF-v1.5", "agent": agent, "steps": atif_steps})
    write_events(root / "agent" / "sessions" / "sid", SESSION)
    write(root / "agent/completions/m-1769425200.25.json", {"messages": [], "response": {}})
    (run,) = discover(tmp_path).locations
    assert {run.format, *(parser.name for parser, _ in run.other_views)} == {"openhands", "atif"}
    assert read_run(run).trajectory.format == "openhands"


def test_the_folder_of_events_itself_can_be_named(tmp_path: Path) -> None:
    folder = write_events(tmp_path / "sid", SESSION)
    assert read(folder / "events").step_count == 2


# Rows ----------------------------------------------------------------------------------------------------------------


def test_one_run_per_row_and_a_damaged_row_costs_only_itself(tmp_path: Path) -> None:
    cut_off = json.dumps(row("c", SESSION)).encode()[:-40]
    file = write_rows(tmp_path / "output.jsonl", [row("a", SESSION), b"", row("b", []), cut_off, row("d", SESSION)])
    found = discover(tmp_path).locations
    assert [run.claim.member for run in found] == ["L1", "L3", "L4", "L5"]
    with pytest.raises(UnreadableFile, match=r"output\.jsonl, line 4: no valid JSON"):
        read_run(found[2])
    good = [read_run(run) for run in (found[0], found[1], found[3])]
    assert [run.trajectory.task for run in good] == ["a", "b", "d"]
    assert [run.trajectory.step_count for run in good] == [2, 0, 2]
    assert len({run.evidence_hash for run in good}) == 3
    assert read(Path(f"{file}#L5")).task == "d"
    with pytest.raises(CodeTracerError, match="no run that any parser recognises"):
        locate(Path(f"{file}#L9"))


def test_a_line_is_read_alone(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [b'{"a": 1}', b"", b"cut o", b'{"a": 4}'])
    artifacts = Artifacts(tmp_path)
    assert [artifacts.read_line("rows.jsonl", number).value for number in (1, 4)] == [{"a": 1}, {"a": 4}]
    for number in (0, 3, 9):
        with pytest.raises(UnreadableFile, match=r"rows\.jsonl.*line"):
            artifacts.read_line("rows.jsonl", number)


@pytest.mark.parametrize("missing", [b'{"instance_id": "x", "test_result": {}, "metadata": {}}', b"[1]"])
def test_a_row_without_a_history_is_an_error(tmp_path: Path, missing: bytes) -> None:
    write_rows(tmp_path / "output.jsonl", [row("a", SESSION), missing])
    with pytest.raises(MalformedRun, match="line 2: a row without a history"):
        read_run(discover(tmp_path).locations[1])


@pytest.mark.parametrize(
    ("more", "solved", "reason"),
    [
        ({"report": {"resolved": True}}, True, "the evaluation's report"),
        ({"report": {"resolved": False, "error_eval": False}}, False, "the evaluation's report"),
        ({"report": {"resolved": False, "error_eval": True}}, None, "the evaluation itself failed (error_eval)"),
        ({"test_result": {"git_patch": "", "report": {"resolved": True}}}, True, "the evaluation's report"),
        ({"success": True}, None, "no result file"),  # only a resolver's row judges itself
        ({}, None, "no result file"),
    ],
)
def test_outcome_of_a_row(tmp_path: Path, more: dict[str, Any], solved: bool | None, reason: str) -> None:
    write_rows(tmp_path / "output.jsonl", [row("a", SESSION, **more)])
    outcome = read(tmp_path).outcome
    assert (outcome.solved, outcome.reason) == (solved, reason)


def test_a_cost_of_zero_is_an_unknown_price(tmp_path: Path) -> None:
    tokens = {"prompt_tokens": 900, "completion_tokens": 20, "cache_read_tokens": 300}
    metrics = {"accumulated_cost": 0.0, "accumulated_token_usage": tokens}
    write_rows(tmp_path / "output.jsonl", [row("a", SESSION, metrics=metrics)])
    usage = read(tmp_path).usage
    assert (usage.cost_usd, usage.prompt_tokens, usage.cached_tokens) == (None, 900, 300)


def test_logs_of_an_evaluated_instance_belong_to_its_row(tmp_path: Path) -> None:
    write_rows(tmp_path / "output.jsonl", [row("a", SESSION)])
    for instance in ("a", "crashed"):
        write(tmp_path / "llm_completions" / instance / "m-1769425200.25.json", {"messages": [], "response": {}})
    assert paths(discover(tmp_path)) == ["openhands:output.jsonl#L1", "openhands-completions:crashed"]


# What cannot be read -------------------------------------------------------------------------------------------------

BAD = {
    "truncated": (json.dumps(SESSION[4]).encode()[:60], UnreadableFile, "no valid JSON"),
    "LFS pointer": (LFS, UnreadableFile, "git-LFS pointer"),
    "zero bytes": (b"", UnreadableFile, "empty"),
    "wrong encoding": (json.dumps(SESSION[4]).encode("utf-16"), UnreadableFile, "not UTF-8"),
    "no object": (b"[1, 2]", MalformedRun, "no JSON object"),
}


@pytest.mark.parametrize(("content", "error", "reason"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("number", [0, 4], ids=["first", "in the middle"])
def test_a_damaged_event_fails_the_run(
    tmp_path: Path, number: int, content: bytes, error: type[CodeTracerError], reason: str
) -> None:
    folder = write_events(tmp_path / "sid", SESSION)
    write(folder / "events" / f"{number}.json", content)
    (run,) = discover(tmp_path).locations
    with pytest.raises(error, match=reason) as raised:
        read_run(run)
    assert raised.value.path.endswith(f"{number}.json")


@pytest.mark.parametrize("content", [LFS, b""], ids=["LFS pointer", "zero bytes"])
def test_a_lost_output_file_says_so(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "output.jsonl", content)
    (run,) = discover(tmp_path).locations
    with pytest.raises(UnreadableFile, match=r"output\.jsonl"):
        read_run(run)


def test_known_names_with_unknown_content_fail(tmp_path: Path) -> None:
    write(tmp_path / "export.json", [{"id": 0, "timestamp": "2026-01-05", "source": "agent", "what": "?"}])
    with pytest.raises(MalformedRun, match="no event that is an action or an observation"):
        read_run(locate(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events/1.json", {"event": "push", "repository": "x"}),
        ("events/1.json", [{"id": 1, "type": "PushEvent"}]),
        ("data.json", [{"id": 1, "source": "agent", "text": "x"}]),
        ("messages.json", [{"role": "user", "content": "hi"}]),
        ("rows.jsonl", {"instance_id": "a", "history": [{"role": "user", "content": "hi"}]}),
        ("rows.jsonl", {"instance_id": "a", "model_patch": "diff", "model_name_or_path": "m"}),
        ("output.swebench_eval.jsonl", {"instance_id": "a", "test_result": {"report": {"resolved": True}}}),
        ("sessions/one.json", {"id": 1}),
    ],
)
def test_look_alikes_are_not_claimed(tmp_path: Path, name: str, content: Any) -> None:
    write(tmp_path / name, content)
    assert discover(tmp_path, format="openhands").locations == []
    with pytest.raises(UnknownFormat):
        locate(tmp_path, format="openhands")


# Real runs -----------------------------------------------------------------------------------------------------------


def observed(history: list[Event]) -> int:
    """The contract's count, but for answers of ``null`` (see the parser), written down a second time."""
    causes = {event.get("cause") for event in history if event.get("observation") not in (None, "null")}
    return sum(
        event.get("action") not in (None, "system", "message", "finish") and event["id"] in causes for event in history
    )


def test_real_exports(real: Path) -> None:
    folder = real / "trajectories/openhands/All-Hands-AI+OpenHands/tests/runtime/trajs"
    counts = {file.stem: read(file).step_count for file in sorted(folder.glob("*.json"))}
    assert counts == {file.stem: observed(json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))}
    assert counts == {"basic": 1, "basic_gui_mode": 4, "basic_interactions": 0, "wrong_initial_state": 3}


def test_real_evaluation_rows(real: Path) -> None:
    examples = "trajectories/openhands/All-Hands-AI+OpenHands/evaluation/benchmarks/multi_swe_bench/examples"
    file = real / examples / "output.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    found = [read_run(run).trajectory for run in discover(file).locations]
    assert [run.step_count for run in found] == [observed(row["history"]) for row in rows] == [23, 33, 50]
    assert [run.task for run in found] == [row["instance_id"] for row in rows]
    assert {run.outcome.solved for run in found} == {None}
    assert found[2].exit_status == rows[2]["error"]


def test_real_resolver_rows(real: Path) -> None:
    file = real / "trajectories/openhands/AlexCuadron+OpenHands/tests/unit/resolver/mock_output/output.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    found = [read_run(run).trajectory for run in discover(file).locations]
    counts = [sum("observation" in event for event in row["history"]) for row in rows]
    assert [run.step_count for run in found] == counts == [3, 21]
    assert [run.outcome.solved for run in found] == [row["success"] for row in rows]


def test_real_events_of_the_benchmark(real: Path, tmp_path: Path) -> None:
    """The manifest quotes the events that its labels speak of: they must read as the labelled steps do."""
    checked = 0
    for number, line in enumerate(
        (real / "codetracebench/manifest.openhands_terminus2.jsonl").read_text().splitlines()
    ):
        manifest = json.loads(line)
        stages = manifest["incorrect_stages"]
        stages = ast.literal_eval(stages) if isinstance(stages, str) else stages
        labelled = [step for stage in stages for step in stage["steps"] if step.get("action_ref")]
        labelled = [step for step in labelled if "/events/" in step["action_ref"]["path"]]
        if not labelled:
            continue
        folder = tmp_path / str(number) / "sid" / "events"
        for step in labelled:
            for ref in (step["action_ref"], step["observation_ref"]):
                write(folder / ref["path"].rsplit("/", 1)[-1], ref["content"].encode())
        steps = read(folder.parent).steps
        assert len(steps) == len(labelled)
        for step, label in zip(steps, labelled, strict=True):
            event = json.loads(label["action_ref"]["content"])
            seen = json.loads(label["observation_ref"]["content"])
            assert step.native_ids == (str(event["id"]), event["tool_call_metadata"]["tool_call_id"])
            assert step.action == event["args"]["command"]
            assert seen["content"] in (step.observation or "")
            checked += 1
    assert checked > 10
