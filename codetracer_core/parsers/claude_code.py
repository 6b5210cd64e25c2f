"""Claude Code: what ``claude -p --output-format stream-json`` prints, and the session files that it keeps itself.

The same records come in three wrappings: a stream in a text file (Harbor: ``agent/claude-code.txt``), a stream on a
recorded terminal (terminal-bench: ``sessions/agent.cast``, whose ``*.log`` siblings are often git-LFS pointers), and a
session file ``<session>.jsonl`` with the work of sub-agents in it, in ``agent-*.jsonl`` beside it or in
``<session>/subagents/``.

One step is each tool call; a reply without a call and with text is one of kind message. How records become replies is
told in ``_claude_code``.
"""

import glob
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import msgspec

from codetracer_core.errors import UnreadableFile
from codetracer_core.models import Branch, SourceRef, Step, Trajectory, Usage
from codetracer_core.parsers._artifacts import HEAD, NO_JSON, Artifacts, lost_content, plain_text, pointer_text
from codetracer_core.parsers._cast import read_cast
from codetracer_core.parsers._claude_code import Call, Conversation, Part, Record, Reply, take, time_of, type_of
from codetracer_core.parsers._fields import (
    count_field,
    number_field,
    spoken_argument,
    text_field,
    within,
)
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import skipped_lines, tally

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
_NOT_FOUND = re.compile(r"\w*sh: .*\bclaude: .*not found")


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


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    main, *agents = claim.files
    notes: list[str] = []
    talk = Conversation()
    records: Iterable[Record]
    if claim.view == CAST:
        cast = read_cast(artifacts, main)
        records = cast.objects
        notes += cast.problems
        if not any(type_of(record) in ("system", "user", "assistant") for record in records):
            told = _NOT_FOUND.search(cast.text)
            because = f" (the terminal says: {told[0][:200]})" if told else ""
            notes.append(f"The agent never started: the recording holds no transcript{because}.")
    else:
        records = _lines(artifacts, main, notes)
    conversation = [record for record in records if type_of(record) in ("user", "assistant")]
    is_agent_alone = bool(conversation) and all(record.value.get("isSidechain") for record in conversation)
    for record in records:
        take(talk, record, None, inline=not is_agent_alone)
    task = _task(talk, is_stream=claim.view != SESSION)
    talked = bool(talk.replies)
    for path in agents:
        try:
            records = _lines(artifacts, path, notes)
        except UnreadableFile as error:
            notes.append(f"A sub-agent's file could not be read: {error}")
            continue
        for record in records:
            take(talk, record, _agent_id(records, path), inline=False)

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


def _lines(artifacts: Artifacts, path: str, notes: list[str]) -> list[Record]:
    problems: list[str] = []
    try:
        records: list[Record] = list(artifacts.read_jsonl(path, problems))
    except UnreadableFile:
        text = artifacts.read_text(path)
        if any(line.lstrip().startswith("{") for line in text.split("\n")):
            raise
        said = text.strip().split("\n")[0][:200]
        notes.append(f"The agent never started: {path} holds no transcript, only text that begins with: {said}")
        return []
    notes += skipped_lines(problems)
    return records


def _task(talk: Conversation, *, is_stream: bool) -> Part | None:
    """What the user asked for: the first prompt that is no slash command, else the first one. In a stream, which
    usually lacks the prompt, a message that comes later is none."""
    prompts = talk.asked or ([] if is_stream else talk.prompts.get(None, []))
    plain = [prompt for prompt in prompts if not prompt.text.startswith(("<command-", "<local-command-"))]
    return next(iter(plain or prompts), None)


def _agent_id(records: Iterable[Record], path: str) -> str:
    for record in records:
        if found := text_field(record.value, "agentId"):
            return found
    return PurePosixPath(path).stem.removeprefix("agent-")


def _steps(talk: Conversation) -> list[Step]:
    steps: list[Step] = []
    for act in talk.acts:
        if isinstance(act, Call):
            act.step_id = len(steps) + 1
            steps.append(_call_step(act))
        elif not act.calls:
            steps.append(_message_step(act, len(steps) + 1))
    return steps


def _call_step(call: Call) -> Step:
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
        timestamp=time_of(call.record),
        action_ref=call.record.ref(*pointer),
        observation_ref=observation_ref,
        thought_ref=thought_ref,
    )


def _message_step(reply: Reply, step_id: int) -> Step:
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
        timestamp=time_of(texts[0].record),
        action_ref=action_ref,
        thought_ref=thought_ref,
    )


def _quote(parts: list[Part]) -> tuple[str | None, SourceRef | None]:
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


def _branches(talk: Conversation, steps: list[Step]) -> tuple[Branch, ...]:
    """Sub-agents that took steps, with the call that started each: named by the records, else the one whose prompt
    is the sub-agent's first message."""
    used = list(dict.fromkeys(step.branch for step in steps if step.branch is not None))
    known = {branch: call for branch in used if (call := talk.started_by.get(branch) or talk.agent_calls.get(branch))}
    free = [act for act in talk.acts if isinstance(act, Call) and not any(act is call for call in known.values())]
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


def _argument(call: Call, name: str) -> str | None:
    return text_field(call.tool.arguments, name)


def _usual_model(talk: Conversation) -> str | None:
    models = Counter(reply.model for reply in talk.replies if reply.branch is None and reply.model)
    return models.most_common(1)[0][0] if models else None


def _usage(talk: Conversation) -> Usage:
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


def _notes(talk: Conversation, *, is_stream: bool) -> list[str]:
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
