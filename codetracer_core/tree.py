"""The trace tree: a run as state nodes in a row, with what was explored in each state hanging below it.

The rules, for each line of work (the main agent, and each sub-agent apart):

* Node 0 is the task, in state 0: the environment as the agent found it.
* A step that explores, and a message, hangs below the current state node and stays in its state.
* A step that changes opens the next state (numbered through the whole run, in the order of the steps), hangs below
  the state node before it and becomes the current one of its line.
* The steps of a parallel group were chosen together, so all of them hang below the node that was current when the
  group began, and those that explore stay in its state. Those that change open one state each, in order; what follows
  the group hangs below the last of them.
* A sub-agent's line begins below the step that started it, in that step's state. If the files do not tell which step
  that was (or name one that came later), it begins below the task in state 0. The line that started it goes on from
  its own current node, whatever the sub-agent did.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from codetracer_core.actions import Decision, classify, shown
from codetracer_core.models import Kind, Step, Trajectory

ROOT = 0
"""The node of the task: steps are numbered from 1."""
LABEL_LENGTH = 160


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One step in the tree. ``depth`` counts the edges up to the task (so it is at least 1)."""

    step_id: int
    kind: Kind
    reason: str
    label: str
    """The action on one line of at most ``LABEL_LENGTH`` printable characters, for orientation: not to be quoted."""
    state: int
    """The state the step belongs to; a change opens this state."""
    depth: int
    parent_step_id: int | None
    """The step that this one hangs below; None: the task."""
    parallel_group: int | None = None
    branch: str | None = None
    executed: bool = True


@dataclass(frozen=True, slots=True)
class TraceTree:
    """All steps of a run in their order, each with its place. ``task`` is the label of the root."""

    rows: tuple[TreeRow, ...] = ()
    task: str = "task"
    decisions: tuple[Decision, ...] = ()
    """What the tree was built from, one per row."""


@dataclass(slots=True)
class _Line:
    """Where a line of work stands: its current node, that node's depth, and the state."""

    node: int | None
    depth: int
    state: int


def build_tree(trajectory: Trajectory, decisions: Sequence[Decision] | None = None) -> TraceTree:
    """The tree of a run. ``decisions`` are one per step, in order; None: classify the steps here.

    Raises ValueError if there is not exactly one decision for each step.
    """
    if decisions is None:
        decisions = [classify(step) for step in trajectory.steps]
    parents = {branch.branch_id: branch.parent_step_id for branch in trajectory.branches}
    rows: dict[int, TreeRow] = {}
    lines: dict[str | None, _Line] = {}
    groups: dict[tuple[str | None, int], _Line] = {}
    states = 0
    for step, decision in zip(trajectory.steps, decisions, strict=True):
        line = lines.get(step.branch)
        if line is None:
            line = lines[step.branch] = _first_line(rows.get(parents.get(step.branch or "") or 0))
        start = line
        if step.parallel_group is not None:
            key = (step.branch, step.parallel_group)
            start = groups.setdefault(key, _Line(line.node, line.depth, line.state))
        node, depth, state = start.node, start.depth + 1, start.state
        if decision.kind == "change":
            states += 1
            state = states
            line.node, line.depth, line.state = step.step_id, depth, state
        rows[step.step_id] = TreeRow(
            step_id=step.step_id,
            kind=decision.kind,
            reason=decision.reason,
            label=label_of(step),
            state=state,
            depth=depth,
            parent_step_id=node,
            parallel_group=step.parallel_group,
            branch=step.branch,
            executed=step.executed,
        )
    return TraceTree(tuple(rows.values()), shown(trajectory.task or "", LABEL_LENGTH) or "task", tuple(decisions))


def _first_line(parent: TreeRow | None) -> _Line:
    return _Line(parent.step_id, parent.depth, parent.state) if parent is not None else _Line(None, 0, 0)


# ---------------------------------------------------------------- labels

_CHANGES_FOLDER = re.compile(r"\s*cd\s+(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|'\"]+)\s*(?:&&|;)\s*(?=\S)")
# Arguments that tell what a call is about: first how, then where; else what it says.
_HOW = ("command", "pattern", "query", "url")
_WHERE = ("file_path", "path", "notebook_path", "absolute_path", "filename", "file", "dir_path")
_WORDS = ("title", "description", "prompt", "thought", "message", "content", "question", "summary")


def label_of(step: Step) -> str:
    """The action on one line: the command without a leading ``cd … &&``, or the tool and what it is about (or says)."""
    text = step.action[: 20 * LABEL_LENGTH]
    arguments = step.tool.arguments if step.tool is not None else None
    if (
        step.tool is not None
        and isinstance(arguments, dict)
        and text.startswith("{")
        and step.action not in arguments.values()
    ):
        text = _call_label(step.tool.name, arguments)
    elif step.tool is not None and isinstance(arguments, dict) and step.action in map(arguments.get, _WORDS):
        text = f"{step.tool.name} {text}"
    elif not step.is_message:
        text = _CHANGES_FOLDER.sub("", text, count=1)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return shown(" ⏎ ".join(lines), LABEL_LENGTH) or "(empty)"


def _call_label(name: str, arguments: Mapping[str, Any]) -> str:
    texts = {key: value for key, value in arguments.items() if isinstance(value, str) and value.strip()}
    told = [texts[key] for key in _HOW if key in texts] + [texts[key] for key in _WHERE if key in texts][:1]
    told = told or [texts[key] for key in _WORDS if key in texts][:1]
    told = told or [f"({len(value)} {key})" for key, value in arguments.items() if isinstance(value, list)][:1]
    told = told or [f"{key}={value}" for key, value in arguments.items()][:3]
    return " ".join([name or "(no tool named)", *(shown(text, 80) for text in told)])


# ---------------------------------------------------------------- as a graph, as text


def as_graph(tree: TraceTree) -> "nx.DiGraph[int]":
    """The tree as a directed graph, edges from parent to child. Node ``ROOT`` has ``label`` (the task), ``state`` 0
    and ``depth`` 0; the node of a step has all fields of its ``TreeRow`` but the two ids."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_node(ROOT, label=tree.task, kind="task", state=0, depth=0)
    for row in tree.rows:
        graph.add_node(
            row.step_id,
            label=row.label,
            kind=row.kind,
            reason=row.reason,
            state=row.state,
            depth=row.depth,
            parallel_group=row.parallel_group,
            branch=row.branch,
            executed=row.executed,
        )
        graph.add_edge(row.parent_step_id or ROOT, row.step_id)
    return graph


def render_text(tree: TraceTree, *, first: int | None = None, last: int | None = None, width: int = 100) -> str:
    """The tree as text, one line of at most ``width`` characters per step, for people and models.

    A line is the state (``S3``), the kind, the step number and the label. The spine is flat: changes stand at the left
    edge and everything else two columns in, at any depth; the steps of a sub-agent two more for each agent above it.
    Marks before a label: ``╓`` the first step of a parallel group, ``║`` the others; ``↳4`` a sub-agent begins that
    step 4 started (``↳?``: the files do not tell); ``✗`` never ran. ``first`` and ``last`` limit the steps, both
    inclusive.
    """
    levels = _branch_levels(tree)
    seen: set[str | int | None] = {None}
    state_width = len(f"S{max((row.state for row in tree.rows), default=0)}")
    number_width = len(str(max((row.step_id for row in tree.rows), default=0)))
    lines = []
    for row in tree.rows:
        begins_branch, begins_group = row.branch not in seen, row.parallel_group not in seen
        seen |= {row.branch, row.parallel_group}
        if (first is not None and row.step_id < first) or (last is not None and row.step_id > last):
            continue
        indent = "  " * (levels[row.branch] + (row.kind != "change"))
        mark = f"↳{row.parent_step_id or '?'} " if begins_branch else ""
        if row.parallel_group is not None:
            mark += "╓ " if begins_group else "║ "
        mark += "" if row.executed else "✗ "
        badge = f"S{row.state}".ljust(state_width)
        line = f"{badge} {row.kind:<7} {row.step_id:>{number_width}}  {indent}{mark}{row.label}"
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
    return "\n".join(lines)


def _branch_levels(tree: TraceTree) -> dict[str | None, int]:
    """How many sub-agents deep each branch is; 0: the main agent."""
    levels: dict[str | None, int] = {None: 0}
    branch_of: dict[int, str | None] = {}
    for row in tree.rows:
        branch_of[row.step_id] = row.branch
        if row.branch not in levels:
            levels[row.branch] = levels[branch_of.get(row.parent_step_id or ROOT)] + 1
    return levels
