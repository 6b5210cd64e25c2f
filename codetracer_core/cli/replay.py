"""Replaying runs from the command line. Thin, as ``cli`` is."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import (
    ApiBase,
    AsJson,
    CostLimit,
    ModelName,
    Settings,
    Workspace,
    place_of,
    setup_of,
    whose,
)
from codetracer_core.errors import CodeTracerError, NotAllowed

if TYPE_CHECKING:
    from codetracer_core.config import Config
    from codetracer_core.llm import Model
    from codetracer_core.models import RunRecord
    from codetracer_core.replay.models import Place, ReplayOrder
    from codetracer_core.replaying import Choice
    from codetracer_core.store import Reader

Kind = Literal["container", "git", "local"]
_TASK = "{task}"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def _option(*names: str, words: str, **more: Any) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=words, show_default=False, **more)
    return option


def replay(
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
    env: Annotated[Kind | None, _option("--env", words="Where commands run (else replay.environment).")] = None,
    folder: Annotated[str | None, _option("--folder", words="local: copy this folder; container: work there.")] = None,
    repo: Annotated[str | None, _option("--repo", words="git: folder or address of the repository.")] = None,
    commit: Annotated[str, typer.Option("--commit", help="git: what to check out.")] = "HEAD",
    image: Annotated[str | None, _option("--image", words="container: from this image (else replay.image).")] = None,
    compose: Annotated[str | None, _option("--compose", words="container: from this compose file.")] = None,
    service: Annotated[str, _option("--service", words="Of the compose file; else its only one.")] = "",
    allow_local: Annotated[
        bool, typer.Option("--allow-local", help="Commands may run on this machine (needed for local and git).")
    ] = False,
    network: Annotated[bool | None, _option("--network/--no-network", words="Else off where that can be done.")] = None,
    no_agent: Annotated[bool, typer.Option("--no-agent", help="Only run the earlier steps again.")] = False,
    no_advice: Annotated[bool, typer.Option("--no-advice", help="Tell the model nothing of the diagnosis.")] = False,
    model: ModelName = None,
    api_base: ApiBase = None,
    max_steps: Annotated[
        int | None, _option("--max-steps", words="Of the model (else as many as the original took from there).", min=1)
    ] = None,
    cost_limit: CostLimit = None,
    test: Annotated[str | None, _option("--test", words="Command whose exit code decides the outcome.")] = None,
    divergence: Annotated[
        float | None, _option("--divergence", words="Share of steps that may differ (else 0.25).", min=0.0, max=1.0)
    ] = None,
    skip_not_replayable: Annotated[
        bool, typer.Option("--skip-not-replayable", help="Leave out steps that cannot be run again, and go on.")
    ] = False,
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
    done is skipped. Then {task} in --folder, --repo, --image, --compose and --test stands for the task of the run.

    \b
    Examples:
      codetracer replay some-run-0123456789 --auto --env container --image python:3.12 --test "pytest -q" --dry-run
      codetracer replay some-run-0123456789 --step 6 --env git --repo ~/src/tool --commit 1a2b3c4 --allow-local
      codetracer replay some-run-0123456789 --step 6 --env local --folder work --allow-local --no-agent
      codetracer replay --all --outcome failed --env container --image tasks/{task} --test ./run-tests.sh
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
    from codetracer_core.config import model_of
    from codetracer_core.store import Store

    config = setup_of(
        settings,
        workspace,
        {
            "llm.model": model,
            "llm.api_base": api_base,
            "replay.allow_local": allow_local or None,
            "replay.environment": env,
            "replay.image": image,
            "replay.network": network,
            "replay.max_steps": max_steps,
            "replay.cost_limit_usd": cost_limit,
            "replay.test_command": test,
            "replay.divergence": divergence,
        },
    ).config
    asked = None if no_agent else model_of(config)
    if asked is None and not no_agent:
        raise CodeTracerError(
            "the offline rules cannot go on with a task: that takes a language model",
            remedy="Name one with --model, or run the earlier steps only (--no-agent).",
        )
    chosen = Chosen(
        config=config,
        model=asked,
        folder=folder,
        repo=repo,
        commit=commit,
        compose=compose,
        service=service,
        advice=not no_advice,
        skip_not_replayable=skip_not_replayable,
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

    config: "Config"
    model: "Model | None"
    folder: str | None
    repo: str | None
    commit: str
    compose: str | None
    service: str
    advice: bool
    skip_not_replayable: bool
    onset_of: str | None
    annotator: str
    step: int | None
    again: bool
    total_cost_limit: float | None
    as_json: bool
    dry_run: bool

    def order(self, record: "RunRecord", choice: "Choice") -> "ReplayOrder":
        """The order for one run. Raises CodeTracerError if something is missing for it."""
        from codetracer_core.replay.models import ReplayOrder
        from codetracer_core.replaying import matched_budget

        settings = self.config.replay
        budget = matched_budget(record.trajectory, choice.step_id).budget(
            cost_limit_usd=settings.cost_limit_usd, token_limit=settings.token_limit
        )
        if settings.max_steps is not None:
            budget = budget.model_copy(
                update={
                    "max_steps": settings.max_steps,
                    "matched": budget.matched and budget.max_steps == settings.max_steps,
                }
            )
        return ReplayOrder(
            place=self.place(record),
            step_id=choice.step_id,
            limits=settings.limits,
            budget=budget,
            divergence=settings.divergence,
            skip_not_replayable=self.skip_not_replayable,
            test_command=_for_task(settings.test_command, record),
            test_seconds=settings.test_seconds,
            agent=self.model is not None,
            advice=self.advice,
        )

    def place(self, record: "RunRecord") -> "Place":
        from codetracer_core.replay.models import ContainerPlace, GitPlace, LocalPlace

        settings = self.config.replay
        where = (
            _for_task(text, record) if text else "" for text in (self.folder, self.repo, settings.image, self.compose)
        )
        folder, repo, image, compose = where
        match settings.environment:
            case None:
                raise CodeTracerError("no environment is named", remedy="Name one: --env container, git or local.")
            case "local":
                if not folder:
                    raise CodeTracerError("there is no folder to copy", remedy="Name it with --folder.")
                return LocalPlace(folder=str(Path(folder).expanduser().resolve()), allowed=settings.allow_local)
            case "git":
                if not repo:
                    raise CodeTracerError("there is no repository to clone", remedy="Name it with --repo.")
                return GitPlace(repository=_repository(repo), commit=self.commit, allowed=settings.allow_local)
            case "container":
                if not image and not compose:
                    raise CodeTracerError("no image is named", remedy="Name one with --image, or --compose.")
                return ContainerPlace(
                    image="" if compose else image,
                    compose_file=str(Path(compose).expanduser().resolve()) if compose else "",
                    service=self.service,
                    folder=folder,
                    engine=settings.engine,
                )


def _repository(named: str) -> str:
    """A folder by its whole path, an address as it is."""
    path = Path(named).expanduser()
    return str(path.resolve()) if path.exists() else named


def _for_task(text: str, record: "RunRecord") -> str:
    """The text with the run's task in the place of ``{task}``: only a plain name, for it becomes part of a path."""
    if _TASK not in text:
        return text
    task = record.trajectory.task or ""
    if not _PLAIN_NAME.fullmatch(task):
        raise CodeTracerError(f"the task of {record.run_id!r} is no plain name: it cannot stand for {_TASK}")
    return text.replace(_TASK, task)


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
    order = chosen.order(record, choice)
    if chosen.dry_run:
        _show_plan(chosen, record, choice, order)
        return
    _warn(order)
    if not order.test_command:
        _tell_no_tests(order)
    with terminal.stoppable() as received:
        result, new_run_id = replay_run(
            reader,
            place,
            run_id,
            order,
            chosen.model,
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
                _show_plan(chosen, record, choice, chosen.order(record, choice))
            except CodeTracerError as error:
                terminal.print_line(f"{run_id}: would be skipped: {error}", err=True)
        return
    if chosen.config.replay.environment in ("local", "git"):
        warn_here(chosen.config.replay.allow_local)
    with terminal.stoppable() as received:
        batch = replay_all(
            reader,
            place,
            run_ids,
            chosen.order,
            chosen.model,
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
    if received:
        terminal.print_line("stopped; what is finished is kept, and the same command goes on from there", err=True)
        raise typer.Exit(128 + received[0])
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
        chosen.model.name if chosen.model is not None else None,
    )
    try:
        ready(record.trajectory, order, chosen.model)
    except CodeTracerError as error:
        plan["refused"] = str(error)
    terminal.print_json(plan) if chosen.as_json else print_plan(plan)


def _tell_no_tests(order: "ReplayOrder") -> None:
    from codetracer_core.replaying import offered_tests

    found = [f"--test '{one}'" for one in offered_tests(order.place)]
    offer = f"; in its folder there is {' or '.join(found)}" if found else ""
    terminal.print_line(f"no test command is given: the outcome will be unknown{offer}", err=True)


def _warn(order: "ReplayOrder") -> None:
    if order.place.kind in ("local", "git"):
        warn_here(order.place.allowed)


def warn_here(allowed: bool) -> None:
    from codetracer_core.replay.environments import WARNING

    if not allowed:
        raise NotAllowed(WARNING, remedy="Allow it with --allow-local, or replay in a container (--env container).")
    terminal.print_line(f"warning: {WARNING}", err=True)
