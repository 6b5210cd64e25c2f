"""What one step of an agent means for a replay, by the agents' own ways of writing it down.

Only what is known for certain is done again: commands of a shell, edits whose meaning is known (``edit_calls``). What
only looked, thought or talked leaves the state as it was. All else is *not replayable*, with the reason.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from codetracer_core.actions import Decision, classify, shown
from codetracer_core.actions.options import names
from codetracer_core.actions.tools import KEYBOARDS, PYTHONS, SHELLS, first_text, shell_command, tool_key, written_call
from codetracer_core.models import Step
from codetracer_core.replay import meanings
from codetracer_core.replay.edit_calls import NoMeaning, edits_of, refused, typed_patch, window_values
from codetracer_core.replay.keystrokes import opens_program
from codetracer_core.replay.meanings import Meaning, nothing, unknown

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Around:
    """What must be known of the run to understand a step."""

    plain_is_command: bool
    """An action without a tool call is a command line."""
    own_commands: bool
    """SWE-agent's own commands (``open``, ``edit`` …) stand where commands stand."""
    folder: str
    session: bool
    open_file: str
    """In SWE-agent's window before the step, or after it if only that is known."""
    branches: frozenset[int]
    """Steps whose sub-agents' steps are steps of the run."""


def meaning_of(step: Step, around: Around) -> Meaning:
    decision = classify(step)
    if step.is_message or not step.executed:
        return nothing(decision.reason)
    call = (step.tool.name, step.tool.arguments) if step.tool is not None else written_call(step.action)
    try:
        if call is None:
            return _of_text(step, decision, around)
        name, arguments = call
        values: Values = {} if isinstance(arguments, str) else arguments
        return _of_call(tool_key(name), values, arguments if isinstance(arguments, str) else step.action,
                        step, decision, around)  # fmt: skip
    except NoMeaning as error:
        if refused(step.observation):
            return nothing("the editor refused this edit")
        return unknown(f"{decision.reason}: {error}")


_NOT_RUN = re.compile(
    r"\s*(?:<tool_use_error>|\[Request interrupted by user for tool use\]|The user doesn't want to proceed"
    r"|(?:ERROR: )?Cannot execute multiple commands at once|(?:exec command|patch) rejected by user"
    r"|\[Operation Cancelled\]|Error: No such tool available)"
)


def _of_call(key: str, values: Values, text: str, step: Step, decision: Decision, around: Around) -> Meaning:
    if step.observation is not None and _NOT_RUN.match(step.observation):
        return nothing("the harness refused the call, as its answer says")
    if not key:
        return unknown("a call that names no tool")
    if key in SHELLS:
        return _of_shell(values, text, step, decision, around)
    if key in KEYBOARDS:
        return unknown(decision.reason)  # keys typed into a terminal are read together: see ``keystrokes``
    if decision.purpose == "delegate" and decision.kind == "change":
        if step.step_id in around.branches:
            return nothing("starts a sub-agent, whose own steps are run again in their places")
        return unknown(decision.reason)
    if key in PYTHONS:
        return _of_python(first_text(values, "code", "source", "script", "input") or text, step, decision)
    if decision.kind == "explore":
        return nothing(decision.reason)
    done = edits_of(key, values, text, around.open_file)
    if done is None:
        return unknown(decision.reason)
    return _edited(done, step, decision)


def _edited(done: tuple[Any, ...], step: Step, decision: Decision) -> Meaning:
    if refused(step.observation):
        return nothing("the editor refused this edit, as its answer says")
    unsaid = "the run does not say whether it was made" if step.observation is None else ""
    return meanings.edits(done, unsaid)


# ---------------------------------------------------------------- plain text

_LOOKS = names(
    "open goto scroll_up scroll_down search_dir search_file find_file search_repo set_cursors filemap view_image think"
    " decompile disassemble exit_forfeit exit_cost exit_context exit_error exit_format exit_api"
)
_SESSIONS = re.compile(r"(?:connect|debug)_\w+")


def _of_text(step: Step, decision: Decision, around: Around) -> Meaning:
    """An action that is no tool call."""
    action = step.action
    if not action.strip():
        return nothing("nothing runs")
    if around.own_commands:
        first = action.split(None, 1)[0]
        if first in _LOOKS and not re.search(r"&&|;|>|\n", action.strip()):
            return nothing(decision.reason)
        if _SESSIONS.fullmatch(first):
            return unknown("a command of the agent's own, which talks to a program it keeps open")
        if first in ("str_replace_editor", "str_replace_based_edit_tool"):
            if decision.kind == "explore":
                return nothing(decision.reason)
            done = edits_of("strreplaceeditor", {}, action, "")
            return _edited(done or (), step, decision)
        if (window := window_values(action)) is not None:
            return _edited(edits_of(*window, action, around.open_file) or (), step, decision)
    if around.plain_is_command:
        return _of_command(action.rstrip("\n"), decision, step, around)
    return unknown("an action without a tool: what it did is not known")


# ---------------------------------------------------------------- shells

_SUBMITS = re.compile(
    r"\s*(?:cd\s+[^\s;&|]+\s*&&\s*)?echo\s+['\"]?(?:COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT|MINI_SWE_AGENT_FINAL_OUTPUT)['\"]?"
    r"(?:\s*(?:&&|;)\s*git (?:add|diff|status)[^;&|\n]*)*\s*"
)


def _of_shell(values: Values, text: str, step: Step, decision: Decision, around: Around) -> Meaning:
    values, given = shell_command(values)
    if values.get("is_input") in (True, "true"):
        keys = str(given or "").strip()
        if keys in ("C-c", ""):
            return nothing("interrupts what runs, which here the time limit does" if keys else "waits")
        return unknown("types into the running program: what that makes of it is not known")
    if given is None:
        if values.get("restart") or values.get("reset"):
            return nothing("restarts the shell: its folder and variables go on here")
        given = "" if values else text
    if isinstance(given, list):  # as Codex writes it
        words = [str(word) for word in given]
        if words[:1] == ["apply_patch"] and len(words) == 2:
            return _edited(edits_of("applypatch", {"input": words[1]}, "", "") or (), step, decision)
        is_script = len(words) == 3 and words[1] in ("-c", "-lc")
        given = words[2] if is_script else shlex.join(words)
    line = str(given)
    if line.strip() in ("C-c", "C-z", "C-d"):
        stops = line.strip() == "C-c"
        return nothing("interrupts what runs, which here the time limit does") if stops else unknown(decision.reason)
    if not line.strip():
        return nothing("waits")
    meaning = _of_command(line, decision, step, around)
    if meaning.deed != "command":
        return meaning
    if any(values.get(key) in (True, "true") for key in ("run_in_background", "is_background", "background")):
        why = "; ".join(part for part in ("runs in the background, its output is not read", meaning.why) if part)
        meaning = Meaning("command", why, f"{{ {line}\n}} >/dev/null 2>&1 &", compared=False)
    place = first_text(values, "workdir", "cwd", "directory", "dir_path")
    if place and posixpath.normpath(posixpath.join(around.folder, place)) != around.folder:
        inside = f"cd {shlex.quote(place)} && {meaning.command}"
        meaning = replace(meaning, command=f"( {inside}\n)" if around.session else inside)
    return meaning


def _of_command(line: str, decision: Decision, step: Step, around: Around) -> Meaning:
    if _SUBMITS.fullmatch(line) or (decision.purpose == "submit" and decision.kind == "explore"):
        return nothing("hands in the work: nothing is run")
    if (done := typed_patch(line)) is not None:
        return _edited(done, step, decision)
    return meanings.command(line, _doubts(line, decision))


_BACKGROUND = re.compile(r"(?<![&>|])&\s*(?:$|\n|;|\))")
_SUDO = re.compile(r"(?:^|[|;&(\n][ \t]*)(?:sudo|doas|su)\b")


def _doubts(line: str, decision: Decision) -> str:
    """Why a command is likely to do something else here; empty: nothing speaks for that."""
    doubts = []
    if decision.purpose in ("install", "network"):
        doubts.append(f"{decision.reason}, which needs the network")
    if opened := opens_program(line):
        doubts.append(f"{opened} waits for keys, of which it gets none here")
    if _BACKGROUND.search(line):
        doubts.append("leaves something running in the background")
    if _SUDO.search(line):
        doubts.append("asks for the rights of another user")
    return "; ".join(doubts)


# ---------------------------------------------------------------- Python of a notebook

_BASH_CELL = re.compile(r"\s*%%(?:bash|sh)[ \t]*\n(?P<script>.*)", re.DOTALL)


def _of_python(code: str, step: Step, decision: Decision) -> Meaning:
    if (cell := _BASH_CELL.fullmatch(code)) is not None:
        return meanings.command(cell["script"].rstrip("\n"), "a shell cell of a notebook")
    lines = [line for line in code.split("\n") if line.strip()]
    if lines and all(line.startswith("!") and not line.startswith("!!") for line in lines):
        return meanings.command("\n".join(line[1:] for line in lines), "a shell cell of a notebook")
    if decision.kind == "explore":
        return nothing(decision.reason)
    if refused(step.observation):
        return nothing("the editor refused this edit, as its answer says")
    return unknown("Python of a notebook, whose variables live on between steps")


def told(step: Step) -> str:
    """What a step that is not run did, in the agent's own words."""
    if step.tool is None:
        return step.action
    text = step.action if isinstance(step.tool.arguments, str) else json.dumps(step.tool.arguments, ensure_ascii=False)
    return f"{shown(step.tool.name, 60)} {text}" if text == step.action or step.action.startswith("{") else step.action
