"""Replaying runs from the command line. Thin, as ``cli`` is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.option_groups import ReplayOptions, spelled_out
from codetracer_core.cli.options import (
    ApiBase,
    AsJson,
    CostLimit,
    LanguageModel,
    Settings,
    Workspace,
    place_of,
    setup_of,
    whose,
)
from codetracer_core.cli.replay_order import Orders, agent_of, plugin_called, warn_of_this_machine
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.models import RunRecord
    from codetracer_core.replay.models import ReplayOrder
    from codetracer_core.replaying import Choice
    from codetracer_core.store import Reader


def _option(*names: str, words: str, **more: Any) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=words, show_default=False, **more)
    return option


@spelled_out
def replay(
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="An imported run, or a folder or file.", show_default=False),
    ] = None,
    step: Annotated[
        int | None, _option("--step", words="Go on from here; the steps before are run again.", min=1)
    ] = None,
    auto: Annotated[bool, typer.Option("--auto", help="From the failure onset, as adjudicated or diagnosed.")] = False,
    onset_of: Annotated[
        str | None, _option("--onset-of", words="Whose onset: adjudicated, model:NAME, human:NAME or ground_truth.")
    ] = None,
    options: ReplayOptions,
    network: Annotated[bool | None, _option("--network/--no-network", words="Else off where that can be done.")] = None,
    no_advice: Annotated[bool, typer.Option("--no-advice", help="Tell the model nothing of the diagnosis.")] = False,
    model: LanguageModel = None,
    api_base: ApiBase = None,
    cost_limit: CostLimit = None,
    divergence: Annotated[
        float | None, _option("--divergence", words="Share of steps that may differ (else 0.25).", min=0.0, max=1.0)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every imported run that passes the filters.")] = False,
    agent: Annotated[list[str] | None, _option("--agent", words="With --all: only this agent's runs.")] = None,
    task: Annotated[list[str] | None, _option("--task", words="With --all: only runs of this task.")] = None,
    outcome: Annotated[
        list[str] | None, _option("--outcome", words="With --all: only solved, failed or unknown.")
    ] = None,
    collection: Annotated[list[str] | None, _option("--collection", words="With --all: only this collection.")] = None,
    total_cost_limit: Annotated[
        float | None, _option("--total-cost-limit", words="US dollars for all runs together.", min=0.0)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Replay also what was replayed so before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and stop.")] = False,
    settings: Settings = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Run the steps of a run again up to one, then let a model go on from there, in a throw-away environment.

    The earlier steps run in order, and what comes back is compared with the record; if too much differs, the replay
    stops and says so. Then the model goes on, knowing the task, the steps so far and, if there is a diagnosis, its
    evidence and advice. What comes of it is imported as a run of its own. The test command alone decides its outcome;
    without one it is unknown. Ctrl-C ends it, keeps what there is and removes the environment.

    With several runs, or --all, each is replayed from its own failure onset, one after the other; called again, what is
    done is skipped. Then {task} in --folder, --repo, --image, --compose, --env-option and --test stands for the task of
    the run.

    \b
    Examples:
      codetracer replay some-run-0123456789 --auto --env container --image python:3.12 --test "pytest -q" --dry-run
      codetracer replay some-run-0123456789 --step 6 --env git --repo ~/src/tool --allow-local --model openai/gpt-5
      codetracer replay some-run-0123456789 --step 6 --env local --folder work --allow-local --no-agent
      codetracer replay some-run-0123456789 --step 6 --env copied --env-option folder=work --no-agent  # of a plugin
      codetracer replay --all --outcome failed --env container --image tasks/{task} --model openai/gpt-5
    """
    if not runs and not everything:
        raise typer.BadParameter("name a RUN, or --all.")
    if runs and everything:
        raise typer.BadParameter("--all goes without RUN.")
    one_run = runs is not None and len(runs) == 1
    if one_run and (step is None) == (not auto and onset_of is None):
        raise typer.BadParameter("name the --step, or take --auto.")
    if not one_run and step is not None:
        raise typer.BadParameter("--step goes with one RUN: of several, each begins at its own failure onset.")
    from codetracer_core.cli.batches import chosen_runs
    from codetracer_core.store import Store

    config = setup_of(
        settings,
        workspace,
        {
            "llm.model": model,
            "llm.api_base": api_base,
            "replay.network": network,
            "replay.divergence": divergence,
            **options.settings(cost_limit),
        },
    ).config
    chosen = Chosen(
        orders=Orders(
            config=config,
            # What would run can be seen before a model is chosen.
            model=None if options.no_agent or (dry_run and config.llm.model is None) else agent_of(config),
            options=options,
            advice=not no_advice,
            plugin=plugin_called(options),
        ),
        onset_of=onset_of,
        annotator=whose(None),
        step=step,
        again=again,
        total_cost_limit=total_cost_limit,
        as_json=as_json,
        dry_run=dry_run,
    )
    place = place_of(workspace)
    run_ids = [] if everything else chosen_runs(runs or [], None, False, workspace, settings)
    with Store.open_for_reading(place) as reader:
        if everything:
            found = reader.runs(agents=agent, tasks=task, outcomes=outcome, collections=collection)  # type: ignore[arg-type]
            run_ids = [run.run_id for run in found if run.replay_of is None]
            if not run_ids:
                raise CodeTracerError("no imported run passes these filters", remedy="Leave one of them out.")
        _one(chosen, reader, place, run_ids[0]) if one_run else _many(chosen, reader, place, run_ids)


@dataclass(frozen=True)
class Chosen:
    """What was asked for on the command line."""

    orders: Orders
    onset_of: str | None
    annotator: str
    step: int | None
    again: bool
    total_cost_limit: float | None
    as_json: bool
    dry_run: bool


def _choose(chosen: Chosen, reader: "Reader", run_id: str) -> "Choice":
    from codetracer_core.replaying import Choice, choose_step

    if chosen.step is not None:
        return Choice(chosen.step, "as it was asked for")
    return choose_step(reader, run_id, chosen.onset_of, annotator=chosen.annotator)


def _one(chosen: Chosen, reader: "Reader", place: Path, run_id: str) -> None:
    from codetracer_core.cli.replay_terminal import print_result, teller
    from codetracer_core.replaying import replay_run

    record = reader.load_run(run_id)
    choice = _choose(chosen, reader, run_id)
    order = chosen.orders.order(record, choice)
    if chosen.dry_run:
        _show_plan(chosen, record, choice, order)
        return
    if order.place.kind in ("local", "git"):
        warn_of_this_machine(order.place.allowed)
    if not order.test_command:
        _tell_no_tests(order)
    with terminal.stoppable() as received:
        result, new_run_id = replay_run(
            reader,
            place,
            run_id,
            order,
            chosen.orders.model,
            diagnosis_id=choice.diagnosis_id or None,
            origin=choice.origin,
            on_event=teller(),
            cancelled=lambda: bool(received),
        )
    if chosen.as_json:
        terminal.print_json({"result": result.model_dump(mode="json"), "new_run_id": new_run_id or None})
    else:
        print_result(result, new_run_id)
    if result.status == "cancelled":
        terminal.print_line("stopped: what there is is kept, the environment is gone", err=True)
        raise typer.Exit(128 + received[0] if received else 1)
    if result.status in ("failed", "diverged"):
        raise CodeTracerError(f"the replay {result.status}: {result.status_reason}")


def _many(chosen: Chosen, reader: "Reader", place: Path, run_ids: list[str]) -> None:
    from codetracer_core.cli.replay_terminal import print_batch, teller
    from codetracer_core.replaying import before_and_after, replay_all
    from codetracer_core.store import Store

    if chosen.dry_run:
        for run_id in run_ids:
            try:
                record, choice = reader.load_run(run_id), _choose(chosen, reader, run_id)
                _show_plan(chosen, record, choice, chosen.orders.order(record, choice))
            except CodeTracerError as error:
                terminal.print_line(f"{run_id}: would be skipped: {error}", err=True)
        return
    chosen.orders.warn()
    with terminal.stoppable() as received:
        batch = replay_all(
            reader,
            place,
            run_ids,
            chosen.orders.order,
            chosen.orders.model,
            who=chosen.onset_of,
            annotator=chosen.annotator,
            again=chosen.again,
            total_cost_limit=chosen.total_cost_limit,
            on_event=lambda run_id, event: teller(prefix=f"{run_id} ")(event),
            cancelled=lambda: bool(received),
        )
    with Store.open_for_reading(place) as now:  # what this batch has added is in it
        together = before_and_after(now, run_ids)
    if chosen.as_json:
        rows = [row.model_dump(mode="json") for row in batch.rows]
        terminal.print_json({"counts": batch.counts, "runs": rows, "pass_at_1": asdict(together)})
    else:
        print_batch(batch, together)
    terminal.exit_if_stopped(received)
    if all(row.status in ("failed", "skipped", "not started") for row in batch.rows):
        raise CodeTracerError("no run was replayed", remedy="The reasons stand above.")


def _show_plan(chosen: Chosen, record: "RunRecord", choice: "Choice", order: "ReplayOrder") -> None:
    from codetracer_core.cli.replay_terminal import as_plan, print_plan
    from codetracer_core.replay.making import ready
    from codetracer_core.replay.plan import checkpoint

    plan = as_plan(
        record.run_id,
        choice.origin,
        order,
        checkpoint(record.trajectory, order.step_id),
        chosen.orders.model.name if chosen.orders.model is not None else None,
    )
    try:
        ready(record.trajectory, order, chosen.orders.model)
    except CodeTracerError as error:
        plan["refused"] = str(error)
    terminal.print_json(plan) if chosen.as_json else print_plan(plan)


def _tell_no_tests(order: "ReplayOrder") -> None:
    from codetracer_core.replaying import offered_tests

    found = [f"--test '{one}'" for one in offered_tests(order.place)]
    offer = f"; in its folder there is {' or '.join(found)}" if found else ""
    terminal.print_line(f"no test command is given: the outcome will be unknown{offer}", err=True)
