"""mini-SWE-agent: ``*.traj.json`` of versions 1 and 2, bare message lists, and terminal recordings of it.

A step is an action, not a message. Version 1 writes one ```` ```bash ```` block into each reply: every reply that
opens one is a step. A reply with two or more blocks, or with only one that never closes, is refused by the agent and
is a step that was not executed; a reply that only talks is no step (the notes count them). Version 2 lists the actions
of a reply; each of them is a step, and those of one reply form a parallel group.

``sessions/agent.log``, the screen of a terminal-bench trial, is read only where no ``.traj.json`` exists.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, Pointer, plain_text
from codetracer_core.parsers._fields import call_arguments, count_field, number_field, text_field, within
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._mini_swe_agent import AGENT, NAME, exit_code, prose_note, read_reply, refused_note
from codetracer_core.parsers._mini_swe_agent_log import AGENT_LOG, parse_log, ran_in_terminal
from codetracer_core.parsers._notes import counted
from codetracer_core.parsers._time import moment

TRAJ_JSON = ".traj.json"
HARBOR_RECORD = "agent/mini-swe-agent.trajectory.json"
SUBMISSION_MARK = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
NOT_EXECUTED = "action was not executed"

_ATIF = re.compile(rb'"schema_version"\s*:\s*"ATIF')


def recognise(artifacts: Artifacts) -> list[Claim]:
    claims = [
        Claim(unit=name, files=(name,), view="traj.json")
        for name in artifacts.files
        if name.endswith(TRAJ_JSON) and not _ATIF.search(artifacts.head(name))
    ]
    trial = _trial_claim(artifacts)
    return [trial, *claims] if trial else claims


def _trial_claim(artifacts: Artifacts) -> Claim | None:
    """The run of a terminal-bench or Harbor trial folder; a single record among the agent's logs is the run."""
    if "agent-logs" in artifacts.folders:
        records = artifacts.glob(f"agent-logs/*{TRAJ_JSON}")
        if "agent-logs/mini.traj.json" in records:
            records = ["agent-logs/mini.traj.json"]
        if records:
            return Claim(unit=".", files=(records[0],), view="traj.json") if len(records) == 1 else None
    if "agent" in artifacts.folders and artifacts.has(HARBOR_RECORD):
        return Claim(unit=".", files=(HARBOR_RECORD,), view="traj.json")
    if "sessions" in artifacts.folders and artifacts.has(AGENT_LOG):
        written = any(name.endswith(TRAJ_JSON) for name in artifacts.files)
        if not written and ran_in_terminal(artifacts):
            return Claim(unit=".", files=(AGENT_LOG,), view="agent.log")
    return None


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    if claim.view == "agent.log":
        return parse_log(artifacts, claim)
    return _parse_messages(artifacts, claim)


class _ModelReply(msgspec.Struct):
    id: Any = None
    created: Any = None
    usage: Any = None
    choices: Any = None


class _Extra(msgspec.Struct):
    """What the agent adds to a message. ``raw_output``, which repeats the observation, is passed over."""

    actions: Any = None
    response: msgspec.Raw = msgspec.Raw()
    timestamp: Any = None
    returncode: Any = None
    exception_info: Any = None
    interrupt_type: Any = None
    exit_status: Any = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: Any = None
    tool_calls: Any = None
    tool_call_id: Any = None
    reasoning_content: Any = None
    timestamp: Any = None
    extra: _Extra | None = None
    # The Responses API names things differently: a reply is an object "response" with output items.
    object: Any = None
    type: Any = None
    call_id: Any = None
    output: Any = None


class _Info(msgspec.Struct):
    exit_status: Any = None
    model_stats: Any = None
    mini_version: Any = None
    config: Any = None


class _Run(msgspec.Struct):
    messages: list[_Message] | None = None
    info: _Info | None = None
    instance_id: Any = None


ROLES = frozenset({"system", "user", "assistant", "tool", "exit"})


def _parse_messages(artifacts: Artifacts, claim: Claim) -> Trajectory:
    path = claim.files[0]
    file = artifacts.read_json(path)
    bare = file.data.lstrip()[:1] == b"["
    run = _Run(messages=file.decode(list[_Message])) if bare else file.decode(_Run)
    base: Pointer = () if bare else ("messages",)
    messages = run.messages
    if messages is None or (messages and not any(_is_reply(m) or m.role in ROLES for m in messages)):
        raise MalformedRun(
            "holds no messages of mini-SWE-agent",
            path=artifacts.shown(path),
            remedy="Such a file has a list 'messages' (or is one) with roles system, user, assistant.",
        )
    reader = _MessageReader(file, base, messages)
    steps, notes = reader.read()
    info = run.info or _Info()
    task = next((index for index, message in enumerate(messages) if message.role == "user"), None)
    times = [time for index, message in enumerate(messages) if (time := _time(message, reader.replies.get(index)))]
    return Trajectory(
        format=NAME,
        view=claim.view,
        agent=AGENT,
        agent_version=text_field(info.mini_version),
        model=text_field(info.config, "model", "model_name"),
        task=text_field(run.instance_id) or _task_name(path, artifacts.root.name),
        task_text=plain_text(messages[task].content) if task is not None else None,
        task_ref=reader.field_ref(task, "content") if task is not None else None,
        exit_status=text_field(info.exit_status),
        usage=_usage(info, reader.replies),
        started_at=min(times, default=None),
        ended_at=max(times, default=None),
        steps=tuple(steps),
        notes=tuple(notes),
    )


def _task_name(path: str, folder: str) -> str | None:
    """SWE-bench harnesses name file and folder after the instance; other file names say nothing of the task."""
    stem = path.rpartition("/")[2].removesuffix(TRAJ_JSON)
    return stem if stem == folder else None


@dataclass
class _MessageReader:
    """Turns messages into steps. ``replies`` holds the model's own records of its replies, by message."""

    file: JsonFile
    base: Pointer
    messages: list[_Message]

    def __post_init__(self) -> None:
        self.replies = {i: _model_reply(m) for i, m in enumerate(self.messages) if _is_reply(m)}
        self.steps: list[Step] = []
        self.answered: set[int] = set()
        self.prose: list[int] = []
        self.refused = 0
        self.unanswered = 0

    def read(self) -> tuple[list[Step], list[str]]:
        for index, following in pairwise([*self.replies, len(self.messages)]):
            message = self.messages[index]
            actions = _actions(message)
            if actions:
                self._listed_actions(index, following, actions)
            else:
                self._written_action(index, following)
        return self.steps, self._notes()

    def _written_action(self, index: int, following: int) -> None:
        """Version 1: the action is a block in the reply, the next message answers it."""
        text = plain_text(self.messages[index].content)
        reply = read_reply(text)
        answer = index + 1 if index + 1 < following and self.messages[index + 1].role == "user" else None
        observation = plain_text(self.messages[answer].content) if answer is not None else None
        if answer is not None:
            self.answered.add(answer)
        code = exit_code(observation)
        if reply is None or (answer is not None and _refuses(self.messages[answer])):
            if code is not None:
                raise MalformedRun(
                    "the environment ran something that this reply does not show as a bash block",
                    path=self.file.shown_path,
                    place=self.file.ref(*self.base, index).pointer or "",
                    remedy="Only ```bash and ```mswea_bash_command blocks and tool calls are known.",
                )
            self.prose.append(index)
            return
        executed = reply.was_executed(observation)
        self.refused += not executed
        self.unanswered += observation is None
        thought, thought_ref = self._thought(index, reply.thought)
        self.steps.append(
            Step(
                step_id=len(self.steps) + 1,
                native_ids=self._native_ids(index),
                action=reply.action,
                observation=observation,
                thought=thought,
                executed=executed,
                exit_code=code,
                timestamp=_time(self.messages[index], self.replies[index]),
                action_ref=self.file.ref(*self.base, index, "content"),
                observation_ref=self.field_ref(answer, "content") if answer is not None else None,
                thought_ref=thought_ref,
            )
        )

    def _listed_actions(self, index: int, following: int, actions: list["_Action"]) -> None:
        """Version 2: each listed action is a step; answers are found by call id, else by order."""
        first = len(self.steps) + 1
        left = [i for i in range(index + 1, following) if _is_answer(self.messages[i])]
        ending = next((i for i in range(index + 1, following) if self.messages[i].role == "exit"), None)
        submitting = self._submitting(actions, ending)
        for position, action in enumerate(actions):
            answer = next((i for i in left if action.call_id in (None, _answer_id(self.messages[i]))), None)
            if answer is not None:
                left.remove(answer)
                self.answered.add(answer)
            extra = (self.messages[answer].extra if answer is not None else None) or _Extra()
            executed = extra.exception_info != NOT_EXECUTED
            if position == submitting:  # the agent stops inside this command, so its answer may deny that it ran
                executed = True
                if answer is None or extra.exception_info == NOT_EXECUTED:
                    answer, extra = ending, _Extra()
            elif answer is None and submitting is not None and position > submitting:
                executed = False
            self.unanswered += answer is None and executed
            thought, thought_ref = self._thought(index, _said(self.messages[index])) if position == 0 else (None, None)
            observation, observation_ref = self._observation(answer)
            returncode = extra.returncode if isinstance(extra.returncode, int) else exit_code(observation)
            self.steps.append(
                Step(
                    step_id=first + position,
                    native_ids=(action.call_id,) if action.call_id else self._native_ids(index),
                    action=action.command,
                    tool=action.tool,
                    observation=observation,
                    thought=thought,
                    parallel_group=first if len(actions) > 1 else None,
                    executed=executed,
                    exit_code=returncode if executed else None,
                    timestamp=_time(self.messages[index], self.replies[index]),
                    action_ref=self.file.ref(*self.base, index, *action.pointer),
                    observation_ref=observation_ref,
                    thought_ref=thought_ref,
                )
            )

    def _submitting(self, actions: list["_Action"], ending: int | None) -> int | None:
        """Which action of the last reply handed the work in: the one that prints the mark, else the last one."""
        if ending is None:
            return None
        extra = self.messages[ending].extra
        if extra is None or extra.exit_status != "Submitted":
            return None
        marked = (i for i, action in enumerate(actions) if SUBMISSION_MARK in action.command)
        return next(marked, len(actions) - 1)

    def _observation(self, answer: int | None) -> tuple[str | None, SourceRef | None]:
        if answer is None:
            return None, None
        message = self.messages[answer]
        key = "output" if message.type == "function_call_output" else "content"
        return plain_text(getattr(message, key)), self.field_ref(answer, key)

    def _thought(self, index: int, said: str) -> tuple[str | None, SourceRef | None]:
        """Hidden reasoning, where the provider sent it, and what the reply says besides its action."""
        message = self.messages[index]
        reasoning, where = _reasoning(message, self.replies[index])
        text = "\n\n".join(part for part in (reasoning, said) if part)
        if not text:
            return None, None
        if message.object == "response":
            where = ("output",)
        elif reasoning and said:
            where = ()  # it stands in two fields, so the reference is to the message
        elif said:
            where = ("content",)
        return text, self.file.ref(*self.base, index, *where)

    def field_ref(self, index: int, key: str) -> SourceRef:
        """Reference to a field of a message; to the message if it lacks the field."""
        there = getattr(self.messages[index], key) is not None
        return self.file.ref(*self.base, index, *((key,) if there else ()))

    def _native_ids(self, index: int) -> tuple[str, ...]:
        reply = self.replies[index]
        return (reply.id,) if reply is not None and isinstance(reply.id, str) else ()

    def _notes(self) -> list[str]:
        first = next(iter(self.replies), len(self.messages))
        rest = [
            message
            for index, message in enumerate(self.messages)
            if index > first and index not in self.answered and message.role in ("user", "tool")
        ]
        refusals = sum(map(_refuses, rest))
        by_hand = sum(message.extra is not None and bool(message.extra.actions) for message in rest)
        others = len(rest) - refusals - by_hand
        notes = []
        if not self.replies:
            notes.append("The agent never took a step: the file holds no reply of the model.")
        if self.prose:
            notes.append(prose_note("message", self.prose))
        if self.refused:
            notes.append(refused_note(self.refused))
        if refusals:
            replies = counted(refusals, "reply was", "replies were")
            notes.append(f"{replies} refused for the format; the file keeps only the refusals, so they are no steps.")
        if by_hand:
            notes.append(f"{counted(by_hand, 'command', 'commands')} typed by a person: not steps of the agent.")
        if others:
            messages = counted(others, "message answers", "messages answer")
            notes.append(f"{messages} no step (interruption, limit, error).")
        if self.unanswered:
            notes.append(f"{counted(self.unanswered, 'action has', 'actions have')} no answer in the file.")
        return notes


@dataclass(frozen=True)
class _Action:
    """One action of version 2, and where its text stands within the message."""

    command: str
    pointer: Pointer
    call_id: str | None
    tool: ToolCall | None


def _actions(message: _Message) -> list[_Action]:
    """The actions that version 2 lists for a reply, else its tool calls (files that were cut down keep only those)."""
    listed_actions = message.extra.actions if message.extra is not None else None
    found: list[_Action] = []
    pointer: Pointer
    for position, action in enumerate(listed_actions if isinstance(listed_actions, list) else ()):
        command = within(action, "command")
        if isinstance(command, str):
            call = ToolCall(name="bash", arguments={"command": command}, call_id=text_field(action, "tool_call_id"))
            pointer = ("extra", "actions", position, *(("command",) if command.strip() else ()))
            found.append(_Action(call.text(), pointer, call.call_id, call if call.call_id else None))
    if found:
        return found
    for position, call in enumerate(message.tool_calls if isinstance(message.tool_calls, list) else ()):
        arguments = within(call, "function", "arguments")
        tool = ToolCall(
            name=text_field(call, "function", "name") or "",
            arguments=call_arguments(arguments),
            call_id=text_field(call, "id"),
        )
        pointer = ("tool_calls", position, *(("function", "arguments") if arguments is not None else ()))
        found.append(_Action(tool.text(), pointer, tool.call_id, tool))
    return found


def _is_reply(message: _Message) -> bool:
    return message.role == "assistant" or (message.role is None and message.object == "response")


def _is_answer(message: _Message) -> bool:
    """A tool result, or the user message that carries one in text mode (a refusal or interruption carries none)."""
    if message.role == "tool" or message.type == "function_call_output":
        return True
    return message.role == "user" and message.extra is not None and message.extra.returncode is not None


def _refuses(message: _Message) -> bool:
    """Version 2 marks a refusal of the format; the reply was no action to it."""
    return message.extra is not None and message.extra.interrupt_type == "FormatError"


def _answer_id(message: _Message) -> Any:
    return message.call_id if message.type == "function_call_output" else message.tool_call_id


def _said(message: _Message) -> str:
    if message.object != "response":
        return plain_text(message.content).strip()
    items = message.output if isinstance(message.output, list) else []
    spoken = [within(item, "summary" if within(item, "type") == "reasoning" else "content") for item in items]
    return "\n\n".join(text for text in (plain_text(part).strip() for part in spoken) if text)


def _model_reply(message: _Message) -> _ModelReply | None:
    """The provider's record of a reply: ids, times, tokens. It is a by-product, so a strange one is passed over."""
    if message.extra is None or not memoryview(message.extra.response).nbytes:
        return None
    try:
        return msgspec.json.decode(message.extra.response, type=_ModelReply)
    except msgspec.ValidationError:
        return None


def _reasoning(message: _Message, reply: _ModelReply | None) -> tuple[str, Pointer]:
    """What the model thought before it spoke, as far as the provider tells, and where that stands."""
    if isinstance(message.reasoning_content, str) and message.reasoning_content.strip():
        return message.reasoning_content.strip(), ("reasoning_content",)
    choices = reply.choices if reply is not None else None
    inner = within(choices[0], "message") if isinstance(choices, list) and choices else None
    for key in ("reasoning_content", "reasoning"):
        text = within(inner, key)
        if isinstance(text, str) and text.strip():
            return text.strip(), ("extra", "response", "choices", 0, "message", key)
    return "", ()


def _usage(info: _Info, replies: dict[int, _ModelReply | None]) -> Usage:
    """Cost as the agent summed it; tokens only if every reply tells its own."""
    told = [reply.usage if reply is not None else None for reply in replies.values()]

    def total(*keys: str) -> int | None:
        numbers = [number for usage in told if (number := count_field(usage, *keys)) is not None]
        return sum(numbers) if numbers and len(numbers) == len(told) else None

    return Usage(
        cost_usd=number_field(info.model_stats, "instance_cost"),
        prompt_tokens=total("prompt_tokens"),
        completion_tokens=total("completion_tokens"),
        cached_tokens=total("prompt_tokens_details", "cached_tokens"),
    )


def _time(message: _Message, reply: _ModelReply | None = None) -> datetime | None:
    """When a message was written: its own time, else when the model's reply was created."""
    extra = message.extra.timestamp if message.extra is not None else None
    times = (moment(value) for value in (message.timestamp, extra, reply.created if reply is not None else None))
    return next((time for time in times if time is not None), None)


FORMAT = Format(
    name=NAME,
    title="mini-SWE-agent (*.traj.json; sessions/agent.log of a terminal-bench trial)",
    recognise=recognise,
    parse=parse,
)
