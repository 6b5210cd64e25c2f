"""Programs whose arguments decide whether they change anything: find, sed, curl, python, tar …"""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace

from codetracer_core.actions.effects import Effect, Purpose, changes, combined, explores, shown
from codetracer_core.actions.families import judge_tests
from codetracer_core.actions.options import (
    Call,
    Handler,
    after_options,
    asks_for_help,
    has,
    names,
    operands,
    paths,
    value_of,
    writes_nothing,
)
from codetracer_core.actions.python_code import judge_python, judge_sql

READS_ONLY = explores("reads only")
CHECKS = "runs a check that only reads"


def runs_script(script: str) -> Effect:
    return changes(f"runs the script {shown(script)}, which may do anything", "run", [script])


def judge_stdin(call: Call, judge: Callable[[str], Effect], what: str) -> Effect:
    """An interpreter that reads its program from standard input: judged if the text is seen."""
    if call.stdin is not None:
        return judge(call.stdin)
    if call.fed:
        return changes(f"runs {what} that arrives unseen through a pipe or a file")
    return changes(f"starts an interactive {shown(call.name, 30)}; what is typed there is not seen")


# ---------------------------------------------------------------- tables of small differences


def reads_with(*options: str, otherwise: str, purpose: Purpose = "edit") -> Handler:
    """A program that changes state unless one of ``options`` is given."""

    def handler(call: Call) -> Effect:
        if has(call.args, *options) or (call.args and call.args[0] in options):
            return explores("reads only", "read", paths(call.args))
        return changes(f"{otherwise} ({call.name})", purpose, paths(call.args))

    return handler


def writes_with(*options: str, does: str, purpose: Purpose = "edit", looks: Effect = READS_ONLY) -> Handler:
    """A program that only looks unless one of ``options`` is given."""

    def handler(call: Call) -> Effect:
        if has(call.args, *options):
            return changes(f"{call.name} {does}", purpose, paths(call.args))
        return replace(looks, targets=tuple(paths(call.args)))

    return handler


def writes_to(*options: str, otherwise: Effect = READS_ONLY) -> Handler:
    """A program that writes the file that one of ``options`` names, and else only looks."""

    def handler(call: Call) -> Effect:
        target = value_of(call.args, *options)
        if target and not writes_nothing(target):
            return changes(f"{call.name} writes {shown(target)}", "output", [target])
        return replace(otherwise, targets=tuple(paths(call.args)))

    return handler


def writes_operand(position: int, *valued: str) -> Handler:
    """A program whose operand at ``position`` (−1: the last of at least two) is the file that it writes."""

    def handler(call: Call) -> Effect:
        words = operands(call.args, *valued)
        if len(words) <= max(position, 1) or writes_nothing(words[position]) or words[position] in ("stdout", "info:"):
            return explores("reads only", "read", words[:1])
        return changes(f"{call.name} writes {shown(words[position])}", "output", [words[position]])

    return handler


def changes_with_operands(does: str) -> Handler:
    """A program that shows a setting, and sets it when it is given a value."""

    def handler(call: Call) -> Effect:
        return changes(f"{does} ({call.name})") if operands(call.args) else READS_ONLY

    return handler


# ---------------------------------------------------------------- finding and filtering


def find(call: Call) -> Effect:
    args = call.args
    start = next((at for at, word in enumerate(args) if word.startswith(("-", "(", "!"))), len(args))
    effects = [explores("searches only", "search", paths(args[:start]))]
    at = start
    while at < len(args):
        word = args[at]
        if word == "-delete":
            effects.append(changes("find -delete deletes files", "edit"))
        elif word in ("-fprint", "-fprint0", "-fprintf", "-fls"):
            target = args[at + 1] if at + 1 < len(args) else ""
            if not writes_nothing(target):
                effects.append(changes(f"find writes {shown(target)}", "output", [target]))
        elif word in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((i for i in range(at + 1, len(args)) if args[i] in (";", "+")), len(args))
            if end > at + 1:
                effects.append(call.shell(shlex.join(args[at + 1 : end])))
            at = end
        at += 1
    return combined(effects)


def fd(call: Call) -> Effect:
    for at, word in enumerate(call.args):
        if word in ("-x", "-X", "--exec", "--exec-batch") and call.args[at + 1 :]:
            return call.shell(shlex.join(call.args[at + 1 :]))
    return explores("searches only", "search", paths(call.args))


_XARGS_VALUED = ("-n", "-I", "-P", "-L", "-d", "-s", "-a", "-E", "--max-args", "--max-procs", "--delimiter", "-j")


def xargs(call: Call) -> Effect | Call:
    """What arrives at standard input becomes arguments: the program that is started gets nothing to read."""
    inner = after_options(call.args, *_XARGS_VALUED)
    end = next((at for at, word in enumerate(inner) if word.startswith(":::")), len(inner))  # GNU parallel
    return Call(inner[:end], call.shell) if inner[:end] else READS_ONLY


_SED_SUBSTITUTION = re.compile(
    r"(?<![\\\w])[sy](?P<d>[^\w\s\\;])(?:\\.|(?!(?P=d))[^\\])*(?P=d)(?:\\.|(?!(?P=d))[^\\])*(?P=d)"
    r"[gpiImM0-9]*(?P<does>[we]?)[^\S\n]*(?P<file>[^;\s}]*)",
    re.DOTALL,
)
_SED_ADDRESS = re.compile(r"/(?:\\.|[^/\\\n])*/|\\(?P<d>[^\w\s])(?:\\.|(?!(?P=d))[^\\\n])*(?P=d)")
_SED_TEXT = re.compile(r"(?:^|(?<=[;{}\n\d$]))[^\S\n]*[aic](?:\\|[^\S\n])(?:\\\n|[^\n])*", re.MULTILINE)
_SED_COMMAND = re.compile(r"(?:^|[;{}\n])[\s\d,$!~+IM]*(?:[wW][^\S\n]+(?P<file>[^;\s}]+)|(?P<runs>e)(?=\s+\S|\s*$|;))")


def sed(call: Call) -> Effect:
    args = call.args
    scripts = [args[at + 1] for at, word in enumerate(args[:-1]) if re.fullmatch(r"-[nErsuz]*e|--expression", word)]
    scripts += [word.partition("=")[2] for word in args if word.startswith("--expression=")]
    words = [word for word in operands(args, "-f", "--file", "-l", "--line-length") if word not in scripts]
    if not scripts and not has(args, "-f", "--file"):
        scripts, words = words[:1], words[1:]
    if any(re.match(r"-[nErsuz]*i|--in-place", word) for word in args):
        more = f" and {len(words) - 1} more" if len(words) > 1 else ""
        return changes(f"sed -i edits {shown(words[0]) if words else 'files'}{more}", "edit", words[:4])
    if does := _sed_does("\n".join(scripts)):
        return changes(f"sed {does}", "edit")
    return explores("reads only", "read", words[:4])


def _sed_does(script: str) -> str:
    """What a sed script writes or executes, "" if nothing: ``w file``, ``s/…/…/w file``, ``e``, ``s/…/…/e``."""
    for match in _SED_SUBSTITUTION.finditer(script):
        if match["does"] == "e":
            return "executes text as commands"
        if match["does"] == "w" and not writes_nothing(match["file"]):
            return f"writes {shown(match['file'])}"
    rest = _SED_ADDRESS.sub("", _SED_TEXT.sub("", _SED_SUBSTITUTION.sub("", script)))
    for match in _SED_COMMAND.finditer(rest):
        if match["runs"]:
            return "executes text as commands"
        if not writes_nothing(match["file"]):
            return f"writes {shown(match['file'])}"
    return ""


_AWK_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
_AWK_REGEX = re.compile(r"(?:(?<=[\s(,{;~!&|])|^)/(?:\\.|[^/\\\n])+/")
_AWK_RUNS = re.compile(r"\bsystem\s*\(\s*(?P<system>§\d+)?|\|&?\s*(?P<out>§\d+)|(?P<in>§\d+)?\s*\|&?\s*getline")
_AWK_WRITES = re.compile(r"\bprintf?\b[^;{}\n>|]*>{1,2}\s*(?P<to>[^;}\n]*)")
_INNER_PARENTHESES = re.compile(r"\([^()]*\)")


def awk(call: Call) -> Effect:
    """``system()``, pipes and ``print > file`` in an awk program; strings are set aside first, as §0, §1 …"""
    words = operands(call.args, "-F", "-v", "-f", "--field-separator", "--assign", "--file", "-i", "--include")
    if value_of(call.args, "-i", "--include") == "inplace":
        return changes("awk edits files in place", "edit", words[1:5])
    if script := value_of(call.args, "-f", "--file"):
        return runs_script(script)
    strings: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        strings.append(match[1].replace('\\"', '"'))
        return f" §{len(strings) - 1} "

    program = _AWK_REGEX.sub(" ", _AWK_STRING.sub(set_aside, words[0].replace("§", " ") if words else ""))
    effects = [explores("reads only", "read", words[1:5])]
    for match in _AWK_RUNS.finditer(program):
        mark = match["system"] or match["out"] or match["in"]
        effects.append(call.shell(strings[int(mark[1:])]) if mark else changes("awk runs a command that is not seen"))
    for _ in range(20):
        program = _INNER_PARENTHESES.sub(" ", program)
    for match in _AWK_WRITES.finditer(program):
        mark = match["to"].strip()
        target = strings[int(mark[1:])] if re.fullmatch(r"§\d+", mark) else ""
        if not (target and writes_nothing(target)):
            effects.append(changes(f"awk writes {shown(target) or 'a file'}", "edit", [target] if target else []))
    return combined(effects)


def pdftotext(call: Call) -> Effect:
    words = operands(call.args, "-f", "-l", "-r", "-enc", "-upw", "-opw")
    if words[-1:] == ["-"]:
        return explores("reads only", "read", words[:1])
    return changes(f"pdftotext writes {shown(words[1]) if len(words) > 1 else 'a text file'}", "output", words[1:2])


def ffmpeg(call: Call) -> Effect:
    words = operands(call.args, *_FFMPEG_VALUED)
    if not words or value_of(call.args, "-f") == "null" or writes_nothing(words[-1]):
        return READS_ONLY
    return changes(f"ffmpeg writes {shown(words[-1])}", "output", words[-1:])


_FFMPEG_VALUED = names(
    "-i -f -ss -t -to -r -s -c -c:v -c:a -b:v -b:a -vf -af -map -vframes -frames:v -preset -crf -loglevel -v"
)


def exiftool(call: Call) -> Effect:
    if any(re.match(r"-[\w:-]+[<+-]?=", word) for word in call.args):
        return changes("exiftool edits metadata", "edit", paths(call.args))
    return explores("reads only", "read", paths(call.args))


def tee(call: Call) -> Effect:
    files = [file for file in operands(call.args) if not (writes_nothing(file) or file.startswith(">("))]
    if not files:
        return READS_ONLY
    return changes(f"tee writes {shown(files[0])}", "edit" if call.stdin is not None else "output", files)


def dd(call: Call) -> Effect:
    target = next((word[3:] for word in call.args if word.startswith("of=")), "")
    if not target or writes_nothing(target):
        return READS_ONLY
    return changes(f"dd writes {shown(target)}", "edit", [target])


def yq(call: Call) -> Effect:
    if has(call.args, "-i", "--inplace", "--in-place"):
        return changes("yq -i edits files", "edit", paths(call.args))
    return explores("reads only", "read", paths(call.args))


# ---------------------------------------------------------------- networks

_CURL_VALUED = "AbcCdDeEFHKmoPQrtTuUwxXyYz"
_CURL_DATA = names(
    "--data --data-raw --data-binary --data-urlencode --data-ascii --form --form-string --json --upload-file"
)
_CURL_FILES = names("--output --cookie-jar --dump-header --trace --trace-ascii --stderr")
_ASKS_SERVER = "asks a server and only shows the answer"


def curl(call: Call) -> Effect:
    target, method, sends, is_get = "", "", False, False
    words = iter(call.args)
    for word in words:
        if word.startswith("--"):
            name, has_value, value = word.partition("=")
            if name in _CURL_FILES or name in _CURL_DATA or name == "--request":
                value = value if has_value else next(words, "")
            if name in _CURL_FILES and not writes_nothing(value):
                target = value
            elif name.startswith("--remote-name"):
                target = target or "a file"
            method = value if name == "--request" else method
            sends, is_get = sends or name in _CURL_DATA, is_get or name == "--get"
            continue
        for at, letter in enumerate(word[1:] if word.startswith("-") else "", 2):
            if letter == "O":
                target = target or "a file"
            is_get = is_get or letter in "GI"
            if letter in _CURL_VALUED:
                value = word[at:] or next(words, "")
                if letter in "ocD" and not writes_nothing(value):
                    target = value
                method = value if letter == "X" else method
                sends = sends or letter in "dFT"
                break
    if target:
        return changes(f"curl writes {shown(target)}", "network", [target])
    if method.upper() not in ("", "GET", "HEAD", "OPTIONS") or (sends and not is_get and not method):
        return changes(f"curl sends data ({shown(method.upper() or 'POST', 12)})", "network")
    return explores(_ASKS_SERVER, "network")


def wget(call: Call) -> Effect:
    target = value_of(call.args, "--output-document")
    for at, word in enumerate(call.args):
        if match := re.fullmatch(r"-[a-zA-NP-Z]*O(.*)", word):
            target = match[1] or (call.args[at + 1] if at + 1 < len(call.args) else "")
    if any(word.startswith(("--post", "--body", "--method=P", "--method=D")) for word in call.args):
        return changes("wget sends data", "network")
    if "--spider" in call.args or (target is not None and writes_nothing(target)):
        return explores(_ASKS_SERVER, "network")
    return changes(f"wget downloads {shown(target or 'files')}", "network", [target] if target else [])


_SSH_VALUED = (*names("-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w"),)


def ssh(call: Call) -> Effect:
    remote = " ".join(after_options(call.args, *_SSH_VALUED)[1:])
    if remote:
        return call.shell(remote)
    return judge_stdin(call, call.shell, "a remote program")


def rsync(call: Call) -> Effect:
    if has(call.args, "-n", "--dry-run", "--list-only"):
        return explores("rsync as a rehearsal only")
    words = operands(call.args, "-e", "--exclude", "--include", "--filter")
    return changes(f"copies into {shown(words[-1]) if words else 'a folder'}", "edit", words[-1:])


# ---------------------------------------------------------------- shells and what starts other commands


def shell(call: Call) -> Effect:
    for at, word in enumerate(call.args):
        if re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word):
            line = call.args[at + 1 : at + 2]
            return call.shell(line[0]) if line else changes("runs a command that is not seen")
        if not word.startswith(("-", "+")):
            break
    words = operands(call.args, "-o", "+o", "-O", "+O", "--rcfile", "--init-file")
    if words and words[0] != "-":
        if has(call.args, "-n"):
            return explores(f"checks the syntax of {shown(words[0])}", "test", words[:1])
        return runs_script(words[0])
    return judge_stdin(call, call.shell, "a shell program")


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
    if line := value_of(call.args, "-c", "--call"):
        return call.shell(line)
    inner = after_options(call.args, "-p", "--package")
    if not inner:
        return changes("npx starts something that is not seen")
    return call.starting((inner[0].partition("@")[0] or inner[0], *inner[1:]))


# ---------------------------------------------------------------- Python

_PYTHON_LETTERS = "[bBdEhiIOPqsSuvVx]*"
_MODULES_THAT_ARE_PROGRAMS = names(
    "pytest unittest nose nose2 tox nox pip flake8 pyflakes pylint pycodestyle pydocstyle mypy pyright black isort ruff"
    " autopep8 yapf coverage behave robot pydoc vulture bandit poetry pipx uv jupyter flask uvicorn gunicorn trial"
    " streamlit virtualenv twine"
)
_MODULES_THAT_READ = names(
    "site sysconfig platform this calendar pyclbr inspect pstats base64 keyword locale mimetypes uuid"
)
_MODULES_THAT_CHECK = names("py_compile compileall tabnanny ast tokenize dis symtable")
_MODULES_THAT_RUN_SCRIPTS = names("cProfile profile trace pdb memory_profiler kernprof runpy")
_RUNNERS_OF_PROJECTS = {"runtests.py", "bin/test", "bin/doctest", "bin/pytest", "bin/py.test", "bin/nosetests"}


def python(call: Call) -> Effect | Call:
    args = call.args
    at = 0
    while at < len(args):
        word, following = args[at], args[at + 1 : at + 2]
        if re.fullmatch(rf"-{_PYTHON_LETTERS}c", word):
            return judge_python(following[0], call.shell) if following else changes("runs Python that is not seen")
        if re.fullmatch(rf"-{_PYTHON_LETTERS}m", word):
            return (
                python_module(call.starting(args[at + 1 :])) if following else changes("runs Python that is not seen")
            )
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            at += 1
        elif word == "-":
            break
        elif not word.startswith("-"):
            return python_script(call.starting(args[at:]))
        at += 1
    return judge_stdin(call, lambda code: judge_python(code, call.shell), "Python")


def python_script(call: Call) -> Effect | Call:
    """``python x.py …``: the scripts of known tools are judged as those, any other may do anything."""
    script = call.name
    name = script.rpartition("/")[2]
    if name == "manage.py":
        return manage(call)
    if name == "setup.py":
        return setup_py(call)
    if name in _RUNNERS_OF_PROJECTS or "/".join(script.split("/")[-2:]) in _RUNNERS_OF_PROJECTS:
        return judge_tests(name, call.args)
    return runs_script(script)


def setup_py(call: Call) -> Effect:
    words = operands(call.args)
    sub = words[0] if words else ""
    if sub in ("test", "pytest", "nosetests"):
        return judge_tests(f"setup.py {sub}", call.args)
    if sub == "check" or (not sub and call.args):
        return explores("setup.py only shows")
    purpose: Purpose = "build" if sub.startswith(("build", "sdist", "bdist")) else "install"
    return changes(f"setup.py {shown(sub, 30)}".rstrip(), purpose)


_MANAGE_READS = names(
    "help check showmigrations sqlmigrate sqlflush inspectdb diffsettings dumpdata findstatic version show_urls"
)


def manage(call: Call) -> Effect:
    """Django's manage.py, django-admin and ``python -m django``."""
    words = operands(call.args, "--settings", "--pythonpath", "-v", "--verbosity")
    sub = words[0] if words else "help"
    if sub == "test":
        return judge_tests("manage.py test", call.args)
    if sub in _MANAGE_READS:
        return explores(f"manage.py {sub} only shows")
    if (sub == "makemigrations" and has(call.args, "--check", "--dry-run")) or (
        sub == "migrate" and has(call.args, "--plan", "--check")
    ):
        return explores(f"manage.py {sub} as a rehearsal only")
    if sub == "shell":
        if (code := value_of(call.args, "-c", "--command")) is not None:
            return judge_python(code, call.shell)
        return judge_stdin(call, lambda text: judge_python(text, call.shell), "Python")
    return changes(f"manage.py {shown(sub, 30)}")


def python_module(call: Call) -> Effect | Call:
    """``python -m module …``; the call's name is the module."""
    module, args = call.name, call.args
    if asks_for_help(args):
        return explores(f"asks {shown(module, 30)} for help or its version")
    if module.partition(".")[0] in _MODULES_THAT_ARE_PROGRAMS:
        return call.starting((module.partition(".")[0], *args))
    if module == "django":
        return manage(call)
    if module == "json.tool":
        return writes_operand(1, "--indent")(replace(call, words=("json.tool", *args)))
    if module in ("doctest", "test"):
        return judge_tests(module, args)
    if module in _MODULES_THAT_CHECK:
        return explores("checks the syntax of Python files", "test", paths(args))
    if module in _MODULES_THAT_READ or (module in ("zipfile", "tarfile") and has(args, "-l", "--list", "-t", "--test")):
        return explores("reads only", "read", paths(args))
    if module == "timeit":
        return judge_python("\n".join(operands(args, "-n", "-r", "-u")), call.shell)
    if module in _MODULES_THAT_RUN_SCRIPTS:
        inner = after_options(args, "-o", "-s")
        if "-m" in args[: len(args) - len(inner)] and inner:
            return python_module(call.starting(inner))
        return python_script(call.starting(inner)) if inner else changes("runs Python that is not seen")
    if module in ("venv", "ensurepip", "build", "installer"):
        return changes(f"python -m {module}", "install")
    if module == "http.server":
        return changes("starts a server (http.server)")
    return changes(f"runs the module {shown(module, 40)}, which may do anything")


def coverage(call: Call) -> Effect | Call:
    sub, args = (call.args[0], call.args[1:]) if call.args else ("help", ())
    if sub in ("report", "help", "debug"):
        return explores(f"coverage {sub} only shows", "test")
    if sub == "run" and (inner := after_options(args, "--source", "--omit", "--include", "--rcfile", "--data-file")):
        is_module = "-m" in args[: len(args) - len(inner)]
        return python_module(call.starting(inner)) if is_module else python_script(call.starting(inner))
    return changes(f"coverage {shown(sub, 20)}", "output")


# ---------------------------------------------------------------- other languages

_CODE_THAT_WRITES = re.compile(
    r"writeFile|appendFile|createWriteStream|unlink|\brm(?:dir)?(?:Sync)?\s*\(|mkdir|rename|copyFile|symlink|chmod"
    r"|child_process|(?<![.\w])exec|\bspawn|\bsystem\b|shell_exec|passthru|`|%x|qx|\beval\b|\bkill\b"
    r"|\.listen\s*\(|Bun\.write|Deno\.|File\.(?:write|open|delete)|FileUtils|IO\.write|\bDir\."
    r"|file_put_contents|fopen|fwrite|\bopen\b[^;]*[\"'<,]\s*\+?>|io\.open|os\.(?:execute|remove)"
    r"|\bwrite\.\w+\s*\(|saveRDS|\bsave\s*\(|\bsink\s*\(|install\.packages|Pkg\.|file\.(?:remove|create|copy)"
)


def _judge_by_pattern(code: str, language: str) -> Effect:
    if match := _CODE_THAT_WRITES.search(code):
        return changes(f"{language} code that may write or start programs ({shown(match.group(), 24)})")
    return explores(f"{language} code without a call known to write")


def interpreter(language: str, *code_options: str, checks: tuple[str, ...] = ()) -> Handler:
    """node, ruby, perl …: code on the command line is judged by patterns, a script may do anything."""
    letters = "".join(option[1] for option in code_options if len(option) == 2)

    def handler(call: Call) -> Effect:
        args = call.args
        if language in ("Perl", "Ruby") and any(re.match(r"-[a-df-hj-zA-Z0-9]*i", word) for word in args):
            files = operands(args, "-e", "-pe", "-ne", "-ie", "-pie")
            return changes(f"{call.name} -i edits {shown(files[-1]) if files else 'files'}", "edit", files[-1:])
        for at, word in enumerate(args):
            if word in code_options or re.fullmatch(rf"-[a-zA-Z0-9]*[{letters}]", word):
                return _judge_by_pattern(args[at + 1] if at + 1 < len(args) else "", language)
            if not word.startswith("-"):
                break
        if has(args, *checks):
            return explores(f"checks the syntax of {language} code", "test", paths(args))
        if "--test" in args:
            return judge_tests(f"{call.name} --test", args)
        scripts = [word for word in operands(args, "-r", "--require", "-I", "-M") if word != "-"]
        if scripts:
            return runs_script(scripts[0])
        return judge_stdin(call, lambda code: _judge_by_pattern(code, language), f"{language} code")

    return handler


def java(call: Call) -> Effect:
    if has(call.args, "-version", "--list-modules", "-XshowSettings"):
        return READS_ONLY
    return changes("runs a Java program, which may do anything")


# ---------------------------------------------------------------- archives


def tar(call: Call) -> Effect:
    args = call.args
    # What follows f in a cluster is the name of the archive.
    letters = "".join(
        word.lstrip("-").partition("f")[0]
        for at, word in enumerate(args)
        if re.match(r"-[A-Za-z]", word) or (at == 0 and re.match(r"[A-Za-z]+$", word))
    )
    mode = next((letter for letter in letters if letter in "xctruAd"), "")
    if mode == "x" or has(args, "--extract", "--get"):
        to_screen = "O" in letters or "--to-stdout" in args
        return explores("reads an archive") if to_screen else changes("unpacks an archive", "edit", paths(args))
    if mode in ("t", "d") or has(args, "--list", "--compare", "--diff"):
        return explores("lists an archive", "read", paths(args))
    return explores("reads only") if "-" in args else changes("writes an archive", "edit", paths(args))


def compressor(call: Call) -> Effect:
    looks = has(call.args, "-c", "--stdout", "--to-stdout", "-t", "--test", "-l", "--list")
    if looks or (call.fed and not operands(call.args)):
        return explores("reads only", "read", paths(call.args))
    return changes(f"replaces files by packed or unpacked ones ({call.name})", "edit", paths(call.args))


# ---------------------------------------------------------------- building and formatting

_MAKE_TESTS = names("test tests check lint unittest test-unit typecheck pytest help")


def make(call: Call) -> Effect:
    if has(call.args, "-n", "--dry-run", "--just-print", "-q", "--question"):
        return explores("make as a rehearsal only")
    words = operands(call.args, "-C", "-f", "-j", "-I", "-o", "-W", "-l")
    goals = [word for word in words if "=" not in word and not word.isdigit()]
    if goals and _MAKE_TESTS.issuperset(goals):
        return judge_tests(f"make {goals[0]}", ())
    return changes(f"make {shown(' '.join(goals[:2]))}".rstrip(), "build")


def gradle(call: Call) -> Effect:
    words = [word.rpartition(":")[2] for word in operands(call.args, "-p", "-b", "--tests", "-x")]
    looks = ("tasks", "dependencies", "properties", "projects", "help", "dependencyInsight", "buildEnvironment")
    if words and all(word in looks for word in words):
        return explores(f"{call.name} {words[0]} only shows")
    if words and all(word.lower().endswith(("test", "tests", "check")) for word in words):
        return judge_tests(f"{call.name} {shown(words[0])}", ())
    return changes(f"{call.name} {shown(' '.join(words[:2]))}".rstrip(), "build")


def maven(call: Call) -> Effect:
    goals = operands(call.args, "-f", "-pl", "-P", "-s", "-rf", "-T")
    looks = ("dependency:tree", "dependency:analyze", "help:", "versions:display", "validate")
    if goals and all(goal.startswith(looks) for goal in goals):
        return explores(f"{call.name} {shown(goals[0])} only shows")
    if goals and all(goal in ("test", "surefire:test", "test-compile") for goal in goals):
        return judge_tests(f"{call.name} {goals[0]}", ())
    return changes(f"{call.name} {shown(' '.join(goals[:2]))}".rstrip(), "build")


def compiler(call: Call) -> Effect:
    args, target = call.args, value_of(call.args, "-o")
    asks = has(args, "-fsyntax-only", "--print-search-dirs") or any(
        word.startswith(("-print-", "--print-", "-dump")) for word in args
    )
    if asks or (target is None and "-E" in args) or (target is not None and writes_nothing(target)):
        return explores("asks the compiler, writes nothing", "test", paths(args))
    return changes(f"compiles ({call.name})" + (f" into {shown(target)}" if target else ""), "build", paths(args))


def formatter(call: Call) -> Effect:
    """black, isort, ruff format: they edit unless they are asked only to look."""
    if has(call.args, "--check", "--diff", "--check-only", "--list-different", "--dry-run") or call.args[-1:] == ("-",):
        return explores(CHECKS, "test", paths(call.args))
    return changes(f"formats files ({call.name})", "edit", paths(call.args))


def ruff(call: Call) -> Effect | Call:
    if call.args[:1] == ("format",):
        return formatter(call)
    return writes_with("--fix", "--fix-only", "--add-noqa", does="edits files", looks=explores(CHECKS, "test"))(call)


def patch(call: Call) -> Effect:
    if has(call.args, "--dry-run"):
        return explores("patch as a rehearsal only", "test")
    return judge_patch(call.stdin) if call.stdin else changes("applies a patch", "edit", paths(call.args))


_PATCHED_FILE = re.compile(r"^\*\*\* (?:Update|Add|Delete) File: (.+)$|^\+\+\+ (?:b/)?(\S+)", re.MULTILINE)


def judge_patch(text: str) -> Effect:
    """A patch in the text of an action changes the files that it names."""
    files = list(dict.fromkeys(first.strip() or second for first, second in _PATCHED_FILE.findall(text)))
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return changes(f"patches {shown(files[0]) if files else 'files'}{more}", "edit", files[:4])


def apply_patch(call: Call) -> Effect:
    return judge_patch(call.stdin or " ".join(call.args))


# ---------------------------------------------------------------- databases

_SQL_OPTIONS = {"psql": "-c", "mysql": "-e", "mariadb": "-e", "clickhouse-client": "-q", "duckdb": "-c"}
_SQL_LONG = ("--command", "--execute", "--query")


def sql_shell(call: Call) -> Effect:
    """psql, mysql …: the SQL on the command line or at standard input decides."""
    args, short = call.args, _SQL_OPTIONS[call.name]
    if script := value_of(args, "-f", "--file"):
        return runs_script(script)
    statements = [
        args[at + 1]
        for at, word in enumerate(args[:-1])
        if word in _SQL_LONG or re.fullmatch(rf"-[a-zA-Z]*{short[1]}", word)
    ]
    statements += [word.partition("=")[2] for word in args if word.startswith(tuple(f"{name}=" for name in _SQL_LONG))]
    statements += [word[2:] for word in args if re.match(rf"{short}[^-]", word)]
    if has(args, "-l", "--list") and not statements:
        return READS_ONLY
    if statements:
        return combined([_statements(text) for text in statements])
    return judge_stdin(call, _statements, "SQL")


def sqlite(call: Call) -> Effect:
    words = operands(call.args, "-cmd", "-separator", "-newline", "-nullvalue", "-init")
    statements = words[1:] + [call.args[at + 1] for at, word in enumerate(call.args[:-1]) if word == "-cmd"]
    if statements:
        return combined([_statements(text) for text in statements])
    return judge_stdin(call, _statements, "SQL")


_DOT_READS = names(
    "tables schema headers header mode databases indexes indices width show help quit exit dump timer explain stats"
    " print echo bail nullvalue separator dbinfo fullschema eqp changes limit lint selftest sha3sum timeout"
)
_META_READS = re.compile(r"\\(?:d|l|q|x|conninfo|timing|z|sf|sv|encoding|pset|a|t|h|\?|echo)")


def _statements(text: str) -> Effect:
    """SQL mixed with the shells' own commands: ``.tables`` (sqlite), ``\\dt`` (psql)."""
    sql: list[str] = []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("."):
            if word[1:].split(" ")[0] not in _DOT_READS:
                return changes(f"sqlite {shown(word.split(' ')[0], 20)}", "edit")
        elif word.startswith("\\"):
            if not _META_READS.match(word):
                return changes(f"psql {shown(word.split(' ')[0], 20)}", "edit")
        else:
            sql.append(line)
    return judge_sql(["\n".join(sql)])


_REDIS_READS = names(
    "get mget keys scan exists type ttl pttl strlen llen lrange lindex hget hgetall hmget hkeys hvals hlen smembers"
    " scard sismember zrange zcard zscore zrank ping info dbsize time memory object echo xlen xrange getrange bitcount"
    " pfcount randomkey lastsave monitor slowlog command"
)


def redis(call: Call) -> Effect:
    words = [word.lower() for word in operands(call.args, "-h", "-p", "-a", "-n", "-u", "--user", "--pass")]
    if words and (words[0] in _REDIS_READS or words[:2] == ["config", "get"]):
        return READS_ONLY
    return changes(f"redis {shown(words[0].upper(), 20)}" if words else "redis commands that are not seen", "edit")


# ---------------------------------------------------------------- the system


def kill(call: Call) -> Effect:
    if call.args[:1] in (("-0",), ("-l",), ("-L",)) or call.args[:2] == ("-s", "0"):
        return explores("asks whether a process is alive")
    return changes("stops a process (kill)")


def service(call: Call) -> Effect:
    words = operands(call.args)
    if "--status-all" in call.args or words[1:2] == ["status"]:
        return explores("service status only shows")
    return changes(f"service {shown(' '.join(words[:2]))}".rstrip())


def network_setup(call: Call) -> Effect:
    if (call.name == "ifconfig" and len(operands(call.args)) > 1) or {
        "add",
        "del",
        "delete",
        "set",
        "flush",
        "replace",
        "change",
        "up",
        "down",
    }.intersection(call.args):
        return changes(f"changes the network ({call.name})")
    return READS_ONLY


def date(call: Call) -> Effect:
    if any(word == "-s" or word.startswith("--set") for word in call.args):
        return changes("sets the clock")
    return READS_ONLY


def sysctl(call: Call) -> Effect:
    if has(call.args, "-w", "-p", "--system") or any("=" in word for word in call.args):
        return changes("changes a kernel setting (sysctl)")
    return READS_ONLY


def openssl(call: Call) -> Effect:
    target = value_of(call.args, "-out") or value_of(call.args, "-keyout")
    if target and not writes_nothing(target):
        return changes(f"openssl writes {shown(target)}", "edit", [target])
    if call.args[:1] == ("s_server",):
        return changes("starts a server (openssl)")
    return explores("reads only", "read", paths(call.args))


def gpg(call: Call) -> Effect:
    decrypts = has(call.args, "--decrypt", "-d") and value_of(call.args, "-o", "--output") is None
    if decrypts or has(call.args, "--list-keys", "-k", "-K", "--list-secret-keys", "--verify", "--fingerprint"):
        return READS_ONLY
    return changes("changes keys or writes files (gpg)")


_DPKG_READS = (
    *names(
        "-l -L -s -S -p -c -I -C -V --list --listfiles --status --search --print-architecture --get-selections"
        " --contents --info --verify --compare-versions --dry-run --print-foreign-architectures"
    ),
)


def dpkg(call: Call) -> Effect:
    if has(call.args, *_DPKG_READS):
        return explores("dpkg only shows")
    return changes("dpkg installs or removes", "install", paths(call.args))


def rpm(call: Call) -> Effect:
    if call.args and re.match(r"-[a-zA-Z]*[qV]|--(?:query|verify|checksig|eval|showrc)", call.args[0]):
        return explores("rpm only shows")
    return changes("rpm installs or removes", "install", paths(call.args))


def pacman(call: Call) -> Effect:
    if call.args and re.match(r"-Q|-S[sil]|-F|--query", call.args[0]):
        return explores("pacman only shows")
    return changes("pacman installs or removes", "install", operands(call.args)[:3])


# ---------------------------------------------------------------- agents' own commands


_SUBMISSIONS = ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT")


def echo(call: Call) -> Effect:
    """Printing; the line that mini-SWE-agent takes as its end is a submission."""
    if any(mark in word for word in call.args for mark in _SUBMISSIONS):
        return explores("submits the work", "submit")
    return explores("stays within the shell", "shell")


_EDITOR_VERBS = {
    "create": "creates",
    "str_replace": "edits",
    "insert": "edits",
    "append": "edits",
    "edit": "edits",
    "write": "writes",
    "undo_edit": "takes back an edit of",
    "delete": "deletes",
    "rename": "renames",
}


def judge_editor(command: str, path: str) -> Effect:
    """The editor that SWE-agent, OpenHands and others share: its command decides."""
    where = [path] if path else []
    if command == "view":
        return explores(f"views {shown(path) or 'a file'}", "read", where)
    if verb := _EDITOR_VERBS.get(command):
        return changes(f"{verb} {shown(path) or 'a file'}", "edit", where)
    return changes(f"unknown editor command {shown(command, 30) or '(none)'} counts as change", "edit", where)


def editor_command(call: Call) -> Effect:
    """``str_replace_editor view /path`` typed as a command line, as SWE-agent 1.x stores it."""
    command, path = (*call.args[:2], "", "")[:2]
    return judge_editor(command, path)
