"""One replay as its page shows it, from its record: what goes to ``frontend/replay.js``. No browser, no Streamlit.

Everything in it was written by a model, a command or a run: the browser puts it on the page as text.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.models import Trajectory
from codetracer_core.replay.models import (
    Checkpoint,
    Met,
    PlannedStep,
    Ran,
    ReplayedStep,
    ReplayResult,
    ReplayStatus,
)
from codetracer_core.replay.recording import RecordedStep, ReplayEvent, Started, TestRun
from codetracer_core.replay.words import PASSED_WORDS, place_words, plan_words
from codetracer_core.ui.diagnosis_report import duration_words, money, tokens_words, usage_words
from codetracer_core.ui.replay_plan import shortened
from codetracer_core.words import OUTCOME_WORDS, number_of

STATUS_WORDS: Mapping[ReplayStatus, str] = {
    "finished": "finished",
    "limit": "stopped at a limit",
    "diverged": "diverged: the earlier steps did not lead to the same state",
    "cancelled": "cancelled",
    "failed": "failed",
}
_TONES: Mapping[ReplayStatus, str] = {
    "finished": "over",
    "limit": "warn",
    "diverged": "bad",
    "cancelled": "warn",
    "failed": "bad",
}
_OUTCOME_TONES: Mapping[bool | None, str] = {True: "good", False: "bad", None: ""}
SHORT = 400
"""Characters of a command, reason or output in a row that is not opened …"""
SHORT_THOUGHT = 1_500
"""… and of a thought."""
LONGEST_OPENED = 60_000
"""Characters of a text in a row that is."""


@dataclass(frozen=True)
class Shown:
    """What is known of a replay: its order, its log so far, and, once it is over, its result."""

    started: Started
    events: Sequence[ReplayEvent] = ()
    result: ReplayResult | None = None
    plan: Checkpoint | None = None
    """Of the original; None: the workspace does not have it (any more)."""
    original: Trajectory | None = None

    @property
    def is_over(self) -> bool:
        return self.started.status != "running"

    @property
    def usage(self) -> CallUsage:
        if self.result is not None:
            return self.result.usage
        return next((event.usage for event in reversed(self.events) if event.usage is not None), CallUsage(calls=0))

    @property
    def earlier(self) -> list[ReplayedStep]:
        return [event.replayed for event in self.events if event.replayed is not None]

    @property
    def model_steps(self) -> list[RecordedStep]:
        return [event.step for event in self.events if event.step is not None]

    @property
    def tests(self) -> list[TestRun]:
        return [event.tests for event in self.events if event.tests is not None]


def replay_data(
    shown: Shown,
    *,
    is_over: bool,
    seconds: float,
    who: str = "",
    opened: Collection[str] = (),
    may_cancel: bool = False,
    is_stopping: bool = False,
) -> dict[str, Any]:
    """The whole replay. ``is_over``: nothing more will be told of it; ``seconds`` that it took so far; ``opened``: keys
    of rows of which all is wanted."""
    started, order = shown.started, shown.started.order
    told = (f"by {who}" if who else "", place_words(order.place), who_goes_on(started), duration_words(seconds))
    model_steps = shown.model_steps
    planned = {step.step_id: step for step in shown.plan.steps} if shown.plan else {}
    return {
        "id": started.replay_id,
        "isOver": is_over,
        "title": f"Replay from step {order.step_id:,}",
        "status": _status(shown, is_over),
        "tone": _tone(shown) if is_over else "running",
        "words": " · ".join(filter(None, told)),
        "reason": shortened(started.reason, 2_000),
        "usage": usage_words(shown.usage) if shown.usage.calls else "",
        "links": _links(started),
        "mayCancel": may_cancel and not is_over,
        "isStopping": is_stopping,
        "cards": _cards(shown),
        "facts": list(shown.result.facts) if shown.result else [],
        "meter": _meter(shown),
        "earlierWords": _earlier_words(shown),
        "earlier": [_earlier_row(step, planned.get(step.step_id)) for step in shown.earlier],
        "hasAgent": order.agent or bool(model_steps),
        "agentWords": f"{len(model_steps):,} of at most {order.budget.max_steps:,}",
        "agent": list(map(_model_row, model_steps)),
        "tests": list(map(_test_row, shown.tests)),
        "texts": {key: _texts(shown, key) for key in opened},
    }


def compared(steps: Sequence[ReplayedStep]) -> tuple[int, int]:
    """How many steps could be compared, and how many of them differ or failed."""
    met: list[Met] = [step.met for step in steps if step.met != "not_compared"]
    return len(met), sum(one != "same" for one in met)


def _status(shown: Shown, is_over: bool) -> str:
    if shown.started.status != "running":
        return STATUS_WORDS[shown.started.status]
    if is_over:
        return "ended with CodeTracer, before it came to anything"
    phases = [event.text for event in shown.events if event.kind == "phase" and event.text]
    return phases[-1] if phases else "waiting"


def _tone(shown: Shown) -> str:
    status = shown.started.status
    solved = shown.result.outcome.solved if shown.result else None
    return _OUTCOME_TONES[solved] or _TONES["failed" if status == "running" else status]


def _links(started: Started) -> list[dict[str, Any]]:
    """To the run that came of it. The browser makes addresses of them: nothing in it is a page by itself."""
    if not started.new_run_id:
        return []
    both = f"{started.run_id},{started.new_run_id}"
    return [
        {"name": "open", "title": "Open the new run", "to": {"page": "trajectory", "traj": started.new_run_id}},
        {"name": "compare", "title": "Compare with the original", "to": {"page": "compare", "runs": both}},
    ]


def _cards(shown: Shown) -> list[dict[str, str]]:
    cards: list[dict[str, str]] = []
    order, tests, result = shown.started.order, shown.tests, shown.result
    if result is not None:
        solved = result.outcome.solved
        cards.append(_card("Outcome", OUTCOME_WORDS[solved], result.outcome.reason, _OUTCOME_TONES[solved]))
    said = {test.when: PASSED_WORDS[test.passed] for test in tests}
    if said:
        value = " → ".join(said[when] for when in ("before", "after") if when in said)
        note = (
            "at the checkpoint → at the end"
            if len(said) == 2
            else f"{'at the checkpoint' if 'before' in said else 'at the end'}"
        )
        cards.append(_card("Tests", value, note))
    if order.agent and (shown.is_over or shown.model_steps):
        cards += [_steps_card(shown), _cost_card(shown)]
    return cards


def _steps_card(shown: Shown) -> dict[str, str]:
    order = shown.started.order
    note = "what the original still had" if order.budget.matched else "a given budget"
    if shown.original is not None and not order.budget.matched:
        rest = shown.original.step_count - order.step_id + 1
        note += f"; the original took {number_of(rest, 'step')} from there"
    return _card("Steps of the model", f"{len(shown.model_steps):,} of {order.budget.max_steps:,}", note)


def _cost_card(shown: Shown) -> dict[str, str]:
    used, budget = shown.usage, shown.started.order.budget
    tokens = f"{tokens_words(used.prompt_tokens + used.completion_tokens)} tokens"
    if used.calls and used.cost_usd is None:
        return _card("Cost", "unknown", f"{tokens}; the price of the model is not known")
    note = tokens
    if shown.original is not None:
        usd = shown.original.usage.cost_usd
        note += f"; the whole original: {'cost unknown' if usd is None else money(usd)}"
    return _card("Cost", f"{money(used.cost_usd or 0.0)} of {money(budget.cost_limit_usd)}", note)


def _card(name: str, value: str, note: str = "", tone: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "note": shortened(note, 1_000), "tone": tone}


def _meter(shown: Shown) -> dict[str, Any] | None:
    """How far it is from what the original was; None before anything could be compared."""
    count, off = compared(shown.earlier)
    if not count:
        return None
    limit = shown.started.order.divergence
    return {
        "share": off / count,
        "limit": limit,
        "isOver": off >= 2 and off / count > limit,
        "words": f"{off:,} of {count:,} compared steps differ or failed; it stops above {limit:.0%}",
    }


def _earlier_words(shown: Shown) -> str:
    """How many of those before the checkpoint are done, and how they went."""
    done = shown.earlier
    if shown.plan is not None and not shown.is_over:
        total = len(shown.plan.steps)
        return f"{len(done):,} of {total:,}" if done else plan_words(shown.plan)
    counts = Counter[Met](step.met for step in done)
    told = [f"{counts[met]:,} {words}" for met, words in _MET_WORDS.items() if counts[met]]
    return ", ".join(told) or "none were run"


_MET_WORDS: Mapping[Met, str] = {
    "same": "same",
    "differs": "differ",
    "failed": "failed",
    "not_compared": "not compared",
}


def _earlier_row(step: ReplayedStep, planned: PlannedStep | None) -> dict[str, Any]:
    """A step with its command as the original had it: paths are those of the run."""
    command = planned.command if planned is not None and planned.command else step.command
    return {
        "key": f"e{step.step_id}",
        "step": step.step_id,
        "met": step.met,
        "text": shortened(command.strip(), SHORT),
        "similarity": step.similarity if step.met == "differs" else None,
        "why": shortened(step.why, SHORT) if step.met in ("differs", "failed") or step.deed == "not_replayable" else "",
        "hasMore": step.deed != "nothing",
    }


def _model_row(step: RecordedStep) -> dict[str, Any]:
    output = step.observation or ""
    figures = [
        "" if step.exit_code is None else f"exit {step.exit_code}",
        "" if step.seconds is None else f"{step.seconds:.1f} s",
    ]
    return {
        "key": f"m{step.step_id}",
        "step": step.step_id,
        "thought": shortened((step.thought or "").strip(), SHORT_THOUGHT),
        "text": shortened(step.action.strip(), SHORT),
        "figures": " · ".join(filter(None, figures)),
        "output": shortened(output.strip(), SHORT),
        "tone": "bad" if step.exit_code else "",
        "hasMore": max(len(step.action), len(output)) > SHORT or output.count("\n") > 4,
    }


def _test_row(test: TestRun) -> dict[str, Any]:
    when = "at the checkpoint" if test.when == "before" else "at the end"
    return {
        "key": f"t{test.when}",
        "said": PASSED_WORDS[test.passed],
        "words": shortened(f"{when}: {test.reason}", SHORT),
        "tone": _OUTCOME_TONES[test.passed],
        "output": shortened(test.ran.output.strip()[-SHORT:], SHORT) if test.ran else "",
        "hasMore": test.ran is not None,
    }


def _texts(shown: Shown, key: str) -> list[dict[str, Any]]:
    """All that a row holds, as named texts; a key that no row has holds nothing."""
    for step in shown.earlier:
        if key == f"e{step.step_id}":
            return _earlier_texts(shown, step)
    for made in shown.model_steps:
        if key == f"m{made.step_id}":
            command = made.command or made.action
            return [
                _text("Command", command),
                *([] if made.observation is None else [_text("Output", made.observation)]),
            ]
    for test in shown.tests:
        if key == f"t{test.when}":
            return [_text("Command", test.command), *_output("Output", test.ran)]
    return []


def _earlier_texts(shown: Shown, step: ReplayedStep) -> list[dict[str, Any]]:
    planned = next((one for one in shown.plan.steps if one.step_id == step.step_id), None) if shown.plan else None
    texts: list[dict[str, Any]] = []
    if planned is not None and planned.expected is not None:
        note = "" if planned.expected_exit is None else f"exit code {planned.expected_exit}"
        texts.append(_text("Recorded", planned.expected, note))
    texts += _output("This time", step.ran)
    if len(texts) == 2 and step.met in ("differs", "failed"):
        return [one | {"compare": True} for one in texts]
    return texts or [_text("Done", step.why or step.command)]


def _output(name: str, ran: Ran | None) -> list[dict[str, Any]]:
    if ran is None:
        return []
    ended = (
        "stopped at its time limit"
        if ran.timed_out
        else f"exit code {ran.exit_code}"
        if ran.exit_code is not None
        else "stopped"
    )
    left_out = f"; {ran.left_out_bytes:,} bytes were left out" if ran.left_out_bytes else ""
    return [_text(name, ran.output, f"{ended}, {duration_words(ran.seconds)}{left_out}")]


def _text(name: str, text: str, note: str = "") -> dict[str, Any]:
    return {"name": name, "text": shortened(text, LONGEST_OPENED), "note": note}


def who_goes_on(started: Started) -> str:
    """Who goes on, with what, in words for a list. Advice is told where a diagnosis gave some, not where it was wanted
    and there was none."""
    if not started.order.agent:
        return "no model: only the earlier steps"
    return f"{started.model or 'a model'}, {'with' if started.diagnosis_id else 'without'} advice"
