"""Clones at a commit: from where, at which, what is in them, and that the repository does not notice.

What a hostile repository could have executed: test_hostile_repository.py."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import CodeTracerError, EnvironmentBroken
from codetracer_core.replay.environments import start
from codetracer_core.replay.environments.git import source_of
from codetracer_core.replay.models import GitPlace, Limits
from tests.replay.environments.conftest import left_behind, needs_git, repository, snapshot

pytestmark = needs_git
Begin = Callable[..., Any]


def place(folder: Path | str, commit: str = "HEAD") -> GitPlace:
    return GitPlace(repository=str(folder), commit=commit, allowed=True)


@pytest.mark.parametrize(
    "address",
    [
        "-c core.sshCommand=x",
        "file::/etc",
        "fd::17/x",
        "http://127.0.0.1/x.git",
        "git://127.0.0.1/x.git",
        "ssh://user@-oProxyCommand=touch%20{trap}/x",
        "-oProxyCommand=touch@host:x",
        "https://host/x\n--upload-pack=y",
        "/not/there",
        "",
    ],
)
def test_addresses_that_are_refused(address: str, scratch: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    with pytest.raises(EnvironmentBroken, match=r"repository|neither a folder nor an address"):
        start(place(address.format(trap=trap)), Limits(), shell="fresh", scratch=scratch, replay_id="x")
    assert not trap.exists()
    assert not scratch.exists()


def test_addresses_that_are_taken() -> None:
    for address in ("https://host/a/b.git", "ssh://git@host:22/a.git", "git@host.org:a/b.git", "file:///a/b"):
        assert source_of(address) == address


def test_a_clone_at_the_commit_without_what_came_after(begin: Begin, tmp_path: Path, scratch: Path) -> None:
    source = tmp_path / "source"
    first, second = repository(source)
    before = snapshot(source)
    environment = begin(place(source, first), replay_id="first")
    ran = environment.run(
        "cat a.txt; git rev-parse HEAD; git status --short; git remote; git branch --list; git worktree list | wc -l"
    )
    assert ran.output.splitlines() == ["one", first, f"* (HEAD detached at {first[:7]})", "1"]
    assert environment.run(f"git cat-file -e {second}").exit_code != 0
    assert any(first in fact for fact in environment.facts)
    assert str(source) not in environment.run("cat .git/config .git/HEAD .git/packed-refs; ls .git/objects/info").output
    environment.run(
        "echo three > a.txt; git -c user.name=t -c user.email=t@e commit -qam three; git gc -q; rm -rf .git"
    )
    environment.stop()
    assert snapshot(source) == before
    assert left_behind(scratch, "first") == []


def test_names_of_commits(begin: Begin, tmp_path: Path, scratch: Path) -> None:
    source = tmp_path / "source"
    first, second = repository(source)
    subprocess.run(["git", "-C", str(source), "tag", "v1.0-rc", first], check=True)
    for number, (name, commit) in enumerate(
        {"v1.0-rc": first, "main": second, "HEAD~1": first, first[:10]: first, "HEAD^{commit}": second}.items()
    ):
        environment = begin(place(f"file://{source}" if number == 0 else source, name), replay_id=f"n{number}")
        assert environment.run("git rev-parse HEAD").output.strip() == commit
        environment.stop()
    for name in ("--all", "-x", "", "main;touch x", "a b", "$(touch x)", "nosuch", "0" * 40, "HEAD:a.txt", "@{-1}"):
        with pytest.raises(CodeTracerError) as told:
            start(place(source, name), Limits(), shell="fresh", scratch=scratch, replay_id="x")
        assert "commit" in str(told.value), name
    assert left_behind(scratch, "x") == []
