"""Does a step do again what it did? Its output is compared with the recorded one, without what differs in every run.

``normalised`` puts signs in the place of times, durations, addresses, temporary paths and the like. Hashes of git,
sizes of files and all other numbers are content; seconds since 1970 are a time only where the words beside them say so,
or where the command asks for it, which is then told. The order of lines counts, but for programs that list files in the
order in which the file system has them (``find``, ``grep -r`` …). If parts of a record are left out, the others are
compared.
"""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from codetracer_core.actions import shown
from codetracer_core.parsers import strip_ansi
from codetracer_core.replay.models import Met, PlannedStep, Ran
from codetracer_core.replay.observations import CUT

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?<!\w)(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:\d{1,2} )?"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_UNIT = r"(?:seconds?|secs?|s|ms|µs|us|ns|milliseconds?|minutes?|min)(?!\w)"
_FOLDERS = r"(?<![\w/])/(?:[\w.@+-]{1,100}/){0,12}"
_SECONDS = r"1[5-9]\d{8}(?:\.\d{1,9}|\d{3}(?:\d{3})?)?"
"""Since 1970, from 2017 to 2033, or thousandths or millionths of them. Sizes and sums look just so."""
_SIGNS = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?", "⟨time⟩"),
    (
        _DAY + _MONTH + r" {1,2}\d{1,2}(?: {1,2}" + _CLOCK + r"| {1,2}\d{4}\b)"
        r"(?: (?:[A-Z]{3,4}|[+-]\d{4}))?(?: \d{4}\b)?(?: [+-]\d{4})?",
        "⟨time⟩",
    ),
    (r"(?<![\w:.])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![\w:])", "⟨time⟩"),
    # Seconds since 1970 without a word beside them: only as the beginning of a line of a log.
    (r"^\[" + _SECONDS + r"\]|^" + _SECONDS + r"(?=:? (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|CRITICAL))", "⟨time⟩"),
    (r"(?<![\w.-])(?:\d{1,6}m ?)?\d{1,9}\.\d{1,9} ?" + _UNIT, "⟨duration⟩"),
    (r"(?i:(?<=\bin )|(?<=\btook )|(?<=\bafter )|(?<=\btime: )|(?<=\belapsed: ))\d{1,9} ?" + _UNIT, "⟨duration⟩"),
    (r"(?<=[(\s])\d:\d\d:\d\d(?=[)\s]|$)", "⟨duration⟩"),
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "⟨uuid⟩"),
    (r"(?<=\bat )0x[0-9a-fA-F]{4,16}\b|\b0x[0-9a-fA-F]{9,16}\b", "⟨address⟩"),
    (_FOLDERS + r"pytest-of-[\w.-]{1,60}/pytest-\d{1,9}", "⟨temporary⟩"),
    (_FOLDERS + r"tmp(?:\.[A-Za-z0-9]{6,16}|[a-z0-9_]{8})(?![\w-])", "⟨temporary⟩"),
    (_FOLDERS + r"(?:go-build|pip-[a-z]{2,20}-|npm-|tmp-)(?=[A-Za-z0-9_-]{0,20}\d)[A-Za-z0-9_-]{6,40}", "⟨temporary⟩"),
    (r"(?i:\b(?:pid|pgid|process|ppid)(?:[ =:]|: ))\d{1,9}\b", "⟨process⟩"),
    (r"^\[\d{1,3}\][+-]? {1,4}\d{2,9}$", "⟨process⟩"),
    (r"\b\d{1,9}(?:\.\d{1,9})? ?[kKMG]?i?B/s\b", "⟨speed⟩"),
    (r"^(?:/(?:usr/)?bin/)?(?:ba|da|z)?sh: (?:eval: )?(?:line \d{1,9}: |\d{1,9}: )?", "⟨shell⟩: "),
    (r"^total \d{1,12}[KMGT]?$", "total ⟨blocks⟩"),
)
_VARYING = re.compile("|".join(f"(?P<s{number}>{sign})" for number, (sign, _) in enumerate(_SIGNS)), re.MULTILINE)
_LISTED = re.compile(
    r"^(?P<mode>[-dlbcps][rwxsStT-]{9})[.@+]? +\d{1,9} +[\w.+-]{1,40} +[\w.+-]{1,40} +"
    r"(?P<size>\d{1,15}(?:\.\d)?[KMGT]?)(?= )",
    re.MULTILINE,
)
_PROGRESS = re.compile(
    r"\d{1,3}%\|.*\||[━█▏▎▍▌▋▊▉]{3}|\[[=#>-]{2,}[ .]*\]|\[[#=.-]{3,}>[ .]*\]|^\s*\d{1,3}(?:\.\d+)? ?%(?: .*)?$"
)
_FILLED = re.compile(r"^={3,} (.{0,200}⟨duration⟩.{0,20}) ={3,}$", re.MULTILINE)
"""The last line of pytest: the longer the duration, the shorter what it is filled up with."""
_NAMED = re.compile(
    r"(?<![A-Za-z_])(?P<word>[A-Za-z_]{2,40})(?P<between>(?!\w)[\"')\]]{0,2} ?[:=]{0,2} ?[\"'(\[]{0,2})"
    rf"{_SECONDS}(?![\w.-])"
)
_OF_TIME = re.compile(
    r"(?i:time|stamp|epoch|since|until|created|modif(?:y|ied)|updated|accessed|changed|started|finished|_at)$"
    r"|(?i:(?:^|_)(?:date|at|ts|now|exp|iat|nbf|expires|expiry))$|Date$"
)
_HERE = "⟨folder⟩"


def normalised(text: str, folder: str = "") -> str:
    """The text with signs for what differs in every run. ``folder`` is that in which the commands ran.

    Escape sequences, what carriage returns overwrote, progress bars, blanks at the ends of lines and blank lines at the
    ends of the text are left out. Linear in the length of the text."""
    text = strip_ansi(text.replace("\r\n", "\n"))
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    text = "\n".join(line for line in lines if not (len(line) < 1_000 and _PROGRESS.search(line)))
    if len(folder) > 1:
        text = within(folder).sub(_HERE, text)
    text = _LISTED.sub(_listed, text)
    text = _NAMED.sub(_named, text)
    text = _VARYING.sub(lambda found: _SIGNS[int(str(found.lastgroup)[1:])][1], text)
    return _FILLED.sub(r"=== \1 ===", text).strip("\n")


def _listed(found: re.Match[str]) -> str:
    """A line of ``ls -l`` without owners and links; folders have another size on every file system."""
    size = "⟨size⟩" if found["mode"].startswith("d") else found["size"]
    return f"{found['mode']} ⟨owner⟩ {size} bytes"  # a bare number before a month would be taken for a day


def _named(found: re.Match[str]) -> str:
    """Seconds since 1970, if the word before them says that they are a time."""
    is_time = _OF_TIME.search(found["word"]) is not None
    return f"{found['word']}{found['between']}⟨time⟩" if is_time else found[0]


def within(folder: str) -> re.Pattern[str]:
    """Finds a folder where a path begins with it: ``/app`` in ``/app/a.py``, not in ``/apple`` or ``/x/app``."""
    begins, ends = r"(?:(?<![\w./~$}@+-])|(?<=\s-[A-Za-z]))", r"(?=/|[^\w.+@-]|\.?(?:\s|$)|$)"
    return re.compile(begins + re.escape(folder.rstrip("/")) + ends)


# ---------------------------------------------------------------- comparing

_LEFT_OUT_NOW = re.compile(r"\n?\[[\d,]{1,20} bytes left out\]\n?")
_ANY_ORDER = re.compile(r"(?:^|[|;&(\s])(?:find|rg|ag|du|fd|tree|ls -\w*[fU]\w*|e?grep\s(?:[^|;&\n]*\s)?-\w*[rR]\w*)\b")
_ASKS_TIME = re.compile(
    r"\bdate\b|\bstat\b|\bEPOCH(?:SECONDS|REALTIME)\b|\btime(?:\.time(?:_ns)?)?\(|\bDate\.now\b|[acm]time|(?i:timestamp)"
)
_PLAIN_TIME = re.compile(rf"(?<![\w.-]){_SECONDS}(?![\w.-])")
_LISTS = re.compile(r"(?:^|[|;&(\s])ls\b")


def compare(planned: PlannedStep, ran: Ran, *, folders: tuple[str, str] = ("", "")) -> tuple[Met, float | None, str]:
    """How a command that was run again compares with its record: met, similarity and what differs, in words.

    ``folders`` are those of the original and of the environment. Nothing is *same* that was not compared: without a
    recorded output only an exit code can tell that a step failed."""
    here, there = normalised(planned.expected or "", folders[0]), normalised(ran.output, folders[1])
    pieces = [piece.strip("\n") for piece in here.split(CUT)]
    if ran.left_out_bytes:
        there = _LEFT_OUT_NOW.sub(f"\n{CUT}\n", there)
        similarity = _similarity_of_ends(pieces, [piece.strip("\n") for piece in there.split(CUT)])
    else:
        similarity = _similarity_of_pieces(pieces, there) if len(pieces) > 1 else similarity_of(here, there)
    told = None if planned.expected is None else similarity
    if ran.timed_out and not (planned.expected or "").endswith(CUT):
        return "failed", told, f"stopped after {ran.seconds:,.0f} s, the recorded one ended"
    if planned.expected_exit is not None and ran.exit_code is not None:
        if (planned.expected_exit == 0) != (ran.exit_code == 0):
            return (
                "failed",
                told,
                f"exit code {ran.exit_code}, recorded was {planned.expected_exit}{_told(here, there)}",
            )
        if planned.expected_exit != ran.exit_code:
            return (
                "differs",
                told,
                f"exit code {ran.exit_code}, recorded was {planned.expected_exit}{_told(here, there)}",
            )
    if planned.expected is None:
        return "not_compared", None, "the run holds no output of this step"
    if not any(pieces) and len(pieces) > 1:
        return "not_compared", None, "the record left out all of the output"
    if similarity == 1.0:
        return "same", similarity, _same_words(len(pieces) > 1, ran.left_out_bytes > 0)
    if ran.left_out_bytes:
        return "differs", similarity, "so much was printed that only its ends were kept, and they differ"
    if len(pieces) == 1 and (why := _same_otherwise(planned, here, there)):
        return "same", 1.0, why
    return "differs", similarity, _difference(pieces, there)


def _same_words(in_pieces: bool, cut_now: bool) -> str:
    if in_pieces:
        return "the recorded parts are the same; what the record left out was not compared"
    return "the ends are the same; what was left out of the middle was not compared" if cut_now else ""


def _same_otherwise(planned: PlannedStep, here: str, there: str) -> str:
    """Why two texts are as good as the same; empty: they are not."""
    if _ANY_ORDER.search(planned.command) and sorted(here.split("\n")) == sorted(there.split("\n")):
        return "the same lines in another order, which this command does not promise"
    if _ASKS_TIME.search(planned.command) and _PLAIN_TIME.sub("", here) == _PLAIN_TIME.sub("", there):
        return f"the same but for times, for which the command asks: {_difference([here], there)}"
    if planned.on_screen:
        if "".join(here.split()) == "".join(there.split()):
            return "the same text, wrapped otherwise by the terminal"
        if _LISTS.search(planned.command) and sorted(here.split()) == sorted(there.split()):
            return "the same names, in the columns of a terminal"
    return ""


_MOST_COMPARED = 1_000
"""Characters that are compared one by one; what is longer is compared line by line."""


def similarity_of(one: str, other: str) -> float:
    """From 0 to 1, where only equal texts have 1: the share of the text that stands in both, by lines, and by
    characters where few lines are left over. The same whichever is first; linear in the length of the texts."""
    if one == other:
        return 1.0
    lines, others = Counter(one.split("\n")), Counter(other.split("\n"))
    common = sum((len(line) + 1) * count for line, count in (lines & others).items())
    left, right = sorted(("\n".join((lines - others).elements()), "\n".join((others - lines).elements())))
    if len(left) <= _MOST_COMPARED and len(right) <= _MOST_COMPARED:
        common += sum(block.size for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks())
    return min(0.999, 2 * common / (len(one) + len(other) + 2))


def _similarity_of_pieces(pieces: list[str], text: str) -> float:
    """Of the recorded parts: the first stands at the beginning, the last at the end, those between in their order."""
    first, *between, last = pieces
    if not text.startswith(first) or not text.endswith(last) or len(first) + len(last) > len(text):
        return _overlap("\n".join(pieces), text)
    at = len(first)
    for piece in between:
        at = text.find(piece, at, len(text) - len(last))
        if at < 0:
            return _overlap("\n".join(pieces), text)
        at += len(piece)
    return 1.0


def _similarity_of_ends(one: list[str], other: list[str]) -> float:
    """Of two texts with parts left out, by their pieces: one begins with the beginning of the other, and ends so."""
    begin = one[0].startswith(other[0]) or other[0].startswith(one[0])
    end = one[-1].endswith(other[-1]) or other[-1].endswith(one[-1])
    return 1.0 if begin and end else _overlap("\n".join(one), "\n".join(other))


def _overlap(part: str, whole: str) -> float:
    """The share of the lines of the shorter text that stand in the other one, by their length; 1 only if all do."""
    one, other = (Counter(line for line in text.split("\n") if line.strip()) for text in (part, whole))
    sizes = [sum(len(line) * count for line, count in lines.items()) for lines in (one, other, one & other)]
    shorter = min(sizes[:2])
    return 1.0 if not sizes[0] else min(0.999 if sizes[2] < shorter else 1.0, sizes[2] / shorter if shorter else 0.0)


def _told(here: str, there: str) -> str:
    words = next(_first_difference(here, there), "")
    return f"; {words}" if words else ""


def _difference(pieces: list[str], there: str) -> str:
    if len(pieces) == 1:
        return next(_first_difference(pieces[0], there), "differs in its blank lines")
    known = set(there.split("\n"))
    missing = next((line for piece in pieces for line in piece.split("\n") if line.strip() and line not in known), "")
    return f"recorded “{shown(missing, 80)}” is not there" if missing else "the recorded parts stand in another order"


def _first_difference(here: str, there: str) -> Iterator[str]:
    if here == there:
        return
    for number, (line, other) in enumerate(zip_longest(here.split("\n"), there.split("\n")), start=1):
        if line != other:
            was = f"recorded “{shown(line, 80)}”" if line is not None else "nothing more was recorded"
            yield f"line {number}: {was}, now {f'“{shown(other, 80)}”' if other is not None else 'nothing more comes'}"
