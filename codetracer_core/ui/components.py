"""Our own components, each registered once per process from plain files (no build step, no network).

``html``, ``css`` and ``js`` are files of this package only; everything from a run reaches a component as data, and its
script puts it on the page as text.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_FRONTEND = Path(__file__).with_name("frontend")
_VIEWER_SCRIPTS = ("vendor/prism.min.js", "text.js", "keys.js", "outbox.js", "tree.js", "detail.js", "viewer.js")

Component = Callable[..., Any]


def _read(*names: str) -> str:
    return "\n".join((_FRONTEND / name).read_text(encoding="utf-8") for name in names)


@cache
def viewer() -> Component:
    """The step viewer: trace tree, step, keys, labels."""
    return st.components.v2.component(
        "codetracer_viewer", html=_read("viewer.html"), css=_read("viewer.css"), js=_read(*_VIEWER_SCRIPTS)
    )


@cache
def pipe() -> Component:
    """One channel between the step viewer and Python; nothing to see."""
    return st.components.v2.component("codetracer_pipe", js=_read("pipe.js"))


@cache
def facts() -> Component:
    """A list of (name, value) pairs, as text."""
    return st.components.v2.component("codetracer_facts", css=_read("facts.css"), js=_read("facts.js"))


@cache
def page_style() -> Component:
    """The style sheet that all pages share."""
    return st.components.v2.component("codetracer_page", css=_read("page.css"), isolate_styles=False)


@cache
def runs() -> Component:
    """The table of runs: filters, sorting, opening."""
    return st.components.v2.component(
        "codetracer_runs", html=_read("runs.html"), css=_read("runs.css"), js=_read("runs.js")
    )
