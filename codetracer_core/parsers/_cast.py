"""Terminal recordings (asciinema, version 2): the JSON objects that a program printed, and where they stand.

The format is a header line, then one line per event, ``[seconds since the start, kind, text]``; what appeared on
the terminal are the events of kind "o" (https://docs.asciinema.org/manual/asciicast/v2/). One object can be spread
over many events, and one event can hold several objects.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef
from codetracer_core.parsers._artifacts import (
    ANSI,
    Artifacts,
    decode_json,
    pointer_text,
    strip_ansi,
    without_lone_surrogates,
)
from codetracer_core.parsers._time import moment

# Escape sequences may stand before an object; JSON itself escapes every control character.
_OBJECT_LINE = re.compile(rf'^(?:\r|{ANSI.pattern})*(?=\{{"type":")', re.MULTILINE)
# What a terminal put into a string (a raw tab or newline) must not cost the object.
_DECODER = json.JSONDecoder(strict=False)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class CastObject:
    """A JSON object that was printed at the start of a terminal line.

    ``line`` and ``last_line`` are the lines of the recording on which it begins and ends, ``index`` its position
    among the objects that begin on ``line`` (nearly always 0), ``time`` when it began to appear.
    """

    path: str
    line: int
    last_line: int
    index: int
    value: Any
    time: datetime | None

    def ref(self, *pointer: str | int) -> SourceRef:
        return SourceRef(
            path=self.path,
            line_start=self.line,
            line_end=self.last_line,
            kind="cast",
            pointer=pointer_text((self.index, *pointer)),
        )


@dataclass(frozen=True)
class Cast:
    """A recording: its objects in order, all terminal output without escape sequences, and what could not be read."""

    objects: tuple[CastObject, ...]
    text: str
    problems: tuple[str, ...]


def read_cast(artifacts: Artifacts, path: str) -> Cast:
    """Read a recording. Raises UnreadableFile or MalformedRun if the file is none; an event line that cannot be
    decoded (the last one of a killed recording) and an object that was cut off are told in ``problems``."""
    lines = artifacts.read_bytes(path).split(b"\n")
    shown = artifacts.shown(path)
    started = _start(decode_json(lines[0], shown, "line 1"), shown)
    starts: list[int] = []
    numbers: list[int] = []
    offsets: list[float] = []
    payloads: list[str] = []
    bad: list[int] = []
    length = 0
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            offset, kind, payload = msgspec.convert(decode_json(line, shown), tuple[float, str, str])
        except (UnreadableFile, msgspec.ValidationError):
            bad.append(number)
            continue
        if kind == "o" and payload:
            starts.append(length)
            numbers.append(number)
            offsets.append(offset)
            payloads.append(payload)
            length += len(payload)
    output = "".join(payloads)
    problems = [f"{path}: {len(bad)} lines hold no event and were skipped (first: line {bad[0]})."] if bad else []

    objects: list[CastObject] = []
    cut_off: list[int] = []
    begins = [match.end() for match in _OBJECT_LINE.finditer(output)]
    for begin, limit in pairwise([*begins, len(output)]):
        first = bisect_right(starts, begin) - 1
        found = _decode_at(output, begin, limit)
        if found is None:
            cut_off.append(numbers[first])
            continue
        value, end = found
        objects.append(
            CastObject(
                path=path,
                line=numbers[first],
                last_line=numbers[bisect_right(starts, end) - 1],
                index=objects[-1].index + 1 if objects and objects[-1].line == numbers[first] else 0,
                value=value,
                time=moment(started + offsets[first]) if started else None,
            )
        )
    if cut_off:
        problems.append(f"{path}: {len(cut_off)} printed objects are cut off or no JSON (first: line {cut_off[0]}).")
    return Cast(tuple(objects), strip_ansi(output).replace("\r", ""), tuple(problems))


def _start(header: Any, shown: str) -> float | None:
    """When the recording began, Unix seconds."""
    if not isinstance(header, dict) or header.get("version") != 2:
        raise MalformedRun(
            "no asciinema recording of version 2",
            path=shown,
            place="line 1",
            remedy="Convert it with 'asciinema convert --output-format asciicast-v2'.",
        )
    started = header.get("timestamp")
    return started if isinstance(started, int | float) else None


def _decode_at(output: str, begin: int, limit: int) -> tuple[Any, int] | None:
    """The object at ``begin`` and the position of its last character, or None. An object fills one terminal line;
    only if that line does not hold the whole of it are the next ones, up to ``limit``, taken in."""
    line_end = output.find("\n", begin)
    for end in (line_end, limit) if 0 <= line_end < limit else (limit,):
        printed = strip_ansi(output[begin:end]).replace("\r", "")
        try:
            value, _ = _DECODER.raw_decode(printed)
        except (ValueError, RecursionError):
            continue
        clean = without_lone_surrogates(value) if _SURROGATE_ESCAPE.search(printed) else value
        return clean, output.rfind("}", begin, end)
    return None
