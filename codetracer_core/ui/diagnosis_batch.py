"""Many runs at once: those that pass the filters of the table of runs, diagnosed as one job."""

from collections.abc import Sequence

import streamlit as st

from codetracer_core.diagnosis_models import HEURISTIC
from codetracer_core.store import RunSummary, Store
from codetracer_core.ui import shell
from codetracer_core.ui.diagnosis_order import ORDERERS, HowMany, Order, order_form, start, tells_cost
from codetracer_core.ui.identity import blind_runs, may, person
from codetracer_core.ui.library import filtered_runs, only_chosen, runs_table
from codetracer_core.words import left_out_as_blind

MOST_LOOKED_AT = 24
"""Runs whose text an estimate is made on; for more it is scaled up by their steps."""


def many_runs(store: Store) -> None:
    """The table of runs: a click opens one to be diagnosed; those that pass its filters can be diagnosed together."""
    blind = blind_runs(store)
    found = store.runs(annotator=person(), blind=blind)
    runs = only_chosen([run for run in found if run.run_id not in blind])
    if st.session_state.pop("batch_started", False):
        st.session_state["batch"] = False  # closed: what was started is seen above, and is not started twice
    if may(*ORDERERS):
        opened = st.expander("Diagnose many runs", key="batch", on_change="rerun")
        if opened.open:
            with opened:
                _batch(store, runs)
    if hidden := sum(run.run_id in blind for run in found):
        st.caption(f"{left_out_as_blind(hidden)}.")
    run_id = runs_table(runs, store, tell_filtered=True)
    if run_id:
        st.switch_page(shell.pages()["diagnose"], query_params={"traj": run_id})


def _batch(store: Store, runs: Sequence[RunSummary]) -> None:
    passing = filtered_runs()
    chosen = [run for run in runs if passing is None or run.run_id in set(passing)]
    order = order_form(store, "batch")
    if order is None:
        return
    new_only, how = _how_many(order)
    if new_only:
        chosen = without_diagnosed(store, order, chosen)
    steps = sum(run.step_count for run in chosen)
    st.text(f"{len(chosen):,} runs of the table below, as it is filtered now; {steps:,} steps.")
    if not chosen or not (order.model == HEURISTIC or _tells_cost(store, order, chosen)):
        return
    words = "Diagnose 1 run" if len(chosen) == 1 else f"Diagnose {len(chosen):,} runs"
    if st.button(words, type="primary", key="batch_start"):
        start(store, order, chosen, how=how)
        st.session_state["batch_started"] = True
        st.rerun()


def _how_many(order: Order) -> tuple[bool, HowMany]:
    """Whether what is diagnosed already is left out, and how the others are done."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        new_only = st.toggle("Leave out what this model has diagnosed already", True, key="batch_new_only")
        if order.model == HEURISTIC:
            return new_only, HowMany(again=not new_only)
        parallel = st.number_input("Runs at once", 1, 16, 2, key="batch_parallel", width=140)
        limit = st.number_input(
            "Limit for all runs, USD", 0.01, None, None, step=5.0, key="batch_limit", placeholder="none", width=200
        )
    return new_only, HowMany(parallel, limit, again=not new_only)


def without_diagnosed(store: Store, order: Order, runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The runs of which there is no complete diagnosis by this model and strategy, on the evidence as it is now."""
    done = {
        one.run_id for one in store.diagnoses(authors=[order.author]) if one.status == "complete" and not one.outdated
    }
    return [run for run in runs if run.run_id not in done]


def _tells_cost(store: Store, order: Order, runs: Sequence[RunSummary]) -> bool:
    """Tell what all of these runs will about cost, by a few of them that are spread over their lengths."""
    by_length = sorted(runs, key=lambda run: run.step_count)
    every = max(1, -(-len(runs) // MOST_LOOKED_AT))
    looked_at = by_length[every // 2 :: every]
    trajectories = [store.load_run(run.run_id).trajectory for run in looked_at]
    steps = sum(run.step_count for run in runs)
    share = sum(run.step_count for run in looked_at) / steps if steps else 1.0
    return tells_cost(store, order, trajectories, "batch_estimate", share=share)
