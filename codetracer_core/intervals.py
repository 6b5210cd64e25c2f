"""Numbers with what they rest on: a value or why there is none, and a bootstrap interval over clusters.

Steps of one run, and runs of one task, are not independent. So whole clusters are drawn anew: their sufficient
statistics are summed with the multiplicities of a multinomial draw, and the statistic is computed of each sum
(the cluster bootstrap: Field & Welsh, "Bootstrapping clustered data", JRSS B 69, 2007; percentile intervals: Efron &
Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13). Nothing here knows what is measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codetracer_core.words import number_of

Array = NDArray[Any]
Statistic = Callable[[Array], Array]
"""Sums of sufficient statistics, shape (…, k), to values, shape (…); NaN where they leave it undefined. It must not
warn: it is given sums of any clusters, all zeros among them."""

REPLICATES = 2_000
SEED = 20_260_401
"""What draws are made with where nothing else is said; shown beside every interval."""
LEVEL = 0.95
FEWEST_CLUSTERS = 10
"""With fewer there is no interval."""
FEW_CLUSTERS = 30
"""With fewer an interval is told to be rough."""
_NARROW = 32
"""Columns up to which sums are multiplied piece by piece."""
_FOR_ONE_THREAD = 1 << 18
"""Multiplications up to which OpenBLAS, which numpy comes with, uses one thread."""


@dataclass(frozen=True)
class Estimate:
    """A number, or why there is none, with its interval, or why that is missing."""

    value: float | None
    """None: undefined; ``why`` then says why, in a sentence."""
    why: str = ""
    low: float | None = None
    """End of the 95 % percentile interval; None with ``high``: there is none, ``why_no_interval`` says why."""
    high: float | None = None
    why_no_interval: str = ""
    clusters: int = 0
    """How many clusters it rests on."""
    undefined_replicates: int = 0
    """In how many of the ``REPLICATES`` the value was undefined; they are left out of the interval."""

    @classmethod
    def undefined(cls, why: str, clusters: int = 0) -> "Estimate":
        """No number: ``why``, in a sentence."""
        return cls(None, why=why, clusters=clusters, why_no_interval="there is no value")

    @property
    def is_rough(self) -> bool:
        """There is an interval, of so few clusters that it may be too narrow."""
        return self.low is not None and self.clusters < FEW_CLUSTERS


def estimate(
    statistic: Statistic,
    sums: Array,
    *,
    why: str,
    seed: int = SEED,
    draws: Array | None = None,
    of: Statistic | None = None,
) -> Estimate:
    """The statistic of all clusters together, and its interval.

    ``sums``: sufficient statistics, shape (clusters, k). ``why``: what to say where it is undefined. ``draws``:
    ``resampled(sums)``, where several statistics of the same sums share it. ``of``: what is in the denominator;
    clusters with none of it say nothing, and do not count for whether there is an interval. None: all say something.
    """
    return _estimated(statistic, sums, why, seed, draws, len(sums) if of is None else int(np.count_nonzero(of(sums))))


def quotient(
    sums: Array, numerator: int, denominator: int, *, why: str, seed: int = SEED, draws: Array | None = None
) -> Estimate:
    """One column of the sums over another, and its interval: a share, or a mean; arguments as of ``estimate``."""

    def of(sums: Array) -> Array:
        return np.asarray(sums[..., denominator])

    return estimate(lambda sums: ratio(sums[..., numerator], of(sums)), sums, why=why, seed=seed, draws=draws, of=of)


def difference(
    statistic: Statistic,
    ours: Array,
    theirs: Array,
    *,
    why: str,
    seed: int = SEED,
    draws: Array | None = None,
    of: Statistic | None = None,
) -> Estimate:
    """Ours minus theirs, paired: both have the sums of the same clusters in the same order, and each draw is for both.

    Shapes (clusters, k), both. ``draws``: ``resampled`` of both beside each other, where several statistics share it;
    ``of`` as in ``estimate``: a cluster says something if either side has any of it. Raises ValueError if the shapes
    differ.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"sums of the same clusters are needed, not {ours.shape} and {theirs.shape}")
    split = ours.shape[1]

    def both(sums: Array) -> Array:
        return statistic(sums[..., :split]) - statistic(sums[..., split:])

    clusters = len(ours) if of is None else int(np.count_nonzero((of(ours) != 0) | (of(theirs) != 0)))
    return _estimated(both, np.concatenate([ours, theirs], axis=1), why, seed, draws, clusters)


def _estimated(statistic: Statistic, sums: Array, why: str, seed: int, draws: Array | None, clusters: int) -> Estimate:
    value = float(statistic(sums.sum(axis=0, dtype=float)))
    if np.isnan(value):
        return Estimate.undefined(why, clusters)
    if clusters < FEWEST_CLUSTERS:
        few = f"{number_of(clusters, 'cluster')}: an interval needs at least {FEWEST_CLUSTERS}"
        return Estimate(value, clusters=clusters, why_no_interval=few)
    values = statistic(resampled(sums, seed) if draws is None else draws)
    defined = np.sort(values[~np.isnan(values)])
    undefined = len(values) - len(defined)
    if not len(defined):
        return Estimate(
            value, clusters=clusters, undefined_replicates=undefined, why_no_interval="undefined in every replicate"
        )
    low, high = (_quantile(defined, share) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(value, low=low, high=high, clusters=clusters, undefined_replicates=undefined)


def _quantile(values: Array, share: float) -> float:
    """Of ascending values, linear between two of them, as ``numpy.quantile`` has it. That one takes more than twice as
    long for two thousand values, and a page has hundreds of intervals."""
    place = (len(values) - 1) * share
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return float(values[below] + (values[above] - values[below]) * (place - below))


def resampled(sums: Array, seed: int = SEED) -> Array:
    """Sums over clusters drawn with replacement, as many as there are: shape (``REPLICATES``, k) of (clusters, k)."""
    drawn, sums = _multiplicities(len(sums), seed), sums.astype(float)
    told = np.flatnonzero(sums.any(axis=1))
    if 2 * len(told) < len(sums):  # else picking them out takes longer than multiplying the zeros
        drawn, sums = drawn[:, told], sums[told]
    return _product(drawn, sums)


def _product(drawn: Array, sums: Array) -> Array:
    """The matrix product. Of narrow sums a few rows at a time, each so small that the library of linear algebra does
    not share them out among threads: these wait for each other by turning round, and on a busy server that takes ten
    times as long as the product itself."""
    if sums.shape[1] > _NARROW:
        return np.asarray(drawn @ sums)
    found = np.empty((len(drawn), sums.shape[1]))
    rows = max(1, _FOR_ONE_THREAD // max(sums.size, 1))
    for first in range(0, len(drawn), rows):
        np.matmul(drawn[first : first + rows], sums, out=found[first : first + rows])
    return found


@lru_cache(maxsize=4)  # as many as an evaluation needs by turns; of 1,000 clusters each takes 16 MB
def _multiplicities(clusters: int, seed: int) -> Array:
    """How often each cluster is drawn, shape (``REPLICATES``, clusters); each row adds up to ``clusters``."""
    drawn = np.random.default_rng(seed).integers(0, clusters, size=(REPLICATES, clusters), dtype=np.int64)
    drawn += np.arange(REPLICATES)[:, None] * clusters
    return np.bincount(drawn.ravel(), minlength=REPLICATES * clusters).reshape(REPLICATES, clusters).astype(float)


def summed(values: Array, clusters: Array, count: int) -> Array:
    """Rows added up by cluster: values (n, k) and cluster numbers (n,), each below ``count``, to (count, k)."""
    totals = np.zeros((count, values.shape[1]))
    np.add.at(totals, clusters, values)
    return totals


def ratio(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN where the denominator is 0."""
    denominator = np.asarray(denominator, dtype=float)
    undefined = np.full(denominator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator != 0))


def cluster_numbers(names: Sequence[str | None]) -> Array:
    """A number for each name from 0 in order of first appearance, shape (n,); each None is a cluster of its own."""
    numbers: dict[object, int] = {}
    return np.array(
        [numbers.setdefault(name if name is not None else (at,), len(numbers)) for at, name in enumerate(names)],
        dtype=np.int64,
    )


def as_plain(numbers: Any) -> Any:
    """Results, however they are nested, as what JSON holds: dataclasses and named tuples by the names of their fields.

    An estimate that is undefined is ``{"value": null, "why": …}``; of one that is defined, ends of an interval that is
    not there are null, with "why_no_interval". Never NaN: raises ValueError for one.
    """
    if isinstance(numbers, Estimate):
        return _plain_estimate(numbers)
    if is_dataclass(numbers) and not isinstance(numbers, type):
        return {field.name: as_plain(getattr(numbers, field.name)) for field in fields(numbers)}
    if isinstance(numbers, tuple) and hasattr(numbers, "_asdict"):
        return as_plain(numbers._asdict())
    if isinstance(numbers, Mapping):
        return {str(name): as_plain(value) for name, value in numbers.items()}
    if isinstance(numbers, np.ndarray | np.generic):
        return as_plain(numbers.tolist())
    if isinstance(numbers, list | tuple):
        return [as_plain(value) for value in numbers]
    if isinstance(numbers, float) and not np.isfinite(numbers):
        raise ValueError(f"{numbers} is no number that could be written down")
    return numbers


def _plain_estimate(estimate: Estimate) -> dict[str, Any]:
    if estimate.value is None:
        return {"value": None, "why": estimate.why, "clusters": estimate.clusters}
    told: dict[str, Any] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    if estimate.low is None:
        told["why_no_interval"] = estimate.why_no_interval
    return told | {"clusters": estimate.clusters, "undefined_replicates": estimate.undefined_replicates}
