"""Where this benchmark is known to mislead, looked up in the runs at hand: plain sentences, and why they matter."""

from collections.abc import Iterator, Mapping, Sequence

import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation import Caveat, Evaluation, warnings
from codetracer_core.store import Reader
from codetracer_core.ui.evaluation_data import Asked, judged
from codetracer_core.ui.workspace import open_store


def show_caveats(found: Sequence[Caveat]) -> None:
    """All of them. What they name is other people's text: it is never read as markdown."""
    if not found:
        return
    count = len(found)
    title = f"Before these numbers are believed: {count} thing{'s' * (count != 1)} to know"
    with st.expander(title, expanded=True):
        for one in found:
            st.text(f"{one.text}\nWhy this matters: {one.why}")


@st.cache_resource(max_entries=64, show_spinner="Looking for what may mislead …")
def caveats(asked: Asked, convention: str) -> tuple[Caveat, ...]:
    """What to know of the evaluation under one convention, the gravest first."""
    evaluation = judged(asked)
    return warnings(evaluation, convention, texts=StoredTexts(open_store(), evaluation))


class StoredTexts(Mapping[str, Sequence[str]]):
    """What each step of a run shows without the agent's thought, by ``traj_id``: runs with errors that are stored.

    A run is read when it is asked for, and not kept: together they may be gigabytes.
    """

    def __init__(self, reader: Reader, evaluation: Evaluation) -> None:
        self._reader = reader
        rows = evaluation.rows
        self._runs = {
            run.traj_id: run.run_id for run, gold in zip(rows.truth, rows.gold, strict=True) if gold and run.run_id
        }

    def __getitem__(self, traj_id: str) -> Sequence[str]:
        try:
            steps = self._reader.load_run(self._runs[traj_id]).trajectory.steps
        except CodeTracerError:
            return ()  # its file is damaged: nothing can be said of its text
        return [f"{step.action}\0{step.observation or ''}" for step in steps]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)
