"""Diagnoses of one run side by side: what each concludes and cost, and its findings step by step."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import streamlit as st

from codetracer_core.alignment import letter
from codetracer_core.diagnosis_models import Diagnosis
from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Store
from codetracer_core.tree import TraceTree
from codetracer_core.ui import components
from codetracer_core.ui.diagnosing import go_to, on_record
from codetracer_core.ui.diagnosis_report import (
    agreement_words,
    citation_data,
    evidence_words,
    facts,
    finding_data,
    headline,
    made_by,
)
from codetracer_core.ui.workspace import open_run


def asked_diagnoses() -> list[str]:
    """Ids of the diagnoses that the address names, each once, in its order."""
    return list(dict.fromkeys(one for one in st.query_params.get("diagnoses", "").split(",") if one))


def compare_diagnoses(store: Store, ids: Sequence[str]) -> None:
    """Diagnoses of one run beside each other.

    Raises NotFound, CodeTracerError if they are not of one run, NotAllowed for somebody who stands blind
    to it: before they are told anything.
    """
    found = [store.diagnosis(one) for one in ids]
    for run_id in sorted({one.run_id for one in found}):
        on_record(store, run_id)
    if len({one.run_id for one in found}) > 1:
        raise CodeTracerError("these diagnoses are of different runs", remedy="Choose diagnoses of one run.")
    run = open_run(found[0].run_id)
    (summary,) = store.runs(ids=[found[0].run_id])
    told = (summary.agent, summary.model, f"{len(found)} diagnoses of this run")
    components.heading()(
        key="heading", data=[summary.task or summary.run_id, " · ".join(part for part in told if part)]
    )
    result = components.diagnosis_comparison()(
        key="diagnosis_comparison", data=comparison_data(found, run.tree), on_open_change=components.nothing
    )
    if isinstance(result.open, Mapping):
        go_to({"run": summary.run_id, **result.open})


def comparison_data(found: Sequence[Diagnosis], tree: TraceTree) -> dict[str, Any]:
    """What ``frontend/compare_diagnoses.js`` shows: each diagnosis as a column, and a line per step that any names."""
    return {
        "run": found[0].run_id,
        "columns": [
            {
                "id": one.diagnosis_id,
                "made": made_by(one),
                "when": f"{one.finished_at:%Y-%m-%d %H:%M}",
                "headline": headline(one),
                "conclusion": one.conclusion if one.status != "failed" else "undecided",
                "status": one.status,
                "statusReason": one.status_reason,
                "facts": facts(one),
                "evidence": evidence_words(one.evidence),
                "summary": one.summary,
                "onset": [
                    {
                        "step": candidate.step_id,
                        "did": _did(tree, candidate.step_id),
                        "reasoning": candidate.reasoning,
                        "citations": citation_data(candidate.citations),
                    }
                    for candidate in one.onset
                ],
            }
            for one in found
        ],
        "agreement": [
            {"between": [i, j], "words": agreement_between(found[i], found[j])}
            for i, j in combinations(range(len(found)), 2)
        ],
        "steps": [
            {
                "step": step,
                "did": _did(tree, step),
                "who": who_says(findings),
                "cells": [None if told is None else told for told in findings],
            }
            for step, findings in _by_step(found).items()
        ],
    }


def _did(tree: TraceTree, step: int) -> str:
    return tree.rows[step - 1].label if step <= len(tree.rows) else ""


def _by_step(found: Sequence[Diagnosis]) -> dict[int, list[dict[str, Any] | None]]:
    """By step that any finding names: the finding of each diagnosis, with whether it counts as a label; None: none."""
    findings = [{finding.step_id: finding for finding in one.findings} for one in found]
    steps = sorted({step for of_one in findings for step in of_one})
    return {
        step: [
            {**finding_data(of_one[step]), "isLabel": of_one[step] in one.accepted} if step in of_one else None
            for of_one, one in zip(findings, found, strict=True)
        ]
        for step in steps
    }


def who_says(findings: Sequence[Mapping[str, Any] | None]) -> str:
    """Which diagnoses label the step, in words; what rests on no evidence is no label."""
    verdicts = [told["verdict"] if told and told["isLabel"] else None for told in findings]
    labelled = [letter(at) for at, verdict in enumerate(verdicts) if verdict]
    if not labelled:
        return "no label"
    if len(labelled) < len(findings):
        return f"only {' and '.join(labelled)}"
    both = "both" if len(findings) == 2 else "all"
    return both if len(set(verdicts)) == 1 else f"{both}, with different verdicts"


def agreement_between(one: Diagnosis, other: Diagnosis) -> str:
    """How far two diagnoses agree on steps and onset; of one author it is how far that author agrees with itself."""
    told = [agreement_words(one, other) or "neither labels a step"]
    onsets = (one.accepted_onset, other.accepted_onset)
    if onsets[0] and onsets[1]:
        apart = onsets[1].step_id - onsets[0].step_id
        told.append(
            "same onset" if apart == 0 else f"onsets {abs(apart)} {'step' if abs(apart) == 1 else 'steps'} apart"
        )
    elif onsets[0] or onsets[1]:
        told.append("only one names an onset")
    if one.conclusion != other.conclusion:
        told.append("different conclusions")
    return ("self-agreement: " if one.author == other.author else "") + " · ".join(told)
