"""What a piece of Python does, judged from its syntax tree and never by running it.

Code is *exploration* if nothing in it is known to write, start a program or run other code: imports,
computing and printing only read. Calls into code that the text does not show are trusted unless their name
says otherwise, so the reason speaks only of what is seen.
"""

import ast
import builtins
import re
import shlex
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from codetracer_core.actions.agents import judge_editor
from codetracer_core.actions.databases import judge_sql
from codetracer_core.actions.effects import Effect, changes, combined, explores, shown
from codetracer_core.actions.options import names

Shell = Callable[[str], Effect]
"""Judges a command line that the code hands to a shell."""

_READS_OF_OS = names(
    "access chdir cpu_count fspath fsdecode fsencode fstat get_terminal_size getcwd getenv getgid getlogin getloadavg"
    " getpgid getpid getppid getuid isatty listdir listxattr lstat nice pathconf read readlink scandir stat statvfs"
    " strerror sysconf uname urandom walk fwalk cpu_affinity sched_getaffinity getcwdb getgroups geteuid getegid"
    " times waitpid WEXITSTATUS close"
)
_READS_OF_SHUTIL = frozenset({"which", "disk_usage", "get_terminal_size", "ignore_patterns"})
_STARTERS = names(
    "subprocess.run subprocess.call subprocess.check_output subprocess.check_call subprocess.Popen"
    " subprocess.getoutput subprocess.getstatusoutput os.system os.popen asyncio.create_subprocess_shell"
    " asyncio.create_subprocess_exec pexpect.spawn pexpect.run get_ipython.system get_ipython.getoutput"
)
_OPENERS = names(
    "open io.open codecs.open gzip.open bz2.open lzma.open tarfile.open zipfile.ZipFile os.fdopen h5py.File"
    " numpy.memmap tarfile.TarFile gzip.GzipFile zipfile.PyZipFile wave.open netCDF4.Dataset io.FileIO"
)
_CODE_RUNNERS = names(
    "exec eval execfile runpy.run_path runpy.run_module pip.main pip._internal.main"
    " pip._internal.cli.main.main django.core.management.call_command"
    " django.core.management.execute_from_command_line"
)
_WRITING_FUNCTIONS = names(
    "urllib.request.urlretrieve shelve.open pickle.Pickler numpy.save numpy.savez numpy.savez_compressed"
    " numpy.savetxt torch.save joblib.dump cv2.imwrite imageio.imwrite scipy.io.savemat wget.download"
    " nltk.download py_compile.compile compileall.compile_dir compileall.compile_file tempfile.mkdtemp tempfile.mkstemp"
)
_WRITING_MODULES = frozenset({"smtplib", "ftplib", "paramiko", "telnetlib", "fabric", "boto3"})
_TEST_RUNNERS = frozenset({"pytest.main", "unittest.main", "nose.main", "nose.run", "doctest.testmod", "sympy.test"})
_HTTP = frozenset({"requests", "httpx", "aiohttp"})
_SENDING = frozenset({"post", "put", "patch", "delete"})
_STARRED = frozenset({"os", "shutil", "subprocess", "pathlib", "tempfile"})
# Methods whose name alone tells that they write, whatever object they belong to.
_WRITING_METHODS = names(
    "write_text write_bytes mkdir touch unlink rmdir symlink_to hardlink_to link_to chmod lchmod savefig imsave"
    " to_pickle to_parquet to_feather to_hdf to_sql to_excel extractall bulk_create executescript commit"
    " save save_pretrained push_to_hub sendall sendto makedirs create_all drop_all write_image write_html"
    " terminate kill send_signal copy_into move_into"
    " delete get_or_create update_or_create insert_one insert_many update_one update_many delete_one delete_many"
    " serve_forever post"
)
_CHANGING_VERBS = names("write save delete remove drop install uninstall upload deploy migrate publish")
_TOOL_VERBS = names("edit insert append create replace update apply execute run send set add")
# These return text when they are given no place to write to.
_WRITING_METHODS_WITH_A_PLACE = names("to_csv to_json to_html to_markdown to_latex to_xml tofile")
_MODE = re.compile(r"[rwaxbtU+]{1,4}(?:[:|](?:gz|bz2|xz|\*)?)?")
_SHELL_VARIABLE = re.compile(r"\$(?:\{\w+\}|\w+)")
_MAGIC = re.compile(r"^[ \t]*(?:\w+[ \t]*=[ \t]*)?(?P<mark>!|%%?)(?P<rest>.*)$", re.MULTILINE)
_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh)\b[^\n]*\n")
_WARNING_FILTERS = threading.Lock()
_LARGEST = 400_000


def judge_python(code: str, shell: Shell) -> Effect:
    """The effect of ``code``; ``shell`` judges command lines in it. Code that cannot be parsed counts as change."""
    if cell := _SHELL_CELL.match(code):
        return shell(code[cell.end() :])
    found: list[Effect] = []
    if "!" in code or "%" in code:
        code, found = _without_magics(code, shell)
    tree = _parsed(code) or _parsed(_SHELL_VARIABLE.sub("_", code))
    if tree is None:
        return combined([*found, changes("Python that cannot be parsed counts as change")])
    found += _Reader(tree, shell).effects()
    if not found:
        return explores("Python without a call that writes")
    return combined(found)


@lru_cache(maxsize=512)
def _parsed(code: str) -> ast.Module | None:
    if len(code) > _LARGEST:
        return None
    # A warning about a doubtful escape in the agent's code is none of ours. The filters are global, hence the lock.
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _without_magics(code: str, shell: Shell) -> tuple[str, list[Effect]]:
    """Notebook lines (``!command``, ``%magic``) judged and blanked, if the code is no plain Python as it stands."""
    if _parsed(code) is not None:
        return code, []
    found: list[Effect] = []

    def judged(match: re.Match[str]) -> str:
        mark, rest = match["mark"], match["rest"].strip()
        if mark == "!":
            found.append(shell(rest.lstrip("!")))
        elif rest.startswith(("pip ", "conda ", "mamba ", "sh ", "bash ")):
            found.append(shell(rest))
        elif rest.split(" ")[0] in ("run", "writefile", "bash", "sh", "script", "system", "sx", "save", "logstart"):
            found.append(changes(f"notebook magic %{shown(rest, 30)} counts as change"))
        return "pass" if mark == "!" else ""

    return _MAGIC.sub(judged, code), found


class _Reader:
    """One pass over a syntax tree: which known names are called, and with what."""

    def __init__(self, tree: ast.Module, shell: Shell) -> None:
        self._nodes = list(ast.walk(tree))
        self._shell = shell
        self._names: dict[str, str] = {}
        """Imported names and what they stand for."""
        self._values: dict[str, ast.expr] = {}
        """Variables and what was assigned to them, only to name files; the last assignment wins."""
        self._defined: set[str] = set()
        self._starred: list[str] = []
        """Modules whose names were all imported, if they are of those known here."""
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    self._names[alias.asname or root] = alias.name if alias.asname else root
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module or '.'}.{alias.name}"
                    if alias.name == "*" and node.module in _STARRED:
                        self._starred.append(node.module)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._defined.add(node.name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._values[node.targets[0].id] = node.value
        for name, value in self._values.items():
            if isinstance(value, (ast.Name, ast.Attribute)) and name not in self._names:
                self._names[name] = self._dotted(value)  # ``run = subprocess.run``

    def effects(self) -> list[Effect]:
        return [effect for node in self._nodes if isinstance(node, ast.Call) for effect in self._call(node)]

    def _dotted(self, node: ast.expr) -> str:
        """The full name of what is called; a leading "." where it is the method of something computed."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        return ".".join([self._root(node), *reversed(parts)])

    def _root(self, node: ast.expr) -> str:
        """What a name, ``__import__("os")`` or ``getattr(os, "remove")`` stands for; all else computed is ""."""
        match node:
            case ast.Name(id=name) if name in self._names:
                return self._names[name]
            case ast.Name(id=name) if self._starred and not self._is_known(name):
                return f"{self._starred[-1]}.{name}"
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(module))]):
                return module
            case ast.Call(func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(attribute)), *_]):
                return f"{self._dotted(of)}.{attribute}"
            case ast.Call(func=ast.Name(id="get_ipython")):
                return "get_ipython"
            case _:
                return ""

    def _is_known(self, name: str) -> bool:
        return name in self._defined or name in self._values or hasattr(builtins, name)

    def _path(self, node: ast.expr | None) -> str:
        """The path that an expression stands for, as far as it is written down: "x", Path("x"), or such a variable."""
        if isinstance(node, ast.Name):
            node = self._values.get(node.id)
        if isinstance(node, ast.Call) and node.args and self._dotted(node.func).endswith("Path"):
            node = node.args[0]
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""

    def _writes(self, node: ast.expr | None, verb: str = "writes") -> Effect:
        path = self._path(node)
        return changes(f"Python {verb} {shown(path) or 'a file'}", "edit", [path] if path else [])

    def _call(self, call: ast.Call) -> Iterator[Effect]:
        name = self._dotted(call.func)
        root, method = name.partition(".")[0], name.rpartition(".")[2]
        first = call.args[0] if call.args else None
        if name in _OPENERS:
            yield from self._opened(call, _mode(call, 1), first)
        elif name in ("fileinput.input", "fileinput.FileInput") and any(
            word.arg == "inplace" for word in call.keywords
        ):
            yield self._writes(first, "edits")
        elif name in _STARTERS:
            line = _command_line(call)
            yield self._shell(line) if line else changes(f"Python starts a program that is not seen ({name})")
        elif name in _CODE_RUNNERS:
            yield changes(f"Python {method}() runs code that is not seen")
        elif name in _TEST_RUNNERS:
            yield explores(f"runs tests ({name})", "test")
        elif (name == f"os.{method}" and method not in _READS_OF_OS) or (
            root == "shutil" and method not in _READS_OF_SHUTIL
        ):
            path = self._path(first)
            yield changes(f"Python calls {name}({shown(path)})", "edit", [path] if path else [])
        elif name in _WRITING_FUNCTIONS:
            yield changes(f"Python calls {name}()", "edit", _texts(call.args[:1]))
        elif root in _WRITING_MODULES or (root in _HTTP and _http_method(call, method) in _SENDING):
            yield changes(f"Python sends data ({shown(name)})", "network")
        elif name in ("urllib.request.urlopen", "urllib.request.Request"):
            if len(call.args) > 1 or any(word.arg == "data" for word in call.keywords):
                yield changes("Python sends data (urlopen)", "network")
        elif method == "main" and root not in ("main", "self", ""):
            yield changes(f"Python runs {shown(name)}(), which may do anything")
        elif name in ("file_editor", "str_replace_editor"):
            given = _named(call)
            yield judge_editor(self._path(given.get("command")), self._path(given.get("path")))
        elif isinstance(call.func, ast.Attribute):
            yield from self._method(call, call.func, first)
        elif self._may_change(call.func):
            yield replace(self._writes(first), reason=f"Python calls {shown(method)}(), a change judging by its name")

    def _may_change(self, func: ast.expr) -> bool:
        """Does a function tell by its name that it changes something? Those that the code defines are read anyway.

        A name that comes from nowhere is a tool of the notebook (OpenHands: ``edit_file_by_replace``), where more
        verbs tell than among imported functions (``create_engine`` creates nothing).
        """
        if not isinstance(func, ast.Name) or self._is_known(func.id):
            return False
        verb = func.id.partition("_")[0]
        return verb in _CHANGING_VERBS or (
            verb in _TOOL_VERBS and func.id not in self._names and "*" not in self._names
        )

    def _opened(self, call: ast.Call, mode: ast.expr | None, path: ast.expr | None) -> Iterator[Effect]:
        if mode is None:
            return
        if isinstance(mode, ast.Constant):
            if isinstance(mode.value, str) and set(mode.value) & set("wax+"):
                yield self._writes(path)
        else:
            yield self._writes(path, "opens, in a mode that is not seen,")

    def _method(self, call: ast.Call, func: ast.Attribute, first: ast.expr | None) -> Iterator[Effect]:
        method = func.attr
        if method == "open":
            # ``Image.open("x.png")``: the argument of a method named open need not be a mode.
            mode = _mode(call, 0 if len(call.args) == 1 else 1)
            if isinstance(mode, ast.Constant) and _MODE.fullmatch(str(mode.value)):
                yield from self._opened(call, mode, func.value if len(call.args) == 1 else first)
        elif method in _WRITING_METHODS:
            path = self._path(func.value) or self._path(first)
            yield changes(
                f"Python calls .{method}()" + (f" on {shown(path)}" if path else ""), "edit", [path] * bool(path)
            )
        elif method in _WRITING_METHODS_WITH_A_PLACE and first is not None:
            yield self._writes(first)
        elif method in ("rename", "replace"):
            # str.replace takes two arguments, DataFrame.rename named ones: one plain argument is a path's new place.
            if len(call.args) == 1 and not call.keywords and not isinstance(first, (ast.Dict, ast.Lambda)):
                yield self._writes(func.value, "renames")
        elif method in ("execute", "executemany") and first is not None:
            text = self._path(first)
            yield judge_sql([text] if text else [])
        elif method == "create" and isinstance(func.value, ast.Attribute) and func.value.attr == "objects":
            yield changes("Python creates a database row (.objects.create)", "edit")


def _named(call: ast.Call) -> dict[str, ast.expr]:
    """The named arguments, also those that are written as ``**{"command": "view"}``."""
    given = {word.arg: word.value for word in call.keywords if word.arg is not None}
    for word in call.keywords:
        if word.arg is None and isinstance(word.value, ast.Dict):
            keyed = zip(word.value.keys, word.value.values, strict=True)
            given |= {word: value for key, value in keyed for word in _texts([key] if key else [])}
    return given


def _mode(call: ast.Call, position: int) -> ast.expr | None:
    return _named(call).get("mode") or (call.args[position] if len(call.args) > position else None)


def _http_method(call: ast.Call, method: str) -> str:
    """``requests.request("POST", …)`` names its method, ``requests.post`` is one."""
    return next(iter(_texts(call.args[:1])), "").lower() if method == "request" else method


def _command_line(call: ast.Call) -> str:
    """The command line that is started, "" if it is not written down."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr) and _texts(first.values[:1]):
        return "".join((_texts([part]) or ["_"])[0] for part in first.values)
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    if not isinstance(first, (ast.List, ast.Tuple)) or not first.elts:
        return ""
    head, *rest = first.elts
    is_python = isinstance(head, ast.Attribute) and head.attr == "executable"  # sys.executable
    program = ["python"] if is_python else _texts([head])
    # A computed argument is not seen, but the program that it goes to is.
    words = [(_texts([node]) or ["_"])[0] for node in rest]
    return shlex.join(program + words) if program else ""


def _texts(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
