"""Replaying stored runs: the verbs that the command line and the dashboard share.

choice = choose_step(reader, run_id)                                  # where it went wrong, and who says so
order = ReplayOrder(place=…, step_id=choice.step_id, budget=matched_budget(trajectory, choice.step_id).budget())
result, new_run = replay_run(reader, store, run_id, order, model, diagnosis_id=choice.diagnosis_id)
replay_all(reader, store, run_ids, order_for, model)                  # many, resumed where it was stopped
foresee_all(reader, run_ids, order_for, model)                        # what that would do, without doing it
before_and_after(reader)                                              # pass@1 of runs and of their replays
sweep(store)                                                          # what killed replays left behind
"""

from codetracer_core.replaying.batches import BatchedReplay, ForeseenReplay, ReplayBatch, foresee_all, replay_all
from codetracer_core.replaying.choosing import Choice, Matched, advisor, choose_step, matched_budget
from codetracer_core.replaying.listing import Listed, listed_replays
from codetracer_core.replaying.offering import offered_tests
from codetracer_core.replaying.ordering import TASK, options_of, order_of_run
from codetracer_core.replaying.pairs import BeforeAndAfter, before_and_after, pairs
from codetracer_core.replaying.running import replay_run, request_key
from codetracer_core.replaying.sweeping import scratch_of, sweep

__all__ = [
    "TASK",
    "BatchedReplay",
    "BeforeAndAfter",
    "Choice",
    "ForeseenReplay",
    "Listed",
    "Matched",
    "ReplayBatch",
    "advisor",
    "before_and_after",
    "choose_step",
    "foresee_all",
    "listed_replays",
    "matched_budget",
    "offered_tests",
    "options_of",
    "order_of_run",
    "pairs",
    "replay_all",
    "replay_run",
    "request_key",
    "scratch_of",
    "sweep",
]
