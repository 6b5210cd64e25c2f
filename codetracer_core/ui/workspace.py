"""The dashboard's hold on its workspace: one open store per server, and the runs that were opened lately."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import streamlit as st

from codetracer_core.replaying import sweep
from codetracer_core.store import Store, default_workspace, keep
from codetracer_core.ui.identity import blind_runs, person, standing_of
from codetracer_core.ui.jobs import end_jobs
from codetracer_core.ui.viewer import truth_is_shown
from codetracer_core.workflow import RunView, import_samples_if_empty, seen_blind, stored_run, without_ground_truth

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """The store, and the thread that takes in the inbox of the command line and keeps its snapshot fresh."""

    store: Store
    stop: threading.Event
    keeper: threading.Thread

    def release(self) -> None:
        self.stop.set()
        self.keeper.join()
        self.store.close()


@st.cache_resource(show_spinner="Opening the workspace …", on_release=_Held.release)
def _hold() -> _Held:
    address = f"http://{st.get_option('server.address') or 'localhost'}:{st.get_option('server.port')}"
    store = Store.open(default_workspace(), purpose=f"the dashboard at {address}")
    import_samples_if_empty(store)
    if store.workspace.replays.is_dir():
        for done in sweep(store):
            _log.warning("Cleaned up after a replay that was killed: %s", done)
    stop = threading.Event()
    keeper = threading.Thread(target=keep, args=(store, stop), name="codetracer-keep", daemon=True)
    keeper.start()
    return _Held(store, stop, keeper)


def open_store() -> Store:
    """The workspace's store, opened once per server; an empty workspace gets the sample runs."""
    return _hold().store


@asynccontextmanager
async def store_closed_at_the_end(_: st.App) -> AsyncIterator[None]:
    """The server's life: when it ends, what diagnoses under way have is kept, and the workspace is given free with its
    snapshot up to date."""
    yield
    end_jobs()
    _hold.clear()


def open_run(name: str) -> RunView:
    """The run that is called so, with its tree and stages; raises NotFound. Runs opened lately are kept in memory.

    What the benchmark says of the run is in it only if this person asked for it and may see it (``truth_is_shown``):
    until then its stages are the offline split. Where a replay begins is where somebody saw the failure onset: to
    whoever stands blind to the original it is not told, and the replay is not shown unless they label it too. Raises
    NotAllowed.
    """
    store = open_store()
    _, imports = store.revision()
    run_id = store.find_run(name)
    who = person()
    standing = standing_of(store, run_id, who)
    shows_truth = truth_is_shown(store, run_id, who, standing)
    view = _open_run(run_id, imports) if shows_truth else _open_without_truth(run_id, imports)
    return view if view.trajectory.replay_of is None else seen_blind(view, who, blind=blind_runs(store))


@st.cache_resource(max_entries=48, show_spinner=False)
def _open_run(run_id: str, imports: int) -> RunView:
    return stored_run(open_store(), run_id)


@st.cache_resource(max_entries=48, show_spinner=False)
def _open_without_truth(run_id: str, imports: int) -> RunView:
    return without_ground_truth(_open_run(run_id, imports))
