"""All numbers of the page Evaluate, intervals included, of made-up answers on as many runs as the benchmark has."""

from functools import partial

import numpy as np

from codetracer_core.evaluation import (
    Prediction,
    System,
    Truth,
    as_json,
    compare_systems,
    evaluate,
    false_accusations,
    onset_scores,
    slices,
    tolerant,
    warnings_by_convention,
)
from codetracer_core.intervals import REPLICATES
from tests.bench.agreement import STEPS_PER_RUN, print_times

SYSTEMS = 3
REPETITIONS = 2
AGENTS = ("mini-SWE-agent", "OpenHands", "Terminus 2", "SWE-agent")
MODELS = 6
CATEGORIES = 10


def main() -> None:
    print(f"  {REPLICATES:,} replicates; tasks of three runs are the clusters; {REPETITIONS} answers each")
    for runs in (1_000, 4_000):
        truth, systems = made_up(runs)
        print(f"  {runs:,} runs, {sum(run.step_count for run in truth):,} steps, {SYSTEMS} systems and the baselines")
        evaluation = evaluate(truth, systems)
        first, second = systems[0].name, systems[1].name
        print_times("evaluate()", partial(evaluate, truth, systems), repeats=5)
        print_times("warnings, of one convention", partial(warnings_by_convention, evaluation, ("positive_only",)))
        print_times("two systems", partial(compare_systems, evaluation, first, second))
        print_times("slices by agent and model", partial(slices, evaluation, ("agent", "model")), repeats=3)
        print_times("slices by task", partial(slices, evaluation, ("task",)), repeats=3)
        print_times("onset of one system", partial(onset_scores, evaluation, first))
        print_times("near hits of one system", partial(tolerant, evaluation, first), repeats=3)
        print_times("false accusations of one", partial(false_accusations, evaluation, first))
        print_times("everything as JSON", partial(as_json, evaluation, by=("agent",)), repeats=1)


def made_up(runs: int, seed: int = 1) -> tuple[list[Truth], list[System]]:
    """As many steps per run as in the benchmark, and incorrect steps in four runs of ten; each system names six in ten
    of these, and one step in twenty otherwise."""
    draw = np.random.default_rng(seed)
    steps = round(runs * STEPS_PER_RUN)
    lengths = (draw.multinomial(steps - runs, draw.dirichlet(np.full(runs, 2.0))) + 1).tolist()
    failing = (draw.random(runs) < 0.4).tolist()
    wrong = [_some(draw, length, 0.09) if fails else () for length, fails in zip(lengths, failing, strict=True)]
    truth = [
        Truth(
            traj_id=f"run {run}",
            step_count=lengths[run],
            incorrect=frozenset(wrong[run]),
            task=f"task {run // 3}",
            agent=AGENTS[run % len(AGENTS)],
            model=f"model {run % MODELS}",
            category=f"category {run // 3 % CATEGORIES}",
            solved=not failing[run],
        )
        for run in range(runs)
    ]
    return truth, [_system(f"system {number}", truth, draw) for number in range(SYSTEMS)]


def _system(name: str, truth: list[Truth], draw: np.random.Generator) -> System:
    def answer(run: Truth) -> Prediction:
        found = [step for step in sorted(run.incorrect) if draw.random() < 0.6]
        return Prediction(run.traj_id, incorrect=(*found, *_some(draw, run.step_count, 0.05)))

    return System(name, tuple({run.traj_id: answer(run) for run in truth} for _ in range(REPETITIONS)))


def _some(draw: np.random.Generator, length: int, share: float) -> tuple[int, ...]:
    return tuple((np.flatnonzero(draw.random(length) < share) + 1).tolist())


if __name__ == "__main__":
    main()
