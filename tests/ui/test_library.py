"""The library's rows, its search in text, and uploads on their way to the disk."""

from pathlib import Path

import pytest
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from codetracer_core.models import Outcome, Usage
from codetracer_core.store import Store
from codetracer_core.ui.library import _COLUMNS, run_cells, text_hits
from codetracer_core.ui.uploads import kept
from tests.store.factory import decide, make_label, make_run, make_step

NAMES = [name for name, *_ in _COLUMNS]


def test_cells_stand_in_column_order_and_unknown_is_none(store: Store) -> None:
    known = make_run("known", 4, record={"collection": "mine", "declared_step_count": 7})
    unknown = make_run("unknown", 0, task=None, agent=None, model=None, outcome=Outcome(), usage=Usage())
    store.add_runs([known, unknown], decisions=[decide(known), []])
    store.add_label_events([make_label(1, run_id="known")])
    rows = {run.run_id: dict(zip(NAMES, run_cells(run), strict=True)) for run in store.runs()}
    assert rows["known"] | {"imported_at": ""} == {
        "task": "task of known",
        "agent": "SWE-agent",
        "model": "some-model",
        "outcome": "failed",
        "step_count": 4,
        "human_labels": 1,
        "has_ground_truth": False,
        "misaligned": True,
        "cost_usd": 0.25,
        "collection": "mine",
        "format": "swe-agent",
        "imported_at": "",
    }
    assert len(rows["known"]["imported_at"]) == len("2026-03-01 12:00")
    assert [rows["unknown"][name] for name in ("task", "agent", "model", "cost_usd")] == [None] * 4
    assert rows["unknown"]["outcome"] == "unknown"


def test_my_labels_are_not_those_of_others(store: Store) -> None:
    run = make_run("run-1", 4)
    events = [make_label(1, step_id=1, annotator="ana"), make_label(2, step_id=2, annotator="ben")]
    store.add_runs([run], decisions=[decide(run)])
    store.add_label_events(events)
    mine = dict(zip(NAMES, run_cells(store.runs(annotator="ana")[0]), strict=True))
    assert mine["human_labels"] == 1


def test_text_is_found_in_steps_and_in_tasks(store: Store) -> None:
    runs = [
        make_run("steps", [make_step(1, observation="a needle"), make_step(2, thought="NEEDLE"), make_step(3)]),
        make_run("task", 2, task_text="Find the needle."),
        make_run("both", [make_step(1, observation="needle")], task="needle"),
        make_run("neither", 2),
    ]
    store.add_runs(runs, decisions=[decide(run) for run in runs])
    assert text_hits(store, "Needle") == {"steps": 2, "task": 0, "both": 1}
    assert text_hits(store, "%") == {}
    assert text_hits(store, "no such thing") == {}


# --- uploads --------------------------------------------------------------------------------------------------


def upload(name: str, data: bytes = b"[]") -> UploadedFile:
    return UploadedFile(UploadedFileRec(file_id="1", name=name, type="application/json", data=data), FileURLs())


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ("steps.json", "steps.json"),
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("a\\b", "b"),
        ("..\\..\\x.json", "x.json"),
        ("C:\\runs\\x.json", "x.json"),
        ("", "upload"),
        (".", "upload"),
        ("..", "upload"),
        ("a/..", "upload"),
        ("/", "upload"),
        ("~", "~"),
        ("x\0y.json", "xy.json"),
        ("line\nbreak.json", "linebreak.json"),
        ("ö" * 300 + ".json", None),
        ("x" * 300 + ".tar.zst", None),
    ],
)
def test_an_upload_keeps_its_name_but_never_as_a_path(tmp_path: Path, name: str, kept_as: str | None) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    path = kept(uploads, 0, upload(name, b"content"))
    assert path.read_bytes() == b"content"
    assert path.parent == uploads / "upload-1"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    if kept_as is not None:
        assert path.name == kept_as
    else:
        assert name.endswith(path.name)
        assert path.name.endswith(".json" if name.endswith("json") else ".tar.zst")


def test_uploads_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    paths = [kept(tmp_path, i, upload("steps.json", str(i).encode())) for i in range(3)]
    assert [path.read_bytes() for path in paths] == [b"0", b"1", b"2"]
