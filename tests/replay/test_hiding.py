"""What of a record is hidden from the commands of its replay."""

from pathlib import Path

from codetracer_core.replaying.hiding import to_hide
from codetracer_core.store.workspace import workspace_at
from tests.store.factory import make_run


def hidden(place: Path, origin: Path | str) -> list[str]:
    workspace, *others = to_hide(workspace_at(place / "workspace"), make_run("run-1", record={"origin": str(origin)}))
    assert workspace == (place / "workspace").resolve()
    return [str(path.relative_to(place)) for path in others]


def test_the_folder_file_or_archive_of_a_run_is_hidden_and_what_is_called_like_it(tmp_path: Path) -> None:
    for name in ("trial/result.json", "runs/task-1.traj", "runs/task-1.patch", "runs/task-2.traj", "runs/a.tar.zst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "runs" / "task-3").mkdir()
    (tmp_path / "runs" / "task-3" / "task-3.traj.json").touch()
    assert hidden(tmp_path, tmp_path / "trial") == ["trial"]
    assert hidden(tmp_path, tmp_path / "runs" / "task-1.traj") == ["runs/task-1.patch", "runs/task-1.traj"]
    assert hidden(tmp_path, tmp_path / "runs" / "task-3" / "task-3.traj.json") == ["runs/task-3"]
    assert hidden(tmp_path, tmp_path / "runs" / "a.tar.zst" / "task-9") == ["runs/a.tar.zst"]
    assert hidden(tmp_path, f"{tmp_path}/runs/a.tar.zst#task-9") == ["runs/a.tar.zst"]
    assert hidden(tmp_path, tmp_path / "gone" / "task-1.traj") == []
    assert hidden(tmp_path, "no path at all") == []
