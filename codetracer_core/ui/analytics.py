"""Figures over many runs: choosing runs, labels and figure, drawing it, and the runs behind what is selected in it."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

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
    named,
)
from codetracer_core.export import frame_as_csv
from codetracer_core.figures import as_html, draw
from codetracer_core.store import Reader, Store
from codetracer_core.ui import components, shell
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.diagnosis_order import ORDERERS
from codetracer_core.ui.identity import EXPORTERS, blind_runs, may, person
from codetracer_core.ui.library import choose_runs
from codetracer_core.ui.links import step_address
from codetracer_core.ui.run_filters import run_filters
from codetracer_core.ui.step_lists import keep_list
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.ui.viewer import EXPOSES, FEWEST_RUNS, note_exposures
from codetracer_core.words import OUTCOME_WORDS, left_out_as_blind, number_of

MOST_LISTED = 500
"""So many runs are listed below a figure; the page says if there are more."""
_CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "autoScale2d"],
}
_BAR = 30
"""Height of the bar with the figure's own buttons, which stands above it."""
_WHO = "Who is reading? Labels of single runs are shown to a name: they count as seen when you label there."


def analytics_page(store: Store) -> None:
    blind = blind_runs(store)
    chosen = run_filters(store, "analytics")
    index, place = st.columns([1, 4], gap="medium")
    with index:
        figure = _choose_figure()
        labels, by = Labels(), figure.by
        if "labels" in figure.needs:
            labels = _choose_labels(store, blind)
        if figure.groups:
            by = _choose_groups(figure)
    with place:
        components.heading()(key="analytics_heading", data=[figure.title, figure.question])
        if chosen == ():
            st.info("No run passes these filters.")
            return
        with st.spinner("Counting …"):
            frames, data = _computed(store, tuple(sorted(blind)), labels, chosen, figure.name, by)
        _left_out_as_blind(blind, chosen)
        if not len(data.rows):
            st.info(data.why)
            _notes(data)
            return
        if "labels" in figure.needs and not _may_be_shown(store, frames, data, labels, chosen):
            return
        rows = _drawn(figure, data, labels, by)
        _notes(data)
        _downloads(figure, data)
        _runs(store, frames, figure, data, labels, rows)


def _choose_figure() -> Figure:
    """The list of figures; the one that is chosen stands in the address."""
    titles = {figure.name: figure.title for figure in FIGURES}
    asked = st.query_params.get("figure", "")
    if "analytics_figure" not in st.session_state and asked in titles:
        st.session_state["analytics_figure"] = asked
    name = st.radio("Figure", [*titles], format_func=titles.__getitem__, key="analytics_figure")
    st.query_params["figure"] = name
    return figure_named(name)


def _choose_labels(store: Reader, blind: Collection[str]) -> Labels:
    sources = _sources(store, (str(store.workspace.folder), *store.state()), tuple(sorted(blind)))
    if not may(*EXPORTERS):  # who has labelled what is not for those who label beside them
        sources = {one: runs for one, runs in sources.items() if one.source != "human" or _is_own(one)}
    offered = [*([] if Labels() in sources else [Labels()]), *sources]
    return st.selectbox(
        "Labels",
        offered,
        format_func=lambda one: f"{one.in_words} ({number_of(sources.get(one, 0), 'run')})",
        key="analytics_labels",
    )


def _choose_groups(figure: Figure) -> Group:
    return st.selectbox(
        "Told apart by",
        figure.groups,
        index=figure.groups.index(figure.by),
        format_func=GROUP_WORDS.__getitem__,
        key=f"analytics_by {figure.name}",
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _sources(_store: Reader, state: tuple[Any, ...], blind: tuple[str, ...]) -> dict[Labels, int]:
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
        st.text(f"{left_out_as_blind(count)}.")


def _notes(data: FigureData) -> None:
    """Each in a line of its own; names of runs in them are text."""
    if data.notes:
        components.notes()(key="analytics_notes", data=list(data.notes))


def _may_be_shown(store: Store, frames: Frames, data: FigureData, labels: Labels, chosen: Sequence[str] | None) -> bool:
    """Whether the figure is drawn. One that tells labels of single runs asks first, and goes on record; so does one of
    so few runs that it tells what is said of each."""
    runs = set(frames.runs["run_id"][(frames.runs["labelled"] != "no").to_numpy()])
    runs = runs if chosen is None else runs.intersection(chosen)
    if data.tells_runs:
        runs = set(data.behind["run_id"])
    if _is_own(labels) or not (data.tells_runs or 0 < len(runs) < FEWEST_RUNS):
        return True
    if not person():
        ask_name(_WHO)
    agreed = f"analytics_shows {labels}"
    if not st.session_state.get(agreed):
        st.text(
            f"This figure shows labels of single runs. It goes on record that you have seen those of "
            f"{number_of(len(runs), 'run')}; what you label there later counts as not blind."
        )
        if not st.button("Show it", type="primary"):
            return False
        st.session_state[agreed] = True
        st.rerun()
    _note_seen(store, runs, labels)
    return True


def _is_own(labels: Labels) -> bool:
    return labels.source == "human" and labels.name == person()


def _note_seen(store: Store, run_ids: Collection[str], labels: Labels) -> None:
    note_exposures(store, person(), [(run_id, EXPOSES[labels.source]) for run_id in run_ids])


def _drawn(figure: Figure, data: FigureData, labels: Labels, by: Group) -> list[int]:
    """Draw the figure; returns the rows that are selected in it."""
    drawn = draw(figure, data, dark=_is_dark())
    drawn.update_layout(
        dragmode="select", height=drawn.layout.height + _BAR, margin={"t": (drawn.layout.margin.t or 0) + _BAR}
    )
    event = st.plotly_chart(
        drawn,
        theme=None,
        key=f"analytics_chart {figure.name} {labels} {by} {len(data.rows)} {len(data.behind)}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={**_CONFIG, "toImageButtonOptions": {"format": "svg", "filename": figure.name}},
    )
    return rows_selected(cast(Mapping[str, Any], event), len(data.rows))


def _is_dark() -> bool:
    return st.context.theme.type == "dark"


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
    dark = _is_dark()
    with st.container(horizontal=True):
        st.download_button(
            "Data as CSV", partial(frame_as_csv, data.rows), f"{figure.name}.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Figure as HTML",
            lambda: as_html(draw(figure, data, dark=dark, alone=True), figure.name),
            f"{figure.name}.html",
            "text/html",
            on_click="ignore",
        )


def _runs(store: Store, frames: Frames, figure: Figure, data: FigureData, labels: Labels, rows: Sequence[int]) -> None:
    """The runs behind the selection, or all that the figure counts; each opens in the viewer."""
    behind = data.runs_behind(rows or data.rows.index)
    of_others = "labels" in figure.needs and not _is_own(labels)
    tells = bool(rows) and of_others
    if tells and not person():
        ask_name(_WHO)
    if tells:
        _note_seen(store, [run_id for run_id, _ in behind], labels)
    runs = number_of(len(behind), "run")
    if of_others and data.tells_steps and not rows:  # that these runs hold such steps is a label of each of them
        st.text(f"{runs}. Click marks, or drag a box around some, to list theirs.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if rows:
            st.text(f"{runs} behind {number_of(len(rows), 'selected mark')}", width="stretch")
        else:
            st.text(f"{runs}. Click marks, or drag a box around some, to list only theirs.", width="stretch")
        words = f"chosen in the figure “{figure.title}”"
        ids = [run_id for run_id, _ in behind]
        if st.button("Open in the library"):
            choose_runs(ids, words)
            st.switch_page(shell.pages()["library"])
        if may(*ORDERERS) and st.button("Diagnose"):
            choose_runs(ids, words)
            st.session_state["batch"] = True
            st.switch_page(shell.pages()["diagnose"])
    at_step = data.tells_steps and bool(rows)
    listed = behind[:MOST_LISTED]
    walked = [(run_id, step if at_step else None) for run_id, step in behind]
    list_id = keep_list(f"{figure.title}: {runs}", walked)
    if len(behind) > len(listed):
        st.text(f"The first {len(listed):,} are listed; opened in the library, there are all.")
    facts = frames.runs.set_index("run_id")
    columns = [
        *(Column("run", "Run"), Column("task", "Task"), Column("agent", "Agent"), Column("model", "Model")),
        *(Column("outcome", "Outcome"), Column("steps", "Steps", "number")),
        *([Column("at", "At step", "number")] if at_step else []),
    ]
    shown = [_row(run_id, step if at_step else None, facts.loc[run_id], list_id) for run_id, step in listed]
    show_table("analytics_runs", columns, shown)


def _row(run_id: str, step: int | None, facts: Any, list_id: str) -> Row:
    address = step_address(run_id, step, list_id=list_id)
    steps = int(facts["step_count"])
    cells = {
        "run": Cell(run_id, href=address),
        **{name: Cell(named(facts[name])) for name in ("task", "agent", "model")},
        "outcome": Cell(OUTCOME_WORDS[named(facts["outcome"])]),
        "steps": Cell(f"{steps:,}", value=steps),
    }
    if step is not None:
        cells["at"] = Cell(f"{step:,}", value=step, href=address)
    return Row(run_id, cells)
