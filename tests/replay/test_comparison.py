"""What counts as the same output, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.models import Step
from codetracer_core.replay.comparison import compare, normalised, similarity_of
from codetracer_core.replay.models import PlannedStep, Ran
from codetracer_core.replay.observations import CUT, recorded

SAME = [
    ("12 passed in 0.31s", "12 passed in 4.02s"),
    ("Ran 3 tests in 0.000s\n\nOK", "Ran 3 tests in 0.012s\n\nOK\n"),
    ("done, took 3 ms", "done, took 41 ms"),
    ("===== 1 passed in 0.01s =====", "==== 1 passed in 12.34s ====="),
    ("real\t0m0.012s", "real\t1m2.500s"),
    ("2026-01-02T03:04:05.678Z start", "2026-11-20T16:20:00Z start"),
    ("[2026-01-02 03:04:05,678] INFO x", "[2026-11-20 16:20:00,001] INFO x"),
    ("Jan  2 03:04:05 box sshd[1]: x", "Nov 20 16:20:00 box sshd[1]: x"),
    ("Thu Sep  4 15:43:01 UTC 2025", "Fri Nov 20 16:20:00 UTC 2026"),
    ("at 1784103602", "at 1795191600.25"),
    ('{"created_at": 1784103602, "n": 2}', '{"created_at": 1795191600, "n": 2}'),
    ("st_mtime=1784103602.5, st_size=12", "st_mtime=1795191600.25, st_size=12"),
    ("1784103602.123 INFO started", "1795191600.5 INFO started"),
    ("[1784103602] started", "[1795191600] started"),
    ("<A object at 0x7f3a2b1c9d40>", "<A object at 0x7ffe00112240>"),
    ("wrote /tmp/tmpab12cd_9/x", "wrote /var/scratch/r1/tmp/tmpzz98yy_1/x"),
    ("/tmp/pytest-of-root/pytest-3/test_a0", "/tmp/pytest-of-me/pytest-12/test_a0"),
    ("\x1b[32m..\x1b[0m  ok  ", ".." + "  ok"),
    (" 10%|█    | 1/10\r100%|█████| 10/10\ndone", "done"),
    ("a\r\nb\r\n\r\n", "a\nb"),
    ("[1] 4242", "[1] 77"),
    ("key 123e4567-e89b-12d3-a456-426614174000", "key 00000000-0000-4000-8000-00000000000a"),
    ("/bin/bash: line 13: nope: command not found", "bash: nope: command not found"),
    (
        "total 44\ndrwxr-xr-x 6 root root 4096 Jul 17 01:31 src\n-rw-r--r-- 1 root root 503 Jul 17 01:31 a.toml",
        "total 12\ndrwxr-xr-x 2 me staff 160 Nov 20 2026 src\n-rw-r--r-- 1 me staff 503 Nov 20 16:20 a.toml",
    ),
]
OTHER = [
    ("12 passed in 0.31s", "11 passed in 0.31s"),
    ("-rw-r--r-- 1 root root 503 Jul 17 01:31 a", "-rw-r--r-- 1 root root 504 Jul 17 01:31 a"),
    ("-rw-r--r-- 1 root root 12 Jul 17 01:31 a", "-rw-r--r-- 1 root root 13 Jul 17 01:31 a"),
    ("===== 1 passed in 0.01s =====", "===== 2 passed in 0.01s ====="),
    ("===== title =====", "==== title ===="),
    ("index 0b1bf89..5553b9e 100644", "index 0b1bf89..4c24853 100644"),
    ("line 12", "line 13"),
    ("/tmp/check.py", "/tmp/other.py"),
    ("version 1.2.3", "version 1.2.4"),
    ("1500000000", "1900000000"),
    ("total 1784103602 bytes", "total 1795191600 bytes"),
    ("population: 1784103602", "population: 1795191600"),
    ("1784103602 data.bin", "1795191600 data.bin"),
    ("candidate 1784103602", "candidate 1795191600"),
    ("created_at: 1784103602, size: 1784103602", "created_at: 1795191600, size: 1795191600"),
    ("  indented", "indented"),
    ("b\na", "a\nb"),
    ("", "a"),
]


def met(recorded: str | None, now: str, command: str = "x", code: int | None = 0, **more: object) -> tuple[str, str]:
    planned = PlannedStep(step_id=1, deed="command", command=command, expected=recorded, expected_exit=code)
    ran = Ran.model_validate({"output": now, "exit_code": 0} | more)
    found, similarity, why = compare(planned, ran)
    assert (similarity == 1.0) == (found == "same") or code not in (None, ran.exit_code)
    return found, why


@pytest.mark.parametrize(("recorded", "now"), SAME)
def test_what_differs_in_every_run_is_the_same(recorded: str, now: str) -> None:
    assert met(recorded, now)[0] == met(now, recorded)[0] == "same"


@pytest.mark.parametrize(("recorded", "now"), OTHER)
def test_what_a_command_found_is_content(recorded: str, now: str) -> None:
    assert met(recorded, now)[0] == met(now, recorded)[0] == "differs"


def test_the_words_say_what_differs_first() -> None:
    assert met("a\nb\nc", "a\nB\nc")[1] == "line 2: recorded “b”, now “B”"
    assert met("a", "a\nb")[1] == "line 2: nothing more was recorded, now “b”"
    assert met("a\nb", "a")[1] == "line 2: recorded “b”, now nothing more comes"
    assert "\x1b" not in met("a\x1b]8;;evil\x07", "b\u202e")[1]
    assert "\u202e" not in met("a", "b\u202e")[1]


def test_a_step_fails_if_it_ended_otherwise() -> None:
    assert met("a", "a", exit_code=1) == ("failed", "exit code 1, recorded was 0")
    assert met("a", "a", code=1) == ("failed", "exit code 0, recorded was 1")
    assert met("a", "a", code=2, exit_code=1) == ("differs", "exit code 1, recorded was 2")
    assert met("a", "a", code=None, exit_code=1)[0] == "same"
    assert met("a", "a", exit_code=None, timed_out=True, seconds=120.0)[0] == "failed"
    assert met(f"a\n{CUT}", "a", code=None, exit_code=None, timed_out=True)[0] == "same"


def test_nothing_is_the_same_that_was_not_compared() -> None:
    planned = PlannedStep(step_id=1, deed="command", command="x", expected_exit=0)
    assert compare(planned, Ran(output="a", exit_code=0))[:2] == ("not_compared", None)
    assert compare(planned, Ran(output="a", exit_code=1))[:2] == ("failed", None)
    assert met(CUT, "a")[0] == "not_compared"


def test_of_a_record_with_parts_left_out_the_parts_are_compared() -> None:
    assert met(f"a\n{CUT}\nz", "a\nb\nc\nz")[0] == "same"
    assert "not compared" in met(f"a\n{CUT}\nz", "a\nb\nz")[1]
    assert met(f"a\n{CUT}\nm\n{CUT}\nz", "a\nb\nm\nc\nz")[0] == "same"
    assert met(f"a\n{CUT}\nz", "a\nb\ny") == ("differs", "recorded “z” is not there")
    assert met(f"ab\n{CUT}\nbc", "abc")[0] == "differs"  # the parts may not overlap
    assert met("abc\nb\ncba", "ab\n[5 bytes left out]\nba", left_out_bytes=5)[0] == "same"
    assert met("abc\nb\ncba", "ab\n[5 bytes left out]\nbx", left_out_bytes=5)[0] == "differs"
    assert met(f"abc\n{CUT}\na", "ab\n[5 bytes left out]\nba", left_out_bytes=5)[0] == "same"
    assert met("abc", "ab\n[5 bytes left out]\nbc", left_out_bytes=0)[0] == "differs"


def test_seconds_without_a_word_are_times_only_where_the_command_asks_for_them_and_that_is_told() -> None:
    told = "the same but for times, for which the command asks: line 2: recorded “1784103602”, now “1795191600”"
    for command in ("date +%s", "stat -c %Y a", "python -c 'import time; print(time.time())'", "echo $EPOCHSECONDS"):
        assert met("a\n1784103602", "a\n1795191600", command) == ("same", told)
    for command in ("wc -c a", "cat update.log", "printf %s 1", "runtime"):
        assert met("a\n1784103602", "a\n1795191600", command)[0] == "differs"
    assert met("a\n1784103602", "b\n1795191600", "date +%s")[0] == "differs"


def test_the_order_counts_but_where_a_command_promises_none() -> None:
    for command in ("find . -name x", "cd a && grep -rn x .", "rg x", "du -a"):
        assert met("b\na", "a\nb", command)[0] == "same"
    for command in ("ls", "grep x a b", "sort x", "cat findings"):
        assert met("b\na", "a\nb", command)[0] == "differs"


def test_what_a_terminal_showed_is_wrapped_and_in_columns() -> None:
    def on_screen(command: str, recorded: str, now: str, shown: bool = True) -> str:
        planned = PlannedStep(step_id=1, deed="command", command=command, expected=recorded, on_screen=shown)
        return compare(planned, Ran(output=now, exit_code=0))[0]

    assert on_screen("ls", "a  c\nb  d", "a\nb\nc\nd") == "same"
    assert on_screen("ls", "a  c\nb  d", "a\nb\nc\nd", shown=False) == "differs"
    assert on_screen("cat x", "one long li\nne", "one long line") == "same"
    assert on_screen("cat x", "a  c\nb  d", "a\nb\nc\nd") == "differs"


def test_the_folders_of_both_are_one() -> None:
    planned = PlannedStep(step_id=1, deed="command", command="x", expected="/testbed/a.py: /testbed-2 /testbed.")
    ran = Ran(output="/scratch/r1/work/a.py: /testbed-2 /scratch/r1/work.", exit_code=0)
    assert compare(planned, ran, folders=("/testbed", "/scratch/r1/work"))[0] == "same"
    assert compare(planned, ran)[0] == "differs"


TEXTS = st.lists(
    st.sampled_from(["a", "b ", "\t", "\n", "\r", "\x1b[1m", "0.12s", "12:00:01", "/tmp/tmpabcd1234", CUT, "é", "%|"]),
    max_size=30,
).map("".join)


@given(TEXTS)
def test_a_text_is_the_same_as_itself(text: str) -> None:
    text = text.replace(CUT, "")
    assert met(text, text)[0] == "same"
    assert similarity_of(normalised(text), normalised(text)) == 1.0


@given(TEXTS, TEXTS)
def test_similarity_is_symmetric_and_one_only_for_equal_texts(one: str, other: str) -> None:
    assert similarity_of(one, other) == similarity_of(other, one)
    assert 0.0 <= similarity_of(one, other) <= 1.0
    assert (similarity_of(one, other) == 1.0) == (one == other)


LONG = {
    "blanks": " " * 200_000,
    "lines": "\n" * 200_000,
    "returns": "\r" * 200_000,
    "slashes": "/a" * 100_000,
    "dashes": "-/" * 100_000,
    "digits": "1" * 200_000,
    "clocks": "12:00:0" * 30_000,
    "dots": "1." * 100_000,
    "hex": "0x" * 100_000,
    "uuid": "12345678-" * 25_000,
    "words": "tmp" * 70_000,
    "modes": "-rw-r--r-- " * 20_000,
    "listed": "-rw-r--r-- 1 " * 20_000 + "\n",
    "opened": "<system-reminder>" * 12_000,
    "clipped": "<response clipped><NOTE>" * 40_000,
    "prompts": "a@b:" * 40_000,
    "escapes": "\x1b[" * 100_000,
    "shells": "bash: " * 40_000,
    "months": "Jan 1 " * 40_000,
    "named": "created_at" * 20_000,
    "quoted": "at \"'" * 40_000,
    "seconds": "at 1784103602" * 15_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_any_text_is_compared_in_linear_time(text: str) -> None:
    """What expressions could stumble over: this ends at once, and would not within days if one of them went back."""
    text = text[:200_000]
    observation = recorded(Step(step_id=1, action="x", observation=text)).text or ""
    assert 0.0 <= similarity_of(normalised(observation, "/a"), normalised(text[1:], "/a")) <= 1.0
