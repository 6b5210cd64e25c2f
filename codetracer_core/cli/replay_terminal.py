"""What ``codetracer replay`` prints: what will run, what happens, what came of it. Text of runs is hostile."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from codetracer_core.cli.diagnosis_terminal import usage_in_words
from codetracer_core.cli.terminal import WIDTH, headed, one_line, print_line
from codetracer_core.replay.words import PASSED_WORDS, place_words, plan_words
from codetracer_core.words import OUTCOME_WORDS, number_of

if TYPE_CHECKING:
    from codetracer_core.replay.models import Checkpoint, ReplayOrder, ReplayResult
    from codetracer_core.replay.recording import ReplayEvent
    from codetracer_core.replaying import BeforeAndAfter, ReplayBatch

DEEDS = {
    "command": "runs",
    "edit": "edits",
    "nothing": "nothing to do",
    "not_replayable": "CANNOT be run again",
}


def print_plan(plan: Mapping[str, Any]) -> None:
    """What would run, step by step. ``plan`` as ``as_plan`` makes it."""
    headed("Dry run of", f"{plan['run_id']} from step {plan['step_id']} ({plan['origin']})")
    headed("environment", plan["environment"])
    headed("steps before", plan["words"])
    for step in plan["steps"]:
        words = step["command"] or ", ".join(step["files"])
        why = f" ({step['why']})" if step["why"] else ""
        print_line(f"{step['step_id']:5} {DEEDS[step['deed']]:13} {one_line(words, WIDTH)}{one_line(why, 200)}")
    if plan["files"]:
        headed("files", ", ".join(plan["files"]))
    headed("then", plan["then"])
    headed("tests", plan["tests"] or "no test command: the outcome will be unknown")
    if plan["refused"]:
        headed("refused", plan["refused"])


def as_plan(
    run_id: str, origin: str, order: "ReplayOrder", checkpoint: "Checkpoint", model: str | None
) -> dict[str, Any]:
    """What would run, as plain values."""
    deeds = [step.deed for step in checkpoint.steps]
    budget = order.budget
    matched = " (as many as the original took from there)" if budget.matched else ""
    cost = f"{budget.cost_limit_usd:.2f} USD"
    goes_on = f"{model or 'a model'} goes on for at most {number_of(budget.max_steps, 'step')}{matched} and {cost}"
    return {
        "run_id": run_id,
        "step_id": order.step_id,
        "origin": origin,
        "environment": place_words(order.place),
        "place": order.place.model_dump(mode="json"),
        "shell": checkpoint.shell,
        "folder": checkpoint.folder,
        "words": plan_words(checkpoint),
        "counts": {deed: deeds.count(deed) for deed in DEEDS if deed in deeds},
        "steps": [step.model_dump(mode="json") for step in checkpoint.steps],
        "files": list(checkpoint.files),
        "then": goes_on if order.agent else "nothing: no model goes on",
        "tests": order.test_command,
        "refused": "",
    }


def teller(*, prefix: str = "") -> "Callable[[ReplayEvent], None]":
    """Prints events of a replay on stderr, a line or two each."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    styles = {"same": "green", "differs": "yellow", "failed": "red", "not_compared": "dim"}

    def line(text: str, style: str = "") -> None:
        if sys.stderr.isatty():
            console.print(Text(one_line(prefix + text, 300), style=style))
        else:
            print_line(one_line(prefix + text, 300), err=True)

    def tell(event: "ReplayEvent") -> None:
        if event.kind == "phase":
            line(event.text, "bold")
        elif event.replayed is not None:
            one = event.replayed
            share = f" ({one.similarity:.0%} alike)" if one.met == "differs" and one.similarity is not None else ""
            why = f": {one.why}" if one.why else ""
            met = one.met.replace("_", " ")
            line(f"{one.step_id:4} {met}{share}  {one.command}{why}", styles[one.met])
        elif event.step is not None:
            step = event.step
            if step.thought:
                line(f"{step.step_id:4} thinks: {step.thought}", "dim")
            code = "" if step.exit_code is None else f"  [exit code {step.exit_code}]"
            line(f"{step.step_id:4} {'says' if step.is_message else 'does'}: {one_line(step.action, 200)}{code}")
        elif event.tests is not None:
            line(f"tests {PASSED_WORDS[event.tests.passed]}: {event.tests.reason}", "bold")

    return tell


def print_result(result: "ReplayResult", new_run_id: str) -> None:
    headed("Replay of", f"{result.replay_of.run_id} from step {result.replay_of.step_id}")
    headed("status", ": ".join(filter(None, (result.status, result.status_reason))))
    met = [step.met for step in result.replayed]
    told = ", ".join(f"{met.count(word)} {word}" for word in ("same", "differs", "failed") if word in met)
    headed("run again", f"{number_of(len(met), 'step')}{f': {told}' if told else ''}")
    if result.model:
        headed("went on", f"{result.model}, {number_of(result.agent_steps, 'step')} of {result.order.budget.max_steps}")
        headed("used", usage_in_words(result.usage))
    if result.tests_before is not None:
        headed("at the start", f"tests {PASSED_WORDS[result.tests_before]} at the checkpoint")
    headed("outcome", f"{OUTCOME_WORDS[result.outcome.solved]}: {result.outcome.reason}")
    for fact in result.facts:
        headed("environment", fact)
    if new_run_id:
        headed("new run", new_run_id)
        headed("compare", f"/compare?runs={result.replay_of.run_id},{new_run_id} on the dashboard")


def print_batch(batch: "ReplayBatch", together: "BeforeAndAfter") -> None:
    for row in batch.rows:
        status = "done before" if row.was_done else row.status
        step = f" from step {row.step_id}" if row.step_id else ""
        outcome = "" if row.status in ("skipped", "not started") else f", {OUTCOME_WORDS[row.solved]}"
        reason = f" ({row.reason})" if row.reason else ""
        print_line(f"{row.run_id}{step}: {status}{outcome}{one_line(reason, 300)}")
    headed("runs", ", ".join(f"{count} {word}" for word, count in batch.counts.items()) or "0")
    headed("used", usage_in_words(batch.usage))
    print_before_and_after(together)


def print_before_and_after(found: "BeforeAndAfter") -> None:
    if found.before is None or found.after is None or found.difference is None:
        headed("pass@1", f"undefined: {found.why}")
        return
    interval = "" if found.low is None or found.high is None else f" [{found.low:+.3f}, {found.high:+.3f}]"
    headed("pass@1", f"{found.before:.3f} before, {found.after:.3f} after: {found.difference:+.3f}{interval}")
    left_out = f"; {found.left_out} left out, whose outcomes are not both known" if found.left_out else ""
    headed("of", f"{number_of(found.pairs, 'run')} and their replays{left_out}")
    headed("budget", f"in {found.matched} of {found.pairs} as many steps as the original took from there")
    if not interval and found.why:
        headed("no interval", found.why)
