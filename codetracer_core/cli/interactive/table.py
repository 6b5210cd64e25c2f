"""The commands of a session: one table, from which come help, completion and what a line means."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from codetracer_core.cli.interactive import asking, labelling, moving
from codetracer_core.cli.interactive.choosing import CHOOSE, matching, runs_to_choose
from codetracer_core.cli.interactive.resuming import resume
from codetracer_core.cli.interactive.session import Session
from codetracer_core.cli.terminal import one_line
from codetracer_core.errors import NotFound
from codetracer_core.models import RunVerdict
from codetracer_core.workflow import path_of


@dataclass(frozen=True)
class Command:
    """One command. ``words``: what may stand first after its name, for completion."""

    name: str
    usage: str
    help: str
    run: Callable[[Session, str], None]
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    group: str = ""


def _grouped(group: str, *commands: Command) -> tuple[Command, ...]:
    return tuple(Command(**{**vars(command), "group": group}) for command in commands)


def help_(session: Session, words: str) -> None:
    if words:
        command = _named(words.split()[0])
        if isinstance(command, str):
            raise NotFound(f"there is no command {command!r}")
        also = f" (also: {', '.join(command.aliases)})" if command.aliases else ""
        session.say(f"{command.usage}{also}", "bold")
        session.say(f"  {command.help}")
        return
    width = max(len(command.usage) for command in COMMANDS)
    group = ""
    for command in COMMANDS:
        if command.group != group:
            group = command.group
            session.say(f"\n{group}", "bold")
        session.say(f"  {command.usage:{width}}  {command.help}")
    session.say(
        "\nA name may be cut short while it is clear: 'obs' is observation. STEPS: 12, 3-5, 3,7-9; none: this one."
    )


def choose(session: Session, words: str) -> None:
    fitting = [CHOOSE]
    if words:
        about = runs_to_choose(session.place, session.who) if session.place.is_dir() else {}
        fitting = [words] if words in about or path_of(words) is not None else matching(words, about)
    if not fitting:
        raise NotFound(f"no run is called like {one_line(words, 80)!r}", remedy="'run' alone lists them.")
    if len(fitting) > 1:
        named = ", ".join(fitting[:5])
        raise NotFound(f"{len(fitting)} runs are called like {one_line(words, 80)!r}", remedy=f"Say more: {named} …")
    session.opens, session.is_over = fitting[0], True


def quit_(session: Session, words: str) -> None:
    session.is_over = True


_WALKS = tuple(dict.fromkeys(moving.WALKS.values()))
COMMANDS: tuple[Command, ...] = (
    *_grouped(
        "Going through the run",
        Command("step", "12", "show a step by its number", moving.go_to),
        Command("next", "n [WHICH]", "the next step; 'n change', 'n failed' …", moving.next_, ("n",), _WALKS),
        Command("previous", "p [WHICH]", "the step before", moving.previous, ("p", "N"), _WALKS),
        Command("walk", "walk WHICH", f"n and p stop at: {', '.join(_WALKS)}", moving.walk, ("filter",), _WALKS),
        Command("show", "show", "this step again", moving.show, (".",)),
        Command("tree", "tree [all | 3-9 | stage 2]", "the trace tree", moving.tree, (), ("all", "stage")),
        Command("info", "info", "what this run is", moving.overview),
        Command("task", "task", "what the agent was asked to do", moving.task),
        Command("thought", "thought [12]", "all of the thought", moving.thought, ("t",)),
        Command("action", "action [12]", "all of the action", moving.action, ("a",)),
        Command("observation", "observation [12]", "all of the observation", moving.observation, ("o",)),
        Command(
            "more", "more [all]", "the next page of a long text (Enter does it too)", moving.go_on, ("m",), ("all",)
        ),
        Command("search", "/TEXT or search TEXT", "steps that hold a text; n and p walk them", moving.search),
    ),
    *_grouped(
        "Labels, stored under your name at once",
        Command("incorrect", "incorrect [STEPS] [reason]", "label steps incorrect", labelling.incorrect, ("i",)),
        Command("unuseful", "unuseful [STEPS] [reason]", "label steps unuseful", labelling.unuseful, ("u",)),
        Command("correct", "correct [STEPS] [reason]", "label steps correct", labelling.correct, ("c",)),
        Command("uncertain", "uncertain [STEPS] [reason]", "label steps uncertain", labelling.uncertain),
        Command("unlabel", "unlabel [STEPS]", "take your label back", labelling.unlabel),
        Command("reason", "reason [STEPS] WHY", "why a step is labelled so", labelling.reason),
        Command("onset", "onset [12 | none]", "the step that took the run off track", labelling.onset, (), ("none",)),
        Command("should", "should [12] WHAT", "what should have been done after it", labelling.omission, ("omission",)),
        Command("note", "note WORDS", "a note on the whole run", labelling.note),
        Command(
            "verdict",
            "verdict WORD",
            f"on the whole run: {', '.join(get_args(RunVerdict))}, none",
            labelling.judge,
            (),
            (*get_args(RunVerdict), "none"),
        ),
        Command("undo", "undo", "take back what you labelled last in this session", labelling.undo),
        Command("labels", "labels", "what you say of this run", labelling.labels),
    ),
    *_grouped(
        "Models",
        Command("model", "model [NAME]", "which model is asked", asking.choose_model, (), ("heuristic",)),
        Command("diagnose", "diagnose [MODEL]", "have the run diagnosed", asking.diagnose, (), ("heuristic",)),
        Command("diagnosis", "diagnosis", "the latest diagnosis of this run", asking.diagnosis),
        Command("ask", "?QUESTION or ask QUESTION", "ask the model; alone: what was said", asking.question),
        Command("forget", "forget", "begin a new conversation", asking.forget),
        Command("replay", "replay [OPTIONS]", "from this step; as 'codetracer replay'", asking.replay),
    ),
    *_grouped(
        "The session",
        Command(
            "export",
            "export [FORM] [FILE]",
            "html (else), steps, labels, csv, jsonl",
            asking.export,
            (),
            ("html", "steps", "labels", "csv", "jsonl"),
        ),
        Command("open", "open", "the address of this step on the dashboard", asking.open_),
        Command("resume", "resume", "go on where the last session was left", resume),
        Command("run", "run [NAME]", "another run", choose, ("runs",)),
        Command("help", "help [COMMAND]", "what can be typed", help_, ("h",)),
        Command("quit", "quit", "leave; Ctrl-D does it too", quit_, ("q", "exit")),
    ),
)


def parsed(line: str) -> tuple[Command | str, str]:
    """The command of a line and the words after it; a text instead of a command: there is none called so."""
    if line[0] == "/":
        return _by_name["search"], line[1:].strip()
    if line[0] == "?":
        return _by_name["ask"], line[1:].strip()
    name, _, words = line.partition(" ")
    if moving.is_step(line):
        return _by_name["step"], line
    return _named(name), words.strip()


def _named(name: str) -> Command | str:
    if name in _by_name:
        return _by_name[name]
    lower = name.lower()
    begins = {command.name for command in COMMANDS if len(lower) > 1 and command.name.startswith(lower)}
    return _by_name[begins.pop()] if len(begins) == 1 else _by_name.get(lower, name)


_by_name = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def complete(line: str) -> Iterable[tuple[str, str]]:
    """What the last word of a line may become, and what that is."""
    *before, last = line.split(" ")
    if not before:
        return [(one.name, one.help) for one in COMMANDS if one.name.startswith(last)]
    command = _named(before[0])
    if isinstance(command, str) or len(before) > 1:
        return []
    words = [one.name for one in COMMANDS] if command.name == "help" else command.words
    return [(word, "") for word in words if word.startswith(last)]
