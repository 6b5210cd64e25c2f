"""The file of a run's steps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.models import Step, ToolCall
from codetracer_core.store.files import read_steps, write_steps


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(st.text(), st.none() | st.text(), st.none() | st.text()), min_size=1, max_size=4))
def test_any_text_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str | None, str | None]]
) -> None:
    steps = [
        Step(step_id=n, action=action, observation=observation, thought=thought, tool=ToolCall(name=action))
        for n, (action, observation, thought) in enumerate(texts, start=1)
    ]
    path = tmp_path_factory.mktemp("text") / "steps.parquet"
    assert write_steps(path, steps) == path.stat().st_size
    assert [Step.model_validate(row) for row in read_steps(path)] == steps
