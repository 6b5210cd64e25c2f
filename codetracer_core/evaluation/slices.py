"""The same numbers for parts of the runs: by agent, model, category …, or by two of these at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from codetracer_core.evaluation.conventions import DEFAULT, Score, score
from codetracer_core.evaluation.rows import Truth
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.words import OUTCOME_WORDS

BANDS = (10, 20, 50, 100)
"""Number of steps up to which a run belongs to a band; the last band has no end."""
NOT_KNOWN = "not known"


def band_of(step_count: int) -> str:
    """The length band of a run: "up to 10", "11–20", …, "101 and more"."""
    if step_count <= BANDS[0]:
        return f"up to {BANDS[0]}"
    for before, last in pairwise(BANDS):
        if step_count <= last:
            return f"{before + 1}–{last}"
    return f"{BANDS[-1] + 1} and more"


_IN_ORDER = (*(band_of(last) for last in BANDS), band_of(BANDS[-1] + 1), "easy", "medium", "hard", "solved", "failed")
_OUTCOME = "solved"
DIMENSIONS: Mapping[str, Callable[[Truth], str]] = {
    "agent": lambda run: run.agent or NOT_KNOWN,
    "model": lambda run: run.model or NOT_KNOWN,
    "category": lambda run: run.category or NOT_KNOWN,
    "difficulty": lambda run: run.difficulty or NOT_KNOWN,
    "length": lambda run: band_of(run.step_count),
    _OUTCOME: lambda run: NOT_KNOWN if run.solved is None else "solved" if run.solved else "failed",
    "wave": lambda run: run.wave or NOT_KNOWN,
    "task": lambda run: run.task or NOT_KNOWN,
}
"""By what runs can be told apart, and the value of each as data has it; people read ``dimension_words``."""


def dimension_words(dimension: str, value: str) -> str:
    """What people read of a value; the same but for outcomes."""
    return OUTCOME_WORDS.get(value, value) if dimension == _OUTCOME else value


@dataclass(frozen=True)
class Slice:
    """Runs that have the same values."""

    values: tuple[str, ...]
    """One for each dimension, in the order in which they were asked for."""
    runs: int
    runs_with_errors: int
    scores: Mapping[str, Score]
    """By name of the entry."""


def slices(
    evaluation: Evaluation, by: Sequence[str], *, convention: str = DEFAULT, names: Collection[str] | None = None
) -> tuple[Slice, ...]:
    """What entries come to in each part of the runs; ``names``: only these, else all.

    Many slices are many chances to differ by luck: look at the intervals. Raises KeyError for an unknown dimension.
    """
    rows = evaluation.rows
    parts: dict[tuple[str, ...], list[int]] = {}
    for at, run in enumerate(rows.truth):
        parts.setdefault(tuple(DIMENSIONS[name](run) for name in by), []).append(at)
    found = []
    for values in sorted(parts, key=lambda values: [_place(value) for value in values]):
        among = np.zeros(len(rows.truth), dtype=bool)
        among[parts[values]] = True
        scores = {
            entry.name: score(rows, entry.seen, (convention,), seed=evaluation.seed, among=among)[convention]
            for entry in evaluation.entries
            if names is None or entry.name in names
        }
        found.append(Slice(values, len(parts[values]), int((rows.expected[among] > 0).sum()), scores))
    return tuple(found)


def _place(value: str) -> tuple[bool, int, str]:
    """Known orders as they are, other words by the alphabet, what is not known last."""
    return (value == NOT_KNOWN, _IN_ORDER.index(value) if value in _IN_ORDER else len(_IN_ORDER), value)
