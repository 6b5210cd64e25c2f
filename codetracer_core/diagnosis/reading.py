"""One run as a diagnosis may see it: what its files hold, and nothing that anybody says of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from codetracer_core.diagnosis.visible import FIELDS, field_as_read, inline, quoted
from codetracer_core.errors import CodeTracerError, UnreadableFile
from codetracer_core.models import SourceRef, Stage, Step, Trajectory
from codetracer_core.parsers import resolve
from codetracer_core.tree import TraceTree, TreeRow

CHARACTERS_PER_TOKEN = 3
"""Of logs and code; careful: prose has more."""


class Artifacts(Protocol):
    """The raw files of one run, as far as its steps refer to them."""

    def text_at(self, ref: SourceRef) -> str:
        """What the files hold in this place. Raises CodeTracerError where they hold nothing (any more)."""


@dataclass(frozen=True)
class RunFolder:
    """Raw files in a folder. References that lead out of ``ceiling`` (None: the folder itself) are refused."""

    folder: Path
    ceiling: Path | None = None

    def text_at(self, ref: SourceRef) -> str:
        try:
            return resolve(self.folder, ref, ceiling=self.ceiling or self.folder)
        except (LookupError, TypeError, ValueError) as error:
            raise UnreadableFile(
                "nothing stands in this place any more", path=ref.path, remedy="The file was changed since the import."
            ) from error


@dataclass(frozen=True)
class Reading:
    """One run, and how far it was read.

    Labels, notes on the import, and benchmark rows are in none of these; ``stages`` must be the offline split.
    """

    trajectory: Trajectory
    tree: TraceTree
    stages: Sequence[Stage]
    artifacts: Artifacts | None = None
    """None: the raw files are not at hand."""
    show_outcome: bool = True
    """Whether the run's own result files may be told of."""
    answer_characters: int = 20_000
    """About how long an answer of a tool gets at most."""
    read: set[int] = field(default_factory=set)
    """The steps whose text was shown."""

    def step(self, step_id: int) -> Step | None:
        return self.trajectory.steps[step_id - 1] if 1 <= step_id <= self.trajectory.step_count else None

    def row(self, step_id: int) -> TreeRow:
        return self.tree.rows[step_id - 1]


def steps_as_text(steps: Sequence[tuple[Step, TreeRow]], *, characters: int, fields: Iterable[str] = FIELDS) -> str:
    """Several steps that share ``characters``: short texts are shown whole, the others get equal parts of the rest."""
    wanted = tuple(fields)
    views = {(step.step_id, name): field_as_read(step, name) for step, _ in steps for name in wanted}
    lengths = {key: len(view.text) for key, view in views.items() if view is not None}
    limits = dict(zip(lengths, shares(list(lengths.values()), characters), strict=True))
    parts: list[str] = []
    for step, row in steps:
        parts.append(heading(step, row))
        for name in wanted:
            view = views[step.step_id, name]
            if view is None:
                parts += [f"{name}: not in the run's files"] * (name == "observation")
            else:
                parts.append(_head_and_tail(step.step_id, name, view.text, limits[step.step_id, name]))
    return "\n".join(parts)


def page_of_field(step: Step, row: TreeRow, name: str, offset: int, limit: int) -> str | None:
    """``limit`` characters of one text of a step from ``offset`` on; None if there are none."""
    view = field_as_read(step, name)
    if view is None or offset >= len(view.text):
        return None
    return f"{heading(step, row)}\n{page(name, view.text, offset, limit)}"


def page(name: str, text: str, offset: int, limit: int) -> str:
    """A part of a text that is ready to show, and how much stands after it."""
    end = min(len(text), offset + limit)
    where = f"characters {offset:,} to {end:,} of {len(text):,}" if end - offset < len(text) else _size(text)
    rest = f"\n({len(text) - end:,} more characters: go on with offset={end})" if end < len(text) else ""
    return f"{name}, {where}:\n{quoted(text[offset:end])}{rest}"


def heading(step: Step, row: TreeRow) -> str:
    facts = [f"Step {step.step_id}", f"{row.kind} {inline(row.reason)}"]
    if step.tool is not None and step.tool.name:
        facts.append(f"tool {inline(step.tool.name, 60)}")
    if step.exit_code is not None:
        facts.append(f"exit code {step.exit_code}")
    if not step.executed:
        facts.append("was not executed")
    if step.branch is not None:
        facts.append(f"by sub-agent {inline(step.branch, 40)}")
    if step.parallel_group not in (None, step.step_id):
        facts.append(f"in one reply with step {step.parallel_group}")
    return " · ".join(facts)


def shares(lengths: Sequence[int], total: int, least: int = 200) -> list[int]:
    """How many characters of each text are shown: short ones whole, the others alike, and ``least`` of each."""
    given = [0] * len(lengths)
    left = total
    for rank, index in enumerate(sorted(range(len(lengths)), key=lengths.__getitem__)):
        given[index] = min(lengths[index], max(least, left // (len(lengths) - rank)))
        left = max(0, left - given[index])
    return given


def _head_and_tail(step_id: int, name: str, text: str, limit: int) -> str:
    if not text:
        return f"{name}: empty"
    if len(text) <= limit:
        return f"{name}, {_size(text)}:\n{quoted(text)}"
    head, tail = text[: (limit + 1) // 2], text[len(text) - limit // 2 :]
    left_out = len(text) - len(head) - len(tail)
    how = f'read_steps(steps=[{step_id}], field="{name}", offset={len(head)})'
    return "\n".join(
        (
            f"{name}, first {len(head):,} of {len(text):,} characters:",
            quoted(head),
            f"({left_out:,} characters left out here: {how} shows them)",
            f"{name}, last {len(tail):,} characters:",
            quoted(tail),
        )
    )


def _size(text: str) -> str:
    return f"{len(text):,} characters"


def raw_text(reading: Reading, ref: SourceRef) -> str:
    """What the raw files hold in a place that a step refers to. Raises CodeTracerError (without machine paths)."""
    if reading.artifacts is None:
        raise CodeTracerError("the raw files of this run are not at hand")
    try:
        return reading.artifacts.text_at(ref)
    except CodeTracerError as error:
        raise CodeTracerError(error.reason) from error


def steps_of(reading: Reading) -> str:
    count = reading.trajectory.step_count
    return f"{count} steps, 1 to {count}" if count > 1 else f"{count} step{'s' * (count != 1)}"


def listed(step_ids: Collection[int], most: int = 12) -> str:
    """ "step 3", "steps 3, 4"; of many, the first ones and how many more."""
    told = f"step{'s' * (len(step_ids) > 1)} " + ", ".join(str(step_id) for step_id in list(step_ids)[:most])
    return f"{told} and {len(step_ids) - most} more" if len(step_ids) > most else told


def capped(heading: str, lines: list[str], characters: int) -> list[str]:
    """The heading and as many lines as fit; of too many, the first and the last, and how many are between. Nothing if
    there are no lines."""
    if not lines:
        return []
    fits = max(2, characters // (max(map(len, lines)) + 1))
    if sum(len(line) + 1 for line in lines) <= characters or len(lines) <= fits:
        return [heading, *lines]
    head = (fits + 1) // 2
    left_out = len(lines) - fits
    return [heading, *lines[:head], f"({left_out} between them are left out)", *lines[len(lines) - (fits - head) :]]
