"""Commands about runs: import, list, inspect, tree, export."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.batches import exit_if_nothing_came_in, imported
from codetracer_core.cli.options import AsJson, Format, Run, Settings, Workspace, place_of
from codetracer_core.errors import CodeTracerError
from codetracer_core.words import OUTCOME_WORDS

if TYPE_CHECKING:
    from codetracer_core.models import Step
    from codetracer_core.workflow import RunView

Source = Literal["human", "model", "ground_truth", "adjudicated"]
Target = Literal["steps", "codetracebench", "labels", "jsonl", "csv", "parquet", "html"]


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
                "replay_of": run.replay_of,
                "replay_step": run.replay_step,
            }
        )
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_table(
        [
            {
                **{name: row[name] for name in ("run_id", "agent", "model")},
                "outcome": OUTCOME_WORDS[str(row["outcome"])],
                "labels": row["labels"],
                "steps": f"{row['step_count']}{' (misaligned)' if row['misaligned'] else ''}",
            }
            for row in rows
        ]
    )


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
    from codetracer_core import exporting
    from codetracer_core.export import folder_name
    from codetracer_core.stage_labels import LABELS_FILE
    from codetracer_core.store import Store

    if (run is None) != everything:
        raise typer.BadParameter("name one RUN, or --all.")
    place = place_of(workspace)
    if to == "steps":
        if out is None:
            out = Path("exported") if run is None else Path("exported", folder_name(Path(run).name))
        for folder in exporting.export_steps(run, out, place):
            terminal.print_line(str(folder))
        return
    if to == "html":
        if run is None:
            raise typer.BadParameter("a page shows one RUN.")
        page = exporting.export_page(run, place, annotator=annotator, ground_truth=source == "ground_truth")
        exporting.write_text(out or Path(f"{folder_name(Path(run).name)}.html"), page)
        return
    if to == "parquet" and out is None:
        raise typer.BadParameter("a parquet file is not for the screen: name it with --out.")
    runs = None if run is None else [run]
    left_out: tuple[str, ...] = ()
    with Store.open_for_reading(place) as reader:
        if to == "parquet":
            data = exporting.export_events(reader, runs, source=source, annotator=annotator)
        elif to == "labels":
            files, left_out = exporting.export_stage_labels(reader, runs, source=source, annotator=annotator)
            data = b"".join(text.encode() for text in files.values())
        else:
            exported = exporting.export_labels(to, reader, runs, source=source, annotator=annotator)
            data, left_out = exported.text.encode(), exported.left_out
    for words in left_out:
        terminal.print_line(words, err=True)
    if to == "labels" and run is None:
        for run_id, text in files.items():
            path = (out or Path("exported")) / folder_name(run_id) / LABELS_FILE
            exporting.write_text(path, text)
            terminal.print_line(str(path))
    elif out is None:
        typer.echo(data, nl=False)
    else:
        exporting.write_bytes(out, data)
