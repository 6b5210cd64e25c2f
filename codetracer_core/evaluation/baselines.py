"""Rules that know nothing of a run but how long it is: what every system has to beat, on the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from codetracer_core.evaluation.counting import ANSWERED, Observations, Oddities, observe_rule
from codetracer_core.evaluation.rows import Rows


@dataclass(frozen=True)
class Rule:
    """A rule that always names the same steps of a run of a given length."""

    name: str
    title: str
    steps: Callable[[int], range]
    """Number of steps of a run to the steps that are said to be incorrect."""


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("last_step", "the last step", lambda count: range(max(count, 1), count + 1)),
        Rule("last_but_one", "the last step but one", lambda count: range(max(count - 1, 1), count)),
        Rule("second_half", "the second half", lambda count: range(count // 2 + 1, count + 1)),
        Rule("all_steps", "all steps", lambda count: range(1, count + 1)),
        Rule("step_2", "step 2", lambda count: range(2, min(count, 2) + 1)),
    )
}
RANDOM_STEP = "random_step"
SAME_NUMBER = "random_steps_of"


def rule_observations(rows: Rows) -> dict[str, Observations]:
    """What each rule says, and what one random step comes to."""
    return {name: observe_rule(rows, rule.steps) for name, rule in RULES.items()} | {RANDOM_STEP: _one_random(rows)}


def _one_random(rows: Rows) -> Observations:
    """Expectation of one step drawn evenly from each run: it is incorrect with probability expected/steps."""
    some = rows.lengths > 0
    count = len(rows.truth)
    return Observations(
        run=np.arange(count),
        repetition=np.zeros(count, dtype=np.int64),
        status=np.full(count, ANSWERED, dtype=np.int8),
        matched=np.divide(rows.expected, rows.lengths, out=np.zeros(count), where=some),
        predicted=some.astype(float),
        expected=rows.expected.astype(float),
        steps=rows.lengths.astype(float),
    )


def same_number(seen: Observations) -> Observations:
    """Expectation of as many steps, drawn evenly without replacement, as the system named in each observation.

    The number of matches is hypergeometric with mean predicted·expected/steps; precision, recall and F1 of an
    observation are linear in it (both sizes are fixed), so the mean is all that is needed.
    """
    mean = np.divide(seen.predicted * seen.expected, seen.steps, out=np.zeros(len(seen)), where=seen.steps > 0)
    return replace(seen, matched=mean, accused=None, answers=None, oddities=Oddities())
