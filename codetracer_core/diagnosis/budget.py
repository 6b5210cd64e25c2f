"""Limits of a diagnosis: money, tokens, turns and time; when to conclude, and when to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from codetracer_core.diagnosis_models import CallUsage, DiagnosisSettings
from codetracer_core.errors import CodeTracerError
from codetracer_core.llm import Price

NEAR = 0.8
"""Share of a limit from which on the model is told to conclude."""


SHORTEST_ANSWER = 1_000
"""Tokens that an answer may always have: in fewer no diagnosis can be handed in."""


class LimitReached(CodeTracerError):
    """No further call is allowed; what there is becomes a partial diagnosis."""


@dataclass
class Budget:
    """What a diagnosis may use, over all its samples, and what it has used.

    Each sample gets an equal share of what is left when it begins, so that the last one is not left without. A limit in
    money is only kept while all prices are known.
    """

    settings: DiagnosisSettings
    price: Price | None
    clock: Callable[[], float] = time.monotonic
    used: CallUsage = field(default_factory=CallUsage)
    turns: int = 0
    """Of the present sample."""
    _began: float = field(init=False)
    _before: CallUsage = field(init=False)
    _seconds_before: float = field(init=False)
    _samples_left: int = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self.begin_sample(self.settings.samples)

    def begin_sample(self, samples_left: int) -> None:
        """From here on calls belong to the next of ``samples_left`` samples."""
        self._before, self._seconds_before = self.used, self.clock() - self._began
        self._samples_left, self.turns = samples_left, 0

    def add(self, usage: CallUsage) -> None:
        self.used += usage
        self.turns += usage.calls

    def near(self, next_prompt_tokens: int) -> str:
        """The limit for which it is time to conclude, in words; "" if there is none.

        So it is when ``NEAR`` of it is used up, or when less than two more calls fit."""
        now, then = self._shares(0, 0), self._shares(2 * next_prompt_tokens, 2)
        return next((name for name in now if now[name] >= NEAR or then[name] > 1.0), "")

    def check(self, next_prompt_tokens: int) -> None:
        """Raise LimitReached if one more call would go beyond a limit."""
        for name, share in self._shares(next_prompt_tokens, 1).items():
            if share > 1.0:
                raise LimitReached(f"the limit of {name} was reached")

    @property
    def is_late(self) -> bool:
        """Whether the time of the whole diagnosis is over: then not even an answer that is on its way is waited for."""
        return self.seconds_left < 0

    @property
    def seconds_left(self) -> float:
        """Of the time of the whole diagnosis; negative when it is over."""
        return self.settings.max_seconds - (self.clock() - self._began)

    def answer_tokens(self, prompt_tokens: int, wanted: int) -> int:
        """How long the answer to such a prompt may become: ``wanted``, or what the limits of money and tokens leave of
        it, but never less than ``SHORTEST_ANSWER`` (or ``wanted``, if that is less)."""
        settings, price, before = self.settings, self.price, self._before
        fits: list[float] = [wanted]
        if settings.token_limit is not None:
            fits.append(self._left(_tokens(self.used), _tokens(before), settings.token_limit) - prompt_tokens)
        if self.used.cost_usd is not None and before.cost_usd is not None and price is not None and price.completion:
            left = self._left(self.used.cost_usd, before.cost_usd, settings.cost_limit_usd)
            fits.append((left * 1e6 - prompt_tokens * price.prompt) / price.completion)
        return min(wanted, max(SHORTEST_ANSWER, int(min(fits))))

    def _shares(self, more_tokens: int, more_turns: int) -> dict[str, float]:
        """How much of this sample's part of each limit is used after some more calls; 1.0: all of it."""
        settings, before = self.settings, self._before
        shares = {
            f"{settings.max_turns} model calls": (self.turns + more_turns) / settings.max_turns,
            f"{settings.max_seconds:g} seconds": self._share(
                self.clock() - self._began, self._seconds_before, settings.max_seconds
            ),
        }
        if settings.token_limit is not None:
            tokens = _tokens(self.used) + more_tokens
            shares[f"{settings.token_limit:,} tokens"] = self._share(tokens, _tokens(before), settings.token_limit)
        if self.used.cost_usd is not None and before.cost_usd is not None and self.price is not None:
            cost = self.used.cost_usd + more_tokens * self.price.prompt / 1e6
            shares[f"{settings.cost_limit_usd:.2f} USD"] = self._share(cost, before.cost_usd, settings.cost_limit_usd)
        return shares

    def _left(self, used: float, before: float, limit: float) -> float:
        """What is left of this sample's part of a limit."""
        return (limit - before) / self._samples_left - (used - before)

    def _share(self, used: float, before: float, limit: float) -> float:
        left = (limit - before) / self._samples_left
        return (used - before) / left if left > 0 else 2.0


def _tokens(usage: CallUsage) -> int:
    return usage.prompt_tokens + usage.completion_tokens
