"""What each rater did: how much, how often they say *incorrect*, how fast, and how near to the adjudicated labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codetracer_core.agreement.measures import Drawn, Measures, drawn
from codetracer_core.intervals import Array, Estimate, summed
from codetracer_core.ratings import INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Ratings


@dataclass(frozen=True)
class RaterReport:
    """One rater, alone."""

    rater: int
    runs: int
    """Finished."""
    unfinished_runs: int
    """With labels of theirs, not finished: only what they said counts."""
    steps: int
    """That count with a verdict."""
    incorrect: Estimate
    """Share of those steps."""
    unuseful: Estimate
    uncertain: int
    """Steps they called uncertain: missing in every statistic."""
    unlabelled: int
    """Steps without a verdict in runs that they finished."""
    seconds_per_step: Estimate
    """Median over runs of (time on task / steps)."""
    timed_runs: int
    psa_with_adjudicated: Estimate
    kappa_with_adjudicated: Estimate


def rater_reports(
    codes: Array, ratings: Ratings, against_adjudicated: Mapping[int, Measures], seed: int
) -> tuple[RaterReport, ...]:
    """Of every rater; ``codes``: as they count; ``against_adjudicated``: by rater, on "incorrect against the rest"."""
    clusters = ratings.clusters[ratings.run_of]
    said = [np.column_stack([own != MISSING, own == INCORRECT, own == UNUSEFUL]).astype(float) for own in codes.T]
    totals = drawn([summed(own, clusters, ratings.cluster_count) for own in said], seed) if said else []
    finished = ratings.finished[ratings.run_of]
    begun = np.zeros(ratings.finished.shape, dtype=bool)
    rows, by = np.nonzero(ratings.codes != MISSING)
    begun[ratings.run_of[rows], by] = True
    decided = adjudicated_rater(ratings)
    reports = []
    for rater, total in enumerate(totals):
        pace, timed = _seconds_per_step(ratings, rater)
        why = "there are no adjudicated labels" if decided is None else "these are the adjudicated labels themselves"
        psa = kappa = Estimate.undefined(why)
        if rater in against_adjudicated:
            psa, kappa = against_adjudicated[rater].psa, against_adjudicated[rater].kappa
        reports.append(
            RaterReport(
                rater,
                runs=int(ratings.finished[:, rater].sum()),
                unfinished_runs=int((begun[:, rater] & ~ratings.finished[:, rater]).sum()),
                steps=int(total.sums[:, 0].sum()),
                incorrect=_share(total, 1),
                unuseful=_share(total, 2),
                uncertain=int((ratings.codes[:, rater] == UNCERTAIN).sum()),
                unlabelled=int(((ratings.codes[:, rater] == MISSING) & finished[:, rater]).sum()),
                seconds_per_step=pace,
                timed_runs=timed,
                psa_with_adjudicated=psa,
                kappa_with_adjudicated=kappa,
            )
        )
    return tuple(reports)


def _share(total: Drawn, column: int) -> Estimate:
    return total.share(column, 0, "they gave no step a verdict")


def _seconds_per_step(ratings: Ratings, rater: int) -> tuple[Estimate, int]:
    timed = ~np.isnan(ratings.seconds[:, rater]) & (ratings.lengths > 0)
    pace = ratings.seconds[timed, rater] / ratings.lengths[timed]
    if not len(pace):
        return Estimate.undefined("no time on task is known"), 0
    return Estimate(float(np.median(pace)), why_no_interval="a median of runs is shown without an interval"), len(pace)


def adjudicated_rater(ratings: Ratings) -> int | None:
    """Index of the adjudicated labels, if they take part."""
    sources: Sequence[str] = [rater.source for rater in ratings.raters]
    return sources.index("adjudicated") if "adjudicated" in sources else None
