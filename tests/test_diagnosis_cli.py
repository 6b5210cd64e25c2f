import re
from pathlib import Path
from typing import Any

import pytest

from codetracer_core import terminal
from codetracer_core.diagnosis_models import HEURISTIC, CallUsage, EvidenceCheck, StepFinding
from tests.diagnoses import citation, diagnosis
from tests.small_runs import write_run

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
  1. step 3 [75% support]: The wrong file.
    step 3: “saw 3”
  2. step 5 [25% support]

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
    step 3 incorrect (wrong_target, critical, high confidence) [67% support]: It replaced every letter a.
      instead: Edit the function only.
      step 3: “saw 3”
      step 2: “nobody said so” [unsupported]
    step 4 unuseful: Read again.
      step 4: “saw 4”

Unsupported, not counted as labels: the run does not hold these quotes
  step 5 incorrect: Made up.
    step 5: “invented” [unsupported]

read         4 steps of 6
evidence     5 quotes, 2 not found, 1 answer sent back
used         9 calls, 12,345 prompt and 1,000 completion tokens, 0.0600 USD, 12.5 s
"""


def test_a_diagnosis_is_a_readable_report(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_diagnosis(diagnosis(), "some-run")
    assert capsys.readouterr().out == REPORT


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
    assert all(len(line) <= terminal.WIDTH for line in out.splitlines()[4:])


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
    assert rows["llm.prices"] == ({"a-model": {"prompt": 1.0, "completion": 2.0}}, f"{file.name}, line 4")
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
