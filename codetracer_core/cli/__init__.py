"""The command line. Thin: each command reads its words, calls one verb and prints what came back.

Nothing heavy is imported before a command needs it, so that help and shell completion answer at once.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from codetracer_core import __version__
from codetracer_core.cli import terminal
from codetracer_core.cli.agreement import agreement
from codetracer_core.cli.analytics import analytics
from codetracer_core.cli.batches import diagnose_all
from codetracer_core.cli.diagnosis import analyze, config
from codetracer_core.cli.evaluation import evaluate
from codetracer_core.cli.extractors import extractors_app
from codetracer_core.cli.interactive import interactive
from codetracer_core.cli.labels import import_labels, label
from codetracer_core.cli.machine import dashboard, doctor
from codetracer_core.cli.pipeline import run
from codetracer_core.cli.project import project_app
from codetracer_core.cli.replay import replay
from codetracer_core.cli.runs import export, import_, inspect, list_, tree
from codetracer_core.errors import CodeTracerError

_PLAIN: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}

app = typer.Typer(
    name="codetracer",
    help="See where a code agent went wrong: read its runs, walk their trace trees, label their steps.\n\n"
    "A first look: codetracer dashboard",
    no_args_is_help=True,
    **_PLAIN,
)
labels_app = typer.Typer(help="Labels from files into the workspace.", no_args_is_help=True, **_PLAIN)
batch_app = typer.Typer(**_PLAIN)

_COMMANDS: dict[str, Callable[..., None]] = {
    "import": import_,
    "list": list_,
    "inspect": inspect,
    "tree": tree,
    "label": label,
    "export": export,
    "analyze": analyze,
    "agreement": agreement,
    "analytics": analytics,
    "batch": diagnose_all,
    "evaluate": evaluate,
    "replay": replay,
    "interactive": interactive,
    "run": run,
    "dashboard": dashboard,
    "doctor": doctor,
    "config": config,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
labels_app.command("import")(import_labels)
app.add_typer(labels_app, name="labels")
app.add_typer(project_app, name="project")
app.add_typer(extractors_app, name="extractors")
batch_app.command()(diagnose_all)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``codetracer``."""
    _run(app, "codetracer", arguments)


def batch(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``codetracer-batch``."""
    _run(batch_app, "codetracer-batch", arguments)


def _run(command: typer.Typer, name: str, arguments: Sequence[str] | None) -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # text of a run may hold what a terminal cannot show
    try:
        try:
            command(args=arguments, prog_name=name)
        except CodeTracerError as error:
            terminal.print_line(str(error), err=True)
            raise SystemExit(1) from None
    except SystemExit as ended:
        if arguments is None and any(thread.name == "model call" for thread in threading.enumerate()):
            _end_now(ended.code)
        raise


def _end_now(code: object) -> None:
    """End without Python's own clearing up, for which a call of a model that was given up must not run any more.

    Its thread would be stopped wherever it is, which may be inside an import; litellm imports, too, when its own things
    are cleared away, and would wait for that lock for ever."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"codetracer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None: ...
