"""Runs that somebody already cut into steps: ``steps.json``, or one ``step_N.jsonl`` per step, with ``task.md``.

Steps keep the numbers that they have there: labels made elsewhere refer to them. Numbers that are not consecutive
are an error, not something to repair. Where the raw logs lie in the same folder, such files are derived from them
and the raw logs are read instead. The records' own references point into raw files that need not be here, so the
references of a step point at its record.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, Pointer, lost_content, plain_text, pointer_text
from codetracer_core.parsers._fields import text_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.words import listed

STEPS_JSON = "steps.json"
TASK = "task.md"
DERIVED = ("stage_ranges.json", "tree.md")
RAW_FOLDERS = frozenset({"agent-logs", "agent", "sessions", "events", "event_cache"})
RAW_ENDINGS = (".traj", ".traj.json")

_STEP_FILE = re.compile(r"step_(\d+)\.jsonl")
_RECORD = re.compile(rb'"step_(?:id|index)"\s*:')
_DEED = re.compile(rb'"(?:action|action_ref|command)"\s*:')
_HEAD = 1 << 16


def recognise(artifacts: Artifacts) -> list[Claim]:
    if not RAW_FOLDERS.isdisjoint(artifacts.folders) or any(name.endswith(RAW_ENDINGS) for name in artifacts.files):
        return []
    if STEPS_JSON in artifacts.files and _holds_records(artifacts, [STEPS_JSON], b"["):
        return [Claim(unit=".", files=(STEPS_JSON,), view="steps.json")]
    numbered = sorted((int(found[1]), name) for name in artifacts.files if (found := _STEP_FILE.fullmatch(name)))
    names = [name for _, name in numbered]
    if names and _holds_records(artifacts, names[:3], b"{"):
        return [Claim(unit=".", files=tuple(names), view="step_N.jsonl")]
    return []


def _holds_records(artifacts: Artifacts, names: list[str], opening: bytes) -> bool:
    """Do these files hold steps? If none of them can be read, the files that go with steps decide."""
    heads = [artifacts.head(name, _HEAD) for name in names]
    readable = [head.lstrip() for head in heads if not lost_content(head)]
    if readable:
        return any(head.startswith(opening) and _RECORD.search(head) and _DEED.search(head) for head in readable)
    return any(name in artifacts.files for name in (TASK, *DERIVED))


class _Record(msgspec.Struct):
    """One step; ``step_N.jsonl`` has other names for the same things."""

    step_id: Any = None
    step_index: Any = None
    action: Any = None
    command: Any = None
    observation: Any = None
    terminal_result: Any = None
    thinking: Any = None
    parallel_group: Any = None
    tool_type: Any = None
    action_ref: Any = None
    observation_ref: Any = None


@dataclass(frozen=True)
class _Placed:
    """A record, and where it stands."""

    record: _Record
    file: JsonFile
    pointer: Pointer
    file_number: int | None = None

    @property
    def number(self) -> int | None:
        for value in (self.record.step_id, self.record.step_index):
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    def first(self, *places: Pointer) -> tuple[str | None, SourceRef | None]:
        """The first text among the fields at ``places``, with its reference."""
        for place in places:
            value: Any = getattr(self.record, str(place[0]))
            if len(place) > 1:
                value = text_field(value, *map(str, place[1:]))
            if value is not None:
                return plain_text(value), self.file.ref(*self.pointer, *place)
        return None, None


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    notes: list[str] = []
    if claim.view == "steps.json":
        file = artifacts.read_json(STEPS_JSON)
        placed = [_Placed(record, file, (index,)) for index, record in enumerate(file.decode(list[_Record]))]
    else:
        placed = [_one_step(artifacts, name) for name in claim.files]
    for item in placed:
        if item.record == _Record():
            raise MalformedRun(
                "a record that holds nothing of a step",
                path=item.file.shown_path,
                place=pointer_text(item.pointer),
                remedy="Get a complete copy.",
            )
    ordered = _in_order(placed, artifacts.shown(claim.files[0]), notes)
    derived = [name for name in DERIVED if name in artifacts.files]
    if derived:
        notes.append(f"{' and '.join(derived)} beside the steps: made from them elsewhere, not read.")
    task = artifacts.read_text(TASK) if artifacts.has(TASK) and artifacts.size(TASK) else None
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        task_text=task,
        task_ref=SourceRef(path=TASK, line_start=1, line_end=task.count("\n") + 1) if task is not None else None,
        steps=tuple(_steps(ordered)),
        notes=tuple(notes),
    )


def _one_step(artifacts: Artifacts, name: str) -> _Placed:
    file = artifacts.read_json(name)
    found = _STEP_FILE.fullmatch(name)
    return _Placed(file.decode(_Record), file, (), int(found[1]) if found else None)


def _in_order(placed: list[_Placed], shown: str, notes: list[str]) -> list[_Placed]:
    """The records in the order of their numbers, which must run from 1 (or, told in a note, from 0) without a gap."""
    own = [item.number for item in placed]
    of_files = [item.file_number for item in placed]
    unnumbered = all(number is None for number in own + of_files)
    if unnumbered:
        if placed:
            notes.append("The records have no numbers; they are counted in their order.")
        return placed
    for first in (1, 0):
        for numbers, what in ((own, "records"), (of_files, "file names")):
            known = [number for number in numbers if number is not None]
            if sorted(known) != list(range(first, first + len(placed))):
                continue
            if first == 0:
                notes.append("The steps are numbered from 0 in the files: step k here is step k - 1 there.")
            if numbers is not own and own != of_files and any(number is not None for number in own):
                notes.append(f"The {what} number the steps; the numbers inside the records differ.")
            if known != sorted(known):
                notes.append("The records do not stand in the order of their numbers; the numbers decide.")
            return [item for _, item in sorted(zip(known, placed, strict=True), key=lambda pair: pair[0])]
    raise MalformedRun(
        f"step numbers are not consecutive ({listed(own)})",
        path=shown,
        remedy="Labels refer to these numbers, so they are not repaired; get a complete copy.",
    )


def _steps(ordered: Sequence[_Placed]) -> list[Step]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for step_id, item in enumerate(ordered, start=1):
        if item.record.parallel_group is not None:
            groups[str(item.record.parallel_group)].append(step_id)
    steps = []
    for step_id, item in enumerate(ordered, start=1):
        written = [(name,) for name in ("action", "command") if getattr(item.record, name)]
        action, action_ref = item.first(*written, ("action_ref", "content"), ("action",), ("command",))
        observation, observation_ref = item.first(
            ("observation",), ("terminal_result",), ("observation_ref", "content")
        )
        thought, thought_ref = item.first(("thinking",))
        members = groups.get(str(item.record.parallel_group), [])
        tool_type = text_field(item.record.tool_type)
        steps.append(
            Step(
                step_id=step_id,
                native_ids=(str(item.number),) if item.number is not None and item.number != step_id else (),
                action=action or "",
                tool=ToolCall(name=tool_type, arguments=action or "") if tool_type else None,
                observation=observation,
                thought=thought,
                parallel_group=members[0] if len(members) > 1 else None,
                action_ref=action_ref,
                observation_ref=observation_ref,
                thought_ref=thought_ref,
            )
        )
    return steps


FORMAT = Format(
    name="normalised",
    title="normalised steps (steps.json or step_N.jsonl, with task.md)",
    recognise=recognise,
    parse=parse,
)
