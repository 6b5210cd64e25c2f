"""OpenHands, second generation (software-agent-sdk, its command line and its evaluations): typed events.

View (``Trajectory.view``) and where it lies:

* "events": a conversation folder with ``events/event-<number>-<id>.json`` and ``base_state.json``, or a folder of
  such event files;
* "events.jsonl": one event per line, whatever the file is called;
* "output row": one row of an evaluation's ``output.jsonl``.

A step is a tool call (``ActionEvent``, ``finish`` and ``think`` included) or a message of the agent; calls of one
model reply share its ``llm_response_id``. An observation names its action.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from codetracer_core.errors import MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef, Step, Trajectory
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, Pointer, lost_content, plain_text
from codetracer_core.parsers._fields import mapping, text_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted, tally
from codetracer_core.parsers._openhands import (
    Record,
    exit_code_of,
    history_of,
    row_claims,
    row_facts,
    shown_output,
    tool_call,
    usage_of,
)
from codetracer_core.parsers._time import moment

STATE = "base_state.json"

_EVENT_FILE = re.compile(r"(?:events/)?event-(\d+)-[0-9a-fA-F-]{8,}\.json")
_EVENT_LINE = re.compile(
    rb'\s*\{\s*"id"\s*:\s*"[^"]+"\s*,\s*"timestamp"\s*:\s*"[^"]*"\s*,\s*"source"\s*:\s*"(?:agent|user|environment|hook)"'
)
_STATE_START = re.compile(rb'\s*\{\s*"id"\s*:\s*"[^"]+"\s*,\s*"agent"\s*:\s*\{')

_ANSWERS = frozenset({"ObservationEvent", "UserRejectObservation", "AgentErrorEvent"})
_BOOKKEEPING = frozenset(
    {"SystemPromptEvent", "ConversationStateUpdateEvent", "CondensationRequest", "CondensationSummaryEvent"}
    | {"LLMCompletionLogEvent", "TokenEvent", "StreamingDeltaEvent", "PauseEvent"}
)


def recognise(artifacts: Artifacts) -> list[Claim]:
    claims = row_claims(artifacts, "v1")
    for name in artifacts.files:
        if name.endswith(".jsonl") and _EVENT_LINE.match(artifacts.head(name)):
            claims.append(Claim(name, (name,), "events.jsonl"))
    files = [name for name in artifacts.files if _EVENT_FILE.fullmatch(name)]
    if "events" in artifacts.folders:
        files += [name for name in artifacts.glob("events/event-*.json") if _EVENT_FILE.fullmatch(name)]
    has_state = STATE in artifacts.files and _is_state(artifacts.head(STATE))
    if files or has_state:
        files.sort(key=_number)
        covers = ("events",) if "events" in artifacts.folders else ()
        claims.append(Claim(".", (*files, *((STATE,) if has_state else ())), "events", covers=covers))
    return claims


def _is_state(head: bytes) -> bool:
    return _STATE_START.match(head) is not None or lost_content(head)


def _number(file: str) -> int:
    match = _EVENT_FILE.fullmatch(file)
    assert match is not None
    return int(match[1])


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None = None) -> Trajectory:
    notes: list[str] = []
    facts: dict[str, Any] = {}
    state: JsonFile | None = None
    view = claim.view
    if claim.member is not None:
        row, history = history_of(artifacts, claim.unit, claim.member)
        records = [Record(_event(event), row, ("history", index)) for index, event in enumerate(history)]
        facts = row_facts(row)
    elif claim.unit != ".":
        records = list(_read_lines(artifacts, claim.unit, notes))
    else:
        files = [file for file in claim.files if file != STATE]
        sources = [artifacts.read_json(file) for file in files]
        records = [Record(_event(source.value), source) for source in sources]
        notes += _gaps(files)
        if STATE in claim.files:
            state = artifacts.read_json(STATE)
    if records and not any("kind" in record.value for record in records):
        raise MalformedRun(
            "no record that says of what kind it is",
            path=artifacts.shown(claim.files[0]),
            remedy="Get a fresh copy of the run.",
        )
    records = _once(records, notes)
    state_value = mapping(state.value) if state is not None else {}
    if state is not None and not records:
        _check_never_started(state_value, state)
        notes.append("The conversation holds no events: the agent never started.")
    steps = _steps(records, notes)
    return Trajectory(
        format=FORMAT.name,
        view=view,
        steps=tuple(steps),
        notes=tuple(notes),
        **{**_session_facts(records, state_value), **facts},
    )


def _read_lines(artifacts: Artifacts, file: str, notes: list[str]) -> Iterator[Record]:
    """The events of a file with one per line. Only the last line may be damaged (a killed run): a gap further up
    would give every later step a wrong number."""
    problems: list[str] = []
    for line in artifacts.read_jsonl(file, problems):
        if problems:
            raise UnreadableFile(problems[0], path=artifacts.shown(file), remedy="Get a complete copy.")
        yield Record(_event(line.value), line)
    notes += problems


def _event(value: Any) -> dict[str, Any]:
    """The event, or an empty one for a record that is none (told in the notes as a record without a kind)."""
    return mapping(value)


def _gaps(files: list[str]) -> list[str]:
    missing = [f"{before + 1}–{after - 1}" for before, after in pairwise(map(_number, files)) if after > before + 1]
    return [f"Event files are missing: {', '.join(missing)}."] if missing else []


def _check_never_started(state: dict[str, Any], source: JsonFile) -> None:
    """Raise unless the state itself says that nothing has happened yet."""
    used = mapping(mapping(state.get("stats")).get("usage_to_metrics"))
    status = state.get("execution_status") or state.get("agent_status")
    if status not in {None, "idle"} or used:
        raise MalformedRun(
            f"the conversation's state ({status}) without its events",
            path=source.shown_path,
            remedy="Copy the folder 'events' beside it too.",
        )


def _once(records: list[Record], notes: list[str]) -> list[Record]:
    first: dict[str, Record] = {}
    kept = []
    for record in records:
        event_id = text_field(record.value.get("id"))
        if event_id is None or first.setdefault(event_id, record) is record:
            kept.append(record)
    if repeated := len(records) - len(kept):
        notes.append(
            f"{counted(repeated, 'event')} stored again under an id that was read before; the first copy is used."
        )
    return kept


def _kind(record: Record) -> str:
    return text_field(record.value.get("kind")) or "record without a kind"


def _is_step(record: Record) -> bool:
    return _kind(record) == "ActionEvent" or _is_message(record)


def _is_message(record: Record) -> bool:
    from_agent = _kind(record) == "MessageEvent" and record.value.get("source") == "agent"
    return from_agent and bool(plain_text(_content(record)).strip())


def _content(record: Record) -> Any:
    return mapping(record.value.get("llm_message")).get("content")


def _steps(records: list[Record], notes: list[str]) -> list[Step]:
    chosen = [record for record in records if _is_step(record)]
    answers = _answers(records, notes)
    groups = _groups(chosen)
    steps = [
        _step(step_id, record, groups.get(step_id), answers.get(id(record)))
        for step_id, record in enumerate(chosen, start=1)
    ]
    silent = [step.step_id for step in steps if step.observation is None and not step.is_message]
    if silent:
        notes.append(f"{counted(len(silent), 'call')} without an observation (first: step {silent[0]}).")
    condensed = sum(_kind(record) == "Condensation" for record in records)
    if condensed:
        notes.append(
            f"The agent's view of its history was condensed ({counted(condensed, 'time')}); the events hold all."
        )
    known = _ANSWERS | _BOOKKEEPING | {"ActionEvent", "MessageEvent", "Condensation", "ConversationErrorEvent"}
    if unread := [_kind(record) for record in records if _kind(record) not in known]:
        notes.append(f"Events of kinds that are not read: {tally(unread)}.")
    return steps


def _answers(records: list[Record], notes: list[str]) -> dict[int, Record]:
    """The first answer of each action, by the identity of the action's record.

    An error of the agent's own making names only the call's id, which can repeat: it answers the latest call with
    that id that is still open."""
    by_id = {event_id: record for record in records if (event_id := text_field(record.value.get("id")))}
    open_calls: list[Record] = []
    answers: dict[int, Record] = {}
    orphans: list[Record] = []
    second = 0
    for record in records:
        if _kind(record) == "ActionEvent":
            open_calls.append(record)
        if _kind(record) not in _ANSWERS:
            continue
        action_id = text_field(record.value.get("action_id"))
        call_id = record.value.get("tool_call_id")
        target = by_id.get(action_id) if action_id else None
        if action_id is None:
            same = [call for call in open_calls if call.value.get("tool_call_id") == call_id]
            target = same[-1] if same else None
        if target is None or _kind(target) != "ActionEvent":
            orphans.append(record)
        elif id(target) in answers:
            second += 1
        else:
            answers[id(target)] = record
            open_calls = [call for call in open_calls if call is not target]
    if orphans:
        notes.append(
            f"{counted(len(orphans), 'observation')} of no stored action (first: event {orphans[0].value.get('id')})."
        )
    if second:
        notes.append(f"{counted(second, 'further observation')} of actions that already had one: not shown.")
    return answers


def _groups(chosen: list[Record]) -> dict[int, int]:
    """Step id of the first step of the reply, by step id, for replies with several steps."""
    replies: dict[str, list[int]] = {}
    for step_id, record in enumerate(chosen, start=1):
        reply = text_field(record.value.get("llm_response_id"))
        if reply is not None:
            replies.setdefault(reply, []).append(step_id)
    return {step_id: members[0] for members in replies.values() if len(members) > 1 for step_id in members}


def _step(step_id: int, record: Record, group: int | None, answer: Record | None) -> Step:
    event = record.value
    thought, thought_ref = _thought(record)
    event_id = text_field(event.get("id"))
    shared: dict[str, Any] = {
        "step_id": step_id,
        "thought": thought,
        "thought_ref": thought_ref,
        "parallel_group": group,
        "timestamp": moment(event.get("timestamp")),
    }
    if _kind(record) == "MessageEvent":
        return Step(
            action=plain_text(_content(record)),
            action_ref=record.ref("llm_message", "content"),
            is_message=True,
            native_ids=(event_id,) if event_id else (),
            **shared,
        )
    written = mapping(event.get("tool_call"))
    action = event.get("action")
    name = text_field(event.get("tool_name")) or text_field(written.get("name")) or ""
    arguments = written.get("arguments")
    place: Pointer = ("tool_call", "arguments")
    if arguments is None:
        place = ("action",) if isinstance(action, dict) else ()
        arguments = {key: value for key, value in mapping(action).items() if key != "kind"}
    tool = tool_call(name, arguments, event.get("tool_call_id"))
    text = tool.text()
    spoken = [key for key, value in mapping(action).items() if value == text]
    observation, observation_ref, exit_code, executed = _result(answer)
    return Step(
        action=text,
        action_ref=record.ref("action", spoken[0]) if spoken else record.ref(*place),
        tool=tool,
        observation=observation,
        observation_ref=observation_ref,
        exit_code=exit_code,
        # The SDK stores a call that it could not understand without its action.
        executed=executed and ("action" not in event or action is not None),
        native_ids=tuple(native for native in (event_id, tool.call_id) if native),
        **shared,
    )


def _thought(record: Record) -> tuple[str | None, SourceRef | None]:
    """What the agent said beside its call, after the model's separate reasoning if there is one."""
    event = record.value
    if _kind(record) == "MessageEvent":
        reasoning = text_field(mapping(event.get("llm_message")).get("reasoning_content"))
        return (reasoning, record.ref("llm_message", "reasoning_content")) if reasoning else (None, None)
    said = plain_text(event.get("thought")) if event.get("thought") else ""
    reasoning = text_field(event.get("reasoning_content"))
    if reasoning and said.strip():
        return f"{reasoning}\n\n{said}", record.ref()
    if reasoning:
        return reasoning, record.ref("reasoning_content")
    return (said, record.ref("thought")) if said.strip() else (None, None)


def _result(answer: Record | None) -> tuple[str | None, SourceRef | None, int | None, bool]:
    """Observation, its reference, exit code, and whether the call was carried out."""
    if answer is None:
        return None, None, None, True
    for key in ("error", "rejection_reason"):
        if _kind(answer) != "ObservationEvent" and isinstance(answer.value.get(key), str):
            return answer.value[key], answer.ref(key), None, False
    observation = mapping(answer.value.get("observation"))
    # Before version 1.0 the text stood in "output".
    key = "content" if observation.get("content") is not None or "output" not in observation else "output"
    content = plain_text(observation.get(key))
    shown = shown_output(content, observation)
    place: Pointer = ("observation", key) if shown == content and key in observation else ()
    return shown, answer.ref(*place), exit_code_of(observation), True


def _session_facts(records: list[Record], state: dict[str, Any]) -> dict[str, Any]:
    """Agent, model, task, cost, times and end, as far as events and state tell, as fields of ``Trajectory``."""
    facts: dict[str, Any] = {"agent": "OpenHands"}
    times = [time for record in records if (time := moment(record.value.get("timestamp"))) is not None]
    if times:
        facts |= {"started_at": times[0], "ended_at": times[-1]}
    stats = mapping(state.get("stats"))
    status = text_field(state.get("execution_status")) or text_field(state.get("agent_status"))
    for record in records:
        value = record.value
        if _kind(record) == "MessageEvent" and value.get("source") == "user" and "task_text" not in facts:
            if text := text_field(plain_text(_content(record))):
                facts |= {"task_text": text, "task_ref": record.ref("llm_message", "content")}
        elif _kind(record) == "ConversationErrorEvent":
            status = text_field(value.get("code")) or status
        elif _kind(record) == "ConversationStateUpdateEvent":
            key, update = value.get("key"), value.get("value")
            whole = mapping(update) if key == "full_state" else {}
            if not state:
                stats = mapping(whole.get("stats")) or (mapping(update) if key == "stats" else stats)
            status = text_field(whole.get("execution_status")) or (
                text_field(update) if key == "execution_status" else status
            )
    metrics = [mapping(entry) for entry in mapping(stats.get("usage_to_metrics")).values()]
    model = text_field(mapping(mapping(state.get("agent")).get("llm")).get("model"))
    model = model or next((name for entry in metrics if (name := text_field(entry.get("model_name")))), None)
    return {
        **facts,
        **({"model": model} if model else {}),
        **({"usage": usage} if (usage := usage_of(_summed(metrics))) else {}),
        **({"exit_status": status} if status else {}),
    }


def _summed(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics of all models of a conversation (the agent's, the condenser's …) as one."""
    tokens: dict[str, int] = {}
    cost = 0.0
    for entry in metrics:
        cost += entry.get("accumulated_cost") or 0
        for key, value in mapping(entry.get("accumulated_token_usage")).items():
            if isinstance(value, int):
                tokens[key] = tokens.get(key, 0) + value
    return {"accumulated_cost": cost, "accumulated_token_usage": tokens} if metrics else {}


FORMAT = Format(
    name="openhands-sdk",
    title="OpenHands SDK conversations (events/event-*.json, events.jsonl) and their evaluation output.jsonl",
    recognise=recognise,
    parse=parse,
)
