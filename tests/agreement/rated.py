"""Ratings written as text: one word per run and rater, one letter per step."""

from collections.abc import Mapping, Sequence

import numpy as np

from codetracer_core.models import LabelSource, Stage
from codetracer_core.ratings import CORRECT, INCORRECT, MISSING, UNCERTAIN, UNUSEFUL, Rater, Ratings

CODES = {"c": CORRECT, "i": INCORRECT, "u": UNUSEFUL, ".": MISSING, "?": UNCERTAIN}


def rated(
    said: Mapping[str, Sequence[str]],
    *,
    tasks: Sequence[str | None] | None = None,
    onsets: Mapping[tuple[int, int], int] | None = None,
    verdicts: Mapping[tuple[int, int], int] | None = None,
    seconds: Mapping[tuple[int, int], float] | None = None,
    masses: Mapping[tuple[int, int], Sequence[int]] | None = None,
) -> Ratings:
    """By rater ("name", "source:name" or "name#pass"), a word for each run: ``c`` correct, ``i`` incorrect, ``u``
    unuseful, ``?`` uncertain, ``.`` none; a ``-`` at the end: not finished. Onsets, run verdicts, seconds and the sizes
    of stages are by (run, rater)."""
    words = list(said.values())
    runs = len(words[0]) if words else 0
    lengths = np.array([len(words[0][run].rstrip("-")) for run in range(runs)], dtype=np.int64)
    shape = (runs, len(words))
    codes = np.array(
        [[CODES[letter] for letter in "".join(word.rstrip("-") for word in of)] for of in words], dtype=np.int8
    ).T.reshape(int(lengths.sum()), len(words))
    marked, decided = np.zeros(shape, dtype=np.int64), np.full(shape, MISSING, dtype=np.int8)
    time = np.full(shape, np.nan)
    for table, given in ((marked, onsets), (decided, verdicts), (time, seconds)):
        for at, value in (given or {}).items():
            table[at] = value
    return Ratings(
        tuple(f"run {run}" for run in range(runs)),
        tuple(tasks) if tasks is not None else (None,) * runs,
        lengths,
        tuple(rater_of(name) for name in said),
        codes,
        np.array([[not word.endswith("-") for word in of] for of in words], dtype=bool).T.reshape(shape),
        marked,
        decided,
        time,
        {at: stages_of(sizes) for at, sizes in (masses or {}).items()},
    )


def rater_of(name: str) -> Rater:
    source: LabelSource = "human"
    for known in ("model", "ground_truth", "adjudicated"):
        if name.startswith(known):
            source = known  # type: ignore[assignment]
    name = name.rpartition(":")[2]
    name, _, number = name.partition("#")
    return Rater(source, name, int(number) if number else None)


def stages_of(sizes: Sequence[int]) -> tuple[Stage, ...]:
    ends = np.cumsum(sizes).tolist()
    return tuple(
        Stage(stage_id=at + 1, start_step_id=end - size + 1, end_step_id=end)
        for at, (size, end) in enumerate(zip(sizes, ends, strict=True))
    )


def drawn_ratings(seed: int, *, runs: int = 40, raters: int = 3, longest: int = 30, missing: float = 0.2) -> Ratings:
    """Ratings as people may give them: half of the runs have errors, and people see them half of the time."""
    draw = np.random.default_rng(seed)
    said: dict[str, list[str]] = {f"person {rater}": [] for rater in range(raters)}
    masses = {}
    for run in range(runs):
        length = int(draw.integers(1, longest))
        truth = draw.choice(list("ciu"), length, p=(0.8, 0.15, 0.05) if draw.random() < 0.5 else (1, 0, 0))
        for rater, words in enumerate(said.values()):
            own = draw.choice(list("ciu?."), length, p=(0.5, 0.05, 0.05, 0.1, 0.3))
            unfinished = draw.random() < missing
            words.append("".join(np.where(draw.random(length) < 0.6, truth, own)) + "-" * unfinished)
            cuts = np.flatnonzero(draw.random(length - 1) < 0.2) + 1
            if draw.random() < 0.8:
                masses[run, rater] = np.diff([0, *cuts, length]).tolist()
    tasks = [f"task {run // 2}" if run % 5 else None for run in range(runs)]
    onsets = {(run, 0): int(draw.integers(1, len(word.rstrip("-")) + 1)) for run, word in enumerate(said["person 0"])}
    marked = {at: step for at, step in onsets.items() if at[0] % 7 == 0}
    verdicts = {(run, rater): int(draw.integers(-2, 2)) for run in range(runs) for rater in range(raters)}
    return rated(said, tasks=tasks, onsets=marked, verdicts=verdicts, masses=masses)
