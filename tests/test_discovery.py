"""Finding runs: odd roots, and the run that is meant when a part of it is named."""

import json
import os
import shutil
from pathlib import Path

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import AmbiguousFormat, CodeTracerError, NotFound, UnknownFormat, UnreadableFile
from codetracer_core.parsers import read_run
from tests.conftest import SAMPLE_DATA

HARBOR = SAMPLE_DATA / "claude-code/harbor/severity-report__Kd8wRzT"
TERMINUS = next((SAMPLE_DATA / "terminus2/terminal-bench/lost-updates").iterdir())
MINI = next((SAMPLE_DATA / "mini-swe-agent/terminal-bench/top-words").iterdir())
CAST = next((SAMPLE_DATA / "claude-code/terminal-bench/rotate-backups").iterdir())
EVENTS = next((SAMPLE_DATA / "openhands/terminal-bench/top-clients").iterdir())
TRAJ = json.dumps({"trajectory": [{"action": "ls", "observation": "a"}], "history": [], "info": {}})


def paths(root: Path) -> list[str]:
    found = discover(root)
    assert found.problems == []
    return [Path(run.path).relative_to(root).as_posix() for run in found.locations]


@pytest.mark.parametrize(
    ("trial", "part"),
    [
        (HARBOR, "agent/trajectory.json"),
        (HARBOR, "agent/claude-code.txt"),
        (TERMINUS, "agent-logs/episode-0/response.txt"),
        (TERMINUS, "agent-logs/episode-1/prompt.txt"),
        (MINI, "sessions/agent.log"),
        (CAST, "sessions/agent.cast"),
        (EVENTS, "sessions/sessions/*/events/3.json"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_a_record_of_a_run_is_that_run(trial: Path, part: str) -> None:
    file = next(trial.glob(part))
    assert locate(file) == locate(trial)
    assert discover(file).locations == [locate(trial)]


@pytest.mark.parametrize(
    ("trial", "part"),
    [
        (HARBOR, "result.json"),
        (HARBOR, "verifier"),
        (HARBOR, "verifier/reward.txt"),
        (TERMINUS, "results.json"),
        (TERMINUS, "panes"),
        (MINI, "sessions"),
        (MINI, "commands.txt"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_another_part_of_a_run_tells_which_run_it_is_of(trial: Path, part: str) -> None:
    with pytest.raises(UnknownFormat, match="a part of one") as raised:
        locate(trial / part)
    assert raised.value.path == str(trial / part)
    assert raised.value.remedy == f"Name the run itself: {trial}"
    assert [str(problem) for problem in discover(trial / part).problems] == [str(raised.value)]


def test_a_folder_with_two_records_of_a_run_names_the_run_first() -> None:
    with pytest.raises(AmbiguousFormat) as raised:
        locate(HARBOR / "agent")
    assert raised.value.remedy.splitlines()[1].strip() == str(HARBOR)


def test_one_parser_can_be_asked_for_a_record() -> None:
    location = locate(HARBOR / "agent/trajectory.json", format="atif")
    assert (location.path, read_run(location).trajectory.format) == (str(HARBOR), "atif")


def test_nothing_above_the_ceiling_is_looked_at(tmp_path: Path) -> None:
    trial = tmp_path / HARBOR.name
    shutil.copytree(HARBOR, trial)
    found = discover(trial / "agent/trajectory.json", ceiling=trial / "agent")
    assert [run.path for run in found.locations] == [str(trial / "agent/trajectory.json")]


@pytest.mark.parametrize("content", ["", "notes", "{}", "[]"])
def test_a_file_that_is_no_run_names_what_is_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "notes.json").write_text(content)
    with pytest.raises(UnknownFormat, match="Known layouts: ATIF"):
        locate(tmp_path / "notes.json")
    assert discover(tmp_path).locations == []


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Check the path"):
        discover(tmp_path / "nowhere")


def test_links_pipes_and_caches_are_passed_over(tmp_path: Path) -> None:
    for folder in ("runs", ".git", "node_modules/pkg"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.traj").write_text(TRAJ)
    (tmp_path / "runs/loop").symlink_to(tmp_path)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "copy.traj").symlink_to(tmp_path / "runs/a.traj")
    os.mkfifo(tmp_path / "runs/pipe.traj")
    assert paths(tmp_path) == ["copy.traj", "runs/a.traj"]


def test_a_link_to_nothing_is_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.traj").symlink_to(tmp_path / "annex/object")
    (location,) = discover(tmp_path).locations
    with pytest.raises(CodeTracerError, match="No such file"):
        read_run(location)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    for name in ("locked", "open/below"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.traj").write_text(TRAJ)
    (tmp_path / "open/secret.traj").write_text(TRAJ)
    (tmp_path / "open/secret.traj").chmod(0)
    (tmp_path / "locked").chmod(0)
    try:
        found = discover(tmp_path)
        with pytest.raises(UnreadableFile, match="Permission denied"):
            locate(tmp_path / "locked/a.traj")
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert [Path(run.path).name for run in found.locations] == ["secret.traj", "a.traj"]
    assert [problem.path for problem in found.problems] == [str(tmp_path / "locked")]


def test_a_job_and_loose_files_in_one_folder(tmp_path: Path) -> None:
    shutil.copytree(HARBOR, tmp_path / HARBOR.name)
    for name in ("config.json", "result.json"):
        (tmp_path / name).write_text('{"job_name": "j", "n_total_trials": 1}')
    (tmp_path / "loose.traj").write_text(TRAJ)
    (tmp_path / "notes.jsonl").write_text('{"a": 1}\n')
    assert paths(tmp_path) == ["loose.traj", HARBOR.name]


def test_folders_that_hold_no_runs(real: Path) -> None:
    assert paths(real / "codetracebench") == []
    assert "manifest.jsonl" not in paths(SAMPLE_DATA)


def test_depth_is_limited(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" * 11))
    deep.mkdir(parents=True)
    (deep / "a.traj").write_text(TRAJ)
    assert paths(tmp_path) == []
    assert paths(tmp_path / "d") == ["/".join("d" * 10) + "/a.traj"]
    assert len(discover(tmp_path, max_depth=11).locations) == 1
    assert discover(tmp_path / "d", max_depth=9).locations == []


def test_the_number_of_folders_is_told_on_the_way(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"run{number}").mkdir()
    told: list[int] = []
    discover(tmp_path, visited=told.append)
    assert told == list(range(1, 9))


def test_folders_that_no_format_recognises_are_told_beside_runs_but_not_what_belongs_to_a_run() -> None:
    found = discover(SAMPLE_DATA)
    assert [path.name for path in found.passed_over] == ["extractors", "predictions", "unfamiliar"]
    assert discover(SAMPLE_DATA / "terminus2").passed_over == []
