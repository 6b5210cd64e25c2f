"""Structured answers: the tool that asks for one, and whether what came has the shape that was asked for."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from codetracer_core.errors import ModelError
from codetracer_core.llm.protocol import ToolSpec
from codetracer_core.llm.reading import read_arguments

T = TypeVar("T", bound=BaseModel)
MOST_PROBLEMS = 20
"""Problems that a model is told of at once."""


class UnusableAnswer(ModelError):
    """An answer that does not have the shape that was asked for. ``problems``: what is wrong, a sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The answer of the model cannot be used: " + "; ".join(self.problems))


def as_tool(answer: type[BaseModel], name: str, description: str) -> ToolSpec:
    """The tool whose arguments are an answer of this shape."""
    return ToolSpec(name=name, description=description, parameters=answer.model_json_schema())


def read_answer(arguments: str, answer: type[T]) -> T:
    """The arguments of a call as an answer of this shape. Raises UnusableAnswer, which names each problem."""
    try:
        return answer.model_validate(read_arguments(arguments))
    except ValidationError as error:
        raise UnusableAnswer(_problems(error)) from error
    except ModelError as error:
        raise UnusableAnswer([error.reason]) from error


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
