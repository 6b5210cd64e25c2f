"""Terminal recordings: which JSON objects they hold, where those stand, and when they were printed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.errors import CodeTracerError, MalformedRun, UnreadableFile
from codetracer_core.models import SourceRef
from codetracer_core.parsers import resolve
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.parsers._cast import Cast, read_cast

START = 1_750_000_000
HEADER: dict[str, Any] = {"version": 2, "width": 160, "height": 40, "timestamp": START}


def recording(*events: str | tuple[str, str], header: dict[str, Any] = HEADER) -> str:
    """Recording with one event per second; a text alone is output."""
    lines = [json.dumps(header)]
    for second, event in enumerate(events, start=1):
        kind, text = ("o", event) if isinstance(event, str) else event
        lines.append(json.dumps([float(second), kind, text]))
    return "\n".join(lines) + "\n"


def read(folder: Path, text: str | bytes) -> Cast:
    data = text.encode() if isinstance(text, str) else text
    (folder / "agent.cast").write_bytes(data)
    return read_cast(Artifacts(folder), "agent.cast")


def printed(number: int, **more: Any) -> str:
    return json.dumps({"type": "user", "number": number, **more}, separators=(",", ":")) + "\r\n"


def test_objects_are_found_between_everything_else_on_the_terminal(tmp_path: Path) -> None:
    cast = read(
        tmp_path,
        recording(
            "\x1b[?2004hroot@box:/app# ",
            ("i", '{"type":"typed"}\r'),
            'claude -p \'say {"type":"no"}\'\r\n\x1b[?2004l\r',
            printed(1),
            "\x1b[1G\x1b[0K" + printed(2) + "a line\r\n" + printed(3),
            'not at the start: {"type":"no"}\r\n',
        ),
    )
    assert [item.value["number"] for item in cast.objects] == [1, 2, 3]
    assert [(item.line, item.last_line, item.index) for item in cast.objects] == [(5, 5, 0), (6, 6, 0), (6, 6, 1)]
    assert cast.objects[0].time == datetime.fromtimestamp(START + 4, UTC)
    assert cast.problems == ()
    assert "a line\n" in cast.text
    assert "\x1b" not in cast.text


def test_an_object_can_be_spread_over_events(tmp_path: Path) -> None:
    whole = printed(7, text="first half, second half")
    cast = read(tmp_path, recording("$ \r\n", whole[:20], ("r", "100x30"), whole[20:] + printed(8)))
    first, second = cast.objects
    assert (first.line, first.last_line, first.index) == (3, 5, 0)
    assert (second.line, second.last_line, second.index) == (5, 5, 0)
    assert resolve(tmp_path, first.ref("text")) == "first half, second half"
    assert resolve(tmp_path, second.ref("number")) == "8"


def test_what_a_terminal_put_into_a_string_costs_nothing(tmp_path: Path) -> None:
    broken = '{"type":"user","text":"one\r\ntwo\tthree"}\r\n'
    cast = read(tmp_path, recording(broken, '{"type":"user","text":"\\ud800"}\r\n'))
    assert [item.value["text"] for item in cast.objects] == ["one\ntwo\tthree", "\ufffd"]


def test_a_killed_recording_keeps_what_is_whole(tmp_path: Path) -> None:
    text = recording(printed(1), '{"type":"assistant","mess') + '[3.0, "o", "cut'
    cast = read(tmp_path, text)
    assert [item.value["number"] for item in cast.objects] == [1]
    assert cast.problems == (
        "agent.cast: 1 lines hold no event and were skipped (first: line 4).",
        "agent.cast: 1 printed objects are cut off or no JSON (first: line 3).",
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [({"version": 2}, None), ({"version": 2, "timestamp": None}, None), ({"version": 2, "timestamp": 1e300}, None)],
)
def test_times_are_only_known_with_an_absolute_start(
    tmp_path: Path, header: dict[str, Any], expected: datetime | None
) -> None:
    assert read(tmp_path, recording(printed(1), header=header)).objects[0].time is expected


def test_references_to_several_objects_give_the_text_of_each(tmp_path: Path) -> None:
    (tmp_path / "agent.cast").write_text(recording(printed(1, text="a"), printed(2), printed(3, text="c")))
    ref = SourceRef(path="agent.cast", line_start=2, line_end=4, kind="cast", pointer="/*/text")
    assert resolve(tmp_path, ref) == "a\nc"
    with pytest.raises(KeyError):
        resolve(tmp_path, ref.model_copy(update={"pointer": "/*/nothing"}))


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", UnreadableFile, "0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", UnreadableFile, "git-LFS"),
        (b'{"version": 2, "width"', UnreadableFile, "no valid JSON"),
        (recording(printed(1)).encode("utf-16"), UnreadableFile, "not UTF-8"),
        (b'{"version": 3, "term": {}}\n', MalformedRun, "version 2"),
        (b'[1.0, "o", "text"]\n', MalformedRun, "version 2"),
    ],
    ids=["empty", "lfs", "cut", "utf-16", "version 3", "no header"],
)
def test_what_is_no_recording_is_an_error_with_the_path(
    tmp_path: Path, data: bytes, error: type[CodeTracerError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        read(tmp_path, data)
    assert caught.value.path == str(tmp_path / "agent.cast")


@given(st.data())
def test_where_events_begin_and_end_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    texts = data.draw(st.lists(st.text(max_size=20), min_size=1, max_size=4))
    colour = "\x1b[1G\x1b[0K"
    output = "$ run\r\n" + "".join(colour + printed(number, text=text) for number, text in enumerate(texts))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(output) - 1), max_size=12)))
    pieces = [output[start:end] for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True)]
    folder = tmp_path_factory.mktemp("cast")
    cast = read(folder, recording(*pieces))
    assert [item.value["text"] for item in cast.objects] == texts
    for item, text in zip(cast.objects, texts, strict=True):
        assert resolve(folder, item.ref("text")) == text
