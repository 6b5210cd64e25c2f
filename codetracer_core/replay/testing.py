"""The task's own tests: a command that a person gave, run in the environment, whose exit code decides."""

import shlex
from collections.abc import Callable
from typing import Literal

from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import ReplayOrder
from codetracer_core.replay.recording import TestRun

_NOT_RUN = {126: "it may not be executed", 127: "there is no such command"}


def run_tests(
    environment: Environment,
    order: ReplayOrder,
    when: Literal["before", "after"],
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> TestRun:
    """Run the test command of the order: exit code 0 passes, any other does not. One that could not be begun, or that
    was stopped, says nothing. Raises Cancelled, EnvironmentBroken."""
    # In a shell of its own and in the working folder: wherever the session stands, and without an effect on it.
    command = f"( cd {shlex.quote(environment.folder)} || exit 126\n{order.test_command}\n)"
    ran = environment.run(command, timeout=order.test_seconds, cancelled=cancelled)
    passed: bool | None = None
    if ran.exit_code is None:
        reason = f"the test command was stopped after {ran.seconds:.0f} seconds: it says nothing"
    elif ran.exit_code in _NOT_RUN:
        reason = f"the test command did not run ({_NOT_RUN[ran.exit_code]}): it says nothing"
    else:
        passed = ran.exit_code == 0
        reason = f"the test command ended with exit code {ran.exit_code}"
    return TestRun(when=when, command=order.test_command, passed=passed, reason=reason, ran=ran)
