"""Replays of stored runs: from where, with whose advice, stored as runs of their own, compared in pairs, cleaned up."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from codetracer_core.actions import classify
from codetracer_core.alignment import align, deeds
from codetracer_core.diagnosis_models import Citation, OnsetCandidate
from codetracer_core.errors import NotFound
from codetracer_core.importing import import_runs
from codetracer_core.llm.scripted import ScriptedModel, calling
from codetracer_core.models import EvidenceQuote, LabelEvent, RunRecord, Usage
from codetracer_core.replay.advice import advice_of
from codetracer_core.replay.models import ReplayOrder
from codetracer_core.replay.recording import put_started, read_started
from codetracer_core.replaying import (
    Choice,
    advisor,
    before_and_after,
    choose_step,
    foresee_all,
    listed_replays,
    matched_budget,
    pairs,
    replay_all,
    replay_run,
    scratch_of,
    sweep,
)
from codetracer_core.store import Inbox, Store
from tests.diagnoses import citation, diagnosis
from tests.replay.sample import ONSET, SAMPLE, fixer, order, project, sample_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "ws", purpose="test") as store:
        import_runs([SAMPLE], store=store)
        yield store


@pytest.fixture
def run_id(store: Store) -> str:
    (run,) = store.runs()
    return run.run_id


def said(run_id: str, step: int, source: Any, annotator: str, sequence: int = 1) -> LabelEvent:
    return LabelEvent(
        run_id=run_id,
        field="onset",
        value=step,
        source=source,
        annotator=annotator,
        client=f"{source}-{annotator}",
        sequence=sequence,
        occurred_at=datetime.now(UTC),
    )


def diagnosed(store: Store, run_id: str, step: int, number: int = 1, **more: Any) -> str:
    """A diagnosis whose onset is this step, with words of the run for it."""
    text = store.load_run(run_id).trajectory.steps[step - 1].action[:20]
    cited = Citation(step_id=step, text=text, quote=EvidenceQuote.of(step, "action", 0, text))
    one = diagnosis(
        diagnosis_id=f"{number:032x}",
        run_id=run_id,
        onset=(OnsetCandidate(step_id=step, reasoning="It moved the limit.", citations=(cited,)),),
        findings=(),
        error_chain=(),
        decision_points=(),
        correct_strategy="Change the comparison in parcels/quote.py.",
        stages=(),
        read_steps=(step,),
        **more,
    )
    store.add_diagnosis(one, [])
    return one.diagnosis_id


def test_the_step_comes_from_whoever_says_it_first_in_order_and_never_silently_from_ground_truth(
    store: Store, run_id: str
) -> None:
    with pytest.raises(NotFound, match="nobody has said yet"):
        choose_step(store, run_id)
    store.add_label_events([said(run_id, 9, "ground_truth", "bench")])
    with pytest.raises(NotFound):
        choose_step(store, run_id, annotator="ana")
    assert choose_step(store, run_id, "ground_truth").step_id == 9
    store.add_label_events([said(run_id, 8, "human", "ana")])
    with pytest.raises(NotFound):
        choose_step(store, run_id, annotator="ben")
    assert choose_step(store, run_id, annotator="ana").step_id == 8
    assert choose_step(store, run_id, "human:ana").step_id == 8
    first = diagnosed(store, run_id, 6)
    later = diagnosed(store, run_id, 7, 2, finished_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert choose_step(store, run_id, annotator="ana").diagnosis_id == later
    chosen = choose_step(store, run_id, diagnosis_id=first)
    assert (chosen.step_id, chosen.diagnosis_id) == (6, first)
    assert "2030-01-01" in choose_step(store, run_id).origin
    store.add_label_events([said(run_id, 5, "adjudicated", "zoe")])
    assert choose_step(store, run_id, diagnosis_id=first) == Choice(5, "the adjudicated failure onset")


def test_the_matched_budget_is_what_the_original_used_and_unknown_stays_unknown() -> None:
    run = sample_run()
    assert (matched_budget(run, 6).steps, matched_budget(run, 6).tokens, matched_budget(run, 6).cost_usd) == (
        5,
        None,
        None,
    )
    whole = run.model_copy(update={"usage": Usage(prompt_tokens=900, completion_tokens=200, cost_usd=0.5)})
    budget = matched_budget(whole, 1).budget(cost_limit_usd=3.0)
    assert (budget.max_steps, budget.token_limit, budget.cost_limit_usd, budget.matched) == (10, 1_100, 0.5, True)
    assert matched_budget(run, 6).budget(cost_limit_usd=2.0, token_limit=5_000).token_limit == 5_000
    assert not matched_budget(run, 11).budget().matched


def test_the_advice_holds_what_counts_as_a_label_and_nothing_that_the_run_does_not_say(
    store: Store, run_id: str
) -> None:
    one = store.diagnosis(diagnosed(store, run_id, 6))
    advice = advice_of(one, 6)
    assert "It moved the limit." in advice
    assert "Change the comparison" in advice
    unfounded = one.model_copy(
        update={"onset": (OnsetCandidate(step_id=6, reasoning="Made up.", citations=(citation(6, "no", held=False),)),)}
    )
    assert "Made up." not in advice_of(unfounded, 6)


def test_a_replay_is_stored_as_a_run_that_knows_its_original(store: Store, run_id: str, tmp_path: Path) -> None:
    diagnosis_id = diagnosed(store, run_id, ONSET)
    model = fixer()
    result, new_run = replay_run(store, store, run_id, order(project(tmp_path / "project")), model)
    assert result.outcome.solved is True
    assert result.replay_of.diagnosis_id == diagnosis_id
    assert "It moved the limit." in model.asked[0][1].text
    stored = store.load_run(new_run)
    assert (stored.collection, stored.trajectory.replay_of) == ("replays", result.replay_of)
    (listed,) = store.runs(ids=[new_run])
    assert (listed.replay_of, listed.replay_step, listed.outcome) == (run_id, ONSET, "solved")
    (found,) = store.replays([run_id])
    assert (found.run_id, found.original_outcome, found.matched, found.model) == (new_run, "failed", True, "scripted")
    assert store.runs(ids=[new_run], blind={run_id}) == []
    assert store.replays(blind={run_id}) == []
    (order_of,) = listed_replays(store.workspace, [run_id])
    assert (order_of.started.new_run_id, order_of.started.status, order_of.goes_on) == (new_run, "finished", False)
    assert list(scratch_of(store.workspace).iterdir()) == []

    store.add_human_labels([said(new_run, 6, "human", "ana")])
    assert store.labels(new_run)[0].value == 6
    both = [store.load_run(one).trajectory for one in (run_id, new_run)]
    rows = align([deeds(run, [classify(step) for step in run.steps]) for run in both])
    assert [row.steps for row in rows[:5]] == [(number, number) for number in range(1, 6)]
    assert all(row.strength(1, 0) == "same" for row in rows[:5])


def test_replayed_commands_do_not_see_the_workspace(tmp_path: Path) -> None:
    """What a model could find there is the ground truth. It lies in the home folder, since commands have a folder for
    temporary files of their own, and so would not see one among ours anyway."""
    with (
        TemporaryDirectory(prefix=".codetracer-test-", dir=Path.home()) as folder,
        Store.open(Path(folder) / "ws", purpose="test") as store,
    ):
        import_runs([SAMPLE], store=store)
        (run,) = store.runs()
        look = f"find {store.workspace.folder} -type f 2>/dev/null | wc -l"
        model = ScriptedModel([calling(("run", {"command": look})), calling(("finish", {"summary": "Nothing there."}))])
        wanted = order(project(tmp_path / "project"), test_command="")
        result, new_run = replay_run(store, store, run.run_id, wanted, model)
        if "other processes are not seen" not in result.facts:
            assert any("READ AND WRITE" in fact for fact in result.facts)
            return
        (looked,) = (step for step in store.load_run(new_run).trajectory.steps if step.action == look)
        assert looked.observation is not None
        assert looked.observation.splitlines()[-1] == "0"
        assert any(path.is_file() for path in store.workspace.folder.rglob("*"))


def test_a_batch_goes_on_where_it_was_and_ends_with_pairs(store: Store, run_id: str, tmp_path: Path) -> None:
    diagnosed(store, run_id, ONSET)
    import_runs([SAMPLE.parents[1] / "normalised"], store=store)  # nobody says where those went wrong
    folder = project(tmp_path / "project")
    ids = [run.run_id for run in store.runs()]

    def ordered(_record: RunRecord, choice: Choice) -> ReplayOrder:
        return order(folder, step_id=choice.step_id)

    seen = {one.run_id: one for one in foresee_all(store, ids, ordered, fixer())}
    assert (seen[run_id].step_id, seen[run_id].refused, seen[run_id].was_done) == (ONSET, "", False)
    assert seen[run_id].plan == "5 commands"
    assert [one.refused for one in seen.values() if "nobody has said yet" in one.refused and not one.plan]
    assert listed_replays(store.workspace) == []
    first = replay_all(store, store, ids, ordered, fixer())
    assert sorted(first.counts.items()) == [("finished", 1), ("skipped", len(ids) - 1)]
    (done,) = [row for row in first.rows if row.status == "finished"]
    assert (done.run_id, done.solved, done.step_id) == (run_id, True, ONSET)
    model = fixer()
    (known,) = foresee_all(store, [run_id], ordered, model)
    (anew,) = foresee_all(store, [run_id], ordered, model, again=True)
    assert (known.was_done, anew.was_done) == (True, False)
    second = replay_all(store, store, [run_id], ordered, model)
    assert (second.counts, model.asked) == ({"done before": 1}, [])
    assert second.rows[0].new_run_id == done.new_run_id
    assert second.rows[0].solved is True
    found = before_and_after(store)
    assert (found.pairs, found.before, found.after, found.difference, found.matched) == (1, 0.0, 1.0, 1.0, 1)
    again = replay_all(store, store, [run_id], ordered, fixer(), again=True)
    assert again.counts == {"finished": 1}
    assert [one.run_id for one in pairs(store)] == [done.new_run_id]  # the first attempt counts


def test_a_run_that_cannot_be_replayed_is_foreseen_as_skipped_with_the_reason_of_the_batch(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    store.add_label_events([said(run_id, ONSET, "ground_truth", "bench")])

    def nowhere(_record: RunRecord, _choice: Choice) -> ReplayOrder:
        return order(tmp_path, step_id=99)

    (one,) = foresee_all(store, [run_id], nowhere, fixer(), who="ground_truth")
    (row,) = replay_all(store, store, [run_id], nowhere, fixer(), who="ground_truth").rows
    assert (one.step_id, one.plan, one.origin) == (ONSET, "5 commands", "the failure onset in the ground truth")
    assert "there is no step 99" in one.refused
    assert (row.status, row.reason) == ("skipped", one.refused)
    (unsaid,) = foresee_all(store, [run_id], nowhere, fixer())
    assert (unsaid.step_id, unsaid.plan) == (None, "")


def test_the_advisor_is_the_latest_diagnosis_with_something_to_say(store: Store, run_id: str) -> None:
    assert advisor(store, run_id) is None
    one = diagnosed(store, run_id, 6)
    found = advisor(store, run_id)
    assert found is not None
    assert found.diagnosis_id == one


def test_orders_of_killed_replays_become_failed_and_complete_records_are_imported(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    result, new_run = replay_run(store, store, run_id, order(project(tmp_path / "project"), agent=False))
    folder = store.workspace.replays / result.replay_id
    started = read_started(folder)
    put_started(folder, started.model_copy(update={"new_run_id": ""}))  # killed between record and import
    killed = store.workspace.replays / "killed"
    (killed / "run").mkdir(parents=True)
    (killed / "run" / "steps.jsonl").write_text('{"step_id": 1}\n')
    put_started(killed, started.model_copy(update={"replay_id": "killed", "status": "running", "new_run_id": ""}))
    told = sweep(store)
    assert len(told) == 2
    assert read_started(folder).new_run_id == new_run
    assert (read_started(killed).status, read_started(killed).new_run_id) == ("failed", "")
    assert sweep(store) == []


def test_a_replay_waits_in_the_inbox_while_another_has_the_workspace(store: Store, run_id: str, tmp_path: Path) -> None:
    store.write_snapshot()
    with Store.open_for_reading(store.workspace.folder) as reader:
        wanted = order(project(tmp_path / "project"), agent=False)
        _, new_run = replay_run(reader, Inbox(store.workspace), run_id, wanted)
    assert store.runs(ids=[new_run]) == []
    store.take_inbox()
    assert store.runs(ids=[new_run])[0].replay_of == run_id
