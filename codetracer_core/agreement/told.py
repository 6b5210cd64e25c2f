"""An agreement as people read it, on a page as in a terminal: who is meant, what a number says, what it opens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from codetracer_core.agreement.measures import CLASSES, Measures
from codetracer_core.agreement.onset import OnsetAgreement
from codetracer_core.agreement.ranges import RangeAgreement
from codetracer_core.agreement.results import Agreement
from codetracer_core.agreement.selection import (
    AnyPair,
    BordersOf,
    Detected,
    Differ,
    OfTwo,
    OnsetsApart,
    RangesOf,
    RunSaid,
    Said,
    Selection,
    Split,
    Together,
    Voted,
)
from codetracer_core.agreement.stages import StageAgreement
from codetracer_core.agreement.words import why_they_differ
from codetracer_core.intervals import Estimate, as_plain
from codetracer_core.ratings import CATEGORIES, MISSING, UNCERTAIN, Rater
from codetracer_core.words import minus

ALL = "all together"
WORDS = dict(enumerate(CATEGORIES)) | {MISSING: "unlabelled", UNCERTAIN: "uncertain"}
"""What a code means."""


def rater_name(rater: Rater) -> str:
    """A rater as people read it."""
    ordinal = {1: "1st", 2: "2nd", 3: "3rd"}.get(rater.pass_number or 0, f"{rater.pass_number}th")
    turn = f", {ordinal} time" if rater.pass_number is not None else ""
    return f"{rater.name}{' (model)' * (rater.source == 'model')}{turn}"


# --- whose agreement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """Whose agreement is looked at: that of the raters of the headline together, or of two raters."""

    name: str
    raters: tuple[int, ...]
    """Indices into ``Agreement.raters``; of two the first is the reference, where one of them is."""
    incorrect: Measures
    unuseful: Measures
    classes: Measures
    has_incorrect: Measures
    run_verdicts: Measures
    onset: OnsetAgreement
    ranges: tuple[RangeAgreement, ...]
    stages: StageAgreement

    @property
    def questions(self) -> tuple[Measures, ...]:
        """All that was asked, the headline first."""
        return self.incorrect, self.classes, self.unuseful, self.has_incorrect, self.run_verdicts


def scopes(found: Agreement) -> dict[str, Scope]:
    """By name: the raters of the headline together, where they are not two, then every pair."""
    named = {}
    if len(found.over) != 2:
        named[ALL] = Scope(
            ALL,
            found.over,
            found.headline,
            found.unuseful,
            found.classes,
            found.has_incorrect,
            found.run_verdicts,
            found.onset,
            found.ranges,
            found.stages,
        )
    for pair in found.pairs:
        first, second = (rater_name(found.raters[at]) for at in (pair.first, pair.second))
        scope = Scope(
            f"{first} · {second}",
            (pair.first, pair.second),
            pair.incorrect,
            pair.unuseful,
            pair.classes,
            pair.has_incorrect,
            pair.run_verdicts,
            pair.onset,
            pair.ranges,
            pair.stages,
        )
        if set(scope.raters) == set(found.over):
            named = {scope.name: scope} | named
        else:
            named[scope.name] = scope
    return named


# --- what numbers say -------------------------------------------------------------------------------------------------


def measure_rows(of: Measures) -> list[tuple[str, Estimate, str]]:
    """(name, value, what it says) of each measure of one question, what may be read alone first."""
    positive = of.categories[-1]
    rows = [
        (
            "Krippendorff's alpha",
            of.alpha,
            "Agreement beyond chance, of any number of raters: 1 perfect, 0 as by chance.",
        ),
        ("Cohen's kappa", of.kappa, "The same for two raters, each with a rate of their own."),
    ]
    if of.question == CLASSES.name:
        rows += [
            (f"Agreement on “{name}”", value, f"Where one says “{name}”, how often another says so, too.")
            for name, value in zip(of.categories, of.specific, strict=True)
        ]
    else:
        rows += [
            (
                f"PSA: agreement on “{positive}”",
                of.psa,
                f"Where one says “{positive}”, how often another says so, too (F1).",
            ),
            (
                f"NSA: agreement on “{of.categories[0]}”",
                of.nsa,
                f"The same for “{of.categories[0]}”: high where it is frequent.",
            ),
        ]
    rows += [
        ("Gwet's AC1", of.ac1, "Takes little for chance where one answer is rare: never to be read alone."),
        ("Raw agreement", of.raw, "Share of pairs of labels that are equal: never to be read alone."),
    ]
    shares = list(zip(of.categories, of.prevalence, strict=True))
    return rows + [
        (f"Prevalence of “{name}”", share, "Its share of all labels that are compared.")
        for name, share in (shares if of.question == CLASSES.name else shares[1:])
    ]


def pairings_in_words(of: Measures) -> str:
    """The counts behind a question with two answers."""
    if of.pairings is None:
        return ""
    pairs = of.pairings
    what = f"{of.unit}s" if of.raters == 2 else "pairs of labels"
    return f"both {pairs.both:,} · one {pairs.one:,} · neither {pairs.neither:,} {what}"


def number_rows(found: Agreement) -> list[dict[str, Any]]:
    """Every estimate that is not of a single run, as rows of one table: for a spreadsheet."""
    rows: list[dict[str, Any]] = []

    def add(whose: str, about: str, name: str, value: Estimate, unit: str, n: int) -> None:
        rows.append(
            {
                "whose": whose,
                "about": about,
                "measure": name,
                "value": value.value,
                "low": value.low,
                "high": value.high,
                "n": n,
                "unit": unit,
                "clusters": value.clusters,
                "why": value.why or value.why_no_interval,
            }
        )

    for scope in scopes(found).values():
        for of in scope.questions:
            for name, value, _ in measure_rows(of):
                add(scope.name, of.question, name, value, of.unit, of.units)
        for within in scope.onset.within:
            how = "the same step" if within.k == 0 else f"within {within.k} steps"
            add(scope.name, "onset", how, within.share, "run", scope.onset.both)
            add(scope.name, "onset", f"{how}, by chance", within.chance, "run", scope.onset.both)
            add(scope.name, "onset", f"{how}, last step", within.last_step, "run", scope.onset.both)
            add(scope.name, "onset", f"{how}, last but one", within.last_but_one, "run", scope.onset.both)
        add(scope.name, "onset", "median distance", scope.onset.median_distance, "run", scope.onset.both)
        add(scope.name, "onset", "median absolute distance", scope.onset.median_absolute, "run", scope.onset.both)
        add(scope.name, "onset", "mean distance / steps of the run", scope.onset.mean_relative, "run", scope.onset.both)
        for of_label in scope.ranges:
            about = f"ranges of “{of_label.label}”"
            for name in ("precision", "recall", "f1", "mean_iou"):
                add(scope.name, about, name, getattr(of_label, name), "run", of_label.runs)
        stages = scope.stages
        add(scope.name, "stages", "WindowDiff", stages.window_diff, "run", stages.runs_with_windows)
        add(scope.name, "stages", "Pk", stages.pk, "run", stages.runs_with_windows)
        for border in stages.borders:
            about = f"boundary F1 ± {border.tolerance}"
            add(scope.name, "stages", about, border.f1, "run", stages.runs_with_borders)
    for report in found.by_rater:
        who = rater_name(found.raters[report.rater])
        add(who, "rater", "share of incorrect", report.incorrect, "step", report.steps)
        add(who, "rater", "share of unuseful", report.unuseful, "step", report.steps)
        add(who, "rater", "median seconds per step", report.seconds_per_step, "run", report.timed_runs)
        add(who, "rater", "PSA with adjudicated", report.psa_with_adjudicated, "step", report.steps)
        add(who, "rater", "kappa with adjudicated", report.kappa_with_adjudicated, "step", report.steps)
    return rows


def as_told(found: Agreement, **question: Any) -> dict[str, Any]:
    """All numbers as JSON holds them (``intervals.as_plain``), after what was asked, with the sentence beside them."""
    return {
        **question,
        **as_plain(found),
        "rater_names": [rater_name(rater) for rater in found.raters],
        "why_they_differ": why_they_differ(found.headline),
    }


# --- which steps ------------------------------------------------------------------------------------------------------


def selection_words(selection: Selection, raters: Sequence[Rater]) -> str:
    """What steps these are, as a title. Raises IndexError for raters that are not there."""
    names = [rater_name(rater) for rater in raters]
    if isinstance(selection, Voted | Together | Split):
        _together(names, selection.raters)  # their words name nobody, but they must be there
    match selection:
        case Said(by):
            said = [f"{names[at]}: {' or '.join(WORDS[code] for code in codes)}" for at, codes in by]
            return ", ".join(said)
        case Differ(who, run_id):
            where = f" in {run_id}" if run_id else ""
            return f"{_together(names, who)} differ{where}"
        case Voted(_, of, positive, code):
            return f"{positive} of {of} say {WORDS[code]}"
        case Together(_, one, other):
            return f"{WORDS[one]} and {WORDS[other]} on one step" if one != other else f"two say {WORDS[one]}"
        case Split(_, code):
            return f"one says {WORDS[code]}, another does not"
        case AnyPair(who, of_two):
            one_way = _words_of_two(replace(of_two[0], first=0, second=1), ("one", "another"))
            return f"Of {_together(names, who)}, any two: {one_way[:1].lower()}{one_way[1:]}"
        case _:
            return _words_of_two(selection, names)


def _words_of_two(selection: OfTwo, names: Sequence[str]) -> str:
    match selection:
        case Detected(first, second, first_has, second_has):
            return _of_two(names, first, second, first_has, second_has, "an onset", "none")
        case OnsetsApart(first, second, low, high):
            apart = minus(f"{low:+d}") if low == high else f"{minus(f'{low:+d}')} to {minus(f'{high:+d}')}"
            return (
                f"Onset of {names[second]} minus that of {names[first]}: {apart}"
                if low or high
                else (f"{names[first]} and {names[second]}: the same onset")
            )
        case RunSaid(first, second, first_code, second_code, of):
            yes, no = ("an incorrect step", "none") if of == "has incorrect" else ("an error in the run", "no error")
            return _of_two(names, first, second, bool(first_code), bool(second_code), yes, no)
        case RangesOf(first, second, which, code):
            whose = {
                "matched": f"Ranges that {names[first]} and {names[second]} both have",
                "overlapping": f"Ranges of {names[first]} that overlap too little with {names[second]}'s",
                "first unmatched": f"Ranges that only {names[first]} has",
                "second unmatched": f"Ranges that only {names[second]} has",
            }
            return f"{whose[which]}: {WORDS[code]}"
        case BordersOf(first, second, which, tolerance):
            whose = {
                "both": f"Borders that {names[first]} and {names[second]} both draw",
                "only first": f"Borders that only {names[first]} draws",
                "only second": f"Borders that only {names[second]} draws",
            }
            return f"{whose[which]} (± {tolerance})"


def _of_two(names: Sequence[str], first: int, second: int, ours: bool, theirs: bool, yes: str, no: str) -> str:
    return f"{names[first]}: {yes if ours else no}, {names[second]}: {yes if theirs else no}"


def _together(names: Sequence[str], who: Sequence[int]) -> str:
    *others, last = [names[at] for at in who]
    return f"{', '.join(others)} and {last}" if others else last
