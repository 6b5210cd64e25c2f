"""Ground truth and two answers of each system as raters: agreement must give the published scores of evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from codetracer_core.agreement import agreement
from codetracer_core.evaluating import systems_from_files, truth_from_manifest
from codetracer_core.ratings import CORRECT, INCORRECT, MISSING, Rater, Ratings


@pytest.mark.parametrize("system", ["codetracer_glm-5.2", "direct_glm-5.2"])
def test_positive_specific_agreement_is_the_published_f1(real: Path, system: str) -> None:
    folder = real / "codetracebench"
    published = json.loads((folder / "expected.json").read_text())[system]["scored"]
    truth = truth_from_manifest(folder / "manifest.jsonl").truth
    answers = [folder / "predictions" / f"{system}.rep{repetition}.jsonl" for repetition in (0, 1)]
    [read] = systems_from_files({system: answers}, truth).systems
    rows = [row for row in truth if row.incorrect or row.solved]  # "scored": with labels, and solved ones without
    lengths = np.array([row.step_count for row in rows])
    codes = np.full((lengths.sum(), 3), CORRECT, dtype=np.int8)
    starts = np.cumsum(lengths) - lengths
    for row, start in zip(rows, starts, strict=True):
        said = [repetition[row.traj_id] for repetition in read.repetitions]
        for rater, steps in enumerate([row.incorrect, *(set(of.incorrect) for of in said)]):
            codes[[start + step - 1 for step in steps if 1 <= step <= row.step_count], rater] = INCORRECT
    shape = (len(rows), 3)
    ratings = Ratings(
        tuple(row.traj_id for row in rows),
        tuple(row.task for row in rows),
        lengths,
        (Rater("ground_truth", "benchmark"), Rater("model", system, 1), Rater("model", system, 2)),
        codes,
        np.ones(shape, dtype=bool),  # a failed run predicts nothing, as the published scores have it
        np.zeros(shape, dtype=np.int64),
        np.full(shape, MISSING, dtype=np.int8),
        np.full(shape, np.nan),
    )
    found = agreement(ratings)
    judged = [pair.incorrect for pair in found.pairs if pair.has_reference]
    assert len(judged) == 2
    matched = sum(of.table[1][1] for of in judged if of.table)
    missed = sum(of.table[1][0] for of in judged if of.table)
    accused = sum(of.table[0][1] for of in judged if of.table)
    assert (matched, matched + accused, matched + missed) == (
        published["matched"],
        published["predicted"],
        published["expected"],
    )
    assert 2 * matched / (2 * matched + accused + missed) == pytest.approx(published["f1"], abs=1e-12)
    [repeated] = found.repeats
    assert repeated.incorrect.kappa.value == pytest.approx(cohen_kappa_score(*(codes[:, 1:] == INCORRECT).T), abs=1e-12)
