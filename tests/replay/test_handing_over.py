"""The loop in which a model acts: what becomes a step, what ends it, and that it stays within window and budget."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import ContextOverflow, ModelError
from codetracer_core.llm import Message, Price, Reply, ToolRequest, ToolSpec
from codetracer_core.llm.scripted import Script, ScriptedModel, calling
from codetracer_core.replay.environments import start
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.handing_over import HandedOver, hand_over
from codetracer_core.replay.models import Budget, Limits, LocalPlace
from codetracer_core.replay.recording import RecordedStep

OPENING = (Message(role="system", text="Rules."), Message(role="user", text="The task."))
DONE = calling(("finish", {"summary": "done"}))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder, scratch = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("scratch")
    place = LocalPlace(folder=str(folder), allowed=True)
    made = start(place, Limits(command_seconds=20), shell="fresh", scratch=scratch, replay_id="handing")
    yield made
    made.stop()


Hand = Callable[..., tuple[HandedOver, list[RecordedStep], ScriptedModel]]


@pytest.fixture
def hand(environment: Environment) -> Hand:
    def go(
        script: Script,
        budget: Budget = Budget(max_steps=8),  # noqa: B008  frozen
        *,
        seconds: float = 60.0,
        cancelled: Callable[[], bool] = lambda: False,
        context_tokens: int = 128_000,
        price: Price | None = None,
    ) -> tuple[HandedOver, list[RecordedStep], ScriptedModel]:
        steps: list[RecordedStep] = []
        model = ScriptedModel(script, context_tokens=context_tokens, price=price)

        def took(step: RecordedStep, _used: CallUsage) -> None:
            steps.append(step)

        handed = hand_over(
            OPENING,
            environment,
            model,
            budget,
            first_step=6,
            command_seconds=20.0,
            seconds=seconds,
            on_step=took,
            cancelled=cancelled,
        )
        return handed, steps, model

    return go


def test_each_call_is_a_step_and_those_of_a_reply_are_one_group(hand: Hand) -> None:
    script = [calling(("run", {"command": "echo a"}), ("run", {"command": "exit 3"}), text="Two at once."), DONE]
    handed, steps, model = hand(script)
    assert (handed.status, handed.steps, handed.summary, handed.usage.calls) == ("finished", 3, "done", 2)
    told = [(one.step_id, one.action, one.observation, one.exit_code, one.parallel_group, one.thought) for one in steps]
    assert told == [
        (6, "echo a", "a\n", 0, 6, "Two at once."),
        (7, "exit 3", "", 3, 6, None),
        (8, "done", None, None, None, None),
    ]
    answers = [message.text for message in model.asked[1] if message.role == "tool"]
    assert answers[0].startswith("exit code 0\n")
    assert answers[1].startswith("exit code 3\nno output")


def test_what_does_not_fit_is_answered_counted_and_never_run(hand: Hand) -> None:
    script = [
        calling(("shell", {"command": "touch /tmp/x"})),
        calling(("run", {"cmd": "ls"})),
        Reply(tool_requests=(ToolRequest(call_id="c", name="run", arguments="{'command':"),)),
        DONE,
    ]
    handed, steps, _ = hand(script)
    assert (handed.status, handed.steps) == ("finished", 4)
    assert [one.executed for one in steps] == [False, False, False, True]
    assert "there is no tool 'shell'" in (steps[0].observation or "")
    assert "command" in (steps[1].observation or "")


def test_who_only_talks_is_asked_again_and_then_stopped(hand: Hand) -> None:
    handed, steps, model = hand([Reply(text="I think."), Reply(text="Hm."), Reply(text="Well.")])
    assert (handed.status, handed.steps) == ("limit", 3)
    assert "without calling a tool" in handed.reason
    assert all(one.is_message for one in steps)
    assert "Call run" in model.asked[1][-1].text
    handed, _, _ = hand([Reply(text="I think."), Reply(text="Hm."), calling(("run", {"command": "true"})), DONE])
    assert handed.status == "finished"


def test_limits_of_steps_money_tokens_and_time(hand: Hand) -> None:
    def runs(_messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        return calling(("run", {"command": "true"}))

    for budget, words in (
        (Budget(max_steps=2), "2 steps"),
        (Budget(max_steps=50, token_limit=1_000), "1,000 tokens"),
        (Budget(max_steps=50, cost_limit_usd=0.01), "0.01 USD"),
    ):
        handed, steps, _ = hand(runs, budget, price=Price(prompt=5.0, completion=5.0))
        assert handed.status == "limit"
        assert words in handed.reason
        assert len(steps) == handed.steps < 50
    handed, _, _ = hand(lambda *_: calling(("run", {"command": "sleep 30"})), seconds=0.5)
    assert handed.status == "limit"
    assert handed.reason.endswith("seconds was reached")


def test_a_cancel_is_heard_while_a_command_runs(hand: Hand) -> None:
    asked = threading.Event()
    timer = threading.Timer(0.3, asked.set)
    timer.start()
    handed, steps, _ = hand([calling(("run", {"command": "sleep 100"}))], cancelled=asked.is_set)
    timer.join()
    assert handed.status == "cancelled"
    assert [(one.action, one.observation) for one in steps] == [("sleep 100", None)]


def test_a_provider_that_fails_is_told(hand: Hand) -> None:
    handed, _, _ = hand([calling(("run", {"command": "true"})), ModelError("the provider is gone")])
    assert (handed.status, handed.reason, handed.steps) == ("failed", "the provider is gone", 1)


def test_room_is_made_in_a_small_window(hand: Hand) -> None:
    numbers = iter(range(100))

    def runs(_messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        number = next(numbers)
        return DONE if number == 12 else calling(("run", {"command": f"echo step-{number}; seq 400"}))

    handed, steps, model = hand(runs, Budget(max_steps=20), context_tokens=4_000)
    assert (handed.status, handed.steps) == ("finished", 13)
    assert steps[3].observation is not None
    assert steps[3].observation.endswith("400\n")  # the record has all of it
    assert "step-0" in model.asked[-1][2].text  # what is gone is listed


def test_a_window_that_is_smaller_than_believed_is_met(hand: Hand) -> None:
    script = [calling(("run", {"command": "seq 300"})), ContextOverflow("too long"), DONE]
    handed, _, _ = hand(script)
    assert handed.status == "finished"


def test_halves_of_surrogates_do_not_stop_it(hand: Hand, tmp_path: Path) -> None:
    handed, steps, _ = hand([calling(("run", {"command": "echo '\ud83d'"})), DONE])
    assert handed.status == "finished"
    assert all("\ud83d" not in one.model_dump_json() for one in steps)
