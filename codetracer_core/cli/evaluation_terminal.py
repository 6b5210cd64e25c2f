"""How an evaluation is printed: a table for each question, with what it rests on."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from codetracer_core.cli.terminal import (
    harmless,
    interval_words,
    one_line,
    print_line,
    print_undefined,
    value_words,
)
from codetracer_core.evaluation import (
    CONVENTIONS,
    Entry,
    Evaluation,
    compare_systems,
    dimension_words,
    onset_scores,
    repeats,
    slices,
    tolerant,
    warnings_by_convention,
)
from codetracer_core.intervals import FEW_CLUSTERS, LEVEL, REPLICATES
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 120
"""Columns of a terminal that is none (a pipe, a file)."""
_RUNS_DIFFERING = 10
_END_RULES = ("last_step", "last_but_one")
"""What an onset is compared with beside chance: many labelled runs went wrong at their very end."""


def print_evaluation(
    found: Evaluation,
    conventions: Sequence[str],
    *,
    by: Sequence[str],
    tolerances: Sequence[int],
    pairs: Sequence[tuple[str, str]],
    texts: Mapping[str, Sequence[str]],
) -> None:
    """Everything that was asked for; ``pairs`` are compared, ``texts`` are those of ``warnings``."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    rows = found.rows
    print_line(
        f"{number_of(len(rows.truth), 'run')}, {int((rows.expected > 0).sum()):,} with errors; "
        f"{number_of(int(rows.lengths.sum()), 'step')}, {int(rows.expected.sum()):,} incorrect. "
        f"Intervals: {LEVEL:.0%}, {REPLICATES:,} replicates over {rows.clustered_by}s, seed {found.seed}; "
        f"~ marks those of fewer than {FEW_CLUSTERS} {rows.clustered_by}s, which may be too narrow. "
        f"A run without an answer is {'a miss' if found.missing == 'miss' else 'left out'}."
    )
    for name in conventions:
        _leaderboard(console, found, name)
    _clean(console, found)
    if conventions and tolerances:
        _tolerance(console, found, conventions[0], tolerances)
    _onset(console, found)
    _repeats(console, found, conventions)
    for pair in pairs:
        _comparison(console, found, pair, conventions)
    for name in conventions if by else ():
        _slices(console, found, name, by)
    caveats = warnings_by_convention(found, conventions, texts=texts)
    said = dict.fromkeys(caveat for name in conventions for caveat in caveats[name])
    for caveat in said:
        print_line(f"\n! {harmless(caveat.text)}\n  {caveat.why}")


def _leaderboard(console: "Console", found: Evaluation, name: str) -> None:
    convention = CONVENTIONS[name]
    some = found.entries[0].scores[name]
    left_out = " ".join(f"{number_of(one.runs, 'run')} left out: {one.why}." for one in some.left_out)
    print_line(f"\n{convention.title} [{name}]\n{convention.definition} {convention.failed}")
    of_tasks = f" of {number_of(some.clusters, 'task')}" if found.rows.clustered_by == "task" else ""
    no_interval = f"No interval: {some.f1.why_no_interval}." if some.f1.why_no_interval else ""
    print_line(" ".join(filter(None, (f"{number_of(some.runs, 'run')}{of_tasks}.", left_out, no_interval))))
    systems = {_name(entry) for entry in found.given}
    rows = []
    for entry in found.ranked(name):
        score = entry.scores[name]
        rows.append(
            [
                _name(entry),
                value_words(score.f1),
                interval_words(score.f1),
                value_words(score.precision) if score.precision else "",
                value_words(score.recall) if score.recall else "",
                f"{score.observations:,}",
                f"{score.failed:,}" if entry.was_given else "",
                f"{score.missing:,}" if entry.was_given else "",
            ]
        )
    _table(console, ("", "F1", "interval", "precision", "recall", "answers", "failed", "missing"), rows, strong=systems)
    scores = [entry.scores[name] for entry in found.entries]
    print_undefined(part for one in scores for part in (one.f1, one.precision, one.recall) if part)


def _clean(console: "Console", found: Evaluation) -> None:
    print_line("\nRuns without incorrect steps: how many answers accuse a step all the same")
    outcomes = [one.in_words for one in found.entries[0].clean]
    rows = []
    for entry in found.given:
        cells = [f"{one.accused:,.0f} of {one.answered:,}" for one in entry.clean]
        whole = entry.clean[0]
        rows.append(
            [
                _name(entry),
                *cells,
                value_words(whole.share_accused),
                interval_words(whole.share_accused),
                value_words(whole.per_run),
            ]
        )
    _table(console, ("", *outcomes, "share", "interval", "accusations per run"), rows)
    print_undefined(part for entry in found.given for part in (entry.clean[0].share_accused, entry.clean[0].per_run))


def _tolerance(console: "Console", found: Evaluation, name: str, tolerances: Sequence[int]) -> None:
    print_line(f"\nF1 if an accused step this near counts as found [{name}]")
    systems = {_name(entry) for entry in found.given}
    rows = []
    for entry in found.ranked(name):
        scores = tolerant(found, entry.name, tolerances, (name,))
        if scores:
            rows.append([_name(entry), *(value_words(scores[steps][name].f1) for steps in sorted(scores))])
    within = ("exact" if steps == 0 else f"±{steps}" for steps in sorted(set(tolerances)))
    _table(console, ("", *within), rows, strong=systems)


def _onset(console: "Console", found: Evaluation) -> None:
    print_line("\nFailure onset: share of runs with an onset whose first candidate is so near (by chance)")
    rows, undefined = [], []
    for entry in (one for one in found.entries if one.was_given or one.name in _END_RULES):
        scores = onset_scores(found, entry.name)
        near = [f"{value_words(one.of_all)} ({value_words(one.by_chance)})" for one in scores.near.values()]
        exact = scores.near[0]
        undefined += [one.of_all for one in scores.near.values()]
        how = f"{scores.ranked:,} ranked" if scores.ranked else "first accused"
        rows.append([_name(entry), *near, value_words(exact.mrr), value_words(exact.top_3), how])
    _table(console, ("", "exact", "±1", "±3", "±5", "MRR", "top 3", "candidates"), rows)
    print_undefined(undefined)


def _repeats(console: "Console", found: Evaluation, conventions: Sequence[str]) -> None:
    repeated = [(entry, repeats(found, entry.name)) for entry in found.given]
    rows = []
    for entry, own in repeated:
        if own is None:
            continue
        spreads = [own.spread[name] for name in conventions]
        cells = [
            "undefined" if one.mean is None else f"{one.mean:.3f}" + ("" if one.sd is None else f" ± {one.sd:.3f}")
            for one in spreads
        ]
        rows.append(
            [_name(entry), str(own.repetitions), *cells, *map(value_words, (own.jaccard, own.kappa, own.in_all))]
        )
    if rows:
        print_line("\nRepetitions: mean and standard deviation of F1, and how far answers agree with each other")
        _table(console, ("", "n", *conventions, "Jaccard", "kappa", "in all"), rows)
        print_undefined(part for _, own in repeated if own for part in (own.jaccard, own.kappa, own.in_all))


def _comparison(console: "Console", found: Evaluation, pair: tuple[str, str], conventions: Sequence[str]) -> None:
    compared = compare_systems(found, *pair)
    ours, theirs = (_name(found.entry(name)) for name in pair)
    print_line(f"\n{ours} minus {theirs}, on the same {number_of(compared.runs, 'run')}")
    rows = []
    for name in conventions:
        one = compared.differences[name]
        parts = [value_words(part, signed=True) if part else "" for part in (one.precision, one.recall)]
        rows.append(
            [name, value_words(one.f1, signed=True), interval_words(one.f1, signed=True), *parts, f"{one.runs:,}"]
        )
    _table(console, ("", "F1", "interval", "precision", "recall", "runs"), rows)
    shown = [compared.differences[name] for name in conventions]
    print_undefined(part for one in shown for part in (one.f1, one.precision, one.recall) if part)
    if compared.by_run:
        rows = [
            [
                one_line(one.traj_id, 60),
                f"{one.ours:.3f}",
                f"{one.theirs:.3f}",
                f"{one.difference:+.3f}",
                str(one.expected),
            ]
            for one in compared.by_run[:_RUNS_DIFFERING]
        ]
        _table(console, ("runs that differ most", "ours", "theirs", "F1", "incorrect steps"), rows)


def _slices(console: "Console", found: Evaluation, name: str, by: Sequence[str]) -> None:
    print_line(f"\nF1 by {' and '.join(by)} [{name}]")
    given = [entry.name for entry in found.given]
    rows, parts = [], slices(found, by, convention=name, names=given)
    for part in parts:
        cells = [f"{value_words(part.scores[one].f1)}  {interval_words(part.scores[one].f1)}".rstrip() for one in given]
        rows.append(
            [
                *(one_line(dimension_words(*said), 40) for said in zip(by, part.values, strict=True)),
                f"{part.runs:,}",
                f"{part.runs_with_errors:,}",
                *cells,
            ]
        )
    _table(console, (*by, "runs", "with errors", *map(harmless, given)), rows, words=len(by))
    print_undefined(part.scores[one].f1 for part in parts for one in given)


def _name(entry: Entry) -> str:
    return one_line(entry.title, 60)


def _table(
    console: "Console",
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words: int = 1,
    strong: Collection[str] = (),
) -> None:
    """The first ``words`` columns are words, the others numbers. Cells are plain text. Rows whose first cell is in
    ``strong`` are made to stand out."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(names):
        table.add_column(Text(name), justify="left" if at < words else "right", overflow="fold", no_wrap=at >= words)
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row), style="bold" if row[0] in strong else None)
    console.print(table)
