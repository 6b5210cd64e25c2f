import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.cli import main
from codetracer_core.store import Store
from tests.model_server import ModelServer
from tests.small_runs import write_benchmark

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_DATA = REPOSITORY / "sample_data"


def real_data() -> Path | None:
    """The folder of real runs, if this machine has one (``CODETRACER_REAL_DATA``, or beside the checkout)."""
    path = Path(os.environ.get("CODETRACER_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    return path if path.is_dir() else None


@pytest.fixture(scope="session")
def real() -> Path:
    path = real_data()
    if path is None:
        pytest.skip("no real data on this machine (CODETRACER_REAL_DATA)")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty workspace."""
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A small benchmark: the folder of its manifest and artifacts."""
    return write_benchmark(tmp_path / "bench", tmp_path / "make")


@pytest.fixture
def model_server() -> Iterator[Callable[..., ModelServer]]:
    """Starts model servers (the arguments are those of ``ModelServer``) that run until the end of the test."""
    with ExitStack() as running:
        yield lambda *args, **kwargs: running.enter_context(ModelServer(*args, **kwargs))


class Said:
    """What a command printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def codetracer(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in this process, on a workspace of its own."""
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(tmp_path / "workspace"))
    for name in ("MODEL", "API_BASE", "API_KEY", "CONFIG", "SECRETS"):
        monkeypatch.delenv(f"CODETRACER_{name}", raising=False)

    def run(*words: str | Path, entry: Any = main) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            entry([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(int(left.value.code or 0), captured.out, captured.err)

    return run
