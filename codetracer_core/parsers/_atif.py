"""ATIF documents: what stands in one, and how one refers to another (where it goes on, which sub-agents it started)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from typing import Any

import msgspec

from codetracer_core.errors import MalformedRun
from codetracer_core.models import SourceRef
from codetracer_core.parsers._artifacts import NO_JSON, Artifacts, JsonFile, Pointer, lost_content, plain_text

MAIN_FILE = "trajectory.json"

_MARK = re.compile(rb'"schema_version"\s*:\s*"ATIF-v')
_IDS = re.compile(rb'"(?:session_id|trajectory_id)"\s*:\s*"([^"\\]+)"')
_CONTINUATION = re.compile(r"cont-(\d+)\.json\Z")


class Reference(msgspec.Struct):
    trajectory_id: str | None = None
    trajectory_path: str | None = None
    session_id: str | None = None
    extra: dict[str, Any] | None = None


class Result(msgspec.Struct):
    source_call_id: str | None = None
    content: Any = None
    subagent_trajectory_ref: list[Reference] | Reference | None = None
    extra: dict[str, Any] | None = None

    @property
    def references(self) -> list[Reference]:
        found = self.subagent_trajectory_ref
        return [found] if isinstance(found, Reference) else found or []


class Observation(msgspec.Struct):
    results: list[Result] | None = None


class Call(msgspec.Struct):
    tool_call_id: str | None = None
    function_name: str = ""
    arguments: Any = None


class Metrics(msgspec.Struct):
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cached_tokens: float | None = None
    cost_usd: float | None = None


class AtifStep(msgspec.Struct):
    source: str
    step_id: int | str | None = None
    timestamp: str | float | None = None
    model_name: str | None = None
    message: Any = ""
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    is_copied_context: bool | None = None
    extra: dict[str, Any] | None = None

    @property
    def calls(self) -> list[Call]:
        return self.tool_calls or []

    @property
    def results(self) -> list[Result]:
        return (self.observation.results if self.observation else None) or []

    @property
    def text(self) -> str:
        """What the reply says; old converters wrote a placeholder where it only called a tool."""
        text = plain_text(self.message)
        placeholders = {f"Executed {call.function_name} {call.tool_call_id}" for call in self.calls}
        return "" if text in placeholders or not text.strip() else text

    @property
    def reasoning(self) -> str:
        return self.reasoning_content if self.reasoning_content and self.reasoning_content.strip() else ""

    @property
    def side_chain(self) -> str | None:
        extra = self.extra or {}
        return str(extra.get("agent_id") or "side chain") if extra.get("is_sidechain") is True else None


class Agent(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    model_name: str | None = None


class Totals(msgspec.Struct):
    total_prompt_tokens: float | None = None
    total_completion_tokens: float | None = None
    total_cached_tokens: float | None = None
    total_cost_usd: float | None = None


class Content(msgspec.Struct):
    schema_version: Any = None
    session_id: str | None = None
    trajectory_id: str | None = None
    agent: Agent | None = None
    steps: list[AtifStep] | None = None
    final_metrics: Totals | None = None
    continued_trajectory_ref: Any = None
    subagent_trajectories: list["Content"] | None = None


@dataclass(frozen=True)
class Document:
    """One ATIF document: a file, or one embedded in it at ``prefix``."""

    file: JsonFile
    prefix: Pointer
    content: Content

    @property
    def key(self) -> tuple[str, Pointer]:
        return self.file.path, self.prefix

    @property
    def steps(self) -> list[AtifStep]:
        return self.content.steps or []

    def ref(self, *pointer: str | int) -> SourceRef:
        return self.file.ref(*self.prefix, *pointer)

    def embedded(self) -> Iterator["Document"]:
        for position, content in enumerate(self.content.subagent_trajectories or []):
            yield Document(self.file, (*self.prefix, "subagent_trajectories", position), content)


def open_document(artifacts: Artifacts, path: str) -> Document:
    """The document in a file; raises MalformedRun if it is none of version 1."""
    file = artifacts.read_json(path)
    shown = artifacts.shown(path)
    value = file.value
    if not isinstance(value, dict):
        raise MalformedRun(
            "not an ATIF document: a JSON object was expected", path=shown, remedy="Get a fresh copy of the run."
        )
    version = value.get("schema_version")
    if version is None:
        keys = ", ".join(sorted(map(str, value))[:6])
        raise MalformedRun(
            f"an ATIF document without schema_version at its top (keys: {keys})",
            path=shown,
            remedy="If the file wraps several documents, save each to a file of its own.",
        )
    if not isinstance(version, str) or re.fullmatch(r"ATIF-v1(\.\d+)*", version) is None:
        raise MalformedRun(
            f"schema_version {version!r} is not known",
            path=shown,
            place="/schema_version",
            remedy="ATIF-v1.0 to ATIF-v1.8, and later 1.x, can be read.",
        )
    content = file.decode(Content)
    if content.steps is None:
        raise MalformedRun(
            "an ATIF document without steps", path=shown, place="/steps", remedy="Get a fresh copy of the run."
        )
    return Document(file, (), content)


def is_document(artifacts: Artifacts, name: str) -> bool:
    """Does this file say that it is ATIF? One of the usual name may also be broken, or lack the version."""
    head = artifacts.head(name)
    if _MARK.search(head):
        return True
    if name != MAIN_FILE:
        return False
    unversioned = b'"step_id"' in head and b'"source"' in head and b'"agent"' in head
    return lost_content(head) or unversioned or re.match(rb'\s*\{\s*"schema_version"', head) is not None


def closure(artifacts: Artifacts, path: str) -> list[str]:
    """Files that the document at ``path`` refers to, and those that they refer to."""
    found: list[str] = []
    waiting = [path]
    while waiting:
        for target in _targets(artifacts, waiting.pop(0)):
            if target != path and target not in found:
                found.append(target)
                waiting.append(target)
    return found


def _targets(artifacts: Artifacts, path: str) -> list[str]:
    data = artifacts.head(path, artifacts.size(path))
    if b"_trajectory_ref" not in data:
        return []
    try:
        content = msgspec.json.decode(data, type=Content)
    except NO_JSON:
        return []
    document = Document(JsonFile(path=path, data=data), (), content)
    targets = [continuation_path(artifacts, document)]
    waiting = [document]
    while waiting:
        current = waiting.pop()
        waiting.extend(current.embedded())
        references = (ref for step in current.steps for result in step.results for ref in result.references)
        targets.extend(reference_path(artifacts, document, reference) for reference in references)
    return [target for target in targets if target is not None]


def _beside(artifacts: Artifacts, path: str) -> tuple[str, list[str]]:
    """The folder of a document, with a final slash, and the JSON files in and just below it.

    A reference is a text out of the run: it is compared with these names, and never used as a path itself.
    """
    folder = path[: path.rfind("/") + 1]
    return folder, [*artifacts.glob(f"{escape(folder)}*.json"), *artifacts.glob(f"{escape(folder)}*/*.json")]


def _named(artifacts: Artifacts, path: str, wanted: str) -> str | None:
    """The file beside ``path`` that a reference names: by its path, else by its name alone."""
    folder, names = _beside(artifacts, path)
    for candidate in (folder + wanted.removeprefix("./"), folder + wanted.rpartition("/")[2]):
        if candidate in names and candidate != path:
            return candidate
    return None


def _with_id(artifacts: Artifacts, path: str, wanted: str) -> str | None:
    """The one ATIF file beside ``path`` that bears this session or trajectory id."""
    _, names = _beside(artifacts, path)
    sign = wanted.encode()
    heads = ((name, artifacts.head(name)) for name in names if name != path)
    found = [name for name, head in heads if _MARK.search(head) and sign in _IDS.findall(head)]
    return found[0] if len(found) == 1 else None


def continuation_path(artifacts: Artifacts, document: Document) -> str | None:
    """Where the document goes on: in the file that it names, or in one that was renamed along with it."""
    wanted = document.content.continued_trajectory_ref
    path = document.file.path
    if not isinstance(wanted, str) or not wanted:
        return None
    renamed = path.removesuffix(MAIN_FILE) + wanted.rpartition("/")[2]
    found = _named(artifacts, path, wanted) or _named(artifacts, path, renamed.rpartition("/")[2])
    number = _CONTINUATION.search(wanted)
    if found is None and number is not None and document.content.session_id:
        found = _with_id(artifacts, path, f"{document.content.session_id}-cont-{number[1]}")
    return found


def reference_path(artifacts: Artifacts, document: Document, reference: Reference) -> str | None:
    """The file that a sub-agent reference means (None: an embedded document, or nothing that is here)."""
    path = document.file.path
    found = _named(artifacts, path, reference.trajectory_path) if reference.trajectory_path else None
    for wanted in (reference.trajectory_id, reference.session_id):
        if found is None and wanted and wanted != document.content.session_id:
            found = _with_id(artifacts, path, wanted)
    return found
