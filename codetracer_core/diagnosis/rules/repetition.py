"""Rules on repetition: what was done before, with the same result."""

import math
import re
from collections.abc import Iterator

from codetracer_core.diagnosis.rules.facts import Act, Facts, Hit
from codetracer_core.models import Step
from codetracer_core.parsers import strip_ansi


def repeated_looks(facts: Facts) -> Iterator[Hit]:
    """The same reading, searching or test run as before, with the same result, and no change was tried in between."""
    for at, before in _same_acts(facts):
        decision = facts.decisions[at]
        same = decision.kind == "explore" and facts.is_work(at) and facts.tried[at] == facts.tried[before]
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
        nothing_changed = facts.changed[at - 1] == facts.changed[before]
        if nothing_changed and facts.failures[at] and facts.failures[before] and _same_result(facts, at, before):
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
                    f"It goes round in circles: round {1 + math.ceil(run / length)} of the same "
                    f"{'action' if length == 1 else f'{length} actions'}, with the same results.",
                    (facts.action(at), facts.action(at - length)),
                    (at - length + 1,),
                )


_DURATION = re.compile(r"\d+(?:\.\d+)?(?= ?(?:ms|s|sec|secs|seconds)\b)|\d+:\d\d:\d\d(?:\.\d+)?")


def _said(step: Step) -> str | None:
    """What came back, without colours, and with durations and times of day made equal."""
    return None if step.observation is None else _DURATION.sub("0", strip_ansi(step.observation)).strip()
