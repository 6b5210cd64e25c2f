"""What a figure over many runs is, before it is drawn: rows of numbers, what they rest on, and the runs behind them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from codetracer_core.analytics.frames import Frames, names_in
from codetracer_core.intervals import FEWEST_CLUSTERS, REPLICATES, SEED, Array, Estimate, quotient, summed
from codetracer_core.words import number_of

Group = Literal["model", "agent", "agent_model", "outcome", "category", "difficulty", "collection", "all"]
"""What runs are told apart by. "agent_model": agent and model together; "all": nothing."""
GROUPS: tuple[Group, ...] = get_args(Group)
GROUP_WORDS: dict[Group, str] = {
    "model": "model",
    "agent": "agent",
    "agent_model": "agent and model",
    "outcome": "outcome",
    "category": "task category",
    "difficulty": "difficulty",
    "collection": "collection",
    "all": "nothing",
}
Needs = Literal["outcome", "labels", "cost"]


@dataclass(frozen=True, eq=False)
class FigureData:
    """The data of one figure."""

    rows: pd.DataFrame
    """One row per mark, numbered from 0. Shares are between 0 and 1, ``low`` and ``high`` the ends of their 95 %
    interval; where one is missing, ``why`` says why. Its columns: see the function that made it."""
    notes: tuple[str, ...] = ()
    """How many runs and steps, what was left out and why, how intervals were made."""
    behind: pd.DataFrame = field(default_factory=lambda: places([]))
    """The runs that a mark counts: row (number in ``rows``), run_id, step (missing: no step in particular)."""
    why: str = ""
    """Set if there is nothing to draw: why, in a sentence. Then ``rows`` is empty."""
    by: Group = "all"
    tells_steps: bool = False
    """``behind`` tells of a run at which step it is labelled so."""
    tells_runs: bool = False
    """``rows`` tell of single runs how they, or their steps, are labelled."""

    def runs_behind(self, rows: Iterable[int]) -> list[tuple[str, int | None]]:
        """The runs behind some marks, by id, each with the first step that these marks count of it."""
        chosen = self.behind[self.behind["row"].isin(set(rows))]
        first = chosen.groupby("run_id", sort=True)["step"].min()
        return [(str(run_id), None if np.isnan(step) else int(step)) for run_id, step in first.items()]


@dataclass(frozen=True)
class Figure:
    """One figure that can be asked for."""

    name: str
    title: str
    question: str
    """The one question that it answers."""
    needs: frozenset[Needs]
    compute: Callable[[Frames, Group], FigureData]
    by: Group = "all"
    """What it tells runs apart by if nothing else is asked for."""
    groups: tuple[Group, ...] = ()
    """What else it can tell them apart by; empty: it is drawn in one way."""


def nothing(why: str, notes: Sequence[str] = ()) -> FigureData:
    return FigureData(pd.DataFrame(), tuple(notes), why=why)


def places(found: Sequence[tuple[int, str, float]]) -> pd.DataFrame:
    """(row, run_id, step) as ``FigureData.behind``; NaN for no step."""
    frame = pd.DataFrame(list(found), columns=["row", "run_id", "step"])
    return frame.astype({"row": np.int64, "run_id": object, "step": float})


def run_places(frames: Frames, first: "pd.Series[int]", row: int) -> list[tuple[int, str, float]]:
    """The first step that a row counts of each run (by the number of the run) as places."""
    ids = frames.runs["run_id"].to_numpy()[first.index.to_numpy(dtype=np.int64)]
    return [(row, str(run_id), float(step)) for run_id, step in zip(ids, first.to_numpy(), strict=True)]


MOST_GROUPS = 12
"""More are not told apart in one figure: those with the fewest runs are taken together."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Which group each run is in, the largest group first."""

    names: tuple[str, ...]
    of_run: Array
    """Index into ``names``, shape (runs,)."""
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, Array]]:
        return ((name, self.of_run == number) for number, name in enumerate(self.names))


def grouped(runs: pd.DataFrame, by: Group, *, most: int = MOST_GROUPS, foremost: Array | None = None) -> Grouped:
    """Runs (``Frames.runs``, or some of its rows in any order) by group; with more than ``most`` groups the smallest
    are one, "n others".

    ``foremost``: a truth value for each; groups with more such runs come before those that only have more runs.
    """
    if by == "all":
        return Grouped(("all runs",), np.zeros(len(runs), dtype=np.int64))
    names = names_in(runs, "agent") + " · " + names_in(runs, "model") if by == "agent_model" else names_in(runs, by)
    counts = names.value_counts()
    first = counts * 0 if foremost is None else names[foremost].value_counts().reindex(counts.index, fill_value=0)
    order = sorted(counts.index, key=lambda name: (-first[name], -counts[name], name))
    if by == "outcome":
        order = [name for name in ("solved", "failed", "unknown") if name in counts.index]
    if len(order) <= most:
        number = {name: at for at, name in enumerate(order)}
        return Grouped(tuple(order), names.map(number).to_numpy(dtype=np.int64))
    kept = order[: most - 1]
    rest = f"{len(order) - len(kept)} others"
    number = {name: at for at, name in enumerate(kept)}
    taken = names.map(number).fillna(most - 1).to_numpy(dtype=np.int64)
    fewest = "the fewest runs" if foremost is None else "the fewest labelled runs"
    note = f"{len(order):,} groups by {GROUP_WORDS[by]}: the {rest} with {fewest} are taken together."
    return Grouped((*kept, rest), taken, (note,))


def share(counted: Array, of: Array, clusters: Array, why: str) -> Estimate:
    """What of ``of`` is ``counted``, all runs together: numbers per run, shape (runs,), and each run's cluster.

    Runs that have none of it say nothing, and their clusters are not counted among those that an interval is made of.
    """
    says = of > 0
    return quotient(cluster_sums([counted[says], of[says]], clusters[says]), 0, 1, why=why)


def cluster_sums(columns: Sequence[Array], clusters: Array) -> Array:
    """Numbers per run added up by cluster: shape (clusters, columns); only clusters that are there."""
    _, number = np.unique(clusters, return_inverse=True)
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    return summed(values, number, int(number.max(initial=-1)) + 1)


def as_columns(found: Estimate) -> dict[str, Any]:
    """An estimate as columns of a row: value, low, high, clusters, and why one of them is missing."""
    return {
        "value": np.nan if found.value is None else found.value,
        "low": np.nan if found.low is None else found.low,
        "high": np.nan if found.high is None else found.high,
        "clusters": found.clusters,
        "why": found.why or found.why_no_interval,
    }


def interval_note(frames: Frames) -> str:
    """How the intervals of a figure were made."""
    tasks = frames.runs["task"]
    cluster = "tasks" if tasks.dropna().duplicated().any() else "runs"
    draws = f"{REPLICATES:,} draws of {cluster} (seed {SEED})"
    return f"95 % intervals: {draws}; none with fewer than {FEWEST_CLUSTERS} {cluster}."


def left_out(counts: Sequence[tuple[int, str]]) -> list[str]:
    """Sentences on runs that a figure leaves out: (how many, why)."""
    return [f"Left out: {number_of(count, 'run')}, {why}." for count, why in counts if count]


def keep_known_outcomes(frames: Frames) -> tuple[Frames, list[str]]:
    known = (frames.runs["outcome"] != "unknown").to_numpy()
    return frames.of_runs(known), left_out([(int((~known).sum()), "whether they solved their task is not known")])


def is_spoken_of(frames: Frames) -> Array:
    """Whether there are labels of the source, shape (runs,)."""
    return frames.runs["labelled"].isin(["finished", "begun"]).to_numpy(dtype=bool)


def without_labels(frames: Frames, words: str = "") -> list[str]:
    """Sentences on the runs without labels of the source; ``words`` say where they are left out."""
    state = frames.runs["labelled"]
    return left_out(
        [
            (int((state == "no").sum()), f"{words}without {frames.labels.in_words}"),
            (int((state == "misaligned").sum()), f"{words}because the benchmark counts other steps than they have"),
        ]
    )


def keep_labelled(frames: Frames) -> tuple[Frames, list[str]]:
    """The runs of which the source of labels said all that it has to say: only there no verdict is a statement."""
    state = frames.runs["labelled"]
    begun = left_out([(int((state == "begun").sum()), f"whose {frames.labels.in_words} are not known to be complete")])
    return frames.of_runs((state == "finished").to_numpy()), [*without_labels(frames), *begun]


def counts_per_run(frames: Frames, of: Array) -> Array:
    """How many steps of each run ``of`` (a truth value per step) is true of, shape (runs,)."""
    return np.bincount(frames.steps["run"].to_numpy()[of], minlength=len(frames.runs)).astype(float)


def with_note(data: FigureData, *notes: str) -> FigureData:
    return replace(data, notes=(*data.notes, *notes))
