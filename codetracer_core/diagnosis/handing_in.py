"""How a model hands in what it found, and how it is sent back what does not hold."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import Field

from codetracer_core.diagnosis.answers import LESSONS, Answer, FindingAnswer, Submission
from codetracer_core.diagnosis.evidence import Checked, check
from codetracer_core.diagnosis.prompts import prompt
from codetracer_core.diagnosis.talk import Talk
from codetracer_core.diagnosis.tools import call_tool
from codetracer_core.errors import ModelError
from codetracer_core.llm import ToolRequest, ToolSpec, UnusableAnswer, as_tool, read_answer

Asked = TypeVar("Asked", bound=Answer)


class Note(Answer):
    """Something to be kept whatever happens to the conversation."""

    thought: str = ""
    findings: list[FindingAnswer] = Field(default_factory=list, description="Labels that you would give by now.")
    withdrawn: list[int] = Field(default_factory=list, description="Steps whose labels you take back.")
    insights: list[str] = Field(default_factory=list, description=LESSONS)


class PartJudgement(Note):
    """What a part of the run came to. Its notes take the place of the earlier ones."""

    thought: str = Field(description="All that you must remember of the run until here; it replaces your notes.")


class HalfChoice(Answer):
    """Where the run first went off track."""

    half: Literal["first", "second", "neither"]
    reasoning: str
    findings: list[FindingAnswer] = Field(default_factory=list, description="Labels that you would give by now.")


SUBMIT = as_tool(Submission, "submit_diagnosis", "Hand in the diagnosis. The evidence is checked.")
KEEP_NOTE = as_tool(Note, "keep_note", "Keep a thought, or labels that you are sure of.")
JUDGE_PART = as_tool(PartJudgement, "judge_part", "Say what this part of the run came to.")
CHOOSE_HALF = as_tool(HalfChoice, "choose_half", "Say in which half the run first went off track.")


def converse(talk: Talk, tools: Sequence[ToolSpec] = (), *, phase: str = "conclude") -> None:
    """Go on until the model has handed in a diagnosis that holds, or may not be sent back any more (``talk.best``).

    Without ``tools`` it has to hand in at once. Near a limit it is told to conclude. Raises LimitReached, Cancelled,
    and ModelError if it hands in nothing that can be used.
    """
    offered = (*tools, KEEP_NOTE, SUBMIT) if tools else (SUBMIT,)
    must_conclude = not tools
    idle = 0
    while True:
        if not must_conclude and (limit := talk.budget.near(talk.prompt_tokens(offered))):
            must_conclude = True
            talk.early = f"concluded when the limit of {limit} was near"
            talk.tell("warning", talk.early)
            talk.say("user", prompt("near_limit", reason=f"The limit of {limit} is near."))
        reply = talk.ask("conclude", offered, must_call=SUBMIT.name) if must_conclude else talk.ask(phase, offered)
        if any(_carried_out(talk, request, must_conclude) for request in reply.tool_requests):
            return
        called = {request.name for request in reply.tool_requests}
        useful = SUBMIT.name in called or (called and not must_conclude)
        idle = 0 if useful else idle + 1
        if idle > talk.settings.repairs:
            if must_conclude:
                raise ModelError(f"{talk.model.name} does not hand in a diagnosis, although it was asked {idle} times")
            must_conclude, idle = True, 0
        if not reply.tool_requests:
            talk.say("user", f"Call a tool; hand in the diagnosis with {SUBMIT.name}.")


def answer_of(talk: Talk, asked: type[Asked], tool: ToolSpec) -> Asked:
    """The model's answer through this one tool; sent back with what is wrong with it as often as the settings say.

    Raises ModelError if it never fits, and whatever ``Talk.ask`` raises."""
    for _ in range(talk.settings.repairs + 1):
        reply = talk.ask("investigate", (tool,), must_call=tool.name)
        answer: Asked | None = None
        for request in reply.tool_requests:
            if request.name != tool.name or answer is not None:
                talk.answer(request, f"Call {tool.name}, once.")
                continue
            try:
                answer = read_answer(request.arguments, asked)
                talk.answer(request, "Noted.")
            except UnusableAnswer as error:
                _refuse(talk, request, _problems(talk, error))
        if answer is not None:
            return answer
        if not reply.tool_requests:
            talk.say("user", f"Call {tool.name}.")
    raise ModelError(f"{talk.model.name} gives no answer that fits {tool.name}")


def take_note(talk: Talk, note: Note, *, replaces: bool = False) -> None:
    """Write it into the notebook, whose thoughts it may replace."""
    if replaces:
        talk.notebook.thoughts.clear()
    if note.thought.strip():
        talk.notebook.thoughts.append(note.thought.strip()[:4_000])
    for step in note.withdrawn:
        talk.notebook.findings.pop(step, None)
    known = (finding for finding in note.findings if talk.reading.step(finding.step_id) is not None)
    talk.notebook.findings |= {finding.step_id: finding for finding in known}
    talk.notebook.insights += note.insights


def salvage(talk: Talk) -> tuple[Submission, Checked] | None:
    """What there is when a sample ends before its time: what was handed in, else the labels in the notebook."""
    if talk.best is not None or not talk.notebook.findings:
        return talk.best
    kept = Submission(
        case_for_clean_run="",
        conclusion="undecided",
        summary=" ".join(talk.notebook.thoughts),
        findings=[finding for _, finding in sorted(talk.notebook.findings.items())],
    )
    return kept, check(kept, talk.reading)


def _carried_out(talk: Talk, request: ToolRequest, must_conclude: bool) -> bool:
    """Answer one call of a tool; True if it was the diagnosis, and there is nothing more to ask for."""
    if request.name == SUBMIT.name:
        return _handed_in(talk, request)
    if must_conclude:
        talk.answer(request, f"There is no time for that any more. Call {SUBMIT.name}.")
        return False
    if request.name == KEEP_NOTE.name:
        try:
            take_note(talk, read_answer(request.arguments, Note))
        except UnusableAnswer as error:
            talk.answer(request, "\n".join(_problems(talk, error)))
        else:
            talk.answer(request, "Kept.")
        return False
    if not talk.has_room():
        talk.answer(request, "Not done: the answers of this turn are long enough. Ask for this again in the next one.")
        return False
    result = call_tool(talk.reading, request)
    talk.answer(request, result.text)
    if not result.failed:
        talk.tell("read", request.name, result.steps)
    return False


def _handed_in(talk: Talk, request: ToolRequest) -> bool:
    problems: Sequence[str]
    try:
        submission = read_answer(request.arguments, Submission)
    except UnusableAnswer as error:
        problems = _problems(talk, error)
    else:
        checked = check(submission, talk.reading)
        talk.best, problems = (submission, checked), checked.problems
    if not problems or talk.repairs >= talk.settings.repairs:
        if talk.best is None:
            raise ModelError(f"{talk.model.name} handed in nothing that can be read: {problems[0]}")
        talk.answer(request, "Accepted.")
        return True
    talk.repairs += 1
    _refuse(talk, request, problems)
    return False


def _refuse(talk: Talk, request: ToolRequest, problems: Sequence[str]) -> None:
    talk.sent_back += 1
    listed = "\n".join(f"- {problem}" for problem in problems)
    talk.answer(request, prompt("repair", problems=listed, tool=request.name))
    talk.tell("repair", listed)


def _problems(talk: Talk, error: UnusableAnswer) -> list[str]:
    """What does not fit, for the model."""
    too_long = ["The answer was cut off because it was too long: be brief."] if talk.was_cut else []
    return [*too_long, *error.problems]
