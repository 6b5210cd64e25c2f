"""Looking for something in a run: where a text stands, what happened to a file, how tests went over time."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from codetracer_core.diagnosis.failures import failure_of, tests_of
from codetracer_core.diagnosis.reading import Reading, capped, listed
from codetracer_core.diagnosis.visible import field_as_read, inline
from codetracer_core.models import Outcome, Step
from codetracer_core.words import OUTCOME_WORDS

MOST_HITS = 40
HITS_PER_TEXT = 3
_EXCERPT = 160


def where_text_stands(reading: Reading, text: str, fields: Sequence[str]) -> str:
    """The steps whose ``fields`` hold the text as they are shown, upper and lower case alike, with excerpts."""
    pattern = re.compile(re.escape(text), re.IGNORECASE)
    told: list[str] = []
    total, hits, steps = 0, 0, set()
    for step in reading.trajectory.steps:
        for name in fields:
            view = field_as_read(step, name)
            if view is None:
                continue
            found = pattern.finditer(view.text)
            excerpts = [_excerpt(view.text, match) for match in islice(found, min(HITS_PER_TEXT, MOST_HITS - hits))]
            others = sum(1 for _ in found)
            total += len(excerpts) + others
            hits += len(excerpts)
            if excerpts or others:
                steps.add(step.step_id)
            if excerpts:
                more = f" and {others} more" if others else ""
                told.append(f"step {step.step_id} {name}: {' '.join(excerpts)}{more}")
    if not total:
        return "No step holds this text. (Plain text is looked for, as steps show it.)"
    last = [f"(In all: {listed(sorted(steps), 60)})"] if len(told) < len(steps) else []
    return "\n".join([f"{total} places in {len(steps)} steps.", *told, *last])


def _excerpt(text: str, match: re.Match[str]) -> str:
    """The line of a hit, cut around it."""
    start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _EXCERPT // 2)
    newline = text.find("\n", match.end())
    end = min(len(text) if newline < 0 else newline, match.end() + _EXCERPT // 2)
    return inline(text[start:end], _EXCERPT + len(match[0]))


def history_of_file(reading: Reading, path: str) -> str:
    """The steps that act on a file or folder that is called so, and the other actions that name it."""
    wanted = _plain_path(path)
    name = wanted.rpartition("/")[2] or path
    by_target: list[str] = []
    by_text: list[str] = []
    decisions = reading.tree.decisions
    for step, row, decision in zip(reading.trajectory.steps, reading.tree.rows, decisions, strict=True):
        line = f"step {step.step_id}, {row.kind}{exit_of(step)}: {inline(row.label, 100)}"
        if any(_is_file(target, wanted, name) for target in decision.targets):
            by_target.append(line)
        elif name in step.action:
            by_text.append(line)
    if not by_target and not by_text:
        return f"No action names {inline(name)}. Perhaps an observation does: search for it."
    return "\n".join(
        [
            *capped(f"{len(by_target)} steps act on it:", by_target, reading.answer_characters // 2),
            *capped(f"{len(by_text)} more actions hold its name:", by_text, reading.answer_characters // 2),
        ]
    )


def _plain_path(path: str) -> str:
    return path.strip().replace("\\", "/").rstrip("/").removeprefix("./")


def _is_file(target: str, wanted: str, name: str) -> bool:
    target = _plain_path(target)
    return target == wanted or target.endswith(f"/{wanted}") or target.rpartition("/")[2] == name


def how_tests_went(reading: Reading) -> str:
    """The steps that ran tests, and the run's outcome if it may be told."""
    room = reading.answer_characters // 2
    return "\n".join([*tests_over_time(reading, room), *outcome_of(reading, room)])


def tests_over_time(reading: Reading, characters: int) -> list[str]:
    """The steps that ran tests (what runs as a test, or whose output sums tests up), a line each as far as they fit."""
    lines = list(_tests(reading))
    return capped(f"{len(lines)} steps ran tests, in order:", lines, characters) or ["No step ran tests."]


def _tests(reading: Reading) -> Iterator[str]:
    for step, decision in zip(reading.trajectory.steps, reading.tree.decisions, strict=True):
        tests = tests_of(step, decision)
        if tests is None and (decision.purpose != "test" or not step.executed):
            continue
        failure = failure_of(step, decision)
        if tests is not None:
            what = f"{'passed' if tests.passed else 'FAILED'} {inline(tests.line.text, 160)}"
        elif failure is not None:
            what = f"could not run {inline(failure.line.text, 160)}"
        else:
            what = "its observation does not say how they ended"
        yield f"step {step.step_id}{exit_of(step)} {inline(reading.row(step.step_id).label, 60)}: {what}"


def outcome_of(reading: Reading, characters: int) -> list[str]:
    """What the run's own result files say, failed tests as far as they fit; nothing where that is not to be told."""
    if not reading.show_outcome:
        return []
    outcome, tests = reading.trajectory.outcome, reading.trajectory.tests
    if outcome.solved is not None and outcome.source is None:
        outcome = Outcome()  # read from none of the run's own files: a benchmark's manifest said so
    parts = [f"Outcome of the run: {OUTCOME_WORDS[outcome.solved]} ({inline(outcome.reason, 200)})"]
    bad = [test for test in tests if test.status.casefold() not in ("passed", "pass", "ok", "success")]
    if tests:
        parts.append(f"Tests of the verifier: {len(tests) - len(bad)} of {len(tests)} passed.")
    lines = [f"- {inline(test.name, 160)}: {inline(test.status, 40)}" for test in bad]
    return [*parts, *capped("Of these did not pass:", lines, characters)]


def exit_of(step: Step) -> str:
    return f", exit code {step.exit_code}" if step.exit_code is not None else ""
