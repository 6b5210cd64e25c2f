"""Programs whose arguments decide whether they change anything: find, sed, curl, tar, make …"""

import re
import shlex
from dataclasses import replace

from codetracer_core.actions.agents import judge_patch
from codetracer_core.actions.effects import (
    CHECKS,
    READS_ONLY,
    Effect,
    Purpose,
    changes,
    combined,
    explores,
    shown,
)
from codetracer_core.actions.families import judge_tests
from codetracer_core.actions.options import (
    Call,
    Handler,
    has,
    names,
    operands,
    paths,
    runs_script,
    value_of,
    writes_nothing,
)

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


def changes_with_operands(does: str, *shows: str) -> Handler:
    """A program that shows a setting, and sets it when it is given a value (that is none of ``shows``)."""

    def handler(call: Call) -> Effect:
        words = operands(call.args)
        return changes(f"{does} ({call.name})") if words and words[0] not in shows else READS_ONLY

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


_SED_SUBSTITUTION = re.compile(
    r"(?<![\\\w])[sy](?P<d>[^\w\s\\;])(?:\\.|(?!(?P=d))[^\\])*(?P=d)(?:\\.|(?!(?P=d))[^\\])*(?P=d)"
    r"[gpiImM0-9]*(?P<does>[we]?)[^\S\n]*(?P<file>[^;\s}]*)",
    re.DOTALL,
)
_SED_ADDRESS = re.compile(
    r"(?P<before>(?:^|[;{}\n,])[^\S\n]*)(?:/(?:\\.|[^/\\\n])*/|\\(?P<d>[^\w\s])(?:\\.|(?!(?P=d))[^\\\n])*(?P=d))"
)
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
    rest = _SED_ADDRESS.sub(r"\g<before>", _SED_TEXT.sub("", _SED_SUBSTITUTION.sub("", script)))
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


_CLOUD_READS = re.compile(
    r"(?:describe|list|get|show|ls|info|version|help|tail|filter|head|whoami|validate)(?:-[a-z0-9-]+)?"
)


def cloud(call: Call) -> Effect:
    """``aws ec2 describe-instances``: the verb is the second word; gcloud and az have it further behind."""
    words = operands(call.args, "--region", "--profile", "--output", "--project", "--query")
    told = f"{call.name} {shown(' '.join(words[:3]), 50)}".rstrip()
    verbs = words[:2] if call.name == "aws" else words[:4]
    if not words or any(_CLOUD_READS.fullmatch(word) for word in verbs):
        return explores(f"{told} only shows", "network")
    return changes(told, "network")


def rsync(call: Call) -> Effect:
    if has(call.args, "-n", "--dry-run", "--list-only"):
        return explores("rsync as a rehearsal only")
    words = operands(call.args, "-e", "--exclude", "--include", "--filter")
    return changes(f"copies into {shown(words[-1]) if words else 'a folder'}", "edit", words[-1:])


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
    looks = has(call.args, "--check", "-c", "--diff", "--check-only", "--list-different", "--dry-run")
    if looks or call.args[-1:] == ("-",):
        return explores(CHECKS, "test", paths(call.args))
    return changes(f"formats files ({call.name})", "edit", paths(call.args))


def ruff(call: Call) -> Effect | Call:
    if call.args[:1] == ("format",):
        return formatter(call)
    return writes_with("--fix", "--fix-only", "--add-noqa", does="edits files", looks=explores(CHECKS, "test"))(call)


def typescript(call: Call) -> Effect:
    if has(call.args, "--noEmit"):
        return explores(CHECKS, "test", paths(call.args))
    return READS_ONLY if has(call.args, "--showConfig") else changes("writes JavaScript (tsc)", "build")


def patch(call: Call) -> Effect:
    if has(call.args, "--dry-run"):
        return explores("patch as a rehearsal only", "test")
    return judge_patch(call.stdin) if call.stdin else changes("applies a patch", "edit", paths(call.args))


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
