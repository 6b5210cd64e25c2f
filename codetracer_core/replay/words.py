"""What replays plan and come to, in words: the same in their log, in a terminal and on the page.

What somebody typed, and names that a run gave, are in some of them.
"""

from collections import Counter
from collections.abc import Mapping

from codetracer_core.replay.models import Checkpoint, ContainerPlace, Deed, GitPlace, LocalPlace, Place
from codetracer_core.words import number_of

PASSED_WORDS: Mapping[bool | None, str] = {True: "passed", False: "failed", None: "not run to the end"}
"""Of the task's own tests."""


def plan_words(plan: Checkpoint) -> str:
    """Such as "12 commands, 3 edits, 4 only looked or talked, 1 cannot be replayed"."""
    counts = Counter[Deed](step.deed for step in plan.steps)
    told = [
        number_of(counts["command"], "command") if counts["command"] else "",
        number_of(counts["edit"], "edit") if counts["edit"] else "",
        f"{counts['nothing']:,} only looked or talked" if counts["nothing"] else "",
        f"{counts['not_replayable']:,} cannot be replayed" if counts["not_replayable"] else "",
    ]
    return ", ".join(filter(None, told)) or "nothing: the replay begins with the task"


def place_words(place: Place) -> str:
    """Where it runs."""
    if isinstance(place, LocalPlace):
        return f"local copy of {place.folder}"
    if isinstance(place, GitPlace):
        return f"git clone of {place.repository} at {place.commit}"
    if isinstance(place, ContainerPlace):
        return f"container {place.image or place.service or place.compose_file}"
    options = ", ".join(f"{name}={value}" for name, value in place.options.items())
    return f"environment {place.name} (of a plugin){f', with {options}' if options else ''}"
