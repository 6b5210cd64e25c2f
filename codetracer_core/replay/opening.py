"""What a model is told before it goes on: rules, task, where it is, the steps so far as they went this time, advice."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template

from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN, heading, page, shares
from codetracer_core.diagnosis.visible import CLOSE, FIELDS, OPEN, as_read, field_as_read, inline, quoted
from codetracer_core.llm import Message
from codetracer_core.models import Step, Trajectory
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import Budget, Checkpoint, Limits
from codetracer_core.replay.recording import RecordedStep, cut
from codetracer_core.tree import TreeRow, build_tree, render_text

_FOLDER = Path(__file__).with_name("prompts")
_NAMES = ("rules", "opening", "advice", "talked")
_MOST_TOKENS = 24_000
"""Of the opening, at most; never more than a third of the window."""
_SHELLS = {
    "fresh": "Each command runs in a fresh shell in the working folder: folders and variables do not carry over.",
    "session": "Commands share one shell session: the folder and the variables of one are there for the next.",
}
_LEGEND = "S3: the state that a step belongs to, a change opens the next one; ✗ not run again"


def prompt(name: str, **values: object) -> str:
    """The prompt with its ``$names`` filled in, once: what is filled in is never looked at."""
    return Template(_text(name)).substitute({key: str(value) for key, value in values.items()})


def prompts_version() -> str:
    """Of all prompts of a replay together: the first 12 hex digits of a sha256."""
    return hashlib.sha256("\0".join(map(_text, _NAMES)).encode()).hexdigest()[:12]


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def opening(
    task_text: str,
    checkpoint: Checkpoint,
    original: Trajectory,
    done: Sequence[RecordedStep],
    environment: Environment,
    *,
    budget: Budget,
    limits: Limits,
    advice: str,
    window: int,
) -> list[Message]:
    """The first two messages: rules, and everything that is known at the checkpoint.

    ``done`` are the earlier steps as they went this time; of steps that only looked, and were not run again, what came
    back in the original is shown and named as such. Nothing of the original from the checkpoint on is in it, nor its
    outcome; that it went wrong only by way of ``advice``.
    """
    room = min(_MOST_TOKENS, window // 3) * CHARACTERS_PER_TOKEN
    task = as_read(task_text).text
    moved = checkpoint.folder and checkpoint.folder.rstrip("/") != environment.folder.rstrip("/")
    rules = prompt(
        "rules",
        shell=_SHELLS[checkpoint.shell],
        command_seconds=f"{limits.command_seconds:g}",
        max_steps=budget.max_steps,
        open=OPEN,
        close=CLOSE,
    )
    told = prompt(
        "opening",
        task=page("task", task, 0, room // 3),
        folder=inline(environment.folder, 300),
        moved=f" The earlier steps call it {inline(checkpoint.folder, 300)}." if moved else "",
        facts="\n".join(f"- {inline(fact, 300)}" for fact in environment.facts),
        legend=_LEGEND,
        tree=_tree(original, done, room // 8),
        steps=_steps(original, done, room // 3),
        advice=f"{prompt('advice', step_id=checkpoint.step_id, advice=cut(advice, room // 3))}\n" if advice else "",
        step_id=checkpoint.step_id,
    )
    return [Message(role="system", text=rules), Message(role="user", text=told)]


def _tree(original: Trajectory, done: Sequence[RecordedStep], characters: int) -> str:
    if not done:
        return "(none yet)"
    executed = [as_step(one) for one in done]
    tree = build_tree(original.model_copy(update={"steps": tuple(executed), "branches": ()}))
    lines = render_text(tree, width=100).split("\n")
    most = max(4, characters // 101)
    if len(lines) > most:
        left_out = len(lines) - most
        lines = [*lines[: most // 2], f"({left_out} steps left out here)", *lines[len(lines) - (most - most // 2) :]]
    return quoted(as_read("\n".join(lines)).text)


def _steps(original: Trajectory, done: Sequence[RecordedStep], characters: int) -> str:
    """Each step with its texts, which share the room: short ones whole, the others with beginning and end."""
    if not done:
        return "(none yet)"
    steps = [as_step(one) for one in done]
    rows = build_tree(original.model_copy(update={"steps": tuple(steps), "branches": ()})).rows
    recorded = [original.steps[one.step_id - 1].observation if not one.executed else None for one in done]
    shown = [
        step.model_copy(update={"observation": old}) if old is not None else step
        for step, old in zip(steps, recorded, strict=True)
    ]
    views = {(step.step_id, name): field_as_read(step, name) for step in shown for name in FIELDS}
    lengths = {key: len(view.text) for key, view in views.items() if view is not None and view.text.strip()}
    limits = dict(zip(lengths, shares(list(lengths.values()), characters), strict=True))
    parts: list[str] = []
    for step, row, one, old in zip(shown, rows, done, recorded, strict=True):
        parts.append(_heading(step, row, one))
        for name in FIELDS:
            view = views[step.step_id, name]
            if view is not None and (step.step_id, name) in limits:
                told = "observation in the original, not looked at again" if name == "observation" and old else name
                parts.append(f"{told}:\n{quoted(cut(view.text, limits[step.step_id, name]))}")
            elif name == "observation" and view is not None:
                parts.append("observation: empty")
    return "\n".join(parts)


def _heading(step: Step, row: TreeRow, one: RecordedStep) -> str:
    words = {"differs": "its output differs from the original's", "failed": "it failed, unlike in the original"}
    told = words.get(one.met or "", "")
    if one.deed == "not_replayable":
        told = f"could not be run again: {inline(one.why, 200)}"
    return " · ".join(filter(None, (heading(step, row), told)))


def as_step(one: RecordedStep) -> Step:
    """A recorded step as a step of the new run."""
    return Step(
        step_id=one.step_id,
        action=one.action,
        tool=one.tool,
        observation=one.observation,
        thought=one.thought,
        parallel_group=one.parallel_group,
        is_message=one.is_message,
        executed=one.executed,
        exit_code=one.exit_code,
        timestamp=one.at,
    )
