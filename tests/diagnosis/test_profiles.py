"""A diagnosis as a file: exactly the shapes that others read, checked against the run, and read back by ourselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.diagnosis.heuristic import diagnose_offline
from codetracer_core.diagnosis.profiles import CORRECT_REWARD, REWARDS, as_profile, validate_profile
from codetracer_core.diagnosis_models import PROFILES, Diagnosis, Profile, StepFinding
from codetracer_core.discovery import discover, locate
from codetracer_core.errors import CodeTracerError
from codetracer_core.label_files import Unsaid, read_labels
from codetracer_core.models import Step, Trajectory
from codetracer_core.parsers import read_run
from tests.conftest import SAMPLE_DATA
from tests.diagnoses import citation, diagnosis
from tests.small_runs import ACTIONS, write_run

RUN = Trajectory(
    format="swe-agent",
    view="run.traj",
    steps=tuple(
        Step(step_id=number, action=action, observation=f"saw {number}") for number, action in enumerate(ACTIONS, 1)
    ),
)
STAGES = diagnosis().stages


def written(profile: Profile, run: Trajectory = RUN, made: Diagnosis | None = None) -> Any:
    return json.loads(as_profile(made or diagnosis(), run, profile)[1])


def test_tracebench_labels_the_steps_of_each_stage() -> None:
    assert as_profile(diagnosis(), RUN, "tracebench")[0] == "codetracer_labels.json"
    assert written("tracebench") == [
        {
            "stage_id": 2,
            "incorrect_step_ids": [3],
            "unuseful_step_ids": [4],
            "reasoning": "Step 3: It replaced every letter a. Step 4: Read again.",
        }
    ]


def test_detailed_tells_the_whole_story() -> None:
    assert as_profile(diagnosis(), RUN, "detailed")[0] == "codetracer_analysis.json"
    assert written("detailed") == {
        "root_cause_chain": ["Step 3: All letters were replaced.", "Step 5: The tests broke."],
        "critical_decision_points": [{"step_id": 3, "decision": "used sed", "should_have": "used an editor"}],
        "correct_strategy": "Read the test first.",
        "stage_labels": written("tracebench"),
        "summary": "The agent edited the wrong file.",
    }


def test_rl_feedback_judges_every_step_and_says_what_it_does_not_know() -> None:
    assert as_profile(diagnosis(), RUN, "rl_feedback")[0] == "codetracer_rl_feedback.json"
    told = written("rl_feedback")
    assert [(one["step_id"], one["verdict"], one["reward_signal"]) for one in told] == [
        (1, "correct", CORRECT_REWARD),
        (2, "unlabelled", 0.0),
        (3, "incorrect", -1.0),
        (4, "unuseful", -0.2),
        (5, "unlabelled", 0.0),
        (6, "unlabelled", 0.0),
    ]
    assert told[2] == {
        "step_id": 3,
        "verdict": "incorrect",
        "deviation_type": "wrong_target",
        "correct_alternative": "Edit the function only.",
        "impact_severity": "critical",
        "reasoning": "It replaced every letter a.",
        "reward_signal": -1.0,
    }
    assert told[1]["reasoning"] == "It was never read."
    assert told[4]["reasoning"] == "It was called incorrect, but the run holds none of the evidence given."


def test_what_a_minority_of_samples_says_is_neither_a_label_nor_correct() -> None:
    doubtful = diagnosis().findings[0].model_copy(update={"support": 1 / 3})
    made = diagnosis(findings=(doubtful,))
    assert written("tracebench", made=made) == []
    assert written("rl_feedback", made=made)[2]["verdict"] == "unlabelled"
    assert "33% of the samples" in written("rl_feedback", made=made)[2]["reasoning"]


@pytest.mark.parametrize("status", ["partial", "cancelled"])
def test_a_diagnosis_that_was_stopped_calls_nothing_correct(status: str) -> None:
    told = written("rl_feedback", made=diagnosis(status=status))
    assert [one["verdict"] for one in told] == [
        *("unlabelled", "unlabelled", "incorrect", "unuseful", "unlabelled", "unlabelled")
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_failed_diagnosis_is_not_written_as_a_clean_run(profile: Profile) -> None:
    with pytest.raises(CodeTracerError, match="failed and says nothing"):
        as_profile(diagnosis(status="failed"), RUN, profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_diagnosis_of_another_reading_of_the_run_is_refused(profile: Profile) -> None:
    shorter = RUN.model_copy(update={"steps": RUN.steps[:3]})
    with pytest.raises(CodeTracerError, match=r"does not fit the run .*There is no step 4"):
        as_profile(diagnosis(), shorter, profile)
    other = RUN.model_copy(update={"steps": tuple(s.model_copy(update={"observation": "?"}) for s in RUN.steps)})
    with pytest.raises(CodeTracerError, match="does not say any more what is quoted for step 3"):
        as_profile(diagnosis(), other, profile)
    longer = RUN.model_copy(update={"steps": (*RUN.steps, Step(step_id=7, action="exit", observation=""))})
    with pytest.raises(CodeTracerError, match="Step 7 is at the end in no stage"):
        as_profile(diagnosis(), longer, profile)


def test_labels_are_imported_again_as_they_are(tmp_path: Path) -> None:
    """By the reader behind ``codetracer labels import``."""
    name, text = as_profile(diagnosis(), RUN, "tracebench")
    folder = tmp_path / "run-1"
    folder.mkdir()
    (folder / name).write_text(text, encoding="utf-8")
    read = read_labels(folder / name, Unsaid(annotator="a-model", source="model"), read_at=diagnosis().finished_at)
    assert (read.kind, read.problems, read.notes) == ("stage labels", (), ())
    events = [label.event for label in read.labels]
    assert {event.run_id for event in events} == {"run-1"}
    assert {event.step_id: event.value for event in events if event.field == "verdict"} == {
        3: "incorrect",
        4: "unuseful",
    }
    reasons = [event.value for event in events if event.field == "stage_reasons"]
    assert reasons == [[{"stage_id": 2, "reasoning": "Step 3: It replaced every letter a. Step 4: Read again."}]]


def test_stages_are_split_where_a_diagnosis_names_none(tmp_path: Path) -> None:
    run = read_run(locate(write_run(tmp_path / "run.traj"))).trajectory
    made = diagnosis(stages=())
    assert {one["stage_id"] for one in written("tracebench", run, made)} <= {1, 2, 3}
    assert len(written("rl_feedback", run, made)) == 6


@pytest.mark.parametrize("profile", PROFILES)
def test_every_sample_run_gives_valid_files_and_one_without_steps_none(profile: Profile) -> None:
    for location in discover(SAMPLE_DATA).locations:
        run = read_run(location).trajectory
        made = diagnose_offline(run, run_id="r")
        if not run.steps:
            with pytest.raises(CodeTracerError, match="says nothing of its run"):
                written(profile, run, made)
            continue
        payload = written(profile, run, made)
        assert validate_profile(profile, payload, run.step_count, made.stages) == []


# --- the check by itself ------------------------------------------------------------------------------------


def labels(**fields: Any) -> list[dict[str, Any]]:
    return [{"stage_id": 1, "incorrect_step_ids": [], "unuseful_step_ids": [], "reasoning": ""} | fields]


def feedback(**fields: Any) -> list[dict[str, Any]]:
    told = written("rl_feedback")
    return [told[0] | fields, *told[1:]]


@pytest.mark.parametrize(
    ("profile", "payload", "words"),
    [
        ("tracebench", labels(incorrect_step_ids=[3]), "Step 3 is not in stage 1."),
        ("tracebench", labels(unuseful_step_ids=[7]), "Step 7 is not in stage 1."),
        ("tracebench", labels(stage_id=9), "Stage 9 is none of the run."),
        ("tracebench", labels() * 2, "Stage 1 stands twice."),
        ("tracebench", labels(incorrect_step_ids=[1], unuseful_step_ids=[1]), "Step 1 is both"),
        ("tracebench", labels(incorrect_step_ids=["1"]), "valid integer"),
        ("tracebench", labels(more=1), "not permitted"),
        ("tracebench", {}, "valid list"),
        ("detailed", written("detailed") | {"stage_labels": labels(stage_id=9)}, "Stage 9 is none of the run."),
        (
            "detailed",
            written("detailed") | {"critical_decision_points": [{"step_id": 7, "decision": "", "should_have": ""}]},
            "There is no step 7 for a decision point.",
        ),
        ("detailed", {}, "Field required"),
        ("rl_feedback", feedback()[1:], "not 1 to 6"),
        ("rl_feedback", [*feedback(), feedback()[0]], "not 1 to 6"),
        ("rl_feedback", feedback(reward_signal=1.1), "less than or equal to 1"),
        ("rl_feedback", feedback(reward_signal=float("nan")), "reward_signal"),
        ("rl_feedback", feedback(verdict="wrong"), "verdict"),
        ("rl_feedback", feedback(verdict="incorrect"), "Step 1 is incorrect, and its reward is 1."),
        ("rl_feedback", feedback(reward_signal=-0.5), "Step 1 is correct, and its reward is -0.5."),
        ("rl_feedback", feedback(impact_severity="minor"), "has a deviation or a severity"),
        ("rl_feedback", feedback(deviation_type="bad"), "deviation_type"),
    ],
)
def test_a_file_that_does_not_fit_its_run_is_told_in_words(profile: Profile, payload: Any, words: str) -> None:
    assert words in " ".join(validate_profile(profile, payload, 6, STAGES))


@pytest.mark.parametrize("profile", PROFILES)
def test_stages_that_leave_a_step_out_are_told(profile: Profile) -> None:
    assert validate_profile(profile, written(profile), 6, STAGES) == []
    assert "Steps 3 to 6 are at the end in no stage." in validate_profile(profile, written(profile), 6, STAGES[:1])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["incorrect", "unuseful"]), st.booleans()), max_size=6))
def test_whatever_was_found_the_files_are_valid(found: list[tuple[int, Any, bool]]) -> None:
    findings = tuple(
        StepFinding(step_id=n, verdict=verdict, reasoning="r", citations=(citation(n, f"saw {n}", held=held),))
        for n, (verdict, held) in {n: (verdict, held) for n, verdict, held in found}.items()
    )
    made = diagnosis(findings=findings)
    for profile in PROFILES:
        assert validate_profile(profile, written(profile, made=made), 6, STAGES) == []
    verdicts = {one["step_id"]: one["verdict"] for one in written("rl_feedback", made=made)}
    assert {n for n, verdict in verdicts.items() if verdict in ("incorrect", "unuseful")} == {
        one.step_id for one in made.accepted
    }


def test_rewards_are_ordered_as_the_harm_is() -> None:
    assert all(-1.0 <= reward < 0.0 for reward in REWARDS.values())
    for verdict in ("incorrect", "unuseful"):
        by_severity = [REWARDS[verdict, severity] for severity in ("critical", "moderate", "minor")]
        assert by_severity == sorted(by_severity)
        assert REWARDS[verdict, "none"] == REWARDS[verdict, "moderate"]
    assert max(REWARDS["incorrect", severity] for severity in ("critical", "moderate", "minor")) < min(
        REWARDS["unuseful", severity] for severity in ("critical", "moderate", "minor")
    )
