"""Labels out of one workspace and into another: what comes in is what went out, field by field."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.export import folder_name, plain_cell, verdicts_as_csv
from codetracer_core.exporting import export_events, export_labels, export_stage_labels, write_bytes, write_text
from codetracer_core.importing import import_runs
from codetracer_core.label_files import LabelFile, Unsaid, read_labels
from codetracer_core.label_importing import LabelReport, import_labels
from codetracer_core.models import LabelEvent, LabelSource, hash_of_quote
from codetracer_core.stage_labels import LABELS_FILE
from codetracer_core.store import Store
from tests.conftest import SAMPLE_DATA
from tests.small_runs import manifest_row, write_manifest, write_run
from tests.store.factory import make_run

SOURCES: tuple[LabelSource, ...] = ("human", "ground_truth")
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
RUN = "run-1"


def act(sequence: int, step_id: int | None, value: Any, **fields: Any) -> LabelEvent:
    given: dict[str, Any] = {
        "run_id": RUN,
        "annotator": "ana",
        "client": "browser-1",
        "occurred_at": NOON + timedelta(seconds=sequence),
    }
    return LabelEvent(step_id=step_id, value=value, sequence=sequence, **(given | fields))


QUOTE = {
    "step_id": 3,
    "field": "observation",
    "start": 4,
    "end": 8,
    "text": 'é"\n\x1b',
    "sha256": hash_of_quote('é"\n\x1b'),
}
ACTS = [
    act(1, 1, "incorrect"),
    act(2, 2, "unuseful", exposure="ground_truth"),
    act(3, 1, "correct"),
    act(4, 4, "uncertain"),
    act(5, 4, None),
    act(6, None, 3, field="onset"),
    act(7, None, "ground_truth", field="shown"),
    act(10, 2, {"reason": "read twice", "confidence": "low", "quotes": [QUOTE]}, field="details"),
    act(11, 4, True, field="chain"),
    act(12, 4, True, field="flag"),
    act(13, None, True, field="flag"),
    act(14, 4, None, field="flag"),
    act(15, 5, 'have run "the tests",\nthen =1+1', field="omission"),
    act(16, None, "has_error", field="run_verdict"),
    act(17, None, "never ran the tests; née \u202e <b>", field="note"),
    act(18, None, ["loop", "a, b", "true"], field="tags"),
    act(19, None, 30, field="worked"),
    act(20, None, 7, field="worked", occurred_at=NOON),
    act(8, 3, "incorrect", pass_number=2, exposure="peers"),
    act(9, None, [{"stage_id": 1, "start_step_id": 1, "end_step_id": 5, "name": "all"}], field="stages"),
    act(1, 1, "incorrect", annotator="=ben()", client="browser-2"),
    act(2, 5, "unuseful", annotator='\'carl, née "C"', client="browser-2"),
    act(1, 2, "incorrect", source="model", annotator="a-model", client="model-1", exposure="model"),
    act(1, 2, "unuseful", source="adjudicated", annotator="dora", client="browser-3"),
    act(
        *(2, 2, {"taken": "ana", "positions": {"ana": "unuseful", "=ben()": None}}),
        field="basis",
        source="adjudicated",
        annotator="dora",
        client="browser-3",
    ),
    act(3, 3, "incorrect", source="adjudicated", annotator="dora", client="browser-3"),
    act(1, 3, "correct", source="adjudicated", annotator="emil", client="browser-6"),
    act(1, 3, "incorrect", source="ground_truth", annotator="CodeTraceBench", client="import-1"),
    act(1, 2, "correct", annotator="ana", run_id="run 2/…", client="browser-4"),
    # Said while offline, arrived last: in force, though others were said later.
    act(1, 2, "correct", client="browser-5", occurred_at=NOON - timedelta(days=1)),
]


def workspace(path: Path, acts: list[LabelEvent] | None = None) -> Path:
    """Two runs of five steps, and these labels."""
    with Store.open(path) as store:
        records = [make_run(RUN), make_run("run 2/…", text="other")]
        store.add_runs(records, decisions=[[("explore", "reads")] * 5] * 2)
        assert not store.add_label_events(acts or []).refused
    return path


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return workspace(tmp_path / "origin", ACTS)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return workspace(tmp_path / "fresh")


def history(place: Path) -> list[dict[str, Any]]:
    """Every act, in order of arrival within a run, without when it arrived."""
    with Store.open(place) as store:
        acts = [act for run in store.runs() for act in store.label_history(run.run_id)]
    return [act.model_dump(exclude={"arrival", "arrived_at"}) for act in acts]


def in_force(place: Path, *left_out: str) -> list[dict[str, Any]]:
    with Store.open(place) as store:
        labels = [label.model_dump(exclude={"arrival", "arrived_at", *left_out}) for label in store.labels()]
    return sorted(labels, key=lambda label: json.dumps(label, default=str, sort_keys=True))


def take_in(path: Path, place: Path, *, dry_run: bool = False, **unsaid: Any) -> LabelReport:
    """As the command line does it: the snapshot tells what is there."""
    with Store.open_for_reading(place) as reader, nullcontext() if dry_run else Store.open(place) as writer:
        return import_labels(path, reader, writer, Unsaid(**unsaid))


def labels_of(place: Path, form: Literal["codetracebench", "jsonl", "csv"], *runs: str, **whose: Any) -> str:
    with Store.open_for_reading(place) as reader:
        return export_labels(form, reader, runs or None, **whose).text


def events_of(place: Path, **whose: Any) -> bytes:
    with Store.open_for_reading(place) as reader:
        return export_events(reader, **whose)


def stage_files(place: Path, *runs: str, **whose: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    with Store.open_for_reading(place) as reader:
        return export_stage_labels(reader, runs or None, **whose)


def written(path: Path, content: str | bytes) -> Path:
    if isinstance(content, str):
        write_text(path, content)
    else:
        write_bytes(path, content)
    return path


def imported(path: Path, place: Path, **options: Any) -> LabelReport:
    """Import; and import again, which changes nothing."""
    report = take_in(path, place, **options)
    before = history(place)
    again = take_in(path, place, **options)
    assert again.counts == {
        "new": 0,
        "known": report.counts["new"] + report.counts["known"],
        "refused": len(report.refused),
    }
    assert history(place) == before
    return report


def test_adjudicated_labels_are_those_of_whoever_decided_last(origin: Path) -> None:
    with Store.open(origin) as store:
        store.add_label_events([act(9, 4, "incorrect", source="adjudicated", annotator="emil", client="browser-6")])
    rows = csv.DictReader(io.StringIO(labels_of(origin, "csv", RUN, source="adjudicated")))
    assert [(row["step_id"], row["verdict"], row["annotator"]) for row in rows] == [
        ("2", "unuseful", "dora"),
        ("3", "correct", "emil"),
        ("4", "incorrect", "emil"),
    ]
    row = json.loads(labels_of(origin, "codetracebench", RUN, source="adjudicated"))
    stages = row["incorrect_stages"]
    assert [stage["incorrect_step_ids"] for stage in stages] == [[], [4]]
    assert [stage["unuseful_step_ids"] for stage in stages] == [[2], []]
    files, _ = stage_files(origin, RUN, source="adjudicated")
    assert [stage["incorrect_step_ids"] for stage in json.loads(files[RUN])] == [[], [4]]


# --- round trips


@pytest.mark.parametrize(
    ("name", "export"),
    [
        ("events.jsonl", lambda place: labels_of(place, "jsonl").encode()),
        ("events.parquet", lambda place: events_of(place)),
    ],
)
def test_events_come_back_as_they_were(
    origin: Path, fresh: Path, tmp_path: Path, name: str, export: Callable[[Path], bytes]
) -> None:
    report = imported(written(tmp_path / name, export(origin)), fresh)
    assert report.counts == {"new": len(ACTS), "known": 0, "refused": 0}
    assert history(fresh) == history(origin)
    assert in_force(fresh) == in_force(origin)
    assert take_in(tmp_path / name, origin).counts["new"] == 0


def test_csv_holds_the_verdicts_in_force(origin: Path, fresh: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "labels.csv", labels_of(origin, "csv"))
    report = imported(path, fresh)
    verdicts = [label for label in in_force(origin, "client", "sequence") if label["field"] == "verdict"]
    assert in_force(fresh, "client", "sequence") == verdicts
    assert report.counts == {"new": len(verdicts), "known": 0, "refused": 0}
    assert labels_of(fresh, "csv").splitlines()[1:] != []
    assert sorted(labels_of(fresh, "csv").splitlines()) == sorted(path.read_text().splitlines())


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1))
def test_no_name_is_changed_by_a_table(name: str) -> None:
    text = verdicts_as_csv([act(1, 1, "correct", annotator=name)], {RUN: (None, None, None)})
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert plain_cell(row["annotator"]) == name
    assert not row["annotator"].startswith(("=", "+", "-", "@", "\t"))


def test_stage_labels_come_back(origin: Path, fresh: Path, tmp_path: Path) -> None:
    files, left_out = stage_files(origin, source="human", annotator="ana")
    assert files.keys() == {RUN, "run 2/…"}
    assert left_out == (
        "left out of run 2/…: 1 steps neither incorrect nor unuseful",
        "left out of run-1: 2 steps neither incorrect nor unuseful",
    )
    for run_id, text in files.items():
        write_text(tmp_path / "out" / folder_name(run_id) / LABELS_FILE, text)
    report = imported(tmp_path / "out", fresh, annotator="ana")
    assert [(label.run_id, label.step_id, label.value) for label in report.labels] == [(RUN, 3, "incorrect")]
    (again,) = stage_files(fresh, RUN, source="human")[0].values()
    assert [s["incorrect_step_ids"] for s in json.loads(again)] == [[3]]  # its stage is ana's own, known in origin only
    assert [s["incorrect_step_ids"] for s in json.loads(files[RUN])] == [[3]]


def test_reasons_of_stages_are_kept(fresh: Path, tmp_path: Path) -> None:
    stages = [
        {"stage_id": 1, "incorrect_step_ids": [2, 3], "unuseful_step_ids": [1], "reasoning": "wrong file"},
        {"stage_id": 2, "incorrect_step_ids": [], "unuseful_step_ids": [], "reasoning": "fine"},
    ]
    path = written(tmp_path / RUN / LABELS_FILE, json.dumps(stages))
    with Store.open(fresh) as store:
        whole = [{"stage_id": 1, "start_step_id": 1, "end_step_id": 5}]
        store.add_label_events([act(1, None, whole, field="stages", source="model", annotator="a-model")])
    report = imported(path, fresh, annotator="a-model", source="model")
    assert {(label.source, label.annotator) for label in report.labels} == {("model", "a-model")}
    files, _ = stage_files(fresh, RUN, source="model")
    assert json.loads(files[RUN]) == stages
    copy = written(tmp_path / "renamed.json", path.read_text())
    assert take_in(copy, fresh, annotator="eve", run=RUN).counts == {"new": 4, "known": 0, "refused": 0}
    with pytest.raises(CodeTracerError, match="does not say whose"):
        take_in(path, fresh)


def test_drawn_stages_come_back(tmp_path: Path) -> None:
    """With their names, and with the steps that are in none of them: as rows of the benchmark and as events."""
    drawn = [
        {"stage_id": 1, "start_step_id": 1, "end_step_id": 2, "name": 'look, "née"'},
        {"stage_id": 2, "start_step_id": 4, "end_step_id": 4, "name": ""},
    ]
    acts = [act(1, None, drawn, field="stages"), act(2, 4, "incorrect"), act(3, 5, "unuseful")]
    origin = workspace(tmp_path / "origin", acts)
    for name, form in (("rows.jsonl", "codetracebench"), ("events.jsonl", "jsonl")):
        fresh = workspace(tmp_path / form)
        path = written(tmp_path / name, labels_of(origin, form, source="human"))
        imported(path, fresh, annotator="ana" if form == "codetracebench" else None)
        said = [
            {(label["step_id"], label["field"]): label["value"] for label in in_force(place)}
            for place in (origin, fresh)
        ]
        assert said[0] == said[1] == {(None, "stages"): drawn, (4, "verdict"): "incorrect", (5, "verdict"): "unuseful"}


def test_rows_of_the_benchmark_come_back(tmp_path: Path) -> None:
    """Ground truth of the samples, taken in as a person's labels, goes out again as it came."""
    place = tmp_path / "samples"
    with Store.open(place) as store:
        import_runs([SAMPLE_DATA], store=store)
    rows = labels_of(place, "codetracebench")
    report = imported(written(tmp_path / "rows.jsonl", rows), place, annotator="ana")
    assert not report.refused
    assert labels_of(place, "codetracebench", source="human", annotator="ana") == rows
    with Store.open_for_reading(place) as reader:
        both = [
            {(label.run_id, label.step_id, label.field): label.value for label in reader.labels(source=source)}
            for source in SOURCES
        ]
    assert both[0] == both[1]
    assert {field for _, _, field in both[0]} == {"verdict", "stages"}


def test_samples_with_every_export(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "two")]
    for place in places:
        with Store.open(place) as store:
            import_runs([SAMPLE_DATA], store=store)
    with Store.open(places[0]) as store:
        runs = [run for run in store.runs() if run.step_count >= 3]
        words = ("correct", "incorrect", "unuseful", "uncertain", None)
        acts = [
            act(number * 10 + step, step, words[(number + step) % 5], run_id=run.run_id)
            for number, run in enumerate(runs)
            for step in (1, 2, 3)
        ]
        assert not store.add_label_events(acts).refused
    for name, content in {
        "events.jsonl": labels_of(places[0], "jsonl", source="human").encode(),
        "events.parquet": events_of(places[0], source="human"),
    }.items():
        imported(written(tmp_path / name, content), places[1])
        mine = [[event for event in history(place) if event["source"] == "human"] for place in places]
        assert mine[0] == mine[1]
        assert len(mine[0]) == len(acts)


# --- what is refused, and what is not touched


def test_a_bad_row_is_told_and_the_rest_goes_in(fresh: Path, tmp_path: Path) -> None:
    table = (
        "traj;step;label;who;when;note\n"
        "run-1;1;Incorrect;ana;2026-03-01 10:00;x\n"
        "elsewhere;1;incorrect;ana;;\n"
        "run-1;6;incorrect;ana;;\n"
        "run-1;0;incorrect;ana;;\n"
        "run-1;two;incorrect;ana;;\n"
        "run-1;2;wrong;ana;;\n"
        "run-1;2;unuseful;ana;yesterday;\n"
        "run-1;3;;ana;;\n"
        "run-1;3;unuseful;;;\n"
        "run-1;3\n"
        "run-1;4;unlabelled;ana;;\n"
    )
    path = written(tmp_path / "sheet.csv", table)
    columns = {"run_id": "traj", "step_id": "step", "verdict": "label", "annotator": "who", "occurred_at": "when"}
    preview = take_in(path, fresh, columns=columns, dry_run=True)
    assert history(fresh) == []
    report = imported(path, fresh, columns=columns)
    assert [label.value for label in preview.labels] == [label.value for label in report.labels] == ["incorrect", None]
    assert history(fresh)[0]["occurred_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    for told in (preview, report):
        assert sorted((int(e.place.split()[1]), e.reason.split(" (")[0]) for e in told.refused) == [
            (3, "there is no run 'elsewhere'"),
            (4, "run 'run-1' has 5 steps, there is no step 6"),
            (5, "step_id: Input should be greater than or equal to 1"),
            (6, "step_id: Input should be a valid integer, unable to parse string as an integer"),
            (7, "'wrong' is no verdict"),
            (8, "'yesterday' is no date and time in ISO 8601"),
            (10, "annotator is empty"),
            (11, "2 cells under 6 columns"),
        ]
        assert told.notes == (
            "1 rows without a verdict say nothing and were skipped",
            "1 of 2 runs are not in this workspace, import them first: 'elsewhere'",
        )
        assert all(str(path) in str(error) for error in told.refused)


def test_bad_events_are_told(fresh: Path, tmp_path: Path) -> None:
    good = act(1, 1, "correct").model_dump(mode="json")
    lines = [
        json.dumps(good),
        '{"run_id": ',
        json.dumps(good | {"sequence": 2, "annotator": None}),
        json.dumps(good | {"sequence": 3, "surprise": 1}),
        json.dumps(good | {"sequence": 4, "step_id": None, "field": "onset", "value": 9}),
        json.dumps(good | {"sequence": 5, "source": "oracle"}),
        json.dumps(good | {"sequence": 6, "step_id": None, "field": "stage_reasons", "value": [{"stage_id": "x"}]}),
    ]
    path = written(tmp_path / "events.jsonl", "\n".join(lines))
    report = imported(path, fresh)
    assert report.counts == {"new": 1, "known": 0, "refused": 6}
    assert sorted(error.place for error in report.refused) == [f"line {n}" for n in range(2, 8)]


def test_a_newer_label_is_not_undone(fresh: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", "".join(f"{e.model_dump_json()}\n" for e in ACTS if e.run_id == RUN))
    with Store.open(fresh) as store:
        late = NOON + timedelta(days=1)
        store.add_label_events([act(1, 1, None, client="phone", occurred_at=late), ACTS[2]])
        store.add_label_events([act(2, 3, "correct", client="phone", pass_number=2, occurred_at=NOON)])
    report = imported(path, fresh)
    assert [(error.place, error.reason) for error in report.refused] == [
        ("line 1", "'ana' has said something newer here (2026-03-01 12:00 UTC)"),
    ]
    with Store.open(fresh) as store:
        ana = {(m.step_id, m.pass_number): m.value for m in store.labels(RUN, annotator="ana") if m.field == "verdict"}
    assert ana == {(1, 1): "correct", (2, 1): "correct", (3, 2): "incorrect"}


def test_quotes_that_the_run_does_not_say_are_told_and_kept(fresh: Path, tmp_path: Path) -> None:
    text = "output of step 3"
    here = QUOTE | {"start": 0, "end": len(text), "text": text, "sha256": hash_of_quote(text)}
    acts = [act(1, 2, {"quotes": [here, QUOTE]}, field="details"), act(2, 1, {"quotes": [here]}, field="details")]
    path = written(tmp_path / "events.jsonl", "".join(f"{one.model_dump_json()}\n" for one in acts))
    (note,) = take_in(path, fresh).notes
    assert note == "run 'run-1' does not say 1 of what is quoted of it; these quotes are kept, and shown as such"
    assert [label["value"] for label in history(fresh)] == [one.value for one in acts]


def test_time_on_task_is_added_to_what_is_here(tmp_path: Path) -> None:
    here = workspace(tmp_path / "here", [act(1, None, 30, field="worked", client="other")])
    there = workspace(tmp_path / "there", [act(1, None, 7, field="worked", occurred_at=NOON)])
    path = written(tmp_path / "events.jsonl", labels_of(there, "jsonl"))
    assert imported(path, here).counts == {"new": 1, "known": 0, "refused": 0}
    with Store.open(here) as store:
        assert store.time_on_task(RUN, "ana") == 37


def test_an_older_file_of_someone_who_went_on_here(fresh: Path, tmp_path: Path) -> None:
    with Store.open(fresh) as store:
        store.add_label_events([act(1, 1, None, client="phone", occurred_at=NOON + timedelta(days=1))])
    path = written(tmp_path / "events.jsonl", f"{ACTS[0].model_dump_json()}\n{ACTS[2].model_dump_json()}\n")
    assert imported(path, fresh).counts == {"new": 0, "known": 0, "refused": 2}
    assert in_force(fresh) == []


def test_a_label_that_was_refused_goes_in_once_its_run_is_there(tmp_path: Path) -> None:
    place = workspace(tmp_path / "workspace")
    path = written(tmp_path / "t.csv", "run_id,step_id,verdict\nrun-1,1,correct\nlater,2,incorrect\n")
    assert take_in(path, place, annotator="ana").counts == {"new": 1, "known": 0, "refused": 1}
    with Store.open(place) as store:
        store.add_runs([make_run("later", text="later")], decisions=[[("explore", "reads")] * 5])
    assert take_in(path, place, annotator="ana").counts == {"new": 1, "known": 1, "refused": 0}
    assert take_in(path, place, annotator="ben").counts == {"new": 2, "known": 0, "refused": 0}


def test_a_misaligned_row_is_told(tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    with Store.open(place) as store:
        (item,) = import_runs([write_run(tmp_path / "one.traj")], store=store).items
    row = manifest_row(str(item.run_id), step_count=8)
    row["incorrect_stages"][0] |= {"incorrect_step_ids": [3, 8], "unuseful_step_ids": [3]}
    report = imported(
        write_manifest(tmp_path / "rows.jsonl", [row, row | {"traj_id": "x", "step_count": "many"}]),
        place,
        annotator="ana",
    )
    assert [label.value for label in report.labels if label.field == "verdict"] == ["incorrect"]
    assert [e.reason.split(": ")[0] for e in report.refused] == [
        "step_count",
        f"run {item.run_id!r} has 6 steps, there is no step 8",
    ]
    assert report.notes == (
        f"run {item.run_id!r}: both incorrect and unuseful, taken as incorrect: steps 3",
        f"run {item.run_id!r} is misaligned: 8 steps in the file, 6 here; its labels may sit on other steps",
    )


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("labels.txt", "x", {}, "no file with labels"),
        ("labels.csv", "step_id,label\n1,correct\n", {}, "no column run_id or verdict among step_id, label"),
        ("labels.csv", "run_id,step_id,verdict\n", {}, "does not say whose labels these are"),
        ("labels.csv", "run_id,step_id,verdict\n", {"columns": {"step": "x"}}, "no column can mean 'step'"),
        ("labels.csv", "run_id,step_id,verdict\n", {"columns": {"step_id": "x"}}, "there is no column 'x'"),
        ("labels.csv", "run_id,step_id,verdict\n", {"run": RUN}, "name their runs themselves"),
        ("labels.csv", 'run_id,step_id,verdict,annotator\n"a"b,1,correct,ana\n', {}, "no readable CSV"),
        ("labels.csv", b"run_id\xff", {}, "not UTF-8"),
        ("labels.csv", "", {}, "empty"),
        ("labels.json", "{", {"annotator": "ana"}, "no valid JSON"),
        ("labels.json", "{}", {"annotator": "ana"}, "no list of stages"),
        ("labels.json", "[]", {"columns": {"run_id": "x"}}, "only the columns of a .csv"),
        ("labels.jsonl", "{}", {"annotator": "ana"}, "say themselves who labelled"),
        ("labels.jsonl", "{}", {"run": RUN}, "name their runs themselves"),
        ("labels.parquet", b"PAR1", {}, "no readable parquet"),
        ("missing.csv", None, {}, "No such file"),
        ("", None, {"annotator": "ana"}, "no codetracer_labels.json in this folder"),
    ],
)
def test_what_is_no_file_with_labels(
    fresh: Path, tmp_path: Path, name: str, content: str | bytes | None, options: dict[str, Any], words: str
) -> None:
    path = tmp_path / "given" / name
    (tmp_path / "given").mkdir()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CodeTracerError, match=words) as caught:
        take_in(path, fresh, **options)
    assert str(path) in str(caught.value)


def test_a_table_for_one_run_from_a_spreadsheet(fresh: Path, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(b"\xef\xbb\xbf step_id ,verdict\r\n2, unuseful\r\n\r\n3,incorrect\r\n")
    report = imported(path, fresh, run=RUN, annotator="ana", source="adjudicated")
    assert [(e.step_id, e.value, e.source) for e in report.labels] == [
        (2, "unuseful", "adjudicated"),
        (3, "incorrect", "adjudicated"),
    ]


def test_parquet_is_typed(origin: Path, tmp_path: Path) -> None:
    table = pq.read_table(written(tmp_path / "events.parquet", events_of(origin)))
    assert table.num_rows == len(ACTS)
    assert str(table.schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"
    read: LabelFile = read_labels(tmp_path / "events.parquet", Unsaid(), read_at=NOON)
    assert read.kind == "events"
    assert len(read.labels) == len(ACTS)
