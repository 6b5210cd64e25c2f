"""How a spec says which value is meant: paths, patterns, globs and operations, as models that check themselves."""

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


def as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


JsonPath = Annotated[str, Field(min_length=1), AfterValidator(_path)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Glob = Annotated[str, AfterValidator(_glob)]
Globs = Annotated[tuple[Glob, ...], BeforeValidator(as_list), Field(max_length=50)]
NAME_FORM = r"^[A-Za-z][A-Za-z0-9_ .-]{0,59}$"
Name = Annotated[str, Field(pattern=NAME_FORM)]


class Short(Frozen):
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


class Operation(Short):
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


Operation.model_rebuild()
