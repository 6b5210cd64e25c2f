"""What commands print of diagnoses: reports, plans, and what happens meanwhile. What a model wrote is hostile text."""

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from codetracer_core.cli.terminal import harmless, headed, one_line, print_line, text_width
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from codetracer_core.diagnosing import BatchReport, BatchRow
    from codetracer_core.diagnosis import Estimate, Progress
    from codetracer_core.diagnosis_models import CallUsage, Citation, Diagnosis, StepFinding

CONCLUSIONS = {"error_found": "error found", "no_error_found": "no error found", "undecided": "undecided"}


def print_diagnosis(diagnosis: "Diagnosis", run: str) -> None:
    """A diagnosis as a report. What the model wrote stands on indented lines, so that it passes for nothing else."""
    from codetracer_core.diagnosis_models import HEURISTIC

    settings = diagnosis.settings
    how = f"{settings.strategy}, {number_of(settings.samples, 'sample')}"
    headed("Diagnosis of", run)
    headed("by", HEURISTIC if diagnosis.model == HEURISTIC else f"{diagnosis.model} ({how})")
    headed("status", ": ".join(filter(None, (diagnosis.status, diagnosis.status_reason))))
    headed("conclusion", CONCLUSIONS[diagnosis.conclusion])
    _section("Summary", [(1, diagnosis.summary)])
    _section("The case for a clean run", [(1, diagnosis.case_for_clean_run)])
    _section("Failure onset", _onset(diagnosis))
    _section("Error chain", _chain(diagnosis))
    _section("Decision points", _decisions(diagnosis))
    _section("Corrective strategy", [(1, diagnosis.correct_strategy)])
    _section("Labels", _by_stage(diagnosis))
    doubted = [one for one in diagnosis.findings if one.is_supported and one not in diagnosis.accepted]
    _section(
        "Said by half of the samples or fewer, not counted as labels",
        [line for finding in doubted for line in _finding(finding, 1, diagnosis)],
    )
    unsupported = [finding for finding in diagnosis.findings if not finding.is_supported]
    _section(
        "Unsupported, not counted as labels: the run does not hold these quotes",
        [line for finding in unsupported for line in _finding(finding, 1, diagnosis)],
    )
    typer.echo("")
    steps = max((stage.end_step_id for stage in diagnosis.stages), default=None)
    read = number_of(len(diagnosis.read_steps), "step") + (f" of {steps}" if steps else "")
    check = diagnosis.evidence
    told = [number_of(check.quotes, "quote")]
    told += [f"{check.unsupported} not found"] if check.unsupported else []
    told += [f"{number_of(check.unread, 'label')} refused on steps never read"] if check.unread else []
    told += (
        [f"{number_of(check.unknown_steps, 'statement')} on steps that are not there"] if check.unknown_steps else []
    )
    told += [f"{number_of(check.asked_again, 'answer')} sent back"] if check.asked_again else []
    headed("read", read)
    headed("evidence", ", ".join(told))
    headed("used", f"{usage_in_words(diagnosis.total_usage)}, {diagnosis.duration_seconds:.1f} s")


_Lines = Iterable[tuple[int, str]]
"""How deep a paragraph is indented, and its text."""


def _onset(diagnosis: "Diagnosis") -> _Lines:
    for rank, candidate in enumerate(diagnosis.onset, start=1):
        words = f": {candidate.reasoning}" if candidate.reasoning else ""
        samples = diagnosis.samples_merged or 1
        share = f" [{candidate.support:.0%} support, {samples} samples]" if samples > 1 else ""
        yield 1, f"{rank}. step {candidate.step_id}{share}{words}"
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
    from codetracer_core.diagnosis_models import by_stage

    for stage, findings in by_stage(diagnosis.accepted, diagnosis.stages):
        if stage:
            name = f", {stage.name}" if stage.name else ""
            yield 1, f"stage {stage.stage_id} (steps {stage.start_step_id} to {stage.end_step_id}{name})"
        for finding in findings:
            yield from _finding(finding, 2 if stage else 1, diagnosis)


def _finding(finding: "StepFinding", depth: int, diagnosis: "Diagnosis") -> _Lines:
    sure = f"{finding.confidence} confidence" if finding.confidence else ""
    facts = ", ".join(filter(None, (finding.deviation_type, finding.impact_severity, sure)))
    samples = diagnosis.samples_merged or 1
    share = f" [{round(finding.support * samples)} of {samples} samples]" if samples > 1 else ""
    head = f"step {finding.step_id} {finding.verdict}{f' ({facts})' if facts else ''}{share}"
    yield depth, f"{head}: {finding.reasoning}"
    if finding.correct_alternative:
        yield depth + 1, f"instead: {finding.correct_alternative}"
    yield from _cited(finding.citations, depth + 1)


def _cited(citations: "Iterable[Citation]", depth: int) -> _Lines:
    for citation in citations:
        words = f": “{one_line(citation.text, 300)}”" if citation.text else ""
        yield depth, f"step {citation.step_id}{words}{'' if citation.quote or not words else ' [unsupported]'}"


def _section(title: str, lines: _Lines) -> None:
    shown = [(depth, " ".join(harmless(text).split())) for depth, text in lines if text.strip()]
    if not shown:
        return
    typer.echo(f"\n{title}")
    for depth, text in shown:
        first, rest = "  " * depth, "  " * (depth + (len(shown) > 1))
        width = text_width()
        wrapped = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        typer.echo("\n".join(wrapped))


def usage_in_words(usage: "CallUsage") -> str:
    if not usage.calls:
        return "no model was asked"
    about = "about " if usage.estimated else ""
    tokens = f"{about}{usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens"
    cost = "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    return f"{number_of(usage.calls, 'call')}, {tokens}, {cost}"


def print_plan(plan: Mapping[str, Any]) -> None:
    """What a diagnosis would do. ``plan`` as ``cli.diagnosis`` makes it."""
    headed("Dry run of", f"{plan['run_id']} ({number_of(plan['steps'], 'step')})")
    headed("by", plan["model"])
    if plan["estimate"] is None:
        headed("would use", "no model: offline rules cost nothing")
        return
    _model_and_limits(plan)
    headed("memory", number_of(plan["insights"], "insight"))
    first = plan["first_request"]
    if first:
        size = f"{first['characters']:,} characters, about {first['tokens']:,} tokens with {first['tools']} tools"
        headed("sends first", f"{number_of(first['messages'], 'message')}: {size}")
    _would_use(**plan["estimate"])
    versions = ", ".join(f"{name} {version}" for name, version in plan["prompt_versions"].items())
    _section("Prompts and their versions", [(1, versions)])


def _model_and_limits(plan: Mapping[str, Any]) -> None:
    price = plan["price"]
    told = f"{price['prompt']:g} and {price['completion']:g} USD per million tokens" if price else "price unknown"
    headed("window", f"{plan['context_tokens']:,} tokens; {told}")
    settings = plan["settings"]
    headed("how", f"{settings['strategy']}, {number_of(settings['samples'], 'sample')}")
    headed("limits", f"{settings['cost_limit_usd']:.2f} USD, {settings['max_turns']} calls per sample")


def _would_use(*, notes: Sequence[str], **estimate: Any) -> None:
    headed("would use", _estimated(**estimate))
    for note in notes:
        headed("note", note)


def print_batch_plan(plan: Mapping[str, Any]) -> None:
    """What a batch would use. ``plan`` as ``cli.batches`` makes it."""
    headed("Dry run of", number_of(plan["runs"], "run"))
    headed("by", plan["model"])
    if plan["estimate"] is None:
        headed("would use", "no model: offline rules cost nothing")
        return
    headed("done before", str(plan["done_before"]))
    _model_and_limits(plan)
    _would_use(**plan["estimate"])


def print_batch(report: "BatchReport", output: Path | None) -> None:
    """What became of the runs of a batch, in sum."""
    from codetracer_core.diagnosing import DONE

    done = [row for row in report.rows if row.conclusion is not None and row.status in DONE]
    accused = sum(row.conclusion == "error_found" for row in done)
    share = f"{accused} of {len(done)} ({accused / len(done):.0%})" if done else "none was diagnosed"
    told = ", ".join(f"{count} {word}" for word, count in report.counts.items())
    headed("runs", f"{len(report.rows)}: {told}" if report.rows else "0")
    headed("accused", share)
    headed("used", usage_in_words(report.usage))
    left = Counter(row.reason for row in report.rows if row.status in ("not started", "cancelled") and row.reason)
    for reason, count in left.items():
        headed("left", f"{number_of(count, 'run')}: {reason}")
    if report.learned.admitted:
        headed("learned", number_of(len(report.learned.admitted), "insight"))
    if output is not None:
        headed("written to", str(output))
    for note in report.notes:
        headed("note", note)


def estimate_in_words(estimate: "Estimate") -> str:
    """Before a diagnosis begins."""
    words = _estimated(estimate.calls, estimate.prompt_tokens, estimate.completion_tokens, estimate.cost_usd)
    return " ".join((f"will use {words}.", *estimate.notes))


def _estimated(
    calls: Sequence[int],
    prompt_tokens: Sequence[int],
    completion_tokens: Sequence[int],
    cost_usd: Sequence[float] | None,
) -> str:
    def between(ends: Sequence[float], form: str) -> str:
        return " to ".join(dict.fromkeys(format(end, form) for end in ends))

    tokens = f"{between(prompt_tokens, ',')} prompt and {between(completion_tokens, ',')} completion tokens"
    cost = "cost unknown" if cost_usd is None else f"{between(cost_usd, '.4f')} USD"
    return f"about {between(calls, ',')} calls, {tokens}, {cost}"


_TOLD = {
    "phase": "",
    "thought": "thinks: ",
    "warning": "warning: ",
    "repair": "sent back: ",
    "compacted": "shortened: ",
}
"""What of a diagnosis in progress stays on the screen, and how it begins."""


@contextmanager
def watching() -> "Iterator[Callable[[Progress], None]]":
    """Tells on stderr how a diagnosis is getting on; if no person is watching, its warnings only."""
    if not sys.stderr.isatty():
        yield lambda event: print_line(f"warning: {event.text}", err=True) if event.kind == "warning" else None
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    with console.status(Text("starting")) as status:

        def show(event: "Progress") -> None:
            does = "" if event.kind in _TOLD else event.words
            does = f"reads {steps_in_words(event.steps)}" if event.steps else does
            parts = (f"sample {event.sample}", _in_short(event.usage), does)
            status.update(Text(one_line(" · ".join(filter(None, parts)), 300), no_wrap=True, overflow="ellipsis"))
            if event.kind in _TOLD:
                console.print(Text(one_line(_TOLD[event.kind] + event.text, 500)))

        yield show


def _in_short(usage: "CallUsage") -> str:
    if not usage.calls:
        return ""
    cost = "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    return f"{number_of(usage.calls, 'call')}, {usage.prompt_tokens + usage.completion_tokens:,} tokens, {cost}"


@contextmanager
def batch_progress(total: int) -> "Iterator[tuple[Callable[[BatchRow], None], Callable[[str, Progress], None]]]":
    """A bar on stderr with what all runs used so far, if a person is watching."""
    if not sys.stderr.isatty():
        yield lambda _: None, lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from codetracer_core.diagnosis_models import CallUsage

    used: dict[str, CallUsage] = {}
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    words = TextColumn("{task.description}", markup=False)
    with Bar(*columns, words, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def show() -> None:
            bar.update(task, description=_in_short(sum(tuple(used.values()), CallUsage())) or "no call yet")

        def on_item(row: "BatchRow") -> None:
            if not row.was_done:
                used[row.run_id] = row.usage
            bar.advance(task)
            show()

        def on_progress(run_id: str, event: "Progress") -> None:
            used[run_id] = event.usage
            show()

        yield on_item, on_progress


def steps_in_words(steps: Sequence[int]) -> str:
    """``[3, 4, 5, 9]`` as "steps 3–5, 9"."""
    spans: list[list[int]] = []
    for step in sorted(set(steps)):
        if spans and step == spans[-1][1] + 1:
            spans[-1][1] = step
        else:
            spans.append([step, step])
    told = ", ".join(f"{first}–{last}" if last > first else f"{first}" for first, last in spans)
    return f"step {told}" if len(set(steps)) == 1 else f"steps {told}"
