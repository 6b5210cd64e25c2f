"""Quotes are found where a run says them and nowhere else; what a model may not say is told in words."""

import json
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codetracer_core.diagnosis.answers import Submission
from codetracer_core.diagnosis.evidence import MOST_CITED, MOST_PROBLEMS, Checked, check, find_quote
from codetracer_core.models import EvidenceQuote, Step, ToolCall
from codetracer_core.quotes import holds
from tests.diagnosis.runs import reading_of, run_of

EDIT = {"command": "str_replace", "path": "/app/a.py", "old_str": 'say("hi")\nsay("ho")', "new_str": "pass\n"}
RUN = run_of(
    Step(step_id=1, action="ls -la /app", observation="a.py\nb.py\n", thought="I look around first."),
    Step(
        step_id=2,
        action=json.dumps(EDIT),
        tool=ToolCall(name="editor", arguments=EDIT),
        observation="\x1b[32mThe file\x1b[0m /app/a.py has been edited.\r\n",
    ),
    Step(
        step_id=3,
        action="pytest -q",
        observation="collecting ⟦x⟧\n10%\r100%\rdone now\nE   assert 3 == 4\n\n1 failed, 2 passed in 0.12s\n",
        exit_code=1,
    ),
    Step(step_id=4, action="submit", observation=None, thought="All tests pass, so I submit."),
)


def found(quote: str, step_id: int) -> str | None:
    """The stored text that a quote was found to be, checked against the run."""
    place = find_quote(quote, RUN.steps[step_id - 1])
    assert place is None or (holds(place, RUN) and place.step_id == step_id)
    return place and place.text


@pytest.mark.parametrize(
    ("quote", "step_id", "stored"),
    [
        ("assert 3 == 4", 3, "assert 3 == 4"),
        ("pytest -q", 3, "pytest -q"),
        ("so I submit", 4, "so I submit"),
        ("  E assert\t3 == 4 \n 1 failed", 3, "E   assert 3 == 4\n\n1 failed"),
        ("The file /app/a.py has been edited.", 2, "The file\x1b[0m /app/a.py has been edited."),
        ('say("hi")\nsay("ho")', 2, r"say(\"hi\")\nsay(\"ho\")"),
        (r"say(\"hi\")\nsay(\"ho\")", 2, r"say(\"hi\")\nsay(\"ho\")"),
        (r"a.py\nb.py", 1, "a.py\nb.py"),
        ("`1 failed, 2 passed`", 3, "1 failed, 2 passed"),
        ('"All tests pass"', 4, "All tests pass"),
        ("collecting ⟨U+27E6⟩x⟨U+27E7⟩", 3, "collecting ⟦x⟧"),
        ("collecting ⟦x⟧", 3, "collecting ⟦x⟧"),
        ("x⟨U+27E7⟩ done now", 3, "x⟧\n10%\r100%\rdone now"),
        ("10% 100%", 3, "10%\r100%"),
        ("E assert 3 == 4 … passed", 3, "E   assert 3 == 4"),
        ("no such words here ... 1 failed, 2 passed in 0.12s", 3, "1 failed, 2 passed in 0.12s"),
        ("pytest ⏎ -q", 3, "pytest -q"),
    ],
)
def test_a_quote_is_found_however_the_model_wrote_its_white_space(quote: str, step_id: int, stored: str) -> None:
    assert found(quote, step_id) == stored


@pytest.mark.parametrize(
    ("quote", "step_id"),
    [
        ("assert 3 == 5", 3),
        ("assert3==4", 3),
        ("py", 3),
        ("  E ", 3),
        ("", 3),
        ("...", 3),
        ("…", 3),
        ("E assert … in 0.12s, and more that is long", 3),
        ("wrong … 1 failed", 3),  # the longest part is too short to prove anything
        ("All tests pass", 3),
        ("observation", 4),
        ("''''''", 3),
    ],
)
def test_what_a_step_does_not_say_is_not_found_in_it(quote: str, step_id: int) -> None:
    assert found(quote, step_id) is None


def test_of_a_long_place_the_beginning_is_kept() -> None:
    step = Step(step_id=1, action="cat", observation="start " + "word " * 1_000 + "end")
    quote = find_quote("start " + "word\n" * 1_000 + "end", step)
    assert quote is not None
    assert len(quote.text) == 2_000
    assert holds(quote, run_of(step))


_PIECES = st.sampled_from(
    [
        *(" ", "\n", "\t", "\r", "\r\n", "a", "b", "ab", "word", "\x1b[31m", "\x1b[0m", "\x1b]0;t\x07", "\x1b", "\x00"),
        *("⟦", "⟧", "\\n", '\\"', "\\", '"', "…", "...", "⏎", "\u202e", "\u00a0", "é", "🙂", "\u2028", "x" * 30),
    ]
)
_TEXT = st.lists(_PIECES | st.text(max_size=4), max_size=40).map("".join)


@st.composite
def _steps(draw: st.DrawFn) -> Step:
    arguments = {"path": draw(_TEXT), "new_str": draw(_TEXT)}
    call = ToolCall(name="editor", arguments=arguments)
    structured = draw(st.booleans())
    return Step(
        step_id=1,
        action=call.text() if structured else draw(_TEXT),
        tool=call if structured else None,
        observation=draw(st.none() | _TEXT),
        thought=draw(st.none() | _TEXT),
    )


@settings(max_examples=400, deadline=None)
@given(_steps(), st.data())
def test_any_part_of_any_text_is_found_whatever_became_of_its_white_space(step: Step, data: st.DataObject) -> None:
    texts = [text for text in (step.action, step.observation, step.thought) if text]
    assume(texts)
    text = data.draw(st.sampled_from(texts))
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    assume(len(" ".join(part.split())) >= 3)
    spaces = st.sampled_from([" ", "\n", "\r\n", "\t \t", "\u2003"])
    mangled = re.sub(r"\s+", lambda _: data.draw(spaces), part)
    quote = find_quote(data.draw(st.sampled_from([part, mangled, f" {mangled}\n"])), step)
    assert quote is not None
    assert holds(quote, run_of(step))


@settings(deadline=None)
@given(_steps(), st.text("qzj", min_size=3, max_size=30))
def test_invented_words_are_not_found(step: Step, words: str) -> None:
    assume(not any(words in (text or "") for text in (step.action, step.observation, step.thought)))
    assert find_quote(words, step) is None


@settings(deadline=None)
@given(_steps(), _TEXT)
def test_whatever_is_found_holds(step: Step, words: str) -> None:
    quote = find_quote(words, step)
    assert quote is None or holds(quote, run_of(step))


# --- submissions --------------------------------------------------------------------------------------------


def cited(step_id: int, quote: str) -> dict[str, Any]:
    return {"step_id": step_id, "quote": quote}


def finding(step_id: int, *evidence: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"step_id": step_id, "verdict": "incorrect", "reasoning": "r", "evidence": list(evidence)} | fields


def checked(*read: int, **fields: Any) -> Checked:
    given_ = {"case_for_clean_run": "c", "conclusion": "undecided", "summary": "s"} | fields
    return check(Submission.model_validate(given_), reading_of(RUN, *(read or (1, 2, 3, 4))))


def test_an_honest_submission_has_no_problems_and_leads_to_its_places() -> None:
    result = checked(
        conclusion="error_found",
        onset=[{"step_id": 2, "reasoning": "r", "evidence": [cited(2, "str_replace")]}, {"step_id": 3}],
        findings=[
            finding(4, cited(3, "1 failed"), cited(4, "All tests pass"), impact_severity="critical", confidence="high"),
            finding(2, cited(2, "has been edited"), deviation_type="wrong_target", correct_alternative="edit b.py"),
        ],
        error_chain=[
            {"step_id": 4, "what": "submits", "follows_from": [2]},
            {"step_id": 2, "what": "edits", "evidence": [cited(2, "a.py")]},
        ],
        decision_points=[{"step_id": 2, "decision": "did", "should_have": "not", "evidence": [cited(1, "b.py")]}],
    )
    assert result.problems == ()
    assert [candidate.step_id for candidate in result.onset] == [2, 3]
    assert [one.step_id for one in result.findings] == [2, 4]
    assert all(one.is_supported for one in result.findings)
    assert result.findings[0].deviation_type == "wrong_target"
    assert result.findings[0].correct_alternative == "edit b.py"
    assert (result.findings[1].impact_severity, result.findings[1].confidence) == ("critical", "high")
    assert [(link.step_id, link.follows_from) for link in result.error_chain] == [(2, ()), (4, (2,))]
    assert result.decision_points[0].citations[0].quote is not None
    quotes = [citation.quote for one in result.findings for citation in one.citations]
    assert all(isinstance(quote, EvidenceQuote) and holds(quote, RUN) for quote in quotes)
    assert result.counts.quotes == 6
    assert (result.counts.unsupported, result.counts.unread, result.counts.unknown_steps) == (0, 0, 0)


def test_a_label_on_a_step_that_was_never_read_is_refused() -> None:
    result = checked(1, 2, findings=[finding(3, cited(3, "1 failed")), finding(2, cited(2, "a.py"))])
    assert [one.step_id for one in result.findings] == [2]
    assert result.problems == ("Step 3 (finding) was never read: read it, or leave it out.",)
    assert (result.counts.unread, result.counts.quotes) == (1, 1)


def test_what_is_said_of_steps_that_do_not_exist_is_refused_and_counted() -> None:
    result = checked(
        onset=[{"step_id": 0}],
        findings=[finding(5, cited(3, "1 failed")), finding(2, cited(99, "x y z"), cited(2, "a.py"))],
        error_chain=[{"step_id": -1, "what": "w"}],
        decision_points=[{"step_id": 5, "decision": "d", "should_have": "s"}],
    )
    assert (result.onset, result.error_chain, result.decision_points) == ((), (), ())
    assert [(one.step_id, len(one.citations)) for one in result.findings] == [(2, 1)]
    assert result.counts.unknown_steps == 5
    assert len(result.problems) == 5
    assert all("There is no step" in problem and "4 steps" in problem for problem in result.problems)


def test_evidence_from_a_step_that_was_never_read_supports_nothing() -> None:
    result = checked(2, findings=[finding(2, cited(3, "1 failed"))])
    (one,) = result.findings
    assert not one.is_supported
    assert one.citations[0].text == "1 failed"
    assert result.problems == ('Step 3 was never read, so "1 failed" cannot be quoted from it.',)
    assert (result.counts.quotes, result.counts.unsupported, result.counts.unread) == (1, 1, 0)


def test_an_invented_quote_is_kept_as_unsupported_and_sent_back() -> None:
    result = checked(findings=[finding(2, cited(2, "rm -rf / --no-preserve-root"))])
    (one,) = result.findings
    assert not one.is_supported
    assert result.problems == (
        'The quote "rm -rf / --no-preserve-root" does not stand in step 2: copy it character by character.',
    )
    assert (result.counts.quotes, result.counts.unsupported) == (1, 1)


def test_words_of_another_step_are_not_silently_moved_there() -> None:
    result = checked(findings=[finding(2, cited(2, "1 failed,\n2 passed"))])
    assert result.problems == ('The quote "1 failed, 2 passed" stands in step 3, not in step 2.',)
    assert not result.findings[0].is_supported
    unread = checked(1, 2, findings=[finding(2, cited(2, "1 failed, 2 passed"))])
    assert "does not stand in step 2" in unread.problems[0]


def test_the_second_finding_on_a_step_is_told_and_left_out() -> None:
    result = checked(
        findings=[finding(2, cited(2, "a.py")), finding(2, cited(2, "nothing like this"), verdict="unuseful")]
    )
    assert [(one.step_id, one.verdict) for one in result.findings] == [(2, "incorrect")]
    assert result.problems == ("Step 2 has two findings; the first one counts.",)
    assert result.counts.quotes == 1


@pytest.mark.parametrize("quote", ["", "  "])
def test_a_step_cited_as_a_whole_is_no_quote(quote: str) -> None:
    result = checked(findings=[finding(2, cited(2, quote), cited(2, "a.py"))])
    assert [citation.text for citation in result.findings[0].citations] == ["", "a.py"]
    assert (result.counts.quotes, result.problems) == (1, ())


def test_a_finding_without_evidence_or_with_hardly_any_is_sent_back() -> None:
    result = checked(findings=[finding(2), finding(3, cited(3, "E"))])
    assert result.problems == (
        "The finding on step 2 has no evidence: quote what shows it.",
        'The quote "E" from step 3 is too short to show anything.',
    )
    assert not any(one.is_supported for one in result.findings)


def test_a_chain_goes_forward() -> None:
    links = [
        {"step_id": 3, "what": "c", "follows_from": [2, 4, 1, 3]},
        {"step_id": 2, "what": "b", "follows_from": [3]},
        {"step_id": 4, "what": "d", "follows_from": [3, 3]},
        {"step_id": 4, "what": "again"},
    ]
    result = checked(error_chain=links)
    assert [(link.step_id, link.follows_from) for link in result.error_chain] == [(2, ()), (3, (2,)), (4, (3,))]
    assert result.error_chain[2].what == "d"
    assert [problem for problem in result.problems if "cannot follow" in problem] == [
        "In the error chain, step 2 cannot follow from 3: only from an earlier link.",
        "In the error chain, step 3 cannot follow from 1: only from an earlier link.",
        "In the error chain, step 3 cannot follow from 3: only from an earlier link.",
        "In the error chain, step 3 cannot follow from 4: only from an earlier link.",
    ]
    assert "Step 4 stands twice in the error chain; the first one counts." in result.problems


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"conclusion": "no_error_found"}, None),
        ({"conclusion": "undecided", "findings": [finding(2, cited(2, "a.py"))]}, None),
        ({"conclusion": "error_found", "findings": [finding(2, cited(2, "a.py"))]}, None),
        ({"conclusion": "error_found", "onset": [{"step_id": 2, "evidence": [cited(2, "a.py")]}]}, None),
        ({"conclusion": "error_found", "onset": [{"step_id": 2}]}, "onset at step 2 has no evidence"),
        ({"conclusion": "no_error_found", "findings": [finding(2, cited(2, "a.py"), verdict="unuseful")]}, None),
        ({"conclusion": "no_error_found", "findings": [finding(2, cited(2, "a.py"))]}, "step 2 is called incorrect"),
        ({"conclusion": "no_error_found", "onset": [{"step_id": 3}]}, "step 3 is named as failure onset"),
        ({"conclusion": "error_found"}, "no step is called incorrect or named as failure onset"),
    ],
)
def test_the_conclusion_must_fit_what_is_said(fields: dict[str, Any], words: str | None) -> None:
    problems = checked(**fields).problems
    assert len(problems) == (words is not None)
    assert words is None or words in problems[0]


def test_a_model_gets_no_more_problems_than_it_can_act_on() -> None:
    told = {"step_id": 2, "decision": "d", "should_have": "s"}
    many = [{**told, "evidence": [cited(2, f"invented words {number}")]} for number in range(100)]
    result = checked(decision_points=many)
    assert len(result.problems) == MOST_PROBLEMS
    assert result.problems[-1] == "And 81 more problems of these kinds."
    assert result.counts.unsupported == 100


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 6), st.integers(-2, 6), _TEXT), max_size=6), st.sets(st.integers(1, 4)))
def test_nothing_that_a_model_hands_in_gets_through_unchecked(said: list[tuple[int, int, str]], read: set[int]) -> None:
    answers = [finding(step_id, cited(other, quote)) for step_id, other, quote in said]
    links = [{"step_id": a, "what": "w", "follows_from": [b], "evidence": [cited(b, q)]} for a, b, q in said]
    opening = {"case_for_clean_run": "", "conclusion": "undecided", "summary": ""}
    submission = Submission.model_validate(opening | {"findings": answers, "error_chain": links, "onset": links})
    result = check(submission, reading_of(RUN, *read))
    statements = [*result.findings, *result.error_chain, *result.onset]
    assert {statement.step_id for statement in statements} <= read
    chain = [link.step_id for link in result.error_chain]
    assert chain == sorted(set(chain))
    for link in result.error_chain:
        assert all(before in chain and before < link.step_id for before in link.follows_from)
    for citation in (citation for statement in statements for citation in statement.citations):
        assert citation.quote is None or (citation.step_id in read and holds(citation.quote, RUN))


def test_a_quote_of_almost_nothing_but_white_space_is_looked_up_in_no_time() -> None:
    step = Step(step_id=1, action="a b")
    assert find_quote(f"nobody{' ' * 1_000_000}said so", step) is None
    assert find_quote(f"a{' ' * 1_000_000}b", step) is not None


def test_of_one_statement_as_many_quotes_are_looked_up_as_a_label_keeps() -> None:
    (found,) = checked(findings=[finding(2, *[cited(2, "a.py")] * 10_000)]).findings
    assert (len(found.citations), len(found.details.quotes)) == (MOST_CITED, MOST_CITED)
