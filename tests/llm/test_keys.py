"""Keys come from the environment or a file that only its owner reads, and no text that leaves holds one."""

import logging
from pathlib import Path

import pytest

from codetracer_core.errors import CodeTracerError, ConfigError, ModelError
from codetracer_core.llm import Message, ToolSpec, open_model, recorded
from codetracer_core.llm.keys import find_key, read_secrets
from tests.llm.conftest import Start, model_at
from tests.model_server import Call, Fail, Say

KEY = "ck-4f7a+quetzal/of_the=tests"
HELLO = [Message(role="user", text="Hello")]


def secrets_file(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, mode: int = 0o600) -> Path:
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    monkeypatch.setenv("CODETRACER_SECRETS", str(path))
    return path


def key_for(provider: str, api_base: str | None = None, *, has_own: bool = False) -> str | None:
    key = find_key(provider, api_base, provider_has_own=has_own)
    return key.get_secret_value() if key else None


def test_where_a_key_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_for("openai") is None
    assert key_for("openai", "http://127.0.0.1:1/v1") == "none"
    secrets_file(tmp_path, f'[keys]\nopenai = "{KEY}"\n"my.host:8000" = " host-key "\n', monkeypatch)
    assert key_for("openai") == KEY
    assert key_for("openai", has_own=True) is None, "litellm reads the provider's own variable"
    assert key_for("anthropic") is None
    assert key_for("openai", "https://my.host:8000/v1") == "host-key"
    assert key_for("openai", "https://other.host/v1") == "none", "a provider's key is for the provider only"
    monkeypatch.setenv("CODETRACER_API_KEY", "from-environment\n")
    assert key_for("openai", has_own=True) == key_for("openai", "http://x/v1") == "from-environment"


def test_a_providers_key_is_not_told_to_a_server_of_ones_own(
    model_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = model_server([Say("x")])
    model = model_at(server)
    model.complete(HELLO)
    assert server.requests[0].key == "none"


def test_the_key_arrives(model_server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETRACER_API_KEY", KEY)
    server = model_server([Say("x")], key=KEY)
    model = model_at(server)
    assert model.complete(HELLO).text == "x"
    assert server.requests[0].key == KEY


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f'[keys]\nopenai = "{KEY}"', 0o644, "Others can read these keys.*chmod 600"),
        (f'[keys]\nopenai = "{KEY}', 0o600, "no TOML"),
        (f'[keys]\nopenai = ["{KEY}"]', 0o600, "must hold texts"),
        (f'[keys]\nopenai = "two words {KEY}"', 0o600, "no key in the key 'openai'"),
        (f'keys = "{KEY}"', 0o600, "must hold texts"),
    ],
)
def test_a_secrets_file_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, words: str
) -> None:
    path = secrets_file(tmp_path, text, monkeypatch, mode)
    with pytest.raises(ConfigError, match=words) as caught:
        read_secrets()
    assert str(path) in str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    monkeypatch.setenv("CODETRACER_SECRETS", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="no such file"):
        read_secrets()


def test_a_missing_key_is_told_in_words() -> None:
    with pytest.raises(ModelError, match="CODETRACER_API_KEY"):
        open_model("openai/gpt-4o", retries=0).complete(HELLO)
    with pytest.raises(ModelError, match="CODETRACER_API_KEY"):
        open_model("anthropic/claude-sonnet-4-5", retries=0).complete(HELLO)


def test_no_text_that_leaves_holds_the_key(
    model_server: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Whatever the server does with it: errors of all kinds, text, arguments of calls, piece by piece."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CODETRACER_API_KEY", KEY)
    faults = [Fail(status, f"{words} {KEY}", echo_key=True) for status, words in
              [(400, "no"), (401, "no"), (403, "no"), (404, "no"), (429, "insufficient_quota"), (500, "no"),
               (400, "maximum context length")]]  # fmt: skip
    echoes = [Say(f"Your key is {KEY}, and again {KEY}"), Say(calls=(Call("tool", {"key": KEY}),)), Say(KEY[:9])]
    told: list[str] = []
    server = model_server([*faults, *echoes])
    model = model_at(server, retries=0)
    journal = tmp_path / "journal"
    kept = recorded(model, journal)
    for _ in faults:
        with pytest.raises(CodeTracerError, match=r"\[key\]") as caught:
            kept.complete(HELLO)
        told += [str(caught.value), repr(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)]
    heard: list[str] = []
    replies = [kept.complete(HELLO, on_text=heard.append)]
    assert replies[0].text == "".join(heard) == "Your key is [key], and again [key]"
    tool = ToolSpec(name="tool", description="Takes a key.", parameters={"type": "object"})
    replies += [kept.complete(HELLO, tools=[tool]), kept.complete(HELLO)]
    assert replies[1].tool_requests[0].arguments == '{"key": "[key]"}'
    assert replies[2].text == KEY[:9], "what only begins like the key is text"
    written = capfd.readouterr()
    told += [repr(replies), *heard, repr(model), repr(vars(model)), journal.read_text(), caplog.text, *written]
    assert [text for text in told if KEY in text or "quetzal" in text] == []
    assert {asked.key for asked in server.requests} == {KEY}


def test_nothing_of_a_conversation_is_logged(
    model_server: Start, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    model = model_at(model_server([Fail(500), Fail(400), Say("a private answer")]), retries=1)
    prompt = [Message(role="user", text="a private question")]
    with pytest.raises(ModelError):
        model.complete(prompt)
    assert model.complete(prompt).text == "a private answer"
    assert "private" not in caplog.text + "".join(capfd.readouterr())
