"""What is found out about the agreement of raters: all that a page or a command shows."""

from dataclasses import dataclass

from codetracer_core.agreement.measures import Measures, Pairings, Votes
from codetracer_core.agreement.onset import OnsetAgreement, OnsetConflict
from codetracer_core.agreement.ranges import RangeAgreement
from codetracer_core.agreement.raters import RaterReport
from codetracer_core.agreement.stages import StageAgreement
from codetracer_core.intervals import Estimate
from codetracer_core.ratings import Rater, Unlabelled


@dataclass(frozen=True)
class LeftOut:
    """Steps that the headline does not count, and why."""

    why: str
    runs: int
    steps: int


@dataclass(frozen=True)
class LabelAgreement:
    """One category of the schema, over the raters of the headline."""

    category: str
    prevalence: Estimate
    specific: Estimate
    """Where one rating is this category, how often another of the same step is."""
    with_others: tuple[int, ...]
    """Pairs of ratings of one step: this category with each of ``CATEGORIES``."""


@dataclass(frozen=True)
class RunAgreement:
    """One run, over the raters of the headline."""

    run_id: str
    steps: int
    """With at least two ratings."""
    pairings: Pairings
    """On "incorrect against the rest"."""
    psa: Estimate
    incorrect: tuple[int | None, ...]
    """Steps that each of ``Agreement.over`` calls incorrect; None: they did not finish it."""
    onsets: tuple[int | None, ...]
    """Of each of them; 0: none, None: they did not finish it."""

    @property
    def nothing_found(self) -> bool:
        """At least two finished it, and none of them calls a step incorrect."""
        said = [count for count in self.incorrect if count is not None]
        return len(said) >= 2 and not any(said)


@dataclass(frozen=True)
class Pair:
    """Two raters."""

    first: int
    """Index into ``Agreement.raters``; the reference, where one of them is."""
    second: int
    has_reference: bool
    is_repeat: bool
    """Both are the same rater, at different times: agreement with oneself."""
    incorrect: Measures
    unuseful: Measures
    classes: Measures
    has_incorrect: Measures
    """Of runs: has at least one incorrect step."""
    run_verdicts: Measures
    """Of runs: what was said of the whole run."""
    onset: OnsetAgreement
    ranges: tuple[RangeAgreement, ...]
    """Of *incorrect* and of *unuseful* steps."""
    stages: StageAgreement


@dataclass(frozen=True)
class Agreement:
    """Of raters on runs. Everything not said to be of a pair or of a rater is over ``over``."""

    raters: tuple[Rater, ...]
    over: tuple[int, ...]
    """Indices into ``raters``: over whom the headline is."""
    over_words: str
    """The same as a sentence."""
    unlabelled: Unlabelled
    seed: int
    replicates: int
    clustered_by: str
    """ "task" or "run": what is drawn for intervals. All clusters are drawn, and all numbers share the draws; each
    estimate tells how many of them say anything on it."""
    clusters: int
    runs: int
    """All that there are, labelled or not."""
    steps: int
    steps_by_ratings: tuple[int, ...]
    """How many steps have 0, 1, 2 … ratings."""
    left_out: tuple[LeftOut, ...]
    headline: Measures
    """Incorrect against the rest."""
    unuseful: Measures
    classes: Measures
    votes: tuple[Votes, ...]
    """On incorrect against the rest, of steps with at least two ratings."""
    labels: tuple[LabelAgreement, ...]
    has_incorrect: Measures
    run_verdicts: Measures
    nothing_found: Estimate
    """Share of the runs that at least two finished in which none of them calls a step incorrect."""
    onset: OnsetAgreement
    onset_conflicts: tuple[OnsetConflict, ...]
    """Of all raters."""
    ranges: tuple[RangeAgreement, ...]
    """Of *incorrect* and of *unuseful* steps."""
    stages: StageAgreement
    pairs: tuple[Pair, ...]
    """Every two of ``raters``."""
    by_run: tuple[RunAgreement, ...]
    """With at least one step that has two ratings; where people differ most comes first."""
    by_rater: tuple[RaterReport, ...]

    @property
    def repeats(self) -> tuple[Pair, ...]:
        """Pairs of one rater's passes."""
        return tuple(pair for pair in self.pairs if pair.is_repeat)
