import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.actions import Decision
from codetracer_core.models import Branch, Kind, Step, ToolCall, Trajectory
from codetracer_core.tree import LABEL_LENGTH, ROOT, TraceTree, as_graph, build_tree, label_of, render_text

KINDS: dict[str, Kind] = {"e": "explore", "c": "change", "m": "message"}


def run(*actions: str | Step, branches: tuple[Branch, ...] = (), task: str | None = None) -> Trajectory:
    """A run of plain commands, or of steps whose numbers are set here."""
    steps = tuple(
        (Step(step_id=1, action=action) if isinstance(action, str) else action).model_copy(update={"step_id": number})
        for number, action in enumerate(actions, start=1)
    )
    return Trajectory(format="test", view="test", steps=steps, branches=branches, task=task)


def step(action: str, *, group: int | None = None, branch: str | None = None) -> Step:
    return Step(step_id=1, action=action, parallel_group=group, branch=branch)


def places(tree: TraceTree) -> list[tuple[int | None, int, int]]:
    """(parent, state, depth) of each step."""
    return [(row.parent_step_id, row.state, row.depth) for row in tree.rows]


def test_exploration_hangs_under_the_last_change() -> None:
    tree = build_tree(run("ls", "cat a.py", "sed -i s/a/b/ a.py", "git diff", "rm b", "ls"))
    assert [row.kind for row in tree.rows] == ["explore", "explore", "change", "explore", "change", "explore"]
    assert places(tree) == [(None, 0, 1), (None, 0, 1), (None, 1, 1), (3, 1, 2), (3, 2, 2), (5, 2, 3)]
    assert tree.rows[2].reason == "sed -i edits a.py"


def test_messages_hang_like_exploration_and_refused_steps_open_no_state() -> None:
    refused = Step(step_id=1, action="rm x", executed=False)
    message = Step(step_id=1, action="Done.", is_message=True)
    tree = build_tree(run("rm a", refused, message))
    assert [row.kind for row in tree.rows] == ["change", "explore", "message"]
    assert places(tree) == [(None, 1, 1), (1, 1, 2), (1, 1, 2)]


def test_a_parallel_group_hangs_on_the_state_in_which_it_was_chosen() -> None:
    group = [step(action, group=2) for action in ("rm a", "ls", "rm b", "ls -la")]
    tree = build_tree(run("touch x", *group, "cat x"))
    assert places(tree) == [(None, 1, 1), (1, 2, 2), (1, 1, 2), (1, 3, 2), (1, 1, 2), (4, 3, 3)]


def test_a_group_without_a_change_leaves_the_state_alone() -> None:
    tree = build_tree(run("touch x", step("ls", group=2), step("pwd", group=2), "cat x"))
    assert places(tree) == [(None, 1, 1), (1, 1, 2), (1, 1, 2), (1, 1, 2)]


def test_sub_agents_have_a_line_of_their_own() -> None:
    branches = (Branch(branch_id="a", parent_step_id=2), Branch(branch_id="b"))
    tree = build_tree(
        run(
            "touch x",
            "ls",
            step("cat x", branch="a"),
            step("rm y", branch="a"),
            "cat x",
            step("pwd", branch="b"),
            step("ls", branch="a"),
            "rm z",
            step("rm w", branch="b"),
            branches=branches,
        )
    )
    assert places(tree) == [
        (None, 1, 1),
        (1, 1, 2),
        (2, 1, 3),  # a begins below step 2, in its state
        (2, 2, 3),
        (1, 1, 2),  # the main line does not notice
        (None, 0, 1),  # nobody knows who started b
        (4, 2, 4),
        (1, 3, 2),
        (None, 4, 1),
    ]
    assert [row.branch for row in tree.rows] == [None, None, "a", "a", None, "b", "a", None, "b"]


def test_a_sub_agent_of_a_sub_agent_and_one_whose_start_comes_later() -> None:
    branches = (
        Branch(branch_id="a", parent_step_id=1),
        Branch(branch_id="b", parent_step_id=2),
        Branch(branch_id="late", parent_step_id=5),
    )
    tree = build_tree(
        run(
            "rm x",
            step("rm y", branch="a"),
            step("ls", branch="b"),
            step("ls", branch="late"),
            "ls",
            branches=branches,
        )
    )
    assert places(tree) == [(None, 1, 1), (1, 2, 2), (2, 2, 3), (None, 0, 1), (1, 1, 2)]
    assert render_text(tree).splitlines() == [
        "S1 change  1  rm x",
        "S2 change  2    ↳1 rm y",
        "S2 explore 3        ↳2 ls",
        "S0 explore 4      ↳? ls",
        "S1 explore 5    ls",
    ]


def test_given_decisions_are_used_and_must_be_complete() -> None:
    trajectory = run("ls", "ls")
    tree = build_tree(trajectory, [Decision("change", "because"), Decision("explore", "so")])
    assert [(row.kind, row.reason) for row in tree.rows] == [("change", "because"), ("explore", "so")]
    with pytest.raises(ValueError, match="shorter"):
        build_tree(trajectory, [Decision("change", "because")])


def test_an_empty_run_is_a_root_alone() -> None:
    tree = build_tree(run(task="fix-it"))
    assert tree == TraceTree((), "fix-it", ())
    assert render_text(tree) == ""
    assert list(as_graph(tree).nodes(data="label")) == [(ROOT, "fix-it")]


@pytest.mark.parametrize(
    ("given", "label"),
    [
        (step("cd /srv/app && ls -la"), "ls -la"),
        (step("cd '/srv/my app'; ls"), "ls"),
        (step("cd /srv/app"), "cd /srv/app"),
        (step("cat > a <<'EOF'\n\nx\ty\nEOF"), "cat > a <<'EOF' ⏎ x y ⏎ EOF"),
        (step("\x1b[31mls\x07"), "␛[31mls␇"),
        (step("echo \u202egnp.exe"), "echo ⟨U+202E⟩gnp.exe"),
        (step("echo نمی\u200cخواهم 👩\u200d👧"), "echo نمی\u200cخواهم 👩\u200d👧"),
        (step(""), "(empty)"),
        (step("x" * 1000), "x" * (LABEL_LENGTH - 1) + "…"),
    ],
)
def test_labels_of_commands(given: Step, label: str) -> None:
    assert label_of(given) == label


@pytest.mark.parametrize(
    ("name", "arguments", "label"),
    [
        ("Read", {"file_path": "src/a.py", "limit": 20}, "Read src/a.py"),
        ("Grep", {"pattern": "TODO", "path": "src"}, "Grep TODO src"),
        ("str_replace_editor", {"command": "view", "path": "/w/a.py"}, "str_replace_editor view /w/a.py"),
        ("Bash", {"command": "ls", "description": "List files"}, "ls"),
        ("TodoWrite", {"todos": [1, 2, 3]}, "TodoWrite (3 todos)"),
        ("Task", {"description": "Look around", "subagent_type": "Explore"}, "Task Look around"),
        ("click", {"x": 3, "y": 4}, "click x=3 y=4"),
        ("mark_task_complete", {}, "mark_task_complete"),
        ("think", {"thought": "rm is not needed"}, "think rm is not needed"),
        ("finish", {"message": "Done."}, "finish Done."),
        ("", {"a": 1}, "(no tool named) a=1"),
    ],
)
def test_labels_of_calls(name: str, arguments: dict[str, object], label: str) -> None:
    call = ToolCall(name=name, arguments=arguments)
    assert label_of(Step(step_id=1, action=call.text(), tool=call)) == label


def test_a_message_keeps_its_words() -> None:
    message = Step(step_id=1, action="cd is done; now we wait", is_message=True)
    assert label_of(message) == "cd is done; now we wait"


def test_text_is_flat_and_cut() -> None:
    tree = build_tree(run("ls", "rm a", step("ls", group=3), step("rm b", group=3), "x" * 200))
    assert render_text(tree, width=40) == (
        "S0 explore 1    ls\n"
        "S1 change  2  rm a\n"
        "S1 explore 3    ╓ ls\n"
        "S2 change  4  ║ rm b\n"
        "S3 change  5  " + "x" * 25 + "…"
    )
    assert render_text(tree, first=2, last=3) == "S1 change  2  rm a\nS1 explore 3    ╓ ls"
    refused = Step(step_id=1, action="rm c", executed=False, parallel_group=2)
    groups = build_tree(run(step("ls", group=1), refused, step("pwd", group=2)))
    assert render_text(groups) == "S0 explore 1    ╓ ls\nS0 explore 2    ╓ ✗ rm c\nS0 explore 3    ║ pwd"
    deep = build_tree(run(*(["rm a", "ls"] * 500)))
    assert {line.index("rm") for line in render_text(deep).splitlines() if "rm" in line} == {19}


def test_the_graph_has_the_same_nodes_and_edges() -> None:
    graph = as_graph(build_tree(run("ls", "rm a", "ls", task="t")))
    assert sorted(graph.edges) == [(ROOT, 1), (ROOT, 2), (2, 3)]
    assert graph.nodes[2]["kind"] == "change"
    assert graph.nodes[3] == {
        "label": "ls",
        "kind": "explore",
        "reason": "reads only",
        "state": 1,
        "depth": 2,
        "parallel_group": None,
        "branch": None,
        "executed": True,
    }


@st.composite
def trajectories(draw: st.DrawFn) -> tuple[Trajectory, list[Decision]]:
    count = draw(st.integers(0, 40))
    names = ["a", "b", "c"]
    branches = tuple(
        Branch(branch_id=name, parent_step_id=draw(st.none() | st.integers(1, 45)))
        for name in draw(st.lists(st.sampled_from(names), unique=True))
    )
    steps: list[Step] = []
    decisions: list[Decision] = []
    group: int | None = None
    for number in range(1, count + 1):
        group = draw(st.sampled_from([None, number, group])) if group else draw(st.sampled_from([None, number]))
        branch = draw(st.sampled_from([None, None, *names]))
        steps.append(Step(step_id=number, action=draw(st.text()), parallel_group=group, branch=branch))
        decisions.append(Decision(KINDS[draw(st.sampled_from("eecm"))], "because"))
    return Trajectory(format="t", view="t", steps=tuple(steps), branches=branches), decisions


@given(trajectories())
def test_every_tree_is_whole(case: tuple[Trajectory, list[Decision]]) -> None:
    trajectory, decisions = case
    tree = build_tree(trajectory, decisions)
    assert [row.step_id for row in tree.rows] == [step.step_id for step in trajectory.steps]
    rows = {row.step_id: row for row in tree.rows}
    changes = [row.state for row in tree.rows if row.kind == "change"]
    assert changes == list(range(1, len(changes) + 1))
    groups: dict[tuple[str | None, int], set[int | None]] = {}
    for row in tree.rows:
        parent = rows.get(row.parent_step_id or 0)
        assert row.parent_step_id is None or (parent is not None and parent.step_id < row.step_id)
        assert row.depth == (parent.depth if parent else 0) + 1
        if row.kind != "change":
            assert row.state == (parent.state if parent else 0)
        if row.parallel_group is not None:
            groups.setdefault((row.branch, row.parallel_group), set()).add(row.parent_step_id)
        assert 0 < len(row.label) <= LABEL_LENGTH
        assert row.label.isprintable()
    assert all(len(parents) == 1 for parents in groups.values())
    assert nx.is_arborescence(as_graph(tree))
    lines = render_text(tree, width=60).splitlines() if tree.rows else []
    assert len(lines) == len(tree.rows)
    assert all(len(line) <= 60 for line in lines)
