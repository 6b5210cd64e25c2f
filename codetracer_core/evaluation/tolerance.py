"""Near hits: an incorrect step counts as found if an accused one lies within k steps."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from codetracer_core.evaluation.baselines import RANDOM_STEP
from codetracer_core.evaluation.conventions import CONVENTIONS, Score, score
from codetracer_core.evaluation.counting import Observations
from codetracer_core.evaluation.rows import Rows
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.intervals import Array

TOLERANCES = (0, 1, 2, 3, 5)


def distances(gold: Collection[int], accused: Collection[int], within: int) -> list[int]:
    """How far each incorrect step that is matched lies from its accused step, ascending.

    Both are matched at most once: the nearest pairs first, of equal ones that with the earlier incorrect step, then
    that with the earlier accused one. So matches within k are among those within k+1.
    """
    pairs = sorted((abs(one - other), one, other) for one in gold for other in accused if abs(one - other) <= within)
    free_gold, free_accused = set(gold), set(accused)
    found = []
    for distance, one, other in pairs:
        if one in free_gold and other in free_accused:
            free_gold.remove(one)
            free_accused.remove(other)
            found.append(distance)
    return found


def tolerant(
    evaluation: Evaluation,
    name: str,
    within: Iterable[int] = TOLERANCES,
    conventions: Collection[str] = tuple(CONVENTIONS),
) -> Mapping[int, Mapping[str, Score]]:
    """What an entry comes to with each tolerance (in steps), under each convention.

    Empty for as many random steps as a system names: how often these come near has no closed form. Raises KeyError if
    there is no such entry or convention.
    """
    entry, rows = evaluation.entry(name), evaluation.rows
    wanted = sorted(set(within))
    if not wanted or (entry.seen.accused is None and name != RANDOM_STEP):
        return {}
    counts = _matched(rows, entry.seen, wanted)
    return {
        steps: score(rows, replace(entry.seen, matched=matched), conventions, seed=evaluation.seed)
        for steps, matched in zip(wanted, counts, strict=True)
    }


def _matched(rows: Rows, seen: Observations, wanted: list[int]) -> list[Array]:
    """Matches of each observation for each tolerance."""
    if seen.accused is None:
        shares = [
            np.array([chance(rows.gold[at], int(rows.lengths[at]), steps) for at in seen.run]) for steps in wanted
        ]
        return [share * seen.predicted for share in shares]
    found = [
        np.array(distances(rows.gold[at], accused, wanted[-1]))
        for at, accused in zip(seen.run, seen.accused, strict=True)
    ]
    return [np.array([float((one <= steps).sum()) for one in found]) for steps in wanted]


def chance(gold: Collection[int], step_count: int, within: int) -> float:
    """Probability that a step drawn evenly from the run lies within so many steps of one of these; 0 without steps."""
    near = {step for one in gold for step in range(max(one - within, 1), min(one + within, step_count) + 1)}
    return len(near) / step_count if step_count else 0.0
