"""Whole diagnoses with a scripted model: strategies, repairs, limits, cancelling, the window."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from codetracer_core.diagnosis import Made, Progress, diagnose
from codetracer_core.diagnosis.talk import MOST_CALLS
from codetracer_core.diagnosis_models import STRATEGIES, DiagnosisSettings, Insight, Strategy, as_label_events
from codetracer_core.errors import ContextOverflow, ModelError
from codetracer_core.llm import Message, Price, Reply, ScriptedModel, ToolSpec, calling
from tests.diagnosis.made_up import REPEATED, WRONG, answer, bash_run, broken_run, long_run


def submitting(*findings: dict[str, Any], **fields: Any) -> Reply:
    return calling(("submit_diagnosis", answer(*findings, **fields)))


def made(
    replies: Sequence[Reply | ModelError] | Callable[[Sequence[Message], Sequence[ToolSpec]], Reply],
    *,
    trajectory: Any = None,
    model: dict[str, Any] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    insights: Sequence[Insight] = (),
    **settings: Any,
) -> tuple[Made, ScriptedModel]:
    scripted = ScriptedModel(replies, **(model or {}))
    done = diagnose(
        trajectory or broken_run(),
        run_id="run-1",
        model=scripted,
        settings=DiagnosisSettings(**settings),
        cancelled=cancelled,
        on_progress=on_progress,
        insights=insights,
    )
    return done, scripted


def test_a_short_run_takes_one_call_and_every_quote_has_its_place() -> None:
    done, model = made([submitting(WRONG, REPEATED)])
    diagnosis = done.diagnosis
    assert (diagnosis.status, diagnosis.conclusion, len(model.asked)) == ("complete", "error_found", 1)
    assert [(one.step_id, one.verdict) for one in diagnosis.accepted] == [(2, "incorrect"), (4, "unuseful")]
    quote = diagnosis.findings[0].citations[1].quote
    assert quote is not None
    assert (quote.step_id, quote.field, quote.text) == (1, "observation", "return a - b")
    assert [one.step_id for one in diagnosis.onset] == [2]
    assert diagnosis.read_steps == (1, 2, 3, 4, 5)
    assert diagnosis.total_usage.calls == 1
    assert diagnosis.evidence.quotes == 2 * 3 + 1
    assert set(diagnosis.prompt_versions) >= {"rules.md", "agent.md"}


def test_no_error_found_is_an_answer() -> None:
    done, _ = made([submitting()])
    assert (done.diagnosis.conclusion, done.diagnosis.findings) == ("no_error_found", ())
    assert done.diagnosis.case_for_clean_run


def test_an_invented_quote_is_sent_back_and_a_corrected_one_taken() -> None:
    invented = {**WRONG, "evidence": [{"step_id": 2, "quote": "rm -rf / --no-preserve-root"}]}
    done, model = made([submitting(invented, onset=[]), submitting(WRONG)])
    assert [one.step_id for one in done.diagnosis.accepted] == [2]
    assert done.diagnosis.evidence.asked_again == 1
    sent_back = model.asked[1][-1]
    assert sent_back.role == "tool"
    assert "Not accepted" in sent_back.text


def test_a_quote_that_stays_invented_is_kept_as_unsupported_and_is_no_label() -> None:
    invented = {**WRONG, "evidence": [{"step_id": 2, "quote": "rm -rf / --no-preserve-root"}]}
    done, _ = made([submitting(invented)] * 3)
    (finding,) = done.diagnosis.findings
    assert not finding.is_supported
    assert done.diagnosis.accepted == ()
    assert done.diagnosis.conclusion == "undecided"
    assert done.diagnosis.evidence.unsupported > 0


def test_a_step_that_was_never_read_cannot_be_labelled() -> None:
    run = long_run(60, 100)
    unread = {**WRONG, "step_id": 31, "evidence": [{"step_id": 31, "quote": "make part-31"}]}
    done, _ = made([submitting(unread, onset=[], error_chain=[])] * 3, trajectory=run)
    assert done.diagnosis.findings == ()
    assert done.diagnosis.evidence.unread > 0
    read = calling(("read_steps", {"steps": [31]}))
    done, _ = made([read, submitting(unread)], trajectory=run)
    assert [one.step_id for one in done.diagnosis.accepted] == [31]
    assert done.diagnosis.read_steps == (31,)


@pytest.mark.parametrize(
    "bad",
    [
        Reply(text="I think step 2 is wrong."),
        Reply.model_validate({"tool_requests": [{"call_id": "x", "name": "submit_diagnosis", "arguments": '{"find'}]}),
        calling(("submit_diagnosis", {"conclusion": "maybe"})),
        calling(("no_such_tool", {})),
    ],
)
def test_what_cannot_be_used_is_sent_back(bad: Reply) -> None:
    done, model = made([bad, submitting(WRONG)])
    assert done.diagnosis.status == "complete"
    assert len(model.asked) == 2


def test_a_model_that_never_hands_in_fails_in_words_with_what_it_cost() -> None:
    done, _ = made([Reply(text="hm")] * 50, model={"price": Price(prompt=1.0, completion=1.0)})
    assert done.diagnosis.status == "failed"
    assert "does not hand in" in done.diagnosis.status_reason
    assert done.diagnosis.total_usage.calls == 6
    assert done.diagnosis.total_usage.cost_usd


def test_a_provider_that_fails_after_labels_were_noted_leaves_a_partial_diagnosis() -> None:
    done, _ = made([calling(("keep_note", {"findings": [WRONG]})), ModelError("the provider is down")])
    assert done.diagnosis.status == "partial"
    assert "the provider is down" in done.diagnosis.status_reason
    assert [one.step_id for one in done.diagnosis.accepted] == [2]


def test_at_the_limit_what_is_there_is_kept_as_partial() -> None:
    run = long_run(60, 100)
    noted = {**WRONG, "step_id": 31, "evidence": [{"step_id": 31, "quote": "make part-31"}]}
    turns = [calling(("read_steps", {"steps": [31]})), calling(("keep_note", {"findings": [noted]}))]
    done, model = made([*turns, *[Reply(text="hm")] * 9], trajectory=run, max_turns=4)
    assert done.diagnosis.status == "partial"
    assert "4 model calls" in done.diagnosis.status_reason
    assert [one.step_id for one in done.diagnosis.accepted] == [31]
    assert len(model.asked) == 4
    assert any("Hand in the diagnosis now" in message.text for message in model.asked[-1])


def test_cancelling_keeps_what_is_there() -> None:
    seen: list[Progress] = []
    done, model = made(
        [calling(("keep_note", {"findings": [WRONG]}))] * 9,
        on_progress=seen.append,
        cancelled=lambda: any(one.kind == "read" or one.kind == "call" for one in seen),
    )
    assert done.diagnosis.status == "cancelled"
    assert [one.step_id for one in done.diagnosis.accepted] == [2]
    assert len(model.asked) == 1
    assert seen[-1].kind == "finished"


def test_samples_are_merged_with_their_support() -> None:
    done, _ = made([submitting(WRONG, REPEATED), submitting(WRONG), submitting(WRONG)], samples=3)
    diagnosis = done.diagnosis
    assert {one.step_id: one.support for one in diagnosis.findings} == {2: 1.0, 4: pytest.approx(1 / 3)}
    assert [one.step_id for one in diagnosis.accepted] == [2]
    assert (diagnosis.samples_finished, diagnosis.total_usage.calls) == (3, 3)


def test_an_onset_or_a_link_without_evidence_is_asked_for_and_is_no_label() -> None:
    bare = {"onset": [{"step_id": 1}, {"step_id": 2}], "error_chain": [{"step_id": s, "what": "w"} for s in (1, 2)]}
    done, model = made([submitting(WRONG, **bare)] * 2, repairs=1)
    assert "The failure onset at step 1 has no evidence" in model.asked[1][-1].text
    assert [one.step_id for one in done.diagnosis.onset] == [1, 2]
    said = [(event.field, event.step_id, event.value) for event in as_label_events(done.diagnosis, 1)]
    assert ("onset", None, 2) in said
    assert [step_id for field, step_id, _ in said if field == "chain"] == [2]


def test_one_failing_sample_does_not_throw_the_others_away() -> None:
    done, _ = made([submitting(WRONG), ModelError("the provider is down")], samples=3)
    diagnosis = done.diagnosis
    assert (diagnosis.status, diagnosis.samples_finished) == ("partial", 1)
    assert "1 of 3 samples finished" in diagnosis.status_reason
    assert [one.step_id for one in diagnosis.accepted] == [2]


def test_a_run_without_steps_costs_nothing_and_says_so() -> None:
    done, model = made([], trajectory=bash_run())
    assert (done.diagnosis.status, done.diagnosis.conclusion, model.asked) == ("failed", "undecided", [])
    assert "no steps" in done.diagnosis.status_reason


def test_insights_go_in_and_come_out_with_their_origin() -> None:
    old = Insight(
        insight_id="i1",
        agent="calc-agent",
        text="It repeats failing tests.",
        author="m",
        created_at="2026-01-01T00:00:00Z",
    )
    done, model = made([submitting(WRONG, insights=["It renames instead of reading."] * 2)], insights=[old])
    assert "It repeats failing tests." in model.asked[0][0].text
    assert done.diagnosis.insights == ("i1",)
    (new,) = done.insights
    assert (new.text, new.agent, new.run_id) == ("It renames instead of reading.", "calc-agent", "run-1")
    noted = calling(("keep_note", {"insights": ["It never looks at exit codes."]}))
    done, _ = made([noted, ModelError("the provider is down")])
    assert [one.text for one in done.insights] == ["It never looks at exit codes."]
    done, _ = made([noted, submitting(WRONG, insights=["x"])], use_memory=False)
    assert done.insights == ()


def test_the_transcript_holds_every_message_and_what_it_cost() -> None:
    done, _ = made([calling(("read_steps", {"steps": [3]}), text="Let me see."), submitting(WRONG)])
    kinds = [entry["kind"] for entry in done.transcript]
    assert kinds == [*["message"] * 2, "usage", *["message"] * 2, "usage", *["message"] * 2]
    assert "Let me see." in [entry.get("text") for entry in done.transcript]


# ---------------------------------------------------------------- strategies


def diligent(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
    """Reads everything there is, twelve steps at a time, and hands in a clean run at the end."""
    names = {tool.name for tool in tools}
    if "judge_part" in names:
        return calling(("judge_part", {"thought": "nothing wrong so far " * 20}))
    if "choose_half" in names:
        return calling(("choose_half", {"half": "second", "reasoning": "the first half looks right"}))
    told = "\n".join(message.text for message in messages)
    if "read_steps" not in names or "Hand in the diagnosis now" in told:
        return submitting()
    if not tools_are_answered(messages):
        return Reply(text="Summary: nothing wrong so far.")
    DILIGENT["next"] += 12
    wanted = [step for step in range(DILIGENT["next"] - 11, DILIGENT["next"] + 1) if step <= DILIGENT["steps"]]
    return calling(("read_steps", {"steps": wanted})) if wanted else submitting()


DILIGENT = {"next": 0, "steps": 0}


def tools_are_answered(messages: Sequence[Message]) -> bool:
    return messages[-1].role in ("tool", "user") and "Summarise your work" not in messages[-1].text


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("steps", "characters"), [(3, 50), (40, 2_000), (300, 17_000)])
def test_every_strategy_finishes_within_a_small_window(strategy: Strategy, steps: int, characters: int) -> None:
    DILIGENT.update(next=0, steps=steps)
    run = long_run(steps, characters)
    seen: list[Progress] = []
    # The scripted model refuses a conversation that is longer than its window.
    done, _ = made(
        diligent,
        trajectory=run,
        model={"context_tokens": 32_000},
        strategy=strategy,
        max_turns=200,
        on_progress=seen.append,
    )
    assert (done.diagnosis.status, done.diagnosis.conclusion) == ("complete", "no_error_found")
    if strategy == "agent" and steps == 300:
        assert done.diagnosis.read_steps == tuple(range(1, 301))
        assert any(one.kind == "compacted" for one in seen)


def test_labels_and_notes_survive_compaction_even_if_the_model_gives_no_summary() -> None:
    noted = {**WRONG, "step_id": 1, "evidence": [{"step_id": 1, "quote": "make part-1"}]}
    state = {"turn": 0}

    def script(messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        if "Summarise your work" in messages[-1].text:
            raise ModelError("no summary today")
        state["turn"] += 1
        if state["turn"] == 1:
            return calling(("read_steps", {"steps": [1]}), ("keep_note", {"thought": "MARK-1", "findings": [noted]}))
        if state["turn"] < 30:
            first = 12 * (state["turn"] - 2) % 280 + 1
            return calling(("read_steps", {"steps": list(range(first, first + 12))}))
        told = "\n".join(message.text for message in messages)
        assert "MARK-1" in told
        assert "step 1: incorrect" in told
        return submitting(noted)

    done, _ = made(script, trajectory=long_run(300, 17_000), model={"context_tokens": 32_000}, max_turns=100)
    assert done.diagnosis.status == "complete"
    assert [one.step_id for one in done.diagnosis.accepted] == [1]


def test_thousands_of_calls_at_once_are_answered_as_far_as_there_is_room_and_never_cut_unseen() -> None:
    every = [("read_steps", {"steps": [number % 300 + 1]}) for number in range(5_000)]
    done, model = made(
        [calling(*every), submitting()], trajectory=long_run(300, 17_000), model={"context_tokens": 32_000}
    )
    assert done.diagnosis.status == "complete"
    told = [message.text for message in model.asked[1] if message.role == "tool"]
    assert len(told) == MOST_CALLS
    assert not any("cut here" in text for text in told)
    shown = {number for number in range(1, 301) if any(text.startswith(f"Step {number} ") for text in told)}
    assert done.diagnosis.read_steps == tuple(sorted(shown))
    assert told[-1].startswith("Not done")


@pytest.mark.parametrize("strategy", ["agent", "step_by_step"])
def test_notes_without_end_stay_within_the_window(strategy: Strategy) -> None:
    turn = iter(range(10_000))

    def script(_: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        names, n = {tool.name for tool in tools}, next(turn)
        told = {"thought": "a long thought " * 300, "findings": [{**WRONG, "step_id": n * 5 + k} for k in range(5)]}
        if "judge_part" in names:
            return calling(("judge_part", told))
        if "read_steps" in names and n < 60:
            return calling(("keep_note", told), ("read_steps", {"steps": [n * 5 + k + 1 for k in range(5)]}))
        return submitting() if names else Reply(text="sum " * 5_000)

    done, model = made(
        script,
        trajectory=long_run(300, 3_000),
        model={"context_tokens": 16_000},
        strategy=strategy,
        max_turns=500,
    )
    assert (done.diagnosis.status, done.diagnosis.status_reason) == ("complete", "")
    assert "before these are left out" in model.asked[-1][1 if strategy == "step_by_step" else 2].text


def test_a_reply_of_millions_of_characters_is_heard_and_leaves_room_for_the_next() -> None:
    bad = {**WRONG, "reasoning": "x" * 5_000_000, "evidence": [{"step_id": 2, "quote": "not there"}]}
    reply = submitting(bad).model_copy(update={"text": "y" * 5_000_000})
    done, model = made([reply, submitting(WRONG)], model={"context_tokens": 16_000})
    assert (done.diagnosis.status, len(done.diagnosis.accepted)) == ("complete", 1)
    assert "does not stand in step 2" in model.asked[1][-1].text
    assert any(len(str(entry)) > 10_000_000 for entry in done.transcript), "the transcript has all of it"


def test_a_window_that_is_smaller_than_the_provider_said_is_found_out() -> None:
    refused = {"times": 0}

    def script(messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        if sum(len(message.text) for message in messages) > 20_000:
            refused["times"] += 1
            raise ContextOverflow("too long")
        if any(message.role == "tool" for message in messages) or refused["times"]:
            return submitting()
        return calling(("read_steps", {"steps": list(range(1, 13))}))

    done, _ = made(script, trajectory=long_run(60, 17_000))
    assert done.diagnosis.status == "complete"
    assert refused["times"] > 0


def test_step_by_step_sees_every_step_once_and_carries_notes_on() -> None:
    done, model = made(
        diligent, trajectory=long_run(40, 3_000), model={"context_tokens": 16_000}, strategy="step_by_step"
    )
    assert done.diagnosis.read_steps == tuple(range(1, 41))
    assert "nothing wrong so far" in model.asked[1][1].text


def test_binary_search_needs_a_logarithm_of_calls() -> None:
    _, model = made(diligent, trajectory=long_run(300, 100), strategy="binary_search")
    assert len(model.asked) == 6 + 1
