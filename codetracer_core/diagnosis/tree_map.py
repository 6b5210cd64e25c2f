"""The trace tree as a map for a model: by stage, and never longer than asked for."""

from collections import Counter
from collections.abc import Collection, Iterable

from codetracer_core.diagnosis.failures import failure_of
from codetracer_core.diagnosis.reading import Reading, capped, listed, shares
from codetracer_core.diagnosis.visible import as_read, inline, quoted
from codetracer_core.models import Stage
from codetracer_core.tree import TreeRow, render_text

_WIDTHS = (100, 70)
_LEGEND = (
    "S3: the state that a step belongs to; a change opens the next one. ╓ ║ one reply with several calls, "
    "↳4 a sub-agent that step 4 started, ✗ never ran."
)


def whole_tree(reading: Reading, characters: int) -> str:
    """Every step if they fit; else of each stage first those that change state, and how to see the others; else the
    stages alone."""
    if not reading.trajectory.steps:
        return "The run has no steps."
    for width in _WIDTHS:
        text = _by_stage(reading, render_text(reading.tree, width=width).split("\n"), None)
        if len(text) <= characters:
            return text
    lines = render_text(reading.tree, width=_WIDTHS[-1]).split("\n")
    room = (characters - len(_by_stage(reading, lines, frozenset()))) // (_WIDTHS[-1] + 1)
    if room >= len(reading.stages):
        return _by_stage(reading, lines, _chosen(reading, room))
    headings = [stage_heading(reading, stage) for stage in reading.stages]
    return "\n".join(capped("The stages; show_tree(stage=1) lists the steps of the first.", headings, characters))


def part_of_tree(reading: Reading, first: int, last: int, characters: int) -> str:
    """The steps from ``first`` to ``last``, both inclusive, as far as they fit."""
    lines = render_text(reading.tree, first=first, last=last, width=160).split("\n")
    kept, used = 0, 0
    while kept < len(lines) and used + len(lines[kept]) < characters:
        used += len(lines[kept]) + 1
        kept += 1
    kept = max(kept, 1)
    text = f"Steps {first} to {first + kept - 1}:\n{_block(lines[:kept])}"
    if kept < len(lines):
        text += f"\n({len(lines) - kept} more steps: show_tree(first={first + kept}, last={last}) shows them)"
    return text


def stage_heading(reading: Reading, stage: Stage) -> str:
    where = slice(stage.start_step_id - 1, stage.end_step_id)
    counts = kinds_in_words(reading.tree.rows[where])
    decided = zip(reading.trajectory.steps[where], reading.tree.decisions[where], strict=True)
    failed = [step.step_id for step, decision in decided if failure_of(step, decision) is not None]
    bad = f"; failed: {listed(failed)}" if failed else ""
    name = inline(stage.name, 60)
    return f"Stage {stage.stage_id}, steps {stage.start_step_id} to {stage.end_step_id}: {name} ({counts}{bad})"


def kinds_in_words(rows: Iterable[TreeRow]) -> str:
    """How many of these steps explore, change and only say something."""
    kinds = Counter(row.kind for row in rows)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in ("explore", "change", "message") if kinds[kind])


def _by_stage(reading: Reading, lines: list[str], wanted: Collection[int] | None) -> str:
    """The lines of the wanted steps (None: all), each stage with its heading."""
    parts = [_LEGEND]
    for stage in reading.stages:
        parts.append(stage_heading(reading, stage))
        steps = range(stage.start_step_id, stage.end_step_id + 1)
        kept = [step_id for step_id in steps if wanted is None or step_id in wanted]
        if kept:
            parts.append(_block([lines[step_id - 1] for step_id in kept]))
        if len(kept) < len(steps):
            parts.append(f"({len(steps) - len(kept)} steps not listed: show_tree(stage={stage.stage_id}))")
    return "\n".join(parts)


def _chosen(reading: Reading, room: int) -> frozenset[int]:
    """About ``room`` steps, the stages sharing alike: changes before the others, spread over the stage."""
    chosen: set[int] = set()
    sizes = [stage.end_step_id - stage.start_step_id + 1 for stage in reading.stages]
    for stage, places in zip(reading.stages, shares(sizes, room, least=0), strict=True):
        rows = reading.tree.rows[stage.start_step_id - 1 : stage.end_step_id]
        changes = [row.step_id for row in rows if row.kind == "change"]
        others = [row.step_id for row in rows if row.kind != "change"]
        taken = _spread(changes, places)
        chosen |= {*taken, *_spread(others, places - len(taken))}
    return frozenset(chosen)


def _spread(items: list[int], count: int) -> list[int]:
    if count >= len(items):
        return items
    return [items[number * len(items) // count] for number in range(count)]


def _block(lines: list[str]) -> str:
    return quoted(as_read("\n".join(lines)).text)
