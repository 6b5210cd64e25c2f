"""What providers say when something goes wrong, in words that are worth reading."""

import time
from email.utils import formatdate

import pytest

from codetracer_core.llm.faults import LONGEST_WORDS, asked_to_wait, fault_of, in_short


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("litellm.BadRequestError: OpenAIException - no such thing", "no such thing"),
        ("litellm.MidStreamFallbackError: litellm.APIConnectionError: APIConnectionError: OpenAIException - peer gone "
         "Original exception: APIConnectionError: more", "peer gone"),
        ('litellm.AuthenticationError: AnthropicException - b\'{"type": "error", "error": {"message": "bad key"}}\'',
         "bad key"),
        ("litellm.InternalServerError: AnthropicException - busy. Handle with `litellm.InternalServerError`.", "busy."),
        ("'response'\nTraceback (most recent call last):\n  File x", "'response'"),
        ("two\nlines \x1b[31mred", "two lines  [31mred"),
    ],
)  # fmt: skip
def test_errors_in_short(said: str, words: str) -> None:
    assert in_short(said) == words


def test_long_errors_are_cut() -> None:
    assert len(in_short("words " * 10_000)) == LONGEST_WORDS


def test_how_long_a_provider_asks_to_wait() -> None:
    assert asked_to_wait({}) is None
    assert asked_to_wait({"retry-after": "7"}) == 7.0
    assert asked_to_wait({"retry-after": "1.5"}) == 1.5
    assert asked_to_wait({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert 500 < (asked_to_wait({"retry-after": formatdate(time.time() + 600, usegmt=True)}) or 0) <= 600
    assert asked_to_wait({"retry-after": "Fri, 01 Jan 2021 00:00:00 GMT"}) == 0.0
    assert asked_to_wait({"retry-after": "soon"}) is None


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (429, "Too many tokens, please wait before trying again.", "temporary"),
        (529, "Overloaded", "temporary"),
        (None, "something else", "temporary"),
        (400, "Unsupported value: 'temperature' does not support 0.2 with this model.", "refused"),
        (400, "max_tokens is too large: this model supports at most 4096 completion tokens", "final"),
        (400, "input length and `max_tokens` exceed context limit", "overflow"),
        (500, "the tools of our operators are at work", "temporary"),
        (429, "You exceeded your current quota", "final"),
        (402, "Insufficient Balance", "final"),
    ],
)
def test_what_a_fault_means(status: int | None, words: str, kind: str) -> None:
    assert fault_of(status, ["Error"], words, {"temperature", "tools"}).kind == kind
