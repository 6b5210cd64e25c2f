"""One sample's conversation with the model: it is kept within the window and the budget, and written down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from codetracer_core.diagnosis.answers import FindingAnswer, Submission
from codetracer_core.diagnosis.budget import Budget, LimitReached
from codetracer_core.diagnosis.compaction import HEAD, SHORTEST, last_turn_only, shortened, turns_of, without_oldest
from codetracer_core.diagnosis.evidence import Checked
from codetracer_core.diagnosis.progress import Progress, ProgressKind
from codetracer_core.diagnosis.prompts import prompt
from codetracer_core.diagnosis.reading import CHARACTERS_PER_TOKEN, Reading
from codetracer_core.diagnosis_models import CallUsage, DiagnosisSettings
from codetracer_core.errors import Cancelled, ContextOverflow, ModelError
from codetracer_core.llm import Message, Model, Reply, ToolRequest, ToolSpec

ANSWER_TOKENS = 16_000
"""Kept free for an answer, but never more than a quarter of the window."""
MOST_CALLS = 50
"""Calls of one reply that are heard; what comes after them was never said."""


@dataclass
class Notebook:
    """What must survive whatever happens to the conversation: thoughts, and labels given so far, by step."""

    thoughts: list[str] = field(default_factory=list)
    findings: dict[int, FindingAnswer] = field(default_factory=dict)
    insights: list[str] = field(default_factory=list)

    def text(self, characters: int) -> str:
        return _last([f"- {thought}" for thought in self.thoughts], characters)

    def findings_text(self, characters: int) -> str:
        told = sorted(self.findings.items())
        return _last([f"- step {step}: {one.verdict}: {one.reasoning[:500]}" for step, one in told], characters)


@dataclass
class Talk:
    """The conversation of one sample, and everything around it."""

    model: Model
    settings: DiagnosisSettings
    budget: Budget
    reading: Reading
    sample: int
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    write: Callable[[Mapping[str, Any]], None]
    """Takes the entries of the transcript."""
    window: int
    """In tokens; smaller as soon as the provider says that it is."""
    messages: list[Message] = field(default_factory=list)
    offered: tuple[ToolSpec, ...] = ()
    """The tools that the last reply could call."""
    notebook: Notebook = field(default_factory=Notebook)
    summary: str = ""
    """By the model, of the turns that are gone."""
    best: tuple[Submission, Checked] | None = None
    """What was handed in last, with the check of its evidence."""
    repairs: int = 0
    """How often what was handed in was sent back."""
    sent_back: int = 0
    """How often any answer was."""
    was_cut: bool = False
    """The last reply broke off because it became too long."""
    early: str = ""
    """Why the model was told to conclude, if it was."""
    cut_short: str = ""
    """What of the run the strategy could not come to, and why."""
    lost_model: bool = False
    """A call failed, and no other conversation would have saved it."""
    usage: dict[str, CallUsage] = field(default_factory=dict)

    def begin(self, *texts: str) -> None:
        """Begin anew with the rules and what the user says first."""
        self.messages = []
        self.say("system", "\n\n".join(texts[:-1]))
        self.say("user", texts[-1])

    def say(self, role: str, text: str, *, call_id: str | None = None) -> None:
        self._append(Message.model_validate({"role": role, "text": text, "call_id": call_id}))

    def answer(self, request: ToolRequest, text: str) -> None:
        """Answer a call of a tool."""
        self._append(Message(role="tool", text=text, call_id=request.call_id))

    def ask(self, phase: str, tools: Sequence[ToolSpec], *, must_call: str | None = None) -> Reply:
        """The model's next reply, which joins the conversation. Raises LimitReached, Cancelled, ModelError."""
        self.offered = tuple(tools)
        self._make_room(tools)
        for _ in range(5):
            try:
                reply = self._complete(phase, self.messages, tools, must_call)
                break
            except ContextOverflow:
                # The window is smaller than was believed: what was sent is a bound for it.
                self.window = min(self.window, self.model.count_tokens(self.messages, tools)) * 7 // 10
                self._make_room(tools)
        else:
            raise ContextOverflow(f"the window of {self.model.name} is too small for this run's overview")
        self.was_cut = reply.is_cut
        reply = reply.model_copy(update={"tool_requests": reply.tool_requests[:MOST_CALLS]})
        self._append(Message(role="assistant", text=reply.text, tool_requests=reply.tool_requests))
        self.messages[-1] = self._bounded(self.messages[-1])
        if reply.text.strip():
            self.tell("thought", reply.text.strip()[:2_000])
        return reply

    def tell(self, kind: ProgressKind, text: str, steps: Sequence[int] = ()) -> None:
        now = datetime.now(UTC)
        self.on_progress(Progress(now, self.sample, kind, text, tuple(steps), self.budget.used))

    def note(self, phase: str, kind: str, **more: Any) -> None:
        """Write an entry into the transcript."""
        at = datetime.now(UTC).isoformat()
        self.write({"sample": self.sample, "phase": phase, "kind": kind, "at": at, **more})

    @property
    def reserve(self) -> int:
        return min(ANSWER_TOKENS, self.window // 4)

    @property
    def note_characters(self) -> int:
        """Room for the notes in a message, and as much for the labels."""
        return self.window * CHARACTERS_PER_TOKEN // 10

    def has_room(self) -> bool:
        """Whether one more answer of a tool fits beside those of this turn, which the model has not seen yet and which
        must not be cut before it has. The first one always does."""
        turn = turns_of(self.messages)[-1]
        kept = [*self.messages[:HEAD], Message(role="user", text=self._memo()), *turn]
        answer = self.reading.answer_characters // CHARACTERS_PER_TOKEN
        return len(turn) == 1 or self.model.count_tokens(kept, self.offered) + answer <= self.window - self.reserve

    def prompt_tokens(self, tools: Sequence[ToolSpec] = ()) -> int:
        return self.model.count_tokens(self.messages, tools)

    def _append(self, message: Message) -> None:
        self.messages.append(message)
        self.note("", "message", **message.model_dump(exclude_defaults=True))

    def _bounded(self, said: Message) -> Message:
        """A reply as it stays in the conversation: of one that is longer than it was allowed to be, nothing else would
        fit beside it."""
        left = 2 * CHARACTERS_PER_TOKEN * self.reserve
        text, requests = said.text[:left], []
        left -= len(text)
        for request in said.tool_requests:
            left -= len(request.arguments)
            requests.append(request if left >= 0 else request.model_copy(update={"arguments": "{}"}))
        return said.model_copy(update={"text": text, "tool_requests": tuple(requests)})

    def _complete(
        self, phase: str, messages: Sequence[Message], tools: Sequence[ToolSpec], must_call: str | None
    ) -> Reply:
        if self.cancelled():
            raise Cancelled("cancelled")
        prompt_tokens = self.model.count_tokens(messages, tools)
        self.budget.check(prompt_tokens)
        try:
            reply = self.model.complete(
                messages,
                tools=tools,
                must_call=must_call,
                max_tokens=self.budget.answer_tokens(prompt_tokens, self.reserve),
                temperature=self.settings.temperature,
                cancelled=lambda: self.cancelled() or self.budget.is_late,
            )
        except Cancelled as error:
            if self.cancelled() or not self.budget.is_late:
                raise
            raise LimitReached(f"the limit of {self.settings.max_seconds:g} seconds was reached") from error
        except ModelError as error:
            self.lost_model = self.lost_model or not isinstance(error, ContextOverflow)
            raise
        self.budget.add(reply.usage)
        self.usage[phase] = self.usage.get(phase, CallUsage()) + reply.usage
        self.note(phase, "usage", **reply.usage.model_dump())
        self.tell("call", phase)
        return reply

    def _make_room(self, tools: Sequence[ToolSpec]) -> None:
        """Bring the conversation back within the window: by a summary, else by dropping turns, else by cutting."""
        if self._fits(tools):
            return
        how = "the oldest turns were dropped"
        if len(turns_of(self.messages)) > 1 and self._summarise():
            self.messages = last_turn_only(self.messages, self._memo())
            how = "summarised by the model"
        while not self._fits(tools) and len(turns_of(self.messages)) > 1:
            self.messages = without_oldest(self.messages, self._memo())
        characters = 8_000
        while not self._fits(tools) and characters >= SHORTEST:
            self.messages = shortened(self.messages, characters)
            characters //= 2
        self.note("compact", "compacted", how=how, messages=len(self.messages))
        self.tell("compacted", how)

    def _fits(self, tools: Sequence[ToolSpec]) -> bool:
        return self.prompt_tokens(tools) <= self.window - self.reserve

    def _summarise(self) -> bool:
        """Have the model sum up all turns but the last; False if it does not."""
        last = sum(map(len, turns_of(self.messages)[-1:]))
        asked = Message(role="user", text=prompt("compact"))
        try:
            reply = self._complete("compact", [*self.messages[:-last], asked], (), None)
        except ModelError:  # the window slides instead: an analysis never stalls
            return False
        self.summary = reply.text.strip()[: 2 * self.note_characters] or self.summary
        return bool(reply.text.strip())

    def _memo(self) -> str:
        """What stands in for the turns that are gone."""
        return (
            f"Earlier turns were left out.\n\nSummary of your work so far:\n{self.summary or '(none)'}\n\n"
            f"Your notes:\n{self.notebook.text(self.note_characters)}\n\n"
            f"Labels so far:\n{self.notebook.findings_text(self.note_characters)}"
        )


def _last(lines: Sequence[str], characters: int) -> str:
    """The last of these lines that fit, and how many are left out before them."""
    kept: list[str] = []
    left = characters
    for line in reversed(lines):
        left -= len(line) + 1
        if kept and left < 0:
            break
        kept.append(line[:characters])
    left_out = [f"({len(lines) - len(kept)} before these are left out)"] if len(kept) < len(lines) else []
    return "\n".join([*left_out, *reversed(kept)]) or "(none)"
