"""A whole run as one picture, and its facts: pure functions from a trajectory to a figure and to tables."""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import plotly.graph_objects as go

from codetracer_core.figures.style import STYLES
from codetracer_core.models import Stage, Trajectory
from codetracer_core.tree import ROOT, TraceTree, as_graph
from codetracer_core.words import OUTCOME_WORDS

ColourBy = Literal["kind", "verdict", "ground truth", "stage"]
SizeBy = Literal["text", "time"]

_STAGE_COLOURS = ("#7a8ed0", "#4fa3a5", "#b98a4a", "#a778b4", "#7fa650", "#c27a88")
_SMALLEST, _LARGEST = 7.0, 26.0


def tree_positions(tree: TraceTree) -> dict[int, tuple[float, float]]:
    """Where each step stands: state nodes along a line to the right, what hangs under a state below it.

    A tree of one linear run is a spine with leaves; drawn like this it stays readable at any length, which general
    graph layouts do not (they turn a spine of a hundred nodes into a hair ball). ``ROOT`` stands at (0, 0). Steps of
    a sub-agent hang in the column of the state in which they were taken.
    """
    column = {0: 0}
    depth: dict[int, int] = {}
    positions: dict[int, tuple[float, float]] = {ROOT: (0.0, 0.0)}
    for row in tree.rows:
        opens = row.kind == "change" and row.state not in column
        if opens:
            column[row.state] = len(column)
        x = column.setdefault(row.state, len(column))
        depth[x] = 0 if opens else depth.get(x, 0) + 1
        positions[row.step_id] = (float(x), -float(depth[x]))
    return positions


def tree_figure(
    trajectory: Trajectory,
    tree: TraceTree,
    *,
    stages: Sequence[Stage] = (),
    verdicts: Mapping[int, str] | None = None,
    truth: Mapping[int, str] | None = None,
    colour_by: ColourBy = "kind",
    size_by: SizeBy = "text",
) -> go.Figure:
    """The trace tree as a Plotly figure; the ``customdata`` of a point is its step number."""
    positions = tree_positions(tree)
    figure = go.Figure(_edges(tree, positions))
    sizes = _sizes(trajectory, size_by)
    groups = _groups(tree, stages, verdicts or {}, truth or {}, colour_by)
    for name in dict.fromkeys(groups.values()):
        rows = [row for row in tree.rows if groups[row.step_id] == name]
        colour, symbol = _style(name)
        figure.add_scatter(
            x=[positions[row.step_id][0] for row in rows],
            y=[positions[row.step_id][1] for row in rows],
            mode="markers",
            name=name,
            customdata=[row.step_id for row in rows],
            # Plotly reads a little HTML in hover texts: what comes from the run is escaped.
            text=[f"<b>{row.step_id}</b> {html.escape(row.label[:90])}<br>{html.escape(row.reason)}" for row in rows],
            hovertemplate="%{text}<extra></extra>",
            marker={
                "color": colour,
                "symbol": symbol,
                "size": [sizes[row.step_id] for row in rows],
                "line": {"width": 1, "color": "rgba(128,128,128,0.6)"},
            },
        )
    deepest = min(y for _, y in positions.values())
    widest = max(x for x, _ in positions.values())
    figure.update_layout(
        height=int(min(900, max(360, 120 - 22 * deepest))),
        margin={"l": 10, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.06},
        dragmode="pan",
        xaxis={
            "title": "state nodes (changes), in order",
            "zeroline": False,
            "showgrid": False,
            "tickformat": "d",
            "dtick": max(1, round(widest / 12)),  # whole columns: Plotly would number halves, too
        },
        yaxis={"title": "", "zeroline": False, "showgrid": False, "showticklabels": False},
    )
    return figure


def _edges(tree: TraceTree, positions: Mapping[int, tuple[float, float]]) -> go.Scatter:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for parent, child in as_graph(tree).edges:
        xs += [positions[parent][0], positions[child][0], None]
        ys += [positions[parent][1], positions[child][1], None]
    line = {"color": "rgba(128,128,128,0.45)", "width": 1}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _groups(
    tree: TraceTree,
    stages: Sequence[Stage],
    verdicts: Mapping[int, str],
    truth: Mapping[int, str],
    colour_by: ColourBy,
) -> dict[int, str]:
    if colour_by == "kind":
        return {row.step_id: row.kind for row in tree.rows}
    if colour_by == "stage":
        of_step = {step: stage for stage in stages for step in range(stage.start_step_id, stage.end_step_id + 1)}
        return {
            row.step_id: f"stage {of_step[row.step_id].stage_id}" if row.step_id in of_step else "no stage"
            for row in tree.rows
        }
    chosen = verdicts if colour_by == "verdict" else truth
    return {row.step_id: chosen.get(row.step_id, "unlabelled") for row in tree.rows}


def _style(group: str) -> tuple[str, str]:
    if group in STYLES:
        return STYLES[group]
    number = group.removeprefix("stage ")
    return (_STAGE_COLOURS[int(number) % len(_STAGE_COLOURS)], "circle") if number.isdigit() else STYLES["unlabelled"]


def _sizes(trajectory: Trajectory, size_by: SizeBy) -> dict[int, float]:
    """Marker sizes (pixels across), the area in proportion to the characters of a step or to the seconds it took."""
    weights = step_seconds(trajectory) if size_by == "time" else _characters(trajectory)
    heaviest = max((weight for weight in weights.values() if weight is not None), default=0.0) or 1.0
    return {
        step: _SMALLEST + (_LARGEST - _SMALLEST) * ((weight or 0.0) / heaviest) ** 0.5
        for step, weight in weights.items()
    }


def _characters(trajectory: Trajectory) -> dict[int, float | None]:
    return {
        step.step_id: float(len(step.action) + len(step.observation or "") + len(step.thought or ""))
        for step in trajectory.steps
    }


def step_seconds(trajectory: Trajectory) -> dict[int, float | None]:
    """Seconds from one step's timestamp to the next one's (the last: to the end of the run); None if not known."""
    times = [step.timestamp for step in trajectory.steps]
    following = [*times[1:], trajectory.ended_at]
    return {
        step.step_id: None if (seconds := _seconds_between(before, after)) is None else max(0.0, seconds)
        for step, before, after in zip(trajectory.steps, times, following, strict=False)
    }


def _seconds_between(before: datetime | None, after: datetime | None) -> float | None:
    """None if one is not known, or if only one tells its offset from UTC: such times cannot be compared."""
    if before is None or after is None or (before.tzinfo is None) != (after.tzinfo is None):
        return None
    return (after - before).total_seconds()


def run_facts(trajectory: Trajectory) -> list[tuple[str, str]]:
    """What the files say of the run, as (name, value) pairs of text for a table; what they do not say is "unknown"."""
    outcome, usage = trajectory.outcome, trajectory.usage
    duration = _seconds_between(trajectory.started_at, trajectory.ended_at)
    source, replay = outcome.source, trajectory.replay_of
    passed = sum(test.status == "passed" for test in trajectory.tests)
    return [
        ("Outcome", OUTCOME_WORDS[outcome.solved]),
        (
            "Outcome read from",
            f"{source.path}, line {source.line_start}: {outcome.reason}" if source else outcome.reason,
        ),
        ("Agent's own ending", trajectory.exit_status or "unknown"),
        ("Agent", " ".join(part for part in (trajectory.agent, trajectory.agent_version) if part) or "unknown"),
        ("Model", trajectory.model or "unknown"),
        *([] if replay is None else [("Replay of", f"{replay.run_id}, from step {replay.step_id:,} on")]),
        ("Task", trajectory.task or "unknown"),
        ("Trial", trajectory.trial or "unknown"),
        ("Format", f"{trajectory.format} ({trajectory.view})"),
        ("Steps", str(trajectory.step_count)),
        ("Cost", f"{usage.cost_usd:.4f} USD" if usage.cost_usd is not None else "unknown"),
        ("Prompt tokens", _count(usage.prompt_tokens)),
        ("… of them cached", _count(usage.cached_tokens)),
        ("Completion tokens", _count(usage.completion_tokens)),
        ("Duration", f"{duration:,.0f} s" if duration is not None else "unknown"),
        ("Tests passed", f"{passed} of {len(trajectory.tests)}" if trajectory.tests else "unknown"),
    ]


def results_of_tests(trajectory: Trajectory) -> list[tuple[str, str]]:
    """(Result, name) of each test: those that did not pass first, else in the order of the files."""
    return sorted(((test.status, test.name) for test in trajectory.tests), key=lambda row: row[0] == "passed")


def _count(number: int | None) -> str:
    return f"{number:,}" if number is not None else "unknown"
