"""What a step itself says of failure: its exit code, the words of a shell, a refusal, the summary of a test run.

Everything here is read conservatively: a word like "error" somewhere in a text is no failure, and where the files tell
an exit code, that code is believed. Places are offsets into the stored observation, so they can be quoted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from codetracer_core.actions import Decision
from codetracer_core.models import Step
from codetracer_core.parsers import strip_ansi

TAIL = 6_000
"""How many characters at the end of an observation are looked at: what a failed command says last."""
LONGEST_LINE = 400

FailureKind = Literal["refused", "not found", "exit code", "error"]
"""*refused*: the tool or the environment did not do it at all; *not found*: the shell knows no such command;
*exit code*: the files say that it ended with one that means failure; *error*: its text ends with one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an observation: its place, and its text as a terminal shows it. Empty: there is none to quote."""

    start: int = 0
    end: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    kind: FailureKind
    line: Line


@dataclass(frozen=True, slots=True)
class TestRun:
    """Tests that ran, whether all of them passed, and the line that says so."""

    __test__ = False  # not a pytest class

    passed: bool
    line: Line


_REFUSAL = re.compile(
    r"(?:<tool_use_error>|(?:ERROR:\s*)?No replacement was performed|ERROR:\s*Invalid `"
    r"|\[?Your proposed edit has introduced|Failed to edit, |Error: No such tool|\[Operation Cancelled\])"
)
_SHELL_ERROR = re.compile(
    r"(?:/\S+/)?(?:ba|z|da|k|a)?sh: .*(?:not found|No such file or directory|Permission denied|Is a directory"
    r"|[Ss]yntax error.*|unexpected .*)"
)
_NOT_FOUND = re.compile(r"(?:/\S+/)?(?:ba|z|da|k|a)?sh: (?:(?:eval: )?(?:line )?\d+: )?.*: (?:command )?not found")
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|NotFound|Failure)(?::.*)?"
)
_COMPLAINT = re.compile(
    r"\b(?:error|fatal|failed|failure|cannot|can't|not found|no such|denied|unable|invalid|undefined|unrecognized)\b"
    r"|Error\b|Exception\b|\*\*\* \[",
    re.IGNORECASE,
)
# What wraps an observation says nothing of its own.
_WRAPPING = re.compile(
    r"</?(?:returncode|output|output_head|output_tail|warning|tool_use_error)>|<returncode>.*</returncode>"
    r"|Exit [Cc]ode:? -?\d+|Process Group PGID: \d+|\[The command completed with exit code .*|\W*"
)
_NO_FAILURE = frozenset({124, 130, 137, 143})
"""Exit codes of what was stopped from outside: by a time limit, by Ctrl-C, by a signal."""
_ONE_MEANS_NOTHING_FOUND = frozenset({"read", "search", "shell", "wait", "network", "plan"})


def failure_of(step: Step, decision: Decision) -> Failure | None:
    """How the step failed; None: it did not, or its files do not say so. Whether tests failed: see ``tests_of``."""
    text = step.observation or ""
    if not step.executed:
        return Failure("refused", next(_lines(text[:TAIL]), Line()))
    if step.is_message or decision.purpose in ("submit", "message", "plan"):
        return None
    if _REFUSAL.match(text):
        return Failure("refused", _told(text[:TAIL]))
    code = step.exit_code
    if code == 0 or (code is not None and (code < 0 or code in _NO_FAILURE)):
        return None
    lines = list(_lines(text[-TAIL:], max(0, len(text) - TAIL)))
    last = lines[-1] if lines else Line()
    if _NOT_FOUND.fullmatch(last.text):
        return Failure("not found", last)
    is_traceback = is_exception(last.text) and "Traceback (most recent call last)" in text
    if code is None:
        return Failure("error", last) if is_traceback or _SHELL_ERROR.fullmatch(last.text) else None
    told = next((line for line in reversed(lines) if _COMPLAINT.search(line.text)), None)
    looks = decision.kind == "explore" and (told is None or decision.purpose in _ONE_MEANS_NOTHING_FOUND)
    if code == 1 and looks and not is_traceback:
        return None  # grep that finds nothing, diff that finds a difference
    return Failure("exit code", told or last)


def is_exception(line: str) -> bool:
    """Whether a line is the last one of a Python traceback: the name of an exception, and what it says."""
    return _EXCEPTION.fullmatch(line) is not None


def _told(text: str) -> Line:
    """The first line that complains; where none does, the first one."""
    lines = list(_lines(text))
    complaints = (line for line in lines if _COMPLAINT.search(line.text) and line.text != "ERROR:")
    return next(complaints, lines[0] if lines else Line())


def _lines(text: str, offset: int = 0) -> Iterator[Line]:
    """The lines that say something, in order."""
    start = 0
    for whole in text.splitlines(keepends=True):
        shown = strip_ansi(whole[:LONGEST_LINE]).strip()
        if shown and not _WRAPPING.fullmatch(shown):
            blank = len(whole) - len(whole.lstrip())
            length = len(whole[:LONGEST_LINE].rstrip())
            if length > blank:
                yield Line(offset + start + blank, offset + start + length, shown)
        start += len(whole)


# ---------------------------------------------------------------- tests

_PYTEST = re.compile(r"=*\s*\d+ \w+(?:, \d+ \w+)* in [\d.:]+ ?s.*")
_SUMMARY = re.compile(
    r"(?P<ok>OK(?: \(.*\))?|test result: ok\..*|ok\s+\S+\s+(?:\([^)]*\)|[\d.]+s).*|\d+ passing(?: \(.*\))?)"
    r"|(?P<bad>FAILED \((?:failures|errors|unexpected).*|test result: FAILED\..*|FAIL\s+\S+(?:\s+[\d.]+s)?|\d+ failing)"
    r"|(?P<counts>Tests:\s+\d.*|=*\s*tests finished: .*)"
)
_SOME_FAILED = re.compile(r"\b[1-9]\d* (?:failed|errors?|exceptions?|failing)\b")
_SOME_RAN = re.compile(r"\b[1-9]\d* (?:failed|passed|errors?|exceptions?|xfailed|xpassed)\b")


def tests_of(step: Step, decision: Decision) -> TestRun | None:
    """The tests that the step ran; None: it ran none, or does not say how they ended.

    The summary lines of pytest, unittest, SymPy, go test, cargo test, jest and mocha are known; of a test runner
    without one, exit code 0 means passed and 1 failed.
    """
    if not step.executed or decision.purpose not in ("test", "run", "edit", "build", "version control", "output"):
        return None
    text = step.observation or ""
    last = None
    for line in reversed(list(_lines(text[-TAIL:], max(0, len(text) - TAIL)))):
        last = last or line
        if _PYTEST.fullmatch(line.text) and _SOME_RAN.search(line.text):
            return TestRun(not _SOME_FAILED.search(line.text), line)
        if (found := _SUMMARY.fullmatch(line.text)) is not None:
            return TestRun(not (found["bad"] or (found["counts"] and _SOME_FAILED.search(line.text))), line)
    if decision.purpose == "test" and decision.reason.startswith("runs tests") and step.exit_code in (0, 1):
        return TestRun(step.exit_code == 0, last or Line())
    return None
