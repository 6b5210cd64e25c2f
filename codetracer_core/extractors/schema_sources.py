"""Which files make a run, and where in them its records stand: two parts of a spec as models that check themselves."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from codetracer_core.extractors.schema_takes import Glob, Globs, JsonPath, Name, Pattern, Short, as_list


class Marker(Short):
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


class Find(Short):
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


class Part(Short):
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


RecordKind = Literal["json", "jsonl", "json_in_text", "table", "text", "folder_per_step"]

_ONLY_FOR: dict[str, tuple[RecordKind, ...]] = {
    "at": ("json", "jsonl", "json_in_text"),
    "begin": ("text", "json_in_text"),
    "pattern": ("text",),
    "parts": ("folder_per_step",),
    "damaged": ("jsonl", "table"),
    "delimiter": ("table",),
    "columns": ("table",),
    "quoted": ("table",),
    "fullest": ("json",),
}


class Source(Short):
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
    """jsonl: a line that is no JSON may be the last one of the file (a killed run), or any one is passed over. table:
    a quote that never closes is an error, or its line is passed over."""
    delimiter: str | None = Field(default=None, pattern=r"^[^\r\n\"]$")
    """table: one character. By default a tab for names that end in .tsv or .tab, else what the first line holds most
    of: comma, semicolon, tab or bar."""
    columns: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=500)
    """table: names of the cells, if the first row does not tell them."""
    quoted: bool = True
    """table: a cell may stand in double quotes, and then hold delimiters, line ends and doubled quotes."""
    fullest: JsonPath | None = None
    """json: of several files that each hold the whole run so far, the one in which this number or list is largest
    (the first of equals)."""
    once: JsonPath | None = None
    """Records with the same value here are one record: the first is read."""
    unless: Annotated[tuple[Name, ...], BeforeValidator(as_list)] = ()
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
