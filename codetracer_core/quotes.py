"""Evidence quotes against the text that they were taken from.

What a browser says stands somewhere is believed only if the stored text says so too. Evidence can be imported again by
a better reader: whether a quote still stands in its place is asked of the text as it is now.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from codetracer_core.errors import NotFound
from codetracer_core.models import EvidenceQuote, Trajectory, hash_of_quote


def holds(quote: EvidenceQuote, trajectory: Trajectory) -> bool:
    """Whether the run's text says this, character by character, in this place."""
    if quote.step_id > trajectory.step_count:
        return False
    text: str = getattr(trajectory.steps[quote.step_id - 1], quote.field) or ""
    return hash_of_quote(text[quote.start : quote.end]) == quote.sha256


def adrift(details: Iterable[Mapping[str, Any]], trajectory: Trajectory) -> list[Mapping[str, Any]]:
    """The quotes of these stored details (see ``LabelDetails``) that hold no more."""
    quotes = [quote for one in details for quote in one.get("quotes", ())]
    return [quote for quote in quotes if not holds(EvidenceQuote.model_validate(quote), trajectory)]


def verified(
    details: Mapping[str, Any], trajectory: Trajectory, *, stored: Collection[Mapping[str, Any]] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The details with those of their quotes that hold, each with its hash; and in words what was left out.

    ``stored`` are quotes that were verified before: they stay, also if the evidence has changed since.
    """
    kept: list[Mapping[str, Any]] = []
    left_out = []
    for given in details["quotes"]:
        if given in stored:
            kept.append(given)
            continue
        try:
            kept.append(_verified(given, trajectory).model_dump())
        except NotFound as error:
            left_out.append(str(error))
    others = {name: value for name, value in details.items() if name != "quotes"}
    return (others | {"quotes": kept} if kept else others), left_out


def _verified(given: Any, trajectory: Trajectory) -> EvidenceQuote:
    try:
        quote = EvidenceQuote.model_validate({**given, "sha256": hash_of_quote(given["text"])})
    except (ValidationError, TypeError, KeyError, AttributeError, UnicodeEncodeError) as error:
        raise NotFound(f"an evidence quote was not understood ({type(error).__name__})") from error
    if not holds(quote, trajectory):
        raise NotFound(
            f"the quote {quote.text[:40]!r} does not stand in the {quote.field} of step {quote.step_id}, "
            f"characters {quote.start} to {quote.end}"
        )
    return quote
