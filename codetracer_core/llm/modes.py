"""How a conversation with tools is put to a provider: with native tool calls, with a JSON schema, or in plain words."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from codetracer_core.llm.protocol import Message, ToolRequest, ToolSpec
from codetracer_core.llm.reading import read_calls, well_formed, without_thoughts

Mode = Literal["auto", "tools", "schema", "text"]
"""*tools*: native tool calls; *schema*: answers follow a JSON schema; *text*: the system prompt asks for JSON;
*auto*: the first of these that the provider does not refuse."""
Form = Literal["tools", "schema", "text", "prose"]
"""How one request is made; *prose*: it offers no tools."""
HOW_TO_CALL = """You act by calling tools. Answer with one JSON object and nothing else:
{"thought": "what you conclude, briefly", "calls": [{"tool": "name of the tool", "arguments": {…}}]}
You may make several calls at once. The answers come in the next message. The tools:
"""


def as_request(
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    must_call: str | None,
    form: Form,
    *,
    can_choose: bool = True,
) -> dict[str, Any]:
    """The parts of a request that depend on the form: messages, tools, tool_choice, response_format.

    ``can_choose``: the provider knows tool_choice; if not, only the tool that has to be called is offered.
    """
    if form == "tools":
        if must_call and not can_choose:
            tools = [tool for tool in tools if tool.name == must_call]
        request: dict[str, Any] = {"messages": _merged(_native(messages)), "tools": [_function(tool) for tool in tools]}
        if must_call and can_choose:
            request["tool_choice"] = {"type": "function", "function": {"name": must_call}}
        return request
    plain = _plain(messages)
    if form == "prose":
        return {"messages": _merged(plain)}
    described = {"role": "system", "content": HOW_TO_CALL + "\n".join(_description(tool) for tool in tools)}
    first = sum(message["role"] == "system" for message in plain[:1])
    plain = [*plain[:first], described, *plain[first:]]
    if must_call:
        plain.append({"role": "user", "content": f"Now call the tool {must_call}."})
    request = {"messages": _merged(plain)}
    if form == "schema":
        schema = _schema(tools, must_call)
        request["response_format"] = {"type": "json_schema", "json_schema": {"name": "calls", "schema": schema}}
    return request


def as_answer(
    text: str, native: Sequence[ToolRequest], tools: Sequence[ToolSpec], must_call: str | None, form: Form, turn: int
) -> tuple[str, tuple[ToolRequest, ...]]:
    """The text of an answer and the calls in it. ``turn`` makes the ids of calls that have none differ by turn.

    Models that were offered native calls now and then write them as JSON: what names an offered tool is read too.
    """
    said = well_formed(without_thoughts(text)).strip()
    requests = list(native)
    if form != "prose" and not requests:
        offered = {tool.name for tool in tools}
        said, calls = read_calls(said, offered=offered, must_call=must_call, known_only=form == "tools")
        requests = [ToolRequest(call_id="", name=name, arguments=arguments) for name, arguments in calls]
    taken: set[str] = set()
    for number, request in enumerate(requests):
        call_id = request.call_id if request.call_id and request.call_id not in taken else f"call_{turn}_{number + 1}"
        taken.add(call_id)
        requests[number] = request.model_copy(update={"call_id": call_id, "arguments": well_formed(request.arguments)})
    return said, tuple(requests)


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema with its ``$defs`` where they are referred to: many providers do not follow references.

    A definition that contains itself becomes "any object" at the second level.
    """
    definitions = schema.get("$defs", {})

    def inline(part: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [inline(item, inside) for item in part]
        return inline_object(part, inside) if isinstance(part, dict) else part

    def inline_object(part: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        rest = {key: inline(value, inside) for key, value in part.items() if key not in ("$ref", "$defs")}
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if not name:
            return rest
        if name in inside or name not in definitions:
            return {"type": "object", **rest}
        return {**inline_object(definitions[name], (*inside, name)), **rest}

    return inline_object(schema, ())


def _native(messages: Sequence[Message]) -> list[dict[str, Any]]:
    shown = []
    for message in messages:
        entry: dict[str, Any] = {"role": message.role, "content": well_formed(message.text)}
        if message.role == "tool":
            entry["tool_call_id"] = message.call_id
        elif message.tool_requests:
            entry["content"] = entry["content"] or None
            entry["tool_calls"] = [
                {
                    "id": request.call_id,
                    "type": "function",
                    "function": {"name": request.name, "arguments": well_formed(request.arguments) or "{}"},
                }
                for request in message.tool_requests
            ]
        shown.append(entry)
    return shown


def _plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The same conversation for a model that is offered no tools natively: calls are JSON, their answers a user's."""
    shown = []
    names: dict[str | None, str] = {}
    for message in messages:
        text = well_formed(message.text)
        if message.role == "tool":
            name = names.get(message.call_id, "the tool")
            shown.append({"role": "user", "content": f"Answer of {name}:\n{text}"})
            continue
        if message.tool_requests:
            names |= {request.call_id: request.name for request in message.tool_requests}
            thought = [f'"thought": {json.dumps(text)}'] if text else []
            calls = ", ".join(_as_json(request) for request in message.tool_requests)
            text = "{" + ", ".join([*thought, f'"calls": [{calls}]']) + "}"
        shown.append({"role": message.role, "content": text})
    return shown


def _as_json(request: ToolRequest) -> str:
    try:
        return json.dumps({"tool": request.name, "arguments": json.loads(request.arguments or "{}")})
    except (ValueError, RecursionError):
        return json.dumps({"tool": request.name, "arguments": request.arguments})


def _merged(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without empty answers of the model, and neighbours of one role as one message: templates insist that roles
    alternate, and some providers refuse empty messages."""
    merged: list[dict[str, Any]] = []
    kept = [
        message for message in messages if message["content"] or message.get("tool_calls") or message["role"] == "tool"
    ]
    for role, group in groupby(kept, key=lambda message: str(message["role"])):
        together = list(group)
        if role in ("system", "user") and len(together) > 1:
            merged.append({"role": role, "content": "\n\n".join(message["content"] for message in together)})
        else:
            merged += together
    return merged


def _function(tool: ToolSpec) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description, "parameters": inlined(tool.parameters)}
    return {"type": "function", "function": described}


def _description(tool: ToolSpec) -> str:
    return f"- {tool.name}: {tool.description}\n  arguments: {json.dumps(inlined(tool.parameters))}"


def _schema(tools: Sequence[ToolSpec], must_call: str | None) -> dict[str, Any]:
    """Of an answer that calls at least one of these tools, or that one exactly once."""
    calls = [
        {
            "type": "object",
            "properties": {"tool": {"type": "string", "enum": [tool.name]}, "arguments": inlined(tool.parameters)},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
        if must_call in (None, tool.name)
    ]
    array: dict[str, Any] = {"type": "array", "items": calls[0] if len(calls) == 1 else {"anyOf": calls}, "minItems": 1}
    if must_call:
        array["maxItems"] = 1
    thought = {} if must_call else {"thought": {"type": "string"}}
    return {
        "type": "object",
        "properties": {**thought, "calls": array},
        "required": ["calls"],
        "additionalProperties": False,
    }
