"""What the Agreement page asks for, and the answer: chosen in the address, computed once, without blind runs."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Literal, get_args

import streamlit as st

from codetracer_core.agreement import Agreement, agreement
from codetracer_core.agreement.told import Scope, scopes
from codetracer_core.intervals import SEED
from codetracer_core.models import LabelSource
from codetracer_core.ratings import Rater, Ratings, Unlabelled
from codetracer_core.store import Reader, Reading
from codetracer_core.ui.identity import EXPORTERS, blind_runs, may, person
from codetracer_core.ui.run_filters import run_filters

Shown = Literal["blind", "revised", "blind beside revised", "repeats"]
READINGS: dict[Shown, str] = {
    "blind": "What each person submitted, before they saw what others say.",
    "revised": "What each person stands by now: what they submitted, with the changes that they made since.",
    "blind beside revised": "Blind labels, and beside them what people stand by since they saw what others say.",
    "repeats": "Runs that came back blind to the same person: whether they agree with themselves.",
}
_OTHERS: dict[str, LabelSource] = {"models": "model", "ground truth": "ground_truth", "adjudicated": "adjudicated"}
_ALL = "all runs"


@dataclass(frozen=True)
class Question:
    """What agreement is asked for: all that the numbers depend on beside what is stored and who asks."""

    project_id: str | None
    """None: of any project, and labels without one."""
    run_ids: tuple[str, ...] | None
    """None: all there are."""
    reading: Reading
    sources: tuple[LabelSource, ...]
    unlabelled: Unlabelled
    seed: int = SEED


@dataclass(frozen=True)
class Answer:
    """What was found, and what it was found in."""

    question: Question
    ratings: Ratings
    found: Agreement
    left_out: int
    """Runs that the person who asks labels blind."""


def choose(store: Reader) -> tuple[Question, bool]:
    """Show the choices; returns what is asked for, and whether revised labels are wanted beside the blind ones."""
    titles = {project.project_id: project.title for project in store.projects()}
    submitted = store.submissions()
    names = sorted(titles, key=lambda name: -submitted.get(name, 0))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Labels of",
            [*names, _ALL],
            key="agreement_project",
            bind="query-params",
            format_func=lambda name: f"{titles[name]} ({name})" if titles.get(name) else name,
            width=260,
        )
        shown = st.segmented_control(
            "Reading", list(READINGS), default="blind", required=True, key="agreement_reading", bind="query-params"
        )
        others = st.pills(
            "Beside people", list(_OTHERS), selection_mode="multi", key="agreement_with", bind="query-params"
        )
        unlabelled = st.segmented_control(
            "A step without a verdict is",
            list(get_args(Unlabelled)),
            default="correct",
            required=True,
            key="agreement_unlabelled",
            bind="query-params",
        )
    of_all = name == _ALL
    run_ids = run_filters(store, "agreement") if of_all else None
    reading: Reading = "blind" if shown == "blind beside revised" else shown
    sources: tuple[LabelSource, ...] = ("human", *(_OTHERS[other] for other in others))
    question = Question(None if of_all else name, run_ids, reading, sources, unlabelled)
    return question, shown == "blind beside revised"


def choose_scope(answer: Answer) -> Scope | None:
    """Whose agreement is looked at: all together, or two of them; of repetitions each person with themselves. None:
    there are no two."""
    found = answer.found
    offered = scopes(found)
    if answer.question.reading == "repeats":
        own = {(pair.first, pair.second) for pair in found.repeats}
        offered = {name: scope for name, scope in offered.items() if scope.raters in own}
    if not found.pairs or not offered:
        return None
    if st.session_state.get("agreement_scope") not in offered:
        st.session_state.pop("agreement_scope", None)
    if len(offered) == 1:
        return next(iter(offered.values()))
    return offered[st.selectbox("Agreement of", list(offered), key="agreement_scope", bind="query-params")]


def same_scope(answer: Answer, scope: Scope) -> Scope:
    """The agreement of the same raters in another reading of the labels: both readings have the same raters."""
    return scopes(answer.found)[scope.name]


def answers(store: Reader, question: Question, *, with_revised: bool) -> list[Answer]:
    """The answer to the question for the person who asks, and with ``with_revised`` that of the revised labels."""
    asked = [question, replace(question, reading="revised")] if with_revised else [question]
    blind = tuple(sorted(blind_runs(store)))
    known_as = None if may(*EXPORTERS) else person()
    place, state = str(store.workspace.folder), store.ratings_state()
    return [_answer(store, place, state, one, blind, known_as) for one in asked]


@st.cache_resource(max_entries=12, show_spinner="Comparing labels …")
def _answer(
    _store: Reader,
    place: str,
    state: tuple[int, ...],
    question: Question,
    blind: tuple[str, ...],
    known_as: str | None,
) -> Answer:
    """All arguments are its key: no two people with different blind runs share an answer. ``known_as``: who asks, if
    they must not know who the others are."""
    found = _store.ratings(
        question.run_ids,
        project_id=question.project_id,
        reading=question.reading,
        sources=question.sources,
        blind=blind,
    )
    if known_as is not None:
        found = replace(found, raters=_without_names(found.raters, known_as, question.project_id or ""))
    numbers = agreement(found, unlabelled=question.unlabelled, seed=question.seed)
    return Answer(question, found, numbers, _left_out(_store, question, blind))


def _without_names(raters: Collection[Rater], own: str, project_id: str) -> tuple[Rater, ...]:
    """People by letters, in an order that tells nothing; the one who asks keeps their name."""
    others = {rater.name for rater in raters if rater.source == "human" and rater.name != own}
    by_digest = sorted(others, key=lambda name: hashlib.sha256(f"{project_id}\0{name}".encode()).hexdigest())
    letters = {
        name: f"person {ascii_uppercase[at % 26]}{at // 26 + 1 if at >= 26 else ''}"
        for at, name in enumerate(by_digest)
    }
    return tuple(
        rater._replace(name=letters.get(rater.name, rater.name)) if rater.source == "human" else rater
        for rater in raters
    )


def _left_out(store: Reader, question: Question, blind: Collection[str]) -> int:
    if question.project_id is not None:
        return len(set(store.project_runs(question.project_id)).intersection(blind))
    return len(blind) if question.run_ids is None else len(set(question.run_ids).intersection(blind))
