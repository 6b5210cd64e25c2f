"""Commands on extractors: formats that were described instead of programmed. Thin, as ``cli`` is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.extractors_accepting import Offer, accept, confirmed, edited, take, text_in
from codetracer_core.cli.extractors_terminal import (
    print_extractors,
    print_progress,
    print_tried,
    print_version,
    tried_as_json,
    used_as_json,
    version_as_json,
)
from codetracer_core.cli.options import ApiBase, AsJson, LanguageModel, Settings, Workspace, place_of, setup_of, whose
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.words import number_of

if TYPE_CHECKING:
    from codetracer_core.extracting import Used
    from codetracer_core.extractors.spec import ExtractorSpec
    from codetracer_core.llm import Model

extractors_app = typer.Typer(
    help="Formats that are described instead of programmed: have a model propose one, test, share, repair them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an extractor ('codetracer extractors list').")]
SpecVersion = Annotated[
    int | None, typer.Option("--version", min=1, help="Else the one that reads runs.", show_default=False)
]
CostLimit = Annotated[float, typer.Option(min=0.0, help="US dollars, while the model's price is known.")]
Attempts = Annotated[int, typer.Option(min=1, max=20, help="How often the model may hand in a spec.")]
AlsoInto = Annotated[
    Path | None, typer.Option("--out", "-o", help="Also write the spec into this file.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; of a model's, only what passes every check.")]


@extractors_app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the extractors of the workspace, how many runs each has read, and those that fit worse than they did.

    \b
    Example:
      codetracer extractors list
    """
    listed = _used(place_of(workspace))
    if as_json:
        terminal.print_json([used_as_json(one) for one in listed])
    else:
        print_extractors(listed)


@extractors_app.command()
def show(
    name: Name,
    version: SpecVersion = None,
    language: Annotated[bool, typer.Option("--text", help="Print the spec (YAML) and nothing else.")] = False,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Show an extractor: where it comes from, how it fits, which runs it has read, and its spec.

    \b
    Example:
      codetracer extractors show relay --text > relay.yaml
    """
    from codetracer_core.extractors.registry import version_of
    from codetracer_core.extractors.spec import spec_text

    place = place_of(workspace)
    found = version_of(place, name, version)
    if language:
        terminal.print_line(spec_text(found.spec).rstrip())
        return
    used = next(one for one in _used(place) if one.extractor.name == found.name)
    if as_json:
        terminal.print_json(version_as_json(found, used))
        return
    print_version(found, used)
    for problem in used.extractor.problems:
        terminal.print_line(f"problem: {problem}")
    terminal.print_line("")
    terminal.print_line(spec_text(found.spec).rstrip())


@extractors_app.command()
def find(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Where to look.")],
    model: LanguageModel = None,
    api_base: ApiBase = None,
    cost_limit: CostLimit = 0.25,
    settings: Settings = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Have a model name the folders below ROOT that may hold runs, where no format recognises any.

    It sees names and sizes of files, nothing of what is in them. Only folders that are there are told.

    \b
    Example:
      codetracer extractors find ~/experiments --model openai/gpt-5
    """
    from codetracer_core.extractors.candidates import candidate_folders

    asked = _model(settings, workspace, model, api_base)
    with terminal.stoppable() as received:
        found = candidate_folders(root, asked, ceiling=cost_limit, cancelled=lambda: bool(received))
    if as_json:
        terminal.print_json(
            {
                "folders": [{"path": str(path), "why": why} for path, why in found.folders],
                "refused": list(found.refused),
                "problem": found.problem,
                "usage": found.usage.model_dump(),
            }
        )
    else:
        for path, why in found.folders:
            terminal.print_line(f"{path}: {terminal.one_line(why, 200)}")
        for words in found.refused:
            terminal.print_line(f"refused: {words}")
    if found.problem:
        raise CodeTracerError(found.problem)
    if not found.folders and not as_json:
        terminal.print_line("no folder here looks as if it held runs")


@extractors_app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A run, or a folder with several of one kind.")],
    spec: Annotated[
        Path | None, typer.Option("--spec", help="A spec (YAML, JSON) instead of a model.", show_default=False)
    ] = None,
    model: LanguageModel = None,
    api_base: ApiBase = None,
    attempts: Attempts = 4,
    cost_limit: CostLimit = 1.0,
    out: AlsoInto = None,
    yes: Yes = False,
    settings: Settings = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Have a model describe the format of the runs in FOLDER, look at what comes of it, accept it, import the runs.

    What it proposes is data, not code: it is run on the folder and on others beside it that look alike, and judged by
    checks; what does not pass goes back to the model. Nothing is kept before somebody accepts it. Afterwards every
    import reads such runs, without a model.

    \b
    Examples:
      codetracer extractors new ~/runs/relay --model openai/gpt-5
      codetracer extractors new ~/runs/relay --spec relay.yaml --yes
    """
    from codetracer_core.extractors.generator import propose
    from codetracer_core.extractors.registry import registered
    from codetracer_core.extractors.trying import try_spec

    if spec is not None:
        described = _spec_in(spec)
        offer = Offer(described, try_spec(described, [folder]), folder, whose(None))
        accept(offer, place_of(workspace), out=out, yes=yes, as_json=as_json)
        return
    _refuse_known(folder, place_of(workspace))
    asked = _model(
        settings, workspace, model, api_base, otherwise=", or write the spec yourself and give it with --spec"
    )
    with terminal.stoppable() as received:
        proposed = propose(
            folder,
            asked,
            attempts=attempts,
            ceiling=cost_limit,
            taken=[extractor.name for extractor in registered(place_of(workspace))],
            on_progress=print_progress,
            cancelled=lambda: bool(received),
        )
    take(proposed, folder, place_of(workspace), out=out, yes=yes, as_json=as_json)


@extractors_app.command()
def repair(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A run that it does not fit any more.")],
    model: LanguageModel = None,
    api_base: ApiBase = None,
    attempts: Attempts = 4,
    cost_limit: CostLimit = 1.0,
    out: AlsoInto = None,
    yes: Yes = False,
    settings: Settings = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Have a model change an extractor so that it fits FOLDER again; accepted, it becomes the next version.

    \b
    Example:
      codetracer extractors repair relay ~/runs/relay-1.0/some-run --model openai/gpt-5
    """
    from codetracer_core.extractors.generator import repair as repaired
    from codetracer_core.extractors.registry import version_of

    old = version_of(place_of(workspace), name)
    asked = _model(
        settings, workspace, model, api_base, otherwise=f", or change it yourself: codetracer extractors edit {name}"
    )
    with terminal.stoppable() as received:
        proposed = repaired(
            old.spec,
            folder,
            asked,
            attempts=attempts,
            ceiling=cost_limit,
            accepted=old.facts.fit,
            also=[Path(old.facts.origin)] if old.facts.origin else (),
            on_progress=print_progress,
            cancelled=lambda: bool(received),
        )
    take(proposed, folder, place_of(workspace), out=out, yes=yes, as_json=as_json)


@extractors_app.command("test")
def try_on(
    what: Annotated[str, typer.Argument(metavar="NAME|FILE", help="An extractor, or a file with a spec.")],
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Runs, or folders with runs.")],
    version: SpecVersion = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell what became of every record.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="Runs that are read, spread over all.")] = 6,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Try a spec on folders and tell how well it fits. Nothing is stored; exit code 1 if a check says no.

    \b
    Example:
      codetracer extractors test relay.yaml ~/runs/relay ~/other/relay --explain
    """
    from codetracer_core.extractors.trying import try_spec

    tried = try_spec(_named_or_file(what, version, workspace), folders, most=most)
    if as_json:
        terminal.print_json(tried_as_json(tried, explain=explain))
    else:
        print_tried(tried, explain=explain)
    if not tried.is_good:
        raise typer.Exit(1)


@extractors_app.command()
def edit(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option("--on", metavar="FOLDER", help="Try it here first (else where it was made).", show_default=False),
    ] = None,
    yes: Yes = False,
    workspace: Workspace = None,
) -> None:
    """Change an extractor in your editor (VISUAL, EDITOR); what is saved there becomes the next version.

    \b
    Example:
      EDITOR=nano codetracer extractors edit relay --on ~/runs/relay
    """
    from codetracer_core.extractors.registry import version_of
    from codetracer_core.extractors.trying import try_spec

    found = version_of(place_of(workspace), name)
    spec = edited(found.spec)
    if spec is None:
        terminal.print_line("nothing was changed")
        return
    origin = Path(found.facts.origin) if found.facts.origin else None
    on = folder or (origin if origin is not None and origin.is_dir() else None)
    if on is None:
        terminal.print_line("not tried on any folder: name one with --on", err=True)
    offer = Offer(spec, try_spec(spec, [on]) if on is not None else None, on, whose(None))
    accept(offer, place_of(workspace), yes=yes, with_import=False)


@extractors_app.command()
def export(
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (else the screen).", show_default=False)] = None,
    version: SpecVersion = None,
    workspace: Workspace = None,
) -> None:
    """Write an extractor as one file for other people.

    \b
    Example:
      codetracer extractors export relay --out relay.extractor.yaml
    """
    from codetracer_core.exporting import write_text
    from codetracer_core.extractors.registry import version_of
    from codetracer_core.extractors.sharing import export_text

    text = export_text(version_of(place_of(workspace), name, version))
    if out is None:
        terminal.print_line(text.rstrip())
    else:
        write_text(out, text)


@extractors_app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Specs that somebody exported or wrote.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Take in shared extractors. Nothing is overwritten: what differs from what is there becomes its next version.

    \b
    Example:
      codetracer extractors import relay.extractor.yaml
    """
    from codetracer_core.extractors.sharing import import_text

    rows: list[dict[str, Any]] = []
    for file in files:
        taken = import_text(place_of(workspace), text_in(file), made_by=f"{whose(None)} (from a file)", path=str(file))
        rows.append({"name": taken.version.name, "version": taken.version.number, "became": taken.became})
    terminal.print_json(rows) if as_json else terminal.print_table(rows)


@extractors_app.command()
def use(
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION|off", help="A version's number, or off.")],
    workspace: Workspace = None,
) -> None:
    """Let another version read runs from now on, or none (off). Runs that were imported stay as they are.

    \b
    Examples:
      codetracer extractors use relay 1
      codetracer extractors use relay off
    """
    from codetracer_core.extractors.registry import switched

    number = version.removeprefix("v")
    if version != "off" and not number.isdecimal():
        raise typer.BadParameter("name the number of a version, or off.")
    switched(place_of(workspace), name, None if version == "off" else int(number))
    terminal.print_line(f"{name} is switched off" if version == "off" else f"version {number} of {name} reads runs now")


@extractors_app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: Workspace = None,
) -> None:
    """Forget an extractor with all its versions. Runs that it has read stay.

    \b
    Example:
      codetracer extractors remove relay --yes
    """
    from codetracer_core.extractors.registry import extractor_named, removed

    place = place_of(workspace)
    count = len(extractor_named(place, name).versions)
    if not yes and not confirmed(f"Forget {name} with {number_of(count, 'version')}?"):
        raise CodeTracerError("nothing was removed", remedy="Say --yes to do it without being asked.")
    removed(place, name)
    terminal.print_line(f"{name} is removed")


def _used(place: Path) -> "Sequence[Used]":
    from codetracer_core.extracting import used_in

    return used_in(place)


def _refuse_known(folder: Path, place: Path) -> None:
    """Nobody pays for the description of a format that is read already."""
    from codetracer_core.discovery import discover
    from codetracer_core.formats import formats_of

    known = {run.format for run in discover(folder, formats=formats_of(place)).locations}
    if known:
        raise CodeTracerError(
            f"read already as {', '.join(sorted(known))}",
            path=folder,
            remedy="Import it; if an extractor reads it badly: codetracer extractors repair NAME FOLDER.",
        )


def _model(
    settings: Path | None, workspace: Path | None, model: str | None, api_base: str | None, *, otherwise: str = ""
) -> "Model":
    """The model to be asked. ``otherwise``: what goes without one, as the end of a sentence."""
    from codetracer_core.config import language_model_of

    config = setup_of(settings, workspace, {"llm.model": model, "llm.api_base": api_base}).config
    return language_model_of(config, "describe a format", f"Name a language model with --model{otherwise}.")


def _spec_in(file: Path) -> "ExtractorSpec":
    from codetracer_core.extractors.spec import read_spec

    return read_spec(text_in(file), path=str(file))


def _named_or_file(what: str, version: int | None, workspace: Path | None) -> "ExtractorSpec":
    from codetracer_core.extractors.registry import version_of

    if Path(what).is_file():
        return _spec_in(Path(what))
    try:
        return version_of(place_of(workspace), what, version).spec
    except NotFound as error:
        raise NotFound(f"neither a file nor an extractor: {what!r}", remedy=error.remedy) from error
