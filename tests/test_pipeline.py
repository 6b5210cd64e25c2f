"""The whole way in one command, with real parts: files, a workspace, a model server on loopback, commands that run."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codetracer_core.store import Store
from codetracer_core.workflow import stored_run, without_ground_truth
from tests.conftest import REPOSITORY, SAMPLE_DATA
from tests.model_server import Asked, Behaviour, Hang, ModelServer, Say, calling
from tests.small_runs import ACTIONS, write_run

REPLAYABLE = SAMPLE_DATA / "replayable"
MINI = REPLAYABLE / "mini-swe-agent"
PROJECT = REPLAYABLE / "project"
UNFAMILIAR = SAMPLE_DATA / "unfamiliar" / "relay"
SPEC = SAMPLE_DATA / "extractors" / "relay.yaml"
QUOTE = "(2.01, (5.40, 8.10, 14.90))"
FIX = "sed -i 's/weight < limit/weight <= limit/' parcels/quote.py"


def diagnosing(request: Asked) -> Say:
    """Says where the sample run went wrong; of any other run, that it was clean."""
    if QUOTE in request.text:
        evidence = [{"step_id": 6, "quote": QUOTE}]
        return calling(
            "submit_diagnosis",
            case_for_clean_run="It passes the example.",
            conclusion="error_found",
            summary="The limit was moved, the comparison stays wrong.",
            onset=[{"step_id": 6, "reasoning": "The table was changed.", "evidence": evidence}],
            findings=[{"step_id": 6, "verdict": "incorrect", "reasoning": "Wrong place.", "evidence": evidence}],
            correct_strategy="Compare with <= in quote().",
        )
    return calling(
        "submit_diagnosis",
        case_for_clean_run="All is well.",
        conclusion="no_error_found",
        summary="Nothing went wrong.",
    )


def answering(request: Asked) -> Say:
    """Every part of the way: describes a format, diagnoses, goes on with a task."""
    if "propose_extractor" in request.tools:
        return calling("propose_extractor", spec=SPEC.read_text())
    if "submit_diagnosis" in request.tools:
        return diagnosing(request)
    assert "run" in request.tools
    done = sum(message["role"] == "assistant" for message in request.messages)
    return calling("run", command=FIX) if not done else calling("finish", summary="The comparison is right now.")


def options(server: ModelServer) -> tuple[str, ...]:
    return ("--model", "scripted", "--api-base", server.url)


def test_from_files_to_a_summary_in_which_every_file_is_named(codetracer: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = codetracer("run", REPLAYABLE, "--output", out)
    assert said.code == 0
    assert "mini-SWE-agent · example/mini-coder-4 · parcels__parcels-31 · not solved" in said.out
    assert "steps       10 (4 explore, 6 change)" in said.out
    assert "no error found, by heuristic; no model was asked" in said.out
    written = {str(path) for path in out.rglob("*") if path.is_file()}
    named = {str(out / name) for name in ("summary.json", "report.txt", "batch.jsonl")}
    blocks = re.findall(r"^ +files +(/.+)\n((?: {14}.+\n)+)\n", said.out, re.M)
    named |= {f"{folder}/{name}" for folder, names in blocks for name in " ".join(names.split()).split(", ")}
    assert named == written
    assert str(out / "summary.json") in said.out
    names = ("tree.md", "steps.json", "codetracer_labels.json", "codetracer_diagnosis.json", "run.html")
    assert all(sum(path.endswith(f"/{name}") for path in written) == 2 for name in names)
    assert (out / "report.txt").read_text() == said.out
    told = json.loads((out / "summary.json").read_text())
    assert [(run["format"], run["steps"], run["diagnosis"]["status"]) for run in told["runs"]] == [
        ("mini-swe-agent", 10, "complete"),
        ("swe-agent", 11, "complete"),
    ]
    again = codetracer("run", REPLAYABLE, "--limit", "1", "--json").json
    assert len(again["runs"]) == 1
    assert again["runs"][0]["diagnosis"]["was_done"]
    assert again["not_begun"] == 1


def test_what_fails_is_told_and_stops_nothing_else(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one.traj", ACTIONS)
    (tmp_path / "runs" / "bad.traj").write_text('{"trajectory": [')
    write_run(tmp_path / "runs" / "empty.traj", ())
    said = codetracer("run", tmp_path / "runs")
    assert said.code == 0
    assert re.search(r"diagnosed   1 of 2 runs; .*\n {14}empty-\w+: failed: the run has no steps", said.out)
    assert re.search(r"diagnosis   failed, by heuristic: the run has no steps: .*; no model", said.out)
    assert f"failed: {tmp_path / 'runs' / 'bad.traj'}" in said.out
    (tmp_path / "only").mkdir()
    (tmp_path / "runs" / "bad.traj").rename(tmp_path / "only" / "bad.traj")
    nothing = codetracer("run", tmp_path / "only")
    assert nothing.code == 1
    assert "nothing was imported" in nothing.err
    inside = codetracer("run", tmp_path / "runs", "--output", tmp_path / "runs" / "out")
    assert inside.code == 1
    assert "nothing is written among them" in inside.err


def test_files_hold_the_run_and_its_diagnosis_and_nothing_of_others(codetracer: Any, tmp_path: Path) -> None:
    runs, manifest = SAMPLE_DATA / "terminus2", SAMPLE_DATA / "manifest.jsonl"
    codetracer("import", runs, "--manifest", manifest)
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        of_benchmark = {run.run_id: reader.stages(run.run_id) for run in reader.runs() if run.format == "terminus2"}
    run_id = next(iter(of_benchmark))
    codetracer("label", run_id, "--step", "1", "--verdict", "incorrect", "--annotator", "ana-of-the-team")
    told = codetracer("run", runs, "--output", tmp_path / "out", "--json").json["runs"]
    files = {run["run_id"]: {Path(name).name: Path(name).read_text() for name in run["files"]} for run in told}
    assert "ana-of-the-team" not in "".join(files[run_id].values())
    split = {run_id: json.loads(names["stage_ranges.json"]) for run_id, names in files.items()}
    assert all(of_benchmark.values())
    assert split != {
        run_id: [stage.model_dump(exclude_none=True) for stage in stages or ()]
        for run_id, stages in of_benchmark.items()
    }
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        for run_id, stages in split.items():
            view = without_ground_truth(stored_run(reader, run_id))
            assert [stage["name"] for stage in stages] == [stage.name for stage in view.stages]


def test_a_hostile_run_does_not_steer_the_terminal(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "e\x1b[2Jvil.traj", ("echo '\x1b]0;owned\x07[red]'", "ls"))
    said = codetracer("run", tmp_path / "runs", "-o", tmp_path / "out")
    assert said.code == 0
    assert "\x1b" not in said.out + (tmp_path / "out" / "report.txt").read_text()


def test_diagnosed_replayed_and_solved_and_not_paid_for_twice(
    codetracer: Any, model_server: Callable[..., ModelServer], tmp_path: Path
) -> None:
    server = model_server(answering)
    words = (
        *("run", MINI, *options(server), "--output", tmp_path / "out"),
        *("--replay", "--env", "local", "--folder", PROJECT, "--test", "python3 -m unittest -q"),
    )
    refused = codetracer(*words)
    assert refused.code == 1
    assert "--allow-local" in refused.err
    assert server.requests == []

    said = codetracer(*words, "--allow-local")
    assert said.code == 0, said.err
    assert f"onset       step 6: “{QUOTE}” The table was changed." in said.out
    assert "labels      incorrect: step 6" in said.out
    assert "replay      from step 6: finished, solved (was: not solved); it is the run" in said.out
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    (run,) = told["runs"]
    assert run["onset"]["quote"]["quote"]["text"] == QUOTE
    assert run["replay"]["solved"] is True
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        replay = reader.load_run(run["replay"]["new_run_id"])
    assert replay.trajectory.outcome.solved is True
    assert replay.trajectory.replay_of is not None
    assert replay.trajectory.replay_of.run_id == run["run_id"]

    paid = len(server.requests)
    again = codetracer(*words, "--allow-local", "--json")
    assert again.code == 0
    assert len(server.requests) == paid
    assert again.json["runs"][0]["replay"]["was_done"]
    assert again.json["usage"]["calls"] == 0


def test_a_folder_of_an_unknown_format_beside_known_ones_is_told(codetracer: Any, tmp_path: Path) -> None:
    shutil.copytree(SAMPLE_DATA / "mini-swe-agent" / "v1-solved", tmp_path / "mixed" / "known")
    shutil.copytree(UNFAMILIAR, tmp_path / "mixed" / "relay")
    told = f"passed over, no format recognises what is there: {tmp_path / 'mixed' / 'relay'}"
    imported = codetracer("import", tmp_path / "mixed")
    assert told in imported.out
    assert "1 imported, 0 skipped, 0 misaligned, 0 failed" in imported.out
    assert " ".join(told.split()) in " ".join(codetracer("run", tmp_path / "mixed").out.split())
    assert codetracer("import", tmp_path / "mixed", "--json").json["passed_over"] == [str(tmp_path / "mixed" / "relay")]


def test_an_unknown_format_is_described_accepted_and_read_on(
    codetracer: Any, model_server: Callable[..., ModelServer]
) -> None:
    server = model_server(answering)
    helpless = codetracer("run", UNFAMILIAR)
    assert helpless.code == 1
    assert "Name a language model (--model)" in helpless.err
    nobody = codetracer("run", UNFAMILIAR, *options(server))
    assert nobody.code == 1
    assert "not accepted (nobody said yes)" in nobody.err
    said = codetracer("run", UNFAMILIAR, *options(server), "--accept-extractor", "--json")
    assert said.code == 0, said.err
    assert said.json["extractor"] == "relay v1"
    assert {run["format"] for run in said.json["runs"]} == {"relay"}
    assert all(run["steps"] and run["diagnosis"]["conclusion"] == "no_error_found" for run in said.json["runs"])
    asked = sum("propose_extractor" in request.tools for request in server.requests)
    assert codetracer("run", UNFAMILIAR, *options(server)).code == 0
    assert sum("propose_extractor" in request.tools for request in server.requests) == asked


def test_stopped_in_the_middle_it_keeps_what_is_there_and_goes_on_from_there(
    codetracer: Any, model_server: Callable[..., ModelServer], tmp_path: Path
) -> None:
    hanging = threading.Event()

    def slow(request: Asked) -> Behaviour:
        if QUOTE in request.text:
            return diagnosing(request)
        hanging.set()
        return Hang()

    server = model_server(slow)
    words = ["run", str(REPLAYABLE), *options(server), "--parallel", "1", "--output", str(tmp_path / "out"), "--json"]
    child = subprocess.Popen(
        [sys.executable, "-m", "codetracer_core", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "CODETRACER_WORKSPACE": str(tmp_path / "workspace")},
    )
    assert hanging.wait(60)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGINT
    assert "what is finished is kept" in err
    told = {run["format"]: run["diagnosis"]["status"] for run in json.loads(out)["runs"]}
    assert told == {"mini-swe-agent": "complete", "swe-agent": "cancelled"}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["runs"]

    second = model_server(diagnosing)
    words = ["run", str(REPLAYABLE), "--model", "scripted", "--api-base", second.url, "--json"]
    rows = {run["format"]: run["diagnosis"] for run in codetracer(*words).json["runs"]}
    assert rows["mini-swe-agent"]["was_done"]
    assert rows["swe-agent"]["status"] == "complete"
    assert not any(QUOTE in request.text for request in second.requests)
