"""The words in which CodeTracer talks to a language model: messages, tools, replies, and the protocol of a model."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from pydantic import Field

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.models import Frozen


class ToolSpec(Frozen):
    """A tool that the model may call."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of its arguments, an object."""


class ToolRequest(Frozen):
    """One call of a tool as the model made it. ``arguments`` is JSON text that nobody has checked yet."""

    call_id: str
    name: str
    arguments: str


class Message(Frozen):
    """One message of a conversation. A message with role "tool" answers the call ``call_id``.

    Every call of an assistant's message is answered, before anybody says anything else: providers insist on that.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    tool_requests: tuple[ToolRequest, ...] = ()
    call_id: str | None = None


class Reply(Frozen):
    """What the model said.

    ``usage`` includes tries whose answers broke off: they are billed as well, and were counted here.
    ``is_cut``: it stopped because its answer became too long; the arguments of its last call may be half there.
    ``replayed``: it comes from a journal. Its usage was paid for in an earlier session, not now.
    """

    text: str = ""
    tool_requests: tuple[ToolRequest, ...] = ()
    usage: CallUsage = CallUsage(calls=1)
    is_cut: bool = False
    replayed: bool = False


class Price(Frozen):
    """In US dollars per million tokens."""

    prompt: float = Field(ge=0.0)
    completion: float = Field(ge=0.0)
    cached: float | None = Field(default=None, ge=0.0)
    """Of prompt tokens that the provider had in its cache; None: like the others."""

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """In US dollars. ``prompt_tokens`` include the cached ones."""
        cached = self.prompt if self.cached is None else self.cached
        prompt = (prompt_tokens - cached_tokens) * self.prompt + cached_tokens * cached
        return (prompt + completion_tokens * self.completion) / 1e6


class Model(Protocol):
    """A language model. How it is reached, and whether its provider knows tools or only JSON or neither, is its own
    business: whoever asks always gets calls of the tools that were offered."""

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int:
        """Size of its window: prompt and answer together."""

    @property
    def price(self) -> Price | None:
        """None: not known."""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        must_call: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """Ask once; temporary failures are tried again. ``must_call`` names the tool that has to be called.

        ``on_text`` receives the text as it arrives; after a failure in the middle of an answer it begins anew.
        Raises ContextOverflow, Cancelled, ModelError.
        """

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        """About how many prompt tokens these are."""
