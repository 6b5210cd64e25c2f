"""What the session prints. Colours only where a terminal is; what a run or a model says never steers it."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from codetracer_core.cli.terminal import harmless, hung, one_line, window
from codetracer_core.models import Stage, Step, Verdict
from codetracer_core.tree import TraceTree, TreeRow, render_text
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from rich.console import Console

PAGE = 40
"""Lines of a text that are shown at once, at most."""
BEGINNING = 14
"""Lines of an action, and of an observation, that are shown with a step, at most."""
LONGEST_LINE = 1_000
"""Characters of a line; what is longer goes on in lines of its own, so that no step floods the screen."""
_TREE = 100
"""Columns of a line of the tree, at most."""
MARKS: Mapping[Verdict, str] = {"incorrect": "I", "unuseful": "U", "correct": "C", "uncertain": "?"}
LEGEND = "I incorrect  U unuseful  C correct  ? uncertain  * onset  > here"
_STYLES: Mapping[str, str] = {"incorrect": "bold red", "unuseful": "yellow", "correct": "green", "uncertain": "magenta"}
_TROUBLE = re.compile(r"\b(?:\w*Error\b|\w*Exception\b|FAILED|FAIL:|fatal:|Traceback)|: (?:not found|No such file)")


def console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(out: "Console", text: str, style: str = "", *, as_it_is: bool = False) -> None:
    """A text of ours or of anybody. In a terminal it is wrapped between words, and what is carried over is indented;
    ``as_it_is``: the terminal breaks it, and copying it gives it back."""
    from rich.text import Text

    text = harmless(text)
    if not as_it_is and (shown := window()) is not None:
        lines = text.split("\n")
        deeper = [" " * (len(line) - len(line.lstrip()) + 2) for line in lines]
        text = "\n".join(
            part for line, indent in zip(lines, deeper, strict=True) for part in hung(line, shown.columns, indent)
        )
    out.print(Text(text, style=style))


def page_of() -> int:
    """Lines of a text that are shown at once: those of the window, at most ``PAGE``."""
    shown = window()
    return PAGE if shown is None else min(PAGE, max(8, shown.lines - 4))


def beginning_of() -> int:
    """Lines of an action, and of an observation, that are shown with a step: a step fits into the window."""
    shown = window()
    return BEGINNING if shown is None else min(BEGINNING, max(4, (shown.lines - 10) // 2))


def lines_of(text: str) -> list[str]:
    """All of a text, in lines of at most ``LONGEST_LINE`` characters."""
    starts = ((line, at) for line in text.splitlines() for at in range(0, max(len(line), 1), LONGEST_LINE))
    return [line[at : at + LONGEST_LINE] for line, at in starts]


def say_lines(out: "Console", lines: Iterable[str]) -> None:
    """Lines of a run: what is added, taken away or goes wrong has a colour."""
    for line in lines:
        say(out, line, _style_of(line), as_it_is=True)


def _style_of(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "bold"
    if line.startswith("+"):
        return "green"
    if line.startswith("-"):
        return "red"
    return "red" if _TROUBLE.search(line[:400]) else ""


def heading(step: Step, row: TreeRow, count: int, *, stage: Stage | None, verdict: str, marks: Sequence[str]) -> str:
    facts = [f"step {step.step_id} of {count}", f"{row.kind}: {row.reason}"]
    facts += [f"tool {step.tool.name}"] if step.tool and step.tool.name else []
    facts += [] if step.executed else ["not executed"]
    facts += [f"exit code {step.exit_code}"] if step.exit_code is not None else []
    facts += [f"sub-agent {step.branch}"] if step.branch else []
    facts += [f"stage {stage.stage_id}{f', {stage.name}' if stage.name else ''}"] if stage else []
    facts += [f"you: {verdict}"] if verdict else []
    return one_line(" · ".join((*facts, *marks)), 500)


def say_step(out: "Console", step: Step, heading: str) -> list[str]:
    """A step with the beginning of each of its texts; returns the lines of its observation that were left out."""
    limit = beginning_of()
    say(out, heading, "bold")
    if step.thought and step.thought.strip():
        _beginning(out, step.thought, "thought", limit // 2, "italic dim")
    _beginning(out, step.action, "action", limit, "cyan")
    if step.observation is None:
        say(out, "  (no observation in the run's files)", "dim")
        return []
    lines = lines_of(step.observation) or ["(empty)"]
    say_lines(out, lines[:limit])
    left = lines[limit:]
    if left:
        say(out, f"  … {number_of(len(left), 'more line')}: 'more' goes on, 'observation' shows all", "dim")
    return left


def _beginning(out: "Console", text: str, name: str, limit: int, style: str) -> None:
    lines = lines_of(text.strip("\n"))
    for number, line in enumerate(lines[:limit]):
        say(out, f"{'$ ' if name == 'action' and not number else '  '}{line}", style, as_it_is=True)
    if len(lines) > limit:
        say(out, f"  … {number_of(len(lines) - limit, 'more line')}: '{name}' shows all", "dim")


def say_folded_tree(
    out: "Console",
    tree: TraceTree,
    stages: Sequence[Stage],
    at: int,
    verdicts: Mapping[int, Verdict],
    onset: int | None,
) -> None:
    """A line per stage; the stage of the step ``at`` is unfolded."""
    for stage in stages:
        steps = range(stage.start_step_id, stage.end_step_id + 1)
        rows = [tree.rows[number - 1] for number in steps]
        changes = sum(row.kind == "change" for row in rows)
        told = [f"stage {stage.stage_id}", f"steps {stage.start_step_id}–{stage.end_step_id}"]
        told += [stage.name] if stage.name else []
        told += [number_of(changes, "change")] if changes else []
        labelled = [f"{sum(verdicts.get(number) == name for number in steps)} {name}" for name in MARKS]
        told += [words for words in labelled if not words.startswith("0 ")]
        told += ["onset here"] if onset in steps else []
        here = at in steps
        say(out, f"{'▾' if here else '▸'} {' · '.join(told)}", "bold" if here else "")
        if here:
            say_tree(out, tree, stage.start_step_id, stage.end_step_id, at, verdicts, onset)


def say_tree(
    out: "Console",
    tree: TraceTree,
    first: int,
    last: int,
    at: int,
    verdicts: Mapping[int, Verdict],
    onset: int | None,
) -> None:
    """The steps from ``first`` to ``last``, both inclusive, with one's own labels at the edge."""
    shown = window()
    width = _TREE if shown is None else max(_TREE // 2, min(_TREE, shown.columns - 6))  # 6: the edge
    for number, line in enumerate(render_text(tree, first=first, last=last, width=width).split("\n"), start=first):
        verdict = verdicts.get(number)
        mark = f"{'>' if number == at else ' '}{MARKS[verdict] if verdict else ' '}{'*' if number == onset else ' '}"
        style = "reverse" if number == at else _STYLES[verdict] if verdict else ""
        say(out, f"  {mark} {line}", style)
