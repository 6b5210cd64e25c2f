"""Options that commands of several modules share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from codetracer_core.config import Setup

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder with runs and labels (else CODETRACER_WORKSPACE, else your data folder).",
        show_default=False,
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Read as this format; 'codetracer doctor' lists them.", show_default=False),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or file, or the id of an imported run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

# As in ``diagnosis_models``, which is too heavy to be loaded before a command runs; a test compares them.
Strategy = Literal["agent", "all_at_once", "step_by_step", "binary_search"]

ModelName = Annotated[
    str | None,
    typer.Option(
        help="As litellm calls it (openai/gpt-5), or heuristic: offline rules without a key (else CODETRACER_MODEL).",
        show_default=False,
    ),
]
ApiBase = Annotated[
    str | None,
    typer.Option(help="OpenAI-compatible server to ask (else CODETRACER_API_BASE).", show_default=False),
]
ProfileNames = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        help="tracebench (else), detailed or rl_feedback: a file to write; repeat it for several.",
        show_default=False,
    ),
]
StrategyName = Annotated[
    Strategy | None,
    typer.Option("--strategy", help="How the model goes through a run (else agent).", show_default=False),
]
Samples = Annotated[
    int | None, typer.Option(help="Independent repetitions that are merged (else 1).", show_default=False)
]
CostLimit = Annotated[float | None, typer.Option(help="US dollars for one run (else 3).", show_default=False)]
NoMemory = Annotated[bool, typer.Option("--no-memory", help="Neither use insights of other diagnoses nor keep new.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate calls, tokens and cost; ask nobody.")]

OWN_ENVIRONMENTS = ("container", "git", "local")
"""As in ``config``, likewise; other names are those of plugins."""

ReplayWhere = Annotated[
    str | None,
    typer.Option(
        "--env",
        help=f"Where replayed commands run: {', '.join(OWN_ENVIRONMENTS)}, or as a plugin calls it "
        "(else replay.environment).",
        show_default=False,
    ),
]
EnvOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--env-option",
        metavar="NAME=VALUE",
        help="For the environment of a plugin; repeat it for several.",
        show_default=False,
    ),
]
ReplayFolder = Annotated[
    str | None,
    typer.Option("--folder", help="local: copy this folder; container: work there.", show_default=False),
]
Repository = Annotated[
    str | None, typer.Option("--repo", help="git: folder or address of the repository.", show_default=False)
]
Commit = Annotated[str, typer.Option("--commit", help="git: what to check out.")]
Image = Annotated[
    str | None, typer.Option("--image", help="container: from this image (else replay.image).", show_default=False)
]
ComposeFile = Annotated[
    str | None, typer.Option("--compose", help="container: from this compose file.", show_default=False)
]
Service = Annotated[str, typer.Option("--service", help="Of the compose file; else its only one.", show_default=False)]
AllowLocal = Annotated[
    bool, typer.Option("--allow-local", help="Replayed commands may run on this machine (needed for local and git).")
]
NoAgent = Annotated[bool, typer.Option("--no-agent", help="Only run the earlier steps again.")]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        "--max-steps",
        min=1,
        help="Of the model in a replay (else as many as the original took from there).",
        show_default=False,
    ),
]
TestCommand = Annotated[
    str | None,
    typer.Option("--test", help="Command whose exit code decides a replay's outcome.", show_default=False),
]
SkipNotReplayable = Annotated[
    bool, typer.Option("--skip-not-replayable", help="Leave out steps that cannot be run again, and go on.")
]
Settings = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="YAML settings (else CODETRACER_CONFIG, else codetracer.yaml in the workspace).",
        show_default=False,
    ),
]


def place_of(named: Path | None) -> Path:
    """The workspace that was named, else the default one."""
    from codetracer_core.store import default_workspace

    return named if named is not None else default_workspace()


def whose(named: str | None) -> str:
    """The person that was named, else the login name."""
    import getpass

    return named if named is not None else getpass.getuser()


def listed(words: str | None) -> list[str]:
    """The parts of a list with commas."""
    return [word.strip() for word in (words or "").split(",") if word.strip()]


def setup_of(file: Path | None, workspace: Path | None, given: Mapping[str, Any] | None = None) -> "Setup":
    """The settings in force: ``given`` on the command line, by "section.name", over environment, file and defaults."""
    from codetracer_core.config import load_config

    return load_config(file, place_of(workspace)).over(given or {}, "command line")


def diagnosis_settings(
    *,
    model: str | None,
    api_base: str | None,
    strategy: Strategy | None,
    samples: int | None,
    cost_limit: float | None,
    no_memory: bool,
    profile: list[str] | None,
    output: Path | None,
) -> dict[str, Any]:
    """The options of a diagnosis as ``given`` of ``setup_of``."""
    return {
        "llm.model": model,
        "llm.api_base": api_base,
        "trace.strategy": strategy,
        "trace.samples": samples,
        "trace.cost_limit_usd": cost_limit,
        "memory.enabled": False if no_memory else None,
        "output.profiles": profile,
        "output.folder": output and str(output),
    }


def replay_settings(
    *,
    env: str | None,
    image: str | None,
    allow_local: bool,
    max_steps: int | None,
    cost_limit: float | None,
    test: str | None,
) -> dict[str, Any]:
    """The options of a replay that are settings, as ``given`` of ``setup_of``."""
    return {
        "replay.environment": env if env in OWN_ENVIRONMENTS else None,
        "replay.image": image,
        "replay.allow_local": allow_local or None,
        "replay.max_steps": max_steps,
        "replay.cost_limit_usd": cost_limit,
        "replay.test_command": test,
    }
