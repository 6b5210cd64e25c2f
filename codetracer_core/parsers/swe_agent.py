"""SWE-agent ``*.traj``, 0.x and 1.x.

A step is an entry of ``trajectory``, blank ones included (a run that hits its limit ends with one). What the model
was shown for each step (``messages``, from 1.1 on ``query``) makes up most of such a file and is passed over. Ids
and arguments of tool calls stand only in ``history``; a step gets them where the history tells the same action.

A demonstration holds only the ``history``. Its steps are the agent's messages with an action, each with the message
that answers it: real actions that somebody recorded, in no benchmark. The notes say that they were read from there.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, lost_content, plain_text
from codetracer_core.parsers._fields import call_arguments, count_field, number_field, text_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted

_KEYS = re.compile(rb'"(?:trajectory|history|environment|replay_config)"\s*:')
_MODEL_NAME = re.compile(r"^\s+model_name: *(\S+) *$", re.MULTILINE)


def recognise(artifacts: Artifacts) -> list[Claim]:
    """Each ``*.traj`` that is SWE-agent's, or that may be and cannot be read (other programs use the ending too)."""
    return [
        Claim(unit=name, files=(name,), view="traj")
        for name in artifacts.files
        if name.endswith(".traj") and _may_be_ours(artifacts.head(name, 1 << 16))
    ]


def _may_be_ours(head: bytes) -> bool:
    if lost_content(head):
        return True
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"{") and _KEYS.search(text) is not None


class _Entry(msgspec.Struct):
    action: Any = None
    observation: Any = None
    response: Any = None
    thought: Any = None


class _HistoryItem(msgspec.Struct):
    role: Any = None
    content: Any = None
    action: Any = None
    thought: Any = None
    is_demo: Any = None
    tool_calls: Any = None
    tool_call_ids: Any = None
    thinking_blocks: Any = None


class _File(msgspec.Struct):
    trajectory: list[_Entry] | None = None
    history: list[_HistoryItem] | None = None
    info: dict[str, Any] | None = None
    replay_config: Any = None


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    name = claim.files[0]
    file = artifacts.read_json(name)
    run = file.decode(_File)
    history = run.history or []
    notes: list[str] = []
    if run.trajectory is not None:
        steps = _entries(file, run.trajectory, history)
        if run.history is None and run.info is None:
            notes.append("The file has neither history nor info: it is an excerpt, its steps may not be the whole run.")
    elif run.history is not None:
        steps = _demonstrated(file, history)
        notes.append(
            "The file holds a history and no trajectory (a demonstration): "
            f"its {counted(len(steps), 'step is', 'steps are')} the agent's messages with an action."
        )
    else:
        raise MalformedRun(
            "holds neither a trajectory nor a history",
            path=artifacts.shown(name),
            remedy="A .traj file of SWE-agent has the list 'trajectory'.",
        )
    blank = sum(not step.executed for step in steps)
    if blank:
        notes.append(f"{counted(blank, 'step has', 'steps have')} no action, so nothing was run.")
    task = next((i for i, item in enumerate(history) if item.role == "user" and not item.is_demo), None)
    info = run.info or {}
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent="SWE-agent",
        agent_version=text_field(info, "swe_agent_version"),
        model=_model(run.replay_config) or _model_of_batch(artifacts),
        task=name.removesuffix(".traj"),
        task_text=plain_text(history[task].content) if task is not None else None,
        task_ref=_ref(file, history[task].content, "history", task, "content") if task is not None else None,
        exit_status=text_field(info, "exit_status"),
        usage=Usage(
            cost_usd=number_field(info, "model_stats", "instance_cost"),
            prompt_tokens=count_field(info, "model_stats", "tokens_sent"),
            completion_tokens=count_field(info, "model_stats", "tokens_received"),
        ),
        steps=tuple(steps),
        notes=tuple(notes),
    )


def _entries(file: JsonFile, trajectory: list[_Entry], history: list[_HistoryItem]) -> list[Step]:
    told = list(_told(history))
    steps = []
    for index, entry in enumerate(trajectory):
        action = plain_text(entry.action)
        item = None
        if told and history[told[0]].action == entry.action:
            item = told.pop(0)
        call = _tool_call(history[item]) if item is not None else None
        thought, thought_ref = _thought(file, index, entry, item, history)
        steps.append(
            Step(
                step_id=index + 1,
                native_ids=(call.call_id,) if call is not None and call.call_id else (),
                action=action,
                tool=call,
                observation=None if entry.observation is None else plain_text(entry.observation),
                thought=thought,
                executed=bool(action.strip()),
                action_ref=_ref(file, entry.action, "trajectory", index, "action"),
                observation_ref=_ref(file, entry.observation, "trajectory", index, "observation"),
                thought_ref=thought_ref,
            )
        )
    return steps


def _thought(
    file: JsonFile, index: int, entry: _Entry, item: int | None, history: list[_HistoryItem]
) -> tuple[str | None, SourceRef | None]:
    """What the agent said; if it said nothing, what it thought; of a blank step, why there is no action."""
    if plain_text(entry.thought).strip():
        return plain_text(entry.thought), file.ref("trajectory", index, "thought")
    if item is not None and (blocks := plain_text(history[item].thinking_blocks)).strip():
        return blocks, file.ref("history", item, "thinking_blocks")
    if not plain_text(entry.action).strip() and (response := plain_text(entry.response)).strip():
        return response, file.ref("trajectory", index, "response")
    return None, None


def _demonstrated(file: JsonFile, history: list[_HistoryItem]) -> list[Step]:
    steps: list[Step] = []
    for index in _told(history):
        item = history[index]
        call = _tool_call(item)
        answer = index + 1 if index + 1 < len(history) and history[index + 1].role in ("tool", "user") else None
        thought = plain_text(item.thought) or plain_text(item.content)
        key = "thought" if plain_text(item.thought) else "content"
        steps.append(
            Step(
                step_id=len(steps) + 1,
                native_ids=(call.call_id,) if call is not None and call.call_id else (),
                action=plain_text(item.action),
                tool=call,
                observation=plain_text(history[answer].content) if answer is not None else None,
                thought=thought or None,
                executed=bool(plain_text(item.action).strip()),
                action_ref=file.ref("history", index, "action"),
                observation_ref=(
                    _ref(file, history[answer].content, "history", answer, "content") if answer is not None else None
                ),
                thought_ref=file.ref("history", index, key) if thought else None,
            )
        )
    return steps


def _told(history: list[_HistoryItem]) -> Iterable[int]:
    """Places of the agent's own messages that hold an action."""
    return (
        i for i, item in enumerate(history) if item.role == "assistant" and not item.is_demo and item.action is not None
    )


def _tool_call(item: _HistoryItem) -> ToolCall | None:
    """The one call of a message (SWE-agent runs no two at once)."""
    if not isinstance(item.tool_calls, list) or len(item.tool_calls) != 1:
        return None
    call = item.tool_calls[0]
    name = text_field(call, "function", "name")
    if name is None:
        return None
    return ToolCall(
        name=name, arguments=call_arguments(call["function"].get("arguments")), call_id=text_field(call, "id")
    )


def _ref(file: JsonFile, value: Any, *pointer: str | int) -> SourceRef | None:
    return file.ref(*pointer) if value is not None else None


def _model(replay_config: Any) -> str | None:
    """1.x writes how to repeat the run: an object, later the same as JSON text."""
    config = call_arguments(replay_config)
    return text_field(config, "agent", "model", "name")


def _model_of_batch(artifacts: Artifacts) -> str | None:
    """0.x tells the model only in the ``args.yaml`` of the batch."""
    if not artifacts.has("args.yaml"):
        return None
    try:
        found = _MODEL_NAME.search(artifacts.read_text("args.yaml", errors="replace"))
    except UnreadableFile:  # it is not the evidence: the run is read without it
        return None
    return found[1] if found else None


FORMAT = Format(name="swe-agent", title="SWE-agent (*.traj)", recognise=recognise, parse=parse)
