"""The door of a server with a login: before it, nothing is shown; after it, the link that led here is followed."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

import streamlit as st
from streamlit.errors import StreamlitAuthError
from streamlit.navigation.page import StreamlitPage

from codetracer_core.ui import components
from codetracer_core.ui.identity import has_login, person

LINK_COOKIE = "codetracer_link"
_MINUTES_TO_LOG_IN = 15


def is_passed() -> bool:
    """Whether pages may be shown to whoever is there."""
    return not has_login() or person() != ""


def ask_for_it() -> None:
    """The way in; the address that was asked for is kept in the browser, for the provider sends people to the start."""
    st.title("CodeTracer")
    if st.user.get("is_logged_in"):
        st.error("You are logged in, but your provider does not vouch for an e-mail address of yours.")
        st.button("Log out", on_click=st.logout)
        return
    components.cookie()(
        key="link", data={"name": LINK_COOKIE, "here": True, "seconds": 60 * _MINUTES_TO_LOG_IN}, height=1
    )
    for provider in _providers():
        if st.button(f"Log in with {provider}" if provider else "Log in", type="primary"):
            try:
                st.login(provider)
            except StreamlitAuthError as error:  # it names settings that are missing, never their values
                st.error("The login of this server is not set up.")
                st.text(str(error))


def follow_the_link(pages: Mapping[str, StreamlitPage]) -> None:
    """After the login: on to the page that was asked for before it, once."""
    link = unquote(st.context.cookies.get(LINK_COOKIE, ""))
    if not has_login() or not link:
        return
    components.cookie()(key="link", data={"name": LINK_COOKIE, "value": ""}, height=1)
    if not st.session_state.get("link_followed"):
        st.session_state["link_followed"] = True
        path, _, query = link.partition("?")
        page = pages.get(path.rpartition("/")[2])
        if page is not None:
            st.switch_page(page, query_params=parse_qsl(query))


def _providers() -> list[str | None]:
    """As Streamlit knows them: None is the one in ``[auth]`` itself, the others have sections of their own."""
    auth = cast(Mapping[str, Any], st.secrets["auth"])
    named = [str(name) for name, value in auth.items() if isinstance(value, Mapping) and "client_id" in value]
    return [None, *named] if "client_id" in auth or not named else [*named]
