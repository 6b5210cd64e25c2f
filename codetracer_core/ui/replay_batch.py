"""Many runs at once: those that pass the filters of the table of runs, each replayed from its own failure onset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from codetracer_core.config import Config, ReplayConfig, load_config
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import RunRecord
from codetracer_core.replay.making import FINISHED
from codetracer_core.replay.models import ReplayOrder
from codetracer_core.replay.words import place_words
from codetracer_core.replaying import TASK, Choice, ForeseenReplay, choose_step, foresee_all, order_of_run, replay_all
from codetracer_core.store import RunSummary, Store, default_workspace
from codetracer_core.ui import identity, shell
from codetracer_core.ui.diagnosis_order import ORDERERS, opened_model
from codetracer_core.ui.diagnosis_report import money
from codetracer_core.ui.job_list import Entry, by_whom, job_entry, job_list, job_row, with_last
from codetracer_core.ui.jobs import jobs
from codetracer_core.ui.library import filtered_runs, only_chosen, runs_table
from codetracer_core.ui.replay_access import require_may_replay
from codetracer_core.ui.replay_foreseen import choose_onset, note_onsets_seen, show_foreseen
from codetracer_core.ui.replay_jobs import ReplayBatchJob, RunOfBatch
from codetracer_core.ui.replay_order import agent_field, budget_fields, limit_fields
from codetracer_core.ui.replay_places import choose_place, said, typed
from codetracer_core.ui.replaying import pass_at_1
from codetracer_core.ui.workspace import open_store
from codetracer_core.words import number_of

MOST_RUNS = 500
"""Of one batch: for more, where each of them went wrong takes too long to look up."""
MOST_OVER = 2
"""Batches that are over and still shown."""


@dataclass
class Many:
    """What somebody has filled in for many runs, as far as it goes."""

    pattern: ReplayOrder | None = None
    """Its step and its budget are each run's own; None while something is missing."""
    model: str = ""
    """Empty: none goes on."""
    api_base: str | None = None
    max_steps: int | None = None
    """None: as many as each original still had."""
    cost_limit_usd: float | None = None
    token_limit: int | None = None
    total_cost_limit: float | None = None
    again: bool = False
    onset_of: str | None = None
    """Whose onset, as ``choose_step`` takes it."""
    missing: list[str] = field(default_factory=list)

    def order_for(self, record: RunRecord, choice: Choice) -> ReplayOrder:
        assert self.pattern is not None, "nothing starts before"
        return order_of_run(
            self.pattern,
            record,
            choice,
            max_steps=self.max_steps,
            cost_limit_usd=self.cost_limit_usd,
            token_limit=self.token_limit,
        )


def many_runs(store: Store) -> None:
    """Batches, and the table of runs: a click opens one to be replayed; those that pass its filters can be replayed
    together."""
    _panel(store)
    blind = identity.blind_runs(store)
    found = store.runs(annotator=identity.person(), blind=blind)
    runs = only_chosen([run for run in found if run.run_id not in blind and run.replay_of is None])
    if st.session_state.pop("replay_batch_started", False):
        st.session_state["replay_batch"] = False  # closed: what was started is seen above, and is not started twice
    if identity.may(*ORDERERS):
        opened = st.expander("Replay many runs", key="replay_batch", on_change="rerun")
        if opened.open:
            with opened:
                _batch(store, runs)
    if run_id := runs_table(runs, store, tell_filtered=True):
        st.switch_page(shell.pages()["replay"], query_params={"traj": run_id})


def _batch(store: Store, runs: Sequence[RunSummary]) -> None:
    passing = filtered_runs()
    chosen = [run for run in runs if passing is None or run.run_id in set(passing)]
    wanted = _form(store)
    st.text(f"{number_of(len(chosen), 'run')} of the table below, as it is filtered now; replays are not among them.")
    if len(chosen) > MOST_RUNS:
        wanted.missing.append(f"At most {MOST_RUNS:,} are replayed together: filter the table.")
        ready = list[RunSummary]()
    else:
        asked = tuple(run.run_id for run in chosen), identity.person(), wanted.onset_of
        known = set(_with_onset((str(store.workspace.folder), *store.state()), *asked))
        ready = [run for run in chosen if run.run_id in known]
        if len(ready) < len(chosen):
            said_by = "nobody has said yet where they went wrong. Have them diagnosed first"
            if wanted.onset_of is not None:
                said_by = "this source names no failure onset of them"
            st.text(f"{number_of(len(chosen) - len(ready), 'run')} left out: {said_by}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"Replay {number_of(len(ready), 'run')}"
        disabled = not ready or wanted.pattern is None or bool(wanted.missing)
        pressed = st.button(words, type="primary", key="replay_batch_start", disabled=disabled)
        looks = st.button("Preview", key="replay_batch_look", disabled=not ready or wanted.pattern is None)
        st.text(wanted.missing[0] if wanted.missing else "One after the other; the originals stay as they are.")
    if pressed:
        start_many(store, wanted, ready)
        st.session_state["replay_batch_started"] = True
        st.rerun()
    _preview(store, wanted, ready, looks)


def _preview(store: Store, wanted: Many, runs: Sequence[RunSummary], looks: bool) -> None:
    """What would become of each run, once somebody has asked for it and as long as the order stays as it was then."""
    asked = replace(wanted, missing=[]), [run.run_id for run in runs]
    if looks:
        note_onsets_seen(store, asked[1], wanted.onset_of)
        with st.spinner("Looking at what would run …"):
            st.session_state["replay_batch_foreseen"] = asked, foreseen(store, wanted, asked[1])
    before, found = st.session_state.get("replay_batch_foreseen", (None, ()))
    if before == asked:
        agent = wanted.pattern is not None and wanted.pattern.agent
        show_foreseen(found, goes_on=bool(wanted.model) or not agent)


def foreseen(store: Store, wanted: Many, run_ids: Sequence[str]) -> list[ForeseenReplay]:
    """What the batch would do with each run. As long as no model is chosen: with the earlier steps alone."""
    assert wanted.pattern is not None, "nothing is looked at before"
    goes_on = wanted.pattern.agent and bool(wanted.model)
    order = replace(wanted, pattern=wanted.pattern.model_copy(update={"agent": goes_on}))
    config = load_config(None, default_workspace()).config
    return foresee_all(
        store,
        run_ids,
        order.order_for,
        opened_model(wanted.model, wanted.api_base, config) if goes_on else None,
        who=wanted.onset_of,
        annotator=identity.person(),
        again=wanted.again,
    )


@st.cache_data(max_entries=16, show_spinner="Looking up where the runs went wrong …")
def _with_onset(
    state: tuple[str | int, ...], run_ids: tuple[str, ...], who: str, onset_of: str | None
) -> tuple[str, ...]:
    """Those of which somebody says where they went wrong, for this person. ``state``: workspace and ``Store.state``."""
    return tuple(run_id for run_id in run_ids if _has_onset(open_store(), run_id, who, onset_of))


def _has_onset(store: Store, run_id: str, who: str, onset_of: str | None) -> bool:
    try:
        choose_step(store, run_id, onset_of, annotator=who)
    except NotFound:
        return False
    return True


# --- what is asked for ----------------------------------------------------------------------------------------


def _form(store: Store) -> Many:
    config = load_config(None, default_workspace()).config
    wanted = Many()
    where, who, how = st.columns(3, gap="medium")
    with where:
        place = choose_place(config.replay, wanted.missing, "replay_batch", whose="these runs")
        tests = typed(
            st,
            "Test command",
            "replay_batch_test",
            config.replay.test_command,
            "decides the outcome: exit code 0 is solved",
        )
        said(f"{TASK} in these texts stands for the task of each run.", "replay_batch_task")
    with who:
        agent, advice = _who(store, config, wanted)
    with how:
        wanted.onset_of = choose_onset(store)
        skip = st.checkbox(
            "Go on without steps that cannot be replayed",
            key="replay_batch_skip",
            help="Else runs with such steps before their onset are skipped, with the reason.",
        )
        wanted.again = not st.toggle("Leave out what was replayed just so before", True, key="replay_batch_new_only")
        with st.expander("Limits"):
            limits, divergence, test_seconds = limit_fields(config.replay)
    if place is not None:
        wanted.pattern = ReplayOrder(
            place=place,
            step_id=1,
            limits=limits,
            divergence=divergence,
            skip_not_replayable=skip,
            test_command=tests,
            test_seconds=test_seconds,
            agent=agent,
            advice=advice,
        )
    return wanted


def _who(store: Store, config: Config, wanted: Many) -> tuple[bool, bool]:
    """Fields for the model, its advice and its budget: whether one goes on, and whether it is given the diagnosis."""
    agent = st.toggle(
        "Hand over to a model",
        True,
        key="replay_agent",
        help="Off: only the earlier steps are run again, and compared with what the runs recorded.",
    )
    if not agent:
        return False, False
    wanted.model, wanted.api_base = agent_field(store, config, wanted.missing)
    advice = st.toggle(
        "Give it the diagnosis of each run",
        True,
        key="replay_batch_advice",
        help="Where the run went off track, the evidence, and what to do instead.",
    )
    _budget(config.replay, wanted)
    return True, advice


def _budget(config: ReplayConfig, wanted: Many) -> None:
    offered = ["As the originals had", "Given"]
    default = offered[config.max_steps is not None]
    how = st.segmented_control("Budget", offered, default=default, key="replay_batch_budget", required=True)
    wanted.cost_limit_usd, wanted.token_limit = config.cost_limit_usd, config.token_limit
    if how == "Given":
        given = budget_fields(config)
        wanted.max_steps, wanted.cost_limit_usd = given.max_steps, given.cost_limit_usd
        wanted.token_limit = given.token_limit
    wanted.total_cost_limit = st.number_input(
        "Limit for all runs, USD", 0.01, None, None, step=5.0, key="replay_batch_limit", placeholder="none"
    )
    steps = "as many steps as its original still had" if wanted.max_steps is None else f"{wanted.max_steps:,} steps"
    said(f"Each run at most {steps}, and {money(wanted.cost_limit_usd)}.", "replay_batch_budget_words")


def start_many(store: Store, wanted: Many, runs: Sequence[RunSummary]) -> ReplayBatchJob:
    """Begin a batch on those of the runs to which this person does not stand blind. Raises NotAllowed, and
    CodeTracerError for an order that is not complete."""
    if wanted.pattern is None or wanted.missing:
        raise CodeTracerError(" ".join(wanted.missing) or "the order is not complete")
    require_may_replay(wanted.pattern.place)
    who, blind, config = identity.person(), identity.blind_runs(store), load_config(None, default_workspace()).config
    told = {run.run_id: RunOfBatch(run.run_id, run.task or run.run_id) for run in runs if run.run_id not in blind}
    if wanted.onset_of is not None:
        note_onsets_seen(store, [*told], wanted.onset_of)
    made_with = f"{place_words(wanted.pattern.place)} · {wanted.model or 'no model: only the earlier steps'}"
    job = ReplayBatchJob(who=who, made_with=made_with, runs=told)

    def work(job: ReplayBatchJob) -> None:
        replay_all(
            store,
            store,
            list(job.runs),
            wanted.order_for,
            opened_model(wanted.model, wanted.api_base, config) if wanted.model else None,
            who=wanted.onset_of,
            annotator=who,
            again=wanted.again,
            total_cost_limit=wanted.total_cost_limit,
            on_item=job.keep,
            on_event=job.hear,
            cancelled=job.is_cancelled,
        )

    jobs().start(job, work)
    return job


# --- under way ------------------------------------------------------------------------------------------------


def _panel(store: Store) -> None:
    """Batches with how far they are, followed while any runs; of one that is over pass@1 before and after."""
    job_list("replay_batches", lambda: _entries(store), _go_to)
    over = next((job for job in _to_see(store) if job.ended_at is not None), None)
    if over is not None and any(run.state in FINISHED for run in over.runs.values()):
        pass_at_1(store, list(over.runs), title="pass@1 of the runs of the last batch, with their earlier replays")


def _to_see(store: Store) -> list[ReplayBatchJob]:
    blind = identity.blind_runs(store)
    return with_last([job for job in jobs().all(ReplayBatchJob) if not blind.issuperset(job.runs)], MOST_OVER)


def _entries(store: Store) -> list[Entry]:
    blind = identity.blind_runs(store)
    return [batch_data(job, blind) for job in _to_see(store)]


def _go_to(opened: Mapping[str, Any]) -> None:
    query = {"traj": str(opened.get("run", "")), "replay": str(opened.get("diagnosis", ""))}
    st.switch_page(shell.pages()["replay"], query_params={name: value for name, value in query.items() if value})


def batch_data(job: ReplayBatchJob, blind: set[str]) -> Entry:
    """A batch as the list tells it; nothing of runs in ``blind``."""
    runs = [run for run in job.runs.values() if run.run_id not in blind]
    over = sum(run.is_over for run in runs)
    return job_entry(
        job,
        job.made_with,
        [by_whom(job), f"{over} of {number_of(len(runs), 'run')}", job.problem],
        usage=[run.usage for run in runs],
        share=over / len(runs),
        rows=[
            job_row(run.run_id, run.task, run.state, run.words, usage=run.usage, opens=run.replay_id) for run in runs
        ],
        hidden=len(job.runs) - len(runs),
    )
