"""An environment for replays: a throw-away copy of the folder that is named, on this machine."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from codetracer_core.errors import Cancelled, CodeTracerError, NotFound
from codetracer_core.replay.models import Limits, Ran


def start(options: Mapping[str, str], limits: Limits, scratch: Path, replay_id: str, shell: str) -> "Copied":
    """The factory: everything is made below ``scratch``. ``shell`` is "session" if a command is to go on in the folder
    and with the variables that the one before left; this environment cannot do that, and says so."""
    if "folder" not in options:
        raise CodeTracerError("this environment needs an option: folder=PATH, what is copied")
    if shell == "session":
        raise CodeTracerError("this environment starts every command afresh; this run needs a shell that goes on")
    place = scratch / replay_id
    shutil.copytree(options["folder"], place, symlinks=True)
    return Copied(place, limits)


class Copied:
    """Commands run with the rights of whoever starts the replay: no sandbox, and ``facts`` says so."""

    facts = ("a copy of a folder on this machine", "network on", "commands are not kept away from the rest of the disk")

    def __init__(self, place: Path, limits: Limits) -> None:
        self.folder = str(place)
        self._limits = limits

    def run(self, command: str, *, timeout: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        began = time.monotonic()
        seconds = timeout or self._limits.command_seconds
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": self.folder},  # nothing else: no keys
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = was_cancelled = False
        while True:
            try:
                output, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                timed_out, was_cancelled = time.monotonic() - began > seconds, cancelled()
                if timed_out or was_cancelled:
                    os.killpg(process.pid, signal.SIGKILL)
        if was_cancelled:
            raise Cancelled("the command was stopped")
        text = output[: self._limits.output_bytes].decode(errors="replace")
        code = None if timed_out else process.returncode
        return Ran(output=text, exit_code=code, timed_out=timed_out, seconds=time.monotonic() - began)

    def read_file(self, path: str) -> bytes:
        file = self._inside(path)
        if not file.is_file():
            raise NotFound("there is no such file", path=path)
        return file.read_bytes()

    def write_file(self, path: str, content: bytes) -> None:
        file = self._inside(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def stop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _inside(self, path: str) -> Path:
        file = (Path(self.folder) / path).resolve()
        if not file.is_relative_to(Path(self.folder).resolve()):
            raise CodeTracerError("this lies outside of the copy", path=path)
        return file
