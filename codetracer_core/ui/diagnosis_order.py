"""Ordering a diagnosis: which model, how, within which limits, what it will about cost; and the start."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from pydantic import ValidationError

from codetracer_core.config import WHERE_KEYS_GO, Config, LlmConfig, load_config, model_of
from codetracer_core.diagnosing import BatchRow, batch, diagnose_run
from codetracer_core.diagnosis.estimate import Estimate, estimate, together
from codetracer_core.diagnosis_models import HEURISTIC, STRATEGIES, CallUsage, DiagnosisSettings, author_of
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import Model, Price
from codetracer_core.memory import chosen
from codetracer_core.models import Trajectory
from codetracer_core.projects import Role
from codetracer_core.store import RunSummary, Store, default_workspace, is_text
from codetracer_core.ui import components, identity
from codetracer_core.ui.diagnosis_jobs import DiagnosisJob, RunOfJob, State
from codetracer_core.ui.diagnosis_report import STRATEGY_MEANING, STRATEGY_WORDS, money, tokens_words
from codetracer_core.ui.jobs import jobs

ORDERERS: tuple[Role, ...] = ("lead", "adjudicator")
"""Who may have runs diagnosed: it can cost money, and shows them what a model says."""


@dataclass(frozen=True)
class Order:
    """What is to be asked of which model."""

    model: str
    """``HEURISTIC``, or as litellm calls it."""
    api_base: str | None
    settings: DiagnosisSettings

    @property
    def made_with(self) -> str:
        if self.model == HEURISTIC:
            return "heuristic · offline rules"
        samples = f" · {self.settings.samples} samples" if self.settings.samples > 1 else ""
        return f"{self.model} · {STRATEGY_WORDS[self.settings.strategy]}{samples}"

    @property
    def author(self) -> str:
        """Under which name its labels will stand."""
        return author_of(self.model, self.settings.strategy)


def order_form(store: Store, key: str) -> Order | None:
    """Fields for an order, filled with what the workspace's settings say; None while something is missing."""
    config = load_config(None, default_workspace()).config
    which, how, often = st.columns([3, 2, 1])
    with which:
        model = model_field(store, config, key, rules=True)
    if not model:
        st.text("Choose a model, or type the name of one.")
        return None
    if HEURISTIC.startswith(model.casefold()):  # the list offers what was typed before what it begins
        st.caption("Transparent offline rules: free, in seconds, and nothing leaves this machine. No language model.")
        return Order(HEURISTIC, None, DiagnosisSettings())
    defaults = config.settings
    strategy = how.selectbox(
        "Strategy",
        STRATEGIES,
        index=STRATEGIES.index(defaults.strategy),
        format_func=STRATEGY_WORDS.__getitem__,
        key=f"{key}_strategy",
        persist_state="page",
    )
    samples = often.number_input(
        "Samples",
        1,
        20,
        defaults.samples,
        key=f"{key}_samples",
        persist_state="page",
        help="Independent repetitions that are merged: what several of them say is surer, and costs as much more.",
    )
    st.caption(f"{STRATEGY_WORDS[strategy].capitalize()}: {STRATEGY_MEANING[strategy]}.")
    with st.expander("Limits, memory, address"):
        given = _limits(defaults, key)
        api_base = address_field(config, key)
    try:
        settings = DiagnosisSettings.model_validate(
            defaults.model_dump() | given | {"strategy": strategy, "samples": samples}
        )
    except ValidationError as error:
        st.text(f"These limits do not do: {error.errors()[0]['msg']}.")
        return None
    return Order(model, api_base, settings)


def model_field(store: Store, config: Config, key: str, *, rules: bool) -> str:
    """A field for the name of a model, filled with the one of the settings; "" while there is none.

    ``rules``: the offline rules are offered as well, for a diagnosis."""
    used = [one.model for one in store.diagnoses(blind=identity.blind_runs(store))]
    offered = [HEURISTIC, config.llm.model, *used] if rules else [config.llm.model, *used]
    names = [name for name in dict.fromkeys(offered) if name and (rules or name != HEURISTIC)]
    chosen = st.selectbox(
        "Model",
        names,
        index=names.index(config.llm.model) if config.llm.model in names else 0 if rules else None,
        accept_new_options=True,
        key=f"{key}_model",
        persist_state="page",
        placeholder="openai/gpt-5, anthropic/… or any other name that litellm knows",
        help=("The built-in heuristic needs no key. " if rules else "") + "Any model name of litellm can be typed in.",
    )
    name = (chosen or "").strip()
    return name if is_text(name) else ""


def _limits(defaults: DiagnosisSettings, key: str) -> dict[str, object]:
    cost, minutes, turns, tokens = st.columns(4)
    given: dict[str, object] = {
        "cost_limit_usd": cost.number_input(
            "Cost limit, USD",
            0.01,
            None,
            defaults.cost_limit_usd,
            step=0.5,
            key=f"{key}_cost",
            persist_state="page",
            help="Per run.",
        ),
        "max_turns": turns.number_input(
            "Calls per sample", 1, 500, defaults.max_turns, key=f"{key}_turns", persist_state="page"
        ),
        "token_limit": tokens.number_input(
            "Token limit",
            1_000,
            None,
            defaults.token_limit,
            step=10_000,
            key=f"{key}_tokens",
            placeholder="none",
            persist_state="page",
        ),
    }
    limit = minutes.number_input(
        "Minutes", 0.5, None, defaults.max_seconds / 60, step=5.0, key=f"{key}_minutes", persist_state="page"
    )
    given["max_seconds"] = limit * 60
    with st.container(horizontal=True):
        given["use_memory"] = st.toggle(
            "Use memory",
            defaults.use_memory,
            key=f"{key}_memory",
            persist_state="page",
            help="Insights of earlier diagnoses of the same kind of agent go into the prompt, and new ones are kept.",
        )
        given["show_outcome"] = st.toggle(
            "Tell the outcome",
            defaults.show_outcome,
            key=f"{key}_outcome",
            persist_state="page",
            help="Tell the model what the run's own result files say of outcome and tests.",
        )
    return given


def address_field(config: Config, key: str) -> str | None:
    """Where the model is reached. Only leads may change it: the server's key is sent there."""
    if not identity.may("lead"):
        return config.llm.api_base
    address = st.text_input(
        "API base",
        config.llm.api_base or "",
        key=f"{key}_api_base",
        persist_state="page",
        placeholder="the provider's own; or http://127.0.0.1:8080/v1 of a server of yours",
    ).strip()
    st.caption(f"{WHERE_KEYS_GO} The key is sent to this address.")
    return address or None


# --- what it will cost ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is asked anything."""

    price: Price | None
    context_tokens: int


@st.cache_data(max_entries=64, ttl=600, show_spinner="Looking up the model …")
def model_facts(model: str, api_base: str | None) -> ModelFacts:
    """Price and window of a model. Raises ModelError for a name that nobody knows."""
    opened = opened_model(model, api_base, load_config(None, default_workspace()).config)
    assert opened is not None, "the offline rules are no model"
    return ModelFacts(opened.price, opened.context_tokens)


def opened_model(model: str, api_base: str | None, config: Config) -> Model | None:
    """The model itself; None: the offline rules. An address that somebody typed in is checked as one in a file is."""
    try:
        llm = LlmConfig.model_validate({**config.llm.model_dump(), "model": model, "api_base": api_base})
    except ValidationError as error:
        words = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise CodeTracerError(words, place="API base") from error
    return model_of(config.model_copy(update={"llm": llm}))


def estimate_of(store: Store, order: Order, trajectories: Sequence[Trajectory], share: float = 1.0) -> Estimate:
    """An estimate for runs of which these are a share. Raises ModelError."""
    facts = model_facts(order.model, order.api_base)
    memory = store.insights(enabled=True) if order.settings.use_memory else []
    limit = load_config(None, default_workspace()).config.memory.max_characters
    found = [
        estimate(
            one,
            order.settings,
            price=facts.price,
            context_tokens=facts.context_tokens,
            insights=chosen(memory, one.agent, limit=limit),
        )
        for one in trajectories
    ]
    return together(found, share)


def show_estimate(found: Estimate, key: str) -> None:
    """Cost, calls and tokens beforehand, each from the least that is likely to what is seldom exceeded."""

    def ranged(low: str, high: str) -> str:
        return low if low == high else f"{low} to {high}"

    prompt, completion = (
        ranged(*(tokens_words(count) for count in counts)) for counts in (found.prompt_tokens, found.completion_tokens)
    )
    cost = "cost unknown" if found.cost_usd is None else ranged(*(money(usd) for usd in found.cost_usd))
    about = f"{cost} · {ranged(*(f'{count:,}' for count in found.calls))} calls · {prompt} tokens in, {completion} out"
    components.facts()(key=key, data=[("About", about), *(("Note", note) for note in found.notes)])


@dataclass(frozen=True)
class HowMany:
    """How many runs at once, and within which limit for all of them."""

    parallel: int = 1
    total_cost_limit: float | None = None
    """In US dollars."""
    again: bool = False
    """Diagnose also what was diagnosed just so before."""


# --- the start ------------------------------------------------------------------------------------------------


def new_diagnosis(store: Store, run: RunSummary, trajectory: Trajectory, *, is_first: bool) -> None:
    """Fields, estimate and button for one run, once somebody opens them; open where there is no diagnosis yet."""
    if st.session_state.pop("diagnosis_started", False):
        st.session_state["new_diagnosis"] = is_first = False
    opened = st.expander("New diagnosis", expanded=is_first, key="new_diagnosis", on_change="rerun")
    if not opened.open:
        return
    with opened:
        order = order_form(store, "diagnose")
        if order is None or not tells_cost(store, order, [trajectory], "estimate"):
            return
        if st.button("Diagnose", type="primary", key="diagnose_start"):
            start(store, order, [run])
            st.query_params.pop("diagnosis", None)
            st.session_state["diagnosis_started"] = True
            st.rerun()


def tells_cost(store: Store, order: Order, trajectories: Sequence[Trajectory], key: str, *, share: float = 1.0) -> bool:
    """Tell what it will about cost (see ``estimate_of``); False, with words, if the model cannot be asked."""
    if order.model == HEURISTIC:
        return True
    try:
        show_estimate(estimate_of(store, order, trajectories, share), key)
    except CodeTracerError as error:
        st.text(str(error))
        return False
    st.caption("The text of what is diagnosed is sent to the model's provider.")
    return True


def start(store: Store, order: Order, runs: Sequence[RunSummary], *, how: HowMany | None = None) -> DiagnosisJob:
    """Begin a job on runs to which this person does not stand blind; ``how`` is asked for where there are many.

    Raises NotAllowed."""
    identity.require(*ORDERERS)
    blind = identity.blind_runs(store)
    config = load_config(None, default_workspace()).config
    told = {run.run_id: RunOfJob(run.run_id, run.task or run.run_id) for run in runs if run.run_id not in blind}
    job = DiagnosisJob(made_with=order.made_with, who=identity.person(), runs=told)

    def one(job: DiagnosisJob, run_id: str, model: Model | None) -> None:
        diagnosis = diagnose_run(
            store,
            store,
            run_id,
            model=model,
            settings=order.settings,
            memory_characters=config.memory.max_characters,
            on_progress=lambda progress: job.hear(run_id, progress),
            cancelled=job.is_cancelled,
        )
        job.keep(diagnosis)

    def many(job: DiagnosisJob, model: Model | None, how: HowMany) -> None:
        report = batch(
            store,
            store,
            list(job.runs),
            model=model,
            settings=order.settings,
            memory_characters=config.memory.max_characters,
            parallel=how.parallel,
            total_cost_limit=how.total_cost_limit,
            again=how.again,
            on_item=lambda row: _end(job, row),
            on_progress=job.hear,
            cancelled=job.is_cancelled,
        )
        job.problem = " ".join(report.notes)

    def work(job: DiagnosisJob) -> None:
        model = opened_model(order.model, order.api_base, config)
        if how is None:
            for run_id in job.runs:
                one(job, run_id, model)
        else:
            many(job, model, how)

    jobs().start(job, work)
    return job


def _end(job: DiagnosisJob, row: BatchRow) -> None:
    state: State = "cancelled" if row.status == "not started" else row.status
    words = "was diagnosed so before" if row.was_done else row.reason
    job.end(row.run_id, state, words, CallUsage() if row.was_done else row.usage)
    if row.diagnosis_id and state != "failed":
        job.runs[row.run_id].diagnosis_id = row.diagnosis_id
