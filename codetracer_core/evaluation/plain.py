"""An evaluation as plain dictionaries, for JSON. Keys that published scores use have their names and shapes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from codetracer_core.evaluation.baselines import RULES
from codetracer_core.evaluation.caveats import warnings_by_convention
from codetracer_core.evaluation.clean import CleanRuns
from codetracer_core.evaluation.comparison import Comparison, against_baselines, compare_systems
from codetracer_core.evaluation.conventions import CONVENTIONS, Score
from codetracer_core.evaluation.onset import onset_scores
from codetracer_core.evaluation.rates import positions, step_rates
from codetracer_core.evaluation.repeats import repeats
from codetracer_core.evaluation.slices import slices
from codetracer_core.evaluation.staged import stage_scores
from codetracer_core.evaluation.summary import Entry, Evaluation
from codetracer_core.evaluation.tolerance import TOLERANCES, tolerant
from codetracer_core.intervals import LEVEL, REPLICATES, Estimate, as_plain

Number = int | float | dict[str, Any]
"""A number, or {"value": null, "why": …}."""


def as_json(
    evaluation: Evaluation,
    *,
    by: Sequence[str] = (),
    tolerances: Sequence[int] = TOLERANCES,
    against: Sequence[tuple[str, str]] = (),
    texts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Everything, under every convention.

    ``systems`` and ``baselines`` hold a block for each entry, with the keys of published scores: ``all_row_f1``,
    ``observations``, ``scored``, ``positive_only``, ``clean_solved_runs_accused``; ``constant_rules`` are the blocks of
    the constant rules again, as published scores have them. ``by``: slices by these dimensions; ``against``: pairs of
    entries to compare; ``texts`` as in ``warnings``.
    """
    rows = evaluation.rows
    blocks = {entry.name: _block(evaluation, entry, tolerances) for entry in evaluation.entries}
    return {
        "rows": len(rows.truth),
        "rows_with_incorrect": int((rows.expected > 0).sum()),
        "incorrect_steps": int(rows.expected.sum()),
        "steps": int(rows.lengths.sum()),
        "clusters": len(set(rows.clusters.tolist())),
        "clustered_by": rows.clustered_by,
        "seed": evaluation.seed,
        "replicates": REPLICATES,
        "level": LEVEL,
        "missing_answers": evaluation.missing,
        "misaligned": [{"traj_id": run.traj_id, "why": run.misaligned} for run in rows.misaligned],
        "dropped_labels": rows.dropped_labels,
        "conventions": {
            name: {"title": one.title, "definition": one.definition, "failed": one.failed}
            for name, one in CONVENTIONS.items()
        },
        "systems": {entry.name: blocks[entry.name] for entry in evaluation.systems},
        "constant_rules": {name: blocks[name] for name in RULES},
        "baselines": {entry.name: blocks[entry.name] for entry in evaluation.baselines},
        "comparisons": [_comparison(compare_systems(evaluation, *pair)) for pair in against],
        "slices": _slices(evaluation, by) if by else [],
        "warnings": {
            name: [asdict(caveat) for caveat in found]
            for name, found in warnings_by_convention(evaluation, texts=texts).items()
        },
    }


def _block(evaluation: Evaluation, entry: Entry, tolerances: Collection[int]) -> dict[str, Any]:
    everything = entry.scores["all_row_f1"]
    solved = next((one for one in entry.clean if one.outcome == "solved"), None)
    block: dict[str, Any] = {
        "title": entry.title,
        "repetitions": entry.repetitions,
        "observations": everything.observations,
        "failed": everything.failed,
        "missing": everything.missing,
        "oddities": asdict(entry.seen.oddities),
        **{name: _score(score) for name, score in entry.scores.items()},
        "clean_solved_runs_accused": [_count(solved.accused), solved.answered] if solved else [0, 0],
        "counts": {name: _counts(score) for name, score in entry.scores.items()},
        "intervals": {name: _intervals(score) for name, score in entry.scores.items()},
        "clean_runs": [_clean(one) for one in entry.clean],
        "step_rates": _step_rates(evaluation, entry),
        "tolerance": {
            str(steps): {name: _intervals(score) for name, score in scores.items()}
            for steps, scores in tolerant(evaluation, entry.name, tolerances).items()
        },
    }
    if entry.seen.accused is not None:
        block |= {
            "onset": _onset(evaluation, entry),
            "stages": _stages(evaluation, entry),
            "positions": [asdict(part) for part in positions(evaluation, entry.name)],
        }
    if entry.was_given:
        block |= {"repeats": _repeats(evaluation, entry), "against_baselines": _against(evaluation, entry)}
    return block


def _score(score: Score) -> Number | dict[str, Any]:
    """A plain number where the convention has nothing but that, else a dictionary."""
    convention = CONVENTIONS[score.convention]
    if score.precision is None or score.recall is None:
        return _number(score.f1)
    counted = {"matched": score.matched, "predicted": score.predicted, "expected": score.expected}
    counts = {name: _count(value) for name, value in counted.items()} if convention.is_micro else {}
    return counts | {
        "precision": _number(score.precision),
        "recall": _number(score.recall),
        "f1": _number(score.f1),
    }


def _number(found: Estimate) -> Number:
    return {"value": None, "why": found.why} if found.value is None else found.value


def _optional(value: float | None, why: str) -> Number:
    return {"value": None, "why": why} if value is None else value


def _count(value: float) -> int | float:
    """Counts are whole, but for expectations of random steps."""
    return int(value) if value.is_integer() else value


def _counts(score: Score) -> dict[str, Any]:
    return {
        "observations": score.observations,
        "runs": score.runs,
        "clusters": score.clusters,
        "failed": score.failed,
        "missing": score.missing,
        "left_out": [asdict(one) for one in score.left_out],
    }


def _intervals(score: Score) -> dict[str, Any]:
    parts = {"precision": score.precision, "recall": score.recall, "f1": score.f1}
    return {name: as_plain(found) for name, found in parts.items() if found is not None}


def _clean(one: CleanRuns) -> dict[str, Any]:
    return {
        "outcome": one.outcome,
        "runs": one.runs,
        "answered": one.answered,
        "failed": one.failed,
        "missing": one.missing,
        "accused": _count(one.accused),
        "accusations": _count(one.accusations),
        "share_accused": as_plain(one.share_accused),
        "per_run": as_plain(one.per_run),
    }


def _step_rates(evaluation: Evaluation, entry: Entry) -> dict[str, Any]:
    rates = step_rates(evaluation, entry.name)
    numbers = {
        "tpr": rates.tpr,
        "tnr": rates.tnr,
        "prevalence": rates.prevalence,
        "accused": rates.accused,
        "corrected_prevalence": rates.corrected,
    }
    plain = {name: as_plain(found) for name, found in numbers.items()}
    return {**plain, "answered": rates.answered, "steps": rates.steps}


def _onset(evaluation: Evaluation, entry: Entry) -> dict[str, Any]:
    found = onset_scores(evaluation, entry.name)
    none = "no run has both an onset and a candidate"
    counts = ("both", "missed", "invented", "neither", "failed", "missing", "ranked")
    shares = ("of_all", "of_both", "top_3", "mrr", "by_chance")
    return {
        **{name: getattr(found, name) for name in counts},
        "median_distance": _optional(found.median_distance, none),
        "median_signed": _optional(found.median_signed, none),
        "median_relative": _optional(found.median_relative, none),
        "within": {
            str(within): {name: as_plain(getattr(near, name)) for name in shares} for within, near in found.near.items()
        },
    }


def _stages(evaluation: Evaluation, entry: Entry) -> dict[str, Any]:
    found = stage_scores(evaluation, entry.name)
    named = found.by_name or {}
    return {
        "runs": found.runs,
        "by_steps": {name: _intervals(score) for name, score in found.by_steps.items()},
        "by_name": {name: _intervals(score) for name, score in named.items()},
    }


def _repeats(evaluation: Evaluation, entry: Entry) -> dict[str, Any]:
    found = repeats(evaluation, entry.name)
    if found is None:
        return {"repetitions": entry.repetitions}
    undefined = "undefined in this repetition"
    return {
        "repetitions": found.repetitions,
        "spread": {
            name: {
                "values": [_optional(value, undefined) for value in spread.values],
                "mean": _optional(spread.mean, "undefined in every repetition"),
                "sd": _optional(spread.sd, "fewer than two repetitions have a value"),
            }
            for name, spread in found.spread.items()
        },
        "runs": found.runs,
        "pairs": found.pairs,
        "silent_pairs": found.silent_pairs,
        "jaccard": as_plain(found.jaccard),
        "kappa": as_plain(found.kappa),
        "in_all": as_plain(found.in_all),
    }


def _against(evaluation: Evaluation, entry: Entry) -> dict[str, Any]:
    return {
        name: [
            {"baseline": one.baseline.name, "difference": as_plain(one.difference), "is_beaten": one.is_beaten}
            for one in against_baselines(evaluation, entry.name, name)
        ]
        for name in CONVENTIONS
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "ours": found.ours,
        "theirs": found.theirs,
        "runs": found.runs,
        "left_out": found.left_out,
        "differences": {
            name: {
                part: as_plain(number)
                for part, number in (("precision", one.precision), ("recall", one.recall), ("f1", one.f1))
                if number is not None
            }
            | {"runs": one.runs}
            for name, one in found.differences.items()
        },
        "by_run": [asdict(one) | {"difference": one.difference} for one in found.by_run],
    }


def _slices(evaluation: Evaluation, by: Sequence[str]) -> list[dict[str, Any]]:
    parts = {name: slices(evaluation, by, convention=name) for name in CONVENTIONS}
    return [
        {
            "by": dict(zip(by, found.values, strict=True)),
            "runs": found.runs,
            "runs_with_errors": found.runs_with_errors,
            "scores": {
                entry.name: {
                    name: {**_intervals(score := parts[name][at].scores[entry.name]), **_counts(score)}
                    for name in CONVENTIONS
                }
                for entry in evaluation.entries
            },
        }
        for at, found in enumerate(next(iter(parts.values())))
    ]
