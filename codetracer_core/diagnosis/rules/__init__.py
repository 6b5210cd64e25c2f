"""The offline rules: each a small function that looks for one thing in a run, and says where the run shows it.

``python -m tests.bench heuristic`` measures them. Measured on 44 rows of CodeTraceBench, of whose labelled steps 65
have text (60 incorrect, 5 unuseful), and on 63 real runs with whole text and no labels (1,574 steps):

* *failed edit or install* fires on 14 of the 60 incorrect steps; of steps of any kind it fires on 1 of 550 in runs of
  mini-SWE-agent (other tasks, other models) and on 5 of all 1,574. *same error again* fires on 2, 1 and 5. Most
  incorrect steps show nothing that a rule could see.
* Of 13 solved runs 2 get an incorrect step; looked at one by one, these 3 steps were mistakes that the agent repaired.
* The rules that say *unuseful* follow the definition of the word to the letter (same action, same result, no change
  in between); on the 5 labelled steps they cannot be checked, for what those repeat has no text.

What exactly counts as a failed edit, that a look after a refused edit is not one too many, and ``LONG_STRETCH`` were
chosen with these same runs: the figures show that the rules are sane, not how they do elsewhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from codetracer_core.diagnosis.rules.changes import (
    edits_of_unseen_files,
    edits_taken_back,
    failed_builds,
    failed_edits,
    ignored_errors,
    same_errors,
)
from codetracer_core.diagnosis.rules.course import ends_on_failure, long_looks, tests_fail_at_end, unchecked_last_edit
from codetracer_core.diagnosis.rules.facts import Facts, Hit, Place
from codetracer_core.diagnosis.rules.repetition import loops, repeated_failures, repeated_looks, repeated_refusals
from codetracer_core.models import DeviationType

__all__ = ["RULES", "Facts", "Hit", "Place", "Rule"]

Says = Literal["incorrect", "unuseful", "risk"]
"""What a hit means: a verdict on its step, or only a *risk*, which accuses no step."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``title`` names what it finds (plural, for summaries), ``instead`` what should have been done."""

    name: str
    title: str
    says: Says
    weight: int
    """How much it tells of where the run went wrong; ranks candidates for the onset."""
    instead: str
    find: Callable[[Facts], Iterator[Hit]]
    deviation: DeviationType | None = None


RULES: tuple[Rule, ...] = (
    Rule(
        "same error again",
        "changes that left the same error",
        "incorrect",
        3,
        "Find the cause of the error before changing more, and check each change alone.",
        same_errors,
    ),
    Rule(
        "edit taken back",
        "edits that broke something and were taken back",
        "incorrect",
        2,
        "Read the code around the place before editing it, and check the edit before building on it.",
        edits_taken_back,
    ),
    Rule(
        "failed edit or install",
        "edits and installations that failed",
        "incorrect",
        1,
        "Check beforehand what the command needs: its program, its files, its options.",
        failed_edits,
    ),
    Rule(
        "same look again",
        "looks and test runs that were there before, with the same result",
        "unuseful",
        1,
        "Go by the result that is already there, or look at something new.",
        repeated_looks,
        "redundant",
    ),
    Rule(
        "same failure again",
        "failures repeated unchanged",
        "unuseful",
        1,
        "Read the error, and change something before trying again.",
        repeated_failures,
        "redundant",
    ),
    Rule(
        "going in circles",
        "actions that go round in circles",
        "unuseful",
        1,
        "Stop after the second round that brings nothing new, and try another way.",
        loops,
        "redundant",
    ),
    Rule(
        "failed build or commit",
        "builds and commands of version control that failed",
        "risk",
        1,
        "Find the cause of the error before going on.",
        failed_builds,
    ),
    Rule(
        "error ignored",
        "failed changes that were never made good",
        "risk",
        1,
        "Make the change good before going on.",
        ignored_errors,
    ),
    Rule(
        "refused again",
        "calls refused for the same reason as the one before",
        "risk",
        1,
        "Read why it was refused, and do what is asked.",
        repeated_refusals,
    ),
    Rule(
        "edit of an unseen file",
        "edits of files that nothing had shown",
        "risk",
        1,
        "Read a file before editing it.",
        edits_of_unseen_files,
    ),
    Rule(
        "last edit unchecked",
        "last edits after which nothing was run",
        "risk",
        1,
        "Run the tests, or the program, after the last edit.",
        unchecked_last_edit,
    ),
    Rule(
        "tests fail at the end",
        "work handed in with failing tests",
        "risk",
        1,
        "Find out why the tests fail, or say that they failed before too.",
        tests_fail_at_end,
    ),
    Rule(
        "handed in after a failure",
        "work handed in right after a failure",
        "risk",
        1,
        "See to the failure before handing in.",
        ends_on_failure,
    ),
    Rule(
        "long without change",
        "long stretches that change nothing",
        "risk",
        1,
        "Settle on a first change and let its result guide what to look at next.",
        long_looks,
    ),
)
"""In the order in which a summary tells of them."""
