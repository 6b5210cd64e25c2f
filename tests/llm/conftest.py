from collections.abc import Callable
from pathlib import Path

import pytest

from codetracer_core.llm import Mode, open_model
from codetracer_core.llm.provider import ProviderModel
from tests.model_server import ModelServer

Start = Callable[..., ModelServer]


def model_at(server: ModelServer, *, retries: int = 4, timeout: float = 10.0, mode: Mode = "auto") -> ProviderModel:
    """The model behind a server, which does not wait long between tries."""
    return open_model("scripted", api_base=server.url, retries=retries, timeout=timeout, mode=mode, pause=0.01)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The keys of whoever runs the tests are out of reach."""
    for name in ("CODETRACER_API_KEY", "CODETRACER_SECRETS", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-configuration"))
