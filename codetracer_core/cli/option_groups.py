"""Options that several commands take together: a dataclass for each group, whose fields are the options."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from codetracer_core.cli.options import ApiBase, CostLimit, ModelName

# As in ``diagnosis_models`` and ``config``, too heavy to be loaded before a command runs; a test compares them.
Strategy = Literal["agent", "all_at_once", "step_by_step", "binary_search"]
OWN_ENVIRONMENTS = ("container", "git", "local")
"""Other environments of replays are those of plugins."""


def spelled_out(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer understands it: in the place of a parameter that is a group stand the group's options."""
    options: list[Parameter] = []
    groups: dict[str, type] = {}
    for parameter in signature(command).parameters.values():
        group = parameter.annotation
        if is_dataclass(group) and isinstance(group, type):
            groups[parameter.name] = group
            options += [
                Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
                for one in fields(group)
            ]
        else:
            options.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def called(**given: Any) -> None:
        made = {
            name: group(**{one.name: given.pop(one.name) for one in fields(group)}) for name, group in groups.items()
        }
        command(**given, **made)

    called.__signature__ = Signature(options)  # type: ignore[attr-defined]
    return called


@dataclass(frozen=True)
class DiagnosisOptions:
    """How a diagnosis is made, and which files tell of it."""

    model: ModelName = None
    api_base: ApiBase = None
    strategy: Annotated[
        Strategy | None,
        typer.Option("--strategy", help="How the model goes through a run (else agent).", show_default=False),
    ] = None
    samples: Annotated[
        int | None, typer.Option(help="Independent repetitions that are merged (else 1).", show_default=False)
    ] = None
    cost_limit: CostLimit = None
    no_memory: Annotated[
        bool, typer.Option("--no-memory", help="Neither use insights of other diagnoses nor keep new.")
    ] = False
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="tracebench (else), detailed or rl_feedback: a file to write; repeat it for several.",
            show_default=False,
        ),
    ] = None

    def settings(self, output: Path | None) -> dict[str, Any]:
        """As ``given`` of ``setup_of``; ``output``: the folder for the files."""
        return {
            "llm.model": self.model,
            "llm.api_base": self.api_base,
            "trace.strategy": self.strategy,
            "trace.samples": self.samples,
            "trace.cost_limit_usd": self.cost_limit,
            "memory.enabled": False if self.no_memory else None,
            "output.profiles": self.profile,
            "output.folder": output and str(output),
        }


@dataclass(frozen=True)
class ReplayOptions:
    """Where a run is replayed, how far, and what decides its outcome."""

    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            help=f"Where replayed commands run: {', '.join(OWN_ENVIRONMENTS)}, or as a plugin calls it "
            "(else replay.environment).",
            show_default=False,
        ),
    ] = None
    env_option: Annotated[
        list[str] | None,
        typer.Option(
            "--env-option",
            metavar="NAME=VALUE",
            help="For the environment of a plugin; repeat it for several.",
            show_default=False,
        ),
    ] = None
    folder: Annotated[
        str | None,
        typer.Option("--folder", help="local: copy this folder; container: work there.", show_default=False),
    ] = None
    repo: Annotated[
        str | None, typer.Option("--repo", help="git: folder or address of the repository.", show_default=False)
    ] = None
    commit: Annotated[str, typer.Option("--commit", help="git: what to check out.")] = "HEAD"
    image: Annotated[
        str | None, typer.Option("--image", help="container: from this image (else replay.image).", show_default=False)
    ] = None
    compose: Annotated[
        str | None, typer.Option("--compose", help="container: from this compose file.", show_default=False)
    ] = None
    service: Annotated[
        str, typer.Option("--service", help="Of the compose file; else its only one.", show_default=False)
    ] = ""
    allow_local: Annotated[
        bool,
        typer.Option("--allow-local", help="Replayed commands may run on this machine (needed for local and git)."),
    ] = False
    no_agent: Annotated[bool, typer.Option("--no-agent", help="Only run the earlier steps again.")] = False
    max_steps: Annotated[
        int | None,
        typer.Option(
            "--max-steps",
            min=1,
            help="Of the model in a replay (else as many as the original took from there).",
            show_default=False,
        ),
    ] = None
    test: Annotated[
        str | None,
        typer.Option("--test", help="Command whose exit code decides a replay's outcome.", show_default=False),
    ] = None
    skip_not_replayable: Annotated[
        bool, typer.Option("--skip-not-replayable", help="Leave out steps that cannot be run again, and go on.")
    ] = False

    def settings(self, cost_limit: float | None) -> dict[str, Any]:
        """Those that are settings, as ``given`` of ``setup_of``; ``cost_limit``: US dollars for one replay."""
        return {
            "replay.environment": self.env if self.env in OWN_ENVIRONMENTS else None,
            "replay.image": self.image,
            "replay.allow_local": self.allow_local or None,
            "replay.max_steps": self.max_steps,
            "replay.cost_limit_usd": cost_limit,
            "replay.test_command": self.test,
        }
