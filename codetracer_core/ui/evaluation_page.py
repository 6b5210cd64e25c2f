"""The page Evaluate, from what was chosen to the part that is open."""

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from codetracer_core.errors import CodeTracerError, in_words
from codetracer_core.evaluation import CONVENTIONS, DEFAULT, Convention, Evaluation, Missing
from codetracer_core.intervals import SEED
from codetracer_core.store import DiagnosisSummary, Store
from codetracer_core.ui.evaluation import all_conventions, interval_words, leaderboard, what_is_judged
from codetracer_core.ui.evaluation_caveats import caveats, show_caveats
from codetracer_core.ui.evaluation_data import Asked, Read, judged, read_sources, state_of
from codetracer_core.ui.evaluation_downloads import downloads
from codetracer_core.ui.evaluation_lists import note_few, steps_behind
from codetracer_core.ui.evaluation_pair import two_systems
from codetracer_core.ui.evaluation_parts import clean_runs, near_hits, onsets, repetitions, sliced
from codetracer_core.ui.evaluation_places import costs, places
from codetracer_core.ui.evaluation_sources import Sources, offer_the_samples

_MISSING: dict[str, Missing] = {"counts as a miss": "miss", "is left out": "excluded"}
_OF_NO_CONVENTION = frozenset({"Place in the run", "Onset", "Clean runs", "Cost", "Misses and false accusations"})
_OF_INTERVALS = frozenset(
    {"Two systems", "Slices", "Place in the run", "Onset", "Near hits", "Clean runs", "Repetitions"}
)
"""Parts below which it is said where their intervals come from."""
MOST_PROBLEMS = 500


def show_evaluation(store: Store, sources: Sources, listed: list[DiagnosisSummary]) -> None:
    """Everything below the choice of sources."""
    state = state_of(store, sources, listed)
    try:
        read = read_sources(sources, state)
    except CodeTracerError as error:
        st.error("This cannot be evaluated.")
        st.text(in_words(error.reason, error.remedy))
        return
    what_was_read(read)
    if not any(not run.misaligned for run in read.truth):
        offer_the_samples("There is no run with such ground truth here, so there is nothing to judge by.")
        return
    if not sources.systems:
        offer_the_samples("No system is chosen. Choose stored diagnoses or loaded predictions above.")
    convention, missing, seed = _conventions()
    asked = Asked(sources, state, missing, seed)
    evaluation = judged(asked)
    what_is_judged(evaluation)
    note_few(store, evaluation)
    name = convention.name
    _parts(
        evaluation,
        {
            "Leaderboard": lambda: _leaderboard(asked, evaluation, convention),
            "Two systems": lambda: two_systems(store, asked, evaluation, name),
            "Slices": lambda: sliced(asked, evaluation, convention),
            "Place in the run": lambda: places(asked, evaluation),
            "Onset": lambda: onsets(asked, evaluation),
            "Near hits": lambda: near_hits(asked, evaluation, convention),
            "Clean runs": lambda: clean_runs(evaluation),
            "Repetitions": lambda: repetitions(asked, evaluation, convention),
            "Cost": lambda: costs(evaluation, listed),
            "Misses and false accusations": lambda: steps_behind(store, asked, read, evaluation),
            "Files": lambda: downloads(store, asked, read, evaluation),
        },
    )


def _parts(evaluation: Evaluation, offered: Mapping[str, Callable[[], None]]) -> None:
    """The choice of a part, and the part: only what is open is computed."""
    first = next(iter(offered))
    pressed = st.session_state.pop("go_to_steps", None)
    if pressed is not None:  # a number of the leaderboard: what these widgets hold is set before they are there
        st.session_state["system"], st.session_state["errors"] = pressed
        st.session_state["part"] = "Misses and false accusations"
    part = st.segmented_control(
        "Part",
        [*offered],
        default=first if pressed is None else None,
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )
    if part in _OF_NO_CONVENTION:
        st.caption("This part does not depend on the convention.")
    offered[part or first]()
    if part in _OF_INTERVALS:
        st.caption(interval_words(evaluation))


def _leaderboard(asked: Asked, evaluation: Evaluation, convention: Convention) -> None:
    picked = leaderboard(evaluation, convention)
    if picked is not None:
        st.session_state["go_to_steps"] = picked
        st.rerun()
    show_caveats(caveats(asked, convention.name))
    if st.toggle("All conventions side by side", key="side_by_side"):
        all_conventions(evaluation)


def what_was_read(read: Read) -> None:
    """What was left out while reading, and why: lines with file and place, runs in words."""
    for note in read.notes:
        st.text(f"{note[:1].upper()}{note[1:]}.")
    if not read.problems:
        return
    count = len(read.problems)
    with st.expander(f"{count:,} {'line or row is' if count == 1 else 'lines or rows are'} left out; the rest counts"):
        rows = pd.DataFrame(read.problems[:MOST_PROBLEMS], columns=["Where", "Place", "Why"])
        st.dataframe(rows, hide_index=True)
        if count > MOST_PROBLEMS:
            st.text(f"… and {count - MOST_PROBLEMS:,} more")


def _conventions() -> tuple[Convention, Missing, int]:
    """The convention, what becomes of runs without an answer, and the seed of intervals."""
    titles = {one.title: one for one in CONVENTIONS.values()}
    left, middle, right = st.columns([4, 3, 1], vertical_alignment="bottom")
    title = left.selectbox(
        "Convention",
        [*titles],
        index=[*titles].index(CONVENTIONS[DEFAULT].title),
        key="convention",
        bind="query-params",
    )
    missing = middle.segmented_control(
        "A run without an answer",
        [*_MISSING],
        default="counts as a miss",
        required=True,
        key="missing",
        bind="query-params",
    )
    seed = right.number_input("Seed", 0, 2**31 - 1, SEED, key="seed", bind="query-params")
    chosen = titles[title]
    st.caption(f"**{chosen.name}** · {chosen.definition} {chosen.failed}".replace("_", "\\_"))
    return chosen, _MISSING[missing], int(seed)
