"""What a parser module says of itself: a name, how it recognises its runs, how it reads one."""

from collections.abc import Callable
from dataclasses import dataclass

from codetracer_core.models import Trajectory
from codetracer_core.parsers._artifacts import Artifacts


@dataclass(frozen=True)
class Claim:
    """A parser's word that here lies a run of its format.

    ``unit`` is "." where the folder as a whole is the run (a trial folder), else the name of the one file in the
    folder that is the run. ``files`` is the evidence that identifies the run, relative to the folder, main file
    first. ``member`` names one of several runs in the same file ("L3": the record on line 3). ``covers`` names
    sub-folders that belong to this run, so that nothing inside them is looked at as a run of its own; files
    named in ``files`` are covered too.
    """

    unit: str
    files: tuple[str, ...]
    view: str
    member: str | None = None
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """One trajectory format.

    ``recognise`` looks at a folder (names and heads of files, cheaply: it is called for every folder below an
    import root) and returns a claim for each run of this format that lies directly in it; it never raises for
    strange content. ``parse`` reads one claimed run; it raises a ``CodeTracerError`` rather than guess. Its third
    argument is the manifest's step count, where there is one, for the one format with two published readings.
    ``is_taught``: it was described by a person or a model of this workspace, so it is only asked about folders in
    which no other format recognises anything.
    """

    name: str
    title: str
    recognise: Callable[[Artifacts], list[Claim]]
    parse: Callable[[Artifacts, Claim, int | None], Trajectory]
    is_taught: bool = False
