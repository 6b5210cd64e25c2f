"""Terminus 2: ``episode-N/{prompt,response}.txt`` below ``agent-logs`` (terminal-bench) or ``agent`` (Harbor).

An episode is one reply of the model; a step is an entry of its ``commands``, in the order of episodes. The terminal
is looked at once per episode, so what the next prompt shows after "New Terminal Output:" belongs to the last command
and the others have no observation. Keystrokes without a visible character (an Enter, a wait) are steps like any
other and are shown as their JSON literal. A reply that Terminus refused is told by the next prompt; its commands are
entries of ``commands`` like the others, so they are steps, and were not executed.
"""

import json
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import msgspec

from codetracer_core.errors import UnreadableFile
from codetracer_core.models import SourceRef, Step, ToolCall, Trajectory
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, without_lone_surrogates
from codetracer_core.parsers._fields import text_field
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.parsers._notes import counted
from codetracer_core.words import listed

_EPISODE = re.compile(r"episode-(\d+)")
_SCREEN = re.compile(r"^(?:New Terminal Output|Current Terminal Screen):[^\S\n]*\n?", re.MULTILINE)
_REFUSED = re.compile(r"\s*Previous response had parsing errors")
# A reply that is too long is asked for again within its episode, and this request is written over the prompt.
_ASKED_AGAIN = re.compile(r"\s*ERROR!! NONE of the actions you just requested were performed")
_TASK = re.compile(r"^Task Description:\s*\n(.*?)\s*^Current terminal state:", re.MULTILINE | re.DOTALL)
_OBJECT = re.compile(r"\{\s*[\"}]")
_KEYSTROKES = re.compile(r"<keystrokes([^>]*)>(.*?)</keystrokes>", re.DOTALL)
_DURATION = re.compile(r"""duration\s*=\s*["']([^"']*)["']""")
TOOL = "bash_command"  # as Terminus itself calls it where it writes tool calls
TRIED_OBJECTS = 50
_Trouble = Literal["", "around", "cut", "unread"]


def recognise(artifacts: Artifacts) -> list[Claim]:
    """A folder whose ``agent-logs`` or ``agent`` holds numbered episodes, or the folder of the episodes itself."""
    for logs in ("agent-logs", "agent"):
        if logs in artifacts.folders and (claim := _claim(artifacts, f"{logs}/")) is not None:
            return [claim]
    claim = _claim(artifacts, "") if any(map(_EPISODE.fullmatch, artifacts.folders)) else None
    return [claim] if claim is not None else []


def _claim(artifacts: Artifacts, logs: str) -> Claim | None:
    found = [*artifacts.glob(f"{logs}episode-*/prompt.txt"), *artifacts.glob(f"{logs}episode-*/response.txt")]
    files = sorted(path for path in found if _EPISODE.fullmatch(path.split("/")[-2]))
    if not files or artifacts.glob(f"{logs}episode-*/response.json"):  # the first Terminus answered in .json files
        return None
    return Claim(unit=".", files=tuple(files), view="episodes")


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    logs = claim.files[0].rpartition("episode-")[0]
    numbers = sorted({int(found[1]) for path in claim.files if (found := _EPISODE.search(path))})
    prompts = {n: _prompt(artifacts, f"{logs}episode-{n}/prompt.txt") for n in numbers}
    episodes = [_episode(artifacts, f"{logs}episode-{n}/response.txt", n, prompts.get(n + 1)) for n in numbers]
    steps: list[Step] = []
    for episode in episodes:
        steps.extend(_steps(episode, len(steps) + 1))
    first = prompts[numbers[0]]
    task = _TASK.search(first.text) if first is not None else None
    return Trajectory(
        format=FORMAT.name,
        view=claim.view,
        agent="Terminus2",
        model=_model(artifacts, f"{logs}episode-{numbers[0]}/debug.json"),
        task_text=task[1] if task else None,
        task_ref=first.ref(*task.span(1)) if first is not None and task else None,
        steps=tuple(steps),
        notes=tuple(_notes(episodes, numbers)),
    )


@dataclass(frozen=True)
class _Text:
    """A text file that knows on which line each of its characters stands."""

    path: str
    text: str

    def ref(self, start: int, end: int) -> SourceRef:
        """Reference to a span; blank ends of the span are left out, so that it begins and ends on a visible line."""
        inner = self.text[start:end]
        first = start + len(inner) - len(inner.lstrip())
        last = max(first, end - (len(inner) - len(inner.rstrip())))
        return SourceRef(
            path=self.path,
            line_start=self.text.count("\n", 0, first) + 1,
            line_end=self.text.count("\n", 0, last) + 1,
        )


def _prompt(artifacts: Artifacts, path: str) -> _Text | None:
    return _Text(path, artifacts.read_text(path, errors="replace")) if artifacts.has(path) else None


@dataclass(frozen=True)
class _Command:
    action: str
    tool: ToolCall
    ref: SourceRef


@dataclass(frozen=True)
class _Reply:
    """What could be read of a reply, and what is wrong with its form: text around it, a missing end, no commands."""

    commands: tuple[_Command, ...] = ()
    thought: str = ""
    thought_ref: SourceRef | None = None
    trouble: _Trouble = ""


@dataclass(frozen=True)
class _Episode:
    number: int
    reply: _Reply | None
    """None: the run was stopped before the model answered."""
    after: _Text | None
    """The next prompt, which shows what came of the commands."""

    @property
    def refused(self) -> bool:
        return self.after is not None and _REFUSED.match(self.after.text) is not None

    @property
    def answer_lost(self) -> bool:
        return self.after is not None and _ASKED_AGAIN.match(self.after.text) is not None


def _steps(episode: _Episode, first: int) -> list[Step]:
    reply = episode.reply
    if reply is None:
        return []
    steps = [
        Step(
            step_id=first + position,
            native_ids=(f"episode-{episode.number}",),
            action=command.action,
            tool=command.tool,
            parallel_group=first if len(reply.commands) > 1 else None,
            executed=not episode.refused,
            action_ref=command.ref,
        )
        for position, command in enumerate(reply.commands)
    ]
    if not steps:
        return []
    steps[0] = steps[0].model_copy(update={"thought": reply.thought or None, "thought_ref": reply.thought_ref})
    if episode.after is not None and not episode.answer_lost:
        start = _screen_start(episode.after.text)
        observation = episode.after.text[start:]
        steps[-1] = steps[-1].model_copy(
            update={
                "observation": observation,
                "observation_ref": episode.after.ref(start, len(episode.after.text)),
            }
        )
    return steps


def _screen_start(prompt: str) -> int:
    """Where the terminal begins in a prompt; a prompt that shows no terminal (a refusal, a hand-over) counts whole."""
    found = _SCREEN.search(prompt)
    return found.end() if found else 0


# Replies


def _episode(artifacts: Artifacts, path: str, number: int, after: _Text | None) -> _Episode:
    """One reply. What Terminus read and acted upon must be readable here too, or the steps after it would shift."""
    if not artifacts.has(path):
        return _Episode(number, None, after)
    refused = after is not None and _REFUSED.match(after.text) is not None
    if refused and not artifacts.size(path):  # a model that says nothing leaves an empty file
        return _Episode(number, _Reply(trouble="unread"), after)
    reply = _reply(_Text(path, artifacts.read_text(path)))
    if reply.trouble == "unread" and not refused and after is not None and _SCREEN.search(after.text):
        raise UnreadableFile(
            "no commands can be read in this reply, but the next prompt shows that they were run",
            path=artifacts.shown(path),
            remedy="The file is damaged or cut off; get a complete copy.",
        )
    return _Episode(number, reply, after)


def _reply(text: _Text) -> _Reply:
    file = JsonFile(path=text.path, data=text.text.encode())
    try:
        value = file.value
    except UnreadableFile:
        opened = text.text.find("<response>")
        braced = _OBJECT.search(text.text)
        is_xml = opened >= 0 and (braced is None or opened < braced.start())
        return _from_xml(text, opened) if is_xml else _from_mixed(text)
    return _from_json(value, text, file)


def _from_json(value: Any, text: _Text, file: JsonFile | None, span: tuple[int, int] | None = None) -> _Reply:
    """A reply in JSON. ``file`` is given if the file is nothing but the JSON, so that references can be exact."""
    commands = value.get("commands") if isinstance(value, dict) else None
    if not isinstance(commands, list):
        return _Reply(trouble="unread")
    whole = text.ref(*(span or (0, len(text.text))))
    found = []
    for position, command in enumerate(commands):
        keystrokes = command.get("keystrokes") if isinstance(command, dict) else command
        if not isinstance(keystrokes, str):
            keystrokes = json.dumps(command, ensure_ascii=False)
        exact = isinstance(command, dict) and keystrokes == command.get("keystrokes") and keystrokes.strip() != ""
        pointer = ("commands", position, *(("keystrokes",) if exact else ()))
        arguments = command if isinstance(command, dict) else {"keystrokes": keystrokes}
        found.append(_command(keystrokes, arguments, file.ref(*pointer) if file is not None else whole))
    said = {key: text_field(value, key) for key in ("analysis", "plan")}
    spoken = {key: part for key, part in said.items() if part is not None and part.strip()}
    thought_ref = whole if spoken else None
    if file is not None and spoken:
        thought_ref = file.ref(*spoken) if len(spoken) == 1 else file.ref()
    return _Reply(tuple(found), "\n\n".join(spoken.values()), thought_ref)


def _command(keystrokes: str, arguments: dict[str, Any], ref: SourceRef) -> _Command:
    action = ToolCall(name=TOOL, arguments=keystrokes).text()
    return _Command(action, ToolCall(name=TOOL, arguments=arguments), ref)


def _from_mixed(text: _Text) -> _Reply:
    """The first JSON object with commands among other text; else the one whose last braces are missing."""
    decoder = json.JSONDecoder(strict=False)
    starts = [found.start() for found in _OBJECT.finditer(text.text)][:TRIED_OBJECTS]
    for start in starts:
        try:
            value, end = decoder.raw_decode(text.text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "commands" in value:
            around = bool(text.text[:start].strip() or text.text[end:].strip())
            return _with_trouble(
                _from_json(without_lone_surrogates(value), text, None, (start, end)), "around" if around else ""
            )
    missing = text.text.count("{") - text.text.count("}")
    if starts and 0 < missing <= TRIED_OBJECTS:
        try:
            value = decoder.decode(text.text[starts[0] :].rstrip() + "}" * missing)
        except (ValueError, RecursionError):
            return _Reply(trouble="unread")
        return _with_trouble(_from_json(without_lone_surrogates(value), text, None, (starts[0], len(text.text))), "cut")
    return _Reply(trouble="unread")


def _with_trouble(reply: _Reply, trouble: _Trouble) -> _Reply:
    return reply if reply.trouble else replace(reply, trouble=trouble)


def _from_xml(text: _Text, opened: int) -> _Reply:
    """A reply in XML as Terminus reads it: the first ``<response>``, no entities, keystrokes exactly as written."""
    begin = opened + len("<response>")
    closed = text.text.find("</response>", begin)
    end = closed if closed >= 0 else len(text.text)
    section = _element(text.text, "commands", begin, end)
    if section is None and _element(text.text, "task_complete", begin, end) is None:
        return _Reply(trouble="unread")
    commands = []
    for found in _KEYSTROKES.finditer(text.text, *(section or (end, end))):
        duration = _DURATION.search(found[1])
        arguments = {"keystrokes": found[2], **({"duration": duration[1]} if duration else {})}
        commands.append(_command(found[2], arguments, text.ref(*found.span(2 if found[2].strip() else 0))))
    spans = [span for tag in ("analysis", "plan") if (span := _element(text.text, tag, begin, end)) is not None]
    said = [part for start, stop in spans if (part := text.text[start:stop].strip())]
    around = text.text[:opened].strip() or (closed >= 0 and text.text[closed + len("</response>") :].strip())
    return _Reply(
        tuple(commands),
        "\n\n".join(said),
        text.ref(spans[0][0], spans[-1][1]) if said else None,
        "cut" if closed < 0 else "around" if around else "",
    )


def _element(text: str, tag: str, begin: int, end: int) -> tuple[int, int] | None:
    """Span of the content of the first such element; an empty one for ``<tag/>``."""
    found = re.compile(rf"<{tag}\s*/>|<{tag}>").search(text, begin, end)
    if found is None:
        return None
    if found[0].endswith("/>"):
        return found.end(), found.end()
    closed = text.find(f"</{tag}>", found.end(), end)
    return found.end(), closed if closed >= 0 else end


class _Request(msgspec.Struct):
    model: Any = None


def _model(artifacts: Artifacts, path: str) -> str | None:
    """The model, from the record of the first request (which repeats the prompt and is not read further).

    The record is a by-product of the harness, so a damaged one does not keep the run from being read."""
    if not artifacts.has(path):
        return None
    try:
        return text_field(artifacts.read_json(path).decode(_Request).model)
    except UnreadableFile:
        return None


def _notes(episodes: list[_Episode], numbers: list[int]) -> list[str]:
    def of(*troubles: str) -> list[int]:
        return [e.number for e in episodes if e.reply is not None and e.reply.trouble in troubles]

    notes = []
    if unread := of("unread"):
        replies = counted(
            len(unread), "reply holds no commands that can be read", "replies hold no commands that can be read"
        )
        notes.append(f"{replies}, so no steps (episode {listed(unread)}).")
    silent = [e.number for e in episodes if e.reply is not None and not e.reply.commands and e.number not in unread]
    if silent:
        replies = counted(len(silent), "reply asks", "replies ask")
        notes.append(f"{replies} for no command, so there is no step (episode {listed(silent)}).")
    if refused := [e.number for e in episodes if e.refused and e.reply is not None and e.reply.commands]:
        replies = counted(len(refused), "reply was", "replies were")
        notes.append(f"{replies} refused; the steps are marked as not executed (episode {listed(refused)}).")
    if around := of("around"):
        notes.append(
            f"{counted(len(around), 'reply has', 'replies have')} other text around it (episode {listed(around)})."
        )
    if cut := of("cut"):
        notes.append(f"{counted(len(cut), 'reply', 'replies')} cut off: its end was added (episode {listed(cut)}).")
    if lost := [e.number for e in episodes if e.answer_lost]:
        notes.append(
            f"What came of episode {listed(lost)} is not in the files: the next reply was too long, and the request "
            "for a shorter one was written over the prompt that showed it."
        )
    if episodes[-1].reply is None:
        notes.append(f"The run was stopped: the prompt of episode {numbers[-1]} has no answer.")
    gaps = [after for before, after in pairwise([-1, *numbers]) if after != before + 1]
    if gaps:
        notes.append(f"Episodes are missing before episode {listed(gaps)}.")
    return notes


FORMAT = Format(
    name="terminus2",
    title="Terminus 2 (agent-logs/episode-N or agent/episode-N)",
    recognise=recognise,
    parse=parse,
)
