"""Programs whose sub-command decides: git, package managers, containers, build tools."""

import re
from dataclasses import dataclass

from codetracer_core.actions.effects import Effect, Purpose, changes, explores, shown
from codetracer_core.actions.options import Call, after_options, has, names, operands, paths, value_of


def _set(text: str) -> frozenset[str]:
    return frozenset(entry.strip() for entry in text.split(",") if entry.strip())


@dataclass(frozen=True, slots=True)
class Family:
    """Sub-commands by what they do. An entry is "sub" or "sub next"; the longer one wins. All others change."""

    purpose: Purpose
    """What its changing sub-commands are for."""
    reads: frozenset[str] = frozenset()
    tests: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    """Exceptions: "sub word" that changes although "sub" alone reads, if the word stands anywhere behind it."""
    starts: frozenset[str] = frozenset()
    """Sub-commands that start the command line behind them."""
    starts_in: bool = False
    """Does a container's name stand between the sub-command and the command line?"""
    valued: frozenset[str] = frozenset()
    """Options that take the next word."""
    rehearsals: frozenset[str] = frozenset()
    """Options that turn a change into a look."""
    bare_changes: bool = False
    """Does the program change state when it is called without a sub-command?"""


_PIP = Family(
    "install",
    _set(
        "list, show, freeze, search, check, index, debug, help, inspect, hash, config list, config get, config debug,"
        "cache list, cache info, cache dir"
    ),
    rehearsals=_set("--dry-run"),
)
_NPM_READS = _set(
    "ls, list, ll, la, view, info, show, search, outdated, audit, root, prefix, bin, whoami, ping, explain, why, help,"
    "fund, doctor, config get, config list, config ls, pkg get, owner ls, dist-tag ls, licenses, query"
)
_NPM_TESTS = _set(
    "test, t, tst, run test, run tests, run-script test, run lint, run typecheck, run type-check, run check,"
    "run test:unit, run unit, lint, typecheck, check, jest, vitest, mocha"
)
_NPM_VALUED = _set("-C, --prefix, -w, --workspace, --filter, --cwd, --dir, -F")
_NPM = Family(
    "install",
    _NPM_READS,
    _NPM_TESTS,
    _set("audit fix, pkg set"),
    starts=_set("exec, dlx, x"),
    valued=_NPM_VALUED,
    rehearsals=_set("--dry-run"),
)
_YARN = Family("install", _NPM_READS, _NPM_TESTS, starts=_NPM.starts, valued=_NPM_VALUED, bare_changes=True)
_APT = Family(
    "install",
    _set("list, show, search, policy, showsrc, depends, rdepends, help, changelog, check"),
    valued=_set("-o, -c, -t"),
    rehearsals=_set("-s, --simulate, --dry-run, --just-print, --print-uris, --no-act"),
)
_YUM = Family(
    "install",
    _set(
        "list, info, search, repolist, provides, whatprovides, deplist, history, check-update, repoquery, grouplist,"
        "help, repos, packages"
    ),
    valued=_set("-c, --enablerepo, --disablerepo"),
)
_CONDA = Family(
    "install",
    _set(
        "list, info, search, env list, env export, config --show, config --show-sources, config --get, activate,"
        "deactivate, help, doctor, compare, repoquery, shell.bash, shell"
    ),
    starts=_set("run"),
    valued=_set("-n, --name, -p, --prefix, --cwd"),
    rehearsals=_set("--dry-run, -d"),
)
_COMPOSE_READS = "ps, logs, config, images, top, ls, version, port, help"
_DOCKER = Family(
    "run",
    _set(
        "ps, images, logs, inspect, version, info, stats, top, port, diff, history, search, events, help, image ls,"
        "image list, image inspect, image history, container ls, container list, container ps, container inspect,"
        "container logs, container top, container stats, container port, volume ls, volume inspect, network ls,"
        "network inspect, system df, system info, context ls, context show, context inspect, manifest inspect,"
        "buildx ls, buildx inspect, buildx version, node ls, service ls, service ps, service logs, stack ls, stack ps"
    )
    | _set(", ".join(f"compose {word.strip()}" for word in _COMPOSE_READS.split(","))),
    starts=_set("exec, compose exec, container exec"),
    starts_in=True,
    valued=_set(
        "-H, --host, --context, -c, --config, -l, --log-level, -f, --file, -p, --project-name, --env-file, --profile,"
        "--project-directory, -e, --env, -u, --user, -w, --workdir, --detach-keys, --index, -v, --volume, --name,"
        "--network, --entrypoint, --mount, --platform"
    ),
)
_PROJECT = Family(
    "install",
    _set(
        "show, check, env info, env list, env show, env find, search, about, version, config --list, graph, list, info,"
        "help, --venv, --where, dep show, status"
    ),
    _set("test"),
    starts=_set("run, env run"),
    rehearsals=_set("--dry-run"),
)

FAMILIES: dict[str, Family] = {
    # packages of languages
    "pip": _PIP,
    "pipx": _PIP,
    "npm": _NPM,
    "pnpm": _NPM,
    "bun": _NPM,
    "yarn": _YARN,
    "conda": _CONDA,
    "mamba": _CONDA,
    "micromamba": _CONDA,
    "poetry": _PROJECT,
    "pipenv": _PROJECT,
    "pdm": _PROJECT,
    "rye": _PROJECT,
    "hatch": _PROJECT,
    "uv": Family(
        "install",
        _set(
            "pip list, pip show, pip freeze, pip check, pip tree, tree, python list, python find, python dir, version,"
            "help, cache dir, tool list, tool dir, self version"
        ),
        starts=_set("run, tool run"),
        valued=_set("--directory, --project, -p, --python, --with, --extra, --group, --package, --env-file"),
        rehearsals=_set("--dry-run"),
    ),
    "cargo": Family(
        "build",
        _set(
            "tree, metadata, search, --list, locate-project, pkgid, read-manifest, verify-project, info, version, help,"
            "fmt --check, config get, audit, outdated, expand"
        ),
        _set("test, t, check, c, clippy, nextest, bench, miri"),
        _set("clippy --fix"),
        valued=_set("--manifest-path, -C, --config, -Z, --color"),
        rehearsals=_set("--dry-run, --check"),
    ),
    "rustup": Family("install", _set("show, which, check, toolchain list, target list, component list, doc, help")),
    "go": Family(
        "build",
        _set("version, env, list, doc, mod graph, mod why, mod verify, help, tool pprof, tool nm, tool objdump"),
        _set("test, vet"),
        _set("env -w, env -u, test -c, test -cpuprofile, test -memprofile, test -blockprofile, test -trace"),
        valued=_set("-C"),
    ),
    "gem": Family(
        "install",
        _set("list, search, info, environment, env, which, contents, dependency, outdated, query, specification, help"),
    ),
    "bundle": Family(
        "install",
        _set("list, show, info, check, outdated, platform, config list, config get, env, licenses, help"),
        starts=_set("exec"),
        bare_changes=True,
    ),
    "composer": Family(
        "install",
        _set("show, info, search, outdated, validate, diagnose, licenses, check-platform-reqs, why, depends, status"),
        _set("test, run test, run-script test"),
    ),
    "opam": Family("install", _set("list, show, info, search, config list, config var, var, switch list, switch show")),
    "luarocks": Family("install", _set("list, search, show, which, path, doc, config, help")),
    "cpanm": Family("install", _set("--info"), bare_changes=True),
    "cpan": Family("install", bare_changes=True),
    "easy_install": Family("install", bare_changes=True),
    "pyenv": Family(
        "install",
        _set("versions, version, which, whence, prefix, root, commands, help, init, install --list"),
        starts=_set("exec"),
    ),
    "nvm": Family("install", _set("ls, list, ls-remote, current, which, version, use, help")),
    "asdf": Family("install", _set("list, current, where, which, latest, info, plugin list, help")),
    # packages of systems
    "apt": _APT,
    "apt-get": _APT,
    "aptitude": _APT,
    "yum": _YUM,
    "dnf": _YUM,
    "microdnf": _YUM,
    "zypper": _YUM,
    "apk": Family(
        "install", _set("info, search, list, policy, version, stats, dot, verify, audit"), rehearsals=_set("--simulate")
    ),
    "brew": Family(
        "install", _set("list, ls, info, search, config, doctor, deps, uses, outdated, leaves, --prefix, desc, cat")
    ),
    "snap": Family("install", _set("list, info, find, version, services, connections, help")),
    "flatpak": Family("install", _set("list, info, search, remotes, ps, history, help")),
    "nix": Family("install", _set("search, eval, flake show, flake metadata, show-config, path-info, why-depends")),
    # containers, services, clouds
    "docker": _DOCKER,
    "podman": _DOCKER,
    "nerdctl": _DOCKER,
    "docker-compose": Family("run", _set(_COMPOSE_READS), starts=_set("exec"), starts_in=True, valued=_DOCKER.valued),
    "kubectl": Family(
        "run",
        _set(
            "get, describe, logs, top, explain, version, api-resources, api-versions, cluster-info, diff, events,"
            "config view, config get-contexts, config current-context, auth can-i, rollout status, rollout history"
        ),
        starts=_set("exec"),
        starts_in=True,
        valued=_set("-n, --namespace, --context, --kubeconfig, -c, --container"),
        rehearsals=_set("--dry-run=client, --dry-run=server"),
    ),
    "helm": Family("run", _set("list, ls, status, get, show, search, history, template, env, repo list"), _set("lint")),
    "systemctl": Family(
        "run",
        _set(
            "status, is-active, is-enabled, is-failed, list-units, list-unit-files, list-timers, list-sockets, show,"
            "cat, list-dependencies, get-default, show-environment, list-jobs"
        ),
        valued=_set("-t, --type, -n, -H, -p"),
    ),
    "supervisorctl": Family("run", _set("status, tail, avail, pid, version, help")),
    "tmux": Family(
        "run",
        _set("ls, list-sessions, list-windows, list-panes, capture-pane, display-message, show-options, has-session"),
        bare_changes=True,
    ),
    "terraform": Family(
        "run",
        _set("plan, show, output, version, providers, state list, state show, graph"),
        _set("validate, fmt -check"),
    ),
    "vagrant": Family("run", _set("status, global-status, ssh-config, port, box list, version")),
    # version control
    "gh": Family(
        "version control",
        _set(
            "status, pr list, pr view, pr status, pr diff, pr checks, issue list, issue view, issue status, repo view,"
            "repo list, run list, run view, release list, release view, auth status, search, gist list, gist view,"
            "label list, workflow list, workflow view, help, version, api"
        ),
        writes=_set("api -X, api --method, api -f, api --raw-field, api -F, api --field, api --input"),
    ),
    "svn": Family(
        "version control",
        _set("status, st, stat, log, diff, info, list, ls, cat, blame, praise, annotate, propget, proplist, help"),
    ),
    "hg": Family(
        "version control",
        _set(
            "status, st, log, history, diff, cat, annotate, blame, branches, heads, identify, id, parents, paths,"
            "summary, tags, manifest, files, grep, root, config, help, incoming, outgoing"
        ),
    ),
    # builds with sub-commands
    "dotnet": Family("build", _set("--info, --list-sdks, --list-runtimes, list, help, nuget list"), _set("test")),
    "swift": Family("build", _set("package describe, package show-dependencies"), _set("test")),
    "mix": Family("build", _set("help, deps, deps.tree, app.tree, xref"), _set("test, credo, dialyzer")),
    "stack": Family("build", _set("ls, path, query, list, dot"), _set("test"), starts=_set("exec")),
    "cabal": Family("build", _set("list, info, check, outdated, path"), _set("test"), starts=_set("exec")),
    "dune": Family("build", _set("describe, show, printenv"), _set("test, runtest")),
    "bazel": Family("build", _set("query, cquery, aquery, info, version, help"), _set("test, coverage")),
    "zig": Family("build", _set("version, env, targets, zen, ast-check, fmt --check"), _set("test, build test")),
    "flutter": Family("build", _set("doctor, devices, config, pub deps"), _set("test, analyze")),
    "dart": Family("build", _set("info, pub deps, pub outdated"), _set("test, analyze")),
    "deno": Family("run", _set("info, doc, types, fmt --check"), _set("test, check, lint, bench")),
    "lein": Family("build", _set("deps :tree, classpath, version, help, check"), _set("test")),
    "sbt": Family("build", _set("about, projects, dependencyTree, version"), _set("test, testOnly"), bare_changes=True),
    "rails": Family("run", _set("routes, stats, about, notes, --tasks, -T, version"), _set("test, test:all, spec")),
    "rake": Family(
        "build",
        _set("-T, --tasks, -P, routes, about, stats"),
        _set("test, spec, check, lint, tests, ci"),
        bare_changes=True,
    ),
    "playwright": Family("install", tests=_set("test")),
    "alembic": Family("run", _set("current, heads, history, show, branches, check")),
}


def judge_family(call: Call, family: Family) -> Effect | Call:
    """The effect of a program with sub-commands, or the command that it starts."""
    rest = call.args
    while rest and rest[0].startswith("-") and rest[0] not in family.reads | family.tests:
        rest = rest[2 if rest[0] in family.valued else 1 :]
    sub = rest[0] if rest else ""
    words = rest[1:]
    first_plain = next(iter(after_options(words, *family.valued)), "")
    pairs = {f"{sub} {word}" for word in (*words[:1], first_plain) if word}
    told = f"{call.name} {shown(sub, 30)}".rstrip()
    if not sub and not family.bare_changes:
        return explores(f"{told} alone only shows")
    if pairs & family.starts or sub in family.starts:
        inner = after_options(words, *family.valued)
        if sub not in family.starts:
            inner = after_options(inner[1:], *family.valued)
        if family.starts_in:
            inner = after_options(inner[1:], *family.valued)
        return call.starting(inner) if inner else changes(f"{told} starts something that is not seen")
    if any(f"{sub} {word}" in family.writes for word in words):
        return changes(told, family.purpose)
    if pairs & family.tests or sub in family.tests:
        return judge_tests(f"{told} {first_plain}" if pairs & family.tests else told, words)
    if pairs & family.reads or sub in family.reads:
        return explores(f"{told} only shows")
    if family.rehearsals.intersection(rest):
        return explores(f"{told} as a rehearsal only")
    if sub in _PROJECT_SCRIPTS:
        script = first_plain if sub.startswith("run") else ""
        return changes(f"{told} {shown(script, 30)}".rstrip(), "build" if "build" in (sub, script) else "run")
    named = [word for word in words if not word.startswith("-")][:3] if family.purpose == "install" else []
    telling = named or [first_plain] * bool(first_plain)
    return changes(" ".join([told, *(shown(word, 30) for word in telling)]), family.purpose, named)


_PROJECT_SCRIPTS = names("run run-script build start dev serve")
"""Sub-commands of package managers that run what the project defines."""


_TESTS_THAT_WRITE = (
    *("--junitxml", "--junit-xml", "--log-junit", "--with-xunit", "--xunit-file", "--html", "--report-log"),
    *("--json-report-file", "--output-file", "--benchmark-json", "--basetemp", "--write", "--fix", "--bless"),
    *("--snapshot-update", "--inline-snapshot", "--updateSnapshot", "--update-snapshots", "-coverprofile"),
)

_COVERAGE_INTO_FILES = re.compile(r"--cov-report[= ](?!term)")


def judge_tests(name: str, args: tuple[str, ...]) -> Effect:
    """A test run is exploration, unless an option makes it write reports or snapshots."""
    words = tuple(word for word in args if word != "--")  # ``npm test -- --fix``
    for option in _TESTS_THAT_WRITE:
        if has(words, option) or (option == "--updateSnapshot" and "-u" in words):
            return changes(f"runs tests ({shown(name)}) and writes ({option})", "test", paths(args))
    if _COVERAGE_INTO_FILES.search(" ".join(words)):
        return changes(f"runs tests ({shown(name)}) and writes (--cov-report)", "test", paths(args))
    return explores(f"runs tests ({shown(name)})", "test", paths(args))


_GIT_VALUED = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path")
_GIT_TEXTS = ("-m", "-am", "--message", "--author", "-F", "--date", "-C", "-c")
# Options of sub-commands that take the next word.
_GIT_VALUED_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("commit", "merge", "stash", "tag", "notes", "cherry-pick", "revert"), _GIT_TEXTS),
    **dict.fromkeys(("clone", "fetch", "pull"), ("--depth", "-b", "--branch", "-o", "--origin", "-c", "-j", "--jobs")),
}
_GIT_READS = names(
    "status log diff show blame annotate grep ls-files ls-tree ls-remote cat-file rev-parse rev-list describe shortlog"
    " name-rev merge-base for-each-ref show-ref show-branch cherry whatchanged count-objects fsck var help version"
    " diff-tree diff-index diff-files check-ignore check-attr check-ref-format verify-commit verify-tag verify-pack"
    " range-diff merge-tree patch-id get-tar-commit-id stripspace column interpret-trailers request-pull"
)
_GIT_REHEARSALS: dict[str, tuple[str, ...]] = {
    "apply": ("--check", "--stat", "--numstat", "--summary"),
    "add": ("-n", "--dry-run"),
    "rm": ("-n", "--dry-run"),
    "mv": ("-n", "--dry-run"),
    "clean": ("-n", "--dry-run"),
    "commit": ("--dry-run",),
    "push": ("-n", "--dry-run"),
    "fetch": ("--dry-run",),
    "prune": ("-n", "--dry-run"),
    "format-patch": ("--stdout",),
}
# Sub-commands that read with these first words ("" for none).
_GIT_FIRST_WORD: dict[str, tuple[str, ...]] = {
    "stash": ("list", "show"),
    "remote": ("", "show", "get-url"),
    "worktree": ("list",),
    "submodule": ("", "status", "summary"),
    "reflog": ("", "show", "exists", "HEAD"),
    "rerere": ("status", "diff"),
    "notes": ("", "show", "list"),
    "bisect": ("log", "view", "visualize"),
    "bundle": ("verify", "list-heads"),
    "sparse-checkout": ("list",),
    "lfs": ("ls-files", "status", "env", "logs"),
}


def judge_git(call: Call) -> Effect:
    rest = after_options(call.args, *_GIT_VALUED)
    if not rest:
        return explores("git alone only shows")
    sub, rest = rest[0], rest[1:]
    told = f"git {shown(sub, 30)}"
    file = value_of(rest, "--output")
    if file is not None and sub in ("log", "diff", "show", "diff-tree", "diff-index", "range-diff"):
        return changes(f"{told} writes {shown(file)}", "output", [file])
    if sub in _GIT_READS or has(rest, "--help"):
        return explores(f"{told} only reads", "search" if sub == "grep" else "read", paths(rest))
    if sub in _GIT_REHEARSALS and has(rest, *_GIT_REHEARSALS[sub]):
        return explores(f"{told} as a rehearsal only")
    valued = _GIT_VALUED_OF.get(sub, ())
    words = operands(rest, *valued)
    first = words[0] if words else ""
    if sub in _GIT_FIRST_WORD and first in _GIT_FIRST_WORD[sub]:
        return explores(f"{told} {shown(first, 20)} only reads".replace("  ", " "))
    if _git_only_looks(sub, rest, words):
        return explores(f"{told} only reads")
    # ``git branch -d x`` and ``git branch x`` are told apart by their options.
    options = [word for word in rest if word.startswith("-") and word not in ("-", "--", *valued)][:2]
    told = " ".join([told, *(shown(word, 24) for word in options), shown(first, 40)])
    return changes(told.rstrip(), "version control", paths(words))


def _git_only_looks(sub: str, rest: tuple[str, ...], words: list[str]) -> bool:
    """Sub-commands that read or change depending on their options and number of operands."""
    match sub:
        case "branch":
            looks = has(rest, "--list", "-l", "--contains", "--no-contains", "--merged", "--no-merged")
            acts = has(rest, "-d", "-D", "-m", "-M", "-u", "--set-upstream-to", "--unset-upstream")
            return looks or not (words or acts)
        case "tag":
            looks = has(rest, "-l", "--list", "-n", "--contains", "--points-at", "-v")
            return looks or not (words or has(rest, "-d"))
        case "config":
            looks = has(rest, "--get", "--list", "-l", "--get-all", "--get-regexp") or words[:1] in (["get"], ["list"])
            acts = has(rest, "--unset", "--unset-all", "-e", "--edit", "--remove-section", "--add") or words == ["edit"]
            return looks or (len(words) == 1 and not acts)
        case "symbolic-ref":
            return len(words) == 1 and not has(rest, "-d")
        case "hash-object":
            return not has(rest, "-w")
        case "archive":
            return value_of(rest, "-o", "--output") is None
        case _:
            return False
