"""All runs: import, search, filter, open; labels in and out."""

import streamlit as st

from codetracer_core.ui import shell
from codetracer_core.ui.exporting import export_panel
from codetracer_core.ui.identity import EXPORTERS, blind_runs, may, person
from codetracer_core.ui.importing import import_panel, is_asked_for
from codetracer_core.ui.label_importing import label_import_panel
from codetracer_core.ui.library import filtered_runs, only_chosen, runs_table
from codetracer_core.ui.workspace import open_store

store = open_store()
offered = (["Import runs", "Import labels"] if may("lead") else []) + (["Export labels"] if may(*EXPORTERS) else [])
exporting = False
if offered:
    with st.expander("Import and export", expanded=not store.runs() or is_asked_for()):
        tabs = dict(zip(offered, st.tabs(offered, key="library_tab", on_change="rerun"), strict=True))
    if "Import runs" in tabs:
        with tabs["Import runs"]:
            import_panel(store)
        with tabs["Import labels"]:
            label_import_panel(store, person())
    exporting = "Export labels" in tabs and bool(tabs["Export labels"].open)
    if exporting:
        with tabs["Export labels"]:
            export_panel(store, person(), filtered_runs())
runs = only_chosen(store.runs(annotator=person(), blind=blind_runs(store)))
opened = runs_table(runs, store, tell_filtered=exporting)
if opened:
    st.switch_page(shell.pages()["trajectory"], query_params={"traj": opened})
