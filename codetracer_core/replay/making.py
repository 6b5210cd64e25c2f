"""One replay from beginning to end: plan, environment, the earlier steps, tests, the model, tests, record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, CodeTracerError, EnvironmentBroken, NotAllowed
from codetracer_core.llm import Model
from codetracer_core.models import Outcome, ReplayOf, Trajectory
from codetracer_core.replay.environments import WARNING, start, why_not
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.handing_over import HandedOver, hand_over
from codetracer_core.replay.models import (
    Checkpoint,
    GitPlace,
    LocalPlace,
    Place,
    ReplayedStep,
    ReplayOrder,
    ReplayResult,
    ReplayStatus,
)
from codetracer_core.replay.opening import opening
from codetracer_core.replay.plan import checkpoint
from codetracer_core.replay.recording import (
    RecordedStep,
    Recording,
    ReplayEvent,
    Started,
    of_original,
    recording,
)
from codetracer_core.replay.stepping import replay_steps
from codetracer_core.replay.testing import run_tests
from codetracer_core.replay.words import plan_words
from codetracer_core.words import listed, number_of

FINISHED: tuple[ReplayStatus, ...] = ("finished", "limit")
"""How a replay ends of itself: only then do tests decide its outcome."""


def ready(trajectory: Trajectory, order: ReplayOrder, model: Model | None) -> Checkpoint:
    """The plan of a replay that can begin. Raises CodeTracerError in words for one that cannot: nothing has been
    started or written by then."""
    plan = plan_of(trajectory, order, model)
    require_place(order.place)
    return plan


def require_place(place: Place) -> None:
    """Raise CodeTracerError, in words, for a place in which nothing can or may run here. Asks the container engine."""
    if isinstance(place, LocalPlace | GitPlace) and not place.allowed:
        raise NotAllowed(WARNING, remedy="Say in so many words that this is allowed, or replay in a container.")
    if reason := why_not(place.kind):
        raise EnvironmentBroken(reason)


def plan_of(trajectory: Trajectory, order: ReplayOrder, model: Model | None) -> Checkpoint:
    """The plan of a replay. Raises CodeTracerError in words for one that cannot be made of this run, wherever that
    were. Asks nobody and runs nothing."""
    if not 1 <= order.step_id <= trajectory.step_count + 1:
        raise CodeTracerError(
            f"there is no step {order.step_id} to replay from: the run has {number_of(trajectory.step_count, 'step')}",
            remedy=f"Choose one from 1 to {trajectory.step_count + 1} (which runs all of them again).",
        )
    if order.agent and model is None:
        raise CodeTracerError(
            "no language model is chosen that could go on", remedy="Name one, or replay the earlier steps only."
        )
    if order.agent and not (trajectory.task_text or "").strip():
        raise CodeTracerError(
            "the run's files do not hold the text of its task, so nobody can be asked to go on with it",
            remedy="Replay the earlier steps only, without a model.",
        )
    plan = checkpoint(trajectory, order.step_id)
    if plan.not_replayable and not order.skip_not_replayable:
        first = plan.not_replayable[0]
        steps = listed([step.step_id for step in plan.not_replayable])
        raise CodeTracerError(
            f"{number_of(len(plan.not_replayable), 'step')} before step {order.step_id} cannot be run again ({steps}): "
            f"step {first.step_id}: {first.why}",
            remedy="Choose an earlier step, or allow that such steps are left out: the state may then be another.",
        )
    return plan


def make_replay(
    trajectory: Trajectory,
    run_id: str,
    order: ReplayOrder,
    model: Model | None,
    *,
    folder: Path,
    scratch: Path,
    hide: tuple[Path, ...] = (),
    started: Started | None = None,
    advice: str = "",
    on_event: Callable[[ReplayEvent], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ReplayResult:
    """Replay a run and record it in ``folder`` (made here; its name is the replay's id).

    Refuses first, as ``ready`` does. After that there is a result whatever happens, and the environment, which lives in
    ``scratch``, is gone; commands on this machine do not see ``hide``, where that can be had. The outcome is what the
    test command says, if the replay ended of itself; never what the model says. ``started`` tells of the order what
    else is known; ``advice`` is given to the model if the order wants it.
    """
    plan = ready(trajectory, order, model)
    now = datetime.now(UTC)
    model = model if order.agent else None
    base = started or Started(replay_id=folder.name, run_id=run_id, order=order, started_at=now)
    base = base.model_copy(update={"model": model and model.name, "started_at": now})
    with recording(folder, base, on_event) as record:
        work = _Work(trajectory, order, plan, model, record, advice if order.advice else "", cancelled)
        try:
            work.tell_plan()
            environment = start(
                order.place,
                order.limits,
                shell=plan.shell,
                scratch=scratch,
                replay_id=base.replay_id,
                hide=hide,
                original=plan.folder,
                cancelled=cancelled,
            )
            try:
                work.facts = tuple(environment.facts)
                work.go(environment)
            finally:
                work.stop(environment)
        except Cancelled:
            work.end("cancelled", "somebody stopped it")
        except CodeTracerError as error:
            work.end("failed", str(error))
        except KeyboardInterrupt:
            work.end("cancelled", "somebody stopped it at once")
            raise
        finally:
            if work.status is not None:  # else an error that nobody foresaw: ``recording`` says so
                result = work.result(base)
                record.finish(result, trajectory, work.summary)
        return result


@dataclass
class _Work:
    """A replay that goes on: what it has come to so far."""

    trajectory: Trajectory
    order: ReplayOrder
    plan: Checkpoint
    model: Model | None
    record: Recording
    advice: str
    cancelled: Callable[[], bool]
    began: float = field(default_factory=time.monotonic)
    facts: tuple[str, ...] = ()
    status: ReplayStatus | None = None
    reason: str = ""
    replayed: list[ReplayedStep] = field(default_factory=list)
    done: list[RecordedStep] = field(default_factory=list)
    agent_steps: int = 0
    usage: CallUsage = field(default_factory=CallUsage)
    summary: str = ""
    tests_before: bool | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome(reason="no test command was given"))
    left_behind: str = ""
    """What of the environment could not be removed."""

    def tell_plan(self) -> None:
        told = plan_words(self.plan)
        self.record.tell("phase", f"starting the {self.order.place.kind} environment; steps before: {told}")

    def go(self, environment: Environment) -> None:
        self.record.tell("phase", f"running {number_of(len(self.plan.steps), 'earlier step')} again")
        stepped = replay_steps(
            self.plan,
            environment,
            divergence=self.order.divergence,
            limits=self.order.limits,
            on_step=self._replayed,
            cancelled=self.cancelled,
        )
        if stepped.diverged:
            self.end("diverged", stepped.diverged)
            return
        if stepped.out_of_time:
            self.end("limit", stepped.out_of_time)
            return
        if self.order.test_command:
            self.tests_before = self._tests(environment, "before" if self.model else "after")
        if self.model is None:
            self.end("finished", "no model was to go on")
            return
        self.record.tell("phase", f"{self.model.name} goes on at step {self.order.step_id}")
        handed = self._hand_over(environment, self.model)
        self.usage, self.summary = handed.usage, handed.summary
        self.end(handed.status, handed.reason)
        if self.order.test_command and handed.status in FINISHED:
            self._tests(environment, "after")

    def _replayed(self, step: ReplayedStep) -> None:
        recorded = of_original(self.trajectory.steps[step.step_id - 1], step)
        self.record.put(recorded)
        self.replayed.append(step)
        self.done.append(recorded)
        self.record.tell("replayed", replayed=step)

    def _hand_over(self, environment: Environment, model: Model) -> HandedOver:
        def took(step: RecordedStep, usage: CallUsage) -> None:
            self.record.put(step)
            self.agent_steps, self.usage = self.agent_steps + 1, usage
            self.record.tell("step", step=step, usage=usage)

        told = opening(
            self.trajectory.task_text or "",
            self.plan,
            self.trajectory,
            self.done,
            environment,
            budget=self.order.budget,
            limits=self.order.limits,
            advice=self.advice,
            window=model.context_tokens,
        )
        return hand_over(
            told,
            environment,
            model,
            self.order.budget,
            first_step=self.order.step_id,
            command_seconds=self.order.limits.command_seconds,
            seconds=self.order.limits.total_seconds - (time.monotonic() - self.began),
            on_step=took,
            cancelled=self.cancelled,
        )

    def _tests(self, environment: Environment, when: Literal["before", "after"]) -> bool | None:
        self.record.tell("phase", f"running the tests{' at the checkpoint' if when == 'before' else ''}")
        tests = run_tests(environment, self.order, when, cancelled=self.cancelled)
        source = self.record.put_tests(tests)
        if when == "after":
            self.outcome = Outcome(solved=tests.passed, reason=tests.reason, source=source)
        return tests.passed

    def end(self, status: ReplayStatus, reason: str) -> None:
        """How it ended. What went wrong after the model had ended takes the place of that."""
        if self.status is None or self.status in FINISHED:
            self.status, self.reason = status, reason

    def stop(self, environment: Environment) -> None:
        try:
            environment.stop()
        except CodeTracerError as error:  # what the replay came to stays as it is
            self.left_behind = str(error)

    def result(self, started: Started) -> ReplayResult:
        assert self.status is not None
        outcome = self.outcome
        if self.status not in FINISHED:
            outcome = Outcome(reason=f"the replay did not come to its end ({self.status})")
        return ReplayResult(
            replay_id=started.replay_id,
            replay_of=ReplayOf(
                run_id=started.run_id,
                step_id=self.order.step_id,
                replay_id=started.replay_id,
                diagnosis_id=started.diagnosis_id if self.advice else "",
                matched=self.order.budget.matched if self.model else None,
            ),
            order=self.order,
            status=self.status,
            status_reason="; ".join(filter(None, (self.reason, self.left_behind))),
            model=self.model.name if self.model else None,
            replayed=tuple(self.replayed),
            agent_steps=self.agent_steps,
            outcome=outcome,
            tests_before=self.tests_before,
            usage=self.usage,
            facts=self.facts,
            started_at=started.started_at,
            ended_at=datetime.now(UTC),
        )
