"""A run as the step viewer shows it: what goes to the browser, without the browser and without Streamlit.

The files of the viewer itself lie in ``frontend/``; the dashboard and the self-contained page read them through
``frontend_text``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetracer_core.models import RUN_FIELDS, STEP_FIELDS, LabelEvent, SourceRef, Stage, Step, Trajectory
from codetracer_core.parsers import strip_ansi
from codetracer_core.tree import TraceTree
from codetracer_core.words import outcome_alone

VIEWER_SCRIPTS = (
    *("vendor/prism.min.js", "text.js", "keys.js", "outbox.js", "lagging.js", "place.js"),
    *("texts.js", "find.js", "marks.js", "naming.js", "head.js", "splitter.js", "task.js"),
    *("tree.js", "detail.js", "quotes.js", "drafts.js", "why.js", "omission.js", "run_panel.js", "stages.js"),
    *("worked.js", "positions.js", "adjudicate.js", "guidelines.js", "queue.js", "walk.js", "viewer.js"),
)
VIEWER_STYLES = ("palette.css", "marks.css", "viewer.css")
WINDOW_CHARACTERS = 400_000
"""How much step text one answer holds at most; the step asked for first is always in it."""
FIELD_CHARACTERS = 40_000
"""Longer texts are cut in windows; "open all" fetches the whole step."""
MOST_HITS = 2_000
MOST_TESTS = 8
"""So many of the tests that did not pass are named beside the steps; the overview has them all."""

_FRONTEND = Path(__file__).with_name("frontend")


@dataclass(frozen=True)
class Said:
    """What one person (or one source) says of a run: the labels in force."""

    of_steps: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    """By field (``STEP_FIELDS``), then by step."""
    of_run: Mapping[str, Any] = field(default_factory=dict)
    """By field (``RUN_FIELDS``)."""

    @property
    def verdicts(self) -> Mapping[int, str]:
        return self.of_steps.get("verdict", {})

    @property
    def details(self) -> Mapping[int, Mapping[str, Any]]:
        return self.of_steps.get("details", {})

    @property
    def stages(self) -> tuple[Stage, ...] | None:
        """The stages that this person drew; None: none drawn (empty: no step is in a stage)."""
        drawn = self.of_run.get("stages")
        return None if drawn is None else tuple(Stage.model_validate(stage) for stage in drawn)

    def as_json(self) -> dict[str, Any]:
        """As the viewer takes it."""
        steps = {name: {str(step): value for step, value in of.items()} for name, of in self.of_steps.items()}
        return {"ofSteps": steps, "ofRun": dict(self.of_run)}


def said(labels: Iterable[LabelEvent]) -> Said:
    """Label events in force, sorted by what they say; later events of one step and field win.

    Stages of one's own are complete: what a file of labels left out of them is filled in.
    """
    of_steps: dict[str, dict[int, Any]] = {}
    of_run: dict[str, Any] = {}
    for label in labels:
        if label.step_id is None and label.field in RUN_FIELDS:
            of_run[label.field] = label.value
        elif label.step_id is not None and label.field in STEP_FIELDS:
            of_steps.setdefault(label.field, {})[label.step_id] = label.value
    if "stages" in of_run:
        of_run["stages"] = [Stage.model_validate(stage).model_dump() for stage in of_run["stages"]]
    return Said(of_steps, of_run)


def frontend_text(*names: str) -> str:
    """The text of files of ``frontend/``, one after the other."""
    return "\n".join((_FRONTEND / name).read_text(encoding="utf-8") for name in names)


def viewer_data(
    trajectory: Trajectory,
    tree: TraceTree,
    stages: Sequence[Stage],
    *,
    stages_from: str,
    name: str,
    declared_step_count: int | None = None,
    truth: Mapping[int, str] | None = None,
    whole: bool = False,
) -> dict[str, Any]:
    """What the viewer needs of a run once. ``name`` identifies the run; ``truth`` is sent only if it is given.
    ``whole``: nothing is cut, for whom there is nobody to ask for the rest.

    ``stages_from`` says in words where the stages come from; the viewer shows what stands before the first colon.
    """
    return {
        "run": name,
        "title": title(trajectory, name=name, declared_step_count=declared_step_count),
        "about": about(trajectory, whole=whole),
        "outline": outline(trajectory, tree),
        "stages": [stage.model_dump() for stage in stages],
        "stagesFrom": stages_from,
        "branches": [branch.name or branch.branch_id for branch in trajectory.branches],
        "truthShown": truth is not None,
        "truth": {str(step): verdict for step, verdict in (truth or {}).items()},
    }


def title(trajectory: Trajectory, *, name: str, declared_step_count: int | None) -> dict[str, str]:
    """The line above the viewer; ``name`` stands in where the files name no task."""
    misaligned = ""
    if declared_step_count not in (None, trajectory.step_count):
        misaligned = f"misaligned: {trajectory.step_count} steps here, {declared_step_count} in the manifest"
    return {
        "task": trajectory.task or name,
        "agent": " · ".join(part for part in (trajectory.agent, trajectory.model) if part),
        "outcome": outcome_alone(trajectory.outcome.solved),
        "misaligned": misaligned,
    }


def about(trajectory: Trajectory, *, whole: bool = False) -> dict[str, Any]:
    """What the agent was asked to do, how it ended, and what was noted while its files were read: beside the steps.

    Of the tests those that did not pass are named, at most ``MOST_TESTS`` unless ``whole``.
    """
    outcome, tests = trajectory.outcome, trajectory.tests
    left = [(test.name, test.status) for test in tests if test.status != "passed"]
    return {
        "task": _cut(trajectory.task_text, None if whole else FIELD_CHARACTERS) if trajectory.task_text else None,
        "reason": outcome.reason,
        "source": _where(outcome.source) if outcome.source else "",
        "ending": trajectory.exit_status or "",
        "tests": len(tests),
        "passed": len(tests) - len(left),
        "left": left if whole else left[:MOST_TESTS],
        "notes": list(trajectory.notes),
    }


def outline(trajectory: Trajectory, tree: TraceTree) -> dict[str, Any]:
    """The run as the tree pane needs it: one column per fact, one entry per step."""
    branch_index = {branch.branch_id: i for i, branch in enumerate(trajectory.branches)}
    return {
        "kind": "".join(row.kind[0] for row in tree.rows),
        "state": [row.state for row in tree.rows],
        "label": [row.label for row in tree.rows],
        "reason": [row.reason for row in tree.rows],
        "group": [row.parallel_group or 0 for row in tree.rows],
        "branch": [branch_index[row.branch] if row.branch is not None else -1 for row in tree.rows],
        "exit": [step.exit_code for step in trajectory.steps],
        "executed": [step.executed for step in trajectory.steps],
    }


def step_texts(trajectory: Trajectory, steps: Sequence[int]) -> dict[str, Any]:
    """Text of the steps asked for, in that order, until the window is full; unknown numbers are passed over."""
    texts: dict[str, Any] = {}
    budget = WINDOW_CHARACTERS
    for number in steps:
        if not 1 <= number <= trajectory.step_count:
            continue
        text = _step_text(trajectory.steps[number - 1], FIELD_CHARACTERS)
        budget -= sum(len(text[field]["text"]) for field in ("thought", "action", "observation") if text[field])
        if texts and budget < 0:
            break
        texts[str(number)] = text
    return texts


def whole_step(trajectory: Trajectory, number: int) -> dict[str, Any]:
    """One step with nothing cut."""
    if not 1 <= number <= trajectory.step_count:
        return {}
    return {str(number): _step_text(trajectory.steps[number - 1], None)}


def _step_text(step: Step, limit: int | None) -> dict[str, Any]:
    return {
        "version": "whole" if limit is None else "window",
        "thought": _cut(step.thought, limit) if step.thought else None,
        "action": _cut(step.action, limit),
        "observation": _cut(step.observation, limit) if step.observation is not None else None,
        "tool": step.tool.name if step.tool else None,
        "language": _language(step),
        "arguments": _arguments(step, limit),
        "executed": step.executed,
        "facts": _facts(step),
    }


def _cut(text: str, limit: int | None) -> dict[str, Any]:
    shown = text if limit is None else text[:limit]
    return {"text": shown, "length": len(text), "cut": len(shown) < len(text)}


def _language(step: Step) -> str | None:
    if step.is_message:
        return None
    return "python" if step.tool and "python" in step.tool.name else "bash"


def _arguments(step: Step, limit: int | None) -> list[dict[str, Any]] | None:
    """The arguments of a structured call, one by one; None if the action is the command itself."""
    if step.tool is None or isinstance(step.tool.arguments, str) or step.action in step.tool.arguments.values():
        return None
    return [
        {"name": name, **_cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), limit)}
        for name, value in step.tool.arguments.items()
    ]


def _facts(step: Step) -> list[tuple[str, str]]:
    """Where the step comes from, for the metadata list."""
    refs = (("action", step.action_ref), ("observation", step.observation_ref), ("thought", step.thought_ref))
    facts = [("Native ids", ", ".join(step.native_ids))] if step.native_ids else []
    if step.tool is not None and step.tool.call_id:
        facts.append(("Tool call id", step.tool.call_id))
    if step.timestamp is not None:
        facts.append(("Time", step.timestamp.isoformat(sep=" ")))
    return facts + [(f"Source of the {name}", _where(ref)) for name, ref in refs if ref is not None]


def _where(ref: SourceRef) -> str:
    lines = f"line {ref.line_start}" if ref.line_start == ref.line_end else f"lines {ref.line_start}–{ref.line_end}"
    return f"{ref.path}, {lines}" + (f", {ref.pointer}" if ref.pointer else "")


def find_steps(trajectory: Trajectory, query: str) -> list[dict[str, int]]:
    """Steps whose action, observation or thought contains ``query`` (as text, upper and lower case alike, colours
    left out), with the number of matches; at most ``MOST_HITS`` steps."""
    needle = query.casefold()
    if not needle:
        return []
    hits = []
    for step in trajectory.steps:
        texts = (step.thought, step.action, step.observation)
        count = sum(strip_ansi(text).casefold().count(needle) for text in texts if text)
        if count:
            hits.append({"step": step.step_id, "count": count})
            if len(hits) == MOST_HITS:
                break
    return hits
