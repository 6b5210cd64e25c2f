"""Rules on changes: those that failed, did not help, were taken back, or were made blindly."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codetracer_core.actions import Decision, Purpose
from codetracer_core.diagnosis.failures import Failure, is_exception
from codetracer_core.diagnosis.rules.facts import Act, Facts, Hit
from codetracer_core.models import Step

LEAST_ERROR = 20
"""Characters of an error line that is told apart from others by its words."""


def same_errors(facts: Facts) -> Iterator[Hit]:
    """A change that was to repair a failure, after which the same error is back.

    Either a step that changes something fails with the same error as the change before it; or a program
    fails, files are edited, and it fails with the same error: then the last edit is what did not help. An edit that
    adds output is none of these: it is to find the cause, not to repair it.
    """
    yield from _same_error_in_one(facts)
    latest: dict[Act, int] = {}
    for at, act in enumerate(facts.acts):
        if not act.text or not facts.steps[at].executed:
            continue
        before, latest[act] = latest.get(act), at
        if before is None or not _runs_a_program(facts, at) or not _same_error(facts, before, at):
            continue
        edits = [index for index in range(before + 1, at) if _is_edit(facts, index, act.branch)]
        if edits and not _ADDS_OUTPUT.search(facts.steps[edits[-1]].action):
            yield Hit(
                edits[-1] + 1,
                f"After it step {at + 1} fails with the same error as step {before + 1}: it did not repair it.",
                (facts.action(edits[-1]), *facts.failure_line(at), *facts.failure_line(before)),
                (before + 1,),
            )


def _same_error_in_one(facts: Facts) -> Iterator[Hit]:
    latest: dict[str | None, int] = {}
    for at, failure in enumerate(facts.failures):
        decision, branch = facts.decisions[at], facts.steps[at].branch
        if decision.kind != "change" or decision.purpose not in _LASTING:
            continue
        before = latest.pop(branch, None)
        if failure is None or failure.kind == "refused":
            continue
        latest[branch] = at
        if before is not None and facts.acts[before] != facts.acts[at] and _same_error(facts, before, at):
            yield Hit(
                at + 1,
                f"It changes something and ends with the same error as step {before + 1}.",
                (*facts.failure_line(at), *facts.failure_line(before)),
                (before + 1,),
            )


def _same_error(facts: Facts, before: int, at: int) -> bool:
    """Whether both steps failed and say so in the same words."""
    first, again = facts.failures[before], facts.failures[at]
    if first is None or again is None or again.kind == "refused":
        return False
    return first.line.text == again.line.text and len(again.line.text) >= LEAST_ERROR


def _runs_a_program(facts: Facts, at: int) -> bool:
    failure = facts.failures[at]
    return facts.decisions[at].purpose in ("run", "test", "build") or bool(failure and is_exception(failure.line.text))


_ADDS_OUTPUT = re.compile(r"print|console\.log|debug|logg", re.IGNORECASE)


def _is_edit(facts: Facts, at: int, branch: str | None) -> bool:
    decision, step = facts.decisions[at], facts.steps[at]
    return decision.purpose == "edit" and decision.kind == "change" and step.branch == branch and not facts.failures[at]


def failed_edits(facts: Facts) -> Iterator[Hit]:
    """A command that was to edit files or install something, and ended with an error.

    Where an edit also runs a program (a script that was just written, say), the error may be what was to be seen: then
    only an error of syntax counts.
    """
    for at, failure in _failed(facts, "edit", "install"):
        if _is_its_own(failure, facts.decisions[at]) or _SYNTAX.match(failure.line.text):
            yield Hit(
                at + 1,
                "It was to edit or install something, and ended with an error.",
                (*facts.failure_line(at), facts.action(at)),
            )


def _is_its_own(failure: Failure, decision: Decision) -> bool:
    """Whether the change itself failed, and not a program that the same action also runs."""
    runs_more = _RUNS_MORE.search(decision.reason) or is_exception(failure.line.text)
    return decision.purpose != "edit" or not runs_more


_RUNS_MORE = re.compile(r"\bruns |; and \d+ more$")
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")


def failed_builds(facts: Facts) -> Iterator[Hit]:
    """A build, or a command of version control, that ended with an error."""
    for at, _ in _failed(facts, "build", "version control"):
        yield Hit(at + 1, "It ended with an error.", (*facts.failure_line(at), facts.action(at)))


def _failed(facts: Facts, *purposes: Purpose) -> Iterator[tuple[int, Failure]]:
    """The steps for one of these purposes that failed; not those that were refused, which did nothing at all."""
    for at, failure in enumerate(facts.failures):
        decision = facts.decisions[at]
        meant = decision.kind == "change" and decision.purpose in purposes
        if meant and failure and failure.kind != "refused":
            yield at, failure


_LASTING = frozenset({"edit", "install", "build", "version control"})


def ignored_errors(facts: Facts) -> Iterator[Hit]:
    """A change that failed, and the work goes on to its end with nothing that could have made it good: no later step
    names its files, or, if it was no edit, is for the same purpose."""
    if facts.end is None:
        return
    for at, failure in enumerate(facts.failures):
        decision = facts.decisions[at]
        lasting = decision.kind == "change" and decision.purpose in _LASTING and decision.targets
        if not failure or not lasting or not _is_its_own(failure, decision):
            continue
        wanted = {_name(target) for target in decision.targets}
        later = range(at + 1, facts.end)
        redone = any(
            wanted & {_name(target) for target in facts.decisions[index].targets}
            or (decision.purpose != "edit" and facts.decisions[index].purpose == decision.purpose)
            for index in later
        )
        if not redone and any(facts.is_work(index) for index in later):
            yield Hit(
                at + 1,
                "It failed, nothing later touches what it was to change, and the work was handed in.",
                (*facts.failure_line(at), facts.action(at)),
            )


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


# ---------------------------------------------------------------- edits of one file


def edits_taken_back(facts: Facts) -> Iterator[Hit]:
    """An edit after which something failed, and nothing worked until a later step took it back: an undo, a checkout or
    restore of the file, or the inverse replacement."""
    edited: dict[str, int] = {}
    replaced: dict[tuple[str, str, str], int] = {}
    for at, decision in enumerate(facts.decisions):
        if facts.failures[at] is not None or decision.kind != "change":
            continue
        for path, old, new in _replacements(facts.steps[at]):
            if (edit := replaced.pop((_name(path), new, old), None)) is not None:
                yield from _taken_back(facts, edit, at)
            replaced[_name(path), old, new] = at
        takes_back = _TAKES_BACK.search(decision.reason) is not None
        for name in map(_name, decision.targets):
            if takes_back and (edit := edited.pop(name, None)) is not None:
                yield from _taken_back(facts, edit, at)
            elif decision.purpose == "edit" and not takes_back:
                edited[name] = at


_TAKES_BACK = re.compile(r"takes back an edit|git (?:checkout|restore)\b(?! --staged)")


def _taken_back(facts: Facts, edit: int, at: int) -> Iterator[Hit]:
    checks = [index for index in range(edit, at) if facts.decisions[index].purpose in ("test", "run", "build")]
    broken = [index for index in checks if facts.failures[index] or _fails_tests(facts, index)]
    if broken and broken == checks:
        yield Hit(
            edit + 1,
            f"After it step {broken[0] + 1} fails, and step {at + 1} takes it back.",
            (facts.action(edit), *facts.failure_line(broken[0]), facts.action(at)),
        )


def _fails_tests(facts: Facts, at: int) -> bool:
    tests = facts.tests[at]
    return tests is not None and not tests.passed


def _replacements(step: Step) -> Iterator[tuple[str, str, str]]:
    """Path, old text and new text of each replacement in a call of an editor."""
    arguments = step.tool.arguments if step.tool else None
    if isinstance(arguments, Mapping):
        path = _text(arguments, "path", "file_path") or ""
        for old, new in _old_and_new(arguments):
            if old and new and old != new:
                yield path, old, new


def _old_and_new(arguments: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None]]:
    """The texts of one replacement, or of several in one call; None: not told."""
    several = arguments.get("edits")
    for one in several if isinstance(several, list) else [arguments]:
        if isinstance(one, Mapping):
            yield _text(one, "old_str", "old_string"), _text(one, "new_str", "new_string")


def _text(arguments: Mapping[str, Any], *keys: str) -> str | None:
    return next((arguments[key] for key in keys if isinstance(arguments.get(key), str)), None)


def edits_of_unseen_files(facts: Facts) -> Iterator[Hit]:
    """An edit inside a file whose name nothing had shown before: no action, no output, not the task."""
    told = [facts.trajectory.task_text or ""]
    seen: set[str] = set()
    for at, (step, decision) in enumerate(zip(facts.steps, facts.decisions, strict=True)):
        if decision.purpose == "edit" and _EDITS_INSIDE.match(decision.reason) and not _creates(step):
            for name in map(_name, decision.targets):
                if _PLAIN_NAME.fullmatch(name) and name not in seen and not any(name in text for text in told):
                    yield Hit(at + 1, "It edits a file that nothing in the run had shown before.", (facts.action(at),))
        seen.update(map(_name, decision.targets))
        told += (step.action, step.observation or "")


_EDITS_INSIDE = re.compile(r"(?:sed -i )?edits (?!the open file)")
_PLAIN_NAME = re.compile(r"[^$`*?{}()\s]+")
"""No variable, pattern or command stands in it: what those name is not seen."""


def _creates(step: Step) -> bool:
    """Whether a call of an editor replaces nothing, which creates the file."""
    arguments = step.tool.arguments if step.tool else None
    return isinstance(arguments, Mapping) and any(old == "" for old, _ in _old_and_new(arguments))
