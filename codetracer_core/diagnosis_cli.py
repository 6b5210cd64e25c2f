"""Commands on diagnoses: ``analyze``, ``batch`` and the settings behind both. Thin, as ``cli`` is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core import terminal
from codetracer_core.cli_options import AsJson, Workspace, place_of

if TYPE_CHECKING:
    from codetracer_core.config import Setup

Settings = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="YAML settings (else CODETRACER_CONFIG, else codetracer.yaml in the workspace).",
        show_default=False,
    ),
]
COMMAND_LINE = "command line"


def setup_of(file: Path | None, workspace: Path | None, given: Mapping[str, Any] | None = None) -> "Setup":
    """The settings in force: ``given`` on the command line, by "section.name", over environment, file and defaults."""
    from codetracer_core.config import load_config

    return load_config(file, place_of(workspace)).over(given or {}, COMMAND_LINE)


def config(file: Settings = None, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Show the settings of diagnoses that are in force, and where each comes from.

    The file that docs/codetracer.example.yaml explains goes over the defaults, CODETRACER_MODEL and
    CODETRACER_API_BASE go over the file, options of a command over both. Keys of providers are no settings: they come
    from CODETRACER_API_KEY, the provider's own variable, or a secrets file; 'codetracer doctor' tells which are set.

    \b
    Examples:
      codetracer config
      codetracer config --config my-settings.yaml --json
    """
    setup = setup_of(file, workspace)
    rows = [
        {"setting": name, "value": value, "from": setup.origins.get(name, "default")}
        for name, value in setup.config.values()
    ]
    if as_json:
        terminal.print_json({"path": setup.path and str(setup.path), "settings": rows})
        return
    terminal.print_line(f"settings from {setup.path}" if setup.path else "no file of settings: defaults")
    for row in rows:
        row["value"] = row["value"] if isinstance(row["value"], str | None) else json.dumps(row["value"])
    terminal.print_table(rows)
