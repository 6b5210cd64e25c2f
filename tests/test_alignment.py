"""Runs beside each other: which steps do the same, where the runs part, and what must hold for any runs."""

import random
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from codetracer_core.actions import classify
from codetracer_core.alignment import Deed, Row, align, by_stage, deeds, pairs, parting, share
from codetracer_core.alignment.deeds import same_path
from codetracer_core.alignment.pairs import BLOCK, SAME_CHANGE, SAME_COMMAND
from codetracer_core.models import Stage, Step, ToolCall, Trajectory
from codetracer_core.workflow import open_run

VOCABULARY = (
    "ls",
    "cat app.py",
    "cat tests.py",
    "grep -n add app.py",
    "sed -i s/a/b/ app.py",
    "pytest -q",
    "rm -r build",
)


def run(*actions: str) -> tuple[Deed, ...]:
    return of_steps(*(Step(step_id=number, action=action) for number, action in enumerate(actions, start=1)))


def of_steps(*steps: Step) -> tuple[Deed, ...]:
    trajectory = Trajectory(format="made up", view="here", steps=steps)
    return deeds(trajectory, [classify(step) for step in steps])


def some_runs(seed: int, count: int = 2) -> list[tuple[Deed, ...]]:
    chance = random.Random(seed)
    return [run(*chance.choices(VOCABULARY, k=chance.randrange(0, 12))) for _ in range(count)]


def reason(one: str, other: str) -> str:
    found = pairs(run(one), run(other))
    return found[0].reason if found else ""


def steps_of(rows: Sequence[Row], which: int) -> list[int]:
    return [step for row in rows if (step := row.steps[which]) is not None]


# --- what is the same -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("cat app.py", "cat app.py", SAME_COMMAND),
        ("cd /testbed && cat app.py", "cat   'app.py'", SAME_COMMAND),
        ("cat src/app.py", "sed -n 1,20p /testbed/src/app.py", "reads the same file"),
        ("grep -n add src/app.py", "cat ./src/app.py", "reads the same file"),
        ("sed -i s/a/b/ app.py", "echo done > app.py", "edits the same file"),
        ("sed -i s/a/b/ app.py", "sed -i 's/x/y z/' lib/app.py", "edits the same file"),
        ("pip install numpy", "pip install --upgrade numpy", "installs the same"),
        ("rm -r build", "mkdir other", SAME_CHANGE),
        ("pytest -q tests/a.py", "pytest -x tests/b.py", "both run tests"),
        ("cat app.py", "cat other.py", ""),
        ("cat app.py", "sed -i s/a/b/ app.py", ""),
        ("ls", "find . -name '*.rs'", ""),
    ],
)
def test_two_steps_are_paired_for_a_reason_or_not_at_all(one: str, other: str, why: str) -> None:
    assert reason(one, other) == reason(other, one) == why


def test_the_same_words_in_nearly_the_same_order_are_nearly_the_same_command() -> None:
    words = "python - <<'E'\nfor name in names: total += weight[name] * share[name]\n"
    assert reason(words + "print(total)\nE", words + "print(total, flush=True)\nE") == "nearly the same command"


def test_quotes_count_where_they_may_matter() -> None:
    assert reason("echo 'a  b'", "echo a  b") != SAME_COMMAND
    assert reason("cat <<E\n'a'\nE", "cat <<E\na\nE") != SAME_COMMAND


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("src/app.py", "/testbed/src/app.py", True),
        ("app.py", "src/app.py", True),
        ("/testbed/src/app.py", "/app/src/app.py", True),
        ("/app.py", "/src/app.py", False),
        ("/a/app.py", "/b/app.py", False),
        ("lib/app.py", "src/app.py", False),
        ("/one/two/three/src/app.py", "/src/app.py", False),
    ],
)
def test_paths_of_one_file(one: str, other: str, same: bool) -> None:
    def parts(path: str) -> tuple[str, ...]:
        return (*(["/"] if path.startswith("/") else []), *path.strip("/").split("/"))

    assert same_path(parts(one), parts(other)) == same_path(parts(other), parts(one)) == same


def test_an_edit_that_names_no_file_is_of_the_file_opened_last() -> None:
    left = run("open src/app.py 10", "edit 10:10\nreturn a\nend_of_edit")
    right = run("open src/app.py", "edit 9:12\nreturn something else entirely\nend_of_edit")
    assert [pair.reason for pair in pairs(left, right)] == ["reads the same file", "edits the same file"]
    other = run("open src/other.py", "edit 9:12\nreturn something else entirely\nend_of_edit")
    assert [pair.reason for pair in pairs(left, other)] == [SAME_CHANGE]


def test_a_structured_call_is_the_same_whatever_the_order_of_its_arguments() -> None:
    def call(**arguments: object) -> Step:
        tool = ToolCall(name="str_replace_editor", arguments=dict(arguments))
        return Step(step_id=1, action=tool.text(), tool=tool)

    one = call(command="create", path="/testbed/a.py", file_text="x")
    other = call(file_text="x", path="/testbed/a.py", command="create")
    assert [pair.reason for pair in pairs(of_steps(one), of_steps(other))] == [SAME_COMMAND]


# --- what must hold for any runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_any_two_runs(seed: int) -> None:
    one, other = some_runs(seed)
    found = pairs(one, other)
    # order is preserved, and no step has two partners
    assert all(a.left < b.left and a.right < b.right for a, b in combinations(found, 2))
    # symmetry
    assert [(pair.left, pair.right, pair.reason) for pair in found] == [
        (pair.right, pair.left, pair.reason) for pair in pairs(other, one)
    ]
    # identity
    assert [(pair.left, pair.right, pair.reason) for pair in pairs(one, one)] == [
        (at, at, SAME_COMMAND) for at in range(len(one))
    ]
    assert parting(align([one, one]), [one, one], 0, 1) is None


@pytest.mark.parametrize("seed", range(40))
def test_the_alignment_is_the_best_of_all(seed: int) -> None:
    """Against every order-preserving choice of pairs, one by one."""
    chance = random.Random(seed)
    one, other = (run(*chance.choices(VOCABULARY, k=chance.randrange(1, 5))) for _ in range(2))
    worth = {(i, j): value(one[i], other[j]) for i in range(len(one)) for j in range(len(other))}
    possible = [pair for pair, told in worth.items() if told > 0]
    every = [
        chosen
        for size in range(min(len(one), len(other)) + 1)
        for chosen in combinations(sorted(possible), size)
        if all(a[0] < b[0] and a[1] < b[1] for a, b in combinations(chosen, 2))
    ]

    def total(chosen: Sequence[tuple[int, int]]) -> float:
        ends = [(-1, -1), *chosen, (len(one), len(other))]
        blocks = sum((b[0] - a[0], b[1] - a[1]) != (1, 1) for a, b in pairwise(ends))
        return sum(worth[pair] for pair in chosen) - BLOCK * blocks

    best = max(map(total, every))
    assert total([(pair.left, pair.right) for pair in pairs(one, other)]) == pytest.approx(best)


def value(one: Deed, other: Deed) -> float:
    """What a pair is worth, from the table in the module's docstring."""
    words = len(one.words) + len(other.words)
    similar = 2 * len(one.words & other.words) / words if words else 0.0
    alone = pairs([one], [other])
    # a weak pair alone is not worth two blocks' cost, but is found between two equal ones
    if not alone:
        mark = run("touch before", "touch after")
        alone = [pair for pair in pairs([mark[0], one, mark[1]], [mark[0], other, mark[1]]) if pair.left == 1]
    return {"same": 4.0, "alike": 2.0, "weak": 0.5}[alone[0].strength] + similar if alone else 0.0


@pytest.mark.parametrize("seed", range(40))
def test_every_step_of_every_run_stands_in_one_row_in_its_order(seed: int) -> None:
    runs = some_runs(seed, 4)
    for reference in range(4):
        rows = align(runs, reference)
        assert [steps_of(rows, which) for which in range(4)] == [[deed.step_id for deed in one] for one in runs]
        assert all(any(step is not None for step in row.steps) for row in rows)
        # a row without a reason for it has one step; the reference is never the one that is given a reason
        assert all(sum(step is not None and not why for step, why in zip(*told(row), strict=True)) == 1 for row in rows)
        assert all(not row.reasons[reference] for row in rows)


def told(row: Row) -> tuple[tuple[int | None, ...], tuple[str, ...]]:
    return row.steps, row.reasons


def test_what_two_runs_do_where_the_reference_does_nothing_is_aligned_among_them() -> None:
    reference, one = run("cat app.py", "pytest -q"), run("cat app.py", "rm -r build", "ls docs", "pytest -q")
    other = run("cat app.py", "ls docs", "pytest -q")
    rows = align([reference, one, other])
    assert [row.steps for row in rows] == [(1, 1, 1), (None, 2, None), (None, 3, 2), (2, 4, 3)]
    assert rows[2].reasons == ("", "", SAME_COMMAND)


def test_a_run_that_stops_early_is_a_prefix() -> None:
    whole = run("ls", "cat app.py", "sed -i s/a/b/ app.py", "pytest -q")
    rows = align([whole, whole[:2]])
    assert [row.steps for row in rows] == [(1, 1), (2, 2), (3, None), (4, None)]
    apart = parting(rows, [whole, whole[:2]], 0, 1)
    assert apart is not None
    assert (apart.row, apart.common, apart.alone, apart.meets) == (2, 1, 2, ())
    assert apart.why == "only A makes this change"


def test_runs_without_steps() -> None:
    whole = run("ls", "cat app.py")
    assert align([(), ()]) == []
    assert [row.steps for row in align([(), whole])] == [(None, 1), (None, 2)]
    assert share([], 0, 1).value is None
    assert share(align([(), whole]), 0, 1).value == 0
    assert parting(align([(), whole]), [(), whole], 0, 1) is None


# --- what it comes to -----------------------------------------------------------------------------------------


def test_runs_part_at_the_first_change_that_is_not_made_by_the_same_command() -> None:
    one = run("ls", "cat app.py", "pip install numpy", "sed -i s/a/b/ app.py", "pytest -q", "rm app.py", "ls")
    other = run("ls", "pip install numpy", "cat other.py", "sed -i s/x/y/ app.py", "pytest -q", "ls")
    runs = [one, other]
    rows = align(runs)
    assert [row.steps for row in rows] == [(1, 1), (2, None), (3, 2), (None, 3), (4, 4), (5, 5), (6, None), (7, 6)]
    apart = parting(rows, runs, 0, 1)
    assert apart is not None
    # what only one of them reads parts nobody; the edits do; after them they do the same again, twice
    assert (apart.row, apart.common, apart.alone, apart.meets) == (4, 2, 6, (5, 7))
    assert apart.why == "both change the state, by other commands (edits the same file)"
    assert parting(rows, runs, 1, 0) is not None
    told = share(rows, 0, 1)
    assert (told.same, told.alike, told.weak, told.only) == (4, 1, 0, (2, 1))
    assert told.value == pytest.approx(10 / 13)
    stages = [Stage(stage_id=1, start_step_id=1, end_step_id=3), Stage(stage_id=2, start_step_id=4, end_step_id=7)]
    assert [(stage.steps, stage.shared) for stage in by_stage(rows, 0, 1, stages)] == [(3, 2), (4, 3)]


def test_between_two_runs_rows_of_a_third_neither_part_nor_join() -> None:
    one, other = run("ls", "rm -r build", "pytest -q", "ls docs"), run("ls", "pytest -q", "ls docs")
    third = run("ls", "pytest -q", "touch only-here", "ls docs")
    runs = [one, other, third]
    apart = parting(align(runs), runs, 0, 1)
    assert apart is not None
    assert (apart.row, apart.meets) == (1, (2,))


def test_700_by_700_steps() -> None:
    chance = random.Random(7)
    one, other = (run(*(f"cat src/f{chance.randrange(300)}.py" for _ in range(700))) for _ in range(2))
    rows = align([one, other])
    assert steps_of(rows, 0) == steps_of(rows, 1) == list(range(1, 701))


def test_real_runs_of_one_task(real: Path) -> None:
    """Two recordings of one scripted run: the second looks into the set-up first and installs the package."""
    folder = real / "trajectories" / "swe-agent"
    files = sorted(path for path in folder.rglob("marshmallow-code__marshmallow-1867.traj"))
    trajectories = [open_run(str(path), real).trajectory for path in files]
    short = next(one for one in trajectories if one.step_count == 11)
    long = next(one for one in trajectories if one.step_count == 14)
    runs = [deeds(one, [classify(step) for step in one.steps]) for one in (short, long)]
    rows = align(runs)
    assert [row.steps for row in rows] == [(None, 1), (None, 2), (None, 3), *((n, n + 3) for n in range(1, 12))]
    assert {row.reasons[1] for row in rows[3:]} == {SAME_COMMAND}
    apart = parting(rows, runs, 0, 1)
    assert apart is not None
    assert (rows[apart.row].steps, apart.why) == ((None, 3), "only B makes this change")
