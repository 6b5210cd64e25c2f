"""Runs for diagnoses: small ones with a mistake in a known place, and large ones."""

from typing import Any

from codetracer_core.models import Step, ToolCall, Trajectory

BROKEN = (
    ("Look first.", "cat calc.py", "def add(a, b):\n    return a - b", 0),
    ("The sign is wrong, I think it is the names.", "sed -i 's/add/plus/' calc.py", "", 0),
    ("Test it.", "python -m pytest -q", "E   ImportError: cannot import name 'add'\n1 failed in 0.01s", 1),
    ("Again.", "python -m pytest -q", "E   ImportError: cannot import name 'add'\n1 failed in 0.01s", 1),
    ("Good enough.", "echo DONE && submit", "DONE", 0),
)
"""Step 2 is wrong (it renames instead of correcting), step 4 brings nothing new."""


def run_of(*steps: tuple[str, str, str, int | None], **fields: Any) -> Trajectory:
    """A run of (thought, action, observation, exit code)."""
    told = tuple(
        Step(
            step_id=number,
            thought=thought,
            action=action,
            tool=ToolCall(name="bash", arguments={"command": action}),
            observation=observation,
            exit_code=exit_code,
        )
        for number, (thought, action, observation, exit_code) in enumerate(steps, start=1)
    )
    known: dict[str, Any] = {"format": "normalised", "view": "steps.json", "agent": "calc-agent", "task": "fix-add"}
    return Trajectory.model_validate({**known, "task_text": "add(2, 2) must be 4.", "steps": told, **fields})


def broken_run() -> Trajectory:
    return run_of(*BROKEN)


def long_run(steps: int, characters: int) -> Trajectory:
    """A run whose steps each have an observation of so many characters."""
    body = ("the quick brown fox jumps over the lazy dog; " * (characters // 45 + 1))[:characters]
    return run_of(
        *(
            (f"Thought {n}.", f"make part-{n}" if n % 3 else f"ls part-{n}", f"{n}: {body}", 0)
            for n in range(1, steps + 1)
        )
    )
