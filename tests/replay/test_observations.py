"""Recorded outputs without what the harness put around them."""

import pytest

from codetracer_core.models import Step
from codetracer_core.replay.observations import CUT, recorded

FRAMED = [
    ("<returncode>0</returncode>\n<output>\na\nb\n</output>", "a\nb", 0),
    ("<returncode>1</returncode>\n<output>\n</output>", "", 1),
    (
        "<returncode>0</returncode>\n<warning>\nToo long.\n</warning><output_head>\na\nb\n</output_head>\n"
        "<elided_chars>\n812 characters elided\n</elided_chars>\n<output_tail>\ny\nz\n</output_tail>",
        f"a\nb\n{CUT}\ny\nz",
        0,
    ),
    (
        "<exception>timed out after 60 seconds</exception>\n<returncode>-1</returncode>\n<output>\na\n</output>",
        f"a\n{CUT}",
        None,
    ),
    (
        "The last command <command>x</command> timed out and has been killed.\nThe output of the command was:\n"
        " <output>\na\n</output>\nPlease try another command.",
        f"a\n{CUT}",
        None,
    ),
    (
        "a\r\nb\n[The command completed with exit code 2.]\n[Current working directory: /w]\n"
        "[Python interpreter: /usr/bin/python]\n[Command finished with exit code 2]",
        "a\nb",
        2,
    ),
    (
        "a\n[The command has no new output after 30 seconds. You may wait longer to see additional output by\n"
        "sending empty command '']\n[Current working directory: /w]",
        f"a\n{CUT}",
        None,
    ),
    ("a\r\nb\r\nroot@b36:/workspace # ", "a\nb", None),
    ("a\n(Open file: n/a)\n(Current directory: /w)\nbash-$", "a", None),
    ("Your command ran successfully and did not produce any output.", "", None),
    ("(Bash completed with no output)", "", None),
    ("Exit code 2\nno such file", "no such file", 2),
    ("Exit code 1\na\n\n[error] tool reported failure", "a", 1),
    ('a\n\n[metadata] {"noOutputExpected": false}', "a", None),
    ("a\n<system-reminder>\nDo not forget.\n</system-reminder>", "a", None),
    ("a\n... [214 lines truncated] ...\nz", f"a\n{CUT}\nz", None),
    ("a\n[... output limited to 10000 bytes; 99 interior bytes omitted ...]\nz", f"a\n{CUT}\nz", None),
    ("a<response clipped><NOTE>Only part of it is shown.</NOTE>", f"a\n{CUT}", None),
    ("Output: a\nb\nExit Code: 1\nProcess Group PGID: 77", "a\nb", 1),
    ("Command: x\nDirectory: (root)\nOutput: (empty)\nError: (none)\nExit Code: 0\nSignal: (none)", "", 0),
    ("Exit code: 0\nWall time: 0.2 seconds\nOutput:\na\n", "a", 0),
]


@pytest.mark.parametrize(("observation", "text", "code"), FRAMED)
def test_the_frame_of_each_harness(observation: str, text: str, code: int | None) -> None:
    found = recorded(Step(step_id=1, action="x", observation=observation))
    assert (found.text, found.exit_code) == (text, code)


def test_what_a_command_printed_stays() -> None:
    for text in ("<output> is a tag", "see [Current working directory] there", "Exit code 2 of 3", "bash-$ x\ny"):
        assert recorded(Step(step_id=1, action="x", observation=text)).text == text


def test_nothing_recorded_is_not_an_empty_output() -> None:
    assert recorded(Step(step_id=1, action="x", exit_code=3)).text is None
    assert recorded(Step(step_id=1, action="x", exit_code=3)).exit_code == 3
    assert recorded(Step(step_id=1, action="x", observation="")).text == ""
