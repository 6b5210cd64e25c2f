"""Options that commands of several modules share."""

from pathlib import Path
from typing import Annotated

import typer

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder with runs and labels (else CODETRACER_WORKSPACE, else your data folder).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


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
