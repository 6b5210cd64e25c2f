"""The leaderboard: systems and baselines under one named convention, or under all of them side by side."""

import json
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from codetracer_core.evaluation import CONVENTIONS, Convention, Entry, Evaluation, Score
from codetracer_core.intervals import FEW_CLUSTERS, REPLICATES, Estimate
from codetracer_core.ui.tables import Cell, Column, Row, Tone, estimate_cell, number, show_table
from codetracer_core.words import number_of

DIGITS = 3
"""Published scores of one benchmark differ in the third."""


def what_is_judged(evaluation: Evaluation) -> None:
    """How many runs, steps and labels there are, and which runs are left out of everything."""
    rows = evaluation.rows
    positive = int((rows.expected > 0).sum())
    words = [
        number_of(len(rows.truth), "run"),
        number_of(int(rows.lengths.sum()), "step"),
        f"{number_of(positive, 'run')} with {number_of(int(rows.expected.sum()), 'incorrect step')}",
        number_of(len(set(rows.clusters.tolist())), "task")
        if rows.clustered_by == "task"
        else "no two runs of one task",
    ]
    st.caption(" · ".join(words))


def leaderboard(evaluation: Evaluation, convention: Convention) -> tuple[str, str] | None:
    """Systems and baselines, the best first, with what each number leaves out.

    Returns the system and the kind of errors of the number that was pressed; None: none was.
    """
    ranked = evaluation.ranked(convention.name)
    rows = [_row(entry, convention) for entry in ranked]
    picked = show_table("leaderboard", _columns(convention), rows, height=720)
    left_out = left_out_words([entry.scores[convention.name] for entry in evaluation.systems or ranked[:1]])
    leads = "Precision, recall and clean runs lead to the steps behind them."
    overlap = "Two overlapping intervals do not say that two systems are equal: compare them in pairs."
    st.caption(" ".join([*left_out, leads, interval_words(evaluation), overlap]))
    if not picked:
        return None
    system, errors = json.loads(picked)
    return system, errors


def interval_words(evaluation: Evaluation) -> str:
    """Where intervals come from."""
    unit = "tasks" if evaluation.rows.clustered_by == "task" else "runs"
    return (
        f"Intervals: 95 %, from {REPLICATES:,} samples of whole {unit} drawn with replacement, seed {evaluation.seed}; "
        f"≈ marks those of fewer than {FEW_CLUSTERS} {unit}, which may be too narrow."
    )


def left_out_words(scores: Sequence[Score]) -> list[str]:
    """What the numbers of a convention leave out, where it is the same for all of them."""
    if not scores or any(score.left_out != scores[0].left_out for score in scores):
        return []
    return [f"Left out: {number_of(part.runs, 'run')} ({part.why})." for part in scores[0].left_out]


def _columns(convention: Convention) -> list[Column]:
    parts = [
        Column("precision", "Precision", "number", help="Of the steps that it names, the share that is incorrect."),
        Column("recall", "Recall", "number", help="Of the steps that are incorrect, the share that it names."),
    ]
    return [
        Column("name", "System or baseline"),
        Column("f1", "F1", "interval"),
        *(parts if convention.precision is not None else []),
        Column("answers", "Answers", "number", help=f"Runs × repetitions that count. {convention.failed}"),
        Column(
            "accused",
            "Clean runs accused",
            "number",
            help="Of the answers on runs without an incorrect step, those that name one all the same.",
        ),
    ]


def _row(entry: Entry, convention: Convention) -> Row:
    score = entry.scores[convention.name]
    cells = {
        "name": Cell(entry_title(entry), note=_note(entry, score)),
        "f1": score_cell(score.f1),
        "answers": answers_cell(score),
        "accused": _accused(entry),
    }
    for name in ("precision", "recall"):
        part = getattr(score, name)
        if part is not None:
            cells[name] = score_cell(part)
            if part.value is not None:
                cells[name] = replace(cells[name], note="")  # what there is to say of its interval stands beside the F1
    if entry.was_given:
        for name, errors in (
            ("precision", "False accusations"),
            ("accused", "False accusations"),
            ("recall", "Misses"),
        ):
            if name in cells:
                cells[name] = replace(cells[name], pick=json.dumps([entry.name, errors]))
    return Row(entry.name, cells, tone=tone_of(entry))


def score_cell(estimate: Estimate) -> Cell:
    """A score; that its interval is rough is said once below the table (``interval_words``)."""
    cell = estimate_cell(estimate, digits=DIGITS)
    return replace(cell, note="") if estimate.is_rough and not estimate.undefined_replicates else cell


def entry_title(entry: Entry) -> str:
    """What a system or baseline is called."""
    if entry.of:
        return f"Baseline: random, as many as {entry.of}"
    return f"Baseline: {entry.title}" if entry.kind == "baseline" else entry.title


def tone_of(entry: Entry) -> Tone:
    """How the row of a system or baseline looks."""
    return "baseline" if entry.kind == "baseline" else ""


def answers_cell(score: Score) -> Cell:
    """How many answers count, and how many of them are none."""
    lacking = [f"{count:,} {word}" for count, word in ((score.failed, "failed"), (score.missing, "missing")) if count]
    return Cell(
        f"{score.observations:,}" + (f", {' and '.join(lacking)}" if lacking else ""),
        value=score.observations,
        tone="bad" if lacking else "",
    )


def _accused(entry: Entry) -> Cell:
    """How many answers on clean runs accuse, with the share."""
    clean = entry.clean[0]
    cell = estimate_cell(clean.share_accused, percent=True)
    if cell.value is None:
        return cell
    counts = f"{number(clean.accused, digits=0 if clean.accused == int(clean.accused) else 1)} of {clean.answered:,}"
    return replace(
        cell,
        text=f"{counts} · {number(cell.value, percent=True, digits=1)} %",
        note=f"{cell.text}. {cell.note}".strip(),
    )


def _note(entry: Entry, score: Score) -> str:
    """Everything that a row counts, in words."""
    found, named = (number(count, digits=1 if count % 1 else 0) for count in (score.matched, score.predicted))
    before = f"{entry.title}: " if entry.of else ""
    words = [f"{before}{found} of {number(score.expected, digits=0)} incorrect steps are found by {named} accusations"]
    if entry.kind == "system":
        words.append(f"{number_of(entry.repetitions, 'repetition')} pooled")
    words += [f"left out: {number_of(part.runs, 'run')}, {part.why}" for part in score.left_out]
    return "; ".join(words) + "."


def count_cell(count: int) -> Cell:
    """A count as tables write it."""
    return Cell(f"{count:,}", value=count)


def all_conventions(evaluation: Evaluation) -> None:
    """The F1 of each system and baseline under every convention, each column with its own scale and n."""
    columns = [Column("name", "System or baseline")]
    columns += [
        Column(one.name, one.title, "number", help=f"{one.definition} {one.failed}") for one in CONVENTIONS.values()
    ]
    rows = []
    for entry in evaluation.entries:
        cells = {"name": Cell(entry_title(entry))}
        for name, score in entry.scores.items():
            cell = score_cell(score.f1)
            cells[name] = replace(cell, text=f"{cell.text} · n {score.observations:,}")
        rows.append(Row(entry.name, cells, tone=tone_of(entry)))
    show_table("conventions", columns, rows, height=720)
    st.caption("Each cell is the F1, and n the answers (runs × repetitions) that count. Press a head to sort by it.")
