"""The whole way in one command. Thin, as ``cli`` is."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.batches import imported, taken_in
from codetracer_core.cli.diagnosis_terminal import batch_progress
from codetracer_core.cli.option_groups import DiagnosisOptions, ReplayOptions, spelled_out
from codetracer_core.cli.options import AsJson, Format, Settings, Workspace, place_of, setup_of
from codetracer_core.cli.replay_order import Orders, agent_of, plugin_called
from codetracer_core.errors import CodeTracerError, in_words

if TYPE_CHECKING:
    from codetracer_core.config import Config
    from codetracer_core.importing import ImportReport
    from codetracer_core.llm import Model


@spelled_out
def run(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Runs: a folder, a file or an archive.")],
    *,
    options: DiagnosisOptions,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write files here: a folder per run, and the summary.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Go on with so many runs only.", show_default=False)
    ] = None,
    accept_extractor: Annotated[
        bool,
        typer.Option(
            "--accept-extractor", help="Take a format that the model describes without asking, if all checks pass."
        ),
    ] = False,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Runs diagnosed at the same time.")] = 4,
    total_cost_limit: Annotated[
        float | None,
        typer.Option(min=0.0, help="US dollars for all diagnoses, and as much for all replays.", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was diagnosed and replayed so before.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay runs whose diagnosis names an onset; see 'codetracer replay'.")
    ] = False,
    replays: ReplayOptions,
    settings: Settings = None,
    workspace: Workspace = None,
    format: Format = None,
    as_json: AsJson = False,
) -> None:
    """From files to findings: detect the format, import, build trees, diagnose, replay if asked, and tell it all.

    Without a model the offline rules diagnose. If no format fits and --model names a language model, it describes the
    format; that is shown, and taken if you say yes (or with --accept-extractor, if every check passes). With --output
    each run has a folder of its files: steps, tree, labels, the diagnosis and a page to send; summary.json and
    report.txt tell of all. They hold what the run shows and its diagnosis says, no labels of people or a benchmark.
    What fails for one run stops no other. Ctrl-C keeps what is there; called again, the command goes on from there and
    pays for nothing twice.

    \b
    Examples:
      codetracer run ~/runs
      codetracer run ~/runs --model openai/gpt-5 --limit 5 --output findings
      codetracer run unknown-logs --model openai/gpt-5 --accept-extractor --json
      codetracer run some-run --model openai/gpt-5 --replay --env container --image python:3.12 --test "pytest -q"
    """
    from codetracer_core import pipeline
    from codetracer_core.cli.pipeline_terminal import print_story, report
    from codetracer_core.cli.replay_terminal import teller
    from codetracer_core.config import model_of
    from codetracer_core.diagnosing.outputs import make_folder, refuse_evidence

    config = _config(settings, workspace, options.settings(output) | replays.settings(options.cost_limit))
    place, asked, target = place_of(workspace), model_of(config), config.output.folder
    if target is not None:  # told before anything is paid for
        refuse_evidence(target, path)
        make_folder(target)
    orders = None
    if replay:
        plugin = plugin_called(replays)
        if plugin is None and config.replay.environment is None:
            raise CodeTracerError(
                "no environment is named for replays", remedy="Name one: --env container, git or local."
            )
        orders = Orders(
            config=config,
            model=None if replays.no_agent else agent_of(config),
            options=replays,
            plugin=plugin,
        )
        orders.warn()
    with _quiet(as_json):
        came_in = imported([path], None, workspace, format, settings)
        extractor = ""
        if _is_unknown(came_in) and format is None and asked is not None and path.is_dir():
            extractor = _described(path, asked, place, accept_extractor, config)
            came_in = imported([path], None, workspace, None, settings)
    run_ids = list(dict.fromkeys(item.run_id for item in came_in.items if item.run_id is not None))
    if not run_ids:
        raise CodeTracerError(_why_nothing(came_in, asked), remedy=_what_helps(came_in, asked))
    there = taken_in(run_ids, place)
    chosen = there[:limit]
    with terminal.stoppable() as received:
        with batch_progress(len(chosen)) as (on_item, on_progress):
            stories, notes = pipeline.diagnosed(
                place,
                chosen,
                model=asked,
                settings=config.settings,
                memory_characters=config.memory.max_characters,
                parallel=parallel,
                total_cost_limit=total_cost_limit,
                again=again,
                profiles=config.output.profiles,
                output=target,
                on_item=on_item,
                on_progress=on_progress,
                cancelled=lambda: bool(received),
            )
        if orders is not None:
            stories = pipeline.replayed(
                place,
                stories,
                orders.order,
                orders.model,
                again=again,
                total_cost_limit=total_cost_limit,
                on_event=lambda run_id, event: teller(prefix=f"{run_id} ")(event),
                cancelled=lambda: bool(received),
            )
        if target is not None:
            stories = pipeline.with_files(stories, place, target)
    story = pipeline.summed_up(
        stories,
        came_in,
        extractor=extractor,
        not_begun=len(there) - len(chosen),
        notes=notes,
        output=target,
        report=lambda told: report(told, config.llm.model),
    )
    terminal.print_json(story.as_json()) if as_json else print_story(story, config.llm.model)
    terminal.exit_if_stopped(received)
    if not any(one.worked for one in stories):
        raise CodeTracerError("no run was diagnosed", remedy="The reasons stand above.")


def _config(settings: Path | None, workspace: Path | None, given: dict[str, Any]) -> "Config":
    """The settings in force; where nobody names a model, the offline rules are asked."""
    from codetracer_core.diagnosis_models import HEURISTIC

    setup = setup_of(settings, workspace, given)
    return setup.config if setup.config.llm.model else setup.over({"llm.model": HEURISTIC}, "default").config


def _is_unknown(report: "ImportReport") -> bool:
    """No format recognises anything there: not a run that is broken, which no description would mend."""
    return all(item.run_id is None and item.format is None for item in report.items)


def _described(path: Path, model: "Model", place: Path, accept: bool, config: "Config") -> str:
    """Have the model describe the format of what lies here; returns what it is called.

    Raises CodeTracerError if nothing comes of it, or nobody accepts it."""
    from codetracer_core.cli.extractors_accepting import take
    from codetracer_core.cli.extractors_terminal import print_progress
    from codetracer_core.extractors.generator import propose
    from codetracer_core.extractors.registry import version_of

    terminal.print_line(f"no format recognises anything in {path}: {model.name} is asked to describe it", err=True)
    with terminal.stoppable() as received:
        proposed = propose(
            path,
            model,
            ceiling=config.settings.cost_limit_usd,
            on_progress=print_progress,
            cancelled=lambda: bool(received),
        )
    take(proposed, path, place, out=None, yes=accept)
    assert proposed.spec is not None  # else it was not taken
    return f"{proposed.spec.name} v{version_of(place, proposed.spec.name).number}"


def _why_nothing(report: "ImportReport", model: "Model | None") -> str:
    first = report.items[0] if report.items else None
    return f"nothing was imported: {first.path}: {in_words(first.reason, '')}" if first else "no run was found"


def _what_helps(report: "ImportReport", model: "Model | None") -> str:
    if _is_unknown(report) and model is None:
        return "Name a language model (--model), which can describe an unknown format."
    return report.items[0].remedy if report.items else "Check the path."


@contextmanager
def _quiet(as_json: bool) -> Iterator[None]:
    """With --json, nothing but JSON goes to standard output: what is told on the way goes to the other one."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield
