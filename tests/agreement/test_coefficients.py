"""Coefficients against published examples and against the libraries that people know."""

from collections.abc import Sequence

import krippendorff
import numpy as np
import pytest
from nltk.metrics.agreement import AnnotationTask
from sklearn.metrics import cohen_kappa_score, f1_score

from codetracer_core.agreement.coefficients import (
    category_counts,
    cohens_kappa,
    gwets_ac1,
    krippendorffs_alpha,
    parts,
    prevalence,
    raw_agreement,
    specific_agreement,
    tables,
    unit_sums,
    unit_sums_of_tables,
)
from codetracer_core.intervals import Array

KRIPPENDORFF_2011 = (  # sect. C: four observers, twelve units, "." is missing
    "123321412...",
    "1233224125.3",
    ".3332342251.",
    "12332441251.",
)


def sums_of(codes: Array, kinds: int) -> Array:
    return np.asarray(unit_sums(category_counts(codes, kinds)).sum(axis=0))


def sums_of_table(*cells: int) -> Array:
    return unit_sums_of_tables(np.array(cells))


def coded(observers: Sequence[str], categories: str) -> Array:
    """Codes, shape (units, observers); what is no category is missing."""
    return np.array([[categories.find(said) for said in row] for row in observers]).T


def test_alpha_of_krippendorffs_own_examples() -> None:
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011: sections A, B and C."""
    binary = sums_of(coded(["0100000010", "1110010000"], "01"), 2)
    nominal = sums_of(coded(["aabbdcccedda", "babbbccceddd"], "abcde"), 5)
    observers = sums_of(coded(KRIPPENDORFF_2011, "12345"), 5)
    assert krippendorffs_alpha(binary) == pytest.approx(0.095, abs=5e-4)
    assert krippendorffs_alpha(nominal) == pytest.approx(0.692, abs=5e-4)
    assert krippendorffs_alpha(observers) == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_cohens_own_example() -> None:
    """Cohen 1960, table 1: 200 subjects, agreement .70, by chance .41, kappa .492."""
    table = np.array([88, 14, 18, 10, 40, 10, 2, 6, 12])
    assert raw_agreement(unit_sums_of_tables(table)) == pytest.approx(0.70, abs=1e-15)
    assert cohens_kappa(table) == pytest.approx((0.70 - 0.41) / (1 - 0.41), abs=1e-12)


@pytest.mark.parametrize(
    ("cells", "kappa", "positive", "negative"),
    [((40, 9, 6, 45), 0.70, 0.84, 0.86), ((80, 10, 5, 5), 0.32, 0.91, 0.40)],
)
def test_high_agreement_but_low_kappa(cells: tuple[int, ...], kappa: float, positive: float, negative: float) -> None:
    """Feinstein & Cicchetti, "High agreement but low kappa: I", J Clin Epidemiol 43, 1990, and part II by Cicchetti &
    Feinstein: both tables have .85 raw agreement; specific agreement tells why kappa differs. Cells: both yes first."""
    sums = sums_of_table(*cells)
    assert raw_agreement(sums) == pytest.approx(0.85, abs=1e-15)
    assert cohens_kappa(np.array(cells)) == pytest.approx(kappa, abs=5e-3)
    assert specific_agreement(sums, 0) == pytest.approx(positive, abs=5e-3)
    assert specific_agreement(sums, 1) == pytest.approx(negative, abs=5e-3)


def test_ac1_of_gwets_own_examples() -> None:
    """125 subjects of which two raters put 118 into one category (Gwet 2008); four raters, missing ratings (the same
    twelve units in Gwet's Handbook, 4th ed. 2014, where AC1 is .775)."""
    assert gwets_ac1(sums_of_table(118, 5, 2, 0)) == pytest.approx(0.9408, abs=5e-5)
    assert cohens_kappa(np.array([118, 5, 2, 0])) == pytest.approx(-0.0234, abs=5e-5)
    codes = coded(KRIPPENDORFF_2011, "12345")
    assert gwets_ac1(sums_of(codes, 5)) == pytest.approx(0.775, abs=5e-4)
    by_hand, shares = [], []
    for unit in codes:
        said = unit[unit >= 0]
        shares.append([(said == kind).mean() for kind in range(5)])
        if len(said) > 1:
            pairs = [one == other for at, one in enumerate(said) for other in np.delete(said, at)]
            by_hand.append(np.mean(pairs))
    used = np.mean(shares, axis=0)
    chance = (used * (1 - used)).sum() / 4
    assert gwets_ac1(sums_of(codes, 5)) == pytest.approx((np.mean(by_hand) - chance) / (1 - chance), abs=1e-15)


@pytest.mark.parametrize(
    ("shared", "raw", "kappa", "alpha", "ac1", "psa"),
    [(24, 0.968, 0.583, 0.584, 0.965, 0.60), (2, 0.924, 0.010, None, 0.918, 0.05)],
)
def test_why_ac1_never_stands_alone(
    shared: int, raw: float, kappa: float, alpha: float | None, ac1: float, psa: float
) -> None:
    """Two raters who call 40 of 1,000 steps incorrect each, and share 24 or only 2 of them."""
    sums = sums_of_table(1000 - 80 + shared, 40 - shared, 40 - shared, shared)
    found = [raw_agreement(sums), gwets_ac1(sums), specific_agreement(sums, 1), prevalence(sums, 1)]
    assert found == pytest.approx([raw, ac1, psa, 0.04], abs=5e-4)
    assert cohens_kappa(np.array([920 + shared, 40 - shared, 40 - shared, shared])) == pytest.approx(kappa, abs=5e-4)
    assert alpha is None or krippendorffs_alpha(sums) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize("kinds", [2, 3, 4])
def test_two_raters_as_scikit_learn_and_nltk_see_them(kinds: int) -> None:
    draw = np.random.default_rng(kinds)
    for _ in range(50):
        codes = draw.integers(0, kinds, (30, 2))
        codes[:, 1] = np.where(draw.random(30) < 0.5, codes[:, 0], codes[:, 1])
        table = tables(codes[:, 0], codes[:, 1], kinds, np.zeros(30, dtype=int), 1)[0]
        sums = unit_sums_of_tables(table)
        np.testing.assert_allclose(sums, sums_of(codes, kinds), rtol=0, atol=1e-12)
        assert cohens_kappa(table) == pytest.approx(cohen_kappa_score(*codes.T), abs=1e-12)
        for kind in range(kinds):
            expected = f1_score(codes[:, 0] == kind, codes[:, 1] == kind)
            assert specific_agreement(sums, kind) == pytest.approx(expected, abs=1e-12)
        task = AnnotationTask([(rater, unit, said) for unit, row in enumerate(codes) for rater, said in enumerate(row)])
        assert krippendorffs_alpha(sums) == pytest.approx(task.alpha(), abs=1e-12)
        assert cohens_kappa(table) == pytest.approx(task.kappa(), abs=1e-12)
        assert raw_agreement(sums) == pytest.approx(task.avg_Ao(), abs=1e-12)


def test_many_raters_and_missing_ratings_as_krippendorffs_package_sees_them() -> None:
    draw = np.random.default_rng(1)
    for _ in range(100):
        codes = draw.choice([-1, 0, 0, 0, 1, 2], (25, 5))
        data = np.where(codes < 0, np.nan, codes.astype(float)).T
        expected = krippendorff.alpha(data, level_of_measurement="nominal")
        assert krippendorffs_alpha(sums_of(codes, 3)) == pytest.approx(expected, abs=1e-12)


def test_specific_agreement_of_many_raters_is_that_of_all_their_pairs() -> None:
    codes = np.random.default_rng(2).choice([-1, 0, 1, 2], (40, 4))
    sums = sums_of(codes, 3)
    for kind in range(3):
        alike = said = 0
        for unit in codes:
            for one in range(4):
                for other in range(4):
                    if one != other and unit[one] == kind and unit[other] >= 0:
                        said += 1
                        alike += int(unit[other] == kind)
        assert specific_agreement(sums, kind) == pytest.approx(alike / said, abs=1e-15)


def test_sums_say_of_what_they_are() -> None:
    of = parts(sums_of(np.array([[0, 0, 1], [1, -1, -1], [-1, -1, -1], [1, 1, -1]]), 2))
    assert (of.paired, of.rated) == (2, 3)
    assert of.agreeing == pytest.approx(1 / 3 + 1)
    assert (of.ratings.tolist(), of.same.tolist(), of.possible.tolist()) == ([2, 3], [2, 2], [4, 4])


def test_tables_are_per_cluster_and_of_what_both_rated() -> None:
    first, second = np.array([0, 1, 1, -1, 1]), np.array([0, 0, 1, 1, -1])
    found = tables(first, second, 2, np.array([0, 0, 2, 2, 2]), 3)
    assert found.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_what_is_undefined_is_so_without_a_warning() -> None:
    nothing, one_label = sums_of(np.full((4, 3), -1), 2), sums_of(np.zeros((4, 3), dtype=int), 2)
    for statistic in (raw_agreement, krippendorffs_alpha, gwets_ac1):
        assert np.isnan(statistic(nothing))
    assert np.isnan(krippendorffs_alpha(one_label))
    assert np.isnan(specific_agreement(one_label, 1))
    assert (raw_agreement(one_label), gwets_ac1(one_label), specific_agreement(one_label, 0)) == (1, 1, 1)
    assert np.isnan(cohens_kappa(np.array([9, 0, 0, 0])))
    assert cohens_kappa(np.array([0, 9, 0, 0])) == 0  # each used another one label
    assert cohens_kappa(np.array([8, 1, 0, 0])) == 0  # one label deviates
