"""Choosing runs by their facts: agent, model, task, outcome, collection, text. Nothing here tells of labels."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast, get_args

import streamlit as st

from codetracer_core.store import OutcomeWord, Reader
from codetracer_core.words import OUTCOME_WORDS

_FACETS = {
    "agents": ("agent", "Agent"),
    "models": ("model", "Model"),
    "tasks": ("task", "Task"),
    "collections": ("collection", "Collection"),
}
"""By filter of ``Reader.runs``: the fact that it is about, and how it is called."""


def run_filters(store: Reader, key: str) -> tuple[str, ...] | None:
    """Show filters, those of the library; returns the ids of the runs that pass them, None: all do.

    ``key`` begins the keys of its widgets, and its values in the address ("agreement" → ``?agreement_agents=…``), so
    that a link holds the choice.
    """
    offered = _offered(store, _state(store))
    wanted: dict[str, Any] = {}
    first, *others = st.columns([1.2, *(1 for _ in range(len(_FACETS) + 1))])
    wanted["text"] = first.text_input(
        "Text in task or run", key=f"{key}_text", bind="query-params", placeholder="any"
    ).strip()
    for column, (name, (fact, label)) in zip(others, _FACETS.items(), strict=False):
        wanted[name] = column.multiselect(
            label, offered[fact], key=f"{key}_{name}", bind="query-params", placeholder="any"
        )
    wanted["outcomes"] = _outcomes(others[-1], f"{key}_outcomes")
    given = {name: value for name, value in wanted.items() if value}
    return _passing(store, _state(store), given) if given else None


def _outcomes(column: Any, key: str) -> list[str]:
    """What is chosen is kept in the address as data has it; bound to it, the widget would put there what it shows."""
    offered = get_args(OutcomeWord)
    if key not in st.session_state:
        st.session_state[key] = [one for one in st.query_params.get_all(key) if one in offered]
    chosen = column.multiselect("Outcome", offered, key=key, format_func=OUTCOME_WORDS.__getitem__, placeholder="any")
    if st.query_params.get_all(key) != chosen:
        st.query_params[key] = chosen
    return cast("list[str]", chosen)


def _state(store: Reader) -> tuple[str, int]:
    """What the answers depend on: the workspace, and its imports."""
    return str(store.workspace.folder), store.revision()[1]


@st.cache_data(max_entries=4, show_spinner=False)
def _offered(_store: Reader, state: tuple[str, int]) -> dict[str, list[str]]:
    """What there is to choose from, by fact, the most frequent first."""
    runs = _store.runs()
    return {fact: _by_frequency(getattr(run, fact) for run in runs) for fact, _ in _FACETS.values()}


def _by_frequency(values: Iterable[str | None]) -> list[str]:
    counts = Counter(value for value in values if value)
    return sorted(counts, key=lambda value: (-counts[value], value))


@st.cache_data(max_entries=32, show_spinner=False)
def _passing(_store: Reader, state: tuple[str, int], given: dict[str, Any]) -> tuple[str, ...]:
    return tuple(run.run_id for run in _store.runs(**given))
