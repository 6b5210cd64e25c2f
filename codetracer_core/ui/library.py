"""The table of runs on the library page."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast, get_args

import streamlit as st

from codetracer_core.store import OutcomeWord, Reader, RunSummary
from codetracer_core.ui import components, shell
from codetracer_core.words import OUTCOME_WORDS

# name of the field, title, how it is written, width (CSS grid), offered as a filter
_COLUMNS: tuple[tuple[str, str, str, str, bool], ...] = (
    ("task", "Task", "text", "minmax(160px, 2.2fr)", False),
    ("agent", "Agent", "text", "minmax(126px, 1fr)", True),
    ("model", "Model", "text", "minmax(140px, 1.4fr)", True),
    ("outcome", "Outcome", "text", "90px", True),
    ("step_count", "Steps", "number", "60px", False),
    ("human_labels", "My labels", "number", "76px", False),
    ("has_ground_truth", "Ground truth", "flag", "96px", True),
    ("misaligned", "Misaligned", "flag", "88px", True),
    ("cost_usd", "Cost, USD", "money", "76px", False),
    ("collection", "Collection", "text", "minmax(98px, 0.8fr)", True),
    ("format", "Format", "text", "minmax(118px, 0.8fr)", True),
    ("imported_at", "Imported", "time", "92px", False),
)
_WORDS = {"outcome": {word: OUTCOME_WORDS[word] for word in get_args(OutcomeWord)}}
"""What is read instead of the values of a column."""


def choose_runs(run_ids: Collection[str], words: str) -> None:
    """Have the tables of runs show only these from now on; ``words`` say where they were chosen."""
    st.session_state["chosen_runs"] = (frozenset(run_ids), words)


def only_chosen(runs: Sequence[RunSummary]) -> Sequence[RunSummary]:
    """The runs that another page has chosen, if it has, with a line that says so and a way back to all."""
    if "chosen_runs" not in st.session_state:
        return runs
    ids, words = st.session_state["chosen_runs"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"Only {len(ids):,} {'run' if len(ids) == 1 else 'runs'}, {words}.")
        if st.button("Show all runs"):
            del st.session_state["chosen_runs"]
            st.rerun()
    return [run for run in runs if run.run_id in ids]


def filtered_runs() -> Sequence[str] | None:
    """Ids of the runs that pass the table's filters, as it told last, and ``only_chosen``; None: all."""
    passing = _state().get("passing")
    chosen, _ = st.session_state.get("chosen_runs", (None, ""))
    if passing is None:
        return None if chosen is None else tuple(sorted(chosen))
    return tuple(run_id for run_id in map(str, passing) if chosen is None or run_id in chosen)


def _state() -> Mapping[str, Any]:
    return cast(Mapping[str, Any], st.session_state.get("runs") or {})


def runs_table(runs: Sequence[RunSummary], store: Reader, *, tell_filtered: bool) -> str | None:
    """Show the runs; returns the id of the run that was just opened, by click or by Enter.

    Runs that were marked for it are compared on their page. Filters live in the browser; only with ``tell_filtered``
    does it say which runs pass them.
    """
    query = str(_state().get("deep") or "")
    result = components.runs()(
        key="runs",
        data={
            "columns": [
                {"name": name, "title": title, "type": kind, "width": width, "facet": facet, "words": _WORDS.get(name)}
                for name, title, kind, width, facet in _COLUMNS
            ],
            "runs": [run.run_id for run in runs],
            "rows": [run_cells(run) for run in runs],
            "replays": {run.run_id: _replay_words(run) for run in runs if run.replay_of is not None},
            "deep": query,
            "hits": text_hits(store, query) if query else None,
            "tellFiltered": tell_filtered,
        },
        default={"deep": "", "passing": None},
        on_deep_change=components.nothing,
        on_passing_change=components.nothing,
        on_open_change=components.nothing,
        on_compare_change=components.nothing,
    )
    if isinstance(result.compare, list):
        st.switch_page(shell.pages()["compare"], query_params={"runs": ",".join(map(str, result.compare))})
    return cast("str | None", result.open)


def run_cells(run: RunSummary) -> list[Any]:
    """The run's cells in column order; None where its files do not say."""
    values = [getattr(run, name) for name, *_ in _COLUMNS]
    return [value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else value for value in values]


def _replay_words(run: RunSummary) -> str:
    return f"replay of {run.replay_of}, from step {run.replay_step} on"


def text_hits(store: Reader, query: str) -> dict[str, int]:
    """Runs whose task or steps hold the text → in how many steps it stands (0: only in the task)."""
    in_task = {run.run_id: 0 for run in store.runs(text=query)}
    return in_task | store.search_text(query)
