"""Whatever a run says and a model asks: run text stays quoted, nothing breaks, and what is shown can be quoted."""

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.diagnosis.evidence import find_quote
from codetracer_core.diagnosis.overview import overview
from codetracer_core.diagnosis.reading import RunFolder
from codetracer_core.diagnosis.tools import call_tool
from codetracer_core.diagnosis.visible import CLOSE, OPEN, QUOTED_TEXT
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import ToolRequest
from codetracer_core.models import Branch, Outcome, SourceRef, Step, TestResult, ToolCall, Trajectory
from codetracer_core.parsers import read_run
from codetracer_core.quotes import holds
from tests.conftest import SAMPLE_DATA
from tests.diagnosis.runs import ask, reading_of, run_of
from tests.diagnosis.test_tools import NAMES, RUN


def outside_quotes(text: str) -> str:
    return re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", "", text)


MARK = "ʬ"
_HOSTILE = st.lists(
    st.sampled_from(
        [MARK, OPEN, CLOSE, "\n", "\r", "\x1b[0m", "\x1b", " ", '"', "{", "}", "\\", "`", "</s>", "x" * 60]
    ),
    max_size=40,
).map("".join)


@st.composite
def hostile_runs(draw: st.DrawFn) -> Trajectory:
    def step(number: int) -> Step:
        arguments = {"path": draw(_HOSTILE), "text": draw(_HOSTILE)}
        call = ToolCall(name=draw(_HOSTILE), arguments=draw(st.sampled_from([arguments, draw(_HOSTILE)])))
        return Step(
            step_id=number,
            action=draw(st.sampled_from([call.text(), f"cat {draw(_HOSTILE)}", draw(_HOSTILE)])),
            tool=draw(st.sampled_from([None, call])),
            observation=draw(st.none() | _HOSTILE),
            thought=draw(st.none() | _HOSTILE),
            branch=draw(st.sampled_from([None, f"b{MARK}{CLOSE}"])),
            executed=draw(st.booleans()),
            exit_code=draw(st.sampled_from([None, 0, 1])),
            action_ref=SourceRef(path=draw(_HOSTILE) or "f", line_start=1, line_end=1),
        )

    count = draw(st.integers(1, 5))
    return run_of(
        *(step(number) for number in range(1, count + 1)),
        agent=draw(_HOSTILE),
        task=draw(_HOSTILE),
        task_text=draw(_HOSTILE),
        exit_status=draw(_HOSTILE),
        outcome=Outcome(reason=draw(_HOSTILE)),
        tests=(TestResult(name=draw(_HOSTILE), status=draw(_HOSTILE)),),
        branches=(Branch(branch_id=f"b{MARK}{CLOSE}", name=draw(_HOSTILE), parent_step_id=1),),
    )


_NUMBER = st.integers(-1, 7) | st.none()
_REQUESTS = st.one_of(
    st.tuples(
        st.just("show_tree"),
        st.fixed_dictionaries({}, optional=dict.fromkeys(("first", "last", "stage", "around"), _NUMBER)),
    ),
    st.tuples(
        st.just("read_steps"),
        st.fixed_dictionaries(
            {"steps": st.lists(st.integers(1, 6), min_size=1, max_size=6)},
            optional={
                "field": st.sampled_from(["all", "thought", "action", "observation"]),
                "offset": _NUMBER,
                "limit": _NUMBER,
            },
        ),
    ),
    st.tuples(st.just("search"), st.fixed_dictionaries({"text": st.sampled_from([MARK * 2, f"{MARK} ", "xx", "{}"])})),
    st.tuples(
        st.just("compare_steps"), st.fixed_dictionaries({"first": st.integers(1, 5), "second": st.integers(1, 5)})
    ),
    st.tuples(st.just("file_history"), st.fixed_dictionaries({"path": _HOSTILE})),
    st.tuples(st.just("test_outcomes"), st.just({})),
    st.tuples(st.just("read_task"), st.fixed_dictionaries({}, optional={"offset": _NUMBER, "limit": _NUMBER})),
    st.tuples(
        st.just("raw_lines"),
        st.fixed_dictionaries({"step": st.integers(1, 5), "field": st.sampled_from(["action", "thought"])}),
    ),
)


@settings(max_examples=300, deadline=None)
@given(hostile_runs(), st.lists(_REQUESTS, min_size=1, max_size=6))
def test_no_text_of_a_run_ever_stands_outside_its_quotation(
    run: Trajectory, requests: list[tuple[str, dict[str, Any]]]
) -> None:
    reading = reading_of(run, artifacts=RunFolder(SAMPLE_DATA))
    answers = [overview(reading), *(ask(reading, name, **arguments).text for name, arguments in requests)]
    for text in answers:
        assert MARK not in outside_quotes(text.removeprefix(QUOTED_TEXT))
        assert text.count(OPEN) == text.count(CLOSE)
        assert not {"\x1b", "\r"} & set(text)
    assert reading.read <= {step.step_id for step in run.steps}


@settings(deadline=None)
@given(
    st.sampled_from(NAMES) | st.text(max_size=10),
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["steps", "field", "offset", "text", "path", "first", "second", "step"]),
                inner,
                max_size=4,
            )
        ),
    ).map(json.dumps),
)
def test_nothing_that_a_model_sends_breaks_anything(name: str, arguments: str) -> None:
    reading = reading_of(RUN)
    answer = call_tool(reading, ToolRequest(call_id="c", name=name, arguments=arguments))
    assert answer.text
    assert set(answer.steps) <= reading.read <= set(range(1, 8))


def test_arguments_nested_beyond_all_reason_are_refused() -> None:
    for arguments in ("[" * 100_000, '{"steps": [' + "9" * 5_000 + "]}"):
        answer = call_tool(reading_of(RUN), ToolRequest(call_id="c", name="read_steps", arguments=arguments))
        assert answer.failed


# --- real runs ----------------------------------------------------------------------------------------------


def assert_what_is_shown_can_be_quoted(run: Trajectory) -> None:
    """Lines that ``read_steps`` shows are found in their step, and hold."""
    reading = reading_of(run)
    for step in run.steps:
        for name in ("thought", "action", "observation"):
            text = ask(reading, "read_steps", steps=[step.step_id], field=name).text
            lines = [
                line for block in re.findall(f"{OPEN}\n([^{CLOSE}]*)\n{CLOSE}", text) for line in block.split("\n")
            ]
            for line in lines[:: max(1, len(lines) // 5)]:
                if len(" ".join(line.split())) >= 3:
                    quote = find_quote(line, step)
                    assert quote is not None
                    assert holds(quote, run)


def test_what_a_model_reads_of_the_samples_it_can_quote() -> None:
    for location in discover(SAMPLE_DATA).locations:
        assert_what_is_shown_can_be_quoted(read_run(location).trajectory)


def test_what_a_model_reads_of_real_runs_it_can_quote(real: Path) -> None:
    for location in discover(real / "trajectories").locations[::7]:
        try:
            run = read_run(location).trajectory
        except CodeTracerError:
            continue
        assert_what_is_shown_can_be_quoted(run)
