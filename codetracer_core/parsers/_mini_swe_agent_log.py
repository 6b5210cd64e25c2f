"""mini-SWE-agent's ``sessions/agent.log``: the screen of a terminal-bench trial.

Replies begin at the visible ``mini-swe-agent (step N, $c):`` headings and end before the next visible ``User:``; what
is said before the first heading (the prompt with its examples) is never read as a reply.
"""

import ast
import re
import shlex
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from codetracer_core.errors import MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef, Step, Trajectory, Usage
from codetracer_core.parsers._artifacts import Artifacts, strip_ansi
from codetracer_core.parsers._format import Claim
from codetracer_core.parsers._mini_swe_agent import AGENT, NAME, exit_code, prose_note, read_reply, refused_note

AGENT_LOG = "sessions/agent.log"
_STARTED = re.compile(r"""^\[['"](?:\w+=\S*\s+)*(?:\S*/)?mini(?:-swe-agent)?\s""", re.MULTILINE)
_PROMPT = re.compile(r"\S*[#$] (?:\S*/)?mini(?:-swe-agent)? -")
_MISSING = re.compile(r"\bmini(?:-swe-agent)?: (?:command )?not found")
_BANNER = re.compile(r"This is mini-swe-agent version (\d+(?:\.\w+)*)")
_MARKER = re.compile(r"mini-swe-agent \(step (\d+), \$(\d+\.\d+)\):")
_ROLE = re.compile(r"(?:User|System|Tool|Exit):")
_WAITING = re.compile(r"\S? ?Waiting for the LM to respond\.\.\.")
_SAVED = re.compile(r"Saved trajectory to ")
_RULE = re.compile("─{20,}")
_ERASE_LINE = "\x1b[2K"
_SHOW_CURSOR = "\x1b[?25h"
_TAG = re.compile("<(?:returncode|exception|warning|output)")
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)")
LOOKED_AT = 1 << 20


def ran_in_terminal(artifacts: Artifacts) -> bool:
    """Did the trial type a ``mini`` command? Its list of typed commands tells, else the recording itself."""
    typed = artifacts.head("commands.txt", LOOKED_AT).decode("utf-8", "replace")
    if typed.lstrip().startswith("["):
        return _STARTED.search(typed) is not None
    screen = strip_ansi(artifacts.head(AGENT_LOG, LOOKED_AT).decode("utf-8", "replace"))
    return any(sign.search(screen) for sign in (_BANNER, _MARKER, _PROMPT, _MISSING))


@dataclass(frozen=True)
class _Line:
    """What one line of the recording shows, and the lines of the file (1-based, inclusive) that it comes from."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class _Passage:
    """Some lines of the screen as one text that knows where each of its characters stands."""

    path: str
    lines: Sequence[_Line]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def ref(self, start: int = 0, end: int | None = None) -> SourceRef | None:
        """Reference to a span of the text; None if there are no lines."""
        if not self.lines:
            return None
        starts = [0, *accumulate(len(line.text) + 1 for line in self.lines)][:-1]
        first = self.lines[bisect_right(starts, start) - 1]
        last = self.lines[bisect_right(starts, max(start, end - 1)) - 1 if end is not None else -1]
        return SourceRef(path=self.path, line_start=first.first, line_end=last.last)


def parse_log(artifacts: Artifacts, claim: Claim) -> Trajectory:
    path = claim.files[0]
    raw = artifacts.read_text(path, errors="replace").split("\n")
    shown = [_visible(line) for line in raw]
    markers = [i for i, text in enumerate(shown) if _MARKER.fullmatch(text)]
    # Coloured headings are the agent's own; the same words without colour stand in some file that a command printed.
    coloured = any("\x1b" in raw[i] for i in markers)
    if coloured:
        markers = [i for i in markers if "\x1b" in raw[i]]

    def heading(index: int, pattern: re.Pattern[str]) -> bool:
        return pattern.fullmatch(shown[index]) is not None and (not coloured or "\x1b" in raw[index])

    rule = next((i for i in range(len(raw)) if heading(i, _RULE)), None)
    width = len(shown[rule]) if rule is not None else None
    steps: list[Step] = []
    prose: list[int] = []
    refused = 0
    for start, following in pairwise([*markers, len(raw)]):
        answer = next((i for i in range(start + 1, following) if heading(i, _ROLE)), following)
        said = _Passage(path, _unwrapped(shown, _spoken(raw, shown, range(start + 1, answer)), width))
        reply = read_reply(said.text)
        if reply is None:
            prose.append(start + 1)
            continue
        end = next((i for i in range(answer + 1, following) if heading(i, _RULE) or _SAVED.match(shown[i])), following)
        heard = (
            _Passage(path, _unwrapped(shown, _heard(shown, range(answer + 1, end)), width)) if answer < end else None
        )
        observation = heard.text if heard is not None else None
        executed = reply.was_executed(observation)
        refused += not executed
        steps.append(
            Step(
                step_id=len(steps) + 1,
                action=reply.action,
                observation=observation,
                thought=reply.thought or None,
                executed=executed,
                exit_code=exit_code(observation),
                action_ref=said.ref(*reply.span),
                observation_ref=heard.ref() if heard is not None else None,
                thought_ref=said.ref() if reply.thought else None,
            )
        )
    if markers and not steps:
        raise MalformedRun(
            f"{len(markers)} step markers, but no bash block in any reply",
            path=artifacts.shown(path),
            place=f"line {markers[0] + 1}",
            remedy="This version of the agent writes its screen in a way that is not known yet.",
        )
    typed = _typed_command(artifacts)
    version = next((found[1] for found in map(_BANNER.search, shown) if found), None)
    cost = _MARKER.fullmatch(shown[markers[-1]]) if markers else None
    return Trajectory(
        format=NAME,
        view=claim.view,
        agent=AGENT,
        agent_version=version.rstrip(".") if version else None,
        model=_option(typed.words, "-m", "--model") if typed else None,
        task_text=_option(typed.words, "-t", "--task") if typed else None,
        task_ref=typed.ref if typed and _option(typed.words, "-t", "--task") else None,
        usage=Usage(cost_usd=float(cost[2])) if cost else Usage(),
        steps=tuple(steps),
        notes=tuple(_log_notes(shown, markers, prose, refused, len(steps))),
    )


def _log_notes(shown: list[str], markers: list[int], prose: list[int], refused: int, steps: int) -> Iterator[str]:
    if not markers:
        yield _without_steps(shown)
        return
    yield (
        "Read from a terminal recording: lines that the terminal wrapped are joined again, tabs are blanks, and what "
        "libraries logged between the agent's words is left out."
    )
    if prose:
        yield prose_note("line", prose)
    if refused:
        yield refused_note(refused)
    if not any(_SAVED.match(text) for text in shown[markers[-1] :]):
        yield f"The recording ends during or after step {steps} without the agent's last words: it was stopped."


def _without_steps(shown: list[str]) -> str:
    """Why a recording shows no step: what the terminal said to the command that should have started the agent."""
    typed = next((i for i in reversed(range(len(shown))) if _PROMPT.match(shown[i])), None)
    if typed is None and (missing := next(filter(_MISSING.search, shown), None)):
        return f"The agent never started: its recording shows no step (the terminal says: {missing.strip()[:200]})."
    if typed is None:
        return "The recording shows neither a step nor the command that starts the agent: it never started."
    words = (text.strip() for text in shown[typed + 1 :] if not text.startswith("> "))
    answer = next((text[:200] for text in words if text), None)
    if answer is not None and _BANNER.search(answer):
        return "The agent started, but its recording shows no step."
    return f"The agent never started: its recording shows no step{f' (the terminal says: {answer})' if answer else ''}."


def _visible(line: str) -> str:
    """What remains on the screen of one line: after the last erasure, without escape sequences."""
    return strip_ansi(line.rsplit(_ERASE_LINE, 1)[-1]).strip("\r")


def _spoken(raw: list[str], shown: list[str], rows: range) -> range:
    """The rows of the reply itself, of the rows between its marker and the next prompt.

    While the agent waits for the model a sign turns on the screen. A reply takes its place (the row is erased
    first), and the sign comes back behind it; what libraries log meanwhile stands before the one or after the other.
    """
    first = next((i for i in rows if _ERASE_LINE in raw[i] and not _WAITING.match(shown[i])), rows.start)
    behind = (i for i in range(first, rows.stop) if _SHOW_CURSOR in raw[i] or _WAITING.match(shown[i]))
    return range(first, next(behind, rows.stop))


def _heard(shown: list[str], rows: range) -> range:
    """The rows of the observation itself, of the rows after its prompt: what comes behind its last tag is logging."""
    if not rows or not _TAG.match(shown[rows.start]):
        return rows
    closing = (i for i in reversed(rows) if shown[i].startswith("</output"))
    return range(rows.start, next(closing, rows.stop - 1) + 1)


def _unwrapped(shown: list[str], rows: range, width: int | None) -> list[_Line]:
    """Joins what the terminal wrapped at ``width`` columns.

    A row was wrapped if the next word had no room on it: it ends with the blank before that word, or fills the
    row. On a full row the blank is lost, unless one long word runs over the edge (then there is no blank in it).
    Fences, the agent's ``<output>`` tags and the end of a here-document always have a line of their own.
    """
    lines: list[_Line] = []
    closers: set[str] = set()
    for row in rows:
        text = shown[row]
        above = shown[row - 1]
        alone = not text[:1].strip() or text.startswith(("```", "<output", "</output")) or text in closers
        if lines and width and not alone and _overflows(above, text, width):
            full = not above.endswith(" ") and " " in above
            lines[-1] = _Line(lines[-1].text + (" " if full else "") + text, lines[-1].first, row + 1)
        else:
            lines.append(_Line(text, row + 1, row + 1))
        closers.update(_HERE_DOCUMENT.findall(text))
    return lines


def _overflows(above: str, below: str, width: int) -> bool:
    columns = _columns(above)
    if columns < width and not above.endswith(" "):
        return False
    word = below.split(" ", 1)[0]
    return columns >= width or columns + _columns(word) > width


def _columns(text: str) -> int:
    """Columns that a text takes on a terminal: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


@dataclass(frozen=True)
class _TypedCommand:
    words: list[str]
    ref: SourceRef


def _typed_command(artifacts: Artifacts) -> _TypedCommand | None:
    """The command that started the agent, from the harness's list of what it typed (Python lists, one per line)."""
    if not artifacts.has("commands.txt"):
        return None
    try:
        lines = artifacts.read_text("commands.txt", errors="replace").split("\n")
    except UnreadableFile:  # it is not the evidence: the run is read without it
        return None
    for number, line in enumerate(lines, start=1):
        if not _STARTED.match(line):
            continue
        try:
            typed = ast.literal_eval(line.strip())
            words = shlex.split(typed[0])
        except (ValueError, SyntaxError, RecursionError, MemoryError, AttributeError):
            return None
        return _TypedCommand(words, SourceRef(path="commands.txt", line_start=number, line_end=number))
    return None


def _option(words: list[str], *names: str) -> str | None:
    return next((value for name, value in pairwise(words) if name in names), None)
