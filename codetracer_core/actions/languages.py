"""Interpreters: what they are given to run decides. A script may do anything, code is looked into."""

import re
from dataclasses import replace

from codetracer_core.actions.effects import READS_ONLY, Effect, Purpose, changes, explores, shown
from codetracer_core.actions.families import judge_tests
from codetracer_core.actions.options import (
    Call,
    Handler,
    after_options,
    asks_for_help,
    asks_help_of,
    has,
    judge_stdin,
    names,
    operands,
    paths,
    runs_script,
    value_of,
)
from codetracer_core.actions.programs import writes_operand
from codetracer_core.actions.python_code import judge_python

# ---------------------------------------------------------------- Python

_PYTHON_LETTERS = "[bBdEhiIOPqsSuvVx]*"
_MODULES_THAT_ARE_PROGRAMS = names(
    "pytest unittest nose nose2 tox nox pip flake8 pyflakes pylint pycodestyle pydocstyle mypy pyright black isort ruff"
    " autopep8 yapf coverage behave robot pydoc vulture bandit poetry pipx uv jupyter flask uvicorn gunicorn trial"
    " streamlit virtualenv twine"
)
_MODULES_THAT_READ = names(
    "site sysconfig platform this calendar pyclbr inspect pstats base64 keyword locale mimetypes uuid ast tokenize dis"
    " symtable"
)
_MODULES_THAT_CHECK = names("py_compile compileall tabnanny")
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
    return runs_script(script, call.args)


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
    if module.partition(".")[0] in _MODULES_THAT_ARE_PROGRAMS:
        return call.starting((module.partition(".")[0], *args))
    if asks_for_help(args):
        return asks_help_of(module)
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
    r"writeFile|appendFile|createWriteStream|unlink|rmtree|remove_tree|make_path|mkpath"
    r"|\brm(?:dir)?(?:Sync)?\s*\(|mkdir|rename|copyFile|symlink|chmod"
    r"|child_process|(?<![.\w])exec|\bspawn|\bsystem\b|shell_exec|passthru|`|%x|qx|\beval\b|\bkill\b"
    r"|\.listen\s*\(|Bun\.write|Deno\.|File\.(?:write|open|delete)|FileUtils|IO\.write|\bDir\."
    r"|file_put_contents|fopen|fwrite|\bopen\b[^;]*[\"'<,]\s*\+?>|io\.open|os\.(?:execute|remove)"
    r"|\bwrite\.\w+\s*\(|(?<![.\w])write\s*\(|saveRDS|\bsave\s*\(|\bsink\s*\(|install\.packages|Pkg\.|file\.(?:remove|create|copy)"
)


def _judge_by_pattern(code: str, language: str) -> Effect:
    if match := _CODE_THAT_WRITES.search(code):
        return changes(f"{language} code that may write or start programs ({shown(match.group(), 24)})")
    return explores(f"{language} code without a call known to write")


_PROGRAM_OF_PROJECT = re.compile(r"(?:^|/)(?:vendor/bin|node_modules/\.bin)/[^/]+$")


def interpreter(language: str, *code_options: str, checks: tuple[str, ...] = ()) -> Handler:
    """node, ruby, perl …: code on the command line is judged by patterns, a script may do anything."""
    letters = "".join(option[1] for option in code_options if len(option) == 2)

    def handler(call: Call) -> Effect | Call:
        args = call.args
        if language in ("Perl", "Ruby") and any(re.match(r"-[0-9anplswS]*i", word) for word in args):
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
        inner = after_options(args, "-r", "--require", "-I", "-M")
        if inner and inner[0] != "-":
            return call.starting(inner) if _PROGRAM_OF_PROJECT.search(inner[0]) else runs_script(inner[0], inner[1:])
        return judge_stdin(call, lambda code: _judge_by_pattern(code, language), f"{language} code")

    return handler


def java(call: Call) -> Effect:
    if has(call.args, "-version", "--list-modules", "-XshowSettings"):
        return READS_ONLY
    return changes("runs a Java program, which may do anything")
