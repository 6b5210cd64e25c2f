"""What ``codetracer run`` tells: a block per run, then the whole, as text that is also the report file."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codetracer_core.cli.diagnosis_terminal import CONCLUSIONS, steps_in_words, usage_in_words
from codetracer_core.cli.terminal import WIDTH, harmless, one_line, text_width
from codetracer_core.diagnosis_models import HEURISTIC
from codetracer_core.importing.report import passed_over_words
from codetracer_core.words import OUTCOME_WORDS, number_of, outcome_alone

if TYPE_CHECKING:
    from codetracer_core.pipeline import RunStory, Story

_STYLES: Mapping[str, str] = {
    "error found": "red",
    "no error found": "green",
    "failed": "bold red",
    "solved": "green",
    "problem": "yellow",
}
INDENT = 14
"""Columns before what stands behind a head."""


class _Part(NamedTuple):
    """What stands behind a head of ours; None: no head, but the beginning of a line."""

    head: str | None
    text: str
    style: str = ""
    is_whole: bool = False
    """One line, however long."""


def report(story: "Story", model: str | None) -> str:
    """The story as plain text. What runs and models say stands behind a head of ours, without control characters."""
    return "".join(f"{line}\n" for line, _ in told(story, model))


def print_story(story: "Story", model: str | None) -> None:
    """The same on the screen, with colours where a terminal is."""
    import sys

    from rich.console import Console
    from rich.text import Text

    out = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line, style in told(story, model, text_width()):
        out.print(Text(line, style=style))


def told(story: "Story", model: str | None, width: int = WIDTH) -> Iterator[tuple[str, str]]:
    """Lines with their styles, wrapped; paths and names of runs stay whole, for copying."""
    for run in story.runs:
        yield from _wrapped(_run(run, model), width)
        yield "", ""
    yield from _wrapped(_whole(story), width)


def _wrapped(parts: Iterable[_Part], width: int) -> Iterator[tuple[str, str]]:
    for head, text, style, is_whole in parts:
        lines = [text]
        if not is_whole:
            words = " ".join(text.split())
            lines = textwrap.wrap(words, width - INDENT, break_on_hyphens=False, break_long_words=False) or [""]
        for number, line in enumerate(lines):
            edge = f"  {head if not number else '':{INDENT - 3}} " if head is not None else ""
            yield f"{edge}{line}", style


def _run(run: "RunStory", model: str | None) -> Iterator[_Part]:
    facts = [run.agent, run.model, run.task, outcome_alone(run.outcome)]
    yield _Part(None, one_line(f"{run.run_id}  {' · '.join(fact for fact in facts if fact)}", 200), "bold", True)
    counted = f"{run.steps} ({run.explore} explore, {run.change} change)"
    yield from _headed("steps", f"{counted}{' (misaligned with the manifest)' if run.misaligned else ''}")
    yield from _headed("diagnosis", *_diagnosis(run, model))
    if run.onset is not None:
        quote = f" “{one_line(run.onset.quote.text, 300)}”" if run.onset.quote is not None else ""
        yield from _headed("onset", f"step {run.onset.step_id}:{quote}{f' {run.onset.why}' if run.onset.why else ''}")
    labels = [f"incorrect: {steps_in_words(run.incorrect)}"] if run.incorrect else []
    labels += [f"unuseful: {steps_in_words(run.unuseful)}"] if run.unuseful else []
    if labels:
        yield from _headed("labels", "; ".join(labels))
    if run.summary and run.diagnosis.conclusion == "error_found":
        yield from _headed("summary", run.summary)
    if run.replay is not None:
        yield from _headed("replay", *_replay(run))
    yield from _files(run.files)
    for problem in run.problems:
        yield from _headed("problem", problem, "yellow")


def _diagnosis(run: "RunStory", model: str | None) -> tuple[str, str]:
    row = run.diagnosis
    if row.conclusion is None:
        return f"{row.status}: {row.reason}" if row.reason else row.status, "bold red" if row.status == "failed" else ""
    conclusion = "failed" if row.status == "failed" else CONCLUSIONS[row.conclusion]
    status = "" if row.status in ("complete", "failed") else f" ({row.status}{f': {row.reason}' if row.reason else ''})"
    why = f": {row.reason}" if row.status == "failed" and row.reason else ""
    paid = "done before, nothing was asked" if row.was_done else usage_in_words(row.usage)
    return f"{conclusion}{status}, by {model or HEURISTIC}{why}; {paid}", _STYLES.get(conclusion, "")


def _replay(run: "RunStory") -> tuple[str, str]:
    assert run.replay is not None
    row = run.replay
    since = f"from step {row.step_id}: " if row.step_id else ""
    outcome = (
        ""
        if row.status in ("skipped", "not started")
        else f", {outcome_alone(row.solved)} (was: {OUTCOME_WORDS[run.outcome]})"
    )
    again = ", done before" if row.was_done else ""
    new = f"; it is the run {row.new_run_id}" if row.new_run_id else ""
    why = f"; {row.reason}" if row.reason else ""
    return f"{since}{row.status}{outcome}{again}{new}{why}", "green" if row.solved else ""


def _whole(story: "Story") -> Iterator[_Part]:
    counts = story.imported["counts"]
    came = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing"
    yield from _headed("import", came)
    for item in story.imported["items"]:
        if item["status"] in ("failed", "misaligned"):
            yield from _headed("", f"{item['status']}: {item['path']}: {item['reason']}. {item['remedy']}", "yellow")
    if over := story.imported["passed_over"]:
        yield from _headed("", f"{passed_over_words(over)}. 'codetracer extractors new FOLDER' describes a format.")
    if story.extractor:
        yield from _headed("extractor", f"{story.extractor} was made and accepted on the way")
    accused = sum(run.onset is not None for run in story.runs)
    done = sum(run.worked for run in story.runs)
    yield from _headed("diagnosed", f"{done} of {number_of(len(story.runs), 'run')}; {accused} with a failure onset")
    replayed = [run.replay for run in story.runs if run.replay is not None]
    if replayed:
        solved = sum(one.solved is True for one in replayed)
        yield from _headed("replayed", f"{number_of(len(replayed), 'run')}, {solved} solved by it")
    for run in story.runs:
        if not run.worked:
            why = f": {run.diagnosis.reason}" if run.diagnosis.reason else ""
            yield from _headed("", f"{run.run_id}: {run.diagnosis.status}{why}", "yellow")
    if story.not_begun:
        yield from _headed("left", f"{number_of(story.not_begun, 'run')} beyond --limit")
    yield from _headed("used", usage_in_words(story.usage))
    for note in story.notes:
        yield from _headed("note", note)
    yield from _listed("files", story.files)
    if not story.files:
        yield from _headed("files", "none; --output DIR writes trees, labels, diagnoses and a page per run")


def _files(paths: Sequence[str]) -> Iterator[_Part]:
    """The folder, for copying, and below it the names of what lies there."""
    by_folder: dict[str, list[str]] = {}
    for path in map(Path, paths):
        by_folder.setdefault(str(path.parent), []).append(path.name)
    for folder, names in by_folder.items():
        yield from _listed("files", [folder])
        yield from _headed("", ", ".join(names), "dim")


def _headed(head: str, text: str, style: str = "") -> Iterator[_Part]:
    yield _Part(head, harmless(text), style)


def _listed(head: str, lines: Iterable[str]) -> Iterator[_Part]:
    for number, line in enumerate(lines):
        yield _Part(head if not number else "", harmless(line), "dim", True)
