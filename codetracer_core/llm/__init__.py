"""Language models: one small protocol, any provider behind it, and a scripted model for tests and demos."""

from codetracer_core.llm.protocol import Message, Model, Price, Reply, ToolRequest, ToolSpec
from codetracer_core.llm.scripted import ScriptedModel, calling

__all__ = [
    "Message",
    "Model",
    "Price",
    "Reply",
    "ScriptedModel",
    "ToolRequest",
    "ToolSpec",
    "calling",
]
