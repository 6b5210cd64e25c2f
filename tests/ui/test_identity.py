"""Whether a server asks for a login; whom it takes people for is tested with a real one (``tests/browser``)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton

from codetracer_core.errors import CodeTracerError
from codetracer_core.ui.identity import has_login


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """Where the next server looks for its secrets."""
    before = st.get_option("secrets.files")
    file = tmp_path / "secrets.toml"
    config.set_option("secrets.files", [str(file)])
    secrets_singleton._reset()
    has_login.cache_clear()
    yield file
    config.set_option("secrets.files", before)
    secrets_singleton._reset()
    has_login.cache_clear()


def test_without_secrets_there_is_no_login(secrets: Path) -> None:
    assert not has_login()


def test_other_secrets_are_no_login(secrets: Path) -> None:
    secrets.write_text('[models]\nkey = "x"\n')
    assert not has_login()


def test_a_login_stays_when_its_secrets_vanish(secrets: Path) -> None:
    secrets.write_text('[auth]\nclient_id = "x"\n')
    assert has_login()
    secrets.unlink()
    secrets_singleton._reset()
    assert has_login()


def test_secrets_that_cannot_be_read_open_nothing(secrets: Path) -> None:
    secrets.write_text('[auth\nclient_secret = "hush"')
    with pytest.raises(CodeTracerError, match="may ask for a login") as told:
        has_login()
    assert str(secrets) in str(told.value)
    assert "hush" not in str(told.value)
