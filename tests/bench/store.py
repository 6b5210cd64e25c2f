"""Loading one run, listing and filtering 5,000 synthetic runs, searching text, memory."""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from codetracer_core.models import LabelEvent, Outcome, RunRecord, SourceRef, Step, Trajectory
from codetracer_core.project_work import project_status
from codetracer_core.projects import Project
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
        _projects(store)
    print(f"  peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _projects(store: Store) -> None:
    """3 projects of 1,000 runs, half of them submitted, with 100,000 label events."""
    people = [f"person {n}" for n in range(10)]
    for n in range(3):
        runs = [f"run-{number}" for number in range(n * 1_000, (n + 1) * 1_000)]
        store.create_project(Project(project_id=f"project-{n}", created_at=datetime.now(UTC)), runs)
        started = time.perf_counter()
        given = store.assign(f"project-{n}", people, each=100)
        print(f"  {len(given)} runs assigned to 10 people in {time.perf_counter() - started:.2f} s")
        store.add_label_events(
            [
                _label(int(one.run_id.removeprefix("run-")), step, one.annotator)
                for one in given[: 100_000 // 3 // STEPS // 2 * 2]
                for step in range(1, STEPS + 1)
                for _ in range(3)
            ]
        )
        for one in given[:100]:
            store.submit(one.project_id, one.run_id, one.annotator)
    mine = next(one for one in store.assignments("project-0", annotator="person 9") if one.state != "submitted")
    number = int(mine.run_id.removeprefix("run-"))
    _print("how a person stands to a run", lambda: store.standing(mine.run_id, "person 9"))
    _print("one label in its pass, durable", lambda: store.add_human_labels([_label(number, 1, "person 9")]))
    _print("take the next run", lambda: store.claim_next("project-0", "person 0"))
    _print("all assignments of a project", lambda: store.assignments("project-0"))
    _print("status of a project", lambda: project_status(store, "project-0"), repeats=5)


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


def _label(run: int, step: int, annotator: str = "bench") -> LabelEvent:
    return LabelEvent(
        run_id=f"run-{run}",
        step_id=step,
        value="correct",
        annotator=annotator,
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
