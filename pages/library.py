"""All runs: import, search, filter, open."""

import streamlit as st

from codetracer_core.ui import shell
from codetracer_core.ui.identity import may, person
from codetracer_core.ui.importing import import_panel
from codetracer_core.ui.library import runs_table
from codetracer_core.ui.workspace import open_store

store = open_store()
if may("lead"):
    with st.expander("Import runs", expanded=not store.runs()):
        import_panel()
opened = runs_table(store.runs(annotator=person()), store)
if opened:
    st.switch_page(shell.pages()["trajectory"], query_params={"traj": opened})
