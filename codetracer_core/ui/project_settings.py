"""The projects of a workspace on the settings page: make them, change them, see how far they are, give out work.

The verbs are those of ``project_work``, which the command line has as well. Every function that acts asks for the role
of a lead itself.
"""

from collections.abc import Collection, Mapping
from typing import Any, cast, get_args

import pandas as pd
import streamlit as st

from codetracer_core import project_work
from codetracer_core.guidelines import guidelines_tree
from codetracer_core.models import Verdict
from codetracer_core.project_work import ProjectStatus
from codetracer_core.projects import OPEN, Order, Project, State
from codetracer_core.store import RunSummary, Store
from codetracer_core.ui import components
from codetracer_core.ui.identity import blind_runs, people, person, require
from codetracer_core.ui.settings import changing
from codetracer_core.words import OUTCOME_WORDS, number_of

_NEW = "a new project"
_ORDERS: dict[Order, str] = {
    "listed": "as listed",
    "shuffled": "shuffled for each person",
    "disagreement_first": "where people differ first",
    "uncertain_first": "where the model is unsure first",
}
_STATES: tuple[State, ...] = get_args(State)
_TRUTH = {"any": None, "with": True, "without": False}


def projects(store: Store) -> None:
    """Choose a project, or make one."""
    require("lead")
    names = [project.project_id for project in store.projects()]
    if (made := st.session_state.pop("project_made", None)) in names:
        st.session_state["project"] = made
    chosen = st.selectbox("Project", [*names, _NEW], key="project", width=420)
    if chosen == _NEW:
        _new_project(store)
        return
    status = project_work.project_status(store, chosen)
    _summary(status)
    work, settings, guidelines, runs = st.tabs(["Work", "Settings", "Guidelines", "Runs"], key="project_part")
    with work:
        _work(store, status)
    with settings:
        _settings(store, status.project)
    with guidelines:
        _guidelines(store, status.project)
    with runs:
        _runs(store, status)


def _new_project(store: Store) -> None:
    with st.container(horizontal=True):
        name = st.text_input("Name", max_chars=80, placeholder="pilot", key="new_name", width=260)
        title = st.text_input("Title (optional)", max_chars=200, key="new_title")
    found = _filtered(store, "new")
    given = _fields(None)
    if st.button(f"Create the project with {number_of(len(found), 'run')}", type="primary", disabled=not found):
        with changing("The project is made."):
            require("lead")
            run_ids = [run.run_id for run in found]
            made = project_work.create_project(
                store, name.strip(), run_ids, created_by=person(), title=title.strip(), **given
            )
            st.session_state["project_made"] = made.project_id


def _filtered(store: Store, key: str) -> list[RunSummary]:
    """The runs that pass the filters of the library, with widgets for these; says how many they are."""
    everything = store.runs()

    def choose(title: str, values: set[str | None], words: Mapping[Any, str] | None = None) -> list[str] | None:
        offered = sorted(value for value in values if value)
        read = str if words is None else words.__getitem__
        return st.multiselect(title, offered, key=f"{key}_{title}", format_func=read) or None

    columns = st.columns(4)
    with columns[0]:
        collections = choose("Collection", {run.collection for run in everything})
        text = st.text_input("Text of the task or its name", key=f"{key}_text")
    with columns[1]:
        agents = choose("Agent", {run.agent for run in everything})
        outcomes = choose("Outcome", {run.outcome for run in everything}, OUTCOME_WORDS)
    with columns[2]:
        models = choose("Model", {run.model for run in everything})
        truth = st.selectbox("Ground truth", [*_TRUTH], key=f"{key}_truth")
    with columns[3]:
        tasks = choose("Task", {run.task for run in everything})
    found = store.runs(
        collections=collections,
        agents=agents,
        models=models,
        tasks=tasks,
        outcomes=cast(Any, outcomes),
        has_ground_truth=_TRUTH[truth],
        text=text.strip(),
    )
    st.text(f"{len(found):,} of {number_of(len(everything), 'run')} match")
    with st.expander("Which ones"):
        names = ("run_id", "task", "agent", "model", "outcome", "step_count", "collection")
        rows = [{name: getattr(run, name) for name in names} | {"outcome": OUTCOME_WORDS[run.outcome]} for run in found]
        st.dataframe(pd.DataFrame(rows, columns=names), hide_index=True)
    return found


def _fields(project: Project | None) -> dict[str, Any]:
    """The widgets of a project's rules; returns what they hold as fields of ``Project``.

    They have no keys: then they begin anew with what is stored, also when somebody else has changed that.
    """
    fields = Project.model_fields

    def now(name: str) -> Any:
        return fields[name].get_default(call_default_factory=True) if project is None else getattr(project, name)

    known = sorted({*people().with_role("annotator"), *people().with_role("lead"), *now("annotators")})
    left, middle, right = st.columns(3)
    with left:
        per_run = st.number_input("Annotators per run", 1, 20, now("annotators_per_run"))
        order = st.selectbox("Order", [*_ORDERS], [*_ORDERS].index(now("order")), format_func=_ORDERS.__getitem__)
        verdicts = st.pills(
            "Verdicts offered",
            get_args(Verdict),
            default=now("verdicts"),
            selection_mode="multi",
        )
    with middle:
        annotators = st.multiselect(
            "Annotators (none: everybody with the role)",
            known,
            default=now("annotators"),
            accept_new_options=True,
        )
        hours = st.number_input(
            "A run goes to somebody else after so many idle hours (0: never)",
            0.0,
            value=float(now("claim_hours")),
            step=1.0,
            format="%g",
        )
        wanted = st.checkbox("Submitting asks for reasons", now("details_wanted"))
    with right:
        repeats = st.number_input(
            "Runs that come back to the same person, %",
            0.0,
            100.0,
            100.0 * now("repeat_share"),
            step=5.0,
            format="%g",
        )
        after = st.number_input(
            "They come back after so many hours",
            0.0,
            value=float(now("repeat_after_hours")),
            step=1.0,
            format="%g",
        )
        is_open = st.checkbox("Open: gives out runs", now("is_open"))
    return {
        "annotators_per_run": per_run,
        "order": order,
        "verdicts": tuple(verdicts),
        "annotators": tuple(name.strip() for name in annotators),
        "claim_hours": hours,
        "details_wanted": wanted,
        "repeat_share": repeats / 100,
        "repeat_after_hours": after,
        "is_open": is_open,
    }


def _settings(store: Store, project: Project) -> None:
    with st.form(f"settings of {project.project_id}", border=False):
        title = st.text_input("Title", project.title, max_chars=200)
        given = _fields(project)
        if st.form_submit_button("Save the settings", type="primary"):
            with changing("The settings are saved."):
                require("lead")
                project_work.change_project(store, project.project_id, title=title.strip(), **given)


def _guidelines(store: Store, project: Project) -> None:
    written, shown = st.columns(2, gap="large")
    with written:
        text = st.text_area(
            "Guidelines (markdown)",
            project.guidelines,
            max_chars=100_000,
            height=420,
            key=f"guidelines of {project.project_id} {hash(project.guidelines)}",  # anew when they are changed
        )
        if st.button("Save the guidelines", type="primary"):
            with changing("The guidelines are saved."):
                require("lead")
                project_work.change_project(store, project.project_id, guidelines=text)
    with shown:
        st.caption("Preview")
        components.guidelines()(key="guidelines_preview", data=guidelines_tree(text))


def _runs(store: Store, status: ProjectStatus) -> None:
    project_id = status.project.project_id
    there = {run.run_id for run in status.runs}
    st.text(f"{number_of(len(there), 'run')} in the project. Runs are added, never taken out.")
    found = _filtered(store, f"{project_id}_add")
    new = [run.run_id for run in found if run.run_id not in there]
    if st.button(f"Add {number_of(len(new), 'run')}", disabled=not new):
        with changing("The runs are added."):
            require("lead")
            store.add_project_runs(project_id, new)


# --- how far it is, and who does what ---------------------------------------------------------------------------


def _summary(status: ProjectStatus) -> None:
    words = [
        f"{status.finished_runs} of {number_of(len(status.runs), 'run')} finished",
        f"{number_of(status.missing_submissions, 'submission')} missing",
        f"{status.unassigned_places} of them given to nobody",
        "open" if status.project.is_open else "closed",
    ]
    st.text(" · ".join(words))


def _work(store: Store, status: ProjectStatus) -> None:
    st.dataframe(_table_of_people(status), hide_index=True)
    narrow = dict.fromkeys(("Steps", "State", "Submitted"), st.column_config.Column(width="small"))
    st.dataframe(
        _table_of_runs(status, blind_runs(store)),
        hide_index=True,
        column_config={"Who": st.column_config.Column(width="large"), **narrow},
    )
    give, take = st.columns(2, gap="large")
    with give:
        _share_out(store, status.project)
    with take:
        _take_back(store, status)


def _share_out(store: Store, project: Project) -> None:
    known = list(project.annotators) or people().with_role("annotator")
    with st.form(f"share out {project.project_id}"):
        st.text("Share the runs out fairly. What somebody has stays with them; gaps are filled.")
        chosen = st.multiselect("Among", known, default=known, accept_new_options=True)
        each = st.number_input("At most so many runs each (0: all)", 0, value=0)
        if st.form_submit_button("Share out"):
            with changing("The runs are shared out."):
                require("lead")
                project_work.assign(store, project.project_id, [name.strip() for name in chosen], each=each or None)


def _take_back(store: Store, status: ProjectStatus) -> None:
    held = [one for run in status.runs for one in run.work if one.state in OPEN]
    with st.form(f"take back {status.project.project_id}"):
        st.text("Take a run back from somebody. Their labels stay; somebody else can get it.")
        chosen = st.selectbox(
            "Run and person",
            held,
            format_func=lambda one: f"{one.run_id} · {one.annotator} · {one.state.replace('_', ' ')}",
        )
        if st.form_submit_button("Take back", disabled=not held) and chosen is not None:
            with changing("The run is taken back."):
                require("lead")
                store.release(chosen.project_id, chosen.run_id, chosen.annotator)


def _table_of_people(status: ProjectStatus) -> pd.DataFrame:
    rows = [
        {
            "Person": one.annotator,
            **{_title(state): one.states.get(state, 0) for state in _STATES},
            "Steps labelled": f"{one.labelled} of {one.step_count}",
            "Flagged": one.flagged,
            "Time": project_work.in_hours(one.seconds),
        }
        for one in status.people
    ]
    return pd.DataFrame(rows, columns=["Person", *map(_title, _STATES), "Steps labelled", "Flagged", "Time"])


def _table_of_runs(status: ProjectStatus, blind: Collection[str]) -> pd.DataFrame:
    """Who has what; what others flagged is left out of runs to which whoever looks stands ``blind``."""
    rows = [
        {
            "Run": run.run_id,
            "Steps": run.step_count,
            "State": _title(run.state) if run.state else "Nobody has it",
            "Submitted": f"{run.submissions} of {run.wanted}",
            "Who": ", ".join(
                f"{one.annotator} ({one.state.replace('_', ' ')}, {one.labelled} labelled"
                + (")" if run.run_id in blind else f", {one.flagged} flagged)")
                for one in run.work
            ),
        }
        for run in status.runs
    ]
    return pd.DataFrame(rows, columns=["Run", "Steps", "State", "Submitted", "Who"])


def _title(state: State) -> str:
    return state.replace("_", " ").capitalize()
