"""Claude Code: what ``claude -p --output-format stream-json`` prints, and the session files that it keeps itself.

The same records come in three wrappings: a stream in a text file (Harbor: ``agent/claude-code.txt``), a stream on a
recorded terminal (terminal-bench: ``sessions/agent.cast``, whose ``*.log`` siblings are often git-LFS pointers), and a
session file ``<session>.jsonl`` with the work of sub-agents in it, in ``agent-*.jsonl`` beside it or in
``<session>/subagents/``.

One line holds one content block; what shares a ``message.id`` is one reply. Ids of tool calls are no keys: proxies
count them per request (``functions.Bash:0``), so a run can use one id for several calls. A result therefore belongs to
the latest reply that has an unanswered call of that id, and there to the first such call.
"""

import glob
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

import msgspec

from codetracer_core.errors import UnreadableFile
from codetracer_core.models import Branch, SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import HEAD, NO_JSON, Artifacts, lost_content, plain_text, pointer_text
from codetracer_core.parsers._cast import CastObject, read_cast
from codetracer_core.parsers._fields import (
    call_arguments,
    count_field,
    number_field,
    spoken_argument,
    text_field,
    within,
)
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import skipped_lines, tally
from codetracer_core.parsers._time import moment

STREAM = "stream-json"
SESSION = "session"
CAST = "agent.cast"

_HARBOR_STREAM = "agent/claude-code.txt"
_TRIAL_CAST = "sessions/agent.cast"
_LONG_HEAD = 1 << 18
_LARGEST_SCAN = 1 << 24
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STARTS_CLAUDE = re.compile(rb"\bclaude\b[^\r\n]*--output-format[ =]stream-json")
_INIT_IN_CAST = re.compile(rb'\{\\"type\\":\\"system\\",\\"subtype\\":\\"init\\"')
# The first line of a session or a stream can be longer than any head; it begins with the fields that tell it.
_CUT_SESSION = re.compile(rb'^\s*\{(?=.*"isSidechain"\s*:)(?=.*"sessionId"\s*:)', re.DOTALL)
_CUT_STREAM = re.compile(rb'^\s*\{"type"\s*:\s*"system"\s*,\s*"subtype"\s*:\s*"init"')
# Summaries, file snapshots and the like can come before the first line that tells.
_BEGINS_WITH_A_TYPE = re.compile(rb'\s*\{"type"\s*:\s*"[a-z-]+"')
_SESSION_ID = re.compile(rb'"sessionId"\s*:\s*"([^"\\]+)"')
_EXIT_CODE = re.compile(r"Exit code (\d{1,3})(?:\n|$)")
# Results that say that the call was never run: not allowed, not understood, or given up before its turn.
_NOT_RUN = re.compile(
    r"Claude requested permissions to |Permission to use \S+ .*has been denied"
    r"|The user doesn't want to (?:proceed|take)"
    r"|<tool_use_error>(?:InputValidationError|Error: No such tool available|Sibling tool call errored)"
)
# What Claude Code keeps for a reply without a text.
_NO_TEXT = "(no content)"
_NOT_FOUND = re.compile(r"\w*sh: .*\bclaude: .*not found")

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


def recognise(artifacts: Artifacts) -> list[Claim]:
    if artifacts.has(_HARBOR_STREAM):
        return [Claim(".", (_HARBOR_STREAM,), STREAM, covers=("agent/sessions",))]
    if artifacts.has(_TRIAL_CAST) and _was_to_start(artifacts):
        return [Claim(".", (_TRIAL_CAST,), CAST)]
    streams = [Claim(name, (name,), STREAM) for name in artifacts.files if name == "claude-code.txt"]
    casts = [
        Claim(name, (name,), CAST)
        for name in artifacts.files
        if name.endswith(".cast") and _INIT_IN_CAST.search(artifacts.head(name, _LARGEST_SCAN))
    ]
    return streams + casts + _jsonl_claims(artifacts)


def _was_to_start(artifacts: Artifacts) -> bool:
    """Does this terminal-bench trial say that Claude Code was its agent, whether or not it came to that?"""
    commands = artifacts.head("commands.txt", _LARGEST_SCAN)
    if commands:
        return _STARTS_CLAUDE.search(commands) is not None
    return _INIT_IN_CAST.search(artifacts.head(_TRIAL_CAST, _LARGEST_SCAN)) is not None


def _jsonl_claims(artifacts: Artifacts) -> list[Claim]:
    claims: list[Claim] = []
    sessions: dict[str, list[str]] = {}  # file → files of its sub-agents
    owners: dict[str, str] = {}  # session id → file
    agents: dict[str, str] = {}  # file → session id
    for name in artifacts.files:
        if not name.endswith(".jsonl"):
            continue
        head = artifacts.head(name)
        if len(head) == HEAD and _BEGINS_WITH_A_TYPE.match(head):
            head = artifacts.head(name, _LONG_HEAD)
        kind = _kind(head) or (SESSION if _is_damaged_session(artifacts, name) else None)
        if kind == STREAM:
            claims.append(Claim(name, (name,), STREAM))
        elif kind == SESSION:
            found = _SESSION_ID.search(head)
            session_id = found[1].decode(errors="replace") if found else name
            if name.startswith("agent-"):
                agents[name] = session_id
            else:
                sessions[name] = []
                owners.setdefault(session_id, name)
    owners |= {name.removesuffix(".jsonl"): name for name in sessions}
    for name, session_id in agents.items():
        if session_id in owners:
            sessions[owners[session_id]].append(name)
        else:
            sessions[name] = []
    for name, its_agents in sessions.items():
        folder = name.removesuffix(".jsonl")
        covers: tuple[str, ...] = ()
        if folder in artifacts.folders and artifacts.has_folder(f"{folder}/subagents"):
            covers = (folder,)
            escaped = glob.escape(folder)
            for pattern in ("agent-*.jsonl", "*/*/agent-*.jsonl"):
                its_agents += artifacts.glob(f"{escaped}/subagents/{pattern}")
        claims.append(Claim(name, (name, *its_agents), SESSION, covers=covers))
    return claims


def _kind(head: bytes) -> str | None:
    """Does a JSON-lines file that begins like this hold a session or a stream of Claude Code?"""
    *lines, last = head.split(b"\n")
    for line in (*lines, last):
        try:
            record = msgspec.json.decode(line)
        except NO_JSON:
            continue
        if not isinstance(record, dict) or record.get("type") not in ("user", "assistant", "system", "result"):
            continue
        if "sessionId" in record and "uuid" in record:
            return SESSION
        if "session_id" in record and ("subtype" in record or "parent_tool_use_id" in record):
            return STREAM
    if _CUT_SESSION.search(last):
        return SESSION
    return STREAM if _CUT_STREAM.search(last) else None


def _is_damaged_session(artifacts: Artifacts, name: str) -> bool:
    """A file where Claude Code keeps its sessions, with nothing of a session in it."""
    if artifacts.root.parent.name != "projects" or not _UUID.fullmatch(name.removesuffix(".jsonl")):
        return False
    return lost_content(artifacts.head(name))


class _Record(Protocol):
    """One record of the conversation, from whichever wrapping."""

    @property
    def value(self) -> Any: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    def ref(self, *pointer: str | int) -> SourceRef: ...


@dataclass(frozen=True)
class _Part:
    """A text that the model wrote."""

    kind: str
    text: str
    record: _Record
    pointer: tuple[str | int, ...]


@dataclass
class _Call:
    reply: "_Reply"
    tool: ToolCall
    record: _Record
    place: int
    """Index of the block in its message."""
    result: tuple[_Record, int] | None = None
    """Record and block index of what came back."""
    branch: str | None = None
    """The branch of the sub-agent that this call started."""
    step_id: int = 0


@dataclass
class _Reply:
    key: tuple[str, str]
    branch: str | None
    model: str
    said: list[_Part] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    stop_reason: str | None = None
    replaced: bool = False
    """None of its calls was answered before the next reply came: the request was repeated."""

    def texts(self) -> list[_Part]:
        return [part for part in self.said if part.kind == "text"]


@dataclass
class _Conversation:
    """What has been read so far; ``acts`` are the calls, and the replies at their first text, in order."""

    acts: list[_Call | _Reply] = field(default_factory=list)
    replies: list[_Reply] = field(default_factory=list)
    latest: dict[str | None, _Reply] = field(default_factory=dict)
    heard: set[str | None] = field(default_factory=set)
    """Branches in which something else came after the latest reply."""
    reply_keys: set[tuple[str | None, tuple[str, str]]] = field(default_factory=set)
    calls: dict[str, _Call] = field(default_factory=dict)
    """Tool-call id → the latest call of that id."""
    unanswered: dict[tuple[str | None, str], list[_Call]] = field(default_factory=dict)
    """Branch and tool-call id → the calls that wait for a result."""
    prompts: dict[str | None, list[_Part]] = field(default_factory=dict)
    asked: list[_Part] = field(default_factory=list)
    """Prompts to the main agent before its first reply."""
    started_by: dict[str, _Call] = field(default_factory=dict)
    """Branch → the call that started it."""
    agent_calls: dict[str, _Call] = field(default_factory=dict)
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


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    main, *agents = claim.files
    notes: list[str] = []
    talk = _Conversation()
    records: Iterable[_Record]
    if claim.view == CAST:
        cast = read_cast(artifacts, main)
        records = cast.objects
        notes += cast.problems
        if not any(_type(record) in ("system", "user", "assistant") for record in records):
            told = _NOT_FOUND.search(cast.text)
            because = f" (the terminal says: {told[0][:200]})" if told else ""
            notes.append(f"The agent never started: the recording holds no transcript{because}.")
    else:
        records = _lines(artifacts, main, notes)
    conversation = [record for record in records if _type(record) in ("user", "assistant")]
    is_agent_alone = bool(conversation) and all(record.value.get("isSidechain") for record in conversation)
    for record in records:
        _take(talk, record, None, inline=not is_agent_alone)
    task = _task(talk, is_stream=claim.view != SESSION)
    talked = bool(talk.replies)
    for path in agents:
        try:
            records = _lines(artifacts, path, notes)
        except UnreadableFile as error:
            notes.append(f"A sub-agent's file could not be read: {error}")
            continue
        for record in records:
            _take(talk, record, _agent_id(records, path), inline=False)

    steps = _steps(talk)
    init = talk.inits[0] if talk.inits else {}
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent="claude-code",
        agent_version=text_field(init, "claude_code_version") or talk.version,
        model=text_field(init, "model") or _usual_model(talk),
        task_text=task.text if task else None,
        task_ref=task.record.ref(*task.pointer) if task else None,
        exit_status=text_field(talk.results[-1], "subtype") if talk.results else None,
        usage=_usage(talk),
        started_at=min(talk.times, default=None),
        ended_at=max(talk.times, default=None),
        steps=tuple(steps),
        branches=_branches(talk, steps),
        notes=(*notes, *_notes(talk, is_stream=claim.view != SESSION and talked)),
    )


FORMAT = Format(
    name="claude-code",
    title="Claude Code (stream-json, session files, terminal recordings)",
    recognise=recognise,
    parse=parse,
)


def _lines(artifacts: Artifacts, path: str, notes: list[str]) -> list[_Record]:
    problems: list[str] = []
    try:
        records: list[_Record] = list(artifacts.read_jsonl(path, problems))
    except UnreadableFile:
        text = artifacts.read_text(path)
        if any(line.lstrip().startswith("{") for line in text.split("\n")):
            raise
        said = text.strip().split("\n")[0][:200]
        notes.append(f"The agent never started: {path} holds no transcript, only text that begins with: {said}")
        return []
    notes += skipped_lines(problems)
    return records


def _task(talk: _Conversation, *, is_stream: bool) -> _Part | None:
    """What the user asked for: the first prompt that is no slash command, else the first one. In a stream, which
    usually lacks the prompt, a message that comes later is none."""
    prompts = talk.asked or ([] if is_stream else talk.prompts.get(None, []))
    plain = [prompt for prompt in prompts if not prompt.text.startswith(("<command-", "<local-command-"))]
    return next(iter(plain or prompts), None)


def _type(record: _Record) -> str | None:
    return text_field(record.value, "type")


def _agent_id(records: Iterable[_Record], path: str) -> str:
    for record in records:
        if found := text_field(record.value, "agentId"):
            return found
    return PurePosixPath(path).stem.removeprefix("agent-")


def _take(talk: _Conversation, record: _Record, agent: str | None, *, inline: bool) -> None:
    """Add one record. ``agent``: the sub-agent whose file it is from; ``inline``: sidechain records are sub-agents."""
    value = record.value
    if not isinstance(value, dict):
        talk.counts["Lines with JSON that is no object, skipped"] += 1
        return
    kind = _type(record)
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
    when = None if agent or (kind == "user" and "session_id" in value) else _time(record)
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


def _take_event(talk: _Conversation, value: dict[str, Any], kind: str | None) -> None:
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


def _branch(talk: _Conversation, value: dict[str, Any], *, inline: bool) -> str | None:
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


def _take_reply(
    talk: _Conversation, record: _Record, message: dict[str, Any], branch: str | None, session: str
) -> None:
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
        reply = _Reply(key, branch, model)
        talk.replies.append(reply)
        talk.latest[branch] = reply
        _follows(talk, record, branch, str(key))
    talk.heard.discard(branch)
    if isinstance(message.get("usage"), dict):
        reply.usage = message["usage"]
    reply.stop_reason = text_field(message, "stop_reason")
    if isinstance(content, str):
        _say(talk, reply, _Part("text", content, record, ("message", "content")))
        return
    for place, block in enumerate(content):
        kind = text_field(block, "type")
        if kind in ("text", "thinking") and isinstance(block.get(kind), str):
            _say(talk, reply, _Part(kind, block[kind], record, ("message", "content", place)))
        elif kind is not None and kind.endswith("tool_use"):
            call = _Call(reply, _tool_call(block), record, place)
            reply.calls.append(call)
            talk.acts.append(call)
            call_id = call.tool.call_id or ""
            talk.calls[call_id] = call
            talk.unanswered.setdefault((branch, call_id), []).append(call)
        elif kind is not None and kind.endswith("tool_result"):
            _answer(talk, record, place, block, branch)
        else:
            talk.other_blocks[kind or "without a type"] += 1


def _say(talk: _Conversation, reply: _Reply, part: _Part) -> None:
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


def _take_user(talk: _Conversation, record: _Record, message: dict[str, Any], branch: str | None) -> None:
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
                part = _Part("text", block["text"], record, pointer)
                talk.prompts.setdefault(branch, []).append(part)
                if branch is None and not talk.replies:
                    talk.asked.append(part)
                _follows(talk, record, branch, str(record.value.get("uuid")))
        else:
            talk.other_blocks[kind or "without a type"] += 1


def _answer(talk: _Conversation, record: _Record, place: int, block: dict[str, Any], branch: str | None) -> None:
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


def _follows(talk: _Conversation, record: _Record, branch: str | None, what: str) -> None:
    before = text_field(record.value, "parentUuid")
    if branch is None and before is not None:
        talk.followers.setdefault(before, set()).add(what)


def _steps(talk: _Conversation) -> list[Step]:
    steps: list[Step] = []
    for act in talk.acts:
        if isinstance(act, _Call):
            act.step_id = len(steps) + 1
            steps.append(_call_step(act))
        elif not act.calls:
            steps.append(_message_step(act, len(steps) + 1))
    return steps


def _call_step(call: _Call) -> Step:
    reply = call.reply
    thought, thought_ref = _quote(reply.said) if call is reply.calls[0] else (None, None)
    pointer: tuple[str | int, ...] = ("message", "content", call.place)
    if isinstance(call.record.value["message"]["content"][call.place].get("input"), dict):
        spoken = spoken_argument(call.tool)
        pointer += ("input", spoken) if spoken is not None else ()
    observation = observation_ref = exit_code = None
    executed = not reply.replaced
    if call.result is not None:
        record, place = call.result
        block = record.value["message"]["content"][place]
        observation = plain_text(block.get("content"))
        observation_ref = record.ref("message", "content", place, *(["content"] if "content" in block else []))
        if block.get("is_error") and call.tool.name == "Bash" and (found := _EXIT_CODE.match(observation)):
            exit_code = int(found[1])
        executed = not (block.get("is_error") and _NOT_RUN.match(observation))
    return Step(
        step_id=call.step_id,
        native_ids=tuple(filter(None, (call.tool.call_id, reply.key[1]))),
        action=call.tool.text(),
        tool=call.tool,
        observation=observation,
        thought=thought,
        parallel_group=reply.calls[0].step_id if len(reply.calls) > 1 else None,
        branch=reply.branch,
        executed=executed,
        exit_code=exit_code,
        timestamp=_time(call.record),
        action_ref=call.record.ref(*pointer),
        observation_ref=observation_ref,
        thought_ref=thought_ref,
    )


def _message_step(reply: _Reply, step_id: int) -> Step:
    texts = reply.texts()
    action, action_ref = _quote(texts)
    thought, thought_ref = _quote([part for part in reply.said if part.kind != "text"])
    return Step(
        step_id=step_id,
        native_ids=(reply.key[1],),
        action=action or "",
        thought=thought,
        branch=reply.branch,
        is_message=True,
        timestamp=_time(texts[0].record),
        action_ref=action_ref,
        thought_ref=thought_ref,
    )


def _quote(parts: list[_Part]) -> tuple[str | None, SourceRef | None]:
    """Parts as one text, and where they stand: the part, else its message, else the messages of all of them."""
    if not parts:
        return None, None
    first, last = parts[0].record, parts[-1].record
    text = "\n\n".join(part.text for part in parts)
    if len(parts) == 1:
        return text, first.ref(*parts[0].pointer)
    if first is last:
        return text, first.ref("message", "content")
    start, end = first.ref("message", "content"), last.ref("message", "content")
    pointer = pointer_text(("*", "message", "content")) if start.kind == "cast" else start.pointer
    return text, start.model_copy(update={"line_end": end.line_end, "pointer": pointer})


def _time(record: _Record) -> datetime | None:
    return record.time if isinstance(record, CastObject) else moment(record.value.get("timestamp"))


def _branches(talk: _Conversation, steps: list[Step]) -> tuple[Branch, ...]:
    """Sub-agents that took steps, with the call that started each: named by the records, else the one whose prompt
    is the sub-agent's first message."""
    used = list(dict.fromkeys(step.branch for step in steps if step.branch is not None))
    known = {branch: call for branch in used if (call := talk.started_by.get(branch) or talk.agent_calls.get(branch))}
    free = [act for act in talk.acts if isinstance(act, _Call) and not any(act is call for call in known.values())]
    found: list[Branch] = []
    for branch in used:
        prompt = next(iter(talk.prompts.get(branch, ())), None)
        call = known.get(branch)
        if call is None and prompt is not None:
            call = next((other for other in free if _argument(other, "prompt") == prompt.text), None)
            if call is not None:
                free.remove(call)
        name = (_argument(call, "description") or _argument(call, "subagent_type")) if call else None
        if not name and prompt is not None:
            name = prompt.text.strip().split("\n")[0][:80]
        found.append(Branch(branch_id=branch, name=name or "", parent_step_id=call.step_id if call else None))
    return tuple(found)


def _argument(call: _Call, name: str) -> str | None:
    return text_field(call.tool.arguments, name)


def _usual_model(talk: _Conversation) -> str | None:
    models = Counter(reply.model for reply in talk.replies if reply.branch is None and reply.model)
    return models.most_common(1)[0][0] if models else None


def _usage(talk: _Conversation) -> Usage:
    """What the last result line sums up for the whole run; without one, the prompts of all replies. Proxies that
    count nothing write zeros: not known. Completions are only known of replies that were recorded to their end."""
    cost = number_field(talk.results[-1], "total_cost_usd") if talk.results else None
    models = within(talk.results[-1], "modelUsage") if talk.results else None
    if isinstance(models, dict) and models:
        whole, names = list(models.values()), _MODEL_COUNTERS
    elif talk.results:
        whole, names = [result.get("usage") for result in talk.results], _COUNTERS
    else:
        whole, names = [reply.usage for reply in talk.replies], _COUNTERS
    fresh, written, cached, completions = (sum(count_field(usage, name) or 0 for usage in whole) for name in names)
    if not talk.results and any(reply.stop_reason is None for reply in talk.replies):
        completions = 0
    return Usage(
        cost_usd=cost if cost and math.isfinite(cost) else None,
        prompt_tokens=fresh + written + cached or None,
        completion_tokens=completions or None,
        cached_tokens=cached or None,
    )


_COUNTERS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_MODEL_COUNTERS = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")


def _notes(talk: _Conversation, *, is_stream: bool) -> list[str]:
    notes: list[str] = []
    if is_stream and not talk.results:
        notes.append("The stream ends without a result line: the run was cut off.")
    if len(talk.inits) > 1:
        notes.append(f"The session was started {len(talk.inits)} times (resumed); all of it is one run.")
    if talk.results and talk.results[-1].get("is_error"):
        said = str(talk.results[-1].get("result", ""))[:200]
        notes.append(f"The result line calls the end of the run an error: {said}")
    if talk.own_words:
        said = talk.own_words[0][:200]
        notes.append(f"Messages that Claude Code wrote in place of the model, no steps: {len(talk.own_words)}: {said}")
    calls = [call for reply in talk.replies for call in reply.calls]
    replaced = sum(call.reply.replaced for call in calls)
    ids = Counter((call.reply.branch, call.tool.call_id) for call in calls)
    denied = (result.get("permission_denials") for result in talk.results)
    prompts = len(talk.prompts.get(None, ()))
    counts = {
        "Calls whose reply was replaced by the next one before a result came (the request was repeated), "
        "marked as not executed": replaced,
        "Calls without a result in the files": sum(call.result is None for call in calls) - replaced,
        "Tool-call ids that name several calls (results are paired by reply and order)": sum(
            count > 1 for count in ids.values()
        ),
        "Calls denied for lack of permission": sum(len(calls) for calls in denied if isinstance(calls, list)),
        "Replies with neither text nor a call, no steps": sum(
            not reply.calls and not reply.texts() for reply in talk.replies
        ),
        "Messages of the user in this run (the first is the task)": prompts if prompts > 1 else 0,
        "Sessions in this file, read as one run": len(talk.sessions) if len(talk.sessions) > 1 else 0,
        "Places where the conversation was taken back and went on anew (all of it is read, in file order)": sum(
            len(turns) > 1 for turns in talk.followers.values()
        ),
        **talk.counts,
    }
    notes += [f"{what}: {count}." for what, count in counts.items() if count]
    for what, found in (("Records", talk.other_types), ("Blocks", talk.other_blocks)):
        if found:
            notes.append(f"{what} of other kinds, passed over: {tally(found.elements())}.")
    return notes
