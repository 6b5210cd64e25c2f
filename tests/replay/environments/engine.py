"""A container engine that really runs containers here, with an image of its own, for tests."""

import os
import resource
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

IMAGE = f"localhost/codetracer-test:{os.getpid()}"
"""Of this process alone: several may share an engine."""
_PROBE = f"codetracer-probe-{os.getpid()}"
_RUNTIMES = ("", "runc", "crun")
"""Which one works depends on the control groups of the machine; "": the one that podman would choose."""


@dataclass(frozen=True)
class Engine:
    name: str
    variables: dict[str, str]
    runtime: str = ""

    def __call__(self, *words: str) -> str:
        return ask(self, *words).stdout.strip()


def ask(engine: Engine, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine.name, *words],
        env={**os.environ, **engine.variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def find(folder: Path) -> Iterator[Engine]:
    """The first engine that runs a container of our image, which lives in ``folder`` as long as it is used; skips,
    saying what each one said. What the engine holds already is neither used nor touched."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("containers are tested with an image made of a static busybox, which is not here (busybox-static)")
    image = folder / "image.tar"
    _pack(Path(busybox), image)
    said = []
    for engine in _candidates(folder):
        problem = _problem(engine, image)
        if not problem:
            yield engine
            ask(engine, "rmi", "--force", IMAGE)
            return
        said.append(f"{engine.name}{f' with {engine.runtime}' if engine.runtime else ''}: {problem}")
    pytest.skip(f"no container engine runs a container here: {'; '.join(said) or 'none is installed'}")


def _candidates(folder: Path) -> Iterator[Engine]:
    if shutil.which("docker"):
        yield Engine("docker", {})
    if shutil.which("podman"):
        for runtime in _RUNTIMES:
            if not runtime or shutil.which(runtime, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
                yield Engine("podman", _settings(folder / (runtime or "usual"), runtime), runtime)


def _settings(folder: Path, runtime: str) -> dict[str, str]:
    """Everything of its own, so that nothing of the machine's images and containers is met."""
    folder.mkdir()
    lines = ['cgroup_manager = "cgroupfs"', 'events_logger = "file"', 'lock_type = "file"']
    lines += [f'{name} = "{folder / name}"' for name in ("tmp_dir", "static_dir", "volume_path")]
    if runtime:
        lines.append(f'runtime = "{runtime}"')
    (folder / "containers.conf").write_text("\n".join(["[engine]", *lines, ""]))
    places = [f'{name} = "{folder / name}"' for name in ("graphroot", "runroot")]
    (folder / "storage.conf").write_text("\n".join(["[storage]", 'driver = "vfs"', *places, ""]))
    return {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }


def _problem(engine: Engine, image: Path) -> str:
    """Why it cannot run a container; empty: it can, and the image is there."""
    own = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = 4_096 if own == resource.RLIM_INFINITY else min(own, 4_096)
    limits = ["--ulimit", "nofile=256:256", "--ulimit", f"nproc={most}:{most}"]
    options = ["--name", _PROBE, "--pull", "never", "--network", "none", "--stop-signal", "SIGKILL", *limits]
    steps = (
        ["info"],
        ["import", "--change", "WORKDIR /job", str(image), IMAGE],
        # The limit on processes, too: an engine without it is none that replays are given to.
        ["run", "--detach", *options, "--pids-limit", "16", IMAGE, "sleep", "1234"],
        ["exec", _PROBE, "sh", "-c", ":"],
        ["rm", "--force", _PROBE],
    )
    for words in steps:
        try:
            done = ask(engine, *words)
        except subprocess.TimeoutExpired:
            return f"{words[0]} does not come back"
        if done.returncode:
            ask(engine, "rm", "--force", _PROBE)
            return (done.stderr.strip().splitlines() or ["it failed"])[-1]
    return ""


def _pack(busybox: Path, to: Path) -> None:
    """An image with busybox, a link to it for every name that it knows, and empty folders."""
    names = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(to, "w") as image:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("work", 0o755)):
            about = tarfile.TarInfo(folder)
            about.type, about.mode = tarfile.DIRTYPE, mode
            image.addfile(about)
        image.add(busybox, "bin/busybox")
        for name in names:
            if name != "busybox" and "/" not in name:
                about = tarfile.TarInfo(f"bin/{name}")
                about.type, about.linkname = tarfile.SYMTYPE, "busybox"
                image.addfile(about)
