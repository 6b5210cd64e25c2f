"""The same scores for stages in place of steps: is the right part of the run blamed?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from codetracer_core.evaluation.conventions import Score, score
from codetracer_core.evaluation.counting import ANSWERED, Observations
from codetracer_core.evaluation.rows import Rows
from codetracer_core.evaluation.summary import Evaluation
from codetracer_core.models import Stage


@dataclass(frozen=True)
class StageScores:
    """Stages are those of the ground truth; a stage is incorrect if it holds an incorrect step."""

    runs: int
    """With stages; only these count."""
    by_steps: Mapping[str, Score]
    """By convention: a stage is blamed if one of its steps is accused."""
    by_name: Mapping[str, Score] | None
    """By convention: a stage is blamed if the answer gives its number. It means something only if the system was shown
    these very stages. None: no answer gives a number."""


def stage_scores(evaluation: Evaluation, name: str) -> StageScores:
    """Raises KeyError if there is no such entry, ValueError for rules that draw at random."""
    rows, seen = evaluation.rows, evaluation.entry(name).seen
    if seen.accused is None:
        raise ValueError(f"{name} names no steps of its own")
    staged = np.array([bool(run.stages) for run in rows.truth], dtype=bool)
    blamed = [_holding(rows.truth[run].stages, accused) for run, accused in zip(seen.run, seen.accused, strict=True)]
    named = [
        frozenset(answer.stage_ids) if answer is not None and status == ANSWERED else frozenset()
        for answer, status in zip(seen.answers or (), seen.status, strict=False)
    ]

    def scores(said: Sequence[frozenset[int]]) -> Mapping[str, Score]:
        return score(rows, _in_stages(rows, seen, said), seed=evaluation.seed, among=staged)

    return StageScores(int(staged.sum()), scores(blamed), scores(named) if any(named) else None)


def _in_stages(rows: Rows, seen: Observations, said: Sequence[frozenset[int]]) -> Observations:
    gold = [_holding(run.stages, steps) for run, steps in zip(rows.truth, rows.gold, strict=True)]
    known = [frozenset(stage.stage_id for stage in run.stages) for run in rows.truth]
    blamed = [stages & known[run] for run, stages in zip(seen.run, said, strict=True)]
    return replace(
        seen,
        matched=np.array([len(stages & gold[run]) for run, stages in zip(seen.run, blamed, strict=True)], dtype=float),
        predicted=np.array([len(stages) for stages in blamed], dtype=float),
        expected=np.array([len(gold[run]) for run in seen.run], dtype=float),
        steps=np.array([len(known[run]) for run in seen.run], dtype=float),
        accused=None,
    )


def _holding(stages: Iterable[Stage], steps: frozenset[int]) -> frozenset[int]:
    return frozenset(
        stage.stage_id for stage in stages if any(stage.start_step_id <= step <= stage.end_step_id for step in steps)
    )
