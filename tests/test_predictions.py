"""Predictions from files: both shapes, and what is said of bad ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation import Prediction
from codetracer_core.predictions import read_predictions


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records))
    return path


def labels(folder: Path, run: str, value: Any) -> None:
    (folder / run).mkdir(parents=True)
    (folder / run / "codetracer_labels.json").write_text(value if isinstance(value, str) else json.dumps(value))


def test_a_line_is_an_answer(tmp_path: Path) -> None:
    stage = {"stage_id": 3, "incorrect_step_ids": [8, 8], "unuseful_step_ids": [2], "reasoning": "Because."}
    whole = {"stage_id": "full", "incorrect_step_ids": [9], "unuseful_step_ids": None}
    path = lines(
        tmp_path / "p.jsonl",
        {"traj_id": "a", "repetition": 0, "status": "ok", "error": None, "latency_ms": 3.5, "labels": [stage, whole]},
        {"traj_id": "b", "status": "failed", "error": "it timed out", "labels": []},
        {"traj_id": "c", "labels": [], "onsets": [4, 2]},
        {"traj_id": "d", "labels": None},
    )
    read = read_predictions(path)
    assert read.problems == ()
    assert read.repetitions == (
        {
            "a": Prediction("a", incorrect=(8, 8, 9), unuseful=(2,), stage_ids=(3,)),
            "b": Prediction("b", status="failed", error="it timed out"),
            "c": Prediction("c", onsets=(4, 2)),
            "d": Prediction("d"),
        },
    )


def test_bad_lines_are_told_with_their_place_and_the_rest_counts(tmp_path: Path) -> None:
    good = {"traj_id": "a", "labels": []}
    path = lines(
        tmp_path / "p.jsonl",
        good,
        "{cut off",
        [1],
        {"labels": []},
        {"traj_id": "b", "labels": [{"incorrect_step_ids": ["many"]}]},
        {"traj_id": "c", "status": "sort of", "labels": []},
        {**good, "labels": [{"incorrect_step_ids": [3]}]},
        {"traj_id": "last", "labels": []},
    )
    read = read_predictions(path)
    assert [sorted(said) for said in read.repetitions] == [["a", "last"]]
    assert read.repetitions[0]["a"].incorrect == ()
    assert [problem.place for problem in read.problems] == [f"line {number}" for number in range(2, 8)]
    assert {problem.path for problem in read.problems} == {str(path)}
    assert "labels.0.incorrect_step_ids.0" in read.problems[3].reason
    assert "one of ok, complete" in read.problems[4].reason
    assert read.problems[5].reason == "a second answer on a in repetition 0"


def test_a_file_may_hold_several_repetitions(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "p.jsonl",
        *({"traj_id": run, "repetition": number, "labels": []} for number in (2, 0) for run in ("a", "b")),
    )
    assert [[one.repetition for one in said.values()] for said in read_predictions(path).repetitions] == [
        [0, 0],
        [2, 2],
    ]


def test_a_file_with_more_repetitions_than_can_be_compared_is_cut(tmp_path: Path) -> None:
    read = read_predictions(lines(tmp_path / "p.jsonl", *({"traj_id": "a", "repetition": n} for n in range(60))))
    assert len(read.repetitions) == 50
    assert [problem.place for problem in read.problems] == [f"line {number}" for number in range(51, 61)]


def test_nesting_without_end_spoils_only_its_own_line(tmp_path: Path) -> None:
    deep = '{"traj_id": "b", "labels": ' + "[" * 100_000 + "]" * 100_000 + "}"
    read = read_predictions(lines(tmp_path / "p.jsonl", deep, {"traj_id": "a"}))
    assert [(problem.place, problem.reason) for problem in read.problems] == [
        ("line 1", "JSON that is nested too deeply")
    ]
    assert [*read.repetitions[0]] == ["a"]


def test_a_folder_of_labels_with_what_became_of_each_run(tmp_path: Path) -> None:
    labels(tmp_path, "one", [{"stage_id": 1, "incorrect_step_ids": [2], "unuseful_step_ids": [3]}])
    labels(tmp_path, "run-0123", [{"stage_id": 1, "incorrect_step_ids": [4]}])
    labels(tmp_path, "stray", [])
    labels(tmp_path, "broken", "[{")
    labels(tmp_path, "listless", {"stage_id": 1})
    labels(tmp_path, "half", [{"stage_id": 1, "incorrect_step_ids": [5]}, {"stage_id": 2, "incorrect_step_ids": "?"}])
    rows = [
        {"run_id": "one", "folder": "one", "status": "failed", "reason": "at first"},
        {"run_id": "one", "folder": "one", "status": "complete"},
        {"run_id": "r2", "traj_id": "odd/name", "folder": "run-0123", "status": "partial"},
        {"run_id": "r3", "traj_id": "three", "status": "failed", "reason": "no key"},
        {"run_id": "r4", "folder": "gone", "status": "complete"},
        {"run_id": "r5", "status": "not started"},
        {"status": "complete"},
    ]
    lines(tmp_path / "batch.jsonl", *rows, "{half a l")
    read = read_predictions(tmp_path)
    (said,) = read.repetitions
    assert {name: (one.status, one.incorrect) for name, one in said.items()} == {
        "three": ("failed", ()),
        "r5": ("failed", ()),
        "one": ("ok", (2,)),
        "odd/name": ("ok", (4,)),
        "stray": ("ok", ()),
        "half": ("ok", (5,)),
    }
    assert (said["three"].error, said["r5"].error) == ("no key", "not started")
    told = [(Path(one.path).parent.name, Path(one.path).name, one.place) for one in read.problems]
    top = tmp_path.name
    assert sorted(told) == sorted(
        [
            (top, "batch.jsonl", "line 7"),
            (top, "batch.jsonl", "line 8"),
            (tmp_path.parent.name, top, ""),
            ("broken", "codetracer_labels.json", ""),
            ("half", "codetracer_labels.json", "item 2"),
            ("listless", "codetracer_labels.json", ""),
        ]
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.txt", "hello", "no predictions"),
        ("p.jsonl", "\n", "no answer that can be read"),
        ("p.jsonl", "{}\n", "no answer that can be read .line 1: traj_id"),
        ("p.jsonl", None, "No such file"),
        ("folder", None, "there is nothing here"),
    ],
)
def test_what_holds_no_predictions_is_refused(tmp_path: Path, name: str, content: str | None, words: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(CodeTracerError, match=words):
        read_predictions(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodeTracerError, match="no answer that can be read"):
        read_predictions(tmp_path)
