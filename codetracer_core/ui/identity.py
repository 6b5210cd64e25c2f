"""Who sits in front of this browser, and what they may do. Every page and every act asks here, on the server.

Without a login a name is what somebody calls themselves, and is taken on trust. A server whose Streamlit secrets have
an ``[auth]`` section has a login: then a person is the e-mail address that the provider vouches for, and nothing else.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotAllowed
from codetracer_core.people import EVERYBODY_EVERYTHING, LABELLERS, LONGEST_NAME, People, read_people
from codetracer_core.projects import Role, Standing
from codetracer_core.store import Reader, default_workspace, is_text
from codetracer_core.ui import components

NAME_COOKIE = "codetracer_annotator"
_A_YEAR = 365 * 24 * 3600
EXPORTERS: tuple[Role, ...] = ("lead", "adjudicator", "reader")


@cache
def has_login() -> bool:
    """Whether one must log in on this server.

    Settled when the server is first asked, so that secrets which vanish later do not open it. Raises CodeTracerError if
    there are secrets and they cannot be read: they might be the ones that ask for a login.
    """
    files = [Path(file) for file in st.get_option("secrets.files") if Path(file).exists()]
    if not files:
        return False
    if not st.secrets.load_if_toml_exists():
        raise CodeTracerError(
            "the secrets of this server cannot be read, and they may ask for a login",
            path=files[0],
            remedy="Correct the file and start the dashboard again.",
        )
    return "auth" in st.secrets


def person() -> str:
    """Their name, or "": whom the login vouches for; without one as told in this session, or kept in a cookie."""
    if has_login():
        return _logged_in()
    remembered = unquote(st.context.cookies.get(NAME_COOKIE, ""))
    return as_name(st.session_state.get("annotator") or remembered)


def introduce(name: object) -> str:
    """Take note of what somebody calls themselves; returns who they are, which after a login is not theirs to say."""
    if has_login():
        return person()
    st.session_state["annotator"] = as_name(name)
    return as_name(name)


def keep_name() -> None:
    """Have the browser keep the name that somebody gave in this session, for the next one."""
    if not has_login() and (name := st.session_state.get("annotator")):
        kept = {"name": NAME_COOKIE, "value": name, "seconds": _A_YEAR}
        components.cookie()(key="name_cookie", data=kept, height=1)


def as_name(text: object) -> str:
    """An annotator's name as it is stored: at most ``LONGEST_NAME`` characters, without white space at its ends.

    What is no text, or no valid Unicode, is nobody's name.
    """
    name = text.strip()[:LONGEST_NAME].strip() if isinstance(text, str) else ""
    return name if is_text(name) else ""


def _logged_in() -> str:
    """The e-mail address in small letters; "" for one that the provider does not vouch for, as for nobody."""
    user = cast(Mapping[str, Any], st.user)
    address = str(user.get("email") or "").strip().lower()
    settings = cast(Mapping[str, Any], st.secrets.get("codetracer", {}))
    vouched_for = user.get("email_verified") in (True, "true") or settings.get("accept_unverified_email") is True
    fits = 0 < len(address) <= LONGEST_NAME
    return address if user.get("is_logged_in") is True and vouched_for and fits else ""


def people() -> People:
    """Who may do what here. Raises CodeTracerError if ``people.toml`` cannot be understood.

    Without that file everybody may do everything, but on a server with a login nobody anything: whoever has an account
    with its provider can log in.
    """
    return read_people(default_workspace(), without_file=People() if has_login() else EVERYBODY_EVERYTHING)


def roles() -> frozenset[Role]:
    """What this person may do; nothing before the login. Raises CodeTracerError as ``people``."""
    who = person()
    return people().roles_of(who) if who or not has_login() else frozenset()


def may(*wanted: Role) -> bool:
    """Whether this person has one of these roles."""
    return not roles().isdisjoint(wanted)


def standing_of(store: Reader, run_id: str, name: str) -> Standing:
    """How this person stands to a run: which pass, what they were shown, whether they must stay blind."""
    return store.standing(run_id, name, labels="annotator" in people().roles_of(name))


def blind_runs(store: Reader) -> set[str]:
    """The runs to which the person in front of this browser stands blind."""
    return store.blind_runs(person(), labels=may("annotator"))


def require(*wanted: Role) -> None:
    """Raise NotAllowed unless this person has one of these roles: the first line of a page, and of whatever acts.

    The frame of the dashboard shows the error in words, wherever it was raised while the page was drawn.
    """
    if may(*wanted):
        return
    who = person() or "Somebody without a name"
    raise NotAllowed(
        f"this is for the role {' or '.join(wanted)}, which {who} does not have",
        remedy="A lead of this workspace gives roles (Settings, or the file people.toml).",
    )


def why_no_label_by(annotator: str) -> str:
    """Why this browser may not label under a name, in words; "" if it may."""
    if has_login() and annotator != person():
        return f"it is by {annotator!r}, who is not logged in here"
    if people().roles_of(annotator).isdisjoint(LABELLERS):
        return f"{annotator!r} does not have the role {' or '.join(LABELLERS)}"
    return ""
