"""Where the numbers mislead: what is known of this benchmark, looked up in the rows at hand, in sentences."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from codetracer_core.evaluation.comparison import against_baselines
from codetracer_core.evaluation.conventions import CONVENTIONS, DEFAULT
from codetracer_core.evaluation.summary import Entry, Evaluation
from codetracer_core.intervals import FEW_CLUSTERS, FEWEST_CLUSTERS, Estimate
from codetracer_core.words import minus

FEWEST_RUNS = 3
"""Of a wave, before anything is said of where its labels lie."""


@dataclass(frozen=True)
class Caveat:
    """One reason to be careful."""

    code: str
    """Names the kind: "baseline", "constant_rule", "hardly", "last_but_one", "clean_rows", "misaligned", "same_text",
    "clusters", "no_answer", "oddities"."""
    text: str
    """What is the case, with its numbers. Names of systems and waves in it are text of others: never markup."""
    why: str
    """Why this matters."""


def warnings(
    evaluation: Evaluation, convention: str = DEFAULT, *, texts: Mapping[str, Sequence[str]] | None = None
) -> tuple[Caveat, ...]:
    """What to know before the numbers of this convention are believed, the gravest first.

    ``texts`` holds, by ``traj_id``, what each step shows without the agent's thought (action and observation); without
    it nothing is said of steps that look alike. Raises KeyError for an unknown convention.
    """
    return warnings_by_convention(evaluation, (convention,), texts=texts)[convention]


def warnings_by_convention(
    evaluation: Evaluation,
    conventions: Collection[str] = tuple(CONVENTIONS),
    *,
    texts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[Caveat, ...]]:
    """The same for several conventions; texts are looked at once."""
    of_labels = [*_last_but_one(evaluation), *_same_text(evaluation, texts or {})]
    of_answers = list(_answers(evaluation))
    return {
        name: (*_baselines(evaluation, name), *of_labels, *_rows(evaluation, name), *of_answers) for name in conventions
    }


def _baselines(evaluation: Evaluation, convention: str) -> Iterator[Caveat]:
    title = CONVENTIONS[convention].title
    ahead = {entry.name: False for entry in evaluation.systems}
    for entry in evaluation.systems:
        against = against_baselines(evaluation, entry.name, convention)
        ahead[entry.name] = bool(against) and all(one.is_beaten for one in against)
        better = [one.baseline for one in against if one.is_beaten is False]
        if better:
            listed = ", ".join(f"{one.title} ({_value(one, convention)})" for one in better)
            yield Caveat(
                "constant_rule",
                f"{entry.title} ({_value(entry, convention)}) does not beat {listed} under “{title}”.",
                "What knows nothing of a run but its length does as well here: this number is no sign of insight.",
            )
        hardly = [
            one for one in against if one.is_beaten and one.difference.low is not None and not one.is_beaten_clearly
        ]
        if hardly:
            listed = ", ".join(f"{one.baseline.title} (by {_by(one.difference)})" for one in hardly)
            yield Caveat(
                "hardly",
                f"{entry.title} ({_value(entry, convention)}) is ahead of {listed} under “{title}”, but not clearly.",
                "The interval of the difference reaches 0 or below: on other runs the order may be another.",
            )
    if ahead and not any(ahead.values()):
        yield Caveat(
            "baseline",
            f"No system beats every baseline under “{title}”.",
            "On these rows the convention does not tell a model from a rule that never looks at the run.",
        )


def _value(entry: Entry, convention: str) -> str:
    value = entry.scores[convention].f1.value
    return "no value" if value is None else f"{value:.3f}"


def _by(difference: Estimate) -> str:
    value, low, high = (minus(f"{number:+.3f}") for number in (difference.value, difference.low, difference.high))
    return f"{value}, {low} to {high}"


def _last_but_one(evaluation: Evaluation) -> Iterator[Caveat]:
    rows = evaluation.rows
    waves: dict[str, list[int]] = {}
    for at, run in enumerate(rows.truth):
        if rows.expected[at]:
            waves.setdefault(run.wave, []).append(at)
    for wave, runs in sorted(waves.items()):
        hits = sum(rows.truth[at].step_count - 1 in rows.gold[at] for at in runs)
        if len(runs) >= FEWEST_RUNS and 2 * hits >= len(runs):
            where = f"of the wave {wave}" if wave else "whose wave is not known"
            yield Caveat(
                "last_but_one",
                f"In {hits} of {len(runs)} runs with errors {where} the last step but one is an incorrect one.",
                "There the submission itself was labelled: a rule that always names it looks like a good model.",
            )


def _same_text(evaluation: Evaluation, texts: Mapping[str, Sequence[str]]) -> Iterator[Caveat]:
    rows = evaluation.rows
    alike = total = 0
    for run, gold in zip(rows.truth, rows.gold, strict=True):
        shown = texts.get(run.traj_id, ()) if gold else ()
        for step in gold if len(shown) == run.step_count else ():
            total += 1
            neighbours = shown[max(step - 2, 0) : step - 1], shown[step : step + 1]
            alike += any(shown[step - 1] in side for side in neighbours)
    if alike:
        yield Caveat(
            "same_text",
            f"{alike} of {total} incorrect steps look like the step before or after them, but for the agent's thought.",
            "A model that is not shown the thoughts cannot know which of the two is meant.",
        )


def _rows(evaluation: Evaluation, convention: str) -> Iterator[Caveat]:
    rows = evaluation.rows
    if rows.misaligned:
        names = ", ".join(run.traj_id for run in rows.misaligned[:3])
        more = f" and {len(rows.misaligned) - 3} more" if len(rows.misaligned) > 3 else ""
        left_out = "Misaligned and left out of everything"
        yield Caveat(
            "misaligned",
            f"{left_out}: {names}{more}.",
            "Their ground truth counts other steps than the run has, so that its step numbers mean something else.",
        )
    clean = int((rows.expected == 0).sum())
    if clean and convention == "all_row_f1":
        most = 1 - clean / len(rows.truth)
        yield Caveat(
            "clean_rows",
            f"{clean} of {len(rows.truth)} runs have no incorrect step: nobody can get more than {most:.3f} here.",
            "Numbers of this convention can only be compared on the same rows.",
        )
    clusters = max((entry.scores[convention].clusters for entry in evaluation.entries), default=0)
    if clusters < FEW_CLUSTERS:
        what = "There are no intervals" if clusters < FEWEST_CLUSTERS else "Intervals are rough"
        units = f"{rows.clustered_by}{'s' * (clusters != 1)}"
        of = (
            f"the runs that count belong to {clusters} {units}"
            if rows.clustered_by == "task"
            else f"{clusters} {units} count"
        )
        few = f"an interval takes {FEWEST_CLUSTERS} of them, and of fewer than {FEW_CLUSTERS} it may be too narrow."
        yield Caveat(
            "clusters",
            f"{what}: {of}.",
            f"Runs of one task are not independent; {few}"
            if rows.clustered_by == "task"
            else few[:1].upper() + few[1:],
        )


def _answers(evaluation: Evaluation) -> Iterator[Caveat]:
    for entry in evaluation.given:
        score, odd = entry.scores["all_row_f1"], entry.seen.oddities
        if score.failed or score.missing:
            yield Caveat(
                "no_answer",
                f"{entry.title}: {score.failed} of {score.observations} answers failed, {score.missing} are missing.",
                "They find nothing and count as such; which runs they are may not be by chance.",
            )
        said = {
            "step numbers that the run does not have were dropped": odd.outside,
            "steps were named as incorrect and as unuseful; incorrect counts": odd.in_both,
            "steps were named more than once in an answer; they count once": odd.repeated,
            "answers are on runs that are not among the rows": odd.unknown_runs,
        }
        told = "; ".join(f"{count} {what}" for what, count in said.items() if count)
        if told:
            yield Caveat(
                "oddities", f"{entry.title}: {told}.", "Many of them mean that predictions and rows do not fit."
            )
    dropped = evaluation.rows.dropped_labels
    if dropped:
        yield Caveat(
            "oddities",
            f"{dropped} labels of the ground truth name steps that their runs do not have; they were dropped.",
            "The rows may come from another reading of these runs.",
        )
