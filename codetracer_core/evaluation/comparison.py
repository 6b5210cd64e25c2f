"""Two systems on the same rows: the difference, with an interval that knows that the rows are the same."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from codetracer_core.evaluation.conventions import CONVENTIONS, SCOPES, Measure, Scope, in_scope
from codetracer_core.evaluation.counting import Observations, by_cluster
from codetracer_core.evaluation.summary import Entry, Evaluation
from codetracer_core.intervals import FEWEST_CLUSTERS, Array, Estimate, difference, resampled


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs under one convention."""

    convention: str
    f1: Estimate
    precision: Estimate | None
    recall: Estimate | None
    runs: int
    """That count under the convention and that both were asked about."""


@dataclass(frozen=True)
class RunDifference:
    """One run as both see it, in the mean over repetitions."""

    traj_id: str
    run_id: str
    expected: int
    """Incorrect steps."""
    ours: float
    """F1, 0 where it has no value."""
    theirs: float
    ours_predicted: float
    """Steps that are said to be incorrect."""
    theirs_predicted: float

    @property
    def difference(self) -> float:
        return self.ours - self.theirs


@dataclass(frozen=True)
class Comparison:
    """Two systems on the runs that both were asked about; repetitions of each are pooled."""

    ours: str
    theirs: str
    runs: int
    left_out: int
    """Runs that only one of them was asked about."""
    differences: Mapping[str, Difference]
    """By convention."""
    by_run: tuple[RunDifference, ...]
    """Runs on which they differ, the largest difference first: of F1, then of the number of accusations."""


def compare_systems(evaluation: Evaluation, ours: str, theirs: str) -> Comparison:
    """Compare two entries (systems or baselines). Raises KeyError if one is not there."""
    rows, first, second = evaluation.rows, evaluation.entry(ours), evaluation.entry(theirs)
    both = np.zeros(len(rows.truth), dtype=bool)
    both[np.intersect1d(first.seen.runs, second.seen.runs)] = True
    return Comparison(
        ours=ours,
        theirs=theirs,
        runs=int(both.sum()),
        left_out=len(np.union1d(first.seen.runs, second.seen.runs)) - int(both.sum()),
        differences={
            found.convention: found
            for scope in SCOPES
            for found in _differences(evaluation, scope, CONVENTIONS, first, second, both)
        },
        by_run=_by_run(evaluation, first.seen, second.seen, both),
    )


@dataclass(frozen=True)
class AgainstBaseline:
    """A system and a baseline, under one convention."""

    baseline: Entry
    difference: Estimate
    """The system's F1 minus the baseline's."""

    @property
    def is_beaten(self) -> bool | None:
        """None: there is no difference to tell."""
        return None if self.difference.value is None else self.difference.value > 0

    @property
    def is_beaten_clearly(self) -> bool:
        """The whole interval is above 0."""
        return self.difference.low is not None and self.difference.low > 0


def against_baselines(evaluation: Evaluation, name: str, convention: str) -> tuple[AgainstBaseline, ...]:
    """A system beside every baseline that it has to beat, on the same rows. Raises KeyError if it is not there."""
    entry = evaluation.entry(name)
    others = (one for one in evaluation.baselines if one.of in ("", name) and one.name != name)
    found = []
    for other in others:
        both = np.zeros(len(evaluation.rows.truth), dtype=bool)
        both[np.intersect1d(entry.seen.runs, other.seen.runs)] = True
        scope = CONVENTIONS[convention].scope
        (one,) = _differences(evaluation, scope, (convention,), entry, other, both)
        found.append(AgainstBaseline(other, one.f1))
    return tuple(found)


def _differences(
    evaluation: Evaluation, scope: Scope, names: Collection[str], ours: Entry, theirs: Entry, both: Array
) -> Iterator[Difference]:
    """Under those of the conventions that have this scope."""
    kept = both & in_scope(evaluation.rows, scope)
    sums = [by_cluster(evaluation.rows, one.seen, kept[one.seen.run], one.seen.columns) for one in (ours, theirs)]
    drawable = len(sums[0]) >= FEWEST_CLUSTERS
    draws = resampled(np.concatenate(sums, axis=1), evaluation.seed) if drawable else None

    def number(measure: Measure) -> Estimate:
        why = f"{measure.why}, for one of both"
        return difference(measure.statistic, *sums, why=why, seed=evaluation.seed, draws=draws, of=measure.of)

    for name in names:
        convention = CONVENTIONS[name]
        if convention.scope == scope:
            yield Difference(
                convention=name,
                f1=number(convention.f1),
                precision=number(convention.precision) if convention.precision else None,
                recall=number(convention.recall) if convention.recall else None,
                runs=int(kept.sum()),
            )


def _by_run(evaluation: Evaluation, ours: Observations, theirs: Observations, both: Array) -> tuple[RunDifference, ...]:
    count = len(evaluation.rows.truth)
    f1 = [_means(seen, seen.f1, count) for seen in (ours, theirs)]
    predicted = [_means(seen, seen.predicted, count) for seen in (ours, theirs)]
    found = [
        RunDifference(
            run.traj_id,
            run.run_id,
            int(evaluation.rows.expected[at]),
            *(float(one[at]) for one in f1),
            *(float(one[at]) for one in predicted),
        )
        for at, run in enumerate(evaluation.rows.truth)
        if both[at]
    ]
    differing = [one for one in found if one.difference or one.ours_predicted != one.theirs_predicted]
    return tuple(
        sorted(differing, key=lambda one: (-abs(one.difference), -abs(one.ours_predicted - one.theirs_predicted)))
    )


def _means(seen: Observations, values: Array, runs: int) -> Array:
    """Mean of the observations of each run, 0 where there are none; shape (runs,)."""
    counts = np.bincount(seen.run, minlength=runs)
    return np.asarray(np.bincount(seen.run, weights=values, minlength=runs) / np.maximum(counts, 1))
