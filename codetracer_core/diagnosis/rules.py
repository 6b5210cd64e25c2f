"""The offline rules: each one a small function that looks for one thing in a run, and says where the run shows it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from codetracer_core.actions import Decision, Purpose
from codetracer_core.diagnosis.failures import Failure, Line, TestRun, failure_of, tests_of
from codetracer_core.models import DeviationType, Step, Trajectory
from codetracer_core.parsers import strip_ansi

Says = Literal["incorrect", "unuseful", "risk"]
"""What a hit means: a verdict on its step, or only a *risk*, which accuses no step."""


@dataclass(frozen=True, slots=True)
class Place:
    """Text of a step that shows something: the field and the characters, as in ``EvidenceQuote``."""

    step_id: int
    field: Literal["action", "observation"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule applies. ``reasoning`` is a sentence in words of our own; what the run says is in ``places``."""

    step_id: int
    reasoning: str
    places: tuple[Place, ...]
    follows: tuple[int, ...] = ()
    """Earlier steps that this one repeats or leaves unrepaired."""


class Act(NamedTuple):
    """What makes two actions the same: who acts, with which tool, and the text of the action."""

    branch: str | None
    tool: str
    text: str


@dataclass(frozen=True)
class Facts:
    """A run as the rules see it, one entry per step in each tuple."""

    trajectory: Trajectory
    decisions: Sequence[Decision]

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.trajectory.steps

    @cached_property
    def failures(self) -> tuple[Failure | None, ...]:
        return tuple(failure_of(*pair) for pair in zip(self.steps, self.decisions, strict=True))

    @cached_property
    def tests(self) -> tuple[TestRun | None, ...]:
        return tuple(tests_of(*pair) for pair in zip(self.steps, self.decisions, strict=True))

    @cached_property
    def changes(self) -> tuple[int, ...]:
        """How many steps up to and with this one may have changed something; what was refused changed nothing."""
        counts, count = [], 0
        for decision, failure in zip(self.decisions, self.failures, strict=True):
            count += decision.kind == "change" and not (failure and failure.kind in ("refused", "not found"))
            counts.append(count)
        return tuple(counts)

    @cached_property
    def acts(self) -> tuple[Act, ...]:
        return tuple(Act(step.branch, step.tool.name if step.tool else "", step.action.strip()) for step in self.steps)

    @cached_property
    def end(self) -> int | None:
        """Index of the step that hands the work in, or of a message that closes the run; None: the run was cut off."""
        for at in range(len(self.steps) - 1, -1, -1):
            if self.decisions[at].purpose == "submit":
                return at
        last = len(self.steps) - 1
        return last if last >= 0 and self.steps[last].is_message and self.steps[last].branch is None else None

    def action(self, at: int) -> Place:
        """The first line of an action, to be quoted."""
        text = self.steps[at].action
        start = len(text) - len(text.lstrip())
        end = text.find("\n", start)
        return Place(at + 1, "action", start, len(text) if end < 0 else end)

    def line(self, at: int, line: Line) -> tuple[Place, ...]:
        return (Place(at + 1, "observation", line.start, line.end),) if line.end else ()

    def failure_line(self, at: int) -> tuple[Place, ...]:
        failure = self.failures[at]
        return self.line(at, failure.line) if failure else ()

    def is_work(self, at: int) -> bool:
        """Whether the step does something: no message, notes, waiting, or moving about in the shell."""
        return self.steps[at].executed and self.decisions[at].purpose not in _NO_WORK


_NO_WORK = frozenset({"message", "plan", "wait", "shell", "submit"})


@dataclass(frozen=True, slots=True)
class Rule:
    """``title`` names what it finds (plural, for summaries), ``instead`` what should have been done."""

    name: str
    title: str
    says: Says
    weight: int
    """How much it tells of where the run went wrong; ranks candidates for the onset."""
    instead: str
    find: Callable[[Facts], Iterator[Hit]]
    deviation: DeviationType | None = None


_DURATION = re.compile(r"\d+(?:\.\d+)?(?= ?(?:ms|s|sec|secs|seconds)\b)|\d+:\d\d:\d\d(?:\.\d+)?")


def _said(step: Step) -> str | None:
    """What came back, without colours, and with durations and times of day made equal."""
    return None if step.observation is None else _DURATION.sub("0", strip_ansi(step.observation)).strip()


# ---------------------------------------------------------------- no new evidence


def repeated_looks(facts: Facts) -> Iterator[Hit]:
    """The same reading, searching or test run as before, with the same result, and nothing changed in between."""
    for at, before in _same_acts(facts):
        decision = facts.decisions[at]
        same = decision.kind == "explore" and facts.is_work(at) and facts.changes[at] == facts.changes[before]
        if same and facts.failures[at] is None and _same_result(facts, at, before):
            yield Hit(
                at + 1,
                f"It does what step {before + 1} did and gets the same result; nothing was changed in between.",
                (facts.action(at), facts.action(before)),
                (before + 1,),
            )


def repeated_failures(facts: Facts) -> Iterator[Hit]:
    """The same action fails again with the same words, and nothing else was changed in between."""
    for at, before in _same_acts(facts):
        own = facts.decisions[at].kind == "change" and facts.changes[at] > facts.changes[at - 1]
        same = facts.failures[at] and facts.failures[before] and facts.changes[at] - own == facts.changes[before]
        if same and _same_result(facts, at, before):
            yield Hit(
                at + 1,
                f"It failed at step {before + 1} and fails again in the same way; nothing was changed in between.",
                (*facts.failure_line(at), *facts.failure_line(before), facts.action(at)),
                (before + 1,),
            )


def _same_acts(facts: Facts) -> Iterator[tuple[int, int]]:
    """Each step whose action was taken before, with the latest time before it."""
    latest: dict[Act, int] = {}
    for at, act in enumerate(facts.acts):
        if act.text and act in latest:
            yield at, latest[act]
        latest[act] = at


def _same_result(facts: Facts, at: int, before: int) -> bool:
    result = _said(facts.steps[at])
    return result is not None and result == _said(facts.steps[before])


def repeated_refusals(facts: Facts) -> Iterator[Hit]:
    """A call that the environment refuses for the same reason as the call before it."""
    previous: dict[str | None, tuple[int, tuple[str, ...]]] = {}
    for at, (step, failure) in enumerate(zip(facts.steps, facts.failures, strict=True)):
        if failure is None or failure.kind not in ("refused", "not found"):
            if facts.is_work(at):
                previous.pop(step.branch, None)
            continue
        reason = (failure.line.text, *facts.decisions[at].targets)
        before = previous.get(step.branch)
        if before and reason[0] and before[1] == reason:
            yield Hit(
                at + 1,
                f"It is refused for the same reason as step {before[0] + 1}.",
                (*facts.failure_line(at), *facts.failure_line(before[0])),
                (before[0] + 1,),
            )
        previous[step.branch] = (at, reason)


ROUNDS = 3
LONGEST_ROUND = 4


def loops(facts: Facts) -> Iterator[Hit]:
    """A row of up to four actions that goes round at least three times with the same results: the third round on."""
    acts = facts.acts
    for length in range(1, LONGEST_ROUND + 1):
        run = 0
        for at in range(length, len(acts)):
            idle = facts.decisions[at].purpose in ("message", "submit", "wait", "plan")
            same = acts[at] == acts[at - length] and bool(acts[at].text) and not idle
            run = run + 1 if same and _same_result(facts, at, at - length) else 0
            if run > (ROUNDS - 2) * length and len(set(acts[at - length + 1 : at + 1])) == length:
                yield Hit(
                    at + 1,
                    f"It goes round in circles: the same {length} action{'s' * (length > 1)} for the "
                    f"{run // length + 1 + (run % length > 0)}th time, with the same results.",
                    (facts.action(at), facts.action(at - length)),
                    (at - length + 1,),
                )


# ---------------------------------------------------------------- changes that do not work


LEAST_ERROR = 20
"""Characters of an error line that is told apart from others by its words."""


def same_errors(facts: Facts) -> Iterator[Hit]:
    """A change that was to repair a failure, after which the same error is back.

    Either a step that changes something fails with the same error as the change before it; or a command fails, files
    are edited, and the same command fails with the same error: then the last edit is what did not help.
    """
    yield from _same_error_in_one(facts)
    latest: dict[Act, int] = {}
    for at, act in enumerate(facts.acts):
        if not act.text or not facts.steps[at].executed:
            continue
        before, latest[act] = latest.get(act), at
        if before is None or not _same_error(facts, before, at):
            continue
        edits = [index for index in range(before + 1, at) if _is_edit(facts, index, act.branch)]
        if edits:
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
    """Whether both steps failed, tests apart, and say so in the same words."""
    first, again = facts.failures[before], facts.failures[at]
    if first is None or again is None or facts.tests[before] or facts.tests[at] or again.kind == "refused":
        return False
    return first.line.text == again.line.text and len(again.line.text) >= LEAST_ERROR


def _is_edit(facts: Facts, at: int, branch: str | None) -> bool:
    decision, step = facts.decisions[at], facts.steps[at]
    return decision.purpose == "edit" and decision.kind == "change" and step.branch == branch and not facts.failures[at]


def failed_edits(facts: Facts) -> Iterator[Hit]:
    """A command that was to edit files or install something, and ended with an error.

    Where it also runs a program (a script that was just written, say), the error may be what was to be seen: then only
    an error of syntax counts.
    """
    for at, failure in _failed(facts, "edit", "install"):
        if "runs " not in facts.decisions[at].reason or _SYNTAX.match(failure.line.text):
            yield Hit(
                at + 1,
                "It was to edit or install something, and ended with an error.",
                (*facts.failure_line(at), facts.action(at)),
            )


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
        if meant and failure and failure.kind != "refused" and not facts.tests[at]:
            yield at, failure


_LASTING = frozenset({"edit", "install", "build", "version control"})


def ignored_errors(facts: Facts) -> Iterator[Hit]:
    """A change that failed, whose files or packages no later step touches, while the work goes on to its end."""
    if facts.end is None:
        return
    for at, failure in enumerate(facts.failures):
        decision = facts.decisions[at]
        if not failure or decision.kind != "change" or decision.purpose not in _LASTING or not decision.targets:
            continue
        wanted = {_name(target) for target in decision.targets}
        later = range(at + 1, facts.end)
        redone = any(
            wanted & {_name(target) for target in facts.decisions[index].targets}
            or (facts.decisions[index].purpose == decision.purpose and facts.failures[index] is None)
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


# ---------------------------------------------------------------- edits


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
    checks = [
        index
        for index in range(edit, at)
        if facts.decisions[index].purpose in ("test", "run", "build") or (index == edit and facts.failures[index])
    ]
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
                if name and name not in seen and not any(name in text for text in told):
                    yield Hit(at + 1, "It edits a file that nothing in the run had shown before.", (facts.action(at),))
        seen.update(map(_name, decision.targets))
        told += (step.action, step.observation or "")


_EDITS_INSIDE = re.compile(r"(?:sed -i )?edits (?!the open file)")


def _creates(step: Step) -> bool:
    """Whether a call of an editor replaces nothing, which creates the file."""
    arguments = step.tool.arguments if step.tool else None
    return isinstance(arguments, Mapping) and any(old == "" for old, _ in _old_and_new(arguments))


# ---------------------------------------------------------------- the end of the run


def _last_edit(facts: Facts) -> int | None:
    """The last edit before the work is handed in; deleting a helper file at the end is none."""
    end = facts.end
    for at in range((end if end is not None else len(facts.steps)) - 1, -1, -1):
        decision = facts.decisions[at]
        tidies_up = decision.reason.startswith("deletes")
        if decision.kind == "change" and decision.purpose == "edit" and not (tidies_up or facts.failures[at]):
            return at
    return None


def unchecked_last_edit(facts: Facts) -> Iterator[Hit]:
    """Files were edited, and no later step ran a test, a build or a program."""
    edit = _last_edit(facts)
    if edit is None or facts.end is None:
        return
    ran = any(
        facts.decisions[at].purpose in ("test", "run", "build")
        or facts.tests[at]
        or "runs " in facts.decisions[at].reason
        for at in range(edit, len(facts.steps))
    )
    if not ran:
        yield Hit(
            edit + 1,
            "After this last edit no step runs a test, a build or a program.",
            (facts.action(edit),),
        )


def tests_fail_at_end(facts: Facts) -> Iterator[Hit]:
    """The last tests before the work was handed in did not pass."""
    if facts.end is None:
        return
    for at in range(facts.end, -1, -1):
        tests = facts.tests[at]
        if tests is not None:
            if not tests.passed:
                yield Hit(
                    facts.end + 1,
                    f"The work is handed in although the last tests, at step {at + 1}, did not pass.",
                    (*facts.line(at, tests.line), facts.action(facts.end)),
                    (at + 1,),
                )
            return


def ends_on_failure(facts: Facts) -> Iterator[Hit]:
    """The last piece of work before handing in failed."""
    if facts.end is None:
        return
    for at in range(facts.end - 1, -1, -1):
        if facts.is_work(at) or facts.failures[at]:
            failure = facts.failures[at]
            if failure and facts.decisions[at].kind == "change":
                yield Hit(
                    facts.end + 1,
                    f"The work is handed in right after step {at + 1} failed.",
                    (*facts.failure_line(at), facts.action(facts.end)),
                    (at + 1,),
                )
            return


LONG_STRETCH = 20


def long_looks(facts: Facts) -> Iterator[Hit]:
    """Twenty steps or more in a row that look at something, and none that changes anything."""
    looks: list[int] = []
    for at in range(len(facts.steps) + 1):
        if at == len(facts.steps) or facts.decisions[at].kind == "change":
            if len(looks) >= LONG_STRETCH:
                yield Hit(
                    looks[0] + 1,
                    f"From here to step {looks[-1] + 1} there are {len(looks)} looks and no change.",
                    (facts.action(looks[0]),),
                )
            looks = []
        elif facts.is_work(at):
            looks.append(at)


RULES: tuple[Rule, ...] = (
    Rule(
        "same error again",
        "changes that left the same error",
        "incorrect",
        3,
        "Find the cause of the error before changing more, and check each change alone.",
        same_errors,
    ),
    Rule(
        "edit taken back",
        "edits that broke something and were taken back",
        "incorrect",
        2,
        "Read the code around the place before editing it, and check the edit before building on it.",
        edits_taken_back,
    ),
    Rule(
        "failed edit or install",
        "edits and installations that failed",
        "incorrect",
        1,
        "Check beforehand what the command needs: its program, its files, its options.",
        failed_edits,
    ),
    Rule(
        "same look again",
        "looks and test runs that were there before, with the same result",
        "unuseful",
        1,
        "Go by the result that is already there, or look at something new.",
        repeated_looks,
        "redundant",
    ),
    Rule(
        "same failure again",
        "failures repeated unchanged",
        "unuseful",
        1,
        "Read the error, and change something before trying again.",
        repeated_failures,
        "redundant",
    ),
    Rule(
        "going in circles",
        "actions that go round in circles",
        "unuseful",
        1,
        "Stop after the second round that brings nothing new, and try another way.",
        loops,
        "redundant",
    ),
    Rule(
        "failed build or commit",
        "builds and commands of version control that failed",
        "risk",
        1,
        "Find the cause of the error before going on.",
        failed_builds,
    ),
    Rule(
        "error ignored",
        "failed changes that were never made good",
        "risk",
        1,
        "Make the change good before going on.",
        ignored_errors,
    ),
    Rule(
        "refused again",
        "calls refused for the same reason as the one before",
        "risk",
        1,
        "Read why it was refused, and do what is asked.",
        repeated_refusals,
    ),
    Rule(
        "edit of an unseen file",
        "edits of files that nothing had shown",
        "risk",
        1,
        "Read a file before editing it.",
        edits_of_unseen_files,
    ),
    Rule(
        "last edit unchecked",
        "last edits after which nothing was run",
        "risk",
        1,
        "Run the tests, or the program, after the last edit.",
        unchecked_last_edit,
    ),
    Rule(
        "tests fail at the end",
        "work handed in with failing tests",
        "risk",
        1,
        "Find out why the tests fail, or say that they failed before too.",
        tests_fail_at_end,
    ),
    Rule(
        "handed in after a failure",
        "work handed in right after a failure",
        "risk",
        1,
        "See to the failure before handing in.",
        ends_on_failure,
    ),
    Rule(
        "long without change",
        "long stretches that change nothing",
        "risk",
        1,
        "Settle on a first change and let its result guide what to look at next.",
        long_looks,
    ),
)
"""In the order in which a summary tells of them."""
