"""All trajectory formats that a workspace can read: built-in ones, those of installed packages, and taught ones."""

from pathlib import Path

from codetracer_core.extractors.taught import OnFit, taught_formats
from codetracer_core.parsers import PARSERS, Format
from codetracer_core.parsers.plugged import plugin_formats


def formats_of(workspace: Path, on_fit: OnFit = lambda _name, _entry: None) -> tuple[Format, ...]:
    """The formats, built-in ones first, then those of plugins, which rank the same; those that this workspace was
    taught (``is_taught``) last. ``on_fit`` hears how well each of the taught ones fitted the run that it has read."""
    known = (*PARSERS, *plugin_formats()[0])
    names = {parser.name for parser in known}
    return (*known, *(parser for parser in taught_formats(workspace, on_fit) if parser.name not in names))
