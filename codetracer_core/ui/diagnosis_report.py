"""A diagnosis as its report shows it: what goes to ``frontend/diagnosis.js``, without browser and Streamlit.

Everything in it was written by a model or stands in a run: the browser puts it on the page as text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from codetracer_core.diagnosis_models import (
    HEURISTIC,
    CallUsage,
    Citation,
    Diagnosis,
    EvidenceCheck,
    StepFinding,
    Strategy,
    by_stage,
)
from codetracer_core.tree import TraceTree
from codetracer_core.words import number_of

STRATEGY_WORDS: Mapping[Strategy, str] = {
    "agent": "agent",
    "all_at_once": "all at once",
    "step_by_step": "step by step",
    "binary_search": "binary search",
}
STRATEGY_MEANING: Mapping[Strategy, str] = {
    "agent": "reads the tree first, then the steps that matter",
    "all_at_once": "the whole run in one prompt; long ones are shortened",
    "step_by_step": "every step in its turn",
    "binary_search": "halves the run until it has the first wrong step",
}
_ORDINALS = {1: "first", 2: "second", 3: "third"}


def report_data(diagnosis: Diagnosis, tree: TraceTree) -> dict[str, Any]:
    """The whole report. ``tree`` is the run's, for a line on what each step did."""
    doubted = (one for one in diagnosis.findings if one.is_supported and one not in diagnosis.accepted)
    unsupported = (one for one in diagnosis.findings if not one.is_supported)
    return {
        "diagnosis": diagnosis.diagnosis_id,
        "run": diagnosis.run_id,
        "author": diagnosis.author,
        "headline": headline(diagnosis),
        "conclusion": diagnosis.conclusion,
        "runVerdict": diagnosis.run_verdict or "",
        "status": diagnosis.status,
        "statusReason": diagnosis.status_reason,
        "made": made_by(diagnosis),
        "facts": facts(diagnosis),
        "evidence": evidence_words(diagnosis.evidence),
        "doubt": diagnosis.evidence.unsupported > 0 or diagnosis.evidence.unread > 0,
        "strip": {
            "count": len(tree.rows),
            "stages": [[stage.start_step_id, stage.end_step_id, stage.name] for stage in diagnosis.stages],
            "read": _ranges(diagnosis.read_steps),
            "verdicts": {str(finding.step_id): finding.verdict for finding in diagnosis.accepted},
            "onset": diagnosis.accepted_onset.step_id if diagnosis.accepted_onset else None,
        },
        "steps": {str(step): tree.rows[step - 1].label for step in _steps_named(diagnosis) if step <= len(tree.rows)},
        "summary": diagnosis.summary,
        "clean": diagnosis.case_for_clean_run,
        "strategy": diagnosis.correct_strategy,
        "onset": [
            {
                "step": candidate.step_id,
                "reasoning": candidate.reasoning,
                "support": candidate.support,
                "place": f"named {_ORDINALS.get(place, f'{place}th')}",
                "citations": citation_data(candidate.citations),
            }
            for place, candidate in enumerate(diagnosis.onset, start=1)
        ],
        "stages": _by_stage(diagnosis),
        "doubted": list(map(finding_data, doubted)),
        "unsupported": list(map(finding_data, unsupported)),
        "chain": [
            {
                "step": link.step_id,
                "what": link.what,
                "from": list(link.follows_from),
                "citations": citation_data(link.citations),
            }
            for link in diagnosis.error_chain
        ],
        "decisions": [
            {
                "step": point.step_id,
                "did": point.decision,
                "should": point.should_have,
                "citations": citation_data(point.citations),
            }
            for point in diagnosis.decision_points
        ],
        "samples": diagnosis.samples_merged,
    }


def headline(diagnosis: Diagnosis) -> str:
    """What it comes to, in one line."""
    if diagnosis.status == "failed":
        return "The diagnosis failed"
    if diagnosis.conclusion == "no_error_found":
        return "No error found"
    if diagnosis.conclusion == "undecided":
        return "Undecided"
    onset = diagnosis.accepted_onset
    return f"Error found: off track at step {onset.step_id}" if onset else "Error found"


def made_by(diagnosis: Diagnosis) -> str:
    """Model, strategy and samples."""
    if diagnosis.model == HEURISTIC:
        return "heuristic · offline rules, no language model"
    samples = diagnosis.settings.samples
    parts = [diagnosis.model, f"strategy {STRATEGY_WORDS[diagnosis.settings.strategy]}"]
    if samples > 1:
        done = diagnosis.samples_finished
        parts.append(f"{samples} samples" if done == samples else f"{done} of {samples} samples")
    return " · ".join(parts)


def facts(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Cost, calls and the like, as (name, value)."""
    read = f"{len(diagnosis.read_steps):,} read"
    told = [("Steps", read), ("Took", duration_words(diagnosis.duration_seconds))]
    if diagnosis.model == HEURISTIC:
        return told
    used = diagnosis.total_usage
    return [
        ("Cost", cost_words(used)),
        ("Calls", f"{used.calls:,}"),
        ("Tokens", f"{tokens_words(used.prompt_tokens)} in, {tokens_words(used.completion_tokens)} out"),
        *told,
    ]


def usage_words(used: CallUsage) -> str:
    """Cost so far, calls and tokens in one line."""
    tokens = tokens_words(used.prompt_tokens + used.completion_tokens)
    calls = "1 call" if used.calls == 1 else f"{used.calls:,} calls"
    return f"{cost_words(used)} · {calls} · {tokens} tokens"


def cost_words(used: CallUsage) -> str:
    return "cost unknown" if used.cost_usd is None else money(used.cost_usd)


def money(usd: float) -> str:
    """Dollars, with as many places as small amounts need."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}" if usd < 0.01 else f"${usd:.3f}"


def tokens_words(count: int) -> str:
    if count < 1_000:
        return str(count)
    if count >= 999_500:
        return f"{count / 1_000_000:,.1f}M"
    return f"{count / 1_000:.1f}k" if count < 99_950 else f"{count / 1_000:.0f}k"


def duration_words(seconds: float) -> str:
    if seconds < 1:
        return "under a second"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def evidence_words(check: EvidenceCheck) -> str:
    """What the check of the evidence came to, as one sentence."""
    looked_up = number_of(check.quotes, "quote") + " looked up in the run"
    parts = [f"{looked_up}, {'all' if not check.unsupported else check.quotes - check.unsupported} found"]
    if not check.quotes:
        parts = ["No quote was given"]
    if check.unread:
        parts.append(f"{number_of(check.unread, 'label')} refused: the step was never read")
    if check.unknown_steps:
        parts.append(f"{number_of(check.unknown_steps, 'statement')} on steps that the run does not have")
    if check.asked_again:
        parts.append(f"asked again {number_of(check.asked_again, 'time')}")
    return " · ".join(parts)


def agreement_words(newer: Diagnosis, older: Diagnosis) -> str:
    """On how many of the steps that either labels both say the same; "" where neither labels a step."""
    now = {finding.step_id: finding.verdict for finding in newer.accepted}
    before = {finding.step_id: finding.verdict for finding in older.accepted}
    labelled = now.keys() | before.keys()
    same = sum(now.get(step) == before.get(step) for step in labelled)
    return f"same on {same} of {number_of(len(labelled), 'labelled step')}" if labelled else ""


def finding_data(finding: StepFinding) -> dict[str, Any]:
    return {
        "step": finding.step_id,
        "verdict": finding.verdict,
        "reasoning": finding.reasoning,
        "instead": finding.correct_alternative,
        "chips": [
            words.replace("_", " ")
            for words in (
                finding.deviation_type,
                finding.impact_severity,
                finding.confidence and f"{finding.confidence} confidence",
            )
            if words
        ],
        "support": finding.support,
        "citations": citation_data(finding.citations),
    }


def citation_data(citations: Iterable[Citation]) -> list[dict[str, Any]]:
    return [
        {
            "step": citation.step_id,
            "text": citation.quote.text if citation.quote else citation.text,
            "field": citation.quote.field if citation.quote else "",
            "quote": f"{citation.quote.field}:{citation.quote.start}-{citation.quote.end}" if citation.quote else "",
        }
        for citation in citations
    ]


def _by_stage(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """The labels under their stages, as many as have any; those outside of all stages come last, without a title."""
    told = []
    for stage, findings in by_stage(diagnosis.accepted, diagnosis.stages):
        name = range_words = ""
        if stage:
            first, last = stage.start_step_id, stage.end_step_id
            name = f"Stage {stage.stage_id}" + (f": {stage.name}" if stage.name else "")
            range_words = f"step {first}" if first == last else f"steps {first}–{last}"
        told.append({"title": name, "range": range_words, "findings": list(map(finding_data, findings))})
    return told


def _steps_named(diagnosis: Diagnosis) -> set[int]:
    statements: Iterable[Any] = (
        *diagnosis.onset,
        *diagnosis.findings,
        *diagnosis.error_chain,
        *diagnosis.decision_points,
    )
    return {statement.step_id for statement in statements}


def _ranges(steps: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as inclusive ranges."""
    ranges: list[tuple[int, int]] = []
    for step in sorted(steps):
        if ranges and ranges[-1][1] == step - 1:
            ranges[-1] = (ranges[-1][0], step)
        else:
            ranges.append((step, step))
    return ranges
