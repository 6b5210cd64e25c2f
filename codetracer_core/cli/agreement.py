"""How far people agree, on the screen or as JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import AsJson, Workspace, listed, place_of
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from codetracer_core.agreement import Agreement
    from codetracer_core.agreement.told import Scope
    from codetracer_core.intervals import Estimate
    from codetracer_core.models import LabelSource

# As in the store and in ``ratings``, which are too heavy to be loaded before a command runs; a test compares them.
Reading = Literal["blind", "revised", "repeats"]
Unlabelled = Literal["correct", "missing"]
_OTHERS: dict[str, "LabelSource"] = {"model": "model", "ground_truth": "ground_truth", "adjudicated": "adjudicated"}
Names = list[str] | None


def agreement(
    project: Annotated[
        str | None, typer.Option(help="Runs of this project (else all runs).", show_default=False)
    ] = None,
    run: Annotated[Names, typer.Option("--run", help="Only this run; may be repeated.", show_default=False)] = None,
    agent: Annotated[Names, typer.Option(help="Only runs of this agent.", show_default=False)] = None,
    model: Annotated[Names, typer.Option(help="Only runs of this model.", show_default=False)] = None,
    task: Annotated[Names, typer.Option(help="Only runs on this task.", show_default=False)] = None,
    outcome: Annotated[
        Literal["solved", "failed", "unknown"] | None,
        typer.Option(help="Only runs that ended so.", show_default=False),
    ] = None,
    reading: Annotated[
        Reading,
        typer.Option(help="blind: as submitted; revised: as changed since; repeats: each person with themselves."),
    ] = "blind",
    beside: Annotated[
        str | None,
        typer.Option(
            "--with", help="Also compare with these, as in model,ground_truth,adjudicated.", show_default=False
        ),
    ] = None,
    unlabelled: Annotated[
        Unlabelled, typer.Option(help="What a step without a verdict counts as, in a run that was submitted.")
    ] = "correct",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the draws for intervals.", show_default=False)] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Tell how far people agree: coefficients with intervals, pairs, onset, stages, raters, and where they differ.

    Labels count when their run is submitted. --json holds every number; what is undefined is null, with a reason.

    \b
    Examples:
      codetracer agreement
      codetracer agreement --project pilot --reading revised
      codetracer agreement --project pilot --with adjudicated,model --json > agreement.json
      codetracer agreement --run some-run-0123456789 --run other-run-0123456789
    """
    from codetracer_core.agreement import agreement as agreement_of
    from codetracer_core.agreement import disagreements
    from codetracer_core.agreement.told import as_told, rater_name
    from codetracer_core.intervals import SEED
    from codetracer_core.project_work import chosen_runs
    from codetracer_core.store import Store

    sources = _sources(beside)
    filters = {"agents": agent, "models": model, "tasks": task, "outcomes": None if outcome is None else [outcome]}
    with Store.open_for_reading(place_of(workspace)) as reader:
        given = {name: value for name, value in filters.items() if value is not None}
        run_ids = chosen_runs(reader, run or (), **given) if run or given else None
        ratings = reader.ratings(run_ids, project_id=project, reading=reading, sources=sources)
    found = agreement_of(ratings, unlabelled=unlabelled, seed=SEED if seed is None else seed)
    if as_json:
        terminal.print_json(as_told(found, project=project, reading=reading, sources=sources))
        return
    _print(found)
    differing = disagreements(ratings, unlabelled=unlabelled)
    if differing:
        shown = differing[: terminal.SHOWN]
        typer.echo(f"\nDisagreements, most instructive first ({len(shown):,} of {len(differing):,})")
        names = [rater_name(found.raters[at]) for at in found.over]
        terminal.print_table(
            [
                {"run": one.run_id, "step": one.step_id, **dict(zip(names, one.said, strict=True)), "why": one.why}
                for one in shown
            ]
        )


def _sources(beside: str | None) -> "list[LabelSource]":
    """People, and whoever else is named."""
    names = listed(beside)
    for name in names:
        if name not in _OTHERS:
            raise typer.BadParameter(f"--with is a list of {', '.join(_OTHERS)}, not {name!r}")
    return ["human", *(_OTHERS[name] for name in dict.fromkeys(names))]


def _print(found: "Agreement") -> None:
    from codetracer_core.agreement import why_they_differ
    from codetracer_core.agreement.told import measure_rows, pairings_in_words, scopes
    from codetracer_core.intervals import FEW_CLUSTERS

    by = ", ".join(f"{steps:,} with {n}" for n, steps in enumerate(found.steps_by_ratings) if steps)
    terminal.print_line(f"{found.runs:,} runs, {found.steps:,} steps; labels per step: {by or 'none'}")
    for left in found.left_out:
        terminal.print_line(f"left out: {left.steps:,} steps in {left.runs:,} runs, {left.why}")
    if not found.pairs:
        terminal.print_line("There are no two raters to compare: labels count when their run is submitted.")
        return
    terminal.print_line(
        f"95 % intervals: {found.replicates:,} draws of {number_of(found.clusters, found.clustered_by)},"
        f" seed {found.seed}; ~ marks those of fewer than {FEW_CLUSTERS} {found.clustered_by}s, which may be too narrow"
    )
    headline = found.headline
    typer.echo(f"\nIncorrect against the rest, {found.over_words} ({headline.units:,} steps in {headline.runs:,} runs)")
    terminal.print_table([{"measure": name, **_cells(value)} for name, value, _ in measure_rows(headline)])
    terminal.print_line(f"counts: {pairings_in_words(headline) or 'none'}")
    terminal.print_line(why_they_differ(headline))
    several = list(scopes(found).values())
    typer.echo("\nWhose agreement, on which question")
    _print_rows([row for scope in several for row in _questions(scope)[: None if scope is several[0] else 1]])
    typer.echo("\nFailure onset, where both have one")
    _print_rows([row for scope in several for row in _onset(scope)])
    typer.echo("\nRanges and stages")
    _print_rows([row for scope in several for row in _ranges_and_stages(scope)])
    typer.echo("\nRaters")
    _print_rows(_raters(found))


def _print_rows(rows: "Sequence[Mapping[str, Any]]") -> None:
    """A table of estimates and of what they are of; below it why any of them is undefined."""
    from codetracer_core.intervals import Estimate

    shown = [
        {name: _words(value) if isinstance(value, Estimate) else value for name, value in row.items()} for row in rows
    ]
    terminal.print_table(shown)
    terminal.print_undefined(value for row in rows for value in row.values() if isinstance(value, Estimate))


def _questions(scope: "Scope") -> list[dict[str, Any]]:
    from codetracer_core.agreement.told import pairings_in_words

    return [
        {
            "whose": scope.name,
            "question": of.question,
            "n": f"{of.units:,} {of.unit}s",
            "alpha": of.alpha,
            "raw": of.raw,
            "counts": pairings_in_words(of),
        }
        for of in scope.questions
        if of.units
    ]


def _onset(scope: "Scope") -> list[dict[str, Any]]:
    of = scope.onset
    row: dict[str, Any] = {"whose": scope.name, "both": of.both, "one": of.only_first + of.only_second}
    row |= {"neither": of.neither}
    for within in of.within:
        row["same" if not within.k else f"±{within.k}"] = within.share
        row["chance" if not within.k else f"chance ±{within.k}"] = terminal.value_words(within.chance)
    return [row]


def _ranges_and_stages(scope: "Scope") -> list[dict[str, Any]]:
    incorrect, unuseful = scope.ranges
    return [
        {
            "whose": scope.name,
            "ranges of incorrect, F1": incorrect.f1,
            "of unuseful, F1": unuseful.f1,
            "runs with stages": scope.stages.runs,
            "WindowDiff": scope.stages.window_diff,
            **{f"borders ±{border.tolerance}, F1": border.f1 for border in scope.stages.borders},
        }
    ]


def _raters(found: "Agreement") -> list[dict[str, Any]]:
    from codetracer_core.agreement.told import rater_name

    return [
        {
            "rater": rater_name(found.raters[report.rater]),
            "runs": report.runs,
            "steps": report.steps,
            "incorrect": report.incorrect,
            "uncertain": report.uncertain,
            "unlabelled": report.unlabelled,
            "s/step": report.seconds_per_step,
            "PSA with adjudicated": report.psa_with_adjudicated,
        }
        for report in found.by_rater
    ]


def _cells(value: "Estimate") -> dict[str, str]:
    return {
        "value": terminal.value_words(value),
        "95 % interval": terminal.interval_words(value),
        "why": value.why or value.why_no_interval,
    }


def _words(value: "Estimate") -> str:
    return f"{terminal.value_words(value)} {terminal.interval_words(value)}".rstrip()
