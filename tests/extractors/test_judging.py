"""The checks are honest: a spec that reads too little, or takes what is not the agent's, does not look good."""

from pathlib import Path
from typing import Any

import pytest

from codetracer_core.extractors.checks import Judged, judge
from codetracer_core.extractors.spec import read_spec
from tests.extractors.runs import run, write

WORDS = ("alpha bravo", "charlie delta", "echo foxtrot", "golf hotel", "india juliett", "kilo lima", "mike november")


def _words(number: int) -> str:
    """A sentence that no other step holds."""
    return f"{WORDS[number % 7]} {number} {WORDS[number // 7 % 7]} number {number}"


RUN: dict[str, Any] = {
    "task": "Do this, for example:\n```bash\nls -la /example\n```\nand stop.",
    "log": [
        {"role": "user", "text": "Do this, for example:\n```bash\nls -la /example\n```\nand stop."},
        *(
            {
                "role": "agent",
                "text": f"I think {_words(n)}.\n```bash\ngrep '{_words(n)}' file\n```",
                "do": f"grep '{_words(n)}' file",
                "out": f"found {_words(n)} here",
                "kind": "even" if n % 2 else "odd",
            }
            for n in range(20)
        ),
    ],
}
STEP = "step: {action: do, observation: out, thought: [text, {outside: '(?s)```.*?```'}]}"


def _judged(folder: Path, rules: str, *, at: str = "log", facts: str = "") -> Judged:
    write(folder, {"run.json": RUN})
    text = (
        f"name: acme\ntitle: Acme\nfind: {{files: run.json}}\nsources: [{{kind: json, at: '{at}'}}]\n{rules}\n{facts}"
    )
    return judge([run(read_spec(text), folder)])


def _failed(judged: Judged) -> set[str]:
    return {check.name for check in judged.checks if check.passed is False}


WHOLE = f"rules: [{{name: steps, when: role == 'agent', {STEP}}}, {{name: prompt, skip: the task}}]"


def test_a_spec_that_reads_all_is_good(tmp_path: Path) -> None:
    judged = _judged(tmp_path, WHOLE, facts="facts: {task_text: {when: role == 'user', value: text}}")
    assert judged.passed
    assert judged.steps == 20
    assert judged.score > 0.97


@pytest.mark.parametrize(
    ("rules", "at"),
    [
        (WHOLE, "log[::2]"),
        (WHOLE, "log[?kind == ''even'' || role == ''user'']"),
        (WHOLE, "log[:11]"),
        (
            f"rules: [{{name: steps, when: kind == 'even', {STEP}}}, {{name: p, when: role == 'user', skip: task}}]",
            "log",
        ),
        ("rules: [{name: steps, when: role == 'agent', step: {action: do}}, {name: p, skip: task}]", "log"),
    ],
)
def test_one_that_reads_half_is_not(tmp_path: Path, rules: str, at: str) -> None:
    judged = _judged(tmp_path, rules, at=at)
    assert "coverage" in _failed(judged)
    assert judged.score < 0.9


def test_what_a_source_leaves_out_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"run.json": RUN})
    text = "name: acme\ntitle: Acme\nfind: {files: run.json}\nsources: [{kind: json, at: 'log[:11]'}]\n" + WHOLE
    found = run(read_spec(text), tmp_path)
    left = [fate for fate in found.fates if "no source takes it" in fate.why]
    assert [fate.pointer for fate in left] == [f"/log/{n}" for n in range(11, 21)]
    assert any(_words(15) in gap.text for gap in found.uncovered)
    assert any("10 items beside the records" in note for note in found.trajectory.notes)


def test_the_examples_of_a_prompt_are_no_steps(tmp_path: Path) -> None:
    commands = "step: {each: [text, {every: '(?s)```bash\\n(?P<do>.*?)\\n```'}], action: do, observation: record().out}"
    judged = _judged(tmp_path, f"rules: [{{name: commands, {commands}}}]")
    assert "prompts" in _failed(judged)


SHELL = r"""
name: acme
title: Acme
find: {files: a.log}
sources:
  - {name: log, kind: text, begin: '^[$] (?P<do>.*)\n'}
  - {name: whole, kind: text}
rules:
  - {name: steps, from: log, when: do, step: {action: do, observation: body}}
  - {name: others, skip: the task}
facts:
  task_text: {from: whole, value: [text, {match: '(?s)TASK\n(.*?)END'}]}
"""


def test_nor_are_examples_within_a_text(tmp_path: Path) -> None:
    log = "".join(f"$ grep '{_words(n)}' f\n{_words(n)}\n" for n in range(12))
    write(tmp_path, {"a.log": f"TASK\nrun this:\n$ example\nEND\n{log}"})
    assert "prompts" in _failed(judge([run(read_spec(SHELL), tmp_path)]))


def test_the_same_thing_twice_is_told(tmp_path: Path) -> None:
    judged = _judged(tmp_path, WHOLE.replace(STEP, STEP + ", go_on: true") + "\n", at="[log, log][]")
    assert "once" in _failed(judged)


def test_observations_of_nobody_are_told(tmp_path: Path) -> None:
    log = [{"out": f"found {_words(n)} here"} if n % 3 else {"do": _words(n)} for n in range(30)]
    write(tmp_path, {"run.json": {"log": log}})
    rules = "rules: [{name: a, step: {action: do}}, {name: b, answer: {text: out, pair: next}}]"
    text = "name: acme\ntitle: Acme\nfind: {files: run.json}\nsources: [{kind: json, at: log}]\n" + rules
    assert "orphans" in _failed(judge([run(read_spec(text), tmp_path)]))


def test_a_number_of_steps_that_the_files_state_is_compared(tmp_path: Path) -> None:
    write(tmp_path, {"run.json": {"steps": 3, "log": [{"do": _words(n), "out": _words(n + 20)} for n in range(4)]}})
    text = "name: acme\ntitle: Acme\nfind: {files: run.json}\nsources: [{kind: json, at: log}]\n"
    text += "rules: [{name: a, step: {action: do, observation: out}}]\nfacts: {step_count: root().steps}"
    found = run(read_spec(text), tmp_path)
    assert _failed(judge([found])) == {"declared"}
    assert judge([found], declared=4).passed


def test_items_that_are_texts_are_left_out_as_well(tmp_path: Path) -> None:
    write(tmp_path, {"run.json": {"log": [_words(n) for n in range(6)]}})
    text = "name: acme\ntitle: Acme\nfind: {files: run.json}\nsources: [{kind: json, at: 'log[::2]'}]\n"
    found = run(read_spec(text + "rules: [{name: a, step: {action: '@'}}]"), tmp_path)
    assert found.unmatched == 3
    assert "coverage" in _failed(judge([found]))
