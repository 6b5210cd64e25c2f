"""Calls, tokens and cost of a diagnosis, by strategy, on short, medium and long real runs.

No real model is asked: a scripted reader looks at the tests and the end of a run, then at its failures and changes
(``_looks``), and hands in a clean run. So the figures tell what this design sends for a reader of that curiosity; a
real model decides for itself. The reference implementation's figures stand beside them.
"""

from collections.abc import Callable, Sequence
from statistics import median

from codetracer_core.diagnosis import diagnose, estimate
from codetracer_core.diagnosis_models import STRATEGIES, CallUsage, DiagnosisSettings
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import Message, Price, Reply, ScriptedModel, ToolSpec, calling
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.tree import build_tree
from tests.conftest import SAMPLE_DATA, real_data

REFERENCE = "reference implementation, 32 real runs twice: 14.8 calls and 166,000 prompt tokens per run"
PRICE = Price(prompt=2.0, completion=10.0)
CLASSES = {"short (to 20 steps)": range(2, 21), "medium (to 100)": range(21, 101), "long": range(101, 10_000)}
MOST_RUNS = 12
"""Runs of one class, evenly chosen."""


def main() -> None:
    real = real_data()
    by_class: dict[str, list[Trajectory]] = {name: [] for name in CLASSES}
    for location in discover(real / "trajectories" if real else SAMPLE_DATA).locations:
        try:
            trajectory = read_run(location).trajectory
        except CodeTracerError:
            continue  # the reading bench tells of these
        for name, counts in CLASSES.items():
            if trajectory.step_count in counts:
                by_class[name].append(trajectory)
    print(f"  {REFERENCE}")
    print(f"  cost at {PRICE.prompt:g} and {PRICE.completion:g} USD per million tokens; medians, largest in brackets")
    for window in (128_000, 32_000):
        print(f"  window of {window:,} tokens")
        for name, runs in by_class.items():
            chosen = runs[:: max(1, len(runs) // MOST_RUNS)][:MOST_RUNS]
            for strategy in STRATEGIES if chosen else ():
                settings = DiagnosisSettings(strategy=strategy)
                _print(f"{name}, {len(chosen)} runs", settings, chosen, window)


def _print(title: str, settings: DiagnosisSettings, runs: Sequence[Trajectory], window: int) -> None:
    used, inside, statuses = [], 0, set()
    for trajectory in runs:
        model = ScriptedModel(reader(trajectory), context_tokens=window, price=PRICE)
        made = diagnose(trajectory, run_id="bench", model=model, settings=settings)
        guess = estimate(trajectory, settings, price=PRICE, context_tokens=window)
        usage = made.diagnosis.total_usage
        inside += guess.prompt_tokens[0] <= usage.prompt_tokens <= guess.prompt_tokens[1]
        used.append(usage)
        statuses.add(made.diagnosis.status)
    print(
        f"    {title:32} {settings.strategy:13}"
        f" calls {_of(used, lambda one: one.calls)}  prompt tokens {_of(used, lambda one: one.prompt_tokens)}"
        f"  cost {_of(used, lambda one: one.cost_usd or 0.0, '.3f')} USD"
        f"  estimate held in {inside} of {len(runs)}  {', '.join(sorted(statuses))}"
    )


def _of(used: Sequence[CallUsage], figure: Callable[[CallUsage], float], form: str = ",.0f") -> str:
    values = [figure(one) for one in used]
    return f"{median(values):{form}} ({max(values):{form}})"


def reader(trajectory: Trajectory) -> Callable[[Sequence[Message], Sequence[ToolSpec]], Reply]:
    """The scripted reader of one run."""
    looks = iter(_looks(trajectory))

    def answer(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        names = {tool.name for tool in tools}
        if "judge_part" in names:
            return calling(("judge_part", {"thought": "Nothing wrong so far; the goal and the files are clear. " * 8}))
        if "choose_half" in names:
            return calling(("choose_half", {"half": "second", "reasoning": "Everything until the middle is sound."}))
        if not names:
            return Reply(text="Summary: nothing wrong so far. " * 40)
        look = next(looks, None) if "read_steps" in names and trajectory.step_count > 20 else None
        return look or calling(
            (
                "submit_diagnosis",
                {
                    "case_for_clean_run": "Every change follows from what was read before it. " * 6,
                    "conclusion": "no_error_found",
                    "summary": "The agent read, changed and tested the right files. " * 4,
                },
            )
        )

    return answer


def _looks(trajectory: Trajectory) -> list[Reply]:
    """The tests and the last six steps; twelve failures or changes; in a long run twelve more, and what came before."""
    count = trajectory.step_count
    rows = build_tree(trajectory).rows
    telling = [
        row.step_id for row, step in zip(rows, trajectory.steps, strict=True) if row.kind == "change" or step.exit_code
    ]
    spread = telling[:: max(1, len(telling) // 24)] or list(range(1, count + 1))
    looks = [
        calling(("test_outcomes", {}), ("read_steps", {"steps": list(range(max(1, count - 5), count + 1))})),
        calling(("read_steps", {"steps": spread[:12]})),
    ]
    if count > 100 and spread[12:]:
        before = sorted({max(1, step - 1) for step in spread[::4]})[:12]
        looks += [calling(("read_steps", {"steps": spread[12:24]})), calling(("read_steps", {"steps": before}))]
    return looks


if __name__ == "__main__":
    main()
