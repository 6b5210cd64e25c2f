"""How well a spec fits a run, and whether it fits worse than when it was accepted: the tool may have a new version."""

from collections.abc import Iterable

from pydantic import Field

from codetracer_core.extractors.engine import Extraction
from codetracer_core.models import Frozen

WORSE = 0.1
"""So much less of a share (covered, paired), or more of one (unknown), is *clearly worse*."""
MORE_TALK = 0.4
"""So much more of the steps only talk: their actions stand elsewhere now. Runs differ in it by nature."""
FEW_RECORDS, FEW_CHARACTERS = 2, 200
"""Not more than so many unknown records, or characters that no step holds, prove nothing."""


class Fit(Frozen):
    """What a spec made of one run, as shares from 0 to 1; None: there was nothing of the kind."""

    steps: int = Field(ge=0)
    covered: float | None = Field(default=None, ge=0.0, le=1.0)
    """Of the characters that the agent wrote, those that steps hold."""
    paired: float | None = Field(default=None, ge=0.0, le=1.0)
    """Of the steps that were carried out, those with an observation."""
    messages: float | None = Field(default=None, ge=0.0, le=1.0)
    """Of the steps, those that only talk."""
    unknown: float | None = Field(default=None, ge=0.0, le=1.0)
    """Of the records, those that no rule says anything of, or that are taken for a step and hold no action."""
    unknown_records: int = Field(default=0, ge=0)
    uncovered_characters: int = Field(default=0, ge=0)

    @property
    def is_empty(self) -> bool:
        """No step came out although there is something that no rule knows, or that the agent wrote."""
        return self.steps == 0 and (self.unknown_records > 0 or self.uncovered_characters > 0)

    @property
    def words(self) -> str:
        told = [f"{self.steps} steps"]
        told += [f"{self.covered:.0%} of what the agent wrote is in them"] if self.covered is not None else []
        told += [f"{self.paired:.0%} have an observation"] if self.paired is not None else []
        told += [f"{self.unknown_records} records that no rule knows"] if self.unknown_records else []
        return ", ".join(told)


def fit_of(extraction: Extraction) -> Fit:
    steps = extraction.trajectory.steps
    carried_out = [step for step in steps if step.executed and not step.is_message]
    answered = sum(step.observation is not None for step in carried_out)
    unknown = extraction.unmatched + extraction.silent
    covered = extraction.coverage
    return Fit(
        steps=len(steps),
        covered=covered,
        paired=answered / len(carried_out) if carried_out else None,
        messages=sum(step.is_message for step in steps) / len(steps) if steps else None,
        unknown=min(1.0, unknown / extraction.records) if extraction.records else None,
        unknown_records=unknown,
        uncovered_characters=0 if covered is None else round(extraction.text_characters * (1 - covered)),
    )


def worst_of(fits: Iterable[Fit]) -> Fit | None:
    """What may be expected of a run: of each share the worst that was seen. None: nothing was."""
    fits = list(fits)
    if not fits:
        return None
    return Fit(
        steps=min(fit.steps for fit in fits),
        covered=min((fit.covered for fit in fits if fit.covered is not None), default=None),
        paired=min((fit.paired for fit in fits if fit.paired is not None), default=None),
        messages=max((fit.messages for fit in fits if fit.messages is not None), default=None),
        unknown=max((fit.unknown for fit in fits if fit.unknown is not None), default=None),
        unknown_records=max(fit.unknown_records for fit in fits),
        uncovered_characters=max(fit.uncovered_characters for fit in fits),
    )


def drift(accepted: Fit | None, now: Fit) -> tuple[str, ...]:
    """In which way a run is read clearly worse than those with which the spec was accepted; empty: in none."""
    if accepted is None:
        return ()
    told: list[str] = []
    lost = _less(accepted.covered, now.covered)
    if lost and now.uncovered_characters > max(FEW_CHARACTERS, accepted.uncovered_characters):
        told.append(f"steps hold {now.covered:.0%} of what the agent wrote, they used to hold {accepted.covered:.0%}")
    if _less(accepted.paired, now.paired):
        told.append(f"{now.paired:.0%} of the steps have an observation, it used to be {accepted.paired:.0%}")
    if accepted.messages is not None and now.messages is not None and now.messages > accepted.messages + MORE_TALK:
        told.append(f"{now.messages:.0%} of the steps only talk, it used to be at most {accepted.messages:.0%}")
    more = _less(now.unknown, accepted.unknown)
    if more and now.unknown_records > max(FEW_RECORDS, accepted.unknown_records):
        told.append(
            f"{now.unknown:.0%} of the records are of a kind that no rule knows, it used to be {accepted.unknown:.0%}"
        )
    return tuple(told)


def _less(before: float | None, now: float | None) -> bool:
    """``now`` is clearly less than ``before``."""
    return before is not None and now is not None and now < before - WORSE
