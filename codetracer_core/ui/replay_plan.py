"""What a replay will do, before it does anything: what goes to ``frontend/replay_plan.js``. No browser, no Streamlit.

All of it stands in a run: the browser puts it on the page as text.
"""

from collections import Counter
from typing import Any

from codetracer_core.replay.models import Checkpoint, FileEdit, PlannedStep
from codetracer_core.replay.words import plan_words

LONGEST = 4_000
"""Characters of one command, or of each side of an edit."""
LONGEST_EXPECTED = 800
MOST_FILES = 40
"""File names that are listed."""
MOST_EDITS = 20
"""Edits of one step that are shown."""
_EDITS = {
    "write": "write",
    "create": "create",
    "replace": "replace in",
    "insert": "insert into",
    "lines": "replace lines of",
    "delete": "delete",
    "move": "move",
    "undo": "take back the last edit of",
}


def plan_data(plan: Checkpoint, run_id: str) -> dict[str, Any]:
    """The plan as the page shows it."""
    counts = Counter(step.deed for step in plan.steps)
    return {
        "run": run_id,
        "words": plan_words(plan),
        "counts": {deed: counts[deed] for deed in ("command", "edit", "nothing", "not_replayable")},
        "shell": "each command in a fresh shell"
        if plan.shell == "fresh"
        else "one shell session: folder and variables stay",
        "folder": plan.folder,
        "files": list(plan.files[:MOST_FILES]),
        "moreFiles": max(0, len(plan.files) - MOST_FILES),
        "steps": list(map(_step, plan.steps)),
    }


def _step(step: PlannedStep) -> dict[str, Any]:
    told: dict[str, Any] = {
        "step": step.step_id,
        "deed": step.deed,
        "text": shortened(step.command, LONGEST),
        "why": step.why,
        "files": list(step.files[:MOST_FILES]),
    }
    if step.edits:
        told["edits"] = list(map(_edit, step.edits[:MOST_EDITS]))
        told["moreEdits"] = max(0, len(step.edits) - MOST_EDITS)
    if step.expected is not None and step.deed in ("command", "edit"):
        told["expected"] = shortened(step.expected, LONGEST_EXPECTED)
        told["exit"] = step.expected_exit
    return told


def _edit(edit: FileEdit) -> dict[str, Any]:
    return {
        "what": _EDITS[edit.kind],
        "path": edit.path,
        "where": _where(edit),
        "old": shortened(edit.old, LONGEST),
        "new": "" if edit.kind == "move" else shortened(edit.text, LONGEST),
    }


def _where(edit: FileEdit) -> str:
    """Where in the file, or whereto: behind its path."""
    if edit.kind == "move":
        return f" to {edit.text}"
    if edit.kind == "lines":
        return f", {(edit.after_line or 0) + 1}–{edit.through_line}"
    if edit.kind == "insert":
        return " at its end" if edit.after_line is None else f" behind line {edit.after_line}"
    return ", everywhere" if edit.all else ""


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and how much there is more."""
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters"
