"""The first message: what a model is told of a run before it asks anything."""

from codetracer_core.diagnosis.looking import outcome_of, tests_over_time
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN, Reading, capped, page, steps_of
from codetracer_core.diagnosis.tree_map import kinds_in_words, whole_tree
from codetracer_core.diagnosis.visible import QUOTED_TEXT, as_read, inline
from codetracer_core.models import Branch


def overview(reading: Reading, tokens: int = 6_000) -> str:
    """What a model is told of a run before it asks anything, in about ``tokens``: task, size, outcome (if shown),
    tests, sub-agents, and the tree as far as there is room."""
    run = reading.trajectory
    room = tokens * CHARACTERS_PER_TOKEN
    kinds = kinds_in_words(reading.tree.rows)
    parts = [
        QUOTED_TEXT,
        f"A run of the agent {inline(run.agent or 'not named', 60)}, {steps_of(reading)} ({kinds}).",
    ]
    if run.exit_status:
        parts.append(f"How the agent's own log says it ended: {inline(run.exit_status)}")
    parts += outcome_of(reading, room // 8)
    parts += capped("Sub-agents:", [_told(branch) for branch in run.branches], room // 8)
    task = as_read(run.task_text or "").text
    if task.strip():
        parts.append(page("task (read_task reads on)" if len(task) > room // 4 else "task", task, 0, room // 4))
    parts += tests_over_time(reading, room // 8)
    left = max(room - sum(len(part) + 1 for part in parts), room // 4)
    return "\n".join([*parts, "The trace tree:", whole_tree(reading, left)])


def _told(branch: Branch) -> str:
    began = f"started by step {branch.parent_step_id}" if branch.parent_step_id else "not known which step started it"
    return f"- {inline(branch.branch_id, 40)} {inline(branch.name, 60)}, {began}"
