"""A run as the rules see it, and what they say of it: hits, with the places in the run that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from codetracer_core.actions import Decision
from codetracer_core.diagnosis.failures import Failure, Line, TestRun, failure_of, tests_of
from codetracer_core.models import QuotedField, Step, Trajectory


@dataclass(frozen=True, slots=True)
class Place:
    """Text of a step that shows something: the field and the characters, as in ``EvidenceQuote``."""

    step_id: int
    field: QuotedField
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule applies. ``reasoning`` is a sentence in words of our own; what the run says is in ``places``."""

    step_id: int
    reasoning: str
    places: tuple[Place, ...]
    follows: tuple[int, ...] = ()
    """Earlier steps that this one repeats or leaves unrepaired."""


class Act(NamedTuple):
    """What makes two actions the same: who acts, with which tool, and the text of the action."""

    branch: str | None
    tool: str
    text: str


@dataclass(frozen=True)
class Facts:
    """A run as the rules see it, one entry per step in each tuple."""

    trajectory: Trajectory
    decisions: Sequence[Decision]

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.trajectory.steps

    @cached_property
    def tests(self) -> tuple[TestRun | None, ...]:
        return tuple(tests_of(*pair) for pair in zip(self.steps, self.decisions, strict=True))

    @cached_property
    def failures(self) -> tuple[Failure | None, ...]:
        """Tests that fail are none: the step did what it was to do."""
        each = zip(self.steps, self.decisions, self.tests, strict=True)
        return tuple(None if tests else failure_of(step, decision) for step, decision, tests in each)

    @cached_property
    def tried(self) -> tuple[int, ...]:
        """How many steps up to and with this one were to change something, or may have."""
        return tuple(accumulate(int(decision.kind == "change") for decision in self.decisions))

    @cached_property
    def changed(self) -> tuple[int, ...]:
        """The same without those that were refused or whose command is not there: they changed nothing."""
        done = (
            decision.kind == "change" and not (failure and failure.kind in ("refused", "not found"))
            for decision, failure in zip(self.decisions, self.failures, strict=True)
        )
        return tuple(accumulate(map(int, done)))

    @cached_property
    def acts(self) -> tuple[Act, ...]:
        return tuple(Act(step.branch, step.tool.name if step.tool else "", step.action.strip()) for step in self.steps)

    @cached_property
    def end(self) -> int | None:
        """Index of the step that hands the work in, or of a message that closes the run; None: the run was cut off."""
        for at in range(len(self.steps) - 1, -1, -1):
            if self.decisions[at].purpose == "submit":
                return at
        last = len(self.steps) - 1
        return last if last >= 0 and self.steps[last].is_message and self.steps[last].branch is None else None

    def action(self, at: int) -> Place:
        """The first line of an action, to be quoted."""
        text = self.steps[at].action
        start = len(text) - len(text.lstrip())
        end = text.find("\n", start)
        return Place(at + 1, "action", start, len(text) if end < 0 else end)

    def line(self, at: int, line: Line) -> tuple[Place, ...]:
        return (Place(at + 1, "observation", line.start, line.end),) if line.end else ()

    def failure_line(self, at: int) -> tuple[Place, ...]:
        failure = self.failures[at]
        return self.line(at, failure.line) if failure else ()

    def is_work(self, at: int) -> bool:
        """Whether the step does something: no message, notes, waiting, or moving about in the shell."""
        return self.steps[at].executed and self.decisions[at].purpose not in _NO_WORK


_NO_WORK = frozenset({"message", "plan", "wait", "shell", "submit"})
