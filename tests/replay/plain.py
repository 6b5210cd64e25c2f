"""An environment without walls, for tests of what stands above environments: commands run in a folder of the test."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from codetracer_core.errors import Cancelled, NotFound
from codetracer_core.replay.models import Ran

_STATE = 'code=$?; {{ pwd; export -p; }} > "{state}"; exit $code'


class PlainEnvironment:
    """Runs commands with ``bash`` in ``place``; in a *session* folder and exported variables go on."""

    def __init__(self, place: Path, *, session: bool = False, state: Path | None = None) -> None:
        self.folder = str(place)
        self.facts: tuple[str, ...] = ("nothing is limited",)
        self.commands: list[str] = []
        self._state = (state or place.parent / f"{place.name}.state") if session else None
        self._home = place.parent

    def run(self, command: str, *, timeout: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        self.commands.append(command)
        if cancelled():
            raise Cancelled("stopped")
        variables = {"PATH": os.environ["PATH"], "HOME": str(self._home), "LANG": "C.UTF-8", "TERM": "dumb"}
        script, folder = command, self.folder
        if self._state is not None:
            if self._state.exists():
                folder, _, exported = self._state.read_text().partition("\n")
                script = f"{exported}\n{command}"
            script = f"{script}\n{_STATE.format(state=self._state)}"
        begun = time.monotonic()
        done = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=variables | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, code = done.communicate(timeout=timeout)[0], done.returncode
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, 9)
            return Ran(output=done.communicate()[0].decode("utf-8", "replace"), timed_out=True, seconds=timeout or 0)
        return Ran(output=output.decode("utf-8", "replace"), exit_code=code, seconds=time.monotonic() - begun)

    def _path(self, path: str) -> Path:
        return Path(self.folder) / path

    def read_file(self, path: str) -> bytes:
        try:
            return self._path(path).read_bytes()
        except FileNotFoundError as error:
            raise NotFound("there is no such file", path=path) from error

    def write_file(self, path: str, content: bytes) -> None:
        self._path(path).parent.mkdir(parents=True, exist_ok=True)
        self._path(path).write_bytes(content)

    def stop(self) -> None:
        pass
