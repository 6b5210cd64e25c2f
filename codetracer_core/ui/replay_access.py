"""Who may have a run replayed, and where: its commands were written by an agent, and nobody has checked them."""

from ipaddress import ip_address

import streamlit as st

from codetracer_core.config import load_config
from codetracer_core.errors import NotAllowed
from codetracer_core.people import PEOPLE_FILE
from codetracer_core.replay.models import ContainerPlace, Place
from codetracer_core.store import default_workspace
from codetracer_core.ui import identity
from codetracer_core.ui.diagnosis_order import ORDERERS

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")
"""What a proxy in front of the server says of whom it speaks for."""


def require_may_replay(place: Place) -> None:
    """Raise NotAllowed unless this person may have commands run there."""
    identity.require(*ORDERERS)
    if not is_closed_off(place) and (why := why_not_on_this_machine()):
        raise NotAllowed(why)


def is_closed_off(place: Place) -> bool:
    """Whether what runs there cannot reach this machine. A compose file can mount any folder of it, and what a plugin
    does is not known."""
    return isinstance(place, ContainerPlace) and not place.compose_file


def why_not_on_this_machine() -> str:
    """Why this person may not have commands run on the machine of this server; "" if they may.

    That takes the role of a lead, and a workspace whose settings allow it or a dashboard that is somebody's own: on a
    team's server one click must not give away the rights of whoever started it."""
    if not identity.may("lead"):
        return "commands on the machine of this server take the role lead"
    if load_config(None, default_workspace()).config.replay.allow_local or is_own_dashboard():
        return ""
    return (
        "this server runs no commands on its own machine. Take a container, or write 'allow_local: true' below "
        "'replay:' into codetracer.yaml of the workspace"
    )


def is_own_dashboard() -> bool:
    """One person's dashboard on their own machine: it listens there only, knows no login and no list of people, and
    this browser speaks to it directly."""
    if identity.has_login() or (default_workspace() / PEOPLE_FILE).exists():
        return False
    if any(st.context.headers.get(name) for name in _FORWARDED):
        return False
    address = str(st.get_option("server.address") or "")
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False  # empty: it listens to the whole network
