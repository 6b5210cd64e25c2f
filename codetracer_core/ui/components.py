"""Our own components, each registered once per process from plain files (no build step, no network).

``html``, ``css`` and ``js`` are files of this package only; everything from a run reaches a component as data, and its
script puts it on the page as text.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from codetracer_core.viewer_data import VIEWER_SCRIPTS, frontend_text

Component = Callable[..., Any]


@cache
def viewer() -> Component:
    """The step viewer: trace tree, step, keys, labels."""
    return st.components.v2.component(
        "codetracer_viewer",
        html=frontend_text("viewer.html"),
        css=frontend_text("viewer.css"),
        js=frontend_text(*VIEWER_SCRIPTS),
    )


@cache
def pipe() -> Component:
    """One channel between the step viewer and Python; nothing to see."""
    return st.components.v2.component("codetracer_pipe", js=frontend_text("pipe.js"))


@cache
def facts() -> Component:
    """A list of (name, value) pairs, as text."""
    return st.components.v2.component("codetracer_facts", css=frontend_text("facts.css"), js=frontend_text("facts.js"))


@cache
def page_style() -> Component:
    """The style sheet that all pages share."""
    return st.components.v2.component("codetracer_page", css=frontend_text("page.css"), isolate_styles=False)


@cache
def guidelines() -> Component:
    """Guidelines of a project, from ``guidelines.guidelines_tree``."""
    return st.components.v2.component(
        "codetracer_guidelines",
        css=frontend_text("guidelines_preview.css"),
        js=frontend_text("text.js", "guidelines.js", "guidelines_preview.js"),
    )


@cache
def cookie() -> Component:
    """Sets one cookie of this browser, or deletes it; nothing to see."""
    return st.components.v2.component("codetracer_cookie", js=frontend_text("cookie.js"))


@cache
def cases() -> Component:
    """The list of runs to be adjudicated: opening."""
    return st.components.v2.component(
        "codetracer_cases",
        html='<div class="cases"></div>',
        css=frontend_text("cases.css"),
        js=frontend_text("cases.js"),
    )


@cache
def runs() -> Component:
    """The table of runs: filters, sorting, opening."""
    return st.components.v2.component(
        "codetracer_runs", html=frontend_text("runs.html"), css=frontend_text("runs.css"), js=frontend_text("runs.js")
    )
