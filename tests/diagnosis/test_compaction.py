"""Making room keeps turns whole and never loses the head, the memo or the last turn."""

from codetracer_core.diagnosis.compaction import last_turn_only, shortened, turns_of, without_oldest
from codetracer_core.llm import Message, ToolRequest


def conversation(turns: int) -> list[Message]:
    messages = [Message(role="system", text="rules"), Message(role="user", text="overview")]
    for number in range(turns):
        request = ToolRequest(call_id=f"c{number}", name="read_steps", arguments="{}")
        messages.append(Message(role="assistant", tool_requests=(request,)))
        messages.append(Message(role="tool", call_id=f"c{number}", text="x" * 2_000))
    return messages


def is_answered(messages: list[Message]) -> bool:
    asked = [request.call_id for message in messages for request in message.tool_requests]
    return asked == [message.call_id for message in messages if message.role == "tool"]


def test_dropping_goes_on_until_one_turn_is_left_and_keeps_calls_with_their_answers() -> None:
    messages = conversation(10)
    sizes = [10]
    while len(turns_of(messages)) > 1:
        messages = without_oldest(messages, "memo")
        sizes.append(len(turns_of(messages)))
        assert [message.text for message in messages[:3]] == ["rules", "overview", "memo"]
        assert [message.text for message in messages].count("memo") == 1
        assert is_answered(messages)
    assert sizes == [10, 6, 4, 2, 1]
    assert without_oldest(messages, "memo") == messages


def test_a_summary_stands_for_all_turns_but_the_last() -> None:
    messages = last_turn_only(conversation(4), "summary")
    assert [message.text for message in messages[:3]] == ["rules", "overview", "summary"]
    assert [message.call_id for message in messages if message.role == "tool"] == ["c3"]


def test_only_answers_of_tools_are_cut_and_say_so() -> None:
    cut = shortened([*conversation(1), Message(role="user", text="y" * 2_000)], 100)
    assert cut[3].text.startswith("x" * 100 + "\n[cut here")
    assert cut[4].text == "y" * 2_000
    assert shortened(cut, 100) == cut
