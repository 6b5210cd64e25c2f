"""The dashboard and one page more, of tables and a list of steps, for the tests beside it."""

import streamlit as st

from codetracer_core.intervals import Estimate
from codetracer_core.ui import components, shell
from codetracer_core.ui.links import step_address
from codetracer_core.ui.step_lists import keep_list
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell, matrix, show_table
from codetracer_core.ui.workspace import open_store

HOSTILE = '<img src=x onerror="window.hit=1"> **bold** :material/home: $x$ \u202ereversed {0} %s ' + "long " * 40

ESTIMATES = {
    "a model": Estimate(0.42, low=0.31, high=0.55, clusters=120),
    "another": Estimate(0.1234, low=0.02, high=0.2, clusters=14),
    "few runs": Estimate(0.9, clusters=3, why_no_interval="3 clusters: an interval needs at least 10"),
    "nothing": Estimate(None, why="everyone used one label (n = 40)", clusters=12, why_no_interval="there is no value"),
    HOSTILE: Estimate(0.3, low=0.25, high=0.38, clusters=80, undefined_replicates=12),
}
DIFFERENCES = {
    "a model": Estimate(0.12, low=-0.02, high=0.25, clusters=120),
    "another": Estimate(-0.31, low=-0.5, high=-0.1, clusters=120),
    "nothing": Estimate(0.0, low=-0.04, high=0.05, clusters=120),
}


def demo() -> None:
    columns = [
        Column("system", "System", help="Who said it.\nEach is a row."),
        Column("f1", "F1", "interval", help="Mean over all rows."),
        Column("delta", "Against the model", "interval"),
        Column("runs", "Runs", "number"),
        Column("steps", "Steps per run", "number"),
    ]
    rows = [
        Row(
            name,
            {
                "system": Cell(name),
                "f1": estimate_cell(found),
                **({"delta": estimate_cell(DIFFERENCES[name])} if name in DIFFERENCES else {}),
                "runs": Cell(f"{at * 700:,}", value=at * 700, pick=f"runs {at}"),
                "steps": Cell(str(at * 2.5) if at % 2 else str(at * 3), value=at * 2.5),
            },
            tone="baseline" if name == "few runs" else "",
        )
        for at, (name, found) in enumerate(ESTIMATES.items())
    ]
    was = st.session_state.get("was", "")
    picked = show_table("systems", columns, rows, caption="Systems on 120 runs.", selected=was)
    st.session_state["was"] = picked or was
    counts = [[12, 3, 40], [1, 0, 22], [35, 18, 41_230]]
    labels = ["incorrect", "unuseful", "correct"]
    cells = [
        [Cell(f"{n:,}", value=n, pick=f"{labels[i]}/{labels[j]}") for j, n in enumerate(row)]
        for i, row in enumerate(counts)
    ]
    pressed = matrix("confusion", labels, labels, cells, rows_are="Ada", columns_are="Ben", caption="Ada and Ben.")
    many = [
        Row(f"step {n}", {"n": Cell(f"{n:,}", value=n), "run": Cell(f"run {n % 97}", pick=f"row {n}")})
        for n in range(1, 3_001)
    ]
    chosen = show_table("many", [Column("n", "Number", "number"), Column("run", "Run")], many, height=300)
    st.text(f"picked: {picked or pressed or chosen}")

    entries: list[tuple[str, int | None]] = [
        (run.run_id, step) for first in (2, 3) for run in open_store().runs() for step in (first, first + 1)
    ]
    list_id = keep_list(f"Disagreements {HOSTILE}", entries)
    links = [
        Row(str(at), {"step": Cell(f"{run} {step}", href=step_address(run, step, show_labels=True, list_id=list_id))})
        for at, (run, step) in enumerate(entries)
    ]
    show_table("steps", [Column("step", "Step")], links)


st.set_page_config(layout="wide", page_icon="🔢")
components.page_style()(key="page_style", height=1)
st.navigation([*shell.pages().values(), st.Page(demo, title="Tables", url_path="tables")], position="top").run()
