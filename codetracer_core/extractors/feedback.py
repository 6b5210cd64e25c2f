"""What a spec made of some folders, in words for the model that wrote it: checks, steps, what was skipped or left."""

from collections.abc import Iterator

from codetracer_core.extractors.drafts import NO_RULE
from codetracer_core.extractors.engine import LEFT_OUT, Extraction
from codetracer_core.extractors.layout import cut, named
from codetracer_core.extractors.trying import Tried
from codetracer_core.models import Step
from codetracer_core.words import OUTCOME_WORDS, number_of

CHARACTERS = 9_000
_MOST_PROBLEMS = 6


def told(tried: Tried, characters: int = CHARACTERS) -> str:
    """About ``characters`` long at most."""
    return cut("\n".join(_lines(tried)), characters)


def _lines(tried: Tried) -> Iterator[str]:
    yield f"The spec recognises {number_of(tried.found, 'run')}."
    for problem in tried.problems[:_MOST_PROBLEMS]:
        yield f"problem: {cut(problem, 600)}"
    if tried.judged is None:
        yield "No run could be read, so there is nothing to check."
        return
    for check in tried.judged.checks:
        verdict = {True: "passed", False: "NOT PASSED", None: "not known"}[check.passed]
        yield f"check {check.name}: {verdict}. {cut(check.words, 400)}"
    for reading in tried.readings[:2]:
        if reading.extraction is not None:
            yield from _extraction(reading.extraction, named(reading.path.rpartition("/")[2]))


def _extraction(extraction: Extraction, name: str) -> Iterator[str]:
    run = extraction.trajectory
    facts = {"task": run.task, "model": run.model, "agent": run.agent, "ended": run.exit_status}
    stated = ", ".join(f"{key} {cut(value, 60)!r}" for key, value in facts.items() if value) or "no facts"
    text = f"task text of {len(run.task_text)} characters" if run.task_text else "no task text"
    outcome = OUTCOME_WORDS[run.outcome.solved]
    yield f"\nRun {name}: {number_of(run.step_count, 'step')}; {stated}; {text}; outcome {outcome}"
    steps = run.steps if len(run.steps) <= 5 else (*run.steps[:3], *run.steps[-2:])
    for step in steps:
        yield _step(step)
    unknown = [fate for fate in extraction.fates if fate.became == "skipped" and fate.why in (NO_RULE, LEFT_OUT)]
    if unknown:
        first = f"first: {named(unknown[0].path)}, line {unknown[0].line}"
        yield f"{number_of(len(unknown), 'record')} skipped: {unknown[0].why} ({first})"
    for skipped in extraction.skipped[:6]:
        yield f"{cut(skipped.words, 300)}; for example:"
        for sample in skipped.samples[:2]:
            yield f"  {named(sample.path)}, line {sample.line_start}: {cut(_flat(sample.text), 160)}"
    if extraction.uncovered:
        yield f"Text of the agent that no step holds ({number_of(len(extraction.uncovered), 'place')}):"
        for place in extraction.uncovered[:4]:
            yield f"  {named(place.path)}, lines {place.line_start}–{place.line_end}: {cut(_flat(place.text), 240)}"


def _step(step: Step) -> str:
    parts = [f"  step {step.step_id}"]
    parts += [f"tool {step.tool.name}"] if step.tool else []
    parts += ["message"] if step.is_message else []
    parts += [f"group {step.parallel_group}"] if step.parallel_group is not None else []
    parts += [f"exit {step.exit_code}"] if step.exit_code is not None else []
    parts.append(f"action {cut(_flat(step.action), 120)!r}")
    parts.append("no observation" if step.observation is None else f"observation {cut(_flat(step.observation), 120)!r}")
    parts += [f"thought {cut(_flat(step.thought), 80)!r}"] if step.thought else []
    return ", ".join(parts)


def _flat(text: str) -> str:
    return " ".join(text.split())
