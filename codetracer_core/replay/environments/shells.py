"""What a command is wrapped in: nothing for a fresh shell, a note of where the shell stands for a session."""

from collections.abc import Sequence
from typing import Literal

ShellKind = Literal["fresh", "session"]

LONGEST_ARGUMENT = 100_000
"""Bytes; Linux takes no single argument of 128 kB, so what is longer comes from a file."""

# One line, so that bash counts the lines of the command from 1 in what it reports. The state is written into a new file
# that takes the place of the old one, so that a shell that is killed meanwhile leaves the old one.
_SESSION_BASH = (
    "__ct_dump() { local __ct_opts; __ct_opts=$(set +o); set +eu; "
    "{ builtin compgen -v | while IFS= read -r __ct_v; do case $__ct_v in "
    "BASH*|EUID|UID|PPID|SHELLOPTS|RANDOM|SRANDOM|SECONDS|LINENO|_|PIPESTATUS|FUNCNAME|GROUPS|DIRSTACK|EPOCH*|COMP_*"
    '|HISTCMD|SHLVL|IFS|__ct_*) ;; *) builtin declare -p "$__ct_v";; esac; done; builtin declare -f; builtin shopt -p; '
    "builtin printf '%s\\n' \"$__ct_opts\"; builtin printf 'builtin cd -- %q\\n' \"$PWD\"; } "
    '> "$__ct_state.new" 2>/dev/null && command mv -f "$__ct_state.new" "$__ct_state"; }; '
    "__ct_state=$1; __ct_command=$2; __ct_file=$3; shift 3; "
    'if [ -f "$__ct_state" ]; then . "$__ct_state" 2>/dev/null; fi; '
    'if [ -n "$__ct_file" ]; then __ct_command=$(<"$__ct_file"); fi; '
    "trap 'exit 143' TERM; trap __ct_dump EXIT; eval \"$__ct_command\""
)
_SESSION_SH = (
    "__ct_state=$1; __ct_command=$2; __ct_file=$3; shift 3; "
    '__ct_dump() { { export -p; printf \'cd -- "%s"\\n\' "$(pwd | sed \'s/[\\\\"$`]/\\\\&/g\')"; } '
    '> "$__ct_state.new" 2>/dev/null && mv -f "$__ct_state.new" "$__ct_state"; }; '
    'if [ -f "$__ct_state" ]; then . "$__ct_state" 2>/dev/null; fi; '
    'if [ -n "$__ct_file" ]; then __ct_command=$(cat "$__ct_file"); fi; '
    "trap 'exit 143' TERM; trap __ct_dump EXIT; eval \"$__ct_command\""
)


def wrapped(command: str, *, shell: str, kind: ShellKind, state: str, file: str = "") -> Sequence[str]:
    """The argument vector for a command. ``shell`` is bash or sh; ``state`` the file of a session, as the shell sees
    it; ``file``: where the command has been written, if it is too long for an argument."""
    if kind == "session":
        script = _SESSION_BASH if shell == "bash" else _SESSION_SH
        return (shell, "-c", script, shell, state, "" if file else command, file)
    return (shell, file) if file else (shell, "-c", command)
