"""The picture of a run and its facts."""

from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, get_args

import plotly.graph_objects as go
import pytest

from codetracer_core.models import Branch, Outcome, SourceRef, Stage, Step, TestResult, Trajectory, Usage
from codetracer_core.tree import ROOT, build_tree
from codetracer_core.ui.overview import (
    ColourBy,
    results_of_tests,
    run_facts,
    step_seconds,
    tree_figure,
    tree_positions,
)
from tests.store.factory import NOON, make_run, make_step

HOSTILE = "<img src=x onerror=alert(1)><b>bold</b> %{customdata} &amp;"


def run_of(*steps: Step, **header: Any) -> Trajectory:
    return make_run(steps=steps, **header).trajectory


def linear(count: int = 9, **header: Any) -> Trajectory:
    return run_of(*(make_step(n) for n in range(1, count + 1)), **header)


def figure_of(trajectory: Trajectory, **options: Any) -> go.Figure:
    return tree_figure(trajectory, build_tree(trajectory), **options)


def points(figure: go.Figure) -> dict[int, dict[str, Any]]:
    """What is drawn for each step, by step number."""
    found: dict[int, dict[str, Any]] = {}
    for trace in figure.data[1:]:
        for i, step in enumerate(trace.customdata):
            assert step not in found
            found[step] = {
                "group": trace.name,
                "at": (trace.x[i], trace.y[i]),
                "text": trace.text[i],
                "size": trace.marker.size[i],
                "look": (trace.marker.color, trace.marker.symbol),
            }
    return found


# --- positions ------------------------------------------------------------------------------------------------


def test_states_stand_in_a_row_and_explorations_below_them() -> None:
    # explore, explore, change, explore, explore, change
    positions = tree_positions(build_tree(linear(6)))
    assert positions == {
        ROOT: (0.0, 0.0),
        1: (0.0, -1.0),
        2: (0.0, -2.0),
        3: (1.0, 0.0),
        4: (1.0, -1.0),
        5: (1.0, -2.0),
        6: (2.0, 0.0),
    }


@pytest.mark.parametrize("group", [None, 1])
def test_no_two_steps_stand_on_one_spot(group: int | None) -> None:
    steps = [make_step(n, parallel_group=group, branch="sub" if n in (5, 6, 7, 9) else None) for n in range(1, 13)]
    tree = build_tree(run_of(*steps, branches=(Branch(branch_id="sub", parent_step_id=4),)))
    positions = tree_positions(tree)
    assert positions.keys() == set(range(13))
    assert len(set(positions.values())) == 13


def test_a_run_without_steps_has_its_root_alone() -> None:
    assert tree_positions(build_tree(run_of())) == {ROOT: (0.0, 0.0)}


# --- figure ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour_by", get_args(ColourBy))
def test_every_step_is_one_point_that_knows_its_number(colour_by: ColourBy) -> None:
    trajectory = linear(9)
    figure = figure_of(
        trajectory,
        stages=[Stage(stage_id=1, start_step_id=1, end_step_id=4), Stage(stage_id=2, start_step_id=6, end_step_id=9)],
        verdicts={1: "correct", 2: "incorrect"},
        truth={2: "unuseful"},
        colour_by=colour_by,
    )
    drawn = points(figure)
    assert sorted(drawn) == list(range(1, 10))
    positions = tree_positions(build_tree(trajectory))
    assert {step: point["at"] for step, point in drawn.items()} == {n: positions[n] for n in range(1, 10)}
    groups = {
        "kind": ["explore", "explore", "change"] * 3,
        "verdict": ["correct", "incorrect", *["unlabelled"] * 7],
        "ground truth": ["unlabelled", "unuseful", *["unlabelled"] * 7],
        "stage": [*["stage 1"] * 4, "no stage", *["stage 2"] * 4],
    }
    assert [drawn[n]["group"] for n in range(1, 10)] == groups[colour_by]


@pytest.mark.parametrize(
    "groups",
    [
        ("explore", "change", "message"),
        ("correct", "incorrect", "unuseful", "uncertain", "unlabelled"),
    ],
)
def test_groups_differ_in_colour_and_in_shape(groups: tuple[str, ...]) -> None:
    by_kind = groups[0] == "explore"
    steps = [make_step(1), make_step(2, action="sed -i s/a/b/ x", tool=None), make_step(3, is_message=True, tool=None)]
    steps += [make_step(n) for n in (4, 5)]
    labels = {n: verdict for n, verdict in enumerate(groups, start=1) if verdict != "unlabelled"}
    figure = figure_of(run_of(*steps), verdicts=labels, colour_by="kind" if by_kind else "verdict")
    looks = {point["group"]: point["look"] for point in points(figure).values()}
    assert set(looks) == set(groups)
    assert len({colour for colour, _ in looks.values()}) == len(groups)
    assert len({symbol for _, symbol in looks.values()}) == len(groups)


def test_stages_side_by_side_differ_in_colour() -> None:
    stages = [Stage(stage_id=n, start_step_id=n, end_step_id=n) for n in range(1, 10)]
    drawn = points(figure_of(linear(9), stages=stages, colour_by="stage"))
    assert all(drawn[a]["look"] != drawn[b]["look"] for a, b in pairwise(range(1, 10)))


def test_edges_join_every_step_to_what_it_hangs_below() -> None:
    figure = figure_of(linear(9))
    lines = figure.data[0]
    assert lines.mode == "lines"
    assert lines.hoverinfo == "skip"
    assert len(lines.x) == len(lines.y) == 9 * 3


def test_text_of_the_run_is_escaped_where_plotly_reads_html() -> None:
    step = make_step(1, action=f"echo '{HOSTILE}'", tool=None)
    trajectory = run_of(step, task=HOSTILE)
    figure = figure_of(trajectory, stages=[Stage(stage_id=1, start_step_id=1, end_step_id=1, name=HOSTILE)])
    text = points(figure)[1]["text"]
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "&amp;amp;" in text
    assert "<img" not in figure.to_json().replace("\\u003c", "<")
    assert {trace.hovertemplate for trace in figure.data[1:]} == {"%{text}<extra></extra>"}


def test_size_follows_the_text_or_the_time() -> None:
    steps = [
        make_step(1, observation="x" * 40_000, timestamp=NOON),
        make_step(2, observation=None, thought=None, timestamp=NOON + timedelta(seconds=1)),
        make_step(3, observation="x" * 10_000, timestamp=NOON + timedelta(seconds=101)),
    ]
    trajectory = run_of(*steps, ended_at=NOON + timedelta(seconds=126))

    def sizes(size_by: Literal["text", "time"]) -> list[float]:
        drawn = points(figure_of(trajectory, size_by=size_by))
        return [drawn[n]["size"] for n in (1, 2, 3)]

    by_text, by_time = sizes("text"), sizes("time")
    assert by_text[0] > by_text[2] > by_text[1]
    assert by_time[1] > by_time[2] > by_time[0]
    # a quarter of the seconds is half of the diameter (above the smallest marker)
    smallest = 7.0
    assert (by_time[2] - smallest) / (by_time[1] - smallest) == pytest.approx(0.5)


def test_a_run_without_times_is_drawn_all_the_same() -> None:
    trajectory = run_of(*(make_step(n, timestamp=None) for n in range(1, 4)))
    drawn = points(figure_of(trajectory, size_by="time"))
    assert len({point["size"] for point in drawn.values()}) == 1


@pytest.mark.parametrize("colour_by", get_args(ColourBy))
@pytest.mark.parametrize("size_by", ["text", "time"])
def test_a_run_without_steps_has_a_picture(colour_by: ColourBy, size_by: Literal["text", "time"]) -> None:
    figure = figure_of(run_of(), colour_by=colour_by, size_by=size_by)
    assert points(figure) == {}
    assert figure.layout.height >= 360


# --- seconds --------------------------------------------------------------------------------------------------


def test_a_step_lasts_until_the_next_one_and_the_last_until_the_end() -> None:
    trajectory = run_of(
        make_step(1, timestamp=NOON),
        make_step(2, timestamp=NOON + timedelta(seconds=5)),
        make_step(3, timestamp=None),
        make_step(4, timestamp=NOON + timedelta(seconds=60)),
        make_step(5, timestamp=NOON + timedelta(seconds=30)),
        ended_at=NOON + timedelta(seconds=31),
    )
    assert step_seconds(trajectory) == {1: 5.0, 2: None, 3: None, 4: 0.0, 5: 1.0}
    assert step_seconds(linear(2, ended_at=None)) == {1: 1.0, 2: None}
    assert step_seconds(run_of()) == {}


def test_times_with_and_without_offset_cannot_be_compared_and_are_unknown() -> None:
    trajectory = run_of(make_step(1, timestamp=NOON), make_step(2, timestamp=NOON.replace(tzinfo=None)))
    assert step_seconds(trajectory) == {1: None, 2: None}


# --- facts ----------------------------------------------------------------------------------------------------


def test_what_the_files_do_not_say_is_unknown() -> None:
    facts = dict(run_facts(Trajectory(format="normalised", view="steps.json")))
    known = {"Outcome read from": "no result file", "Format": "normalised (steps.json)", "Steps": "0"}
    assert facts == {name: known.get(name, "unknown") for name in facts}
    assert len(facts) == 15


def test_what_the_files_say_is_told_with_its_source() -> None:
    trajectory = make_run(
        steps=2,
        agent_version="1.2",
        outcome=Outcome(
            solved=True,
            reason="reward 1.0",
            source=SourceRef(path="result.json", line_start=3, line_end=3),
        ),
        exit_status="Submitted",
        usage=Usage(cost_usd=0.0, prompt_tokens=1234567, completion_tokens=0),
        ended_at=NOON + timedelta(hours=1),
        tests=(TestResult(name="a", status="passed"), TestResult(name="b", status="failed")),
    ).trajectory
    facts = dict(run_facts(trajectory))
    assert facts["Outcome"] == "solved"
    assert facts["Outcome read from"] == "result.json, line 3: reward 1.0"
    assert facts["Agent's own ending"] == "Submitted"
    assert facts["Agent"] == "SWE-agent 1.2"
    assert facts["Cost"] == "0.0000 USD"
    assert facts["Prompt tokens"] == "1,234,567"
    assert facts["Completion tokens"] == "0"
    assert facts["… of them cached"] == "unknown"
    assert facts["Duration"] == "3,600 s"
    assert facts["Tests passed"] == "1 of 2"


def test_tests_that_did_not_pass_come_first() -> None:
    results = {"a": "passed", "b": "failed", "c": "passed", "d": "skipped"}
    tests = tuple(TestResult(name=name, status=status) for name, status in results.items())
    rows = [("failed", "b"), ("skipped", "d"), ("passed", "a"), ("passed", "c")]
    assert results_of_tests(linear(1, tests=tests)) == rows


def test_a_duration_from_two_kinds_of_clock_is_unknown() -> None:
    trajectory = linear(1, started_at=NOON, ended_at=NOON.replace(tzinfo=None))
    assert dict(run_facts(trajectory))["Duration"] == "unknown"
