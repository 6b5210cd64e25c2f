"""What a system said, counted: one observation for each run and repetition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codetracer_core.evaluation.rows import Missing, Prediction, Rows, System
from codetracer_core.intervals import Array, summed

ANSWERED, FAILED, MISSING = range(3)
"""How an observation came about."""
COLUMNS = ("observations", "precision", "recall", "f1", "f1_empty_one", "matched", "predicted", "expected", "steps")
"""What is summed over observations; ``f1_empty_one`` is 1 where an answer rightly says nothing."""


@dataclass(frozen=True)
class Oddities:
    """What was put right in the answers before they were counted, in steps, over all repetitions."""

    repeated: int = 0
    """Named again in one answer: named once is enough."""
    outside: int = 0
    """Outside 1..``step_count``: dropped."""
    in_both: int = 0
    """Named as incorrect and as unuseful: incorrect wins."""
    unknown_runs: int = 0
    """Answers (not steps) on runs that no row tells of: left out."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Arrays of shape (observations,). For a rule that draws at random they hold expectations."""

    run: Array
    """Index of the run among the rows."""
    repetition: Array
    """From 0."""
    status: Array
    """``ANSWERED``, ``FAILED`` or ``MISSING``."""
    matched: Array
    """Steps that are incorrect and were said to be."""
    predicted: Array
    """Steps that were said to be incorrect. A failed or missing answer says so of none."""
    expected: Array
    """Steps that are incorrect."""
    steps: Array
    """Steps of the run."""
    accused: tuple[frozenset[int], ...] | None = None
    """The steps that were said to be incorrect; None: they are drawn at random."""
    answers: tuple[Prediction | None, ...] | None = None
    """What was counted; None for a missing one, and for rules."""
    oddities: Oddities = Oddities()

    def __len__(self) -> int:
        return len(self.run)

    @cached_property
    def precision(self) -> Array:
        """Of each observation; 0 where nothing was predicted (CodeTraceBench's README)."""
        return _or_zero(self.matched, self.predicted)

    @cached_property
    def recall(self) -> Array:
        """Of each observation; 0 where there was nothing to find (CodeTraceBench's README)."""
        return _or_zero(self.matched, self.expected)

    @cached_property
    def f1(self) -> Array:
        """Of each observation: 2PR/(P+R), which is 2·matched/(predicted + expected); 0 where that has no value.

        It is linear in ``matched``, so that for random steps of a fixed number it is the exact expectation.
        """
        return _or_zero(2 * self.matched, self.predicted + self.expected)

    @cached_property
    def columns(self) -> Array:
        """What conventions sum, shape (observations, ``COLUMNS``)."""
        silent = (self.expected == 0) & (self.predicted == 0) & (self.status == ANSWERED)
        return np.stack(
            [
                np.ones(len(self)),
                self.precision,
                self.recall,
                self.f1,
                np.where(silent, 1.0, self.f1),
                self.matched,
                self.predicted,
                self.expected,
                self.steps,
            ],
            axis=1,
        )

    @cached_property
    def runs(self) -> Array:
        """Indices of the runs that are observed at least once, ascending."""
        return np.unique(self.run)

    def where(self, chosen: Array) -> "Observations":
        """Only some of them; ``chosen`` is a mask of shape (observations,)."""
        kept = np.flatnonzero(chosen)
        return Observations(
            self.run[kept],
            self.repetition[kept],
            self.status[kept],
            self.matched[kept],
            self.predicted[kept],
            self.expected[kept],
            self.steps[kept],
            None if self.accused is None else tuple(self.accused[at] for at in kept),
            None if self.answers is None else tuple(self.answers[at] for at in kept),
            self.oddities,
        )


def _or_zero(numerator: Array, denominator: Array) -> Array:
    zeros = np.zeros(len(denominator))
    return np.asarray(np.divide(numerator, denominator, out=zeros, where=denominator != 0))


def observe(rows: Rows, system: System, missing: Missing = "miss") -> Observations:
    """What a system said of each run in each repetition, by repetition and run.

    A run without an answer predicts nothing (``missing="miss"``) or is no observation ("excluded").
    """
    run: list[int] = []
    repetition: list[int] = []
    answers: list[Prediction | None] = []
    accused: list[frozenset[int]] = []
    repeated = outside = in_both = unknown = 0
    has_any = set().union(*system.repetitions) if system.is_ragged else set()
    for number, said in enumerate(system.repetitions):
        unknown += len(said.keys() - rows.names)
        for at, truth in enumerate(rows.truth):
            answer = said.get(truth.traj_id)
            if answer is None and (missing == "excluded" or truth.traj_id in has_any):
                continue
            steps: frozenset[int] = frozenset()
            if answer is not None and answer.status == "ok":
                named = set(answer.incorrect)
                steps = frozenset(step for step in named if 1 <= step <= truth.step_count)
                others = set(answer.unuseful)
                repeated += len(answer.incorrect) - len(named) + len(answer.unuseful) - len(others)
                outside += sum(not 1 <= step <= truth.step_count for step in named | others)
                in_both += len(steps & others)
            run.append(at)
            repetition.append(number)
            answers.append(answer)
            accused.append(steps)
    status = [MISSING if one is None else FAILED if one.status == "failed" else ANSWERED for one in answers]
    oddities = Oddities(repeated, outside, in_both, unknown)
    return _counted(rows, run, repetition, status, tuple(accused), tuple(answers), oddities)


def observe_rule(rows: Rows, rule: Callable[[int], range]) -> Observations:
    """What a rule says that knows nothing of a run but its number of steps."""
    accused = tuple(frozenset(rule(truth.step_count)) for truth in rows.truth)
    count = len(accused)
    return _counted(rows, range(count), [0] * count, [ANSWERED] * count, accused, None, Oddities())


def _counted(
    rows: Rows,
    run: Sequence[int],
    repetition: Sequence[int],
    status: Sequence[int],
    accused: tuple[frozenset[int], ...],
    answers: tuple[Prediction | None, ...] | None,
    oddities: Oddities,
) -> Observations:
    at = np.array(run, dtype=np.int64)
    return Observations(
        run=at,
        repetition=np.array(repetition, dtype=np.int64),
        status=np.array(status, dtype=np.int8),
        matched=np.array([len(steps & rows.gold[one]) for one, steps in zip(run, accused, strict=True)], dtype=float),
        predicted=np.array([len(steps) for steps in accused], dtype=float),
        expected=rows.expected[at].astype(float),
        steps=rows.lengths[at].astype(float),
        accused=accused,
        answers=answers,
        oddities=oddities,
    )


def by_cluster(rows: Rows, seen: Observations, chosen: Array, table: Array) -> Array:
    """Rows of a table (observations, k) added up by cluster, of the chosen ones (a mask): shape (clusters, k).

    Only clusters with a chosen observation are there, in the order of their numbers: equal for two systems whose chosen
    runs are the same.
    """
    present, numbers = np.unique(rows.clusters[seen.run[chosen]], return_inverse=True)
    return summed(table[chosen].astype(float), numbers, len(present))
