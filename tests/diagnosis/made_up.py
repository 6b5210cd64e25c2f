"""Made-up runs, one with mistakes in known places, large ones, and what a model could hand in of them."""

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
WRONG: dict[str, Any] = {
    "step_id": 2,
    "verdict": "incorrect",
    "reasoning": "It renames the function instead of correcting the sign.",
    "evidence": [{"step_id": 2, "quote": "s/add/plus/"}, {"step_id": 1, "quote": "return a - b"}],
    "impact_severity": "critical",
}
"""A finding on ``BROKEN`` that holds."""
REPEATED: dict[str, Any] = {
    "step_id": 4,
    "verdict": "unuseful",
    "reasoning": "The same tests again, nothing had changed.",
    "evidence": [{"step_id": 4, "quote": "cannot import name 'add'"}],
}


def bash_run(*steps: tuple[str, str, str, int | None], **fields: Any) -> Trajectory:
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
    return bash_run(*BROKEN)


def long_run(steps: int, characters: int) -> Trajectory:
    """A run whose steps each have an observation of so many characters."""
    body = ("the quick brown fox jumps over the lazy dog; " * (characters // 45 + 1))[:characters]
    return bash_run(
        *(
            (f"Thought {n}.", f"make part-{n}" if n % 3 else f"ls part-{n}", f"{n}: {body}", 0)
            for n in range(1, steps + 1)
        )
    )


def answer(*findings: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What ``submit_diagnosis`` is called with."""
    accused = [finding["step_id"] for finding in findings if finding["verdict"] == "incorrect"]
    quotes = {finding["step_id"]: finding["evidence"] for finding in findings}
    return {
        "case_for_clean_run": "Each command was plausible.",
        "conclusion": "error_found" if accused else "no_error_found",
        "summary": "The fix renamed the function.",
        "onset": [{"step_id": step, "reasoning": "first wrong change", "evidence": quotes[step]} for step in accused],
        "findings": list(findings),
        "error_chain": [{"step_id": step, "what": "wrong change", "evidence": quotes[step]} for step in accused],
        "correct_strategy": "Replace the minus.",
        **fields,
    }
