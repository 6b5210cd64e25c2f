"""Free questions about a run: a model reads with the tools of a diagnosis, its quotes are held against the run."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import Field

from codetracer_core.diagnosis.answers import Answer, Evidence
from codetracer_core.diagnosis.budget import Budget, LimitReached
from codetracer_core.diagnosis.evidence import cited
from codetracer_core.diagnosis.overview import overview
from codetracer_core.diagnosis.progress import Progress
from codetracer_core.diagnosis.prompts import prompt
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN, Artifacts, Reading
from codetracer_core.diagnosis.talk import Talk
from codetracer_core.diagnosis.tools import call_tool, tool_specs
from codetracer_core.diagnosis_models import CallUsage, Citation, DiagnosisSettings
from codetracer_core.errors import Cancelled, CodeTracerError, ModelError
from codetracer_core.llm import Model, ToolRequest, UnusableAnswer, as_tool, read_answer
from codetracer_core.models import Frozen, Trajectory
from codetracer_core.stages import offline_stages
from codetracer_core.tree import build_tree

LONGEST_ANSWER = 20_000
"""Characters of a tool's answer, but never more than a sixth of the window."""
LONGEST_QUESTION = 4_000
REMEMBERED = 10
"""Earlier questions that the model is told of."""
_NAMED = re.compile(r"\bsteps?\s+((?:\d+(?:\s*(?:,|and|to|–|-)\s*)?)+)", re.IGNORECASE)


class GivenAnswer(Answer):
    """What the model hands in."""

    text: str = Field(description="The answer for the person, in plain sentences.")
    evidence: list[Evidence] = Field(default_factory=list, description="Quotes that show it, a few.")


ANSWER = as_tool(GivenAnswer, "answer", "Answer the person. The evidence is looked up in the run.")


class Exchange(Frozen):
    """A question and what came back. ``answer`` is a model's text: hostile, as ever."""

    question: str
    answer: str = ""
    citations: tuple[Citation, ...] = ()
    """Those without a quote were not found in the run (*unsupported*)."""
    unknown_steps: tuple[int, ...] = ()
    """Steps that the answer names and the run has not."""
    model: str
    usage: CallUsage = CallUsage()
    failed: str = ""
    """Why there is no answer, in words."""
    at: datetime


def reading_of(trajectory: Trajectory, artifacts: Artifacts | None = None) -> Reading:
    """A run of which nothing was read yet; ``trajectory`` is what a diagnosis may see of it."""
    tree = build_tree(trajectory)
    return Reading(trajectory, tree, offline_stages(trajectory, tree).stages, artifacts=artifacts)


def ask(
    question: str,
    reading: Reading,
    model: Model,
    settings: DiagnosisSettings,
    *,
    before: Sequence[Exchange] = (),
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Exchange:
    """Answer one question within the limits of ``settings``; ``before`` is the conversation until now.

    ``reading`` goes from question to question: what was read once can be quoted later. Never raises for what the model
    or its provider does, nor when it was cancelled: the exchange says it, and what it cost.
    """
    window = min(model.context_tokens, settings.context_tokens or model.context_tokens)
    bounded = replace(
        reading,
        show_outcome=settings.show_outcome,
        answer_characters=min(LONGEST_ANSWER, window * CHARACTERS_PER_TOKEN // 6),
    )
    talk = Talk(
        model=model,
        settings=settings,
        budget=Budget(settings.model_copy(update={"samples": 1}), model.price),
        reading=bounded,
        sample=1,
        on_progress=on_progress,
        cancelled=cancelled,
        write=lambda _: None,
        window=window,
    )
    # What must not be lost when room is made stands in the first message: the run, what was said, and the question.
    map_ = overview(bounded, int((window - talk.reserve) * 0.25))
    talk.begin(prompt("asking"), "\n\n".join((map_, *_told(before, talk.note_characters), _asked(question))))
    given, failed = GivenAnswer(text=""), ""
    try:
        given = _answered(talk)
    except Cancelled:
        failed = "it was cancelled"
    except CodeTracerError as error:
        failed = str(error)
    citations, _ = cited(given.evidence, bounded)
    return Exchange(
        question=question,
        answer=given.text,
        citations=citations,
        unknown_steps=tuple(number for number in _named(given) if bounded.step(number) is None),
        model=model.name,
        usage=talk.budget.used,
        failed=failed,
        at=datetime.now(UTC),
    )


def _told(before: Sequence[Exchange], characters: int) -> list[str]:
    """The conversation until now, the oldest exchanges left out if there is no room for them."""
    kept: list[str] = []
    for one in reversed([one for one in before if one.answer][-REMEMBERED:]):
        told = f"{_asked(one.question)}\nYour answer was: {one.answer}"
        if sum(map(len, kept)) + len(told) > characters:
            break
        kept.append(told)
    return ["Earlier in this conversation:", *reversed(kept), "Now:"] if kept else []


def _asked(question: str) -> str:
    return f"The person asks: {question[:LONGEST_QUESTION]}"


def _answered(talk: Talk) -> GivenAnswer:
    """Go on until the model has answered with quotes that hold, or may not be sent back any more.

    Raises LimitReached, Cancelled and ModelError if there is no answer at all."""
    offered = (*tool_specs(), ANSWER)
    best: GivenAnswer | None = None
    sent_back, must_answer = 0, False
    while True:
        if not must_answer and (limit := talk.budget.near(talk.prompt_tokens(offered))):
            must_answer = True
            talk.say("user", f"The limit of {limit} is near: answer now.")
        try:
            reply = talk.ask("ask", (ANSWER,), must_call=ANSWER.name) if must_answer else talk.ask("ask", offered)
        except (LimitReached, ModelError):
            if best is None:
                raise
            return best
        problems: list[str] = []
        for request in reply.tool_requests:
            if request.name != ANSWER.name:
                _look(talk, request, must_answer=must_answer)
                continue
            try:
                best = read_answer(request.arguments, GivenAnswer)
                problems = _wrong_with(best, talk.reading)
            except UnusableAnswer as error:
                problems = list(error.problems)
            told = "\n".join(f"- {problem}" for problem in problems)
            talk.answer(request, f"This does not hold:\n{told}\nAnswer again." if problems else "Given.")
            if best is not None and not problems:
                return best
        if not reply.tool_requests:
            # Prose is an answer too, if a person would take it for one; quotes are asked for once.
            best = GivenAnswer(text=reply.text) if reply.text.strip() else best
            problems = [f"Call {ANSWER.name}, with quotes."]
            talk.say("user", problems[0])
        if problems:
            sent_back += 1
            talk.tell("repair", "; ".join(problems))
            if sent_back > talk.settings.repairs:
                if best is None:
                    raise ModelError(f"{talk.model.name} gives no answer, although it was asked {sent_back} times")
                return best


def _look(talk: Talk, request: ToolRequest, *, must_answer: bool) -> None:
    if must_answer:
        talk.answer(request, f"There is no time for that any more. Call {ANSWER.name}.")
    elif not talk.has_room():
        talk.answer(request, "Not done: the answers of this turn are long enough. Ask for this again in the next one.")
    else:
        result = call_tool(talk.reading, request)
        talk.answer(request, result.text)
        if not result.failed:
            talk.tell("read", request.name, result.steps)


def _wrong_with(given: GivenAnswer, reading: Reading) -> list[str]:
    _, problems = cited(given.evidence, reading)
    unknown = [number for number in _named(given) if reading.step(number) is None]
    told = [f"There is no step {number}; the run has {reading.trajectory.step_count}." for number in unknown]
    empty = [] if given.text.strip() else ["The answer is empty."]
    return [*empty, *problems, *told]


def _named(given: GivenAnswer) -> list[int]:
    """Numbers of steps that the text names, each once, in its order."""
    found = (number for match in _NAMED.finditer(given.text) for number in re.findall(r"\d{1,9}", match[1]))
    return list(dict.fromkeys(map(int, found)))
