"""Ordering a replay: from which step, where, within which limits, with which model and advice; and what will run."""

from dataclasses import dataclass, field

import streamlit as st

from codetracer_core.config import Config, ReplayConfig, load_config
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Trajectory
from codetracer_core.replay.models import Budget, Limits, Place, ReplayOrder
from codetracer_core.replay.plan import checkpoint
from codetracer_core.replaying import matched_budget, offered_tests
from codetracer_core.store import Store, default_workspace
from codetracer_core.ui import components
from codetracer_core.ui.diagnosis_order import address_field, model_facts, model_field
from codetracer_core.ui.diagnosis_report import money
from codetracer_core.ui.replay_access import is_closed_off, why_not_on_this_machine
from codetracer_core.ui.replay_places import choose_place, said, typed
from codetracer_core.ui.replay_plan import plan_data
from codetracer_core.words import number_of
from codetracer_core.workflow import RunView


@dataclass(frozen=True)
class Suggestion:
    """Where a replay of a run may begin, and what may be given to the model, for the person who asks."""

    step_id: int | None = None
    words: str = ""
    """Where the step comes from."""
    diagnosis_id: str = ""
    """Whose advice can be given; empty: of none."""
    advice_words: str = ""
    """Whose advice it is, or why there is none."""


@dataclass
class Wanted:
    """What somebody has filled in, as far as it goes."""

    order: ReplayOrder | None = None
    """None while something is missing."""
    model: str = ""
    """Empty: none goes on."""
    api_base: str | None = None
    diagnosis_id: str = ""
    origin: str = ""
    """Where the step comes from, in words."""
    missing: list[str] = field(default_factory=list)
    """What keeps it from starting, as sentences."""


def order_form(store: Store, view: RunView, suggested: Suggestion) -> Wanted:
    """Fields for where and whence, for who goes on, and beside them what will run."""
    config = load_config(None, default_workspace()).config
    wanted = Wanted()
    where, who, preview = st.columns([3, 3, 5], gap="medium")
    with where:
        step = _step(view, suggested, wanted)
        place = choose_place(config.replay, wanted.missing, run_id=str(view.run_id))
        test_command = typed(
            st,
            "Test command",
            test_key := f"replay_test {view.run_id}",
            config.replay.test_command,
            "decides the outcome: exit code 0 is solved",
        )
        if not test_command:
            st.caption("Without tests the outcome stays unknown: what a model says of its own work proves nothing.")
            for number, found in enumerate(_offered(place)):
                st.button(f"Use {found}", key=f"replay_offered {number}", on_click=_take, args=(test_key, found))
    with preview:  # before the model is looked up, which can take a while
        skip = _preview(view, step, wanted.missing)
    with who:
        agent = st.toggle(
            "Hand over to a model",
            True,
            key="replay_agent",
            persist_state="page",
            help="Off: only the earlier steps are run again, and compared with what the run recorded.",
        )
        budget, advice = Budget(), False
        if agent:
            wanted.model, wanted.api_base = agent_field(store, config, wanted.missing)
            advice = _advice(suggested, wanted)
            budget = _budget(view.trajectory, step, config.replay)
        with st.expander("Limits"):
            limits, divergence, test_seconds = limit_fields(config.replay)
    if step is not None and place is not None:
        wanted.order = ReplayOrder(
            place=place,
            step_id=step,
            limits=limits,
            budget=budget,
            divergence=divergence,
            skip_not_replayable=skip,
            test_command=test_command,
            test_seconds=test_seconds,
            agent=agent,
            advice=advice,
        )
    return wanted


def _offered(place: Place | None) -> tuple[str, ...]:
    """Test commands that lie in the folder of this place. Only whoever may have commands run there is told of them."""
    may_look = place is not None and not is_closed_off(place) and not why_not_on_this_machine()
    return offered_tests(place) if place is not None and may_look else ()


def _take(key: str, test_command: str) -> None:
    st.session_state[key] = test_command


def _step(view: RunView, suggested: Suggestion, wanted: Wanted) -> int | None:
    step = st.number_input(
        "From step",
        1,
        view.trajectory.step_count + 1,
        suggested.step_id,
        key=f"replay_step {view.run_id} {suggested.step_id}",
        placeholder="number of a step",
        persist_state="page",
        help="The steps before it are run again; from it on the model goes on.",
    )
    if step is None:
        wanted.missing.append("Choose the step to replay from.")
        return None
    wanted.origin = suggested.words if step == suggested.step_id else "chosen by hand"
    if wanted.origin:
        said(wanted.origin, "replay_origin")
    return int(step)


def agent_field(store: Store, config: Config, missing: list[str]) -> tuple[str, str | None]:
    """Fields for the model that goes on and its address; "" while it is missing, which ``missing`` then says."""
    model = model_field(store, config, "replay", rules=False)
    with st.expander("Address"):
        api_base = address_field(config, "replay")
    if not model:
        missing.append("Choose a model, or type the name of one.")
        return "", api_base
    try:
        price = model_facts(model, api_base).price
    except CodeTracerError as error:
        missing.append(str(error))
        said(str(error), "replay_model_error")
        return "", api_base
    cost = "Price unknown"
    if price is not None:
        cost = f"{money(price.prompt)} in, {money(price.completion)} out per million tokens"
    said(f"{cost}. What commands print is sent to its provider.", "replay_price")
    return model, api_base


def _advice(suggested: Suggestion, wanted: Wanted) -> bool:
    has_any = bool(suggested.diagnosis_id)
    advice = st.toggle(
        "Give it the diagnosis",
        has_any,
        key=f"replay_advice {suggested.diagnosis_id}",
        persist_state="page",
        disabled=not has_any,
        help="Where the run went off track, the evidence, and what to do instead.",
    )
    said(suggested.advice_words, "replay_advice_words")
    wanted.diagnosis_id = suggested.diagnosis_id if advice and has_any else ""
    return advice and has_any


def _budget(trajectory: Trajectory, step: int | None, config: ReplayConfig) -> Budget:
    """What the original still had from there on, unless somebody gives another one."""
    matched = None
    if step is not None:
        had = matched_budget(trajectory, step)
        matched = had.budget(cost_limit_usd=config.cost_limit_usd, token_limit=config.token_limit)
    offered = ["As the original had", "Given"]
    default = offered[config.max_steps is not None]
    how = st.segmented_control(
        "Budget", offered, default=default, key="replay_budget", required=True, persist_state="page"
    )
    if how != "Given" and matched is not None:
        tokens = f", {matched.token_limit:,} tokens" if matched.token_limit is not None else ""
        said(
            f"At most {number_of(matched.max_steps, 'step')}, {money(matched.cost_limit_usd)}{tokens}.",
            "replay_matched",
        )
        return matched
    return budget_fields(config)


def budget_fields(config: ReplayConfig) -> Budget:
    """Fields for a budget that is given."""
    steps, cost, tokens_field = st.columns(3)
    most = config.max_steps or Budget().max_steps
    return Budget(
        max_steps=steps.number_input("Steps", 1, 10_000, most, key="replay_steps", persist_state="page"),
        cost_limit_usd=cost.number_input(
            "USD", 0.01, None, config.cost_limit_usd, 0.5, key="replay_cost", persist_state="page"
        ),
        token_limit=tokens_field.number_input(
            "Tokens",
            1_000,
            None,
            config.token_limit,
            10_000,
            key="replay_tokens",
            placeholder="any",
            persist_state="page",
        ),
    )


def limit_fields(config: ReplayConfig) -> tuple[Limits, float, float]:
    """Limits of the environment, the share of steps that may differ, seconds for the tests."""
    known = config.limits
    first, second, third = st.columns(3, vertical_alignment="bottom")
    command = first.number_input(
        "Seconds per command", 1.0, None, known.command_seconds, 10.0, key="replay_command", persist_state="page"
    )
    minutes = second.number_input(
        "Minutes in all", 0.5, None, known.total_seconds / 60, 5.0, key="replay_total", persist_state="page"
    )
    tests = third.number_input(
        "Seconds for tests", 1.0, None, config.test_seconds, 60.0, key="replay_test_seconds", persist_state="page"
    )
    first, second = st.columns(2)
    memory = first.number_input("Memory, MB", 64, None, known.memory_mb, 512, key="replay_memory", persist_state="page")
    disk = second.number_input(
        "Disk, MB",
        1,
        None,
        known.disk_mb,
        1_024,
        key="replay_disk",
        persist_state="page",
        help="In all, outside of a container.",
    )
    processes = first.number_input("Processes", 8, None, known.processes, key="replay_processes", persist_state="page")
    output = second.number_input(
        "Output, kB", 1, None, known.output_bytes // 1_000, 100, key="replay_output", persist_state="page"
    )
    divergence = st.slider(
        "Stop when a larger share of the earlier steps differs, %",
        0,
        100,
        round(config.divergence * 100),
        key="replay_divergence",
        persist_state="page",
    )
    network = st.toggle(
        "Allow the network",
        known.network,
        key="replay_network",
        persist_state="page",
        help="Off where the environment can do that; the result tells whether it could.",
    )
    limits = Limits(
        command_seconds=command,
        total_seconds=minutes * 60,
        output_bytes=output * 1_000,
        processes=processes,
        memory_mb=memory,
        disk_mb=disk,
        network=network,
    )
    return limits, divergence / 100, tests


def _preview(view: RunView, step: int | None, missing: list[str]) -> bool:
    """What will run; returns whether steps whose meaning is not known are to be left out."""
    st.text("What will run")
    if step is None:
        st.caption("Choose a step: what comes before it is shown here.")
        return False
    plan = checkpoint(view.trajectory, step)
    assert view.run_id is not None, "it lies in the store"
    components.replay_plan()(key="replay_plan", data=plan_data(plan, view.run_id))
    if not (unknown := len(plan.not_replayable)):
        return False
    skip = st.checkbox(
        "Go on without the steps that cannot be replayed",
        key=f"replay_skip {view.run_id}",
        help="What follows then rests on another state than the run had.",
    )
    if not skip:
        missing.append(f"{number_of(unknown, 'step')} before the checkpoint cannot be replayed.")
    return skip
