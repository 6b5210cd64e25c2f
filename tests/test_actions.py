from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codetracer_core.actions import Decision, classify, shown
from codetracer_core.actions.commands import CHANGERS, HANDLERS, READERS, TEST_RUNNERS
from codetracer_core.actions.families import FAMILIES
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Kind, Step, ToolCall
from codetracer_core.parsers import read_run
from tests.actions_table import TABLE, keys, tool


def decide(action: str | Step) -> Decision:
    return classify(action if isinstance(action, Step) else Step(step_id=1, action=action))


def _name(row: tuple[Kind, str, str | Step]) -> str:
    action = row[2]
    text = action if isinstance(action, str) else f"{action.tool.name if action.tool else ''} {action.action}"
    return shown(text, 70)


@pytest.mark.parametrize("row", TABLE, ids=_name)
def test_kind_and_reason(row: tuple[Kind, str, str | Step]) -> None:
    kind, fragment, action = row
    decision = decide(action)
    assert decision.kind == kind, decision.reason
    assert fragment in decision.reason


def test_table_is_as_large_as_promised() -> None:
    assert len(TABLE) >= 150
    assert min(Counter(kind for kind, _, _ in TABLE).values()) > 100


def test_a_program_stands_in_one_table() -> None:
    tables = (set(HANDLERS), set(FAMILIES), set(READERS), set(CHANGERS), set(TEST_RUNNERS))
    for one, other in combinations(tables, 2):
        assert one & other == set()


def test_messages_and_refused_replies_change_nothing() -> None:
    assert classify(Step(step_id=1, action="I will now run rm -rf /", is_message=True)).kind == "message"
    refused = classify(Step(step_id=1, action="rm -rf /", executed=False))
    assert (refused.kind, refused.reason) == ("explore", "was not executed")


@pytest.mark.parametrize(
    ("action", "purpose", "targets"),
    [
        ("cat > src/a.py <<'EOF'\nx\nEOF", "edit", ("src/a.py",)),
        ("sed -i s/a/b/ x.py y.py", "edit", ("x.py", "y.py")),
        ("cd src && grep -n foo lib/core.py", "search", ("lib/core.py",)),
        ("pytest -q tests/test_a.py", "test", ("tests/test_a.py",)),
        ("pytest -q > out.log 2>&1", "test", ("out.log",)),
        ("make > build.log", "build", ("build.log",)),
        ("pip install flask gunicorn", "install", ("flask", "gunicorn")),
        ("git commit -m x", "version control", ()),
        ("python repro.py", "run", ("repro.py",)),
        ("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git add -A", "submit", ()),
        (tool("Edit", file_path="a.py"), "edit", ("a.py",)),
        (keys("\n"), "wait", ()),
    ],
)
def test_purpose_and_targets(action: str | Step, purpose: str, targets: tuple[str, ...]) -> None:
    decision = decide(action)
    assert decision.purpose == purpose
    assert set(targets) <= set(decision.targets)


def test_reasons_of_several_changes_are_joined_and_counted() -> None:
    assert decide("rm a; rm b; rm c; rm d").reason == "deletes a; deletes b; and 2 more"
    assert decide("rm a; rm a").reason == "deletes a"


def test_arguments_that_are_no_json_object_are_read_as_the_command() -> None:
    assert classify(Step(step_id=1, action="rm x", tool=ToolCall(name="bash", arguments="rm x"))).kind == "change"
    assert classify(Step(step_id=1, action="ls", tool=ToolCall(name="bash", arguments="ls"))).kind == "explore"


def test_long_here_documents_are_read_whole() -> None:
    body = "".join(f"value_{number} = {number}\n" for number in range(8_000))
    assert decide(f"cat > big.py <<'EOF'\n{body}EOF\nls").reason == "redirects into big.py"
    assert decide(f"python3 - <<'EOF'\n{body}EOF\n").reason == "Python without a call that writes"
    assert "Python writes out" in decide(f"python3 - <<'EOF'\n{body}open('out', 'w')\nEOF\n").reason
    assert decide("ls; " * 5_000 + "rm x").reason == "too long to be read as a command"


def test_commands_within_commands_end_somewhere() -> None:
    assert decide("eval " * 50 + "ls").kind == "change"
    assert decide("sudo " * 500 + "ls").kind == "change"


@pytest.mark.parametrize(
    "text",
    [
        "\0" * 100_000,
        "a|" * 50_000,
        "(" * 100_000,
        "$(" * 50_000,
        "cat " + "<<A " * 25_000,
        "cat <<A\n" * 12_000,
        "'" * 99_999,
        ")" * 15_900,
        "python -c '" + "(" * 15_000 + "'",
        "sed '" + "s/a/b/" * 2_500 + "' f",
        "awk '" + "(" * 15_000 + "'",
        "\x1b[31m\u202e rm \u2066",
        # Ends the process in most runs if the grammar is shown them as they are.
        " ".join("{" + chr(plane << 16 | 0xFFFD) for plane in range(17)),
    ],
    ids=lambda text: shown(text, 12),
)
def test_hostile_text_gets_a_decision(text: str) -> None:
    for step in (Step(step_id=1, action=text), keys(text), tool("run_ipython", code=text), tool(text, path=text)):
        assert_well_formed(classify(step))


def assert_well_formed(decision: Decision) -> None:
    assert decision.kind in ("explore", "change")
    assert 0 < len(decision.reason) <= 250
    assert decision.reason.isprintable()


def test_names_beyond_ascii_are_kept() -> None:
    reason = decide("rm 'наш файл' \U0001f600.txt \xff; echo {\U0010ffff > é").reason
    assert reason == "deletes наш файл and 2 more; redirects into é", reason


@given(st.text())
@example("cat <<A\n\0\nA")
@example("\ud7ff\ue000\u2028\x85")
@example("edit 1:2\n")
@example("{\U0010ffff")
@example("\xff110000\xff")
def test_any_text_gets_a_decision(text: str) -> None:
    for step in (
        Step(step_id=1, action=text),
        keys(text),
        tool(text, path=text, command=text),
        tool("str_replace_editor", command=text, path=text),
        tool("execute_ipython_cell", code=text),
        Step(step_id=1, action=text, tool=ToolCall(name="bash", arguments=text)),
    ):
        assert_well_formed(classify(step))


PROGRAMS = (
    "cat rm ls echo sed awk find xargs python3 git curl tee sudo env timeout f x=1 a.py /dev/null -c -i -e -exec -o"
)
GRAMMAR = "; && || | > >> < << EOF <<'EOF' ( ) { } $( ` ' \" \\ $x ${y} if then fi for in do done case esac f()"
WORDS = st.sampled_from(["\n", *PROGRAMS.split(), *GRAMMAR.split()])
PLAIN_CHANGES = [
    action
    for kind, _, action in TABLE
    if kind == "change" and isinstance(action, str) and not set("\n'").intersection(action)
]


@settings(max_examples=300)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_any_mix_of_shell_words_gets_a_decision(text: str) -> None:
    assert_well_formed(decide(text))


@pytest.mark.parametrize("command", PLAIN_CHANGES)
def test_what_stands_around_a_change_does_not_hide_it(command: str) -> None:
    assert decide(f"ls -la && {command}").kind == "change"
    assert decide(f"( {command} ) 2>/dev/null | head").kind == "change"
    assert decide(f"bash -c '{command}'").kind == "change"


def test_little_of_what_real_agents_do_is_unknown(real: Path) -> None:
    steps = []
    for location in discover(real / "trajectories").locations:
        try:
            steps += read_run(location).trajectory.steps
        except CodeTracerError:
            continue
    decisions = [classify(step) for step in steps]
    assert len(decisions) > 1_000
    unknown = [decision for decision in decisions if "unknown" in decision.reason or "cannot be" in decision.reason]
    assert len(unknown) < 0.06 * len(decisions)
    kinds = Counter(decision.kind for decision in decisions)
    assert 0.3 < kinds["change"] / len(decisions) < 0.5
