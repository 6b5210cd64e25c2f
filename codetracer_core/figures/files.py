"""Figures as files: pages that open offline, and pictures made by an installed Chromium."""

import re
from typing import Literal

import plotly.graph_objects as go

from codetracer_core.errors import CodeTracerError


def as_html(figure: go.Figure, name: str) -> str:
    """A page with the figure and all that it needs: it opens without a network. The same figure gives the same page.

    ``name``: of the figure, one of ours."""
    page: str = figure.to_html(
        include_plotlyjs=True,
        include_mathjax=False,
        full_html=True,
        div_id=name,
        config={"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg", "filename": name}},
    )
    background = figure.layout.template.layout.paper_bgcolor
    return page.replace(
        "<head>", f"<head><title>{name}</title><style>body {{ background: {background}; margin: 16px }}</style>", 1
    )


def as_image(figure: go.Figure, format: Literal["svg", "png"], *, width: int = 1_100, scale: float = 1) -> bytes:
    """The figure as a picture, drawn by Chromium on this machine; the same figure gives the same SVG.

    Raises CodeTracerError where there is no Chromium, or it does not answer.
    """
    import kaleido
    from kaleido.errors import BrowserFailedError, ChromeNotFoundError, KaleidoError  # they take a second to load

    try:
        drawn: bytes = kaleido.calc_fig_sync(
            figure.to_dict(),
            opts={"format": format, "width": width, "height": figure.layout.height or 500, "scale": scale},
            kopts={"mathjax": False},
        )
    except ChromeNotFoundError:
        raise CodeTracerError("a picture needs Chromium or Chrome, and there is none here", remedy=_REMEDY) from None
    except (BrowserFailedError, KaleidoError, TimeoutError) as error:
        raise CodeTracerError(f"Chromium did not draw the figure ({type(error).__name__})", remedy=_REMEDY) from error
    return _settled(drawn.decode()).encode() if format == "svg" else drawn


_REMEDY = "Install the package chromium, or write the figure as .html or .csv."


_RANDOM = r'(?:id="(?:clip|legend|topdefs-|defs-|p[0-9a-f]{6}-)|class="[^"]* trace)([0-9a-f]{6})'


def _settled(svg: str) -> str:
    """The picture with the random parts of its ids numbered, so that the same figure gives the same file."""
    random = dict.fromkeys(re.findall(_RANDOM, svg))
    for number, part in enumerate(random):
        svg = svg.replace(part, f"figure{number}")
    return svg
