"""All numbers of the Agreement page, intervals included, from made-up ratings as large as the benchmark."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from codetracer_core.agreement import agreement, disagreements, steps_behind
from codetracer_core.agreement.coefficients import category_counts, unit_sums
from codetracer_core.agreement.selection import Said
from codetracer_core.intervals import REPLICATES, Array, resampled, summed
from codetracer_core.models import Stage
from codetracer_core.ratings import INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Rater, Ratings

STEPS_PER_RUN = 46.539


def main() -> None:
    print(f"  {REPLICATES:,} replicates; tasks of three runs are the clusters")
    for runs, raters in ((1_000, 3), (1_000, 10), (4_000, 3)):
        ratings = made_up(runs, raters)
        print(f"  {runs:,} runs, {len(ratings.codes):,} steps, {raters} raters, stages drawn in each run")
        print_times("agreement()", partial(agreement, ratings), repeats=5)
        print_times("of that, sums of all steps", partial(_sums, ratings))
        print_times("of that, one draw of them", partial(resampled, _sums(ratings)))
        print_times("disagreements()", partial(disagreements, ratings))
        print_times("steps behind a cell", partial(steps_behind, ratings, Said(((0, (INCORRECT,)), (1, (INCORRECT,))))))


def _sums(ratings: Ratings) -> Array:
    counts = category_counts(ratings.counted(), 3)
    return summed(unit_sums(counts), ratings.clusters[ratings.run_of], ratings.cluster_count)


def made_up(runs: int, raters: int, seed: int = 1) -> Ratings:
    """As many steps per run as in the benchmark, four runs in ten with incorrect steps, 3.6 % of all steps incorrect
    and 0.5 % unuseful; each rater sees six in ten of those, and one step in a hundred otherwise."""
    draw = np.random.default_rng(seed)
    steps = round(runs * STEPS_PER_RUN)
    lengths = draw.multinomial(steps - runs, draw.dirichlet(np.full(runs, 2.0))) + 1
    failing = (draw.random(runs) < 0.4).repeat(lengths)
    truth = np.where(failing & (draw.random(steps) < 0.09), INCORRECT, MISSING)
    truth[draw.random(steps) < 0.005] = UNUSEFUL
    codes = np.where(draw.random((steps, raters)) < 0.6, truth[:, None], MISSING).astype(np.int8)
    codes[draw.random((steps, raters)) < 0.01] = INCORRECT
    codes[draw.random((steps, raters)) < 0.002] = UNCERTAIN
    return Ratings(
        tuple(f"run {run}" for run in range(runs)),
        tuple(f"task {run // 3}" for run in range(runs)),
        lengths,
        tuple(Rater("human", f"person {rater}") for rater in range(raters)),
        codes,
        np.ones((runs, raters), dtype=bool),
        np.zeros((runs, raters), dtype=np.int64),
        np.full((runs, raters), MISSING, dtype=np.int8),
        draw.gamma(2, 10, (runs, raters)) * lengths[:, None],
        {
            (run, rater): _stages(int(length), draw)
            for run, length in enumerate(lengths.tolist())
            for rater in range(raters)
        },
    )


def _stages(length: int, draw: np.random.Generator) -> tuple[Stage, ...]:
    cuts = np.sort(draw.choice(np.arange(1, length), min(length - 1, round(length**0.5)), replace=False)).tolist()
    edges = zip([0, *cuts], [*cuts, length], strict=True)
    return tuple(
        Stage(stage_id=at, start_step_id=start + 1, end_step_id=end) for at, (start, end) in enumerate(edges, start=1)
    )


def print_times(what: str, work: Callable[[], object], repeats: int = 10) -> None:
    work()
    taken, worked = [], []
    for _ in range(repeats):
        started, begun = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started) * 1000)
        worked.append((time.process_time() - begun) * 1000)
    medians = statistics.median(taken), statistics.median(worked)
    print(f"    {what:32} median {medians[0]:7.1f} ms, most {max(taken):7.1f} ms; processor {medians[1]:7.1f} ms")
