"""Replays as CodeTracer itself records them: ``replay.json`` with ``steps.jsonl``, beside them ``tests.log``.

Every record of ``steps.jsonl`` is a step: those before the checkpoint as they were run again (what they printed is what
came back this time), then the model's. ``replay.json`` is written last, so that a replay that was killed is no run.
``replay.recording`` writes what is read here.
"""

from typing import Any

from codetracer_core.errors import MalformedRun
from codetracer_core.models import Outcome, ReplayOf, SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, JsonLine, lost_content
from codetracer_core.parsers._fields import (
    call_arguments,
    count_field,
    mapping,
    number_field,
    spoken_argument,
    text_field,
    token_field,
    within,
)
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted
from codetracer_core.parsers._time import moment

REPLAY_JSON, STEPS_JSONL, TESTS_LOG = "replay.json", "steps.jsonl", "tests.log"
MARK = "codetracer-replay"
"""What ``format`` says in ``replay.json``, and the agent's name."""
VERSION = 1

_SKIPPED = "not_replayable"


def recognise(artifacts: Artifacts) -> list[Claim]:
    if not {REPLAY_JSON, STEPS_JSONL} <= {*artifacts.files}:
        return []
    head = artifacts.head(REPLAY_JSON)
    if MARK.encode() in head[:200] or lost_content(head):
        return [Claim(unit=".", files=(REPLAY_JSON, STEPS_JSONL), view="replay")]
    return []


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    file = artifacts.read_json(REPLAY_JSON)
    told = mapping(file.value)
    if told.get("version") != VERSION:
        raise _malformed(file, f"a record of version {told.get('version')!r}", "Update CodeTracer.", "/version")
    result, original = mapping(told.get("replay")), mapping(told.get("original"))
    step_count = count_field(told, "step_count")
    records = list(_records(artifacts)) if step_count else []
    if len(records) != step_count:
        raise _malformed(file, f"{len(records)} steps are here, {step_count} were recorded", "Get a complete copy.")
    task_text = text_field(original, "task_text")
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent=MARK,
        agent_version=text_field(told, "made_by"),
        model=text_field(result, "model"),
        task=text_field(original, "task"),
        trial=text_field(result, "replay_id"),
        task_text=task_text,
        task_ref=file.ref("original", "task_text") if task_text is not None else None,
        outcome=_outcome(artifacts, result),
        exit_status=text_field(result, "status"),
        usage=_usage(result),
        started_at=moment(result.get("started_at")),
        ended_at=moment(result.get("ended_at")),
        steps=tuple(_step(record, number, file) for number, record in enumerate(records, start=1)),
        replay_of=_replay_of(file, result),
        notes=tuple(_notes(told, result, records)),
    )


def _records(artifacts: Artifacts) -> list[JsonLine]:
    problems: list[str] = []
    records = list(artifacts.read_jsonl(STEPS_JSONL, problems))
    if problems:
        raise MalformedRun(problems[0], path=artifacts.shown(STEPS_JSONL), remedy="Get a complete copy.")
    return records


def _step(record: JsonLine, number: int, file: JsonFile) -> Step:
    told = mapping(record.value)
    action = told.get("action")
    if count_field(told, "step_id") != number or not isinstance(action, str):
        raise MalformedRun(
            f"this is no record of step {number}",
            path=file.shown_path.removesuffix(REPLAY_JSON) + STEPS_JSONL,
            place=f"line {record.line}",
            remedy="Get a complete copy.",
        )
    tool = mapping(told.get("tool"))
    name = text_field(tool, "name")
    call = (
        ToolCall(name=name, arguments=call_arguments(tool.get("arguments")), call_id=text_field(tool, "call_id"))
        if name is not None
        else None
    )
    observation, thought = told.get("observation"), text_field(told, "thought")
    group = count_field(told, "parallel_group")
    return Step(
        step_id=number,
        action=action,
        tool=call,
        observation=observation if isinstance(observation, str) else None,
        thought=thought,
        parallel_group=group if group is None or 1 <= group <= number else None,
        is_message=told.get("is_message") is True,
        executed=told.get("executed") is not False,
        exit_code=count_field(told, "exit_code"),
        timestamp=moment(told.get("at")),
        action_ref=_place_of_action(record, call, action),
        observation_ref=record.ref("observation") if isinstance(observation, str) else None,
        thought_ref=record.ref("thought") if thought is not None else None,
    )


def _place_of_action(record: JsonLine, call: ToolCall | None, action: str) -> SourceRef:
    spoken = spoken_argument(call) if call is not None and call.text() == action else None
    return record.ref("tool", "arguments", spoken) if spoken is not None else record.ref("action")


def _outcome(artifacts: Artifacts, result: dict[str, Any]) -> Outcome:
    """What the tests decided: only with their recorded output, whatever else the record says."""
    solved, reason = within(result, "outcome", "solved"), text_field(result, "outcome", "reason")
    if solved not in (True, False):
        return Outcome(reason=reason or "no tests were run")
    if not artifacts.has(TESTS_LOG):
        return Outcome(reason=f"{TESTS_LOG} is not here: what the tests said cannot be looked up")
    lines = artifacts.read_text(TESTS_LOG, errors="replace").removesuffix("\n").count("\n") + 1
    return Outcome(
        solved=solved,
        reason=reason or "the test command decided",
        source=SourceRef(path=TESTS_LOG, line_start=1, line_end=lines),
    )


def _usage(result: dict[str, Any]) -> Usage:
    """Of the model from the checkpoint on; not known if none was asked."""
    used = mapping(result.get("usage"))
    if not count_field(used, "calls"):
        return Usage()
    return Usage(
        cost_usd=number_field(used, "cost_usd"),
        prompt_tokens=token_field(used, "prompt_tokens"),
        completion_tokens=token_field(used, "completion_tokens"),
        cached_tokens=token_field(used, "cached_tokens"),
    )


def _replay_of(file: JsonFile, result: dict[str, Any]) -> ReplayOf:
    run_id, replay_id = text_field(result, "replay_of", "run_id"), text_field(result, "replay_id")
    step_id = count_field(result, "replay_of", "step_id")
    if run_id is None or replay_id is None or step_id is None or step_id < 1:
        raise _malformed(file, "it is not told which run this is a replay of", "Get a complete copy.", "/replay")
    diagnosis_id = text_field(result, "replay_of", "diagnosis_id") or ""
    matched = within(result, "replay_of", "matched")
    return ReplayOf(
        run_id=run_id,
        step_id=step_id,
        replay_id=replay_id,
        diagnosis_id=diagnosis_id,
        matched=matched if isinstance(matched, bool) else None,
    )


def _notes(told: dict[str, Any], result: dict[str, Any], records: list[JsonLine]) -> list[str]:
    run_id, step_id = within(result, "replay_of", "run_id"), within(result, "replay_of", "step_id")
    went_on = text_field(result, "model")
    notes = [
        f"A replay of {run_id}: the steps before {step_id} were run again, "
        + (f"then {went_on} went on from there." if went_on else "no model went on from there.")
    ]
    reason = text_field(result, "status_reason")
    notes.append(f"It ended as {result.get('status')}{f': {reason}' if reason else ''}.")
    met = [within(record.value, "met") for record in records]
    same, differs, failed = (met.count(word) for word in ("same", "differs", "failed"))
    if same + differs + failed:
        notes.append(f"Of the steps that were run again {same} did the same, {differs} differ, {failed} failed.")
    skipped = sum(within(record.value, "deed") == _SKIPPED for record in records)
    if skipped:
        notes.append(f"{counted(skipped, 'step')} could not be run again: what follows rests on another state.")
    passed = result.get("tests_before")
    if passed is not None:
        notes.append(f"The tests {'passed' if passed else 'failed'} at the checkpoint, before the model did anything.")
    notes += [f"The environment: {fact}." for fact in result.get("facts") or () if isinstance(fact, str)]
    if summary := text_field(told, "summary"):
        notes.append(f"What the model said when it ended, which nobody checked: {summary}")
    return notes


def _malformed(file: JsonFile, reason: str, remedy: str, place: str = "") -> MalformedRun:
    return MalformedRun(reason, path=file.shown_path, place=place, remedy=remedy)


FORMAT = Format(
    name="replay",
    title="CodeTracer's own replays (replay.json with steps.jsonl)",
    recognise=recognise,
    parse=parse,
)
