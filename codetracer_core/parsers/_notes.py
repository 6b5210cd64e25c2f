"""Wording of the notes that a parser leaves for the reader."""

from collections.abc import Sequence


def counted(number: int, one: str, many: str) -> str:
    """``1 reply was`` or ``3 replies were``."""
    return f"1 {one}" if number == 1 else f"{number:,} {many}"


def listed(places: Sequence[object], limit: int = 10) -> str:
    """The first places, and an ellipsis if there are more."""
    return ", ".join(str(place) for place in places[:limit]) + (", …" if len(places) > limit else "")
