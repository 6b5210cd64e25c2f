"""Figures over many runs, drawn with Plotly from the data of ``analytics``; as HTML, SVG and PNG.

Text of runs is shortened, made printable and escaped before Plotly, which reads some HTML, is given it.
"""

from codetracer_core.figures.drawing import draw
from codetracer_core.figures.files import as_html, as_image

__all__ = ["as_html", "as_image", "draw"]
