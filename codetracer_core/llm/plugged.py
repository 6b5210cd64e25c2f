"""Models of installed packages: "PLUGIN/rest" names one, its factory is called with the whole name."""

from collections.abc import Callable, Sequence

from codetracer_core import plugins
from codetracer_core.diagnosis_models import HEURISTIC
from codetracer_core.errors import ConfigError, ModelError
from codetracer_core.llm.protocol import Message, Model, Price, Reply, ToolSpec
from codetracer_core.plugins import Plugin

ABILITIES = ("name", "context_tokens", "price", "complete", "count_tokens")


def plugin_of(name: str) -> Plugin | None:
    """The plugin whose model is called so; None: the name is none of a plugin's."""
    prefix, slash, _ = name.partition("/")
    return next((plugin for plugin in plugins.found("models")[0] if slash and plugin.name == prefix), None)


def shadows(plugin: Plugin, providers: Sequence[str]) -> str:
    """Why a plugin of this name is not asked, in words; "": it may be. Nobody's prompts go elsewhere than before only
    because a package was installed."""
    if plugin.name.lower() not in (HEURISTIC, *providers):
        return ""
    return f"{plugin} is not asked: {plugin.name!r} is the name of a provider that CodeTracer knows itself"


def open_plugin(plugin: Plugin, name: str, *, api_base: str | None) -> Model:
    """Raises ModelError if it brings no model of that name, ConfigError if an address was given that it cannot take."""
    if api_base is not None:
        raise ConfigError(
            f"{name!r} is a model of {plugin}, and an address of a server (api_base) was given",
            remedy=f"Leave the address out; or, for a model of that server, write openai/{name}.",
        )
    factory = plugin.load()
    if not callable(factory):
        raise ModelError(plugins.why_no_factory(plugin))
    with plugins.in_words(plugin, f"cannot open {name!r}"):
        model = factory(name)
    missing = [ability for ability in ABILITIES if not hasattr(model, ability)]
    if missing:
        what = f"{type(model).__name__}, which has no {', '.join(missing)}"
        raise ModelError(f"{plugin} gave no model for {name!r} but {what}", remedy=plugins.REMEDY)
    return PluginModel(plugin, name, model)


class PluginModel:
    """A model of a plugin: what its code raises ends one call in words, never a whole batch."""

    def __init__(self, plugin: Plugin, name: str, model: Model) -> None:
        self.name = name
        """As it was asked for, so that a diagnosis tells it."""
        self._plugin = plugin
        self._model = model

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    @property
    def price(self) -> Price | None:
        return self._model.price

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        must_call: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        with plugins.in_words(self._plugin, "gave no answer", ModelError):
            reply = self._model.complete(
                messages,
                tools=tools,
                must_call=must_call,
                max_tokens=max_tokens,
                temperature=temperature,
                cancelled=cancelled,
                on_text=on_text,
            )
            if not isinstance(reply, Reply):
                raise TypeError(f"{type(reply).__name__} is no Reply")
            return reply

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        with plugins.in_words(self._plugin, "could not count tokens", ModelError):
            return int(self._model.count_tokens(messages, tools))
