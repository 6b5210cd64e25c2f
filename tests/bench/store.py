"""Loading one run, listing and filtering 5,000 synthetic runs, searching text, memory."""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.models import LabelEvent, Outcome, RunRecord, SourceRef, Step, Trajectory
from codetracer_core.stages import offline_stages
from codetracer_core.store import Store
from codetracer_core.tree import build_tree

RUNS, STEPS = 5_000, 12


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        started = time.perf_counter()
        for first in range(0, RUNS, 250):
            records = [_run(number, STEPS, 400) for number in range(first, first + 250)]
            decisions = [[("explore", "reads only")] * STEPS] * len(records)
            store.add_runs(records, decisions=decisions)
        print(f"  {RUNS} synthetic runs of {STEPS} steps stored in {time.perf_counter() - started:.1f} s")
        store.add_runs(
            [_run(9_000, 666, 4_000), _run(9_001, 40, 1_000_000)],
            decisions=[[("explore", "reads only")] * 666, [("explore", "reads only")] * 40],
        )
        store.add_label_events([_label(9_000, step) for step in range(1, 667)])
        _print("list 5,000 runs", lambda: store.runs())
        _print(
            "filter by agent, outcome and text",
            lambda: store.runs(agents=["agent-1"], outcomes=["solved"], text="task 4"),
        )
        _print("search all step text", lambda: store.search_text("needle 4999"), repeats=5)
        _print("load a run of 666 steps × 4 kB", lambda: store.load_run("run-9000"))
        _print("load a run of 40 steps × 1 MB", lambda: store.load_run("run-9001"), repeats=10)
        trajectory = store.load_run("run-9000").trajectory
        _print("its trace tree", lambda: build_tree(trajectory), repeats=5)
        tree = build_tree(trajectory)
        _print("its offline stages", lambda: offline_stages(trajectory, tree))
        _print("one label, durable", lambda: store.add_label_events([_label(9_001, 1)]))
    print(f"  peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _run(number: int, steps: int, size: int) -> RunRecord:
    ref = SourceRef(path="steps.json", line_start=1, line_end=1)
    return RunRecord(
        run_id=f"run-{number}",
        trajectory=Trajectory(
            format="normalised",
            view="steps.json",
            agent=f"agent-{number % 5}",
            model=f"model-{number % 7}",
            task=f"task {number}",
            task_text=f"Invented task {number}.",
            outcome=Outcome(solved=number % 2 == 0, reason="invented", source=ref),
            steps=tuple(
                Step(
                    step_id=i,
                    action=f"grep -rn symbol_{i} src && sed -i 's/a/b/' file_{i % 9}.py",
                    observation=f"needle {number} " + "x" * size,
                    thought="a thought",
                )
                for i in range(1, steps + 1)
            ),
        ),
        origin=f"runs/{number}",
        collection=f"collection-{number % 3}",
        evidence_hash=f"{number:064x}",
    )


_SEQUENCE = iter(range(1, 1_000_000))


def _label(run: int, step: int) -> LabelEvent:
    return LabelEvent(
        run_id=f"run-{run}",
        step_id=step,
        value="correct",
        annotator="bench",
        client="bench",
        sequence=next(_SEQUENCE),
        occurred_at=datetime.now(UTC),
    )


def _print(title: str, work: Callable[[], object], repeats: int = 30) -> None:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    print(f"  {title}: median {statistics.median(times):.1f} ms, max {max(times):.1f} ms (n={repeats})")
