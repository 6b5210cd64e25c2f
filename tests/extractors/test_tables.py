"""Rows of CSV and TSV files are records whose cells know their lines."""

from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import SpecError, UnreadableFile
from codetracer_core.extractors.checks import judge
from codetracer_core.extractors.engine import Extraction, SpecLimits
from codetracer_core.extractors.showing import shown
from codetracer_core.extractors.spec import ExtractorSpec
from codetracer_core.parsers import resolve
from tests.extractors.runs import run, write
from tests.extractors.test_half_right import spec

RULE = {"name": "step", "step": {"action": "cmd", "observation": "out", "thought": "why"}}


def table(files: str, **source: Any) -> ExtractorSpec:
    return spec([{"kind": "table"} | source], [RULE], files)


def steps(found: Extraction) -> list[tuple[str, str | None, str | None]]:
    return [(step.action, step.observation, step.thought) for step in found.trajectory.steps]


def test_cells_hold_lines_quotes_and_delimiters_and_keep_their_lines(tmp_path: Path) -> None:
    rows = 'why,cmd,out\r\n"I, too",ls,"a\r\n""b"", c"\r\n\r\n,"echo ""x""",""\r\n"not" closed,rm x,\r\n'
    (tmp_path / "run.csv").write_bytes(("\ufeff" + rows).encode())
    found = run(table("run.csv"), tmp_path)
    assert steps(found) == [
        ("ls", 'a\r\n"b", c', "I, too"),
        ('echo "x"', "", None),  # an empty text that was written is one, a cell without anything is none
        ("rm x", None, '"not" closed'),
    ]
    refs = [step.action_ref for step in found.trajectory.steps if step.action_ref is not None]
    assert [(ref.line_start, ref.line_end) for ref in refs] == [(2, 2), (5, 5), (6, 6)]
    seen = found.trajectory.steps[0].observation_ref
    assert seen is not None
    assert (seen.line_start, seen.line_end) == (2, 3)
    assert '""b"", c' in resolve(tmp_path, seen)
    assert "references" not in {check.name for check in judge([found]).checks if check.passed is False}


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        ("run.tsv", "why\tcmd\tout\na, b\tls\tx;y\n", {}),
        ("run.csv", 'why;cmd;out\na, b;ls;"x;y"\n', {}),
        ("run.txt", "why|cmd|out\na, b|ls|x;y", {}),
        ("run.csv", "a, b:ls:x;y\n", {"delimiter": ":", "columns": ["why", "cmd", "out"]}),
    ],
)
def test_what_stands_between_cells_is_told_or_found(tmp_path: Path, name: str, text: str, source: Any) -> None:
    write(tmp_path, {name: text})
    assert steps(run(table(name, **source), tmp_path)) == [("ls", "x;y", "a, b")]


def test_cells_without_a_name_of_their_own_are_called_by_their_place(tmp_path: Path) -> None:
    write(tmp_path, {"run.csv": "cmd,,cmd\nls,a,b,c\npwd\n"})
    rule = {"name": "step", "step": {"action": "cmd", "observation": {"join": ["column_2", "column_3", "column_4"]}}}
    found = run(spec([{"kind": "table"}], [rule], "run.csv"), tmp_path)
    assert steps(found) == [("ls", "a\n\nb\n\nc", None), ("pwd", None, None)]


def test_a_quote_that_never_closes_swallows_no_rows(tmp_path: Path) -> None:
    write(tmp_path, {"run.csv": 'cmd,out\nls,a\ncat,"b\npwd,c\n'})
    with pytest.raises(UnreadableFile, match=r"run\.csv, line 3: a quote opens here and never closes"):
        run(table("run.csv"), tmp_path)
    found = run(table("run.csv", damaged="skip"), tmp_path)
    assert [action for action, _, _ in steps(found)] == ["ls", "pwd"]
    assert "line 3" in found.trajectory.notes[0]
    assert steps(run(table("run.csv", quoted=False), tmp_path))[1] == ("cat", '"b', None)


def test_a_table_that_costs_too_much_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"run.csv": "cmd,out\n" + ',"x' * 40_000})
    for limits in (SpecLimits(values=1_000), SpecLimits(operations=20_000)):
        with pytest.raises(SpecError, match="reading this run takes more than"):
            run(table("run.csv", damaged="skip"), tmp_path, limits=limits)


def test_a_row_of_many_cells_costs_no_square_of_them(tmp_path: Path) -> None:
    write(tmp_path, {"run.csv": "cmd,out\n" + "," * 400_000 + "\nls,a\n"})
    found = run(table("run.csv"), tmp_path)  # looking for its end again and again would take minutes
    assert steps(found) == [("ls", "a", None)]


def test_a_model_is_shown_columns_and_rows(tmp_path: Path) -> None:
    write(tmp_path, {"run.tsv": "who\tcmd\nuser\tfix it\nagent\tls\n"})
    told = shown(tmp_path)
    assert "run.tsv: a table (records of kind 'table')" in told
    assert '"cmd": text ("fix it")' in told
    assert '3| {"who": "agent", "cmd": "ls"}' in told
