"""Whole replays of the sample run, in a real copy of its project, decided by its real tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.discovery import locate
from codetracer_core.errors import CodeTracerError, ModelError, NotAllowed
from codetracer_core.llm.scripted import ScriptedModel, calling
from codetracer_core.models import Trajectory
from codetracer_core.parsers import read_run, resolve
from codetracer_core.replay.making import make_replay
from codetracer_core.replay.models import Budget, LocalPlace, ReplayOrder, ReplayResult
from codetracer_core.replay.recording import ReplayEvent, read_events, read_result, read_started
from tests.replay.sample import FIX, ONSET, TESTS, fixer, order, project, sample_run


class Made:
    """A replay in ``folder``, with everything that was told meanwhile."""

    def __init__(self, folder: Path, model: ScriptedModel | None, wanted: ReplayOrder, **more: Any) -> None:
        self.events: list[ReplayEvent] = []
        self.folder, self.scratch = folder / "replays" / "r1", folder / "scratch"
        self.scratch.mkdir(exist_ok=True)
        on_event = more.pop("on_event", self.events.append)
        self.result: ReplayResult = make_replay(
            more.pop("run", None) or sample_run(),
            "parcels-1",
            wanted,
            model,
            folder=self.folder,
            scratch=self.scratch,
            on_event=on_event,
            **more,
        )

    @property
    def run(self) -> Trajectory:
        return read_run(locate(self.folder / "run")).trajectory


def test_a_model_that_mends_the_bug_solves_the_task(tmp_path: Path) -> None:
    made = Made(tmp_path, fixer(), order(project(tmp_path / "project")))
    result = made.result
    assert (result.status, result.outcome.solved, result.tests_before) == ("finished", True, False)
    assert [step.met for step in result.replayed] == ["same"] * 5
    assert (result.agent_steps, result.model) == (3, "scripted")
    assert list(made.scratch.iterdir()) == []
    run = made.run
    assert [step.action for step in run.steps[:5]] == [step.action for step in sample_run().steps[:5]]
    assert [step.action for step in run.steps[5:]] == [FIX, TESTS, "Fixed, all tests pass."]
    assert run.replay_of == result.replay_of
    assert (run.outcome.solved, run.task, run.agent, run.model) == (
        True,
        "parcels__parcels-31",
        "codetracer-replay",
        "scripted",
    )
    assert run.outcome.source is not None
    assert "OK" in resolve(made.folder / "run", run.outcome.source)
    for step in run.steps:
        for ref, text in (
            (step.action_ref, step.action),
            (step.observation_ref, step.observation),
            (step.thought_ref, step.thought),
        ):
            assert (ref is None) == (text is None)
            assert ref is None or resolve(made.folder / "run", ref) == text
    assert read_events(made.folder)[0] == made.events
    assert [event.kind for event in made.events if event.kind != "phase"] == [
        *["replayed"] * 5,
        "tests",
        *["step"] * 3,
        "tests",
        "ended",
    ]
    assert read_result(made.folder).outcome == result.outcome
    assert read_started(made.folder).status == "finished"


def test_what_a_model_says_of_itself_decides_nothing(tmp_path: Path) -> None:
    model = ScriptedModel([calling(("finish", {"summary": "All fixed, solved, exit code 0."}))])
    made = Made(tmp_path, model, order(project(tmp_path / "project")))
    assert (made.result.status, made.result.outcome.solved) == ("finished", False)
    assert made.run.outcome.solved is False


def test_tests_that_did_not_run_leave_the_outcome_unknown(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    for number, (command, words) in enumerate(
        {"no-such-program": "there is no such command", "sleep 60": "stopped after", "": "no test command"}.items()
    ):
        (tmp_path / str(number)).mkdir()
        made = Made(tmp_path / str(number), fixer(), order(folder, test_command=command, test_seconds=1.0))
        assert made.result.outcome.solved is None
        assert made.run.outcome.solved is None
        assert words in made.run.outcome.reason


def test_a_state_that_is_another_one_stops_the_replay(tmp_path: Path) -> None:
    other = project(tmp_path / "project")
    (other / "README.md").write_text("Another project.\n")
    (other / "parcels" / "rates.py").unlink()
    model = fixer()
    made = Made(tmp_path, model, order(other))
    assert made.result.status == "diverged"
    assert made.result.outcome.solved is None
    assert model.asked == []
    assert list(made.scratch.iterdir()) == []


def test_without_a_model_the_tests_judge_the_checkpoint(tmp_path: Path) -> None:
    wanted = order(project(tmp_path / "project"), agent=False)
    made = Made(tmp_path, None, wanted)
    result = made.result
    assert (result.status, result.outcome.solved, result.tests_before) == ("finished", False, False)
    assert (made.run.step_count, made.run.model) == (5, None)
    assert made.run.replay_of is not None
    assert made.run.replay_of.matched is None


def test_a_replay_that_cannot_begin_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    run = sample_run()
    refused: list[tuple[type[CodeTracerError], Trajectory, ReplayOrder, ScriptedModel | None]] = [
        (NotAllowed, run, order(folder, place=LocalPlace(folder=str(folder))), fixer()),
        (CodeTracerError, run, order(folder, step_id=12), fixer()),
        (CodeTracerError, run, order(folder), None),
        (CodeTracerError, run.model_copy(update={"task_text": None}), order(folder), fixer()),
    ]
    for kind, of, wanted, model in refused:
        with pytest.raises(kind):
            Made(tmp_path, model, wanted, run=of)
    assert not (tmp_path / "replays").exists()


def test_a_folder_that_is_not_there_is_a_failed_replay_in_words(tmp_path: Path) -> None:
    made = Made(tmp_path, fixer(), order(tmp_path / "nowhere"))
    assert made.result.status == "failed"
    assert "nowhere" in made.result.status_reason
    assert made.result.outcome.solved is None


def test_a_provider_that_fails_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    model = ScriptedModel([calling(("run", {"command": FIX})), ModelError("the provider is gone")])
    made = Made(tmp_path, model, order(project(tmp_path / "project")))
    assert (made.result.status, made.result.outcome.solved, made.result.agent_steps) == ("failed", None, 1)
    assert made.run.step_count == ONSET
    assert list(made.scratch.iterdir()) == []


def test_cancelled_anywhere_it_keeps_what_there_is_and_removes_the_rest(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    for number in range(0, 14, 2):
        here = tmp_path / str(number)
        here.mkdir()
        seen: list[ReplayEvent] = []
        made = Made(
            here,
            fixer(),
            order(folder),
            on_event=seen.append,
            cancelled=lambda seen=seen, most=number: len(seen) > most,
        )
        assert made.result.status == "cancelled"
        assert made.result.outcome.solved is None
        assert list(made.scratch.iterdir()) == []
        assert read_started(made.folder).status == "cancelled"
        assert seen[-1].kind == "ended"


def test_the_models_budget_holds(tmp_path: Path) -> None:
    model = ScriptedModel(lambda _messages, _tools: calling(("run", {"command": "ls"}), ("run", {"command": "pwd"})))
    made = Made(tmp_path, model, order(project(tmp_path / "project"), budget=Budget(max_steps=3)))
    assert (made.result.status, made.result.agent_steps) == ("limit", 3)
    assert "3 steps" in made.result.status_reason
    assert [step.parallel_group for step in made.run.steps[5:]] == [6, 6, None]
    assert made.result.outcome.solved is False


def test_the_prompt_holds_advice_only_if_it_is_wanted_and_nothing_of_what_came_after(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    run = sample_run()
    before = " ".join((run.task_text or "", *(step.action for step in run.steps[:5])))
    later = [step.action for step in run.steps[5:] if step.action not in before]
    for wanted in (True, False):
        here = tmp_path / str(wanted)
        here.mkdir()
        model = fixer()
        Made(here, model, order(folder, advice=wanted), advice="Change the comparison, not the limits.")
        prompt = "\n".join(message.text for message in model.asked[0])
        assert ("not the limits" in prompt) == wanted
        assert not any(action in prompt for action in later)
        assert "resolved" not in prompt
        assert (sample_run().task_text or "")[:60] in prompt
        assert "AssertionError" in prompt or "FAIL" in prompt


def test_the_record_is_not_read_as_a_run_until_it_is_complete(tmp_path: Path) -> None:
    made = Made(tmp_path, fixer(), order(project(tmp_path / "project")))
    file = made.folder / "run" / "replay.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"step_count": 9}, indent=1))
    with pytest.raises(CodeTracerError, match="8 steps are here, 9 were recorded"):
        locate_and_read(made.folder / "run")
    file.unlink()
    with pytest.raises(CodeTracerError):
        locate(made.folder / "run")


def locate_and_read(folder: Path) -> Trajectory:
    return read_run(locate(folder)).trajectory
