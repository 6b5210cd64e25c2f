"""The git environment: a throw-away clone at a commit. Nothing is written into the repository that it comes from."""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.environments.engines import engine_variables
from codetracer_core.replay.environments.machine import MachineEnvironment
from codetracer_core.replay.environments.shells import ShellKind
from codetracer_core.replay.keeping.processes import remove_tree
from codetracer_core.replay.models import GitPlace, Limits

CLONE_SECONDS = 900.0
_BRANCH = "codetracer-replay"
_ADDRESS = re.compile(r"(?:https|ssh|file)://[^\s\0]+|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s\0]+")
_COMMIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@{}^~+-]*")
_CAREFUL = (
    *("-c", "protocol.allow=never", "-c", "protocol.file.allow=always"),
    *("-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always", "-c", "protocol.ext.allow=never"),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.symlinks=true"),
    *("-c", "credential.helper=", "-c", "submodule.recurse=false", "-c", "safe.directory=*", "-c", "gc.auto=0"),
)


def start_git(
    place: GitPlace,
    limits: Limits,
    *,
    shell: ShellKind,
    scratch: Path,
    replay_id: str,
    hide: tuple[Path, ...] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> MachineEnvironment:
    """Clone the repository, without its submodules, and check the commit out, detached, with the history before it.

    A clone of its own, not a worktree: a worktree would write into the ``.git`` of the original. Raises
    EnvironmentBroken if there is no git, no such repository or commit, or cloning takes more than 15 minutes."""
    if not shutil.which("git"):
        raise EnvironmentBroken("git is not installed", remedy="Install it, or use the local environment.")
    source = source_of(place.repository)
    if not _COMMIT.fullmatch(place.commit):
        raise EnvironmentBroken(f"{place.commit!r} names no commit")
    environment = MachineEnvironment(limits, shell=shell, scratch=scratch, replay_id=replay_id, hide=hide)
    # The clone is ours to make, so it has the settings of a home without any: only what it needs to reach an address.
    variables = {
        **{name: value for name, value in engine_variables().items() if name in ("HOME", "SSH_AUTH_SOCK", "LANG")},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TEMPLATE_DIR": "",
        "GIT_LFS_SKIP_SMUDGE": "1",
        # A folder that says it is part of another repository would have us run the commands that it names for that.
        "GIT_NO_LAZY_FETCH": "1",
    }

    def git(*words: str, what: str) -> str:
        argv = ["git", *_CAREFUL, *words]
        return environment.make(argv, seconds=CLONE_SECONDS, cancelled=cancelled, what=what, **variables)

    try:
        whole, copy = str(environment.copy.with_name("whole.git")), str(environment.copy)
        git("clone", "--quiet", "--bare", "--no-hardlinks", "--", source, whole, what=f"cloning {source}")
        commit = _find(git, whole, source, place.commit)
        # A second clone, which holds nothing that came after the commit: there the solution may be.
        git("-C", whole, "branch", "--force", _BRANCH, commit, what="naming the commit")
        only = ("--no-local", "--single-branch", "--branch", _BRANCH, "--no-recurse-submodules")
        git("clone", "--quiet", *only, "--", whole, copy, what="cloning again")
        git("-C", copy, "checkout", "--quiet", "--detach", what=f"checking {place.commit} out")
        git("-C", copy, "branch", "--quiet", "-D", _BRANCH, what="forgetting the branch")
        # What runs in it is not told where it came from: it could only read there.
        git("-C", copy, "remote", "remove", "origin", what="forgetting the origin")
        remove_tree(Path(whole))
    except BaseException:
        environment.stop()
        raise
    environment.filled()
    environment.tell(f"commit {commit}, without what came after it, and without submodules")
    return environment


def _find(git: Callable[..., str], whole: str, source: str, commit: str) -> str:
    """The commit's hash, fetched by name if no branch or tag holds it. Raises EnvironmentBroken."""
    for attempt in (commit, "FETCH_HEAD"):
        if attempt == "FETCH_HEAD":
            git("-C", whole, "fetch", "--quiet", "--", source, commit, what=f"finding commit {commit}")
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{attempt}^{{commit}}")
        with suppress(EnvironmentBroken):
            return git("-C", whole, *asked, what=f"finding commit {commit}").strip()
    raise EnvironmentBroken(f"the repository has no commit {commit}", path=source)


def source_of(repository: str) -> str:
    """A folder as an absolute path, an address as it is. Raises EnvironmentBroken for anything else."""
    if not repository or repository.startswith("-") or "\0" in repository:
        raise EnvironmentBroken(
            "no repository is named" if not repository else "this names no repository", path=repository
        )
    folder = Path(repository).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if _ADDRESS.fullmatch(repository) and not re.search(r"://-|@-|://[^/]*@?-o", repository):
        return repository
    raise EnvironmentBroken(
        "this is neither a folder nor an address that is cloned from",
        path=repository,
        remedy="Name a folder, or an address with https://, ssh:// or file://.",
    )
