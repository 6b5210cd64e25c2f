"""One order for many runs: for each of them its task, its step and its budget are filled in."""

import re
from collections.abc import Iterable

from codetracer_core.errors import CodeTracerError
from codetracer_core.models import RunRecord
from codetracer_core.replay.models import Place, ReplayOrder
from codetracer_core.replaying.choosing import Choice, matched_budget

TASK = "{task}"
"""Stands for the task of the run in texts of an order."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def order_of_run(
    pattern: ReplayOrder,
    record: RunRecord,
    choice: Choice,
    *,
    max_steps: int | None = None,
    cost_limit_usd: float | None = None,
    token_limit: int | None = None,
) -> ReplayOrder:
    """The order for one run: as ``pattern``, with the run's task for ``{task}`` in its place and test command, from the
    step that was chosen, with the budget that the original still had there (or what is given, see ``Matched.budget``).

    Raises CodeTracerError if the task can stand in no path."""
    budget = matched_budget(record.trajectory, choice.step_id).budget(
        max_steps=max_steps, cost_limit_usd=cost_limit_usd, token_limit=token_limit
    )
    return pattern.model_copy(
        update={
            "place": place_of_run(pattern.place, record),
            "step_id": choice.step_id,
            "budget": budget,
            "test_command": for_task(pattern.test_command, record),
        }
    )


def place_of_run(place: Place, record: RunRecord) -> Place:
    """The place with the run's task in its texts for ``{task}``. Raises CodeTracerError as ``for_task`` does."""
    filled: dict[str, object] = {}
    for name, value in place:
        if name == "options":
            filled[name] = {key: for_task(text, record) for key, text in value.items()}
        elif isinstance(value, str):
            filled[name] = for_task(value, record)
    return place.model_copy(update=filled)


def options_of(words: Iterable[str]) -> dict[str, str]:
    """Options of a plugin's environment, each written NAME=VALUE. Raises CodeTracerError for one that is not."""
    told: dict[str, str] = {}
    for option in words:
        name, equals, value = option.partition("=")
        if not name.strip() or not equals:
            raise CodeTracerError(f"{option!r} is no option", remedy="Write NAME=VALUE.")
        told[name.strip()] = value
    return told


def for_task(text: str, record: RunRecord) -> str:
    """The text with the run's task in the place of ``{task}``: only a plain name, for it becomes part of a path.

    Raises CodeTracerError for a task that is none."""
    if TASK not in text:
        return text
    task = record.trajectory.task or ""
    if not _PLAIN_NAME.fullmatch(task):
        raise CodeTracerError(f"the task of {record.run_id!r} is no plain name: it cannot stand for {TASK}")
    return text.replace(TASK, task)
