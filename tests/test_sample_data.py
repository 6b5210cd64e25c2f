"""The sample runs are what their README says, and every layout is among them."""

import re

import pytest

from codetracer_core.discovery import locate
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
