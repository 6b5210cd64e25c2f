"""From the data of a figure to the figure: which form each has, and what stands around it in a file of its own."""

from collections.abc import Callable
from dataclasses import replace

import plotly.graph_objects as go

from codetracer_core.analytics import GROUP_WORDS, Figure, FigureData
from codetracer_core.figures import forms, panels, strips
from codetracer_core.figures.style import Theme, plain_figure, safe, theme_of, wrapped
from codetracer_core.words import OUTCOME_WORDS

_FORMS: dict[str, Callable[[FigureData, Theme], go.Figure]] = {
    "solved_rate": forms.solved_rate,
    "solved_by_category": forms.solved_by_category,
    "solved_by_budget": forms.solved_by_budget,
    "cost": panels.cost,
    "step_budget": panels.step_budget,
    "effective_ratio": panels.effective_ratio,
    "effective_runs": panels.effective_runs,
    "error_position": panels.error_position,
    "error_ranges": forms.error_ranges,
    "error_free": forms.error_free,
    "onset_to_failure": forms.onset_to_failure,
    "kinds_by_position": forms.kinds_by_position,
    "transitions": forms.transitions,
    "strips_by_kind": strips.strips,
    "strips_by_verdict": strips.strips,
    "replay": forms.replay,
}
_LINE = 17
"""Height of a line of notes, pixels."""
_CHARACTERS = 125


def draw(figure: Figure, data: FigureData, *, dark: bool = False, alone: bool = False) -> go.Figure:
    """The figure. The ``customdata`` of each mark is the number of its row in ``data.rows``.

    ``alone``: it will stand by itself, so its title, question and notes stand in it.
    """
    theme = theme_of(dark=dark)
    drawn = _FORMS[figure.name](_in_words(data), theme) if len(data.rows) else _empty(data.why, theme)
    if alone:
        _surround(drawn, figure, data, theme)
    return drawn


def _in_words(data: FigureData) -> FigureData:
    """The same rows, outcomes in the words that people read."""
    told = [name for name in ("outcome", *(["group"] if data.by == "outcome" else [])) if name in data.rows]
    words = {name: data.rows[name].map(OUTCOME_WORDS.get).fillna(data.rows[name]) for name in told}
    return replace(data, rows=data.rows.assign(**words))


def _empty(why: str, theme: Theme) -> go.Figure:
    drawn = plain_figure(theme)
    drawn.update_layout(height=160, xaxis={"visible": False}, yaxis={"visible": False})
    words = "<br>".join(wrapped([why], 100))
    drawn.add_annotation(text=words, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 15})
    return drawn


def _surround(drawn: go.Figure, figure: Figure, data: FigureData, theme: Theme) -> None:
    """Title and question above, notes below; the plot itself keeps its size."""
    told_apart = f" Told apart by {GROUP_WORDS[data.by]}." if data.by != "all" and len(data.rows) else ""
    lines = wrapped(data.notes, _CHARACTERS)
    margin = drawn.layout.margin.to_plotly_json() or {}
    top, bottom = margin.get("t", 8), margin.get("b", 44)
    above, below = 66, _LINE * len(lines) + 14
    drawn.update_layout(
        height=drawn.layout.height + above + below,
        margin={**margin, "t": top + above, "b": bottom + below},
        title={
            "text": f"<b>{safe(figure.title, 80)}</b>",
            "subtitle": {"text": safe(figure.question + told_apart, 200), "font": {"color": theme.quiet, "size": 14}},
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14, "l": 0},
            "font": {"size": 19},
        },
    )
    if lines:
        drawn.add_annotation(
            text="<br>".join(lines),
            x=0,
            xref="paper",
            xanchor="left",
            y=0,
            yref="paper",
            yanchor="top",
            yshift=-(bottom + 6),
            align="left",
            showarrow=False,
            font={"size": 12, "color": theme.quiet},
        )
