"""The step viewer: one visible component and three invisible pipes (see ``frontend/viewer.js``).

The viewer gets the outline of a run once. Step text, labels and searches each travel through a pipe of their own, a
Streamlit fragment that re-runs alone: stepping never re-sends the outline, and a label re-sends no text. What the
browser asks for is answered by plain functions (``step_texts``, ``take_labels``, ``find_steps``) that know nothing of
Streamlit.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import streamlit as st

from codetracer_core.errors import NotFound
from codetracer_core.models import (
    Exposure,
    LabelEvent,
    LabelSource,
    RunRecord,
    SourceRef,
    Stage,
    Step,
    Trajectory,
    Verdict,
)
from codetracer_core.parsers import strip_ansi
from codetracer_core.store import Store
from codetracer_core.tree import TraceTree
from codetracer_core.ui import components

WINDOW_CHARACTERS = 400_000
"""How much step text one answer holds at most; the step asked for first is always in it."""
FIELD_CHARACTERS = 40_000
"""Longer texts are cut in windows; "open all" fetches the whole step."""
MOST_HITS = 2_000
LONGEST_NAME = 80
_LABELLED = {field: field for field in ("verdict", "onset")}
"""What a browser may label; anything else it sends is refused."""


def step_viewer(
    *,
    record: RunRecord,
    tree: TraceTree,
    stages: Sequence[Stage],
    store: Store,
    annotator: str,
    start: int,
    goto: Mapping[str, int] | None = None,
) -> None:
    """Mount the viewer on one run.

    ``start`` is the 1-based step to begin with; ``goto`` = {"step", "nonce"} moves a viewer that is already there,
    once per nonce. ``annotator`` may be empty: the viewer asks for the name at the first label. Ground truth reaches
    the browser only after the person asked for it (``shown_truth``).
    """
    run_id, trajectory = record.run_id, record.trajectory
    _note_exposure(store, run_id, annotator)
    truth = shown_truth(store, run_id)
    components.viewer()(
        key="viewer",
        on_reveal_change=_nothing,
        default={"reveal": None},
        data={
            "run": run_id,
            "title": _title(record),
            "outline": outline(trajectory, tree),
            "stages": [
                {"id": stage.stage_id, "start": stage.start_step_id, "end": stage.end_step_id, "name": stage.name}
                for stage in stages
            ],
            "branches": [branch.name or branch.branch_id for branch in trajectory.branches],
            "hasTruth": record.benchmark is not None,
            "truthShown": _truth_is_shown(run_id),
            "truth": {str(step): verdict for step, verdict in truth.items()},
            "annotator": annotator,
            "start": start,
            "goto": dict(goto) if goto else None,
        },
    )
    _text_pipe(run_id, trajectory)
    _find_pipe(run_id, trajectory)
    _outbox_pipe(run_id, store, annotator)


def verdicts_in_force(
    store: Store, run_id: str, *, source: LabelSource, annotator: str | None = None
) -> dict[int, Verdict]:
    """Step → verdict from one source (and, for people, one person); unlabelled steps are left out."""
    labels = store.labels(run_id, source=source, annotator=annotator)
    return {label.step_id: label.value for label in labels if label.field == "verdict" and label.step_id is not None}


def onset_in_force(store: Store, run_id: str, annotator: str) -> int | None:
    """The step that this person marked as the failure onset; None if they marked none."""
    labels = store.labels(run_id, source="human", annotator=annotator)
    return next((label.value for label in labels if label.field == "onset"), None)


def shown_truth(store: Store, run_id: str) -> dict[int, Verdict]:
    """The ground truth's verdicts if the person in front of this browser asked to see them, else none."""
    return verdicts_in_force(store, run_id, source="ground_truth") if _truth_is_shown(run_id) else {}


def _truth_is_shown(run_id: str) -> bool:
    state = cast(Mapping[str, Any], st.session_state.get("viewer") or {})
    return state.get("reveal") == run_id


def _note_exposure(store: Store, run_id: str, annotator: str) -> None:
    """Put on record that this person sees the run's ground truth, before it leaves the server."""
    if not annotator or not _truth_is_shown(run_id) or _exposure(store, run_id, annotator) == "ground_truth":
        return
    shown = LabelEvent(
        run_id=run_id,
        field="shown",
        value="ground_truth",
        annotator=annotator,
        client=f"viewer-{uuid4()}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    store.add_label_events([shown])


def _exposure(store: Store, run_id: str, annotator: str) -> Exposure:
    """What this person had been shown of the run until now."""
    try:
        labels = store.labels(run_id, source="human", annotator=annotator)
    except NotFound:  # the store refuses the label itself, in words
        return "none"
    return "ground_truth" if any(label.field == "shown" for label in labels) else "none"


def _title(record: RunRecord) -> dict[str, str]:
    trajectory = record.trajectory
    solved = {True: "solved", False: "not solved", None: "outcome unknown"}[trajectory.outcome.solved]
    misaligned = ""
    if record.misaligned:
        misaligned = f"misaligned: {trajectory.step_count} steps here, {record.declared_step_count} in the manifest"
    return {
        "task": trajectory.task or record.run_id,
        "agent": " · ".join(part for part in (trajectory.agent, trajectory.model) if part),
        "outcome": solved,
        "misaligned": misaligned,
    }


@st.fragment
def _text_pipe(run_id: str, trajectory: Trajectory) -> None:
    message = _message("text_pipe", run_id)
    steps: dict[str, Any] = {}
    request = message.get("request") if message else None
    if message and message.get("full"):
        steps = whole_step(trajectory, int(message["full"]))
    elif message:
        steps = step_texts(trajectory, [int(step) for step in message.get("steps", ())])
    _pipe("text_pipe", {"channel": "text", "run": run_id, "request": request, "steps": steps})


@st.fragment
def _find_pipe(run_id: str, trajectory: Trajectory) -> None:
    message = _message("find_pipe", run_id)
    query = str(message.get("query", "")) if message else ""
    _pipe("find_pipe", {"channel": "find", "run": run_id, "query": query, "hits": find_steps(trajectory, query)})


@st.fragment
def _outbox_pipe(run_id: str, store: Store, annotator: str) -> None:
    message = _message("outbox_pipe", run_id)
    acknowledged: dict[str, int] = {}
    refused: list[str] = []
    if message:
        annotator = _name(message.get("annotator", ""))
        st.session_state["annotator"] = annotator
        _note_exposure(store, run_id, annotator)
        acknowledged, refused = take_labels(store, message.get("batches", ()))
    labels = verdicts_in_force(store, run_id, source="human", annotator=annotator) if annotator else {}
    _pipe(
        "outbox_pipe",
        {
            "channel": "outbox",
            "run": run_id,
            "annotator": annotator,
            "acknowledged": acknowledged,
            "refused": refused,
            "labels": {str(step): verdict for step, verdict in labels.items()},
            "onset": onset_in_force(store, run_id, annotator) if annotator else None,
        },
    )


def _pipe(key: str, data: dict[str, Any]) -> None:
    components.pipe()(key=key, data=data, on_message_change=_nothing, default={"message": None})


def _nothing() -> None:
    """The message is read when the fragment re-runs; Streamlit only wants to see a callback."""


def _message(key: str, run_id: str) -> dict[str, Any] | None:
    """What the browser last sent through a pipe, if it was about this run."""
    state = cast(Mapping[str, Any], st.session_state.get(key) or {})
    message = state.get("message")
    return dict(message) if message and message.get("run") == run_id else None


def outline(trajectory: Trajectory, tree: TraceTree) -> dict[str, Any]:
    """The run as the tree pane needs it: one column per fact, one entry per step."""
    branch_index = {branch.branch_id: i for i, branch in enumerate(trajectory.branches)}
    return {
        "kind": "".join(row.kind[0] for row in tree.rows),
        "state": [row.state for row in tree.rows],
        "label": [row.label for row in tree.rows],
        "reason": [row.reason for row in tree.rows],
        "group": [row.parallel_group or 0 for row in tree.rows],
        "branch": [branch_index[row.branch] if row.branch is not None else -1 for row in tree.rows],
        "exit": [step.exit_code for step in trajectory.steps],
        "executed": [step.executed for step in trajectory.steps],
    }


def step_texts(trajectory: Trajectory, steps: Sequence[int]) -> dict[str, Any]:
    """Text of the steps asked for, in that order, until the window is full; unknown numbers are passed over."""
    texts: dict[str, Any] = {}
    budget = WINDOW_CHARACTERS
    for number in steps:
        if not 1 <= number <= trajectory.step_count:
            continue
        text = _step_text(trajectory.steps[number - 1], FIELD_CHARACTERS)
        budget -= sum(len(text[field]["text"]) for field in ("thought", "action", "observation") if text[field])
        if texts and budget < 0:
            break
        texts[str(number)] = text
    return texts


def whole_step(trajectory: Trajectory, number: int) -> dict[str, Any]:
    """One step with nothing cut."""
    if not 1 <= number <= trajectory.step_count:
        return {}
    return {str(number): _step_text(trajectory.steps[number - 1], None)}


def _step_text(step: Step, limit: int | None) -> dict[str, Any]:
    return {
        "version": "whole" if limit is None else "window",
        "thought": _cut(step.thought, limit) if step.thought else None,
        "action": _cut(step.action, limit),
        "observation": _cut(step.observation, limit) if step.observation is not None else None,
        "tool": step.tool.name if step.tool else None,
        "language": _language(step),
        "arguments": _arguments(step, limit),
        "executed": step.executed,
        "facts": _facts(step),
    }


def _cut(text: str, limit: int | None) -> dict[str, Any]:
    shown = text if limit is None else text[:limit]
    return {"text": shown, "length": len(text), "cut": len(shown) < len(text)}


def _language(step: Step) -> str | None:
    if step.is_message:
        return None
    return "python" if step.tool and "python" in step.tool.name else "bash"


def _arguments(step: Step, limit: int | None) -> list[dict[str, Any]] | None:
    """The arguments of a structured call, one by one; None if the action is the command itself."""
    if step.tool is None or isinstance(step.tool.arguments, str) or step.action in step.tool.arguments.values():
        return None
    return [
        {"name": name, **_cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), limit)}
        for name, value in step.tool.arguments.items()
    ]


def _facts(step: Step) -> list[tuple[str, str]]:
    """Where the step comes from, for the metadata list."""
    refs = (("action", step.action_ref), ("observation", step.observation_ref), ("thought", step.thought_ref))
    facts = [("Native ids", ", ".join(step.native_ids))] if step.native_ids else []
    if step.tool is not None and step.tool.call_id:
        facts.append(("Tool call id", step.tool.call_id))
    if step.timestamp is not None:
        facts.append(("Time", step.timestamp.isoformat(sep=" ")))
    return facts + [(f"Source of the {name}", _where(ref)) for name, ref in refs if ref is not None]


def _where(ref: SourceRef) -> str:
    lines = f"line {ref.line_start}" if ref.line_start == ref.line_end else f"lines {ref.line_start}–{ref.line_end}"
    return f"{ref.path}, {lines}" + (f", {ref.pointer}" if ref.pointer else "")


def find_steps(trajectory: Trajectory, query: str) -> list[dict[str, int]]:
    """Steps whose action, observation or thought contains ``query`` (as text, upper and lower case alike, colours
    left out), with the number of matches; at most ``MOST_HITS`` steps."""
    needle = query.casefold()
    if not needle:
        return []
    hits = []
    for step in trajectory.steps:
        texts = (step.thought, step.action, step.observation)
        count = sum(strip_ansi(text).casefold().count(needle) for text in texts if text)
        if count:
            hits.append({"step": step.step_id, "count": count})
            if len(hits) == MOST_HITS:
                break
    return hits


def take_labels(store: Store, batches: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """Store what the outbox sent; returns (client → highest sequence number that is settled, what was refused).

    A number is settled when its label is durable, or when it was refused for good: its reason is then among the
    refusals. Sent twice, a label is stored once.
    """
    acknowledged: dict[str, int] = {}
    refused: list[str] = []
    for batch in batches:
        client = str(batch["client"])
        events, highest = [], 0
        for op in batch["ops"]:
            try:
                highest = max(highest, int(op["sequence"]))
                events.append(_label_event(store, client, op))
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                number = op.get("sequence") if isinstance(op, Mapping) else None
                refused.append(f"label {number}: not understood ({type(error).__name__})")
        refused += [refusal.reason for refusal in store.add_label_events(events).refused]
        acknowledged[client] = highest
    return acknowledged, refused


def _label_event(store: Store, client: str, op: Mapping[str, Any]) -> LabelEvent:
    annotator = _name(op["annotator"])
    if not annotator:
        raise ValueError("nobody's label")
    return LabelEvent(
        run_id=op["run"],
        step_id=op["step"],
        field=_LABELLED[op["field"]],
        value=op["value"],
        annotator=annotator,
        exposure=_exposure(store, op["run"], annotator),
        client=client,
        sequence=op["sequence"],
        occurred_at=datetime.fromisoformat(op["at"]).astimezone(UTC),
    )


def _name(text: object) -> str:
    """An annotator's name as it is stored: at most ``LONGEST_NAME`` characters, without white space at its ends."""
    return str(text).strip()[:LONGEST_NAME].strip()
