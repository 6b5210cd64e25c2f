"""Terminus 2: a step per command, what came back for the last of an episode, and replies in every condition."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts
from codetracer_core.parsers.terminus2 import FORMAT
from tests.conftest import SAMPLE_DATA

SAMPLES = SAMPLE_DATA / "terminus2" / "terminal-bench"
POINTER = LFS_MARK + b"v1\noid sha256:0\nsize 9\n"
SCREEN = "New Terminal Output:\n\n$ {}\n"
REFUSED = "Previous response had parsing errors:\nERROR: No valid JSON\n\nPlease fix it."
TASK = "Rules.\n\nTask Description:\nCount the files.\n\nCurrent terminal state:\nCurrent Terminal Screen:\n$\n"


def said(*keystrokes: Any, analysis: str = "", plan: str = "", **more: Any) -> str:
    commands = [{"keystrokes": k, "duration": 0.1} if isinstance(k, str) else k for k in keystrokes]
    return json.dumps({"analysis": analysis, "plan": plan, "commands": commands, **more}, indent=2)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Trajectory]:
    """Reads a run of these (prompt, reply) pairs; None leaves a file out."""

    def reading(*episodes: tuple[str | None, str | bytes | None], logs: str = "agent-logs") -> Trajectory:
        for number, files in enumerate(episodes):
            folder = tmp_path / logs / f"episode-{number}"
            folder.mkdir(parents=True)
            for name, content in zip(("prompt.txt", "response.txt"), files, strict=True):
                if content is not None:
                    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_run(locate(tmp_path)).trajectory

    return reading


def test_a_step_per_command(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    run = read(
        (TASK, said("ls\n", "cat a\n", analysis="New.", plan="Look.")),
        (SCREEN.format("ls cat"), said("rm a\n", plan="Clean up.")),
        (SCREEN.format("rm"), said(task_complete=True)),
    )
    assert [step.action for step in run.steps] == ["ls\n", "cat a\n", "rm a\n"]
    assert [step.observation for step in run.steps] == [None, "\n$ ls cat\n", "\n$ rm\n"]
    assert [step.thought for step in run.steps] == ["New.\n\nLook.", None, "Clean up."]
    assert [step.parallel_group for step in run.steps] == [1, 1, None]
    assert [step.native_ids for step in run.steps] == [("episode-0",), ("episode-0",), ("episode-1",)]
    assert run.steps[0].tool is not None
    assert run.steps[0].tool.arguments == {"keystrokes": "ls\n", "duration": 0.1}
    assert run.task_text == "Count the files."
    assert run.task_ref is not None
    assert resolve(tmp_path, run.task_ref) == "Count the files."
    assert run.notes == ("1 reply asks for no command, so there is no step (episode 2).",)


def test_references_point_at_the_very_keystrokes(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    run = read((TASK, said("printf 'a\\\\nb \\u00e9 \\\"q\\\"'\n", analysis="One \\n two")))
    step = run.steps[0]
    assert step.action_ref is not None
    assert step.action_ref.path == "agent-logs/episode-0/response.txt"
    assert step.action_ref.pointer == "/commands/0/keystrokes"
    assert resolve(tmp_path, step.action_ref) == step.action
    assert step.thought_ref is not None
    assert resolve(tmp_path, step.thought_ref) == step.thought


def test_blank_keystrokes_are_steps_and_shown_as_json(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    run = read((TASK, said("", "\n", "  ", "C-c")))
    assert [step.action for step in run.steps] == ['""', r'"\n"', '"  "', "C-c"]
    for step in run.steps:
        assert step.action_ref is not None
        assert step.action in resolve(tmp_path, step.action_ref)


def test_episodes_are_ordered_by_number(read: Callable[..., Trajectory]) -> None:
    run = read(*[(TASK if n == 0 else SCREEN.format(n), said(f"echo {n}\n")) for n in range(12)])
    assert [step.action for step in run.steps] == [f"echo {n}\n" for n in range(12)]
    assert [step.observation for step in run.steps] == [*(f"\n$ {n}\n" for n in range(1, 12)), None]


@pytest.mark.parametrize(
    ("prompt", "observation"),
    [
        ("New Terminal Output:\nout\n", "out\n"),
        ("Current Terminal Screen:\nout\n", "out\n"),
        ("Previous response had warnings:\nWARNINGS: - x\n\nNew Terminal Output:\nout\n", "out\n"),
        ("Current terminal state:\nNew Terminal Output:\nout\n\nReally complete?", "out\n\nReally complete?"),
        ("Here are the answers of the other agent.\n", "Here are the answers of the other agent.\n"),
    ],
)
def test_what_of_a_prompt_is_the_observation(
    read: Callable[..., Trajectory], tmp_path: Path, prompt: str, observation: str
) -> None:
    step = read((TASK, said("ls\n")), (prompt, None)).steps[0]
    assert step.observation == observation
    assert step.observation_ref is not None
    assert observation.strip() in resolve(tmp_path, step.observation_ref)


@pytest.mark.parametrize(
    "reply",
    [
        "Here it is:\n```json\n" + said("ls\n", plan="Look.") + "\n```\nThat's all.",
        'Use {braces} and {"a": 1} like this. ' + said("ls\n", plan="Look."),
        said("ls\n", plan="Look.") + "\n" + said("rm -rf /\n"),
        "Sure.\n<response><plan>Look.</plan><commands><keystrokes duration='1'>ls\n</keystrokes></commands></response>",
    ],
)
def test_other_text_around_a_reply(read: Callable[..., Trajectory], reply: str) -> None:
    run = read((TASK, reply), (SCREEN.format("ls"), None))
    assert [(step.action, step.thought, step.executed) for step in run.steps] == [("ls\n", "Look.", True)]
    assert "1 reply has other text around it (episode 0)." in run.notes


def test_missing_braces_are_added_as_terminus_adds_them(read: Callable[..., Trajectory]) -> None:
    run = read((TASK, said("ls\n")[:-1]), (SCREEN.format("ls"), None))
    assert [step.action for step in run.steps] == ["ls\n"]
    assert "1 reply cut off: its end was added (episode 0)." in run.notes


def test_xml_is_read_as_it_stands(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    reply = """<response>
<analysis>a < b & c</analysis>
<plan/>
<commands>
<keystrokes duration="0.5">echo '&lt;b&gt;' > x
</keystrokes>
<keystrokes></keystrokes>
</commands>
<task_complete>false</task_complete>
</response>"""
    run = read((TASK, reply), (SCREEN.format("echo"), None))
    assert [step.action for step in run.steps] == ["echo '&lt;b&gt;' > x\n", '""']
    assert run.steps[0].tool is not None
    assert run.steps[0].tool.arguments == {"keystrokes": "echo '&lt;b&gt;' > x\n", "duration": "0.5"}
    assert run.steps[0].thought == "a < b & c"
    assert run.steps[0].action_ref is not None
    assert (run.steps[0].action_ref.line_start, run.steps[0].action_ref.line_end) == (5, 5)
    assert run.notes == ("The run was stopped: the prompt of episode 1 has no answer.",)


def test_commands_of_a_refused_reply_are_not_executed(read: Callable[..., Trajectory]) -> None:
    without_plan = json.dumps({"analysis": "", "commands": [{"keystrokes": "ls\n"}, {"duration": 1}]})
    run = read((TASK, without_plan), (REFUSED, said("ls\n")), (SCREEN.format("ls"), None))
    assert [(step.action, step.executed) for step in run.steps] == [
        ("ls\n", False),
        ('{"duration": 1}', False),
        ("ls\n", True),
    ]
    assert run.steps[1].observation == REFUSED
    assert run.notes[0] == "1 reply was refused; the steps are marked as not executed (episode 0)."


def test_a_request_for_a_shorter_reply_is_not_the_answer_to_the_commands_before(
    read: Callable[..., Trajectory],
) -> None:
    again = "ERROR!! NONE of the actions you just requested were performed because you exceeded 4096 tokens."
    run = read((TASK, said("ls\n", "cat a\n")), (again, said("ls\n")), (SCREEN.format("ls"), None))
    assert [(step.executed, step.observation) for step in run.steps] == [
        (True, None),
        (True, None),
        (True, "\n$ ls\n"),
    ]
    assert run.notes[0].startswith("What came of episode 0 is not in the files: the next reply was too long")


@pytest.mark.parametrize("reply", ["I am done.", "", '{"analysis": "cut in the midd', '{"commands": "ls"}', "{" * 500])
def test_a_refused_reply_without_commands_is_no_step(read: Callable[..., Trajectory], reply: str) -> None:
    run = read((TASK, reply), (REFUSED, said("ls\n")))
    assert [step.action for step in run.steps] == ["ls\n"]
    assert run.notes[0] == "1 reply holds no commands that can be read, so no steps (episode 0)."


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b'{"analysis": "x", "commands": [{"keystr', "no commands can be read"),
        (b"", "empty"),
        (POINTER, "git-LFS pointer"),
        (said("ls é\n").replace("\\u00e9", "é").encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_reply_that_was_acted_on_must_be_readable(
    read: Callable[..., Trajectory], tmp_path: Path, reply: bytes, words: str
) -> None:
    with pytest.raises(UnreadableFile, match=words) as raised:
        read((TASK, said("ls\n")), (SCREEN.format("ls"), reply), (SCREEN.format("ls"), said("ls\n")))
    assert raised.value.path == str(tmp_path / "agent-logs/episode-1/response.txt")


@pytest.mark.parametrize("prompt", [b"", POINTER])
def test_a_prompt_that_is_not_there_is_told(read: Callable[..., Trajectory], prompt: bytes) -> None:
    with pytest.raises(CodeTracerError):
        read((TASK, said("ls\n")), (prompt, said("ls\n")))  # type: ignore[arg-type]


def test_a_stopped_run(read: Callable[..., Trajectory]) -> None:
    run = read((TASK, None))
    assert run.step_count == 0
    assert run.notes == ("The run was stopped: the prompt of episode 0 has no answer.",)


def test_missing_episodes_are_told(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    read((TASK, said("a\n")), (SCREEN.format("a"), said("b\n")), (SCREEN.format("b"), said("c\n")))
    for file in (tmp_path / "agent-logs" / "episode-1").iterdir():
        file.unlink()
    run = read_run(locate(tmp_path)).trajectory
    assert [(step.action, step.observation) for step in run.steps] == [("a\n", None), ("c\n", None)]
    assert run.notes == ("Episodes are missing before episode 2.",)


@pytest.mark.parametrize("record", ['{"model": "m-1", "messages": ["long"]}', '{"model": "m-', ""])
def test_the_record_of_the_first_request_tells_the_model(
    read: Callable[..., Trajectory], tmp_path: Path, record: str
) -> None:
    (tmp_path / "agent-logs" / "episode-0").mkdir(parents=True)
    (tmp_path / "agent-logs" / "episode-0" / "debug.json").write_text(record)
    (tmp_path / "agent-logs" / "episode-0" / "response.txt").write_text(said("ls\n"))
    run = read_run(locate(tmp_path)).trajectory
    assert (run.model, run.step_count) == ("m-1" if record.endswith("}") else None, 1)


@pytest.mark.parametrize("logs", ["agent-logs", "agent", "."])
def test_where_episodes_lie(read: Callable[..., Trajectory], tmp_path: Path, logs: str) -> None:
    run = read((TASK, said("ls\n")), logs=logs)
    assert run.step_count == 1
    assert [location.path for location in discover(tmp_path).locations] == [str(tmp_path)]


@pytest.mark.parametrize(
    "paths",
    [
        ["agent-logs/episode-0/debug.json"],
        ["agent-logs/episode-x/response.txt"],
        ["agent-logs/response.txt"],
        ["podcast/episode-1/prompt.txt", "agent-logs/notes.txt"],
        ["agent-logs/episode-0/prompt.txt", "agent-logs/episode-0/response.json"],
    ],
)
def test_other_folders_are_left_alone(tmp_path: Path, paths: list[str]) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    assert FORMAT.recognise(Artifacts(tmp_path)) == []


def test_samples() -> None:
    failed = read_run(locate(SAMPLES / "lost-updates")).trajectory
    solved = read_run(locate(SAMPLES / "largest-file")).trajectory
    assert (failed.step_count, failed.outcome.solved, failed.model) == (11, False, "example/deep-9")
    assert (solved.step_count, solved.outcome.solved, solved.model) == (5, True, "example/sonnet-mid-1")
    assert [step.parallel_group for step in failed.steps] == [1, 1, 1, 4, 4, 4, None, 8, 8, 8, 8]
    assert [step.step_id for step in failed.steps if not step.executed] == [7]
    assert [step.step_id for step in failed.steps if step.observation is not None] == [3, 6, 7, 11]
    assert [step.action for step in failed.steps if not step.action.strip('"\\n')] == ['""', r'"\n"']
    assert [step.parallel_group for step in solved.steps] == [None, 2, 2, 4, 4]
    assert solved.steps[2].action == "ls -la '/data/raw/2026 02'\n"
