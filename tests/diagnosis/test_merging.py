"""What several samples say together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.diagnosis.answers import Submission
from codetracer_core.diagnosis.evidence import Checked
from codetracer_core.diagnosis.merging import Sample, merged
from codetracer_core.diagnosis_models import (
    ChainLink,
    Citation,
    Conclusion,
    EvidenceCheck,
    FoundVerdict,
    OnsetCandidate,
    StepFinding,
)
from codetracer_core.models import EvidenceQuote


def cited(step: int, *, holds: bool = True) -> tuple[Citation, ...]:
    quote = EvidenceQuote.of(step, "action", 0, "make")
    return (Citation(step_id=step, text="make", quote=quote if holds else None),)


def sample(
    conclusion: Conclusion,
    labels: Mapping[int, FoundVerdict] | None = None,
    onset: Sequence[int] = (),
    *,
    unsupported: Sequence[int] = (),
    summary: str = "",
) -> Sample:
    findings = tuple(
        StepFinding(step_id=step, verdict=verdict, reasoning="r", citations=cited(step, holds=step not in unsupported))
        for step, verdict in (labels or {}).items()
    )
    candidates = tuple(OnsetCandidate(step_id=step, citations=cited(step)) for step in onset)
    links = tuple(ChainLink(step_id=step, what=summary) for step in onset)
    checked = Checked(candidates, findings, links, (), (), EvidenceCheck())
    return Sample(Submission(case_for_clean_run="", conclusion=conclusion, summary=summary), checked)


def supports(fields: Mapping[str, object]) -> dict[tuple[int, str], float]:
    findings = fields["findings"]
    assert isinstance(findings, tuple)
    return {(one.step_id, one.verdict): one.support for one in findings}


def test_a_finding_is_supported_by_the_share_of_samples_that_have_it() -> None:
    fields = merged(
        [
            sample("error_found", {3: "incorrect", 5: "unuseful"}, [3]),
            sample("error_found", {3: "incorrect"}, [3, 5]),
            sample("error_found", {3: "unuseful", 4: "incorrect"}, [4]),
        ]
    )
    assert supports(fields) == {
        (3, "incorrect"): pytest.approx(2 / 3),
        (3, "unuseful"): pytest.approx(1 / 3),
        (4, "incorrect"): pytest.approx(1 / 3),
        (5, "unuseful"): pytest.approx(1 / 3),
    }


def test_onset_candidates_are_ranked_by_their_mean_reciprocal_rank() -> None:
    fields = merged(
        [sample("error_found", {3: "incorrect"}, [3, 4]), sample("error_found", {4: "incorrect"}, [4, 9, 3])]
    )
    assert [(one.step_id, one.support) for one in fields["onset"]] == [
        (4, 0.75),
        (3, pytest.approx((1 + 1 / 3) / 2)),
        (9, 0.25),
    ]


@pytest.mark.parametrize(
    ("said", "together"),
    [
        (["no_error_found"], "no_error_found"),
        (["no_error_found", "error_found", "no_error_found"], "no_error_found"),
        (["no_error_found", "error_found"], "undecided"),
        (["undecided", "undecided", "error_found"], "undecided"),
    ],
)
def test_a_conclusion_needs_more_than_half(said: list[Conclusion], together: Conclusion) -> None:
    samples = [sample(one, {2: "incorrect"} if one == "error_found" else {}) for one in said]
    assert merged(samples)["conclusion"] == together


def test_a_conclusion_that_its_own_findings_do_not_bear_out_is_none() -> None:
    assert sample("error_found").conclusion == "undecided"
    assert sample("error_found", {2: "incorrect"}, unsupported=[2]).conclusion == "undecided"
    assert sample("error_found", onset=[2]).conclusion == "error_found"
    assert sample("no_error_found", {2: "incorrect"}).conclusion == "undecided"
    assert sample("no_error_found", {2: "unuseful"}).conclusion == "no_error_found"


def test_who_finds_no_error_names_no_onset() -> None:
    assert sample("no_error_found", onset=[2]).conclusion == "undecided", "it shows evidence for an onset"
    clean = sample("no_error_found")
    unfounded = Sample(
        clean.submission, replace(clean.checked, onset=(OnsetCandidate(step_id=2, citations=cited(2, holds=False)),))
    )
    assert unfounded.conclusion == "no_error_found"
    assert merged([unfounded])["onset"] == ()


def test_of_an_onset_the_evidence_that_holds_is_kept() -> None:
    bare = sample("error_found", {3: "incorrect"})
    bare = Sample(bare.submission, replace(bare.checked, onset=(OnsetCandidate(step_id=3),)))
    (candidate,) = merged([bare, bare, sample("error_found", {3: "incorrect"}, [3])])["onset"]
    assert (candidate.support, candidate.is_supported) == (1.0, True)


def test_texts_are_those_of_the_sample_that_agrees_most_with_the_others() -> None:
    fields = merged(
        [
            sample("error_found", {9: "incorrect"}, [9], summary="the odd one"),
            sample("error_found", {3: "incorrect"}, [3], summary="the common one"),
            sample("error_found", {3: "incorrect", 4: "incorrect"}, [3], summary="nearly"),
        ]
    )
    assert fields["summary"] == "the common one"
    assert [link.step_id for link in fields["error_chain"]] == [3]


def test_evidence_that_holds_in_one_sample_counts_for_that_one_only() -> None:
    fields = merged(
        [sample("error_found", {3: "incorrect"}, unsupported=[3]), sample("error_found", {3: "incorrect"}, [3])]
    )
    (finding,) = fields["findings"]
    assert (finding.is_supported, finding.support) == (True, 0.5)


labels = st.dictionaries(st.integers(1, 6), st.sampled_from(["incorrect", "unuseful"]), max_size=4)


@given(st.lists(labels, min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_samples_changes_no_support_and_supports_are_shares(
    said: list[dict[int, FoundVerdict]], random: st.DataObject
) -> None:
    samples = [sample("error_found", one, sorted(one)[:1]) for one in said]
    fields = merged(samples)
    random.shuffle(samples)  # type: ignore[attr-defined]
    other = merged(samples)
    assert supports(fields) == supports(other)
    assert [one.step_id for one in fields["onset"]] == [one.step_id for one in other["onset"]]
    assert all(0 < support <= 1 for support in supports(fields).values())
