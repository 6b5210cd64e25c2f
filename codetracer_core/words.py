"""How numbers and outcomes are said, wherever they are: in pages, commands, figures and notes."""

from collections.abc import Mapping, Sequence

OUTCOME_WORDS: Mapping[bool | str | None, str] = {
    True: "solved",
    False: "not solved",
    None: "unknown",
    "solved": "solved",
    "failed": "not solved",
    "unknown": "unknown",
}
"""What people read of a run's outcome, by ``Outcome.solved`` and by the word that stands for it in the store, in files,
filters and addresses. There it is "failed"; people read that only of what itself failed: a command, a diagnosis."""


def outcome_alone(outcome: bool | str | None) -> str:
    """As ``OUTCOME_WORDS``, where nothing beside it says what is unknown."""
    words = OUTCOME_WORDS[outcome]
    return "outcome unknown" if words == "unknown" else words


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
