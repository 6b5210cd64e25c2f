"""The step viewer: one visible component and three invisible pipes (see ``frontend/viewer.js``).

The viewer gets the outline of a run once. Step text, labels and searches each travel through a pipe of their own, a
Streamlit fragment that re-runs alone: stepping never re-sends the outline, and a label re-sends no text. What the
browser asks for is answered by plain functions (``take_labels``, and those of ``viewer_data``).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast, get_args
from uuid import uuid4

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotAllowed
from codetracer_core.models import (
    RUN_FIELDS,
    STEP_FIELDS,
    Exposure,
    LabelEvent,
    LabelSource,
    Trajectory,
    Verdict,
)
from codetracer_core.people import LABELLERS
from codetracer_core.projects import Standing
from codetracer_core.quotes import adrift, verified
from codetracer_core.store import Store, Stored
from codetracer_core.ui import components
from codetracer_core.ui.identity import (
    as_name,
    has_login,
    introduce,
    may,
    person,
    standing_of,
    why_no_label_by,
)
from codetracer_core.viewer_data import (
    Said,
    find_steps,
    said,
    step_texts,
    viewer_data,
    whole_step,
)
from codetracer_core.workflow import RunView

_LABELLED = (*STEP_FIELDS, *RUN_FIELDS, "worked")
"""What a browser may label; anything else it sends is refused."""
_MOST_OPS = 5_000
"""How many labels of one browser are taken at once; those after them are sent again, for they are not settled."""
_LONGEST_QUOTE = 2_000
"""Characters of a place that an address can ask for, as of an evidence quote."""
_STATES = ("reveal", "others", "names", "models", "request", "walk", "show")
"""What the viewer asks of the page: each is the run for which it is wanted; the last three are more than that."""
_SHOWN: Mapping[str, tuple[str, ...]] = {"labels": ("reveal", "others"), "truth": ("reveal",), "others": ("others",)}
"""What an address can ask for (``show=``): the same as the viewer asks for when the keys are pressed."""


def step_viewer(
    run: RunView,
    *,
    store: Store,
    annotator: str,
    start: int | None,
    quote: Mapping[str, Any] | None = None,
    goto: Mapping[str, int] | None = None,
    beside: Mapping[str, Any] | None = None,
    walk: Mapping[str, Any] | None = None,
    ledger: "Ledger | None" = None,
    may_replay: bool = False,
) -> None:
    """Mount the viewer on one run of the workspace.

    ``start`` is the 1-based step to begin with, None: where they last were, ``quote`` the place in it to be shown
    (``start_quote``); ``goto`` = {"step", "nonce"} moves a viewer that is already there, once per nonce. ``beside`` is
    what others say of the run (``adjudication.positions``), for somebody who may see it, ``walk`` the place in a list
    of steps (``step_lists.place_in_list``). The run's stages are shown to those who drew none of their own; its offline
    split is where drawing may begin. ``annotator`` may be empty: the viewer asks for the name at the first label, or
    when ground truth is asked for: what a person is shown goes on record (``truth_is_shown``).
    Labels are entered in their own ``ledger`` unless another one is given. ``may_replay``: each step offers a replay
    from there.
    """
    ledger = ledger or Ledger()
    record, trajectory = run.record, run.trajectory
    assert record is not None, "it lies in the store"
    run_id = record.run_id
    standing = standing_of(store, run_id, annotator)
    shown = viewer_data(
        trajectory,
        run.tree,
        run.stages,
        stages_from=run.stages_from,
        name=run_id,
        declared_step_count=record.declared_step_count,
        truth=shown_truth(store, run_id, annotator, standing),
    )
    components.viewer()(
        key="viewer",
        **{f"on_{name}_change": components.nothing for name in _STATES},
        default=dict.fromkeys(_STATES),
        data={
            **shown,
            **(beside or {}),
            "walk": walk,
            "show": shown_by_address(),
            "split": [stage.model_dump() for stage in run.split],
            "hasTruth": record.benchmark is not None and not standing.is_blind,
            "isBlind": standing.is_blind,
            "annotator": annotator,
            "namedByLogin": has_login(),
            "mayReplay": may_replay,
            "readOnly": "" if may(*LABELLERS) or not annotator else "labelling takes the role of an annotator",
            "start": start,
            "quote": dict(quote) if quote else None,
            "goto": dict(goto) if goto else None,
            **ledger.data,
        },
    )
    _text_pipe(run_id, trajectory)
    _find_pipe(run_id, trajectory)
    outbox_pipe(run_id, store, annotator, trajectory, ledger)


def start_step() -> int | None:
    """The step in the address; None if there is none."""
    text = st.query_params.get("step", "")
    return (int(text) or None) if text.isdecimal() and len(text) < 10 else None


def start_quote(trajectory: Trajectory) -> dict[str, Any] | None:
    """The place that the address asks for (``quote=observation:12-80``, characters of the step's text, the end not
    included), with the text that stands there; None if there is none, or the run has no such place."""
    step = start_step()
    found = re.fullmatch(r"(action|observation|thought):(\d{1,9})-(\d{1,9})", st.query_params.get("quote", ""))
    if step is None or found is None or step > trajectory.step_count:
        return None
    name, start, end = found[1], int(found[2]), int(found[3])
    text = (getattr(trajectory.steps[step - 1], name) or "")[start:end]
    if len(text) != end - start or not 0 < len(text) <= _LONGEST_QUOTE:
        return None
    return {"step_id": step, "field": name, "start": start, "end": end, "text": text}


def said_by(store: Store, run_id: str, annotator: str, standing: Standing | None = None) -> Said:
    """What this person says of the run in their present pass; nobody ("") says nothing."""
    if not annotator:
        return Said()
    shown_pass = (standing or standing_of(store, run_id, annotator)).shown_pass
    labels = store.labels(run_id, source="human", annotator=annotator)
    return said(label for label in labels if label.pass_number == shown_pass or label.field == "reply")


def shown_truth(
    store: Store, run_id: str, annotator: str, standing: Standing | None = None
) -> Mapping[int, str] | None:
    """The ground truth's verdicts if the person in front of this browser asked for them and may see them, else None."""
    if not truth_is_shown(store, run_id, annotator, standing or standing_of(store, run_id, annotator)):
        return None
    return said(store.labels(run_id, source="ground_truth")).verdicts


def is_asked(what: str, run_id: str) -> bool:
    """Whether the viewer asks for this, one of ``_STATES``, on this run, or the address does."""
    return viewer_state().get(what) == run_id or what in _SHOWN.get(shown_by_address(), ())


def shown_by_address() -> str:
    """Which labels of others the address asks for: a name in ``_SHOWN``, "none" once all are switched off again, "" if
    it does not ask. The browser says what was switched since; it does not always tell the server a changed address."""
    asked = st.query_params.get("show", "")
    switched = viewer_state().get("show")
    return str(switched) if asked and switched in (*_SHOWN, "none") else asked


def viewer_state() -> Mapping[str, Any]:
    """What the viewer asks of the page, by name (``_STATES``)."""
    return cast(Mapping[str, Any], st.session_state.get("viewer") or {})


def truth_is_shown(store: Store, run_id: str, annotator: str, standing: Standing) -> bool:
    """Whether verdicts and stages of the ground truth go to this browser; if so, that is on record from now on.

    They do after the person, who has a name, asked for them, and never while they stand blind to the run.
    """
    if not annotator or standing.is_blind or not is_asked("reveal", run_id):
        return False
    note_exposure(store, run_id, annotator, standing, "ground_truth")
    return True


def note_exposure(store: Store, run_id: str, annotator: str, standing: Standing, what: Exposure) -> None:
    """Put on record that this person sees such labels of the run, before they leave the server."""
    _sent(run_id, annotator).add(what)
    if what in standing.shown:
        return
    shown = LabelEvent(
        run_id=run_id,
        field="shown",
        value=what,
        annotator=annotator,
        client=f"viewer-{uuid4()}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    store.add_label_events([shown])


EXPOSES: Mapping[LabelSource, Exposure] = {
    "human": "peers",
    "adjudicated": "peers",
    "model": "model",
    "ground_truth": "ground_truth",
}
"""What somebody is exposed to who sees labels of a source."""
FEWEST_RUNS = 3
"""Numbers of fewer runs are no summary: they tell what is said of each of them, and count as having been shown it."""


def note_exposures(store: Store, annotator: str, seen: Iterable[tuple[str, Exposure]]) -> None:
    """Put on record that this person sees such labels of these runs (``note_exposure`` for many); nobody ("") sees
    them unrecorded, so a page that shows labels asks for a name first."""
    if not annotator:
        return
    wanted = set(seen)
    for run_id, what in wanted:
        _sent(run_id, annotator).add(what)
    put_on_record(store, annotator, wanted)


def put_on_record(store: Store, annotator: str, seen: Iterable[tuple[str, Exposure]]) -> None:
    """``note_exposures`` for a file that is written when somebody asks for it, where there is no session."""
    if not annotator:
        return
    wanted = set(seen)
    client, now = f"shown-{uuid4()}", datetime.now(UTC)
    shown = [
        LabelEvent(
            run_id=run_id,
            field="shown",
            value=what,
            annotator=annotator,
            client=client,
            sequence=number,
            occurred_at=now,
        )
        for number, (run_id, what) in enumerate(sorted(wanted - store.shown_to(annotator)), start=1)
    ]
    if shown:
        store.add_label_events(shown)


def _sent(run_id: str, annotator: str) -> set[Exposure]:
    """What this session has sent of the run to somebody by this name."""
    sent = st.session_state.setdefault("sent", {})
    return cast("set[Exposure]", sent.setdefault((run_id, annotator), set()))


@st.fragment
def _text_pipe(run_id: str, trajectory: Trajectory) -> None:
    message = _message("text_pipe", run_id)
    full, wanted = message.get("full"), message.get("steps")
    if type(full) is int:
        steps = whole_step(trajectory, full)
    else:
        steps = step_texts(trajectory, [step for step in _as_list(wanted) if type(step) is int])
    pipe("text_pipe", {"channel": "text", "run": run_id, "request": message.get("request"), "steps": steps})


@st.fragment
def _find_pipe(run_id: str, trajectory: Trajectory) -> None:
    message = _message("find_pipe", run_id)
    asked = message.get("query")
    query = asked if isinstance(asked, str) else ""
    pipe("find_pipe", {"channel": "find", "run": run_id, "query": query, "hits": find_steps(trajectory, query)})


@st.fragment
def outbox_pipe(run_id: str, store: Store, annotator: str, trajectory: Trajectory, ledger: "Ledger") -> None:
    """Take what the browser enters in a ledger, and tell it what is in force there."""
    key = f"{ledger.channel}_pipe"
    message = _message(key, run_id)
    acknowledged: dict[str, int] = {}
    refused: list[str] = []
    if message:
        before, annotator = annotator, introduce(message.get("annotator", ""))
        if annotator not in ("", before):  # who takes another name in front of it has seen it under the old one
            standing = standing_of(store, run_id, annotator)
            for what in sorted(_sent(run_id, before)):
                note_exposure(store, run_id, annotator, standing, what)
        acknowledged, refused = ledger.take(store, _as_list(message.get("batches")))
        if person() != before:
            st.rerun()  # what another person may see is decided anew
    standing = standing_of(store, run_id, annotator)
    own = ledger.said(store, run_id, annotator, standing)
    pipe(
        key,
        {
            "channel": ledger.channel,
            "run": run_id,
            "annotator": annotator,
            "acknowledged": acknowledged,
            "refused": refused,
            "revises": standing.next_pass % 2 == 0,
            "notOffered": [verdict for verdict in get_args(Verdict) if verdict not in standing.verdicts],
            **own.as_json(),
            "adrift": adrift(own.details.values(), trajectory),
        },
    )


def pipe(key: str, data: dict[str, Any]) -> None:
    """Mount one end of a pipe; what the browser says through it is in the session's state under ``key``."""
    components.pipe()(key=key, data=data, on_message_change=components.nothing, default={"message": None})


def _message(key: str, run_id: str) -> Mapping[str, Any]:
    """What the browser last sent through a pipe; empty if it was not about this run."""
    message = sent_through(key)
    return message if message.get("run") == run_id else {}


def sent_through(key: str) -> Mapping[str, Any]:
    """What the browser last sent through a pipe. Whatever it is: what is no object is nothing."""
    state = cast(Mapping[str, Any], st.session_state.get(key) or {})
    message = state.get("message")
    return message if isinstance(message, Mapping) else {}


def _as_list(found: object) -> Sequence[Any]:
    return found if isinstance(found, list) else ()


def label_event(client: str, op: Mapping[str, Any], *more_fields: str) -> LabelEvent:
    """What the browser says as a label event; raises ValueError, KeyError or TypeError for what is none."""
    annotator = as_name(op["annotator"])
    if not annotator:
        raise ValueError("nobody's label")
    if op["field"] not in (*_LABELLED, *more_fields):
        raise ValueError("no field that a browser may label")
    return LabelEvent(
        run_id=op["run"],
        step_id=op["step"],
        field=op["field"],
        value=op["value"],
        annotator=annotator,
        client=client,
        sequence=op["sequence"],
        occurred_at=datetime.fromisoformat(op["at"]).astimezone(UTC),
    )


def take_labels(
    store: Store,
    batches: Sequence[Mapping[str, Any]],
    *,
    read: Callable[[str, Mapping[str, Any]], LabelEvent] = label_event,
    put: Callable[[Sequence[LabelEvent]], Stored] | None = None,
) -> tuple[dict[str, int], list[str]]:
    """Store what the outbox sent; returns (client → highest sequence number that is settled, what was refused).

    ``read`` makes a label event of a client's act, or raises CodeTracerError with the reason why it is refused; ``put``
    stores them, as people's labels if it is not given. A number is settled when its label is durable, or when it was
    refused for good: its reason is then among the refusals. Sent twice, a label is stored once.
    """
    acknowledged: dict[str, int] = {}
    refused: list[str] = []
    for batch in batches:
        client = batch.get("client") if isinstance(batch, Mapping) else None
        if not isinstance(client, str):
            refused.append("labels of a browser that does not say which it is")
            continue
        events, highest = [], 0
        for op in _as_list(batch.get("ops"))[:_MOST_OPS]:
            try:
                highest = max(highest, int(op["sequence"]))
                event, left_out = with_verified_quotes(store, read(client, op))
                events.append(event)
                refused += left_out
            except CodeTracerError as error:
                refused.append(f"label {op['sequence']}: {error.reason}")
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                number = op.get("sequence") if isinstance(op, Mapping) else None
                refused.append(f"label {number}: not understood ({type(error).__name__})")
        refused += [refusal.reason for refusal in (put or store.add_human_labels)(events).refused]
        acknowledged[client] = highest
    return acknowledged, refused


def with_verified_quotes(store: Store, event: LabelEvent) -> tuple[LabelEvent, list[str]]:
    """The label with no evidence quote that the run does not hold; and in words which were left out."""
    if event.field != "details" or not isinstance(event.value, Mapping) or not event.value.get("quotes"):
        return event, []
    history = store.label_history(event.run_id)
    own = (act for act in history if act.field == "details" and act.annotator == event.annotator)
    stored = [quote for act in own for quote in (act.value or {}).get("quotes", ())]
    if all(quote in stored for quote in event.value["quotes"]):
        return event, []
    details, left_out = verified(event.value, store.load_run(event.run_id).trajectory, stored=stored)
    return event.model_copy(update={"value": details or None}), left_out


def take_own_labels(store: Store, batches: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """``take_labels`` of people who may label, under their own names."""
    against = cache(why_no_label_by)

    def read(client: str, op: Mapping[str, Any]) -> LabelEvent:
        event = label_event(client, op)
        if reason := against(event.annotator):
            raise NotAllowed(reason)
        return event

    return take_labels(store, batches, read=read)


@dataclass(frozen=True)
class Ledger:
    """Where the labels of a viewer are entered, and what is in force there: a person's own ones if nothing is said."""

    channel: str = "outbox"
    """Of the pipe, and of what waits in the browser: acts meant for one ledger never reach another."""
    take: Callable[[Store, Sequence[Mapping[str, Any]]], tuple[dict[str, int], list[str]]] = take_own_labels
    said: Callable[[Store, str, str, Standing], Said] = said_by
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the viewer is told besides."""
