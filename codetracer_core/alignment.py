"""Runs of one task beside each other: which of their steps do the same, where they part, where they meet again. Pure.

Steps are aligned by what they do: the command, the files that it names, the kind of change. What came back, and what
the agent thought, play no part; and nothing is known of the state of an environment but the actions that change it.

Two steps are paired for one of these reasons, the first that holds; the number is what such a pair is worth:

* 4 "same command": the same kind of step, and the same text after ``_command`` (a leading ``cd … &&``, white space and
  quotes around single words make no difference);
* 2 "… the same file" and the like: the same purpose (reading and searching count as one), and a path in common. A
  relative path is the same as one that ends with it; two absolute ones may differ in up to two leading folders (where
  the task lies in each environment) if they have two more in common;
* 2 "nearly the same command": the same kind, and words in common of at least ``NEARLY``;
* ½ "same kind of state change", and "both …" of tests, plans, messages and submissions: the same purpose, no more.

To each is added how many words the commands have in common: the Dice coefficient of their sets of words, 0 to 1
(L. R. Dice, Ecology 26, 1945). Each uninterrupted block of steps without a partner costs ``BLOCK``, however long it is.
The alignment with the highest sum, in the order of both runs, is found by the dynamic programme of S. B. Needleman and
C. D. Wunsch (J. Mol. Biol. 48, 1970) with affine gaps (O. Gotoh, J. Mol. Biol. 162, 1982) whose extension is free. Time
and memory grow with the product of the lengths.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codetracer_core.actions import Decision, Purpose
from codetracer_core.models import Kind, Stage, Step, Trajectory

SAME, ALIKE, WEAK = 4.0, 2.0, 0.5
NEARLY = 0.8
BLOCK = 0.6
MOST_WORDS = 300
"""Words of a command, from its beginning, that are compared."""

Strength = Literal["same", "alike", "weak", "none"]
"""*same*: the same command; *alike*: the same file, or nearly the same command; *weak*: only the same kind of step."""

SAME_COMMAND = "same command"
NEARLY_SAME = "nearly the same command"
SAME_CHANGE = "same kind of state change"
_ON_THE_SAME: Mapping[str, str] = {
    "edit": "edits the same file",
    "look": "reads the same file",
    "run": "runs the same file",
    "test": "tests the same",
    "install": "installs the same",
    "output": "writes to the same file",
}
_BOTH: Mapping[str, str] = {
    "submit": "both submit",
    "test": "both run tests",
    "plan": "both plan",
    "message": "both send a message",
}


@dataclass(frozen=True, slots=True)
class Deed:
    """What a step does, as far as steps are compared by it."""

    step_id: int
    kind: Kind
    purpose: str
    """As ``actions.Purpose``, but "look" for reading and searching alike."""
    command: str
    """The action without what makes no difference (``_command``)."""
    words: frozenset[str]
    paths: frozenset[tuple[str, ...]]
    """Files, folders or packages that it names, each as its parts; an absolute path begins with "/"."""

    @property
    def changes(self) -> bool:
        return self.kind == "change"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two steps that do the same, and why; ``left`` and ``right`` are 0-based places in the two runs."""

    left: int
    right: int
    reason: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an alignment: at most one step of each run."""

    steps: tuple[int | None, ...]
    """Step numbers by run; None: it has no step here."""
    reasons: tuple[str, ...]
    """By run, why its step stands beside that of the row's first run (the reference, where it has a step here); "" for
    that one itself, and where there is no step."""
    strengths: tuple[Strength, ...]
    """The same, as a strength; "none" where the reason is ""."""

    def strength(self, run: int, other: int) -> Strength:
        """How two runs agree here, judged by the weaker of their reasons; "none" if one of them has no step."""
        if self.steps[run] is None or self.steps[other] is None:
            return "none"
        told = [self.strengths[one] for one in (run, other) if self.strengths[one] != "none"]
        return max(told, key=("same", "alike", "weak").index) if told else "none"


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the states of two runs begin to differ, as far as actions tell; all are 0-based rows of the alignment."""

    row: int
    """The first row with a change that the two do not make by the same command."""
    why: str
    common: int | None
    """The last common step: the last row before it in which both do the same or alike; None: there is none."""
    alone: int | None
    """The first row from there on with a change that only one of them makes; None: there is none."""
    meets: tuple[int, ...]
    """Where they meet again: of each block of rows after ``row`` in which both do the same or alike, the first. Their
    states may differ all the same."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of two runs is common, in steps."""

    same: int
    """Pairs of steps by strength: the same command …"""
    alike: int
    """… the same file, or nearly the same command …"""
    weak: int
    """… only the same kind of step. These do not count as common."""
    only: tuple[int, int]
    """Steps of each run that have no partner in the other one."""

    @property
    def value(self) -> float | None:
        """Steps with a partner that does the same or alike, of all steps of both, 0 to 1; None: neither has steps."""
        total = 2 * (self.same + self.alike + self.weak) + sum(self.only)
        return 2 * (self.same + self.alike) / total if total else None


@dataclass(frozen=True, slots=True)
class StageShare:
    """What of one run's stage the other run did, too."""

    stage: Stage
    steps: int
    shared: int
    """Of them with a partner that does the same or alike."""


# ---------------------------------------------------------------- what a step does

_CD = re.compile(r"\A\s*cd\s+(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|'\"]+)\s*(?:&&|;)\s*(?=\S)")
_QUOTED_WORD = re.compile(r"""(?<![\w\\])(['"])([\w./@:+=-]+)\1(?!\w)""")
_WORD = re.compile(r"\w+")
_OPENS = re.compile(r"\A(?:open|create)\s")
"""The editor of SWE-agent: later edits name no file, they are of the one that was opened last."""


def deeds(trajectory: Trajectory, decisions: Sequence[Decision]) -> tuple[Deed, ...]:
    """What the steps of a run do, in order. ``decisions`` are one per step; ValueError if they are not."""
    found = []
    opened: frozenset[tuple[str, ...]] = frozenset()
    for step, decision in zip(trajectory.steps, decisions, strict=True):
        command = _command(step)
        paths = frozenset(filter(None, map(_path, decision.targets)))
        if _OPENS.match(step.action) or (step.tool is not None and step.tool.name in ("open", "create")):
            opened = paths or opened
        elif decision.purpose == "edit" and not paths:
            paths = opened
        words = frozenset(_WORD.findall(command)[:MOST_WORDS])
        found.append(Deed(step.step_id, decision.kind, _purpose(decision.purpose), command, words, paths))
    return tuple(found)


def _purpose(purpose: Purpose) -> str:
    return "look" if purpose in ("read", "search") else purpose


def _command(step: Step) -> str:
    """The action without what makes no difference to what it does."""
    if step.tool is not None and isinstance(step.tool.arguments, dict) and step.action.startswith("{"):
        return f"{step.tool.name} {json.dumps(step.tool.arguments, sort_keys=True, ensure_ascii=False)}"
    text = _CD.sub("", step.action, count=1).strip()
    if "\n" in text:
        return "\n".join(line.rstrip() for line in text.splitlines())
    return " ".join(_QUOTED_WORD.sub(r"\2", text).split())


def _path(target: str) -> tuple[str, ...]:
    """A path as its parts, ``.`` and ``..`` resolved as far as they can be; empty for ``.`` and the like."""
    parts: list[str] = ["/"] if target.startswith("/") else []
    for part in target.strip("\"'").split("/"):
        if part == ".." and parts and parts[-1] not in ("/", ".."):
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts) if parts != ["/"] else ()


def same_path(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths, as parts, may be of the same file: see the module's rules."""
    if one == other:
        return True
    common = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right or left == "/":
            break
        common += 1
    shorter, longer = sorted((one, other), key=len)
    if shorter[0] != "/" and common == len(shorter):
        return True
    absolute = one[0] == other[0] == "/"
    return absolute and common >= 2 and len(longer) - 1 - common <= 2


# ---------------------------------------------------------------- two runs

_NONE, _WEAK, _NEARLY, _FILE, _COMMAND = range(5)
_WORTH = np.array([-np.inf, WEAK, ALIKE, ALIKE, SAME])
_STRENGTHS: tuple[Strength, ...] = ("none", "weak", "alike", "alike", "same")


def pairs(left: Sequence[Deed], right: Sequence[Deed]) -> list[Pair]:
    """The steps of two runs that do the same, in the order of both. Swapping the runs swaps the places, no more."""
    if not left or not right:
        return []
    if _order(right) < _order(left):  # of equally good alignments the same one is found, whichever run comes first
        return [Pair(pair.right, pair.left, pair.reason, pair.strength) for pair in pairs(right, left)]
    codes, similar = _compare(left, right)
    found = _best(np.asarray(_WORTH[codes] + similar))
    return [Pair(i, j, _reason(int(codes[i, j]), left[i]), _STRENGTHS[codes[i, j]]) for i, j in found]


def _order(run: Sequence[Deed]) -> tuple[int, list[str]]:
    return len(run), [deed.command for deed in run]


def _reason(code: int, deed: Deed) -> str:
    if code == _COMMAND:
        return SAME_COMMAND
    if code == _NEARLY:
        return NEARLY_SAME
    if code == _FILE:
        return _ON_THE_SAME.get(deed.purpose, "works on the same file")
    return _BOTH.get(deed.purpose, SAME_CHANGE)


def _compare(left: Sequence[Deed], right: Sequence[Deed]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For every pair of steps its reason (``_NONE`` …) and how many words they have in common, 0 to 1; (n, m) each."""
    kinds = _equal([deed.kind for deed in left], [deed.kind for deed in right])
    purposes = _equal([deed.purpose for deed in left], [deed.purpose for deed in right])
    commands = _equal([(deed.kind, deed.command) for deed in left], [(deed.kind, deed.command) for deed in right])
    similar = _dice([deed.words for deed in left], [deed.words for deed in right])
    tells = np.array([deed.changes or deed.purpose in _BOTH for deed in left])[:, None]
    codes = np.full(similar.shape, _NONE, dtype=np.intp)
    codes[kinds & purposes & tells] = _WEAK
    codes[kinds & (similar >= NEARLY)] = _NEARLY
    codes[kinds & purposes & _share_paths(left, right)] = _FILE
    codes[commands] = _COMMAND
    return codes, similar


def _equal(left: Sequence[object], right: Sequence[object]) -> NDArray[np.bool_]:
    numbers: dict[object, int] = {}
    ours, theirs = (np.array([numbers.setdefault(one, len(numbers)) for one in side]) for side in (left, right))
    return np.asarray(ours[:, None] == theirs[None, :])


def _dice(left: Sequence[frozenset[str]], right: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    shared = {word: at for at, word in enumerate(frozenset().union(*left) & frozenset().union(*right))}
    ours, theirs = _incidence(left, shared), _incidence(right, shared)
    sizes = np.array([len(words) for words in left])[:, None] + np.array([len(words) for words in right])[None, :]
    return np.asarray(2.0 * (ours @ theirs.T) / np.maximum(sizes, 1), dtype=np.float64)


def _incidence(sets: Sequence[frozenset[Any]], columns: Mapping[Any, int]) -> NDArray[np.float32]:
    found = np.zeros((len(sets), len(columns)), dtype=np.float32)
    for row, members in enumerate(sets):
        found[row, [columns[member] for member in members if member in columns]] = 1.0
    return found


def _share_paths(left: Sequence[Deed], right: Sequence[Deed]) -> NDArray[np.bool_]:
    ours, theirs = (list(dict.fromkeys(path for deed in side for path in deed.paths)) for side in (left, right))
    by_name: dict[str, list[int]] = {}
    for at, path in enumerate(theirs):
        by_name.setdefault(path[-1], []).append(at)
    same = np.zeros((len(ours), len(theirs)), dtype=np.float32)
    for at, path in enumerate(ours):
        same[at, [other for other in by_name.get(path[-1], ()) if same_path(path, theirs[other])]] = 1.0
    here = _incidence([deed.paths for deed in left], {path: at for at, path in enumerate(ours)})
    there = _incidence([deed.paths for deed in right], {path: at for at, path in enumerate(theirs)})
    return np.asarray(here @ same @ there.T > 0)


def _best(worth: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs of the best alignment; ``worth`` (n, m), −∞ where two steps cannot be paired.

    ``paired[i, j]`` is the best sum of the first i and j steps that ends with a pair, ``gapped[i, j]`` one that ends
    within a block without partners.
    """
    n, m = worth.shape
    paired = np.full((n + 1, m + 1), -np.inf)
    gapped = np.full((n + 1, m + 1), -np.inf)
    paired[0, 0] = 0.0
    gapped[0, 1:] = -BLOCK
    for i in range(1, n + 1):
        paired[i, 1:] = worth[i - 1] + np.maximum(paired[i - 1, :-1], gapped[i - 1, :-1])
        row = np.maximum(gapped[i - 1], paired[i - 1] - BLOCK)
        row[1:] = np.maximum(row[1:], paired[i, :-1] - BLOCK)
        gapped[i] = np.maximum.accumulate(row)
    return _way_back(paired, gapped)


def _way_back(paired: NDArray[np.float64], gapped: NDArray[np.float64]) -> list[tuple[int, int]]:
    found = []
    i, j = paired.shape[0] - 1, paired.shape[1] - 1
    in_pair = bool(paired[i, j] >= gapped[i, j])
    while i > 0 or j > 0:
        if in_pair:
            i, j = i - 1, j - 1
            found.append((i, j))
            in_pair = bool(paired[i, j] >= gapped[i, j])
        elif j > 0 and gapped[i, j] in (gapped[i, j - 1], paired[i, j - 1] - BLOCK):
            in_pair = bool(gapped[i, j] != gapped[i, j - 1])
            j -= 1
        else:
            in_pair = bool(gapped[i, j] != gapped[i - 1, j])
            i -= 1
    return found[::-1]


# ---------------------------------------------------------------- several runs


def align(runs: Sequence[Sequence[Deed]], reference: int = 0) -> list[Row]:
    """The runs beside each other: every step in one row, each run in its own order.

    Each run is aligned with the reference (a star alignment); what several others do between the same two steps of the
    reference is aligned among themselves, one run after the other (progressively). Raises IndexError if there is no
    such run.
    """
    centre = runs[reference]
    on = [_alone(len(runs), reference, at) for at in range(len(centre))]
    between: list[list[_Line]] = [[] for _ in range(len(centre) + 1)]
    for run in range(len(runs)):
        if run == reference:
            continue
        start, gap = 0, 0
        for pair in pairs(centre, runs[run]):
            _merge(between, gap, pair.left, runs, run, range(start, pair.right))
            on[pair.left].put(run, pair.right, pair)
            start, gap = pair.right + 1, pair.left + 1
        _merge(between, gap, len(centre), runs, run, range(start, len(runs[run])))
    lines = [line for at, own in enumerate([*on, None]) for line in [*between[at], *([own] if own else [])]]
    return [line.as_row(runs) for line in lines]


class _Line:
    """A row in the making; places are 0-based."""

    def __init__(self, count: int) -> None:
        self.places: list[int | None] = [None] * count
        self.pairs: list[Pair | None] = [None] * count

    def put(self, run: int, place: int, pair: Pair | None = None) -> None:
        self.places[run], self.pairs[run] = place, pair

    def first(self) -> int:
        """The run that the others are compared with."""
        return next(run for run, place in enumerate(self.places) if place is not None and self.pairs[run] is None)

    def as_row(self, runs: Sequence[Sequence[Deed]]) -> Row:
        return Row(
            tuple(None if place is None else runs[run][place].step_id for run, place in enumerate(self.places)),
            tuple(pair.reason if pair else "" for pair in self.pairs),
            tuple(pair.strength if pair else "none" for pair in self.pairs),
        )


def _alone(count: int, run: int, place: int) -> _Line:
    line = _Line(count)
    line.put(run, place)
    return line


def _merge(
    between: list[list[_Line]], first: int, last: int, runs: Sequence[Sequence[Deed]], run: int, places: range
) -> None:
    """Put steps of a run where the reference has no partner for them: into its gaps ``first`` to ``last``, of which
    those that hold steps of other runs are looked through for partners; what has none goes into gap ``first``."""
    if not places:
        return
    known = [(gap, line) for gap in range(first, last + 1) for line in between[gap]]
    deeds_there = []
    for _, line in known:
        base = line.first()
        place = line.places[base]
        assert place is not None
        deeds_there.append(runs[base][place])
    found = {pair.right: pair for pair in pairs(deeds_there, [runs[run][place] for place in places])}
    gap, at = first, 0
    for offset, place in enumerate(places):
        pair = found.get(offset)
        if pair is None:
            between[gap].insert(at, _alone(len(runs), run, place))
        else:
            gap, line = known[pair.left]
            line.put(run, place, pair)
            at = between[gap].index(line)
        at += 1


# ---------------------------------------------------------------- what it comes to


def parting(rows: Sequence[Row], runs: Sequence[Sequence[Deed]], one: int, other: int) -> Parting | None:
    """Where the states of two of the aligned runs begin to differ; None: one makes no change that the other does not.

    They are taken to be in the same state as long as every change so far was made by both, by the same command. What
    only one of them explored makes no difference. That is what the actions tell: the same command may have another
    effect (the clock, the network, what ran before), and different commands the same one.
    """
    changes = [_changes(row, runs, one, other) for row in rows]
    strengths = [row.strength(one, other) for row in rows]
    apart = [at for at, who in enumerate(changes) if who and strengths[at] != "same"]
    if not apart:
        return None
    row = apart[0]
    common = [strength in ("same", "alike") for strength in strengths]
    taking_part = [at for at, line in enumerate(rows) if (line.steps[one], line.steps[other]) != (None, None)]
    meets = tuple(
        at for before, at in pairwise(taking_part) if at > row and common[at] and (before == row or not common[before])
    )
    return Parting(
        row,
        _why(rows[row], changes[row], one, other),
        max((at for at in range(row) if common[at]), default=None),
        next((at for at in apart if len(changes[at]) == 1 and strengths[at] == "none"), None),
        meets,
    )


def _changes(row: Row, runs: Sequence[Sequence[Deed]], one: int, other: int) -> list[int]:
    """Which of the two runs change the state in this row."""
    steps = [(run, row.steps[run]) for run in (one, other)]
    return [run for run, step in steps if step is not None and runs[run][step - 1].changes]


def _why(row: Row, who: Sequence[int], one: int, other: int) -> str:
    told = next((row.reasons[run] for run in (other, one) if row.reasons[run]), "")
    if len(who) == 1:
        return f"only {letter(who[0])} makes this change"
    return f"both change the state, by other commands ({told})"


def letter(run: int) -> str:
    """The name of a run by its place: A, B …"""
    return chr(ord("A") + run)


def share(rows: Iterable[Row], one: int, other: int) -> Share:
    """How much two of the aligned runs have in common."""
    here = [row for row in rows if row.steps[one] is not None or row.steps[other] is not None]
    strengths = [row.strength(one, other) for row in here]
    ours, theirs = (
        sum(row.steps[run] is not None and told == "none" for row, told in zip(here, strengths, strict=True))
        for run in (one, other)
    )
    return Share(strengths.count("same"), strengths.count("alike"), strengths.count("weak"), (ours, theirs))


def by_stage(rows: Sequence[Row], run: int, other: int, stages: Sequence[Stage]) -> list[StageShare]:
    """How much of each stage of a run the other one did, too."""
    common = {row.steps[run] for row in rows if row.strength(run, other) in ("same", "alike")}
    told = []
    for stage in stages:
        steps = range(stage.start_step_id, stage.end_step_id + 1)
        told.append(StageShare(stage, len(steps), sum(step in common for step in steps)))
    return told
