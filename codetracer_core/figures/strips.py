"""Runs as strips of their steps, a row each."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from codetracer_core.analytics import FigureData
from codetracer_core.analytics.frames import KINDS, VERDICTS
from codetracer_core.figures.style import ENDINGS, STYLES, Theme, look_of, plain_figure, safe


def strips(data: FigureData, theme: Theme) -> go.Figure:
    rows = data.rows
    runs = rows.drop_duplicates("run")
    words = [word for word in (*KINDS, *VERDICTS) if (rows["shown"] == word).any()]
    longest = int(rows["step_id"].max())
    cells = np.full((len(runs), longest), np.nan)
    cells[rows["run"], rows["step_id"] - 1] = rows["shown"].map({word: at for at, word in enumerate(words)})
    colours = [_strip_colour(word, theme) for word in words]
    bands = [[(at + side) / len(words), colour] for at, colour in enumerate(colours) for side in (0, 1)]
    drawn = plain_figure(theme)
    drawn.add_heatmap(
        z=cells,
        x=np.arange(1, longest + 1),
        y=runs["run"],
        zmin=-0.5,
        zmax=len(words) - 0.5,
        colorscale=bands,
        showscale=False,
        ygap=1 if len(runs) < 80 else 0.5,
        xgap=0.5 if longest < 250 else 0,
        hoverongaps=False,
        text=_strip_hovers(rows, runs, longest),
        hovertemplate="%{text}<extra></extra>",
    )
    for word, colour in zip(words, colours, strict=True):
        marked = rows[(rows["shown"] == word).to_numpy()]
        symbol = STYLES[word][1]
        if word in ("incorrect", "unuseful", "uncertain"):  # few, and not to be told by colour alone
            drawn.add_scatter(
                x=marked["step_id"],
                y=marked["run"],
                mode="markers",
                hoverinfo="skip",
                showlegend=False,
                marker={"symbol": symbol, "size": 5, "color": theme.background, "line": {"width": 0}},
            )
        key = {"symbol": "square", "size": 12, "color": colour}
        drawn.add_scatter(x=[None], y=[None], mode="markers", name=word, showlegend=True, marker=key)
    for outcome in ENDINGS:
        of = runs[(runs["outcome"] == outcome).to_numpy()]
        if not len(of):
            continue
        drawn.add_scatter(
            x=[-0.012 * longest] * len(of),
            y=of["run"],
            mode="markers",
            name=f"{outcome} ({len(of)})",
            showlegend=True,
            customdata=list(of.index),
            hovertext=[
                f"{safe(row.run_id, 90)}<br>{safe(row.agent, 60)} · {safe(row.model, 60)}<br>{outcome}"
                for row in of.itertuples()
            ],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={"symbol": STYLES[outcome][1], "size": 7, "color": look_of(outcome, 6, theme)[0]},
        )
    few = len(runs) <= 40
    drawn.update_layout(
        height=int((20 if few else 11) * len(runs)) + 100,
        margin={"l": 8, "r": 16, "t": 34, "b": 50},
        xaxis={"title": {"text": "step"}, "range": [-0.03 * longest, longest + 0.5], "showgrid": False},
        yaxis={
            "tickvals": list(runs["run"]) if few else [],
            "ticktext": [safe(run_id, 34) for run_id in runs["run_id"]] if few else [],
            "range": [len(runs) - 0.4, -0.6],
            "showgrid": False,
            "title": {"text": "" if few else "runs"},
        },
        showlegend=True,
    )
    return drawn


def _strip_colour(word: str, theme: Theme) -> str:
    """What is not labelled stands back."""
    return theme.grid if word == "unlabelled" else STYLES[word][0]


def _strip_hovers(rows: pd.DataFrame, runs: pd.DataFrame, longest: int) -> Any:
    texts = np.full((len(runs), longest), "", dtype=object)
    names = {row.run: safe(row.run_id, 60) for row in runs.itertuples()}
    for run, step, kind, verdict in zip(rows["run"], rows["step_id"], rows["kind"], rows["verdict"], strict=True):
        texts[run, step - 1] = f"{names[run]}<br>step {step}: {kind}{', ' + verdict if verdict else ''}"
    return texts
