"""The settings of a diagnosis: a YAML file over the defaults, the environment over it, the command line over both.

Keys of model providers are never among them: see ``llm``.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, field_validator

from codetracer_core.diagnosis_models import HEURISTIC, DiagnosisSettings, Profile
from codetracer_core.errors import ConfigError
from codetracer_core.llm import Mode, Model, Price, open_model
from codetracer_core.memory import MOST_CHARACTERS
from codetracer_core.models import Frozen
from codetracer_core.replay.models import Budget, Limits

CONFIG_FILE = "codetracer.yaml"
"""In a workspace: read where no other file is named."""
WHERE_KEYS_GO = (
    "Keys go into the environment (CODETRACER_API_KEY, or the provider's own variable such as OPENAI_API_KEY) or into "
    "the secrets file that CODETRACER_SECRETS names, never into a file of settings or onto a command line."
)


class LlmConfig(Frozen):
    """Which language model is asked, and how it is reached."""

    model: str | None = Field(default=None, min_length=1)
    """As litellm calls it ("openai/gpt-5"), or ``HEURISTIC``; None: none chosen yet."""
    api_base: str | None = Field(default=None, min_length=1)
    """Address of an OpenAI-compatible server; None: the provider's own."""
    timeout: float = Field(default=60.0, gt=0.0, allow_inf_nan=False)
    """Seconds that one call may take until something comes back."""
    retries: int = Field(default=4, ge=0, le=20)
    """How often a call that failed for a passing reason is tried again."""
    context_tokens: int | None = Field(default=None, ge=4_000)
    """Size of the model's window, where litellm does not know it."""
    mode: Mode = "auto"
    """How the model is asked to call tools: natively, by JSON schema, in plain text, or as its provider lets us."""
    prices: Mapping[str, Price] = Field(default_factory=dict)
    """By model, in US dollars per million tokens: for models whose price litellm does not know."""

    @field_validator("api_base")
    @classmethod
    def _holds_no_key(cls, address: str | None) -> str | None:
        if address is not None:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ValueError("an address begins with http:// or https:// and names a server")
            if "@" in parts.netloc:
                raise ValueError(f"an address holds no user name or password. {WHERE_KEYS_GO}")
        return address


class DiscoveryConfig(Frozen):
    """How runs are looked for below a folder."""

    max_depth: int | None = Field(default=None, ge=0, le=100)
    """How many levels of folders are looked through; None: as many as ``discovery`` does by itself."""


class MemoryConfig(Frozen):
    """What earlier diagnoses of the same kind of agent have taught."""

    enabled: bool = True
    max_characters: int = Field(default=MOST_CHARACTERS, ge=0, le=1_000_000)
    """How much of it goes into a diagnosis at most."""


class OutputConfig(Frozen):
    """What is written for other programs."""

    profiles: tuple[Profile, ...] = ("tracebench",)
    folder: Path | None = None
    """Where to, as seen from the current folder; None: nothing is written unless a folder is named."""


class ReplayConfig(Frozen):
    """How runs are replayed, where an order does not say otherwise."""

    allow_local: bool = False
    """Commands of runs and models may run on this machine (environments local and git), with the rights of whoever
    starts the replay."""
    environment: Literal["container", "git", "local"] | None = None
    """None: it has to be named with every order."""
    image: str | None = Field(default=None, min_length=1)
    """Of the container."""
    engine: Literal["", "docker", "podman"] = ""
    """Empty: the first that answers."""
    network: bool = Limits().network
    """False: off where the environment can do that."""
    command_seconds: float = Field(default=Limits().command_seconds, gt=0.0, allow_inf_nan=False)
    total_seconds: float = Field(default=Limits().total_seconds, gt=0.0, allow_inf_nan=False)
    memory_mb: int = Field(default=Limits().memory_mb, ge=64)
    processes: int = Field(default=Limits().processes, ge=8)
    disk_mb: int = Field(default=Limits().disk_mb, ge=1)
    """What a replay on this machine may write in all."""
    max_steps: int | None = Field(default=None, ge=1)
    """Of the model; None: as many as the original took from the checkpoint on."""
    cost_limit_usd: float = Field(default=Budget().cost_limit_usd, gt=0.0, allow_inf_nan=False)
    token_limit: int | None = Field(default=Budget().token_limit, ge=1_000)
    divergence: float = Field(default=0.25, ge=0.0, le=1.0)
    """Share of the earlier steps that may differ or fail before the replay stops."""
    test_command: str = ""
    """Decides the outcome; empty: it stays unknown."""
    test_seconds: float = Field(default=600.0, gt=0.0, allow_inf_nan=False)

    @property
    def limits(self) -> Limits:
        return Limits(
            command_seconds=self.command_seconds,
            total_seconds=self.total_seconds,
            memory_mb=self.memory_mb,
            processes=self.processes,
            disk_mb=self.disk_mb,
            network=self.network,
        )


class Config(Frozen):
    """All settings, by section."""

    llm: LlmConfig = LlmConfig()
    trace: DiagnosisSettings = DiagnosisSettings()
    discovery: DiscoveryConfig = DiscoveryConfig()
    memory: MemoryConfig = MemoryConfig()
    output: OutputConfig = OutputConfig()
    replay: ReplayConfig = ReplayConfig()

    @property
    def settings(self) -> DiagnosisSettings:
        """How a diagnosis is made: memory is used where both sections allow it."""
        return self.trace.model_copy(update={"use_memory": self.trace.use_memory and self.memory.enabled})

    def values(self) -> Iterator[tuple[str, Any]]:
        """Every setting as ("section.name", plain value), in the order of this file."""
        for section, settings in self.model_dump(mode="json").items():
            for name, value in settings.items():
                yield f"{section}.{name}", value


DEFAULTS = Config()


@dataclass(frozen=True)
class Setup:
    """The settings in force, and where they come from."""

    config: Config = DEFAULTS
    path: Path | None = None
    """The file that was read; None: there is none."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """By "section.name": the line of the file, the environment variable or the option that set it. What is not in here
    has its default."""

    def over(self, given: Mapping[str, Any], origin: str) -> Self:
        """With these settings, by "section.name", in the place of those that were there; a None sets nothing.

        Raises ConfigError for a value that is out of range, naming ``origin``."""
        given = {name: value for name, value in given.items() if value is not None}
        sections = self.config.model_dump(mode="json")
        for name, value in given.items():
            section, _, setting = name.partition(".")
            sections[section][setting] = value
        try:
            config = _checked(sections)
        except ValidationError as error:
            first = _first(error, lambda at: ".".join(map(str, at[:2])) in given)
            raise ConfigError(first.words, place=origin) from error
        return type(self)(config, self.path, {**self.origins, **dict.fromkeys(given, origin)})


def load_config(
    named: Path | None, workspace: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Setup:
    """The settings of the file that is named, else of the one in ``CODETRACER_CONFIG``, else of the workspace's
    ``codetracer.yaml`` if there is one, else the defaults; then what the environment says.

    Raises ConfigError, which names file, line and remedy.
    """
    if named is None and environment.get("CODETRACER_CONFIG"):
        named = Path(environment["CODETRACER_CONFIG"])
    path = named.expanduser() if named is not None else workspace and workspace.expanduser() / CONFIG_FILE
    setup = Setup()
    if path is not None and (named is not None or path.is_file()):
        setup = read_config(path)
    for variable, name in {"CODETRACER_MODEL": "llm.model", "CODETRACER_API_BASE": "llm.api_base"}.items():
        setup = setup.over({name: environment.get(variable) or None}, variable)
    return setup


def read_config(path: Path) -> Setup:
    """The settings of one file over the defaults. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "it is no UTF-8 text"
        raise ConfigError(f"the settings cannot be read ({reason})", path=path, remedy="Check the path.") from error
    loader = yaml.SafeLoader(text)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # a few lines of them can stand for gigabytes, or for themselves
                place = _line(event.start_mark)
                raise ConfigError("a setting cannot refer to another (*)", path=path, place=place)
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:  # its own text would show what stands in the file
        place = _line(error.problem_mark)
        raise ConfigError(f"no valid YAML ({error.problem or error.context})", path=path, place=place) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: the 45th of a month
        raise ConfigError("no valid YAML", path=path) from error
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        names = ", ".join(Config.model_fields)
        raise ConfigError("these are no settings by section", path=path, remedy=f"Sections are {names}.")
    lines = dict(_lines(node))
    for at, found in lines.items():
        if len(found) > 1:
            raise ConfigError(
                f"{at[-1]!r} stands here twice (first in line {found[0]})", path=path, place=f"line {found[-1]}"
            )
    try:
        config = _checked({name: {} if section is None else section for name, section in content.items()})
    except ValidationError as error:
        first = _first(error)
        known = [lines[first.at[:size]][0] for size in range(len(first.at), 0, -1) if first.at[:size] in lines]
        place = f"line {known[0]}" if known else ""
        raise ConfigError(first.words, path=path, place=place, remedy=first.remedy) from error
    return Setup(
        config, path, {".".join(at): f"{path.name}, line {found[0]}" for at, found in lines.items() if len(at) == 2}
    )


def model_of(config: Config) -> Model | None:
    """The language model that these settings name, opened; None: the offline rules. Needs no key yet.

    Raises ConfigError if none is named, and what ``open_model`` raises.
    """
    llm = config.llm
    if llm.model is None:
        remedy = (
            "Name one with --model (openai/gpt-5, say) or CODETRACER_MODEL, or take the offline rules, which need no "
            f"key: --model {HEURISTIC}."
        )
        raise ConfigError("no model is chosen", remedy=remedy)
    if llm.model == HEURISTIC:
        return None
    return open_model(
        llm.model,
        api_base=llm.api_base,
        price=llm.prices.get(llm.model),
        context_tokens=llm.context_tokens,
        timeout=llm.timeout,
        retries=llm.retries,
        mode=llm.mode,
    )


def language_model_of(config: Config, cannot: str, remedy: str) -> Model:
    """The language model that these settings name, for what the offline rules ``cannot`` do ("describe a format").

    Raises ConfigError, with the remedy, if none is named or the offline rules are, and what ``open_model`` raises.
    """
    model = None if config.llm.model is None else model_of(config)
    if model is None:
        problem = "no model is chosen" if config.llm.model is None else f"the offline rules cannot {cannot}"
        raise ConfigError(problem, remedy=remedy)
    return model


def _checked(sections: Mapping[str, Any]) -> Config:
    """Strictly: "yes" is no number and "3" none either. As JSON, so that a list may stand for a tuple."""
    return Config.model_validate_json(json.dumps(_plain(sections)), strict=True)


def _plain(value: Any) -> Any:
    """What YAML knows and JSON does not (dates, say) as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)


_DEEPEST = 4
"""section.prices.MODEL.prompt: nothing that can be set stands deeper."""


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}" if mark else ""


def _lines(node: yaml.Node | None, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Where each setting stands in the file: path of names → 1-based lines of its name."""
    if not isinstance(node, yaml.MappingNode) or len(at) == _DEEPEST:
        return
    found: dict[str, list[int]] = {}
    for key, value in node.value:
        found.setdefault(str(key.value), []).append(key.start_mark.line + 1)
        yield from _lines(value, (*at, str(key.value)))
    for name, lines in found.items():
        yield (*at, name), lines


@dataclass(frozen=True)
class _Wrong:
    at: tuple[str, ...]
    words: str
    remedy: str = ""


def _first(error: ValidationError, concerns: Callable[[Sequence[int | str]], bool] = lambda at: True) -> _Wrong:
    """The first thing that is wrong, in words that never repeat a value: it may be a key in the wrong place."""
    found = error.errors(include_input=False, include_url=False)
    first = next((one for one in found if concerns(one["loc"])), found[0])
    at = tuple(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return _unknown(at)
    words = first["msg"].removeprefix("Value error, ")
    return _Wrong(at, f"{'.'.join(at)}: {words[:1].lower()}{words[1:]}")


def _unknown(at: tuple[str, ...]) -> _Wrong:
    *above, name = at
    if re.search(r"key|secret|password|credential", name, re.IGNORECASE):
        return _Wrong(at, "a key does not stand in a file of settings", WHERE_KEYS_GO)
    known = _known(above)
    homes = [section for section in Config.model_fields if name in _known([section])]
    close = difflib.get_close_matches(name, known, n=1)
    if homes:
        remedy = f"{name!r} stands under {homes[0]!r}."
    elif close:
        remedy = f"Did you mean {close[0]!r}?"
    else:
        remedy = f"Known are: {', '.join(known)}." if known else "There is nothing to set here yet."
    kind = "setting" if above else "section"
    return _Wrong(at, f"there is no {kind} {name!r}{f' in {above[0]!r}' if above else ''}", remedy)


def _known(above: Sequence[str]) -> list[str]:
    if not above:
        return list(Config.model_fields)
    section = Config.model_fields[above[0]].annotation
    model = section if len(above) == 1 else Price
    assert isinstance(model, type)
    assert issubclass(model, Frozen)
    return list(model.model_fields)
