"""What an action does to the environment: explore or change, and why, in words that a person can check.

``classify(step)`` decides from the action alone: never from what came back, and never by running anything.
A step *changes* if any part of it may change state (files, packages, processes, repositories, servers); what
is not known counts as change, and the reason says so. Reading, searching, listing, and running tests explore.

``tools`` knows the structured tools, ``shell`` reads command lines with a syntax tree, ``commands`` finds the
program of each command in its tables: ``families`` (git, pip, docker …), ``starters`` (sudo, xargs, bash -c …),
``languages`` (python, node …), ``databases``, ``agents`` (their own editors) and ``programs`` (all others).
``python_code`` reads Python, ``options`` the words of a command, ``effects`` makes one decision of many parts.
"""

from dataclasses import dataclass

from codetracer_core.actions.effects import Purpose, shown
from codetracer_core.actions.tools import judge_text, judge_tool
from codetracer_core.models import Kind, Step

__all__ = ["Decision", "Purpose", "classify", "shown"]


@dataclass(frozen=True, slots=True)
class Decision:
    """``kind`` of a step and a ``reason`` (a fragment on one line, free of control characters).

    ``purpose`` says what the action is for and ``targets`` which files, folders or packages it names, as far as
    that can be told; stages are named after them. They are text of the run as it was written: not yet fit to show.
    """

    kind: Kind
    reason: str
    purpose: Purpose = "read"
    targets: tuple[str, ...] = ()


def classify(step: Step) -> Decision:
    """Explore, change or message. Never raises, whatever the text of the step."""
    if step.is_message:
        return Decision("message", "a message without a tool call", "message")
    if not step.executed:
        return Decision("explore", "was not executed", "wait")
    if step.tool is None:
        effect = judge_text(step.action)
    else:
        effect = judge_tool(step.tool.name, step.tool.arguments, step.action)
    return Decision("change" if effect.change else "explore", effect.reason, effect.purpose, effect.targets)
