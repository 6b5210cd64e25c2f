"""Runs that were cut into steps elsewhere keep their numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts
from codetracer_core.parsers.normalised import FORMAT
from tests.conftest import SAMPLE_DATA

SAMPLES = SAMPLE_DATA / "normalised"
POINTER = LFS_MARK + b"v1\noid sha256:0\nsize 9\n"
Fields = dict[str, Any]


def record(step_id: Any, action: str = "ls", observation: str | None = "out", **more: Any) -> Fields:
    return {"step_id": step_id, "action": action, "observation": observation, **more}


def read(folder: Path, *records: Fields) -> Trajectory:
    (folder / "steps.json").write_text(json.dumps(records, indent=1))
    return read_run(locate(folder)).trajectory


def test_records_become_steps(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        record(1, "ls", "a.py", thinking="Look.", tool_type="bash"),
        record(2, "cat a", "1", parallel_group=7),
        record(3, "cat b", None, parallel_group=7),
        record(4, "cat c", "", parallel_group=9),
    )
    assert [step.action for step in run.steps] == ["ls", "cat a", "cat b", "cat c"]
    assert [step.observation for step in run.steps] == ["a.py", "1", None, ""]
    assert [step.parallel_group for step in run.steps] == [None, 2, 2, None]
    assert run.steps[0].thought == "Look."
    assert run.steps[0].tool is not None
    assert (run.steps[0].tool.name, run.steps[0].tool.text()) == ("bash", "ls")
    assert run.steps[1].action_ref is not None
    assert resolve(tmp_path, run.steps[1].action_ref) == "cat a"


def test_a_record_may_hold_its_text_only_in_the_reference(tmp_path: Path) -> None:
    there = {"path": "agent-logs/x", "line_start": 4, "line_end": 5}
    run = read(
        tmp_path,
        record(1, "", None, action_ref={**there, "content": "ls"}, observation_ref={**there, "content": "a.py"}),
    )
    assert [(step.action, step.observation) for step in run.steps] == [("ls", "a.py")]
    assert run.steps[0].action_ref is not None
    assert run.steps[0].action_ref.pointer == "/0/action_ref/content"


@pytest.mark.parametrize(
    ("numbers", "note"),
    [
        ([1, 2, 3], ""),
        ([3, 1, 2], "the numbers decide"),
        ([0, 1, 2], "step k here is step k - 1 there"),
        ([None, None, None], "counted in their order"),
    ],
)
def test_numbers_are_kept(tmp_path: Path, numbers: list[int | None], note: str) -> None:
    (tmp_path / "task.md").write_text("T")
    records = [record(number, f"a{number}", step_index=None) for number in numbers]
    run = read(tmp_path, *records)
    wanted = [f"a{number}" for number in sorted(numbers, key=lambda n: -1 if n is None else n)]
    assert [step.action for step in run.steps] == wanted
    assert note in "".join(run.notes)
    assert bool(note) == bool(run.notes)


@pytest.mark.parametrize("numbers", [[1, 3], [1, 1], [2, 3], [1, "2"], [1, None], [-1, 0], [1, True]])
def test_numbers_with_gaps_are_not_repaired(tmp_path: Path, numbers: list[Any]) -> None:
    with pytest.raises(MalformedRun, match="not consecutive"):
        read(tmp_path, *(record(number) for number in numbers))


def test_step_files_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    for number in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9):
        content = {"step_index": number, "command": f"c{number}", "terminal_result": "r"}
        (tmp_path / f"step_{number}.jsonl").write_text(json.dumps(content, indent=number % 2 or None))
    run = read_run(locate(tmp_path)).trajectory
    assert [step.action for step in run.steps] == [f"c{number}" for number in range(1, 11)]
    assert run.view == "step_N.jsonl"
    assert run.notes == ()


def test_file_names_decide_if_the_numbers_inside_start_at_zero(tmp_path: Path) -> None:
    for number in (1, 2):
        content = {"step_index": number - 1, "command": f"c{number}", "terminal_result": "r"}
        (tmp_path / f"step_{number}.jsonl").write_text(json.dumps(content))
    run = read_run(locate(tmp_path)).trajectory
    assert [step.action for step in run.steps] == ["c1", "c2"]
    assert [step.native_ids for step in run.steps] == [("0",), ("1",)]
    assert run.notes == ("The file names number the steps; the numbers inside the records differ.",)


@pytest.mark.parametrize("raw", ["agent-logs", "sessions", "agent"])
def test_the_raw_logs_beside_them_win(tmp_path: Path, raw: str) -> None:
    (tmp_path / "steps.json").write_text(json.dumps([record(1)]))
    assert len(FORMAT.recognise(Artifacts(tmp_path))) == 1
    (tmp_path / raw).mkdir()
    assert FORMAT.recognise(Artifacts(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("steps.json", '{"steps": []}'),
        ("steps.json", '[{"title": "Preheat the oven"}]'),
        ("steps.json", '[{"step_id": 1, "loss": 0.3}]'),
        ("steps.json", ""),
        ("step_1.jsonl", '{"step": 1, "loss": 0.3}'),
        ("step_1.jsonl", ""),
        ("train_step_1.jsonl", '{"step_index": 1, "command": "ls"}'),
    ],
)
def test_other_files_of_that_name_are_left_alone(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert FORMAT.recognise(Artifacts(tmp_path)) == []


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", UnreadableFile, "empty"),
        (POINTER, UnreadableFile, "git-LFS pointer"),
        (b'[{"step_id": 1, "action": "l', UnreadableFile, "no valid JSON"),
        (b'[{"step_id": 1, "action": "\xff"}]', UnreadableFile, "not UTF-8"),
        (b'[{"step_id": 1, "action": "a"}, "b"]', UnreadableFile, "unexpected content"),
        (b'[{"step_id": 1, "action": "a"}, {}]', MalformedRun, "/1: a record that holds nothing of a step"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: bytes, error: type[CodeTracerError], words: str) -> None:
    (tmp_path / "steps.json").write_bytes(content)
    (tmp_path / "task.md").write_text("T")
    with pytest.raises(error, match=words) as raised:
        read_run(locate(tmp_path))
    assert raised.value.path == str(tmp_path / "steps.json")


def test_a_step_file_with_several_records_is_told(tmp_path: Path) -> None:
    line = json.dumps({"step_index": 1, "command": "ls", "terminal_result": ""})
    (tmp_path / "step_1.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(UnreadableFile, match="no valid JSON") as raised:
        read_run(locate(tmp_path))
    assert raised.value.path == str(tmp_path / "step_1.jsonl")


def test_samples() -> None:
    found = discover(SAMPLES)
    runs = {location.folder.name: read_run(location).trajectory for location in found.locations}
    assert found.problems == []
    assert {name: (run.step_count, run.view) for name, run in runs.items()} == {
        "steps_json": (6, "steps.json"),
        "step_n_jsonl": (5, "step_N.jsonl"),
    }
    assert [step.parallel_group for step in runs["steps_json"].steps] == [None, 2, 2, None, None, None]
    assert (runs["steps_json"].task_text or "").startswith("# Drop a dependency")
