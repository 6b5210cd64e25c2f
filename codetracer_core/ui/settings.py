"""The settings page: you, the people of the workspace, the workspace. Projects have a module of their own.

Names are other people's text: they go into tables, lists to choose from and plain text, never into markdown.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.people import LONGEST_NAME, PEOPLE_FILE, People, change_people
from codetracer_core.projects import ROLES, Role
from codetracer_core.store import Store, default_workspace
from codetracer_core.ui import components
from codetracer_core.ui.identity import has_login, introduce, may, people, person, require, roles

_NEW = "somebody new"
_MEANING = {
    "lead": "imports, projects, people; may label",
    "annotator": "labels",
    "adjudicator": "decides where annotators differ; exports",
    "reader": "reads and exports",
}


@contextmanager
def changing(done: str) -> Iterator[None]:
    """Do something that a button asks for: then say so on a page that is drawn anew, or why it was not done."""
    try:
        yield
    except CodeTracerError as error:
        st.error("Nothing was changed.")
        st.text(str(error))
        return
    st.session_state["settings_done"] = done
    st.rerun()


def what_was_done() -> None:
    """The word on the last change."""
    if done := st.session_state.pop("settings_done", ""):
        st.success(done)


# --- you ------------------------------------------------------------------------------------------------------


def you() -> None:
    """Name and roles of the person in front of the screen; the way out, or the field for another name."""
    st.subheader("You")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if has_login():
            st.text(f"Logged in as {person()}", width="content")
            st.button("Log out", on_click=st.logout)
        else:
            with st.form("name", border=False, width=420), st.container(horizontal=True, vertical_alignment="bottom"):
                name = st.text_input("Your name", value=person(), max_chars=LONGEST_NAME)
                if st.form_submit_button("Use this name") and name.strip():
                    introduce(name)
                    st.rerun()
        mine = ", ".join(role for role in ROLES if role in roles())
        st.text(f"Your roles: {mine}" if mine else "You have no role here yet. A lead can give you one.")


# --- people ---------------------------------------------------------------------------------------------------


def people_and_roles() -> None:
    """Who may do what, and the forms to change it."""
    require("lead")
    known = people()
    st.subheader("People")
    if not _named():
        st.info(f"Everybody may do everything here: the workspace has no {PEOPLE_FILE}. Naming people changes that.")
    if not has_login():
        st.caption("Without a login, names are taken on trust: people type them in.")
    st.dataframe(_table(known), hide_index=True, width="content")
    st.caption(" · ".join(f"{role}: {meaning}" for role, meaning in _MEANING.items()))
    one, everybody_else = st.columns(2, gap="large")
    with one:
        _one_person(known)
    with everybody_else, st.form("others"):
        st.text("Everybody who is not named")
        others = st.pills("Roles", ROLES, default=_sorted(known.others), selection_mode="multi")
        if st.form_submit_button("Save", key="save_others"):
            _change(known, known.model_copy(update={"others": frozenset(others)}))


def _one_person(known: People) -> None:
    with st.container(border=True):
        chosen = st.selectbox("Person", [_NEW, *sorted(known.people)], key="person")
        is_new = chosen == _NEW
        # Fields have no keys: then they begin anew with what is stored, also after a change.
        with st.form(f"person {chosen} of {len(known.people)}", border=False):
            what = "E-mail address" if has_login() else "Name"
            name = st.text_input(what, max_chars=LONGEST_NAME) if is_new else chosen
            given = [] if is_new else _sorted(known.people[chosen])
            chosen_roles = st.pills("Roles", ROLES, default=given, selection_mode="multi")
            with st.container(horizontal=True):
                if st.form_submit_button("Save", type="primary", key="save_person"):
                    _set_roles(known, name.strip(), chosen_roles, is_new=is_new)
                if not is_new and st.form_submit_button("Remove", key="remove_person"):
                    _change(known, known.without(name))


def _set_roles(known: People, name: str, chosen: list[Role], *, is_new: bool) -> None:
    """Save one person. The first who is named is joined by the lead who does it: else that would lock them out."""
    if is_new and name.casefold() in {one.casefold() for one in known.people}:
        st.error("Nothing was changed.")
        st.text(f"{name!r} stands in the table already.")
        return
    before = known
    if not _named() and person():
        known = People().given(person(), ROLES)
    with changing("The people are saved."):
        require("lead")
        change_people(default_workspace(), before, known.given(name, chosen), by=person())


def _named() -> bool:
    """Whether the workspace says who may do what."""
    return (default_workspace() / PEOPLE_FILE).exists()


def _change(before: People, after: People) -> None:
    with changing("The people are saved."):
        require("lead")
        change_people(default_workspace(), before, after, by=person())


def _table(known: People) -> pd.DataFrame:
    rows = [("everybody else", known.others), *sorted(known.people.items())]
    marks = [{"Person": name, **{role: role in given for role in ROLES}} for name, given in rows[1:] + rows[:1]]
    return pd.DataFrame(marks)


def _sorted(given: frozenset[Role]) -> list[Role]:
    return [role for role in ROLES if role in given]


# --- workspace ------------------------------------------------------------------------------------------------


def workspace(store: Store) -> None:
    """What the workspace holds; where it lies is for its leads."""
    st.subheader("Workspace")
    runs = store.runs(annotator=person())
    facts = [
        ("Runs", f"{len(runs):,}"),
        ("Steps", f"{sum(run.step_count for run in runs):,}"),
        ("Steps with a verdict of yours", f"{sum(run.human_labels for run in runs) if person() else 0:,}"),
        ("Projects", f"{len(store.projects()):,}"),
    ]
    if may("lead"):
        facts.insert(0, ("Folder", str(store.workspace.folder)))
    components.facts()(key="workspace_facts", data=facts)
