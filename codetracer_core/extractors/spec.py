"""Extractor specs as documents: read from YAML or JSON with errors that name the line, written as YAML again.

A spec tells how the files of one format become steps. Its parts are in ``schema``; ``LANGUAGE`` explains them to
people and models.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from codetracer_core.errors import SpecError
from codetracer_core.extractors.limits import LARGEST_SPEC
from codetracer_core.extractors.schema import SPEC_NAME_FORM, ExtractorSpec
from codetracer_core.extractors.schema_takes import NAME_FORM
from codetracer_core.parsers._artifacts import without_lone_surrogates

__all__ = ["LANGUAGE", "ExtractorSpec", "read_spec", "spec_text"]

LANGUAGE = (files(__package__) / "language.md").read_text(encoding="utf-8")
"""The reference of the language, with examples, as markdown."""

_TAGS = frozenset({"path", "operation", "pipeline"})
Loc = tuple[int | str, ...]


def read_spec(text: str, *, path: str = "") -> ExtractorSpec:
    """The spec that a YAML or JSON text holds. ``path`` is where the text comes from, for errors.

    Raises SpecError, which names the line, for what is no spec; nothing is left to find out but what the files say.
    """
    if len(text) > LARGEST_SPEC:
        raise SpecError(
            f"the spec has {len(text):,} characters, more than {LARGEST_SPEC:,}", path=path, remedy="Write less rules."
        )
    node, content = _content(text, path)
    if content != without_lone_surrogates(content):
        raise SpecError(
            "half a surrogate pair (\\ud800 … \\udfff) is no text", path=path, remedy="Write the character itself."
        )
    if not isinstance(content, dict):
        raise SpecError("this is no spec: it has no fields", path=path, remedy=_NEEDED)
    if twice := next(_twice(node), None):
        name, line = twice
        raise SpecError(f"{name!r} stands here twice", path=path, place=f"line {line}", remedy="Keep one of them.")
    try:
        return ExtractorSpec.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = min(found, key=lambda one: one["type"] == "missing")  # a misspelt field is missing too
        loc = tuple(part for part in first["loc"] if part not in _TAGS)
        words, remedy = _words(first, loc)
        if len(found) > 1:
            remedy = f"{remedy} {len(found) - 1} more to correct after it.".strip()
        raise SpecError(words, path=path, place=f"line {_line(node, loc)}", remedy=remedy) from error
    except RecursionError as error:
        raise SpecError("the spec is nested too deeply", path=path, remedy="Write it flatter.") from error


DEEPEST_SPEC = 60
_NEEDED = "A spec has name, title, find, sources and rules."


def spec_text(spec: ExtractorSpec) -> str:
    """The spec as YAML; ``read_spec`` reads the same spec from it. What has its default is left out."""
    return yaml.dump(
        spec.model_dump(mode="json", by_alias=True),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_block = "\n" in text and text == text.strip() and all(line == line.rstrip() for line in text.split("\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)


_Dumper.add_representer(str, _write_text)


def _content(text: str, path: str) -> tuple[yaml.Node | None, Any]:
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_SPEC:  # its reader takes a square of time for it
                raise SpecError(
                    f"a spec is nested {DEEPEST_SPEC} levels deep at most",
                    path=path,
                    place=f"line {event.start_mark.line + 1}" if event.start_mark else "",
                    remedy="Write it flatter.",
                )
            if isinstance(event, yaml.AliasEvent):  # a few lines of them can stand for gigabytes, or for themselves
                raise SpecError(
                    "a spec cannot refer to another part of itself (*)",
                    path=path,
                    place=f"line {event.start_mark.line + 1}" if event.start_mark else "",
                    remedy="Write it out.",
                )
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = error.problem or error.context or "it cannot be understood"
        raise SpecError(
            f"no valid YAML ({said})",
            path=path,
            place=f"line {line}",
            remedy="Put paths and patterns in single quotes; a quote inside them is written twice.",
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:  # ValueError: the 45th of a month
        raise SpecError("no valid YAML", path=path, remedy=_NEEDED) from error
    finally:
        if loader is not None:
            loader.dispose()


def _twice(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Names that stand twice in one mapping, with the line of the second."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, yaml.SequenceNode):
            waiting.extend(found.value)
        elif isinstance(found, yaml.MappingNode):
            seen = set()
            for key, value in found.value:
                waiting.append(value)
                if key.value in seen if isinstance(key, yaml.ScalarNode) else False:
                    yield str(key.value), key.start_mark.line + 1
                elif isinstance(key, yaml.ScalarNode):
                    seen.add(key.value)


def _line(node: yaml.Node | None, loc: Sequence[int | str]) -> int:
    """The line of what stands at ``loc``, or of the nearest thing around it that is there."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if entry is not None:
                line = entry[0].start_mark.line + 1
                node = entry[1]
    return line


_FORMS = {
    NAME_FORM: "A name begins with a letter (A to Z) and has letters, digits, spaces and _ . - only, 60 at most.",
    SPEC_NAME_FORM: "Small letters (a to z), digits and single hyphens, beginning with a letter.",
}


def _words(error: Any, loc: Loc) -> tuple[str, str]:
    """What is wrong, and what to do, for one error of pydantic."""
    at = ".".join(map(str, loc)) or "the spec"
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _fields_at(loc[:-1])
        close = get_close_matches(str(loc[-1]), known, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Known here are: {', '.join(known)}." if known else ""
        return f"{at}: there is no field {str(loc[-1])[:80]!r}", remedy
    if kind == "missing":
        return f"{at} is missing", ""
    if kind == "string_pattern_mismatch" and (form := _FORMS.get(error["ctx"]["pattern"])):
        return f"{at}: {str(error['input'])[:80]!r} cannot stand here", form
    said = str(error["msg"]).removeprefix("Value error, ")
    if kind == "value_error" and ". " in said:
        said, _, remedy = said.partition(". ")
        return f"{at}: {said}", remedy if remedy.endswith(".") else f"{remedy}."
    try:
        shown = json.dumps(error.get("input"), ensure_ascii=False, default=str)
    except ValueError:  # a number of thousands of digits
        shown = "a number that is too large"
    given = f" (given: {shown})" if kind != "value_error" and len(shown) <= 80 else ""
    return f"{at}: {said[:1].lower()}{said[1:]}{given}", "The reference of the language shows what goes here."


def _fields_at(loc: Loc) -> list[str]:
    """Names of the fields that the model at ``loc`` has."""
    model: type[BaseModel] = ExtractorSpec
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if isinstance(part, int) or part not in fields:
            continue
        inner = next(_models(fields[part].annotation), None)
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
