"""What a second reading of the same runs changes: revised labels against blind ones."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from codetracer_core.agreement.coefficients import (
    category_counts,
    cohens_kappa,
    gwets_ac1,
    krippendorffs_alpha,
    parts,
    prevalence,
    raw_agreement,
    specific_agreement,
    tables,
    unit_sums,
    unit_sums_of_tables,
)
from codetracer_core.agreement.measures import INCORRECT, Measures
from codetracer_core.intervals import SEED, Array, Estimate, difference, resampled, summed
from codetracer_core.ratings import INCORRECT as INCORRECT_CODE
from codetracer_core.ratings import Ratings, Unlabelled


def change(
    before: Ratings,
    after: Ratings,
    raters: Sequence[int],
    *,
    unlabelled: Unlabelled = "correct",
    seed: int = SEED,
) -> Measures:
    """After minus before of each measure of "incorrect against the rest", in runs that both hold: paired, each draw of
    tasks is for both. ``raters``: indices, the same in both. Counts and units are those that both readings compare.

    Raises ValueError if the two have different raters.
    """
    if before.raters != after.raters:
        raise ValueError("both readings need the same raters")
    at = {run_id: run for run, run_id in enumerate(after.run_ids)}
    common = [run for run, run_id in enumerate(before.run_ids) if run_id in at]
    earlier, later = before.of_runs(common), after.of_runs([at[before.run_ids[run]] for run in common])
    codes = [_binary(of.counted(unlabelled)[:, raters]) for of in (later, earlier)]
    by_step, count = earlier.clusters[earlier.run_of], earlier.cluster_count
    both = [tables(of[:, 0], of[:, 1], 2, by_step, count) for of in codes] if len(raters) == 2 else []
    ours, theirs = (
        [unit_sums_of_tables(of) for of in both]
        if both
        else [summed(unit_sums(category_counts(of, 2)), by_step, count) for of in codes]
    )
    drawn = _drawn(ours, theirs, seed)
    compared = np.logical_and(*((of >= 0).sum(axis=1) >= 2 for of in codes))
    units, runs = int(compared.sum()), len(np.unique(earlier.run_of[compared]))
    why = "one reading or both leave it undefined"

    def found(statistic: Callable[[Array], Array], of: Callable[[Array], Array]) -> Estimate:
        return difference(statistic, ours, theirs, why=why, draws=drawn, of=of)

    def paired(sums: Array) -> Array:
        return parts(sums).paired

    def possible(sums: Array, category: int) -> Array:
        return np.asarray(parts(sums).possible[..., category])

    kappa = Estimate.undefined("Cohen's kappa is of two raters")
    if both:
        kappa = difference(
            cohens_kappa, *both, why=why, draws=_drawn(both[0], both[1], seed), of=lambda table: table.sum(axis=-1)
        )
    return Measures(
        f"{INCORRECT.name}: after minus before",
        INCORRECT.names,
        "step",
        len(raters),
        runs,
        units,
        raw=found(raw_agreement, paired),
        alpha=found(krippendorffs_alpha, paired),
        kappa=kappa,
        ac1=found(gwets_ac1, paired),
        specific=tuple(
            found(partial(specific_agreement, category=of), partial(possible, category=of)) for of in (0, 1)
        ),
        prevalence=tuple(found(partial(prevalence, category=of), paired) for of in (0, 1)),
        pairings=None,
        table=None,
    )


def _binary(codes: Array) -> Array:
    return np.where(codes < 0, codes, codes == INCORRECT_CODE)


def _drawn(ours: Array, theirs: Array, seed: int) -> Array:
    together = np.hstack([ours, theirs])
    return resampled(together, seed) if len(together) else together
