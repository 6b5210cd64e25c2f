"""Several people on one project in any order of acts: the rules of work hold after each of them."""

import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from codetracer_core.errors import NotFound
from codetracer_core.projects import Assignment, Project
from codetracer_core.store import Store
from tests.store.factory import decide, make_label, make_run

PEOPLE = ["ann", "bob", "cy"]
RUNS = ["run-1", "run-2"]
STEPS = 3

people = st.sampled_from(PEOPLE)
runs = st.sampled_from(RUNS)


class Work(RuleBasedStateMachine):
    """A model of what was acknowledged, beside a real store."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        folder = self.opened.enter_context(tempfile.TemporaryDirectory())
        self.store = self.opened.enter_context(Store.open(folder))
        made = [make_run(run_id, STEPS) for run_id in RUNS]
        self.store.add_runs(made, decisions=[decide(run) for run in made])
        self.sequence = 0
        self.submitted: dict[tuple[str, str, int], Any] = {}
        """By (run, person, blind pass) the labels in force of it when it was submitted."""

    def teardown(self) -> None:
        try:
            if hasattr(self, "project"):
                self.what_was_said_blind_never_changes()
                self.nothing_is_lost()
        finally:
            self.opened.close()

    def nothing_is_lost(self) -> None:
        """Whatever happened: if enough people come and work, every run is submitted as often as it is wanted."""
        self.time_passes(1.1)
        for n in range(self.project.annotators_per_run):
            while (got := self.store.claim_next("pilot", f"fresh {n}")) is not None:
                self.store.submit("pilot", got.run_id, f"fresh {n}")
                if got.pass_number > 1:  # with no delay repetitions come at once
                    assert self.project.repeat_share
        submitted = Counter(run_id for run_id, _ in {(o.run_id, o.annotator) for o in self.all() if o.submitted_at})
        assert all(submitted[run_id] >= self.project.annotators_per_run for run_id in RUNS)

    @initialize(per_run=st.integers(1, 2), repeat=st.booleans(), order=st.sampled_from(["listed", "shuffled"]))
    def create(self, per_run: int, repeat: bool, order: Any) -> None:
        self.project = Project(
            project_id="pilot",
            annotators_per_run=per_run,
            order=order,
            claim_hours=1,
            repeat_share=float(repeat),
            repeat_after_hours=0,
            created_at=datetime.now(UTC),
        )
        self.store.create_project(self.project, RUNS)

    def all(self) -> list[Assignment]:
        return self.store.assignments("pilot")

    def blind_labels(self, run_id: str, who: str, number: int) -> list[tuple[Any, ...]]:
        found = self.store.labels(run_id, source="human", annotator=who, pass_number=number)
        return [(one.step_id, one.field, one.value, one.exposure) for one in found if one.field != "shown"]

    def note_given(self, new: Assignment) -> None:
        key = (new.run_id, new.annotator)
        own = [one for one in self.all() if (one.run_id, one.annotator) == key]
        if new.pass_number > min(one.pass_number for one in own):
            assert self.project.repeat_share, "a second time only as a repetition"

    @rule(who=people)
    def claim(self, who: str) -> None:
        before = {(one.run_id, one.pass_number): one.state for one in self.all() if one.annotator == who}
        got = self.store.claim_next("pilot", who)
        if got is None:
            return
        assert before.get((got.run_id, got.pass_number), "expired") == "expired"
        assert got.state in ("assigned", "in_progress")
        self.note_given(got)

    @rule(to=st.sets(people, min_size=1), each=st.none() | st.integers(1, 3))
    def assign(self, to: set[str], each: int | None) -> None:
        new = self.store.assign("pilot", sorted(to), each=each)
        for one in new:
            assert one.annotator in to
            self.note_given(one)
        assert self.store.assign("pilot", sorted(to), each=each) == []

    @rule(who=people, run_id=runs, step=st.integers(1, STEPS), value=st.sampled_from(["correct", "incorrect", None]))
    def label(self, who: str, run_id: str, step: int, value: str | None) -> None:
        self.say(who, run_id, step_id=step, value=value)

    @rule(which=st.integers(0, 5))
    def label_what_is_or_was_theirs(self, which: int) -> None:
        rows = self.all()
        if rows:
            one = rows[which % len(rows)]
            self.say(one.annotator, one.run_id, step_id=1, value="incorrect")

    @rule(who=people, other=people, which=st.integers(0, 5))
    def be_late(self, who: str, other: str, which: int) -> None:
        """One lets claims expire, another one comes, and then somebody goes on after all."""
        self.claim(who)
        self.time_passes(1.1)
        self.claim(other)
        self.label_what_is_or_was_theirs(which)

    @rule(who=people, run_id=runs)
    def show(self, who: str, run_id: str) -> None:
        """What the dashboard does before it sends what others say; never to somebody blind."""
        if not self.store.standing(run_id, who).is_blind:
            self.say(who, run_id, step_id=None, field="shown", value="peers")
            assert self.store.standing(run_id, who).exposure == "peers"

    def say(self, who: str, run_id: str, **fields: Any) -> None:
        self.sequence += 1
        event = make_label(self.sequence, run_id=run_id, annotator=who, client="machine", **fields)
        assert self.store.add_human_labels([event]).refused == ()

    @rule(who=people, run_id=runs, rest=st.booleans())
    def submit(self, who: str, run_id: str, rest: bool) -> None:
        mine = [
            one
            for one in self.all()
            if (one.run_id, one.annotator) == (run_id, who) and one.state in ("assigned", "in_progress", "expired")
        ]
        try:
            handed_in, declared = self.store.submit("pilot", run_id, who, rest_is_correct=rest)
        except NotFound:
            assert mine == []
            return
        assert handed_in in mine
        labels = self.blind_labels(run_id, who, handed_in.pass_number)
        if rest:
            assert {step for step, field, _, _ in labels if field == "verdict"} == set(range(1, STEPS + 1))
        else:
            assert declared == 0
        self.submitted[run_id, who, handed_in.pass_number] = labels

    @rule(who=people, run_id=runs)
    def skip(self, who: str, run_id: str) -> None:
        try:
            self.store.skip("pilot", run_id, who, reason="cannot read it")
        except NotFound:
            return

    @rule(who=people, run_id=runs)
    def release(self, who: str, run_id: str) -> None:
        try:
            self.store.release("pilot", run_id, who)
        except NotFound:
            return

    @rule(hours=st.sampled_from([1.1, 0.4]))
    def time_passes(self, hours: float) -> None:
        """Everything that happened happened earlier."""
        past = timedelta(hours=hours)
        with self.store._transaction() as cursor:
            cursor.execute(
                "UPDATE assignment SET assigned_at = assigned_at - $past, submitted_at = submitted_at - $past, "
                "skipped_at = skipped_at - $past, released_at = released_at - $past",
                {"past": past},
            )
            cursor.execute("UPDATE label_event SET arrived_at = arrived_at - $past", {"past": past})

    @invariant()
    def the_rules_hold(self) -> None:
        rows = self.all()
        assert len({(one.run_id, one.annotator, one.pass_number) for one in rows}) == len(rows)
        live = [one for one in rows if one.state in ("assigned", "in_progress")]
        assert len({(one.run_id, one.annotator) for one in live}) == len(live), "no run twice to one person"
        done = {(one.run_id, one.annotator) for one in rows if one.submitted_at is not None}
        holders = Counter(one.run_id for one in live if (one.run_id, one.annotator) not in done)
        assert all(count <= self.project.annotators_per_run for count in holders.values())

    @rule(who=people, run_id=runs)
    def look(self, who: str, run_id: str) -> None:
        """Blind until submission, and again until the second one if the run comes back."""
        rows = [one for one in self.all() if one.run_id == run_id]
        own = [one for one in rows if one.annotator == who]
        submissions = sum(one.submitted_at is not None for one in own)
        if submissions:
            comes_back = self.project.repeat_share and len(own) == 1
            is_open = any(one.submitted_at is None and one.state != "skipped" for one in own)
            expected = bool(comes_back or is_open)
        else:
            others = {one.annotator for one in rows if one.submitted_at is not None}
            expected = bool(own) or len(others) < self.project.annotators_per_run
        assert self.store.standing(run_id, who).is_blind == expected

    @rule()
    def what_was_said_blind_never_changes(self) -> None:
        for (run_id, who, number), labels in self.submitted.items():
            assert self.blind_labels(run_id, who, number) == labels
            assert all(exposure == "none" for *_, exposure in labels)


Work.TestCase.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestWork = Work.TestCase
