"""Language models: one small protocol, any provider behind it, and a scripted model for tests and demos.

    model = open_model("openai/gpt-5")
    reply = model.complete([Message(role="user", text="…")], tools=[…])
    answer = read_answer(reply.tool_requests[0].arguments, SomeAnswer)

``recorded`` keeps a journal, so that what was paid for once is not paid for again.
"""

from codetracer_core.llm.journal import recorded
from codetracer_core.llm.modes import Mode
from codetracer_core.llm.protocol import Message, Model, Price, Reply, ToolRequest, ToolSpec
from codetracer_core.llm.provider import open_model
from codetracer_core.llm.reading import read_arguments
from codetracer_core.llm.scripted import ScriptedModel, calling
from codetracer_core.llm.structured import UnusableAnswer, as_tool, read_answer

__all__ = [
    "Message",
    "Mode",
    "Model",
    "Price",
    "Reply",
    "ScriptedModel",
    "ToolRequest",
    "ToolSpec",
    "UnusableAnswer",
    "as_tool",
    "calling",
    "open_model",
    "read_answer",
    "read_arguments",
    "recorded",
]
