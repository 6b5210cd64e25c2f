"""The queue of the annotate page: whose runs they are, which one is open, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.guidelines import guidelines_tree
from codetracer_core.people import LONGEST_NAME
from codetracer_core.projects import OPEN, Assignment, Project, takes_part
from codetracer_core.store import Store, is_text
from codetracer_core.ui import components
from codetracer_core.ui.identity import introduce, require
from codetracer_core.ui.viewer import pipe, sent_through


@dataclass(frozen=True)
class Desk:
    """What lies before a person in one project."""

    project: Project
    who: str
    run_id: str | None
    """The run that is open; None: there is none for them."""
    answered: str = ""
    """The act of the browser that was carried out last, by the name the browser gave it."""
    words: str = ""
    """What there is to say about it."""


def projects_for(store: Store, who: str) -> list[Project]:
    """The projects in which this person has runs or may get some, the one they worked in last first."""
    worked = {one.project_id: one.last_act_at or one.assigned_at for one in store.assignments(annotator=who)}
    offered = [
        project
        for project in store.projects()
        if project.project_id in worked or (project.is_open and takes_part(project, who))
    ]
    return sorted(offered, key=lambda one: -worked[one.project_id].timestamp() if one.project_id in worked else 0.0)


def own_runs(store: Store, project_id: str, who: str) -> list[Assignment]:
    """This person's runs of the project in the order in which they got them, each once: in its last pass."""
    last: dict[str, Assignment] = {}
    for one in store.assignments(project_id, annotator=who):
        last.pop(one.run_id, None)
        last[one.run_id] = one
    return list(last.values())


def next_open(store: Store, project: Project, who: str) -> str | None:
    """The run to go on with: the first open one of the queue, else a new one; None if nothing is left."""
    for one in own_runs(store, project.project_id, who):
        if one.state in OPEN:
            return one.run_id
    if not project.is_open or not takes_part(project, who):
        return None
    claimed = store.claim_next(project.project_id, who)
    return claimed and claimed.run_id


def carry_out(store: Store, project: Project, who: str, act: Mapping[str, Any]) -> tuple[str | None, str]:
    """Do what the browser asks for: (the run to open, or None to stay; what there is to say, in words)."""
    kind, run_id, reason = (_word(act, name) for name in ("kind", "target", "reason"))
    if not is_text(run_id) or not is_text(reason):
        return None, "not understood"
    if kind == "open":
        if any(one.run_id == run_id for one in own_runs(store, project.project_id, who)):
            return run_id, ""
        return None, f"{run_id[:80]} is not in your queue of {project.project_id}"
    try:
        if kind == "submit":
            _, declared = store.submit(project.project_id, run_id, who, rest_is_correct=act.get("rest") is True)
            words = f"submitted, {declared} steps declared correct" if declared else "submitted"
        elif kind == "skip":
            store.skip(project.project_id, run_id, who, reason=reason)
            words = "skipped"
        else:
            return None, "not understood"
    except CodeTracerError as error:
        return None, f"not done: {error}"
    following = next_open(store, project, who)
    if following is None:
        return None, f"{words}; nothing is left for you in {project.project_id}"
    return following, f"the run before was {words}"


def desk(store: Store, project: Project, who: str, wanted: str) -> Desk:
    """Where they are in the project, after what the browser last asked for. ``wanted``: the run in the address.

    Raises NotAllowed for somebody without the role of an annotator.
    """
    require("annotator")
    before: Desk | None = st.session_state.get("desk")
    message = sent_through("queue_pipe")
    place = (project.project_id, who)
    if before and (before.project.project_id, before.who) == place and "queue_pipe" in st.session_state:
        now = _go_on(store, project, before, message)
    else:
        now = _enter(store, project, who, wanted, _word(message, "act"))  # what was done before stays done
    st.session_state["desk"] = now
    return now


def _word(message: Mapping[str, Any], name: str) -> str:
    word = message.get(name)
    return word if isinstance(word, str) else ""


def _enter(store: Store, project: Project, who: str, wanted: str, answered: str) -> Desk:
    following = next_open(store, project, who)
    own = [one.run_id for one in own_runs(store, project.project_id, who)]
    if wanted in own:
        return Desk(project, who, wanted, answered)
    words = f"{wanted[:80]} is not in your queue of {project.project_id}" if wanted else ""
    return Desk(project, who, following or (own[-1] if own else None), answered, words)


def _go_on(store: Store, project: Project, before: Desk, message: Mapping[str, Any]) -> Desk:
    act = _word(message, "act")
    if not act or act == before.answered or message.get("project") != project.project_id:
        return replace(before, project=project)
    opened, words = carry_out(store, project, before.who, message)
    return Desk(project, before.who, opened or before.run_id, act, words)


def queue_pipe(store: Store, at: Desk, who: str) -> None:
    """Tell the viewer of the queue; what the person does with it comes back the same way and re-runs the page.

    It must be mounted after the viewer: the browser takes up labels again when both have told the same run.
    """
    project = at.project
    pipe(
        "queue_pipe",
        {
            "channel": "queue",
            "run": at.run_id,
            "project": project.project_id,
            "title": project.title or project.project_id,
            "runs": queue_rows(own_runs(store, project.project_id, who)),
            "left": store.left_for(project.project_id, who),
            "guidelines": guidelines_tree(project.guidelines),
            "detailsWanted": project.details_wanted,
            "offersCorrect": "correct" in project.verdicts,
            "answered": at.answered,
            "words": at.words,
        },
    )


def queue_rows(runs: Sequence[Assignment]) -> list[dict[str, Any]]:
    """The queue as the browser shows it."""
    return [
        {
            "run": one.run_id,
            "task": one.task,
            "state": one.state.replace("_", " "),
            "labelled": one.labelled,
            "steps": one.step_count,
            "flagged": one.flagged,
        }
        for one in runs
    ]


def choose_project(projects: Sequence[Project], wanted: str) -> Project:
    """The project that the person chose; at first the one in the address, else the one they worked in last."""
    by_id = {project.project_id: project for project in projects}
    if st.session_state.get("annotate_project") not in by_id:
        st.session_state["annotate_project"] = wanted if wanted in by_id else projects[0].project_id
    if len(projects) == 1:
        return projects[0]
    chosen = st.selectbox(
        "Project",
        list(by_id),
        key="annotate_project",
        format_func=lambda name: by_id[name].title or name,
        label_visibility="collapsed",
        width=360,
    )
    return by_id[chosen]


def ask_name(why: str = "Who is labelling? Runs are given to a name, and labels are saved under it.") -> None:
    """Without a name nobody has a queue, and nothing can go on record: ask for it, and end the page here."""
    st.info(why)
    with st.form("who", border=False):
        name = st.text_input("Your name", max_chars=LONGEST_NAME, width=360)
        if st.form_submit_button("Go on", type="primary") and name.strip():
            introduce(name)
            st.rerun()
    components.focus()(key="name_focus", data="Your name", height=1)
    st.stop()
