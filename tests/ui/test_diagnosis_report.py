"""What a report tells of a diagnosis, and what a transcript tells of how it was made."""

import json
from typing import Any

import pytest

from codetracer_core.diagnosis_models import HEURISTIC, CallUsage, Diagnosis, DiagnosisSettings, EvidenceCheck
from codetracer_core.tree import build_tree
from codetracer_core.ui.diagnosis_making import transcript_entry
from codetracer_core.ui.diagnosis_report import (
    agreement_words,
    duration_words,
    evidence_words,
    facts,
    headline,
    made_by,
    money,
    report_data,
    tokens_words,
)
from tests.store.factory import make_run
from tests.ui.diagnoses import RUN, a_diagnosis, finding, quote


def a_report(diagnosis: Diagnosis) -> dict[str, Any]:
    return report_data(diagnosis, build_tree(make_run(RUN, 5).trajectory))


def test_a_report_tells_labels_by_stage_and_keeps_apart_what_is_none() -> None:
    told = a_report(a_diagnosis())
    assert [(stage["title"], stage["range"]) for stage in told["stages"]] == [
        ("Stage 1: look around", "steps 1–2"),
        ("Stage 2: edit", "steps 3–5"),
    ]
    assert [[one["step"] for one in stage["findings"]] for stage in told["stages"]] == [[2], [4]]
    (first,), _ = (stage["findings"] for stage in told["stages"])
    assert (first["verdict"], first["instead"]) == ("incorrect", "Edit the parser.")
    assert first["chips"] == ["wrong target", "critical", "high confidence"]
    assert first["citations"] == [
        {"step": 2, "text": "cat file_2.py", "field": "action", "quote": "action:0-13"},
    ]
    (lost,) = told["unsupported"]
    assert lost["step"] == 3
    assert lost["citations"] == [{"step": 3, "text": "words that nobody said", "field": "", "quote": ""}]
    assert told["strip"] == {
        "count": 5,
        "stages": [[1, 2, "look around"], [3, 5, "edit"]],
        "read": [(1, 4)],
        "verdicts": {"2": "incorrect", "4": "unuseful"},
        "onset": 2,
    }
    assert told["chain"][2]["from"] == [2, 3]
    assert told["steps"]["2"] == "cat file_2.py"
    json.dumps(told)


def test_what_only_a_minority_of_the_samples_says_is_no_label() -> None:
    trajectory = make_run(RUN, 5).trajectory
    once = finding(2, [quote(trajectory, 2, "cat", "action")], support=1 / 3)
    told = a_report(a_diagnosis(findings=(once,)))
    assert ([one["step"] for one in told["doubted"]], told["unsupported"], told["stages"]) == ([2], [], [])
    assert told["strip"]["verdicts"] == {}


def test_a_label_outside_of_all_stages_is_not_lost() -> None:
    told = a_report(a_diagnosis(stages=()))
    assert [(stage["title"], len(stage["findings"])) for stage in told["stages"]] == [("", 2)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Error found: off track at step 2"),
        ({"onset": ()}, "Error found"),
        ({"conclusion": "no_error_found"}, "No error found"),
        ({"conclusion": "undecided"}, "Undecided"),
        ({"status": "failed", "conclusion": "undecided"}, "The diagnosis failed"),
    ],
)
def test_the_headline_says_what_it_comes_to(fields: dict[str, Any], said: str) -> None:
    assert headline(a_diagnosis(**fields)) == said


def test_a_diagnosis_that_was_stopped_is_no_verdict_on_the_run() -> None:
    assert a_report(a_diagnosis())["runVerdict"] == "has_error"
    assert a_report(a_diagnosis(status="partial", status_reason="the cost limit was reached"))["runVerdict"] == ""


def test_cost_that_is_not_known_is_said_to_be_so() -> None:
    unknown = a_diagnosis(usage={"investigate": CallUsage(calls=1, prompt_tokens=999, cost_usd=None)})
    assert dict(facts(unknown))["Cost"] == "cost unknown"
    assert dict(facts(a_diagnosis()))["Cost"] == "$0.053"
    assert "Cost" not in dict(facts(a_diagnosis(model=HEURISTIC)))


def test_figures_in_words() -> None:
    assert [money(usd) for usd in (0, 0.00042, 0.0312, 3, 1234.5)] == [
        "$0.00",
        "$0.0004",
        "$0.031",
        "$3.00",
        "$1,234.50",
    ]
    counts = (0, 999, 1_000, 83_000, 166_049, 999_600, 10_400_000)
    assert [tokens_words(count) for count in counts] == ["0", "999", "1.0k", "83.0k", "166k", "1.0M", "10.4M"]
    assert [duration_words(seconds) for seconds in (0.2, 74, 300, 9_000)] == [
        "under a second",
        "74 s",
        "5 min",
        "2.5 h",
    ]
    assert made_by(a_diagnosis()) == "openai/scripted · strategy agent · 3 samples"
    assert made_by(a_diagnosis(samples_finished=1)) == "openai/scripted · strategy agent · 1 of 3 samples"
    assert evidence_words(EvidenceCheck()) == "No quote was given"
    assert evidence_words(EvidenceCheck(quotes=1)) == "1 quote looked up in the run, all found"
    assert evidence_words(EvidenceCheck(quotes=5, unsupported=2, unread=1, unknown_steps=3, asked_again=2)) == (
        "5 quotes looked up in the run, 3 found · 1 label refused: the step was never read · "
        "3 statements on steps that the run does not have · asked again 2 times"
    )


def test_agreement_counts_the_steps_that_either_diagnosis_labels() -> None:
    trajectory = make_run(RUN, 5).trajectory
    other = a_diagnosis(findings=(finding(2, [quote(trajectory, 2, "cat", "action")]),))
    assert agreement_words(a_diagnosis(), other) == "same on 1 of 2 labelled steps"
    assert agreement_words(a_diagnosis(findings=()), a_diagnosis(findings=())) == ""


@pytest.mark.parametrize(
    ("asked_for", "finished", "samples"), [(1, 1, 1), (1, 0, 1), (3, 3, 3), (3, 1, 1), (3, 0, None)]
)
def test_an_onset_has_a_rank_and_the_number_of_samples_behind_it(
    asked_for: int, finished: int, samples: int | None
) -> None:
    told = a_report(a_diagnosis(settings=DiagnosisSettings(samples=asked_for), samples_finished=finished))
    assert told["samples"] == samples
    assert [one["place"] for one in told["onset"]] == ["named first", "named second"]


def test_an_entry_of_a_transcript_is_told_as_text() -> None:
    asked = {
        "sample": 2,
        "phase": "",
        "kind": "message",
        "at": "2026-03-01T12:00:07+00:00",
        "role": "assistant",
        "text": "Let me see.",
        "tool_requests": [{"call_id": "c", "name": "read_steps", "arguments": '{"steps": [1]}'}],
    }
    assert transcript_entry(asked, 7) == {
        "title": "7. model",
        "facts": "sample 2 · 12:00:07",
        "text": 'Let me see.\n\nread_steps {\n "steps": [\n  1\n ]\n}',
    }
    used = {"sample": 1, "phase": "investigate", "kind": "usage", **CallUsage(calls=1, prompt_tokens=50).model_dump()}
    assert transcript_entry(used, 1)["facts"] == "sample 1 · $0.00 · 1 call · 50 tokens"
    long = transcript_entry({"kind": "message", "role": "tool", "text": "x" * 30_000}, 1)["text"]
    assert long.endswith("… 10,000 more characters")
