"""Specs and files that mean harm, or that are broken: an error in words, never a hang, a crash or a look outside."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import CodeTracerError, MalformedRun, SpecError, UnreadableFile
from codetracer_core.extractors.engine import SpecLimits, as_format, extract, recognise
from codetracer_core.extractors.spec import read_spec
from codetracer_core.parsers._artifacts import Artifacts
from tests.extractors.runs import run, spec, write

SMALL = SpecLimits(operations=200_000, values=100_000, records=1_000, steps=500, text=1_000_000, seconds=20)
TWICE = "|".join(["[@, @]"] * 20)
"""A list of 2 ** 20 values, by name only."""
A_STEP = "rules: [{name: all, step: {action: do}}]"


def _rules(**fields: Any) -> str:
    return f"rules: {json.dumps([{'name': 'all', 'step': fields}])}"


# Specs


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a{1000}){1000}", "too large|RE2"),
        ("((((a{30}){30}){30}){30}){30}", "too large|RE2"),
        ("(?:" + "|".join(f"word{n}[a-z]{{200}}" for n in range(90)) + ")", "too large"),
        ("(?<=x)y", "look-ahead or look-behind"),
        ("(?!x)y", "look-ahead or look-behind"),
        (r"(a)\1", "cannot refer back"),
        ("(?P<n>a)(?P=n)", "cannot refer back"),
        ("(", "RE2"),
        ("a" * 3_000, "at most 2,000 characters"),
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused_when_the_spec_is_read(pattern: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        spec(_rules(action=["do", {"match": pattern}]))
    assert caught.value.place.startswith("line ")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)*$", "(a*)*b", "(.*)*x", "([a-z]+)*[0-9]"])
def test_what_is_catastrophic_elsewhere_takes_linear_time(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, {"a.jsonl": [{"do": "a" * 200_000 + "!"}]})
    found = run(spec(_rules(action={"first": [["do", {"match": pattern}], "do"]})), tmp_path)
    assert found.trajectory.step_count == 1


def test_a_large_pattern_on_a_large_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": [{"do": "ab" * 3_000_000}]})
    with pytest.raises(SpecError, match="operations") as caught:
        run(spec(_rules(action=["do", {"match": "(?:[ab]{0,300}c|[ab]{0,300}d)"}])), tmp_path)
    assert "a.jsonl" in caught.value.path
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("&a", "function|JMESPath"),
        ("sort_by(a, &b)", "no function sort_by"),
        ("map(&a, b)", "no function map"),
        ("reverse(a)", "no function reverse"),
        ("length()", r"length\(\) takes 1"),
        ("matches(a, b)", "written out"),
        ("matches(a, '(')", "RE2"),
        ("place('secret')", "place"),
        ("a[", "JMESPath"),
        ("'" * 3, "JMESPath"),
        ("a || " * 300 + "a", "40 levels"),
        ("!" * 200 + "a", "nested too deeply"),
        ("[" * 200 + "a" + "]" * 200, "nested too deeply"),
        ("a." * 1_500 + "a", "at most 2,000"),
        ("a.`1`", "JMESPath"),
    ],
)
def test_a_path_that_is_none_is_refused_with_its_line(path: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        spec(_rules(action=path))
    assert caught.value.place.startswith("line ")


def test_a_deep_path_is_understood_at_once(tmp_path: Path) -> None:
    path = "a"
    for _ in range(18):
        path = f"!({path}).b"
    write(tmp_path, {"a.jsonl": [{"a": 1}]})
    assert run(spec(_rules(action=path)), tmp_path).trajectory.steps[0].action in {"true", "false"}


@pytest.mark.parametrize(
    "body",
    [
        _rules(action=TWICE),
        _rules(action=[f"text({TWICE})"]),
        _rules(action="do", observation=TWICE),
        _rules(action="do", thought=TWICE),
        _rules(action="do", keys=TWICE),
        _rules(action="do", reply=TWICE),
        _rules(action="do", native_ids=TWICE),
        _rules(action="do", tool={"name": "do", "arguments": TWICE}),
        _rules(action={"join": [TWICE, TWICE]}),
        _rules(action=[TWICE, {"json": True}]),
        _rules(action=f"({TWICE}) == ({TWICE})"),
        _rules(action=f"contains(({TWICE}), ({TWICE}))"),
        _rules(action=f"join(',', {TWICE}{'[]' * 17})"),
        _rules(each=TWICE + "[]" * 17, action="do"),
        A_STEP + f"\nfacts: {{task_text: {{value: '{TWICE}'}}}}",
        A_STEP + f"\nfacts: {{prompt_tokens: {{value: 'sum({TWICE}{'[]' * 17})'}}}}",
        A_STEP + f"\nagent_text: [{{value: '{TWICE}'}}]",
    ],
)
def test_a_path_that_makes_much_of_little_is_stopped(tmp_path: Path, body: str) -> None:
    write(tmp_path, {"a.jsonl": [{"do": "ls"}]})
    with pytest.raises((SpecError, MalformedRun)) as caught:
        run(spec(body), tmp_path, limits=SMALL)
    assert "a.jsonl" in caught.value.path


@pytest.mark.parametrize("field", ["once", "at"])
def test_so_is_one_of_a_source(tmp_path: Path, field: str) -> None:
    write(tmp_path, {"a.jsonl": [{"do": "ls"}]})
    path = TWICE if field == "once" else TWICE + "[]" * 17
    with pytest.raises(SpecError):
        run(spec(A_STEP, sources=f"{{kind: jsonl, {field}: '{path}'}}"), tmp_path, limits=SMALL)


def test_operations_within_operations_have_a_depth() -> None:
    inner: Any = "do"
    for _ in range(12):
        inner = {"first": [inner]}
    with pytest.raises(SpecError, match="10 levels deep"):
        spec(_rules(action=inner))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a: &a [*a]",
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "name: !!binary 'not base64'",
        "name: 2024-02-45",
        "[" * 5_000,
        "{a: " * 5_000,
        "- " * 5_000 + "a",
        "name: a\nname: b",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "\0",
        "\x07",
        "%YAML 9.9\n---\na",
        "---\na: 1\n---\nb: 2",
        "'unclosed",
        "",
        "null",
        "[]",
        "42",
        'name: "\\ud800"\ntitle: x',
        '"\\ud800": 1',
        "x" * 200_000,
        "find: {<<: {files: x}}",
        json.dumps({"name": "x" * 90_000}),
    ],
)
def test_a_text_that_is_no_spec_is_refused_in_words_that_can_be_shown(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec(text, path="bad.yaml")
    assert str(caught.value).encode("utf-8")
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "glob",
    [
        "../*.jsonl",
        "a/../../b",
        "/etc/passwd",
        "~/x",
        "C:/x",
        "a\\b",
        "./a",
        "a//b",
        "**/**/a",
        "a/**",
        "",
        "a\0b",
        "x" * 501,
        *("{a,{b,c}}", "{a/b,c}", "{a", "a}b{"),
    ],
)
def test_a_glob_that_leaves_the_folder_or_is_none_is_refused(glob: str) -> None:
    with pytest.raises(SpecError):
        spec(A_STEP, find=f"files: {json.dumps(glob)}")
    with pytest.raises(SpecError):
        spec(A_STEP, sources=json.dumps({"kind": "jsonl", "files": [glob]}))
    with pytest.raises(SpecError):
        spec(A_STEP, sources=json.dumps({"kind": "folder_per_step", "files": "x", "parts": {"do": glob}}))


def test_links_that_lead_out_are_not_there(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.jsonl": [{"do": "secret"}], "do.txt": "secret"})
    inside = write(tmp_path / "run", {"a.jsonl": [{"do": "ls"}], "steps/1/do.txt": "pwd"})
    (inside / "b.jsonl").symlink_to(outside / "secret.jsonl")
    (inside / "further").symlink_to(outside)
    (inside / "steps" / "2").symlink_to(outside)
    (inside / "steps" / "3").mkdir()
    (inside / "steps" / "3" / "do.txt").symlink_to(outside / "do.txt")
    (inside / "loop").symlink_to(inside / "loop")
    (inside / "self").symlink_to(inside)
    lines = spec(A_STEP, find="files: ['*.jsonl', '**/*.jsonl', 'further/*.jsonl']")
    assert {step.action for step in run(lines, inside).trajectory.steps} == {"ls"}
    parts = "{kind: folder_per_step, files: 'steps/*', parts: {do: do.txt}}"
    folders = spec(A_STEP, find="files: '*.jsonl'", sources=parts)
    assert [step.action for step in run(folders, inside).trajectory.steps] == ["pwd"]
    marked = spec(A_STEP, find="files: a.jsonl, markers: [{file: 'further/*', text: secret}]")
    assert recognise(marked, Artifacts(inside)) == []


def test_a_name_too_long_for_a_file_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": [{"do": "ls"}]})
    files = json.dumps(["x" * 300 + "/a", "y" * 300])
    found = run(spec(A_STEP, find=f"files: a.jsonl, forbid: {files}", sources="{kind: jsonl}"), tmp_path)
    assert found.trajectory.step_count == 1
    with pytest.raises(MalformedRun, match="no record"):
        run(spec(A_STEP, find="files: a.jsonl", sources=f"{{kind: jsonl, files: {files}}}"), tmp_path)


# Limits


@pytest.mark.parametrize(
    ("limit", "most", "body"),
    [
        ("files", 3, A_STEP),
        ("read_bytes", 100, A_STEP),
        ("values", 20, A_STEP),
        ("records", 20, A_STEP),
        ("records", 60, _rules(each=["do", {"every": "(?P<letter>.)"}], action="letter")),
        ("steps", 20, A_STEP),
        ("operations", 100, A_STEP),
        ("text", 50, A_STEP),
        ("seconds", -1, A_STEP),
    ],
)
def test_each_limit_names_itself_a_file_and_a_remedy(tmp_path: Path, limit: str, most: int, body: str) -> None:
    write(tmp_path, {f"{n}.jsonl": [{"do": f"echo {n} {line}"} for line in range(10)] for n in range(5)})
    with pytest.raises(SpecError) as caught:
        run(spec(body, find="files: '*.jsonl'"), tmp_path, limits=replace(SpecLimits(), **{limit: most}))
    assert f"limit {limit!r}" in str(caught.value)
    assert caught.value.path.endswith(".jsonl")
    assert caught.value.remedy


# Files


def _extract(folder: Path, *, sources: str = "{kind: jsonl}", body: str = A_STEP) -> Any:
    return run(spec(body, sources=sources), folder, limits=SMALL).trajectory


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        b"\xff\xfe{\x00}\x00",
        b'{"do": "\xe9t\xe9"}\n',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"do": "ls"',
        b"no JSON at all\n" * 50,
        b"\0" * 5_000,
    ],
)
@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_file_that_is_no_evidence_is_told_as_such(tmp_path: Path, kind: str, content: bytes) -> None:
    write(tmp_path, {"a.jsonl": content})
    with pytest.raises(UnreadableFile) as caught:
        _extract(tmp_path, sources=f"{{kind: {kind}}}")
    assert "a.jsonl" in caught.value.path


@pytest.mark.parametrize("kind", ["text", "json_in_text"])
def test_text_may_hold_any_byte_and_broken_json(tmp_path: Path, kind: str) -> None:
    good = b'{"do": "ls"}\n'
    body = "rules: [{name: all, step: {action: do}}, {name: text, step: {action: text}}]"
    noises = (b"{" * 300_000, b'{"' * 3_000, b"\xff\x00{\n" * 500, b'{"a":' * 400, b'{"do": "never closed')
    for noise in noises:
        write(tmp_path, {"a.jsonl": b"%s\n%s%s" % (noise, good, noise)})
        steps = run(spec(body, sources=f"{{kind: {kind}}}"), tmp_path).trajectory.steps
        assert any("ls" in step.action for step in steps)


def test_a_deep_value_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": b'{"do": ' + b"[" * 300 + b"]" * 300 + b"}"})
    with pytest.raises(MalformedRun, match="100 levels"):
        _extract(tmp_path)


def test_strange_values_are_no_facts_and_no_crash(tmp_path: Path) -> None:
    strange = [
        b'{"do": "\\ud800 x", "n": 1e999, "t": 1e300, "code": 99999999999999999999999}',
        b'{"do": "ls", "n": NaN, "t": "2024-13-45", "code": "7\\u0000"}',
        b'{"do": "pwd", "n": -3, "t": -1e11, "code": true}',
        b'{"do": "id", "n": 10000000000000000000, "t": "99999999999999999999", "code": [1]}',
    ]
    write(tmp_path, {"a.jsonl": b"\n".join(strange)})
    facts = ", ".join(
        f"{name}: {{value: n, pick: {pick}}}"
        for name, pick in (("prompt_tokens", "sum"), ("cost_usd", "max"), ("completion_tokens", "last"))
    )
    facts += ", started_at: t, ended_at: {value: t, pick: max}, solved: code, step_count: n, task: do"
    body = _rules(action="do", exit_code="code", timestamp="t", observation='`"\\ud800"`') + f"\nfacts: {{{facts}}}"
    trajectory = _extract(tmp_path, body=body)
    assert trajectory.model_dump_json().encode("utf-8")
    assert [step.step_id for step in trajectory.steps] == [1, 2, 3, 4]
    assert all(step.exit_code is None for step in trajectory.steps)
    assert trajectory.usage.prompt_tokens == -3
    assert trajectory.outcome.solved is True


def test_many_records_of_one_kind_take_no_square_of_time(tmp_path: Path) -> None:
    many = 6_000
    write(tmp_path, {"a.jsonl": [{"say": f"word {n}", "reply": str(n % 3_000)} for n in range(many)]})
    talk = run(spec("rules: [{name: talk, thought: {text: say}}]"), tmp_path)
    assert talk.trajectory.step_count == 1
    replies = run(spec("rules: [{name: talk, thought: {text: say, reply: reply}}]"), tmp_path)
    assert replies.trajectory.step_count == 3_000
    calls = [{"do": f"ls {n}", "id": "same"} for n in range(4_000)]
    results = [{"out": f"file {n}", "to": "same"} for n in range(4_000)]
    write(tmp_path, {"a.jsonl": calls + results})
    body = "rules: [{name: a, step: {action: do, keys: id}}, {name: b, answer: {to: to, text: out}}]"
    with pytest.raises(SpecError, match="operations"):
        run(spec(body), tmp_path, limits=SpecLimits(operations=800_000))


def test_a_hostile_spec_in_a_workspace_stops_no_import(tmp_path: Path) -> None:
    write(tmp_path, {f"f{n}/a.jsonl": [{"do": "ls"}] for n in range(3)})
    heavy = as_format(spec(_rules(action=TWICE)))
    claims = [claim for n in range(3) for claim in heavy.recognise(Artifacts(tmp_path / f"f{n}"))]
    assert len(claims) == 3
    for n, claim in enumerate(claims):
        with pytest.raises(CodeTracerError):
            extract(spec(_rules(action=TWICE)), Artifacts(tmp_path / f"f{n}"), claim, limits=SMALL)
