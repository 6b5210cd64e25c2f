"""Figures in one panel: rates with whiskers, cells, curves."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from codetracer_core.analytics import GROUP_WORDS, FigureData
from codetracer_core.analytics.frames import KINDS
from codetracer_core.figures.style import (
    Theme,
    faint,
    in_scale,
    interval,
    look_of,
    percent,
    plain_figure,
    safe,
    told,
)
from codetracer_core.words import number_of

_ROW, _CELL = 30, 40
"""Heights of a row of whiskers and of a row of cells, pixels."""
_MOST_BANDS = 3


# ---------------------------------------------------------------- rates with whiskers


def solved_rate(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    return _whiskers(
        rows,
        theme,
        names=[safe(group) for group in rows["group"]],
        written=[f"{percent(row['value'])}  {row['solved']} of {row['runs']}" for _, row in rows.iterrows()],
        hovers=[f"{safe(row['group'], 90)}<br>{told(row, 'solved', 'runs')}" for _, row in rows.iterrows()],
        axis="runs that solved their task",
        limits=(0, 1),
    )


def replay(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    return _whiskers(
        rows,
        theme,
        names=[f"{safe(row.group)}, {row.when}" for row in rows.itertuples()],
        written=[f"{percent(row['value'])}  n = {row['runs']}" for _, row in rows.iterrows()],
        hovers=[
            f"{safe(row['group'], 90)}, {row['when']}<br><b>{percent(row['value'])}</b> of {row['runs']}<br>"
            f"{interval(row, percent)}"
            for _, row in rows.iterrows()
        ],
        axis="pass@1, and the difference of the two",
        limits=(min(0.0, float(rows["low"].min(skipna=True) or 0), float(rows["value"].min())), 1),
    )


def _whiskers(
    rows: pd.DataFrame,
    theme: Theme,
    *,
    names: Sequence[str],
    written: Sequence[str],
    hovers: Sequence[str],
    axis: str,
    limits: tuple[float, float],
) -> go.Figure:
    """A row for each number: its name at the left, the value with its interval, and in figures at the right."""
    drawn = plain_figure(theme)
    colour = theme.series[0]
    at = np.arange(len(rows))
    value = rows["value"]
    drawn.add_scatter(
        x=value,
        y=at,
        mode="markers",
        customdata=at,
        hovertext=hovers,
        hovertemplate="%{hovertext}<extra></extra>",
        # hollow: of too few for an interval
        marker={
            "color": colour,
            "size": 10,
            "symbol": ["circle-open" if np.isnan(low) else "circle" for low in rows["low"]],
            "line": {"width": 2},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (rows["high"] - value).fillna(0),
            "arrayminus": (value - rows["low"]).fillna(0),
            "color": colour,
            "thickness": 1.6,
            "width": 5,
        },
    )
    for place, text in enumerate(written):
        drawn.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=12,
            y=place,
            text=text,
            showarrow=False,
            font={"size": 13, "color": theme.text},
        )
    low, high = limits
    drawn.update_layout(
        height=_ROW * len(rows) + 64,
        margin={"l": 8, "r": 150, "t": 8, "b": 48},
        xaxis={"title": {"text": axis}, "tickformat": ".0%", "range": [low - 0.02, high + 0.02]},
        yaxis={
            "tickvals": at,
            "ticktext": list(names),
            "range": [len(rows) - 0.4, -0.6],
            "showgrid": False,
        },
    )
    return drawn


# ---------------------------------------------------------------- cells


def solved_by_category(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    counts = rows.groupby("category", sort=False)["runs"].sum().sort_values(ascending=False, kind="stable")
    categories = list(counts.index)
    groups = list(dict.fromkeys(rows["group"]))
    return _cells(
        theme,
        x=[groups.index(group) for group in rows["group"]],
        y=[categories.index(category) for category in rows["category"]],
        values=rows["value"],
        texts=[f"{row.solved}/{row.runs}" for row in rows.itertuples()],
        hovers=[
            f"{safe(row['category'], 90)}, {safe(row['group'], 90)}<br>{told(row, 'solved', 'runs')}"
            for _, row in rows.iterrows()
        ],
        columns=[safe(group, 28) for group in groups],
        names=[f"{safe(category, 36)}  ({counts[category]})" for category in categories],
        key=f"solved runs of all runs, by {GROUP_WORDS[data.by]}",
    )


def error_ranges(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    groups = list(dict.fromkeys(rows["group"]))
    ranges = list(dict.fromkeys(rows["range"]))
    of = rows.drop_duplicates("group").set_index("group")["of"]
    return _cells(
        theme,
        x=[ranges.index(range_) for range_ in rows["range"]],
        y=[groups.index(group) for group in rows["group"]],
        values=rows["value"],
        texts=["–" if not row["all_steps"] else percent(row["value"]) for _, row in rows.iterrows()],
        hovers=[
            f"{safe(row['group'], 90)}, steps {row['range']}<br>{told(row, 'steps', 'of')}<br>"
            f"{int(row['all_steps']):,} steps of any verdict in this range"
            for _, row in rows.iterrows()
        ],
        columns=ranges,
        names=[f"{safe(group)}  ({of[group]})" for group in groups],
        key="step numbers; share of the group's incorrect steps, which are counted in brackets; – no run is so long",
        most=float(rows["value"].max()),
    )


def transitions(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    lines = list(dict.fromkeys(zip(rows["group"], rows["before"], strict=True)))
    of = rows.drop_duplicates(["group", "before"]).set_index(["group", "before"])["of"]
    return _cells(
        theme,
        x=[KINDS.index(kind) for kind in rows["after"]],
        y=[lines.index((row.group, row.before)) for row in rows.itertuples()],
        values=rows["value"],
        texts=[percent(value) for value in rows["value"]],
        hovers=[
            f"{safe(row['group'], 90)}: {row['before']}, then {row['after']}<br>{told(row, 'steps', 'of')}"
            for _, row in rows.iterrows()
        ],
        columns=[f"then {kind}" for kind in KINDS],
        names=[f"{safe(group)}: {before}  ({of[group, before]:,})" for group, before in lines],
        key="share of the steps that follow; how many there are, in brackets",
    )


def _cells(
    theme: Theme,
    *,
    x: Sequence[int],
    y: Sequence[int],
    values: "pd.Series[float]",
    texts: Sequence[str],
    hovers: Sequence[str],
    columns: Sequence[str],
    names: Sequence[str],
    key: str,
    most: float = 1.0,
) -> go.Figure:
    """A table of squares that stand out the more the greater the share; what it is stands in each.

    ``most``: the share that stands out most.
    """
    drawn = plain_figure(theme)
    colours, inks = zip(*(in_scale(theme, value / (most or 1)) for value in values), strict=True)
    drawn.add_scatter(
        x=list(x),
        y=list(y),
        mode="markers+text",
        text=list(texts),
        textposition="middle center",
        textfont={"size": 12, "color": list(inks)},
        customdata=np.arange(len(values)),
        hovertext=list(hovers),
        hovertemplate="%{hovertext}<extra></extra>",
        marker={
            "symbol": "square",
            "size": _CELL - 2,
            "color": list(colours),
            "line": {"width": 1, "color": theme.grid},
        },
        unselected={"marker": {"opacity": 0.3}, "textfont": {"color": theme.text}},
    )
    tall = max((len(column) for column in columns), default=0) > 12
    top = 130 if tall else 34
    drawn.update_layout(
        height=_CELL * len(names) + top + 40,
        margin={"l": 8, "r": 60, "t": top, "b": 40},
        xaxis={
            "tickvals": list(range(len(columns))),
            "ticktext": list(columns),
            "tickangle": -35 if tall else 0,
            "side": "top",
            "range": [-0.6, max(len(columns) - 0.4, 8.6)],
            "showgrid": False,
        },
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": list(names),
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
        },
    )
    tone = "darker: more" if theme.background == "#ffffff" else "brighter: more"
    drawn.add_annotation(
        text=f"{key}; {tone}",
        x=0,
        xref="paper",
        xanchor="left",
        y=0,
        yref="paper",
        yanchor="top",
        yshift=-10,
        showarrow=False,
        font={"size": 12, "color": theme.quiet},
    )
    return drawn


# ---------------------------------------------------------------- curves


def solved_by_budget(data: FigureData, theme: Theme) -> go.Figure:
    return _curves(
        data,
        theme,
        steps=True,
        hover=lambda row: f"within {int(row['at']):,} steps: {told(row, 'solved', 'runs')}",
        x="step limit",
        y="runs that solved their task within it",
        lasting=True,
    )


def error_free(data: FigureData, theme: Theme) -> go.Figure:
    return _curves(
        data, theme, steps=True, hover=_survival("after step"), x="step", y="runs still without an error", from_one=True
    )


def onset_to_failure(data: FigureData, theme: Theme) -> go.Figure:
    return _curves(
        data,
        theme,
        steps=True,
        hover=_survival("steps after the onset:"),
        x="steps after the failure onset",
        y="runs without a failed command since",
        from_one=True,
    )


def kinds_by_position(data: FigureData, theme: Theme) -> go.Figure:
    return _curves(
        data,
        theme,
        steps=False,
        hover=lambda row: f"{row['tenth'] * 10}–{row['tenth'] * 10 + 10} % of the run: {told(row, 'steps', 'of')}",
        x="place in the run, percent of its steps",
        y="steps that change something",
        until=100,
    )


def _survival(words: str) -> Callable[[Any], str]:
    return lambda row: (
        f"{words} {int(row['at']):,}: <b>{percent(row['value'])}</b><br>of {number_of(row['at_risk'], 'run')} that got "
        f"there {int(row['errors']):,} fell since the mark before<br>{interval(row, percent)}"
    )


def _curves(
    data: FigureData,
    theme: Theme,
    *,
    steps: bool,
    hover: Callable[[Any], str],
    x: str,
    y: str,
    lasting: bool = False,
    from_one: bool = False,
    until: float | None = None,
) -> go.Figure:
    """A curve for each group with its interval as a band; its name stands at its end. With many curves bands would hide
    each other: then the interval of the last value stands with the name.

    ``steps``: the value holds until the next one. ``lasting``: and the last one to the end of the axis. ``from_one``:
    all begin at 100 %. ``until``: end of the axis.
    """
    drawn = plain_figure(theme)
    shape = "hv" if steps else "linear"
    ends: list[tuple[float, str, str]] = []
    many = data.rows["group"].nunique() > _MOST_BANDS
    furthest = float(data.rows["at"].max())
    for number, (group, rows) in enumerate(data.rows.groupby("group", sort=False)):
        colour, symbol, dash = look_of(str(group), number, theme)
        rows = rows[rows["value"].notna()]
        if not len(rows):
            continue
        at, value = list(rows["at"]), list(rows["value"])
        bounded = rows[rows["low"].notna()]
        if len(bounded) and not many:
            # a band of a step curve is drawn along its steps
            edge = {"mode": "lines", "line": {"width": 0, "shape": shape}, "hoverinfo": "skip", "showlegend": False}
            drawn.add_scatter(x=list(bounded["at"]), y=list(bounded["low"]), **edge)
            drawn.add_scatter(
                x=list(bounded["at"]), y=list(bounded["high"]), fill="tonexty", fillcolor=faint(colour), **edge
            )
        first = 0.0 if data.rows["at"].min() >= 0 else float(data.rows["at"].min())
        lead = [(first, 1.0 if from_one else 0.0)] if steps and at[0] > 0 else []
        drawn.add_scatter(
            x=[place for place, _ in lead] + at + ([furthest] if lasting and at[-1] < furthest else []),
            y=[share for _, share in lead] + value + ([value[-1]] if lasting and at[-1] < furthest else []),
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash, "shape": shape},
            hoverinfo="skip",
        )
        drawn.add_scatter(
            x=at,
            y=value,
            mode="markers",
            customdata=list(rows.index),
            hovertext=[f"{safe(group, 90)}<br>{hover(row)}" for _, row in rows.iterrows()],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={"color": colour, "symbol": symbol, "size": 6},
        )
        size = f" ({int(rows['runs'].iloc[0]):,})"
        last = rows.iloc[-1]
        if many and not np.isnan(last["low"]):
            size += f" {percent(last['value'])} [{100 * last['low']:.0f}, {100 * last['high']:.0f}]"
        ends.append((value[-1], f"{safe(group, 30)}{size}", colour))
    _name_curves(drawn, ends)
    widest = max((len(name) for _, name, _ in ends), default=0)
    drawn.update_layout(
        height=440,
        margin={"l": 8, "r": min(30 + 7 * widest, 330), "t": 12, "b": 52},
        xaxis={"title": {"text": x}, "range": [0, until or furthest * 1.01 or 1], "dtick": 1 if furthest < 8 else None},
        yaxis={"title": {"text": y}, "tickformat": ".0%", "range": [-0.02, 1.02]},
    )
    return drawn


def _name_curves(drawn: go.Figure, ends: Sequence[tuple[float, str, str]], least: float = 0.055) -> None:
    """Names at the right, at the height of the curve's end, moved apart where they would touch."""
    ordered = sorted(ends)
    heights: list[float] = []
    for value, _, _ in ordered:
        heights.append(max(value, heights[-1] + least if heights else value))
    top = 1.0
    for number in reversed(range(len(heights))):  # what was pushed out above comes down again, and pushes
        heights[number] = min(heights[number], top)
        top = heights[number] - least
    for height, (_, name, colour) in zip(heights, ordered, strict=True):
        drawn.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=height,
            text=name,
            showarrow=False,
            font={"color": colour, "size": 13},
        )
