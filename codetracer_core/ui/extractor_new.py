"""Describing a new format: a folder, a model that proposes a spec or none, and what models are at work on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from codetracer_core.config import load_config
from codetracer_core.diagnosis.estimate import Estimate
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.extractors.generator import Proposed
from codetracer_core.extractors.registry import Version, registered
from codetracer_core.extractors.showing import shown
from codetracer_core.extractors.spec import LANGUAGE
from codetracer_core.llm import Message
from codetracer_core.llm.tokens import count_tokens
from codetracer_core.store import Store, default_workspace
from codetracer_core.ui.diagnosis_order import address_field, model_facts, model_field, show_estimate
from codetracer_core.ui.extractor_jobs import Asking, TeachingJob, look_for_runs, propose_for, repair_on
from codetracer_core.ui.extractor_preview import share_words
from codetracer_core.ui.job_list import Entry, by_whom, job_entry, job_list, job_row, with_last
from codetracer_core.ui.jobs import jobs
from codetracer_core.words import number_of

TEMPLATE = Path(__file__).with_name("extractor_template.yaml")
MOST_JOBS = 4
"""Jobs that are over and still shown."""
CALLS_PER_ATTEMPT = 3
"""The proposal, and about two looks at files before it."""
ANSWER = (600, 2_500)
"""Tokens of one answer, about."""


def new_panel(store: Store, folder: str) -> None:
    """Fields for a folder and a model, and what can be done with them."""
    given = st.text_input(
        "Folder or file on this machine, with one or several runs",
        folder,
        key=f"extractor_folder {folder}",  # another address, another folder
        placeholder="~/runs/of-a-new-agent",
    ).strip()
    asking = asking_fields(store, "teach")
    place = Path(given).expanduser() if given else None
    if place and asking:
        show_cost(place, asking)
    with st.container(horizontal=True):
        ready = place is not None and asking is not None
        if st.button("Propose a spec", type="primary", disabled=not ready) and place and asking:
            propose_for(place, asking, [extractor.name for extractor in registered(store.workspace.folder)])
            st.rerun()
        if st.button("Find run folders", disabled=not ready, help="The model looks at the listing only.") and ready:
            assert place is not None
            assert asking is not None
            look_for_runs(place, asking)
            st.rerun()
        if st.button("Write one by hand", disabled=place is None):
            st.query_params.from_dict({"new": "1", "folder": given})
            st.rerun()


def asking_fields(store: Store, key: str) -> Asking | None:
    """Which model, and within which limits; None while none is chosen."""
    config = load_config(None, default_workspace()).config
    which, often, dear, where = st.columns([5, 1.4, 1.4, 1], vertical_alignment="bottom")
    with which:
        model = model_field(store, config, key, rules=False)
    attempts = often.number_input("Attempts", 1, 10, 4, key=f"{key}_attempts")
    limit = dear.number_input("Cost limit, USD", 0.01, None, 1.0, step=0.5, key=f"{key}_cost")
    with where.popover("Address"):
        api_base = address_field(config, key)
    return Asking(model, api_base, int(attempts), float(limit)) if model else None


def show_cost(folder: Path, asking: Asking) -> None:
    """What it will about cost, and that parts of the files leave this machine."""
    try:
        facts = model_facts(asking.model, asking.api_base)
        one = count_tokens([Message(role="user", text=LANGUAGE + _shown(str(folder)))])
    except CodeTracerError as error:
        st.text(str(error))
        return
    calls = (1, asking.attempts * CALLS_PER_ATTEMPT)
    prompt = (one, sum(one + 2_000 * number for number in range(calls[1])))
    completion = (ANSWER[0], ANSWER[1] * calls[1])
    price = facts.price
    cost = None if price is None else (price.cost(prompt[0], completion[0]), price.cost(prompt[1], completion[1]))
    notes = ("The price of this model is not known: the cost limit cannot be kept.",) if price is None else ()
    show_estimate(Estimate(calls, prompt, completion, cost, notes), "teach_estimate")
    st.caption("Names and parts of the files in this folder are sent to the model's provider.")


@st.cache_data(max_entries=8, ttl=60, show_spinner=False)
def _shown(folder: str) -> str:
    if not Path(folder).exists():
        raise NotFound("there is nothing here", path=folder, remedy="Check the path.")
    return shown(Path(folder))


def repair_panel(store: Store, version: Version, folder: str) -> None:
    """Fields to have a model repair an extractor on a folder that it does not fit."""
    place = st.text_input("Folder that it does not fit", folder, key="repair_folder").strip()
    asking = asking_fields(store, "repair")
    if place and asking:
        show_cost(Path(place).expanduser(), asking)
        if st.button("Propose a repair", type="primary"):
            repair_on(version, Path(place).expanduser(), asking)
            st.query_params.clear()
            st.rerun()


# --- under way ------------------------------------------------------------------------------------------------


def jobs_panel() -> None:
    """What models are at work on, followed while it goes on; and what came of the last orders."""
    job_list("teaching_jobs", _entries, _go_to)


def _seen() -> list[TeachingJob]:
    return with_last(jobs().all(TeachingJob), MOST_JOBS)


def _entries() -> list[Entry]:
    found = _seen()
    return [job_data(job, has_log=job.ended_at is None or job is found[0]) for job in found]


def _go_to(opened: Mapping[str, Any]) -> None:
    """To a proposal, or to a folder that was found: whatever the browser names must be among those that are known."""
    named, chosen = str(opened.get("run", "")), str(opened.get("diagnosis", ""))
    job = next((job for job in _seen() if job.job_id == named), None)
    if job is not None and job.finds and any(str(folder) == chosen for folder, _ in job.candidates):
        st.query_params.from_dict({"folder": chosen})
    elif job is not None and job.proposed is not None:
        st.query_params.from_dict({"proposal": job.job_id, "folder": str(job.folder)})
    st.rerun()


def job_data(job: TeachingJob, *, has_log: bool) -> Entry:
    """A job as the list tells it."""
    what = f"{job.repairs}, repaired on" if job.repairs else "Run folders below" if job.finds else "A spec for"
    return job_entry(
        job,
        f"{what} {job.folder} · {job.model}",
        ["" if job.ended_at else "at work" if job.has_begun else "waiting", by_whom(job)],
        usage=[job.usage],
        rows=_results(job),
        log=[
            {"at": f"{told.at:%H:%M:%S}", "kind": told.kind, "said": told.words[:1_000], "steps": []}
            for told in (list(job.told) if has_log else [])
        ],
    )


def _results(job: TeachingJob) -> list[dict[str, str]]:
    """What can be opened: the spec that was proposed, or the folders that were found."""
    if job.finds:
        if not job.candidates and job.ended_at and not job.problem:
            return [job_row(job.job_id, "No folder looks like a run", "failed")]
        return [job_row(job.job_id, str(folder), "found", why, opens=str(folder)) for folder, why in job.candidates]
    proposed = job.proposed
    if proposed is None:
        return []
    title = "Open the proposed spec" if proposed.spec else "No spec came of it"
    words = " · ".join(filter(None, (_made(proposed), proposed.reason)))
    return [job_row(job.job_id, title, proposed.status, words)]


def _made(proposed: Proposed) -> str:
    """A proposal in a line."""
    if proposed.tried is None or proposed.judged is None:
        return number_of(len(proposed.attempts), "attempt")
    steps = sum(one.trajectory.step_count for one in proposed.tried.extractions)
    passed = [check.passed for check in proposed.judged.checks if check.passed is not None]
    shares = [one.coverage for one in proposed.tried.extractions if one.coverage is not None]
    return " · ".join(
        part
        for part in (
            proposed.spec.name if proposed.spec else "",
            f"{number_of(len(proposed.tried.extractions), 'run')}, {number_of(steps, 'step')}",
            "every check passed" if proposed.judged.passed else f"{sum(passed)} of {len(passed)} checks",
            f"{share_words(min(shares))} covered" if shares else "",
            number_of(len(proposed.attempts), "attempt"),
        )
        if part
    )
