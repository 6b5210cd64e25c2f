import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.benchmark import (
    BenchmarkRow,
    error_stages,
    find_artifacts,
    ground_truth,
    ground_truth_verdicts,
    is_manifest,
    read_manifest,
    to_row,
)
from codetracer_core.errors import CodeTracerError, ManifestError
from codetracer_core.models import Stage
from tests.small_runs import manifest_row

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def row(**columns: Any) -> dict[str, Any]:
    labelled = [
        {"step_id": 2, "labels": ["unuseful"], "action_ref": None, "observation_ref": None},
        {"step_id": 3, "labels": ["incorrect"], "action_ref": None, "observation_ref": None},
    ]
    stages = [
        {"stage_id": 1, "start_step_id": 1, "end_step_id": 4},
        {"stage_id": 2, "start_step_id": 5, "end_step_id": 6},
    ]
    errors = {"stage_id": 1, "incorrect_step_ids": [3], "unuseful_step_ids": [2], "steps": labelled}
    return manifest_row("run-1") | {"stages": stages, "incorrect_stages": [errors], **columns}


def write_jsonl(path: Path, records: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


# --- manifests


def test_a_row_goes_in_and_out_unchanged(tmp_path: Path) -> None:
    original = row(split="full")  # a column that the dataset card does not name
    manifest = read_manifest(write_jsonl(tmp_path / "manifest.jsonl", [original]))
    assert to_row(manifest.rows[0]) == original


@pytest.mark.parametrize("written", [json.dumps, repr])
def test_lists_may_be_written_as_text(tmp_path: Path, written: Callable[[Any], str]) -> None:
    plain = row()
    as_text = plain | {name: written(plain[name]) for name in ("tags", "stages", "incorrect_stages")}
    jsonl = read_manifest(write_jsonl(tmp_path / "manifest.jsonl", [as_text]))
    pq.write_table(pa.Table.from_pylist([as_text]), tmp_path / "manifest.parquet")
    parquet = read_manifest(tmp_path / "manifest.parquet")
    assert to_row(jsonl.rows[0]) == to_row(parquet.rows[0]) == plain


def test_parquet_with_nested_columns(tmp_path: Path) -> None:
    rows = [row(), row(traj_id="run-2", solved=None, incorrect_stages=[], stages=[], tags=[])]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "manifest.parquet")
    assert [to_row(r) for r in read_manifest(tmp_path / "manifest.parquet").rows] == rows


def test_a_bad_row_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    without_count = row(traj_id="run-3")
    del without_count["step_count"]
    path = write_jsonl(
        tmp_path / "manifest.jsonl",
        [
            row(),
            '{"traj_id": "cut off',
            "",
            row(traj_id="run-2", stages="not a list ("),
            without_count,
            "[1, 2]",
            row(),
            row(traj_id="run-4"),
        ],
    )
    manifest = read_manifest(path)
    assert [r.traj_id for r in manifest.rows] == ["run-1", "run-4"]
    told = [(problem.place, problem.reason) for problem in manifest.problems]
    assert [place for place, _ in told] == ["line 2", "line 4", "line 5", "line 6", "line 7"]
    assert "no valid JSON" in told[0][1]
    assert "stages" in told[1][1]
    assert "step_count" in told[2][1]
    assert "no JSON object" in told[3][1]
    assert "a second row for run-1" in told[4][1]
    assert all(problem.path == str(path) for problem in manifest.problems)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("manifest.csv", b"traj_id\n", "neither .jsonl nor .parquet"),
        ("manifest.jsonl", b"", "empty"),
        ("manifest.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-LFS pointer"),
        ("manifest.jsonl", b'{"instance_id": "x"}\n', "no row that can be read"),
        ("manifest.parquet", b"PAR1 but not really", "no readable parquet"),
        ("missing.jsonl", None, "No such file"),
        ("missing.parquet", None, "No such file"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CodeTracerError, match=words) as caught:
        read_manifest(tmp_path / name)
    assert name in str(caught.value)
    assert not is_manifest(tmp_path / name)


def test_is_manifest(tmp_path: Path) -> None:
    assert is_manifest(write_jsonl(tmp_path / "bench_manifest.full.jsonl", [row()]))
    assert not is_manifest(write_jsonl(tmp_path / "manifest.jsonl", [{"other": 1}]))
    assert not is_manifest(write_jsonl(tmp_path / "rows.jsonl", [row()]))


# --- ground truth


def test_ground_truth_holds_the_positives_and_the_stages() -> None:
    truth = ground_truth(BenchmarkRow.model_validate(row()), read_at=NOW)
    assert truth.verdicts == {2: "unuseful", 3: "incorrect"}
    assert [stage.end_step_id for stage in truth.stages] == [4, 6]
    assert truth.annotator == "CodeTraceBench"
    assert truth.said_at == datetime(2026, 3, 5, 0, 31, 36, tzinfo=UTC)
    undated = ground_truth(BenchmarkRow.model_validate(row(generated_at=None)), read_at=NOW)
    assert undated.said_at == NOW


def test_incorrect_wins_and_it_is_told() -> None:
    stage = {"stage_id": 1, "incorrect_step_ids": [3, 4], "unuseful_step_ids": [4, 3, 2]}
    verdicts, oddities = ground_truth_verdicts(BenchmarkRow.model_validate(row(incorrect_stages=[stage])))
    assert verdicts == {2: "unuseful", 3: "incorrect", 4: "incorrect"}
    assert oddities == ["Ground truth names steps 3, 4 as both incorrect and unuseful; taken as incorrect."]


def test_labels_outside_the_run_are_told() -> None:
    stage = {"stage_id": 1, "incorrect_step_ids": [0, 6, 7], "unuseful_step_ids": [-1]}
    verdicts, oddities = ground_truth_verdicts(BenchmarkRow.model_validate(row(incorrect_stages=[stage])))
    assert verdicts == {6: "incorrect"}
    assert oddities == ["Ground truth labels steps -1, 0, 7, outside 1..6; not stored."]


@given(
    incorrect=st.sets(st.integers(1, 30)),
    unuseful=st.sets(st.integers(1, 30)),
    cuts=st.sets(st.integers(1, 29), max_size=5),
)
def test_labels_come_back_in_the_shape_they_had(incorrect: set[int], unuseful: set[int], cuts: set[int]) -> None:
    starts = [1, *sorted(cut + 1 for cut in cuts)]
    ends = [*sorted(cuts), 30]
    stages = [
        Stage(stage_id=i, start_step_id=a, end_step_id=b) for i, (a, b) in enumerate(zip(starts, ends, strict=True), 1)
    ]
    verdicts = dict.fromkeys(unuseful, "unuseful") | dict.fromkeys(incorrect, "incorrect")
    shaped = error_stages(verdicts, stages, {})
    labelled = BenchmarkRow.model_validate(row(step_count=30, incorrect_stages=[s.model_dump() for s in shaped]))
    assert ground_truth_verdicts(labelled) == (dict(sorted(verdicts.items())), [])
    for stage in shaped:
        home = stages[stage.stage_id - 1]
        assert all(home.start_step_id <= step["step_id"] <= home.end_step_id for step in stage.steps)


def test_real_rows_round_trip(real: Path) -> None:
    for name, count in (("manifest.jsonl", 32), ("manifest.openhands_terminus2.jsonl", 12)):
        path = real / "codetracebench" / name
        manifest = read_manifest(path)
        assert not manifest.problems
        assert len(manifest.rows) == count
        assert [to_row(r) for r in manifest.rows] == [json.loads(line) for line in path.read_text().splitlines()]
        for r in manifest.rows:
            verdicts, oddities = ground_truth_verdicts(r)
            assert not oddities
            labelled = [step for stage in r.incorrect_stages for step in stage.steps]
            excerpts = {s["step_id"]: {k: s[k] for k in ("action_ref", "observation_ref")} for s in labelled}
            rebuilt = error_stages(verdicts, r.stages, excerpts)
            assert rebuilt == r.incorrect_stages


def test_real_rows_hold_the_published_counts(real: Path) -> None:
    rows = read_manifest(real / "codetracebench" / "manifest.jsonl").rows
    verdicts = [ground_truth_verdicts(r)[0] for r in rows]
    assert sum(r.step_count for r in rows) == 935
    assert sum(v == "incorrect" for run in verdicts for v in run.values()) == 55
    assert sum(v == "unuseful" for run in verdicts for v in run.values()) == 2
    assert sum("incorrect" in run.values() for run in verdicts) == 16


# --- artifacts


def test_find_artifacts(tmp_path: Path) -> None:
    rows = [
        row(traj_id="archived", artifact_path="bench_artifacts/full/archived.tar.zst"),
        row(traj_id="named-otherwise", artifact_path="bench_artifacts/full/other.tar.zst"),
        row(traj_id="zipped"),
        row(traj_id="extracted"),
        row(traj_id="by-source", source_relpath="agents/one/trial"),
        row(traj_id="twin-a", source_relpath="agents/two"),
        row(traj_id="twin-b", source_relpath="agents/two"),
        row(traj_id="gone"),
        row(traj_id="../../escape", artifact_path="../../etc/passwd", source_relpath="../.."),
    ]
    for folder in ("data/bench_artifacts/full", "data/extracted/gone", "raw/agents/one/trial", "raw/agents/two"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("data/bench_artifacts/full/archived.tar.zst", "data/bench_artifacts/full/other.tar.zst"):
        (tmp_path / file).touch()
    (tmp_path / "data" / "zipped.zip").touch()
    found = find_artifacts(
        [BenchmarkRow.model_validate(r) for r in rows], [tmp_path / "data", tmp_path / "raw", tmp_path / "data" / "x"]
    )
    assert {name: path.relative_to(tmp_path).as_posix() for name, path in found.items()} == {
        "archived": "data/bench_artifacts/full/archived.tar.zst",
        "named-otherwise": "data/bench_artifacts/full/other.tar.zst",
        "zipped": "data/zipped.zip",
        "extracted": "data/extracted",
        "by-source": "raw/agents/one/trial",
    }


def test_manifest_error_is_shown_with_its_place() -> None:
    error = ManifestError("no valid JSON", path="m.jsonl", place="line 2")
    assert str(error) == "m.jsonl, line 2: no valid JSON"
