"""One question put to raters ("is this step incorrect?") and all that their agreement on it comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np

from codetracer_core.agreement.coefficients import (
    cohens_kappa,
    gwets_ac1,
    krippendorffs_alpha,
    parts,
    prevalence,
    raw_agreement,
    specific_agreement,
    unit_sums_of_tables,
)
from codetracer_core.intervals import Array, Estimate, estimate, quotient, resampled
from codetracer_core.ratings import CATEGORIES

FEWEST_RUNS_FOR_THE_RARE = 300
"""Runs with two raters below which nothing corrected for chance is said of *unuseful* against the rest: about one step
in two hundred is unuseful, so that a handful of steps would decide it."""


@dataclass(frozen=True)
class Contrast:
    """How the categories of the schema are grouped for a question."""

    name: str
    groups: tuple[int, ...]
    """Group of each of ``CATEGORIES``."""
    names: tuple[str, ...]
    """Of the groups. Of two, the second one is what is looked for ("positive")."""


INCORRECT = Contrast("incorrect against the rest", (0, 1, 0), ("rest", "incorrect"))
UNUSEFUL = Contrast("unuseful against the rest", (0, 0, 1), ("rest", "unuseful"))
CLASSES = Contrast("three classes", (0, 1, 2), CATEGORIES)
HAS_INCORRECT = Contrast("a run with an incorrect step against one without", (0, 1), ("none", "incorrect step"))
RUN_VERDICT = Contrast("a run with an error against one without, as people said it", (0, 1), ("no error", "error"))


@dataclass(frozen=True)
class Pairings:
    """Pairs of ratings of one unit, over all pairs of raters, of a question with two answers."""

    both: int
    """Both positive."""
    one: int
    """One positive, one not."""
    neither: int


@dataclass(frozen=True)
class Votes:
    """How many units have so many ratings, so many of them positive."""

    ratings: int
    positive: int
    units: int


@dataclass(frozen=True)
class Measures:
    """Agreement of some raters on one question. What it is of: ``units`` with at least two ratings."""

    question: str
    categories: tuple[str, ...]
    unit: str
    """ "step" or "run"."""
    raters: int
    runs: int
    """Runs with at least one such unit."""
    units: int
    raw: Estimate
    alpha: Estimate
    """Krippendorff's, nominal."""
    kappa: Estimate
    """Cohen's; undefined for more than two raters."""
    ac1: Estimate
    """Gwet's. Of more than two raters, how often each category is used is taken of all units that anybody rated."""
    specific: tuple[Estimate, ...]
    """Specific agreement on each of ``categories``."""
    prevalence: tuple[Estimate, ...]
    """Share of each of ``categories`` in the ratings of these units."""
    pairings: Pairings | None
    """None with more than two categories."""
    table: tuple[tuple[int, ...], ...] | None
    """Counts [category of the first rater][category of the second]; None for more than two raters."""

    @property
    def psa(self) -> Estimate:
        """Positive specific agreement: the F1 of the one against the other. Of a question with two answers."""
        return self.specific[1]

    @property
    def nsa(self) -> Estimate:
        """Negative specific agreement. Of a question with two answers."""
        return self.specific[0]


class Drawn(NamedTuple):
    """Sums per cluster, shape (clusters, k), and of all replicates, shape (replicates, k).

    Draws are of all clusters there are, so that all numbers of one agreement share them: a number to which few of them
    contribute is drawn as a domain of the whole, its size varying with the draw.
    """

    sums: Array
    draws: Array

    def estimate(self, statistic: Callable[[Array], Array], of: Callable[[Array], Array], why: str) -> Estimate:
        """As ``intervals.estimate``."""
        return estimate(statistic, self.sums, why=why, draws=self.draws, of=of)

    def share(self, numerator: int, denominator: int, why: str) -> Estimate:
        """One column over another."""
        return quotient(self.sums, numerator, denominator, why=why, draws=self.draws)

    def mapped(self, through: Callable[[Array], Array]) -> "Drawn":
        """Other sums that follow linearly from these."""
        return Drawn(through(self.sums), through(self.draws))


def drawn(blocks: Sequence[Array], seed: int) -> list[Drawn]:
    """Blocks of sums of the same clusters, drawn at once."""
    together = np.hstack(blocks)
    draws = resampled(together, seed) if len(together) else together
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    return [Drawn(*both) for both in zip(blocks, np.split(draws, ends, axis=1), strict=True)]


def pooled(several: Sequence[Drawn], width: int) -> Drawn:
    """Their sum, of the same clusters and draws; ``width``: how many sums each has."""
    if not several:
        return Drawn(np.zeros((0, width)), np.zeros((0, width)))
    sums, draws = several[0]
    for more in several[1:]:
        sums, draws = sums + more.sums, draws + more.draws
    return Drawn(sums, draws)


def grouped(tables: Array, contrast: Contrast) -> Array:
    """Tables of the schema's categories, shape (…, K·K), as tables of the contrast's groups."""
    kinds, groups = len(contrast.groups), len(contrast.names)
    found = np.zeros((*tables.shape[:-1], groups * groups))
    for first, of_first in enumerate(contrast.groups):
        for second, of_second in enumerate(contrast.groups):
            found[..., of_first * groups + of_second] += tables[..., first * kinds + second]
    return found


def measures_of_two(tables: Drawn, contrast: Contrast, *, unit: str, runs: int) -> Measures:
    """Of tables of two raters, shape (…, K·K)."""
    return measures(tables.mapped(unit_sums_of_tables), contrast, tables, unit=unit, runs=runs, raters=2)


def measures(
    units_of_all: Drawn, contrast: Contrast, tables: Drawn | None, *, unit: str, runs: int, raters: int
) -> Measures:
    """Of unit sums; ``tables``: those of the two, if two rate."""
    total = parts(units_of_all.sums.sum(axis=0))
    units = round(float(total.paired))
    why = _why_undefined(contrast, total.ratings, units, unit)
    why_corrected, why_kappa = why, why
    corrected = contrast is not UNUSEFUL or runs >= FEWEST_RUNS_FOR_THE_RARE
    if not corrected:
        why_corrected = why_kappa = (
            f"{runs:,} runs with two raters are too few to correct for chance with so rare a label"
            f" (at least {FEWEST_RUNS_FOR_THE_RARE}): look at the counts"
        )
    if tables is None:
        why_kappa = f"Cohen's kappa is of two raters, here are {raters}: see each pair"

    def found(statistic: Callable[[Array], Array]) -> Estimate:
        return units_of_all.estimate(statistic, lambda of: parts(of).paired, why)

    def on(category: int) -> Estimate:
        name = contrast.names[category]
        unused = f"nobody used “{name}” (n = {units:,} {unit}s)" if units else why
        return units_of_all.estimate(
            lambda of: specific_agreement(of, category), lambda of: parts(of).possible[..., category], unused
        )

    def used(category: int) -> Estimate:
        return found(lambda of: prevalence(of, category))

    none, kappa = Estimate.undefined(why_corrected), Estimate.undefined(why_kappa)
    if tables is not None and corrected:
        kappa = tables.estimate(cohens_kappa, lambda of: of.sum(axis=-1), why)
    categories = range(len(contrast.names))
    return Measures(
        contrast.name,
        contrast.names,
        unit,
        raters,
        runs,
        units,
        raw=found(raw_agreement),
        alpha=found(krippendorffs_alpha) if corrected else none,
        kappa=kappa,
        ac1=found(gwets_ac1) if corrected else none,
        specific=tuple(on(category) for category in categories),
        prevalence=tuple(used(category) for category in categories),
        pairings=_pairings(total.same, total.possible) if len(contrast.names) == 2 else None,
        table=None if tables is None else _rows(tables.sums),
    )


def _rows(tables: Array) -> tuple[tuple[int, ...], ...]:
    """The sum of tables of two raters, shape (clusters, K·K), as rows of counts."""
    kinds = isqrt(tables.shape[1])
    return tuple(tuple(int(cell) for cell in row) for row in tables.sum(axis=0).reshape(kinds, kinds))


def _pairings(same: Array, possible: Array) -> Pairings:
    return Pairings(round(float(same[1]) / 2), round(float(possible[1] - same[1])), round(float(same[0]) / 2))


def _why_undefined(contrast: Contrast, ratings: Array, units: int, unit: str) -> str:
    if not units:
        return f"no {unit} has labels of two raters"
    label = contrast.names[int(np.argmax(ratings))]
    return f"everyone used one label, “{label}” (n = {units:,} {unit}s)"
