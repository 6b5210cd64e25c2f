"""How far raters agree: every measure with its interval, the disagreements, and the steps behind each number."""

from codetracer_core.agreement.change import change
from codetracer_core.agreement.disagreement import Disagreement, disagreements
from codetracer_core.agreement.results import Agreement
from codetracer_core.agreement.selection import Selection, steps_behind
from codetracer_core.agreement.summary import agreement
from codetracer_core.agreement.words import why_they_differ

__all__ = [
    "Agreement",
    "Disagreement",
    "Selection",
    "agreement",
    "change",
    "disagreements",
    "steps_behind",
    "why_they_differ",
]
