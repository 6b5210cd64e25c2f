"""All that is to be said of the agreement of raters, computed at once: sums per cluster, one draw of them, measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codetracer_core.agreement.coefficients import category_counts, parts, tables, unit_sums
from codetracer_core.agreement.measures import (
    CLASSES,
    HAS_INCORRECT,
    INCORRECT,
    RUN_VERDICT,
    UNUSEFUL,
    Contrast,
    Drawn,
    Measures,
    Pairings,
    Votes,
    drawn,
    grouped,
    measures,
    measures_of_two,
    pooled,
)
from codetracer_core.agreement.onset import (
    NOT_FINISHED,
    OnsetAgreement,
    first_incorrect,
    onset_agreement,
    onset_conflicts,
    onset_sums,
    onsets,
    pooled_histogram,
)
from codetracer_core.agreement.onset import WIDTH as ONSET_WIDTH
from codetracer_core.agreement.ranges import WIDTH as RANGES_WIDTH
from codetracer_core.agreement.ranges import RangeAgreement, Ranges, range_agreement, range_sums, ranges_of
from codetracer_core.agreement.raters import adjudicated_rater, rater_reports
from codetracer_core.agreement.results import Agreement, LabelAgreement, LeftOut, Pair, RunAgreement
from codetracer_core.agreement.stages import WIDTH as STAGES_WIDTH
from codetracer_core.agreement.stages import Borders, StageAgreement, borders_of, stage_agreement, stage_sums
from codetracer_core.agreement.who import Compared, all_pairs, are_passes_of_one, headline_raters
from codetracer_core.intervals import REPLICATES, SEED, Array, Estimate, ratio, summed
from codetracer_core.ratings import CATEGORIES, MISSING, Ratings, Unlabelled
from codetracer_core.ratings import INCORRECT as INCORRECT_CODE
from codetracer_core.ratings import UNUSEFUL as UNUSEFUL_CODE


@dataclass(frozen=True)
class _Counted:
    """The labels as everything below counts them."""

    ratings: Ratings
    codes: Array
    """As statistics take them, shape (steps, raters)."""
    has_incorrect: Array
    """Shape (runs, raters): 1, 0, or ``MISSING`` where they did not finish."""
    onsets: Array
    ranges: Mapping[int, tuple[Ranges, ...]]
    borders: tuple[Borders, ...]


@dataclass(frozen=True)
class _PairSums:
    """What two raters' labels add up to per cluster, and in every replicate."""

    compared: Compared
    runs: int
    """With a step that both rated."""
    steps: Drawn
    """Tables of ``CATEGORIES``."""
    has_incorrect: Drawn
    run_verdicts: Drawn
    onset: Drawn
    distances: Array
    histogram: Drawn
    stages: Drawn
    ranges: tuple[Drawn, ...]


def agreement(ratings: Ratings, *, unlabelled: Unlabelled = "correct", seed: int = SEED) -> Agreement:
    """All measures of agreement of these ratings. ``unlabelled``: what a step without a verdict counts as in a run
    that its rater finished. Never raises for what the ratings hold: what cannot be computed says so."""
    codes = ratings.counted(unlabelled)
    counted = _Counted(
        ratings,
        codes,
        np.where(ratings.finished, first_incorrect(codes, ratings) > 0, MISSING),
        onsets(codes, ratings),
        {label: ranges_of(codes, ratings, label) for label in (INCORRECT_CODE, UNUSEFUL_CODE)},
        borders_of(ratings),
    )
    over, over_words = headline_raters(ratings.raters)
    counts = category_counts(codes[:, over], len(CATEGORIES))
    sums = [_pair_sums(counted, compared, seed) for compared in all_pairs(ratings.raters)]
    pairs = tuple(_pair(ratings, of) for of in sums)
    within = [at for at, pair in enumerate(pairs) if pair.first in over and pair.second in over]
    together = pairs[within[0]] if len(within) == 1 else None
    found = _questions(counted, over, counts, together, seed)
    found_onset, found_ranges, found_stages = (
        (together.onset, together.ranges, together.stages)
        if together is not None
        else _of_several([sums[at] for at in within])
    )
    of_all = counts.sum(axis=1)
    return Agreement(
        ratings.raters,
        over,
        over_words,
        unlabelled,
        seed,
        REPLICATES,
        ratings.clustered_by,
        ratings.cluster_count,
        runs=len(ratings.run_ids),
        steps=len(codes),
        steps_by_ratings=tuple(np.bincount(of_all, minlength=len(over) + 1).tolist()),
        left_out=_left_out(ratings, over, of_all),
        headline=found[INCORRECT.name],
        unuseful=found[UNUSEFUL.name],
        classes=found[CLASSES.name],
        votes=_votes(counts),
        labels=_labels(counts, found[CLASSES.name]),
        has_incorrect=found[HAS_INCORRECT.name],
        run_verdicts=found[RUN_VERDICT.name],
        nothing_found=_nothing_found(counted, over, seed),
        onset=found_onset,
        onset_conflicts=onset_conflicts(codes, ratings),
        ranges=found_ranges,
        stages=found_stages,
        pairs=pairs,
        by_run=_by_run(counted, over, counts),
        by_rater=rater_reports(codes, ratings, _against_adjudicated(ratings, pairs), seed),
    )


def _pair_sums(counted: _Counted, compared: Compared, seed: int) -> _PairSums:
    ratings, first, second = counted.ratings, compared.first, compared.second
    count, by_step = ratings.cluster_count, ratings.clusters[ratings.run_of]
    of_onset = onset_sums(counted.onsets, ratings, compared)
    asked = (
        (counted.codes, len(CATEGORIES), by_step),
        (counted.has_incorrect, 2, ratings.clusters),
        (ratings.run_verdicts, 2, ratings.clusters),
    )
    blocks = [tables(codes[:, first], codes[:, second], kinds, of, count) for codes, kinds, of in asked]
    blocks += [of_onset.shares, of_onset.histogram, stage_sums(counted.borders, ratings, compared)]
    blocks += [range_sums(of[first], of[second], ratings, compared) for of in counted.ranges.values()]
    steps, has_incorrect, run_verdicts, shares, histogram, of_stages, *of_ranges = drawn(blocks, seed)
    rated = (counted.codes[:, first] >= 0) & (counted.codes[:, second] >= 0)
    return _PairSums(
        compared,
        int(np.count_nonzero(np.bincount(ratings.run_of[rated]))),
        steps,
        has_incorrect,
        run_verdicts,
        shares,
        of_onset.distances,
        histogram,
        of_stages,
        tuple(of_ranges),
    )


def _pair(ratings: Ratings, sums: _PairSums) -> Pair:
    def by_step(contrast: Contrast) -> Measures:
        of = sums.steps.mapped(lambda table: grouped(table, contrast))
        return measures_of_two(of, contrast, unit="step", runs=sums.runs)

    def by_run(of: Drawn, contrast: Contrast) -> Measures:
        return measures_of_two(of, contrast, unit="run", runs=round(float(of.sums.sum())))

    return Pair(
        sums.compared.first,
        sums.compared.second,
        sums.compared.has_reference,
        are_passes_of_one(ratings.raters, sums.compared),
        by_step(INCORRECT),
        by_step(UNUSEFUL),
        by_step(CLASSES),
        by_run(sums.has_incorrect, HAS_INCORRECT),
        by_run(sums.run_verdicts, RUN_VERDICT),
        onset_agreement(sums.onset, sums.distances, sums.histogram, of_two=True),
        _ranges(sums.ranges, of_two=True),
        stage_agreement(sums.stages),
    )


def _ranges(sums: Sequence[Drawn], *, of_two: bool) -> tuple[RangeAgreement, ...]:
    labels = (INCORRECT_CODE, UNUSEFUL_CODE)
    return tuple(range_agreement(of, label, of_two=of_two) for label, of in zip(labels, sums, strict=True))


def _of_several(
    sums: Sequence[_PairSums],
) -> tuple[OnsetAgreement, tuple[RangeAgreement, ...], StageAgreement]:
    """Onset, ranges and stages of these pairs together."""
    distances, histogram = pooled_histogram([of.distances for of in sums], [of.histogram for of in sums])
    return (
        onset_agreement(pooled([of.onset for of in sums], ONSET_WIDTH), distances, histogram, of_two=False),
        _ranges([pooled([of.ranges[at] for of in sums], RANGES_WIDTH) for at in range(2)], of_two=False),
        stage_agreement(pooled([of.stages for of in sums], STAGES_WIDTH)),
    )


def _questions(
    counted: _Counted, over: tuple[int, ...], counts: Array, together: Pair | None, seed: int
) -> Mapping[str, Measures]:
    """Every question over the raters of the headline, by its name; ``together``: they are these two."""
    if together is not None:
        of_two = (
            together.incorrect,
            together.unuseful,
            together.classes,
            together.has_incorrect,
            together.run_verdicts,
        )
        return {of.question: of for of in of_two}
    ratings = counted.ratings
    of_steps, of_runs = ratings.clusters[ratings.run_of], ratings.clusters
    asked = [(contrast, _regrouped(counts, contrast), of_steps, "step") for contrast in (INCORRECT, UNUSEFUL, CLASSES)]
    for contrast, codes in ((HAS_INCORRECT, counted.has_incorrect), (RUN_VERDICT, ratings.run_verdicts)):
        asked.append((contrast, category_counts(codes[:, over], 2), of_runs, "run"))
    blocks = [summed(unit_sums(of), clusters, ratings.cluster_count) for _, of, clusters, _ in asked]
    found = {}
    for (contrast, of, _, unit), sums in zip(asked, drawn(blocks, seed), strict=True):
        paired = np.flatnonzero(of.sum(axis=1) >= 2)
        runs = len(np.unique(ratings.run_of[paired])) if unit == "step" else len(paired)
        found[contrast.name] = measures(sums, contrast, None, unit=unit, runs=runs, raters=len(over))
    return found


def _regrouped(counts: Array, contrast: Contrast) -> Array:
    groups = (np.asarray(contrast.groups)[:, None] == np.arange(len(contrast.names))).astype(int)
    return np.asarray(counts @ groups)


def _left_out(ratings: Ratings, over: tuple[int, ...], of_all: Array) -> tuple[LeftOut, ...]:
    few = (ratings.finished[:, over].sum(axis=1) < 2)[ratings.run_of]
    reasons = (
        ("fewer than two of the raters finished the run", few),
        ("uncertain or unlabelled by all raters, or by all but one", ~few),
    )
    found = []
    for why, chosen in reasons:
        rows = np.flatnonzero(chosen & (of_all < 2))
        if len(rows):
            found.append(LeftOut(why, len(np.unique(ratings.run_of[rows])), len(rows)))
    return tuple(found)


def _votes(counts: Array) -> tuple[Votes, ...]:
    voted = np.column_stack([counts.sum(axis=1), counts[:, INCORRECT_CODE]])
    found, units = np.unique(voted[voted[:, 0] >= 2], axis=0, return_counts=True)
    return tuple(Votes(int(of), int(positive), int(n)) for (of, positive), n in zip(found, units, strict=True))


def _labels(counts: Array, classes: Measures) -> tuple[LabelAgreement, ...]:
    together = counts.T @ counts
    alike = (counts * (counts - 1)).sum(axis=0) // 2
    return tuple(
        LabelAgreement(
            category,
            classes.prevalence[at],
            classes.specific[at],
            tuple(int(alike[at] if at == other else together[at, other]) for other in range(len(CATEGORIES))),
        )
        for at, category in enumerate(CATEGORIES)
    )


def _nothing_found(counted: _Counted, over: tuple[int, ...], seed: int) -> Estimate:
    said = counted.has_incorrect[:, over]
    enough = (said != MISSING).sum(axis=1) >= 2
    nothing = enough & ~(said == 1).any(axis=1)
    ratings = counted.ratings
    sums = summed(np.column_stack([nothing, enough]).astype(float), ratings.clusters, ratings.cluster_count)
    why = "no run was finished by two raters"
    return drawn([sums], seed)[0].share(0, 1, why)


def _by_run(counted: _Counted, over: tuple[int, ...], counts: Array) -> tuple[RunAgreement, ...]:
    ratings = counted.ratings
    runs = len(ratings.run_ids)
    sums = parts(summed(unit_sums(_regrouped(counts, INCORRECT)), ratings.run_of, runs))
    columns = range(len(over))
    incorrect = np.column_stack(
        [np.bincount(ratings.run_of[counted.codes[:, rater] == INCORRECT_CODE], minlength=runs) for rater in over]
        or [np.zeros((runs, 0), dtype=np.int64)]
    )
    finished = ratings.finished[:, over].tolist()
    incorrect_of, onsets_of = incorrect.tolist(), counted.onsets[:, over].tolist()
    both = (sums.same[:, 1] / 2).round().astype(int).tolist()
    one = (sums.possible[:, 1] - sums.same[:, 1]).round().astype(int).tolist()
    neither = (sums.same[:, 0] / 2).round().astype(int).tolist()
    paired = sums.paired.astype(int).tolist()
    psa = ratio(sums.same[:, 1], sums.possible[:, 1]).tolist()
    found = []
    for run in np.flatnonzero(sums.paired).tolist():
        value = Estimate(psa[run], why_no_interval="it is one run")
        if not (both[run] or one[run]):
            value = Estimate.undefined("nobody calls a step incorrect")
        found.append(
            RunAgreement(
                ratings.run_ids[run],
                paired[run],
                Pairings(both[run], one[run], neither[run]),
                value,
                tuple(incorrect_of[run][at] if finished[run][at] else None for at in columns),
                tuple(None if onsets_of[run][at] == NOT_FINISHED else onsets_of[run][at] for at in columns),
            )
        )
    return tuple(sorted(found, key=_most_apart))


def _most_apart(run: RunAgreement) -> tuple[float, int]:
    return (2.0 if run.psa.value is None else run.psa.value), -run.pairings.one


def _against_adjudicated(ratings: Ratings, pairs: tuple[Pair, ...]) -> Mapping[int, Measures]:
    decided = adjudicated_rater(ratings)
    found = {}
    for pair in pairs:
        if decided in (pair.first, pair.second):
            found[pair.second if pair.first == decided else pair.first] = pair.incorrect
    return found
