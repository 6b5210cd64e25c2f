"""Models with ground truth: what systems said of steps, judged under named conventions, beside baselines.

Pure. ``evaluate`` makes an ``Evaluation`` from ``Truth`` and ``System``; the other verbs ask it for more: slices, a
paired comparison, tolerance, onset, repetitions, stages, positions, the steps behind the numbers, and what misleads.
Definitions and edge cases stand where they are computed.
"""

from codetracer_core.evaluation.caveats import Caveat, warnings, warnings_by_convention
from codetracer_core.evaluation.clean import CleanRuns
from codetracer_core.evaluation.comparison import (
    AgainstBaseline,
    Comparison,
    Difference,
    RunDifference,
    against_baselines,
    compare_systems,
)
from codetracer_core.evaluation.conventions import CONVENTIONS, DEFAULT, Convention, LeftOut, Score
from codetracer_core.evaluation.counting import Observations, Oddities
from codetracer_core.evaluation.findings import Finding, false_accusations, misses
from codetracer_core.evaluation.onset import Near, OnsetScores, onset_scores
from codetracer_core.evaluation.plain import as_json
from codetracer_core.evaluation.rates import Position, StepRates, corrected_prevalence, positions, step_rates
from codetracer_core.evaluation.repeats import Repeats, Spread, repeats
from codetracer_core.evaluation.rows import Missing, Prediction, Rows, Status, System, Truth
from codetracer_core.evaluation.slices import DIMENSIONS, NOT_KNOWN, Slice, dimension_words, slices
from codetracer_core.evaluation.staged import StageScores, stage_scores
from codetracer_core.evaluation.summary import Entry, Evaluation, evaluate
from codetracer_core.evaluation.tolerance import TOLERANCES, tolerant

__all__ = [
    "CONVENTIONS",
    "DEFAULT",
    "DIMENSIONS",
    "NOT_KNOWN",
    "TOLERANCES",
    "AgainstBaseline",
    "Caveat",
    "CleanRuns",
    "Comparison",
    "Convention",
    "Difference",
    "Entry",
    "Evaluation",
    "Finding",
    "LeftOut",
    "Missing",
    "Near",
    "Observations",
    "Oddities",
    "OnsetScores",
    "Position",
    "Prediction",
    "Repeats",
    "Rows",
    "RunDifference",
    "Score",
    "Slice",
    "Spread",
    "StageScores",
    "Status",
    "StepRates",
    "System",
    "Truth",
    "against_baselines",
    "as_json",
    "compare_systems",
    "corrected_prevalence",
    "dimension_words",
    "evaluate",
    "false_accusations",
    "misses",
    "onset_scores",
    "positions",
    "repeats",
    "slices",
    "stage_scores",
    "step_rates",
    "tolerant",
    "warnings",
    "warnings_by_convention",
]
