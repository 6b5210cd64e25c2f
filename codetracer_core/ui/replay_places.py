"""Choosing where a replay runs: what each environment means, what it needs, and why it cannot be used here."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from codetracer_core import plugins
from codetracer_core.config import ReplayConfig
from codetracer_core.replay.environments import WARNING, why_not
from codetracer_core.replay.models import ContainerPlace, GitPlace, LocalPlace, Place, PluginPlace
from codetracer_core.store import is_text
from codetracer_core.ui import components
from codetracer_core.ui.replay_access import is_closed_off, why_not_on_this_machine

_NAMES = {"container": "Container", "git": "Git", "local": "Local copy"}
_MEANING = {
    "container": "A container of its own, made for this replay and gone afterwards. The safe choice.",
    "git": "A throw-away clone of a repository at a commit. Its commands run on the machine of this server.",
    "local": "A throw-away copy of a folder. Its commands run on the machine of this server.",
}
_OF_A_PLUGIN = "An environment that another package brings; what it closes off is its own business."


def choose_place(config: ReplayConfig, missing: list[str]) -> Place | None:
    """Fields for the environment; what keeps it from being used is added to ``missing``, as sentences."""
    offered = [*_NAMES, *sorted(plugins.environments())]
    kind = st.segmented_control(
        "Environment",
        offered,
        default=config.environment or offered[0],
        format_func=lambda one: _NAMES.get(one, "Plugin"),
        key="replay_kind",
        required=True,
    )
    kind = str(kind or offered[0])
    st.caption(_MEANING.get(kind, _OF_A_PLUGIN))
    reason = why_not(kind if kind in _NAMES else "plugin")
    if reason:
        missing.append(f"This environment cannot be used here: {reason}")
        said(missing[-1], "replay_why_not")
    place = _FIELDS[kind](config, missing) if kind in _FIELDS else PluginPlace(name=kind)
    needs_machine = kind != "container" if place is None else not is_closed_off(place)
    if needs_machine and (reason := why_not_on_this_machine()):
        missing.append(f"This environment is not for you here: {reason}.")
        said(missing[-1], "replay_not_for_you")
    return place


def _container(config: ReplayConfig, missing: list[str]) -> ContainerPlace | None:
    how = st.segmented_control(
        "Made from", ["Image", "Compose file"], default="Image", key="replay_made_from", required=True
    )
    left, right = st.columns(2)
    image = compose = service = ""
    if how == "Image":
        image = typed(left, "Image", "replay_image", config.image or "", "python:3.12-slim")
    else:
        compose = typed(left, "Compose file", "replay_compose", "", "path on the server")
        service = typed(right, "Service", "replay_service", "", "its only one")
    folder = typed(right, "Working folder", "replay_workdir", "", "the image's own")
    if not image and not compose:
        missing.append("Name the image of the container." if how == "Image" else "Name the compose file.")
        return None
    return ContainerPlace(image=image, compose_file=compose, service=service, folder=folder, engine=config.engine)


def _git(_: ReplayConfig, missing: list[str]) -> GitPlace | None:
    left, right = st.columns([2, 1])
    repository = typed(left, "Repository", "replay_repository", "", "folder on the server, or an address")
    commit = typed(right, "Commit", "replay_commit", "HEAD", "HEAD")
    allowed = _allowed(missing)
    if not repository:
        missing.append("Name the repository.")
        return None
    return GitPlace(repository=repository, commit=commit or "HEAD", allowed=allowed)


def _local(_: ReplayConfig, missing: list[str]) -> LocalPlace | None:
    folder = typed(st, "Folder", "replay_folder", "", "the project as it was before the run, on the server")
    allowed = _allowed(missing)
    if not folder:
        missing.append("Name the folder that is copied.")
        return None
    return LocalPlace(folder=folder, allowed=allowed)


_FIELDS: Mapping[str, Callable[[ReplayConfig, list[str]], Place | None]] = {
    "container": _container,
    "git": _git,
    "local": _local,
}


def _allowed(missing: list[str]) -> bool:
    """The plain warning, and the tick without which nothing starts. It is never kept."""
    components.warning()(key="replay_warning", data=WARNING)
    allowed = st.checkbox("Commands of this run may run on this machine", key="replay_allowed")
    if not allowed:
        missing.append("Tick that commands may run on this machine.")
    return allowed


def said(words: str, key: str) -> None:
    """A sentence that may hold names which others gave: as text, in the size of a caption."""
    components.notes()(key=key, data=[words])


def typed(place: Any, label: str, key: str, default: str, placeholder: str) -> str:
    """What somebody typed into a field; "" for what cannot be stored."""
    text = (place.text_input(label, default, key=key, placeholder=placeholder) or "").strip()
    return text if is_text(text) else ""
