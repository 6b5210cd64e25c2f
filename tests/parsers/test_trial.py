import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.models import Outcome, SourceRef, Trajectory, Usage
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts
from codetracer_core.parsers._trial import add_context, why_unread

POINTER = LFS_MARK.decode() + "v1\noid sha256:0\nsize 9\n"
RUN = Trajectory(format="x", view="y")
Fields = dict[str, Any]
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes files (values that are no text as JSON) and returns the folder."""

    def putting(files: dict[str, Any], folder: str = "") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return tmp_path / folder

    return putting


def context(folder: Path, trajectory: Trajectory = RUN, ceiling: Path | None = None) -> Trajectory:
    found = add_context(trajectory, Artifacts(folder, ceiling=ceiling))
    if found.outcome.source is not None:
        assert resolve(folder, found.outcome.source) or found.outcome.solved is None
    return found


# terminal-bench -----------------------------------------------------------------------------------------------------


def results(**more: Any) -> Fields:
    return {
        "trial_name": "t.1-of-1.run",
        "task_id": "t",
        "instruction": "Do t.",
        "is_resolved": True,
        "failure_mode": "unset",
        "parser_results": None,
        "total_input_tokens": 0,
        "total_output_tokens": 7,
        "agent_started_at": "2026-01-01T00:00:00+00:00",
        "agent_ended_at": "2026-01-01T00:05:00+00:00",
        **more,
    }


@pytest.mark.parametrize(
    ("more", "solved", "reason", "exit_status"),
    [
        ({}, True, "results.json says is_resolved: true", None),
        ({"is_resolved": False, "failure_mode": "none"}, False, "results.json says is_resolved: false", None),
        (
            {"is_resolved": False, "parser_results": {"a": "passed", "b": "failed"}},
            False,
            "results.json says is_resolved: false, 1 of 2 tests passed",
            None,
        ),
        (
            {"is_resolved": False, "failure_mode": "agent_timeout"},
            False,
            "results.json says is_resolved: false (failure mode agent_timeout)",
            "agent_timeout",
        ),
        (
            {"is_resolved": None, "failure_mode": "parse_error"},
            None,
            "results.json says is_resolved: null (failure mode parse_error): the tests gave no verdict",
            "parse_error",
        ),
    ],
)
def test_terminal_bench_outcomes(
    put: Put, more: Fields, solved: bool | None, reason: str, exit_status: str | None
) -> None:
    found = context(put({"results.json": results(**more)}))
    assert (found.outcome.solved, found.outcome.reason, found.exit_status) == (solved, reason, exit_status)
    assert found.outcome.source is not None
    assert found.outcome.source.pointer == "/is_resolved"


@pytest.mark.parametrize("inner", ["", "agent-logs", "sessions", "sessions/sessions/abc/events"])
def test_terminal_bench_facts_reach_runs_inside_the_trial(put: Put, inner: str) -> None:
    put({"run_metadata.json": {"agent_name": "terminus-2", "model_name": "m"}})
    put({"results.json": results(parser_results={"a": "passed"})}, "t/t.1-of-1.run")
    folder = put({"log": "x"}, f"t/t.1-of-1.run/{inner}")
    found = context(folder)
    assert found.outcome.solved is True
    assert (found.task, found.trial, found.task_text) == ("t", "t.1-of-1.run", "Do t.")
    assert found.task_ref is not None
    assert resolve(folder, found.task_ref) == "Do t."
    assert [(test.name, test.status) for test in found.tests] == [("a", "passed")]
    assert (found.agent, found.model) == ("terminus-2", "m")
    assert found.usage == Usage(completion_tokens=7)
    assert found.started_at is not None
    assert found.ended_at is not None
    assert (found.ended_at - found.started_at).total_seconds() == 300


def test_folders_of_other_names_do_not_inherit(put: Put) -> None:
    put({"results.json": results()})
    assert context(put({"log": "x"}, "workspace")) == RUN


def test_what_the_run_tells_itself_stays(put: Put) -> None:
    own = Trajectory(format="x", view="y", task="mine", task_text="Mine.", model="m", usage=Usage(completion_tokens=3))
    found = context(put({"results.json": results()}), own)
    assert (found.task, found.task_text, found.model, found.usage.completion_tokens) == ("mine", "Mine.", "m", 3)
    assert found.trial == "t.1-of-1.run"


@pytest.mark.parametrize("content", ["", POINTER, '{"task_id": "t", "is_res', "[]"])
def test_a_results_file_that_cannot_be_read_is_told(put: Put, content: str) -> None:
    found = context(put({"results.json": content, "sessions/agent.log": "x"}))
    assert found.outcome.solved is None
    assert found.outcome.reason.startswith("results.json cannot be read: ")
    assert found.outcome.source is None


def test_another_results_file_means_nothing(put: Put) -> None:
    assert context(put({"results.json": {"accuracy": 0.5}})) == RUN


# Harbor -------------------------------------------------------------------------------------------------------------

RESULT: Fields = {
    "task_name": "chores",
    "trial_name": "chores__Ab3dE5f",
    "config": {"agent": {"name": "codex", "model_name": "configured"}},
    "agent_info": {"name": "codex", "version": "0.50.0", "model_info": None},
    "agent_result": {"n_input_tokens": 9, "n_cache_tokens": 0, "n_output_tokens": 2, "cost_usd": 0.25},
    "verifier_result": {"rewards": {"reward": 1.0}},
    "exception_info": None,
    "agent_execution": {"started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:01:00Z"},
}
RAN = "=== test session starts ===\ncollected 2 items\n"
NEVER_RAN = "curl: (7) Failed to connect\n/tests/test.sh: line 19: uvx: command not found\n"


def ctrf(*statuses: str) -> Fields:
    return {"results": {"tests": [{"name": f"t{at}", "status": status} for at, status in enumerate(statuses)]}}


def harbor(**files: Any) -> dict[str, Any]:
    names = {"reward": "verifier/reward.txt", "ctrf": "verifier/ctrf.json", "stdout": "verifier/test-stdout.txt"}
    return {"result.json": RESULT, **{names.get(name, name): content for name, content in files.items()}}


TIMEOUT: Fields = {"exception_type": "VerifierTimeoutError", "exception_message": "after 900 seconds"}
WITHOUT_REWARD: Fields = {**RESULT, "verifier_result": None}


@pytest.mark.parametrize(
    ("files", "solved", "reason"),
    [
        (harbor(reward="1\n", ctrf=ctrf("passed", "passed")), True, "verifier/reward.txt says 1, 2 of 2 tests passed"),
        (harbor(reward="0", ctrf=ctrf("passed", "failed")), False, "verifier/reward.txt says 0, 1 of 2 tests passed"),
        (harbor(reward="0", stdout=RAN), False, "verifier/reward.txt says 0"),
        (harbor(reward="0"), False, "verifier/reward.txt says 0"),
        (
            harbor(reward="0", stdout=NEVER_RAN),
            None,
            "the verifier never ran a test: /tests/test.sh: line 19: uvx: command not found "
            "(verifier/reward.txt says 0)",
        ),
        (harbor(reward="0", ctrf=ctrf("failed"), stdout=NEVER_RAN), False, "says 0, 0 of 1 tests passed"),
        (harbor(reward="0", stdout=NEVER_RAN + RAN), False, "verifier/reward.txt says 0"),
        (harbor(reward="1", stdout=NEVER_RAN), True, "verifier/reward.txt says 1"),
        (harbor(reward="0.4"), False, "says 0.4: solved in part, which counts as not solved"),
        (
            {
                **harbor(reward="1", ctrf=ctrf("passed")),
                "result.json": {**WITHOUT_REWARD, "exception_info": TIMEOUT},
            },
            True,
            "says 1, 1 of 1 tests passed, before the verifier was stopped (VerifierTimeoutError)",
        ),
        (harbor(reward=POINTER), True, "result.json says 1"),
        (harbor(reward=""), True, "result.json says 1"),
        (harbor(reward="nan"), True, "result.json says 1"),
        ({"result.json": RESULT}, True, "result.json says 1"),
        ({**harbor(reward=POINTER), "result.json": WITHOUT_REWARD}, None, "holds no reward that can be read"),
        (
            {"result.json": {**WITHOUT_REWARD, "exception_info": {"exception_type": "EnvironmentStartError"}}},
            None,
            "the trial holds no reward: it was stopped by EnvironmentStartError",
        ),
        (
            {"result.json": {**WITHOUT_REWARD, "config": {"verifier": {"disable": True}}}},
            None,
            "the trial holds no reward: its verifier was switched off",
        ),
        (
            {"result.json": WITHOUT_REWARD, "verifier/reward.json": {"reward": 1.0, "style": 0.5}},
            True,
            "verifier/reward.json says 1",
        ),
        (
            {"result.json": WITHOUT_REWARD, "verifier/reward.json": {"fast": 1.0, "right": 0}},
            False,
            "verifier/reward.json says 0",
        ),
        ({"config.json": {"trial_name": "x", "task": {}}, "verifier/reward.txt": "1"}, True, "reward.txt says 1"),
    ],
)
def test_harbor_outcomes(put: Put, files: dict[str, Any], solved: bool | None, reason: str) -> None:
    found = context(put(files))
    assert found.outcome.solved is solved
    assert found.outcome.reason.endswith(reason)
    assert (found.outcome.source is None) == (solved is None and "never ran" not in reason)


@pytest.mark.parametrize("inner", ["", "agent", "agent/sessions/2026/01/02"])
def test_harbor_facts_reach_runs_inside_the_trial(put: Put, inner: str) -> None:
    put(harbor(reward="1", ctrf=ctrf("passed", "skipped")), "chores__Ab3dE5f")
    folder = put({"log": "x"}, f"chores__Ab3dE5f/{inner}")
    found = context(folder)
    assert found.outcome.solved is True
    assert (found.agent, found.agent_version, found.model) == ("codex", "0.50.0", "configured")
    assert (found.task, found.trial) == ("chores", "chores__Ab3dE5f")
    assert found.usage == Usage(cost_usd=0.25, prompt_tokens=9, completion_tokens=2)
    assert [(test.name, test.status) for test in found.tests] == [("t0", "passed"), ("t1", "skipped")]
    assert found.started_at is not None
    assert found.exit_status is None


def test_a_trial_of_several_steps_has_a_verifier_for_each(put: Put) -> None:
    put({"result.json": RESULT, "steps/one/verifier/reward.txt": "0", "steps/two/verifier/reward.txt": "1"}, "trial")
    solved = [context(put({"agent/log": "x"}, f"trial/steps/{step}")).outcome.solved for step in ("one", "two")]
    assert solved == [False, True]


def test_an_agent_that_ran_out_of_time_says_so_and_can_still_have_failed(put: Put) -> None:
    stopped = {"exception_type": "AgentTimeoutError", "exception_message": "after 900 seconds"}
    files = {**harbor(reward="0", ctrf=ctrf("failed")), "result.json": {**RESULT, "exception_info": stopped}}
    found = context(put(files))
    assert (found.outcome.solved, found.exit_status) == (False, "AgentTimeoutError")
    assert "The harness reports AgentTimeoutError: after 900 seconds." in found.notes
    assert any(note.startswith("result.json records another reward (1)") for note in found.notes)


def test_the_exception_can_stand_in_a_file_of_its_own(put: Put) -> None:
    files = {
        "config.json": {"trial_name": "x", "task": {"path": "tasks/chores"}},
        "exception.txt": "Traceback\n  ...\nharbor.trial.trial.AgentTimeoutError: too slow\n",
    }
    found = context(put(files))
    assert (found.exit_status, found.task) == ("AgentTimeoutError", "chores")
    assert found.outcome.reason == "the trial holds no reward: it was stopped by AgentTimeoutError"


def test_the_folder_of_a_whole_job_is_no_trial(put: Put) -> None:
    folder = put({"config.json": {"job_name": "j", "agents": []}, "result.json": {"n_total_trials": 3, "stats": {}}})
    assert context(folder) == RUN
    assert why_unread(Artifacts(folder)) is None


# SWE-bench reports --------------------------------------------------------------------------------------------------

INSTANCE = "org__repo-12"
REPORT: Fields = {
    "patch_is_None": False,
    "resolved": True,
    "tests_status": {
        "FAIL_TO_PASS": {"success": ["a"], "failure": []},
        "PASS_TO_PASS": {"success": [], "failure": ["b"]},
    },
}
TRAJ = RUN.model_copy(update={"task": INSTANCE})


@pytest.mark.parametrize(
    ("path", "keyed"),
    [
        (f"run/{INSTANCE}/report.json", True),
        (f"run/{INSTANCE}/report.json", False),
        (f"logs/{INSTANCE}/report.json", False),
        (f"eval_results/model/{INSTANCE}/report.json", True),
        (f"eval_results/a/b/{INSTANCE}/report.json", True),
        (f"run/eval_results/{INSTANCE}/report.json", True),
        (f"logs/run_evaluation/id/model/{INSTANCE}/report.json", True),
        (f"run/{INSTANCE}/logs/{INSTANCE}/report.json", True),
    ],
)
def test_reports_are_found_where_evaluations_put_them(put: Put, path: str, keyed: bool) -> None:
    put({path: {INSTANCE: REPORT} if keyed else REPORT})
    folder = put({"x.traj": "{}"}, f"run/{INSTANCE}")
    found = context(folder, TRAJ)
    assert found.outcome.solved is True
    assert found.outcome.reason.endswith("report.json says resolved: true")
    assert [(test.name, test.status) for test in found.tests] == [("a", "passed"), ("b", "failed")]


@pytest.mark.parametrize(
    "files",
    [
        {"report.json": REPORT},  # flat, in a folder of another name: whose report is it?
        {"report.json": {"other__repo-1": REPORT}},
        {"report.json": {INSTANCE: {"patch_exists": True}}},
        {"preds.json": {INSTANCE: {"model_patch": "diff"}}},
        {"results_summary.json": {"total": 1, "passed": 1, "instances": [{"instance_id": "other__repo-1"}]}},
    ],
)
def test_nothing_else_makes_an_outcome(put: Put, files: dict[str, Any]) -> None:
    assert context(put(files, "trajectories"), TRAJ).outcome == Outcome()


def test_a_summary_speaks_for_the_instances_that_it_lists(put: Put) -> None:
    listed = [{"instance_id": "other__repo-1", "resolved": True}, {"instance_id": INSTANCE, "resolved": False}]
    put({"results_summary.json": {"instances": listed}})
    found = context(put({"x": ""}, f"trajs/{INSTANCE}"), TRAJ)
    assert found.outcome.solved is False
    assert found.outcome.source == SourceRef(
        path="../../results_summary.json", line_start=9, line_end=9, kind="json", pointer="/instances/1/resolved"
    )


def test_reports_that_disagree_are_no_verdict(put: Put) -> None:
    put({f"eval_results/a/{INSTANCE}/report.json": REPORT})
    put({f"eval_results/b/{INSTANCE}/report.json": {**REPORT, "resolved": False, "patch_is_None": True}})
    found = context(put({"x": ""}, f"run/{INSTANCE}"), TRAJ)
    assert found.outcome.solved is None
    assert "b/org__repo-12/report.json says resolved: false (no patch)" in found.outcome.reason


def test_a_report_that_cannot_be_read_is_told(put: Put) -> None:
    found = context(put({"report.json": POINTER}), TRAJ)
    assert found.outcome.reason.startswith("report.json cannot be read: a git-LFS pointer")


@pytest.mark.parametrize("name", ["../secret", "a/b", "*", "..", "x\0y", ""])
def test_a_task_name_is_never_a_path(put: Put, name: str) -> None:
    put({"secret/report.json": REPORT, "logs/a/b/report.json": REPORT, "logs/x/report.json": REPORT})
    folder = put({"x": ""}, "logs/run")
    assert context(folder, RUN.model_copy(update={"task": name})).outcome == Outcome()


def test_nothing_above_the_ceiling_is_read(put: Put, tmp_path: Path) -> None:
    put({f"logs/{INSTANCE}/report.json": REPORT, "results.json": results()})
    folder = put({"x": ""}, f"sessions/{INSTANCE}")
    assert context(folder, TRAJ).outcome.solved is True
    assert context(folder, TRAJ, ceiling=folder).outcome == Outcome()


# Own outcome and the harness's --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "resolved", "solved", "note"),
    [
        (True, False, False, "The agent's own record says otherwise: own word"),
        (False, None, False, "The harness gives no verdict: results.json says is_resolved: null"),
        (True, True, True, None),
    ],
)
def test_the_harness_has_the_last_word_if_it_has_one(
    put: Put, own: bool, resolved: bool | None, solved: bool, note: str | None
) -> None:
    folder = put({"results.json": results(is_resolved=resolved)})
    source = SourceRef(path="results.json", line_start=1, line_end=1)
    found = context(folder, RUN.model_copy(update={"outcome": Outcome(solved=own, reason="own word", source=source)}))
    assert found.outcome.solved is solved
    assert [text.startswith(note) for text in found.notes if note] == ([True] if note else [])


# Trials in which nothing can be read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"results.json": {}, "sessions/agent.log": POINTER, "panes/post-agent.txt": "x"},
            "a terminal-bench trial without a transcript that can be read (sessions/agent.log: git-LFS pointers, "
            "not the files themselves (run 'git lfs pull'))",
        ),
        (
            {"results.json": {}, "panes/post-agent.txt": "x"},
            "a terminal-bench trial without a transcript: there is nothing in agent-logs and sessions",
        ),
        ({"result.json": RESULT}, "a Harbor trial without a transcript: there is nothing in agent"),
        (
            {"result.json": RESULT, "agent/setup/stdout.txt": "", "agent/install.sh": "x"},
            "a Harbor trial without a transcript that can be read (agent/setup/stdout.txt: empty; "
            "agent/install.sh: nothing that a parser recognises)",
        ),
        (
            {"config.json": POINTER, "result.json": POINTER, "agent/log.txt": POINTER, "verifier/reward.txt": POINTER},
            "a Harbor trial without a transcript that can be read (agent/log.txt: git-LFS pointers, "
            "not the files themselves (run 'git lfs pull'))",
        ),
        ({"config.json": {"job_name": "x"}, "result.json": {"stats": {}}}, None),
        ({"results.json": {"accuracy": 1}}, None),
        ({"README.md": "x"}, None),
    ],
)
def test_why_a_trial_is_unread(put: Put, files: dict[str, Any], reason: str | None) -> None:
    folder = put(files, "trial")
    assert why_unread(Artifacts(folder)) == reason
    assert [problem.reason for problem in discover(folder.parent).problems] == ([reason] if reason else [])


# Real trials --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trial", "solved", "reason"),
    [
        ("code-from-image__rQbMwgs", None, "never ran a test: /tests/test.sh: line 19: uvx: command not found"),
        ("configure-git-webserver__RDfH8Xr", True, "1 of 1 tests passed"),
        ("feal-linear-cryptanalysis__zkWNvqg", None, "never ran a test"),
        ("kv-store-grpc__QNnX7xy", False, "1 of 7 tests passed"),
        ("polyglot-c-py__3z6k7TU", True, "1 of 1 tests passed"),
        ("prove-plus-comm__YDACMLN", True, "4 of 4 tests passed"),
        ("pypi-server__XLnvB86", None, "never ran a test"),
        (
            "query-optimize__xcBWV57",
            True,
            "6 of 6 tests passed, before the verifier was stopped (VerifierTimeoutError)",
        ),
        ("regex-log__XYfBZFy", None, "never ran a test"),
        ("sqlite-db-truncate__kfqQYr3", True, "1 of 1 tests passed"),
        ("vulnerable-secret__9tUKcpe", False, "0 of 3 tests passed"),
    ],
)
def test_real_harbor_trials(real: Path, trial: str, solved: bool | None, reason: str) -> None:
    found = read_run(locate(real / "trajectories/harbor-trials/kimi_k2.5" / trial)).trajectory
    assert found.outcome.solved is solved
    assert reason in found.outcome.reason
    assert (found.trial, found.task, found.model) == (trial, trial.rpartition("__")[0], "kimi-k2.5")


def test_all_real_terminal_bench_trials_say_what_their_results_say(real: Path) -> None:
    checked = 0
    for path in sorted((real / "trajectories/terminal-bench-trials").rglob("results.json")):
        raw = json.loads(path.read_text())
        found = read_run(locate(path.parent)).trajectory
        assert found.outcome.solved is raw["is_resolved"]
        assert (found.task, found.trial) == (raw["task_id"], raw["trial_name"])
        assert {test.name: test.status for test in found.tests} == (raw["parser_results"] or {})
        checked += 1
    assert checked == 10


def test_real_reports_give_the_outcome_of_mini_swe_agent_runs(real: Path) -> None:
    root = real / "trajectories/mini-swe-agent"
    solved = {
        run.folder.name: read_run(run).trajectory.outcome.solved
        for run in discover(root).locations
        if run.folder.name != "test_data"
    }
    raw: dict[str, bool | None] = dict.fromkeys(solved)
    for path in root.rglob("report.json"):
        report = json.loads(path.read_text())
        raw[path.parent.name] = report.get(path.parent.name, report)["resolved"]
    assert solved == raw
