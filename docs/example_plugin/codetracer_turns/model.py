"""A "language model" of two rules, to show what a model is: it needs no network and costs nothing."""

import json
import re
from collections.abc import Callable, Sequence

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, ModelError
from codetracer_core.llm import Message, Price, Reply, ToolRequest, ToolSpec

_FAILED_STEP = re.compile(r"^Step (\d+) .*exit code [1-9].*\n(?:(?!^Step ).*\n)*?observation.*\n⟦\n(.+)", re.MULTILINE)


def open_model(name: str) -> "Rules":
    """The factory: called with the whole name ("rules/first-failure"); raises ModelError for one that means nothing."""
    if name != "rules/first-failure":
        raise ModelError(f"there is no model {name!r}", remedy="There is rules/first-failure.")
    return Rules(name)


class Rules:
    """Blames the first step that failed, with its first line as the quote that shows it."""

    context_tokens = 1_000_000
    price = Price(prompt=0.0, completion=0.0)

    def __init__(self, name: str) -> None:
        self.name = name

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        must_call: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        if cancelled():
            raise Cancelled("the call was cancelled")
        usage = CallUsage(calls=1, prompt_tokens=self.count_tokens(messages, tools), cost_usd=0.0)
        if not any(tool.name == "submit_diagnosis" for tool in tools):
            raise ModelError(f"{self.name} can diagnose, and nothing else")
        call = ToolRequest(call_id="1", name="submit_diagnosis", arguments=json.dumps(_submission(messages)))
        return Reply(tool_requests=(call,), usage=usage)

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        return sum(len(message.text) for message in messages) // 3


def _submission(messages: Sequence[Message]) -> dict[str, object]:
    shown = "\n".join(message.text for message in messages)
    failed = _FAILED_STEP.search(shown)
    if failed is None:
        return {
            "case_for_clean_run": "No step failed.",
            "conclusion": "no_error_found",
            "summary": "No step that was shown failed.",
        }
    step, quote = int(failed[1]), failed[2]
    evidence = [{"step_id": step, "quote": quote}]
    return {
        "case_for_clean_run": "A command that fails is not always a mistake.",
        "conclusion": "error_found",
        "summary": f"Step {step} is the first one that failed.",
        "onset": [{"step_id": step, "reasoning": "The first failure.", "evidence": evidence}],
        "findings": [
            {"step_id": step, "verdict": "incorrect", "reasoning": "The command failed.", "evidence": evidence}
        ],
    }
