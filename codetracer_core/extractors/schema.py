"""The parts of an extractor spec as models that check themselves: everything that can be checked without files.

``language.md`` explains them with examples.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_serializer, model_validator

from codetracer_core.extractors.paths import parsed
from codetracer_core.extractors.patterns import compiled, glob_problem, names_of
from codetracer_core.models import Frozen


def _path(path: str) -> str:
    parsed(path)
    return path


def _pattern(pattern: str) -> str:
    compiled(pattern)
    return pattern


def _glob(pattern: str) -> str:
    if problem := glob_problem(pattern):
        raise ValueError(problem)
    return pattern


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


JsonPath = Annotated[str, Field(min_length=1), AfterValidator(_path)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Glob = Annotated[str, AfterValidator(_glob)]
Globs = Annotated[tuple[Glob, ...], BeforeValidator(_listed), Field(max_length=50)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_ .-]{0,59}$")]


class _Short(Frozen):
    """Written without what has its default."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: Any) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        kept = {}
        for name, field in type(self).model_fields.items():
            key = name if name in written else field.alias
            if field.is_required() or getattr(self, name) != field.get_default(call_default_factory=True):
                kept[str(key)] = written[str(key)]
        return kept


class Operation(_Short):
    """One thing that is done to a value; one of json, match, every, outside, first, join, text, table, strip, dedent,
    html."""

    json_: bool = Field(default=False, alias="json")
    """The text is JSON: what it says. A text that is none finds nothing."""
    match: Pattern | None = None
    """The first match in the text: its group ``group``, else the first group, else all of it."""
    group: str | None = None
    take: Literal["first", "last", "all"] = "first"
    """Which match; "all" joins them (``between``)."""
    every: Pattern | None = None
    """A list of all matches: each a mapping of the named groups that are there."""
    outside: Pattern | None = None
    """The text around the matches, each piece stripped, joined (``between``)."""
    first: "tuple[Take, ...] | None" = Field(default=None, min_length=1, max_length=20)
    """The first of these that is not blank, else the first that is there."""
    join: "tuple[Take, ...] | None" = Field(default=None, min_length=1, max_length=20)
    """The texts of these, without the blank ones, joined (``between``)."""
    between: str = Field(default="\n\n", max_length=100)
    text: str | None = Field(default=None, max_length=10_000)
    """These words, whatever the files say."""
    table: dict[str, str | bool | int | None] | None = Field(default=None, max_length=200)
    """Another word for this one. A word that is not named here finds nothing."""
    strip: bool = False
    """Without blank space at both ends."""
    dedent: bool = False
    """Without the indentation that all its lines share."""
    html: bool = False
    """The text is of HTML or XML: what its references (``&lt;``, ``&#39;``) say. Tags stay."""

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if _depth(self) > DEEPEST_TAKE:
            raise ValueError(f"operations stand in each other more than {DEEPEST_TAKE} levels deep. Write a pipeline")
        given = [self.match, self.every, self.outside, self.first, self.join, self.text, self.table]
        number = sum(one is not None for one in given) + self.json_ + self.strip + self.dedent + self.html
        if number != 1:
            known = "json, match, every, outside, first, join, text, table, strip, dedent, html"
            raise ValueError(f"an operation is one of {known}")
        if self.every is not None and not names_of(self.every):
            raise ValueError("the pattern of 'every' needs named groups, (?P<name>…)")
        if self.group is not None and self.match is None:
            raise ValueError("'group' goes with 'match'")
        if self.group is not None and self.match is not None and self.group not in names_of(self.match):
            raise ValueError(f"the pattern has no group named {self.group!r}")
        return self


DEEPEST_TAKE = 10


def _depth(taken: Any) -> int:
    """How deep operations stand in each other."""
    if isinstance(taken, Operation):
        return 1 + max(map(_depth, (*(taken.first or ()), *(taken.join or ()))), default=0)
    return max(map(_depth, taken), default=0) if isinstance(taken, tuple) else 0


def _kind_of_take(value: Any) -> str:
    if isinstance(value, str):
        return "path"
    return "pipeline" if isinstance(value, list | tuple) else "operation"


Stage = Annotated[
    Annotated[JsonPath, Tag("path")] | Annotated[Operation, Tag("operation")], Discriminator(_kind_of_take)
]
Pipeline = Annotated[tuple[Stage, ...], Field(min_length=1, max_length=20)]
Take = Annotated[
    Annotated[JsonPath, Tag("path")] | Annotated[Operation, Tag("operation")] | Annotated[Pipeline, Tag("pipeline")],
    Discriminator(_kind_of_take),
]
"""How a value is found: a JMESPath; or an operation; or a list of both, each working on what the one before found."""


class Marker(_Short):
    """What must stand at the beginning of a file."""

    file: Glob | None = None
    """Which file: the first one that matches; by default the run's own (main) file."""
    text: str | None = Field(default=None, min_length=1, max_length=1_000)
    pattern: Pattern | None = None
    within: int = Field(default=4096, ge=1, le=1 << 16)
    """How many bytes are looked at."""

    @model_validator(mode="after")
    def _is_text_or_pattern(self) -> Self:
        if (self.text is None) == (self.pattern is None):
            raise ValueError("a marker has either 'text' or 'pattern'")
        return self


class Find(_Short):
    """Which files make a run."""

    run: Literal["folder", "file"] = "folder"
    """A run is a folder with such files, or each such file is a run of its own."""
    files: Globs = Field(min_length=1)
    """At least one must be there. The first is the run's main file."""
    require: Globs = ()
    """For each of these globs a file must be there too."""
    forbid: Globs = ()
    """A file that matches one of these must not be there."""
    markers: tuple[Marker, ...] = Field(default=(), max_length=20)
    """All of them must hold."""

    @model_validator(mode="after")
    def _file_lies_in_its_folder(self) -> Self:
        if self.run == "file" and any("/" in pattern for pattern in self.files):
            raise ValueError("where each file is a run, the globs name files, without /")
        return self


class Part(_Short):
    """One file of a folder that is a record."""

    file: Glob
    """Relative to that folder."""
    read: Literal["text", "json", "either"] | None = None
    """How; "either": as JSON if it is, else as text. By default JSON for names that end so, else text."""

    @property
    def kind(self) -> str:
        return self.read or ("json" if self.file.endswith(".json") else "text")


def _as_part(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


RecordKind = Literal["json", "jsonl", "json_in_text", "text", "folder_per_step"]

_ONLY_FOR: dict[str, tuple[RecordKind, ...]] = {
    "at": ("json", "jsonl", "json_in_text"),
    "begin": ("text", "json_in_text"),
    "pattern": ("text",),
    "parts": ("folder_per_step",),
    "damaged": ("jsonl",),
    "fullest": ("json",),
}


class Source(_Short):
    """A list of records: where it stands, and how it is read."""

    name: Name = "records"
    kind: RecordKind
    files: Globs = ()
    """Files in natural order (2 before 10); for folder_per_step folders. By default the run's own files."""
    at: JsonPath | None = None
    """Within each document: a list of records, or one record. By default the document itself is that."""
    begin: Pattern | None = None
    """text: where a record begins. json_in_text: what stands right before the JSON (by default any { will do)."""
    pattern: Pattern | None = None
    """text: a whole record; its named groups are fields."""
    parts: dict[str, Annotated[Part, BeforeValidator(_as_part)]] = Field(default_factory=dict, max_length=50)
    """folder_per_step: the fields of a record, and the file that holds each. A file that is not there is no field."""
    damaged: Literal["last", "skip"] = "last"
    """jsonl: a line that is no JSON may be the last one of the file (a killed run), or any one is passed over."""
    fullest: JsonPath | None = None
    """json: of several files that each hold the whole run so far, the one in which this number or list is largest
    (the first of equals)."""
    once: JsonPath | None = None
    """Records with the same value here are one record: the first is read."""
    unless: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    """Not read if one of the sources of these names has a record."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for field, kinds in _ONLY_FOR.items():
            if self.kind not in kinds and getattr(self, field) != type(self).model_fields[field].get_default(
                call_default_factory=True
            ):
                raise ValueError(f"{field!r} is for {' and '.join(kinds)}, not for {self.kind}")
        if self.kind == "folder_per_step" and not (self.parts and self.files):
            raise ValueError("folder_per_step needs 'files' (globs of folders) and 'parts'")
        if self.kind == "text" and self.begin is not None and self.pattern is not None:
            raise ValueError("text is cut either by 'begin' or by 'pattern'")
        return self


Keys = dict[Name, Take]


def _keys(value: Any) -> Any:
    return {"id": value} if isinstance(value, str | list | tuple) else value


class ToolRule(_Short):
    """The call of a tool."""

    name: Take
    arguments: Take | None = None
    """A mapping, JSON text of one, or any text."""
    call_id: Take | None = None


class StepRule(_Short):
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
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(_listed), Field(max_length=10)] = ()
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


class AnswerRule(_Short):
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


class ThoughtRule(_Short):
    """The record is the agent's reasoning or talk, apart from its actions."""

    text: Take
    reply: Take | None = None
    """It belongs to the first step with the same ``reply``; by default to the next step before any answer."""
    alone: Literal["message", "skip"] = "message"
    """Without such a step it is a step of its own (of kind message), or it is left out."""
    timestamp: Take | None = None
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(_listed), Field(max_length=10)] = ()


class DetailRule(_Short):
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
    native_ids: Annotated[tuple[Take, ...], BeforeValidator(_listed), Field(max_length=10)] = ()


class Rule(_Short):
    """What a record is. Rules are tried in order; the first that fits and finds what it takes decides, unless it says
    ``go_on``."""

    name: Name
    sources: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(alias="from")] = ()
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


class Fact(_Short):
    """One thing that the files say of the whole run."""

    sources: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(alias="from")] = ()
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


class AgentText(_Short):
    """Which text is the agent's own, so that it can be told how much of it the steps hold."""

    sources: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(alias="from")] = ()
    when: JsonPath | None = None
    value: Take = "@"


class ExtractorSpec(_Short):
    """How the runs of one format are found and read."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)
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


Operation.model_rebuild()
