"""Adjudication in the browser: what of a run leaves the server, what comes back, and who may.

The step viewer is the one of all pages; here its labels are adjudicated ones, and beside each step stands what people
said of it. Whether somebody may adjudicate a run is asked whenever something of it is sent or stored.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import streamlit as st

from codetracer_core.adjudication import (
    Case,
    Difference,
    Voice,
    agreed,
    basis,
    blind_passes,
    cases,
    difference,
    others,
    people,
    positions,
    voice_id,
)
from codetracer_core.errors import NotAllowed, NotFound
from codetracer_core.models import Exposure, LabelEvent
from codetracer_core.projects import Standing
from codetracer_core.store import Reader, RunSummary, Store
from codetracer_core.ui import components, identity
from codetracer_core.ui.viewer import (
    Ledger,
    is_asked,
    label_event,
    note_exposure,
    start_step,
    step_viewer,
    take_labels,
    viewer_state,
)
from codetracer_core.ui.workspace import open_run
from codetracer_core.viewer_data import Said, said

_PREFILLED = ("verdict", "basis", "chain", "onset", "run_verdict", "stages")


# --- which run ----------------------------------------------------------------------------------------------


def choose_project(store: Reader) -> str | None:
    """The project in the address, else the one chosen here; None if there is none."""
    names = [project.project_id for project in store.projects()]
    named = st.query_params.get("project")
    if not names or (named in names and "traj" in st.query_params):
        return named if names else None
    at = names.index(named) if named in names else 0
    chosen = names[0] if len(names) == 1 else st.selectbox("Project", names, index=at, width=320)
    st.query_params["project"] = chosen
    return chosen


def opened_run(store: Store, project_id: str) -> str | None:
    """The run in the address, after what the viewer asked for was done: finish it, or go to another one."""
    name = st.query_params.get("traj")
    if not name:
        return None
    run_id = store.find_run(name)
    request = _request(run_id)
    if request is None:
        return run_id
    if request == "finish":
        _why_not(store, project_id, run_id, identity.person())
        store.decide(project_id, run_id, identity.person())
    order = [case.run_id for case in _to_decide(_cases(store, project_id), identity.blind_runs(store))]
    goal = _neighbour(order, run_id, forth=request != "previous")
    if goal is None and request != "finish":
        st.session_state["adjudication_words"] = "there is no other run to decide in this project"
        return run_id
    return _open(goal)


def _neighbour(order: Sequence[str], run_id: str, *, forth: bool) -> str | None:
    """The run after this one, or before it; from one that is not in the list to the first. None: there is no other."""
    if run_id not in order:
        return order[0] if order else None
    at = order.index(run_id) + (1 if forth else -1)
    return order[at % len(order)] if len(order) > 1 else None


def _request(run_id: str) -> str | None:
    """What the viewer asks for now: each request is answered once, and only for the run it was made from."""
    asked = viewer_state().get("request")
    if not isinstance(asked, Mapping) or st.session_state.get("adjudication_answered") == asked.get("name"):
        return None
    st.session_state["adjudication_answered"] = asked.get("name")
    st.session_state["adjudication_words"] = ""
    return str(asked.get("do")) if asked.get("run") == run_id else None


def _open(run_id: str | None) -> str | None:
    """Put another run into the address; None: back to the list."""
    for name, value in (("traj", run_id), ("step", None)):
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value
    return run_id


# --- the list -----------------------------------------------------------------------------------------------


def show_cases(store: Store, project_id: str) -> None:
    """The runs of the project by what is to be done about them; a click or Enter opens one."""
    found = _cases(store, project_id)
    blind = identity.blind_runs(store)
    runs = {run.run_id: run for run in store.runs(ids=[case.run_id for case in found])}
    groups = [
        ("To decide", _to_decide(found, blind), True),
        # In an order of their own: that of all cases tells on which of them people differ most.
        ("You label these blind yourself", sorted(case for case in found if case.run_id in blind), False),
        ("Waiting for a second submission", [case for case in found if case.waits and case.run_id not in blind], False),
        ("Decided", [case for case in found if case.decided and case.run_id not in blind], True),
    ]
    result = components.cases()(
        key="cases",
        data={
            "groups": [
                {"title": title, "opens": opens, "rows": [_row(runs[case.run_id], case, opens) for case in of]}
                for title, of, opens in groups
                if of or title == "To decide"
            ]
        },
        on_open_change=components.nothing,
    )
    if result.open:
        _open(str(result.open))
        st.rerun()


def _row(run: RunSummary, case: Case, differs: bool) -> dict[str, str]:
    words = f"{case.submitted} submitted"
    if differs:
        words = f"{words} · {_in_words(case.difference)} · value {case.difference.score}"
    agent = " · ".join(part for part in (run.agent, run.model) if part)
    return {"run": run.run_id, "task": run.task or run.run_id, "agent": agent, "words": words}


def _in_words(found: Difference) -> str:
    if not found.steps and not found.of_run:
        return "no difference"
    steps = f"{len(found.steps)} steps differ" if len(found.steps) != 1 else "1 step differs"
    parts = [steps] if found.steps else []
    parts += [f"{found.incorrect} about incorrect"] if found.incorrect else []
    titles = {"onset": "onset", "run_verdict": "verdict on the run", "chain": "error chain", "stages": "stages"}
    return " · ".join([*parts, *(titles[question] for question in found.of_run)])


def _to_decide(found: Sequence[Case], blind: set[str]) -> list[Case]:
    return [case for case in found if not case.waits and not case.decided and case.run_id not in blind]


def _cases(store: Reader, project_id: str) -> list[Case]:
    return cases(store.project_runs(project_id), store.assignments(project_id), store.submitted_labels(project_id))


# --- one run ------------------------------------------------------------------------------------------------


def show_run(store: Store, project_id: str, run_id: str) -> None:
    """The step viewer on adjudicated labels, with what people said beside each step."""
    who = identity.person()
    voices = _voices(store, project_id, run_id, who)
    standing = identity.standing_of(store, run_id, who)
    note_exposure(store, run_id, who, standing, "peers")
    models = others(run_id, store.labels(run_id, source="model"), "model")
    shows_models = is_asked("models", run_id) and bool(models)
    if shows_models:
        note_exposure(store, run_id, who, standing, "model")
    begin(store, run_id, who, voices)
    run = open_run(run_id)
    order = [case.run_id for case in _to_decide(_cases(store, project_id), identity.blind_runs(store))]
    names = is_asked("names", run_id)
    differing = difference(voices)
    first = differing.steps[0] if differing.steps else 1
    step_viewer(
        run,
        store=store,
        annotator=who,
        start=start_step() or first,
        beside=positions([*voices, *(models if shows_models else [])], names=names),
        ledger=Ledger(
            channel="adjudicated",
            take=take_adjudicated,
            said=adjudicated_said,
            data={
                "readOnly": "",
                "adjudication": {
                    "project": project_id,
                    "place": f"Run {order.index(run_id) + 1} of {len(order)}" if run_id in order else "Decided run",
                    "differ": differing.of_run,
                    "answered": st.session_state.get("adjudication_answered", ""),
                    "words": st.session_state.get("adjudication_words", ""),
                    "names": names,
                    "models": shows_models,
                    "hasModels": bool(models),
                },
            },
        ),
    )


def _voices(store: Reader, project_id: str, run_id: str, who: str) -> list[Voice]:
    """What people said of a run, for an adjudicator. Raises NotAllowed in words for anybody else."""
    _why_not(store, project_id, run_id, who)
    passes = blind_passes(store.assignments(project_id, run_id=run_id)).get(run_id, {})
    return people(run_id, store.submitted_labels(project_id, run_id=run_id), passes)


def _why_not(store: Reader, project_id: str, run_id: str, who: str) -> None:
    """Raise NotAllowed or NotFound unless this person may adjudicate the run."""
    require_adjudicator(who)
    if run_id not in store.project_runs(project_id):
        raise NotFound(f"project {project_id!r} holds no run {run_id!r}")
    if identity.standing_of(store, run_id, who).is_blind:
        raise NotAllowed(f"{who} labels this run blind, or may get it to label", remedy="Submit it first.")
    if len(blind_passes(store.assignments(project_id, run_id=run_id)).get(run_id, {})) < 2:
        raise NotAllowed("fewer than two people have submitted this run", remedy="Wait for a second submission.")


def require_adjudicator(who: str) -> None:
    """Raise NotAllowed unless this is who sits here, with the role of an adjudicator."""
    if not who or (identity.has_login() and who != identity.person()):
        raise NotAllowed(f"{who or 'somebody without a name'!r} is not who sits here")
    if "adjudicator" not in identity.people().roles_of(who):
        raise NotAllowed(f"{who} does not have the role adjudicator")


def begin(store: Store, run_id: str, who: str, voices: Sequence[Voice]) -> None:
    """Store what all agree on as adjudicated labels, when the run is opened to be adjudicated.

    What an adjudicator said or took back stays. Each act has a name of its own made of the run, the step and the field:
    two who open the run at once store it once.
    """
    known = {(act.step_id, act.field) for act in store.label_history(run_id) if act.source == "adjudicated"}
    exposure = identity.standing_of(store, run_id, who).exposure
    store.add_label_events(
        [
            LabelEvent(
                run_id=run_id,
                step_id=step,
                field=field,
                value=value,
                source="adjudicated",
                annotator=who,
                exposure=exposure,
                client=f"agreed-{run_id}",
                sequence=(step or 0) * len(_PREFILLED) + _PREFILLED.index(field) + 1,
                occurred_at=datetime.now(UTC),
            )
            for step, field, value in agreed(voices)
            if (step, field) not in known
        ]
    )


def adjudicated_said(store: Reader, run_id: str, _who: str, _standing: Standing) -> Said:
    """The adjudicated labels in force; whose position a verdict rests on is told without the name."""
    labels = store.labels(run_id, source="adjudicated")
    told = said(labels)
    bases = {label.step_id: _without_name(run_id, label.value) for label in labels if label.field == "basis"}
    return Said({**told.of_steps, "basis": {step: rests_on for step, rests_on in bases.items() if step}}, told.of_run)


def _without_name(run_id: str, rests_on: Mapping[str, Any]) -> dict[str, str]:
    taken = str(rests_on["taken"])
    return {"taken": taken if taken in ("agreed", "new") else voice_id(run_id, taken)}


def take_adjudicated(store: Store, batches: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """Store what the outbox of this page sent, as adjudicated labels; see ``take_labels``.

    Whoever does not adjudicate the run (any more) is refused, whatever the browser says.
    """

    @cache
    def known(project_id: str, run_id: str, who: str) -> tuple[list[Voice], Exposure]:
        return _voices(store, project_id, run_id, who), identity.standing_of(store, run_id, who).exposure

    def read(client: str, op: Mapping[str, Any]) -> LabelEvent:
        event = label_event(client, op, "basis").model_copy(update={"source": "adjudicated"})
        if event.field == "worked":
            require_adjudicator(event.annotator)
            return event
        voices, exposure = known(str(op["project"]), event.run_id, event.annotator)
        value = event.value
        if event.field == "basis" and value is not None:
            names = {voice.voice_id: voice.annotator for voice in voices}
            value = basis(names.get(value["taken"], value["taken"]), voices, event.step_id or 0)
        return event.model_copy(update={"exposure": exposure, "value": value})

    return take_labels(store, batches, read=read, put=store.add_label_events)
