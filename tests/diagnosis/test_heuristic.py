from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.actions import classify
from codetracer_core.diagnosis.heuristic import LONGEST_QUOTE, diagnose_offline
from codetracer_core.diagnosis.rules import RULES, Facts
from codetracer_core.diagnosis.rules.course import LONG_STRETCH
from codetracer_core.diagnosis_models import (
    HEURISTIC,
    NO_STEPS,
    ChainLink,
    DecisionPoint,
    Diagnosis,
    OnsetCandidate,
    StepFinding,
    as_label_events,
)
from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Branch, Step, ToolCall, Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.quotes import holds
from codetracer_core.stages import validate_stages
from codetracer_core.tree import build_tree
from tests.conftest import SAMPLE_DATA

Given = str | tuple[str, str] | tuple[str, str, int | None] | Step
"""An action; with what came back; with its exit code (0 where none is given)."""


def run(*given: Given, task: str | None = None) -> Trajectory:
    return Trajectory(
        format="test",
        view="test",
        task_text=task,
        steps=tuple(_step(one).model_copy(update={"step_id": n}) for n, one in enumerate(given, start=1)),
    )


def _step(given: Given) -> Step:
    if isinstance(given, Step):
        return given
    if isinstance(given, str):
        return Step(step_id=1, action=given, observation="", exit_code=0)
    action, observation, code = given if len(given) == 3 else (*given, 0)
    return Step(step_id=1, action=action, observation=observation, exit_code=code)


def call(name: str, observation: str, **arguments: object) -> Step:
    tool = ToolCall(name=name, arguments=arguments)
    return Step(step_id=1, action=tool.text(), tool=tool, observation=observation)


def message(text: str) -> Step:
    return Step(step_id=1, action=text, is_message=True)


def found(name: str, trajectory: Trajectory) -> list[int]:
    rule = next(rule for rule in RULES if rule.name == name)
    return [hit.step_id for hit in rule.find(Facts(trajectory, [classify(step) for step in trajectory.steps]))]


MISSING = "bash: frobnicate: command not found"
BROKEN = "Traceback (most recent call last):\n  File \"cart.py\", line 3\nKeyError: 'the price of a lamp'"
SYNTAX = '  File "cart.py", line 3\n    if x:\n    ^\nIndentationError: unexpected indent'
NO_TOOL = "<tool_use_error>File has not been read yet. Read it first before writing to it.</tool_use_error>"
SUBMIT = "submit"
EDIT = "sed -i s/a/b/ cart.py"

FIRES: list[tuple[str, Sequence[Given], list[int]]] = [
    ("same look again", [("cat a.py", "x = 1"), "ls", ("cat a.py", "x = 1")], [3]),
    ("same look again", [("pytest -q", "1 failed in 0.31s", 1), ("pytest -q", "1 failed in 0.30s", 1)], [2]),
    ("same look again", [("cat a.py", "\x1b[1mx\x1b[0m"), ("cat a.py", "x")], [2]),
    ("same failure again", [("make", "make: *** no rule", 2), ("make", "make: *** no rule", 2)], [2]),
    ("same failure again", [("frobnicate", MISSING, 127), "ls", ("frobnicate", MISSING, 127)], [3]),
    ("going in circles", ["python play.py", "ls"] * 3, [5, 6]),
    ("going in circles", [("npm run build", "no")] * 4, [3, 4]),
    ("same error again", [("python cart.py", BROKEN, 1), EDIT, ("python cart.py", BROKEN, 1)], [2]),
    (
        "same error again",
        [(f"{EDIT} && python cart.py", SYNTAX, 1), ("sed -i s/c/d/ cart.py && python cart.py", SYNTAX, 1)],
        [2],
    ),
    ("edit taken back", [EDIT, ("python cart.py", BROKEN, 1), "git checkout cart.py"], [1]),
    ("edit taken back", [EDIT, ("pytest -q", "1 failed in 0.1s", 1), "ls", "git restore cart.py"], [1]),
    (
        "edit taken back",
        [
            call("str_replace_editor", "done", command="str_replace", path="/a/cart.py", old_str="x", new_str="y"),
            ("python cart.py", BROKEN, 1),
            call("str_replace_editor", "done", command="str_replace", path="/a/cart.py", old_str="y", new_str="x"),
        ],
        [1],
    ),
    (
        "edit taken back",
        [
            call("str_replace_editor", "done", command="insert", path="/a/cart.py", insert_line=1, new_str="y"),
            ("python cart.py", BROKEN, 1),
            call("str_replace_editor", "done", command="undo_edit", path="/a/cart.py"),
        ],
        [1],
    ),
    ("failed edit or install", [("pip install lamp", "ERROR: no matching distribution found for lamp", 1)], [1]),
    ("failed edit or install", [("cp a b/", "cp: cannot create regular file 'b/': Not a directory", 1)], [1]),
    ("failed edit or install", [(f"{EDIT} && python cart.py", SYNTAX, 1)], [1]),
    ("failed edit or install", [("cp a b/", "sh: 1: cp: not found", None)], [1]),
    ("failed build or commit", [("make", "make: *** [all] Error 2", 2)], [1]),
    ("failed build or commit", [("git commit -m x", "nothing to commit, working tree clean", 1)], [1]),
    ("error ignored", [("cp a b/", "cp: cannot stat 'a': No such file", 1), "python main.py", SUBMIT], [1]),
    ("error ignored", [call("Edit", NO_TOOL, file_path="/a.py", old_string="x", new_string="y"), "ls", SUBMIT], [1]),
    ("refused again", [call("Write", NO_TOOL, file_path="/a.py", content=text) for text in "xy"], [2]),
    ("refused again", [(", ", "bash: ,: command not found", 127), (",,", "bash: ,: command not found", 127)], [2]),
    ("refused again", [Step(step_id=1, action=text, observation="Not JSON.", executed=False) for text in "xy"], [2]),
    ("edit of an unseen file", ["ls", EDIT], [2]),
    ("last edit unchecked", ["pytest -q", EDIT, ("cat cart.py", "x"), SUBMIT], [2]),
    ("last edit unchecked", [EDIT, message("All done.")], [1]),
    ("tests fail at the end", [("pytest -q", "1 failed, 2 passed in 0.3s", 1), "ls", SUBMIT], [3]),
    ("tests fail at the end", [("python -m unittest", "Ran 2 tests\n\nFAILED (errors=1)", 1), SUBMIT], [2]),
    ("handed in after a failure", [("./run.sh", "bash: ./run.sh: Permission denied", 126), message("It works.")], [2]),
    ("long without change", [EDIT, *(f"cat {n}.py" for n in range(LONG_STRETCH))], [2]),
]

NEAR_MISSES: list[tuple[str, Sequence[Given]]] = [
    ("same look again", [("cat a.py", "x = 1"), EDIT, ("cat a.py", "x = 1")]),  # something else may have changed it
    ("same look again", [("cat a.py", "x = 1"), ("cat a.py", "x = 2")]),  # new evidence
    ("same look again", [("cat a.py", "x = 1"), ("cat b.py", "x = 1")]),
    ("same look again", [("sleep 5", ""), ("sleep 5", "")]),  # waiting is no look
    ("same look again", [Step(step_id=1, action="cat a.py"), Step(step_id=1, action="cat a.py")]),  # nothing came back
    ("same look again", [("cat a.py", "x"), Step(step_id=1, action="cat a.py", observation="x", branch="sub")]),
    (  # after a refused edit one looks what is there
        "same look again",
        [("cat a.py", "x"), call("Edit", NO_TOOL, file_path="a.py", old_string="z", new_string="y"), ("cat a.py", "x")],
    ),
    ("same failure again", [("make", "make: *** a", 2), ("make", "make: *** b", 2)]),
    ("same failure again", [("make", "make: *** a", 2), "apt-get install -y gcc", ("make", "make: *** a", 2)]),
    ("same failure again", [("grep x a.py", "", 1), ("grep x a.py", "", 1)]),  # finding nothing is no failure
    ("going in circles", ["python play.py", "ls"] * 2),
    ("going in circles", [("python play.py", str(n)) for n in range(6)]),  # each round brings something new
    ("going in circles", [message("Shall I go on?")] * 6),
    ("same error again", [("python cart.py", BROKEN, 1), EDIT, ("python cart.py", SYNTAX, 1)]),
    (  # it adds output to find the cause
        "same error again",
        [("python cart.py", BROKEN, 1), "sed -i '3i print(x)' cart.py", ("python cart.py", BROKEN, 1)],
    ),
    (
        "same error again",
        [("ls x", "ls: cannot access 'x': No such file", 2), EDIT, ("ls x", "ls: cannot access 'x'", 2)],
    ),
    (
        "same error again",
        [("python t.py", "Traceback\nAssertionError", 1), EDIT, ("python t.py", "x\nAssertionError", 1)],
    ),
    ("edit taken back", [EDIT, "python cart.py", "git checkout cart.py"]),  # it worked: an experiment
    ("edit taken back", [EDIT, "git checkout cart.py"]),
    ("edit taken back", [EDIT, ("python cart.py", BROKEN, 1), "git checkout tax.py"]),
    ("edit taken back", [EDIT, ("python cart.py", BROKEN, 1), "git restore --staged cart.py"]),
    ("failed edit or install", [("cat > t.py <<'E'\nx\nE\npython t.py", BROKEN, 1)]),  # to see it fail
    ("failed edit or install", [("pip install lamp", "error: subprocess-exited, trying again\nInstalled", 0)]),
    ("failed edit or install", [("pip install lamp", "timed out", -1), ("pip install x", "^C", 130)]),
    ("failed edit or install", [("pip install lamp", "no error, it only says so", None)]),
    ("failed edit or install", [("python cart.py", BROKEN, 1), ("cat x", "cat: x: No such file", 1)]),
    ("failed build or commit", [("make test", "2 failed in 0.3s", 2), ("make", "built")]),
    ("error ignored", [("cp a b/", "cp: cannot stat 'a'", 1), ("cp c b/", "")]),  # the run was cut off
    ("error ignored", [("pip install a", "error: no", 1), "pip install b", "ls", SUBMIT]),
    ("refused again", [call("Write", NO_TOOL, file_path=f"/{name}.py", content="x") for name in "ab"]),
    ("refused again", [call("Write", NO_TOOL, file_path="/a.py", content="x"), "ls", ("ls -l", "a")]),
    ("edit of an unseen file", [("ls", "cart.py tax.py"), EDIT]),
    ("edit of an unseen file", ["cat > cart.py <<'E'\nx\nE", EDIT]),  # the agent's own file
    ("edit of an unseen file", ["sed -i s/a/b/ $(git grep -l a) *.py"]),  # which ones is not seen
    ("edit of an unseen file", [call("Edit", "done", file_path="/new.py", old_string="", new_string="x")]),
    ("last edit unchecked", [EDIT, "pytest -q", SUBMIT]),
    ("last edit unchecked", [EDIT, "python cart.py", "rm check.py", SUBMIT]),
    ("last edit unchecked", [f"{EDIT} && python cart.py", SUBMIT]),
    ("last edit unchecked", [EDIT, "ls"]),  # cut off: the check may have been to come
    ("last edit unchecked", [("cat a.py", "x"), SUBMIT]),
    ("tests fail at the end", [("pytest -q", "1 failed in 0.3s", 1), EDIT, ("pytest -q", "2 passed in 0.3s"), SUBMIT]),
    ("tests fail at the end", [("pytest -q", "1 passed, 1 warning in 0.3s"), SUBMIT]),
    ("tests fail at the end", [("bin/test", "tests finished: 9 passed, 2 expected to fail, in 1.2 seconds"), SUBMIT]),
    ("tests fail at the end", [("pytest -q", "1 failed in 0.3s", 1)]),
    ("handed in after a failure", [("./run.sh", "no", 126), "ls", message("It works.")]),
    ("handed in after a failure", [("grep x a.py", "", 1), SUBMIT]),
    ("long without change", [*(f"cat {n}.py" for n in range(LONG_STRETCH - 1)), EDIT, "cat x.py"]),
    ("long without change", ["sleep 9"] * 2 * LONG_STRETCH),
]


@pytest.mark.parametrize(("name", "given", "steps"), FIRES, ids=[f"{n} {row[0]}" for n, row in enumerate(FIRES)])
def test_a_rule_finds_what_it_is_for(name: str, given: Sequence[Given], steps: list[int]) -> None:
    assert found(name, run(*given)) == steps


@pytest.mark.parametrize(("name", "given"), NEAR_MISSES, ids=[f"{n} {row[0]}" for n, row in enumerate(NEAR_MISSES)])
def test_a_rule_leaves_alone_what_only_looks_like_it(name: str, given: Sequence[Given]) -> None:
    assert found(name, run(*given)) == []


def test_every_rule_has_both_kinds_of_examples() -> None:
    names = {rule.name for rule in RULES}
    assert {row[0] for row in FIRES} == names == {row[0] for row in NEAR_MISSES}


# ---------------------------------------------------------------- the diagnosis


def test_a_run_in_which_nothing_is_found() -> None:
    diagnosis = diagnose_offline(run(("cat a.py", "x"), EDIT, "pytest -q", SUBMIT, task="Mend cart.py."), run_id="r")
    assert (diagnosis.model, diagnosis.author, diagnosis.status) == (HEURISTIC, HEURISTIC, "complete")
    assert (diagnosis.conclusion, diagnosis.findings, diagnosis.onset) == ("no_error_found", (), ())
    assert "no language model" in diagnosis.summary
    assert all(rule.title in diagnosis.case_for_clean_run for rule in RULES)
    assert (diagnosis.read_steps, diagnosis.total_usage.calls, diagnosis.total_usage.cost_usd) == ((1, 2, 3, 4), 0, 0.0)


def test_a_run_whose_agent_never_started_is_not_said_to_be_clean() -> None:
    diagnosis = diagnose_offline(run(), run_id="r")
    assert (diagnosis.status, diagnosis.status_reason, diagnosis.conclusion) == ("failed", NO_STEPS, "undecided")


def test_redundant_steps_alone_are_no_error() -> None:
    diagnosis = diagnose_offline(run(("cat a.py", "x"), ("cat a.py", "x")), run_id="r")
    assert [(one.step_id, one.verdict, one.deviation_type) for one in diagnosis.findings] == [
        (2, "unuseful", "redundant")
    ]
    assert (diagnosis.conclusion, diagnosis.onset, diagnosis.error_chain) == ("no_error_found", (), ())


def test_risks_accuse_no_step() -> None:
    diagnosis = diagnose_offline(run("ls", EDIT, ("pytest -q", "1 failed in 0.1s", 1), SUBMIT), run_id="r")
    assert diagnosis.findings == ()
    assert [point.step_id for point in diagnosis.decision_points] == [2, 4]
    assert all(point.citations for point in diagnosis.decision_points)
    assert "Worth a look, but no verdict" in diagnosis.summary
    assert {event.field for event in as_label_events(diagnosis, 1)} == {"run_verdict"}


REPEATED: list[Given] = [
    ("ls", "cart.py"),
    ("pip install lamp", "ERROR: no matching distribution found for lamp", 1),
    (f"{EDIT} && python cart.py", SYNTAX, 1),
    ("sed -i s/c/d/ cart.py && python cart.py", SYNTAX, 1),
    ("sed -i s/d/e/ cart.py && python cart.py", SYNTAX, 1),
]


def test_the_weightier_rule_names_the_onset_and_repetitions_make_the_chain() -> None:
    diagnosis = diagnose_offline(run(*REPEATED), run_id="r")
    assert [(one.step_id, one.verdict) for one in diagnosis.findings] == [(n, "incorrect") for n in (2, 3, 4, 5)]
    assert [(one.step_id, round(one.support, 2)) for one in diagnosis.onset] == [(4, 1), (5, 0.5), (2, 0.33), (3, 0.25)]
    assert [(link.step_id, link.follows_from) for link in diagnosis.error_chain] == [(4, ()), (5, (4,))]
    assert diagnosis.conclusion == "error_found"
    assert {event.value for event in as_label_events(diagnosis, 1) if event.field == "onset"} == {4}


def test_the_tree_that_is_at_hand_gives_the_same() -> None:
    trajectory = run(*REPEATED)
    assert _content(diagnose_offline(trajectory, run_id="r", tree=build_tree(trajectory))) == _content(
        diagnose_offline(trajectory, run_id="r")
    )


def test_an_outcome_changes_nothing() -> None:
    """The rules go by the steps alone: as a baseline beside models they must not know how it ended."""
    for path in ("mini-swe-agent/v2-parallel-failed", "swe-agent/1.x", "openhands/completion-logs"):
        trajectory = read_run(locate(SAMPLE_DATA / path)).trajectory
        blind = Trajectory(format="test", view="test", task_text=trajectory.task_text, steps=trajectory.steps)
        assert _content(diagnose_offline(blind, run_id="r")) == _content(diagnose_offline(trajectory, run_id="r"))


@pytest.mark.parametrize(
    ("path", "labels", "risks"),
    [
        ("swe-agent/1.x", {6: "unuseful"}, []),
        ("openhands/evaluation/output.jsonl#L2", {5: "unuseful"}, []),
        ("mini-swe-agent/v2-parallel-failed", {}, [8]),
        ("codex/sessions/2025", {}, [4]),
        ("mini-swe-agent/hostile-text", {4: "incorrect"}, [4]),
        ("mini-swe-agent/v1-solved", {}, []),
        ("openhands/completion-logs", {}, []),
        ("terminus2/terminal-bench/largest-file", {}, []),
    ],
)
def test_what_the_sample_runs_get(path: str, labels: dict[int, str], risks: list[int]) -> None:
    trajectory = read_run(locate(SAMPLE_DATA / path)).trajectory
    diagnosis = diagnose_offline(trajectory, run_id="r")
    _is_sound(diagnosis, trajectory)
    assert {one.step_id: one.verdict for one in diagnosis.findings} == labels
    assert [point.step_id for point in diagnosis.decision_points] == risks


def test_solved_sample_runs_are_not_accused() -> None:
    runs = [read_run(location).trajectory for location in discover(SAMPLE_DATA).locations]
    solved = [trajectory for trajectory in runs if trajectory.outcome.solved]
    assert len(solved) >= 8
    assert [one for one in solved if diagnose_offline(one, run_id="r").findings] == []


def test_every_real_run_gets_a_sound_diagnosis(real: Path) -> None:
    for location in discover(real / "trajectories").locations:
        try:
            trajectory = read_run(location).trajectory
        except CodeTracerError:
            continue  # a fixture of damage: the tests of the parsers know it
        _is_sound(diagnose_offline(trajectory, run_id="r"), trajectory)


# ---------------------------------------------------------------- any run

COMMANDS = st.sampled_from(
    (
        *(EDIT, f"{EDIT} && python cart.py", "cat cart.py", "pytest -q", "python cart.py", "git checkout cart.py"),
        *("make", "pip install lamp", "frobnicate", "ls", SUBMIT, "sleep 3", "rm cart.py", ""),
    )
)
TOLD = (
    MISSING,
    BROKEN,
    SYNTAX,
    NO_TOOL,
    "",
    " \n ",
    "1 failed in 0.3s",
    "OK",
    "\x1b[31mmake: *** [a] Error 2\x1b[0m\r\n",
)
OUTPUTS = st.none() | st.sampled_from(TOLD) | st.text()
TOOLS = st.none() | st.builds(
    ToolCall,
    name=st.sampled_from(["Edit", "str_replace_editor", "bash", "", "Write"]),
    arguments=st.text()
    | st.dictionaries(
        st.sampled_from(["command", "path", "file_path", "old_str", "new_string", "edits"]),
        st.text(max_size=3) | st.lists(st.dictionaries(st.sampled_from(["old_string", "new_string"]), st.text())),
    ),
)


@st.composite
def any_run(draw: st.DrawFn) -> Trajectory:
    steps = tuple(
        Step(
            step_id=number,
            action=draw(COMMANDS | st.text()),
            tool=draw(TOOLS),
            observation=draw(OUTPUTS),
            exit_code=draw(st.sampled_from([None, 0, 0, 1, 2, 127, -1])),
            executed=draw(st.integers(0, 9)) > 0,
            is_message=draw(st.integers(0, 9)) == 0,
            branch=draw(st.sampled_from([None, None, None, "sub"])),
        )
        for number in range(1, draw(st.integers(0, 25)) + 1)
    )
    return Trajectory(format="test", view="test", steps=steps, branches=(Branch(branch_id="sub"),))


@given(any_run())
@settings(max_examples=200, deadline=None)
def test_any_run_gets_a_sound_diagnosis_and_always_the_same(trajectory: Trajectory) -> None:
    diagnosis = diagnose_offline(trajectory, run_id="r")
    _is_sound(diagnosis, trajectory)
    assert _content(diagnosis) == _content(diagnose_offline(trajectory, run_id="r"))


def _content(diagnosis: Diagnosis) -> dict[str, object]:
    return diagnosis.model_dump(exclude={"diagnosis_id", "started_at", "finished_at"})


def _is_sound(diagnosis: Diagnosis, trajectory: Trajectory) -> None:
    """Every statement is about a step of the run, and every label has a quote that the run holds."""
    said: list[StepFinding | OnsetCandidate | ChainLink | DecisionPoint]
    said = [*diagnosis.findings, *diagnosis.onset, *diagnosis.error_chain, *diagnosis.decision_points]
    assert {one.step_id for one in said} <= set(range(1, trajectory.step_count + 1))
    assert all(finding.is_supported for finding in diagnosis.findings)
    for citation in (citation for one in said for citation in one.citations):
        assert citation.quote is not None
        assert (citation.step_id, citation.text) == (citation.quote.step_id, citation.quote.text)
        assert len(citation.text) <= LONGEST_QUOTE
        assert holds(citation.quote, trajectory)
    labelled = [finding.step_id for finding in diagnosis.findings]
    assert labelled == sorted(set(labelled))
    incorrect = {finding.step_id for finding in diagnosis.findings if finding.verdict == "incorrect"}
    assert {candidate.step_id for candidate in diagnosis.onset} <= incorrect
    assert bool(diagnosis.onset) == bool(incorrect) == (diagnosis.conclusion == "error_found")
    assert validate_stages(diagnosis.stages, trajectory.step_count) == []
    as_label_events(diagnosis, 1)
