"""Figures of several panels, and of single runs: small multiples, stacked bars, boxes, strips."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codetracer_core.analytics import FigureData
from codetracer_core.analytics.frames import KINDS, VERDICTS
from codetracer_core.analytics.outcomes import MEASURES
from codetracer_core.figures.style import (
    ENDINGS,
    PATTERNS,
    STYLES,
    Theme,
    faint,
    interval,
    look_of,
    percent,
    plain_figure,
    safe,
    told,
)
from codetracer_core.words import number_of

FEWEST_FOR_A_SHAPE = 20
"""Of fewer runs a violin would draw a shape that is not there: a box, then."""


def _in_panels(theme: Theme, rows: int, columns: int, titles: Sequence[str], **spacing: Any) -> go.Figure:
    drawn = make_subplots(rows=rows, cols=columns, subplot_titles=list(titles), figure=plain_figure(theme), **spacing)
    drawn.update_annotations(font={"size": 14, "color": theme.text})
    return drawn


# ---------------------------------------------------------------- small multiples


def error_position(data: FigureData, theme: Theme) -> go.Figure:
    return _multiples(
        data,
        theme,
        titles=lambda rows: _panel_title(rows, "incorrect step"),
        hovers=lambda row: f"{row['first']}–{row['last']} % of the run<br>{told(row, 'steps', 'of')}",
        axis="place in the run, percent of its steps",
        height="share of the incorrect steps",
        line=0.1,
    )


def effective_ratio(data: FigureData, theme: Theme) -> go.Figure:
    return _multiples(
        data,
        theme,
        titles=lambda rows: _panel_title(rows, "run"),
        hovers=lambda row: f"ratio {100 * row['first']:.0f} to {100 * row['last']:.0f} %<br>{told(row, 'runs', 'of')}",
        axis="effective steps of a run, percent",
        height="share of the runs",
    )


def _panel_title(rows: pd.DataFrame, counted: str) -> str:
    return f"{safe(rows['group'].iloc[0], 30)}: {number_of(int(rows['of'].iloc[0]), counted)}"


def _multiples(
    data: FigureData,
    theme: Theme,
    *,
    titles: Any,
    hovers: Any,
    axis: str,
    height: str,
    line: float | None = None,
) -> go.Figure:
    """A histogram for each group, all with the same axes."""
    groups = [rows for _, rows in data.rows.groupby("group", sort=False)]
    columns = min(len(groups), 3 if len(groups) != 4 else 2)
    down = -(-len(groups) // columns)
    drawn = _in_panels(
        theme,
        down,
        columns,
        [titles(rows) for rows in groups],
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=min(0.12, 0.3 / down),
    )
    tallest = float(np.nanmax([data.rows["value"].max(), data.rows["high"].max(), line or 0]))
    for number, rows in enumerate(groups):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        colour, _, _ = look_of(str(rows["group"].iloc[0]), 0 if data.by not in ("outcome",) else number, theme)
        bounded = rows["low"].notna().any()
        drawn.add_bar(
            x=[5 + 10 * tenth for tenth in range(len(rows))],
            y=rows["value"],
            width=9.2,
            customdata=list(rows.index),
            hovertext=[hovers(row) for _, row in rows.iterrows()],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={"color": colour, "line": {"width": 0}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": (rows["high"] - rows["value"]).where(rows["high"] > 0),
                "arrayminus": (rows["value"] - rows["low"]).where(rows["high"] > 0),
                "color": theme.quiet,
                "thickness": 1.2,
                "width": 3,
                "visible": bool(bounded),
            },
            **place,
        )
        if line is not None:
            drawn.add_hline(y=line, line={"dash": "dot", "color": theme.quiet, "width": 1.2}, **place)
    drawn.update_xaxes(tickvals=[0, 20, 40, 60, 80, 100], range=[0, 100], showgrid=False)
    drawn.update_yaxes(tickformat=".0%", range=[0, min(1.0, tallest * 1.08) or 1], rangemode="tozero")
    for number in range(max(0, len(groups) - columns), len(groups)):  # the lowest panel of each column
        where = {"row": number // columns + 1, "col": number % columns + 1}
        drawn.update_xaxes(title={"text": axis}, showticklabels=True, **where)
    drawn.update_yaxes(title={"text": height}, col=1)
    drawn.update_layout(height=max(320, 230 * down) + 60, margin={"l": 8, "r": 16, "t": 30, "b": 52})
    return drawn


# ---------------------------------------------------------------- stacked bars


def step_budget(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    lines = list(dict.fromkeys(zip(rows["group"], rows["outcome"], strict=True)))
    # every group has kinds, not every one has verdicts: in the order of the kinds none comes before its place
    groups = list(dict.fromkeys(rows.sort_values("split", kind="stable")["group"]))
    lines.sort(key=lambda line: (groups.index(line[0]), ENDINGS.index(line[1])))
    # groups stand apart: a gap before the first line of each
    heights: dict[tuple[str, str], float] = {}
    at = -1.0
    for before, line in zip([None, *lines], lines, strict=False):
        at += 1.0 if before is None or before[0] == line[0] else 1.45
        heights[line] = at
    splits = [split for split in ("verdict", "kind") if (rows["split"] == split).any()]
    drawn = _in_panels(
        theme, 1, len(splits), [f"by {split}" for split in splits], shared_yaxes=True, horizontal_spacing=0.03
    )
    drawn.update_annotations(yshift=26)
    for column, split in enumerate(splits, start=1):
        here = rows[rows["split"] == split]
        for what in VERDICTS if split == "verdict" else KINDS:
            part = here[(here["what"] == what).to_numpy()]
            if not part["steps"].sum():
                continue
            drawn.add_bar(
                x=part["value"],
                y=[heights[line] for line in zip(part["group"], part["outcome"], strict=True)],
                orientation="h",
                name=what,
                legend="legend" if split == "verdict" else "legend2",
                showlegend=True,
                width=0.84,
                customdata=list(part.index),
                text=[f"{value:.1f}" for value in part["value"]],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                constraintext="none",
                textfont={"size": 11, "color": "#16181c"},
                hovertext=[_budget_hover(row) for _, row in part.iterrows()],
                hovertemplate="%{hovertext}<extra></extra>",
                marker={
                    "color": STYLES[what][0],
                    "line": {"width": 0.5, "color": theme.background},
                    "pattern": {
                        "shape": PATTERNS[what],
                        "fillmode": "overlay",
                        "size": 6,
                        "solidity": 0.25,
                        "fgcolor": theme.background,
                        "fgopacity": 0.35,
                    },
                },
                row=1,
                col=column,
            )
    _drop_narrow_texts(drawn, rows)
    counts = {
        split: part.drop_duplicates(["group", "outcome"]).set_index(["group", "outcome"])["runs"]
        for split, part in rows.groupby("split")
    }
    names = []
    for line in lines:
        n = [str(counts[split].get(line, 0)) for split in splits]
        names.append(f"{safe(line[0], 34)}, {line[1]}  ({n[0] if len(set(n)) == 1 else ' / '.join(n)})")
    drawn.update_yaxes(
        tickvals=[heights[line] for line in lines], ticktext=names, range=[at + 0.6, -0.6], showgrid=False
    )
    drawn.update_xaxes(title={"text": "steps per run"}, rangemode="tozero")
    key = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "traceorder": "normal"}
    drawn.update_layout(
        barmode="stack",
        showlegend=True,
        height=int(26 * (at + 1.2)) + 120,
        margin={"l": 8, "r": 16, "t": 66, "b": 52},
        legend=key | {"x": 0},
        legend2=key | {"x": 0.515 if len(splits) == 2 else 0},
    )
    return drawn


def _budget_hover(row: Any) -> str:
    return (
        f"{safe(row['group'], 90)}, {row['outcome']}<br><b>{row['value']:.2f}</b> {row['what']} steps per run "
        f"({row['steps']:,} in {number_of(row['runs'], 'run')})<br>{interval(row, lambda value: f'{value:.2f}')}"
    )


def _drop_narrow_texts(drawn: go.Figure, rows: pd.DataFrame) -> None:
    """No number in a bar that is too narrow for it: Plotly would let it stand over its neighbours."""
    longest = float(rows.groupby(["split", "group", "outcome"])["value"].sum().max())
    for bar in drawn.data:
        bar.text = [text if value > 0.075 * longest else "" for text, value in zip(bar.text, bar.x, strict=True)]


# ---------------------------------------------------------------- single runs


def effective_runs(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    groups = list(rows.groupby("group", sort=False)["value"].count().sort_values(ascending=False, kind="stable").index)
    drawn = plain_figure(theme)
    least = float(np.floor(rows["value"].min() * 10) / 10)
    for height, group in enumerate(groups):
        part = rows[(rows["group"] == group).to_numpy()]
        colour = theme.series[height % len(theme.series)]
        _shape(drawn, part["value"], height, colour, {})
        _points(
            drawn,
            part,
            height,
            theme,
            lambda row: f"effective: <b>{percent(row['value'])}</b> of {int(row['steps'])} steps",
        )
    names = [f"{safe(group)}  ({int((rows['group'] == group).sum())})" for group in groups]
    drawn.update_layout(
        height=74 * len(groups) + 100,
        margin={"l": 8, "r": 16, "t": 34, "b": 52},
        xaxis={"title": {"text": "effective steps of a run"}, "tickformat": ".0%", "range": [least - 0.02, 1.02]},
        yaxis={
            "tickvals": list(range(len(groups))),
            "ticktext": names,
            "range": [len(groups) - 0.5, -0.5],
            "showgrid": False,
        },
    )
    _outcome_key(drawn, rows, theme)
    return drawn


def cost(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    measures = [measure for measure in MEASURES if (rows["measure"] == measure).any()]
    outcomes = [outcome for outcome in ENDINGS if (rows["outcome"] == outcome).any()]
    drawn = _in_panels(
        theme, 1, len(measures), [MEASURES[measure] for measure in measures], shared_yaxes=True, horizontal_spacing=0.04
    )
    for column, measure in enumerate(measures, start=1):
        part = rows[(rows["measure"] == measure).to_numpy()]
        place = {"row": 1, "col": column}
        least = part.loc[part["value"] > 0, "value"].min()
        edge = 1.0 if np.isnan(least) else least / 3
        # nothing, on a logarithmic axis: at the left edge, where its tick says 0
        part = part.assign(at=part["value"].where(part["value"] > 0, edge))
        for height, outcome in enumerate(outcomes):
            of = part[(part["outcome"] == outcome).to_numpy()]
            colour = look_of(outcome, 6, theme)[0]
            if len(of):
                _shape(drawn, of["at"], height, colour, place, log=True)
                _points(drawn, of, height, theme, lambda row: f"<b>{row['value']:,.6g}</b>", place, "at")
        low, high = np.log10(edge), np.log10(max(part["at"].max(), edge * 3))
        ticks = [tick for tick in _log_ticks(low, high) if tick > edge * 1.5]
        zero = [edge] if (part["value"] <= 0).any() else []
        drawn.update_xaxes(
            type="log",
            range=[low - 0.12, high + 0.12],
            tickvals=[*zero, *ticks],
            ticktext=[*("0" for _ in zero), *(_short(tick) for tick in ticks)],
            **place,
        )
    counts = rows.drop_duplicates("run_id")["outcome"].value_counts()
    drawn.update_yaxes(
        tickvals=list(range(len(outcomes))),
        ticktext=[f"{outcome}  ({counts[outcome]})" for outcome in outcomes],
        range=[len(outcomes) - 0.5, -0.5],
        showgrid=False,
    )
    drawn.update_layout(height=110 * len(outcomes) + 96, margin={"l": 8, "r": 16, "t": 34, "b": 40})
    return drawn


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten; over a short way also their halves and fifths."""
    leads = (1, 2, 5) if high - low < 2.2 else (1,)
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = [lead * 10.0**power for power in powers for lead in leads]
    return [tick for tick in ticks if low <= np.log10(tick) <= high]


def _short(number: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g} {unit}"
    return f"{number:g}"


def _shape(
    drawn: go.Figure, values: Any, height: float, colour: str, place: dict[str, int], *, log: bool = False
) -> None:
    """How the values lie: a violin of many, a box of few (on a logarithmic axis always: its bandwidth is linear)."""
    if len(values) < 3:
        return
    common = {
        "x": list(values),
        "y": [height] * len(values),
        "orientation": "h",
        "hoverinfo": "skip",
        "showlegend": False,
    }
    if len(values) >= FEWEST_FOR_A_SHAPE and not log and values.nunique() > 2:
        drawn.add_violin(
            **common,
            width=0.86,
            points=False,
            spanmode="hard",
            scalemode="width",
            line={"color": colour, "width": 1},
            fillcolor=faint(colour),
            box={"visible": True, "width": 0.16, "fillcolor": faint(colour, 0.4)},
            meanline={"visible": False},
            **place,
        )
    else:
        line = {"color": colour, "width": 1.4}
        drawn.add_box(**common, width=0.62, boxpoints=False, line=line, fillcolor=faint(colour), **place)


def _points(
    drawn: go.Figure,
    rows: pd.DataFrame,
    height: float,
    theme: Theme,
    hover: Any,
    place: dict[str, int] | None = None,
    column: str = "value",
) -> None:
    """A mark for each run, those of a line beside each other; its outcome is its colour and shape."""
    # golden section: even at any number; few stay near their line
    spread = ((np.arange(len(rows)) * 0.618_034) % 1 - 0.5) * min(0.5, 0.05 * (len(rows) - 1))
    for outcome in ENDINGS:
        mine = (rows["outcome"] == outcome).to_numpy()
        part = rows[mine]
        if not len(part):
            continue
        colour = look_of(outcome, 6, theme)[0]
        drawn.add_scatter(
            x=part[column],
            y=height + spread[mine],
            mode="markers",
            customdata=list(part.index),
            hovertext=[f"{safe(row['run_id'], 90)} ({outcome})<br>{hover(row)}" for _, row in part.iterrows()],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={
                "color": colour,
                "symbol": STYLES[outcome][1],
                "size": 7,
                "opacity": 0.75,
                "line": {"width": 1, "color": colour},
            },
            showlegend=False,
            **(place or {}),
        )


def _outcome_key(drawn: go.Figure, rows: pd.DataFrame, theme: Theme) -> None:
    """What the marks mean, for the outcomes that occur."""
    for outcome in ENDINGS:
        if (rows["outcome"] == outcome).any():
            marker = {"color": look_of(outcome, 6, theme)[0], "symbol": STYLES[outcome][1], "size": 9}
            drawn.add_scatter(x=[None], y=[None], mode="markers", name=outcome, showlegend=True, marker=marker)
    drawn.update_layout(showlegend=True)
