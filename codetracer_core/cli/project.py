"""``codetracer project …``: each command reads its words, calls one verb of ``project_work`` and prints the answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import AsJson, Workspace, listed, place_of, whose
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.projects import Assignment

project_app = typer.Typer(
    help="Projects: who labels which runs, by which rules, and how far they are.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The project.", show_default=False)]
Names = list[str] | None


@project_app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '_', '-'.", show_default=False)],
    title: Annotated[str | None, typer.Option(help="What people read.", show_default=False)] = None,
    runs: Annotated[Names, typer.Option("--runs", help="A run's id; may be repeated.", show_default=False)] = None,
    collection: Annotated[Names, typer.Option(help="Runs of this collection.", show_default=False)] = None,
    agent: Annotated[Names, typer.Option(help="Runs of this agent.", show_default=False)] = None,
    model: Annotated[Names, typer.Option(help="Runs of this model.", show_default=False)] = None,
    task: Annotated[Names, typer.Option(help="Runs on this task.", show_default=False)] = None,
    outcome: Annotated[
        Literal["solved", "failed", "unknown"] | None,
        typer.Option(help="Runs that ended so.", show_default=False),
    ] = None,
    with_ground_truth: Annotated[
        bool, typer.Option("--with-ground-truth", help="Runs of which a benchmark says something.")
    ] = False,
    guidelines: Annotated[
        Path | None, typer.Option(help="Markdown that annotators can open beside a run.", show_default=False)
    ] = None,
    annotators: Annotated[
        str | None, typer.Option(help="Who takes part, as in ann,bob (else everybody).", show_default=False)
    ] = None,
    per_run: Annotated[int | None, typer.Option(help="How many people label each run (else 2).")] = None,
    order: Annotated[
        str | None,
        typer.Option(
            help="listed (else), shuffled (for each person anew), disagreement_first, uncertain_first (models).",
            show_default=False,
        ),
    ] = None,
    claim_hours: Annotated[
        float | None,
        typer.Option(help="After so long without an act somebody else gets the run (else 72; 0: never)."),
    ] = None,
    repeat_share: Annotated[
        float | None, typer.Option(help="Share of one's own runs that come back blind, 0 to 1 (else 0).")
    ] = None,
    repeat_after_hours: Annotated[float | None, typer.Option(help="How long after submission (else 168).")] = None,
    verdicts: Annotated[
        str | None, typer.Option(help="Verdicts that are offered, as in incorrect,unuseful (else all four).")
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Make a project of runs that are imported: those that pass every filter, without any all of them.

    \b
    Examples:
      codetracer project create pilot --agent OpenHands --outcome failed --annotators ann,bob,cy --per-run 2
      codetracer project create gold --with-ground-truth --guidelines guidelines.md --order shuffled
      codetracer project create few --runs some-run-0123456789 --runs other-run-0123456789
    """
    from codetracer_core import project_work
    from codetracer_core.store import Store

    settings: dict[str, Any] = {
        "title": title,
        "guidelines": _text(guidelines),
        "annotators": listed(annotators) or None,
        "annotators_per_run": per_run,
        "order": order,
        "claim_hours": claim_hours,
        "repeat_share": repeat_share,
        "repeat_after_hours": repeat_after_hours,
        "verdicts": listed(verdicts) or None,
    }
    place = place_of(workspace)
    with Store.open_for_reading(place) as reader:
        run_ids = project_work.chosen_runs(
            reader,
            runs or (),
            collections=collection,
            agents=agent,
            models=model,
            tasks=task,
            outcomes=None if outcome is None else [outcome],
            has_ground_truth=True if with_ground_truth else None,
        )
    given = {key: value for key, value in settings.items() if value is not None}
    with Store.open(place) as store:
        project = project_work.create_project(store, name, run_ids, created_by=whose(None), **given)
    people = ", ".join(project.annotators) or "everybody with the role"
    terminal.print_line(f"{name}: {len(run_ids)} runs, each to be labelled by {project.annotators_per_run} of {people}")


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CodeTracerError(f"the guidelines cannot be read ({error})", path=file) from error


@project_app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the projects of the workspace.

    \b
    Example:
      codetracer project list
    """
    from codetracer_core import project_work
    from codetracer_core.store import Store

    with Store.open_for_reading(place_of(workspace)) as reader:
        found = [project_work.project_status(reader, project.project_id) for project in reader.projects()]
    rows = [
        {
            "project": status.project.project_id,
            "title": status.project.title,
            "open": status.project.is_open,
            "runs": len(status.runs),
            "finished_runs": status.finished_runs,
            "missing_submissions": status.missing_submissions,
        }
        for status in found
    ]
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_table(rows, none="no projects yet")


@project_app.command()
def show(name: Name, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Show a project's settings, its guidelines and its runs.

    \b
    Example:
      codetracer project show pilot --json
    """
    from codetracer_core.store import Store

    with Store.open_for_reading(place_of(workspace)) as reader:
        settings = reader.project(name).model_dump(mode="json")
        run_ids = reader.project_runs(name)
    if as_json:
        terminal.print_json(settings | {"runs": run_ids})
        return
    guidelines = settings.pop("guidelines")
    for key, value in settings.items():
        words = ", ".join(value) or "everybody with the role" if isinstance(value, list) else value
        terminal.print_line(f"{key:20} {words}")
    terminal.print_line(f"\n{guidelines.rstrip()}\n" if guidelines.strip() else "\nno guidelines\n")
    for run_id in run_ids:
        terminal.print_line(run_id)


@project_app.command()
def assign(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="Whom, as in ann,bob (else the project's people, else people.toml's).", show_default=False
        ),
    ] = None,
    each: Annotated[
        int | None, typer.Option("--each", min=1, help="Nobody gets more runs than that.", show_default=False)
    ] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Share the runs of a project out ahead of time: evenly, each run to as many people as it wants, to nobody twice.

    What is assigned stays: calling it again fills the gaps that skipped and expired runs leave. An assignment expires
    like any claim, see claim_hours. Whoever is not assigned anything can still take runs on the dashboard.

    \b
    Examples:
      codetracer project assign pilot --to ann,bob,cy
      codetracer project assign pilot --each 10 --json
    """
    from codetracer_core import project_work
    from codetracer_core.store import Store

    with Store.open(place_of(workspace)) as store:
        new = project_work.assign(store, name, listed(to), each=each)
        status = project_work.project_status(store, name)
    if as_json:
        terminal.print_json(
            {
                "assigned": [project_work.assignment_as_json(one) for one in new],
                "unassigned_places": status.unassigned_places,
            }
        )
        return
    for who in sorted({one.annotator for one in new}):
        terminal.print_line(f"{who}: {', '.join(one.run_id for one in new if one.annotator == who)}")
    terminal.print_line(f"{len(new)} assigned, {status.unassigned_places} places without anybody left")


@project_app.command()
def status(name: Name, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Tell how far a project is: by person, by run, and what is left.

    \b
    Example:
      codetracer project status pilot
    """
    from codetracer_core import project_work
    from codetracer_core.store import Store

    with Store.open_for_reading(place_of(workspace)) as reader:
        found = project_work.project_status(reader, name)
    if as_json:
        terminal.print_json(found.as_json())
        return
    terminal.print_table(
        [
            {
                "annotator": one.annotator,
                "assignments": ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in one.states.items()),
                "steps labelled": f"{one.labelled} of {one.step_count}",
                "flagged": one.flagged,
                "time": project_work.in_hours(one.seconds),
            }
            for one in found.people
        ],
        none="nobody has begun",
    )
    typer.echo("")
    terminal.print_table(
        [
            {
                "run_id": run.run_id,
                "state": (run.state or "nobody has it").replace("_", " "),
                "submitted": f"{run.submissions} of {run.wanted}",
                "who": "; ".join(_words(one) for one in run.work),
            }
            for run in found.runs
        ]
    )
    terminal.print_line(
        f"\n{found.finished_runs} of {len(found.runs)} runs finished, {found.missing_submissions} submissions missing, "
        f"{found.unassigned_places} of them without anybody"
    )


def _words(one: "Assignment") -> str:
    flagged = f", {one.flagged} flagged" if one.flagged else ""
    again = " again" if one.pass_number > 1 else ""
    return f"{one.annotator}{again} {one.state.replace('_', ' ')} ({one.labelled}/{one.step_count}{flagged})"


@project_app.command()
def export(
    name: Name,
    to: Annotated[
        Literal["codetracebench", "labels", "jsonl", "csv", "parquet"],
        typer.Option("--to", help="What to write.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT", help="File to write (else the screen); for labels a folder (else NAME).", show_default=False
        ),
    ] = None,
    passes: Annotated[
        Literal["blind", "revised", "all"],
        typer.Option("--pass", help="What was said blind, what was revised after submission, or both."),
    ] = "all",
    annotator: Annotated[str | None, typer.Option(help="Only this person's labels.", show_default=False)] = None,
    source: Annotated[
        Literal["human", "adjudicated"], typer.Option(help="What the annotators say, or what was decided.")
    ] = "human",
    unsubmitted: Annotated[bool, typer.Option("--unsubmitted", help="Also of runs not submitted yet.")] = False,
    workspace: Workspace = None,
) -> None:
    """Write the labels of a project; what is not in the file is told, with the reason.

    \b
    codetracebench  manifest rows as JSON lines: of one annotator, or adjudicated; as it stands after revision
    labels          the same as a folder with a codetracer_labels.json per run
    jsonl, parquet  every act of labelling, with who, when, pass and exposure
    csv             the verdicts in force, likewise

    \b
    Examples:
      codetracer project export pilot --to csv labels.csv --pass blind
      codetracer project export pilot --to codetracebench rows.jsonl --source adjudicated
    """
    from codetracer_core import exporting, project_work
    from codetracer_core.store import Store

    if to == "parquet" and out is None:
        raise typer.BadParameter("a parquet file is not for the screen: name the file to write.")
    with Store.open_for_reading(place_of(workspace)) as reader:
        exported = project_work.export_project(
            reader, name, to, passes=passes, annotator=annotator, source=source, unsubmitted=unsubmitted
        )
    for words in exported.left_out:
        terminal.print_line(words, err=True)
    for path, data in exported.folder.items():
        exporting.write_bytes((out or Path(name)) / path, data)
        terminal.print_line(str((out or Path(name)) / path))
    if exported.data and out is None:
        typer.echo(exported.data, nl=False)
    elif exported.data and out is not None:
        exporting.write_bytes(out, exported.data)
