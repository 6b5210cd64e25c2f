"""What is done again for one step: a command, edits, nothing, or that its meaning is not known."""

from dataclasses import dataclass

from codetracer_core.replay.models import Deed, FileEdit


@dataclass(frozen=True, slots=True)
class Meaning:
    """``command`` and ``edits`` are what is done; ``why`` says why nothing is, or why what is done may differ."""

    deed: Deed
    why: str = ""
    command: str = ""
    edits: tuple[FileEdit, ...] = ()
    compared: bool = True
    """False: what was recorded is not the output of what is done here."""


def nothing(why: str) -> Meaning:
    return Meaning("nothing", why)


def unknown(why: str) -> Meaning:
    return Meaning("not_replayable", why)


def command(text: str, why: str = "") -> Meaning:
    return Meaning("command", why, command=text)


def edits(done: tuple[FileEdit, ...], why: str = "") -> Meaning:
    return Meaning("edit", why, edits=done)
