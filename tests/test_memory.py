"""Insights: true of the agent and not of one task, new, and never more than their limit."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.diagnosis_models import Insight
from codetracer_core.memory import admit, chosen, why_not_general, why_not_kept
from codetracer_core.models import ToolCall, Trajectory
from tests.store.factory import NOON, make_insight, make_run, make_step

TEXTS = (
    "It repeats a failing command without reading what it printed.",
    "It declares victory before any test has been run at all.",
    "It edits a file that it has never opened and guesses its content.",
    "Its search patterns are too narrow, so nothing is found and it invents names.",
)


def run(**fields: Any) -> Trajectory:
    step = make_step(
        1,
        action="sed -i s/a/b/ src/astropy/io/fits_header.py && python manage.py migrate",
        observation="def parse_header_card(x): raise VerifyWarning; see /testbed/setup.cfg; e.g. and/or handleRequest2",
        thought="HeaderCardParser looks wrong, i.e. broken",
        tool=ToolCall(name="str_replace_editor", arguments={"command": "view"}),
    )
    given: dict[str, Any] = {"task": "astropy__astropy-12907", "trial": "try-7", "task_text": "Fix the WidgetFactory."}
    return make_run("r", [step], **(given | fields)).trajectory


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS,
        "It runs python without tests, e.g. after an edit, and/or ignores what /dev/null swallowed.",
        "str_replace_editor fails when the old text is not unique; it then tries the very same call again.",
        "Reproduction scripts such as repro_case.py are left behind when it submits.",
        "It takes the first step that comes to mind instead of a plan with steps.",
        "It writes to /tmp and forgets about it.",
    ],
)
def test_what_is_true_of_any_task_is_kept(text: str) -> None:
    assert why_not_general(text, run()) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("At step 12 it went wrong.", "steps by number"),
        ("Steps 3 to 9 are useless.", "steps by number"),
        ("See step_id 4 for that.", "steps by number"),
        ("It failed as described in #4711 of the tracker.", "steps by number"),
        ("On astropy__astropy-12907 it looks in the wrong place.", "names the task"),
        ("For Astropy  astropy 12907 it gives up.", "names the task"),
        ("In try-7 it gives up.", "names the task"),
        ("It edits src/astropy/io/fits_header.py too early.", "file of the run ('src/astropy/io/fits_header.py')"),
        ("It edits fits_header.py too early.", "file of the run ('fits_header.py')"),
        ("It never reads /testbed/setup.cfg.", "file of the run ('/testbed/setup.cfg')"),
        ("It calls `manage.py` too often", "file of the run ('manage.py')"),
        ("It misreads parse_header_card.", "something of the run ('parse_header_card')"),
        ("It trusts HeaderCardParser.", "something of the run ('HeaderCardParser')"),
        ("It breaks the WidgetFactory.", "something of the run ('WidgetFactory')"),
        ("It breaks HANDLEREQUEST2 again.", "something of the run ('HANDLEREQUEST2')"),
    ],
)
def test_what_speaks_of_one_run_is_refused(text: str, reason: str) -> None:
    assert reason in why_not_general(text, run())


def test_a_run_without_names_refuses_nothing_for_them() -> None:
    bare = run(task=None, trial=None, task_text=None)
    assert [why_not_general(text, bare) for text in TEXTS] == [""] * len(TEXTS)


@pytest.mark.parametrize(
    "text",
    [
        "it repeats a failing command without reading what it printed",
        "It repeats a failing command, without reading what it printed!",
        "It repeats failing commands without reading what they printed.",
        "  IT REPEATS A FAILING COMMAND\nWITHOUT READING WHAT IT PRINTED  ",
    ],
)
def test_the_same_in_other_words_is_refused(text: str) -> None:
    known = make_insight(text=TEXTS[0])
    assert why_not_kept(text, [known]).startswith("it says the same as 'It repeats")
    assert admit([make_insight(text=text)], [known]).admitted == ()


def test_different_insights_are_kept_in_their_order() -> None:
    new = [make_insight(text=text) for text in TEXTS]
    assert admit(new, []).admitted == tuple(new)
    twice = admit([*new, *new], [])
    assert twice.admitted == tuple(new)
    assert [text for text, _ in twice.refused] == list(TEXTS)


@pytest.mark.parametrize("text", ["too short", "  " + "x" * 15 + "  "])
def test_what_says_nothing_is_refused(text: str) -> None:
    assert "20 to 1,000 characters" in admit([make_insight(text=text)], []).refused[0][1]


def test_what_a_person_switched_off_is_not_learned_again() -> None:
    off = make_insight(text=TEXTS[0], enabled=False, by_person=True)
    assert admit([make_insight(text=TEXTS[0])], [off]).admitted == ()


def test_the_oldest_of_models_make_room_those_switched_off_first() -> None:
    old, off, mine, young = (
        make_insight(text=text, created_at=NOON + timedelta(days=day), **more)
        for day, (text, more) in enumerate(zip(TEXTS, ({}, {"enabled": False}, {"by_person": True}, {}), strict=True))
    )
    held = [old, off, mine, young]
    room = sum(len(one.text) for one in held)
    new = make_insight(text="Long outputs are cut off by the tool, it does not notice.")
    assert admit([new], held, limit=room + len(new.text)).dropped == ()
    assert admit([new], held, limit=room + len(new.text) - 1).dropped == (off,)
    assert admit([new], held, limit=room + len(new.text) - len(off.text) - 1).dropped == (off, old)
    tight = admit([new], held, limit=len(mine.text) + len(new.text) - 1)
    assert tight.admitted == tight.dropped == ()
    assert "fill" in tight.refused[0][1]


@given(
    st.lists(st.tuples(st.text(alphabet="abcdefgh ", min_size=20, max_size=200), st.booleans()), max_size=12),
    st.integers(0, 600),
)
def test_the_limit_holds_and_those_of_persons_stay(texts: list[tuple[str, bool]], limit: int) -> None:
    insights = [make_insight(text=text, by_person=person) for text, person in texts]
    admission = admit(insights, [], limit=limit)
    assert sum(len(one.text) for one in admission.admitted) <= limit
    assert not any(one.by_person for one in admission.dropped)
    assert len(admission.admitted) + len(admission.refused) <= len(insights)


def test_persons_speak_first_then_the_newest_and_the_order_is_that_of_age() -> None:
    ages = [NOON + timedelta(days=day) for day in range(4)]
    mine, old, middle, new = (
        make_insight(text=text, created_at=age, by_person=at == 0)
        for at, (text, age) in enumerate(zip(TEXTS, ages, strict=True))
    )
    everything = [new, mine, old, middle, make_insight(agent="other"), make_insight(text="x" * 20, enabled=False)]
    assert chosen(everything, "SWE-agent", limit=50_000) == [mine, old, middle, new]
    assert chosen(everything[::-1], "SWE-agent", limit=50_000) == [mine, old, middle, new]
    assert chosen(everything, "SWE-agent", limit=len(mine.text) + len(new.text)) == [mine, new]
    assert chosen(everything, "SWE-agent", limit=0) == []
    assert chosen(everything, None, limit=50_000) == []
    assert chosen([Insight(**(mine.model_dump() | {"agent": ""}))], None, limit=50_000) == []
