"""The editor of an extractor spec: its text, what it makes of a run, and the raw files, side by side and live.

The text that is being written lives in the browser; it comes here to be previewed, and to be saved.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.extractors.registry import Version
from codetracer_core.ui import components
from codetracer_core.ui.extractor_preview import (
    Reading,
    Unread,
    preview_data,
    problem_data,
    raw_data,
    raw_files,
    read_folder,
    run_names,
    summary_words,
    unread_data,
)
from codetracer_core.ui.identity import require

KEY = "extractor"


@dataclass(frozen=True)
class Draft:
    """A spec to be looked at and changed."""

    key: str
    """Names it in the browser: what is typed and not saved is kept there under this name."""
    text: str
    folder: Path | None
    """The folder, or file, that it is tried on; None: no one has named one."""
    version: Version | None = None
    """What is saved; None: nothing is."""
    made_by: str = ""
    """The model that proposed it."""
    repairs: str = ""
    """The extractor of which it is a proposed repair."""


@dataclass(frozen=True)
class Asked:
    """What the browser wants to see: this text, this run, the lines around this place."""

    text: str
    good: str = ""
    """The last text that could be used; empty: there was none."""
    run: int = 0
    path: str = ""
    line: int = 1
    sequence: int = 0


def asked_of(draft: Draft, message: object) -> Asked:
    """What a message of the browser asks, if it is about this draft; else the draft as it is."""
    if not isinstance(message, Mapping) or message.get("draft") != draft.key:
        return Asked(draft.text)
    text, good, path = (message.get(name) for name in ("text", "good", "path"))
    run, line, sequence = (message.get(name) for name in ("run", "line", "sequence"))
    return Asked(
        text if isinstance(text, str) else draft.text,
        good if isinstance(good, str) else "",
        run if isinstance(run, int) else 0,
        path if isinstance(path, str) else "",
        line if isinstance(line, int) and line > 0 else 1,
        sequence if isinstance(sequence, int) else 0,
    )


def text_of(draft: Draft) -> str:
    """The draft as it is written now, as far as the browser has told."""
    return asked_of(draft, _told()).text


def _told() -> object:
    return cast(Mapping[str, Any], st.session_state.get(KEY) or {}).get("asked")


@st.fragment
def editor(draft: Draft, save: Callable[[str], None]) -> None:
    """The editor; ``save`` is given the text that is to be saved."""
    require("lead")  # it reads paths with the rights of the server
    result = components.extractor()(
        key=KEY,
        data=editor_data(draft, asked_of(draft, _told())),
        default={"asked": None},
        on_asked_change=components.nothing,
        on_save_change=components.nothing,
    )
    if isinstance(result.save, Mapping) and result.save.get("draft") == draft.key:
        save(str(result.save.get("text", "")))


def editor_data(draft: Draft, asked: Asked) -> dict[str, Any]:
    """A draft and what it makes of its folder, as ``frontend/extractor.js`` shows them.

    While the text cannot be used, what the last one that could made of the folder stays, with what is wrong above it.
    """
    reading: Reading | None = None
    unread: Unread | None = None
    problem = None
    if draft.folder is None:
        problem = {"words": "Name a folder with runs above: the spec is tried on it.", "line": 0}
    else:
        try:
            found = _reading(asked.text, str(draft.folder), asked.run)
        except CodeTracerError as error:
            problem = problem_data(error)
        else:
            reading, unread = (None, found) if isinstance(found, Unread) else (found, None)
            problem = unread_data(unread) if unread else None
        if problem and asked.good and asked.good != asked.text:
            with suppress(CodeTracerError):
                before = _reading(asked.good, str(draft.folder), asked.run)
                reading = before if isinstance(before, Reading) else None
    here = reading or unread
    return {
        "draft": draft.key,
        "text": draft.text,
        "previewed": asked.text,
        "isNew": draft.version is None,
        "save": "Save" if draft.version is None else "Save as next version",
        "answered": asked.sequence,
        "problem": problem,
        "words": summary_words(reading) if reading else "",
        "isGood": bool(reading and problem is None and reading.judged.passed),
        "runs": run_names(here.locations, draft.folder) if here and draft.folder else [],
        "preview": preview_data(reading) if reading else None,
        **_raw(draft.folder, reading, unread, asked),
    }


def _raw(folder: Path | None, reading: Reading | None, unread: Unread | None, asked: Asked) -> dict[str, Any]:
    """The raw files, and one of them: of a run that cannot be read the one that is to blame. A folder that is not
    there has none."""
    if folder is None or not folder.exists():
        return {"files": [], "raw": None}
    files = raw_files(folder, reading or unread)
    begins = unread.place if unread and unread.place[0] in files.paths else ("", 1)
    wanted = (asked.path, asked.line) if asked.path else begins
    try:
        shown = raw_data(files, reading, *wanted)
    except NotFound:  # the file belongs to another run, or was there under an earlier spec
        shown = raw_data(files, reading, *begins)
    return {"files": files.data(), "raw": shown}


@st.cache_resource(max_entries=4, ttl=30, show_spinner=False)
def _reading(text: str, folder: str, run: int) -> Reading | Unread:
    """Kept for a short while: going through the lines of a file does not read the run anew."""
    return read_folder(text, Path(folder), run)
