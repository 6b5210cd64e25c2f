"""What figures over many runs are made of: plain frames of runs and of their steps, with the labels of one source."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pandas as pd

from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.intervals import Array, cluster_numbers
from codetracer_core.models import Kind, LabelSource

VERDICTS = ("correct", "incorrect", "unuseful", "uncertain", "unlabelled")
"""What a step can be. A step without a verdict is *unlabelled*: a category of its own, never *correct*."""
KINDS: tuple[Kind, ...] = get_args(Kind)
OUTCOMES = ("solved", "failed", "unknown")
Labelled = Literal["finished", "begun", "no", "misaligned"]
LABELLED: tuple[Labelled, ...] = get_args(Labelled)
"""How far the source is with a run. *finished*: it said all that it has to say (a person submitted it, a diagnosis did
not fail, ground truth or an adjudication is there). *begun*: there are labels, and that is all one knows. *misaligned*:
the benchmark counts other steps than the run has, so that its labels name the wrong ones: they are not here."""


_ONE_VOICE: dict[str, LabelSource] = {"ground_truth": "ground_truth", "adjudicated": "adjudicated"}
_NAMED: dict[str, LabelSource] = {"model": "model", "human": "human"}


@dataclass(frozen=True)
class Labels:
    """Whose labels are looked at. ``name`` is empty for ground truth and adjudication, which have one voice each."""

    source: LabelSource = "ground_truth"
    name: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.name}" if self.name else self.source

    @property
    def in_words(self) -> str:
        return {
            "ground_truth": "ground truth",
            "adjudicated": "adjudicated labels",
            "model": f"labels of the model {self.name}",
            "human": f"labels of {self.name}",
        }[self.source]

    @classmethod
    def parse(cls, text: str) -> "Labels":
        """``ground_truth``, ``adjudicated``, ``model:NAME`` or ``human:NAME``. Raises CodeTracerError."""
        source, colon, name = text.partition(":")
        if source in _ONE_VOICE and not colon:
            return cls(_ONE_VOICE[source])
        if source in _NAMED and name.strip():
            return cls(_NAMED[source], name.strip())
        raise CodeTracerError(
            f"{text!r} names no labels",
            remedy="Labels are ground_truth, adjudicated, model:NAME or human:NAME.",
        )


@dataclass(frozen=True, eq=False)
class Frames:
    """Runs and their steps. The frames are never changed.

    ``runs``: one row per run, numbered from 0, with the columns run_id, task, agent, model, outcome (solved, failed,
    unknown), step_count, cost_usd, prompt_tokens, completion_tokens, difficulty, category, collection, labelled
    (``LABELLED``), onset (the failure onset as it was marked; missing: none was) and replay_of (the run
    that it is a replay of; missing: of none). What is not known is missing.

    ``steps``: one row per step, by run and step: run (number of its row in ``runs``), step_id (1-based), kind
    (``KINDS``), verdict (``VERDICTS``), exit_code (missing: not known).
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    labels: Labels = Labels()
    replays: tuple[tuple[str, str, bool], ...] = ()
    """Ids of a run and of its replay that counts for pass@1, and whether it was allowed as many steps as the original
    took from there. They need not be among the runs."""

    @cached_property
    def clusters(self) -> Array:
        """Number of the cluster of each run, shape (runs,): its task; a run without one is a cluster of its own."""
        return cluster_numbers([task if isinstance(task, str) else None for task in self.runs["task"]])

    def of_runs(self, chosen: Sequence[bool] | Array) -> "Frames":
        """Only these runs: a truth value for each."""
        keep = np.asarray(chosen, dtype=bool)
        number = np.cumsum(keep) - 1
        steps = self.steps[keep[self.steps["run"].to_numpy()]] if len(self.steps) else self.steps
        steps = steps.assign(run=number[steps["run"].to_numpy()]).reset_index(drop=True)
        return replace(self, runs=self.runs[keep].reset_index(drop=True), steps=steps)


FILTERS = ("agent", "model", "outcome", "task", "category", "difficulty", "collection")
"""Columns of runs that can be filtered by."""
UNKNOWN = "unknown"
"""What a run is called in a column in which nothing is known of it."""


def named(value: object) -> str:
    """A cell of such a column as text."""
    return value if isinstance(value, str) else UNKNOWN


def names_in(runs: pd.DataFrame, column: str) -> pd.Series:
    """The column as text, ``UNKNOWN`` where nothing is known."""
    return runs[column].astype(object).where(runs[column].notna(), UNKNOWN).astype(str)


def filtered(frames: Frames, wanted: Mapping[str, Collection[str]], *, text: str = "") -> Frames:
    """The runs that pass: per column one of these values (an empty collection asks for nothing), and ``text`` in run id
    or task, whatever the case. ``UNKNOWN`` finds runs of which it is not known.

    Raises NotFound where none passes, with what there is for a value that none of the runs has: a figure of no runs
    would hide a slip.
    """
    keep = np.ones(len(frames.runs), dtype=bool)
    for column, values in wanted.items():
        if values:
            names = names_in(frames.runs, column)
            if missing := [value for value in values if value not in set(names)]:
                raise NotFound(f"no run has the {column} {missing[0]!r}", remedy=_there_are(names))
            keep &= names.isin(list(values)).to_numpy()
    if text:
        looked_at = frames.runs["run_id"].astype(str) + "\n" + names_in(frames.runs, "task")
        keep &= looked_at.str.lower().str.contains(text.lower(), regex=False).to_numpy(dtype=bool)
    if len(keep) and not keep.any():
        raise NotFound("no run passes these filters together", remedy="Leave one of them out.")
    return frames.of_runs(keep)


_MOST_NAMED = 12


def _there_are(names: "pd.Series[str]") -> str:
    """The most frequent names of a column, in a sentence."""
    found = [str(name) for name in names.value_counts().index]
    if not found:
        return "There are no runs."
    more = len(found) - _MOST_NAMED
    return f"There are {', '.join(found[:_MOST_NAMED])}{f' and {more:,} more' if more > 0 else ''}."


def made(runs: Sequence[dict[str, object]], steps: Sequence[dict[str, object]], labels: Labels = Labels()) -> Frames:
    """Frames of records, for whoever has no store; what a record does not say is missing."""
    return typed(pd.DataFrame(list(runs), columns=RUN_COLUMNS), pd.DataFrame(list(steps), columns=STEP_COLUMNS), labels)


RUN_COLUMNS = [
    *("run_id", "task", "agent", "model", "outcome", "step_count", "cost_usd", "prompt_tokens", "completion_tokens"),
    *("difficulty", "category", "collection", "labelled", "onset", "replay_of"),
]
STEP_COLUMNS = ["run", "step_id", "kind", "verdict", "exit_code"]


def typed(runs: pd.DataFrame, steps: pd.DataFrame, labels: Labels) -> Frames:
    """Frames with the types that the figures rely on."""
    numbers = ("step_count", "cost_usd", "prompt_tokens", "completion_tokens", "onset")
    runs = runs.assign(
        outcome=pd.Categorical(runs["outcome"], categories=OUTCOMES),
        labelled=pd.Categorical(runs["labelled"], categories=LABELLED),
        **{name: pd.to_numeric(runs[name]).astype(float) for name in numbers},
    )
    steps = steps.assign(
        run=steps["run"].astype(np.int64),
        step_id=steps["step_id"].astype(np.int64),
        kind=pd.Categorical(steps["kind"], categories=KINDS),
        verdict=pd.Categorical(steps["verdict"], categories=VERDICTS),
        exit_code=pd.to_numeric(steps["exit_code"]).astype(float),
    )
    return Frames(runs, steps, labels)
