"""Codex CLI rollouts (``rollout-<time>-<id>.jsonl``), in their envelope since September 2025 and the bare items before.

One step is each tool call of the model (function, custom tool, local shell, web search …); the calls of one reply
are a parallel group, and its reasoning and text are the thought of the first of them. A reply without a call and
with text is one step of kind message.

A rollout does not mark where one reply ends and the next begins. What ends a reply here: a message of the user; the
token count that Codex writes for every call of the model; reasoning or text after a tool's output, which only a new
reply can hold; and, in a rollout without token counts, any output before the next item of the model.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonLine, plain_text
from codetracer_core.parsers._fields import call_arguments, count_field, text_field, token_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import oddities, skipped_lines, tally
from codetracer_core.parsers._time import moment
from codetracer_core.parsers._trial import may_be_harbor_trial

_NAME = re.compile(r"rollout-\d{4}-\d{2}-\d{2}T.*\.jsonl\Z")
_TRIAL_ROLLOUTS = "agent/sessions/*/*/*/rollout-*.jsonl"
_HEADER = re.compile(rb'\s*\{[^\n]*"type"\s*:\s*"session_meta"[^\n]*"payload"')
_BARE_HEADER = re.compile(rb'\s*\{[^\n]*"id"\s*:[^\n]*\n\s*\{\s*"record_type"\s*:\s*"state"')
# What the CLI itself puts into the conversation in the user's name.
_BOILERPLATE = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|INSTRUCTIONS|permissions|turn_aborted|collaboration_mode|skill)\b"
    r"|# AGENTS\.md instructions)"
)
# The head of a command's output as the model gets it; older versions wrap the output in JSON instead.
_EXIT_CODE = re.compile(
    r"\AExit code: (-?\d+)$|\A(?:Chunk ID: .*\n)?(?:Wall time: .*\n)?Process exited with code (-?\d+)$", re.MULTILINE
)
_REFUSED = re.compile(r"\A(?:exec command|patch|MCP tool call) rejected by user")
_WITHOUT_OUTPUT = frozenset({"web_search_call", "image_generation_call"})
_BOOKKEEPING = frozenset({"session_meta", "turn_context", "event_msg", "compacted", "ghost_snapshot", "state"})


@dataclass(frozen=True)
class _Item:
    """One item of the conversation: a record, or its payload in the newer files."""

    line: JsonLine
    value: dict[str, Any]
    enveloped: bool

    @property
    def kind(self) -> str:
        return str(self.value.get("type") or "")

    @property
    def time(self) -> datetime | None:
        return moment(self.line.value.get("timestamp")) if self.enveloped else None

    def ref(self, *pointer: str | int) -> SourceRef:
        return self.line.ref(*(("payload",) if self.enveloped else ()), *pointer)

    def name(self, key: str) -> str | None:
        return text_field(self.value, key)


@dataclass
class _Reply:
    thoughts: list[_Item] = field(default_factory=list)
    messages: list[_Item] = field(default_factory=list)
    calls: list[_Item] = field(default_factory=list)
    answered: bool = False
    """The output of a tool has come in since the reply began."""
    ended: bool = False


@dataclass
class _Session:
    """What one rollout tells besides its replies."""

    replies: list[_Reply] = field(default_factory=list)
    outputs: dict[int, _Item] = field(default_factory=dict)
    """Output of the call on a line."""
    models: Counter[str] = field(default_factory=Counter)
    header: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, Any] = field(default_factory=dict)
    times: list[datetime] = field(default_factory=list)
    task: _Item | None = None
    ending: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


def recognise(artifacts: Artifacts) -> list[Claim]:
    single = [
        Claim(unit=name, files=(name,), view="rollout")
        for name in artifacts.files
        if name.endswith(".jsonl") and (_NAME.match(name) or _is_rollout(artifacts.head(name)))
    ]
    return single + (_in_trial(artifacts) if "agent" in artifacts.folders else [])


def _in_trial(artifacts: Artifacts) -> list[Claim]:
    """The rollouts of a Harbor trial. Of several (a session per sub-agent) each is a run of its own, unless the
    harness has joined them in its ATIF file."""
    rollouts = artifacts.glob(_TRIAL_ROLLOUTS) if may_be_harbor_trial(artifacts) else []
    if len(rollouts) == 1:
        return [Claim(unit=".", files=tuple(rollouts), view="rollout")]
    if artifacts.has("agent/trajectory.json"):
        return []
    return [Claim(unit=".", files=(path,), view="rollout", member=path.rpartition("/")[2]) for path in rollouts]


def _is_rollout(head: bytes) -> bool:
    return (_HEADER.match(head) or _BARE_HEADER.match(head)) is not None


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    path = claim.files[0]
    problems: list[str] = []
    session = _read(artifacts, path, problems)
    steps: list[Step] = []
    for reply in session.replies:
        _add_reply(session, reply, steps)
    header, totals, task = session.header, session.totals, session.task
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent="codex",
        agent_version=text_field(header, "cli_version"),
        model=session.models.most_common(1)[0][0] if session.models else None,
        task_text=plain_text(task.value.get("content")) if task is not None else None,
        task_ref=task.ref("content") if task is not None else None,
        exit_status=session.ending,
        usage=Usage(
            prompt_tokens=token_field(totals, "input_tokens"),
            completion_tokens=token_field(totals, "output_tokens"),
            cached_tokens=token_field(totals, "cached_input_tokens"),
        ),
        started_at=min(session.times, default=None),
        ended_at=max(session.times, default=None),
        steps=tuple(steps),
        notes=tuple(_notes(session, problems)),
    )


def _read(artifacts: Artifacts, path: str, problems: list[str]) -> _Session:
    session = _Session()
    records = [line for line in artifacts.read_jsonl(path, problems) if isinstance(line.value, dict)]
    known = 0
    metered = any(_is_token_count(line.value) for line in records)
    waiting: dict[str, deque[_Item]] = {}
    for line in records:
        kind = line.value.get("type")
        payload = line.value.get("payload")
        if time := moment(line.value.get("timestamp")):
            session.times.append(time)
        if kind == "response_item" and isinstance(payload, dict):
            _add_item(session, _Item(line, payload, enveloped=True), waiting, metered=metered)
        elif isinstance(payload, dict):
            _add_record(session, str(kind), payload)
        elif isinstance(kind, str):
            _add_item(session, _Item(line, line.value, enveloped=False), waiting, metered=metered)
        elif "id" in line.value and "timestamp" in line.value:
            session.header = session.header or line.value
        elif line.value.get("record_type") != "state":
            session.unknown["without a type"] += 1
            continue
        known += 1
    if not known:
        raise MalformedRun(
            "no record of a Codex rollout in this file",
            path=artifacts.shown(path),
            remedy="A rollout begins with a session_meta record.",
        )
    return session


def _is_token_count(record: dict[str, Any]) -> bool:
    payload = record.get("payload")
    return (
        record.get("type") == "event_msg"
        and isinstance(payload, dict)
        and payload.get("type") == "token_count"
        and isinstance(payload.get("info"), dict)
    )


def _add_record(session: _Session, kind: str, payload: dict[str, Any]) -> None:
    """A record that is no item of the conversation. Events repeat items for display; only their facts are taken."""
    if kind == "session_meta":
        session.counts["headers"] += 1
        session.header = session.header or payload
    elif kind == "turn_context" and isinstance(payload.get("model"), str):
        session.models[payload["model"]] += 1
    elif kind == "compacted":
        session.counts["compacted"] += 1
    elif kind == "event_msg":
        event, info = payload.get("type"), payload.get("info")
        if event == "token_count" and isinstance(info, dict):
            totals = info.get("total_token_usage")
            session.totals = totals if isinstance(totals, dict) else session.totals
            if session.replies:
                session.replies[-1].ended = True
        elif event in ("task_complete", "turn_complete", "turn_aborted"):
            reason = payload.get("reason")
            session.ending = f"{event} ({reason})" if isinstance(reason, str) else str(event)
        elif event == "thread_rolled_back":
            session.counts["rolled back"] += 1
    elif kind not in _BOOKKEEPING:
        session.unknown[kind] += 1


def _add_item(session: _Session, item: _Item, waiting: dict[str, deque[_Item]], *, metered: bool) -> None:
    kind = item.kind
    if kind == "message" and item.value.get("role") != "assistant":
        if session.replies:
            session.replies[-1].ended = True
        text = plain_text(item.value.get("content"))
        if session.task is None and item.value.get("role") == "user" and text.strip() and not _BOILERPLATE.match(text):
            session.task = item
    elif kind.endswith("_output"):
        callers = waiting.get(item.name("call_id") or "")
        if callers:
            session.outputs[callers.popleft().line.line] = item
        else:
            session.counts["stray outputs"] += 1
        if session.replies:
            session.replies[-1].answered = True
    elif kind in ("message", "reasoning") or kind.endswith("_call"):
        reply = session.replies[-1] if session.replies else None
        is_call = kind.endswith("_call")
        if reply is None or reply.ended or (reply.answered and not (is_call and metered)):
            reply = _Reply()
            session.replies.append(reply)
        (reply.calls if is_call else reply.messages if kind == "message" else reply.thoughts).append(item)
        if is_call and kind not in _WITHOUT_OUTPUT:
            waiting.setdefault(item.name("call_id") or item.name("id") or "", deque()).append(item)
    elif kind not in _BOOKKEEPING:
        session.unknown[kind] += 1


def _add_reply(session: _Session, reply: _Reply, steps: list[Step]) -> None:
    thoughts = [quote for item in reply.thoughts if (quote := _reasoning(item)) is not None]
    messages = [
        (text, item.ref("content")) for item in reply.messages if (text := plain_text(item.value.get("content")))
    ]
    messages = [(text, ref) for text, ref in messages if text.strip()]
    if not reply.calls:
        if messages:
            action, action_ref = _joined(messages)
            thought, thought_ref = _joined(thoughts) if thoughts else (None, None)
            steps.append(
                Step.model_construct(
                    step_id=len(steps) + 1,
                    native_ids=tuple(name for item in reply.messages if (name := item.name("id"))),
                    action=action,
                    thought=thought,
                    is_message=True,
                    timestamp=reply.messages[0].time,
                    action_ref=action_ref,
                    thought_ref=thought_ref,
                )
            )
        elif thoughts:
            session.counts["only thoughts"] += 1
        return
    first = len(steps) + 1
    thought, thought_ref = _joined(thoughts + messages) if thoughts or messages else (None, None)
    for item in reply.calls:
        tool, action_ref = _tool(item)
        output = session.outputs.get(item.line.line)
        observation, exit_code = _observed(output) if output is not None else (None, None)
        if output is None and item.kind not in _WITHOUT_OUTPUT:
            session.counts["unanswered"] += 1
        is_first = len(steps) + 1 == first
        steps.append(
            Step.model_construct(
                step_id=len(steps) + 1,
                native_ids=(tool.call_id,) if tool.call_id else (),
                action=tool.text(),
                tool=tool,
                observation=observation,
                thought=thought if is_first else None,
                parallel_group=first if len(reply.calls) > 1 else None,
                executed=_REFUSED.match(observation or "") is None,
                exit_code=exit_code,
                timestamp=item.time,
                action_ref=action_ref,
                observation_ref=output.ref("output") if output is not None and observation is not None else None,
                thought_ref=thought_ref if is_first else None,
            )
        )


def _reasoning(item: _Item) -> tuple[str, SourceRef] | None:
    """The readable reasoning: its summary, or the text itself of models that show it. The rest is encrypted."""
    for key in ("content", "summary"):
        text = plain_text(item.value.get(key)) if item.value.get(key) else ""
        if text.strip():
            return text, item.ref(key)
    return None


def _joined(quotes: Iterable[tuple[str, SourceRef]]) -> tuple[str, SourceRef]:
    """Texts of one reply, and one reference for all: the text's own place, or the records from first to last."""
    found = list(quotes)
    if len(found) == 1:
        return found[0]
    first, last = found[0][1], found[-1][1]
    envelope = "/payload" if (first.pointer or "").startswith("/payload") else ""
    start, end = min(ref.line_start for _, ref in found), max(ref.line_end for _, ref in found)
    ref = SourceRef(path=last.path, line_start=start, line_end=end, kind="jsonl", pointer=envelope)
    return "\n\n".join(text for text, _ in found), ref


def _tool(item: _Item) -> tuple[ToolCall, SourceRef]:
    value = item.value
    call_id = item.name("call_id") or item.name("id")
    arguments: dict[str, Any] | str
    if item.kind == "function_call":
        name, key = item.name("name") or "", "arguments"
        arguments = call_arguments(value.get(key))
    elif item.kind == "custom_tool_call":
        name, key = item.name("name") or "", "input"
        arguments = plain_text(value.get(key))
    elif item.kind == "local_shell_call" and isinstance(value.get("action"), dict):
        name, key = "local_shell", "action"
        arguments = {"command": value["action"].get("command")}
    else:
        name = item.kind.removesuffix("_call")
        key = next((key for key in ("action", "arguments", "input") if value.get(key) is not None), "")
        arguments = call_arguments(value.get(key))
    return ToolCall(name=name, arguments=arguments, call_id=call_id), item.ref(*((key,) if key in value else ()))


def _observed(output: _Item) -> tuple[str | None, int | None]:
    """What the model was given back, and the exit code if it tells one.

    Older versions send a command's output as JSON text with its exit code beside it: the output alone is shown.
    """
    given = output.value.get("output")
    wrapped = call_arguments(given) if isinstance(given, str) and given.startswith('{"') else given
    if isinstance(wrapped, dict) and isinstance(wrapped.get("output"), str):
        return wrapped["output"], count_field(wrapped, "metadata", "exit_code")
    if given is None:
        return None, None
    if isinstance(given, dict) and "content" in given:
        given = given["content"]
    text = plain_text(given)
    found = _EXIT_CODE.search(text)
    return text, int(found[1] or found[2]) if found else None


_ODDITIES = {
    "unanswered": "Tool calls without a recorded output",
    "stray outputs": "Outputs that belong to no open call, not shown",
    "only thoughts": "Replies with nothing but reasoning, which are no steps",
    "compacted": "Times the conversation was replaced by a summary to make room",
    "rolled back": "Times the user took turns back; their steps are kept",
}


def _notes(session: _Session, problems: list[str]) -> Iterator[str]:
    if not session.replies:
        yield "The agent never started: there is no reply of the model."
    yield from oddities(_ODDITIES, session.counts)
    if session.counts["headers"] > 1:
        yield f"The session was resumed or forked: it has {session.counts['headers']} headers; all of it is one run."
    if isinstance(session.header.get("source"), dict) and "subagent" in session.header["source"]:
        yield "This is the session of a sub-agent; the session that started it is a run of its own."
    if session.unknown:
        yield f"Records of other kinds, not shown: {tally(session.unknown.elements())}."
    yield from skipped_lines(problems)


FORMAT = Format(name="codex", title="Codex CLI rollout (rollout-*.jsonl)", recognise=recognise, parse=parse)
