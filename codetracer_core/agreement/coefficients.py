"""Coefficients of agreement, as functions of sums, so that a bootstrap can take them of any draw of clusters.

Two layouts of sums are known here. A *table* of two raters: counts of (category of the first, category of the second),
shape (…, K·K), rows first. And *unit sums*, shape (…, 3 + 5·K), for any number of raters and missing ratings: each unit
(a step, a run) with its n_k ratings of category k, m in all, adds one row (``unit_sums``). Every function takes any
leading shape and gives NaN where its value is undefined; it never warns.
"""

from math import isqrt
from typing import NamedTuple

import numpy as np

from codetracer_core.intervals import Array, ratio


class UnitSums(NamedTuple):
    """Unit sums by their meaning. Units with fewer than two ratings count only in ``rated`` and ``shares``."""

    paired: Array
    """Units with at least two ratings, shape (…)."""
    agreeing: Array
    """Over those: the share of the pairs of its ratings that are equal, shape (…)."""
    rated: Array
    """Units with at least one rating, shape (…)."""
    shares: Array
    """Over those: n_k / m, shape (…, K)."""
    coincident: Array
    """Σ n_k(n_k − 1) / (m − 1), shape (…, K)."""
    ratings: Array
    """Σ n_k over paired units, shape (…, K)."""
    same: Array
    """Σ n_k(n_k − 1), ordered pairs of ratings that are both k, shape (…, K)."""
    possible: Array
    """Σ n_k(m − 1), ordered pairs whose first is k, shape (…, K)."""


def unit_sums(counts: Array) -> Array:
    """What each unit adds: ratings per category, shape (units, K), to shape (units, 3 + 5·K)."""
    counts = counts.astype(float)
    of_all = counts.sum(axis=1, keepdims=True)
    rated, paired = of_all >= 1, of_all >= 2
    same = counts * (counts - 1)
    others = np.where(paired, of_all - 1, 1)
    coincident = same / others
    return np.hstack(
        [
            paired,
            np.divide(same.sum(axis=1, keepdims=True), of_all * others, where=paired, out=np.zeros_like(of_all)),
            rated,
            counts / np.where(rated, of_all, 1),
            coincident,
            counts * paired,
            same,
            counts * (of_all - 1) * paired,
        ]
    )


def unit_sums_of_tables(tables: Array) -> Array:
    """The same of tables of two raters, shape (…, K·K) to (…, 3 + 5·K): their units are those that both rated."""
    kinds = isqrt(tables.shape[-1])
    square = tables.reshape(*tables.shape[:-1], kinds, kinds).astype(float)
    both = np.einsum("...kk->...k", square)
    ratings = square.sum(axis=-1) + square.sum(axis=-2)
    units, agreeing = square.sum(axis=(-1, -2))[..., None], both.sum(axis=-1)[..., None]
    return np.concatenate([units, agreeing, units, ratings / 2, 2 * both, ratings, 2 * both, ratings], axis=-1)


def parts(sums: Array) -> UnitSums:
    """Unit sums, shape (…, 3 + 5·K), by their meaning."""
    kinds = (sums.shape[-1] - 3) // 5
    by_category = (sums[..., 3 + at * kinds : 3 + (at + 1) * kinds] for at in range(5))
    return UnitSums(sums[..., 0], sums[..., 1], sums[..., 2], *by_category)


def category_counts(codes: Array, kinds: int) -> Array:
    """How many raters gave each category: codes (units, raters), negative where missing, to counts (units, kinds)."""
    return np.stack([(codes == kind).sum(axis=1) for kind in range(kinds)], axis=1)


def tables(first: Array, second: Array, kinds: int, clusters: Array, count: int) -> Array:
    """The table of two raters per cluster, shape (count, kinds²), of the units that both rated.

    ``first``, ``second``: codes, shape (units,), negative where missing; ``clusters``: of each unit, below ``count``.
    """
    both = (first >= 0) & (second >= 0)
    cells = (clusters[both] * kinds + first[both]) * kinds + second[both]
    return np.bincount(cells, minlength=count * kinds * kinds).reshape(count, kinds * kinds).astype(float)


def raw_agreement(sums: Array) -> Array:
    """Of the pairs of ratings of a unit, the share that is equal; mean over units with at least two ratings.

    With two raters (a + d) / N. Gwet, "Handbook of Inter-Rater Reliability", 4th ed. 2014, eq. 2.10.
    """
    of = parts(sums)
    return ratio(of.agreeing, of.paired)


def specific_agreement(sums: Array, category: int) -> Array:
    """Where one rating is this category, how often another of the same unit is it, too.

    With two raters 2a / (2a + b + c): positive or negative specific agreement (Cicchetti & Feinstein, "High agreement
    but low kappa: II", J Clin Epidemiol 43, 1990); any number of raters and missing ones: all pairs of ratings pooled
    (Fleiss, "Statistical Methods for Rates and Proportions", 2nd ed. 1981, sect. 13.1). Undefined if nobody used it.
    """
    of = parts(sums)
    return ratio(of.same[..., category], of.possible[..., category])


def krippendorffs_alpha(sums: Array) -> Array:
    """Nominal alpha, any number of raters, missing ratings allowed. Undefined if all ratings are one category.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, sect. C: 1 − D_o / D_e over the units with at
    least two ratings.
    """
    of = parts(sums)
    ratings = of.ratings.sum(axis=-1)
    seen_apart = ratings - of.coincident.sum(axis=-1)
    pairs_apart = ratings * (ratings - 1) - (of.ratings * (of.ratings - 1)).sum(axis=-1)
    return 1 - ratio(seen_apart * (ratings - 1), pairs_apart)


def gwets_ac1(sums: Array) -> Array:
    """AC1, any number of raters, missing ratings allowed; the number of categories is that of the schema.

    Gwet, "Computing inter-rater reliability and its variance in the presence of high agreement", Br J Math Stat
    Psychol 61, 2008; with missing ratings as in his Handbook, 4th ed. 2014, ch. 4: how often each category is used is
    taken of all units that anybody rated, agreement of those with at least two ratings. 1 where all ratings are one
    category.
    """
    of = parts(sums)
    used = ratio(of.shares, np.broadcast_to(of.rated[..., None], of.shares.shape))
    by_chance = (used * (1 - used)).sum(axis=-1) / (used.shape[-1] - 1)
    return ratio(raw_agreement(sums) - by_chance, 1 - by_chance)


def cohens_kappa(table: Array) -> Array:
    """Of tables of two raters, shape (…, K·K). Undefined if both used the same one category only.

    Cohen, "A coefficient of agreement for nominal scales", Educ Psychol Meas 20, 1960.
    """
    kinds = isqrt(table.shape[-1])
    square = table.reshape(*table.shape[:-1], kinds, kinds)
    units = square.sum(axis=(-1, -2))
    expected = (square.sum(axis=-1) * square.sum(axis=-2)).sum(axis=-1)
    seen = np.einsum("...kk->...", square)
    return ratio(seen * units - expected, units * units - expected)


def prevalence(sums: Array, category: int) -> Array:
    """The share of this category in all ratings of the units with at least two."""
    of = parts(sums)
    return ratio(of.ratings[..., category], of.ratings.sum(axis=-1))
