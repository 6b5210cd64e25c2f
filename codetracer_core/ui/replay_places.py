"""Choosing where a replay runs: what each environment means, what it needs, and why it cannot be used here."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from codetracer_core import plugins
from codetracer_core.config import ReplayConfig
from codetracer_core.errors import CodeTracerError
from codetracer_core.replay.environments import WARNING, why_not
from codetracer_core.replay.models import ContainerPlace, GitPlace, LocalPlace, Place, PluginPlace
from codetracer_core.replaying import options_of
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


def choose_place(
    config: ReplayConfig, missing: list[str], key: str = "replay", *, whose: str = "this run", run_id: str = ""
) -> Place | None:
    """Fields for the environment; what keeps it from being used is added to ``missing``, as sentences. ``key`` tells
    apart the forms of a page: a tick that commands may run here is good for one of them. What was filled in stands
    there again when the form is opened again: a folder or an image for the same run, as it is that of one task."""
    offered = [*_NAMES, *sorted(plugins.environments())]
    kind = st.segmented_control(
        "Environment",
        offered,
        default=config.environment or offered[0],
        format_func=lambda one: _NAMES.get(one, one),
        key=f"{key}_kind",
        required=True,
        persist_state="page",
    )
    kind = str(kind or offered[0])
    st.caption(_MEANING.get(kind, _OF_A_PLUGIN))
    reason = why_not(kind if kind in _NAMES else "plugin")
    if reason:
        missing.append(f"This environment cannot be used here: {reason}")
        said(missing[-1], f"{key}_why_not")
    fields = f"{key} {run_id}"
    place = _FIELDS[kind](config, missing, fields) if kind in _FIELDS else _plugin(kind, missing, fields)
    if kind in ("git", "local"):
        allowed = _allowed(missing, key, whose)
        place = place and place.model_copy(update={"allowed": allowed})
    needs_machine = kind != "container" if place is None else not is_closed_off(place)
    if needs_machine and (reason := why_not_on_this_machine()):
        missing.append(f"This environment is not for you here: {reason}.")
        said(missing[-1], f"{key}_not_for_you")
    return place


def _container(config: ReplayConfig, missing: list[str], key: str) -> ContainerPlace | None:
    how = st.segmented_control(
        "Made from",
        ["Image", "Compose file"],
        default="Image",
        key=f"{key}_made_from",
        required=True,
        persist_state="page",
    )
    left, right = st.columns(2)
    image = compose = service = ""
    if how == "Image":
        image = typed(left, "Image", f"{key}_image", config.image or "", "python:3.12-slim")
    else:
        compose = typed(left, "Compose file", f"{key}_compose", "", "path on the server")
        service = typed(right, "Service", f"{key}_service", "", "its only one")
    folder = typed(right, "Working folder", f"{key}_workdir", "", "the image's own")
    if not image and not compose:
        missing.append("Name the image of the container." if how == "Image" else "Name the compose file.")
        return None
    return ContainerPlace(image=image, compose_file=compose, service=service, folder=folder, engine=config.engine)


def _git(_: ReplayConfig, missing: list[str], key: str) -> GitPlace | None:
    left, right = st.columns([2, 1])
    repository = typed(left, "Repository", f"{key}_repository", "", "folder on the server, or an address")
    commit = typed(right, "Commit", f"{key}_commit", "HEAD", "HEAD")
    if not repository:
        missing.append("Name the repository.")
        return None
    return GitPlace(repository=repository, commit=commit or "HEAD")


def _local(_: ReplayConfig, missing: list[str], key: str) -> LocalPlace | None:
    folder = typed(st, "Folder", f"{key}_folder", "", "the project as it was before the run, on the server")
    if not folder:
        missing.append("Name the folder that is copied.")
        return None
    return LocalPlace(folder=folder)


def _plugin(name: str, missing: list[str], key: str) -> PluginPlace | None:
    """Whatever its package reads: one option in a line, by its name."""
    text = st.text_area(
        "Options",
        "",
        key=f"{key}_options {name}",
        placeholder="NAME=VALUE, one in a line, as its package tells",
        persist_state="page",
    )
    lines = text.splitlines() if is_text(text) else []
    try:
        return PluginPlace(name=name, options=options_of(filter(None, map(str.strip, lines))))
    except CodeTracerError as error:
        missing.append(str(error))
        return None


_FIELDS: Mapping[str, Callable[[ReplayConfig, list[str], str], Place | None]] = {
    "container": _container,
    "git": _git,
    "local": _local,
}


def _allowed(missing: list[str], key: str, whose: str) -> bool:
    """The plain warning, and the tick without which nothing starts. It is never kept."""
    components.warning()(key=f"{key}_warning", data=WARNING)
    allowed = st.checkbox(f"Commands of {whose} may run on this machine", key=f"{key}_allowed")
    if not allowed:
        missing.append("Tick that commands may run on this machine.")
    return allowed


def said(words: str, key: str) -> None:
    """A sentence that may hold names which others gave: as text, in the size of a caption."""
    components.notes()(key=key, data=[words])


def typed(place: Any, label: str, key: str, default: str, placeholder: str) -> str:
    """What somebody typed into a field; "" for what cannot be stored."""
    text = (place.text_input(label, default, key=key, placeholder=placeholder, persist_state="page") or "").strip()
    return text if is_text(text) else ""
