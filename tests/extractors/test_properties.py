"""Any text is a spec or an error; whatever records say, their steps are numbered and their places real."""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codetracer_core.errors import CodeTracerError, MalformedRun, SpecError, UnreadableFile
from codetracer_core.extractors.checks import judge
from codetracer_core.extractors.engine import SpecLimits, extract, recognise
from codetracer_core.extractors.spec import LANGUAGE, read_spec, spec_text
from codetracer_core.parsers import resolve
from codetracer_core.parsers._artifacts import Artifacts
from tests.extractors.runs import write

LIMITS = SpecLimits(operations=300_000, values=100_000, records=2_000, steps=500, text=1_000_000, seconds=20)
EXAMPLE = LANGUAGE.split("```yaml\n")[1].split("```")[0]
calm = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

WORDS = ["type", "content", "call", "assistant", "tool", "ls", "id", "a b\nc", "", "\u2028", "\ud800", "é", "{", "1"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "name",
    "version",
    "title",
    "find",
    "files",
    "sources",
    "kind",
    "rules",
    "step",
    "action",
    "when",
    "skip",
    "facts",
]
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["jsonl", "*.x", "a.b", "a[?"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=20,
)


def _read(text: str) -> None:
    """A spec that is read is also written, and read again."""
    try:
        spec = read_spec(text, path="x.yaml")
    except SpecError as error:
        str(error).encode("utf-8")
    else:
        assert read_spec(spec_text(spec)) == spec


@calm
@given(st.text(max_size=300))
def test_any_text_is_a_spec_or_an_error(text: str) -> None:
    _read(text)


@calm
@given(documents)
def test_so_is_any_document(document: Any) -> None:
    _read(yaml.safe_dump(document))


@settings(calm, max_examples=150)
@given(
    st.integers(0, len(EXAMPLE) - 1), st.integers(0, 12), st.text(max_size=6) | st.sampled_from(list("[]{}'\"|*&!:"))
)
def test_so_is_a_spec_with_a_mistake(at: int, size: int, put: str) -> None:
    _read(EXAMPLE[:at] + put + EXAMPLE[at + size :])


TAKES: list[Any] = [
    "@",
    "content",
    "content.id",
    "*",
    "*[]",
    "keys(@)",
    "id || type",
    "[content, id]",
    "{a: content, b: type}",
    "record()",
    "text(@)",
    "length(content)",
    "content[-1:]",
    "content[?id]",
    "join('-', keys(@))",
    ["content", {"json": True}],
    ["@", {"match": r"(?s)\w+(.*)"}],
    ["content", {"match": ".", "take": "all"}],
    ["@", {"every": r"(?P<word>\w+)"}],
    ["content", {"outside": "b"}, {"strip": True}],
    {"first": ["id", "content", {"text": "x"}]},
    {"join": ["type", "content", "id"], "between": " "},
    ["type", {"table": {"assistant": 0, "tool": True, "call": None}}],
]
takes = st.sampled_from(TAKES)
conditions = st.sampled_from([None, "type == 'assistant'", "content", "!id", "type(id) == 'string'", "matches(@, 'l')"])


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(["step", "step", "answer", "thought", "detail", "skip"]))
    each = draw(st.sampled_from([None, None, "content", "*", ["@", {"every": r"(?P<content>\w+)"}]]))
    made: dict[str, Any] = {"name": draw(st.text("abcdefgh", min_size=8, max_size=8)), "when": draw(conditions)}
    if kind == "skip":
        return {**made, "skip": "for no reason"}
    if kind == "step":
        fields = ["observation", "thought", "exit_code", "timestamp", "native_ids", "reply"]
        body = {"action": draw(takes), **{name: draw(takes) for name in draw(st.sets(st.sampled_from(fields)))}}
        body["keys"] = {"id": draw(takes)}
        if draw(st.booleans()):
            body["tool"] = {"name": draw(takes), "arguments": draw(takes)}
    elif kind == "answer":
        body = {"text": draw(takes), "pair": draw(st.sampled_from(["in_order", "last", "next"]))}
        body |= {"append": draw(st.booleans()), **({"to": {"id": draw(takes)}} if draw(st.booleans()) else {})}
    elif kind == "thought":
        body = {"text": draw(takes), "alone": draw(st.sampled_from(["message", "skip"]))}
        each = None
    else:
        body = {"same": draw(takes), "observation": draw(takes), "thought": draw(takes)}
    if each is not None:
        body["each"] = each
    return {**made, kind: body, "go_on": draw(st.booleans())}


facts = st.dictionaries(
    st.sampled_from(["model", "task_text", "solved", "prompt_tokens", "cost_usd", "started_at", "step_count"]),
    st.builds(
        lambda value, pick: {"value": value, "pick": pick},
        takes,
        st.sampled_from(["first", "last", "sum", "max", "min", "most"]),
    ),
    max_size=4,
)
sources = st.sampled_from(
    [
        {"kind": "jsonl"},
        {"kind": "jsonl", "at": "content", "once": "id"},
        {"kind": "json_in_text"},
        {"kind": "text"},
        {"kind": "text", "begin": r"^\{(?P<type>.)"},
        {"kind": "text", "pattern": r'"(?P<content>[^"]*)"'},
        {"kind": "jsonl", "at": "[@, @][].*", "damaged": "skip"},
    ]
)


@settings(calm, max_examples=150)
@given(st.lists(values, min_size=1, max_size=6), st.lists(rules(), min_size=1, max_size=4), facts, sources)
def test_any_records_read_with_any_rules_make_numbered_steps_with_real_places(
    records: list[Any], described: list[dict[str, Any]], told: dict[str, Any], source: dict[str, Any]
) -> None:
    last = {"name": "the last", "step": {"action": "content"}}
    described = [{**rule, "name": f"{rule['name']} {number}"} for number, rule in enumerate(described)]
    document = {"name": "any", "title": "Any", "find": {"files": "*.jsonl"}, "sources": [source]}
    spec = read_spec(json.dumps({**document, "rules": [*described, last], "facts": told}))
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder), {"a.jsonl": records})
        artifacts = Artifacts(root)
        (claim,) = recognise(spec, artifacts)
        try:
            found = extract(spec, artifacts, claim, limits=LIMITS)
        except (SpecError, MalformedRun, UnreadableFile) as error:
            str(error).encode("utf-8")
            return
        assert extract(spec, Artifacts(root), claim, limits=LIMITS) == found
        steps = found.trajectory.steps
        assert [step.step_id for step in steps] == list(range(1, len(steps) + 1))
        assert found.trajectory.model_dump_json().encode("utf-8")
        for step in steps:
            for ref in (step.action_ref, step.observation_ref, step.thought_ref):
                assert ref is None or isinstance(resolve(root, ref), str)
        assert {fate.step_id for fate in found.fates if fate.step_id} <= {step.step_id for step in steps}
        assert found.coverage is None or 0 <= found.coverage <= 1
        judged = judge([found])
        assert 0 <= judged.score <= 1


@calm
@given(st.binary(max_size=400))
def test_any_bytes_are_a_run_or_an_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder), {"a.jsonl": data})
        for kind in ("json", "jsonl", "json_in_text", "text"):
            spec = read_spec(json.dumps(_any(kind)))
            try:
                steps = extract(
                    spec, Artifacts(root), recognise(spec, Artifacts(root))[0], limits=LIMITS
                ).trajectory.steps
            except CodeTracerError as error:
                if not error.path.endswith("a.jsonl"):
                    raise
            else:
                assert [step.step_id for step in steps] == list(range(1, len(steps) + 1))


def _any(kind: str) -> dict[str, Any]:
    rule = {"name": "all", "step": {"action": {"first": ["text", "@"]}}}
    return {"name": "any", "title": "Any", "find": {"files": "*"}, "sources": [{"kind": kind}], "rules": [rule]}
