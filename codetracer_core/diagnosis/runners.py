"""What test runners say at the end of their output, found in an observation."""

import re
from dataclasses import dataclass

from codetracer_core.diagnosis.visible import as_read

# One line each, as the runners write it. Lengths are limited: output is hostile, and a search must stay linear.
_SUMMARIES = re.compile(
    r"^(?:"
    # pytest, SymPy's bin/test
    r"=+ .{0,300}\b\d+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed)\b.{0,300}=+"
    r"|=+ no tests (?:ran|collected) .{0,300}=+"
    r"|\d+ (?:passed|failed|errors?)\b[\w, ]* in [\d.]+ ?s(?:econds)?\b.{0,300}"  # pytest -q
    r"|(?:OK|FAILED) \((?:(?:failures|errors|skipped|expected failures|unexpected successes)=\d+(?:, )?)+\)"  # unittest
    r"|OK|FAILED|NO TESTS RAN"
    r"|(?:ok|FAIL)[ \t]+[\w./-]+[ \t]+(?:[\d.]+s|\(cached\)|\[[^\]]+\]).{0,300}"  # go test, a line per package
    r"|test result: (?:ok|FAILED)\. .{0,300}"  # cargo test
    r"|Tests: +.{0,300}\d+ total"  # Jest
    r"|[ \t]*(?:Tests|Test Files)  +.{0,300}\b\d+ (?:passed|failed)\b.{0,300}"  # Vitest
    r"|[ \t]*\d+ (?:passing|failing)\b(?: \(.{0,300}\))?"  # Mocha
    r"|.{0,300}Tests run: \d+, Failures: \d+.{0,300}"  # Maven, JUnit
    r"|OK \(\d+ tests?, .{0,300}\)|Tests: \d+, Assertions: .{0,300}"  # PHPUnit
    r"|\d+ examples?, \d+ failures?.{0,300}"  # RSpec
    r"|\d+% tests passed, \d+ tests? failed out of \d+"  # CTest
    r"|# (?:pass|fail) +\d+"  # node --test, TAP
    r")[ \t]*$",
    re.MULTILINE,
)
_BAD = re.compile(
    r"\b[1-9]\d* (?:failed|failing|failures?|errors?|tests? failed)\b|\b(?:failures|errors|unexpected successes)=[1-9]"
    r"|\b(?:Failures|Errors): [1-9]|^(?:FAILED|FAIL)\b|result: FAILED|^# fail +[1-9]"
)
_GOOD = re.compile(
    r"\b[1-9]\d* (?:passed|passing)\b|^(?:OK|ok)\b|result: ok\b|^# pass +[1-9]|Tests run: [1-9]|, 0 failures|100% tests"
)
# These two words alone are a verdict only below unittest's line of dashes.
_BARE = frozenset({"OK", "FAILED", "NO TESTS RAN"})
_RAN = re.compile(r"^Ran \d+ tests? in [\d.]+s\s+\Z", re.MULTILINE)
_RAISED = re.compile(r"^[\w.]{0,200}(?:Error|Exception|Interrupt|Exit)\b(?::.*)?$", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class TestSummary:
    """The sentence that tells how the tests went: the last one that tells of a failure, else the last one."""

    __test__ = False  # not a pytest class

    line: str
    passed: bool | None
    """None: it says neither (everything skipped, no tests)."""
    start: int
    """Where the line begins in the stored observation …"""
    end: int
    """… and where it ends, exclusive."""


def summary_of_tests(observation: str) -> TestSummary | None:
    """How a test runner summed up; None if this output holds no such sentence."""
    view = as_read(observation)
    found = [match for match in _SUMMARIES.finditer(view.text) if _is_verdict(match, view.text)]
    if not found:
        return None
    last = next((match for match in reversed(found) if _BAD.search(match[0])), found[-1])
    passed = False if _BAD.search(last[0]) else True if _GOOD.search(last[0]) else None
    start, end = view.place(last.start(), last.end())
    return TestSummary(last[0].strip(), passed, start, end)


def raised(observation: str) -> str | None:
    """The last line of a Python traceback: the exception and what it says; None without a traceback."""
    text = as_read(observation).text
    at = text.rfind(_TRACEBACK)
    if at < 0:
        return None
    found = _RAISED.search(text, at)
    return found[0] if found else _TRACEBACK


def _is_verdict(match: re.Match[str], text: str) -> bool:
    if match[0].strip() not in _BARE:
        return True
    return bool(_RAN.search(text[max(0, match.start() - 200) : match.start()]))
