"""Lists of steps outlive the server that made them; what is not whole, or not a list, is none."""

import gzip
import os
from pathlib import Path

import pytest

from codetracer_core import step_list_files
from codetracer_core.errors import CodeTracerError
from codetracer_core.step_list_files import StepList, name_of, read_list, write_list
from codetracer_core.store import Workspace

MADE = StepList("Ada und <b>Ben</b> é", (("run/a", 3), ("run/a", None), ("b", 1)), "agreement?steps=x&y=1", True)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_a_list_is_read_as_it_was_written_and_kept_once(workspace: Workspace) -> None:
    assert read_list(workspace, name_of(MADE)) is None
    write_list(workspace, MADE)
    write_list(workspace, MADE)
    assert read_list(workspace, name_of(MADE)) == MADE
    assert len(list(workspace.lists.iterdir())) == 1
    assert name_of(MADE._replace(names_people=False)) != name_of(MADE)


@pytest.mark.parametrize("name", ["", "../codetracer", "0123456789ABCDEF", "0123456789abcdef", "a" * 16 + "\n", "/"])
def test_a_name_that_is_none_leads_nowhere(workspace: Workspace, name: str) -> None:
    write_list(workspace, MADE)
    assert read_list(workspace, name) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"[]"), gzip.compress(b'["t", [], ".", false]')],
    ids=["empty", "no gzip", "no list", "another list"],  # names of tests hold no time, as gzip's bytes do
)
def test_a_file_that_is_not_what_its_name_says_is_no_list(workspace: Workspace, content: bytes) -> None:
    write_list(workspace, MADE)
    (path,) = workspace.lists.iterdir()
    whole = path.read_bytes()
    for broken in (content, whole[:-9]):
        path.write_bytes(broken)
        assert read_list(workspace, name_of(MADE)) is None


def test_lists_that_nobody_used_for_longest_make_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_list_files, "MOST_LISTS", 2)
    first, second, third = (MADE._replace(title=title) for title in ("first", "second", "third"))
    for age, made in ((30, first), (20, second)):
        write_list(workspace, made)
        path = workspace.lists / f"{name_of(made)}.json.gz"
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    write_list(workspace, first)  # used again
    write_list(workspace, third)
    assert [read_list(workspace, name_of(made)) is not None for made in (first, second, third)] == [True, False, True]
    monkeypatch.setattr(step_list_files, "MOST_BYTES", 1)
    write_list(workspace, second)
    assert [path.name for path in workspace.lists.iterdir()] == [f"{name_of(second)}.json.gz"]


def test_where_nothing_can_be_written_that_is_said(workspace: Workspace) -> None:
    workspace.folder.parent.mkdir(exist_ok=True)
    workspace.folder.write_text("a file in the way")
    with pytest.raises(CodeTracerError, match="cannot be kept"):
        write_list(workspace, MADE)
