"""Any language model by name, through litellm: the only module that knows it.

litellm is imported when a model is opened (about two seconds, 160 MB), with its price list as it was installed: it
then asks nothing of any network but what the calls themselves are. Its own retries are off (they hide what happened
and cannot be cancelled), and so is all its logging, which would tell prompts and keys.
"""

import gc
import logging
import os
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, ConfigError, ContextOverflow, ModelError
from codetracer_core.llm import plugged
from codetracer_core.llm.answers import Answer, read_stream, read_whole
from codetracer_core.llm.faults import Fault, asked_to_wait, fault_of, in_short
from codetracer_core.llm.keys import find_key, key_texts, without_any_key
from codetracer_core.llm.modes import Form, Mode, as_answer, as_request
from codetracer_core.llm.protocol import Message, Model, Price, Reply, ToolSpec
from codetracer_core.llm.tokens import count_text, count_tokens

UNKNOWN_WINDOW = 32_768
"""Tokens: the window of a model of which nothing is known."""
LOOKS_UP = 0.1
"""Seconds after which a silent call looks whether it was cancelled."""
LONGEST_WAIT = 120.0
"""Seconds between two tries; a provider that asks for more is not waited for."""
PATIENCE = 2
"""Answers without a native call after which a model is taken for one that knows none."""
QUIET = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "openai", "httpx", "httpcore")
"""Loggers that would tell prompts, keys or addresses that hold keys."""


def open_model(
    name: str,
    *,
    api_base: str | None = None,
    price: Price | None = None,
    context_tokens: int | None = None,
    timeout: float = 60.0,
    retries: int = 4,
    mode: Mode = "auto",
    pause: float = 1.0,
) -> Model:
    """The model that litellm calls so ("openai/gpt-5", "anthropic/…", "ollama/…"), or that of a plugin ("PLUGIN/…"; it
    knows price and window itself, and only its name is passed on).

    ``api_base`` is the address of an OpenAI-compatible server; a name without a provider then means one of its models.
    ``timeout``: seconds of silence after which a call has failed, at its beginning and between two pieces of an
    answer. Temporary failures are tried again ``retries`` times, first after ``pause`` seconds or so, then after twice
    that … ``price`` and ``context_tokens`` go before what litellm knows.

    Takes about two seconds the first time. Raises ModelError for a name that means nothing, ConfigError for an
    address or keys that cannot be used.
    """
    if api_base is not None:
        _check_address(api_base)
    litellm = _litellm()
    plugin = plugged.plugin_of(name)
    if plugin is not None and not plugged.shadows(plugin, providers()):
        return plugged.open_plugin(plugin, name, api_base=api_base)
    full_name, provider = _resolve(litellm, name, api_base)
    has_own = bool(litellm.validate_environment(full_name)["keys_in_environment"])
    known = _known_facts(litellm, full_name, provider)
    window = context_tokens or known.get("max_input_tokens") or known.get("max_tokens") or UNKNOWN_WINDOW
    return ProviderModel(
        name,
        full_name=full_name,
        api_base=api_base,
        key=find_key(provider, api_base, provider_has_own=has_own),
        price=price or _known_price(known),
        uses_price_list=price is None and _known_price(known) is not None,
        context_tokens=int(window),
        longest_answer=known.get("max_output_tokens"),
        timeout=timeout,
        retries=retries,
        mode=mode,
        pause=pause,
    )


class ProviderModel:
    """A model behind a provider. Made by ``open_model``; several threads may ask at once.

    It remembers which features the provider refused, and asks without them from then on.
    """

    def __init__(
        self,
        name: str,
        *,
        full_name: str,
        api_base: str | None,
        key: SecretStr | None,
        price: Price | None,
        uses_price_list: bool,
        context_tokens: int,
        longest_answer: int | None,
        timeout: float,
        retries: int,
        mode: Mode,
        pause: float,
    ) -> None:
        self.name = name
        self.price = price
        self.context_tokens = context_tokens
        self._full_name = full_name
        self._api_base = api_base
        self._key = key
        self._uses_price_list = uses_price_list
        self._longest_answer = longest_answer
        self._timeout = timeout
        self._retries = retries
        self._mode = mode
        self._pause = pause
        self._refused: set[str] = set()
        self._has_called = False
        self._uncalled = 0

    def __repr__(self) -> str:
        return f"<ProviderModel {self.name}>"

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
        tries, broken_off = 0, CallUsage()
        while True:
            if cancelled():
                raise Cancelled("The call was cancelled")
            form = self._form(tools)
            can_choose = "tool_choice" not in self._refused
            request = as_request(messages, tools, must_call, form, can_choose=can_choose)
            request |= self._options(max_tokens, temperature)
            shown_live = on_text if form in ("tools", "prose") else None  # JSON is for nobody to watch
            outcome = self._try_once(request, cancelled, shown_live)
            if isinstance(outcome, Answer):
                text, requests = as_answer(outcome.text, outcome.calls, tools, must_call, form, len(messages))
                if form == "tools":
                    self._learn(called=bool(outcome.calls), demanded=must_call is not None)
                if on_text and text and shown_live is None:
                    on_text(text)
                said = outcome.text + "".join(call.name + call.arguments for call in outcome.calls)
                usage = broken_off + (outcome.usage or self._counted(messages, tools, said))
                return Reply(text=text, tool_requests=requests, usage=usage, is_cut=outcome.finish == "length")
            if outcome.heard is not None:
                broken_off += self._counted(messages, tools, outcome.heard)
            if self._gives_up(outcome):
                continue
            if outcome.kind == "overflow":
                raise ContextOverflow(
                    f"The conversation is too long for {self.name}: {outcome.words}",
                    remedy="Set a smaller context window, or take a model with a larger one.",
                )
            if outcome.kind != "temporary" or tries >= self._retries or (outcome.wait or 0.0) > LONGEST_WAIT:
                raise self._failure(outcome, tries + 1)
            jitter = random.uniform(0.5, 1.0)  # noqa: S311  spreads clients, hides nothing
            wait = min(self._pause * 2**tries * jitter, LONGEST_WAIT) if outcome.wait is None else outcome.wait
            _wait(wait, cancelled)
            tries += 1

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
        return count_tokens(messages, tools)

    def _form(self, tools: Sequence[ToolSpec]) -> Form:
        if not tools:
            return "prose"
        if self._mode != "auto":
            return self._mode
        if "tools" not in self._refused:
            return "tools"
        return "schema" if "response_format" not in self._refused else "text"

    def _options(self, max_tokens: int | None, temperature: float | None) -> dict[str, Any]:
        """What this provider has not refused of the parts of a request that can be left out."""
        if max_tokens and self._longest_answer:
            max_tokens = min(max_tokens, self._longest_answer)  # more is refused, not cut
        options: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "stream": True}
        if "stream" not in self._refused:
            options["stream_options"] = {"include_usage": True}
        return {name: value for name, value in options.items() if value is not None and name not in self._refused}

    def _gives_up(self, fault: Fault) -> bool:
        """Whether the provider refused something that can be done without; it is not asked for again."""
        fixed = {"tools": "tools", "schema": "response_format"}.get(self._mode)
        if fault.kind != "refused" or fault.feature == fixed or fault.feature in self._refused:
            return False
        self._refused.add(fault.feature)
        return True

    def _learn(self, *, called: bool, demanded: bool) -> None:
        """Some servers take tools and pass over them in silence: without a single call when one was demanded, or
        after PATIENCE answers, the next form is tried."""
        self._has_called = self._has_called or called
        self._uncalled += not called
        if self._mode == "auto" and not self._has_called and (demanded or self._uncalled >= PATIENCE):
            self._refused.add("tools")

    def _failure(self, fault: Fault, tries: int) -> ModelError:
        times = f" after {tries} tries" if tries > 1 else ""
        where = f" at {self._api_base}" if self._api_base else ""
        remedy = fault.remedy
        if fault.wait is not None and fault.wait > LONGEST_WAIT:
            remedy = f"It asks to wait {fault.wait:.0f} seconds."
        elif fault.kind == "refused":
            remedy = "Set the mode to auto."
        return ModelError(f"{self.name}{where} gave no answer{times}: {fault.words}", remedy=remedy)

    def _counted(self, messages: Sequence[Message], tools: Sequence[ToolSpec], said: str) -> CallUsage:
        """The tokens of a call whose provider does not tell them."""
        prompt, completion = count_tokens(messages, tools), count_text(said)
        cost = self.price.cost(prompt, completion) if self.price else None
        return CallUsage(calls=1, prompt_tokens=prompt, completion_tokens=completion, cost_usd=cost, estimated=True)

    def _try_once(
        self, request: Mapping[str, Any], cancelled: Callable[[], bool], on_text: Callable[[str], None] | None
    ) -> Answer | Fault:
        """One call, in a thread of its own: the server may be silent, this one still hears a cancel."""
        events: SimpleQueue[str | Answer | Fault] = SimpleQueue()
        gone = threading.Event()
        call = threading.Thread(target=self._call, args=(request, events, gone), name="model call", daemon=True)
        call.start()
        heard: list[str] = []
        try:
            deadline = time.monotonic() + self._timeout
            while True:
                if cancelled():
                    raise Cancelled("The call was cancelled")
                try:
                    event = events.get(timeout=LOOKS_UP)
                except Empty:
                    if time.monotonic() <= deadline:
                        continue
                    event = Fault("temporary", f"silent for {self._timeout:g} seconds")
                if isinstance(event, Fault):
                    return replace(event, heard="".join(heard)) if heard else event
                if isinstance(event, Answer):
                    return event
                heard.append(event)
                deadline = time.monotonic() + self._timeout
                if event and on_text:
                    on_text(event)
        finally:
            gone.set()

    def _call(
        self, request: Mapping[str, Any], events: "SimpleQueue[str | Answer | Fault]", gone: threading.Event
    ) -> None:
        """Puts pieces of text as they come (empty ones too: a sign of life), at the end the answer or what failed."""
        litellm = _litellm()
        own = key_texts(self._key)
        try:
            response = litellm.completion(
                model=self._full_name,
                api_base=self._api_base,
                api_key=self._key.get_secret_value() if self._key else None,
                timeout=self._timeout + 1,  # whoever waits for this thread decides first
                max_retries=0,
                **request,
            )
            if "stream" in request:
                answer = read_stream(response, own, events.put, gone.is_set)
            else:
                answer = read_whole(response, own)
                if isinstance(answer, Answer):
                    events.put(answer.text)
            if isinstance(answer, Answer) and answer.usage:
                answer = answer.with_cost(self._cost(litellm, answer.usage))
            events.put(answer)
        except Exception as error:  # noqa: BLE001  end of a thread: libraries of providers raise whatever they like
            events.put(_as_fault(error, own, request))

    def _cost(self, litellm: ModuleType, usage: CallUsage) -> float | None:
        if not self._uses_price_list:
            return (
                self.price.cost(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
                if self.price
                else None
            )
        try:
            costs = litellm.cost_per_token(
                model=self._full_name,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cache_read_input_tokens=usage.cached_tokens,
            )
        except Exception:  # noqa: BLE001  a hole in its price list is an unknown price, no failed call
            return None
        return float(sum(costs))


def _as_fault(error: Exception, own_key: Sequence[str], request: Mapping[str, Any]) -> Fault:
    names = [above.__name__ for above in type(error).__mro__]
    words = in_short(without_any_key(str(error), own_key)) or names[0]
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    fault = fault_of(getattr(error, "status_code", None), names, words, request.keys())
    return Fault(fault.kind, fault.words, fault.remedy, asked_to_wait(headers), fault.feature)


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    """Raises Cancelled within LOOKS_UP seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled():
            raise Cancelled("The call was cancelled")
        time.sleep(min(left, LOOKS_UP))


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """While thousands of classes are made, of which none is garbage, looking for garbage takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _litellm() -> ModuleType:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    warnings.filterwarnings("ignore", module=r"litellm(\.|$)")  # its own business, and no failure under -W error
    with _no_garbage_collected():
        import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_hf_tokenizer_download = True
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
    return litellm


def providers() -> tuple[str, ...]:
    """What a name of a model may begin with, before its "/"."""
    return tuple(entry.value for entry in _litellm().provider_list)


def _check_address(api_base: str) -> None:
    address = urlsplit(api_base)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigError(f"{api_base!r} is no address of a server", remedy="Write http://host:port/v1.")
    if address.username or address.password or address.query:
        raise ConfigError(
            "The address of the server holds a password or parameters", remedy="Give the key as CODETRACER_API_KEY."
        )


def _resolve(litellm: ModuleType, name: str, api_base: str | None) -> tuple[str, str]:
    """The name as litellm takes it, and the provider."""
    prefix = name.partition("/")[0]
    if api_base is not None and ("/" not in name or prefix not in providers()):
        name = f"openai/{name}"
    try:
        _, provider, _, _ = litellm.get_llm_provider(name, api_base=api_base)
    except litellm.exceptions.BadRequestError:
        raise ModelError(
            f"{name!r} does not say whose model it is",
            remedy='Write provider/model, like "openai/gpt-5", or give the address of your own server (api_base).',
        ) from None
    return name, provider


def _known_facts(litellm: ModuleType, full_name: str, provider: str) -> Mapping[str, Any]:
    """Window and prices of a model as litellm was installed with them; empty: unknown."""
    entry = litellm.model_cost.get(full_name) or litellm.model_cost.get(full_name.removeprefix(f"{provider}/"), {})
    return entry if str(entry.get("litellm_provider", "")).startswith(provider) else {}


def _known_price(known: Mapping[str, Any]) -> Price | None:
    prompt, completion = known.get("input_cost_per_token"), known.get("output_cost_per_token")
    if prompt is None or completion is None:
        return None
    cached = known.get("cache_read_input_token_cost")
    return Price(prompt=prompt * 1e6, completion=completion * 1e6, cached=None if cached is None else cached * 1e6)
