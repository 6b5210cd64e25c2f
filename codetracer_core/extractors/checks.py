"""Objective checks of what a spec makes of real runs: none of them asks anybody's opinion.

============== ======================================================================= ==========
check          value (0 to 1, all runs together)                                       passes from
============== ======================================================================= ==========
steps          share of the runs with a step                                           1
coverage       share of the agent's text that steps hold                               0.8
actions        share of the runs with steps in which the agent does something          0.5
observations   share of steps with an observation (no messages, no run's last step)    0.9
orphans        share of observations that belong to a step                             0.95
once           share of steps with a place and a content of their own                  0.95
prompts        share of steps that are not the words of a prompt or a user             1
references     share of the references, out of a sample, that read back as the text    1
rules          share of records that some rule fits                                    0.7
kept           share of the text that is the agent's, not skipped by a rule            0.2
missed         share of the text from the first step on that no rule skips             0.75
alike          share of the records like those of steps that no rule skips             0.9
files          share of the files of one kind that were read                           1
examples       share of steps that are not the same in every run (two runs or more)    1
numbers        1 if the files number the steps (a gap is an error when reading)        1
declared       share of runs with as many steps as their files say                     1
============== ======================================================================= ==========

A check with nothing to look at is not known (``passed`` is None) and does not count. ``score`` is the mean of the
values by weight; without a step it is 0.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from codetracer_core.errors import CodeTracerError
from codetracer_core.extractors.engine import Extraction
from codetracer_core.models import SourceRef, Step
from codetracer_core.parsers import resolve, strip_ansi
from codetracer_core.parsers._notes import counted

SAMPLE = 24
"""References of each run that are read back."""


@dataclass(frozen=True)
class Check:
    """``passed``: None if there was nothing to look at. ``value``: 0 to 1, likewise."""

    name: str
    passed: bool | None
    words: str
    value: float | None


@dataclass(frozen=True)
class Judged:
    """How well a spec fits the runs it was tried on; ``score``: 0 to 1."""

    checks: tuple[Check, ...]
    score: float
    runs: int
    steps: int
    coverage: float | None

    @property
    def passed(self) -> bool:
        """No check failed, and there are steps."""
        return self.steps > 0 and all(check.passed is not False for check in self.checks)


_LEAST = {
    "steps": 1.0,
    "coverage": 0.8,
    "actions": 0.5,
    "observations": 0.9,
    "orphans": 0.95,
    "once": 0.95,
    "prompts": 1.0,
    "references": 1.0,
    "rules": 0.7,
    "kept": 0.2,
    "missed": 0.75,
    "alike": 0.9,
    "files": 1.0,
    "examples": 1.0,
    "numbers": 1.0,
    "declared": 1.0,
}
_WEIGHTS = {
    "steps": 2.0,
    "coverage": 4.0,
    "actions": 2.0,
    "observations": 3.0,
    "orphans": 1.0,
    "once": 2.0,
    "prompts": 2.0,
    "references": 2.0,
    "rules": 1.0,
    "kept": 1.0,
    "missed": 2.0,
    "alike": 3.0,
    "files": 2.0,
    "examples": 2.0,
    "numbers": 1.0,
    "declared": 3.0,
}


def judge(extractions: Sequence[Extraction], *, declared: int | Sequence[int | None] | None = None) -> Judged:
    """Judge the runs that one spec read. ``declared``: how many steps they have by other knowledge, one number for
    each run (or for the only one); by default what their own files say. A run that could not be read is not among
    ``extractions``: its error tells more."""
    counts: list[int | None] = [declared] if isinstance(declared, int) else list(declared or [])
    known = [count if count is not None else run.declared for run, count in _with(extractions, counts)]
    checks = (
        _steps(extractions),
        _coverage(extractions),
        _actions(extractions),
        _observations(extractions),
        _orphans(extractions),
        _once(extractions),
        _prompts(extractions),
        _references(extractions),
        _rules(extractions),
        _kept(extractions),
        _missed(extractions),
        _alike(extractions),
        _files(extractions),
        _examples(extractions),
        _numbers(extractions),
        _declared(extractions, known),
    )
    steps = sum(run.trajectory.step_count for run in extractions)
    told = [(check.value, _WEIGHTS[check.name]) for check in checks if check.value is not None]
    score = sum(value * weight for value, weight in told) / sum(weight for _, weight in told) if told and steps else 0.0
    coverage = next(check.value for check in checks if check.name == "coverage")
    return Judged(checks, score, len(extractions), steps, coverage)


def _with(extractions: Sequence[Extraction], counts: list[int | None]) -> Iterable[tuple[Extraction, int | None]]:
    return zip(extractions, [*counts, *[None] * (len(extractions) - len(counts))], strict=False)


def _check(name: str, part: float, whole: float, words: str) -> Check:
    if not whole:
        return Check(name, None, words, None)
    value = part / whole
    return Check(name, value >= _LEAST[name], words, value)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def _steps(extractions: Sequence[Extraction]) -> Check:
    with_steps = sum(run.trajectory.step_count > 0 for run in extractions)
    total = sum(run.trajectory.step_count for run in extractions)
    words = f"{counted(total, 'step')} found in {with_steps} of {counted(len(extractions), 'run')}"
    return _check("steps", with_steps, len(extractions), words)


def _coverage(extractions: Sequence[Extraction]) -> Check:
    total = sum(run.text_characters for run in extractions)
    held = sum((run.coverage or 0.0) * run.text_characters for run in extractions)
    words = f"steps hold {_percent(held, total)} of {total:,} characters of the agent's text"
    return _check("coverage", held, total, words)


def _actions(extractions: Sequence[Extraction]) -> Check:
    """An agent may only have talked, once. If it never did anything, its actions stand elsewhere."""
    told = [run.trajectory.steps for run in extractions if run.trajectory.steps]
    acting = sum(any(not step.is_message for step in steps) for steps in told)
    words = f"in {acting} of {counted(len(told), 'run')} with steps the agent does more than talk"
    return _check("actions", acting, len(told), words)


def _observations(extractions: Sequence[Extraction]) -> Check:
    """A run's last step has often none: the run was stopped, or it submitted. Of several calls of one reply one
    observation is enough: some agents look at the environment once per reply."""
    asked = answered = 0
    for run in extractions:
        steps = run.trajectory.steps
        seen = {step.parallel_group for step in steps if step.observation is not None} - {None}
        for step in steps:
            has_one = step.observation is not None or not step.executed or step.parallel_group in seen
            if not step.is_message and (has_one or step.step_id < len(steps)):
                asked += 1
                answered += has_one
    return _check("observations", answered, asked, f"{answered} of {counted(asked, 'action')} have an observation")


def _orphans(extractions: Sequence[Extraction]) -> Check:
    lost = sum(run.orphans + run.further for run in extractions)
    shown = sum(step.observation is not None for run in extractions for step in run.trajectory.steps)
    words = f"{lost} of {counted(lost + shown, 'observation')} belong to no step, or to one that has its own"
    return _check("orphans", shown, lost + shown, words)


def _once(extractions: Sequence[Extraction]) -> Check:
    total = sum(run.trajectory.step_count for run in extractions)
    places = twins = 0
    for run in extractions:
        steps = run.trajectory.steps
        exact = Counter(
            (step.action_ref, step.action) for step in steps if step.action_ref is not None and step.action.strip()
        )
        places += sum(number - 1 for number in exact.values())
        twins += sum(_is_twin(one, other) for one, other in pairwise(steps))
    words = f"{places} made twice of the same place, {twins} the same as the step before, of {counted(total, 'step')}"
    return _check("once", max(0, total - places - twins), total, words)


def _is_twin(one: Step, other: Step) -> bool:
    same = one.action == other.action and one.observation == other.observation and one.thought == other.thought
    return same and bool(one.action.strip()) and one.native_ids == other.native_ids and one.timestamp == other.timestamp


def _prompts(extractions: Sequence[Extraction]) -> Check:
    total = sum(run.trajectory.step_count for run in extractions)
    others = sum(run.others_words for run in extractions)
    words = f"{others} of {counted(total, 'step')} stand in a prompt, a demonstration or a user's words"
    return _check("prompts", total - others, total, words)


def _references(extractions: Sequence[Extraction]) -> Check:
    read = missing = 0
    first = ""
    for run in extractions:
        for name, text, ref in _sample(run):
            if ref is not None and _reads_back(run, text, ref):
                read += 1
            else:
                missing += 1
                first = first or f"; the first that does not: {name}"
    words = f"{read} of {counted(read + missing, 'reference')} read back as the text{first}"
    return _check("references", read, read + missing, words)


def _sample(run: Extraction) -> list[tuple[str, str, SourceRef | None]]:
    quotes = [
        (f"{name} of step {step.step_id}", text, ref)
        for step in run.trajectory.steps
        for name, text, ref in (
            ("action", step.action, step.action_ref),
            ("observation", step.observation, step.observation_ref),
            ("thought", step.thought, step.thought_ref),
        )
        if text is not None and text.strip()
    ]
    return quotes[:: max(1, -(-len(quotes) // SAMPLE))]


def _reads_back(run: Extraction, text: str, ref: SourceRef) -> bool:
    try:
        return stands_in(text, resolve(run.folder, ref, ceiling=run.folder))
    except (CodeTracerError, LookupError, TypeError, ValueError):
        return False


_ESCAPE = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')


def stands_in(text: str, source: str) -> bool:
    """Does every line of ``text`` stand in ``source``, or in what its escapes (JSON, HTML, doubled quotes) say?
    Blank space aside."""
    unquoted = source.replace('""', '"')
    said = (
        source,
        unquoted,
        *(_ESCAPE.sub(_unescaped, one) for one in (source, unquoted)),
        _plain(source),
        html.unescape(source),
    )
    haystack = "\0".join(map(_squeezed, said))
    if _squeezed(text) in haystack or all(_squeezed(line) in haystack for line in text.splitlines()):
        return True
    return _in_pieces(_squeezed(text), source)


def _in_pieces(text: str, source: str) -> bool:
    """Do lines of the source, in their order and with others between them, make up the text? So do words that were
    streamed in pieces."""
    done = 0
    for line in map(_squeezed, source.splitlines()):
        done += len(line) if text.startswith(line, done) else 0
    return done == len(text)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", strip_ansi(text))


def _unescaped(found: re.Match[str]) -> str:
    return str(json.loads(f'"{found[0]}"'))


def _plain(source: str) -> str:
    try:
        return json.dumps(json.loads(source), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _rules(extractions: Sequence[Extraction]) -> Check:
    total = sum(run.records for run in extractions)
    unmatched = sum(run.unmatched for run in extractions)
    silent = sum(run.silent for run in extractions)
    words = f"no rule fits {unmatched} of {counted(total, 'record')}, {silent} lack what their rule takes"
    return _check("rules", total - unmatched - silent, total, words)


def _kept(extractions: Sequence[Extraction]) -> Check:
    kept = sum(run.text_characters for run in extractions)
    skipped = sum(run.skipped_characters for run in extractions)
    words = f"rules skip {_percent(skipped, kept + skipped)} of the text"
    return _check("kept", kept, kept + skipped, words)


def _missed(extractions: Sequence[Extraction]) -> Check:
    """Prompts stand before the steps; among them stands little else."""
    kept = sum(run.text_characters for run in extractions)
    skipped = sum(run.skipped_among for run in extractions)
    words = f"from the first step on, rules skip {_percent(skipped, kept + skipped)} of the text"
    found = _check("missed", kept, kept + skipped, words if skipped else "rules skip nothing among the steps")
    return found if found.passed is not False else replace(found, words=f"{words}: there may be steps in it")


def _alike(extractions: Sequence[Extraction]) -> Check:
    """A record among the steps, of their kind and with an action, is a step, whatever reason a rule has to skip it."""
    made = sum(run.step_records for run in extractions)
    lost = [one for run in extractions for one in run.skipped if one.alike]
    if not lost:
        return _check("alike", 0, 0, "no record is skipped that looks like those that became steps")
    count, first = sum(one.alike for one in lost), lost[0].samples[0]
    words = f"rules skip {counted(count, 'record')} that look like the {made:,} that became steps"
    return _check("alike", made, made + count, f"{words}: {lost[0].why}: {first.path}, line {first.line_start}")


def _files(extractions: Sequence[Extraction]) -> Check:
    passed_by = [path for run in extractions for path in run.passed_by]
    if not passed_by:
        return _check("files", 1, 1, "no file of a kind that is read was left out")
    read = sum(len({ref.path for step in run.trajectory.steps if (ref := step.action_ref)}) for run in extractions)
    words = f"{counted(len(passed_by), 'file')} not read that are called like files that were: {passed_by[0]}"
    return _check("files", read, read + len(passed_by), words)


def _examples(extractions: Sequence[Extraction]) -> Check:
    """Steps that are the same in every run stand in the prompt, as examples. Runs of one task, and copies, may begin
    alike; and agents without a word of thought begin with the same look around."""
    told = [run.trajectory for run in extractions if run.trajectory.steps]
    tasks = {run.task_text for run in told}
    steps = sum(len(run.steps) for run in told)
    if len(told) < 2 or (len(tasks) == 1 and None not in tasks):
        return _check("examples", 0, 0, "one run, or runs of one task")
    kinds = [{key for step in run.steps if (key := _beginning(step))} for run in told]
    shared = set.intersection(*kinds)
    same = [step for run in told for step in run.steps if _beginning(step) in shared]
    few = len(shared) < 2 and not any(step.thought for step in same)
    if few or any(2 * len(shared) > len(run.steps) for run in told):
        same = []
    words = f"{len(same)} of {counted(steps, 'step')} are the same in every run: examples of a prompt?"
    return _check("examples", steps - len(same), steps, words if same else "no step is the same in every run")


def _beginning(step: Step) -> tuple[str, str, str] | None:
    """What an example shows; None for a step without a word of the agent or the environment beside its action."""
    thought, seen = (step.thought or "").strip(), (step.observation or "").strip().partition("\n")[0]
    return (thought, step.action.strip(), seen) if (thought or seen) and not step.is_message else None


def _numbers(extractions: Sequence[Extraction]) -> Check:
    own = any(run.own_numbers for run in extractions)
    words = "the files number the steps, without a gap" if own else "the files do not number the steps"
    return _check("numbers", float(own), float(own), words)


def _declared(extractions: Sequence[Extraction], declared: list[int | None]) -> Check:
    told = [(run.trajectory.steps, count) for run, count in _with(extractions, declared) if count is not None]
    agree = sum(len(steps) == count for steps, count in told)
    differs = next((_differing(steps, count) for steps, count in told if len(steps) != count), "")
    words = f"{agree} of {counted(len(told), 'run')} have as many steps as declared{differs}"
    words = words if told else "the files do not say how many steps there are"
    return _check("declared", agree, len(told), words)


def _differing(steps: Sequence[Step], declared: int) -> str:
    messages = sum(step.is_message for step in steps)
    talk = f" ({counted(messages, 'message')} among them)" if messages else ""
    return f": {counted(len(steps), 'step')}{talk}, declared {declared}"
