"""The interactive session: one run in the terminal, read, searched, labelled, diagnosed and asked about.

``session`` holds what it knows, ``leading`` reads line after line, ``table`` lists the commands (their help and
completion come from it), ``moving``, ``labelling`` and ``asking`` carry them out, ``choosing`` finds a run by parts of
its name, ``rendering`` prints, ``lines`` reads what is typed, ``kept`` is what the next session goes on with and
``resuming`` goes on with it.
"""

from typing import Annotated

import typer

from codetracer_core.cli.options import ApiBase, CostLimit, Format, ModelName, Settings, Workspace, place_of, whose


def interactive(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's folder or file, or an imported run's id.", show_default=False),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Who labels (else your login name).", show_default=False)
    ] = None,
    model: ModelName = None,
    api_base: ApiBase = None,
    cost_limit: CostLimit = None,
    settings: Settings = None,
    workspace: Workspace = None,
    format: Format = None,
) -> None:
    """Work on a run in the terminal: tree, steps, search, labels, diagnosis, questions to a model, replay.

    Without RUN, choose one of the imported runs by typing parts of its name. 'help' lists what can be typed; Tab
    completes. Labels are stored under your name, as on the dashboard, which may be open at the same time. Leave with
    Ctrl-D; the next session on the run can go on where this one was left, questions and answers included. Where no
    terminal is, commands are read line by line.

    \b
    Examples:
      codetracer interactive
      codetracer interactive some-run-0123456789 --annotator ana --model openai/gpt-5
      printf 'tree\\n12\\nincorrect 12 the wrong file\\n' | codetracer interactive some-run-0123456789
    """
    from codetracer_core.cli.interactive.leading import begin

    given = {"llm.model": model, "llm.api_base": api_base, "trace.cost_limit_usd": cost_limit}
    begin(run, whose(annotator), place_of(workspace), settings, given, format)
