"""Tables of numbers as all pages show them: whiskers on a common scale, sorting, links, cells that can be picked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log1p, log10
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import streamlit as st

from codetracer_core.intervals import Estimate
from codetracer_core.ui import components, shell
from codetracer_core.words import minus

Kind = Literal["text", "number", "interval"]
Tone = Literal["", "good", "bad", "weak", "baseline"]

UNDEFINED = "undefined"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    key: str
    label: str
    kind: Kind = "text"
    """"number" lines up by decimals; "interval" draws a whisker beside its text, on one scale for the whole column."""
    help: str = ""
    """Opened by a "?" in the head."""
    scale: tuple[float, float] | None = None
    """Both ends of an interval column's scale; None: from 0, or the lowest end, to the highest end of its cells."""
    reference: float = 0.0
    """Where an interval column draws its line across all rows, if the scale holds it."""


@dataclass(frozen=True)
class Cell:
    """What stands in one place. Any text may be hostile: it reaches the page as text only."""

    text: str
    note: str = ""
    """A sentence that a "?" in the cell opens."""
    value: float | None = None
    """What the column is sorted by, and the point of a whisker; None goes last."""
    low: float | None = None
    high: float | None = None
    """Ends of the whisker; None: no interval."""
    href: str = ""
    """Address in this dashboard (``links.step_address``)."""
    pick: str = ""
    """What ``show_table`` returns when the cell is pressed."""
    tone: Tone = ""
    is_rough: bool = False
    """The whisker is drawn as one that may be too narrow."""
    shade: float = 0.0
    """0 … 1: how strongly the cell is coloured."""


@dataclass(frozen=True)
class Row:
    """One line of a table; ``id`` is its own among the rows."""

    id: str
    cells: Mapping[str, Cell]
    """By the key of the column; a column without a cell is empty."""
    tone: Tone = ""


def show_table(
    key: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str = "",
    sortable: bool = True,
    height: int | None = None,
    selected: str = "",
) -> str:
    """Show a table; returns the ``pick`` of the cell that was pressed, in the run that this press caused, else "".

    ``height`` in pixels, at most: what does not fit is scrolled to; None: about twenty rows. ``selected`` is the pick
    to be marked: whoever wants a choice to last keeps it. Rows start in the given order; a press on a head sorts, a
    third one brings the given order back. A press on a cell with ``href`` goes there and does not return.
    """
    return _shown(key, columns, rows, caption=caption, sortable=sortable, height=height, selected=selected)


def matrix(
    key: str,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    cells: Sequence[Sequence[Cell]],
    *,
    rows_are: str = "",
    columns_are: str = "",
    caption: str = "",
    selected: str = "",
) -> str:
    """Show a table of two ways, such as a confusion table; returns as ``show_table``.

    ``cells[i][j]`` stands in row i and column j. Its colour tells its value, on a logarithmic scale: the counts of a
    confusion table differ by orders of magnitude. ``rows_are`` and ``columns_are`` name the two ways.
    """
    largest = max((cell.value or 0 for row in cells for cell in row), default=0) or 1
    columns = [Column("label", ""), *(Column(f"c{j}", label, "number") for j, label in enumerate(column_labels))]
    shown = [
        Row(
            f"r{i}",
            {
                "label": Cell(row_labels[i]),
                **{f"c{j}": _shaded(cell, largest) for j, cell in enumerate(row)},
            },
        )
        for i, row in enumerate(cells)
    ]
    corner = f"{rows_are} ↓  {columns_are} →" if rows_are and columns_are else rows_are or columns_are
    return _shown(key, columns, shown, caption=caption, selected=selected, isMatrix=True, corner=corner)


def estimate_cell(estimate: Estimate, *, percent: bool = False, digits: int = 2) -> Cell:
    """An estimate as "0.42 [0.31, 0.55]", or "42.1 % [31.0, 55.0]" (one digit fewer); undefined is said, with why.

    Its note says whatever keeps the interval from being there or from being trusted.
    """
    if estimate.value is None:
        return Cell(UNDEFINED, note=f"Undefined: {estimate.why}", tone="weak")
    text = number(estimate.value, percent=percent, digits=digits) + (" %" if percent else "")
    notes = []
    if estimate.low is None or estimate.high is None:
        notes.append(f"No interval: {estimate.why_no_interval}.")
    else:
        low, high = (number(end, percent=percent, digits=digits) for end in (estimate.low, estimate.high))
        text += f" [{low}, {high}]"
        if estimate.is_rough:
            text += " ≈"
            notes.append(f"A rough interval: of {estimate.clusters} clusters only, it may be too narrow.")
    if estimate.undefined_replicates:
        notes.append(f"Undefined in {estimate.undefined_replicates:,} replicates, which are left out of the interval.")
    return Cell(
        text,
        note=" ".join(notes),
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        is_rough=estimate.is_rough,
    )


def number(value: float, *, percent: bool = False, digits: int = 2) -> str:
    """A number as all tables write it, with a true minus sign, and none before a zero."""
    shown = f"{value * 100:,.{max(0, digits - 1)}f}" if percent else f"{value:,.{digits}f}"
    return minus(shown)


def _shaded(cell: Cell, largest: float) -> Cell:
    return replace(cell, shade=log1p(max(0.0, cell.value or 0)) / log1p(largest))


def _as_dict(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in cell.__dataclass_fields__}


def sent_column(column: Column, rows: Sequence[Row]) -> dict[str, Any]:
    """A column as the browser is given it, an interval column with its scale."""
    sent: dict[str, Any] = {"key": column.key, "label": column.label, "kind": column.kind, "help": column.help}
    if column.kind == "interval":
        low, high = column.scale or _scale([row.cells[column.key] for row in rows if column.key in row.cells])
        sent |= {"low": low, "high": high, "reference": column.reference if low <= column.reference <= high else None}
    return sent


def _scale(cells: Sequence[Cell]) -> tuple[float, float]:
    """From 0, or what lies below, to the highest end, both moved out to a round number."""
    ends = [end for cell in cells for end in (cell.value, cell.low, cell.high) if end is not None]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
    if low == high:
        return 0.0, 1.0
    step = 10.0 ** floor(log10(max(high, -low))) / 2
    return floor(round(low / step, 9)) * step, ceil(round(high / step, 9)) * step


def sent_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as the browser is given them, only with what is said of each cell: some thousand rows stay small."""
    empty = Cell("")
    return [
        {
            "id": row.id,
            "tone": row.tone,
            "cells": {
                key: {name: value for name, value in _as_dict(cell).items() if value != getattr(empty, name)}
                for key, cell in row.cells.items()
            },
        }
        for row in rows
    ]


def _shown(key: str, columns: Sequence[Column], rows: Sequence[Row], **told: Any) -> str:
    result = components.table()(
        key=key,
        data={"columns": [sent_column(column, rows) for column in columns], "rows": sent_rows(rows), **told},
        on_pick_change=components.nothing,
        on_open_change=components.nothing,
    )
    if result.open:
        _go(str(result.open))
    return str(result.pick or "")


def _go(address: str) -> None:
    """To a page of the dashboard; whatever else the browser asks for is nothing."""
    parts = urlsplit(address)
    page = shell.pages().get(parts.path.removeprefix("/"))
    if page is not None and not parts.scheme and not parts.netloc:
        st.switch_page(page, query_params=parse_qs(parts.query))
