"""What the structured tools of agents do (Read, Edit, Bash, str_replace_editor, bash_command …).

A tool is known by its name without case and punctuation, and without the server's name of an MCP tool. A tool
that no table knows counts as change unless its own name says that it only reads.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from codetracer_core.actions.agents import judge_editor, judge_patch
from codetracer_core.actions.databases import judge_sql
from codetracer_core.actions.effects import Effect, changes, combined, explores, shown
from codetracer_core.actions.options import names
from codetracer_core.actions.python_code import judge_python
from codetracer_core.actions.shell import judge_shell

Arguments = Mapping[str, Any]

PATH_ARGUMENTS = ("file_path", "path", "notebook_path", "absolute_path", "filename", "file", "dir_path", "target_file")
COMMAND_ARGUMENTS = ("command", "cmd", "script", "keystrokes", "input", "code", "chars")


def judge_tool(name: str, arguments: Arguments | str, action: str) -> Effect:
    """The effect of one call; ``action`` is the call as text, for tools whose arguments were no JSON object."""
    if not name.strip():
        return changes("a call that names no tool counts as change")
    key = tool_key(name)
    values: Arguments = {} if isinstance(arguments, str) else arguments
    if key in SHELLS:
        return _judge_shell_tool(values, action)
    if key in KEYBOARDS:
        typed = first_text(values, *COMMAND_ARGUMENTS) if values else action
        return judge_keystrokes(typed, typed_into_program=key == "writestdin")
    if (judge := _JUDGED.get(key)) is not None:
        return judge(values, action)
    if (known := _ALWAYS.get(key)) is not None:
        path = first_text(values, *PATH_ARGUMENTS)
        told = path or (first_text(values, "pattern", "query", "url") if known.purpose in ("search", "network") else "")
        told = told or ("a file" if known.reason in ("reads", "edits", "writes", "deletes") else "")
        return Effect(known.change, f"{known.reason} {shown(told)}".rstrip(), known.purpose, (path,) if path else ())
    if isinstance(values.get("sql"), str):
        return judge_sql([values["sql"]])
    words = _name_words(name)
    words = words[words[:1] == ["browser"] :]
    if words[:1] == ["git"] and len(words) > 1:
        return judge_shell(f"git {'-'.join(words[1:])}")
    if words and words[0] in _READING_WORDS and not _WRITING_WORDS.intersection(words):
        return explores(f"{shown(name, 40)} only reads, judging by its name")
    if words and words[-1] in ("search", "lookup", "query") and not _WRITING_WORDS.intersection(words):
        return explores(f"{shown(name, 40)} only reads, judging by its name", "search")
    return changes(f"unknown tool {shown(name, 40)} counts as change")


_WRITTEN_CALL = re.compile(r"\s*<function=(?P<name>[\w.-]+)>(?P<body>.*?)(?:</function>\s*)?", re.DOTALL)
_WRITTEN_ARGUMENT = re.compile(r"<parameter=(?P<key>[\w.-]+)>(?P<value>.*?)</parameter>", re.DOTALL)


def written_call(action: str) -> tuple[str, Arguments] | None:
    """Name and arguments of a call that is written out as text; None: it is none."""
    if (call := _WRITTEN_CALL.fullmatch(action)) is None:
        return None
    arguments = {found["key"]: found["value"].strip("\n") for found in _WRITTEN_ARGUMENT.finditer(call["body"])}
    return call["name"], arguments


def judge_text(action: str) -> Effect:
    """An action that is no tool call: a command line, or a call written out as text.

    ``<function=…>`` is how models without tool calls are asked to write, an object with ``commands`` is a reply to
    Terminus.
    """
    if (call := written_call(action)) is not None:
        return judge_tool(*call, action)
    if (reply := written_reply(action)) is not None:
        typed, is_complete = reply
        ending = [explores("ends the run", "submit")] if is_complete else []
        return combined([*map(judge_keystrokes, typed), *ending])
    return judge_shell(action)


def written_reply(action: str) -> tuple[list[str], bool] | None:
    """What a whole reply to Terminus types, command by command, and whether it says that the task is complete; None:
    the action is none. So it stands in runs that were recorded without tool calls."""
    if not action.lstrip().startswith("{") or '"commands"' not in action:
        return None
    try:
        reply = json.loads(action)
    except (ValueError, RecursionError):
        return None
    commands = reply.get("commands") if isinstance(reply, dict) else None
    if not isinstance(commands, list):
        return None
    typed = [str(entry.get("keystrokes", "")) if isinstance(entry, dict) else str(entry) for entry in commands]
    return typed, reply.get("task_complete") is True


def tool_key(name: str) -> str:
    """A tool's name as the tables know it: "mcp__files__read_file" and "ReadFile" are both "readfile"."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition("__")[2].lower())


_NAME_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_READING_WORDS = names(
    "get list read search find view show fetch describe lookup look query check inspect count browse screenshot wait"
    " grep glob cat print observe detect verify assert is has help explain summarize snapshot scroll resolve"
)
_WRITING_WORDS = names(
    "set write create update delete remove edit insert send post put move rename upload save execute run apply install"
    " replace commit push add click type fill submit drop kill start stop"
)


def _name_words(name: str) -> list[str]:
    return [word.lower() for word in _NAME_WORD.findall(name.rpartition("__")[2])]


def first_text(values: Arguments, *keys: str) -> str:
    """The first of these arguments that is a text and not empty, else an empty text."""
    return next((str(values[key]) for key in keys if isinstance(values.get(key), str) and values[key]), "")


# ---------------------------------------------------------------- shells and keyboards

SHELLS = names(
    "bash executebash run terminal shell localshell localshellcall runshellcommand runcommand exec execcommand"
    " executecommand containerexec cmdrun cmdrunaction terminalaction runterminalcmd runinterminal shellcommand monitor"
)
PYTHONS = names("runipython executeipythoncell ipython python executepython jupyter runcode pythontool")
KEYBOARDS = names("bashcommand keystrokes sendkeys writestdin typekeys tmuxsendkeys")


def shell_command(values: Arguments) -> tuple[Arguments, object]:
    """The arguments of a shell's call, and the command among them (text, or a list of words); None: there is none."""
    if isinstance(values.get("action"), dict):  # Codex's local_shell
        values = values["action"]
    return values, next((values[key] for key in COMMAND_ARGUMENTS if values.get(key) is not None), None)


def _judge_shell_tool(values: Arguments, action: str) -> Effect:
    values, command = shell_command(values)
    if values.get("is_input") in (True, "true") or (isinstance(command, str) and command in _STOPPING_KEYS):
        return judge_keystrokes(str(command or ""), typed_into_program=True)
    if isinstance(command, list):  # Codex: ["bash", "-lc", "…"]
        command = shlex.join(str(word) for word in command)
    if command is None:
        if values.get("restart") or values.get("reset"):
            return changes("restarts the shell")
        command = "" if values else action
    return judge_shell(str(command))


KEY_NAME = re.compile(
    r"(?:C-|M-|S-|\^)\S|Enter|Escape|Esc|Tab|BTab|Space|BSpace|DC|Up|Down|Left|Right|Home|End|PageUp|PageDown"
    r"|PPage|NPage|F\d{1,2}"
)
_STOPPING_KEYS = {
    "C-c": "interrupts what runs",
    "C-z": "suspends what runs",
    "C-d": "ends the input or the shell",
    "C-\\": "quits what runs",
}
_CONTROL_KEYS = {"\x03": "C-c", "\x04": "C-d", "\x1a": "C-z", "\x1c": "C-\\", "\x0c": "C-l", "\r": "Enter"}
_HARMLESS_KEYS = names(
    "Enter Escape Esc Tab Space Up Down Left Right Home End PageUp PageDown PgUp PgDn PPage NPage C-l"
)
_LEAVES_A_VIEWER = names("q Q :q :q!")
_SAVES = re.compile(r"(?:\x1b|Escape )?:(?:w|wa|wq|wqa|x|xa)!?")
_ANSWERS = names("y Y yes Yes YES n N no No")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TRAILING_ENTER = re.compile(r"(?:\s+(?:Enter|C-m))+\s*$")


def judge_keystrokes(text: str, *, typed_into_program: bool = False) -> Effect:
    """Keys typed into a terminal: a command line, named keys (``C-c``), or an answer to a program.

    What a program makes of keys cannot be known, so all keys that are no readable command count as change.
    """
    typed = text.strip(" \t\r\n")
    if not typed:
        return explores("waits", "wait")
    keys = [_CONTROL_KEYS.get(key, key) for key in typed.split(" ")]
    if all(KEY_NAME.fullmatch(key) for key in keys):
        return _judge_named_keys(keys)
    if typed in _LEAVES_A_VIEWER:
        return explores("leaves a viewer", "shell")
    if typed in _ANSWERS:
        return changes(f"answers a prompt ({typed}), what it confirms is not seen")
    if _SAVES.fullmatch(typed):
        return changes("saves a file in an editor", "edit")
    if typed_into_program:
        return changes("types into the running program, what that does is not seen")
    if _CONTROL_CHARACTER.search(typed):
        return changes("types control keys into a program, what that does is not seen")
    return judge_shell(_TRAILING_ENTER.sub("", text))


def _judge_named_keys(keys: list[str]) -> Effect:
    for key in keys:
        if key in _STOPPING_KEYS:
            return changes(f"{_STOPPING_KEYS[key]} ({key})")
    repeats_a_command = "Enter" in keys and not {"Up", "Down"}.isdisjoint(keys)
    if repeats_a_command or not _HARMLESS_KEYS.issuperset(keys):
        return changes(f"presses {shown(' '.join(keys), 30)}, what that does is not seen")
    return explores("waits" if set(keys) == {"Enter"} else "moves on the screen", "wait")


# ---------------------------------------------------------------- tools that always do the same

_ALWAYS: dict[str, Effect] = {
    **dict.fromkeys(
        names("read readfile viewfile openfile open view cat readmanyfiles notebookread viewimage readimage fileread"),
        explores("reads"),
    ),
    "lsp": explores("asks the language server", "search"),
    **dict.fromkeys(names("ls listdirectory listdir listfiles scrollup scrolldown goto filemap"), explores("lists")),
    **dict.fromkeys(
        names("glob grep findfile searchdir searchfile searchfiles searchfilecontent grepsearch filesearch toolsearch")
        | names("codebasesearch semanticsearch ripgrep search findfiles searchcode listcodedefinitionnames"),
        explores("searches", "search"),
    ),
    **dict.fromkeys(
        names("websearch webfetch googlewebsearch fetch fetchurl browse websearchcall searchweb browserurl urlfetch")
        | names("webread"),
        explores("looks at the web", "network"),
    ),
    **dict.fromkeys(
        names("navigate browsernavigate browserview browserscreenshot screenshot takescreenshot browsersnapshot")
        | names("browsertakescreenshot browsergoback"),
        explores("looks at a page", "network"),
    ),
    **dict.fromkeys(names("waitfor wait sleep"), explores("waits", "wait")),
    **dict.fromkeys(names("assert"), explores("checks a condition", "test")),
    **dict.fromkeys(names("browserclick browsertype browserfill click fill"), changes("acts on a page", "network")),
    **dict.fromkeys(names("runtests runtest testfailure"), explores("runs tests", "test")),
    **dict.fromkeys(
        names("todowrite todoread tasktracker updateplan writetodos updatetopic tasktracking taskcreate taskupdate")
        | names("tasklist taskget todolist"),
        explores("writes the agent's own notes, not the environment", "plan"),
    ),
    **dict.fromkeys(
        names("think thought sequentialthinking exitplanmode enterplanmode planmode"),
        explores("thinks, nothing runs", "plan"),
    ),
    **dict.fromkeys(
        names("finish submit done marktaskcomplete attemptcompletion taskcomplete completetask complete exit"),
        explores("ends the run", "submit"),
    ),
    **dict.fromkeys(
        names("askuserquestion askfollowupquestion askuser requestuserinput message"),
        explores("talks to the user", "message"),
    ),
    **dict.fromkeys(
        names("taskoutput bashoutput agentoutput readterminal getterminaloutput commandstatus"),
        explores("reads the output of a background command"),
    ),
    **dict.fromkeys(names("taskstop killbash killshell killterminal"), changes("stops a background command", "run")),
    **dict.fromkeys(
        names("system changeagentstate condensation condensationrequest requestcondensation nullaction recall")
        | names("skill loadskill activateskill"),
        explores("the agent's own bookkeeping", "plan"),
    ),
    **dict.fromkeys(
        names("multiedit notebookedit replace searchreplace editfile strreplace applydiff fileedit"),
        changes("edits", "edit"),
    ),
    **dict.fromkeys(
        names("write writefile writetofile createfile create filewrite newfile"), changes("writes", "edit")
    ),
    **dict.fromkeys(names("deletefile removefile"), changes("deletes", "edit")),
    **dict.fromkeys(names("savememory"), changes("writes the agent's memory file", "edit")),
    **dict.fromkeys(
        names("delegate delegatetoagent slashcommand callmcptool calltoolmcp mcp spawnagent sendinput"),
        changes("hands work to others, who may change anything", "delegate"),
    ),
    "codebaseinvestigator": explores("hands work to a sub-agent that only reads", "delegate"),
}


# ---------------------------------------------------------------- tools whose arguments decide


def _editor(values: Arguments, action: str) -> Effect:
    command, path = first_text(values, "command"), first_text(values, *PATH_ARGUMENTS)
    if not values and action:
        return judge_shell(f"str_replace_editor {action}")
    return judge_editor(command, path)


def _edit(values: Arguments, action: str) -> Effect:
    """OpenHands' ``edit`` event carries the editor's command; without a path it is SWE-agent's open file."""
    path = first_text(values, *PATH_ARGUMENTS)
    command = first_text(values, "command")
    return judge_editor(command or "edit", path) if path else changes("edits the open file", "edit")


def _python(values: Arguments, action: str) -> Effect:
    code = first_text(values, "code", "source", "script", "input", "command") if values else action
    return judge_python(code, judge_shell) if code.strip() else explores("nothing runs", "wait")


def _patch(values: Arguments, action: str) -> Effect:
    return judge_patch(first_text(values, "input", "patch", "diff", "content") or action)


_BROWSER_CALL = re.compile(r"^\s*(\w+)\s*\(", re.MULTILINE)
_BROWSER_LOOKS = names("goto go_back go_forward scroll noop hover focus new_tab tab_focus tab_close send_msg_to_user")


def _browser(values: Arguments, action: str) -> Effect:
    """OpenHands' browser is driven by calls written as text: ``goto("…")``, ``click("12")``."""
    calls = _BROWSER_CALL.findall(first_text(values, "code", "browser_actions") if values else action)
    if calls and _BROWSER_LOOKS.issuperset(calls):
        return explores("looks at a page", "network")
    return changes("acts on a page", "network")


def _agent(values: Arguments, action: str) -> Effect:
    kind = first_text(values, "subagent_type", "agent_type")
    if kind.lower() in ("explore", "plan", "search", "codebase_investigator"):
        return explores(f"hands work to a sub-agent that only reads ({shown(kind, 30)})", "delegate")
    return changes("hands work to a sub-agent, which may change anything", "delegate")


_JUDGED: dict[str, Callable[[Arguments, str], Effect]] = {
    **dict.fromkeys(names("strreplaceeditor fileeditor strreplacebasededittool texteditor editor memory"), _editor),
    **dict.fromkeys(names("edit insert append"), _edit),
    **dict.fromkeys(PYTHONS, _python),
    **dict.fromkeys(names("applypatch patch"), _patch),
    **dict.fromkeys(names("browser browserinteractive browseinteractive"), _browser),
    **dict.fromkeys(names("task agent"), _agent),
}
