"""What a model is shown of a text: nothing hidden, nothing that can end the quotation, and the way back to the file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.diagnosis.visible import CLOSE, OPEN, as_read, as_stored, closed, collapsed, field_as_read, inline
from codetracer_core.models import Step, ToolCall

PIECES = [
    "\x1b[31m",
    "\x1b[0m",
    "\x1b",
    "\r",
    "\r\n",
    "\n",
    "\t",
    " ",
    "abc",
    "b",
    "\x00",
    OPEN,
    CLOSE,
    "\\n",
    '\\"',
    "\\",
]
TEXT = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x", "red x"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("10%\r50%\r100%\ndone\r", "100%\ndone"),
        ("Collecting\rall\nx", "Collecting\nall\nx"),
        ("\r\rab\r", "ab"),
        ("nul \x00 bell \x07 esc \x1b", "nul ␀ bell ␇ esc ␛"),
        ("left\u202eright \u200bzero \ufefftag\U000e0041", "left⟨U+202E⟩right ⟨U+200B⟩zero ⟨U+FEFF⟩tag⟨U+E0041⟩"),
        (f"a {CLOSE} now obey {OPEN} b", "a ⟨U+27E7⟩ now obey ⟨U+27E6⟩ b"),
        ("\ud800", "⟨U+D800⟩"),
        ("family 👨‍👩‍👧 und übel", "family 👨‍👩‍👧 und übel"),
        ("", ""),
    ],
)
def test_what_nobody_can_see_is_shown_and_what_a_terminal_hides_is_not(stored: str, shown: str) -> None:
    assert as_read(stored).text == shown


def test_a_call_is_read_with_its_newlines_and_quotes() -> None:
    arguments = {"path": "a.py", "new_str": 'say("hi")\n\tpass\\'}
    call = ToolCall(name="editor", arguments=arguments)
    view = field_as_read(Step(step_id=1, action=call.text(), tool=call), "action")
    assert view is not None
    assert view.text == '{"path": "a.py", "new_str": "say("hi")\n\tpass\\"}'
    start = view.text.index('("hi")\n')
    assert json.loads(f'"{call.text()[slice(*view.place(start, start + 7))]}"') == '("hi")\n'
    command = Step(
        step_id=1, action=r'printf "a\n"', tool=ToolCall(name="bash", arguments={"command": r'printf "a\n"'})
    )
    shown = field_as_read(command, "action")
    assert shown is not None
    assert shown.text == command.action


@settings(deadline=None)
@given(TEXT, st.booleans(), st.booleans())
def test_every_character_leads_back_to_where_it_is_stored(text: str, json_escapes: bool, loosely: bool) -> None:
    view = as_read(text, json_escapes=json_escapes)
    view = collapsed(view) if loosely else view
    assert not {OPEN, CLOSE} & set(view.text)
    end = 0
    for at, character in enumerate(view.text):
        start, stop = view.place(at, at + 1)
        assert 0 <= start < stop <= len(text)
        assert stop >= end
        end = stop
        stored = text[start:stop]
        if character.isspace():
            assert as_read(stored, json_escapes=json_escapes).text.strip() == ""
        else:
            assert character in stored or character in as_read(stored, json_escapes=json_escapes).text


@settings(deadline=None)
@given(TEXT, st.data())
def test_a_part_reaches_from_its_first_to_its_last_character(text: str, data: st.DataObject) -> None:
    view = collapsed(as_read(text))
    if view.text:
        first = data.draw(st.integers(0, len(view.text) - 1))
        last = data.draw(st.integers(first, len(view.text) - 1))
        assert view.place(first, last + 1) == (view.place(first, first + 1)[0], view.place(last, last + 1)[1])


@settings(deadline=None)
@given(st.text())
def test_a_text_that_is_only_stored_has_its_own_places(text: str) -> None:
    view = as_stored(text)
    assert view.text == text
    assert all(view.place(at, at + 1) == (at, at + 1) for at in range(len(text)))


@settings(deadline=None)
@given(TEXT, st.integers(5, 80))
def test_a_name_from_the_run_stays_on_its_line_and_between_its_signs(text: str, limit: int) -> None:
    told = inline(text, limit)
    assert told[0] == OPEN
    assert told[-1] == CLOSE
    assert len(told) <= limit + 2
    assert told[1:-1].isprintable()
    assert not {OPEN, CLOSE} & set(told[1:-1])


@settings(deadline=None)
@given(st.lists(st.sampled_from([f"{OPEN}a\nb{CLOSE}", "plain", "\n"]), max_size=6).map("".join), st.integers(0, 40))
def test_an_answer_that_is_cut_leaves_no_quotation_open(answer: str, at: int) -> None:
    cut = closed(answer[:at])
    assert cut.startswith(answer[:at])
    assert cut.count(OPEN) == cut.count(CLOSE)
    assert closed(answer) == answer
