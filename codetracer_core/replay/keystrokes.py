"""What was typed into a terminal, as commands: Terminus types keys, and only whole lines at a prompt are commands.

A line that is typed in parts is joined when the key comes that ends it. What is typed into a program (an editor, a
Python prompt) cannot be done again, because what the program made of it is not known.
"""

import re
import shlex
from collections.abc import Sequence

from codetracer_core.actions import shown
from codetracer_core.actions.options import names
from codetracer_core.actions.tools import KEY_NAME, KEYBOARDS, tool_key, written_reply
from codetracer_core.models import Step
from codetracer_core.replay.meanings import Meaning, command, nothing, unknown
from codetracer_core.replay.observations import ends_at_prompt, lines_of


def is_typed(step: Step) -> bool:
    """Did the step type keys into a terminal?"""
    if step.tool is not None:
        return tool_key(step.tool.name) in KEYBOARDS
    return not step.is_message and written_reply(step.action) is not None


def typed(steps: Sequence[Step]) -> dict[int, Meaning]:
    """What each step that typed keys did, by step. All steps of the run: a later key may end the line of an earlier."""
    found: dict[int, Meaning] = {}
    half: list[tuple[int, str]] = []
    program = ""
    for step in steps:
        if not is_typed(step) or not step.executed:
            continue
        keys = "".join(lines_of(step))
        meaning, line, program = _one(keys, half, program)
        for before, _ in half if line is not None else ():
            found[before] = nothing(f"half a line: it is run with step {step.step_id}, which ends it")
        if line is not None:
            half = []
        elif meaning.why == _HALF:
            half = [*half, (step.step_id, keys)]
        found[step.step_id] = meaning
        if ends_at_prompt(step.observation):
            program = ""
    return found


_HALF = "half a line, which nothing ends before the checkpoint"
_STOPS = ("C-c", "\x03", "^C")
_LEAVES = re.compile(r"(?:exit|quit|q|\\q|\.q|\.quit|\.exit|exit\(\)|quit\(\)|:q!?|C-d|\x04)(?:\s*Enter)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _one(keys: str, half: list[tuple[int, str]], program: str) -> tuple[Meaning, str | None, str]:
    """What one step typed: its meaning, the whole line if it ended one (or gave up a half one), and the program that
    reads the keys from now on (empty: the shell)."""
    bare = keys.strip(" \t\r\n")
    if bare in _STOPS:
        return nothing("interrupts what runs, which here the time limit does"), "", ""
    if program and _LEAVES.fullmatch(bare):
        return nothing(f"leaves {program}, which here has no keys to read"), None, ""
    if program and bare:
        return unknown(f"typed into {program}: what that makes of it is not known"), None, program
    if not bare and not (half and ("\n" in keys or "\r" in keys)):
        return nothing("waits"), None, program
    words = bare.split()
    if all(KEY_NAME.fullmatch(word) for word in words) and words and set(words) != {"Enter"}:
        return unknown(f"presses {shown(bare, 30)}: what that does is not known"), None, program
    if _CONTROL.search(keys):
        return unknown("types control keys: what they do is not known"), None, program
    text = "".join(part for _, part in half) + keys
    line = _entered(text)
    if line is None or is_unfinished(line):
        return nothing(_HALF), None, program
    if not line.strip():
        return nothing("waits"), "", program
    opened = opens_program(line)
    why = f"{opened} waits for keys, of which it gets none here" if opened else ""
    return command(line, why), line, opened


def _entered(text: str) -> str | None:
    """The line without the key that ends it: a line's end, or its name as tmux has it. None: nothing ends it."""
    line = text.rstrip("\r\n")
    ended = line != text
    while (words := line.rsplit(None, 1))[1:] in (["Enter"], ["C-m"]):
        line, ended = words[0], True
    return line if ended else None


_HEREDOC = re.compile(r"<<(?!<)-?\s*(?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)")


def is_unfinished(line: str) -> bool:
    """Does a shell ask for more: a here-document without its end, a backslash before the line's end?"""
    ends = {part.strip() for part in line.split("\n")[1:]}
    return line.endswith("\\") or any(found["word"] not in ends for found in _HEREDOC.finditer(line))


_PARTS = re.compile(r"&&|\|\||[;|\n]")
_ALWAYS_OPEN = names(
    "vi vim nvim view nano pico emacs ed ex less more man top htop watch tmux screen ssh telnet ftp sftp gdb lldb"
)
_OPEN_ALONE = names(
    "python python2 python3 ipython node irb php ghci julia R lua bc mysql psql redis-cli mongo mongosh sqlite3 su bash"
    " sh zsh dash cat"
)


def opens_program(line: str) -> str:
    """The name of the program that reads the keys typed after this line; empty: the shell does."""
    last = _PARTS.split(line.strip())[-1]
    try:
        words = shlex.split(last)
    except ValueError:
        return ""
    while words[:1] and (words[0] in ("sudo", "env", "command", "exec") or re.fullmatch(r"\w+=.*", words[0])):
        words = words[1:]
    if not words or any(word in ("<", ">", "&", "--version", "-V", "--help") for word in words[1:]) or "<" in last:
        return ""
    name = words[0].rpartition("/")[2]
    batch = {"-batch", "--batch", "-b", "-c", "-e", "-es", "-s"} & set(words[1:])
    if name in _ALWAYS_OPEN and not batch and not (name in ("ssh", "watch") and len(words) > 2):
        return name
    return name if name in _OPEN_ALONE and (len(words) == 1 or words[1:] in (["-i"], ["-q"])) else ""
