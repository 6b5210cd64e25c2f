"""JSON as models write it: read where it can only mean one thing, told in words where not."""

import json

import pytest
from pydantic import BaseModel

from codetracer_core.errors import ModelError
from codetracer_core.llm import Message, ToolRequest, ToolSpec, read_arguments
from codetracer_core.llm.modes import as_request, inlined
from codetracer_core.llm.reading import read_calls, without_thoughts

STEPS = {"steps": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": [1, 2]}',
        '```json\n{"steps": [1, 2]}\n```',
        '```\n{"steps": [1, 2]}```',
        'Here you are:\n```json\n{"steps": [1, 2]}\n```\nWith that I am done.',
        '{"steps": [1, 2,],}',
        '"{\\"steps\\": [1, 2]}"',
        '<think>Is {"steps": [9]} right? No.</think>{"steps": [1, 2]}',
        'lost its beginning {"steps": [9]}</think> {"steps": [1, 2]}',
    ],
)
def test_arguments_are_read_as_meant(text: str) -> None:
    assert read_arguments(text) == STEPS


def test_no_arguments_at_all() -> None:
    assert read_arguments("") == read_arguments(" \n") == read_arguments("{}") == {}


def test_strings_stay_as_they_are() -> None:
    said = '{"quote": "a, ] b, }\\" ,]", "more": "line\nbreak\tand ```",}'
    assert read_arguments(said) == {"quote": 'a, ] b, }" ,]', "more": "line\nbreak\tand ```"}
    assert read_arguments('{"quote": "half \\ud800 of one"}') == {"quote": "half \ufffd of one"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'steps': [1]}", "double quotes.*line 1 column 2"),
        ('{"steps": [1', "no JSON.*line 1 column"),
        ('{"findings": [{"step_id": 1}, {"step_i', "no JSON"),
        ('{"steps": NaN}', "NaN is no number of JSON"),
        ("[1, 2]", "a JSON array; they have to be an object"),
        ("7", "a JSON number"),
        ("null", "a JSON null"),
        ('"words"', "no JSON"),
        ("I cannot", "no JSON"),
        ('{"a":' * 50_000, "nested too deeply|no JSON"),
        ("[" * 50_000, "nested too deeply"),
        ('{"a":' * 900 + "1" + "}" * 900, "nested too deeply"),
        ('{"n": ' + "9" * 5_000 + "}", "no JSON.*digits"),
        ('{"a": ' + '\\"' * 20_000, "no JSON"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_arguments(text)


CALL = ("read_steps", '{"steps": [1, 2]}')
TOOLS = ("read_steps", "submit")


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ('{"calls": [{"tool": "read_steps", "arguments": {"steps": [1, 2]}}]}', ""),
        ('{"thought": "I look.", "calls": [{"tool": "read_steps", "arguments": {"steps": [1, 2]}}]}', "I look."),
        ('I look.\n```json\n{"tool": "read_steps", "arguments": {"steps": [1, 2]}}\n```', "I look."),
        ('I look. [{"name": "read_steps", "parameters": {"steps": [1, 2]}}]', "I look."),
        ('{"tool": "read_steps", "steps": [1, 2]}', ""),
        ('{"type": "function", "function": {"name": "read_steps", "arguments": "{\\"steps\\": [1, 2]}"}}', ""),
        ('<think>{"tool": "submit"}</think> I {really} look. {"name": "read_steps", "input": {"steps": [1, 2]}} Done.',
         "I {really} look."),
    ],
)  # fmt: skip
def test_calls_in_text(text: str, prose: str) -> None:
    assert read_calls(text, offered=TOOLS) == (prose, [CALL])


def test_several_calls_one_after_the_other() -> None:
    two = '{"tool": "read_steps", "arguments": {"steps": [1, 2]}}\n{"tool": "submit", "arguments": {}}'
    assert read_calls(two, offered=TOOLS) == ("", [CALL, ("submit", "{}")])


def test_an_object_that_is_no_call() -> None:
    said = 'I hand in: {"summary": "fine"} {"summary": "no"}'
    assert read_calls(said, offered=TOOLS) == (said, [])
    assert read_calls(said, offered=TOOLS, must_call="submit") == ("I hand in:", [("submit", '{"summary": "fine"}')])
    assert read_calls('{"calls": []}', offered=TOOLS, must_call="submit")[1] == []


def test_a_broken_object_is_not_replaced_by_what_is_inside_it() -> None:
    cut = '{"tool": "submit", "arguments": {"findings": [{"step_id": 1}, {"st'
    assert read_calls(cut, offered=TOOLS, must_call="submit") == (cut, [])


def test_of_calls_that_were_cut_off_the_whole_ones_are_read() -> None:
    cut = 'I look. {"thought": "so", "calls": [{"tool": "read_steps", "arguments": {"steps": [1, 2]}}, {"tool": "su'
    assert read_calls(cut, offered=TOOLS) == ("I look.", [CALL])


def test_a_thousand_braces_end() -> None:
    assert read_calls("{" * 200_000 + '{"tool": "submit"}', offered=TOOLS)[1] == []


def test_thoughts_are_left_out() -> None:
    assert without_thoughts("<think>a</think>b<think>c") == "b"
    assert without_thoughts("a</THINKING> b") == " b"
    assert without_thoughts("no thoughts") == "no thoughts"


class Leaf(BaseModel):
    step_id: int


class Tree(BaseModel):
    leaf: Leaf
    leaves: list[Leaf]
    more: "list[Tree]" = []


def test_references_in_schemas_are_inlined() -> None:
    class Answer(BaseModel):
        leaf: Leaf
        leaves: list[Leaf]

    plain = inlined(Answer.model_json_schema())
    assert "$" not in json.dumps(plain)
    assert plain["properties"]["leaves"]["items"]["properties"]["step_id"] == {"title": "Step Id", "type": "integer"}
    endless = inlined(Tree.model_json_schema())
    assert "$ref" not in json.dumps(endless)


def test_a_plain_conversation_alternates_and_keeps_everything() -> None:
    request = ToolRequest(call_id="a", name="read_steps", arguments='{"steps": [1]}')
    broken = ToolRequest(call_id="b", name="read_steps", arguments="no json")
    messages = [
        Message(role="user", text="Diagnose."),
        Message(role="user", text="Be brief."),
        Message(role="assistant", text="I look.", tool_requests=(request, broken)),
        Message(role="tool", call_id="a", text="step 1"),
        Message(role="tool", call_id="b", text="what?"),
        Message(role="assistant"),
        Message(role="user", text="Go on."),
    ]
    tool = ToolSpec(name="read_steps", description="Reads.", parameters={"type": "object"})
    shown = as_request(messages, [tool], None, "text")["messages"]
    assert [message["role"] for message in shown] == ["system", "user", "assistant", "user"]
    assert "- read_steps: Reads." in shown[0]["content"]
    assert shown[1]["content"] == "Diagnose.\n\nBe brief."
    assert json.loads(shown[2]["content"]) == {
        "thought": "I look.",
        "calls": [{"tool": "read_steps", "arguments": {"steps": [1]}}, {"tool": "read_steps", "arguments": "no json"}],
    }
    assert shown[3]["content"] == "Answer of read_steps:\nstep 1\n\nAnswer of read_steps:\nwhat?\n\nGo on."


@pytest.mark.parametrize("depth", [500, 1_500, 100_000])
def test_arguments_that_are_nested_deeply_can_be_told_in_plain_words(depth: int) -> None:
    call = ToolRequest(call_id="c", name="read_steps", arguments="[" * depth + "]" * depth)
    conversation = [Message(role="user", text="?"), Message(role="assistant", tool_requests=(call,))]
    (_, said) = as_request(conversation, (), None, "prose")["messages"]
    assert "[" * depth in said["content"]
