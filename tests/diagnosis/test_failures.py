import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.actions import classify
from codetracer_core.diagnosis import failures
from codetracer_core.diagnosis.failures import LONGEST_LINE, TAIL, TestRun, failure_of, is_exception
from codetracer_core.models import Step

REFUSED_EDIT = "Your proposed edit has introduced new syntax error(s)."
NO_REPLACEMENT = "No replacement was performed, old_str `a` failed."
TRACEBACK = "Traceback (most recent call last):\n  File 'a.py', line 1\nValueError: no price"


def step(action: str, observation: str | None, code: int | None = None, *, executed: bool = True) -> Step:
    return Step(step_id=1, action=action, observation=observation, exit_code=code, executed=executed)


def outcome(taken: Step) -> TestRun | None:
    return failures.tests_of(taken, classify(taken))


def failure(
    action: str, observation: str | None, code: int | None = None, *, executed: bool = True
) -> tuple[str, str] | None:
    """Kind and line of a failure; what the line says must stand in the observation."""
    taken = step(action, observation, code, executed=executed)
    found = failure_of(taken, classify(taken))
    if found is None:
        return None
    quoted = (observation or "")[found.line.start : found.line.end]
    assert len(quoted) <= LONGEST_LINE
    return found.kind, quoted


@pytest.mark.parametrize(
    ("action", "observation", "code", "expected"),
    [
        ("make", "cc a.c\nmake: *** [all] Error 2\n", 2, ("exit code", "make: *** [all] Error 2")),
        ("make", "<returncode>2</returncode>\n<output>\nstop\n</output>", 2, ("exit code", "stop")),
        ("make", "", 2, ("exit code", "")),
        ("make", None, 2, ("exit code", "")),
        ("make", "fatal error: no a.h\ncompilation terminated.", 1, ("exit code", "fatal error: no a.h")),
        ("make", "\x1b[31mERROR: it broke\x1b[0m\nExit Code: 1", 1, ("exit code", "\x1b[31mERROR: it broke\x1b[0m")),
        ("frob", "bash: line 1: frob: command not found", 127, ("not found", "bash: line 1: frob: command not found")),
        ("frob", "/bin/sh: 1: frob: not found", None, ("not found", "/bin/sh: 1: frob: not found")),
        ("./a.sh", "bash: ./a.sh: Permission denied", None, ("error", "bash: ./a.sh: Permission denied")),
        ("python a.py", TRACEBACK, None, ("error", "ValueError: no price")),
        ("python -c 'f()'", TRACEBACK, 1, ("exit code", "ValueError: no price")),
        ("cat a", "cat: a: No such file or directory", 2, ("exit code", "cat: a: No such file or directory")),
        ("edit 1:2", f"{REFUSED_EDIT}\nE999 at line 2", None, ("refused", REFUSED_EDIT)),
        ("x", f"ERROR:\n{NO_REPLACEMENT}", None, ("refused", NO_REPLACEMENT)),
    ],
)
def test_failures_and_the_line_that_tells_them(
    action: str, observation: str | None, code: int | None, expected: tuple[str, str]
) -> None:
    assert failure(action, observation, code) == expected


@pytest.mark.parametrize(
    ("action", "observation", "code"),
    [
        ("make", "warning: error: fatal: it says so and goes on", 0),  # the exit code is believed
        ("make", "error: something failed", None),  # words alone are no failure
        ("grep -rn Error .", "a.py:1: raise ValueError", None),
        ("cat log", "ValueError: no price", None),  # an old traceback in a file that is read, without its head
        ("grep x a", "", 1),
        ("diff a b", "1c1\n< error\n---\n> x", 1),
        ("python slow.py", "...", -1),
        ("timeout 5 python slow.py", "Terminated", 124),
        ("python slow.py", "KeyboardInterrupt", 130),
        ("submit", "error: nothing to submit", 1),
    ],
)
def test_what_is_no_failure(action: str, observation: str, code: int | None) -> None:
    assert failure(action, observation, code) is None


def test_what_was_not_executed_was_refused() -> None:
    assert failure("ls", "Please send one action.\nNot two.", executed=False) == ("refused", "Please send one action.")
    assert failure("ls", None, executed=False) == ("refused", "")


@pytest.mark.parametrize(
    ("action", "observation", "code", "passed"),
    [
        ("pytest -q", "..\n2 passed in 0.31s\n", None, True),
        ("pytest", "=== 6 failed, 63 passed, 3 skipped in 2.05s ===\n\n</output_tail>", 1, False),
        ("pytest", "\x1b[32m\x1b[1m21 passed\x1b[0m\x1b[32m in 0.05s\x1b[0m", 0, True),
        ("pytest | tail -3", "1 failed, 2 passed in 61.2s (0:01:01)", 0, False),
        ("pytest", "2 passed, 1 xfailed, 3 warnings in 1.0s", None, True),
        ("pytest -q", "1 error in 0.2s", 2, False),
        ("python test_it.py", "Ran 3 tests in 0.1s\n\nOK", 0, True),
        ("python test_it.py", "Ran 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)", 1, False),
        ("bin/test x", "= tests finished: 90 passed, 2 expected to fail, 2 exceptions, in 4.17 seconds =", 1, False),
        ("bin/test x", "= tests finished: 90 passed, 2 expected to fail, in 4.17 seconds =", 0, True),
        ("cargo test", "test result: FAILED. 3 passed; 1 failed; 0 ignored", 101, False),
        ("cargo test", "test result: ok. 3 passed; 0 failed; 0 ignored", 0, True),
        ("go test ./...", "ok  \tex.org/a\t0.012s\nok  \tex.org/b\t0.010s", 0, True),
        ("go test ./...", "--- FAIL: TestA\nFAIL\tex.org/a\t0.012s\nFAIL", 1, False),
        ("npx jest", "Tests:       1 failed, 3 passed, 4 total\nTime: 1 s", 1, False),
        ("npx mocha", "  3 passing (12ms)", 0, True),
        ("pytest -x", "no summary", 1, False),
        ("pytest -x", "no summary", 0, True),
    ],
)
def test_how_tests_ended(action: str, observation: str, code: int | None, passed: bool) -> None:
    taken = step(action, observation, code)
    found = outcome(taken)
    assert found is not None
    assert found.passed is passed
    assert observation[found.line.start : found.line.end].strip()


@pytest.mark.parametrize(
    ("action", "observation", "code"),
    [
        ("cat report.txt", "2 passed in 0.31s", 0),  # read, not run
        ("pytest -q", "..", -1),  # stopped by a time limit
        ("pytest -q", "no tests ran in 0.01s", 5),
        ("pytest --version", "pytest 9.0", 0),
        ("python a.py", "I passed 2 tests in all", 0),
        ("ruff check", "Found 1 error.", 1),
    ],
)
def test_what_does_not_tell_of_tests(action: str, observation: str, code: int | None) -> None:
    taken = step(action, observation, code)
    assert outcome(taken) is None


def test_the_last_summary_counts() -> None:
    taken = step("pytest a; pytest b", "1 failed in 0.2s\n3 passed in 0.1s")
    found = outcome(taken)
    assert found is not None
    assert found.line.text == "3 passed in 0.1s"


@pytest.mark.parametrize(("line", "expected"), [("ValueError: x", True), ("a.b.MyError", True), ("Errors: 3", False)])
def test_exceptions(line: str, expected: bool) -> None:
    assert is_exception(line) is expected


@given(st.text(), st.text(), st.none() | st.integers(-1, 255), st.booleans())
def test_places_are_those_of_the_text(action: str, observation: str, code: int | None, executed: bool) -> None:
    taken = step(action, "padding " * (TAIL // 8) + "\n" + observation, code, executed=executed)
    for found in (failure_of(taken, classify(taken)), outcome(taken)):
        if found is not None and found.line.end:
            assert (taken.observation or "")[found.line.start : found.line.end].strip()


PIECES = ("1 a1 ", "12 ab34 cd, ", "\x1b]", "bash: ", "aA", "= ", "1 passed, ", "Error: ", " \t")


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_is_read(piece: str) -> None:
    """A pattern that looks for one line in exponentially many ways would never end here."""
    taken = step("pytest", (piece * LONGEST_LINE + "\n") * 20 + piece * LONGEST_LINE)
    assert failure_of(taken, classify(taken)) is None
    assert outcome(taken) is None
