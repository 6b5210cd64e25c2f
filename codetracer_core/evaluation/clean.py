"""Runs without an incorrect step: is anything said against them, and how much?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from codetracer_core.evaluation.counting import ANSWERED, FAILED, MISSING, Observations, by_cluster
from codetracer_core.evaluation.rows import Rows
from codetracer_core.intervals import SEED, Array, Estimate, quotient
from codetracer_core.words import OUTCOME_WORDS

OutcomeGroup = Literal["all", "solved", "failed", "unknown"]
_SOLVED = {"solved": 1, "failed": 0, "unknown": -1}
_WHY = "no run without incorrect steps was answered"


@dataclass(frozen=True)
class CleanRuns:
    """Runs without an incorrect step, of one outcome. Only answered ones count: a failed answer accuses nobody."""

    outcome: OutcomeGroup
    """As data has it; people read ``in_words``."""
    runs: int
    answered: int
    """Observations (runs × repetitions)."""
    failed: int
    missing: int
    accused: float
    """Observations in which at least one step is said to be incorrect."""
    accusations: float
    """Steps that are said to be incorrect, over all observations."""
    share_accused: Estimate
    per_run: Estimate
    """Accusations per observation."""

    @property
    def in_words(self) -> str:
        """Which runs these are: runs that are …"""
        return {"all": "solved or not", "unknown": "of unknown outcome"}.get(self.outcome) or OUTCOME_WORDS[
            self.outcome
        ]


def clean_runs(rows: Rows, seen: Observations, *, seed: int = SEED) -> tuple[CleanRuns, ...]:
    """All such runs, then those of each outcome that there is."""
    clean = rows.expected == 0
    groups: list[OutcomeGroup] = ["all", "solved", "failed", "unknown"]
    found = (
        _group(rows, seen, one, clean & ((rows.solved == _SOLVED.get(one)) | (one == "all")), seed) for one in groups
    )
    return tuple(one for one in found if one.runs or one.outcome == "all")


def _group(rows: Rows, seen: Observations, outcome: OutcomeGroup, chosen: Array, seed: int) -> CleanRuns:
    inside = chosen[seen.run]
    answered = inside & (seen.status == ANSWERED)
    accused = np.minimum(seen.predicted, 1.0)
    values = np.stack([accused, seen.predicted, np.ones(len(seen))], axis=1)
    sums = by_cluster(rows, seen, answered, values)
    return CleanRuns(
        outcome=outcome,
        runs=int(chosen.sum()),
        answered=int(answered.sum()),
        failed=int((inside & (seen.status == FAILED)).sum()),
        missing=int((inside & (seen.status == MISSING)).sum()),
        accused=float(accused[answered].sum()),
        accusations=float(seen.predicted[answered].sum()),
        share_accused=quotient(sums, 0, 2, why=_WHY, seed=seed),
        per_run=quotient(sums, 1, 2, why=_WHY, seed=seed),
    )
