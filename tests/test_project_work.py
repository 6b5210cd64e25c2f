"""The verbs of work on projects, on a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from codetracer_core import project_work
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.people import PEOPLE_FILE
from codetracer_core.store import Store
from tests.store.factory import decide, make_label, make_run

RUNS = ["run-1", "run-2", "run-3"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        runs = [make_run(run_id, 4) for run_id in RUNS]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        yield opened


def test_settings_that_are_none_are_refused_in_words(store: Store) -> None:
    project_work.create_project(store, "pilot", RUNS, created_by="lea", annotators_per_run=3)
    for settings, words in (
        ({"project_id": "a b"}, "letters, digits"),
        ({"project_id": "next", "annotators_per_run": 0}, "annotators_per_run: .*greater than or equal to 1"),
        ({"project_id": "next", "verdicts": ()}, "verdicts"),
        ({"project_id": "pilot"}, "there is a project 'pilot' already"),
    ):
        with pytest.raises(CodeTracerError, match=words):
            project_work.create_project(store, run_ids=RUNS, created_by="lea", **settings)  # type: ignore[arg-type]
    with pytest.raises(CodeTracerError, match="at least one run"):
        project_work.create_project(store, "next", [], created_by="lea")
    with pytest.raises(CodeTracerError, match="claim_hours"):
        project_work.change_project(store, "pilot", claim_hours=-1)
    with pytest.raises(NotFound):
        project_work.change_project(store, "other", title="Other")
    changed = project_work.change_project(store, "pilot", title="First look", claim_hours=0)
    assert store.projects() == [changed]
    assert (changed.title, changed.annotators_per_run, changed.created_by) == ("First look", 3, "lea")


def test_runs_go_to_those_who_are_named_somewhere(store: Store) -> None:
    project_work.create_project(store, "pilot", RUNS, created_by="lea", annotators_per_run=1)
    with pytest.raises(CodeTracerError, match="nobody is named"):
        project_work.assign(store, "pilot")
    people = store.workspace.folder / PEOPLE_FILE
    people.write_text('others = ["reader"]\n[people]\nann = ["annotator"]\nbob = ["annotator"]\nlea = ["lead"]\n')
    with pytest.raises(CodeTracerError, match="'rob' may not label"):
        project_work.assign(store, "pilot", ["rob"])
    assert [one.annotator for one in project_work.assign(store, "pilot", each=1)] == ["ann", "bob"]
    assert [one.annotator for one in project_work.assign(store, "pilot", ["lea"])] == ["lea"]
    project_work.create_project(store, "second", RUNS, created_by="lea", annotators=("bob",))
    assert {one.annotator for one in project_work.assign(store, "second")} == {"bob"}


def test_status_tells_what_is_done_and_what_is_left(store: Store) -> None:
    project_work.create_project(store, "pilot", RUNS, created_by="lea", annotators=("ann", "bob", "cy"))
    for who in ("ann", "bob"):
        for run_id in RUNS[:2]:
            assert store.claim_next("pilot", who).run_id == run_id  # type: ignore[union-attr]
    for at, (who, run_id, field, step) in enumerate(
        [
            ("ann", "run-1", "verdict", 1),
            ("ann", "run-1", "verdict", 2),
            ("ann", "run-1", "flag", 2),
            ("bob", "run-2", "verdict", 1),
        ]
    ):
        value = True if field == "flag" else "correct"
        store.add_human_labels([make_label(at + 1, value, field=field, step_id=step, run_id=run_id, annotator=who)])
    store.submit("pilot", "run-1", "ann")
    store.submit("pilot", "run-1", "bob", rest_is_correct=True)
    store.skip("pilot", "run-2", "ann", reason="no")
    status = project_work.project_status(store, "pilot")
    assert [(run.run_id, run.state, run.submissions) for run in status.runs] == [
        ("run-1", "submitted", 2),
        ("run-2", "in_progress", 0),
        ("run-3", None, 0),
    ]
    assert (status.finished_runs, status.missing_submissions, status.unassigned_places) == (1, 4, 3)
    assert [(one.annotator, one.states, one.labelled, one.flagged) for one in status.people] == [
        ("ann", {"submitted": 1, "skipped": 1}, 2, 1),
        ("bob", {"submitted": 1, "in_progress": 1}, 5, 0),
        ("cy", {}, 0, 0),
    ]
    store.decide("pilot", "run-1", "cora")
    assert project_work.project_status(store, "pilot").runs[0].state == "adjudicated"
    with pytest.raises(NotFound):
        project_work.project_status(store, "other")
