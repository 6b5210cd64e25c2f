"""OpenHands, first generation (0.x): the event stream of a session, in each form in which it is kept.

View (``Trajectory.view``) and where it lies:

* "event export": one JSON array of events (``save_trajectory_path``), also a trial's ``sessions/<session>.json``;
* "events": ``<session>/events/<N>.json``, one event per file;
* "event cache": ``<session>/event_cache/<start>-<end>.json``, pages of events;
* "output row": one row of an evaluation's ``output.jsonl``, "output row (pairs)" where its history is a list of
  ``[action, observation]``, "resolver row" for the issue resolver's rows, whose events have no ids.

Of one session the first of export, events and cache that can be read is used.

A step is an action that some observation names as its ``cause``, whatever its type and whoever asked for it
(``recall`` counts). ``system``, ``message`` and ``finish`` are no steps, nor is an action that got no observation;
the ``null`` observation ("No observation") is none. By the letter of the published rule it would count: early runtimes
stored it as the answer to whatever cannot be run (messages, changes of their own state). Later ones do not store it
(OpenHands' ``runtime/base.py``: "don't add null observations to the event stream"), so that leaving it out counts the
recordings of both alike. Events without ids pair with the next one.

If the number of steps differs from the manifest's, and the number of all actions of the agent but ``system`` and
``message`` equals it, those are the steps, and " (agent actions)" is added to the view: both readings have been
published for the benchmark, the first fits 183 of its 199 rows, the second 185.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from codetracer_core.errors import MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory
from codetracer_core.parsers._artifacts import Artifacts, JsonLine, Pointer, lost_content, plain_text
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

EXPORT, EVENTS, CACHE = "event export", "events", "event cache"
FRESH = "OpenHands never writes that; get a fresh copy."
NO_STEPS = frozenset({"system", "message", "finish"})
# Notices between the parts of the program, not acts of the agent that could have been cut off.
_NOTICES = frozenset({"change_agent_state", "null", "condensation", "condensation_request", "pause", "resume", "stop"})

_EVENT_FILE = re.compile(r"(?:.*/)?(\d+)\.json")
_PAGE_FILE = re.compile(r"(?:.*/)?(\d+)-(\d+)\.json")
_EVENT = rb'\{\s*"id"\s*:\s*\d+\s*,\s*"timestamp"\s*:\s*"[^"]*"\s*,\s*"source"\s*:\s*"(?:agent|user|environment)"'
_EVENT_START = re.compile(rb"\s*" + _EVENT)
_EXPORT_START = re.compile(rb'\s*(?:\{\s*"trajectory"\s*:\s*)?\[\s*' + _EVENT)
# Where an event keeps the model's message.
_MESSAGE: Pointer = ("tool_call_metadata", "model_response", "choices", 0, "message")
_JSON_START = re.compile(rb"\s*[\[{]")

# Where the harnesses keep OpenHands' file store: (folder with the export, folder with the sessions).
_STORES = (("sessions", "sessions/sessions"), ("agent-logs", "agent-logs/sessions"), ("agent", "agent/sessions"))


def recognise(artifacts: Artifacts) -> list[Claim]:
    claims = row_claims(artifacts, "v0")
    if trial := _trial_claims(artifacts):
        return claims + trial
    for name in artifacts.files:
        if name.endswith(".json") and _EXPORT_START.match(artifacts.head(name)) and not _PAGE_FILE.fullmatch(name):
            claims.append(Claim(name, (name,), EXPORT))
    files = _session_files(artifacts, "") or _bare_files(artifacts)
    if files:
        covers = tuple(name for name in ("events", "event_cache") if name in artifacts.folders)
        claims.append(Claim(".", files, _views(files)[0][0], covers=covers))
    return claims


def _trial_claims(artifacts: Artifacts) -> list[Claim]:
    """Claims for a trial folder (terminal-bench, Harbor), which is the run: its sessions lie some levels down."""
    stores = [store for store in _STORES if store[0] in artifacts.folders]
    if not stores:
        return []
    is_trial = _is_trial(artifacts)
    if is_trial and "sessions" in artifacts.folders:
        stores.append(("sessions", "sessions"))
    exports: list[str] = []
    sessions: dict[str, tuple[str, ...]] = {}
    names: set[str] = set()
    for top, store in stores:
        found = {file.removeprefix(f"{store}/").split("/")[0] for file in artifacts.glob(f"{store}/*/event*/*.json")}
        sessions |= {
            f"{store}/{name}": files
            for name in sorted(found)
            if (files := _session_files(artifacts, f"{store}/{name}/"))
        }
        names |= found
        exports += [
            file
            for file in artifacts.glob(f"{top}/*.json")
            if _EXPORT_START.match(artifacts.head(file)) or _stem(file) in names
        ]
    if not sessions and not (is_trial and exports):
        return []
    exports = list(dict.fromkeys(exports))
    logs = tuple(name for name in ("agent/completions", "agent-logs/completions") if artifacts.has_folder(name))
    if len(exports) <= 1 and len(sessions) <= 1:
        files = (*exports, *(file for found in sessions.values() for file in found))
        return [Claim(".", files, _views(files)[0][0], covers=(*sessions, *logs))]
    runs: dict[str, tuple[str, ...]] = {_stem(export): (export,) for export in exports}
    folders: dict[str, tuple[str, ...]] = {}
    for folder, found_files in sessions.items():
        name = _stem(folder)
        runs[name] = (*runs.get(name, ()), *found_files)
        folders[name] = (*folders.get(name, ()), folder)
    return [
        Claim(".", files, _views(files)[0][0], member=name, covers=(*folders.get(name, ()), *logs))
        for name, files in runs.items()
    ]


def _is_trial(artifacts: Artifacts) -> bool:
    marks = {"results.json", "result.json", "commands.txt"} & set(artifacts.files)
    marks |= {"panes", "verifier"} & set(artifacts.folders)
    return bool(marks) or artifacts.has("sessions/agent.cast") or artifacts.has("sessions/agent.log")


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".json")


def _session_files(artifacts: Artifacts, prefix: str) -> tuple[str, ...]:
    """Event files and cache pages of the session folder ``prefix`` ("" for the folder itself)."""
    if not prefix and not {"events", "event_cache"} & set(artifacts.folders):
        return ()
    events = [file for file in artifacts.glob(f"{prefix}events/*.json") if _EVENT_FILE.fullmatch(file)]
    pages = [file for file in artifacts.glob(f"{prefix}event_cache/*.json") if _PAGE_FILE.fullmatch(file)]
    if not _any_start(artifacts, events, _EVENT_START):
        events = []
    if not _any_start(artifacts, pages, _EXPORT_START):
        pages = []
    return (*sorted(events, key=_number), *sorted(pages, key=_number))


def _bare_files(artifacts: Artifacts) -> tuple[str, ...]:
    """The same where the folder is itself ``events`` or ``event_cache``."""
    for name, pattern, start in (("events", _EVENT_FILE, _EVENT_START), ("event_cache", _PAGE_FILE, _EXPORT_START)):
        if artifacts.root.name == name:
            files = [file for file in artifacts.files if pattern.fullmatch(file)]
            return tuple(sorted(files, key=_number)) if _any_start(artifacts, files, start) else ()
    return ()


def _any_start(artifacts: Artifacts, files: list[str], start: re.Pattern[bytes]) -> bool:
    """Does one of the first files begin as it should, or was one of them damaged?"""
    heads = [artifacts.head(file) for file in files[:3]]
    return any(start.match(head) or lost_content(head) or not _JSON_START.match(head) for head in heads)


def _number(file: str) -> int:
    return int(_stem(file).split("-")[0])


def _views(files: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The files of a session by view, best view first."""
    views: dict[str, list[str]] = {EXPORT: [], EVENTS: [], CACHE: []}
    for file in files:
        folder = file.rsplit("/", 1)[0] if "/" in file else ""
        single = folder == "" or folder.endswith(("events", "event_cache"))
        page, event = _PAGE_FILE.fullmatch(file), _EVENT_FILE.fullmatch(file)
        views[CACHE if single and page else EVENTS if single and event else EXPORT].append(file)
    return [(view, found) for view, found in views.items() if found]


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None = None) -> Trajectory:
    notes: list[str] = []
    facts: dict[str, Any] = {}
    if claim.unit.endswith(".jsonl"):
        row, history = history_of(artifacts, claim.unit, claim.member or "L1")
        records = list(_row_records(row, history, artifacts.shown(row.path)))
        facts = row_facts(row)
        pairs = bool(history) and isinstance(history[0], list)
        view = "output row (pairs)" if pairs else "resolver row" if "issue" in row.value else "output row"
    else:
        view, records = _read_session(artifacts, claim, notes)
    if records and not any("action" in record.value or "observation" in record.value for record in records):
        raise MalformedRun(
            "no event that is an action or an observation", path=artifacts.shown(claim.files[0]), remedy=FRESH
        )
    answers = _answers(records, notes)
    chosen = _observed(records, answers)
    if declared_step_count is not None and len(chosen) != declared_step_count:
        all_actions = _agent_actions(records)
        if len(all_actions) == declared_step_count:
            notes.append(
                f"All {declared_step_count} actions of the agent are the steps, because that is the number in the "
                f"manifest; only {len(chosen)} actions got an observation."
            )
            chosen = all_actions
            view += " (agent actions)"
    notes += _left_out(records, set(chosen))
    return Trajectory(
        format=FORMAT.name,
        view=view,
        steps=tuple(_steps(records, chosen, answers)),
        notes=tuple(notes),
        **{**_session_facts(records), **facts},
    )


def _row_records(row: JsonLine, history: list[Any], shown: str) -> Iterator[Record]:
    for index, entry in enumerate(history):
        place = f"line {row.line}, /history/{index}"
        if isinstance(entry, list):
            for position, value in enumerate(entry):
                yield Record(_event(value, shown, place), row, ("history", index, position), position > 0)
        else:
            event = _event(entry, shown, place)
            nameless = "observation" in event and "cause" not in event and "id" not in event
            yield Record(event, row, ("history", index), nameless)


def _event(value: Any, path: str, place: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRun(
            f"an event that is no JSON object but {type(value).__name__}",
            path=path,
            place=place,
            remedy=FRESH,
        )
    return value


def _read_session(artifacts: Artifacts, claim: Claim, notes: list[str]) -> tuple[str, list[Record]]:
    """The events of the first view that can be read, in order of their ids, each id once."""
    failures: list[UnreadableFile] = []
    views = _views(claim.files)
    for view, files in views:
        try:
            records = list(_read_events(artifacts, files) if view == EVENTS else _read_arrays(artifacts, files))
        except UnreadableFile as error:
            failures.append(error)
            continue
        if strange := sum("action" not in record.value and "observation" not in record.value for record in records):
            records_are = counted(strange, "record is", "records are")
            notes.append(f"{records_are} neither an action nor an observation: not read.")
        notes += [f"The session's other form could not be read: {error}" for error in failures]
        if view == EVENTS:
            notes += _gaps(files)
        if view == EXPORT:
            notes += _difference(records, views)
        return view, _in_order(records, notes)
    raise failures[0]


def _read_arrays(artifacts: Artifacts, files: list[str]) -> Iterator[Record]:
    for file in files:
        source = artifacts.read_json(file)
        at: tuple[str, ...] = ("trajectory",) if isinstance(source.value, dict) else ()
        events = source.value.get("trajectory") if at else source.value
        if not isinstance(events, list):
            raise MalformedRun("no array of events", path=source.shown_path, remedy=FRESH)
        for index, value in enumerate(events):
            yield Record(_event(value, source.shown_path, f"/{index}"), source, (*at, index))


def _read_events(artifacts: Artifacts, files: list[str]) -> Iterator[Record]:
    for file in files:
        source = artifacts.read_json(file)
        yield Record(_event(source.value, source.shown_path), source)


def _gaps(files: list[str]) -> list[str]:
    numbers = [_number(file) for file in files]
    missing = [f"{before + 1}–{after - 1}" for before, after in pairwise(numbers) if after > before + 1]
    if numbers[0] > 0:
        missing.insert(0, f"0–{numbers[0] - 1}")
    return [f"Event files are missing: {', '.join(missing)}."] if missing else []


def _difference(records: list[Record], views: list[tuple[str, list[str]]]) -> list[str]:
    beside = dict(views).get(EVENTS, [])
    if not beside or len(beside) == len(records):
        return []
    return [f"The event export is used: {len(records)} events; {len(beside)} lie in the folder of single events."]


def _in_order(records: list[Record], notes: list[str]) -> list[Record]:
    first: dict[int, Record] = {}
    rest: list[Record] = []
    for record in records:
        number = _id(record)
        if number is None:
            rest.append(record)
        else:
            first.setdefault(number, record)
    if repeated := len(records) - len(rest) - len(first):
        notes.append(
            f"{counted(repeated, 'event')} stored again under an id that was read before; the first copy is used."
        )
    if rest:
        kept = {id(record) for record in first.values()} | {id(record) for record in rest}
        return [record for record in records if id(record) in kept]
    return [first[number] for number in sorted(first)]


def _id(record: Record) -> int | None:
    number = record.value.get("id")
    return number if isinstance(number, int) else None


def _action(record: Record) -> str | None:
    return text_field(record.value.get("action"))


def _observation(record: Record) -> str | None:
    """The type of an observation; None for actions and for "null", which says that there is none."""
    kind = text_field(record.value.get("observation"))
    return kind if kind != "null" else None


def _answers(records: list[Record], notes: list[str]) -> dict[int, Record]:
    """The first observation of each action that has one, by the action's position."""
    position = {_id(record): index for index, record in enumerate(records) if _action(record) is not None}
    answers: dict[int, Record] = {}
    orphans: list[Record] = []
    second = 0
    for index, record in enumerate(records):
        kind = _observation(record)
        if kind is None:
            continue
        cause = record.value.get("cause")
        if record.answers_previous:
            target = index - 1 if index and _action(records[index - 1]) is not None else None
        else:
            target = position.get(cause) if isinstance(cause, int) else None
        if target is None:
            if kind != "agent_state_changed":
                orphans.append(record)
        elif target in answers:
            second += 1
        else:
            answers[target] = record
    if orphans:
        kinds = tally(_observation(record) or "" for record in orphans)
        notes.append(f"Observations that answer no stored action: {kinds} (first: {_name(orphans[0])}).")
    if second:
        notes.append(f"{counted(second, 'further observation')} of actions that already had one: not shown.")
    return answers


def _name(record: Record) -> str:
    number = _id(record)
    return f"event {number}" if number is not None else "/" + "/".join(str(token) for token in record.at)


def _observed(records: list[Record], answers: dict[int, Record]) -> list[int]:
    return [index for index in sorted(answers) if _action(records[index]) not in NO_STEPS]


def _agent_actions(records: list[Record]) -> list[int]:
    return [
        index
        for index, record in enumerate(records)
        if _action(record) not in {None, "system", "message"} and record.value.get("source", "agent") == "agent"
    ]


def _left_out(records: list[Record], chosen: set[int]) -> list[str]:
    left = [record for index, record in enumerate(records) if _action(record) is not None and index not in chosen]
    notes = []
    if plain := [kind for record in left if (kind := _action(record)) in NO_STEPS | _NOTICES]:
        notes.append(f"Actions that are no steps: {tally(plain)}.")
    if silent := [record for record in left if _action(record) not in NO_STEPS | _NOTICES]:
        kinds = tally(_action(record) or "" for record in silent)
        notes.append(f"Actions without an observation are no steps: {kinds} (first: {_name(silent[0])}).")
    return notes


def _steps(records: list[Record], chosen: list[int], answers: dict[int, Record]) -> list[Step]:
    groups = _groups(records, chosen)
    calls_seen: dict[tuple[str, str], int] = {}
    steps = []
    for step_id, index in enumerate(chosen, start=1):
        record = records[index]
        tool, action, action_ref = _call(record, calls_seen)
        group = groups.get(index)
        thought, thought_ref = _thought(record, first_of_reply=group in {None, step_id})
        observation, observation_ref, exit_code, executed = _result(answers.get(index))
        steps.append(
            Step(
                step_id=step_id,
                native_ids=tuple(str(native) for native in (_id(record), tool.call_id) if native is not None),
                action=action,
                tool=tool,
                observation=observation,
                thought=thought,
                parallel_group=group,
                executed=executed,
                exit_code=exit_code,
                timestamp=moment(record.value.get("timestamp")),
                action_ref=action_ref,
                observation_ref=observation_ref,
                thought_ref=thought_ref,
            )
        )
    return steps


def _groups(records: list[Record], chosen: list[int]) -> dict[int, int]:
    """Step id of the group's first step, by position, for the steps that came from one reply with several calls."""
    replies: list[tuple[str, int, list[tuple[int, int]]]] = []
    for step_id, index in enumerate(chosen, start=1):
        metadata = mapping(records[index].value.get("tool_call_metadata"))
        reply = text_field(mapping(metadata.get("model_response")).get("id"))
        calls = metadata.get("total_calls_in_response")
        if reply is None or not isinstance(calls, int) or calls < 2:
            continue
        # Some servers give every reply the same id: a group never has more steps than its reply had calls.
        if not replies or replies[-1][0] != reply or len(replies[-1][2]) == replies[-1][1]:
            replies.append((reply, calls, []))
        replies[-1][2].append((step_id, index))
    return {index: members[0][0] for _, _, members in replies if len(members) > 1 for _, index in members}


def _call(record: Record, seen: dict[tuple[str, str], int]) -> tuple[ToolCall, str, SourceRef]:
    """The tool call as the model wrote it where the event keeps it, else the event's own type and arguments."""
    kind = _action(record) or ""
    args = record.value.get("args")
    flat = not isinstance(args, dict)
    arguments: dict[str, Any] = record.value if not isinstance(args, dict) else args
    place: Pointer = () if flat else ("args",)
    spoken = {"run": "command", "run_ipython": "code"}.get(kind)
    command = arguments.get(spoken) if spoken else None
    written = _written_call(record, seen)
    if written is not None:
        tool, written_place = written
    elif isinstance(command, str) and spoken:
        tool = ToolCall(name=kind, arguments={spoken: command})
    else:
        tool = ToolCall(name=kind, arguments=arguments)
    if isinstance(command, str) and spoken:
        text = ToolCall(name=kind, arguments={spoken: command}).text()
        return tool, text, record.ref(*place, *((spoken,) if text == command else ()))
    return tool, tool.text(), record.ref(*(written_place if written is not None else place))


def _written_call(record: Record, seen: dict[tuple[str, str], int]) -> tuple[ToolCall, Pointer] | None:
    metadata = mapping(record.value.get("tool_call_metadata"))
    response = mapping(metadata.get("model_response"))
    call_id = text_field(metadata.get("tool_call_id"))
    calls = _message(record).get("tool_calls")
    if call_id is None or not isinstance(calls, list):
        return None
    same = [index for index, call in enumerate(calls) if mapping(call).get("id") == call_id]
    if not same:
        return None
    # An id can repeat inside one reply: the calls and their events then pair in order.
    key = (str(response.get("id")), call_id)
    turn = seen.get(key, 0)
    seen[key] = turn + 1
    index = same[min(turn, len(same) - 1)]
    function = mapping(calls[index].get("function"))
    name = text_field(function.get("name")) or text_field(metadata.get("function_name"))
    arguments = function.get("arguments")
    place = (*_MESSAGE, "tool_calls", index, "function", *(("arguments",) if arguments is not None else ()))
    return tool_call(name or _action(record) or "", arguments, call_id), place


def _message(record: Record) -> dict[str, Any]:
    choices = mapping(mapping(record.value.get("tool_call_metadata")).get("model_response")).get("choices")
    return mapping(mapping(choices[0]).get("message")) if isinstance(choices, list) and choices else {}


def _thought(record: Record, *, first_of_reply: bool) -> tuple[str | None, SourceRef | None]:
    """The agent's thought, after the model's separate reasoning if the reply has one.

    A ``think`` action is itself a thought; what was said beside it is in the reply's text. Each event of a reply
    keeps a copy of the whole reply: its text and reasoning belong to the first of them."""
    args = record.value.get("args")
    place: Pointer = ("args", "thought") if isinstance(args, dict) else ("thought",)
    value = args.get("thought") if isinstance(args, dict) else record.value.get("thought")
    message = _message(record) if first_of_reply else {}
    if _action(record) == "think":
        place, value = (*_MESSAGE, "content"), message.get("content")
    said = plain_text(value) if value else ""
    reasoning = text_field(message.get("reasoning_content"))
    if reasoning and said.strip():
        return f"{reasoning}\n\n{said}", record.ref()
    if reasoning:
        return reasoning, record.ref(*_MESSAGE, "reasoning_content")
    return (said, record.ref(*place)) if said.strip() else (None, None)


def _result(answer: Record | None) -> tuple[str | None, SourceRef | None, int | None, bool]:
    """Observation, its reference, exit code, and whether the action was carried out."""
    if answer is None:
        return None, None, None, True
    fields = mapping(answer.value.get("extras")) or answer.value
    content = plain_text(answer.value.get("content"))
    shown = shown_output(content, fields)
    place: tuple[str, ...] = ("content",) if shown == content and "content" in answer.value else ()
    executed = _observation(answer) != "user_rejected"
    return shown, answer.ref(*place), exit_code_of(fields), executed


def _session_facts(records: list[Record]) -> dict[str, Any]:
    """Agent, model, task, cost, times and end, as far as the events tell, as fields of ``Trajectory``."""
    facts: dict[str, Any] = {"agent": "OpenHands"}
    times = [time for record in records if (time := moment(record.value.get("timestamp"))) is not None]
    if times:
        facts |= {"started_at": times[0], "ended_at": times[-1]}
    for record in records:
        value = record.value
        args = mapping(value.get("args"))
        action = _action(record)
        metadata = mapping(value.get("tool_call_metadata"))
        if "model" not in facts and (model := text_field(mapping(metadata.get("model_response")).get("model"))):
            facts["model"] = model
        if action == "system" and (version := text_field(args.get("openhands_version"))):
            facts["agent_version"] = version
        if action == "message" and "task_text" not in facts and value.get("source", "user") == "user":
            holder, place = (args, ("args", "content")) if args else (value, ("content",))
            if text := text_field(holder.get("content")):
                facts |= {"task_text": text, "task_ref": record.ref(*place)}
        if usage := usage_of(mapping(value.get("llm_metrics"))):
            facts["usage"] = usage
        state = text_field(mapping(value.get("extras")).get("agent_state"))
        if action in {"finish", "reject"}:
            facts["exit_status"] = action
        elif _observation(record) == "agent_state_changed" and state:
            facts["exit_status"] = state
    return facts


FORMAT = Format(
    name="openhands",
    title="OpenHands session events (event export, events/N.json, event_cache) and evaluation output.jsonl",
    recognise=recognise,
    parse=parse,
)
