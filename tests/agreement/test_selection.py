"""Every cell leads to exactly the steps that it counts."""

from dataclasses import replace

import pytest

from codetracer_core.agreement import Agreement, agreement, steps_behind
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
    Split,
    Together,
    Voted,
)
from codetracer_core.ratings import CATEGORIES, CORRECT, INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Ratings
from tests.agreement.rated import drawn_ratings, rated


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return drawn_ratings(11, raters=3, runs=60)


@pytest.fixture(scope="module")
def found(ratings: Ratings) -> Agreement:
    return agreement(ratings)


def test_cells_of_the_tables_of_pairs(ratings: Ratings, found: Agreement) -> None:
    for pair in found.pairs:
        for one in range(3):
            for other in range(3):
                selection = Said(((pair.first, (one,)), (pair.second, (other,))))
                assert pair.classes.table is not None
                assert len(steps_behind(ratings, selection)) == pair.classes.table[one][other]
        rest = Said(((pair.first, (CORRECT, UNUSEFUL)), (pair.second, (INCORRECT,))))
        assert pair.incorrect.table is not None
        assert len(steps_behind(ratings, rest)) == pair.incorrect.table[0][1]


def test_what_a_rater_said(ratings: Ratings, found: Agreement) -> None:
    for report in found.by_rater:
        rater = report.rater
        assert len(steps_behind(ratings, Said(((rater, (0, 1, 2)),)))) == report.steps
        assert len(steps_behind(ratings, Said(((rater, (UNCERTAIN,)),)))) == report.uncertain
        missing = steps_behind(ratings, Said(((rater, (MISSING,)),)), unlabelled="missing")
        assert len(missing) == (ratings.codes[:, rater] == MISSING).sum()


def test_votes_and_labels(ratings: Ratings, found: Agreement) -> None:
    for votes in found.votes:
        assert len(steps_behind(ratings, Voted(found.over, votes.ratings, votes.positive))) == votes.units
    mixed = [votes for votes in found.votes if 0 < votes.positive < votes.ratings]
    assert len(steps_behind(ratings, Split(found.over, INCORRECT))) == sum(votes.units for votes in mixed)
    for pair in found.pairs:
        for of, code in ((pair.incorrect, INCORRECT), (pair.unuseful, UNUSEFUL)):
            assert of.pairings is not None
            assert len(steps_behind(ratings, Split((pair.first, pair.second), code))) == of.pairings.one
            assert len(steps_behind(ratings, Together((pair.first, pair.second), code, code))) == of.pairings.both
    two = rated({"a": ["ciuccu"], "b": ["cicuiu"]})
    for one, label in enumerate(agreement(two).labels):
        for other in range(len(CATEGORIES)):
            assert len(steps_behind(two, Together((0, 1), one, other))) == label.with_others[other]


def test_runs_and_onsets(ratings: Ratings, found: Agreement) -> None:
    for pair in found.pairs:
        first, second, onset = pair.first, pair.second, pair.onset
        for has, expected in (
            ((True, True), onset.both),
            ((True, False), onset.only_first),
            ((False, True), onset.only_second),
            ((False, False), onset.neither),
        ):
            assert len(steps_behind(ratings, Detected(first, second, *has))) == expected
        for distance, runs in onset.distances:
            places = steps_behind(ratings, OnsetsApart(first, second, distance, distance))
            assert len({run for run, _ in places}) == runs
            assert len(places) == runs * (2 if distance else 1)
        for one in (0, 1):
            for other in (0, 1):
                assert pair.has_incorrect.table is not None
                assert pair.run_verdicts.table is not None
                judged = steps_behind(ratings, RunSaid(first, second, one, other))
                said = steps_behind(ratings, RunSaid(first, second, one, other, "run verdict"))
                assert len(judged) == pair.has_incorrect.table[one][other]
                assert len(said) == pair.run_verdicts.table[one][other]


def test_ranges_and_borders(ratings: Ratings, found: Agreement) -> None:
    for pair in found.pairs:
        for code, ranges in ((INCORRECT, pair.ranges[0]), (UNUSEFUL, pair.ranges[1])):
            matched, overlapping, ours, theirs = (
                len(steps_behind(ratings, RangesOf(pair.first, pair.second, which, code)))
                for which in ("matched", "overlapping", "first unmatched", "second unmatched")
            )
            assert (matched, matched + overlapping) == (ranges.matched, ranges.overlapping)
            assert (ranges.overlapping + ours, ranges.overlapping + theirs) == (ranges.first, ranges.second)
    two = rated({"a": ["c" * 12], "b": ["c" * 12]}, masses={(0, 0): [4, 4, 4], (0, 1): [5, 3, 4]})
    assert steps_behind(two, BordersOf(0, 1, "both")) == [("run 0", 8)]
    assert steps_behind(two, BordersOf(0, 1, "only first")) == [("run 0", 4)]
    assert steps_behind(two, BordersOf(0, 1, "only second")) == [("run 0", 5)]
    assert steps_behind(two, BordersOf(0, 1, "both", 1)) == [("run 0", 4), ("run 0", 8)]


def test_one_step_stands_for_a_run() -> None:
    two = rated({"a": ["cci", "ccc", "cic", "cc"], "b": ["ccc", "ici", "ccc", "cc"]})
    assert steps_behind(two, Detected(0, 1, True, False)) == [("run 0", 3), ("run 2", 2)]
    assert steps_behind(two, Detected(0, 1, False, True)) == [("run 1", 1)]
    assert steps_behind(two, RunSaid(0, 1, 0, 0)) == [("run 3", 1)]


def test_where_raters_differ(ratings: Ratings, found: Agreement) -> None:
    assert steps_behind(rated({"a": ["ci?u"], "b": ["ccuc"]}), Differ((0, 1))) == [("run 0", 2), ("run 0", 4)]
    everywhere = steps_behind(ratings, Differ(found.over))
    run = found.by_run[0].run_id
    assert steps_behind(ratings, Differ(found.over, run)) == [place for place in everywhere if place[0] == run]
    assert steps_behind(ratings, Differ(found.over, "no such run")) == []


def test_a_number_over_several_pairs_leads_to_the_steps_of_each(ratings: Ratings, found: Agreement) -> None:
    """Each pair counts anew; in the list a step stands once, in the order of runs and steps."""
    onset, of_incorrect = found.onset, found.ranges[0]
    both, one, neither = (
        len([pair for pair in found.pairs for _ in steps_behind(ratings, RunSaid(pair.first, pair.second, *said))])
        for said in ((1, 1), (1, 0), (0, 0))
    )
    assert found.has_incorrect.pairings is not None
    assert (both, neither) == (found.has_incorrect.pairings.both, found.has_incorrect.pairings.neither)
    assert 0 < one < found.has_incorrect.pairings.one  # the other way round counts, too
    counted: list[tuple[OfTwo, int]] = [
        (Detected(0, 1, True, False), onset.only_first),
        (Detected(0, 1, False, False), onset.neither),
        (RangesOf(0, 1, "matched", INCORRECT), of_incorrect.matched),
        (RangesOf(0, 1, "second unmatched", INCORRECT), of_incorrect.second - of_incorrect.overlapping),
    ]
    for selection, count in counted:
        of_each = [
            steps_behind(ratings, replace(selection, first=pair.first, second=pair.second)) for pair in found.pairs
        ]
        assert sum(map(len, of_each)) == count > 0
        steps = steps_behind(ratings, AnyPair(found.over, (selection,)))
        assert set(steps) == set().union(*of_each)
        assert steps == sorted(steps, key=lambda step: (ratings.run_ids.index(step[0]), step[1]))
        assert len(steps) == len(set(steps))
    ways = (RangesOf(0, 1, "first unmatched"), RangesOf(0, 1, "second unmatched"))
    assert set(steps_behind(ratings, AnyPair(found.over, ways))) == {
        step for way in ways for step in steps_behind(ratings, AnyPair(found.over, (way,)))
    }
    assert steps_behind(ratings, AnyPair((0, 2), ways[:1])) == steps_behind(ratings, replace(ways[0], second=2))
