"""What anybody says of a run (benchmark, people, models) can reach no answer that a diagnosing model gets.

A workspace is filled with labels, stages, notes and paths that all carry a mark; the run is taken out of it, and every
tool is asked for everything it could be asked for.
"""

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codetracer_core.diagnosis
from codetracer_core.diagnosis import diagnose
from codetracer_core.diagnosis.answers import Submission
from codetracer_core.diagnosis.evidence import check
from codetracer_core.diagnosis.overview import overview
from codetracer_core.diagnosis.reading import Reading, RunFolder
from codetracer_core.diagnosis.tools import call_tool, tool_specs
from codetracer_core.diagnosis_models import STRATEGIES, DiagnosisSettings, Strategy
from codetracer_core.importing import import_runs
from codetracer_core.llm import Message, Reply, ScriptedModel, ToolRequest, ToolSpec, calling
from codetracer_core.models import Stage, Trajectory
from codetracer_core.store import Reader, Store
from codetracer_core.workflow import stored_run
from tests.diagnoses import diagnosis
from tests.diagnosis.runs import ask, reading_of
from tests.small_runs import ACTIONS, manifest_row, write_manifest, write_run
from tests.store.factory import make_label

MARK = "leak7f3a"
"""In everything that a model must not see, and in nothing else."""
RUN = f"run-{MARK}"

Planted = tuple[Reader, Path]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A workspace with one run of a benchmark of whose folder, row and labels everything is marked; and its folder."""
    root = tmp_path_factory.mktemp("bench")
    folder = root / "extracted"
    write_run(folder / "run.traj")
    for name in ("codetracer_labels.json", "stage_ranges.json", "tree.md", "annotation.json"):
        (folder / name).write_text(json.dumps([{"stage_id": 1, "incorrect_step_ids": [3], "reasoning": MARK}]))
    excerpt = {"path": f"annotations/{MARK}", "line_start": 1, "line_end": 1, "content": f"text {MARK}"}
    step = {"step_id": 3, "labels": ["incorrect"], "action_ref": excerpt, "observation_ref": excerpt}
    row = manifest_row(
        RUN,
        difficulty=MARK,
        category=MARK,
        tags=[MARK],
        solved=True,
        stages=[{"stage_id": 1, "start_step_id": 1, "end_step_id": 6, "name": f"stage {MARK}"}],
        source_relpath="extracted",
        annotation_relpath=f"annotations/{MARK}",
        artifact_path=None,
        incorrect_stages=[
            {"stage_id": 1, "incorrect_step_ids": [3, 99], "unuseful_step_ids": [3], "steps": [step], "why": MARK}
        ],
        expert_notes=MARK,
    )
    manifest = write_manifest(root / f"bench_manifest.{MARK}.jsonl", [row])
    with Store.open(root / "workspace") as store:
        report = import_runs([root], store=store, manifest=manifest, collection=f"collection {MARK}")
        assert report.counts["imported"] == 1
        said = [
            ("verdict", 4, "unuseful"),
            ("details", 4, {"reason": MARK, "correct_alternative": MARK}),
            ("omission", 4, MARK),
            ("note", None, MARK),
            ("tags", None, [MARK]),
            ("stages", None, [Stage(stage_id=1, start_step_id=1, end_step_id=6, name=MARK).model_dump()]),
        ]
        events = [
            make_label(number, value, run_id=RUN, field=field, step_id=step_id, annotator=f"ana {MARK}", source=source)
            for source in ("human", "adjudicated")
            for number, (field, step_id, value) in enumerate(said, 1 if source == "human" else 50)
        ]
        store.add_label_events(events)
        store.add_diagnosis(diagnosis(run_id=RUN, summary=MARK, correct_strategy=MARK, model=f"model/{MARK}"), ())
    with Store.open_for_reading(root / "workspace") as reader:
        yield reader, folder


def reading(planted: Planted, **settings_: Any) -> Reading:
    """As the run is taken from the workspace to be diagnosed, even with its notes still on it."""
    reader, folder = planted
    return reading_of(reader.load_run(RUN).trajectory, artifacts=RunFolder(folder), **settings_)


def test_the_workspace_knows_what_must_not_be_told(planted: Planted) -> None:
    """Else the tests below would prove nothing."""
    reader, _ = planted
    record = reader.load_run(RUN)
    assert MARK in json.dumps(record.benchmark)
    assert MARK in record.collection
    assert MARK in "".join(record.trajectory.outcome.reason)  # the manifest's name
    assert any("Ground truth" in note for note in record.trajectory.notes)
    assert [stage.name for stage in stored_run(reader, RUN).stages] == [f"stage {MARK}"]
    labels = reader.labels(run_id=RUN)
    assert {label.source for label in labels} == {"human", "adjudicated", "ground_truth", "model"}
    assert sum(MARK in label.model_dump_json().replace(RUN, "") for label in labels) > 10


_WORDS = st.sampled_from(
    [
        MARK,
        "leak",
        "incorrect",
        "label",
        "stage",
        "annotation",
        "ground truth",
        "s/a/b/",
        "saw",
        "/",
        "..",
        "*",
        "app.py",
    ]
) | st.text(min_size=1, max_size=8)
_NUMBER = st.integers(-2, 120)
_VALUE = _NUMBER | _WORDS | st.none() | st.lists(_NUMBER, max_size=13)
_NAMES = tuple(spec.name for spec in tool_specs())
_ARGUMENTS = {spec.name: tuple(spec.parameters["properties"]) for spec in tool_specs()}


@st.composite
def _requests(draw: st.DrawFn) -> ToolRequest:
    name = draw(st.sampled_from(_NAMES))
    fitting: dict[str, st.SearchStrategy[Any]] = {
        "steps": st.lists(st.integers(1, 6), min_size=1, max_size=6),
        "field": st.sampled_from(["all", "thought", "action", "observation"]),
        "text": _WORDS,
        "path": _WORDS,
    }
    arguments = {
        key: draw(fitting.get(key, st.integers(1, 6)) if draw(st.booleans()) else _VALUE)
        for key in _ARGUMENTS[name]
        if draw(st.booleans()) or key in ("steps", "text", "path", "first", "second", "step")
    }
    return ToolRequest(call_id="c", name=name, arguments=json.dumps(arguments))


def assert_clean(text: str, request: str = "") -> None:
    """A model may be told its own words again, nothing else that is marked."""
    if MARK not in request:
        assert MARK not in text
    for word in ("Ground truth", "annotation.json", "codetracer_labels", "manifest", "incorrect"):
        assert word in request or word not in text


@settings(max_examples=300, deadline=None)
@given(st.lists(_requests(), min_size=1, max_size=5), st.booleans())
def test_no_answer_of_any_tool_tells_it(planted: Planted, requests: list[ToolRequest], show_outcome: bool) -> None:
    asked = reading(planted, show_outcome=show_outcome)
    for request in requests:
        assert_clean(call_tool(asked, request).text, request.arguments)


QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("show_tree", {}),
    ("show_tree", {"stage": 1}),
    ("read_steps", {"steps": list(range(1, len(ACTIONS) + 1))}),
    ("search", {"text": "saw"}),
    ("compare_steps", {"first": 2, "second": 4}),
    ("file_history", {"path": "app.py"}),
    ("test_outcomes", {}),
    *(("raw_lines", {"step": n, "field": f}) for n in range(1, 7) for f in ("thought", "action", "observation")),
)


def test_no_answer_to_any_plain_question_tells_it(planted: Planted) -> None:
    asked = reading(planted)
    assert_clean(overview(asked, 20_000))
    for name, arguments in QUESTIONS:
        answer = ask(asked, name, **arguments)
        assert_clean(answer.text)
        assert not answer.failed
    found = ask(asked, "search", text=MARK)
    assert found.text.startswith("No step holds this text.")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_prompt_of_a_whole_diagnosis_tells_it(planted: Planted, strategy: Strategy) -> None:
    """Also not by way of a model that asks for everything, hands in nonsense and is asked again."""
    reader, folder = planted
    said = {"step_id": 3, "verdict": "incorrect", "reasoning": "r", "evidence": [{"step_id": 4, "quote": "no such"}]}
    handed_in = {"case_for_clean_run": "c", "conclusion": "error_found", "summary": "s", "findings": [said]}
    answers: dict[str, dict[str, Any]] = {
        "submit_diagnosis": handed_in,
        "judge_part": {"thought": "t", "findings": [said]},
        "choose_half": {"half": "first", "reasoning": "r"},
    }
    asked_all = False

    def script(_: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        nonlocal asked_all
        offered = {tool.name for tool in tools}
        if "search" in offered and not asked_all:
            asked_all = True
            return calling(*QUESTIONS)
        return calling(*((name, arguments) for name, arguments in answers.items() if name in offered))

    model = ScriptedModel(script)
    made = diagnose(
        reader.load_run(RUN).trajectory,
        run_id=RUN,
        model=model,
        settings=DiagnosisSettings(strategy=strategy, samples=2),
        artifacts=RunFolder(folder),
    )
    assert made.diagnosis.status == "complete"
    assert asked_all == (strategy == "agent")
    prompts = {message for messages in model.asked for message in messages}
    assert len(prompts) > 3
    for message in prompts:
        assert MARK not in message.model_dump_json()
        for word in ("Ground truth", "annotation.json", "codetracer_labels", "manifest"):
            assert word not in message.text


def test_no_problem_that_is_sent_back_tells_it(planted: Planted) -> None:
    asked = reading(planted)
    asked.read.update({1, 3, 4})
    said = {"step_id": 3, "verdict": "incorrect", "reasoning": "r", "evidence": [{"step_id": 4, "quote": "no such"}]}
    submission = Submission.model_validate(
        {
            "case_for_clean_run": "",
            "conclusion": "no_error_found",
            "summary": "",
            "findings": [said, said | {"step_id": 2}],
        }
    )
    problems = check(submission, asked).problems
    assert len(problems) == 3
    assert MARK not in " ".join(problems)


def test_only_what_the_run_says_is_in_a_reading() -> None:
    """Whoever adds a field to these must think of the prompt."""
    assert set(Reading.__dataclass_fields__) == {
        *("trajectory", "tree", "stages", "artifacts", "show_outcome", "answer_characters", "read")
    }
    told = {"steps", "agent", "task_text", "outcome", "exit_status", "tests", "branches"}
    assert _attributes_of_the_trajectory() <= told | {"step_count"}
    assert not told & {"notes", "trial", "format", "view", "task"}
    assert told <= set(Trajectory.model_fields)


_SEEN_BY_THE_MODEL = (
    "reading",
    "tools",
    "tool_arguments",
    "condensed",
    "looking",
    "overview",
    "tree_map",
    "visible",
    "evidence",
)


def _attributes_of_the_trajectory() -> set[str]:
    """The fields of the trajectory that the modules which write for the model look at."""
    fields = {*Trajectory.model_fields, "step_count"}
    nodes = (node for tree in _sources() for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if node.attr in fields and _is_trajectory(node.value)}


def _is_trajectory(owner: ast.expr) -> bool:
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name in ("run", "trajectory")


def _sources() -> Iterator[ast.Module]:
    folder = Path(codetracer_core.diagnosis.__path__[0])
    for name in _SEEN_BY_THE_MODEL:
        yield ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))


def test_no_module_that_writes_for_the_model_knows_labels() -> None:
    """The layering contract forbids the store and the benchmark; this forbids their models as well."""
    forbidden = {"RunRecord", "GroundTruth", "LabelEvent", "LabelDetails", "Basis", "Insight", "open", "import_module"}
    modules = {"os", "subprocess", "shutil", "glob", "importlib", "socket"}
    for tree in _sources():
        nodes = list(ast.walk(tree))
        imported = {
            alias.name for node in nodes if isinstance(node, ast.ImportFrom | ast.Import) for alias in node.names
        }
        called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not imported & (forbidden | modules)
        assert not called & forbidden
