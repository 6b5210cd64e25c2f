"""The panel for labels from files: choose one, say what it does not say, see what would come in, take it in."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from codetracer_core.archives import safe_extract
from codetracer_core.errors import CodeTracerError, in_words
from codetracer_core.label_files import COLUMNS, Asked, Unsaid, look_at
from codetracer_core.label_importing import LabelReport, import_labels
from codetracer_core.models import LabelSource
from codetracer_core.store import Store
from codetracer_core.ui.identity import blind_runs, require
from codetracer_core.ui.uploads import kept

UPLOAD_TYPES = ["jsonl", "parquet", "json", "csv", "zip"]
MOST_LABELS = 100
SOURCES: Mapping[LabelSource, str] = {"human": "a person", "model": "a model", "adjudicated": "an adjudication"}
"""Who can have made labels that come from a file; ground truth comes with its runs."""
_TITLES = {
    "run_id": "Run",
    "step_id": "Step",
    "verdict": "Verdict",
    "source": "Made by",
    "annotator": "Annotator",
    "pass_number": "Pass",
    "exposure": "Exposure",
    "occurred_at": "When",
}
# Other names that people give to such columns, without what is no letter; the first that is there is offered.
_SYNONYMS = {
    "run_id": ("runid", "trajid", "run", "traj", "trajectory", "trajectoryid", "instanceid"),
    "step_id": ("stepid", "step", "stepnumber", "stepno", "stepindex"),
    "verdict": ("verdict", "label", "judgement", "judgment", "rating"),
    "source": ("source",),
    "annotator": ("annotator", "who", "rater", "labeller", "labeler", "user", "name"),
    "pass_number": ("passnumber", "pass"),
    "exposure": ("exposure",),
    "occurred_at": ("occurredat", "when", "labelledat", "timestamp", "createdat", "time", "date"),
}


@dataclass(frozen=True)
class Chosen:
    """A file with labels: a path on this machine, or an upload."""

    name: str
    """Tells this choice from every other one: what was found in the file is kept under it."""
    file: Path | UploadedFile

    @contextmanager
    def as_path(self) -> Iterator[Path]:
        """Where the file can be read for the moment; an archive's folder, unpacked."""
        if isinstance(self.file, Path):
            yield self.file
            return
        with tempfile.TemporaryDirectory(prefix="codetracer-upload-") as folder:
            path = kept(Path(folder), 0, self.file)
            if path.suffix == ".zip":
                safe_extract(path, Path(folder, "unpacked"))
                path = Path(folder, "unpacked")
            yield path


def label_import_panel(store: Store, person: str) -> None:
    """Choose a file; then what is asked about it, what it would bring, and what it brought."""
    require("lead")  # a path is read with the rights of the server
    chosen = _choose()
    if chosen is None:
        return
    try:
        with chosen.as_path() as path:
            asked = look_at(path)
    except CodeTracerError as error:
        _cannot_be_read(error)
        return
    unsaid = _ask(chosen, asked, person)
    if unsaid is None:
        return
    key = (chosen.name, repr(unsaid))
    if st.session_state.get("label_report", {}).get("key") == key:
        st.text("Imported.")
        show_labels(st.session_state["label_report"]["report"])
        return
    try:
        preview = _preview(chosen, store, unsaid, key)
        count = len(preview.labels)
        if st.button(f"Import {count:,} label{'' if count == 1 else 's'}", type="primary", disabled=not count):
            with chosen.as_path() as path:
                report = import_labels(path, store, store, unsaid, hidden=blind_runs(store))
            st.session_state["label_report"] = {"key": key, "report": report}
            st.rerun()
    except CodeTracerError as error:
        _cannot_be_read(error)
        return
    show_labels(preview)


def _choose() -> Chosen | None:
    by_path, by_upload = st.columns(2, gap="large")
    with by_path, st.form("label_path", border=False):
        path = st.text_input("File on this machine, or a folder of codetracer_labels.json", placeholder="~/labels.csv")
        if st.form_submit_button("Look at it") and path.strip():
            looks = st.session_state.get("label_path_looks", 0) + 1
            st.session_state["label_path_looks"] = looks  # a file may have changed since the last look
            st.session_state["label_path_chosen"] = Chosen(f"{looks} {path}", Path(path.strip()).expanduser())
    with by_upload:
        file = st.file_uploader("Manifest rows, codetracer_labels.json, CSV, or events", type=UPLOAD_TYPES)
    if file is not None:
        return Chosen(file.file_id, file)
    chosen: Chosen | None = st.session_state.get("label_path_chosen")
    return chosen


def _cannot_be_read(error: CodeTracerError) -> None:
    st.error("This file cannot be read as labels.")
    name = Path(error.path).name
    st.text(": ".join(part for part in (name, error.place, in_words(error.reason, error.remedy)) if part))


# --- what the file does not say -----------------------------------------------------------------------------


def _ask(chosen: Chosen, asked: Asked, person: str) -> Unsaid | None:
    """What holds where the file says nothing; None as long as something is missing, which is then told."""
    columns = _ask_columns(chosen, asked) if asked.kind == "table" else {}
    missing = [_TITLES[meaning].lower() for meaning in ("step_id", "verdict") if asked.names and not columns[meaning]]
    run, annotator, source = None, None, None
    cells = iter(st.columns(3))
    if asked.which_run and not columns.get("run_id"):
        by_folder = isinstance(chosen.file, Path) and asked.kind == "stage labels"
        hint = "else the name of its folder" if by_folder else "id, or the benchmark's name"
        run = next(cells).text_input("Which run?", placeholder=hint, key=f"label_run {chosen.name}").strip() or None
        missing += [] if run or by_folder else ["run"]
    if asked.whose and not columns.get("annotator"):
        annotator = next(cells).text_input("Whose labels?", value=person, key=f"label_who {chosen.name}").strip()
        missing += [] if annotator else ["annotator"]
    if asked.whose and not columns.get("source"):
        source = next(cells).selectbox(
            "Who made them?", list(SOURCES), format_func=SOURCES.__getitem__, key=f"label_source {chosen.name}"
        )
    if missing:
        st.info(f"Still to say: {', '.join(missing)}.")
        return None
    # What a column's own name says already is not said again: so the dashboard and the command line make the same acts
    # of one file, and importing it twice stays harmless.
    own = {meaning: meaning if meaning in asked.names else "" for meaning in COLUMNS}
    mapped = {meaning: name for meaning, name in columns.items() if name != own[meaning]}
    return Unsaid(annotator or None, source, run, mapped or None)


def _ask_columns(chosen: Chosen, asked: Asked) -> dict[str, str]:
    """The column for each meaning as the person chose it; "" means none."""
    st.text("What do the columns mean? These are the first rows.")
    st.dataframe(first_rows(asked), hide_index=True)
    guessed = guessed_columns(asked.names)
    options = ["", *dict.fromkeys(name for name in asked.names if name)]
    columns = {}
    for meaning, cell in zip(COLUMNS, st.columns(len(COLUMNS)), strict=True):
        columns[meaning] = cell.selectbox(
            _TITLES[meaning],
            options,
            index=options.index(guessed.get(meaning, "")),
            format_func=lambda name: name or "—",
            key=f"label_column {meaning} {chosen.name}",
        )
    return columns


def guessed_columns(names: Sequence[str]) -> dict[str, str]:
    """The column that probably has each meaning, where one has a telling name; no column twice."""
    plain = {"".join(filter(str.isalnum, name)).casefold(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for meaning, synonyms in _SYNONYMS.items():
        name = next((plain[synonym] for synonym in synonyms if synonym in plain), None)
        if name is not None and name not in found.values():
            found[meaning] = name
    return found


def first_rows(asked: Asked) -> pd.DataFrame:
    """The first rows of a table as they stand in the file; columns of one name are told apart."""
    titles: list[str] = []
    for name in asked.names:
        titles.append(name if name not in titles else f"{name} ({len(titles) + 1})")
    width = len(titles)
    return pd.DataFrame([[*row, *[""] * width][:width] for row in asked.first_rows], columns=titles)


# --- what it brings -----------------------------------------------------------------------------------------


def _preview(chosen: Chosen, store: Store, unsaid: Unsaid, key: tuple[str, str]) -> LabelReport:
    """A dry run, made again only when file, answers or workspace have changed."""
    blind = blind_runs(store)
    state = (key, store.revision(), blind)
    kept_preview = st.session_state.get("label_preview")
    if kept_preview is None or kept_preview[0] != state:
        with st.spinner("Reading …"), chosen.as_path() as path:
            kept_preview = (state, import_labels(path, store, None, unsaid, hidden=blind))
        st.session_state["label_preview"] = kept_preview
    report: LabelReport = kept_preview[1]
    return report


def show_labels(report: LabelReport) -> None:
    """Counts, notes, every row that stays out with place and reason, and the first labels."""
    st.text(f"{report.kind}: " + " · ".join(f"{count:,} {word}" for word, count in report.counts.items()))
    for note in report.notes:
        st.text(note)
    taken, refused = st.columns([3, 2]) if report.labels and report.refused else (st.container(), st.container())
    if report.labels:
        rows = [{name: str(value) for name, value in row.items()} for row in report.rows(MOST_LABELS)]
        taken.dataframe(pd.DataFrame(rows), hide_index=True, height=_height(rows))
        if len(report.labels) > MOST_LABELS:
            taken.text(f"… and {len(report.labels) - MOST_LABELS:,} more")
    if report.refused:
        several = len({error.path for error in report.refused}) > 1  # files of one name, each in its run's folder
        rows = [
            {
                "refused": ": ".join(filter(None, (Path(error.path).parent.name if several else "", error.place))),
                "why": error.reason,
            }
            for error in report.refused
        ]
        refused.dataframe(pd.DataFrame(rows), hide_index=True, height=_height(rows))
    st.download_button(
        "Report as JSON",
        lambda: json.dumps(_as_json(report), indent=1),
        "label-report.json",
        on_click="ignore",
    )


def _as_json(report: LabelReport) -> dict[str, Any]:
    """The whole report, without the temporary folders that uploads were read from."""
    plain = report.as_json(len(report.labels))
    for refused in plain["refused"]:
        refused["path"] = "/".join(Path(refused["path"]).parts[-2:])
    return plain


def _height(rows: Sequence[object]) -> int:
    return min(250, 38 + 35 * len(rows))
