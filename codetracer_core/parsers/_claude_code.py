"""A conversation of Claude Code, built up record by record: replies with their calls, and what came back for each.

One line holds one content block; what shares a ``message.id`` is one reply. Ids of tool calls are no keys: proxies
count them per request (``functions.Bash:0``), so a run can use one id for several calls. A result therefore belongs to
the latest reply that has an unanswered call of that id, and there to the first such call.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from codetracer_core.models import SourceRef, ToolCall
from codetracer_core.parsers._artifacts import plain_text
from codetracer_core.parsers._cast import CastObject
from codetracer_core.parsers._fields import call_arguments, text_field
from codetracer_core.parsers._time import moment

# What Claude Code keeps for a reply without a text.
_NO_TEXT = "(no content)"
# Records that are no part of the conversation: bookkeeping, progress displays, partial messages.
_BOOKKEEPING = frozenset(
    {"system", "result", "summary", "file-history-snapshot", "attachment", "queue-operation", "progress"}
    | {"stream_event", "rate_limit_event", "tool_progress", "tool_use_summary", "last-prompt", "custom-title", "tag"}
    | {"ai-title", "agent-name", "agent-color", "permission-mode", "pr-link", "mode", "worktree-state"}
)
_COUNTED_EVENTS = {
    "compact_boundary": "Times that the conversation was condensed",
    "api_retry": "Requests repeated after errors of the model's service",
    "api_error": "Errors of the model's service",
}


class Record(Protocol):
    """One record of the conversation, from whichever wrapping."""

    @property
    def value(self) -> Any: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    def ref(self, *pointer: str | int) -> SourceRef: ...


@dataclass(frozen=True)
class Part:
    """A text that the model wrote."""

    kind: str
    text: str
    record: Record
    pointer: tuple[str | int, ...]


@dataclass
class Call:
    reply: "Reply"
    tool: ToolCall
    record: Record
    place: int
    """Index of the block in its message."""
    result: tuple[Record, int] | None = None
    """Record and block index of what came back."""
    branch: str | None = None
    """The branch of the sub-agent that this call started."""
    step_id: int = 0


@dataclass
class Reply:
    key: tuple[str, str]
    branch: str | None
    model: str
    said: list[Part] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    stop_reason: str | None = None
    replaced: bool = False
    """None of its calls was answered before the next reply came: the request was repeated."""

    def texts(self) -> list[Part]:
        return [part for part in self.said if part.kind == "text"]


@dataclass
class Conversation:
    """What has been read so far; ``acts`` are the calls, and the replies at their first text, in order."""

    acts: list[Call | Reply] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    latest: dict[str | None, Reply] = field(default_factory=dict)
    heard: set[str | None] = field(default_factory=set)
    """Branches in which something else came after the latest reply."""
    reply_keys: set[tuple[str | None, tuple[str, str]]] = field(default_factory=set)
    calls: dict[str, Call] = field(default_factory=dict)
    """Tool-call id → the latest call of that id."""
    unanswered: dict[tuple[str | None, str], list[Call]] = field(default_factory=dict)
    """Branch and tool-call id → the calls that wait for a result."""
    prompts: dict[str | None, list[Part]] = field(default_factory=dict)
    asked: list[Part] = field(default_factory=list)
    """Prompts to the main agent before its first reply."""
    started_by: dict[str, Call] = field(default_factory=dict)
    """Branch → the call that started it."""
    agent_calls: dict[str, Call] = field(default_factory=dict)
    """Agent id → the call whose result names it."""
    roots: dict[str, str] = field(default_factory=dict)
    uuids: dict[str, Any] = field(default_factory=dict)
    followers: dict[str, set[str]] = field(default_factory=dict)
    """uuid → prompts and replies that follow it; several: the conversation was taken back to that point."""
    inits: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    times: list[datetime] = field(default_factory=list)
    version: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    """What was counted for the notes, in words."""
    other_types: Counter[str] = field(default_factory=Counter)
    other_blocks: Counter[str] = field(default_factory=Counter)
    own_words: list[str] = field(default_factory=list)
    """What Claude Code wrote in place of the model."""


def type_of(record: Record) -> str | None:
    return text_field(record.value, "type")


def time_of(record: Record) -> datetime | None:
    return record.time if isinstance(record, CastObject) else moment(record.value.get("timestamp"))


def take(talk: Conversation, record: Record, agent: str | None, *, inline: bool) -> None:
    """Add one record. ``agent``: the sub-agent whose file it is from; ``inline``: sidechain records are sub-agents."""
    value = record.value
    if not isinstance(value, dict):
        talk.counts["Lines with JSON that is no object, skipped"] += 1
        return
    kind = type_of(record)
    if kind not in ("user", "assistant"):
        _take_event(talk, value, kind)
        return
    message = value.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, str | list):
        talk.counts["Messages without usable content, skipped"] += 1
        return
    uuid = text_field(value, "uuid")
    if uuid is not None:
        if uuid in talk.uuids:
            if talk.uuids[uuid] == message:
                talk.counts["Records that stand in the files twice (same uuid and content), read once"] += 1
                return
            talk.counts["Records that share a uuid with another one but differ from it, both read"] += 1
        talk.uuids[uuid] = message
    # In a stream only results carry times, which tell nothing of when the run began.
    when = None if agent or (kind == "user" and "session_id" in value) else time_of(record)
    if when is not None:
        talk.times.append(when)
    talk.version = talk.version or text_field(value, "version")
    branch = agent or _branch(talk, value, inline=inline)
    session = text_field(value, "sessionId") or text_field(value, "session_id") or ""
    if branch is None and session:
        talk.sessions.add(session)
    if kind == "assistant":
        _take_reply(talk, record, message, branch, session)
    else:
        _take_user(talk, record, message, branch)


def _take_event(talk: Conversation, value: dict[str, Any], kind: str | None) -> None:
    if kind == "result":
        talk.results.append(value)
        talk.heard.add(None)
    elif kind == "system":
        subtype = text_field(value, "subtype") or ""
        if subtype == "init":
            talk.inits.append(value)
            talk.heard.add(None)
        elif subtype in _COUNTED_EVENTS:
            talk.counts[_COUNTED_EVENTS[subtype]] += 1
    elif kind == "summary":
        talk.counts["Summary lines (they name other sessions), passed over"] += 1
    elif kind not in _BOOKKEEPING:
        talk.other_types[kind or "without a type"] += 1


def _branch(talk: Conversation, value: dict[str, Any], *, inline: bool) -> str | None:
    """The sub-agent that a record belongs to; None for the main agent."""
    parent = text_field(value, "parent_tool_use_id")
    if parent is not None:
        call = talk.calls.get(parent)
        if call is None:
            return parent
        if call.branch is None:
            same_id = sum(branch.partition("#")[0] == parent for branch in talk.started_by)
            call.branch = f"{parent}#{same_id + 1}" if same_id else parent
            talk.started_by[call.branch] = call
        return call.branch
    if not inline or not value.get("isSidechain"):
        return None
    own = text_field(value, "agentId")
    if own is not None:
        return own
    uuid = text_field(value, "uuid") or ""
    root = talk.roots.get(text_field(value, "parentUuid") or "", uuid)
    talk.roots[uuid] = root
    return root or "sidechain"


def _take_reply(talk: Conversation, record: Record, message: dict[str, Any], branch: str | None, session: str) -> None:
    content = message["content"]
    model = text_field(message, "model") or ""
    if model == "<synthetic>" or record.value.get("isApiErrorMessage"):
        talk.own_words.append(plain_text(content))
        return
    message_id = text_field(message, "id")
    if message_id is None:
        talk.counts["Lines of replies without a message id, each read as a reply of its own"] += 1
    key = (session, message_id or f"line {record.line} of {record.path}")
    reply = talk.latest.get(branch)
    if reply is None or reply.key != key:
        if reply is not None and branch not in talk.heard and reply.calls:
            reply.replaced = all(call.result is None for call in reply.calls)
        if (branch, key) in talk.reply_keys:
            talk.counts["Replies with the message id of an earlier one that others followed, read apart"] += 1
        talk.reply_keys.add((branch, key))
        reply = Reply(key, branch, model)
        talk.replies.append(reply)
        talk.latest[branch] = reply
        _follows(talk, record, branch, str(key))
    talk.heard.discard(branch)
    if isinstance(message.get("usage"), dict):
        reply.usage = message["usage"]
    reply.stop_reason = text_field(message, "stop_reason")
    if isinstance(content, str):
        _say(talk, reply, Part("text", content, record, ("message", "content")))
        return
    for place, block in enumerate(content):
        kind = text_field(block, "type")
        if kind in ("text", "thinking") and isinstance(block.get(kind), str):
            _say(talk, reply, Part(kind, block[kind], record, ("message", "content", place)))
        elif kind is not None and kind.endswith("tool_use"):
            call = Call(reply, _tool_call(block), record, place)
            reply.calls.append(call)
            talk.acts.append(call)
            call_id = call.tool.call_id or ""
            talk.calls[call_id] = call
            talk.unanswered.setdefault((branch, call_id), []).append(call)
        elif kind is not None and kind.endswith("tool_result"):
            _answer(talk, record, place, block, branch)
        else:
            talk.other_blocks[kind or "without a type"] += 1


def _say(talk: Conversation, reply: Reply, part: Part) -> None:
    if part.text.strip() in ("", _NO_TEXT):
        return
    if part.kind == "text" and not reply.texts():
        talk.acts.append(reply)
    reply.said.append(part)


def _tool_call(block: dict[str, Any]) -> ToolCall:
    return ToolCall(
        name=text_field(block, "name") or "",
        arguments=call_arguments(block.get("input")),
        call_id=text_field(block, "id"),
    )


def _take_user(talk: Conversation, record: Record, message: dict[str, Any], branch: str | None) -> None:
    talk.heard.add(branch)
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    is_prompt = not record.value.get("isMeta") and not record.value.get("isCompactSummary")
    for place, block in enumerate(blocks):
        kind = text_field(block, "type")
        if kind is not None and kind.endswith("tool_result"):
            _answer(talk, record, place, block, branch)
        elif kind == "text" and isinstance(block.get("text"), str):
            if is_prompt:
                pointer = ("message", "content") if isinstance(content, str) else ("message", "content", place)
                part = Part("text", block["text"], record, pointer)
                talk.prompts.setdefault(branch, []).append(part)
                if branch is None and not talk.replies:
                    talk.asked.append(part)
                _follows(talk, record, branch, str(record.value.get("uuid")))
        else:
            talk.other_blocks[kind or "without a type"] += 1


def _answer(talk: Conversation, record: Record, place: int, block: dict[str, Any], branch: str | None) -> None:
    waiting = talk.unanswered.get((branch, text_field(block, "tool_use_id") or ""))
    if not waiting:
        known = waiting is not None
        talk.counts[f"Results for a call that {'has one already' if known else 'is not in the files'}, skipped"] += 1
        return
    call = next(call for call in waiting if call.reply is waiting[-1].reply)
    waiting.remove(call)
    call.result = (record, place)
    if agent := text_field(record.value, "toolUseResult", "agentId"):
        talk.agent_calls[agent] = call


def _follows(talk: Conversation, record: Record, branch: str | None, what: str) -> None:
    before = text_field(record.value, "parentUuid")
    if branch is None and before is not None:
        talk.followers.setdefault(before, set()).add(what)
