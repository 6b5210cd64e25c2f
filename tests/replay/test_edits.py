"""Structured edits, done in a real folder."""

from pathlib import Path

import pytest

from codetracer_core.replay.edits import History, compare_edit, do_edits
from codetracer_core.replay.models import FileEdit, PlannedStep, Ran
from tests.replay.plain import PlainEnvironment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("one\ntwo\nthree\n")
    return tmp_path


def do(folder: Path, *edits: FileEdit, history: History | None = None) -> Ran:
    return do_edits(edits, PlainEnvironment(folder), {} if history is None else history)


def replace(old: str, new: str, **more: bool) -> FileEdit:
    return FileEdit(path="a", kind="replace", old=old, text=new, **more)


DONE = [
    (replace("two", "2"), "one\n2\nthree\n"),
    (replace("e\n", "E\n", all=True), "onE\ntwo\nthreE\n"),
    (FileEdit(path="a", kind="write", text="x"), "x"),
    (FileEdit(path="a", kind="insert", after_line=0, text="zero"), "zero\none\ntwo\nthree\n"),
    (FileEdit(path="a", kind="insert", after_line=1, text="x\ny\n"), "one\nx\ny\ntwo\nthree\n"),
    (FileEdit(path="a", kind="insert", after_line=None, text="four"), "one\ntwo\nthree\nfour\n"),
    (FileEdit(path="a", kind="lines", after_line=0, through_line=2, text="x"), "x\nthree\n"),
    (FileEdit(path="a", kind="lines", after_line=1, through_line=2, text=""), "one\nthree\n"),
]


@pytest.mark.parametrize(("edit", "text"), DONE)
def test_edits_that_fit(folder: Path, edit: FileEdit, text: str) -> None:
    ran = do(folder, edit)
    assert (ran.exit_code, (folder / "a").read_text()) == (0, text)
    assert ran.output


FAILS = [
    (replace("four", "4"), "is not in a"),
    (replace("e", "E"), "stands 3 times in a"),
    (replace("", "E"), "is not in a"),
    (FileEdit(path="a", kind="create", text="x"), "there already"),
    (FileEdit(path="a", kind="insert", after_line=9, text="x"), "has 3 lines"),
    (FileEdit(path="a", kind="lines", after_line=2, through_line=4, text="x"), "has 3 lines"),
    (FileEdit(path="a", kind="undo"), "taken back"),
    (FileEdit(path="b", kind="delete"), "no file"),
    (FileEdit(path="b", kind="replace", old="x", text="y"), "no file"),
]


@pytest.mark.parametrize(("edit", "words"), FAILS)
def test_edits_that_do_not_fit_change_nothing(folder: Path, edit: FileEdit, words: str) -> None:
    ran = do(folder, FileEdit(path="new", kind="create", text="x"), edit)
    assert ran.exit_code == 1
    assert words in ran.output
    assert (folder / "a").read_text() == "one\ntwo\nthree\n"
    assert not (folder / "new").exists()


def test_edits_of_one_step_build_on_each_other(folder: Path) -> None:
    done = do(
        folder,
        replace("two", "2"),
        replace("2\n", "II\n"),
        FileEdit(path="a", kind="move", text="sub/b"),
        FileEdit(path="new", kind="create", text="x"),
    )
    assert done.exit_code == 0
    assert (folder / "sub/b").read_text() == "one\nII\nthree\n"
    assert sorted(path.name for path in folder.iterdir()) == ["new", "sub"]


def test_edits_are_taken_back_one_by_one(folder: Path) -> None:
    history: History = {}
    undo = FileEdit(path="a", kind="undo")
    do(folder, replace("one", "1"), history=history)
    do(folder, replace("two", "2"), history=history)
    do(folder, replace("nowhere", "x"), history=history)
    assert do(folder, undo, history=history).exit_code == 0
    assert (folder / "a").read_text() == "1\ntwo\nthree\n"
    assert do(folder, undo, history=history).exit_code == 0
    assert (folder / "a").read_text() == "one\ntwo\nthree\n"
    assert do(folder, undo, history=history).exit_code == 1


def test_a_made_file_that_is_taken_back_is_gone(folder: Path) -> None:
    history: History = {}
    do(folder, FileEdit(path="it's new; rm a", kind="create", text="x"), history=history)
    assert do(folder, FileEdit(path="it's new; rm a", kind="undo"), history=history).exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_other_line_ends_and_other_bytes(folder: Path) -> None:
    (folder / "a").write_bytes(b"one\r\ntwo\r\n")
    assert do(folder, replace("one\ntwo", "1\n2")).exit_code == 0
    assert (folder / "a").read_bytes() == b"1\r\n2\r\n"
    (folder / "a").write_bytes(b"last line")
    assert do(folder, replace("last line\n", "end\n")).exit_code == 0
    (folder / "a").write_bytes(b"\xff\xfe")
    assert "UTF-8" in do(folder, replace("x", "y")).output
    (folder / "a").write_text("a\u2028b\x0cc\nd\n")  # only \n ends a line, as editors count
    assert do(folder, FileEdit(path="a", kind="insert", after_line=1, text="x")).exit_code == 0
    assert (folder / "a").read_text() == "a\u2028b\x0cc\nx\nd\n"


def test_an_edit_is_compared_with_the_lines_that_its_tool_showed(folder: Path) -> None:
    def compared(expected: str | None, ran: Ran) -> tuple[str, float | None, str]:
        planned = PlannedStep(step_id=1, deed="edit", command="", edits=(replace("two", "2"),), expected=expected)
        return compare_edit(planned, ran, PlainEnvironment(folder))

    ran = do(folder, replace("two", "2"))
    shown = (
        "Here's the result of running `cat -n` on a snippet of a:\n     1\tone\n     2\t2\n     3\tthree\nReview it."
    )
    assert compared(shown, ran)[:2] == ("same", 1.0)
    assert compared(shown.replace("\t", "→"), ran)[0] == "same"
    assert compared("[File: /w/a (3 lines total)]\n1:one\n2:2\n3:three\n", ran)[0] == "same"
    met, similarity, why = compared(shown.replace("three", "THREE"), ran)
    assert (met, why) == ("differs", "line 3 of the file: recorded “THREE”, now “three”")
    assert similarity == pytest.approx(2 / 3)
    assert compared("File created successfully at: a", ran)[:2] == ("not_compared", None)
    assert compared(None, ran)[0] == "not_compared"
    assert compared(shown, do(folder, replace("nowhere", "x")))[0] == "failed"
