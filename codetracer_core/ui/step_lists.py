"""Walking a list of steps in the viewer: "Disagreements of Ada and Ben · 3 of 41", next, previous, and back.

A list is kept in the workspace under a name made of what it holds, so that a link to a step of it works in any tab and
after a restart of the server, while newer lists leave it room; where the workspace cannot be written to, as long
as the server runs. Everybody walks it without the runs that they label blind.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.step_list_files import Entry, StepList, name_of, read_list, write_list
from codetracer_core.store import Reader
from codetracer_core.ui import shell
from codetracer_core.ui.identity import EXPORTERS, blind_runs, may
from codetracer_core.ui.viewer import shown_by_address, viewer_state
from codetracer_core.ui.workspace import open_store

_log = logging.getLogger(__name__)

MOST_STEPS = 1_000_000
"""Steps in all lists at hand together; the lists that nobody used for longest make room."""


@dataclass
class KeptLists:
    """The lists that this server has at hand, the latest used last."""

    lists: OrderedDict[str, StepList] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, list_id: str, made: StepList) -> None:
        with self.lock:
            self.lists[list_id] = made
            self.lists.move_to_end(list_id)
            while len(self.lists) > 1 and sum(len(one.steps) for one in self.lists.values()) > MOST_STEPS:
                self.lists.popitem(last=False)

    def get(self, list_id: str) -> StepList | None:
        with self.lock:
            if list_id in self.lists:
                self.lists.move_to_end(list_id)
            return self.lists.get(list_id)


@st.cache_resource(show_spinner=False)
def _kept() -> KeptLists:
    return KeptLists()


def keep_list(title: str, steps: Sequence[Entry]) -> str:
    """Keep these steps, in this order, to be walked; returns the list's name for ``links.step_address``.

    ``title`` is shown beside the place in the list, as text. The address of the page that asks is where "back" leads.
    """
    made = StepList(title, tuple(steps), _this_page(), may(*EXPORTERS))
    list_id = name_of(made)
    if _kept().get(list_id) is None:
        _kept().add(list_id, made)
        try:
            write_list(open_store().workspace, made)
        except CodeTracerError as error:
            _log.warning("A link to a step of a list will not outlive this server: %s", error)
    return list_id


def _found(list_id: str) -> StepList | None:
    kept = _kept().get(list_id)
    if kept is None and (kept := read_list(open_store().workspace, list_id)) is not None:
        _kept().add(list_id, kept)
    return kept


def _this_page() -> str:
    name = urlsplit(st.context.url or "").path.rpartition("/")[2]
    asked = urlencode({name: st.query_params.get_all(name) for name in st.query_params}, doseq=True)
    return (name if name in shell.pages() else ".") + (f"?{asked}" if asked else "")


def answer_request(store: Reader) -> None:
    """Do what the viewer asks for of a list: put another step of it into the address, or go back. Once each."""
    asked = viewer_state().get("walk")
    if not isinstance(asked, Mapping) or st.session_state.get("walk_answered") == asked.get("name"):
        return
    st.session_state["walk_answered"] = asked.get("name")
    kept = _found(str(asked.get("list")))
    if kept is None or st.query_params.get("list") != asked.get("list"):
        return
    if asked.get("do") == "back":
        parts = urlsplit(kept.back if _tells(kept, store, _run_here(store)) else _page_of(kept))
        offered = shell.pages()
        st.switch_page(offered.get(parts.path, offered["library"]), query_params=parse_qs(parts.query))
    entries = _entries(kept, blind_runs(store))
    to = asked.get("to")
    if type(to) is int and 0 <= to < len(entries):
        run_id, step = entries[to]
        st.query_params["traj"] = run_id
        st.query_params["at"] = str(to + 1)
        st.query_params.pop("quote", None)
        if shown := shown_by_address():
            st.query_params["show"] = shown
        if step is None:
            st.query_params.pop("step", None)
        else:
            st.query_params["step"] = str(step)


def place_in_list(store: Reader, run_id: str) -> dict[str, Any] | None:
    """What the viewer is told of the list in the address (``frontend/walk.js``); None: there is none in it.

    Of the steps it is told those around this one that are of the same run: to any other the server leads
    (``answer_request``). A person who labels the run blind is not told what the list is about, and nobody who labels
    any run blind how much of the list is of such runs: the list may hold nothing but steps with labels.
    """
    list_id = st.query_params.get("list")
    if not list_id:
        return None
    kept = _found(list_id)
    if kept is None:
        return {"id": list_id, "isGone": True}
    blind = blind_runs(store)
    entries = _entries(kept, blind)
    at = _place(entries, run_id)
    first, end = _stretch(entries, at)
    offered = shell.pages()
    page = offered.get(_page_of(kept), offered["library"])
    tells = _tells(kept, store, run_id)
    return {
        "id": list_id,
        "title": kept.title if tells else "A list of steps",
        "count": len(entries),
        "leavesOut": bool(blind),
        "at": at,
        "first": first,
        "steps": [step for _, step in entries[first:end]],
        "back": kept.back if tells else _page_of(kept),
        "backTo": page.title,
        "answered": st.session_state.get("walk_answered", ""),
    }


def _run_here(store: Reader) -> str:
    """The run that the address names by its id, or a part of it; "" if there is none."""
    try:
        return store.find_run(st.query_params.get("traj", ""))
    except NotFound:
        return ""


def _tells(kept: StepList, store: Reader, run_id: str) -> bool:
    """Whether this person, at this run, may know what the list is about, and what its page was asked for."""
    return run_id not in blind_runs(store) and (may(*EXPORTERS) or not kept.names_people)


def _page_of(kept: StepList) -> str:
    return urlsplit(kept.back).path


def _entries(kept: StepList, blind: Collection[str]) -> Sequence[Entry]:
    return [entry for entry in kept.steps if entry[0] not in blind] if blind else kept.steps


def _place(entries: Sequence[Entry], run_id: str) -> int | None:
    """Index of the entry that the address is at; None: the run is not in the list."""
    said = st.query_params.get("at", "")
    at = int(said) - 1 if said.isdecimal() and len(said) < 10 else -1
    if 0 <= at < len(entries) and entries[at][0] == run_id:
        return at
    of_run = [index for index, (run, _) in enumerate(entries) if run == run_id]
    step = st.query_params.get("step", "")
    return next((index for index in of_run if str(entries[index][1]) == step), of_run[0] if of_run else None)


def _stretch(entries: Sequence[Entry], at: int | None) -> tuple[int, int]:
    """First and end index of the entries around this one that are of the same run."""
    if at is None:
        return 0, 0
    first, end = at, at + 1
    while first and entries[first - 1][0] == entries[at][0]:
        first -= 1
    while end < len(entries) and entries[end][0] == entries[at][0]:
        end += 1
    return first, end
