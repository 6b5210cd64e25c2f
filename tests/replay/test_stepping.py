"""The steps before a checkpoint, run again in a real folder with real processes."""

import shutil
from pathlib import Path

import pytest

from codetracer_core.discovery import locate
from codetracer_core.errors import Cancelled, EnvironmentBroken, NotFound
from codetracer_core.models import Step, ToolCall, Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.replay.models import Checkpoint, Limits, PlannedStep, Ran, ReplayedStep
from codetracer_core.replay.plan import checkpoint
from codetracer_core.replay.stepping import divergence_of, replay_steps
from tests.conftest import SAMPLE_DATA
from tests.replay.plain import PlainEnvironment

REPLAYABLE = SAMPLE_DATA / "replayable"


def run_of(name: str) -> Trajectory:
    return read_run(locate(REPLAYABLE / name)).trajectory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPLAYABLE / "project", tmp_path / "project"))


@pytest.mark.parametrize("name", ["mini-swe-agent", "swe-agent"])
def test_every_step_of_the_samples_does_what_it_did(name: str, project: Path) -> None:
    run = run_of(name)
    planned = checkpoint(run, run.step_count + 1)
    environment = PlainEnvironment(project, session=planned.shell == "session")
    done = replay_steps(planned, environment, divergence=0.0, limits=Limits()).steps
    assert [step.step_id for step in done] == list(range(1, run.step_count + 1))
    assert {step.met for step in done} == {"same", "not_compared"}
    assert {step.step_id for step in done if step.met == "not_compared"} == (
        {10} if name == "mini-swe-agent" else {1, 2, 4, 11}
    )
    assert "(2.01, (5.40" in (project / "parcels/rates.py").read_text() or name == "swe-agent"
    assert "or weight == 2.0:" in (project / "parcels/quote.py").read_text() or name == "mini-swe-agent"
    assert not (project / "reproduce.py").exists()
    assert not (project / "check_limit.py").exists()


def test_paths_of_the_original_are_turned_into_those_of_the_environment(project: Path) -> None:
    environment = PlainEnvironment(project)
    (first,) = replay_steps(checkpoint(run_of("mini-swe-agent"), 2), environment, divergence=1, limits=Limits()).steps
    assert environment.commands == [f"cd {project} && ls && cat README.md"] == [first.command]
    assert str(project) in first.why


def planned_steps(*steps: PlannedStep, folder: str = "") -> Checkpoint:
    return Checkpoint(step_id=len(steps) + 1, steps=steps, folder=folder)


def command(step_id: int, line: str, expected: str | None = "", code: int | None = 0) -> PlannedStep:
    return PlannedStep(step_id=step_id, deed="command", command=line, expected=expected, expected_exit=code)


def test_a_replay_that_leads_elsewhere_is_stopped(project: Path) -> None:
    steps = [command(1, "echo a", "a"), command(2, "echo b", "x"), command(3, "false"), command(4, "touch never")]
    told: list[ReplayedStep] = []
    stepped = replay_steps(
        planned_steps(*steps), PlainEnvironment(project), divergence=0.25, limits=Limits(), on_step=told.append
    )
    assert [step.met for step in stepped.steps] == ["same", "differs", "failed"]
    assert told == list(stepped.steps)
    assert stepped.diverged.startswith("2 of 3 steps that could be compared differ or failed (steps 2, 3)")
    assert not (project / "never").exists()


def test_one_step_alone_is_no_divergence_and_steps_without_record_do_not_count() -> None:
    def replayed(number: int, met: str) -> ReplayedStep:
        return ReplayedStep.model_validate(
            {"step_id": number, "deed": "command", "command": "", "met": met, "at": "2026-01-01T00:00:00Z"}
        )

    assert divergence_of([replayed(1, "failed")], 0.0) == ""
    assert divergence_of([replayed(1, "failed"), replayed(2, "not_compared")], 0.0) == ""
    half = [replayed(1, "failed"), replayed(2, "differs"), replayed(3, "same"), replayed(4, "same")]
    assert divergence_of(half, 0.5) == ""
    assert divergence_of(half, 0.49)


def test_what_is_not_replayable_is_left_out_and_told(project: Path) -> None:
    lost = PlannedStep(step_id=1, deed="not_replayable", command="C-d", why="presses C-d")
    stepped = replay_steps(
        planned_steps(lost, command(2, "echo on", "on")), PlainEnvironment(project), divergence=0, limits=Limits()
    )
    assert [(step.deed, step.met, step.why) for step in stepped.steps] == [
        ("not_replayable", "not_compared", "presses C-d"),
        ("command", "same", ""),
    ]


def test_the_time_for_all_commands_ends_the_replay(project: Path) -> None:
    limits = Limits(total_seconds=0.3)
    stepped = replay_steps(
        planned_steps(command(1, "sleep 20"), command(2, "touch never")),
        PlainEnvironment(project),
        divergence=1,
        limits=limits,
    )
    assert [(step.step_id, step.met) for step in stepped.steps] == [(1, "failed")]
    assert stepped.out_of_time.endswith("were over before step 2")
    assert not (project / "never").exists()


def test_somebody_stops_it(project: Path) -> None:
    environment = PlainEnvironment(project)
    told: list[ReplayedStep] = []
    with pytest.raises(Cancelled):
        replay_steps(
            planned_steps(command(1, "true"), command(2, "touch never")),
            environment,
            divergence=1,
            limits=Limits(),
            on_step=told.append,
            cancelled=lambda: bool(told),
        )
    assert [step.step_id for step in told] == [1]
    assert environment.commands == ["true"]


def test_a_lost_environment_ends_the_replay(project: Path) -> None:
    class Lost(PlainEnvironment):
        def run(self, command: str, **_: object) -> Ran:  # type: ignore[override]
            raise EnvironmentBroken("the environment is gone")

    with pytest.raises(EnvironmentBroken):
        replay_steps(planned_steps(command(1, "true")), Lost(project), divergence=1, limits=Limits())


def test_a_session_goes_on_where_it_was(project: Path) -> None:
    def bash(number: int, line: str, answer: str) -> Step:
        return Step(
            step_id=number, action=line, tool=ToolCall(name="Bash", arguments={"command": line}), observation=answer
        )

    steps = (bash(1, "cd parcels && export WHO=me", ""), bash(2, "basename $PWD; echo $WHO", "parcels\nme"))
    run = Trajectory(format="claude-code", view="x", steps=steps)
    planned = checkpoint(run, 3)
    assert planned.shell == "session"
    stepped = replay_steps(planned, PlainEnvironment(project, session=True), divergence=0, limits=Limits())
    assert [step.met for step in stepped.steps] == ["same", "same"]


def test_a_step_that_the_run_does_not_have() -> None:
    run = run_of("mini-swe-agent")
    for number in (0, 12):
        with pytest.raises(NotFound, match="from 1 to 11"):
            checkpoint(run, number)
    assert checkpoint(run, 1).steps == ()
