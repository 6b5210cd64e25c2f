"""One structured answer from a model: validated, and sent back with what is wrong until it holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import ModelError
from codetracer_core.llm.protocol import Message, Model, Reply, ToolSpec
from codetracer_core.llm.reading import read_arguments

T = TypeVar("T", bound=BaseModel)
MOST_PROBLEMS = 20
"""Problems that a model is told of at once."""


class UnusableAnswer(ModelError):
    """An answer that does not have the shape that was asked for. ``problems``: what is wrong, a sentence each.

    ``replies``: the answers that were got until then (they have been paid for).
    """

    def __init__(self, problems: Sequence[str], replies: Sequence[Reply] = ()) -> None:
        self.problems = tuple(problems)
        self.replies = tuple(replies)
        super().__init__("The answer of the model cannot be used: " + "; ".join(self.problems))


@dataclass(frozen=True)
class Answered(Generic[T]):
    """A valid answer, the conversation that led to it (it ends with the answer), and every reply on the way."""

    value: T
    messages: tuple[Message, ...]
    replies: tuple[Reply, ...]

    @property
    def usage(self) -> CallUsage:
        """Of all tries, failed ones too."""
        return sum_usage(self.replies)


def sum_usage(replies: Sequence[Reply]) -> CallUsage:
    total = CallUsage()
    for reply in replies:
        total += reply.usage
    return total


def ask(
    model: Model,
    messages: Sequence[Message],
    answer: type[T],
    *,
    repairs: int = 2,
    name: str = "answer",
    description: str = "",
    max_tokens: int | None = None,
    temperature: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    on_text: Callable[[str], None] | None = None,
) -> Answered[T]:
    """Ask for one answer of this shape, given as the arguments of a tool called ``name``.

    What does not validate is sent back with the exact problems, at most ``repairs`` times; then UnusableAnswer.
    Raises also what ``Model.complete`` raises.
    """
    tool = as_tool(answer, name, description)
    conversation, replies = list(messages), list[Reply]()
    while True:
        reply = model.complete(
            conversation,
            tools=(tool,),
            must_call=name,
            max_tokens=max_tokens,
            temperature=temperature,
            cancelled=cancelled,
            on_text=on_text,
        )
        replies.append(reply)
        conversation.append(Message(role="assistant", text=reply.text, tool_requests=reply.tool_requests))
        try:
            value = _value(reply, answer, name)
        except UnusableAnswer as error:
            if len(replies) > repairs:
                raise UnusableAnswer(error.problems, replies) from error
            conversation += _sent_back(reply, error.problems, name)
        else:
            return Answered(value, tuple(conversation), tuple(replies))


def as_tool(answer: type[BaseModel], name: str, description: str = "") -> ToolSpec:
    """The tool whose arguments are an answer of this shape; without a description, the first line of its docstring."""
    first_line = (answer.__doc__ or "").strip().partition("\n")[0]
    return ToolSpec(name=name, description=description or first_line, parameters=answer.model_json_schema())


def read_answer(arguments: str, answer: type[T]) -> T:
    """The arguments of a call as an answer of this shape. Raises UnusableAnswer, which names each problem."""
    try:
        return answer.model_validate(read_arguments(arguments))
    except ValidationError as error:
        raise UnusableAnswer(_problems(error)) from error
    except ModelError as error:
        raise UnusableAnswer([error.reason]) from error


def _value(reply: Reply, answer: type[T], name: str) -> T:
    request = next((request for request in reply.tool_requests if request.name == name), None)
    problems = [f"It does not call the tool {name!r}"]
    if request is not None:
        try:
            return read_answer(request.arguments, answer)
        except UnusableAnswer as error:
            problems = list(error.problems)
    if reply.is_cut:
        problems.insert(0, "It was too long and has been cut off: be much shorter")
    raise UnusableAnswer(problems)


def _sent_back(reply: Reply, problems: Sequence[str], name: str) -> list[Message]:
    """Every call of the reply is answered, as providers demand; without calls a user says what is missing."""
    told = "Your answer cannot be used:\n" + "".join(f"- {problem}\n" for problem in problems)
    told += f"Call {name!r} again with the whole corrected answer."
    if not reply.tool_requests:
        return [Message(role="user", text=told)]
    return [Message(role="tool", call_id=request.call_id, text=told) for request in reply.tool_requests]


def _problems(error: ValidationError) -> list[str]:
    """One sentence per problem, with the place in the answer and what stands there."""
    told = [
        f"{'.'.join(map(str, problem['loc'])) or 'the whole answer'}: {problem['msg']}{_given(problem['input'])}"
        for problem in error.errors(include_url=False, include_context=False)
    ]
    more = len(told) - MOST_PROBLEMS
    return [*told[:MOST_PROBLEMS], f"and {more} more"] if more > 0 else told


def _given(value: object) -> str:
    """What was given, where it is short enough to help."""
    return f" (given: {value!r})" if isinstance(value, str | int | float) and len(repr(value)) <= 80 else ""
