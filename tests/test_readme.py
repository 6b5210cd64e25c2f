"""What the README shows works: its commands are run, its links and pictures exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from codetracer_core.store import Store
from tests.conftest import REPOSITORY, SAMPLE_DATA

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in README.splitlines() if line.startswith("codetracer ")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme") / "workspace"


def run(command: str, workspace: Path) -> str:
    arguments = shlex.split(command)[1:]
    result = subprocess.run(
        [sys.executable, "-m", "codetracer_core", *arguments],
        cwd=workspace.parent,
        env={**os.environ, "CODETRACER_WORKSPACE": str(workspace), "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    return result.stdout


def submit_what_is_assigned(workspace: Path) -> None:
    """What people do on the dashboard between the commands."""
    with Store.open(workspace) as store:
        for one in store.assignments("pilot"):
            if one.submitted_at is None:
                store.submit("pilot", one.run_id, one.annotator, rest_is_correct=True)


def test_the_commands_of_the_readme_run_as_they_stand(workspace: Path) -> None:
    manifest = SAMPLE_DATA / "manifest.jsonl"
    run(f"codetracer import {SAMPLE_DATA}", workspace)
    listed = json.loads(run("codetracer list --json", workspace))
    run_id = next(run["run_id"] for run in listed if run["step_count"] >= 12)
    replayed = next(
        run["run_id"] for run in listed if run["task"] == "parcels__parcels-31" and run["agent"] == "mini-SWE-agent"
    )
    stands_for = {
        "RUNS…": str(SAMPLE_DATA),
        "bench_manifest.verified.jsonl": str(manifest),
        "RUN": run_id,
        "PREDICTIONS": str(SAMPLE_DATA / "predictions" / "careful.rep0.jsonl"),
        "UNKNOWN": str(SAMPLE_DATA / "unfamiliar" / "relay"),
        "relay.yaml": str(SAMPLE_DATA / "extractors" / "relay.yaml"),
        "PROJECT": str(SAMPLE_DATA / "replayable" / "project"),
    }
    assert len(COMMANDS) >= 7
    for command in COMMANDS:
        if command.startswith("codetracer replay"):
            command = command.replace(" RUN ", f" {replayed} ")
        for placeholder, value in stands_for.items():
            command = re.sub(rf"(?<!\S){re.escape(placeholder)}(?!\S)", value, command)
        if command.startswith("codetracer project export"):
            submit_what_is_assigned(workspace)
        run(command, workspace)


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [target for target in targets if "://" not in target and not (REPOSITORY / target).exists()]
    assert missing == []
