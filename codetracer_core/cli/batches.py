"""Commands on many runs: import them, have them diagnosed. Thin, as ``cli`` is."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.diagnosis_terminal import batch_progress, print_batch, print_batch_plan
from codetracer_core.cli.option_groups import DiagnosisOptions, spelled_out
from codetracer_core.cli.options import AsJson, DryRun, Settings, Workspace, place_of, setup_of
from codetracer_core.errors import CodeTracerError, in_words
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from codetracer_core.config import Config
    from codetracer_core.diagnosing import BatchReport
    from codetracer_core.importing import ImportReport
    from codetracer_core.llm import Model
    from codetracer_core.store import Reader

WAITS_FOR_THE_OWNER = 30.0
"""Seconds that a batch waits for the dashboard to take in what was imported."""


def imported(
    paths: Sequence[Path], manifest: Path | None, workspace: Path | None, format: str | None, settings: Path | None
) -> "ImportReport":
    """Import with a bar for a person who is watching."""
    from codetracer_core.importing import import_runs
    from codetracer_core.store import open_for_writing

    depth = setup_of(settings, workspace).config.discovery.max_depth
    with open_for_writing(place_of(workspace)) as store, terminal.progress() as progress:
        return import_runs(paths, store=store, manifest=manifest, format=format, max_depth=depth, progress=progress)


def exit_if_nothing_came_in(report: "ImportReport") -> None:
    """Some failures in a large import are the report's business; if everything failed, that is an error."""
    counts = report.counts
    if counts["failed"] == sum(counts.values()):
        first = report.items[0] if report.items else None
        words = f"{first.path}: {in_words(first.reason, first.remedy)}" if first else "no run found"
        more = f" ({counts['failed']} such failures)" if counts["failed"] > 1 else ""
        raise CodeTracerError(f"nothing was imported: {words}{more}")


@spelled_out
def diagnose_all(
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Imported runs, or folders and files; beside a manifest, where its artifacts lie.",
            show_default=False,
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="The runs of a CodeTraceBench manifest (.jsonl, .parquet).", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every imported run.")] = False,
    options: DiagnosisOptions,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Runs at the same time.")] = 4,
    total_cost_limit: Annotated[
        float | None, typer.Option(min=0.0, help="US dollars for all runs together.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the profiles' files here, a folder per run.", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Diagnose also what was diagnosed so before.")] = False,
    dry_run: DryRun = False,
    settings: Settings = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Have many runs diagnosed. What is not imported yet is imported first.

    Each diagnosis is stored as soon as it is finished. Called again, a batch goes on where it was stopped: what is done
    is skipped, and no call to a model is paid for twice. A run that cannot be diagnosed is reported, the others go on.
    With --output every run has a folder of its files there (named by its traj_id, where it has one), and batch.jsonl
    tells of each run. A manifest without --model and --output is imported and nothing else, with a report as JSON.

    There is no option for a key: set CODETRACER_API_KEY, the provider's own variable, or CODETRACER_SECRETS.

    \b
    Examples:
      codetracer batch some-run-0123456789 other-run-0123456789 --model heuristic
      codetracer batch --all --model openai/gpt-5 --parallel 4 --total-cost-limit 20 --dry-run
      codetracer-batch --manifest bench_manifest.verified.jsonl --model openai/gpt-5 --parallel 4 --output diagnoses
      codetracer-batch --manifest bench_manifest.verified.jsonl > report.json
    """
    if not runs and manifest is None and not everything:
        raise typer.BadParameter("name at least one RUN, a --manifest, or --all.")
    if everything and (runs or manifest is not None):
        raise typer.BadParameter("--all goes without RUN and --manifest.")
    if manifest is not None and options.model is None and output is None and not dry_run:
        came_in = imported([Path(run) for run in runs or ()], manifest, workspace, None, settings)
        terminal.print_json(came_in.as_json())
        exit_if_nothing_came_in(came_in)
        return
    from codetracer_core import diagnosing
    from codetracer_core.config import model_of
    from codetracer_core.store import Store

    config = setup_of(settings, workspace, options.settings(output)).config
    asked = model_of(config)
    place = place_of(workspace)
    run_ids = chosen_runs(runs or [], manifest, everything, workspace, settings)
    if not run_ids:
        why = "no row of the manifest has its run here" if manifest is not None else "nothing is imported yet"
        raise CodeTracerError("there is no run to diagnose", remedy=f"The reason: {why}.")
    with Store.open_for_reading(place) as reader:
        if dry_run:
            plan = _plan(reader, run_ids, asked, config, again)
            terminal.print_json(plan) if as_json else print_batch_plan(plan)
            return
        with terminal.stoppable() as received, batch_progress(len(run_ids)) as (on_item, on_progress):
            report = diagnosing.batch(
                reader,
                place,
                run_ids,
                model=asked,
                settings=config.settings,
                memory_characters=config.memory.max_characters,
                parallel=parallel,
                total_cost_limit=total_cost_limit,
                again=again,
                output=config.output.folder,
                profiles=config.output.profiles,
                on_item=on_item,
                on_progress=on_progress,
                cancelled=lambda: bool(received),
            )
    if as_json:
        terminal.print_json(_as_json(report))
    else:
        print_batch(report, config.output.folder)
    _tell_failures(report)
    terminal.exit_if_stopped(received)
    if all(row.status == "failed" for row in report.rows):
        raise CodeTracerError("no run was diagnosed")


def chosen_runs(
    runs: Sequence[str], manifest: Path | None, everything: bool, workspace: Path | None, settings: Path | None
) -> list[str]:
    """Ids of the runs that are named, after the import of those that lie at a path or that a manifest names."""
    from codetracer_core.benchmark import read_manifest
    from codetracer_core.store import Store
    from codetracer_core.workflow import neither

    place = place_of(workspace)
    paths = [path for run in runs if (path := Path(run).expanduser()).exists()]
    names = [run for run in runs if not Path(run).expanduser().exists()]
    found: list[str] = []
    if paths or manifest is not None:
        report = imported(paths, manifest, workspace, None, settings)
        _tell_import(report)
        exit_if_nothing_came_in(report)
        found = taken_in([item.run_id for item in report.items if item.run_id is not None], place)
    with Store.open_for_reading(place) as reader:
        if everything:
            return [run.run_id for run in reader.runs()]
        if manifest is not None:
            wanted = {row.traj_id for row in read_manifest(manifest).rows}
            found = [run.run_id for run in reader.runs(ids=found) if run.traj_id in wanted]
        for name in names:
            with neither(name):
                found.append(reader.find_run(name))
    return list(dict.fromkeys(found))


def taken_in(run_ids: Sequence[str], place: Path) -> list[str]:
    """Those of these runs that the workspace has, once its owner has taken in what waits in the inbox."""
    from codetracer_core.store import Store

    end = time.monotonic() + WAITS_FOR_THE_OWNER
    while True:
        with Store.open_for_reading(place) as reader:
            there = {run.run_id for run in reader.runs(ids=list(run_ids))}
        if len(there) == len(set(run_ids)) or time.monotonic() > end:
            break
        time.sleep(0.5)
    if missing := len(set(run_ids)) - len(there):
        words = f"{number_of(missing, 'run')} wait in the inbox for the dashboard, and are left out this time"
        terminal.print_line(words, err=True)
    return [run_id for run_id in run_ids if run_id in there]


def _tell_import(report: "ImportReport") -> None:
    failed = [item for item in report.items if item.status == "failed"]
    for item in failed[: terminal.SHOWN]:
        terminal.print_line(f"not imported: {item.path}: {in_words(item.reason, item.remedy)}", err=True)
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    terminal.print_line(f"import: {counts}", err=True)


def _plan(
    reader: "Reader", run_ids: Sequence[str], model: "Model | None", config: "Config", again: bool
) -> dict[str, Any]:
    """What a batch would use, as plain values: the sum of the estimates of its runs. Asks no model."""
    from codetracer_core import diagnosing
    from codetracer_core.diagnosing.running import request_key
    from codetracer_core.diagnosis.estimate import estimate, together
    from codetracer_core.memory import chosen

    settings = config.settings
    plan: dict[str, Any] = {"runs": len(run_ids), "model": config.llm.model, "estimate": None}
    if model is None:
        return plan
    done = set() if again else {one.request for one in reader.diagnoses(run_ids) if one.status in diagnosing.DONE}
    insights = reader.insights(enabled=True) if settings.use_memory else []
    estimates = []
    for run_id in run_ids:
        record = reader.load_run(run_id)
        if request_key(record, model, settings) not in done:
            trajectory = diagnosing.evidence_of(record)
            estimates.append(
                estimate(
                    trajectory,
                    settings,
                    price=model.price,
                    context_tokens=model.context_tokens,
                    insights=chosen(insights, trajectory.agent, limit=config.memory.max_characters),
                )
            )
    return plan | {
        "done_before": len(run_ids) - len(estimates),
        "settings": settings.model_dump(mode="json"),
        "context_tokens": model.context_tokens,
        "price": model.price and model.price.model_dump(),
        "estimate": asdict(together(estimates)),
    }


def _as_json(report: "BatchReport") -> dict[str, Any]:
    return {
        "counts": report.counts,
        "usage": report.usage.model_dump(),
        "learned": len(report.learned.admitted),
        "notes": list(report.notes),
        "runs": [row.model_dump(mode="json") for row in report.rows],
    }


def _tell_failures(report: "BatchReport") -> None:
    failed = [row for row in report.rows if row.status == "failed"]
    for row in failed[: terminal.SHOWN]:
        terminal.print_line(f"failed: {row.traj_id or row.run_id}: {row.reason}", err=True)
    if len(failed) > terminal.SHOWN:
        terminal.print_line(f"… and {len(failed) - terminal.SHOWN} more failed (--json lists all)", err=True)
