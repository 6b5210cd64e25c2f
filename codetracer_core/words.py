"""How numbers are said in sentences, wherever they are: in pages, commands and notes."""

from collections.abc import Sequence


def number_of(count: float, thing: str) -> str:
    """ "1 run", "2,000 runs"; means and expectations with one digit: "2.5 runs"."""
    return f"{count:,.{0 if count == int(count) else 1}f} {thing}{'s' * (count != 1)}"


def minus(shown: str) -> str:
    """A formatted number, or a change, with a true minus sign, and none before a zero: "−0.12", "+0.12", "0.00"."""
    return shown.removeprefix("-") if not shown.strip("-0.%") else shown.replace("-", "−")


def listed(places: Sequence[object], limit: int = 10) -> str:
    """The first places, and an ellipsis if there are more."""
    return ", ".join(str(place) for place in places[:limit]) + (", …" if len(places) > limit else "")


def left_out_as_blind(runs: int) -> str:
    """What is said of runs that the person who asks still labels blind, their number and nothing else; no full stop."""
    which, them = ("is", "it") if runs == 1 else ("are", "them")
    return f"{number_of(runs, 'run')} {which} left out: you label {them} blind"
