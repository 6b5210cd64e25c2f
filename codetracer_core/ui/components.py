"""Our own components, each registered once per process from plain files (no build step, no network).

``html``, ``css`` and ``js`` are files of this package only; everything from a run reaches a component as data, and its
script puts it on the page as text.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from codetracer_core.viewer_data import VIEWER_SCRIPTS, VIEWER_STYLES, frontend_text

Component = Callable[..., Any]


def nothing() -> None:
    """The callback of whatever a page reads when it re-runs: Streamlit only wants to see one."""


def _styles(*names: str) -> str:
    """Style sheets after what they share with the others."""
    return frontend_text("palette.css", "shared.css", *names)


@cache
def viewer() -> Component:
    """The step viewer: trace tree, step, keys, labels."""
    return st.components.v2.component(
        "codetracer_viewer",
        html=frontend_text("viewer.html"),
        css=frontend_text(*VIEWER_STYLES),
        js=frontend_text(*VIEWER_SCRIPTS),
    )


@cache
def pipe() -> Component:
    """One channel between the step viewer and Python; nothing to see."""
    return st.components.v2.component("codetracer_pipe", js=frontend_text("leaving.js", "pipe.js"))


@cache
def facts() -> Component:
    """A list of (name, value) pairs, as text."""
    return st.components.v2.component("codetracer_facts", css=frontend_text("facts.css"), js=frontend_text("facts.js"))


@cache
def page_style() -> Component:
    """The style sheet that all pages share, and whether it is for the dark theme."""
    return st.components.v2.component(
        "codetracer_page", css=frontend_text("page.css"), js=frontend_text("page.js"), isolate_styles=False
    )


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
def focus() -> Component:
    """Puts the cursor into the field with a label of ours; nothing to see."""
    return st.components.v2.component("codetracer_focus", js=frontend_text("focus.js"))


@cache
def cases() -> Component:
    """The list of runs to be adjudicated: opening."""
    return st.components.v2.component(
        "codetracer_cases",
        html='<div class="cases"></div>',
        css=_styles("cases.css"),
        js=frontend_text("cases.js"),
    )


@cache
def runs() -> Component:
    """The table of runs: filters, sorting, opening."""
    return st.components.v2.component(
        "codetracer_runs", html=frontend_text("runs.html"), css=_styles("runs.css"), js=frontend_text("runs.js")
    )


@cache
def notes() -> Component:
    """Sentences, each on a line of its own, as text."""
    return st.components.v2.component(
        "codetracer_notes", css=frontend_text("notes.css"), js=frontend_text("text.js", "notes.js")
    )


@cache
def warning() -> Component:
    """One sentence or a few of warning, as text."""
    return st.components.v2.component(
        "codetracer_warning", css=_styles("warning.css"), js=frontend_text("text.js", "warning.js")
    )


@cache
def heading() -> Component:
    """A title and a quieter line beside it, as text."""
    return st.components.v2.component(
        "codetracer_heading", css=frontend_text("heading.css"), js=frontend_text("text.js", "heading.js")
    )


@cache
def diagnosis() -> Component:
    """The report of one diagnosis, from ``diagnosis_report.report_data``; labels in it are accepted or rejected."""
    return st.components.v2.component(
        "codetracer_diagnosis",
        css=_styles("diagnosis.css"),
        js=frontend_text("text.js", "keys.js", "outbox.js", "chain.js", "judging.js", "diagnosis.js"),
    )


@cache
def diagnoses() -> Component:
    """A list of diagnoses: opening."""
    return st.components.v2.component(
        "codetracer_diagnoses", css=_styles("diagnoses.css"), js=frontend_text("text.js", "diagnoses.js")
    )


@cache
def jobs() -> Component:
    """Diagnoses under way: what they read and think, cost so far, cancelling."""
    return st.components.v2.component(
        "codetracer_jobs", css=_styles("jobs.css"), js=frontend_text("text.js", "leaving.js", "asking.js", "jobs.js")
    )


@cache
def replay_plan() -> Component:
    """What a replay will run, from ``replay_plan.plan_data``."""
    return st.components.v2.component(
        "codetracer_replay_plan", css=_styles("replay_plan.css"), js=frontend_text("text.js", "replay_plan.js")
    )


@cache
def replay() -> Component:
    """One replay, under way or over, from ``replay_report.replay_data``: texts are opened on demand, cancelling."""
    return st.components.v2.component(
        "codetracer_replay",
        css=_styles("replay.css"),
        js=frontend_text("text.js", "difference.js", "leaving.js", "asking.js", "replay.js"),
    )


@cache
def transcript() -> Component:
    """What was said while a diagnosis was made, entry by entry."""
    return st.components.v2.component(
        "codetracer_transcript", css=frontend_text("transcript.css"), js=frontend_text("text.js", "transcript.js")
    )


@cache
def table() -> Component:
    """A table of numbers: whiskers, sorting, links and cells that can be picked (``tables.show_table``)."""
    return st.components.v2.component(
        "codetracer_table", css=_styles("table.css"), js=frontend_text("text.js", "table.js")
    )


@cache
def comparison() -> Component:
    """Runs side by side, aligned, with the texts of a row and what differs in them (``comparing.compare_runs``)."""
    scripts = ("text.js", "keys.js", "outbox.js", "lagging.js", "stages.js", "difference.js")
    return st.components.v2.component(
        "codetracer_comparison",
        html=frontend_text("compare.html"),
        css=_styles("marks.css", "compare.css"),
        js=frontend_text(*scripts, "compare_head.js", "compare_texts.js", "compare.js"),
    )


@cache
def compare_choice() -> Component:
    """What is to stand side by side: suggested pairs, or a choice from a list."""
    return st.components.v2.component(
        "codetracer_compare_choice",
        css=_styles("compare_choice.css"),
        js=frontend_text("text.js", "compare_choice.js"),
    )


@cache
def diagnosis_comparison() -> Component:
    """Diagnoses of one run side by side, from ``compare_diagnoses.comparison_data``."""
    return st.components.v2.component(
        "codetracer_diagnosis_comparison",
        css=_styles("compare_diagnoses.css"),
        js=frontend_text("text.js", "compare_diagnoses.js"),
    )


@cache
def extractor() -> Component:
    """An extractor spec in a field, beside what it makes of a run and the raw files (``extractor_editor.editor``)."""
    scripts = (
        "text.js",
        "outbox.js",
        "leaving.js",
        "extractor_text.js",
        "extractor_preview.js",
        "extractor_raw.js",
        "extractor.js",
    )
    return st.components.v2.component(
        "codetracer_extractor",
        html=frontend_text("extractor.html"),
        css=_styles("extractor.css"),
        js=frontend_text(*scripts),
    )
