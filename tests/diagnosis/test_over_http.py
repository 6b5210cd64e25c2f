"""The whole path over HTTP: a real client, a real server on loopback that fails as providers do, a whole diagnosis."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from codetracer_core.diagnosis import diagnose
from codetracer_core.diagnosis_models import STRATEGIES, Diagnosis, DiagnosisSettings, Strategy
from codetracer_core.llm import open_model
from codetracer_core.models import Trajectory
from tests.diagnosis.made_up import REPEATED, WRONG, answer, broken_run, long_run
from tests.model_server import (
    OVERFLOW_LLAMA_CPP,
    OVERFLOW_OPENAI,
    Asked,
    Behaviour,
    Call,
    Drop,
    Fail,
    Garbage,
    Hang,
    ModelServer,
    Say,
    calling,
    rate_limited,
)

GOOD = calling("submit_diagnosis", **answer(WRONG, REPEATED))


def diagnosed(
    server: ModelServer,
    trajectory: Trajectory | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    timeout: float = 20.0,
    **settings: Any,
) -> Diagnosis:
    model = open_model("scripted", api_base=server.url, pause=0.01, timeout=timeout, context_tokens=32_000)
    return diagnose(
        trajectory or broken_run(),
        run_id="run-1",
        model=model,
        settings=DiagnosisSettings(**settings),
        cancelled=cancelled,
    ).diagnosis


FAULTS: dict[str, Sequence[Behaviour]] = {
    "nothing": [],
    "rate limit": [rate_limited(0), rate_limited()],
    "server errors": [Fail(500), Fail(503)],
    "dropped connections": [Drop(), Drop()],
    "a stream that is cut": [Say("Let me think about this at some length.", cut_after=2)],
    "a page instead of an answer": [Garbage("<html>maintenance</html>", "text/html")],
    "broken JSON": [Garbage()],
    "arguments that are no JSON": [Say(calls=(Call("submit_diagnosis", '{"findings": [{'),))],
    "prose": [Say("I believe that step 2 is wrong.")],
    "steps that do not exist": [calling("submit_diagnosis", **answer({**WRONG, "step_id": 99}))],
    "an invented quote": [
        calling("submit_diagnosis", **answer({**WRONG, "evidence": [{"step_id": 2, "quote": "never said this"}]}))
    ],
    "an unknown tool": [calling("rm", path="/")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_overcome_and_the_diagnosis_is_whole(fault: str) -> None:
    with ModelServer([*FAULTS[fault], GOOD]) as server:
        diagnosis = diagnosed(server)
    assert (diagnosis.status, diagnosis.conclusion) == ("complete", "error_found")
    assert [(one.step_id, one.verdict) for one in diagnosis.accepted] == [(2, "incorrect"), (4, "unuseful")]
    assert diagnosis.total_usage.cost_usd is None


@pytest.mark.parametrize(
    "refuses", [(), ("tool_choice",), ("tools", "tool_choice"), ("tools", "tool_choice", "response_format")]
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_works_with_what_a_provider_knows(refuses: tuple[Any, ...], strategy: Strategy) -> None:
    run = long_run(40, 200)
    wrong = {**WRONG, "step_id": 37, "evidence": [{"step_id": 37, "quote": "make part-37"}]}

    def script(asked: Asked) -> Behaviour:
        concludes = "Now hand in the diagnosis" in asked.text
        if strategy == "binary_search" and not concludes:
            return calling("choose_half", half="second", reasoning="The first half is sound.")
        if strategy == "step_by_step" and not concludes:
            return calling("judge_part", thought="Nothing so far.")
        if strategy == "agent" and "Step 37" not in asked.text:
            return calling("read_steps", steps=[37])
        return calling("submit_diagnosis", **answer(wrong))

    with ModelServer(script, refuses=refuses) as server:
        diagnosis = diagnosed(server, run, strategy=strategy)
    assert diagnosis.status == "complete", diagnosis.status_reason
    assert [one.step_id for one in diagnosis.accepted] == [37]


def test_an_answer_that_does_not_come_is_not_waited_for_beyond_the_time_limit() -> None:
    with ModelServer([GOOD]) as server:
        diagnosed(server)  # what a process loads for its first call is not to use up the limit
    with ModelServer([calling("read_steps", steps=[2]), *[Hang()] * 9]) as server:
        diagnosis = diagnosed(server, timeout=3_600.0, max_seconds=5.0)
    assert (diagnosis.status, diagnosis.status_reason) == ("partial", "the limit of 5 seconds was reached")
    assert diagnosis.total_usage.calls == 1


@pytest.mark.parametrize("overflow", [OVERFLOW_OPENAI, OVERFLOW_LLAMA_CPP], ids=["OpenAI", "llama.cpp"])
def test_a_window_that_turns_out_smaller_is_respected(overflow: Fail) -> None:
    def script(asked: Asked) -> Behaviour:
        if len(asked.text) > 50_000:
            return overflow
        turn = sum(message["role"] == "assistant" for message in asked.messages)
        if turn < 3:
            return calling("read_steps", steps=list(range(12 * turn + 1, 12 * turn + 13)))
        return calling("submit_diagnosis", **answer())

    with ModelServer(script) as server:
        diagnosis = diagnosed(server, long_run(120, 3_000))
        sizes = [len(request.text) for request in server.requests]
    assert diagnosis.status == "complete", diagnosis.status_reason
    assert max(sizes) > 50_000 > sizes[-1]


def test_a_refused_key_fails_at_once_in_words_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETRACER_API_KEY", "sk-very-secret-0123456789")
    with ModelServer([GOOD], key="another") as server:
        diagnosis = diagnosed(server, samples=3)
        assert len(server.requests) == 1
    assert diagnosis.status == "failed"
    assert "sk-very-secret" not in diagnosis.model_dump_json()


def test_cancelling_a_silent_server_ends_the_diagnosis_and_keeps_what_is_there() -> None:
    stop = threading.Event()
    note = calling("keep_note", thought="The fix is a rename.", findings=[WRONG])

    def script(asked: Asked) -> Behaviour:
        if len(server.requests) == 1:
            return note
        threading.Timer(0.2, stop.set).start()
        return Hang()

    with ModelServer(script) as server:
        diagnosis = diagnosed(server, cancelled=stop.is_set, timeout=600)
    assert diagnosis.status == "cancelled"
    assert [one.step_id for one in diagnosis.accepted] == [2]


def test_a_server_that_stays_away_fails_in_words() -> None:
    with ModelServer([]) as server:
        url = server.url
    model = open_model("scripted", api_base=url, pause=0.01, retries=1)
    made = diagnose(broken_run(), run_id="r", model=model, settings=DiagnosisSettings())
    assert made.diagnosis.status == "failed"
    assert made.diagnosis.status_reason
    assert made.diagnosis.conclusion == "undecided"
