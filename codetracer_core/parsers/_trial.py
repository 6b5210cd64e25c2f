"""What the harness around a run knows: task, outcome, verifier output (terminal-bench, Harbor, SWE-bench reports)."""

from codetracer_core.models import Trajectory
from codetracer_core.parsers._artifacts import Artifacts


def add_context(trajectory: Trajectory, artifacts: Artifacts) -> Trajectory:
    """``trajectory`` with what the files around it tell and its own log does not."""
    return trajectory


def why_unread(artifacts: Artifacts) -> str | None:
    """If the folder is a harness's trial folder in which no parser found a run: the reason in words, else None."""
    return None
