"""What a model may do to learn about a run: read-only questions about this one run, answered as plain text.

What cannot be answered is said in words for the model; nothing here raises for what a model asks. Text of the run is
quoted as ``visible`` does it.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from codetracer_core.diagnosis.looking import history_of_file, how_tests_went, where_text_stands
from codetracer_core.diagnosis.reading import (
    Reading,
    listed,
    page,
    page_of_field,
    raw_text,
    steps_as_text,
    steps_of,
)
from codetracer_core.diagnosis.tool_arguments import (
    AROUND,
    Arguments,
    CompareSteps,
    FileHistory,
    NoArguments,
    RawLines,
    ReadSteps,
    ReadTask,
    Search,
    ShowTree,
    schema_of,
)
from codetracer_core.diagnosis.tree_map import part_of_tree, stage_heading, whole_tree
from codetracer_core.diagnosis.visible import FIELDS, as_read, field_as_read, inline, quoted
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import ToolRequest, ToolSpec, UnusableAnswer, read_answer
from codetracer_core.models import Step
from codetracer_core.tree import TreeRow

MOST_LINES_COMPARED = 4_000


@dataclass(frozen=True)
class ToolResult:
    """The answer to one request."""

    text: str
    steps: tuple[int, ...] = ()
    """Steps whose text it shows."""
    failed: bool = False
    """It could not be answered; the text says why and what would help."""


# --- the map ------------------------------------------------------------------------------------------------


def _show_tree(reading: Reading, asked: ShowTree) -> ToolResult:
    count = reading.trajectory.step_count
    given = [asked.stage, asked.around, asked.first or asked.last]
    if sum(one is not None for one in given) > 1:
        return _failed("Give either a stage, or around, or first and last.")
    first, last = asked.first or 1, asked.last or count
    if asked.stage is not None:
        stage = next((stage for stage in reading.stages if stage.stage_id == asked.stage), None)
        if stage is None:
            return _failed(f"There is no stage {asked.stage}; the stages are 1 to {len(reading.stages)}.")
        tree = part_of_tree(reading, stage.start_step_id, stage.end_step_id, reading.answer_characters)
        return ToolResult(f"{stage_heading(reading, stage)}\n{tree}")
    if asked.around is not None:
        first, last = max(1, asked.around - AROUND), min(count, asked.around + AROUND)
    elif asked.first is None and asked.last is None:
        return ToolResult(whole_tree(reading, reading.answer_characters))
    last = min(last, count)
    if first > last:
        return _failed(f"There are no steps from {first} to {last}; the run has {steps_of(reading)}.")
    return ToolResult(part_of_tree(reading, first, last, reading.answer_characters))


# --- steps --------------------------------------------------------------------------------------------------


def _read_steps(reading: Reading, asked: ReadSteps) -> ToolResult:
    known, unknown = _sorted_out(reading, asked.steps)
    if not known:
        return _failed(_no_such_steps(reading, unknown))
    if asked.offset is None and asked.limit is None:
        fields = FIELDS if asked.field == "all" else (asked.field,)
        text = read_steps(reading, known, reading.answer_characters, fields=fields)
        return ToolResult("\n".join(filter(None, (text, _no_such_steps(reading, unknown)))), tuple(known))
    if len(known) > 1 or asked.field == "all":
        return _failed("With offset or limit, ask for one step and one field: thought, action or observation.")
    step = reading.trajectory.steps[known[0] - 1]
    limit = min(asked.limit or reading.answer_characters, reading.answer_characters)
    text = page_of_field(step, reading.row(step.step_id), asked.field, asked.offset or 0, limit) or ""
    if not text:
        return _failed(
            f"The {asked.field} of step {step.step_id} has no character {asked.offset or 0}: it ends before."
        )
    reading.read.add(step.step_id)
    return ToolResult(text, (step.step_id,))


def read_steps(reading: Reading, steps: Iterable[int], characters: int, *, fields: Iterable[str] = FIELDS) -> str:
    """These steps (each must exist, once) as text within about ``characters``; from now on they are read."""
    known = list(steps)
    shown: list[tuple[Step, TreeRow]] = [
        (reading.trajectory.steps[step_id - 1], reading.row(step_id)) for step_id in known
    ]
    text = steps_as_text(shown, characters=characters, fields=fields)
    reading.read.update(known)
    return text


def _compare_steps(reading: Reading, asked: CompareSteps) -> ToolResult:
    known, unknown = _sorted_out(reading, [asked.first, asked.second])
    if unknown or len(known) < 2:
        return _failed(_no_such_steps(reading, unknown) or "These are one and the same step.")
    first, second = (reading.trajectory.steps[step_id - 1] for step_id in known)
    room = reading.answer_characters // 2
    parts = [_compared(first, second, name, room) for name in ("action", "observation")]
    reading.read.update(known)
    return ToolResult("\n".join(parts), tuple(known))


def _compared(first: Step, second: Step, name: str, room: int) -> str:
    views = field_as_read(first, name), field_as_read(second, name)
    texts = [view.text if view is not None else None for view in views]
    one, other = texts
    if one == other:
        if one is None:
            return f"{name}: neither step has one in the run's files."
        return f"The {name}s are equal, character by character:\n{page(name, one, 0, room // 2)}"
    if one is None or other is None:
        return f"Only step {(first if other is None else second).step_id} has an {name} in the run's files."
    lines, other_lines = (text.split("\n")[:MOST_LINES_COMPARED] for text in (one, other))
    names = (f"step {first.step_id}", f"step {second.step_id}")
    diff = "\n".join(difflib.unified_diff(lines, other_lines, *names, lineterm="", n=2))
    if not diff:
        return f"The {name}s are equal in their first {MOST_LINES_COMPARED:,} lines and differ after them."
    cut = f"\n({len(diff) - room:,} more characters of differences)" if len(diff) > room else ""
    return f"The {name}s differ (- step {first.step_id}, + step {second.step_id}):\n{quoted(diff[:room])}{cut}"


def _raw_lines(reading: Reading, asked: RawLines) -> ToolResult:
    step = reading.step(asked.step)
    if step is None:
        return _failed(_no_such_steps(reading, [asked.step]))
    refs = {"action": step.action_ref, "observation": step.observation_ref, "thought": step.thought_ref}
    ref = refs[asked.field]
    if ref is None:
        return _failed(f"It is not known where the {asked.field} of step {step.step_id} stands in the raw files.")
    where = f"{inline(ref.path)}, lines {ref.line_start} to {ref.line_end}"
    try:
        text = as_read(raw_text(reading, ref)).text
    except CodeTracerError as error:
        return _failed(f"The {asked.field} of step {step.step_id} stands in {where}, but {error}.")
    if asked.offset >= len(text):
        return _failed(f"There are {len(text):,} characters in {where}.")
    limit = min(asked.limit or reading.answer_characters, reading.answer_characters)
    reading.read.add(step.step_id)
    shown = page(f"{asked.field} in the raw files", text, asked.offset, limit)
    return ToolResult(f"Step {step.step_id}, {where}:\n{shown}", (step.step_id,))


# --- looking for something ----------------------------------------------------------------------------------


def _search(reading: Reading, asked: Search) -> ToolResult:
    fields = FIELDS if asked.field == "all" else (asked.field,)
    return ToolResult(where_text_stands(reading, asked.text, fields))


def _file_history(reading: Reading, asked: FileHistory) -> ToolResult:
    return ToolResult(history_of_file(reading, asked.path))


def _test_outcomes(reading: Reading, _: NoArguments) -> ToolResult:
    return ToolResult(how_tests_went(reading))


def _read_task(reading: Reading, asked: ReadTask) -> ToolResult:
    text = as_read(reading.trajectory.task_text or "").text
    if not text.strip():
        return _failed("The run's files do not hold the text of the task.")
    if asked.offset >= len(text):
        return _failed(f"The task has {len(text):,} characters.")
    limit = min(asked.limit or reading.answer_characters, reading.answer_characters)
    return ToolResult(page("task", text, asked.offset, limit))


# --- calling ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tool:
    name: str
    description: str
    arguments: type[Arguments]
    answer: Callable[[Reading, Any], ToolResult]


_TOOLS = (
    _Tool(
        "show_tree",
        "The trace tree of the run, one line per step. Without arguments: all of it, condensed if the run is long.",
        ShowTree,
        _show_tree,
    ),
    _Tool(
        "read_steps",
        "Read steps: thought, action and observation. Long texts show head and tail; page through one text of one step "
        "with offset. Only steps that were read may be labelled or quoted.",
        ReadSteps,
        _read_steps,
    ),
    _Tool(
        "search",
        "Which steps hold a text, with excerpts. What an excerpt shows does not count as read.",
        Search,
        _search,
    ),
    _Tool(
        "compare_steps",
        "Whether two steps are equal, or how their actions and observations differ. Both count as read.",
        CompareSteps,
        _compare_steps,
    ),
    _Tool(
        "file_history",
        "Which steps acted on a file or folder, in order, and which other actions name it.",
        FileHistory,
        _file_history,
    ),
    _Tool(
        "test_outcomes",
        "How the tests went over time: each step that ran tests, with its exit code and summary.",
        NoArguments,
        _test_outcomes,
    ),
    _Tool("read_task", "The text of the task that the agent was given.", ReadTask, _read_task),
    _Tool(
        "raw_lines",
        "Where a text of a step stands in the run's raw files, and what they hold there.",
        RawLines,
        _raw_lines,
    ),
)
_BY_NAME = {tool.name: tool for tool in _TOOLS}


def tool_specs() -> tuple[ToolSpec, ...]:
    """The tools, as a model is told of them."""
    return tuple(
        ToolSpec(name=tool.name, description=tool.description, parameters=schema_of(tool.arguments)) for tool in _TOOLS
    )


def call_tool(reading: Reading, request: ToolRequest) -> ToolResult:
    """Answer one request, whatever is in it. Steps that the answer shows are added to ``reading.read``."""
    tool = _BY_NAME.get(request.name)
    if tool is None:
        return _failed(f"There is no tool {inline(request.name, 60)}. There are: {', '.join(_BY_NAME)}.")
    try:
        asked = read_answer(request.arguments, tool.arguments)
    except UnusableAnswer as error:
        return _failed(f"Arguments of {tool.name} not understood: {'; '.join(error.problems[:3])}. {_known(tool)}")
    return tool.answer(reading, asked)


def _known(tool: _Tool) -> str:
    names = ", ".join(tool.arguments.model_fields)
    return f"It takes: {names}." if names else "It takes none."


# --- words --------------------------------------------------------------------------------------------------


def _failed(text: str) -> ToolResult:
    return ToolResult(text, failed=True)


def _sorted_out(reading: Reading, steps: Iterable[int]) -> tuple[list[int], list[int]]:
    """Those that the run has, and those that it has not, each once."""
    asked = list(dict.fromkeys(steps))
    known = [step_id for step_id in asked if reading.step(step_id) is not None]
    return known, [step_id for step_id in asked if reading.step(step_id) is None]


def _no_such_steps(reading: Reading, unknown: list[int]) -> str:
    return f"There is no {listed(unknown)}; the run has {steps_of(reading)}." if unknown else ""
