"""What a run records of a command, without what its harness put around it.

Harnesses wrap outputs (``<returncode>``, "[The command completed with exit code 0.]"), add the prompt of the shell, and
leave out the middle of long ones. Only what a harness is known to write is taken away, and only at the ends of the text
or in the exact shape in which it writes it: what a command printed stays. Where something was left out stands ``CUT``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from codetracer_core.actions.tools import first_text, written_reply
from codetracer_core.models import Step
from codetracer_core.parsers import strip_ansi

CUT = "⟦left out⟧"
"""Stands on a line of its own in a recorded text where the record left something out."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """``text`` None: the run holds no output of this step. ``exit_code`` None: it does not tell."""

    text: str | None
    exit_code: int | None = None
    on_screen: bool = False
    """The text was read off a terminal: long lines are wrapped, lists stand in columns."""


def recorded(step: Step) -> Recorded:
    """What a step's own observation says that came back. Terminals show several commands at once: see ``screens``."""
    if step.observation is None:
        return Recorded(None, step.exit_code)
    text = step.observation.replace("\r\n", "\n").rstrip()
    exit_code = step.exit_code
    on_screen = bool(_SCREEN_PROMPT.search(text[-300:]))
    for pattern, code in _EXITS:
        if exit_code is None and (found := pattern.search(text.lstrip())) is not None:
            exit_code = int(found[code])
    stopped = exit_code == -1  # so OpenHands and mini-SWE-agent say that it still ran, or was stopped
    text = _without(_unwrapped(text), "<system-reminder>", "</system-reminder>", "")
    if "<response clipped>" in text:
        text = _without(text.replace("<response clipped>", f"\n{CUT}\n"), "<NOTE>", "</NOTE>", "")
    for pattern, stands_for in _AROUND:
        text = pattern.sub(stands_for, text.rstrip())
    if _NOTHING.fullmatch(text.strip()):
        text = ""
    for pattern in _LEFT_OUT:
        text = pattern.sub(f"\n{CUT}\n", text)
    if stopped:
        exit_code, text = None, f"{text}\n{CUT}"
    return Recorded(text.strip("\n"), exit_code, on_screen)


_SCREEN_PROMPT = re.compile(r"^(?:bash-\$|[\w.-]+@[\w.-]+:[^\n]{1,200}[#$]) ?\Z", re.MULTILINE)

_EXITS = (
    (re.compile(r"\A(?:<exception>.{0,9000}?</exception>\n?)?<returncode>(-?\d{1,9})</returncode>", re.DOTALL), 1),
    (re.compile(r"///PROCESS-DONE:(-?\d{1,9}):PROCESS-DONE///\Z"), 1),
    (re.compile(r"^\[(?:The c|C)ommand (?:completed|finished) with exit code (-?\d{1,9})\.?\]$", re.MULTILINE), 1),
    (re.compile(r"\AExit code:? (-?\d{1,9})$", re.MULTILINE), 1),
    (re.compile(r"^Exit Code: (-?\d{1,9})$", re.MULTILINE), 1),
)

_OUTPUT = re.compile(
    r"(?:<exception>.*?</exception>\n?)?(?:<returncode>[^<]{0,40}</returncode>\n?)?<output>\n?(.*?)\n?</output>\Z",
    re.DOTALL,
)
_TIMED_OUT = re.compile(r"\AThe last command .{0,4000}?timed out and has been killed\..*?<output>\n?(.*?)\n?</output>",
                        re.DOTALL)  # fmt: skip
_GEMINI_ENDS = re.compile(
    r"(?:Error|Exit Code|Signal|Background PIDs|Process Group PGID): .*|Stderr: \((?:empty|none)\)"
)
_CODEX = re.compile(r"\A(?:Chunk ID: .*\n)?(?:Exit code: .*\n)?Wall time: .*\n(?:.*\n){0,3}?Output:\n(?P<out>.*)\Z",
                    re.DOTALL)  # fmt: skip


def _unwrapped(text: str) -> str:
    """The output within the frame that a harness puts around it; the text as it is where there is none."""
    if (found := _OUTPUT.match(text.lstrip())) is not None:
        return found[1]
    if "<output_head>" in text and "<output_tail>" in text:
        head = text.partition("<output_head>")[2].partition("</output_head>")[0].strip("\n")
        tail = text.rpartition("<output_tail>")[2].partition("</output_tail>")[0].strip("\n")
        return f"{head}\n{CUT}\n{tail}"
    if (found := _TIMED_OUT.match(text)) is not None:
        return f"{found[1]}\n{CUT}"
    if text.startswith(("Command: ", "Stdout: ", "Output: ")):
        return _of_gemini(text)
    if (found := _CODEX.match(text)) is not None:
        return found["out"]
    return text


def _of_gemini(text: str) -> str:
    """The output between the lines with which Gemini CLI begins and ends its report of a command."""
    lines = text.split("\n")
    while lines and _GEMINI_ENDS.fullmatch(lines[-1]):
        lines.pop()
    while lines and lines[0].startswith(("Command: ", "Directory: ")):
        lines.pop(0)
    return "\n".join(lines).removeprefix("Stdout: ").removeprefix("Output: ").removeprefix("(empty)")


def _without(text: str, start: str, end: str, stands_for: str) -> str:
    """The text with all that stands from ``start`` to ``end``, both included, replaced."""
    kept, at = [], 0
    while (begin := text.find(start, at)) >= 0:
        kept += [text[at:begin], stands_for]
        close = text.find(end, begin)
        at = close + len(end) if close >= 0 else len(text)
    return "".join([*kept, text[at:]])


_AROUND = (
    # OpenHands
    (re.compile(r"\A\[Below is the output of the previous command\.\]\n"), ""),
    (re.compile(r"\n?^\[(?:The c|C)ommand (?:completed|finished) with exit code -?\d+\.?\]$", re.MULTILINE), ""),
    (re.compile(r"\n?^\[(?:Jupyter c|C)urrent working directory: .*\]$", re.MULTILINE), ""),
    (re.compile(r"\n?^\[(?:Jupyter )?Python interpreter: .*\]$", re.MULTILINE), ""),
    (re.compile(r"\n?^\[The command (?:has no new output after|timed out after) .*", re.MULTILINE | re.DOTALL),
     f"\n{CUT}"),
    (re.compile(r"///PROCESS-DONE:-?\d{1,9}:PROCESS-DONE///\Z"), ""),
    # SWE-agent: what it says of its open file, and its prompt
    (re.compile(r"\n?^\(Open file: .*\)\n\(Current directory: .*\)\nbash-\$\Z", re.MULTILINE), ""),
    (re.compile(r"\n?^bash-\$\Z", re.MULTILINE), ""),
    # the prompt behind the output, as a terminal shows it
    (re.compile(r"\n?^[\w.-]{1,80}@[\w.-]{1,80}:[^\n]{1,200}[#$]\Z", re.MULTILINE), ""),
    # Claude Code
    (re.compile(r"\n?\[error\] tool reported failure(?:\n\[metadata\] \{.*\}?)?\Z"), ""),
    (re.compile(r"\n?\[metadata\] \{.*\}\Z"), ""),
    (re.compile(r"\n?^Shell cwd was reset to .*\Z", re.MULTILINE), ""),
    (re.compile(r"\AExit code \d+(?:\n|\Z)"), ""),
    (re.compile(r"\n?^(?:Command timed out after .*|EXECUTION TIMED OUT.*)\Z", re.MULTILINE), f"\n{CUT}"),
)  # fmt: skip

_NOTHING = re.compile(
    r"\(Bash completed with no output\)|\(no output\)|\(empty\)|"
    r"Your (?:last )?command ran successfully and did not produce any output\.|"
    r"Tool ran without output or errors"
)

_LEFT_OUT = (
    re.compile(r"\n?\[\.\.\. output limited to [^\]\n]{1,120}\]\n?"),
    re.compile(
        r"\n?\[?\.\.\. ?\[?\d{1,12} (?:lines|characters|chars|bytes)(?: were)? (?:truncated|omitted|elided)\]?"
        r"[^\n]{0,40}\n?"
    ),
    re.compile(r"\n?\[\.\.\. Observation truncated due to length \.\.\.\]\n?"),
    re.compile(r"\n?\[truncated\]\n?"),
)


# ---------------------------------------------------------------- terminals

_PROMPT = re.compile(
    r"^(?:\([\w. -]{1,40}\) ?)?(?:[\w.-]+@[\w.-]+:(?P<folder>[^\n$#]{0,200})|(?:ba)?sh-[\d.]+)[#$](?: |$)", re.MULTILINE
)
_HEADINGS = re.compile(r"\A(?:Current terminal state:\s*)?(?:New Terminal Output:\s*)?")


def ends_at_prompt(observation: str | None) -> bool | None:
    """Does a terminal's screen end with the prompt of a shell that waits? None: nothing is recorded."""
    if observation is None:
        return None
    text = strip_ansi(observation).rstrip()
    return _PROMPT.fullmatch(text.rpartition("\n")[2].rstrip() + " ") is not None


def screens(steps: Sequence[Step]) -> dict[int, Recorded]:
    """The outputs of steps whose commands were typed into one terminal, by step.

    The screen after a reply is recorded with its last command and shows all of them: it is cut at the prompts, and
    each command gets its own part. Where the parts are not as many as the commands nobody can tell whose they are, and
    no step of the group has an output.
    """
    found: dict[int, Recorded] = {}
    for group in _groups(steps):
        screen = group[-1].observation
        typed = [(step.step_id, line) for step in group for line in lines_of(step) if line.strip()]
        parts = _parts(screen) if screen is not None else []
        known = len(typed) == len(parts) and all(
            _is_echoed(line, part) for (_, line), part in zip(typed, parts, strict=True)
        )
        for step in group:
            own = [part.output for (number, _), part in zip(typed, parts, strict=False) if number == step.step_id]
            text = "\n".join(output for output in own if output) if known and own else None
            found[step.step_id] = Recorded(text, step.exit_code, on_screen=True)
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    typed: str
    output: str


def _groups(steps: Iterable[Step]) -> list[list[Step]]:
    groups: list[list[Step]] = []
    for step in steps:
        if groups and step.parallel_group is not None and step.parallel_group == groups[-1][0].parallel_group:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def lines_of(step: Step) -> list[str]:
    """What a step typed: one text, or several if the step is a whole reply to Terminus."""
    if step.tool is None:
        reply = written_reply(step.action)
        return [step.action] if reply is None else reply[0]
    if isinstance(step.tool.arguments, str):
        return [step.action]
    return [first_text(step.tool.arguments, "keystrokes", "command", "keys", "chars")]


def _parts(screen: str) -> list[_Part]:
    """What stands behind each prompt of a screen: the line typed there, and what came back.

    The last part has no prompt behind it if its command was still running."""
    text = strip_ansi(screen).replace("\r\n", "\n").strip()
    text = _HEADINGS.sub("", text, count=1)
    for pattern in _LEFT_OUT:
        text = pattern.sub(f"\n{CUT}\n", text)
    prompts = list(_PROMPT.finditer(text))
    parts = []
    for number, prompt in enumerate(prompts):
        ended = number + 1 < len(prompts)
        typed, _, output = text[prompt.end() : prompts[number + 1].start() if ended else len(text)].partition("\n")
        if not typed.strip() and not output.strip() and not ended:
            continue  # the prompt that waits
        lines = output.split("\n")
        more = list(takewhile(lambda line: line.startswith("> "), lines))  # the shell asks for more of its line
        typed = "\n".join([typed, *(line[2:] for line in more)])
        output = "\n".join(lines[len(more) :]).strip("\n")
        parts.append(_Part(typed, output if ended else f"{output}\n{CUT}".lstrip("\n")))
    return parts


def _is_echoed(line: str, part: _Part) -> bool:
    """Is the line behind the prompt the one that was typed? Long lines are wrapped, so its beginning decides."""
    typed = "".join(line.split())
    shown = "".join(part.typed.split())
    return bool(shown) and (typed.startswith(shown[:100]) or shown.startswith(typed[:100]))


def folder_of_screen(observation: str) -> str:
    """The folder that the first prompt on a screen names, if it is an absolute one."""
    found = _PROMPT.search(strip_ansi(observation))
    folder = (found["folder"] or "").strip() if found is not None else ""
    return folder if folder.startswith("/") else ""
