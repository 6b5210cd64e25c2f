"""A checkpoint: everything before a step of a run, and what will be done for each of these steps, before any is run."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from codetracer_core.actions import classify
from codetracer_core.errors import NotFound
from codetracer_core.models import Step, Trajectory
from codetracer_core.replay.deeds import Around, meaning_of, told
from codetracer_core.replay.keystrokes import is_typed, typed
from codetracer_core.replay.meanings import Meaning
from codetracer_core.replay.models import Checkpoint, PlannedStep
from codetracer_core.replay.observations import folder_of_screen, recorded, screens


def checkpoint(trajectory: Trajectory, step_id: int) -> Checkpoint:
    """Everything before ``step_id`` (1 to one more than the number of steps). Raises NotFound for another number."""
    if not 1 <= step_id <= trajectory.step_count + 1:
        raise NotFound(f"the run has no step {step_id}", remedy=f"Choose a step from 1 to {trajectory.step_count + 1}.")
    shell, folder = shell_of(trajectory), folder_of(trajectory)
    planned = tuple(_planned(trajectory, trajectory.steps[: step_id - 1], shell, folder))
    files = dict.fromkeys(name for step in planned for name in step.files)
    return Checkpoint(step_id=step_id, steps=planned, shell=shell, folder=folder, files=tuple(files))


_NO_PLAIN_COMMANDS = frozenset(
    {"atif", "claude-code", "codex", "gemini-cli", "openhands", "openhands-completions", "openhands-sdk"}
)
"""Formats in which every command is a tool call: text without one is something else."""


def _planned(trajectory: Trajectory, before: Sequence[Step], shell: str, folder: str) -> Iterator[PlannedStep]:
    keys, shown_on_screen = typed(before), screens([step for step in trajectory.steps if is_typed(step)])
    branches = frozenset(branch.parent_step_id for branch in trajectory.branches if branch.parent_step_id is not None)
    windows = _windows(before)
    for step in before:
        meaning = keys.get(step.step_id) or meaning_of(
            step,
            Around(
                plain_is_command=trajectory.format not in _NO_PLAIN_COMMANDS,
                own_commands=trajectory.format == "swe-agent",
                folder=folder,
                session=shell == "session",
                open_file=windows.get(step.step_id, ""),
                branches=branches,
            ),
        )
        record = shown_on_screen.get(step.step_id) or recorded(step)
        if step.branch is not None and meaning.deed == "command":
            meaning = Meaning("command", meaning.why or "of a sub-agent, which had a shell of its own", meaning.command)
        yield PlannedStep(
            step_id=step.step_id,
            deed=meaning.deed,
            command=meaning.command or told(step),
            edits=meaning.edits,
            why=meaning.why,
            expected=record.text if meaning.compared else None,
            on_screen=record.on_screen or trajectory.view == "agent.log",
            expected_exit=record.exit_code if meaning.compared else None,
            files=_files(step, meaning),
        )


def _files(step: Step, meaning: Meaning) -> tuple[str, ...]:
    """The files that a step changes, as it names them."""
    if meaning.deed == "edit":
        moved = (edit.text for edit in meaning.edits if edit.kind == "move")
        return tuple(dict.fromkeys([*(edit.path for edit in meaning.edits), *moved]))
    decision = classify(step)
    changes = decision.kind == "change" and decision.purpose in ("edit", "output")
    return decision.targets if changes and meaning.deed != "nothing" else ()


_WINDOW = re.compile(r"^\[File: (?P<path>.+?) \(\d+ lines total\)\]", re.MULTILINE)


def _windows(steps: Iterable[Step]) -> dict[int, str]:
    """The file in SWE-agent's window at each step: as the step's own answer shows it, else as the last one did."""
    found: dict[int, str] = {}
    path = ""
    for step in steps:
        shown = list(_WINDOW.finditer((step.observation or "").replace("\r\n", "\n")))
        if shown and (shown[-1]["path"].startswith("/") or not path.endswith(f"/{shown[-1]['path']}")):
            path = shown[-1]["path"]
        found[step.step_id] = path
    return found


# ---------------------------------------------------------------- the shell

_FRESH = frozenset({"mini-swe-agent", "codex", "gemini-cli"})
_SESSION = frozenset({"swe-agent", "openhands", "openhands-completions", "openhands-sdk", "terminus2", "claude-code"})
_FRESH_AGENT = re.compile(r"mini|codex|gemini", re.IGNORECASE)
_CHANGES_FOLDER_ONLY = re.compile(r"\s*cd\s+[^\s;&|]+\s*")


def shell_of(trajectory: Trajectory) -> Literal["fresh", "session"]:
    """How the original ran its commands.

    Of formats that many agents write the agent's name decides; of an unknown agent a command that only changes the
    folder, which in a shell of its own would be for nothing."""
    if trajectory.format in _FRESH:
        return "fresh"
    if trajectory.format in _SESSION:
        return "session"
    if trajectory.format == "atif":
        return "fresh" if _FRESH_AGENT.search(trajectory.agent or "") else "session"
    goes = any(_CHANGES_FOLDER_ONLY.fullmatch(step.action) for step in trajectory.steps)
    return "session" if goes else "fresh"


# ---------------------------------------------------------------- the folder

_TOLD_FOLDER = re.compile(
    r"^\[(?:Jupyter c|C)urrent working directory: (?P<openhands>/[^\]\n]*)\]$"
    r"|^\(Current directory: (?P<swe>/[^)\n]*)\)$",
    re.MULTILINE,
)
_TASK_FOLDER = re.compile(
    r"<uploaded_files>\s*(?P<uploaded>/[\w./@+-]+)\s*</uploaded_files>"
    r"|<cwd>(?P<cwd>/[\w./@+-]+)</cwd>"
    r"|(?:in|below) (?:the directory )?(?P<working>/[\w./@+-]+) \(this is the working directory"
    r"|(?:[Ww]orking|[Cc]urrent) directory(?: is)?:? `?(?P<current>/[\w./@+-]+)"
)
_GOES_THERE = re.compile(r"\s*cd\s+(?P<quote>['\"]?)(?P<folder>/[^\s;&|'\"]+)(?P=quote)\s*(?:&&|;|\n|$)")
_TEMPORARY = "/tmp"  # noqa: S108 - a path of the run, nothing is written there
_NOT_A_PROJECT = (_TEMPORARY, "/etc", "/usr", "/var", "/dev", "/proc", "/sys", "/bin", "/lib", "/opt", "/home", "/root")


def folder_of(trajectory: Trajectory) -> str:
    """The folder in which the original worked, where the run tells it, else an empty text.

    Looked up in this order: what a shell call names as its folder, what the harness or a prompt shows first, the task's
    text, where at least half of the commands go before anything else, the folder that all edited files share."""
    steps = trajectory.steps
    named = Counter(place for step in steps if (place := _argument(step)))
    if named:
        return _clean(named.most_common(1)[0][0])
    for step in steps:
        text = step.observation or ""
        if (found := _TOLD_FOLDER.search(text.replace("\r\n", "\n"))) is not None:
            return _clean(found[str(found.lastgroup)])
        if is_typed(step) and (folder := folder_of_screen(text)):
            return _clean(folder)
    if (found := _TASK_FOLDER.search(trajectory.task_text or "")) is not None:
        return _clean(found[str(found.lastgroup)])
    goes = [found["folder"] for step in steps if (found := _GOES_THERE.match(_line(step))) is not None]
    runs = sum(bool(_line(step)) for step in steps)
    if goes:
        most, times = Counter(goes).most_common(1)[0]
        if 2 * times >= runs:
            return _clean(most)
    return _shared(steps)


def _argument(step: Step) -> str:
    if step.tool is None or isinstance(step.tool.arguments, str):
        return ""
    value = step.tool.arguments.get("workdir", step.tool.arguments.get("cwd"))
    return value if isinstance(value, str) and value.startswith("/") else ""


def _line(step: Step) -> str:
    """The action, if it can be a command."""
    return "" if step.is_message or step.action.lstrip().startswith("{") else step.action


def _shared(steps: Iterable[Step]) -> str:
    """The deepest folder that holds all files which structured edits and views name by absolute paths, if there are two
    or more and it is a project's."""
    paths = set()
    for step in steps:
        arguments = step.tool.arguments if step.tool is not None else ""
        values = arguments if isinstance(arguments, dict) else {}
        path = values.get("file_path", values.get("path"))
        if isinstance(path, str) and path.startswith("/") and not path.startswith(f"{_TEMPORARY}/"):
            paths.add(posixpath.normpath(path))
    if len(paths) < 2:
        return ""
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    return "" if folder in ("/", *_NOT_A_PROJECT) else folder


def _clean(folder: str) -> str:
    """Without a slash at the end; the root itself is no folder of a project."""
    folder = posixpath.normpath(folder.strip().rstrip(".,"))
    return folder if folder.startswith("/") and folder not in ("/", "//") else ""
