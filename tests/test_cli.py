import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core import __version__
from codetracer_core.cli import batch
from codetracer_core.doctor import KEYS
from codetracer_core.models import LabelEvent
from codetracer_core.store import Store
from tests.conftest import REPOSITORY, SAMPLE_DATA
from tests.ports import held_port
from tests.small_runs import ACTIONS, manifest_row, pack_zst, write_benchmark, write_manifest, write_run
from tests.store.factory import decide, make_run

PROGRAM = [sys.executable, "-m", "codetracer_core"]
COMMANDS = (
    *("import", "list", "inspect", "tree", "label", "labels import", "export", "dashboard", "doctor", "config"),
    *("analyze", "batch", "evaluate", "agreement", "analytics", "interactive", "replay", "run"),
    *(f"project {name}" for name in ("create", "list", "show", "assign", "status", "export")),
    *(f"extractors {name}" for name in ("list", "show", "find", "new", "repair", "test", "edit", "export", "import")),
    *(f"extractors {name}" for name in ("use", "remove")),
)


def process(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The same as a process of its own."""
    return subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def run_id(codetracer: Any, tmp_path: Path) -> str:
    """An imported run of ``ACTIONS``."""
    return str(codetracer("import", write_run(tmp_path / "runs" / "one.traj"), "--json").json["items"][0]["run_id"])


# --- help


def test_help_teaches_every_command(codetracer: Any) -> None:
    listed = codetracer("--help")
    assert listed.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name.split()[0]} +\w", listed.out, re.MULTILINE)
        told = codetracer(*name.split(), "--help")
        assert told.code == 0
        assert "Example" in told.out
        assert f"codetracer {name}" in told.out.split("Example", 1)[1]
    told = codetracer("--help", entry=batch)
    assert "codetracer-batch --manifest" in told.out


def test_examples_of_the_help_name_real_options(codetracer: Any) -> None:
    for name in COMMANDS:
        told = codetracer(*name.split(), "--help").out
        described, _, options = told.partition("Options:")
        for option in set(re.findall(r"--[a-z-]+", described)):
            assert option in options


def test_examples_of_the_help_can_be_pasted_into_a_shell(codetracer: Any) -> None:
    told = [codetracer(*name.split(), "--help").out.split("Example", 1)[1].partition("\n\n")[0] for name in COMMANDS]
    examples = [line.strip() for one in told for line in one.splitlines()[1:]]
    read = subprocess.run(["bash", "-n"], input="\n".join(examples), capture_output=True, text=True, check=False)
    assert len(examples) > len(COMMANDS)
    assert (read.returncode, read.stderr) == (0, "")


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom codetracer_core.cli import main\n"
        "try: main(['inspect', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'streamlit', 'pandas', 'plotly', 'networkx', 'duckdb', 'pyarrow', 'numpy', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert found.stderr == "[]\n"


def test_reading_a_run_loads_no_dashboard() -> None:
    code = (
        "import sys\nfrom codetracer_core.cli import main\n"
        "try: main(['doctor', '--json'])\nexcept SystemExit: pass\n"
        "import codetracer_core.workflow\n"
        "print(sorted({'streamlit', 'plotly'} & sys.modules.keys()), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert found.stderr == "[]\n"


def test_version(codetracer: Any) -> None:
    assert codetracer("--version").out == f"codetracer {__version__}\n"


# --- how commands end


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["import"],
        ["import", "--frobnicate", "x"],
        ["inspect"],
        ["inspect", "x", "--step", "0"],
        ["inspect", "x", "--step", "1", "--from", "2"],
        ["label", "x", "--step", "1"],
        ["label", "x", "--step", "1", "--verdict", "nice"],
        ["export", "--to", "csv"],
        ["export", "x", "--all", "--to", "csv"],
        ["inspect", "x", "--from", "3", "--to", "2"],
        ["export", "x", "--to", "xml"],
        ["dashboard", "--port", "99999"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(codetracer: Any, words: list[str]) -> None:
    said = codetracer(*words)
    assert said.code == 2
    assert said.err
    assert not said.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["list"], "no workspace here yet"),
        (["inspect", "nothing-like-it"], "neither a path nor an imported run"),
        (["tree", "nothing-like-it"], "neither a path nor an imported run"),
        (["label", "x", "--step", "1", "--verdict", "correct"], "no workspace here yet"),
        (["export", "--all", "--to", "csv"], "no workspace here yet"),
        (["import", "nothing-like-it"], "nothing was imported: nothing-like-it: there is nothing here"),
        (["import", ".", "--format", "morse"], "no format 'morse'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_words_on_stderr_and_1(
    codetracer: Any, words: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = codetracer(*words)
    assert said.code == 1
    assert reason in said.err
    assert "Traceback" not in said.err
    assert not (words[0] != "import" and said.out)


def test_an_error_in_a_process_of_its_own(tmp_path: Path) -> None:
    ended = process("inspect", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"{tmp_path}: no run that any parser recognises")


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    path = write_run(tmp_path / "long.traj", ["echo " + "x" * 300] * 3000)
    command = f"{' '.join(PROGRAM)} inspect {path} | head -1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ended.stderr == ""
    assert ended.stdout.startswith("path")


# --- import and list


def test_import_as_json_is_json_and_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    (tmp_path / "runs" / "bad.traj").write_text('{"trajectory": [')
    ended = process(
        "import", str(tmp_path / "runs"), "--json", env={"CODETRACER_WORKSPACE": str(tmp_path / "workspace")}
    )
    assert ended.returncode == 0
    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    assert report["counts"] == {"imported": 1, "skipped": 0, "misaligned": 0, "failed": 1}
    good = next(item for item in report["items"] if item["status"] == "imported")
    assert {"path", "status", "reason", "run_id", "format", "view", "step_count", "declared_step_count"} <= good.keys()
    assert (good["format"], good["step_count"]) == ("swe-agent", 6)


def test_progress_goes_to_a_terminal_on_stderr(tmp_path: Path) -> None:
    for number in range(3):
        write_run(tmp_path / "runs" / f"{number}.traj", ACTIONS[: number + 1])
    master, slave = pty.openpty()
    ended = subprocess.run(
        [*PROGRAM, "import", tmp_path / "runs", "--json"],
        stdout=subprocess.PIPE,
        stderr=slave,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "CODETRACER_WORKSPACE": str(tmp_path / "workspace"), "TERM": "xterm"},
    )
    os.close(slave)
    seen = os.read(master, 100_000).decode()
    os.close(master)
    assert "Reading runs" in seen
    assert "3/3" in seen
    assert json.loads(ended.stdout)["counts"]["imported"] == 3


def test_import_in_words(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    (tmp_path / "runs" / "bad.traj").write_text('{"trajectory": [')
    said = codetracer("import", tmp_path / "runs")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "1 imported, 0 skipped, 0 misaligned, 1 failed"
    assert f"failed: {tmp_path / 'runs' / 'bad.traj'}: " in said.out
    again = codetracer("import", tmp_path / "runs" / "one.traj")
    assert again.code == 0
    assert "already imported, unchanged" in again.out


def test_many_runs_with_one_story_are_told_once(codetracer: Any, tmp_path: Path) -> None:
    for number in range(30):
        write_run(tmp_path / "runs" / f"{number:02}.traj", submission=str(number))
    codetracer("import", tmp_path / "runs")
    (tmp_path / "runs" / "bad.traj").write_text('{"trajectory": [')
    (tmp_path / "runs" / "worse.traj").write_text('{"trajectory": [')
    *told, counts = codetracer("import", tmp_path / "runs").out.splitlines()
    assert counts == "0 imported, 30 skipped, 0 misaligned, 2 failed"
    assert [line.split(":")[0] for line in told] == ["failed", "failed", "skipped"]
    assert told[2] == f"skipped: {tmp_path / 'runs' / '00.traj'} and 29 more: already imported, unchanged"


def test_a_manifest_without_artifacts_says_what_to_do(codetracer: Any, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "bench" / "manifest.jsonl", [manifest_row("one"), manifest_row("two")])
    for words in (["--manifest", manifest], [manifest], [manifest.parent]):
        said = codetracer("import", *words)
        assert said.code == 0
        assert said.out.splitlines() == [
            f"skipped: {manifest}#one and 1 more: no artifact here: neither an archive nor a folder of this name. "
            "A manifest holds no steps: download the artifacts too, and import their folder with this manifest.",
            "0 imported, 2 skipped, 0 misaligned, 0 failed",
        ]


def test_a_run_has_one_id_whether_its_manifest_comes_first_or_later(codetracer: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "bench" / "bench-1" / "run.traj")
    (first,) = codetracer("import", run, "--json").json["items"]
    codetracer("label", first["run_id"], "--step", "2", "--verdict", "correct", "--annotator", "ana")
    manifest = write_manifest(tmp_path / "manifest.jsonl", [manifest_row("bench-1")])
    (joined,) = codetracer("import", tmp_path / "bench", "--manifest", manifest, "--json").json["items"]
    assert (joined["status"], joined["run_id"], joined["declared_step_count"]) == ("imported", first["run_id"], 6)
    (row,) = codetracer("list", "--json").json
    assert (row["run_id"], row["traj_id"]) == (first["run_id"], "bench-1")
    assert row["labels_by_source"] == {"human": 1, "model": 0, "ground_truth": 2, "adjudicated": 0}
    assert codetracer("inspect", "bench-1", "--json").json["run_id"] == first["run_id"]
    assert codetracer("label", "bench-1", "--step", "3", "--verdict", "correct", "--annotator", "ana").code == 0
    exported = codetracer("export", "bench-1", "--to", "codetracebench", "--source", "human").json
    assert exported["traj_id"] == "bench-1"
    again = codetracer("import", run, "--json").json["items"][0]
    assert (again["status"], again["run_id"]) == ("skipped", first["run_id"])
    assert again["reason"] == "already imported, unchanged"


def test_a_killed_import_is_taken_up_by_importing_again(codetracer: Any, tmp_path: Path) -> None:
    for number in range(250):
        write_run(tmp_path / "runs" / f"{number:03}.traj", submission=str(number))
    running = subprocess.Popen(
        [*PROGRAM, "import", str(tmp_path / "runs")],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not any((tmp_path / "workspace" / "trajectories").glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.005)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert len(codetracer("list", "--json").json) < 250
    again = codetracer("import", tmp_path / "runs", "--json").json
    assert again["counts"]["imported"] + again["counts"]["skipped"] == 250
    assert len(codetracer("list", "--json").json) == 250
    names = [path.name for path in (tmp_path / "workspace" / "trajectories").iterdir()]
    assert len(names) == 250
    assert all(name.endswith(".parquet") for name in names)


def test_batch(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "bench" / "first" / "run.traj")
    manifest = write_manifest(tmp_path / "m.jsonl", [manifest_row("first"), manifest_row("lost", artifact_path=None)])
    said = codetracer("--manifest", manifest, tmp_path / "bench", entry=batch)
    assert said.code == 0
    assert said.json["counts"] == {"imported": 1, "skipped": 1, "misaligned": 0, "failed": 0}
    assert codetracer("--manifest", manifest, tmp_path / "bench", entry=batch).json["counts"]["skipped"] == 2
    assert codetracer(entry=batch).code == 2
    missing = codetracer("--manifest", tmp_path / "nothing.jsonl", entry=batch)
    assert missing.code == 1
    assert "nothing.jsonl" in missing.err


def test_list(codetracer: Any, run_id: str) -> None:
    (row,) = codetracer("list", "--json").json
    assert row == {
        "run_id": run_id,
        "agent": "SWE-agent",
        "model": None,
        "task": "one",
        "format": "swe-agent",
        "step_count": 6,
        "outcome": "unknown",
        "labels": 0,
        "labels_by_source": {"human": 0, "model": 0, "ground_truth": 0, "adjudicated": 0},
        "misaligned": False,
        "traj_id": None,
        "declared_step_count": None,
        "collection": "runs",
        "replay_of": None,
        "replay_step": None,
    }
    header, line = codetracer("list").out.splitlines()
    assert header.split() == ["run_id", "agent", "model", "outcome", "labels", "steps"]
    assert line.split() == [run_id, "SWE-agent", "unknown", "0", "6"]


def test_a_run_that_did_not_solve_its_task_is_not_solved_for_people_and_failed_for_programs(
    codetracer: Any, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "workspace") as store:
        store.add_runs([run := make_run("run-1")], decisions=[decide(run)])
    assert "not solved" in codetracer("list", "--workspace", tmp_path / "workspace").out
    assert "not solved: 2 of 3 tests failed" in codetracer("inspect", "run-1", "-w", tmp_path / "workspace").out
    assert [run["outcome"] for run in codetracer("list", "--json", "-w", tmp_path / "workspace").json] == ["failed"]


def test_the_workspace_option_wins(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    assert codetracer("list", "--workspace", tmp_path / "other").code == 1
    codetracer("import", write_run(tmp_path / "two.traj", ["ls"]), "--workspace", tmp_path / "other")
    assert [row["task"] for row in codetracer("list", "-w", tmp_path / "other", "--json").json] == ["two"]
    assert [row["task"] for row in codetracer("list", "--json").json] == ["one"]


# --- inspect and tree


def test_inspect_a_path(codetracer: Any, tmp_path: Path) -> None:
    path = write_run(tmp_path / "one.traj")
    run = codetracer("inspect", path, "--json").json
    assert (run["format"], run["step_count"], run["run_id"]) == ("swe-agent", 6, None)
    assert run["outcome"] == {"solved": None, "reason": "no result file", "source": None}
    assert run["usage"]["cost_usd"] == 0.25
    assert {"view", "agent", "model", "task", "trial", "usage", "tests", "notes", "exit_status"} <= run.keys()
    step = run["steps"][2]
    assert step["step_id"] == 3
    assert (step["action"], step["observation"], step["thought"]) == (ACTIONS[2], "saw 3", "I do 3")
    assert (step["kind"], step["executed"], step["parallel_group"]) == ("change", True, None)
    assert step["reason"]
    assert step["action_ref"]["path"] == "one.traj"
    assert {"tool_name", "tool_arguments", "exit_code", "timestamp", "branch", "native_ids"} <= step.keys()
    assert not (tmp_path / "workspace").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.traj"]


def test_inspect_some_steps(codetracer: Any, run_id: str) -> None:
    def ids(*options: str) -> list[int]:
        return [step["step_id"] for step in codetracer("inspect", run_id, "--json", *options).json["steps"]]

    assert ids("--step", "2") == [2]
    assert ids("--from", "3", "--to", "5") == [3, 4, 5]
    assert ids("--from", "5") == [5, 6]
    assert ids("--to", "2") == [1, 2]
    assert ids() == [1, 2, 3, 4, 5, 6]
    assert ids("--from", "6", "--to", "99") == [6]
    for option in ("--step", "--from"):
        missing = codetracer("inspect", run_id, option, "7")
        assert missing.code == 1
        assert "there is no step 7: the run has 6 steps" in missing.err


def test_an_archive_must_be_imported_first(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "run" / "run.traj")
    said = codetracer("inspect", pack_zst(tmp_path / "run.tar.zst", tmp_path / "run"))
    assert said.code == 1
    assert "an archive; runs are looked at unpacked. Import it" in said.err


def test_inspect_in_words(codetracer: Any, run_id: str) -> None:
    told = codetracer("inspect", run_id).out
    assert re.search(r"^outcome +unknown: no result file", told, re.MULTILINE)
    assert re.search(r"^ +3 change +sed -i s/a/b/ app.py", told, re.MULTILINE)
    step = codetracer("inspect", run_id, "--step", "3").out
    assert step.startswith("step 3 · change: ")
    assert re.search(r"^--- action \(one.traj, line \d+\)\nsed -i s/a/b/ app.py$", step, re.MULTILINE)
    assert re.search(r"^--- observation .*\nsaw 3$", step, re.MULTILINE)


def test_inspect_and_tree_print_the_same_tree(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    told = codetracer("tree", run_id)
    assert told.code == 0
    assert "sed -i" in told.out
    assert codetracer("inspect", run_id, "--tree").out == told.out
    assert codetracer("tree", tmp_path / "runs" / "one.traj").out == told.out
    assert codetracer("inspect", run_id, "--tree", "--json").json["tree"].strip() == told.out.strip()


def test_one_of_several_runs_must_be_named(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    write_run(tmp_path / "runs" / "two.traj")
    said = codetracer("inspect", tmp_path / "runs")
    assert said.code == 1
    assert "2 runs lie here" in said.err
    assert "two.traj" in said.err


def test_text_of_a_run_does_not_steer_the_terminal(codetracer: Any, tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2Jecho \x9b31mred\r\x08\x00 [bold]x[/bold]"
    path = write_run(tmp_path / "hostile.traj", [hostile])
    for words in (["inspect", path], ["inspect", path, "--step", "1"], ["tree", path]):
        told = codetracer(*words)
        assert told.code == 0
        assert not set(told.out) & (set(map(chr, range(32))) - {"\n", "\t"})
        assert "\x9b" not in told.out
    assert "[bold]x[/bold]" in codetracer("inspect", path).out
    raw = codetracer("inspect", path, "--json")
    assert raw.json["steps"][0]["action"] == hostile
    assert raw.out.isascii()


def test_inspect_every_real_run(codetracer: Any, real: Path) -> None:
    """One import, then a look at runs of each format by id: no text makes a command stumble."""
    report = codetracer("import", real / "trajectories", "--json").json
    one_per_format = {item["format"]: item["run_id"] for item in report["items"] if item["run_id"]}
    assert len(one_per_format) >= 5
    for run in one_per_format.values():
        told = codetracer("inspect", run, "--json").json
        assert told["step_count"] == len(told["steps"])
        assert codetracer("inspect", run).code == 0
        assert codetracer("tree", run).code == 0


# --- labels


def test_label(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    said = codetracer("label", run_id, "--step", "3", "--verdict", "incorrect", "--annotator", "ana")
    assert said.out == f"{run_id}, step 3: incorrect, by ana\n"
    assert codetracer("list", "--json").json[0]["labels"] == 1
    codetracer("label", run_id, "--step", "3", "--verdict", "unlabelled", "--annotator", "ana")
    assert codetracer("list", "--json").json[0]["labels"] == 0
    wrong = codetracer("label", run_id, "--step", "9", "--verdict", "correct")
    assert wrong.code == 1
    assert "no step 9" in wrong.err


def test_label_while_the_dashboard_has_the_workspace(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    words = ("label", run_id, "--step", "3", "--verdict", "unuseful", "--annotator", "ben")
    with Store.open(place, purpose="the dashboard") as store:
        ended = process(*words, env={"CODETRACER_WORKSPACE": str(place)})
        assert ended.returncode == 0, ended.stderr
        assert "waits in the inbox, because the dashboard" in ended.stdout
        store.take_inbox()
        assert store.step_labels(run_id)[3].human[0].verdict == "unuseful"
        listed = process("list", "--json", env={"CODETRACER_WORKSPACE": str(place)})
        assert json.loads(listed.stdout)[0]["run_id"] == run_id
        second = process("dashboard", "--no-browser", env={"CODETRACER_WORKSPACE": str(place)})
        assert second.returncode == 1
        assert "the dashboard" in second.stderr
        assert "has this workspace open" in second.stderr


# --- labels from files


def test_labels_import(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    assert "import" in codetracer("labels", "--help").out
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"traj,step,label\n{run_id},3,incorrect\n{run_id},99,incorrect\n")
    words = ("labels", "import", sheet, "--map", "run_id=traj,step_id=step,verdict=label", "--annotator", "ana")
    preview = codetracer(*words, "--dry-run")
    assert preview.code == 0
    refused, header, row, counts, last = preview.out.splitlines()
    assert refused == f"refused: {sheet}, line 3: run {run_id!r} has 6 steps, there is no step 99"
    assert header.split() == ["run_id", "step", "field", "value", "source", "annotator", "pass", "occurred_at"]
    assert row.split()[:6] == [run_id, "3", "verdict", "incorrect", "human", "ana"]
    assert (counts, last) == ("1 new, 0 known, 1 refused (table)", "a dry run: nothing was stored")
    assert codetracer("list", "--json").json[0]["labels"] == 0
    told = codetracer(*words, "--json").json
    assert told["counts"] == {"new": 1, "known": 0, "refused": 1}
    assert (told["dry_run"], told["labels"][0]["value"], told["refused"][0]["place"]) == (False, "incorrect", "line 3")
    assert codetracer(*words).out.splitlines()[-1] == "0 new, 1 known, 1 refused (table)"
    assert codetracer("list", "--json").json[0]["labels"] == 1
    sheet.write_text("run_id,step_id,verdict\nother,3,incorrect\n")
    nothing = codetracer("labels", "import", sheet, "--annotator", "ana")
    assert nothing.code == 1
    assert "no label came in" in nothing.err
    assert codetracer("labels", "import", sheet, "--map", "run_id").code == 2


def test_labels_import_while_the_dashboard_has_the_workspace(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    codetracer("label", run_id, "--step", "3", "--verdict", "unuseful", "--annotator", "ben")
    events = tmp_path / "events.jsonl"
    assert codetracer("export", "--all", "--to", "jsonl", "--out", events).code == 0
    place = tmp_path / "other"
    codetracer("import", tmp_path / "runs", "--workspace", place)
    with Store.open(place, purpose="the dashboard") as store:
        ended = process("labels", "import", str(events), "--workspace", str(place))
        assert ended.returncode == 0, ended.stderr
        assert "wait in the inbox, because the dashboard" in ended.stdout
        store.take_inbox()
        assert store.step_labels(run_id)[3].human[0].verdict == "unuseful"


# --- export


def test_export(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    codetracer("label", run_id, "--step", "3", "--verdict", "incorrect", "--annotator", "ana")
    table = codetracer("export", run_id, "--to", "csv").out.splitlines()
    assert table[1].startswith(f"{run_id},SWE-agent,,one,3,incorrect,human,ana,1,none,")
    assert json.loads(codetracer("export", "--all", "--to", "jsonl").out)["value"] == "incorrect"
    row = codetracer("export", run_id, "--to", "codetracebench", "--source", "human").json
    assert row["incorrect_stages"][0]["incorrect_step_ids"] == [3]
    none = codetracer("export", run_id, "--to", "codetracebench")
    assert none.code == 1
    assert "no ground_truth labels" in none.err
    everyone = codetracer("export", "--all", "--to", "codetracebench")
    assert (everyone.code, everyone.out) == (0, "")
    assert "left out, without ground_truth labels" in everyone.err
    assert codetracer("export", run_id, "--to", "labels", "--source", "human").json[0]["incorrect_step_ids"] == [3]
    folder = tmp_path / "out"
    told = codetracer("export", "--all", "--to", "labels", "--source", "human", "--out", folder)
    assert told.out == f"{folder / run_id / 'codetracer_labels.json'}\n"
    assert codetracer("labels", "import", folder, "--annotator", "ben").code == 0
    assert codetracer("export", run_id, "--to", "parquet").code == 2
    assert codetracer("export", "--all", "--to", "parquet", "--out", tmp_path / "events.parquet").code == 0
    again = codetracer("labels", "import", tmp_path / "events.parquet", "--json").json
    assert again["counts"] == {"new": 0, "known": 2, "refused": 0}
    codetracer("label", run_id, "--step", "3", "--verdict", "unlabelled", "--annotator", "ben")
    out = tmp_path / "new" / "labels.csv"
    assert codetracer("export", run_id, "--to", "csv", "--out", out).out == ""
    assert len(out.read_text().splitlines()) == 2


def test_export_steps(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    said = codetracer("export", run_id, "--to", "steps", "--out", tmp_path / "out")
    assert said.out == f"{tmp_path / 'out'}\n"
    assert [step["step_id"] for step in json.loads((tmp_path / "out" / "steps.json").read_text())] == [1, 2, 3, 4, 5, 6]
    codetracer("export", "--all", "--to", "steps", "--out", tmp_path / "all")
    assert (tmp_path / "all" / run_id / "steps.json").is_file()


def test_steps_go_into_a_folder_of_their_own(
    codetracer: Any, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the command is given beside the evidence, which is never written to."""
    monkeypatch.chdir(tmp_path / "runs")
    assert codetracer("export", run_id, "--to", "steps").out == f"{Path('exported', run_id)}\n"
    assert codetracer("export", "one.traj", "--to", "steps").out == f"{Path('exported', 'one.traj')}\n"
    assert codetracer("export", "--all", "--to", "steps").out == f"{Path('exported', run_id)}\n"
    assert sorted(path.name for path in Path("exported").iterdir()) == sorted([run_id, "one.traj"])


# --- projects


def test_a_project_on_the_command_line(codetracer: Any, tmp_path: Path) -> None:
    for name in "abc":
        write_run(tmp_path / "runs" / f"{name}.traj", submission=name)
    codetracer("import", tmp_path / "runs")
    run_ids = [run["run_id"] for run in codetracer("list", "--json").json]
    assert codetracer("project", "list").out == "no projects yet\n"
    guidelines = tmp_path / "guidelines.md"
    guidelines.write_text("# Trace back from the outcome\n")
    made = codetracer("project", "create", "pilot", "--annotators", "ann,bob,cy", "--guidelines", guidelines)
    assert made.out == "pilot: 3 runs, each to be labelled by 2 of ann, bob, cy\n"
    assert "there is a project 'pilot' already" in codetracer("project", "create", "pilot").err
    shown = codetracer("project", "show", "pilot", "--json").json
    assert (shown["runs"], shown["guidelines"]) == (run_ids, "# Trace back from the outcome\n")
    assert "# Trace back from the outcome" in codetracer("project", "show", "pilot").out

    given = codetracer("project", "assign", "pilot", "--each", "1", "--json").json
    assert sorted(one["annotator"] for one in given["assigned"]) == ["ann", "bob", "cy"]
    assert given["unassigned_places"] == 3
    given = codetracer("project", "assign", "pilot").out.splitlines()
    assert given[-1] == "3 assigned, 0 places without anybody left"
    assert codetracer("project", "assign", "pilot").out == "0 assigned, 0 places without anybody left\n"
    assert "'dee' does not take part" in codetracer("project", "assign", "pilot", "--to", "dee").err

    for who in ("ann", "bob"):
        verdict = {"ann": "incorrect", "bob": "correct"}[who]
        assert codetracer("label", run_ids[0], "--step", "3", "--verdict", verdict, "--annotator", who).code == 0
    with Store.open(tmp_path / "workspace") as store:
        store.submit("pilot", run_ids[0], "ann", rest_is_correct=True)
    late = codetracer("label", run_ids[0], "--step", "4", "--verdict", "correct", "--annotator", "ann")
    assert late.code == 1
    assert "has submitted run" in late.err
    assert "Revise it on the dashboard" in late.err

    told = codetracer("project", "status", "pilot")
    assert re.search(r"^ann +1 submitted, 1 assigned +6 of 12 ", told.out, re.MULTILINE)
    assert re.search(r"^bob +1 in progress, 1 assigned +1 of 12 ", told.out, re.MULTILINE)
    assert told.out.endswith("\n0 of 3 runs finished, 5 submissions missing, 0 of them without anybody\n")
    assert codetracer("project", "list", "--json").json[0]["missing_submissions"] == 5
    status = codetracer("project", "status", "pilot", "--json").json
    assert [(run["state"], run["submissions"]) for run in status["runs"]] == [
        ("in_progress", 1),
        ("assigned", 0),
        ("assigned", 0),
    ]


def test_runs_of_a_project_are_chosen_by_filters_or_ids(codetracer: Any, tmp_path: Path) -> None:
    codetracer("import", write_benchmark(tmp_path / "bench", tmp_path / "make"))
    codetracer("import", write_run(tmp_path / "runs" / "own.traj", submission="own"))
    runs = codetracer("list", "--json").json
    own = next(run["run_id"] for run in runs if run["labels_by_source"]["ground_truth"] == 0)

    def chosen(name: str, *words: str) -> set[str]:
        made = codetracer("project", "create", name, *words)
        assert made.code == 0, made.err
        return set(codetracer("project", "show", name, "--json").json["runs"])

    with_truth = {run["run_id"] for run in runs} - {own}
    assert chosen("gold", "--with-ground-truth") == with_truth
    assert chosen("by-id", "--runs", own, "--runs", "extracted") == {own, "extracted"}
    assert chosen("both", "--runs", own, "--runs", "extracted", "--with-ground-truth") == {"extracted"}
    solved = {run["run_id"] for run in runs if run["outcome"] == "solved"}
    assert solved
    assert chosen("solved", "--outcome", "solved", "--agent", "SWE-agent") == solved
    nothing = codetracer("project", "create", "none", "--agent", "nobody")
    assert (nothing.code, "at least one run" in nothing.err) == (1, True)
    assert codetracer("project", "create", "none", "--runs", "unknown").code == 1
    assert "'shuffled'" in codetracer("project", "create", "none", "--order", "random").err
    unreadable = codetracer("project", "create", "none", "--guidelines", tmp_path / "missing.md")
    assert "the guidelines cannot be read" in unreadable.err


def test_export_of_a_project(codetracer: Any, tmp_path: Path) -> None:
    for name in "ab":
        write_run(tmp_path / "runs" / f"{name}.traj", submission=name)
    codetracer("import", tmp_path / "runs")
    first, second = (run["run_id"] for run in codetracer("list", "--json").json)
    codetracer("project", "create", "pilot", "--annotators", "ann,bob")
    codetracer("project", "assign", "pilot")
    nothing = codetracer("project", "export", "pilot", "--to", "jsonl")
    assert nothing.code == 1
    assert f"left out, not submitted yet: {first} (ann)" in nothing.err

    def label(who: str, run_id: str, step: int, verdict: str) -> None:
        said = codetracer("label", run_id, "--step", str(step), "--verdict", verdict, "--annotator", who)
        assert said.code == 0, said.err

    label("ann", first, 3, "incorrect")
    label("ann", first, 4, "unuseful")
    label("bob", first, 3, "correct")
    label("ann", second, 5, "incorrect")
    with Store.open(tmp_path / "workspace") as store:
        for run_id, who in ((first, "ann"), (first, "bob"), (second, "ann")):
            store.submit("pilot", run_id, who)
        revision = LabelEvent(
            run_id=first,
            step_id=3,
            value=None,
            annotator="ann",
            client="revision",
            sequence=1,
            occurred_at=datetime.now(UTC),
        )
        store.add_human_labels([revision])

    def verdicts(*words: str) -> list[tuple[str, ...]]:
        said = codetracer("project", "export", "pilot", "--to", "csv", *words)
        assert said.code == 0, said.err
        rows = list(csv.DictReader(io.StringIO(said.out)))
        return [(row["run_id"], row["step_id"], row["verdict"], row["annotator"], row["pass_number"]) for row in rows]

    blind = [
        (first, "3", "incorrect", "ann", "1"),
        (first, "3", "correct", "bob", "1"),
        (first, "4", "unuseful", "ann", "1"),
        (second, "5", "incorrect", "ann", "1"),
    ]
    revised = [(first, "4", "unuseful", "ann", "2")]
    assert sorted(verdicts("--pass", "blind")) == sorted(blind)
    assert verdicts("--pass", "revised") == revised
    assert sorted(verdicts()) == sorted(blind + revised)
    assert verdicts("--annotator", "bob") == [blind[1]]

    def rows(*words: str) -> tuple[dict[str, list[int]], str]:
        """Incorrect and unuseful steps by run, and what is left out."""
        said = codetracer("project", "export", "pilot", "--to", "codetracebench", *words)
        found = {}
        for row in map(json.loads, said.out.splitlines()):
            stages = row["incorrect_stages"]
            found[row["traj_id"]] = [n for s in stages for n in s["incorrect_step_ids"] + s["unuseful_step_ids"]]
        return found, said.err

    found, left_out = rows()
    assert found == {second: [5]}
    assert f"labelled by several people (name one, or take the adjudicated labels): {first} (ann, bob)" in left_out
    assert f"not submitted yet: {second} (bob)" in left_out
    assert rows("--annotator", "ann")[0] == {first: [4], second: [5]}, "what was taken back stays taken back"
    assert rows("--annotator", "ann", "--pass", "blind")[0] == {first: [3, 4], second: [5]}
    found, left_out = rows("--annotator", "ann", "--pass", "revised")
    assert found == {first: [4]}
    assert f"without labels of such a pass: {second}" in left_out
    found, left_out = rows("--annotator", "bob")
    assert found == {first: []}
    assert "because this form has no place for them: 1 correct" in left_out
    assert f"not adjudicated yet: {first}, {second}" in rows("--source", "adjudicated")[1]
    assert "'dee' has no runs of the project 'pilot'. Who has: ann, bob." in rows("--annotator", "dee")[1]

    folder = tmp_path / "labels"
    written = codetracer("project", "export", "pilot", "--to", "labels", folder, "--annotator", "ann").out.splitlines()
    assert [Path(path).parent.name for path in written] == [first, second]
    assert json.loads(Path(written[1]).read_text())[0]["incorrect_step_ids"] == [5]

    assert codetracer("project", "export", "pilot", "--to", "parquet").code == 2
    events, other = tmp_path / "events.parquet", tmp_path / "other"
    assert codetracer("project", "export", "pilot", "--to", "parquet", events).code == 0
    codetracer("import", tmp_path / "runs", "--workspace", other)
    assert codetracer("labels", "import", events, "--workspace", other, "--json").json["counts"]["refused"] == 0
    arrival = {"arrival", "arrived_at"}
    here, there = (
        [
            {name: value for name, value in json.loads(line).items() if name not in arrival}
            for line in codetracer("export", "--all", "--to", "jsonl", "--workspace", place).out.splitlines()
        ]
        for place in (tmp_path / "workspace", other)
    )
    assert here == there


def test_a_project_while_the_dashboard_has_the_workspace(codetracer: Any, run_id: str, tmp_path: Path) -> None:
    codetracer("project", "create", "pilot", "--annotators", "ann,bob")
    place = {"CODETRACER_WORKSPACE": str(tmp_path / "workspace")}
    with Store.open(tmp_path / "workspace", purpose="the dashboard") as store:
        read = process("project", "status", "pilot", env=place)
        assert (read.returncode, run_id in read.stdout) == (0, True)
        for words in (("create", "second"), ("assign", "pilot")):
            write = process("project", *words, env=place)
            assert write.returncode == 1
            assert "the dashboard (process" in write.stderr
            assert "Do this there, or close it" in write.stderr
        assert store.assignments() == []


# --- doctor and dashboard


def test_doctor(codetracer: Any, run_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    said = codetracer("doctor", "--json")
    told = said.json
    assert told["keys"]["OPENAI_API_KEY"] == "set"
    assert told["keys"]["ANTHROPIC_API_KEY"] == "not set"
    assert "sk-very-secret" not in said.out
    assert told["versions"]["codetracer"] == __version__
    assert "missing" not in told["versions"].values()
    assert told["workspace"]["folder"] == str(tmp_path / "workspace")
    assert told["workspace"]["holds"] == "1 runs, 0 with ground truth, 0 labelled steps"
    assert told["workspace"]["step text"].startswith("1 files")
    assert told["workspace"]["open in"] == "no process"
    assert "swe-agent" in told["formats"]
    plain = codetracer("doctor").out
    assert "sk-very-secret" not in plain
    assert re.search(r"^  OPENAI_API_KEY +set$", plain, re.MULTILINE)


def test_doctor_makes_no_workspace(codetracer: Any, tmp_path: Path) -> None:
    assert codetracer("doctor").code == 0
    assert not (tmp_path / "workspace").exists()


def test_doctor_says_what_is_wrong_with_a_workspace(codetracer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = codetracer("doctor", "--json", "-w", tmp_path / "file").json["workspace"]
    assert told == {"folder": f"{tmp_path / 'file'} (a file; a workspace is a folder)"}
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "codetracer.duckdb").write_text("no database")
    told = codetracer("doctor", "--json", "-w", tmp_path / "damaged").json["workspace"]
    assert "the database cannot be opened" in told["holds"]


def test_doctor_lists_extractors_and_what_of_them_cannot_be_read(codetracer: Any, tmp_path: Path) -> None:
    assert "none" in codetracer("doctor", "--json").json["extractors"]
    home = tmp_path / "workspace" / "extractors"
    for name in ("relay", "tern"):
        codetracer("extractors", "import", SAMPLE_DATA / "extractors" / f"{name}.yaml")
    (home / "tern" / "v1.yaml").write_text("name: [")
    (home / "mine.yaml").write_text("name: mine")
    told = codetracer("doctor", "--json").json["extractors"]
    assert told["relay"] == "v1 of 1 reads runs"
    assert told["tern"].startswith(f"reads no runs; {home / 'tern' / 'v1.yaml'}")
    assert told["mine.yaml"] == "no extractor: take a spec over with 'codetracer extractors import'"


def test_a_dashboard_that_cannot_have_its_workspace_does_not_start(codetracer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = codetracer("dashboard", "--no-browser", "-w", tmp_path / "file")
    assert said.code == 1
    assert "cannot be used as a workspace" in said.err
    with Store.open(tmp_path / "open", purpose="the other dashboard"):
        said = process("dashboard", "--no-browser", "-w", str(tmp_path / "open"))
    assert said.returncode == 1
    assert "the other dashboard" in said.stderr
    assert "Traceback" not in said.stderr


def test_dashboard_starts_and_stops(tmp_path: Path) -> None:
    port = held_port()
    words = ["dashboard", "--no-browser", "--workspace", "mine", "--port", str(port)]
    running = subprocess.Popen(
        [*PROGRAM, *words],
        cwd=tmp_path,
        env={**os.environ, "CODETRACER_WORKSPACE": str(tmp_path / "other"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert _answers(f"http://127.0.0.1:{port}/_stcore/health", running)
        taken = process("dashboard", "--no-browser", "--port", str(port))
        assert taken.returncode == 1
        assert "Traceback" not in taken.stderr
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=120)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 0
    assert "Traceback" not in said
    assert not (tmp_path / "other").exists()


def _answers(address: str, running: "subprocess.Popen[str]") -> bool:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:  # nobody listens yet, or nobody answers in time
            time.sleep(0.2)
    return False


def test_sample_data_as_the_readme_has_it(codetracer: Any) -> None:
    assert codetracer("import", SAMPLE_DATA).code == 0
    assert codetracer("list").code == 0


def test_key_names_are_names() -> None:
    assert all(re.fullmatch(r"[A-Z_]+", name) for name in KEYS)
