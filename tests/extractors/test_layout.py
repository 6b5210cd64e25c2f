"""What is seen of an unknown folder: folded, bounded, never outside of it."""

import json
from pathlib import Path

import pytest

from codetracer_core.errors import UnreadableFile
from codetracer_core.extractors.layout import cut, fingerprint, layout_of, look, look_alikes, named, pattern_of
from codetracer_core.extractors.showing import shown
from tests.extractors.unfamiliar import UNFAMILIAR


def test_names_that_count_or_identify_are_folded() -> None:
    assert pattern_of("turn-12/request.json") == "turn-{n}/request.json"
    assert pattern_of("s/0f8fad5b-d9cb-469f-a165-70867728950e/e.json") == "s/{id}/e.json"
    assert pattern_of("logs/9f86d081884c7d65.txt") == "logs/{id}.txt"
    assert pattern_of("relay.json") == "relay.json"


def test_the_listing_tells_one_line_for_each_kind_of_file(tmp_path: Path) -> None:
    for number in range(1, 217):
        (tmp_path / "events").mkdir(exist_ok=True)
        (tmp_path / "events" / f"{number:06}.json").write_text("{}" * (number % 3 + 1))
    for name in ("ada", "bob", "cleo", "dan", "eve"):
        (tmp_path / f"{name}.tern.log").write_text("x")
    listing = layout_of(tmp_path).listing()
    assert "events/000001.json … events/000216.json  216 files like that, 2–6 bytes" in listing
    assert "ada.tern.log … eve.tern.log  5 files like that, 1 bytes each" in listing
    assert len(listing.splitlines()) == 2


def test_folders_that_look_alike_are_listed_once() -> None:
    layout = layout_of(UNFAMILIAR / "relay")
    assert layout.alike == (("expired-tokens", "duplicate-invoices"),)
    assert "1 more folder laid out like duplicate-invoices/: expired-tokens/" in layout.listing()
    assert look_alikes(UNFAMILIAR / "relay" / "expired-tokens") == [
        (UNFAMILIAR / "relay" / "duplicate-invoices").resolve()
    ]
    assert look_alikes(UNFAMILIAR / "relay") == []


def test_a_fingerprint_tells_layouts_not_runs() -> None:
    one, other = (fingerprint(UNFAMILIAR / "relay" / name) for name in ("duplicate-invoices", "expired-tokens"))
    assert one == other
    assert one != fingerprint(UNFAMILIAR / "tern")


def test_what_is_shown_is_bounded_and_harmless(tmp_path: Path) -> None:
    (tmp_path / "bad\x1b[2J\nname\u202e.json").write_text(json.dumps({"k": "v" * 100_000}))
    (tmp_path / "deep.json").write_text("[" * 5_000 + "]" * 5_000)
    (tmp_path / "wide.json").write_text(json.dumps({f"key {number}": number for number in range(5_000)}))
    (tmp_path / "log.txt").write_text("\x1b[31mred\x1b[0m\n" * 50_000)
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps({"type": f"t{i % 3}", "n": i}) for i in range(9_000)))
    (tmp_path / "half.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a":')
    (tmp_path / "blob.bin").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "not there")
    text = shown(tmp_path, 12_000)
    assert len(text) < 14_000
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31mred" in text
    assert "2 links, not followed" in text
    assert "blob.bin: no text" in text
    assert '3000 × type = "t0"' in shown(tmp_path, 40_000) or '167 × type = "t0"' in text
    assert shown(tmp_path) == shown(tmp_path)


def test_a_folder_with_very_many_files_is_only_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codetracer_core.extractors.layout.MOST_FILES", 50)
    for number in range(60):
        (tmp_path / f"{number}.txt").write_text("x")
    layout = layout_of(tmp_path)
    assert layout.has_more
    assert len(layout.files) == 50


def test_looking_counts_lines_from_one_and_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "secret").write_text("no")
    assert look(tmp_path / "run", "a.log", 2, 1) == "a.log, lines 2–2 of 4:\n2| two"
    assert look(tmp_path / "run", "a.log", 99, 1) == "a.log has only 4 lines"
    for path in ("../secret", str(tmp_path / "secret"), "none", ".", "", "a.log/x", "x" * 5_000, "a\0b"):
        with pytest.raises(UnreadableFile):
            look(tmp_path / "run", path)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(UnreadableFile):
            layout_of(path)


def test_cutting_tells_how_much_is_left_out() -> None:
    assert cut("abcdef", 4) == "abcd … (+2 characters)"
    assert named("a\nb\t\x07") == "a\\nb\\t\\x07"
