"""What is compared: ground truth by run, and what systems said of the same runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from codetracer_core.intervals import Array, cluster_numbers
from codetracer_core.models import Stage

Status = Literal["ok", "failed"]
Missing = Literal["miss", "excluded"]
"""What becomes of a run that a system should have judged and did not: it predicts nothing there, or it is left out."""


@dataclass(frozen=True)
class Truth:
    """What is true of one run."""

    traj_id: str
    step_count: int
    incorrect: frozenset[int]
    """Step ids; as in ``unuseful``, those outside 1..``step_count`` are dropped and counted."""
    unuseful: frozenset[int] = frozenset()
    """A step that is in both counts as incorrect."""
    stages: tuple[Stage, ...] = ()
    task: str | None = None
    agent: str | None = None
    model: str | None = None
    category: str | None = None
    difficulty: str | None = None
    solved: bool | None = None
    wave: str = ""
    """In which wave of the annotation it was labelled; empty: nothing says so."""
    misaligned: str = ""
    """Why its step numbers cannot be trusted, in words; the run is then left out. Empty: they can."""
    onset: int | None = None
    """The failure onset as it was marked; None: the first incorrect step stands for it."""
    run_id: str = ""
    """Its id in the workspace; empty: it is not there, or nobody looked."""


@dataclass(frozen=True)
class Prediction:
    """What a system said of one run, once. Step ids are kept as they were given, repeated ones and wrong ones too."""

    traj_id: str
    repetition: int = 0
    status: Status = "ok"
    """A failed one says nothing, which differs from saying that nothing is wrong."""
    error: str = ""
    incorrect: tuple[int, ...] = ()
    unuseful: tuple[int, ...] = ()
    onsets: tuple[int, ...] = ()
    """Where the run may first have gone off track, best first; empty: it was not asked for, or not answered."""
    stage_ids: tuple[int, ...] = ()
    """Stages that it blames, by the numbers that it gives them."""


@dataclass(frozen=True)
class System:
    """Whose predictions are judged: a model with its way of asking, or a rule."""

    name: str
    repetitions: tuple[Mapping[str, Prediction], ...]
    """By ``traj_id``, each the same question asked anew."""
    is_baseline: bool = False
    is_ragged: bool = False
    """Repetitions are what there happens to be: a run that has one of them is not missing in the others."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The runs that count, in order, with those that do not and why."""

    truth: tuple[Truth, ...]
    misaligned: tuple[Truth, ...] = ()
    """Left out of everything."""

    @classmethod
    def of(cls, truth: Sequence[Truth]) -> "Rows":
        """Raises ValueError if two runs have one name."""
        if len({run.traj_id for run in truth}) < len(truth):
            raise ValueError("two runs have the same traj_id")
        return cls(tuple(run for run in truth if not run.misaligned), tuple(run for run in truth if run.misaligned))

    @cached_property
    def gold(self) -> tuple[frozenset[int], ...]:
        """Incorrect steps of each run that the run has."""
        return tuple(frozenset(step for step in run.incorrect if 1 <= step <= run.step_count) for run in self.truth)

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each run that counts, by its ``traj_id``."""
        return {run.traj_id: at for at, run in enumerate(self.truth)}

    @cached_property
    def names(self) -> frozenset[str]:
        """``traj_id`` of all runs, misaligned ones too."""
        return frozenset(run.traj_id for run in (*self.truth, *self.misaligned))

    @cached_property
    def lengths(self) -> Array:
        """Steps per run, shape (runs,)."""
        return np.array([run.step_count for run in self.truth], dtype=np.int64)

    @cached_property
    def expected(self) -> Array:
        """Incorrect steps per run, shape (runs,)."""
        return np.array([len(steps) for steps in self.gold], dtype=np.int64)

    @cached_property
    def solved(self) -> Array:
        """1 solved, 0 failed, -1 not known; shape (runs,)."""
        return np.array([-1 if run.solved is None else int(run.solved) for run in self.truth], dtype=np.int8)

    @cached_property
    def clusters(self) -> Array:
        """Number of the cluster of each run, shape (runs,): its task."""
        return cluster_numbers([run.task for run in self.truth])

    @property
    def clustered_by(self) -> Literal["task", "run"]:
        """ "run" if no two runs share a task."""
        return "task" if len(set(self.clusters.tolist())) < len(self.truth) else "run"

    @property
    def dropped_labels(self) -> int:
        """How many incorrect or unuseful labels name steps that their runs do not have."""
        return sum(not 1 <= step <= run.step_count for run in self.truth for step in run.incorrect | run.unuseful)
