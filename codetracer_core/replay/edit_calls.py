"""What the structured edits of agents mean: calls of their editors as edits of files, or why they have no such meaning.

The record has the last word on whether an edit was made: what an editor answered that refused is not done again.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from codetracer_core.actions import shown
from codetracer_core.actions.tools import PATH_ARGUMENTS, first_text
from codetracer_core.replay.models import FileEdit

Values = Mapping[str, Any]


class NoMeaning(Exception):
    """Why an edit cannot be done again, in words."""


def edits_of(key: str, values: Values, text: str, open_file: str) -> tuple[FileEdit, ...] | None:
    """The edits of a call, None if its tool is no editor.

    ``key`` is the tool's name (``actions.tools.tool_key``), ``values`` its arguments, ``text`` the call as it was
    written, ``open_file`` the file in the agent's window (empty: not known). Raises NoMeaning."""
    if (meaning := _EDITORS.get(key)) is not None:
        return meaning(values, text)
    if (in_window := _IN_WINDOW.get(key)) is not None:
        path = first_text(values, *PATH_ARGUMENTS)
        in_full = not path or open_file.endswith(f"/{path}")
        return in_window(values, open_file if in_full else path) if values else None
    return None


_REFUSED = re.compile(
    r"\s*(?:<tool_use_error>|ERROR:|Error\b|Failed to |Ran into \[|No replacement was performed|Invalid `"
    r"|No changes to |(?:The u|U)ser (?:doesn't want|denied|rejected|cancelled)|\[Operation [Cc]ancelled"
    r"|\[Request interrupted"
    r"|String to replace not found|File has not been read|apply_patch verification failed|patch rejected"
    r"|Your proposed edit has introduced|\[Your proposed edit has introduced|\[?No exact match found|Warning: The file)"
)
_NOT_APPLIED = re.compile(r"Your changes have NOT been applied|(?:^|\n)No edit was made|No replacement was performed")


def refused(observation: str | None) -> bool:
    """Did the editor answer that it made no edit?"""
    if observation is None:
        return False
    return bool(_REFUSED.match(observation) or _NOT_APPLIED.search(observation))


# ---------------------------------------------------------------- editors that name their file


def _path(values: Values) -> str:
    if not (path := first_text(values, *PATH_ARGUMENTS)):
        raise NoMeaning("it names no file")
    return path


def _text(values: Values, *keys: str, needed: bool = True) -> str:
    for key in keys:
        if isinstance(values.get(key), str):
            return str(values[key])
    if needed:
        raise NoMeaning(f"its arguments lack “{keys[0]}”")
    return ""


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"\d{1,9}", str(value)) else None


def _true(value: object) -> bool:
    return value in (True, "true", "True")


def _shared_editor(values: Values, text: str) -> tuple[FileEdit, ...]:
    """The editor that SWE-agent, OpenHands and others share: ``command`` says what it does."""
    if not values:
        values = _written_editor_call(text)
    command, path = first_text(values, "command"), _path(values)
    if command == "create":
        return (FileEdit(path=path, kind="create", text=_text(values, "file_text", needed=False)),)
    if command == "write":
        return (FileEdit(path=path, kind="write", text=_text(values, "file_text", "content")),)
    if command in ("str_replace", "edit"):
        new = _text(values, "new_str", "new_string", needed=False)
        return (FileEdit(path=path, kind="replace", old=_text(values, "old_str", "old_string"), text=new),)
    if command == "insert":
        if (line := _number(values.get("insert_line"))) is None:
            raise NoMeaning("it does not say behind which line it inserts")
        return (FileEdit(path=path, kind="insert", after_line=line, text=_text(values, "new_str", "insert_text")),)
    if command == "undo_edit":
        return (FileEdit(path=path, kind="undo"),)
    if command == "delete":
        return (FileEdit(path=path, kind="delete"),)
    raise NoMeaning(f"what the editor's command {shown(command, 30) or '(none)'} does is not known")


def _written_editor_call(text: str) -> dict[str, str]:
    """``str_replace_editor insert /a.py --insert_line 3 --new_str '…'``, as SWE-agent writes a call out."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise NoMeaning("its words cannot be told apart") from error
    if words[:1] and "editor" in words[0]:
        words = words[1:]
    if len(words) < 2 or len(words) % 2:
        raise NoMeaning("its words cannot be told apart")
    values = {"command": words[0], "path": words[1]}
    for option, value in zip(words[2::2], words[3::2], strict=True):
        if not option.startswith("--"):
            raise NoMeaning("its words cannot be told apart")
        values[option[2:]] = value
    return values


def _write(values: Values, text: str) -> tuple[FileEdit, ...]:
    content = _text(values, "content", "contents", "file_text", "text", "code")
    return (FileEdit(path=_path(values), kind="write", text=content),)


def _replace(values: Values, text: str) -> tuple[FileEdit, ...]:
    """``Edit`` of Claude Code, ``replace`` of Gemini: an empty old text makes a new file."""
    old, new = _text(values, "old_string", "old_str", "old"), _text(values, "new_string", "new_str", "new")
    if not old:
        return (FileEdit(path=_path(values), kind="create", text=new),)
    every = _true(values.get("replace_all")) or _true(values.get("allow_multiple"))
    every = every or (_number(values.get("expected_replacements")) or 1) > 1
    return (FileEdit(path=_path(values), kind="replace", old=old, text=new, all=every),)


def _multi_edit(values: Values, text: str) -> tuple[FileEdit, ...]:
    edits = values.get("edits")
    if not isinstance(edits, list) or not edits or not all(isinstance(edit, dict) for edit in edits):
        raise NoMeaning("its edits cannot be read")
    return tuple(done for edit in edits for done in _replace({"file_path": _path(values), **edit}, text))


def _delete(values: Values, text: str) -> tuple[FileEdit, ...]:
    return (FileEdit(path=_path(values), kind="delete"),)


def _notebook(values: Values, text: str) -> tuple[FileEdit, ...]:
    raise NoMeaning("it edits a cell of a notebook, whose file this does not write")


def _patch(values: Values, text: str) -> tuple[FileEdit, ...]:
    return patched(first_text(values, "input", "patch", "diff", "content") or text)


_EDITORS: dict[str, Callable[[Values, str], tuple[FileEdit, ...]]] = {
    **dict.fromkeys(
        ("strreplaceeditor", "fileeditor", "strreplacebasededittool", "texteditor", "editor"), _shared_editor
    ),
    **dict.fromkeys(("write", "writefile", "writetofile", "createfile", "filewrite", "newfile"), _write),
    **dict.fromkeys(("replace", "strreplace", "searchreplace", "editfile", "fileedit"), _replace),
    "multiedit": _multi_edit,
    "notebookedit": _notebook,
    **dict.fromkeys(("deletefile", "removefile"), _delete),
    **dict.fromkeys(("applypatch", "patch"), _patch),
}


# ---------------------------------------------------------------- SWE-agent's window


def _edit(values: Values, path: str) -> tuple[FileEdit, ...]:
    """``edit``: of Claude Code and OpenHands with a path, of SWE-agent in its window, by lines or by text."""
    if "old_string" in values:
        return _replace(values, "")
    if "command" in values:
        return _shared_editor(values, "")
    _known(path)
    if "search" in values:
        every = _true(values.get("replace-all"))
        old, new = _text(values, "search"), _text(values, "replace", needed=False)
        return (FileEdit(path=path, kind="replace", old=old, text=new, all=every),)
    first, last = _number(values.get("start_line")), _number(values.get("end_line"))
    if first is None or last is None or not 1 <= first <= last + 1:
        raise NoMeaning("it does not say which lines it replaces")
    new = _text(values, "replacement_text", "text", needed=False)
    return (FileEdit(path=path, kind="lines", after_line=first - 1, through_line=last, text=new),)


def _insert(values: Values, path: str) -> tuple[FileEdit, ...]:
    _known(path)
    return (FileEdit(path=path, kind="insert", after_line=_number(values.get("line")), text=_text(values, "text")),)


def _create(values: Values, path: str) -> tuple[FileEdit, ...]:
    """SWE-agent's ``create`` makes a file of one empty line; with a text it is somebody else's."""
    if isinstance(values.get("content", values.get("file_text")), str):
        return _write(values, "")
    _known(path)
    return (FileEdit(path=path, kind="create", text="\n"),)


def _known(path: str) -> None:
    if not path:
        raise NoMeaning("the run does not tell which file was open")


_IN_WINDOW: dict[str, Callable[[Values, str], tuple[FileEdit, ...]]] = {
    "edit": _edit,
    "insert": _insert,
    "create": _create,
}

_LINES_EDIT = re.compile(r"edit\s+(\d{1,9}):(\d{1,9})[ \t]*\n(?P<text>.*?)\n?end_of_edit\s*", re.DOTALL)


def window_values(action: str) -> tuple[str, Values] | None:
    """Tool and arguments of SWE-agent's ``edit``, ``insert`` and ``create`` written as a command; None: it is none."""
    if (lines := _LINES_EDIT.fullmatch(action)) is not None:
        return "edit", {"start_line": lines[1], "end_line": lines[2], "replacement_text": lines["text"]}
    name = action.split(None, 1)[0] if action.strip() else ""
    if name not in ("edit", "insert", "create"):
        return None
    if name == "edit" and action.rstrip().endswith("\nend_of_edit"):
        raise NoMeaning("it replaces what stands between cursors, whose places are not known")
    try:
        words = shlex.split(action)[1:]
    except ValueError as error:
        raise NoMeaning("its words cannot be told apart") from error
    if name == "edit" and len(words) in (2, 3):
        return "edit", {"search": words[0], "replace": words[1], "replace-all": (words[2:] or ["False"])[0]}
    if name == "insert" and len(words) in (1, 2):
        return "insert", {"text": words[0]} | ({"line": words[1]} if words[1:] else {})
    if name == "create" and len(words) == 1:
        return "create", {"filename": words[0]}
    raise NoMeaning("its words cannot be told apart")


# ---------------------------------------------------------------- apply_patch

_FILE = re.compile(r"\*\*\* (Add|Delete|Update) File: (.+)")
_MOVE = "*** Move to: "


_TYPED_PATCH = re.compile(
    r"\s*(?:cd\s+(?P<folder>[^\s;&|<>]+)\s*&&\s*)?apply_?patch\s*<<-?\s*(?P<quote>['\"]?)(?P<word>\w+)(?P=quote)\n"
    r"(?P<patch>.*?)\n(?P=word)\s*",
    re.DOTALL,
)


def typed_patch(command: str) -> tuple[FileEdit, ...] | None:
    """The edits of a patch that is fed to ``apply_patch`` in a shell, where that is all there is; else None."""
    if (found := _TYPED_PATCH.fullmatch(command)) is None:
        return None
    edits, folder = patched(found["patch"]), found["folder"]
    if not folder:
        return edits
    return tuple(edit.model_copy(update={"path": posixpath.join(folder, edit.path)}) for edit in edits)


def patched(text: str) -> tuple[FileEdit, ...]:
    """The edits of a patch in the form of ``apply_patch``. Each hunk replaces the lines that it shows, as a whole."""
    lines = text.replace("\r\n", "\n").split("\n")
    if "*** Begin Patch" not in lines:
        raise NoMeaning("it is no patch that begins with “*** Begin Patch”")
    edits: list[FileEdit] = []
    at = lines.index("*** Begin Patch") + 1
    while at < len(lines) and lines[at].strip() not in ("*** End Patch", ""):
        if (head := _FILE.fullmatch(lines[at].rstrip())) is None:
            raise NoMeaning(f"its line “{shown(lines[at], 60)}” is not known")
        body: list[str] = []
        at += 1
        while at < len(lines) and not _FILE.fullmatch(lines[at].rstrip()) and lines[at].strip() != "*** End Patch":
            body.append(lines[at])
            at += 1
        edits += _of_file(head[1], head[2].strip(), body)
    if not edits:
        raise NoMeaning("it names no file")
    return tuple(edits)


def _of_file(what: str, path: str, body: list[str]) -> list[FileEdit]:
    if what == "Delete":
        return [FileEdit(path=path, kind="delete")]
    if what == "Add":
        text = "".join(f"{line[1:]}\n" for line in body if line.startswith("+"))
        return [FileEdit(path=path, kind="write", text=text)]
    target = body.pop(0).removeprefix(_MOVE).strip() if body and body[0].startswith(_MOVE) else ""
    edits, hunk = [], list[str]()
    for line in [*body, "@@"]:
        if line.startswith("@@"):
            edits += _of_hunk(path, hunk)
            hunk = []
        elif line != "*** End of File":
            hunk.append(line)
    return [*edits, *([FileEdit(path=path, kind="move", text=target)] if target else [])]


def _of_hunk(path: str, hunk: list[str]) -> list[FileEdit]:
    while hunk and not hunk[-1]:
        hunk.pop()
    old = "".join(f"{line[1:]}\n" for line in hunk if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in hunk if not line.startswith("-"))
    if not hunk or old == new:
        return []
    if not old:  # lines without a place are put at the end
        return [FileEdit(path=path, kind="insert", after_line=None, text=new)]
    return [FileEdit(path=path, kind="replace", old=old, text=new)]
