"""The command line. Thin: each command reads its words, calls one verb and prints what came back.

Nothing heavy is imported before a command needs it, so that help and shell completion answer at once.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core import __version__
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.importing import ImportReport, Progress
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
batch_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder with runs and labels (else CODETRACER_WORKSPACE, else your data folder).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Read as this format; 'codetracer doctor' lists them.", show_default=False),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or file, or the id of an imported run.")]
Verdict = Literal["correct", "incorrect", "unuseful", "uncertain", "unlabelled"]
Source = Literal["human", "model", "ground_truth", "adjudicated"]
Target = Literal["steps", "codetracebench", "jsonl", "csv"]


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
        typer.echo(_harmless(str(error)), err=True)
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
    report = _import(paths or [], manifest, workspace, format)
    if as_json:
        _print_json(report.as_json())
    else:
        _print_report(report)
    _exit_if_nothing_came_in(report)


@batch_app.command()
def import_benchmark(
    manifest: Annotated[Path, typer.Option(help="CodeTraceBench manifest (.jsonl or .parquet).", show_default=False)],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Where its artifacts lie, if not beside it.", show_default=False),
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Import a CodeTraceBench manifest with its artifacts; the report is printed as JSON.

    What is imported already is skipped, so an interrupted import is taken up by calling it again.

    \b
    Example:
      codetracer-batch --manifest bench_manifest.verified.jsonl > report.json
    """
    report = _import(paths or [], manifest, workspace, None)
    _print_json(report.as_json())
    _exit_if_nothing_came_in(report)


def _import(paths: Sequence[Path], manifest: Path | None, workspace: Path | None, format: str | None) -> "ImportReport":
    from codetracer_core.importing import import_runs
    from codetracer_core.store import open_for_writing

    with open_for_writing(_workspace(workspace)) as store, _progress() as progress:
        return import_runs(paths, store=store, manifest=manifest, format=format, progress=progress)


def _exit_if_nothing_came_in(report: "ImportReport") -> None:
    """Some failures in a large import are the report's business; if everything failed, that is an error."""
    counts = report.counts
    if counts["failed"] == sum(counts.values()):
        first = report.items[0] if report.items else None
        words = f"{first.path}: {first.reason} {first.remedy}".rstrip() if first else "no run found"
        more = f" ({counts['failed']} such failures)" if counts["failed"] > 1 else ""
        raise CodeTracerError(f"nothing was imported: {words}{more}")


def _print_report(report: "ImportReport") -> None:
    for status in ("failed", "misaligned", "skipped"):
        items = [item for item in report.items if item.status == status]
        for item in items[:_SHOWN]:
            typer.echo(_harmless(f"{status}: {item.path}: {item.reason}{f' {item.remedy}' if item.remedy else ''}"))
        if len(items) > _SHOWN:
            typer.echo(f"… and {len(items) - _SHOWN} more {status} (--json lists all)")
    typer.echo(", ".join(f"{count} {status}" for status, count in report.counts.items()))


_SHOWN = 20


# --- looking ------------------------------------------------------------------------------------------------


@app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the imported runs.

    \b
    Example:
      codetracer list --json | jq '.[] | select(.outcome == "failed") | .run_id'
    """
    from codetracer_core.store import Store

    with Store.open_for_reading(_workspace(workspace)) as reader:
        runs = reader.runs()
    rows = []
    for run in runs:
        labels = {
            "human": run.human_labels,
            "model": run.model_labels,
            "ground_truth": run.ground_truth_labels,
            "adjudicated": run.adjudicated_labels,
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
                "declared_step_count": run.declared_step_count,
                "collection": run.collection,
            }
        )
    if as_json:
        _print_json(rows)
        return
    _print_table(
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
    view = _open_run(run, workspace, format)
    steps = view.trajectory.steps
    chosen = range(first or 1, (last or len(steps)) + 1) if step is None else range(step, step + 1)
    if step is not None and step > len(steps):
        raise CodeTracerError(f"there is no step {step}: the run has {len(steps)} steps", path=run)
    selected = [one for one in steps if one.step_id in chosen]
    if as_json:
        _print_json(_run_as_json(view, selected, show_tree))
    elif show_tree:
        typer.echo(_harmless(view.tree_text))
    elif step is None and first is None and last is None:
        _print_overview(view)
    else:
        for one in selected:
            _print_step(view, one)


@app.command()
def tree(run: Run, workspace: Workspace = None, format: Format = None) -> None:
    """Print a run's trace tree. Each change of state opens a node; what only looked around hangs below it.

    \b
    Example:
      codetracer tree sample_data/some-run
    """
    typer.echo(_harmless(_open_run(run, workspace, format).tree_text))


def _open_run(run: str, workspace: Path | None, format: str | None) -> "RunView":
    from codetracer_core.workflow import open_run

    return open_run(run, _workspace(workspace), format=format)


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
        "stages_from": view.stage_rule,
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


def _print_overview(view: "RunView") -> None:
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
            typer.echo(f"{name:8} {_one_line(str(value), 300)}")
    for note in run.notes:
        typer.echo(f"note     {_one_line(note, 500)}")
    for row in view.tree.rows:
        typer.echo(f"{row.step_id:5} {row.kind:8} {row.label}")


def _print_step(view: "RunView", step: "Step") -> None:
    row = view.tree.rows[step.step_id - 1]
    facts = [f"step {step.step_id}", f"{row.kind}: {row.reason}"]
    facts += [f"tool {step.tool.name}"] if step.tool else []
    facts += [] if step.executed else ["not executed"]
    facts += [f"parallel group {step.parallel_group}"] if step.parallel_group is not None else []
    facts += [f"sub-agent {step.branch}"] if step.branch else []
    facts += [f"exit code {step.exit_code}"] if step.exit_code is not None else []
    facts += [step.timestamp.isoformat()] if step.timestamp else []
    typer.echo(_one_line(" · ".join(facts), 500))
    for name in ("thought", "action", "observation"):
        text = getattr(step, name)
        if text is None:
            typer.echo(f"--- no {name}")
        else:
            ref = getattr(step, f"{name}_ref")
            typer.echo(f"--- {name}{f' ({_one_line(ref.path, 200)}, line {ref.line_start})' if ref else ''}")
            typer.echo(_harmless(text))
    typer.echo("")


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

    if annotator is None:
        import getpass

        annotator = getpass.getuser()
    note = label_step(
        run, step, None if verdict == "unlabelled" else verdict, annotator=annotator, workspace=_workspace(workspace)
    )
    typer.echo(_harmless(f"{run}, step {step}: {verdict}, by {annotator}{f' ({note})' if note else ''}"))


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
        typer.Option("--out", "-o", help="File to write (else the screen); for steps a folder.", show_default=False),
    ] = None,
    source: Annotated[
        Source | None,
        typer.Option(help="Whose labels (codetracebench: ground_truth if not named; else all).", show_default=False),
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="Only this annotator's labels.", show_default=False)] = None,
    workspace: Workspace = None,
) -> None:
    """Write runs and labels for other programs.

    \b
    steps           normalised files (steps.json, task.md, tree.md, stage_ranges.json), a folder per run
    codetracebench  manifest rows as JSON lines, with the labels of one source
    jsonl           every act of labelling, one per line
    csv             the verdicts in force, one per line

    \b
    Examples:
      codetracer export some-run-0123456789 --to steps --out normalised
      codetracer export --all --to codetracebench --source human --annotator ana --out rows.jsonl
    """
    from codetracer_core import workflow

    if (run is None) != everything:
        raise typer.BadParameter("name one RUN, or --all.")
    place = _workspace(workspace)
    if to == "steps":
        if out is None:
            raise typer.BadParameter("--to steps writes several files: name a folder with --out.")
        for folder in workflow.export_steps(run, out, place):
            typer.echo(_harmless(str(folder)))
        return
    exported = workflow.export_labels(to, run, place, source=source, annotator=annotator)
    for left_out in exported.left_out:
        typer.echo(_harmless(left_out), err=True)
    if out is None:
        typer.echo(exported.text, nl=False)
    else:
        workflow.write_text(out, exported.text)


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
    from codetracer_core.store import lock_holder
    from codetracer_core.workflow import dashboard_root

    place = _workspace(workspace).expanduser().absolute()
    owner = lock_holder(place)
    if owner is not None and owner.purpose:
        raise CodeTracerError(f"{owner} has this workspace open", path=place, remedy="Use that, or name another one.")
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
        cli.main(["run", str(root / "app.py"), *words], prog_name="streamlit", standalone_mode=False)
    except click.Abort:  # Ctrl-C: the way to stop it
        typer.echo("The dashboard is closed; everything is saved.", err=True)
    except click.ClickException as error:
        raise CodeTracerError(f"the dashboard does not start: {error.format_message()}") from error


@app.command()
def doctor(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Tell how this installation is doing.

    Versions, the workspace and who has it open, the formats that can be read, a browser for the tests, and which
    keys of model providers are set (never what they are).

    \b
    Example:
      codetracer doctor
    """
    from codetracer_core.parsers import PARSERS

    findings = {
        "versions": _versions(),
        "workspace": _workspace_facts(_workspace(workspace)),
        "formats": {parser.name: parser.title for parser in PARSERS},
        "browser": {"chromium": _browser() or "not found (only the tests need one)"},
        "keys": {name: "set" if os.environ.get(name) else "not set" for name in _KEYS},
    }
    if as_json:
        _print_json(findings)
        return
    for topic, facts in findings.items():
        typer.echo(topic)
        for name, value in facts.items():
            typer.echo(f"  {name:24} {_one_line(str(value), 300)}")


_KEYS = (
    *("CODETRACER_API_KEY", "CODETRACER_API_BASE", "CODETRACER_MODEL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"),
    *("GEMINI_API_KEY", "DEEPSEEK_API_KEY", "MOONSHOT_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY"),
    *("AZURE_API_KEY", "AWS_ACCESS_KEY_ID"),
)


def _versions() -> dict[str, str]:
    import platform
    from importlib import metadata

    packages = ("streamlit", "duckdb", "pyarrow", "pandas", "numpy", "networkx", "plotly", "pydantic", "msgspec")
    installed = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {
        "codetracer": __version__,
        "python": f"{platform.python_version()} on {platform.system()} ({platform.machine()})",
        **{name: installed.get(name, "missing") for name in (*packages, "tree-sitter", "tree-sitter-bash", "typer")},
    }


def _workspace_facts(folder: Path) -> dict[str, Any]:
    from codetracer_core.store import Workspace, lock_holder

    place = Workspace(folder.expanduser().absolute())

    def size(files: Sequence[Path]) -> str:
        return f"{len(files)} files, {sum(file.stat().st_size for file in files):,} bytes"

    return {
        "folder": str(place.folder),
        "database": f"{place.database.stat().st_size:,} bytes" if place.database.exists() else "none yet",
        "step text": size(list(place.trajectories.glob("*.parquet"))),
        "inbox": size(list(place.inbox.glob("*.json.zst"))),
        "refused": size(list(place.refused.glob("*.json.zst"))),
        "open in": str(lock_holder(place.folder) or "no process"),
    }


def _browser() -> str | None:
    import shutil

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


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


# --- words --------------------------------------------------------------------------------------------------


def _workspace(named: Path | None) -> Path:
    from codetracer_core.store import default_workspace

    return named if named is not None else default_workspace()


@contextmanager
def _progress() -> "Iterator[Progress | None]":
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


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        typer.echo("no runs yet")
        return
    cells = [list(rows[0]), *([_one_line("" if v is None else str(v), 80) for v in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _harmless(text: str) -> str:
    """``text`` without anything that steers a terminal."""
    from codetracer_core.parsers import strip_ansi

    return _CONTROLS.sub("", strip_ansi(text))


def _one_line(text: str, limit: int) -> str:
    line = " ".join(_harmless(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
