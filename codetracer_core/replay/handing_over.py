"""Handing over: from the checkpoint on a model acts, command by command, until it is done or something runs out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from codetracer_core.diagnosis.answers import Answer
from codetracer_core.diagnosis.budget import Budget as Spending
from codetracer_core.diagnosis.budget import LimitReached
from codetracer_core.diagnosis.compaction import SHORTEST, shortened, turns_of, without_oldest
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN
from codetracer_core.diagnosis.visible import as_read, inline, quoted
from codetracer_core.diagnosis_models import CallUsage, DiagnosisSettings
from codetracer_core.errors import Cancelled, ContextOverflow, EnvironmentBroken, ModelError
from codetracer_core.llm import Message, Model, Reply, ToolRequest, UnusableAnswer, as_tool, read_answer
from codetracer_core.models import ToolCall
from codetracer_core.parsers._artifacts import without_lone_surrogates
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import Budget, Ran, ReplayStatus
from codetracer_core.replay.opening import prompt
from codetracer_core.replay.recording import RecordedStep, cut, observed

ANSWER_TOKENS = 8_000
MOST_IDLE = 3
"""Replies in a row that call no tool, after which a model is taken to have stopped acting."""
LONGEST_OUTPUT = 16_000
"""Characters of an output that the model is shown, but never more than an eighth of the window. The run has it all."""


class RunCommand(Answer):
    command: str = Field(min_length=1, description="For a shell, e.g. 'python3 -m unittest -v'.")


class Finish(Answer):
    summary: str = Field(description="What was done, what was checked, and what is still open.")


RUN = as_tool(RunCommand, "run", "Run a command in the environment; its output and exit code come back.")
FINISH = as_tool(Finish, "finish", "Say that you are done, or cannot get further.")
TOOLS = (RUN, FINISH)


@dataclass(frozen=True)
class HandedOver:
    """What became of it."""

    status: ReplayStatus
    reason: str
    steps: int
    usage: CallUsage
    summary: str = ""
    """What the model said of its work when it finished; nobody checked it."""


class _Done(Exception):
    def __init__(self, status: ReplayStatus, reason: str, summary: str = "") -> None:
        self.status, self.reason, self.summary = status, reason, summary
        super().__init__(reason)


@dataclass
class _Turn:
    """The conversation, and what it has used."""

    model: Model
    environment: Environment
    budget: Budget
    spending: Spending
    messages: list[Message]
    next_step: int
    on_step: Callable[[RecordedStep, CallUsage], None]
    cancelled: Callable[[], bool]
    command_seconds: float
    window: int
    steps: int = 0
    idle: int = 0
    commands: list[str] = field(default_factory=list)
    """A line per step, for when earlier turns have to go."""

    def take(self) -> None:
        """Ask once, and do what is asked for, in order."""
        reply = self._ask()
        text = without_lone_surrogates(reply.text).strip()
        if not reply.tool_requests:
            self._talked(text)
            return
        self.idle = 0
        requests = reply.tool_requests[: self._left()]  # what comes after the last step is never done
        group = self.next_step if len(requests) > 1 else None
        for number, request in enumerate(requests):
            self._act(request, text if number == 0 else "", group)
        self._check_steps()
        for request in reply.tool_requests[len(requests) :]:
            self._answer(request, "Not run.")

    def _left(self) -> int:
        return self.budget.max_steps - self.steps

    def _check_steps(self) -> None:
        if self._left() <= 0:
            raise _Done("limit", f"the limit of {self.budget.max_steps} steps was reached")

    def _talked(self, text: str) -> None:
        self.idle += 1
        self._put(action=text or "(nothing)", is_message=True)
        self._check_steps()
        if self.idle >= MOST_IDLE:
            raise _Done("limit", f"the model replied {self.idle} times in a row without calling a tool")
        self.messages.append(Message(role="user", text=prompt("talked", left=self._left())))

    def _act(self, request: ToolRequest, thought: str, group: int | None) -> None:
        """One call: it becomes a step, whatever it is."""
        shared: dict[str, Any] = {"thought": thought or None, "parallel_group": group}
        name, arguments = inline_name(request.name), without_lone_surrogates(request.arguments)
        try:
            if name == FINISH.name:
                summary = without_lone_surrogates(read_answer(arguments, Finish).summary)
                call = ToolCall(name=name, arguments={"summary": summary}, call_id=request.call_id)
                self._put(action=summary.strip() or name, tool=call, **shared)
                raise _Done("finished", "the model said that it is done", summary)
            if name != RUN.name:
                raise UnusableAnswer([f"there is no tool {name!r}: call run or finish"])  # noqa: TRY301
            command = without_lone_surrogates(read_answer(arguments, RunCommand).command)
        except UnusableAnswer as error:
            problems = "Not run: " + "; ".join(error.problems)
            call = ToolCall(name=name or "(none)", arguments=arguments, call_id=request.call_id)
            self._put(action=arguments or name, tool=call, executed=False, observation=problems, **shared)
            self._answer(request, problems)
            return
        call = ToolCall(name=name, arguments={"command": command}, call_id=request.call_id)
        if (left := self.spending.seconds_left) <= 0:
            raise self._late()
        try:
            ran = self.environment.run(command, timeout=min(self.command_seconds, left), cancelled=self.cancelled)
        except Cancelled:
            self._put(action=command, tool=call, **shared)
            raise
        self._put(
            action=command,
            tool=call,
            observation=observed(ran),
            exit_code=ran.exit_code,
            seconds=ran.seconds,
            left_out_bytes=ran.left_out_bytes,
            **shared,
        )
        self._answer(request, self._as_answer(ran))

    def _as_answer(self, ran: Ran) -> str:
        ended = "stopped: the time was over" if ran.exit_code is None else f"exit code {ran.exit_code}"
        text = as_read(ran.output).text
        output = (
            quoted(cut(text, min(LONGEST_OUTPUT, self.window * CHARACTERS_PER_TOKEN // 8))) if text else "no output"
        )
        left = self._left()
        return f"{ended}\n{output}" + (f"\n({left} steps are left.)" if left <= 5 else "")

    def _put(self, **fields: Any) -> None:
        step = RecordedStep(step_id=self.next_step, by="model", at=datetime.now(UTC), **fields)
        self.next_step += 1
        self.steps += 1
        self.commands.append(f"- step {step.step_id}: {inline(step.action, 150)} (exit code {step.exit_code})")
        self.on_step(step, self.spending.used)

    def _answer(self, request: ToolRequest, text: str) -> None:
        self.messages.append(Message(role="tool", text=text, call_id=request.call_id))

    def _ask(self) -> Reply:
        """The model's next reply, which joins the conversation. Raises LimitReached, Cancelled, ModelError."""
        self._make_room()
        for _ in range(5):
            try:
                reply = self._complete()
                break
            except ContextOverflow:  # the window is smaller than was believed: what was sent is a bound for it
                self.window = min(self.window, self.model.count_tokens(self.messages, TOOLS)) * 7 // 10
                self._make_room()
        else:
            raise ContextOverflow(f"the window of {self.model.name} is too small for the opening of this replay")
        self.messages.append(Message(role="assistant", text=reply.text, tool_requests=reply.tool_requests))
        return reply

    def _complete(self) -> Reply:
        if self.cancelled():
            raise Cancelled("cancelled")
        tokens = self.model.count_tokens(self.messages, TOOLS)
        self.spending.check(tokens)
        try:
            reply = self.model.complete(
                self.messages,
                tools=TOOLS,
                max_tokens=self.spending.answer_tokens(tokens, min(ANSWER_TOKENS, self.window // 4)),
                cancelled=lambda: self.cancelled() or self.spending.is_late,
            )
        except Cancelled as error:
            if self.cancelled() or not self.spending.is_late:
                raise
            raise self._late() from error
        self.spending.add(reply.usage)
        return reply

    def _late(self) -> LimitReached:
        return LimitReached(f"the limit of {self.spending.settings.max_seconds:g} seconds was reached")

    def _make_room(self) -> None:
        """Bring the conversation back within the window: the oldest turns go, a list of what was run stays."""
        most = self.window - min(ANSWER_TOKENS, self.window // 4)
        while self.model.count_tokens(self.messages, TOOLS) > most and len(turns_of(self.messages)) > 1:
            memo = "Earlier turns were left out. All that was run so far:\n" + "\n".join(self.commands)
            before = len(self.messages)
            self.messages = without_oldest(self.messages, cut(memo, self.window // 2))
            if len(self.messages) >= before:
                break
        characters = 8_000
        while self.model.count_tokens(self.messages, TOOLS) > most and characters >= SHORTEST:
            self.messages = shortened(self.messages, characters)
            characters //= 2


def hand_over(
    opening: Sequence[Message],
    environment: Environment,
    model: Model,
    budget: Budget,
    *,
    first_step: int,
    command_seconds: float,
    seconds: float,
    on_step: Callable[[RecordedStep, CallUsage], None],
    cancelled: Callable[[], bool] = lambda: False,
) -> HandedOver:
    """Let a model go on; each of its calls is a step, from ``first_step`` on, and told through ``on_step`` at once.

    It ends when the model says so (*finished*); when steps, money, tokens or ``seconds`` run out, or when it has only
    talked ``MOST_IDLE`` times in a row (*limit*); when its provider fails or the environment is gone (*failed*); or
    within a second of ``cancelled`` turning true (*cancelled*).
    """
    settings = DiagnosisSettings(
        cost_limit_usd=budget.cost_limit_usd,
        token_limit=budget.token_limit,
        max_turns=budget.max_steps + 1,
        max_seconds=max(round(seconds, 1), 0.1),
    )
    turn = _Turn(
        model=model,
        environment=environment,
        budget=budget,
        spending=Spending(settings, model.price, clock=time.monotonic),
        messages=list(opening),
        next_step=first_step,
        on_step=on_step,
        cancelled=cancelled,
        command_seconds=command_seconds,
        window=model.context_tokens,
    )
    status: ReplayStatus
    summary = ""
    try:
        while True:
            turn.take()
    except _Done as done:
        status, reason, summary = done.status, done.reason, done.summary
    except LimitReached as error:
        status, reason = "limit", error.reason
    except Cancelled:
        status, reason = "cancelled", "somebody stopped it"
    except (ModelError, EnvironmentBroken) as error:
        status, reason = "failed", str(error)
    return HandedOver(status, reason, turn.steps, turn.spending.used, summary)


def inline_name(name: str) -> str:
    """The name of a tool as the model wrote it, on one line and short."""
    return " ".join(without_lone_surrogates(name).split())[:60]
