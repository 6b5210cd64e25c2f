import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.actions import Decision, classify
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Stage, Step, Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.stages import RULE, SHORTEST, STAGES_PER_ROOT, offline_stages, validate_stages
from codetracer_core.tree import build_tree
from tests.conftest import REPOSITORY
from tests.test_tree import trajectories


def run(*actions: str | Step) -> Trajectory:
    steps = tuple(
        (Step(step_id=1, action=action) if isinstance(action, str) else action).model_copy(update={"step_id": number})
        for number, action in enumerate(actions, start=1)
    )
    return Trajectory(format="test", view="test", steps=steps)


def ranges(trajectory: Trajectory) -> list[tuple[int, int, str]]:
    return [(s.start_step_id, s.end_step_id, s.name) for s in offline_stages(trajectory).stages]


REPAIR = (
    *("ls", "cat README.md", "grep -rn total src", "cat src/cart.py", "cat src/tax.py"),
    *("pip install -e .", "pip install pytest"),
    *("sed -i s/a/b/ src/cart.py", "sed -i s/c/d/ src/cart.py", "git diff src/cart.py", "sed -i s/e/f/ src/cart.py"),
    *("pytest -q", "pytest -q tests/test_cart.py", "pytest -q tests/test_tax.py"),
)


def test_a_repair_falls_into_its_phases() -> None:
    assert ranges(run(*REPAIR)) == [
        (1, 5, "explore"),
        (6, 7, "install ."),
        (8, 11, "edit src/cart.py"),
        (12, 14, "run tests"),
    ]


def test_work_on_another_file_is_another_stage() -> None:
    actions = [f"sed -i s/a/b/ src/{name}.py" for name in ("cart", "tax") for _ in range(6)]
    assert ranges(run(*actions)) == [(1, 6, "edit src/cart.py"), (7, 12, "edit src/tax.py")]


@pytest.mark.parametrize(
    ("actions", "name"),
    [
        (["cat a.py", "sed -n 1,5p a.py", "ls"], "read a.py"),
        (["cat a.py", "sed -i s/a/b/ a.py"], "edit and read a.py"),
        (["sed -i s/a/b/ deep/down/here/a.py", "pytest", "pytest"], "edit here/a.py and run tests"),
        (["python repro.py"], "run repro.py"),
        (["make", "make"], "build"),
        (["git commit -am x"], "use version control"),
        (["curl -O https://example.org/x", "curl -X POST http://localhost"], "use the network"),
        (["curl -s https://example.org/x"], "explore"),
        (["submit"], "submit"),
        (["sleep 5"], "wait"),
        ([Step(step_id=1, action="Hello.", is_message=True)], "talk"),
    ],
)
def test_names(actions: list[str | Step], name: str) -> None:
    assert [stage.name for stage in offline_stages(run(*actions)).stages] == [name]


def test_calls_of_one_reply_stay_together() -> None:
    reading = [Step(step_id=1, action="cat a.py", parallel_group=3) for _ in range(3)]
    editing = [Step(step_id=1, action="rm b.py", parallel_group=3) for _ in range(3)]
    trajectory = run("cat a.py", "cat a.py", *reading, *editing, "rm b.py", "rm b.py")
    assert [stage.end_step_id for stage in offline_stages(trajectory).stages if 3 <= stage.end_step_id < 8] == []


def test_a_run_in_which_nothing_changes_is_one_stage() -> None:
    assert ranges(run(*["cat a.py"] * 30)) == [(1, 30, "read a.py")]


def test_no_steps_no_stages() -> None:
    split = offline_stages(run())
    assert split.stages == ()
    assert split.rule == RULE


def test_the_rule_is_told_in_one_sentence() -> None:
    assert str(STAGES_PER_ROOT) in RULE
    assert "." not in RULE.replace(str(STAGES_PER_ROOT), "")


def test_decisions_may_be_given_alone_or_with_their_tree() -> None:
    trajectory = run(*REPAIR)
    decisions = [classify(step) for step in trajectory.steps]
    split = offline_stages(trajectory)
    assert offline_stages(trajectory, decisions) == split
    assert offline_stages(trajectory, build_tree(trajectory)) == split
    with pytest.raises(ValueError, match="1 decisions for 14 steps"):
        offline_stages(trajectory, decisions[:1])


@given(trajectories())
def test_stages_cover_the_run_exactly(case: tuple[Trajectory, list[Decision]]) -> None:
    trajectory, decisions = case
    stages = offline_stages(trajectory, decisions).stages
    assert validate_stages(stages, trajectory.step_count) == []
    assert [stage.stage_id for stage in stages] == list(range(1, len(stages) + 1))
    assert len(stages) <= max(1, math.ceil(trajectory.step_count / 4))
    assert all(stage.name and stage.name.isprintable() for stage in stages)
    if len(stages) > 1:
        assert min(stage.end_step_id - stage.start_step_id + 1 for stage in stages) >= SHORTEST
    groups = [step.parallel_group for step in trajectory.steps]
    for before, after in pairwise(stages):
        last, first = groups[before.end_step_id - 1], groups[after.start_step_id - 1]
        assert last is None or last != first


def test_real_runs_are_split_about_as_people_split_them(real: Path) -> None:
    """By number and length only: the manifest's runs are not here, so where people cut cannot be compared."""
    counts = {}
    for location in discover(real / "trajectories").locations:
        try:
            trajectory = read_run(location).trajectory
        except CodeTracerError:
            continue
        tree = build_tree(trajectory)
        stages = offline_stages(trajectory, tree).stages
        assert validate_stages(stages, trajectory.step_count) == []
        assert [row.step_id for row in tree.rows] == list(range(1, trajectory.step_count + 1))
        if 20 <= trajectory.step_count <= 100:
            counts[location.path] = len(stages)
    assert len(counts) > 10
    assert 3 <= fmean(counts.values()) <= 10
    rows = [
        json.loads(line)
        for name in ("manifest.jsonl", "manifest.openhands_terminus2.jsonl")
        for line in (real / "codetracebench" / name).read_text().splitlines()
    ]
    misses = [abs(round(STAGES_PER_ROOT * math.sqrt(row["step_count"])) - row["stage_count"]) for row in rows]
    assert fmean(misses) < 1.5


def stage(number: int, start: int, end: int) -> Stage:
    return Stage(stage_id=number, start_step_id=start, end_step_id=end)


@pytest.mark.parametrize(
    ("stages", "count", "problems"),
    [
        ([], 0, []),
        ([stage(1, 1, 3), stage(2, 4, 4)], 4, []),
        ([stage(2, 4, 4), stage(1, 1, 3)], 4, []),
        ([], 2, ["Steps 1 to 2 are at the end in no stage."]),
        ([stage(1, 1, 3)], 4, ["Step 4 is at the end in no stage."]),
        ([stage(1, 2, 4)], 4, ["Step 1 is before Stage 1 (steps 2 to 4) in no stage."]),
        (
            [stage(1, 1, 2), stage(2, 5, 6)],
            6,
            ["Steps 3 to 4 are before Stage 2 (steps 5 to 6) in no stage."],
        ),
        (
            [stage(1, 1, 3), stage(2, 3, 4)],
            4,
            ["Stage 2 (steps 3 to 4) begins before the stage before it has ended, at step 3."],
        ),
        ([stage(1, 1, 9)], 4, ["Stage 1 (steps 1 to 9) goes beyond the last step, 4."]),
        ([stage(1, 1, 4), stage(2, 4, 3)], 4, ["Stage 2 (steps 4 to 3) ends before it begins."]),
        ([stage(1, 1, 2), stage(1, 3, 4)], 4, ["Two stages have the number 1."]),
    ],
)
def test_what_is_wrong_with_stages(stages: list[Stage], count: int, problems: list[str]) -> None:
    assert validate_stages(stages, count) == problems


@given(st.integers(1, 30), st.sets(st.integers(1, 29)))
def test_any_way_of_cutting_is_valid(count: int, cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < count), count]
    stages = [stage(number, start + 1, end) for number, (start, end) in enumerate(pairwise(bounds), start=1)]
    assert validate_stages(stages, count) == []
    assert len(stages) == 1 or validate_stages(stages[1:], count) != []


def test_every_process_cuts_alike() -> None:
    """Ties between places to cut are decided the same way, whatever the order of sets in this process."""
    code = (
        "from tests.store.factory import make_run; from codetracer_core.stages import offline_stages as split;"
        "print([[s.end_step_id for s in split(make_run('r', n).trajectory).stages] for n in range(5, 40)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 11, 25)  # which differed once
    ]
    assert len(set(told)) == 1
