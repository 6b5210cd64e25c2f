"""The verbs of work on projects, shared by the command line and the dashboard: create, change, assign, look, export."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from codetracer_core.benchmark import validation_in_words
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.export import events_as_jsonl, events_as_parquet, folder_name, verdicts_as_csv
from codetracer_core.exporting import POSITIVE, manifest_line, stage_labels_file
from codetracer_core.models import LabelEvent
from codetracer_core.people import LABELLERS, read_people
from codetracer_core.projects import DONE, OPEN, Assignment, Project, State
from codetracer_core.stage_labels import LABELS_FILE
from codetracer_core.store import Reader, Store, StoredEvent

# --- settings -----------------------------------------------------------------------------------------------


def chosen_runs(reader: Reader, names: Sequence[str] = (), **filters: Any) -> list[str]:
    """Ids of the runs that are called so (in this order; without names: all) and pass the filters of ``Reader.runs``.

    Raises NotFound for a name that no run has.
    """
    ids = list(dict.fromkeys(reader.find_run(name) for name in names)) if names else None
    passing = [run.run_id for run in reader.runs(ids=ids, **filters)]
    return passing if ids is None else [run_id for run_id in ids if run_id in passing]


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
    chosen = list(annotators) or list(project.annotators) or people.with_role("annotator")
    if not chosen:
        raise CodeTracerError(f"nobody is named who takes part in {project_id!r}", remedy="Name them with --to.")
    for who in chosen:
        if people.roles_of(who).isdisjoint(LABELLERS):
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
    seconds: int
    """Time on task until submission."""


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


def in_hours(seconds: int) -> str:
    """Time on task for people: ``1:05 h``."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02} h"


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
        seconds=sum(one.seconds for one in own),
    )


# --- export -------------------------------------------------------------------------------------------------

Form = Literal["codetracebench", "labels", "jsonl", "csv", "parquet"]
Passes = Literal["blind", "revised", "all"]
HumanSource = Literal["human", "adjudicated"]

_ONE_STORY: tuple[Form, ...] = ("codetracebench", "labels")
"""Forms that tell one story of a run."""
_HELD_BY_THEM = ("stages", "shown")
"""Fields, beside positive verdicts, that are either in these forms or no label."""
_NAMED = 20
"""So many runs are named in words about what is left out."""


@dataclass(frozen=True)
class ProjectExport:
    """The labels of a project as one file, or as a folder of files; and in words what is not in them."""

    data: bytes
    """The file; empty if there is a folder."""
    folder: dict[str, bytes]
    """Files by their path in it ("labels" only)."""
    left_out: tuple[str, ...]


def export_project(
    reader: Reader,
    project_id: str,
    form: Form,
    *,
    passes: Passes = "all",
    annotator: str | None = None,
    source: HumanSource = "human",
    unsubmitted: bool = False,
) -> ProjectExport:
    """The labels of a project for other programs: those of its passes, of runs that their annotators have submitted.

    "jsonl", "parquet": every act of labelling. "csv": the verdicts in force. Each tells who, when and in which pass;
    ``passes`` says which: "blind", what was "revised" after submission, or both. "codetracebench" (manifest rows) and
    "labels" (``codetracer_labels.json`` by run) tell one story of a run: that of one ``annotator`` or the adjudicated
    one; with "all" as it stands after revision, and never from a repetition. What was not submitted yet is left out
    unless asked for with ``unsubmitted``. Raises NotFound if nothing is left.
    """
    chosen = _chosen(reader, project_id, source, annotator, unsubmitted=unsubmitted)

    def counts(event: LabelEvent) -> bool:
        if event.source != source or annotator not in (None, event.annotator):
            return False
        if source == "adjudicated":
            return event.run_id in chosen.run_ids
        kind: Passes = "blind" if event.pass_number % 2 else "revised"
        return passes in ("all", kind) and (event.run_id, event.annotator, _blind(event)) in chosen.blind_passes

    if form in ("jsonl", "parquet"):
        acts = [event for run_id in chosen.run_ids for event in reader.label_history(run_id) if counts(event)]
        data = events_as_jsonl(acts).encode() if form == "jsonl" else events_as_parquet(acts)
        export = ProjectExport(data if acts else b"", {}, chosen.left_out)
    else:
        labels: dict[str, list[StoredEvent]] = {run_id: [] for run_id in chosen.run_ids}
        for event in reader.labels(source=source, annotator=annotator):
            if counts(event):
                labels[event.run_id].append(event)
        export = _verdicts(reader, labels, chosen) if form == "csv" else _stories(reader, form, labels, chosen)
    if not export.data and not export.folder:
        why = " ".join(f"{words}." for words in export.left_out)
        raise NotFound(f"there are no such labels in the project {project_id!r}", remedy=why)
    return export


@dataclass(frozen=True)
class _Chosen:
    """What of a project an export is about."""

    run_ids: tuple[str, ...]
    blind_passes: Collection[tuple[str, str, int]]
    """(run, annotator, pass) of the people's assignments."""
    repetitions: Collection[tuple[str, str, int]]
    """Those of them that are a run's second time."""
    left_out: tuple[str, ...]


def _chosen(
    reader: Reader, project_id: str, source: HumanSource, annotator: str | None, *, unsubmitted: bool
) -> _Chosen:
    run_ids = reader.project_runs(project_id)
    work = reader.assignments(project_id)
    if source == "adjudicated":
        decided = {one.run_id for one in work if one.state == "adjudicated"}
        left_out = _words("not adjudicated yet", [run_id for run_id in run_ids if run_id not in decided])
        return _Chosen(tuple(run_id for run_id in run_ids if run_id in decided), (), (), left_out)
    if annotator is not None and annotator not in {one.annotator for one in work}:
        names = ", ".join(sorted({one.annotator for one in work})) or "nobody"
        raise NotFound(f"{annotator!r} has no runs of the project {project_id!r}", remedy=f"Who has: {names}.")
    own = [one for one in work if annotator in (None, one.annotator) and one.state != "skipped"]
    counted = [one for one in own if unsubmitted or one.submitted_at is not None]
    waiting = [f"{one.run_id} ({one.annotator})" for one in own if one.submitted_at is None and not unsubmitted]
    held = {one.run_id for one in own}
    nobody = [run_id for run_id in run_ids if run_id not in held]
    first: dict[tuple[str, str], int] = {}
    for one in counted:
        key = (one.run_id, one.annotator)
        first[key] = min(one.pass_number, first.get(key, one.pass_number))
    return _Chosen(
        tuple(run_ids),
        {(one.run_id, one.annotator, one.pass_number) for one in counted},
        {
            (one.run_id, one.annotator, one.pass_number)
            for one in counted
            if one.pass_number > first[one.run_id, one.annotator]
        },
        _words("not submitted yet", waiting)
        + _words("nobody has them" if annotator is None else f"{annotator} does not have them", nobody),
    )


def _verdicts(reader: Reader, labels: Mapping[str, Sequence[StoredEvent]], chosen: _Chosen) -> ProjectExport:
    verdicts = [event for said in labels.values() for event in said if event.field == "verdict"]
    others = Counter(event.field for said in labels.values() for event in said if event.field != "verdict")
    del others["shown"]
    facts = {run.run_id: (run.agent, run.model, run.task) for run in reader.runs(ids=list(labels))}
    data = verdicts_as_csv(verdicts, facts).encode() if verdicts else b""
    return ProjectExport(data, {}, chosen.left_out + _no_place(others))


def _stories(reader: Reader, form: Form, labels: Mapping[str, Sequence[StoredEvent]], chosen: _Chosen) -> ProjectExport:
    data = ""
    folder: dict[str, bytes] = {}
    several: list[str] = []
    without: list[str] = []
    others: Counter[str] = Counter()
    repeated: list[str] = []
    for run_id, all_said in labels.items():
        said = [event for event in all_said if (run_id, event.annotator, _blind(event)) not in chosen.repetitions]
        repeated += [run_id] if len(said) < len(all_said) else []
        people = sorted({event.annotator for event in said if event.source == "human"})
        if len(people) > 1:
            several.append(f"{run_id} ({', '.join(people)})")
            continue
        last = max((event.pass_number for event in said), default=1)  # a revision begins with a copy of what it revises
        said = sorted((event for event in said if event.pass_number == last), key=lambda event: event.arrival)
        if not said:
            if any(run_id == known for known, *_ in chosen.blind_passes):  # the others are told of already
                without.append(run_id)
            continue
        others.update(
            str(event.value) if event.field == "verdict" else event.field
            for event in said
            if (event.value not in POSITIVE if event.field == "verdict" else event.field not in _HELD_BY_THEM)
        )
        if form == "labels":
            folder[f"{folder_name(run_id)}/{LABELS_FILE}"] = stage_labels_file(reader, run_id, said).encode()
        else:
            data += manifest_line(reader, run_id, said)
    if form == "labels":
        del others["stage_reasons"]
    left_out = (
        *chosen.left_out,
        *_words("labelled by several people (name one, or take the adjudicated labels)", several),
        *_words("without labels of such a pass", without),
        *_words("repetitions", repeated),
        *_no_place(others),
    )
    return ProjectExport(data.encode(), folder, left_out)


def _blind(event: LabelEvent) -> int:
    """The blind pass that this belongs to, or that it revises."""
    return event.pass_number - (event.pass_number + 1) % 2


def _words(why: str, names: Sequence[str]) -> tuple[str, ...]:
    """Words on what is left out of an export; none if nothing is."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (f"left out, {why}: {', '.join(names[:_NAMED])}{more}",) if names else ()


def _no_place(others: Counter[str]) -> tuple[str, ...]:
    return _words("because this form has no place for them", [f"{count} {name}" for name, count in others.items()])
