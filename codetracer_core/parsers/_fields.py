"""Fields of JSON objects whose shape nobody promised: what is missing or of another type is None, not an error."""

import json
from typing import Any

from codetracer_core.models import ToolCall
from codetracer_core.parsers._artifacts import without_lone_surrogates


def mapping(value: Any) -> dict[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def within(value: Any, *keys: str) -> Any:
    """The value below ``keys`` in nested mappings; None where one of them is missing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text_field(value: Any, *keys: str) -> str | None:
    """The text below ``keys`` (or ``value`` itself); None if there is none or it is blank."""
    found = within(value, *keys)
    return found if isinstance(found, str) and found.strip() else None


def number_field(value: Any, *keys: str) -> float | None:
    """The number below ``keys``; None if there is none (a truth value is no number)."""
    found = within(value, *keys)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def count_field(value: Any, *keys: str) -> int | None:
    """The whole number below ``keys``; None if there is none."""
    found = number_field(value, *keys)
    return found if isinstance(found, int) else None


def token_field(value: Any, *keys: str) -> int | None:
    """The number of tokens below ``keys``; None if there is none, or 0, which writers put for "not counted"."""
    return count_field(value, *keys) or None


def call_arguments(written: Any) -> dict[str, Any] | str:
    """Arguments of a tool call as a mapping; what is no JSON object stays the text that the agent wrote."""
    if isinstance(written, dict):
        return written
    if not isinstance(written, str):
        return {} if written is None else json.dumps(written, ensure_ascii=False)
    try:
        decoded = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return without_lone_surrogates(decoded) if isinstance(decoded, dict) else written


def spoken_argument(tool: ToolCall) -> str | None:
    """The argument whose text is the whole action (``ToolCall.text``), if one is: so a reference can point at it."""
    text = tool.text()
    return next((key for key, value in mapping(tool.arguments).items() if value == text), None)
