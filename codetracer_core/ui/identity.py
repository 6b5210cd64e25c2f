"""Who sits in front of this browser, and what they may do. Every page and every act asks here, on the server."""

from urllib.parse import unquote

import streamlit as st

from codetracer_core.people import read_people
from codetracer_core.projects import Role
from codetracer_core.store import default_workspace

NAME_COOKIE = "codetracer_annotator"


def person() -> str:
    """Their name: as told in this session, else as remembered in the browser's cookie, else ""."""
    remembered = unquote(st.context.cookies.get(NAME_COOKIE, ""))
    return str(st.session_state.get("annotator") or remembered)


def roles() -> frozenset[Role]:
    """What they may do, by ``people.toml``. Raises CodeTracerError if that file cannot be understood."""
    return read_people(default_workspace()).roles_of(person())


def require(*wanted: Role) -> None:
    """End the page here, in words, unless this person has one of these roles."""
    if roles().isdisjoint(wanted):
        who = person() or "Somebody without a name"
        st.error(f"This page is for the role {' or '.join(wanted)}.")
        st.text(f"{who} does not have it. The lead of this workspace gives roles in people.toml.")
        st.stop()
