"""Options that commands of several modules share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
ModelName = Annotated[
    str | None,
    typer.Option(
        help="As litellm calls it (openai/gpt-5), or heuristic: offline rules without a key (else CODETRACER_MODEL).",
        show_default=False,
    ),
]
LanguageModel = Annotated[
    str | None,
    typer.Option("--model", help="As litellm calls it: openai/gpt-5 (else CODETRACER_MODEL).", show_default=False),
]
"""Where the offline rules will not do."""
ApiBase = Annotated[
    str | None,
    typer.Option(help="OpenAI-compatible server to ask (else CODETRACER_API_BASE).", show_default=False),
]
CostLimit = Annotated[float | None, typer.Option(help="US dollars for one run (else 3).", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate calls, tokens and cost; ask nobody.")]
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
