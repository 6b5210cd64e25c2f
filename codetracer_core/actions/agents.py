"""What agents bring along as commands: their file editor, patches, and the lines that end a run."""

import re

from codetracer_core.actions.effects import Effect, changes, explores, shown
from codetracer_core.actions.options import Call

_SUBMISSIONS = ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT")


def echo(call: Call) -> Effect:
    """Printing; the line that mini-SWE-agent takes as its end is a submission."""
    if any(mark in word for word in call.args for mark in _SUBMISSIONS):
        return explores("submits the work", "submit")
    return explores("stays within the shell", "shell")


_EDITOR_VERBS = {
    "create": "creates",
    "str_replace": "edits",
    "insert": "edits",
    "append": "edits",
    "edit": "edits",
    "write": "writes",
    "undo_edit": "takes back an edit of",
    "delete": "deletes",
    "rename": "renames",
}


def judge_editor(command: str, path: str) -> Effect:
    """The editor that SWE-agent, OpenHands and others share: its command decides."""
    where = [path] if path else []
    if command == "view":
        return explores(f"views {shown(path) or 'a file'}", "read", where)
    if verb := _EDITOR_VERBS.get(command):
        return changes(f"{verb} {shown(path) or 'a file'}", "edit", where)
    return changes(f"unknown editor command {shown(command, 30) or '(none)'} counts as change", "edit", where)


def editor_command(call: Call) -> Effect:
    """``str_replace_editor view /path`` typed as a command line, as SWE-agent 1.x stores it."""
    command, path = (*call.args[:2], "", "")[:2]
    return judge_editor(command, path)


_PATCHED_FILE = re.compile(r"^\*\*\* (?:Update|Add|Delete) File: (.+)$|^\+\+\+ (?:b/)?(\S+)", re.MULTILINE)


def judge_patch(text: str) -> Effect:
    """A patch in the text of an action changes the files that it names."""
    files = list(dict.fromkeys(first.strip() or second for first, second in _PATCHED_FILE.findall(text)))
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return changes(f"patches {shown(files[0]) if files else 'files'}{more}", "edit", files[:4])


def apply_patch(call: Call) -> Effect:
    return judge_patch(call.stdin or " ".join(call.args))
