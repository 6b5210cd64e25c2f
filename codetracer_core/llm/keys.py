"""Keys of providers: from the environment or a secrets file, never from anywhere else, and in no text that leaves here.

# secrets.toml, readable by its owner only
[keys]
openai = "…"                  # by provider
"models.example.org" = "…"    # by host (and port) of a server of your own
"""

import os
import re
import stat
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import platformdirs
from pydantic import SecretStr

from codetracer_core.errors import ConfigError

KEY_VARIABLE = "CODETRACER_API_KEY"
SECRETS_VARIABLE = "CODETRACER_SECRETS"
NO_KEY = "none"
"""What a server gets that needs no key: clients insist on sending one."""
SHORTEST_SECRET = 6
"""Characters; what is shorter is no key, and taking it out of texts would garble them."""
LOOKS_LIKE_A_KEY = re.compile(r"\bsk-[\w*.-]{8,}|\bBearer\s+[^\s\"',]{8,}")
SECRET_NAMES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS")


def find_key(provider: str, api_base: str | None, *, provider_has_own: bool) -> SecretStr | None:
    """The key to use; None: litellm finds it itself, in the provider's own variable.

    CODETRACER_API_KEY goes before everything. A server of one's own (``api_base``) gets that, or what the secrets
    file holds for its host, never the key of a provider: it would be told to somebody else.
    """
    if given := os.environ.get(KEY_VARIABLE, "").strip():
        return SecretStr(_printable(given, KEY_VARIABLE))
    if api_base is None and provider_has_own:
        return None
    named = urlsplit(api_base).netloc if api_base else provider
    if key := read_secrets().get(named):
        return key
    return SecretStr(NO_KEY) if api_base else None


def secrets_path() -> Path:
    named = os.environ.get(SECRETS_VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_config_path("codetracer", appauthor=False) / "secrets.toml"


def read_secrets() -> Mapping[str, SecretStr]:
    """Keys by provider or host. Raises ConfigError; an error never tells what stands in the file."""
    path = secrets_path()
    try:
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError("Others can read these keys", path=path, remedy=f"Run: chmod 600 {path}")
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if os.environ.get(SECRETS_VARIABLE):
            raise ConfigError("There is no such file", path=path, remedy=f"{SECRETS_VARIABLE} names it.") from None
        return {}
    except OSError as error:
        raise ConfigError(f"The secrets file cannot be read: {error.strerror}", path=path) from error
    except ValueError:
        raise ConfigError("It is no TOML", path=path, remedy='Write: [keys], then openai = "…".') from None
    keys = found.get("keys", {})
    if not isinstance(keys, dict) or not all(isinstance(key, str) and key.strip() for key in keys.values()):
        raise ConfigError("[keys] must hold texts", path=path, place="keys", remedy='Write: openai = "…".')
    return {name: SecretStr(_printable(key.strip(), f"the key {name!r} in {path}")) for name, key in keys.items()}


def key_texts(key: SecretStr | None) -> tuple[str, ...]:
    """The texts as which this key may come back from a server."""
    value = key.get_secret_value() if key is not None else NO_KEY
    return () if value == NO_KEY else tuple(_forms(value))


def without_keys(text: str, keys: Collection[str]) -> str:
    """The text with "[key]" where one of these keys stood."""
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "[key]")
    return text


def without_any_key(text: str, keys: Collection[str]) -> str:
    """The text also without anything that looks like a key, or that the environment names as one: for errors."""
    named = {value.strip() for name, value in os.environ.items() if name.upper().endswith(SECRET_NAMES)}
    forms = {form for value in named for form in _forms(value)}
    return LOOKS_LIKE_A_KEY.sub("[key]", without_keys(text, {*keys, *forms}))


def _forms(key: str) -> set[str]:
    """As it is, and as it stands in an address; none if it is too short to be a secret."""
    return {key, quote(key, safe="")} if len(key) >= SHORTEST_SECRET else set()


def _printable(key: str, where: str) -> str:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"There is no key in {where}: it holds characters that no key has")
    return key
