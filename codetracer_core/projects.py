"""Who labels what, and what they may see meanwhile: projects, assignments, passes, blindness. Pure; the store keeps it.

A *pass* is one complete judgement of a run by one person. Odd passes are blind (1 the first, 3, 5 … repetitions for
intra-rater agreement), the even one after it holds what the person revised after submitting: so blind and revised
labels lie side by side.
"""

import hashlib
import heapq
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

from pydantic import Field, field_validator

from codetracer_core.models import Exposure, Frozen, Verdict

Role = Literal["lead", "annotator", "adjudicator", "reader"]
ROLES: tuple[Role, ...] = get_args(Role)
Order = Literal["listed", "shuffled", "disagreement_first", "uncertain_first"]
State = Literal["assigned", "in_progress", "submitted", "adjudicated", "skipped", "expired"]


class Project(Frozen):
    """A set of runs that people label, and the rules for it. The runs themselves are kept by the store."""

    project_id: str
    """Its name: letters, digits, ``.``, ``_`` and ``-``, at most 80."""
    title: str = Field(default="", max_length=200)
    guidelines: str = Field(default="", max_length=100_000)
    """Markdown, written by the lead."""
    annotators_per_run: int = Field(default=2, ge=1, le=20)
    annotators: tuple[str, ...] = ()
    """Who takes part; empty: everybody with the role."""
    order: Order = "listed"
    claim_hours: float = Field(default=72.0, ge=0)
    """After so many hours without an act a run that was not submitted goes to somebody else; 0: never."""
    repeat_share: float = Field(default=0.0, ge=0, le=1)
    """Which share of a person's own runs comes back blind, to see whether they agree with themselves."""
    repeat_after_hours: float = Field(default=168.0, ge=0)
    verdicts: tuple[Verdict, ...] = Field(default=get_args(Verdict), min_length=1)
    """Which verdicts are offered."""
    details_wanted: bool = False
    """Whether submitting warns about an incorrect or unuseful step without a reason."""
    is_open: bool = True
    """A closed project hands out no runs and blinds nobody."""
    created_by: str = ""
    created_at: datetime

    @field_validator("project_id")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
            raise ValueError("a project's name is made of letters, digits, '.', '_' and '-' (at most 80)")
        return name


class Assignment(NamedTuple):
    """One person's work on one run in one blind pass. Times are UTC."""

    project_id: str
    run_id: str
    annotator: str
    pass_number: int
    """Odd: the blind pass. What is revised after submission has the number after it."""
    state: State
    assigned_at: datetime
    last_act_at: datetime | None
    """When the last label of this pass arrived; time on task is no label."""
    expires_at: datetime | None
    """When the claim ends: so many hours after the last label, or after the last time on task."""
    submitted_at: datetime | None
    skip_reason: str
    step_count: int
    labelled: int
    """Steps with a verdict in this pass."""
    flagged: int
    seconds: int
    """Time on task in this pass."""
    task: str = ""
    """What the run is about, for people: its task, or else its id."""


class Standing(NamedTuple):
    """How a person stands to a run now."""

    shown_pass: int
    """The pass whose labels are their own ones now."""
    next_pass: int
    """The pass that their next label belongs to: another one than ``shown_pass`` if it begins a revision."""
    exposure: Exposure
    """The strongest of what they have been shown of this run."""
    is_blind: bool
    """They must not be sent ground truth, model labels or other people's labels of this run."""
    shown: frozenset[str] = frozenset()
    """All that they have been shown of this run."""
    verdicts: tuple[Verdict, ...] = get_args(Verdict)
    """Which verdicts the projects that gave them the run offer; without such a project all."""


def state_of(
    *,
    now: datetime,
    expires_at: datetime | None,
    last_act_at: datetime | None,
    submitted_at: datetime | None,
    skipped_at: datetime | None,
    decided_at: datetime | None,
    released_at: datetime | None,
) -> State:
    """The state of an assignment at a moment. One that was released stays expired, whatever its owner does later."""
    if submitted_at is not None:
        return "submitted" if decided_at is None else "adjudicated"
    if skipped_at is not None:
        return "skipped"
    if released_at is not None or (expires_at is not None and expires_at <= now):
        return "expired"
    return "assigned" if last_act_at is None else "in_progress"


OPEN: Collection[State] = ("assigned", "in_progress")
DONE: Collection[State] = ("submitted", "adjudicated")


def next_run(
    project: Project,
    run_ids: Sequence[str],
    assignments: Collection[Assignment],
    annotator: str,
    *,
    exposed: Collection[str],
    scores: Mapping[str, int],
    now: datetime,
) -> tuple[str, bool] | None:
    """The run that this person gets next and whether it is one of their own come back; None: nothing is left for them.

    ``assignments`` are all of the project, ``exposed`` the runs of which the person has been shown labels, ``scores``
    what the order sorts by (highest first). A run goes to ``annotators_per_run`` people, to nobody twice, and to nobody
    who has been shown labels of it. An expired claim counts for nothing, but its owner may take the run again.
    """
    own = [one for one in assignments if one.annotator == annotator]
    due = _due_repeat(project, own, exposed, now)
    if due is not None and not _last_was_repetition(own):
        return due, True  # not two in a row: they are found among new ones, and so not known as repetitions
    free = free_for(project, run_ids, assignments, annotator, exposed=exposed)
    if free:
        return _ordered(project, free, annotator, scores)[0], False
    return None if due is None else (due, True)


def free_for(
    project: Project,
    run_ids: Sequence[str],
    assignments: Collection[Assignment],
    annotator: str,
    *,
    exposed: Collection[str],
) -> list[str]:
    """The runs that are new to this person and have a place left: what ``next_run`` chooses from, without repetitions.

    ``assignments`` and ``exposed`` as there.
    """
    own = [one for one in assignments if one.annotator == annotator]
    places = places_left(project, run_ids, assignments)
    return [run_id for run_id in _new_to(run_ids, own, exposed) if places[run_id] > 0]


def distribute(
    project: Project,
    run_ids: Sequence[str],
    assignments: Collection[Assignment],
    annotators: Sequence[str],
    *,
    exposed: Mapping[str, Collection[str]],
    scores: Mapping[str, int],
    each: int | None = None,
) -> list[tuple[str, str]]:
    """All that these people can get now, shared out: (annotator, run) by person, in the order of their work.

    The rules are those of ``next_run``, without repetitions. Loads (runs that a person has or has submitted, earlier
    ones too) are as even as those rules allow: they differ by one at most where everybody may take every run.
    With ``each`` nobody's load grows beyond that. What is given already stays, so doing it again only fills gaps.
    """
    held: dict[str, list[Assignment]] = {who: [] for who in annotators}
    for one in assignments:
        if one.annotator in held:
            held[one.annotator].append(one)
    places = places_left(project, run_ids, assignments)
    before = {who: len({one.run_id for one in own if _holds(one)}) for who, own in held.items()}
    wanted = {
        who: _ordered(project, _new_to(run_ids, own, exposed.get(who, ())), who, scores) for who, own in held.items()
    }
    given = _in_turns(wanted, places, before)
    _level(given, {who: set(runs) for who, runs in wanted.items()}, before)
    pairs = []
    for who, runs in wanted.items():
        got = [(who, run_id) for run_id in runs if run_id in given[who]]
        pairs += got if each is None else got[: max(0, each - before[who])]
    return pairs


def _in_turns(
    wanted: Mapping[str, Sequence[str]], places: dict[str, int], before: Mapping[str, int]
) -> dict[str, set[str]]:
    """Whoever has least takes the next run that has a place left, until nobody can; uses up ``places``."""
    given: dict[str, set[str]] = {who: set() for who in wanted}
    ahead: dict[str, Iterator[str]] = {who: iter(runs) for who, runs in wanted.items()}
    turns = [(before[who], at, who) for at, who in enumerate(wanted)]
    heapq.heapify(turns)
    while turns:
        load, at, who = heapq.heappop(turns)
        run_id = next((run_id for run_id in ahead[who] if places[run_id] > 0), None)
        if run_id is not None:
            places[run_id] -= 1
            given[who].add(run_id)
            heapq.heappush(turns, (load + 1, at, who))
    return given


def _level(given: dict[str, set[str]], may: Mapping[str, Collection[str]], before: Mapping[str, int]) -> None:
    """Hand runs on, if need be from one to the next, from people with more to people with at least two less.

    When no such chain is left, no other way to share the runs out has more even loads (Harvey et al. 2006, optimal
    semi-matchings).
    """

    def load(who: str) -> int:
        return before[who] + len(given[who])

    while True:
        for heavy in sorted(given, key=load, reverse=True):
            chain = _chain(heavy, load(heavy) - 2, given, may, before)
            if chain:
                break
        else:
            return
        for giver, run_id, taker in chain:
            given[giver].remove(run_id)
            given[taker].add(run_id)


def _chain(
    heavy: str, light: int, given: Mapping[str, set[str]], may: Mapping[str, Collection[str]], before: Mapping[str, int]
) -> list[tuple[str, str, str]]:
    """The shortest chain of (giver, run, taker) from ``heavy`` to somebody whose load is at most ``light``."""
    reached: dict[str, tuple[str, str]] = {heavy: ("", "")}
    line = [heavy]
    for giver in line:
        for taker in given:
            run_id = min((run for run in given[giver] - given[taker] if run in may[taker]), default=None)
            if taker in reached or run_id is None:
                continue
            reached[taker] = (giver, run_id)
            if before[taker] + len(given[taker]) <= light:
                chain = []
                while taker != heavy:
                    giver, run_id = reached[taker]
                    chain.append((giver, run_id, taker))
                    taker = giver
                return chain
            line.append(taker)
    return []


def _holds(one: Assignment) -> bool:
    return one.state in OPEN or one.state in DONE


def places_left(project: Project, run_ids: Collection[str], assignments: Collection[Assignment]) -> dict[str, int]:
    """By run, to how many more people it can go; not positive: to none."""
    holders: dict[str, set[str]] = {run_id: set() for run_id in run_ids}
    for one in assignments:
        if one.run_id in holders and _holds(one):
            holders[one.run_id].add(one.annotator)
    return {run_id: project.annotators_per_run - len(people) for run_id, people in holders.items()}


def _new_to(run_ids: Sequence[str], own: Collection[Assignment], exposed: Collection[str]) -> list[str]:
    """The runs that a person with these assignments never had, or only let expire, and was shown no labels of."""
    taken = {one.run_id for one in own if one.state != "expired"}
    return [run_id for run_id in run_ids if run_id not in taken and run_id not in exposed]


def _ordered(project: Project, run_ids: Sequence[str], annotator: str, scores: Mapping[str, int]) -> list[str]:
    if project.order == "shuffled":
        return sorted(run_ids, key=lambda run_id: _digest(project, annotator, run_id))
    if project.order == "listed":
        return list(run_ids)
    return sorted(run_ids, key=lambda run_id: -scores.get(run_id, 0))


def _due_repeat(project: Project, own: Sequence[Assignment], exposed: Collection[str], now: datetime) -> str | None:
    passes: dict[str, list[Assignment]] = {}
    for one in own:
        if one.state != "expired":
            passes.setdefault(one.run_id, []).append(one)
    due = [
        (only.submitted_at, run_id)
        for run_id, (only, *later) in passes.items()
        if not later
        and only.submitted_at is not None
        and only.submitted_at + timedelta(hours=project.repeat_after_hours) <= now
        and run_id not in exposed
        and comes_back(project, only.annotator, run_id)
    ]
    return min(due)[1] if due else None


def _last_was_repetition(own: Collection[Assignment]) -> bool:
    last = max(own, key=lambda one: one.assigned_at)
    return any(one.run_id == last.run_id and one.pass_number < last.pass_number for one in own)


def comes_back(project: Project, annotator: str, run_id: str) -> bool:
    """Whether this run is one of the share that this person gets a second time. Fixed by the names alone."""
    return int(_digest(project, "again", annotator, run_id)[:8], 16) < project.repeat_share * 2**32


def _digest(project: Project, *names: str) -> str:
    return hashlib.sha256("\0".join((project.project_id, *names)).encode()).hexdigest()


def blinds(project: Project, assignments: Collection[Assignment], run_id: str, annotator: str, *, labels: bool) -> bool:
    """Whether this project keeps the person from seeing what others say of the run.

    ``assignments`` are those of this run in the project, ``labels`` whether the person has the role of an annotator. It
    does so from the moment on at which they could be given the run until they have submitted it; if it comes back to
    them, until they have submitted it again. A run that enough others have, and that is not theirs, is nobody's secret.
    """
    if not project.is_open:
        return False
    own = [one for one in assignments if one.annotator == annotator]
    if own:
        last = max(own, key=lambda one: one.pass_number)
        if last.state in DONE:
            return len(own) == 1 and comes_back(project, annotator, run_id)
        return last.state != "skipped" or not any(one.state in DONE for one in own)
    others = {one.annotator for one in assignments if one.state in DONE}
    return takes_part(project, annotator, labels=labels) and len(others) < project.annotators_per_run


def takes_part(project: Project, annotator: str, *, labels: bool = True) -> bool:
    """Whether this person (``labels``: has the role of an annotator) can be given runs of the project."""
    return annotator in project.annotators if project.annotators else labels


def offered_verdicts(projects: Iterable[Project]) -> tuple[Verdict, ...]:
    """The verdicts that any of these projects offers, all if there is no project."""
    offered = [verdict for project in projects for verdict in project.verdicts]
    return tuple(verdict for verdict in get_args(Verdict) if verdict in offered or not offered)


def passes(own: Collection[Assignment], labelled: Collection[int]) -> tuple[int, int]:
    """(the pass whose labels are a person's own ones on a run now, the pass of their next label).

    ``own`` are their assignments of the run that were not skipped, ``labelled`` the passes with labels of theirs. A
    label after submission begins the revised pass.
    """
    if not own:
        return max(labelled, default=1), max(labelled, default=1)
    last = max(own, key=lambda one: one.pass_number)
    if last.submitted_at is None:
        return last.pass_number, last.pass_number
    revised = last.pass_number + 1
    return revised if revised in labelled else last.pass_number, revised


def next_blind_pass(last_pass: int) -> int:
    """The number of the blind pass that follows ``last_pass`` (0: there is none yet)."""
    return last_pass + 1 + last_pass % 2
