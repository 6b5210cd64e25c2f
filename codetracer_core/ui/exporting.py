"""The panel for labels to files: whose, in which form, of the runs that pass the library's filters."""

import io
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from codetracer_core.errors import CodeTracerError, in_words
from codetracer_core.export import folder_name
from codetracer_core.exporting import export_events, export_labels, export_stage_labels
from codetracer_core.models import Exposure, LabelSource
from codetracer_core.stage_labels import LABELS_FILE
from codetracer_core.store import Labeller, Reader, Store
from codetracer_core.ui.identity import EXPORTERS, blind_runs, require
from codetracer_core.ui.viewer import EXPOSES, note_exposures

Target = Literal["codetracebench", "labels", "csv", "jsonl", "parquet"]
_TARGETS: Mapping[Target, str] = {
    "codetracebench": "CodeTraceBench rows (JSON lines)",
    "labels": f"{LABELS_FILE} (of several runs: zip)",
    "csv": "Verdicts in force (CSV)",
    "jsonl": "Every act of labelling (JSON lines)",
    "parquet": "Every act of labelling (Parquet)",
}
_OF_ONE: frozenset[Target] = frozenset({"codetracebench", "labels"})
"""Forms that hold one view of a run: of one source, and among people of one person."""
_SOURCES: Mapping[LabelSource | Literal[""], str] = {
    "human": "people",
    "ground_truth": "the benchmark (ground truth)",
    "model": "models",
    "adjudicated": "adjudication",
    "": "all of these",
}


@dataclass(frozen=True)
class LabelsOut:
    """A file to download, and in words what is not in it."""

    name: str
    data: bytes
    left_out: tuple[str, ...] = ()


def labels_out(
    reader: Reader,
    target: Target,
    runs: Sequence[str],
    source: LabelSource | None,
    annotator: str | None,
    *,
    hidden: Collection[str] = (),
) -> LabelsOut:
    """The labels of these runs as one file, of those in ``hidden`` without the benchmark's stages.

    Raises CodeTracerError as the verbs of ``workflow`` do.
    """
    if target == "parquet":
        return LabelsOut("events.parquet", export_events(reader, runs, source=source, annotator=annotator))
    if target == "labels":
        files, left_out = export_stage_labels(reader, runs, source=source, annotator=annotator, hidden=hidden)
        if len(files) == 1:
            return LabelsOut(LABELS_FILE, next(iter(files.values())).encode(), left_out)
        return LabelsOut("codetracer_labels.zip", _zipped(files), left_out)
    exported = export_labels(target, reader, runs, source=source, annotator=annotator, hidden=hidden)
    name = {"codetracebench": "manifest.jsonl", "csv": "verdicts.csv", "jsonl": "events.jsonl"}[target]
    return LabelsOut(name, exported.text.encode(), exported.left_out)


def _zipped(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for run_id, text in files.items():
            archive.writestr(f"{folder_name(run_id)}/{LABELS_FILE}", text)
    return packed.getvalue()


def exposures(labellers: Iterable[Labeller], person: str) -> set[tuple[str, Exposure]]:
    """(run, exposure) for what this person learns from these labels: their own ones are no news."""
    return {(one.run_id, EXPOSES[one.source]) for one in labellers if not _is_own(one, person)}


def _is_own(labeller: Labeller, person: str) -> bool:
    return (labeller.source, labeller.annotator) == ("human", person)


def export_panel(store: Store, person: str, runs: Sequence[str] | None) -> None:
    """Choose form, source and annotator, then download; ``runs`` are those that pass the filters, None: all.

    Of a run to which this person stands blind nothing is offered but their own labels. That they see what others say
    goes on record before they do.
    """
    require(*EXPORTERS)
    left, middle, right = st.columns(3)
    target = left.selectbox("Write", list(_TARGETS), format_func=_TARGETS.__getitem__)
    sources = [source for source in _SOURCES if source or target not in _OF_ONE]
    by = middle.selectbox("Labels by", sources, format_func=_SOURCES.__getitem__, key=f"export_source {target}")
    blind = blind_runs(store)
    passing = None if runs is None else set(runs)
    labellers = store.labellers()
    offered = [
        one
        for one in labellers
        if (passing is None or one.run_id in passing)
        and by in ("", one.source)
        and (one.run_id not in blind or _is_own(one, person))
    ]
    names = sorted({one.annotator for one in offered})
    choices = names if target in _OF_ONE and by == "human" else ["", *names]
    who = right.selectbox(
        "Annotator",
        choices,
        index=choices.index(person) if person in choices else 0,
        format_func=lambda name: name or "all",
        key=f"export_annotator {target} {by}",
    )
    only_own = by == "human" and who == person
    written = [one for one in offered if who in ("", one.annotator) and (only_own or one.run_id not in blind)]
    ids = tuple(sorted({one.run_id for one in written}))
    among = f"all {len(store.runs()):,}" if runs is None else f"the {len(runs):,} that pass the filters below"
    st.text(f"Runs with such labels: {len(ids):,} of {among}.")
    chosen = (person, target, by, who, ids)
    if st.button("Write the file", type="primary", disabled=not ids):
        try:
            with st.spinner("Writing …"):
                out = labels_out(store, target, ids, by or None, who or None, hidden=blind)
        except CodeTracerError as error:
            st.error("This cannot be written.")
            st.text(in_words(error.reason, error.remedy))
            return
        seen = exposures(written, person)
        if target in _OF_ONE:  # these forms go by stages: the benchmark's, where it has some and nobody drew others
            with_truth = {one.run_id for one in labellers if one.source == "ground_truth"}
            told = with_truth.intersection(ids) - blind
            seen |= {(run_id, "ground_truth") for run_id in told if store.stages(run_id) is not None}
        note_exposures(store, person, seen)
        st.session_state["labels_out"] = (chosen, out)
    made, out = st.session_state.get("labels_out", (None, None))
    if out is not None and made == chosen:
        for words in out.left_out:
            st.text(words)
        st.download_button(f"Download {out.name} ({len(out.data):,} bytes)", out.data, out.name, on_click="ignore")
