"""A spec that reads only part of the steps, or the prompt's examples, does not look good."""

import json
from pathlib import Path
from typing import Any

from codetracer_core.extractors.checks import Judged, judge
from codetracer_core.extractors.engine import SpecLimits
from codetracer_core.extractors.spec import ExtractorSpec, read_spec
from tests.extractors.runs import run, write

STEP: dict[str, Any] = {"name": "step", "when": "n", "step": {"action": "cmd", "observation": "out", "thought": "why"}}


def spec(sources: list[Any], rules: list[Any], files: str = "run.*") -> ExtractorSpec:
    named = {"name": "acme", "title": "Acme", "find": {"files": files}, "sources": sources, "rules": rules}
    return read_spec(json.dumps(named))


def failed(judged: Judged) -> dict[str, str]:
    return {check.name: check.words for check in judged.checks if check.passed is False}


def turn(number: int) -> dict[str, object]:
    told = "and then some more to read " * 3
    return {"n": number, "cmd": f"make part{number}", "out": f"part {number} {told}", "why": f"Next is {number} {told}"}


def test_steps_that_a_rule_skips_are_missed(tmp_path: Path) -> None:
    prompt = {"system": "You are an agent. " + "Long words of a prompt, in a line of its own.\n" * 40}
    write(tmp_path, {"run.jsonl": [prompt, *(turn(number) for number in range(1, 9))]})
    whole = spec(sources=[{"kind": "jsonl"}], rules=[STEP, {"name": "rest", "skip": "no step"}])
    assert failed(judge([run(whole, tmp_path)])) == {}  # a prompt may be skipped, however long
    half = STEP | {"when": "n && (n == `1` || n == `3` || n == `5`)"}
    found = judge([run(spec(sources=[{"kind": "jsonl"}], rules=[half, {"name": "rest", "skip": "no step"}]), tmp_path)])
    assert failed(found)["missed"] == "from the first step on, rules skip 62 % of the text: there may be steps in it"


def test_of_a_document_other_items_beside_the_steps_are_missed_but_its_settings_are_not(tmp_path: Path) -> None:
    crew = [{"turns": [turn(4 * who + number) for number in (1, 2, 3, 4)]} for who in range(2)]
    settings = {"template": "\n".join(f"Line {number} of a long template" for number in range(9))}
    write(tmp_path, {"run.json": {"crew": crew, "zettings": settings}})
    rest = {"name": "rest", "from": "all", "skip": "tells of the run"}
    for at, names in (("crew[].turns[]", set()), ("crew[0].turns", {"missed"})):
        sources = [{"name": "turns", "kind": "json", "at": at}, {"name": "all", "kind": "json"}]
        found = judge([run(spec(sources=sources, rules=[STEP | {"from": "turns"}, rest]), tmp_path)])
        assert set(failed(found)) == names


def test_files_beside_those_that_were_read_are_missed(tmp_path: Path) -> None:
    parts = {"cmd": "cmd.sh", "out": "out.txt"}
    steps = {f"step-{number}/{name}": f"{name} {number}" for number in range(1, 13) for name in parts.values()}
    write(tmp_path, steps | {"step-12/out.txt": "", "step-12/notes.txt": "kept aside"})
    rule = {"name": "step", "step": {"action": "cmd", "observation": "out"}}
    for files, names in (("step-*", set()), ("step-[0-9]", {"files"})):
        found = spec(
            sources=[{"kind": "folder_per_step", "files": files, "parts": parts}], rules=[rule], files=files + "/cmd.sh"
        )
        assert set(failed(judge([run(found, tmp_path)]))) == names


LOG = """PROMPT
Answer like this:
THINK I look around first
DO ls
GOT a.txt
THINK and then I read
DO cat a.txt
GOT hello
Your task: {task}
END
THINK I begin with {task}
DO make {task}
GOT made {task}
THINK that was {task}, now I test
DO test {task}
GOT passed
THINK done with {task}
DO submit {task}
GOT bye
"""


def test_examples_of_a_prompt_are_no_steps_of_the_agent(tmp_path: Path) -> None:
    for task in ("red", "green"):
        words = f"{task}: all of the parts that the paint has to be put on"
        write(tmp_path / task, {"run.log": LOG.format(task=words)})
    rule = {
        "name": "step",
        "when": "do",
        "step": {"action": "do", "observation": "got", "thought": "think"},
    }
    pattern = r"^THINK (?P<think>.*)\nDO (?P<do>.*)\nGOT (?P<got>.*)"
    rest = {"name": "rest", "skip": "the prompt"}
    naive = spec(sources=[{"kind": "text", "pattern": pattern}], rules=[rule, rest], files="run.log")
    both = [run(naive, tmp_path / task) for task in ("red", "green")]
    assert failed(judge(both)) == {"examples": "4 of 10 steps are the same in every run: examples of a prompt?"}
    assert "examples" not in failed(judge(both[:1]))  # of one run nobody can tell
    assert "examples" not in failed(judge([both[0], both[0]]))  # copies of one run


def test_lines_that_frame_every_record_are_not_told_as_missed(tmp_path: Path) -> None:
    log = "".join(f"=== step {number} ===\n$ make {number}\n--- output of {number}:\nmade\n" for number in range(1, 6))
    write(tmp_path, {"run.log": log + "A last word that the agent says.\n"})
    rule = {
        "name": "step",
        "step": {
            "action": ["body", {"match": r"^\$ (.*)"}],
            "observation": ["body", {"match": r"^--- output of \d+:\n(.*)"}],
        },
    }
    found = run(
        spec(sources=[{"kind": "text", "begin": r"^=== step \d+ ===\n"}], rules=[rule], files="run.log"), tmp_path
    )
    assert [part.text for part in found.uncovered] == ["A last word that the agent says."]


def test_words_and_output_that_were_streamed_in_pieces_become_one_text_with_its_lines(tmp_path: Path) -> None:
    said = ["I wi", "ll look", " at it", "\n", "now."]
    events = [{"ev": "say", "of": "m1", "text": piece} for piece in said]
    events += [{"ev": "call", "of": "m1", "id": name, "cmd": f"make {name}"} for name in ("a", "b")]
    events += [
        {"ev": "out", "to": "ab"[at % 2], "data": piece} for at, piece in enumerate(("fi", "se", "rst ", "cond "))
    ]
    events += [{"ev": "say", "of": "m2", "text": piece} for piece in ("It is ", "all do", "ne.")]
    events += [{"ev": "say", "of": "m3", "text": " "}]  # nothing was said
    write(tmp_path, {"run.jsonl": events})
    rules = [
        {"name": "words", "when": "ev == 'say'", "thought": {"text": "text", "reply": "of", "between": ""}},
        {"name": "calls", "when": "ev == 'call'", "step": {"action": "cmd", "keys": "id", "reply": "of"}},
        {"name": "output", "when": "ev == 'out'"}
        | {"answer": {"to": "to", "text": "data", "append": True, "between": ""}},
    ]
    found = run(spec([{"kind": "jsonl"}], rules), tmp_path)
    first, second, last = found.trajectory.steps
    assert first.thought == "I will look at it\nnow."
    assert (first.observation, second.observation) == ("first ", "second ")
    assert (last.action, last.is_message) == ("It is all done.", True)
    assert first.thought_ref is not None
    assert second.observation_ref is not None
    assert (first.thought_ref.line_start, first.thought_ref.line_end) == (1, 5)
    assert (second.observation_ref.line_start, second.observation_ref.line_end) == (9, 11)  # with the other's between
    judged = judge([found])
    assert judged.coverage == 1
    assert not failed(judged).keys() & {"references", "coverage", "rules"}


def test_a_long_output_in_many_pieces_is_held_and_costs_no_square_of_them(tmp_path: Path) -> None:
    pieces = [{"to": "a", "data": f"piece {at} of it {'x' * 200}"} for at in range(3_000)]
    write(tmp_path, {"run.jsonl": [{"id": "a", "cmd": "make all of it"}, *pieces]})
    rules = [
        {"name": "calls", "when": "id", "step": {"action": "cmd", "keys": "id"}},
        {"name": "output", "answer": {"to": "to", "text": "data", "append": True, "between": ""}},
    ]
    found = run(spec([{"kind": "jsonl"}], rules), tmp_path, limits=SpecLimits(operations=2_000_000))
    assert found.coverage == 1


def test_headings_of_several_kinds_of_records_are_frame(tmp_path: Path) -> None:
    turn = "### thought {0}\nI make part {0}\n### call {0} of shell\nmake part {0}\n### result {0} of it\nmade it {0}\n"
    log = "".join(turn.format(number) for number in range(1, 7))
    write(tmp_path, {"run.log": log})
    rules = [
        {"name": "thought", "when": "kind == 'thought'", "thought": {"text": "body"}},
        {"name": "call", "when": "kind == 'call'", "step": {"action": "body"}},
        {"name": "seen", "answer": {"text": "body"}},
    ]
    found = run(spec([{"kind": "text", "begin": r"^### (?P<kind>\w+).*\n"}], rules), tmp_path)
    assert (found.trajectory.step_count, found.coverage, found.uncovered) == (6, 1, ())


def test_texts_of_pages_and_of_indented_blocks_are_read_as_they_were_written(tmp_path: Path) -> None:
    page = "<p>I &amp; you</p>\n<pre>grep -n &quot;a &lt; b&quot; &#x27;x y&#x27;</pre>\n"
    block = "out: |\n    def f():\n        return 1\n\n    # end\n"
    write(tmp_path, {"run.log": f"== 1\n{page}{block}== 2\n{page}{block}"})
    step = {
        "thought": ["body", {"match": "<p>(.*)</p>"}, {"html": True}],
        "action": ["body", {"match": "(?s)<pre>(.*?)</pre>"}, {"html": True}],
        "observation": ["body", {"match": r"(?s)^out: \|\n(.*)"}, {"dedent": True}],
    }
    naming = spec([{"kind": "text", "begin": r"^== \d+\n"}], [{"name": "step", "step": step}])
    found = run(naming, tmp_path)
    first = found.trajectory.steps[0]
    assert (first.thought, first.action) == ("I & you", "grep -n \"a < b\" 'x y'")
    assert first.observation == "def f():\n    return 1\n\n# end\n"
    assert first.action_ref is not None
    assert first.observation_ref is not None
    assert (first.action_ref.line_start, first.observation_ref.line_start) == (3, 5)
    assert "references" not in failed(judge([found]))


CALL = {"name": "call", "when": "tool", "step": {"tool": {"name": "tool", "arguments": "input"}, "observation": "out"}}


def calls(number: int) -> list[dict[str, Any]]:
    """Every third call edits a file; between them, an event of another kind."""
    lines: list[dict[str, Any]] = [{"kind": "prompt", "text": "You are an agent that edits files."}]
    for at in range(number):
        tool = "edit" if at % 3 == 2 else "sh"
        lines.append({"kind": "call", "tool": tool, "input": {"cmd": f"make part {at}"}, "out": f"made part {at}"})
        lines.append({"kind": "stats", "tool": "meter", "input": {"memory": at}, "out": "fine"})
    return lines


def test_records_like_those_of_steps_are_not_skipped_unseen(tmp_path: Path) -> None:
    write(tmp_path, {"run.jsonl": calls(12)})
    noise: dict[str, Any] = {"name": "noise", "when": "tool == 'edit'", "skip": "noise of the harness"}
    others = {"name": "others", "when": "kind != 'call'", "skip": "of the harness"}
    whole = run(spec([{"kind": "jsonl"}], [others, CALL]), tmp_path)
    assert failed(judge([whole])) == {}  # of another kind than any step: they are no steps
    assert [(one.records, one.alike) for one in whole.skipped] == [(13, 0)]

    found = run(spec([{"kind": "jsonl"}], [others, noise, CALL]), tmp_path)
    assert failed(judge([found]))["alike"] == (
        "rules skip 4 records that look like the 8 that became steps: "
        "rule 'noise': noise of the harness: run.jsonl, line 6"
    )
    first = found.skipped[0]
    assert first.words == (
        "rule 'noise': noise of the harness: 4 records, 90 characters in no step, 4 records look like steps"
    )
    assert [(one.line_start, one.text.splitlines()) for one in first.samples[:1]] == [
        (6, ["make part 2", "made part 2"])
    ]
    few = noise | {"when": "tool == 'edit' && input.cmd == 'make part 5'"}
    judged = judge([run(spec([{"kind": "jsonl"}], [others, few, CALL]), tmp_path)])
    assert failed(judged) == {}  # one of twelve may be noise; it is told all the same


def test_what_a_user_says_among_the_steps_is_no_lost_step(tmp_path: Path) -> None:
    turns: list[dict[str, Any]] = []
    for at in range(4):
        turns += [{"role": "agent", "text": f"I make {at}"}, {"role": "user", "text": f"Go on with {at}"}]
    write(tmp_path, {"run.jsonl": turns})
    rules = [
        {"name": "users", "when": "role == 'user'", "skip": "what the user says"},
        {"name": "words", "step": {"action": "text"}},
    ]
    found = run(spec([{"kind": "jsonl"}], rules), tmp_path)
    assert [(one.records, one.alike) for one in found.skipped] == [(4, 0)]
