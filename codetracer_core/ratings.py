"""What raters said of the same runs, as arrays: what agreement and evaluation compute on.

A rater is whoever says something of steps: a person, a model, the ground truth, the adjudicated labels. Steps of all
runs stand below each other in the order of ``Ratings.run_ids``, so that step ``s`` of run ``r`` is row
``starts[r] + s - 1``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from codetracer_core.intervals import Array, cluster_numbers
from codetracer_core.models import LabelSource, Stage

CATEGORIES = ("correct", "incorrect", "unuseful")
"""What a code means. Fixed by the schema, not by the data: chance-corrected measures depend on their number."""
CORRECT, INCORRECT, UNUSEFUL = range(3)
MISSING = -1
"""No verdict."""
UNCERTAIN = -2
"""A verdict that says that there is none: missing in every statistic, and counted."""

Unlabelled = Literal["correct", "missing"]
"""What a step counts as that a rater left without a verdict in a run that they finished. As the benchmark does, which
stores only what is wrong: *correct*. Steps of runs that they did not finish are always missing."""


class Rater(NamedTuple):
    """Whose labels these are. ``pass_number`` is None unless one person's passes are compared with each other: then 1
    is the first time that they judged the run, 2 the second …"""

    source: LabelSource
    name: str
    pass_number: int | None = None


@dataclass(frozen=True, eq=False)
class Ratings:
    """What raters said of runs. Arrays are never changed."""

    run_ids: tuple[str, ...]
    tasks: tuple[str | None, ...]
    """Of each run; None: not known."""
    lengths: Array
    """Steps per run, shape (runs,)."""
    raters: tuple[Rater, ...]
    codes: Array
    """int8, shape (steps of all runs, raters): an index into ``CATEGORIES``, ``MISSING`` or ``UNCERTAIN``."""
    finished: Array
    """bool, shape (runs, raters): they said all that they have to say of the run. A person submitted it; a model's
    diagnosis did not fail; ground truth and adjudication are there. Only then is no verdict a statement."""
    onsets: Array
    """int, shape (runs, raters): the failure onset as it was marked, 1-based; 0: none was marked."""
    run_verdicts: Array
    """int8, shape (runs, raters): 0 no error, 1 has an error, ``MISSING``, ``UNCERTAIN``."""
    seconds: Array
    """float, shape (runs, raters): time on task; NaN: not known."""
    stages: Mapping[tuple[int, int], tuple[Stage, ...]] = field(default_factory=dict)
    """By (index of the run, index of the rater), where they drew stages."""

    @cached_property
    def starts(self) -> Array:
        """Row of the first step of each run, shape (runs,)."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths, dtype=np.int64)

    @cached_property
    def run_of(self) -> Array:
        """Index of the run of each row, shape (steps,)."""
        return np.repeat(np.arange(len(self.run_ids)), self.lengths)

    @cached_property
    def step_ids(self) -> Array:
        """Step of each row, 1-based, shape (steps,)."""
        return np.asarray(np.arange(len(self.run_of)) - np.repeat(self.starts, self.lengths) + 1)

    @cached_property
    def clusters(self) -> Array:
        """Number of the cluster of each run, shape (runs,): its task."""
        return cluster_numbers(self.tasks)

    @property
    def cluster_count(self) -> int:
        return int(self.clusters.max(initial=-1)) + 1

    @property
    def clustered_by(self) -> Literal["task", "run"]:
        """ "run" if no two runs share a task."""
        return "task" if len(set(self.clusters.tolist())) < len(self.run_ids) else "run"

    def counted(self, unlabelled: Unlabelled = "correct") -> Array:
        """Codes as statistics take them, shape (steps, raters): indices into ``CATEGORIES``, or ``MISSING``."""
        codes = self.codes.copy()
        if unlabelled == "correct":
            codes[(codes == MISSING) & self.finished[self.run_of]] = CORRECT
        codes[codes == UNCERTAIN] = MISSING
        return codes

    def of_runs(self, chosen: Sequence[int]) -> "Ratings":
        """Only the runs with these indices, in this order."""
        rows = np.concatenate([np.arange(self.lengths[run]) + self.starts[run] for run in chosen] or [[]])
        at = {run: new for new, run in enumerate(chosen)}
        picked = np.asarray(chosen, dtype=np.int64)
        return Ratings(
            tuple(self.run_ids[run] for run in chosen),
            tuple(self.tasks[run] for run in chosen),
            self.lengths[picked],
            self.raters,
            self.codes[rows.astype(np.int64)],
            self.finished[picked],
            self.onsets[picked],
            self.run_verdicts[picked],
            self.seconds[picked],
            {(at[run], rater): drawn for (run, rater), drawn in self.stages.items() if run in at},
        )
