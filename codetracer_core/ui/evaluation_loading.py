"""The panel in which leads load manifests and predictions, and remove them again."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from codetracer_core.archives import is_archive, safe_extract
from codetracer_core.errors import CodeTracerError, in_words
from codetracer_core.evaluation_files import MOST_BYTES, FileKind, Kept, keep_files, kept_files, remove_files
from codetracer_core.store import Store
from codetracer_core.ui.identity import person, require
from codetracer_core.ui.uploads import kept
from codetracer_core.words import number_of

_UPLOADS: dict[FileKind, list[str]] = {"manifest": ["jsonl", "parquet"], "predictions": ["jsonl", "zip"]}

Check = Callable[[FileKind, Path], object]
"""Reads a file of such a kind; raises CodeTracerError if nothing in it can be used."""


def loading_panel(store: Store, check: Check) -> None:
    """Forms to load files under a name, and the list of what is there."""
    require("lead")  # a path is read with the rights of the server
    if done := st.session_state.pop("evaluation_done", ""):
        st.success("Done.")
        st.text(done)
    left, right = st.columns(2, gap="large")
    with left:
        st.text("A manifest: ground truth of many runs (CodeTraceBench .jsonl or .parquet)")
        _form(store, "manifest", check)
    with right:
        st.text("Predictions of one system: a file, or a folder of codetracer_labels.json, per repetition")
        _form(store, "predictions", check)
    for one in [*kept_files(store.workspace, "manifest"), *kept_files(store.workspace, "predictions")]:
        _kept_line(store, one)


def _form(store: Store, kind: FileKind, check: Check) -> None:
    many = kind == "predictions"
    number = st.session_state.get(f"loads {kind}", 0)
    with st.form(f"load {kind} {number}", border=False):
        name = st.text_input(
            "Name",
            max_chars=80,
            placeholder="my-model, prompt 2" if many else "verified",
            key=f"name of {kind} {number}",
        )
        if many:
            paths = st.text_area(
                "Files or folders on this machine, one a line", height=100, placeholder="~/predictions/rep0.jsonl"
            )
        else:
            paths = st.text_input("File on this machine", placeholder="~/bench_manifest.verified.jsonl")
        given = st.file_uploader(
            "Or upload (a .zip holds one folder)" if many else "Or upload",
            type=_UPLOADS[kind],
            accept_multiple_files=many,
            max_upload_size=MOST_BYTES >> 20,
        )
        uploads = [] if given is None else given if isinstance(given, list) else [given]
        if st.form_submit_button("Load", type="primary"):
            _load(
                store, kind, name.strip(), [line.strip() for line in paths.splitlines() if line.strip()], uploads, check
            )


def _load(
    store: Store,
    kind: FileKind,
    name: str,
    lines: Sequence[str],
    uploads: Sequence[UploadedFile],
    check: Check,
) -> None:
    require("lead")
    if not name or not (lines or uploads):
        st.warning("A name is needed, and a file.")
        return
    try:
        with tempfile.TemporaryDirectory(prefix="codetracer-upload-") as folder, st.spinner("Reading …"):
            paths = [Path(line).expanduser() for line in lines]
            paths += [_unpacked(kept(Path(folder), number, file)) for number, file in enumerate(uploads)]
            for path in paths:
                check(kind, path)
            titles = [*(path.name for path in paths[: len(lines)]), *(file.name for file in uploads)]
            made = keep_files(store.workspace, kind, name, paths, titles=titles, by=person())
    except CodeTracerError as error:
        st.error("Nothing was loaded.")
        file = Path(error.path).name
        st.text(": ".join(part for part in (file, error.place, in_words(error.reason, error.remedy)) if part))
        return
    what = "manifest" if kind == "manifest" else f"predictions, {number_of(len(made.paths), 'repetition')}"
    st.session_state["evaluation_done"] = (
        f"{made.name} ({what}) can be chosen above, by everybody who sees this page; here it is chosen already."
    )
    st.session_state.setdefault("just_loaded", {})[kind] = made.name
    st.session_state[f"loads {kind}"] = st.session_state.get(f"loads {kind}", 0) + 1  # the next form begins empty
    st.rerun()


def _unpacked(path: Path) -> Path:
    """An upload; of an archive the folder that it holds, which may be the only one at its top."""
    if not is_archive(path):
        return path
    folder = path.with_name("unpacked")
    safe_extract(path, folder)
    inside = list(folder.iterdir())
    only = inside[0] if len(inside) == 1 and inside[0].is_dir() else None
    return only if only is not None and any(part.is_dir() for part in only.iterdir()) else folder


def _kept_line(store: Store, one: Kept) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Remove", key=f"remove {one.kind} {one.name}"):
            require("lead")
            remove_files(store.workspace, one.kind, one.name)
            st.session_state["evaluation_done"] = f"{one.name} is removed."
            st.rerun()
        by = f" by {one.kept_by}" if one.kept_by else ""
        size = f"{one.bytes / 1e6:,.1f} MB" if one.bytes >= 100_000 else f"{one.bytes / 1e3:,.1f} kB"
        what = f"{one.kind.capitalize()} {one.name}"
        st.text(" · ".join([what, ", ".join(one.titles), size, f"loaded{by}, {one.kept_at:%Y-%m-%d}"]))
