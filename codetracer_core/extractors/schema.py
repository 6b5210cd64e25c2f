"""An extractor spec as models that check themselves: everything that can be checked without files.

What a value is stands in ``schema_takes``, where records stand in ``schema_sources``, what they are (rules), what they
tell of the run (facts) and the whole here. ``language.md`` explains them with examples.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from codetracer_core.extractors.schema_sources import Find, Source
from codetracer_core.extractors.schema_takes import JsonPath, Name, Short, Take, as_list

Keys = dict[Name, Take]


def _keys(value: Any) -> Any:
    return {"id": value} if isinstance(value, str | list | tuple) else value


class ToolRule(Short):
    """The call of a tool."""

    name: Take
    arguments: Take | None = None
    """A mapping, JSON text of one, or any text."""
    call_id: Take | None = None


class StepRule(Short):
    """The record is an action, or holds several."""

    each: Take | None = None
    """A list: each item is a step, and those of one record form a parallel group. Paths then begin at the item;
    ``record()`` is the record."""
    action: Take | None = None
    """What the agent did; by default the text of the tool call. Where nothing is found, there is no step."""
    action_at: tuple[JsonPath, ...] = Field(default=(), max_length=20)
    """Where else the action stands: the reference is to the first of these whose text is the action's, else to the
    last that is there."""
    tool: ToolRule | None = None
    observation: Take | None = None
    """What came back, if it stands in the same record."""
    thought: Take | None = None
    """Seen from the record; of several items the first gets it."""
    exit_code: Take | None = None
    executed: JsonPath | None = None
    """True, false, or nothing: then it was."""
    timestamp: Take | None = None
    """ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970 (told apart by their size)."""
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(as_list), Field(max_length=10)] = ()
    keys: Annotated[Keys, BeforeValidator(_keys), Field(max_length=10)] = Field(default_factory=dict)
    """What answers name this step by: a path, or several with names."""
    reply: Take | None = None
    """Steps with the same value here came from one reply of the model: a parallel group."""
    number: Take | None = None
    """The number that the files give this step. The numbers must run from 1 (or 0) without a gap; files without any
    number are counted."""
    message: JsonPath | None = None
    """True: the agent only spoke and called no tool."""

    @model_validator(mode="after")
    def _has_an_action(self) -> Self:
        if self.action is None and self.tool is None:
            raise ValueError("a step needs 'action' or 'tool'")
        return self


class AnswerRule(Short):
    """The record is an observation, or holds several."""

    each: Take | None = None
    text: Take
    """What came back. Where nothing is found, the step keeps no observation, but is answered."""
    to: Annotated[Keys, BeforeValidator(_keys), Field(max_length=10)] = Field(default_factory=dict)
    """The step that is answered, by its ``keys``: the first that is there decides. Ids can repeat in a run: the
    latest step that is still open is meant."""
    pair: Literal["in_order", "last", "next"] = "in_order"
    """Without ``to``: the answer is to the first open step of the latest reply; to the very last step; or to the
    step whose record stands right before this one."""
    exit_code: Take | None = None
    executed: JsonPath | None = None
    """False: the step was not carried out; true: it was, whatever its own record says. Paired as "last", it speaks of
    the whole reply."""
    append: bool = False
    """Further answers of a step are added to its observation; by default they are told and left out."""
    between: str = Field(default="\n", max_length=100)
    """What stands between an answer that is added and the one before it: "" for an output that came in pieces."""


class ThoughtRule(Short):
    """The record is the agent's reasoning or talk, apart from its actions."""

    text: Take
    reply: Take | None = None
    """It belongs to the first step with the same ``reply``; by default to the next step before any answer."""
    alone: Literal["message", "skip"] = "message"
    """Without such a step it is a step of its own (of kind message), or it is left out."""
    between: str = Field(default="\n\n", max_length=100)
    """What stands between a thought and the one before it: "" for words that came in pieces."""
    timestamp: Take | None = None
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(as_list), Field(max_length=10)] = ()


class DetailRule(Short):
    """The record, or each of several items in it, tells more of a step that another record made."""

    each: Take | None = None
    same: Take
    """What equals the step's key ``of``."""
    of: Name = "id"
    pair: Literal["key", "in_order"] = "key"
    """By the key alone (one that several steps or details share is left out); or each detail is about the next step
    that it equals."""
    tool: ToolRule | None = None
    thought: Take | None = None
    """For a step without a thought; as are all the others."""
    observation: Take | None = None
    exit_code: Take | None = None
    timestamp: Take | None = None
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(as_list), Field(max_length=10)] = ()


class Rule(Short):
    """What a record is. Rules are tried in order; the first that fits and finds what it takes decides, unless it says
    ``go_on``."""

    name: Name
    sources: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(alias="from")] = ()
    """Names of sources; by default all."""
    when: JsonPath | None = None
    step: StepRule | None = None
    answer: AnswerRule | None = None
    thought: ThoughtRule | None = None
    detail: DetailRule | None = None
    skip: str | None = Field(default=None, min_length=1, max_length=500)
    """Why such a record is none of the others: told with every record."""
    go_on: bool = False

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        meanings = [self.step, self.answer, self.thought, self.detail]
        given = sum(one is not None for one in meanings)
        if (given == 0) == (self.skip is None):
            raise ValueError("a rule has 'step', 'answer', 'thought' or 'detail', or else 'skip' with a reason")
        return self


FactName = Literal[
    "agent",
    "agent_version",
    "model",
    "task",
    "trial",
    "task_text",
    "solved",
    "exit_status",
    "cost_usd",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "started_at",
    "ended_at",
    "step_count",
]
"""``step_count``: how many steps the files themselves say there are. It is only compared."""


class Fact(Short):
    """One thing that the files say of the whole run."""

    sources: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(alias="from")] = ()
    """Names of sources whose records are looked at; by default all."""
    when: JsonPath | None = None
    value: Take
    pick: Literal["first", "last", "sum", "max", "min", "most"] = "first"
    """Of the values of all records ("most": the one that is there most often)."""


def _facts(value: Any) -> Any:
    """A list of facts (the first that finds something counts); a single one, or only its value, may stand alone."""
    if isinstance(value, list | tuple) and value and all(_is_fact(one) for one in value):
        return value
    return [value if _is_fact(value) else {"value": value}]


def _is_fact(value: Any) -> bool:
    return isinstance(value, Fact) or (isinstance(value, Mapping) and "value" in value)


Facts = Annotated[tuple[Fact, ...], BeforeValidator(_facts), Field(min_length=1, max_length=10)]


class AgentText(Short):
    """Which text is the agent's own, so that it can be told how much of it the steps hold."""

    sources: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(alias="from")] = ()
    when: JsonPath | None = None
    value: Take = "@"


SPEC_NAME_FORM = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


class ExtractorSpec(Short):
    """How the runs of one format are found and read."""

    name: str = Field(pattern=SPEC_NAME_FORM, max_length=60)
    """Small letters, digits and single hyphens."""
    version: int = Field(default=1, ge=1, le=1_000_000)
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=10_000)
    find: Find
    sources: tuple[Source, ...] = Field(min_length=1, max_length=20)
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=50)
    facts: dict[FactName, Facts] = Field(default_factory=dict)
    agent_text: tuple[AgentText, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [source.name for source in self.sources]
        for what, known in (("sources", names), ("rules", [rule.name for rule in self.rules])):
            if twice := next((name for name in known if known.count(name) > 1), None):
                raise ValueError(f"two {what} are called {twice!r}")
        facts = [fact for found in self.facts.values() for fact in found]
        asked = [rule.sources for rule in self.rules] + [fact.sources for fact in facts]
        asked += [text.sources for text in self.agent_text]
        for sources in asked:
            if unknown := next((name for name in sources if name not in names), None):
                raise ValueError(f"there is no source {unknown!r}. Sources are {', '.join(names)}")
        for at, source in enumerate(self.sources):
            if later := next((name for name in source.unless if name not in names[:at]), None):
                raise ValueError(f"'unless' names a source above it, not {later!r}")
        if not any(rule.step or rule.thought for rule in self.rules):
            raise ValueError("no rule makes a step")
        return self
