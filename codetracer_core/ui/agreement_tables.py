"""Numbers of an agreement as tables: from results to columns and rows. The ``pick`` of a cell names the steps that it
counts (``as_pick``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from codetracer_core.agreement import Agreement, Selection
from codetracer_core.agreement.measures import Measures
from codetracer_core.agreement.selection import (
    AnyPair,
    Differ,
    OfTwo,
    RunSaid,
    Said,
    Split,
    Together,
    Voted,
)
from codetracer_core.agreement.told import Scope, measure_rows, rater_name, selection_words
from codetracer_core.intervals import Estimate
from codetracer_core.ratings import CATEGORIES, INCORRECT, UNCERTAIN, UNUSEFUL, Rater
from codetracer_core.ui.links import step_address
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell, number

Table = tuple[list[Column], list[Row]]

MOST_RUNS = 200
"""Rows of the table of runs; the downloads hold all of them."""
_SELECTIONS: Mapping[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Selection)}


def as_pick(selection: Selection) -> str:
    """A selection of steps as text, for a cell and for the address."""
    return json.dumps([type(selection).__name__, asdict(selection)], separators=(",", ":"))


def as_selection(pick: str, raters: Sequence[Rater]) -> Selection | None:
    """The selection of this text; None if it is none, or of raters that are not there."""
    try:
        name, fields = json.loads(pick)
        found: Selection = _SELECTIONS[name].validate_python(fields)
        selection_words(found, raters)
    except (ValueError, TypeError, KeyError, IndexError, ValidationError):
        return None
    return found


def of_raters(scope: Scope, *of: OfTwo) -> Selection:
    """What any of these holds of the raters of a scope; whom they name counts for nothing."""
    if len(scope.raters) == 2 and len(of) == 1:
        return replace(of[0], first=scope.raters[0], second=scope.raters[1])
    return AnyPair(scope.raters, of)


def count(n: int, selection: Selection | None = None) -> Cell:
    """A count; one that is not 0 opens the steps that it counts."""
    return Cell(f"{n:,}", value=float(n), pick=as_pick(selection) if n and selection is not None else "")


def plain(estimate: Estimate, *, digits: int = 2) -> Cell:
    """A value that never has an interval."""
    if estimate.value is None:
        return estimate_cell(estimate)
    return Cell(number(estimate.value, digits=digits), value=estimate.value)


# --- measures --------------------------------------------------------------------------------------------------------


def measures_table(of: Sequence[tuple[str, Measures]]) -> Table:
    """One row per measure of a question, a column per reading of the labels."""
    columns = [Column("name", "Measure")]
    columns += [Column(f"of{at}", name, "interval", scale=(-0.2, 1.0)) for at, (name, _) in enumerate(of)]
    told = [measure_rows(measures) for _, measures in of]
    rows = []
    for line in zip(*told, strict=True):
        name, _, says = line[0]
        values = {f"of{at}": estimate_cell(value, digits=3) for at, (_, value, _) in enumerate(line)}
        rows.append(Row(name, {"name": Cell(name, note=says), **values}))
    return columns, rows


_QUESTIONS = (
    "Steps: incorrect",
    "Steps: three classes",
    "Steps: unuseful",
    "Runs: any incorrect step",
    "Runs: as they were judged",
)
"""Short names of ``Scope.questions``."""


def questions_table(scope: Scope) -> Table:
    """One row per question."""
    columns = [
        Column("question", "Question"),
        Column("n", "Compared", "number"),
        Column("alpha", "Alpha", "interval", scale=(-0.2, 1.0)),
        Column("psa", "PSA", "interval", scale=(0.0, 1.0), help="Agreement on the answer that is looked for."),
        Column("raw", "Raw", "number", help="Raw agreement: never to be read alone."),
        Column("both", "Both", "number", help="Two say so. Of more than two raters: pairs of labels."),
        Column("one", "One", "number", help="One says so, another does not."),
    ]
    rows = []
    for name, of in zip(_QUESTIONS, scope.questions, strict=True):
        cells = {
            "question": Cell(name, note=f"{of.question.capitalize()}; {of.units:,} {of.unit}s in {of.runs:,} runs."),
            "n": Cell(f"{of.units:,}", value=float(of.units)),
            "alpha": estimate_cell(of.alpha),
            "raw": estimate_cell(of.raw),
        }
        if of.pairings is not None:
            pairings = of.pairings
            both, one = _behind_counts(of, scope)
            cells |= {
                "psa": estimate_cell(of.psa),
                "both": count(pairings.both, both),
                "one": count(pairings.one, one),
            }
        rows.append(Row(name, cells))
    return columns, rows


def _behind_counts(of: Measures, scope: Scope) -> tuple[Selection | None, Selection | None]:
    """The steps behind "both" and "one" of a question."""
    if of.unit == "step":
        code = UNUSEFUL if of is scope.unuseful else INCORRECT
        return Together(scope.raters, code, code), Split(scope.raters, code)
    what: Any = "run verdict" if of is scope.run_verdicts else "has incorrect"
    one = (RunSaid(0, 1, ours, theirs, what) for ours, theirs in ((0, 1), (1, 0)))
    return of_raters(scope, RunSaid(0, 1, 1, 1, what)), of_raters(scope, *one)


def pairs_table(found: Agreement) -> Table:
    """One row per two raters."""
    columns = [
        Column("first", "First"),
        Column("second", "Second"),
        Column("steps", "Steps", "number", help="That both rated."),
        Column("alpha", "Alpha", "interval", scale=(-0.2, 1.0)),
        Column("psa", "PSA", "interval", scale=(0.0, 1.0), help="Where one says incorrect, how often the other does."),
        Column("differ", "Differ on", "number", help="Steps on which their verdicts are not the same."),
        Column(
            "onset",
            "Same onset",
            "number",
            help="Share of the runs in which both have one.",
        ),
    ]
    rows = []
    for pair in found.pairs:
        names = [rater_name(found.raters[at]) for at in (pair.first, pair.second)]
        table = pair.classes.table or ()
        alike = sum(row[at] for at, row in enumerate(table))
        rows.append(
            Row(
                " · ".join(names),
                {
                    "first": Cell(names[0]),
                    "second": Cell(names[1]),
                    "steps": count(pair.incorrect.units),
                    "alpha": estimate_cell(pair.incorrect.alpha),
                    "psa": estimate_cell(pair.incorrect.psa),
                    "differ": count(pair.classes.units - alike, Differ((pair.first, pair.second))),
                    "onset": plain(pair.onset.within[0].share),
                },
            )
        )
    return columns, rows


def pair_matrix(found: Agreement) -> list[list[Cell]]:
    """Rater by rater: alpha above the diagonal, PSA below it; a cell opens the steps on which the two differ."""
    cells = [[Cell("–", tone="weak") for _ in found.raters] for _ in found.raters]
    for pair in found.pairs:
        pick = as_pick(Differ((pair.first, pair.second)))
        low, high = sorted((pair.first, pair.second))
        cells[low][high] = replace(plain(pair.incorrect.alpha), pick=pick)
        cells[high][low] = replace(plain(pair.incorrect.psa), pick=pick)
    return cells


# --- labels ----------------------------------------------------------------------------------------------------------


def confusion(scope: Scope, found: Agreement) -> list[list[Cell]]:
    """Three classes: of two raters the first one's label by the second one's, else pairs of labels on one step."""
    kinds = range(len(CATEGORIES))
    if scope.classes.table is not None:
        first, second = scope.raters
        table = scope.classes.table
        return [
            [count(table[ours][theirs], Said(((first, (ours,)), (second, (theirs,))))) for theirs in kinds]
            for ours in kinds
        ]
    return [
        [count(label.with_others[other], Together(found.over, at, other)) for other in kinds]
        for at, label in enumerate(found.labels)
    ]


def labels_table(scope: Scope) -> Table:
    """One row per label: how frequent it is, and how well it is agreed on."""
    columns = [
        Column("label", "Label"),
        Column("share", "Prevalence", "interval", scale=(0.0, 1.0), help="Its share of all labels that are compared."),
        Column("alike", "Agreement on it", "interval", scale=(0.0, 1.0), help="Where one says so, another, too."),
    ]
    of = scope.classes
    rows = [
        Row(name, {"label": Cell(name), "share": estimate_cell(share, digits=3), "alike": estimate_cell(alike)})
        for name, share, alike in zip(of.categories, of.prevalence, of.specific, strict=True)
    ]
    return columns, rows


def votes_table(found: Agreement) -> Table:
    """How many of how many raters call a step incorrect."""
    columns = [Column("votes", "Say incorrect"), Column("steps", "Steps", "number")]
    rows = [
        Row(
            f"{votes.positive}/{votes.ratings}",
            {
                "votes": Cell(f"{votes.positive} of {votes.ratings}", value=votes.ratings + votes.positive / 100),
                "steps": count(votes.units, Voted(found.over, votes.ratings, votes.positive)),
            },
        )
        for votes in found.votes
    ]
    return columns, rows


def run_matrix(of: Measures, scope: Scope) -> list[list[Cell]]:
    """Of two raters: what they say of whole runs, the first one's answer by the second one's."""
    first, second = scope.raters
    table = of.table or ((0, 0), (0, 0))
    what: Any = "run verdict" if of is scope.run_verdicts else "has incorrect"
    return [
        [count(table[ours][theirs], RunSaid(first, second, ours, theirs, what)) for theirs in (0, 1)] for ours in (0, 1)
    ]


# --- runs and raters -------------------------------------------------------------------------------------------------


def runs_table(found: Agreement, tasks: Mapping[str, str | None]) -> Table:
    """One row per run, where raters differ most first: what each of the headline's raters found."""
    columns = [
        Column("run", "Run"),
        Column("steps", "Steps", "number", help="With at least two labels."),
        Column("psa", "PSA", "number", help="Agreement on incorrect in this run. Never averaged over runs."),
        Column("both", "Both", "number", help="Pairs of labels on one step that both say incorrect."),
        Column("one", "One", "number", help="Pairs of which only one does."),
    ]
    names = [rater_name(found.raters[at]) for at in found.over]
    columns += [
        Column(f"of{at}", name, "number", help="Steps they call incorrect, and their onset.")
        for at, name in enumerate(names)
    ]
    rows = []
    for run in found.by_run[:MOST_RUNS]:
        differ = Differ(found.over, run.run_id)
        cells = {
            "run": Cell(tasks.get(run.run_id) or run.run_id, href=step_address(run.run_id, show_labels=True)),
            "steps": count(run.steps),
            "psa": plain(run.psa),
            "both": count(run.pairings.both),
            "one": count(run.pairings.one, differ),
        }
        for at, (incorrect, onset) in enumerate(zip(run.incorrect, run.onsets, strict=True)):
            cells[f"of{at}"] = _found_in_run(incorrect, onset)
        rows.append(Row(run.run_id, cells))
    return columns, rows


def _found_in_run(incorrect: int | None, onset: int | None) -> Cell:
    """How much somebody calls incorrect in a run, and from where on."""
    if incorrect is None:
        return Cell("–", tone="weak")
    return Cell(f"{incorrect:,}, from {onset}" if onset else f"{incorrect:,}", value=float(incorrect))


def raters_table(found: Agreement) -> Table:
    """One row per rater."""
    decided = any(rater.source == "adjudicated" for rater in found.raters)
    columns = [
        Column("who", "Rater"),
        Column("runs", "Runs", "number", help="Finished; of others only what they said counts."),
        Column("steps", "Steps", "number", help="That count with a verdict."),
        Column("incorrect", "Share of incorrect", "number" if decided else "interval", help="Of those steps."),
        Column("incorrect_steps", "Incorrect", "number"),
        Column("unuseful_steps", "Unuseful", "number"),
        Column("uncertain", "Uncertain", "number", help="Missing in every statistic."),
        Column("unlabelled", "None", "number", help="Steps without a verdict in runs that they finished."),
        Column("pace", "s / step", "number", help="Median over runs of time on task by steps."),
    ]
    if decided:
        columns.append(Column("psa", "PSA", "number", help="Agreement on incorrect with the adjudicated labels."))
    rows = []
    for report in found.by_rater:
        who, steps = report.rater, report.steps
        incorrect, unuseful = (round((share.value or 0.0) * steps) for share in (report.incorrect, report.unuseful))
        cells = {
            "who": Cell(rater_name(found.raters[who])),
            "runs": Cell(
                f"{report.runs:,}" + (f" + {report.unfinished_runs:,}" if report.unfinished_runs else ""),
                value=float(report.runs),
            ),
            "steps": count(steps),
            "incorrect": estimate_cell(report.incorrect, percent=True),
            "incorrect_steps": count(incorrect, Said(((who, (INCORRECT,)),))),
            "unuseful_steps": count(unuseful, Said(((who, (UNUSEFUL,)),))),
            "uncertain": count(report.uncertain, Said(((who, (UNCERTAIN,)),))),
            "unlabelled": count(report.unlabelled),
            "pace": plain(report.seconds_per_step, digits=1),
        }
        if decided:
            cells["psa"] = estimate_cell(report.psa_with_adjudicated)
        rows.append(Row(str(who), cells))
    return columns, rows


# --- steps -----------------------------------------------------------------------------------------------------------


def steps_table(
    steps: Sequence[tuple[str, int]],
    said: Sequence[Sequence[str]],
    names: Sequence[str],
    tasks: Mapping[str, str | None],
    *,
    list_id: str | None,
    kinds: Sequence[tuple[str, str]] = (),
) -> Table:
    """Steps with what each rater says of them; each opens the viewer there, with these labels shown. ``kinds``: of each
    step what kind of disagreement it is, and why that is instructive."""
    columns = [
        Column("task", "Task"),
        Column("step", "Step", "number"),
        *(Column(f"said{at}", name) for at, name in enumerate(names)),
        *([Column("kind", "Disagreement")] if kinds else []),
        Column("run", "Run"),
    ]
    tones: Mapping[str, Any] = {"incorrect": "bad", "correct": "good", "unuseful": "", "uncertain": ""}
    rows = []
    for at, ((run_id, step), words) in enumerate(zip(steps, said, strict=True)):
        href = step_address(run_id, step, show_labels=True, list_id=list_id)
        cells = {
            "task": Cell(tasks.get(run_id) or run_id, href=href),
            "step": Cell(str(step), value=float(step), href=href),
            "run": Cell(run_id, tone="weak"),
            **{
                f"said{which}": Cell(word, tone=tones.get(word.partition(" ")[0], "weak"))
                for which, word in enumerate(words)
            },
            **({"kind": Cell(kinds[at][0], note=kinds[at][1])} if kinds else {}),
        }
        rows.append(Row(f"{run_id} {step}", cells))
    return columns, rows
