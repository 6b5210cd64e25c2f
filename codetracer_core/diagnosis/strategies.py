"""Four ways through a run. Each leads one conversation until a diagnosis is handed in (``talk.best``)."""

from collections.abc import Callable, Mapping, Sequence

from codetracer_core.diagnosis.condensed import condensed, in_parts
from codetracer_core.diagnosis.handing_in import (
    CHOOSE_HALF,
    JUDGE_PART,
    HalfChoice,
    Note,
    PartJudgement,
    answer_of,
    converse,
    take_note,
)
from codetracer_core.diagnosis.overview import overview
from codetracer_core.diagnosis.prompts import prompt
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN
from codetracer_core.diagnosis.talk import Talk
from codetracer_core.diagnosis.tools import tool_specs
from codetracer_core.diagnosis_models import Strategy

SHORT, MEDIUM = 20, 100
"""Of runs of at most so many steps all are shown at once; every stage is looked into. In longer ones decision points
come first."""
SMALLEST_STRETCH = 6
"""Halving ends with a stretch of at most so many steps."""


def agent(talk: Talk, lessons: str) -> None:
    """Tree first, then zoom: the model calls tools until it knows enough."""
    count = talk.reading.trajectory.step_count
    if count <= SHORT:
        plan = prompt("plan_short")
    else:
        plan = prompt("plan_medium" if count <= MEDIUM else "plan_long", step_count=count, least=min(count, 6))
    map_ = overview(talk.reading, _tokens(talk, 0.25))
    shown = (
        f"\n\n{condensed(talk.reading, range(1, count + 1), CHARACTERS_PER_TOKEN * _tokens(talk, 0.45))}"
        if count <= SHORT
        else ""
    )
    talk.begin(prompt("rules"), prompt("agent", plan=plan, insights=lessons), map_ + shown)
    converse(talk, tool_specs(), phase="investigate")


def all_at_once(talk: Talk, lessons: str) -> None:
    """Everything in one prompt, shortened as far as the window asks for, and one answer."""
    steps = range(1, talk.reading.trajectory.step_count + 1)
    map_ = overview(talk.reading, _tokens(talk, 0.15))
    talk.begin(
        prompt("rules"),
        prompt("all_at_once", insights=lessons),
        f"{map_}\n\n{condensed(talk.reading, steps, CHARACTERS_PER_TOKEN * _tokens(talk, 0.5))}",
    )
    converse(talk)


def step_by_step(talk: Talk, lessons: str) -> None:
    """From the first step to the last in parts, each in a conversation of its own; only notes are carried on."""
    trajectory = talk.reading.trajectory
    instructions = prompt("step_by_step", insights=lessons)
    for part in in_parts(trajectory, CHARACTERS_PER_TOKEN * _tokens(talk, 0.3)):
        map_ = overview(talk.reading, _tokens(talk, 0.1))
        shown = prompt(
            "part",
            notes=talk.notebook.text(talk.note_characters),
            findings=talk.notebook.findings_text(talk.note_characters),
            first=part[0],
            last=part[-1],
            step_count=trajectory.step_count,
            steps=condensed(talk.reading, part, CHARACTERS_PER_TOKEN * _tokens(talk, 0.35)),
        )
        talk.begin(prompt("rules"), instructions, f"{map_}\n\n{shown}")
        if _is_near_a_limit(talk, f"steps {part[0]} to {trajectory.step_count} were not read"):
            break
        take_note(talk, answer_of(talk, PartJudgement, JUDGE_PART), replaces=True)
        talk.tell("read", JUDGE_PART.name, part)
    _conclude(talk, instructions, ())


def binary_search(talk: Talk, lessons: str) -> None:
    """Halve the run until a short stretch is left that holds the onset, then look at that."""
    instructions = prompt("binary_search", insights=lessons)
    first, last = 1, talk.reading.trajectory.step_count
    while last - first + 1 > SMALLEST_STRETCH:
        middle = (first + last) // 2
        shown = prompt(
            "half",
            first=first,
            middle=middle,
            after=middle + 1,
            last=last,
            notes=talk.notebook.text(talk.note_characters),
            steps=condensed(talk.reading, range(first, last + 1), CHARACTERS_PER_TOKEN * _tokens(talk, 0.4)),
        )
        talk.begin(prompt("rules"), instructions, f"{overview(talk.reading, _tokens(talk, 0.1))}\n\n{shown}")
        if _is_near_a_limit(talk, f"the stretch from step {first} to {last} was not halved any further"):
            break
        choice = answer_of(talk, HalfChoice, CHOOSE_HALF)
        thought = f"Steps {first} to {last}: {choice.half} half. {choice.reasoning}"
        take_note(talk, Note(thought=thought, findings=choice.findings))
        talk.tell("read", CHOOSE_HALF.name, range(first, last + 1))
        if choice.half == "neither":
            break
        first, last = (first, middle) if choice.half == "first" else (middle + 1, last)
    _conclude(talk, instructions, range(first, last + 1))


STRATEGIES: Mapping[Strategy, Callable[[Talk, str], None]] = {
    "agent": agent,
    "all_at_once": all_at_once,
    "step_by_step": step_by_step,
    "binary_search": binary_search,
}


def _conclude(talk: Talk, instructions: str, steps: Sequence[int]) -> None:
    """Hand in, from the notes and from another look at the steps that are labelled, these ones and the last two."""
    count = talk.reading.trajectory.step_count
    wanted = sorted({*steps, *talk.notebook.findings, count - 1, count} & set(range(1, count + 1)))
    shown = prompt(
        "conclude",
        notes=talk.notebook.text(talk.note_characters),
        findings=talk.notebook.findings_text(talk.note_characters),
        steps=condensed(talk.reading, wanted, CHARACTERS_PER_TOKEN * _tokens(talk, 0.4)),
    )
    talk.begin(prompt("rules"), instructions, f"{overview(talk.reading, _tokens(talk, 0.15))}\n\n{shown}")
    converse(talk)


def _is_near_a_limit(talk: Talk, what_is_missing: str) -> bool:
    limit = talk.budget.near(talk.prompt_tokens())
    if limit:
        talk.cut_short = f"{what_is_missing}: the limit of {limit} was near"
        talk.tell("warning", talk.cut_short)
    return bool(limit)


def _tokens(talk: Talk, share: float) -> int:
    """How many tokens this share of the window, without the room for the answer, holds."""
    return int((talk.window - talk.reserve) * share)
