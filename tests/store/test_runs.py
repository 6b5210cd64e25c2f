"""Runs go in and come out as they were, whatever their text holds."""

import shutil
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from codetracer_core.errors import CodeTracerError, NotFound, UnreadableFile
from codetracer_core.models import Branch, GroundTruth, Outcome, RunRecord, TestResult, ToolCall, Trajectory, Usage
from codetracer_core.store import Store, default_workspace
from tests.store.factory import NOON, decide, make_label, make_run, make_step

HOSTILE = "../../etc/passwd\0'; DROP TABLE run; -- %s {0} \u202e <img src=x onerror=alert(1)> 100%_'\"\\"


def add(store: Store, *records: RunRecord) -> list[str]:
    return list(store.add_runs(records, decisions=[decide(record) for record in records]).statuses)


def parquet_files(store: Store) -> set[str]:
    return {path.name for path in store.workspace.trajectories.iterdir()}


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    steps = [
        make_step(1, native_ids=("a", "b"), parallel_group=1, timestamp=datetime(2026, 1, 1, 8, 30)),
        make_step(2, tool=ToolCall(name="edit", arguments="not { json"), parallel_group=1, observation=""),
        make_step(3, tool=ToolCall(name="x", arguments={"n": 1.5, "deep": [{"a": None}], "ü": "ü"}), branch="sub"),
        make_step(4, tool=None, is_message=True, observation=None, thought=None, exit_code=None, action_ref=None),
        make_step(5, timestamp=datetime(2026, 1, 1, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))),
        make_step(6, executed=False, exit_code=-9),
    ]
    record = make_run(
        steps=steps,
        branches=(Branch(branch_id="sub", name="explorer", parent_step_id=2),),
        tests=(TestResult(name="test_a", status="passed"),),
        notes=("one line was left out",),
        trial="trial-7",
        ended_at=datetime(2026, 1, 1, 9, 0, tzinfo=UTC),
        record={"collection": "mine", "declared_step_count": 7, "benchmark": {"tags": ["a", "b"], "difficulty": None}},
    )
    assert add(store, record) == ["added"]
    assert store.load_run("run-1") == record


def test_a_run_without_steps_or_anything_known(store: Store) -> None:
    record = RunRecord(
        run_id="empty", trajectory=Trajectory(format="mini", view="agent.log"), origin="x", evidence_hash="0"
    )
    assert add(store, record) == ["added"]
    assert store.load_run("empty") == record
    assert store.steps("empty") == []
    assert store.search_text("x") == {}
    (summary,) = store.runs()
    assert (summary.outcome, summary.step_count, summary.agent, summary.cost_usd) == ("unknown", 0, None, None)


def test_hostile_text_stays_text(store: Store) -> None:
    record = make_run(
        HOSTILE,
        [make_step(1, action=HOSTILE, observation=HOSTILE, thought=HOSTILE, tool=ToolCall(name=HOSTILE))],
        task=HOSTILE,
        task_text=HOSTILE,
        agent=HOSTILE,
        record={"origin": HOSTILE, "collection": HOSTILE, "benchmark": {HOSTILE: HOSTILE}},
    )
    store.add_runs([record], decisions=[[("change", HOSTILE)]])
    stored = store.add_label_events([make_label(1, run_id=HOSTILE, annotator=HOSTILE, client=HOSTILE)])
    assert stored.refused == ()
    assert store.load_run(HOSTILE) == record
    (summary,) = store.runs(agents=[HOSTILE], tasks=[HOSTILE], collections=[HOSTILE], text=HOSTILE, annotator=HOSTILE)
    assert (summary.run_id, summary.human_labels) == (HOSTILE, 1)
    assert store.search_text(HOSTILE) == {HOSTILE: 1}
    assert store.steps(HOSTILE)[0].reason == HOSTILE
    (name,) = parquet_files(store)
    assert len(name) == len("0" * 40 + ".parquet")
    assert name.removesuffix(".parquet").isalnum()


def test_what_no_column_can_hold_is_named_in_the_notes(store: Store) -> None:
    broken = "half a pair: \ud83d, a whole one: \ud83d\ude00"
    record = make_run(
        steps=[
            make_step(1, exit_code=2**80),
            make_step(2, observation=broken, tool=ToolCall(name="x", arguments={"key": broken})),
        ],
        usage=Usage(prompt_tokens=10**30, completion_tokens=5),
        notes=("first",),
        record={"origin": "folder-\udcff", "benchmark": {"name": broken}},
    )
    added = store.add_runs([record], decisions=[[("explore", "reads"), ("change", broken)]])
    assert added.statuses == ("added",)
    loaded = store.load_run("run-1").trajectory
    assert loaded.steps[0].exit_code is None
    assert loaded.steps[1].observation == "half a pair: \ufffd, a whole one: \U0001f600"
    assert loaded.usage == Usage(completion_tokens=5)
    assert loaded.notes[0] == "first"
    assert [note.split(":")[0] for note in loaded.notes[1:]] == [
        "Step 1",
        "A number of prompt_tokens of more than 64 bits was left out.",
        "Text that is not valid Unicode in step 2",
    ]
    again = store.add_runs([record], decisions=[[("explore", "reads"), ("change", broken)]])
    assert again.statuses == ("unchanged",)


def test_a_run_id_must_be_text(store: Store) -> None:
    with pytest.raises(ValueError, match="not valid Unicode"):
        add(store, make_run("run-\ud800"))


def test_importing_twice_changes_nothing(store: Store) -> None:
    record = make_run()
    truth = GroundTruth(annotator="a benchmark", said_at=NOON, verdicts={1: "incorrect"})
    for expected in ("added", "unchanged"):
        added = store.add_runs([record], decisions=[decide(record)], ground_truth=[truth])
        assert added.statuses == (expected,)
    assert store.revision() == (1, 1)
    assert len(store.steps("run-1")) == 5
    assert len(store.label_history("run-1")) == 1


def test_other_evidence_replaces_the_run_and_keeps_its_labels(store: Store) -> None:
    first, second = make_run(steps=5), make_run(steps=3, text="read better")
    add(store, first)
    store.add_label_events([make_label(1, step_id=2), make_label(2, step_id=5)])
    assert add(store, second) == ["replaced"]
    assert store.load_run("run-1") == second
    assert [facts.step_id for facts in store.steps("run-1")] == [1, 2, 3]
    assert [label.step_id for label in store.labels("run-1")] == [2, 5]
    (summary,) = store.runs()
    assert (summary.step_count, summary.human_labels, summary.stray_labels) == (3, 2, 1)


def test_a_replaced_run_leaves_no_file_behind(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add(store, make_run(text="first"))
        add(store, make_run(text="second"))
        (store.workspace.trajectories / "f00.parquet.123.part").write_bytes(b"half of a fi")
        (store.workspace.trajectories / "notes.txt").write_text("not ours")
        assert len(parquet_files(store)) == 4
    with Store.open(tmp_path) as store:
        assert len(parquet_files(store)) == 2
        assert (store.workspace.trajectories / "notes.txt").exists()
        assert store.load_run("run-1") == make_run(text="second")


def test_a_manifest_row_that_comes_later_is_added_and_then_stays(store: Store) -> None:
    plain = make_run()
    with_row = make_run(record={"declared_step_count": 6, "benchmark": {"difficulty": "hard", "category": "games"}})
    assert add(store, plain) == ["added"]
    assert add(store, with_row) == ["replaced"]
    assert add(store, plain) == ["unchanged"]
    assert store.load_run("run-1") == with_row
    (summary,) = store.runs(misaligned=True)
    assert (summary.declared_step_count, summary.step_count) == (6, 5)
    assert (summary.difficulty, summary.category) == ("hard", "games")
    corrected = make_run(record={"declared_step_count": 5})
    assert add(store, corrected) == ["replaced"]
    assert store.runs(misaligned=True) == []
    assert store.load_run("run-1").benchmark == with_row.benchmark


def test_other_decisions_replace_the_facts(store: Store) -> None:
    record = make_run(steps=2)
    store.add_runs([record], decisions=[[("explore", "reads"), ("explore", "reads")]])
    added = store.add_runs([record], decisions=[[("explore", "reads"), ("change", "writes app.py")]])
    assert added.statuses == ("replaced",)
    assert [(facts.kind, facts.reason) for facts in store.steps("run-1")] == [
        ("explore", "reads"),
        ("change", "writes app.py"),
    ]


def test_collection_and_origin_stay_those_of_the_first_import(store: Store) -> None:
    add(store, make_run(record={"origin": "first", "collection": "mine"}))
    later = {"origin": "second", "collection": "other"}
    assert add(store, make_run(record=later)) == ["unchanged"]
    assert add(store, make_run(text="new", record=later)) == ["replaced"]
    (summary,) = store.runs()
    assert (summary.origin, summary.collection) == ("first", "mine")


def test_one_run_twice_in_a_batch(store: Store) -> None:
    old, new = make_run(text="old"), make_run(text="new")
    assert add(store, old, new, new, make_run("run-2")) == ["added", "replaced", "unchanged", "added"]
    assert store.load_run("run-1") == new
    assert len(store.steps("run-1")) == 5


def test_decisions_must_fit_the_steps(store: Store) -> None:
    with pytest.raises(ValueError, match="one \\(kind, reason\\) per step"):
        store.add_runs([make_run(steps=3)], decisions=[[("explore", "reads")]])
    assert store.runs() == []


def test_a_damaged_file_is_named_and_healed_by_importing_again(store: Store) -> None:
    record = make_run()
    add(store, record)
    (name,) = parquet_files(store)
    path = store.workspace.trajectories / name
    for damage in (path.unlink, lambda: path.write_bytes(b"PAR1")):
        damage()
        with pytest.raises(UnreadableFile, match=f"{name}.*Import the run again"):
            store.load_run("run-1")
        assert add(store, record) == ["replaced"]
        assert store.load_run("run-1") == record


def test_an_unknown_run(store: Store) -> None:
    for ask in (store.load_run, store.steps, store.labels, store.label_history, store.step_labels, store.stages):
        with pytest.raises(NotFound, match="'no-such-run'"):
            ask("no-such-run")


def test_step_facts(store: Store) -> None:
    record = make_run(steps=[make_step(1, observation=None), make_step(2, observation="äö", thought="")])
    store.add_runs([record], decisions=[[("explore", "reads only"), ("message", "says something")]])
    first, second = store.steps()
    assert first == (
        *("run-1", 1, "explore", "reads only", "bash", None, None, False, True, 0),
        *(datetime(2026, 3, 1, 12, 0, 1), len("cat file_1.py"), None, len("I should look at step 1")),
    )
    assert (second.kind, second.observation_size, second.thought_size) == ("message", 2, 0)


def test_times_are_compared_in_utc(store: Store) -> None:
    far = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14)))
    add(
        store,
        make_run(steps=[], started_at=datetime(2026, 1, 1, 8, 0, tzinfo=timezone(timedelta(hours=2))), ended_at=far),
    )
    (summary,) = store.runs()
    assert summary.started_at == datetime(2026, 1, 1, 6, 0)
    assert summary.ended_at is None  # beyond the calendar in UTC; the run itself still has it:
    assert store.load_run("run-1").trajectory.ended_at == far


def test_filters(store: Store) -> None:
    add(
        store,
        make_run("a", agent="OpenHands", model="m1", task="fix-git", outcome=Outcome(solved=True, reason="x")),
        make_run("b", agent="SWE-agent", model="m2", task="chess", record={"collection": "bench"}),
        make_run("c", agent=None, model=None, task=None, outcome=Outcome(), format="atif", task_text="Play CHESS 100%"),
    )

    def found(**wanted: Any) -> list[str]:
        return [summary.run_id for summary in store.runs(**wanted)]

    assert found() == ["a", "c", "b"]
    assert found(agents=["OpenHands", "SWE-agent"]) == ["a", "b"]
    assert found(agents=[]) == []
    assert found(models=["m2"]) == ["b"]
    assert found(tasks=["fix-git"]) == ["a"]
    assert found(outcomes=["failed", "unknown"]) == ["c", "b"]
    assert found(collections=["bench"]) == ["b"]
    assert found(formats=["atif"]) == ["c"]
    assert found(ids=["c", "a", "nobody"]) == ["a", "c"]
    assert found(text="chess") == ["c", "b"]
    assert found(text="100%") == ["c"]
    assert found(text="1%0") == []
    assert found(text="chess", outcomes=["unknown"]) == ["c"]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("output of step", {"a": 3, "b": 1}),
        ("OUTPUT OF STEP 2", {"a": 1}),
        ("100%", {"b": 1}),
        ("1__%", {}),
        ("it's", {"b": 1}),
        ("a_b", {"b": 1}),
        ("ÄRGER", {"b": 1}),
        ("\\n", {"b": 1}),
        ("cat file_", {"a": 3, "b": 1}),
        ("look at step", {"a": 4, "b": 1}),
        ("[0-9]", {}),
        ("", {}),
    ],
)
def test_text_search_is_literal(store: Store, query: str, hits: dict[str, int]) -> None:
    add(store, make_run("a", 4), make_run("b", [make_step(1, "100% it's a_b Ärger \\n")]), make_run("none", 0))
    assert store.search_text(query) == hits


@pytest.mark.parametrize("name", ["it's [a] k=v 100%", "a;b $HOME {x}", "sp ace\u00fc #1"])
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / name) as store:
        add(store, make_run())
        assert store.search_text("step 1") == {"run-1": 1}
    with Store.open_for_reading(tmp_path / name) as reader:
        assert reader.load_run("run-1") == make_run()


def test_one_workspace_under_two_names_is_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with Store.open(tmp_path / "real") as store, Store.open(tmp_path / "link") as same:
        add(store, make_run())
        assert same.load_run("run-1") == make_run()


def test_a_run_from_another_version_is_named(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add(store, make_run())
    with duckdb.connect(str(store.workspace.database)) as connection:
        connection.execute('UPDATE run SET header = \'{"format": "atif", "view": "", "colour": 3}\'')
    with Store.open(tmp_path) as store, pytest.raises(UnreadableFile, match=r"another version.*Import the run again"):
        store.load_run("run-1")


def test_the_default_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path / "here"))
    assert default_workspace() == tmp_path / "here"
    monkeypatch.delenv("CODETRACER_WORKSPACE")
    assert default_workspace().name == "codetracer"


def test_a_workspace_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CodeTracerError, match="cannot be used as a workspace"):
        Store.open(tmp_path / "file")


def test_a_run_whose_text_cannot_be_written_is_not_stored(store: Store) -> None:
    shutil.rmtree(store.workspace.trajectories)
    with pytest.raises(CodeTracerError, match="cannot be written"):
        add(store, make_run())
    store.workspace.trajectories.mkdir()
    assert store.runs() == []
    assert add(store, make_run()) == ["added"]


def test_runs_are_written_and_read_by_many_threads(store: Store) -> None:
    errors: list[Exception] = []

    def work(worker: int) -> None:
        try:
            for n in range(5):
                record = make_run(f"run-{worker}-{n}", 3)
                assert add(store, record) == ["added"]
                assert store.load_run(record.run_id) == record
                assert len(store.runs(text=record.run_id)) == 1
        except (CodeTracerError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.runs()) == 40


def test_a_lost_database_comes_back_from_the_snapshot(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add(store, make_run())
        store.add_label_events([make_label(1)])
    store.workspace.database.unlink()
    with Store.open(tmp_path) as store:
        assert store.load_run("run-1") == make_run()
        assert len(store.labels("run-1")) == 1


def test_a_copied_workspace_is_a_workspace(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a") as store:
        add(store, make_run())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with Store.open(tmp_path / "b") as store:
        assert store.load_run("run-1") == make_run()
