"""The sample runs are what their README says, and every layout is among them."""

import re
from pathlib import Path

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.extractors.engine import as_format
from codetracer_core.extractors.sharing import import_text
from codetracer_core.extractors.spec import read_spec
from codetracer_core.extractors.trying import try_spec
from codetracer_core.parsers import PARSERS, read_run
from tests.conftest import SAMPLE_DATA

ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| [^|]+ \| (\d+) \| (solved|failed|unknown) \|$", re.M)
ROWS = ROW.findall((SAMPLE_DATA / "README.md").read_text(encoding="utf-8"))
OUTCOMES = {True: "solved", False: "failed", None: "unknown"}


@pytest.mark.parametrize(("path", "steps", "outcome"), ROWS, ids=[row[0] for row in ROWS])
def test_the_table_tells_the_truth(path: str, steps: str, outcome: str) -> None:
    trajectory = read_run(locate(SAMPLE_DATA / path)).trajectory
    assert (trajectory.step_count, OUTCOMES[trajectory.outcome.solved]) == (int(steps), outcome)


def test_every_format_has_a_sample() -> None:
    assert {locate(SAMPLE_DATA / path).format for path, *_ in ROWS} == {parser.name for parser in PARSERS}


UNFAMILIAR = re.compile(r"^\| `(unfamiliar/[^`]+)` \| .* \| (\d+) steps, (solved|failed)\b.*\|$", re.M)
UNFAMILIAR_ROWS = UNFAMILIAR.findall((SAMPLE_DATA / "README.md").read_text(encoding="utf-8"))


def test_no_parser_knows_the_unfamiliar_runs_and_an_import_of_all_samples_is_quiet_about_them() -> None:
    assert not discover(SAMPLE_DATA / "unfamiliar").locations
    assert not any("unfamiliar" in str(problem) for problem in discover(SAMPLE_DATA).problems)


@pytest.mark.parametrize(("path", "steps", "outcome"), UNFAMILIAR_ROWS, ids=[row[0] for row in UNFAMILIAR_ROWS])
def test_with_its_spec_an_unfamiliar_run_is_what_the_table_says(path: str, steps: str, outcome: str) -> None:
    spec = read_spec((SAMPLE_DATA / "extractors" / f"{path.split('/')[1]}.yaml").read_text(encoding="utf-8"))
    trajectory = read_run(locate(SAMPLE_DATA / path, formats=[as_format(spec)])).trajectory
    assert (trajectory.step_count, OUTCOMES[trajectory.outcome.solved]) == (int(steps), outcome)
    assert all([trajectory.task, trajectory.model, trajectory.agent, trajectory.task_text, trajectory.started_at])


@pytest.mark.parametrize("name", ["relay", "tern"])
def test_the_shared_specs_pass_every_check_and_can_be_taken_in(name: str, tmp_path: Path) -> None:
    text = (SAMPLE_DATA / "extractors" / f"{name}.yaml").read_text(encoding="utf-8")
    tried = try_spec(read_spec(text), [SAMPLE_DATA / "unfamiliar" / name])
    assert (tried.found, tried.is_good, tried.problems) == (2, True, ())
    assert import_text(tmp_path, text, made_by="ana").became == "new"


def test_the_specs_recognise_none_of_the_other_samples() -> None:
    for name, _, _ in ROWS:
        for spec in ("relay", "tern"):
            taught = as_format(read_spec((SAMPLE_DATA / "extractors" / f"{spec}.yaml").read_text(encoding="utf-8")))
            path = SAMPLE_DATA / name.partition("#")[0]
            assert not discover(path, formats=[taught]).locations
