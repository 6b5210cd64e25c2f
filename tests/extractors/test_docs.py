"""What the page on extractors shows is true: its examples are run, its limits and checks are the real ones."""

import re
from pathlib import Path

import pytest

from codetracer_core.errors import SpecError
from codetracer_core.extractors import checks
from codetracer_core.extractors.engine import SpecLimits
from codetracer_core.extractors.limits import LARGEST_SPEC, LONGEST_EXPRESSION
from codetracer_core.extractors.paths import FUNCTIONS, PLACES
from codetracer_core.extractors.schema import (
    AnswerRule,
    DetailRule,
    ExtractorSpec,
    FactName,
    Rule,
    StepRule,
    ThoughtRule,
)
from codetracer_core.extractors.schema_sources import Find, Source
from codetracer_core.extractors.schema_takes import Operation
from codetracer_core.extractors.spec import LANGUAGE, read_spec
from codetracer_core.parsers import resolve
from tests.conftest import REPOSITORY
from tests.extractors.runs import run, write

PAGE = (REPOSITORY / "docs" / "extractors.md").read_text(encoding="utf-8")
EXAMPLES = {
    section.partition(":")[0]: section for section in re.split(r"(?m)^## ", PAGE)[1:] if "\nThe spec:\n" in section
}


def _rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    table = text.partition(head)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[1:]]


def test_there_is_an_example_of_each_kind_of_record() -> None:
    kinds = Source.model_fields["kind"].annotation
    assert set(EXAMPLES) == set(kinds.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_makes_the_steps_that_stand_below_it(tmp_path: Path, kind: str) -> None:
    section = EXAMPLES[kind]
    files = dict(re.findall(r"(?m)^`([^`\n]+)`\n\n```\w+\n((?:.*\n)*?)```$", section))
    (text,) = re.findall(r"(?s)```yaml\n(.*?)```", section)
    spec = read_spec(text)
    assert any(source.kind == kind for source in spec.sources)
    found = run(spec, write(tmp_path, files))
    steps = [
        [str(step.step_id), step.action, step.observation or "", step.thought or "", "" if code is None else str(code)]
        for step in found.trajectory.steps
        for code in [step.exit_code]
    ]
    assert steps == _rows(section, "| step | action | observation | thought | exit code |")
    judged = checks.judge([found])
    assert judged.passed, [check for check in judged.checks if check.passed is False]
    for step in found.trajectory.steps:
        assert step.action_ref is not None
        assert step.action in resolve(tmp_path, step.action_ref)


def test_limits_and_checks_are_the_real_ones() -> None:
    limits = {name: most for name, most, _ in _rows(PAGE, "| limit | most | of what |")}
    assert limits == {
        name: f"{value:,g}" if name == "seconds" else f"{value:,}" for name, value in vars(SpecLimits()).items()
    }
    assert f"at most {LARGEST_SPEC:,} characters, a path or pattern {LONGEST_EXPRESSION:,}" in PAGE
    asked = {name: float(least) for name, _, least in _rows(PAGE, "| check | asks | passes from |")}
    assert asked == checks._LEAST


def test_the_words_of_errors_are_the_real_ones(tmp_path: Path) -> None:
    (finch,) = re.findall(r"(?s)```yaml\n(.*?)```", EXAMPLES["json"])
    with pytest.raises(SpecError) as caught:
        read_spec(finch.replace("      action:", "      acton:"), path="finch.yaml")
    line = finch.splitlines().index("      action: command") + 1
    shown = re.search(r"finch\.yaml, line \d+: .*", PAGE)
    assert shown is not None
    assert str(caught.value).startswith(re.sub(r"line \d+", f"line {line}", shown[0]))
    write(
        tmp_path,
        {
            "run-7.json": dict(re.findall(r"(?m)^`([^`\n]+)`\n\n```\w+\n((?:.*\n)*?)```$", EXAMPLES["json"]))[
                "run-7.json"
            ]
        },
    )
    with pytest.raises(SpecError) as stopped:
        run(read_spec(finch), tmp_path, limits=SpecLimits(steps=1))
    said = str(stopped.value).replace(f"{tmp_path}/", "").replace("more than 1 steps", "more than 20,000 steps")
    assert said in PAGE


def test_the_reference_names_every_field_and_function() -> None:
    words = set(re.findall(r"[A-Za-z_]+", LANGUAGE))
    models = (ExtractorSpec, Find, Source, Rule, StepRule, AnswerRule, ThoughtRule, DetailRule, Operation)
    fields = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert fields | set(FUNCTIONS) | set(PLACES) | set(FactName.__args__) <= words  # type: ignore[attr-defined]
