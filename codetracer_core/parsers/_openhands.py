"""What the OpenHands formats share: evaluation rows (one run per line), and the small readings of their records."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from codetracer_core.errors import MalformedRun
from codetracer_core.models import Outcome, SourceRef, ToolCall, Usage
from codetracer_core.parsers._artifacts import Artifacts, JsonFile, JsonLine, Pointer, lost_content
from codetracer_core.parsers._fields import call_arguments, count_field, mapping, text_field
from codetracer_core.parsers._format import Claim

Generation = Literal["v0", "v1"]

# An evaluation or resolver row begins with one of these keys (evaluation/utils/shared.py, resolver/resolver_output.py).
_ROW_START = re.compile(rb'\s*\{\s*"(?:instance_id|issue|attempt)"\s*:')
_INSTANCE = re.compile(rb'"instance_id"\s*:\s*"([^"\\]+)"')
_EMPTY_HISTORY = re.compile(rb"\s*(?:null|\[\s*\])")
_SDK_EVENT = re.compile(rb'\s*\[\s*\{\s*"(?:id"\s*:\s*"|kind"\s*:)')
_EVENT = re.compile(rb'\s*\[\s*(?:\[\s*)?\{\s*"(?!role")')
_EVENT_TYPE = re.compile(rb'(?<!\\)"(?:action|observation)"\s*:\s*"')


@dataclass(frozen=True)
class Record:
    """One event of a run, and where it stands: a whole JSON file, or a place in a JSON file or on a line.

    ``answers_previous``: an observation that names no cause and answers the record before it.
    """

    value: dict[str, Any]
    source: JsonFile | JsonLine
    at: Pointer = ()
    answers_previous: bool = False

    def ref(self, *pointer: str | int) -> SourceRef:
        return self.source.ref(*self.at, *pointer)


@dataclass(frozen=True)
class _RowFile:
    generation: Generation | None
    rows: tuple[tuple[int, str], ...]
    """Line number and instance id ("" if it does not stand at the start) of each line that is not blank."""


def row_claims(artifacts: Artifacts, generation: Generation) -> list[Claim]:
    """A claim for each row of the evaluation files (``output.jsonl`` and the like) directly in the folder.

    A damaged row is claimed as well, so that reading it can say what is wrong. The logs of single model calls
    that the evaluation keeps in ``llm_completions/<instance id>/`` belong to the row.
    """
    claims = []
    for name in artifacts.files:
        if not name.endswith(".jsonl"):
            continue
        broken = name == "output.jsonl" and generation == "v0" and lost_content(artifacts.head(name))
        if broken:
            claims.append(Claim(name, (name,), "output row", member="L1"))
        elif _ROW_START.match(artifacts.head(name)):
            status = (artifacts.root / name).stat()
            file = _scan_rows(artifacts.root / name, status.st_size, status.st_mtime_ns)
            if file.generation == generation:
                logs = "llm_completions" in artifacts.folders
                claims += [
                    Claim(
                        name,
                        (name,),
                        "output row",
                        member=f"L{number}",
                        covers=(f"llm_completions/{instance}",) if logs and instance else (),
                    )
                    for number, instance in file.rows
                ]
    return claims


@lru_cache(maxsize=4)
def _scan_rows(file: Path, size: int, modified: int) -> _RowFile:
    """Look at the start of every row and at its history's first event; nothing is decoded. Where every history is
    empty or cut off, the first generation answers for the file.

    Kept for the second format that asks; ``size`` and ``modified`` are in the key: a changed file is read again."""
    generation: Generation | None = None
    rows = []
    is_output = False
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            instance = _INSTANCE.search(line, 0, 512)
            rows.append((number, instance[1].decode(errors="replace") if instance else ""))
            if generation is not None:
                continue
            place = _after_history_key(line)
            if place is None:
                is_output = is_output or (file.name.startswith("output") and not line.rstrip().endswith(b"}"))
            else:
                is_output = is_output or _EMPTY_HISTORY.match(line, place) is not None
                generation = _generation_at(line, place)
    if generation is None and is_output:
        generation = "v0"
    return _RowFile(generation, tuple(rows))


def _after_history_key(line: bytes) -> int | None:
    place = line.find(b'"history"')
    while place > 0 and line[place - 1 : place] == b"\\":
        place = line.find(b'"history"', place + 1)
    colon = line.find(b":", place) if place >= 0 else -1
    return colon + 1 if colon >= 0 else None


def _generation_at(line: bytes, place: int) -> Generation | None:
    if _SDK_EVENT.match(line, place):
        return "v1"
    if _EVENT.match(line, place) and _EVENT_TYPE.search(line, place, place + (1 << 18)):
        return "v0"
    return None


def history_of(artifacts: Artifacts, file: str, member: str) -> tuple[JsonLine, list[Any]]:
    """The row that ``member`` names ("L3") and its history. Raises if the row is damaged or has none."""
    row = artifacts.read_line(file, int(member.removeprefix("L")))
    history = row.value.get("history") if isinstance(row.value, dict) else None
    if history is None and isinstance(row.value, dict) and "history" in row.value:
        history = []
    if not isinstance(history, list):
        raise MalformedRun(
            "a row without a history",
            path=artifacts.shown(file),
            place=f"line {row.line}",
            remedy="Get a fresh copy of the run.",
        )
    return row, history


def row_facts(row: JsonLine) -> dict[str, Any]:
    """What an evaluation or resolver row says around its history, as fields of ``Trajectory``."""
    value = row.value
    metadata = mapping(value.get("metadata"))
    metrics = mapping(value.get("metrics"))
    issue = mapping(value.get("issue"))
    facts: dict[str, Any] = {
        "task": text_field(value.get("instance_id")),
        "model": text_field(mapping(metadata.get("llm_config") or metadata.get("llm")).get("model")),
        "agent_version": text_field(metadata.get("git_commit")),
        "usage": usage_of(metrics),
        "outcome": _row_outcome(row),
    }
    if issue:
        facts["task"] = f"{issue.get('owner')}/{issue.get('repo')}#{issue.get('number')}"
    if isinstance(value.get("instruction"), str):
        facts |= {"task_text": value["instruction"], "task_ref": row.ref("instruction")}
    if isinstance(value.get("error"), str) and value["error"].strip():
        facts["exit_status"] = value["error"].strip().splitlines()[0]
    return {name: fact for name, fact in facts.items() if fact is not None}


def _row_outcome(row: JsonLine) -> Outcome | None:
    """The evaluation's verdict (``report.resolved``) or the resolver's own judgement (``success``); None: neither."""
    value = row.value
    for place, holder in (((), value), (("test_result",), mapping(value.get("test_result")))):
        report = mapping(holder.get("report"))
        if not isinstance(report.get("resolved"), bool):
            continue
        if report.get("error_eval") and not report["resolved"]:
            source = row.ref(*place, "report", "error_eval")
            return Outcome(reason="the evaluation itself failed (error_eval)", source=source)
        source = row.ref(*place, "report", "resolved")
        return Outcome(solved=report["resolved"], reason="the evaluation's report", source=source)
    if "issue" in value and isinstance(value.get("success"), bool):
        source = row.ref("success")
        return Outcome(solved=value["success"], reason="the resolver's own judgement of its patch", source=source)
    return None


def usage_of(metrics: dict[str, Any]) -> Usage | None:
    """OpenHands' accumulated metrics; None if there are none.

    A cost of 0 with tokens spent is how OpenHands writes a price that it does not know: unknown here.
    """
    tokens = mapping(metrics.get("accumulated_token_usage"))
    prompt, completion = count_field(tokens, "prompt_tokens"), count_field(tokens, "completion_tokens")
    cost = metrics.get("accumulated_cost")
    known_cost = isinstance(cost, int | float) and bool(cost or not (prompt or completion))
    if not tokens and not known_cost:
        return None
    return Usage(
        cost_usd=cost if known_cost else None,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=count_field(tokens, "cache_read_tokens"),
    )


def tool_call(name: str, arguments: Any, call_id: Any) -> ToolCall:
    """A call with its arguments as a mapping; arguments that are no JSON object stay the text that they are."""
    return ToolCall(name=name, arguments=call_arguments(arguments), call_id=text_field(call_id))


def exit_code_of(observation: dict[str, Any]) -> int | None:
    """The exit code in an observation's fields. OpenHands writes -1 for a command that still runs: None."""
    for holder in (observation.get("metadata"), observation):
        code = mapping(holder).get("exit_code")
        if isinstance(code, int) and not isinstance(code, bool):
            return code if code != -1 else None
    return None


def shown_output(text: str, fields: dict[str, Any]) -> str:
    """``text`` as the agent was shown it. While a command still runs, only the lines that OpenHands puts before and
    after the output (``metadata.prefix`` and ``suffix``) say so; else they repeat the exit code and are left away."""
    metadata = mapping(fields.get("metadata"))
    if metadata.get("exit_code") != -1:
        return text
    return f"{metadata.get('prefix') or ''}{text}{metadata.get('suffix') or ''}"
