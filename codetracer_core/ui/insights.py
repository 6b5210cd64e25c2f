"""The memory panel: what earlier diagnoses taught of each kind of agent, to be reworded, switched off or added to.

Insights were written by models or people: they go into plain text and fields, never into markdown.
"""

from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import streamlit as st

from codetracer_core.diagnosis_models import LONGEST_INSIGHT, Insight
from codetracer_core.errors import CodeTracerError
from codetracer_core.memory import MOST_CHARACTERS
from codetracer_core.store import Store
from codetracer_core.ui.identity import blind_runs, person, require
from codetracer_core.ui.settings import changing

_ON_A_PAGE = 20


def memory(store: Store) -> None:
    """Insights of one agent type, with their origin; switches, fields, and a form for a new one."""
    require("lead")
    st.subheader("Memory")
    st.caption(
        "What diagnoses taught of a kind of agent goes into later diagnoses of the same kind. It never comes from "
        "ground truth, and names no task, file or step."
    )
    blind = blind_runs(store)
    known = [one for one in store.insights() if one.run_id not in blind]
    counts = {run.agent: 0 for run in store.runs() if run.agent} | Counter(one.agent for one in known)
    agents = sorted(counts, key=lambda agent: (-counts[agent], agent))
    if not agents:
        st.info("There are no runs yet, so there is nothing to remember.")
        return
    agent = st.selectbox(
        "Agent", agents, format_func=lambda name: f"{name} · {counts[name]}", key="memory_agent", width=320
    )
    about = [one for one in known if one.agent == agent]
    characters = sum(len(one.text) for one in about)
    is_on = sum(one.enabled for one in about)
    st.text(f"{is_on} of {len(about)} switched on · {characters:,} of {MOST_CHARACTERS:,} characters")
    if not about:
        st.info("Nothing is remembered of this agent yet. Diagnoses by a language model fill it, or you do.")
    pages = max(1, -(-len(about) // _ON_A_PAGE))
    page = st.number_input("Page", 1, pages, key=f"memory_page {agent}", width=140) if pages > 1 else 1
    for one in about[::-1][(page - 1) * _ON_A_PAGE : page * _ON_A_PAGE]:
        _one(store, one)
    with st.form(f"memory_new {agent} {len(about)}", border=False):
        text = st.text_area(
            "New insight", max_chars=LONGEST_INSIGHT, height=80, placeholder="True of any task of this agent"
        )
        if st.form_submit_button("Add") and text.strip():
            _add(store, agent, text.strip())


def _one(store: Store, insight: Insight) -> None:
    with st.container(border=True):
        st.text(insight.text)
        with st.container(horizontal=True, vertical_alignment="center"):
            is_on = st.toggle("On", insight.enabled, key=f"memory_on {insight.insight_id}")
            with st.popover("Reword"), st.form(f"memory_reword {insight.insight_id}", border=False):
                text = st.text_area("Insight", insight.text, max_chars=LONGEST_INSIGHT, height=140)
                if st.form_submit_button("Save") and text.strip():
                    _change(store, insight, "The insight is reworded.", text=text.strip())
            origin = f"by {insight.author}, {insight.created_at:%Y-%m-%d}"
            st.text(origin + (f", from {insight.run_id}" if insight.run_id else ""), width="content")
    if is_on != insight.enabled:
        _change(store, insight, f"The insight is switched {'on' if is_on else 'off'}.", enabled=is_on)


def _change(store: Store, insight: Insight, done: str, *, text: str | None = None, enabled: bool | None = None) -> None:
    with changing(done):
        require("lead")
        store.change_insight(insight.insight_id, person=person() or "a lead", text=text, enabled=enabled)


def _add(store: Store, agent: str, text: str) -> None:
    with changing("The insight is kept."):
        require("lead")
        given = Insight(
            insight_id=uuid4().hex,
            agent=agent,
            text=text,
            author=person() or "a lead",
            by_person=True,
            created_at=datetime.now(UTC),
        )
        for _, reason in store.add_insights([given]).refused:
            raise CodeTracerError(f"this insight is not kept: {reason}")
