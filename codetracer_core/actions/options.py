"""One simple command as words, and how to read options and operands from them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from codetracer_core.actions.effects import Effect, changes, explores, shown


@dataclass(frozen=True, slots=True)
class Call:
    """One simple command: its words (name first, quotes removed) and what arrives at its standard input.

    ``stdin`` is that text where the command line shows it (a here-document, ``echo … |``); ``fed`` says that
    something arrives, seen or not. ``shell`` judges a command line that stands inside this one.
    """

    words: tuple[str, ...]
    shell: Callable[[str], Effect]
    stdin: str | None = None
    fed: bool = False

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def args(self) -> tuple[str, ...]:
        return self.words[1:]

    def starting(self, words: tuple[str, ...]) -> "Call":
        """The command that this one starts, with the same standard input."""
        return replace(self, words=words)


def names(text: str) -> frozenset[str]:
    """The names in a text that lists them, separated by white space."""
    return frozenset(text.split())


Handler = Callable[[Call], Effect | Call]
"""Judges one program's calls; a returned Call is the command that it starts and that is to be judged instead."""

_CLUSTER = re.compile(r"-[A-Za-z0-9]+")
_PATH = re.compile(r"[\w.@~+$/{}*-]*(?:/|\.[A-Za-z]\w{0,9}$)[\w.@~+$/{}*-]*")
_NOWHERE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "-"})
_HELP = names("-h -V -v --version -version version help -help")


def operands(args: tuple[str, ...], *valued: str) -> list[str]:
    """The arguments that are no options; ``valued`` options take the next word with them."""
    found: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            found.extend(words)
        elif word in valued:
            next(words, None)
        elif not word.startswith("-") or word == "-":
            found.append(word)
    return found


def has(args: tuple[str, ...], *names: str) -> bool:
    """Is one of these options given: ``--long``, ``--long=value``, or ``-x``, alone or in a cluster (``-rx``)?"""
    for arg in args:
        if arg == "--":
            return False
        for name in names:
            if arg == name or (len(name) > 2 and arg.startswith(f"{name}=")):
                return True
            if len(name) == 2 and name[1] in arg[1:] and _CLUSTER.fullmatch(arg):
                return True
    return False


def value_of(args: tuple[str, ...], *names: str) -> str | None:
    """The value of the first of these options (``-o x``, ``-ox``, ``--out x``, ``--out=x``); None if not given."""
    for at, arg in enumerate(args):
        for name in names:
            if arg == name:
                return args[at + 1] if at + 1 < len(args) else ""
            if name.startswith("--") and arg.startswith(f"{name}="):
                return arg[len(name) + 1 :]
            if len(name) == 2 and arg.startswith(name):
                return arg[2:]
    return None


def after_options(args: tuple[str, ...], *valued: str) -> tuple[str, ...]:
    """What is left behind the options that ``args`` begins with (``--`` included)."""
    at = 0
    while at < len(args) and args[at].startswith("-") and args[at] != "-":
        if args[at] == "--":
            return args[at + 1 :]
        at += 2 if args[at] in valued else 1
    return args[at:]


def asks_for_help(args: tuple[str, ...]) -> bool:
    return bool(args) and (args[-1] == "--help" or (len(args) == 1 and args[0] in _HELP))


def paths(args: tuple[str, ...] | list[str]) -> list[str]:
    """The arguments that look like files or folders (a guess, for naming only), at most four."""
    return [arg for arg in args if len(arg) < 200 and not arg.startswith("-") and _PATH.fullmatch(arg)][:4]


def writes_nothing(path: str) -> bool:
    """Is this a place where output goes that no file keeps: /dev/null, the terminal, an open descriptor?"""
    return path in _NOWHERE or path.startswith("/dev/fd/")


def runs_script(script: str, args: tuple[str, ...] = ()) -> Effect:
    if asks_for_help(args):
        return asks_help_of(script)
    return changes(f"runs the script {shown(script)}, which may do anything", "run", [script])


def asks_help_of(program: str) -> Effect:
    return explores(f"asks {shown(program, 40)} for help or its version")


def judge_stdin(call: Call, judge: Callable[[str], Effect], what: str) -> Effect:
    """An interpreter that reads its program from standard input: judged if the text is seen."""
    if call.stdin is not None:
        return judge(call.stdin)
    if call.fed:
        return changes(f"runs {what} that arrives unseen through a pipe or a file")
    return changes(f"starts an interactive {shown(call.name, 30)}; what is typed there is not seen")
