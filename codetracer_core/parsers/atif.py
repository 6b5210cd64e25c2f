"""ATIF 1.x (Agent Trajectory Interchange Format), as Harbor and others write it.

One step is each tool call of an agent step; the calls of one reply are a parallel group. A reply without a call is
one step of kind message; a reply with neither call nor text is none. Steps with ``is_copied_context`` repeat what
stands elsewhere and are skipped.

Numbering: the main line first, in the order of the file and of its continuations (inline side chains stay where
they stand, with ``branch`` set); then, one after the other, the sub-agents that it refers to, each a branch: so the
main line has the same numbers whether or not the files of its sub-agents are there.

Old converters wrote each content block of one reply as a step of its own: consecutive steps with one timestamp and
the same reasoning, of which only the first has metrics. Such steps are one reply here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from codetracer_core.models import Branch, SourceRef, Step, ToolCall, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, Pointer, plain_text
from codetracer_core.parsers._atif import (
    MAIN_FILE,
    Agent,
    AtifStep,
    Call,
    Document,
    Reference,
    closure,
    continuation_path,
    is_document,
    open_document,
    reference_path,
)
from codetracer_core.parsers._fields import call_arguments, spoken_argument
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import oddities
from codetracer_core.parsers._time import moment
from codetracer_core.parsers._trial import may_be_harbor_trial

TRIAL_FILE = "agent/trajectory.json"
# What Harbor writes beside the main file: where it goes on, and the sub-agents that sum it up.
_PART = re.compile(r"trajectory\.(?:cont|summarization)-\d+.*\.json")

_TASK = re.compile(r"Task Description:\n(.*?)\n\nCurrent terminal state:", re.DOTALL)
# How harnesses tell an exit code inside the observation: Claude Code, its converter, OpenHands, mini-SWE-agent.
_EXIT_CODE = re.compile(
    r"\AExit code (\d+)$|^\[exit_code\] (\d+)$"
    r"|\[(?:The command completed|Command finished) with exit code (-?\d+)\.?\]"
    r"|\A<returncode>(-?\d+)</returncode>",
    re.MULTILINE,
)
_REFUSED = "Previous response had parsing errors"
# Commands that a harness reads out of the reply's text, where it records no tool calls: Terminus 2, OpenHands.
_WRITTEN_CALL = re.compile(r'"keystrokes"\s*:|<keystrokes|<function=')


# Recognising --------------------------------------------------------------------------------------------------------


def recognise(artifacts: Artifacts) -> list[Claim]:
    if "agent" in artifacts.folders and _is_trial(artifacts):
        own = [TRIAL_FILE, *artifacts.glob("agent/trajectory.*.json"), *closure(artifacts, TRIAL_FILE)]
        files = tuple(dict.fromkeys(own))
        return [Claim(unit=".", files=files, view="agent/trajectory.json", covers=("agent",))]
    names = [name for name in artifacts.files if name.endswith(".json") and is_document(artifacts, name)]
    closures = {name: closure(artifacts, name) for name in names}
    if MAIN_FILE in closures:
        closures[MAIN_FILE] += [name for name in names if _PART.fullmatch(name)]
    covered = {target for name, targets in closures.items() for target in targets if target != name}
    claims: list[Claim] = []
    # Files that refer to each other in a circle cover one another: the first of them is the run.
    for name in sorted(names, key=lambda name: (name in covered, name)):
        if not any(name in claim.files for claim in claims):
            files = tuple(dict.fromkeys([name, *closures[name]]))
            claims.append(Claim(unit=name, files=files, view="trajectory.json"))
    return claims


def _is_trial(artifacts: Artifacts) -> bool:
    """A Harbor trial folder whose agent left (or should have left) an ATIF file."""
    return may_be_harbor_trial(artifacts) and artifacts.has(TRIAL_FILE)


# Reading ------------------------------------------------------------------------------------------------------------


@dataclass
class _Reading:
    artifacts: Artifacts
    steps: list[Step] = field(default_factory=list)
    branches: dict[str, Branch] = field(default_factory=dict)
    started_by: dict[str, int] = field(default_factory=dict)
    """Which step started an inline side chain, by the agent id that its result tells."""
    seen: set[tuple[str, Pointer]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Quote:
    """A text of a document's step, and where it stands."""

    text: str
    place: tuple[str, int, str]


_Delegated = tuple[Document, Reference, int | None]
"""A sub-agent reference: the document it stands in, itself, and the step whose observation holds it."""


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    main = open_document(artifacts, claim.files[0])
    reading = _Reading(artifacts)
    chain = _read_chain(reading, main, None)
    for name in claim.files:
        if (name, ()) not in reading.seen:
            reading.notes.append(f"{name} lies beside the run, but nothing refers to it: not read.")
    branches = (
        branch.model_copy(update={"parent_step_id": reading.started_by.get(branch.branch_id)})
        if branch.parent_step_id is None
        else branch
        for branch in reading.branches.values()
    )
    agent = main.content.agent or Agent()
    models = Counter(step.model_name for document in chain for step in document.steps if step.model_name)
    times = [time for document in chain for step in document.steps if (time := moment(step.timestamp))]
    task, task_ref = _task(main)
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent=agent.name,
        agent_version=agent.version if agent.version != "unknown" else None,
        model=agent.model_name or (models.most_common(1)[0][0] if models else None),
        task_text=task,
        task_ref=task_ref,
        usage=_usage(chain),
        started_at=min(times, default=None),
        ended_at=max(times, default=None),
        steps=tuple(reading.steps),
        branches=tuple(branches),
        notes=(*_sentences(reading), *reading.notes),
    )


def _read_chain(reading: _Reading, start: Document, branch: str | None) -> list[Document]:
    """Read a document with its continuations, then the sub-agents that they started; returns the documents."""
    chain: list[Document] = []
    delegated: list[_Delegated] = []
    document: Document | None = start
    while document is not None:
        reading.seen.add(document.key)
        chain.append(document)
        delegated += _read_steps(reading, document, branch)
        document = _continuation(reading, document)
    for origin, reference, parent in delegated:
        target = _referenced(reading, origin, reference)
        if target is None:
            reading.counts["lost sub-agents"] += 1
        elif target.key not in reading.seen:
            _read_chain(reading, target, _declare(reading, target, reference, parent))
    for document in chain:
        for embedded in document.embedded():
            if embedded.key not in reading.seen:
                reading.counts["unmentioned sub-agents"] += 1
                _read_chain(reading, embedded, _declare(reading, embedded, Reference(), None))
    return chain


def _continuation(reading: _Reading, document: Document) -> Document | None:
    if not document.content.continued_trajectory_ref:
        return None
    path = continuation_path(reading.artifacts, document)
    if path is None or (path, ()) in reading.seen:
        wanted = str(document.content.continued_trajectory_ref)
        reading.notes.append(f"{document.file.path} goes on in {wanted!r}, which is not here: the run ends early.")
        return None
    return open_document(reading.artifacts, path)


def _referenced(reading: _Reading, origin: Document, reference: Reference) -> Document | None:
    # Up to 1.6 a session id identifies a sub-agent; from 1.7 on it may be the parent's own.
    wanted = {reference.trajectory_id, reference.session_id} - {None, origin.content.session_id}
    for embedded in origin.embedded():
        if wanted & {embedded.content.trajectory_id, embedded.content.session_id}:
            return embedded
    path = reference_path(reading.artifacts, origin, reference)
    return open_document(reading.artifacts, path) if path is not None else None


def _declare(reading: _Reading, document: Document, reference: Reference, parent: int | None) -> str:
    content = document.content
    name = content.trajectory_id or content.session_id or document.file.path
    unique, number = name, 1
    while unique in reading.branches:
        number += 1
        unique = f"{name} ({number})"
    summary = (reference.extra or {}).get("summary")
    agent = content.agent.name if content.agent else None
    title = summary if isinstance(summary, str) else agent or ""
    reading.branches[unique] = Branch(branch_id=unique, name=title, parent_step_id=parent)
    return unique


def _read_steps(reading: _Reading, document: Document, branch: str | None) -> list[_Delegated]:
    delegated: list[_Delegated] = []
    latest: datetime | None = None
    for reply in _replies(reading, document):
        first = document.steps[reply[0]]
        if first.source == "agent":
            time = moment(first.timestamp)
            if time is not None and latest is not None and time < latest and first.side_chain is None:
                reading.counts["out of order"] += 1
            latest = time or latest
            delegated += _add_reply(reading, document, reply, branch)
        else:
            delegated += [(document, ref, None) for result in first.results for ref in result.references]
    return delegated


def _replies(reading: _Reading, document: Document) -> Iterator[list[int]]:
    """Positions of the steps that make up one reply; other steps come alone."""
    current: list[int] = []
    for position, step in enumerate(document.steps):
        if step.is_copied_context:
            reading.counts["copied"] += 1
            continue
        if current and not _same_reply(document.steps[current[-1]], step):
            yield current
            current = []
        current.append(position)
    if current:
        yield current


def _same_reply(before: AtifStep, step: AtifStep) -> bool:
    if before.source != "agent" or step.source != "agent" or before.side_chain != step.side_chain:
        return False
    if step.timestamp is None or before.timestamp != step.timestamp or step.metrics is not None:
        return False
    if before.reasoning != step.reasoning:
        return False
    return bool(step.reasoning) or (bool(step.calls) and not step.text)


def _add_reply(reading: _Reading, document: Document, reply: list[int], branch: str | None) -> list[_Delegated]:
    steps = document.steps
    chain = steps[reply[0]].side_chain
    if chain is not None:
        branch = chain if branch is None else f"{branch}/{chain}"
        if branch not in reading.branches:
            reading.branches[branch] = Branch(branch_id=branch)
    said = [_Quote(steps[at].text, ("steps", at, "message")) for at in reply if steps[at].text]
    # Every part of a split reply repeats the reasoning: take it from where the text stands, if it stands there.
    thinking = [at for at in sorted(reply, key=lambda at: not steps[at].text) if steps[at].reasoning][:1]
    reasoned = [_Quote(steps[at].reasoning, ("steps", at, "reasoning_content")) for at in thinking]
    if not any(steps[at].calls for at in reply):
        return _add_message(reading, document, reply, branch, said, reasoned)
    thought, thought_ref = _together(document, reasoned + said)
    first_id = len(reading.steps) + 1
    count = sum(len(steps[position].calls) for position in reply)
    delegated: list[_Delegated] = []
    for position in reply:
        step = steps[position]
        for index, answers in enumerate(_paired(reading, step)):
            step_id = len(reading.steps) + 1
            call = step.calls[index]
            tool = ToolCall(
                name=call.function_name,
                arguments=call_arguments(call.arguments),
                call_id=call.tool_call_id,
            )
            observation, observation_ref = _observed(document, position, answers)
            reading.steps.append(
                Step.model_construct(
                    step_id=step_id,
                    native_ids=tuple(str(name) for name in (step.step_id, call.tool_call_id) if name is not None),
                    action=tool.text(),
                    tool=tool,
                    observation=observation,
                    thought=thought if step_id == first_id else None,
                    parallel_group=first_id if count > 1 else None,
                    branch=branch,
                    exit_code=_exit_code(step, call, answers, observation),
                    timestamp=moment(step.timestamp),
                    action_ref=_action_ref(document, position, index, tool),
                    observation_ref=observation_ref,
                    thought_ref=thought_ref if step_id == first_id else None,
                )
            )
            for answer in answers:
                result = step.results[answer]
                delegated += [(document, reference, step_id) for reference in result.references]
                for agent_id in _agent_ids(result.extra, step.extra if len(step.calls) == 1 else None):
                    reading.started_by.setdefault(agent_id, step_id)
    return delegated


def _add_message(
    reading: _Reading,
    document: Document,
    reply: list[int],
    branch: str | None,
    said: list[_Quote],
    reasoned: list[_Quote],
) -> list[_Delegated]:
    first = document.steps[reply[0]]
    results = [(position, index) for position in reply for index in range(len(document.steps[position].results))]
    references = [ref for at, index in results for ref in document.steps[at].results[index].references]
    action, action_ref = _together(document, said)
    if action is None:
        reading.counts["only thoughts" if reasoned else "empty replies"] += 1
        if any(document.steps[at].results[index].content is not None for at, index in results):
            reading.counts["observations of nothing"] += 1
        return [(document, reference, None) for reference in references]
    observed = [position for position in reply if document.steps[position].results]
    observation, observation_ref = (
        _observed(document, observed[0], range(len(document.steps[observed[0]].results))) if observed else (None, None)
    )
    thought, thought_ref = _together(document, reasoned)
    written_calls = _WRITTEN_CALL.search(action) is not None
    if written_calls:
        reading.counts["written calls"] += 1
    step_id = len(reading.steps) + 1
    reading.steps.append(
        Step.model_construct(
            step_id=step_id,
            native_ids=(str(first.step_id),) if first.step_id is not None else (),
            action=action,
            observation=observation,
            thought=thought,
            branch=branch,
            is_message=not written_calls,
            executed=not (observation or "").startswith(_REFUSED),
            exit_code=_stated_exit_code(observation) if written_calls else None,
            timestamp=moment(first.timestamp),
            action_ref=action_ref,
            observation_ref=observation_ref,
            thought_ref=thought_ref,
        )
    )
    return [(document, reference, step_id) for reference in references]


def _paired(reading: _Reading, step: AtifStep) -> list[list[int]]:
    """For each call of the step the positions of its results.

    Results go by their call id; where an id is repeated, the first call that still waits gets the next result. What
    names no call of this step belongs to the last one: Terminus 2 records one result for a batch of commands.
    """
    answers: list[list[int]] = [[] for _ in step.calls]
    if not answers:
        reading.counts["observations of nothing"] += sum(result.content is not None for result in step.results)
        return answers
    batch = False
    for position, result in enumerate(step.results):
        wanted = result.source_call_id
        own = [at for at, call in enumerate(step.calls) if wanted is not None and call.tool_call_id == wanted]
        if wanted is None and len(answers) > 1:
            batch = True
            reading.counts["results of a batch"] += 1
        elif wanted is not None and not own:
            reading.counts["stray results"] += 1
        waiting = [at for at in own if not answers[at]]
        answers[(waiting or own[-1:] or [len(answers) - 1])[0]].append(position)
    if not batch:
        reading.counts["unanswered"] += sum(not found for found in answers)
    return answers


def _observed(document: Document, position: int, answers: Iterable[int]) -> tuple[str | None, SourceRef | None]:
    results = document.steps[position].results
    filled = [at for at in answers if results[at].content is not None]
    if not filled:
        return None, None
    here = ("steps", position, "observation", "results")
    ref = document.ref(*here, filled[0], "content") if len(filled) == 1 else document.ref(*here)
    return "\n".join(plain_text(results[at].content) for at in filled), ref


def _action_ref(document: Document, position: int, index: int, tool: ToolCall) -> SourceRef:
    spoken = spoken_argument(tool)
    here = ("steps", position, "tool_calls", index)
    return document.ref(*here, *(("arguments", spoken) if spoken is not None else ()))


def _together(document: Document, quotes: list[_Quote]) -> tuple[str | None, SourceRef | None]:
    """Texts of one reply (a repeated one once) and one reference for all: the text itself, the step around them, or
    the lines from the first to the last."""
    if not quotes:
        return None, None
    text = "\n\n".join(dict.fromkeys(quote.text for quote in quotes))
    places = [quote.place for quote in quotes]
    if len(places) == 1:
        return text, document.ref(*places[0])
    if len({position for _, position, _ in places}) == 1:
        return text, document.ref(*places[0][:2])
    refs = [document.ref(*place) for place in places]
    first, last = min(ref.line_start for ref in refs), max(ref.line_end for ref in refs)
    return text, SourceRef(path=document.file.path, line_start=first, line_end=last)


def _exit_code(step: AtifStep, call: Call, answers: list[int], observation: str | None) -> int | None:
    extra = step.extra or {}
    details = extra.get("tool_call_details")
    own = details.get(call.tool_call_id) if isinstance(details, dict) else None
    fields = [own.get("metadata") if isinstance(own, dict) else None, extra.get("tool_metadata")]
    fields += [step.results[at].extra for at in answers]
    for place in fields:
        code = place.get("exit_code") if isinstance(place, dict) else None
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    runs_command = isinstance(call.arguments, dict) and not call.arguments.keys().isdisjoint({"command", "cmd"})
    return _stated_exit_code(observation) if runs_command else None


def _stated_exit_code(observation: str | None) -> int | None:
    found = _EXIT_CODE.search(observation or "")
    return int(next(group for group in found.groups() if group)) if found else None


def _agent_ids(*extras: dict[str, Any] | None) -> Iterator[str]:
    """Ids of side chains that a result tells of (Claude Code's ``toolUseResult.agentId``, kept by the converter)."""
    for extra in extras:
        for key in ("tool_result_metadata", "metadata"):
            metadata = (extra or {}).get(key)
            result = metadata.get("tool_use_result") if isinstance(metadata, dict) else None
            agent_id = result.get("agentId") if isinstance(result, dict) else None
            if isinstance(agent_id, str):
                yield agent_id


def _task(document: Document) -> tuple[str | None, SourceRef | None]:
    """The first thing the user said; of Terminus 2's prompt the task alone."""
    for position, step in enumerate(document.steps):
        text = plain_text(step.message)
        if step.source == "user" and not step.is_copied_context and step.side_chain is None and text.strip():
            task = _TASK.search(text)
            return (task[1] if task else text), document.ref("steps", position, "message")
    return None, None


def _usage(chain: list[Document]) -> Usage:
    """The last document's totals: they count from the beginning of the run, sub-agents included. Without totals, the
    sum over the steps."""
    for document in reversed(chain):
        totals = document.content.final_metrics
        if totals is not None:
            return Usage(
                cost_usd=totals.total_cost_usd,
                prompt_tokens=_tokens([totals.total_prompt_tokens]),
                completion_tokens=_tokens([totals.total_completion_tokens]),
                cached_tokens=_tokens([totals.total_cached_tokens]),
            )
    metrics = [step.metrics for document in chain for step in document.steps if step.metrics is not None]
    costs = [metric.cost_usd for metric in metrics if metric.cost_usd is not None]
    return Usage(
        cost_usd=sum(costs) if costs else None,
        prompt_tokens=_tokens(metric.prompt_tokens for metric in metrics),
        completion_tokens=_tokens(metric.completion_tokens for metric in metrics),
        cached_tokens=_tokens(metric.cached_tokens for metric in metrics),
    )


def _tokens(counts: Iterable[float | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return int(sum(known)) or None


_ODDITIES = {
    "copied": "Steps that repeat context from elsewhere in the run, skipped",
    "empty replies": "Replies with neither text nor a tool call, which are no steps",
    "only thoughts": "Replies with nothing but reasoning, which are no steps",
    "unanswered": "Tool calls without a recorded result",
    "results of a batch": "Results for several calls of one reply together, shown at the last of them",
    "stray results": "Results that name a call which their reply does not make, shown at its last call",
    "observations of nothing": "Results beside no call and no text, not shown",
    "written calls": "Replies that hold their commands inside their text, each one step as no calls are recorded",
    "out of order": "Replies stamped earlier than the one before them, kept in the order of the file",
    "lost sub-agents": "Sub-agents whose records are not here",
    "unmentioned sub-agents": "Embedded sub-agents that no step mentions, so that nothing tells which one started them",
}


def _sentences(reading: _Reading) -> list[str]:
    """What a reader must know, one sentence for each kind of oddity."""
    found = oddities(_ODDITIES, reading.counts)
    return found if reading.steps else ["No step of an agent is recorded here.", *found]


FORMAT = Format(name="atif", title="ATIF 1.x (Harbor agent/trajectory.json)", recognise=recognise, parse=parse)
