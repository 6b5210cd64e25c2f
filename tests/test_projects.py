"""The rules of work on projects, alone."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.projects import Assignment, Order, Project, State, distribute

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PEOPLE = ["ann", "bob", "cy", "dee"]
RUNS = [f"run-{n}" for n in range(1, 10)]


def project(**settings: Any) -> Project:
    return Project(**{"project_id": "pilot", "created_at": NOON} | settings)


def assignment(annotator: str, run_id: str, state: State = "assigned", **fields: Any) -> Assignment:
    given: dict[str, Any] = {
        "project_id": "pilot",
        "run_id": run_id,
        "annotator": annotator,
        "pass_number": 1,
        "state": state,
        "assigned_at": NOON,
        "last_act_at": None,
        "expires_at": None,
        "submitted_at": None,
        "skip_reason": "",
        "step_count": 5,
        "labelled": 0,
        "flagged": 0,
        "seconds": 0,
    }
    return Assignment(**given | fields)


orders = st.sampled_from(["listed", "shuffled", "disagreement_first"])


@given(people=st.integers(1, 4), runs=st.integers(0, 9), per_run=st.integers(1, 5), order=orders)
def test_a_fresh_project_is_shared_out_evenly_and_completely(
    people: int, runs: int, per_run: int, order: Order
) -> None:
    pairs = distribute(
        project(annotators_per_run=per_run, order=order), RUNS[:runs], [], PEOPLE[:people], exposed={}, scores={}
    )
    assert len(set(pairs)) == len(pairs), "nobody twice"
    assert Counter(run_id for _, run_id in pairs) == dict.fromkeys(RUNS[:runs], min(per_run, people))
    loads = Counter(who for who, _ in pairs)
    assert max(loads.values(), default=0) - min((loads[who] for who in PEOPLE[:people]), default=0) <= 1


held = st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(RUNS)), max_size=20)


@given(
    held=held,
    seen=held,
    states=st.lists(st.sampled_from(["assigned", "submitted", "skipped", "expired"]), min_size=20, max_size=20),
    per_run=st.integers(1, 3),
    each=st.none() | st.integers(0, 6),
    order=orders,
)
def test_sharing_out_keeps_every_rule_whatever_is_there_already(
    held: set[tuple[str, str]],
    seen: set[tuple[str, str]],
    states: list[State],
    per_run: int,
    each: int | None,
    order: Order,
) -> None:
    settings = project(annotators_per_run=per_run, order=order)
    there = [assignment(*pair, state) for pair, state in zip(sorted(held), states, strict=False)]
    exposed = {who: {run_id for other, run_id in seen if other == who} for who in PEOPLE}

    def share_out(there: list[Assignment], each: int | None) -> list[tuple[str, str]]:
        return distribute(settings, RUNS, there, PEOPLE, exposed=exposed, scores={}, each=each)

    pairs = share_out(there, each)
    kept = [one for one in there if one.state in ("assigned", "submitted")]
    barred = {(one.annotator, one.run_id) for one in there if one.state != "expired"} | seen
    assert barred.isdisjoint(pairs)
    assert len(set(pairs)) == len(pairs)
    before = Counter(one.run_id for one in kept)
    assert all(before[run] + new <= per_run for run, new in Counter(run for _, run in pairs).items())
    after = [*(one for one in there if (one.annotator, one.run_id) not in pairs), *(assignment(*p) for p in pairs)]
    assert share_out(after, each) == [], "again: nothing new"
    loads = Counter(one.annotator for one in after if one.state in ("assigned", "submitted"))
    if each is not None:
        assert all(loads[who] <= each for who, _ in pairs)
        return
    places = Counter(one.run_id for one in after if one.state in ("assigned", "submitted"))
    for who in PEOPLE:
        for run_id in RUNS:
            assert (who, run_id) in barred | set(pairs) or places[run_id] >= per_run, "no place is left that fits"
    for giver, run_id in pairs:
        for taker in PEOPLE:
            if (taker, run_id) not in barred | set(pairs):
                assert loads[giver] - loads[taker] <= 1, "no run would be fairer with somebody else"
