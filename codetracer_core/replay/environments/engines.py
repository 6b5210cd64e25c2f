"""docker and podman: which one answers, and command lines for it."""

import os
import shutil
import subprocess

from codetracer_core.errors import EnvironmentBroken

ENGINES = ("docker", "podman")
LABEL = "codetracer-replay"
_ANSWER_SECONDS = 20.0


def engine_variables() -> dict[str, str]:
    """The variables that git and the container engines are given: where they find their settings, and no key."""
    wanted = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "TMPDIR")
    engines = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
    podman = ("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    return {name: os.environ[name] for name in (*wanted, *engines, *podman) if name in os.environ} | {"LANG": "C.UTF-8"}


def find_engine(wanted: str) -> str:
    """The engine that is asked for, or the first that answers. Raises EnvironmentBroken, saying what each one said."""
    said = []
    for name in (wanted,) if wanted else ENGINES:
        if not shutil.which(name):
            said.append(f"{name} is not installed")
            continue
        # Asks the daemon, too, where there is one.
        problem = ask([name, "info", "--format", "{{.Host.OS}}" if name == "podman" else "{{.OSType}}"])[1]
        if not problem:
            return name
        said.append(f"{name} does not answer: {problem}")
    raise EnvironmentBroken(
        f"no container engine can be used ({'; '.join(said)})",
        remedy="Install and start docker or podman, or use another environment.",
    )


def ask(argv: list[str], *, seconds: float = _ANSWER_SECONDS) -> tuple[str, str]:
    """What an engine prints, and what is wrong (empty: nothing)."""
    try:
        done = subprocess.run(  # noqa: S603 - an engine that the person has installed
            argv, env=engine_variables(), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    said = done.stderr.decode("utf-8", "replace").strip()
    return done.stdout.decode("utf-8", "replace").strip(), (said or "it failed") if done.returncode else ""


def farewells(engine: str, replay_id: str, *, compose: bool) -> tuple[tuple[str, ...], ...]:
    """What removes every container, network and volume of a replay."""
    name = container_name(replay_id)
    if compose:
        return ((engine, "compose", "--project-name", name, "down", "--volumes", "--remove-orphans", "--timeout", "0"),)
    return ((engine, "rm", "--force", "--volumes", name),)


def container_name(replay_id: str) -> str:
    return f"{LABEL}-{replay_id}".lower()


def remove_container(engine: str, replay_id: str, *, compose: bool) -> list[str]:
    """Remove it; returns in words what went wrong, but not that there was none."""
    left = []
    for argv in farewells(engine, replay_id, compose=compose):
        problem = ask(list(argv), seconds=60.0)[1]
        if problem and not any(word in problem.lower() for word in ("no such", "no container with name")):
            left.append(f"container {container_name(replay_id)} ({problem})")
    return left
