"""Choosing one of the imported runs by parts of its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codetracer_core.cli.interactive import rendering
from codetracer_core.cli.interactive.lines import Lines
from codetracer_core.cli.terminal import one_line
from codetracer_core.errors import NotFound
from codetracer_core.store import RunSummary, Store
from codetracer_core.words import number_of, outcome_alone

if TYPE_CHECKING:
    from rich.console import Console

MOST_LISTED = 30
"""Runs of a list to choose from."""
CHOOSE = "\0"
"""No name of a run: the next one is to be chosen."""


def runs_to_choose(place: Path, who: str) -> dict[str, str]:
    """What this person can open, with what is known of it. Replays of runs that they label blind are not told of."""
    with Store.open_for_reading(place) as reader:
        return {run.run_id: _about(run) for run in reader.runs(blind=reader.blind_runs(who))}


def chosen(out: "Console", lines: Lines, place: Path, who: str) -> str | None:
    """A run of the workspace, by parts of its name; None: nobody chose one."""
    about = runs_to_choose(place, who)
    if not about:
        raise NotFound(
            "no run is imported yet", path=place, remedy="Import some ('codetracer import'), or name a path."
        )
    _list(out, list(about), about)
    while (typed := lines.choose("run> ", list(about), about)) is not None:
        fitting = [typed] if typed in about else matching(typed, about)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            _list(out, fitting, about)
        else:
            rendering.say(out, f"no run is called like {one_line(typed, 80)!r}", "red")
    return None


def matching(typed: str, about: Mapping[str, str]) -> list[str]:
    """Runs whose name or facts hold all the words; else those with their letters in this order."""
    words = typed.lower().split()
    texts = {name: f"{name} {facts}".lower() for name, facts in about.items()}
    whole = [name for name, text in texts.items() if all(word in text for word in words)]
    return whole or [name for name in texts if _in_order("".join(words), name.lower())]


def _in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)


def _about(run: RunSummary) -> str:
    facts = (run.agent, run.model, run.task, outcome_alone(run.outcome), number_of(run.step_count, "step"))
    return " · ".join(str(fact) for fact in facts if fact)


def _list(out: "Console", names: Sequence[str], about: Mapping[str, str]) -> None:
    for name in names[:MOST_LISTED]:
        rendering.say(out, f"{name}  {one_line(about[name], 120)}")
    if len(names) > MOST_LISTED:
        rendering.say(out, f"… and {len(names) - MOST_LISTED} more: type a part of a name", "dim")
