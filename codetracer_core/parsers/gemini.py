"""Gemini CLI: recorded chats (one JSON file, or JSON lines since 0.40), and the API history that it saves.

One step is each tool call; the calls of one reply (a chat's ``gemini`` message, a history's ``model`` entry) are a
parallel group, and its thoughts and text are the thought of the first of them. A reply without a call and with text
is one step of kind message.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, Pointer, lost_content, plain_text
from codetracer_core.parsers._fields import call_arguments, spoken_argument
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import oddities, skipped_lines
from codetracer_core.parsers._time import moment
from codetracer_core.parsers._trial import may_be_harbor_trial

_HARBOR_NAMES = ("gemini-cli.trajectory.jsonl", "gemini-cli.trajectory.json")
_SESSION = re.compile(r"session-\d{4}-\d{2}-\d{2}T.*\.jsonl?\Z")
_CHAT = re.compile(
    rb'\s*\{[^{\[]*"sessionId"\s*:[^{\[]*"projectHash"\s*:|\s*\{[^{\[]*"projectHash"\s*:[^{\[]*"sessionId"\s*:'
)
_ENTRY = rb'\[\s*\{\s*(?:"role"\s*:\s*"(?:user|model)"\s*,\s*"parts"\s*:\s*\[|"parts"\s*:\s*\[\s*\{\s*"text")'
_HISTORY = re.compile(rb"\s*(?:" + _ENTRY + rb'|\{\s*"history"\s*:\s*' + _ENTRY + rb")")
# What the CLI itself puts into the conversation in the user's name.
_BOILERPLATE = re.compile(r"\s*(?:<session_context>|<state_snapshot>|This is the Gemini CLI\.)")
# What it puts there in the model's name, after a summary or the session's context: no reply, so no step.
_PRETENDED = re.compile(r"Got it\. Thanks for the (?:additional )?context!\s*\Z")
_CANCELLED = "[Operation Cancelled]"
_EXIT_CODE = re.compile(r"^Exit Code: (-?\d+)$", re.MULTILINE)


class _Place(Protocol):
    """A file, or a line of one, that can tell where its values stand."""

    def ref(self, *pointer: str | int) -> SourceRef: ...


@dataclass(frozen=True)
class _Quote:
    """A text of the run and where it stands."""

    text: str
    ref: SourceRef


@dataclass
class _Call:
    tool: ToolCall
    ref: SourceRef
    time: datetime | None = None
    cancelled: bool = False
    answer: _Quote | None = None


@dataclass
class _Reply:
    native_id: str | None = None
    time: datetime | None = None
    thoughts: list[_Quote] = field(default_factory=list)
    said: list[_Quote] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    around: SourceRef | None = None
    """The place that holds all its texts."""


@dataclass
class _Session:
    replies: list[_Reply] = field(default_factory=list)
    task: _Quote | None = None
    models: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def heard(self, said: _Quote) -> None:
        """What was said in the user's name: the first that no program wrote is the task."""
        if said.text.lstrip().startswith("<state_snapshot>"):
            self.counts["snapshots"] += 1
        if self.task is None and said.text.strip() and not _BOILERPLATE.match(said.text):
            self.task = said


def recognise(artifacts: Artifacts) -> list[Claim]:
    if "agent" in artifacts.folders:
        is_trial = may_be_harbor_trial(artifacts)
        own = [f"agent/{name}" for name in _HARBOR_NAMES if is_trial and artifacts.has(f"agent/{name}")]
        if own:
            return [Claim(unit=".", files=tuple(own[:1]), view="chat")]
    claims = ((name, _view(artifacts, name)) for name in artifacts.files if name.endswith((".json", ".jsonl")))
    return [Claim(unit=name, files=(name,), view=view) for name, view in claims if view is not None]


def _view(artifacts: Artifacts, name: str) -> str | None:
    if name in _HARBOR_NAMES:
        return "chat"
    head = artifacts.head(name)
    if _CHAT.match(head):
        return "chat"
    if name.endswith(".json") and _HISTORY.match(head):
        return "API history"
    return "chat" if lost_content(head) and _SESSION.match(name) and artifacts.root.name == "chats" else None


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    path = claim.files[0]
    problems: list[str] = []
    session = _read_history(artifacts, path) if claim.view == "API history" else _read_chat(artifacts, path, problems)
    steps: list[Step] = []
    for reply in session.replies:
        _add_reply(session, reply, steps)
    tokens = session.tokens
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent="gemini-cli",
        model=session.models.most_common(1)[0][0] if session.models else None,
        task_text=session.task.text if session.task else None,
        task_ref=session.task.ref if session.task else None,
        usage=Usage(
            # Google counts thoughts apart from the text that the model wrote, and tools' prompts apart from the others.
            prompt_tokens=tokens["input"] + tokens["tool"] or None,
            completion_tokens=tokens["output"] + tokens["thoughts"] or None,
            cached_tokens=tokens["cached"] or None,
        ),
        started_at=min(session.times, default=None),
        ended_at=max(session.times, default=None),
        steps=tuple(steps),
        notes=tuple(_notes(session, problems)),
    )


# Chats --------------------------------------------------------------------------------------------------------------


@dataclass
class _Message:
    """A message of a chat. In JSON lines a later record can update single fields, so each knows its own place."""

    fields: dict[str, Any] = field(default_factory=dict)
    places: dict[str, tuple[_Place, Pointer]] = field(default_factory=dict)

    def update(self, fields: dict[str, Any], place: _Place, pointer: Pointer = ()) -> None:
        for key, value in fields.items():
            self.fields[key] = value
            self.places[key] = (place, (*pointer, key))

    def ref(self, key: str, *pointer: str | int) -> SourceRef:
        place, start = self.places[key]
        return place.ref(*start, *pointer)

    def text(self, key: str) -> str | None:
        value = self.fields.get(key)
        return value if isinstance(value, str) and value else None

    def listed(self, key: str) -> list[Any]:
        value = self.fields.get(key)
        return value if isinstance(value, list) else []

    def around(self) -> SourceRef:
        """Where the whole message stands: its place, or the lines from its beginning to its last update."""
        refs = [place.ref(*pointer[:-1]) for place, pointer in self.places.values()]
        first, last = min(ref.line_start for ref in refs), max(ref.line_end for ref in refs)
        return refs[0].model_copy(update={"line_start": first, "line_end": last})


def _read_chat(artifacts: Artifacts, path: str, problems: list[str]) -> _Session:
    session = _Session()
    for message in _messages(artifacts, path, session, problems):
        kind = message.text("type")
        time = moment(message.fields.get("timestamp"))
        session.times += [time] if time is not None else []
        if kind == "user" and "content" in message.fields:
            session.heard(_Quote(plain_text(message.fields["content"]), message.ref("content")))
        elif kind == "gemini":
            session.replies.append(_reply(session, message, time))
        elif kind != "user":
            session.counts["errors" if kind == "error" else "remarks"] += 1
    return session


def _messages(artifacts: Artifacts, path: str, session: _Session, problems: list[str]) -> list[_Message]:
    if path.endswith(".json"):
        return list(_whole(artifacts, path))
    messages: list[_Message] = []
    by_id: dict[str, _Message] = {}
    headed = False
    for line in artifacts.read_jsonl(path, problems):
        record = line.value if isinstance(line.value, dict) else {}
        headed = headed or "sessionId" in record
        name = record.get("id")
        if "$rewindTo" in record:
            session.counts["rewinds"] += 1
        elif isinstance(record.get("type"), str):
            known = by_id.get(name) if isinstance(name, str) else None
            if known is None:
                known = _Message()
                messages.append(known)
                by_id[str(name)] = known
            is_update = record["type"] == "message_update"
            known.update({key: value for key, value in record.items() if not (is_update and key == "type")}, line)
        elif isinstance(record.get("messages"), list):
            for position, fields in enumerate(record["messages"]):
                messages.append(_Message())
                messages[-1].update(fields if isinstance(fields, dict) else {}, line, ("messages", position))
    if not headed:
        raise MalformedRun(
            "no session header of a Gemini CLI chat in this file",
            path=artifacts.shown(path),
            remedy="Get a fresh copy of the run.",
        )
    return [message for message in messages if message.fields]


def _whole(artifacts: Artifacts, path: str) -> Iterator[_Message]:
    file = artifacts.read_json(path)
    value = file.value
    listed = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise MalformedRun(
            "a Gemini CLI chat without a list of messages",
            path=artifacts.shown(path),
            place="/messages",
            remedy="Get a fresh copy of the run.",
        )
    for position, fields in enumerate(listed):
        if isinstance(fields, dict):
            message = _Message()
            message.update(fields, file, ("messages", position))
            yield message


def _reply(session: _Session, message: _Message, time: datetime | None) -> _Reply:
    if model := message.text("model"):
        session.models[model] += 1
    counted = message.fields.get("tokens")
    for kind, count in (counted if isinstance(counted, dict) else {}).items():
        if isinstance(count, int) and not isinstance(count, bool):
            session.tokens[kind] += count
    reply = _Reply(native_id=message.text("id"), time=time, around=message.around())
    thoughts = [thought for thought in message.listed("thoughts") if isinstance(thought, dict)]
    told = [str(thought[key]) for thought in thoughts for key in ("subject", "description") if thought.get(key)]
    if told:
        reply.thoughts.append(_Quote("\n".join(told), message.ref("thoughts")))
    text = plain_text(message.fields.get("content"))
    if text.strip():
        reply.said.append(_Quote(text, message.ref("content")))
    for position, call in enumerate(message.listed("toolCalls")):
        if not isinstance(call, dict):
            continue
        tool = ToolCall(
            name=str(call.get("name") or ""),
            arguments=call_arguments(call.get("args")),
            call_id=str(call["id"]) if call.get("id") else None,
        )
        here = ("toolCalls", position)
        where = _spoken(tool)
        reply.calls.append(
            _Call(
                tool=tool,
                ref=message.ref(*here, *where),
                time=moment(call.get("timestamp")) or time,
                cancelled=call.get("status") == "cancelled",
                answer=_result(message, position, call.get("result")),
            )
        )
    return reply


def _spoken(tool: ToolCall) -> tuple[str, ...]:
    """From a call to the argument that is the action, if one is: else the action is the whole call's arguments."""
    spoken = spoken_argument(tool)
    return ("args", spoken) if spoken is not None else ()


def _result(message: _Message, position: int, result: Any) -> _Quote | None:
    """What the model was given: the response of each function part; pictures and the like as their JSON."""
    here = ("toolCalls", position, "result")
    if isinstance(result, str):
        return _Quote(result, message.ref(*here))
    answers = [
        _Quote(text, message.ref(*here, at, *where))
        for at, part in enumerate(result if isinstance(result, list) else [])
        if isinstance(part, dict) and (answer := _answer(part)) is not None
        for text, where in [answer]
    ]
    if len(answers) > 1:
        return _Quote("\n".join(answer.text for answer in answers), message.ref(*here))
    return answers[0] if answers else None


def _answer(part: dict[str, Any]) -> tuple[str, Pointer] | None:
    """The text of a ``functionResponse`` part and its place in the part; None for any other part."""
    function = part.get("functionResponse")
    if not isinstance(function, dict):
        return None
    response = function.get("response")
    for key in ("output", "error"):
        if isinstance(response, dict) and isinstance(response.get(key), str):
            return response[key], ("functionResponse", "response", key)
    if response is None:
        return None
    return plain_text(response), ("functionResponse", "response")


# API histories ------------------------------------------------------------------------------------------------------


def _read_history(artifacts: Artifacts, path: str) -> _Session:
    file = artifacts.read_json(path)
    prefix: Pointer = ("history",) if isinstance(file.value, dict) else ()
    entries = file.value["history"] if prefix and "history" in file.value else file.value
    if not isinstance(entries, list):
        raise MalformedRun(
            "a Gemini history without a list of entries",
            path=artifacts.shown(path),
            remedy="Get a fresh copy of the run.",
        )
    session = _Session()
    waiting: list[_Call] = []
    former = ""
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("parts"), list):
            session.counts["remarks"] += 1
            continue
        here = (*prefix, position, "parts")
        role = str(entry.get("role"))
        if role == "model" and _PRETENDED.match(plain_text(entry["parts"])):
            session.counts["pretended"] += 1
            role = "user"
        elif role == "model":
            # The API knows no two replies in a row: entries that follow each other are parts of one.
            if former != "model":
                session.replies.append(_Reply())
            _add_parts(session.replies[-1], file, here, entry["parts"], waiting)
        else:
            _answer_calls(session, file, here, entry["parts"], waiting)
        former = role
    return session


def _add_parts(reply: _Reply, file: JsonFile, here: Pointer, parts: list[Any], waiting: list[_Call]) -> None:
    place = file.ref(*here)
    if reply.around is not None:  # lines of several entries: the text of the file
        place = SourceRef(path=file.path, line_start=reply.around.line_start, line_end=place.line_end)
    reply.around = place
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            continue
        text, function = part.get("text"), part.get("functionCall")
        if isinstance(text, str) and text.strip():
            (reply.thoughts if part.get("thought") else reply.said).append(_Quote(text, file.ref(*here, at, "text")))
        if isinstance(function, dict):
            tool = ToolCall(
                name=str(function.get("name") or ""),
                arguments=call_arguments(function.get("args")),
                call_id=str(function["id"]) if function.get("id") else None,
            )
            call = _Call(tool=tool, ref=file.ref(*here, at, "functionCall", *_spoken(tool)))
            reply.calls.append(call)
            waiting.append(call)


def _answer_calls(session: _Session, file: JsonFile, here: Pointer, parts: list[Any], waiting: list[_Call]) -> None:
    """Responses go to the first open call with their id (older histories have none) and their name."""
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            continue
        answer = _answer(part)
        if answer is None:
            if isinstance(part.get("text"), str):
                session.heard(_Quote(part["text"], file.ref(*here, at, "text")))
            continue
        function = part["functionResponse"]
        text, where = answer
        for call in waiting:
            by_id = (call.tool.call_id, function.get("id"))
            if by_id[0] == by_id[1] if all(by_id) else call.tool.name == function.get("name"):
                call.answer = _Quote(text, file.ref(*here, at, *where))
                waiting.remove(call)
                break
        else:
            session.counts["stray responses"] += 1


# Steps --------------------------------------------------------------------------------------------------------------


def _add_reply(session: _Session, reply: _Reply, steps: list[Step]) -> None:
    quotes = reply.thoughts + reply.said
    if not reply.calls:
        if reply.said:
            action, action_ref = _together(reply.said, reply)
            thought, thought_ref = _together(reply.thoughts, reply)
            steps.append(
                Step.model_construct(
                    step_id=len(steps) + 1,
                    native_ids=(reply.native_id,) if reply.native_id else (),
                    action=action or "",
                    thought=thought,
                    is_message=True,
                    timestamp=reply.time,
                    action_ref=action_ref,
                    thought_ref=thought_ref,
                )
            )
        else:
            session.counts["only thoughts" if reply.thoughts else "empty replies"] += 1
        return
    first = len(steps) + 1
    thought, thought_ref = _together(quotes, reply)
    for call in reply.calls:
        is_first = len(steps) + 1 == first
        answer = call.answer
        if answer is None:
            session.counts["unanswered"] += 1
        codes = _EXIT_CODE.findall(answer.text) if answer is not None and call.tool.name == "run_shell_command" else []
        steps.append(
            Step.model_construct(
                step_id=len(steps) + 1,
                native_ids=tuple(name for name in (reply.native_id, call.tool.call_id) if name),
                action=call.tool.text(),
                tool=call.tool,
                observation=answer.text if answer else None,
                thought=thought if is_first else None,
                parallel_group=first if len(reply.calls) > 1 else None,
                executed=not call.cancelled and not (answer and answer.text.startswith(_CANCELLED)),
                exit_code=int(codes[-1]) if codes else None,
                timestamp=call.time,
                action_ref=call.ref,
                observation_ref=answer.ref if answer else None,
                thought_ref=thought_ref if is_first else None,
            )
        )


def _together(quotes: list[_Quote], reply: _Reply) -> tuple[str | None, SourceRef | None]:
    """Texts of one reply and one reference for all of them."""
    if not quotes:
        return None, None
    if len(quotes) == 1:
        return quotes[0].text, quotes[0].ref
    return "\n\n".join(quote.text for quote in quotes), reply.around


_ODDITIES = {
    "snapshots": "Summaries of earlier conversation that stand in place of the steps they tell of",
    "pretended": "Replies that the program itself put into the conversation, which are no steps",
    "unanswered": "Tool calls without a recorded response",
    "stray responses": "Responses that belong to no open call, not shown",
    "only thoughts": "Replies with nothing but thoughts, which are no steps",
    "empty replies": "Replies with neither text nor a tool call, which are no steps",
    "errors": "Error messages of the program, not shown",
    "remarks": "Remarks of the program, not shown",
    "rewinds": "Times the user took the conversation back; the steps are kept",
}


def _notes(session: _Session, problems: list[str]) -> Iterator[str]:
    if not session.replies:
        yield "The agent never started: there is no reply of the model."
    yield from oddities(_ODDITIES, session.counts)
    yield from skipped_lines(problems)


FORMAT = Format(
    name="gemini-cli", title="Gemini CLI (recorded chat, or saved API history)", recognise=recognise, parse=parse
)
