"""Imports as jobs of the server: who may begin one, what waits for what, what is told of one."""

from pathlib import Path
from threading import Event

import pytest

from codetracer_core.errors import ManifestError, NotAllowed
from codetracer_core.importing import ImportItem, ImportReport, import_runs
from codetracer_core.store import Store, Workspace
from codetracer_core.ui.diagnosis_jobs import DiagnosisJob
from codetracer_core.ui.import_jobs import WAS_KILLED, ImportJob, import_paths, imports
from codetracer_core.ui.importing import import_data
from codetracer_core.ui.jobs import Jobs, jobs
from tests.small_runs import ACTIONS, write_run

SECONDS = 60


def test_an_import_waits_for_the_one_before_it_and_for_nothing_else() -> None:
    known, models_may_end, first_began, first_may_end = Jobs(), Event(), Event(), Event()

    def hold(_: ImportJob) -> None:
        first_began.set()
        first_may_end.wait(SECONDS)

    try:
        for _ in range(6):  # more than run at the same time
            known.start(
                DiagnosisJob(who="cora", made_with="", runs={}), lambda _: models_may_end.wait(SECONDS) and None
            )
        first, second = (ImportJob(who="cora", what=f"/runs/{name}") for name in ("first", "second"))
        known.start(first, hold)
        known.start(second, lambda job: job.hear(1, 1, "/runs/second"))
        assert first_began.wait(SECONDS)
        assert import_data(first)["words"].startswith("looking for runs … 0 folders · by cora")
        assert import_data(second)["words"].startswith("waits for the import before it · by cora")
        assert not second.has_begun
        first_may_end.set()
        assert second.over.wait(SECONDS)
        assert second.progress == (1, 1)
        assert not any(job.ended_at for job in known.all(DiagnosisJob))
    finally:
        models_may_end.set()
        first_may_end.set()
        known.end()


def test_a_server_that_ends_stops_an_import_between_two_runs(tmp_path: Path, store: Store) -> None:
    for number in range(1, 5):
        write_run(tmp_path / "runs" / f"{number}.traj", ACTIONS[:number])
    reached, ends = Event(), Event()

    def work(job: ImportJob) -> None:
        def hear(done: int, total: int, path: str) -> None:
            job.hear(done, total, path)
            if job.progress == (2, 4):
                reached.set()
                ends.wait(SECONDS)

        job.report = import_runs([tmp_path / "runs"], store=store, progress=hear, cancelled=job.is_cancelled)

    known, job = Jobs(), ImportJob(who="", what="/runs")
    known.start(job, work)
    assert reached.wait(SECONDS)
    told = import_data(job)
    assert (told["words"].split(" · ")[0], told["share"], told["isStopping"]) == ("2 of 4 read", 0.5, False)
    job.cancel()
    ends.set()
    known.end()
    assert job.report is not None
    assert job.report.stopped.startswith("Cancelled: 2 of 4 runs were read.")
    assert len(store.runs()) == 2


def test_what_became_of_an_import_is_told_by_the_next_server(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    report = ImportReport((ImportItem("/runs/1.traj", "failed", "cut off", "Get it again."),), "Cancelled: 1 of 2.")
    ended, refused = (ImportJob(who="ana", what=what, folder=workspace.imports) for what in ("/runs", "/manifest"))
    killed = ImportJob(who="", what="up.zip", folder=workspace.imports)
    known = Jobs()

    def work(job: ImportJob) -> None:
        job.hear(1, 2, "/runs/1.traj")
        job.report = report

    def refuse(_: ImportJob) -> None:
        raise ManifestError("no manifest")

    known.start(ended, work)
    known.start(refused, refuse)
    known.end()
    killed.keep(None)
    (workspace.imports / "broken.json").write_text("{")

    found = {job.what: job for job in imports(workspace)}
    assert set(found) == {"/runs", "/manifest", "up.zip"}
    again = found["/runs"]
    assert (again.job_id, again.who, again.progress, again.report) == (ended.job_id, "ana", (1, 2), report)
    assert again.started_at == ended.started_at
    assert again.seconds == pytest.approx(ended.seconds, abs=1)
    assert (found["/manifest"].problem, found["/manifest"].report) == ("no manifest", None)
    assert found["up.zip"].problem == WAS_KILLED
    assert all(job.ended_at and job.over.is_set() for job in found.values())
    assert imports(workspace)[-1].what == "/runs"  # the newest first


def test_only_a_lead_begins_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path))
    (tmp_path / "people.toml").write_text('[people]\nLea = ["lead"]\n')
    with pytest.raises(NotAllowed):
        import_paths([tmp_path])
    assert not jobs().all(ImportJob)
