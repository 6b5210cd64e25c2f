"""Labels are events: added once, refused with words, never lost; what is in force is a view."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import NotFound
from codetracer_core.models import LabelEvent, Stage
from codetracer_core.store import Mark, StepLabels, Store
from tests.store.factory import NOON, decide, make_label, make_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        runs = [make_run("run-1", 5), make_run("run-2", 3)]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        yield opened


def in_force(store: Store, **wanted: Any) -> list[tuple[int | None, str, Any]]:
    return [(label.step_id, label.annotator, label.value) for label in store.labels("run-1", **wanted)]


def test_a_label_comes_back_as_it_was(store: Store) -> None:
    event = make_label(
        7,
        "unuseful",
        step_id=3,
        source="adjudicated",
        pass_number=2,
        exposure="peers",
        occurred_at=datetime(2026, 3, 1, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))),
    )
    before = datetime.now(UTC)
    assert store.add_label_events([event]).acknowledged == {"browser": 7}
    (stored,) = store.labels("run-1")
    assert stored.model_dump(exclude={"arrival", "arrived_at"}) == event.model_dump()
    assert stored.occurred_at.utcoffset() == timedelta(0)
    assert before <= stored.arrived_at <= datetime.now(UTC)


def test_the_last_to_arrive_is_in_force(store: Store) -> None:
    store.add_label_events([make_label(1, "incorrect"), make_label(2, "correct")])
    assert in_force(store) == [(1, "ana", "correct")]
    store.add_label_events([make_label(3, None)])
    assert in_force(store) == []
    store.add_label_events([make_label(4, "uncertain")])
    assert in_force(store) == [(1, "ana", "uncertain")]
    assert [event.value for event in store.label_history("run-1")] == ["incorrect", "correct", None, "uncertain"]
    assert [event.value for event in store.label_history("run-1", 2)] == []


def test_repeats_and_disorder_change_nothing(store: Store) -> None:
    batch = [make_label(n, step_id=n) for n in (1, 2, 3)]
    store.add_label_events(batch[1:])
    assert store.add_label_events(batch).acknowledged == {"browser": 3}
    assert store.add_label_events([batch[0], batch[0]]).acknowledged == {"browser": 1}
    assert sorted(event.sequence for event in store.label_history("run-1")) == [1, 2, 3]


def test_the_first_content_of_an_act_stays(store: Store) -> None:
    store.add_label_events([make_label(1, "incorrect"), make_label(1, "correct")])
    store.add_label_events([make_label(1, "unuseful", step_id=4)])
    assert in_force(store) == [(1, "ana", "incorrect")]


def test_who_what_and_which_pass_are_labels_of_their_own(store: Store) -> None:
    store.add_label_events(
        [
            make_label(1, "incorrect"),
            make_label(2, "correct", annotator="ben"),
            make_label(3, "unuseful", pass_number=2),
            make_label(4, "incorrect", source="model", annotator="some-model"),
            make_label(5, "repeats step 1", field="reason"),
            make_label(6, "correct", run_id="run-2"),
        ]
    )
    assert len(in_force(store)) == 5
    assert in_force(store, annotator="ben") == [(1, "ben", "correct")]
    assert in_force(store, source="model") == [(1, "some-model", "incorrect")]
    assert len(store.labels()) == 6
    assert [label.run_id for label in store.labels(annotator="ana", source="human")] == ["run-1"] * 3 + ["run-2"]


def test_all_sources_side_by_side(store: Store) -> None:
    store.add_label_events(
        [
            make_label(1, "incorrect"),
            make_label(2, "correct", pass_number=2),
            make_label(3, "unuseful", annotator="aaron"),
            make_label(4, "incorrect", source="ground_truth", annotator="bench"),
            make_label(5, "unuseful", source="model", annotator="m", step_id=4),
            make_label(6, "a remark", field="reason", step_id=5),
        ]
    )
    assert store.step_labels("run-1") == {
        1: StepLabels(
            human=(Mark("aaron", 1, "unuseful"), Mark("ana", 1, "incorrect"), Mark("ana", 2, "correct")),
            ground_truth=(Mark("bench", 1, "incorrect"),),
        ),
        4: StepLabels(model=(Mark("m", 1, "unuseful"),)),
    }
    assert store.step_labels("run-2") == {}


def drawn(*ranges: tuple[Any, Any], first: int = 1, **fields: Any) -> LabelEvent:
    """Stages with these first and last steps, as a label."""
    of_event = {name: fields.pop(name) for name in ("source", "step_id", "sequence") if name in fields}
    stages = [
        {"stage_id": number, "start_step_id": start, "end_step_id": end} | fields
        for number, (start, end) in enumerate(ranges, start=first)
    ]
    return make_label(**({"sequence": 2, "value": stages, "field": "stages", "step_id": None} | of_event))


@pytest.mark.parametrize(
    "event",
    [
        drawn((1, 5)),
        drawn((1, 2), (4, 4), name="x" * 120),
        drawn(),
        drawn((3, 4), (3, 5), first=7, source="ground_truth"),
    ],
    ids=["all steps", "gaps", "none", "a benchmark need not be tidy"],
)
def test_stages_that_can_be_stored(store: Store, event: LabelEvent) -> None:
    assert store.add_label_events([event]).refused == ()
    assert store.labels("run-1")[0].value == event.value


def test_stages(store: Store) -> None:
    def stages(*ends: int) -> list[dict[str, Any]]:
        starts = (1, *(end + 1 for end in ends))
        return [
            Stage(stage_id=n, start_step_id=start, end_step_id=end).model_dump()
            for n, (start, end) in enumerate(zip(starts, ends, strict=False), start=1)
        ]

    assert store.stages("run-1") is None
    common: dict[str, Any] = {"field": "stages", "step_id": None, "source": "ground_truth", "annotator": "bench"}
    store.add_label_events([make_label(1, stages(2, 5), **common)])
    store.add_label_events([make_label(2, stages(1, 3, 5), **common | {"annotator": "bench, corrected"})])
    assert store.stages("run-1") == (
        Stage(stage_id=1, start_step_id=1, end_step_id=1),
        Stage(stage_id=2, start_step_id=2, end_step_id=3),
        Stage(stage_id=3, start_step_id=4, end_step_id=5),
    )
    assert store.stages("run-1", source="human") is None
    (summary,) = store.runs(has_ground_truth=True)
    assert (summary.run_id, summary.ground_truth_labels) == ("run-1", 0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (make_label(2, run_id="gone"), "no run 'gone'"),
        (make_label(2, step_id=6), "5 steps, there is no step 6"),
        (make_label(2, step_id=2**70), "there is no step"),
        (make_label(2, None, step_id=6), "there is no step 6"),
        (make_label(2, "wrong"), "'wrong' is no verdict"),
        (make_label(2, ["incorrect"]), "is no verdict"),
        (make_label(2, step_id=None), "needs a step"),
        (make_label(2, "x", field="stages", step_id=None), "no list of stages"),
        (make_label(2, 0, field="worked", step_id=None), "whole seconds from 1 to 3600, not '0'"),
        (make_label(2, 3601, field="worked", step_id=None), "whole seconds from 1 to 3600"),
        (make_label(2, True, field="worked", step_id=None), "whole seconds from 1 to 3600"),
        (make_label(2, 2.5, field="worked", step_id=None), "whole seconds from 1 to 3600"),
        (make_label(2, 30, field="worked"), "belongs to the whole run"),
        (drawn((4, 6)), "covers steps 4 to 6"),
        (drawn((4, 3)), "covers steps 4 to 3"),
        (drawn((4, 3), source="ground_truth"), "covers steps 4 to 3"),
        (drawn((1, 2), step_id=2), "stages are of the whole run"),
        (drawn((3, 4), (1, 2)), "stage 2 begins at step 1, before the one before it has ended"),
        (drawn((1, 3), (3, 4), source="adjudicated"), "stage 2 begins at step 3"),
        (drawn((1, 1), (4, 2)), "covers steps 4 to 2"),
        (drawn((1, 2), first=2), "stage 2 is number 1 of its list"),
        (drawn((1, 2), name="x" * 121), "name of stage 1 has more than 120 characters"),
        (drawn((1, 2), name="\ud800"), "not valid Unicode"),
        (make_label(2, "\ud800", field="note", step_id=None), "not valid Unicode"),
        (drawn(("1", 2)), "no list of stages"),
        (drawn((True, 2)), "no list of stages"),
        (drawn((1, 2), colour="red"), "no list of stages"),
        (make_label(2, {1, 2}, field="reason"), "not JSON"),
        (make_label(2, float("nan"), field="score"), "not JSON"),
        (make_label(2, annotator="\ud800"), "not valid Unicode"),
        (make_label(2, run_id="\ud800"), "not valid Unicode"),
        (make_label(2**63), "out of range"),
        (make_label(2, pass_number=2**31), "out of range"),
        (make_label(2, occurred_at=datetime.max.replace(tzinfo=timezone(-timedelta(hours=3)))), "out of range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_stored_is_refused_in_words_and_the_rest_goes_on(
    store: Store, event: LabelEvent, reason: str
) -> None:
    answer = store.add_label_events([make_label(1), event, make_label(3, step_id=3)])
    (refused,) = answer.refused
    assert refused.event is event
    assert reason in refused.reason
    assert answer.acknowledged["browser"] >= 3
    assert [label.sequence for label in store.labels("run-1")] == [1, 3]


def test_any_json_is_a_value(store: Store) -> None:
    values = ["text \ud800 'quoted' \0", 0, False, "", [], {"a": [1, None, {"b": 2.5}]}]
    store.add_label_events([make_label(n, value, field=f"field-{n}") for n, value in enumerate(values, start=1)])
    assert [label.value for label in store.labels("run-1")] == values


def test_counts_in_the_list_of_runs(store: Store) -> None:
    store.add_label_events(
        [
            make_label(1, "incorrect", step_id=1),
            make_label(2, "correct", step_id=1, annotator="ben"),
            make_label(3, "unuseful", step_id=2, annotator="ben"),
            make_label(4, "uncertain", step_id=3),
            make_label(5, "correct", step_id=3, pass_number=2),
            make_label(6, "incorrect", step_id=4, source="ground_truth", annotator="bench"),
            make_label(7, "unuseful", step_id=5, source="ground_truth", annotator="bench"),
            make_label(8, "incorrect", step_id=4, source="model", annotator="m"),
            make_label(9, "incorrect", step_id=4, source="model", annotator="m2"),
            make_label(10, "correct", step_id=4, source="adjudicated", annotator="boss"),
            make_label(11, "a remark", step_id=5, field="reason"),
            make_label(12, None, step_id=4, source="adjudicated", annotator="boss"),
        ]
    )
    one, two = store.runs()
    assert (one.human_labels, one.model_labels, one.ground_truth_labels, one.adjudicated_labels) == (3, 1, 2, 0)
    assert (one.correct, one.incorrect, one.unuseful, one.uncertain) == (2, 1, 1, 1)
    assert (one.ground_truth_incorrect, one.ground_truth_unuseful, one.has_ground_truth) == (1, 1, True)
    assert (two.human_labels, two.has_ground_truth, two.stray_labels) == (0, False, 0)

    seen_by_ben, _ = store.runs(annotator="ben")
    assert (seen_by_ben.human_labels, seen_by_ben.correct, seen_by_ben.incorrect) == (2, 1, 0)
    assert seen_by_ben.ground_truth_labels == 2
    assert len(store.runs(annotator="nobody yet")) == 2


def test_time_on_task_is_summed_and_is_no_label(store: Store) -> None:
    work: dict[str, Any] = {"field": "worked", "step_id": None}
    events = [
        make_label(1, 30, **work),
        make_label(2, 12, **work),
        make_label(3, 3600, pass_number=2, **work),
        make_label(4, 7, annotator="ben", **work),
        make_label(5, 5, run_id="run-2", **work),
    ]
    for _ in range(2):  # sent again: counted once
        assert store.add_label_events(events).refused == ()
    assert store.time_on_task("run-1", "ana") == 3642
    assert [store.time_on_task("run-1", "ana", pass_number) for pass_number in (1, 2, 3)] == [42, 3600, 0]
    assert (store.time_on_task("run-1", "ben"), store.time_on_task("run-2", "ana")) == (7, 5)
    assert store.time_on_task("run-1", "nobody") == 0
    with pytest.raises(NotFound):
        store.time_on_task("gone", "ana")
    assert store.labels() == []
    assert len(store.label_history("run-1")) == 4
    assert [run.human_labels for run in store.runs()] == [0, 0]


def test_the_revision_tells_what_changed(store: Store) -> None:
    events, imports = store.revision()
    store.add_label_events([make_label(1)])
    assert store.revision() == (events + 1, imports)
    store.add_label_events([make_label(1)])
    assert store.revision() == (events + 1, imports)
    run = make_run("run-3")
    store.add_runs([run], decisions=[decide(run)])
    assert store.revision() == (events + 1, imports + 1)


def test_eight_threads_label_at_once(store: Store) -> None:
    answers: list[dict[str, int]] = []
    errors: list[BaseException] = []

    def annotate(worker: int) -> None:
        client = f"client-{worker}"
        try:
            for n in range(1, 41):
                event = make_label(
                    n, ("correct", "incorrect")[n % 2], step_id=n % 5 + 1, client=client, annotator="ana"
                )
                answers.append(dict(store.add_label_events([event]).acknowledged))
                assert store.labels("run-1")
        except BaseException as error:  # noqa: BLE001 - told below; an exception in a thread would be lost
            errors.append(error)

    threads = [threading.Thread(target=annotate, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(answers) == 320
    history = store.label_history("run-1")
    assert {(event.client, event.sequence) for event in history} == {
        (f"client-{worker}", n) for worker in range(8) for n in range(1, 41)
    }
    assert [event.arrival for event in history] == list(range(1, 321))
    assert len(store.labels("run-1")) == 5


def test_a_large_batch_goes_in_at_once(store: Store) -> None:
    events = [make_label(n, step_id=n % 5 + 1, annotator=f"a{n % 50}", occurred_at=NOON) for n in range(1, 5001)]
    assert store.add_label_events(events).acknowledged == {"browser": 5000}
    assert store.add_label_events(events[:10]).acknowledged == {"browser": 10}
    assert store.revision()[0] == 5000
    assert store.add_label_events([]).acknowledged == {}
