import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from codetracer_core.cli import batch
from codetracer_core.cli import diagnosis_terminal as terminal
from codetracer_core.cli.option_groups import OWN_ENVIRONMENTS, Strategy
from codetracer_core.cli.terminal import WIDTH
from codetracer_core.config import ReplayConfig
from codetracer_core.diagnosis_models import (
    HEURISTIC,
    STRATEGIES,
    CallUsage,
    DiagnosisSettings,
    EvidenceCheck,
    StepFinding,
)
from codetracer_core.store import Store
from tests.conftest import REPOSITORY
from tests.diagnoses import citation, diagnosis
from tests.model_server import Asked, Behaviour, Fail, Hang, ModelServer, Say, calling
from tests.small_runs import manifest_row, write_manifest, write_run

REPORT = """\
Diagnosis of some-run
by           openai/a-model (agent, 3 samples)
status       complete
conclusion   error found

Summary
  The agent edited the wrong file.

The case for a clean run
  The tests were run.

Failure onset
  1. step 3 [75% support, 3 samples]: The wrong file.
    step 3: “saw 3”
  2. step 5 [25% support, 3 samples]

Error chain
  step 3: All letters were replaced.
    step 3: “saw 3”
  step 5 (from step 3): The tests broke.

Decision points
  step 3 did: used sed
    should have: used an editor

Corrective strategy
  Read the test first.

Labels
  stage 2 (steps 3 to 6, edit)
    step 3 incorrect (wrong_target, critical, high confidence) [2 of 3 samples]: It replaced every letter a.
      instead: Edit the function only.
      step 3: “saw 3”
      step 2: “nobody said so” [unsupported]
    step 4 unuseful [3 of 3 samples]: Read again.
      step 4: “saw 4”

Unsupported, not counted as labels: the run does not hold these quotes
  step 5 incorrect [3 of 3 samples]: Made up.
    step 5: “invented” [unsupported]

read         4 steps of 6
evidence     5 quotes, 2 not found, 1 answer sent back
used         9 calls, 12,345 prompt and 1,000 completion tokens, 0.0600 USD, 12.5 s
"""


def test_a_diagnosis_is_a_readable_report(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_diagnosis(diagnosis(), "some-run")
    assert capsys.readouterr().out == REPORT


def test_a_single_sample_has_ranks_and_no_shares(capsys: pytest.CaptureFixture[str]) -> None:
    one = diagnosis(settings=DiagnosisSettings(), samples_finished=1)
    terminal.print_diagnosis(one, "some-run")
    out = capsys.readouterr().out
    assert "  1. step 3: The wrong file." in out
    assert "%" not in out
    assert "samples" not in out


def test_what_only_some_samples_say_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    rare = StepFinding(step_id=4, verdict="unuseful", reasoning="Once.", citations=(citation(4, "saw 4"),), support=0.5)
    terminal.print_diagnosis(diagnosis(findings=(rare,), samples_finished=2), "some-run")
    out = capsys.readouterr().out
    assert (
        "Said by half of the samples or fewer, not counted as labels\n  step 4 unuseful [1 of 2 samples]: Once." in out
    )
    assert "\nLabels\n" not in out


def test_a_clean_run_has_a_short_report(capsys: pytest.CaptureFixture[str]) -> None:
    nothing: dict[str, object] = dict.fromkeys(("onset", "findings", "error_chain", "decision_points"), ())
    nothing |= {"correct_strategy": "", "evidence": EvidenceCheck()}
    one = diagnosis(conclusion="no_error_found", summary="All is well.", **nothing)
    terminal.print_diagnosis(one, "some-run")
    out = capsys.readouterr().out
    assert "conclusion   no error found" in out
    assert "Labels" not in out
    assert "onset" not in out


def test_the_report_tells_what_is_partial_unknown_and_estimated(capsys: pytest.CaptureFixture[str]) -> None:
    usage = {"investigate": CallUsage(calls=1, prompt_tokens=10, cost_usd=None, estimated=True)}
    one = diagnosis(status="partial", status_reason="the cost limit was reached", usage=usage)
    terminal.print_diagnosis(one, "some-run")
    out = capsys.readouterr().out
    assert "status       partial: the cost limit was reached" in out
    assert "1 call, about 10 prompt and 0 completion tokens, cost unknown" in out


def test_the_rules_are_not_said_to_have_a_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_diagnosis(diagnosis(model=HEURISTIC, prompt_versions={}), "some-run")
    assert "by           heuristic\n" in capsys.readouterr().out


def test_words_of_a_model_neither_steer_the_terminal_nor_pass_for_the_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "\x1b[31mred\x1b[0m\x07\nstatus       complete\r\nLabels\n  none {0} %s [bold]" + "x" * 300
    finding = StepFinding(step_id=3, verdict="incorrect", reasoning=hostile, citations=(citation(3, hostile),))
    one = diagnosis(summary=hostile, status="partial", status_reason=hostile, findings=(finding,))
    terminal.print_diagnosis(one, hostile)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\r" not in out
    assert "\nstatus       complete" not in out
    assert out.count("\nLabels\n") == 1
    assert "none {0} %s [bold]" in out
    assert all(len(line) <= WIDTH for line in out.splitlines()[4:])


# --- settings


def test_config_tells_what_is_in_force_and_where_it_comes_from(
    codetracer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "workspace" / "codetracer.yaml"
    file.parent.mkdir()
    file.write_text("trace:\n  samples: 3\nllm:\n  prices: {a-model: {prompt: 1, completion: 2}}\n")
    monkeypatch.setenv("CODETRACER_MODEL", "openai/a-model")
    told = codetracer("config", "--json").json
    assert told["path"] == str(file)
    rows = {row["setting"]: (row["value"], row["from"]) for row in told["settings"]}
    assert rows["trace.samples"] == (3, f"{file.name}, line 2")
    assert rows["llm.model"] == ("openai/a-model", "CODETRACER_MODEL")
    prices, place = rows["llm.prices"]
    assert prices["a-model"]["completion"] == 2.0
    assert place == "codetracer.yaml, line 4"
    assert rows["trace.strategy"] == ("agent", "default")
    out = codetracer("config").out
    assert re.search(r"^trace.samples +3 +codetracer.yaml, line 2$", out, re.MULTILINE)
    assert "openai/a-model" in out


def test_config_names_a_mistake_with_its_line(codetracer: Any, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("trace:\n  sample: 3\n")
    said = codetracer("config", "--config", file)
    assert said.code == 1
    assert said.err == f"{file}, line 2: there is no setting 'sample' in 'trace'. Did you mean 'samples'?\n"


def test_import_looks_as_deep_as_the_settings_say(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a" / "b" / "one.traj")
    file = tmp_path / "settings.yaml"
    file.write_text("discovery: {max_depth: 1}\n")
    assert codetracer("import", tmp_path / "runs", "--config", file).code == 1
    assert codetracer("import", tmp_path / "runs").code == 0


def test_doctor_tells_which_model_is_asked_and_whether_there_is_a_key(
    codetracer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> dict[str, str]:
        said = codetracer("doctor", "--json")
        assert "sk-very" not in said.out
        return dict(said.json["diagnosis"])

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("CODETRACER_SECRETS", str(tmp_path / "secrets.toml"))
    (tmp_path / "secrets.toml").write_text("[keys]\n'127.0.0.1:1' = 'sk-very-own'\n")
    (tmp_path / "secrets.toml").chmod(0o600)
    assert told() == {
        "settings": "defaults",
        "model": "none chosen (--model, CODETRACER_MODEL); heuristic works without",
    }
    monkeypatch.setenv("CODETRACER_MODEL", "openai/a-model")
    assert told()["model"] == "openai/a-model (CODETRACER_MODEL)"
    assert told()["key"].startswith("not set in CODETRACER_API_KEY, OPENAI_API_KEY or")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert told()["key"] == "set in OPENAI_API_KEY"
    monkeypatch.setenv("CODETRACER_API_BASE", "http://127.0.0.1:2/v1")
    assert told()["key"] == "not set: the server must do without, or set CODETRACER_API_KEY"
    monkeypatch.setenv("CODETRACER_API_BASE", "http://127.0.0.1:1/v1")
    assert told()["key"] == f"set in {tmp_path / 'secrets.toml'}"
    monkeypatch.setenv("CODETRACER_API_KEY", "sk-very-secret")
    assert told()["key"] == "set in CODETRACER_API_KEY"
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "codetracer.yaml").write_text("llm: {api_key: sk-very-secret}\n")
    assert "a key does not stand in a file of settings" in told()["settings"]


# --- one run

Servers = Callable[..., ModelServer]
KEY = "sk-very-secret-0123456789"
ANSWER: dict[str, Any] = {
    "case_for_clean_run": "The tests were run.",
    "conclusion": "error_found",
    "summary": "It replaced every letter.",
    "onset": [{"step_id": 3, "reasoning": "The first change.", "evidence": [{"step_id": 3, "quote": "sed -i s/a/b/"}]}],
    "findings": [
        {
            "step_id": 3,
            "verdict": "incorrect",
            "reasoning": "Every letter was replaced.",
            "evidence": [{"step_id": 3, "quote": "sed -i s/a/b/ app.py"}],
        },
        {
            "step_id": 4,
            "verdict": "unuseful",
            "reasoning": "It had read that.",
            "evidence": [{"step_id": 4, "quote": "cat app.py"}],
        },
    ],
    "correct_strategy": "Edit one place.",
}


def reads_and_hands_in(asked: Asked) -> Behaviour:
    """Reads a step, then hands in: by how far the conversation has come."""
    said = sum(message["role"] == "assistant" for message in asked.messages)
    return calling("submit_diagnosis", **ANSWER) if said else calling("read_steps", steps=[3])


@pytest.fixture
def asked(codetracer: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelServer], None]:
    """Makes commands ask this server, with a key, at ten dollars per million tokens."""

    def use(server: ModelServer) -> None:
        monkeypatch.setenv("CODETRACER_MODEL", "a-model")
        monkeypatch.setenv("CODETRACER_API_BASE", server.url)
        monkeypatch.setenv("CODETRACER_API_KEY", KEY)
        path = Path(os.environ["CODETRACER_WORKSPACE"]) / "codetracer.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("llm: {retries: 0, prices: {a-model: {prompt: 10, completion: 10}}}\n")

    return use


@pytest.fixture
def run_id(codetracer: Any, tmp_path: Path) -> str:
    return str(codetracer("import", write_run(tmp_path / "runs" / "one.traj"), "--json").json["items"][0]["run_id"])


def test_the_options_offer_what_there_is() -> None:
    assert get_args(Strategy) == STRATEGIES
    assert ReplayConfig.model_fields["environment"].annotation == Literal[OWN_ENVIRONMENTS] | None


def test_a_run_in_its_files_is_diagnosed_without_a_key_and_nothing_is_stored(codetracer: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run" / "one.traj")
    said = codetracer("analyze", run, "--model", "heuristic")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Diagnosis of {run}\nby           heuristic\nstatus       complete\n")
    assert codetracer("analyze", run, "--model", "heuristic", "--json").json["model"] == HEURISTIC
    assert not (tmp_path / "workspace").exists()
    assert list((tmp_path / "run").iterdir()) == [run]


def test_without_a_model_the_error_names_the_ways_to_choose_one(codetracer: Any, run_id: str) -> None:
    said = codetracer("analyze", run_id)
    assert said.code == 1
    assert "no model is chosen" in said.err
    assert "--model heuristic" in said.err
    assert "CODETRACER_MODEL" in said.err


def test_there_is_no_option_for_a_key_and_the_help_tells_where_keys_go(codetracer: Any, run_id: str) -> None:
    for command in ("analyze", "batch"):
        told = codetracer(command, "--help").out
        assert "--api-key" not in told
        assert "CODETRACER_API_KEY" in told
        assert codetracer(command, run_id, "--model", "heuristic", "--api-key", "x").code == 2


def test_a_run_that_is_neither_a_path_nor_imported_is_named(codetracer: Any, run_id: str) -> None:
    said = codetracer("analyze", "nothing", "--model", "heuristic")
    assert said.code == 1
    assert "neither a path nor an imported run: 'nothing'" in said.err


def test_a_diagnosis_of_an_imported_run_is_told_and_stored(
    codetracer: Any, run_id: str, tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    server = model_server(reads_and_hands_in)
    asked(server)
    said = codetracer("analyze", run_id)
    assert said.code == 0
    assert "by           a-model (agent, 1 sample)" in said.out
    assert "step 3 incorrect: Every letter was replaced." in said.out
    assert "step 3: “sed -i s/a/b/ app.py”" in said.out
    assert "2 calls, 200 prompt and 40 completion tokens, 0.0024 USD" in said.out
    assert re.match(r"will use about \d+ to \d+ calls, .* USD", said.err)
    assert {request.key for request in server.requests} == {KEY}
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        (stored,) = reader.diagnoses([run_id])
        assert reader.diagnosis(stored.diagnosis_id).conclusion == "error_found"
        assert reader.transcript(stored.diagnosis_id)
        assert [run.model_labels for run in reader.runs()] == [2]
    everything = said.out + said.err + json.dumps(codetracer("analyze", run_id, "--json").json)
    assert KEY not in everything
    files = [path for path in (tmp_path / "workspace").rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_profiles_are_written_where_they_are_wanted_and_nowhere_else(
    codetracer: Any, tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    run = write_run(tmp_path / "run" / "one.traj")
    server = model_server(reads_and_hands_in)
    asked(server)
    refused = codetracer("analyze", run, "--output-dir", tmp_path / "run")
    assert refused.code == 1
    assert "the run's own files lie here" in refused.err
    assert codetracer("analyze", run, "--profile", "nonsense").code == 1
    assert server.requests == []
    out = tmp_path / "out"
    said = codetracer("analyze", run, "--profile", "tracebench", "--profile", "detailed", "--output-dir", out)
    assert said.code == 0
    names = {path.name for path in out.iterdir()}
    whole = {"codetracer_diagnosis.json", "codetracer_transcript.jsonl"}
    assert names == {"codetracer_labels.json", "codetracer_analysis.json"} | whole
    (stage,) = json.loads((out / "codetracer_labels.json").read_text())
    assert (stage["incorrect_step_ids"], stage["unuseful_step_ids"]) == ([3], [4])
    assert said.err.count("written: ") == 4
    entries = [json.loads(line) for line in (out / "codetracer_transcript.jsonl").read_text().splitlines()]
    assert {"sample", "phase", "kind"} <= entries[0].keys()
    assert list((tmp_path / "run").iterdir()) == [run]


def test_half_a_character_in_the_words_of_a_model_stops_nothing(
    codetracer: Any, tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    asked(model_server(lambda _: calling("submit_diagnosis", **ANSWER | {"summary": "It is \ud83d gone."})))
    run = write_run(tmp_path / "run" / "one.traj")
    assert codetracer("analyze", run, "--output-dir", tmp_path / "out").code == 0
    assert codetracer("analyze", run, "--json").json["summary"].startswith("It is ")
    whole = json.loads((tmp_path / "out" / "codetracer_diagnosis.json").read_text())
    assert whole["summary"].endswith(" gone.")
    assert codetracer("import", run).code == 0
    assert codetracer("batch", "--all").code == 0


def test_a_dry_run_asks_nobody_and_needs_no_key(
    codetracer: Any, run_id: str, tmp_path: Path, model_server: Servers, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = model_server([])
    asked(server)
    monkeypatch.delenv("CODETRACER_API_KEY")
    plan = codetracer("analyze", run_id, "--dry-run", "--samples", 3, "--json").json
    assert plan["steps"] == 6
    assert plan["settings"]["samples"] == 3
    assert plan["price"]["prompt"] == 10
    assert plan["first_request"]["messages"] >= 2
    assert 0 < plan["first_request"]["tokens"] < plan["context_tokens"]
    assert all(re.fullmatch("[0-9a-f]{12}", version) for version in plan["prompt_versions"].values())
    low, high = plan["estimate"]["calls"]
    assert 3 <= low <= high
    told = codetracer("analyze", run_id, "--dry-run").out
    assert "would use    about " in told
    assert "sends first" in told
    assert codetracer("analyze", run_id, "--model", "openai/gpt-5", "--dry-run").code == 0
    assert "no model: offline rules" in codetracer("analyze", run_id, "--model", "heuristic", "--dry-run").out
    assert server.requests == []
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        assert reader.diagnoses() == []


def test_a_diagnosis_that_fails_says_why_and_writes_nothing(
    codetracer: Any, tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    asked(model_server(lambda _: Fail(401, "Incorrect API key provided", echo_key=True)))
    run = write_run(tmp_path / "run" / "one.traj")
    said = codetracer("analyze", run, "--output-dir", tmp_path / "out")
    assert said.code == 1
    assert "the diagnosis failed" in said.err
    assert KEY not in said.out + said.err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_limit_makes_it_partial_and_the_report_says_so(
    codetracer: Any, run_id: str, model_server: Servers, asked: Any
) -> None:
    asked(model_server(lambda _: calling("read_steps", steps=[3])))
    said = codetracer("analyze", run_id, "--cost-limit", "0.01")
    assert said.code == 0
    assert re.search(r"^status       partial: .*0.01 USD", said.out, re.MULTILINE)


@pytest.fixture
def process() -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int]]]:
    """Starts a command in a process of its own; gives it, and the terminal that it writes to (-1: it has none)."""
    with ExitStack() as ends:

        def start(*words: str | Path, tty: bool = False) -> tuple[subprocess.Popen[bytes], int]:
            ours, theirs = pty.openpty() if tty else (-1, subprocess.PIPE)
            program = [sys.executable, "-m", "codetracer_core", *map(str, words)]
            running = subprocess.Popen(program, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=theirs)
            ends.enter_context(running)
            ends.callback(running.kill)
            if tty:
                os.close(theirs)
            return running, ours

        yield start


def read_terminal(ours: int) -> str:
    told = b""
    while True:
        try:
            read = os.read(ours, 65_536)
        except OSError:  # how Linux tells that the other side is gone
            break
        if not read:
            break
        told += read
    os.close(ours)
    return told.decode(errors="replace")


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def hangs_after_reading(asked: Asked) -> Behaviour:
    said = sum(message["role"] == "assistant" for message in asked.messages)
    return Hang() if said else calling("read_steps", steps=[3])


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_it_and_keeps_what_is_there(
    process: Any, run_id: str, tmp_path: Path, model_server: Servers, asked: Any, sent: signal.Signals, code: int
) -> None:
    server = model_server(hangs_after_reading)
    asked(server)
    running, _ = process("analyze", run_id)
    until(lambda: len(server.requests) == 2)
    running.send_signal(sent)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert b"status       cancelled" in out
    assert b"cancelled: what was found until then is stored" in err
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        (stored,) = reader.diagnoses([run_id])
        assert stored.status == "cancelled"


def test_what_was_killed_goes_on_and_pays_for_no_call_twice(
    process: Any, codetracer: Any, run_id: str, model_server: Servers, asked: Any
) -> None:
    server = model_server(hangs_after_reading)
    asked(server)
    running, _ = process("analyze", run_id)
    until(lambda: len(server.requests) == 2)
    running.kill()
    running.communicate(timeout=60)
    answering = model_server(reads_and_hands_in)
    asked(answering)
    said = codetracer("analyze", run_id)
    assert (said.code, len(answering.requests)) == (0, 1)
    assert "2 calls" in said.out


def test_somebody_who_watches_sees_what_it_reads_and_what_it_costs(
    process: Any, run_id: str, model_server: Servers, asked: Any
) -> None:
    hostile = "I look at [bold]step 3[/bold]\x1b]0;title\x07\x1b[2J"

    def answer(asked: Asked) -> Behaviour:
        said = sum(message["role"] == "assistant" for message in asked.messages)
        looks = Say(hostile, calls=calling("read_steps", steps=[3]).calls, pace=0.05)
        return replace(calling("submit_diagnosis", **ANSWER), wait=0.5) if said else looks

    asked(model_server(answer))
    running, ours = process("analyze", run_id, tty=True)
    told = read_terminal(ours)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "[bold]step 3[/bold]" in told
    assert "\x1b]0;" not in told
    assert "\x1b[2J" not in told
    assert "0.0012 USD" in told
    assert "reads step 3" in told
    assert b"Diagnosis of" in out


# --- many runs


@pytest.fixture
def run_ids(codetracer: Any, tmp_path: Path) -> list[str]:
    for name in ("one", "two", "three"):
        write_run(tmp_path / "runs" / f"{name}.traj", submission=name)
    return [item["run_id"] for item in codetracer("import", tmp_path / "runs", "--json").json["items"]]


def test_a_batch_over_all_runs_is_summed_up_and_not_done_twice(
    codetracer: Any, run_ids: Sequence[str], tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    server = model_server(reads_and_hands_in)
    asked(server)
    said = codetracer("batch", "--all", "--output", tmp_path / "out", "--parallel", 2)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "runs         3: 3 complete",
        "accused      3 of 3 (100%)",
        "used         6 calls, 600 prompt and 120 completion tokens, 0.0072 USD",
        f"written to   {tmp_path / 'out'}",
    ]
    assert len(server.requests) == 6
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*run_ids, "batch.jsonl"}
    assert [path.name for path in (tmp_path / "out" / run_ids[0]).iterdir()] == ["codetracer_labels.json"]
    again = codetracer("batch", "--all", "--output", tmp_path / "out", "--json").json
    assert again["counts"] == {"done before": 3}
    assert len(server.requests) == 6
    assert codetracer("batch", run_ids[0], "--again").code == 0
    assert len(server.requests) == 8


def test_what_a_batch_will_cost_is_told_before(
    codetracer: Any, run_ids: Sequence[str], model_server: Servers, asked: Any
) -> None:
    server = model_server(reads_and_hands_in)
    asked(server)
    one = codetracer("analyze", run_ids[0], "--dry-run", "--json").json["estimate"]
    plan = codetracer("batch", "--all", "--dry-run", "--json").json
    assert (plan["runs"], plan["done_before"]) == (3, 0)
    assert plan["estimate"]["calls"] == [3 * end for end in one["calls"]]
    assert server.requests == []
    codetracer("batch", run_ids[1])
    told = codetracer("batch", "--all", "--dry-run").out
    assert "done before  1" in told
    assert re.search(r"^would use    about 2 to .* USD$", told, re.MULTILINE)


def test_a_run_that_fails_is_told_and_the_others_go_on(
    codetracer: Any, run_ids: Sequence[str], model_server: Servers, asked: Any
) -> None:
    broken = iter([Fail(401, "no")])
    server = model_server(lambda asked: next(broken, None) or reads_and_hands_in(asked))
    asked(server)
    said = codetracer("batch", *run_ids, "--parallel", 1)
    assert said.code == 0
    assert said.out.startswith("runs         3: 1 failed, 2 complete\n")
    assert said.err.startswith(f"failed: {run_ids[0]}: ")
    server = model_server(lambda _: Fail(401, "no"))
    asked(server)
    said = codetracer("batch", *run_ids, "--again", "--json")
    assert said.code == 1
    assert said.json["counts"] == {"failed": 3}
    assert "no run was diagnosed" in said.err


def test_the_limit_for_all_runs_holds(
    codetracer: Any, run_ids: Sequence[str], model_server: Servers, asked: Any
) -> None:
    asked(model_server(reads_and_hands_in))
    said = codetracer("batch", "--all", "--parallel", 1, "--total-cost-limit", "0.002", "--json")
    assert said.code == 0
    statuses = [row["status"] for row in said.json["runs"]]
    assert statuses.count("not started") == 2
    assert "0.00 USD" in said.json["runs"][-1]["reason"]
    said = codetracer("batch", "--all", "--parallel", 1, "--total-cost-limit", "0.002", "--again")
    assert "left         2 runs: the limit of 0.00 USD for the whole batch was reached" in said.out


def test_a_manifest_is_imported_and_diagnosed(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "bench" / "first" / "run.traj")
    write_run(tmp_path / "bench" / "other" / "run.traj", submission="of no row")
    manifest = write_manifest(tmp_path / "m.jsonl", [manifest_row("first"), manifest_row("lost", artifact_path=None)])
    out = tmp_path / "out"
    words = ("--manifest", manifest, tmp_path / "bench", "--model", "heuristic", "--parallel", 2, "--output", out)
    said = codetracer(*words, entry=batch)
    assert said.code == 0
    assert "import: 2 imported, 1 skipped, 0 misaligned, 0 failed" in said.err
    assert said.out.startswith("runs         1: 1 complete\n")
    assert {path.name for path in out.iterdir()} == {"first", "batch.jsonl"}
    row = json.loads((out / "batch.jsonl").read_text())
    assert (row["traj_id"], row["status"], row["folder"]) == ("first", "complete", "first")
    assert codetracer(*words, "--json", entry=batch).json["counts"] == {"done before": 1}


def test_folders_are_imported_before_they_are_diagnosed(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    assert codetracer("batch", tmp_path / "runs", "--model", "heuristic", "--json").json["counts"] == {"complete": 1}
    missing = codetracer("batch", "nothing", "--model", "heuristic")
    assert missing.code == 1
    assert "neither a path nor an imported run: 'nothing'" in missing.err


def test_a_batch_of_no_run_is_an_error(codetracer: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "bench" / "other" / "run.traj")
    manifest = write_manifest(tmp_path / "m.jsonl", [manifest_row("lost", artifact_path=None)])
    words = ("--manifest", manifest, tmp_path / "bench", "--model", "heuristic", "--output", tmp_path / "out")
    said = codetracer(*words, entry=batch)
    assert said.code == 1
    assert "no row of the manifest has its run here" in said.err
    assert not (tmp_path / "out").exists()


def test_a_batch_wants_to_be_told_which_runs(codetracer: Any, run_ids: Sequence[str]) -> None:
    assert codetracer("batch", "--model", "heuristic").code == 2
    assert codetracer("batch", "--all", run_ids[0], "--model", "heuristic").code == 2
    assert codetracer("batch", "--all").code == 1


def test_a_batch_that_is_stopped_goes_on_from_there(
    process: Any, run_ids: Sequence[str], codetracer: Any, tmp_path: Path, model_server: Servers, asked: Any
) -> None:
    server = model_server(hangs_after_reading)
    asked(server)
    running, _ = process("batch", "--all", "--parallel", "1", "--json")
    until(lambda: len(server.requests) == 2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"the same command goes on from there" in err
    assert [row["status"] for row in json.loads(out)["runs"]] == ["cancelled", "not started", "not started"]


def test_somebody_who_watches_a_batch_sees_how_far_it_is(
    process: Any, run_ids: Sequence[str], model_server: Servers, asked: Any
) -> None:
    asked(model_server(reads_and_hands_in))
    running, ours = process("batch", "--all", "--parallel", "1", tty=True)
    told = read_terminal(ours)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert "3/3" in told
    assert "6 calls, 720 tokens, 0.0072 USD" in told


def test_a_batch_works_while_the_dashboard_has_the_workspace(
    process: Any, codetracer: Any, run_ids: Sequence[str], tmp_path: Path
) -> None:
    with Store.open(tmp_path / "workspace") as store:
        running, _ = process("batch", "--all", "--model", "heuristic", "--json")
        out, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, b"")
        assert json.loads(out)["counts"] == {"complete": 3}
        store.take_inbox()
        assert len(store.diagnoses()) == 3
