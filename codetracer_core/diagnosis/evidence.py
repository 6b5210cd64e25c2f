"""Does the run say what a model says it says? Every statement is held against the steps that the model has read."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from codetracer_core.actions import shown
from codetracer_core.diagnosis.answers import Evidence, LinkAnswer, Submission
from codetracer_core.diagnosis.reading import Reading, steps_of
from codetracer_core.diagnosis.visible import View, as_stored, collapsed, field_as_read
from codetracer_core.diagnosis_models import (
    ChainLink,
    Citation,
    DecisionPoint,
    EvidenceCheck,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.models import EvidenceQuote, QuotedField, Step

SHORTEST_QUOTE = 3
"""Characters; fewer of them prove nothing."""
SHORTEST_FRAGMENT = 12
"""Characters of the longest part of a quote with words left out ("a … b"), by which it is found."""
LONGEST_QUOTE = 2_000
"""What is kept of a quote."""
MOST_PROBLEMS = 20

MOST_CITED = 20
"""Quotes of one statement that are looked up; a label keeps no more."""

_LOOKED_UP: tuple[QuotedField, ...] = ("observation", "action", "thought")
_ELLIPSIS = re.compile(r"\s*[\[(]?(?:…|⋯|\.{3,})[\])]?\s*")
_WRITTEN_ESCAPE = re.compile(r"\\[nrt]|⏎")
_AROUND = "\"'`“”‘’«» \t\r\n"


@dataclass(frozen=True)
class Checked:
    """What is left of a submission, each citation with its place in the run (None: not found there)."""

    onset: tuple[OnsetCandidate, ...]
    """Best first, as given; each step once."""
    findings: tuple[StepFinding, ...]
    """By step; those that nothing in the run supports are among them (``StepFinding.is_supported``)."""
    error_chain: tuple[ChainLink, ...]
    """In the order of the run."""
    decision_points: tuple[DecisionPoint, ...]
    problems: tuple[str, ...]
    """What is wrong with the submission, in sentences to send back to the model; empty: nothing."""
    counts: EvidenceCheck


def check(submission: Submission, reading: Reading) -> Checked:
    """Hold a submission against the run.

    Statements on steps that do not exist or were never read are left out, and so is a second one on the same step.
    Quotes must stand in the step that they are said to stand in; see ``find_quote``.
    """
    checking = _Checking(reading)
    says_why = {finding.step_id for finding in submission.findings if finding.evidence}
    onset: dict[int, OnsetCandidate] = {}
    for candidate in submission.onset:
        if candidate.step_id not in onset and checking.takes(candidate.step_id, "failure onset"):
            is_label = submission.conclusion == "error_found" and not onset
            if is_label and not candidate.evidence and candidate.step_id not in says_why:
                checking.tell(f"The failure onset at step {candidate.step_id} has no evidence: quote what shows it.")
            cited = checking.cited(candidate.evidence)
            onset[candidate.step_id] = OnsetCandidate(
                step_id=candidate.step_id, reasoning=candidate.reasoning, citations=cited
            )
    return Checked(
        onset=tuple(onset.values()),
        findings=_findings(submission, checking),
        error_chain=_chain(submission.error_chain, checking),
        decision_points=tuple(
            DecisionPoint(
                step_id=point.step_id,
                decision=point.decision,
                should_have=point.should_have,
                citations=checking.cited(point.evidence),
            )
            for point in submission.decision_points
            if checking.takes(point.step_id, "decision point")
        ),
        problems=_few([*_contradictions(submission), *checking.problems]),
        counts=checking.counts,
    )


def cited(evidence: Sequence[Evidence], reading: Reading) -> tuple[tuple[Citation, ...], tuple[str, ...]]:
    """Quotes with their places in the run, and what is wrong with them, in sentences for the model."""
    checking = _Checking(reading)
    citations = checking.cited(evidence)
    return citations, _few(checking.problems)


def _findings(submission: Submission, checking: "_Checking") -> tuple[StepFinding, ...]:
    findings: dict[int, StepFinding] = {}
    for finding in submission.findings:
        step_id = finding.step_id
        if step_id in findings:
            checking.tell(f"Step {step_id} has two findings; the first one counts.")
            continue
        if not checking.takes(step_id, "finding"):
            continue
        if not finding.evidence:
            checking.tell(f"The finding on step {step_id} has no evidence: quote what shows it.")
        findings[step_id] = StepFinding(
            step_id=step_id,
            verdict=finding.verdict,
            reasoning=finding.reasoning,
            deviation_type=finding.deviation_type,
            impact_severity=finding.impact_severity,
            correct_alternative=finding.correct_alternative,
            confidence=finding.confidence,
            citations=checking.cited(finding.evidence),
        )
    return tuple(finding for _, finding in sorted(findings.items()))


def _chain(answers: Sequence[LinkAnswer], checking: "_Checking") -> tuple[ChainLink, ...]:
    taken: dict[int, LinkAnswer] = {}
    for answer in answers:
        if answer.step_id in taken:
            checking.tell(f"Step {answer.step_id} stands twice in the error chain; the first one counts.")
        elif checking.takes(answer.step_id, "link of the error chain"):
            taken[answer.step_id] = answer
    links = []
    for step_id, answer in sorted(taken.items()):
        follows = tuple(dict.fromkeys(one for one in answer.follows_from if one in taken and one < step_id))
        for wrong in sorted(set(answer.follows_from) - set(follows)):
            checking.tell(f"In the error chain, step {step_id} cannot follow from {wrong}: only from an earlier link.")
        links.append(
            ChainLink(
                step_id=step_id, what=answer.what, follows_from=follows, citations=checking.cited(answer.evidence)
            )
        )
    return tuple(links)


def _contradictions(submission: Submission) -> Iterator[str]:
    incorrect = [finding.step_id for finding in submission.findings if finding.verdict == "incorrect"]
    if submission.conclusion == "no_error_found" and (incorrect or submission.onset):
        named = incorrect[0] if incorrect else submission.onset[0].step_id
        what = "is called incorrect" if incorrect else "is named as failure onset"
        yield f"The conclusion is that no error was found, but step {named} {what}: change one of the two."
    if submission.conclusion == "error_found" and not incorrect and not submission.onset:
        yield (
            "The conclusion is that an error was found, but no step is called incorrect or named as failure onset: "
            "name one, or conclude otherwise."
        )


def _few(problems: Sequence[str]) -> tuple[str, ...]:
    told = list(dict.fromkeys(problems))
    if len(told) > MOST_PROBLEMS:
        told = [*told[: MOST_PROBLEMS - 1], f"And {len(told) - MOST_PROBLEMS + 1} more problems of these kinds."]
    return tuple(told)


@dataclass
class _Checking:
    """What was found out so far about one submission."""

    reading: Reading
    problems: list[str] = field(default_factory=list)
    quotes: int = 0
    unsupported: int = 0
    unread: int = 0
    unknown_steps: int = 0
    _said: dict[int, list[str]] = field(default_factory=dict)

    @property
    def counts(self) -> EvidenceCheck:
        return EvidenceCheck(
            quotes=self.quotes,
            unsupported=self.unsupported,
            unread=self.unread,
            unknown_steps=self.unknown_steps,
        )

    def tell(self, problem: str) -> None:
        self.problems.append(problem)

    def takes(self, step_id: int, what: str) -> bool:
        """Whether something may be said of this step: it exists and was read."""
        if self.reading.step(step_id) is None:
            self.unknown_steps += 1
            self.tell(f"There is no step {step_id} ({what}); the run has {steps_of(self.reading)}.")
            return False
        if step_id not in self.reading.read:
            self.unread += 1
            self.tell(f"Step {step_id} ({what}) was never read: read it, or leave it out.")
            return False
        return True

    def cited(self, evidence: Sequence[Evidence]) -> tuple[Citation, ...]:
        looked_up = map(self._citation, evidence[:MOST_CITED])
        return tuple(citation for citation in looked_up if citation is not None)

    def _citation(self, evidence: Evidence) -> Citation | None:
        """The citation with its place; None: there is no such step."""
        step = self.reading.step(evidence.step_id)
        if step is None:
            self.unknown_steps += 1
            self.tell(f"There is no step {evidence.step_id} to quote; the run has {steps_of(self.reading)}.")
            return None
        if not evidence.quote.strip():
            return Citation(step_id=step.step_id, text="")
        self.quotes += 1
        was_read = step.step_id in self.reading.read
        quote = find_quote(evidence.quote, step) if was_read else None
        if quote is None:
            self.unsupported += 1
            self.tell(self._why(evidence, was_read))
        return Citation(step_id=step.step_id, text=evidence.quote, quote=quote)

    def _said_elsewhere(self, step_id: int) -> list[tuple[int, list[str]]]:
        """What the other steps that were read say, as it was shown, white space collapsed; the nearest step first."""
        if not self._said:
            for number in self.reading.read:
                step = self.reading.trajectory.steps[number - 1]
                views = (_shown(step, name) for name in _LOOKED_UP)
                self._said[number] = [view.text for view in views if view is not None]
        others = (said for said in self._said.items() if said[0] != step_id)
        return sorted(others, key=lambda said: (abs(said[0] - step_id), said[0]))

    def _why(self, evidence: Evidence, was_read: bool) -> str:
        words = f'"{shown(evidence.quote, 80)}"'
        if not was_read:
            return f"Step {evidence.step_id} was never read, so {words} cannot be quoted from it."
        if len(_words(evidence.quote)) < SHORTEST_QUOTE:
            return f"The quote {words} from step {evidence.step_id} is too short to show anything."
        for step_id, texts in self._said_elsewhere(evidence.step_id):
            if any(_words(evidence.quote) in text for text in texts):
                return f"The quote {words} stands in step {step_id}, not in step {evidence.step_id}."
        return f"The quote {words} does not stand in step {evidence.step_id}: copy it character by character."


def find_quote(quote: str, step: Step) -> EvidenceQuote | None:
    """Where a step says this: in its observation, else its action, else its thought.

    Looked for character by character; else with any white space for any other, in the text as a model was shown it
    (without terminal codes, JSON escapes undone), then as it is stored; else without the marks that models put around
    quotes and with ``\\n`` for a newline; else by the longest part of a quote with words left out. Of a
    place of more than ``LONGEST_QUOTE`` characters the beginning is kept. ``quotes.holds`` is true of what is returned.
    """
    if len(_words(quote)) < SHORTEST_QUOTE:
        return None
    found = _found(step, quote, _stored)
    plain = _WRITTEN_ESCAPE.sub(" ", quote).strip(_AROUND)
    for words in dict.fromkeys((_words(quote), _words(plain))):
        if len(words) >= SHORTEST_QUOTE:
            found = found or _found(step, words, _shown) or _found(step, words, _stored_loosely)
    if found is None:
        longest = max(map(_words, _ELLIPSIS.split(_words(plain))), key=len)
        if SHORTEST_FRAGMENT <= len(longest) < len(_words(plain)):
            found = _found(step, longest, _shown) or _found(step, longest, _stored_loosely)
    return found


def _words(text: str) -> str:
    return " ".join(text.split())


def _stored(step: Step, name: QuotedField) -> View | None:
    text: str | None = getattr(step, name)
    return as_stored(text) if text is not None else None


def _shown(step: Step, name: QuotedField) -> View | None:
    view = field_as_read(step, name)
    return collapsed(view) if view is not None else None


def _stored_loosely(step: Step, name: QuotedField) -> View | None:
    view = _stored(step, name)
    return collapsed(view) if view is not None else None


def _found(step: Step, words: str, view_of: Callable[[Step, QuotedField], View | None]) -> EvidenceQuote | None:
    for name in _LOOKED_UP:
        view = view_of(step, name)
        at = view.text.find(words) if view is not None else -1
        if view is not None and at >= 0:
            return _quote(step, name, *view.place(at, at + len(words)))
    return None


def _quote(step: Step, name: QuotedField, start: int, end: int) -> EvidenceQuote:
    text: str = getattr(step, name)[start : min(end, start + LONGEST_QUOTE)]
    return EvidenceQuote.of(step.step_id, name, start, text)
