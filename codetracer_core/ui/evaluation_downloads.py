"""Everything that the page shows, as files. Lists of steps are labels of single runs: that they are written goes on
record."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from codetracer_core.evaluating import StepTexts
from codetracer_core.evaluation import (
    CONVENTIONS,
    Evaluation,
    Finding,
    Score,
    as_json,
)
from codetracer_core.export import rows_as_csv
from codetracer_core.intervals import Estimate
from codetracer_core.store import Store
from codetracer_core.ui.evaluation_data import Asked, Read, computed
from codetracer_core.ui.evaluation_lists import KINDS, seen_of, step_text
from codetracer_core.ui.identity import person
from codetracer_core.ui.viewer import note_exposures


def downloads(store: Store, asked: Asked, read: Read, evaluation: Evaluation) -> None:
    """Numbers at once; lists after their exposure is on record."""
    with st.container(horizontal=True):
        st.download_button(
            "Everything as JSON",
            partial(numbers_as_json, store, asked, read, evaluation),
            "evaluation.json",
            "application/json",
            on_click="ignore",
        )
        st.download_button(
            "Leaderboard as CSV, all conventions",
            partial(leaderboard_csv, evaluation),
            "leaderboard.csv",
            "text/csv",
            on_click="ignore",
        )
    st.caption(
        "The JSON holds every number of this page but the slices (which are files of their own), with its n, what was "
        "left out and why, intervals, seed, baselines and warnings; `codetracer evaluate --json` writes the same."
    )
    answering = [entry.name for entry in evaluation.given]
    if not answering:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Lists of the system", answering, key="listed", width=420)
        wanted = st.button("Write its lists of steps")
    if wanted:
        found = {kind: computed(asked, verb, name) for kind, verb in KINDS.items()}
        shown = {one.run_id for steps in found.values() for one in steps}
        note_exposures(store, person(), seen_of(shown, [evaluation.entry(name)]))
        with st.spinner("Writing …"):
            files = {kind: findings_csv(name, steps, read) for kind, steps in found.items()}
        st.session_state["lists_written"] = ((asked, name, person()), files)
    st.caption("Written lists name incorrect steps of runs: these runs then count as seen by you.")
    of, files = st.session_state.get("lists_written", (None, {}))
    if of == (asked, name, person()):
        with st.container(horizontal=True):
            for kind, text in files.items():
                file = f"{kind.lower().replace(' ', '-')}.csv"
                st.download_button(f"{kind} as CSV ({len(text):,} bytes)", text, file, "text/csv", on_click="ignore")


def numbers_as_json(store: Store, asked: Asked, read: Read, evaluation: Evaluation) -> str:
    """All numbers, with what they are of."""
    told = {
        "ground_truth": asked.sources.truth.label,
        "sources": [one.label for one in asked.sources.systems],
        "left_out": [{"where": where, "place": place, "why": why} for where, place, why in read.problems],
        "notes": list(read.notes),
    }
    numbers = as_json(evaluation, texts=StepTexts(store, evaluation.rows.truth))
    return json.dumps(told | numbers, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def leaderboard_csv(evaluation: Evaluation) -> str:
    """One row for each entry and convention."""
    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "kind": entry.kind,
            "convention": name,
            **score_columns(entry.scores[name]),
        }
        | {"seed": evaluation.seed, "runs_without_answer": evaluation.missing}
        for name in CONVENTIONS
        for entry in evaluation.ranked(name)
    ]
    return rows_as_csv(rows)


def score_columns(score: Score) -> dict[str, Any]:
    """A score as the cells of a table, with why a number or its interval is missing."""
    parts = {"f1": score.f1, "precision": score.precision, "recall": score.recall}
    numbers = [_estimate(name, part) for name, part in parts.items()]
    return {
        **{key: value for number in numbers for key, value in number.items()},
        "runs": score.runs,
        "answers": score.observations,
        "failed": score.failed,
        "missing": score.missing,
        "matched": score.matched,
        "predicted": score.predicted,
        "expected": score.expected,
        "clusters": score.clusters,
        "left_out": "; ".join(f"{part.runs}: {part.why}" for part in score.left_out),
    }


def _estimate(name: str, found: Estimate | None) -> dict[str, Any]:
    """Value, ends, and in words why one of them is missing."""
    if found is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high")) | {f"{name}_why": "the convention has none"}
    why = found.why if found.value is None else found.why_no_interval
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_why": why}


def findings_csv(name: str, found: Sequence[Finding], read: Read) -> str:
    """One row for each step."""
    rows = [
        {
            "system": name,
            "traj_id": one.traj_id,
            "run_id": one.run_id,
            "step_id": one.step_id,
            "step_count": one.step_count,
            "answers": one.repetitions,
            "of_answers": one.of,
            "nearest": one.nearest,
            "distance": one.distance,
            "called_unuseful_by_the_other": one.unuseful,
            "text": step_text(one, read),
        }
        for one in found
    ]
    return rows_as_csv(rows)
