"""People with people, and with models, ground truth and adjudication: how far they agree, and where they do not."""

import streamlit as st

from codetracer_core.ui import agreement_sections as sections
from codetracer_core.ui.agreement import answers, choose, choose_scope, same_scope
from codetracer_core.ui.agreement_steps import disagreements_panel, note_few, steps_panel
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.identity import person
from codetracer_core.ui.workspace import open_store

if not person():
    ask_name("Who is reading? The steps behind a number show what others say: that counts as seen when they label.")
store = open_store()
question, with_revised = choose(store)
found = answers(store, question, with_revised=with_revised)
first = found[0]
whose, counted = st.columns([1, 2.2])
with whose:
    scope = choose_scope(first)
with counted:
    sections.counted_in(first)
if scope is None:
    sections.nothing_to_compare(first)
    st.stop()
note_few(store, first)
scopes = [scope, *(same_scope(answer, scope) for answer in found[1:])]
sections.headline(found, scopes)
tabs = ["Measures", "Pairs", "Labels", "Onset", "Ranges and stages", "Runs", "Raters", "Disagreements", "Download"]
for name, tab in zip(tabs, st.tabs(tabs, key="agreement_tab", on_change="rerun", bind="query-params"), strict=True):
    if not tab.open:
        continue
    with tab:
        match name:
            case "Measures":
                sections.measures(found, scopes)
            case "Pairs":
                sections.pairs(first)
            case "Labels":
                sections.labels(first, scope)
            case "Onset":
                sections.onset(store, first, scope)
            case "Ranges and stages":
                sections.ranges_and_stages(scope)
            case "Runs":
                sections.runs(store, first)
            case "Raters":
                sections.people(first)
            case "Disagreements":
                disagreements_panel(store, first, scope)
            case "Download":
                sections.downloads(store, found)
steps_panel(store, first)
