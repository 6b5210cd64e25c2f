"""What models write where JSON was asked for: read tolerantly where nothing can be misread, told in words otherwise."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from codetracer_core.errors import ModelError

Json = Any
STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|,(?=\s*[}\]])', re.DOTALL)
THOUGHT_BEGINS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
THOUGHT_ENDS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
BEGINNING_OF_CALLS = re.compile(r'\{\s*"(?:calls|thought)"')
SURROGATE = re.compile("[\ud800-\udfff]")
MOST_BRACES = 1_000
"""Places of a text at which a JSON object is looked for."""
TOOL_KEYS = ("tool", "name", "function")
ARGUMENT_KEYS = ("arguments", "parameters", "input", "args")


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call. No text at all means that there are none.

    Read as meant: a code fence or prose around the object, commas before a closing bracket, line breaks inside
    strings, an object that was encoded twice. Not guessed at: quotes, brackets or values that are missing.
    Raises ModelError, which says what is wrong and where, for the model to read.
    """
    text = without_thoughts(text).strip()
    if not text:
        return {}
    if text.startswith("```") and text.endswith("```"):
        text = text.partition("\n")[2].removesuffix("```").strip()
    try:
        found = _decode(text)
        if isinstance(found, str):
            found = _decode(found)
    except ValueError as error:
        start, found = next(_objects(text), (-1, {}))
        if start < 0 or start != text.find("{"):  # an object inside one that is broken is not what was meant
            raise ModelError(f"The arguments are no JSON: {error}") from error
    except RecursionError:
        raise ModelError("The arguments are nested too deeply") from None
    if not isinstance(found, dict):
        raise ModelError(f"The arguments are a JSON {_kind(found)}; they have to be an object, {{…}}")
    return found


def read_calls(
    text: str, *, offered: Collection[str], must_call: str | None = None, known_only: bool = False
) -> tuple[str, list[tuple[str, str]]]:
    """The prose of an answer and the calls of tools that stand in it as JSON: (name, arguments as JSON text).

    ``{"calls": [{"tool": …, "arguments": {…}}]}`` is what models are asked for; one such call alone, several one
    after the other, and other words for *tool* and *arguments* are read too. With ``must_call`` an object that is no
    call stands for the arguments of that tool. ``known_only``: what names no offered tool is no call.
    """
    said = without_thoughts(text)
    calls: list[tuple[str, str]] = []
    prose, thought = said, ""
    for start, found in _objects(said):
        listed = found.get("calls")
        is_list = isinstance(listed, list)
        entries = listed if isinstance(listed, list) else [found]
        new = [call for entry in entries if (call := _as_call(entry)) is not None]
        if known_only:
            new = [call for call in new if call[0] in offered]
        if not new and not is_list and must_call and not known_only and start == said.find("{"):
            new = [(must_call, json.dumps(found))]
        if new or is_list:
            if not calls:
                prose, thought = said[:start], str(found.get("thought") or "")
            calls += new
        if is_list:
            break
    return (_without_fence(prose) or thought, calls) if calls else (prose.strip(), [])


def without_thoughts(text: str) -> str:
    """What follows the last </think>, up to a <think> that has no end; templates of models lose either tag."""
    *_, text = THOUGHT_ENDS.split(text)
    return THOUGHT_BEGINS.split(text, maxsplit=1)[0]


def well_formed(text: str) -> str:
    """The text with a replacement character for each half of a character that UTF-8 cannot write."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects in a text, outermost ones, with where they begin."""
    position = 0
    for _ in range(MOST_BRACES):
        start = text.find("{", position)
        if start < 0:
            return
        try:
            found, end = _DECODER.raw_decode(text, start)
            found = _tidy(found)
        except ValueError:
            position = start + 1
        except RecursionError:
            return
        else:
            position = end
            yield start, found


def _as_call(entry: Json) -> tuple[str, str] | None:
    """(name, arguments as JSON text), or None if this is no call."""
    if not isinstance(entry, dict):
        return None
    name_key = next((key for key in TOOL_KEYS if key in entry), None)
    if name_key is None:
        return None
    if name_key == "function" and isinstance(entry["function"], dict):
        return _as_call(entry["function"])
    name = entry[name_key]
    if not isinstance(name, str):
        return None
    given = next((key for key in ARGUMENT_KEYS if key in entry), None)
    if given is None:
        arguments: Json = {key: value for key, value in entry.items() if key not in (name_key, "thought")}
    else:
        arguments = entry[given]
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments)


def _without_fence(prose: str) -> str:
    """The prose before an object, without what only introduces it: a code fence, a bracket, a list that was cut off."""
    prose = BEGINNING_OF_CALLS.split(prose, maxsplit=1)[0].rstrip(" \t\r\n[")
    head, fence, language = prose.rpartition("```")
    return head.strip() if fence and (language.isalnum() or not language) else prose.strip()


def _decode(text: str) -> Json:
    """Raises ValueError, RecursionError."""
    try:
        return _tidy(_DECODER.decode(text))
    except json.JSONDecodeError:
        without = STRING_OR_TRAILING_COMMA.sub(lambda found: "" if found[0] == "," else found[0], text)
        if without == text:
            raise
        return _tidy(_DECODER.decode(without))


def _tidy(found: Json) -> Json:
    """The same value with text that UTF-8 can write."""
    if isinstance(found, str):
        return well_formed(found)
    if isinstance(found, list):
        return [_tidy(item) for item in found]
    if isinstance(found, dict):
        return {well_formed(key): _tidy(value) for key, value in found.items()}
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _kind(found: Json) -> str:
    return {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}.get(type(found), "null")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_number)
