"""Figures over many runs: from frames of runs and labelled steps to rows of numbers. Pure; ``figures`` draws them."""

from codetracer_core.analytics.figure import GROUP_WORDS, GROUPS, Figure, FigureData, Group
from codetracer_core.analytics.frames import FILTERS, UNKNOWN, Frames, Labels, filtered, made, named, names_in
from codetracer_core.analytics.registry import FIGURES, data_of, figure_named

__all__ = [
    "FIGURES",
    "FILTERS",
    "GROUPS",
    "GROUP_WORDS",
    "UNKNOWN",
    "Figure",
    "FigureData",
    "Frames",
    "Group",
    "Labels",
    "data_of",
    "figure_named",
    "filtered",
    "made",
    "named",
    "names_in",
]
