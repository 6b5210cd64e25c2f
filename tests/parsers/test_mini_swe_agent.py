"""mini-SWE-agent: which replies are steps, how answers are found, and what a terminal recording still tells."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts, strip_ansi
from codetracer_core.parsers.mini_swe_agent import FORMAT
from tests.conftest import SAMPLE_DATA

SAMPLES = SAMPLE_DATA / "mini-swe-agent"
POINTER = LFS_MARK + b"v1\noid sha256:0\nsize 9\n"
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
Message = dict[str, Any]


def user(content: Any, **extra: Any) -> Message:
    return {"role": "user", "content": content, **({"extra": extra} if extra else {})}


def assistant(content: Any, **fields: Any) -> Message:
    return {"role": "assistant", "content": content, **fields}


def block(command: str, language: str = "bash") -> str:
    return f"```{language}\n{command}\n```"


def ran(output: str = "", code: int = 0) -> Message:
    return user(f"<returncode>{code}</returncode>\n<output>\n{output}</output>")


def calls(*commands: str, content: str | None = None, ids: tuple[str, ...] = ()) -> Message:
    names = ids or tuple(f"c{number}" for number in range(len(commands)))
    actions = [{"command": c, "tool_call_id": i} for c, i in zip(commands, names, strict=True)]
    return assistant(content, tool_calls=[], extra={"actions": actions})


def answer(call_id: str, content: str, **extra: Any) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content, "extra": {"returncode": 0, **extra}}


def ended(content: str = "the diff", status: str = "Submitted") -> Message:
    return {"role": "exit", "content": content, "extra": {"exit_status": status, "submission": content}}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Trajectory]:
    """Reads a run made of these messages after the usual system and task messages."""

    def reading(*messages: Message, bare: bool = False, **more: Any) -> Trajectory:
        whole = [{"role": "system", "content": "Work."}, user("Please fix it."), *messages]
        run: Any = whole if bare else {"info": {}, "messages": whole, **more}
        (tmp_path / "a.traj.json").write_text(json.dumps(run, indent=1))
        return read_run(locate(tmp_path)).trajectory

    return reading


def actions(trajectory: Trajectory) -> list[str]:
    return [step.action for step in trajectory.steps]


# Version 1 ----------------------------------------------------------------------------------------------------------


def test_version_1_pairs_each_reply_with_the_next_message(read: Callable[..., Trajectory]) -> None:
    run = read(
        assistant(f"THOUGHT: look\n\n{block('ls')}"), ran("a.py\n"), assistant(f"Done. {block(SUBMIT)}"), user("")
    )
    assert actions(run) == ["ls", SUBMIT]
    assert [step.thought for step in run.steps] == ["THOUGHT: look", "Done."]
    assert [step.observation for step in run.steps] == ["<returncode>0</returncode>\n<output>\na.py\n</output>", ""]
    assert [step.exit_code for step in run.steps] == [0, None]
    assert not any(step.tool for step in run.steps)
    assert run.task_text == "Please fix it."
    assert run.notes == ()


def test_a_bare_list_of_messages_is_a_run(read: Callable[..., Trajectory]) -> None:
    run = read(assistant(block("ls", "mswea_bash_command")), ran(), bare=True)
    assert actions(run) == ["ls"]
    assert run.steps[0].action_ref is not None
    assert run.steps[0].action_ref.pointer == "/2/content"


@pytest.mark.parametrize(
    ("reply", "action", "executed"),
    [
        (block("a"), "a", True),
        (f"{block('a')}\nand\n{block('b')}", "a\n\nb", False),
        ("```bash\ncat > f <<'E'\ncut off", "cat > f <<'E'\ncut off", False),
        (f"{block('a')}\n```python\nb\n```", "a", True),
        (f"{block('a')}\n```bash\ncut off", "a", True),
        ("```bash \n\n  a\n```", "a", True),
        # What the agent does with a block inside a block: it takes everything up to the first closing fence.
        ("```bash\ncat > r <<'E'\nRun:\n```bash\nx\n```\nE\n```", "cat > r <<'E'\nRun:", True),
    ],
)
def test_what_a_reply_does(read: Callable[..., Trajectory], reply: str, action: str, executed: bool) -> None:
    run = read(assistant(f"I think. {reply}"), user("Please always provide one action."))
    assert actions(run) == [action]
    assert run.steps[0].executed is executed
    assert bool(run.notes) is not executed


def test_prose_is_no_step_and_is_told(read: Callable[..., Trajectory]) -> None:
    run = read(
        assistant(block("a")), ran(), assistant("I am done."), user("Exactly one action."), assistant(block("b"))
    )
    assert actions(run) == ["a", "b"]
    assert run.steps[1].observation is None
    assert run.notes == (
        "1 reply without an action is no step (at message 4).",
        "1 action has no answer in the file.",
    )


def test_something_that_ran_without_a_visible_block_is_an_error(read: Callable[..., Trajectory]) -> None:
    with pytest.raises(MalformedRun, match="does not show as a bash block") as error:
        read(assistant("<bash_code>ls</bash_code>"), ran("a.py\n"))
    assert error.value.place == "/messages/2"


def test_a_command_that_a_person_rejected_was_not_executed(read: Callable[..., Trajectory]) -> None:
    run = read(assistant(block("rm -r x")), user("Command not executed. The user rejected it: no."))
    assert [step.executed for step in run.steps] == [False]


def test_two_blocks_that_ran_all_the_same_are_executed(read: Callable[..., Trajectory]) -> None:
    run = read(assistant(f"{block('a')}\n{block('b')}"), ran(code=3))
    assert [(step.executed, step.exit_code) for step in run.steps] == [(True, 3)]


def test_hidden_reasoning_belongs_to_the_thought(read: Callable[..., Trajectory], tmp_path: Path) -> None:
    response = {"id": "gen-1", "choices": [{"message": {"reasoning_content": "Where is\nit?"}}], "created": 1770800400}
    run = read(assistant(f"I look.\n{block('ls')}", extra={"response": response}), ran())
    step = run.steps[0]
    assert step.thought == "Where is\nit?\n\nI look."
    assert step.native_ids == ("gen-1",)
    assert step.timestamp == datetime(2026, 2, 11, 9, 0, tzinfo=UTC)
    assert step.thought_ref is not None
    assert "it?" in resolve(tmp_path, step.thought_ref)


@pytest.mark.parametrize(
    "response", ["text", 7, None, {"choices": "?", "usage": [1]}, {"usage": {"prompt_tokens": "7"}}]
)
def test_a_strange_record_of_the_provider_is_no_obstacle(read: Callable[..., Trajectory], response: Any) -> None:
    run = read(assistant(block("ls"), extra={"response": response}), ran())
    assert actions(run) == ["ls"]
    assert run.usage.prompt_tokens is None


def test_numbers_that_json_does_not_have_are_no_obstacle(read: Callable[..., Trajectory]) -> None:
    run = read(assistant(block("ls"), extra={"response": {"cost": float("nan")}}), ran("\ud83d half\n"))
    assert run.steps[0].observation == "<returncode>0</returncode>\n<output>\n\ufffd half\n</output>"


def test_tokens_are_summed_only_if_every_reply_tells_them(read: Callable[..., Trajectory]) -> None:
    told = {"response": {"usage": {"prompt_tokens": 10, "completion_tokens": 2}}}
    both = read(assistant(block("a"), extra=told), ran(), assistant(block("b"), extra=told))
    one = read(assistant(block("a"), extra=told), ran(), assistant(block("b")))
    assert (both.usage.prompt_tokens, both.usage.completion_tokens) == (20, 4)
    assert both.usage.cached_tokens is None
    assert one.usage.prompt_tokens is None


# Version 2 ----------------------------------------------------------------------------------------------------------


def test_version_2_makes_a_step_of_each_action(read: Callable[..., Trajectory]) -> None:
    run = read(
        calls("a", "b", content="Two at once."),
        answer("c1", "second", returncode=7),
        answer("c0", "first"),
        calls("c", ids=("c9",)),
        answer("c9", "third"),
    )
    assert actions(run) == ["a", "b", "c"]
    assert [step.observation for step in run.steps] == ["first", "second", "third"]
    assert [step.parallel_group for step in run.steps] == [1, 1, None]
    assert [step.thought for step in run.steps] == ["Two at once.", None, None]
    assert [step.exit_code for step in run.steps] == [0, 7, 0]
    assert [step.tool.name if step.tool else None for step in run.steps] == ["bash"] * 3
    assert run.steps[0].native_ids == ("c0",)


def test_repeated_call_ids_are_paired_within_their_reply(read: Callable[..., Trajectory]) -> None:
    run = read(
        calls("a", "b", ids=("x", "x")), answer("x", "1"), answer("x", "2"), calls("c", ids=("x",)), answer("x", "3")
    )
    assert [step.observation for step in run.steps] == ["1", "2", "3"]


def test_text_mode_of_version_2(read: Callable[..., Trajectory]) -> None:
    run = read(
        assistant(block("ls", "mswea_bash_command"), extra={"actions": [{"command": "ls"}]}),
        user("<returncode>0</returncode>", returncode=0),
    )
    assert [(step.action, step.tool, step.exit_code) for step in run.steps] == [("ls", None, 0)]


def test_refusals_of_version_2_hold_no_reply(read: Callable[..., Trajectory]) -> None:
    refused = user("No tool calls.", interrupt_type="FormatError")
    run = read(calls("a"), answer("c0", "1"), refused, refused, calls("b"), answer("c0", "2"))
    assert actions(run) == ["a", "b"]
    assert run.notes == (
        "2 replies were refused for the format; the file keeps only the refusals, so they are no steps.",
    )


def test_a_refused_reply_that_version_2_kept_is_no_step(read: Callable[..., Trajectory]) -> None:
    run = read(calls("a"), answer("c0", "1"), assistant(block("ls")), user("No tool.", interrupt_type="FormatError"))
    assert actions(run) == ["a"]
    assert run.notes == ("1 reply without an action is no step (at message 4).",)


def test_the_submission_is_what_came_back_from_the_last_command(read: Callable[..., Trajectory]) -> None:
    run = read(calls(SUBMIT), ended())
    assert [(step.observation, step.executed) for step in run.steps] == [("the diff", True)]
    assert run.notes == ()


def test_what_the_agent_never_ran(read: Callable[..., Trajectory]) -> None:
    """The agent stops inside the submitting command; the interactive one then answers for the rest."""
    never: dict[str, Any] = {"returncode": -1, "exception_info": "action was not executed"}
    with_answers = read(
        calls("a", SUBMIT, "b"),
        answer("c0", "1"),
        answer("c1", "not run", **never),
        answer("c2", "not run", **never),
        ended(),
    )
    without = read(calls("a", SUBMIT, "b"), ended())
    assert [step.executed for step in with_answers.steps] == [True, True, False]
    assert [step.observation for step in with_answers.steps] == ["1", "the diff", "not run"]
    assert [step.exit_code for step in with_answers.steps] == [0, None, None]
    assert [step.executed for step in without.steps] == [True, True, False]
    assert [step.observation for step in without.steps] == [None, "the diff", None]


def test_a_limit_is_not_a_submission(read: Callable[..., Trajectory]) -> None:
    run = read(calls("a"), ended("LimitsExceeded", "LimitsExceeded"), info={"exit_status": "LimitsExceeded"})
    assert [step.observation for step in run.steps] == [None]
    assert run.exit_status == "LimitsExceeded"
    assert run.outcome.solved is None


def test_commands_of_a_person_are_no_steps(read: Callable[..., Trajectory]) -> None:
    by_hand = user("User command: ls", actions=[{"command": "ls"}])
    run = read(calls("a"), answer("c0", "1"), by_hand, user("out", returncode=0))
    assert actions(run) == ["a"]
    assert "1 command typed by a person: not steps of the agent." in run.notes


def test_tool_calls_alone_are_enough(read: Callable[..., Trajectory]) -> None:
    call = {"id": "x", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    broken = {"id": "y", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls'}}
    run = read(assistant(None, tool_calls=[call, broken]), answer("x", "1"), answer("y", "2"))
    assert actions(run) == ["ls", '{"command": "ls']
    assert [step.observation for step in run.steps] == ["1", "2"]


def test_the_responses_api_names_things_differently(read: Callable[..., Trajectory]) -> None:
    reply = {
        "object": "response",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "message", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "x", "name": "bash", "arguments": '{"command": "ls"}'},
        ],
        "extra": {"actions": [{"command": "ls", "tool_call_id": "x"}]},
    }
    result = {"type": "function_call_output", "call_id": "x", "output": "a.py", "extra": {"returncode": 0}}
    run = read(reply, result)
    assert [(step.action, step.thought, step.observation) for step in run.steps] == [("ls", "Hm.\n\nI look.", "a.py")]


# Names, places, trouble ---------------------------------------------------------------------------------------------


def test_runs_in_their_usual_places(tmp_path: Path) -> None:
    run = json.dumps({"messages": [user("x"), assistant(block("ls")), ran()]})
    for path in (
        "trial/agent-logs/mini.traj.json",
        "trial/sessions/agent.log",
        "harbor/agent/mini-swe-agent.trajectory.json",
        "swe_raw/x__y-1/x__y-1.traj.json",
        "loose/last_mini_run.traj.json",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(run)
    (tmp_path / "trial/commands.txt").write_text("['mini -m m -t x', 'Enter']\n")
    found = discover(tmp_path)
    assert found.problems == []
    read = {loc.path.removeprefix(f"{tmp_path}/"): read_run(loc).trajectory for loc in found.locations}
    assert {path: (t.view, t.task, t.step_count) for path, t in read.items()} == {
        "harbor": ("traj.json", None, 1),
        "loose/last_mini_run.traj.json": ("traj.json", None, 1),
        "swe_raw/x__y-1/x__y-1.traj.json": ("traj.json", "x__y-1", 1),
        "trial": ("traj.json", None, 1),
    }


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b'{"messages": [{"role": "user", "cont', UnreadableFile, "no valid JSON"),
        (b"", UnreadableFile, "empty"),
        (POINTER, UnreadableFile, "git-LFS pointer"),
        ('{"messages": [{"role": "user", "content": "ü"}]}'.encode("latin-1"), UnreadableFile, "not UTF-8"),
        (b'{"steps": []}', MalformedRun, "no messages"),
        (b'{"messages": [{"text": "hello"}]}', MalformedRun, "no messages"),
        (b"[1, 2]", UnreadableFile, "unexpected content"),
        (b'[{"role": {}}]', UnreadableFile, "unexpected content"),
        (b'{"messages": {"0": {}}}', UnreadableFile, "unexpected content"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: bytes, error: type[CodeTracerError], words: str) -> None:
    file = tmp_path / "b.traj.json"
    file.write_bytes(content)
    with pytest.raises(error, match=words) as raised:
        read_run(locate(tmp_path))
    assert raised.value.path == str(file)


def test_a_run_that_never_began(read: Callable[..., Trajectory]) -> None:
    run = read()
    assert run.step_count == 0
    assert run.notes == ("The agent never took a step: the file holds no reply of the model.",)


# Terminal recordings ------------------------------------------------------------------------------------------------

RULE = "─" * 60
GREEN, RED, PLAIN = "\x1b[1;32m", "\x1b[1;31m", "\x1b[0m"
WAITING = f"\x1b[32m⠋{PLAIN} Waiting for the LM to respond..."


def screen(*turns: tuple[str, str], coloured: bool = True, closing: str = "Saved trajectory to 'x'") -> str:
    """What mini prints for these replies and their answers, at 60 columns."""

    def heading(text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}:" if coloured else f"{text}:"

    rows = ["# mini -m m -t x", "This is mini-swe-agent version 1.9.2.", heading("System", GREEN), block("ls -la"), ""]
    rows += [heading("User", GREEN), "Please solve this.", block("echo example"), ""]
    for number, (said, heard) in enumerate(turns, start=1):
        rows += [f"\x1b[92m{RULE}{PLAIN}" if coloured else RULE]
        rows += [heading(f"mini-swe-agent (step {number}, $0.0{number})", RED)]
        rows += [f"{WAITING}\r\x1b[2K{said}", f"{WAITING}\r\x1b[2K{WAITING}"] if coloured else [said]
        rows += ["\x1b[?25h\r\x1b[1A\x1b[2K" if coloured else "", heading("User", GREEN), heard]
    return "\r\n".join("\r\n".join(rows).replace("\r\n", "\n").split("\n")) + f"\r\n{closing}\r\n"


@pytest.fixture
def log(tmp_path: Path) -> Callable[[str], Trajectory]:
    def reading(text: str) -> Trajectory:
        (tmp_path / "sessions").mkdir(exist_ok=True)
        (tmp_path / "sessions" / "agent.log").write_bytes(text.encode())
        return read_run(locate(tmp_path)).trajectory

    return reading


@pytest.mark.parametrize("coloured", [True, False])
def test_a_recording_tells_the_steps(log: Callable[[str], Trajectory], tmp_path: Path, coloured: bool) -> None:
    run = log(
        screen(
            (f"THOUGHT: I look.\n\n{block('ls')}", "<returncode>0</returncode>\n<output>\na.py\n</output>"),
            ("I only talk.", "Give one action."),
            (f"THOUGHT: Done.\n\n{block(SUBMIT)}", ""),
            coloured=coloured,
        )
    )
    assert actions(run) == ["ls", SUBMIT]
    assert [step.thought for step in run.steps] == ["THOUGHT: I look.", "THOUGHT: Done."]
    assert [step.observation for step in run.steps] == ["<returncode>0</returncode>\n<output>\na.py\n</output>", ""]
    assert run.steps[0].exit_code == 0
    assert (run.agent_version, run.usage.cost_usd) == ("1.9.2", 0.03)
    lines = (tmp_path / "sessions" / "agent.log").read_bytes().decode().split("\n")
    ref = run.steps[0].action_ref
    assert ref is not None
    assert [line.strip("\r") for line in lines[ref.line_start - 1 : ref.line_end]] == ["ls"]


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("bash: mini: command not found", "never started: its recording shows no step (the terminal says: bash: mini:"),
        ("# mini -m m -t x\r\nbash: no such program", "never started: its recording shows no step (the terminal says"),
        ("# mini -m m -t x\r\nThis is mini-swe-agent version 1.9.2.", "The agent started, but its recording shows no"),
    ],
)
def test_a_recording_without_headings_is_a_run_of_no_steps(
    log: Callable[[str], Trajectory], shown: str, told: str
) -> None:
    run = log(f"$ clear\r\n{shown}\r\n")
    assert run.step_count == 0
    assert told in run.notes[0]


def test_wrapped_lines_are_joined_again(log: Callable[[str], Trajectory]) -> None:
    first = f"{'A word or two'.ljust(48, '.')} that "  # "follows" has no room on this row
    full = "x" * 30 + " " + "y" * 29  # a full row: the blank after it is lost
    long_word = "z" * 60  # a word longer than the row goes on without a blank
    written = block(f"cat <<END\n{full}\nEND")
    said = "\n".join([first, "follows.", full, "next.", long_word, "zz", "short ", "lines stay.", written])
    run = log(screen((said, "")))
    assert run.steps[0].thought == f"{first}follows.\n{full} next.\n{long_word}zz\nshort \nlines stay."
    assert run.steps[0].action == f"cat <<END\n{full}\nEND"


def test_text_that_only_looks_like_the_agent_is_no_step(log: Callable[[str], Trajectory]) -> None:
    """A command can print a log of another run; what the agent itself prints is coloured."""
    other = screen((f"Other. {block('rm -rf /')}", "gone"), coloured=False).replace("\r", "")
    run = log(screen((block("cat other.log"), f"<returncode>0</returncode>\n<output>\n{other}</output>")))
    assert actions(run) == ["cat other.log"]
    assert "rm -rf /" in (run.steps[0].observation or "")


def test_what_libraries_log_is_left_out(log: Callable[[str], Trajectory]) -> None:
    noise = f"{WAITING}\x1b[92m09:00:00 - LiteLLM:ERROR{PLAIN}: no usage\nTraceback:\n```bash\nfake\n```\n\r\x1b[2K"
    heard = "<returncode>0</returncode>\n<output>\n</output>\n09:00:01 - LiteLLM:ERROR: no usage"
    text = screen((f"THOUGHT: I look.\n{block('ls')}", heard)).replace(f"{WAITING}\r\x1b[2KTHOUGHT", noise + "THOUGHT")
    run = log(text)
    assert actions(run) == ["ls"]
    assert run.steps[0].thought == "THOUGHT: I look."
    assert run.steps[0].observation == "<returncode>0</returncode>\n<output>\n</output>"


def test_a_stopped_recording_says_so(log: Callable[[str], Trajectory]) -> None:
    run = log(screen((block("sleep 9999"), ""), closing="").rpartition(f"{GREEN}User")[0])
    assert [(step.action, step.observation) for step in run.steps] == [("sleep 9999", None)]
    assert "it was stopped" in run.notes[-1]


def test_markers_without_a_known_action_are_an_error(log: Callable[[str], Trajectory]) -> None:
    with pytest.raises(MalformedRun, match="no bash block") as error:
        log(screen(("```\nls\n```", "<returncode>0</returncode>")))
    assert error.value.place.startswith("line ")


def test_an_agent_that_never_started_took_no_step() -> None:
    run = read_run(locate(SAMPLES / "terminal-bench" / "top-words")).trajectory
    assert run.step_count == 0
    assert run.outcome.solved is False
    assert run.notes[0] == (
        "The agent never started: its recording shows no step (the terminal says: bash: mini: command not found)."
    )


@pytest.mark.parametrize("commands", ["['claude -p x', 'Enter']\n", "['echo mini -m x', 'Enter']\n", "[]"])
def test_the_recording_of_another_agent_is_not_claimed(tmp_path: Path, commands: str) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "agent.log").write_bytes(POINTER)
    (tmp_path / "commands.txt").write_text(commands)
    assert FORMAT.recognise(Artifacts(tmp_path)) == []


@pytest.mark.parametrize(("content", "words"), [(POINTER, "git-LFS pointer"), (b"", "empty")])
def test_a_recording_that_is_not_there_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "agent.log").write_bytes(content)
    (tmp_path / "commands.txt").write_text("['MSWEA_X=1 /opt/bin/mini -m m -t \"a b\"', 'Enter']\n")
    with pytest.raises(UnreadableFile, match=words):
        read_run(locate(tmp_path, format="mini-swe-agent"))


def test_the_typed_command_tells_model_and_task() -> None:
    run = read_run(locate(SAMPLES / "terminal-bench" / "restore-backup")).trajectory
    assert run.model == "example/sonnet-mid-1"
    assert run.task_text is not None
    assert run.task_text.startswith("The newest archive in /app/backups does not unpack.")
    assert run.steps[2].action.endswith(".execute('pragma integrity_check').fetchall())\"")
    assert "\n" not in run.steps[2].action


# Samples and real runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "steps", "executed", "groups", "solved"),
    [
        ("v1-solved", 7, 7, set(), True),
        ("v1-refused-replies", 7, 6, set(), None),
        ("v2-parallel-failed", 8, 8, {1, 5}, False),
        ("terminal-bench/restore-backup", 5, 5, set(), True),
        ("terminal-bench/top-words", 0, 0, set(), False),
        ("hostile-text", 8, 8, set(), None),
    ],
)
def test_samples(sample: str, steps: int, executed: int, groups: set[int], solved: bool | None) -> None:
    run = read_run(locate(SAMPLES / sample)).trajectory
    assert run.step_count == steps
    assert sum(step.executed for step in run.steps) == executed
    assert {step.parallel_group for step in run.steps} - {None} == groups
    assert run.outcome.solved is solved


def test_hostile_text_arrives_unchanged() -> None:
    run = read_run(locate(SAMPLES / "hostile-text")).trajectory
    everything = "\n".join(text for step in run.steps for text in (step.action, step.observation, step.thought) if text)
    for text in (
        "<script>fetch('http://127.0.0.1:9/script')</script>",
        '<img src=x onerror="fetch(',
        "![x](http://127.0.0.1:9/beacon.png)",
        "javascript:alert(document.cookie)",
        ":material/skull:",
        "$x$ $$",
        "\x1b[1A\x1b[2K",
        "\x1b]8;;javascript:",
        "\rDownloading markup-0.9.tar.gz",
        "\u202e",
        "A" * 9000,
    ):
        assert text in everything


def _expected_steps(path: Path) -> int:
    """Counted from the JSON alone: listed actions, else replies that open a bash block."""
    content = json.loads(path.read_text())
    messages = content if isinstance(content, list) else content["messages"]
    replies = [message for message in messages if message["role"] == "assistant"]
    if any("actions" in message.get("extra", {}) for message in replies):
        return sum(len(message["extra"]["actions"]) for message in replies)
    return sum(bool(re.search(r"```(bash|mswea_bash_command)\s*\n", message["content"])) for message in replies)


def test_real_runs_have_a_step_per_action(real: Path) -> None:
    runs = discover(real / "trajectories" / "mini-swe-agent").locations
    assert len(runs) == 11
    for location in runs:
        run = read_run(location).trajectory
        assert run.step_count == _expected_steps(Path(location.path)), location.path
        assert run.step_count > 0
    refused = {
        len(run.steps) - sum(step.executed for step in run.steps) for run in (read_run(r).trajectory for r in runs)
    }
    assert refused == {0, 2, 5}


@pytest.mark.parametrize(
    ("task", "steps"),
    [("chess-best-move", 0), ("create-bucket", 9), ("fix-git", 14), ("incompatible-python-fasttext", 20)],
)
def test_real_recordings(real: Path, task: str, steps: int) -> None:
    (folder,) = (real / "trajectories" / "terminal-bench-trials" / "swe-agent-mini").glob(f"{task}*")
    run = read_run(locate(folder)).trajectory
    assert run.step_count == steps
    text = strip_ansi((folder / "sessions" / "agent.log").read_bytes().decode())
    markers = re.split(r"mini-swe-agent \(step \d+, \$[\d.]+\):", text)[1:]
    acting = [part.split("\nUser:")[0] for part in markers]
    assert steps == sum("```bash" in part for part in acting)
    for step, part in zip(run.steps, [part for part in acting if "```bash" in part], strict=True):
        written = re.search(r"```bash\s*\n(.*?)\n```", part, re.DOTALL)
        assert written is not None
        assert "".join(step.action.split()) == "".join(written[1].split())
        assert "Waiting for the LM" not in f"{step.action}{step.thought}{step.observation}"
        assert "LiteLLM" not in f"{step.action}{step.thought}{step.observation}"


def test_the_trials_of_another_agent_are_left_alone(real: Path) -> None:
    trials = real / "trajectories" / "terminal-bench-trials" / "claude_code"
    assert not discover(trials, format="mini-swe-agent").locations
    with pytest.raises(UnknownFormat):
        locate(trials, format="mini-swe-agent")
