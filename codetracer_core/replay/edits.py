"""Structured edits, done by their meaning through an environment: exactly as often as their tool would have done them.

All edits of a step are done, or none: they are worked out first, and only then written. A text that is not there, or
there more than once, is a failure told in words, never a guess.
"""

import re
import shlex
from collections.abc import Sequence

from codetracer_core.actions import shown
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import FileEdit, Met, PlannedStep, Ran
from codetracer_core.replay.observations import CUT

History = dict[str, list[bytes | None]]
"""What stood in a file before each edit of it, oldest first; None: there was no file. For *undo*."""


class DoesNotFit(Exception):
    """An edit that its tool would have refused, in words."""


def do_edits(edits: Sequence[FileEdit], environment: Environment, history: History) -> Ran:
    """Do the edits of one step. Exit code 0: done; 1: one of them did not fit, and nothing was written.

    ``history`` is of the whole replay and grows. Raises EnvironmentBroken if the environment is gone."""
    state: dict[str, bytes | None] = {}
    told: list[str] = []
    try:
        for edit in edits:
            told += _work_out(edit, state, environment, history)
        before = {path: _read(path, environment) for path in state}
        for path, content in state.items():
            if content is None:
                _delete(path, environment)
            elif content != before[path]:
                environment.write_file(path, content)
    except DoesNotFit as error:
        return Ran(output=str(error), exit_code=1)
    except (NotFound, UnicodeDecodeError) as error:
        return Ran(output=_words(error), exit_code=1)
    for path, content in before.items():
        if any(edit.kind == "undo" for edit in edits):
            history[path].pop()
        else:
            history.setdefault(path, []).append(content)
    return Ran(output="\n".join(told), exit_code=0)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, CodeTracerError) else "the file is not UTF-8 text"


def _work_out(edit: FileEdit, state: dict[str, bytes | None], environment: Environment, history: History) -> list[str]:
    """What the files hold after the edit, into ``state``; and what was done, in words."""
    path, name = edit.path, shown(edit.path, 120)
    now = state[path] if path in state else _read(path, environment)
    if edit.kind in ("write", "create"):
        if edit.kind == "create" and now is not None:
            raise DoesNotFit(f"{name} is there already")
        state[path] = edit.text.encode("utf-8", "surrogatepass")
        return [f"{'Created' if now is None else 'Wrote'} {name} ({edit.text.count(chr(10)) + 1:,} lines)."]
    if edit.kind == "undo":
        if not history.get(path):
            raise DoesNotFit(f"no edit of {name} can be taken back")
        state[path] = history[path][-1]
        return [f"Took back the last edit of {name}."]
    if now is None:
        raise DoesNotFit(f"there is no file {name}")
    if edit.kind == "delete":
        state[path] = None
        return [f"Deleted {name}."]
    if edit.kind == "move":
        if (state[edit.text] if edit.text in state else _read(edit.text, environment)) is not None:
            raise DoesNotFit(f"{shown(edit.text, 120)} is there already")
        state[edit.text], state[path] = now, None
        return [f"Moved {name} to {shown(edit.text, 120)}."]
    text, line = _edited(edit, now.decode("utf-8"), name)
    state[path] = text.encode("utf-8")
    return [f"Edited {name}, line {line}."]


def _edited(edit: FileEdit, text: str, name: str) -> tuple[str, int]:
    """The text after an edit, and the number of its first line that was touched."""
    if edit.kind == "replace":
        return _replaced(edit, text, name)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    at = len(lines) if edit.after_line is None else edit.after_line
    through = max(at, edit.through_line) if edit.kind == "lines" else at
    if at > len(lines) or through > len(lines):
        raise DoesNotFit(f"{name} has {len(lines):,} lines, the edit is at line {max(at, through):,}")
    new = edit.text if edit.text.endswith("\n") or not edit.text else edit.text + "\n"
    if at and at == through == len(lines) and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
        new = new.removesuffix("\n")
    return "".join([*lines[:at], new, *lines[through:]]), at + 1


def _replaced(edit: FileEdit, text: str, name: str) -> tuple[str, int]:
    old, new = edit.old, edit.text
    if old not in text and "\r\n" in text and "\r" not in old:  # editors show files without carriage returns
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    if old.endswith("\n") and old not in text and f"{text}\n".endswith(old):
        text += "\n"  # whole lines are meant, and the last one of the file has no end
    count = text.count(old) if old else 0
    if not old and not text.strip():
        return new, 1  # an empty text in an empty file
    if not count:
        raise DoesNotFit(f"the text that is to be replaced is not in {name}: “{shown(edit.old, 100)}”")
    if count > 1 and not edit.all:
        raise DoesNotFit(f"the text that is to be replaced stands {count:,} times in {name}: “{shown(edit.old, 100)}”")
    return text.replace(old, new), text.count("\n", 0, text.index(old)) + 1


def _read(path: str, environment: Environment) -> bytes | None:
    try:
        return environment.read_file(path)
    except NotFound:
        return None


def _delete(path: str, environment: Environment) -> None:
    ran = environment.run(f"rm -f -- {shlex.quote(path)}")
    if ran.exit_code != 0:
        raise DoesNotFit(f"{shown(path, 120)} could not be deleted: {shown(ran.output, 120)}")


# ---------------------------------------------------------------- comparing

_NUMBERED = re.compile(r"^ {0,9}(?P<line>\d{1,7})(?:\t|→|:|\|)(?P<text>.*)$", re.MULTILINE)
_SHOWN_FILE = re.compile(r"^\[File: .+ \(\d+ lines total\)\]$|`cat -n`|snippet", re.MULTILINE)


def compare_edit(planned: PlannedStep, ran: Ran, environment: Environment) -> tuple[Met, float | None, str]:
    """How an edit that was done again compares with its record: lines of the file that its tool showed afterwards are
    looked up in the file. Where it showed none nothing is compared, unless the edit did not fit."""
    if ran.exit_code != 0:
        return "failed", None, ran.output
    known = _shown_lines(planned)
    path = planned.edits[-1].path
    content = _read(path, environment) if known else None
    if not known or content is None:
        return "not_compared", None, "it was done; the record shows nothing of the file to compare"
    lines = content.decode("utf-8", "replace").split("\n")
    wrong = [number for number, text in known.items() if not _stands(text, lines, number)]
    if not wrong:
        return "same", 1.0, f"{len(known):,} lines that the record shows of the file are the same"
    at = wrong[0]
    now = f"“{shown(lines[at - 1], 80)}”" if at <= len(lines) else "not there"
    share = 1 - len(wrong) / len(known)
    return "differs", share, f"line {at:,} of the file: recorded “{shown(known[at], 80)}”, now {now}"


def _shown_lines(planned: PlannedStep) -> dict[int, str]:
    """The lines of the file by number, as the record shows them after the edit."""
    text = planned.expected or ""
    if CUT in text or not _SHOWN_FILE.search(text):
        return {}
    return {int(found["line"]): found["text"] for found in _NUMBERED.finditer(text)}


def _stands(text: str, lines: list[str], number: int) -> bool:
    if number > len(lines):
        return not text.strip()
    return (
        " ".join(lines[number - 1].split()) == " ".join(text.split())
        if "\t" in lines[number - 1]
        else (lines[number - 1].rstrip() == text.rstrip())
    )
