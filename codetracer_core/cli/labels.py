"""Commands about labels: one step, or a file of them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import AsJson, Workspace, place_of, whose
from codetracer_core.errors import CodeTracerError

Verdict = Literal["correct", "incorrect", "unuseful", "uncertain", "unlabelled"]


def label(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of an imported run.")],
    step: Annotated[int, typer.Option("--step", min=1, help="The step to label.", show_default=False)],
    verdict: Annotated[
        Verdict, typer.Option("--verdict", help="'unlabelled' takes your label back.", show_default=False)
    ],
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Who says so (else your login name).", show_default=False)
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Label one step. Works while the dashboard has the workspace open, too.

    \b
    Example:
      codetracer label some-run-0123456789 --step 12 --verdict incorrect --annotator ana
    """
    from codetracer_core.workflow import label_step

    annotator = whose(annotator)
    note = label_step(
        run, step, None if verdict == "unlabelled" else verdict, annotator=annotator, workspace=place_of(workspace)
    )
    terminal.print_line(f"{run}, step {step}: {verdict}, by {annotator}{f' ({note})' if note else ''}")


def import_labels(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Events (.jsonl, .parquet), a table (.csv), codetracer_labels.json or a folder of such, a manifest.",
            show_default=False,
        ),
    ],
    annotator: Annotated[
        str | None, typer.Option(help="Whose labels these are, where the file does not say.", show_default=False)
    ] = None,
    source: Annotated[
        Literal["human", "model", "adjudicated"] | None,
        typer.Option(help="What made them, where the file does not say (else human).", show_default=False),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="The run, where the file does not say (else its folder's name).", show_default=False
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--map", help="Columns of a table: run_id=traj,step_id=step,verdict=label.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be stored; store nothing.")] = False,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Take in the labels of a file. Importing it twice changes nothing; a bad row is reported, the rest goes in.

    Works while the dashboard has the workspace open, too. The runs must be imported already.

    \b
    Examples:
      codetracer labels import events.jsonl
      codetracer labels import sheet.csv --map run_id=traj,step_id=step,verdict=label --annotator ana --dry-run
      codetracer labels import some-run/codetracer_labels.json --source model --annotator my-model
    """
    from contextlib import nullcontext

    from codetracer_core import label_importing
    from codetracer_core.label_files import Unsaid
    from codetracer_core.store import Store, open_for_writing

    place = place_of(workspace)
    unsaid = Unsaid(annotator, source, run, _mapping(columns))
    with Store.open_for_reading(place) as reader, nullcontext() if dry_run else open_for_writing(place) as writer:
        report = label_importing.import_labels(file, reader, writer, unsaid)
    if as_json:
        terminal.print_json({"dry_run": dry_run} | report.as_json(terminal.SHOWN))
    else:
        terminal.print_label_report(report, dry_run=dry_run)
    if report.refused and not report.labels and not report.known:
        raise CodeTracerError(f"no label {'would come' if dry_run else 'came'} in: {report.refused[0]}")


def _mapping(columns: str | None) -> dict[str, str]:
    """``run_id=traj,step_id=step`` as the column by its meaning."""
    pairs = [pair.partition("=") for pair in columns.split(",")] if columns else []
    if not all(meaning and name for meaning, _, name in pairs):
        raise typer.BadParameter("--map is a list of meaning=column, as in run_id=traj,step_id=step")
    return {meaning.strip(): name.strip() for meaning, _, name in pairs}
