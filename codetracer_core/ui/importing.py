"""The import panel of the library: by path or by upload, with progress and a report."""

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from codetracer_core.config import load_config
from codetracer_core.errors import CodeTracerError
from codetracer_core.importing import ImportItem, ImportReport, import_runs
from codetracer_core.store import default_workspace
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.workspace import open_store

MOST_PROBLEMS = 30
MOST_WAYS = 5
"""Links from one report to the page of extractors."""
UPLOAD_TYPES = ["zip", "zst", "gz", "tar", "traj", "json", "jsonl", "log", "txt", "cast", "parquet"]
_LONGEST_FILE_NAME = 200
"""Bytes; file systems take 255. Of a longer name the end is kept, for it tells the format."""


def import_panel() -> None:
    """Fields to import runs, and the report of the last import."""
    by_path, by_upload = st.columns(2, gap="large")
    with by_path, st.form("import_path", border=False):
        path = st.text_input("Folder, file or archive on this machine", placeholder="~/runs/swe-bench")
        manifest = st.text_input("CodeTraceBench manifest (optional)", placeholder="~/bench_manifest.verified.jsonl")
        if st.form_submit_button("Import from path", type="primary") and path.strip():
            import_now([_as_path(path)], _as_path(manifest) if manifest.strip() else None)
    with by_upload, st.form("import_upload", border=False, clear_on_submit=True):
        files = st.file_uploader("Files or archives (.zip, .tar.zst)", type=UPLOAD_TYPES, accept_multiple_files=True)
        pressed = st.form_submit_button("Import uploads")
        if pressed and not files:
            st.warning("No file has arrived yet. Choose one, and press again when it is listed.")
        elif pressed:
            with tempfile.TemporaryDirectory(prefix="codetracer-upload-") as folder:
                uploads = Path(folder)
                import_now([kept(uploads, i, file) for i, file in enumerate(files)], None, uploads=uploads)
    if report := st.session_state.get("import_report"):
        show_report(report)


def _as_path(text: str) -> Path:
    return Path(text.strip()).expanduser()


def kept(folder: Path, number: int, file: UploadedFile) -> Path:
    """The upload as a file. Its own name is kept, for formats are told by it, but never as a path."""
    place = folder / f"upload-{number + 1}"
    place.mkdir()
    name = "".join(character for character in re.split(r"[/\\]", file.name)[-1] if character.isprintable())
    name = name.encode()[-_LONGEST_FILE_NAME:].decode(errors="ignore")
    path = place / (name if name.strip(".") else "upload")
    path.write_bytes(file.getbuffer())
    return path


def import_now(paths: Sequence[Path], manifest: Path | None, *, uploads: Path | None = None) -> ImportReport | None:
    """Import with a bar of progress; the report is kept in the session. None, with words, if nothing could begin.

    Raises NotAllowed."""
    identity.require("lead")  # a path is read with the rights of the server
    bar = st.progress(0.0, text="Looking for runs …")

    def progress(done: int, total: int, path: str) -> None:
        if total:
            bar.progress(done / total, text=f"{done} of {total} runs read")
        else:
            bar.progress(0.0, text=f"Looking for runs … {done} folders")

    try:
        depth = load_config(None, default_workspace()).config.discovery.max_depth
        report = import_runs(
            paths, store=open_store(), manifest=manifest, uploads=uploads, max_depth=depth, progress=progress
        )
    except CodeTracerError as error:  # the manifest that was named, or the file of settings, cannot be read
        st.error("Nothing was imported.")
        st.text(str(error))
        report = None
    else:
        st.session_state["import_report"] = report
    bar.empty()
    return report


def show_report(report: ImportReport) -> None:
    """What became of each run: counts, what needs a person's eye in full, everything as a table and as JSON."""
    counts = report.counts
    st.text(" · ".join(f"{counts[status]} {status}" for status in ("imported", "skipped", "misaligned", "failed")))
    _ways_on(report)
    root = common_folder([item.path for item in report.items])
    items = [replace(item, path=item.path.removeprefix(root)) for item in report.items]
    urgent = [item for status in ("failed", "misaligned") for item in items if item.status == status]
    if urgent:
        told = [
            (f"{item.status}: {item.path}", ". ".join(filter(None, (item.reason.rstrip("."), item.remedy))))
            for item in urgent
        ]
        components.facts()(key="import_problems", data=told[:MOST_PROBLEMS])
        if len(told) > MOST_PROBLEMS:
            st.text(f"… and {len(told) - MOST_PROBLEMS} more in the table")
    if root:
        st.text(f"Paths below {root}")
    table = report_table(items).dropna(axis="columns", how="all")  # nothing about a manifest where none was given
    st.dataframe(table, hide_index=True, height=min(320, 38 + 35 * len(items)), placeholder="")
    st.download_button(
        "Report as JSON", json.dumps(report.as_json(), indent=1), "import-report.json", on_click="ignore"
    )


def _ways_on(report: ImportReport) -> None:
    """From a folder that no format fits to the page that teaches one, and to the repair of one that fits no more."""
    asked = [item for item in report.items if item.to_do]
    if not asked or not identity.may("lead"):
        return
    for item in asked[:MOST_WAYS]:
        with st.container(horizontal=True, vertical_alignment="center"):
            place = item.path.partition("#")[0]
            if item.to_do == "describe":
                link, query = "Describe this format", {"folder": place}
            else:
                link, query = "Repair the extractor", {"extractor": item.format or "", "folder": place, "repair": "1"}
            st.page_link(shell.pages()["extractors"], label=link, icon=":material/schema:", query_params=query)
            st.text(item.path)


def report_table(items: Sequence[ImportItem]) -> pd.DataFrame:
    """One row per item, what needs attention first."""
    return pd.DataFrame(
        [
            {
                "Status": item.status,
                "Path": item.path,
                "Format": item.format,
                "Steps": item.step_count,
                "In manifest": item.declared_step_count,
                "Reason": item.reason,
                "What to do": item.remedy,
            }
            for item in sorted(items, key=lambda item: _URGENCY.index(item.status))
        ]
    )


def common_folder(paths: Sequence[str]) -> str:
    """The beginning that all paths share, up to and with its last ``/``; "" if there is none worth leaving out."""
    shared = os.path.commonprefix(list(paths))  # noqa: RUF071 - characters are right: it is cut back to a slash
    return shared[: shared.rfind("/") + 1] if len(paths) > 1 else ""


_URGENCY = ("failed", "misaligned", "skipped", "imported")
