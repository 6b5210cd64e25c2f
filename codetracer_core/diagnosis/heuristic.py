"""A diagnosis without a language model: the offline rules of ``rules``, told in the words of a diagnosis."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from codetracer_core.actions import classify
from codetracer_core.diagnosis.rules import RULES, Facts, Hit, Place, Rule
from codetracer_core.diagnosis_models import (
    HEURISTIC,
    NO_STEPS,
    ChainLink,
    Citation,
    DecisionPoint,
    Diagnosis,
    DiagnosisSettings,
    EvidenceCheck,
    FoundVerdict,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.models import EvidenceQuote, Trajectory
from codetracer_core.stages import offline_stages
from codetracer_core.tree import TraceTree

LONGEST_QUOTE = 200
MOST_CANDIDATES = 5
MOST_RISKS = 3
"""How many places of one risk become decision points; the summary tells how many there are."""
STEPS_NAMED = 8

Found = tuple[Rule, Hit]


@cache
def rules_version() -> dict[str, str]:
    """Version of the rules, told like that of a prompt: the first 12 hex digits of the sha256 of their source."""
    here = Path(__file__)
    sources = [here, here.with_name("failures.py"), *sorted(here.with_name("rules").glob("*.py"))]
    text = b"".join(source.read_bytes() for source in sources)
    return {"rules": hashlib.sha256(text).hexdigest()[:12]}


def diagnose_offline(trajectory: Trajectory, *, run_id: str, tree: TraceTree | None = None) -> Diagnosis:
    """What the rules find in a run, with model name ``HEURISTIC``. Costs nothing, always the same.

    Only the rules that measured well give verdicts; the others become decision points, which accuse no step. A run is
    said to have an error if a step is labelled incorrect: redundant steps alone are none. The rules see the steps and
    the task text, never the outcome of the run nor the verifier's tests. Of a run without
    steps the diagnosis is a failed one. ``tree``: the trace tree, if it is at hand.
    """
    started = datetime.now(UTC)
    decisions = tree.decisions if tree is not None else tuple(classify(step) for step in trajectory.steps)
    found = [(rule, hit) for rule in RULES for hit in rule.find(Facts(trajectory, decisions))]
    findings = tuple(_findings(found, trajectory))
    onset = _onset(found, findings, trajectory)
    stages = offline_stages(trajectory, decisions).stages
    quotes = sum(len(finding.citations) for finding in findings)
    return Diagnosis(
        diagnosis_id=uuid.uuid4().hex,
        run_id=run_id,
        model=HEURISTIC,
        settings=DiagnosisSettings(),
        prompt_versions=rules_version(),
        status="complete" if trajectory.steps else "failed",
        status_reason="" if trajectory.steps else NO_STEPS,
        conclusion="error_found" if onset else "no_error_found" if trajectory.steps else "undecided",
        summary=_summary(found, findings),
        case_for_clean_run=_case_for_clean_run(found),
        onset=onset,
        findings=findings,
        error_chain=_chain(findings, found, onset),
        decision_points=tuple(_decision_points(found, trajectory)),
        correct_strategy=_correct_strategy(found, onset),
        stages=stages,
        read_steps=tuple(step.step_id for step in trajectory.steps),
        samples_finished=1,
        evidence=EvidenceCheck(quotes=quotes),
        started_at=started,
        finished_at=datetime.now(UTC),
    )


# ---------------------------------------------------------------- labels


def _findings(found: Sequence[Found], trajectory: Trajectory) -> Iterator[StepFinding]:
    """One finding per step: where rules differ, *incorrect* stands and *unuseful* does not."""
    for step_id in sorted({hit.step_id for rule, hit in found if rule.says != "risk"}):
        here = [(rule, hit) for rule, hit in found if hit.step_id == step_id]
        verdict: FoundVerdict = "incorrect" if any(rule.says == "incorrect" for rule, _ in here) else "unuseful"
        meant = [(rule, hit) for rule, hit in here if rule.says == verdict]
        citations = _citations((place for _, hit in meant for place in hit.places), trajectory)
        if citations:
            yield StepFinding(
                step_id=step_id,
                verdict=verdict,
                reasoning=" ".join(dict.fromkeys(f"{hit.reasoning} (Rule: {rule.name}.)" for rule, hit in meant)),
                deviation_type=meant[0][0].deviation,
                correct_alternative=meant[0][0].instead,
                citations=citations,
            )


def _citations(places: Iterable[Place], trajectory: Trajectory) -> tuple[Citation, ...]:
    quotes = [quote for place in dict.fromkeys(places) if (quote := _quote(place, trajectory)) is not None]
    return tuple(Citation(step_id=quote.step_id, text=quote.text, quote=quote) for quote in quotes)


def _quote(place: Place, trajectory: Trajectory) -> EvidenceQuote | None:
    """The text that stands in a place, at most ``LONGEST_QUOTE`` characters; None: there is nothing to be seen."""
    stored: str = getattr(trajectory.steps[place.step_id - 1], place.field) or ""
    text = stored[place.start : min(place.end, place.start + LONGEST_QUOTE)].rstrip()
    if not text.strip():
        return None
    return EvidenceQuote.of(place.step_id, place.field, place.start, text)


def _onset(
    found: Sequence[Found], findings: Sequence[StepFinding], trajectory: Trajectory
) -> tuple[OnsetCandidate, ...]:
    """The steps labelled incorrect, those of the weightier rule first, then the earlier ones."""
    incorrect = {finding.step_id: finding for finding in findings if finding.verdict == "incorrect"}
    weights: dict[int, int] = {}
    for rule, hit in found:
        if rule.says == "incorrect" and hit.step_id in incorrect:
            weights[hit.step_id] = max(rule.weight, weights.get(hit.step_id, 0))
    ranked = sorted(weights, key=lambda step_id: (-weights[step_id], step_id))[:MOST_CANDIDATES]
    return tuple(
        OnsetCandidate(
            step_id=step_id,
            reasoning=incorrect[step_id].reasoning,
            citations=incorrect[step_id].citations,
            support=1 / rank,
        )
        for rank, step_id in enumerate(ranked, start=1)
    )


def _chain(
    findings: Sequence[StepFinding], found: Sequence[Found], onset: Sequence[OnsetCandidate]
) -> tuple[ChainLink, ...]:
    """What followed from the onset as far as rules tell: incorrect steps that repeat it, or repeat what repeats it."""
    if not onset:
        return ()
    links: dict[int, ChainLink] = {}
    for finding in findings:
        follows = {earlier for _, hit in found if hit.step_id == finding.step_id for earlier in hit.follows}
        known = tuple(sorted(follows & links.keys()))
        if finding.verdict == "incorrect" and (finding.step_id == onset[0].step_id or known):
            links[finding.step_id] = ChainLink(
                step_id=finding.step_id, what=finding.reasoning, follows_from=known, citations=finding.citations
            )
    return tuple(links.values()) if len(links) > 1 else ()


# ---------------------------------------------------------------- in words


def _decision_points(found: Sequence[Found], trajectory: Trajectory) -> Iterator[DecisionPoint]:
    """The risks, at most ``MOST_RISKS`` of each rule."""
    for rule, hits in _by_rule(found, "risk").items():
        for hit in hits[:MOST_RISKS]:
            yield DecisionPoint(
                step_id=hit.step_id,
                decision=f"{hit.reasoning} (Rule: {rule.name}.)",
                should_have=rule.instead,
                citations=_citations(hit.places, trajectory),
            )


def _by_rule(found: Sequence[Found], *says: str) -> Mapping[Rule, list[Hit]]:
    rules: dict[Rule, list[Hit]] = {}
    for rule, hit in found:
        if rule.says in says:
            rules.setdefault(rule, []).append(hit)
    return rules


def _summary(found: Sequence[Found], findings: Sequence[StepFinding]) -> str:
    sentences = [f"{len(RULES)} offline rules looked at this run; no language model was asked."]
    if findings:
        sentences.append(f"Labelled: {_told(_by_rule(found, 'incorrect', 'unuseful'))}.")
    else:
        sentences.append("No rule that gives a verdict found anything.")
    if risks := _by_rule(found, "risk"):
        sentences.append(f"Worth a look, but no verdict: {_told(risks)}.")
    return " ".join(sentences)


def _told(rules: Mapping[Rule, Sequence[Hit]]) -> str:
    return "; ".join(f"{rule.title} ({_steps([hit.step_id for hit in hits])})" for rule, hits in rules.items())


def _steps(step_ids: Sequence[int]) -> str:
    """ "step 4", "steps 4, 9", "steps 1, 2, … and 12 more"."""
    named = sorted(set(step_ids))
    more = f" and {len(named) - STEPS_NAMED} more" if len(named) > STEPS_NAMED else ""
    return f"step{'s' * (len(named) > 1)} {', '.join(map(str, named[:STEPS_NAMED]))}{more}"


def _case_for_clean_run(found: Sequence[Found]) -> str:
    fired = {rule.name for rule, _ in found}
    silent = [rule.title for rule in RULES if rule.name not in fired]
    return f"The rules found none of these: {'; '.join(silent)}." if silent else ""


def _correct_strategy(found: Sequence[Found], onset: Sequence[OnsetCandidate]) -> str:
    """What the rules behind the labels would have had the agent do, the first onset candidate's first."""
    first = {candidate.step_id for candidate in onset[:1]}
    verdicts = [(rule, hit) for rule, hit in found if rule.says != "risk"]
    ordered = sorted(verdicts, key=lambda pair: pair[1].step_id not in first)
    return " ".join(dict.fromkeys(rule.instead for rule, _ in ordered))
