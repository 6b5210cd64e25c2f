"""Running the steps before a checkpoint again: strictly in order, one at a time, each result told as it comes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from codetracer_core.errors import Cancelled
from codetracer_core.replay.comparison import compare, within
from codetracer_core.replay.edits import History, compare_edit, do_edits
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import Checkpoint, FileEdit, Limits, Met, PlannedStep, Ran, ReplayedStep


@dataclass(frozen=True, slots=True)
class Stepped:
    """The steps that were run again (all of the checkpoint, if nothing stopped it)."""

    steps: tuple[ReplayedStep, ...]
    diverged: str = ""
    """Why the replay was stopped as diverged, in words; empty: it was not."""
    out_of_time: str = ""
    """Likewise of the limit for all commands together."""


def replay_steps(
    checkpoint: Checkpoint,
    environment: Environment,
    *,
    divergence: float,
    limits: Limits,
    on_step: Callable[[ReplayedStep], None] = lambda step: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Stepped:
    """Run the steps before a checkpoint again, in order, and compare each with its record.

    Paths in the original's folder are turned into paths in the environment's, where the two differ. Steps that are not
    replayable are left out and told as such: whether to start at all with such steps is the caller's decision.
    ``divergence`` is a share from 0 to 1: see ``ReplayOrder.divergence``. Raises Cancelled, and EnvironmentBroken if
    the environment is gone; what was run until then has been told to ``on_step``."""
    steps: list[ReplayedStep] = []
    history: History = {}
    until = time.monotonic() + limits.total_seconds
    for planned in checkpoint.steps:
        if cancelled():
            raise Cancelled("the replay was stopped")
        left = until - time.monotonic()
        if left <= 0 and planned.deed in ("command", "edit"):
            words = f"the {limits.total_seconds:,.0f} s for all commands were over before step {planned.step_id}"
            return Stepped(tuple(steps), out_of_time=words)
        here = _moved(planned, checkpoint.folder, environment.folder)
        step = _again(planned, here, checkpoint, environment, history, min(limits.command_seconds, left), cancelled)
        steps.append(step)
        on_step(step)
        if words := divergence_of(steps, divergence):
            return Stepped(tuple(steps), diverged=words)
    return Stepped(tuple(steps))


def _again(
    planned: PlannedStep,
    here: PlannedStep,
    checkpoint: Checkpoint,
    environment: Environment,
    history: History,
    timeout: float,
    cancelled: Callable[[], bool],
) -> ReplayedStep:
    """One step; ``here`` is as ``planned``, with the paths of the environment."""
    ran: Ran | None = None
    met: Met = "not_compared"
    similarity: float | None = None
    words = ""
    if here.deed == "command":
        ran = environment.run(here.command, timeout=timeout, cancelled=cancelled)
        met, similarity, words = compare(planned, ran, folders=(checkpoint.folder, environment.folder))
    elif here.deed == "edit":
        ran = do_edits(here.edits, environment, history)
        met, similarity, words = compare_edit(here, ran, environment)
    return ReplayedStep(
        step_id=planned.step_id,
        deed=planned.deed,
        command=here.command,
        met=met,
        similarity=similarity,
        why="; ".join(part for part in (words, planned.why, _moved_words(planned, here, environment)) if part),
        ran=ran,
        at=datetime.now(UTC),
    )


# ---------------------------------------------------------------- paths


def _moved(planned: PlannedStep, original: str, folder: str) -> PlannedStep:
    """The step with paths in the environment's folder instead of the original's."""
    if not original or original == folder or planned.deed not in ("command", "edit"):
        return planned
    place = within(original)

    def there(text: str) -> str:
        return place.sub(lambda _: folder, text)

    def edit_there(edit: FileEdit) -> FileEdit:
        return edit.model_copy(update={"path": there(edit.path), "text": there(edit.text), "old": there(edit.old)})

    return planned.model_copy(
        update={
            "command": there(planned.command) if planned.deed == "command" else planned.command,
            "edits": tuple(edit_there(edit) for edit in planned.edits),
        }
    )


def _moved_words(planned: PlannedStep, here: PlannedStep, environment: Environment) -> str:
    moved = (planned.command, planned.edits) != (here.command, here.edits)
    return f"paths are those of {environment.folder}" if moved else ""


# ---------------------------------------------------------------- divergence

_AT_LEAST = 2
"""Steps that have to differ or fail before a replay counts as diverged."""


def divergence_of(steps: list[ReplayedStep], most: float) -> str:
    """Why these steps are no longer the original's, in words; empty: they are near enough."""
    compared = [step for step in steps if step.met != "not_compared"]
    off = [step for step in compared if step.met in ("differs", "failed")]
    if len(off) < _AT_LEAST or len(off) <= most * len(compared):
        return ""
    named = ", ".join(str(step.step_id) for step in off[:8]) + (" …" if len(off) > 8 else "")
    return (
        f"{len(off)} of {len(compared)} steps that could be compared differ or failed (steps {named}), "
        f"more than {most:.0%}"
    )
