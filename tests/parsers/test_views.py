"""Two records of one run: which is used, what it takes from the other, what is told of their difference."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import AmbiguousFormat, UnreadableFile
from codetracer_core.parsers import PARSERS, read_run

META = {"type": "session_meta", "payload": {"id": "s", "cli_version": "0.50.0"}}


def rollout(*calls: tuple[str, str]) -> str:
    records: list[dict[str, Any]] = [META]
    for call_id, output in calls:
        records.append({"type": "function_call", "name": "shell", "arguments": '{"command": "ls"}', "call_id": call_id})
        records.append({"type": "function_call_output", "call_id": call_id, "output": output})
    lines = [r if r is META else {"type": "response_item", "payload": r} for r in records]
    return "\n".join(json.dumps(line) for line in lines)


def atif(*calls: tuple[str, str], stamps: tuple[str, ...] = ()) -> str:
    steps: list[dict[str, Any]] = [{"source": "user", "message": "The task."}]
    for at, (call_id, output) in enumerate(calls):
        made = [{"tool_call_id": call_id, "function_name": "shell", "arguments": {"command": "ls"}}]
        results = [{"source_call_id": call_id, "content": output}]
        steps.append({"source": "agent", "message": "", "tool_calls": made, "observation": {"results": results}})
        if stamps:
            steps[-1]["timestamp"] = stamps[at]
    return json.dumps({"schema_version": "ATIF-v1.7", "agent": {"name": "codex"}, "steps": steps})


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    folder = tmp_path / "task__Ab3dE5f"
    (folder / "agent/sessions/2026/01/02").mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"trial_name": folder.name, "task_name": "task"}))
    return folder


def write(trial: Path, native: str, converted: str) -> None:
    (trial / "agent/sessions/2026/01/02/rollout-2026-01-02T03-04-05-x.jsonl").write_text(native)
    (trial / "agent/trajectory.json").write_text(converted)


A, B = ("a", "1"), ("b", "2")
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"


@pytest.mark.parametrize(
    ("native", "converted", "used", "told"),
    [
        (
            rollout(A, B),
            atif(A),
            "codex",
            "differ by tool calls (1 only in the first, 0 only in the second; they differ",
        ),
        (
            rollout(A),
            atif(A, B),
            "atif",
            "differ by tool calls (1 only in the first, 0 only in the second; they differ",
        ),
        (
            rollout(A, A),
            atif(A),
            "codex",
            "1 only in the first, 0 only in the second; they agree on the set of call ids",
        ),
        (rollout(A, B), atif(A, B), "atif", "agree on every tool call"),
        (rollout(A, B), atif(A, B, stamps=(EARLY, LATE)), "atif", "agree on every tool call"),
        (rollout(A, B), atif(A, B, stamps=(LATE, EARLY)), "codex", "agree on every tool call"),
        (rollout(), atif(A), "atif", "differ by tool calls"),
    ],
)
def test_the_richer_record_is_used_and_the_difference_told(
    trial: Path, native: str, converted: str, used: str, told: str
) -> None:
    write(trial, native, converted)
    (location,) = discover(trial).locations
    trajectory = read_run(location).trajectory
    assert trajectory.format == used
    assert any(note.startswith("Two records of this run") and told in note for note in trajectory.notes)
    assert (trajectory.task_text, trajectory.agent_version) == ("The task.", "0.50.0")


def test_a_record_that_cannot_be_read_gives_way(trial: Path) -> None:
    write(trial, rollout(A), atif(A)[:-5])
    trajectory = read_run(locate(trial)).trajectory
    assert trajectory.format == "codex"
    assert any(note.startswith("Another record of this run could not be read: ") for note in trajectory.notes)


def test_if_none_can_be_read_the_first_error_is_raised(trial: Path) -> None:
    write(trial, "", atif(A)[:-5])
    with pytest.raises(UnreadableFile, match=r"agent/trajectory\.json"):
        read_run(locate(trial))


def test_one_file_that_two_formats_claim_is_ambiguous(tmp_path: Path) -> None:
    both = {"sessionId": "s", "projectHash": "h", "schema_version": "ATIF-v1.2", "messages": []}
    (tmp_path / "run.json").write_text(json.dumps(both))
    with pytest.raises(AmbiguousFormat, match="atif, gemini-cli"):
        locate(tmp_path)
    assert locate(tmp_path, format="gemini-cli").format == "gemini-cli"


def test_formats_have_names_of_their_own() -> None:
    names = [parser.name for parser in PARSERS]
    assert len(set(names)) == len(names)


def test_real_trials_with_two_records_use_the_one_with_more_calls(real: Path) -> None:
    checked = 0
    for path in sorted((real / "trajectories/harbor-trials").glob("*/*/agent/trajectory.json")):
        location = locate(path.parents[1])
        calls = []
        for name in ("atif", "claude-code"):
            single = read_run(locate(path.parents[1], format=name)).trajectory
            calls.append(sum(not step.is_message for step in single.steps))
        used = read_run(location).trajectory
        assert sum(not step.is_message for step in used.steps) == max(calls)
        assert used.task_text is not None
        checked += 1
    assert checked == 9
