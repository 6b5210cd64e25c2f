"""A repository of a stranger names commands wherever git lets it: cloning it runs none of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.models import GitPlace
from tests.replay.environments.conftest import needs_git, repository

_HOOKS = ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc")
_SETTINGS = """
[filter "x"]
 smudge = {run}; cat
 clean = {run}; cat
 process = {run}
 required = true
[core]
 fsmonitor = {run}
 sshCommand = {run}
 hooksPath = {hooks}
 alternateRefsCommand = {run}
[uploadpack]
 packObjectsHook = {run}
[remote "origin"]
 url = ext::{run}
 promisor = true
 uploadpack = {run}
[extensions]
 partialClone = origin
[credential]
 helper = !{run}
[alias]
 clone = !{run}
"""


@needs_git
def test_cloning_runs_nothing_that_the_repository_names(begin: Callable[..., Any], tmp_path: Path) -> None:
    source, ran, hooks = tmp_path / "source", tmp_path / "ran", tmp_path / "hooks"
    repository(source)
    run = f"touch {ran}"
    for folder in (hooks, source / ".git" / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in _HOOKS:
            (folder / name).write_text(f"#!/bin/sh\n{run}\n")
            (folder / name).chmod(0o755)
    (source / ".git" / "info").mkdir(exist_ok=True)
    (source / ".git" / "info" / "attributes").write_text("* filter=x\n")
    with (source / ".git" / "config").open("a") as settings:
        settings.write(_SETTINGS.format(run=run, hooks=hooks))
    environment = begin(GitPlace(repository=str(source), allowed=True))
    assert environment.run("cat a.txt; git log --format=%s; git config --list --local | grep -c touch").output == (
        "two\ntwo\none\n0\n"
    )
    assert not ran.exists()


@needs_git
@pytest.mark.parametrize(
    ("address", "commit"),
    [
        ("ext::touch% ran", "HEAD"),
        ("--upload-pack=touch ran", "HEAD"),
        ("ssh://-oProxyCommand=touch/x", "HEAD"),
        ("someone@-oProxyCommand=touch:x", "HEAD"),
        ("", "--upload-pack=touch ran"),
        ("", "HEAD\n--all"),
    ],
)
def test_addresses_and_commits_are_no_options(
    begin: Callable[..., Any], tmp_path: Path, address: str, commit: str
) -> None:
    repository(tmp_path / "source")
    with pytest.raises(EnvironmentBroken, match=r"names no|neither a folder"):
        begin(GitPlace(repository=address or str(tmp_path / "source"), commit=commit, allowed=True))
