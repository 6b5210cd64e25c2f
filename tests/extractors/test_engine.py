"""From records to steps: pairing, groups, thoughts, facts, references, and what became of each record."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from codetracer_core.errors import MalformedRun
from codetracer_core.extractors.spec import LANGUAGE, read_spec
from codetracer_core.parsers import resolve
from tests.extractors.runs import run, spec, write


def test_the_example_of_the_reference_reads_a_run(tmp_path: Path) -> None:
    example = LANGUAGE.split("```yaml\n")[1].split("```")[0]
    write(
        tmp_path,
        {
            "session-1.jsonl": [
                {"type": "start", "model": "m-1", "acme_version": 3},
                {"type": "system", "content": "You are Acme."},
                {"type": "user", "content": "Count the words."},
                {
                    "type": "assistant",
                    "content": "I look first.",
                    "time": 1_700_000_000,
                    "tool_calls": [
                        {"id": "a", "function": {"name": "bash", "arguments": '{"command": "ls"}'}},
                        {"id": "b", "function": {"name": "bash", "arguments": '{"command": "wc -w x"}'}},
                    ],
                },
                {"type": "tool", "call_id": "b", "content": "12 x", "exit_code": 0},
                {"type": "tool", "call_id": "a", "content": "x", "exit_code": "0"},
                {"type": "assistant", "content": "There are 12."},
                {"type": "bye"},
            ]
        },
    )
    found = run(read_spec(example), tmp_path)
    first, second, last = found.trajectory.steps
    assert (first.action, first.observation, first.exit_code, first.parallel_group) == ("ls", "x", 0, 1)
    assert (second.action, second.observation, second.thought, second.parallel_group) == ("wc -w x", "12 x", None, 1)
    assert first.thought == "I look first."
    assert first.timestamp == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (last.action, last.is_message, last.tool) == ("There are 12.", True, None)
    assert (found.trajectory.agent, found.trajectory.model) == ("Acme", "m-1")
    assert found.trajectory.task_text == "Count the words."
    assert [fate.words for fate in found.fates] == [
        "read for model",
        "skipped: rule 'prompts': written by the harness",
        "read for task_text",
        "became step 1 (rule 'calls')",
        "became step 2 (rule 'calls')",
        "observation of step 2 (rule 'results')",
        "observation of step 1 (rule 'results')",
        "belongs to step 3 (rule 'talk': a message)",
        "skipped: no rule fits",
    ]
    for step in found.trajectory.steps:
        for text, ref in ((step.action, step.action_ref), (step.observation, step.observation_ref)):
            assert text is None or (ref is not None and text in resolve(tmp_path, ref))


def test_numbers_with_a_gap_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": [{"n": 1, "do": "ls"}, {"n": 3, "do": "pwd"}]})
    with pytest.raises(MalformedRun, match=r"not consecutive \(1, 3\)"):
        run(spec("rules: [{name: all, step: {action: do, number: n}}]"), tmp_path)
