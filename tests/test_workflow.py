import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest

from codetracer_core import workflow
from codetracer_core.benchmark import read_manifest
from codetracer_core.errors import CodeTracerError, NotFound, UnknownFormat
from codetracer_core.export import folder_name
from codetracer_core.exporting import Exported, export_labels, export_steps
from codetracer_core.importing import import_runs
from codetracer_core.store import Store
from codetracer_core.workflow import import_samples_if_empty, label_step, open_run, sample_data_root
from tests.small_runs import ACTIONS, manifest_row, write_run

# --- samples


def test_samples_go_into_an_empty_workspace_only(store: Store) -> None:
    report = import_samples_if_empty(store)
    assert report is not None
    assert report.counts["failed"] == 0
    assert report.counts["imported"] >= 1
    assert {run.collection for run in store.runs()} == {"sample_data"}
    assert import_samples_if_empty(store) is None


def test_samples_lie_in_the_checkout_or_in_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample_data_root().is_dir()
    wheel = tmp_path / "codetracer_core"
    (wheel / "dashboard" / "sample_data").mkdir(parents=True)
    (wheel / "dashboard" / "app.py").touch()
    monkeypatch.setattr(workflow, "__file__", str(wheel / "workflow.py"))
    assert sample_data_root() == wheel / "dashboard" / "sample_data"
    shutil.rmtree(wheel / "dashboard")
    with pytest.raises(NotFound, match="dashboard's files are missing"):
        sample_data_root()


# --- opening, labelling


def test_open_run_by_path_touches_no_workspace(tmp_path: Path) -> None:
    path = write_run(tmp_path / "runs" / "one.traj")
    view = open_run(str(path), tmp_path / "workspace")
    assert view.trajectory.step_count == 6
    assert view.run_id is None
    assert view.path == str(path)
    assert view.stages[0].start_step_id == 1
    assert view.stages[-1].end_step_id == 6
    assert "offline" in view.stages_from
    assert "app.py" in view.tree_text
    assert not (tmp_path / "workspace").exists()


def test_open_run_by_id(bench: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "workspace") as store:
        import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    view = open_run("longer", tmp_path / "workspace")
    assert (view.run_id, view.trajectory.step_count, view.declared_step_count) == ("longer", 7, 6)
    assert view.stages_from == "ground truth"
    assert [stage.end_step_id for stage in view.stages] == [2, 6]
    with pytest.raises(NotFound, match="neither a path nor an imported run: 'no-such-run'"):
        open_run("no-such-run", tmp_path / "workspace")
    with pytest.raises(NotFound, match="neither a path nor an imported run"):
        open_run("no-such-run", tmp_path / "no-workspace")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownFormat):
        open_run(str(tmp_path / "empty"), tmp_path / "workspace")


def test_label_and_take_back(tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    with Store.open(place) as store:
        run_id = str(import_runs([write_run(tmp_path / "one.traj")], store=store).items[0].run_id)
    assert label_step(run_id, 3, "incorrect", annotator="ana", workspace=place) == ""
    label_step(run_id, 4, "correct", annotator="ana", workspace=place)
    label_step(run_id, 4, None, annotator="ana", workspace=place)
    with Store.open(place) as store:
        assert {step: labels.human[0].verdict for step, labels in store.step_labels(run_id).items()} == {3: "incorrect"}
        assert len(store.label_history(run_id)) == 3
    with pytest.raises(NotFound, match="no run 'other'"):
        label_step("other", 1, "correct", annotator="ana", workspace=place)
    with pytest.raises(NotFound, match="6 steps, there is no step 7"):
        label_step(run_id, 7, "correct", annotator="ana", workspace=place)


# --- exporting


@pytest.fixture
def labelled(bench: Path, tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    with Store.open(place) as store:
        import_runs([bench], store=store)
    label_step("archived", 1, "unuseful", annotator="ana", workspace=place)
    label_step("archived", 3, "incorrect", annotator="ana", workspace=place)
    label_step("archived", 5, "correct", annotator="=cmd()", workspace=place)
    return place


def labels_of(workspace: Path, form: Literal["codetracebench", "jsonl", "csv"], *runs: str, **whose: Any) -> Exported:
    with Store.open_for_reading(workspace) as reader:
        return export_labels(form, reader, runs or None, **whose)


def test_manifest_rows_come_out_as_they_went_in(bench: Path, labelled: Path, tmp_path: Path) -> None:
    exported = labels_of(labelled, "codetracebench")
    assert exported.left_out == ()
    out = tmp_path / "out_manifest.jsonl"
    out.write_text(exported.text)
    after = {row.traj_id: row for row in read_manifest(out).rows}
    assert after.keys() == {"archived", "extracted", "longer"}
    for before in read_manifest(bench / "bench_manifest.full.jsonl").rows:
        if before.traj_id in after:
            row = after[before.traj_id]
            (steps,) = (stage.steps for stage in row.incorrect_stages)
            assert [step["step_id"] for step in steps] == [3, 4]
            assert steps[0]["labels"] == ["incorrect"]
            assert steps[0]["action_ref"]["content"] == ACTIONS[2]
            bare = tuple(stage.model_copy(update={"steps": ()}) for stage in row.incorrect_stages)
            assert row.model_copy(update={"incorrect_stages": bare}) == before


def test_rows_with_the_labels_of_one_person(labelled: Path) -> None:
    with pytest.raises(CodeTracerError, match="several annotators: =cmd\\(\\), ana"):
        labels_of(labelled, "codetracebench", "archived", source="human")
    exported = labels_of(labelled, "codetracebench", source="human", annotator="ana")
    row = json.loads(exported.text)
    assert [(s["stage_id"], s["incorrect_step_ids"], s["unuseful_step_ids"]) for s in row["incorrect_stages"]] == [
        (1, [], [1]),
        (2, [3], []),
    ]
    assert row["stage_count"] == 2
    assert exported.left_out == ("left out, without human labels: extracted, longer",)
    with pytest.raises(NotFound, match="has no human labels"):
        labels_of(labelled, "codetracebench", "longer", source="human")
    with pytest.raises(NotFound, match="no run 'other'"):
        labels_of(labelled, "csv", "other")


def test_events_and_verdicts(labelled: Path) -> None:
    events = [json.loads(line) for line in labels_of(labelled, "jsonl", "archived").text.splitlines()]
    assert [event["source"] for event in events] == ["ground_truth"] * 3 + ["human"] * 3
    mine = labels_of(labelled, "jsonl", source="human", annotator="ana").text.splitlines()
    assert [json.loads(line)["value"] for line in mine] == ["unuseful", "incorrect"]
    table = list(csv.DictReader(io.StringIO(labels_of(labelled, "csv", "archived", source="human").text)))
    assert [(line["step_id"], line["verdict"], line["annotator"]) for line in table] == [
        ("1", "unuseful", "ana"),
        ("3", "incorrect", "ana"),
        ("5", "correct", "'=cmd()"),
    ]
    assert {(line["run_id"], line["model"]) for line in table} == {("archived", "a-model")}


def test_normalised_files_read_back_as_the_same_steps(labelled: Path, tmp_path: Path) -> None:
    folders = list(export_steps(None, tmp_path / "out", labelled))
    assert [folder.name for folder in folders] == ["archived", "extracted", "longer"]
    for folder in folders:
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["stage_ranges.json", "steps.json", "task.md", "tree.md"]
        again = open_run(str(folder), tmp_path / "no-workspace").trajectory
        first = open_run(folder.name, labelled).trajectory
        assert [(s.action, s.observation, s.thought) for s in again.steps] == [
            (s.action, s.observation, s.thought) for s in first.steps
        ]
    ranges = json.loads((tmp_path / "out" / "archived" / "stage_ranges.json").read_text())
    assert ranges == manifest_row("archived")["stages"]


def test_export_of_a_path_needs_no_workspace(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one.traj")
    assert list(export_steps(str(run), tmp_path / "out", tmp_path / "workspace")) == [tmp_path / "out"]
    assert len(json.loads((tmp_path / "out" / "steps.json").read_text())) == 6
    assert not (tmp_path / "workspace").exists()
    (tmp_path / "file").touch()
    with pytest.raises(CodeTracerError, match="cannot be written"):
        list(export_steps(str(run), tmp_path / "file" / "out", tmp_path / "workspace"))


@pytest.mark.parametrize("run_id", ["../../escape", "/abs", "a/b", "..", ".", "x" * 300, "tab\tname", "Ünïcode"])
def test_a_hostile_run_id_is_never_a_path(run_id: str, tmp_path: Path) -> None:
    name = folder_name(run_id)
    assert Path(name).name == name
    assert name not in (".", "..")
    assert len(name) < 100
    assert name != folder_name(run_id + "-")
