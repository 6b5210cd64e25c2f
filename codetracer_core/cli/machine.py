"""Commands about this machine: open the dashboard, tell how the installation is doing."""

import contextlib
import os
from typing import Annotated

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import AsJson, Workspace, place_of
from codetracer_core.errors import CodeTracerError


def dashboard(
    workspace: Workspace = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
) -> None:
    """Open the dashboard in the browser. An empty workspace starts with the sample runs.

    \b
    Example:
      codetracer dashboard --workspace ~/my-labels --port 8600
    """
    from codetracer_core.store import Store
    from codetracer_core.workflow import dashboard_root

    place = place_of(workspace).expanduser().absolute()
    Store.open(place).close()  # whatever is wrong with the workspace is told here, not in the browser
    root = dashboard_root()
    os.environ["CODETRACER_WORKSPACE"] = str(place)
    os.chdir(root)  # Streamlit reads .streamlit/config.toml from here

    import click  # which Streamlit's own command line is made with
    from streamlit.web import cli

    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": str(no_browser).lower(),
        "server.showEmailPrompt": "false",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    try:
        # Ctrl-C is the way to stop it; where a shell has it ignored, the server ends by itself.
        with contextlib.suppress(click.Abort):
            cli.main(["run", str(root / "app.py"), *words], prog_name="streamlit", standalone_mode=False)
    except click.ClickException as error:
        raise CodeTracerError(f"the dashboard does not start: {error.format_message()}") from error
    typer.echo("The dashboard is closed; everything is saved.", err=True)


def doctor(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Tell how this installation is doing.

    Versions, the workspace and who has it open, the formats that can be read, a browser for the tests, which model
    diagnoses ask, and which keys of model providers are set (never what they are).

    \b
    Example:
      codetracer doctor
    """
    from codetracer_core.doctor import findings

    found = findings(place_of(workspace))
    if as_json:
        terminal.print_json(found)
        return
    for topic, facts in found.items():
        typer.echo(topic)
        for name, value in facts.items():
            terminal.print_line(f"  {name:24} {value}")
