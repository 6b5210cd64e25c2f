"""What a checkpoint says of each earlier step: done again, left out, or not known."""

import json
from typing import Any

import pytest

from codetracer_core.models import Branch, Step, ToolCall, Trajectory
from codetracer_core.replay.models import Checkpoint, FileEdit, PlannedStep
from codetracer_core.replay.plan import checkpoint, folder_of, shell_of


def step(number: int, name: str = "", observation: str | None = "", **arguments: Any) -> Step:
    tool = ToolCall(name=name, arguments=arguments) if name else None
    action = tool.text() if tool else arguments.get("action", "")
    return Step(step_id=number, action=action, tool=tool, observation=observation)


def text(action: str, observation: str | None = "", number: int = 1, **more: Any) -> Step:
    return Step(step_id=number, action=action, observation=observation, **more)


def planned(format_: str, *steps: Step, **more: Any) -> Checkpoint:
    numbered = tuple(one.model_copy(update={"step_id": number}) for number, one in enumerate(steps, start=1))
    run = Trajectory(format=format_, view="x", steps=numbered, **more)
    return checkpoint(run, len(steps) + 1)


def only(format_: str, one: Step, **more: Any) -> PlannedStep:
    return planned(format_, one, **more).steps[0]


CLAUDE = "claude-code"
EDITS = [
    (CLAUDE, "Write", {"file_path": "/w/a", "content": "x"}, [FileEdit(path="/w/a", kind="write", text="x")]),
    (
        CLAUDE,
        "Edit",
        {"file_path": "/w/a", "old_string": "x", "new_string": "y"},
        [FileEdit(path="/w/a", kind="replace", old="x", text="y")],
    ),
    (
        CLAUDE,
        "Edit",
        {"file_path": "/w/a", "old_string": "x", "new_string": "y", "replace_all": True},
        [FileEdit(path="/w/a", kind="replace", old="x", text="y", all=True)],
    ),
    (
        CLAUDE,
        "Edit",
        {"file_path": "/w/new", "old_string": "", "new_string": "y"},
        [FileEdit(path="/w/new", kind="create", text="y")],
    ),
    (
        CLAUDE,
        "MultiEdit",
        {
            "file_path": "/w/a",
            "edits": [{"old_string": "x", "new_string": "y"}, {"old_string": "y", "new_string": "z"}],
        },
        [
            FileEdit(path="/w/a", kind="replace", old="x", text="y"),
            FileEdit(path="/w/a", kind="replace", old="y", text="z"),
        ],
    ),
    ("gemini-cli", "write_file", {"file_path": "a", "content": ""}, [FileEdit(path="a", kind="write", text="")]),
    (
        "gemini-cli",
        "replace",
        {"file_path": "a", "old_string": "x", "new_string": "", "expected_replacements": 2},
        [FileEdit(path="a", kind="replace", old="x", text="", all=True)],
    ),
    (
        "openhands",
        "str_replace_editor",
        {"command": "create", "path": "/w/a", "file_text": "x"},
        [FileEdit(path="/w/a", kind="create", text="x")],
    ),
    (
        "openhands",
        "str_replace_editor",
        {"command": "str_replace", "path": "/w/a", "old_str": "x"},
        [FileEdit(path="/w/a", kind="replace", old="x")],
    ),
    (
        "openhands",
        "str_replace_editor",
        {"command": "insert", "path": "/w/a", "insert_line": 0, "new_str": "x"},
        [FileEdit(path="/w/a", kind="insert", after_line=0, text="x")],
    ),
    (
        "openhands-sdk",
        "file_editor",
        {"command": "undo_edit", "path": "/w/a"},
        [FileEdit(path="/w/a", kind="undo")],
    ),
]


@pytest.mark.parametrize(("format_", "tool", "arguments", "edits"), EDITS)
def test_structured_edits_by_their_meaning(
    format_: str, tool: str, arguments: dict[str, Any], edits: list[FileEdit]
) -> None:
    found = only(format_, step(1, tool, "done", **arguments))
    assert (found.deed, list(found.edits), found.files) == ("edit", edits, (edits[0].path,))


@pytest.mark.parametrize(
    "answer",
    [
        "<tool_use_error>String to replace not found in file.</tool_use_error>",
        "ERROR:\nNo replacement was performed. Multiple occurrences of old_str `x` in lines [1, 2].",
        "Failed to edit, 0 occurrences found for old_string in a.",
        "Your proposed edit has introduced new syntax error(s).\nYour changes have NOT been applied.",
        "The user doesn't want to proceed with this tool use.",
    ],
)
def test_an_edit_that_the_editor_refused_is_not_made(answer: str) -> None:
    found = only(CLAUDE, step(1, "Edit", answer, file_path="/w/a", old_string="x", new_string="y"))
    assert (found.deed, found.edits, found.files) == ("nothing", (), ())
    assert "refused" in found.why


PATCH = """*** Begin Patch
*** Add File: new.py
+a = 1
+b = 2
*** Update File: old.py
*** Move to: moved.py
@@ def f():
 x
-y
+z
@@
+end
*** Delete File: gone.py
*** End Patch"""
PATCHED = (
    FileEdit(path="new.py", kind="write", text="a = 1\nb = 2\n"),
    FileEdit(path="old.py", kind="replace", old="x\ny\n", text="x\nz\n"),
    FileEdit(path="old.py", kind="insert", after_line=None, text="end\n"),
    FileEdit(path="old.py", kind="move", text="moved.py"),
    FileEdit(path="gone.py", kind="delete"),
)


def test_a_patch_is_the_edits_that_it_writes() -> None:
    raw = Step(step_id=1, action=PATCH, tool=ToolCall(name="apply_patch", arguments=PATCH), observation="Success.")
    for one in (
        raw,
        step(1, "apply_patch", "Success.", input=PATCH),
        step(1, "shell", "Success.", command=["apply_patch", PATCH]),
        step(1, "shell", "Success.", command=["bash", "-lc", f"apply_patch <<'EOF'\n{PATCH}\nEOF"]),
    ):
        found = only("codex", one)
        assert (found.deed, found.edits) == ("edit", PATCHED)
        assert found.files == ("new.py", "old.py", "gone.py", "moved.py")
    there = only("codex", step(1, "shell", "", command=f"cd sub && apply_patch <<EOF\n{PATCH}\nEOF\n"))
    assert there.edits[0].path == "sub/new.py"


def test_a_patch_in_another_form_is_not_replayable() -> None:
    found = only("codex", step(1, "apply_patch", "", input="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"))
    assert found.deed == "not_replayable"
    assert "Begin Patch" in found.why


def test_sweagents_window() -> None:
    """The file that is edited stands in the answer, or was opened before."""
    shown = "[File: /r/a.py (3 lines total)]\n1:a\n2:b\n3:c\nFile updated."
    run = planned(
        "swe-agent",
        text("open a.py\n", "[File: /r/a.py (3 lines total)]\n1:a"),
        text("edit 2:3\nB\nC\nend_of_edit\n", shown),
        text("edit 'a' 'A' True", "Replaced."),
        text("create new.py\n", "[File: /r/new.py (1 lines total)]\n1:"),
        text("insert 'x = 1'", None),
        text("edit\nx\nend_of_edit", shown),
        text("search_dir foo", ""),
        text("python new.py\n", "1\n"),
        text("connect_sendline hello", ""),
        text("submit\n", "diff"),
        text("   ", ""),
    )
    assert [one.deed for one in run.steps] == [
        *("nothing", "edit", "edit", "edit", "edit", "not_replayable", "nothing", "command", "not_replayable"),
        *("nothing", "nothing"),
    ]
    assert [edit for one in run.steps for edit in one.edits] == [
        FileEdit(path="/r/a.py", kind="lines", after_line=1, through_line=3, text="B\nC"),
        FileEdit(path="/r/a.py", kind="replace", old="a", text="A", all=True),
        FileEdit(path="/r/new.py", kind="create", text="\n"),
        FileEdit(path="/r/new.py", kind="insert", after_line=None, text="x = 1"),
    ]
    assert "cursors" in run.steps[5].why
    assert "does not say" in run.steps[4].why
    assert run.files == ("/r/a.py", "/r/new.py")


def test_an_edit_in_a_window_that_nobody_knows() -> None:
    assert only("swe-agent", text("edit 1:2\nx\nend_of_edit\n", "ok")).deed == "not_replayable"


def test_an_editor_written_as_a_command() -> None:
    def written(action: str) -> PlannedStep:
        return only("swe-agent", text(action, "done"))

    made = written("str_replace_editor create /r/a --file_text 'x\n\"y\"'")
    assert made.edits == (FileEdit(path="/r/a", kind="create", text='x\n"y"'),)
    assert written("str_replace_editor view /r/a --view_range 1 3").deed == "nothing"
    assert written("str_replace_editor str_replace /r/a --old_str 'x").deed == "not_replayable"


COMMANDS = [
    ("mini-swe-agent", text("ls"), "ls"),
    ("codex", step(1, "shell", command=["bash", "-lc", "ls | wc"]), "ls | wc"),
    ("codex", step(1, "shell", command=["grep", "a b", "c"]), "grep 'a b' c"),
    ("gemini-cli", step(1, "run_shell_command", command="ls", directory="src"), "cd src && ls"),
    (CLAUDE, step(1, "Bash", command="ls", description="list"), "ls"),
    ("openhands", step(1, "execute_bash", command="ls", is_input="false"), "ls"),
    ("openhands", step(1, "run_ipython", code="%%bash\nls\n"), "ls"),
    ("openhands", text("ls", tool=ToolCall(name="run", arguments={"command": "ls"})), "ls"),
    ("taught", text("make it"), "make it"),
    ("taught", step(1, "shell", command="ls"), "ls"),
    ("normalised", text("<function=bash>\n<parameter=command>ls -l</parameter>\n</function>"), "ls -l"),
]


@pytest.mark.parametrize(("format_", "one", "line"), COMMANDS)
def test_commands(format_: str, one: Step, line: str) -> None:
    found = only(format_, one)
    assert (found.deed, found.command) == ("command", line)


def test_a_workdir_that_is_the_folder_is_not_gone_to() -> None:
    run = planned("codex", *(step(1, "shell", command="ls", workdir=place) for place in ("/w", "/w/", "/w", "/w/sub")))
    assert run.folder == "/w"
    assert [one.command for one in run.steps] == ["ls", "ls", "ls", "cd /w/sub && ls"]


NOTHING = [
    (CLAUDE, step(1, "Read", file_path="/a")),
    (CLAUDE, step(1, "Grep", pattern="x")),
    (CLAUDE, step(1, "TodoWrite", todos=[])),
    (CLAUDE, step(1, "BashOutput", bash_id="b")),
    ("gemini-cli", step(1, "read_file", file_path="a")),
    ("openhands", step(1, "think", thought="hm")),
    ("openhands", step(1, "recall", query="q")),
    ("openhands", step(1, "str_replace_editor", command="view", path="/a")),
    ("openhands", step(1, "execute_bash", command="", is_input="true")),
    ("openhands", step(1, "execute_bash", command="C-c", is_input="true")),
    ("openhands-sdk", step(1, "terminal", "Cannot execute multiple commands at once.\n", command="a\nb")),
    ("atif", step(1, "mark_task_complete")),
    ("mini-swe-agent", text("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git add -A && git diff --cached", "diff")),
    ("mini-swe-agent", text("rm -rf /", executed=False)),
    ("taught", text("I am done.", is_message=True)),
]


@pytest.mark.parametrize(("format_", "one"), NOTHING)
def test_what_leaves_the_state_as_it_is(format_: str, one: Step) -> None:
    found = only(format_, one)
    assert (found.deed, bool(found.why)) == ("nothing", True)


UNKNOWN = [
    (CLAUDE, step(1, "Task", description="d", prompt="p")),
    (CLAUDE, step(1, "KillBash", shell_id="1")),
    (CLAUDE, step(1, "NotebookEdit", notebook_path="/n.ipynb", new_source="x")),
    (CLAUDE, step(1, "Edit", file_path="/a")),
    (CLAUDE, text("ls -l")),
    ("openhands", step(1, "run_ipython", code="x = open('f', 'w')")),
    ("openhands", step(1, "execute_bash", command="yes", is_input="true")),
    ("openhands", step(1, "str_replace_editor", command="reformat", path="/a")),
    ("atif", text("{}", tool=ToolCall(name="", arguments={"command": "ls"}))),
    ("atif", step(1, "deploy_everything", target="x")),
    ("taught", step(1, "deploy_everything", target="x")),
]


@pytest.mark.parametrize(("format_", "one"), UNKNOWN)
def test_what_is_not_known_is_not_replayable(format_: str, one: Step) -> None:
    found = only(format_, one)
    assert (found.deed, bool(found.why)) == ("not_replayable", True)
    assert planned(format_, one).not_replayable == planned(format_, one).steps


def test_a_submission_that_does_more_is_run() -> None:
    line = "sed -i s/a/b/ x && echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
    assert only("mini-swe-agent", text(line)).command == line


def test_doubts_are_named_before_anything_runs() -> None:
    def why(line: str) -> str:
        return only("mini-swe-agent", text(line)).why

    assert "network" in why("pip install requests")
    assert "network" in why("curl -O http://example.org/x")
    assert "background" in why("python3 -m http.server &")
    assert "another user" in why("cd x && sudo make install")
    assert "waits for keys" in why("vim a.py")
    assert why("ls && cat a.py") == ""


def test_what_ran_in_the_background_is_started_so_and_not_compared() -> None:
    found = only(CLAUDE, step(1, "Bash", "Command running in background with ID: b1", command="make serve",
                              run_in_background=True))  # fmt: skip
    assert found.command.startswith("{ make serve\n}")
    assert found.command.endswith("&")
    assert (found.deed, found.expected) == ("command", None)


def test_steps_of_sub_agents_are_run_in_their_places() -> None:
    steps = (
        step(1, "Task", "done", description="d", prompt="p"),
        Step(step_id=2, action="ls", tool=ToolCall(name="Bash", arguments={"command": "ls"}), branch="a"),
    )
    run = planned(CLAUDE, *steps, branches=(Branch(branch_id="a", parent_step_id=1),))
    assert [one.deed for one in run.steps] == ["nothing", "command"]
    assert "sub-agent" in run.steps[0].why
    assert "sub-agent" in run.steps[1].why


# ---------------------------------------------------------------- keys


def keys(*typed: str | tuple[str, str]) -> Checkpoint:
    pairs = [one if isinstance(one, tuple) else (one, None) for one in typed]
    return planned("terminus2", *(step(1, "bash_command", seen, keystrokes=text) for text, seen in pairs))


def test_whole_lines_are_commands() -> None:
    run = keys("ls -la\n", "cat > f <<'EOF'\nx\nEOF\n", "", "cd /tmp\n", "make Enter")
    assert [(one.deed, one.command) for one in run.steps if one.deed == "command"] == [
        ("command", "ls -la"),
        ("command", "cat > f <<'EOF'\nx\nEOF"),
        ("command", "cd /tmp"),
        ("command", "make"),
    ]
    assert run.shell == "session"


def test_half_lines_are_joined_where_their_end_is_typed() -> None:
    run = keys("echo one ", "two\n", "cat > f <<EOF\n", "x\n", "EOF\n", "rm", "C-c", "ls\n", "half")
    assert [(one.deed, one.command if one.deed == "command" else "") for one in run.steps] == [
        ("nothing", ""),
        ("command", "echo one two"),
        ("nothing", ""),
        ("nothing", ""),
        ("command", "cat > f <<EOF\nx\nEOF"),
        ("nothing", ""),
        ("nothing", ""),
        ("command", "ls"),
        ("nothing", ""),
    ]
    assert run.steps[0].why.endswith("run with step 2, which ends it")
    assert "before the checkpoint" in run.steps[8].why


def test_what_is_typed_into_a_program_is_not_known() -> None:
    prompt = "root@a1:/app# "
    run = keys("python3\n", "print(1)\n", "exit()\n", "ls\n", "vim a\n", "ihello", ":wq\n", ("C-l", prompt), "ls\n")
    assert [one.deed for one in run.steps] == [
        *("command", "not_replayable", "nothing", "command", "command", "not_replayable", "not_replayable"),
        *("not_replayable", "command"),
    ]
    assert "python3" in run.steps[1].why
    assert keys("less a", "\n", "q", "ls\n").steps[3].deed == "command"
    assert keys("\x1b[A\n").steps[0].deed == keys("C-d").steps[0].deed == "not_replayable"


def test_outputs_are_cut_out_of_the_screen() -> None:
    prompt = "root@a1:/app# "
    screen = f"New Terminal Output:\n\n{prompt}ls\na  b\n{prompt}cat <<EOF\n> x\n> EOF\nx\n{prompt}wc -l f\n"
    group = [
        Step(step_id=number, action=typed, tool=ToolCall(name="bash_command", arguments={"keystrokes": typed}),
             parallel_group=1, observation=screen if number == 3 else None)
        for number, typed in enumerate(("ls\n", "cat <<EOF\nx\nEOF\n", "wc -l f\n"), start=1)
    ]  # fmt: skip
    run = planned("terminus2", *group)
    assert [one.expected for one in run.steps] == ["a  b", "x", "⟦left out⟧"]
    assert all(one.on_screen for one in run.steps)
    assert run.folder == "/app"
    other = [one.model_copy(update={"action": "x", "tool": one.tool and ToolCall(name="bash_command",
             arguments={"keystrokes": "other\n"})}) for one in group]  # fmt: skip
    assert [one.expected for one in planned("terminus2", *other).steps] == [None, None, None]


def test_a_reply_to_terminus_written_as_text() -> None:
    reply = json.dumps({"commands": [{"keystrokes": "mkdir a\n"}, {"keystrokes": "ls\n"}], "task_complete": False})
    seen = "New Terminal Output:\n\nroot@a1:/app# mkdir a\nroot@a1:/app# ls\na\nroot@a1:/app# "
    found = only("atif", text(reply, seen))
    assert (found.deed, found.command, found.expected) == ("command", "mkdir a\nls", "a")


# ---------------------------------------------------------------- shell and folder


def run(format_: str, *steps: Step, **more: Any) -> Trajectory:
    return Trajectory(format=format_, view="x", steps=steps, **more)


def test_the_shell_is_the_original_ones() -> None:
    assert shell_of(run("mini-swe-agent")) == shell_of(run("codex")) == "fresh"
    assert shell_of(run("terminus2")) == shell_of(run("swe-agent")) == "session"
    assert shell_of(run("atif", agent="gemini-cli")) == "fresh"
    assert shell_of(run("atif", agent="terminus-2")) == "session"
    assert shell_of(run("taught", text("cd src"), text("ls"))) == "session"
    assert shell_of(run("taught", text("cd src && ls"))) == "fresh"


def test_the_folder_is_known_only_where_the_run_tells_it() -> None:
    there = "x\n[The command completed with exit code 0.]\n[Current working directory: /w/p]"
    assert folder_of(run("openhands", step(1, "execute_bash", there, command="ls"))) == "/w/p"
    assert folder_of(run("swe-agent", text("ls", "a\n(Open file: n/a)\n(Current directory: /repo)\nbash-$"))) == "/repo"
    uploaded = "<uploaded_files>\n/workspace/x__1\n</uploaded_files>\nI've uploaded"
    assert folder_of(run("openhands", task_text=uploaded)) == "/workspace/x__1"
    assert folder_of(run("mini-swe-agent", text("cd /r && ls"), text("cd /r && make"), text("ls"))) == "/r"
    assert folder_of(run("mini-swe-agent", text("cd /r && ls"), text("ls"), text("make"))) == ""
    edits = [step(1, "Write", file_path=f"/app/src/{name}", content="") for name in ("a", "b/c")]
    assert folder_of(run(CLAUDE, *edits)) == "/app/src"
    assert folder_of(run(CLAUDE, edits[0])) == ""
    assert folder_of(run("mini-swe-agent", text("cd / && ls"))) == ""
