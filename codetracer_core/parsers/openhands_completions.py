"""OpenHands as its model calls: one LiteLLM log per call, ``<model>-<Unix time>.json``, in one folder per run.

Each log holds the whole conversation up to its call (``messages``), then the reply. The history is condensed now
and then, so that later logs can hold less. The view is therefore the log whose messages hold the most tool calls of
the assistant other than ``finish`` (the earliest of several); each of them is a step. This reading fits all 313
verified rows of CodeTraceBench in this layout.

For models without tool calls of their own OpenHands writes the calls into the text, and keeps the conversation with
real tool calls beside it: ``raw_messages`` (SDK) or ``fncall_messages`` (0.x), used if ``messages`` hold no call.
"""

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef, Step, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, lost_content, plain_text
from codetracer_core.parsers._fields import mapping, text_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted
from codetracer_core.parsers._openhands import tool_call
from codetracer_core.parsers._time import moment

# The time is a float (time.time()), so that a chat export with a bare date in its name is not taken for a log.
_LOG_FILE = re.compile(r".+-(\d{10}\.\d+)(?:-[0-9a-f]{4,})?\.json")
_LOG_START = re.compile(rb'\s*\{(?:\s*"llm_path"\s*:\s*"[^"]*"\s*,)?\s*"messages"\s*:\s*\[\s*[\]{]')
_SWE_INSTANCE = re.compile(r"(?:instance_)?[\w.-]+__[\w.-]+")
_EXIT_CODE = re.compile(r"\[The command completed with exit code (-?\d+)\.")
_TEXT_CALL = re.compile(r"<function=|<execute_(?:bash|ipython)>")

CONVERSATIONS = ("messages", "raw_messages", "fncall_messages")


class _Function(msgspec.Struct):
    name: str | None = None


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    tool_calls: list[_Call] | None = None


class _Log(msgspec.Struct):
    """What is read of every log; the bulk, the text of its messages, is skipped."""

    messages: list[_Message]
    raw_messages: list[_Message] | None = None
    fncall_messages: list[_Message] | None = None
    response: Any = None
    cost: Any = None
    timestamp: Any = None


def recognise(artifacts: Artifacts) -> list[Claim]:
    logs = [name for name in artifacts.files if _LOG_FILE.fullmatch(name)]
    heads = [artifacts.head(name) for name in logs[:3]]
    if not any(_LOG_START.match(head) for head in heads) and not (heads and all(lost_content(head) for head in heads)):
        return []
    logs.sort(key=_time)
    return [Claim(".", tuple(logs), "completion logs")]


def _time(file: str) -> float:
    match = _LOG_FILE.fullmatch(file)
    assert match is not None
    return float(match[1])


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None = None) -> Trajectory:
    notes: list[str] = []
    best: dict[str, tuple[int, JsonFile]] = {}
    counts: dict[str, list[int]] = {key: [] for key in CONVERSATIONS}
    logs: list[_Log] = []
    for name in claim.files:
        source = artifacts.read_json(name)
        log = source.decode(_Log)
        logs.append(log)
        for key in CONVERSATIONS:
            count = _count(getattr(log, key) or [])
            if key not in best or count > best[key][0]:
                best[key] = (count, source)
            counts[key].append(count)
    key = next((key for key in CONVERSATIONS if best[key][0]), "messages")
    _, source = best[key]
    messages = source.value[key]
    steps = _steps(source, key, messages, _reply_times(logs), notes)
    if not steps:
        _refuse_text_calls(source, messages)
    if key != "messages":
        notes.append(f"The model wrote its calls as text; the steps are the tool calls that the logs keep in {key}.")
    notes += _other_logs(logs, counts[key], source)
    task, task_ref = _task(source, key, messages)
    return Trajectory(
        format=FORMAT.name,
        view=claim.view if key == "messages" else f"{claim.view} ({key})",
        agent="OpenHands",
        model=next((model for log in logs if (model := text_field(mapping(log.response).get("model")))), None),
        task=artifacts.root.name if _SWE_INSTANCE.fullmatch(artifacts.root.name) else None,
        task_text=task,
        task_ref=task_ref,
        usage=_usage(logs),
        started_at=moment(logs[0].timestamp),
        ended_at=moment(logs[-1].timestamp),
        steps=tuple(steps),
        notes=tuple(notes),
    )


def _count(messages: list[_Message]) -> int:
    calls = [call for message in messages if message.role == "assistant" for call in message.tool_calls or ()]
    return sum(call.function is None or call.function.name != "finish" for call in calls)


def _reply_times(logs: list[_Log]) -> dict[str, datetime]:
    """When each call was asked for, by its id: the time of the log whose reply holds it. Repeated ids are left out."""
    times: dict[str, datetime] = {}
    repeated: set[str] = set()
    for log in logs:
        time = moment(log.timestamp)
        for call in _reply_calls(log):
            call_id = text_field(mapping(call).get("id"))
            if call_id in times:
                repeated.add(call_id)
            elif call_id is not None and time is not None:
                times[call_id] = time
    return {call_id: time for call_id, time in times.items() if call_id not in repeated}


def _reply_calls(log: _Log) -> list[Any]:
    choices = mapping(log.response).get("choices")
    message = mapping(mapping(choices[0]).get("message")) if isinstance(choices, list) and choices else {}
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _steps(
    source: JsonFile, key: str, messages: list[dict[str, Any]], times: dict[str, datetime], notes: list[str]
) -> list[Step]:
    drafts: list[dict[str, Any]] = []
    open_calls: list[dict[str, Any]] = []
    finished: set[Any] = set()
    unmatched = 0
    for index, message in enumerate(messages):
        if message.get("role") == "assistant":
            calls = []
            for position, call in enumerate(message.get("tool_calls") or ()):
                if mapping(mapping(call).get("function")).get("name") == "finish":
                    finished.add(mapping(call).get("id"))
                else:
                    calls.append((position, call))
            first = len(drafts) + 1
            for position, call in calls:
                draft = _draft(source, (key, index, "tool_calls", position), call)
                draft["step_id"] = len(drafts) + 1
                draft["timestamp"] = times.get(draft["call_id"] or "")
                draft["parallel_group"] = first if len(calls) > 1 else None
                if draft["step_id"] == first:
                    draft["thought"], draft["thought_ref"] = _thought(source, key, index, message)
                drafts.append(draft)
            # Ids can repeat in a run: a result belongs to the latest reply that has an open call with its id.
            open_calls = drafts[first - 1 :] + open_calls
        elif message.get("role") == "tool":
            answered = next((draft for draft in open_calls if draft["call_id"] == message.get("tool_call_id")), None)
            if answered is None:
                unmatched += message.get("tool_call_id") not in finished
                continue
            open_calls = [draft for draft in open_calls if draft is not answered]
            answered["observation"] = plain_text(message.get("content"))
            answered["observation_ref"] = source.ref(key, index, *(("content",) if "content" in message else ()))
            codes = _EXIT_CODE.findall(answered["observation"])
            answered["exit_code"] = int(codes[-1]) if codes and codes[-1] != "-1" else None
    if unmatched:
        notes.append(f"{counted(unmatched, 'result')} of no call in the conversation: not shown.")
    if open_calls:
        numbers = ", ".join(str(draft["step_id"]) for draft in sorted(open_calls, key=lambda draft: draft["step_id"]))
        notes.append(f"Calls without a result: step {numbers}.")
    return [Step(**{name: value for name, value in draft.items() if name != "call_id"}) for draft in drafts]


def _draft(source: JsonFile, place: tuple[str | int, ...], call: Any) -> dict[str, Any]:
    function = mapping(mapping(call).get("function"))
    tool = tool_call(str(function.get("name") or ""), function.get("arguments"), mapping(call).get("id"))
    return {
        "action": tool.text(),
        "action_ref": source.ref(*place, *(("function", "arguments") if "arguments" in function else ())),
        "tool": tool,
        "native_ids": (tool.call_id,) if tool.call_id else (),
        "call_id": tool.call_id,
    }


def _thought(source: JsonFile, key: str, index: int, message: dict[str, Any]) -> tuple[str | None, SourceRef | None]:
    said = plain_text(message.get("content"))
    reasoning = text_field(message.get("reasoning_content"))
    if reasoning and said.strip():
        return f"{reasoning}\n\n{said}", source.ref(key, index)
    if reasoning:
        return reasoning, source.ref(key, index, "reasoning_content")
    return (said, source.ref(key, index, "content")) if said.strip() else (None, None)


def _refuse_text_calls(source: JsonFile, messages: list[dict[str, Any]]) -> None:
    for index, message in enumerate(messages):
        if message.get("role") == "assistant" and _TEXT_CALL.search(plain_text(message.get("content"))):
            raise MalformedRun(
                "the calls are written as text inside the messages, and no log keeps them as tool calls",
                path=source.shown_path,
                place=f"/messages/{index}",
                remedy="Import the session's events instead; steps cannot be numbered from these logs.",
            )


def _other_logs(logs: list[_Log], counts: list[int], view: JsonFile) -> list[str]:
    """What the other logs say that the chosen one does not."""
    notes = [f"Read from {view.path}, the fullest of {len(logs)} logs."]
    shorter = sum(after < before for before, after in pairwise(counts))
    if shorter:
        notes.append(
            f"The history was condensed or begun anew ({counted(shorter, 'time')}): "
            "calls that only other logs hold are no steps."
        )
    calls = [mapping(mapping(call).get("function")).get("name") for call in _reply_calls(logs[-1])]
    if pending := [str(name) for name in calls if name != "finish"]:
        notes.append(f"The last reply asks for {', '.join(pending)}; no log shows that it was run: no step.")
    return notes


def _task(source: JsonFile, key: str, messages: list[dict[str, Any]]) -> tuple[str | None, SourceRef | None]:
    for index, message in enumerate(messages):
        if message.get("role") == "user" and (text := text_field(plain_text(message.get("content")))):
            return text, source.ref(key, index, "content")
    return None, None


def _usage(logs: list[_Log]) -> Usage:
    """Sums over all calls; unknown where no log says anything."""
    usages = [mapping(mapping(log.response).get("usage")) for log in logs]
    details = [mapping(usage.get("prompt_tokens_details")) for usage in usages]
    costs = [log.cost for log in logs if isinstance(log.cost, int | float)]
    return Usage(
        cost_usd=sum(costs) if any(costs) else None,
        prompt_tokens=_total([usage.get("prompt_tokens") for usage in usages]),
        completion_tokens=_total([usage.get("completion_tokens") for usage in usages]),
        cached_tokens=_total([detail.get("cached_tokens") for detail in details]),
    )


def _total(values: list[Any]) -> int | None:
    known = [value for value in values if isinstance(value, int)]
    return sum(known) if known else None


FORMAT = Format(
    name="openhands-completions",
    title="OpenHands completion logs (one <model>-<Unix time>.json per model call)",
    recognise=recognise,
    parse=parse,
)
