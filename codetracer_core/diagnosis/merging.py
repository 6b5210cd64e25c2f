"""Several independent samples as one diagnosis: what most of them say, and how many that are. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from codetracer_core.diagnosis.answers import Submission
from codetracer_core.diagnosis.evidence import Checked
from codetracer_core.diagnosis_models import Conclusion, EvidenceCheck, OnsetCandidate, StepFinding

Item = TypeVar("Item", StepFinding, OnsetCandidate)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sample came to, evidence checked."""

    submission: Submission
    checked: Checked

    @property
    def conclusion(self) -> Conclusion:
        """What the sample concludes, as far as its own findings bear it out; *undecided* where they do not."""
        accuses = any(finding.verdict == "incorrect" and finding.is_supported for finding in self.checked.findings)
        said = self.submission.conclusion
        names_an_onset = any(candidate.is_supported for candidate in self.checked.onset)
        if said == "error_found" and not (accuses or names_an_onset):
            return "undecided"
        if said == "no_error_found" and (accuses or names_an_onset):
            return "undecided"
        return said

    @property
    def labels(self) -> frozenset[tuple[int, str]]:
        return frozenset((one.step_id, one.verdict) for one in self.checked.findings if one.is_supported)


def merged(samples: Sequence[Sample]) -> dict[str, Any]:
    """The fields of a ``Diagnosis`` that samples (at least one) say together.

    * The conclusion is that of more than half of them, else *undecided*.
    * A finding (step and verdict) has as support the share of samples that have it with evidence that holds; one that
      no sample could support keeps the share that claimed it, and stays unsupported.
    * An onset candidate has as support the mean of 1/rank, samples without it, or without an error, counting 0; the
      list is ordered by it, then by step. Of its citations those of a sample whose evidence holds are kept.
    * Texts, error chain and decision points are those of one sample, for they only make sense together: of those with
      the common conclusion the one whose labels differ least from the labels of all others (the medoid).
    """
    conclusion = _most_said(samples)
    speaking = [sample for sample in samples if sample.conclusion == conclusion] or list(samples)
    chosen = min(speaking, key=lambda sample: sum(len(sample.labels ^ other.labels) for other in samples))
    from_chosen_first = [chosen, *(sample for sample in samples if sample is not chosen)]
    return {
        "conclusion": conclusion,
        "summary": chosen.submission.summary,
        "case_for_clean_run": chosen.submission.case_for_clean_run,
        "onset": _onset(from_chosen_first),
        "findings": _findings(from_chosen_first),
        "error_chain": chosen.checked.error_chain,
        "decision_points": chosen.checked.decision_points,
        "correct_strategy": chosen.submission.correct_strategy,
    }


def counted_together(samples: Iterable[Sample], asked_again: int) -> EvidenceCheck:
    """The checks of all samples, counted together."""
    counts = [sample.checked.counts for sample in samples]
    return EvidenceCheck(
        quotes=sum(one.quotes for one in counts),
        unsupported=sum(one.unsupported for one in counts),
        unread=sum(one.unread for one in counts),
        unknown_steps=sum(one.unknown_steps for one in counts),
        asked_again=asked_again,
    )


def _most_said(samples: Sequence[Sample]) -> Conclusion:
    ((conclusion, times),) = Counter(sample.conclusion for sample in samples).most_common(1)
    return conclusion if 2 * times > len(samples) else "undecided"


def _findings(samples: Sequence[Sample]) -> tuple[StepFinding, ...]:
    found = [finding for sample in samples for finding in sample.checked.findings]
    supported = [finding for finding in found if finding.is_supported]
    first, votes = _first_and_votes(supported, lambda one: (one.step_id, one.verdict))
    claimed, claims = _first_and_votes(found, lambda one: (one.step_id, one.verdict))
    merged = [
        first.get(key, finding).model_copy(update={"support": (votes[key] or claims[key]) / len(samples)})
        for key, finding in claimed.items()
    ]
    return tuple(sorted(merged, key=lambda finding: (finding.step_id, -finding.support)))


def _onset(samples: Sequence[Sample]) -> tuple[OnsetCandidate, ...]:
    candidates: dict[int, OnsetCandidate] = {}
    support: defaultdict[int, float] = defaultdict(float)
    for sample in samples:
        named = () if sample.conclusion == "no_error_found" else sample.checked.onset
        for rank, candidate in enumerate(named, start=1):
            known = candidates.get(candidate.step_id)
            if known is None or (candidate.is_supported and not known.is_supported):
                candidates[candidate.step_id] = candidate
            support[candidate.step_id] += 1 / rank
    ranked = sorted(candidates, key=lambda step: (-support[step], step))
    return tuple(
        candidates[step].model_copy(update={"support": min(1.0, support[step] / len(samples))}) for step in ranked
    )


def _first_and_votes(
    items: Iterable[Item], key: Callable[[Item], Hashable]
) -> tuple[dict[Hashable, Item], Counter[Hashable]]:
    """Of items with one key the first, and how many there are."""
    first: dict[Hashable, Item] = {}
    votes: Counter[Hashable] = Counter()
    for item in items:
        first.setdefault(key(item), item)
        votes[key(item)] += 1
    return first, votes
