"""Packages that bring formats, environments or models: found by their entry points, imported when they are needed.

Code of other packages runs in this process with its rights: installing one is to trust it. What is wrong with one is
told in words (``Problem``, or a CodeTracerError when it is used), and stands in nobody's way. docs/plugins.md shows
how such a package is made.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any, Literal

from codetracer_core.errors import CodeTracerError

Kind = Literal["parsers", "environments", "models"]
KINDS: tuple[Kind, ...] = ("parsers", "environments", "models")
"""Of each kind there is a group of entry points: ``codetracer.parsers`` …"""

OWN_ENVIRONMENTS = ("local", "git", "container", "plugin")
"""Names that no plugin's environment can have: whoever says "local" means ours."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
REMEDY = "Update or uninstall that package; everything else works without it."


@dataclass(frozen=True)
class Plugin:
    """What one entry point promises."""

    kind: Kind
    name: str
    package: str
    """Name and version, for people."""
    entry: metadata.EntryPoint

    def __str__(self) -> str:
        return f"the plugin {self.name!r} ({self.package})"

    def load(self) -> Any:
        """Import the package and take what the entry point names. Raises CodeTracerError, whatever the package does."""
        with in_words(self, "cannot be loaded"):
            return self.entry.load()


@dataclass(frozen=True)
class Problem:
    """Why a plugin, or a part of it, is not used."""

    kind: Kind
    name: str
    words: str


@contextmanager
def in_words(plugin: Plugin, what: str, kind: type[CodeTracerError] = CodeTracerError) -> Iterator[None]:
    """Code of another package runs inside: whatever it raises becomes an error of ours. ``what``: "failed"."""
    try:
        yield
    except CodeTracerError:
        raise
    except (Exception, SystemExit) as error:  # the boundary to code of others, which raises whatever it likes
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise kind(f"{plugin} {what} ({why})", remedy=REMEDY) from error


@cache
def found(kind: Kind) -> tuple[tuple[Plugin, ...], tuple[Problem, ...]]:
    """The plugins of a kind by name, none of them imported yet, and what is wrong with their names."""
    plugins = sorted(
        (
            Plugin(kind, entry.name, f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown", entry)
            for entry in metadata.entry_points(group=f"codetracer.{kind}")
        ),
        key=lambda plugin: (plugin.name, plugin.package),
    )
    times = Counter(plugin.name for plugin in plugins)
    good, problems = [], []
    for plugin in plugins:
        if not _NAME.fullmatch(plugin.name):
            words = f"{plugin} is not used: its name may hold letters, digits, '.', '_' and '-' only, 60 at most"
            problems.append(Problem(kind, plugin.name, words))
        elif times[plugin.name] > 1:
            words = f"{plugin} is not used: several packages bring a plugin of this name. Uninstall all but one."
            problems.append(Problem(kind, plugin.name, words))
        elif kind == "environments" and plugin.name.lower() in OWN_ENVIRONMENTS:
            problems.append(Problem(kind, plugin.name, f"{plugin} is not used: CodeTracer has one of this name"))
        else:
            good.append(plugin)
    return tuple(good), tuple(problems)


def environments() -> Mapping[str, Callable[..., Any]]:
    """Factories of environments by name, each called as ``factory(options, limits, scratch, replay_id, shell)``.

    The package is imported when its factory is called; that raises CodeTracerError, whatever the package does.
    """
    return {plugin.name: partial(_call, plugin) for plugin in found("environments")[0]}


def _call(plugin: Plugin, /, *arguments: Any, **named: Any) -> Any:
    factory = plugin.load()
    with in_words(plugin, "failed"):
        return factory(*arguments, **named)


def why_no_factory(plugin: Plugin) -> str:
    """Import a plugin of environments or models: why it cannot be used, in words; "" if nothing speaks against it."""
    try:
        factory = plugin.load()
    except CodeTracerError as error:
        return str(error)
    return "" if callable(factory) else f"{plugin} is no function but {type(factory).__name__}. {REMEDY}"
