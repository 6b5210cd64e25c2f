"""Models with ground truth: what systems said of steps, judged under named conventions, beside baselines.

Pure: from ``Truth`` and ``System`` to ``Evaluation``. Definitions and edge cases stand where they are computed.
"""

from codetracer_core.evaluation.clean import CleanRuns
from codetracer_core.evaluation.conventions import CONVENTIONS, DEFAULT, Convention, LeftOut, Score
from codetracer_core.evaluation.counting import Observations, Oddities
from codetracer_core.evaluation.rows import Missing, Prediction, Rows, Status, System, Truth
from codetracer_core.evaluation.summary import Entry, Evaluation, evaluate

__all__ = [
    "CONVENTIONS",
    "DEFAULT",
    "CleanRuns",
    "Convention",
    "Entry",
    "Evaluation",
    "LeftOut",
    "Missing",
    "Observations",
    "Oddities",
    "Prediction",
    "Rows",
    "Score",
    "Status",
    "System",
    "Truth",
    "evaluate",
]
