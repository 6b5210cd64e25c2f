"""Shells, and programs that start the command behind their options: bash -c, sudo, xargs, env, ssh …"""

import re
import shlex

from codetracer_core.actions.effects import READS_ONLY, Effect, changes, combined, explores, shown
from codetracer_core.actions.options import (
    Call,
    Handler,
    after_options,
    has,
    judge_stdin,
    names,
    operands,
    runs_script,
    value_of,
    writes_nothing,
)


def shell(call: Call) -> Effect:
    letters, rest = "", call.args
    while rest and rest[0].startswith(("-", "+")) and rest[0] != "-":
        word, rest = rest[0], rest[1:]
        if word == "--":
            break
        letters += word if re.fullmatch(r"-[a-zA-Z]+", word) else ""
        if re.fullmatch(r"[-+][a-zA-Z]*[oO]|--rcfile|--init-file", word):  # ``bash -euo pipefail -c …``
            rest = rest[1:]
    if "c" in letters:
        return call.shell(rest[0]) if rest else changes("runs a command that is not seen")
    if not rest or rest[0] == "-" or "s" in letters:
        return judge_stdin(call, call.shell, "a shell program")
    if "n" in letters:
        return explores(f"checks the syntax of {shown(rest[0])}", "test", rest[:1])
    return runs_script(rest[0], rest[1:])


_SHELL_SETUP = re.compile(
    r"(?:^|/)(?:activate|conda\.sh|nvm\.sh|env|environment|profile|bash_completion|\.(?:bash|z)?rc|\.(?:bash_|z)?profile)$"
)


def source(call: Call) -> Effect:
    script = call.args[0] if call.args else ""
    return explores("sets up the shell", "shell") if _SHELL_SETUP.search(script) else runs_script(script)


def evaluate(call: Call) -> Effect:
    return call.shell(" ".join(call.args))


def trap(call: Call) -> Effect:
    words = operands(call.args)
    return call.shell(words[0]) if len(words) > 1 else explores("stays within the shell", "shell")


def su(call: Call) -> Effect:
    line = value_of(call.args, "-c", "--command")
    return call.shell(line) if line else judge_stdin(call, call.shell, "a shell program")


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def starts_other(*valued: str, skips: int = 0, alone: Effect | None = None) -> Handler:
    """A program that starts the command behind its options (and ``skips`` operands): sudo, timeout, env …"""

    def handler(call: Call) -> Effect | Call:
        inner = after_options(call.args, *valued)[skips:]
        while inner and _ASSIGNMENT.match(inner[0]):
            inner = inner[1:]
        if inner:
            return call.starting(inner)
        return alone or changes(f"{call.name} starts something that is not seen")

    return handler


def env(call: Call) -> Effect | Call:
    if (line := value_of(call.args, "-S", "--split-string")) is not None:
        return call.shell(" ".join([line, *call.args[call.args.index(line) + 1 :]]) if line in call.args else line)
    return starts_other("-u", "--unset", "-C", "--chdir", alone=READS_ONLY)(call)


def command(call: Call) -> Effect | Call:
    if has(call.args[:1], "-v", "-V"):
        return READS_ONLY
    return starts_other("-a", alone=explores("stays within the shell", "shell"))(call)


def sudo(call: Call) -> Effect | Call:
    if call.args and call.args[0] in ("-l", "-v", "-V", "-k", "--list"):
        return READS_ONLY
    if call.args and call.args[0] in ("-i", "-s") and len(call.args) == 1:
        return judge_stdin(call, call.shell, "a shell program")
    return starts_other(*names("-u -g -h -p -C -r -t -T -U -D -R --user --group"))(call)


def traced(call: Call) -> Effect | Call:
    """time, strace, ltrace: start a command, and may write what they measured into a file."""
    valued = ("-f", "--format", "-o", "--output") if call.name == "time" else (*names("-e -p -s -P -a -u -E -o"),)
    target = value_of(call.args[: len(call.args) - len(after_options(call.args, *valued))], "-o", "--output")
    if target and not writes_nothing(target):
        inner = call.shell(shlex.join(after_options(call.args, *valued)))
        return combined([inner, changes(f"{call.name} writes {shown(target)}", "output", [target])])
    return starts_other(*valued, alone=explores("stays within the shell", "shell"))(call)


def watch(call: Call) -> Effect:
    return call.shell(" ".join(after_options(call.args, "-n", "--interval")))


def npx(call: Call) -> Effect | Call:
    inner = after_options(call.args, "-p", "--package", "-c", "--call")
    if line := value_of(call.args[: len(call.args) - len(inner)], "-c", "--call"):
        return call.shell(line)
    if not inner:
        return changes("npx starts something that is not seen")
    return call.starting((inner[0].partition("@")[0] or inner[0], *inner[1:]))


_XARGS_VALUED = ("-n", "-I", "-P", "-L", "-d", "-s", "-a", "-E", "--max-args", "--max-procs", "--delimiter", "-j")


def xargs(call: Call) -> Effect | Call:
    """What arrives at standard input becomes arguments: the program that is started gets nothing to read."""
    inner = after_options(call.args, *_XARGS_VALUED)
    end = next((at for at, word in enumerate(inner) if word.startswith(":::")), len(inner))  # GNU parallel
    return Call(inner[:end], call.shell) if inner[:end] else READS_ONLY


_SSH_VALUED = (*names("-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w"),)


def ssh(call: Call) -> Effect:
    remote = " ".join(after_options(call.args, *_SSH_VALUED)[1:])
    if remote:
        return call.shell(remote)
    return judge_stdin(call, call.shell, "a remote program")
