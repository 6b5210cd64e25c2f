"""Which steps of two runs do the same, and why.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codetracer_core.alignment.deeds import Deed, same_path

SAME, ALIKE, WEAK = 4.0, 2.0, 0.5
NEARLY = 0.8
BLOCK = 0.6
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
class Pair:
    """Two steps that do the same, and why; ``left`` and ``right`` are 0-based places in the two runs."""

    left: int
    right: int
    reason: str
    strength: Strength


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
