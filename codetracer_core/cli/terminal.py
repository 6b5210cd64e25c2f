"""What commands print. Text of a run never steers the terminal."""

import json
import os
import re
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from codetracer_core.errors import in_words
from codetracer_core.words import OUTCOME_WORDS

if TYPE_CHECKING:
    from codetracer_core.importing import ImportItem, ImportReport, Progress
    from codetracer_core.intervals import Estimate
    from codetracer_core.label_importing import LabelReport
    from codetracer_core.models import Step
    from codetracer_core.workflow import RunView


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """``text`` without anything that steers a terminal."""
    from codetracer_core.parsers import strip_ansi

    return _CONTROLS.sub("", strip_ansi(text))


def one_line(text: str, limit: int) -> str:
    line = " ".join(harmless(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


WIDTH, NARROWEST = 110, 60
"""Columns of a report in words: in files and pipes, and at the least in a terminal."""


def window() -> os.terminal_size | None:
    """Columns and rows of the terminal that is written to; None where it goes to a file or a pipe."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else None


def text_width() -> int:
    """Columns for words of ours. Files and pipes read the same everywhere."""
    shown = window()
    return WIDTH if shown is None else min(WIDTH, max(NARROWEST, shown.columns))


def hung(text: str, width: int, indent: str) -> list[str]:
    """A line of words as lines of at most ``width`` characters (but for longer words), all but the first indented."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False, replace_whitespace=False
    ) or [""]


def print_line(text: str, *, err: bool = False) -> None:
    typer.echo(harmless(text), err=err)


def headed(head: str, text: str) -> None:
    """A fact of a report in words, the name of the fact before it: one line, in a terminal wrapped behind the name."""
    line = f"{head:12} {one_line(text, 500)}"
    print_line(line if window() is None else "\n".join(hung(line, text_width(), " " * 13)))


def print_undefined(estimates: "Iterable[Estimate]") -> None:
    """Below a table: why numbers in it are undefined, each reason once."""
    for why in dict.fromkeys(one.why for one in estimates if one.value is None):
        print_line(f"undefined: {why}")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))


def print_table(rows: Sequence[Mapping[str, Any]], *, none: str = "no runs yet") -> None:
    """``none`` is said if there are no rows."""
    if not rows:
        typer.echo(none)
        return
    cells = [list(rows[0]), *([one_line("" if v is None else str(v), 80) for v in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_report(report: "ImportReport") -> None:
    """What there is to say of single runs, then the counts. What is the same for many is said once."""
    from codetracer_core.importing.report import passed_over_words

    for status in ("failed", "misaligned", "skipped", "imported"):
        stories: dict[tuple[str, str], list[ImportItem]] = {}
        for item in report.items:
            if item.status == status and item.reason:
                named = item.path if status in ("failed", "misaligned") else ""  # each of these wants a person
                stories.setdefault((named, item.reason), []).append(item)
        for items in list(stories.values())[:SHOWN]:
            more = f" and {len(items) - 1} more" if len(items) > 1 else ""
            print_line(f"{status}: {items[0].path}{more}: {in_words(items[0].reason, items[0].remedy)}")
        if len(stories) > SHOWN:
            print_line(f"… and {len(stories) - SHOWN} more {status} (--json lists all)")
    if report.passed_over:
        print_line(f"{passed_over_words(report.passed_over)} (codetracer extractors new FOLDER describes a format)")
    print_line(", ".join(f"{count} {status}" for status, count in report.counts.items()))


SHOWN = 20
"""How much of a long list is told."""


def print_label_report(report: "LabelReport", *, dry_run: bool) -> None:
    """What is refused and why, what else there is to know, on a dry run the first labels, and the counts."""
    for refused in report.refused[:SHOWN]:
        print_line(f"refused: {refused}")
    if len(report.refused) > SHOWN:
        print_line(f"… and {len(report.refused) - SHOWN} more refused (--json lists all)")
    for note in report.notes:
        print_line(f"note: {note}")
    if dry_run and report.labels:
        print_table(report.rows(SHOWN))
    if dry_run and len(report.labels) > SHOWN:
        print_line(f"… and {len(report.labels) - SHOWN} more")
    print_line(", ".join(f"{count} {word}" for word, count in report.counts.items()) + f" ({report.kind})")
    if dry_run:
        print_line("a dry run: nothing was stored")
    if report.waits:
        print_line(f"they wait in the inbox, because {report.waits}")


def print_overview(view: "RunView") -> None:
    run = view.trajectory
    where = f" ({run.outcome.source.path}, line {run.outcome.source.line_start})" if run.outcome.source else ""
    counted = f"{run.step_count}"
    if view.declared_step_count not in (None, run.step_count):
        counted += f" (misaligned: the manifest says {view.declared_step_count})"
    facts: dict[str, Any] = {
        "run": view.run_id,
        "path": view.path,
        "format": f"{run.format} ({run.view})",
        "agent": " ".join(part for part in (run.agent, run.agent_version) if part),
        "model": run.model,
        "task": run.task,
        "outcome": f"{OUTCOME_WORDS[run.outcome.solved]}: {run.outcome.reason}{where}",
        "ended": run.exit_status,
        "cost": None if run.usage.cost_usd is None else f"{run.usage.cost_usd:.4f} USD",
        "steps": counted,
    }
    for name, value in facts.items():
        if value:
            typer.echo(f"{name:8} {one_line(str(value), 300)}")
    for note in run.notes:
        typer.echo(f"note     {one_line(note, 500)}")
    for row in view.tree.rows:
        print_line(f"{row.step_id:5} {row.kind:8} {row.label}")


def print_step(view: "RunView", step: "Step") -> None:
    row = view.tree.rows[step.step_id - 1]
    facts = [f"step {step.step_id}", f"{row.kind}: {row.reason}"]
    facts += [f"tool {step.tool.name}"] if step.tool else []
    facts += [] if step.executed else ["not executed"]
    facts += [f"parallel group {step.parallel_group}"] if step.parallel_group is not None else []
    facts += [f"sub-agent {step.branch}"] if step.branch else []
    facts += [f"exit code {step.exit_code}"] if step.exit_code is not None else []
    facts += [step.timestamp.isoformat()] if step.timestamp else []
    typer.echo(one_line(" · ".join(facts), 500))
    for name in ("thought", "action", "observation"):
        text = getattr(step, name)
        if text is None:
            typer.echo(f"--- no {name}")
        else:
            ref = getattr(step, f"{name}_ref")
            typer.echo(f"--- {name}{f' ({one_line(ref.path, 200)}, line {ref.line_start})' if ref else ''}")
            print_line(text)
    typer.echo("")


def value_words(found: "Estimate", *, signed: bool = False) -> str:
    """A number to three digits, or "undefined"."""
    return "undefined" if found.value is None else f"{found.value:+.3f}" if signed else f"{found.value:.3f}"


def interval_words(found: "Estimate", *, signed: bool = False) -> str:
    """ "[0.120, 0.480]", nothing where there is none; a "~" marks one of few clusters."""
    if found.low is None or found.high is None:
        return ""
    low, high = (f"{end:+.3f}" if signed else f"{end:.3f}" for end in (found.low, found.high))
    return f"[{low}, {high}]{'~' * found.is_rough}"


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Ctrl-C, or a plain kill, is taken down in the list that this gives, so that what runs can end in order; a second
    one ends it at once."""
    received: list[int] = []

    def take_down(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, take_down) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_if_stopped(received: Sequence[int]) -> None:
    """End a command over many runs that ``stoppable`` was told to stop: exit code 128 + the signal, as shells say."""
    if received:
        print_line("stopped; what is finished is kept, and the same command goes on from there", err=True)
        raise typer.Exit(128 + received[0])


@contextmanager
def progress() -> "Iterator[Progress | None]":
    """A bar on stderr, if a person is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Looking for runs", total=None)

        def show(done: int, total: int, path: str) -> None:
            bar.update(task, completed=done, total=total or None, description="Reading runs" if total else "Looking")

        yield show
