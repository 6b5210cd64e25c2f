"""Evidence quotes are whole in themselves, and hold only where the run's text says the same."""

from typing import Any

import pytest
from pydantic import ValidationError

from codetracer_core.models import EvidenceQuote, LabelDetails, hash_of_quote
from codetracer_core.quotes import adrift, holds, verified
from tests.store.factory import make_run, make_step

RUN = make_run(steps=[make_step(1, observation="say 🙂 \x1b[31mno\x1b[0m\r\n", thought=None), make_step(2)]).trajectory


def quote(text: str = "🙂 \x1b[31mno", start: int = 4, **fields: Any) -> dict[str, Any]:
    place = {"step_id": 1, "field": "observation", "start": start, "end": start + len(text), "text": text}
    return place | {"sha256": hash_of_quote(text)} | fields


def test_a_quote_holds_where_the_text_says_it_and_nowhere_else() -> None:
    assert holds(EvidenceQuote(**quote()), RUN)
    for other in (
        quote(start=3),
        quote(step_id=2),
        quote(step_id=3),
        quote(field="action"),
        quote(field="thought"),
        quote("say it"),
        quote("\r\n!", start=16),
    ):
        assert not holds(EvidenceQuote(**other), RUN)


def test_a_quote_holds_no_more_when_the_evidence_was_read_anew() -> None:
    details = [{"reason": "no quote"}, {"quotes": [quote(), quote("no", start=11)]}]
    assert adrift(details, RUN) == []
    stripped = make_run(steps=[make_step(1, observation="say 🙂 no\n", thought=None)]).trajectory
    assert adrift(details, stripped) == [quote(), quote("no", start=11)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"end": 5},
        {"start": -1, "end": len(quote()["text"]) - 1},
        {"sha256": hash_of_quote("something else")},
        {"sha256": ""},
        {"field": "reason"},
        {"step_id": 0},
        {"step_id": "1"},
        {"start": True, "end": True},
        {"text": "", "end": 4, "sha256": hash_of_quote("")},
        {"text": "x" * 2001, "end": 2005, "sha256": hash_of_quote("x" * 2001)},
        {"more": 1},
    ],
)
def test_what_is_no_quote_cannot_be_stored(wrong: dict[str, Any]) -> None:
    LabelDetails.model_validate({"quotes": [quote()] * 20})
    with pytest.raises(ValidationError):
        LabelDetails.model_validate({"quotes": [quote(**wrong)]})
    with pytest.raises(ValidationError):
        LabelDetails.model_validate({"quotes": [quote()] * 21})


def test_only_what_stands_there_is_taken_and_gets_its_hash() -> None:
    asked = {name: value for name, value in quote().items() if name != "sha256"}
    details, left_out = verified({"reason": "x", "quotes": [asked]}, RUN)
    assert (details, left_out) == ({"reason": "x", "quotes": [quote()]}, [])
    details, left_out = verified({"quotes": [asked | {"sha256": "made up"}]}, RUN)
    assert (details, left_out) == ({"quotes": [quote()]}, [])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (quote(start=5), "does not stand in the observation of step 1, characters 5 to 14"),
        (quote("yes", start=4), "'yes' does not stand in"),
        (quote(step_id=99), "does not stand in the observation of step 99"),
        (quote(end=6), "not understood"),
        ({"text": "\ud800"}, "not understood"),
        ({}, "not understood"),
        ("say", "not understood"),
        (None, "not understood"),
        ({"text": 5}, "not understood"),
    ],
)
def test_what_is_not_there_is_left_out_in_words_and_the_rest_stays(asked: Any, said: str) -> None:
    details, (reason,) = verified({"reason": "because", "quotes": [asked, quote()]}, RUN)
    assert details == {"reason": "because", "quotes": [quote()]}
    assert said in reason
    assert verified({"quotes": [asked]}, RUN)[0] == {}


def test_a_quote_that_was_verified_before_stays() -> None:
    old = quote("gone text")
    assert verified({"quotes": [old, quote()]}, RUN, stored=[old]) == ({"quotes": [old, quote()]}, [])
