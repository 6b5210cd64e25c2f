"""What a diagnosis tells the model that goes on: where the earlier attempt went wrong, the words that show it, and what
to do instead. Only what counts as a label there, and only what the diagnosis itself says: no label of anybody else."""

from collections.abc import Iterable

from codetracer_core.diagnosis.visible import as_read, inline
from codetracer_core.diagnosis_models import Citation, Diagnosis

MOST_CHARACTERS = 12_000


def advice_of(diagnosis: Diagnosis, step_id: int) -> str:
    """The advice for a model that takes over at this step; empty: the diagnosis has none to give.

    What it says of steps before this one is left out where it is about single steps: they have been run again."""
    parts: list[str] = []
    for candidate in diagnosis.accepted_onsets[:1]:
        parts.append(f"Step {candidate.step_id} took the earlier attempt off track. {_said(candidate.reasoning)}")
        parts += _quotes(candidate.citations)
    for finding in diagnosis.accepted:
        if finding.verdict == "incorrect" and finding.step_id >= step_id:
            parts.append(f"Step {finding.step_id} of the earlier attempt was wrong: {_said(finding.reasoning)}")
            parts += _quotes(finding.citations)
            if finding.correct_alternative:
                parts.append(f"Instead: {_said(finding.correct_alternative)}")
    for point in diagnosis.decision_points:
        if point.step_id >= step_id:
            parts.append(f"At step {point.step_id} it decided: {_said(point.decision)}")
            parts.append(f"It should have: {_said(point.should_have)}")
    chain = [link for link in diagnosis.accepted_chain if link.step_id >= step_id]
    if chain:
        parts.append("What followed from it:")
        parts += [f"- step {link.step_id}: {_said(link.what)}" for link in chain]
    if diagnosis.correct_strategy.strip():
        parts.append(f"What to do instead, as the diagnosis sees it:\n{_said(diagnosis.correct_strategy, 4_000)}")
    text = "\n".join(parts)
    return (
        text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n(the rest of the diagnosis is left out)"
    )


def _quotes(citations: Iterable[Citation]) -> list[str]:
    """Words of the run; what was not found there is no evidence."""
    return [f"- step {one.step_id} says {inline(one.text, 500)}" for one in citations if one.quote is not None]


def _said(text: str, most: int = 2_000) -> str:
    return as_read(text.strip()[:most]).text
