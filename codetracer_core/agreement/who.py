"""Who is compared with whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from codetracer_core.ratings import Rater
from codetracer_core.words import number_of

_AUTHORITY = {"ground_truth": 2, "adjudicated": 1}


@dataclass(frozen=True)
class Compared:
    """Two raters, by their index. ``first`` is the reference where one of them is (``has_reference``)."""

    first: int
    second: int
    has_reference: bool
    """The first one is ground truth, or adjudicated labels, and the second is less than that. Without a reference
    what needs one is computed with each as the reference, and averaged."""


def all_pairs(raters: Sequence[Rater], among: Sequence[int] | None = None) -> tuple[Compared, ...]:
    """Every two of these raters (of all, if not said), in their order."""
    chosen = range(len(raters)) if among is None else among
    return tuple(_compared(raters, one, other) for one, other in combinations(chosen, 2))


def _compared(raters: Sequence[Rater], one: int, other: int) -> Compared:
    ours, theirs = (_AUTHORITY.get(raters[at].source, 0) for at in (one, other))
    return Compared(other, one, True) if theirs > ours else Compared(one, other, ours > theirs)


def headline_raters(raters: Sequence[Rater]) -> tuple[tuple[int, ...], str]:
    """Over whom the headline is, and a sentence that says so: people if there are two, else all.

    Where passes of one person stand beside each other, each person takes part with the first of them.
    """
    first: dict[tuple[str, str], int] = {}
    for at, rater in enumerate(raters):
        if rater.source == "human":
            known = first.get((rater.source, rater.name))
            if known is None or (rater.pass_number or 0) < (raters[known].pass_number or 0):
                first[rater.source, rater.name] = at
    people = tuple(sorted(first.values()))
    if len(people) < 2:
        return tuple(range(len(raters))), "over all raters: there are no two people among them"
    several = any(raters[at].pass_number is not None for at in people)
    passes = ", each with the first of their passes that is here" if several else ""
    left = len(raters) - sum(rater.source == "human" for rater in raters)
    others = f"; {number_of(left, 'other rater')} (models, ground truth, adjudicated) only in pairs" if left else ""
    return people, f"over the {len(people)} people{passes}{others}"


def are_passes_of_one(raters: Sequence[Rater], pair: Compared) -> bool:
    """Both are the same rater, at different times."""
    return raters[pair.first][:2] == raters[pair.second][:2]
