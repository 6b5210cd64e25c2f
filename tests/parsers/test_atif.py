import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError, MalformedRun, UnknownFormat, UnreadableFile
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.parsers._artifacts import LFS_MARK
from codetracer_core.parsers.atif import FORMAT
from tests.conftest import SAMPLE_DATA

POINTER = LFS_MARK.decode() + "v1\noid sha256:0\nsize 9\n"
Fields = dict[str, Any]


def call(name: str = "shell", call_id: str | None = "c1", **arguments: Any) -> Fields:
    return {"tool_call_id": call_id, "function_name": name, "arguments": arguments or {"command": "ls"}}


def reply(
    message: Any = "", calls: list[Fields] | None = None, results: list[Fields] | None = None, **more: Any
) -> Fields:
    step = {"source": "agent", "message": message, **more}
    if calls is not None:
        step["tool_calls"] = calls
    if results is not None:
        step["observation"] = {"results": results}
    return step


def document(*steps: Fields, **more: Any) -> Fields:
    numbered = [{"step_id": number, **step} for number, step in enumerate(steps, start=1)]
    return {"schema_version": "ATIF-v1.7", "agent": {"name": "a", "version": "1"}, "steps": numbered, **more}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Trajectory]:
    def reading(*steps: Fields, **more: Any) -> Trajectory:
        (tmp_path / "trajectory.json").write_text(json.dumps(document(*steps, **more), indent=1))
        return read_run(locate(tmp_path)).trajectory

    return reading


# What one step is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "steps", "groups", "branches", "solved"),
    [
        ("atif/delegated-audit.json", 10, [1, 5], 2, None),
        ("atif/parallel-checks.json", 5, [1], 0, None),
        ("atif/long-rename", 11, [2, 6], 3, None),
        ("harbor/busiest-hours__b7QnT2e", 12, [1, 4, 8, 10], 0, True),
        ("harbor/mirror-index__Yt5KqZ1", 8, [1], 0, None),
    ],
)
def test_samples(sample: str, steps: int, groups: list[int], branches: int, solved: bool | None) -> None:
    location = locate(SAMPLE_DATA / sample)
    trajectory = read_run(location).trajectory
    assert (location.format, trajectory.step_count) == ("atif", steps)
    assert sorted({step.parallel_group for step in trajectory.steps if step.parallel_group}) == groups
    assert len(trajectory.branches) == branches
    assert trajectory.outcome.solved is solved


def test_calls_of_a_reply_are_a_group_and_its_words_are_the_thought_of_the_first(
    read: Callable[..., Trajectory], tmp_path: Path
) -> None:
    trajectory = read(
        {"source": "user", "message": "Do it."},
        reply(
            "Now.",
            [call(call_id="a", command="ls"), call("Read", "b", path="x")],
            [{"source_call_id": "b", "content": "text"}, {"source_call_id": "a", "content": "x\n"}],
            reasoning_content="Why not?",
            timestamp="2026-01-01T10:00:00Z",
        ),
        reply("Done."),
        reply("", reasoning_content="Only a thought."),
        reply(""),
    )
    first, second, last = trajectory.steps
    assert [step.parallel_group for step in trajectory.steps] == [1, 1, None]
    assert (first.action, first.observation, second.observation) == ("ls", "x\n", "text")
    assert first.thought == "Why not?\n\nNow."
    assert second.thought is None
    assert second.action == '{"path": "x"}'
    assert (last.action, last.is_message, last.thought) == ("Done.", True, None)
    assert trajectory.task_text == "Do it."
    assert trajectory.started_at == trajectory.ended_at == first.timestamp
    assert "Replies with nothing but reasoning, which are no steps: 1." in trajectory.notes
    assert "Replies with neither text nor a tool call, which are no steps: 1." in trajectory.notes
    assert first.action_ref is not None
    assert resolve(tmp_path, first.action_ref) == "ls"


SPLIT: Fields = {"timestamp": "2026-01-01T10:00:00.123Z", "reasoning_content": "Think."}


def test_blocks_of_one_reply_that_an_old_converter_split_are_one_reply(read: Callable[..., Trajectory]) -> None:
    trajectory = read(
        reply("Look.", metrics={"prompt_tokens": 5}, **SPLIT),
        reply("Executed Bash c1", [call("Bash", "c1")], [{"source_call_id": "c1", "content": "out"}], **SPLIT),
        reply("Executed Bash c2", [call("Bash", "c2", command="pwd")], [], **SPLIT),
    )
    assert [step.action for step in trajectory.steps] == ["ls", "pwd"]
    assert [step.parallel_group for step in trajectory.steps] == [1, 1]
    assert [step.thought for step in trajectory.steps] == ["Think.\n\nLook.", None]


@pytest.mark.parametrize(
    "second",
    [
        {**SPLIT, "reasoning_content": "Another."},
        {**SPLIT, "metrics": {"prompt_tokens": 5}},
        {**SPLIT, "timestamp": "2026-01-01T10:00:00.124Z"},
        {"reasoning_content": "Think."},
    ],
)
def test_replies_that_only_look_like_one_stay_apart(read: Callable[..., Trajectory], second: Fields) -> None:
    trajectory = read(reply("One", [call()], **SPLIT), reply("Two", [call()], **second))
    assert [step.parallel_group for step in trajectory.steps] == [None, None]


@pytest.mark.parametrize(
    ("results", "observations", "note"),
    [
        ([{"content": "all"}], [None, None, "all"], "Results for several calls"),
        ([{"source_call_id": "c", "content": "x"}], [None, None, "x"], "Tool calls without a recorded result: 2."),
        ([{"source_call_id": "?", "content": "x"}], [None, None, "x"], "Results that name a call which"),
        ([{"source_call_id": "a", "content": "1"}, {"source_call_id": "a", "content": "2"}], ["1", "2", None], "Tool"),
        (
            [{"source_call_id": "c", "content": "1"}, {"source_call_id": "c", "content": "2"}],
            [None, None, "1\n2"],
            "Tool calls without a recorded result: 2.",
        ),
        ([{"source_call_id": "a", "content": ""}, {"source_call_id": "c"}], ["", None, None], "result: 1."),
        ([{"source_call_id": "c", "content": [{"type": "text", "text": "t"}]}], [None, None, "t"], "result: 2."),
    ],
)
def test_results_are_paired_by_call_within_their_step(
    read: Callable[..., Trajectory], results: list[Fields], observations: list[str | None], note: str
) -> None:
    trajectory = read(reply("", [call(call_id="a"), call(call_id="a"), call(call_id="c")], results))
    assert [step.observation for step in trajectory.steps] == observations
    assert note in " ".join(trajectory.notes)


def test_a_result_without_a_name_belongs_to_the_only_call(read: Callable[..., Trajectory]) -> None:
    trajectory = read(reply("", [call()], [{"source_call_id": None, "content": "out"}]))
    assert trajectory.steps[0].observation == "out"
    assert trajectory.notes == ()


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ("Exit code 127\nbash: nope", 127),
        ("out\n[exit_code] 3", 3),
        ("\n[The command completed with exit code 0.]\n", 0),
        ("<returncode>2</returncode>\n<output>\n</output>", 2),
        ("the text says Exit code 5", None),
    ],
)
def test_exit_codes_of_the_documented_wrappers(
    read: Callable[..., Trajectory], text: str, exit_code: int | None
) -> None:
    answer = [{"source_call_id": "c1", "content": text}]
    assert read(reply("", [call()], answer)).steps[0].exit_code == exit_code
    assert read(reply("", [call("Read", path="x")], answer)).steps[0].exit_code is None


def test_exit_codes_from_fields(read: Callable[..., Trajectory]) -> None:
    answer = {"source_call_id": "c1", "content": "x"}
    details = {"tool_call_details": {"c1": {"metadata": {"exit_code": 4}}}}
    assert read(reply("", [call()], [answer], extra=details)).steps[0].exit_code == 4
    assert read(reply("", [call()], [{**answer, "extra": {"exit_code": 9}}])).steps[0].exit_code == 9


def test_commands_inside_the_text_are_one_step_that_is_no_mere_message(read: Callable[..., Trajectory]) -> None:
    trajectory = read(
        reply('{"commands": [{"keystrokes": "ls\\n"}]}', results=[{"content": "New Terminal Output:\nx"}]),
        reply("no JSON", results=[{"content": "Previous response had parsing errors:\nERROR"}]),
    )
    acted, refused = trajectory.steps
    assert not acted.is_message
    assert acted.observation == "New Terminal Output:\nx"
    assert refused.is_message
    assert not refused.executed


def test_the_task_of_terminus_is_the_task_alone(read: Callable[..., Trajectory]) -> None:
    prompt = "You are an AI.\n\nTask Description:\nWrite a\nfile.\n\nCurrent terminal state:\n$ "
    assert read({"source": "user", "message": prompt}, reply("x")).task_text == "Write a\nfile."


def test_a_file_without_an_agent_step_is_a_run_of_no_steps(read: Callable[..., Trajectory]) -> None:
    trajectory = read({"source": "user", "message": "Hi"}, reply("old", is_copied_context=True))
    assert trajectory.step_count == 0
    assert trajectory.notes[0] == "No step of an agent is recorded here."


def test_usage_is_the_sum_over_the_steps_where_no_totals_stand(read: Callable[..., Trajectory]) -> None:
    steps = [reply("x", metrics={"prompt_tokens": 5, "cost_usd": 0.5}), reply("y", metrics={"prompt_tokens": 7})]
    assert (read(*steps).usage.prompt_tokens, read(*steps).usage.cost_usd) == (12, 0.5)
    totals = {"total_prompt_tokens": 40, "total_completion_tokens": 0}
    assert read(*steps, final_metrics=totals).usage.prompt_tokens == 40
    assert read(*steps, final_metrics=totals).usage.completion_tokens is None


# Continuations, sub-agents, side chains -----------------------------------------------------------------------------


def write(folder: Path, **documents: Fields) -> None:
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_a_continuation_follows_and_is_no_run_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, trajectory=document(reply("one"), continued_trajectory_ref="trajectory.cont-1.json"))
    copied = reply("one", is_copied_context=True)
    (tmp_path / "trajectory.cont-1.json").write_text(json.dumps(document(copied, reply("two"))))
    (location,) = discover(tmp_path).locations
    assert [step.action for step in read_run(location).trajectory.steps] == ["one", "two"]


def test_renamed_continuations_and_sub_agents_are_found_by_name_or_session(tmp_path: Path) -> None:
    asks = reply("ask", [call()], [{"source_call_id": "c1", "subagent_trajectory_ref": [{"session_id": "helper"}]}])
    main = document(asks, session_id="s", continued_trajectory_ref="trajectory.cont-1.json")
    write(tmp_path, first=main, second=document(reply("two"), session_id="s-cont-1"))
    write(tmp_path, third=document(reply("three"), session_id="helper"))
    found = discover(tmp_path)
    (location,) = found.locations
    assert location.path.endswith("first.json")
    trajectory = read_run(location).trajectory
    assert [(step.action, step.branch) for step in trajectory.steps] == [
        ("ls", None),
        ("two", None),
        ("three", "helper"),
    ]
    assert trajectory.branches[0].parent_step_id == 1


def test_a_missing_continuation_and_lost_sub_agents_are_told(read: Callable[..., Trajectory]) -> None:
    lost = {"subagent_trajectory_ref": [{"trajectory_path": "gone.json"}, {"session_id": "gone"}]}
    trajectory = read(reply("x", results=[lost]), continued_trajectory_ref="trajectory.cont-1.json")
    assert trajectory.step_count == 1
    assert "Sub-agents whose records are not here: 2." in trajectory.notes
    assert any("goes on in 'trajectory.cont-1.json', which is not here" in note for note in trajectory.notes)


def test_references_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, secret=document(reply("secret")))
    inner = tmp_path / "run"
    inner.mkdir()
    refs = [{"trajectory_path": path} for path in ("../secret.json", str(tmp_path / "secret.json"))]
    steps = [reply("x", results=[{"subagent_trajectory_ref": refs}])]
    write(inner, trajectory=document(*steps, continued_trajectory_ref="../secret.json"))
    assert read_run(locate(inner)).trajectory.step_count == 1


def test_files_that_refer_to_each_other_are_one_run(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        write(tmp_path, **{name: document(reply(name), continued_trajectory_ref=f"{other}.json")})
    (location,) = discover(tmp_path).locations
    assert [step.action for step in read_run(location).trajectory.steps] == ["a", "b"]


def test_sub_agents_come_after_the_main_line_each_with_its_branch(read: Callable[..., Trajectory]) -> None:
    grandchild = document(reply("deep"), trajectory_id="deep")
    delegates = reply("", [call()], [{"source_call_id": "c1", "subagent_trajectory_ref": [{"trajectory_id": "deep"}]}])
    child = document(delegates, reply("child"), trajectory_id="child", subagent_trajectories=[grandchild])
    stray = document(reply("stray"), trajectory_id="stray")
    asks = {"source_call_id": "c1", "content": "ok", "subagent_trajectory_ref": {"trajectory_id": "child"}}
    trajectory = read(reply("", [call()], [asks]), reply("end"), subagent_trajectories=[stray, child])
    assert [(step.branch, step.action) for step in trajectory.steps] == [
        (None, "ls"),
        (None, "end"),
        ("child", "ls"),
        ("child", "child"),
        ("deep", "deep"),
        ("stray", "stray"),
    ]
    assert {branch.branch_id: branch.parent_step_id for branch in trajectory.branches} == {
        "child": 1,
        "deep": 3,
        "stray": None,
    }
    assert any(note.startswith("Embedded sub-agents that no step mentions") for note in trajectory.notes)


def test_inline_side_chains_stay_in_the_order_of_the_file(read: Callable[..., Trajectory]) -> None:
    started = {"tool_result_metadata": {"tool_use_result": {"agentId": "x1"}}}
    side = {"is_sidechain": True, "agent_id": "x1"}
    trajectory = read(
        {"source": "user", "message": "Look for it", "extra": {"is_sidechain": True}},
        {"source": "user", "message": "The task"},
        reply("", [call("Task", prompt="p")], [{"source_call_id": "c1", "content": "found", "extra": started}]),
        reply("", [call(command="rg it")], extra=side),
        reply("side", extra={"is_sidechain": True}),
        reply("end", extra={"is_sidechain": False}),
    )
    assert [step.branch for step in trajectory.steps] == [None, "x1", "side chain", None]
    assert [(branch.branch_id, branch.parent_step_id) for branch in trajectory.branches] == [
        ("x1", 1),
        ("side chain", None),
    ]
    assert trajectory.task_text == "The task"


# Recognising and refusing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", UnreadableFile, "0 bytes"),
        (POINTER, UnreadableFile, "git lfs pull"),
        (json.dumps(document(reply("x")))[:-9], UnreadableFile, "no valid JSON"),
        (json.dumps(document(reply("x"), schema_version="ATIF-v2.0")), MalformedRun, "ATIF-v2.0"),
        (json.dumps(document(reply("x"), schema_version=1)), MalformedRun, "schema_version 1 is not known"),
        (json.dumps({k: v for k, v in document(reply("x")).items() if k != "schema_version"}), MalformedRun, "keys"),
        ('{"schema_version": "ATIF-v1.2"}', MalformedRun, "without steps"),
        ('{"schema_version": "ATIF-v1.2", "steps": [{"source": 7}]}', UnreadableFile, "unexpected content"),
        ('[{"schema_version": "ATIF-v1.2"}]', MalformedRun, "a JSON object was expected"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, text: str, error: type[CodeTracerError], words: str
) -> None:
    (tmp_path / "trajectory.json").write_text(text)
    with pytest.raises(error, match=words) as caught:
        read_run(locate(tmp_path))
    assert caught.value.path.endswith("trajectory.json")


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trajectory.json").write_text(json.dumps(document(reply("é"))), encoding="utf-16")
    with pytest.raises(UnreadableFile, match=r"trajectory\.json"):
        read_run(locate(tmp_path))


@pytest.mark.parametrize("minor", range(12))
def test_every_version_1_is_accepted(tmp_path: Path, minor: int) -> None:
    write(tmp_path, run=document(reply("x"), schema_version=f"ATIF-v1.{minor}"))
    assert read_run(locate(tmp_path)).trajectory.step_count == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trajectory.json", '[{"id": 0, "action": "run"}]'),
        ("trajectory.json", '{"trajectory": [{"action": "ls"}], "info": {}}'),
        ("result.json", '{"agent": {}, "steps": []}'),
        ("notes.json", POINTER),
    ],
)
def test_other_files_are_not_claimed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnknownFormat):
        locate(tmp_path, format=FORMAT.name)


def test_a_harbor_trial_is_the_run_whatever_is_wrong_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "trajectory.json").write_text(POINTER)
    (tmp_path / "result.json").write_text("{}")
    (location,) = discover(tmp_path).locations
    assert (location.claim.unit, location.format) == (".", "atif")
    with pytest.raises(UnreadableFile, match="git-LFS"):
        read_run(location)


def test_parts_of_a_broken_main_file_are_no_runs(tmp_path: Path) -> None:
    for name in ("trajectory.cont-1.json", "trajectory.summarization-1-summary.json", "trajectory.other.json"):
        (tmp_path / name).write_text(json.dumps(document(reply("x"))))
    (tmp_path / "trajectory.json").write_text("")
    units = [run.claim.unit for run in discover(tmp_path).locations]
    assert units == ["trajectory.json", "trajectory.other.json"]


def test_files_of_a_trial_that_nothing_refers_to_are_told(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.mkdir()
    (tmp_path / "config.json").write_text("{}")
    write(agent, trajectory=document(reply("x")), **{"trajectory.old": document(reply("y"))})
    (location,) = discover(tmp_path).locations
    trajectory = read_run(location).trajectory
    assert trajectory.step_count == 1
    assert trajectory.notes == ("agent/trajectory.old.json lies beside the run, but nothing refers to it: not read.",)


# Real files ---------------------------------------------------------------------------------------------------------


def raw_steps(path: Path) -> int:
    """Calls, and replies with text and no call; steps that one reply was split into share their timestamp."""
    steps = [step for step in json.loads(path.read_text())["steps"] if not step.get("is_copied_context")]
    count, alone = 0, iter(range(len(steps)))
    for source, members in groupby(steps, key=lambda step: (step["source"], step.get("timestamp") or next(alone))):
        if source[0] == "agent":
            found = list(members)
            calls = sum(len(step.get("tool_calls") or []) for step in found)
            count += calls or any(step["message"] for step in found)
    return count


def test_real_trials_have_as_many_steps_as_their_raw_files_tell(real: Path) -> None:
    checked = 0
    for path in sorted((real / "trajectories/harbor-trials").glob("*/*/agent/trajectory.json")):
        trajectory = read_run(locate(path.parents[1], format="atif")).trajectory
        assert trajectory.step_count == raw_steps(path), path
        checked += 1
    assert checked == 9


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("harbor_openhands", ()),
        ("harbor_terminus2_continuation", ("harbor_terminus2_continuation_cont1",)),
        ("harbor_terminus2_invalid_json", ()),
        ("harbor_terminus2_summarization", ("sub_summary", "sub_questions", "sub_answers")),
        ("harbor_terminus2_timeout", ()),
        ("multi_tool_trajectory", ()),
        ("multimodal_trajectory", ()),
        ("parallel_tools_mixed_results", ()),
        ("simple_trajectory", ()),
    ],
)
def test_real_fixtures(real: Path, name: str, others: tuple[str, ...]) -> None:
    folder = next((real / "trajectories/atif").glob("Arize-ai+phoenix/**/fixtures"))
    files = [folder / f"{name}.json"]
    files += [folder / f"{other if '_cont1' in other else 'harbor_terminus2_' + other}.json" for other in others]
    location = next(run for run in discover(folder).locations if run.claim.unit == f"{name}.json")
    assert sorted(location.claim.files) == sorted(path.name for path in files)
    assert read_run(location).trajectory.step_count == sum(raw_steps(path) for path in files)


def test_the_real_folder_of_fixtures_holds_eleven_runs_of_which_one_is_refused(real: Path) -> None:
    folder = next((real / "trajectories/atif").glob("Arize-ai+phoenix/**/fixtures"))
    found = discover(folder)
    assert len(found.locations) == 11
    refused = []
    for location in found.locations:
        try:
            read_run(location)
        except MalformedRun as error:
            refused.append((location.claim.unit, error.reason))
    assert refused == [
        ("subagent_trajectories.json", "an ATIF document without schema_version at its top (keys: child, parent)")
    ]


def test_a_real_run_with_one_timestamp_throughout_is_not_one_reply(real: Path) -> None:
    path = next((real / "trajectories/atif/OpenAgentsInc+openagents").rglob("trajectory.json"))
    trajectory = read_run(locate(path)).trajectory
    assert trajectory.step_count == sum(
        len(step.get("tool_calls") or []) for step in json.loads(path.read_text())["steps"]
    )
    assert {step.parallel_group for step in trajectory.steps} == {None}


def test_the_real_linear_history_goes_on_in_its_renamed_file(real: Path) -> None:
    first = next((real / "trajectories/atif/meridianlabs-ai+inspect_scout").rglob("*linear-history.trajectory.json"))
    location = locate(first)
    cont = first.with_name(first.name.replace("trajectory.json", "trajectory.cont-1.json"))
    assert location.claim.files == (first.name, cont.name)
    assert read_run(location).trajectory.step_count == raw_steps(first) + raw_steps(cont) == 7
