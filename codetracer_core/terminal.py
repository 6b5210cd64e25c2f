"""What commands print. Text of a run never steers the terminal."""

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from codetracer_core.errors import in_words

if TYPE_CHECKING:
    from codetracer_core.diagnosis_models import CallUsage, Citation, Diagnosis, StepFinding
    from codetracer_core.importing import ImportItem, ImportReport, Progress
    from codetracer_core.models import Step
    from codetracer_core.workflow import LabelReport, RunView


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """``text`` without anything that steers a terminal."""
    from codetracer_core.parsers import strip_ansi

    return _CONTROLS.sub("", strip_ansi(text))


def one_line(text: str, limit: int) -> str:
    line = " ".join(harmless(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def print_line(text: str, *, err: bool = False) -> None:
    typer.echo(harmless(text), err=err)


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
    solved = {True: "solved", False: "failed", None: "unknown"}[run.outcome.solved]
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
        "outcome": f"{solved}: {run.outcome.reason}{where}",
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


WIDTH = 110
"""Of a report in words, in characters."""
CONCLUSIONS = {"error_found": "error found", "no_error_found": "no error found", "undecided": "undecided"}


def print_diagnosis(diagnosis: "Diagnosis", run: str) -> None:
    """A diagnosis as a report. What the model wrote stands on indented lines, so that it passes for nothing else."""
    settings = diagnosis.settings
    how = f"{settings.strategy}, {_counted(settings.samples, 'sample')}"
    _headed("Diagnosis of", run)
    _headed("by", diagnosis.model if not diagnosis.prompt_versions else f"{diagnosis.model} ({how})")
    _headed("status", ": ".join(filter(None, (diagnosis.status, diagnosis.status_reason))))
    _headed("conclusion", CONCLUSIONS[diagnosis.conclusion])
    _section("Summary", [(1, diagnosis.summary)])
    _section("The case for a clean run", [(1, diagnosis.case_for_clean_run)])
    _section("Failure onset", _onset(diagnosis))
    _section("Error chain", _chain(diagnosis))
    _section("Decision points", _decisions(diagnosis))
    _section("Corrective strategy", [(1, diagnosis.correct_strategy)])
    _section("Labels", _by_stage(diagnosis))
    unsupported = [finding for finding in diagnosis.findings if not finding.is_supported]
    _section(
        "Unsupported, not counted as labels: the run does not hold these quotes",
        [line for finding in unsupported for line in _finding(finding, 1)],
    )
    typer.echo("")
    steps = max((stage.end_step_id for stage in diagnosis.stages), default=None)
    read = _counted(len(diagnosis.read_steps), "step") + (f" of {steps}" if steps else "")
    check = diagnosis.evidence
    told = [_counted(check.quotes, "quote")]
    told += [f"{check.unsupported} not found"] if check.unsupported else []
    told += [f"{_counted(check.unread, 'label')} refused on steps never read"] if check.unread else []
    told += [f"{_counted(check.unknown_steps, 'statement')} on steps that are not there"] if check.unknown_steps else []
    told += [f"{_counted(check.asked_again, 'answer')} sent back"] if check.asked_again else []
    _headed("read", read)
    _headed("evidence", ", ".join(told))
    _headed("used", f"{usage_in_words(diagnosis.total_usage)}, {diagnosis.duration_seconds:.1f} s")


_Lines = Iterable[tuple[int, str]]
"""How deep a paragraph is indented, and its text."""


def _onset(diagnosis: "Diagnosis") -> _Lines:
    for rank, candidate in enumerate(diagnosis.onset, start=1):
        words = f": {candidate.reasoning}" if candidate.reasoning else ""
        yield 1, f"{rank}. step {candidate.step_id}{_support(candidate.support)}{words}"
        yield from _cited(candidate.citations, 2)


def _chain(diagnosis: "Diagnosis") -> _Lines:
    for link in diagnosis.error_chain:
        after = f" (from {', '.join(f'step {step_id}' for step_id in link.follows_from)})" if link.follows_from else ""
        yield 1, f"step {link.step_id}{after}: {link.what}"
        yield from _cited(link.citations, 2)


def _decisions(diagnosis: "Diagnosis") -> _Lines:
    for point in diagnosis.decision_points:
        yield 1, f"step {point.step_id} did: {point.decision}"
        yield 2, f"should have: {point.should_have}"
        yield from _cited(point.citations, 2)


def _by_stage(diagnosis: "Diagnosis") -> _Lines:
    left = list(diagnosis.accepted)
    for stage in diagnosis.stages:
        inside = [finding for finding in left if stage.start_step_id <= finding.step_id <= stage.end_step_id]
        left = [finding for finding in left if finding not in inside]
        if inside:
            name = f", {stage.name}" if stage.name else ""
            yield 1, f"stage {stage.stage_id} (steps {stage.start_step_id} to {stage.end_step_id}{name})"
        for finding in inside:
            yield from _finding(finding, 2)
    for finding in left:
        yield from _finding(finding, 1)


def _finding(finding: "StepFinding", depth: int) -> _Lines:
    sure = f"{finding.confidence} confidence" if finding.confidence else ""
    facts = ", ".join(filter(None, (finding.deviation_type, finding.impact_severity, sure)))
    head = f"step {finding.step_id} {finding.verdict}{f' ({facts})' if facts else ''}{_support(finding.support)}"
    yield depth, f"{head}: {finding.reasoning}"
    if finding.correct_alternative:
        yield depth + 1, f"instead: {finding.correct_alternative}"
    yield from _cited(finding.citations, depth + 1)


def _cited(citations: "Iterable[Citation]", depth: int) -> _Lines:
    for citation in citations:
        words = f": “{one_line(citation.text, 300)}”" if citation.text else ""
        yield depth, f"step {citation.step_id}{words}{'' if citation.quote or not words else ' [unsupported]'}"


def _support(share: float) -> str:
    return "" if share == 1 else f" [{share:.0%} support]"


def _headed(head: str, text: str) -> None:
    typer.echo(f"{head:12} {one_line(text, 500)}")


def _section(title: str, lines: _Lines) -> None:
    shown = [(depth, " ".join(harmless(text).split())) for depth, text in lines if text.strip()]
    if not shown:
        return
    typer.echo(f"\n{title}")
    for depth, text in shown:
        first, rest = "  " * depth, "  " * (depth + 1)
        wrapped = textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        typer.echo("\n".join(wrapped))


def usage_in_words(usage: "CallUsage") -> str:
    about = "about " if usage.estimated else ""
    tokens = f"{about}{usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens"
    cost = "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    return f"{_counted(usage.calls, 'call')}, {tokens}, {cost}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


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
