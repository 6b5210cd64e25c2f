import itertools
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codetracer_core import importing
from codetracer_core.errors import CodeTracerError
from codetracer_core.importing import ImportItem, ImportReport, import_runs, reading
from codetracer_core.models import LabelEvent
from codetracer_core.parsers import read_run
from codetracer_core.store import Inbox, Store, Workspace
from tests.small_runs import ACTIONS, manifest_row, pack_zst, write_manifest, write_run


def by_name(report: ImportReport) -> dict[str, ImportItem]:
    return {Path(item.path).name: item for item in report.items}


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- folders and files


def test_a_folder_of_runs(tmp_path: Path, store: Store) -> None:
    write_run(tmp_path / "runs" / "deep" / "one.traj")
    write_run(tmp_path / "runs" / "two.traj", ACTIONS[:4])
    before = all_bytes(tmp_path / "runs")
    heard: list[tuple[int, int, str]] = []
    report = import_runs([tmp_path / "runs"], store=store, progress=lambda *told: heard.append(told))

    assert report.counts == {"imported": 2, "skipped": 0, "misaligned": 0, "failed": 0}
    one = by_name(report)["one.traj"]
    assert (one.format, one.step_count, one.declared_step_count, one.reason) == ("swe-agent", 6, None, "")
    assert one.run_id is not None
    record = store.load_run(one.run_id)
    assert [step.action for step in record.trajectory.steps] == list(ACTIONS)
    assert record.collection == "runs"
    assert record.origin == str(tmp_path / "runs" / "deep" / "one.traj")
    kinds = {facts.step_id: facts.kind for facts in store.steps(one.run_id)}
    assert kinds[2] == "explore"
    assert kinds[3] == "change"
    assert all_bytes(tmp_path / "runs") == before
    assert {told[1] for told in heard} == {0, 2}  # looking, then reading
    assert heard[-1][:2] == (2, 2)


def test_importing_again_changes_nothing(tmp_path: Path, store: Store) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    first = import_runs([tmp_path / "runs"], store=store)
    revision = store.revision()
    again = import_runs([tmp_path / "runs"], store=store)
    assert store.revision() == revision
    assert again.counts == {"imported": 0, "skipped": 1, "misaligned": 0, "failed": 0}
    assert again.items[0].reason == "already imported, unchanged"
    assert again.items[0].run_id == first.items[0].run_id


def test_the_same_run_in_two_places_is_imported_once(tmp_path: Path, store: Store) -> None:
    first = write_run(tmp_path / "runs" / "a" / "one.traj")
    second = tmp_path / "runs" / "b" / "one.traj"
    second.parent.mkdir()
    shutil.copy(first, second)
    report = import_runs([tmp_path / "runs"], store=store)
    assert [item.status for item in report.items] == ["imported", "skipped"]
    assert report.items[1].reason == f"the same run as {first}"
    assert len(store.runs()) == 1


def test_the_same_run_under_another_name_is_the_same_run(tmp_path: Path, store: Store) -> None:
    files = {"steps.json": '[{"step_id": 1, "action": "ls", "observation": "a"}]', "task.md": "Look around."}
    for name in ("first", "second"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / "runs" / name / file).write_text(text)
    report = by_name(import_runs([tmp_path / "runs"], store=store))
    assert (report["first"].status, report["second"].status) == ("imported", "skipped")
    assert report["second"].reason == f"the same run as {tmp_path / 'runs' / 'first'}"
    alone = import_runs([tmp_path / "runs" / "second"], store=store).items[0]
    assert (alone.status, alone.run_id) == ("skipped", report["first"].run_id)


def test_a_run_keeps_its_id_wherever_it_lies(tmp_path: Path, store: Store) -> None:
    one = write_run(tmp_path / "a" / "one.traj")
    moved = tmp_path / "elsewhere" / "deeper" / "one.traj"
    moved.parent.mkdir(parents=True)
    shutil.copy(one, moved)
    ids = {import_runs([path], store=store).items[0].run_id for path in (one, tmp_path / "a", moved, moved.parent)}
    assert len(ids) == 1


def test_rows_that_are_added_to_a_file_change_no_ids(tmp_path: Path, store: Store) -> None:
    rows = [
        {
            "instance_id": f"task-{n}",
            "instruction": "do it",
            "test_result": {"git_patch": ""},
            "metadata": {},
            "history": [
                {"id": 1, "source": "agent", "action": "run", "args": {"command": f"ls {n}"}, "message": ""},
                {"id": 2, "cause": 1, "source": "agent", "observation": "run", "content": "x", "extras": {}},
            ],
            "metrics": {},
            "error": None,
        }
        for n in range(3)
    ]
    file = tmp_path / "out" / "output.jsonl"
    file.parent.mkdir()
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    first = import_runs([file], store=store)
    assert first.counts["imported"] == 2
    file.write_text("".join(json.dumps(row) + "\n" for row in [rows[2], *rows[:2]]))
    again = import_runs([file], store=store)
    assert {item.run_id for item in first.items} < {item.run_id for item in again.items}
    assert len(store.runs()) == 3


def test_changed_evidence_replaces_the_run_and_keeps_its_labels(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    run_id = str(import_runs([tmp_path / "runs"], store=store).items[0].run_id)
    event = LabelEvent(
        run_id=run_id,
        step_id=3,
        value="incorrect",
        annotator="ana",
        client="test",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    store.add_label_events([event])
    monkeypatch.setattr(reading, "READER_VERSION", reading.READER_VERSION + 1)
    report = import_runs([tmp_path / "runs"], store=store)
    assert [(item.status, item.run_id) for item in report.items] == [("imported", run_id)]
    assert store.step_labels(run_id)[3].human[0].verdict == "incorrect"


def test_one_bad_run_never_stops_the_rest(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "a.traj")
    (runs / "b.traj").write_text('{"trajectory": [{"action": "ls"')
    (runs / "c.traj").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (runs / "d.traj").touch()
    write_run(runs / "e.traj", ["echo surprise"])
    write_run(runs / "f.traj", ACTIONS[:2])

    def broken(location: Any, **options: Any) -> Any:
        if location.claim.unit == "e.traj":
            raise ZeroDivisionError("a fault of ours")
        return read_run(location, **options)

    monkeypatch.setattr(reading, "read_run", broken)
    report = import_runs([runs, tmp_path / "nothing"], store=store)
    assert report.counts == {"imported": 2, "skipped": 0, "misaligned": 0, "failed": 5}
    items = by_name(report)
    assert "no valid JSON" in items["b.traj"].reason
    assert "git-LFS pointer" in items["c.traj"].reason
    assert "git lfs pull" in items["c.traj"].remedy
    assert "empty" in items["d.traj"].reason
    assert items["e.traj"].reason == "unexpected ZeroDivisionError: a fault of ours"
    assert items["nothing"].reason == "there is nothing here"
    assert all(item.remedy for item in report.items if item.status == "failed")


def test_a_run_that_the_store_cannot_take_never_stops_the_rest(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_run(tmp_path / "runs" / f"{number}.traj", ACTIONS[: number + 1])
    add_runs = Store.add_runs

    def picky(self: Store, records: Any, **rest: Any) -> Any:
        if any(record.trajectory.step_count == 2 for record in records):
            raise OverflowError("a fault of ours")
        return add_runs(self, records, **rest)

    monkeypatch.setattr(Store, "add_runs", picky)
    report = import_runs([tmp_path / "runs"], store=store)
    assert [item.status for item in report.items] == ["imported", "failed", "imported"]
    assert report.items[1].reason == "unexpected OverflowError: a fault of ours"
    assert report.items[1].run_id is None
    assert len(store.runs()) == 2


def test_a_killed_import_keeps_what_it_had(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_run(tmp_path / "runs" / f"{number}.traj", ACTIONS[: number + 1])
    monkeypatch.setattr(importing, "BATCH", 2)

    def killed(done: int, total: int, path: str) -> None:
        if done == 3 and total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_runs([tmp_path / "runs"], store=store, progress=killed)
    assert len(store.runs()) == 2
    assert import_runs([tmp_path / "runs"], store=store).counts["imported"] == 3


# --- cancelled


def after(calls: int) -> Callable[[], bool]:
    """Cancelled once it was asked so often."""
    asked = itertools.count(1)
    return lambda: next(asked) > calls


def several_runs(folder: Path, count: int) -> Path:
    for number in range(count):
        write_run(folder / f"{number}.traj", ACTIONS[: number + 1])
    return folder


def test_a_cancelled_import_keeps_what_it_has_read_and_says_where_it_stopped(tmp_path: Path, store: Store) -> None:
    runs = several_runs(tmp_path / "runs", 4)
    read: list[str] = []
    report = import_runs(
        [runs], store=store, progress=lambda done, total, path: read.append(path), cancelled=lambda: len(read) > 4
    )
    assert [Path(path).name for path in read] == ["runs", "", "0.traj", "1.traj", "2.traj"]
    assert report.counts == {"imported": 3, "skipped": 0, "misaligned": 0, "failed": 0}
    assert report.stopped == f"Cancelled: 3 of 4 runs were read. The first that was not is {runs / '3.traj'}"
    assert report.as_json()["stopped"] == report.stopped
    assert len(store.runs()) == 3
    whole = import_runs([runs], store=store)
    assert (whole.counts["imported"], whole.counts["skipped"], whole.stopped) == (1, 3, "")


def test_an_import_that_is_cancelled_while_it_looks_for_runs_imports_none(tmp_path: Path, store: Store) -> None:
    several_runs(tmp_path / "runs" / "a", 2)
    several_runs(tmp_path / "runs" / "b", 2)
    looked_at: list[str] = []
    report = import_runs(
        [tmp_path / "runs"],
        store=store,
        progress=lambda done, total, path: looked_at.append(path),
        cancelled=lambda: len(looked_at) > 1,
    )
    assert len(looked_at) == 2  # the folder itself and one of the two in it
    assert report == ImportReport((), "Cancelled while runs were looked for: nothing was imported.")
    assert store.runs() == []


def test_a_cancelled_import_stops_within_an_archive(tmp_path: Path, store: Store) -> None:
    archive = pack_zip(tmp_path / "runs.zip", several_runs(tmp_path / "runs", 4))
    asked = 6  # once all is planned, before the archive is read, for the two folders in it, and for two of its runs
    report = import_runs([archive], store=store, cancelled=after(asked))
    told = "cancelled: 2 of 4 runs in it were read"
    assert report.counts == {"imported": 2, "skipped": 1, "misaligned": 0, "failed": 0}
    assert report.stopped == f"{archive}: {told}."
    assert [(item.path, item.reason) for item in report.items if item.status == "skipped"] == [(str(archive), told)]


def test_an_empty_folder_and_an_unknown_format_are_told(tmp_path: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    report = import_runs([tmp_path / "empty"], store=store)
    assert [(item.status, item.reason) for item in report.items] == [("failed", "no run that any parser recognises")]
    write_run(tmp_path / "runs" / "one.traj")
    report = import_runs([tmp_path / "runs"], store=store, format="morse")
    assert report.counts["failed"] == 1
    assert "'morse'" in report.items[0].reason


def test_the_report_as_json(tmp_path: Path, store: Store) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    plain = import_runs([tmp_path / "runs"], store=store, collection="mine").as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["counts"] == {"imported": 1, "skipped": 0, "misaligned": 0, "failed": 0}
    assert list(plain["items"][0]) == [
        *("path", "status", "reason", "remedy", "run_id", "format", "view", "step_count", "declared_step_count"),
        "to_do",
    ]
    assert store.runs()[0].collection == "mine"


# --- archives


def pack_zip(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(folder.rglob("*")):
            file.write(member, member.relative_to(folder.parent))
    return path


def test_an_archive_is_read_and_shown_under_its_own_name(tmp_path: Path, store: Store) -> None:
    write_run(tmp_path / "runs" / "one.traj")
    write_run(tmp_path / "runs" / "two.traj", ACTIONS[:2])
    (tmp_path / "runs" / "bad.traj").write_text('{"trajectory": [')
    archive = pack_zip(tmp_path / "runs.zip", tmp_path / "runs")
    loose = import_runs([tmp_path / "runs"], store=store)
    report = import_runs([archive], store=store)
    assert report.counts == {"imported": 0, "skipped": 2, "misaligned": 0, "failed": 1}
    assert {item.run_id for item in report.items} == {item.run_id for item in loose.items}
    assert sorted(item.path for item in report.items) == [
        f"{archive}/runs/{name}.traj" for name in ("bad", "one", "two")
    ]
    assert all("codetracer-" not in text for item in report.items for text in (item.path, item.reason, item.remedy))


def test_archives_that_lie_directly_in_a_folder(tmp_path: Path, store: Store) -> None:
    for name, count in (("one", 3), ("two", 4)):
        write_run(tmp_path / name / "run.traj", ACTIONS[:count])
        pack_zst(tmp_path / "downloads" / f"{name}.tar.zst", tmp_path / name)
    report = import_runs([tmp_path / "downloads"], store=store)
    assert sorted(item.step_count or 0 for item in report.items) == [3, 4]
    assert report.counts["imported"] == 2
    assert {run.collection for run in store.runs()} == {"downloads"}


def test_a_hostile_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write_run(tmp_path / "good" / "one.traj")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../evil.traj", "{}")
    report = import_runs([tmp_path / "evil.zip", tmp_path / "good"], store=store)
    assert report.counts == {"imported": 1, "skipped": 0, "misaligned": 0, "failed": 1}
    refused = by_name(report)["evil.zip"]
    assert "'../../evil.traj'" in refused.reason
    assert "leads upwards" in refused.reason
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list(tmp_path.rglob("evil.traj"))


def test_an_archive_sees_nothing_outside_itself(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that lies where archives are unpacked must not become the outcome of what is in them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "report.json").write_text(json.dumps({"one": {"resolved": True}}))
    write_run(tmp_path / "one" / "one.traj")
    report = import_runs([pack_zip(tmp_path / "one.zip", tmp_path / "one")], store=store)
    run = store.load_run(str(report.items[0].run_id))
    assert run.trajectory.outcome.solved is None


def test_uploads_are_shown_without_the_folder_that_holds_them(tmp_path: Path, store: Store) -> None:
    uploads = tmp_path / "codetracer-upload-x7"
    paths = [write_run(uploads / "1" / "one.traj"), uploads / "2" / "bad.traj"]
    paths[1].parent.mkdir()
    paths[1].write_text('{"trajectory": [')
    report = import_runs(paths, store=store, uploads=uploads)
    assert sorted(item.path for item in report.items) == ["upload/1/one.traj", "upload/2/bad.traj"]
    assert "upload-x7" not in json.dumps(report.as_json())
    assert store.runs()[0].collection == "uploads"


# --- benchmark


def test_rows_join_their_runs(bench: Path, store: Store) -> None:
    report = import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    assert report.counts == {"imported": 2, "skipped": 2, "misaligned": 1, "failed": 0}
    items = {item.run_id or item.path.rpartition("#")[2]: item for item in report.items}
    assert items["lost"].reason == "no artifact in the benchmark"
    assert items["elsewhere"].reason.startswith("no artifact here")
    assert items["elsewhere"].remedy
    longer = items["longer"]
    assert (longer.step_count, longer.declared_step_count) == (7, 6)
    assert "7 steps here, 6 in the manifest" in longer.reason
    assert items["archived"].path.endswith("bench_artifacts/full/archived.tar.zst/archived/archived.traj")

    runs = {run.run_id: run for run in store.runs()}
    assert runs.keys() == {"archived", "extracted", "longer"}
    for run in runs.values():
        labels = store.step_labels(run.run_id)
        assert {step: [m.verdict for m in on.ground_truth] for step, on in labels.items()} == {
            3: ["incorrect"],
            4: ["unuseful"],
        }
        stages = store.stages(run.run_id)
        assert stages is not None
        assert [stage.end_step_id for stage in stages] == [2, 6]
        assert run.difficulty == "easy"
        assert (run.trial, run.collection) == ("fix-it.1-of-1", "bench_manifest.full")
    assert [run.run_id for run in runs.values() if run.misaligned] == ["longer"]


def test_the_manifest_tells_the_outcome_only_if_the_files_do_not(bench: Path, store: Store) -> None:
    (bench / "agents" / "longer" / "report.json").write_text(json.dumps({"run": {"resolved": False}}))
    import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    archived = store.load_run("archived").trajectory.outcome
    assert archived.solved is True
    assert "manifest (bench_manifest.full.jsonl) says solved" in archived.reason
    assert store.load_run("extracted").trajectory.outcome.solved is None
    longer = store.load_run("longer").trajectory
    assert longer.outcome.solved is False
    assert any("solved = False, the manifest True" in note for note in longer.notes)


def test_annotations_do_not_go_into_what_is_shown_of_a_run(bench: Path, store: Store) -> None:
    import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    record = store.load_run("archived")
    assert record.benchmark is not None
    assert {"stages", "stage_count", "incorrect_stages", "incorrect_error_stage_count"}.isdisjoint(record.benchmark)
    assert "annotations/" not in record.trajectory.model_dump_json()


def test_a_manifest_in_an_imported_folder_is_found(bench: Path, store: Store) -> None:
    write_run(bench / "more" / "unlisted.traj", ACTIONS[:3])
    report = import_runs([bench], store=store)
    assert report.counts == {"imported": 3, "skipped": 2, "misaligned": 1, "failed": 0}
    assert {"archived", "extracted", "longer"} < {run.run_id for run in store.runs()}
    assert import_runs([bench], store=store).counts == {"imported": 0, "skipped": 6, "misaligned": 0, "failed": 0}


def test_a_manifest_may_be_named_as_a_path_and_artifacts_lie_elsewhere(
    bench: Path, tmp_path: Path, store: Store
) -> None:
    apart = tmp_path / "apart" / "manifest.jsonl"
    apart.parent.mkdir()
    (bench / "bench_manifest.full.jsonl").rename(apart)
    assert import_runs([apart], store=store).counts["skipped"] == 5
    assert import_runs([apart, bench], store=store).counts["imported"] == 2


def test_importing_a_benchmark_again_changes_nothing(bench: Path, store: Store) -> None:
    import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    revision = store.revision()
    again = import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    assert store.revision() == revision
    assert again.counts == {"imported": 0, "skipped": 5, "misaligned": 0, "failed": 0}


def test_a_corrected_row_replaces_the_ground_truth(bench: Path, store: Store) -> None:
    manifest = bench / "bench_manifest.full.jsonl"
    import_runs([], store=store, manifest=manifest)
    first = manifest.read_text()
    stage = {"stage_id": 1, "incorrect_step_ids": [1], "unuseful_step_ids": [4]}
    write_manifest(manifest, [manifest_row("extracted", solved=None, incorrect_stages=[stage])])

    def truth() -> dict[int, list[str]]:
        return {step: [m.verdict for m in on.ground_truth] for step, on in store.step_labels("extracted").items()}

    assert import_runs([], store=store, manifest=manifest).counts["imported"] == 1
    assert {step: marks for step, marks in truth().items() if marks} == {1: ["incorrect"], 4: ["unuseful"]}
    manifest.write_text(first)
    import_runs([], store=store, manifest=manifest)
    assert {step: marks for step, marks in truth().items() if marks} == {3: ["incorrect"], 4: ["unuseful"]}


def test_a_manifest_that_comes_later_joins_the_runs_that_are_there(bench: Path, tmp_path: Path, store: Store) -> None:
    """Wherever the evidence lay when it was first imported: unpacked, in an archive, in a copy."""
    manifest = tmp_path / "later" / "bench_manifest.full.jsonl"
    manifest.parent.mkdir()
    (bench / "bench_manifest.full.jsonl").rename(manifest)
    shutil.copytree(bench / "extracted", tmp_path / "copy" / "of-extracted")
    before = import_runs([tmp_path / "copy", bench / "bench_artifacts" / "full", bench / "agents"], store=store)
    assert before.counts["imported"] == 3
    own = {run.run_id for run in store.runs()}
    report = import_runs([bench], store=store, manifest=manifest)
    assert report.counts == {"imported": 2, "skipped": 2, "misaligned": 1, "failed": 0}
    assert {item.run_id for item in report.items if item.run_id} == own
    runs = {run.traj_id: run for run in store.runs()}
    assert runs.keys() == {"archived", "extracted", "longer"}
    assert {run.run_id for run in runs.values()} == own
    assert all(run.ground_truth_labels == 2 for run in runs.values())
    assert runs["longer"].misaligned
    again = import_runs([bench], store=store, manifest=manifest)
    assert again.counts == {"imported": 0, "skipped": 5, "misaligned": 0, "failed": 0}


def test_runs_of_a_benchmark_that_come_again_without_it_stay_as_they_are(bench: Path, store: Store) -> None:
    import_runs([bench], store=store)
    revision = store.revision()
    (bench / "bench_manifest.full.jsonl").unlink()
    report = import_runs([bench, bench / "bench_artifacts" / "full"], store=store)
    assert report.counts == {"imported": 0, "skipped": 3, "misaligned": 0, "failed": 0}
    assert {item.run_id for item in report.items} == {"archived", "extracted", "longer"}
    assert store.revision() == revision


def test_ground_truth_that_fits_no_step_is_told(bench: Path, store: Store) -> None:
    write_run(bench / "shorter" / "run.traj", ACTIONS[:3], submission="4")
    stage = {"stage_id": 1, "incorrect_step_ids": [2, 9], "unuseful_step_ids": [2, 5]}
    write_manifest(bench / "bench_manifest.full.jsonl", [manifest_row("shorter", incorrect_stages=[stage])])
    report = import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    (item,) = report.items
    assert item.status == "misaligned"
    assert "ground truth that could not be stored" in item.reason
    notes = store.load_run("shorter").trajectory.notes
    assert any("step 2 as both incorrect and unuseful" in note for note in notes)
    assert any("step 9, outside 1..6" in note for note in notes)
    assert store.step_labels("shorter")[2].ground_truth[0].verdict == "incorrect"


def test_stages_with_gaps_are_told(bench: Path, store: Store) -> None:
    stages = [
        {"stage_id": 1, "start_step_id": 1, "end_step_id": 2},
        {"stage_id": 2, "start_step_id": 4, "end_step_id": 6},
    ]
    write_manifest(bench / "bench_manifest.full.jsonl", [manifest_row("extracted", stages=stages)])
    import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    assert any(
        note.startswith("Stages in the manifest: Step 3") for note in store.load_run("extracted").trajectory.notes
    )
    kept = store.stages("extracted")
    assert kept is not None
    assert [stage.start_step_id for stage in kept] == [1, 4]


def test_bad_rows_and_bad_artifacts_fail_alone(bench: Path, store: Store) -> None:
    (bench / "bench_artifacts" / "full" / "cut.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd but no archive")
    write_run(bench / "double" / "a.traj", ACTIONS[:2])
    write_run(bench / "double" / "b.traj", ACTIONS[:3])
    (bench / "hollow").mkdir()
    with (bench / "bench_manifest.full.jsonl").open("a") as file:
        file.write('{"traj_id": "cut off\n')
        file.writelines(json.dumps(manifest_row(name)) + "\n" for name in ("cut", "double", "hollow"))
    report = import_runs([], store=store, manifest=bench / "bench_manifest.full.jsonl")
    assert report.counts == {"imported": 2, "skipped": 2, "misaligned": 1, "failed": 4}
    failed = {Path(item.path).name: item for item in report.items if item.status == "failed"}
    assert "no valid JSON" in failed["bench_manifest.full.jsonl, line 6"].reason
    assert "damaged archive" in failed["cut.tar.zst"].reason
    assert "2 runs lie in the artifact of double" in failed["double"].reason
    assert "no run that any parser recognises" in failed["hollow"].reason
    assert failed["hollow"].declared_step_count == 6


def test_several_trials_in_one_artifact_are_told_apart_by_name(tmp_path: Path, store: Store) -> None:
    write_run(tmp_path / "twice" / "fix-it.1-of-1" / "run.traj")
    write_run(tmp_path / "twice" / "fix-it.2-of-2" / "run.traj", ACTIONS[:2])
    manifest = write_manifest(tmp_path / "manifest.jsonl", [manifest_row("twice")])
    report = import_runs([], store=store, manifest=manifest)
    assert [(item.status, item.step_count) for item in report.items] == [("imported", 6)]


def test_a_manifest_that_was_named_must_be_readable(bench: Path, store: Store) -> None:
    with pytest.raises(CodeTracerError, match=r"nothing\.jsonl"):
        import_runs([bench], store=store, manifest=bench / "nothing.jsonl")
    assert not store.runs()
    (bench / "bench_manifest.full.jsonl").write_text('{"traj_id": 1}\n')  # found, not named: the runs come in without
    report = import_runs([bench], store=store)
    assert report.counts["imported"] == 2
    assert [Path(item.path).name for item in report.items if item.status == "failed"] == ["bench_manifest.full.jsonl"]


def test_two_manifests_over_the_same_artifacts(bench: Path, store: Store) -> None:
    shutil.copy(bench / "bench_manifest.full.jsonl", bench / "bench_manifest.verified.jsonl")
    report = import_runs([bench], store=store)
    assert report.counts == {"imported": 2, "skipped": 7, "misaligned": 1, "failed": 0}
    twice = [item for item in report.items if "a row of" in item.reason]
    assert len(twice) == 3
    assert twice[0].reason == f"a row of {bench / 'bench_manifest.full.jsonl'}, too"


def test_archives_that_a_named_manifest_does_not_name_stay_packed(bench: Path, store: Store) -> None:
    full = bench / "bench_artifacts" / "full"
    shutil.copy(full / "archived.tar.zst", full / "other.tar.zst")
    report = import_runs([full], store=store, manifest=bench / "bench_manifest.full.jsonl")
    (unnamed,) = (item for item in report.items if item.path == str(full))
    assert (unnamed.status, unnamed.reason) == ("skipped", "1 archives here that the manifest does not name")


def test_real_manifest_without_artifacts(real: Path, store: Store) -> None:
    manifest = real / "codetracebench" / "manifest.jsonl"
    report = import_runs([], store=store, manifest=manifest)
    assert report.counts == {"imported": 0, "skipped": 32, "misaligned": 0, "failed": 0}
    assert all(item.reason.startswith("no artifact here") and item.declared_step_count for item in report.items)


# --- when somebody else has the workspace open


def test_an_inbox_takes_the_import(bench: Path, tmp_path: Path) -> None:
    inbox = Inbox(Workspace(tmp_path / "workspace"), owner="the dashboard (process 1) has this workspace open")
    with Store.open(tmp_path / "workspace") as owner:
        report = import_runs([], store=inbox, manifest=bench / "bench_manifest.full.jsonl")
        assert report.counts == {"imported": 2, "skipped": 2, "misaligned": 1, "failed": 0}
        queued = next(item for item in report.items if item.run_id == "archived")
        assert queued.reason == "waits in the inbox, because the dashboard (process 1) has this workspace open"
        assert not owner.runs()
        owner.take_inbox()
        assert {run.run_id for run in owner.runs()} == {"archived", "extracted", "longer"}
        assert owner.step_labels("archived")[3].ground_truth[0].verdict == "incorrect"
