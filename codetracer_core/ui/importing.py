"""The import panel of the library: by path or by upload, with progress and a report."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from codetracer_core.importing import ImportItem, ImportReport
from codetracer_core.importing.report import passed_over_words
from codetracer_core.store import Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.import_jobs import WAS_KILLED, ImportJob, import_paths, import_uploads, imports
from codetracer_core.ui.job_list import Entry, by_whom, job_entry, job_list, job_row
from codetracer_core.words import number_of

MOST_PROBLEMS = 30
MOST_WAYS = 5
"""Links from one report to the page of extractors."""
MOST_OVER = 3
"""Earlier imports that are listed, beside the one whose report is open."""
SHORT = 0.5
"""Seconds: the report of an import that is over by then is there at once, without a list of what is under way."""
UPLOAD_TYPES = ["zip", "zst", "gz", "tar", "traj", "json", "jsonl", "log", "txt", "cast", "parquet"]
_OPENED = "import"
"""In the address, so that a reload finds it, and in the session, for who comes back from another page."""


def import_panel(store: Store) -> None:
    """Fields to import runs, imports under way, and the report of the one that is open."""
    by_path, by_upload = st.columns(2, gap="large")
    with by_path, st.form("import_path", border=False):
        path = st.text_input("Folder, file or archive on this machine", placeholder="~/runs/swe-bench")
        manifest = st.text_input("CodeTraceBench manifest (optional)", placeholder="~/bench_manifest.verified.jsonl")
        if st.form_submit_button("Import from path", type="primary") and path.strip():
            _open(import_paths([_as_path(path)], _as_path(manifest) if manifest.strip() else None))
    with by_upload, st.form("import_upload", border=False, clear_on_submit=True):
        files = st.file_uploader("Files or archives (.zip, .tar.zst)", type=UPLOAD_TYPES, accept_multiple_files=True)
        pressed = st.form_submit_button("Import uploads")
        if pressed and not files:
            st.warning("No file has arrived yet. Choose one, and press again when it is listed.")
        elif pressed:
            _open(import_uploads(files))
    named = st.query_params.get(_OPENED) or st.session_state.get(_OPENED)
    follow_import(store, named, with_others=True)


def _as_path(text: str) -> Path:
    return Path(text.strip()).expanduser()


def is_asked_for() -> bool:
    """Whether the address names an import."""
    return _OPENED in st.query_params


def _open(job: ImportJob) -> None:
    job.over.wait(SHORT)
    st.session_state[_OPENED] = st.query_params[_OPENED] = job.job_id


# --- under way ------------------------------------------------------------------------------------------------


def follow_import(store: Store, job_id: str | None, *, with_others: bool = False) -> ImportReport | None:
    """How far an import is, and once it is over what became of it, which is returned then; with others in a list."""
    job = next((job for job in imports(store.workspace) if job.job_id == job_id), None)

    def entries() -> list[Entry]:
        identity.require("lead")  # paths are those of the server
        known = [one for one in imports(store.workspace) if one is job or with_others]
        over = [one for one in known if one.ended_at is not None and one is not job][:MOST_OVER]
        earlier = [job_entry(over[0], "Earlier imports", (), rows=[_row(one) for one in over])] if over else []
        return [import_data(one) for one in known if one.ended_at is None] + earlier

    job_list("imports", entries, _go_to)
    if job is not None and job.ended_at is not None:
        _show_outcome(job)
        return job.report
    if job is None and job_id is not None:
        st.text("What became of this import is not kept any more; the runs that it read are here.")
    return None


def _go_to(opened: Mapping[str, Any]) -> None:
    st.query_params[_OPENED] = str(opened.get("run", ""))
    st.rerun()


def import_data(job: ImportJob) -> Entry:
    """An import that is under way as the list tells it."""
    done, total = job.progress
    if not job.has_begun:
        how_far = "waits for the import before it"
    else:
        how_far = f"{done:,} of {total:,} read" if total else f"looking for runs … {number_of(done, 'folder')}"
    return job_entry(job, f"Import of {job.what}", [how_far, by_whom(job)], share=done / total if total else 0)


def _row(job: ImportJob) -> dict[str, str]:
    return job_row(job.job_id, job.what, words=f"{job.started_at:%Y-%m-%d %H:%M} UTC · {by_whom(job)}")


# --- over -----------------------------------------------------------------------------------------------------


def _show_outcome(job: ImportJob) -> None:
    components.facts()(key="import_of", data=[("Import of", f"{job.what} · {by_whom(job)}")])
    if job.problem:  # the manifest that was named, or the file of settings, cannot be read; or the workspace is full
        _, total = job.progress
        began = total or job.problem == WAS_KILLED
        st.error("The import ended early. What it had stored by then is here." if began else "Nothing was imported.")
        st.text(job.problem)
    if job.report is not None:
        if job.report.stopped:
            components.warning()(key="import_stopped", data=job.report.stopped)
        show_report(job.report)


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
    if report.passed_over:
        components.notes()(key="import_passed_over", data=[f"{passed_over_words(report.passed_over)}."])
    if root:
        st.text(f"Paths below {root}")
    table = report_table(items).dropna(axis="columns", how="all")  # nothing about a manifest where none was given
    st.dataframe(table, hide_index=True, height=min(320, 38 + 35 * len(items)), placeholder="")
    st.download_button(
        "Report as JSON", json.dumps(report.as_json(), indent=1), "import-report.json", on_click="ignore"
    )


def _ways_on(report: ImportReport) -> None:
    """From a folder that no format fits to the page that teaches one, and to the repair of one that fits no more."""
    over = [ImportItem(folder, "skipped", to_do="describe") for folder in report.passed_over]
    asked = [item for item in (*report.items, *over) if item.to_do]
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
