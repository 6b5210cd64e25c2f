import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.model_server import ModelServer

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
def model_server() -> Iterator[Callable[..., ModelServer]]:
    """Starts model servers (the arguments are those of ``ModelServer``) that run until the end of the test."""
    with ExitStack() as running:
        yield lambda *args, **kwargs: running.enter_context(ModelServer(*args, **kwargs))
