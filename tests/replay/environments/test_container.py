"""Containers where no engine answers (what a real engine does is not shown here)."""

from pathlib import Path

import pytest

from codetracer_core.errors import EnvironmentBroken
from codetracer_core.replay.environments import start, why_not
from codetracer_core.replay.models import ContainerPlace, Limits


def test_no_engine_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker is not installed; podman is not installed" in why_not("container")
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'no daemon here' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert "docker does not answer: no daemon here" in why_not("container")
    with pytest.raises(EnvironmentBroken, match="no container engine"):
        start(ContainerPlace(image="x"), Limits(), shell="fresh", scratch=tmp_path / "scratch", replay_id="x")
    assert not (tmp_path / "scratch").exists()
