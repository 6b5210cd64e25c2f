"""Everything at once: systems and baselines on the same rows, under every convention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from codetracer_core.evaluation.baselines import RANDOM_STEP, RULES, SAME_NUMBER, rule_observations, same_number
from codetracer_core.evaluation.clean import CleanRuns, clean_runs
from codetracer_core.evaluation.conventions import Score, score
from codetracer_core.evaluation.counting import Observations, observe
from codetracer_core.evaluation.rows import Missing, Rows, System, Truth
from codetracer_core.intervals import SEED

Kind = Literal["system", "baseline"]


@dataclass(frozen=True, eq=False)
class Entry:
    """A system or a baseline, with what it comes to."""

    name: str
    title: str
    kind: Kind
    repetitions: int
    seen: Observations
    scores: Mapping[str, Score]
    """By convention."""
    clean: tuple[CleanRuns, ...]
    of: str = ""
    """The system whose number of steps a random baseline takes over; empty: it has nothing to do with one."""

    @property
    def was_given(self) -> bool:
        """It has answers of its own: a system, or a baseline that was run like one."""
        return self.seen.answers is not None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out, and what it came out of."""

    rows: Rows
    entries: tuple[Entry, ...]
    """Systems in the order in which they were given, then baselines."""
    missing: Missing
    seed: int

    @property
    def systems(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == "system")

    @property
    def baselines(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == "baseline")

    @property
    def given(self) -> tuple[Entry, ...]:
        """Systems, and baselines that were run like one (the offline rules)."""
        return tuple(entry for entry in self.entries if entry.was_given)

    def entry(self, name: str) -> Entry:
        """Raises KeyError."""
        return {entry.name: entry for entry in self.entries}[name]

    def ranked(self, convention: str) -> list[Entry]:
        """Best first; those without a value last."""
        values = {entry.name: entry.scores[convention].f1.value for entry in self.entries}
        return sorted(
            self.entries, key=lambda entry: -1.0 if (value := values[entry.name]) is None else value, reverse=True
        )


def evaluate(
    truth: Sequence[Truth], systems: Sequence[System], *, missing: Missing = "miss", seed: int = SEED
) -> Evaluation:
    """Judge systems by the ground truth, beside the baselines.

    Misaligned runs are left out. Raises ValueError if two runs, or two systems, or a system and a baseline have one
    name.
    """
    rows = Rows.of(truth)
    judged = list(_judged(rows, systems, missing))
    if len({one.name for one in judged}) < len(judged):
        raise ValueError("two systems, or a system and a baseline, have the same name")
    # First all scores, then all else: those of one kind draw from the same clusters, and draws are kept for a moment.
    scores = [score(rows, one.seen, seed=seed) for one in judged]
    clean = [clean_runs(rows, one.seen, seed=seed) for one in judged]
    entries = [
        Entry(one.name, one.title, one.kind, one.repetitions, one.seen, scored, runs, one.of)
        for one, scored, runs in zip(judged, scores, clean, strict=True)
    ]
    return Evaluation(rows, tuple(entries), missing, seed)


class _Judged(NamedTuple):
    """What is needed to judge somebody."""

    name: str
    title: str
    kind: Kind
    repetitions: int
    seen: Observations
    of: str = ""


def _judged(rows: Rows, systems: Sequence[System], missing: Missing) -> Iterator[_Judged]:
    """Systems in the order in which they were given, then baselines."""
    seen = [(system, len(system.repetitions), observe(rows, system, missing)) for system in systems]
    for system, repetitions, said in seen:
        if not system.is_baseline:
            yield _Judged(system.name, system.name, "system", repetitions, said)
    for system, repetitions, said in seen:
        if system.is_baseline:
            yield _Judged(system.name, system.name, "baseline", repetitions, said)
    titles = {name: rule.title for name, rule in RULES.items()} | {RANDOM_STEP: "one random step (expected)"}
    for name, said in rule_observations(rows).items():
        yield _Judged(name, titles[name], "baseline", 1, said)
    for system, repetitions, said in seen:
        if not system.is_baseline:
            name, title = f"{SAME_NUMBER}:{system.name}", f"as many random steps as {system.name} (expected)"
            yield _Judged(name, title, "baseline", repetitions, same_number(said), system.name)
