"""How figures look: colours that stay apart for colour-blind eyes, a shape beside each, light and dark."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from codetracer_core.actions import shown
from codetracer_core.analytics.frames import OUTCOMES
from codetracer_core.words import OUTCOME_WORDS, minus

# Okabe and Ito's colours, which stay apart for colour-blind eyes, and a marker shape each for those who print.
STYLES: dict[str, tuple[str, str]] = {
    "explore": ("#56b4e9", "circle"),
    "change": ("#d55e00", "square"),
    "message": ("#999999", "diamond"),
    "correct": ("#009e73", "circle"),
    "incorrect": ("#d55e00", "x"),
    "unuseful": ("#e69f00", "triangle-up"),
    "uncertain": ("#cc79a7", "diamond"),
    "unlabelled": ("#b0b0b0", "circle-open"),
    "solved": ("#009e73", "circle"),
    "not solved": ("#d55e00", "x"),
    "unknown": ("#999999", "circle-open"),
}
"""What a word of the vocabulary looks like everywhere: colour and marker."""
ENDINGS = tuple(OUTCOME_WORDS[outcome] for outcome in OUTCOMES)
"""Outcomes as figures say them, in their order."""
PATTERNS = {"explore": "", "change": "/", "message": "."} | {
    "correct": "",
    "incorrect": "x",
    "unuseful": "\\",
    "uncertain": "+",
    "unlabelled": ".",
}
"""How bars of it are hatched."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
FONT = "Source Sans, Segoe UI, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    background: str
    text: str
    quiet: str
    """Of what stands back: axis titles, notes."""
    grid: str
    series: tuple[str, ...]
    scale: tuple[str, ...]
    """From little to much."""


LIGHT = Theme(
    background="#ffffff",
    text="#23262b",
    quiet="#5b626d",
    grid="#e3e6eb",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#5b626d", "#8c564b"),
    scale=("#eef4fb", "#bcd6ee", "#7fb0dc", "#3f83bf", "#0b4f8a"),
)
DARK = Theme(
    background="#16181c",
    text="#e6e8eb",
    quiet="#a3abb8",
    grid="#30343c",
    series=("#56a9e8", "#f08a4b", "#2fc79a", "#e39ac4", "#e9b949", "#9ad7f7", "#b9c0cc", "#c79a8a"),
    scale=("#22303f", "#2b4c6d", "#33709f", "#4d9bd0", "#8fd0f7"),
)


def theme_of(*, dark: bool) -> Theme:
    return DARK if dark else LIGHT


LONGEST_NAME = 44


def safe(text: object, limit: int = LONGEST_NAME) -> str:
    """A text of a run for Plotly: printable, on one line, at most so many characters, its middle left out, escaped."""
    line = shown(str(text), 10 * limit)
    if len(line) > limit:
        head = (limit - 1) // 2
        line = f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
    return html.escape(line)


def in_scale(theme: Theme, value: float) -> tuple[str, str]:
    """The colour of a share between 0 and 1, and that of text upon it."""
    place = min(max(value, 0.0), 1.0) * (len(theme.scale) - 1)
    at = min(int(place), len(theme.scale) - 2)
    low, high = (_rgb(theme.scale[number]) for number in (at, at + 1))
    mixed = np.rint(low + (high - low) * (place - at)).astype(int)
    return f"rgb({mixed[0]},{mixed[1]},{mixed[2]})", "#000000" if _luminance(mixed) > _MIDDLE else "#ffffff"


_MIDDLE = 0.179
"""Luminance on which black and white can be read equally well: (x + 0.05) / 0.05 = 1.05 / (x + 0.05)."""


def _luminance(colour: Any) -> float:
    """Relative luminance as WCAG 2.2 defines it, of red, green and blue between 0 and 255."""
    parts = np.asarray(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _rgb(colour: str) -> Any:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], dtype=float)


def faint(colour: str, alpha: float = 0.16) -> str:
    red, green, blue = _rgb(colour).astype(int)
    return f"rgba({red},{green},{blue},{alpha})"


_OUTCOME_SERIES = {"solved": 2, "not solved": 1, "unknown": 6}


def look_of(name: str, number: int, theme: Theme) -> tuple[str, str, str]:
    """Colour, marker and dash of a series: its own if it is a word of the vocabulary, else by its number."""
    dash = DASHES[number % len(DASHES)]
    if name in _OUTCOME_SERIES:
        colour = theme.series[_OUTCOME_SERIES[name]]
        return colour, STYLES[name][1], dash
    return theme.series[number % len(theme.series)], SYMBOLS[number % len(SYMBOLS)], dash


def plain_figure(theme: Theme) -> go.Figure:
    """An empty figure in this theme."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zeroline": False,
        "tickfont": {"color": theme.text, "size": 13},
        "title": {"font": {"color": theme.quiet, "size": 13}, "standoff": 10},
        "automargin": True,
    }
    layout = go.Layout(
        paper_bgcolor=theme.background,
        plot_bgcolor=theme.background,
        font={"family": FONT, "color": theme.text, "size": 13},
        colorway=list(theme.series),
        xaxis=axis,
        yaxis=axis,
        margin={"l": 8, "r": 16, "t": 8, "b": 44},
        hoverlabel={"font": {"family": FONT, "size": 13}, "align": "left"},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 13}},
        showlegend=False,
        dragmode=False,
        bargap=0.25,
    )
    return go.Figure(layout={"template": go.layout.Template(layout=layout)})


def percent(value: float) -> str:
    """A share or a change of one, as everywhere: "50 %", "−12 %"; *undefined* where there is none."""
    return "undefined" if np.isnan(value) else f"{minus(f'{100 * value:.0f}')} %"


def told(row: Any, count: str, of: str) -> str:
    """A share in words, for a hover: value, the numbers behind it, interval or why there is none."""
    words = f"<b>{percent(row['value'])}</b> ({int(row[count]):,} of {int(row[of]):,})"
    return f"{words}<br>{interval(row, percent)}"


def interval(row: Any, written: Any) -> str:
    if np.isnan(row["low"]):
        return f"no interval: {safe(row['why'], 80)}"
    return f"95 % interval {written(row['low'])} to {written(row['high'])}"


def wrapped(notes: Sequence[str], width: int) -> list[str]:
    """Sentences as lines of at most so many characters, escaped."""
    lines: list[str] = []
    for note in notes:
        line = ""
        for word in shown(note, 2_000).split():
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return [html.escape(line) for line in lines]
