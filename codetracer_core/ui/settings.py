"""The parts of the settings page."""

import streamlit as st

from codetracer_core.people import LONGEST_NAME
from codetracer_core.projects import ROLES
from codetracer_core.ui import components
from codetracer_core.ui.identity import NAME_COOKIE, has_login, introduce, person, roles

_A_YEAR = 365 * 24 * 3600


def you() -> None:
    """Name and roles of the person in front of the screen; the way out, or the field for another name."""
    st.subheader("You")
    if has_login():
        st.text(f"Logged in as {person()}")
        st.button("Log out", on_click=st.logout)
    else:
        with st.form("name", border=False, width=420):
            name = st.text_input("Your name", value=person(), max_chars=LONGEST_NAME)
            if st.form_submit_button("Use this name") and name.strip():
                introduce(name)
                st.rerun()
        kept = {"name": NAME_COOKIE, "value": person(), "seconds": _A_YEAR}
        components.cookie()(key="name_cookie", data=kept, height=1)
    mine = [role for role in ROLES if role in roles()]
    st.text(f"Your roles: {', '.join(mine)}" if mine else "You have no role here yet. A lead can give you one.")
