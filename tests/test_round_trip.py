"""The benchmark's real rows, in and out again: every field of every row of both manifests.

The artifacts of these rows are not here, so runs of the declared number of steps, with invented text, stand in for
them. Nothing is left out of a comparison: what a row says of its steps, excerpts too, comes back as it was.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.benchmark import ANNOTATOR
from codetracer_core.exporting import export_labels, export_stage_labels, write_text
from codetracer_core.importing import import_runs
from codetracer_core.label_files import Unsaid
from codetracer_core.label_importing import import_labels
from codetracer_core.models import LabelSource
from codetracer_core.store import Store

MANIFESTS = {"manifest.jsonl": 32, "manifest.openhands_terminus2.jsonl": 12}


@pytest.fixture(params=MANIFESTS)
def manifest(request: pytest.FixtureRequest, real: Path) -> Path:
    return real / "codetracebench" / str(request.param)


def rows_in(text: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["traj_id"]: row for row in rows}


@pytest.fixture
def rows(manifest: Path) -> dict[str, dict[str, Any]]:
    read = rows_in(manifest.read_text())
    assert len(read) == MANIFESTS[manifest.name]
    return read


def stand_ins(folder: Path, rows: dict[str, dict[str, Any]]) -> Path:
    for traj_id, row in rows.items():
        steps = [
            {"step_id": n, "action": f"cat {traj_id}/{n}", "observation": f"invented {n}"}
            for n in range(1, row["step_count"] + 1)
        ]
        write_text(folder / traj_id / "steps.json", json.dumps(steps))
    return folder


def exported(store: Store, source: LabelSource, annotator: str | None = None) -> str:
    out = export_labels("codetracebench", store, source=source, annotator=annotator)
    assert out.left_out == ()
    return out.text


def said(store: Store, source: LabelSource, annotator: str) -> dict[tuple[str, int | None, str], Any]:
    labels = store.labels(source=source, annotator=annotator)
    return {(label.run_id, label.step_id, label.field): label.value for label in labels}


def written(rows: dict[str, dict[str, Any]]) -> dict[tuple[str, int | None, str], Any]:
    """What the rows say, read by nothing but the shape that the dataset card gives."""
    out: dict[tuple[str, int | None, str], Any] = {}
    for traj_id, row in rows.items():
        out[traj_id, None, "stages"] = [stage | {"name": stage.get("name", "")} for stage in row["stages"]]
        for stage in row["incorrect_stages"]:
            for verdict in ("incorrect", "unuseful"):
                out |= {(traj_id, step, "verdict"): verdict for step in stage[f"{verdict}_step_ids"]}
    return out


def test_rows_without_their_artifacts_are_told_one_by_one(
    store: Store, manifest: Path, rows: dict[str, dict[str, Any]]
) -> None:
    report = import_runs([], store=store, manifest=manifest)
    assert report.counts | {"skipped": 0} == {"imported": 0, "skipped": 0, "misaligned": 0, "failed": 0}
    assert [item.path.rpartition("#")[2] for item in report.items] == list(rows)
    assert {item.reason for item in report.items} == {"no artifact here: neither an archive nor a folder of this name"}
    labels = import_labels(manifest, store, store, Unsaid("x"))
    assert labels.counts == {"new": 0, "known": 0, "refused": len(written(rows))}
    assert labels.notes[0].startswith(f"{len(rows)} of {len(rows)} runs are not in this workspace")


def test_ground_truth_comes_back_field_by_field(
    store: Store, manifest: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    report = import_runs([stand_ins(tmp_path / "runs", rows)], store=store, manifest=manifest)
    assert report.counts == {"imported": len(rows), "skipped": 0, "misaligned": 0, "failed": 0}
    assert said(store, "ground_truth", ANNOTATOR) == written(rows)
    out = exported(store, "ground_truth")
    assert rows_in(out) == rows
    assert [list(row) for row in rows_in(out).values()] == [list(rows[traj_id]) for traj_id in rows_in(out)]
    write_text(tmp_path / "out" / "manifest.jsonl", out)
    again = import_runs([tmp_path / "runs"], store=store, manifest=tmp_path / "out" / "manifest.jsonl")
    assert {(item.status, item.reason) for item in again.items} == {("skipped", "already imported, unchanged")}
    with Store.open(tmp_path / "elsewhere") as other:
        import_runs([tmp_path / "runs"], store=other, manifest=tmp_path / "out" / "manifest.jsonl")
        assert said(other, "ground_truth", ANNOTATOR) == written(rows)
        assert exported(other, "ground_truth") == out


def test_the_same_rows_as_labels_of_a_person(
    store: Store, manifest: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    import_runs([stand_ins(tmp_path / "runs", rows)], store=store, manifest=manifest)
    report = import_labels(manifest, store, store, Unsaid("x"))
    assert report.counts == {"new": len(written(rows)), "known": 0, "refused": 0}
    assert report.notes == ()
    assert {(label.source, label.annotator) for label in report.labels} == {("human", "x")}
    assert said(store, "human", "x") == written(rows)
    out = exported(store, "human", "x")
    assert rows_in(out) == rows
    write_text(tmp_path / "out.jsonl", out)
    again = import_labels(tmp_path / "out.jsonl", store, store, Unsaid("y"))
    assert again.counts == report.counts
    assert said(store, "human", "y") == said(store, "human", "x")
    assert exported(store, "human", "y") == out


def test_rows_of_runs_that_came_without_a_manifest(
    store: Store, manifest: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The columns of a row that are no labels stay with its run, and these runs have none: the labels come back,
    the other columns are what the run tells of itself, and excerpts come from the run's own files."""
    items = import_runs([stand_ins(tmp_path / "runs", rows)], store=store).items
    ids = {Path(item.path).name: str(item.run_id) for item in items}
    text = "".join(json.dumps(row | {"traj_id": ids[traj_id]}) + "\n" for traj_id, row in rows.items())
    write_text(tmp_path / "rows.jsonl", text)
    report = import_labels(tmp_path / "rows.jsonl", store, store, Unsaid("x"))
    assert report.counts == {"new": len(written(rows)), "known": 0, "refused": 0}
    out = rows_in(exported(store, "human", "x"))
    for traj_id, row in rows.items():
        given = out[ids[traj_id]]
        kept = ("step_count", "stages", "stage_count", "incorrect_error_stage_count")
        assert {name: given[name] for name in kept} == {name: row[name] for name in kept}
        assert [_bare(stage) for stage in given["incorrect_stages"]] == [
            _bare(stage) for stage in row["incorrect_stages"]
        ]
        for stage in given["incorrect_stages"]:
            for step in stage["steps"]:
                assert step["action_ref"]["content"] == f"cat {traj_id}/{step['step_id']}"
                assert step["observation_ref"]["content"] == f"invented {step['step_id']}"


def _bare(stage: dict[str, Any]) -> dict[str, Any]:
    return stage | {"steps": [{"step_id": step["step_id"], "labels": step["labels"]} for step in stage["steps"]]}


def test_stage_labels_say_the_same_of_every_run(
    store: Store, manifest: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    import_runs([stand_ins(tmp_path / "runs", rows)], store=store, manifest=manifest)
    files, left_out = export_stage_labels(store)
    assert left_out == ()
    assert files.keys() == rows.keys()
    for traj_id, text in files.items():
        shown = [{name: value for name, value in item.items() if name != "reasoning"} for item in json.loads(text)]
        assert shown == [
            {name: stage[name] for name in ("stage_id", "incorrect_step_ids", "unuseful_step_ids")}
            for stage in rows[traj_id]["incorrect_stages"]
        ]
        write_text(tmp_path / "labels" / traj_id / "codetracer_labels.json", text)
    report = import_labels(tmp_path / "labels", store, store, Unsaid("x"))
    assert not report.refused
    verdicts = {key: value for key, value in written(rows).items() if key[2] == "verdict"}
    assert said(store, "human", "x") == verdicts
    assert rows_in(
        export_labels("codetracebench", store, [run for run, *_ in verdicts], source="human", annotator="x").text
    ) == {run: rows[run] for run, *_ in verdicts}
