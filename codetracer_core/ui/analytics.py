"""Figures over many runs: choosing runs, labels and figure, drawing it, and the runs behind what is selected in it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import numpy as np
import streamlit as st

from codetracer_core.analytics import (
    FIGURES,
    GROUP_WORDS,
    Figure,
    FigureData,
    Frames,
    Group,
    Labels,
    data_of,
    figure_named,
)
from codetracer_core.figures import as_html, draw
from codetracer_core.models import Exposure, LabelSource
from codetracer_core.store import Reader, Store
from codetracer_core.ui import shell
from codetracer_core.ui.identity import blind_runs, person
from codetracer_core.ui.links import step_address
from codetracer_core.ui.run_filters import run_filters
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.ui.viewer import note_exposures

MOST_LISTED = 500
"""So many runs are listed below a figure; the table says if there are more."""
_EXPOSURES: Mapping[LabelSource, Exposure] = {
    "human": "peers",
    "adjudicated": "peers",
    "model": "model",
    "ground_truth": "ground_truth",
}
_CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "autoScale2d"],
}


def analytics_page(store: Store) -> None:
    blind = blind_runs(store)
    chosen = run_filters(store, "analytics")
    index, place = st.columns([1, 3.6], gap="medium")
    with index:
        figure = _choose_figure()
    with place:
        labels, by = _choose_reading(store, figure, blind)
        with st.spinner("Counting …", show_time=False):
            frames, data = _computed(store, tuple(sorted(blind)), labels, chosen, figure.name, by)
        _left_out_as_blind(blind, chosen)
        st.subheader(figure.title, anchor=False)
        st.text(figure.question)
        if not _may_be_shown(store, figure, data, labels):
            return
        rows = _drawn(figure, data, labels, by)
        for note in data.notes:
            st.text(note)
        _downloads(figure, data)
    _runs(store, frames, figure, data, labels, rows)


def _choose_figure() -> Figure:
    """The list of figures, each with its question."""
    names = [figure.name for figure in FIGURES]
    titles = {figure.name: figure.title for figure in FIGURES}
    name = st.radio("Figure", names, format_func=titles.__getitem__, key="analytics_figure", bind="query-params")
    return figure_named(name)


def _choose_reading(store: Reader, figure: Figure, blind: Collection[str]) -> tuple[Labels, Group]:
    """Whose labels, and what runs are told apart by, where the figure asks for it."""
    left, right, _ = st.columns([1.4, 1, 1.2])
    labels, by = Labels(), figure.by
    if "labels" in figure.needs:
        sources = _sources(store, store.state(), tuple(sorted(blind)))
        offered = [*([] if Labels() in sources else [Labels()]), *sources]
        labels = left.selectbox(
            "Labels",
            offered,
            format_func=lambda one: f"{one.in_words} ({sources.get(one, 0):,} runs)",
            key="analytics_labels",
        )
    if figure.groups:
        by = right.selectbox(
            "Told apart by",
            figure.groups,
            index=figure.groups.index(figure.by),
            format_func=GROUP_WORDS.__getitem__,
            key=f"analytics_by {figure.name}",
        )
    return labels, by


@st.cache_data(max_entries=8, show_spinner=False)
def _sources(_store: Reader, state: tuple[int, ...], blind: tuple[str, ...]) -> dict[Labels, int]:
    return _store.label_sources(blind)


def _computed(
    store: Reader, blind: tuple[str, ...], labels: Labels, chosen: Sequence[str] | None, name: str, by: Group
) -> tuple[Frames, FigureData]:
    key = (str(store.workspace.folder), *store.state()), blind, labels
    return _frames(store, *key), _data(store, *key, None if chosen is None else tuple(chosen), name, by)


@st.cache_resource(max_entries=6, show_spinner=False)
def _frames(_store: Reader, state: tuple[Any, ...], blind: tuple[str, ...], labels: Labels) -> Frames:
    return _store.frames(labels, blind=blind)


@st.cache_resource(max_entries=64, show_spinner=False)
def _data(
    _store: Reader,
    state: tuple[Any, ...],
    blind: tuple[str, ...],
    labels: Labels,
    chosen: tuple[str, ...] | None,
    name: str,
    by: Group,
) -> FigureData:
    frames = _frames(_store, state, blind, labels)
    if chosen is not None:
        frames = frames.of_runs(frames.runs["run_id"].isin(chosen).to_numpy())
    return data_of(figure_named(name), frames, by)


def _left_out_as_blind(blind: Collection[str], chosen: Sequence[str] | None) -> None:
    count = len(blind if chosen is None else set(blind) & set(chosen))
    if count:
        st.text(
            "1 run is left out: you label it blind."
            if count == 1
            else f"{count:,} runs are left out: you label them blind."
        )


def _may_be_shown(store: Store, figure: Figure, data: FigureData, labels: Labels) -> bool:
    """Whether the figure is drawn. One that tells labels of single runs asks first, and goes on record."""
    if not data.tells_runs or not len(data.rows) or _is_own(labels):
        return True
    runs = sorted(set(data.behind["run_id"]))
    if not person():
        st.text("This figure shows labels of single runs. Say who you are first: it goes on record who has seen them.")
        st.page_link(shell.pages()["settings"], label="Who you are here")
        return False
    agreed = f"analytics_shows {labels}"
    if not st.session_state.get(agreed):
        st.text(
            f"This figure shows labels of single runs. It goes on record that you have seen those of {len(runs):,} "
            "runs; whatever you label there later counts as not blind."
        )
        if not st.button("Show it", type="primary"):
            return False
        st.session_state[agreed] = True
        st.rerun()
    note_exposures(store, person(), [(run_id, _EXPOSURES[labels.source]) for run_id in runs])
    return True


def _is_own(labels: Labels) -> bool:
    return labels.source == "human" and labels.name == person()


def _drawn(figure: Figure, data: FigureData, labels: Labels, by: Group) -> list[int]:
    """Draw the figure; returns the rows that are selected in it."""
    dark = st.context.theme.type == "dark"
    drawn = draw(figure, data, dark=dark)
    if not len(data.rows):
        st.info(data.why)
        return []
    drawn.update_layout(dragmode="select")
    event = st.plotly_chart(
        drawn,
        theme=None,
        key=f"figure {figure.name} {labels} {by} {len(data.rows)}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={**_CONFIG, "toImageButtonOptions": {"format": "svg", "filename": figure.name}},
    )
    return rows_selected(cast(Mapping[str, Any], event), len(data.rows))


def rows_selected(event: Mapping[str, Any], rows: int) -> list[int]:
    """The rows of the data whose marks are selected, from what the browser says; whatever is no row is left out."""
    found = set()
    for point in event.get("selection", {}).get("points", []):
        given = point.get("customdata")
        row = given[0] if isinstance(given, list) and given else given
        if type(row) is int and 0 <= row < rows:
            found.add(row)
    return sorted(found)


def _downloads(figure: Figure, data: FigureData) -> None:
    if not len(data.rows):
        return
    dark = st.context.theme.type == "dark"
    with st.container(horizontal=True):
        st.download_button(
            "Data as CSV", data.as_csv, f"{figure.name}.csv", "text/csv", on_click="ignore", icon=":material/table:"
        )
        st.download_button(
            "Figure as HTML",
            lambda: as_html(draw(figure, data, dark=dark, alone=True), figure.name),
            f"{figure.name}.html",
            "text/html",
            on_click="ignore",
            icon=":material/bar_chart:",
        )


def _runs(store: Store, frames: Frames, figure: Figure, data: FigureData, labels: Labels, rows: Sequence[int]) -> None:
    """The runs behind the selection, or all that the figure counts; each opens in the viewer."""
    if not len(data.rows):
        return
    behind = data.runs_behind(rows if rows else data.rows.index)
    tells = bool(rows) and "labels" in figure.needs and not _is_own(labels)
    if tells and not person():
        st.text("Which runs have such labels is shown to those who say who they are: it goes on record.")
        st.page_link(shell.pages()["settings"], label="Who you are here")
        return
    st.subheader("Runs", anchor=False)
    if rows:
        marks = f"{len(rows):,} marks are" if len(rows) > 1 else "1 mark is"
        st.text(
            f"{marks} selected: {len(behind):,} runs." + (" It is on record that you were shown them." if tells else "")
        )
    else:
        st.text(f"{len(behind):,} runs. Select marks in the figure (click, or drag a box) to see only theirs.")
    listed = behind[:MOST_LISTED]
    if len(behind) > len(listed):
        st.text(f"The first {len(listed):,} are listed.")
    if tells:
        note_exposures(store, person(), [(run_id, _EXPOSURES[labels.source]) for run_id, _ in listed])
    facts = frames.runs.set_index("run_id")
    told = data.tells_steps and bool(rows)
    columns = [
        *(Column("run", "Run"), Column("task", "Task"), Column("agent", "Agent"), Column("model", "Model")),
        *(Column("outcome", "Outcome"), Column("steps", "Steps", "number")),
        *([Column("at", "At step", "number")] if told else []),
    ]
    show_table(
        "analytics_runs",
        columns,
        [_row(run_id, step if told else None, facts.loc[run_id]) for run_id, step in listed],
    )


def _row(run_id: str, step: int | None, facts: Any) -> Row:
    def text(name: str) -> str:
        return facts[name] if isinstance(facts[name], str) else "unknown"

    steps = int(facts["step_count"])
    cells = {
        "run": Cell(run_id, href=step_address(run_id, step)),
        **{name: Cell(text(name)) for name in ("task", "agent", "model", "outcome")},
        "steps": Cell(f"{steps:,}", value=steps),
    }
    if step is not None and not np.isnan(step):
        cells["at"] = Cell(f"{step:,}", value=step, href=step_address(run_id, step))
    return Row(run_id, cells)
