import json
from pathlib import Path

import pytest

from codetracer_core import evaluation_files
from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation_files import keep_files, kept_file, kept_files, remove_files
from codetracer_core.store import Workspace

LINE = '{"traj_id": "a", "labels": []}\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def predictions(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"rep{number}.jsonl" for number in (0, 1)]
    for number, file in enumerate(files):
        file.write_text(LINE * (number + 1))
    return files


def keep(workspace: Workspace, paths: list[Path], name: str = "my model") -> evaluation_files.Kept:
    return keep_files(workspace, "predictions", name, paths, titles=[path.name for path in paths], by="Ana")


def test_what_is_loaded_is_there_for_everybody_until_it_is_removed(
    workspace: Workspace, predictions: list[Path]
) -> None:
    made = keep(workspace, predictions)
    assert kept_files(workspace, "predictions") == [made]
    assert (made.titles, made.kept_by) == (("rep0.jsonl", "rep1.jsonl"), "Ana")
    assert [path.read_text() for path in made.paths] == [LINE, LINE * 2]
    assert made.bytes == 3 * len(LINE)
    assert kept_files(workspace, "manifest") == []
    remove_files(workspace, "predictions", "my model")
    assert kept_files(workspace, "predictions") == []
    assert list((workspace.evaluations / "predictions").iterdir()) == []
    with pytest.raises(CodeTracerError, match="nothing is kept"):
        kept_file(workspace, "predictions", "my model")
    with pytest.raises(CodeTracerError, match="cannot be removed"):
        remove_files(workspace, "predictions", "my model")


def test_a_copy_is_kept_not_the_file(workspace: Workspace, predictions: list[Path]) -> None:
    made = keep(workspace, predictions[:1])
    predictions[0].write_text("changed")
    assert made.paths[0].read_text() == LINE
    again = keep(workspace, predictions[:1], "another")
    assert again.digest != made.digest


def test_equal_contents_have_one_digest_whatever_they_are_called(workspace: Workspace, predictions: list[Path]) -> None:
    predictions[1].write_text(LINE)
    first, second = keep(workspace, predictions[:1], "first"), keep(workspace, predictions[1:], "second")
    assert first.digest == second.digest
    assert keep(workspace, predictions, "both").digest != first.digest


def test_of_a_folder_only_labels_and_the_batch_are_taken(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "batch-1"
    for run in ("run-1", "run-2"):
        (folder / run).mkdir(parents=True)
        (folder / run / "codetracer_labels.json").write_text("[]")
        (folder / run / "secret.txt").write_text("not wanted")
    (folder / "batch.jsonl").write_text("{}\n")
    (made,) = keep(workspace, [folder]).paths
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()) == [
        "batch.jsonl",
        "run-1/codetracer_labels.json",
        "run-2/codetracer_labels.json",
    ]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", " a", "a ", "a.", ".hidden", "x" * 81, "*[b](c)*", "ä"])
def test_a_name_that_is_none_is_refused(workspace: Workspace, predictions: list[Path], name: str) -> None:
    with pytest.raises(CodeTracerError, match="cannot be the name"):
        keep(workspace, predictions, name)
    assert not workspace.evaluations.exists()


def test_nothing_is_overwritten(workspace: Workspace, predictions: list[Path]) -> None:
    keep(workspace, predictions)
    with pytest.raises(CodeTracerError, match="is kept already"):
        keep(workspace, predictions[:1])
    assert len(kept_file(workspace, "predictions", "my model").paths) == 2


def test_what_cannot_be_kept_leaves_nothing(
    workspace: Workspace, predictions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("no predictions")
    (tmp_path / "empty").mkdir()
    for path, words in [
        (tmp_path / "notes.txt", "no .jsonl file nor a folder"),
        (tmp_path / "gone.jsonl", "there is nothing here"),
        (tmp_path / "empty", "no <traj_id>/codetracer_labels.json lies in this folder"),
    ]:
        with pytest.raises(CodeTracerError, match=words):
            keep(workspace, [predictions[0], path])
    monkeypatch.setattr(evaluation_files, "MOST_BYTES", 40)
    with pytest.raises(CodeTracerError, match="together"):
        keep(workspace, predictions)
    assert list((workspace.evaluations / "predictions").iterdir()) == []
    with pytest.raises(CodeTracerError, match="2 files"):
        keep_files(workspace, "manifest", "m", predictions, titles=["a", "b"], by="")


def test_what_is_no_longer_whole_is_left_out(workspace: Workspace, predictions: list[Path]) -> None:
    made = keep(workspace, predictions)
    made.paths[1].unlink()
    assert kept_files(workspace, "predictions") == []
    (made.paths[0].parent / "kept.json").write_text(json.dumps({"titles": 3}))
    assert kept_files(workspace, "predictions") == []
