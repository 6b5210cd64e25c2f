"""A compose file cut down to what a replay is given: services that see each other, and nothing of this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.environments import leases
from codetracer_core.replay.environments.engines import LABEL
from codetracer_core.replay.models import Limits

_MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000
_KEPT = frozenset(
    {
        *("image", "command", "entrypoint", "working_dir", "user", "hostname", "init", "tmpfs", "expose", "depends_on"),
        *("healthcheck", "stop_signal", "stop_grace_period", "shm_size", "platform", "environment", "build"),
    }
)
_KEPT_OF_BUILD = frozenset({"context", "dockerfile", "dockerfile_inline", "args", "target"})
_SET_BY_US = frozenset(
    {"networks", "pull_policy", "mem_limit", "pids_limit", "deploy", "container_name", "restart", "version", "labels"}
)
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"]


@dataclass(frozen=True)
class CutDown:
    """What the engine is given, in place of the file."""

    content: dict[str, Any]
    service: str
    """The one in which commands run."""
    left_out: tuple[str, ...] = ()
    """What the file asks for and does not get, for people."""


def cut_down(path: Path, service: str, limits: Limits, replay_id: str) -> CutDown:
    """Read a compose file. Kept is what makes a service what it is; folders of this machine, rights, ports, devices,
    secrets and files of variables are left out, networks are one that leads nowhere (but with ``network``).

    Raises EnvironmentBroken if it cannot be read, has no such service, or several and none is named."""
    services = _services(path)
    if not service and len(services) != 1:
        raise EnvironmentBroken(
            "the compose file has several services", path=path, remedy=f"Name one of: {', '.join(sorted(services))}."
        )
    service = service or next(iter(services))
    if service not in services:
        raise EnvironmentBroken(
            f"the compose file has no service {service!r}", path=path, remedy=f"It has: {', '.join(sorted(services))}."
        )
    folder = path.resolve().parent
    left_out = sorted(
        f"{name} does not get {key}, for which the compose file asks"
        for name, asked in services.items()
        for key in asked.keys() - _KEPT - _SET_BY_US
    )
    content = {
        "services": {name: _service(asked, folder, path, name, limits, replay_id) for name, asked in services.items()},
        "networks": {"default": {"internal": not limits.network}},
    }
    return CutDown(content=content, service=service, left_out=tuple(left_out))


def _services(path: Path) -> dict[str, dict[str, Any]]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise EnvironmentBroken("this is too large for a compose file", path=path)
        content = _loaded(text, path)
    except OSError as error:
        raise EnvironmentBroken(f"the compose file cannot be read ({error.strerror})", path=path) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EnvironmentBroken(f"the compose file is no YAML ({error})", path=path) from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services:
        raise EnvironmentBroken("the compose file has no services", path=path)
    if wrong := next((str(name) for name, asked in services.items() if not isinstance(asked, dict)), None):
        raise EnvironmentBroken("a service of the compose file is no mapping", path=path, place=wrong)
    return {str(name): asked for name, asked in services.items()}


def _loaded(text: bytes, path: Path) -> Any:
    """References (*) are common in compose files, but a few lines of them can stand for gigabytes."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None and _weight(node, {}) > _MOST_VALUES:
            raise EnvironmentBroken("this stands for too much for a compose file: its references multiply", path=path)
        return loader.construct_document(node) if node is not None else None
    finally:
        loader.dispose()


def _weight(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, those that it refers to counted each time."""
    if isinstance(node, yaml.ScalarNode):
        return 1 + len(node.value) // 100
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # should it hold itself
        inner = (part for one in node.value for part in (one if isinstance(one, tuple) else (one,)))
        known[id(node)] = 1 + sum(_weight(part, known) for part in inner)
    return known[id(node)]


def _service(
    asked: dict[str, Any], folder: Path, path: Path, name: str, limits: Limits, replay_id: str
) -> dict[str, Any]:
    kept = {key: value for key, value in asked.items() if key in _KEPT}
    kept["environment"] = {**_variables(asked.get("environment")), leases.MARKER: replay_id, "TERM": "dumb"}
    if "build" in kept:
        build = kept["build"] if isinstance(kept["build"], dict) else {"context": kept["build"]}
        context = (folder / str(build.get("context", "."))).resolve()
        if not context.is_relative_to(folder):
            raise EnvironmentBroken("the compose file builds from outside of its folder", path=path, place=name)
        kept["build"] = {key: value for key, value in build.items() if key in _KEPT_OF_BUILD} | {
            "context": str(context)
        }
    return {
        **kept,
        "labels": {LABEL: replay_id},
        # Nothing is downloaded by itself, as with an image.
        **({} if "build" in kept else {"pull_policy": "never"}),
        "restart": "no",
        "pids_limit": limits.processes,
        "mem_limit": f"{limits.memory_mb}m",
        "cap_drop": ["ALL"],
        "cap_add": _CAPABILITIES,
        "security_opt": ["no-new-privileges"],
        "ulimits": {"core": 0, "fsize": limits.file_mb << 20},
    }


def _variables(asked: Any) -> dict[str, str]:
    """Those with a value of their own; one without would be filled from ours."""
    if isinstance(asked, dict):
        return {str(name): str(value) for name, value in asked.items() if value is not None}
    pairs = (str(one).partition("=") for one in asked or () if "=" in str(one))
    return {name: value for name, _, value in pairs}
