"""Where this benchmark is known to mislead, looked up in the runs at hand: plain sentences, and why they matter."""

from collections.abc import Sequence

import streamlit as st

from codetracer_core.evaluating import StepTexts
from codetracer_core.evaluation import Caveat, warnings
from codetracer_core.ui.evaluation_data import Asked, judged
from codetracer_core.ui.workspace import open_store
from codetracer_core.words import number_of


def show_caveats(found: Sequence[Caveat]) -> None:
    """All of them. What they name is other people's text: it is never read as markdown."""
    if not found:
        return
    count = len(found)
    title = f"Before these numbers are believed: {number_of(count, 'thing')} to know"
    with st.expander(title, expanded=True):
        for one in found:
            st.text(f"{one.text}\nWhy this matters: {one.why}")


@st.cache_resource(max_entries=64, show_spinner="Looking for what may mislead …")
def caveats(asked: Asked, convention: str) -> tuple[Caveat, ...]:
    """What to know of the evaluation under one convention, the gravest first."""
    evaluation = judged(asked)
    return warnings(evaluation, convention, texts=StepTexts(open_store(), evaluation.rows.truth))
