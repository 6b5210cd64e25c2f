"""The command line. Thin: each command reads its words, calls one verb and prints what came back.

Nothing heavy is imported before a command needs it, so that help and shell completion answer at once.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core import __version__, terminal
from codetracer_core.batch_cli import diagnose_all, exit_if_nothing_came_in, imported
from codetracer_core.cli_options import AsJson, Format, Run, Settings, Workspace, place_of, whose
from codetracer_core.diagnosis_cli import analyze, config
from codetracer_core.errors import CodeTracerError
from codetracer_core.project_cli import project_app

if TYPE_CHECKING:
    from codetracer_core.models import Step
    from codetracer_core.workflow import RunView

app = typer.Typer(
    name="codetracer",
    help="See where a code agent went wrong: read its runs, walk their trace trees, label their steps.\n\n"
    "A first look: codetracer dashboard",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
labels_app = typer.Typer(
    help="Labels from files into the workspace.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(labels_app, name="labels")
app.add_typer(project_app, name="project")
app.command()(analyze)
app.command("batch")(diagnose_all)
app.command()(config)
batch_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
batch_app.command()(diagnose_all)

Verdict = Literal["correct", "incorrect", "unuseful", "uncertain", "unlabelled"]
Source = Literal["human", "model", "ground_truth", "adjudicated"]
Target = Literal["steps", "codetracebench", "labels", "jsonl", "csv", "parquet", "html"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``codetracer``."""
    _run(app, "codetracer", arguments)


def batch(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``codetracer-batch``."""
    _run(batch_app, "codetracer-batch", arguments)


def _run(command: typer.Typer, name: str, arguments: Sequence[str] | None) -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # text of a run may hold what a terminal cannot show
    try:
        command(args=arguments, prog_name=name)
    except CodeTracerError as error:
        terminal.print_line(str(error), err=True)
        raise SystemExit(1) from None


# --- runs in ------------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Folders, files, archives (.zip, .tar.zst, .tar.gz).", show_default=False),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CodeTraceBench manifest (.jsonl, .parquet); its artifacts lie under PATH or beside it."),
    ] = None,
    workspace: Workspace = None,
    format: Format = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Import every run at or below PATH. What cannot be read is reported, the rest is imported.

    \b
    Examples:
      codetracer import ~/runs
      codetracer import bench_artifacts --manifest bench_manifest.verified.jsonl
      codetracer import upload.zip --json
    """
    if not paths and manifest is None:
        raise typer.BadParameter("name at least one PATH, or a --manifest.")
    report = imported(paths or [], manifest, workspace, format, settings)
    if as_json:
        terminal.print_json(report.as_json())
    else:
        terminal.print_report(report)
    exit_if_nothing_came_in(report)


# --- looking ------------------------------------------------------------------------------------------------


@app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the imported runs.

    \b
    Example:
      codetracer list --json | jq '.[] | select(.outcome == "failed") | .run_id'
    """
    from codetracer_core.store import Store

    with Store.open_for_reading(place_of(workspace)) as reader:
        runs = reader.runs()
    rows = []
    for run in runs:
        labels = {
            "human": run.human_labels,
            "model": run.model_labels or 0,
            "ground_truth": run.ground_truth_labels or 0,
            "adjudicated": run.adjudicated_labels or 0,
        }
        rows.append(
            {
                "run_id": run.run_id,
                "agent": run.agent,
                "model": run.model,
                "task": run.task,
                "format": run.format,
                "step_count": run.step_count,
                "outcome": run.outcome,
                "labels": sum(labels.values()),
                "labels_by_source": labels,
                "misaligned": run.misaligned,
                "traj_id": run.traj_id,
                "declared_step_count": run.declared_step_count,
                "collection": run.collection,
            }
        )
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_table(
        [
            {
                **{name: row[name] for name in ("run_id", "agent", "model", "outcome", "labels")},
                "steps": f"{row['step_count']}{' (misaligned)' if row['misaligned'] else ''}",
            }
            for row in rows
        ]
    )


@app.command()
def inspect(
    run: Run,
    step: Annotated[int | None, typer.Option("--step", min=1, help="Only this step, in full.")] = None,
    first: Annotated[int | None, typer.Option("--from", min=1, help="Steps from this one on, in full.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Steps up to this one, in full.")] = None,
    show_tree: Annotated[bool, typer.Option("--tree", help="Show the trace tree instead of the list.")] = False,
    workspace: Workspace = None,
    format: Format = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: its facts and its steps. A folder or file need not be imported, and nothing is written.

    \b
    Examples:
      codetracer inspect sample_data/some-run
      codetracer inspect some-run-0123456789 --step 12
      codetracer inspect some-run-0123456789 --from 10 --to 20 --json
    """
    if step is not None and (first is not None or last is not None):
        raise typer.BadParameter("--step goes without --from and --to.")
    if first is not None and last is not None and last < first:
        raise typer.BadParameter("--to comes before --from.")
    view = _open_run(run, workspace, format)
    steps = view.trajectory.steps
    start = step or first
    if start is not None and start > len(steps):
        raise CodeTracerError(f"there is no step {start}: the run has {len(steps)} steps", path=run)
    selected = steps[(start or 1) - 1 : step or last]
    if as_json:
        terminal.print_json(_run_as_json(view, selected, show_tree))
    elif show_tree:
        terminal.print_line(view.tree_text)
    elif step is None and first is None and last is None:
        terminal.print_overview(view)
    else:
        for one in selected:
            terminal.print_step(view, one)


@app.command()
def tree(run: Run, workspace: Workspace = None, format: Format = None) -> None:
    """Print a run's trace tree. Each change of state opens a node; what only looked around hangs below it.

    \b
    Example:
      codetracer tree sample_data/some-run
    """
    terminal.print_line(_open_run(run, workspace, format).tree_text)


def _open_run(run: str, workspace: Path | None, format: str | None) -> "RunView":
    from codetracer_core.workflow import open_run

    return open_run(run, place_of(workspace), format=format)


def _run_as_json(view: "RunView", selected: Sequence["Step"], with_tree: bool) -> dict[str, Any]:
    run = view.trajectory
    plain = run.model_dump(mode="json", exclude={"steps"})
    return {
        "run_id": view.run_id,
        "path": view.path,
        **{name: plain.pop(name) for name in ("format", "view")},
        "step_count": run.step_count,
        "declared_step_count": view.declared_step_count,
        **plain,
        "stages": [stage.model_dump() for stage in view.stages],
        "stages_from": view.stages_from,
        **({"tree": view.tree_text} if with_tree else {}),
        "steps": [_step_as_json(view, step) for step in selected],
    }


def _step_as_json(view: "RunView", step: "Step") -> dict[str, Any]:
    plain = step.model_dump(mode="json")
    tool = plain.pop("tool") or {}
    row = view.tree.rows[step.step_id - 1]
    return {
        **{name: plain.pop(name) for name in ("step_id", "action", "observation", "thought")},
        "kind": row.kind,
        "reason": row.reason,
        "tool_name": tool.get("name"),
        "tool_arguments": tool.get("arguments"),
        "tool_call_id": tool.get("call_id"),
        **plain,
    }


# --- labels -------------------------------------------------------------------------------------------------


@app.command()
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


@labels_app.command("import")
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

    from codetracer_core import workflow
    from codetracer_core.label_files import Unsaid
    from codetracer_core.store import Store, open_for_writing

    place = place_of(workspace)
    unsaid = Unsaid(annotator, source, run, _mapping(columns))
    with Store.open_for_reading(place) as reader, nullcontext() if dry_run else open_for_writing(place) as writer:
        report = workflow.import_labels(file, reader, writer, unsaid)
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


# --- runs and labels out ------------------------------------------------------------------------------------


@app.command()
def export(
    to: Annotated[Target, typer.Option("--to", help="What to write.", show_default=False)],
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id (for steps also its path).", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every imported run.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write (else the screen); for steps, and labels of --all, a folder (else exported).",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Source | None,
        typer.Option(
            help="Whose labels (codetracebench, labels: else ground_truth; others: else all).", show_default=False
        ),
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="Only this annotator's labels.", show_default=False)] = None,
    workspace: Workspace = None,
) -> None:
    """Write runs and labels for other programs.

    \b
    steps           normalised files (steps.json, task.md, tree.md, stage_ranges.json), a folder per run
    codetracebench  manifest rows as JSON lines, with the labels of one source
    labels          codetracer_labels.json, with the labels of one source; for --all a folder per run
    jsonl, parquet  every act of labelling, one per line or row
    csv             the verdicts in force, one per line
    html            one run with one person's labels as a page to send: opens offline, for reading

    \b
    Examples:
      codetracer export some-run-0123456789 --to steps --out normalised
      codetracer export --all --to codetracebench --source human --annotator ana --out rows.jsonl
    """
    from codetracer_core import workflow
    from codetracer_core.export import folder_name
    from codetracer_core.stage_labels import LABELS_FILE
    from codetracer_core.store import Store

    if (run is None) != everything:
        raise typer.BadParameter("name one RUN, or --all.")
    place = place_of(workspace)
    if to == "steps":
        if out is None:
            out = Path("exported") if run is None else Path("exported", folder_name(Path(run).name))
        for folder in workflow.export_steps(run, out, place):
            terminal.print_line(str(folder))
        return
    if to == "html":
        if run is None:
            raise typer.BadParameter("a page shows one RUN.")
        page = workflow.export_page(run, place, annotator=annotator, ground_truth=source == "ground_truth")
        workflow.write_text(out or Path(f"{folder_name(Path(run).name)}.html"), page)
        return
    if to == "parquet" and out is None:
        raise typer.BadParameter("a parquet file is not for the screen: name it with --out.")
    runs = None if run is None else [run]
    left_out: tuple[str, ...] = ()
    with Store.open_for_reading(place) as reader:
        if to == "parquet":
            data = workflow.export_events(reader, runs, source=source, annotator=annotator)
        elif to == "labels":
            files, left_out = workflow.export_stage_labels(reader, runs, source=source, annotator=annotator)
            data = b"".join(text.encode() for text in files.values())
        else:
            exported = workflow.export_labels(to, reader, runs, source=source, annotator=annotator)
            data, left_out = exported.text.encode(), exported.left_out
    for words in left_out:
        terminal.print_line(words, err=True)
    if to == "labels" and run is None:
        for run_id, text in files.items():
            path = (out or Path("exported")) / folder_name(run_id) / LABELS_FILE
            workflow.write_text(path, text)
            terminal.print_line(str(path))
    elif out is None:
        typer.echo(data, nl=False)
    else:
        workflow.write_bytes(out, data)


# --- the dashboard, and this machine ------------------------------------------------------------------------


@app.command()
def dashboard(
    workspace: Workspace = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
) -> None:
    """Open the dashboard in the browser. An empty workspace starts with the sample runs.

    \b
    Example:
      codetracer dashboard --workspace ~/my-labels --port 8600
    """
    from codetracer_core.store import Store
    from codetracer_core.workflow import dashboard_root

    place = place_of(workspace).expanduser().absolute()
    Store.open(place).close()  # whatever is wrong with the workspace is told here, not in the browser
    root = dashboard_root()
    os.environ["CODETRACER_WORKSPACE"] = str(place)
    os.chdir(root)  # Streamlit reads .streamlit/config.toml from here

    import click  # which Streamlit's own command line is made with
    from streamlit.web import cli

    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": str(no_browser).lower(),
        "server.showEmailPrompt": "false",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    try:
        # Ctrl-C is the way to stop it; where a shell has it ignored, the server ends by itself.
        with contextlib.suppress(click.Abort):
            cli.main(["run", str(root / "app.py"), *words], prog_name="streamlit", standalone_mode=False)
    except click.ClickException as error:
        raise CodeTracerError(f"the dashboard does not start: {error.format_message()}") from error
    typer.echo("The dashboard is closed; everything is saved.", err=True)


@app.command()
def doctor(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Tell how this installation is doing.

    Versions, the workspace and who has it open, the formats that can be read, a browser for the tests, which model
    diagnoses ask, and which keys of model providers are set (never what they are).

    \b
    Example:
      codetracer doctor
    """
    from codetracer_core.doctor import findings

    found = findings(place_of(workspace))
    if as_json:
        terminal.print_json(found)
        return
    for topic, facts in found.items():
        typer.echo(topic)
        for name, value in facts.items():
            terminal.print_line(f"  {name:24} {value}")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"codetracer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None: ...
