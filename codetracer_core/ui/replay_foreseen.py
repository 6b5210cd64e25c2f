"""Before many runs are replayed: from whose failure onset, and what would become of each of them. Nothing runs here."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from codetracer_core.analytics import Labels
from codetracer_core.replaying import ForeseenReplay
from codetracer_core.store import Store
from codetracer_core.ui.diagnosing import on_record
from codetracer_core.ui.identity import blind_runs, person
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.ui.viewer import EXPOSES, note_exposures
from codetracer_core.words import number_of

_USUAL = "as adjudicated, else as diagnosed, else your own"
_COLUMNS = (
    Column("run", "Run"),
    Column("step", "From step", "number"),
    Column("origin", "Why this step"),
    Column("plan", "Steps before"),
    Column("then", "Would be"),
)
_WHY = Column("why", "Why")


def choose_onset(store: Store) -> str | None:
    """Whose failure onset the runs are replayed from, as ``choose_step`` takes it; None: in its own order, which never
    takes ground truth."""
    sources = sorted(store.label_sources(blind_runs(store)), key=str)
    chosen = st.selectbox(
        "Failure onset",
        ["", *map(str, sources)],
        format_func=lambda one: f"only from {Labels.parse(one).in_words}" if one else _USUAL,
        key="replay_batch_onset",
        persist_state="page",
        help="The step that a run is replayed from. Runs without one are left out. Where ground truth marks none, its "
        "first incorrect step stands for it.",
    )
    return chosen or None


def note_onsets_seen(store: Store, run_ids: Sequence[str], onset_of: str | None) -> None:
    """Put on record that this person learns where runs went wrong, and who says so. Raises NotAllowed for a run to
    which they stand blind."""
    if onset_of is None:
        for run_id in run_ids:
            on_record(store, run_id)
        return
    labels = Labels.parse(onset_of)
    if (labels.source, labels.name) != ("human", person()):
        note_exposures(store, person(), [(run_id, EXPOSES[labels.source]) for run_id in run_ids])


def show_foreseen(found: Sequence[ForeseenReplay], *, goes_on: bool) -> None:
    """A line for each run: those that would be skipped first, with the reason. ``goes_on``: a model would, too."""
    counts = Counter("done" if one.was_done else "skipped" if one.refused else "replayed" for one in found)
    told = [
        f"{number_of(counts['replayed'], 'run')} would be replayed",
        f"{counts['skipped']:,} skipped" if counts["skipped"] else "",
        f"{counts['done']:,} left out, because the same was done before" if counts["done"] else "",
    ]
    then = "" if goes_on else " No model is chosen that would go on: this is of the earlier steps alone."
    st.text(f"{', '.join(filter(None, told))}. Nothing has run yet.{then}")
    order = sorted(found, key=lambda one: (not one.refused, one.was_done))
    columns = (*_COLUMNS, _WHY) if any(one.refused for one in found) else _COLUMNS
    show_table("replay_foreseen", columns, list(map(_row, order)), height=420)


def _row(one: ForeseenReplay) -> Row:
    asked = {"traj": one.run_id} | ({} if one.step_id is None else {"step": str(one.step_id)})
    then = Cell("replayed", tone="good")
    if one.refused:
        then = Cell("skipped", tone="bad")
    elif one.was_done:
        then = Cell("left out", note="The same order has been carried out before.", tone="weak")
    return Row(
        one.run_id,
        {
            "run": Cell(one.run_id, href=f"replay?{urlencode(asked)}"),
            "step": Cell("" if one.step_id is None else f"{one.step_id:,}", value=one.step_id),
            "origin": Cell(one.origin),
            "plan": Cell(one.plan),
            "then": then,
            "why": Cell(one.refused, note=one.refused),
        },
    )
