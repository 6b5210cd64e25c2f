"""The steps behind a number, and where raters differ: lists that lead into the viewer, on record as shown."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import streamlit as st

from codetracer_core.agreement import Disagreement, Selection, disagreements, steps_behind
from codetracer_core.agreement.disagreement import Kind, said_codes
from codetracer_core.agreement.told import WORDS, Scope, rater_name, selection_words
from codetracer_core.intervals import Array
from codetracer_core.models import Exposure
from codetracer_core.ratings import MISSING
from codetracer_core.store import Store
from codetracer_core.ui.agreement import Answer
from codetracer_core.ui.agreement_tables import as_selection, steps_table
from codetracer_core.ui.identity import person
from codetracer_core.ui.step_lists import keep_list
from codetracer_core.ui.tables import show_table
from codetracer_core.ui.viewer import EXPOSES, FEWEST_RUNS, note_exposures

AT_ONCE = 100
"""Steps of a list that are shown, until more are asked for."""
NOT_THEIRS = "–"
"""What stands where somebody said nothing of a run that they did not finish."""
_KINDS: Mapping[Kind, str] = {
    "run": "error or none in the run",
    "near onset": "onsets near each other",
    "onset": "incorrect or not, at an onset",
    "incorrect": "incorrect or correct",
    "which": "incorrect or unuseful",
    "unuseful": "unuseful or correct",
}


def open_steps(pick: str) -> None:
    """A cell was pressed: its steps are in the address from now on, so that a link, or the way back, shows them."""
    if pick and st.query_params.get("steps") != pick:
        st.query_params["steps"] = pick
        st.rerun()


def opened_pick() -> str:
    """The cell whose steps are shown, as ``open_steps`` took it; "" if none is."""
    return st.query_params.get("steps", "")


def steps_panel(store: Store, answer: Answer) -> None:
    """The steps of the cell that was pressed last, each with what everybody in it says, over the page."""
    selection = as_selection(opened_pick(), answer.found.raters)
    if selection is not None:
        _steps_behind(store, answer, selection)


def _close() -> None:
    st.query_params.pop("steps", None)


@st.dialog("The steps behind this number", width="large", on_dismiss=_close)
def _steps_behind(store: Store, answer: Answer, selection: Selection) -> None:
    title = selection_words(selection, answer.found.raters)
    st.text(title)
    steps = steps_behind(answer.ratings, selection, unlabelled=answer.question.unlabelled)
    _list(store, answer, title, steps, _who(selection), "steps")


def disagreements_panel(store: Store, answer: Answer, scope: Scope) -> None:
    """All steps at which these raters differ, most instructive first."""
    found = _disagreements(answer, scope.raters)
    if not found:
        st.text("They do not differ on any step.")
        return
    steps = [(one.run_id, one.step_id) for one in found]
    _list(store, answer, f"Disagreements of {scope.name}", steps, scope.raters, "all", found)


def _disagreements(answer: Answer, raters: Sequence[int]) -> list[Disagreement]:
    return disagreements(answer.ratings, unlabelled=answer.question.unlabelled, raters=raters)


def _who(selection: Selection) -> Sequence[int]:
    """Whose labels stand beside the steps: those that the selection is about."""
    match selection:
        case _ if hasattr(selection, "by"):
            return [rater for rater, _ in selection.by]
        case _ if hasattr(selection, "raters"):
            return list(selection.raters)
        case _:
            return [selection.first, selection.second]


def _list(
    store: Store,
    answer: Answer,
    title: str,
    steps: Sequence[tuple[str, int]],
    raters: Sequence[int],
    key: str,
    why: Sequence[Disagreement] = (),
) -> None:
    pages = -(-len(steps) // AT_ONCE)
    at = 1
    if pages > 1:
        at = int(
            st.number_input(
                f"Page of {pages} ({AT_ONCE} steps each)", 1, pages, 1, key=f"agreement_page_{key}", width=220
            )
        )
    chosen = slice((at - 1) * AT_ONCE, at * AT_ONCE)
    shown = steps[chosen]
    note_shown(store, answer, {run_id for run_id, _ in shown}, raters)
    names = [rater_name(answer.found.raters[rater]) for rater in raters]
    tasks = dict(zip(answer.ratings.run_ids, answer.ratings.tasks, strict=True))
    columns, rows = steps_table(
        shown,
        _said(answer, shown, raters),
        names,
        tasks,
        list_id=keep_list(title, steps),
        kinds=[(_KINDS[one.kind], f"{one.why[:1].upper()}{one.why[1:]}.") for one in why[chosen]],
    )
    words = f"{len(steps):,} steps in {len({run for run, _ in steps}):,} runs"
    show_table(
        f"agreement_list_{key}", columns, rows, caption=f"{words}: each opens in the viewer, with all labels shown"
    )


def _said(answer: Answer, steps: Sequence[tuple[str, int]], raters: Sequence[int]) -> list[list[str]]:
    """What each of these raters says of each of these steps."""
    ratings = answer.ratings
    codes: Array = said_codes(ratings, answer.question.unlabelled)
    starts = dict(zip(ratings.run_ids, ratings.starts.tolist(), strict=True))
    rows = [starts[run_id] + step - 1 for run_id, step in steps]
    finished = ratings.finished[ratings.run_of[rows]] if rows else ratings.finished[:0]

    def word(row: int, rater: int, done: bool) -> str:
        if codes[row, rater] == MISSING and not done:
            return NOT_THEIRS
        implied = codes[row, rater] != MISSING and ratings.codes[row, rater] == MISSING
        return WORDS[int(codes[row, rater])] + (" (unlabelled)" if implied else "")

    return [[word(row, rater, bool(done[rater])) for rater in raters] for row, done in zip(rows, finished, strict=True)]


def note_shown(store: Store, answer: Answer, run_ids: Iterable[str], raters: Sequence[int]) -> None:
    """Put on record that the person before the browser sees these raters' labels of these runs: their own are no
    news."""
    note_exposures(store, person(), exposures(answer, run_ids, raters, person()))


def exposures(answer: Answer, run_ids: Iterable[str], raters: Sequence[int], who: str) -> set[tuple[str, Exposure]]:
    """What somebody is exposed to by these raters' labels of these runs."""
    told = [answer.ratings.raters[rater] for rater in raters]
    sources = {rater.source for rater in told if (rater.source, rater.name) != ("human", who)}
    return {(run_id, EXPOSES[source]) for run_id in run_ids for source in sources}


def note_few(store: Store, answer: Answer) -> None:
    """Numbers of one or two runs tell what is said of each of them: that is said, and goes on record."""
    ratings = answer.ratings
    is_rated: Array = np.asarray(ratings.finished.any(axis=1))
    is_rated[ratings.run_of[(ratings.codes != MISSING).any(axis=1)]] = True
    rated = [run_id for run_id, said in zip(ratings.run_ids, is_rated, strict=True) if said]
    if 0 < len(rated) < FEWEST_RUNS:
        st.text("Numbers of so few runs tell what is said of each: it goes on record that you have seen it.")
        note_shown(store, answer, rated, range(len(ratings.raters)))
