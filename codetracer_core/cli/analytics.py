"""Figures over many runs to files."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import Workspace, place_of
from codetracer_core.errors import CodeTracerError, NotFound

# As in ``analytics``, which is too heavy to be loaded before a command runs; a test compares them.
Group = Literal["model", "agent", "agent_model", "outcome", "category", "difficulty", "collection", "all"]
_ENDINGS = (".html", ".svg", ".csv")


def _several(words: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=words, show_default=False)
    return option


def analytics(
    figure: Annotated[
        str | None, typer.Argument(metavar="FIGURE", help="Name of a figure; --list tells them.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write: .html (opens offline), .svg or .csv (else CSV on the screen)."
        ),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Tell which figures there are.")] = False,
    labels: Annotated[
        str, typer.Option(help="Whose labels: ground_truth, adjudicated, model:NAME or human:NAME.")
    ] = "ground_truth",
    by: Annotated[
        Group | None,
        typer.Option(help="What runs are told apart by (else what suits the figure).", show_default=False),
    ] = None,
    agent: Annotated[list[str] | None, _several("Only runs of this agent; repeat it for several.")] = None,
    model: Annotated[list[str] | None, _several("Only runs of this model; repeat it for several.")] = None,
    outcome: Annotated[list[str] | None, _several("Only solved, failed or unknown.")] = None,
    task: Annotated[list[str] | None, _several("Only runs of this task.")] = None,
    category: Annotated[list[str] | None, _several("Only tasks of this category.")] = None,
    difficulty: Annotated[list[str] | None, _several("Only tasks of this difficulty.")] = None,
    collection: Annotated[list[str] | None, _several("Only this collection.")] = None,
    text: Annotated[str, typer.Option(help="Only runs with this in their id or task.", show_default=False)] = "",
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    workspace: Workspace = None,
) -> None:
    """Draw a figure over many runs, or write its numbers.

    What is filtered by and not known of a run is called unknown; a name that no run has is an error. How many runs and
    steps a figure counts, and what it leaves out and why, stands in the figure and is printed.

    \b
    Examples:
      codetracer analytics --list
      codetracer analytics solved_rate --out solved.html
      codetracer analytics step_budget --labels model:heuristic --agent OpenHands --out budget.svg --dark
      codetracer analytics error_position --outcome failed > positions.csv
    """
    from codetracer_core.analytics import FIGURES, Labels, data_of, figure_named, filtered
    from codetracer_core.export import frame_as_csv
    from codetracer_core.exporting import write_bytes
    from codetracer_core.figures import as_html, as_image, draw
    from codetracer_core.store import Store

    if show_list or figure is None:
        for one in FIGURES:
            terminal.print_line(f"{one.name:20} {one.title}: {one.question}")
        return
    chosen = figure_named(figure)
    if out is not None and out.suffix.lower() not in _ENDINGS:
        raise CodeTracerError(
            f"figures are not written as {out.suffix or 'files without an ending'}",
            path=out,
            remedy=f"Endings are {', '.join(_ENDINGS)}.",
        )
    named = Labels.parse(labels)
    wanted = {
        "agent": agent or [],
        "model": model or [],
        "outcome": outcome or [],
        "task": task or [],
        "category": category or [],
        "difficulty": difficulty or [],
        "collection": collection or [],
    }
    with Store.open_for_reading(place_of(workspace)) as reader:
        if "labels" in chosen.needs and named.name and named not in (sources := reader.label_sources()):
            raise NotFound(
                f"there are no {named.in_words}",
                remedy=f"There are {', '.join(map(str, sources)) or 'no labels at all yet'}.",
            )
        frames = filtered(reader.frames(named), wanted, text=text)
    data = data_of(chosen, frames, by)
    for note in (data.why, *data.notes):
        if note:
            terminal.print_line(note, err=True)
    if out is None or out.suffix.lower() == ".csv":
        if out is None:
            typer.echo(frame_as_csv(data.rows), nl=False)
        else:
            write_bytes(out, frame_as_csv(data.rows).encode())
        return
    drawn = draw(chosen, data, dark=dark, alone=True)
    if out.suffix.lower() == ".html":
        write_bytes(out, as_html(drawn, chosen.name).encode())
    else:
        write_bytes(out, as_image(drawn, "svg"))
