"""Steps of a run as text that fits: long texts show their beginning and end, and what had to be left out is named."""

from collections.abc import Iterator, Sequence

from codetracer_core.diagnosis.reading import Reading, listed
from codetracer_core.diagnosis.tools import read_steps
from codetracer_core.models import Trajectory

LEAST = 500
"""Characters that a step gets at least if it is shown at all; of a shorter look nobody could judge."""
USUAL = 3_000
"""Characters of a step, at most, where a run is cut in parts."""


def condensed(reading: Reading, steps: Sequence[int], characters: int) -> str:
    """The text of these steps (in order) in about so many characters; what is shown counts as read.

    If they are too many, those that matter least are left out: explorations that did not fail, those in the middle of
    the run first. Which ones, is said.
    """
    by_weight = sorted(steps, key=lambda number: _weight(reading, number), reverse=True)
    kept = set(by_weight[: max(1, characters // LEAST)])
    text = read_steps(reading, [number for number in steps if number in kept], characters)
    left_out = [number for number in steps if number not in kept]
    return f"{text}\n\nNot shown, for want of room: {listed(left_out)}." if left_out else text


def in_parts(trajectory: Trajectory, characters: int) -> Iterator[list[int]]:
    """Step numbers in order, cut in parts of about so many characters, long steps counted as ``USUAL``."""
    part: list[int] = []
    size = 0
    for step in trajectory.steps:
        length = sum(len(text) for text in (step.thought, step.action, step.observation) if text)
        length = min(USUAL, max(LEAST, length))
        if part and size + length > characters:
            yield part
            part, size = [], 0
        part.append(step.step_id)
        size += length
    if part:
        yield part


def _weight(reading: Reading, number: int) -> tuple[bool, int]:
    """The greater, the more a step matters: changes, failures and the end; among these, how near it is to an end."""
    count = reading.trajectory.step_count
    failed = reading.trajectory.steps[number - 1].exit_code not in (None, 0)
    return reading.row(number).kind == "change" or failed or number > count - 3, abs(2 * number - count - 1)
