"""The verbs of work on projects, shared by the command line and the dashboard: create, change, assign, look, export."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from codetracer_core.benchmark import validation_in_words
from codetracer_core.errors import CodeTracerError
from codetracer_core.people import read_people
from codetracer_core.projects import DONE, OPEN, Assignment, Project, State
from codetracer_core.store import Reader, Store

# --- settings -----------------------------------------------------------------------------------------------


def create_project(
    store: Store, project_id: str, run_ids: Sequence[str], *, created_by: str, **settings: Any
) -> Project:
    """Make a project of these runs; ``settings`` are fields of ``Project``.

    Raises CodeTracerError, in words, for settings that are none, no runs at all or a name that is taken; NotFound for
    an unknown run.
    """
    if not run_ids:
        raise CodeTracerError("a project needs at least one run", remedy="Choose runs by their ids or by filters.")
    given = {"project_id": project_id, "created_by": created_by, "created_at": datetime.now(UTC)}
    project = _valid(settings | given)
    store.create_project(project, run_ids)
    return project


def change_project(store: Store, project_id: str, **settings: Any) -> Project:
    """Change some settings of a project, ``settings`` being fields of ``Project``; raises as ``create_project``."""
    project = _valid(store.project(project_id).model_dump() | settings)
    store.change_project(project)
    return project


def _valid(settings: dict[str, Any]) -> Project:
    try:
        return Project.model_validate(settings)
    except ValidationError as error:
        raise CodeTracerError(f"this cannot be a project: {validation_in_words(error)}") from error


# --- assigning ----------------------------------------------------------------------------------------------


def assign(
    store: Store, project_id: str, annotators: Sequence[str] = (), *, each: int | None = None
) -> list[Assignment]:
    """Share the runs of a project out fairly (see ``projects.distribute``); returns what is new.

    Without ``annotators`` to those whom the project names, or else everybody who has the role by name. Raises
    CodeTracerError if there is nobody, if the project is closed, or if one of them may not label or does not take part.
    """
    people = read_people(store.workspace.folder)
    project = store.project(project_id)
    named = sorted(name for name, roles in people.people.items() if "annotator" in roles)
    chosen = list(annotators) or list(project.annotators) or named
    if not chosen:
        raise CodeTracerError(f"nobody is named who takes part in {project_id!r}", remedy="Name them with --to.")
    for who in chosen:
        if not {"annotator", "lead"} & people.roles_of(who):
            raise CodeTracerError(f"{who!r} may not label in this workspace", remedy="people.toml gives the roles.")
    return store.assign(project_id, chosen, each=each)


# --- looking ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunStatus:
    """How far the work on one run of a project is."""

    run_id: str
    step_count: int
    state: State | None
    """Of the run as a whole; submitted: by as many people as are wanted; None: nobody has it."""
    submissions: int
    """By different people."""
    wanted: int
    work: tuple[Assignment, ...]
    """Everybody's, repetitions included, in the order in which it was assigned."""


@dataclass(frozen=True)
class PersonStatus:
    """How far one person is in a project."""

    annotator: str
    states: dict[State, int]
    """How many of their assignments (repetitions included) are in each state; states without any are left out."""
    labelled: int
    """Steps with a verdict, over all their assignments; ``step_count`` are the steps of these."""
    step_count: int
    flagged: int


@dataclass(frozen=True)
class ProjectStatus:
    """How far a project is: per run in its order, per person by name."""

    project: Project
    runs: tuple[RunStatus, ...]
    people: tuple[PersonStatus, ...]

    @property
    def finished_runs(self) -> int:
        """Runs with as many submissions as wanted."""
        return sum(run.submissions >= run.wanted for run in self.runs)

    @property
    def missing_submissions(self) -> int:
        return sum(max(0, run.wanted - run.submissions) for run in self.runs)

    @property
    def unassigned_places(self) -> int:
        """How many more times a run could be given to somebody: missing submissions that nobody works on."""
        return sum(
            max(0, run.wanted - len({one.annotator for one in run.work if one.state in (*OPEN, *DONE)}))
            for run in self.runs
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values; times in ISO 8601, UTC."""
        return {
            "project": self.project.model_dump(mode="json"),
            "finished_runs": self.finished_runs,
            "missing_submissions": self.missing_submissions,
            "unassigned_places": self.unassigned_places,
            "people": [vars(person) for person in self.people],
            "runs": [vars(run) | {"work": [assignment_as_json(one) for one in run.work]} for run in self.runs],
        }


def assignment_as_json(assignment: Assignment) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in assignment._asdict().items()
    }


def project_status(reader: Reader, project_id: str) -> ProjectStatus:
    """How far the work on a project is. Raises NotFound."""
    project = reader.project(project_id)
    run_ids = reader.project_runs(project_id)
    step_counts = {run.run_id: run.step_count for run in reader.runs(ids=run_ids)}
    work: dict[str, list[Assignment]] = {run_id: [] for run_id in run_ids}
    own: dict[str, list[Assignment]] = {who: [] for who in project.annotators}
    for one in reader.assignments(project_id):
        work[one.run_id].append(one)
        own.setdefault(one.annotator, []).append(one)
    return ProjectStatus(
        project,
        tuple(_run_status(project, run_id, step_counts[run_id], work[run_id]) for run_id in run_ids),
        tuple(_person_status(who, own[who]) for who in sorted(own)),
    )


def _run_status(project: Project, run_id: str, step_count: int, work: Sequence[Assignment]) -> RunStatus:
    states = {one.state for one in work}
    submissions = len({one.annotator for one in work if one.state in DONE})
    state: State | None = None
    if "adjudicated" in states:
        state = "adjudicated"
    elif submissions >= project.annotators_per_run:
        state = "submitted"
    elif submissions or "in_progress" in states:
        state = "in_progress"
    elif "assigned" in states:
        state = "assigned"
    return RunStatus(run_id, step_count, state, submissions, project.annotators_per_run, tuple(work))


def _person_status(annotator: str, own: Sequence[Assignment]) -> PersonStatus:
    states: dict[State, int] = {}
    for one in own:
        states[one.state] = states.get(one.state, 0) + 1
    return PersonStatus(
        annotator,
        states,
        labelled=sum(one.labelled for one in own),
        step_count=sum(one.step_count for one in own),
        flagged=sum(one.flagged for one in own),
    )
