"""How a diagnosis was made: settings, prompts, what was remembered, and all that was said, page by page."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from codetracer_core.diagnosis_models import CallUsage, Diagnosis
from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Store
from codetracer_core.ui import components
from codetracer_core.ui.diagnosis_report import money, usage_words

ENTRIES = 20
"""Of a transcript on one page of it."""
LONGEST_ENTRY = 20_000
"""Characters of one entry of a transcript; its end is left out beyond that, and said so."""
_KNOWN_OF_ENTRIES = ("sample", "phase", "kind", "role", "text", "at", "tool_requests", "call_id")
_ROLES = {"system": "rules", "user": "prompt", "assistant": "model", "tool": "answer of a tool"}


def how_it_was_made(store: Store, diagnosis: Diagnosis) -> None:
    """Settings, prompts, insights and the transcript, once somebody opens this."""
    made = st.expander("How it was made", key="made", on_change="rerun")
    if not made.open:
        return
    with made:
        settings, others = st.columns(2, gap="large")
        with settings:
            components.facts()(key="settings", data=_settings_told(diagnosis))
        with others:
            prompts = [(name, f"version {version}") for name, version in sorted(diagnosis.prompt_versions.items())]
            components.facts()(key="prompts", data=prompts or [("Prompts", "none: no language model was asked")])
        insights = store.insights(ids=diagnosis.insights) if diagnosis.insights else []
        if insights:
            st.text("From memory, in the prompt:")
            components.facts()(key="insights", data=[(one.author, one.text) for one in insights])
        _transcript(store, diagnosis.diagnosis_id)


def _settings_told(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    told = [
        (name.removesuffix("_usd").replace("_", " ").capitalize(), _value_told(name, value))
        for name, value in diagnosis.settings.model_dump(mode="json").items()
    ]
    return [*told, *((f"To {phase}", usage_words(used)) for phase, used in diagnosis.usage.items())]


def _value_told(name: str, value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not set"}[value]
    if isinstance(value, float):
        return money(value) if name.endswith("_usd") else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("_", " ")


def _transcript(store: Store, diagnosis_id: str) -> None:
    try:
        entries = store.transcript(diagnosis_id)
    except CodeTracerError as error:
        st.text(f"The transcript cannot be shown: {error}")
        return
    if not entries:
        st.text("There is no transcript: no language model was asked.")
        return
    pages = -(-len(entries) // ENTRIES)
    page = 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if pages > 1:
            page = st.number_input("Page of the transcript", 1, pages, key=f"transcript {diagnosis_id}", width=160)
        first = (page - 1) * ENTRIES
        last = min(len(entries), first + ENTRIES)
        st.text(f"Entries {first + 1} to {last} of {len(entries)}", width="content")
    told = [transcript_entry(entry, number) for number, entry in enumerate(entries[first:last], start=first + 1)]
    components.transcript()(key="transcript", data={"entries": told})


def transcript_entry(entry: Mapping[str, Any], number: int) -> dict[str, str]:
    """One entry as ``frontend/transcript.js`` shows it."""
    kind, role = str(entry.get("kind", "")), str(entry.get("role", ""))
    facts = [f"sample {entry['sample']}"] if entry.get("sample") else []
    facts += [str(entry["at"])[11:19]] if entry.get("at") else []
    parts = [str(entry["text"])] if entry.get("text") else []
    if kind == "usage":
        facts.append(usage_words(CallUsage.model_validate({n: entry[n] for n in CallUsage.model_fields if n in entry})))
    else:
        parts += [
            f"{request.get('name')} {_indented(str(request.get('arguments', '')))}"
            for request in entry.get("tool_requests", ())
        ]
        more = {name: value for name, value in entry.items() if name not in _KNOWN_OF_ENTRIES}
        parts += [json.dumps(more, ensure_ascii=False, indent=1)] if more else []
    text = "\n\n".join(parts)
    if len(text) > LONGEST_ENTRY:
        text = f"{text[:LONGEST_ENTRY]}\n… {len(text) - LONGEST_ENTRY:,} more characters"
    words = _ROLES.get(role, role) if kind == "message" else kind
    title = " · ".join(part for part in (words, str(entry.get("phase", ""))) if part)
    return {"title": f"{number}. {title}", "facts": " · ".join(facts), "text": text}


def _indented(arguments: str) -> str:
    """Arguments of a tool, one to a line if they are JSON."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False, indent=1)
    except ValueError:
        return arguments
