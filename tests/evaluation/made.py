"""Small truths and systems, and a second computation of every convention, written from its definition alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score

from codetracer_core.evaluation import Prediction, System, Truth


def truth(name: str, step_count: int, incorrect: Sequence[int] = (), **fields: Any) -> Truth:
    return Truth(name, step_count, frozenset(incorrect), **fields)


def system(name: str, *repetitions: Mapping[str, Sequence[int] | None], **fields: Any) -> System:
    """Accused steps by run; None: the answer failed."""
    return System(
        name,
        tuple(
            {
                run: Prediction(run, number, "failed", "no answer")
                if steps is None
                else Prediction(run, number, incorrect=tuple(steps))
                for run, steps in said.items()
            }
            for number, said in enumerate(repetitions)
        ),
        **fields,
    )


def drawn(
    seed: int, *, runs: int = 50, systems: int = 2, repetitions: int = 2, tasks: int = 35
) -> tuple[list[Truth], list[System]]:
    """Runs of 1 to 30 steps, half of them with errors; some answers failed, some missing, some with wrong numbers."""
    rng = np.random.default_rng(seed)

    def some(count: int, most: int) -> list[int]:
        return sorted((rng.permutation(count)[: rng.integers(0, min(most, count) + 1)] + 1).tolist())

    rows = []
    for number in range(runs):
        length = int(rng.integers(1, 31))
        solved = [True, False, None][int(rng.integers(0, 3))]
        gold = some(length, 4) if rng.random() < 0.5 else []
        rows.append(truth(f"run-{number}", length, gold, task=f"task-{rng.integers(0, tasks)}", solved=solved))
    answers = []
    for number in range(systems):
        said: list[dict[str, Sequence[int] | None]] = []
        for _ in range(repetitions):
            chance = rng.random(runs)
            said.append(
                {
                    row.traj_id: None if chance[at] < 0.1 else some(row.step_count + 2, 5)
                    for at, row in enumerate(rows)
                    if chance[at] < 0.95
                }
            )
        answers.append(system(f"system-{number}", *said))
    return rows, answers


def expected(rows: Sequence[Truth], answers: System, missing: str) -> dict[str, Any]:
    """Every convention with scikit-learn on one vector of 0 and 1 for each answer."""
    vectors: list[tuple[Truth, np.ndarray, np.ndarray, bool]] = []
    for said in answers.repetitions:
        for row in rows:
            answer = said.get(row.traj_id)
            if answer is None and missing == "excluded":
                continue
            steps = np.arange(1, row.step_count + 1)
            named = answer.incorrect if answer is not None and answer.status == "ok" else ()
            answered = answer is not None and answer.status == "ok"
            vectors.append((row, np.isin(steps, list(row.incorrect)), np.isin(steps, list(named)), answered))
    per_run = [
        {
            "precision": precision_score(gold, said, zero_division=0),
            "recall": recall_score(gold, said, zero_division=0),
            "f1": f1_score(gold, said, zero_division=0),
        }
        for _, gold, said, _ in vectors
    ]
    positive = [at for at, (_, gold, _, _) in enumerate(vectors) if gold.any()]
    scored = [at for at, (row, gold, _, _) in enumerate(vectors) if gold.any() or row.solved]
    silent = [not gold.any() and not said.any() and answered for _, gold, said, answered in vectors]

    def mean(name: str, chosen: Sequence[int]) -> float:
        return float(np.mean([per_run[at][name] for at in chosen]))

    def heap(chosen: Sequence[int]) -> dict[str, float]:
        gold, said = (np.concatenate([vectors[at][side] for at in chosen]) for side in (1, 2))
        return {
            "precision": precision_score(gold, said),
            "recall": recall_score(gold, said),
            "f1": f1_score(gold, said),
        }

    everything = list(range(len(vectors)))
    means = {name: mean(name, positive) for name in ("precision", "recall", "f1")}
    gold, said = (np.concatenate([vector[side] for vector in vectors]) for side in (1, 2))
    return {
        "positive_only": means,
        "all_row_f1": {"f1": mean("f1", everything)},
        "all_row_f1_empty_one": {
            "f1": float(np.mean([1.0 if one else numbers["f1"] for one, numbers in zip(silent, per_run, strict=True)]))
        },
        "paper_like": {
            "precision": means["precision"],
            "recall": means["recall"],
            "f1": 2 * means["precision"] * means["recall"] / (means["precision"] + means["recall"]),
        },
        "micro_all": heap(everything),
        "micro_positive": heap(positive),
        "class_macro": {"f1": f1_score(gold, said, average="macro")},
        "scored": heap(scored),
    }
